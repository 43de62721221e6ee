/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A CPU's translation hardware as parameters: what the model (walker.h) is made of; and what it
 * takes for an exit, a flush or an instruction, which others (bench/phase.c, plots) multiply counts
 * with. The files in cpus/ describe named CPUs; each line ends with where its figure comes from, or
 * says that it is an assumption, and a line that does neither is refused.
 */
#ifndef PENUMBRA_WALK_CPU_H
#define PENUMBRA_WALK_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CPU_MAX_PARTS  4
#define CPU_MAX_CACHES 4

/* Page sizes, and sets of them. */
enum page_size { PAGE_4K, PAGE_2M, PAGE_1G, PAGE_SIZES };

/**
 * page_shift() - log2 of a page size
 * @size: the size
 */
static inline unsigned int page_shift(enum page_size size)
{
	return 12 + 9 * (unsigned int)size;
}

/**
 * struct cpu_array - a set-associative array
 * @entries: 0 where the CPU has none
 * @ways: as many as entries for a fully associative one
 * @holds: bit per enum page_size that it holds
 */
struct cpu_array {
	unsigned int entries, ways, holds;
};

/**
 * struct cpu_cache - a level of the cache hierarchy
 * @bytes: its size
 * @ways: associativity
 * @latency: cycles of a hit
 */
struct cpu_cache {
	uint64_t bytes;
	unsigned int ways, latency;
};

/*
 * What counts are multiplied with: PRICE(name, sentence). Nobody knows these to the digit, so each is
 * a band; what is made from them has to say what the band leaves open.
 */
#define CPU_PRICES(PRICE)                                                               \
	PRICE(exit_cycles, "a VM exit and the next entry without what runs in between") \
	PRICE(exit_after_cycles, "what the instructions after an exit lose by it")      \
	PRICE(invvpid_cycles, "an INVVPID or INVEPT of the hypervisor")                 \
	PRICE(invlpg_cycles, "an INVLPG or INVPCID of the guest that does not exit")    \
	PRICE(cr3_cycles, "a MOV to CR3 that does not exit")                            \
	PRICE(walk_percent, "percent of a walk that the program waits for")             \
	PRICE(thousand_instructions_cycles, "a thousand instructions that miss no cache")

#define CPU_PRICE_ENUM(name, sentence) PRICE_##name,
enum cpu_price { CPU_PRICES(CPU_PRICE_ENUM) CPU_PRICE_NR };
#undef CPU_PRICE_ENUM

enum cpu_bound { CPU_LOW, CPU_MID, CPU_HIGH, CPU_BOUNDS };

/**
 * struct cpu_band - a price
 * @value: from the least to the most that it may be; all 0 where the file does not say
 * @source: where they come from
 */
struct cpu_band {
	unsigned int value[CPU_BOUNDS];
	char source[256];
};

extern const char *const cpu_price_names[CPU_PRICE_NR];
extern const char *const cpu_price_sentences[CPU_PRICE_NR];

/**
 * struct cpu_config - one CPU
 * @name: what rows call it
 * @dtlb: first-level data TLBs
 * @itlb: first-level instruction TLBs
 * @stlb: second-level TLBs
 * @stlb_cycles: what a hit there costs more than one in the first level
 * @psc: paging-structure caches by level of the entry they hold: [2] PDE, [3] PDPTE, [4] PML4E
 * @nested_tlb: guest-physical page to host-physical page
 * @nested_psc: the same as @psc, for entries of the second dimension
 * @cache: for data and for paging-structure entries alike, from the first level on
 * @caches: how many
 * @memory_cycles: a reference that no cache has
 * @price: see CPU_PRICES; walks need none of them
 * @fracture: large pages are held as 4 KiB pages
 * @tag_vpid: VM transitions flush nothing
 * @tag_pcid: a change of CR3 flushes nothing
 * @first_write_walks: a page that was read takes another walk when it is first written
 * @assumptions: how many lines are marked as assumptions
 */
struct cpu_config {
	char name[64];
	struct cpu_array dtlb[CPU_MAX_PARTS], itlb[CPU_MAX_PARTS], stlb[CPU_MAX_PARTS];
	unsigned int stlb_cycles;
	struct cpu_array psc[5], nested_tlb, nested_psc[5];
	struct cpu_cache cache[CPU_MAX_CACHES];
	unsigned int caches, memory_cycles;
	struct cpu_band price[CPU_PRICE_NR];
	bool fracture, tag_vpid, tag_pcid, first_write_walks;
	unsigned int assumptions;
};

/**
 * cpu_read() - read a parameter file
 * @cpu: where it goes; what the file does not name is absent
 * @file: the file
 * @path: its name, for messages
 *
 * Return: false after a sentence on standard error.
 */
bool cpu_read(struct cpu_config *cpu, FILE *file, const char *path);

/**
 * cpu_has_prices() - does a CPU's file say all of them?
 * @cpu: the CPU
 */
bool cpu_has_prices(const struct cpu_config *cpu);

#endif

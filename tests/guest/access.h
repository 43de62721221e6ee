/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the access test share. Reading order: access.c (options, parts), oracle.c (what
 * the manual says), space.c and touch.S (address spaces, the accesses themselves), matrix.c (all
 * combinations), then the named cases: tables.c, stores.c, flush.c, rights.c.
 *
 * The rule of the whole image: the expected result of an access is never written down by hand. It
 * is what the oracle says about the tables in memory just before. So a case is only a story (what
 * is changed, what is flushed), and a hypervisor that gets a fault, an error code, CR2, an accessed
 * or dirty flag or the data wrong is found wherever the story touches memory.
 */
#ifndef GUEST_ACCESS_H
#define GUEST_ACCESS_H

#include "kernel/kernel.h"

#define PTE_PAT_LARGE (1ul << 12)

/* The root slots that nobody but a case uses; emptied before each case. */
#define CASE_SLOT  16
#define CASE_SLOTS 8
#define VA(slot, pdpt, pd, pt) \
	((u64)(CASE_SLOT + (slot)) << 39 | (u64)(pdpt) << 30 | (u64)(pd) << 21 | (u64)(pt) << 12)

#define TABLE_FLAGS (PTE_P | PTE_W | PTE_U)
#define PAGE_FLAGS  (PTE_P | PTE_W | PTE_U)

enum access_kind { READ, WRITE, FETCH };
enum access_who { SUPERVISOR, USER, IMPLICIT };

/**
 * struct mode - the control bits that decide what an entry means
 */
struct mode {
	bool wp, nxe, smep, smap, pge;
	bool ac; /* RFLAGS.AC while the access is made */
};

/**
 * struct verdict - what the manual says about one access
 */
struct verdict {
	bool fault;
	u64 code;      /* error code of the fault */
	int last;      /* level of the last entry that was read */
	u64 *entry[5]; /* by level: where it is */
	u64 before[5]; /* ... what it was */
	u64 after[5];  /* ... what it has to be afterwards */
	u64 pa;	       /* where the access goes or would go; 0 where the walk has no end */
};

/**
 * struct outcome - what happened
 */
struct outcome {
	bool fault;
	int vector;
	u64 code, cr2;
	u64 value; /* what was read, or what the fetched code returned */
};

/* ---- oracle.c ---- */

/**
 * oracle() - walk the tables in memory as the manual says
 * @v: result
 * @root: physical address of the PML4
 * @va: linear address
 * @who: whose access
 * @kind: what kind
 * @m: control bits
 */
void oracle(struct verdict *v, u64 root, u64 va, enum access_who who, enum access_kind kind,
	    const struct mode *m);

/**
 * reserved_high() - the bits between the physical address width and bit 51
 */
u64 reserved_high(void);

/* ---- space.c ---- */

extern struct mode now;
extern u64 root; /* of the current address space */

void space_init(void);

/**
 * space_new() - a root with the kernel's slots and nothing else
 */
u64 space_new(void);

/**
 * space_use() - MOV to CR3
 * @new_root: what space_new() returned
 * @low: PCID, and CR3_NOFLUSH
 */
void space_use(u64 new_root, u64 low);

/**
 * controls() - set the control bits, RFLAGS.AC at the next access
 * @m: what to set; features that the CPU lacks must be off
 */
void controls(const struct mode *m);

/* The mode that cases start in: every protection that the CPU has, AC set. */
void controls_default(void);

/* Forget everything, global translations included, by CR4.PGE. */
void flush_all(void);

u64 *table_new(void);

/**
 * entry_of() - the entry of an address, tables made on the way with TABLE_FLAGS
 */
u64 *entry_of(u64 in_root, u64 va, int level);

/* Map and return the entry. No flush: a new mapping needs none. */
u64 *map(u64 va, u64 pa, u64 flags);
u64 *map_large(u64 va, u64 pa, u64 flags);
u64 *map_in(u64 in_root, u64 va, u64 pa, u64 flags);

/**
 * put() - store an entry if it is not that already
 */
static always_inline void put(u64 *entry, u64 value)
{
	if (*(volatile u64 *)entry != value)
		*(volatile u64 *)entry = value;
}

static always_inline void set(u64 *entry, u64 value)
{
	*(volatile u64 *)entry = value;
}

static always_inline u64 get(const u64 *entry)
{
	return *(const volatile u64 *)entry;
}

/*
 * Test pages start with `mov $id, %eax; ret`: whatever way a page is touched, it says which frame
 * was behind the address.
 */
static always_inline u64 stamp_word(u32 id)
{
	return 0xb8ul | (u64)id << 8 | 0xc3ul << 40;
}

/**
 * stamp() - write a fresh stamp into a frame
 * @pa: the frame
 *
 * Return: @pa.
 */
u64 stamp(u64 pa);
u64 stamped(void); /* of a new frame */

/* 16 stamped frames, aligned to their size: adding 0x1000 to an entry gives the next. */
u64 stamped16(void);

/**
 * touch() - one access, with the current control bits
 */
struct outcome touch(enum access_who who, enum access_kind kind, u64 va, u64 value);

/**
 * user_call() - run user code with two arguments to its end
 */
struct outcome user_call(u64 fn, u64 a, u64 b);

/* Where traps from ring 3 are saved, for who has pointed the TSS elsewhere. */
struct regs *user_regs(void);

/* IMPLICIT accesses read a descriptor of the LDT: put it at an address. */
void ldt_at(u64 va);

#define LDT_ACCESSED  8	 /* offset of a descriptor whose load only reads */
#define LDT_CLEAN     16 /* ... whose load also writes */
#define LDT_BYTES     24
#define DESC_ACCESSED 0x00cff3000000fffful
#define DESC_CLEAN    0x00cff2000000fffful

/* ---- access.c ---- */

/**
 * verify() - make an access and compare everything with the oracle
 * @who: whose
 * @kind: what
 * @va: where; the page must be stamped unless @kind is READ
 *
 * Return: true if all was right.
 */
bool verify(enum access_who who, enum access_kind kind, u64 va);

/* All six accesses, or reads and writes only. */
void verify_all(u64 va);
void verify_data(u64 va);

/**
 * compare() - the same for an access that was made already
 */
bool compare(const struct verdict *v, const struct outcome *o, enum access_who who,
	     enum access_kind kind, u64 va, u64 word_before, u64 word_after);

/* A word that differs from the last one, for a write. */
u64 next_word(void);

/**
 * failure() - count a failure; true if it is one of those that are printed
 */
bool failure(void);

/**
 * expect() - check inside a case
 */
#define expect(cond) expect_that(cond, #cond, __FILE__, __LINE__)
bool expect_that(bool ok, const char *what, const char *file, int line);

/**
 * take() - shall this combination be run? Counts it if so.
 */
bool take(void);

/* A number that differs from combination to combination but not from run to run. */
u32 salt(void);

/**
 * struct test_case - a named story
 */
struct test_case {
	const char *name;
	void (*run)(void);
	const char *needs; /* why it may be skipped, or NULL */
	bool (*can)(void);
};

extern const struct test_case table_cases[], flush_cases[], right_cases[], store_cases[];

/* ---- matrix.c ---- */

enum site_size { SITE_4K, SITE_2M, SITE_1G, SITES };

void matrix_init(void);
void matrix_leaf(enum site_size size);
void matrix_upper(enum site_size size);
void matrix_warm(enum site_size size);
void matrix_upgrade(enum site_size size);
void matrix_implicit(enum site_size size);
void matrix_full(enum site_size size);

#endif

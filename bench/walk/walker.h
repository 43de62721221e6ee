/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of a CPU's translation: TLBs, paging-structure caches, nested caches, and the caches
 * that paging-structure entries share with data. It is told of accesses, and says which of them
 * walk, what the walk reads, and how many cycles that takes.
 *
 * The model does not read page tables. What a walk for an address would read comes from a book of
 * translations that the trace, or a generator, fills with real addresses of entries.
 */
#ifndef PENUMBRA_WALK_WALKER_H
#define PENUMBRA_WALK_WALKER_H

#include "cpu.h"
#include "trace.h"

/**
 * struct translation - what a walk for one page reads
 * @key: the page
 * @context: whose it is, see book_learn()
 * @order: the later the learned, the higher
 * @shift: log2 of the page size
 * @global: its entry says so
 * @refs: how many references
 * @ref: they, in order
 */
struct translation {
	uint64_t key, context, order;
	uint8_t shift, refs;
	bool global;
	struct walk_ref ref[];
};

/**
 * struct book - the translations that are known
 * @slot: a hash table
 * @slots: its size, a power of two
 * @used: slots in use
 * @order: of the last one learned
 */
struct book {
	struct translation **slot;
	size_t slots, used;
	uint64_t order;
};

/**
 * book_learn() - a complete walk shows a translation
 * @book: the book
 * @context: whose it is: the physical address of the root, plus 1 for a guest's
 * @walk: the walk
 * @lin: where the page's linear address goes
 * @changed: set if another translation was known for that page
 *
 * Return: the translation; valid until the same page is learned again.
 */
const struct translation *book_learn(struct book *book, uint64_t context, const struct walk *walk,
				     uint64_t *lin, bool *changed);

/**
 * book_find() - the latest translation of an address
 * @book: the book
 * @context: whose
 * @lin: the address
 *
 * Return: what was learned in this context, else a global one from another, else NULL.
 */
const struct translation *book_find(const struct book *book, uint64_t context, uint64_t lin);
void book_clear(struct book *book);

/**
 * struct model_counts - what a model says of one side, guest or hypervisor
 * @accesses: data accesses
 * @l1_hits: translations found in a first-level TLB
 * @stlb_hits: in the second level
 * @walks: walks for data and for instructions
 * @refs: references by dimension and level
 * @walk_cycles: what the walks' references take, one after the other
 * @data_cycles: what the data accesses themselves take
 * @stlb_cycles: what hits in the second level take
 * @unknown: accesses whose translation nobody has shown; they count as nothing else
 */
struct model_counts {
	uint64_t accesses, l1_hits, stlb_hits, walks;
	uint64_t refs[2][5];
	uint64_t walk_cycles, data_cycles, stlb_cycles, unknown;
};

struct model;

/**
 * model_new() - a CPU with nothing in its caches
 * @config: its parameters; must stay
 */
struct model *model_new(const struct cpu_config *config);
void model_free(struct model *model);
const struct cpu_config *model_config(const struct model *model);

/**
 * model_reset() - caches and counts as new
 * @model: the model
 */
void model_reset(struct model *model);

/**
 * model_counts() - what it has counted
 * @model: the model
 * @guest: of which side
 */
struct model_counts *model_counts(struct model *model, bool guest);

enum model_use { USE_READ, USE_WRITE, USE_FETCH };
enum model_result { FOUND_L1, FOUND_STLB, WALKED, NOT_KNOWN };

/**
 * model_access() - one access
 * @model: the model
 * @book: what a walk would read
 * @context: as for book_learn()
 * @lin: linear address
 * @phys: physical address; 0 where only the translation matters
 * @use: what for
 */
enum model_result model_access(struct model *model, const struct book *book, uint64_t context,
			       uint64_t lin, uint64_t phys, enum model_use use);

/**
 * model_walk_as_shown() - a walk that ended in a fault: its references, nothing kept
 * @model: the model
 * @walk: the walk
 * @guest: whose
 */
void model_walk_as_shown(struct model *model, const struct walk *walk, bool guest);

/**
 * model_forget() - an INVLPG or INVVPID of one address, whatever its page size
 * @model: the model
 * @context: whose
 * @lin: the address
 */
void model_forget(struct model *model, uint64_t context, uint64_t lin);

/**
 * model_transition() - a VM entry or exit
 * @model: the model
 */
void model_transition(struct model *model);

/**
 * model_new_root() - a change of CR3
 * @model: the model
 * @guest: on which side
 */
void model_new_root(struct model *model, bool guest);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model of walker.h, in four parts: arrays, the book of translations, the walk, the access.
 *
 * What it follows: SDM 3A 4.10 (TLBs, paging-structure caches, globals, PCID) and 3C 29.4 (VPID;
 * combined and guest-physical mappings: the paging-structure caches hold host addresses, so a hit
 * there also saves the nested walks of the tables above it). Every array is replaced by exact LRU.
 * A walk's references are made one after the other; walks do not overlap each other or the program.
 */
#include "walker.h"

#include <stdlib.h>
#include <string.h>

#define GUEST	  1ull /* of a context */
#define LINE_BITS 6

/* ---- 1: arrays ---- */

struct slot {
	uint64_t key, context, stamp;
	bool valid, global, written;
};

struct array {
	unsigned int sets, ways, holds;
	uint64_t stamp;
	struct slot *slot;
};

struct model {
	const struct cpu_config *config;
	struct array dtlb[CPU_MAX_PARTS], itlb[CPU_MAX_PARTS], stlb[CPU_MAX_PARTS];
	struct array psc[5], nested_tlb, nested_psc[5];
	struct array cache[CPU_MAX_CACHES];
	struct model_counts counts[2];
};

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory) {
		fputs("walkmodel: no memory left\n", stderr);
		exit(2);
	}
	return memory;
}

static void array_init(struct array *array, unsigned int entries, unsigned int ways,
		       unsigned int holds)
{
	array->holds = holds;
	if (!entries)
		return;
	array->ways = ways;
	array->sets = entries / ways;
	array->slot = allocate(entries, sizeof(*array->slot));
}

static void array_clear(struct array *array)
{
	for (unsigned int i = 0; i < array->sets * array->ways; i++)
		array->slot[i].valid = false;
}

static bool same_context(const struct slot *slot, uint64_t context)
{
	return slot->context == context ||
	       (slot->global && (slot->context & GUEST) == (context & GUEST));
}

static struct slot *array_set(const struct array *array, uint64_t index)
{
	return &array->slot[index % array->sets * array->ways];
}

static struct slot *array_find(struct array *array, uint64_t index, uint64_t key, uint64_t context)
{
	struct slot *set;

	if (!array->sets)
		return NULL;
	set = array_set(array, index);
	for (unsigned int way = 0; way < array->ways; way++) {
		if (set[way].valid && set[way].key == key && same_context(&set[way], context)) {
			set[way].stamp = ++array->stamp;
			return &set[way];
		}
	}
	return NULL;
}

/* A slot for the key: the one that it has, a free one, or the one unused for longest. */
static struct slot *array_put(struct array *array, uint64_t index, uint64_t key, uint64_t context)
{
	struct slot *slot = array_find(array, index, key, context);
	struct slot *set;

	if (slot || !array->sets)
		return slot;
	slot = set = array_set(array, index);
	for (unsigned int way = 0; way < array->ways; way++) {
		if (!set[way].valid) {
			slot = &set[way];
			break;
		}
		if (set[way].stamp < slot->stamp)
			slot = &set[way];
	}
	*slot = (struct slot){
		.key = key, .context = context, .valid = true, .stamp = ++array->stamp
	};
	return slot;
}

/* ---- 2: the book ---- */

static uint64_t page_key(uint64_t lin, unsigned int shift)
{
	return lin >> shift << 6 | shift;
}

static size_t book_slot(const struct book *book, uint64_t key, uint64_t context)
{
	uint64_t hash = (key ^ context * 0x9e3779b97f4a7c15ull) * 0xd6e8feb86659fd93ull;
	size_t at = (size_t)(hash >> 32) & (book->slots - 1);

	while (book->slot[at] && (book->slot[at]->key != key || book->slot[at]->context != context))
		at = (at + 1) & (book->slots - 1);
	return at;
}

static void book_grow(struct book *book)
{
	struct book larger = { .slots = book->slots ? book->slots * 2 : 1024 };

	larger.slot = allocate(larger.slots, sizeof(*larger.slot));
	for (size_t i = 0; i < book->slots; i++)
		if (book->slot[i])
			larger.slot[book_slot(&larger, book->slot[i]->key,
					      book->slot[i]->context)] = book->slot[i];
	free(book->slot);
	book->slot = larger.slot;
	book->slots = larger.slots;
}

/* The same entries at the same places, apart from accessed and dirty flags. */
static bool same_translation(const struct translation *t, const struct walk *walk)
{
	if (t->refs != walk->refs)
		return false;
	for (unsigned int i = 0; i < t->refs; i++) {
		uint64_t flags = t->ref[i].nested ? 0x300 : 0x60;

		if (t->ref[i].phys != walk->ref[i].phys ||
		    (t->ref[i].value | flags) != (walk->ref[i].value | flags))
			return false;
	}
	return true;
}

static bool is_global(const struct walk *walk)
{
	for (unsigned int i = walk->refs; i-- > 0;)
		if (!walk->ref[i].nested)
			return walk->ref[i].value >> 8 & 1;
	return false;
}

static const struct translation *learn(struct book *book, uint64_t context, const struct walk *walk,
				       uint64_t lin, unsigned int shift, bool *changed)
{
	uint64_t key = page_key(lin, shift);
	struct translation *t;
	size_t at;

	if (book->used * 2 >= book->slots)
		book_grow(book);
	at = book_slot(book, key, context);
	t = book->slot[at];
	*changed = t && !same_translation(t, walk);
	if (!t || *changed) {
		book->used += !t;
		free(t);
		t = allocate(1, sizeof(*t) + walk->refs * sizeof(walk->ref[0]));
		book->slot[at] = t;
	}
	t->key = key;
	t->context = context;
	t->order = ++book->order;
	t->shift = (uint8_t)shift;
	t->refs = (uint8_t)walk->refs;
	t->global = is_global(walk);
	memcpy(t->ref, walk->ref, walk->refs * sizeof(walk->ref[0]));
	return t;
}

/* A global translation is also noted without its root, for the other address spaces. */
const struct translation *book_learn(struct book *book, uint64_t context, const struct walk *walk,
				     uint64_t *lin, bool *changed)
{
	unsigned int shift = walk_page(walk, lin);
	bool ignored;

	if (is_global(walk))
		learn(book, context & GUEST, walk, *lin, shift, &ignored);
	return learn(book, context, walk, *lin, shift, changed);
}

static const struct translation *find(const struct book *book, uint64_t context, uint64_t lin)
{
	const struct translation *best = NULL, *t;

	for (int size = 0; size < PAGE_SIZES && book->slots; size++) {
		unsigned int shift = page_shift((enum page_size)size);

		t = book->slot[book_slot(book, page_key(lin, shift), context)];
		if (t && (!best || t->order > best->order))
			best = t;
	}
	return best;
}

const struct translation *book_find(const struct book *book, uint64_t context, uint64_t lin)
{
	const struct translation *t = find(book, context, lin);

	return t ? t : find(book, context & GUEST, lin);
}

void book_clear(struct book *book)
{
	for (size_t i = 0; i < book->slots; i++)
		free(book->slot[i]);
	free(book->slot);
	*book = (struct book){ 0 };
}

/* ---- 3: the walk ---- */

/* Data and entries alike: looked for level by level, and brought into each that did not have it. */
static unsigned int memory_access(struct model *m, uint64_t phys)
{
	uint64_t line = phys >> LINE_BITS;

	for (unsigned int i = 0; i < m->config->caches; i++) {
		if (array_find(&m->cache[i], line, line, 0))
			return m->config->cache[i].latency;
		array_put(&m->cache[i], line, line, 0);
	}
	return m->config->memory_cycles;
}

static void make_reference(struct model *m, struct model_counts *c, const struct walk_ref *ref)
{
	c->refs[ref->nested][ref->level]++;
	c->walk_cycles += memory_access(m, ref->phys);
}

static bool found_in(struct array *psc, unsigned int level, uint64_t address, uint64_t context)
{
	uint64_t part = address >> level_shift(level);

	return array_find(&psc[level], part, part, context);
}

static void put_into(struct array *psc, unsigned int level, uint64_t address, uint64_t context)
{
	uint64_t part = address >> level_shift(level);

	array_put(&psc[level], part, part, context);
}

/* One nested walk: the references [first, end) translate one guest-physical page. */
static void nested_walk(struct model *m, struct model_counts *c, const struct walk_ref *ref,
			unsigned int count)
{
	uint64_t gpa = 0, context = ref->phys & ~0xfffull, page;
	unsigned int leaf = ref[count - 1].level, start = 4;
	struct slot *slot;

	for (unsigned int i = 0; i < count; i++)
		gpa |= (ref[i].phys >> 3 & 0x1ff) << level_shift(ref[i].level);
	page = page_key(gpa, level_shift(leaf));
	slot = array_find(&m->nested_tlb, gpa >> level_shift(leaf), page, context);
	if (slot)
		return;
	for (unsigned int level = leaf + 1; level <= 4; level++) {
		if (found_in(m->nested_psc, level, gpa, context)) {
			start = level - 1;
			break;
		}
	}
	for (unsigned int i = 0; i < count; i++) {
		if (ref[i].level > start)
			continue;
		make_reference(m, c, &ref[i]);
		if (ref[i].level > leaf)
			put_into(m->nested_psc, ref[i].level, gpa, context);
	}
	array_put(&m->nested_tlb, gpa >> level_shift(leaf), page, context);
}

static unsigned int guest_leaf(const struct translation *t)
{
	for (unsigned int i = t->refs; i-- > 0;)
		if (!t->ref[i].nested)
			return t->ref[i].level;
	return 1;
}

static void walk(struct model *m, const struct translation *t, uint64_t context, uint64_t lin)
{
	struct model_counts *c = &m->counts[context & GUEST];
	unsigned int leaf = guest_leaf(t), start = 5;

	c->walks++;
	for (unsigned int level = leaf + 1; level <= 4; level++) {
		if (found_in(m->psc, level, lin, context)) {
			start = level - 1;
			break;
		}
	}
	/* A nested walk belongs to the entry after it; the last one to the page itself. */
	for (unsigned int i = 0; i < t->refs;) {
		unsigned int first = i, level = 0;

		while (i < t->refs && t->ref[i].nested)
			i++;
		if (i < t->refs)
			level = t->ref[i].level;
		if (i > first && (!level || level < start))
			nested_walk(m, c, &t->ref[first], i - first);
		if (level && level <= start) {
			make_reference(m, c, &t->ref[i]);
			if (level > leaf)
				put_into(m->psc, level, lin, context);
		}
		i += level > 0;
	}
}

void model_walk_as_shown(struct model *m, const struct walk *shown, bool guest)
{
	struct model_counts *c = &m->counts[guest];

	c->walks++;
	for (unsigned int i = 0; i < shown->refs; i++)
		make_reference(m, c, &shown->ref[i]);
}

/* ---- 4: the access ---- */

static struct slot *tlb_find(struct array *parts, uint64_t lin, uint64_t context)
{
	for (int i = 0; i < CPU_MAX_PARTS && parts[i].sets; i++) {
		for (int size = 0; size < PAGE_SIZES; size++) {
			unsigned int shift = page_shift((enum page_size)size);
			struct slot *slot;

			if (!(parts[i].holds >> size & 1))
				continue;
			slot = array_find(&parts[i], lin >> shift, page_key(lin, shift), context);
			if (slot)
				return slot;
		}
	}
	return NULL;
}

/* Into the part that holds the page's size, or as a smaller page where there is none. */
static void tlb_put(struct model *m, struct array *parts, const struct translation *t,
		    uint64_t context, uint64_t lin, bool written)
{
	int size = m->config->fracture ? PAGE_4K : (t->shift - 12) / 9;

	for (; size >= 0; size--) {
		unsigned int shift = page_shift((enum page_size)size);

		for (int i = 0; i < CPU_MAX_PARTS && parts[i].sets; i++) {
			struct slot *slot;

			if (!(parts[i].holds >> size & 1))
				continue;
			slot = array_put(&parts[i], lin >> shift, page_key(lin, shift), context);
			slot->context = context;
			slot->global = t->global;
			slot->written = written;
			return;
		}
	}
}

enum model_result model_access(struct model *m, const struct book *book, uint64_t context,
			       uint64_t lin, uint64_t phys, enum model_use use)
{
	struct model_counts *c = &m->counts[context & GUEST];
	struct array *l1 = use == USE_FETCH ? m->itlb : m->dtlb;
	bool rewalk = use == USE_WRITE && m->config->first_write_walks;
	const struct translation *t;
	enum model_result result;
	struct slot *slot;

	c->accesses += use != USE_FETCH;
	if (phys)
		c->data_cycles += memory_access(m, phys);
	slot = tlb_find(l1, lin, context);
	if (slot && (!rewalk || slot->written)) {
		c->l1_hits++;
		return FOUND_L1;
	}
	t = book_find(book, context, lin);
	if (!t) {
		c->unknown++;
		return NOT_KNOWN;
	}
	slot = tlb_find(m->stlb, lin, context);
	if (slot && (!rewalk || slot->written)) {
		c->stlb_hits++;
		c->stlb_cycles += m->config->stlb_cycles;
		result = FOUND_STLB;
	} else {
		walk(m, t, context, lin);
		tlb_put(m, m->stlb, t, context, lin, use == USE_WRITE);
		result = WALKED;
	}
	tlb_put(m, l1, t, context, lin, use == USE_WRITE);
	return result;
}

/* ---- flushes ---- */

static void forget_in(struct array *parts, uint64_t lin, uint64_t context)
{
	struct slot *slot;

	while ((slot = tlb_find(parts, lin, context)))
		slot->valid = false;
}

static void forget_structures(struct model *m)
{
	for (int level = 2; level <= 4; level++)
		array_clear(&m->psc[level]);
}

void model_forget(struct model *m, uint64_t context, uint64_t lin)
{
	forget_in(m->dtlb, lin, context);
	forget_in(m->itlb, lin, context);
	forget_in(m->stlb, lin, context);
	forget_structures(m); /* INVLPG empties them for the PCID: SDM 3A, 4.10.4.1 */
}

static void each_tlb(struct model *m, void (*fn)(struct array *, bool), bool guest)
{
	for (int i = 0; i < CPU_MAX_PARTS; i++) {
		fn(&m->dtlb[i], guest);
		fn(&m->itlb[i], guest);
		fn(&m->stlb[i], guest);
	}
}

static void clear_all(struct array *array, bool guest)
{
	(void)guest;
	array_clear(array);
}

static void clear_not_global(struct array *array, bool guest)
{
	for (unsigned int i = 0; i < array->sets * array->ways; i++)
		if (!array->slot[i].global && (array->slot[i].context & GUEST) == guest)
			array->slot[i].valid = false;
}

/* Guest-physical mappings stay: SDM 3C, 29.4.3.1. */
void model_transition(struct model *m)
{
	if (m->config->tag_vpid)
		return;
	each_tlb(m, clear_all, false);
	forget_structures(m);
}

void model_new_root(struct model *m, bool guest)
{
	if (m->config->tag_pcid)
		return;
	each_tlb(m, clear_not_global, guest);
	forget_structures(m);
}

/* ---- a model's life ---- */

static void each_array(struct model *m, void (*fn)(struct array *))
{
	for (int i = 0; i < CPU_MAX_PARTS; i++) {
		fn(&m->dtlb[i]);
		fn(&m->itlb[i]);
		fn(&m->stlb[i]);
	}
	for (int level = 2; level <= 4; level++) {
		fn(&m->psc[level]);
		fn(&m->nested_psc[level]);
	}
	fn(&m->nested_tlb);
	for (unsigned int i = 0; i < m->config->caches; i++)
		fn(&m->cache[i]);
}

static void init_from(struct array *array, const struct cpu_array *config)
{
	array_init(array, config->entries, config->ways, config->holds);
}

struct model *model_new(const struct cpu_config *config)
{
	struct model *m = allocate(1, sizeof(*m));

	m->config = config;
	for (int i = 0; i < CPU_MAX_PARTS; i++) {
		init_from(&m->dtlb[i], &config->dtlb[i]);
		init_from(&m->itlb[i], &config->itlb[i]);
		init_from(&m->stlb[i], &config->stlb[i]);
	}
	for (int level = 2; level <= 4; level++) {
		init_from(&m->psc[level], &config->psc[level]);
		init_from(&m->nested_psc[level], &config->nested_psc[level]);
	}
	init_from(&m->nested_tlb, &config->nested_tlb);
	for (unsigned int i = 0; i < config->caches; i++)
		array_init(&m->cache[i], (unsigned int)(config->cache[i].bytes >> LINE_BITS),
			   config->cache[i].ways, 0);
	return m;
}

static void array_free(struct array *array)
{
	free(array->slot);
}

void model_free(struct model *m)
{
	each_array(m, array_free);
	free(m);
}

void model_reset(struct model *m)
{
	each_array(m, array_clear);
	memset(m->counts, 0, sizeof(m->counts));
}

const struct cpu_config *model_config(const struct model *m)
{
	return m->config;
}

struct model_counts *model_counts(struct model *m, bool guest)
{
	return &m->counts[guest];
}

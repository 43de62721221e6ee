// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested paging: the CPU walks a second table of ours from guest-physical to host-physical
 * addresses, and the guest's own tables are none of our business.
 *
 * An entry appears when the CPU asks for it (a violation), or for all pinned memory at once before the
 * guest runs when prefault is on. What an entry looks like is a row of masks, struct nested_format: a
 * second vendor's nested tables are data, not code.
 *
 * What must be flushed, and why so little: nothing is cached of an entry that is not there (Intel SDM
 * vol. 3, 29.4.2), and no entry is ever made weaker except by unmap and by replacing a table with a
 * large entry. Those two ask for a flush on every vCPU, by generation. That a violation drops what is
 * cached for its address (29.4.3.1) is not relied on, for other vendors need not promise it.
 */
#include "nested.h"
#include "walk.h"

#define NESTED_ROOT_LEVEL 4
#define NESTED_LEAF_LEVEL 3 /* the highest at which an entry can map memory */
#define NESTED_ENTRIES	  512

struct nested {
	const struct nested_format *fmt;
	u64 *root;
	u64 root_word; /* what the CPU is given to find it */
	/* Of this VM's entries, beside the address: */
	u64 table;			 /* what one says that leads to a table */
	u64 leaf[NESTED_LEAF_LEVEL + 1]; /* one of this level that maps memory */
	u64 flags;			 /* what the CPU may have set in either */
	unsigned int warm_slot;		 /* prefault goes on here when it had to stop for tables */
	u64 warm_page;
};

static bool entry_used(const struct nested *n, u64 e)
{
	return e & n->fmt->used;
}

static bool entry_is_leaf(const struct nested *n, u64 e, int level)
{
	return level == 1 || (e & n->fmt->large);
}

static u64 *entry_table(const struct nested *n, u64 e)
{
	return phys_to_virt(e & n->fmt->frame);
}

static void entry_write(struct paging *pg, u64 *slot, u64 e)
{
	WRITE_ONCE(*slot, e);
	count(pg->count, sptes_written);
}

static u64 *table_get(struct paging *pg)
{
	u64 *page = pool_get(&pg->pool);
	u64 now;

	if (!page)
		return NULL;
	now = ++pg->count->v[CNT_shadow_pages];
	count_peak(pg->count, shadow_pages_peak, now);
	count_peak(pg->count, shadow_bytes_peak, now * PAGE_SIZE);
	return page;
}

static void table_put(struct paging *pg, u64 *table)
{
	memset(table, 0, PAGE_SIZE);
	pool_put(&pg->pool, table);
	pg->count->v[CNT_shadow_pages]--;
}

/* Give back a table of @level and all below it. Depth is at most four. */
static void free_subtree(struct paging *pg, u64 *table, int level)
{
	const struct nested *n = pg->state;
	int i;

	for (i = 0; i < NESTED_ENTRIES; i++) {
		if (!entry_used(n, table[i]))
			continue;
		count(pg->count, entries_dropped);
		if (!entry_is_leaf(n, table[i], level))
			free_subtree(pg, entry_table(n, table[i]), level - 1);
	}
	table_put(pg, table);
}

/* The largest entry that configuration and the pinned host block allow for a frame. */
static int best_level(const struct paging *pg, u64 host)
{
	if ((host & GMEM_1G) && pg->cfg.nested_max_level >= 3)
		return 3;
	if ((host & (GMEM_2M | GMEM_1G)) && pg->cfg.nested_max_level >= 2)
		return 2;
	return 1;
}

enum mapped {
	MAPPED_NOW,
	MAPPED_BEFORE,
	MAPPED_NOT, /* the pool had no page for a table that is missing */
};

/* Small pages become one large page; the CPU may still know the old table. Or the page is there. */
static noinline enum mapped map_over(struct paging *pg, u64 *slot, u64 e, int level)
{
	const struct nested *n = pg->state;
	u64 old = *slot;

	if (entry_is_leaf(n, old, level))
		return MAPPED_BEFORE;
	entry_write(pg, slot, e);
	paging_revoke(pg);
	free_subtree(pg, entry_table(n, old), level - 1);
	return MAPPED_NOW;
}

/*
 * Make the entry that maps @gfn at @level to @host. Tables that were linked in before the pool had no
 * more stay; they are empty and will be used by the next try.
 */
static enum mapped map_one(struct paging *pg, gfn_t gfn, u64 host, int level)
{
	struct nested *n = pg->state;
	u64 base = host & GMEM_HPA & ~((pt_level_pages(level) << PAGE_SHIFT) - 1);
	u64 *table = n->root;
	int l;

	for (l = NESTED_ROOT_LEVEL; l > level; l--) {
		u64 *slot = &table[pt_index(gfn << PAGE_SHIFT, l)];

		if (entry_used(n, *slot) && entry_is_leaf(n, *slot, l))
			return MAPPED_BEFORE; /* by more */
		if (!entry_used(n, *slot)) {
			u64 *child = table_get(pg);

			if (!child)
				return MAPPED_NOT;
			entry_write(pg, slot, virt_to_phys(child) | n->table);
		}
		table = entry_table(n, *slot);
	}
	table += pt_index(gfn << PAGE_SHIFT, level);
	if (unlikely(entry_used(n, *table)))
		return map_over(pg, table, base | n->leaf[level], level);
	entry_write(pg, table, base | n->leaf[level]);
	return MAPPED_NOW;
}

/*
 * The guest executes @gfn, and a large entry that maps it does not give that right: on some CPUs code
 * that is in the ITLB by a large and by a small entry at once is a machine check (iTLB multihit), and
 * a guest can bring that about. The large entry becomes a table of smaller ones, down to 4K. They
 * lead where it led; nothing looks at the accessed and dirty flags of large ones. The flush is for
 * the other pages: hardware that has the large entry cached would fault for each of them.
 */
static enum mapped split(struct paging *pg, gfn_t gfn)
{
	const struct nested *n = pg->state;
	u64 *table = n->root;
	int level, i;

	for (level = NESTED_ROOT_LEVEL; level > 1; level--) {
		u64 *slot = &table[pt_index(gfn << PAGE_SHIFT, level)], old = *slot, *child;
		u64 part = pt_level_pages(level - 1) << PAGE_SHIFT;

		if (!entry_is_leaf(n, old, level)) {
			table = entry_table(n, old);
			continue;
		}
		child = table_get(pg);
		if (!child)
			return MAPPED_NOT;
		for (i = 0; i < NESTED_ENTRIES; i++)
			entry_write(pg, &child[i],
				    ((old & n->fmt->frame) + i * part) | n->leaf[level - 1]);
		entry_write(pg, slot, virt_to_phys(child) | n->table);
		count(pg->count, exec_splits);
		pg->flush_gen++;
		table = child;
	}
	return MAPPED_NOW;
}

/* Map every pinned frame of one slot from @page on. False: out of tables, or of @looks: go on there. */
static bool warm_slot(struct paging *pg, const struct gmem_slot *s, u64 *page, u32 *looks)
{
	while (*page < s->npages) {
		u64 host = s->host[*page];
		gfn_t gfn = s->base + *page;
		int level;

		if (!(*looks)--)
			return false;
		if (!host) {
			++*page;
			continue;
		}
		level = best_level(pg, host);
		if (map_one(pg, gfn, host, level) == MAPPED_NOT)
			return false;
		*page += pt_level_pages(level) - (gfn & (pt_level_pages(level) - 1));
	}
	return true;
}

/*
 * Map all memory that is pinned. One call is bounded by the pool, and by the frames it looks at, for
 * interrupts are off: the caller refills the pool where sleeping is allowed, and calls again.
 */
static enum verdict warm_all(struct paging *pg)
{
	struct nested *n = pg->state;
	u32 looks = NESTED_WARM_LOOKS;

	for (; n->warm_slot < pg->mem->nr_slots; n->warm_slot++) {
		if (!warm_slot(pg, &pg->mem->slots[n->warm_slot], &n->warm_page, &looks))
			return VERDICT_REFILL;
		n->warm_page = 0;
	}
	n->warm_slot = 0;
	return VERDICT_RETRY;
}

/* What this VM's entries and its root word say: the format, and what the VM is configured to. */
static void choose_bits(struct nested *n, const struct paging_config *cfg)
{
	const struct nested_format *fmt = n->fmt;
	u64 set = cfg->nested_ad ? 0 : fmt->preset;
	int level;

	n->flags = cfg->nested_ad ? fmt->accessed | fmt->dirty : 0;
	n->table = fmt->table | set;
	n->leaf[1] = fmt->leaf | set;
	for (level = 2; level <= NESTED_LEAF_LEVEL; level++)
		n->leaf[level] = (n->leaf[1] | fmt->large) ^ (cfg->split_exec ? fmt->exec : 0);
	n->root_word = virt_to_phys(n->root) | fmt->root | (cfg->nested_ad ? fmt->root_ad : 0);
}

/* Slot vm_init, but for the format. */
int nested_vm_init(struct paging *pg, const struct nested_format *fmt)
{
	struct nested *n = shim_zalloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	pg->state = n;
	n->root = table_get(pg);
	if (!n->root) {
		pg->state = NULL;
		shim_free(n);
		return -ENOMEM;
	}
	n->fmt = fmt;
	choose_bits(n, &pg->cfg);
	return 0;
}

void nested_vm_free(struct paging *pg)
{
	struct nested *n = pg->state;

	free_subtree(pg, n->root, NESTED_ROOT_LEVEL);
	pg->state = NULL;
	shim_free(n);
}

int nested_vcpu_init(struct paging_vcpu *pv)
{
	pv->unready = true;
	return 0;
}

void nested_vcpu_free(struct paging_vcpu *pv)
{
	pv->nested_root = 0;
	pv->unready = true;
}

enum verdict nested_prepare(struct paging_vcpu *pv, struct paging_result *res)
{
	struct paging *pg = pv->pg;
	struct nested *n = pg->state;

	(void)res;
	if (pg->cfg.prefault) {
		enum verdict v = warm_all(pg);

		if (v != VERDICT_RETRY)
			return v;
	}
	pv->nested_root = n->root_word;
	pv->hw_cr3 = pv->cr3;
	pv->unready = false;
	return VERDICT_RETRY;
}

/* Only where something makes it exit: the guest's CR3 is its own affair here. */
enum verdict nested_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res)
{
	(void)res;
	if (!(pv->cr4 & PG_CR4_PCIDE) || !(value & PG_CR3_NOFLUSH))
		pv->flush |= FLUSH_CONTEXT;
	pv->cr3 = value & ~PG_CR3_NOFLUSH;
	pv->hw_cr3 = pv->cr3;
	return VERDICT_RETRY;
}

/* The entry that maps @gfn, or NULL. */
static u64 *leaf_of(const struct paging *pg, gfn_t gfn)
{
	const struct nested *n = pg->state;
	u64 *table = n->root;
	int l;

	for (l = NESTED_ROOT_LEVEL; l > 0; l--) {
		u64 *e = &table[pt_index(gfn << PAGE_SHIFT, l)];

		if (!entry_used(n, *e))
			return NULL;
		if (entry_is_leaf(n, *e, l))
			return e;
		table = entry_table(n, *e);
	}
	return NULL;
}

/*
 * A store to a device's frame needs an entry of its own, of 4K, so no entry or no flag is no store.
 * A CPU that has the flag cached does not set it again: SDM vol. 3, 29.3.5 and 29.4.3.4.
 */
bool nested_take_dirty(struct paging *pg, gfn_t gfn)
{
	const struct nested *n = pg->state;
	u64 *leaf;

	if (!pg->cfg.nested_ad)
		return true;
	leaf = leaf_of(pg, gfn);
	if (!leaf || !(*leaf & n->fmt->dirty))
		return false;
	shim_clear_bits(leaf, n->fmt->dirty);
	count(pg->count, sptes_written);
	paging_revoke(pg);
	return true;
}

enum verdict nested_fault(struct paging_vcpu *pv, const struct paging_fault *f,
			  struct paging_result *res)
{
	struct paging *pg = pv->pg;
	gfn_t gfn = f->gpa >> PAGE_SHIFT;
	enum mapped mapped;
	enum verdict v;
	u64 host;

	v = gmem_host(pg->mem, gfn, &host, res);
	if (v != VERDICT_RETRY) {
		res->gpa = v == VERDICT_MMIO ? f->gpa : res->gpa;
		if (v == VERDICT_MMIO && f->gpa >> pg->cfg.maxphyaddr && f->has_gva)
			return VERDICT_REFLECT;
		if (v == VERDICT_MMIO && f->in_walk) {
			res->why = "a guest page table lies outside guest memory";
			return VERDICT_STOP;
		}
		return v;
	}
	mapped = map_one(pg, gfn, host, best_level(pg, host));
	if (unlikely((f->code & PF_I) && pg->cfg.split_exec && mapped != MAPPED_NOT))
		mapped = split(pg, gfn);
	switch (mapped) {
	case MAPPED_NOT:
		return VERDICT_REFILL;
	case MAPPED_BEFORE:
		/*
		 * Entries allow everything, but for what split() sees to, so a mapped frame cannot
		 * have faulted for rights: another entry brought it in meanwhile. Hardware cannot stay behind:
		 * nothing is cached of an entry that was missing.
		 */
		count(pg->count, spurious_faults);
		break;
	case MAPPED_NOW:
		break;
	}
	return VERDICT_RETRY;
}

/*
 * Clear what a table of @level maps inside [first, last] (frames). @base is the first frame that
 * the table covers. Looks only at entries that the range touches.
 */
static void clear_range(struct paging *pg, u64 *table, int level, gfn_t base, gfn_t first,
			gfn_t last)
{
	const struct nested *n = pg->state;
	u64 span = pt_level_pages(level);
	unsigned int i = first > base ? (first - base) / span : 0;

	for (; i < NESTED_ENTRIES && base + i * span <= last; i++) {
		gfn_t start = base + i * span;
		u64 e = table[i];

		if (!entry_used(n, e))
			continue;
		if (!entry_is_leaf(n, e, level)) {
			u64 *child = entry_table(n, e);

			if (first > start || last < start + span - 1) {
				clear_range(pg, child, level - 1, start, first, last);
				continue;
			}
			entry_write(pg, &table[i], 0);
			paging_revoke(pg);
			free_subtree(pg, child, level - 1);
		} else {
			entry_write(pg, &table[i], 0);
		}
	}
}

void nested_unmap(struct paging *pg, gfn_t base, u64 npages)
{
	struct nested *n = pg->state;

	if (!npages)
		return;
	clear_range(pg, n->root, NESTED_ROOT_LEVEL, 0, base, base + npages - 1);
	/* A prefault that stopped half-way starts over: slots may move. */
	n->warm_slot = 0;
	n->warm_page = 0;
	paging_revoke(pg);
}

void nested_enter(struct paging_vcpu *pv)
{
	if (unlikely(pv->flush_gen != pv->pg->flush_gen)) {
		pv->flush_gen = pv->pg->flush_gen;
		pv->flush |= FLUSH_NESTED;
	}
}

/* State of one audit. */
struct audit {
	struct paging *pg;
	u64 wrong;
	u64 tables;
	gfn_t gfn; /* of the first wrong entry */
	u64 entry;
	int level;
	const char *what;
};

static void audit_wrong(struct audit *a, gfn_t gfn, u64 e, int level, const char *what)
{
	if (a->wrong++)
		return;
	a->gfn = gfn;
	a->entry = e;
	a->level = level;
	a->what = what;
}

/* What must hold of a leaf: all its frames are guest memory, pinned, and where it says. */
static const char *audit_leaf(struct audit *a, gfn_t gfn, u64 e, int level)
{
	const struct nested *n = a->pg->state;
	u64 i;

	if (level > a->pg->cfg.nested_max_level)
		return "is larger than allowed";
	if ((e & ~n->fmt->frame & ~n->flags) != n->leaf[level])
		return "has wrong attribute bits";
	for (i = 0; i < pt_level_pages(level); i++) {
		const struct gmem_slot *s = gmem_slot(a->pg->mem, gfn + i);

		if (!s)
			return "maps a frame outside guest memory";
		if (!s->host[gfn + i - s->base])
			return "maps a frame that is not pinned";
		if ((s->host[gfn + i - s->base] & GMEM_HPA) !=
		    (e & n->fmt->frame) + (i << PAGE_SHIFT))
			return "leads to another host frame";
	}
	return NULL;
}

static void audit_table(struct audit *a, const u64 *table, int level, gfn_t base)
{
	const struct nested *n = a->pg->state;
	const char *what;
	unsigned int i;

	a->tables++;
	for (i = 0; i < NESTED_ENTRIES; i++) {
		gfn_t gfn = base + i * pt_level_pages(level);
		u64 e = table[i];

		if (!entry_used(n, e)) {
			if (e)
				audit_wrong(a, gfn, e, level, "has bits but is unused");
		} else if (!entry_is_leaf(n, e, level)) {
			if ((e & ~n->fmt->frame & ~n->flags) != n->table)
				audit_wrong(a, gfn, e, level, "has wrong attribute bits");
			audit_table(a, entry_table(n, e), level - 1, gfn);
		} else {
			what = audit_leaf(a, gfn, e, level);
			if (what)
				audit_wrong(a, gfn, e, level, what);
		}
	}
}

u64 nested_audit(struct paging_vcpu *pv, char *text, size_t size)
{
	struct audit a = { .pg = pv->pg };
	const struct nested *n = pv->pg->state;

	if (size)
		text[0] = 0;
	audit_table(&a, n->root, NESTED_ROOT_LEVEL, 0);
	if (a.wrong)
		snprintf(text, size, "entry %llx (level %d, gfn %llx) %s",
			 (unsigned long long)a.entry, a.level, (unsigned long long)a.gfn, a.what);
	if (a.tables != pv->pg->count->v[CNT_shadow_pages] && !a.wrong++)
		snprintf(text, size, "%llu tables in use, %llu counted",
			 (unsigned long long)a.tables,
			 (unsigned long long)pv->pg->count->v[CNT_shadow_pages]);
	return a.wrong;
}

/* The guest changed CR0, CR4 or EFER by a way that exits: do the flush that hardware did not. */
void nested_set_mode(struct paging_vcpu *pv)
{
	pv->flush |= FLUSH_CONTEXT;
}

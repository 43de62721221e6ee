// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device as the guest and the hypervisor see it: its registers, trapped accesses to its table, its
 * life. The shadow is gtt_table.c's, submissions are gtt_engine.c's.
 */
#include "gtt.h"
#include "../mmu/walk.h"

/* ---- trapped accesses ---- */

static u64 load_register(struct gtt *g, u64 offset)
{
	switch (offset) {
	case GTT_REG_ID:
		return GTT_ID;
	case GTT_REG_ENTRIES:
		return g->entries;
	case GTT_REG_FENCE:
		return gtt_busy(g) ? g->number - 1 : g->number;
	case GTT_REG_STATUS:
		return gtt_busy(g) ? GTT_BUSY : g->status;
	case GTT_REG_WHERE:
		return g->where;
	default:
		return 0;
	}
}

static u8 *table_byte(struct gtt *g, u64 offset)
{
	offset -= GTT_TABLE;
	return (u8 *)gtt_portion_at(g, offset / PAGE_SIZE)->table + offset % PAGE_SIZE;
}

u64 gtt_load(struct gtt *g, gpa_t gpa, unsigned int size)
{
	u64 offset = gpa - (g->base << 12), value = 0;
	unsigned int i;

	if (offset < GTT_TABLE) {
		value = load_register(g, offset & ~7ULL) >> 8 * (offset & 7);
		return size < 8 ? value & (BIT_ULL(8 * size) - 1) : value;
	}
	for (i = 0; i < size && offset + i < gtt_window(g); i++)
		value |= (u64)*table_byte(g, offset + i) << 8 * i;
	return value;
}

/* An entry gets the value @entry by a trapped store. VERDICT_PIN: nothing was done. */
static enum verdict store_entry(struct gtt *g, u64 index, u64 entry, struct paging_result *res)
{
	struct gtt_portion *p = gtt_portion_at(g, index / GTT_PORTION);
	u32 i = index % GTT_PORTION;
	u64 shadow;

	if (g->policy->shadow && !p->open) {
		if (gtt_busy(g)) {
			p->stale = true;
		} else if (!p->stale) {
			enum verdict v = gtt_translate(g, entry, &shadow, res);

			if (v != VERDICT_RETRY)
				return v;
			p->shadow[i] = shadow;
		}
	}
	WRITE_ONCE(p->table[i], entry);
	if (p->open) {
		/* The second half of a store whose first half has opened it: no flag shows it. */
		p->written = true;
		return VERDICT_RETRY;
	}
	if (p->stores_of != g->number) {
		p->stores_of = g->number;
		p->stores = 0;
	}
	p->stores++;
	if (g->policy->opens(g, p))
		gtt_portion_open(g, p);
	return VERDICT_RETRY;
}

enum verdict gtt_store(struct gtt *g, gpa_t gpa, unsigned int size, u64 value,
		       struct paging_result *res)
{
	u64 offset = gpa - (g->base << 12), end = min_t(u64, offset + size, gtt_window(g));
	unsigned int done = 0;

	if (gtt_is_doorbell(g, gpa)) {
		if (!gtt_busy(g))
			gtt_submit(g, value);
		return VERDICT_RETRY;
	}
	if (offset < GTT_TABLE)
		return VERDICT_RETRY; /* other registers are read-only */
	/* One entry as a rule; parts of two where the store is not aligned. */
	while (offset < end) {
		u64 index = (offset - GTT_TABLE) / 8, first = offset & 7;
		unsigned int n = min_t(u64, 8 - first, end - offset);
		u64 mask = n < 8 ? BIT_ULL(8 * n) - 1 : ~0ULL;
		u64 entry = gtt_portion_at(g, index / GTT_PORTION)->table[index % GTT_PORTION];
		enum verdict v;

		entry &= ~(mask << 8 * first);
		entry |= (value >> 8 * done & mask) << 8 * first;
		v = store_entry(g, index, entry, res);
		if (v != VERDICT_RETRY)
			return v;
		offset += n;
		done += n;
	}
	return VERDICT_RETRY;
}

bool gtt_let_through(struct gtt *g, gpa_t gpa)
{
	u64 offset = gpa - (g->base << 12);
	struct gtt_portion *p;

	if (offset < GTT_TABLE)
		return false;
	p = gtt_portion_at(g, (offset - GTT_TABLE) / PAGE_SIZE);
	p->stale = true;
	gtt_portion_open(g, p);
	return true;
}

/* ---- the host's side ---- */

void gtt_switch(struct gtt *g, const struct gtt_policy *to)
{
	g->next_policy = to == g->policy ? NULL : to;
	if (!gtt_busy(g))
		gtt_apply_policy(g);
}

void gtt_memory_changes(struct gtt *g)
{
	u32 i;

	g->near = NULL;
	for (i = 0; i < g->portions; i++) {
		memset(g->portion[i].shadow, 0, PAGE_SIZE);
		g->portion[i].stale = true;
		g->portion[i].synced = 0;
	}
	g->changed = 0;
	if (gtt_busy(g) && g->stage != GTT_FINISH) {
		g->stage = GTT_FINISH;
		g->status = GTT_GONE;
	}
}

static void free_parts(struct gtt *g)
{
	u64 *page;
	u32 i;

	for (i = 0; g->portion && i < g->portions; i++) {
		if (g->portion[i].table)
			g->ops->page_put(g, g->portion[i].table);
		shim_free(g->portion[i].shadow);
		shim_free(g->portion[i].snapshot);
	}
	while (g->snapshot_free) {
		page = g->snapshot_free;
		g->snapshot_free = (u64 *)(unsigned long)page[0];
		shim_free(page);
	}
	shim_free(g->portion);
	g->portion = NULL;
}

static int alloc_parts(struct gtt *g)
{
	u32 i;

	g->portion = shim_zalloc(g->portions * sizeof(*g->portion));
	if (!g->portion)
		return -ENOMEM;
	for (i = 0; i < g->portions; i++) {
		struct gtt_portion *p = &g->portion[i];

		p->table = g->ops->page_get(g);
		p->shadow = shim_zalloc(PAGE_SIZE);
		if (!p->table || !p->shadow)
			return -ENOMEM;
	}
	for (i = 0; i < g->snapshots && i < g->portions; i++) {
		u64 *page = shim_zalloc(PAGE_SIZE);

		if (!page)
			return -ENOMEM;
		gtt_snapshot_put(g, page);
	}
	return 0;
}

static void free_slot(struct gmem_slot *slot)
{
	int i;

	shim_free(slot->host);
	for (i = 0; i < 3; i++)
		shim_free(slot->info[i]);
}

/* The window becomes guest memory of a kind of its own. */
static int add_slot(struct gtt *g)
{
	struct gmem *mem = g->pg->mem;
	struct gmem_slot slot = {
		.base = g->base,
		.npages = gtt_window(g) / PAGE_SIZE,
		.device = true,
	};
	unsigned int i;
	bool ok;

	for (i = 0; i < mem->nr_slots; i++)
		if (mem->slots[i].base < slot.base + slot.npages &&
		    slot.base < mem->slots[i].base + mem->slots[i].npages)
			return -EEXIST;
	if (mem->nr_slots == GMEM_SLOTS)
		return -ENOSPC;
	slot.host = shim_zalloc(slot.npages * sizeof(*slot.host));
	ok = slot.host;
	for (i = 0; i < 3; i++) {
		slot.info[i] = shim_zalloc(gmem_info_count(slot.base, slot.npages, i + 1) *
					   sizeof(struct gfn_info));
		ok = ok && slot.info[i];
	}
	if (!ok) {
		free_slot(&slot);
		return -ENOMEM;
	}
	mem->slots[mem->nr_slots++] = slot;
	return 0;
}

int gtt_init(struct gtt *g, struct paging *pg, gpa_t gpa, u64 bytes)
{
	int err;

	if (bytes < GTT_MIN_BYTES || bytes > GTT_MAX_BYTES || (bytes & (bytes - 1)) ||
	    (gpa & ~PAGE_MASK))
		return -EINVAL;
	g->pg = pg;
	g->base = gpa >> 12;
	g->entries = bytes / PAGE_SIZE;
	g->portions = g->entries / GTT_PORTION;
	if (!paging_range_valid(&pg->cfg, gpa, gtt_window(g)))
		return -EINVAL;
	err = alloc_parts(g);
	if (!err)
		err = add_slot(g);
	if (err) {
		free_parts(g);
		return err;
	}
	g->policy->enter(g);
	return 0;
}

void gtt_free(struct gtt *g)
{
	struct gmem *mem = g->pg->mem;
	struct gmem_slot *slot = gtt_own_slot(g);

	free_slot(slot);
	*slot = mem->slots[--mem->nr_slots];
	memset(&mem->slots[mem->nr_slots], 0, sizeof(*slot));
	free_parts(g);
}

u64 gtt_audit(struct gtt *g, char *text, size_t size)
{
	u64 wrong = 0, index;

	if (!g->policy->shadow)
		return 0;
	for (index = 0; index < g->entries; index++) {
		struct gtt_portion *p = &g->portion[index / GTT_PORTION];
		const u64 *made_from = p->open ? p->snapshot : p->table;
		u32 i = index % GTT_PORTION;
		struct paging_result res;
		u64 want;

		if (p->stale || !made_from)
			continue;
		if (gtt_translate(g, made_from[i], &want, &res) != VERDICT_RETRY)
			continue;
		if (p->shadow[i] != want && !wrong++)
			snprintf(text, size, "entry %llu (%llx) has shadow %llx, should be %llx",
				 (unsigned long long)index, (unsigned long long)made_from[i],
				 (unsigned long long)p->shadow[i], (unsigned long long)want);
	}
	return wrong;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's table and its shadow: portions, trapped accesses, bringing a portion in step.
 *
 * What holds whenever the engine is idle: the shadow of a portion that is closed and not stale was
 * made from the entries in the table; that of one that is open with a snapshot and not stale, from
 * the entries in the snapshot. Everything else is made again before it is used.
 *
 * What holds while it works: the shadow of a portion that this submission has found in step does
 * not change until the submission ends. A store that comes meanwhile makes the portion stale, so an
 * entry means one thing to one submission.
 */
#include "gtt.h"
#include "../mmu/walk.h"

/* Shadow entries that cannot be used say why. 0: not present. */
#define REFUSED(status) ((u64)(status) << 4)

static gfn_t table_gfn(const struct gtt *g)
{
	return g->base + GTT_TABLE / PAGE_SIZE;
}

static struct gmem_slot *own_slot(struct gtt *g)
{
	return gmem_slot(g->pg->mem, g->base);
}

static u32 portion_nr(const struct gtt *g, const struct gtt_portion *p)
{
	return p - g->portion;
}

/* ---- entries ---- */

/**
 * gtt_translate() - what the shadow says for an entry
 * @g: the device
 * @entry: the guest's
 * @shadow: the answer
 * @res: gpa, on VERDICT_PIN
 *
 * Return: VERDICT_RETRY, also for an entry that is refused; VERDICT_PIN.
 */
enum verdict gtt_translate(struct gtt *g, u64 entry, u64 *shadow, struct paging_result *res)
{
	struct gmem_slot *slot;
	enum verdict v;
	u64 host;

	if (likely(gtt_translate_near(g, entry, shadow)))
		return VERDICT_RETRY;
	slot = gmem_slot(g->pg->mem, (entry & GTT_FRAME) >> 12);
	if (entry & GTT_RESERVED) {
		*shadow = REFUSED(GTT_RESERVED_BIT);
	} else if (!slot) {
		*shadow = REFUSED(GTT_OUTSIDE);
	} else if (slot->device) {
		*shadow = REFUSED(GTT_DEVICE);
	} else {
		v = gmem_host(g->pg->mem, (entry & GTT_FRAME) >> 12, &host, res);
		if (v == VERDICT_PIN)
			return v;
		if (v == VERDICT_RETRY)
			*shadow = (host & GMEM_HPA) | (entry & (GTT_PRESENT | GTT_WRITABLE));
		else
			*shadow = REFUSED(GTT_UNPINNABLE);
		g->near = slot;
	}
	return VERDICT_RETRY;
}

/* ---- portions ---- */

/**
 * gtt_portion_open() - let the guest write to a portion unseen
 * @g: the device
 * @p: the portion
 *
 * The paging mode maps it at the guest's next access.
 */
void gtt_portion_open(struct gtt *g, struct gtt_portion *p)
{
	if (p->open)
		return;
	p->open = true;
	p->written = false;
	p->quiet = 0;
	p->older = g->newest;
	p->newer = NULL;
	if (g->newest)
		g->newest->newer = p;
	else
		g->oldest = p;
	g->newest = p;
	g->nr_open++;
	own_slot(g)->host[GTT_TABLE / PAGE_SIZE + portion_nr(g, p)] =
		virt_to_phys(p->table) | GMEM_PINNED;
	count(g->pg->count, gtt_portions_opened);
}

static void snapshot_put(struct gtt *g, u64 *page)
{
	page[0] = (u64)(unsigned long)g->snapshot_free;
	g->snapshot_free = page;
}

/**
 * gtt_portion_close() - trap the guest's stores to a portion again
 * @g: the device
 * @p: the portion; if its shadow is not in step the caller makes it stale
 */
void gtt_portion_close(struct gtt *g, struct gtt_portion *p)
{
	if (!p->open)
		return;
	p->open = false;
	p->stores = 0;
	if (p->older)
		p->older->newer = p->newer;
	else
		g->oldest = p->newer;
	if (p->newer)
		p->newer->older = p->older;
	else
		g->newest = p->older;
	g->nr_open--;
	if (p->snapshot) {
		snapshot_put(g, p->snapshot);
		p->snapshot = NULL;
		g->nr_snapshots--;
		g->pg->count->v[CNT_gtt_snapshots]--;
	}
	own_slot(g)->host[GTT_TABLE / PAGE_SIZE + portion_nr(g, p)] = 0;
	g->pg->ops->unmap(g->pg, table_gfn(g) + portion_nr(g, p), 1);
	count(g->pg->count, gtt_portions_closed);
}

/**
 * gtt_portion_clean() - do the mapping's dirty flags say that an open portion is as it was?
 * @g: the device
 * @p: the portion
 *
 * The flags are taken first, the entries are read later: the vCPU is out of the guest. What was
 * taken is kept until the comparison that it asks for is done.
 *
 * Return: true if its shadow is in step as it is.
 */
bool gtt_portion_clean(struct gtt *g, struct gtt_portion *p)
{
	if (p->stale || !p->snapshot || !READ_ONCE(g->dirty_flags))
		return false;
	if (!p->written)
		p->written = paging_take_dirty(g->pg, table_gfn(g) + portion_nr(g, p));
	if (p->written)
		return false;
	count(g->pg->count, gtt_portions_clean);
	return true;
}

/* The first entry at or after @i that is not as in the snapshot, or GTT_PORTION. */
static u32 next_changed(const struct gtt_portion *p, u32 i)
{
	const u64 *a = p->table, *b = p->snapshot;

	for (; i & 7; i++)
		if (READ_ONCE(a[i]) != b[i])
			return i;
	for (; i < GTT_PORTION; i += 8)
		if ((a[i] ^ b[i]) | (a[i + 1] ^ b[i + 1]) | (a[i + 2] ^ b[i + 2]) |
		    (a[i + 3] ^ b[i + 3]) | (a[i + 4] ^ b[i + 4]) | (a[i + 5] ^ b[i + 5]) |
		    (a[i + 6] ^ b[i + 6]) | (a[i + 7] ^ b[i + 7]))
			break;
	for (; i < GTT_PORTION; i++)
		if (READ_ONCE(a[i]) != b[i])
			return i;
	return i;
}

/**
 * gtt_portion_sync() - bring the shadow of a portion in step with the table
 * @g: the device
 * @p: the portion
 * @cost: entries looked at are added here
 * @res: gpa, on VERDICT_PIN
 *
 * With a snapshot only entries that differ from it are made again. After VERDICT_PIN it starts over
 * when it is called again: the guest may have run in between. Each time one page more is pinned.
 * gtt.changed counts entries that were not in step, over all tries.
 *
 * Return: VERDICT_RETRY or VERDICT_PIN.
 */
enum verdict gtt_portion_sync(struct gtt *g, struct gtt_portion *p, u32 *cost,
			      struct paging_result *res)
{
	bool whole = p->stale || !p->snapshot;
	enum verdict v = VERDICT_RETRY;
	u32 i, rebuilt = 0, changed = 0;

	for (i = 0; i < GTT_PORTION; i++) {
		u64 entry, shadow;

		if (!whole) {
			i = next_changed(p, i);
			if (i == GTT_PORTION)
				break;
		}
		entry = READ_ONCE(p->table[i]);
		if (unlikely(!gtt_translate_near(g, entry, &shadow))) {
			v = gtt_translate(g, entry, &shadow, res);
			if (v != VERDICT_RETRY)
				break;
		}
		rebuilt++;
		if (!whole || p->shadow[i] != shadow) {
			p->shadow[i] = shadow;
			changed++;
		}
		if (p->snapshot)
			p->snapshot[i] = entry;
	}
	g->changed += changed;
	count_add(g->pg->count, gtt_entries_rebuilt, rebuilt);
	*cost += whole ? 8 * GTT_PORTION : GTT_PORTION + 8 * rebuilt;
	if (v != VERDICT_RETRY)
		return v;
	if (whole)
		count(g->pg->count, gtt_portions_rebuilt);
	else
		count(g->pg->count, gtt_portions_compared);
	p->stale = false;
	p->written = false;
	return VERDICT_RETRY;
}

/* Out of snapshots: the portion that has had one for the longest time closes. */
static void steal_snapshot(struct gtt *g)
{
	struct paging_result res;
	struct gtt_portion *p;
	u32 cost = 0;

	for (p = g->oldest; p && !p->snapshot; p = p->newer)
		;
	if (!p)
		return;
	count(g->pg->count, gtt_snapshots_stolen);
	/* A submission relies on shadows that stand still, and none may wait for a page here. */
	if (gtt_busy(g) ||
	    (!gtt_portion_clean(g, p) && gtt_portion_sync(g, p, &cost, &res) != VERDICT_RETRY))
		p->stale = true;
	g->changed = 0;
	gtt_portion_close(g, p);
}

/**
 * gtt_snapshot_take() - give a closed portion a snapshot of its entries
 * @g: the device
 * @p: the portion; opens next
 *
 * Return: false where none may be had.
 */
bool gtt_snapshot_take(struct gtt *g, struct gtt_portion *p)
{
	u32 most = READ_ONCE(g->snapshots), i;

	if (!most)
		return false;
	/* Two for one where there are more than may be now, so that they become fewer. */
	for (i = 0; i < 2 && (g->nr_snapshots >= most || !g->snapshot_free); i++) {
		/* While a submission is under way its place in a portion must not be lost. */
		if (gtt_busy(g))
			return false;
		steal_snapshot(g);
	}
	if (!g->snapshot_free)
		return false;
	p->snapshot = g->snapshot_free;
	g->snapshot_free = (u64 *)(unsigned long)p->snapshot[0];
	memcpy(p->snapshot, p->table, PAGE_SIZE);
	g->nr_snapshots++;
	g->pg->count->v[CNT_gtt_snapshots]++;
	return true;
}

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

/**
 * gtt_apply_policy() - gtt.next_policy becomes the policy
 * @g: the device, idle
 */
void gtt_apply_policy(struct gtt *g)
{
	if (!g->next_policy)
		return;
	while (g->newest) {
		g->newest->stale = true;
		gtt_portion_close(g, g->newest);
	}
	count(g->pg->count, gtt_mode_switches);
	g->policy = g->next_policy;
	g->next_policy = NULL;
	g->policy->enter(g);
}

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
		snapshot_put(g, page);
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
	struct gmem_slot *slot = own_slot(g);

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

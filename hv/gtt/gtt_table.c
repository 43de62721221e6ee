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
	gtt_own_slot(g)->host[GTT_TABLE / PAGE_SIZE + portion_nr(g, p)] =
		virt_to_phys(p->table) | GMEM_PINNED;
	count(g->pg->count, gtt_portions_opened);
}

/**
 * gtt_snapshot_put() - give a snapshot's page back
 * @g: the device
 * @page: the page
 */
void gtt_snapshot_put(struct gtt *g, u64 *page)
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
		gtt_snapshot_put(g, p->snapshot);
		p->snapshot = NULL;
		g->nr_snapshots--;
		g->pg->count->v[CNT_gtt_snapshots]--;
	}
	gtt_own_slot(g)->host[GTT_TABLE / PAGE_SIZE + portion_nr(g, p)] = 0;
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

/* ---- another policy ---- */

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

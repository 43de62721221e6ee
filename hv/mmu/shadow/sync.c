// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shadow catches up: one entry, one table, everything that was written to.
 */
#include "live.h"
#include "open.h"
#include "page.h"
#include "sync.h"

/*
 * Bring entry @i in step with guest entry @gpte. Never adds a right that the guest has not
 * earned with its A and D bits, so hardware need not be flushed: what it still holds, a CPU
 * without us could hold too, until the guest flushes it.
 */
void sync_entry(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 gpte)
{
	int level = sp->role.level;
	bool live = is_live(sp, i);
	struct gmem_slot *slot;
	struct gfn_info *info;
	u64 host, at;
	gfn_t gfn;

	if (live) {
		u64 was = sp->gpte[i];
		u64 ignored = pte_is_leaf(was, level) ? GPTE_IGNORED : GPTE_IGNORED_UPPER;

		if (!((was ^ gpte) & ~ignored)) {
			sp->gpte[i] = gpte;
			return;
		}
	}
	if (level > 1)
		goto drop;
	if (!was_touched(gpte)) {
		leaf_gone(sh, sp, i, gpte);
		return;
	}
	if (pte_reserved(&sh->pg->cfg, sp->role.nxe ? PG_EFER_NXE : 0, gpte, level))
		goto drop;
	gfn = (gpte & PTE_FRAME) >> 12;
	slot = gmem_slot(sh->pg->mem, gfn);
	if (!slot)
		goto drop;
	at = gmem_index(slot, gfn);
	host = slot->host[at];
	if (!host)
		goto drop;
	info = &slot->info[0][at];
	leaf_set(sh, sp, i,
		 leaf_spte(sh, sp, gpte, sp->role.access & pte_access(gpte), host & GMEM_HPA,
			   info->tables && !is_open(sh, info)),
		 gpte, info, gfn);
	return;
drop:
	if (live)
		entry_clear(sh, sp, i);
	else if (unlikely(sh->blank))
		WRITE_ONCE(sp->spt[i], blank_spte(sh, sp, i));
	if (sp->snapshot)
		sp->gpte[i] = gpte;
}

/* Bring a shadow page in step with its table, as far as it has entries. */
static void sync_live(struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i;

	for_each_present(sp, i) {
		u64 gpte = READ_ONCE(sp->table[i]);

		count(sh->pg->count, entries_compared);
		if ((sp->gpte[i] ^ gpte) & ~GPTE_IGNORED)
			sync_entry(sh, sp, i, gpte);
	}
}

/* The same for an open table: its snapshot tells which entries have changed, live or not. */
static void sync_changed(struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i, j;

	count_add(sh->pg->count, entries_compared, 512);
	for (i = 0; i < 512; i += 8) {
		if (same_eight(&sp->table[i], &sp->gpte[i]))
			continue;
		for (j = i; j < i + 8; j++) {
			u64 gpte = READ_ONCE(sp->table[j]);

			if (gpte != sp->gpte[j])
				sync_entry(sh, sp, j, gpte);
		}
	}
}

void sync_table(struct shadow *sh, struct gfn_info *info, bool unseen)
{
	u32 id;

	count(sh->pg->count, tables_scanned);
	for_each_table(sh, info, id) {
		struct shadow_page *sp = sp_at(sh, id);

		if (unseen && sp->snapshot)
			sync_changed(sh, sp);
		else
			sync_live(sh, sp);
		if (unlikely(sh->blank))
			blank_all(sh, sp);
	}
}

/*
 * Has the guest written to an open table? Takes the marks off: then a full flush is owed. Other vCPUs
 * flush before the table is read: a store after that leaves a mark again.
 */
static bool take_marks(struct shadow *sh, struct open_table *t, bool *flush)
{
	bool written = rmap_clear(sh, t->info, PTE_D);

	*flush |= written;
	written |= t->marked;
	t->marked = false;
	return written;
}

/*
 * From here on each store to the table traps again. It must be in step; where a flush is owed for
 * that, it is a full one. Another vCPU may have stored since it was in step.
 */
static bool close_table(struct shadow *sh, struct gfn_info *info)
{
	bool flush;

	frame_close(sh, sp_at(sh, info->tables)->open);
	flush = rmap_clear(sh, info, PTE_W);
	if (unlikely(sh->pg->wait_all))
		sync_table(sh, info, true);
	return flush;
}

/*
 * Sync points look at each open table, so there may be only so many: the oldest closes, of both
 * kinds. An instruction that writes to two leaf tables must find both open in the end, however
 * many upper tables are open.
 */
void bound_open(struct shadow *sh)
{
	while (unlikely(nr_open(sh) > SHADOW_OPEN_MAX)) {
		struct open_table *oldest = NULL;
		bool flush = false;
		u32 set, at;

		for (set = 0; set < 2; set++)
			for (at = 0; at < sh->open[set].nr; at++) {
				struct open_table *t = &sh->open[set].table[at];

				if (!oldest || (s32)(t->opened - oldest->opened) < 0)
					oldest = t;
			}
		if (take_marks(sh, oldest, &flush))
			sync_table(sh, oldest->info, true);
		close_table(sh, oldest->info);
		sh->pg->flush_gen++; /* the others have flushed */
	}
}

/*
 * Open table @at may have been written to. Returns whether it still is at that place: one that is
 * a table no longer has left, and another one has taken it.
 */
static bool sync_one(struct shadow *sh, struct open_set *set, u32 at, bool *flush)
{
	struct open_table *t = &set->table[at];
	struct gfn_info *info = t->info;

	if (take_marks(sh, t, flush)) {
		t->changed = sh->sync_points;
		if (!still_table(sh, info))
			return false;
		sync_table(sh, info, true);
	}
	watch_again(sh, set, at);
	return true;
}

/*
 * A sync point looks at open tables only, and at their entries only if the entry through which the
 * guest can write to the table is marked dirty: it costs what changed, not what exists. The mark
 * is taken off with a full flush owed, because hardware that has the mark cached would not set it
 * again. Returns whether that flush is owed.
 */
bool sync_set(struct shadow *sh, struct open_set *set)
{
	bool flush = false;
	u32 at = 0;

	while (at < set->nr)
		if (likely(!(READ_ONCE(*set->watch[at]) & PTE_D)) || sync_one(sh, set, at, &flush))
			at++;
	return flush;
}

/* Close the tables that were quiet for long enough, and find out when to look again. */
static noinline bool close_quiet(struct shadow *sh)
{
	u32 limit = quiet_limit(sh), next = sh->sync_points + limit, set, at;
	bool flush = false;

	for (set = 0; set < 2; set++)
		for (at = 0; at < sh->open[set].nr;) {
			u32 due = sh->open[set].table[at].changed + limit;

			if ((s32)(due - sh->sync_points) <= 0) {
				flush |= close_table(sh, sh->open[set].table[at].info);
				continue;
			}
			if ((s32)(due - next) < 0)
				next = due;
			at++;
		}
	sh->close_check = next;
	sh->quiet_limit = limit;
	return flush;
}

bool sync_open(struct shadow *sh)
{
	bool flush;

	flush = sync_set(sh, &sh->open[1]);
	flush |= sync_set(sh, &sh->open[0]);
	if ((s32)(sh->sync_points - sh->close_check) >= 0 || sh->quiet_limit != quiet_limit(sh))
		flush |= close_quiet(sh);
	return flush;
}

/* The guest flushed one address: bring the entries that lead to it in step. */
void sync_path(struct shadow *sh, struct shadow_page *sp, gva_t gva)
{
	for (;;) {
		unsigned int i = pt_index(gva, sp->role.level);

		if (sp->role.direct || !is_live(sp, i))
			return;
		count(sh->pg->count, entries_compared);
		sync_entry(sh, sp, i, READ_ONCE(sp->table[i]));
		if (!is_live(sp, i) || spte_is_leaf(sp->spt[i], sp->role.level))
			return;
		sp = child_of(sh, sp, i);
	}
}

/* Fill the leaf table around its first hidden fault: what the guest has touched before. */
void fill_around(struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i;

	sp->filled = true;
	for (i = 0; i < 512; i++) {
		u64 gpte = READ_ONCE(sp->table[i]);

		if (was_touched(gpte) && !is_live(sp, i))
			sync_entry(sh, sp, i, gpte);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guarded and open tables.
 *
 * A guest table is guarded (its frame is mapped read-only, each store to it traps and is carried
 * over at once) or open (the guest writes to it unseen and the shadow catches up at the guest's
 * next TLB flush). The policy decides which: see struct shadow_policy. The dirty flag of the entry
 * through which the guest can write to an open table says whether it did: its mark.
 */
#include "live.h"
#include "open.h"

/*
 * Frame @gfn becomes a guest table: from here on the guest's stores to it trap, or leave a mark.
 * The flush is owed also where no live entry was writable: hardware may still hold a writable
 * translation that the guest has unmapped but not flushed, and a store through it would not show.
 */
void guard_frame(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn, bool opens)
{
	u32 id, next;
	int level;

	rmap_clear(sh, gmem_info(slot, gfn, 1), opens ? PTE_D : PTE_W);
	for (level = 2; level <= 3; level++) {
		struct gfn_info *block = gmem_info(slot, gfn, level);

		for (id = block->rmap; id; id = next) {
			next = entry_link(sh, id)->next;
			entry_clear(sh, entry_page(sh, id), id & 511);
		}
		block->tables++;
	}
	paging_revoke(sh->pg);
}

void unguard_frame(struct gmem_slot *slot, gfn_t gfn)
{
	gmem_info(slot, gfn, 2)->tables--;
	gmem_info(slot, gfn, 3)->tables--;
	/* While it was a table its dirty flags had another use. */
	gmem_mark_written(slot, gfn);
}

/* Remember the guest table as it is: what differs later has changed. */
void take_snapshot(struct shadow_page *sp)
{
	unsigned int i, j;

	/* Entries of upper tables are made by faults only: what is not live is not missed. */
	if (sp->role.level > 1)
		return;
	sp->snapshot = true;
	for (i = 0; i < 512; i += 8)
		if (!same_eight(&sp->table[i], &sp->gpte[i]))
			for (j = i; j < i + 8; j++)
				if (!is_live(sp, j))
					sp->gpte[j] = READ_ONCE(sp->table[j]);
}

/* Let the guest write to table frame @info unseen, as far as there is room in the set. */
bool frame_open(struct shadow *sh, struct gfn_info *info, gfn_t gfn, unsigned int which)
{
	struct open_set *set = &sh->open[which];
	u32 due = sh->sync_points + quiet_limit(sh), at = set->nr, id;

	if (at == SHADOW_OPEN_SLOTS)
		return false;
	set->nr++;
	set->table[at] = (struct open_table){
		.info = info,
		.gfn = gfn,
		.opened = sh->openings++,
		.changed = sh->sync_points,
	};
	if ((s32)(due - sh->close_check) < 0 || nr_open(sh) == 1)
		sh->close_check = due;
	watch_again(sh, set, at);
	for_each_table(sh, info, id) {
		sp_at(sh, id)->open = open_number(which, at);
		take_snapshot(sp_at(sh, id));
	}
	return true;
}

/* The last of the set takes the free place. */
void frame_close(struct shadow *sh, u16 number)
{
	struct open_set *set = open_set_of(sh, number);
	u32 at = open_at(number), last = --set->nr, id;

	for_each_table(sh, set->table[at].info, id)
		sp_at(sh, id)->open = 0;
	if (at == last)
		return;
	set->table[at] = set->table[last];
	set->watch[at] = set->watch[last];
	for_each_table(sh, set->table[at].info, id)
		sp_at(sh, id)->open = number;
}

/* A leaf table's frame is an upper table's as well now: INVLPG has to look at it. */
void frame_move_up(struct shadow *sh, struct gfn_info *info)
{
	u16 number = sp_at(sh, info->tables)->open;
	struct open_set *from = open_set_of(sh, number), *to = &sh->open[1];
	u32 at = to->nr++, id;

	to->table[at] = from->table[open_at(number)];
	to->watch[at] = from->watch[open_at(number)];
	frame_close(sh, number);
	for_each_table(sh, info, id)
		sp_at(sh, id)->open = open_number(1, at);
}

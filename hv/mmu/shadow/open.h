/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guarded and open tables: may the guest store into one without a trap, and how its stores show.
 */
#ifndef PENUMBRA_SHADOW_OPEN_H
#define PENUMBRA_SHADOW_OPEN_H

#include "entry.h"

/* What open_set.watch points at where no one entry can tell: never written, always suspect. */
extern const u64 says_unwritten, says_look_closer;

/* The open_table number that shadow_page.open holds: its place and set; 0 is none. */
static inline u16 open_number(unsigned int set, u32 at)
{
	return 1 + at * 2 + set;
}

static inline struct open_set *open_set_of(struct shadow *sh, u16 number)
{
	return &sh->open[(number - 1) & 1];
}

static inline u32 open_at(u16 number)
{
	return (number - 1) / 2;
}

static inline u32 nr_open(const struct shadow *sh)
{
	return sh->open[0].nr + sh->open[1].nr;
}

/* May the guest write to table frame @gfn without a trap? @info is of the 4 KiB frame. */
static inline bool is_open(struct shadow *sh, const struct gfn_info *info)
{
	return info->tables && sp_at(sh, info->tables)->open;
}

/* Must frame @gfn stay read-only, or its 2 MiB or 1 GiB block stay unmapped as a whole? */
static inline bool is_guarded(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn, int level)
{
	struct gfn_info *info = gmem_info(slot, gfn, level);

	return info->tables && !(level == 1 && is_open(sh, info));
}

/* Do eight guest entries read as they did? */
static inline bool same_eight(const u64 *now, const u64 *then)
{
	u64 diff = 0;
	int i;

	/* A third of the instructions of the loop that -O2 leaves. */
#pragma GCC unroll 8
	for (i = 0; i < 8; i++)
		diff |= READ_ONCE(now[i]) ^ then[i];
	return !diff;
}

/* Sync points that find an open table unchanged until it closes. */
static inline u32 quiet_limit(const struct shadow *sh)
{
	return max_t(u32, sh->policy->quiet(&sh->pg->cfg), 1);
}

/*
 * An entry through which the guest could write to a table has gone, and with it the mark that says
 * whether it did. Hardware may go on using it: hence the flush. A device hears of its frames' marks
 * through shadow_take_dirty(), which owes the flush then.
 */
static inline void keep_mark(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn,
			     const struct gfn_info *info, u64 spte)
{
	u16 number;

	if (unlikely(slot->device) && (spte & PTE_D))
		gmem_mark_written(slot, gfn);
	if (likely(!info->tables) || !(spte & PTE_W))
		return;
	number = sp_at(sh, info->tables)->open;
	if (number) {
		struct open_set *set = open_set_of(sh, number);

		set->table[open_at(number)].marked = true;
		set->watch[open_at(number)] = &says_look_closer;
	}
	paging_revoke(sh->pg);
}

/* Find the one entry through which the guest can write to open table @at, if it is one. */
void watch_again(struct shadow *sh, struct open_set *set, u32 at);
/* A new entry @spte lets the guest write to table frame @info. */
void watch_also(struct shadow *sh, const struct gfn_info *info, const u64 *spte);
/* Take @bit (PTE_W, PTE_D) from every writable entry that maps the frame; true if there was one. */
bool rmap_clear(struct shadow *sh, struct gfn_info *info, u64 bit);
/* The frame becomes a guest table: stores to it trap or, if it @opens, leave a mark. */
void guard_frame(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn, bool opens);
/* The frame is a guest table no longer. */
void unguard_frame(struct gmem_slot *slot, gfn_t gfn);
/* Remember the guest table as it is: what differs later has changed. */
void take_snapshot(struct shadow_page *sp);
/* Let the guest write to the table unseen; false where set @which has no room. */
bool frame_open(struct shadow *sh, struct gfn_info *info, gfn_t gfn, unsigned int which);
/* Table @number leaves its set. Its writable entries are the caller's to see to. */
void frame_close(struct shadow *sh, u16 number);
/* A leaf table's frame is an upper table's as well now: it changes sets. */
void frame_move_up(struct shadow *sh, struct gfn_info *info);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live entries: made, replaced, taken out.
 */
#ifndef PENUMBRA_SHADOW_LIVE_H
#define PENUMBRA_SHADOW_LIVE_H

#include "open.h"

/* Entries that are not live show anew what the guest's entries are (cfg.direct_faults). */
void blank_all(const struct shadow *sh, struct shadow_page *sp);
/* Take live entry @i out of a leaf table and off its list. */
void leaf_clear(struct shadow *sh, struct shadow_page *sp, unsigned int i);
/* Take live entry @i out of any table. */
void entry_clear(struct shadow *sh, struct shadow_page *sp, unsigned int i);
/* Install leaf entry @i for frame @gfn; true if it replaced a different live one. */
bool leaf_set(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 spte, u64 gpte,
	      struct gfn_info *info, gfn_t gfn);
/* Point upper entry @i at @child; true if it pointed elsewhere before. */
bool upper_set(struct shadow *sh, struct shadow_page *sp, unsigned int i, struct shadow_page *child,
	       u64 gpte);

/*
 * Write a leaf entry for frame @info; returns what hardware has left in the old one. Of tables only open
 * ones are writable: hardware marks the next store.
 */
static inline u64 leaf_write(struct shadow *sh, const struct gfn_info *info, u64 *at, u64 spte)
{
	u64 old;

	if (likely(!info->tables))
		return spte_replace(sh, at, spte);
	old = spte_replace(sh, at, spte & ~PTE_D);
	if (spte & PTE_W)
		watch_also(sh, info, at);
	return old;
}

/* Entry @i, not live so far, is made from @gpte and goes on the list at @head: the caller writes it. */
static inline void entry_enlist(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 gpte,
				u32 *head)
{
	sp->gpte[i] = gpte;
	list_insert(sh, head, link_at(sp, i), entry_id(sp, i));
	sp->live[i >> 6] |= 1ULL << (i & 63);
}

/* Install leaf entry @i, which is not live, for a frame. */
static inline void leaf_add(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 spte,
			    u64 gpte, struct gfn_info *info)
{
	entry_enlist(sh, sp, i, gpte, &info->rmap);
	if (likely(!info->tables))
		spte_write(sh, &sp->spt[i], spte);
	else
		leaf_write(sh, info, &sp->spt[i], spte);
}

/* The guest's leaf entry @i, now @gpte, maps nothing that it has touched: neither does ours. */
static inline void leaf_gone(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 gpte)
{
	if (is_live(sp, i))
		leaf_clear(sh, sp, i);
	else if (unlikely(sh->blank))
		WRITE_ONCE(sp->spt[i], blank_spte(sh, sp, i));
	if (sp->snapshot)
		sp->gpte[i] = gpte;
}

#endif

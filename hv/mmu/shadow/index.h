/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow pages: where they are found, by what they were made from and by how long ago they were used.
 */
#ifndef PENUMBRA_SHADOW_INDEX_H
#define PENUMBRA_SHADOW_INDEX_H

#include "entry.h"

static inline u32 *hash_bucket(struct shadow *sh, gfn_t gfn, union shadow_role role)
{
	u64 key = (gfn << 9 | role.word) * HASH_FACTOR;

	return &sh->hash[key >> (64 - sh->hash_bits)];
}

/* The shadow page made from this, or NULL. */
static inline struct shadow_page *sp_find(struct shadow *sh, gfn_t gfn, union shadow_role role)
{
	u32 id;

	for (id = *hash_bucket(sh, gfn, role); id; id = sp_at(sh, id)->next_hash) {
		struct shadow_page *sp = sp_at(sh, id);

		if (sp->gfn == gfn && sp->role.word == role.word)
			return sp;
	}
	return NULL;
}

static inline void order_remove(struct shadow *sh, struct shadow_page *sp)
{
	if (sp->older)
		sp_at(sh, sp->older)->newer = sp->newer;
	else
		sh->oldest = sp->newer;
	if (sp->newer)
		sp_at(sh, sp->newer)->older = sp->older;
	else
		sh->newest = sp->older;
}

static inline void order_newest(struct shadow *sh, struct shadow_page *sp)
{
	u32 id = sp->id;

	sp->newer = 0;
	sp->older = sh->newest;
	if (sh->newest)
		sp_at(sh, sh->newest)->newer = id;
	else
		sh->oldest = id;
	sh->newest = id;
}

static inline void order_oldest(struct shadow *sh, struct shadow_page *sp)
{
	u32 id = sp->id;

	sp->older = 0;
	sp->newer = sh->oldest;
	if (sh->oldest)
		sp_at(sh, sh->oldest)->older = id;
	else
		sh->newest = id;
	sh->oldest = id;
}

/* Nothing points to @sp any more: the first to go. */
static inline void sp_orphaned(struct shadow *sh, struct shadow_page *sp)
{
	sh->orphans++;
	order_remove(sh, sp);
	order_oldest(sh, sp);
}

/* The shadow page that live upper entry @i points to. */
static inline struct shadow_page *child_of(struct shadow *sh, struct shadow_page *sp,
					   unsigned int i)
{
	u64 gpte = sp->gpte[i];

	return sp_find(sh, child_gfn(sp, i, gpte), child_role(sp->role, gpte));
}

#endif

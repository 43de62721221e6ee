/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shadow catches up with the guest's tables.
 */
#ifndef PENUMBRA_SHADOW_SYNC_H
#define PENUMBRA_SHADOW_SYNC_H

#include "open.h"

/* Bring entry @i in step with guest entry @gpte. */
void sync_entry(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 gpte);
/* Bring every shadow page of one guest table in step: it was written to @unseen, or through a window. */
void sync_table(struct shadow *sh, struct gfn_info *info, bool unseen);
/* Close the oldest open tables while there are too many. */
void bound_open(struct shadow *sh);
/* Bring in step what was written to of one kind; true if a full flush is owed. */
bool sync_set(struct shadow *sh, struct open_set *set);
/* The same for both kinds, and close what is quiet. */
bool sync_open(struct shadow *sh);
/* The guest flushed one address: bring the entries from @sp down to it in step. */
void sync_path(struct shadow *sh, struct shadow_page *sp, gva_t gva);
/* Fill a leaf table with what the guest has touched before. */
void fill_around(struct shadow *sh, struct shadow_page *sp);

/*
 * The guest flushed everything, or changed what its tables mean. Returns whether hardware has to be
 * flushed for our sake.
 */
static inline bool sync_all(struct shadow *sh)
{
	sh->sync_points++;
	return nr_open(sh) && sync_open(sh);
}

#endif

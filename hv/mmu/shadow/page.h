/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow pages: made, freed.
 */
#ifndef PENUMBRA_SHADOW_PAGE_H
#define PENUMBRA_SHADOW_PAGE_H

#include "index.h"

/* A table frame that was written this often without being walked is a table no longer. */
#define UNSHADOW_WRITES 1024u

static inline void sp_touch(struct shadow_page *sp)
{
	sp->writes = 0;
	sp->recent = true;
}

/* Below the root, a table that nothing points to cannot be reached by hardware. */
static inline bool is_orphan(const struct shadow_page *sp)
{
	return sp->role.level < PT_ROOT_LEVEL && !sp->parents;
}

/* Cut a shadow page off from everything above it, then free it. */
void sp_zap(struct shadow *sh, struct shadow_page *sp);
/* Free a shadow page that was not used lately; false if all are in use. */
bool reclaim_one(struct shadow *sh);
/* Make sure that @n can be made without failing: first step of every operation. */
enum verdict reserve(struct shadow *sh, unsigned int n);
/* Find the shadow page or make it; reserve() comes before. */
struct shadow_page *sp_get(struct shadow *sh, gfn_t gfn, union shadow_role role);
/* still_table() where that is not obvious. */
bool table_in_doubt(struct shadow *sh, struct gfn_info *info);

/* A store hits a guarded frame: is it still a table? */
static inline bool still_table(struct shadow *sh, struct gfn_info *info)
{
	struct shadow_page *sp = sp_at(sh, info->tables);
	u32 id;

	if (likely(!sp->next_table && sp->parents && ++sp->writes < UNSHADOW_WRITES))
		return true;
	for_each_table(sh, info, id)
		sp_at(sh, id)->writes++;
	return table_in_doubt(sh, info);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The values of gtt_mode: when a portion of the device's table opens to unseen writes, what a
 * submission brings in step, when a portion closes again. That is all that tells them apart.
 *
 * strict is how gVirt began; relaxed and hybrid are gHyvi's; passthrough has no shadow at all and
 * is the bound that the others are measured against.
 */
#include "gtt.h"

/*
 * An open portion costs a submission that names it a comparison of 512 entries, a closed one an
 * exit for each store: the two are about equal at one store for each submission. A portion that
 * stays at or below that for so many submissions goes back to trapping.
 */
#define QUIET_ENTRIES	  1u
#define QUIET_SUBMISSIONS 4u

static bool opens_never(struct gtt *g, struct gtt_portion *p)
{
	(void)g;
	(void)p;
	return false;
}

static bool opens_always(struct gtt *g, struct gtt_portion *p)
{
	(void)g;
	(void)p;
	return true;
}

static bool opens_by_stores(struct gtt *g, struct gtt_portion *p)
{
	return p->stores > READ_ONCE(g->threshold) && gtt_snapshot_take(g, p);
}

static bool closes_always(struct gtt *g, struct gtt_portion *p, u32 changed)
{
	(void)g;
	(void)p;
	(void)changed;
	return true;
}

static bool closes_never(struct gtt *g, struct gtt_portion *p, u32 changed)
{
	(void)g;
	(void)p;
	(void)changed;
	return false;
}

static bool closes_when_quiet(struct gtt *g, struct gtt_portion *p, u32 changed)
{
	(void)g;
	/* Let through, not opened: without a snapshot it would be made again as a whole each time. */
	if (!p->snapshot)
		return true;
	if (changed > QUIET_ENTRIES) {
		p->quiet = 0;
		return false;
	}
	return ++p->quiet >= QUIET_SUBMISSIONS;
}

static void enter_closed(struct gtt *g)
{
	(void)g;
}

static void enter_open(struct gtt *g)
{
	u32 i;

	for (i = 0; i < g->portions; i++)
		gtt_portion_open(g, &g->portion[i]);
}

static const struct gtt_policy strict = {
	.name = "strict",
	.shadow = true,
	.opens = opens_never,
	.closes = closes_always,
	.enter = enter_closed,
};

static const struct gtt_policy relaxed = {
	.name = "relaxed",
	.shadow = true,
	.all = true,
	.opens = opens_always,
	.closes = closes_never,
	.enter = enter_closed,
};

static const struct gtt_policy hybrid = {
	.name = "hybrid",
	.shadow = true,
	.opens = opens_by_stores,
	.closes = closes_when_quiet,
	.enter = enter_closed,
};

static const struct gtt_policy passthrough = {
	.name = "passthrough",
	.opens = opens_always,
	.closes = closes_never,
	.enter = enter_open,
};

const struct gtt_policy *const gtt_modes[] = { &strict, &relaxed, &hybrid, &passthrough, NULL };

const struct gtt_policy *gtt_mode_find(const char *name)
{
	int i;

	for (i = 0; gtt_modes[i]; i++)
		if (sysfs_streq(gtt_modes[i]->name, name))
			return gtt_modes[i];
	return NULL;
}

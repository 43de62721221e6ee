// SPDX-License-Identifier: GPL-2.0-only
/*
 * paging_mode=ssp: swift shadow paging (VEE'21). Tables are open from birth; the shadow catches up
 * when the guest flushes. A table that the guest has left alone for a while is closed, so that
 * flushes need not look at it, and opens again at the next store: an exit for a burst of stores,
 * not for each.
 */
#include "../modes.h"
#include "shadow.h"

/* Sync points without a store after which a table counts as left alone. */
#define SSP_QUIET 8u

static bool ssp_opens(const struct paging_config *cfg, u32 trapped)
{
	(void)cfg;
	(void)trapped;
	return true;
}

static u32 ssp_quiet(const struct paging_config *cfg)
{
	(void)cfg;
	return SSP_QUIET;
}

static const struct shadow_policy ssp = {
	.born_open = true,
	.fill = true,
	.opens = ssp_opens,
	.quiet = ssp_quiet,
};

static int ssp_vm_init(struct paging *pg)
{
	return shadow_vm_init(pg, &ssp);
}

const struct paging_ops paging_ssp = {
	.name = "ssp",
	SHADOW_MODE_OPS(ssp_vm_init),
};

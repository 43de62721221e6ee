// SPDX-License-Identifier: GPL-2.0-only
/*
 * paging_mode=shadow: traditional shadow paging. Every guest table stays guarded for ever; each
 * store to one is an exit, and in return the shadow is never behind.
 */
#include "../modes.h"
#include "shadow.h"

static bool strict_opens(const struct paging_config *cfg, u32 trapped)
{
	(void)cfg;
	(void)trapped;
	return false;
}

/* Nothing is ever open. */
static u32 strict_quiet(const struct paging_config *cfg)
{
	(void)cfg;
	return 1;
}

static const struct shadow_policy strict = {
	.strict = true,
	.opens = strict_opens,
	.quiet = strict_quiet,
};

static int strict_vm_init(struct paging *pg)
{
	return shadow_vm_init(pg, &strict);
}

const struct paging_ops paging_shadow = {
	.name = "shadow",
	.direct_faults = true,
	SHADOW_MODE_OPS(strict_vm_init),
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * paging_mode=shadow: traditional shadow paging. Every guest table stays guarded for ever; each
 * store to one is an exit, and in return the shadow is never behind.
 */
#include "modes.h"
#include "shadow.h"

static bool never(const struct paging_config *cfg, u32 n)
{
	(void)cfg;
	(void)n;
	return false;
}

static const struct shadow_policy strict = {
	.opens = never,
	.closes = never,
};

static int strict_vm_init(struct paging *pg)
{
	return shadow_vm_init(pg, &strict);
}

const struct paging_ops paging_shadow = {
	.name = "shadow",
	.summary = "traditional shadow paging: every guest page table is write-protected",
	SHADOW_MODE_OPS(strict_vm_init),
};

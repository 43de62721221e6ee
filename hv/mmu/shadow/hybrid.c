// SPDX-License-Identifier: GPL-2.0-only
/*
 * paging_mode=hybrid: gHyvi's idea (ATC'15) on the CPU's tables. A table starts guarded; when it is
 * written often between two sync points it opens, is compared with what the shadow was made from
 * (the snapshot) at each sync point, and closes again after a quiet period.
 */
#include "../modes.h"
#include "shadow.h"

static bool hybrid_opens(const struct paging_config *cfg, u32 trapped)
{
	return trapped > READ_ONCE(cfg->hybrid_threshold);
}

static u32 hybrid_quiet(const struct paging_config *cfg)
{
	return READ_ONCE(cfg->hybrid_quiet);
}

static const struct shadow_policy hybrid = {
	.fill = true,
	.opens = hybrid_opens,
	.quiet = hybrid_quiet,
};

static int hybrid_vm_init(struct paging *pg)
{
	return shadow_vm_init(pg, &hybrid);
}

const struct paging_ops paging_hybrid = {
	.name = "hybrid",
	SHADOW_MODE_OPS(hybrid_vm_init),
};

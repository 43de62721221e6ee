// SPDX-License-Identifier: GPL-2.0-only
/*
 * paging_mode=ept: nested paging (nested.c) in the tables of Intel's CPUs.
 */
#include "nested.h"

/* ---- EPT: Intel SDM vol. 3, 29.3 ---- */

#define EPT_R	       BIT_ULL(0)
#define EPT_W	       BIT_ULL(1)
#define EPT_X	       BIT_ULL(2)
#define EPT_WB	       (6ULL << 3)
#define EPT_IGNORE_PAT BIT_ULL(6) /* the guest's PAT has no say: 29.3.7.2 */
#define EPT_LARGE      BIT_ULL(7)
#define EPT_A	       BIT_ULL(8)
#define EPT_D	       BIT_ULL(9)

/* EPTP, 25.6.11: what the tables are in, levels less one, accessed and dirty flags. */
#define EPTP_WB	    6ULL
#define EPTP_LEVELS (3ULL << 3)
#define EPTP_AD	    BIT_ULL(6)

static const struct nested_format ept = {
	.used = EPT_R | EPT_W | EPT_X,
	.table = EPT_R | EPT_W | EPT_X,
	.leaf = EPT_R | EPT_W | EPT_X | EPT_WB | EPT_IGNORE_PAT,
	.large = EPT_LARGE,
	.exec = EPT_X,
	.frame = GENMASK_ULL(51, 12),
	.accessed = EPT_A,
	.dirty = EPT_D,
	.root = EPTP_WB | EPTP_LEVELS,
	.root_ad = EPTP_AD,
};

static int ept_vm_init(struct paging *pg)
{
	return nested_vm_init(pg, &ept);
}

const struct paging_ops paging_ept = {
	.name = "ept",
	.summary = "second-level tables walked by the CPU (EPT)",
	NESTED_MODE_OPS(ept_vm_init),
};

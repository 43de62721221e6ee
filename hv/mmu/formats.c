// SPDX-License-Identifier: GPL-2.0-only
/*
 * paging_mode=ept and npt: nested paging (nested.c) in the tables of Intel's CPUs and of AMD's. No vendor
 * offers npt yet, and it is in no list; the model test walks its tables.
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
	NESTED_MODE_OPS(ept_vm_init),
};

/* ---- NPT: AMD APM vol. 2, 15.25; entries are those of long mode, 5.3 ---- */

#define NPT_P	  BIT_ULL(0)
#define NPT_W	  BIT_ULL(1)
#define NPT_U	  BIT_ULL(2) /* whatever the guest does is the access of a user: 15.25.5 */
#define NPT_A	  BIT_ULL(5)
#define NPT_D	  BIT_ULL(6)  /* means nothing in an entry that leads to a table */
#define NPT_LARGE BIT_ULL(7)  /* in the last table it is PAT's bit */
#define NPT_NX	  BIT_ULL(63) /* reserved where the host has EFER.NXE off */

/*
 * PWT, PCD and PAT are 0: the first type of the host's PAT, which Linux leaves write-back; the guest's
 * PAT has its say, 15.25.8. The root word is nCR3: with PWT and PCD 0 it is an address and nothing else.
 * The CPU sets accessed and dirty flags always.
 */
static const struct nested_format npt = {
	.used = NPT_P,
	.table = NPT_P | NPT_W | NPT_U,
	.leaf = NPT_P | NPT_W | NPT_U,
	.large = NPT_LARGE,
	.exec = NPT_NX,
	.frame = GENMASK_ULL(51, 12),
	.accessed = NPT_A,
	.dirty = NPT_D,
	.preset = NPT_A | NPT_D,
};

static int npt_vm_init(struct paging *pg)
{
	return nested_vm_init(pg, &npt);
}

const struct paging_ops paging_npt = {
	.name = "npt",
	NESTED_MODE_OPS(npt_vm_init),
};

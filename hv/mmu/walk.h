/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's own page tables, walked the way its CPU would walk them.
 */
#ifndef PENUMBRA_WALK_H
#define PENUMBRA_WALK_H

#include "paging.h"

/* Bits of an x86-64 paging-structure entry, Intel SDM vol. 3, 4.5. */
#define PTE_P	  BIT_ULL(0)
#define PTE_W	  BIT_ULL(1)
#define PTE_U	  BIT_ULL(2)
#define PTE_A	  BIT_ULL(5)
#define PTE_D	  BIT_ULL(6)
#define PTE_PS	  BIT_ULL(7)
#define PTE_G	  BIT_ULL(8)
#define PTE_NX	  BIT_ULL(63)
#define PTE_FRAME GENMASK_ULL(51, 12)

/* Control-register bits that paging depends on. */
#define PG_CR0_WP      BIT_ULL(16)
#define PG_CR4_PGE     BIT_ULL(7)
#define PG_CR4_PCIDE   BIT_ULL(17)
#define PG_CR4_SMEP    BIT_ULL(20)
#define PG_CR4_SMAP    BIT_ULL(21)
#define PG_EFER_NXE    BIT_ULL(11)
#define PG_CR3_NOFLUSH BIT_ULL(63)

#define PT_ROOT_LEVEL 4

/* Rights that a path of entries grants together. */
#define ACC_W	1u
#define ACC_U	2u
#define ACC_X	4u
#define ACC_ALL 7u

/* Index of @gva's entry in a table of @level (1 to 4). */
static inline unsigned int pt_index(gva_t gva, int level)
{
	return (gva >> (12 + 9 * (level - 1))) & 511;
}

/* 4 KiB frames that one entry of @level maps. */
static inline u64 pt_level_pages(int level)
{
	return 1ULL << (9 * (level - 1));
}

/* Rights that one entry grants. */
static inline unsigned int pte_access(u64 pte)
{
	return ((pte >> 1) & (ACC_W | ACC_U)) | (pte & PTE_NX ? 0 : ACC_X);
}

static inline bool pte_is_leaf(u64 pte, int level)
{
	return level == 1 || (pte & PTE_PS);
}

/* First frame that a leaf entry of @level maps (bit 12 of a large entry is PAT). */
static inline gfn_t pte_gfn(u64 pte, int level)
{
	return ((pte & PTE_FRAME) >> 12) & ~(pt_level_pages(level) - 1);
}

/* Where a walk led. Arrays are indexed by level; after a fault those above @level are filled too. */
struct walk {
	int level;			/* of the last entry read: the leaf, 1, 2 or 3 */
	gfn_t gfn;			/* the 4 KiB frame of the address */
	unsigned int access;		/* ACC_* of all levels together */
	gfn_t table[PT_ROOT_LEVEL + 1]; /* frame of the table read at each level */
	u64 gpte[PT_ROOT_LEVEL + 1];	/* the entry found there, A and D as now in memory */
};

/**
 * gpte_mark() - set accessed and dirty flags in a guest entry, as its CPU would
 * @entry: the entry; the guest's other writers may change it meanwhile
 * @seen: what it said, and says on success
 * @bits: PTE_A, PTE_D
 *
 * The only writer of guest entries: every A and D that we set is set here.
 *
 * Return: false where the entry does not say @seen any more; nothing is changed then.
 */
static inline bool gpte_mark(u64 *entry, u64 *seen, u64 bits)
{
	u64 old = *seen;

	if ((old & bits) == bits)
		return true;
	if (cmpxchg64(entry, old, old | bits) != old)
		return false;
	*seen = old | bits;
	return true;
}

/* What to walk for. */
struct walk_for {
	gva_t gva;
	u32 code; /* PF_W, PF_U, PF_I of the access */
	u8 cpl;
	bool ac;
	bool set_ad;	/* set A and D bits as the access would */
	bool no_rights; /* translate only, check no rights */
};

/* gmem_host() where the frame is not pinned yet, or not there. */
enum verdict gmem_host_slow(struct gmem *mem, gfn_t gfn, u64 *host, struct paging_result *res);

/**
 * gmem_host() - the host frame behind a guest frame
 * @gm: guest memory
 * @gfn: guest frame
 * @host: gmem_slot.host[] word, filled on VERDICT_RETRY
 * @res: gpa (VERDICT_PIN, VERDICT_MMIO), why (VERDICT_STOP)
 *
 * Return: VERDICT_RETRY when the frame is pinned; VERDICT_PIN; VERDICT_MMIO when no memory is
 * there, or a device that wants to see the access; VERDICT_STOP when the frame cannot be pinned at
 * all.
 */
static inline enum verdict gmem_host(struct gmem *gm, gfn_t gfn, u64 *host,
				     struct paging_result *res)
{
	struct gmem_slot *slot = gmem_slot(gm, gfn);

	if (likely(slot)) {
		*host = slot->host[gmem_index(slot, gfn)];
		if (likely(*host))
			return VERDICT_RETRY;
	}
	return gmem_host_slow(gm, gfn, host, res);
}

/**
 * walk_guest() - translate a guest-virtual address through the guest's tables
 * @pv: the vCPU; its cr0, cr3, cr4 and efer rule
 * @f: what to walk for
 * @w: where it led, on VERDICT_RETRY
 * @res: the fault's code, the frame to pin, or why not
 *
 * Return: VERDICT_RETRY for a translation that the access may use, VERDICT_REFLECT for the guest's
 * own fault, VERDICT_PIN, or VERDICT_STOP for tables outside guest memory. The frame that the
 * address leads to need not be memory; the caller looks.
 */
enum verdict walk_guest(struct paging_vcpu *pv, const struct walk_for *f, struct walk *w,
			struct paging_result *res);

/**
 * walk_read() - read guest-virtual memory as the guest's CPU would
 * @pv: the vCPU
 * @gva: where to read
 * @buf: destination
 * @len: bytes; may cross pages
 * @f: access rights to check with (gva is ignored)
 * @res: as walk_guest(); for VERDICT_REFLECT, gpa is left alone and *@fault_gva tells where
 * @fault_gva: address that faulted
 *
 * Return: VERDICT_RETRY when all bytes were read, VERDICT_REFLECT, VERDICT_PIN, VERDICT_MMIO or
 * VERDICT_STOP.
 */
enum verdict walk_read(struct paging_vcpu *pv, gva_t gva, void *buf, unsigned int len,
		       const struct walk_for *f, struct paging_result *res, gva_t *fault_gva);

/* May the access @f use entries that grant @access together? SDM vol. 3, 4.6. */
static inline bool access_allowed(const struct paging_vcpu *vcpu, const struct walk_for *f,
				  unsigned int access)
{
	if (f->code & PF_U) {
		if (!(access & ACC_U))
			return false;
		if ((f->code & PF_W) && !(access & ACC_W))
			return false;
		return !(f->code & PF_I) || (access & ACC_X);
	}
	if (f->code & PF_I)
		return (access & ACC_X) && !((access & ACC_U) && (vcpu->cr4 & PG_CR4_SMEP));
	/* An access that the CPU makes by itself while CPL is 3 ignores AC. */
	if ((access & ACC_U) && (vcpu->cr4 & PG_CR4_SMAP) && !(f->ac && f->cpl != 3))
		return false;
	return !(f->code & PF_W) || (access & ACC_W) || !(vcpu->cr0 & PG_CR0_WP);
}

/* The access @f ends in the guest's own fault: its error code is @why and what it was. */
static inline enum verdict walk_fault(const struct paging_vcpu *vcpu, const struct walk_for *f,
				      u32 why, struct paging_result *res)
{
	res->code = (f->code & (PF_W | PF_U)) | why;
	/* The I/D flag exists only where fetches can be refused: SDM vol. 3, 4.7. */
	if ((f->code & PF_I) && ((vcpu->cr4 & PG_CR4_SMEP) || (vcpu->efer & PG_EFER_NXE)))
		res->code |= PF_I;
	return VERDICT_REFLECT;
}

/* Bits that are reserved in every entry, whatever its level and size. */
static inline u64 pte_reserved_always(const struct paging_config *cfg, u64 efer)
{
	u64 mask = GENMASK_ULL(51, 0) & ~(BIT_ULL(cfg->maxphyaddr) - 1);

	return efer & PG_EFER_NXE ? mask : mask | PTE_NX;
}

/* Further bits that are reserved where PTE_PS is set: in a table that has no such pages, PTE_PS. */
static inline u64 pte_reserved_large(const struct paging_config *cfg, int level)
{
	if (level == 1)
		return 0;
	if (level == 2)
		return GENMASK_ULL(20, 13);
	return level == 3 && cfg->guest_1g ? GENMASK_ULL(29, 13) : PTE_PS;
}

/**
 * pte_reserved() - does an entry have reserved bits set?
 * @cfg: maxphyaddr and 1 GiB support
 * @efer: for NXE
 * @pte: a present entry
 * @level: of its table, 1 to 4
 *
 * Return: true where the CPU would raise #PF with PF_RSVD.
 */
static inline bool pte_reserved(const struct paging_config *cfg, u64 efer, u64 pte, int level)
{
	return (pte & pte_reserved_always(cfg, efer)) ||
	       ((pte & PTE_PS) && (pte & pte_reserved_large(cfg, level)));
}

#endif

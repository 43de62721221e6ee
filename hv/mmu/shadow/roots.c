// SPDX-License-Identifier: GPL-2.0-only
/*
 * SSP's base-address buffer (VEE'21): context switches without a VM exit.
 *
 * A guest that opts in finds in a page of its own, beside each of its last four CR3 values, the
 * value to load instead: its shadow root. The CPU lets exactly these values pass (CR3-target
 * values); anything else exits as always, so the guest can reach no table but its own. At its next
 * exit, adopt_root learns which of them it chose.
 *
 * All of it may be withdrawn at any moment: a guest that finds no entry loads its own value and
 * takes an exit, a guest that holds a value withdrawn since exits too and paging_guest_cr3()
 * knows what it meant.
 */
#include "../modes.h"
#include "flush.h"

/*
 * Hardware compares numbers, so what is offered must not be a CR3 value of the guest's own. It is
 * marked: by bits that CR3 ignores without PCIDs (SDM vol. 3, table 4-12), else by the upper half
 * of the PCIDs. That the mark makes another PCID is no matter: each flush here reaches all of them.
 */
#define MARK_IGNORED 0xfe7ULL
#define MARK_PCID    0x800ULL

static struct shadow_page *root_page(struct paging_vcpu *pv, u32 id)
{
	return sp_at(shadow_of(pv->pg), id);
}

/* Nothing passes any more. */
static void release_all(struct paging_vcpu *pv)
{
	struct shadow_vcpu *sv = pv->state;
	int i;

	for (i = 0; i < ROOT_TARGETS; i++)
		if (sv->shared[i])
			root_page(pv, sv->shared[i])->in_use--;
	memset(sv->shared, 0, sizeof(sv->shared));
	pv->share = (struct shared_roots){};
}

/*
 * Copy what hardware accepts to where the guest reads it. Where that cannot be now, nothing passes,
 * and the page goes on saying what it @was: then paging_guest_cr3() must know that.
 */
static void publish(struct paging_vcpu *pv, const struct shared_roots *was)
{
	struct paging_result res;
	enum verdict v;
	u64 host;

	pv->rearm = true;
	v = gmem_host(pv->pg->mem, pv->share_gpa >> 12, &host, &res);
	if (v == VERDICT_RETRY) {
		pv->share_on = true;
		memcpy(phys_to_virt(host & GMEM_HPA), &pv->share, sizeof(pv->share));
		/* A guest may name one of its tables: then it has written to its table. */
		pv->pg->ops->pt_write(pv, pv->share_gpa, sizeof(pv->share), NULL);
		return;
	}
	release_all(pv);
	pv->share_on = false;
	if (was->slot[0].cr3)
		pv->withdrawn = *was;
	if (v == VERDICT_MMIO) /* the page has vanished: no speed-up from here on */
		pv->share_gpa = 0;
}

/**
 * shadow_roots_withdraw() - take back every value that the guest may load without an exit
 * @pv: the vCPU
 */
void shadow_roots_withdraw(struct paging_vcpu *pv)
{
	if (!pv->share.slot[0].cr3)
		return;
	pv->withdrawn = pv->share;
	release_all(pv);
	publish(pv, &pv->withdrawn);
}

/**
 * shadow_roots_note() - the guest has loaded a root through an exit: offer it for the next time
 * @pv: the vCPU; cr3, hw_cr3 and the root are the new ones
 *
 * The least recently loaded of the others leaves when there are four.
 */
void shadow_roots_note(struct paging_vcpu *pv)
{
	bool pcide = pv->cr4 & PG_CR4_PCIDE;
	u64 load = (pv->hw_cr3 & PTE_FRAME) |
		   (pcide ? PG_CR3_NOFLUSH | MARK_PCID | (pv->cr3 & 0xfff) : MARK_IGNORED);
	struct shared_roots was = pv->share;
	struct shadow_vcpu *sv = pv->state;
	int i;

	/* In a PCID, the mark must not be there already; and 0 stands for an empty slot. */
	if (!pv->pg->cfg.root_targets || !pv->cr3 || (pcide && (pv->cr3 & MARK_PCID)))
		return;
	/* It takes the place of an empty slot, of itself, or of another root with its PCID. */
	for (i = 0; i < ROOT_TARGETS - 1; i++)
		if (!pv->share.slot[i].cr3 || pv->share.slot[i].cr3 == pv->cr3 ||
		    ((pv->cr4 & PG_CR4_PCIDE) && !((pv->share.slot[i].cr3 ^ pv->cr3) & 0xfff)))
			break;
	if (sv->shared[i])
		root_page(pv, sv->shared[i])->in_use--;
	for (; i > 0; i--) {
		pv->share.slot[i] = pv->share.slot[i - 1];
		sv->shared[i] = sv->shared[i - 1];
	}
	pv->share.slot[0].cr3 = pv->cr3;
	pv->share.slot[0].load = load;
	sv->shared[0] = sv->root;
	root_page(pv, sv->root)->in_use++;
	publish(pv, &was);
}

int shadow_share_roots(struct paging_vcpu *pv, gpa_t gpa)
{
	shadow_roots_withdraw(pv);
	return paging_keep_share_roots(pv, gpa);
}

bool shadow_adopt_root(struct paging_vcpu *pv, u64 load)
{
	struct shadow_vcpu *sv = pv->state;
	u64 cr3;
	int i;

	for (i = 0; i < ROOT_TARGETS; i++) {
		if (!sv->shared[i] || (pv->share.slot[i].load ^ load) & ~PG_CR3_NOFLUSH)
			continue;
		if (sv->root)
			root_page(pv, sv->root)->in_use--;
		sv->root = sv->shared[i];
		root_page(pv, sv->root)->in_use++;
		pv->cr3 = pv->share.slot[i].cr3;
		pv->hw_cr3 = load & ~PG_CR3_NOFLUSH;
		return true;
	}
	/* Another vCPU, or the host, has taken it back since the guest loaded it. */
	cr3 = shared_cr3(&pv->withdrawn, load);
	if (!cr3)
		return false;
	pv->cr3 = cr3;
	drop_root(pv);
	return true;
}

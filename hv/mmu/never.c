// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots for events that a mode never traps, and for a mode that derives nothing from the guest's tables.
 */
#include "modes.h"

enum verdict paging_never_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res)
{
	(void)pv;
	res->gpa = value;
	res->why = "a MOV to CR3 was trapped in a mode that does not trap it";
	return VERDICT_STOP;
}

void paging_never_invlpg(struct paging_vcpu *pv, gva_t gva)
{
	(void)gva;
	pv->flush |= FLUSH_CONTEXT;
}

void paging_never_invpcid(struct paging_vcpu *pv, enum invpcid_type type, u16 pcid, gva_t gva)
{
	(void)type;
	(void)pcid;
	(void)gva;
	pv->flush |= FLUSH_CONTEXT;
}

int paging_keep_share_roots(struct paging_vcpu *pv, gpa_t gpa)
{
	if (gpa & ~PAGE_MASK || (gpa && !gmem_slot(pv->pg->mem, gpa >> 12)))
		return -EINVAL;
	pv->share = pv->withdrawn = (struct shared_roots){};
	pv->share_gpa = gpa;
	pv->share_on = gpa;
	pv->rearm = true;
	return 0;
}

bool paging_never_adopt_root(struct paging_vcpu *pv, u64 load)
{
	(void)pv;
	(void)load;
	return false;
}

void paging_never_open_window(struct paging_vcpu *pv, gfn_t gfn, u64 rip)
{
	(void)gfn;
	(void)rip;
	pv->window = false;
}

void paging_never_leave(struct paging_vcpu *pv, const struct paging_fault *fault)
{
	(void)fault;
	pv->window = false;
}

void paging_ignore_pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len, void *table)
{
	(void)pv;
	(void)gpa;
	(void)len;
	(void)table;
}

const u8 *paging_no_code(struct paging_vcpu *pv, gva_t rip, bool user)
{
	(void)pv;
	(void)rip;
	(void)user;
	return NULL;
}

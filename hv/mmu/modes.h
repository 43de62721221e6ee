/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paging modes, and slots that several of them share.
 */
#ifndef PENUMBRA_MODES_H
#define PENUMBRA_MODES_H

#include "walk.h"

extern const struct paging_ops paging_shadow;
extern const struct paging_ops paging_ssp;
extern const struct paging_ops paging_hybrid;
extern const struct paging_ops paging_ept;
extern const struct paging_ops paging_npt;     /* in no list yet */
extern const struct paging_ops paging_stopped; /* in no list */

/* Frames that prefault looks at in one call of nested_prepare(): well below a millisecond. */
#define NESTED_WARM_LOOKS 4096u

/*
 * Slots for events that a mode never traps. Where the slot can say so, it stops the VM; where it
 * returns nothing, it asks for the widest flush, so that a vendor's mistake costs time and not
 * correctness.
 */
enum verdict paging_never_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res);
void paging_never_invlpg(struct paging_vcpu *pv, gva_t gva);
void paging_never_invpcid(struct paging_vcpu *pv, enum invpcid_type type, u16 pcid, gva_t gva);
void paging_never_open_window(struct paging_vcpu *pv, gfn_t gfn, u64 rip);
/* Takes the page and offers nothing: MOV to CR3 makes no exits here, another mode may follow. */
int paging_keep_share_roots(struct paging_vcpu *pv, gpa_t gpa);
bool paging_never_adopt_root(struct paging_vcpu *pv, u64 load);
void paging_never_leave(struct paging_vcpu *pv, const struct paging_fault *fault);

/* The guest's value behind @load in one generation of the buffer, or 0. */
static inline u64 shared_cr3(const struct shared_roots *roots, u64 load)
{
	int i;

	for (i = 0; i < ROOT_TARGETS; i++)
		if (roots->slot[i].cr3 && !((roots->slot[i].load ^ load) & ~PG_CR3_NOFLUSH))
			return roots->slot[i].cr3;
	return 0;
}

/* For a mode that keeps nothing derived from the guest's tables. */
const u8 *paging_no_code(struct paging_vcpu *pv, gva_t rip, bool user);
void paging_ignore_pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len, void *table);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flushes that are owed to hardware, and the root that it starts from.
 */
#ifndef PENUMBRA_SHADOW_FLUSH_H
#define PENUMBRA_SHADOW_FLUSH_H

#include "entry.h"

/* Everything cached is to be flushed before the next entry, upper entries included. */
static inline void owe_context(struct paging_vcpu *pv)
{
	pv->flush |= FLUSH_CONTEXT;
	vcpu_of(pv)->upper_seen = shadow_of(pv->pg)->upper_gen;
}

static inline void flush_addr(struct paging_vcpu *pv, gva_t gva)
{
	if ((pv->flush & FLUSH_ADDR) && pv->flush_gva != gva)
		owe_context(pv);
	pv->flush |= FLUSH_ADDR;
	pv->flush_gva = gva;
}

/* The vCPU has no root any more: prepare makes one. */
static inline void drop_root(struct paging_vcpu *pv)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	if (sv->root)
		sp_at(shadow_of(pv->pg), sv->root)->in_use--;
	sv->root = 0;
	pv->unready = true;
}

/* May a not-present fault go to the guest without an exit, from here on? */
void choose_direct(struct paging_vcpu *pv);

#endif

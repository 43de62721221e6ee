/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way that hardware takes to an entry: made, and remembered for the next fault.
 */
#ifndef PENUMBRA_SHADOW_WAY_H
#define PENUMBRA_SHADOW_WAY_H

#include "entry.h"

static inline struct leaf_cache *leaf_slot(struct shadow_vcpu *sv, gva_t gva)
{
	return &sv->leaf[(gva >> 21) * HASH_FACTOR >> (64 - LEAF_CACHE_BITS)];
}

/* The leaf shadow page that hardware reaches for @gva, if the way there is known to hold. */
static inline struct leaf_cache *known_way(struct paging_vcpu *pv, gva_t gva)
{
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct leaf_cache *c = leaf_slot(sv, gva);

	const struct shadow *sh = shadow_of(pv->pg);

	if (unlikely(c->block != gva >> 21 || c->root != sv->root || c->way_gen != sh->way_gen))
		return NULL;
	if (unlikely(READ_ONCE(*c->at[0]) != c->gpte[0] || READ_ONCE(*c->at[1]) != c->gpte[1] ||
		     READ_ONCE(*c->at[2]) != c->gpte[2]))
		return NULL;
	return c;
}

/* The same as far as level 2. */
static inline struct leaf_cache *known_mid(struct paging_vcpu *pv, gva_t gva)
{
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct leaf_cache *c = leaf_slot(sv, gva);
	const struct shadow *sh = shadow_of(pv->pg);

	if (c->block != gva >> 21 || c->root != sv->root || c->top_gen != sh->top_gen ||
	    c->freed_gen != sh->freed_gen || !c->mid)
		return NULL;
	if (READ_ONCE(*c->at[1]) != c->gpte[1] || READ_ONCE(*c->at[2]) != c->gpte[2])
		return NULL;
	return c;
}

/* An upper entry lost its meaning, but none on this way: it holds again. */
static inline bool still_holds(const struct shadow *sh, struct leaf_cache *c, gva_t gva)
{
	unsigned int i = pt_index(gva, 2);

	if (!c->sp || READ_ONCE(*c->at[0]) != c->gpte[0] || !is_live(c->mid, i) ||
	    (c->mid->spt[i] & PTE_PS) || (c->mid->spt[i] & PTE_FRAME) != c->sp->hpa)
		return false;
	c->upper_gen = sh->upper_gen;
	return true;
}

static inline void remember_way(struct paging_vcpu *pv, struct leaf_cache *c, gva_t gva)
{
	const struct shadow *sh = shadow_of(pv->pg);

	c->block = gva >> 21;
	c->root = vcpu_of(pv)->root;
	c->way_gen = sh->way_gen;
	c->top_gen = sh->top_gen;
	c->reserved = pte_reserved_always(&pv->pg->cfg, pv->efer);
	c->store.access = 0;
}

/* Will map_way() link a shadow page that was made for another way, or earlier? */
bool links_old(struct paging_vcpu *pv, const struct walk *w, gva_t gva);
/* A new way to open tables: bring them in step first. */
void sync_old(struct paging_vcpu *pv);
/* The guest's tables end before @gva, at @level. */
void remember_absence(struct paging_vcpu *pv, const struct walk *w, gva_t gva, int level);
/* Map what @w found, from the root down; true if a live entry changed its meaning. */
bool map_way(struct paging_vcpu *pv, const struct walk *w, gva_t gva, struct gmem_slot *slot,
	     u64 host, bool through_window, bool fetch, bool *wrote);
/* Beside other vCPUs: is what @w found still so, now that its tables are guarded? */
bool guard_way(struct paging_vcpu *pv, const struct walk *w, gva_t gva);
/* Link the shadow as far as the guest's tables go (cfg.direct_faults). */
void link_way(struct paging_vcpu *pv, const struct walk *w, gva_t gva);

#endif

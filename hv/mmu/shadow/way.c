// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way from the root to an entry: map what a walk of the guest's tables found, and remember it.
 */
#include "flush.h"
#include "live.h"
#include "open.h"
#include "page.h"
#include "sync.h"
#include "way.h"

/*
 * With cfg.split_exec a large entry gives no right to execute: see split() in nested.c. Where the
 * guest executes, its large page is mapped by pieces, and stays so while it is the same page.
 */
static bool stays_split(struct shadow *sh, const struct shadow_page *sp, unsigned int i, u64 gpte,
			bool fetch)
{
	int level = sp->role.level;

	if (likely(!sh->large_nx))
		return false;
	if (is_live(sp, i) && !spte_is_leaf(sp->spt[i], level) &&
	    (sp->role.direct ||
	     (pte_is_leaf(sp->gpte[i], level) && !((sp->gpte[i] ^ gpte) & PTE_FRAME))))
		return true;
	if (fetch)
		count(sh->pg->count, exec_splits);
	return fetch;
}

/* May one shadow entry of @level (2 or 3) map the whole block around @gfn? */
static bool block_fits(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn, u64 host, int level)
{
	return level <= sh->pg->cfg.shadow_max_level &&
	       (host & (level == 2 ? GMEM_2M | GMEM_1G : GMEM_1G)) &&
	       !is_guarded(sh, slot, gfn, level);
}

/*
 * Will map() link a shadow page that was made for another way, or earlier? What that page and
 * those below it hold may be older than anything a CPU could know on the new way.
 */
bool links_old(struct paging_vcpu *pv, const struct walk *w, gva_t gva)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = sp_at(sh, vcpu_of(pv)->root);
	union shadow_role role = sp->role;
	int level;

	for (level = PT_ROOT_LEVEL; level > w->level; level--) {
		unsigned int i = pt_index(gva, level);
		u64 gpte = w->gpte[level];
		struct shadow_page *have = NULL, *want;

		role = child_role(role, gpte);
		want = sp_find(sh, (gpte & PTE_FRAME) >> 12, role);
		if (sp && is_live(sp, i) && !spte_is_leaf(sp->spt[i], level))
			have = child_of(sh, sp, i);
		if (want && want != have)
			return true;
		sp = want;
	}
	return false;
}

/*
 * A new way to open tables: what the shadow has of them may be older than the way, and no CPU could
 * know it. A guest need not flush to add a way.
 */
void sync_old(struct paging_vcpu *pv)
{
	struct shadow *sh = shadow_of(pv->pg);
	bool flush = sync_set(sh, &sh->open[1]);

	if (sync_set(sh, &sh->open[0]) || flush)
		owe_context(pv);
}

/* The guest's tables end before @gva: @w holds what was read, from the root down to @level. */
void remember_absence(struct paging_vcpu *pv, const struct walk *w, gva_t gva, int level)
{
	struct leaf_cache *c = leaf_slot(vcpu_of(pv), gva);
	struct shadow *sh = shadow_of(pv->pg);
	int l;

	for (l = 2; l <= PT_ROOT_LEVEL; l++) {
		if (l > level) {
			c->at[l - 2] = table_of(sh, w->table[l]) + pt_index(gva, l);
			c->gpte[l - 2] = w->gpte[l];
		} else { /* not on the way */
			c->at[l - 2] = &says_unwritten;
			c->gpte[l - 2] = says_unwritten;
		}
	}
	c->absent = table_of(sh, w->table[level]) + pt_index(gva, level);
	c->sp = NULL;
	c->mid = NULL;
	remember_way(pv, c, gva);
}

/*
 * Another vCPU may have changed an entry after @w read it and before its table was guarded, unseen. So
 * guard all of them first, and look again: from then on no store is missed.
 */
bool guard_way(struct paging_vcpu *pv, const struct walk *w, gva_t gva)
{
	struct shadow *sh = shadow_of(pv->pg);
	union shadow_role role = sp_at(sh, vcpu_of(pv)->root)->role;
	int level;

	for (level = PT_ROOT_LEVEL; level > w->level; level--) {
		role = child_role(role, w->gpte[level]);
		sp_get(sh, (w->gpte[level] & PTE_FRAME) >> 12, role);
	}
	for (level = PT_ROOT_LEVEL; level >= w->level; level--)
		if (READ_ONCE(table_of(sh, w->table[level])[pt_index(gva, level)]) !=
		    w->gpte[level])
			return false;
	return true;
}

/* Map what @w found, from the root down; true if a live entry changed its meaning. */
bool map_way(struct paging_vcpu *pv, const struct walk *w, gva_t gva, struct gmem_slot *slot,
	     u64 host, bool through_window, bool fetch, bool *wrote)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = sp_at(sh, vcpu_of(pv)->root);
	struct leaf_cache *c = leaf_slot(vcpu_of(pv), gva);
	hpa_t hpa = host & GMEM_HPA;
	gfn_t gfn = w->gfn;
	bool changed = false;
	u64 before = sh->pg->count->v[CNT_sptes_written];
	unsigned int i;
	u64 gpte, spte;
	int level;

	sp_touch(sp);
	c->block = ~0ULL;
	c->mid = NULL;
	for (level = sp->role.level;; level--) {
		struct shadow_page *child;

		i = pt_index(gva, level);
		gpte = level >= w->level ? w->gpte[level] : w->gpte[w->level];
		/* A large entry would take away what a window opened inside its block. */
		if (level == 1 ||
		    (level <= w->level && !pv->window && block_fits(sh, slot, gfn, host, level) &&
		     !stays_split(sh, sp, i, gpte, fetch)))
			break;
		child = sp_get(sh, child_gfn(sp, i, gpte), child_role(sp->role, gpte));
		changed |= upper_set(sh, sp, i, child, gpte);
		/* A piece of a 1 GiB page has no guest entry of its own: such ways are not kept. */
		if (sp->table) {
			c->at[level - 2] = sp->table + i;
			c->gpte[level - 2] = gpte;
			if (level == 2)
				c->mid = sp;
		}
		sp = child;
	}
	gfn &= ~(pt_level_pages(level) - 1);
	hpa &= ~((pt_level_pages(level) << 12) - 1);
	spte = leaf_spte(sh, sp, gpte, w->access, hpa, is_guarded(sh, slot, gfn, level));
	if (through_window) {
		spte |= PTE_W | PTE_D;
		/*
		 * A user page that only CR0.WP=0 makes writable must not open for user mode, nor,
		 * as a supervisor page, for fetches that SMEP forbids. What cannot be expressed:
		 * SMAP on that page until the window closes, one instruction where the monitor
		 * trap flag exists.
		 */
		if (!(w->access & ACC_W) && (w->access & ACC_U)) {
			spte &= ~PTE_U;
			spte |= PTE_NX;
		}
	}
	changed |= leaf_set(sh, sp, i, spte, gpte, gmem_info(slot, gfn, level), gfn);
	if (level == 1 && w->level <= 2) {
		c->access = w->level == 1 ? sp->role.access : w->access;
		c->sp = sp;
		c->absent = NULL;
		remember_way(pv, c, gva);
	}
	if (sh->policy->fill && level == 1 && sp->table && !sp->filled)
		fill_around(sh, sp);
	*wrote = before != sh->pg->count->v[CNT_sptes_written];
	return changed;
}

/*
 * The guest's tables end before @gva. Link the shadow as far as they go, so that the next such fault
 * finds the entry that is not present and needs no VM exit. The walk of a CPU, too, sets the
 * accessed flags on its way.
 */
void link_way(struct paging_vcpu *pv, const struct walk *w, gva_t gva)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = sp_at(sh, vcpu_of(pv)->root), *child;
	int level;

	for (level = PT_ROOT_LEVEL; level > w->level; level--) {
		u64 *entry = (u64 *)&sp->table[pt_index(gva, level)], gpte = w->gpte[level];

		if (!gpte_mark(entry, &gpte, PTE_A))
			return;
		child = sp_get(sh, (gpte & PTE_FRAME) >> 12, child_role(sp->role, gpte));
		if (upper_set(sh, sp, pt_index(gva, level), child, gpte))
			flush_addr(pv, gva);
		sp = child;
	}
}

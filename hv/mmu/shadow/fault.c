// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest touches memory. Most faults end where others ended before: fault_near(). All others
 * walk the guest's tables: fault_far().
 */
#include "flush.h"
#include "live.h"
#include "open.h"
#include "page.h"
#include "store.h"
#include "sync.h"
#include "way.h"

/* Trapped stores between two sync points that open a table when as many are open as may be. */
#define CROWDED_STORES 8u

/* A store hits a guarded frame: may it, and those that follow, go on unseen? */
static bool let_write(struct shadow *sh, struct gfn_info *info, gfn_t gfn)
{
	struct shadow_page *head;
	unsigned int which = 0;
	u32 id;

	if (!still_table(sh, info))
		return true;
	if (sh->policy->strict)
		return false;
	head = sp_at(sh, info->tables);
	if (head->sync_seen != sh->sync_points) {
		head->sync_seen = sh->sync_points;
		head->trapped = 0;
	}
	if (!sh->policy->opens(&sh->pg->cfg, ++head->trapped))
		return false;
	/* Where it would push another out, opening pays for a burst of stores only. */
	if (nr_open(sh) >= SHADOW_OPEN_MAX && head->trapped <= CROWDED_STORES)
		return false;
	for_each_table(sh, info, id)
		which |= sp_at(sh, id)->role.level > 1;
	return frame_open(sh, info, gfn, which);
}

/*
 * Only CR0.WP=0 lets it write to a user page: no entry can say "supervisor only", so each store is
 * carried out for it.
 */
static inline bool is_odd_write(unsigned int access)
{
	return (access & (ACC_U | ACC_W)) == ACC_U;
}

static enum verdict to_emulate(const struct paging_fault *f, gfn_t gfn, u64 host,
			       struct paging_result *res)
{
	res->gpa = gfn << 12 | (f->gva & ~PAGE_MASK);
	res->at = (u8 *)phys_to_virt(host & GMEM_HPA) + (f->gva & ~PAGE_MASK);
	res->table = NULL;
	return VERDICT_EMULATE;
}

/*
 * The same store to a guarded table again, or to the entry beside it? Then nothing has to be worked
 * out: the walk would end where it did, and only a table that lost its guard, or is one for a
 * second shadow page now, needs a closer look.
 */
static inline bool store_again(struct paging_vcpu *pv, const struct paging_fault *f,
			       const struct leaf_cache *c, struct paging_result *res)
{
	const struct trapped_store *t = &c->store;
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp;

	if (t->access != f->access || t->index != pt_index(f->gva, 1) ||
	    READ_ONCE(*t->at) != t->gpte)
		return false;
	sp = sp_at(sh, t->info->tables);
	if (unlikely(sp->next_table || !sp->parents || sp->writes + 1 >= UNSHADOW_WRITES))
		return false;
	sp->writes++;
	res->gpa = t->gfn << 12 | (f->gva & ~PAGE_MASK);
	res->at = t->host + (f->gva & ~PAGE_MASK);
	res->table = sp;
	return true;
}

/*
 * A store trapped, and the next will too: strict tables do not open. What fault_near() found holds
 * while known_way() and the leaf entry do, and the mode of the guest's CPU: see shadow_set_mode().
 */
static void remember_store(struct leaf_cache *c, const struct paging_fault *f, const u64 *entry,
			   u64 gpte, gfn_t gfn, u64 host, struct gfn_info *info)
{
	c->store = (struct trapped_store){
		.access = f->access,
		.at = entry ? entry : &says_unwritten,
		.gpte = entry ? gpte : says_unwritten,
		.index = pt_index(f->gva, 1),
		.gfn = gfn,
		.info = info,
		.host = phys_to_virt(host & GMEM_HPA),
	};
}

/* The general case: walk the guest's tables and map what is found, from the root down. */
static noinline enum verdict fault_far(struct paging_vcpu *pv, const struct paging_fault *f,
				       struct paging_result *res)
{
	struct walk_for want = {
		.gva = f->gva,
		.code = f->code & (PF_W | PF_U | PF_I),
		.cpl = f->cpl,
		.ac = f->ac,
		.set_ad = true,
	};
	struct shadow *sh = shadow_of(pv->pg);
	bool write = f->code & PF_W, through, wrote, emulate = false;
	struct gmem_slot *slot;
	enum verdict v;
	struct walk w;
	u64 host;

	pv->dear = true;
	v = reserve(sh, SHADOW_MAKE_MAX);
	if (v != VERDICT_RETRY)
		return v;
	bound_open(sh);
	v = walk_guest(pv, &want, &w, res);
	if (v == VERDICT_REFLECT && !(res->code & PF_P)) {
		if (unlikely(sh->blank)) {
			if (pv->pg->wait_all && !guard_way(pv, &w, f->gva))
				return VERDICT_RETRY;
			link_way(pv, &w, f->gva);
		}
		if (w.level > 1)
			remember_absence(pv, &w, f->gva, w.level);
	}
	if (v != VERDICT_RETRY)
		return v;
	v = gmem_host(pv->pg->mem, w.gfn, &host, res);
	if (v == VERDICT_MMIO)
		res->gpa = w.gfn << 12 | (f->gva & ~PAGE_MASK);
	if (v != VERDICT_RETRY)
		return v;

	slot = gmem_slot(pv->pg->mem, w.gfn);
	through = write && pv->window && in_window(vcpu_of(pv), w.gfn);
	if (write && !through) {
		struct gfn_info *info = gmem_info(slot, w.gfn, 1);

		emulate = is_odd_write(w.access) ||
			  (is_guarded(sh, slot, w.gfn, 1) && !let_write(sh, info, w.gfn));
		/*
		 * The store is carried out for the guest. It is mapped all the same, read-only, where
		 * that makes the way known: then the next store to this table needs no walk.
		 */
		if (emulate && (w.level > 2 || known_way(pv, f->gva)))
			return to_emulate(f, w.gfn, host, res);
	}
	if (nr_open(sh) && links_old(pv, &w, f->gva))
		sync_old(pv);
	if (unlikely(pv->pg->wait_all) && !guard_way(pv, &w, f->gva))
		return VERDICT_RETRY;
	if (map_way(pv, &w, f->gva, slot, host, through, f->code & PF_I, &wrote))
		flush_addr(pv, f->gva);
	if (emulate)
		return to_emulate(f, w.gfn, host, res);
	if (!wrote) {
		/* Hardware has something older cached, and would fault on it for ever. */
		count(sh->pg->count, spurious_faults);
		flush_addr(pv, f->gva);
	}
	return VERDICT_RETRY;
}

/*
 * Most faults end in a leaf table where others ended before. Then its entry is all that has to be
 * read: the way there is as it was, its accessed flags are set, and nothing has to be made.
 * VERDICT_REFILL here means that this is not such a fault.
 */
static enum verdict fault_near(struct paging_vcpu *pv, const struct paging_fault *f,
			       struct leaf_cache *c, struct paging_result *res)
{
	struct walk_for want = { .code = f->code & (PF_W | PF_U | PF_I),
				 .cpl = f->cpl,
				 .ac = f->ac };
	unsigned int i = pt_index(f->gva, 1), access = c->access;
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = c->sp;
	u64 *entry = NULL;
	struct gfn_info *info;
	struct gmem_slot *slot;
	u64 gpte, host, spte, at;
	bool guarded;
	gfn_t gfn;

	if (sp->table) {
		u64 bits = f->code & PF_W ? PTE_A | PTE_D : PTE_A;

		entry = (u64 *)&sp->table[i];
		gpte = READ_ONCE(*entry);
		if (!(gpte & PTE_P))
			return walk_fault(pv, &want, 0, res);
		if (unlikely(gpte & c->reserved))
			return walk_fault(pv, &want, PF_P | PF_RSVD, res);
		access &= pte_access(gpte);
		if (unlikely(!access_allowed(pv, &want, access)))
			return walk_fault(pv, &want, PF_P, res);
		if (!gpte_mark(entry, &gpte, bits))
			return VERDICT_REFILL;
		gfn = (gpte & PTE_FRAME) >> 12;
	} else {
		gpte = c->gpte[0];
		if (unlikely(!access_allowed(pv, &want, access)))
			return walk_fault(pv, &want, PF_P, res);
		if ((f->code & PF_W) && !(gpte & PTE_D))
			return VERDICT_REFILL;
		gfn = pte_gfn(gpte, 2) + i;
	}
	slot = gmem_slot(sh->pg->mem, gfn);
	if (unlikely(!slot))
		return VERDICT_REFILL;
	at = gmem_index(slot, gfn);
	host = slot->host[at];
	if (unlikely(!host))
		return VERDICT_REFILL;
	info = &slot->info[0][at];
	guarded = unlikely(info->tables) && !is_open(sh, info);
	if (f->code & PF_W) {
		if (unlikely(is_odd_write(access)))
			return to_emulate(f, gfn, host, res);
		if (guarded) {
			bound_open(sh);
			if (!let_write(sh, info, gfn)) {
				if (sh->policy->strict)
					remember_store(c, f, entry, gpte, gfn, host, info);
				return to_emulate(f, gfn, host, res);
			}
			if (c->upper_gen != sh->upper_gen) /* the way was a table of its own */
				return VERDICT_REFILL;
			guarded = false;
		}
	}
	sp_touch(sp);
	spte = leaf_spte(sh, sp, gpte, access, host & GMEM_HPA, guarded);
	if (is_live(sp, i)) {
		u64 before = sh->pg->count->v[CNT_sptes_written];

		leaf_set(sh, sp, i, spte, gpte, info, gfn);
		/* Hardware may have the old one, or something older yet. */
		flush_addr(pv, f->gva);
		if (before == sh->pg->count->v[CNT_sptes_written])
			count(sh->pg->count, spurious_faults);
	} else {
		leaf_add(sh, sp, i, spte, gpte, info);
	}
	if (unlikely(sh->policy->fill && !sp->filled) && sp->table)
		fill_around(sh, sp);
	return VERDICT_RETRY;
}

/* The same where the guest had no table: has it still none? */
static enum verdict fault_absent(struct paging_vcpu *pv, const struct paging_fault *f,
				 const struct leaf_cache *c, struct paging_result *res)
{
	struct walk_for want = { .code = f->code & (PF_W | PF_U | PF_I) };

	if (READ_ONCE(*c->absent) & PTE_P)
		return VERDICT_REFILL;
	return walk_fault(pv, &want, 0, res);
}

/* The way to the level 2 page is known and its entry is another than before: go on from there. */
static noinline enum verdict fault_mid(struct paging_vcpu *pv, const struct paging_fault *f,
				       struct leaf_cache *c, struct paging_result *res)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = c->mid, *have = NULL, *child;
	unsigned int i = pt_index(f->gva, 2);
	u64 *entry = (u64 *)c->at[0], gpte = READ_ONCE(*entry), host;
	union shadow_role role;
	gfn_t gfn;

	if (!(gpte & PTE_P) || pte_is_leaf(gpte, 2) ||
	    pte_reserved(&sh->pg->cfg, pv->efer, gpte, 2))
		return VERDICT_REFILL;
	gfn = (gpte & PTE_FRAME) >> 12;
	if (gmem_host(pv->pg->mem, gfn, &host, res) != VERDICT_RETRY ||
	    reserve(sh, 1) != VERDICT_RETRY)
		return VERDICT_REFILL;
	bound_open(sh);
	role = child_role(sp->role, gpte);
	child = sp_find(sh, gfn, role);
	if (nr_open(sh) && child) {
		if (is_live(sp, i) && !spte_is_leaf(sp->spt[i], 2))
			have = child_of(sh, sp, i);
		if (child != have)
			sync_old(pv);
	}
	if (c->top_gen != sh->top_gen || c->freed_gen != sh->freed_gen)
		return VERDICT_REFILL;
	if (!gpte_mark(entry, &gpte, PTE_A))
		return VERDICT_REFILL;
	if (child)
		sp_touch(child);
	else
		child = sp_get(sh, gfn, role);
	if (upper_set(sh, sp, i, child, gpte))
		flush_addr(pv, f->gva);
	c->gpte[0] = gpte;
	c->sp = child;
	c->absent = NULL;
	c->access = child->role.access;
	remember_way(pv, c, f->gva);
	return fault_near(pv, f, c, res);
}

enum verdict shadow_fault(struct paging_vcpu *pv, const struct paging_fault *f,
			  struct paging_result *res)
{
	enum verdict v = VERDICT_REFILL;
	struct leaf_cache *c;

	/* The root lost its memory while the caller slept: fault again with a new one. */
	if (unlikely(pv->unready))
		return VERDICT_RETRY;
	if (unlikely(pv->window))
		return fault_far(pv, f, res);
	c = known_way(pv, f->gva);
	if (unlikely(!c)) {
		c = known_mid(pv, f->gva);
		if (c && !still_holds(shadow_of(pv->pg), c, f->gva)) {
			v = fault_mid(pv, f, c, res);
			return likely(v != VERDICT_REFILL) ? v : fault_far(pv, f, res);
		}
	}
	if (likely(c)) {
		if (store_again(pv, f, c, res))
			return VERDICT_EMULATE;
		v = c->absent ? fault_absent(pv, f, c, res) : fault_near(pv, f, c, res);
	}
	return likely(v != VERDICT_REFILL) ? v : fault_far(pv, f, res);
}

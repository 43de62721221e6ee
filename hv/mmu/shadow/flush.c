// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest changes roots and modes, and flushes. Roots without exits: roots.c.
 */
#include "flush.h"
#include "open.h"
#include "page.h"
#include "sync.h"
#include "way.h"

static inline void use_root(struct paging_vcpu *pv, struct shadow_page *sp, gfn_t gfn, u64 pcid)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	if (sv->root != sp->id) {
		sp->in_use++;
		drop_root(pv);
		sv->root = sp->id;
	}
	sv->pcid_root[pcid] = gfn;
	pv->hw_cr3 = sp->hpa | pcid;
	pv->unready = false;
}

/*
 * May a not-present fault go to the guest? Hardware runs with EFER.NXE set, so its error code says
 * "fetch" also where the guest's CPU would not. Not beside other vCPUs: one of them may see an emulated
 * store a moment before the shadow does, and use what it maps.
 */
void choose_direct(struct paging_vcpu *pv)
{
	pv->direct = shadow_of(pv->pg)->blank && !pv->window && !pv->pg->wait_all &&
		     ((pv->efer & PG_EFER_NXE) || (pv->cr4 & PG_CR4_SMEP));
	pv->rearm = true;
}

/* Take the shadow of the table that @cr3 names as root. */
static noinline enum verdict take_root(struct paging_vcpu *pv, u64 cr3, struct paging_result *res)
{
	union shadow_role role = { .level = PT_ROOT_LEVEL,
				   .access = ACC_ALL,
				   .wp = !!(pv->cr0 & PG_CR0_WP),
				   .nxe = !!(pv->efer & PG_EFER_NXE) };
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct shadow *sh = shadow_of(pv->pg);
	gfn_t gfn = (cr3 & PTE_FRAME) >> 12;
	struct root_cache *c = &sv->roots[gfn % ROOT_CACHE];
	u64 pcid = pv->cr4 & PG_CR4_PCIDE ? cr3 & 0xfff : 0;
	struct shadow_page *sp;
	enum verdict v;
	u64 host;

	sp = sp_find(sh, gfn, role);
	if (sp) {
		count(sh->pg->count, roots_reused);
		sp_touch(sp);
	} else {
		pv->dear = true;
		v = reserve(sh, 1);
		if (v != VERDICT_RETRY)
			return v;
		bound_open(sh);
		v = gmem_host(pv->pg->mem, gfn, &host, res);
		if (v == VERDICT_MMIO) {
			res->why = "CR3 points outside guest memory";
			return VERDICT_STOP;
		}
		if (v != VERDICT_RETRY)
			return v;
		sp = sp_get(sh, gfn, role);
		count(sh->pg->count, roots_built);
	}
	*c = (struct root_cache){
		.gfn = gfn, .freed_gen = sh->freed_gen, .role = role.word, .sp = sp
	};
	if (sv->root_role != role.word || pv->unready) {
		sv->root_role = role.word;
		choose_direct(pv); /* the guest's mode may have changed */
	}
	use_root(pv, sp, gfn, pcid);
	return VERDICT_RETRY;
}

enum verdict shadow_prepare(struct paging_vcpu *pv, struct paging_result *res)
{
	return take_root(pv, pv->cr3, res);
}

enum verdict shadow_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_vcpu *sv;
	struct root_cache *c;
	enum verdict v;
	u64 pcid = 0;
	gfn_t gfn;

	/*
	 * Also where the guest keeps its TLB: another PCID may never have cached what the shadow
	 * still has. Where nothing changed this finds nothing and flushes nothing.
	 */
	if (sync_all(sh)) {
		owe_context(pv);
		pv->dear = true;
	}
	sv = vcpu_of(pv);
	gfn = (value & PTE_FRAME) >> 12;
	if (pv->cr4 & PG_CR4_PCIDE)
		pcid = value & 0xfff;
	/*
	 * One PCID for two roots: a later INVLPG has to drop what both left behind, pieces of large
	 * pages and upper entries, and INVVPID for one address would not. Flush here instead.
	 */
	if (!(pv->cr4 & PG_CR4_PCIDE) || !(value & PG_CR3_NOFLUSH) || sv->pcid_root[pcid] != gfn)
		owe_context(pv);
	/* Also without PCIDs: a value of the base-address buffer may be older than CR4.PCIDE. */
	value &= ~PG_CR3_NOFLUSH;
	c = &sv->roots[gfn % ROOT_CACHE];
	if (likely(c->gfn == gfn && c->freed_gen == sh->freed_gen && c->role == sv->root_role &&
		   !pv->unready)) {
		count(sh->pg->count, roots_reused);
		sp_touch(c->sp);
		use_root(pv, c->sp, gfn, pcid);
	} else {
		v = take_root(pv, value, res);
		if (v != VERDICT_RETRY)
			return v;
	}
	pv->cr3 = value;
	if (unlikely(pv->share_gpa))
		shadow_roots_note(pv);
	return VERDICT_RETRY;
}

void shadow_set_mode(struct paging_vcpu *pv)
{
	unsigned int i;

	for (i = 0; i < LEAF_CACHE; i++)
		vcpu_of(pv)->leaf[i].store.access = 0;
	sync_all(shadow_of(pv->pg));
	shadow_roots_withdraw(pv);
	drop_root(pv);
	owe_context(pv);
}

/* All ways that hardware can take for @gva before the next exit. */
static noinline void sync_ways(struct shadow *sh, struct shadow_vcpu *sv, gva_t gva)
{
	int i;

	if (sv->root)
		sync_path(sh, sp_at(sh, sv->root), gva);
	/* Roots that the guest may load without an exit: no other sync comes in between. */
	for (i = 0; i < ROOT_TARGETS; i++)
		if (sv->shared[i] && sv->shared[i] != sv->root)
			sync_path(sh, sp_at(sh, sv->shared[i]), gva);
}

/* Open tables may have changed: bring in step what leads to @gva. */
static noinline void sync_address(struct paging_vcpu *pv, gva_t gva)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct leaf_cache *c;

	if (unlikely(sync_set(sh, &sh->open[1]))) {
		owe_context(pv);
		pv->dear = true;
	}
	c = known_way(pv, gva);
	if (likely(c && c->sp && !pv->share_gpa)) {
		if (c->sp->open)
			sync_entry(sh, c->sp, pt_index(gva, 1),
				   READ_ONCE(c->sp->table[pt_index(gva, 1)]));
		return;
	}
	c = known_mid(pv, gva);
	if (c && !pv->share_gpa)
		sync_path(sh, c->mid, gva);
	else
		sync_ways(sh, vcpu_of(pv), gva);
}

/*
 * The guest's INVLPG drops the paging-structure caches of its PCID for every address (SDM vol. 3,
 * 4.10.4.1); INVVPID for one address only those that lead to it (28.4.3.1). An upper entry that
 * changed since the last full flush may be cached for other addresses, and so may the pieces of a
 * large guest page that the guest takes for one translation: then flush all.
 */
void shadow_invlpg(struct paging_vcpu *pv, gva_t gva)
{
	const struct shadow *sh = shadow_of(pv->pg);

	if (nr_open(sh))
		sync_address(pv, gva);
	if (unlikely(vcpu_of(pv)->upper_seen != sh->upper_gen))
		owe_context(pv);
	else
		flush_addr(pv, gva);
}

void shadow_invpcid(struct paging_vcpu *pv, enum invpcid_type type, u16 pcid, gva_t gva)
{
	/* INVVPID reaches every PCID of a VPID: more than asked for is allowed. */
	if (type == INVPCID_ADDR && pcid == (pv->cr4 & PG_CR4_PCIDE ? pv->cr3 & 0xfff : 0)) {
		shadow_invlpg(pv, gva);
		return;
	}
	sync_all(shadow_of(pv->pg));
	owe_context(pv);
	pv->dear = true;
}

void shadow_enter(struct paging_vcpu *pv)
{
	if (pv->flush_gen == pv->pg->flush_gen)
		return;
	pv->flush_gen = pv->pg->flush_gen;
	owe_context(pv);
}

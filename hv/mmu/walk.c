// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's own page tables, walked the way its CPU would walk them (Intel SDM vol. 3, 4.5 to
 * 4.8): presence and reserved bits level by level, rights at the end, accessed and dirty flags
 * only once the access is known to be allowed.
 *
 * Who needs rights checked or A and D set along a whole path walks here; the shadow reads single
 * entries of tables that it knows by itself.
 */
#include "walk.h"

/* Setting A and D races with the VMM's other threads; a guest cannot keep us here. */
#define WALK_TRIES 64

enum verdict gmem_host_slow(struct gmem *mem, gfn_t gfn, u64 *host, struct paging_result *res)
{
	struct gmem_slot *slot = gmem_slot(mem, gfn);
	int err;

	res->gpa = gfn << 12;
	if (!slot)
		return VERDICT_MMIO;
	if (slot->device)
		return VERDICT_MMIO;
	err = mem->ops->pin(mem, gfn);
	if (err == -EAGAIN)
		return VERDICT_PIN;
	if (err) {
		res->why = "guest memory cannot be pinned";
		return VERDICT_STOP;
	}
	*host = slot->host[gmem_index(slot, gfn)];
	return VERDICT_RETRY;
}

/* The entry's place in host memory; tables outside guest memory end the VM. */
static enum verdict table_entry(struct paging_vcpu *pv, gfn_t gfn, unsigned int index, u64 **entry,
				struct paging_result *res)
{
	u64 host;
	enum verdict v = gmem_host(pv->pg->mem, gfn, &host, res);

	if (v == VERDICT_MMIO) {
		res->why = "a guest page table lies outside guest memory";
		return VERDICT_STOP;
	}
	if (v == VERDICT_RETRY)
		*entry = (u64 *)phys_to_virt(host & GMEM_HPA) + index;
	return v;
}

enum verdict walk_guest(struct paging_vcpu *pv, const struct walk_for *f, struct walk *w,
			struct paging_result *res)
{
	const struct paging_config *cfg = &pv->pg->cfg;
	u64 reserved = pte_reserved_always(cfg, pv->efer);
	u64 *entry[PT_ROOT_LEVEL + 1];
	enum verdict v;
	gfn_t gfn;
	int level, tries = 0;

again:
	if (++tries > WALK_TRIES) {
		res->why = "a guest page table changes faster than it can be walked";
		res->gpa = f->gva;
		return VERDICT_STOP;
	}
	gfn = (pv->cr3 & PTE_FRAME) >> 12;
	w->access = ACC_ALL;
	for (level = PT_ROOT_LEVEL;; level--) {
		u64 gpte;

		v = table_entry(pv, gfn, pt_index(f->gva, level), &entry[level], res);
		if (v != VERDICT_RETRY)
			return v;
		gpte = READ_ONCE(*entry[level]);
		w->level = level;
		w->table[level] = gfn;
		w->gpte[level] = gpte;
		if (!(gpte & PTE_P))
			return walk_fault(pv, f, 0, res);
		if (unlikely((gpte & reserved) ||
			     ((gpte & PTE_PS) && (gpte & pte_reserved_large(cfg, level)))))
			return walk_fault(pv, f, PF_P | PF_RSVD, res);
		w->access &= pte_access(gpte);
		if (pte_is_leaf(gpte, level))
			break;
		gfn = (gpte & PTE_FRAME) >> 12;
	}
	w->gfn = pte_gfn(w->gpte[level], level) + ((f->gva >> 12) & (pt_level_pages(level) - 1));
	if (!f->no_rights && !access_allowed(pv, f, w->access))
		return walk_fault(pv, f, PF_P, res);
	if (!f->set_ad)
		return VERDICT_RETRY;
	for (level = PT_ROOT_LEVEL; level > w->level; level--)
		if (!gpte_mark(entry[level], &w->gpte[level], PTE_A))
			goto again;
	if (!gpte_mark(entry[level], &w->gpte[level], f->code & PF_W ? PTE_A | PTE_D : PTE_A))
		goto again;
	return VERDICT_RETRY;
}

enum verdict walk_read(struct paging_vcpu *pv, gva_t gva, void *buf, unsigned int len,
		       const struct walk_for *f, struct paging_result *res, gva_t *fault_gva)
{
	struct walk_for each = *f;
	u8 *to = buf;

	while (len) {
		unsigned int in_page = PAGE_SIZE - (gva & ~PAGE_MASK);
		unsigned int n = min_t(unsigned int, len, in_page);
		struct walk w;
		enum verdict v;
		u64 host;

		each.gva = gva;
		*fault_gva = gva;
		v = walk_guest(pv, &each, &w, res);
		if (v == VERDICT_RETRY)
			v = gmem_host(pv->pg->mem, w.gfn, &host, res);
		if (v != VERDICT_RETRY)
			return v;
		memcpy(to, (u8 *)phys_to_virt(host & GMEM_HPA) + (gva & ~PAGE_MASK), n);
		to += n;
		gva += n;
		len -= n;
	}
	return VERDICT_RETRY;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the invariants of shadow.h hold? Each check says which one it looks at.
 */
#include "entry.h"
#include "open.h"
#include "page.h"

/* S1. @now: the guest entry that the shadow has to know of. */
static const char *audit_origin(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 now)
{
	u64 gpte = sp->gpte[i];
	int level = sp->role.level;
	u64 ignored = pte_is_leaf(gpte, level) ? GPTE_IGNORED : GPTE_IGNORED_UPPER;

	if ((now ^ gpte) & ~(ignored | PTE_D))
		return "S1: the guest entry has changed";
	if (!was_touched(now))
		return "S1: the guest entry is not present or not accessed";
	if (pte_reserved(&sh->pg->cfg, sp->role.nxe ? PG_EFER_NXE : 0, now, level))
		return "S1: the guest entry has reserved bits";
	return NULL;
}

/* S2. */
static const char *audit_leaf(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 now)
{
	u64 spte = sp->spt[i], want, host;
	gfn_t gfn = leaf_gfn(sp, i);
	struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);

	if (!slot)
		return "S2: it maps a frame outside guest memory";
	host = slot->host[gmem_index(slot, gfn)];
	want = leaf_spte(sh, sp, now, sp->role.access & pte_access(now), host & GMEM_HPA,
			 is_guarded(sh, slot, gfn, sp->role.level));
	if ((spte & PTE_W) && !(want & PTE_W))
		return "S2: it is writable and must not be";
	if ((spte ^ want) & ~(PTE_A | PTE_D | PTE_W))
		return "S2: frame or rights are wrong";
	return NULL;
}

/* S3. */
static const char *audit_upper(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	struct shadow_page *child = child_of(sh, sp, i);

	if (!child || (sp->spt[i] & PTE_FRAME) != virt_to_phys(child->spt))
		return "S3: it points to another shadow page";
	return NULL;
}

/* S4. The entry itself is in order. */
static const char *audit_list(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	struct spte_link *link = link_at(sp, i);
	u32 id = entry_id(sp, i), head;
	gfn_t gfn;

	if (spte_is_leaf(sp->spt[i], sp->role.level)) {
		gfn = leaf_gfn(sp, i);
		head = gmem_info(gmem_slot(sh->pg->mem, gfn), gfn, sp->role.level)->rmap;
	} else {
		head = child_of(sh, sp, i)->parents;
	}
	if (link->prev ? entry_link(sh, link->prev)->next != id : head != id)
		return "S4: it is not on its list";
	return NULL;
}

/* What is wrong with live entry @i, or NULL. */
static const char *audit_live(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	const char *what = NULL;
	u64 now = sp->gpte[i];

	if (!sp->role.direct) {
		if (!sp->open) /* an open table may be ahead until the next sync point */
			now = sp->table[i];
		what = audit_origin(sh, sp, i, now);
	}
	if (!what)
		what = spte_is_leaf(sp->spt[i], sp->role.level) ? audit_leaf(sh, sp, i, now)
								: audit_upper(sh, sp, i);
	return what ? what : audit_list(sh, sp, i);
}

/* S5: entry @i is not live. */
static const char *audit_blank(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	return sh->blank && sp->spt[i] != blank_spte(sh, sp, i) ? "S5: it hides a guest entry"
								: NULL;
}

/* S6 and S8, of one shadow page. */
static const char *audit_page(struct shadow *sh, const struct shadow_page *sp)
{
	struct open_set *set;
	unsigned int i;

	if (!sp->open)
		return NULL;
	set = open_set_of(sh, sp->open);
	if (open_at(sp->open) >= set->nr || set->table[open_at(sp->open)].gfn != sp->gfn)
		return "S6: it is not the open table that it says";
	if (READ_ONCE(*set->watch[open_at(sp->open)]) & PTE_D)
		return NULL;
	for (i = 0; i < 512; i++)
		if ((sp->snapshot || is_live(sp, i)) &&
		    (READ_ONCE(sp->table[i]) ^ sp->gpte[i]) & ~(GPTE_IGNORED | PTE_A | PTE_D))
			return "S8: it was written to, and bears no mark";
	return NULL;
}

/* S6, of all together. */
static const char *audit_pages(const struct shadow *sh, u32 pages, u32 orphans)
{
	if (pages != sh->used || orphans != sh->orphans)
		return "S6: shadow pages are miscounted";
	if (pages > sh->budget)
		return "S6: there are more shadow pages than the budget allows";
	return NULL;
}

u64 shadow_audit(struct paging_vcpu *pv, char *text, size_t size)
{
	struct shadow *sh = shadow_of(pv->pg);
	u32 id, pages = 0, orphans = 0;
	const char *what;
	unsigned int i;
	u64 wrong = 0;

	for (id = sh->oldest; id; id = sp_at(sh, id)->newer) {
		struct shadow_page *sp = sp_at(sh, id);

		pages++;
		orphans += is_orphan(sp);
		what = audit_page(sh, sp);
		if (what && !wrong++)
			snprintf(text, size, "the shadow of frame %#llx: %s",
				 (unsigned long long)sp->gfn, what);
		for (i = 0; i < 512; i++) {
			what = is_live(sp, i) ? audit_live(sh, sp, i) : audit_blank(sh, sp, i);
			if (what && !wrong++)
				snprintf(text, size,
					 "entry %u of the level %u shadow of frame %#llx: %s", i,
					 (unsigned int)sp->role.level, (unsigned long long)sp->gfn,
					 what);
		}
	}
	what = audit_pages(sh, pages, orphans);
	if (what && !wrong++)
		snprintf(text, size, "%s", what);
	return wrong;
}

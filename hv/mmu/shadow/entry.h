/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An entry of a shadow page: where it is, whether it is live, what it grants.
 */
#ifndef PENUMBRA_SHADOW_ENTRY_H
#define PENUMBRA_SHADOW_ENTRY_H

#include "shadow.h"

/* A reserved bit where physical addresses are shorter. What it leads to is beyond all memory (L1TF). */
#define SPTE_TRAP BIT_ULL(51)

/* Guest entry bits whose change can change the shadow entry made from it. */
#define GPTE_IGNORED	   (GENMASK_ULL(62, 52) | GENMASK_ULL(11, 9) | GENMASK_ULL(4, 3))
#define GPTE_IGNORED_UPPER (GPTE_IGNORED | PTE_D | PTE_G)

static inline struct shadow *shadow_of(struct paging *pg)
{
	return pg->state;
}

static inline struct shadow_vcpu *vcpu_of(struct paging_vcpu *pv)
{
	return pv->state;
}

static inline u32 entry_id(const struct shadow_page *sp, unsigned int i)
{
	return sp->id << 9 | i;
}

static inline struct shadow_page *entry_page(struct shadow *sh, u32 id)
{
	return sp_at(sh, id >> 9);
}

static inline struct spte_link *link_at(struct shadow_page *sp, unsigned int i)
{
	return &sp->link[i];
}

static inline struct spte_link *entry_link(struct shadow *sh, u32 id)
{
	return link_at(entry_page(sh, id), id & 511);
}

static inline u64 *entry_spte(struct shadow *sh, u32 id)
{
	return &entry_page(sh, id)->spt[id & 511];
}

static inline bool is_live(const struct shadow_page *sp, unsigned int i)
{
	return sp->live[i >> 6] >> (i & 63) & 1;
}

/* The first live entry at or after @i, or 512. */
static inline unsigned int next_live(const struct shadow_page *sp, unsigned int i)
{
	while (i < 512) {
		u64 bits = sp->live[i >> 6] >> (i & 63);

		if (bits)
			return i + __builtin_ctzll(bits);
		i = (i | 63) + 1;
	}
	return i;
}

#define for_each_present(sp, i) for (i = next_live(sp, 0); i < 512; i = next_live(sp, i + 1))

static inline void list_insert(struct shadow *sh, u32 *head, struct spte_link *link, u32 id)
{
	link->next = *head;
	link->prev = 0;
	if (*head)
		entry_link(sh, *head)->prev = id;
	*head = id;
}

static inline void list_remove(struct shadow *sh, u32 *head, struct spte_link *link)
{
	if (link->prev)
		entry_link(sh, link->prev)->next = link->next;
	else
		*head = link->next;
	if (link->next)
		entry_link(sh, link->next)->prev = link->prev;
	*link = (struct spte_link){};
}

static inline void spte_write(struct shadow *sh, u64 *spte, u64 value)
{
	WRITE_ONCE(*spte, value);
	count(sh->pg->count, sptes_written);
}

/* Take @bits from an entry that hardware may be marking. */
static inline void spte_clear(struct shadow *sh, u64 *spte, u64 bits)
{
	shim_clear_bits(spte, bits);
	count(sh->pg->count, sptes_written);
}

/* Write another value over a live entry; returns what hardware has left in it. */
static inline u64 spte_replace(struct shadow *sh, u64 *spte, u64 value)
{
	count(sh->pg->count, sptes_written);
	return shim_xchg64(spte, value);
}

static inline bool spte_is_leaf(u64 spte, int level)
{
	return level == 1 || (spte & PTE_PS);
}

/* The first frame that leaf entry @i of @sp maps. */
static inline gfn_t leaf_gfn(struct shadow_page *sp, unsigned int i)
{
	if (sp->role.direct)
		return sp->gfn + i * pt_level_pages(sp->role.level);
	return pte_gfn(sp->gpte[i], sp->role.level);
}

static inline bool was_touched(u64 gpte)
{
	return (gpte & (PTE_P | PTE_A)) == (PTE_P | PTE_A);
}

/*
 * What hardware may do through an entry made from guest leaf entry @gpte, @access being what all
 * levels of the guest's grant together. Hardware always runs with CR0.WP set; without it in the
 * guest, a supervisor page needs no W. And no entry is writable before the guest's is dirty: hardware
 * sets A and D in our entries, never in the guest's; those are gpte_mark()'s to set.
 */
static __always_inline unsigned int granted(union shadow_role role, u64 gpte, unsigned int access)
{
	bool writable = (access & ACC_W) || (!role.wp && !(access & ACC_U));

	return writable && (gpte & PTE_D) ? access | ACC_W : access & ~ACC_W;
}

/*
 * What the table behind entry @i was made from. @gpte is the guest entry (unused in a direct
 * page); hardware rights of a large page's pieces are settled here, once for all of them.
 */
static inline union shadow_role child_role(union shadow_role role, u64 gpte)
{
	int level = role.level--;

	if (role.direct)
		return role;
	role.access &= pte_access(gpte);
	if (pte_is_leaf(gpte, level)) {
		role.access = granted(role, gpte, role.access);
		role.direct = 1;
		role.wp = 1;
	}
	return role;
}

static inline gfn_t child_gfn(const struct shadow_page *sp, unsigned int i, u64 gpte)
{
	if (sp->role.direct)
		return sp->gfn + i * pt_level_pages(sp->role.level);
	if (pte_is_leaf(gpte, sp->role.level))
		return pte_gfn(gpte, sp->role.level);
	return (gpte & PTE_FRAME) >> 12;
}

/* What hardware gets to see of frame @hpa. @acc: rights of all guest levels together. */
static __always_inline u64 leaf_spte(const struct shadow *sh, struct shadow_page *sp, u64 gpte,
				     unsigned int acc, hpa_t hpa, bool guarded)
{
	u64 spte = hpa | PTE_P | PTE_A;

	if (sp->role.direct) {
		acc = sp->role.access;
	} else {
		acc = granted(sp->role, gpte, acc);
		spte |= gpte & PTE_G;
	}
	if ((acc & ACC_W) && !guarded)
		spte |= PTE_W | PTE_D;
	if (acc & ACC_U)
		spte |= PTE_U;
	if (sp->role.nxe && !(acc & ACC_X))
		spte |= PTE_NX;
	if (sp->role.level > 1)
		spte |= PTE_PS | sh->large_nx;
	return spte;
}

/* The guest table itself; a shadowed frame is in a slot and pinned. */
static inline const u64 *table_of(struct shadow *sh, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);

	return phys_to_virt(slot->host[gmem_index(slot, gfn)] & GMEM_HPA);
}

/* Every shadow page made from guest table @gfn. */
#define for_each_table(sh, info, id) for (id = (info)->tables; id; id = sp_at(sh, id)->next_table)

/* What hardware is to see in an entry that is not live. */
static inline u64 blank_spte(const struct shadow *sh, const struct shadow_page *sp, unsigned int i)
{
	if (likely(!sh->blank) || (sp->table && !(READ_ONCE(sp->table[i]) & PTE_P)))
		return 0;
	return sh->blank;
}

/* Entry @i is not live any more. Returns what hardware has left in it. */
static inline u64 entry_blank(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	u64 old = spte_replace(sh, &sp->spt[i], blank_spte(sh, sp, i));

	if (!sp->snapshot)
		sp->gpte[i] = 0;
	sp->live[i >> 6] &= ~(1ULL << (i & 63));
	return old;
}

#endif

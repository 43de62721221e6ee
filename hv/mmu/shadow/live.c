// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live entries: made, replaced, taken out. An entry is on one list as long as it is live: of the
 * frame that it maps, or of the shadow page that it points to.
 */
#include "live.h"
#include "page.h"

/* The guest's entries of a table have changed, or are seen for the first time. */
void blank_all(const struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		if (!is_live(sp, i))
			WRITE_ONCE(sp->spt[i], blank_spte(sh, sp, i));
}

/* Take live entry @i out of a leaf table and off its list. */
void leaf_clear(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	gfn_t gfn = sp->table ? (sp->gpte[i] & PTE_FRAME) >> 12 : sp->gfn + i;
	struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);

	struct gfn_info *info = &slot->info[0][gmem_index(slot, gfn)];

	list_remove(sh, &info->rmap, link_at(sp, i));
	keep_mark(sh, slot, gfn, info, entry_blank(sh, sp, i));
}

/* Take live entry @i out of any table. */
void entry_clear(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	int level = sp->role.level;

	if (likely(level == 1)) {
		leaf_clear(sh, sp, i);
		return;
	}
	if (spte_is_leaf(sp->spt[i], level)) {
		gfn_t gfn = leaf_gfn(sp, i);
		struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);

		list_remove(sh, &gmem_info(slot, gfn, level)->rmap, link_at(sp, i));
		entry_blank(sh, sp, i);
	} else {
		struct shadow_page *child = child_of(sh, sp, i);

		list_remove(sh, &child->parents, link_at(sp, i));
		if (is_orphan(child))
			sp_orphaned(sh, child);
		entry_blank(sh, sp, i);
		/*
		 * INVLPG must drop what paging-structure caches keep of it: see shadow_invlpg(). Not
		 * before it is gone: a vCPU that flushes in between could cache it once more.
		 */
		sh->upper_gen++;
		sh->top_gen += level > 2;
	}
}

/*
 * Install leaf entry @i for a frame, @info being what is known of it; true if a live entry was
 * replaced by a different one.
 */
bool leaf_set(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 spte, u64 gpte,
	      struct gfn_info *info, gfn_t gfn)
{
	u64 *at = &sp->spt[i], old = *at;
	bool live = is_live(sp, i);

	if (live) {
		if (spte_is_leaf(old, sp->role.level) && leaf_gfn(sp, i) == gfn) {
			sp->gpte[i] = gpte;
			if (!((old ^ spte) & ~(PTE_A | PTE_D)))
				return false;
			old = leaf_write(sh, info, at, spte);
			if (sp->role.level == 1)
				keep_mark(sh, gmem_slot(sh->pg->mem, gfn), gfn, info, old);
			return true;
		}
		entry_clear(sh, sp, i);
	}
	leaf_add(sh, sp, i, spte, gpte, info);
	return live;
}

/* Point upper entry @i at @child; true if it pointed elsewhere before. */
bool upper_set(struct shadow *sh, struct shadow_page *sp, unsigned int i, struct shadow_page *child,
	       u64 gpte)
{
	u64 spte = child->hpa | PTE_P | PTE_W | PTE_U;
	u64 old = 0;

	if (is_live(sp, i)) {
		old = sp->spt[i];
		if (!((old ^ spte) & ~PTE_A)) {
			sp->gpte[i] = gpte;
			return false;
		}
		entry_clear(sh, sp, i);
	}
	if (is_orphan(child))
		sh->orphans--;
	entry_enlist(sh, sp, i, gpte, &child->parents);
	spte_write(sh, &sp->spt[i], spte);
	return old;
}

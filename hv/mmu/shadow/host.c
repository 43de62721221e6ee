// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side: unmap, dirty flags of devices, birth and death.
 */
#include "flush.h"
#include "live.h"
#include "page.h"

void shadow_unmap(struct paging *pg, gfn_t base, u64 npages)
{
	struct shadow *sh = shadow_of(pg);
	struct shadow_vcpu *sv;
	struct gmem_slot *slot;
	gfn_t gfn;
	int level;

	for (sv = sh->vcpus; sv; sv = sv->next)
		shadow_roots_withdraw(sv->pv);
	for (gfn = base; gfn - base < npages; gfn++) {
		struct gfn_info *info;

		slot = gmem_slot(pg->mem, gfn);
		if (!slot)
			continue;
		for (level = 1; level <= 3; level++) {
			info = gmem_info(slot, gfn, level);
			while (info->rmap)
				entry_clear(sh, entry_page(sh, info->rmap), info->rmap & 511);
		}
		info = gmem_info(slot, gfn, 1);
		while (info->tables) {
			/* A vCPU whose root goes away makes a new one, or learns that it cannot. */
			for (sv = sh->vcpus; sv; sv = sv->next)
				if (sv->root == info->tables)
					drop_root(sv->pv);
			sp_zap(sh, sp_at(sh, info->tables));
		}
	}
	paging_revoke(pg);
	sh->freed_gen++; /* tables that are not shadowed may be on a known way too */
}

/* The flags of a frame that is a guest table too belong to sync_open(). */
bool shadow_take_dirty(struct paging *pg, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(pg->mem, gfn);
	struct shadow *sh = shadow_of(pg);
	bool written = false;
	u32 id;

	if (gmem_info(slot, gfn, 1)->tables)
		return true;
	for (id = gmem_info(slot, gfn, 1)->rmap; id; id = entry_link(sh, id)->next) {
		u64 *spte = entry_spte(sh, id);

		if (!(*spte & PTE_D))
			continue;
		spte_clear(sh, spte, PTE_D);
		written = true;
	}
	if (written)
		paging_revoke(pg);
	return written;
}

static size_t shadow_chunks(u32 budget)
{
	return budget / SHADOW_CHUNK + 1;
}

int shadow_vm_init(struct paging *pg, const struct shadow_policy *policy)
{
	u32 budget = pg->cfg.shadow_budget, bits;
	struct shadow *sh;

	if (budget < SHADOW_BUDGET_MIN || budget > SHADOW_BUDGET_MAX)
		return -EINVAL;
	/* As many buckets as there may be shadow pages: chains stay short however many there are. */
	for (bits = 4; 1u << bits < budget; bits++)
		;
	sh = shim_zalloc(sizeof(*sh) + shadow_chunks(budget) * sizeof(sh->chunk[0]) +
			 (sizeof(sh->hash[0]) << bits));
	if (!sh)
		return -ENOMEM;
	sh->hash_bits = bits;
	sh->hash = (u32 *)&sh->chunk[shadow_chunks(budget)];
	sh->pg = pg;
	sh->policy = policy;
	if (policy->strict && pg->cfg.direct_faults)
		sh->blank = SPTE_TRAP | PTE_P;
	sh->large_nx = pg->cfg.split_exec ? PTE_NX : 0;
	sh->budget = budget;
	pg->state = sh;
	return 0;
}

void shadow_vm_free(struct paging *pg)
{
	size_t chunk;
	struct shadow *sh = shadow_of(pg);
	int i;
	u32 id;

	for (id = sh->oldest; id; id = sp_at(sh, id)->newer)
		for (i = 0; i < 8; i++)
			count_add(pg->count, entries_dropped, hweight64(sp_at(sh, id)->live[i]));
	while (sh->oldest)
		sp_zap(sh, sp_at(sh, sh->oldest));
	for (chunk = 0; chunk < shadow_chunks(sh->budget); chunk++) {
		if (!sh->chunk[chunk])
			continue;
		memset(sh->chunk[chunk], 0, PAGE_SIZE);
		pool_put(&pg->pool, (u64 *)sh->chunk[chunk]);
	}
	shim_free(sh);
	pg->state = NULL;
}

int shadow_vcpu_init(struct paging_vcpu *pv)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_vcpu *sv = shim_zalloc(sizeof(*sv));
	unsigned int i;

	if (!sv)
		return -ENOMEM;
	for (i = 0; i < LEAF_CACHE; i++)
		sv->leaf[i].block = ~0ULL;
	for (i = 0; i < CODE_CACHE; i++)
		sv->code[i].page = ~0ULL;
	sv->pv = pv;
	sv->next = sh->vcpus;
	sh->vcpus = sv;
	pv->state = sv;
	pv->nested_root = 0;
	pv->unready = true;
	owe_context(pv);
	if (sv->next)
		choose_direct(sv->next->pv); /* it is not alone any more */
	return 0;
}

void shadow_vcpu_free(struct paging_vcpu *pv)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_vcpu *sv = vcpu_of(pv), **at;

	shadow_leave(pv, NULL);
	shadow_roots_withdraw(pv);
	drop_root(pv);
	for (at = &sh->vcpus; *at != sv; at = &(*at)->next)
		;
	*at = sv->next;
	shim_free(sv);
	pv->state = NULL;
}

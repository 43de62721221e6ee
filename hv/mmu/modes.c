// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of paging modes, and the slots for events that a mode does not trap.
 */
#include "modes.h"
#include "walk.h"

const struct paging_ops *const paging_modes[] = {
	&paging_shadow, &paging_ssp, &paging_hybrid, &paging_ept, NULL,
};

const struct paging_ops *paging_mode_find(const char *name)
{
	int i;

	for (i = 0; paging_modes[i]; i++)
		if (sysfs_streq(paging_modes[i]->name, name))
			return paging_modes[i];
	return NULL;
}

u64 paging_guest_cr3(struct paging_vcpu *pv, u64 value)
{
	u64 cr3;

	if (!pv->share_gpa)
		return value;
	cr3 = shared_cr3(&pv->share, value);
	if (!cr3)
		cr3 = shared_cr3(&pv->withdrawn, value);
	return cr3 ? cr3 | (value & PG_CR3_NOFLUSH) : value;
}

/* ---- what the guest writes to a device's frames ---- */

bool paging_take_dirty(struct paging *pg, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(pg->mem, gfn);
	u64 *host = &slot->host[gmem_index(slot, gfn)];
	bool written = *host & GMEM_WRITTEN;

	if (written) {
		*host &= ~GMEM_WRITTEN;
		/* Hardware may still hold the entry whose flag this was. */
		paging_revoke(pg);
	}
	return pg->ops->take_dirty(pg, gfn) || written;
}

/* The entries go, and their dirty flags with them. */
static void keep_written(struct gmem *mem)
{
	unsigned int i;
	u64 k;

	for (i = 0; i < mem->nr_slots; i++)
		for (k = 0; mem->slots[i].device && k < mem->slots[i].npages; k++)
			gmem_mark_written(&mem->slots[i], mem->slots[i].base + k);
}

/* ---- from mode to mode ---- */

static int mode_start(struct paging *pg, struct paging_vcpu *const *vcpus, unsigned int nr,
		      const struct paging_ops *ops)
{
	unsigned int i;
	int err;

	WRITE_ONCE(pg->ops, ops); /* reports read it any time */
	err = ops->vm_init(pg);
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		struct paging_vcpu *pv = vcpus[i];

		pv->direct = false;
		err = ops->vcpu_init(pv);
		if (err)
			break;
		/* Nothing that hardware has cached for the old tables may be used again. */
		pv->flush |= FLUSH_CONTEXT | FLUSH_NESTED;
	}
	if (!err)
		return 0;
	while (i--)
		ops->vcpu_free(vcpus[i]);
	ops->vm_free(pg);
	return err;
}

int paging_switch(struct paging *pg, struct paging_vcpu *const *vcpus, unsigned int nr,
		  const struct paging_ops *to)
{
	const struct paging_ops *from = pg->ops;
	unsigned int i;

	if (to == from)
		return 0;
	keep_written(pg->mem);
	for (i = 0; i < nr; i++)
		from->vcpu_free(vcpus[i]);
	from->vm_free(pg);
	pg->count->v[CNT_shadow_pages] = 0;
	count(pg->count, mode_switches);
	if (!mode_start(pg, vcpus, nr, to))
		return 0;
	if (!mode_start(pg, vcpus, nr, from))
		return -ENOMEM;
	WRITE_ONCE(pg->ops, &paging_stopped);
	return -EIO;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of paging modes, and the slots for events that a mode does not trap.
 */
#include "modes.h"
#include "walk.h"

const struct paging_ops *const paging_modes[] = {
	&paging_shadow, &paging_ssp, &paging_hybrid, &paging_nested, NULL,
};

const struct paging_ops *paging_mode_find(const char *name)
{
	size_t len = strlen(name);
	int i;

	if (len && name[len - 1] == '\n')
		len--;
	for (i = 0; paging_modes[i]; i++)
		if (strlen(paging_modes[i]->name) == len &&
		    !memcmp(paging_modes[i]->name, name, len))
			return paging_modes[i];
	return NULL;
}

/* The guest's value behind @load in one generation of the buffer, or 0. */
static u64 shared_cr3(const struct shared_roots *roots, u64 load)
{
	int i;

	for (i = 0; i < ROOT_TARGETS; i++)
		if (roots->slot[i].cr3 && !((roots->slot[i].load ^ load) & ~PG_CR3_NOFLUSH))
			return roots->slot[i].cr3;
	return 0;
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

/* ---- the mode of a VM that has lost its own: nothing is translated, everything stops ---- */

static int stopped_vm_init(struct paging *pg)
{
	(void)pg;
	return -EIO;
}

static void stopped_vm_free(struct paging *pg)
{
	(void)pg;
}

static int stopped_vcpu_init(struct paging_vcpu *pv)
{
	(void)pv;
	return -EIO;
}

static void stopped_vcpu(struct paging_vcpu *pv)
{
	pv->unready = true;
}

static enum verdict stopped_prepare(struct paging_vcpu *pv, struct paging_result *res)
{
	(void)pv;
	res->why = "there was no memory for any paging mode";
	return VERDICT_STOP;
}

static enum verdict stopped_fault(struct paging_vcpu *pv, const struct paging_fault *f,
				  struct paging_result *res)
{
	(void)f;
	return stopped_prepare(pv, res);
}

static void stopped_unmap(struct paging *pg, gfn_t base, u64 npages)
{
	(void)pg;
	(void)base;
	(void)npages;
}

static bool stopped_take_dirty(struct paging *pg, gfn_t gfn)
{
	(void)pg;
	(void)gfn;
	return true;
}

static unsigned int stopped_reclaim(struct paging *pg, unsigned int pages)
{
	(void)pg;
	(void)pages;
	return 0;
}

static u64 stopped_audit(struct paging_vcpu *pv, char *text, size_t size)
{
	(void)pv;
	(void)text;
	(void)size;
	return 0;
}

static const struct paging_ops paging_stopped = {
	.name = "stopped",
	.summary = "what is left of a VM that ran out of memory in a switch",
	.vm_init = stopped_vm_init,
	.vm_free = stopped_vm_free,
	.vcpu_init = stopped_vcpu_init,
	.vcpu_free = stopped_vcpu,
	.prepare = stopped_prepare,
	.fault = stopped_fault,
	.load_cr3 = paging_never_load_cr3,
	.set_mode = stopped_vcpu,
	.invlpg = paging_never_invlpg,
	.invpcid = paging_never_invpcid,
	.code = paging_no_code,
	.pt_write = paging_ignore_pt_write,
	.open_window = paging_never_open_window,
	.leave = paging_never_leave,
	.unmap = stopped_unmap,
	.take_dirty = stopped_take_dirty,
	.enter = stopped_vcpu,
	.share_roots = paging_keep_share_roots,
	.adopt_root = paging_never_adopt_root,
	.reclaim = stopped_reclaim,
	.audit = stopped_audit,
};

/* ---- what the guest writes to a device's frames ---- */

bool paging_take_dirty(struct paging *pg, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(pg->mem, gfn);
	u64 *host = &slot->host[gmem_index(slot, gfn)];
	bool written = *host & GMEM_WRITTEN;

	if (written) {
		*host &= ~GMEM_WRITTEN;
		/* Hardware may still hold the entry whose flag this was. */
		pg->flush_gen++;
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

	pg->ops = ops;
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
	pg->ops = &paging_stopped;
	return -EIO;
}

enum verdict paging_never_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res)
{
	(void)pv;
	res->gpa = value;
	res->why = "a MOV to CR3 was trapped in a mode that does not trap it";
	return VERDICT_STOP;
}

void paging_never_invlpg(struct paging_vcpu *pv, gva_t gva)
{
	(void)gva;
	pv->flush |= FLUSH_CONTEXT;
}

void paging_never_invpcid(struct paging_vcpu *pv, enum invpcid_type type, u16 pcid, gva_t gva)
{
	(void)type;
	(void)pcid;
	(void)gva;
	pv->flush |= FLUSH_CONTEXT;
}

int paging_keep_share_roots(struct paging_vcpu *pv, gpa_t gpa)
{
	if (gpa & ~PAGE_MASK || (gpa && !gmem_slot(pv->pg->mem, gpa >> 12)))
		return -EINVAL;
	pv->share = pv->withdrawn = (struct shared_roots){};
	pv->share_gpa = gpa;
	pv->share_on = gpa;
	pv->rearm = true;
	return 0;
}

bool paging_never_adopt_root(struct paging_vcpu *pv, u64 load)
{
	(void)pv;
	(void)load;
	return false;
}

void paging_never_open_window(struct paging_vcpu *pv, gfn_t gfn, u64 rip)
{
	(void)gfn;
	(void)rip;
	pv->window = false;
}

void paging_never_leave(struct paging_vcpu *pv, const struct paging_fault *fault)
{
	(void)fault;
	pv->window = false;
}

void paging_ignore_pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len, void *table)
{
	(void)pv;
	(void)gpa;
	(void)len;
	(void)table;
}

const u8 *paging_no_code(struct paging_vcpu *pv, gva_t rip, bool user)
{
	(void)pv;
	(void)rip;
	(void)user;
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mode of a VM that could neither move to another mode nor go back, for want of memory: nothing is
 * mapped, and nothing runs any more.
 */
#include "modes.h"

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

static u64 stopped_audit(struct paging_vcpu *pv, char *text, size_t size)
{
	(void)pv;
	(void)text;
	(void)size;
	return 0;
}

const struct paging_ops paging_stopped = {
	.name = "stopped",
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
	.audit = stopped_audit,
};

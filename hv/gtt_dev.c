// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device of gtt/ in a VM: its parameters, its life, and the exits that reach it.
 *
 * A submission is carried out in the exit of the doorbell's store, before the guest runs on: with
 * one vCPU that is when its result can be looked at first, and no other thread's work is in the
 * figures. It goes in slices; between two of them the host gets the CPU, and the exit is handled
 * again from its start.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <asm/processor-flags.h>

#include "cpu.h"
#include "event.h"
#include "gtt_dev.h"
#include "gtt_ioctl.h"
#include "params.h"
#include "penumbra.h"

/* Table entries or words of memory looked at with interrupts off: some hundred microseconds. */
#define SLICE 65536u

#define THRESHOLD_MAX GTT_PORTION
#define DIRTY_MAX     1
#define SNAPSHOTS_MAX (u32)(GTT_MAX_BYTES / PAGE_SIZE / GTT_PORTION)

/* ---- parameters ---- */

static const struct gtt_policy *param_mode; /* NULL: the first of the list */
static unsigned int param_threshold = 2;
static unsigned int param_snapshots = 256;
static unsigned int param_dirty = 1;

static const struct gtt_policy *wanted_mode(void)
{
	const struct gtt_policy *mode = READ_ONCE(param_mode);

	return mode ? mode : gtt_modes[0];
}

static int gtt_mode_set(const char *value, const struct kernel_param *kp)
{
	const struct gtt_policy *mode = gtt_mode_find(value);
	char list[96] = "";
	size_t n = 0;
	int i;

	if (mode) {
		WRITE_ONCE(param_mode, mode);
		return 0;
	}
	for (i = 0; gtt_modes[i]; i++)
		n += scnprintf(list + n, sizeof(list) - n, " %s", gtt_modes[i]->name);
	pr_err("gtt_mode=%.*s refused: no such mode; accepted are:%s\n", (int)strcspn(value, "\n"),
	       value, list);
	return -EINVAL;
}

static int gtt_mode_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", wanted_mode()->name);
}

static const struct kernel_param_ops gtt_mode_ops = {
	.set = gtt_mode_set,
	.get = gtt_mode_get,
};
module_param_cb(gtt_mode, &gtt_mode_ops, NULL, 0644);
MODULE_PARM_DESC(gtt_mode,
		 "How the shadow of the device's page table follows it: strict, relaxed, "
		 "hybrid or passthrough; for all VMs, from their next access to the device on");

static struct bounded threshold = { &param_threshold, 0, THRESHOLD_MAX, "" };
static struct bounded snapshots = { &param_snapshots, 0, SNAPSHOTS_MAX, "" };
static struct bounded dirty = { &param_dirty, 0, DIRTY_MAX, "" };

module_param_cb(gtt_threshold, &bounded_ops, &threshold, 0644);
MODULE_PARM_DESC(gtt_threshold,
		 "gtt_mode=hybrid: a portion of 512 entries opens when more stores to "
		 "it than this were trapped since the last submission; default: 2");
module_param_cb(gtt_snapshots, &bounded_ops, &snapshots, 0644);
MODULE_PARM_DESC(gtt_snapshots,
		 "gtt_mode=hybrid: portions that may be open at once, a page of memory "
		 "each; a VM keeps to the least since it was made; default: 256");

module_param_cb(gtt_dirty, &bounded_ops, &dirty, 0644);
MODULE_PARM_DESC(gtt_dirty,
		 "gtt_mode=hybrid: compare an open portion with its snapshot only if a "
		 "dirty flag says that the guest wrote to it (1, default), or always (0)");

static void follow_parameters(struct gtt *g)
{
	const struct gtt_policy *mode = wanted_mode();

	g->threshold = READ_ONCE(param_threshold);
	g->snapshots = READ_ONCE(param_snapshots);
	g->dirty_flags = READ_ONCE(param_dirty);
	if (unlikely(mode != (g->next_policy ? g->next_policy : g->policy)))
		gtt_switch(g, mode);
}

/* ---- life ---- */

static u64 *page_get(struct gtt *g)
{
	return (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

static void page_put(struct gtt *g, u64 *page)
{
	free_page((unsigned long)page);
}

static void refused(struct gtt *g, const char *why, u64 where)
{
	struct gtt_dev *dev = container_of(g, struct gtt_dev, gtt);

	pr_info_ratelimited("VM %u: gtt: submission %llu refused: %s (%llx)\n", dev->vm->id,
			    g->number, why, where);
}

static const struct gtt_ops ops = {
	.page_get = page_get,
	.page_put = page_put,
	.refused = refused,
};

/**
 * gtt_dev_create() - PENUMBRA_CREATE_GTT
 * @vm: the VM, locked
 * @want: where and how large
 *
 * Return: 0 or a negative errno, see gtt_ioctl.h.
 */
int gtt_dev_create(struct vm *vm, const struct penumbra_gtt *want)
{
	struct gtt_dev *dev;
	int err;

	if (vm->gtt)
		return -EEXIST;
	dev = kvzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);
	if (!dev)
		return -ENOMEM;
	dev->vm = vm;
	dev->gtt.ops = &ops;
	dev->gtt.policy = wanted_mode();
	dev->gtt.threshold = READ_ONCE(param_threshold);
	dev->gtt.snapshots = READ_ONCE(param_snapshots);
	dev->gtt.dirty_flags = READ_ONCE(param_dirty);
	err = gtt_init(&dev->gtt, &vm->pg, want->guest_phys_addr, want->device_bytes);
	if (err) {
		kvfree(dev);
		return err;
	}
	vm->gtt = dev;
	return 0;
}

/**
 * gtt_dev_free() - the opposite of gtt_dev_create()
 * @vm: the VM; no vCPU runs
 */
void gtt_dev_free(struct vm *vm)
{
	struct gtt_dev *dev = vm->gtt;

	if (!dev)
		return;
	vm->gtt = NULL;
	vm->pg.ops->unmap(&vm->pg, dev->gtt.base, gtt_window(&dev->gtt) >> PAGE_SHIFT);
	gtt_free(&dev->gtt);
	kvfree(dev);
}

/* ---- exits ---- */

static void retire(struct vcpu *v)
{
	v->regs.rip += v->mmio.length;
	v->regs.rflags &= ~X86_EFLAGS_RF;
	cpu_use_regs(v);
}

static enum next wait_for_page(struct vcpu *v, const struct paging_result *res)
{
	v->want_gpa = res->gpa;
	return NEXT_PIN;
}

static enum next ring_doorbell(struct vcpu *v, gpa_t gpa)
{
	struct gtt_dev *dev = v->vm->gtt;
	struct paging_result res = {};

	if (dev->ringing && dev->ringing_rip != v->regs.rip)
		dev->ringing = false; /* its instruction never came back: finish it, then ring */
	if (!dev->ringing && !gtt_busy(&dev->gtt)) {
		gtt_store(&dev->gtt, gpa, v->mmio.size, v->mmio.value, &res);
		dev->ringing = true;
		dev->ringing_rip = v->regs.rip;
	}
	if (gtt_run(&dev->gtt, &v->pv, SLICE, &res) == VERDICT_PIN)
		return wait_for_page(v, &res);
	if (gtt_busy(&dev->gtt) || !dev->ringing)
		return NEXT_AGAIN;
	dev->ringing = false;
	count(&v->vm->count, exits_gtt_doorbell);
	retire(v);
	return NEXT_ENTER;
}

static enum next access(struct vcpu *v, gpa_t gpa, bool entry)
{
	struct counters *c = &v->vm->count;
	struct gtt *g = &v->vm->gtt->gtt;
	struct paging_result res = {};

	follow_parameters(g);
	cpu_sync_crs(v);
	cpu_fill_regs(v);
	if (!emulate_decode_mmio(&v->pv, &v->regs, &v->mmio)) {
		if (gtt_let_through(g, gpa)) {
			count(c, exits_gtt_write);
			return NEXT_ENTER;
		}
		count(c, exits_gtt_other);
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				  "an access to the GTT's registers is no plain load or store",
				  gpa);
	}
	if (!v->mmio.write) {
		count(c, exits_gtt_other);
		emulate_finish_read(&v->regs, &v->mmio, gtt_load(g, gpa, v->mmio.size));
		cpu_use_regs(v);
		return NEXT_ENTER;
	}
	if (gtt_is_doorbell(g, gpa))
		return ring_doorbell(v, gpa);
	if (gtt_store(g, gpa, v->mmio.size, v->mmio.value, &res) == VERDICT_PIN)
		return wait_for_page(v, &res);
	if (entry)
		count(c, exits_gtt_write);
	else
		count(c, exits_gtt_other);
	retire(v);
	return NEXT_ENTER;
}

/**
 * gtt_dev_access() - the guest has reached a part of the window that traps
 * @v: the vCPU, inside a burst
 * @gpa: inside the window
 *
 * Counts the exit's cause when it is through with it.
 *
 * Return: what the inner loop does next.
 */
enum next gtt_dev_access(struct vcpu *v, gpa_t gpa)
{
	const struct gtt *g = &v->vm->gtt->gtt;
	u64 begin = rdtsc();
	enum next next;

	if (gpa - (g->base << PAGE_SHIFT) < GTT_TABLE)
		return access(v, gpa, false);
	next = access(v, gpa, true);
	count_add(&v->vm->count, gtt_shadow_cycles, rdtsc() - begin);
	return next;
}

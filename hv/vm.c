// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM's life, and its move from one paging mode to another.
 */
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "cpu.h"
#include "event.h"
#include "gtt_dev.h"
#include "penumbra.h"

static DEFINE_MUTEX(vms_lock);
static LIST_HEAD(vms);
static atomic_t next_vm_id = ATOMIC_INIT(0);

/* Parameters may be written meanwhile: each is looked at once. */
static void configure(struct paging_config *cfg)
{
	cfg->maxphyaddr = paging_address_bits(cpu_caps.maxphyaddr);
	cfg->nested_max_level =
		min_t(u8, READ_ONCE(param.nested_max_level), cpu_caps.nested_max_level);
	cfg->guest_1g = cpu_caps.guest_1g;
	cfg->shadow_max_level = cpu_caps.guest_1g ? 3 : 2;
	cfg->nested_ad = READ_ONCE(param.nested_ad) && cpu_caps.nested_ad;
	cfg->tagged_tlb = READ_ONCE(param.tagged_tlb) && cpu_caps.tagged_tlb;
	cfg->prefault = READ_ONCE(param.prefault);
	cfg->single_step = READ_ONCE(param.single_step) && cpu_caps.single_step;
	cfg->root_targets = cpu_caps.root_targets;
	cfg->split_exec = READ_ONCE(param.split_exec);
	cfg->direct_faults =
		READ_ONCE(param.direct_faults) && cpu_caps.trap_entries && cpu_caps.pf_filter;
	cfg->shadow_budget = READ_ONCE(param.shadow_budget);
	cfg->hybrid_threshold = READ_ONCE(param.hybrid_threshold);
	cfg->hybrid_quiet = READ_ONCE(param.hybrid_quiet);
}

/*
 * Of which events each one is seen: the first four traps, which results name (counters.h), but for
 * #PF where some of them may go to the guest directly.
 */
static void note_traps(struct vm *vm)
{
	u32 traps = vm->pg.ops->traps & 15;

	if (vm->pg.cfg.direct_faults && vm->pg.ops->direct_faults)
		traps &= ~TRAP_PF;
	vm->count.v[CNT_traps] = traps;
}

/**
 * vm_create() - KVM_CREATE_VM
 *
 * Return: a VM with one reference, or an error pointer.
 */
struct vm *vm_create(void)
{
	struct vm *vm;
	int err = power_hold();

	if (err) {
		if (err == -EBUSY)
			pr_warn_ratelimited("no VM can be made: %s\n", cpu_words.taken);
		else
			pr_warn_ratelimited("no VM can be made: a CPU refuses to switch %s on\n",
					    cpu_words.feature);
		return ERR_PTR(err);
	}
	vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm) {
		err = -ENOMEM;
		goto drop;
	}
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	vm->id = atomic_inc_return(&next_vm_id);
	vm->pg.ops = READ_ONCE(param.mode);
	vm->pg.count = &vm->count;
	configure(&vm->pg.cfg);
	note_traps(vm);
	snprintf(vm->stats_id, sizeof(vm->stats_id), "penumbra-%u", vm->id);
	err = memory_init(vm);
	if (!err)
		err = vm->pg.ops->vm_init(&vm->pg);
	if (err)
		goto free;
	vm->mm = current->mm;
	mmgrab(vm->mm);
	mutex_lock(&vms_lock);
	vm->want = READ_ONCE(param.mode); /* it may have changed meanwhile */
	list_add(&vm->link, &vms);
	mutex_unlock(&vms_lock);
	report_vm_add(vm);
	return vm;

free:
	memory_free(vm);
	kvfree(vm);
drop:
	power_drop();
	return ERR_PTR(err);
}

static void vm_destroy(struct kref *ref)
{
	struct vm *vm = container_of(ref, struct vm, ref);

	report_vm_remove(vm);
	mutex_lock(&vms_lock);
	list_del(&vm->link);
	mutex_unlock(&vms_lock);
	if (vm->vcpu)
		vcpu_free(vm->vcpu);
	gtt_dev_free(vm);
	memory_drop_regions(vm);
	vm->pg.ops->vm_free(&vm->pg);
	memory_free(vm);
	mmdrop(vm->mm);
	kvfree(vm);
	power_drop();
}

/**
 * vm_put() - drop a reference; the last one ends the VM
 * @vm: the VM
 */
void vm_put(struct vm *vm)
{
	kref_put(&vm->ref, vm_destroy);
}

/**
 * vm_new_parameters() - parameters that rule running VMs have changed: tell them
 *
 * Each VM moves to the new paging mode at its next exit; one that makes none is made to.
 */
void vm_new_parameters(void)
{
	struct vm *vm;

	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, link) {
		WRITE_ONCE(vm->pg.cfg.hybrid_threshold, READ_ONCE(param.hybrid_threshold));
		WRITE_ONCE(vm->pg.cfg.hybrid_quiet, READ_ONCE(param.hybrid_quiet));
		WRITE_ONCE(vm->want, READ_ONCE(param.mode));
		smp_mb(); /* as in request.c */
		request_look(vm);
	}
	mutex_unlock(&vms_lock);
}

/**
 * vm_switch_mode() - move the VM to the paging mode it shall be in
 * @vm: the VM, locked, its vCPU between bursts
 *
 * The guest's registers and memory stay as they are; everything derived from them is dropped.
 *
 * Return: 0, also where the VM had to stay in its old mode; -EIO where it cannot go on at all.
 */
int vm_switch_mode(struct vm *vm)
{
	const struct paging_ops *to = READ_ONCE(vm->want);
	struct vcpu *v = vm->vcpu;
	struct paging_vcpu *pv = &v->pv;
	u64 begin;
	int err;

	err = vcpu_hold_cpu(v);
	if (err)
		return err;
	cpu_sync_crs(v);
	vcpu_release_cpu(v);
	err = memory_refill(vm);
	if (err)
		return err;
	event_forget_exit(v);
	begin = rdtsc();
	err = paging_switch(&vm->pg, &pv, 1, to);
	count_add(&vm->count, mode_switch_cycles, rdtsc() - begin);
	if (err == -EIO) {
		pr_warn_ratelimited("VM %u stopped: no memory to switch to paging_mode=%s, nor to "
				    "go back\n",
				    vm->id, to->name);
		v->stopped = true;
		return err;
	}
	if (err) {
		pr_warn_ratelimited("VM %u stays in paging_mode=%s: no memory to switch to %s\n",
				    vm->id, vm->pg.ops->name, to->name);
		/* Unless somebody has asked for yet another one meanwhile. */
		cmpxchg(&vm->want, to, vm->pg.ops);
	}
	note_traps(vm);
	err = vcpu_hold_cpu(v);
	if (err) {
		/* The old mode's controls must never run with the new one's tables. */
		pr_warn_ratelimited("VM %u stopped: it is in paging_mode=%s now, and no CPU has "
				    "%s on to make that known\n",
				    vm->id, vm->pg.ops->name, cpu_words.feature);
		v->stopped = true;
		return -EIO;
	}
	cpu_mode_changed(v);
	vcpu_release_cpu(v);
	return 0;
}

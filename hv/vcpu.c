// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's life, and how to stay on a CPU with it to look at its state.
 */
#include <linux/delay.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <asm/tsc.h>

#include "cpu.h"
#include "penumbra.h"

/**
 * vcpu_hold_cpu() - stay on this CPU with the vCPU loaded, to look at its state
 * @v: the vCPU; its mutex is held
 *
 * Return: 0, with interrupts off until vcpu_release_cpu(); -EBUSY when virtualisation stays off.
 */
int vcpu_hold_cpu(struct vcpu *v)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		preempt_disable();
		if (cpu_load(v)) {
			local_irq_disable();
			if (cpu_still_loaded(v))
				return 0;
			local_irq_enable();
		}
		preempt_enable();
		msleep(1); /* the CPU is going away; the scheduler will move us */
	}
	return -EBUSY;
}

/**
 * vcpu_release_cpu() - the opposite of vcpu_hold_cpu()
 * @v: the vCPU
 */
void vcpu_release_cpu(struct vcpu *v)
{
	cpu_unload(v);
	local_irq_enable();
	preempt_enable();
}

static int alloc_parts(struct vcpu *v)
{
	v->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	v->pio = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	v->cpuid = kvcalloc(PENUMBRA_MAX_CPUID, sizeof(*v->cpuid), GFP_KERNEL_ACCOUNT);
	return v->run && v->pio && v->cpuid ? 0 : -ENOMEM;
}

/**
 * vcpu_create() - make a VM's vCPU, in the state of a CPU after reset
 * @vm: the VM, locked
 *
 * Return: the vCPU, or an error pointer.
 */
struct vcpu *vcpu_create(struct vm *vm)
{
	struct vcpu *v = cpu_vcpu_alloc();
	int err;

	if (!v)
		return ERR_PTR(-ENOMEM);
	v->vm = vm;
	v->pv.pg = &vm->pg;
	v->mitigations = READ_ONCE(param.mitigations);
	v->patience = div_u64((u64)tsc_khz * READ_ONCE(param.slice_us), 1000);
	mutex_init(&v->mutex);
	err = alloc_parts(v);
	if (err)
		goto free;
	err = cpu_vcpu_init(v);
	if (err)
		goto free;
	err = vm->pg.ops->vcpu_init(&v->pv);
	if (err)
		goto free;
	err = vcpu_hold_cpu(v);
	if (err)
		goto free_paging;
	v->cr4_allowed = cpuid_cr4_allowed(v);
	cpu_vcpu_setup(v);
	state_reset(v);
	vcpu_release_cpu(v);
	return v;

free_paging:
	vm->pg.ops->vcpu_free(&v->pv);
	v->pv.pg = NULL;
free:
	v->pv.pg = NULL;
	vcpu_free(v);
	return ERR_PTR(err);
}

/**
 * vcpu_free() - the opposite of vcpu_create()
 * @v: the vCPU; nobody can reach it any more
 */
void vcpu_free(struct vcpu *v)
{
	if (v->pv.pg)
		v->pv.pg->ops->vcpu_free(&v->pv);
	kvfree(v->cpuid);
	free_page((unsigned long)v->pio);
	free_page((unsigned long)v->run);
	cpu_vcpu_free(v);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One vCPU's VMCS: made, given back, and moved to the CPU where its thread runs.
 */
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

static void clear_ipi(void *vcpu)
{
	struct vcpu *v = vcpu;

	if (to_vmx(v)->cpu == smp_processor_id())
		vmx_clear_here(v);
}

/* VMX is on, interrupts are off, and the VMCS is active on no other CPU. */
static void make_current(struct vcpu *v, struct vmx_cpu *c)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	int cpu = smp_processor_id();

	if (vmx->cpu != cpu) {
		/* It comes cleared from another CPU; a new one has to be. */
		if (vmx->flushed_cpu < 0)
			vmx_vmclear(vmx->vmcs);
		list_add(&vmx->loaded, &c->loaded);
		vmx->cpu = cpu;
	}
	vmx_vmptrld(vmx->vmcs);
	c->current_vcpu = v;
	if (READ_ONCE(c->ran_last) != v) {
		vmx_mitigate_switch(v);
		WRITE_ONCE(c->ran_last, v);
	}
	if (vmx->flushed_cpu != cpu) {
		/* What it left in this CPU's TLB on an earlier visit may be stale by now. */
		vmx->flushed_cpu = cpu;
		v->pv.flush |= FLUSH_CONTEXT | FLUSH_NESTED;
	}
}

bool vmx_load(struct vcpu *v)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	int old = READ_ONCE(to_vmx(v)->cpu);

	if (COMPAT_VMX_BRIEF || likely(READ_ONCE(c->current_vcpu) == v))
		return true;
	if (old >= 0 && old != smp_processor_id())
		smp_call_function_single(old, clear_ipi, v, 1);
	local_irq_disable();
	if (!c->on) {
		local_irq_enable();
		return false;
	}
	make_current(v, c);
	local_irq_enable();
	return true;
}

bool vmx_still_loaded(struct vcpu *v)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);

	if (COMPAT_VMX_BRIEF) {
		if (vmx_on_here())
			return false;
		make_current(v, c);
	}
	return c->current_vcpu == v;
}

/* Where VMX goes off here, the VMCS is active on no CPU. */
void vmx_unload(struct vcpu *v)
{
	if (COMPAT_VMX_BRIEF)
		vmx_off_here();
}

struct vcpu *vmx_vcpu_alloc(void)
{
	struct vmx_vcpu *vmx = kzalloc(sizeof(*vmx), GFP_KERNEL_ACCOUNT);

	return vmx ? &vmx->vcpu : NULL;
}

int vmx_vcpu_init(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmx->how = VMX_ENTER_LAUNCH;
	vmx->cpu = -1;
	vmx->flushed_cpu = -1;
	vmx->host_cpu = -1;
	vmx->nested = v->pv.pg->ops->traps & TRAP_NESTED;
	vmx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs)
		return -ENOMEM;
	*(u32 *)vmx->vmcs = vmx_config.revision;
	if (v->pv.pg->cfg.tagged_tlb)
		vmx->tag.vpid = vmx_vpid_get();
	v->tagged = vmx->tag.vpid;
	return 0;
}

/* Its VMCS is active nowhere any more, and nobody will take another vCPU at this address for it. */
static void forget(struct vcpu *v)
{
	int cpu = READ_ONCE(to_vmx(v)->cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, clear_ipi, v, 1);
	for_each_possible_cpu(cpu) cmpxchg(&per_cpu(vmx_cpu, cpu).ran_last, v, NULL);
}

void vmx_vcpu_free(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	if (vmx->vmcs)
		forget(v);
	free_page((unsigned long)vmx->vmcs);
	vmx_vpid_put(vmx->tag.vpid);
	kfree(vmx);
}

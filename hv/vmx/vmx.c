// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX on one CPU: on and off, and what goes with that: which VMCSs are active there, and what may be
 * in its TLB. When it goes on and off is power.c's business.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

void *vmx_msr_bitmap;
DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);

static DEFINE_SPINLOCK(vpid_lock);
static unsigned long vpids[BITS_TO_LONGS(VMX_NR_VPIDS)] = { 1 }; /* 0 is the host itself */

/**
 * vmcs_write_failed() - a VMWRITE that was to succeed did not
 * @field: its encoding
 * @value: what was to be written
 */
void vmcs_write_failed(unsigned long field, unsigned long value)
{
	pr_err_ratelimited("VMWRITE of %lx to field %lx failed: error %u\n", value, field,
			   vmcs_read32(VM_INSTRUCTION_ERROR));
}

/* ---- on and off ---- */

static int vmxon(void *region)
{
	u64 pa = __pa(region);

	/* clang-format off */
	asm goto("1: vmxon %0\n\tjbe %l[failed]\n\t" _ASM_EXTABLE(1b, %l[failed])
		 : : "m"(pa) : "cc", "memory" : failed);
	/* clang-format on */
	return 0;
failed:
	return -EIO;
}

/**
 * vmx_vmclear() - make a VMCS inactive, and its launch state clear
 * @vmcs: its page
 */
void vmx_vmclear(void *vmcs)
{
	u64 pa = __pa(vmcs);

	asm volatile("vmclear %0" : : "m"(pa) : "cc", "memory");
}

/**
 * vmx_vmptrld() - make a VMCS the current one on this CPU
 * @vmcs: its page
 */
void vmx_vmptrld(void *vmcs)
{
	u64 pa = __pa(vmcs);

	asm volatile("vmptrld %0" : : "m"(pa) : "cc", "memory");
}

/**
 * vmx_clear_here() - make a VMCS inactive on the CPU where it is active
 * @v: its vCPU; interrupts are off and this is that CPU
 */
void vmx_clear_here(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);

	vmx_vmclear(vmx->vmcs);
	if (c->current_vcpu == v)
		c->current_vcpu = NULL;
	list_del(&vmx->loaded);
	vmx->how |= VMX_ENTER_LAUNCH;
	/* From here on another CPU may take it. */
	smp_store_release(&vmx->cpu, -1);
}

/**
 * vmx_forget_launch() - whether a VMCS counts as launched is not known: clear it
 * @v: its vCPU, loaded
 *
 * Its first entry may have failed before or after that was settled (SDM vol. 3, 27.8).
 */
void vmx_forget_launch(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmx_vmclear(vmx->vmcs);
	vmx_vmptrld(vmx->vmcs);
	vmx->how |= VMX_ENTER_LAUNCH;
}

struct vmx_operand {
	u64 word[2];
};

/**
 * vmx_invept() - drop what is cached from one second-level table, or from all of them
 * @eptp: the table's EPT pointer; 0 means all
 */
void vmx_invept(u64 eptp)
{
	struct vmx_operand op = { { eptp, 0 } };
	unsigned long type =
		eptp && vmx_config.invept_context ? VMX_EPT_EXTENT_CONTEXT : VMX_EPT_EXTENT_GLOBAL;

	asm volatile("invept %0, %1" : : "m"(op), "r"(type) : "cc", "memory");
}

int vmx_on_here(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct invvpid_operand none = {};
	u64 feature_control;

	if (c->on)
		return 0;
	if (__read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	rdmsrq(MSR_IA32_FEAT_CTL, feature_control);
	if (!(feature_control & FEAT_CTL_LOCKED))
		wrmsrq(MSR_IA32_FEAT_CTL,
		       feature_control | FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX);
	compat_pt_handle_vmx(1);
	compat_cr4_vmxe(true);
	if (vmxon(c->region)) {
		compat_cr4_vmxe(false);
		compat_pt_handle_vmx(0);
		return -EIO;
	}
	c->current_vcpu = NULL;
	c->on = true;
	if (c->tags_known)
		return 0;
	/* Whoever had VMX before may have left tags that we are going to use. */
	if (vmx_config.nested)
		vmx_invept(0);
	if (vmx_config.tags)
		vmx_invvpid(&none, VMX_VPID_EXTENT_ALL_CONTEXT);
	c->tags_known = true;
	return 0;
}

void vmx_off_here(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx, *next;

	if (!c->on)
		return;
	list_for_each_entry_safe(vmx, next, &c->loaded, loaded)
		vmx_clear_here(&vmx->vcpu);
	c->on = false;
	asm volatile("vmxoff" : : : "cc", "memory");
	compat_cr4_vmxe(false);
	compat_pt_handle_vmx(0);
}

void vmx_forget_tags(void)
{
	this_cpu_write(vmx_cpu.tags_known, false);
}

/* The VMCSs need no VMCLEAR: they are memory of a kernel that has ended. */
void vmx_emergency_off(void)
{
	if (!(__read_cr4() & X86_CR4_VMXE))
		return;
	/* clang-format off */
	asm goto("1: vmxoff\n\t" _ASM_EXTABLE(1b, %l[was_off]) : : : "cc", "memory" : was_off);
	/* clang-format on */
was_off:
	compat_cr4_vmxe(false);
}

/* ---- VPIDs ---- */

/**
 * vmx_vpid_get() - a TLB tag of its own
 *
 * Return: a VPID, 0 when all are taken. Stale entries may carry it: flush before first use.
 */
u16 vmx_vpid_get(void)
{
	unsigned long vpid;

	spin_lock(&vpid_lock);
	vpid = find_first_zero_bit(vpids, VMX_NR_VPIDS);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vpids);
	else
		vpid = 0;
	spin_unlock(&vpid_lock);
	return vpid;
}

/**
 * vmx_vpid_put() - give a VPID back
 * @vpid: from vmx_vpid_get(); 0 is fine
 */
void vmx_vpid_put(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(vpid, vpids);
	spin_unlock(&vpid_lock);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a transition between host and guest has to do against speculative execution, beside running
 * the guest. The kernel has found out at boot what this CPU needs; this file asks it, once, and a
 * vCPU carries the answer in its VMCS and in vmx_vcpu.how, so that an exit tests nothing.
 *
 *   each exit	  return buffer filled (RSB underflow, PBRSB), branch history cleared (BHI), IBRS
 *		  written again where it is not the enhanced kind (retbleed), and no guest value left in
 *		  a register (Spectre): vmx_exit_guarded
 *   each entry	  CPU buffers overwritten by VERW (MDS, TAA, RFDS): VMX_ENTER_VERW
 *   each burst	  L1 data cache flushed where the guest has page tables of its own (L1TF; a shadow
 *		  shows hardware none of the guest's entries). KVM's "cond" does it about as often;
 *		  its "always" is not offered
 *   another VM	  branch predictions dropped (IBPB), on this CPU
 *   to user mode branch predictions dropped before the VMM runs on (VMSCAPE)
 *
 * Guests see no IA32_SPEC_CTRL, so there is none to swap. Memory-mapped I/O is never mapped into a
 * guest, so stale data of it cannot be read there. The module parameter mitigations=0 leaves all
 * of it out, to measure the price; mitigations=off on the kernel's command line does the same.
 */
#include <linux/cpu.h>
#include <linux/percpu.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/vmx.h>

#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

static struct {
	bool exits; /* the host wants any of it: vmx_exit_guarded */
	bool ibrs;  /* ... with a write to IA32_SPEC_CTRL */
	bool verw;
	bool l1d;
} needed;

/**
 * vmx_mitigate_probe() - ask the kernel what this CPU needs
 */
void vmx_mitigate_probe(void)
{
	u64 capabilities = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, capabilities);
	needed.ibrs = boot_cpu_has(X86_FEATURE_KERNEL_IBRS);
	needed.exits = !cpu_mitigations_off();
	needed.verw = boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF);
	needed.l1d = boot_cpu_has_bug(X86_BUG_L1TF) && l1tf_mitigation != L1TF_MITIGATION_OFF &&
		     !(capabilities & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
	if (needed.l1d && !boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		needed.l1d = false;
		pr_warn("this CPU's microcode cannot flush its L1 cache: a guest in "
			"paging_mode=ept may read host memory (L1TF)\n");
	}
}

/**
 * vmx_mitigate_vcpu() - let a new vCPU pay what it has to
 * @v: the vCPU, loaded
 */
void vmx_mitigate_vcpu(struct vcpu *v)
{
	bool guarded = v->mitigations && needed.exits;

	vmcs_writel(HOST_RIP, (unsigned long)(guarded ? vmx_exit_guarded : vmx_exit_plain));
	if (guarded && needed.ibrs)
		rdmsrl(MSR_IA32_SPEC_CTRL, v->hw.host_spec_ctrl);
	if (v->mitigations && needed.verw)
		v->hw.how |= VMX_ENTER_VERW;
}

/**
 * vmx_mitigate_switch() - this CPU ran another vCPU before
 * @v: the vCPU that it will run
 */
void vmx_mitigate_switch(struct vcpu *v)
{
	if (v->mitigations)
		indirect_branch_prediction_barrier();
}

/**
 * vmx_mitigate_burst() - the host's other code ran since the guest did
 * @v: the vCPU, loaded
 */
void vmx_mitigate_burst(struct vcpu *v)
{
	if (unlikely(needed.l1d) && v->mitigations && v->hw.nested)
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}

/**
 * vmx_mitigate_burst_end() - user space may run next
 * @v: the vCPU
 */
void vmx_mitigate_burst_end(struct vcpu *v)
{
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER) && v->mitigations)
		this_cpu_write(x86_ibpb_exit_to_user, true);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a transition between host and guest has to do against speculative execution, beside running
 * the guest. The kernel has found out at boot what this CPU needs; this file asks it, once, and a
 * vCPU carries the answer in its VMCS and in vmx_vcpu.how, so that an exit tests nothing.
 *
 *   each exit	  return buffer filled (RSB underflow, PBRSB), branch history cleared (BHI), the
 *		  host's IA32_SPEC_CTRL back (where IBRS is not the enhanced kind it counts only if
 *		  written again: retbleed), and no guest value left in a register (Spectre):
 *		  vmx_exit_guarded
 *   each entry	  CPU buffers overwritten by VERW (MDS, TAA, RFDS): VMX_ENTER_VERW. IA32_SPEC_CTRL
 *		  set to 0, as it is for a guest of KVM's that never writes it: VMX_ENTER_SPEC. With
 *		  mitigations=0 a guest runs under the host's
 *   host code ran  L1 data cache flushed before the entry where the guest has page tables of its own
 *		  (L1TF; a shadow shows hardware none of the guest's entries): at the begin of a burst
 *		  and after each interrupt, NMI and machine check in it. Handlers of exits touch nothing
 *		  but the guest's memory and its tables. It is KVM's "cond"; "always" is not offered.
 *		  Unlike KVM we cannot see l1tf=off; mitigations=0 and mitigations=off do the same
 *   another VM	  branch predictions dropped (IBPB), on this CPU
 *   to user mode branch predictions dropped before the VMM runs on (VMSCAPE)
 *
 * Memory-mapped I/O is never mapped into a
 * guest, so stale data of it cannot be read there. The module parameter mitigations=0 leaves all
 * of it out, to measure the price; mitigations=off on the kernel's command line does the same.
 */
#include <linux/cpu.h>
#include <linux/percpu.h>
#include <linux/sched/smt.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/vmx.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

static struct {
	bool exits; /* the host wants any of it: vmx_exit_guarded */
	bool spec;  /* the host uses IA32_SPEC_CTRL */
	bool verw;
	bool l1d;
	bool ibpb;
} needed;

/**
 * vmx_mitigate_probe() - ask the kernel what this CPU needs
 */
void vmx_mitigate_probe(void)
{
	u64 capabilities = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, capabilities);
	needed.spec = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	needed.exits = !cpu_mitigations_off();
	needed.ibpb = boot_cpu_has(COMPAT_FEATURE_IBPB) && !cpu_mitigations_off();
	needed.verw = boot_cpu_has(COMPAT_FEATURE_VERW);
	needed.l1d = boot_cpu_has_bug(X86_BUG_L1TF) && !cpu_mitigations_off() &&
		     !(capabilities & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
	if (needed.l1d && !boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		needed.l1d = false;
		pr_warn("this CPU's microcode cannot flush its L1 cache: a guest in "
			"paging_mode=ept may read host memory (L1TF)\n");
	}
	if (needed.l1d && sched_smt_active())
		pr_warn("hyper-threads share this CPU's L1 cache: a guest in paging_mode=ept may "
			"read what the other thread uses (L1TF); boot with nosmt, or run guests "
			"you do not trust in another paging_mode\n");
}

/**
 * vmx_mitigate_vcpu() - let a new vCPU pay what it has to
 * @v: the vCPU, loaded
 */
void vmx_mitigate_vcpu(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	bool guarded = v->mitigations && needed.exits;

	vmcs_writel(HOST_RIP, (unsigned long)(guarded ? vmx_exit_guarded : vmx_exit_plain));
	if (guarded && needed.spec)
		vmx->how |= VMX_ENTER_SPEC;
	if (v->mitigations && needed.verw)
		vmx->how |= VMX_ENTER_VERW;
}

/**
 * vmx_mitigate_switch() - this CPU ran another vCPU before
 * @v: the vCPU that it will run
 */
void vmx_mitigate_switch(struct vcpu *v)
{
	if (v->mitigations && needed.ibpb)
		wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

/**
 * vmx_mitigate_host_ran() - host code that is not ours ran since the guest did
 * @v: the vCPU, inside a burst
 */
void vmx_mitigate_host_ran(struct vcpu *v)
{
	if (unlikely(needed.l1d) && v->mitigations && to_vmx(v)->nested)
		wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
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

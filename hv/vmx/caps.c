// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-x on this machine: is it there, and what can it do.
 *
 * All control fields that do not depend on a VM are worked out here, once. What cannot be had is
 * refused by name.
 */
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

struct vmx_config vmx_config;

static char why_not[160];

struct control {
	u32 bit;
	const char *name;
};

static const struct control pin_needed[] = {
	{ PIN_BASED_EXT_INTR_MASK, "external-interrupt exiting" },
	{ PIN_BASED_NMI_EXITING, "NMI exiting" },
	{},
};

static const struct control primary_needed[] = {
	{ CPU_BASED_HLT_EXITING, "HLT exiting" },
	{ CPU_BASED_INVLPG_EXITING, "INVLPG exiting" },
	{ CPU_BASED_MWAIT_EXITING, "MWAIT exiting" },
	{ CPU_BASED_MONITOR_EXITING, "MONITOR exiting" },
	{ CPU_BASED_RDPMC_EXITING, "RDPMC exiting" },
	{ CPU_BASED_CR3_LOAD_EXITING, "CR3-load exiting" },
	{ CPU_BASED_CR3_STORE_EXITING, "CR3-store exiting" },
	{ CPU_BASED_CR8_LOAD_EXITING, "CR8-load exiting" },
	{ CPU_BASED_CR8_STORE_EXITING, "CR8-store exiting" },
	{ CPU_BASED_MOV_DR_EXITING, "MOV-DR exiting" },
	{ CPU_BASED_UNCOND_IO_EXITING, "unconditional I/O exiting" },
	{ CPU_BASED_USE_MSR_BITMAPS, "MSR bitmaps" },
	{},
};

static const struct control exit_needed[] = {
	{ VM_EXIT_HOST_ADDR_SPACE_SIZE, "host address-space size" },
	{ VM_EXIT_LOAD_IA32_EFER, "load IA32_EFER on exit" },
	{},
};

static const struct control entry_needed[] = {
	{ VM_ENTRY_IA32E_MODE, "IA-32e mode guest" },
	{ VM_ENTRY_LOAD_IA32_EFER, "load IA32_EFER on entry" },
	{},
};

/* Which of them a VM switches off again, by what its paging mode traps: controls.c. */
#define SECONDARY_WANTED                                                                          \
	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_WBINVD_EXITING | \
	 SECONDARY_EXEC_ENABLE_INVPCID)

/*
 * A capability MSR's low half has the bits that must be one, its high half those that may be.
 * SDM vol. 3, A.2 to A.5.
 */
static int choose(const char *group, u32 msr, const struct control *needed, u32 wanted, u32 *out)
{
	u32 must, may;

	rdmsr(msr, must, may);
	*out = must | (wanted & may);
	for (; needed->bit; needed++) {
		if (!(needed->bit & may)) {
			snprintf(why_not, sizeof(why_not),
				 "this CPU's VT-x lacks \"%s\" (%s controls)", needed->name, group);
			return -EOPNOTSUPP;
		}
		*out |= needed->bit;
	}
	return 0;
}

static void probe_nested_and_tags(void)
{
	u32 ept, vpid;

	if (!(vmx_config.secondary & (SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_VPID)))
		return;
	rdmsr(MSR_IA32_VMX_EPT_VPID_CAP, ept, vpid);
	cpu_caps.nested = (vmx_config.secondary & SECONDARY_EXEC_ENABLE_EPT) &&
			  (ept & VMX_EPT_PAGE_WALK_4_BIT) && (ept & VMX_EPTP_WB_BIT) &&
			  (ept & VMX_EPT_INVEPT_BIT) &&
			  (ept & (VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT)) &&
			  !vmx_config.wants_cr3_exits;
	if (cpu_caps.nested) {
		cpu_caps.nested_max_level = ept & VMX_EPT_1GB_PAGE_BIT	 ? 3
					    : ept & VMX_EPT_2MB_PAGE_BIT ? 2
									 : 1;
		cpu_caps.nested_ad = ept & VMX_EPT_AD_BIT;
		vmx_config.invept_context = ept & VMX_EPT_EXTENT_CONTEXT_BIT;
	}
	vmx_config.invvpid_address = vpid & VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT;
	vmx_config.invvpid_context_type = vpid & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT
						  ? VMX_VPID_EXTENT_SINGLE_CONTEXT
						  : VMX_VPID_EXTENT_ALL_CONTEXT;
	cpu_caps.tagged_tlb =
		(vmx_config.secondary & SECONDARY_EXEC_ENABLE_VPID) &&
		(vpid & VMX_VPID_INVVPID_BIT) &&
		(vpid & (VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT | VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT));
}

/*
 * The VMX-preemption timer, for a CPU that holds the host's interrupts back while the guest runs with
 * its own off (Bochs does): nothing else would ever stop a guest there. Each exit for a host
 * interrupt starts the slice anew, and by default it is longer than the host's timer lets a CPU go undisturbed,
 * so where interrupts do exit it never ends. It counts guest time only; entries and exits cost
 * nothing more for it.
 */

/*
 * Processors (CPUID.1:EAX) whose timer counts at another rate than IA32_VMX_MISC says, some of them
 * now and then only; by the errata of Intel's specification updates. As it ends nothing but slices,
 * their length is all that suffers, and the log says so.
 */
static const struct {
	u32 signature;
	const char *erratum;
} slow_timers[] = {
	{ 0x106a0, "AAM126" }, { 0x106a1, "AAM126" }, { 0x106a4, "AAJ124" },
	{ 0x106a5, "AAJ124" }, { 0x106e5, "AAN92" },  { 0x20652, "AAT59" },
	{ 0x20655, "AAU65" },  { 0x206e6, "BA86" },   { 0x306a8, "Xeon E3-1220 v2" },
};

static void name_slow_timer(void)
{
	u32 signature = cpuid_eax(1) & 0x0fff3fff; /* without what is reserved */
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(slow_timers); i++)
		if (slow_timers[i].signature == signature)
			pr_notice("this CPU's VMX-preemption timer counts at a wrong rate (erratum "
				  "%s): a guest's time slice is not what slice_us says\n",
				  slow_timers[i].erratum);
}

static void choose_slice(void)
{
	u64 misc;

	if ((vmx_config.pin & PIN_BASED_VMX_PREEMPTION_TIMER) &&
	    (vmx_config.exit & VM_EXIT_SAVE_VMX_PREEMPTION_TIMER)) {
		rdmsrq(MSR_IA32_VMX_MISC, misc);
		vmx_config.slice_timer = true;
		vmx_config.slice_shift =
			misc & 31; /* ticks of the TSC in one of the timer's: SDM vol. 3, 26.5.1 */
		name_slow_timer();
	} else {
		vmx_config.pin &= ~PIN_BASED_VMX_PREEMPTION_TIMER;
		vmx_config.exit &= ~VM_EXIT_SAVE_VMX_PREEMPTION_TIMER;
	}
}

static int probe_controls(void)
{
	u32 low, high, offset;
	int err;

	rdmsr(MSR_IA32_VMX_BASIC, low, high);
	vmx_config.revision = low & 0x7fffffff;
	if ((high & 0x1fff) > PAGE_SIZE || ((high >> 18) & 15) != 6) {
		snprintf(why_not, sizeof(why_not),
			 "this CPU's VMCS is larger than a page or not write-back memory");
		return -EOPNOTSUPP;
	}
	/* The "true" MSRs tell which bits of the default-1 class may be zero. */
	offset = high & BIT(55 - 32) ? MSR_IA32_VMX_TRUE_PINBASED_CTLS - MSR_IA32_VMX_PINBASED_CTLS
				     : 0;
	err = choose("pin-based", MSR_IA32_VMX_PINBASED_CTLS + offset, pin_needed,
		     PIN_BASED_VMX_PREEMPTION_TIMER, &vmx_config.pin);
	if (err)
		return err;
	err = choose("processor-based", MSR_IA32_VMX_PROCBASED_CTLS + offset, primary_needed,
		     CPU_BASED_ACTIVATE_SECONDARY_CONTROLS | CPU_BASED_MONITOR_TRAP_FLAG,
		     &vmx_config.primary);
	if (err)
		return err;
	rdmsr(MSR_IA32_VMX_PROCBASED_CTLS + offset, low, high);
	vmx_config.wants_cr3_exits = low & (CPU_BASED_CR3_LOAD_EXITING |
					    CPU_BASED_CR3_STORE_EXITING | CPU_BASED_INVLPG_EXITING);
	rdmsr(MSR_IA32_VMX_MISC, low, high);
	cpu_caps.root_targets = min((low >> 16) & 0x1ff, (u32)ROOT_TARGETS); /* SDM vol. 3, A.6 */
	err = choose("exit", MSR_IA32_VMX_EXIT_CTLS + offset, exit_needed,
		     VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_SAVE_VMX_PREEMPTION_TIMER |
			     VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL,
		     &vmx_config.exit);
	if (err)
		return err;
	choose_slice();
	err = choose("entry", MSR_IA32_VMX_ENTRY_CTLS + offset, entry_needed,
		     VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL,
		     &vmx_config.entry);
	if (err)
		return err;
	if (vmx_config.primary & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS) {
		static const struct control none[] = { {} };

		choose("secondary", MSR_IA32_VMX_PROCBASED_CTLS2, none, SECONDARY_WANTED,
		       &vmx_config.secondary);
	}
	/* Asked for above to learn whether it is there; on only while it is needed. */
	cpu_caps.single_step = vmx_config.primary & CPU_BASED_MONITOR_TRAP_FLAG;
	vmx_config.primary &= ~CPU_BASED_MONITOR_TRAP_FLAG;
	return 0;
}

/* Not in the headers of every kernel. */
#define CR4_FRED BIT_ULL(32)

/**
 * vmx_caps_probe() - fill vmx_config and cpu_caps
 *
 * Return: 0, or a negative errno; vmx_why_not() then says why.
 */
int vmx_caps_probe(void)
{
	u64 feature_control;
	int err;

	if (!(cpuid_ecx(1) & BIT(5))) {
		snprintf(why_not, sizeof(why_not),
			 "this CPU has no VT-x, or its hypervisor does not offer it");
		return -ENODEV;
	}
	rdmsrq(MSR_IA32_FEAT_CTL, feature_control);
	if ((feature_control & FEAT_CTL_LOCKED) &&
	    !(feature_control & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)) {
		snprintf(why_not, sizeof(why_not),
			 "VT-x is switched off and locked by the firmware; switch it on in its "
			 "setup");
		return -ENODEV;
	}
	if (__read_cr4() & CR4_FRED) {
		snprintf(
			why_not, sizeof(why_not),
			"this kernel takes events by FRED and lets only KVM hand on a guest's NMI; "
			"boot with fred=off");
		return -EOPNOTSUPP;
	}
	err = probe_controls();
	if (err)
		return err;
	rdmsrq(MSR_IA32_VMX_CR0_FIXED0, vmx_config.cr0_fixed0);
	rdmsrq(MSR_IA32_VMX_CR0_FIXED1, vmx_config.cr0_fixed1);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED0, vmx_config.cr4_fixed0);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED1, vmx_config.cr4_fixed1);
	probe_nested_and_tags();

	vmx_config.nested = cpu_caps.nested;
	vmx_config.tags = cpu_caps.tagged_tlb;
	cpu_caps.maxphyaddr = cpuid_eax(0x80000008) & 0xff;
	cpu_caps.pf_filter = true;
	cpu_caps.brief = COMPAT_VMX_BRIEF;
	cpu_caps.trap_entries = cpu_caps.maxphyaddr < 52;
	cpu_caps.guest_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	cpu_caps.invpcid = boot_cpu_has(X86_FEATURE_INVPCID) &&
			   (vmx_config.secondary & SECONDARY_EXEC_ENABLE_INVPCID);
	cpu_caps.cr4_possible = vmx_config.cr4_fixed1;
	return 0;
}

/**
 * vmx_slice() - how long a guest may run without an exit for a host interrupt
 * @ticks: of the TSC
 *
 * Return: in units of the VMX-preemption timer; 0: there is no such timer.
 */
u32 vmx_slice(u64 ticks)
{
	return vmx_config.slice_timer ? max_t(u64, ticks >> vmx_config.slice_shift, 1) : 0;
}

/**
 * vmx_refuse() - remember why VT-x cannot be used
 * @why: a sentence without a full stop
 */
void vmx_refuse(const char *why)
{
	strscpy(why_not, why, sizeof(why_not));
}

const char *vmx_why_not(void)
{
	return why_not;
}

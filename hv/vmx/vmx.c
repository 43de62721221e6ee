// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-x on this machine: is it there, what can it do, switch it on and off on every CPU.
 *
 * All control fields that do not depend on a VM are worked out here, once. What cannot be had is
 * refused by name. VMX is on only while a VM exists, so that KVM may have it otherwise, and a CPU
 * where somebody else has it on is left alone.
 */
#include <linux/bitmap.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/tsc.h>
#include <asm/tlbflush.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

struct cpu_caps cpu_caps;
struct vmx_config vmx_config;
void *vmx_msr_bitmap;
DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);

static DEFINE_MUTEX(power_mutex); /* users, and VMX going on and off */
static unsigned int users;	  /* VMs that exist */
static int hotplug_state;

static DEFINE_SPINLOCK(vpid_lock);
static DECLARE_BITMAP(vpids, VMX_NR_VPIDS);

static char why_not[160];

/* ---- what the CPU can do ---- */

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

/* Which of them a VM switches off again, by what its paging mode traps: vmcs.c. */
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
	vmx_config.cr3_targets = min((low >> 16) & 0x1ff, (u32)ROOT_TARGETS);
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
	vmx_perf_probe();
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

static int probe_once(void)
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
	vmx_mitigate_probe();

	cpu_caps.maxphyaddr = cpuid_eax(0x80000008) & 0xff;
	cpu_caps.trap_entries = cpu_caps.maxphyaddr < 52;
	cpu_caps.guest_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	cpu_caps.invpcid = boot_cpu_has(X86_FEATURE_INVPCID) &&
			   (vmx_config.secondary & SECONDARY_EXEC_ENABLE_INVPCID);
	cpu_caps.cr4_possible = vmx_config.cr4_fixed1;
	return 0;
}

/**
 * vmx_slice() - how long a guest may run without an exit for a host interrupt
 *
 * Return: in units of the VMX-preemption timer; 0: there is no such timer.
 */
u32 vmx_slice(void)
{
	u64 ticks = div_u64((u64)tsc_khz * READ_ONCE(param.slice_us), 1000);

	return vmx_config.slice_timer ? max_t(u64, ticks >> vmx_config.slice_shift, 1) : 0;
}

/**
 * cpu_probe() - find out what this machine's CPUs can do; the answer is in cpu_caps
 *
 * Return: 0, or a negative errno; cpu_why_not() then says why.
 */
int cpu_probe(void)
{
	static bool done;
	static int result;

	if (!done) {
		result = probe_once();
		done = true;
	}
	return result;
}

/**
 * cpu_why_not() - the sentence that belongs to the last refusal, without a full stop
 */
const char *cpu_why_not(void)
{
	return why_not;
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

static void vmclear(void *region)
{
	u64 pa = __pa(region);

	asm volatile("vmclear %0" : : "m"(pa) : "cc", "memory");
}

/**
 * vmx_clear_here() - make a VMCS inactive on the CPU where it is active
 * @v: its vCPU; interrupts are off and this is that CPU
 */
void vmx_clear_here(struct vcpu *v)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);

	vmclear(v->hw.vmcs);
	if (c->current_vcpu == v)
		c->current_vcpu = NULL;
	list_del(&v->hw.loaded);
	v->hw.how |= VMX_ENTER_LAUNCH;
	/* From here on another CPU may take it. */
	smp_store_release(&v->hw.cpu, -1);
}

/**
 * vmx_forget_launch() - whether a VMCS counts as launched is not known: clear it
 * @v: its vCPU, loaded
 *
 * Its first entry may have failed before or after that was settled (SDM vol. 3, 27.8).
 */
void vmx_forget_launch(struct vcpu *v)
{
	u64 pa = __pa(v->hw.vmcs);

	vmclear(v->hw.vmcs);
	asm volatile("vmptrld %0" : : "m"(pa) : "cc", "memory");
	v->hw.how |= VMX_ENTER_LAUNCH;
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

/**
 * vmx_on_here() - switch VMX on on this CPU
 *
 * Interrupts are off. Return: 0, -EBUSY when somebody else has it on, -EIO when the CPU refuses.
 */
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
	if (cpu_caps.nested)
		vmx_invept(0);
	if (cpu_caps.tagged_tlb)
		vmx_invvpid(&none, VMX_VPID_EXTENT_ALL_CONTEXT);
	c->tags_known = true;
	return 0;
}

/**
 * vmx_off_here() - the opposite; every VMCS that is active on this CPU becomes inactive
 *
 * Interrupts are off. Harmless where VMX is off.
 */
void vmx_off_here(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct vcpu *v, *next;

	if (!c->on)
		return;
	list_for_each_entry_safe(v, next, &c->loaded, hw.loaded)
		vmx_clear_here(v);
	c->on = false;
	asm volatile("vmxoff" : : : "cc", "memory");
	compat_cr4_vmxe(false);
	compat_pt_handle_vmx(0);
}

static void vmx_on_ipi(void *error)
{
	int err = vmx_on_here();

	if (err)
		atomic_cmpxchg((atomic_t *)error, 0, err);
}

static void vmx_off_ipi(void *unused)
{
	vmx_off_here();
	this_cpu_write(vmx_cpu.tags_known, false);
}

/* Is VMX there to be switched on when it is needed? */
static void vmx_try_ipi(void *error)
{
	vmx_on_ipi(error);
	vmx_off_here();
}

/*
 * A panic, in any context, NMI included. The CPU will run nothing of ours any more, so the VMCSs need
 * no VMCLEAR: they are memory of a kernel that has ended.
 */
static void emergency_off(void)
{
	if (!(__read_cr4() & X86_CR4_VMXE))
		return;
	/* clang-format off */
	asm goto("1: vmxoff\n\t" _ASM_EXTABLE(1b, %l[was_off]) : : : "cc", "memory" : was_off);
	/* clang-format on */
was_off:
	compat_cr4_vmxe(false);
}

static void vmx_all_off(void)
{
	on_each_cpu(vmx_off_ipi, NULL, 1);
	compat_disclaim_vmx(emergency_off);
}

/**
 * cpu_hold() - a VM is about to exist: have VMX on
 *
 * Return: 0, -EBUSY when somebody else uses VMX, -EIO when a CPU refuses.
 */
int cpu_hold(void)
{
	atomic_t error = ATOMIC_INIT(0);
	int err = 0;

	cpus_read_lock();
	mutex_lock(&power_mutex);
	if (!users) {
		bool ours = compat_claim_vmx(emergency_off);

		on_each_cpu(COMPAT_VMX_BRIEF ? vmx_try_ipi : vmx_on_ipi, &error, 1);
		err = atomic_read(&error);
		if (!err && COMPAT_VMX_BRIEF && !ours)
			err = -EBUSY; /* KVM could come while VMX is off */
		if (err)
			vmx_all_off();
	}
	if (!err)
		users++;
	mutex_unlock(&power_mutex);
	cpus_read_unlock();
	return err;
}

/**
 * cpu_drop() - a VM is gone: the opposite of cpu_hold()
 */
void cpu_drop(void)
{
	cpus_read_lock();
	mutex_lock(&power_mutex);
	if (!--users)
		vmx_all_off();
	mutex_unlock(&power_mutex);
	cpus_read_unlock();
}

/*
 * The hotplug lock is held for writing, so that users stands still (or the module is about to start,
 * and there are none): power_mutex must not be taken, for cpu_hold() takes hotplug's locks under it.
 */
static int power_up(unsigned int cpu)
{
	int err = 0;

	if (users && !COMPAT_VMX_BRIEF) {
		local_irq_disable();
		err = vmx_on_here();
		local_irq_enable();
	}
	if (err)
		pr_err("CPU %u cannot go online: VMX cannot be switched on there (%d)\n", cpu, err);
	return err;
}

static int power_down(unsigned int cpu)
{
	local_irq_disable();
	vmx_off_ipi(NULL);
	local_irq_enable();
	return 0;
}

/* The last CPU, before the machine sleeps; the others went through power_down(). */
static int before_sleep(void)
{
	vmx_off_ipi(NULL);
	return 0;
}

static void after_sleep(void)
{
	if (users && !COMPAT_VMX_BRIEF && vmx_on_here())
		pr_err("VMX cannot be switched on again after sleep\n");
}

/* A CPU with VMX on ignores INIT, so the next kernel could not start it. */
static int before_reboot(struct notifier_block *nb, unsigned long event, void *data)
{
	on_each_cpu(vmx_off_ipi, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_block = {
	.notifier_call = before_reboot,
};

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

/* ---- the module comes and goes ---- */

static void check_ipi(void *answer)
{
	atomic_t *busy = answer;
	u64 basic;

	if (__read_cr4() & X86_CR4_VMXE) {
		atomic_set(busy, -EBUSY);
		return;
	}
	rdmsrq(MSR_IA32_VMX_BASIC, basic);
	if ((basic & 0x7fffffff) != vmx_config.revision)
		atomic_set(busy, -EOPNOTSUPP);
}

static void free_regions(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
	{
		free_page((unsigned long)per_cpu(vmx_cpu, cpu).region);
		per_cpu(vmx_cpu, cpu).region = NULL;
	}
	free_page((unsigned long)vmx_msr_bitmap);
	vmx_msr_bitmap = NULL;
}

static int alloc_regions(void)
{
	int cpu;

	vmx_msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL);
	if (!vmx_msr_bitmap)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
	{
		struct vmx_cpu *c = &per_cpu(vmx_cpu, cpu);

		INIT_LIST_HEAD(&c->loaded);
		c->region = (void *)get_zeroed_page(GFP_KERNEL);
		if (!c->region) {
			free_regions();
			return -ENOMEM;
		}
		*(u32 *)c->region = vmx_config.revision;
	}
	return 0;
}

/* MSRs that the guest reaches without an exit: SDM vol. 3, 25.6.9 has the layout. */
static void fill_msr_bitmap(void)
{
	static const u32 read_write[] = {
		MSR_FS_BASE,	      MSR_GS_BASE,	     MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	static const u32 read_only[] = { MSR_STAR, MSR_LSTAR, MSR_SYSCALL_MASK };
	unsigned int i;

	memset(vmx_msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(read_write); i++) {
		u32 msr = read_write[i], high = msr >= 0xc0000000 ? 1024 : 0;

		clear_bit(msr & 0x1fff, vmx_msr_bitmap + high);
		clear_bit(msr & 0x1fff, vmx_msr_bitmap + 2048 + high);
	}
	for (i = 0; i < ARRAY_SIZE(read_only); i++)
		clear_bit(read_only[i] & 0x1fff, vmx_msr_bitmap + 1024);
}

/**
 * cpu_start() - get ready to switch VMX on
 *
 * Return: 0, or a negative errno; cpu_why_not() then says why.
 */
int cpu_start(void)
{
	atomic_t busy = ATOMIC_INIT(0);
	int err = cpu_probe();

	if (err)
		return err;
	on_each_cpu(check_ipi, &busy, 1);
	err = atomic_read(&busy);
	if (err) {
		snprintf(why_not, sizeof(why_not), "%s",
			 err == -EBUSY ? CPU_TAKEN
				       : "the CPUs of this machine differ in their VT-x");
		return err;
	}
	snprintf(why_not, sizeof(why_not), "out of memory");
	err = alloc_regions();
	if (err)
		return err;
	fill_msr_bitmap();
	set_bit(0, vpids);
	hotplug_state =
		cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/penumbra:online", power_up, power_down);
	if (hotplug_state < 0) {
		free_regions();
		return hotplug_state;
	}
	compat_sleep_register(before_sleep, after_sleep);
	register_reboot_notifier(&reboot_block);
	compat_say_what_is_lost();
	return 0;
}

/**
 * cpu_stop() - the opposite of cpu_start(); no VM exists
 */
void cpu_stop(void)
{
	unregister_reboot_notifier(&reboot_block);
	compat_sleep_unregister();
	cpuhp_remove_state(hotplug_state);
	free_regions();
}

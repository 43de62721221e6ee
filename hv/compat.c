// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where kernels differ, what is more than a line. See compat.h.
 */
#include <linux/cpuhotplug.h>
#include <linux/syscore_ops.h>
#include <asm/reboot.h>

#include "compat.h"

/* ---- sleep ---- */

static int (*sleep_suspend)(void);
static void (*sleep_resume)(void);

#ifdef HAVE_STRUCT_SYSCORE
static int suspend(void *unused)
{
	return sleep_suspend();
}

static void resume(void *unused)
{
	sleep_resume();
}

static const struct syscore_ops sleep_ops = {
	.suspend = suspend,
	.resume = resume,
};

static struct syscore sleep_hook = {
	.ops = &sleep_ops,
};
#else
static int suspend(void)
{
	return sleep_suspend();
}

static void resume(void)
{
	sleep_resume();
}

static struct syscore_ops sleep_hook = {
	.suspend = suspend,
	.resume = resume,
};

static void register_syscore(struct syscore_ops *ops)
{
	register_syscore_ops(ops);
}

static void unregister_syscore(struct syscore_ops *ops)
{
	unregister_syscore_ops(ops);
}
#endif

/**
 * compat_sleep_register() - be told when the machine goes to sleep and when it is back
 * @suspend_fn: called on the last CPU, interrupts off; 0 means go on
 * @resume_fn: called on that CPU, interrupts off
 */
void compat_sleep_register(int (*suspend_fn)(void), void (*resume_fn)(void))
{
	sleep_suspend = suspend_fn;
	sleep_resume = resume_fn;
	register_syscore(&sleep_hook);
}

/**
 * compat_sleep_unregister() - the opposite
 */
void compat_sleep_unregister(void)
{
	unregister_syscore(&sleep_hook);
}

/* ---- VMX is ours ---- */

#ifdef HAVE_KVM_ONLINE
#define KVM_PLACE CPUHP_AP_KVM_ONLINE
#else
#define KVM_PLACE CPUHP_AP_KVM_STARTING
#endif

static bool claimed;

static void emergency_register(void (*off)(void))
{
#ifdef HAVE_EMERGENCY_CALLBACK
	cpu_emergency_register_virt_callback(off);
#endif
}

static void emergency_unregister(void (*off)(void))
{
#ifdef HAVE_EMERGENCY_CALLBACK
	cpu_emergency_unregister_virt_callback(off);
#endif
}

/**
 * compat_claim() - VMX is about to be used: KVM shall not, and a crash shall switch it off
 * @emergency: switches VMX off on the CPU that calls it; in any context, NMI included
 *
 * A CPU with VMX on ignores INIT, so after a crash neither the kernel that takes the dump nor the
 * firmware could start it. The kernel has room for one callback against that, and warns where two
 * register; KVM registers its own while it holds its place in the order of CPU hotplug. So we take
 * that place: where it is free, no callback of KVM's is registered and none will be until we give it
 * back, for KVM is told -EBUSY. Where it is taken, KVM's callback is there, and it goes by CR4.VMXE
 * and thus also for us. Kernels that go by CR4.VMXE themselves need no callback.
 *
 * Called under cpus_read_lock().
 *
 * Return: false when KVM is there.
 */
bool compat_claim(void (*emergency)(void))
{
	claimed = !cpuhp_setup_state_nocalls_cpuslocked(KVM_PLACE, "x86/penumbra:instead of KVM",
							NULL, NULL);
	if (claimed)
		emergency_register(emergency);
	return claimed;
}

/**
 * compat_disclaim() - the opposite
 * @emergency: as given to compat_claim()
 */
void compat_disclaim(void (*emergency)(void))
{
	if (!claimed)
		return;
	emergency_unregister(emergency);
	__cpuhp_remove_state_cpuslocked(KVM_PLACE, false);
	claimed = false;
}

/* ---- what this kernel keeps for KVM ---- */

static bool emergency_is_covered(void)
{
	return IS_ENABLED(HAVE_EMERGENCY_CALLBACK) ||
	       (IS_ENABLED(HAVE_EMERGENCY_BY_KERNEL) && IS_ENABLED(CONFIG_KVM_INTEL));
}

/* Does the CPU take Intel PT and VMX at the same time? SDM vol. 3, A.6 and 33.5.1. */
static bool pt_minds_vmx(void)
{
	u64 misc;

	if (!boot_cpu_has(X86_FEATURE_INTEL_PT))
		return false;
	rdmsrq(MSR_IA32_VMX_MISC, misc);
	return !(misc & BIT(14));
}

/**
 * compat_say_what_is_lost() - log what is not to be had on this kernel, a sentence each
 */
void compat_say_what_is_lost(void)
{
	if (!IS_ENABLED(HAVE_PERF_GUEST_GET_MSRS))
		pr_notice("this kernel tells only KVM which performance counters to switch at VM "
			  "entries and exits: pmu=1 switches none, so events of the guest alone or "
			  "the host alone count both\n");
	if (!IS_ENABLED(HAVE_INTEL_PT_HANDLE_VMX) && pt_minds_vmx())
		pr_notice("this kernel lets only KVM pause Intel PT, which this CPU cannot have "
			  "together with VMX: a trace of PT ends where a guest runs\n");
	if (!emergency_is_covered())
		pr_notice("this kernel lets only KVM switch VMX off in a panic: a crash dump may "
			  "hang while a VM runs\n");
}

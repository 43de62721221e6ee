/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where kernels differ. Everything that some kernel from 6.1 on does otherwise than another is
 * decided here, in compat.c and nowhere else.
 *
 * HAVE_* come from the script hv/probe, which asks the headers of the kernel that the module is built
 * for. Symbols that a kernel exports to KVM's modules alone are not ours: what they did is done
 * another way here, or cpu_start() says in one sentence what is lost.
 */
#ifndef PENUMBRA_COMPAT_H
#define PENUMBRA_COMPAT_H

#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/thread_info.h>
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#ifdef HAVE_CPUID_API
#include <asm/cpuid/api.h>
#endif

/* One name for reading and writing 64 bits of an MSR. */
#ifndef rdmsrq
#define rdmsrq(msr, value) rdmsrl(msr, value)
#define wrmsrq(msr, value) wrmsrl(msr, value)
#endif

/* What the kernel found this CPU to need; later kernels tell what guests need from the rest. */
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM
#define COMPAT_FEATURE_VERW X86_FEATURE_CLEAR_CPU_BUF_VM
#else
#define COMPAT_FEATURE_VERW X86_FEATURE_CLEAR_CPU_BUF
#endif
#ifdef X86_FEATURE_USE_IBPB
#define COMPAT_FEATURE_IBPB X86_FEATURE_USE_IBPB
#else
#define COMPAT_FEATURE_IBPB X86_FEATURE_IBPB
#endif

/* Pin pages in a row without sleeping: how many of them, from the first on; 0 or less: none. */
static inline int compat_pin_now(unsigned long hva, int nr, struct page **pages)
{
#ifdef HAVE_PIN_FAST_ONLY
	return pin_user_pages_fast_only(hva, nr, FOLL_WRITE | FOLL_LONGTERM, pages);
#else
	return 0; /* gone from later kernels: always the way that may sleep */
#endif
}

static inline void compat_vma_forbid_expand(struct vm_area_struct *vma)
{
#ifdef HAVE_VM_FLAGS_SET
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
#else
	vma->vm_flags |= VM_DONTEXPAND | VM_DONTDUMP;
#endif
}

/* The field that a VMM's signal handler sets; user space may write it at any time. */
static inline bool compat_immediate_exit(const struct kvm_run *run)
{
#ifdef HAVE_IMMEDIATE_EXIT_UNSAFE
	return READ_ONCE(run->immediate_exit__unsafe);
#else
	return READ_ONCE(run->immediate_exit);
#endif
}

/*
 * CR4.VMXE has to be set for VMX. A kernel that lets us change its copy of CR4 along with the register
 * keeps the bit; VMX then stays on while a VM exists. Where it does not, the next write of its copy
 * would clear the bit in VMX operation, which faults: there VMX is on only while interrupts are off
 * and nothing else of the kernel runs (COMPAT_VMX_BRIEF; cpu_caps.brief).
 */
#ifdef HAVE_CR4_UPDATE
#define COMPAT_VMX_BRIEF false

static inline void compat_cr4_vmxe(bool on)
{
	if (on)
		cr4_set_bits(X86_CR4_VMXE);
	else
		cr4_clear_bits(X86_CR4_VMXE);
}
#else
#define COMPAT_VMX_BRIEF true

static inline void compat_cr4_vmxe(bool on)
{
	unsigned long cr4 = __read_cr4();

	cr4 = on ? cr4 | X86_CR4_VMXE : cr4 & ~X86_CR4_VMXE;
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}
#endif

/* Intel PT must be off while VMX is on, on the CPUs that cannot have both. */
static inline void compat_pt_handle_vmx(int on)
{
#ifdef HAVE_INTEL_PT_HANDLE_VMX
	intel_pt_handle_vmx(on);
#endif
}

/* What the kernel wants of the running thread, as its flags say it: another thread's turn, ... */
#ifndef _TIF_NEED_RESCHED_LAZY
#define _TIF_NEED_RESCHED_LAZY 0 /* kernels without lazy preemption */
#endif
#define COMPAT_TURN (_TIF_NEED_RESCHED | _TIF_NEED_RESCHED_LAZY)
/* ... or work that is done on the way to user space. */
#define COMPAT_WORK (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NOTIFY_RESUME)

/* Let another thread have its turn. A lazy wish is not fulfilled by cond_resched(). */
static inline void compat_resched(void)
{
	if (read_thread_flags() & _TIF_NEED_RESCHED_LAZY)
		schedule();
	else
		cond_resched();
}

/*
 * A machine check that ended a guest's run. The handler panics where it finds the kernel's code
 * interrupted; it was not, so it gets registers of user mode, whatever the guest ran.
 *
 * Return: false when this kernel was built without a handler (CONFIG_X86_MCE).
 */
static inline bool compat_machine_check(void)
{
#ifdef HAVE_DO_MACHINE_CHECK
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
	return true;
#else
	return false;
#endif
}

/* The MSRs that perf wants to have another value in a guest. */
static inline struct perf_guest_switch_msr *compat_guest_msrs(int *nr)
{
#ifdef HAVE_PERF_GUEST_GET_MSRS
	return perf_guest_get_msrs(nr, NULL);
#else
	*nr = 0;
	return NULL;
#endif
}

void compat_sleep_register(int (*suspend)(void), void (*resume)(void));
void compat_sleep_unregister(void);
bool compat_claim(void (*emergency)(void));
void compat_disclaim(void (*emergency)(void));
void compat_say_what_is_lost(void);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Into the guest and out of it: what run.h makes the inner loop of. Everything that an exit costs on
 * the vendor's side is in here.
 */
#include <asm/trapnr.h>

#include "../cpu.h"
#include "../penumbra.h"
#include "../run.h"
#include "vmcs.h"
#include "vmx.h"

/*
 * Only accesses to memory and exceptions can end the delivery of an event half way: SDM vol. 3,
 * 28.2.4. Others need not look.
 */
#define DURING_DELIVERY 0x80u

/* SDM vol. 3, appendix C: where a CPU has them, these two exit whoever executes them. */
#define REASON_SEAMCALL 76
#define REASON_TDCALL	77

/* Reasons that are not here cannot happen with our controls: EXIT_UNKNOWN. */
static const u8 kind_of_reason[PENUMBRA_MAX_EXIT_REASONS] = {
	[EXIT_REASON_EXCEPTION_NMI] = DURING_DELIVERY | EXIT_EXCEPTION,
	[EXIT_REASON_EXTERNAL_INTERRUPT] = EXIT_INTERRUPT,
	[EXIT_REASON_TRIPLE_FAULT] = EXIT_TRIPLE_FAULT,
	[EXIT_REASON_TASK_SWITCH] = EXIT_TASK_SWITCH,
	[EXIT_REASON_CPUID] = EXIT_CPUID,
	[EXIT_REASON_HLT] = EXIT_HLT,
	[EXIT_REASON_INVD] = EXIT_NOP,
	[EXIT_REASON_INVLPG] = EXIT_INVLPG,
	[EXIT_REASON_RDPMC] = EXIT_GP,
	[EXIT_REASON_VMCALL] = EXIT_VMCALL,
	[EXIT_REASON_VMCLEAR] = EXIT_UD,
	[EXIT_REASON_VMLAUNCH] = EXIT_UD,
	[EXIT_REASON_VMPTRLD] = EXIT_UD,
	[EXIT_REASON_VMPTRST] = EXIT_UD,
	[EXIT_REASON_VMREAD] = EXIT_UD,
	[EXIT_REASON_VMRESUME] = EXIT_UD,
	[EXIT_REASON_VMWRITE] = EXIT_UD,
	[EXIT_REASON_VMOFF] = EXIT_UD,
	[EXIT_REASON_VMON] = EXIT_UD,
	[EXIT_REASON_CR_ACCESS] = EXIT_CR,
	[EXIT_REASON_DR_ACCESS] = EXIT_DR,
	[EXIT_REASON_IO_INSTRUCTION] = EXIT_IO,
	[EXIT_REASON_MSR_READ] = EXIT_RDMSR,
	[EXIT_REASON_MSR_WRITE] = EXIT_WRMSR,
	[EXIT_REASON_INVALID_STATE] = EXIT_ENTRY_FAILED,
	[EXIT_REASON_MSR_LOAD_FAIL] = EXIT_ENTRY_FAILED,
	[EXIT_REASON_MWAIT_INSTRUCTION] = EXIT_NOP,
	[EXIT_REASON_MONITOR_TRAP_FLAG] = EXIT_STEP,
	[EXIT_REASON_MONITOR_INSTRUCTION] = EXIT_NOP,
	[EXIT_REASON_MCE_DURING_VMENTRY] = EXIT_MACHINE_CHECK,
	[EXIT_REASON_EPT_VIOLATION] = DURING_DELIVERY | EXIT_NESTED,
	[EXIT_REASON_EPT_MISCONFIG] = DURING_DELIVERY | EXIT_NESTED_BAD,
	[EXIT_REASON_INVEPT] = EXIT_UD,
	[EXIT_REASON_PREEMPTION_TIMER] = EXIT_INTERRUPT,
	[EXIT_REASON_INVVPID] = EXIT_UD,
	[EXIT_REASON_WBINVD] = EXIT_NOP,
	[EXIT_REASON_XSETBV] = EXIT_UD,
	[EXIT_REASON_INVPCID] = EXIT_INVPCID,
	[EXIT_REASON_VMFUNC] = EXIT_UD,
	[EXIT_REASON_ENCLS] = EXIT_UD,
	[REASON_SEAMCALL] = EXIT_UD,
	[REASON_TDCALL] = EXIT_UD,
};

/* Reason 0 is every exception, and the NMI. */
static inline unsigned int kind_of_exception(void)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);

	if (likely((info & INTR_INFO_VECTOR_MASK) == X86_TRAP_PF))
		return EXIT_PF;
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		return EXIT_NMI;
	if ((info & INTR_INFO_VECTOR_MASK) == X86_TRAP_MC)
		return EXIT_MACHINE_CHECK;
	return EXIT_EXCEPTION;
}

/* ---- entering ---- */

/*
 * Perform the flushes that the paging mode owes. Without a VPID every entry drops all that is tagged
 * with linear addresses (SDM vol. 3, 29.4.3.1), but never what is cached from EPT alone.
 */
static __always_inline void flush(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	struct counters *c = &v->vm->count;
	u32 what = v->pv.flush;

	v->pv.flush = 0;
	if (unlikely(what & FLUSH_NESTED) && vmx->nested) {
		vmx_invept(v->pv.nested_root);
		count(c, flush_host_invept);
	}
	if (unlikely(!vmx->tag.vpid) || !(what & (FLUSH_ADDR | FLUSH_CONTEXT)))
		return;
	if (!(what & FLUSH_CONTEXT) && likely(vmx_config.invvpid_address)) {
		vmx->tag.gva = v->pv.flush_gva;
		vmx_invvpid(&vmx->tag, VMX_VPID_EXTENT_INDIVIDUAL_ADDR);
		count(c, flush_host_invvpid_addr);
	} else {
		vmx_invvpid(&vmx->tag, vmx_config.invvpid_context_type);
		count(c, flush_host_invvpid_context);
	}
}

static noinline void inject(struct vcpu *v)
{
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, v->event);
	if (v->event & EVENT_CODE)
		vmcs_write32(VM_ENTRY_EXCEPTION_ERROR_CODE, v->event_code);
	vmcs_write32(VM_ENTRY_INSTRUCTION_LEN, v->event_len);
	v->event = 0;
	if (unlikely(++v->injections >= INJECTIONS_MAX))
		v->pv.rearm = true; /* have exit_settle() called, which looks at this */
}

/* An exit interrupted the delivery of an event: it has to be delivered again. */
static noinline void requeue(struct vcpu *v, u32 info)
{
	/* Bit 12 says something else here than in the entry field. */
	v->event = info & (EVENT_VECTOR | EVENT_TYPE | EVENT_CODE | EVENT_VALID);
	if (info & EVENT_CODE)
		v->event_code = vmcs_read32(IDT_VECTORING_ERROR_CODE);
	v->event_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

static inline unsigned int delivery_exit(struct vcpu *v, unsigned int kind)
{
	u32 info = vmcs_read32(IDT_VECTORING_INFO_FIELD);

	if (unlikely(info & VECTORING_INFO_VALID_MASK))
		requeue(v, info);
	return kind == EXIT_EXCEPTION ? kind_of_exception() : kind;
}

/* The guest may have loaded one of its shared roots without an exit. */
static bool find_root(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	u64 cr3 = vmcs_readl(GUEST_CR3);

	return to_vmx(v)->nested || cr3 == pv->hw_cr3 || pv->pg->ops->adopt_root(pv, cr3);
}

/*
 * A VM exit takes the event out of the entry field, an entry that failed does not (SDM vol. 3, 27.8
 * and 28.2): it is delivered when an entry works, and not by the next one in whatever state.
 */
static void disarm(struct vcpu *v)
{
	u32 event = vmcs_read32(VM_ENTRY_INTR_INFO_FIELD);

	if (!(event & EVENT_VALID))
		return;
	v->event = event;
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
}

/* The entry itself failed, or its reason is one that we have no name for. */
static noinline unsigned int odd_exit(struct vcpu *v, bool entered)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	v->vm->odd_exits++;
	if (!entered) {
		vmx->entry_error = vmcs_read32(VM_INSTRUCTION_ERROR);
		vmx_forget_launch(v);
		disarm(v);
		vmx->reason = 0;
		return EXIT_ENTRY_FAILED;
	}
	vmx->entry_error = 0;
	if (vmx->reason & VMX_EXIT_REASONS_FAILED_VMENTRY) {
		vmx_forget_launch(v);
		disarm(v);
	}
	if ((u16)vmx->reason == EXIT_REASON_MCE_DURING_VMENTRY)
		return EXIT_MACHINE_CHECK;
	return vmx->reason & VMX_EXIT_REASONS_FAILED_VMENTRY ? EXIT_ENTRY_FAILED : EXIT_UNKNOWN;
}

/* What an exit needs that is rare; by itself, so that the others save no registers for it. */
static noinline unsigned int watched_exit(struct vcpu *v, unsigned int kind)
{
	struct paging_vcpu *pv = &v->pv;

	/* The host's NMI and machine check are not lost for it: the next exit will say so again. */
	if (pv->share_on && !find_root(v) && kind != EXIT_NMI && kind != EXIT_MACHINE_CHECK)
		return EXIT_UNKNOWN;
	/* The handlers of the first two do it, who know the fault. */
	if (pv->window && kind != EXIT_PF && kind != EXIT_NESTED && !exit_is_hosts(kind))
		pv->pg->ops->leave(pv, NULL);
	return kind;
}

/*
 * entry.S, which keeps no register but these. The compiler does not save them around each entry,
 * but once around all of a burst.
 */
static __always_inline bool enter(struct vcpu **v)
{
	unsigned long failed;

	asm volatile("push %%rbp\n\t"
		     "call vmx_enter\n\t"
		     "pop %%rbp"
		     : "=a"(failed), "+D"(*v), ASM_CALL_CONSTRAINT
		     :
		     : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		       "r15", "memory", "cc");
	return !failed;
}

/* Run the guest until its next exit; enum exit_kind. */
static __always_inline unsigned int enter_until_exit(struct vcpu **at)
{
	unsigned long reason; /* as wide as a register: VMREAD clears what its field lacks */
	unsigned int kind;
	struct vcpu *v = *at;

	if (unlikely(v->event))
		inject(v);
	if (unlikely(!enter(&v))) {
		*at = v;
		return odd_exit(v, false);
	}
	*at = v;
	reason = vmcs_read_raw(vmcs_field(VM_EXIT_REASON, VMCS_WIDTH_32));
	to_vmx(v)->reason = reason;
	if (unlikely(reason >= PENUMBRA_MAX_EXIT_REASONS))
		return odd_exit(v, true);
	v->vm->by_reason[reason]++;
	kind = kind_of_reason[reason];
	if (kind & DURING_DELIVERY)
		kind = delivery_exit(v, kind & ~DURING_DELIVERY);
	return unlikely(v->pv.watched) ? watched_exit(v, kind) : kind;
}

unsigned int vmx_run(struct vcpu *v, unsigned int *kind)
{
	return run_loop(v, kind, flush, enter_until_exit, exit_table, exit_settle);
}

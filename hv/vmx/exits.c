// SPDX-License-Identifier: GPL-2.0-only
/*
 * Into the guest, and from VMX's exit reasons to the kinds of exit that hv/exit.c handles. Details
 * of an exit are read when its handler asks, so an exit pays for what it needs.
 */
#include <linux/string.h>
#include <asm/trapnr.h>

#include "../cpu.h"
#include "../penumbra.h"
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
	struct counters *c = &v->vm->count;
	u32 what = v->pv.flush;

	v->pv.flush = 0;
	if (unlikely(what & FLUSH_NESTED) && v->hw.nested) {
		vmx_invept(v->pv.eptp);
		count(c, flush_host_invept);
	}
	if (unlikely(!v->hw.tag.vpid) || !(what & (FLUSH_ADDR | FLUSH_CONTEXT)))
		return;
	if (!(what & FLUSH_CONTEXT) && likely(vmx_config.invvpid_address)) {
		v->hw.tag.gva = v->pv.flush_gva;
		vmx_invvpid(&v->hw.tag, VMX_VPID_EXTENT_INDIVIDUAL_ADDR);
		count(c, flush_host_invvpid_addr);
	} else {
		vmx_invvpid(&v->hw.tag, vmx_config.invvpid_context_type);
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

static void set_step(struct vcpu *v)
{
	v->hw.stepping = v->pv.step;
	if (v->hw.stepping)
		v->hw.primary |= CPU_BASED_MONITOR_TRAP_FLAG;
	else
		v->hw.primary &= ~CPU_BASED_MONITOR_TRAP_FLAG;
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, v->hw.primary);
}

/* SSP's base-address buffer: let its values pass, or none while it is off. */
static void set_cr3_targets(struct vcpu *v)
{
	const struct paging_vcpu *pv = &v->pv;
	u32 n = 0;

	while (pv->share_on && n < vmx_config.cr3_targets && pv->share.slot[n].cr3) {
		vmcs_write_raw(CR3_TARGET_VALUE0 + 2 * n, pv->share.slot[n].load);
		n++;
	}
	vmcs_write32(CR3_TARGET_COUNT, n);
}

/**
 * cpu_rearm() - the paging mode wants to see other events than before
 * @v: the vCPU, inside a burst
 */
void cpu_rearm(struct vcpu *v)
{
	v->pv.rearm = false;
	if (v->pv.step != v->hw.stepping)
		set_step(v);
	set_cr3_targets(v);
	/*
	 * #PF exits where (error code & mask) == match, by the exception bitmap's bit (SDM vol. 3,
	 * 26.2): all of them, or only those of present translations.
	 */
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, v->pv.direct ? PF_P : 0);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, v->pv.direct ? PF_P : 0);
}

/* The guest may have loaded one of its shared roots without an exit. */
static bool find_root(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	u64 cr3 = vmcs_readl(GUEST_CR3);

	return v->hw.nested || cr3 == pv->hw_cr3 || pv->pg->ops->adopt_root(pv, cr3);
}

/*
 * A VM exit takes the event out of the entry field, an entry that failed does not (SDM vol. 3, 26.8
 * and 27.3): it is delivered when an entry works, and not by the next one in whatever state.
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
	v->vm->odd_exits++;
	if (!entered) {
		v->hw.entry_error = vmcs_read32(VM_INSTRUCTION_ERROR);
		vmx_forget_launch(v);
		disarm(v);
		v->hw.reason = 0;
		return EXIT_ENTRY_FAILED;
	}
	v->hw.entry_error = 0;
	if (v->hw.reason & VMX_EXIT_REASONS_FAILED_VMENTRY) {
		vmx_forget_launch(v);
		disarm(v);
	}
	if ((u16)v->hw.reason == EXIT_REASON_MCE_DURING_VMENTRY)
		return EXIT_MACHINE_CHECK;
	return v->hw.reason & VMX_EXIT_REASONS_FAILED_VMENTRY ? EXIT_ENTRY_FAILED : EXIT_UNKNOWN;
}

/* What an exit needs that is rare; by itself, so that the others save no registers for it. */
static noinline unsigned int watched_exit(struct vcpu *v, unsigned int kind)
{
	struct paging_vcpu *pv = &v->pv;

	/* The host's NMI and machine check are not lost for it: the next exit will say so again. */
	if (pv->share_on && !find_root(v) && kind != EXIT_NMI && kind != EXIT_MACHINE_CHECK)
		return EXIT_UNKNOWN;
	if (pv->window && kind != EXIT_PF && kind != EXIT_NESTED)
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
	v->hw.reason = reason;
	if (unlikely(reason >= PENUMBRA_MAX_EXIT_REASONS))
		return odd_exit(v, true);
	v->vm->by_reason[reason]++;
	kind = kind_of_reason[reason];
	if (kind & DURING_DELIVERY)
		kind = delivery_exit(v, kind & ~DURING_DELIVERY);
	return unlikely(v->pv.watched) ? watched_exit(v, kind) : kind;
}

/**
 * cpu_run() - run the guest, exit by exit, until something ends the burst
 * @v: the vCPU, inside a burst
 * @kind: an exit to be handled again first; 0: none
 *
 * Everything that an exit costs is in here and in what it calls.
 *
 * Return: enum next, never NEXT_ENTER; @kind says of which exit.
 */
unsigned int cpu_run(struct vcpu *v, unsigned int *kind)
{
	const struct paging *pg = v->pv.pg;
	unsigned int k = *kind;
	enum next next;

	for (;;) {
		if (likely(!k)) {
			if (unlikely(v->pv.settle || v->pv.flush_gen != pg->flush_gen)) {
				next = exit_settle(v);
				if (unlikely(next != NEXT_ENTER))
					break;
			}
			if (v->pv.flush)
				flush(v);
			k = enter_until_exit(&v);
		}
		next = static_branch_unlikely(&exit_tracing) ? exit_traced(v, k) : exit_table[k](v);
		if (unlikely(next != NEXT_ENTER))
			break;
		k = 0;
	}
	*kind = k;
	return next;
}

/* ---- the exit, in plain data ---- */

u64 cpu_exit_qualification(struct vcpu *v)
{
	return vmcs_readl(EXIT_QUALIFICATION);
}

/* What KVM_EXIT_FAIL_ENTRY reports: the reason word, or the VM-instruction error. */
u64 cpu_entry_failure(struct vcpu *v)
{
	return v->hw.entry_error ? v->hw.entry_error : v->hw.reason;
}

static void common_fault(struct paging_fault *f)
{
	f->cpl = VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES));
	f->rflags = vmcs_readl(GUEST_RFLAGS);
	f->ac = f->rflags & X86_EFLAGS_AC;
	f->rip = vmcs_readl(GUEST_RIP);
}

/**
 * cpu_exit_pf() - the fault behind EXIT_PF
 * @v: the vCPU, loaded
 * @f: filled in
 */
void cpu_exit_pf(struct vcpu *v, struct paging_fault *f)
{
	f->gva = vmcs_readl(EXIT_QUALIFICATION);
	common_fault(f);
	f->code = vmcs_read32(VM_EXIT_INTR_ERROR_CODE);
	f->has_gva = true;
	f->in_walk = false;
}

/* Exit qualification of an EPT violation: SDM vol. 3, table 28-7. */
#define EPT_Q_WRITE	     BIT(1)
#define EPT_Q_FETCH	     BIT(2)
#define EPT_Q_PRESENT	     (BIT(3) | BIT(4) | BIT(5)) /* what the entries allow: R, W, X */
#define EPT_Q_GVA_VALID	     BIT(7)
#define EPT_Q_GVA_TRANSLATED BIT(8)

/**
 * cpu_exit_nested() - the fault behind EXIT_NESTED
 * @v: the vCPU, loaded
 * @f: filled in
 */
void cpu_exit_nested(struct vcpu *v, struct paging_fault *f)
{
	u64 q = vmcs_readl(EXIT_QUALIFICATION);

	common_fault(f);
	f->gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	f->has_gva = q & EPT_Q_GVA_VALID;
	f->gva = f->has_gva ? vmcs_readl(GUEST_LINEAR_ADDRESS) : 0;
	f->in_walk = f->has_gva && !(q & EPT_Q_GVA_TRANSLATED);
	f->code = (q & EPT_Q_WRITE ? PF_W : 0) | (q & EPT_Q_FETCH ? PF_I : 0) |
		  (q & EPT_Q_PRESENT ? PF_P : 0) | (f->cpl == 3 ? PF_U : 0);
}

union exit_cr cpu_exit_cr(struct vcpu *v)
{
	return (union exit_cr){ .word = vmcs_readl(EXIT_QUALIFICATION) };
}

void cpu_exit_dr(struct vcpu *v, struct exit_dr *x)
{
	/* SDM vol. 3, table 28-4. */
	u64 q = vmcs_readl(EXIT_QUALIFICATION);

	x->dr = q & DEBUG_REG_ACCESS_NUM;
	x->read = q & DEBUG_REG_ACCESS_TYPE;
	x->gpr = DEBUG_REG_ACCESS_REG(q);
}

gva_t cpu_exit_invlpg(struct vcpu *v)
{
	return vmcs_readl(EXIT_QUALIFICATION);
}

/**
 * cpu_exit_invpcid() - the operands of INVPCID
 * @v: the vCPU, loaded
 * @x: filled in
 *
 * Return: false when the descriptor's address is not canonical.
 */
bool cpu_exit_invpcid(struct vcpu *v, struct exit_invpcid *x)
{
	/* SDM vol. 3, table 28-13. */
	u32 info = vmcs_read32(VMX_INSTRUCTION_INFO);
	unsigned int segment = (info >> 15) & 7;
	u64 address = vmcs_readl(EXIT_QUALIFICATION);

	if (!(info & BIT(27)))
		address += cpu_gpr(v, (info >> 23) & 15);
	if (!(info & BIT(22)))
		address += cpu_gpr(v, (info >> 18) & 15) << (info & 3);
	if (((info >> 7) & 7) == 1)
		address = (u32)address;
	if (segment == SEG_FS || segment == SEG_GS)
		address += vmcs_read_raw(vmcs_segment(GUEST_ES_BASE, segment));
	x->gpr = info >> 28;
	x->gva = address;
	return state_canonical(address);
}

void cpu_exit_io(struct vcpu *v, struct exit_io *x)
{
	/* SDM vol. 3, table 28-5. */
	u64 q = vmcs_readl(EXIT_QUALIFICATION);

	x->port = q >> 16;
	x->size = (q & 7) + 1;
	x->in = q & BIT(3);
	x->string = q & BIT(4);
	x->rep = q & BIT(5);
	if (x->string) {
		x->gva = vmcs_readl(GUEST_LINEAR_ADDRESS);
		x->wide =
			cpu_in_long_mode(v) && ((vmcs_read32(VMX_INSTRUCTION_INFO) >> 7) & 7) == 2;
	}
}

/**
 * cpu_exit_exception() - the exception behind EXIT_EXCEPTION, ready to be given back
 * @v: the vCPU, loaded
 * @event: EVENT_* word
 * @code: its error code
 * @dr6: bits to set in DR6, for #DB
 */
void cpu_exit_exception(struct vcpu *v, u32 *event, u32 *code, u64 *dr6)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);

	*event = info & (EVENT_VECTOR | EVENT_TYPE | EVENT_CODE | EVENT_VALID);
	*code = info & EVENT_CODE ? vmcs_read32(VM_EXIT_INTR_ERROR_CODE) : 0;
	*dr6 = (info & INTR_INFO_VECTOR_MASK) == X86_TRAP_DB ? vmcs_readl(EXIT_QUALIFICATION) : 0;
	/* INT1 and INT3 are delivered as the instructions that they are. */
	v->event_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

/**
 * cpu_reason_name() - what the vendor calls an exit reason
 * @reason: its number
 *
 * Return: a name, "" for one that has none.
 */
const char *cpu_reason_name(unsigned int reason)
{
	static const struct {
		unsigned int reason;
		const char *name;
	} names[] = { VMX_EXIT_REASONS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].reason == reason)
			return names[i].name;
	return "";
}

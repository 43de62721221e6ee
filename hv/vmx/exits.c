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

/* Reasons that are not here cannot happen with our controls: EXIT_UNKNOWN. */
static const u8 kind_of_reason[PENUMBRA_MAX_EXIT_REASONS] = {
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
	[EXIT_REASON_EPT_VIOLATION] = EXIT_NESTED,
	[EXIT_REASON_EPT_MISCONFIG] = EXIT_NESTED_BAD,
	[EXIT_REASON_INVEPT] = EXIT_UD,
	[EXIT_REASON_PREEMPTION_TIMER] = EXIT_INTERRUPT,
	[EXIT_REASON_INVVPID] = EXIT_UD,
	[EXIT_REASON_WBINVD] = EXIT_NOP,
	[EXIT_REASON_XSETBV] = EXIT_UD,
	[EXIT_REASON_INVPCID] = EXIT_INVPCID,
	[EXIT_REASON_VMFUNC] = EXIT_UD,
	[EXIT_REASON_ENCLS] = EXIT_UD,
};

/* Reason 0 is every exception, and the NMI. */
static unsigned int kind_of_exception(void)
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

/**
 * cpu_flush() - perform the flushes that the paging mode owes
 * @v: the vCPU, inside a burst
 *
 * Without a VPID every entry drops all that is tagged with linear addresses (SDM vol. 3,
 * 29.4.3.1), but never what is cached from EPT alone.
 */
void cpu_flush(struct vcpu *v)
{
	struct counters *c = v->pv.pg->count;
	u32 flush = v->pv.flush;

	v->pv.flush = 0;
	if ((flush & FLUSH_NESTED) && v->hw.nested) {
		vmx_invept(v->pv.eptp);
		count(c, flush_host_invept);
	}
	if (!v->hw.vpid || !(flush & (FLUSH_ADDR | FLUSH_CONTEXT)))
		return;
	if ((flush & FLUSH_CONTEXT) || !vmx_config.invvpid_address) {
		vmx_invvpid(v->hw.vpid, false, 0);
		count(c, flush_host_invvpid_context);
	} else {
		vmx_invvpid(v->hw.vpid, true, v->pv.flush_gva);
		count(c, flush_host_invvpid_addr);
	}
}

static noinline void inject(struct vcpu *v)
{
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, v->event);
	if (v->event & EVENT_CODE)
		vmcs_write32(VM_ENTRY_EXCEPTION_ERROR_CODE, v->event_code);
	vmcs_write32(VM_ENTRY_INSTRUCTION_LEN, v->event_len);
	v->event = 0;
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

static noinline void set_step(struct vcpu *v)
{
	v->hw.stepping = v->pv.step;
	if (v->hw.stepping)
		v->hw.primary |= CPU_BASED_MONITOR_TRAP_FLAG;
	else
		v->hw.primary &= ~CPU_BASED_MONITOR_TRAP_FLAG;
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, v->hw.primary);
}

/* SSP's base-address buffer has changed: let its values pass, or none while it is off. */
static noinline void set_cr3_targets(struct vcpu *v)
{
	const struct paging_vcpu *pv = &v->pv;
	u32 n = 0;

	v->hw.share_gen = pv->share_gen;
	while (pv->share_on && n < vmx_config.cr3_targets && pv->share.slot[n].cr3) {
		vmcs_write_raw(CR3_TARGET_VALUE0 + 2 * n, pv->share.slot[n].load);
		n++;
	}
	vmcs_write32(CR3_TARGET_COUNT, n);
}

/* The guest may have loaded one of its shared roots without an exit. */
static noinline bool find_root(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	u64 cr3 = vmcs_readl(GUEST_CR3);

	return v->hw.nested || cr3 == pv->hw_cr3 || pv->pg->ops->adopt_root(pv, cr3);
}

/* The entry itself failed, or its reason is one that we have no name for. */
static noinline unsigned int odd_exit(struct vcpu *v, bool entered)
{
	v->vm->odd_exits++;
	if (!entered) {
		v->hw.entry_error = vmcs_read32(VM_INSTRUCTION_ERROR);
		v->hw.reason = 0;
		return EXIT_ENTRY_FAILED;
	}
	v->hw.entry_error = 0;
	if ((u16)v->hw.reason == EXIT_REASON_MCE_DURING_VMENTRY)
		return EXIT_MACHINE_CHECK;
	return v->hw.reason & VMX_EXIT_REASONS_FAILED_VMENTRY ? EXIT_ENTRY_FAILED : EXIT_UNKNOWN;
}

static inline unsigned int kind_of(unsigned long reason)
{
	return reason == EXIT_REASON_EXCEPTION_NMI ? kind_of_exception() : kind_of_reason[reason];
}

/* What only some exits need; by itself, so that the others save no registers for it. */
static noinline unsigned int more_of_exit(struct vcpu *v, u32 reason, u32 vectoring)
{
	if (v->pv.share_on && !find_root(v))
		return EXIT_UNKNOWN;
	if (vectoring & VECTORING_INFO_VALID_MASK)
		requeue(v, vectoring);
	return kind_of(reason);
}

/**
 * cpu_enter() - run the guest until its next exit
 * @v: the vCPU, inside a burst, its paging ready
 *
 * Return: enum exit_kind.
 */
unsigned int cpu_enter(struct vcpu *v)
{
	/* As wide as a register: VMREAD clears what its field does not have. */
	unsigned long reason, vectoring;

	if (unlikely(v->event))
		inject(v);
	if (unlikely(v->pv.step != v->hw.stepping))
		set_step(v);
	if (unlikely(v->pv.share_gen != v->hw.share_gen))
		set_cr3_targets(v);
	if (unlikely(vmx_enter(v)))
		return odd_exit(v, false);
	reason = vmcs_read_raw(vmcs_field(VM_EXIT_REASON, VMCS_WIDTH_32));
	v->hw.reason = reason;
	if (unlikely(reason >= PENUMBRA_MAX_EXIT_REASONS))
		return odd_exit(v, true);
	v->hw.launched = 1;
	v->vm->by_reason[reason]++;
	vectoring = vmcs_read_raw(vmcs_field(IDT_VECTORING_INFO_FIELD, VMCS_WIDTH_32));
	if (unlikely(v->pv.share_on || (vectoring & VECTORING_INFO_VALID_MASK)))
		return more_of_exit(v, reason, vectoring);
	return kind_of(reason);
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
	f->ac = vmcs_readl(GUEST_RFLAGS) & X86_EFLAGS_AC;
	f->rip = vmcs_readl(GUEST_RIP);
}

/**
 * cpu_exit_fault() - the fault behind EXIT_PF or EXIT_NESTED
 * @v: the vCPU, loaded
 * @kind: which of them
 * @f: filled in
 */
void cpu_exit_fault(struct vcpu *v, unsigned int kind, struct paging_fault *f)
{
	u64 q = vmcs_readl(EXIT_QUALIFICATION);

	common_fault(f);
	if (kind == EXIT_PF) {
		f->gva = q;
		f->gpa = 0;
		f->code = vmcs_read32(VM_EXIT_INTR_ERROR_CODE);
		f->has_gva = true;
		return;
	}
	/* SDM vol. 3, table 28-7. */
	f->gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	f->has_gva = q & BIT(EPT_VIOLATION_GVA_IS_VALID_BIT);
	f->gva = f->has_gva ? vmcs_readl(GUEST_LINEAR_ADDRESS) : 0;
	f->in_walk = f->has_gva && !(q & BIT(EPT_VIOLATION_GVA_TRANSLATED_BIT));
	f->code = (q & BIT(EPT_VIOLATION_ACC_WRITE_BIT) ? PF_W : 0) |
		  (q & BIT(EPT_VIOLATION_ACC_INSTR_BIT) ? PF_I : 0) |
		  ((q >> EPT_VIOLATION_RWX_SHIFT) & 7 ? PF_P : 0) | (f->cpl == 3 ? PF_U : 0);
}

void cpu_exit_cr(struct vcpu *v, struct exit_cr *x)
{
	/* SDM vol. 3, table 28-3. */
	u64 q = vmcs_readl(EXIT_QUALIFICATION);

	x->cr = q & CONTROL_REG_ACCESS_NUM;
	x->op = (q >> 4) & 3;
	x->gpr = (q >> 8) & 15;
	x->value = q >> LMSW_SOURCE_DATA_SHIFT;
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

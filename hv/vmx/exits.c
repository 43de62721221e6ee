// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM exit in plain data. Details are read when a handler asks, so an exit pays for what it needs.
 */
#include <linux/string.h>
#include <asm/trapnr.h>

#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

/**
 * cpu_exit_qualification() - what hardware says of an exit, by its reason; for people
 * @v: the vCPU, loaded
 */
u64 cpu_exit_qualification(struct vcpu *v)
{
	return vmcs_readl(EXIT_QUALIFICATION);
}

/**
 * cpu_entry_failure() - for KVM_EXIT_FAIL_ENTRY: the reason, or the VM-instruction error
 * @v: the vCPU, after EXIT_ENTRY_FAILED
 */
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

/**
 * cpu_exit_cr() - the access behind EXIT_CR
 * @v: the vCPU, loaded
 */
union exit_cr cpu_exit_cr(struct vcpu *v)
{
	return (union exit_cr){ .word = vmcs_readl(EXIT_QUALIFICATION) };
}

/**
 * cpu_exit_dr() - the access behind EXIT_DR
 * @v: the vCPU, loaded
 * @x: filled in
 */
void cpu_exit_dr(struct vcpu *v, struct exit_dr *x)
{
	/* SDM vol. 3, table 28-4. */
	u64 q = vmcs_readl(EXIT_QUALIFICATION);

	x->dr = q & DEBUG_REG_ACCESS_NUM;
	x->read = q & DEBUG_REG_ACCESS_TYPE;
	x->gpr = DEBUG_REG_ACCESS_REG(q);
}

/**
 * cpu_exit_invlpg() - the address of INVLPG
 * @v: the vCPU, loaded
 */
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

/**
 * cpu_exit_io() - the access behind EXIT_IO
 * @v: the vCPU, loaded
 * @x: filled in
 */
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

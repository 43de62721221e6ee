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

u64 vmx_exit_detail(struct vcpu *v)
{
	return vmcs_readl(EXIT_QUALIFICATION);
}

unsigned int vmx_exit_reason(struct vcpu *v)
{
	return to_vmx(v)->reason;
}

u64 vmx_entry_failure(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	return vmx->entry_error ? vmx->entry_error : vmx->reason;
}

static void common_fault(struct paging_fault *f)
{
	f->cpl = VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES));
	f->rflags = vmcs_readl(GUEST_RFLAGS);
	f->ac = f->rflags & X86_EFLAGS_AC;
	f->rip = vmcs_readl(GUEST_RIP);
}

void vmx_exit_pf(struct vcpu *v, struct paging_fault *f)
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

void vmx_exit_nested(struct vcpu *v, struct paging_fault *f)
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

/* SDM vol. 3, table 28-3: the seam's word is laid out alike, so this costs nothing. */
u32 vmx_exit_cr(struct vcpu *v)
{
	return vmcs_readl(EXIT_QUALIFICATION);
}

void vmx_exit_dr(struct vcpu *v, struct exit_dr *x)
{
	/* SDM vol. 3, table 28-4. */
	u64 q = vmcs_readl(EXIT_QUALIFICATION);

	x->dr = q & DEBUG_REG_ACCESS_NUM;
	x->read = q & DEBUG_REG_ACCESS_TYPE;
	x->gpr = DEBUG_REG_ACCESS_REG(q);
}

gva_t vmx_exit_invlpg(struct vcpu *v)
{
	return vmcs_readl(EXIT_QUALIFICATION);
}

bool vmx_exit_invpcid(struct vcpu *v, struct exit_invpcid *x)
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

void vmx_exit_io(struct vcpu *v, struct exit_io *x)
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
			vmx_in_long_mode(v) && ((vmcs_read32(VMX_INSTRUCTION_INFO) >> 7) & 7) == 2;
	}
}

void vmx_exit_exception(struct vcpu *v, u32 *event, u32 *code, u64 *dr6)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);

	*event = info & (EVENT_VECTOR | EVENT_TYPE | EVENT_CODE | EVENT_VALID);
	*code = info & EVENT_CODE ? vmcs_read32(VM_EXIT_INTR_ERROR_CODE) : 0;
	*dr6 = (info & INTR_INFO_VECTOR_MASK) == X86_TRAP_DB ? vmcs_readl(EXIT_QUALIFICATION) : 0;
	/* INT1 and INT3 are delivered as the instructions that they are. */
	v->event_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

const char *vmx_reason_name(unsigned int reason)
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

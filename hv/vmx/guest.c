// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's registers as the VMCS holds them, in KVM's structures and back.
 *
 * Every function here needs the vCPU loaded (hv/cpu.h). Values come in checked: hv/state.c.
 */
#include <linux/kvm.h>
#include <asm/debugreg.h>
#include <asm/msr.h>

#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

u64 vmx_rip(struct vcpu *v)
{
	return vmcs_readl(GUEST_RIP);
}

/*
 * An instruction was carried out that something hangs on: the blocking by STI or MOV SS before it
 * ends, and single-stepping raises #DB after it, whoever carried it out.
 */
static noinline void end_instruction(void)
{
	u32 blocked = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);

	vmcs_write32(GUEST_INTERRUPTIBILITY_INFO,
		     blocked & ~(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
	if (vmcs_readl(GUEST_RFLAGS) & X86_EFLAGS_TF)
		vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS,
			    vmcs_readl(GUEST_PENDING_DBG_EXCEPTIONS) | DR_STEP);
}

/* TF or a blocking by STI or MOV SS: one test of both, for nearly always there is neither. */
static inline bool something_hangs_on(u64 rflags)
{
	return ((rflags & X86_EFLAGS_TF) | (vmcs_read32(GUEST_INTERRUPTIBILITY_INFO) &
					    (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))) != 0;
}

unsigned int vmx_skip(struct vcpu *v)
{
	/* VMREAD clears the upper half by itself. */
	unsigned long length = vmcs_read_raw(vmcs_field(VM_EXIT_INSTRUCTION_LEN, VMCS_WIDTH_32));

	vmcs_write_sure(GUEST_RIP, vmcs_readl(GUEST_RIP) + length);
	if (unlikely(something_hangs_on(vmcs_readl(GUEST_RFLAGS))))
		end_instruction();
	return NEXT_ENTER;
}

unsigned int vmx_skip_fault(struct vcpu *v, const struct paging_fault *f, unsigned int length)
{
	vmcs_write_sure(GUEST_RIP, f->rip + length);
	/* Set by the fault, so that an instruction breakpoint does not hit twice: SDM vol. 3, 28.3.3. */
	if (f->rflags & X86_EFLAGS_RF)
		vmcs_write_sure(GUEST_RFLAGS, f->rflags & ~X86_EFLAGS_RF);
	if (unlikely(something_hangs_on(f->rflags)))
		end_instruction();
	return NEXT_ENTER;
}

bool vmx_in_long_mode(struct vcpu *v)
{
	return vmcs_read32(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
}

unsigned int vmx_cpl(struct vcpu *v)
{
	return VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES));
}

u64 vmx_rsp(struct vcpu *v)
{
	return vmcs_readl(GUEST_RSP);
}

void vmx_set_gpr(struct vcpu *v, unsigned int reg, u64 value)
{
	if (unlikely(reg == 4))
		vmcs_writel(GUEST_RSP, value);
	else
		v->regs.gpr[reg] = value;
}

void vmx_fill_regs(struct vcpu *v)
{
	v->regs.gpr[4] = vmcs_readl(GUEST_RSP);
	v->regs.rip = vmcs_readl(GUEST_RIP);
	v->regs.rflags = vmcs_readl(GUEST_RFLAGS);
	v->regs.fs_base = vmcs_readl(GUEST_FS_BASE);
	v->regs.gs_base = vmcs_readl(GUEST_GS_BASE);
	v->regs.long_mode = vmx_in_long_mode(v);
	v->regs.cpl = VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES));
}

void vmx_use_regs(struct vcpu *v)
{
	vmcs_write_sure(GUEST_RSP, v->regs.gpr[4]);
	vmcs_write_sure(GUEST_RIP, v->regs.rip);
	vmcs_write_sure(GUEST_RFLAGS, v->regs.rflags);
	if (unlikely(something_hangs_on(v->regs.rflags)))
		end_instruction();
}

void vmx_sync_crs(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	struct paging_vcpu *pv = &v->pv;

	pv->cr0 = (pv->cr0 & ~vmx->cr0_owned) | (vmcs_readl(GUEST_CR0) & vmx->cr0_owned);
	pv->cr4 = (pv->cr4 & ~vmx->cr4_owned) | (vmcs_readl(GUEST_CR4) & vmx->cr4_owned);
	if (vmx->nested)
		pv->cr3 = vmcs_readl(GUEST_CR3);
}

/*
 * Hardware sees more: bits that VMX insists on (SDM vol. 3, A.7 and A.8), machine checks enabled,
 * caches on whatever the guest says; CR0.WP in a mode that shadows, and EFER.NXE, without which a
 * fault does not tell a fetch from a read (SDM vol. 3, 4.7).
 */
void vmx_update_crs(struct vcpu *v)
{
	const struct paging_vcpu *pv = &v->pv;
	u64 cr0 = pv->cr0 & ~(X86_CR0_CD | X86_CR0_NW);
	u64 cr4 = pv->cr4 | X86_CR4_MCE;
	u64 efer = pv->efer;

	if (pv->pg->ops->traps & TRAP_MODE) {
		cr0 |= X86_CR0_WP;
		efer |= EFER_NX;
	}
	cr0 = (cr0 | vmx_config.cr0_fixed0) & vmx_config.cr0_fixed1;
	cr4 = (cr4 | vmx_config.cr4_fixed0) & vmx_config.cr4_fixed1;
	vmcs_writel(GUEST_CR0, cr0);
	vmcs_writel(CR0_READ_SHADOW, pv->cr0);
	vmcs_writel(GUEST_CR4, cr4);
	vmcs_writel(CR4_READ_SHADOW, pv->cr4);
	vmcs_write64(GUEST_IA32_EFER, efer);
}

void vmx_update_root(struct vcpu *v)
{
	if (to_vmx(v)->nested)
		vmcs_write64(EPT_POINTER, v->pv.nested_root);
	vmcs_write_sure(GUEST_CR3, v->pv.hw_cr3);
}

static void get_segment(struct kvm_segment *s, enum vmcs_segment i)
{
	u32 ar = vmcs_read_raw(vmcs_segment(GUEST_ES_AR_BYTES, i));

	*s = (struct kvm_segment){
		.base = vmcs_read_raw(vmcs_segment(GUEST_ES_BASE, i)),
		.limit = vmcs_read_raw(vmcs_segment(GUEST_ES_LIMIT, i)),
		.selector = vmcs_read_raw(vmcs_segment(GUEST_ES_SELECTOR, i)),
		.type = ar & VMX_AR_TYPE_MASK,
		.s = !!(ar & VMX_AR_S_MASK),
		.dpl = VMX_AR_DPL(ar),
		.present = !!(ar & VMX_AR_P_MASK) && !(ar & VMX_AR_UNUSABLE_MASK),
		.avl = !!(ar & BIT(12)),
		.l = !!(ar & VMX_AR_L_MASK),
		.db = !!(ar & VMX_AR_DB_MASK),
		.g = !!(ar & VMX_AR_G_MASK),
		.unusable = !!(ar & VMX_AR_UNUSABLE_MASK),
	};
}

static void set_segment(const struct kvm_segment *s, enum vmcs_segment i)
{
	u32 ar = VMX_AR_UNUSABLE_MASK;

	if (!s->unusable && s->present)
		ar = (s->type & 15) | (s->s & 1) << 4 | (s->dpl & 3) << 5 | VMX_AR_P_MASK |
		     (s->avl & 1) << 12 | (s->l & 1) << 13 | (s->db & 1) << 14 | (s->g & 1) << 15;
	vmcs_write_raw(vmcs_segment(GUEST_ES_BASE, i), s->base);
	vmcs_write_raw(vmcs_segment(GUEST_ES_LIMIT, i), s->limit);
	vmcs_write_raw(vmcs_segment(GUEST_ES_SELECTOR, i), s->selector);
	vmcs_write_raw(vmcs_segment(GUEST_ES_AR_BYTES, i), ar);
}

void vmx_get_sregs(struct vcpu *v, struct kvm_sregs *s)
{
	get_segment(&s->es, SEG_ES);
	get_segment(&s->cs, SEG_CS);
	get_segment(&s->ss, SEG_SS);
	get_segment(&s->ds, SEG_DS);
	get_segment(&s->fs, SEG_FS);
	get_segment(&s->gs, SEG_GS);
	get_segment(&s->ldt, SEG_LDTR);
	get_segment(&s->tr, SEG_TR);
	s->gdt.base = vmcs_readl(GUEST_GDTR_BASE);
	s->gdt.limit = vmcs_read32(GUEST_GDTR_LIMIT);
	s->idt.base = vmcs_readl(GUEST_IDTR_BASE);
	s->idt.limit = vmcs_read32(GUEST_IDTR_LIMIT);
	vmx_sync_crs(v);
}

void vmx_set_sregs(struct vcpu *v, const struct kvm_sregs *s)
{
	set_segment(&s->es, SEG_ES);
	set_segment(&s->cs, SEG_CS);
	set_segment(&s->ss, SEG_SS);
	set_segment(&s->ds, SEG_DS);
	set_segment(&s->fs, SEG_FS);
	set_segment(&s->gs, SEG_GS);
	set_segment(&s->ldt, SEG_LDTR);
	set_segment(&s->tr, SEG_TR);
	vmcs_writel(GUEST_GDTR_BASE, s->gdt.base);
	vmcs_write32(GUEST_GDTR_LIMIT, s->gdt.limit);
	vmcs_writel(GUEST_IDTR_BASE, s->idt.base);
	vmcs_write32(GUEST_IDTR_LIMIT, s->idt.limit);
	vmx_update_crs(v);
	if (to_vmx(v)->nested)
		vmcs_writel(GUEST_CR3, v->pv.cr3);
}

void vmx_set_regs(struct vcpu *v)
{
	vmcs_writel(GUEST_RSP, v->regs.gpr[4]);
	vmcs_writel(GUEST_RIP, v->regs.rip);
	vmcs_writel(GUEST_RFLAGS, v->regs.rflags);
	vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, 0);
	/* A VM entry with TF set and nothing blocked wants no pending step here. */
	vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
}

u64 vmx_guest_dr7(struct vcpu *v)
{
	return vmcs_readl(GUEST_DR7);
}

void vmx_set_guest_dr7(struct vcpu *v, u64 value)
{
	vmcs_writel(GUEST_DR7, value);
	if (value & (DR_GLOBAL_ENABLE_MASK | DR_LOCAL_ENABLE_MASK))
		vmx_load_debug_registers(v);
}

u64 vmx_get_msr(struct vcpu *v, u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
		return vmcs_readl(GUEST_FS_BASE);
	case MSR_GS_BASE:
		return vmcs_readl(GUEST_GS_BASE);
	case MSR_IA32_SYSENTER_CS:
		return vmcs_read32(GUEST_SYSENTER_CS);
	case MSR_IA32_SYSENTER_ESP:
		return vmcs_readl(GUEST_SYSENTER_ESP);
	case MSR_IA32_SYSENTER_EIP:
		return vmcs_readl(GUEST_SYSENTER_EIP);
	}
	return 0;
}

void vmx_set_msr(struct vcpu *v, u32 index, u64 value)
{
	switch (index) {
	case MSR_FS_BASE:
		vmcs_writel(GUEST_FS_BASE, value);
		break;
	case MSR_GS_BASE:
		vmcs_writel(GUEST_GS_BASE, value);
		break;
	case MSR_IA32_SYSENTER_CS:
		vmcs_write32(GUEST_SYSENTER_CS, value);
		break;
	case MSR_IA32_SYSENTER_ESP:
		vmcs_writel(GUEST_SYSENTER_ESP, value);
		break;
	case MSR_IA32_SYSENTER_EIP:
		vmcs_writel(GUEST_SYSENTER_EIP, value);
		break;
	}
}

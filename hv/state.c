// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register state that user space or the guest asks for, checked as the CPU would check it before
 * any of it reaches a control field. Intel SDM vol. 3, 2.5, 4.1 and 27.3.1.
 */
#include <linux/kvm.h>
#include <linux/ratelimit.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "cpu.h"
#include "event.h"
#include "penumbra.h"

#define RFLAGS_KNOWN                                                                       \
	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF |   \
	 X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_OF | X86_EFLAGS_IOPL | \
	 X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_VIF | X86_EFLAGS_VIP | \
	 X86_EFLAGS_ID)

/**
 * state_cr0_valid() - would MOV to CR0 take this value, other than for leaving a mode?
 * @cr0: the value
 */
bool state_cr0_valid(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & X86_CR0_PG) && !(cr0 & X86_CR0_PE))
		return false;
	return !(cr0 & X86_CR0_NW) || (cr0 & X86_CR0_CD);
}

/**
 * state_cr4_valid() - does this value of CR4 keep to what the guest's CPUID offers?
 * @v: the vCPU
 * @cr4: the value
 */
bool state_cr4_valid(const struct vcpu *v, u64 cr4)
{
	return !(cr4 & ~v->cr4_allowed);
}

/**
 * state_efer_valid() - a value of EFER for 64-bit mode
 * @efer: the value, LMA included
 */
bool state_efer_valid(u64 efer)
{
	u64 known = EFER_SCE | EFER_LME | EFER_LMA;

	if (boot_cpu_has(X86_FEATURE_NX))
		known |= EFER_NX;
	return !(efer & ~known) && (efer & EFER_LME) && (efer & EFER_LMA);
}

/**
 * state_reset() - a CPU after reset, SDM vol. 3, 10.1.1: what KVM_GET_SREGS shows of a new vCPU
 * @v: the vCPU, loaded
 */
void state_reset(struct vcpu *v)
{
	const struct kvm_segment data = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	struct kvm_sregs s = {
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.cs = data,
		.tr = { .limit = 0xffff, .type = 11, .present = 1 },
		.ldt = { .limit = 0xffff, .type = 2, .present = 1 },
		.gdt = { .limit = 0xffff },
		.idt = { .limit = 0xffff },
	};

	s.cs.type = 11;
	s.cs.selector = 0xf000;
	s.cs.base = 0xffff0000;
	v->pv.cr0 = X86_CR0_CD | X86_CR0_NW | X86_CR0_ET;
	cpu_set_sregs(v, &s);
	v->regs.rip = 0xfff0;
	v->regs.rflags = X86_EFLAGS_FIXED;
	cpu_set_regs(v);
	cpu_set_guest_dr7(v, BIT(10));
	v->dr6 = DR6_RESERVED;
	v->pat = 0x0007040600070406ULL;
	v->fx.cwd = 0x37f;
	v->fx.mxcsr = 0x1f80;
	v->fx.mxcsr_mask = 0xffff;
}

/* KVM's order of registers is the alphabet's, the instruction set's is another. */
/* clang-format off */
#define FOR_EACH_GPR(X)                                                                            \
	X(rax, 0) X(rcx, 1) X(rdx, 2) X(rbx, 3) X(rsp, 4) X(rbp, 5) X(rsi, 6) X(rdi, 7)            \
	X(r8, 8) X(r9, 9) X(r10, 10) X(r11, 11) X(r12, 12) X(r13, 13) X(r14, 14) X(r15, 15)
/* clang-format on */

/**
 * state_set_regs() - KVM_SET_REGS
 * @v: the vCPU, loaded
 * @r: the registers
 *
 * Return: 0 or -EINVAL.
 */
int state_set_regs(struct vcpu *v, const struct kvm_regs *r)
{
	if (!state_canonical(r->rip) || (r->rflags & ~(RFLAGS_KNOWN | X86_EFLAGS_FIXED)))
		return -EINVAL;
	event_forget_exit(v);
#define TAKE(name, n) v->regs.gpr[n] = r->name;
	FOR_EACH_GPR(TAKE)
#undef TAKE
	v->regs.rip = r->rip;
	v->regs.rflags = r->rflags | X86_EFLAGS_FIXED;
	v->event = 0;
	cpu_set_regs(v);
	return 0;
}

/**
 * state_get_regs() - KVM_GET_REGS
 * @v: the vCPU, loaded
 * @r: filled in
 */
void state_get_regs(struct vcpu *v, struct kvm_regs *r)
{
	cpu_fill_regs(v);
#define GIVE(name, n) r->name = v->regs.gpr[n];
	FOR_EACH_GPR(GIVE)
#undef GIVE
	r->rip = v->regs.rip;
	r->rflags = v->regs.rflags;
}

static const char *sregs_refusal(const struct vcpu *v, const struct kvm_sregs *s)
{
	u64 no_event = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->interrupt_bitmap); i++)
		no_event |= s->interrupt_bitmap[i];
	if (!(s->cr0 & X86_CR0_PE) || !(s->cr0 & X86_CR0_PG) || !(s->cr4 & X86_CR4_PAE) ||
	    !(s->efer & EFER_LME) || !(s->efer & EFER_LMA))
		return "only 64-bit mode with paging is offered: set CR0.PE, CR0.PG, CR4.PAE, "
		       "EFER.LME and EFER.LMA";
	if (!state_cr0_valid(s->cr0) || (s->cr0 & ~CR0_KNOWN))
		return "CR0 has reserved bits set, or PG without PE, or NW without CD";
	if (!state_cr4_valid(v, s->cr4))
		return "CR4 has bits set that the guest's CPUID does not offer";
	if (!state_efer_valid(s->efer))
		return "EFER has reserved bits set";
	if (!state_cr3_valid(v, s->cr3, 0))
		return "CR3 has bits set beyond the physical address width";
	if (s->cr8 > 15)
		return "CR8 is above 15";
	if (!state_canonical(s->fs.base) || !state_canonical(s->gs.base) ||
	    !state_canonical(s->tr.base) || !state_canonical(s->ldt.base) ||
	    !state_canonical(s->gdt.base) || !state_canonical(s->idt.base))
		return "the base of FS, GS, TR, LDTR, GDTR or IDTR is not canonical";
	if (no_event)
		return "a pending interrupt cannot be set: there is no interrupt controller";
	return NULL;
}

/**
 * state_set_sregs() - KVM_SET_SREGS
 * @v: the vCPU, loaded; the VM is locked
 * @s: the registers
 *
 * Return: 0 or -EINVAL.
 */
int state_set_sregs(struct vcpu *v, const struct kvm_sregs *s)
{
	const char *why = sregs_refusal(v, s);
	struct paging_vcpu *pv = &v->pv;

	if (why) {
		pr_info_ratelimited("VM %u: KVM_SET_SREGS refused: %s\n", v->vm->id, why);
		return -EINVAL;
	}
	event_forget_exit(v);
	pv->cr0 = s->cr0 | X86_CR0_ET;
	pv->cr3 = s->cr3;
	pv->cr4 = s->cr4;
	pv->efer = s->efer;
	v->cr2 = s->cr2;
	v->cr8 = s->cr8;
	cpu_set_sregs(v, s);
	/* Drops the old root and all that is cached from it. */
	pv->pg->ops->set_mode(pv);
	v->long_mode = true;
	return 0;
}

/**
 * state_get_sregs() - KVM_GET_SREGS
 * @v: the vCPU, loaded
 * @s: filled in
 */
void state_get_sregs(struct vcpu *v, struct kvm_sregs *s)
{
	memset(s, 0, sizeof(*s));
	cpu_get_sregs(v, s);
	s->cr0 = v->pv.cr0;
	s->cr2 = v->cr2;
	s->cr3 = v->pv.cr3;
	s->cr4 = v->pv.cr4;
	s->cr8 = v->cr8;
	s->efer = v->pv.efer;
	s->apic_base = 0xfee00000 | BIT(8); /* the boot processor, its APIC off */
}

/**
 * state_set_fpu() - KVM_SET_FPU
 * @v: the vCPU
 * @f: x87 and SSE state
 *
 * Return: 0 or -EINVAL.
 */
int state_set_fpu(struct vcpu *v, const struct kvm_fpu *f)
{
	if (f->mxcsr & ~0xffffu) /* FXRSTOR would fault, in our hands */
		return -EINVAL;
	v->fx.cwd = f->fcw;
	v->fx.swd = f->fsw;
	v->fx.twd = f->ftwx;
	v->fx.fop = f->last_opcode;
	v->fx.rip = f->last_ip;
	v->fx.rdp = f->last_dp;
	v->fx.mxcsr = f->mxcsr;
	memcpy(v->fx.st_space, f->fpr, sizeof(f->fpr));
	memcpy(v->fx.xmm_space, f->xmm, sizeof(f->xmm));
	return 0;
}

/**
 * state_get_fpu() - KVM_GET_FPU
 * @v: the vCPU
 * @f: filled in
 */
void state_get_fpu(struct vcpu *v, struct kvm_fpu *f)
{
	memset(f, 0, sizeof(*f));
	f->fcw = v->fx.cwd;
	f->fsw = v->fx.swd;
	f->ftwx = v->fx.twd;
	f->last_opcode = v->fx.fop;
	f->last_ip = v->fx.rip;
	f->last_dp = v->fx.rdp;
	f->mxcsr = v->fx.mxcsr;
	memcpy(f->fpr, v->fx.st_space, sizeof(f->fpr));
	memcpy(f->xmm, v->fx.xmm_space, sizeof(f->xmm));
}

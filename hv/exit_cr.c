// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits of what rules translation and execution: control registers, TLB instructions, debug
 * registers, EFER.
 */
#include <linux/kvm.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "cpu.h"
#include "event.h"
#include "exit.h"
#include "penumbra.h"
#include "mmu/walk.h"

/* ---- control registers ---- */

static bool changes_paging(u64 cr0_diff, u64 cr4_diff, u64 efer_diff)
{
	return (cr0_diff & X86_CR0_WP) ||
	       (cr4_diff & (X86_CR4_PGE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP)) ||
	       (efer_diff & EFER_NX);
}

/* CR0, CR4 and EFER have values that the guest may have: let them rule. */
static void use_mode(struct vcpu *v, u64 cr0, u64 cr4, u64 efer)
{
	struct paging_vcpu *pv = &v->pv;
	bool paging = changes_paging(pv->cr0 ^ cr0, pv->cr4 ^ cr4, pv->efer ^ efer);

	pv->cr0 = cr0;
	pv->cr4 = cr4;
	pv->efer = efer;
	cpu_update_crs(v);
	if (paging) {
		count(counters_of(v), flush_guest_mode);
		pv->pg->ops->set_mode(pv);
	}
}

static enum next set_cr0(struct vcpu *v, u64 value)
{
	struct paging_vcpu *pv = &v->pv;

	count(counters_of(v), exits_mode);
	cpu_sync_crs(v);
	value |= X86_CR0_ET;
	if (!state_cr0_valid(value) || (!(value & X86_CR0_PG) && (pv->cr4 & X86_CR4_PCIDE)))
		return event_gp(v);
	if (!(value & X86_CR0_PG) && cpu_in_long_mode(v))
		return event_gp(v); /* SDM vol. 3, 2.5: not in 64-bit mode */
	if (!(value & X86_CR0_PG))
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				  "the guest leaves long mode, and nothing else is offered", value);
	use_mode(v, value & CR0_KNOWN, pv->cr4, pv->efer);
	return cpu_skip(v);
}

static enum next set_cr4(struct vcpu *v, u64 value)
{
	struct paging_vcpu *pv = &v->pv;

	count(counters_of(v), exits_mode);
	cpu_sync_crs(v);
	if (!state_cr4_valid(v, value) || !(value & X86_CR4_PAE))
		return event_gp(v);
	if ((value & X86_CR4_PCIDE) && !(pv->cr4 & X86_CR4_PCIDE) && (pv->cr3 & 0xfff))
		return event_gp(v);
	use_mode(v, pv->cr0, value, pv->efer);
	return cpu_skip(v);
}

/* A MOV to CR3 that did not come to pass. */
static noinline enum next no_cr3(struct vcpu *v, enum verdict verdict)
{
	if (verdict == VERDICT_REFLECT || verdict == VERDICT_STOP)
		count(counters_of(v), exits_cr3);
	if (verdict == VERDICT_REFLECT)
		return event_gp(v);
	return exit_verdict(v, verdict, &v->result);
}

static enum next set_cr3(struct vcpu *v, u64 value)
{
	struct paging_vcpu *pv = &v->pv;
	enum verdict verdict;
	struct counters *c;

	if (unlikely(pv->share_gpa))
		value = paging_guest_cr3(pv, value);
	if (unlikely(!state_cr3_valid(v, value, pv->cr4)))
		return no_cr3(v, VERDICT_REFLECT);
	verdict = pv->pg->ops->load_cr3(pv, value, &v->result);
	if (unlikely(verdict != VERDICT_RETRY))
		return no_cr3(v, verdict);
	c = counters_of(v);
	count(c, exits_cr3);
	count(c, flush_guest_cr3);
	cpu_update_root(v);
	return cpu_skip(v);
}

/* In a mode that does not trap it: of a guest that may hold a value of the base-address buffer. */
static noinline enum next set_cr3_untrapped(struct vcpu *v, u64 value)
{
	struct paging_vcpu *pv = &v->pv;
	enum next next;

	cpu_sync_crs(v);
	next = set_cr3(v, value);
	if (next == NEXT_ENTER && !(v->event & EVENT_VALID) && pv->withdrawn.slot[0].cr3) {
		pv->withdrawn = (struct shared_roots){};
		cpu_mode_changed(v);
	}
	return next;
}

enum next exit_cr(struct vcpu *v)
{
	union exit_cr x = { .word = cpu_exit_cr(v) };

	if (likely(x.cr == 3 && x.op == CR_WRITE)) {
		if (unlikely(!(v->pv.pg->ops->traps & TRAP_CR3)))
			return set_cr3_untrapped(v, cpu_gpr(v, x.gpr));
		return set_cr3(v, cpu_gpr(v, x.gpr));
	}
	if (x.op == CR_WRITE) {
		u64 value = cpu_gpr(v, x.gpr);

		if (x.cr == 0)
			return set_cr0(v, value);
		if (x.cr == 4)
			return set_cr4(v, value);
		count(counters_of(v), exits_misc);
		if (value & ~15ULL)
			return event_gp(v);
		v->cr8 = value;
		return cpu_skip(v);
	}
	if (x.op == CR_READ) {
		if (x.cr == 3)
			count(counters_of(v), exits_cr3_read);
		else
			count(counters_of(v), exits_misc);
		cpu_set_gpr(v, x.gpr, x.cr == 3 ? v->pv.cr3 : v->cr8);
		return cpu_skip(v);
	}
	cpu_sync_crs(v);
	if (x.op == CR_CLTS)
		return set_cr0(v, v->pv.cr0 & ~X86_CR0_TS);
	/* LMSW can set PE but not clear it. */
	return set_cr0(v, (v->pv.cr0 & ~0xeULL) | (x.value & 0xf));
}

/* ---- TLB instructions ---- */

enum next exit_invlpg(struct vcpu *v)
{
	gva_t gva = cpu_exit_invlpg(v);
	struct counters *c;

	/* For an address that cannot be translated the instruction does nothing. */
	if (likely(state_canonical(gva)))
		v->pv.pg->ops->invlpg(&v->pv, gva);
	c = counters_of(v);
	count(c, exits_invlpg);
	count(c, flush_guest_invlpg);
	return cpu_skip(v);
}

enum next exit_invpcid(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	struct walk_for f = { .set_ad = true };
	struct paging_result res;
	struct exit_invpcid x;
	enum verdict verdict;
	gva_t where;
	u64 type;
	struct {
		u64 pcid;
		u64 gva;
	} desc;

	if (!cpu_exit_invpcid(v, &x))
		goto gp;
	type = cpu_gpr(v, x.gpr);
	if (type > INVPCID_ALL)
		goto gp;
	cpu_sync_crs(v);
	verdict = walk_read(pv, x.gva, &desc, sizeof(desc), &f, &res, &where);
	if (verdict == VERDICT_REFLECT) {
		count(counters_of(v), exits_invpcid);
		return event_pf(v, where, res.code);
	}
	if (verdict == VERDICT_MMIO) {
		count(counters_of(v), exits_invpcid);
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				  "an INVPCID descriptor lies outside guest memory", where);
	}
	if (verdict != VERDICT_RETRY) {
		if (verdict == VERDICT_STOP)
			count(counters_of(v), exits_invpcid);
		return exit_verdict(v, verdict, &res);
	}
	/* SDM vol. 2, INVPCID. */
	if (desc.pcid >> 12)
		goto gp;
	if (type == INVPCID_ADDR && !state_canonical(desc.gva))
		goto gp;
	if (type <= INVPCID_CONTEXT && desc.pcid && !(pv->cr4 & X86_CR4_PCIDE))
		goto gp;
	count(counters_of(v), exits_invpcid);
	count(counters_of(v), flush_guest_invpcid);
	pv->pg->ops->invpcid(pv, type, desc.pcid, desc.gva);
	return cpu_skip(v);
gp:
	count(counters_of(v), exits_invpcid);
	return event_gp(v);
}

/* ---- debug registers ---- */

enum next exit_dr(struct vcpu *v)
{
	struct exit_dr x;
	u64 value;

	count(counters_of(v), exits_misc);
	cpu_exit_dr(v, &x);
	cpu_sync_crs(v);
	if (x.dr == 4 || x.dr == 5) {
		if (v->pv.cr4 & X86_CR4_DE)
			return event_ud(v);
		x.dr += 2;
	}
	if (x.read) {
		value = x.dr < 4 ? v->dr[x.dr] : x.dr == 6 ? v->dr6 : cpu_guest_dr7(v);
		cpu_set_gpr(v, x.gpr, value);
		return cpu_skip(v);
	}
	value = cpu_gpr(v, x.gpr);
	if (x.dr < 4) {
		v->dr[x.dr] = value;
		cpu_set_guest_dr7(v, cpu_guest_dr7(v));
		return cpu_skip(v);
	}
	if (value >> 32)
		return event_gp(v);
	/* Bits that are always one, and those that can be changed: SDM vol. 3, 18.2. */
	if (x.dr == 6)
		v->dr6 = DR6_RESERVED | (value & 0xe00f);
	else
		cpu_set_guest_dr7(v, (value & 0xffff2bff) | BIT(10));
	return cpu_skip(v);
}

/* ---- MSRs ---- */

enum next exit_rdmsr(struct vcpu *v)
{
	u64 value;

	count(counters_of(v), exits_msr);
	if (!msr_read(v, (u32)v->regs.gpr[1], &value))
		return event_gp(v);
	v->regs.gpr[0] = (u32)value;
	v->regs.gpr[2] = value >> 32;
	return cpu_skip(v);
}

static enum next set_efer(struct vcpu *v, u64 value)
{
	struct paging_vcpu *pv = &v->pv;

	count(counters_of(v), exits_mode);
	cpu_sync_crs(v);
	/* LMA is not written; LME cannot change while paging is on. */
	value = (value & ~EFER_LMA) | (pv->efer & EFER_LMA);
	if (!state_efer_valid(value))
		return event_gp(v);
	use_mode(v, pv->cr0, pv->cr4, value);
	return cpu_skip(v);
}

enum next exit_wrmsr(struct vcpu *v)
{
	u32 index = v->regs.gpr[1];
	u64 value = (u32)v->regs.gpr[0] | v->regs.gpr[2] << 32;

	if (index == MSR_EFER)
		return set_efer(v, value);
	count(counters_of(v), exits_msr);
	if (!msr_write(v, index, value))
		return event_gp(v);
	return cpu_skip(v);
}

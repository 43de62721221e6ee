// SPDX-License-Identifier: GPL-2.0-only
/*
 * What to do about each kind of VM exit: a table from kind to handler. A handler turns the exit
 * into calls of the paging mode or of the little device and register emulation there is, and says
 * what the inner loop does next.
 *
 * Handlers run with interrupts off and never sleep. A handler that needs something made where
 * sleeping is allowed returns NEXT_PIN or NEXT_REFILL and is called again for the same exit; so it
 * counts the exit's cause only when it is through with it.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/ratelimit.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "cpu.h"
#include "gtt_dev.h"
#include "penumbra.h"
#include "mmu/walk.h"

static struct counters *counters_of(struct vcpu *v)
{
	return &v->vm->count;
}

/* ---- ends ---- */

/**
 * exit_stop() - the VM cannot go on
 * @v: the vCPU, loaded
 * @suberror: KVM_INTERNAL_ERROR_*
 * @why: a sentence without a full stop
 * @detail: an address or a number that goes with it
 *
 * Return: NEXT_USER.
 */
enum next exit_stop(struct vcpu *v, u32 suberror, const char *why, u64 detail)
{
	u64 rip = cpu_rip(v);

	pr_warn_ratelimited("VM %u stopped: %s (%llx, rip %llx)\n", v->vm->id, why, detail, rip);
	v->run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	v->run->internal.suberror = suberror;
	v->run->internal.ndata = 2;
	v->run->internal.data[0] = detail;
	v->run->internal.data[1] = rip;
	v->stopped = true;
	return NEXT_USER;
}

static enum next to_user(struct vcpu *v, u32 reason)
{
	v->run->exit_reason = reason;
	return NEXT_USER;
}

/* ---- events for the guest ---- */

/* SDM vol. 3, table 6-4. */
static bool is_contributory(u8 vector)
{
	return vector == 0 || (vector >= 10 && vector <= 13);
}

/*
 * Deliver an exception at the next entry. If it was met while another event was being delivered,
 * the two may make a double fault, or end the machine: SDM vol. 3, table 6-5. Otherwise the new
 * one goes first; the old one comes again by itself when its instruction is executed again.
 */
static enum next deliver(struct vcpu *v, u32 event, u32 code)
{
	u8 first = v->event & EVENT_VECTOR, second = event & EVENT_VECTOR;

	if ((v->event & EVENT_VALID) && (v->event & EVENT_TYPE) == EVENT_EXCEPTION) {
		bool bad = is_contributory(second) || second == EXC_PF;

		if (first == EXC_DF && bad)
			return to_user(v, KVM_EXIT_SHUTDOWN);
		if ((is_contributory(first) && is_contributory(second)) ||
		    (first == EXC_PF && bad)) {
			event = EXC_DF | EVENT_EXCEPTION | EVENT_CODE | EVENT_VALID;
			code = 0;
		}
	}
	v->event = event;
	v->event_code = code;
	return NEXT_ENTER;
}

static enum next deliver_gp(struct vcpu *v)
{
	return deliver(v, EXC_GP | EVENT_EXCEPTION | EVENT_CODE | EVENT_VALID, 0);
}

static enum next deliver_ud(struct vcpu *v)
{
	return deliver(v, EXC_UD | EVENT_EXCEPTION | EVENT_VALID, 0);
}

static enum next deliver_pf(struct vcpu *v, gva_t gva, u32 code)
{
	native_write_cr2(gva);
	return deliver(v, EXC_PF | EVENT_EXCEPTION | EVENT_CODE | EVENT_VALID, code);
}

static enum next skip(struct vcpu *v)
{
	return cpu_skip(v);
}

/* ---- what paging asks for ---- */

/* The verdicts that mean the same wherever they come from. */
static enum next common_verdict(struct vcpu *v, enum verdict verdict,
				const struct paging_result *res)
{
	switch (verdict) {
	case VERDICT_RETRY:
		return NEXT_ENTER;
	case VERDICT_PIN:
		v->want_gpa = res->gpa;
		return NEXT_PIN;
	case VERDICT_REFILL:
		return NEXT_REFILL;
	case VERDICT_STOP:
		return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION, res->why, res->gpa);
	default:
		return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				 "the paging mode gave an answer that does not fit its question",
				 verdict);
	}
}

/* Make the paging ready for the vCPU's registers. */
static noinline enum next prepare(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	struct paging_result res = {};
	enum verdict verdict;

	cpu_sync_crs(v);
	verdict = pv->pg->ops->prepare(pv, &res);
	if (verdict == VERDICT_RETRY)
		cpu_update_root(v);
	return common_verdict(v, verdict, &res);
}

/*
 * An interrupt for the host makes the guest exit before its next instruction, but not before an
 * event that is injected, nor before the debug trap which that may leave behind (SDM vol. 3, table
 * 6-2 and 26.2). A guest whose deliveries end in VM exits, such as one with a breakpoint on the
 * stack of its #DB handler, never reaches an instruction, and the host would wait for ever.
 */
static noinline enum next let_host_look(struct vcpu *v)
{
	v->injections = 0;
	if (!cpu_let_interrupts(v))
		return NEXT_NO_CPU;
	return vcpu_host_wants_cpu(v) ? NEXT_BREAK : NEXT_ENTER;
}

/**
 * exit_settle() - do what is owed before the next VM entry, but for flushes
 * @v: the vCPU, inside a burst
 *
 * Return: NEXT_ENTER when nothing is owed any more.
 */
enum next exit_settle(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	enum next next;

	if (unlikely(pv->unready)) {
		next = prepare(v);
		if (next != NEXT_ENTER)
			return next;
	}
	if (pv->flush_gen != pv->pg->flush_gen)
		pv->pg->ops->enter(pv);
	if (unlikely(pv->rearm))
		cpu_rearm(v);
	if (unlikely(v->injections >= INJECTIONS_MAX))
		return let_host_look(v);
	return NEXT_ENTER;
}

/* ---- device memory ---- */

static enum next access_device(struct vcpu *v, gpa_t gpa)
{
	struct kvm_run *run = v->run;

	if (v->event) {
		count(counters_of(v), exits_mmio);
		return exit_stop(v, KVM_INTERNAL_ERROR_DELIVERY_EV,
				 "delivering an event needs memory outside guest memory", gpa);
	}
	if (gtt_dev_claims(v->vm, gpa))
		return gtt_dev_access(v, gpa);
	count(counters_of(v), exits_mmio);
	cpu_sync_crs(v);
	cpu_fill_regs(v);
	if (!emulate_decode_mmio(&v->pv, &v->regs, &v->mmio))
		return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				 "an access outside guest memory is no plain load or store", gpa);
	run->mmio.phys_addr = gpa;
	run->mmio.len = v->mmio.size;
	run->mmio.is_write = v->mmio.write;
	if (v->mmio.write) {
		memcpy(run->mmio.data, &v->mmio.value, sizeof(run->mmio.data));
		v->regs.rip += v->mmio.length;
		cpu_use_regs(v);
	} else {
		v->answer = ANSWER_MMIO_READ;
	}
	return to_user(v, KVM_EXIT_MMIO);
}

/**
 * exit_complete() - user space has answered: finish the instruction that asked
 * @v: the vCPU, loaded
 */
void exit_complete(struct vcpu *v)
{
	enum answer what = v->answer;
	u64 value = 0;

	v->answer = ANSWER_NOTHING;
	if (what == ANSWER_IN) {
		u8 size = v->mmio.size;

		memcpy(&value, v->pio, size);
		if (size < 4)
			value |= v->regs.gpr[0] & ~GENMASK_ULL(size * 8 - 1, 0);
		v->regs.gpr[0] = value;
		cpu_skip(v);
	} else if (what == ANSWER_MMIO_READ) {
		memcpy(&value, v->run->mmio.data, v->mmio.size);
		cpu_fill_regs(v);
		emulate_finish_read(&v->regs, &v->mmio, value);
		cpu_use_regs(v);
	}
}

/* ---- faults ---- */

static enum next write_to_table(struct vcpu *v, const struct paging_fault *f)
{
	struct paging_vcpu *pv = &v->pv;
	unsigned int length;

	if (likely(!v->event && !(f->rflags & X86_EFLAGS_TF) && cpu_in_long_mode(v))) {
		length = emulate_plain_store(pv, v->regs.gpr, f, &v->result);
		if (likely(length))
			return cpu_skip_fault(v, f, length);
	}
	cpu_fill_regs(v);
	/* Met while an event was being delivered, it was the CPU's store to the stack. */
	if (!v->event && emulate_store(pv, &v->regs, f->gva, &v->result) == EMU_DONE)
		cpu_use_regs(v);
	else
		pv->pg->ops->open_window(pv, v->result.gpa >> PAGE_SHIFT, f->rip);
	return NEXT_ENTER;
}

/* What ends a burst, or the VM. */
static noinline enum next odd_fault(struct vcpu *v, enum verdict verdict)
{
	if (verdict == VERDICT_MMIO)
		return access_device(v, v->result.gpa);
	if (verdict == VERDICT_STOP)
		count(counters_of(v), exits_hidden_fault);
	return common_verdict(v, verdict, &v->result);
}

static enum next exit_pf(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	enum verdict verdict;

	cpu_exit_pf(v, &v->fault);
	if (unlikely(pv->window))
		pv->pg->ops->leave(pv, &v->fault);
	verdict = pv->pg->ops->fault(pv, &v->fault, &v->result);
	if (verdict == VERDICT_RETRY) {
		count(counters_of(v), exits_hidden_fault);
		return NEXT_ENTER;
	}
	if (verdict == VERDICT_EMULATE) {
		count(counters_of(v), exits_pt_write);
		return write_to_table(v, &v->fault);
	}
	if (verdict == VERDICT_REFLECT) {
		count(counters_of(v), exits_true_fault);
		return deliver_pf(v, v->fault.gva, v->result.code);
	}
	return odd_fault(v, verdict);
}

/*
 * The guest's tables hold an address that its CPU has not, and the host's has: where that CPU would
 * find a reserved bit, ours finds a second-level table that ends.
 */
static noinline enum next beyond_width(struct vcpu *v)
{
	const struct paging_fault *f = &v->fault;
	struct walk_for want = {
		.gva = f->gva, .code = f->code & (PF_W | PF_U | PF_I), .cpl = f->cpl, .ac = f->ac
	};
	enum verdict verdict;
	struct walk w;

	cpu_sync_crs(v);
	verdict = walk_guest(&v->pv, &want, &w, &v->result);
	if (verdict == VERDICT_RETRY || verdict == VERDICT_REFLECT || verdict == VERDICT_STOP)
		count(counters_of(v), exits_nested);
	if (verdict == VERDICT_REFLECT)
		return deliver_pf(v, f->gva, v->result.code);
	return common_verdict(v, verdict, &v->result);
}

static enum next exit_nested(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	enum verdict verdict;

	cpu_exit_nested(v, &v->fault);
	if (unlikely(pv->window))
		pv->pg->ops->leave(pv, &v->fault);
	verdict = pv->pg->ops->fault(pv, &v->fault, &v->result);
	if (unlikely(verdict == VERDICT_MMIO))
		return access_device(v, v->result.gpa);
	if (unlikely(verdict == VERDICT_REFLECT))
		return beyond_width(v);
	if (verdict == VERDICT_RETRY || verdict == VERDICT_STOP)
		count(counters_of(v), exits_nested);
	return common_verdict(v, verdict, &v->result);
}

static enum next exit_nested_bad(struct vcpu *v)
{
	struct paging_fault f;

	count(counters_of(v), exits_nested);
	cpu_exit_nested(v, &f);
	return exit_stop(v, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
			 "the CPU refuses a second-level table entry of ours", f.gpa);
}

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
		return deliver_gp(v);
	if (!(value & X86_CR0_PG) && cpu_in_long_mode(v))
		return deliver_gp(v); /* SDM vol. 3, 2.5: not in 64-bit mode */
	if (!(value & X86_CR0_PG))
		return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				 "the guest leaves long mode, and nothing else is offered", value);
	use_mode(v, value & CR0_KNOWN, pv->cr4, pv->efer);
	return skip(v);
}

static enum next set_cr4(struct vcpu *v, u64 value)
{
	struct paging_vcpu *pv = &v->pv;

	count(counters_of(v), exits_mode);
	cpu_sync_crs(v);
	if (!state_cr4_valid(v, value) || !(value & X86_CR4_PAE))
		return deliver_gp(v);
	if ((value & X86_CR4_PCIDE) && !(pv->cr4 & X86_CR4_PCIDE) && (pv->cr3 & 0xfff))
		return deliver_gp(v);
	use_mode(v, pv->cr0, value, pv->efer);
	return skip(v);
}

/* A MOV to CR3 that did not come to pass. */
static noinline enum next no_cr3(struct vcpu *v, enum verdict verdict)
{
	if (verdict == VERDICT_REFLECT || verdict == VERDICT_STOP)
		count(counters_of(v), exits_cr3);
	if (verdict == VERDICT_REFLECT)
		return deliver_gp(v);
	return common_verdict(v, verdict, &v->result);
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
	return skip(v);
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

static enum next exit_cr(struct vcpu *v)
{
	union exit_cr x = cpu_exit_cr(v);

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
			return deliver_gp(v);
		v->cr8 = value;
		return skip(v);
	}
	if (x.op == CR_READ) {
		if (x.cr == 3)
			count(counters_of(v), exits_cr3_read);
		else
			count(counters_of(v), exits_misc);
		cpu_set_gpr(v, x.gpr, x.cr == 3 ? v->pv.cr3 : v->cr8);
		return skip(v);
	}
	cpu_sync_crs(v);
	if (x.op == CR_CLTS)
		return set_cr0(v, v->pv.cr0 & ~X86_CR0_TS);
	/* LMSW can set PE but not clear it. */
	return set_cr0(v, (v->pv.cr0 & ~0xeULL) | (x.value & 0xf));
}

static enum next exit_invlpg(struct vcpu *v)
{
	gva_t gva = cpu_exit_invlpg(v);
	struct counters *c;

	/* For an address that cannot be translated the instruction does nothing. */
	if (likely(state_canonical(gva)))
		v->pv.pg->ops->invlpg(&v->pv, gva);
	c = counters_of(v);
	count(c, exits_invlpg);
	count(c, flush_guest_invlpg);
	return skip(v);
}

static enum next exit_invpcid(struct vcpu *v)
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
		return deliver_pf(v, where, res.code);
	}
	if (verdict == VERDICT_MMIO) {
		count(counters_of(v), exits_invpcid);
		return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				 "an INVPCID descriptor lies outside guest memory", where);
	}
	if (verdict != VERDICT_RETRY) {
		if (verdict == VERDICT_STOP)
			count(counters_of(v), exits_invpcid);
		return common_verdict(v, verdict, &res);
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
	return skip(v);
gp:
	count(counters_of(v), exits_invpcid);
	return deliver_gp(v);
}

/* ---- debug registers ---- */

static enum next exit_dr(struct vcpu *v)
{
	struct exit_dr x;
	u64 value;

	count(counters_of(v), exits_misc);
	cpu_exit_dr(v, &x);
	cpu_sync_crs(v);
	if (x.dr == 4 || x.dr == 5) {
		if (v->pv.cr4 & X86_CR4_DE)
			return deliver_ud(v);
		x.dr += 2;
	}
	if (x.read) {
		value = x.dr < 4 ? v->dr[x.dr] : x.dr == 6 ? v->dr6 : cpu_guest_dr7(v);
		cpu_set_gpr(v, x.gpr, value);
		return skip(v);
	}
	value = cpu_gpr(v, x.gpr);
	if (x.dr < 4) {
		v->dr[x.dr] = value;
		cpu_set_guest_dr7(v, cpu_guest_dr7(v));
		return skip(v);
	}
	if (value >> 32)
		return deliver_gp(v);
	/* Bits that are always one, and those that can be changed: SDM vol. 3, 18.2. */
	if (x.dr == 6)
		v->dr6 = DR6_RESERVED | (value & 0xe00f);
	else
		cpu_set_guest_dr7(v, (value & 0xffff2bff) | BIT(10));
	return skip(v);
}

/* ---- MSRs ---- */

static enum next exit_rdmsr(struct vcpu *v)
{
	u64 value;

	count(counters_of(v), exits_msr);
	if (!msr_read(v, (u32)v->regs.gpr[1], &value))
		return deliver_gp(v);
	v->regs.gpr[0] = (u32)value;
	v->regs.gpr[2] = value >> 32;
	return skip(v);
}

static enum next set_efer(struct vcpu *v, u64 value)
{
	struct paging_vcpu *pv = &v->pv;

	count(counters_of(v), exits_mode);
	cpu_sync_crs(v);
	/* LMA is not written; LME cannot change while paging is on. */
	value = (value & ~EFER_LMA) | (pv->efer & EFER_LMA);
	if (!state_efer_valid(value))
		return deliver_gp(v);
	use_mode(v, pv->cr0, pv->cr4, value);
	return skip(v);
}

static enum next exit_wrmsr(struct vcpu *v)
{
	u32 index = v->regs.gpr[1];
	u64 value = (u32)v->regs.gpr[0] | v->regs.gpr[2] << 32;

	if (index == MSR_EFER)
		return set_efer(v, value);
	count(counters_of(v), exits_msr);
	if (!msr_write(v, index, value))
		return deliver_gp(v);
	return skip(v);
}

/* ---- I/O ports ---- */

/*
 * OUTS, one element an exit: the guest executes a repeated one again until its count is used up.
 */
static enum next outs(struct vcpu *v, const struct exit_io *x)
{
	struct walk_for f = { .set_ad = true };
	u64 mask = x->wide ? ~0ULL : 0xffffffff, step;
	struct paging_result res;
	enum verdict verdict;
	gva_t where;

	cpu_sync_crs(v);
	cpu_fill_regs(v);
	if (x->rep && !(v->regs.gpr[1] & mask)) {
		count(counters_of(v), exits_io);
		return skip(v);
	}
	f.cpl = v->regs.cpl;
	f.code = f.cpl == 3 ? PF_U : 0;
	f.ac = v->regs.rflags & X86_EFLAGS_AC;
	verdict = walk_read(&v->pv, x->gva, v->pio, x->size, &f, &res, &where);
	if (verdict == VERDICT_REFLECT) {
		count(counters_of(v), exits_io);
		return deliver_pf(v, where, res.code);
	}
	if (verdict == VERDICT_MMIO) {
		count(counters_of(v), exits_io);
		return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION, "OUTS reads outside guest memory",
				 where);
	}
	if (verdict == VERDICT_RETRY || verdict == VERDICT_STOP)
		count(counters_of(v), exits_io);
	if (verdict != VERDICT_RETRY)
		return common_verdict(v, verdict, &res);
	step = v->regs.rflags & X86_EFLAGS_DF ? -(u64)x->size : x->size;
	v->regs.gpr[6] = (v->regs.gpr[6] + step) & mask;
	if (x->rep)
		v->regs.gpr[1] = (v->regs.gpr[1] - 1) & mask;
	if (!x->rep || !v->regs.gpr[1])
		cpu_skip(v);
	return NEXT_USER;
}

static enum next exit_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct exit_io x;

	cpu_exit_io(v, &x);
	run->io.direction = x.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = x.size;
	run->io.port = x.port;
	run->io.count = 1;
	run->io.data_offset = PAGE_SIZE;
	run->exit_reason = KVM_EXIT_IO;
	if (unlikely(x.string)) {
		if (!x.in)
			return outs(v, &x);
		count(counters_of(v), exits_io);
		return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				 "the guest executed INS, which is not emulated", x.port);
	}
	count(counters_of(v), exits_io);
	if (x.in) {
		v->mmio.size = x.size;
		v->answer = ANSWER_IN;
		return NEXT_USER;
	}
	memcpy(v->pio, &v->regs.gpr[0], sizeof(u32));
	cpu_skip(v);
	return NEXT_USER;
}

/* ---- the rest ---- */

static enum next exit_cpuid(struct vcpu *v)
{
	count(counters_of(v), exits_cpuid);
	cpuid_answer(v);
	return skip(v);
}

static enum next exit_vmcall(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	int err = -KVM_ENOSYS;

	count(counters_of(v), exits_vmcall);
	if (v->regs.gpr[0] == PENUMBRA_HC_SHARE_ROOTS) {
		err = -KVM_EPERM;
		if (!cpu_cpl(v))
			err = pv->pg->ops->share_roots(pv, v->regs.gpr[3]);
	}
	v->regs.gpr[0] = err;
	return skip(v);
}

static enum next exit_hlt(struct vcpu *v)
{
	count(counters_of(v), exits_hlt);
	cpu_skip(v);
	return to_user(v, KVM_EXIT_HLT);
}

/*
 * The only place that looks whether the host wants the CPU: everything that makes it want the CPU
 * while the guest runs comes with an interrupt, and one that comes while the guest does not run
 * makes the next entry exit at once.
 */
static enum next exit_interrupt(struct vcpu *v)
{
	count(counters_of(v), exits_host);
	if (!cpu_let_interrupts(v))
		return NEXT_NO_CPU;
	return unlikely(vcpu_host_wants_cpu(v)) ? NEXT_BREAK : NEXT_ENTER;
}

static enum next exit_nmi(struct vcpu *v)
{
	count(counters_of(v), exits_host);
	cpu_take_nmi(v);
	return NEXT_ENTER;
}

static enum next exit_machine_check(struct vcpu *v)
{
	count(counters_of(v), exits_host);
	if (!cpu_take_machine_check(v))
		return exit_stop(v, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
				 "a machine check, for which this kernel has no handler", 0);
	/* The handler may have left work to this thread: to part with memory that is broken. */
	return NEXT_BREAK;
}

/*
 * Did the guest ask for #AC? Else the host did, which forbids accesses with LOCK that cross a cache
 * line (split_lock_detect=); a guest that knows nothing of that must not see it.
 */
static bool wants_alignment_checks(struct vcpu *v)
{
	cpu_sync_crs(v);
	cpu_fill_regs(v);
	return cpu_cpl(v) == 3 && (v->pv.cr0 & X86_CR0_AM) && (v->regs.rflags & X86_EFLAGS_AC);
}

static enum next exit_exception(struct vcpu *v)
{
	u32 event, code;
	u64 dr6;

	count(counters_of(v), exits_exception);
	cpu_exit_exception(v, &event, &code, &dr6);
	if ((event & EVENT_VECTOR) == EXC_AC && !wants_alignment_checks(v))
		return exit_stop(
			v, KVM_INTERNAL_ERROR_EMULATION,
			"the guest's access with LOCK crosses a cache line, which this "
			"host forbids; split_lock_detect=off on its command line allows it",
			0);
	if ((event & EVENT_VECTOR) == EXC_DB)
		v->dr6 = (v->dr6 & ~0xfULL) | DR6_RESERVED | (dr6 & 0xe00f);
	return deliver(v, event, code);
}

static enum next exit_step(struct vcpu *v)
{
	count(counters_of(v), exits_step);
	return NEXT_ENTER;
}

static enum next exit_nop(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return skip(v);
}

static enum next exit_gp(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return deliver_gp(v);
}

static enum next exit_ud(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return deliver_ud(v);
}

static enum next exit_triple_fault(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return to_user(v, KVM_EXIT_SHUTDOWN);
}

static enum next exit_task_switch(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return exit_stop(v, KVM_INTERNAL_ERROR_EMULATION,
			 "the guest switched tasks by hardware, which is not emulated",
			 cpu_exit_qualification(v));
}

static enum next exit_entry_failed(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	pr_warn_ratelimited("VM %u stopped: the CPU refuses the guest's register state (%llx)\n",
			    v->vm->id, cpu_entry_failure(v));
	v->run->fail_entry.hardware_entry_failure_reason = cpu_entry_failure(v);
	v->run->fail_entry.cpu = smp_processor_id();
	return to_user(v, KVM_EXIT_FAIL_ENTRY);
}

static enum next exit_unknown(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return exit_stop(v, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
			 "a VM exit for a reason that nothing asked for", v->hw.reason);
}

/* No holes: a kind without a handler does not compile into a crash. */
const exit_handler exit_table[EXIT_KINDS] = {
	[EXIT_UNKNOWN] = exit_unknown,
	[EXIT_PF] = exit_pf,
	[EXIT_NESTED] = exit_nested,
	[EXIT_NESTED_BAD] = exit_nested_bad,
	[EXIT_EXCEPTION] = exit_exception,
	[EXIT_MACHINE_CHECK] = exit_machine_check,
	[EXIT_NMI] = exit_nmi,
	[EXIT_INTERRUPT] = exit_interrupt,
	[EXIT_STEP] = exit_step,
	[EXIT_CPUID] = exit_cpuid,
	[EXIT_VMCALL] = exit_vmcall,
	[EXIT_CR] = exit_cr,
	[EXIT_DR] = exit_dr,
	[EXIT_INVLPG] = exit_invlpg,
	[EXIT_INVPCID] = exit_invpcid,
	[EXIT_RDMSR] = exit_rdmsr,
	[EXIT_WRMSR] = exit_wrmsr,
	[EXIT_IO] = exit_io,
	[EXIT_HLT] = exit_hlt,
	[EXIT_NOP] = exit_nop,
	[EXIT_GP] = exit_gp,
	[EXIT_UD] = exit_ud,
	[EXIT_TASK_SWITCH] = exit_task_switch,
	[EXIT_TRIPLE_FAULT] = exit_triple_fault,
	[EXIT_ENTRY_FAILED] = exit_entry_failed,
};

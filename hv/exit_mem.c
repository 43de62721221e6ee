// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits of memory accesses: page faults, second-level violations, stores into guarded tables, device
 * memory.
 */
#include <linux/kvm.h>
#include <asm/processor-flags.h>

#include "cpu.h"
#include "event.h"
#include "exit.h"
#include "gtt_dev.h"
#include "penumbra.h"
#include "mmu/walk.h"

static enum next access_device(struct vcpu *v, gpa_t gpa)
{
	struct kvm_run *run = v->run;

	if (v->event) {
		count(counters_of(v), exits_mmio);
		return event_stop(v, KVM_INTERNAL_ERROR_DELIVERY_EV,
				  "delivering an event needs memory outside guest memory", gpa);
	}
	if (gtt_dev_claims(v->vm, gpa))
		return gtt_dev_access(v, gpa);
	count(counters_of(v), exits_mmio);
	cpu_sync_crs(v);
	cpu_fill_regs(v);
	if (!emulate_decode_mmio(&v->pv, &v->regs, &v->mmio))
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
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
	return event_to_user(v, KVM_EXIT_MMIO);
}

static enum next write_to_table(struct vcpu *v, const struct paging_fault *f)
{
	struct paging_vcpu *pv = &v->pv;
	unsigned int length;

	if (likely(!v->event && !(f->rflags & X86_EFLAGS_TF) && cpu_in_long_mode(v))) {
		length = emulate_plain_store(pv, v->regs.gpr, f, &v->result);
		if (likely(length))
			return cpu_skip_fault(v, f, length);
	}
	pv->dear = true;
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
	return exit_verdict(v, verdict, &v->result);
}

enum next exit_pf(struct vcpu *v)
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
		return event_pf(v, v->fault.gva, v->result.code);
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
		return event_pf(v, f->gva, v->result.code);
	return exit_verdict(v, verdict, &v->result);
}

enum next exit_nested(struct vcpu *v)
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
	return exit_verdict(v, verdict, &v->result);
}

enum next exit_nested_bad(struct vcpu *v)
{
	struct paging_fault f;

	count(counters_of(v), exits_nested);
	cpu_exit_nested(v, &f);
	return event_stop(v, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
			  "the CPU refuses a second-level table entry of ours", f.gpa);
}

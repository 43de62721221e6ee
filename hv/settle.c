// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is owed before the next VM entry, and what a verdict of the paging mode means for the loop.
 */
#include <linux/kvm.h>

#include "cpu.h"
#include "event.h"
#include "exit.h"
#include "penumbra.h"

/**
 * exit_other_verdict() - what exit_verdict() does with those that do not let the guest go on
 * @v: the vCPU, inside a burst
 * @verdict: the paging mode's
 * @res: what came with it
 *
 * Return: what the inner loop does next.
 */
enum next exit_other_verdict(struct vcpu *v, enum verdict verdict, const struct paging_result *res)
{
	switch (verdict) {
	case VERDICT_PIN:
		v->want_gpa = res->gpa;
		return NEXT_PIN;
	case VERDICT_REFILL:
		return NEXT_REFILL;
	case VERDICT_STOP:
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION, res->why, res->gpa);
	default:
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
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
	return exit_verdict(v, verdict, &res);
}

/*
 * An interrupt for the host makes the guest exit before its next instruction, but not before an
 * event that is injected, nor before the debug trap which that may leave behind (SDM vol. 3, table
 * 6-2 and 26.2). A guest whose deliveries end in VM exits, such as one with a breakpoint on the
 * stack of its #DB handler, never reaches an instruction, and the host would wait for ever.
 *
 * And where host interrupts wait for a guest that has its own off (Bochs), only the end of its slice
 * lets them in. That is guest time: one whose every instruction exits, and takes thousands of the
 * host's, could hold the CPU for minutes.
 */
static noinline enum next let_host_look(struct vcpu *v)
{
	if (!cpu_let_interrupts(v))
		return NEXT_NO_CPU;
	vcpu_host_looked(v);
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
	pv->dear = false;
	if (unlikely(v->injections >= INJECTIONS_MAX || (s64)(rdtsc() - v->look_at) > 0))
		return let_host_look(v);
	return NEXT_ENTER;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * How an exit ends otherwise than by going on: an exception for the guest, a question to user space,
 * or the end of the VM.
 */
#include <linux/kvm.h>
#include <linux/ratelimit.h>

#include "cpu.h"
#include "event.h"
#include "penumbra.h"

/**
 * event_stop() - the VM cannot go on
 * @v: the vCPU, loaded
 * @suberror: KVM_INTERNAL_ERROR_*
 * @why: a sentence without a full stop
 * @detail: an address or a number that goes with it
 *
 * Return: NEXT_USER.
 */
enum next event_stop(struct vcpu *v, u32 suberror, const char *why, u64 detail)
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

/**
 * event_forget_exit() - the guest's registers change before its last exit was dealt with
 * @v: the vCPU
 *
 * Its instruction is executed again, or not at all. Its cause will never be known. And what was let
 * through a window for it ends.
 */
void event_forget_exit(struct vcpu *v)
{
	paging_end_window(&v->pv);
	if (v->retry)
		count(&v->vm->count, exits_misc);
	v->retry = 0;
	v->vm->times.ticks = 0;
	v->answer = ANSWER_NOTHING;
}

/* SDM vol. 3, table 6-4. */
static bool is_contributory(u8 vector)
{
	return vector == 0 || (vector >= 10 && vector <= 13);
}

/**
 * event_merge() - an exception was met while another event was being delivered
 * @v: the vCPU; the other event is still to be delivered
 * @event: EVENT_* word of the exception
 * @code: its error code
 *
 * The two may make a double fault, or end the machine: SDM vol. 3, table 6-5. Otherwise the new one
 * goes first; the old one comes again by itself when its instruction is executed again.
 *
 * Return: what the inner loop does next.
 */
enum next event_merge(struct vcpu *v, u32 event, u32 code)
{
	u8 first = v->event & EVENT_VECTOR, second = event & EVENT_VECTOR;

	if ((v->event & EVENT_TYPE) == EVENT_EXCEPTION) {
		bool bad = is_contributory(second) || second == EXC_PF;

		if (first == EXC_DF && bad)
			return event_to_user(v, KVM_EXIT_SHUTDOWN);
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

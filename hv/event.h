/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an exit ends otherwise than by going on. Inline as far as exits that are frequent need it.
 */
#ifndef PENUMBRA_EVENT_H
#define PENUMBRA_EVENT_H

#include "penumbra.h"

enum next event_stop(struct vcpu *v, u32 suberror, const char *why, u64 detail);
enum next event_merge(struct vcpu *v, u32 event, u32 code);
void event_forget_exit(struct vcpu *v);

/**
 * event_to_user() - user space has to act
 * @v: the vCPU
 * @reason: KVM_EXIT_*
 *
 * Return: NEXT_USER.
 */
static inline enum next event_to_user(struct vcpu *v, u32 reason)
{
	v->run->exit_reason = reason;
	return NEXT_USER;
}

/**
 * event_deliver() - deliver an exception at the next entry
 * @v: the vCPU
 * @event: EVENT_* word
 * @code: its error code
 *
 * Return: what the inner loop does next.
 */
static inline enum next event_deliver(struct vcpu *v, u32 event, u32 code)
{
	if (unlikely(v->event & EVENT_VALID))
		return event_merge(v, event, code);
	v->event = event;
	v->event_code = code;
	return NEXT_ENTER;
}

static inline enum next event_gp(struct vcpu *v)
{
	return event_deliver(v, EXC_GP | EVENT_EXCEPTION | EVENT_CODE | EVENT_VALID, 0);
}

static inline enum next event_ud(struct vcpu *v)
{
	return event_deliver(v, EXC_UD | EVENT_EXCEPTION | EVENT_VALID, 0);
}

static inline enum next event_pf(struct vcpu *v, gva_t gva, u32 code)
{
	native_write_cr2(gva);
	return event_deliver(v, EXC_PF | EVENT_EXCEPTION | EVENT_CODE | EVENT_VALID, code);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits while somebody looks on: the tracepoint penumbra_exit, and with exit_times=1 how long their
 * handling takes, by cause.
 *
 * One static key stands for both. While nobody looks on, the inner loop has a no-op for it where
 * otherwise it would call exit_traced(), and no exit pays for anything else in here.
 *
 * A cause is a counter of lib/counters.h, so that these times stand beside those counts: the handler
 * of an exit counts it under exactly one. What is timed is the handler: from after the exit, the guest's
 * registers saved, to the verdict. The way in and out, flushes before the entry, what a burst's end
 * costs, and user space are not in it. The clock is the TSC, which on the emulated host counts
 * instructions.
 *
 * An exit is over when the guest goes on. Where its handler has to wait for a page to be pinned and
 * begins again, its time is the sum of both. One that goes to user space joins when the guest exits
 * the next time: so whoever forgets all at one such exit and reads at another has all exits between
 * them and none of these two.
 */
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <asm/tsc.h>

#include "cpu.h"
#include "penumbra.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

DEFINE_STATIC_KEY_FALSE(exit_tracing);

/* The tracepoint's first listener comes, its last one goes. */
int trace_begin(void)
{
	static_branch_inc(&exit_tracing);
	return 0;
}

void trace_end(void)
{
	static_branch_dec(&exit_tracing);
}

/**
 * trace_times() - module parameter exit_times
 * @on: its new value, which is another than before
 */
void trace_times(bool on)
{
	if (on)
		trace_begin();
	else
		trace_end();
}

/* The counter that the handler has moved; CAUSES: none yet, the exit will be handled again. */
static unsigned int cause_of(const struct vcpu *v, const u64 before[CAUSES])
{
	const u64 *now = &v->vm->count.v[CAUSE_FIRST];
	unsigned int i;

	for (i = 0; i < CAUSES; i++)
		if (now[i] != before[i])
			break;
	return i;
}

static void join(struct exit_time *t, u64 ticks)
{
	t->min = t->exits ? min(t->min, ticks) : ticks;
	t->max = max(t->max, ticks);
	t->sum += ticks;
	t->exits++;
}

/**
 * exit_traced() - handle an exit while somebody looks on
 * @v: the vCPU, inside a burst
 * @kind: enum exit_kind
 *
 * Return: what the run loop does next.
 */
enum next exit_traced(struct vcpu *v, unsigned int kind)
{
	u64 rip = cpu_rip(v), qualification = cpu_exit_detail(v), cr2, begin, ticks;
	struct exit_times *times = &v->vm->times;
	unsigned int reason = cpu_exit_reason(v);
	u64 before[CAUSES];
	enum next next;

	if (times->known) {
		join(&times->of[times->cause], times->ticks);
		times->known = false;
		times->ticks = 0;
	}
	memcpy(before, &v->vm->count.v[CAUSE_FIRST], sizeof(before));
	begin = rdtsc();
	next = exit_table[kind](v);
	ticks = rdtsc() - begin;

	/* From here on VMX may be off on this CPU. */
	if (READ_ONCE(param.exit_times)) {
		times->cause = cause_of(v, before);
		times->known = times->cause < CAUSES;
		times->ticks += ticks;
	}
	cpu_host_code_ran(v);
	cr2 = native_read_cr2(); /* what listens may fault */
	trace_penumbra_exit(v->vm->id, reason, qualification, rip, kind, next, ticks);
	native_write_cr2(cr2);
	return next;
}

/**
 * trace_forget_times() - begin anew: the exits up to now never were
 * @vm: the VM, locked
 */
void trace_forget_times(struct vm *vm)
{
	memset(&vm->times, 0, sizeof(vm->times));
}

/**
 * trace_show_times() - a VM's exits by cause: how many, and ticks of the TSC they took
 * @m: where to; a line each, space-separated, with a line of names
 * @vm: the VM, locked
 */
void trace_show_times(struct seq_file *m, const struct vm *vm)
{
	unsigned int i;

	seq_puts(m, "cause exits ticks_min ticks_mean ticks_max\n");
	for (i = 0; i < CAUSES; i++) {
		const struct exit_time *t = &vm->times.of[i];
		u64 tenths;

		if (!t->exits)
			continue;
		tenths = div64_u64(t->sum * 10 + t->exits / 2, t->exits);
		seq_printf(m, "%s %llu %llu %llu.%llu %llu\n", counter_text[CAUSE_FIRST + i].name,
			   t->exits, t->min, tenths / 10, tenths % 10, t->max);
	}
}

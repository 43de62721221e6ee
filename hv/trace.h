/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One tracepoint per VM exit: events/penumbra/penumbra_exit under tracefs. trace.c.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM penumbra

#if !defined(PENUMBRA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PENUMBRA_TRACE_H

#include <linux/tracepoint.h>

int trace_begin(void);
void trace_end(void);

/* The tracing macros' own layout. */
/* clang-format off */
/* For readers of the raw trace. */
TRACE_DEFINE_ENUM(NEXT_ENTER);
TRACE_DEFINE_ENUM(NEXT_BREAK);
TRACE_DEFINE_ENUM(NEXT_PIN);
TRACE_DEFINE_ENUM(NEXT_REFILL);
TRACE_DEFINE_ENUM(NEXT_AGAIN);
TRACE_DEFINE_ENUM(NEXT_USER);
TRACE_DEFINE_ENUM(NEXT_NO_CPU);

TRACE_EVENT_FN(penumbra_exit,
	TP_PROTO(unsigned int vm, unsigned int reason, u64 qualification, u64 rip,
		 unsigned int kind, unsigned int next, u64 ticks),
	TP_ARGS(vm, reason, qualification, rip, kind, next, ticks),
	TP_STRUCT__entry(
		__field(unsigned int, vm)
		__field(unsigned int, reason)
		__field(u64, qualification)
		__field(u64, rip)
		__field(unsigned int, kind)
		__field(unsigned int, next)
		__field(u64, ticks)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->reason = reason;
		__entry->qualification = qualification;
		__entry->rip = rip;
		__entry->kind = kind;
		__entry->next = next;
		__entry->ticks = ticks;
	),
	TP_printk("vm=%u reason=%u qualification=%llx rip=%llx kind=%u verdict=%s ticks=%llu",
		  __entry->vm, __entry->reason, __entry->qualification, __entry->rip,
		  __entry->kind,
		  __print_symbolic(__entry->next, { NEXT_ENTER, "enter" },
				   { NEXT_BREAK, "break" }, { NEXT_PIN, "pin" },
				   { NEXT_REFILL, "refill" }, { NEXT_AGAIN, "again" },
				   { NEXT_USER, "user" }, { NEXT_NO_CPU, "no-cpu" }),
		  __entry->ticks),
	trace_begin, trace_end
);
/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

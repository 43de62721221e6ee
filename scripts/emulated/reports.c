// SPDX-License-Identifier: GPL-2.0-only
/* The table of a kernel's reports; reports.h says what for. */
#include "reports.h"

#include <string.h>

/*
 * The first row that fits a line is its kind: particular ones stand before general ones.  The signs
 * are those of Linux 6.1 to 7.x.  A report that opens with a banner ("=====") is known by the line
 * after it; one whose first line says nothing ("Object 0x...") by the line that has the words.
 */
const struct report reports[] = {
	{ "panic", "Kernel panic - not syncing" },

	/* Memory */
	{ "KASAN", "BUG: KASAN:" },
	{ "KFENCE", "BUG: KFENCE:" },
	{ "KMSAN", "BUG: KMSAN:" },
	{ "kmemleak", "new suspected memory leaks" },
	{ "kmemleak", "unreferenced object 0x" },
	{ "page state", "BUG: Bad page" },
	{ "page state", "page dumped because:" },
	{ "page poison", "pagealloc: memory corruption" },
	{ "page poison", "pagealloc: single bit error" },
	{ "SLUB", "(Not tainted): " },
	{ "SLUB", "(Tainted: " },
	{ "address space", "BUG: Bad rss-counter" },
	{ "address space", "non-zero pgtables_bytes" },
	{ "list", "list_add corruption" },
	{ "list", "list_add double add" },
	{ "list", "list_del corruption" },
	{ "refcount", "refcount_t:" },
	{ "object", "ODEBUG:" },
	{ "object", "tried to init an initialized object" },
	{ "object", "already present!" },
	{ "object", "cannot create duplicate filename" },
	{ "usercopy", "usercopy: Kernel memory" },
	{ "fortify", "detected buffer overflow" },
	{ "fortify", "field-spanning write" },
	{ "UBSAN", "UBSAN:" },

	/* Locks and what may sleep where */
	{ "KCSAN", "BUG: KCSAN:" },
	{ "lockdep", "WARNING: possible" },
	{ "lockdep", "WARNING: suspicious" },
	{ "lockdep", "WARNING: bad unlock balance" },
	{ "lockdep", "WARNING: inconsistent lock state" },
	{ "lockdep", "WARNING: Nested lock was not taken" },
	{ "lockdep", "WARNING: held lock freed" },
	{ "lockdep", "WARNING: lock held when returning to user space" },
	{ "lockdep", "still has locks held" },
	{ "lockdep", "-safe -> " },
	{ "lockdep", "BUG: Invalid wait context" },
	{ "lockdep", "INFO: trying to register non-static key" },
	{ "lockdep", "DEBUG_LOCKS_WARN_ON" },
	{ "lockdep", "BUG: MAX_LOCK" },
	{ "lockdep", "BUG: spinlock" },
	{ "sleep", "BUG: sleeping function" },
	{ "sleep", "BUG: scheduling while atomic" },
	{ "sleep", "do not call blocking ops when !TASK_RUNNING" },
	{ "preemption", "BUG: using " },
	{ "preemption", "exited with preempt_count" },
	{ "preemption", "exited with irqs disabled" },
	{ "preemption", "softirq work is pending" },

	/* Hangs */
	{ "hang", "blocked for more than" },
	{ "hang", "BUG: soft lockup" },
	{ "hang", "hard LOCKUP" },
	{ "hang", "BUG: workqueue lockup" },
	{ "hang", "rcu: INFO:" },
	{ "hang", "detected stalls on" },
	{ "hang", "self-detected stall" },
	{ "hang", "kthread starved for" },

	/* What the CPU found */
	{ "fault", "general protection fault" },
	{ "fault", "unable to handle" },
	{ "fault", "unchecked MSR access error" },
	{ "fault", "Missing ENDBR" },
	{ "fault", "Oops:" },
	{ "fault", "[#1]" },
	{ "fault", "double fault" },
	{ "fault", "Bad FPU state detected" },
	{ "fault", "corrupted stack end detected" },

	/* BUG and WARN, and all that is new */
	{ "BUG", "kernel BUG at" },
	{ "BUG", "BUG:" },
	{ "WARNING", "WARNING:" },
};

const size_t report_count = sizeof(reports) / sizeof(reports[0]);
_Static_assert(sizeof(reports) / sizeof(reports[0]) <= MAX_REPORTS, "MAX_REPORTS is too small");

/**
 * find_report() - is this line of a kernel's log part of a report?
 * @line: without its newline; what precedes the text (time, caller) does not matter
 *
 * Return: the row that fits, or NULL.
 */
const struct report *find_report(const char *line)
{
	for (size_t i = 0; i < report_count; i++)
		if (strstr(line, reports[i].sign))
			return &reports[i];
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Demand-zero memory: a process touches pages for the first time, and each touch is a true fault, a
 * zeroed frame and a new entry, for which the architecture asks no flush. With frames=fresh the
 * kernel takes frames that nobody has used since boot, so a hypervisor that backs memory on demand
 * pays for that as well ("cold"); with frames=reuse the same frames come back ("warm").
 */
#include "harness/harness.h"

static u64 page, frames;
static struct proc *proc;
static u64 count; /* pages touched by the last body */
static u64 sum;

static const struct param params[] = {
	CHOICE("page", page, 0, "4k|2m", "page size"),
	CHOICE("frames", frames, 0, "reuse|fresh", "frames used before, or never used (cold)"),
	{},
};

#define SPAN (1ul << 30) /* of 4 KiB pages; as many 2 MiB pages would not fit */

static u64 page_size(void)
{
	return page ? LARGE_SIZE : PAGE_SIZE;
}

static user_code void touch(u64 base, u64 pages, u64 step)
{
	u64 total = 0;

	for (u64 i = 0; i < pages; i++) {
		volatile u64 *at = (u64 *)(base + i * step);

		*at = i + 1;
		total += *at;
	}
	sys_exit(total);
}

/* Zeroing 2 MiB takes 512 times as long. */
static u64 default_ops(void)
{
	return page ? 8 : 1000;
}

static void setup(void)
{
	struct mm *mm = mm_new();

	mm_add_region(mm, USER_HEAP, page ? 64 * SPAN : SPAN, PTE_W | PTE_NX, page);
	proc = proc_new(mm, user_entry(touch), 0, 0, 0);
	mm_fresh_frames = frames;
}

static void unmap(void)
{
	mm_unmap(proc->mm, USER_HEAP, count * page_size(), false);
}

static void run(u64 ops)
{
	count = ops;
	proc_restart(proc, user_entry(touch), USER_HEAP, ops, page_size());
	sum = proc_run(proc);
}

/* Every page has its tag and is otherwise zero where it is looked at. */
static bool check(u64 ops, u64 *checksum)
{
	*checksum = mix64(0, sum);
	for (u64 i = 0; i < ops; i++) {
		u64 pa = mm_frame(proc->mm, USER_HEAP + i * page_size());
		u64 *at = (u64 *)pa;

		if (!pa || at[0] != i + 1 || at[1] || at[page_size() / 8 - 1]) {
			printf("guest: fault_in: page %lu is not what was written to it\n", i);
			return false;
		}
		*checksum = mix64(*checksum, at[0]);
	}
	if (sum == ops * (ops + 1) / 2)
		return true;
	printf("guest: fault_in: the process read 0x%lx in sum\n", sum);
	return false;
}

/* The control touches the pages that the body has just mapped: nothing to prepare. */
WORKLOAD(fault_in) = {
	.name = "fault_in",
	.summary = "demand-zero faults of a ring-3 process",
	.params = params,
	.ops = 1000,
	.default_ops = default_ops,
	.ops_max = SPAN / PAGE_SIZE,
	.setup = setup,
	.prepare = unmap,
	.body = run,
	.control = run,
	.check = check,
};

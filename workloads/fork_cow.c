// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fork: the parent's pages become read-only, the child gets tables of its own, each page that the
 * child or afterwards the parent writes faults, and at the child's exit its tables go. An operation
 * is one fork, from the call until the parent owns its pages again.
 */
#include "harness/harness.h"

static u64 pages, share, page;
static struct proc *proc;
static u64 sum;

static const struct param params[] = {
	NUMBER("pages", pages, 256, 1, 65536, "pages that the process has"),
	NUMBER("share", share, 50, 0, 100, "pages in a hundred that the child writes"),
	CHOICE("page", page, 0, "4k|2m", "page size"),
	{},
};

static u64 page_size(void)
{
	return page ? LARGE_SIZE : PAGE_SIZE;
}

/* The pages to write, spread evenly. */
static always_inline bool chosen(u64 i, u64 percent)
{
	return (i + 1) * percent / 100 != i * percent / 100;
}

/* What the child does: write some pages, read all, and see its own writes over the parent's. */
static user_code u64 child(u64 base, u64 many, u64 step, u64 percent, u64 round)
{
	u64 total = 0;

	for (u64 i = 0; i < many; i++) {
		volatile u64 *at = (u64 *)(base + i * step);

		if (chosen(i, percent))
			at[1] += round + i;
		total += at[0] * 3 + at[1];
	}
	return total;
}

/* Packed arguments: the process has three registers for them. */
static user_code void parent(u64 base, u64 many_step_percent, u64 rounds_fork)
{
	u64 many = many_step_percent & 0xffffffff, percent = many_step_percent >> 32 & 0xff;
	u64 step = many_step_percent >> 40;
	u64 rounds = rounds_fork >> 1;
	u64 total = 0;

	for (u64 round = 1; round <= rounds; round++) {
		u64 got;

		if (rounds_fork & 1) {
			if (!syscall(SYS_FORK, 0, 0, 0))
				sys_exit(child(base, many, step, percent, round));
			got = syscall(SYS_WAIT, 0, 0, 0);
		} else {
			got = child(base, many, step, percent, round);
		}
		total = mix64(total, got);
		for (u64 i = 0; i < many; i++) {
			volatile u64 *at = (u64 *)(base + i * step);

			if (chosen(i, percent))
				at[0] += round;
		}
	}
	sys_exit(total);
}

static void start(u64 ops, bool forks)
{
	proc_restart(proc, user_entry(parent), USER_HEAP, pages | share << 32 | page_size() << 40,
		     ops << 1 | forks);
	sum = proc_run(proc);
}

static void setup(void)
{
	struct mm *mm = mm_new();

	need_memory(pages * page_size() * (200 + share) / 100 + 64 * PAGE_SIZE);
	mm_add_region(mm, USER_HEAP, pages * page_size(), PTE_W | PTE_NX, page);
	mm_map_now(mm, USER_HEAP, pages * page_size());
	proc = proc_new(mm, user_entry(parent), 0, 0, 0);
}

static void prepare(void)
{
	/* The parent owns the pages that it writes, its stack too, whoever ran before. */
	start(1, false);
	for (u64 i = 0; i < pages; i++) {
		u64 *at = (u64 *)mm_frame(proc->mm, USER_HEAP + i * page_size());

		at[0] = i * 7 + 1;
		at[1] = 0;
	}
}

static void body(u64 ops)
{
	start(ops, true);
}

static void control(u64 ops)
{
	start(ops, false);
}

/* The same story told without any memory of a process. */
static bool check(u64 ops, u64 *checksum)
{
	u64 expect = 0;

	for (u64 round = 1; round <= ops; round++) {
		u64 total = 0;

		for (u64 i = 0; i < pages; i++) {
			bool hit = chosen(i, share);

			total += (i * 7 + 1 + (hit ? round * (round - 1) / 2 : 0)) * 3;
			total += hit ? round + i : 0;
		}
		expect = mix64(expect, total);
	}
	*checksum = sum;
	if (sum != expect) {
		printf("guest: fork_cow: children saw 0x%lx, should be 0x%lx\n", sum, expect);
		return false;
	}
	for (u64 i = 0; i < pages; i++) {
		u64 *at = (u64 *)mm_frame(proc->mm, USER_HEAP + i * page_size());
		u64 want = i * 7 + 1 + (chosen(i, share) ? ops * (ops + 1) / 2 : 0);

		if (at[0] != want || at[1]) {
			printf("guest: fork_cow: page %lu of the parent has changed\n", i);
			return false;
		}
		*checksum = mix64(*checksum, at[0]);
	}
	return true;
}

WORKLOAD(fork_cow) = {
	.name = "fork_cow",
	.summary = "fork a process, write a share of its pages in the child, exit, wait",
	.params = params,
	.ops = 4,
	.ops_max = 1000000,
	.setup = setup,
	.prepare = prepare,
	.prepare_control = prepare,
	.body = body,
	.control = control,
	.check = check,
};

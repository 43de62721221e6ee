// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random 8-byte updates all over a table: no page-table activity at all, only translations that
 * miss the TLB. Where nested paging pays for its walks of two dimensions.
 */
#include "harness/harness.h"

#define SEED 0x67757073ul

static u64 size, page;
static struct proc *proc;
static u64 sum;

static const struct param params[] = {
	NUMBER("size", size, 16 * MIB, 64 << 10, 1ul << 31, "bytes of the table"),
	CHOICE("page", page, 0, "4k|2m", "page size"),
	{},
};

/*
 * The first pass updates. The second, not measured, repeats the same updates and so undoes them
 * (x ^ r ^ r = x), and the third checks: each entry is its own index again.
 */
static user_code void update(u64 base, u64 entries, u64 ops_pass)
{
	volatile u64 *table = (u64 *)base;
	u64 ops = ops_pass >> 2, state = SEED, total = 0;

	if ((ops_pass & 3) == 2) {
		for (u64 i = 0; i < ops; i++) {
			u64 at = lcg(&state) * entries >> 31;

			if (table[at] != at)
				total++;
		}
	} else {
		for (u64 i = 0; i < ops; i++) {
			u64 at = lcg(&state) * entries >> 31;
			u64 old = table[at];

			total += old;
			table[at] = old ^ state;
		}
	}
	sys_exit(total);
}

static u64 pass(u64 entries, u64 ops, u64 nr)
{
	proc_restart(proc, user_entry(update), USER_HEAP, entries, ops << 2 | nr);
	return proc_run(proc);
}

static void setup(void)
{
	struct mm *mm = mm_new();

	size = ALIGN_UP(size, page ? LARGE_SIZE : PAGE_SIZE);
	need_memory(size + (size / LARGE_SIZE + 16) * PAGE_SIZE);
	mm_add_region(mm, USER_HEAP, size, PTE_W | PTE_NX, page);
	mm_map_now(mm, USER_HEAP, size);
	for (u64 off = 0; off < size; off += PAGE_SIZE) {
		u64 *at = (u64 *)mm_frame(mm, USER_HEAP + off);

		for (u64 i = 0; i < PAGE_SIZE / 8; i++)
			at[i] = off / 8 + i;
	}
	proc = proc_new(mm, user_entry(update), 0, 0, 0);
}

static u64 pending, pending_entries;

/* Undo the last pass, whichever loop it was. */
static void undo(void)
{
	if (pending)
		pass(pending_entries, pending, 1);
	pending = 0;
}

static void run(u64 ops, u64 entries)
{
	sum = pass(entries, ops, 0);
	pending = ops;
	pending_entries = entries;
}

static void body(u64 ops)
{
	run(ops, size / 8);
}

/* The same loop within one page. */
static void control(u64 ops)
{
	run(ops, PAGE_SIZE / 8);
}

static bool check(u64 ops, u64 *checksum)
{
	u64 wrong;

	*checksum = mix64(0, sum);
	undo();
	wrong = pass(size / 8, ops, 2);
	if (!wrong)
		return true;
	printf("guest: gups: %lu entries of the table are wrong\n", wrong);
	return false;
}

WORKLOAD(gups) = {
	.name = "gups",
	.summary = "random 8-byte updates over a table",
	.params = params,
	.ops = 100000,
	.ops_max = 1ul << 32,
	.setup = setup,
	.prepare = undo,
	.prepare_control = undo,
	.body = body,
	.control = control,
	.check = check,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address-space switches: processes in a ring, each touches its working set and yields. With pcid=1
 * the kernel keeps each process's translations over the switch. An operation is one turn: the
 * touches, the system call and the MOV to CR3.
 */
#include "harness/harness.h"

#define PROCS_MAX 64

static u64 count, pages;
static struct proc *ring[PROCS_MAX];
static u64 sum;

static const struct param params[] = {
	NUMBER("procs", count, 4, 1, PROCS_MAX, "processes in the ring"),
	NUMBER("pages", pages, 16, 1, 4096, "pages that each touches in its turn"),
	{},
};

static user_code void turns(u64 base, u64 many, u64 rounds_nr)
{
	u64 rounds = rounds_nr >> 8, nr = rounds_nr & 0xff;
	u64 total = 0;

	for (u64 round = 0; round < rounds; round++) {
		volatile u64 *at = (u64 *)base;

		for (u64 i = 0; i < many; i++, at += PAGE_SIZE / 8)
			total += *at;
		/* One store a turn, to the pages in turn. */
		((volatile u64 *)(base + round % many * PAGE_SIZE))[1]++;
		syscall(nr, 0, 0, 0);
	}
	sys_exit(total);
}

static u64 tag_of(u64 k, u64 i)
{
	return mix64(k + 1, i + 1) >> 8;
}

/* Process k takes this many of all turns. */
static u64 rounds_of(u64 k, u64 ops)
{
	return ops / count + (k < ops % count);
}

static void setup(void)
{
	need_memory(count * (pages + pages / 512 + 16) * PAGE_SIZE);
	for (u64 k = 0; k < count; k++) {
		struct mm *mm = mm_new();

		mm_add_region(mm, USER_HEAP, pages * PAGE_SIZE, PTE_W | PTE_NX, false);
		mm_map_now(mm, USER_HEAP, pages * PAGE_SIZE);
		ring[k] = proc_new(mm, user_entry(turns), 0, 0, 0);
	}
}

static void prepare(void)
{
	mm_switch(ring[0]->mm); /* where every repetition starts */
	for (u64 k = 0; k < count; k++) {
		for (u64 i = 0; i < pages; i++) {
			u64 *at = (u64 *)mm_frame(ring[k]->mm, USER_HEAP + i * PAGE_SIZE);

			at[0] = tag_of(k, i);
			at[1] = 0;
		}
	}
}

static void body(u64 ops)
{
	for (u64 k = 0; k < count; k++)
		proc_restart(ring[k], user_entry(turns), USER_HEAP, pages,
			     rounds_of(k, ops) << 8 | SYS_YIELD);
	proc_run(ring[0]);
	sum = 0;
	for (u64 k = 0; k < count; k++)
		sum = mix64(sum, ring[k]->code);
}

/* One process takes all turns, with a system call that switches nothing. */
static void control(u64 ops)
{
	proc_restart(ring[0], user_entry(turns), USER_HEAP, pages, ops << 8 | SYS_NULL);
	proc_run(ring[0]);
}

static bool check(u64 ops, u64 *checksum)
{
	u64 expect = 0;

	*checksum = sum;
	for (u64 k = 0; k < count; k++) {
		u64 rounds = rounds_of(k, ops), total = 0;

		for (u64 i = 0; i < pages; i++) {
			u64 *at = (u64 *)mm_frame(ring[k]->mm, USER_HEAP + i * PAGE_SIZE);
			u64 stores = rounds / pages + (i < rounds % pages);

			total += tag_of(k, i) * rounds;
			if (at[0] != tag_of(k, i) || at[1] != stores) {
				printf("guest: ctx_switch: page %lu of process %lu is wrong\n", i,
				       k);
				return false;
			}
			*checksum = mix64(*checksum, at[1]);
		}
		expect = mix64(expect, total);
	}
	if (sum == expect)
		return true;
	printf("guest: ctx_switch: the processes read 0x%lx, should be 0x%lx\n", sum, expect);
	return false;
}

WORKLOAD(ctx_switch) = {
	.name = "ctx_switch",
	.summary = "processes in a ring, each touches its pages and yields",
	.params = params,
	.ops = 2000,
	.ops_max = 1ul << 32,
	.setup = setup,
	.prepare = prepare,
	.prepare_control = prepare,
	.body = body,
	.control = control,
	.check = check,
};

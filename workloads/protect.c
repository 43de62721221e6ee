// SPDX-License-Identifier: GPL-2.0-only
/*
 * The write barrier of a garbage collector: at the start of a cycle the kernel makes all pages
 * read-only and flushes; the mutator then writes a share of them, and the first write to each page
 * faults, is noted, and gives the page its write permission back (more rights: no flush). An
 * operation is one cycle.
 */
#include "harness/harness.h"

static u64 pages, share;
static struct proc *proc;
static u64 **entry; /* per page: its gpte */
static u32 *dirty;  /* pages in the order of their first write in this cycle */
static u64 dirty_count, missed, sum, expect_dirty;
static bool armed;

static const struct param params[] = {
	NUMBER("pages", pages, 256, 1, 65536, "pages of the heap"),
	NUMBER("share", share, 25, 0, 100, "pages in a hundred that the mutator writes in a cycle"),
	{},
};

/* Cycle c writes `many` pages from a place that moves, each twice; the second is free. */
static user_code void mutator(u64 base, u64 all_many, u64 cycles)
{
	u64 all = all_many >> 32, many = all_many & 0xffffffff;
	u64 total = 0;

	for (u64 c = 0; c < cycles; c++) {
		u64 page = c * 7 % all;

		syscall(SYS_HOOK, 0, 0, 0);
		for (u64 i = 0; i < many; i++) {
			volatile u64 *at = (u64 *)(base + page * PAGE_SIZE);

			at[0] += c + 1;
			at[1 + c % 8] = page;
			total += at[0];
			if (++page == all)
				page = 0;
		}
	}
	syscall(SYS_HOOK, 0, 0, 0);
	sys_exit(total);
}

/* End of a cycle: what was noted must be what was written; then protect again. */
static u64 cycle(u64 a, u64 b, u64 c)
{
	u64 first = 0, last = 0, n = 0;

	(void)a;
	(void)b;
	(void)c;
	if (!armed)
		return 0;
	if (dirty_count != expect_dirty)
		missed++;
	expect_dirty = pages * share / 100;
	dirty_count = 0;
	for (u64 i = 0; i < pages; i++) {
		u64 value = pte_read(entry[i]);

		if (!(value & PTE_W))
			continue;
		pte_write(entry[i], value & ~PTE_W);
		if (!n++)
			first = i;
		last = i;
	}
	if (n)
		tlb_flush_range(proc->mm, USER_HEAP + first * PAGE_SIZE, last - first + 1,
				PAGE_SIZE);
	return 0;
}

static bool barrier(struct regs *regs, u64 va)
{
	u64 page = (va - USER_HEAP) / PAGE_SIZE;

	if (!armed || va < USER_HEAP || page >= pages || !(regs->error & PF_W))
		return false;
	if (dirty_count < pages)
		dirty[dirty_count] = (u32)page;
	dirty_count++;
	pte_write(entry[page], pte_read(entry[page]) | PTE_W);
	return true;
}

static void setup(void)
{
	struct mm *mm = mm_new();

	need_memory((pages + pages / 512 + 16) * PAGE_SIZE + pages * 16);
	entry = frame_alloc_contig(pages * sizeof(*entry));
	dirty = frame_alloc_contig(pages * sizeof(*dirty));
	mm_add_region(mm, USER_HEAP, pages * PAGE_SIZE, PTE_W | PTE_NX, false);
	mm_map_now(mm, USER_HEAP, pages * PAGE_SIZE);
	for (u64 i = 0; i < pages; i++)
		entry[i] = pte_lookup(mm, USER_HEAP + i * PAGE_SIZE, 1, false);
	proc = proc_new(mm, user_entry(mutator), 0, 0, 0);
	sys_hook = cycle;
	pf_hook = barrier;
}

/* Content and rights as at the beginning: pages writable, nothing noted. */
static void prepare(void)
{
	for (u64 i = 0; i < pages; i++) {
		u64 value = pte_read(entry[i]);

		memset((void *)mm_frame(proc->mm, USER_HEAP + i * PAGE_SIZE), 0, 80);
		if (!(value & PTE_W))
			pte_write(entry[i], value | PTE_W);
	}
	dirty_count = 0;
	expect_dirty = 0;
	missed = 0;
}

static void run(u64 ops, bool barriers)
{
	armed = barriers;
	proc_restart(proc, user_entry(mutator), USER_HEAP, pages << 32 | pages * share / 100, ops);
	sum = proc_run(proc);
}

static void body(u64 ops)
{
	run(ops, true);
}

static void control(u64 ops)
{
	run(ops, false);
}

static bool check(u64 ops, u64 *checksum)
{
	u64 many = pages * share / 100, total = 0;

	*checksum = mix64(0, sum);
	if (missed) {
		printf("guest: protect: in %lu cycles the barrier noted other pages than were "
		       "written\n",
		       missed);
		return false;
	}
	/* The process's own memory tells the same as its sum, and the barrier as both. */
	for (u64 i = 0; i < pages; i++) {
		u64 want = 0, *at = (u64 *)mm_frame(proc->mm, USER_HEAP + i * PAGE_SIZE);

		for (u64 c = 0; c < ops; c++) {
			u64 from = c * 7 % pages;

			if ((i + pages - from) % pages < many) {
				want += c + 1;
				total += want;
			}
		}
		if (at[0] != want) {
			printf("guest: protect: page %lu holds %lu, should be %lu\n", i, at[0],
			       want);
			return false;
		}
		*checksum = mix64(*checksum, at[0]);
	}
	if (sum == total)
		return true;
	printf("guest: protect: the mutator read 0x%lx, should be 0x%lx\n", sum, total);
	return false;
}

WORKLOAD(protect) = {
	.name = "protect",
	.summary =
		"write barrier of a collector: protect all pages, fault on the first write to each",
	.params = params,
	.ops = 16,
	.ops_max = 1ul << 24,
	.setup = setup,
	.prepare = prepare,
	.prepare_control = prepare,
	.body = body,
	.control = control,
	.check = check,
};

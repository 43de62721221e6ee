// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pointer chase: one line in each 4 KiB of a working set, in random order, each load's address
 * coming from the load before. Beyond TLB reach every load is a page walk that nothing hides.
 */
#include "harness/harness.h"

#define SEED  0x6368617365ul
#define LINE  64
#define LINES (PAGE_SIZE / LINE)

static u64 size, page;
static struct proc *proc;
static u64 nodes;
static u32 *next;	 /* per node: its successor, for the check */
static u64 control_base; /* a page of its own */
static u64 last;

static const struct param params[] = {
	NUMBER("size", size, 16 * MIB, 64 << 10, 1ul << 31, "bytes of the working set"),
	CHOICE("page", page, 0, "4k|2m", "page size"),
	{},
};

/* Eight loads a turn; ops is a multiple of eight, or the rest follows one by one. */
static user_code void chase(u64 start, u64 ops)
{
	u64 at = start;

	for (u64 i = ops / 8; i; i--) {
#define LOAD at = *(volatile u64 *)at
		LOAD;
		LOAD;
		LOAD;
		LOAD;
		LOAD;
		LOAD;
		LOAD;
		LOAD;
	}
	for (u64 i = ops % 8; i; i--)
		LOAD;
#undef LOAD
	sys_exit(at);
}

/* Another line in each page, or all nodes would share a few cache sets. */
static u64 va_of(u64 node)
{
	return USER_HEAP + node * PAGE_SIZE + (node * 37 % LINES) * LINE;
}

static void set_pointer(u64 va, u64 to)
{
	*(u64 *)mm_frame(proc->mm, va) = to;
}

/* Sattolo's shuffle: one cycle through all nodes. */
static void make_cycle(void)
{
	u64 state = SEED;

	for (u64 i = 0; i < nodes; i++)
		next[i] = (u32)i;
	for (u64 i = nodes - 1; i > 0; i--) {
		u64 other = lcg(&state) % i;
		u32 t = next[i];

		next[i] = next[other];
		next[other] = t;
	}
	for (u64 i = 0; i < nodes; i++)
		set_pointer(va_of(i), va_of(next[i]));
}

static void setup(void)
{
	u64 bytes = ALIGN_UP(size, page ? LARGE_SIZE : PAGE_SIZE);
	struct mm *mm = mm_new();

	nodes = size / PAGE_SIZE;
	need_memory(bytes + (bytes / LARGE_SIZE + 16) * PAGE_SIZE + nodes * sizeof(*next));
	next = frame_alloc_contig(nodes * sizeof(*next));
	mm_add_region(mm, USER_HEAP, bytes, PTE_W | PTE_NX, page);
	control_base = ALIGN_UP(USER_HEAP + bytes, LARGE_SIZE);
	mm_add_region(mm, control_base, PAGE_SIZE, PTE_W | PTE_NX, false);
	mm_map_now(mm, USER_HEAP, bytes);
	mm_map_now(mm, control_base, PAGE_SIZE);
	proc = proc_new(mm, user_entry(chase), 0, 0, 0);
	make_cycle();
	for (u64 i = 0; i < LINES; i++)
		set_pointer(control_base + i * LINE, control_base + (i + 1) % LINES * LINE);
}

static void run(u64 start, u64 ops)
{
	proc_restart(proc, user_entry(chase), start, ops, 0);
	last = proc_run(proc);
}

static void body(u64 ops)
{
	run(va_of(0), ops);
}

/* The same loads within one page. */
static void control(u64 ops)
{
	run(control_base, ops);
}

static bool check(u64 ops, u64 *checksum)
{
	u64 node = 0, want = ops % nodes;

	for (u64 i = 0; i < want; i++)
		node = next[node];
	*checksum = mix64(nodes, node);
	if (last == va_of(node))
		return true;
	printf("guest: chase: ended at 0x%lx, should be 0x%lx\n", last, va_of(node));
	return false;
}

WORKLOAD(chase) = {
	.name = "chase",
	.summary = "dependent loads in random order, one line in each 4 KiB",
	.params = params,
	.ops = 400000,
	.ops_max = 1ul << 32,
	.setup = setup,
	.body = body,
	.control = control,
	.check = check,
};

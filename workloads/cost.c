// SPDX-License-Identifier: GPL-2.0-only
/*
 * The price of single operations, one kind a run: what a hypervisor engineer reads first. Each kind
 * is a handful of instructions; the control is the same loop around nothing.
 *
 * Two workloads: cost is the operation alone, growth the same amid a crowd of processes and table
 * pages that have nothing to do with it, its frames spread over all guest memory. What an operation
 * costs should not depend on the crowd.
 */
#include "harness/harness.h"

#define PAGES	     1024
#define TABLES	     2
#define SWITCH_LOADS 8
#define SPACES_MAX   64
#define LIVES	     16		/* sets of frames that kind=process takes in turn */
#define LIFE_FRAMES  4		/* tables of the smallest process */
#define REUSE_WORDS  16		/* stores into each frame when it is data again */
#define VMCALL_NONE  0x70656e75 /* no hypervisor's call: answered by an error */
#define TARGET	     KERNEL_WINDOW
#define PDE_TARGET   (KERNEL_WINDOW + (1ul << 30))
#define UNMAPPED     (KERNEL_WINDOW + (2ul << 30))
#define CROWD	     (KERNEL_WINDOW + (4ul << 30)) /* a table page for each 2 MiB from here */
#define CROWD_MAX    16384
#define SCATTER	     61	 /* table pages from one to the next; prime */
#define SETTLE	     16	 /* full flushes after which the lazy modes have closed idle tables */
#define FEW_PAGES    256 /* pages of a growth run, and its operations */

/* Where the pages stand before a body; FRESH: mapped to frames that were never touched since boot. */
enum start { NOTHING, MAPPED, TOUCHED, UNMAPPED_ALL, FRESH };

/* How many operations a page serves in a body; TABLE: a table page of the crowd serves one. */
enum use { MANY, ONCE, TABLE };

struct kind {
	u64 (*op)(u64 i);
	u64 (*expect)(u64 i); /* what op returns; NULL: always 0 */
	enum start start;
	enum use use;
	void (*setup)(void); /* what only this kind needs; may be NULL */
};

static u64 kind, sum, own_cr3;
static u64 chosen, nth; /* growth: 0 or kind + 1; of each, which */
static u64 pages = PAGES, spaces = 2;
static u64 crowd_procs, tables; /* the crowd: processes, table pages; 0: none */
static u64 crowd_frame;		/* all of the crowd's table pages map it */
static u64 **crowd_entry, *crowd_table;
static struct mm life[LIVES];
static u64 life_frame[LIVES][LIFE_FRAMES];
static u64 *entry[PAGES], frame[PAGES][2];
static u8 turn[PAGES];
static u64 *pde, pde_table[TABLES], pde_turn;
static struct mm *space[SPACES_MAX];
static u64 space_cr3[2];
static const volatile struct shared_root *space_slot[2]; /* where its entry was last */

static u64 va_of(u64 page)
{
	return TARGET + page * PAGE_SIZE;
}

static u64 load(u64 va)
{
	return *(volatile u64 *)va;
}

static void point_at(u64 page, u64 which)
{
	pte_write(entry[page], frame[page][which] | pte_flags(PTE_P | PTE_W | PTE_NX));
}

static u64 op_nothing(u64 i)
{
	(void)i;
	return 0;
}

static u64 op_cpuid(u64 i)
{
	u32 r[4];

	(void)i;
	cpuid(0, 0, r);
	return 0;
}

static u64 op_vmcall(u64 i)
{
	u64 ret;

	(void)i;
	asm volatile("vmcall" : "=a"(ret) : "a"(VMCALL_NONE) : "rbx", "rcx", "rdx", "rsi");
	return 0;
}

static u64 op_out(u64 i)
{
	(void)i;
	outb(GUEST_PORT_NOP, 0);
	return 0;
}

static u64 op_invlpg(u64 i)
{
	tlb_flush_page(va_of(i));
	return 0;
}

static u64 op_cr3_write(u64 i)
{
	(void)i;
	counts.cr3++;
	raw_write_cr3(own_cr3);
	return 0;
}

/* The entry has moved, or is not there (then any slot will do: it does not match). */
static __attribute__((noinline)) u64 find_shared(u64 k)
{
	for (u32 i = 0; i < GUEST_ROOTS; i++) {
		const volatile struct shared_root *slot = &shared_roots[i];
		u64 load;

		if (slot->cr3 != space_cr3[k])
			continue;
		load = slot->load;
		space_slot[k] = slot;
		counts.cr3_direct += load != 0;
		return load ? load : space_cr3[k];
	}
	return space_cr3[k];
}

/* A switch by way of the base-address buffer: an entry stays where it is until one is added. */
static u64 op_cr3_shared(u64 i)
{
	u64 k = i % 2, load = 0;

	counts.cr3++;
	if (space_slot[k]->cr3 == space_cr3[k])
		load = space_slot[k]->load; /* 0: withdrawn between the two reads */
	if (load)
		counts.cr3_direct++;
	else
		load = find_shared(k);
	raw_write_cr3(load);
	return 0;
}

static u64 op_cr3_read(u64 i)
{
	(void)i;
	asm volatile("" : : "r"(read_cr3()));
	return 0;
}

/* The shortest handler there can be: it steps over the load, whose length op_pf() fixes. */
void cost_pf_handler(void);
asm(".pushsection .text\n"
    ".balign 16\n"
    "cost_pf_handler:\n"
    "	add $8, %rsp\n"
    "	addq $3, (%rsp)\n"
    "	iretq\n"
    ".popsection\n");

static u64 op_pf(u64 i)
{
	(void)i;
	counts.pf++;
	asm volatile("mov (%%rax), %%rax" : : "a"(UNMAPPED) : "memory");
	return 0;
}

static u64 op_pte_invlpg_load(u64 i)
{
	u64 page = i % pages;

	turn[page] ^= 1;
	point_at(page, turn[page]);
	tlb_flush_page(va_of(page));
	return load(va_of(page));
}

static u64 expect_turn(u64 i)
{
	return i % pages * 2 + 1 + (i / pages + 1) % 2;
}

static u64 op_cr3_pte_load(u64 i)
{
	tlb_load(&kernel_mm, true);
	point_at(i, 0);
	return load(va_of(i));
}

static u64 expect_first(u64 i)
{
	return i * 2 + 1;
}

static u64 op_map_load(u64 i)
{
	point_at(i, 0);
	return load(va_of(i));
}

static u64 op_unmap(u64 i)
{
	pte_write(entry[i], 0);
	tlb_flush_page(va_of(i));
	return 0;
}

static u64 op_pde_invlpg_load(u64 i)
{
	u64 va = PDE_TARGET + i % 512 * PAGE_SIZE;

	pde_turn ^= 1;
	pte_write(pde, pde_table[pde_turn] | pte_flags(PTE_P | PTE_W));
	tlb_flush_page(va);
	return load(va);
}

static u64 expect_pde(u64 i)
{
	return i % 512 * 2 + 1 + (i + 1) % 2;
}

static u64 op_switch(u64 i)
{
	u64 total = 0;

	(void)i;
	for (u32 k = 0; k < 2; k++) {
		mm_switch(space[k]);
		for (u64 page = 0; page < SWITCH_LOADS; page++)
			total += load(USER_HEAP + page * PAGE_SIZE);
	}
	return total;
}

static u64 expect_switch(u64 i)
{
	(void)i;
	return 2 * SWITCH_LOADS * (SWITCH_LOADS - 1) + 3 * SWITCH_LOADS;
}

static u64 op_protect(u64 i)
{
	u64 page = i % pages, value = pte_read(entry[page]);
	volatile u64 *at = (u64 *)va_of(page);

	pte_write(entry[page], value & ~PTE_W);
	tlb_flush_page(va_of(page));
	value = *at;
	pte_write(entry[page], pte_read(entry[page]) | PTE_W);
	*at = value;
	return value;
}

static u64 expect_protect(u64 i)
{
	return i % pages * 2 + 1;
}

static u64 op_first_load(u64 i)
{
	return load(va_of(i));
}

/* A store, because a host may answer loads of memory that it has not allocated by one page of zeros. */
static u64 op_first_touch(u64 i)
{
	volatile u64 *at = (u64 *)va_of(i);

	*at = i * 2 + 1;
	return *at;
}

/* A full flush after one changed entry: what looks at all tables shows here. */
static u64 op_pte_cr3_load(u64 i)
{
	u64 page = i % pages;

	turn[page] ^= 1;
	point_at(page, turn[page]);
	tlb_load(&kernel_mm, true);
	return load(va_of(page));
}

/* One switch, to the next process of a ring. */
static u64 op_switch_ring(u64 i)
{
	tlb_load(space[i % crowd_procs], false);
	return load(USER_HEAP);
}

static u64 expect_switch_ring(u64 i)
{
	return 1 + i % crowd_procs % 2;
}

static u64 expect_one(u64 i)
{
	(void)i;
	return 1;
}

/* A new page in another table page each time, so that nobody's memory of the last one helps. */
static u64 op_scatter(u64 i)
{
	u64 table = i * SCATTER % tables;

	pte_write((u64 *)crowd_table[table] + 1, frame[0][0] | pte_flags(PTE_P | PTE_W | PTE_NX));
	return load(CROWD + table * LARGE_SIZE + PAGE_SIZE);
}

static u64 *life_entry(const u64 *frames, u32 k)
{
	static const u32 shifts[] = { 39, 30, 21, 12 };

	return (u64 *)frames[k] + (USER_HEAP >> shifts[k] & 511);
}

/* A process with as few tables as there can be: made, used, ended, its tables reused as data. */
static u64 op_process(u64 i)
{
	const u64 *frames = life_frame[i % LIVES];
	struct mm *mm = &life[i % LIVES];
	u64 value;

	for (u32 slot = 0; slot <= 2; slot += 2)
		pte_write((u64 *)frames[0] + slot, pte_read((u64 *)kernel_mm.root + slot));
	for (u32 k = 0; k < LIFE_FRAMES; k++)
		pte_write(life_entry(frames, k),
			  (k + 1 < LIFE_FRAMES ? frames[k + 1] : frame[0][0]) |
				  pte_flags(PTE_P | PTE_W));
	mm->root = frames[0];
	tlb_load(mm, true);
	value = load(USER_HEAP);
	tlb_load(&kernel_mm, true);
	for (u32 k = LIFE_FRAMES; k--;)
		pte_write(life_entry(frames, k), 0);
	for (u32 k = 0; k < LIFE_FRAMES; k++)
		for (u32 word = 0; word < REUSE_WORDS; word++)
			((volatile u64 *)frames[k])[word] = 0;
	return value;
}

/* The crowd goes, a table page at a time: its entry, the entry above it, then it is data. */
static u64 op_destroy(u64 i)
{
	u64 *table = (u64 *)crowd_table[i];

	pte_write(table, 0);
	pte_write(crowd_entry[i], 0);
	tlb_flush_page(CROWD + i * LARGE_SIZE);
	for (u32 word = 0; word < REUSE_WORDS; word++)
		((volatile u64 *)table)[word] = 0;
	return 0;
}

/* The frame that all of the crowd maps is a table for once, and then data again. */
static u64 op_retable(u64 i)
{
	u64 value;

	(void)i;
	pte_write(pde, crowd_frame | pte_flags(PTE_P | PTE_W));
	tlb_flush_page(PDE_TARGET);
	value = load(PDE_TARGET);
	pte_write(pde, 0);
	tlb_flush_page(PDE_TARGET);
	((volatile u64 *)crowd_frame)[511] = 0;
	return value;
}

static void try_vmcall(void *unused)
{
	(void)unused;
	op_vmcall(0);
}

static void setup_vmcall(void)
{
	if (guarded_call(try_vmcall, NULL) != -1)
		die(GUEST_STATUS_USAGE,
		    "kind=vmcall: VMCALL raises exception %d here, as there is "
		    "no hypervisor to take it",
		    last_fault.vector);
}

static void setup_pf(void)
{
	trap_set_gate(VECTOR_PF, cost_pf_handler);
}

static void setup_shared(void)
{
	if (!tlb_share_roots())
		die(GUEST_STATUS_USAGE, "kind=cr3_shared: no base-address buffer is offered here");
	for (u32 k = 0; k < 2; k++)
		space_slot[k] = shared_roots;
}

static void need_crowd(void)
{
	if (!crowd_procs)
		die(GUEST_STATUS_USAGE, "this kind is one of workload=growth");
}

static void setup_lives(void)
{
	for (u32 k = 0; k < LIVES * LIFE_FRAMES; k++)
		life_frame[k / LIFE_FRAMES][k % LIFE_FRAMES] = (u64)frame_alloc_contig(PAGE_SIZE);
}

#define KINDS(K)                                                                 \
	K(cpuid, op_cpuid, NULL, NOTHING, MANY, NULL)                            \
	K(vmcall, op_vmcall, NULL, NOTHING, MANY, setup_vmcall)                  \
	K(out, op_out, NULL, NOTHING, MANY, NULL)                                \
	K(invlpg, op_invlpg, NULL, TOUCHED, ONCE, NULL)                          \
	K(cr3_write, op_cr3_write, NULL, NOTHING, MANY, NULL)                    \
	K(cr3_shared, op_cr3_shared, NULL, NOTHING, MANY, setup_shared)          \
	K(cr3_read, op_cr3_read, NULL, NOTHING, MANY, NULL)                      \
	K(pf, op_pf, NULL, NOTHING, MANY, setup_pf)                              \
	K(pte_invlpg_load, op_pte_invlpg_load, expect_turn, TOUCHED, MANY, NULL) \
	K(cr3_pte_load, op_cr3_pte_load, expect_first, UNMAPPED_ALL, ONCE, NULL) \
	K(map_load, op_map_load, expect_first, UNMAPPED_ALL, ONCE, NULL)         \
	K(unmap, op_unmap, NULL, TOUCHED, ONCE, NULL)                            \
	K(pde_invlpg_load, op_pde_invlpg_load, expect_pde, NOTHING, MANY, NULL)  \
	K(switch2, op_switch, expect_switch, NOTHING, MANY, NULL)                \
	K(protect, op_protect, expect_protect, TOUCHED, MANY, NULL)              \
	K(first_load, op_first_load, expect_first, MAPPED, ONCE, NULL)           \
	K(ept_violation, op_first_touch, expect_first, FRESH, ONCE, NULL)        \
	K(pte_cr3_load, op_pte_cr3_load, expect_turn, TOUCHED, MANY, NULL)       \
	K(process, op_process, expect_one, NOTHING, MANY, setup_lives)           \
	K(switch, op_switch_ring, expect_switch_ring, NOTHING, MANY, need_crowd) \
	K(scatter, op_scatter, expect_one, NOTHING, TABLE, need_crowd)           \
	K(destroy, op_destroy, NULL, NOTHING, TABLE, need_crowd)                 \
	K(retable, op_retable, expect_one, NOTHING, MANY, need_crowd)

#define KIND_NAME(name, ...)  "|" #name
#define KIND_ENTRY(name, ...) { __VA_ARGS__ },
#define KIND_ID(name, ...)    KIND_##name,

static const char kind_names[] = KINDS(KIND_NAME);
static const struct kind kinds[] = { KINDS(KIND_ENTRY) };
enum { KINDS(KIND_ID) };

/* What growth runs, in this order. */
static const u8 growth_kinds[] = {
	KIND_cr3_write,	    KIND_switch,	  KIND_invlpg,	     KIND_pf,	 KIND_first_load,
	KIND_ept_violation, KIND_pte_invlpg_load, KIND_pte_cr3_load, KIND_unmap, KIND_process,
	KIND_scatter,	    KIND_destroy,	  KIND_retable,
};

static const struct param params[] = {
	CHOICE("kind", kind, 0, kind_names + 1, "the operation"),
	{},
};

static const struct param growth_params[] = {
	CHOICE("kind", chosen, 0, "each" KINDS(KIND_NAME),
	       "the operation; each: one after the other"),
	NUMBER("procs", crowd_procs, 1, 1, SPACES_MAX,
	       "processes beside it, each with live tables"),
	NUMBER("tables", tables, 10, 1, CROWD_MAX, "live table pages beside it"),
	{},
};

/* Two tables with the same 512 pages in other frames, to point one PDE at in turn. */
static void setup_pde(void)
{
	u64 *table;

	pde = pte_lookup(&kernel_mm, PDE_TARGET, 2, true);
	for (u32 k = 0; k < TABLES; k++) {
		pde_table[k] = (u64)frame_alloc_contig(PAGE_SIZE);
		table = (u64 *)pde_table[k];
		for (u64 i = 0; i < 512; i++)
			table[i] = frame[i % pages][k] | pte_flags(PTE_P | PTE_W | PTE_NX);
	}
	pte_write(pde, pde_table[0] | pte_flags(PTE_P | PTE_W));
}

/* Supervisor pages at a process's address, so that the kernel may load from them despite SMAP. */
static void setup_spaces(void)
{
	for (u32 k = 0; k < spaces; k++) {
		space[k] = mm_new();
		for (u64 i = 0; i < SWITCH_LOADS; i++)
			pte_write(pte_lookup(space[k], USER_HEAP + i * PAGE_SIZE, 1, true),
				  frame[i][k % 2] | pte_flags(PTE_P | PTE_W | PTE_NX));
	}
	for (u32 k = 0; k < 2; k++)
		space_cr3[k] = space[k]->root | (cpu.use_pcid ? space[k]->pcid : 0);
}

/* The crowd of table pages. It shares one frame, so that it is tables that grow and not memory. */
static void setup_crowd(void)
{
	crowd_entry = frame_alloc_contig(tables * sizeof(*crowd_entry));
	crowd_table = frame_alloc_contig(tables * sizeof(*crowd_table));
	crowd_frame = (u64)frame_alloc_contig(PAGE_SIZE);
	/* Read as a table, it maps one page: see op_retable(). */
	*(u64 *)crowd_frame = frame[0][0] | pte_flags(PTE_P | PTE_W | PTE_NX);
	for (u64 i = 0; i < tables; i++) {
		crowd_entry[i] = pte_lookup(&kernel_mm, CROWD + i * LARGE_SIZE, 2, true);
		crowd_table[i] = (u64)frame_alloc_contig(PAGE_SIZE);
	}
}

/* Alive: mapped and used. What a body left alone is so already. */
static void prepare_crowd(void)
{
	u64 link = pte_flags(PTE_P | PTE_W), leaf = pte_flags(PTE_P | PTE_W | PTE_NX);

	for (u64 i = 0; i < tables; i++) {
		if (!(pte_read(crowd_entry[i]) & PTE_P)) {
			pte_write((u64 *)crowd_table[i], crowd_frame | leaf);
			pte_write(crowd_entry[i], crowd_table[i] | link);
		}
		if (pte_read((u64 *)crowd_table[i] + 1))
			pte_write((u64 *)crowd_table[i] + 1, 0);
		load(CROWD + i * LARGE_SIZE);
	}
	for (u64 k = 0; k < crowd_procs; k++) {
		tlb_load(space[k], false);
		for (u64 page = 0; page < SWITCH_LOADS; page++)
			load(USER_HEAP + page * PAGE_SIZE);
	}
	tlb_load(&kernel_mm, true);
}

/*
 * Frames of a growth run: as far apart as guest memory allows, a few of each 2 MiB. What is left
 * for the low end, from where all others come, is what the crowd takes.
 */
static void spread_frames(void)
{
	u64 keep = (tables + pages * 8 + crowd_procs * 16) * PAGE_SIZE + 16 * MIB;
	u64 have = frames_free() * PAGE_SIZE, blocks;
	static u64 block[FEW_PAGES];

	need_memory(keep + 4 * LARGE_SIZE);
	blocks = (have - keep) / LARGE_SIZE;
	if (blocks > pages)
		blocks = pages;
	for (u64 i = 0, skipped = 0; i < blocks; i++) {
		/* The gaps: as many 2 MiB pieces as it takes to reach the low end with the last. */
		for (; skipped < i * ((have - keep) / LARGE_SIZE - blocks) / blocks; skipped++)
			frame_alloc_large();
		block[i] = frame_alloc_large();
	}
	for (u64 i = 0; i < pages * 2; i++)
		frame[i / 2][i % 2] = block[i % blocks] + i / blocks * PAGE_SIZE;
}

static void setup_kind(void)
{
	if (kinds[kind].setup)
		kinds[kind].setup();
}

static void setup(void)
{
	own_cr3 = kernel_mm.root | (cpu.use_pcid ? kernel_mm.pcid : 0);
	need_memory((pages * 2 + 64) * PAGE_SIZE);
	for (u64 i = 0; i < pages; i++) {
		for (u32 which = 0; which < 2; which++) {
			if (!crowd_procs)
				frame[i][which] = frame_alloc();
			*(u64 *)frame[i][which] = i * 2 + 1 + which;
		}
		entry[i] = pte_lookup(&kernel_mm, va_of(i), 1, true);
	}
	setup_pde();
	setup_spaces();
	setup_kind();
}

static void setup_growth(void)
{
	kind = chosen ? chosen - 1 : growth_kinds[nth++];
	nth = chosen ? ARRAY_SIZE(growth_kinds) : nth;
	chosen = kind + 1;
	pages = FEW_PAGES;
	spaces = crowd_procs > spaces ? crowd_procs : spaces;
	spread_frames();
	setup();
	setup_crowd();
}

/* A set-up of a large guest costs more than all operations together: it serves for all of them. */
static bool next_kind(void)
{
	if (nth == ARRAY_SIZE(growth_kinds))
		return false;
	kind = growth_kinds[nth++];
	chosen = kind + 1;
	trap_set_gate(VECTOR_PF, NULL); /* setup_pf() has changed it */
	setup_kind();
	/* What the kind before has left behind in the hypervisor's policies comes to rest. */
	for (u32 i = 0; i < SETTLE; i++)
		tlb_load(&kernel_mm, true);
	return true;
}

static void reset(enum start start)
{
	mm_switch(&kernel_mm);
	pde_turn = 0;
	pte_write(pde, pde_table[0] | pte_flags(PTE_P | PTE_W));
	for (u64 i = 0; i < pages; i++)
		pte_write(entry[i], 0);
	memset(turn, 0, sizeof(turn));
	tlb_load(&kernel_mm, true);
	if (crowd_procs)
		prepare_crowd();
	for (u64 i = 0; i < pages && (start == MAPPED || start == TOUCHED); i++) {
		point_at(i, 0);
		if (start == TOUCHED)
			*(volatile u64 *)va_of(i) = i * 2 + 1;
	}
	for (u64 i = 0; i < pages && start == FRESH; i++)
		pte_write(entry[i], frame_alloc_fresh() | pte_flags(PTE_P | PTE_W | PTE_NX));
}

static void prepare(void)
{
	reset(kinds[kind].start);
}

/* It runs nothing on them. */
static void prepare_control(void)
{
	reset(NOTHING);
}

/* As many as a body can do. */
static u64 ops_at_once(void)
{
	switch (kinds[kind].use) {
	case ONCE:
		return pages;
	case TABLE:
		return tables;
	default:
		return ~0ul;
	}
}

static void run(u64 ops, u64 (*volatile op)(u64 i))
{
	u64 (*fn)(u64 i) = op;

	if (ops > ops_at_once())
		die(GUEST_STATUS_USAGE,
		    "ops=%lu: this kind takes a page or table page for each, and there are %lu",
		    ops, ops_at_once());
	sum = 0;
	for (u64 i = 0; i < ops; i++)
		sum += fn(i);
}

static void body(u64 ops)
{
	run(ops, kinds[kind].op);
}

static u64 growth_ops(void)
{
	u64 most = ops_at_once();

	if (kind == KIND_retable) /* dear, where the crowd is large */
		return 16;
	return most < FEW_PAGES ? most : FEW_PAGES;
}

static void control(u64 ops)
{
	run(ops, op_nothing);
}

static bool check(u64 ops, u64 *checksum)
{
	u64 want = 0;

	for (u64 i = 0; i < ops && kinds[kind].expect; i++)
		want += kinds[kind].expect(i);
	*checksum = mix64(kind, sum);
	if (sum == want)
		return true;
	printf("guest: cost: the loads gave %lu in sum, should be %lu\n", sum, want);
	return false;
}

WORKLOAD(cost) = {
	.name = "cost",
	.summary = "one operation at a time: exits, flushes, faults, table updates",
	.params = params,
	.ops = 1000,
	.ops_max = 1ul << 32,
	.setup = setup,
	.prepare = prepare,
	.prepare_control = prepare_control,
	.body = body,
	.control = control,
	.check = check,
};

WORKLOAD(growth) = {
	.name = "growth",
	.summary = "the same amid other processes and table pages, memory spread out",
	.params = growth_params,
	.ops = FEW_PAGES,
	.default_ops = growth_ops,
	.ops_max = 1ul << 32,
	.setup = setup_growth,
	.prepare = prepare,
	.prepare_control = prepare_control,
	.body = body,
	.control = control,
	.check = check,
	.next = next_kind,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The price of single operations, one kind a run: what a hypervisor engineer reads first. Each kind
 * is a handful of instructions; the control is the same loop around nothing.
 */
#include "harness/harness.h"

#define PAGES	     1024
#define TABLES	     2
#define SWITCH_LOADS 8
#define VMCALL_NONE  0x70656e75 /* no hypervisor's call: answered by an error */
#define TARGET	     KERNEL_WINDOW
#define PDE_TARGET   (KERNEL_WINDOW + (1ul << 30))
#define UNMAPPED     (KERNEL_WINDOW + (2ul << 30))

/* Where the pages stand before a body; FRESH: mapped to frames that were never touched since boot. */
enum start { NOTHING, MAPPED, TOUCHED, UNMAPPED_ALL, FRESH };

/* How many operations a page serves in a body. */
enum use { MANY, ONCE };

struct kind {
	u64 (*op)(u64 i);
	u64 (*expect)(u64 i); /* what op returns; NULL: always 0 */
	enum start start;
	enum use use;
	void (*setup)(void); /* what only this kind needs; may be NULL */
};

static u64 kind, sum, own_cr3;
static u64 *entry[PAGES], frame[PAGES][2];
static u8 turn[PAGES];
static u64 *pde, pde_table[TABLES], pde_turn;
static struct mm *space[2];
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
	u64 page = i % PAGES;

	turn[page] ^= 1;
	point_at(page, turn[page]);
	tlb_flush_page(va_of(page));
	return load(va_of(page));
}

static u64 expect_turn(u64 i)
{
	return i % PAGES * 2 + 1 + (i / PAGES + 1) % 2;
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
	u64 page = i % PAGES, value = pte_read(entry[page]);
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
	return i % PAGES * 2 + 1;
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
	K(ept_violation, op_first_touch, expect_first, FRESH, ONCE, NULL)

#define KIND_NAME(name, ...)  "|" #name
#define KIND_ENTRY(name, ...) { __VA_ARGS__ },

static const char kind_names[] = KINDS(KIND_NAME);
static const struct kind kinds[] = { KINDS(KIND_ENTRY) };

static const struct param params[] = {
	CHOICE("kind", kind, 0, kind_names + 1, "the operation"),
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
			table[i] = frame[i][k] | pte_flags(PTE_P | PTE_W | PTE_NX);
	}
	pte_write(pde, pde_table[0] | pte_flags(PTE_P | PTE_W));
}

/* Supervisor pages at a process's address, so that the kernel may load from them despite SMAP. */
static void setup_spaces(void)
{
	for (u32 k = 0; k < 2; k++) {
		space[k] = mm_new();
		space_cr3[k] = space[k]->root | (cpu.use_pcid ? space[k]->pcid : 0);
		for (u64 i = 0; i < SWITCH_LOADS; i++)
			pte_write(pte_lookup(space[k], USER_HEAP + i * PAGE_SIZE, 1, true),
				  frame[i][k] | pte_flags(PTE_P | PTE_W | PTE_NX));
	}
}

static void setup(void)
{
	own_cr3 = kernel_mm.root | (cpu.use_pcid ? kernel_mm.pcid : 0);
	need_memory((PAGES * 2 + 64) * PAGE_SIZE);
	for (u64 i = 0; i < PAGES; i++) {
		for (u32 which = 0; which < 2; which++) {
			frame[i][which] = frame_alloc();
			*(u64 *)frame[i][which] = i * 2 + 1 + which;
		}
		entry[i] = pte_lookup(&kernel_mm, va_of(i), 1, true);
	}
	setup_pde();
	setup_spaces();
	if (kinds[kind].setup)
		kinds[kind].setup();
}

static void reset(enum start start)
{
	mm_switch(&kernel_mm);
	pde_turn = 0;
	pte_write(pde, pde_table[0] | pte_flags(PTE_P | PTE_W));
	for (u64 i = 0; i < PAGES; i++)
		pte_write(entry[i], 0);
	memset(turn, 0, sizeof(turn));
	tlb_load(&kernel_mm, true);
	for (u64 i = 0; i < PAGES && (start == MAPPED || start == TOUCHED); i++) {
		point_at(i, 0);
		if (start == TOUCHED)
			*(volatile u64 *)va_of(i) = i * 2 + 1;
	}
	for (u64 i = 0; i < PAGES && start == FRESH; i++)
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

static void run(u64 ops, u64 (*volatile op)(u64 i))
{
	u64 (*fn)(u64 i) = op;

	if (kinds[kind].use == ONCE && ops > PAGES)
		die(GUEST_STATUS_USAGE,
		    "ops=%lu: this kind takes a page for each, and there are %d", ops, PAGES);
	sum = 0;
	for (u64 i = 0; i < ops; i++)
		sum += fn(i);
}

static void body(u64 ops)
{
	run(ops, kinds[kind].op);
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

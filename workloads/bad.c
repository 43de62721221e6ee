// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that misbehave, for the tests of bad input. A kind either must be stopped by whatever runs
 * the guest (a sentence, the guest's memory given back), or is strange but legal and must work, and
 * then ends with status 0. A guest that survives what it should not ends with status 1.
 */
#include "harness/harness.h"
#include "kernel/layout.h"

#define SLOT   3 /* a free PML4 slot, so that the kernel's own mappings stay */
#define TARGET ((u64)SLOT << 39)

static u64 kind;
static volatile bool for_ever = true;

/* What is not RAM: just above it, or far away. */
static u64 above_ram(void)
{
	return ALIGN_UP(ram_end(), 1ul << 30) + (1ul << 30);
}

static void drop_idt(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) none = { 0, 0 };

	asm volatile("lidt %0" : : "m"(none));
}

static u64 *root(void)
{
	return (u64 *)kernel_mm.root;
}

static int survived(void)
{
	printf("guest: bad: the guest is still running, though it should not be\n");
	return GUEST_STATUS_FAILED;
}

/* No IDT: the first exception becomes a double, then a triple fault. */
static int bad_triple(void)
{
	drop_idt();
	asm volatile("ud2");
	return survived();
}

/* A jump to an address that the tables map to where there is no memory. */
static int bad_wild_jump(void)
{
	u64 va = KERNEL_WINDOW;

	pte_write(pte_lookup(&kernel_mm, va, 1, true), above_ram() | PTE_P | PTE_W);
	drop_idt();
	asm volatile("jmp *%0" : : "r"(va));
	return survived();
}

/* Reserved bits in every entry of the root, the kernel's included: nothing can be fetched. */
static int bad_reserved(void)
{
	u64 bits = PTE_ADDR & ~cpu.phys_mask;

	/* Where all address bits are real, bit 7 of a root entry is reserved. */
	if (!bits)
		bits = PTE_LARGE;
	for (u32 i = 0; i < 512; i++)
		pte_write(&root()[i], root()[i] | bits | PTE_P);
	tlb_load(&kernel_mm, true);
	write_cr4(read_cr4() ^ CR4_PGE);
	return survived();
}

/* The same bits where only one access meets them: a fault with the reserved-bit code. */
static int bad_reserved_leaf(void)
{
	u64 bits = PTE_ADDR & ~cpu.phys_mask, va = KERNEL_WINDOW;
	int caught = 0;

	if (!bits)
		bits = PTE_LARGE;
	for (int level = 1; level <= 4; level++) {
		u64 *entry = pte_lookup(&kernel_mm, va, level, true), old = pte_read(entry);

		if (level == 1 && bits == PTE_LARGE)
			continue; /* PAT there */
		pte_write(entry, old | bits | PTE_P | PTE_W);
		tlb_flush_kernel_page(va);
		caught += probe_read(va) && last_fault.error == (PF_P | PF_RSVD);
		pte_write(entry, level == 1 ? 0 : old);
		tlb_flush_kernel_page(va);
	}
	return caught == (bits == PTE_LARGE ? 3 : 4) ? GUEST_STATUS_OK : survived();
}

/* The root as its own next level at every level: legal, and the root's entries can be read. */
static int bad_selfmap(void)
{
	u64 va = TARGET | TARGET >> 9 | TARGET >> 18 | TARGET >> 27;
	u64 pa = frame_alloc();

	pte_write(&root()[SLOT], kernel_mm.root | PTE_P | PTE_W);
	if (*(volatile u64 *)(va + SLOT * 8) != pte_read(&root()[SLOT]))
		return survived();
	/* Map a page by a store through the map of the map. */
	*(u64 *)pa = 0x5e1f;
	pte_lookup(&kernel_mm, KERNEL_WINDOW, 1, true);
	counts.pte++;
	*(volatile u64 *)(TARGET | (KERNEL_WINDOW >> 12) << 3) = pa | PTE_P | PTE_W;
	if (*(volatile u64 *)KERNEL_WINDOW != 0x5e1f)
		return survived();
	printf("guest: bad: a self-mapped root works\n");
	return GUEST_STATUS_OK;
}

/* A table whose every entry points at itself, at every level; then stores through that. */
static int bad_tables_at_self(void)
{
	u64 pa = frame_alloc(), *table = (u64 *)pa, va = TARGET;
	u64 value = pa | PTE_P | PTE_W | PTE_A | PTE_D;

	for (u32 i = 0; i < 512; i++)
		table[i] = value;
	pte_write(&root()[SLOT], value);
	/* All of the 512 GiB are this one frame now. */
	for (u64 off = 0; off < (1ul << 39); off += 0x123456789000) {
		if (*(volatile u64 *)(va + off) != value)
			return survived();
	}
	for (u32 i = 1; i < 512; i++) {
		counts.pte++;
		*(volatile u64 *)(va + i * 8) = 0;
		tlb_flush_page(va);
	}
	/* Cut the branch: entry 0 unmaps the address through which it is written. */
	counts.pte++;
	*(volatile u64 *)va = 0;
	tlb_flush_page(va);
	if (!probe_read(va) || last_fault.error)
		return survived();
	printf("guest: bad: a table that points at itself works\n");
	return GUEST_STATUS_OK;
}

/*
 * Tables that lie outside RAM, at each level in turn. What a walk reads there is the machine's
 * affair (ones on a bare machine, which fault); it just must not be somebody else's memory.
 */
static int bad_outside(void)
{
	for (int level = 4; level >= 2; level--) {
		u64 *entry = pte_lookup(&kernel_mm, KERNEL_WINDOW, level, true);
		u64 old = pte_read(entry);

		pte_write(entry, above_ram() | PTE_P | PTE_W);
		tlb_flush_kernel_page(KERNEL_WINDOW);
		tlb_load(&kernel_mm, true);
		if (probe_read(KERNEL_WINDOW))
			printf("guest: bad: level %d outside RAM: page fault, error code 0x%lx\n",
			       level - 1, last_fault.error);
		else
			printf("guest: bad: level %d outside RAM: no fault\n", level - 1);
		pte_write(entry, old);
		tlb_flush_kernel_page(KERNEL_WINDOW);
	}
	return GUEST_STATUS_OK;
}

/* The root itself outside RAM. */
static int bad_cr3_outside(void)
{
	write_cr4(read_cr4() & ~CR4_PGE);
	drop_idt();
	raw_write_cr3(above_ram());
	return survived();
}

/* A page that is not RAM: device memory that is not there. Reads may give anything. */
static int bad_mmio(void)
{
	u64 va = KERNEL_WINDOW;

	pte_write(pte_lookup(&kernel_mm, va, 1, true), above_ram() | PTE_P | PTE_W | PTE_NX);
	*(volatile u32 *)va = 1;
	asm volatile("" : : "r"(*(volatile u32 *)va));
	printf("guest: bad: an access outside RAM went nowhere\n");
	return GUEST_STATUS_OK;
}

/* Interrupts are off: this halts for ever. */
static int bad_hlt(void)
{
	asm volatile("cli; hlt");
	return survived();
}

/* Never exits of its own accord: for timeouts and kill. */
static int bad_spin(void)
{
	while (for_ever)
		;
	return survived();
}

/* The same with a page-table store in each turn. */
static int bad_spin_update(void)
{
	u64 *entry = pte_lookup(&kernel_mm, KERNEL_WINDOW, 1, true), pa = frame_alloc();

	while (for_ever) {
		pte_write(entry, pa | pte_flags(PTE_P | PTE_W));
		tlb_flush_page(KERNEL_WINDOW);
		*(volatile u64 *)KERNEL_WINDOW = 1;
		pte_write(entry, 0);
		tlb_flush_page(KERNEL_WINDOW);
	}
	return survived();
}

static void touch_msr(void *unused)
{
	(void)unused;
	wrmsr(0x12345678, 1);
}

static void touch_vmx(void *unused)
{
	u64 region = 0;

	(void)unused;
	write_cr4(read_cr4() | 1ul << 13);
	asm volatile("vmxon %0" : : "m"(region));
}

/* Instructions that a hypervisor without the feature refuses, and that must not hurt it. */
static int bad_privileged(void)
{
	printf("guest: bad: unknown MSR: exception %d\n", guarded_call(touch_msr, NULL));
	printf("guest: bad: VMXON: exception %d\n", guarded_call(touch_vmx, NULL));
	return GUEST_STATUS_OK;
}

/*
 * Tables, as many as RAM holds, each of them used: a hypervisor's shadow of them must stay within
 * its budget.
 */
static int bad_greedy(void)
{
	u64 pa = frame_alloc(), spaces = 0, va, table;

	*(u64 *)pa = 0x9eed;
	for (;; spaces++) {
		for (u64 i = 0; i < 512; i++) {
			if (frames_free() < 64) {
				printf("guest: bad: %lu GiB of tables hold\n", spaces);
				return GUEST_STATUS_OK;
			}
			va = TARGET + (spaces << 30) + i * LARGE_SIZE;
			table = (u64)pte_lookup(&kernel_mm, va, 1, true);
			pte_write((u64 *)table, pa | pte_flags(PTE_P | PTE_W | PTE_NX));
			if (*(volatile u64 *)va != 0x9eed)
				return survived();
		}
	}
}

/*
 * Every second instruction a root that a hypervisor has no shadow of any more, if it keeps few: it works
 * for thousands of instructions each time, and the guest, which keeps interrupts off, uses none of its
 * time. The host must get the CPU all the same.
 */
static int bad_roots(void)
{
	u64 roots[64], here = read_cr3() & PTE_ADDR;

	for (int i = 0; i < 64; i++) {
		roots[i] = frame_alloc();
		memcpy((void *)roots[i], (void *)here, PAGE_SIZE);
	}
	while (for_ever)
		for (int i = 0; i < 64; i++)
			raw_write_cr3(roots[i]);
	return survived();
}

struct table_pointer {
	u16 limit;
	u64 base;
} __attribute__((packed));

#define TSS_IST2 44 /* its place in the TSS: SDM vol. 3, 8.7 */

static u64 tss_base(void)
{
	struct table_pointer gdt;
	u64 low, high;
	u16 tr;

	asm volatile("sgdt %0" : "=m"(gdt));
	asm volatile("str %0" : "=r"(tr));
	low = ((u64 *)gdt.base)[tr / 8];
	high = ((u64 *)gdt.base)[tr / 8 + 1];
	return (low >> 16 & 0xffffff) | (low >> 56) << 24 | high << 32;
}

/*
 * A breakpoint on the stack of the #DB handler: to deliver the exception raises it again, before the
 * handler's first instruction. No instruction is ever executed, and no interrupt looked for.
 */
static int bad_db_loop(void)
{
	u64 stack = frame_alloc() + PAGE_SIZE;
	struct table_pointer idt;

	asm volatile("sidt %0" : "=m"(idt));
	((u8 *)idt.base)[16 * 1 + 4] = 2;
	*(u64 *)(tss_base() + TSS_IST2) = stack;
	asm volatile("mov %0, %%dr0" : : "r"(stack - 8));
	asm volatile("mov %0, %%dr7" : : "r"(0xb0402ul)); /* reads and writes, 8 bytes */
	*(volatile u64 *)(stack - 8) = 0;
	return survived();
}

/* Two pages on either side of the border of two top-level entries; the border. */
static u64 border(u32 n)
{
	u64 va = (u64)(SLOT + 10 + 2 * n) << 39;

	for (u64 at = va - PAGE_SIZE; at <= va; at += PAGE_SIZE)
		pte_write(pte_lookup(&kernel_mm, at, 1, true),
			  frame_alloc() | pte_flags(PTE_P | PTE_W));
	return va;
}

asm(".pushsection .text\n"
    "bad_iret: iretq\n"
    ".popsection");
extern const char bad_iret[];

/*
 * A software interrupt whose own bytes, gate, code descriptor, stack pointer and frame each lie
 * across such a border: ten pages, with no table in common but the root, all needed at once.
 */
static int bad_straddle(void)
{
	u64 code = border(0), gate = border(1), descriptor = border(2), tss = border(3);
	u64 stack = border(4), at = (u64)bad_iret, old_tss = tss_base();
	struct table_pointer old_gdt, old_idt, idt = { 0x30 * 16 + 15, gate - 8 - 0x30 * 16 }, gdt;
	void (*interrupt)(void) = (void (*)(void))(code - 1);
	u64 *entry;

	asm volatile("sidt %0" : "=m"(old_idt));
	asm volatile("sgdt %0" : "=m"(old_gdt));
	gdt = (struct table_pointer){ old_gdt.limit, descriptor - 4 - KERNEL_CS };
	memcpy((void *)gdt.base, (void *)old_gdt.base, gdt.limit + 1);
	tss -= 4 + TSS_IST2;
	memcpy((void *)tss, (void *)old_tss, 104);
	*(u64 *)(tss + TSS_IST2) = stack + 16;
	entry = (u64 *)(gdt.base + TSS_SEL);
	entry[0] = 103 | (tss & 0xffffff) << 16 | 0x89ul << 40 | (tss >> 24 & 0xff) << 56;
	entry[1] = tss >> 32;
	entry = (u64 *)(gate - 8);
	entry[0] = (at & 0xffff) | (u64)KERNEL_CS << 16 | 2ul << 32 | 0x8eul << 40 |
		   (at >> 16 & 0xffff) << 48;
	entry[1] = at >> 32;
	memcpy((void *)(code - 1), "\xcd\x30\xc3", 3);
	asm volatile("lgdt %0" : : "m"(gdt));
	asm volatile("ltr %w0" : : "r"(TSS_SEL));
	asm volatile("lidt %0" : : "m"(idt));
	for (u32 i = 0; i < 20; i++) {
		interrupt();
		tlb_load(&kernel_mm, true);
	}
	asm volatile("lidt %0" : : "m"(old_idt));
	asm volatile("lgdt %0" : : "m"(old_gdt));
	printf("guest: bad: interrupts that need ten pages at once\n");
	return GUEST_STATUS_OK;
}

static const char kind_names[] = "triple|wild_jump|reserved|reserved_leaf|selfmap|tables_at_self|"
				 "outside|cr3_outside|mmio|hlt|spin|spin_update|privileged|greedy|"
				 "db_loop|straddle|roots";

static int (*const kinds[])(void) = {
	bad_triple,	    bad_wild_jump,   bad_reserved,    bad_reserved_leaf, bad_selfmap,
	bad_tables_at_self, bad_outside,     bad_cr3_outside, bad_mmio,		 bad_hlt,
	bad_spin,	    bad_spin_update, bad_privileged,  bad_greedy,	 bad_db_loop,
	bad_straddle,	    bad_roots,
};

static const struct param params[] = {
	CHOICE("kind", kind, 0, kind_names, "what to do wrong"),
	{},
};

static int run(void)
{
	mm_switch(&kernel_mm);
	return kinds[kind]();
}

WORKLOAD(bad) = {
	.name = "bad",
	.summary = "a guest that misbehaves, for tests of whatever runs it",
	.params = params,
	.run = run,
};

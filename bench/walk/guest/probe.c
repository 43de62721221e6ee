// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest image for one question: how many references does one missing load cost? It maps one page
 * of the size that page= names, makes its translation present, accessed and known to the
 * hypervisor, and forgets it again; the load that follows misses, and the memory trace between the
 * magic breaks (XCHG BX,BX) shows its walk and nothing else.
 *
 * Region 1 is that load. Region 2 is the first write to the same page after its dirty flag was
 * cleared: a walk that also writes a flag (SDM 3A, 4.8).
 */
#include "kernel/kernel.h"

#define MAGIC_BREAK "xchg %%bx, %%bx\n\t"

/* Nothing but the access is between the breaks: what C adds would be in the region as well. */
static void traced_load(u64 va)
{
	u64 value;

	asm volatile(MAGIC_BREAK "mov (%1), %0\n\t" MAGIC_BREAK
		     : "=&r"(value)
		     : "r"(va)
		     : "memory");
}

static void traced_store(u64 va)
{
	asm volatile(MAGIC_BREAK "movq $1, (%0)\n\t" MAGIC_BREAK : : "r"(va) : "memory");
}

static u64 *map(u64 kind, u64 *va)
{
	u64 pa;
	u64 *entry;

	switch (kind) {
	case 0:
		*va = KERNEL_WINDOW;
		return kernel_map(*va, frame_alloc(), PTE_W);
	case 1:
		*va = KERNEL_WINDOW;
		return kernel_map(*va, frame_alloc_large(), PTE_W | PTE_LARGE);
	default:
		if (!cpu.page1g)
			die(GUEST_STATUS_USAGE, "page=1g: this CPU has no 1 GiB pages");
		pa = frame_alloc();
		*va = KERNEL_WINDOW + (pa & ((1ul << 30) - 1));
		entry = pte_lookup(&kernel_mm, KERNEL_WINDOW, 3, true);
		pte_write(entry, ALIGN_DOWN(pa, 1ul << 30) | PTE_P | PTE_W | PTE_LARGE);
		return entry;
	}
}

int guest_main(void)
{
	u64 kind = cmdline_choice("page", 0, "4k|2m|1g");
	u64 *entry, va;

	cmdline_check();
	entry = map(kind, &va);
	/* Written once, so that every dimension is populated, accessed and dirty. */
	*(volatile u64 *)va = 0;
	tlb_flush_page(va);
	traced_load(va);

	pte_write(entry, pte_read(entry) & ~PTE_D);
	tlb_flush_page(va);
	*(volatile u64 *)va;
	tlb_flush_page(va);
	traced_store(va);
	if (!(pte_read(entry) & PTE_D)) {
		printf("guest: the first write has not set the dirty flag\n");
		return GUEST_STATUS_FAILED;
	}
	return GUEST_STATUS_OK;
}

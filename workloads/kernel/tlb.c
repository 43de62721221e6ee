// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every TLB flush of the guest goes through here and is counted, because the run fails where the
 * guest's count and the hypervisor's disagree. And every address space is entered through
 * tlb_load(), so that this is the one place that knows about PCIDs, the no-flush bit and, later, an
 * interface that lets MOV to CR3 pass without an exit.
 *
 * Who may hold stale translations of an address space that is not current? Without PCIDs nobody:
 * leaving it flushed them. With PCIDs its own PCID may, so it is marked stale and its next load
 * leaves the no-flush bit out, or INVPCID forgets them at once (SDM 3A, 4.10.4).
 */
#include "internal.h"

/* Beyond so many pages one full flush is cheaper than INVLPGs; Linux's choice as well. */
#define FLUSH_CEILING 33

struct counts counts;
struct mm *current_mm = &kernel_mm;

/* Counts flushes of kernel mappings that could only reach the current PCID. */
static u64 kernel_gen;

void tlb_load(struct mm *mm, bool flush)
{
	u64 cr3 = mm->root;

	if (cpu.use_pcid) {
		cr3 |= mm->pcid;
		if (!flush && !mm->stale && mm->kernel_gen == kernel_gen)
			cr3 |= CR3_NOFLUSH;
		mm->stale = false;
		mm->kernel_gen = kernel_gen;
	}
	current_mm = mm;
	counts.cr3++;
	raw_write_cr3(cr3);
}

void mm_switch(struct mm *mm)
{
	if (mm != current_mm)
		tlb_load(mm, false);
}

void tlb_flush_mm_page(struct mm *mm, u64 va)
{
	if (mm == current_mm) {
		tlb_flush_page(va);
	} else if (cpu.use_invpcid) {
		tlb_invpcid(INVPCID_ADDRESS, mm->pcid, va);
	} else {
		mm->stale = true;
	}
}

void tlb_flush_mm(struct mm *mm)
{
	if (mm == current_mm) {
		tlb_load(mm, true);
	} else if (cpu.use_invpcid) {
		tlb_invpcid(INVPCID_CONTEXT, mm->pcid, 0);
	} else {
		mm->stale = true;
	}
}

void tlb_flush_range(struct mm *mm, u64 start, u64 pages, u64 step)
{
	if (pages > FLUSH_CEILING) {
		tlb_flush_mm(mm);
		return;
	}
	for (u64 i = 0; i < pages; i++)
		tlb_flush_mm_page(mm, start + i * step);
}

void tlb_flush_kernel_page(u64 va)
{
	/* INVLPG forgets global translations whatever their PCID (SDM 3A, 4.10.4.1). */
	tlb_flush_page(va);
	if (cpu.use_pcid && !cpu.use_global)
		current_mm->kernel_gen = ++kernel_gen;
}

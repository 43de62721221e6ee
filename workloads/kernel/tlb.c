// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every TLB flush of the guest goes through here and is counted, because the run fails where the
 * guest's count and the hypervisor's disagree. And every address space is entered through
 * tlb_load(), so that this is the one place that knows about PCIDs, the no-flush bit and the
 * base-address buffer, with which MOV to CR3 needs no exit.
 *
 * Who may hold stale translations of an address space that is not current? As a rule nobody:
 * leaving it flushed them. With PCIDs its own PCID may, and with the base-address buffer any
 * address space; so it is marked stale and its next load flushes (leaves the no-flush bit out, uses
 * the guest's own CR3 value), or INVPCID forgets them at once (SDM 3A, 4.10.4).
 */
#include "internal.h"

/* Beyond so many pages one full flush is cheaper than INVLPGs; Linux's choice as well. */
#define FLUSH_CEILING 33

struct counts counts;
struct mm *current_mm = &kernel_mm;

/* Counts flushes of kernel mappings that could only reach the current PCID. */
static u64 kernel_gen;

const volatile struct shared_root *shared_roots;

static void share_roots(void *page)
{
	u64 ret;

	asm volatile("vmcall"
		     : "=a"(ret)
		     : "a"((u64)GUEST_HC_SHARE_ROOTS), "b"(page)
		     : "rcx", "rdx", "rsi", "memory");
	if (!ret)
		shared_roots = page;
}

bool tlb_share_roots(void)
{
	void *page = frame_alloc_contig(PAGE_SIZE);

	guarded_call(share_roots, page);
	return shared_roots != NULL;
}

static bool survives_switch(void)
{
	return cpu.use_pcid || shared_roots;
}

void tlb_load(struct mm *mm, bool flush)
{
	u64 cr3 = mm->root | (cpu.use_pcid ? mm->pcid : 0), value = cr3;

	if (mm->stale || mm->kernel_gen != kernel_gen)
		flush = true;
	if (!flush && cpu.use_pcid)
		value |= CR3_NOFLUSH;
	counts.cr3++;
	for (u32 i = 0; shared_roots && !flush && i < GUEST_ROOTS; i++) {
		if (shared_roots[i].cr3 == cr3) {
			u64 load = shared_roots[i].load;

			/* 0: withdrawn between the two reads. */
			if (load) {
				value = load;
				counts.cr3_direct++;
			}
			break;
		}
	}
	mm->stale = false;
	mm->kernel_gen = kernel_gen;
	current_mm = mm;
	raw_write_cr3(value);
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
	if (survives_switch() && !cpu.use_global)
		current_mm->kernel_gen = ++kernel_gen;
}

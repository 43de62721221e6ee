// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-table updates among accesses, in a given share: the sweep that shows where write-protected
 * shadow tables break even. Each operation picks a page and loads from it; with probability `share`
 * it first points the page at its other frame and flushes it. The load must find the tag of the
 * frame that is mapped now, so a translation that is one update old is caught at once.
 */
#include "harness/harness.h"

#define SEED 0x70745f757064ul

enum { FLUSH_INVLPG, FLUSH_INVPCID, FLUSH_CR3 };

static u64 pages, share, stride, flush;
static u64 **entry;	/* per page: its gpte */
static u64 (*frame)[2]; /* per page: its two frames */
static u8 *turn;	/* per page: which of them is mapped */
static u64 sum, wrong;

static const struct param params[] = {
	NUMBER("pages", pages, 1024, 1, 65536, "pages that are accessed and remapped"),
	NUMBER("share", share, 50, 0, 100, "operations in a hundred that update"),
	CHOICE("flush", flush, FLUSH_INVLPG, "invlpg|invpcid|cr3", "the flush after an update"),
	NUMBER("stride", stride, 1, 1, 512, "pages from one to the next; 512: a table page each"),
	{},
};

static u64 va_of(u64 page)
{
	return KERNEL_WINDOW + page * stride * PAGE_SIZE;
}

static u64 tag_of(u64 page, u32 which)
{
	return (page << 1 | which) + 1;
}

/* Only INVLPG forgets global translations, so with the other flushes the pages are not global. */
static u64 entry_value(u64 page)
{
	u64 global = flush == FLUSH_INVLPG ? PTE_G : 0;

	return frame[page][turn[page]] | pte_flags(PTE_P | PTE_W | PTE_NX | global);
}

static void setup(void)
{
	u64 arrays = pages * (sizeof(*entry) + sizeof(*frame) + sizeof(*turn));

	if (flush == FLUSH_INVPCID && !cpu.invpcid)
		die(GUEST_STATUS_USAGE, "flush=invpcid: this CPU has no INVPCID");
	need_memory((pages * 2 + pages * stride / 512 + 8) * PAGE_SIZE + arrays);
	entry = frame_alloc_contig(pages * sizeof(*entry));
	frame = frame_alloc_contig(pages * sizeof(*frame));
	turn = frame_alloc_contig(pages * sizeof(*turn));
	for (u64 i = 0; i < pages; i++) {
		for (u32 which = 0; which < 2; which++) {
			frame[i][which] = frame_alloc();
			*(u64 *)frame[i][which] = tag_of(i, which);
		}
		entry[i] = pte_lookup(&kernel_mm, va_of(i), 1, true);
		pte_write(entry[i], entry_value(i));
	}
}

static always_inline void update_page(u64 page)
{
	pte_write(entry[page], entry_value(page));
	if (flush == FLUSH_INVLPG)
		tlb_flush_kernel_page(va_of(page));
	else if (flush == FLUSH_INVPCID)
		tlb_invpcid(INVPCID_ADDRESS, 0, va_of(page));
	else
		tlb_load(&kernel_mm, true);
}

/* A full flush can cost a shadow as much as all pages together. */
static u64 default_ops(void)
{
	return flush == FLUSH_CR3 ? 400 : 4000;
}

/*
 * Back to the first frames, so that every repetition does the same. After a control, which turned
 * pages without mapping them, this maps what is mapped.
 */
static void prepare(void)
{
	for (u64 i = 0; i < pages; i++) {
		if (!turn[i])
			continue;
		turn[i] = 0;
		update_page(i);
	}
}

/* One function for both, so that the control is the same instructions without the update. */
static __attribute__((noipa)) void run(u64 ops, bool update)
{
	u64 state = SEED;

	sum = 0;
	wrong = 0;
	for (u64 i = 0; i < ops; i++) {
		u64 random = lcg(&state), tag;
		u64 page = (random >> 7) % pages;
		bool hit = random % 100 < share;

		if (hit) {
			turn[page] ^= 1;
			if (update)
				update_page(page);
		}
		tag = *(volatile u64 *)va_of(page);
		if (tag != tag_of(page, turn[page]))
			wrong++;
		sum += tag ^ i;
	}
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
	(void)ops;
	*checksum = sum;
	for (u64 i = 0; i < pages; i++) {
		u64 tag = *(volatile u64 *)va_of(i);

		if (tag != tag_of(i, turn[i]))
			wrong++;
		*checksum = mix64(*checksum, tag);
	}
	if (!wrong)
		return true;
	printf("guest: pt_update: %lu loads found a frame that was not mapped\n", wrong);
	return false;
}

WORKLOAD(pt_update) = {
	.name = "pt_update",
	.summary = "remap pages in a given share of accesses: PTE store, flush, load",
	.params = params,
	.ops = 4000,
	.default_ops = default_ops,
	.ops_max = 1ul << 32,
	.setup = setup,
	.prepare = prepare,
	.prepare_control = prepare,
	.body = body,
	.control = control,
	.check = check,
};

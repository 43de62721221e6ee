// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random loads from a working set, among them page-table updates at a given rate: the two things
 * that shadow paging and nested paging disagree about, each with a dial of its own. An update moves
 * the page that is loaded from next to another frame and flushes it.
 *
 * Each address comes from the load before, so that nothing hides a walk, and a load through a
 * translation that is one update old sends all that follows elsewhere.
 */
#include "harness/harness.h"

#define SEED	  0x7068617365ul
#define LINE	  64
#define LINES	  (PAGE_SIZE / LINE)
#define THOUSAND  1000
#define SPARE	  64 /* frames that no page is in */
#define LARGEST	  (128 * MIB)
#define BEGIN_TAG 0x7461676765ul /* what tags are made from */

static u64 size, updates;
static u64 pages;
static u64 **entry; /* per page: its gpte */
static u64 *home;   /* per page: its first frame, and at the end those that start as spare */
static u64 *frame;  /* per page: the frame it is in, and at the end a ring of spare ones */
static u64 next_spare;
static u64 last; /* what the loads have led to */

static const struct param params[] = {
	NUMBER("size", size, 4 * MIB, 64 << 10, LARGEST,
	       "bytes of the working set, a power of two"),
	NUMBER("updates", updates, 10, 0, THOUSAND, "table updates per 1,000 accesses"),
	{},
};

static always_inline u64 va_of(u64 page)
{
	return KERNEL_WINDOW + page * PAGE_SIZE;
}

/* All lines of a frame hold its tag: pages of any place may come to be in it. */
static u64 tag_of(u64 pa)
{
	return mix64(BEGIN_TAG, pa / PAGE_SIZE - home[0] / PAGE_SIZE);
}

static void map(u64 page)
{
	pte_write(entry[page], frame[page] | pte_flags(PTE_P | PTE_W | PTE_NX | PTE_G));
}

static void setup(void)
{
	u64 frames, block;

	if (size & (size - 1))
		die(GUEST_STATUS_USAGE, "size=%lu: a power of two is expected", size);
	pages = size / PAGE_SIZE;
	frames = pages + SPARE;
	need_memory(frames * (PAGE_SIZE + sizeof(*entry) + sizeof(*home) + sizeof(*frame)) +
		    (pages / 512 + 8) * PAGE_SIZE);
	entry = frame_alloc_contig(pages * sizeof(*entry));
	home = frame_alloc_contig(frames * sizeof(*home));
	frame = frame_alloc_contig(frames * sizeof(*frame));
	block = (u64)frame_alloc_contig(frames * PAGE_SIZE);
	for (u64 i = 0; i < frames; i++) {
		home[i] = block + i * PAGE_SIZE;
		frame[i] = home[i];
		for (u64 line = 0; line < LINES; line++)
			*(u64 *)(home[i] + line * LINE) = tag_of(home[i]);
	}
	for (u64 i = 0; i < pages; i++) {
		entry[i] = pte_lookup(&kernel_mm, va_of(i), 1, true);
		map(i);
	}
}

/* The page changes places with the frame that has been spare for longest. */
static always_inline void choose_frame(u64 page)
{
	u64 *spare = &frame[pages + next_spare];
	u64 was = frame[page];

	frame[page] = *spare;
	*spare = was;
	next_spare = (next_spare + 1) % SPARE;
}

/* Every page where it was at first, and known to the hypervisor. */
static void prepare(void)
{
	for (u64 i = 0; i < pages; i++) {
		if (frame[i] != home[i]) {
			frame[i] = home[i];
			map(i);
			tlb_flush_kernel_page(va_of(i));
		}
		*(volatile u64 *)va_of(i);
	}
	for (u64 i = pages; i < pages + SPARE; i++)
		frame[i] = home[i];
	next_spare = 0;
}

/* Any line of the working set. */
static always_inline u64 next_offset(u64 *state)
{
	return lcg(state) & (size - LINE);
}

static void body(u64 ops)
{
	u64 state = SEED, due = 0;

	for (u64 i = 0; i < ops; i++) {
		u64 offset = next_offset(&state), page = offset / PAGE_SIZE;

		due += updates;
		if (due >= THOUSAND) {
			due -= THOUSAND;
			choose_frame(page);
			map(page);
			tlb_flush_kernel_page(va_of(page));
		}
		state += *(volatile u64 *)(KERNEL_WINDOW + offset);
	}
	last = state;
}

/* The same without loads and updates. */
static void control(u64 ops)
{
	u64 state = SEED, due = 0;

	for (u64 i = 0; i < ops; i++) {
		u64 offset = next_offset(&state);

		due += updates;
		if (due >= THOUSAND)
			due -= THOUSAND;
		state += offset;
	}
	last = state;
}

/* Once more from the first frames on, without any page table. */
static bool check(u64 ops, u64 *checksum)
{
	u64 state = SEED, due = 0, wrong = 0;

	for (u64 i = 0; i < pages; i++)
		wrong += *(volatile u64 *)va_of(i) != tag_of(frame[i]);
	for (u64 i = 0; i < pages + SPARE; i++)
		frame[i] = home[i];
	next_spare = 0;
	for (u64 i = 0; i < ops; i++) {
		u64 page = next_offset(&state) / PAGE_SIZE;

		due += updates;
		if (due >= THOUSAND) {
			due -= THOUSAND;
			choose_frame(page);
		}
		state += tag_of(frame[page]);
	}
	*checksum = mix64(pages, last);
	for (u64 i = 0; i < pages; i++)
		*checksum = mix64(*checksum, *(volatile u64 *)va_of(i));
	if (!wrong && state == last)
		return true;
	printf("guest: phase: %lu pages are in a wrong frame; the loads led to 0x%lx, not 0x%lx\n",
	       wrong, last, state);
	return false;
}

WORKLOAD(phase) = {
	.name = "phase",
	.summary = "random loads over a working set, and table updates at a given rate",
	.params = params,
	.ops = 20000,
	.ops_max = 1ul << 32,
	.setup = setup,
	.prepare = prepare,
	.body = body,
	.control = control,
	.check = check,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical memory, straight from the e820 table. Two cursors hand out memory that was never used,
 * 4 KiB frames from the bottom and 2 MiB from the top, and freed frames are reused last in, first
 * out. So a kernel that stays small touches little RAM, a hypervisor that backs memory on demand
 * backs little, and a workload that wants never-used frames can have them.
 */
#include "internal.h"

#define RANGES_MAX 32
#define LOW_LIMIT  MIB /* below: BIOS areas and other people's tables */
#define HIGH_LIMIT (16ul << 30)
#define NO_FRAME   0xffffffffu

struct frame {
	u32 next;
	u32 refs;
};

static struct {
	u64 start, end;
} ranges[RANGES_MAX];
static u32 range_count;
static u32 low_range, high_range; /* where the cursors are */
static u64 low, high;
static struct frame *frames;
static u64 ram_top, total, never_used_gone, reusable;
static u32 free_small = NO_FRAME, free_large = NO_FRAME;

static u32 pfn(u64 pa)
{
	return (u32)(pa / PAGE_SIZE);
}

u64 ram_end(void)
{
	return ram_top;
}

static void add_range(u64 start, u64 end)
{
	u32 i;

	if (start < LOW_LIMIT)
		start = LOW_LIMIT;
	if (end > HIGH_LIMIT)
		end = HIGH_LIMIT; /* more than anyone measures; bounds the early tables */
	start = ALIGN_UP(start, PAGE_SIZE);
	end = ALIGN_DOWN(end, PAGE_SIZE);
	if (start >= end || range_count == RANGES_MAX)
		return;
	for (i = range_count; i && ranges[i - 1].start > start; i--)
		ranges[i] = ranges[i - 1];
	ranges[i].start = start;
	ranges[i].end = end;
	range_count++;
}

/* Move the low cursor on until @bytes fit in front of it; false where memory has run out. */
static bool low_fits(u64 bytes)
{
	while (low_range <= high_range) {
		u64 end = low_range == high_range ? high : ranges[low_range].end;

		if (low + bytes <= end)
			return true;
		if (low_range == high_range)
			return false;
		low = ranges[++low_range].start;
	}
	return false;
}

static u64 take_low(u64 bytes)
{
	u64 pa = low;

	low += bytes;
	never_used_gone += bytes / PAGE_SIZE;
	return pa;
}

void frame_init(const struct e820_entry *map, u32 entries)
{
	u64 image_start = (u64)kernel_start;
	u64 image_end = ALIGN_UP((u64)kernel_end, PAGE_SIZE);
	u64 bytes;

	for (u32 i = 0; i < entries; i++) {
		u64 start = map[i].addr, end = start + map[i].size;

		if (map[i].type != GUEST_E820_RAM || end < start)
			continue;
		if (start < image_end && end > image_start) {
			add_range(start, image_start);
			add_range(image_end, end);
		} else {
			add_range(start, end);
		}
	}
	for (u32 i = 0; i < range_count; i++) {
		total += (ranges[i].end - ranges[i].start) / PAGE_SIZE;
		ram_top = ranges[i].end;
	}
	if (ram_top < image_end)
		ram_top = image_end;
	if (total * PAGE_SIZE < 8 * MIB)
		die(GUEST_STATUS_USAGE,
		    "%lu KiB of RAM beside the image is too little: give the guest %u MiB or more",
		    total * PAGE_SIZE / 1024, GUEST_MIN_RAM_MIB);
	high_range = range_count - 1;
	high = ranges[high_range].end;
	low = ranges[0].start;

	/*
	 * The table of frames is indexed by frame number. Entries are initialised when their frame
	 * is first handed out, so the table itself is only touched as far as memory is used. It
	 * goes above the image if it can: that is where the identity map of a boot loader surely
	 * reaches.
	 */
	bytes = ALIGN_UP(ram_top / PAGE_SIZE * sizeof(struct frame), PAGE_SIZE);
	for (u32 i = 0; i < range_count; i++) {
		if (ranges[i].start >= image_end && ranges[i].end - ranges[i].start > bytes) {
			frames = (struct frame *)ranges[i].start;
			ranges[i].start += bytes;
			break;
		}
	}
	if (!frames)
		die(GUEST_STATUS_USAGE, "no RAM above the image for %lu KiB of frame table",
		    bytes / 1024);
	low = ranges[0].start;
	total -= bytes / PAGE_SIZE;
}

static noreturn void out_of_memory(void)
{
	die(GUEST_STATUS_USAGE,
	    "out of memory: all of %lu MiB are in use; give the guest more RAM or lower the sizes",
	    total * PAGE_SIZE / MIB);
}

u64 frame_alloc_fresh(void)
{
	u64 pa;

	if (!low_fits(PAGE_SIZE))
		out_of_memory();
	pa = take_low(PAGE_SIZE);
	frames[pfn(pa)].refs = 1;
	return pa;
}

u64 frame_alloc(void)
{
	u32 n = free_small;

	if (n == NO_FRAME)
		return frame_alloc_fresh();
	free_small = frames[n].next;
	frames[n].refs = 1;
	reusable--;
	return n * PAGE_SIZE;
}

u64 frame_alloc_large(void)
{
	u32 n = free_large;
	u64 pa;

	if (n != NO_FRAME) {
		free_large = frames[n].next;
		reusable -= 512;
		pa = n * PAGE_SIZE;
	} else {
		for (;;) {
			u64 start = low_range == high_range ? low : ranges[high_range].start;

			pa = ALIGN_DOWN(high - LARGE_SIZE, LARGE_SIZE);
			if (high >= LARGE_SIZE && pa >= start)
				break;
			if (low_range == high_range)
				out_of_memory();
			never_used_gone += (high - start) / PAGE_SIZE;
			high = ranges[--high_range].end;
		}
		never_used_gone += (high - pa) / PAGE_SIZE;
		high = pa;
	}
	frames[pfn(pa)].refs = 1;
	return pa;
}

void *frame_alloc_contig(u64 bytes)
{
	u64 pa;

	bytes = ALIGN_UP(bytes, PAGE_SIZE);
	if (!low_fits(bytes))
		out_of_memory();
	pa = take_low(bytes);
	for (u64 at = pa; at < pa + bytes; at += PAGE_SIZE) {
		frames[pfn(at)].refs = 1;
		zero_page(at);
	}
	return (void *)pa;
}

void frame_get(u64 pa)
{
	frames[pfn(pa)].refs++;
}

u32 frame_refs(u64 pa)
{
	return frames[pfn(pa)].refs;
}

bool frame_put(u64 pa)
{
	u32 n = pfn(pa);

	if (!frames[n].refs)
		die(GUEST_STATUS_FAILED, "frame 0x%lx was freed twice", pa);
	if (--frames[n].refs)
		return false;
	frames[n].next = free_small;
	free_small = n;
	reusable++;
	return true;
}

void frame_put_large(u64 pa)
{
	u32 n = pfn(pa);

	if (!frames[n].refs)
		die(GUEST_STATUS_FAILED, "2 MiB frame 0x%lx was freed twice", pa);
	if (--frames[n].refs)
		return;
	frames[n].next = free_large;
	free_large = n;
	reusable += 512;
}

u64 frames_total(void)
{
	return total;
}

u64 frames_free(void)
{
	return total - never_used_gone + reusable;
}

void need_memory(u64 bytes)
{
	u64 have = frames_free() * PAGE_SIZE;

	if (bytes > have)
		die(GUEST_STATUS_USAGE,
		    "this workload takes %lu MiB, but only %lu MiB of guest memory are free: give "
		    "the guest more RAM or lower the sizes",
		    (bytes + MIB - 1) / MIB, have / MIB);
}

void zero_page(u64 pa)
{
	u64 count = PAGE_SIZE / 8;
	void *at = (void *)pa;

	asm volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(0) : "memory");
}

void copy_page(u64 to, u64 from)
{
	u64 count = PAGE_SIZE / 8;

	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

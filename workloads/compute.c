// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compute: one big mapping made once, long kernels over all of it, hardly an entry changed in
 * between. An operation is a kernel, one submission.
 */
#include "gtt.h"

static u64 pages, updates, bytes;
static u64 sum, first;
static struct gtt_pool pool;
static struct gtt_stream stream;
static u64 *frame_of;

static const struct param params[] = {
	NUMBER("pages", pages, 2048, 1, GTT_COMMAND_PAGES, "device pages of the mapping"),
	NUMBER("updates", updates, 1, 0, 4096, "entries changed before a kernel"),
	NUMBER("bytes", bytes, 1024, 8, 4096, "of each page that the kernel works on"),
	{},
};

static void setup(void)
{
	bytes &= ~7ul;
	need_memory((pages + 64) * (PAGE_SIZE + 24));
	gtt_setup(pages, 1);
	gtt_pool_make(&pool, pages, bytes);
	frame_of = frame_alloc_contig(pages * sizeof(u64));
	gtt_stream_init(&stream);
	first = gtt_space(pages);
	for (u64 i = 0; i < pages; i++)
		gtt_map(first + i, pool.frame[i]);
}

static void prepare(void)
{
	for (u64 i = 0; i < pages; i++) {
		if (frame_of[i] != i)
			gtt_map(first + i, pool.frame[i]);
		frame_of[i] = i;
	}
	gtt_submit(&stream);
}

static always_inline void update(u64 turn, u64 k, u64 *entry, u64 *frame)
{
	*entry = (turn * 97 + k * 11) % pages;
	*frame = (turn * 53 + k * 5) % pages;
}

static void body(u64 ops)
{
	u64 entry, frame;

	sum = 0;
	for (u64 turn = 0; turn < ops; turn++) {
		for (u64 k = 0; k < updates; k++) {
			update(turn, k, &entry, &frame);
			gtt_map(first + entry, pool.frame[frame]);
			frame_of[entry] = frame;
		}
		gtt_sum(&stream, first, pages, bytes);
		gtt_submit(&stream);
		sum = mix64(sum, stream.result[0]);
	}
}

static bool check(u64 ops, u64 *checksum)
{
	u64 want = 0, entry, frame;

	for (u64 i = 0; i < pages; i++)
		frame_of[i] = i;
	for (u64 turn = 0; turn < ops; turn++) {
		u64 result = 0;

		for (u64 k = 0; k < updates; k++) {
			update(turn, k, &entry, &frame);
			frame_of[entry] = frame;
		}
		for (u64 i = 0; i < pages; i++)
			result = gtt_gather(result, pool.sum[frame_of[i]], i);
		want = mix64(want, result);
	}
	*checksum = sum;
	if (sum == want)
		return true;
	printf("guest: compute: the device's sums give 0x%lx, should be 0x%lx\n", sum, want);
	return false;
}

WORKLOAD(compute) = {
	.name = "compute",
	.summary = "device: one big mapping, long kernels, hardly a change (--gtt)",
	.params = params,
	.ops = 8,
	.ops_max = 1000000,
	.setup = setup,
	.prepare = prepare,
	.body = body,
	.check = check,
};

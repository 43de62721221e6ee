// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uploads: bursts of consecutive entries through a ring of device pages, each burst used by one
 * submission and never again. Its length is the number of updates per submission, which decides
 * between strict and relaxed shadowing. An operation is a burst.
 */
#include "gtt.h"

#define SPARE 61

static u64 burst, ring, bytes;
static u64 sum, first;
static struct gtt_pool pool;
static struct gtt_stream stream;

static const struct param params[] = {
	NUMBER("burst", burst, 128, 1, 8192, "entries changed before a submission"),
	NUMBER("ring", ring, 4096, 1, 65536, "device pages that bursts go through"),
	NUMBER("bytes", bytes, 64, 8, 4096, "of each page that the device works on"),
	{},
};

static void setup(void)
{
	bytes &= ~7ul;
	if (burst > ring || ring % burst)
		die(GUEST_STATUS_USAGE, "ring=%lu is no multiple of burst=%lu", ring, burst);
	need_memory((burst + SPARE + 64) * (PAGE_SIZE + 16));
	gtt_setup(ring, 1);
	gtt_pool_make(&pool, burst + SPARE, bytes);
	gtt_stream_init(&stream);
	first = gtt_space(ring);
}

/* Other frames everywhere, so that each repetition changes every entry that it writes. */
static void prepare(void)
{
	for (u64 i = 0; i < ring; i++)
		gtt_map(first + i, pool.frame[(i * 5 + 1) % pool.n]);
	gtt_submit(&stream);
}

static void body(u64 ops)
{
	sum = 0;
	for (u64 turn = 0; turn < ops; turn++) {
		u64 page = first + turn * burst % ring;

		gtt_map_pool(page, burst, &pool, turn * 17);
		gtt_sum(&stream, page, burst, bytes);
		gtt_submit(&stream);
		sum = mix64(sum, stream.result[0]);
	}
}

static bool check(u64 ops, u64 *checksum)
{
	u64 want = 0;

	for (u64 turn = 0; turn < ops; turn++)
		want = mix64(want, gtt_pool_sum(&pool, burst, turn * 17));
	*checksum = sum;
	if (sum == want)
		return true;
	printf("guest: upload: the device's sums give 0x%lx, should be 0x%lx\n", sum, want);
	return false;
}

WORKLOAD(upload) = {
	.name = "upload",
	.summary = "device: bursts of consecutive entries, each used once (--gtt)",
	.params = params,
	.ops = 64,
	.ops_max = 1000000,
	.setup = setup,
	.prepare = prepare,
	.body = body,
	.check = check,
};

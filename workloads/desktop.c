// SPDX-License-Identifier: GPL-2.0-only
/*
 * A desktop: many small submissions, few changes. Windows stay mapped; before a submission a page
 * or two of one window get new memory, then the device composes some windows. An operation is a
 * frame, several submissions.
 */
#include "gtt.h"

#define MAX_WINDOWS 64
#define SPARE	    64

static u64 windows, pages, updates, submits, bytes;
static u64 sum;
static struct gtt_pool pool;
static struct gtt_stream stream;
static u64 window[MAX_WINDOWS]; /* first device page */
static u64 *frame_of;		/* device page - window[0] -> which of the pool */

static const struct param params[] = {
	NUMBER("windows", windows, 16, 1, MAX_WINDOWS, "windows that stay mapped"),
	NUMBER("pages", pages, 64, 1, 4096, "device pages of a window"),
	NUMBER("updates", updates, 2, 0, 4096, "entries changed before a submission"),
	NUMBER("submits", submits, 8, 1, 1000, "submissions in a frame"),
	NUMBER("bytes", bytes, 64, 8, 4096, "of each page that the device works on"),
	{},
};

/* Windows composed by one submission. */
#define COMPOSED 4u

static void setup(void)
{
	bytes &= ~7ul;
	need_memory((windows * pages + SPARE + 64) * (PAGE_SIZE + 24));
	gtt_setup(windows * pages, 1);
	gtt_pool_make(&pool, windows * pages + SPARE, bytes);
	frame_of = frame_alloc_contig(windows * pages * sizeof(u64));
	gtt_stream_init(&stream);
	for (u64 w = 0; w < windows; w++)
		window[w] = gtt_space(pages);
	for (u64 i = 0; i < windows * pages; i++)
		gtt_map(window[0] + i, pool.frame[i]);
}

/* All windows as they were at the start. */
static void prepare(void)
{
	for (u64 i = 0; i < windows * pages; i++) {
		if (frame_of[i] != i)
			gtt_map(window[0] + i, pool.frame[i]);
		frame_of[i] = i;
	}
	gtt_submit(&stream); /* so that what follows is not one burst with this */
}

static always_inline void update(u64 turn, u64 k, u64 *entry, u64 *frame)
{
	*entry = (turn * 7 % windows) * pages + (turn * 13 + k) % pages;
	*frame = (turn * 29 + k * 3) % pool.n;
}

static always_inline u64 composed(u64 turn, u64 k)
{
	return (turn * 7 + k) % windows;
}

static void one_submission(u64 turn)
{
	u64 entry, frame;

	for (u64 k = 0; k < updates; k++) {
		update(turn, k, &entry, &frame);
		gtt_map(window[0] + entry, pool.frame[frame]);
		frame_of[entry] = frame;
	}
	for (u64 k = 0; k < COMPOSED; k++)
		gtt_sum(&stream, window[composed(turn, k)], pages, bytes);
	gtt_submit(&stream);
	for (u64 k = 0; k < COMPOSED; k++)
		sum = mix64(sum, stream.result[k]);
}

static void body(u64 ops)
{
	sum = 0;
	for (u64 turn = 0; turn < ops * submits; turn++)
		one_submission(turn);
}

static bool check(u64 ops, u64 *checksum)
{
	u64 want = 0, entry, frame;
	bool ok;

	for (u64 i = 0; i < windows * pages; i++)
		frame_of[i] = i;
	for (u64 turn = 0; turn < ops * submits; turn++) {
		for (u64 k = 0; k < updates; k++) {
			update(turn, k, &entry, &frame);
			frame_of[entry] = frame;
		}
		for (u64 k = 0; k < COMPOSED; k++) {
			const u64 *at = frame_of + composed(turn, k) * pages;
			u64 result = 0;

			for (u64 i = 0; i < pages; i++)
				result = gtt_gather(result, pool.sum[at[i]], i);
			want = mix64(want, result);
		}
	}
	*checksum = sum;
	ok = sum == want;
	if (!ok)
		printf("guest: desktop: the device's sums give 0x%lx, should be 0x%lx\n", sum,
		       want);
	return ok;
}

WORKLOAD(desktop) = {
	.name = "desktop",
	.summary = "device: few entries change between many small submissions (--gtt)",
	.params = params,
	.ops = 16,
	.ops_max = 1000000,
	.setup = setup,
	.prepare = prepare,
	.body = body,
	.check = check,
};

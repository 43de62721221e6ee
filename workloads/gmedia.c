// SPDX-License-Identifier: GPL-2.0-only
/*
 * Media, the load that gHyvi was made for: for each frame the driver maps fresh buffers behind all
 * of its surfaces, then has the device decode, scale and encode, three submissions. Threads are
 * clients of the device with surfaces of their own; on one vCPU they take turns, a frame each. An
 * operation is a frame.
 *
 * Surfaces: 0 is what is decoded from, 1 what is decoded to, 2 what that is scaled to, the others
 * are pictures that decoding refers to.
 */
#include "gtt.h"

#define MAX_THREADS  8
#define MAX_SURFACES 16
#define SPARE	     128 /* frames of the pool beyond one surface, so that mappings move */

enum { CIF, HD720, HD1080, UHD };

/* NV12: 12 bits a pixel. */
static const u32 size_pages[] = {
	[CIF] = 352 * 288 * 3 / 2 / 4096 + 1,
	[HD720] = 1280 * 720 * 3 / 2 / 4096 + 1,
	[HD1080] = 1920 * 1080 * 3 / 2 / 4096 + 1,
	[UHD] = 3840 * 2160 * 3 / 2 / 4096 + 1,
};

static u64 surfaces, threads, size, bytes;
static u64 pages, scaled; /* of a surface, of a scaled one */
static u64 sum;
static struct gtt_pool sources, decoded, smaller;
static struct gtt_stream stream[MAX_THREADS];
static u64 surface[MAX_THREADS][MAX_SURFACES]; /* first device page */

static const struct param params[] = {
	NUMBER("surfaces", surfaces, 3, 3, MAX_SURFACES, "surfaces remapped for each frame"),
	NUMBER("threads", threads, 1, 1, MAX_THREADS, "clients that take turns"),
	CHOICE("size", size, CIF, "cif|720p|1080p|4k", "frame size"),
	NUMBER("bytes", bytes, 64, 8, 4096, "of each page that the device works on"),
	{},
};

static void setup(void)
{
	bytes &= ~7ul;
	pages = size_pages[size];
	scaled = (pages + 3) / 4;
	need_memory((2 * pages + scaled + SPARE + 2 * threads + 64) * (PAGE_SIZE + 16));
	gtt_setup(threads * surfaces * pages, threads);
	gtt_pool_make(&sources, pages + SPARE, bytes);
	gtt_pool_make(&decoded, pages, bytes);
	gtt_pool_make(&smaller, scaled, bytes);
	for (u64 t = 0; t < threads; t++) {
		gtt_stream_init(&stream[t]);
		for (u64 s = 0; s < surfaces; s++)
			surface[t][s] = gtt_space(pages);
	}
}

static u64 source_at(u64 frame, u64 s)
{
	return frame * 61 + s * 37;
}

static void one_frame(u64 frame)
{
	struct gtt_stream *to = &stream[frame % threads];
	const u64 *at = surface[frame % threads];
	u32 word[MAX_SURFACES], encoded;

	gtt_map_pool(at[0], pages, &sources, source_at(frame, 0));
	gtt_map_pool(at[1], pages, &decoded, frame * 61);
	gtt_map_pool(at[2], scaled, &smaller, frame * 61);
	for (u64 s = 3; s < surfaces; s++)
		gtt_map_pool(at[s], pages, &sources, source_at(frame, s));

	gtt_copy(to, at[0], at[1], pages, bytes);
	for (u64 s = 3; s < surfaces; s++)
		word[s] = gtt_sum(to, at[s], pages, bytes);
	gtt_submit(to);
	for (u64 s = 3; s < surfaces; s++)
		sum = mix64(sum, to->result[word[s]]);
	gtt_copy(to, at[1], at[2], scaled, bytes);
	gtt_submit(to);
	encoded = gtt_sum(to, at[2], scaled, bytes);
	gtt_submit(to);
	sum = mix64(sum, to->result[encoded]);
}

/* Other frames everywhere, so that each repetition changes every entry that it writes. */
static void prepare(void)
{
	for (u64 t = 0; t < threads; t++) {
		gtt_map_pool(surface[t][0], pages, &sources, 7 + t);
		gtt_map_pool(surface[t][1], pages, &decoded, 7 + t);
		gtt_map_pool(surface[t][2], scaled, &smaller, 7 + t);
		for (u64 s = 3; s < surfaces; s++)
			gtt_map_pool(surface[t][s], pages, &sources, 7 + t + s);
	}
	gtt_submit(&stream[0]);
}

static void body(u64 ops)
{
	sum = 0;
	for (u64 frame = 0; frame < ops; frame++)
		one_frame(frame);
}

/* The device multiplies at each copy, and sums are linear. */
static bool check(u64 ops, u64 *checksum)
{
	u64 want = 0;

	for (u64 frame = 0; frame < ops; frame++) {
		for (u64 s = 3; s < surfaces; s++)
			want = mix64(want, gtt_pool_sum(&sources, pages, source_at(frame, s)));
		want = mix64(want, GTT_COPY_FACTOR * GTT_COPY_FACTOR *
					   gtt_pool_sum(&sources, scaled, source_at(frame, 0)));
	}
	*checksum = sum;
	if (sum == want)
		return true;
	printf("guest: gmedia: the device's sums give 0x%lx, should be 0x%lx\n", sum, want);
	return false;
}

WORKLOAD(gmedia) = {
	.name = "gmedia",
	.summary = "device: remap surfaces for each frame, decode, scale, encode (--gtt)",
	.params = params,
	.ops = 8,
	.ops_max = 1000000,
	.setup = setup,
	.prepare = prepare,
	.body = body,
	.check = check,
};

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's driver for the device with a page table of its own (hv/gtt), and what its workloads
 * share: streams that submit, pools of frames with known content, and sums to check against.
 *
 * The device is the only thing here that reads memory through its table, so a workload that finds
 * the sums it expects has shown that no entry was stale, lost or wrong.
 */
#ifndef GUEST_GTT_H
#define GUEST_GTT_H

#include "harness/harness.h"
#include "../hv/gtt/gtt_abi.h"

/**
 * gtt_setup() - find the device and map its window
 * @pages: device pages that the workload is going to use, streams not counted
 * @streams: how many streams
 *
 * Ends the run with a sentence and GUEST_STATUS_USAGE where there is no device, or a smaller one.
 */
void gtt_setup(u64 pages, u32 streams);

/* Where the next device pages come from. */
u64 gtt_space(u64 pages);

/* The table, mapped. */
extern volatile u64 *gtt_table;

/**
 * gtt_map() - make a device page lead to a frame
 * @page: number of the device page
 * @frame: physical address
 */
static always_inline void gtt_map(u64 page, u64 frame)
{
	asm volatile("mov %1, %0"
		     : "=m"(gtt_table[page])
		     : "r"(frame | GTT_PRESENT | GTT_WRITABLE));
}

/**
 * struct gtt_stream - one client of the device: a page of commands, a page of results
 */
struct gtt_stream {
	struct gtt_batch *batch;
	volatile u64 *result; /* one word for each command; the last word is the fence */
	u64 batch_page, result_page;
};

void gtt_stream_init(struct gtt_stream *s);

/**
 * gtt_sum(), gtt_copy() - add a command to a stream's batch
 * @s: the stream
 * @from: first device page
 * @to: first device page that is written
 * @pages: how many
 * @bytes: of each
 *
 * Return (gtt_sum): which word of gtt_stream.result will have the sum.
 */
u32 gtt_sum(struct gtt_stream *s, u64 from, u64 pages, u64 bytes);
void gtt_copy(struct gtt_stream *s, u64 from, u64 to, u64 pages, u64 bytes);

/**
 * gtt_submit() - have the batch done, and begin a new one
 * @s: the stream
 *
 * Ends the run with GUEST_STATUS_FAILED where the device refuses it.
 */
void gtt_submit(struct gtt_stream *s);

/**
 * gtt_try() - gtt_submit() that hands back what went wrong
 * @s: the stream
 *
 * Return: enum gtt_status.
 */
u64 gtt_try(struct gtt_stream *s);

/* The same for any value of the doorbell; what gtt_try()'s status is about; size of the table. */
u64 gtt_ring(u64 value);
u64 gtt_where(void);
u64 gtt_entries(void);

/**
 * struct gtt_pool - frames with content, and the sum of each
 */
struct gtt_pool {
	u64 n;
	u64 *frame;
	u64 *sum; /* of the first bytes that gtt_pool_make() was told */
};

/**
 * gtt_pool_make() - allocate frames and fill them
 * @pool: filled in
 * @n: how many
 * @bytes: of each that matter
 */
void gtt_pool_make(struct gtt_pool *pool, u64 n, u64 bytes);

/**
 * gtt_map_pool() - make a run of device pages lead to a run of a pool's frames
 * @page: first device page
 * @pages: how many, up to pool->n
 * @pool: the pool
 * @at: first frame; wraps around at the pool's end
 */
static always_inline void gtt_map_pool(u64 page, u64 pages, const struct gtt_pool *pool, u64 at)
{
	at %= pool->n;
	for (u64 i = 0; i < pages; i++) {
		gtt_map(page + i, pool->frame[at]);
		if (++at == pool->n)
			at = 0;
	}
}

/* What the device must find there. */
u64 gtt_pool_sum(const struct gtt_pool *pool, u64 pages, u64 at);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's driver for the device with a page table of its own; see gtt.h.
 */
#include "gtt.h"

#define WINDOW_VA (KERNEL_WINDOW + 0x4000000000ul)
#define FENCE	  511u /* word of the result page */

volatile u64 *gtt_table;
static volatile u64 *regs;
static u64 next_page, entries, submitted;

/* A plain load: a compiler may fold it into an instruction that no device understands. */
static u64 reg(u64 offset)
{
	u64 value;

	asm volatile("mov %1, %0" : "=r"(value) : "m"(regs[offset / 8]));
	return value;
}

void gtt_setup(u64 pages, u32 streams)
{
	u64 need = pages + 2 * streams, mib = 2;

	kernel_map(WINDOW_VA, GUEST_GTT_BASE, PTE_W | PTE_NX);
	regs = (volatile u64 *)WINDOW_VA;
	if (reg(GTT_REG_ID) != GTT_ID)
		die(GUEST_STATUS_USAGE,
		    "this machine has no GTT device: give the runner --gtt MIB");
	entries = reg(GTT_REG_ENTRIES);
	while (mib * MIB < need * PAGE_SIZE)
		mib *= 2;
	if (entries < need)
		die(GUEST_STATUS_USAGE,
		    "the GTT device has %lu MiB of address space, %lu are needed: --gtt %lu",
		    entries * PAGE_SIZE / MIB, mib, mib);
	for (u64 at = 0; at < entries * 8; at += PAGE_SIZE)
		kernel_map(WINDOW_VA + GTT_TABLE + at, GUEST_GTT_BASE + GTT_TABLE + at,
			   PTE_W | PTE_NX);
	gtt_table = (volatile u64 *)(WINDOW_VA + GTT_TABLE);
	submitted = reg(GTT_REG_FENCE);
	next_page = 0;
}

u64 gtt_space(u64 pages)
{
	u64 page = next_page;

	next_page += pages;
	if (next_page > entries)
		die(GUEST_STATUS_FAILED, "the workload takes more device pages than it asked for");
	return page;
}

void gtt_stream_init(struct gtt_stream *s)
{
	s->batch = frame_alloc_contig(PAGE_SIZE);
	s->result = frame_alloc_contig(PAGE_SIZE);
	s->batch_page = gtt_space(1);
	s->result_page = gtt_space(1);
	gtt_map(s->batch_page, (u64)s->batch);
	gtt_map(s->result_page, (u64)s->result);
	s->batch->fence = s->result_page * PAGE_SIZE + FENCE * 8;
}

static struct gtt_command *add(struct gtt_stream *s)
{
	if (s->batch->count == GTT_COMMANDS)
		die(GUEST_STATUS_FAILED, "a batch has more commands than fit");
	return &s->batch->command[s->batch->count++];
}

u32 gtt_sum(struct gtt_stream *s, u64 from, u64 pages, u64 bytes)
{
	u32 word = s->batch->count;

	*add(s) = (struct gtt_command){
		.op = GTT_OP_SUM,
		.pages = pages,
		.bytes = bytes,
		.from = from * PAGE_SIZE,
		.to = s->result_page * PAGE_SIZE + word * 8,
	};
	return word;
}

void gtt_copy(struct gtt_stream *s, u64 from, u64 to, u64 pages, u64 bytes)
{
	*add(s) = (struct gtt_command){
		.op = GTT_OP_COPY,
		.pages = pages,
		.bytes = bytes,
		.from = from * PAGE_SIZE,
		.to = to * PAGE_SIZE,
	};
}

void gtt_submit(struct gtt_stream *s)
{
	regs[GTT_REG_DOORBELL / 8] = s->batch_page * PAGE_SIZE;
	submitted++;
	while (s->result[FENCE] != submitted) {
		u64 status = reg(GTT_REG_STATUS);

		if (!(status & GTT_BUSY))
			die(GUEST_STATUS_FAILED,
			    "submission %lu: status %lu, where 0x%lx, fence 0x%lx", submitted,
			    status, reg(GTT_REG_WHERE), s->result[FENCE]);
	}
	s->batch->count = 0;
}

u64 gtt_ring(u64 value)
{
	u64 status;

	regs[GTT_REG_DOORBELL / 8] = value;
	submitted++;
	do
		status = reg(GTT_REG_STATUS);
	while (status & GTT_BUSY);
	return status;
}

u64 gtt_try(struct gtt_stream *s)
{
	u64 status = gtt_ring(s->batch_page * PAGE_SIZE);
	u64 fence = submitted | (status ? GTT_FENCE_ERROR : 0);

	if (s->result[FENCE] != fence || reg(GTT_REG_FENCE) != submitted)
		die(GUEST_STATUS_FAILED,
		    "submission %lu: status %lu, but fence 0x%lx, register %lu", submitted, status,
		    s->result[FENCE], reg(GTT_REG_FENCE));
	s->batch->count = 0;
	return status;
}

u64 gtt_where(void)
{
	return reg(GTT_REG_WHERE);
}

u64 gtt_entries(void)
{
	return entries;
}

void gtt_pool_make(struct gtt_pool *pool, u64 n, u64 bytes)
{
	pool->n = n;
	pool->frame = frame_alloc_contig(n * sizeof(u64));
	pool->sum = frame_alloc_contig(n * sizeof(u64));
	for (u64 i = 0; i < n; i++) {
		u64 *word = (u64 *)frame_alloc(), sum = 0;

		for (u64 j = 0; j < bytes / 8; j++) {
			word[j] = mix64(i, j);
			sum = gtt_fold(sum, word[j]);
		}
		pool->frame[i] = (u64)word;
		pool->sum[i] = sum;
	}
}

u64 gtt_pool_sum(const struct gtt_pool *pool, u64 pages, u64 at)
{
	u64 result = 0;

	for (u64 i = 0; i < pages; i++)
		result = gtt_gather(result, pool->sum[(at + i) % pool->n], i);
	return result;
}

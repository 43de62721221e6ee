// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of the GTT device that does everything wrong: entries that lead outside memory, to the
 * device itself, to nothing; batches and commands that make no sense; stores of odd sizes and by
 * odd instructions. Each must end with the status that says so, and the next good submission must
 * work. No loop: it checks, and says which check failed.
 */
#include "gtt.h"

static struct gtt_stream stream;
static struct gtt_pool pool;
static u64 first;
static u32 checks, failed;

#define PAGES 8u
#define BYTES 64u

static void expect(const char *what, u64 is, u64 should)
{
	checks++;
	if (is == should)
		return;
	failed++;
	printf("guest: gttbad: %s gives 0x%lx, should be 0x%lx\n", what, is, should);
}

static void good(const char *after)
{
	u32 word;

	gtt_map_pool(first, PAGES, &pool, checks);
	word = gtt_sum(&stream, first, PAGES, BYTES);
	if (gtt_try(&stream) != GTT_OK)
		expect(after, gtt_where(), 0);
	else
		expect(after, stream.result[word], gtt_pool_sum(&pool, PAGES, checks));
}

/* A sum over @PAGES pages of which entry 3 is @entry. */
static void bad_entry(const char *what, u64 entry, u64 status)
{
	gtt_map_pool(first, PAGES, &pool, 0);
	gtt_table[first + 3] = entry;
	gtt_sum(&stream, first, PAGES, BYTES);
	expect(what, gtt_try(&stream), status);
	if (status != GTT_OK)
		expect("the address of that", gtt_where(), (first + 3) * PAGE_SIZE);
	good("a good submission after that");
}

static void bad_command(const char *what, struct gtt_command c)
{
	stream.batch->command[stream.batch->count++] = c;
	expect(what, gtt_try(&stream), GTT_BAD_COMMAND);
	good("a good submission after that");
}

static void bad_entries(void)
{
	u64 ok = pool.frame[0] | GTT_PRESENT | GTT_WRITABLE;

	bad_entry("an entry that is not present", 0, GTT_NOT_PRESENT);
	bad_entry("an entry beyond memory", (ram_end() + 16 * MIB) | 3, GTT_OUTSIDE);
	bad_entry("an entry beyond every address", GTT_FRAME | 3, GTT_OUTSIDE);
	bad_entry("an entry in the hole for devices", 0xfee00000 | 3, GTT_OUTSIDE);
	bad_entry("an entry to the registers", GUEST_GTT_BASE | 3, GTT_DEVICE);
	bad_entry("an entry to the table", (GUEST_GTT_BASE + GTT_TABLE) | 3, GTT_DEVICE);
	for (u32 bit = 2; bit < 64; bit = bit == 11 ? 52 : bit + 1)
		bad_entry("an entry with a reserved bit", ok | 1ul << bit, GTT_RESERVED_BIT);
	bad_entry("an entry that is read-only, for reading", pool.frame[0] | GTT_PRESENT, GTT_OK);

	gtt_map_pool(first, PAGES, &pool, 0);
	gtt_table[first + 5] = pool.frame[6] | GTT_PRESENT;
	gtt_copy(&stream, first, first + 5, 1, BYTES);
	expect("a write through a read-only entry", gtt_try(&stream), GTT_READ_ONLY);
	good("a good submission after that");
}

static void bad_commands(void)
{
	const struct gtt_command c = {
		.op = GTT_OP_SUM,
		.pages = 1,
		.bytes = BYTES,
		.from = first * PAGE_SIZE,
		.to = stream.result_page * PAGE_SIZE,
	};
	struct gtt_command d;

#define WITH(field, value) (d = c, d.field = (value), d)
	bad_command("an unknown command", WITH(op, 77));
	bad_command("no pages", WITH(pages, 0));
	bad_command("too many pages", WITH(pages, GTT_COMMAND_PAGES + 1));
	bad_command("all pages there are and one", WITH(pages, ~0u));
	bad_command("no bytes", WITH(bytes, 0));
	bad_command("odd bytes", WITH(bytes, 12));
	bad_command("more bytes than a page", WITH(bytes, 4104));
	bad_command("from an odd address", WITH(from, c.from + 8));
	bad_command("from outside", WITH(from, gtt_entries() * PAGE_SIZE));
	bad_command("from far outside", WITH(from, ~0xffful));
	bad_command("to an odd address", WITH(to, c.to + 4));
	bad_command("to outside", WITH(to, gtt_entries() * PAGE_SIZE));
	bad_command("a field that must be zero", WITH(zero, 1));
#undef WITH
	stream.batch->count = GTT_COMMANDS + 1;
	expect("too many commands", gtt_try(&stream), GTT_BAD_BATCH);
	good("a good submission after that");
	expect("a doorbell inside a page", gtt_ring(stream.batch_page * PAGE_SIZE + 8),
	       GTT_BAD_BATCH);
	expect("a doorbell outside", gtt_ring(gtt_entries() * PAGE_SIZE), GTT_BAD_BATCH);
	expect("a doorbell far outside", gtt_ring(~0ul), GTT_BAD_BATCH);
	good("a good submission after that");
}

/* What a driver may do to the table, though none does. */
static void odd_stores(void)
{
	volatile u32 *half = (volatile u32 *)&gtt_table[first];
	u64 entry = pool.frame[1] | GTT_PRESENT | GTT_WRITABLE, count = PAGES;
	void *to = (void *)&gtt_table[first];

	gtt_map_pool(first, PAGES, &pool, 0);
	asm volatile("movl %1, %0" : "=m"(half[0]) : "r"((u32)entry));
	asm volatile("movl %1, %0" : "=m"(half[1]) : "r"((u32)(entry >> 32)));
	expect("an entry stored in halves", gtt_table[first], entry);
	gtt_sum(&stream, first, 1, BYTES);
	expect("a submission with it", gtt_try(&stream), GTT_OK);
	expect("its sum", stream.result[0], pool.sum[1]);

	asm volatile("orq $0, %0" : "+m"(gtt_table[first]));
	expect("an entry after OR", gtt_table[first], entry);
	asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(entry) : "memory");
	for (u32 i = 0; i < PAGES; i++)
		expect("an entry after REP STOS", gtt_table[first + i], entry);
	gtt_sum(&stream, first, PAGES, BYTES);
	expect("a submission with them", gtt_try(&stream), GTT_OK);
	expect("its sum", stream.result[0], pool.sum[1] * (PAGES * (PAGES + 1) / 2));
	good("a good submission after that");

	/* The table as a page table of the guest's own would be worse, but is only the guest's loss. */
	asm volatile("movq %1, %0"
		     : "=m"(*(volatile u64 *)((u64)&gtt_table[first] + 4))
		     : "r"(0ul));
	expect("an unaligned store", gtt_table[first] >> 32 | gtt_table[first + 1] << 32, 0);
	good("a good submission after that");
}

static int run(void)
{
	need_memory(1 * MIB);
	gtt_setup(PAGES, 1);
	gtt_pool_make(&pool, 64, BYTES);
	gtt_stream_init(&stream);
	first = gtt_space(PAGES);
	good("a good submission");
	for (u32 turn = 0; turn < 3; turn++) { /* a portion opens, stays open, closes */
		bad_entries();
		bad_commands();
		odd_stores();
		for (u32 i = 0; i < 8; i++)
			expect("an empty submission", gtt_try(&stream), GTT_OK);
	}
	printf("gttbad: %u checks, %u failed\n", checks, failed);
	return failed ? GUEST_STATUS_FAILED : GUEST_STATUS_OK;
}

WORKLOAD(gttbad) = {
	.name = "gttbad",
	.summary = "device: a driver that does everything wrong; checks, no figures (--gtt)",
	.run = run,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's page table against an oracle, in every gtt_mode.
 *
 * The oracle knows what the guest stored to the table and what is in guest memory, and from these
 * two what each submission must give: results, fence, status, every word of memory. It knows of no
 * shadow. The guest's accesses go through a simulated CPU that maps an open portion at its first
 * access and keeps that mapping until it is unmapped, so a portion that closes without unmapping
 * shows as a lost store; a mapping whose dirty flag it has set or seen it does not mark again until
 * it is told to flush, so a portion that is taken for unchanged shows as a stale entry. Guest frames are scattered over a host arena whose other pages are
 * watched. Modes flip, bounds change, memory comes and goes, pages need pinning, all at random, the
 * engine runs in slices of random size.
 *
 * usage: gtt [--seed N] [--steps N] [--mode NAME]
 */
#include <getopt.h>
#include "gtt/gtt.h"
#include "mmu/walk.h"

#define A_FRAMES   256u /* at frame 0 */
#define B_BASE	   1000u
#define B_FRAMES   64u /* comes and goes */
#define WINDOW	   0x8000ull
#define PORTIONS   4u
#define ENTRIES	   (PORTIONS * GTT_PORTION)
#define UNPINNABLE 77u
#define HOST_PAGES 2048u
#define BATCH_GFN  200u
#define WAITING	   2u /* of a hundred accesses to the TLB of the simulated CPU are not cached */

u8 *shim_arena;

static struct gmem mem;
static struct counters counters;
static struct paging paging;
static struct paging_vcpu vcpu;
static struct gtt gtt;

static u64 state = 1;
static u64 step, submissions, refused_count, pinned, switches, mismatches;
static bool used[HOST_PAGES]; /* host pages that belong to guest or device */

/* How the simulated CPU maps a portion. */
static struct mapping {
	bool there;
	bool dirty;  /* the entry's flag */
	bool cached; /* the flag as the TLB knows it */
} mapping[PORTIONS];
static u32 flushed; /* paging.flush_gen as of the last flush */

/* The oracle's. */
static u64 table[ENTRIES];
static u64 memory[A_FRAMES + B_FRAMES][512];
static u64 number;
static const char *only_mode;

static u64 chance64(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return state ^ state >> 29;
}

static u32 chance(u32 n)
{
	return (chance64() >> 20) % n;
}

static bool percent(u32 p)
{
	return chance(100) < p;
}

static void wrong(const char *what, u64 at, u64 is, u64 should)
{
	printf("not ok: step %llu, mode %s: %s at %#llx is %#llx, should be %#llx\n",
	       (unsigned long long)step, gtt.policy->name, what, (unsigned long long)at,
	       (unsigned long long)is, (unsigned long long)should);
	if (++mismatches > 5)
		exit(1);
}

/* ---- the host ---- */

static u64 host_page(void)
{
	u32 n;

	do
		n = 1 + chance(HOST_PAGES - 1);
	while (used[n]);
	used[n] = true;
	memset(shim_arena + n * PAGE_SIZE, 0, PAGE_SIZE);
	return n * PAGE_SIZE;
}

/* What belongs to nobody has a pattern that must stay. */
static void host_free(u64 hpa)
{
	used[hpa / PAGE_SIZE] = false;
	memset(shim_arena + hpa, 0xa5, PAGE_SIZE);
}

static void check_host(void)
{
	u32 n;
	u64 i;

	for (n = 0; n < HOST_PAGES; n++)
		for (i = 0; !used[n] && i < PAGE_SIZE; i += 8)
			if (*(u64 *)(shim_arena + n * PAGE_SIZE + i) != 0xa5a5a5a5a5a5a5a5ull)
				wrong("a host page that is not the guest's", n * PAGE_SIZE + i,
				      *(u64 *)(shim_arena + n * PAGE_SIZE + i), 0xa5a5a5a5);
}

static u64 *page_get(struct gtt *g)
{
	(void)g;
	return (u64 *)(shim_arena + host_page());
}

static void page_put(struct gtt *g, u64 *page)
{
	(void)g;
	host_free(virt_to_phys(page));
}

static void refused(struct gtt *g, const char *why, u64 where)
{
	(void)g;
	(void)where;
	refused_count++;
	if (!why || strlen(why) < 10)
		wrong("the sentence", 0, 0, 1);
}

static const struct gtt_ops gtt_ops = {
	.page_get = page_get,
	.page_put = page_put,
	.refused = refused,
};

/* hpa of each frame is decided when its slot is made; host[] learns it when it is pinned. */
static int pin(struct gmem *m, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(m, gfn);
	u64 *hpa = slot->owner;

	if (slot->device) {
		wrong("pinning a frame of the device", gfn, 0, 0);
		return -EFAULT;
	}
	if (gfn == UNPINNABLE)
		return -EFAULT;
	if (percent(50))
		return -EAGAIN;
	slot->host[gfn - slot->base] = hpa[gfn - slot->base] | GMEM_PINNED;
	return 0;
}

static const struct gmem_ops gmem_ops = { .pin = pin };

static void pin_slowly(gpa_t gpa)
{
	struct gmem_slot *slot = gmem_slot(&mem, gpa >> 12);
	u64 *hpa = slot->owner, i = (gpa >> 12) - slot->base;

	pinned++;
	slot->host[i] = hpa[i] | GMEM_PINNED;
}

static u64 *memory_of(gfn_t gfn)
{
	return memory[gfn < A_FRAMES ? gfn : A_FRAMES + gfn - B_BASE];
}

static u64 *ram(gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(&mem, gfn);
	u64 *hpa = slot->owner;

	return (u64 *)(shim_arena + hpa[gfn - slot->base]);
}

static void add_slot(gfn_t base, u64 npages)
{
	struct gmem_slot *slot = &mem.slots[mem.nr_slots++];
	u64 *hpa = calloc(npages, sizeof(*hpa)), i;

	if (gtt.portion)
		gtt_memory_changes(&gtt);
	memset(slot, 0, sizeof(*slot));
	slot->base = base;
	slot->npages = npages;
	slot->owner = hpa;
	slot->host = calloc(npages, sizeof(*slot->host));
	for (i = 0; i < npages; i++) {
		hpa[i] = host_page();
		memcpy(shim_arena + hpa[i], memory_of(base + i), PAGE_SIZE);
	}
}

static void remove_slot(gfn_t base)
{
	struct gmem_slot *slot = gmem_slot(&mem, base);
	u64 *hpa = slot->owner, i;

	gtt_memory_changes(&gtt);
	for (i = 0; i < slot->npages; i++)
		host_free(hpa[i]);
	free(hpa);
	free(slot->host);
	*slot = mem.slots[--mem.nr_slots];
	memset(&mem.slots[mem.nr_slots], 0, sizeof(*slot));
}

static bool has_b(void)
{
	return gmem_slot(&mem, B_BASE);
}

/* ---- the paging mode, as far as the device needs one ---- */

static void unmap(struct paging *pg, gfn_t base, u64 npages)
{
	u64 i;

	(void)pg;
	for (i = 0; i < PORTIONS; i++)
		if (WINDOW + 1 + i - base < npages)
			mapping[i] = (struct mapping){};
}

/* Now and then no answer, as where the CPU has no such flags. */
static bool take_dirty(struct paging *pg, gfn_t gfn)
{
	struct mapping *m = &mapping[gfn - WINDOW - 1];

	if (percent(3))
		return true;
	if (!m->dirty)
		return false;
	m->dirty = false;
	pg->flush_gen++;
	return true;
}

static void pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len, void *table)
{
	(void)pv;
	(void)table;
	if (!gmem_slot(&mem, gpa >> 12) || gmem_slot(&mem, gpa >> 12)->device ||
	    (gpa & 0xfff) + len > PAGE_SIZE)
		wrong("pt_write", gpa, len, 0);
}

static const struct paging_ops ops = {
	.name = "test",
	.unmap = unmap,
	.take_dirty = take_dirty,
	.pt_write = pt_write,
};

/* ---- the guest ---- */

static void trapped_store(gpa_t gpa, unsigned int size, u64 value)
{
	u32 snapshots = gtt.nr_snapshots, opened = gtt.nr_open;
	struct paging_result res;

	while (gtt_store(&gtt, gpa, size, value, &res) == VERDICT_PIN)
		pin_slowly(res.gpa);
	/* More than there may be now become fewer. */
	if (snapshots > gtt.snapshots && gtt.nr_open != opened && gtt.nr_snapshots >= snapshots &&
	    gtt.policy == gtt_mode_find("hybrid"))
		wrong("snapshots in use", gpa, gtt.nr_snapshots, gtt.snapshots);
}

/* @gpa is in the table, and the access stays inside its page. */
static u8 *direct(gpa_t gpa, bool write)
{
	u64 host, i = (gpa >> 12) - WINDOW - 1;
	struct mapping *m = &mapping[i];
	struct paging_result res;
	u32 k;

	for (k = 0; k < PORTIONS && flushed != paging.flush_gen; k++)
		mapping[k].cached = false;
	flushed = paging.flush_gen;
	if (!m->there || percent(WAITING)) {
		if (m->dirty)
			gmem_mark_written(gmem_slot(&mem, WINDOW), gpa >> 12);
		*m = (struct mapping){};
		if (gmem_host(&mem, gpa >> 12, &host, &res) != VERDICT_RETRY)
			return NULL;
		m->there = true;
	}
	if (write && !m->cached)
		m->dirty = true;
	m->cached |= write || m->dirty;
	return (u8 *)gtt.portion[i].table + (gpa & 0xfff);
}

static void store(u64 offset, unsigned int size, u64 value)
{
	gpa_t gpa = (WINDOW << 12) + GTT_TABLE + offset;
	u8 *at = direct(gpa, true);

	memcpy((u8 *)table + offset, &value, size);
	if (at)
		memcpy(at, &value, size);
	else
		trapped_store(gpa, size, value);
}

static void set_entry(u64 index, u64 entry)
{
	store(index * 8, 8, entry);
}

static void check_entry(u64 index)
{
	gpa_t gpa = (WINDOW << 12) + GTT_TABLE + index * 8;
	u8 *at = direct(gpa, false);
	u64 value;

	if (at)
		memcpy(&value, at, 8);
	else
		value = gtt_load(&gtt, gpa, 8);
	if (value != table[index])
		wrong("the table", index, value, table[index]);
}

static u64 some_index(void)
{
	static u64 at;

	at = percent(80) ? at + 1 : chance(ENTRIES);
	return at %= ENTRIES;
}

static u64 some_entry(void)
{
	u64 gfn = percent(70) ? chance(A_FRAMES) : B_BASE + chance(B_FRAMES);
	u64 entry = gfn << 12 | GTT_PRESENT | GTT_WRITABLE;

	if (!percent(1))
		return entry;
	switch (chance(6)) {
	case 0:
		return entry & ~GTT_WRITABLE;
	case 1:
		return entry & ~GTT_PRESENT;
	case 2:
		return entry | 1ull << (2 + chance(10));
	case 3:
		return (0x2000ull + chance(0x100)) << 12 | 3;
	case 4:
		return (WINDOW + chance(PORTIONS + 2)) << 12 | 3;
	default:
		return chance64();
	}
}

static void some_stores(void)
{
	u32 n = percent(30) ? chance(600) : chance(8);
	u64 offset;

	while (n--) {
		if (percent(98)) {
			set_entry(some_index(), some_entry());
			continue;
		}
		/* Parts of entries, also across two. */
		offset = chance(ENTRIES * 8 - 8);
		if ((offset & 0xfff) > 0xff8)
			continue;
		if (percent(50))
			gtt_let_through(&gtt, (WINDOW << 12) + GTT_TABLE + offset);
		store(offset, 1u << chance(4), chance64());
	}
}

static void write_memory(void)
{
	gfn_t gfn = chance(A_FRAMES);
	u32 i = chance(512);

	memory_of(gfn)[i] = chance64();
	ram(gfn)[i] = memory_of(gfn)[i];
}

/* ---- the oracle ---- */

/* The memory behind a device address, or why not. */
static u64 *oracle_reach(u64 at, bool write, u64 *status)
{
	u64 entry = table[at >> 12], gfn = (entry & GTT_FRAME) >> 12;
	bool is_b = gfn - B_BASE < B_FRAMES;

	*status = GTT_OK;
	if (!(entry & GTT_PRESENT))
		*status = GTT_NOT_PRESENT;
	else if (entry & GTT_RESERVED)
		*status = GTT_RESERVED_BIT;
	else if (gfn - WINDOW <= PORTIONS)
		*status = GTT_DEVICE;
	else if (gfn >= A_FRAMES && !(is_b && has_b()))
		*status = GTT_OUTSIDE;
	else if (gfn == UNPINNABLE)
		*status = GTT_UNPINNABLE;
	else if (write && !(entry & GTT_WRITABLE))
		*status = GTT_READ_ONLY;
	return *status ? NULL : memory_of(gfn) + (at & 0xfff) / 8;
}

struct outcome {
	u64 status, where;
};

static bool oracle_valid(const struct gtt_command *c)
{
	u64 end = ENTRIES * PAGE_SIZE, size = c->pages * PAGE_SIZE;

	return c->op < GTT_OPS && !c->zero && c->pages && c->pages <= GTT_COMMAND_PAGES &&
	       c->bytes && c->bytes <= 4096 && c->bytes % 8 == 0 && c->from % 4096 == 0 &&
	       c->from < end && c->from + size <= end &&
	       (c->op == GTT_OP_SUM ? c->to % 8 == 0 && c->to < end
				    : c->to % 4096 == 0 && c->to < end && c->to + size <= end);
}

static struct outcome oracle_command(const struct gtt_command *c)
{
	struct outcome out = { GTT_OK, 0 };
	u64 result = 0, *from, *to;
	u32 place, i;

	for (place = 0; place < c->pages; place++) {
		u64 sum = 0;

		out.where = c->from + place * PAGE_SIZE;
		from = oracle_reach(out.where, false, &out.status);
		if (!from)
			return out;
		if (c->op == GTT_OP_COPY) {
			out.where = c->to + place * PAGE_SIZE;
			to = oracle_reach(out.where, true, &out.status);
			if (!to)
				return out;
			for (i = 0; i < c->bytes / 8; i++)
				to[i] = from[i] * 5;
			continue;
		}
		for (i = 0; i < c->bytes / 8; i++)
			sum = sum * 31 + from[i];
		result += sum * (place + 1);
	}
	if (c->op == GTT_OP_SUM) {
		out.where = c->to;
		to = oracle_reach(c->to, true, &out.status);
		if (!to)
			return out;
		*to = result;
	}
	out.where = 0;
	return out;
}

static struct outcome oracle_submit(u64 at)
{
	struct outcome out = { GTT_OK, 0 };
	static struct gtt_batch b;
	u64 *page, *fence, status = 0;
	u32 i;

	number++;
	b.fence = 0;
	if (at % 4096 || at >= ENTRIES * PAGE_SIZE)
		return (struct outcome){ GTT_BAD_BATCH, at };
	page = oracle_reach(at, false, &out.status);
	if (!page)
		return (struct outcome){ out.status, at };
	memcpy(&b, page, sizeof(b));
	if (b.fence % 8 || b.fence >= ENTRIES * PAGE_SIZE)
		b.fence = 0;
	if (b.count > GTT_COMMANDS || b.zero)
		out = (struct outcome){ GTT_BAD_BATCH, at };
	for (i = 0; !out.status && i < b.count; i++)
		if (!oracle_valid(&b.command[i]))
			out = (struct outcome){ GTT_BAD_COMMAND, i };
	for (i = 0; !out.status && i < b.count; i++)
		out = oracle_command(&b.command[i]);
	if (!b.fence)
		return out;
	fence = oracle_reach(b.fence, true, &status);
	if (fence)
		*fence = number | (out.status ? GTT_FENCE_ERROR : 0);
	else if (!out.status)
		out = (struct outcome){ status, b.fence };
	return out;
}

static void compare(gfn_t gfn)
{
	u64 *is = ram(gfn), *should = memory_of(gfn), i;

	for (i = 0; memcmp(is, should, PAGE_SIZE) && i < 512; i++)
		if (is[i] != should[i]) {
			wrong("guest memory", gfn << 12 | i * 8, is[i], should[i]);
			memcpy(is, should, PAGE_SIZE);
		}
}

static void check_memory(void)
{
	gfn_t gfn;

	for (gfn = 0; gfn < A_FRAMES; gfn++)
		compare(gfn);
	for (gfn = B_BASE; has_b() && gfn < B_BASE + B_FRAMES; gfn++)
		compare(gfn);
}

/* ---- submissions ---- */

static const struct gtt_policy *some_mode(void)
{
	return only_mode ? gtt_mode_find(only_mode) : gtt_modes[chance(4)];
}

static void flip(void)
{
	switches++;
	gtt_switch(&gtt, some_mode());
}

static void put_batch(u64 page, const struct gtt_batch *b)
{
	set_entry(page, (u64)BATCH_GFN << 12 | GTT_PRESENT | GTT_WRITABLE);
	memcpy(memory_of(BATCH_GFN), b, sizeof(*b));
	memcpy(ram(BATCH_GFN), b, sizeof(*b));
}

static void fill_command(struct gtt_command *c)
{
	u64 page = chance(ENTRIES);
	u32 most = ENTRIES - page < 40 ? ENTRIES - page : 40;

	*c = (struct gtt_command){
		.op = percent(70) ? GTT_OP_SUM : GTT_OP_COPY,
		.pages = 1 + chance(percent(50) ? 2 : most),
		.bytes = percent(80) ? 8 * (1 + chance(8)) : 4096,
		.from = page << 12,
		.to = (u64)chance(ENTRIES - 40) << 12,
	};
	if (c->pages > most)
		c->pages = most;
	if (c->op == GTT_OP_SUM)
		c->to |= 8 * chance(512);
	if (percent(98))
		return;
	switch (chance(6)) {
	case 0:
		c->op = chance(9);
		break;
	case 1:
		c->pages = chance64();
		break;
	case 2:
		c->bytes = chance64();
		break;
	case 3:
		c->from = chance64();
		break;
	case 4:
		c->to = chance64();
		break;
	default:
		c->zero = 1;
	}
}

static void ring(u64 at)
{
	trapped_store((WINDOW << 12) + GTT_REG_DOORBELL, 8, at);
	submissions++;
}

static void run_slice(void)
{
	struct paging_result res;

	if (gtt_run(&gtt, &vcpu, 1 + chance(percent(50) ? 20 : 5000), &res) == VERDICT_PIN)
		pin_slowly(res.gpa);
}

static u64 reg(u64 offset)
{
	return gtt_load(&gtt, (WINDOW << 12) + offset, 8);
}

static void check_idle(struct outcome want)
{
	char text[200];

	if (reg(GTT_REG_FENCE) != number)
		wrong("the fence register", 0, reg(GTT_REG_FENCE), number);
	if (reg(GTT_REG_STATUS) != want.status)
		wrong("the status register", reg(GTT_REG_WHERE), reg(GTT_REG_STATUS), want.status);
	else if (reg(GTT_REG_WHERE) != want.where)
		wrong("the where register", want.status, reg(GTT_REG_WHERE), want.where);
	if (gtt_audit(&gtt, text, sizeof(text))) {
		printf("# %s\n", text);
		wrong("the shadow", 0, 0, 0);
	}
}

static void submit(void)
{
	static struct gtt_batch b;
	u64 page = chance(ENTRIES), at = page << 12;
	struct outcome want;
	bool gone = false, done = false;
	u32 i;

	memset(&b, 0, sizeof(b));
	b.count = percent(95) ? chance(6) : percent(80) ? chance(128) : chance64();
	b.fence = percent(90) ? (u64)chance(ENTRIES) << 12 | 8 * chance(512) : chance64();
	for (i = 0; i < GTT_COMMANDS; i++)
		fill_command(&b.command[i]);
	put_batch(page, &b);
	if (percent(2))
		at = chance64();
	else if (percent(2))
		set_entry(page, some_entry());
	/* What the entry of the batch's page may lead to by now, both sides read alike. */
	ring(at);
	if (has_b() && percent(1)) {
		/* Memory goes in the middle of it: only that it ends, and how, can be said. */
		for (i = chance(4); i && gtt_busy(&gtt); i--)
			run_slice();
		gone = gtt_busy(&gtt);
		done = gtt.stage == GTT_FINISH; /* only its fence was still to be written */
		remove_slot(B_BASE);
	}
	if (gone) {
		while (gtt_busy(&gtt))
			run_slice();
		number++;
		for (gfn_t gfn = 0; gfn < A_FRAMES; gfn++)
			memcpy(memory_of(gfn), ram(gfn), PAGE_SIZE);
		if (!done && reg(GTT_REG_STATUS) == GTT_OK)
			wrong("the status after memory went", 0, GTT_OK, GTT_GONE);
		return;
	}
	if (!gtt_busy(&gtt)) { /* done before the memory went: then it was done with it */
		number++;
		for (gfn_t gfn = 0; gfn < A_FRAMES; gfn++)
			memcpy(memory_of(gfn), ram(gfn), PAGE_SIZE);
		return;
	}
	want = oracle_submit(at);
	while (gtt_busy(&gtt)) {
		if (percent(5))
			flip();
		run_slice();
	}
	check_idle(want);
}

/*
 * Stores that race with the engine. Each command sums one page, each page twice: both must see the
 * same entry, and it must be one that the table had since the doorbell.
 */
static void submit_late(void)
{
	static struct gtt_batch b;
	static u64 before[ENTRIES];
	static u8 changed[ENTRIES];
	u64 page = chance(ENTRIES), *results = ram(BATCH_GFN + 1);
	bool shadow = gtt.policy->shadow;
	struct {
		u64 index, entry;
	} log[64];
	u32 i, k, n = 0;

	memset(&b, 0, sizeof(b));
	memset(changed, 0, sizeof(changed));
	b.count = 2 * (1 + chance(20));
	set_entry((page + 1) % ENTRIES, (u64)(BATCH_GFN + 1) << 12 | 3);
	for (i = 0; i < b.count; i += 2) {
		u64 index = chance(ENTRIES);

		if (index == page || index == (page + 1) % ENTRIES)
			index = (page + 2) % ENTRIES;
		set_entry(index, (u64)chance(BATCH_GFN) << 12 | 3);
		for (k = 0; k < 2; k++)
			b.command[i + k] = (struct gtt_command){
				.op = GTT_OP_SUM,
				.pages = 1,
				.bytes = 8,
				.from = index << 12,
				.to = ((page + 1) % ENTRIES) << 12 | (i + k) * 8,
			};
	}
	put_batch(page, &b);
	memcpy(before, table, sizeof(table));
	for (i = 0; i < BATCH_GFN; i++)
		if (i != UNPINNABLE) {
			memory_of(i)[0] = 0x100000 + i; /* says which frame it is */
			ram(i)[0] = memory_of(i)[0];
		}
	ring(page << 12);
	number++;
	while (gtt_busy(&gtt)) {
		if (n < 64 && percent(60)) {
			u64 index = b.command[chance(b.count)].from >> 12;

			log[n].index = index;
			log[n].entry = (u64)chance(BATCH_GFN) << 12 | 3;
			set_entry(index, log[n++].entry);
			changed[index] = 1;
		}
		run_slice();
	}
	if (reg(GTT_REG_STATUS) == GTT_OK)
		for (i = 0; i < b.count; i++) {
			u64 index = b.command[i].from >> 12;
			bool ok = results[i] == 0x100000 + (before[index] >> 12);

			for (k = 0; k < n; k++)
				ok |= log[k].index == index &&
				      results[i] == 0x100000 + (log[k].entry >> 12);
			if (!ok)
				wrong("a result that no entry gives", index, results[i], 0);
			if (shadow && (i & 1) && results[i] != results[i - 1])
				wrong("one entry with two meanings in a submission", index,
				      results[i], results[i - 1]);
		}
	else if (reg(GTT_REG_STATUS) != GTT_UNPINNABLE && reg(GTT_REG_STATUS) != GTT_CHANGED)
		wrong("the status of a race", 0, reg(GTT_REG_STATUS), GTT_OK);
	memcpy(memory_of(BATCH_GFN + 1), results, PAGE_SIZE);
}

/* ---- all together ---- */

static void one_step(void)
{
	switch (chance(20)) {
	case 0:
		if (percent(30))
			flip();
		break;
	case 1:
		gtt.threshold = chance(6);
		gtt.snapshots = chance(PORTIONS + 2);
		gtt.dirty_flags = percent(80);
		break;
	case 2:
		if (percent(5) && has_b())
			remove_slot(B_BASE);
		else if (!has_b())
			add_slot(B_BASE, B_FRAMES);
		break;
	case 3:
		check_entry(chance(ENTRIES));
		break;
	case 4:
	case 5:
		write_memory();
		break;
	case 6:
	case 7:
	case 8:
		submit();
		if (percent(10))
			check_memory();
		break;
	case 9:
		submit_late();
		break;
	default:
		some_stores();
	}
}

/* Arguments of gtt_init() that must be refused, and what it says. */
static void check_bounds(void)
{
	static const struct {
		u64 gpa, bytes;
		int err;
	} bad[] = {
		{ WINDOW << 12, 1 << 20, -EINVAL },
		{ WINDOW << 12, 3 << 20, -EINVAL },
		{ WINDOW << 12, 4ull << 30, -EINVAL },
		{ (WINDOW << 12) + 8, 2 << 20, -EINVAL },
		{ 0, 2 << 20, -EEXIST },
		{ (A_FRAMES - 1) << 12, 2 << 20, -EEXIST },
		{ 1ull << 46, 2 << 20, -EINVAL },
		{ ~0xfffull, 2 << 20, -EINVAL },
	};
	struct gtt g;
	u32 i;
	int err;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		g = (struct gtt){ .ops = &gtt_ops, .policy = gtt_modes[0], .snapshots = 4 };
		err = gtt_init(&g, &paging, bad[i].gpa, bad[i].bytes);
		if (err != bad[i].err)
			wrong("gtt_init()", i, err, bad[i].err);
	}
	if (gtt_mode_find("strict\n") != gtt_modes[0] || gtt_mode_find("strictly") ||
	    gtt_mode_find("") || gtt_mode_find("strict\n\n"))
		wrong("gtt_mode_find()", 0, 0, 0);
}

static void start(void)
{
	u32 i, k;

	shim_arena = aligned_alloc(PAGE_SIZE, HOST_PAGES * PAGE_SIZE);
	memset(shim_arena, 0xa5, HOST_PAGES * PAGE_SIZE);
	used[0] = true;
	for (i = 0; i < A_FRAMES + B_FRAMES; i++)
		for (k = 0; k < 512; k++)
			memory[i][k] = chance64();
	mem.ops = &gmem_ops;
	paging.ops = &ops;
	paging.mem = &mem;
	paging.count = &counters;
	paging.cfg.maxphyaddr = 40;
	vcpu.pg = &paging;
	add_slot(0, A_FRAMES);
	add_slot(B_BASE, B_FRAMES);
	check_bounds();
	gtt = (struct gtt){
		.ops = &gtt_ops, .policy = some_mode(), .threshold = 2, .snapshots = 3
	};
	if (gtt_init(&gtt, &paging, WINDOW << 12, ENTRIES * PAGE_SIZE)) {
		printf("not ok: gtt_init() fails\n");
		exit(1);
	}
	for (i = 0; i < ENTRIES; i++)
		set_entry(i, some_entry());
	if (reg(GTT_REG_ID) != GTT_ID || reg(GTT_REG_ENTRIES) != ENTRIES)
		wrong("a register", 0, reg(GTT_REG_ID), GTT_ID);
}

static void stop(void)
{
	check_memory();
	check_host();
	gtt_free(&gtt);
	if (has_b()) {
		struct gmem_slot *slot = gmem_slot(&mem, B_BASE);

		free(slot->owner);
		free(slot->host);
	}
	free(gmem_slot(&mem, 0)->owner);
	free(gmem_slot(&mem, 0)->host);
	free(shim_arena);
}

static u64 counted(enum counter_id id)
{
	return counters.v[id];
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' }, { "steps", required_argument, NULL, 'n' },
		{ "mode", required_argument, NULL, 'm' }, { "late", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },	  { NULL, 0, NULL, 0 },
	};
	u64 steps = 20000;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			state = strtoull(optarg, NULL, 0);
		} else if (c == 'n') {
			steps = strtoull(optarg, NULL, 0);
		} else if (c == 'm' && gtt_mode_find(optarg)) {
			only_mode = optarg;
		} else {
			puts("usage: gtt [--seed N] [--steps N] [--mode "
			     "strict|relaxed|hybrid|passthrough]\n"
			     "Random use of the device's page table, checked against an oracle.");
			return c == 'h' ? 0 : 2;
		}
	}
	start();
	for (step = 0; step < steps; step++) {
		one_step();
		if (step % 1000 == 0)
			check_host();
	}
	stop();
	printf("# %llu submissions (%llu refused), %llu mode switches, %llu pages pinned late\n",
	       (unsigned long long)submissions, (unsigned long long)refused_count,
	       (unsigned long long)switches, (unsigned long long)pinned);
	printf("# %llu portions opened, %llu closed, %llu compared, %llu rebuilt, %llu snapshots "
	       "stolen, %llu clean\n",
	       (unsigned long long)counted(CNT_gtt_portions_opened),
	       (unsigned long long)counted(CNT_gtt_portions_closed),
	       (unsigned long long)counted(CNT_gtt_portions_compared),
	       (unsigned long long)counted(CNT_gtt_portions_rebuilt),
	       (unsigned long long)counted(CNT_gtt_snapshots_stolen),
	       (unsigned long long)counted(CNT_gtt_portions_clean));
	if (only_mode && !strcmp(only_mode, "hybrid") && !counted(CNT_gtt_portions_clean))
		wrong("portions that dirty flags spare a comparison", 0, 0, 1);
	printf("%s\n", mismatches ? "not ok" : "ok");
	return mismatches != 0;
}

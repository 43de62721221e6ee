// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated host: one arena is all of host-physical memory. Guest frames lie scattered in it,
 * some 2 MiB blocks (and one of 1 GiB) in one piece; pinning sometimes wants to sleep; frames are
 * moved and slots taken away under the guest; the table pool is refilled a little short.
 *
 * Every host page has an owner, so that a translation which outlives its frame, and a table that
 * is walked after it was given back, are seen at the first use.
 */
#include <sys/mman.h>
#include "model.h"
#include "mmu/shadow/shadow.h"

u8 *shim_arena;

static u8 *copy; /* what guest memory should hold, by gpa */

#define SMALL_PAGES (ARENA_SMALL >> 12)
#define BLOCK_FIRST (SMALL_PAGES / 2) /* pages from here on are handed out in blocks of 2 MiB */
#define MAX_GIVEN   4096

static struct page pages[SMALL_PAGES];
static u32 stamps[SMALL_PAGES];
static u32 stamp;
static u32 given[MAX_GIVEN]; /* pages in the mode's hands or in its pool */
static unsigned int nr_given;

struct backing {
	u64 *hpa;  /* where each frame is, pinned or not */
	u8 *large; /* per 2 MiB block: one piece */
	bool giant;
};

static u8 touched[RAM_TOP + RAM_FAR_PAGES]; /* frames ever written */
static enum {
	WRITTEN_NOT,
	WRITTEN,
	WRITTEN_MAYBE,	/* in that very moment */
} written[RAM_D_PAGES]; /* by the guest, since host_take_dirty() */
static gfn_t touched_list[1 << 16];
static unsigned int nr_touched;

static int try_pin(struct gmem *m, gfn_t gfn);
static const struct gmem_ops model_gmem_ops = { .pin = try_pin };

/**
 * host_init() - reserve the arena
 */
void host_init(void)
{
	int prot = PROT_READ | PROT_WRITE;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	/* Aligned to 1 GiB so that a host block of that size is one in the arena too. */
	shim_arena = mmap(NULL, ARENA_BYTES, prot, flags, -1, 0);
	copy = mmap(NULL, (RAM_TOP + RAM_FAR_PAGES) << 12, prot, flags, -1, 0);
	if (shim_arena == MAP_FAILED || copy == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
}

/* Where copy and touched[] have a frame. */
static u64 flat(gfn_t gfn)
{
	return gfn < RAM_FAR_BASE ? gfn : RAM_TOP + (gfn - RAM_FAR_BASE);
}

static u32 page_alloc(enum page_use use)
{
	u32 n;

	do
		n = 1 + chance(BLOCK_FIRST - 1);
	while (pages[n].use != PAGE_FREE);
	pages[n].use = use;
	return n;
}

static void page_free(u32 n)
{
	bool clean = pages[n].use == PAGE_GUEST && !touched[flat(pages[n].gfn)];

	pages[n].use = PAGE_FREE;
	pages[n].gen++;
	if (!clean)
		memset(shim_arena + ((u64)n << 12), 0, PAGE_SIZE);
}

static u32 block_alloc(void)
{
	u32 i, b, nr = (SMALL_PAGES - BLOCK_FIRST) / 512;

	do
		b = BLOCK_FIRST + 512 * chance(nr);
	while (pages[b].use != PAGE_FREE);
	for (i = 0; i < 512; i++)
		pages[b + i].use = PAGE_GUEST;
	return b;
}

struct page *host_page(hpa_t hpa)
{
	return hpa < ARENA_SMALL ? &pages[hpa >> 12] : NULL;
}

bool host_is_table(hpa_t hpa)
{
	if (hpa >= ARENA_SMALL)
		return false;
	/* The mode may have taken it a moment ago, and be at work still. */
	if (set.vcpus > 1 && pages[hpa >> 12].use == PAGE_POOL) {
		host_look_at_pool();
		return !host_in_pool(hpa);
	}
	return pages[hpa >> 12].use == PAGE_TABLE;
}

/* The guest frame that a host frame belongs to now. */
bool host_guest_frame(hpa_t hpa, gfn_t *gfn)
{
	struct gmem_slot *slot;

	if (hpa < ARENA_SMALL) {
		if (pages[hpa >> 12].use != PAGE_GUEST)
			return false;
		*gfn = pages[hpa >> 12].gfn;
	} else {
		*gfn = RAM_C_BASE + ((hpa - ARENA_BIG) >> 12);
	}
	slot = gmem_slot(&mem, *gfn);
	return slot && slot->host[*gfn - slot->base];
}

bool host_leads_to(hpa_t hpa, gpa_t *gpa)
{
	gfn_t gfn;

	if (hpa >= ARENA_BYTES)
		return false;
	if (host_is_table(hpa)) {
		u64 entry = *(u64 *)phys_to_virt(hpa & ~7ULL);

		if (!(entry & 1))
			return false;
		hpa = (entry & GENMASK_ULL(51, 12)) | chance(4) * 8;
		if (hpa >= ARENA_BYTES)
			return false;
	}
	if (!host_guest_frame(hpa, &gfn))
		return false;
	*gpa = gfn << 12 | (hpa & 0xff8);
	return true;
}

bool host_guarded(hpa_t hpa)
{
	struct gfn_info *info;
	gfn_t gfn;

	if (!host_guest_frame(hpa, &gfn))
		return false;
	info = gmem_info(gmem_slot(&mem, gfn), gfn, 1);
	return info->tables && !sp_at(pg.state, info->tables)->open;
}

bool ram_has(gfn_t gfn)
{
	return gmem_slot(&mem, gfn) != NULL;
}

u8 *ram(gpa_t gpa)
{
	struct gmem_slot *slot = gmem_slot(&mem, gpa >> 12);
	struct backing *b;

	if (!slot)
		return NULL;
	b = slot->owner;
	return shim_arena + b->hpa[(gpa >> 12) - slot->base] + (gpa & 0xfff);
}

u8 *ram_copy(gpa_t gpa)
{
	return copy + (flat(gpa >> 12) << 12 | (gpa & 0xfff));
}

static u64 block_index(struct gmem_slot *slot, gfn_t gfn)
{
	return (gfn >> 9) - (slot->base >> 9);
}

static void set_frame(struct gmem_slot *slot, gfn_t gfn, u32 page)
{
	struct backing *b = slot->owner;

	b->hpa[gfn - slot->base] = (u64)page << 12;
	pages[page].use = PAGE_GUEST;
	pages[page].gfn = gfn;
}

static void set_block(struct gmem_slot *slot, gfn_t gfn)
{
	struct backing *b = slot->owner;
	u32 page = block_alloc(), i;

	for (i = 0; i < 512; i++)
		set_frame(slot, gfn + i, page + i);
	b->large[block_index(slot, gfn)] = 1;
}

static struct gmem_slot *slot_add(gfn_t base, u64 npages)
{
	struct gmem_slot *slot = &mem.slots[mem.nr_slots++];
	struct backing *b = calloc(1, sizeof(*b));
	int level;

	memset(slot, 0, sizeof(*slot));
	slot->base = base;
	slot->npages = npages;
	slot->host = calloc(npages, sizeof(u64));
	for (level = 1; level <= 3; level++)
		slot->info[level - 1] =
			calloc(gmem_info_count(base, npages, level), sizeof(struct gfn_info));
	b->hpa = calloc(npages, sizeof(u64));
	b->large = calloc(gmem_info_count(base, npages, 2), 1);
	slot->owner = b;
	return slot;
}

static void slot_remove(struct gmem_slot *slot)
{
	struct backing *b = slot->owner;
	u64 i;

	if (!b->giant)
		for (i = 0; i < slot->npages; i++)
			page_free(b->hpa[i] >> 12);
	free(b->hpa);
	free(b->large);
	free(b);
	free(slot->host);
	for (i = 0; i < 3; i++)
		free(slot->info[i]);
	*slot = mem.slots[--mem.nr_slots];
	memset(&mem.slots[mem.nr_slots], 0, sizeof(*slot));
}

/**
 * host_start() - the slots and frames of a new machine
 */
void host_start(void)
{
	struct gmem_slot *slot;
	u64 i;

	memset(&mem, 0, sizeof(mem));
	mem.ops = &model_gmem_ops;
	slot = slot_add(RAM_A_BASE, RAM_A_PAGES);
	for (i = 0; i < RAM_A_PAGES; i++)
		set_frame(slot, RAM_A_BASE + i, page_alloc(PAGE_GUEST));
	slot = slot_add(RAM_B_BASE, RAM_B_PAGES);
	set_block(slot, RAM_B_BASE);
	for (i = 512; i < 1024; i++)
		set_frame(slot, RAM_B_BASE + i, page_alloc(PAGE_GUEST));
	set_block(slot, RAM_B_BASE + 1024);
	host_add_slot();
	host_add_far_slot();
	if (set.big) {
		struct backing *b;

		slot = slot_add(RAM_C_BASE, RAM_C_PAGES);
		b = slot->owner;
		b->giant = true;
		for (i = 0; i < RAM_C_PAGES; i++)
			b->hpa[i] = ARENA_BIG + (i << 12);
	}
}

/**
 * host_stop() - give everything back and forget all contents
 */
void host_stop(void)
{
	unsigned int i;

	for (i = 0; i < nr_touched; i++) {
		gfn_t gfn = touched_list[i];
		u8 *p = ram(gfn << 12);

		if (p)
			memset(p, 0, PAGE_SIZE);
		memset(ram_copy(gfn << 12), 0, PAGE_SIZE);
		touched[flat(gfn)] = 0;
	}
	nr_touched = 0;
	while (mem.nr_slots)
		slot_remove(&mem.slots[0]);
}

static struct gmem_slot *slot_d(void)
{
	return gmem_slot(&mem, RAM_D_BASE);
}

/* ---- pins ---- */

static void pin_now(struct gmem_slot *slot, gfn_t gfn)
{
	struct backing *b = slot->owner;
	u64 i, base = 0, n = slot->npages, flags = GMEM_PINNED;

	if (b->giant) {
		flags |= GMEM_2M | GMEM_1G;
	} else if (b->large[block_index(slot, gfn)]) {
		base = (gfn & ~511ULL) - slot->base;
		n = 512;
		flags |= GMEM_2M;
	} else {
		base = gfn - slot->base;
		n = 1;
	}
	for (i = base; i < base + n; i++)
		slot->host[i] = b->hpa[i] | flags;
	count_add(&cnt, pages_pinned, n);
}

static int try_pin(struct gmem *m, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(m, gfn);

	if (!slot)
		fail("pin of gfn %llx, which is in no slot", (unsigned long long)gfn);
	if (slot->host[gfn - slot->base])
		return 0;
	if (percent(40))
		return -EAGAIN;
	pin_now(slot, gfn);
	return 0;
}

/**
 * host_pin_sleep() - what the caller does on VERDICT_PIN
 * @gpa: from the verdict
 *
 * Return: 0; fails the test where no memory is.
 */
int host_pin_sleep(gpa_t gpa)
{
	struct gmem_slot *slot = gmem_slot(&mem, gpa >> 12);

	if (!slot)
		fail("VERDICT_PIN for gpa %llx, where no memory is", (unsigned long long)gpa);
	if (!slot->host[(gpa >> 12) - slot->base])
		pin_now(slot, gpa >> 12);
	return 0;
}

/* A device's frames are there whether the guest asks for them or not. */
static void give(struct gmem_slot *slot, gfn_t gfn)
{
	pin_now(slot, gfn);
	written[gfn - RAM_D_BASE] = WRITTEN_NOT;
}

/**
 * host_written() - a store of the guest's lands
 * @gpa: where
 */
void host_written(gpa_t gpa)
{
	if (set.device && (gpa >> 12) - RAM_D_BASE < RAM_D_PAGES)
		written[(gpa >> 12) - RAM_D_BASE] = WRITTEN;
}

/**
 * host_take_dirty() - the device asks whether the guest has written to its frame
 * @gfn: in slot D
 *
 * A store that goes unseen is an error, and so is one that is seen twice.
 */
void host_take_dirty(gfn_t gfn)
{
	unsigned int i = gfn - RAM_D_BASE;
	bool was = written[i] == WRITTEN, again;
	bool sure = set.ops->traps & TRAP_NESTED ? set.cfg.nested_ad
						 : !gmem_info(slot_d(), gfn, 1)->tables;

	written[i] = WRITTEN_NOT;
	if (paging_take_dirty(&pg, gfn)) {
		tally.dirty++;
	} else {
		tally.clean++;
		if (was)
			fail("the guest has written to gfn %llx of the device, and no flag says so",
			     (unsigned long long)gfn);
	}
	was = written[i] == WRITTEN;
	written[i] = WRITTEN_NOT;
	again = paging_take_dirty(&pg, gfn);
	if (written[i] || (was && !again))
		written[i] = WRITTEN_MAYBE;
	if (again && sure && !was && !written[i])
		fail("gfn %llx of the device is still dirty after its flags were taken",
		     (unsigned long long)gfn);
}

/* Both arrays of a range must be forgotten by the mode: nothing maps it, nothing shadows it. */
void host_check_info_empty(gfn_t base, u64 n)
{
	struct gmem_slot *slot = gmem_slot(&mem, base);
	gfn_t gfn;

	for (gfn = base; gfn < base + n; gfn++) {
		struct gfn_info *info = gmem_info(slot, gfn, 1);

		if (info->rmap || info->tables)
			fail("gfn %llx is unmapped, but its record says rmap %u tables %u",
			     (unsigned long long)gfn, info->rmap, info->tables);
		info = gmem_info(slot, gfn, 2);
		if (info->rmap)
			fail("gfn %llx is unmapped, but something maps its 2 MiB block",
			     (unsigned long long)gfn);
		info = gmem_info(slot, gfn, 3);
		if (info->rmap)
			fail("gfn %llx is unmapped, but something maps its 1 GiB block",
			     (unsigned long long)gfn);
	}
}

/**
 * host_move() - the host moves guest frames: same contents, other host frames
 * @gfn: first
 * @n: how many; whole 2 MiB blocks are moved where one is touched
 */
void host_move(gfn_t gfn, u64 n)
{
	struct gmem_slot *slot = gmem_slot(&mem, gfn);
	struct backing *b = slot->owner;
	static u32 old[1536], fresh[1536];
	u64 i, end;

	if (n > slot->base + slot->npages - gfn)
		n = slot->base + slot->npages - gfn;
	end = gfn + n;
	if (b->giant) {
		/* Only the pins go: all of them, they are one block. */
		gfn = slot->base;
		n = slot->npages;
	} else {
		while (b->large[block_index(slot, gfn)] && (gfn & 511))
			gfn--;
		while (b->large[block_index(slot, end - 1)] && (end & 511))
			end++;
		n = end - gfn;
		/* Never across a boundary between scattered and whole: simpler to undo. */
	}
	tally.moves++;
	pg.ops->unmap(&pg, gfn, n);
	mode_done();
	host_check_info_empty(gfn, n);
	if (!b->giant) {
		for (i = 0; i < n; i++)
			old[i] = b->hpa[gfn + i - slot->base] >> 12;
		for (i = 0; i < n;) {
			u64 left = n - i;

			if (!((gfn + i) & 511) && left >= 512 && percent(60)) {
				set_block(slot, gfn + i);
				for (end = i + 512; i < end; i++)
					fresh[i] = b->hpa[gfn + i - slot->base] >> 12;
				continue;
			}
			b->large[block_index(slot, gfn + i)] = 0;
			set_frame(slot, gfn + i, page_alloc(PAGE_GUEST));
			fresh[i] = b->hpa[gfn + i - slot->base] >> 12;
			i++;
		}
		for (i = 0; i < n; i++) {
			if (touched[flat(gfn + i)])
				memcpy(shim_arena + ((u64)fresh[i] << 12),
				       shim_arena + ((u64)old[i] << 12), PAGE_SIZE);
			page_free(old[i]);
		}
	}
	for (i = 0; i < n; i++)
		slot->host[gfn + i - slot->base] = 0;
	for (i = 0; slot->device && i < n; i++)
		give(slot, gfn + i);
}

/* User space asks for memory as far up as the CPU has addresses. What says no in hv/memory.c does here. */
void host_add_far_slot(void)
{
	struct gmem_slot *slot;
	u64 i;

	if (set.phys <= 48 || gmem_slot(&mem, RAM_FAR_BASE) ||
	    !paging_range_valid(&set.cfg, RAM_FAR_BASE << 12, RAM_FAR_PAGES << 12))
		return;
	slot = slot_add(RAM_FAR_BASE, RAM_FAR_PAGES);
	for (i = 0; i < RAM_FAR_PAGES; i++)
		set_frame(slot, RAM_FAR_BASE + i, page_alloc(PAGE_GUEST));
}

void host_drop_far_slot(void)
{
	if (!gmem_slot(&mem, RAM_FAR_BASE))
		return;
	pg.ops->unmap(&pg, RAM_FAR_BASE, RAM_FAR_PAGES);
	mode_done();
	slot_remove(gmem_slot(&mem, RAM_FAR_BASE));
}

bool host_slot_there(void)
{
	return slot_d() != NULL;
}

/* User space takes the slot away; its contents are lost. */
void host_drop_slot(void)
{
	tally.slots++;
	pg.ops->unmap(&pg, RAM_D_BASE, RAM_D_PAGES);
	mode_done();
	host_check_info_empty(RAM_D_BASE, RAM_D_PAGES);
	slot_remove(slot_d());
}

void host_add_slot(void)
{
	struct gmem_slot *slot = slot_add(RAM_D_BASE, RAM_D_PAGES);
	unsigned int i, j;

	slot->device = set.device;
	for (i = 0; i < RAM_D_PAGES; i++) {
		gpa_t gpa = (RAM_D_BASE + i) << 12;

		set_frame(slot, RAM_D_BASE + i, page_alloc(PAGE_GUEST));
		if (set.device)
			give(slot, RAM_D_BASE + i);
		if (!touched[flat(gpa >> 12)])
			continue;
		for (j = 0; j < 512; j++) {
			u64 *was = (u64 *)ram_copy(gpa) + j;

			if (*was)
				hist_word(gpa + 8 * j, *was, 0);
			*was = 0;
		}
	}
}

/* ---- the table pool ---- */

void host_look_at_pool(void)
{
	u64 *p;

	stamp++;
	for (p = pg.pool.head; p; p = (u64 *)(unsigned long)p[0])
		stamps[virt_to_phys(p) >> 12] = stamp;
}

bool host_in_pool(hpa_t hpa)
{
	return hpa < ARENA_SMALL && stamps[hpa >> 12] == stamp;
}

/**
 * pool_sync() - see which pages the mode has taken and given back since the last time
 */
void pool_sync(void)
{
	u64 *p = pg.pool.head;
	unsigned int i, n = 0, in_use = 0;

	share_sync();
	stamp++;
	for (; p; p = (u64 *)(unsigned long)p[0]) {
		u64 hpa = virt_to_phys(p);

		if (hpa >= ARENA_SMALL || (hpa & 0xfff) || pages[hpa >> 12].use < PAGE_POOL)
			fail("the pool holds a page that is not a table page: hpa %llx",
			     (unsigned long long)hpa);
		if (stamps[hpa >> 12] == stamp)
			fail("the pool holds hpa %llx twice", (unsigned long long)hpa);
		stamps[hpa >> 12] = stamp;
		n++;
		if (pages[hpa >> 12].use == PAGE_POOL)
			continue;
		pages[hpa >> 12].use = PAGE_POOL;
		pages[hpa >> 12].gen++;
		for (i = 1; i < 512; i++)
			if (p[i])
				fail("a page given back to the pool is not zero: word %u is %llx",
				     i, (unsigned long long)p[i]);
	}
	if (n != pg.pool.nr)
		fail("the pool says %u pages and holds %u", pg.pool.nr, n);
	for (i = 0; i < nr_given; i++) {
		if (stamps[given[i]] == stamp)
			continue;
		pages[given[i]].use = PAGE_TABLE;
		in_use++;
	}
	/* A shadow page is three pages of memory, and has a place in a page of descriptions. */
	if (!(set.ops->traps & TRAP_NESTED)) {
		in_use -= SHADOW_TABLE_PAGES * (unsigned int)cnt.v[CNT_shadow_pages];
		if (in_use > pg.cfg.shadow_budget / SHADOW_CHUNK + 1)
			fail("%u pages are in use beside those of %llu shadow pages", in_use,
			     (unsigned long long)cnt.v[CNT_shadow_pages]);
		in_use = (unsigned int)cnt.v[CNT_shadow_pages];
	}
	if (cnt.v[CNT_shadow_pages] != in_use)
		fail("counter shadow_pages says %llu, %u pages are in use",
		     (unsigned long long)cnt.v[CNT_shadow_pages], in_use);
	if (cnt.v[CNT_shadow_pages_peak] < in_use)
		fail("counter shadow_pages_peak says %llu, %u pages are in use",
		     (unsigned long long)cnt.v[CNT_shadow_pages_peak], in_use);
}

bool reclaim_one(struct shadow *sh); /* of mmu/shadow/page.h, whose names are ours, too */

/**
 * host_reclaim() - shadow pages go although the budget is not used up
 * @n: at most so many, the least useful first
 */
void host_reclaim(unsigned int n)
{
	if (pg.ops->traps & TRAP_NESTED)
		return;
	while (n-- && reclaim_one(pg.state))
		;
	pool_sync();
}

/**
 * host_refill() - what the caller does on VERDICT_REFILL: to the limit, or just enough
 *
 * Return: 0.
 */
int host_refill(void)
{
	unsigned int to = percent(50) ? TABLE_POOL_HIGH : pg.pool.low + chance(4);

	while (pg.pool.nr < to) {
		u32 n = page_alloc(PAGE_POOL);

		if (nr_given == MAX_GIVEN)
			fail("more than %u table pages", MAX_GIVEN);
		given[nr_given++] = n;
		pool_put(&pg.pool, (u64 *)(shim_arena + ((u64)n << 12)));
	}
	/* Too many: take some home. */
	while (pg.pool.nr > 2 * TABLE_POOL_HIGH) {
		u64 *p = pool_get(&pg.pool);
		u32 n = virt_to_phys(p) >> 12, i;

		for (i = 0; i < nr_given && given[i] != n; i++)
			;
		given[i] = given[--nr_given];
		page_free(n);
	}
	pool_sync();
	return 0;
}

/**
 * host_take_pool() - the VM is gone: all its table pages go home
 */
void host_take_pool(void)
{
	while (nr_given)
		page_free(given[--nr_given]);
	pg.pool.head = NULL;
	pg.pool.nr = 0;
}

/* ---- guest memory: every change goes through here ---- */

static void touch(gfn_t gfn)
{
	if (touched[flat(gfn)])
		return;
	touched[flat(gfn)] = 1;
	if (nr_touched == ARRAY_SIZE(touched_list))
		fail("the test writes too many frames");
	touched_list[nr_touched++] = gfn;
}

u64 ram_read64(gpa_t gpa)
{
	u64 v;

	memcpy(&v, ram(gpa), 8);
	return v;
}

/**
 * ram_write() - the guest's store lands; into the history of the words too
 * @gpa: where; inside one page, in memory
 * @buf: bytes
 * @len: how many
 */
void ram_write(gpa_t gpa, const void *buf, unsigned int len)
{
	gpa_t word, end = gpa + len;

	touch(gpa >> 12);
	for (word = gpa & ~7ULL; word < end; word += 8) {
		gpa_t from = word < gpa ? gpa : word, to = word + 8 < end ? word + 8 : end;
		u64 old, new;

		memcpy(&old, ram_copy(word), 8);
		memcpy(ram_copy(from), (const u8 *)buf + (from - gpa), to - from);
		memcpy(&new, ram_copy(word), 8);
		if (old != new)
			hist_word(word, old, new);
	}
	memcpy(ram(gpa), buf, len);
}

/**
 * ram_absorb() - the walker in the mode (or in the CPU) may have set A and D in this entry
 * @gpa: of the entry
 * @allowed: bits that may have been set
 * @who: for the message
 */
void ram_absorb(gpa_t gpa, u64 allowed, const char *who)
{
	u64 now = ram_read64(gpa), was;

	memcpy(&was, ram_copy(gpa), 8);
	if (now == was)
		return;
	if ((now & was) != was || ((now ^ was) & ~allowed))
		fail("%s changed the guest's entry at gpa %llx from %llx to %llx, may set %llx",
		     who, (unsigned long long)gpa, (unsigned long long)was, (unsigned long long)now,
		     (unsigned long long)allowed);
	touch(gpa >> 12);
	memcpy(ram_copy(gpa), &now, 8);
	hist_amend(gpa, now);
}

/**
 * ram_check_all() - nobody else has written guest memory
 */
void ram_check_all(void)
{
	unsigned int i, j;

	for (i = 0; i < nr_touched; i++) {
		gpa_t gpa = touched_list[i] << 12;
		u64 *now = (u64 *)ram(gpa), *want = (u64 *)ram_copy(gpa);

		if (!now || !memcmp(now, want, PAGE_SIZE))
			continue;
		for (j = 0; j < 512 && now[j] == want[j]; j++)
			;
		fail("guest memory at gpa %llx is %llx and should be %llx",
		     (unsigned long long)(gpa + 8 * j), (unsigned long long)now[j],
		     (unsigned long long)want[j]);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces, in numbered parts:
 *
 *   1. tables: lookup, creation, the kernel's direct map
 *   2. making an address space and giving it regions
 *   3. faults: demand-zero, borrowed text, copy on write
 *   4. fork
 *   5. unmap and the end of an address space
 *
 * Flushes follow the architecture exactly (SDM 3A, 4.10.4.2 and 4.10.4.3): none after a
 * not-present entry becomes present or an entry gains rights, one after every other change, before
 * the frame behind it can be reused. Entries start without accessed and dirty bits, which are then
 * the CPU's business.
 */
#include "internal.h"

#define EARLY_TABLES 24
#define ENTRIES	     512
#define MAX_MMS	     130

struct mm kernel_mm;
bool mm_fresh_frames;

static struct mm mms[MAX_MMS];
static bool mm_used[MAX_MMS];

/* The first tables lie in .bss: nothing else is surely mapped yet. */
static u8 early_pool[EARLY_TABLES][PAGE_SIZE] __attribute__((aligned(4096)));
static u32 early_used;
static bool frames_ready;

/* ---- 1. tables ---- */

u64 pte_flags(u64 flags)
{
	if (!cpu.nx)
		flags &= ~PTE_NX;
	if (!cpu.use_global)
		flags &= ~PTE_G;
	if (cpu.preset_ad)
		flags |= PTE_A | PTE_D;
	return flags;
}

static u64 table_alloc(struct mm *mm)
{
	u64 pa;

	if (frames_ready) {
		pa = frame_alloc();
	} else {
		if (early_used == EARLY_TABLES)
			die(GUEST_STATUS_FAILED, "the pool of early tables is too small");
		pa = (u64)early_pool[early_used++];
	}
	zero_page(pa);
	mm->tables++;
	return pa;
}

static u64 *table_of(u64 entry)
{
	return (u64 *)(entry & PTE_ADDR);
}

static u32 index_at(u64 va, int level)
{
	return (va >> (12 + 9 * (level - 1))) & (ENTRIES - 1);
}

u64 *pte_lookup(struct mm *mm, u64 va, int level, bool create)
{
	u64 *table = (u64 *)mm->root;

	for (int at = 4; at > level; at--) {
		u64 *entry = &table[index_at(va, at)];
		u64 value = pte_read(entry);

		if (!(value & PTE_P)) {
			u64 flags = PTE_P | PTE_W;

			if (!create)
				return NULL;
			if (va >= USER_TEXT && va < USER_LIMIT)
				flags |= PTE_U;
			if (cpu.preset_ad)
				flags |= PTE_A;
			value = table_alloc(mm) | flags;
			pte_write(entry, value);
		} else if (value & PTE_LARGE) {
			return NULL;
		}
		table = table_of(value);
	}
	return &table[index_at(va, level)];
}

u64 *kernel_map(u64 va, u64 pa, u64 flags)
{
	u64 *entry = pte_lookup(&kernel_mm, va, flags & PTE_LARGE ? 2 : 1, true);

	pte_write(entry, pa | pte_flags(flags | PTE_P | PTE_G));
	return entry;
}

static void direct_map_page(struct mm *mm, u64 pa, int level)
{
	u64 flags = PTE_P | PTE_W | PTE_NX | PTE_G;

	if (level > 1)
		flags |= PTE_LARGE;
	if (pa >= (u64)kernel_start && pa < (u64)text_end)
		flags &= ~(PTE_W | PTE_NX);
	else if (pa >= (u64)text_end && pa < (u64)rodata_end)
		flags &= ~PTE_W;
	pte_write(pte_lookup(mm, pa, level, true), pa | pte_flags(flags));
}

/*
 * All RAM at its physical address, in pages as large as asked for; except 4 KiB pages where the
 * image lies (text is read-only, data is not executable) and for the first 2 MiB, whose first page
 * stays unmapped so that a NULL pointer faults.
 */
static void direct_map(struct mm *mm, int level)
{
	u64 image_start = ALIGN_DOWN((u64)kernel_start, LARGE_SIZE);
	u64 image_end = ALIGN_UP((u64)kernel_end, LARGE_SIZE);
	u64 giga = 1ul << 30;
	u64 pa = PAGE_SIZE;

	mm->root = table_alloc(mm);
	while (pa < ram_end()) {
		bool fine = pa < LARGE_SIZE || (pa >= image_start && pa < image_end);

		if (level >= 3 && pa && !(pa % giga) && pa + giga <= ram_end() && !fine) {
			direct_map_page(mm, pa, 3);
			pa += giga;
		} else if (level >= 2 && !(pa % LARGE_SIZE) && pa + LARGE_SIZE <= ram_end() &&
			   !fine) {
			direct_map_page(mm, pa, 2);
			pa += LARGE_SIZE;
		} else {
			direct_map_page(mm, pa, 1);
			pa += PAGE_SIZE;
		}
	}
	/* The window's top-level entry is the same in all address spaces for ever. */
	pte_lookup(mm, KERNEL_WINDOW, 3, true);
}

/* Leave the boot loader's tables. The loader may map no more than the image, so start small. */
void paging_init(void)
{
	static const int levels[] = { 2, 1, 3 };
	int level = levels[cmdline_choice("directmap", 0, "2m|4k|1g")];

	if (level == 3 && !cpu.page1g)
		die(GUEST_STATUS_USAGE, "directmap=1g: this CPU has no 1 GiB pages");
	if (cpu.nx)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	direct_map(&kernel_mm, 2);
	raw_write_cr3(kernel_mm.root);
	frames_ready = true;
	if (level != 2) {
		kernel_mm.tables = 0;
		direct_map(&kernel_mm, level);
		raw_write_cr3(kernel_mm.root);
	}
}

/* ---- 2. address spaces and regions ---- */

u64 user_text_bytes(void)
{
	return (u64)rodata_end - (u64)user_load;
}

static struct mm *mm_alloc(void)
{
	u64 *root;

	for (u32 i = 0; i < MAX_MMS; i++) {
		struct mm *mm = &mms[i];

		if (mm_used[i])
			continue;
		mm_used[i] = true;
		memset(mm, 0, sizeof(*mm));
		mm->pcid = i + 1;
		mm->stale = true; /* an earlier owner may have left translations */
		mm->brk = USER_HEAP;
		mm->root = table_alloc(mm);
		root = (u64 *)mm->root;
		for (int slot = 0; slot <= 2; slot += 2)
			pte_write(&root[slot], pte_read((u64 *)kernel_mm.root + slot));
		return mm;
	}
	die(GUEST_STATUS_USAGE, "more than %d address spaces at once", MAX_MMS);
}

struct region *mm_add_region(struct mm *mm, u64 start, u64 bytes, u64 prot, bool large)
{
	struct region *r = &mm->region[mm->regions];
	u64 size = large ? LARGE_SIZE : PAGE_SIZE;

	if (mm->regions == MM_REGIONS)
		die(GUEST_STATUS_USAGE, "more than %d regions in one process", MM_REGIONS);
	if (start % size || bytes % size || !bytes || start < USER_TEXT ||
	    start + bytes > USER_LIMIT)
		die(GUEST_STATUS_FAILED, "bad region 0x%lx+0x%lx", start, bytes);
	*r = (struct region){ .start = start, .end = start + bytes, .prot = prot, .large = large };
	mm->regions++;
	if (r->end > mm->brk)
		mm->brk = r->end;
	return r;
}

void mm_add_file(struct mm *mm, u64 start, const void *file, u64 bytes, u64 prot)
{
	struct region *r = mm_add_region(mm, start, ALIGN_UP(bytes, PAGE_SIZE), prot, false);

	r->backing = (u64)file;
}

struct mm *mm_new(void)
{
	struct mm *mm = mm_alloc();

	mm_add_file(mm, USER_TEXT, user_load, user_text_bytes(), 0);
	mm->region[0].borrowed = true; /* part of the image, not of the pool of frames */
	mm_add_region(mm, USER_STACK_TOP - USER_STACK_LEN, USER_STACK_LEN, PTE_W | PTE_NX, false);
	return mm;
}

static struct region *find_region(struct mm *mm, u64 va)
{
	for (u32 i = 0; i < mm->regions; i++) {
		if (va >= mm->region[i].start && va < mm->region[i].end)
			return &mm->region[i];
	}
	return NULL;
}

u64 mm_frame(struct mm *mm, u64 va)
{
	u64 *entry = pte_lookup(mm, va, 2, false);
	u64 value;

	if (!entry)
		return 0;
	value = pte_read(entry);
	if (!(value & PTE_P))
		return 0;
	if (value & PTE_LARGE)
		return (value & PTE_ADDR & ~(LARGE_SIZE - 1)) + va % LARGE_SIZE;
	value = pte_read(&table_of(value)[index_at(va, 1)]);
	return value & PTE_P ? (value & PTE_ADDR) + va % PAGE_SIZE : 0;
}

/* ---- 3. faults ---- */

static u64 zeroed_frame(bool large)
{
	u64 pa;

	if (large) {
		pa = frame_alloc_large();
		for (u64 at = pa; at < pa + LARGE_SIZE; at += PAGE_SIZE)
			zero_page(at);
	} else {
		pa = mm_fresh_frames ? frame_alloc_fresh() : frame_alloc();
		zero_page(pa);
	}
	return pa;
}

static void map_missing(struct region *r, u64 *entry, u64 va, bool write)
{
	u64 flags = PTE_P | PTE_U | r->prot;
	u64 file = r->backing + (ALIGN_DOWN(va, PAGE_SIZE) - r->start);
	u64 pa;

	if (r->borrowed) {
		pa = file;
	} else if (r->backing && write) {
		pa = frame_alloc();
		copy_page(pa, file);
	} else if (r->backing) {
		pa = file;
		frame_get(pa);
		if (flags & PTE_W)
			flags = (flags & ~PTE_W) | PTE_COW;
	} else {
		pa = zeroed_frame(r->large);
		if (r->large)
			flags |= PTE_LARGE;
	}
	pte_write(entry, pa | pte_flags(flags));
}

/* A write to a shared page: take it over if nobody else is left, or copy it. */
static void break_cow(struct mm *mm, struct region *r, u64 *entry, u64 va)
{
	u64 value = pte_read(entry);
	u64 old = value & PTE_ADDR & ~(r->large ? LARGE_SIZE - 1 : 0);
	u64 new;

	if (frame_refs(old) == 1) {
		pte_write(entry, (value & ~PTE_COW) | PTE_W); /* more rights: no flush */
		return;
	}
	if (r->large) {
		new = frame_alloc_large();
		for (u64 at = 0; at < LARGE_SIZE; at += PAGE_SIZE)
			copy_page(new + at, old + at);
	} else {
		new = frame_alloc();
		copy_page(new, old);
	}
	pte_write(entry, new | pte_flags(PTE_P | PTE_U | r->prot | (r->large ? PTE_LARGE : 0)));
	tlb_flush_mm_page(mm, va); /* another frame: the old translation must go */
	if (r->large)
		frame_put_large(old);
	else
		frame_put(old);
}

bool mm_fault(u64 va, u64 error)
{
	struct mm *mm = current_mm;
	struct region *r = find_region(mm, va);
	u64 *entry, value;

	if (!r || (error & PF_RSVD))
		return false;
	if ((error & PF_W) && !(r->prot & PTE_W))
		return false;
	if ((error & PF_I) && (r->prot & PTE_NX) && cpu.nx)
		return false;
	entry = pte_lookup(mm, va, r->large ? 2 : 1, true);
	value = pte_read(entry);
	if (!(value & PTE_P))
		map_missing(r, entry, va, error & PF_W);
	else if ((error & PF_W) && (value & PTE_COW))
		break_cow(mm, r, entry, va);
	else if ((error & PF_W) && !(value & PTE_W))
		return false;
	/* Else the entry allows it by now, and the fault came from an older translation. */
	return true;
}

void mm_map_now(struct mm *mm, u64 start, u64 bytes)
{
	u64 va = start;

	while (va < start + bytes) {
		struct region *r = find_region(mm, va);
		u64 *entry;

		if (!r)
			die(GUEST_STATUS_FAILED, "mm_map_now: nothing declared at 0x%lx", va);
		entry = pte_lookup(mm, va, r->large ? 2 : 1, true);
		if (!(pte_read(entry) & PTE_P))
			map_missing(r, entry, va, r->prot & PTE_W);
		va += r->large ? LARGE_SIZE : PAGE_SIZE;
	}
}

/* ---- 4. fork ---- */

/* Returns true if the parent lost rights. */
static bool share_entry(struct region *r, u64 *parent, u64 *child)
{
	u64 value = pte_read(parent);
	bool downgraded = false;

	if (!(value & PTE_P))
		return false;
	if (!r->borrowed) {
		if (value & PTE_W) {
			value = (value & ~PTE_W) | PTE_COW;
			pte_write(parent, value);
			downgraded = true;
		}
		frame_get(value & PTE_ADDR & ~(r->large ? LARGE_SIZE - 1 : 0));
	}
	/* The child has not used the page yet. */
	pte_write(child, pte_flags(value & ~(PTE_A | PTE_D)));
	return downgraded;
}

static bool share_region(struct region *r, struct mm *from, struct mm *to)
{
	int level = r->large ? 2 : 1;
	u64 step = r->large ? LARGE_SIZE : PAGE_SIZE;
	u64 span = step * ENTRIES;
	bool downgraded = false;

	/* Table by table; a table that the parent does not have is not made for the child. */
	for (u64 va = r->start; va < r->end;) {
		u64 end = ALIGN_DOWN(va, span) + span;
		u64 *parent = pte_lookup(from, va, level, false), *child = NULL;

		if (end > r->end)
			end = r->end;
		for (; parent && va < end; va += step, parent++) {
			if (!(pte_read(parent) & PTE_P))
				continue;
			child = pte_lookup(to, va, level, true);
			if (share_entry(r, parent, child))
				downgraded = true;
		}
		va = end;
	}
	return downgraded;
}

struct mm *mm_fork(struct mm *from)
{
	struct mm *to = mm_alloc();
	bool downgraded = false;

	to->brk = from->brk;
	to->regions = from->regions;
	memcpy(to->region, from->region, sizeof(to->region));
	for (u32 i = 0; i < from->regions; i++) {
		if (share_region(&from->region[i], from, to))
			downgraded = true;
	}
	if (downgraded)
		tlb_flush_mm(from);
	return to;
}

/* ---- 5. unmap and the end ---- */

/*
 * Clear the entries of one stretch under one table, flush, and only then free the frames: until the
 * flush the CPU may still use them.
 */
static void unmap_stretch(struct mm *mm, struct region *r, u64 start, u64 end, bool flush)
{
	static u64 gather[ENTRIES];
	u64 step = r->large ? LARGE_SIZE : PAGE_SIZE;
	u64 *entry = pte_lookup(mm, start, r->large ? 2 : 1, false);
	u64 first = 0, last = 0;
	u32 n = 0;

	if (!entry)
		return;
	for (u64 va = start; va < end; va += step, entry++) {
		u64 value = pte_read(entry);

		if (!(value & PTE_P))
			continue;
		if (!n)
			first = va;
		last = va;
		gather[n++] = value & PTE_ADDR & ~(step - 1);
		pte_write(entry, 0);
	}
	if (!n)
		return;
	if (flush)
		tlb_flush_range(mm, first, (last - first) / step + 1, step);
	for (u32 i = 0; i < n && !r->borrowed; i++) {
		if (r->large)
			frame_put_large(gather[i]);
		else
			frame_put(gather[i]);
	}
}

static void unmap_range(struct mm *mm, struct region *r, u64 start, u64 end, bool flush)
{
	u64 span = (r->large ? LARGE_SIZE : PAGE_SIZE) * ENTRIES;

	for (u64 va = start; va < end;) {
		u64 stop = ALIGN_DOWN(va, span) + span;

		if (stop > end)
			stop = end;
		unmap_stretch(mm, r, va, stop, flush);
		va = stop;
	}
}

void mm_unmap(struct mm *mm, u64 start, u64 bytes, bool forget)
{
	u64 end = start + bytes;

	for (u32 i = 0; i < mm->regions; i++) {
		struct region *r = &mm->region[i];
		u64 from = r->start > start ? r->start : start;
		u64 to = r->end < end ? r->end : end;

		if (from >= to)
			continue;
		unmap_range(mm, r, from, to, true);
		if (!forget)
			continue;
		if (from == r->start && to == r->end) {
			*r = mm->region[--mm->regions];
			i--;
		} else if (from == r->start) {
			r->start = to;
		} else {
			/* A hole in the middle drops the tail too: no workload needs a split. */
			if (to != r->end)
				die(GUEST_STATUS_FAILED, "munmap in the middle of a region");
			r->end = from;
		}
	}
}

static void free_tables(u64 *table, int level)
{
	for (u32 i = 0; i < ENTRIES; i++) {
		u64 value = pte_read(&table[i]);

		if (!(value & PTE_P) || (value & PTE_LARGE))
			continue;
		if (level == 4 && i != index_at(USER_TEXT, 4))
			continue; /* the kernel's slots are shared */
		if (level > 2)
			free_tables(table_of(value), level - 1);
		pte_write(&table[i], 0);
		frame_put(value & PTE_ADDR);
	}
}

void mm_free(struct mm *mm)
{
	/*
	 * No flush: this root is never loaded again, and where PCIDs kept its translations, the
	 * next owner of the PCID starts stale.
	 */
	if (mm == current_mm)
		die(GUEST_STATUS_FAILED, "mm_free of the current address space");
	for (u32 i = 0; i < mm->regions; i++)
		unmap_range(mm, &mm->region[i], mm->region[i].start, mm->region[i].end, false);
	free_tables((u64 *)mm->root, 4);
	frame_put(mm->root);
	mm_used[mm - mms] = false;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stories about pages that become tables, stop being tables, or are more than one thing at a time.
 * A hypervisor that shadows tables has to notice each; one that nests paging passes for free.
 */
#include "access.h"

/* Some other addresses that a case may map, apart enough to need tables of their own. */
#define VA_A VA(0, 1, 2, 3)
#define VA_B VA(0, 1, 3, 4)
#define VA_C VA(1, 5, 6, 7)
#define VA_D VA(2, 9, 8, 0)

#define AD (PTE_A | PTE_D)

/* The guest takes A and D away from a page in use; with INVLPG they must come back. */
static void accessed_dirty_return(void)
{
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);

	verify_all(VA_A);
	expect((get(pte) & AD) == AD);
	for (int i = 0; i < 3; i++) {
		set(pte, get(pte) & ~AD);
		raw_invlpg(VA_A);
		verify(USER, READ, VA_A);
		expect((get(pte) & AD) == PTE_A);
		verify(USER, WRITE, VA_A);
		expect((get(pte) & AD) == AD);
		set(pte, get(pte) & ~PTE_D); /* only D */
		raw_invlpg(VA_A);
		verify(SUPERVISOR, READ, VA_A);
		expect((get(pte) & AD) == PTE_A);
		verify(SUPERVISOR, WRITE, VA_A);
		expect((get(pte) & AD) == AD);
		set(pte, get(pte) & ~PTE_A); /* only A */
		raw_invlpg(VA_A);
		verify(USER, FETCH, VA_A);
		expect((get(pte) & AD) == AD);
	}
}

/* The same by an instruction that reads the old bits, as a kernel's clock hand does. */
static void accessed_clear_atomic(void)
{
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);
	u8 was;

	for (int i = 0; i < 4; i++) {
		verify(USER, i & 1 ? WRITE : READ, VA_A);
		asm volatile("lock btrq $5, %0; setc %1" : "+m"(*pte), "=q"(was) : : "cc");
		expect(was);
		raw_invlpg(VA_A);
		expect(!(get(pte) & PTE_A));
		asm volatile("lock btrq $6, %0; setc %1" : "+m"(*pte), "=q"(was) : : "cc");
		expect(was == (i & 1));
		raw_invlpg(VA_A);
	}
	verify_all(VA_A);
}

static void accessed_upper_return(void)
{
	u64 *entry[5];

	map(VA_A, stamped(), PAGE_FLAGS);
	verify_all(VA_A);
	for (int l = 2; l <= 4; l++)
		entry[l] = entry_of(root, VA_A, l);
	for (int l = 2; l <= 4; l++) {
		expect(get(entry[l]) & PTE_A);
		set(entry[l], get(entry[l]) & ~PTE_A);
		raw_invlpg(VA_A);
		verify(USER, READ, VA_A);
		expect(get(entry[l]) & PTE_A);
	}
	for (int l = 2; l <= 4; l++)
		set(entry[l], get(entry[l]) & ~PTE_A);
	raw_invlpg(VA_A);
	verify_all(VA_A);
}

/* D of a large page, and that a 4 KiB write sets it for all. */
static void dirty_large(void)
{
	u64 pa = frame_alloc_large();
	u64 *pde;

	stamp(pa);
	stamp(pa + 0x1ff000);
	pde = map_large(VA(0, 1, 2, 0), pa, PAGE_FLAGS);
	for (int i = 0; i < 3; i++) {
		verify(USER, READ, VA(0, 1, 2, 0));
		verify(SUPERVISOR, READ, VA(0, 1, 2, 511));
		expect((get(pde) & AD) == PTE_A);
		verify(USER, WRITE, VA(0, 1, 2, 511));
		expect((get(pde) & AD) == AD);
		verify_all(VA(0, 1, 2, 0));
		set(pde, get(pde) & ~AD);
		raw_invlpg(VA(0, 1, 2, 7));
	}
}

/* A page table leaves, serves as data in user hands, and is a table again. */
static void table_reused_as_data(void)
{
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);
	u64 *pde = entry_of(root, VA_A, 2);
	u64 table = get(pde) & PTE_ADDR, good = get(pte);

	for (int i = 0; i < 3; i++) {
		verify_all(VA_A);
		good = get(pte);
		set(pde, 0);
		raw_invlpg(VA_A);
		verify(USER, READ, VA_A);
		map(VA_B, table, PAGE_FLAGS);
		raw_invlpg(VA_B);
		/* As data it takes and keeps anything, also what would be a bad entry. */
		for (int k = 0; k < 40; k++) {
			struct outcome o = touch(USER, WRITE, VA_B + k * 104, ~0ul << k);

			expect(!o.fault);
			expect(get((u64 *)(table + k * 104)) == ~0ul << k);
		}
		stamp(table);
		verify_all(VA_B);
		map(VA_B, stamped(), PAGE_FLAGS);
		raw_invlpg(VA_B);
		zero_page(table);
		set(pte, good & ~(i & 1 ? AD : 0));
		set(pde, table | TABLE_FLAGS);
		verify_all(VA_A);
	}
}

/* Data that user code wrote becomes a table with what it wrote. */
static void data_becomes_table(void)
{
	u64 page = stamped();

	map(VA_B, page, PAGE_FLAGS);
	verify_all(VA_B); /* a dirty, writable translation stays in the TLB */
	for (int i = 0; i < 8; i++)
		expect(!touch(USER, WRITE, VA_B + 8 * i, stamped() | PAGE_FLAGS).fault);
	set(entry_of(root, VA_A, 2), page | TABLE_FLAGS);
	for (int i = 0; i < 8; i++)
		verify_all(VA(0, 1, 2, i));
}

/*
 * A store to a table through a writable translation that was made before the page was a table. The
 * mapping of the page itself never changes, so no flush of it is due.
 */
static void stale_writable_translation(void)
{
	for (int i = 0; i < 4; i++) {
		enum access_who who = i & 1 ? USER : SUPERVISOR;
		u64 va = VA(0, 1, 10 + i, 5), alias = VA(0, 2, 0, i);
		u64 page = frame_alloc();
		u64 *pte = (u64 *)page + 5;

		zero_page(page);
		map(alias, page, PAGE_FLAGS);
		expect(!touch(who, WRITE, alias + 40, stamped() | PAGE_FLAGS).fault);
		/* Now it is a table ... */
		set(entry_of(root, va, 2), page | TABLE_FLAGS);
		if (i & 2)
			verify_all(va);
		/* ... and the old translation writes to it: another page, then read-only, then none. */
		expect(!touch(who, WRITE, alias + 40, stamped() | PAGE_FLAGS).fault);
		raw_invlpg(va);
		verify_all(va);
		expect(!touch(who, WRITE, alias + 40, get(pte) & ~PTE_W).fault);
		raw_invlpg(va);
		verify_all(va);
		expect(!touch(who, WRITE, alias + 40, 0).fault);
		raw_invlpg(va);
		verify_all(va);
		expect(!touch(who, WRITE, alias + 40, stamped() | PAGE_FLAGS).fault);
		verify_all(va); /* became present: no flush */
	}
}

/* One page is a page table for one address and a page directory for another. */
static void one_page_two_levels(void)
{
	u64 *both = table_new(), *below = table_new(), *other = table_new();
	u64 f1 = stamped(), f2 = stamped();

	/* both[9] as PDE: the table `below`; as PTE: the page `below`. */
	set(&below[0], stamp_word(77)); /* not present as an entry: bit 0 clear */
	set(&below[6], f1 | PAGE_FLAGS);
	set(&other[6], f2 | PAGE_FLAGS);
	set(&both[9], (u64)below | PAGE_FLAGS);
	set(entry_of(root, VA_A, 2), (u64)both | TABLE_FLAGS);
	set(entry_of(root, VA_C, 3), (u64)both | TABLE_FLAGS);
	for (int i = 0; i < 3; i++) {
		u64 as_page = VA(0, 1, 2, 9), as_table = VA(1, 5, 9, 6);

		verify(USER, READ, as_page);
		verify_all(as_table);
		verify(SUPERVISOR, READ, as_page + 48);
		/* Write the entry of as_table through as_page. */
		expect(!touch(USER, WRITE, as_page + 48, get(&below[6]) & ~PTE_W).fault);
		raw_invlpg(as_table);
		verify_all(as_table);
		expect(!touch(USER, WRITE, as_page + 48, f1 | PAGE_FLAGS).fault);
		raw_invlpg(as_table);
		verify_all(as_table);
		/* Replace what both views go through. */
		set(&both[9], (u64)other | PAGE_FLAGS);
		raw_invlpg(as_page);
		raw_invlpg(as_table);
		verify(USER, READ, as_page + 48);
		verify_all(as_table);
		set(&both[9], ((u64)below | PAGE_FLAGS) & ~(i ? PTE_W : 0));
		raw_invlpg(as_page);
		raw_invlpg(as_table);
		verify_all(as_table);
		verify(USER, READ, as_page + 48);
		set(&both[9], (u64)below | PAGE_FLAGS);
		raw_invlpg(as_page);
		raw_invlpg(as_table);
	}
}

/* And at all four levels: every entry of the walk is the same entry of the same page. */
static void one_page_all_levels(void)
{
	u64 *loop = table_new();
	u64 va = VA(0, 16, 16, 16);

	set(&loop[16], (u64)loop | TABLE_FLAGS);
	set(&loop[17], stamped() | PAGE_FLAGS);
	set((u64 *)root + 16, (u64)loop | TABLE_FLAGS);
	/* The first read of the entry by itself sets what it reads; the second is plain. */
	expect(!touch(SUPERVISOR, READ, va + 16 * 8, 0).fault);
	verify(SUPERVISOR, READ, va + 16 * 8);
	verify_all(va + PAGE_SIZE); /* loop[17] */
	/* Through the loop itself: make its page read-only, then give it back. */
	expect(!touch(SUPERVISOR, WRITE, va + 17 * 8, get(&loop[17]) & ~(PTE_W | AD)).fault);
	raw_invlpg(va + PAGE_SIZE);
	verify_all(va + PAGE_SIZE);
	expect(!touch(USER, WRITE, va + 17 * 8, get(&loop[17]) | PTE_W).fault);
	raw_invlpg(va + PAGE_SIZE);
	verify_all(va + PAGE_SIZE);
	/* Writing was allowed by the very entry that now forbids it. */
	expect(!touch(USER, WRITE, va + 16 * 8, (u64)loop | PTE_P | PTE_U).fault);
	raw_invlpg(va);
	expect(touch(USER, WRITE, va + 16 * 8, 0).fault);
	expect(!touch(USER, READ, va + 16 * 8, 0).fault);
	verify(USER, READ, va + 16 * 8);
	set(&loop[16], 0);
	raw_invlpg(va);
	verify(USER, READ, va + 16 * 8);
}

/* One leaf table under two roots. */
static void table_shared_by_spaces(void)
{
	u64 first = root, second = space_new();
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);
	u64 table = get(entry_of(root, VA_A, 2)) & PTE_ADDR;

	set(entry_of(second, VA_C, 2), table | TABLE_FLAGS);
	for (int i = 0; i < 4; i++) {
		u64 va2 = VA(1, 5, 6, 3);

		verify_all(VA_A);
		set(pte, stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)));
		raw_invlpg(VA_A);
		if (i & 2)
			verify(USER, READ, VA_A);
		space_use(second, 0);
		verify_all(va2);
		verify(USER, READ, VA_A); /* not mapped here */
		set(pte, i & 1 ? stamped() | PAGE_FLAGS : 0);
		raw_invlpg(va2);
		verify_all(va2);
		space_use(first, 0);
		verify_all(VA_A);
		set(pte, stamped() | PAGE_FLAGS);
		raw_invlpg(VA_A);
	}
}

/* ... and under one root twice, with different rights above. */
static void table_shared_by_paths(void)
{
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);
	u64 table = get(entry_of(root, VA_A, 2)) & PTE_ADDR;

	set(entry_of(root, VA(0, 1, 20, 0), 2), table | PTE_P | PTE_U);
	set(entry_of(root, VA(0, 1, 21, 0), 2), table | PTE_P | PTE_W);
	set(entry_of(root, VA(0, 1, 22, 0), 2), table | TABLE_FLAGS | (cpu.nx ? PTE_NX : 0));
	for (int i = 0; i < 6; i++) {
		static const u64 change[] = {
			0, PTE_W, PTE_U, PTE_P, PTE_A | PTE_D, PTE_W | PTE_U
		};

		for (int k = 0; k < 4; k++)
			verify_all(k ? VA(0, 1, 19 + k, 3) : VA_A);
		set(pte, (get(pte) | PAGE_FLAGS) & ~change[i]);
		for (int k = 0; k < 4; k++)
			raw_invlpg(k ? VA(0, 1, 19 + k, 3) : VA_A);
		for (int k = 3; k >= 0; k--)
			verify_all(k ? VA(0, 1, 19 + k, 3) : VA_A);
		set(pte, get(pte) | PAGE_FLAGS);
		for (int k = 0; k < 4; k++)
			raw_invlpg(k ? VA(0, 1, 19 + k, 3) : VA_A);
	}
}

/* A table written through large mappings: the supervisor's, and one that user code has. */
static void table_written_through(u64 alias, u64 table)
{
	u64 *pte = (u64 *)table + 3;

	for (int i = 0; i < 4; i++) {
		enum access_who who = i & 1 ? USER : SUPERVISOR;

		expect(!touch(who, WRITE, alias + 24, stamped() | PAGE_FLAGS).fault);
		raw_invlpg(VA_A);
		verify_all(VA_A);
		expect(!touch(who, WRITE, alias + 24, get(pte) & ~(PTE_W | AD)).fault);
		raw_invlpg(VA_A);
		verify(USER, READ, VA_A);
		verify_all(VA_A);
		expect(!touch(who, WRITE, alias + 24, 0).fault);
		raw_invlpg(VA_A);
		verify_all(VA_A);
	}
}

static void table_through_2m(void)
{
	u64 pa = frame_alloc_large();
	u64 *pde;

	zero_page(pa + 0x3000);
	stamp(pa);
	set(entry_of(root, VA_A, 2), (pa + 0x3000) | TABLE_FLAGS);
	pde = map_large(VA(0, 3, 3, 0), pa, PAGE_FLAGS);
	table_written_through(VA(0, 3, 3, 3), pa + 0x3000);
	expect((get(pde) & AD) == AD);
	verify_all(VA(0, 3, 3, 0));
}

static void table_through_1g(void)
{
	u64 table = (u64)table_new();
	u64 *pdpte = entry_of(root, VA(0, 4, 0, 0), 3);

	set(entry_of(root, VA_A, 2), table | TABLE_FLAGS);
	set(pdpte, PAGE_FLAGS | PTE_LARGE);
	table_written_through(VA(0, 4, 0, 0) + table, table);
	expect((get(pdpte) & AD) == AD);
}

static bool has_1g(void)
{
	return cpu.page1g;
}

/*
 * The mapping through which a table is written is itself clean, read-only, or not accessed: the
 * store must set its flags, or fault, as any store does.
 */
static void table_through_clean_alias(void)
{
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);
	u64 table = get(entry_of(root, VA_A, 2)) & PTE_ADDR, value;
	u64 *alias = map(VA_B, table, PAGE_FLAGS);
	struct mode m = now;

	verify_all(VA_A);
	for (int i = 0; i < 4; i++) {
		enum access_who who = i & 1 ? USER : SUPERVISOR;

		verify(who, READ, VA_B + 24);
		expect((get(alias) & AD) == PTE_A);
		value = get(pte) & ~PTE_W;
		expect(!touch(who, WRITE, VA_B + 24, value).fault);
		expect(get(pte) == value);
		expect((get(alias) & AD) == AD);
		raw_invlpg(VA_A);
		verify_all(VA_A);
		/* Read-only: a true fault, and the table stays as it is. */
		set(alias, table | PTE_P | PTE_U);
		raw_invlpg(VA_B);
		value = get(pte);
		expect(touch(USER, WRITE, VA_B + 24, 0).code == (PF_P | PF_W | PF_U));
		expect(touch(SUPERVISOR, WRITE, VA_B + 24, 0).code == (PF_P | PF_W));
		expect(get(pte) == value);
		expect((get(alias) & AD) != AD);
		verify_all(VA_A);
		/* Without CR0.WP the supervisor may after all. */
		m.wp = false;
		controls(&m);
		expect(!touch(SUPERVISOR, WRITE, VA_B + 24, value | PTE_W).fault);
		expect(get(pte) == (value | PTE_W));
		expect((get(alias) & AD) == AD);
		raw_invlpg(VA_A);
		verify_all(VA_A);
		m.wp = true;
		controls(&m);
		expect(touch(SUPERVISOR, WRITE, VA_B + 24, 0).fault);
		set(alias, table | PAGE_FLAGS);
		raw_invlpg(VA_B);
	}
}

/* The root maps itself in one of its slots, as some kernels do. */
static void recursive_root(void)
{
	u64 slot = CASE_SLOT + 7, base = slot << 39;
	u64 frames = stamped16();
	u64 i4 = VA_A >> 39 & 511, i3 = VA_A >> 30 & 511, i2 = VA_A >> 21 & 511,
	    i1 = VA_A >> 12 & 511;
	u64 pte = base | i4 << 30 | i3 << 21 | i2 << 12 | i1 << 3;
	u64 pde = base | slot << 30 | i4 << 21 | i3 << 12 | i2 << 3;
	u64 pdpte = base | slot << 30 | slot << 21 | i4 << 12 | i3 << 3;
	u64 pml4e = base | slot << 30 | slot << 21 | slot << 12 | i4 << 3;
	u64 window[] = { 0, pte, pde, pdpte, pml4e };

	/* Supervisor only: its entries are user entries below, and the loop takes U away. */
	set((u64 *)root + slot, root | PTE_P | PTE_W);
	/* Build the path through the loop. */
	for (int l = 4; l > 1; l--) {
		u64 table = (u64)table_new();

		expect(!touch(SUPERVISOR, WRITE, window[l], table | TABLE_FLAGS).fault);
		verify(SUPERVISOR, READ, window[l]);
	}
	expect(!touch(SUPERVISOR, WRITE, pte, frames | PAGE_FLAGS).fault);
	verify_all(VA_A);
	/* What the CPU sets is seen through the loop. */
	expect((touch(SUPERVISOR, READ, pte, 0).value & AD) == AD);
	expect(touch(SUPERVISOR, READ, pde, 0).value & PTE_A);
	expect(touch(SUPERVISOR, READ, pml4e, 0).value & PTE_A);
	expect(touch(USER, READ, pte, 0).code == (PF_P | PF_U));
	for (u64 n = 1; n < 8; n++) {
		expect(!touch(SUPERVISOR, WRITE, pte, (frames + n * PAGE_SIZE) | PAGE_FLAGS).fault);
		raw_invlpg(VA_A);
		verify_all(VA_A);
	}
	/* Take W away and give it back at every level. */
	for (int l = 1; l <= 4; l++) {
		u64 e = touch(SUPERVISOR, READ, window[l], 0).value;

		expect(!touch(SUPERVISOR, WRITE, window[l], e & ~PTE_W).fault);
		raw_invlpg(VA_A);
		raw_invlpg(window[l > 1 ? l - 1 : 1]);
		verify_all(VA_A);
		expect(!touch(SUPERVISOR, WRITE, window[l], e & ~PTE_U).fault);
		raw_invlpg(VA_A);
		raw_invlpg(window[l > 1 ? l - 1 : 1]);
		verify_all(VA_A);
		expect(!touch(SUPERVISOR, WRITE, window[l], 0).fault);
		raw_invlpg(VA_A);
		raw_invlpg(window[l > 1 ? l - 1 : 1]);
		verify_all(VA_A);
		expect(!touch(SUPERVISOR, WRITE, window[l], e).fault);
		raw_invlpg(window[l > 1 ? l - 1 : 1]);
		verify_all(VA_A);
	}
	set((u64 *)root + slot, 0);
	raw_invlpg(pml4e);
	verify(SUPERVISOR, READ, pml4e);
}

/* The page table maps itself, and the entry that maps it is changed through it. */
static void table_maps_itself(void)
{
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);
	u64 table = get(entry_of(root, VA_A, 2)) & PTE_ADDR;
	u64 self = VA(0, 1, 2, 9), frame = stamped();
	u64 *self_pte = (u64 *)table + 9;

	for (int i = 0; i < 4; i++) {
		enum access_who who = i & 1 ? USER : SUPERVISOR;

		set(self_pte, table | PAGE_FLAGS);
		raw_invlpg(self);
		verify(who, READ, self + 24);
		expect(!touch(who, WRITE, self + 24, stamped() | PAGE_FLAGS).fault);
		expect((get(self_pte) & AD) == AD);
		raw_invlpg(VA_A);
		verify_all(VA_A);
		/* A store that sets D of the entry it stores to. */
		set(self_pte, table | PAGE_FLAGS);
		raw_invlpg(self);
		expect(!touch(who, WRITE, self + 72, (table | PAGE_FLAGS) & ~PTE_W).fault);
		expect(get(self_pte) == ((table | PAGE_FLAGS) & ~PTE_W));
		raw_invlpg(self);
		expect(touch(who, WRITE, self + 24, 0).fault);
		verify(who, READ, self + 24);
		set(self_pte, table | PAGE_FLAGS);
		raw_invlpg(self);
		/* ... and one that points it elsewhere. */
		expect(!touch(who, WRITE, self + 72, frame | PAGE_FLAGS).fault);
		raw_invlpg(self);
		verify_all(self);
		verify_all(VA_A);
	}
	expect((get(pte) & AD) == AD);
}

/* 4 KiB entries become a large page of the same memory and back, and of other memory. */
static void split_and_join(void)
{
	u64 pa = frame_alloc_large(), other = frame_alloc_large();
	u64 va = VA(0, 1, 2, 0), *table = table_new();
	u64 *pde = entry_of(root, va, 2);

	for (int i = 0; i < 512; i++) {
		set(&table[i], (pa + i * PAGE_SIZE) | PAGE_FLAGS);
		if (i % 73 == 0) {
			stamp(pa + i * PAGE_SIZE);
			stamp(other + i * PAGE_SIZE);
		}
	}
	for (int round = 0; round < 3; round++) {
		set(pde, (u64)table | TABLE_FLAGS);
		raw_invlpg(va);
		for (int i = 0; i < 512; i += 73)
			verify_all(va + i * PAGE_SIZE);
		set(pde, pa | PAGE_FLAGS | PTE_LARGE);
		for (int i = 0; i < 512; i += 73)
			raw_invlpg(va + i * PAGE_SIZE);
		for (int i = 0; i < 512; i += 73)
			verify_all(va + i * PAGE_SIZE);
		set(pde, other | PTE_P | PTE_U | PTE_LARGE | (round ? PTE_W : 0));
		raw_invlpg(va + 0x8000);
		for (int i = 0; i < 512; i += 73)
			verify_all(va + i * PAGE_SIZE);
		/* The table comes back with other rights, entries clean. */
		for (int i = 0; i < 512; i += 73)
			set(&table[i], (pa + i * PAGE_SIZE) | (PAGE_FLAGS & ~(round ? PTE_W : 0)));
	}
}

/* A directory full of tables leaves at once, and another comes. */
static void subtree_swapped(void)
{
	u64 *pdpte = entry_of(root, VA_A, 3);
	u64 trees[2], spare = VA(3, 0, 0, 0);

	for (int t = 0; t < 2; t++) {
		u64 va = spare + ((u64)t << 30);

		for (int i = 0; i < 8; i++)
			map(va | (u64)i << 21 | (u64)i << 12, stamped(), PAGE_FLAGS);
		trees[t] = get(entry_of(root, va, 3)) & PTE_ADDR;
	}
	for (int round = 0; round < 4; round++) {
		set(pdpte, trees[round & 1] | (TABLE_FLAGS & ~(round & 2 ? PTE_W : 0)));
		if (round)
			space_use(root, 0);
		for (int i = 0; i < 8; i++) {
			verify_all((VA_A & ~0x3ffffffful) | (u64)i << 21 | (u64)i << 12);
			verify(USER, READ,
			       spare | (u64)(round & 1) << 30 | (u64)i << 21 | (u64)i << 12);
		}
	}
	set(pdpte, 0);
	raw_invlpg(VA_A);
	verify(USER, READ, VA_A & ~0x3ffffffful);
}

/* A space is built, changed and torn down while another one runs. */
static void space_edited_from_outside(void)
{
	u64 home = root, other = space_new();
	u64 *pte = map_in(other, VA_A, stamped(), PAGE_FLAGS);

	for (int i = 0; i < 4; i++) {
		space_use(other, 0);
		verify_all(VA_A);
		space_use(home, 0);
		verify(USER, READ, VA_A);
		set(pte, i == 2 ? 0 : stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)));
		if (i == 1) /* another table altogether, the page stays */
			set(entry_of(other, VA_A, 2), 0);
		if (i == 1)
			pte = map_in(other, VA_A, stamped(), PAGE_FLAGS);
		space_use(other, 0);
		verify_all(VA_A);
		space_use(home, 0);
	}
}

/* A root is freed and its page is the root of another space. */
static void root_reused(void)
{
	u64 home = root, other = space_new();

	for (int i = 0; i < 4; i++) {
		map_in(other, VA_A, stamped(), PAGE_FLAGS);
		map_in(other, VA_B + i * PAGE_SIZE, stamped(), PAGE_FLAGS);
		space_use(other, 0);
		verify_all(VA_A);
		for (int k = 0; k < 4; k++)
			verify_all(VA_B + k * PAGE_SIZE);
		space_use(home, 0);
		/* Data for a while, then the kernel's slots again and nothing else. */
		map(VA_C, other, PAGE_FLAGS);
		raw_invlpg(VA_C);
		set((u64 *)other + CASE_SLOT, 0);
		stamp(other + 0x800);
		verify_all(VA_C + 0x800);
		zero_page(other);
		((u64 *)other)[0] = get((u64 *)home);
		((u64 *)other)[1] = get((u64 *)home + 1);
	}
}

/* The root itself is writable memory for user code. */
static void root_in_user_hands(void)
{
	u64 index = CASE_SLOT + 2;
	u64 other = VA_D;
	u64 table;

	map(other, stamped(), PAGE_FLAGS);
	table = get((u64 *)root + index);
	map(VA_A, root, PAGE_FLAGS);
	for (int i = 0; i < 3; i++) {
		verify_all(other);
		expect(!touch(USER, WRITE, VA_A + index * 8, 0).fault);
		raw_invlpg(other);
		verify_all(other);
		expect(!touch(USER, WRITE, VA_A + index * 8, table & ~(i ? PTE_W : PTE_U)).fault);
		verify_all(other);
		expect(!touch(USER, WRITE, VA_A + index * 8, table).fault);
		space_use(root, 0);
		verify_all(other);
	}
}

/* Many tables at once, each changed after all have been used. */
static void many_tables(void)
{
	enum { N = 300 };
	static u64 *pte[N];

	for (int i = 0; i < N; i++)
		pte[i] = map(VA(i & 3, i >> 2 & 7, i, i), stamped(), PAGE_FLAGS);
	for (int i = 0; i < N; i++)
		verify(USER, WRITE, VA(i & 3, i >> 2 & 7, i, i));
	for (int i = 0; i < N; i++)
		set(pte[i], get(pte[i]) & ~(i & 1 ? PTE_W : AD));
	space_use(root, 0);
	for (int i = 0; i < N; i++) {
		verify(USER, READ, VA(i & 3, i >> 2 & 7, i, i));
		verify(USER, WRITE, VA(i & 3, i >> 2 & 7, i, i));
	}
	for (int i = 0; i < N; i++)
		set(pte[i], 0);
	space_use(root, 0);
	for (int i = 0; i < N; i++)
		verify(USER, READ, VA(i & 3, i >> 2 & 7, i, i));
}

const struct test_case table_cases[] = {
	{ "accessed_dirty_return", accessed_dirty_return, NULL, NULL },
	{ "accessed_clear_atomic", accessed_clear_atomic, NULL, NULL },
	{ "accessed_upper_return", accessed_upper_return, NULL, NULL },
	{ "dirty_large", dirty_large, NULL, NULL },
	{ "table_reused_as_data", table_reused_as_data, NULL, NULL },
	{ "data_becomes_table", data_becomes_table, NULL, NULL },
	{ "stale_writable_translation", stale_writable_translation, NULL, NULL },
	{ "one_page_two_levels", one_page_two_levels, NULL, NULL },
	{ "one_page_all_levels", one_page_all_levels, NULL, NULL },
	{ "table_shared_by_spaces", table_shared_by_spaces, NULL, NULL },
	{ "table_shared_by_paths", table_shared_by_paths, NULL, NULL },
	{ "table_through_2m", table_through_2m, NULL, NULL },
	{ "table_through_1g", table_through_1g, "no 1 GiB pages", has_1g },
	{ "table_through_clean_alias", table_through_clean_alias, NULL, NULL },
	{ "recursive_root", recursive_root, NULL, NULL },
	{ "table_maps_itself", table_maps_itself, NULL, NULL },
	{ "split_and_join", split_and_join, NULL, NULL },
	{ "subtree_swapped", subtree_swapped, NULL, NULL },
	{ "space_edited_from_outside", space_edited_from_outside, NULL, NULL },
	{ "root_reused", root_reused, NULL, NULL },
	{ "root_in_user_hands", root_in_user_hands, NULL, NULL },
	{ "many_tables", many_tables, NULL, NULL },
	{ NULL, NULL, NULL, NULL },
};

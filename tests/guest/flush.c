// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stories about what each kind of flush must forget, and what nothing may forget: INVLPG, MOV to
 * CR3 with and without PCIDs and the no-flush bit, all types of INVPCID, CR4.PGE. The manual (SDM
 * volume 3, 4.10.4) says what must be gone; nothing says that an old translation must survive, so
 * where none has to be gone both the old and the new page are right.
 */
#include "access.h"

#define VA_A VA(0, 1, 2, 3)
#define VA_B VA(0, 1, 3, 4)
#define VA_C VA(1, 5, 6, 7)

#define PCIDS 4

static u64 word_at(u64 pa)
{
	return get((u64 *)pa);
}

/* Reads one of two pages and nothing else. */
static void expect_either(u64 va, u64 old, u64 new)
{
	struct outcome o = touch(USER, READ, va, 0);

	expect(!o.fault && (o.value == word_at(old) || o.value == word_at(new)));
}

/* Several changes, then several INVLPGs with nothing in between that a hypervisor must see. */
static void two_invlpgs(void)
{
	u64 *a = map(VA_A, stamped(), PAGE_FLAGS), *b = map(VA_B, stamped(), PAGE_FLAGS);
	u64 *c = map(VA_A + PAGE_SIZE, stamped(), PAGE_FLAGS);

	for (int i = 0; i < 6; i++) {
		u64 fa = stamped(), fb = stamped(), fc = stamped();
		u64 flags = PAGE_FLAGS & ~(i & 1 ? PTE_W : 0);

		verify_all(VA_A);
		verify_all(VA_B);
		verify_all(VA_A + PAGE_SIZE);
		set(a, fa | flags);
		set(b, fb | flags);
		if (i & 2)
			set(c, fc | flags);
		raw_invlpg(VA_A);
		raw_invlpg(VA_B);
		if (i & 2)
			raw_invlpg(VA_A + PAGE_SIZE);
		if (i & 4) /* the same again */
			raw_invlpg(VA_A);
		verify_all(VA_B);
		verify_all(VA_A);
		verify_all(VA_A + PAGE_SIZE);
		/* One is cleared, one is flushed twice. */
		set(a, 0);
		raw_invlpg(VA_B);
		raw_invlpg(VA_A);
		raw_invlpg(VA_A);
		verify_all(VA_A);
		set(a, fa | PAGE_FLAGS);
	}
}

/* INVLPG also of what is not mapped, at no level, and of odd addresses. */
static void invlpg_anywhere(void)
{
	u64 *a = map(VA_A, stamped(), PAGE_FLAGS);

	for (int i = 0; i < 4; i++) {
		verify_all(VA_A);
		raw_invlpg(VA_B);
		raw_invlpg(VA(3, 0, 0, 0));
		raw_invlpg(0x0000800000000000ul); /* not canonical: no operation */
		raw_invlpg(~0ul << 40);
		set(a, stamped() | PAGE_FLAGS);
		raw_invlpg(VA_A + 0x123 * (i + 1));
		verify_all(VA_A);
	}
}

/* An address of a large page other than the ones that were used. */
static void invlpg_inside_large(u64 *entry, u64 va, u64 first, u64 second, const u32 *at, int n)
{
	for (int i = 0; i < 6; i++) {
		u64 page = i & 1 ? first : second;

		for (int k = 0; k < n; k++)
			verify_all(va + at[k]);
		set(entry, page | (PAGE_FLAGS & ~(i & 2 ? PTE_W : 0)) | PTE_LARGE);
		raw_invlpg(va + (at[i % n] ^ 0x10000));
		for (int k = n - 1; k >= 0; k--)
			verify_all(va + at[k]);
	}
	set(entry, 0);
	raw_invlpg(va + 0x42000);
	for (int k = 0; k < n; k++)
		verify_all(va + at[k]);
}

static void invlpg_inside_2m(void)
{
	static const u32 at[] = { 0, 0x5000, 0xff000, 0x1ff000 };
	u64 first = frame_alloc_large(), second = frame_alloc_large();
	u64 va = VA(0, 1, 9, 0);

	for (u32 i = 0; i < ARRAY_SIZE(at); i++) {
		stamp(first + at[i]);
		stamp(second + at[i]);
	}
	invlpg_inside_large(map_large(va, first, PAGE_FLAGS), va, first, second, at,
			    ARRAY_SIZE(at));
}

/* There is one GiB of RAM at most: the page's rights and flags change, not its place. */
static void invlpg_inside_1g(void)
{
	u64 va = VA(0, 6, 0, 0);
	u64 *pdpte = entry_of(root, va, 3);
	u32 at[] = { (u32)stamped(), (u32)stamped(), (u32)(frame_alloc_large() + 0x3000) };

	stamp(at[2]);
	set(pdpte, PAGE_FLAGS | PTE_LARGE);
	invlpg_inside_large(pdpte, va, 0, 0, at, ARRAY_SIZE(at));
}

static bool has_1g(void)
{
	return cpu.page1g;
}

/* MOV to CR3 of the value that it has. */
static void reload_cr3(void)
{
	u64 *a = map(VA_A, stamped(), PAGE_FLAGS), *b = map(VA_C, stamped(), PAGE_FLAGS);

	for (int i = 0; i < 8; i++) {
		verify_all(VA_A);
		verify_all(VA_C);
		set(a, stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)));
		set(b, i & 2 ? get(b) & ~(PTE_A | PTE_D) : stamped() | PAGE_FLAGS);
		if (i & 4)
			set(entry_of(root, VA_C, 2), get(entry_of(root, VA_C, 2)) & ~PTE_A);
		space_use(root, 0);
		verify_all(VA_A);
		verify_all(VA_C);
	}
}

/* PWT and PCD in CR3 are not part of the address. */
static void cr3_cache_bits(void)
{
	u64 *a = map(VA_A, stamped(), PAGE_FLAGS);

	for (u64 bits = 0; bits < 4; bits++) {
		set(a, stamped() | PAGE_FLAGS);
		raw_write_cr3(root | bits << 3);
		expect(read_cr3() == (root | bits << 3));
		verify_all(VA_A);
	}
	space_use(root, 0);
	/* Nor are they of an entry, PAT included. */
	for (u64 bits = 0; bits < 8; bits++) {
		set(a, (get(a) & ~(3ul << 3 | PTE_LARGE)) | (bits & 3) << 3 |
			       (bits & 4 ? PTE_LARGE : 0));
		raw_invlpg(VA_A);
		verify_all(VA_A);
	}
}

/* Several spaces in turn, each changed while it is away. */
static void switch_spaces(void)
{
	u64 spaces[PCIDS], home = root;
	u64 *pte[PCIDS];

	for (int s = 0; s < PCIDS; s++) {
		spaces[s] = s ? space_new() : home;
		pte[s] = map_in(spaces[s], VA_A, stamped(), PAGE_FLAGS);
	}
	for (int i = 0; i < 24; i++) {
		int s = i * 7 % PCIDS;

		space_use(spaces[s], 0);
		verify_all(VA_A);
		set(pte[(s + 1) % PCIDS], stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)));
		set(pte[(s + 2) % PCIDS], i & 2 ? 0 : stamped() | PAGE_FLAGS);
		verify(USER, READ, VA_A);
	}
}

/* ---- global pages ---- */

static bool has_pge(void)
{
	return cpu.pge;
}

/* They may outlive MOV to CR3, never an INVLPG and never a change of CR4.PGE. */
static void global_pages(void)
{
	u64 *a = map(VA_A, stamped(), PAGE_FLAGS | PTE_G);
	u64 old, new;

	for (int i = 0; i < 4; i++) {
		verify_all(VA_A);
		old = get(a) & PTE_ADDR;
		new = stamped();
		set(a, new | PAGE_FLAGS | PTE_G);
		space_use(root, 0);
		expect_either(VA_A, old, new);
		if (i & 1) {
			raw_invlpg(VA_A);
		} else {
			write_cr4(read_cr4() & ~CR4_PGE);
			if (i & 2)
				verify_all(VA_A);
			write_cr4(read_cr4() | CR4_PGE);
		}
		verify_all(VA_A);
	}
}

/* Another space has another page there; its own page is not global. */
static void global_and_private(void)
{
	u64 home = root, other = space_new();
	u64 g = stamped(), *pte;

	map(VA_A, g, PAGE_FLAGS | PTE_G);
	map_in(other, VA_A, g, PAGE_FLAGS | PTE_G); /* as a kernel does it: the same everywhere */
	map(VA_B, stamped(), PAGE_FLAGS);
	pte = map_in(other, VA_B, stamped(), PAGE_FLAGS);
	for (int i = 0; i < 4; i++) {
		verify_all(VA_A);
		verify_all(VA_B);
		space_use(other, 0);
		/* Perhaps without a walk, so that this space's own entry stays as it was. */
		expect(touch(USER, READ, VA_A, 0).value == word_at(g));
		verify_all(VA_B);
		set(pte, stamped() | PAGE_FLAGS);
		space_use(home, 0);
	}
}

/* G counts only with CR4.PGE. */
static void global_without_pge(void)
{
	struct mode m = now;
	u64 *a = map(VA_A, stamped(), PAGE_FLAGS | PTE_G);

	m.pge = false;
	controls(&m);
	for (int i = 0; i < 4; i++) {
		verify_all(VA_A);
		set(a, stamped() | PAGE_FLAGS | PTE_G);
		space_use(root, 0);
		verify_all(VA_A);
	}
}

static void pge_toggle_flushes_all(void)
{
	u64 *pte[4];

	for (int k = 0; k < 4; k++)
		pte[k] = map(VA(k, k, k, k), stamped(), PAGE_FLAGS | (k & 1 ? PTE_G : 0));
	for (int i = 0; i < 6; i++) {
		for (int k = 0; k < 4; k++)
			verify_all(VA(k, k, k, k));
		for (int k = 0; k < 4; k++)
			set(pte[k],
			    stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)) | (k & 1 ? PTE_G : 0));
		write_cr4(read_cr4() ^ CR4_PGE);
		for (int k = 0; k < 4; k++)
			verify_all(VA(k, k, k, k));
	}
	controls_default();
}

/* ---- PCIDs ---- */

static bool has_pcid(void)
{
	return cpu.pcid;
}

static bool has_invpcid(void)
{
	return cpu.pcid && cpu.invpcid;
}

static u64 pcid_space[PCIDS];
static u64 *pcid_pte[PCIDS];

static void pcid_setup(u64 flags)
{
	u64 home = root;

	for (int s = 0; s < PCIDS; s++) {
		pcid_space[s] = s ? space_new() : home;
		pcid_pte[s] = map_in(pcid_space[s], VA_A, stamped(), PAGE_FLAGS | flags);
		map_in(pcid_space[s], VA_B, stamped(), PAGE_FLAGS);
	}
	space_use(home, 0);
	write_cr4(read_cr4() | CR4_PCIDE);
	/* Nothing is known about what these PCIDs hold. */
	for (int s = PCIDS - 1; s >= 0; s--)
		space_use(pcid_space[s], s);
}

static void pcid_end(void)
{
	space_use(pcid_space[0], 0);
	write_cr4(read_cr4() & ~CR4_PCIDE);
}

static void to_pcid(int s, bool flush)
{
	space_use(pcid_space[s], s | (flush ? 0 : CR3_NOFLUSH));
	expect(read_cr3() == (pcid_space[s] | s));
}

/* The same address is another page in each PCID, flushed or not. */
static void pcid_separate(void)
{
	pcid_setup(0);
	for (int i = 0; i < 40; i++) {
		to_pcid(i * 7 % PCIDS, i % 3 == 2);
		verify_all(VA_A);
		verify_all(VA_B);
	}
	pcid_end();
}

/* A PCID that is away is changed: gone after a switch that flushes, allowed to stay before. */
static void pcid_changed_away(void)
{
	pcid_setup(0);
	for (int i = 0; i < 24; i++) {
		int here = i % PCIDS, there = (i + 1 + i / PCIDS % 3) % PCIDS;
		u64 old, new = stamped();

		to_pcid(there, false);
		verify_all(VA_A);
		old = get(pcid_pte[there]) & PTE_ADDR;
		to_pcid(here, false);
		verify(USER, READ, VA_A);
		set(pcid_pte[there], new | PAGE_FLAGS);
		to_pcid(there, false);
		expect_either(VA_A, old, new);
		to_pcid(there, true);
		verify_all(VA_A);
		to_pcid(here, false);
		verify_all(VA_A);
	}
	pcid_end();
}

/* New mappings need no flush in any PCID, however one gets there. */
static void pcid_mapped_away(void)
{
	pcid_setup(0);
	for (int i = 0; i < 16; i++) {
		int here = i % PCIDS, there = (i + 1) % PCIDS;
		u64 va = VA(0, 1, 20 + (i & 7), i);

		to_pcid(there, false);
		verify(USER, READ, va);
		to_pcid(here, false);
		map_in(pcid_space[there], va, stamped(), PAGE_FLAGS);
		to_pcid(there, false);
		verify_all(va);
	}
	pcid_end();
}

/* INVLPG forgets the current PCID's translation and every global one. */
static void pcid_invlpg(void)
{
	pcid_setup(0);
	for (int i = 0; i < 12; i++) {
		int s = i % PCIDS;

		to_pcid(s, false);
		verify_all(VA_A);
		set(pcid_pte[s], stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)));
		raw_invlpg(VA_A);
		verify_all(VA_A);
		to_pcid((s + 1) % PCIDS, false);
		verify_all(VA_A);
		to_pcid(s, false);
		verify_all(VA_A);
	}
	pcid_end();
}

/* One page table in all PCIDs: INVLPG reaches one of them only. */
static void pcid_shared_table(void)
{
	u64 table, old, new;

	pcid_setup(0);
	table = get(entry_of(pcid_space[0], VA_A, 2));
	for (int s = 1; s < PCIDS; s++)
		set(entry_of(pcid_space[s], VA_A, 2), table);
	for (int s = 0; s < PCIDS; s++)
		to_pcid(s, true);
	for (int i = 0; i < 12; i++) {
		int s = i % PCIDS;

		for (int k = 0; k < PCIDS; k++) {
			to_pcid(k, i & 1);
			verify(USER, READ, VA_A);
		}
		to_pcid(s, false);
		old = get(pcid_pte[0]) & PTE_ADDR;
		new = stamped();
		set(pcid_pte[0], new | PAGE_FLAGS);
		raw_invlpg(VA_A);
		verify(USER, READ, VA_A);
		for (int k = 0; k < PCIDS; k++) {
			if (k == s)
				continue;
			to_pcid(k, false);
			expect_either(VA_A, old, new);
			to_pcid(k, true);
			verify(USER, READ, VA_A);
		}
	}
	pcid_end();
}

/*
 * All types of INVPCID for a PCID that is away. Type 0 forgets one address of one PCID, type 1 one
 * PCID, type 2 all with globals, type 3 all but globals.
 */
static void invpcid_types(void)
{
	pcid_setup(0);
	for (int i = 0; i < 32; i++) {
		u64 type = i & 3;
		int there = (i >> 2) % PCIDS, here = (there + 1 + (i >> 4)) % PCIDS;
		u64 old, new = stamped();
		int neighbour = (there + 2) % PCIDS;

		to_pcid(neighbour, false);
		verify_all(VA_A);
		to_pcid(there, false);
		verify_all(VA_A);
		verify_all(VA_B);
		to_pcid(here, false);
		old = get(pcid_pte[there]) & PTE_ADDR;
		(void)old;
		set(pcid_pte[there], new | (PAGE_FLAGS & ~(i & 8 ? PTE_W : 0)));
		raw_invpcid(type, type < 2 ? there : 0, type ? 0 : VA_A + (i & 16 ? 0x234 : 0));
		to_pcid(there, false);
		verify_all(VA_A);
		verify_all(VA_B);
		to_pcid(neighbour, false);
		verify_all(VA_A);
	}
	pcid_end();
}

/* The same for the current PCID. */
static void invpcid_current(void)
{
	pcid_setup(0);
	for (int i = 0; i < 16; i++) {
		u64 type = i & 3;
		int here = i >> 2;

		to_pcid(here, false);
		verify_all(VA_A);
		set(pcid_pte[here], stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)));
		raw_invpcid(type, type < 2 ? here : 0, type ? 0 : VA_A);
		verify_all(VA_A);
		set(pcid_pte[here], get(pcid_pte[here]) & ~(PTE_A | PTE_D));
		raw_invpcid(type, type < 2 ? here : 0, type ? 0 : VA_A);
		verify_all(VA_A);
	}
	pcid_end();
}

/* INVPCID works without CR4.PCIDE too, for PCID 0. */
static void invpcid_without_pcide(void)
{
	u64 *a = map(VA_A, stamped(), PAGE_FLAGS);

	for (int i = 0; i < 8; i++) {
		verify_all(VA_A);
		set(a, stamped() | (PAGE_FLAGS & ~(i & 4 ? PTE_W : 0)));
		raw_invpcid(i & 3, 0, i & 3 ? 0 : VA_A);
		verify_all(VA_A);
	}
}

/* Global pages: only type 2 has to reach them, in whatever PCID. */
static void invpcid_global(void)
{
	u64 old, new;

	pcid_setup(PTE_G);
	/* One global page everywhere, as the manual wants it. */
	for (int s = 1; s < PCIDS; s++)
		set(pcid_pte[s], get(pcid_pte[0]));
	raw_invpcid(INVPCID_ALL_GLOBAL, 0, 0);
	for (int i = 0; i < 16; i++) {
		u64 type = i & 3;

		to_pcid(i >> 2, false);
		expect(!touch(USER, WRITE, VA_A, next_word()).fault);
		old = get(pcid_pte[0]) & PTE_ADDR;
		new = stamped();
		for (int s = 0; s < PCIDS; s++)
			set(pcid_pte[s], new | PAGE_FLAGS | PTE_G);
		raw_invpcid(type, type < 2 ? i >> 2 : 0, type ? 0 : VA_A);
		if (type != INVPCID_ALL_GLOBAL)
			expect_either(VA_A, old, new);
		else
			verify_all(VA_A);
		raw_invpcid(INVPCID_ALL_GLOBAL, 0, 0);
		to_pcid((i + 1) % PCIDS, false);
		verify_all(VA_A);
		raw_invpcid(INVPCID_ALL_GLOBAL, 0, 0);
	}
	pcid_end();
}

/* Clearing CR4.PCIDE forgets everything. */
static void pcide_cleared(void)
{
	for (int i = 0; i < 4; i++) {
		pcid_setup(0);
		for (int s = 0; s < PCIDS; s++) {
			to_pcid(s, false);
			verify_all(VA_A);
		}
		to_pcid(0, false);
		set(pcid_pte[0], stamped() | PAGE_FLAGS);
		write_cr4(read_cr4() & ~CR4_PCIDE);
		verify_all(VA_A);
	}
}

/* A PCID passes from one space to another: the first load flushes. */
static void pcid_reused(void)
{
	pcid_setup(0);
	for (int i = 0; i < 12; i++) {
		int s = 1 + i % (PCIDS - 1), with = 1 + (i + 1 + i / 3) % (PCIDS - 1);

		space_use(pcid_space[s], with);
		verify_all(VA_A);
		verify_all(VA_B);
		to_pcid(0, false);
		verify_all(VA_A);
		space_use(pcid_space[s], with | CR3_NOFLUSH);
		verify_all(VA_A);
	}
	pcid_end();
}

/* More PCIDs than anyone keeps, all of one root's pages. */
static void pcid_many(void)
{
	u64 home = root;
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);

	write_cr4(read_cr4() | CR4_PCIDE);
	for (int i = 0; i < 40; i++) {
		u64 pcid = i % 20 * 0xcd;

		raw_write_cr3(home | pcid); /* flushes */
		verify_all(VA_A);
		set(pte, stamped() | PAGE_FLAGS);
		raw_write_cr3(home | pcid);
		verify(USER, READ, VA_A);
	}
	raw_write_cr3(home);
	write_cr4(read_cr4() & ~CR4_PCIDE);
}

const struct test_case flush_cases[] = {
	{ "two_invlpgs", two_invlpgs, NULL, NULL },
	{ "invlpg_anywhere", invlpg_anywhere, NULL, NULL },
	{ "invlpg_inside_2m", invlpg_inside_2m, NULL, NULL },
	{ "invlpg_inside_1g", invlpg_inside_1g, "no 1 GiB pages", has_1g },
	{ "reload_cr3", reload_cr3, NULL, NULL },
	{ "cr3_cache_bits", cr3_cache_bits, NULL, NULL },
	{ "switch_spaces", switch_spaces, NULL, NULL },
	{ "global_pages", global_pages, "no global pages", has_pge },
	{ "global_and_private", global_and_private, "no global pages", has_pge },
	{ "global_without_pge", global_without_pge, "no global pages", has_pge },
	{ "pge_toggle_flushes_all", pge_toggle_flushes_all, "no global pages", has_pge },
	{ "pcid_separate", pcid_separate, "no PCID", has_pcid },
	{ "pcid_changed_away", pcid_changed_away, "no PCID", has_pcid },
	{ "pcid_mapped_away", pcid_mapped_away, "no PCID", has_pcid },
	{ "pcid_invlpg", pcid_invlpg, "no PCID", has_pcid },
	{ "pcid_shared_table", pcid_shared_table, "no PCID", has_pcid },
	{ "invpcid_types", invpcid_types, "no INVPCID", has_invpcid },
	{ "invpcid_current", invpcid_current, "no INVPCID", has_invpcid },
	{ "invpcid_without_pcide", invpcid_without_pcide, "no INVPCID", has_invpcid },
	{ "invpcid_global", invpcid_global, "no INVPCID", has_invpcid },
	{ "pcide_cleared", pcide_cleared, "no PCID", has_pcid },
	{ "pcid_reused", pcid_reused, "no PCID", has_pcid },
	{ "pcid_many", pcid_many, "no PCID", has_pcid },
	{ NULL, NULL, NULL, NULL },
};

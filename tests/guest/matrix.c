// SPDX-License-Identifier: GPL-2.0-only
/*
 * All combinations of entry bits, control bits and kind of access, for pages of 4 KiB, 2 MiB and
 * 1 GiB. A site is one page of a size with a path of tables of its own.
 *
 * The literal product (part=full) is tens of millions. The default leaves out only what the manual
 * makes equal: below an entry that is not present nothing is looked at, so its other bits are all 0
 * or all 1; and bits of the leaf that don't take part in rights (A, D, G) are varied in full
 * against one upper entry, rights in full against all upper entries.
 *
 *   leaf      every leaf entry under an upper entry that allows everything
 *   upper     every upper entry (next above the leaf, then those further up) over the rights of
 *             the leaf; both: changed from whatever the last combination left, then INVLPG
 *   warm      an accessible, dirty page in use is changed, then INVLPG
 *   upgrade   an entry gains rights or becomes present: no INVLPG, as the manual allows
 *   implicit  descriptor reads and writes of the CPU itself while ring 3 runs
 *   full      everything times everything
 */
#include "access.h"

struct site {
	int level;
	u64 va;
	u64 *entry[5]; /* by level */
	u64 base[5];   /* address bits and PS of each */
};

static struct site sites[SITES];
static u64 ac_counted; /* see implicit() */

/* An entry in small: its bits as a number to count through. */
#define B_P    1u
#define B_W    2u
#define B_U    4u
#define B_NX   8u
#define B_A    16u
#define B_D    32u
#define B_G    64u
#define B_HIGH 128u /* a reserved bit above the physical width */
#define B_LOW  256u /* a reserved bit of a large page, or PS in a PML4E */

/* ---- sites ---- */

void matrix_init(void)
{
	static const u64 vas[] = { 0x5ul << 39 | 3ul << 30 | 7ul << 21 | 0x123ul << 12,
				   0x6ul << 39 | 3ul << 30 | 9ul << 21 | 0x5000,
				   0x7ul << 39 | 2ul << 30 };

	for (enum site_size i = 0; i < SITES; i++) {
		struct site *s = &sites[i];
		u64 page;

		s->level = i + 1;
		s->va = vas[i];
		if (i == SITE_1G) {
			/* The page is the first GiB, most of it RAM: the frame says where in it. */
			s->va += stamped();
			page = 0;
		} else if (i == SITE_2M) {
			page = frame_alloc_large();
			stamp(page + (s->va & (LARGE_SIZE - 1)));
		} else {
			page = stamped();
		}
		entry_of(root, s->va, s->level);
		for (int l = 4; l >= s->level; l--) {
			s->entry[l] = entry_of(root, s->va, l);
			s->base[l] = get(s->entry[l]) & PTE_ADDR;
		}
		s->base[s->level] = page | (i == SITE_4K ? 0 : PTE_LARGE);
	}
}

/* ---- entries ---- */

static bool has_high(void)
{
	return reserved_high();
}

/* Some reserved bit: which one changes from combination to combination. */
static u64 high_bit(void)
{
	u32 first = 64 - __builtin_clzl(cpu.phys_mask);

	return 1ul << (first + salt() % (52 - first));
}

static bool has_low(const struct site *s, int level)
{
	return level == 4 || (level == s->level && level > 1);
}

static u64 low_bit(const struct site *s, int level)
{
	if (level == 4)
		return PTE_LARGE;
	/* 20:13 of a 2 MiB page, 29:13 of a 1 GiB page. */
	return 1ul << (13 + salt() % (s->level == 2 ? 8 : 17));
}

static u64 make(const struct site *s, int level, u32 bits)
{
	u64 e = s->base[level];

	e |= bits & B_P ? PTE_P : 0;
	e |= bits & B_W ? PTE_W : 0;
	e |= bits & B_U ? PTE_U : 0;
	e |= bits & B_NX ? PTE_NX : 0;
	e |= bits & B_A ? PTE_A : 0;
	e |= bits & B_D ? PTE_D : 0;
	e |= bits & B_G ? PTE_G : 0;
	e |= bits & B_HIGH ? high_bit() : 0;
	e |= bits & B_LOW ? low_bit(s, level) : 0;
	return e;
}

/* The path above an entry back to where everything is allowed. */
static void open_path(const struct site *s)
{
	for (int l = 4; l > s->level; l--) {
		u64 e = get(s->entry[l]);

		if ((e & ~PTE_A) != make(s, l, B_P | B_W | B_U))
			set(s->entry[l], make(s, l, B_P | B_W | B_U | B_A));
	}
}

/* Every value of a leaf (@upper false) or upper entry that the manual tells apart. */
static bool distinct(const struct site *s, int level, bool upper, u32 bits)
{
	u32 all = B_W | B_U | B_NX | B_A | (upper ? 0 : B_D | B_G);

	if ((bits & B_HIGH) && !has_high())
		return false;
	if ((bits & B_LOW) && !has_low(s, level))
		return false;
	if ((bits & B_NX) && !cpu.nx)
		return false;
	if ((bits & (B_HIGH | B_LOW)) == (B_HIGH | B_LOW))
		return false;
	if (bits & B_P)
		return true;
	bits &= ~(B_HIGH | B_LOW);
	return !bits || bits == (all & ~(cpu.nx ? 0 : B_NX));
}

/* ---- control bits ---- */

#define M_WP   1u
#define M_NXE  2u
#define M_SMEP 4u
#define M_SMAP 8u
#define M_PGE  16u
#define M_ALL  32u

static bool use_mode(u32 bits)
{
	struct mode m = { .wp = bits & M_WP,
			  .nxe = bits & M_NXE,
			  .smep = bits & M_SMEP,
			  .smap = bits & M_SMAP,
			  .pge = bits & M_PGE };

	if ((m.nxe && !cpu.nx) || (m.smep && !cpu.smep) || (m.smap && !cpu.smap) ||
	    (m.pge && !cpu.pge))
		return false;
	controls(&m);
	return true;
}

/* Where global pages don't matter, CR4.PGE goes with the other bits' parity. */
#define for_each_mode(i)                \
	for (u32 i = 0; i < M_PGE; i++) \
		if (use_mode(i | (cpu.pge && __builtin_parity(i) ? M_PGE : 0)))

/* The seven dimensions of an access: AC, who, what. */
#define for_each_access(ac, who, kind)                                     \
	for (u32 ac = 0; ac < 2; ac++)                                     \
		for (enum access_who who = SUPERVISOR; who <= USER; who++) \
			for (enum access_kind kind = READ; kind <= FETCH; kind++)

/* ---- parts ---- */

static void fresh(const struct site *s, u32 leaf, int up_level, u32 up, bool ac,
		  enum access_who who, enum access_kind kind)
{
	if (up_level)
		put(s->entry[up_level], make(s, up_level, up));
	put(s->entry[s->level], make(s, s->level, leaf));
	raw_invlpg(s->va);
	now.ac = ac;
	verify(who, kind, s->va);
}

void matrix_leaf(enum site_size size)
{
	const struct site *s = &sites[size];

	open_path(s);
	for (u32 m = 0; m < M_ALL; m++) {
		/* CR4.PGE in full where pages are small, else by parity. */
		if (size != SITE_4K && !(m & M_PGE) != !__builtin_parity(m & ~M_PGE))
			continue;
		if (!use_mode(m))
			continue;
		for (u32 leaf = 0; leaf < 2 * B_LOW; leaf++) {
			if (!distinct(s, s->level, false, leaf))
				continue;
			for_each_access(ac, who, kind)
			{
				if (take())
					fresh(s, leaf, 0, 0, ac, who, kind);
			}
		}
	}
}

/* Bits of a leaf that rights don't depend on, drawn at random. */
static u32 any_adg(void)
{
	return (salt() >> 8 & 7) * B_A;
}

static void upper_over(const struct site *s, int level, u32 leaf)
{
	for (u32 up = 0; up < 2 * B_LOW; up++) {
		if ((up & (B_D | B_G)) || !distinct(s, level, true, up))
			continue;
		for_each_access(ac, who, kind)
		{
			if (take())
				fresh(s, leaf | any_adg(), level, up, ac, who, kind);
		}
	}
}

void matrix_upper(enum site_size size)
{
	const struct site *s = &sites[size];

	for_each_mode(m)
	{
		open_path(s);
		for (u32 rights = 0; rights < 16; rights += 2) {
			if ((rights & B_NX) && !cpu.nx)
				continue;
			/* In full for small pages; one right missing at a time for large ones. */
			u32 missing = rights ^ (B_W | B_U);

			if (size != SITE_4K && (missing & (missing - 1)))
				continue;
			upper_over(s, s->level + 1, B_P | rights);
		}
		upper_over(s, s->level + 1, B_W | B_U);
		if (has_high())
			upper_over(s, s->level + 1, B_P | B_W | B_U | B_HIGH);
		open_path(s);
		for (int level = s->level + 2; level <= 4; level++) {
			upper_over(s, level, B_P | B_W | B_U);
			open_path(s);
		}
	}
	open_path(s);
}

/* A page in use, dirty if the access allows it: in the TLB with all that it may do. */
static void warm_up(const struct site *s, int level, enum access_kind kind)
{
	u32 user = salt() >> 11 & 1 ? B_U : 0;

	if (level != s->level)
		put(s->entry[level], make(s, level, B_P | B_W | B_U | B_A));
	put(s->entry[s->level], make(s, s->level, B_P | B_W | B_A | B_D | B_G | user));
	raw_invlpg(s->va);
	now.ac = true;
	verify(user ? USER : SUPERVISOR, kind, s->va);
}

static void warm(const struct site *s, int level, u32 bits, bool ac, enum access_who who,
		 enum access_kind kind)
{
	warm_up(s, level, kind);
	put(s->entry[level], make(s, level, bits));
	if (level != s->level)
		put(s->entry[s->level], make(s, s->level, B_P | B_W | B_U | any_adg()));
	raw_invlpg(s->va);
	now.ac = ac;
	verify(who, kind, s->va);
}

void matrix_warm(enum site_size size)
{
	const struct site *s = &sites[size];

	open_path(s);
	for_each_mode(m)
	{
		for (u32 bits = 0; bits < 2 * B_LOW; bits++) {
			/* G as it was in the warm page or not, by chance. */
			if ((bits & B_G) || !distinct(s, s->level, false, bits & B_P ? bits : 0))
				continue;
			if (!(bits & B_P) && bits)
				continue;
			for_each_access(ac, who, kind)
			{
				if (take())
					warm(s, s->level, bits | (salt() >> 9 & B_G), ac, who,
					     kind);
			}
		}
		for (u32 up = 0; up < 2 * B_LOW; up++) {
			if ((up & (B_D | B_G | B_A)) || !distinct(s, s->level + 1, true, up))
				continue;
			for_each_access(ac, who, kind)
			{
				if (take())
					warm(s, s->level + 1, up, ac, who, kind);
			}
		}
		open_path(s);
	}
}

/*
 * 4.10.4.3: after an upgrade without INVLPG the CPU may still use the old entry; then an access
 * faults as the old entry asks for, and the fault itself forgets it. No such excuse for an entry
 * that was not present or had reserved bits: those are never cached (4.10.2.3).
 */
static void upgrade(const struct site *s, int level, u32 less, u32 more, bool ac,
		    enum access_who who, enum access_kind kind)
{
	bool cacheable = (less & B_P) && !(less & (B_HIGH | B_LOW));
	u64 *entry = s->entry[level];
	u64 before = 0, word = 0;
	struct verdict old, v;
	struct outcome o;

	if (level != s->level)
		put(s->entry[s->level], make(s, s->level, B_P | B_W | B_U | any_adg()));
	put(entry, make(s, level, less));
	raw_invlpg(s->va);
	now.ac = ac;
	oracle(&old, root, s->va, who, kind, &now);
	if (!verify(who, kind, s->va))
		return;
	/* Keep what the CPU has set: taking it away would need an INVLPG. */
	set(entry, make(s, level, more) | (get(entry) & (PTE_A | PTE_D)));
	oracle(&v, root, s->va, who, kind, &now);
	/* With SMEP or SMAP a user page is less to the supervisor: that would need an INVLPG. */
	if (v.fault && !old.fault)
		return;
	if (kind == WRITE)
		word = next_word();
	if (v.pa)
		before = get((u64 *)v.pa);
	o = touch(who, kind, s->va, word);
	if (cacheable && o.fault && !v.fault && old.fault && o.code == old.code)
		o = touch(who, kind, s->va, word);
	compare(&v, &o, who, kind, s->va, before, word);
}

static void upgrade_level(const struct site *s, int level)
{
	/* As rights that are given: execution is the absence of NX. */
	for (u32 more = 0; more < 16; more += 2) {
		u32 full = B_P | (more ^ B_NX);

		if (!cpu.nx && !(more & B_NX))
			continue;
		for (u32 less = 0; less < 16; less += 2) {
			if ((less & ~more) || less == more || (!cpu.nx && !(less & B_NX)))
				continue;
			for_each_access(ac, who, kind)
			{
				if (take())
					upgrade(s, level, B_P | (less ^ B_NX), full, ac, who, kind);
			}
		}
		for_each_access(ac, who, kind)
		{
			if (take())
				upgrade(s, level, salt() >> 7 & 1 ? 0 : full & ~B_P, full, ac, who,
					kind);
			if (has_high() && take())
				upgrade(s, level, full | B_HIGH, full, ac, who, kind);
		}
	}
}

void matrix_upgrade(enum site_size size)
{
	const struct site *s = &sites[size];

	for_each_mode(m)
	{
		open_path(s);
		upgrade_level(s, s->level);
		upgrade_level(s, s->level + 1);
	}
	open_path(s);
}

/*
 * 4.6: the CPU reads a descriptor as the supervisor whatever ring runs, and AC doesn't count. A
 * descriptor that was never used is read, then written.
 *
 * Bochs 2.7 lets AC count all the same. What decides under a hypervisor depends on whether the CPU
 * or the hypervisor does the walk, so such an access may go either way, and a note says how often
 * it went against the manual.
 */
static void implicit(const struct site *s, u32 leaf, bool ac, bool clean)
{
	enum access_kind kind = clean ? WRITE : READ;
	u64 va = s->va + (clean ? LDT_CLEAN : LDT_ACCESSED);
	struct verdict read, v, loose;
	struct outcome o;
	bool either;

	put(s->entry[s->level], make(s, s->level, leaf));
	raw_invlpg(s->va);
	now.ac = ac;
	oracle(&read, root, va, IMPLICIT, READ, &now);
	oracle(&v, root, va, IMPLICIT, kind, &now);
	oracle(&loose, root, va, SUPERVISOR, READ, &now);
	either = read.fault && !loose.fault;
	oracle(&loose, root, va, SUPERVISOR, kind, &now);
	o = touch(IMPLICIT, kind, s->va, 0);
	if (either && !o.fault) {
		v = loose;
		ac_counted++;
	} else if (clean && v.fault) {
		/* The fault of the read, unless only writing is refused; then A may be set. */
		v.code = read.fault ? read.code : v.code;
		if (either)
			v.code |= o.code & PF_W;
		if (either || !read.fault)
			v.after[v.last] |= get(v.entry[v.last]) & PTE_A;
	}
	compare(&v, &o, IMPLICIT, kind, va, 0, DESC_ACCESSED);
	if (clean && v.pa)
		set((u64 *)v.pa, DESC_CLEAN);
}

void matrix_implicit(enum site_size size)
{
	const struct site *s = &sites[size];

	ac_counted = 0;
	ldt_at(s->va);
	open_path(s);
	for_each_mode(m)
	{
		for (u32 leaf = 0; leaf < 2 * B_LOW; leaf++) {
			if ((leaf & B_G) || !distinct(s, s->level, false, leaf))
				continue;
			for (u32 i = 0; i < 4; i++) {
				if (take())
					implicit(s, leaf, i & 1, i & 2);
			}
		}
	}
	if (ac_counted)
		printf("access: note: RFLAGS.AC counted for %lu implicit accesses, against the "
		       "manual\n",
		       ac_counted);
}

void matrix_full(enum site_size size)
{
	const struct site *s = &sites[size];

	for (u32 m = 0; m < M_ALL; m++) {
		if (!use_mode(m))
			continue;
		open_path(s);
		for (u32 up = 0; up < 2 * B_LOW; up++) {
			if ((up & (B_D | B_G)) || ((up & B_LOW) && !has_low(s, s->level + 1)) ||
			    ((up & B_HIGH) && !has_high()))
				continue;
			for (u32 leaf = 0; leaf < 2 * B_LOW; leaf++) {
				if (((leaf & B_LOW) && !has_low(s, s->level)) ||
				    ((leaf & B_HIGH) && !has_high()))
					continue;
				for_each_access(ac, who, kind)
				{
					if (take())
						fresh(s, leaf, s->level + 1, up, ac, who, kind);
				}
			}
		}
	}
	open_path(s);
}

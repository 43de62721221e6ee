// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest and the host do: one random operation at a time, over few addresses and few table
 * frames, so that everything collides with everything.
 *
 * The guest keeps a direct map of its memory at one slot of every root (like a kernel does), so
 * that it can always get at its tables; the tables of the direct map are attacked too, seldom, and
 * mended by the host now and then.
 */
#include "model.h"

#define E_P  1ULL
#define E_W  2ULL
#define E_U  4ULL
#define E_A  (1ULL << 5)
#define E_D  (1ULL << 6)
#define E_PS (1ULL << 7)
#define E_G  (1ULL << 8)
#define E_NX (1ULL << 63)

#define CR0_WP	  BIT_ULL(16)
#define CR4_PGE	  BIT_ULL(7)
#define CR4_PCIDE BIT_ULL(17)
#define CR4_SMEP  BIT_ULL(20)
#define CR4_SMAP  BIT_ULL(21)
#define EFER_NXE  BIT_ULL(11)

#define CR0_BASE  0x80000011ULL /* PG, ET, PE */
#define CR4_BASE  0x20ULL	/* PAE */
#define EFER_BASE 0x500ULL	/* LMA, LME */

/* Frames that serve as tables, and the level each is at home. */
static const struct table {
	gfn_t gfn;
	int level;
} tables[] = {
	{ 16, 4 },
	{ 17, 4 },
	{ 18, 4 },
	{ 19, 4 }, /* roots first */
	{ 20, 3 },
	{ 21, 3 },
	{ 22, 3 },
	{ 23, 3 },
	{ RAM_B_BASE + 1, 3 },
	{ RAM_D_BASE + 1, 3 },
	{ 24, 2 },
	{ 25, 2 },
	{ 26, 2 },
	{ 27, 2 },
	{ 28, 2 },
	{ RAM_B_BASE + 513, 2 },
	{ RAM_D_BASE + 2, 2 },
	{ 30, 1 },
	{ 31, 1 },
	{ 32, 1 },
	{ 33, 1 },
	{ 34, 1 },
	{ 35, 1 },
	{ 36, 1 },
	{ RAM_B_BASE + 2, 1 },
	{ RAM_B_BASE + 515, 1 },
	{ RAM_B_BASE + 1025, 1 },
	{ RAM_D_BASE + 3, 1 },
	{ RAM_C_BASE + 1, 1 },
	{ RAM_C_BASE + 513, 1 },
};

#define NR_ROOTS 4

static const gfn_t data_frames[] = {
	64,
	65,
	66,
	67,
	68,
	69,
	70,
	71,
	RAM_B_BASE,
	RAM_B_BASE + 3,
	RAM_B_BASE + 511,
	RAM_B_BASE + 512,
	RAM_B_BASE + 514,
	RAM_B_BASE + 1024,
	RAM_B_BASE + 1027,
	RAM_D_BASE,
	RAM_D_BASE + 5,
	RAM_C_BASE,
	RAM_C_BASE + 2,
	RAM_C_BASE + 512,
	RAM_C_BASE + 0x3ffff,
};

/* The direct map: slot 384 of every root. */
#define DM_SLOT 384
#define DM_BASE 0xffffc00000000000ULL
#define DM_PDPT 150
#define DM_PD0	151
#define DM_PT_A 152
#define DM_PT_B 153
#define DM_PT_D 154
#define DM_PD1	155

struct dm_word {
	gpa_t gpa;
	u64 val;
};

static struct dm_word dm[2048];
static unsigned int nr_dm;

static void dm_add(gfn_t table, unsigned int index, u64 val)
{
	dm[nr_dm++] = (struct dm_word){ table << 12 | index * 8, val };
}

static void dm_plan(void)
{
	u64 rw = E_P | E_W;
	gfn_t gfn;
	unsigned int i;

	nr_dm = 0;
	for (i = 0; i < NR_ROOTS; i++)
		dm_add(tables[i].gfn, DM_SLOT, (u64)DM_PDPT << 12 | rw);
	dm_add(DM_PDPT, 0, (u64)DM_PD0 << 12 | rw);
	dm_add(DM_PD0, 0, (u64)DM_PT_A << 12 | rw);
	dm_add(DM_PD0, RAM_B_BASE >> 9, RAM_B_BASE << 12 | rw | E_PS | E_G);
	dm_add(DM_PD0, (RAM_B_BASE >> 9) + 1, (u64)DM_PT_B << 12 | rw);
	dm_add(DM_PD0, (RAM_B_BASE >> 9) + 2, (RAM_B_BASE + 1024) << 12 | rw | E_PS);
	dm_add(DM_PD0, RAM_D_BASE >> 9, (u64)DM_PT_D << 12 | rw);
	for (gfn = RAM_A_BASE; gfn < RAM_A_BASE + RAM_A_PAGES; gfn++)
		dm_add(DM_PT_A, gfn & 511, gfn << 12 | rw | E_G);
	for (gfn = RAM_B_BASE + 512; gfn < RAM_B_BASE + 1024; gfn += 1)
		if ((gfn & 511) < 16)
			dm_add(DM_PT_B, gfn & 511, gfn << 12 | rw);
	for (gfn = RAM_D_BASE; gfn < RAM_D_BASE + RAM_D_PAGES; gfn++)
		dm_add(DM_PT_D, gfn & 511, gfn << 12 | rw);
	if (!set.big)
		return;
	if (set.cfg.guest_1g) {
		dm_add(DM_PDPT, RAM_C_BASE >> 18, RAM_C_BASE << 12 | rw | E_PS);
		return;
	}
	dm_add(DM_PDPT, RAM_C_BASE >> 18, (u64)DM_PD1 << 12 | rw);
	for (i = 0; i < 512; i++)
		if (i < 3 || i == 511)
			dm_add(DM_PD1, i, (RAM_C_BASE + i * 512) << 12 | rw | E_PS);
}

static gva_t dm_gva(gpa_t gpa)
{
	return DM_BASE + gpa;
}

/**
 * ops_start() - registers and first tables of a new guest
 */
void ops_start(void)
{
	struct vcpu *v;
	unsigned int i;

	dm_plan();
	for (i = 0; i < nr_dm; i++)
		ram_write(dm[i].gpa, &dm[i].val, 8);
	for_each_vcpu(v)
	{
		v->pv.cr0 = CR0_BASE | CR0_WP;
		v->pv.cr4 = CR4_BASE | CR4_PGE;
		v->pv.efer = EFER_BASE | EFER_NXE;
		v->arch_cr3 = v->pv.cr3 = tables[0].gfn << 12;
	}
}

/**
 * ops_heal() - the host mends the direct map
 */
void ops_heal(void)
{
	unsigned int i;

	for (i = 0; i < nr_dm; i++)
		if ((ram_read64(dm[i].gpa) ^ dm[i].val) & ~(E_A | E_D))
			host_write(dm[i].gpa, &dm[i].val, 8);
}

/* ---- random things ---- */

static bool likely_pct(u32 p)
{
	return choose(100) < p;
}

static const struct table *any_table(void)
{
	const struct table *t;

	do
		t = &tables[choose(ARRAY_SIZE(tables))];
	while (t->gfn >= RAM_C_BASE && !set.big);
	return t;
}

static gfn_t table_at(int level)
{
	const struct table *t;

	do
		t = any_table();
	while (t->level != level);
	return t->gfn;
}

static gfn_t data_frame(void)
{
	gfn_t gfn;

	do
		gfn = data_frames[choose(ARRAY_SIZE(data_frames))];
	while (gfn >= RAM_C_BASE && !set.big);
	return gfn;
}

static gfn_t any_frame(void)
{
	switch (choose(16)) {
	case 0:
	case 1:
		return any_table()->gfn;
	case 2:
		if (set.phys > 48 && choose(2))
			return RAM_FAR_BASE + choose(RAM_FAR_PAGES);
		switch (choose(8)) {
		case 0:
			return 0x150; /* a hole */
		case 1:
			return 0x2000;
		case 2:
			return (1ULL << (set.cfg.maxphyaddr - 12)) - 1;
		case 3:
			return DM_PDPT + choose(6);
		}
		return data_frame();
	default:
		return data_frame();
	}
}

static unsigned int any_index(int level)
{
	static const u16 few[5][5] = {
		{ 0 },
		{ 0, 1, 2, 3, 511 },
		{ 0, 1, 511, 0, 1 },
		{ 0, 1, 511, 0, 1 },
		{ 0, 1, 256, 511, 0 },
	};

	if (!choose(64))
		return choose(512);
	return few[level][choose(5)];
}

static gva_t make_gva(unsigned int i4, unsigned int i3, unsigned int i2, unsigned int i1,
		      unsigned int offset)
{
	u64 gva = (u64)i4 << 39 | (u64)i3 << 30 | (u64)i2 << 21 | (u64)i1 << 12 | offset;

	return (u64)((s64)(gva << 16) >> 16);
}

static gva_t any_gva(void)
{
	unsigned int offset = choose(4)	  ? choose(512) * 8
			      : choose(2) ? choose(4096)
					  : 4096 - 1 - choose(8);
	gva_t gva;

	switch (choose(16)) {
	case 0:
	case 1:
		return dm_gva(any_table()->gfn << 12 | offset);
	case 2:
		return dm_gva(data_frame() << 12 | offset);
	case 3:
	case 4:
	case 5:
	case 6:
		if (cpu_random_cached(&gva))
			return gva + offset;
	}
	return make_gva(any_index(4), any_index(3), any_index(2), any_index(1), offset);
}

static unsigned int any_access(void)
{
	unsigned int access = choose(3) == 0 ? AC_U : 0;

	switch (choose(8)) {
	case 0:
		access |= AC_X;
		break;
	case 1:
	case 2:
	case 3:
		access |= AC_W;
	}
	if (!choose(3))
		access |= AC_AC;
	return access;
}

static u64 flags_for(int level)
{
	u64 e = 0;

	if (likely_pct(90))
		e |= E_P;
	if (likely_pct(75))
		e |= E_W;
	if (likely_pct(65))
		e |= E_U;
	if (likely_pct(60))
		e |= E_A;
	if (likely_pct(45))
		e |= E_D;
	if (likely_pct(25))
		e |= E_G;
	if (likely_pct(level == 1 ? 15 : 5))
		e |= E_NX;
	if (likely_pct(10))
		e |= (u64)choose(8) << 9 | (u64)choose(128) << 52 | (u64)choose(4) << 3;
	if (likely_pct(2))
		e |= 1ULL << (set.cfg.maxphyaddr + choose(52 - set.cfg.maxphyaddr));
	return e;
}

/* An entry for a table of @level: mostly sensible. */
static u64 any_entry(int level)
{
	u64 e = flags_for(level);

	if (likely_pct(set.calm ? 0 : 2))
		return chance64();
	if (level == 1)
		return e | any_frame() << 12 | (likely_pct(10) ? E_PS : 0);
	if (level < 4 && likely_pct(25)) {
		static const u64 big[] = { 0, 2, 4, 6, 1024, 1026, 1022, 2048 };
		u64 at = big[choose(set.calm && !set.big ? 4 : ARRAY_SIZE(big))] << 20;

		if (level == 3)
			at &= ~((1ULL << 30) - 1);
		if (likely_pct(3))
			at |= 1ULL << (13 + choose(level == 3 ? 17 : 8));
		if (likely_pct(10))
			at |= 1ULL << 12; /* PAT */
		return e | at | E_PS;
	}
	if (level == 4 && likely_pct(1))
		e |= E_PS;
	if (likely_pct(set.calm ? 0 : 3))
		return e | any_frame() << 12;
	if (likely_pct(set.calm ? 2 : 7))
		return e | any_table()->gfn << 12;
	return e | table_at(level - 1) << 12;
}

/* ---- the guest's operations ---- */

gva_t hot;

/* Store an entry, through the direct map or through any other mapping of it there is. */
static void store_entry(gpa_t gpa, u64 val)
{
	gva_t gva = dm_gva(gpa);
	unsigned int len = 8, at = 0, i;
	struct ref r;

	if (likely_pct(20)) {
		for (i = 0; i < 24; i++) {
			gva_t other = make_gva(any_index(4), any_index(3), any_index(2),
					       any_index(1), gpa & 0xfff);

			ref_walk(other, AC_W, &r);
			if (r.ok && r.gpa == gpa) {
				gva = other;
				break;
			}
		}
	}
	if (likely_pct(15)) {
		len = 1u << choose(3);
		at = choose(8 / len) * len;
	} else if (likely_pct(4)) {
		/* Across two entries. */
		len = 1u << (1 + choose(3));
		at = choose(8);
	}
	trace("store [%llx] = %llx, %u bytes at +%u, via %llx", (unsigned long long)gpa,
	      (unsigned long long)val, len, at, (unsigned long long)gva);
	{
		u8 bytes[16];

		memcpy(bytes, &val, 8);
		memcpy(bytes + 8, &val, 8);
		guest_store(gva + at, bytes + at, len, 0);
	}
}

static void op_random_entry(void)
{
	const struct table *t = any_table();
	int level = likely_pct(95) ? t->level : 1 + (int)choose(4);

	store_entry(t->gfn << 12 | any_index(level) * 8, any_entry(level));
}

static void some_flush(gva_t gva)
{
	u16 pcid = cur_pcid();

	switch (choose(10)) {
	case 0:
		trace("cr3 %llx again", (unsigned long long)me->arch_cr3);
		guest_cr3(me->arch_cr3);
		break;
	case 1:
		trace("invpcid address %llx pcid %x", (unsigned long long)gva, pcid);
		guest_invpcid(INVPCID_ADDR, pcid, gva);
		break;
	case 2:
		trace("invpcid context %x", pcid);
		guest_invpcid(INVPCID_CONTEXT, pcid, 0);
		break;
	default:
		trace("invlpg %llx", (unsigned long long)gva);
		guest_invlpg(gva);
	}
}

/* Change one entry that some address uses, with or without the flush, and look. */
static void op_change_path(void)
{
	static const u64 bits[] = { E_P, E_W, E_W, E_U, E_U, E_A, E_A, E_D, E_D, E_NX, E_G, E_PS };
	gva_t gva = any_gva();
	struct ref r;
	u64 val;
	int i, level;

	ref_walk(gva, 0, &r);
	if (!r.n)
		return;
	i = r.n - 1 - (likely_pct(65) ? 0 : (int)choose(r.n));
	level = 4 - i;
	val = r.val[i];
	switch (choose(8)) {
	case 0:
		val = any_entry(level);
		break;
	case 1:
		val &= ~(E_A | E_D);
		break;
	case 2:
		val &= ~E_D;
		break;
	case 3:
		val = (val & ~0xffffffffff000ULL) |
		      (set.calm && level > 1 ? any_table()->gfn : any_frame()) << 12;
		break;
	case 4:
		val = 0;
		break;
	default:
		val ^= bits[choose(ARRAY_SIZE(bits))];
	}
	store_entry(r.entry[i], val);
	if (likely_pct(50))
		some_flush(gva);
}

static void access_at(gva_t gva, unsigned int access)
{
	static const u8 lens[] = { 1, 2, 4, 8, 8, 8, 8, 8 };
	u8 bytes[8];
	u64 val = chance64();
	struct part part = { gva, access, access & AC_X ? 1 : lens[choose(8)], bytes };
	struct ref r;
	unsigned int i;

	/* A store that reaches a table writes something like an entry. */
	ref_walk(gva, access, &r);
	if (r.ok && (access & AC_W))
		for (i = 0; i < ARRAY_SIZE(tables); i++)
			if (tables[i].gfn == r.gpa >> 12)
				val = any_entry(tables[i].level);
	memcpy(bytes, &val, 8);
	trace("%s %s%s gva %llx, %u bytes%s", access & AC_U ? "user" : "supervisor",
	      access & AC_X   ? "fetch"
	      : access & AC_W ? "write"
			      : "read",
	      access & AC_AC ? " AC" : "", (unsigned long long)gva, part.len,
	      r.ok ? "" : " (faults)");
	insn(&part, 1);
}

static void op_access(void)
{
	access_at(any_gva(), any_access());
}

/* Make an address work, level by level, as a guest kernel would; then use it. */
static void op_map(void)
{
	gva_t gva = any_gva();
	int i;

	trace("map %llx", (unsigned long long)gva);
	for (i = 0; i < 5 && !stopped; i++) {
		struct ref r;
		int level;
		u64 e;

		ref_walk(gva, 0, &r);
		if (r.outside)
			return;
		if (r.present)
			break;
		level = 4 - (r.n - 1);
		e = flags_for(level) | E_P;
		e &= ~(0xfffULL << 52) | E_NX;
		if (level > 1)
			e |= E_W | E_U | table_at(level - 1) << 12;
		else
			e |= data_frame() << 12;
		store_entry(r.entry[r.n - 1], e & ~(r.n - 1 == 0 ? E_NX : 0));
	}
	access_at(gva, any_access());
}

/* Two addresses that the CPU has cached lose their pages; both are flushed in one exit. */
static void op_two_flushes(void)
{
	gva_t gva[2] = { any_gva(), any_gva() };
	struct ref r;
	int i;

	for (i = 0; i < 2 && !stopped; i++) {
		cpu_random_cached(&gva[i]);
		ref_walk(gva[i], 0, &r);
		if (r.present)
			store_entry(r.entry[r.n - 1], choose(2)
							      ? 0
							      : (r.val[r.n - 1] & ~0xffffff000ULL) |
									data_frame() << 12);
	}
	if (stopped)
		return;
	trace("invlpg %llx and %llx", (unsigned long long)gva[0], (unsigned long long)gva[1]);
	guest_invlpg_two(gva[0], gva[1]);
	for (i = 0; i < 2 && !stopped; i++)
		access_at(gva[i], any_access());
}

/* An instruction with several accesses: a push from memory, a string move, a store across pages. */
static void op_complex(void)
{
	u8 bytes[2][8];
	unsigned int access = any_access() & (AC_U | AC_AC);
	struct part part[2];
	int i, n = 1 + (int)choose(2);

	for (i = 0; i < n; i++) {
		u64 val = any_entry(1 + (int)choose(4));

		memcpy(bytes[i], &val, 8);
		part[i].gva = any_gva();
		if (i && choose(3) == 0) /* near the first */
			part[i].gva = part[0].gva ^ choose(512) << 12;
		if (choose(3) == 0)
			part[i].gva = (part[i].gva | 0xfff) - choose(7);
		part[i].access = access | (i || choose(2) ? AC_W : 0);
		part[i].len = 8;
		part[i].data = bytes[i];
	}
	trace("instruction with %d accesses: %llx%s %llx", n, (unsigned long long)part[0].gva,
	      part[0].access & AC_W ? " (write)" : "", n > 1 ? (unsigned long long)part[1].gva : 0);
	insn(part, n);
}

/*
 * The instruction that needs most at once: each of its accesses lies across the border of two
 * top-level entries, and no two of the twelve pages have a table in common below the root.
 */
#define WORST_SLOT  32 /* first of its top-level entries, even */
#define WORST_TABLE 80 /* first of its tables' frames */

static void op_worst(void)
{
	u8 bytes[8] = { 0x5a, 1, 2, 3, 4, 5, 6, 7 };
	gfn_t root = (me->arch_cr3 & GENMASK_ULL(51, 12)) >> 12;
	struct part part[INSN_PARTS];
	unsigned int i, level;

	if (!ram_has(root))
		return;
	trace("an instruction that needs twelve pages, root %llx", (unsigned long long)root);
	machine_exit();
	for (i = 0; i < 2 * INSN_PARTS; i++) {
		gfn_t table = root, next = WORST_TABLE + 3 * i;

		for (level = 4; level; level--, table = next++) {
			unsigned int at = level == 4 ? WORST_SLOT + i : i & 1 ? 0 : 511;
			u64 e = (level > 1 ? next : 64 + choose(8)) << 12 | E_P | E_W | E_A | E_D;

			if (ram_read64(table << 12 | at * 8) != e)
				host_write(table << 12 | at * 8, &e, 8);
		}
	}
	/* It fetches, reads, and writes last: pushes. */
	for (i = 0; i < INSN_PARTS; i++)
		part[i] = (struct part){ make_gva(WORST_SLOT + 2 * i, 511, 511, 511, 0xffc),
					 i == INSN_PARTS - 1 ? AC_W
					 : i		     ? 0
							     : AC_X,
					 8, bytes };
	guest_invpcid(INVPCID_ALL_GLOBAL, 0, 0);
	for (i = 0; i < 2 && !stopped; i++)
		insn(part, INSN_PARTS);
}

/* A table page is freed and reused as data: cleared, then written many times. */
static void op_reuse(void)
{
	const struct table *t = &tables[NR_ROOTS + choose(ARRAY_SIZE(tables) - NR_ROOTS)];
	unsigned int i, n = 1 + choose(24);

	if (t->gfn >= RAM_C_BASE && !set.big)
		return;
	trace("reuse frame %llx: %u stores", (unsigned long long)t->gfn, n);
	for (i = 0; i < n && !stopped; i++) {
		u64 val = choose(4) ? 0 : chance64();

		guest_store(dm_gva(t->gfn << 12 | (i < 4 ? any_index(t->level) : choose(512)) * 8),
			    &val, 8, 0);
	}
}

static u64 cr3_value(void)
{
	u64 cr3 = (set.calm || likely_pct(96) ? tables[choose(NR_ROOTS)].gfn : any_frame()) << 12;

	if (me->pv.cr4 & CR4_PCIDE)
		cr3 |= choose(3) | (likely_pct(50) ? BIT_ULL(63) : 0);
	else if (likely_pct(10))
		cr3 |= 0x18; /* PWT, PCD */
	return cr3;
}

/*
 * Address spaces that keep their translations: away and back without a flush, and in between one
 * entry of the old one changes, with the flush that names it or without.
 */
static void op_pcids(void)
{
	u64 home = me->arch_cr3, away;
	struct ref r;
	gva_t gva;

	if (!(me->pv.cr4 & CR4_PCIDE)) {
		if (me->arch_cr3 & 0xfff)
			guest_cr3(me->arch_cr3 & ~0xfffULL);
		if (!stopped)
			guest_mode(me->pv.cr0, me->pv.cr4 | CR4_PCIDE, me->pv.efer);
		return;
	}
	if (!cpu_random_cached(&gva))
		return;
	ref_walk(gva, 0, &r);
	away = tables[choose(NR_ROOTS)].gfn << 12 | (choose(2) ? home & 0xfff : choose(3));
	trace("cr3 %llx, keeping", (unsigned long long)away);
	guest_cr3(away | BIT_ULL(63));
	if (r.present && !stopped && choose(3))
		store_entry(r.entry[r.n - 1 - (choose(4) ? 0 : (int)choose(r.n))],
			    choose(2) ? 0 : any_entry(r.level));
	if (stopped)
		return;
	switch (choose(4)) {
	case 0:
		trace("invpcid address %llx pcid %llx", (unsigned long long)gva,
		      (unsigned long long)(home & 0xfff));
		guest_invpcid(INVPCID_ADDR, home & 0xfff, gva);
		break;
	case 1:
		gva ^= (u64)choose(512) << 12;
		/* fall through */
	case 2:
		trace("invlpg %llx", (unsigned long long)gva);
		guest_invlpg(gva);
	}
	if (!stopped && choose(2))
		access_at(choose(4) ? gva ^ choose(4) << 12 : any_gva(), any_access());
	if (stopped)
		return;
	trace("cr3 %llx, keeping", (unsigned long long)home);
	guest_cr3(home | BIT_ULL(63));
	if (!stopped)
		access_at(choose(3) ? gva : any_gva(), any_access());
}

/*
 * A table has a second mapping, is written through it, the mapping goes away unflushed, and the
 * table is written through it once more. Then a flush, and an address that the table maps.
 */
static void op_stale_alias(void)
{
	const struct table *t = any_table();
	gpa_t word = t->gfn << 12 | any_index(t->level) * 8;
	gva_t gva = any_gva(), used = any_gva();
	unsigned int i, n = 1 + choose(6);
	struct ref r;
	u64 val;

	if (cpu_random_cached(&used)) {
		ref_walk(used, 0, &r);
		if (r.n && choose(4))
			word = r.entry[r.n - 1];
	}
	ref_walk(gva, 0, &r);
	if (r.outside || r.n != 4 || !ram_has(word >> 12))
		return;
	gva = (gva & ~0xfffULL) | (word & 0xfff);
	trace("table word %llx gets an alias at %llx", (unsigned long long)word,
	      (unsigned long long)gva);
	store_entry(r.entry[3], (word & ~0xfffULL) | E_P | E_W | E_U | E_A | E_D);
	for (i = 0; i < n && !stopped; i++) {
		val = any_entry(1);
		guest_store(gva, &val, 8, AC_AC);
	}
	if (!stopped)
		access_at(used, any_access());
	if (!stopped)
		store_entry(r.entry[3], 0);
	val = any_entry(1);
	if (!stopped)
		guest_store(gva, &val, 8, AC_AC);
	if (stopped)
		return;
	if (choose(3))
		guest_cr3(me->arch_cr3);
	else
		some_flush(used);
	if (!stopped)
		access_at(used, any_access());
}

static struct vcpu *idle_other(void)
{
	struct vcpu *v = &vcpus[choose(set.vcpus)];

	return v == me || v->busy ? NULL : v;
}

/*
 * Two vCPUs of one address space. One gives a table a second mapping, the other writes to the table
 * through it, and goes on doing so while the first takes the mapping away and flushes.
 */
static void op_alias_of_two(void)
{
	struct vcpu *first = me, *second = idle_other();
	const struct table *t = any_table();
	gpa_t word = t->gfn << 12 | any_index(t->level) * 8;
	gva_t gva = any_gva(), used = any_gva();
	struct ref r;
	unsigned int i;
	u64 val;

	ref_walk(used, 0, &r);
	if (r.n && choose(4))
		word = r.entry[r.n - 1];
	ref_walk(gva, 0, &r);
	if (!second || r.outside || r.n != 4 || !ram_has(word >> 12))
		return;
	gva = (gva & ~0xfffULL) | (word & 0xfff);
	trace("table word %llx gets an alias at %llx for cpu %u", (unsigned long long)word,
	      (unsigned long long)gva, second->id);
	store_entry(r.entry[3], (word & ~0xfffULL) | E_P | E_W | E_U | E_A | E_D);
	run_as(second);
	if (!stopped && (me->arch_cr3 ^ first->arch_cr3) & GENMASK_ULL(51, 12))
		guest_cr3((first->arch_cr3 & GENMASK_ULL(51, 12)) | cur_pcid());
	for (i = choose(4); i < 4 && !stopped; i++) {
		val = any_entry(t->level);
		guest_store(gva, &val, 8, AC_AC);
	}
	run_as(first);
	if (!stopped && choose(2))
		guest_cr3(first->arch_cr3);
	hot = gva;
	if (!stopped)
		store_entry(r.entry[3], 0);
	if (!stopped && choose(2))
		guest_cr3(first->arch_cr3);
	else if (!stopped)
		some_flush(used);
	run_as(second);
	val = any_entry(t->level);
	if (!stopped)
		guest_store(gva, &val, 8, AC_AC);
	hot = 0;
	for (i = 0; i < 2 && !stopped; i++) {
		run_as(i ? first : second);
		guest_cr3(me->arch_cr3);
		if (!stopped)
			access_at(used, any_access());
	}
	run_as(first);
}

static void device_looks(gfn_t gfn)
{
	host_turn();
	if (!host_slot_there()) /* another vCPU ran in between */
		return;
	trace("the device looks at gfn %llx", (unsigned long long)gfn);
	host_take_dirty(gfn);
}

/*
 * The device looks at its frame between two stores through one mapping, which may go away
 * meanwhile, unflushed.
 */
static void op_device(void)
{
	gfn_t gfn = RAM_D_BASE + 5 * choose(2);
	gva_t gva = any_gva() & ~7ULL;
	struct ref r;
	u64 val;

	ref_walk(gva, 0, &r);
	if (!host_slot_there() || r.outside || r.n != 4)
		return;
	store_entry(r.entry[3], gfn << 12 | E_P | E_W | E_U | E_A | E_D);
	if (!stopped)
		guest_invlpg(gva);
	val = chance64();
	if (!stopped)
		guest_store(gva, &val, 8, AC_AC);
	if (set.vcpus > 1 && !stopped) {
		device_looks(gfn);
		hot = gva;
	}
	if (!stopped && choose(3) == 0)
		store_entry(r.entry[3], 0);
	hot = 0;
	if (!stopped)
		device_looks(gfn);
	val = chance64();
	if (!stopped)
		guest_store(gva, &val, 8, AC_AC);
	if (!stopped)
		device_looks(gfn);
}

/* CR0.WP off, a large read-only user page, an instruction that reads one part and writes another. */
static void op_large_read_only(void)
{
	static const gfn_t blocks[] = { RAM_B_BASE, RAM_B_BASE + 512, RAM_B_BASE + 1024 };
	u64 val = chance64();
	gva_t gva = any_gva() & ~7ULL;
	struct part part[2];
	struct ref r;

	ref_walk(gva, 0, &r);
	if (r.outside || r.n < 3)
		return;
	if (me->pv.cr0 & CR0_WP)
		guest_mode(me->pv.cr0 & ~CR0_WP, me->pv.cr4, me->pv.efer);
	if (!stopped)
		store_entry(r.entry[2], blocks[choose(3)] << 12 | E_P | E_U | E_A | E_PS |
						(choose(2) ? E_D : 0));
	if (stopped)
		return;
	some_flush(gva);
	part[0] = (struct part){ gva, AC_AC, 8, (u8 *)&val };
	part[1] = (struct part){ gva ^ choose(512) << 12, AC_AC | AC_W, 8, (u8 *)&val };
	trace("reads %llx and writes %llx", (unsigned long long)part[0].gva,
	      (unsigned long long)part[1].gva);
	if (!stopped)
		insn(part, 2);
}

static void op_cr3(void)
{
	u64 cr3 = cr3_value();

	trace("cr3 %llx", (unsigned long long)cr3);
	guest_cr3(cr3);
}

static void op_flush(void)
{
	gva_t gva = any_gva();
	u16 pcid = me->pv.cr4 & CR4_PCIDE ? choose(3) : 0;

	switch (choose(12)) {
	case 0:
		trace("invpcid address %llx pcid %x", (unsigned long long)gva, pcid);
		guest_invpcid(INVPCID_ADDR, pcid, gva);
		break;
	case 1:
		trace("invpcid context %x", pcid);
		guest_invpcid(INVPCID_CONTEXT, pcid, 0);
		break;
	case 2:
		if (choose(3)) {
			trace("invpcid all but global");
			guest_invpcid(INVPCID_ALL, 0, 0);
		} else {
			trace("invpcid all");
			guest_invpcid(INVPCID_ALL_GLOBAL, 0, 0);
		}
		break;
	default:
		trace("invlpg %llx", (unsigned long long)gva);
		guest_invlpg(gva);
	}
}

static void op_mode(void)
{
	u64 cr0 = me->pv.cr0, cr4 = me->pv.cr4, efer = me->pv.efer;

	switch (choose(8)) {
	case 0:
		cr4 ^= CR4_PGE;
		break;
	case 1:
		cr4 ^= CR4_PCIDE;
		break;
	case 2:
		cr4 ^= CR4_SMEP;
		break;
	case 3:
		cr4 ^= CR4_SMAP;
		break;
	case 4:
		efer ^= EFER_NXE;
		break;
	default:
		cr0 ^= CR0_WP;
	}
	/* 4.10.1: PCIDE can be set only while CR3 names PCID 0. */
	if ((cr4 & ~me->pv.cr4 & CR4_PCIDE) && (me->arch_cr3 & 0xfff)) {
		guest_cr3(me->arch_cr3 & ~0xfffULL);
		if (stopped)
			return;
	}
	trace("mode wp %d pge %d pcide %d smep %d smap %d nxe %d", !!(cr0 & CR0_WP),
	      !!(cr4 & CR4_PGE), !!(cr4 & CR4_PCIDE), !!(cr4 & CR4_SMEP), !!(cr4 & CR4_SMAP),
	      !!(efer & EFER_NXE));
	guest_mode(cr0, cr4, efer);
}

/* ---- the host's operations ---- */

static void op_host(void)
{
	gfn_t gfn;
	u64 val;

	host_turn();
	switch (choose(8)) {
	case 0:
		gfn = likely_pct(60) ? any_table()->gfn : data_frame();
		if (!ram_has(gfn) || !set.host_events)
			return;
		trace("host moves gfn %llx", (unsigned long long)gfn);
		host_move(gfn, 1 + choose(4));
		break;
	case 1:
		if (!set.host_events || choose(4))
			return;
		if (choose(2)) {
			host_drop_far_slot();
			return;
		}
		host_add_far_slot();
		trace("host %s slot D", host_slot_there() ? "drops" : "adds");
		if (host_slot_there())
			host_drop_slot();
		else
			host_add_slot();
		break;
	case 2:
		trace("reclaim");
		host_reclaim(1 + choose(4));
		break;
	case 3:
		gfn = any_table()->gfn;
		if (!ram_has(gfn))
			return;
		val = any_entry(1);
		trace("host writes gfn %llx", (unsigned long long)gfn);
		host_write(gfn << 12 | any_index(1) * 8, &val, 8);
		break;
	case 4:
		if (likely_pct(20))
			host_refill();
		break;
	case 5:
		if (set.shares) {
			gfn = choose(3) ? data_frame() : any_table()->gfn;
			if (!ram_has(gfn))
				return;
			guest_share(choose(6) ? gfn << 12 : 0);
		}
		if (set.switches && likely_pct(30)) {
			unsigned int n = 0;

			while (paging_modes[n])
				n++;
			machine_switch(run_mode(paging_modes[choose(n)]));
		}
		break;
	default: /* an interrupt: out and in again */
		machine_exit();
		if (set.cfg.prefault && likely_pct(5)) /* as when memory was added */
			me->pv.unready = true;
		if (set.device && host_slot_there())
			device_looks(RAM_D_BASE + choose(6));
		if (likely_pct(5))
			host_set_registers();
	}
}

static bool leads_outside(u64 e)
{
	return (e & E_P) && !ram_has((e & GENMASK_ULL(51, 12)) >> 12);
}

static void restart(void)
{
	struct vcpu *v;
	u64 zero = 0;
	unsigned int i, j;

	trace("the VM was stopped: new one");
	tally.restarts++;
	machine_stop();
	for_each_vcpu(v) v->arch_cr3 = v->pv.cr3 = tables[0].gfn << 12;
	/* Whatever led outside memory goes. */
	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		if (!ram_has(tables[i].gfn))
			continue;
		for (j = 0; j < 512; j++)
			if (leads_outside(ram_read64(tables[i].gfn << 12 | j * 8)))
				ram_write(tables[i].gfn << 12 | j * 8, &zero, 8);
	}
	for (i = 0; i < nr_dm; i++)
		if (ram_has(dm[i].gpa >> 12))
			ram_write(dm[i].gpa, &dm[i].val, 8);
	machine_start();
}

/* Stories too long for chance to tell often enough. */
static void op_directed(void)
{
	if (set.device && choose(2)) {
		op_device();
		return;
	}
	if (set.vcpus > 1 && choose(2)) {
		op_alias_of_two();
		return;
	}
	switch (choose(7)) {
	case 6:
		op_worst();
		break;
	case 0:
		op_stale_alias();
		break;
	case 1:
		op_large_read_only();
		break;
	default:
		op_two_flushes();
	}
}

/* The test's history is full: every vCPU flushes all that it has cached. */
static void forget(void)
{
	struct vcpu *was = me, *v;

	for_each_vcpu(v) if (v->busy) return;
	trace("invpcid all (the test's history is full)");
	machine_quiet(true);
	for_each_vcpu(v)
	{
		run_as(v);
		if (!stopped)
			guest_invpcid(INVPCID_ALL_GLOBAL, 0, 0);
	}
	machine_quiet(false);
	run_as(was);
	if (!stopped && set.vcpus > 1)
		hist_forget();
}

void ops_hardware(gpa_t gpa)
{
	unsigned int access = any_access();
	gva_t gva = any_gva();
	struct ref r;
	u64 val = chance64();
	unsigned int i;

	if (hot && choose(2)) {
		gva = hot;
		gpa = 0;
		access = AC_W | AC_AC;
	}
	if (gpa && choose(2)) {
		gva = dm_gva(gpa);
		access = choose(4) ? AC_W | AC_AC : AC_AC;
	}
	/* Else an address that the entry leads to. */
	for (i = 0; gpa && gva != dm_gva(gpa) && i < 16; i++) {
		ref_walk(gva, 0, &r);
		if (r.n && (r.entry[r.n - 1] == gpa || r.entry[choose(r.n)] == gpa))
			break;
		gva = any_gva();
	}
	ref_walk(gva, access, &r);
	if (r.ok && (access & AC_W))
		for (i = 0; i < ARRAY_SIZE(tables); i++)
			if (tables[i].gfn == r.gpa >> 12)
				val = any_entry(tables[i].level);
	hardware_access(gva, access, (u8 *)&val);
}

/**
 * ops_step() - one operation
 */
void ops_step(void)
{
	u32 which = choose(100);

	if (stopped)
		restart();
	if (hist_full())
		forget();
	if (step % 97 == 0)
		ops_heal();
	if (which < 40)
		op_access();
	else if (which < (set.calm ? 60 : 52))
		op_change_path();
	else if (which < 61)
		op_random_entry();
	else if (which < 70)
		op_map();
	else if (which < 73)
		op_complex();
	else if (which < 74 && !set.calm)
		op_reuse();
	else if (which < 75)
		op_directed();
	else if (which < 80)
		op_flush();
	else if (which < 81)
		op_pcids();
	else if (which < 86 || (set.shares && which < 96 && which > 91))
		op_cr3();
	else if (which < (set.calm && choose(8) ? 86 : 88))
		op_mode();
	else if (which < 92)
		op_host();
	else
		guest_speculate(any_gva());
}

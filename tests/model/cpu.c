// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model CPU: walks the tables that the mode hands over, caches what it walked, and forgets
 * nothing until an instruction or a flush says so (Intel SDM vol. 3, 4.10, and 28.4 "Caching
 * translation information"). Where a cached entry and a fresh walk both exist, either may be used;
 * the harness can insist on the cached one.
 *
 * Each vCPU has a CPU of its own, and one VPID and one EPTP at a time, so entries carry no tag for
 * them: a new machine starts with empty caches. PCIDs are tags.
 */
#include "model.h"

#define E_P  1ULL
#define E_W  2ULL
#define E_U  4ULL
#define E_A  (1ULL << 5)
#define E_D  (1ULL << 6)
#define E_PS (1ULL << 7)
#define E_G  (1ULL << 8)
#define E_XD (1ULL << 63)

#define BITS(h, l) ((~0ULL >> (63 - (h))) & (~0ULL << (l)))
#define FRAME	   BITS(51, 12)

#define ROUTE(...) snprintf(route, sizeof(route), __VA_ARGS__)

#define EPT_R 1u
#define EPT_W 2u
#define EPT_X 4u

/* A TLB entry: a linear mapping under shadow, a combined one under EPT. */
struct tlb_entry {
	gva_t gva;
	hpa_t hpa;
	gpa_t gpa; /* EPT */
	u16 pcid;
	u8 shift;
	u8 page; /* shift of the linear page: a flush drops all pieces of it (4.10.2.3) */
	bool global, w, u, x, d;
	u8 ept;	    /* EPT_* rights */
	bool ept_d; /* the EPT entry's dirty flag was set */
	u64 born;   /* the step, for messages; not compared */
};

/* A paging-structure-cache entry: where the table of @level - 1 is. */
struct psc_entry {
	gva_t gva;
	hpa_t table;
	gpa_t table_gpa; /* EPT */
	u32 gen;	 /* of the host page, to see that it was freed in between */
	u16 pcid;
	u8 level;
	bool w, u, x;
	u64 born;
};

/* A guest-physical mapping. */
struct gp_entry {
	gpa_t gpa;
	hpa_t hpa;
	u8 shift;
	u8 rights;
	bool d;
	u64 born;
};

/* A paging-structure-cache entry of the EPT. */
struct ept_psc_entry {
	gpa_t gpa;
	hpa_t table;
	u32 gen;
	u8 level;
	u8 rights;
	u64 born;
};

/* What one CPU remembers. */
struct caches {
	struct tlb_entry tlb[768];
	struct psc_entry psc[192];
	struct gp_entry gp[512];
	struct ept_psc_entry epsc[128];
	unsigned int nr_tlb, nr_psc, nr_gp, nr_epsc;
};

static struct caches caches[VCPUS_MAX];
static struct caches *my = caches; /* of the vCPU whose turn it is */
static char route[160];		   /* how the last access found its way */

/* Keep @array without the entries for which @cond holds; e is the entry. */
#define DROP(array, cond)                                                    \
	do {                                                                 \
		unsigned int i_ = 0;                                         \
		while (i_ < my->nr_##array) {                                \
			const __typeof__(my->array[0]) *e = &my->array[i_];  \
			if (cond)                                            \
				my->array[i_] = my->array[--my->nr_##array]; \
			else                                                 \
				i_++;                                        \
		}                                                            \
	} while (0)

/* Address bits that this CPU does not have. */
static u64 no_address(void)
{
	return set.phys < 52 ? BITS(51, set.phys) : 0;
}

static bool nested(void)
{
	return set.ops->traps & TRAP_NESTED;
}

static bool covers(gva_t a, gva_t b, unsigned int shift)
{
	return a >> shift == b >> shift;
}

static unsigned int psc_shift(int level)
{
	return 12 + 9 * (level - 1);
}

/* For messages: where did the last access get its translation from? */
const char *cpu_route(void)
{
	return route;
}

void cpu_select(void)
{
	my = &caches[me->id];
}

void cpu_reset(void)
{
	my->nr_tlb = my->nr_psc = my->nr_gp = my->nr_epsc = 0;
}

/* ---- what forgets ---- */

void cpu_transition(void)
{
	my->nr_tlb = my->nr_psc = 0;
}

void cpu_invvpid_context(void)
{
	my->nr_tlb = my->nr_psc = 0;
}

/* Type 0: what would be used to translate this address, in every PCID. */
void cpu_invvpid_addr(gva_t gva)
{
	DROP(tlb, covers(e->gva, gva, e->page));
	DROP(psc, covers(e->gva, gva, psc_shift(e->level)));
}

void cpu_invept(void)
{
	my->nr_tlb = my->nr_psc = my->nr_gp = my->nr_epsc = 0;
}

void cpu_invlpg(gva_t gva)
{
	u16 pcid = cur_pcid();

	DROP(tlb, covers(e->gva, gva, e->page) && (e->global || e->pcid == pcid));
	DROP(psc, e->pcid == pcid);
}

void cpu_flush_pcid(u16 pcid)
{
	DROP(tlb, !e->global && e->pcid == pcid);
	DROP(psc, e->pcid == pcid);
}

void cpu_flush_nonglobal(void)
{
	DROP(tlb, !e->global);
	my->nr_psc = 0;
}

void cpu_flush_addr_pcid(gva_t gva, u16 pcid)
{
	DROP(tlb, covers(e->gva, gva, e->page) && !e->global && e->pcid == pcid);
	DROP(psc, covers(e->gva, gva, psc_shift(e->level)) && e->pcid == pcid);
}

/* 29.4.3.1: a violation forgets what would be used for its address. AMD promises nothing of the kind. */
void cpu_ept_violation(gva_t gva, gpa_t gpa)
{
	u16 pcid = cur_pcid();

	if (set.npt)
		return;
	DROP(gp, covers(e->gpa, gpa, e->shift));
	DROP(epsc, covers(e->gpa, gpa, psc_shift(e->level)));
	DROP(tlb, covers(e->gva, gva, e->page) && (e->global || e->pcid == pcid));
	DROP(psc, covers(e->gva, gva, psc_shift(e->level)) && e->pcid == pcid);
}

/* ---- what remembers ---- */

#define KEEP(array, entry)                                                                        \
	do {                                                                                      \
		unsigned int i_, *nr_ = &my->nr_##array;                                          \
		for (i_ = 0; i_ < *nr_; i_++)                                                     \
			if (!memcmp(&my->array[i_], &(entry), offsetof(__typeof__(entry), born))) \
				break;                                                            \
		if (i_ == *nr_) {                                                                 \
			if (*nr_ == ARRAY_SIZE(my->array))                                        \
				i_ = chance(*nr_);                                                \
			else                                                                      \
				(*nr_)++;                                                         \
			my->array[i_] = (entry);                                                  \
			my->array[i_].born = step;                                                \
		}                                                                                 \
	} while (0)

static void check_table(hpa_t table, const char *what)
{
	if (!host_is_table(table))
		fail("the CPU walks hpa %llx as a %s, which is not a table in use (%s)",
		     (unsigned long long)table, what,
		     table < ARENA_SMALL && host_page(table)->use == PAGE_POOL
			     ? "it was given back to the pool"
			     : "the mode never had it");
}

/**
 * cpu_check_entry() - nothing cached may lead to memory that is no longer the guest's
 * @thorough: look at translations too
 *
 * Called when the flushes before a VM entry are done: from now on the CPU may use any of it.
 */
void cpu_check_entry(bool thorough)
{
	unsigned int i;
	gfn_t gfn;

	for (i = 0; i < my->nr_psc; i++) {
		if (nested())
			continue;
		if (!host_is_table(my->psc[i].table) ||
		    host_page(my->psc[i].table)->gen != my->psc[i].gen)
			fail("at VM entry a cached level %d entry for gva %llx pcid %x still leads "
			     "to hpa %llx, a table that was freed",
			     my->psc[i].level, (unsigned long long)my->psc[i].gva, my->psc[i].pcid,
			     (unsigned long long)my->psc[i].table);
	}
	for (i = 0; i < my->nr_epsc; i++)
		if (!host_is_table(my->epsc[i].table) ||
		    host_page(my->epsc[i].table)->gen != my->epsc[i].gen)
			fail("at VM entry a cached nested level %d entry for gpa %llx still leads "
			     "to hpa %llx, a table that was freed",
			     my->epsc[i].level, (unsigned long long)my->epsc[i].gpa,
			     (unsigned long long)my->epsc[i].table);
	if (!thorough)
		return;
	for (i = 0; i < my->nr_tlb; i++)
		if (!host_guest_frame(my->tlb[i].hpa, &gfn))
			fail("at VM entry a cached translation of gva %llx pcid %x still leads to "
			     "hpa %llx, which is no guest frame any more",
			     (unsigned long long)my->tlb[i].gva, my->tlb[i].pcid,
			     (unsigned long long)my->tlb[i].hpa);
	for (i = 0; i < my->nr_tlb && !nested() && !me->pv.window; i++)
		if (my->tlb[i].w && my->tlb[i].d && my->tlb[i].shift == 12 &&
		    host_guarded(my->tlb[i].hpa))
			fail("at VM entry a cached translation of gva %llx pcid %x lets the guest "
			     "write to a guarded table, hpa %llx",
			     (unsigned long long)my->tlb[i].gva, my->tlb[i].pcid,
			     (unsigned long long)my->tlb[i].hpa);
	for (i = 0; i < my->nr_gp; i++)
		if (!host_guest_frame(my->gp[i].hpa, &gfn))
			fail("at VM entry a cached translation of gpa %llx still leads to hpa "
			     "%llx, which is no guest frame any more",
			     (unsigned long long)my->gp[i].gpa, (unsigned long long)my->gp[i].hpa);
}

/* The VM waits for this CPU to leave the guest: what it may walk must not have been given back before. */
void cpu_check_pool(void)
{
	unsigned int i;
	bool lost = false;

	host_look_at_pool();
	if (!nested()) {
		lost = host_in_pool(me->hw_cr3 & FRAME);
		for (i = 0; i < my->nr_psc; i++)
			lost |= host_in_pool(my->psc[i].table);
	} else {
		for (i = 0; i < my->nr_epsc; i++)
			lost |= host_in_pool(my->epsc[i].table);
	}
	if (lost)
		fail("a table went back to the pool while cpu %u may walk it", me->id);
}

/* An address that some cached translation covers, to aim accesses at. */
bool cpu_random_cached(gva_t *gva)
{
	const struct tlb_entry *e;

	if (!my->nr_tlb)
		return false;
	e = &my->tlb[choose(my->nr_tlb)];
	*gva = e->gva;
	return true;
}

/* ---- second level ---- */

/* Does the CPU set flags in nested entries? AMD's always does. */
static bool nested_ad(void)
{
	return nested() && (set.npt || (me->pv.nested_root & BIT_ULL(6)));
}

/* EPTP: SDM vol. 3, 25.6.11. nCR3: AMD APM vol. 2, 15.25.3, all of it but the address is off. */
static void check_root(void)
{
	u64 low = set.npt ? 0 : 6 | 3 << 3 | (set.cfg.nested_ad ? BIT_ULL(6) : 0);

	if ((me->pv.nested_root & 0xfff) != low || (me->pv.nested_root >> set.phys))
		fail("the root word %llx is not write-back, 4 levels, flags %s",
		     (unsigned long long)me->pv.nested_root, set.cfg.nested_ad ? "on" : "off");
}

/* What an entry grants. SDM vol. 3, 29.3.2 and 29.3.3. */
static u8 ept_grants(u64 e, bool leaf, bool *bad)
{
	*bad = (e & 3) == 2 || (leaf ? (e & 0x38) != 6 << 3 : e & 0xf8);
	return e & 7;
}

/*
 * Likewise. AMD APM vol. 2, 5.3 and 15.25.5: whatever the guest does is the access of a user. The types
 * of memory other than the first of the host's PAT are possible, but not what a mode may ask for.
 */
static u8 npt_grants(u64 e, bool leaf, int level, bool *bad)
{
	if ((e & (E_P | E_U)) != (E_P | E_U))
		return 0;
	*bad = e & ~(E_P | E_W | E_U | E_A | E_D | E_XD | FRAME | (leaf && level > 1 ? E_PS : 0));
	return EPT_R | (e & E_W ? EPT_W : 0) | (e & E_XD ? 0 : EPT_X);
}

static u8 nested_grants(u64 e, int level, gpa_t gpa)
{
	bool leaf = level == 1 || (e & E_PS), bad = false;
	u8 got = set.npt ? npt_grants(e, leaf, level, &bad) : ept_grants(e, leaf, &bad);

	if (!got)
		return 0;
	if (bad || (e & no_address()) ||
	    (leaf && (level == 4 || (e & ((1ULL << psc_shift(level)) - 1) & BITS(29, 12)))))
		fail("a nested entry is not what the CPU accepts: level %d %s %llx for gpa %llx",
		     level, leaf ? "leaf" : "entry", (unsigned long long)e,
		     (unsigned long long)gpa);
	if (leaf && level > set.cfg.nested_max_level)
		fail("a nested entry of level %d maps a page, the limit is %d", level,
		     set.cfg.nested_max_level);
	if (leaf && set.cfg.split_exec && level > 1 && (got & EPT_X))
		fail("a nested leaf of level %d gives the right to execute", level);
	return got;
}

/* SDM vol. 3, 29.3.5; AMD APM vol. 2, 15.25.5. */
static void nested_set(u64 *at, bool dirty)
{
	u64 bits = set.npt ? E_A : BIT_ULL(8);

	if (dirty)
		bits |= set.npt ? E_D : BIT_ULL(9);
	if (!set.cfg.nested_ad && (bits & ~*at))
		fail("the CPU sets flags in a nested entry %llx that should have none to set",
		     (unsigned long long)*at);
	*at |= bits;
}

/* Rights of the nested tables for gpa; false: violation. */
static bool nested_translate(gpa_t gpa, u8 need, unsigned int stale, hpa_t *hpa, u8 *rights,
			     bool *dirty, u8 *shift)
{
	unsigned int i, n = 0, pick[8];
	u8 got = EPT_R | EPT_W | EPT_X;
	hpa_t table = me->pv.nested_root & FRAME;
	bool ad = nested_ad();
	int level = 4;
	u64 *at, e;

	check_root();
	/* 29.3.2: what four levels do not translate is a violation. */
	if (gpa >> 48)
		return false;
	for (i = 0; i < my->nr_gp && n < 8; i++)
		if (covers(my->gp[i].gpa, gpa, my->gp[i].shift))
			pick[n++] = i;
	if (n && percent(stale)) {
		const struct gp_entry *g = &my->gp[pick[chance(n)]];

		/* May fault at once, or look again first. */
		if ((g->rights & need) != need && percent(stale))
			return false;
		/* A clean entry of a page to be written is walked again to set the flag. */
		if ((g->rights & need) == need && !(ad && (need & EPT_W) && !g->d)) {
			*hpa = g->hpa + (gpa & ((1ULL << g->shift) - 1));
			*rights = g->rights;
			*dirty = g->d;
			*shift = g->shift;
			return true;
		}
	}
	for (n = i = 0; i < my->nr_epsc && n < 8; i++)
		if (covers(my->epsc[i].gpa, gpa, psc_shift(my->epsc[i].level)))
			pick[n++] = i;
	if (n && percent(stale)) {
		const struct ept_psc_entry *p = &my->epsc[pick[chance(n)]];

		level = p->level - 1;
		table = p->table;
		got = p->rights;
	}
	for (;; level--) {
		u64 in = (1ULL << psc_shift(level)) - 1;
		struct ept_psc_entry p;
		u8 here;

		check_table(table, "nested table");
		at = (u64 *)phys_to_virt(table) + ((gpa >> psc_shift(level)) & 511);
		e = *at;
		here = nested_grants(e, level, gpa);
		if (!here)
			return false;
		got &= here;
		if (level == 1 || (e & E_PS))
			break;
		if (ad)
			nested_set(at, false);
		table = e & FRAME;
		check_table(table, "nested table");
		memset(&p, 0, sizeof(p));
		p.gpa = gpa & ~in;
		p.table = table;
		p.gen = host_page(table)->gen;
		p.level = level;
		p.rights = got;
		KEEP(epsc, p);
	}
	if ((got & need) != need)
		return false;
	if (ad)
		nested_set(at, need & EPT_W);
	{
		struct gp_entry g;
		u64 in = (1ULL << psc_shift(level)) - 1;

		memset(&g, 0, sizeof(g));
		g.gpa = gpa & ~in;
		g.hpa = e & FRAME & ~in;
		g.shift = psc_shift(level);
		g.rights = got;
		g.d = ad && (*at & (set.npt ? E_D : BIT_ULL(9)));
		KEEP(gp, g);
		*hpa = g.hpa + (gpa & in);
		*rights = got;
		*dirty = g.d;
		*shift = g.shift;
	}
	return true;
}

/* ---- first level ---- */

/*
 * What hardware runs with: the guest's control registers, but where the mode traps control bits,
 * CR0.WP and EFER.NXE are always on (paging.h, TRAP_MODE) and the mode builds its entries for that.
 */
static bool hw_nxe(void)
{
	return (me->pv.efer & BIT_ULL(11)) || (set.ops->traps & TRAP_MODE);
}

static bool hw_allowed(bool w, bool u, bool x, unsigned int access)
{
	u64 cr0 = me->pv.cr0;
	bool ok;

	if (set.ops->traps & TRAP_MODE)
		me->pv.cr0 |= BIT_ULL(16);
	ok = ref_allowed(w, u, x, access);
	me->pv.cr0 = cr0;
	return ok;
}

static u32 hw_code(unsigned int access)
{
	return ref_code(access) | (hw_nxe() && (access & AC_X) ? PF_I : 0);
}

static bool hw_reserved(u64 e, int level)
{
	if (e & no_address())
		return true;
	if ((e & E_XD) && !hw_nxe())
		return true;
	if (!(e & E_PS) || level == 1)
		return false;
	if (level == 4 || (level == 3 && !set.cfg.guest_1g))
		return true;
	return e & BITS(psc_shift(level) - 1, 13);
}

static void page_fault(unsigned int access, u32 why, struct hw_result *r)
{
	r->kind = HW_PF;
	r->code = hw_code(access) | why;
}

/* What a violation by the access itself says of it. */
static u32 need_code(unsigned int access)
{
	return access & AC_X ? PF_I : access & AC_W ? PF_W : 0;
}

static void violation(gpa_t gpa, u32 code, struct hw_result *r)
{
	r->kind = HW_EPT;
	r->gpa = gpa;
	r->code = code;
}

static void walk(gva_t gva, unsigned int access, unsigned int stale, bool speculative,
		 struct hw_result *r)
{
	u64 root = nested() ? me->arch_cr3 : me->hw_cr3;
	gpa_t table_gpa = root & FRAME;
	hpa_t table = table_gpa;
	u16 pcid = me->pv.cr4 & BIT_ULL(17) ? root & 0xfff : 0;
	unsigned int i, n = 0, pick[16];
	bool w = true, u = true, x = true, cached = false, dirty;
	bool ad = nested_ad();
	u8 rights, shift, leaf_shift;
	struct tlb_entry t;
	gpa_t at_gpa = 0;
	int level = 4;
	u64 *at, e, in;

	for (i = 0; i < my->nr_psc && n < 16; i++)
		if (my->psc[i].pcid == pcid &&
		    covers(my->psc[i].gva, gva, psc_shift(my->psc[i].level)))
			pick[n++] = i;
	if (n && percent(stale)) {
		const struct psc_entry *p = &my->psc[pick[chance(n)]];

		level = p->level - 1;
		table = p->table;
		table_gpa = p->table_gpa;
		w = p->w;
		u = p->u;
		x = p->x;
		cached = true;
		ROUTE("a walk from a cached level %d entry of step %llu", p->level,
		      (unsigned long long)p->born);
	} else {
		ROUTE("a walk from the root");
	}
	for (;; level--, cached = false) {
		struct psc_entry p;

		if (nested()) {
			at_gpa = table_gpa | ((gva >> (psc_shift(level) - 3)) & 0xff8);
			if (cached) {
				at = phys_to_virt(table | (at_gpa & 0xfff));
			} else {
				hpa_t hpa;

				/* With flags on, and on AMD always, a table read counts as a write. */
				if (!nested_translate(at_gpa, ad ? EPT_R | EPT_W : EPT_R, stale,
						      &hpa, &rights, &dirty, &shift)) {
					violation(at_gpa, ad ? 2 : 0, r);
					return;
				}
				at = phys_to_virt(hpa);
				table = hpa & ~0xfffULL;
			}
			if ((u8 *)at != ram(at_gpa))
				fail("the CPU reads the guest's table at gpa %llx from hpa %llx, "
				     "which is not its frame",
				     (unsigned long long)at_gpa,
				     (unsigned long long)virt_to_phys(at));
		} else {
			check_table(table, "shadow table");
			at = (u64 *)phys_to_virt(table) + ((gva >> psc_shift(level)) & 511);
		}
		e = *at;
		if (!(e & E_P)) {
			page_fault(access, 0, r);
			return;
		}
		if (hw_reserved(e, level)) {
			page_fault(access, 9, r);
			return;
		}
		w &= !!(e & E_W);
		u &= !!(e & E_U);
		x &= !(e & E_XD);
		if (level == 1 || (e & E_PS))
			break;
		if (!(e & E_A)) {
			hpa_t hpa;

			if (nested() && !nested_translate(at_gpa, EPT_R | EPT_W, stale, &hpa,
							  &rights, &dirty, &shift)) {
				violation(at_gpa, 2, r);
				return;
			}
			*at |= E_A;
			if (nested())
				ram_absorb(at_gpa, E_A, "the CPU");
		}
		memset(&p, 0, sizeof(p));
		table_gpa = table = e & FRAME;
		in = (1ULL << psc_shift(level)) - 1;
		p.gva = gva & ~in;
		p.pcid = pcid;
		p.level = level;
		p.w = w;
		p.u = u;
		p.x = x;
		if (nested()) {
			hpa_t hpa;

			/* Cached with the host address of the table: only when it is known. */
			if (percent(50) || !nested_translate(table_gpa, ad ? EPT_R | EPT_W : EPT_R,
							     stale, &hpa, &rights, &dirty, &shift))
				continue;
			p.table = hpa;
			p.table_gpa = table_gpa;
		} else {
			check_table(table, "shadow table");
			p.table = table;
			p.gen = host_page(table)->gen;
		}
		KEEP(psc, p);
	}
	in = (1ULL << psc_shift(level)) - 1;
	leaf_shift = psc_shift(level);
	if (!hw_allowed(w, u, x, access) && !speculative) {
		page_fault(access, 1, r);
		return;
	}
	if (!nested() && set.cfg.split_exec && level > 1 && !(e & E_XD))
		fail("a large entry of the shadow gives the right to execute gva %llx",
		     (unsigned long long)gva);
	if (!(e & E_A) || (!speculative && (access & AC_W) && !(e & E_D))) {
		u64 bits = E_A | (!speculative && (access & AC_W) ? E_D : 0);
		hpa_t hpa;

		if (nested() && !nested_translate(at_gpa, EPT_R | EPT_W, stale, &hpa, &rights,
						  &dirty, &shift)) {
			violation(at_gpa, 2, r);
			return;
		}
		*at |= bits;
		if (nested())
			ram_absorb(at_gpa, bits, "the CPU");
		e |= bits;
	}
	memset(&t, 0, sizeof(t));
	t.pcid = pcid;
	t.global = (e & E_G) && (me->pv.cr4 & BIT_ULL(7));
	t.w = w;
	t.u = u;
	t.x = x;
	t.d = e & E_D;
	t.page = leaf_shift;
	if (nested()) {
		u8 need = access & AC_X ? EPT_X : access & AC_W ? EPT_R | EPT_W : EPT_R;
		gpa_t gpa = (e & FRAME & ~in) | (gva & in);
		hpa_t hpa;

		if (!nested_translate(gpa, need, stale, &hpa, &rights, &dirty, &shift)) {
			violation(gpa, need_code(access), r);
			return;
		}
		if (shift > leaf_shift)
			shift = leaf_shift;
		in = (1ULL << shift) - 1;
		t.shift = shift;
		t.hpa = hpa & ~in;
		t.gpa = gpa & ~in;
		t.ept = rights;
		t.ept_d = dirty;
		r->hpa = hpa;
	} else {
		t.shift = leaf_shift;
		t.hpa = e & FRAME & ~in;
		r->hpa = t.hpa | (gva & in);
	}
	t.gva = gva & ~in;
	KEEP(tlb, t);
	r->kind = HW_OK;
}

/**
 * cpu_access() - one access by the guest
 * @gva: address
 * @access: AC_*
 * @stale: percent: how often a cached entry is preferred to a fresh walk
 * @r: where it led, or the fault
 *
 * Whoever gets HW_PF decides what is forgotten: a #PF delivered in the guest forgets the address
 * (4.10.4.1), one that becomes a VM exit need not.
 */
void cpu_access(gva_t gva, unsigned int access, unsigned int stale, struct hw_result *r)
{
	u64 root = nested() ? me->arch_cr3 : me->hw_cr3;
	u16 pcid = me->pv.cr4 & BIT_ULL(17) ? root & 0xfff : 0;
	unsigned int i, n = 0, pick[16];

	for (i = 0; i < my->nr_tlb && n < 16; i++)
		if (covers(my->tlb[i].gva, gva, my->tlb[i].shift) &&
		    (my->tlb[i].pcid == pcid || my->tlb[i].global))
			pick[n++] = i;
	if (n && percent(stale)) {
		const struct tlb_entry *t = &my->tlb[pick[chance(n)]];
		u8 need = access & AC_X ? EPT_X : access & AC_W ? EPT_R | EPT_W : EPT_R;
		bool ad = nested_ad();

		if (!hw_allowed(t->w, t->u, t->x, access)) {
			/* May fault at once, or look again first. */
			if (percent(stale)) {
				page_fault(access, 1, r);
				return;
			}
		} else if (nested() && (t->ept & need) != need) {
			/* Likewise. */
			if (percent(stale)) {
				violation(t->gpa | (gva & ((1ULL << t->shift) - 1)),
					  need_code(access), r);
				return;
			}
		} else if (!((access & AC_W) && (!t->d || (ad && !t->ept_d)))) {
			ROUTE("a translation cached in step %llu", (unsigned long long)t->born);
			r->kind = HW_OK;
			r->hpa = t->hpa | (gva & ((1ULL << t->shift) - 1));
			return;
		}
	}
	walk(gva, access, stale, false, r);
}

/**
 * cpu_speculate() - the CPU walks and caches without being asked
 * @gva: any address
 */
void cpu_speculate(gva_t gva)
{
	struct hw_result r;

	walk(gva, 0, 50, true, &r);
}

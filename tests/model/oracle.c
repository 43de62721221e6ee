// SPDX-License-Identifier: GPL-2.0-only
/*
 * The oracle: what the architecture allows the guest to see. Written from the Intel SDM, volume 3,
 * 4.5 to 4.10, and from nothing in hv/mmu, so that the two can disagree.
 *
 * Two answers. ref_walk() is the walk of the tables as they are now. The history says what a real
 * CPU could still have cached: for every 8-byte word of guest memory the values it had since the
 * last complete flush, and when; and, of each vCPU, when each CR3 was in force and every flush. What
 * one vCPU flushes another may still hold. A stale translation
 * is allowed if some chain of such reads, in an order that the caches of 4.10.2 and 4.10.3 make
 * possible, yields it. Time is a number that grows with every event.
 *
 * A word that a store has replaced may have been cached whatever its accessed bit said: the CPU may
 * have set the bit, by speculation, just before the store. The dirty bit is not set by speculation,
 * so a stale write needs a value that had it.
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

#define CR0_WP	 (1ULL << 16)
#define CR4_PGE	 (1ULL << 7)
#define CR4_SMEP (1ULL << 20)
#define CR4_SMAP (1ULL << 21)
#define EFER_NXE (1ULL << 11)

#define BITS(h, l) ((~0ULL >> (63 - (h))) & (~0ULL << (l)))

/* Reserved bits of a present entry, tables 4-14 to 4-20. */
static bool reserved(u64 e, int level)
{
	if (set.cfg.maxphyaddr < 52 && (e & BITS(51, set.cfg.maxphyaddr)))
		return true;
	if ((e & E_XD) && !(me->pv.efer & EFER_NXE))
		return true;
	switch (level) {
	case 4:
		return e & E_PS;
	case 3:
		return (e & E_PS) && (!set.cfg.guest_1g || (e & BITS(29, 13)));
	case 2:
		return (e & E_PS) && (e & BITS(20, 13));
	}
	return false;
}

/* 4.6.1: rights of an access to a translation with these rights. */
bool ref_allowed(bool w, bool u, bool x, unsigned int access)
{
	if (access & AC_U) {
		if (!u)
			return false;
		if (access & AC_X)
			return x;
		return !(access & AC_W) || w;
	}
	if (access & AC_X) {
		if (u && (me->pv.cr4 & CR4_SMEP))
			return false;
		return x;
	}
	if (u && (me->pv.cr4 & CR4_SMAP) && !(access & AC_AC))
		return false;
	return !(access & AC_W) || w || !(me->pv.cr0 & CR0_WP);
}

/* 4.7: the bits that only depend on the access. */
u32 ref_code(unsigned int access)
{
	u32 code = 0;

	if (access & AC_W)
		code |= 2;
	if (access & AC_U)
		code |= 4;
	if ((access & AC_X) && ((me->pv.cr4 & CR4_SMEP) || (me->pv.efer & EFER_NXE)))
		code |= 16;
	return code;
}

/**
 * ref_walk() - walk the guest's tables as they are now
 * @gva: address
 * @access: AC_*
 * @r: the answer
 */
void ref_walk(gva_t gva, unsigned int access, struct ref *r)
{
	gpa_t table = me->arch_cr3 & BITS(51, 12);
	int level;

	memset(r, 0, sizeof(*r));
	r->w = r->u = r->x = true;
	for (level = 4; level; level--) {
		gpa_t at = table | ((gva >> (9 * level)) & 0xff8);
		u64 e;

		if (!ram_has(at >> 12)) {
			r->outside = true;
			r->gpa = at;
			return;
		}
		e = ram_read64(at);
		r->entry[r->n] = at;
		r->val[r->n++] = e;
		r->level = level;
		r->code = ref_code(access);
		if (!(e & E_P))
			return;
		if (reserved(e, level)) {
			r->code |= 8 | 1;
			return;
		}
		r->w &= !!(e & E_W);
		r->u &= !!(e & E_U);
		r->x &= !(e & E_XD);
		if (level == 1 || (e & E_PS)) {
			u64 in = (1ULL << (12 + 9 * (level - 1))) - 1;

			r->g = (e & E_G) && (me->pv.cr4 & CR4_PGE);
			r->gpa = (e & BITS(51, 12) & ~in) | (gva & in);
			break;
		}
		table = e & BITS(51, 12);
	}
	r->present = true;
	r->ok = ref_allowed(r->w, r->u, r->x, access);
	r->code |= 1;
}

/* ---- history ---- */

#define NEVER (~0u)

struct version {
	u64 val;
	u64 born; /* step, for messages */
	u32 from;
	s32 older;
};

struct word {
	gpa_t gpa;
	s32 newest;
	s32 next;
};

struct context {
	u32 from;
	u64 born;
	u64 root;
	u16 pcid;
};

enum flush_kind { FL_PCID, FL_NONGLOBAL, FL_ADDR, FL_ADDR_GLOBAL };

struct flush {
	u32 at;
	u64 born;
	u8 kind;
	u16 pcid;
	gva_t gva;
	gpa_t entry[4]; /* by level: the entry that led to the address then; 0: none */
};

#define MAX_VERSIONS (1 << 16)
#define MAX_WORDS    (1 << 14)
#define MAX_CONTEXTS 4096
#define MAX_FLUSHES  8192
#define HASH	     4096

static struct version versions[MAX_VERSIONS];
static struct word words[MAX_WORDS];
static s32 heads[HASH];
static unsigned int nr_versions, nr_words;
static u32 now;

/* What is each vCPU's own. */
struct past {
	u32 since; /* the last complete flush */
	unsigned int nr_contexts, nr_flushes;
	struct context contexts[MAX_CONTEXTS];
	struct flush flushes[MAX_FLUSHES];
};

static struct past pasts[VCPUS_MAX];

static struct past *past(void)
{
	return &pasts[me->id];
}

static unsigned int hash(gpa_t gpa)
{
	return (gpa * 0x9e3779b97f4a7c15ULL) >> 52;
}

static struct word *find_word(gpa_t gpa)
{
	s32 i;

	for (i = heads[hash(gpa)]; i >= 0; i = words[i].next)
		if (words[i].gpa == gpa)
			return &words[i];
	return NULL;
}

static void start_past(void)
{
	past()->nr_contexts = past()->nr_flushes = 0;
	past()->since = now;
	hist_context();
}

/**
 * hist_forget() - a complete flush by all: nothing older than now can be cached
 */
void hist_forget(void)
{
	struct vcpu *was = me, *v;

	memset(heads, 0xff, sizeof(heads));
	nr_versions = nr_words = 0;
	now = 1;
	for_each_vcpu(v)
	{
		me = v;
		start_past();
	}
	me = was;
}

/**
 * hist_reset() - a complete flush: nothing older than now can this vCPU have cached
 */
void hist_reset(void)
{
	if (set.vcpus == 1) {
		hist_forget();
		return;
	}
	now++;
	start_past();
}

static bool past_full(void)
{
	const struct vcpu *v;

	for_each_vcpu(v) if (pasts[v->id].nr_contexts > MAX_CONTEXTS - 64 * set.vcpus ||
			     pasts[v->id].nr_flushes > MAX_FLUSHES - 64 * set.vcpus) return true;
	return false;
}

/* Nearly out of room: the guest should flush everything. */
bool hist_full(void)
{
	return nr_versions > MAX_VERSIONS - 8192 || nr_words > MAX_WORDS - 4096 || past_full();
}

static void add_version(struct word *w, u64 val, u32 from)
{
	struct version *v;

	if (nr_versions == MAX_VERSIONS)
		fail("the test's history of words is full");
	v = &versions[nr_versions];
	v->val = val;
	v->born = step;
	v->from = from;
	v->older = w->newest;
	w->newest = nr_versions++;
}

void hist_word(gpa_t gpa, u64 old, u64 new)
{
	struct word *w = find_word(gpa);

	now++;
	if (!w) {
		if (nr_words == MAX_WORDS)
			fail("the test's table of words is full");
		w = &words[nr_words];
		w->gpa = gpa;
		w->newest = -1;
		w->next = heads[hash(gpa)];
		heads[hash(gpa)] = nr_words++;
		add_version(w, old, 0);
	}
	add_version(w, new, now);
}

/* A walker has set A or D: the same version, now with the bit. */
void hist_amend(gpa_t gpa, u64 new)
{
	struct word *w = find_word(gpa);

	if (w)
		versions[w->newest].val = new;
}

/*
 * A guest that uses the base-address buffer has promised to flush what it changes and not to count
 * on MOV to CR3: what one address space may still hold, it must expect in every other, too.
 */
static u16 tag(u16 pcid)
{
	return set.shares ? 0 : pcid;
}

void hist_context(void)
{
	struct context *c;

	if (past()->nr_contexts == MAX_CONTEXTS)
		fail("the test's history of CR3 is full");
	c = &past()->contexts[past()->nr_contexts++];
	c->from = ++now;
	c->born = step;
	c->root = me->arch_cr3 & BITS(51, 12);
	c->pcid = tag(cur_pcid());
}

static void add_flush(u8 kind, u16 pcid, gva_t gva)
{
	struct flush *f;

	if (past()->nr_flushes == MAX_FLUSHES)
		fail("the test's history of flushes is full");
	f = &past()->flushes[past()->nr_flushes++];
	f->at = ++now;
	f->born = step;
	f->kind = kind;
	f->pcid = tag(pcid);
	f->gva = gva;
	memset(f->entry, 0, sizeof(f->entry));
	if (kind >= FL_ADDR && pcid == cur_pcid()) {
		struct ref r;
		int i;

		ref_walk(gva, 0, &r);
		for (i = 1; i < r.n; i++)
			f->entry[4 - i] = r.entry[i];
	}
}

/* MOV to CR3, INVPCID type 1: one PCID, not its global pages. */
void hist_flush_pcid(u16 pcid)
{
	add_flush(FL_PCID, pcid, 0);
}

/* INVPCID type 3. */
void hist_flush_nonglobal(void)
{
	add_flush(FL_NONGLOBAL, 0, 0);
}

/* INVLPG (global pages too), INVPCID type 0 (not). */
void hist_flush_addr(gva_t gva, u16 pcid, bool global)
{
	add_flush(global ? FL_ADDR_GLOBAL : FL_ADDR, pcid, gva);
}

/* One search for a chain of reads. */
struct search {
	gva_t gva;
	unsigned int access;
	gpa_t gpa;   /* wanted page */
	bool faults; /* look for one that makes the access fault instead, */
	u32 code;    /* with this code */
	bool global; /* look for a global translation */
	u16 pcid;    /* whose reads */
	u32 psc_to;  /* the paging-structure caches' epoch ends here */
};

/* Earliest time in [lo, hi) at which @pcid was current; NEVER. */
static u32 earliest(u16 pcid, u32 lo, u32 hi)
{
	unsigned int i;

	if (set.shares)
		return lo < hi ? lo : NEVER;
	for (i = 0; i < past()->nr_contexts; i++) {
		u32 from = past()->contexts[i].from;
		u32 to = i + 1 < past()->nr_contexts ? past()->contexts[i + 1].from : NEVER;
		u32 t = lo > from ? lo : from;

		if (past()->contexts[i].pcid == pcid && t < to && t < hi)
			return t;
		if (from >= hi)
			break;
	}
	return NEVER;
}

/*
 * When was the last flush of TLB entries made from the leaf entry at @at? A flush of one address
 * drops a large page as a whole, however many pieces the CPU keeps of it (4.10.2.3), if that page's
 * entry is the one that leads to the address; otherwise just the address's own 4 KiB.
 */
static u32 flushed(const struct search *s, gpa_t at, int level)
{
	unsigned int i;
	u32 last = 0;

	for (i = 0; i < past()->nr_flushes; i++) {
		const struct flush *f = &past()->flushes[i];
		bool hit = false;

		switch (f->kind) {
		case FL_PCID:
			hit = !s->global && f->pcid == s->pcid;
			break;
		case FL_NONGLOBAL:
			hit = !s->global;
			break;
		case FL_ADDR:
			hit = !s->global && f->pcid == s->pcid;
			break;
		case FL_ADDR_GLOBAL:
			hit = s->global || f->pcid == s->pcid;
			break;
		}
		if (f->kind >= FL_ADDR && f->gva >> 12 != s->gva >> 12 &&
		    (f->entry[level] != at ||
		     f->gva >> (3 + 9 * level) != s->gva >> (3 + 9 * level)))
			hit = false;
		if (hit)
			last = f->at;
	}
	return last;
}

static bool try_level(const struct search *s, gpa_t table, int level, u32 lo, u32 hi, bool w,
		      bool u, bool x);

static bool try_entry(const struct search *s, gpa_t at, u64 e, bool current, int level, u32 from,
		      u32 to, bool w, bool u, bool x)
{
	u64 in = (1ULL << (12 + 9 * (level - 1))) - 1;
	u32 t;

	if (!(e & E_P) || reserved(e, level)) {
		/* Through cached upper entries to an entry that is no translation. */
		return s->faults && earliest(s->pcid, from, to) != NEVER &&
		       s->code == (ref_code(s->access) | (e & E_P ? 9 : 0));
	}
	/* A walk that ends in a fault may leave the leaf's accessed flag alone. */
	if (current && !(e & E_A) && !(s->faults && (level == 1 || (e & E_PS))))
		return false;
	w &= !!(e & E_W);
	u &= !!(e & E_U);
	x &= !(e & E_XD);
	if (level > 1 && !(e & E_PS)) {
		t = earliest(s->pcid, from, to);
		/* Below, anything until the epoch's end can be read through the cached entry. */
		return t != NEVER &&
		       try_level(s, e & BITS(51, 12), level - 1, t, s->psc_to, w, u, x);
	}
	t = flushed(s, at, level);
	if (from < t)
		from = t;
	t = earliest(s->pcid, from, to);
	if (t == NEVER)
		return false;
	if (s->global && !((e & E_G) && (me->pv.cr4 & CR4_PGE)))
		return false;
	if (s->faults)
		return !ref_allowed(w, u, x, s->access) && s->code == (ref_code(s->access) | 1);
	if (!ref_allowed(w, u, x, s->access))
		return false;
	if ((s->access & AC_W) && !(e & E_D))
		return false;
	return ((e & BITS(51, 12) & ~in) | (s->gva & in)) >> 12 == s->gpa >> 12;
}

static bool try_level(const struct search *s, gpa_t table, int level, u32 lo, u32 hi, bool w,
		      bool u, bool x)
{
	gpa_t at = table | ((s->gva >> (9 * level)) & 0xff8);
	const struct word *word = find_word(at);
	u32 end = NEVER;
	s32 i;

	if (!word) {
		u64 e;

		if (!ram_has(at >> 12))
			return false;
		e = ram_read64(at);
		return lo < hi && try_entry(s, at, e, true, level, lo, hi, w, u, x);
	}
	for (i = word->newest; i >= 0; i = versions[i].older) {
		u32 from = versions[i].from > lo ? versions[i].from : lo;
		u32 to = end < hi ? end : hi;

		if (from < to &&
		    try_entry(s, at, versions[i].val, end == NEVER, level, from, to, w, u, x))
			return true;
		end = versions[i].from;
		if (end <= lo)
			break;
	}
	return false;
}

static bool same_region(gva_t a, gva_t b, int shift)
{
	return a >> shift == b >> shift;
}

/* All chains whose paging-structure-cache entries are of the epoch [lo, psc_to). */
static bool try_epoch(const struct search *s, u32 lo)
{
	unsigned int i;

	for (i = 0; i < past()->nr_contexts; i++) {
		u32 from = past()->contexts[i].from > lo ? past()->contexts[i].from : lo;
		u32 to = i + 1 < past()->nr_contexts ? past()->contexts[i + 1].from : NEVER;

		if (set.shares) { /* as if every root had always been loaded */
			from = lo;
			to = s->psc_to;
		}
		if (to > s->psc_to)
			to = s->psc_to;
		if (past()->contexts[i].pcid == s->pcid && from < to &&
		    try_level(s, past()->contexts[i].root, 4, from, to, true, true, true))
			return true;
	}
	return false;
}

static bool search_pcid(struct search *s)
{
	u32 lo = past()->since;
	unsigned int i;

	for (i = 0; i <= past()->nr_flushes; i++) {
		const struct flush *f = i < past()->nr_flushes ? &past()->flushes[i] : NULL;
		bool ends = !f || f->kind == FL_NONGLOBAL;

		if (f && f->pcid == s->pcid)
			ends |= f->kind == FL_PCID || f->kind == FL_ADDR_GLOBAL ||
				(f->kind == FL_ADDR && same_region(f->gva, s->gva, 21));
		if (!ends)
			continue;
		s->psc_to = f ? f->at : NEVER;
		if (try_epoch(s, lo))
			return true;
		lo = s->psc_to;
	}
	return false;
}

static bool search(gva_t gva, unsigned int access, gpa_t gpa, bool faults, u32 code)
{
	struct search s = {
		.gva = gva, .access = access, .gpa = gpa, .faults = faults, .code = code
	};
	unsigned int i, j;

	s.pcid = tag(cur_pcid());
	if (search_pcid(&s))
		return true;
	if (!(me->pv.cr4 & CR4_PGE))
		return false;
	s.global = true;
	for (i = 0; i < past()->nr_contexts; i++) {
		for (j = 0; j < i && past()->contexts[j].pcid != past()->contexts[i].pcid; j++)
			;
		if (j < i)
			continue;
		s.pcid = past()->contexts[i].pcid;
		if (search_pcid(&s))
			return true;
	}
	return false;
}

bool oracle_cached(gva_t gva, unsigned int access, gpa_t gpa)
{
	return search(gva, access, gpa, false, 0);
}

bool oracle_cached_faults(gva_t gva, unsigned int access, u32 code)
{
	return search(gva, access, 0, true, code);
}

/**
 * hist_tell() - the history behind an address, for whoever debugs a failure
 * @gva: the address
 */
void hist_tell(gva_t gva)
{
	static const char *const kinds[] = { "pcid", "nonglobal", "address",
					     "address, global too" };
	struct ref r;
	unsigned int n;
	int i;
	s32 v;

	fprintf(stderr, "# events since the last complete flush (time, step):\n");
	for (n = past()->nr_contexts > 12 ? past()->nr_contexts - 12 : 0; n < past()->nr_contexts;
	     n++)
		fprintf(stderr, "#   %u, %llu: cr3 %llx pcid %x\n", past()->contexts[n].from,
			(unsigned long long)past()->contexts[n].born,
			(unsigned long long)past()->contexts[n].root, past()->contexts[n].pcid);
	for (n = past()->nr_flushes > 12 ? past()->nr_flushes - 12 : 0; n < past()->nr_flushes; n++)
		fprintf(stderr, "#   %u, %llu: flush %s pcid %x gva %llx\n", past()->flushes[n].at,
			(unsigned long long)past()->flushes[n].born, kinds[past()->flushes[n].kind],
			past()->flushes[n].pcid, (unsigned long long)past()->flushes[n].gva);
	ref_walk(gva, 0, &r);
	for (i = 0; i < r.n; i++) {
		const struct word *w = find_word(r.entry[i]);

		fprintf(stderr, "#   [%llx] = %llx\n", (unsigned long long)r.entry[i],
			(unsigned long long)r.val[i]);
		for (v = w ? w->newest : -1; v >= 0; v = versions[v].older)
			fprintf(stderr, "#      %u, %llu: %llx\n", versions[v].from,
				(unsigned long long)versions[v].born,
				(unsigned long long)versions[v].val);
	}
	fprintf(stderr, "# the access took %s\n", cpu_route());
}

/* ---- verdicts ---- */

static const char *access_name(unsigned int access)
{
	static char name[32];

	snprintf(name, sizeof(name), "%s %s%s", access & AC_U ? "user" : "supervisor",
		 access & AC_X	 ? "fetch"
		 : access & AC_W ? "write"
				 : "read",
		 access & AC_AC ? " with AC" : "");
	return name;
}

static const char *path(const struct ref *r)
{
	static char text[256];
	int i, n = 0;

	text[0] = 0;
	for (i = 0; i < r->n; i++)
		n += snprintf(text + n, sizeof(text) - n, " [%llx]=%llx",
			      (unsigned long long)r->entry[i], (unsigned long long)r->val[i]);
	return text;
}

/**
 * oracle_success() - an access got through: is that right?
 * @gva: address
 * @access: AC_*
 * @gpa: where it led
 * @what: for the message
 */
void oracle_success(gva_t gva, unsigned int access, gpa_t gpa, const char *what)
{
	struct ref r;
	bool flags = true;
	int i;

	ref_walk(gva, access, &r);
	if (r.ok && r.gpa >> 12 == gpa >> 12) {
		for (i = 0; i < r.n; i++)
			if (!(r.val[i] & E_A))
				flags = false;
		if ((access & AC_W) && !(r.val[r.n - 1] & E_D))
			flags = false;
		if (flags) {
			tally.fresh++;
			return;
		}
	}
	if (oracle_cached(gva, access, gpa)) {
		tally.stale++;
		return;
	}
	hist_tell(gva);
	if (r.ok && r.gpa >> 12 == gpa >> 12)
		fail("%s: %s of gva %llx: accessed or dirty is not set in the guest's entries%s",
		     what, access_name(access), (unsigned long long)gva, path(&r));
	if (r.ok)
		fail("%s: %s of gva %llx led to gpa %llx, must lead to %llx%s", what,
		     access_name(access), (unsigned long long)gva, (unsigned long long)gpa,
		     (unsigned long long)r.gpa, path(&r));
	fail("%s: %s of gva %llx led to gpa %llx, must fault with code %x%s", what,
	     access_name(access), (unsigned long long)gva, (unsigned long long)gpa, r.code,
	     path(&r));
}

/**
 * oracle_fault() - the guest got a #PF: is that right?
 * @gva: CR2
 * @access: AC_*
 * @code: the error code it got
 *
 * A mode that sees every #PF walks the tables before it delivers one, so its faults are always
 * those of a fresh walk. Where the CPU delivers them, what it cached before rights were added may
 * fault once more (4.10.4.3).
 */
void oracle_fault(gva_t gva, unsigned int access, u32 code)
{
	struct ref r;

	ref_walk(gva, access, &r);
	if (!r.ok && !r.outside && r.code == code)
		return;
	if ((!(set.ops->traps & TRAP_PF) || (me->direct && !(code & PF_P))) &&
	    oracle_cached_faults(gva, access, code))
		return;
	hist_tell(gva);
	if (r.ok)
		fail("%s of gva %llx faulted with code %x, must lead to gpa %llx%s",
		     access_name(access), (unsigned long long)gva, code, (unsigned long long)r.gpa,
		     path(&r));
	fail("%s of gva %llx faulted with code %x, must be %x%s%s", access_name(access),
	     (unsigned long long)gva, code, r.code, path(&r), r.outside ? " (outside)" : "");
}

/**
 * oracle_stop() - the mode stopped the VM: only where a table lies outside memory
 * @why: its sentence
 * @gva: the access
 * @root_only: not an access, a CR3 load
 */
void oracle_stop(const char *why, gva_t gva, bool root_only)
{
	struct ref r;

	if (root_only) {
		if (!ram_has((me->arch_cr3 & BITS(51, 12)) >> 12))
			return;
		fail("the VM was stopped at a CR3 load: %s", why);
	}
	ref_walk(gva, 0, &r);
	if (!r.outside)
		fail("the VM was stopped without need at gva %llx: %s%s", (unsigned long long)gva,
		     why, path(&r));
}

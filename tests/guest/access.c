// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest access test: does this machine, or the hypervisor that plays it, treat paging
 * structures as the manual says? One image, run bare and under every hypervisor and paging mode.
 *
 * It makes every combination of entry bits, control bits and kind of access (matrix.c) and tells a
 * number of stories (tables.c, stores.c, flush.c, rights.c), and after each access compares fault,
 * error code, CR2, data, and the accessed and dirty flags of every level with the oracle.
 */
#include "access.h"

#define PRINTED_FAILURES 10

static const char *const who_name[] = { "supervisor", "user", "implicit" };
static const char *const kind_name[] = { "read", "write", "fetch" };

static const char *const size_name[] = { "4k", "2m", "1g" };

static u64 combinations, cases_run, failures, printed;
static u64 asked, thin; /* combinations offered; one in @thin is taken */
static u32 salt_now;
static const char *where; /* part or case */
static bool quiet;

/* ---- verdict and outcome ---- */

bool failure(void)
{
	failures++;
	if (printed == PRINTED_FAILURES)
		return false;
	printed++;
	return true;
}

static const char *bits_text(u64 e, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s%s%s%s%s%s", e & PTE_P ? "P" : "-", e & PTE_W ? "W" : "-",
		 e & PTE_U ? "U" : "-", e & PTE_A ? "A" : "-", e & PTE_D ? "D" : "-",
		 e & PTE_LARGE ? "S" : "-", e & PTE_G ? "G" : "-", e & PTE_NX ? "X" : "-",
		 e & reserved_high() ? "R" : "-");
	return buf;
}

static void report(const struct verdict *v, const struct outcome *o, enum access_who who,
		   enum access_kind kind, u64 va, const char *what, u64 want, u64 got)
{
	char a[16], b[16];

	if (!failure())
		return;
	printf("access: FAILURE in %s: %s %s at 0x%lx, wp=%d nxe=%d smep=%d smap=%d pge=%d "
	       "ac=%d: %s: expected 0x%lx, got 0x%lx\n",
	       where, who_name[who], kind_name[kind], va, now.wp, now.nxe, now.smep, now.smap,
	       now.pge, now.ac, what, want, got);
	if (v->fault)
		printf("  expected #PF code 0x%lx", v->code);
	else
		printf("  expected no fault");
	if (o->fault)
		printf(", got exception %d code 0x%lx cr2 0x%lx\n", o->vector, o->code, o->cr2);
	else
		printf(", got none, value 0x%lx\n", o->value);
	for (int l = 4; l >= v->last; l--)
		printf("  level %d entry: before 0x%lx (%s), expected 0x%lx, now 0x%lx (%s)\n", l,
		       v->before[l], bits_text(v->before[l], a, sizeof(a)), v->after[l],
		       get(v->entry[l]), bits_text(get(v->entry[l]), b, sizeof(b)));
}

bool compare(const struct verdict *v, const struct outcome *o, enum access_who who,
	     enum access_kind kind, u64 va, u64 word_before, u64 word_after)
{
	u64 want;

#define differs(what, want, got)                                        \
	do {                                                            \
		u64 want_ = (want), got_ = (got);                       \
		if (want_ != got_) {                                    \
			report(v, o, who, kind, va, what, want_, got_); \
			return false;                                   \
		}                                                       \
	} while (0)

	differs("fault", v->fault, o->fault);
	if (o->fault) {
		differs("vector", VECTOR_PF, (u64)o->vector);
		differs("error code", v->code, o->code);
		/* Which bytes of a descriptor the CPU reads first is its own affair. */
		differs("CR2", va, who == IMPLICIT ? o->cr2 & ~7ul : o->cr2);
		if (v->pa && who != IMPLICIT)
			differs("memory", word_before, get((u64 *)v->pa));
	} else {
		u64 word = get((u64 *)v->pa);

		if (kind == READ && who != IMPLICIT)
			differs("value read", word_before, o->value);
		if (kind == FETCH)
			differs("code run", (u32)(word_before >> 8), o->value);
		if (kind == WRITE)
			differs("memory", word_after, word);
	}
	/*
	 * 4.8: an entry above the leaf may or may not have been used for an access that faulted;
	 * a leaf is not, and no dirty flag is ever set for it.
	 */
	for (int l = 4; l >= v->last; l--) {
		u64 got = get(v->entry[l]);

		want = v->after[l];
		if (v->fault && l > v->last)
			want |= got & PTE_A;
		differs("entry afterwards", want, got);
	}
	return true;
#undef differs
}

bool verify(enum access_who who, enum access_kind kind, u64 va)
{
	u64 before = 0, word = 0;
	struct verdict v;
	struct outcome o;

	oracle(&v, root, va, who, kind, &now);
	if (kind == WRITE)
		word = next_word();
	if (v.pa)
		before = get((u64 *)v.pa);
	o = touch(who, kind, va, word);
	/* A table may lie where the write went: what is expected is what was written. */
	return compare(&v, &o, who, kind, va, before, word);
}

void verify_data(u64 va)
{
	verify(SUPERVISOR, READ, va);
	verify(USER, READ, va);
	verify(SUPERVISOR, WRITE, va);
	verify(USER, WRITE, va);
}

void verify_all(u64 va)
{
	verify_data(va);
	verify(SUPERVISOR, FETCH, va);
	verify(USER, FETCH, va);
}

bool expect_that(bool ok, const char *what, const char *file, int line)
{
	if (!ok && failure())
		printf("access: FAILURE in %s: not true: %s (%s:%d)\n", where, what, file, line);
	return ok;
}

/* ---- parts ---- */

/* Spreads the numbers 0, 1, 2, ... evenly over 32 bits. */
static u32 scatter(u64 n)
{
	n *= 0x9e3779b97f4a7c15ul;
	n ^= n >> 32;
	return (u32)(n * 0xd6e8feb86659fd93ul >> 32);
}

bool take(void)
{
	salt_now = scatter(++asked);
	if (salt_now % thin)
		return false;
	salt_now /= thin;
	combinations++;
	return true;
}

u32 salt(void)
{
	return salt_now;
}

struct part {
	const char *name;
	void (*matrix)(enum site_size size); /* or */
	const struct test_case *cases;
	bool always; /* in part=all and part=fast */
};

static const struct part parts[] = {
	{ "leaf", matrix_leaf, NULL, true },	     { "upper", matrix_upper, NULL, true },
	{ "warm", matrix_warm, NULL, true },	     { "upgrade", matrix_upgrade, NULL, true },
	{ "implicit", matrix_implicit, NULL, true }, { "tables", NULL, table_cases, true },
	{ "stores", NULL, store_cases, true },	     { "flush", NULL, flush_cases, true },
	{ "rights", NULL, right_cases, true },	     { "full", matrix_full, NULL, false },
};

/* The first three are groups, the others parts[] in order. */
enum { PART_ALL, PART_FAST, PART_CASES };
#define PART_CHOICES \
	"all|fast|cases|leaf|upper|warm|upgrade|implicit|tables|stores|flush|rights|full"

static void begin_case(void)
{
	for (int i = 0; i < CASE_SLOTS; i++)
		put((u64 *)root + CASE_SLOT + i, 0);
	controls_default();
	flush_all();
}

static void run_cases(const struct test_case *c, const char *only)
{
	u64 home = root;

	for (; c->name; c++) {
		u64 before = failures;

		if (only && strcmp(only, c->name))
			continue;
		where = c->name;
		if (c->can && !c->can()) {
			if (!quiet)
				printf("access: case %s skipped: %s\n", c->name, c->needs);
			continue;
		}
		begin_case();
		c->run();
		if (root != home)
			space_use(home, 0);
		cases_run++;
		if (!quiet || failures != before)
			printf("access: case %s %s\n", c->name,
			       failures == before ? "ok" : "FAILED");
	}
}

static void run_part(const struct part *p, u64 sizes, const char *only)
{
	u64 c = combinations, n = cases_run, f = failures;
	u64 start = rdtsc();
	char place[16];

	where = p->name;
	for (enum site_size s = 0; p->matrix && s < SITES; s++) {
		if (!(sizes >> s & 1) || (s == SITE_1G && !cpu.page1g))
			continue;
		snprintf(place, sizeof(place), "%s %s", p->name, size_name[s]);
		where = place;
		p->matrix(s);
	}
	if (p->cases)
		run_cases(p->cases, only);
	printf("access: part %s: %lu combinations, %lu cases, %lu failures, %lu cycles\n", p->name,
	       combinations - c, cases_run - n, failures - f, rdtsc() - start);
}

static void print_help(void)
{
	printf("The guest access test. Keys:\n"
	       "  part=NAME   " PART_CHOICES " (all)\n"
	       "              fast is a spread of one in 8 of all combinations, and every case;\n"
	       "              cases is every case and nothing else;\n"
	       "              full is the literal product, tens of millions: for real hardware\n"
	       "  size=all|4k|2m|1g  pages of which size (all)\n"
	       "  thin=N      take one combination in N (1; fast: 8)\n"
	       "  case=NAME   only this case\n"
	       "  map=2m|4k|1g  page size of the test kernel's own map (2m)\n"
	       "  quiet       say only what fails\n");
	print_kernel_keys();
}

int guest_main(void)
{
	static const u64 size_sets[] = { 7, 1, 2, 4 };
	u64 part = cmdline_choice("part", 0, PART_CHOICES);
	u64 sizes = size_sets[cmdline_choice("size", 0, "all|4k|2m|1g")];
	const char *only = cmdline_get("case");

	if (cmdline_get("workload")) {
		print_help();
		return GUEST_STATUS_OK;
	}
	thin = cmdline_number("thin", part == PART_FAST ? 8 : 1, 1, 1 << 20);
	quiet = cmdline_number("quiet", 0, 0, 1);
	space_init();
	cmdline_check();
	matrix_init();
	printf("access: physical width %u, nx=%d smep=%d smap=%d pge=%d pcid=%d invpcid=%d "
	       "1g=%d\n",
	       64 - __builtin_clzl(cpu.phys_mask), cpu.nx, cpu.smep, cpu.smap, cpu.pge, cpu.pcid,
	       cpu.invpcid, cpu.page1g);
	for (u32 i = 0; i < ARRAY_SIZE(parts); i++) {
		if (part == PART_CASES	? parts[i].cases != NULL
		    : part < PART_CASES ? parts[i].always
					: part - PART_CASES - 1 == i)
			run_part(&parts[i], sizes, only);
	}
	printf("access: %lu combinations, %lu cases, %lu failures\n", combinations, cases_run,
	       failures);
	return failures ? GUEST_STATUS_FAILED : GUEST_STATUS_OK;
}

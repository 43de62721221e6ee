// SPDX-License-Identifier: GPL-2.0-only
/*
 * walkmodel: what walks would cost on a named CPU. Replays the accesses of a memory trace of the
 * emulated host, or of a generator, through the model of walker.h. Every row is labelled modelled.
 *
 * The emulated CPU tags no translation with VPID or PCID and has no paging-structure caches; this
 * is where their worth shows. So that the model deserves trust it is held against the trace: given
 * Bochs's own geometry it must arrive at the very walks and references that the trace has.
 *
 * What the trace does not show, and what is done about it:
 * - Instruction fetches show only where they walk. They are replayed there.
 * - MOV to CR3 shows in the root of the walks after it; one that loads the same root, and INVLPG,
 *   do not. A replica of Bochs's TLB runs along: a walk that it would not have needed means such a
 *   flush, and the address is forgotten in every model. In a check it is a difference.
 * - INVVPID and INVEPT do not show. An entry that has changed since it was last read means one.
 */
#include "walker.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_MODELS  16
#define MAX_PENDING 8

/* Bochs 2.7, cpu/cpu.h and cpu/paging.cc. */
static const struct cpu_config bochs = {
	.name = "Bochs",
	.dtlb = { { 2048, 1, 1u << PAGE_4K } },
	.itlb = { { 1024, 1, 1u << PAGE_4K } },
	.fracture = true,
	.first_write_walks = true,
};

/* A walk that has not found the access that it was for. */
struct pending {
	struct walk walk;
	uint64_t lin, context;
	unsigned int shift;
	bool changed;
};

struct stream {
	struct book book;
	struct model *replica, *model[MAX_MODELS];
	struct cpu_config config[MAX_MODELS];
	unsigned int models;
	uint64_t root[2]; /* hypervisor, guest: context of the last walk */
	struct pending pending[MAX_PENDING];
	unsigned int pendings;
	/* What the trace itself has, of the guest, and how the replica differs. */
	uint64_t walks, refs[2][5];
	uint64_t not_foreseen, not_made, as_shown;
	uint64_t region;
	bool open, check, failed;
	char name[128];
};

/* ---- rows ---- */

static uint64_t sum_refs(const uint64_t refs[5])
{
	return refs[1] + refs[2] + refs[3] + refs[4];
}

static void print_header(const struct stream *s)
{
	if (s->check)
		puts("stream,region,walks_traced,walks_modelled,refs_guest_traced,"
		     "refs_guest_modelled,refs_nested_traced,refs_nested_modelled,not_foreseen,"
		     "not_made,taken_as_shown,verdict");
	else
		puts("stream,region,cpu,accesses,accesses_unknown,tlb_l1_hits,tlb_l2_hits,walks,"
		     "walk_refs_guest,"
		     "walk_refs_nested,refs_per_walk,walk_cycles,cycles_per_walk,"
		     "translation_cycles_per_access,data_cycles_per_access,host_walks,"
		     "host_walk_cycles,assumptions,kind");
}

static void print_ratio(uint64_t a, uint64_t b)
{
	if (b)
		printf("%.3f", (double)a / (double)b);
	putchar(',');
}

static void print_model(const struct stream *s, struct model *m)
{
	const struct model_counts *c = model_counts(m, true), *host = model_counts(m, false);
	uint64_t refs = sum_refs(c->refs[0]), nested = sum_refs(c->refs[1]);

	printf("%s,%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
	       ",%" PRIu64 ",%" PRIu64 ",",
	       s->name, s->region, model_config(m)->name, c->accesses, c->unknown, c->l1_hits,
	       c->stlb_hits, c->walks, refs, nested);
	print_ratio(refs + nested, c->walks);
	printf("%" PRIu64 ",", c->walk_cycles);
	print_ratio(c->walk_cycles, c->walks);
	print_ratio(c->walk_cycles + c->stlb_cycles, c->accesses);
	print_ratio(c->data_cycles, c->accesses);
	printf("%" PRIu64 ",%" PRIu64 ",%u,modelled\n", host->walks, host->walk_cycles,
	       model_config(m)->assumptions);
}

static void print_check(struct stream *s)
{
	const struct model_counts *c = model_counts(s->replica, true);
	bool same = c->walks == s->walks && !memcmp(c->refs, s->refs, sizeof(s->refs)) &&
		    !s->not_foreseen && !s->not_made;

	printf("%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
	       ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%s\n",
	       s->name, s->region, s->walks, c->walks, sum_refs(s->refs[0]), sum_refs(c->refs[0]),
	       sum_refs(s->refs[1]), sum_refs(c->refs[1]), s->not_foreseen, s->not_made,
	       s->as_shown, same ? "same" : "differs");
	s->failed |= !same;
}

/* ---- the replay of a trace ---- */

static void each_model(struct stream *s, enum model_use use, uint64_t context, uint64_t lin,
		       uint64_t phys)
{
	for (unsigned int i = 0; i < s->models; i++)
		model_access(s->model[i], &s->book, context, lin, phys, use);
}

static void forget_everywhere(struct stream *s, uint64_t context, uint64_t lin)
{
	for (unsigned int i = 0; i < s->models; i++)
		model_forget(s->model[i], context, lin);
}

static void replay_as_shown(struct stream *s, const struct walk *walk, bool guest)
{
	model_walk_as_shown(s->replica, walk, guest);
	for (unsigned int i = 0; i < s->models; i++)
		model_walk_as_shown(s->model[i], walk, guest);
	s->as_shown += guest;
}

/*
 * A walk that no access followed: an instruction fetch. Of a large page the walk does not say which
 * 4 KiB it was for, and Bochs's TLB holds no more than that: the replica takes the walk as shown.
 */
static void replay_fetch(struct stream *s, const struct pending *p)
{
	bool guest = p->context & 1;

	if (p->shift > 12) {
		model_walk_as_shown(s->replica, &p->walk, guest);
		s->as_shown += guest;
	} else if (model_access(s->replica, &s->book, p->context, p->lin, 0, USE_FETCH) != WALKED) {
		s->not_foreseen += guest;
		forget_everywhere(s, p->context, p->lin);
	}
	each_model(s, USE_FETCH, p->context, p->lin, 0);
}

static void drain(struct stream *s, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		replay_fetch(s, &s->pending[i]);
	s->pendings -= count;
	memmove(s->pending, s->pending + count, s->pendings * sizeof(s->pending[0]));
}

static void on_walk(void *who, const struct walk *walk, bool in_guest)
{
	struct stream *s = who;
	struct pending *p;
	uint64_t context = in_guest;

	if (in_guest) {
		s->walks++;
		for (unsigned int i = 0; i < walk->refs; i++)
			s->refs[walk->ref[i].nested][walk->ref[i].level]++;
	}
	if (!walk->complete) {
		drain(s, s->pendings);
		replay_as_shown(s, walk, in_guest);
		return;
	}
	if (s->pendings == MAX_PENDING)
		drain(s, 1);
	for (unsigned int i = 0; i < walk->refs; i++) {
		if (!walk->ref[i].nested) {
			context |= walk->ref[i].phys & ~0xfffull;
			break;
		}
	}
	if (context != s->root[in_guest]) {
		drain(s, s->pendings);
		if (s->root[in_guest]) {
			model_new_root(s->replica, in_guest);
			for (unsigned int i = 0; i < s->models; i++)
				model_new_root(s->model[i], in_guest);
		}
		s->root[in_guest] = context;
	}
	p = &s->pending[s->pendings++];
	p->walk = *walk;
	p->context = context;
	p->shift = book_learn(&s->book, context, walk, &p->lin, &p->changed)->shift;
	if (p->changed)
		forget_everywhere(s, context, p->lin);
}

static bool in_page(const struct pending *p, uint64_t lin)
{
	return lin >> p->shift == p->lin >> p->shift;
}

static void on_access(void *who, const struct trace_line *line, bool in_guest)
{
	struct stream *s = who;
	enum model_use use = line->write ? USE_WRITE : USE_READ;
	uint64_t context = s->root[in_guest];
	enum model_result foreseen;
	unsigned int own;

	if (line->kind != LINE_LINEAR)
		return;
	for (own = 0; own < s->pendings; own++)
		if (in_page(&s->pending[own], line->lin))
			break;
	drain(s, own); /* all of them, where none is its own */
	foreseen = model_access(s->replica, &s->book, context, line->lin, line->phys, use);
	if (s->pendings && foreseen != WALKED && s->pending[0].shift > 12) {
		/* Its large page is the instruction's too. */
		drain(s, 1);
	} else if (s->pendings) {
		if (foreseen != WALKED) {
			s->not_foreseen += in_guest;
			forget_everywhere(s, context, line->lin);
		}
		s->pendings--;
		memmove(s->pending, s->pending + 1, s->pendings * sizeof(s->pending[0]));
	} else if (foreseen == WALKED || foreseen == NOT_KNOWN) {
		s->not_made += in_guest;
	}
	each_model(s, use, context, line->lin, line->phys);
}

static void on_transition(void *who, bool in_guest)
{
	struct stream *s = who;

	(void)in_guest;
	drain(s, s->pendings);
	model_transition(s->replica);
	for (unsigned int i = 0; i < s->models; i++)
		model_transition(s->model[i]);
}

static void on_region(void *who, bool begins, uint64_t tick)
{
	struct stream *s = who;

	(void)tick;
	drain(s, s->pendings);
	if (!begins && s->open) {
		if (s->check)
			print_check(s);
		for (unsigned int i = 0; i < s->models && !s->check; i++)
			print_model(s, s->model[i]);
	}
	s->open = begins;
	if (!begins)
		return;
	s->region++;
	s->root[0] = s->root[1] = 0;
	s->walks = s->not_foreseen = s->not_made = s->as_shown = 0;
	memset(s->refs, 0, sizeof(s->refs));
	book_clear(&s->book);
	model_reset(s->replica);
	for (unsigned int i = 0; i < s->models; i++)
		model_reset(s->model[i]);
}

static const struct trace_ops replaying = {
	.region = on_region,
	.walk = on_walk,
	.access = on_access,
	.transition = on_transition,
};

static int replay(struct stream *s, const char *path)
{
	struct trace trace = { .ops = &replaying, .who = s };
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;

	if (fd < 0 || trace_read(&trace, fd) < 0) {
		fprintf(stderr, "walkmodel: cannot read %s: %s\n", path, strerror(errno));
		return 2;
	}
	if (s->open || trace.unknown || !s->region) {
		fprintf(stderr, "walkmodel: %s is cut off, has no region, or is no trace\n", path);
		return 2;
	}
	return s->failed;
}

/* ---- generated streams ---- */

enum pattern { CHASE, GUPS, PHASE, PATTERNS };

static const char *const pattern_names[PATTERNS] = { "chase", "gups", "phase" };

struct generator {
	enum pattern pattern;
	uint64_t bytes, ops;
	uint64_t updates; /* of the table, per 1,000 accesses */
	int page;	  /* enum page_size of the guest */
	int nested;	  /* enum page_size of the second dimension, or -1 */
};

/* Where generated tables are; far apart, so that they share no cache line with data. */
#define LIN_BASE     0x8040000000ull
#define GUEST_DATA   0x4000000000ull
#define GUEST_TABLES 0x1000000000ull
#define HOST_TABLES  0x2000000000ull
#define HOST_OFFSET  0x8000000000ull /* host-physical minus guest-physical */
#define TABLE_STRIDE 0x0100000000ull /* between tables of different levels */

static uint64_t table_entry(uint64_t base, unsigned int level, uint64_t address)
{
	return base + level * TABLE_STRIDE + (address >> (level_shift(level) + 9)) * 4096 +
	       (address >> level_shift(level) & 0x1ff) * 8;
}

static void add_entry(struct walk *walk, uint64_t phys, unsigned int level, unsigned int leaf,
		      bool nested)
{
	struct walk_ref *ref = &walk->ref[walk->refs++];

	ref->phys = phys;
	ref->value = (nested ? 7 : 1) | (level == leaf && level > 1 ? 1u << 7 : 0);
	ref->level = (uint8_t)level;
	ref->nested = nested;
	walk->guest_refs += !nested;
}

static void add_nested(const struct generator *g, struct walk *walk, uint64_t gpa)
{
	unsigned int leaf = (unsigned int)g->nested + 1;

	for (unsigned int level = 4; level >= leaf; level--)
		add_entry(walk, table_entry(HOST_TABLES, level, gpa), level, leaf, true);
}

static void make_walk(const struct generator *g, struct walk *walk, uint64_t lin)
{
	unsigned int leaf = (unsigned int)g->page + 1;

	*walk = (struct walk){ .nested = g->nested >= 0, .complete = true };
	for (unsigned int level = 4; level >= leaf; level--) {
		uint64_t gpa = table_entry(GUEST_TABLES, level, lin);

		if (walk->nested)
			add_nested(g, walk, gpa);
		add_entry(walk, gpa + (walk->nested ? HOST_OFFSET : 0), level, leaf, false);
	}
	if (walk->nested)
		add_nested(g, walk, lin - LIN_BASE + GUEST_DATA);
}

static void generate_access(struct stream *s, const struct generator *g, uint64_t offset,
			    enum model_use use)
{
	uint64_t lin = LIN_BASE + offset, page, context = 1;
	uint64_t phys = GUEST_DATA + offset + (g->nested >= 0 ? HOST_OFFSET : 0);
	struct walk walk;
	bool changed;

	if (!book_find(&s->book, context, lin)) {
		make_walk(g, &walk, lin);
		book_learn(&s->book, context, &walk, &page, &changed);
	}
	each_model(s, use, context, lin, phys);
}

static uint64_t random_below(uint64_t *state, uint64_t limit)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 33) * limit >> 31;
}

/* As workloads/chase.c: one cycle through all pages, another line in each. */
static void generate_chase(struct stream *s, const struct generator *g, uint64_t ops,
			   uint64_t *state)
{
	uint64_t nodes = g->bytes / 4096, at = 0;
	uint32_t *next = malloc(nodes * sizeof(*next));

	if (!next) {
		fputs("walkmodel: no memory for that size\n", stderr);
		exit(2);
	}
	for (uint64_t i = 0; i < nodes; i++)
		next[i] = (uint32_t)i;
	for (uint64_t i = nodes - 1; i > 0; i--) {
		uint64_t other = random_below(state, i);
		uint32_t t = next[i];

		next[i] = next[other];
		next[other] = t;
	}
	for (uint64_t i = 0; i < ops; i++, at = next[at])
		generate_access(s, g, at * 4096 + at * 37 % 64 * 64, USE_READ);
	free(next);
}

/* As workloads/gups.c: a random entry is read, and written. */
static void generate_gups(struct stream *s, const struct generator *g, uint64_t ops,
			  uint64_t *state)
{
	for (uint64_t i = 0; i < ops; i++) {
		uint64_t offset = random_below(state, g->bytes / 8) * 8;

		generate_access(s, g, offset, USE_READ);
		generate_access(s, g, offset, USE_WRITE);
	}
}

/*
 * As workloads/phase.c: a random line, whose page has been flushed before where its entry was
 * updated. The store to the entry, and the other frame, are left out.
 */
static void generate_phase(struct stream *s, const struct generator *g, uint64_t ops,
			   uint64_t *state)
{
	uint64_t due = 0;

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t offset = random_below(state, g->bytes / 64) * 64;

		due += g->updates;
		if (due >= 1000) {
			due -= 1000;
			forget_everywhere(s, 1, LIN_BASE + offset);
		}
		generate_access(s, g, offset, USE_READ);
	}
}

/* The first pass fills the caches and is not counted. */
static int generate(struct stream *s, const struct generator *g)
{
	static void (*const run[PATTERNS])(struct stream *, const struct generator *, uint64_t,
					   uint64_t *) = { generate_chase, generate_gups,
							   generate_phase };

	for (int pass = 0; pass < 2; pass++) {
		uint64_t state = 0x6368617365ull;

		for (unsigned int i = 0; i < s->models; i++)
			*model_counts(s->model[i], true) = (struct model_counts){ 0 };
		run[g->pattern](s, g, g->ops ? g->ops : g->bytes / 4096 * 4, &state);
	}
	for (unsigned int i = 0; i < s->models; i++)
		print_model(s, s->model[i]);
	return 0;
}

/* ---- the command line ---- */

static void usage(FILE *to)
{
	fputs("usage: walkmodel --cpu FILE [--cpu FILE...] [TRACE]\n"
	      "       walkmodel --cpu FILE [--cpu FILE...] --generate chase|gups|phase "
	      "[OPTION...]\n"
	      "       walkmodel --check [TRACE]\n"
	      "\n"
	      "Replays accesses through models of named CPUs (bench/walk/cpus/*.conf) and prints "
	      "one\n"
	      "CSV row per region and CPU. TRACE is a memory trace of the emulated host, a file "
	      "or\n"
	      "a pipe, default standard input.\n"
	      "\n"
	      "  --cpu FILE       a CPU's parameters; may be repeated\n"
	      "  --check          replay on Bochs's own TLBs, and compare walks and references\n"
	      "                   with those of the trace itself\n"
	      "  --generate NAME  no trace: a pointer chase, random updates, or loads and flushes\n"
	      "  --size BYTES     of the generator's working set, K, M, G may follow (16M)\n"
	      "  --page SIZE      its page size: 4k, 2m, 1g (4k)\n"
	      "  --nested SIZE    its second dimension: none, 4k, 2m, 1g (none; so is a shadow)\n"
	      "  --updates N      of phase: table updates per 1,000 accesses (0)\n"
	      "  --ops N          its accesses (default: four times through all pages)\n"
	      "  --set WORD=N     tag_vpid=0|1 or tag_pcid=0|1 for all CPUs, against their files\n"
	      "  --name TEXT      what rows call the stream\n"
	      "  --columns        print the header and exit\n"
	      "  --prices         print what exits, flushes and instructions cost on these CPUs\n"
	      "  --help           this text\n"
	      "\n"
	      "Exit status: 0; 1 if a check differs; 2 wrong usage or input.\n",
	      to);
}

static int fail(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "walkmodel: %s %s: %s is expected\n", option, value, expected);
	return 2;
}

static bool parse_bytes(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMG";
	char *end;
	const char *unit;

	*bytes = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit)
		*bytes <<= 10 * (unit - units + 1);
	return end != text && (!*end || (unit && !end[1])) && *bytes >= 8192 &&
	       *bytes <= 1ull << 37;
}

static int parse_page(const char *text)
{
	static const char *const names[] = { "4k", "2m", "1g" };

	for (int i = 0; i < PAGE_SIZES; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -1;
}

static bool parse_pattern(const char *text, enum pattern *pattern)
{
	for (int i = 0; i < PATTERNS; i++) {
		if (!strcmp(text, pattern_names[i])) {
			*pattern = (enum pattern)i;
			return true;
		}
	}
	return false;
}

static bool add_cpu(struct stream *s, const char *path)
{
	FILE *file;
	bool good;

	if (s->models == MAX_MODELS) {
		fprintf(stderr, "walkmodel: %d CPUs at a time are enough\n", MAX_MODELS);
		return false;
	}
	file = fopen(path, "re");
	if (!file) {
		fprintf(stderr, "walkmodel: cannot read %s: %s\n", path, strerror(errno));
		return false;
	}
	good = cpu_read(&s->config[s->models++], file, path);
	fclose(file);
	return good;
}

struct settings {
	int tag_vpid, tag_pcid; /* -1: as in the files */
	bool generate, prices;
	struct generator generator;
};

static bool parse_set(struct settings *set, const char *text)
{
	const char *value = strchr(text, '=');
	size_t n = value ? (size_t)(value - text) : 0;
	int *which = NULL;

	if (n == 8 && !strncmp(text, "tag_vpid", n))
		which = &set->tag_vpid;
	if (n == 8 && !strncmp(text, "tag_pcid", n))
		which = &set->tag_pcid;
	if (!which || (value[1] != '0' && value[1] != '1') || value[2])
		return false;
	*which = value[1] - '0';
	return true;
}

static int parse(struct stream *s, struct settings *set, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "cpu", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "generate", required_argument, NULL, 'g' },
		{ "size", required_argument, NULL, 's' },
		{ "page", required_argument, NULL, 'p' },
		{ "nested", required_argument, NULL, 'e' },
		{ "ops", required_argument, NULL, 'o' },
		{ "updates", required_argument, NULL, 'u' },
		{ "set", required_argument, NULL, 'S' },
		{ "name", required_argument, NULL, 'n' },
		{ "columns", no_argument, NULL, 'C' },
		{ "prices", no_argument, NULL, 'P' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct generator *g = &set->generator;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (!add_cpu(s, optarg))
				return 2;
			break;
		case 'k':
			s->check = true;
			break;
		case 'g':
			set->generate = true;
			if (!parse_pattern(optarg, &g->pattern))
				return fail("--generate", optarg, "chase, gups or phase");
			break;
		case 's':
			if (!parse_bytes(optarg, &g->bytes))
				return fail("--size", optarg, "a size from 8K to 128G");
			break;
		case 'p':
			g->page = parse_page(optarg);
			if (g->page < 0)
				return fail("--page", optarg, "4k, 2m or 1g");
			break;
		case 'e':
			g->nested = parse_page(optarg);
			if (g->nested < 0 && strcmp(optarg, "none"))
				return fail("--nested", optarg, "none, 4k, 2m or 1g");
			break;
		case 'o':
			g->ops = strtoull(optarg, &end, 10);
			if (*end || !g->ops)
				return fail("--ops", optarg, "a number");
			break;
		case 'u':
			g->updates = strtoull(optarg, &end, 10);
			if (end == optarg || *end || g->updates > 1000)
				return fail("--updates", optarg, "a number from 0 to 1000");
			break;
		case 'S':
			if (!parse_set(set, optarg))
				return fail("--set", optarg, "tag_vpid=0|1 or tag_pcid=0|1");
			break;
		case 'n':
			snprintf(s->name, sizeof(s->name), "%s", optarg);
			break;
		case 'C':
			print_header(s);
			exit(0);
		case 'P':
			set->prices = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			fputs("walkmodel: see walkmodel --help\n", stderr);
			return 2;
		}
	}
	if (argc - optind > 1 || (set->generate && (argc > optind || s->check))) {
		fputs("walkmodel: one trace, or --generate, at a time; see walkmodel --help\n",
		      stderr);
		return 2;
	}
	if (!s->check && !s->models) {
		fputs("walkmodel: say --cpu FILE; bench/walk/cpus has some\n", stderr);
		return 2;
	}
	return 0;
}

/* No field holds a comma: 1,000 becomes 1000, and any other a semicolon. */
static void print_source(const char *source)
{
	for (const char *c = source; *c; c++)
		if (*c != ',')
			putchar(*c);
		else if (c[1] == ' ')
			putchar(';');
}

static void print_prices(const struct stream *s)
{
	puts("cpu,price,low,mid,high,meaning,source");
	for (unsigned int i = 0; i < s->models; i++) {
		for (int price = 0; price < CPU_PRICE_NR; price++) {
			const struct cpu_band *band = &s->config[i].price[price];

			if (!band->value[CPU_HIGH])
				continue;
			printf("%s,%s,%u,%u,%u,%s,", s->config[i].name, cpu_price_names[price],
			       band->value[CPU_LOW], band->value[CPU_MID], band->value[CPU_HIGH],
			       cpu_price_sentences[price]);
			print_source(band->source);
			putchar('\n');
		}
	}
}

static int flush_output(int status)
{
	if (fflush(stdout)) {
		fprintf(stderr, "walkmodel: cannot write: %s\n", strerror(errno));
		return 2;
	}
	return status;
}

int main(int argc, char **argv)
{
	static struct stream s;
	struct settings set = { .tag_vpid = -1,
				.tag_pcid = -1,
				.generator = { .bytes = 16 << 20, .nested = -1 } };
	const char *path;
	int status = parse(&s, &set, argc, argv);

	if (status)
		return status;
	if (set.prices) {
		print_prices(&s);
		return flush_output(0);
	}
	path = optind < argc ? argv[optind] : "-";
	if (!*s.name)
		snprintf(s.name, sizeof(s.name), "%s",
			 set.generate ? pattern_names[set.generator.pattern] : path);
	s.replica = model_new(&bochs);
	for (unsigned int i = 0; i < s.models; i++) {
		if (set.tag_vpid >= 0)
			s.config[i].tag_vpid = set.tag_vpid;
		if (set.tag_pcid >= 0)
			s.config[i].tag_pcid = set.tag_pcid;
		s.model[i] = model_new(&s.config[i]);
	}
	print_header(&s);
	status = set.generate ? generate(&s, &set.generator) : replay(&s, path);
	book_clear(&s.book);
	model_free(s.replica);
	for (unsigned int i = 0; i < s.models; i++)
		model_free(s.model[i]);
	return flush_output(status);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of everything in this folder that needs no emulator: the reader of traces, the model,
 * its parameter files and the choice of performance events. Prints TAP.
 */
#include "cpu.h"
#include "pmu.h"
#include "trace.h"
#include "walker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static unsigned int tests, failures;

static void __attribute__((format(printf, 2, 3))) ok(bool good, const char *format, ...)
{
	va_list args;

	printf("%sok %u - ", good ? "" : "not ", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	failures += !good;
}

static void is(uint64_t got, uint64_t want, const char *what)
{
	ok(got == want, "%s: %" PRIu64, what, want);
	if (got != want)
		printf("# got %" PRIu64 "\n", got);
}

/* ---- lines ---- */

static void test_lines(void)
{
	struct trace_line l;

	ok(trace_parse("[CPU0 RD]: PHY 0x000001011010 (len=8, WB): 0x00000001 0x01017023\t; PML4E",
		       &l) &&
		   l.kind == LINE_ENTRY && l.level == 4 && !l.nested && !l.write &&
		   l.phys == 0x1011010 && l.value == 0x101017023 && l.len == 8,
	   "a PML4E");
	ok(trace_parse(
		   "[CPU0 RD]: PHY 0x000005149000 (len=8, WB): 0x00000000 0x05148907\t; EPT PDPTE",
		   &l) &&
		   l.kind == LINE_ENTRY && l.level == 3 && l.nested,
	   "an EPT PDPTE");
	ok(trace_parse("[CPU12 WR]: PHY 0x000000102000 (len=8, WB): 0x00000000 0x00100163\t; PTE\n",
		       &l) &&
		   l.kind == LINE_ENTRY && l.level == 1 && l.write,
	   "a write of a PTE's dirty flag, of a CPU with two digits");
	ok(trace_parse("[CPU0 RW]: LIN 0xffff888001050280 PHY 0x000001050280 (len=2, WB): 0x0004",
		       &l) &&
		   l.kind == LINE_LINEAR && l.write && l.lin == 0xffff888001050280 &&
		   l.phys == 0x1050280 && l.value == 4,
	   "read-modify-write by linear address");
	ok(trace_parse("[CPU0 WR]: PHY 0x000001050280 (len=8, WB): 0x00000000 0x00000005", &l) &&
		   l.kind == LINE_PHYSICAL && l.write,
	   "an access without translation");
	ok(trace_parse("[CPU0 WR]: PHY 0x000005157918 (len=4, INVALID): 0x00000000\t; VMCS", &l) &&
		   l.kind == LINE_VMCS && l.write,
	   "a VMCS field");
	ok(trace_parse("[CPU0 RD]: PHY 0x000005157918 (len=1, WB): 0x00\t; MSR BITMAP", &l) &&
		   l.kind == LINE_OTHER,
	   "a bitmap is nobody's walk");
	ok(trace_parse("[CPU0 WR]: LIN 0x0000000000001000 PHY 0x000000001000 (len=3, WB): 01 02 03",
		       &l) &&
		   l.kind == LINE_LINEAR,
	   "bytes that are printed one by one");
	ok(trace_parse("# region 7 begins at tick 2226356", &l) && l.kind == LINE_BEGIN &&
		   l.value == 2226356,
	   "the begin of a region");
	ok(trace_parse("# region 7 ends at tick 1", &l) && l.kind == LINE_END, "the end of one");
	ok(!trace_parse("Next at t=12", &l) && !trace_parse("", &l) && !trace_parse("[CPU", &l) &&
		   !trace_parse("[CPU0 RD]: PHY zero", &l) && !trace_parse("[CPU0 RD]", &l),
	   "what is no trace is refused");
}

/* ---- walks ---- */

struct seen {
	unsigned int walks[2], refs[2], nested[2], complete, accesses, exits, entries;
	uint64_t lin;
	unsigned int shift;
};

static void see_walk(void *who, const struct walk *walk, bool in_guest)
{
	struct seen *seen = who;

	seen->walks[in_guest]++;
	seen->refs[in_guest] += walk->refs;
	seen->nested[in_guest] += walk->refs - walk->guest_refs;
	seen->complete += walk->complete;
	if (walk->complete)
		seen->shift = walk_page(walk, &seen->lin);
}

static void see_access(void *who, const struct trace_line *line, bool in_guest)
{
	(void)line;
	(void)in_guest;
	((struct seen *)who)->accesses++;
}

static void see_transition(void *who, bool in_guest)
{
	struct seen *seen = who;

	if (in_guest)
		seen->entries++;
	else
		seen->exits++;
}

static const struct trace_ops seeing = {
	.walk = see_walk,
	.access = see_access,
	.transition = see_transition,
};

static void entry(struct trace *trace, bool write, const char *kind, uint64_t phys, uint64_t value)
{
	char line[128];

	snprintf(line, sizeof(line),
		 "[CPU0 %s]: PHY 0x%012" PRIx64 " (len=8, WB): 0x%08" PRIX64 " 0x%08" PRIX64
		 "\t; %s",
		 write ? "WR" : "RD", phys, value >> 32, value & 0xffffffff, kind);
	trace_line(trace, line);
}

/* Three levels of EPT, to a 2 MiB page. */
static void nested_group(struct trace *trace)
{
	entry(trace, false, "EPT PML4E", 0x514a000, 0x5149907);
	entry(trace, false, "EPT PDPTE", 0x5149000, 0x5148907);
	entry(trace, false, "EPT PDE", 0x5148040, 0x4e00bf7);
}

static void guest_walk(struct trace *trace, bool nested, uint64_t pte)
{
	static const char *const kinds[] = { "PML4E", "PDPTE", "PDE", "PTE" };
	static const uint64_t where[] = { 0x4e11010, 0x4e16008, 0x5501010, 0x5502018 };

	for (int i = 0; i < 4; i++) {
		if (nested)
			nested_group(trace);
		entry(trace, false, kinds[i], where[i], i == 3 ? pte : 0x102023);
	}
}

static const char access_line[] =
	"[CPU0 RD]: LIN 0x0000010000000000 PHY 0x000000100000 (len=8, WB): 0x00000000 0x00000000";

static void test_walks(void)
{
	struct seen seen = { 0 };
	struct trace trace = { .ops = &seeing, .who = &seen };

	trace_line(&trace, "# region 1 begins at tick 1");
	guest_walk(&trace, false, 0x100123);
	entry(&trace, true, "PTE", 0x5502018, 0x100163);
	trace_line(&trace, access_line);
	is(seen.walks[1], 1, "one dimension: walks");
	is(seen.refs[1], 4, "one dimension: references, without the dirty flag's write");
	is(seen.complete, 1, "it found its page");
	is(seen.shift, 12, "a page of 4 KiB");
	is(seen.lin, 0x10040403000, "at the address that its entries' places say");

	seen = (struct seen){ 0 };
	guest_walk(&trace, true, 0x100123);
	nested_group(&trace);
	guest_walk(&trace, true, 0x100123);
	nested_group(&trace);
	trace_line(&trace, access_line);
	is(seen.walks[1], 2, "two dimensions, back to back: walks");
	is(seen.refs[1], 38, "two dimensions, 4 KiB on 2 MiB: references");
	is(seen.nested[1], 30, "of them nested");
	is(seen.complete, 2, "both found their pages");

	seen = (struct seen){ 0 };
	guest_walk(&trace, true, 0); /* not present: the handler's walk comes next */
	guest_walk(&trace, true, 0x100123);
	nested_group(&trace);
	trace_line(&trace, access_line);
	is(seen.walks[1], 2, "after a walk that faults: walks");
	is(seen.refs[1], 16 + 19, "and references");
	is(seen.complete, 1, "of which one found its page");

	seen = (struct seen){ 0 };
	guest_walk(&trace, true, 0x100121); /* present, but say the access was a write */
	guest_walk(&trace, true, 0x100123);
	nested_group(&trace);
	trace_line(&trace, access_line);
	is(seen.walks[1], 2, "after a walk that is refused at its last entry: walks");
	is(seen.refs[1], 16 + 19, "and references");
	is(seen.complete, 1, "the nested walk in between belongs to the second");

	seen = (struct seen){ 0 };
	nested_group(&trace);
	trace_line(&trace, "[CPU0 WR]: PHY 0x000005157918 (len=4, INVALID): 0x00000030\t; VMCS");
	guest_walk(&trace, false, 0x100123);
	trace_line(&trace, access_line);
	trace_line(&trace, "[CPU0 RD]: PHY 0x000005157008 (len=4, INVALID): 0x00000001\t; VMCS");
	guest_walk(&trace, false, 0x100123);
	trace_line(&trace, "# region 1 ends at tick 2");
	is(seen.exits, 1, "an EPT violation: exits");
	is(seen.entries, 1, "and the entry after it");
	is(seen.walks[1], 2, "walks of the guest, that which the exit cut off included");
	is(seen.walks[0], 1, "walks of the hypervisor");
	is(seen.refs[0], 4, "references of the hypervisor");
	is(trace.unknown, 0, "every line was understood");
}

/* ---- the model ---- */

/* A small CPU: four 4 KiB entries in the first level, eight in the second. */
static const char small_cpu[] = "name small # test\n"
				"dtlb 4k 4 4 # test\n"
				"dtlb 2m 2 2 # test\n"
				"itlb 4k 2 2 # test\n"
				"stlb 4k 8 8 # test\n"
				"stlb_cycles 7 # assumption\n"
				"cache 4K 8 4 # test\n"
				"memory_cycles 100 # test\n";

static bool read_text(struct cpu_config *cpu, const char *text, const char *more)
{
	char all[2048];
	FILE *file;
	bool good;

	snprintf(all, sizeof(all), "%s%s", text, more);
	file = fmemopen(all, strlen(all), "r");
	if (!file)
		return false;
	good = cpu_read(cpu, file, "test");
	fclose(file);
	return good;
}

/* The walk of a 4 KiB page; with nested paging each pointer is found on a 2 MiB EPT page. */
static void make_walk(struct walk *walk, uint64_t lin, bool nested, bool global)
{
	*walk = (struct walk){ .nested = nested, .complete = true };
	for (int level = 4; level >= 0; level--) {
		uint64_t table = 0x10000000ull + (uint64_t)level * 0x1000000 +
				 (lin >> (level * 9 + 12) << 12);
		uint64_t gpa = level ? table : 0x40000000 + lin;

		for (int e = 4; nested && e >= 2; e--)
			walk->ref[walk->refs++] =
				(struct walk_ref){ 0x80000000ull + (uint64_t)e * 0x1000000 +
							   (gpa >> (e * 9 + 3) & 0x1ff) * 8,
						   e == 2 ? 0x87 : 7, (uint8_t)e, true };
		if (!level)
			break;
		walk->ref[walk->refs++] =
			(struct walk_ref){ table + (lin >> (level * 9 + 3) & 0x1ff) * 8,
					   1 | (global ? 0x100 : 0), (uint8_t)level, false };
		walk->guest_refs++;
	}
}

static struct book book;

static enum model_result touch(struct model *m, uint64_t context, uint64_t page, bool nested,
			       enum model_use use)
{
	uint64_t lin = page << 12, where;
	struct walk walk;
	bool changed;

	make_walk(&walk, lin, nested, page >= 0x100);
	book_learn(&book, context, &walk, &where, &changed);
	return model_access(m, &book, context, lin, 0, use);
}

static uint64_t all_refs(struct model *m)
{
	const struct model_counts *c = model_counts(m, true);
	uint64_t sum = 0;

	for (int level = 1; level <= 4; level++)
		sum += c->refs[0][level] + c->refs[1][level];
	return sum;
}

/* References of one access; the CPU stays. */
static uint64_t refs_of(struct model *m, uint64_t context, uint64_t page, bool nested)
{
	uint64_t before = all_refs(m);

	touch(m, context, page, nested, USE_READ);
	return all_refs(m) - before;
}

static void test_tlbs(void)
{
	struct cpu_config cpu;
	struct model *m;

	ok(read_text(&cpu, small_cpu, ""), "a parameter file is read");
	is(cpu.assumptions, 1, "and its assumptions are counted");
	m = model_new(&cpu);
	is(refs_of(m, 0x1001, 1, false), 4, "a miss without caches reads four entries");
	is(refs_of(m, 0x1001, 1, false), 0, "a hit reads none");
	for (uint64_t page = 2; page <= 5; page++)
		touch(m, 0x1001, page, false, USE_READ);
	is(touch(m, 0x1001, 1, false, USE_READ), FOUND_STLB,
	   "what the first level has lost, the second still has");
	for (uint64_t page = 10; page < 18; page++)
		touch(m, 0x1001, page, false, USE_READ);
	is(touch(m, 0x1001, 1, false, USE_READ), WALKED, "and loses it after eight others");
	is(touch(m, 0x1001, 17, false, USE_WRITE), FOUND_L1,
	   "a write goes through what a read has filled");
	is(touch(m, 0x1001, 17, false, USE_FETCH), FOUND_STLB,
	   "instructions have a TLB of their own");
	is(touch(m, 0x2001, 17, false, USE_READ), WALKED, "another context is another page");
	is(touch(m, 0x2001, 17, false, USE_READ), FOUND_L1, "which then is there as well");
	model_forget(m, 0x2001, 17 << 12);
	is(touch(m, 0x2001, 17, false, USE_READ), WALKED, "INVLPG");
	is(touch(m, 0x1001, 17, false, USE_READ), FOUND_L1, "which leaves the others alone");
	model_free(m);

	read_text(&cpu, small_cpu, "first_write_walks 1 # test\nfracture 1 # test\n");
	m = model_new(&cpu);
	touch(m, 0x1001, 1, false, USE_READ);
	is(touch(m, 0x1001, 1, false, USE_WRITE), WALKED, "Bochs walks for a first write");
	is(touch(m, 0x1001, 1, false, USE_WRITE), FOUND_L1, "but not for a second one");
	model_free(m);
	book_clear(&book);
}

static void test_flushes(void)
{
	static const struct {
		const char *more, *name;
		bool vpid, pcid;
	} cases[] = {
		{ "", "no tags", false, false },
		{ "tag_vpid 1 # test\n", "VPID", true, false },
		{ "tag_pcid 1 # test\n", "PCID", false, true },
		{ "tag_vpid 1 # test\ntag_pcid 1 # test\n", "VPID and PCID", true, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpu_config cpu;
		struct model *m;

		read_text(&cpu, small_cpu, cases[i].more);
		m = model_new(&cpu);
		touch(m, 0x1001, 1, false, USE_READ);
		touch(m, 0x1001, 0x100, false, USE_READ);
		model_new_root(m, true);
		ok((touch(m, 0x1001, 1, false, USE_READ) == FOUND_L1) == cases[i].pcid,
		   "%s: a new CR3 %s a page", cases[i].name, cases[i].pcid ? "keeps" : "flushes");
		is(touch(m, 0x1001, 0x100, false, USE_READ), FOUND_L1,
		   "and keeps a global one in any case");
		is(touch(m, 0x2001, 0x100, false, USE_READ), FOUND_L1,
		   "which serves every address space");
		is(model_access(m, &book, 0x3001, 0x100 << 12, 0, USE_READ), FOUND_L1,
		   "even one whose own walk nobody has seen");
		model_transition(m);
		is(model_access(m, &book, 0x3001, 0x100 << 12, 0, USE_READ),
		   cases[i].vpid ? FOUND_L1 : WALKED, "and that, after a VM exit");
		is(model_access(m, &book, 0x3001, 99 << 12, 0, USE_READ), NOT_KNOWN,
		   "a page that nobody has shown is not made up");
		ok((touch(m, 0x1001, 1, false, USE_READ) == FOUND_L1) == cases[i].vpid,
		   "%s: a VM exit %s it", cases[i].name, cases[i].vpid ? "keeps" : "flushes");
		model_free(m);
	}
	book_clear(&book);
}

static void test_walk_caches(void)
{
	struct cpu_config cpu;
	struct model *m;

	read_text(&cpu, small_cpu, "");
	m = model_new(&cpu);
	is(refs_of(m, 0x1001, 1, true), 19, "4 KiB on 2 MiB EPT pages: 19 references");
	model_free(m);

	read_text(&cpu, small_cpu, "psc pde 4 4 # test\npsc pdpte 4 4 # test\n");
	m = model_new(&cpu);
	is(refs_of(m, 0x1001, 1, false), 4, "paging-structure caches, empty");
	is(refs_of(m, 0x1001, 2, false), 1, "a PDE in the cache leaves one reference");
	is(refs_of(m, 0x1001, 2 + 512, false), 2, "a PDPTE leaves two");
	is(refs_of(m, 0x1001, 2 + 512 * 512, false), 4, "another gigabyte is a walk from the top");
	model_reset(m);
	is(refs_of(m, 0x1001, 1, true), 19, "nested, empty");
	is(refs_of(m, 0x1001, 2, true), 1 + 3, "a PDE also saves the nested walks above it");
	model_free(m);

	read_text(&cpu, small_cpu, "nested tlb 64 64 # test\n");
	m = model_new(&cpu);
	is(refs_of(m, 0x1001, 1, true), 4 + 5 * 3,
	   "a nested TLB, empty: tables and page are in five large pages");
	is(refs_of(m, 0x1001, 2, true), 4, "and filled: the guest's entries are left");
	model_transition(m);
	is(refs_of(m, 0x1001, 1, true), 4, "a VM exit without VPID leaves nested mappings alone");
	model_free(m);

	read_text(&cpu, small_cpu, "nested pde 4 4 # test\nnested pdpte 4 4 # test\n");
	m = model_new(&cpu);
	is(refs_of(m, 0x1001, 1, true), 4 + 3 + 3 * 1 + 3,
	   "EPT's PDPTEs in a cache leave its PDEs; the page is in another gigabyte");
	model_free(m);

	read_text(&cpu, small_cpu, "");
	m = model_new(&cpu);
	touch(m, 0x1001, 1, false, USE_READ);
	is(model_counts(m, true)->walk_cycles, 400, "four entries from memory");
	touch(m, 0x1001, 2, false, USE_READ);
	is(model_counts(m, true)->walk_cycles, 400 + 4 * 4, "the same lines from the cache");
	model_free(m);
	book_clear(&book);
}

static void test_files(int count, char **paths)
{
	struct cpu_config cpu;

	fflush(stdout);
	ok(!read_text(&cpu, small_cpu, "memory_cycles 3\n"),
	   "a figure without a source is refused");
	ok(!read_text(&cpu, small_cpu, "dtlb 4k 5 4 # test\n"),
	   "five entries of four ways are, too");
	ok(!read_text(&cpu, small_cpu, "dtlb 8k 4 4 # test\n"), "pages that do not exist");
	ok(!read_text(&cpu, small_cpu, "l4tlb 4 # test\n"), "and words that nobody knows");
	ok(!read_text(&cpu, small_cpu, "exit_cycles 750 # test\n"), "a price without its band");
	ok(!read_text(&cpu, small_cpu, "exit_cycles 750 700 900 # test\n"),
	   "a band whose middle is below its end");
	ok(!read_text(&cpu, small_cpu, "exit_cycles 0 0 0 # test\n"), "a price of nothing");
	ok(!read_text(&cpu, small_cpu, "exit_cycles 1 2 3 4 # test\n"), "a band of four");
	ok(read_text(&cpu, small_cpu, "exit_cycles 0 1K 2000 # assumption: test, so\n") &&
		   cpu.price[PRICE_exit_cycles].value[CPU_LOW] == 0 &&
		   cpu.price[PRICE_exit_cycles].value[CPU_MID] == 1024 &&
		   cpu.price[PRICE_exit_cycles].value[CPU_HIGH] == 2000 &&
		   !strcmp(cpu.price[PRICE_exit_cycles].source, "assumption: test, so") &&
		   cpu.assumptions == 2 && !cpu_has_prices(&cpu),
	   "a price with its band and source");
	for (int i = 0; i < count; i++) {
		FILE *file = fopen(paths[i], "re");

		ok(file && cpu_read(&cpu, file, paths[i]) && cpu.dtlb[0].entries, "%s", paths[i]);
		if (file)
			fclose(file);
	}
}

/* ---- performance events ---- */

/* Every model of the table, with what its CPUs count: configs by enum pmu_count, 0 for none. */
static const struct {
	const char *generation;
	uint8_t models[10];
	uint64_t config[PMU_NR];
} expected[] = {
	{ "Nehalem", { 0x1a, 0x1e, 0x1f, 0x2e }, { 0 } },
	{ "Westmere", { 0x25, 0x2c, 0x2f }, { 0x0408, 0, 0x104f } },
	{ "Sandy Bridge", { 0x2a, 0x2d }, { 0x0408, 0x0449, 0x104f, 0x01bd, 0x20bd } },
	{ "Ivy Bridge", { 0x3a, 0x3e }, { 0x8408, 0x0449, 0x104f, 0x01bd, 0x20bd } },
	{ "Haswell", { 0x3c, 0x3f, 0x45, 0x46 }, { 0x1008, 0x1049, 0x104f, 0x01bd, 0x20bd } },
	{ "Broadwell", { 0x3d, 0x47, 0x4f, 0x56 }, { 0x1008, 0x1049, 0x104f, 0x01bd, 0x20bd } },
	{ "Cascade Lake", { 0x55 }, { 0x1008, 0x1049, 0x104f, 0x01bd, 0x20bd } },
	{ "Ice Lake-X", { 0x6a, 0x6c }, { 0x1008, 0x1049, 0, 0x01bd, 0x20bd } },
	{ "Sapphire", { 0x8f }, { 0x1012, 0x1013 } },
	{ "Emerald", { 0xcf }, { 0x1012, 0x1013 } },
	{ "Granite Rapids", { 0xad, 0xae }, { 0x1012, 0x1013 } },
};

static bool counts_as(unsigned int model, const char *name, const uint64_t *config)
{
	const struct pmu_cpu cpu = { "GenuineIntel", 6, model };
	const struct pmu_generation *g = pmu_choose(&cpu);

	if (!g || !strstr(g->name, name))
		return false;
	for (int i = 0; i < PMU_NR; i++)
		if ((g->event[i].name ? pmu_config(&g->event[i]) : 0) != config[i])
			return false;
	return true;
}

static void test_generations(void)
{
	unsigned int known = 0, tried = 0;

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		bool good = true;

		for (const uint8_t *model = expected[i].models; *model; model++, tried++)
			good &= counts_as(*model, expected[i].generation, expected[i].config);
		ok(good, "%s: its models, and the events of each", expected[i].generation);
	}
	for (unsigned int model = 0; model < 256; model++) {
		const struct pmu_cpu cpu = { "GenuineIntel", 6, model };

		known += pmu_choose(&cpu) != NULL;
	}
	is(known, tried, "no other model of family 6 has events");
}

static void test_events(void)
{
	static char info[] = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n"
			     "model\t\t: 85\nmodel name\t: Intel(R) Xeon(R)\n";
	const uint64_t value[PMU_NR] = { 100, 20, 3, 7, 9 };
	struct pmu_cpu cpu;
	FILE *file = fmemopen(info, sizeof(info) - 1, "r");
	uint64_t total = 0;

	ok(file && pmu_read_cpuinfo(file, &cpu) && cpu.family == 6 && cpu.model == 85 &&
		   !strcmp(cpu.vendor, "GenuineIntel"),
	   "/proc/cpuinfo says which CPU");
	if (file)
		fclose(file);
	ok(!strcmp(pmu_choose(&cpu)->name, "Skylake-X, Cascade Lake"), "which is a Skylake-X");
	ok(pmu_walk_cycles(pmu_choose(&cpu), value, &total) && total == 123,
	   "whose EPT cycles are added");
	cpu.family = 15;
	ok(!pmu_choose(&cpu), "the same model of another family has no events");
	cpu.family = 6;
	cpu.model = 0x6a;
	ok(!pmu_walk_cycles(pmu_choose(&cpu), value, &total), "no sum where EPT is not counted");
	cpu.model = 0xff;
	ok(!pmu_choose(&cpu), "a model that is not in the table has no events");
	strcpy(cpu.vendor, "AuthenticAMD");
	cpu.model = 0x55;
	ok(!pmu_choose(&cpu), "nor has another vendor's");
}

int main(int argc, char **argv)
{
	test_lines();
	test_walks();
	test_tlbs();
	test_flushes();
	test_walk_caches();
	test_files(argc - 1, argv + 1);
	test_generations();
	test_events();
	printf("1..%u\n", tests);
	return failures > 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the runner's rows without a hypervisor: the statistics are a file that the test writes,
 * the CPU's counters are pipes, the guest is a few lines of text. selftest.t builds and runs it.
 *
 * Prints "pass NAME" or "fail NAME" per check, for selftest.t to count.
 */
#include "runner.h"
#include "columns.h"
#include "../workloads/guest_abi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_STATS 24
#define ROW_ROOM  4096

static int failures;
static char fields[COL_NR][128]; /* of the last row written */

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	exit(2);
}

static void check(const char *name, bool good)
{
	printf("%s %s\n", good ? "pass" : "fail", name);
	failures += !good;
}

/* ---- a hypervisor that is a file ---- */

static struct stats stats;
static struct rows rows;

static void set_stat(const char *name, uint64_t value)
{
	for (size_t i = 0; i < stats.count; i++)
		if (!strcmp(stats.desc[i].name, name) &&
		    pwrite(stats.source[0].fd, &value, sizeof(value), (off_t)(i * 8)) == 8)
			return;
	die("no statistic %s", name);
}

static void set_up(const char *const *names, bool kvm)
{
	static struct stat_desc desc[MAX_STATS];
	static uint64_t begin[MAX_STATS], end[MAX_STATS];

	memset(&stats, 0, sizeof(stats));
	memset(&rows, 0, sizeof(rows));
	memset(desc, 0, sizeof(desc));
	for (; names[stats.count]; stats.count++) {
		desc[stats.count].name = (char *)names[stats.count];
		desc[stats.count].unit = "";
		desc[stats.count].size = 1;
		desc[stats.count].offset = (uint32_t)stats.count;
	}
	stats.desc = desc;
	stats.values = stats.count;
	stats.sources = 1;
	stats.source[0].fd = memfd_create("stats", 0);
	stats.source[0].values = stats.count;
	if (stats.source[0].fd < 0 || ftruncate(stats.source[0].fd, MAX_STATS * 8))
		die("no file for statistics");
	rows.stats = &stats;
	rows.begin = begin;
	rows.end = end;
	rows.kvm = kvm;
	rows.engine = kvm ? "kvm" : "penumbra";
	rows.mode = "shadow";
	rows.host = "emulated";
	rows.clock = "ticks";
	strcpy(rows.backing, "thp");
	rows.cmdline = "workload=gups size=64K page=4k reps=2";
	rows.times_csv.fd = -1;
	rows.csv.fd = memfd_create("csv", 0);
}

static void read_row(void)
{
	static char text[ROW_ROOM];
	char *at = text;
	ssize_t n;

	memset(text, 0, sizeof(text));
	n = pread(rows.csv.fd, text, sizeof(text) - 1, 0);
	if (n <= 0 || ftruncate(rows.csv.fd, 0) || lseek(rows.csv.fd, 0, SEEK_SET))
		die("no row was written");
	text[strcspn(text, "\n")] = '\0';
	for (int col = 0; col < COL_NR; col++) {
		size_t size = strcspn(at, ",");

		snprintf(fields[col], sizeof(fields[col]), "%.*s", (int)size, at);
		at += size + (at[size] == ',');
	}
}

static bool is(enum column_id col, const char *text)
{
	if (!strcmp(fields[col], text))
		return true;
	printf("# %s is \"%s\", not \"%s\"\n", column_names[col], fields[col], text);
	return false;
}

static const char *const penumbra_names[] = {
	"exits",
	"exits_host",
	"exits_pt_write",
	"exits_hidden_fault",
	"exits_true_fault",
	"exits_cr3",
	"exits_invlpg",
	"exits_nested",
	"emulated_stores",
	"sptes_written",
	"shadow_pages_peak",
	"shadow_bytes_peak",
	"flush_host_invvpid_addr",
	"flush_host_invvpid_context",
	"flush_host_invept",
	"flush_host_transition",
	"flush_guest_cr3",
	"flush_guest_invlpg",
	"flush_guest_invpcid",
	"traps",
	NULL,
};

static const char *const kvm_names[] = { "exits",    "irq_exits",  "invlpg", "pf_taken",
					 "pf_guest", "pf_emulate", NULL };

#define LINE                                                                               \
	"@row workload=gups params=size:65536;page:4k rep=1 status=ok ops=10 elapsed=500 " \
	"control=100 checksum=0xabc g_invlpg=3 g_cr3=2 g_invpcid=0 g_pf=4"

/* A body with 3 INVLPG, 2 MOV to CR3, 4 true faults, 5 table writes and 1 exit of another kind. */
static void run_body(void)
{
	set_stat("exits", 100);
	set_stat("exits_cr3", 7);
	set_stat("shadow_pages_peak", 30);
	rows_marker(&rows, GUEST_MARK_BODY_BEGIN);
	/* 15 of the body, and the end marker's own. */
	set_stat("exits", 116);
	set_stat("exits_host", 8);
	set_stat("exits_pt_write", 5);
	set_stat("exits_true_fault", 4);
	set_stat("exits_cr3", 9);
	set_stat("exits_invlpg", 3);
	set_stat("flush_guest_cr3", 2);
	set_stat("flush_guest_invlpg", 3);
	set_stat("flush_host_invvpid_addr", 6);
	set_stat("flush_host_invept", 1);
	set_stat("flush_host_transition", 16);
	set_stat("shadow_pages_peak", 31);
	rows_marker(&rows, GUEST_MARK_BODY_END);
	/* What comes after the end marker does not count. */
	set_stat("exits", 500);
}

static void test_join(void)
{
	set_up(penumbra_names, false);
	set_stat("traps", 7);
	run_body();
	rows_line(&rows, LINE);
	read_row();
	check("a row joins the guest's figures with the body's statistics",
	      is(COL_status, "ok") && is(COL_ops, "10") && is(COL_elapsed, "500") &&
		      is(COL_control, "100") && is(COL_checksum, "0xabc") &&
		      is(COL_params, "size:65536;page:4k") && is(COL_exits_pt_write, "5") &&
		      is(COL_guest_faults, "4") && is(COL_flush_guest_invlpg, "3"));
	check("the end marker's own exit is taken off",
	      is(COL_exits, "15") && is(COL_exits_other, "1"));
	check("what the host caused is apart", is(COL_exits_host, "8"));
	check("host flushes are summed, without the marker's entry", is(COL_flush_host, "22"));
	check("peaks are levels, not differences", is(COL_shadow_pages_peak, "31"));
	check("an agreeing run has not failed", !rows.failed);
	rows_line(&rows, LINE);
	read_row();
	check("a row without a body of its own has no counts",
	      is(COL_exits, "") && is(COL_exits_pt_write, ""));
}

static void test_mismatch(void)
{
	static const struct {
		const char *stat, *name;
		uint64_t value, traps;
		const char *status;
	} cases[] = {
		{ "flush_guest_cr3", "one MOV to CR3 too many", 3, 7, "mismatch" },
		{ "flush_guest_invlpg", "one INVLPG too few", 2, 2, "mismatch" },
		{ "flush_guest_invpcid", "an INVPCID that nobody executed", 1, 2, "mismatch" },
		{ "exits_true_fault", "a true fault that the guest did not see", 5, 4, "mismatch" },
		{ "exits_true_fault", "faults that the mode does not trap", 0, 3, "ok" },
		{ "flush_guest_cr3", "CR3 loads that the mode does not trap", 0, 6, "ok" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up(penumbra_names, false);
		set_stat("traps", cases[i].traps);
		run_body();
		rows.body_known = false;
		rows_marker(&rows, GUEST_MARK_BODY_BEGIN);
		memset(rows.begin, 0, MAX_STATS * sizeof(uint64_t));
		for (size_t k = 0; k < stats.count; k++)
			if (!strcmp(stats.desc[k].name, "traps"))
				rows.begin[k] = cases[i].traps;
		set_stat(cases[i].stat, cases[i].value);
		rows_marker(&rows, GUEST_MARK_BODY_END);
		rows_line(&rows, LINE);
		read_row();
		check(cases[i].name, is(COL_status, cases[i].status) &&
					     rows.failed == !!strcmp(cases[i].status, "ok"));
	}
}

static void test_kvm(void)
{
	set_up(kvm_names, true);
	rows_marker(&rows, GUEST_MARK_BODY_BEGIN);
	set_stat("exits", 28);
	set_stat("irq_exits", 7);
	set_stat("invlpg", 3);
	set_stat("pf_taken", 12);
	set_stat("pf_guest", 4);
	set_stat("pf_emulate", 5);
	rows_marker(&rows, GUEST_MARK_BODY_END);
	rows_line(&rows, LINE);
	read_row();
	check("KVM ept=0: faults are told apart",
	      is(COL_exits, "20") && is(COL_exits_pt_write, "5") && is(COL_exits_true_fault, "4") &&
		      is(COL_exits_hidden_fault, "3") && is(COL_exits_invlpg, "3") &&
		      is(COL_exits_other, "5") && is(COL_exits_host, "7"));
	check("what KVM does not count is empty, not zero",
	      is(COL_exits_cr3, "") && is(COL_flush_host, "") && is(COL_shadow_bytes_peak, ""));
	rows.kvm_ept = true;
	rows.body_known = true;
	rows_line(&rows, LINE);
	read_row();
	check("KVM ept=1: faults are EPT violations",
	      is(COL_exits_nested, "12") && is(COL_exits_hidden_fault, ""));
}

/* ---- a CPU whose counters are pipes ---- */

static struct pmu cpu;
static int cpu_side[PMU_COUNTERS];

static void cpu_counts(int counter, uint64_t count, uint64_t enabled, uint64_t running)
{
	const struct pmu_value value = { count, enabled, running };

	if (write(cpu_side[counter], &value, sizeof(value)) != (ssize_t)sizeof(value))
		die("no counter %d", counter);
}

/* A body in which every event counts 100 and more, but for what a test changes. */
static void count_body(void)
{
	set_up(penumbra_names, false);
	for (int i = 0; i < PMU_COUNTERS; i++) {
		int ends[2];

		if (pipe(ends))
			die("no pipe");
		cpu.fd[i] = ends[0];
		cpu_side[i] = ends[1];
		cpu_counts(i, 1000, 50, 50);
	}
	rows.pmu = &cpu;
	rows_marker(&rows, GUEST_MARK_BODY_BEGIN);
}

static void end_body(void)
{
	for (int i = 0; i < PMU_COUNTERS; i++)
		if (cpu_side[i] >= 0)
			close(cpu_side[i]);
	rows_marker(&rows, GUEST_MARK_BODY_END);
	rows_line(&rows, LINE);
	read_row();
	for (int i = 0; i < PMU_COUNTERS; i++)
		close(cpu.fd[i]);
}

static bool all_empty(void)
{
	return is(COL_walk_cycles_load, "") && is(COL_walk_cycles_store, "") &&
	       is(COL_walk_cycles_ept, "") && is(COL_tlb_flush_dtlb, "") &&
	       is(COL_tlb_flush_stlb, "") && is(COL_guest_instructions, "");
}

static void test_counters(void)
{
	count_body();
	for (int i = 0; i < PMU_COUNTERS; i++)
		cpu_counts(i, 1100 + (uint64_t)i, 90, 90);
	end_body();
	check("the CPU's counts of the body, each in its column",
	      is(COL_walk_cycles_load, "100") && is(COL_walk_cycles_store, "101") &&
		      is(COL_walk_cycles_ept, "102") && is(COL_tlb_flush_dtlb, "103") &&
		      is(COL_tlb_flush_stlb, "104") && is(COL_guest_instructions, "105") &&
		      is(COL_exits, "0"));

	count_body();
	cpu_counts(PMU_walk_cycles_load, 1100, 90, 90);
	cpu_counts(PMU_walk_cycles_store, 1100, 90, 60); /* shared its counter */
	cpu_counts(PMU_walk_cycles_ept, 1000, 90, 90);	 /* counted, and there was none */
	cpu_counts(PMU_WITNESS, 5000, 90, 90);
	close(cpu.fd[PMU_tlb_flush_stlb]); /* this CPU has no such event */
	cpu.fd[PMU_tlb_flush_stlb] = -1;
	end_body(); /* and the DTLB's has lost its counter: nothing to read */
	check("a counter that did not run all the time is empty",
	      is(COL_walk_cycles_load, "100") && is(COL_walk_cycles_store, ""));
	check("a count of zero is zero", is(COL_walk_cycles_ept, "0"));
	check("an event without a counter is empty",
	      is(COL_tlb_flush_dtlb, "") && is(COL_tlb_flush_stlb, ""));

	count_body();
	for (int i = 0; i < PMU_NR; i++)
		cpu_counts(i, 1000, 90, 90);
	cpu_counts(PMU_WITNESS, 1000, 90, 90);
	end_body();
	check("no instruction counted in the guest: no column is believed", all_empty());

	set_up(penumbra_names, false);
	run_body();
	rows_line(&rows, LINE);
	read_row();
	check("no PMU: the columns are empty, the others are not",
	      all_empty() && is(COL_ops, "10"));
}

static void test_bad_lines(void)
{
	set_up(penumbra_names, false);
	rows_line(&rows, "not a row");
	check("a line that is no row is left alone", rows.written == 0);
	rows_line(&rows, "@row workload=gups params=- rep=1 status=ok elapsed=5 control=1 "
			 "checksum=0x1");
	read_row();
	check("a row without ops is a failure", is(COL_status, "failed") && rows.failed);

	set_up(penumbra_names, false);
	rows_line(&rows, "@row workload=a,b\"c params=- rep=1 status=failed ops=1 elapsed=5 "
			 "control=1 checksum=0x1");
	read_row();
	check("no field can break the CSV", is(COL_workload, "a_b_c") && is(COL_status, "failed"));
	check("a row that the guest calls failed fails the run", rows.failed);

	set_up(penumbra_names, false);
	rows_failure(&rows, "timeout");
	read_row();
	check("a run without a row leaves one that says why",
	      is(COL_workload, "gups") && is(COL_params, "size:64K;page:4k") && is(COL_rep, "1") &&
		      is(COL_status, "timeout") && is(COL_elapsed, ""));
}

int main(void)
{
	test_join();
	test_mismatch();
	test_kvm();
	test_counters();
	test_bad_lines();
	return failures != 0;
}

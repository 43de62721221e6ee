// SPDX-License-Identifier: GPL-2.0-only
/*
 * raw.csv to summary.csv: one line per engine, mode, workload and parameters, with medians and
 * spread over the repetitions, and a verdict on what must hold whatever was measured: every row
 * is ok, and a workload leaves the same memory behind in every mode.
 *
 * A program of its own, so that any raw.csv, from any machine, can be summarised again; C,
 * because it decides what the figures in plots and papers are.
 */
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_FINDINGS 1
#define EXIT_USAGE    2

/* Columns that are given per operation, in the order of the summary. */
static const enum column_id per_op[] = {
	COL_exits,
	COL_exits_pt_write,
	COL_exits_hidden_fault,
	COL_exits_true_fault,
	COL_exits_cr3,
	COL_exits_invlpg,
	COL_exits_nested,
	COL_exits_other,
	COL_exits_host,
	COL_flush_guest_invlpg,
	COL_flush_guest_cr3,
	COL_flush_guest_invpcid,
	COL_flush_host,
	COL_emulated_stores,
	COL_sptes_written,
	COL_guest_faults,
	COL_exits_gtt_write,
	COL_exits_gtt_doorbell,
	COL_gtt_entries_rebuilt,
	COL_gtt_portions_compared,
	COL_gtt_portions_clean,
	COL_gtt_shadow_cycles,
	COL_walk_cycles_load,
	COL_walk_cycles_store,
	COL_walk_cycles_ept,
	COL_tlb_flush_dtlb,
	COL_tlb_flush_stlb,
	COL_guest_instructions,
};

#define NR_PER_OP (sizeof(per_op) / sizeof(per_op[0]))

/* Columns that are levels, not counts. */
static const enum column_id levels[] = { COL_shadow_pages_peak, COL_shadow_bytes_peak };

#define NR_LEVELS (sizeof(levels) / sizeof(levels[0]))

/* Of the traced repetition: counts, and their ratio. */
static const enum column_id walks[] = { COL_walks, COL_walk_refs_guest, COL_walk_refs_nested };

#define NR_WALKS (sizeof(walks) / sizeof(walks[0]))

struct group {
	const struct record *first; /* whose key fields are the group's */
	size_t ok, failed;
	struct figure ops, elapsed, cost, count[NR_PER_OP], level[NR_LEVELS];
	struct figure walk[NR_WALKS], refs_per_walk;
	double resolution; /* of the cost, per operation */
	bool resolved;	   /* the cost is not below it */
	double vs_ept, vs_native;
	bool vs_ept_known, vs_native_known;
	bool checksum_varies, checksum_differs;
	const char *checksum;
};

static void fill_group(const struct table *table, struct group *group, double *scratch)
{
	const struct record *key = group->first;

	for (size_t i = 0; i < table->count; i++) {
		const struct record *record = &table->row[i];

		if (!record_same_group(record, key))
			continue;
		if (!record_ok(record)) {
			group->failed++;
			continue;
		}
		if (record_traced(record))
			continue;
		if (!group->ok++)
			group->checksum = record->field[COL_checksum];
		else if (strcmp(group->checksum, record->field[COL_checksum]))
			group->checksum_varies = true;
	}
	group->ops = table_figure(table, key, false, record_value, COL_ops, scratch);
	group->elapsed = table_figure(table, key, false, record_per_op, COL_elapsed, scratch);
	group->cost = table_figure(table, key, false, record_cost, COL_elapsed, scratch);
	group->resolution = table_resolution(table, key, scratch);
	group->resolved = group->cost.values && group->cost.median >= group->resolution;
	for (size_t i = 0; i < NR_PER_OP; i++)
		group->count[i] =
			table_figure(table, key, false, record_per_op, per_op[i], scratch);
	for (size_t i = 0; i < NR_LEVELS; i++)
		group->level[i] = table_figure(table, key, false, record_value, levels[i], scratch);
	for (size_t i = 0; i < NR_WALKS; i++)
		group->walk[i] = table_figure(table, key, true, record_per_op, walks[i], scratch);
	group->refs_per_walk =
		table_figure(table, key, true, record_value, COL_refs_per_walk, scratch);
}

/* Only a machine of its own has no size of guest memory: it goes with any. */
static bool same_memory(const struct record *a, const struct record *b)
{
	return record_same(a, b, COL_guest_mib) || !a->field[COL_guest_mib][0] ||
	       !b->field[COL_guest_mib][0];
}

static bool same_work(const struct record *a, const struct record *b)
{
	return record_same(a, b, COL_workload) && record_same(a, b, COL_params) &&
	       same_memory(a, b);
}

/* The same work on the same kind of host and clock, by that engine in that mode. */
static const struct group *counterpart(const struct group *groups, size_t n,
				       const struct record *key, const char *engine,
				       const char *mode)
{
	for (size_t i = 0; i < n; i++) {
		const struct record *record = groups[i].first;

		if (same_work(record, key) && record_same(record, key, COL_gtt_mode) &&
		    record_same(record, key, COL_clock) && record_same(record, key, COL_host) &&
		    !strcmp(record->field[COL_engine], engine) &&
		    !strcmp(record->field[COL_mode], mode))
			return &groups[i];
	}
	return NULL;
}

/*
 * Penumbra's own ept is the measure of cost; where it was not run, the same engine's. Native is
 * the measure of the whole body: what a body costs beyond its control is often nothing there.
 */
static void relate(struct group *groups, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct record *key = groups[i].first;
		const struct group *ept = counterpart(groups, n, key, "penumbra", "ept");
		const struct group *native = counterpart(groups, n, key, "native", "native");

		if (!ept)
			ept = counterpart(groups, n, key, key->field[COL_engine], "ept");
		if (ept && ept->resolved && groups[i].resolved) {
			groups[i].vs_ept = groups[i].cost.median / ept->cost.median;
			groups[i].vs_ept_known = true;
		}
		if (native && native->elapsed.values && groups[i].elapsed.values &&
		    native->elapsed.median > 0) {
			groups[i].vs_native = groups[i].elapsed.median / native->elapsed.median;
			groups[i].vs_native_known = true;
		}
	}
}

/* ------------------------------------------------------------------ verdict ------------- */

/* The paging mode, and after a slash that of the device's page table where there is one. */
static const char *format_modes(const struct record *record, char *out, size_t room)
{
	const char *gtt = record->field[COL_gtt_mode];

	snprintf(out, room, "%s%s%s", record->field[COL_mode], *gtt ? "/" : "", gtt);
	return out;
}

static void name_record(const struct record *record)
{
	char modes[80];

	fprintf(stderr, "summarize: %s %s, %s %s rep %s: ", record->field[COL_workload],
		record->field[COL_params], record->field[COL_engine],
		format_modes(record, modes, sizeof(modes)), record->field[COL_rep]);
}

/* The same workload, parameters and repetition leave the same memory behind in every mode. */
static size_t check_checksums(const struct table *table, struct group *groups, size_t n)
{
	size_t findings = 0;
	char modes[80];

	for (size_t i = 0; i < table->count; i++) {
		const struct record *record = &table->row[i];

		for (size_t j = 0; j < i && record_ok(record); j++) {
			const struct record *other = &table->row[j];

			if (!record_ok(other) || !same_work(record, other) ||
			    !record_same(record, other, COL_rep))
				continue;
			/* The first one is the measure: one finding per row that differs. */
			if (record_same(record, other, COL_checksum))
				break;
			name_record(record);
			fprintf(stderr, "checksum %s differs from that of %s %s: %s\n",
				record->field[COL_checksum], other->field[COL_engine],
				format_modes(other, modes, sizeof(modes)),
				other->field[COL_checksum]);
			findings++;
			for (size_t g = 0; g < n; g++)
				if (same_work(groups[g].first, record))
					groups[g].checksum_differs = true;
			break;
		}
	}
	return findings;
}

static size_t check_rows(const struct table *table)
{
	size_t findings = 0;

	for (size_t i = 0; i < table->count; i++) {
		if (record_ok(&table->row[i]))
			continue;
		name_record(&table->row[i]);
		fprintf(stderr, "%s\n", table->row[i].field[COL_status]);
		findings++;
	}
	return findings;
}

/* ------------------------------------------------------------------ writing ------------- */

static void print_header(void)
{
	for (int col = 0; col < COL_NR; col++)
		if (column_kinds[col] == COLUMN_KEY)
			printf("%s,", column_names[col]);
	printf("reps,failed,ops,elapsed_per_op,elapsed_low,elapsed_high,cost_median,cost_min,cost_"
	       "max,"
	       "cost_low,cost_high,cost_spread_percent,cost_below,cost_vs_ept,elapsed_vs_native");
	for (size_t i = 0; i < NR_PER_OP; i++)
		printf(",%s_per_op", column_names[per_op[i]]);
	for (size_t i = 0; i < NR_LEVELS; i++)
		printf(",%s", column_names[levels[i]]);
	for (size_t i = 0; i < NR_WALKS; i++)
		printf(",%s_per_op", column_names[walks[i]]);
	printf(",%s", column_names[COL_refs_per_walk]);
	printf(",checksum,checksum_agrees\n");
}

static void print_number(double value, bool known)
{
	putchar(',');
	if (known)
		printf("%.10g", value);
}

static double spread_percent(const struct figure *figure)
{
	return (figure->max - figure->min) / figure->median * 100;
}

static void print_group(const struct group *group)
{
	const struct figure *cost = &group->cost;

	for (int col = 0; col < COL_NR; col++)
		if (column_kinds[col] == COLUMN_KEY)
			printf("%s,", group->first->field[col]);
	printf("%zu,%zu", group->ok, group->failed);
	print_number(group->ops.median, group->ops.values);
	print_number(group->elapsed.median, group->elapsed.values);
	print_number(group->elapsed.low, group->elapsed.interval);
	print_number(group->elapsed.high, group->elapsed.interval);
	print_number(cost->median, group->resolved);
	print_number(cost->min, group->resolved);
	print_number(cost->max, group->resolved);
	print_number(cost->low, group->resolved && cost->interval);
	print_number(cost->high, group->resolved && cost->interval);
	print_number(spread_percent(cost), group->resolved && cost->values > 1);
	print_number(group->resolution, cost->values && !group->resolved);
	print_number(group->vs_ept, group->vs_ept_known);
	print_number(group->vs_native, group->vs_native_known);
	for (size_t i = 0; i < NR_PER_OP; i++)
		print_number(group->count[i].median, group->count[i].values);
	for (size_t i = 0; i < NR_LEVELS; i++)
		print_number(group->level[i].median, group->level[i].values);
	for (size_t i = 0; i < NR_WALKS; i++)
		print_number(group->walk[i].median, group->walk[i].values);
	print_number(group->refs_per_walk.median, group->refs_per_walk.values);
	printf(",%s,%s\n",
	       !group->ok		? ""
	       : group->checksum_varies ? "per-rep"
					: group->checksum,
	       !group->ok		 ? ""
	       : group->checksum_differs ? "no"
					 : "yes");
}

static bool has_param(const struct record *record, const char *param, size_t size)
{
	const char *at = record->field[COL_params];

	for (; *at; at += strcspn(at, ";"), at += *at == ';')
		if (strcspn(at, ";") == size && !strncmp(at, param, size))
			return true;
	return false;
}

/* Do more than three quarters of what was run of a workload have this parameter (key:value)? */
static bool is_usual(const struct group *groups, size_t n, const struct record *record,
		     const char *param, size_t size)
{
	size_t all = 0, have = 0;

	for (size_t i = 0; i < n; i++) {
		if (!record_same(groups[i].first, record, COL_workload))
			continue;
		all++;
		have += has_param(groups[i].first, param, size);
	}
	return 4 * have > 3 * all;
}

/* Only the parameters that tell a line from its workload's others. */
static void format_params(const struct group *groups, size_t n, const struct record *record,
			  char *out, size_t room)
{
	const char *at = record->field[COL_params];

	*out = '\0';
	for (; *at; at += strcspn(at, ";"), at += *at == ';') {
		size_t size = strcspn(at, ";"), used = strlen(out);

		if (!is_usual(groups, n, record, at, size))
			snprintf(out + used, room - used, "%s%.*s", used ? " " : "", (int)size, at);
	}
}

static int widest_modes(const struct group *groups, size_t n)
{
	int widest = 7;
	char modes[80];

	for (size_t i = 0; i < n; i++) {
		int width = (int)strlen(format_modes(groups[i].first, modes, sizeof(modes)));

		widest = width > widest ? width : widest;
	}
	return widest;
}

/* A cost with some digits, "< x" where it is below what can be told from nothing, "-" where none is. */
static void format_cost(const struct group *group, int digits, char *out, size_t room)
{
	double bound = group->resolution;

	if (!group->cost.values)
		snprintf(out, room, "-");
	else if (!group->resolved)
		snprintf(out, room, "< %.*f", bound < 0.1 ? 3 : bound < 100 ? digits : 0, bound);
	else
		snprintf(out, room, "%.*f", group->cost.median < 100 ? digits : 0,
			 group->cost.median);
}

static void print_text_line(const struct group *groups, size_t n, const struct group *group)
{
	const struct record *key = group->first;
	const struct figure *cost = &group->cost, *exits = &group->count[0];
	double refs = group->walk[1].median + group->walk[2].median;
	char params[80], modes[80], text[32];

	format_params(groups, n, key, params, sizeof(params));
	printf("%-10s %-24s %-8s %-*s ", key->field[COL_workload], params, key->field[COL_engine],
	       widest_modes(groups, n), format_modes(key, modes, sizeof(modes)));
	if (!group->ok) {
		printf("%11s\n", "failed");
		return;
	}
	format_cost(group, 2, text, sizeof(text));
	printf("%11s ", text);
	if (group->resolved && cost->values > 1)
		printf("%6.1f%% ", spread_percent(cost));
	else
		printf("%7s ", "-");
	if (exits->values)
		printf("%10.*f ", exits->median < 100 ? 3 : 0, exits->median);
	else
		printf("%10s ", "-");
	if (group->refs_per_walk.values)
		printf("%10.*f ", refs < 100 ? 3 : 0, refs);
	else
		printf("%10s ", "-");
	if (group->vs_ept_known)
		printf("%8.*fx\n", group->vs_ept < 100 ? 2 : 0, group->vs_ept);
	else
		printf("%9s\n", "-");
}

/* For a terminal: the figures most people came for, the modes of one workload together. */
static void print_text(const struct group *groups, size_t n)
{
	if (n)
		printf("cost = (elapsed - control) / operations, in %s; medians\n",
		       groups[0].first->field[COL_clock]);
	printf("%-10s %-24s %-8s %-*s %11s %7s %10s %10s %9s\n", "workload", "parameters", "engine",
	       widest_modes(groups, n), "mode", "cost/op", "spread", "exits/op", "refs/op",
	       "vs ept");
	for (size_t i = 0; i < n; i++) {
		bool shown = false;

		for (size_t j = 0; j < i; j++)
			shown = shown || same_work(groups[j].first, groups[i].first);
		for (size_t j = i; j < n && !shown; j++)
			if (same_work(groups[j].first, groups[i].first))
				print_text_line(groups, n, &groups[j]);
	}
}

static bool same_series(const struct record *a, const struct record *b)
{
	return record_same(a, b, COL_engine) && record_same(a, b, COL_mode) &&
	       record_same(a, b, COL_gtt_mode);
}

/* Is this the first group with a cost of its engine and mode? */
static bool is_first_series(const struct group *groups, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (groups[j].cost.values && same_series(groups[j].first, groups[i].first))
			return false;
	return groups[i].cost.values;
}

/* Is this the first group with a cost of its workload and parameters? */
static bool is_first_work(const struct group *groups, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (groups[j].cost.values && same_work(groups[j].first, groups[i].first))
			return false;
	return groups[i].cost.values;
}

/* For a terminal: cost per operation, a column per engine and mode. */
static void print_table(const struct group *groups, size_t n)
{
	char text[96];

	if (n)
		printf("cost per operation in %s, medians\n%-30s",
		       groups[0].first->field[COL_clock], "");
	for (size_t i = 0; i < n; i++) {
		const struct record *key = groups[i].first;

		if (!is_first_series(groups, i))
			continue;
		if (!strcmp(key->field[COL_engine], key->field[COL_mode]))
			snprintf(text, sizeof(text), "%s", key->field[COL_engine]);
		else
			snprintf(text, sizeof(text), "%s%s%s%s%s",
				 strcmp(key->field[COL_engine], "penumbra") ? key->field[COL_engine]
									    : "",
				 strcmp(key->field[COL_engine], "penumbra") ? " " : "",
				 key->field[COL_mode], key->field[COL_gtt_mode][0] ? " " : "",
				 key->field[COL_gtt_mode]);
		printf(" %11s", text);
	}
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		const struct record *work = groups[i].first;
		char params[80];

		if (!is_first_work(groups, i))
			continue;
		format_params(groups, n, work, params, sizeof(params));
		snprintf(text, sizeof(text), "%s %s", work->field[COL_workload], params);
		printf("%-30s", text);
		for (size_t j = 0; j < n; j++) {
			const struct group *cell = NULL;

			if (!is_first_series(groups, j))
				continue;
			for (size_t k = 0; k < n; k++)
				if (same_work(groups[k].first, work) &&
				    same_series(groups[k].first, groups[j].first))
					cell = &groups[k];
			if (cell)
				format_cost(cell, 1, text, sizeof(text));
			printf(" %11s", cell ? text : "-");
		}
		putchar('\n');
	}
}

/* Of fewer than one exit in a hundred operations a share says nothing. */
#define EXITS_WORTH_COMPARING 0.01

static const struct group *find_mode(const struct group *groups, size_t n,
				     const struct record *work, const char *mode)
{
	for (size_t i = 0; i < n; i++)
		if (same_work(groups[i].first, work) &&
		    !strcmp(groups[i].first->field[COL_engine], "penumbra") &&
		    !strcmp(groups[i].first->field[COL_mode], mode) && groups[i].count[0].values)
			return &groups[i];
	return NULL;
}

/* What a mode makes of a work: exits saved, and the time beside them, for one can hide the other. */
static void print_headline(const struct group *mode, const struct group *strict)
{
	double change = 100 * (mode->count[0].median / strict->count[0].median - 1);

	printf(" %+8.1f%%", fabs(change) < 0.05 ? 0 : change);
	if (strict->elapsed.median > 0)
		printf(" %5.2fx", mode->elapsed.median / strict->elapsed.median);
	else
		printf(" %6s", "-");
}

/* The papers' own figure: how many VM exits each mode saves against write-protected tables. */
static void print_headlines(const struct group *groups, size_t n)
{
	static const char *const others[] = { "ssp", "hybrid", "ept" };
	size_t left_out = 0;

	printf("VM exits per operation under shadow, the change in the other modes, and their "
	       "time\n"
	       "as a multiple of shadow's, the loop around the operation included\n");
	printf("%-34s %11s", "", "shadow");
	for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
		printf(" %9s %6s", others[j], "time");
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		const struct record *work = groups[i].first;
		const struct group *strict;
		char params[80], text[128];

		if (!is_first_work(groups, i) || work->field[COL_gtt_mode][0])
			continue;
		strict = find_mode(groups, n, work, "shadow");
		if (!strict)
			continue;
		if (strict->count[0].median < EXITS_WORTH_COMPARING) {
			left_out++;
			continue;
		}
		format_params(groups, n, work, params, sizeof(params));
		snprintf(text, sizeof(text), "%s %s", work->field[COL_workload], params);
		printf("%-34s %11.3f", text, strict->count[0].median);
		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
			const struct group *other = find_mode(groups, n, work, others[j]);

			if (other)
				print_headline(other, strict);
			else
				printf(" %9s %6s", "-", "-");
		}
		putchar('\n');
	}
	if (left_out)
		printf("Left out: %zu rows with hardly an exit under shadow.\n", left_out);
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: summarize [--text|--table|--headlines] raw.csv > summary.csv\n"
		"Medians and spread per engine, mode, workload and parameters, to standard\n"
		"output; rows that are not ok and checksums that differ, to standard error.\n"
		"\n"
		"  --text   a list for people instead of CSV: cost, spread, exits\n"
		"  --table  the same: cost only, a column per engine and mode\n"
		"  --headlines  VM exits of each paging mode against paging_mode=shadow\n"
		"  --columns  no file: the columns that a raw.csv has, a line each\n"
		"  --help   this text\n"
		"\n"
		"Cost is (elapsed - control) / ops in units of the clock column, and \"< x\" (in\n"
		"summary.csv: empty, and x in cost_below) where equal repetitions differ by as\n"
		"much, or it is less than a thousandth of the body; cost_vs_ept\n"
		"is relative to Penumbra's ept, or to the same engine's where that was not run.\n"
		"A line that is no row is left out; a second header counts for its rows.\n"
		"Exit status: 0; 1 where a row is not ok, a checksum differs or the file is not\n"
		"whole; 2 where it cannot be read.\n");
}

int main(int argc, char **argv)
{
	struct table table = { 0 };
	struct group *groups = NULL;
	size_t n = 0, findings;
	bool text = false, pivot = false, headlines = false;
	double *scratch;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--columns")) {
		for (int col = 0; col < COL_NR; col++)
			puts(column_names[col]);
		return 0;
	}
	if (argc > 1 && (!strcmp(argv[1], "--text") || !strcmp(argv[1], "--table") ||
			 !strcmp(argv[1], "--headlines"))) {
		text = !strcmp(argv[1], "--text");
		pivot = !strcmp(argv[1], "--table");
		headlines = !strcmp(argv[1], "--headlines");
		argv++;
		argc--;
	}
	if (argc != 2 || (argv[1][0] == '-' && argv[1][1])) {
		usage(stderr);
		return EXIT_USAGE;
	}
	table_program("summarize");
	table_read(argv[1], &table);
	scratch = table_grow(NULL, table.count * sizeof(*scratch));
	for (size_t i = 0; i < table.count; i++) {
		size_t g = 0;

		while (g < n && !record_same_group(groups[g].first, &table.row[i]))
			g++;
		if (g < n)
			continue;
		groups = table_grow(groups, (n + 1) * sizeof(*groups));
		groups[n] = (struct group){ .first = &table.row[i] };
		fill_group(&table, &groups[n++], scratch);
	}
	relate(groups, n);
	findings = table.findings + check_rows(&table);
	findings += check_checksums(&table, groups, n);
	if (text) {
		print_text(groups, n);
	} else if (pivot) {
		print_table(groups, n);
	} else if (headlines) {
		print_headlines(groups, n);
	} else {
		print_header();
		for (size_t i = 0; i < n; i++)
			print_group(&groups[i]);
	}
	if (fflush(stdout) || ferror(stdout))
		table_fail("standard output", strerror(errno));
	return findings ? EXIT_FINDINGS : 0;
}

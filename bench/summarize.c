// SPDX-License-Identifier: GPL-2.0-only
/*
 * raw.csv to summary.csv: one line per engine, mode, workload and parameters, with medians and
 * spread over the repetitions, and a verdict on what must hold whatever was measured: every row
 * is ok, and a workload leaves the same memory behind in every mode.
 *
 * A program of its own, so that any raw.csv, from any machine, can be summarised again; C,
 * because it decides what the figures in plots and papers are.
 */
#include "columns.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS   128
#define EXIT_FINDINGS 1
#define EXIT_USAGE    2

struct record {
	char *field[COL_NR];
	unsigned long line;
};

struct table {
	struct record *row;
	size_t count, room;
	size_t notes; /* what was wrong with the file itself */
};

#define COLUMN_KIND(name, kind, sentence) COLUMN_##kind,
static const enum column_kind column_kinds[COL_NR] = { PENUMBRA_COLUMNS(COLUMN_KIND) };
#undef COLUMN_KIND

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

/* A median with its extremes; known is false where no repetition has the figure. */
struct figure {
	double median, min, max;
	bool known;
};

struct group {
	const struct record *first; /* whose key fields are the group's */
	size_t ok, failed;
	struct figure ops, elapsed, cost, count[NR_PER_OP], level[NR_LEVELS];
	double vs_ept, vs_native;
	bool vs_ept_known, vs_native_known;
	bool checksum_varies, checksum_differs;
	const char *checksum;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "summarize: %s: %s\n", what, why);
	exit(EXIT_USAGE);
}

static void *grow(void *block, size_t size)
{
	block = realloc(block, size ? size : 1);
	if (!block)
		fail("memory", "there is not enough");
	return block;
}

/* ------------------------------------------------------------------ reading ------------- */

/* Splits in place. Return: the number of fields found. */
static size_t split(char *line, char **field, size_t max)
{
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (n < max) {
		char *comma = strchr(line, ',');

		field[n++] = line;
		if (!comma)
			break;
		*comma = '\0';
		line = comma + 1;
		if (n == max)
			return max + 1;
	}
	return n;
}

/* Columns of the file, in its order: which of ours each is, COL_NR for one that we do not know. */
struct layout {
	enum column_id col[MAX_COLUMNS];
	size_t count;
};

/*
 * Columns are found by name, so that results of another version can still be summarised: those
 * that it did not have were not taken. Only without these a row says nothing.
 */
static void read_header(const char *path, char *line, struct layout *layout)
{
	static const enum column_id needed[] = {
		COL_engine, COL_mode,	 COL_workload, COL_params, COL_rep,  COL_status,
		COL_ops,    COL_elapsed, COL_control,  COL_clock,  COL_host, COL_checksum
	};
	char *field[MAX_COLUMNS], what[96];
	bool found[COL_NR] = { false };

	layout->count = split(line, field, MAX_COLUMNS);
	if (layout->count > MAX_COLUMNS)
		fail(path, "its header has too many columns");
	for (size_t i = 0; i < layout->count; i++) {
		int col = 0;

		while (col < COL_NR && strcmp(field[i], column_names[col]))
			col++;
		layout->col[i] = (enum column_id)col;
		if (col < COL_NR)
			found[col] = true;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (found[needed[i]])
			continue;
		snprintf(what, sizeof(what), "it is no raw.csv: its header has no column %s",
			 column_names[needed[i]]);
		fail(path, what);
	}
}

/* What is wrong with a file, and could be helped: said, and counted as a finding. */
static void note(struct table *table, const char *where, const char *what)
{
	fprintf(stderr, "summarize: %s: %s\n", where, what);
	table->notes++;
}

static bool is_last(FILE *file)
{
	int c = getc(file);

	return c == EOF || ungetc(c, file) == EOF;
}

static bool is_number(const char *text)
{
	char *end;

	strtod(text, &end);
	return end != text && !*end;
}

/* Where two files were put together, the second one's header counts for its rows. */
static bool is_header(const char *line)
{
	size_t size = strlen(column_names[0]);

	return !strncmp(line, column_names[0], size) && line[size] == ',';
}

static bool is_cut_off(const char *line, size_t fields, size_t wanted)
{
	return !strchr(line, '\n') || fields < wanted;
}

static void take_row(struct table *table, const struct layout *layout, char *const *field,
		     struct record *record, char *empty, const char *where)
{
	for (int col = 0; col < COL_NR; col++)
		record->field[col] = empty;
	for (size_t i = 0; i < layout->count; i++)
		if (layout->col[i] < COL_NR)
			record->field[layout->col[i]] = field[i];
	for (int col = 0; col < COL_NR; col++)
		if (column_kinds[col] == COLUMN_VALUE && record->field[col][0] &&
		    !is_number(record->field[col]))
			fail(where, "a value is not a number");
	if (table->count == table->room) {
		table->room = table->room * 2 + 64;
		table->row = grow(table->row, table->room * sizeof(*table->row));
	}
	table->row[table->count++] = *record;
}

static void read_table(const char *path, struct table *table)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	struct layout layout = { .count = 0 };
	char *line = NULL, *field[MAX_COLUMNS];
	size_t room = 0, fields;
	unsigned long number = 0;

	if (!file)
		fail(path, strerror(errno));
	while (getline(&line, &room, file) >= 0) {
		struct record record = { .line = ++number };
		char *copy, where[64];

		snprintf(where, sizeof(where), "%.40s line %lu", path, number);
		if (number == 1 || is_header(line)) {
			if (number > 1)
				note(table, where, "a second header: what follows is read by it");
			read_header(path, line, &layout);
			continue;
		}
		copy = strdup(line);
		if (!copy)
			fail(where, "no memory");
		fields = split(copy, field, MAX_COLUMNS);
		/* Whoever was stopped in the middle of a line has lost that line and no other. */
		if (is_cut_off(line, fields, layout.count) && is_last(file)) {
			note(table, where, "the last line is cut off, and left out");
			break;
		}
		if (fields != layout.count)
			fail(where, "wrong number of fields");
		take_row(table, &layout, field, &record, copy + strlen(copy), where);
	}
	if (number == 0)
		fail(path, "it is empty");
	free(line);
	if (file != stdin)
		fclose(file);
}

/* ------------------------------------------------------------------ figures ------------- */

static bool is_ok(const struct record *record)
{
	return !strcmp(record->field[COL_status], "ok");
}

static bool value_of(const struct record *record, enum column_id col, double *value)
{
	if (!record->field[col][0])
		return false;
	*value = strtod(record->field[col], NULL);
	return true;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct figure figure_of(double *values, size_t n)
{
	struct figure figure = { 0 };

	if (!n)
		return figure;
	qsort(values, n, sizeof(*values), compare_double);
	figure.min = values[0];
	figure.max = values[n - 1];
	figure.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	figure.known = true;
	return figure;
}

static bool same_group(const struct record *a, const struct record *b)
{
	for (int col = 0; col < COL_NR; col++)
		if (column_kinds[col] == COLUMN_KEY && strcmp(a->field[col], b->field[col]))
			return false;
	return true;
}

/* What a repetition contributes to a figure, or false. */
typedef bool (*pick_fn)(const struct record *record, enum column_id col, double *value);

static bool pick_level(const struct record *record, enum column_id col, double *value)
{
	return value_of(record, col, value);
}

static bool pick_per_op(const struct record *record, enum column_id col, double *value)
{
	double ops;

	if (!value_of(record, COL_ops, &ops) || ops <= 0 || !value_of(record, col, value))
		return false;
	*value /= ops;
	return true;
}

static bool pick_cost(const struct record *record, enum column_id col, double *value)
{
	double control;

	if (!pick_per_op(record, col, value) || !pick_per_op(record, COL_control, &control))
		return false;
	*value -= control;
	return true;
}

static struct figure collect(const struct table *table, const struct record *key, pick_fn pick,
			     enum column_id col, double *scratch)
{
	size_t n = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct record *record = &table->row[i];

		if (is_ok(record) && same_group(record, key) && pick(record, col, &scratch[n]))
			n++;
	}
	return figure_of(scratch, n);
}

static void fill_group(const struct table *table, struct group *group, double *scratch)
{
	const struct record *key = group->first;

	for (size_t i = 0; i < table->count; i++) {
		const struct record *record = &table->row[i];

		if (!same_group(record, key))
			continue;
		if (!is_ok(record)) {
			group->failed++;
			continue;
		}
		if (!group->ok++)
			group->checksum = record->field[COL_checksum];
		else if (strcmp(group->checksum, record->field[COL_checksum]))
			group->checksum_varies = true;
	}
	group->ops = collect(table, key, pick_level, COL_ops, scratch);
	group->elapsed = collect(table, key, pick_per_op, COL_elapsed, scratch);
	group->cost = collect(table, key, pick_cost, COL_elapsed, scratch);
	for (size_t i = 0; i < NR_PER_OP; i++)
		group->count[i] = collect(table, key, pick_per_op, per_op[i], scratch);
	for (size_t i = 0; i < NR_LEVELS; i++)
		group->level[i] = collect(table, key, pick_level, levels[i], scratch);
}

static bool same(const struct record *a, const struct record *b, enum column_id col)
{
	return !strcmp(a->field[col], b->field[col]);
}

/* Only a machine of its own has no size of guest memory: it goes with any. */
static bool same_memory(const struct record *a, const struct record *b)
{
	return same(a, b, COL_guest_mib) || !a->field[COL_guest_mib][0] ||
	       !b->field[COL_guest_mib][0];
}

static bool same_work(const struct record *a, const struct record *b)
{
	return same(a, b, COL_workload) && same(a, b, COL_params) && same_memory(a, b);
}

/* The same work on the same kind of host and clock, by that engine in that mode. */
static const struct group *counterpart(const struct group *groups, size_t n,
				       const struct record *key, const char *engine,
				       const char *mode)
{
	for (size_t i = 0; i < n; i++) {
		const struct record *record = groups[i].first;

		if (same_work(record, key) && same(record, key, COL_gtt_mode) &&
		    same(record, key, COL_clock) && same(record, key, COL_host) &&
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
		if (ept && ept->cost.known && groups[i].cost.known && ept->cost.median > 0) {
			groups[i].vs_ept = groups[i].cost.median / ept->cost.median;
			groups[i].vs_ept_known = true;
		}
		if (native && native->elapsed.known && groups[i].elapsed.known &&
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

		for (size_t j = 0; j < i && is_ok(record); j++) {
			const struct record *other = &table->row[j];

			if (!is_ok(other) || !same_work(record, other) ||
			    !same(record, other, COL_rep))
				continue;
			/* The first one is the measure: one finding per row that differs. */
			if (same(record, other, COL_checksum))
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
		if (is_ok(&table->row[i]))
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
	printf("reps,failed,ops,elapsed_per_op,cost_median,cost_min,cost_max,cost_spread_percent,"
	       "cost_vs_ept,elapsed_vs_native");
	for (size_t i = 0; i < NR_PER_OP; i++)
		printf(",%s_per_op", column_names[per_op[i]]);
	for (size_t i = 0; i < NR_LEVELS; i++)
		printf(",%s", column_names[levels[i]]);
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
	return (figure->max - figure->min) / fabs(figure->median) * 100;
}

static void print_group(const struct group *group)
{
	const struct figure *cost = &group->cost;

	for (int col = 0; col < COL_NR; col++)
		if (column_kinds[col] == COLUMN_KEY)
			printf("%s,", group->first->field[col]);
	printf("%zu,%zu", group->ok, group->failed);
	print_number(group->ops.median, group->ops.known);
	print_number(group->elapsed.median, group->elapsed.known);
	print_number(cost->median, cost->known);
	print_number(cost->min, cost->known);
	print_number(cost->max, cost->known);
	print_number(spread_percent(cost), cost->known && cost->median != 0);
	print_number(group->vs_ept, group->vs_ept_known);
	print_number(group->vs_native, group->vs_native_known);
	for (size_t i = 0; i < NR_PER_OP; i++)
		print_number(group->count[i].median, group->count[i].known);
	for (size_t i = 0; i < NR_LEVELS; i++)
		print_number(group->level[i].median, group->level[i].known);
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
		if (!same(groups[i].first, record, COL_workload))
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

static void print_text_line(const struct group *groups, size_t n, const struct group *group)
{
	const struct record *key = group->first;
	const struct figure *cost = &group->cost, *exits = &group->count[0];
	char params[80], modes[80];

	format_params(groups, n, key, params, sizeof(params));
	printf("%-10s %-24s %-8s %-*s ", key->field[COL_workload], params, key->field[COL_engine],
	       widest_modes(groups, n), format_modes(key, modes, sizeof(modes)));
	if (!group->ok) {
		printf("%11s\n", "failed");
		return;
	}
	if (cost->known)
		printf("%11.*f ", fabs(cost->median) < 100 ? 2 : 0, cost->median);
	else
		printf("%11s ", "-");
	/* Of a cost near zero a share says nothing. */
	if (cost->known && cost->median > 0.03 * group->elapsed.median)
		printf("%6.1f%% ", spread_percent(cost));
	else
		printf("%7s ", "-");
	if (exits->known)
		printf("%10.*f ", exits->median < 100 ? 3 : 0, exits->median);
	else
		printf("%10s ", "-");
	if (group->vs_ept_known && cost->median > 0.03 * group->elapsed.median)
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
	printf("%-10s %-24s %-8s %-*s %11s %7s %10s %9s\n", "workload", "parameters", "engine",
	       widest_modes(groups, n), "mode", "cost/op", "spread", "exits/op", "vs ept");
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
	return same(a, b, COL_engine) && same(a, b, COL_mode) && same(a, b, COL_gtt_mode);
}

/* Is this the first group with a cost of its engine and mode? */
static bool is_first_series(const struct group *groups, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (groups[j].cost.known && same_series(groups[j].first, groups[i].first))
			return false;
	return groups[i].cost.known;
}

/* Is this the first group with a cost of its workload and parameters? */
static bool is_first_work(const struct group *groups, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (groups[j].cost.known && same_work(groups[j].first, groups[i].first))
			return false;
	return groups[i].cost.known;
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
			const struct figure *cost = NULL;

			if (!is_first_series(groups, j))
				continue;
			for (size_t k = 0; k < n; k++)
				if (same_work(groups[k].first, work) &&
				    same_series(groups[k].first, groups[j].first))
					cost = &groups[k].cost;
			if (cost && cost->known && fabs(cost->median) < 0.05)
				printf(" %11s", "0.0");
			else if (cost && cost->known)
				printf(" %11.*f", fabs(cost->median) < 100 ? 1 : 0, cost->median);
			else
				printf(" %11s", "-");
		}
		putchar('\n');
	}
}

/* Fewer than one exit in a hundred operations is the clock's interrupts, not paging. */
#define EXITS_WORTH_COMPARING 0.01

static const struct group *find_mode(const struct group *groups, size_t n,
				     const struct record *work, const char *mode)
{
	for (size_t i = 0; i < n; i++)
		if (same_work(groups[i].first, work) &&
		    !strcmp(groups[i].first->field[COL_engine], "penumbra") &&
		    !strcmp(groups[i].first->field[COL_mode], mode) && groups[i].count[0].known)
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
		"Cost is (elapsed - control) / ops in units of the clock column; cost_vs_ept\n"
		"is relative to Penumbra's ept, or to the same engine's where that was not run.\n"
		"A last line that is cut off is left out; a second header counts for its rows.\n"
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
	read_table(argv[1], &table);
	scratch = grow(NULL, table.count * sizeof(*scratch));
	for (size_t i = 0; i < table.count; i++) {
		size_t g = 0;

		while (g < n && !same_group(groups[g].first, &table.row[i]))
			g++;
		if (g < n)
			continue;
		groups = grow(groups, (n + 1) * sizeof(*groups));
		groups[n] = (struct group){ .first = &table.row[i] };
		fill_group(&table, &groups[n++], scratch);
	}
	relate(groups, n);
	findings = table.notes + check_rows(&table);
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
	if (fflush(stdout))
		fail("standard output", strerror(errno));
	return findings ? EXIT_FINDINGS : 0;
}

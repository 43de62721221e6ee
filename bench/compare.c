// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two raw.csv side by side: what changed from one run to the other, row by row, and whether that is
 * more than the noise. Counts of the emulated host have none: any difference is a change. What has
 * noise (time, and everything on a real machine) changed where the two medians are further apart
 * than the repetitions of either run are among themselves.
 *
 * With one file it says where repetitions differ though nothing should make them.
 */
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_CHANGED 1
#define EXIT_USAGE   2

static const char *const usage_text =
	"usage: compare [--all] RAW.CSV [RAW.CSV]\n"
	"Says what changed from one run to the other, a line for each engine, mode, workload\n"
	"and column. With one file: which counts differ between repetitions, where the host\n"
	"is one on which they repeat.\n"
	"\n"
	"  --all    also what changed by no more than the noise\n"
	"  --help   this text\n"
	"\n"
	"A difference is within the noise where it is not greater than what repetitions of\n"
	"either run differ by, or than a thousandth for times. Counts of the emulated host\n"
	"have no noise.\n"
	"Exit status: 0 where nothing changed by more than the noise; 1 where something did,\n"
	"or a row of one run is not in the other; 2 where a file cannot be read.\n";

struct summary {
	size_t groups, missing, changed, noise;
};

/* The group of a row in the other file, by its first row there. */
static const struct record *find_group(const struct table *table, const struct record *key)
{
	for (size_t i = 0; i < table->count; i++)
		if (record_same_group(&table->row[i], key))
			return &table->row[i];
	return NULL;
}

static bool is_first_of_group(const struct table *table, size_t index)
{
	return find_group(table, &table->row[index]) == &table->row[index];
}

static void print_key(const struct record *key)
{
	const char *gtt = key->field[COL_gtt_mode];

	printf("%s %s, %s %s%s%s", key->field[COL_workload], key->field[COL_params],
	       key->field[COL_engine], key->field[COL_mode], *gtt ? "/" : "", gtt);
}

static bool repeats(const struct record *key, enum column_id col)
{
	return column_kinds[col] == COLUMN_COUNT && !strcmp(key->field[COL_host], "emulated");
}

/* By how much equal repetitions differ, in either run. */
static double noise_of(const struct record *key, enum column_id col, const struct figure *before,
		       const struct figure *after)
{
	double noise = fmax(before->max - before->min, after->max - after->min);

	if (repeats(key, col))
		return 0;
	if (column_kinds[col] == COLUMN_VALUE)
		noise = fmax(noise, fmax(fabs(before->median), fabs(after->median)) / 1000);
	return noise;
}

static void print_change(const struct record *key, enum column_id col, bool traced,
			 const struct figure *before, const struct figure *after, double noise)
{
	double change = after->median - before->median;

	print_key(key);
	printf(": %s%s %.10g -> %.10g", column_names[col], traced ? " (traced)" : "",
	       before->median, after->median);
	if (before->median != 0)
		printf(" (%+.2f%%)", 100 * change / before->median);
	if (fabs(change) <= noise)
		printf(", within the noise of %.4g", noise);
	else if (noise > 0)
		printf(", noise %.4g", noise);
	putchar('\n');
}

static void compare_column(const struct table *table, const struct record *const *key,
			   enum column_id col, bool traced, double *scratch, bool all,
			   struct summary *sum)
{
	struct figure before = table_figure(&table[0], key[0], traced, record_value, col, scratch);
	struct figure after = table_figure(&table[1], key[1], traced, record_value, col, scratch);
	double noise;

	if (!before.values && !after.values)
		return;
	if (!before.values || !after.values) {
		print_key(key[0]);
		printf(": %s was taken in the %s run alone\n", column_names[col],
		       before.values ? "first" : "second");
		sum->missing++;
		return;
	}
	noise = noise_of(key[0], col, &before, &after);
	if (before.median == after.median && (noise > 0 || before.max == after.max))
		return;
	if (fabs(after.median - before.median) <= noise) {
		sum->noise++;
		if (!all)
			return;
	} else {
		sum->changed++;
	}
	print_change(key[0], col, traced, &before, &after, noise);
}

static void compare_group(const struct table *table, const struct record *const *key,
			  double *scratch, bool all, struct summary *sum)
{
	for (int col = 0; col < COL_NR; col++) {
		enum column_kind kind = column_kinds[col];

		if (kind != COLUMN_COUNT && kind != COLUMN_VALUE)
			continue;
		for (int traced = 0; traced < 2; traced++)
			compare_column(table, key, (enum column_id)col, traced, scratch, all, sum);
	}
}

static int compare(const struct table *table, double *scratch, bool all)
{
	struct summary sum = { 0 };

	for (size_t i = 0; i < table[0].count; i++) {
		const struct record *key[2] = { &table[0].row[i] };

		if (!is_first_of_group(&table[0], i))
			continue;
		sum.groups++;
		key[1] = find_group(&table[1], key[0]);
		if (key[1]) {
			compare_group(table, key, scratch, all, &sum);
			continue;
		}
		print_key(key[0]);
		printf(": in the first run alone\n");
		sum.missing++;
	}
	for (size_t i = 0; i < table[1].count; i++) {
		if (!is_first_of_group(&table[1], i) || find_group(&table[0], &table[1].row[i]))
			continue;
		print_key(&table[1].row[i]);
		printf(": in the second run alone\n");
		sum.missing++;
	}
	printf("%zu rows of the first run; %zu figures changed, %zu within the noise, %zu without "
	       "a "
	       "counterpart\n",
	       sum.groups, sum.changed, sum.noise, sum.missing);
	return sum.changed || sum.missing ? EXIT_CHANGED : 0;
}

/* Counts that differ between repetitions of one run, where they must not. */
static int check_repetitions(const struct table *table, double *scratch)
{
	size_t groups = 0, differ = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct record *key = &table->row[i];

		if (!is_first_of_group(table, i))
			continue;
		groups++;
		for (int col = 0; col < COL_NR; col++) {
			struct figure f;

			if (!repeats(key, (enum column_id)col))
				continue;
			f = table_figure(table, key, false, record_value, (enum column_id)col,
					 scratch);
			if (!f.values || f.min == f.max)
				continue;
			print_key(key);
			printf(": %s from %.10g to %.10g in %zu repetitions\n", column_names[col],
			       f.min, f.max, f.values);
			differ++;
		}
	}
	printf("%zu rows; %zu counts differ between repetitions\n", groups, differ);
	return differ ? EXIT_CHANGED : 0;
}

int main(int argc, char **argv)
{
	struct table table[2];
	bool all = false;
	double *scratch;
	int status;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--all")) {
		all = true;
		argv++;
		argc--;
	}
	if (argc < 2 || argc > 3 || (argv[1][0] == '-' && argv[1][1])) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	table_program("compare");
	for (int i = 0; i < argc - 1; i++)
		table_read(argv[1 + i], &table[i]);
	scratch = table_grow(NULL,
			     (table[0].count + (argc > 2 ? table[1].count : 0)) * sizeof(*scratch));
	status = argc > 2 ? compare(table, scratch, all) : check_repetitions(&table[0], scratch);
	if (fflush(stdout))
		table_fail("standard output", strerror(errno));
	return status;
}

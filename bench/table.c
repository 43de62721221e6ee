// SPDX-License-Identifier: GPL-2.0-only
/*
 * raw.csv in memory. See table.h.
 *
 * Nothing that a file may hold ends in a wrong figure: a line that cannot be a row is named and left
 * out, and whoever reads the table can ask how many there were.
 */
#include "table.h"
#include "../workloads/guest_abi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 128
#define EXIT_USAGE  2

#define COLUMN_KIND(name, kind, sentence) COLUMN_##kind,
const enum column_kind column_kinds[COL_NR] = { PENUMBRA_COLUMNS(COLUMN_KIND) };
#undef COLUMN_KIND

static const char *program = "table";

/**
 * table_program() - who speaks where something is wrong
 * @name: of the program, before each sentence on standard error
 */
void table_program(const char *name)
{
	program = name;
}

/**
 * table_fail() - end the program with a sentence
 * @what: what it is about, a file mostly
 * @why: what is wrong with it
 */
void table_fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, why);
	exit(EXIT_USAGE);
}

/**
 * table_grow() - realloc() that ends the program where there is no memory
 * @block: NULL or what was returned before
 * @size: bytes
 *
 * Return: the block.
 */
void *table_grow(void *block, size_t size)
{
	block = realloc(block, size ? size : 1);
	if (!block)
		table_fail("memory", "there is not enough");
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
 * Columns are found by name, so that results of another version can still be read: those that it
 * did not have were not taken. Only without these a row says nothing.
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
		table_fail(path, "its header has too many columns");
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
		table_fail(path, what);
	}
}

/* Where two files were put together, the second one's header counts for its rows. */
static bool is_header(const char *line)
{
	size_t size = strlen(column_names[0]);

	return !strncmp(line, column_names[0], size) && line[size] == ',';
}

static bool is_number(const char *text)
{
	char *end;

	strtod(text, &end);
	return end != text && !*end;
}

/* Return: why the line is no row, or NULL. */
static const char *read_row(char *line, const struct layout *layout, struct record *record)
{
	char *field[MAX_COLUMNS], *end = line + strlen(line);

	if (split(line, field, MAX_COLUMNS) != layout->count)
		return "wrong number of fields";
	for (int col = 0; col < COL_NR; col++)
		record->field[col] = end;
	for (size_t i = 0; i < layout->count; i++)
		if (layout->col[i] < COL_NR)
			record->field[layout->col[i]] = field[i];
	for (int col = 0; col < COL_NR; col++)
		if ((column_kinds[col] == COLUMN_VALUE || column_kinds[col] == COLUMN_COUNT) &&
		    record->field[col][0] && !is_number(record->field[col]))
			return "a value is not a number";
	return NULL;
}

static void add_line(struct table *table, const char *path, const struct layout *layout,
		     const char *line, unsigned long number)
{
	struct record record = { .line = number };
	size_t size = strlen(line);
	const char *why;
	char *copy = strdup(line);

	if (!copy)
		table_fail(path, "no memory for its rows");
	why = read_row(copy, layout, &record);
	/* Rows are written whole: this one was cut, or its disk was full. */
	if (!size || line[size - 1] != '\n')
		why = "it ends in the middle of a line";
	if (why) {
		fprintf(stderr, "%s: %s line %lu is left out: %s\n", program, path, number, why);
		table->findings++;
		free(copy);
		return;
	}
	if (table->count == table->room) {
		table->room = table->room * 2 + 64;
		table->row = table_grow(table->row, table->room * sizeof(*table->row));
	}
	table->row[table->count++] = record;
}

/**
 * table_read() - read a raw.csv; ends the program where it is none
 * @path: the file, "-" for standard input
 * @table: filled in; lines that are no rows are in its findings
 */
void table_read(const char *path, struct table *table)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	struct layout layout = { .count = 0 };
	unsigned long number = 0;
	char *line = NULL;
	size_t room = 0;

	*table = (struct table){ 0 };
	if (!file)
		table_fail(path, strerror(errno));
	while (getline(&line, &room, file) >= 0) {
		if (++number == 1 || is_header(line)) {
			read_header(path, line, &layout);
			if (number == 1)
				continue;
			fprintf(stderr, "%s: %s line %lu: a second header\n", program, path,
				number);
			table->findings++;
		} else {
			add_line(table, path, &layout, line, number);
		}
	}
	if (number == 0)
		table_fail(path, "it is empty");
	free(line);
	if (file != stdin)
		fclose(file);
}

/* ------------------------------------------------------------------ rows ---------------- */

/**
 * record_ok() - did the repetition end well?
 * @record: its row
 */
bool record_ok(const struct record *record)
{
	return !strcmp(record->field[COL_status], "ok");
}

/**
 * record_traced() - was its body in the emulator's trace?
 * @record: its row
 *
 * Such a repetition has operations of its own, and is there for its page walks alone.
 */
bool record_traced(const struct record *record)
{
	return !strcmp(record->field[COL_rep], GUEST_REP_TRACED);
}

/**
 * record_value() - a pick_fn: the column as it is
 * @record: the row
 * @col: the column
 * @value: set where it was taken
 *
 * Return: whether it was taken.
 */
bool record_value(const struct record *record, enum column_id col, double *value)
{
	if (!record->field[col][0])
		return false;
	*value = strtod(record->field[col], NULL);
	return true;
}

/**
 * record_per_op() - a pick_fn: the column for one operation
 * @record: the row
 * @col: the column
 * @value: set where it was taken
 *
 * Return: whether it was taken.
 */
bool record_per_op(const struct record *record, enum column_id col, double *value)
{
	double ops;

	if (!record_value(record, COL_ops, &ops) || ops <= 0 || !record_value(record, col, value))
		return false;
	*value /= ops;
	return true;
}

/**
 * record_cost() - a pick_fn: what the body took beyond its control, for one operation
 * @record: the row
 * @col: COL_elapsed
 * @value: set where both were taken
 *
 * Return: whether they were.
 */
bool record_cost(const struct record *record, enum column_id col, double *value)
{
	double control;

	if (!record_per_op(record, col, value) || !record_per_op(record, COL_control, &control))
		return false;
	*value -= control;
	return true;
}

/**
 * record_same() - do two rows agree in a column?
 * @a: one row
 * @b: the other
 * @col: the column
 */
bool record_same(const struct record *a, const struct record *b, enum column_id col)
{
	return !strcmp(a->field[col], b->field[col]);
}

/**
 * record_same_group() - are two rows repetitions of the same thing?
 * @a: one row
 * @b: the other
 */
bool record_same_group(const struct record *a, const struct record *b)
{
	for (int col = 0; col < COL_NR; col++)
		if (column_kinds[col] == COLUMN_KEY && !record_same(a, b, (enum column_id)col))
			return false;
	return true;
}

/* ------------------------------------------------------------------ figures ------------- */

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/*
 * How many of the lowest and of the highest of n values lie outside the interval. The median is
 * below the value of rank k + 1 with the probability that at most k of n fall below it: the lower
 * tail of a binomial distribution with p = 1/2. Both tails together may have 5%.
 */
static bool interval_rank(size_t n, size_t *rank)
{
	double term = 1, tail = 0;
	bool found = false;

	for (size_t i = 0; i < n; i++)
		term /= 2;
	for (size_t k = 0; k < n / 2; k++) {
		tail += term;
		if (2 * tail > 0.05)
			break;
		*rank = k;
		found = true;
		term = term * (double)(n - k) / (double)(k + 1);
	}
	return found;
}

/**
 * figure_of() - median, extremes and interval of some values
 * @values: they are sorted
 * @n: how many
 *
 * Return: the figure.
 */
struct figure figure_of(double *values, size_t n)
{
	struct figure figure = { .values = n };
	size_t rank = 0;

	if (!n)
		return figure;
	qsort(values, n, sizeof(*values), compare_double);
	figure.min = values[0];
	figure.max = values[n - 1];
	figure.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	figure.interval = interval_rank(n, &rank);
	figure.low = values[rank];
	figure.high = values[n - 1 - rank];
	return figure;
}

/**
 * table_figure() - a figure over the repetitions of one thing that were ok
 * @table: all rows
 * @key: one of the rows
 * @traced: of those that were traced, or of the others
 * @pick: what each contributes
 * @col: of which column
 * @scratch: room for a value for each row of the table
 *
 * Return: the figure.
 */
struct figure table_figure(const struct table *table, const struct record *key, bool traced,
			   pick_fn pick, enum column_id col, double *scratch)
{
	size_t n = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct record *record = &table->row[i];

		if (record_ok(record) && record_traced(record) == traced &&
		    record_same_group(record, key) && pick(record, col, &scratch[n]))
			n++;
	}
	return figure_of(scratch, n);
}

/*
 * What the host does beside the guest falls into a body or does not: a thousandth of it is never to
 * be trusted, however few repetitions happened to show it.
 */
#define NEVER_BETTER 0.001

static double range_of(const struct table *table, const struct record *key, enum column_id col,
		       double *scratch)
{
	struct figure figure = table_figure(table, key, false, record_per_op, col, scratch);

	return figure.values ? figure.max - figure.min : 0;
}

/**
 * table_resolution() - the least difference between body and control that says something
 * @table: all rows
 * @key: one of the rows
 * @scratch: room for a value for each row of the table
 *
 * Return: clock units for one operation: as much as equal repetitions of the body differ, and of
 * the control, and a thousandth of the body at least.
 */
double table_resolution(const struct table *table, const struct record *key, double *scratch)
{
	struct figure body = table_figure(table, key, false, record_per_op, COL_elapsed, scratch);
	double least = body.values ? NEVER_BETTER * body.median : 0;
	double elapsed = range_of(table, key, COL_elapsed, scratch);
	double control = range_of(table, key, COL_control, scratch);

	if (elapsed > least)
		least = elapsed;
	return control > least ? control : least;
}

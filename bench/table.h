/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * raw.csv in memory, for the programs that judge it: its rows by column, the rows that are
 * repetitions of one thing, and a median with what is known of its uncertainty.
 */
#ifndef PENUMBRA_TABLE_H
#define PENUMBRA_TABLE_H

#include "columns.h"

#include <stdbool.h>
#include <stddef.h>

struct record {
	char *field[COL_NR]; /* never NULL; "" where the column was not taken */
	unsigned long line;
};

struct table {
	struct record *row;
	size_t count, room;
	size_t findings; /* lines that had to be left out; each was named on standard error */
};

extern const enum column_kind column_kinds[COL_NR];

/*
 * The median of repetitions with its extremes. low and high are the ends of an interval that holds
 * the median of all possible repetitions with a probability of 95% or more, whatever their
 * distribution: two of the values, by rank. It takes six of them.
 */
struct figure {
	double median, min, max, low, high;
	size_t values; /* 0: no repetition has the figure */
	bool interval; /* low and high are known */
};

/* What a repetition contributes to a figure, or false. */
typedef bool (*pick_fn)(const struct record *record, enum column_id col, double *value);

void table_program(const char *name);
void table_fail(const char *what, const char *why) __attribute__((noreturn));
void *table_grow(void *block, size_t size);
void table_read(const char *path, struct table *table);

bool record_ok(const struct record *record);
bool record_traced(const struct record *record);
bool record_value(const struct record *record, enum column_id col, double *value);
bool record_per_op(const struct record *record, enum column_id col, double *value);
bool record_cost(const struct record *record, enum column_id col, double *value);
bool record_same(const struct record *a, const struct record *b, enum column_id col);
bool record_same_group(const struct record *a, const struct record *b);

struct figure figure_of(double *values, size_t n);
struct figure table_figure(const struct table *table, const struct record *key, bool traced,
			   pick_fn pick, enum column_id col, double *scratch);
double table_resolution(const struct table *table, const struct record *key, double *scratch);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CSV files of a run (no quotes, no commas in fields) as tables that are asked by column name, for
 * programs that compute from them. A column or field that is not there is a figure not taken.
 */
#ifndef PENUMBRA_CSV_H
#define PENUMBRA_CSV_H

#include <stdbool.h>
#include <stddef.h>

#define CSV_MAX_COLUMNS 128

/**
 * struct csv - one file
 * @name: its columns
 * @columns: how many
 * @row: fields of each line
 * @rows: how many
 */
struct csv {
	char *name[CSV_MAX_COLUMNS];
	size_t columns;
	char *(*row)[CSV_MAX_COLUMNS];
	size_t rows;
};

/**
 * csv_read() - read a whole file, or end the program with a sentence and status 2
 * @table: where it goes; zeroed
 * @path: the file
 */
void csv_read(struct csv *table, const char *path);

/**
 * csv_text() - a field as it stands
 * @table: the file
 * @row: its line
 * @column: name of the column
 *
 * Return: NULL where there is no such column.
 */
const char *csv_text(const struct csv *table, size_t row, const char *column);

/**
 * csv_number() - a figure
 * @table: the file
 * @row: its line
 * @column: name of the column
 *
 * Return: NAN where it was not taken.
 */
double csv_number(const struct csv *table, size_t row, const char *column);

/**
 * csv_is() - does a field have this text?
 * @table: the file
 * @row: its line
 * @column: name of the column
 * @text: what it should be
 */
bool csv_is(const struct csv *table, size_t row, const char *column, const char *text);

/**
 * csv_param() - a value among the parameters ("key:value;key:value")
 * @table: the file
 * @row: its line
 * @key: which
 *
 * Return: NAN where there is none.
 */
double csv_param(const struct csv *table, size_t row, const char *key);

#endif

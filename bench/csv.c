// SPDX-License-Identifier: GPL-2.0-only
/* See csv.h. */
#include "csv.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void __attribute__((noreturn)) fail(const char *path, size_t line, const char *why)
{
	fprintf(stderr, "%s: %s: ", program_invocation_short_name, path);
	if (line)
		fprintf(stderr, "line %zu: ", line);
	fprintf(stderr, "%s\n", why);
	exit(2);
}

static size_t split(char *line, char **field)
{
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (n < CSV_MAX_COLUMNS) {
		field[n++] = line;
		line = strchr(line, ',');
		if (!line)
			return n;
		*line++ = '\0';
	}
	return CSV_MAX_COLUMNS + 1;
}

void csv_read(struct csv *table, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!file)
		fail(path, 0, strerror(errno));
	while (getline(&line, &room, file) >= 0) {
		char *copy = strdup(line);

		if (!table->columns) {
			table->columns = copy ? split(copy, table->name) : CSV_MAX_COLUMNS + 1;
			if (table->columns > CSV_MAX_COLUMNS)
				fail(path, 1, "its header has too many columns");
			continue;
		}
		table->row = reallocarray(table->row, table->rows + 1, sizeof(*table->row));
		if (!table->row || !copy || split(copy, table->row[table->rows]) != table->columns)
			fail(path, table->rows + 2, "wrong number of fields");
		table->rows++;
	}
	if (ferror(file))
		fail(path, 0, strerror(errno));
	free(line);
	fclose(file);
}

const char *csv_text(const struct csv *table, size_t row, const char *column)
{
	for (size_t i = 0; i < table->columns; i++)
		if (!strcmp(table->name[i], column))
			return table->row[row][i];
	return NULL;
}

double csv_number(const struct csv *table, size_t row, const char *column)
{
	const char *text = csv_text(table, row, column);
	char *end;
	double value = text ? strtod(text, &end) : NAN;

	return text && *text && !*end ? value : NAN;
}

bool csv_is(const struct csv *table, size_t row, const char *column, const char *text)
{
	const char *field = csv_text(table, row, column);

	return field && !strcmp(field, text);
}

double csv_param(const struct csv *table, size_t row, const char *key)
{
	const char *at = csv_text(table, row, "params");
	size_t size = strlen(key);

	for (; at && *at; at += strcspn(at, ";"), at += *at == ';')
		if (!strncmp(at, key, size) && at[size] == ':')
			return strtod(at + size + 1, NULL);
	return NAN;
}

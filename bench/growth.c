// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the cost of an operation depend on what has nothing to do with it? From a summary.csv: for
 * each operation, paging mode and thing that grows (processes, table pages, guest memory) how steeply
 * cost follows size, and a verdict. What grows must have a reason in a file of reasons.
 *
 * A slope is that of log(cost) over log(size): 0 is constant, 1 linear, 2 quadratic. It is taken over
 * all sizes (least squares), and over the last two alone, because a linear part under a large constant
 * only shows at the end; either is enough for a verdict. So is a cost that is half as much again at
 * the largest size as at the smallest, however slowly it came to that.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_GROWS  1
#define EXIT_USAGE  2
#define MAX_COLUMNS 256
#define MAX_POINTS  64
#define SIZES_MIN   3
/* Steeper than this grows. */
#define SLOPE_MAX 0.3
/* More than so many times the first cost at the end grows, whatever the slope. */
#define ENDS_MAX 1.5
/* A change of so few clock units per operation is the timer's and the loop's. */
#define CHANGE_MIN 20.0

enum field { ENGINE, MODE, WORKLOAD, PARAMS, CLOCK, HOST, GUEST_MIB, COST, BELOW, FIELDS };

static const char *const field_names[FIELDS] = { "engine",    "mode",	     "workload",
						 "params",    "clock",	     "host",
						 "guest_mib", "cost_median", "cost_below" };

struct line {
	const char *field[FIELDS];
};

struct axis {
	const char *name, *param; /* param NULL: guest memory */
	const char *text;
};

static const struct axis axes[] = {
	{ "procs", "procs", "processes" },
	{ "tables", "tables", "table pages" },
	{ "memory", NULL, "guest MiB" },
};

#define NR_AXES (sizeof(axes) / sizeof(axes[0]))

struct point {
	double size, cost;
};

/* Points of one operation in one mode along one axis. */
struct series {
	const struct line *first;
	const struct axis *axis;
	char label[96];
	size_t n;
	struct point point[MAX_POINTS];
	bool resolved; /* there is a slope */
	double slope, tail;
};

struct reason {
	char *axis, *label, *mode, *text;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "growth: %s: %s\n", what, why);
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

/* Splits in place; no field holds a comma. Return: the number of fields, at most @max. */
static size_t split(char *text, char **field, size_t max)
{
	size_t n = 0;

	text[strcspn(text, "\r\n")] = '\0';
	while (text && n < max) {
		field[n++] = text;
		text = strchr(text, ',');
		if (text)
			*text++ = '\0';
	}
	return n;
}

static FILE *open_file(const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;

	if (!file)
		fail(path, strerror(errno));
	return file;
}

static struct line *read_summary(const char *path, size_t *count)
{
	FILE *file = open_file(path);
	char *text = NULL, *field[MAX_COLUMNS];
	struct line *lines = NULL;
	size_t room = 0, n, at[FIELDS];

	*count = 0;
	if (getline(&text, &room, file) < 0)
		fail(path, "it is empty");
	n = split(text, field, MAX_COLUMNS);
	for (int f = 0; f < FIELDS; f++) {
		for (at[f] = 0; at[f] < n && strcmp(field[at[f]], field_names[f]); at[f]++)
			;
		/* Not there in the summaries of older versions. */
		if (at[f] == n && f != BELOW)
			fail(path, "it is no summary.csv of this version: a column is missing");
	}
	while (getline(&text, &room, file) >= 0) {
		char *copy = strdup(text);
		struct line line;

		if (!copy)
			fail(path, "no memory");
		if (split(copy, field, MAX_COLUMNS) != n)
			fail(path, "a line has the wrong number of fields");
		for (int f = 0; f < FIELDS; f++)
			line.field[f] = at[f] < n ? field[at[f]] : "";
		lines = grow(lines, (*count + 1) * sizeof(*lines));
		lines[(*count)++] = line;
	}
	free(text);
	if (file != stdin)
		fclose(file);
	return lines;
}

/* Lines "axis operation mode reason..."; * stands for any. */
static struct reason *read_reasons(const char *path, size_t *count)
{
	FILE *file = open_file(path);
	struct reason *reasons = NULL;
	char *text = NULL;
	size_t room = 0;

	*count = 0;
	while (getline(&text, &room, file) >= 0) {
		struct reason reason = { 0 };

		if (sscanf(text, " %ms %ms %ms %m[^\n]", &reason.axis, &reason.label, &reason.mode,
			   &reason.text) < 1 ||
		    reason.axis[0] == '#')
			continue;
		if (!reason.text)
			fail(path, "a line is not: axis operation mode reason");
		reasons = grow(reasons, (*count + 1) * sizeof(*reasons));
		reasons[(*count)++] = reason;
	}
	free(text);
	fclose(file);
	return reasons;
}

/* ------------------------------------------------------------------ sizes --------------- */

/* The value of a parameter in "key:value;key:value", or NULL. */
static const char *param_value(const char *params, const char *key)
{
	size_t size = strlen(key);

	for (; *params; params += strcspn(params, ";"), params += *params == ';')
		if (!strncmp(params, key, size) && params[size] == ':')
			return params + size + 1;
	return NULL;
}

static bool size_along(const struct line *line, const struct axis *axis, double *size)
{
	const char *text = axis->param ? param_value(line->field[PARAMS], axis->param)
				       : line->field[GUEST_MIB];
	char *end;

	if (!text)
		return false;
	*size = strtod(text, &end);
	return end != text && *size > 0;
}

/* The parameters without the axis's own. */
static void other_params(const struct line *line, const struct axis *axis, char *out, size_t room)
{
	const char *at = line->field[PARAMS];
	size_t used = 0, key = axis->param ? strlen(axis->param) : 0;

	out[0] = '\0';
	for (; *at; at += strcspn(at, ";"), at += *at == ';') {
		if (key && !strncmp(at, axis->param, key) && at[key] == ':')
			continue;
		if (used < room)
			used += (size_t)snprintf(out + used, room - used, "%.*s;",
						 (int)strcspn(at, ";"), at);
	}
}

/* Do two lines differ in size along the axis and in nothing else? */
static bool same_series(const struct line *a, const struct line *b, const struct axis *axis)
{
	static const enum field keys[] = { ENGINE, MODE, WORKLOAD, CLOCK, HOST };
	char left[512], right[512];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(a->field[keys[i]], b->field[keys[i]]))
			return false;
	if (axis->param && strcmp(a->field[GUEST_MIB], b->field[GUEST_MIB]))
		return false;
	other_params(a, axis, left, sizeof(left));
	other_params(b, axis, right, sizeof(right));
	return !strcmp(left, right);
}

/* What people call the operation: its kind, or the workload where it has none. */
static void set_label(struct series *s)
{
	const char *kind = param_value(s->first->field[PARAMS], "kind");

	if (kind)
		snprintf(s->label, sizeof(s->label), "%.*s", (int)strcspn(kind, ";"), kind);
	else
		snprintf(s->label, sizeof(s->label), "%s", s->first->field[WORKLOAD]);
}

static int compare_point(const void *a, const void *b)
{
	double x = ((const struct point *)a)->size, y = ((const struct point *)b)->size;

	return x < y ? -1 : x > y;
}

static double change(const struct series *s)
{
	double least = s->point[0].cost, most = least;

	for (size_t i = 1; i < s->n; i++) {
		least = fmin(least, s->point[i].cost);
		most = fmax(most, s->point[i].cost);
	}
	return most - least;
}

/* A cost of nothing has no logarithm: such a series has no slope. */
static void find_slopes(struct series *s)
{
	double x = 0, y = 0, xx = 0, xy = 0, n = (double)s->n;
	const struct point *end = &s->point[s->n - 1];

	qsort(s->point, s->n, sizeof(s->point[0]), compare_point);
	for (size_t i = 0; i < s->n; i++) {
		if (s->point[i].cost <= 0)
			return;
		x += log(s->point[i].size);
		y += log(s->point[i].cost);
		xx += log(s->point[i].size) * log(s->point[i].size);
		xy += log(s->point[i].size) * log(s->point[i].cost);
	}
	s->resolved = true;
	s->slope = (n * xy - x * y) / (n * xx - x * x);
	s->tail = log(end[0].cost / end[-1].cost) / log(end[0].size / end[-1].size);
}

static void collect(struct series *s, const struct line *lines, size_t count)
{
	for (size_t i = 0; i < count && s->n < MAX_POINTS; i++) {
		struct point point;
		bool known = false;

		/* Below what can be told from nothing: nothing. */
		if ((!lines[i].field[COST][0] && !lines[i].field[BELOW][0]) ||
		    !same_series(&lines[i], s->first, s->axis) ||
		    !size_along(&lines[i], s->axis, &point.size))
			continue;
		for (size_t k = 0; k < s->n; k++)
			known = known || s->point[k].size == point.size;
		if (known)
			continue;
		point.cost = strtod(lines[i].field[COST], NULL);
		s->point[s->n++] = point;
	}
	if (s->n >= SIZES_MIN)
		find_slopes(s);
}

/* All series with enough sizes, axis by axis. */
static struct series *find_series(const struct line *lines, size_t count, size_t *found)
{
	struct series *all = NULL;

	*found = 0;
	for (size_t a = 0; a < NR_AXES; a++)
		for (size_t i = 0; i < count; i++) {
			struct series s = { .first = &lines[i], .axis = &axes[a] };
			bool first = true;

			for (size_t j = 0; j < i && first; j++)
				first = !same_series(&lines[j], &lines[i], &axes[a]);
			if (!first)
				continue;
			collect(&s, lines, count);
			if (s.n < SIZES_MIN)
				continue;
			set_label(&s);
			all = grow(all, (*found + 1) * sizeof(*all));
			all[(*found)++] = s;
		}
	return all;
}

static bool grows(const struct series *s)
{
	return s->resolved && change(s) >= CHANGE_MIN &&
	       (s->slope > SLOPE_MAX || s->tail > SLOPE_MAX ||
		s->point[s->n - 1].cost > ENDS_MAX * s->point[0].cost);
}

/* ------------------------------------------------------------------ writing ------------- */

static void mode_name(const struct line *line, char *out, size_t room)
{
	const char *engine = line->field[ENGINE], *mode = line->field[MODE];

	if (!strcmp(engine, mode) || !strcmp(engine, "penumbra"))
		snprintf(out, room, "%s", mode);
	else
		snprintf(out, room, "%s-%s", engine, mode);
}

static const struct reason *find_reason(struct reason *reasons, size_t n, const struct series *s)
{
	char mode[64];

	mode_name(s->first, mode, sizeof(mode));
	for (size_t i = 0; i < n; i++) {
		struct reason *r = &reasons[i];

		if ((!strcmp(r->axis, "*") || !strcmp(r->axis, s->axis->name)) &&
		    (!strcmp(r->label, "*") || !strcmp(r->label, s->label)) &&
		    (!strcmp(r->mode, "*") || !strcmp(r->mode, mode)))
			return r;
	}
	return NULL;
}

static bool same_row(const struct series *a, const struct series *b)
{
	return a->axis == b->axis && !strcmp(a->label, b->label);
}

static bool same_column(const struct series *a, const struct series *b)
{
	return !strcmp(a->first->field[ENGINE], b->first->field[ENGINE]) &&
	       !strcmp(a->first->field[MODE], b->first->field[MODE]);
}

/* The first of its row, or of its column? */
static bool is_first(const struct series *all, size_t i,
		     bool (*same)(const struct series *a, const struct series *b))
{
	for (size_t j = 0; j < i; j++)
		if (same(&all[j], &all[i]))
			return false;
	return true;
}

static void print_cell(const struct series *s)
{
	char text[64];

	if (!s) {
		printf(" %20s ", "-");
		return;
	}
	snprintf(text, sizeof(text), "%.0f..%.0f", s->point[0].cost, s->point[s->n - 1].cost);
	if (s->resolved)
		printf(" %14s %5.2f%c", text, round(s->slope * 100) / 100 + 0.0,
		       grows(s) ? '*' : ' ');
	else
		printf(" %14s %5s ", text, "-");
}

static void print_table(const struct series *all, size_t n)
{
	char text[64];

	printf("cost per operation in %s at the smallest and the largest size, and the slope of\n"
	       "log(cost) over log(size): 0 constant, 1 linear; * grows\n%-16s %-22s",
	       n ? all[0].first->field[CLOCK] : "clock units", "", "");
	for (size_t i = 0; i < n; i++) {
		if (!is_first(all, i, same_column))
			continue;
		mode_name(all[i].first, text, sizeof(text));
		printf(" %20s ", text);
	}
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		const struct series *row = &all[i];

		if (!is_first(all, i, same_row))
			continue;
		snprintf(text, sizeof(text), "%s %.0f..%.0f", row->axis->text, row->point[0].size,
			 row->point[row->n - 1].size);
		printf("%-16s %-22s", row->label, text);
		for (size_t j = 0; j < n; j++) {
			const struct series *cell = NULL;

			if (!is_first(all, j, same_column))
				continue;
			for (size_t k = 0; k < n; k++)
				if (same_row(&all[k], row) && same_column(&all[k], &all[j]))
					cell = &all[k];
			print_cell(cell);
		}
		putchar('\n');
	}
}

/* Return: how many grow without a reason. */
static size_t print_verdict(const struct series *all, size_t n, struct reason *reasons,
			    size_t nr_reasons)
{
	size_t growing = 0, unexplained = 0;
	char mode[64];

	for (size_t i = 0; i < n; i++) {
		const struct series *s = &all[i];
		const struct reason *reason;

		if (!grows(s))
			continue;
		growing++;
		reason = find_reason(reasons, nr_reasons, s);
		unexplained += !reason;
		mode_name(s->first, mode, sizeof(mode));
		printf("grows: %s with %s, %s: slope %.2f, at the end %.2f: %s\n", s->label,
		       s->axis->text, mode, s->slope, s->tail,
		       reason ? reason->text : "NO REASON IS STATED");
	}
	if (!growing)
		printf("nothing grows: no slope above %.1f\n", SLOPE_MAX);
	return unexplained;
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: growth [--reasons FILE] summary.csv\n"
		"How the cost of each operation follows the number of processes, of table pages\n"
		"(parameters procs and tables) and guest memory, where there are three sizes.\n"
		"\n"
		"  --reasons FILE  why some of them grow: lines 'axis operation mode reason',\n"
		"                  axis one of procs, tables, memory; * stands for any\n"
		"  --help          this text\n"
		"\n"
		"Exit status: 0; 1 where a cost grows without a reason; 2 where a file cannot be\n"
		"read or has nothing to tell.\n");
}

int main(int argc, char **argv)
{
	struct reason *reasons = NULL;
	size_t nr_reasons = 0, count, n, unexplained;
	struct line *lines;
	struct series *all;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--reasons")) {
		reasons = read_reasons(argv[2], &nr_reasons);
		argv += 2;
		argc -= 2;
	}
	if (argc != 2 || (argv[1][0] == '-' && argv[1][1])) {
		usage(stderr);
		return EXIT_USAGE;
	}
	lines = read_summary(argv[1], &count);
	all = find_series(lines, count, &n);
	if (!n)
		fail(argv[1], "no operation was run with three sizes of anything");
	print_table(all, n);
	unexplained = print_verdict(all, n, reasons, nr_reasons);
	if (fflush(stdout))
		fail("standard output", strerror(errno));
	return unexplained ? EXIT_GROWS : 0;
}

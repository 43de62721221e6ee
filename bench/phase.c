// SPDX-License-Identifier: GPL-2.0-only
/*
 * The phase diagram's figures: which paging mode costs least at which working set and rate of table
 * updates, and where the line between the families runs. Joins what was measured (summary.csv, and
 * the walk references of a traced pass) with what is modelled (rows of walkmodel, cycles of a named
 * CPU's parameter file); phase_cell.c decides.
 *
 * Cost of 1,000 accesses, per view:
 *	measured, elapsed	body of the workload, in units of the clock
 *	measured, with_refs	the same, and one more for each reference of a page walk
 *	modelled, cycles	instructions (ticks) x cycles of an instruction
 *				+ exits x (cycles of an exit + what those after it lose)
 *				+ host's flushes x cycles of an INVVPID
 *				+ guest's flushes that do not exit x cycles of an INVLPG or MOV to CR3
 *				+ translations x share that is waited for
 *				+ the data accesses themselves
 *
 * None of these prices is known to the digit: each is a band (walk/cpu.h), and a modelled cell is
 * undecided if one family wins with some prices at the ends of theirs, and the other with others.
 */
#include "csv.h"
#include "phase_cell.h"
#include "walk/cpu.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AXIS  16
#define MAX_CPUS  8
#define MAX_VIEWS (2 + 2 * MAX_CPUS)
#define THOUSAND  1000

static void __attribute__((noreturn)) fail(const char *what, const char *why)
{
	fprintf(stderr, "phase: %s: %s\n", what, why);
	exit(2);
}

/* ---- the plane ---- */

struct axis {
	double value[MAX_AXIS];
	size_t n;
};

enum walked { WALK_ONE, WALK_2M, WALK_4K, WALKS }; /* one dimension; EPT with such pages */
static const char *const walked_names[WALKS] = { "none", "2m", "4k" };

struct cell {
	double elapsed[PHASE_MODES], exits[PHASE_MODES], refs[PHASE_MODES];
	/* Flushes: by the hypervisor; by the guest, without an exit. */
	double flush_host[PHASE_MODES], invlpg[PHASE_MODES], cr3[PHASE_MODES];
	/* Per access. */
	double translation[MAX_CPUS][WALKS], data[MAX_CPUS][WALKS];
};

struct view {
	const char *kind, *metric, *unit, *cpu, *ept_page;
	unsigned int assumptions, cpu_index;
	enum walked ept;
	double cost[MAX_AXIS][MAX_AXIS][PHASE_MODES]; /* by size and rate */
	struct phase_choice choice[MAX_AXIS][MAX_AXIS];
	struct phase_band ratio[MAX_AXIS][MAX_AXIS]; /* ept to best shadow mode */
	double crossover[MAX_AXIS];
	struct phase_band crossovers[MAX_AXIS];
};

static struct axis sizes, rates;
static struct cell cells[MAX_AXIS][MAX_AXIS];
static struct cpu_config cpus[MAX_CPUS];
static unsigned int cpu_count;
static const char *host = "", *clock_unit = "";
static struct view views[MAX_VIEWS];
static unsigned int view_count;

static void add_value(struct axis *axis, double value)
{
	size_t at = axis->n;

	if (!(value >= 0))
		fail("the plane", "a row has no size or no rate of updates");
	for (size_t i = 0; i < axis->n; i++)
		if (axis->value[i] == value)
			return;
	if (axis->n == MAX_AXIS)
		fail("the plane", "too many sizes or rates");
	for (; at && axis->value[at - 1] > value; at--)
		axis->value[at] = axis->value[at - 1];
	axis->value[at] = value;
	axis->n++;
}

static int index_of(const struct axis *axis, double value)
{
	for (size_t i = 0; i < axis->n; i++)
		if (axis->value[i] == value)
			return (int)i;
	return -1;
}

static struct cell *find_cell(double size, double rate)
{
	int s = index_of(&sizes, size), r = index_of(&rates, rate);

	return s < 0 || r < 0 ? NULL : &cells[s][r];
}

/* -1: not a row of ours */
static int mode_of(const struct csv *table, size_t row)
{
	if (csv_is(table, row, "workload", "phase") && csv_is(table, row, "engine", "penumbra"))
		for (int mode = 0; mode < PHASE_MODES; mode++)
			if (csv_is(table, row, "mode", phase_mode_names[mode]))
				return mode;
	return -1;
}

static void empty_cells(void)
{
	double *figure = (double *)cells;

	for (size_t i = 0; i < sizeof(cells) / sizeof(double); i++)
		figure[i] = NAN;
}

/*
 * Exits that the guest caused. A run in which the host's own were not counted apart has those,
 * slices of guest time, among exits_other; this workload makes none of the kind itself.
 */
static double guest_exits(const struct csv *table, size_t row)
{
	double exits = csv_number(table, row, "exits_per_op");

	if (!isnan(csv_number(table, row, "exits_host_per_op")))
		return exits;
	return exits - csv_number(table, row, "exits_other_per_op");
}

/* Flushes by the guest that no exit is counted for. */
static double without_exit(const struct csv *table, size_t row, const char *flushes,
			   const char *exits)
{
	double left = csv_number(table, row, flushes) - csv_number(table, row, exits);

	return left < 0 ? 0 : left;
}

/* The axes are what was run. */
static void take_summary(const struct csv *table)
{
	for (size_t i = 0; i < table->rows; i++) {
		if (mode_of(table, i) < 0)
			continue;
		add_value(&sizes, csv_param(table, i, "size"));
		add_value(&rates, csv_param(table, i, "updates"));
	}
	for (size_t i = 0; i < table->rows; i++) {
		int mode = mode_of(table, i);
		struct cell *cell;

		if (mode < 0 || csv_is(table, i, "checksum_agrees", "no"))
			continue;
		cell = find_cell(csv_param(table, i, "size"), csv_param(table, i, "updates"));
		cell->elapsed[mode] = csv_number(table, i, "elapsed_per_op");
		cell->exits[mode] = guest_exits(table, i);
		cell->flush_host[mode] = csv_number(table, i, "flush_host_per_op");
		cell->invlpg[mode] =
			without_exit(table, i, "flush_guest_invlpg_per_op", "exits_invlpg_per_op");
		cell->cr3[mode] =
			without_exit(table, i, "flush_guest_cr3_per_op", "exits_cr3_per_op");
		host = csv_text(table, i, "host");
		clock_unit = csv_text(table, i, "clock");
	}
}

static void take_walks(const struct csv *table)
{
	for (size_t i = 0; i < table->rows; i++) {
		int mode = mode_of(table, i);
		struct cell *cell;

		cell = find_cell(csv_param(table, i, "size"), csv_param(table, i, "updates"));
		if (mode >= 0 && cell)
			cell->refs[mode] = (csv_number(table, i, "walk_refs_guest") +
					    csv_number(table, i, "walk_refs_nested")) /
					   csv_number(table, i, "ops");
	}
}

static void take_modelled(const struct csv *table)
{
	for (size_t i = 0; i < table->rows; i++) {
		struct cell *cell =
			find_cell(csv_number(table, i, "size"), csv_number(table, i, "updates"));

		for (unsigned int c = 0; c < cpu_count && cell; c++) {
			for (int w = 0; w < WALKS; w++) {
				if (!csv_is(table, i, "cpu", cpus[c].name) ||
				    !csv_is(table, i, "nested", walked_names[w]))
					continue;
				cell->translation[c][w] =
					csv_number(table, i, "translation_cycles_per_access");
				cell->data[c][w] = csv_number(table, i, "data_cycles_per_access");
			}
		}
	}
}

/* ---- views ---- */

/* One value of each price. */
struct prices {
	double of[CPU_PRICE_NR];
};

typedef double cost_of(const struct cell *cell, const struct view *view, int mode,
		       const struct prices *prices);

static double cost_elapsed(const struct cell *cell, const struct view *view, int mode,
			   const struct prices *prices)
{
	(void)view, (void)prices;
	return cell->elapsed[mode] * THOUSAND;
}

static double cost_with_refs(const struct cell *cell, const struct view *view, int mode,
			     const struct prices *prices)
{
	(void)view, (void)prices;
	return (cell->elapsed[mode] + cell->refs[mode]) * THOUSAND;
}

static double cost_modelled(const struct cell *cell, const struct view *view, int mode,
			    const struct prices *prices)
{
	enum walked walked = mode == PHASE_EPT ? view->ept : WALK_ONE;
	const double *price = prices->of;
	double cost = cell->elapsed[mode] * price[PRICE_thousand_instructions_cycles] / THOUSAND;

	cost += cell->exits[mode] * (price[PRICE_exit_cycles] + price[PRICE_exit_after_cycles]);
	cost += cell->flush_host[mode] * price[PRICE_invvpid_cycles];
	cost += cell->invlpg[mode] * price[PRICE_invlpg_cycles];
	cost += cell->cr3[mode] * price[PRICE_cr3_cycles];
	cost += cell->translation[view->cpu_index][walked] * price[PRICE_walk_percent] / 100;
	cost += cell->data[view->cpu_index][walked];
	return cost * THOUSAND;
}

/*
 * Cases: the first has each price as likely as can be said; the others are all corners of the band,
 * every price at its least or its most.
 */
#define CORNERS (1u << CPU_PRICE_NR)

static struct prices prices_of_case(const struct cpu_config *cpu, unsigned int index)
{
	struct prices prices;

	for (unsigned int p = 0; p < CPU_PRICE_NR; p++) {
		enum cpu_bound bound = !index ? CPU_MID : (index - 1) >> p & 1 ? CPU_HIGH : CPU_LOW;

		prices.of[p] = cpu->price[p].value[bound];
	}
	return prices;
}

static void compute(struct view *view, cost_of *cost, const struct prices *prices)
{
	for (size_t s = 0; s < sizes.n; s++)
		for (size_t r = 0; r < rates.n; r++)
			for (int mode = 0; mode < PHASE_MODES; mode++)
				view->cost[s][r][mode] = cost(&cells[s][r], view, mode, prices);
}

static double crossover_of(const struct view *view, size_t s)
{
	return phase_crossover(rates.value, (const double(*)[PHASE_MODES])view->cost[s], rates.n);
}

/* What the costs of one case leave possible. */
static void widen(struct view *view)
{
	for (size_t s = 0; s < sizes.n; s++) {
		phase_widen(&view->crossovers[s], crossover_of(view, s));
		for (size_t r = 0; r < rates.n; r++)
			phase_widen(&view->ratio[s][r], phase_ept_ratio(view->cost[s][r]));
	}
}

static void add_view(struct view view, cost_of *cost)
{
	static const struct cpu_config none;
	const struct cpu_config *cpu = *view.cpu ? &cpus[view.cpu_index] : &none;
	struct view *added = &views[view_count++];
	struct prices prices;

	*added = view;
	for (size_t s = 0; s < sizes.n; s++) {
		added->crossovers[s] = (struct phase_band){ NAN, NAN };
		for (size_t r = 0; r < rates.n; r++)
			added->ratio[s][r] = (struct phase_band){ NAN, NAN };
	}
	for (unsigned int corner = *view.cpu ? CORNERS : 0; corner; corner--) {
		prices = prices_of_case(cpu, corner);
		compute(added, cost, &prices);
		widen(added);
	}
	prices = prices_of_case(cpu, 0);
	compute(added, cost, &prices);
	widen(added);
	for (size_t s = 0; s < sizes.n; s++) {
		added->crossover[s] = crossover_of(added, s);
		for (size_t r = 0; r < rates.n; r++)
			added->choice[s][r] =
				phase_choose_within(added->cost[s][r], added->ratio[s][r]);
	}
}

static void make_views(bool with_walks)
{
	struct view measured = { .kind = "measured", .cpu = "", .ept_page = "" };
	struct view modelled = { .kind = "modelled", .metric = "cycles", .unit = "cycles" };

	measured.metric = "elapsed";
	measured.unit = clock_unit;
	add_view(measured, cost_elapsed);
	/* What follows wants instructions, and only an emulated clock counts those. */
	if (strcmp(clock_unit, "ticks"))
		return;
	if (with_walks) {
		measured.metric = "with_refs";
		measured.unit = "ticks+refs";
		add_view(measured, cost_with_refs);
	}
	for (unsigned int c = 0; c < cpu_count; c++) {
		for (enum walked w = WALK_2M; w < WALKS; w++) {
			modelled.cpu = cpus[c].name;
			modelled.cpu_index = c;
			modelled.ept = w;
			modelled.ept_page = walked_names[w];
			modelled.assumptions = cpus[c].assumptions;
			add_view(modelled, cost_modelled);
		}
	}
}

/* ---- what goes out ---- */

static FILE *open_csv(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		fail(path, strerror(errno));
	return file;
}

static void close_csv(FILE *file, const char *path)
{
	if (fclose(file))
		fail(path, strerror(errno));
}

static void print_figure(FILE *file, double value, const char *format)
{
	fputc(',', file);
	if (isfinite(value))
		fprintf(file, format, value);
}

static void print_key(FILE *file, const struct view *view)
{
	fprintf(file, "%s,%s,%s,%s,%s,", view->kind, view->metric, view->unit, view->cpu,
		view->ept_page);
	if (*view->cpu)
		fprintf(file, "%u", view->assumptions);
	fprintf(file, ",%s", host);
}

#define KEY_COLUMNS "kind,metric,unit,cpu,ept_page,assumptions,host"

/* To so many significant digits. */
static double rounded(double value, int digits)
{
	double unit;

	if (!isfinite(value) || value <= 0)
		return value;
	unit = pow(10, floor(log10(value)) + 1 - digits);
	return round(value / unit) * unit;
}

static const char *verdict_word(const struct phase_choice *choice)
{
	switch (choice->verdict) {
	case PHASE_EMPTY:
		return "";
	case PHASE_EQUAL:
		return "tie";
	case PHASE_UNDECIDED:
		return "undecided";
	case PHASE_WON:
		break;
	}
	return phase_mode_names[choice->mode];
}

static void write_cells(const char *path)
{
	FILE *file = open_csv(path);

	fputs(KEY_COLUMNS ",size,updates,best,ratio,ept_low,ept_high", file);
	for (int mode = 0; mode < PHASE_MODES; mode++)
		fprintf(file, ",%s", phase_mode_names[mode]);
	fputc('\n', file);
	for (unsigned int v = 0; v < view_count; v++) {
		for (size_t s = 0; s < sizes.n; s++) {
			for (size_t r = 0; r < rates.n; r++) {
				const struct phase_choice *choice = &views[v].choice[s][r];

				print_key(file, &views[v]);
				fprintf(file, ",%.0f,%.0f,%s", sizes.value[s], rates.value[r],
					verdict_word(choice));
				print_figure(file, choice->ratio, "%.4g");
				print_figure(file, views[v].ratio[s][r].low, "%.4g");
				print_figure(file, views[v].ratio[s][r].high, "%.4g");
				for (int mode = 0; mode < PHASE_MODES; mode++)
					print_figure(file, views[v].cost[s][r][mode], "%.6g");
				fputc('\n', file);
			}
		}
	}
	close_csv(file, path);
}

static const char *crossover_word(double rate)
{
	if (isnan(rate))
		return "";
	return isinf(rate) ? "never" : rate > 0 ? "crosses" : "always";
}

/* Ends that differ by more than half have no second digit; what is measured has all. */
static int digits_of(const struct view *view, size_t s)
{
	const struct phase_band *band = &view->crossovers[s];

	if (!*view->cpu)
		return 4;
	return band->high > 1.5 * band->low ? 1 : 2;
}

static void print_rates(FILE *file, const struct view *view, size_t s)
{
	const struct phase_band *band = &view->crossovers[s];
	double rate = view->crossover[s];
	int digits = digits_of(view, s);

	fprintf(file, ",%s", crossover_word(rate));
	print_figure(file, rounded(rate, digits), "%.4g");
	if (isnan(rate))
		fputs(",,", file);
	else /* "inf": ept wins at no rate that was run */
		fprintf(file, ",%.4g,%.4g", rounded(band->low, digits),
			rounded(band->high, digits));
}

static void write_crossovers(const char *path)
{
	FILE *file = open_csv(path);

	fputs(KEY_COLUMNS ",size,ept_wins,from_updates,from_low,from_high\n", file);
	for (unsigned int v = 0; v < view_count; v++) {
		for (size_t s = 0; s < sizes.n; s++) {
			print_key(file, &views[v]);
			fprintf(file, ",%.0f", sizes.value[s]);
			print_rates(file, &views[v], s);
			fputc('\n', file);
		}
	}
	close_csv(file, path);
}

static void print_size(double bytes)
{
	printf("%7.0f %s", bytes >= 1 << 20 ? bytes / (1 << 20) : bytes / 1024,
	       bytes >= 1 << 20 ? "MiB" : "KiB");
}

static void format_rate(char *out, size_t room, double rate, int digits)
{
	if (isinf(rate))
		snprintf(out, room, ">%.0f", rates.value[rates.n - 1]);
	else if (rate > 0 && rate < .095)
		snprintf(out, room, "<0.1");
	else
		snprintf(out, room, "%.4g", rounded(rate, digits));
}

/* A measured rate; of a modelled one all that is known: from where to where it may be. */
static void format_crossover(char *out, size_t room, const struct view *view, size_t s)
{
	const struct phase_band *band = &view->crossovers[s];
	int digits = *view->cpu ? digits_of(view, s) : 2;
	char low[16], high[16];

	if (isnan(view->crossover[s])) {
		snprintf(out, room, "-");
		return;
	}
	format_rate(low, sizeof(low), band->low, digits);
	format_rate(high, sizeof(high), band->high, digits);
	if (strcmp(low, high))
		snprintf(out, room, "%s to %s", low, high);
	else
		snprintf(out, room, "%s", low);
}

/* For a terminal: the line between the families. */
static void print_text(void)
{
	printf("Table updates per 1,000 accesses from which on ept costs less than any shadow "
	       "mode\n"
	       "(0: at every rate; >%.0f: at none that was run; modelled: from where to where the\n"
	       "prices of exits, flushes, walks and instructions leave it)\n%11s",
	       rates.value[rates.n - 1], "");
	for (unsigned int v = 0; v < view_count; v++)
		printf(" %12s", *views[v].cpu ? views[v].cpu : views[v].unit);
	printf("\n%11s", "working set");
	for (unsigned int v = 0; v < view_count; v++) {
		char what[32] = "measured";

		if (*views[v].cpu)
			snprintf(what, sizeof(what), "EPT %s", views[v].ept_page);
		printf(" %12s", what);
	}
	putchar('\n');
	for (size_t s = 0; s < sizes.n; s++) {
		print_size(sizes.value[s]);
		for (unsigned int v = 0; v < view_count; v++) {
			char what[48];

			format_crossover(what, sizeof(what), &views[v], s);
			printf(" %12s", what);
		}
		putchar('\n');
	}
}

/* ---- the command line ---- */

static void usage(FILE *to)
{
	fputs("usage: phase --summary FILE --cells FILE --crossover FILE [OPTION...]\n"
	      "\n"
	      "Decides which paging mode costs least in each cell of the plane of working set and\n"
	      "table updates, and prints where ept begins to win.\n"
	      "\n"
	      "  --summary FILE    summary.csv of the workload phase\n"
	      "  --cells FILE      to write: a line per view and cell\n"
	      "  --crossover FILE  to write: a line per view and working set\n"
	      "  --modelled FILE   walkmodel's rows, with columns size, updates and nested before\n"
	      "  --cpu FILE        a CPU of these rows; may be repeated\n"
	      "  --walks FILE      walks.csv of bench/walk/measure\n"
	      "  --help            this text\n"
	      "\n"
	      "Exit status: 0; 2 wrong usage or input.\n",
	      to);
}

static void add_cpu(const char *path)
{
	struct cpu_config *cpu = &cpus[cpu_count];
	FILE *file = cpu_count < MAX_CPUS ? fopen(path, "re") : NULL;

	if (!file)
		fail(path, cpu_count < MAX_CPUS ? strerror(errno) : "too many CPUs");
	if (!cpu_read(cpu, file, path))
		exit(2);
	fclose(file);
	if (!cpu_has_prices(cpu))
		fail(path, "a price is missing; bench/walk/cpu.h lists them");
	cpu_count++;
}

int main(int argc, char **argv)
{
	enum { SUMMARY, CELLS, CROSSOVER, MODELLED, CPU, WALKS_CSV, HELP, OPTIONS };
	static const struct option longopts[] = {
		{ "summary", required_argument, NULL, SUMMARY },
		{ "cells", required_argument, NULL, CELLS },
		{ "crossover", required_argument, NULL, CROSSOVER },
		{ "modelled", required_argument, NULL, MODELLED },
		{ "cpu", required_argument, NULL, CPU },
		{ "walks", required_argument, NULL, WALKS_CSV },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 },
	};
	const char *given[OPTIONS] = { NULL };
	struct csv summary = { 0 }, walks = { 0 }, model = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == HELP) {
			usage(stdout);
			return 0;
		}
		if (c == '?') {
			usage(stderr);
			return 2;
		}
		given[c] = optarg;
		if (c == CPU)
			add_cpu(optarg);
	}
	if (optind < argc || !given[SUMMARY] || !given[CELLS] || !given[CROSSOVER] ||
	    !given[CPU] != !given[MODELLED]) {
		usage(stderr);
		return 2;
	}
	csv_read(&summary, given[SUMMARY]);
	empty_cells();
	take_summary(&summary);
	if (!sizes.n)
		fail(given[SUMMARY], "it has no row of the workload phase");
	if (given[MODELLED]) {
		csv_read(&model, given[MODELLED]);
		take_modelled(&model);
	}
	if (given[WALKS_CSV]) {
		csv_read(&walks, given[WALKS_CSV]);
		take_walks(&walks);
	}
	make_views(given[WALKS_CSV] != NULL);
	write_cells(given[CELLS]);
	write_crossovers(given[CROSSOVER]);
	print_text();
	return 0;
}

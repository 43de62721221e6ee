// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the time would go on a named CPU: each row of a summary.csv as cycles per operation, part by
 * part. Counts are measured, prices are those of the CPU's file (walk/cpu.h), walks are those of the
 * model (rows of bench/walk/measure), so all of it is modelled:
 *
 *	guest		instructions of the bare machine, at the CPU's rate
 *	walks		page walks, by the model, as far as they are waited for
 *	flushes		of the guest where they do not exit, and of the hypervisor
 *	exits_...	VM exits of a cause: the transition, and what the instructions after it lose
 *	hypervisor	instructions beyond the bare machine's, and the hypervisor's own walks
 *	total		all of them
 *	data		data accesses, by the model, each waiting for the one before: in no total. They are the
 *			same in every mode, and a CPU overlaps most of them; nobody can say how many
 *
 * A part that cannot be had is left out, and total is then what is there: walks and data where the
 * model did not replay the workload. Without the bare machine's row there is no telling guest and
 * hypervisor apart: "instructions" are then those of both.
 */
#include "csv.h"
#include "walk/cpu.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 8
#define THOUSAND 1000

/* One value for each end of the band, and for what is likely. */
struct cost {
	double of[CPU_BOUNDS];
};

struct work {
	const struct csv *summary, *modelled;
	size_t row;
	const struct cpu_config *cpu;
	struct cost total;
};

static void __attribute__((noreturn)) fail(const char *what, const char *why)
{
	fprintf(stderr, "breakdown: %s: %s\n", what, why);
	exit(2);
}

/* ---- which rows belong together ---- */

/* Does the list of parameters have this one? */
static bool has_param(const char *params, const char *one, size_t size)
{
	for (; *params; params += strcspn(params, ";"), params += *params == ';')
		if (strcspn(params, ";") == size && !strncmp(params, one, size))
			return true;
	return false;
}

/* How long a row ran is no part of what it ran. */
static bool is_length(const char *one)
{
	return !strncmp(one, "ops:", 4) || !strncmp(one, "warmup:", 7);
}

static bool covers(const char *params, const char *others)
{
	for (; *others; others += strcspn(others, ";"), others += *others == ';')
		if (!is_length(others) && strcmp(others, "-") &&
		    !has_param(params, others, strcspn(others, ";")))
			return false;
	return true;
}

static bool same_work(const struct csv *a, size_t i, const struct csv *b, size_t j)
{
	const char *p = csv_text(a, i, "params"), *q = csv_text(b, j, "params");

	return csv_is(b, j, "workload", csv_text(a, i, "workload")) && covers(p, q) && covers(q, p);
}

/* Elapsed of the same work on the bare machine; NAN where that was not run. */
static double bare(const struct csv *table, size_t row)
{
	for (size_t i = 0; i < table->rows; i++)
		if (csv_is(table, i, "engine", "native") && same_work(table, i, table, row))
			return csv_number(table, i, "elapsed_per_op");
	return NAN;
}

/* The model's row of a work on a CPU; the number of rows where there is none. */
static size_t find_modelled(const struct work *w)
{
	const char *engine = csv_text(w->summary, w->row, "engine");
	size_t i;

	for (i = 0; w->modelled && i < w->modelled->rows; i++)
		if (csv_is(w->modelled, i, "cpu", w->cpu->name) &&
		    csv_is(w->modelled, i, "engine", engine) &&
		    (!strcmp(engine, "native") ||
		     csv_is(w->modelled, i, "mode", csv_text(w->summary, w->row, "mode"))) &&
		    same_work(w->summary, w->row, w->modelled, i))
			break;
	return i;
}

/* ---- parts ---- */

static double count(const struct work *w, const char *column)
{
	double value = csv_number(w->summary, w->row, column);

	return isnan(value) ? 0 : value;
}

static struct cost priced(const struct work *w, double n, enum cpu_price price)
{
	struct cost cost;

	for (int bound = 0; bound < CPU_BOUNDS; bound++)
		cost.of[bound] = n * w->cpu->price[price].value[bound];
	return cost;
}

static struct cost plus(struct cost a, struct cost b)
{
	for (int bound = 0; bound < CPU_BOUNDS; bound++)
		a.of[bound] += b.of[bound];
	return a;
}

static void print_part(const struct work *w, const char *part, struct cost cost)
{
	static const char *const keys[] = { "engine", "mode", "workload", "params", "host" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		printf("%s,", csv_text(w->summary, w->row, keys[i]));
	printf("%s,%s,%.6g,%.6g,%.6g,modelled\n", w->cpu->name, part, cost.of[CPU_MID],
	       cost.of[CPU_LOW], cost.of[CPU_HIGH]);
}

static void add_part(struct work *w, const char *part, struct cost cost)
{
	print_part(w, part, cost);
	w->total = plus(w->total, cost);
}

static struct cost instructions(const struct work *w, double n)
{
	return priced(w, n / THOUSAND, PRICE_thousand_instructions_cycles);
}

/*
 * Flushes by the guest that no exit is counted for. An exit that has no column of its own is among
 * exits_other; so is each MOV to CR3 under KVM, whose exits_cr3 is empty.
 */
static double without_exit(const struct work *w, const char *flushes, const char *exits)
{
	double own = csv_number(w->summary, w->row, exits);
	double left = count(w, flushes) - (isnan(own) ? count(w, "exits_other_per_op") : own);

	return left > 0 ? left : 0;
}

static void print_flushes(struct work *w)
{
	struct cost cost = priced(w, count(w, "flush_host_per_op"), PRICE_invvpid_cycles);

	cost = plus(cost,
		    priced(w,
			   without_exit(w, "flush_guest_invlpg_per_op", "exits_invlpg_per_op") +
				   without_exit(w, "flush_guest_invpcid_per_op",
						"exits_invpcid_per_op"),
			   PRICE_invlpg_cycles));
	cost = plus(cost, priced(w, without_exit(w, "flush_guest_cr3_per_op", "exits_cr3_per_op"),
				 PRICE_cr3_cycles));
	add_part(w, "flushes", cost);
}

/*
 * Every column of a cause that the summary has. Where the host's exits were not counted apart, they
 * are among exits_other, which then says nothing of the guest.
 */
static void print_exits(struct work *w)
{
	bool split = !isnan(csv_number(w->summary, w->row, "exits_host_per_op"));

	for (size_t i = 0; i < w->summary->columns; i++) {
		const char *name = w->summary->name[i];
		size_t size = strlen(name);
		char part[64];
		double n;

		if (strncmp(name, "exits_", 6) || size < 13 || size - 7 >= sizeof(part) ||
		    strcmp(name + size - 7, "_per_op") || !strcmp(name, "exits_host_per_op") ||
		    (!split && !strcmp(name, "exits_other_per_op")))
			continue;
		n = count(w, name);
		if (n <= 0)
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)(size - 7), name);
		add_part(w, part,
			 plus(priced(w, n, PRICE_exit_cycles),
			      priced(w, n, PRICE_exit_after_cycles)));
	}
}

/* Return: cycles of the hypervisor's own walks, for each operation. */
static double print_modelled(struct work *w)
{
	size_t row = find_modelled(w);
	double ops, accesses, data;
	struct cost cost;

	if (!w->modelled || row == w->modelled->rows)
		return 0;
	ops = csv_number(w->modelled, row, "ops");
	accesses = csv_number(w->modelled, row, "accesses") / ops;
	data = csv_number(w->modelled, row, "data_cycles_per_access") * accesses;
	for (int bound = 0; bound < CPU_BOUNDS; bound++)
		cost.of[bound] = data;
	print_part(w, "data", cost);
	accesses *= csv_number(w->modelled, row, "translation_cycles_per_access");
	add_part(w, "walks", priced(w, accesses / 100, PRICE_walk_percent));
	return csv_number(w->modelled, row, "host_walk_cycles") / ops;
}

static void print_row(struct work *w)
{
	double own = bare(w->summary, w->row), host_walks;
	double elapsed = csv_number(w->summary, w->row, "elapsed_per_op");
	struct cost host;

	if (isnan(elapsed))
		return;
	w->total = (struct cost){ { 0 } };
	if (isnan(own))
		add_part(w, "instructions", instructions(w, elapsed));
	else
		add_part(w, "guest", instructions(w, own));
	host_walks = print_modelled(w);
	print_flushes(w);
	print_exits(w);
	host = priced(w, host_walks / 100, PRICE_walk_percent);
	if (elapsed > own)
		host = plus(host, instructions(w, elapsed - own));
	if (!csv_is(w->summary, w->row, "engine", "native"))
		add_part(w, "hypervisor", host);
	print_part(w, "total", w->total);
}

/* ---- the command line ---- */

static void usage(FILE *to)
{
	fputs("usage: breakdown --cpu FILE [--cpu FILE...] [--walks FILE] SUMMARY.CSV\n"
	      "\n"
	      "Prints, for each row of a summary that was counted in instructions (clock=ticks), "
	      "the\n"
	      "cycles per operation that it would take on named CPUs, part by part, as CSV.\n"
	      "\n"
	      "  --cpu FILE    a CPU's parameters and prices (bench/walk/cpus)\n"
	      "  --walks FILE  walks_modelled.csv of bench/walk/measure\n"
	      "  --help        this text\n"
	      "\n"
	      "Exit status: 0; 2 wrong usage or input.\n",
	      to);
}

static void add_cpu(struct cpu_config *cpu, const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		fail(path, strerror(errno));
	if (!cpu_read(cpu, file, path))
		exit(2);
	fclose(file);
	if (!cpu_has_prices(cpu))
		fail(path, "a price is missing; bench/walk/cpu.h lists them");
}

static bool has_column(const struct csv *table, const char *column)
{
	for (size_t i = 0; i < table->columns; i++)
		if (!strcmp(table->name[i], column))
			return true;
	return false;
}

static void need(const struct csv *table, const char *path, const char *const *columns)
{
	char what[96];

	for (; *columns; columns++) {
		if (has_column(table, *columns))
			continue;
		snprintf(what, sizeof(what), "it has no column %s", *columns);
		fail(path, what);
	}
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "cpu", required_argument, NULL, 'c' },
		{ "walks", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const char *const summary_columns[] = { "engine",	 "mode", "workload",
						       "params",	 "host", "clock",
						       "elapsed_per_op", NULL };
	static const char *const walks_columns[] = { "engine",
						     "mode",
						     "workload",
						     "params",
						     "cpu",
						     "ops",
						     "accesses",
						     "data_cycles_per_access",
						     "translation_cycles_per_access",
						     "host_walk_cycles",
						     NULL };
	static struct cpu_config cpus[MAX_CPUS];
	struct csv summary = { .columns = 0 }, modelled = { .columns = 0 };
	struct work work = { .summary = &summary };
	unsigned int cpu_count = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (cpu_count == MAX_CPUS)
				fail(optarg, "too many CPUs");
			add_cpu(&cpus[cpu_count++], optarg);
			break;
		case 'w':
			csv_read(&modelled, optarg);
			need(&modelled, optarg, walks_columns);
			work.modelled = &modelled;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (argc - optind != 1 || !cpu_count) {
		usage(stderr);
		return 2;
	}
	csv_read(&summary, argv[optind]);
	need(&summary, argv[optind], summary_columns);
	puts("engine,mode,workload,params,host,cpu,part,cycles,low,high,kind");
	for (unsigned int i = 0; i < cpu_count; i++) {
		work.cpu = &cpus[i];
		for (work.row = 0; work.row < summary.rows; work.row++)
			if (csv_is(&summary, work.row, "clock", "ticks") &&
			    (!csv_text(&summary, work.row, "gtt_mode") ||
			     csv_is(&summary, work.row, "gtt_mode", "")))
				print_row(&work);
	}
	if (fflush(stdout))
		fail("standard output", strerror(errno));
	return 0;
}

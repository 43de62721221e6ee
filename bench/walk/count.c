// SPDX-License-Identifier: GPL-2.0-only
/*
 * walkcount: how many walks, and references of which kind, the emulated CPU's own page walker made
 * in each region of Bochs's memory trace. Measured, not modelled: the walker is not ours, and every
 * reference is counted. The trace is read from a pipe and never stored.
 *
 * What the figures are not: Bochs has no paging-structure caches, fractures large pages, tags
 * nothing with VPID or PCID, and lets a page that was first read be walked for again when it is
 * first written. References per walk are the architecture's; how many walks there are is Bochs's.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LEVELS 4

/* What one of the two, guest and hypervisor, did in a region. */
struct tally {
	uint64_t walks, faults;
	uint64_t refs[2][LEVELS + 1];
	uint64_t flag_writes[2];
	uint64_t data_reads, data_writes;
};

struct counter {
	struct tally tally[2]; /* hypervisor, guest */
	uint64_t exits, begin, regions, refs_total;
	bool open;
	FILE *out;
};

static const char *const columns[] = {
	"region",
	"ticks",
	"walks",
	"walk_refs_guest",
	"walk_refs_nested",
	"refs_per_walk",
	"guest_pml4e",
	"guest_pdpte",
	"guest_pde",
	"guest_pte",
	"nested_pml4e",
	"nested_pdpte",
	"nested_pde",
	"nested_pte",
	"flag_writes_guest",
	"flag_writes_nested",
	"walks_faulted",
	"data_reads",
	"data_writes",
	"exits",
	"host_walks",
	"host_walk_refs",
	"kind",
};

static uint64_t sum_refs(const struct tally *tally, bool nested)
{
	uint64_t sum = 0;

	for (int level = 1; level <= LEVELS; level++)
		sum += tally->refs[nested][level];
	return sum;
}

static void print_region(const struct counter *c, uint64_t ticks)
{
	const struct tally *guest = &c->tally[1], *host = &c->tally[0];
	uint64_t refs = sum_refs(guest, false), nested = sum_refs(guest, true);

	fprintf(c->out, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", c->regions,
		ticks, guest->walks, refs, nested);
	if (guest->walks)
		fprintf(c->out, "%.3f", (double)(refs + nested) / (double)guest->walks);
	for (int dimension = 0; dimension < 2; dimension++)
		for (int level = LEVELS; level; level--)
			fprintf(c->out, ",%" PRIu64, guest->refs[dimension][level]);
	fprintf(c->out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
		guest->flag_writes[0], guest->flag_writes[1], guest->faults, guest->data_reads,
		guest->data_writes);
	fprintf(c->out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",measured\n", c->exits, host->walks,
		sum_refs(host, false) + sum_refs(host, true));
}

static void on_region(void *who, bool begins, uint64_t tick)
{
	struct counter *c = who;

	if (!begins && c->open)
		print_region(c, tick - c->begin);
	c->open = begins;
	if (!begins)
		return;
	memset(c->tally, 0, sizeof(c->tally));
	c->exits = 0;
	c->begin = tick;
	c->regions++;
}

static void on_walk(void *who, const struct walk *walk, bool in_guest)
{
	struct counter *c = who;
	struct tally *tally = &c->tally[in_guest];

	tally->walks++;
	if (!walk->complete)
		tally->faults++;
	for (unsigned int i = 0; i < walk->refs; i++)
		tally->refs[walk->ref[i].nested][walk->ref[i].level]++;
	tally->flag_writes[0] += walk->writes[0];
	tally->flag_writes[1] += walk->writes[1];
	c->refs_total += walk->refs;
}

static void on_access(void *who, const struct trace_line *line, bool in_guest)
{
	struct tally *tally = &((struct counter *)who)->tally[in_guest];

	if (line->write)
		tally->data_writes++;
	else
		tally->data_reads++;
}

static void on_transition(void *who, bool in_guest)
{
	if (!in_guest)
		((struct counter *)who)->exits++;
}

static const struct trace_ops counting = {
	.region = on_region,
	.walk = on_walk,
	.access = on_access,
	.transition = on_transition,
};

static void usage(FILE *to)
{
	fputs("usage: walkcount [--speed] [--no-header | --columns] [TRACE]\n"
	      "\n"
	      "Counts the walks and page-walk references in a memory trace of the emulated host\n"
	      "(scripts/emulated-host --trace PIPE) and prints one CSV row per region. TRACE is a\n"
	      "file or a pipe, default standard input; nothing of it is kept.\n"
	      "\n"
	      "  --speed      say on standard error how many lines a second were counted\n"
	      "  --no-header  rows only\n"
	      "  --columns    print the header and exit\n"
	      "  --help       this text\n"
	      "\n"
	      "walks, walk_refs_* and the columns by kind are the guest's, or those of the only\n"
	      "system there is; exits, host_walks and host_walk_refs are the hypervisor's share.\n"
	      "Exit status: 0; 1 if a region has no end or a line was not understood; 2 usage.\n",
	      to);
}

static void print_header(FILE *out)
{
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		fprintf(out, "%s%s", i ? "," : "", columns[i]);
	fputc('\n', out);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int conclude(const struct trace *trace, const struct counter *counter)
{
	int status = 0;

	if (counter->open) {
		fprintf(stderr, "walkcount: region %" PRIu64 " has no end: the trace was cut off\n",
			counter->regions);
		status = 1;
	}
	if (trace->unknown) {
		fprintf(stderr, "walkcount: %" PRIu64 " of %" PRIu64 " lines are no trace lines\n",
			trace->unknown, trace->lines);
		status = 1;
	}
	if (fflush(stdout)) {
		fprintf(stderr, "walkcount: cannot write: %s\n", strerror(errno));
		status = 2;
	}
	return status;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "speed", no_argument, NULL, 's' },
		{ "no-header", no_argument, NULL, 'n' },
		{ "columns", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct counter counter = { .out = stdout };
	struct trace trace = { .ops = &counting, .who = &counter };
	bool header = true, speed = false;
	double start;
	int c, fd = STDIN_FILENO;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 's':
			speed = true;
			break;
		case 'n':
			header = false;
			break;
		case 'c':
			print_header(stdout);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			fputs("walkcount: see walkcount --help\n", stderr);
			return 2;
		}
	}
	if (argc - optind > 1) {
		fputs("walkcount: one trace at a time; see walkcount --help\n", stderr);
		return 2;
	}
	if (optind < argc)
		fd = open(argv[optind], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "walkcount: cannot read %s: %s\n", argv[optind], strerror(errno));
		return 2;
	}
	if (header)
		print_header(stdout);
	start = now();
	if (trace_read(&trace, fd) < 0) {
		fprintf(stderr, "walkcount: cannot read the trace: %s\n", strerror(errno));
		return 2;
	}
	if (speed)
		fprintf(stderr,
			"walkcount: %" PRIu64 " lines, %" PRIu64 " bytes, %.2f s: %.0f lines/s\n",
			trace.lines, trace.bytes, now() - start,
			(double)trace.lines / (now() - start));
	return conclude(&trace, &counter);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model test's command line: one mode, one configuration, one seed, many steps.
 */
#include <getopt.h>
#include <stdarg.h>
#include <time.h>
#include "model.h"
#include "run.h"

static void usage(FILE *to)
{
	const char *const help =
		"usage: model --mode NAME [options]\n"
		"Runs random guest and host operations on one paging mode and compares what the\n"
		"guest sees with what the architecture allows.\n"
		"  --mode NAME     paging mode; --mode list names them\n"
		"  --steps N       operations (default 100000)\n"
		"  --seed N        start of the random numbers (default 1)\n"
		"  --cfg A,B=C,..  vpid=0|1 mtf=0|1 budget=43..4096 shadow=1..3 ept=1..3 "
		"ept_ad=0|1\n"
		"                  npt=0|1 (nested tables are AMD's, in mode ept)\n"
		"                  prefault=0|1 guest_1g=0|1 phys=36..52 big=0|1 (1 GiB slot)\n"
		"                  threshold=N quiet=N (hybrid) switch=0|1 (to other modes and "
		"back)\n"
		"                  share=0|1 (base-address buffer) calm=0|1 (few upheavals)\n"
		"                  device=0|1 (a slot is a device's: its dirty flags)\n"
		"                  vcpus=1..4 (interleaved at every step)\n"
		"                  split=0|1 (no execution through large entries)\n"
		"                  host=0|1 (unmap, slots that come and go) audit=N (steps)\n"
		"  --verbose       every operation as it happens\n"
		"The same command line gives the same run. Exit status: 0 all right, 1 a "
		"difference was\n"
		"found (what, and the last operations, on stderr), 2 usage.\n";

	fputs(help, to);
}

static int bad(const char *what, const char *value)
{
	fprintf(stderr, "model: %s '%s'; see model --help\n", what, value);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "steps", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "cfg", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct timespec from, to;
	double seconds;
	int c, i;

	run_defaults();
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			if (!strcmp(optarg, "list")) {
				for (i = 0; paging_modes[i]; i++)
					puts(paging_modes[i]->name);
				return 0;
			}
			set.ops = paging_mode_find(optarg);
			if (!set.ops)
				return bad("no such paging mode:", optarg);
			break;
		case 'n':
			set.steps = strtoull(optarg, NULL, 0);
			break;
		case 's':
			set.seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			if (!run_config(optarg))
				return bad("bad configuration", optarg);
			break;
		case 'v':
			set.verbose = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!set.ops || optind < argc) {
		usage(stderr);
		return 2;
	}
	host_init();
	chance_seed(set.seed);
	clock_gettime(CLOCK_MONOTONIC, &from);
	run_all();
	clock_gettime(CLOCK_MONOTONIC, &to);
	seconds = to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9;
	printf("%s: %llu steps, %.0f steps/s", set.ops->name, (unsigned long long)set.steps,
	       set.steps / seconds);
	run_report();
	return 0;
}

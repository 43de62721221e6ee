// SPDX-License-Identifier: GPL-2.0-only
/* Tests of phase_cell.c on costs made by hand. Prints TAP. */
#include "phase_cell.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static bool same(double a, double b)
{
	return (isnan(a) && isnan(b)) || a == b || fabs(a - b) < 1e-9;
}

static const struct {
	const char *what;
	double cost[PHASE_MODES];
	struct phase_choice want;
} cells[] = {
	{ "the cheapest shadow mode, and what ept costs more",
	  { 300, 100, 200, 150 },
	  { PHASE_WON, PHASE_SSP, 1.5 } },
	{ "ept, and what the cheapest shadow mode costs more",
	  { 300, 200, 250, 100 },
	  { PHASE_WON, PHASE_EPT, 2 } },
	{ "the last of the shadow modes", { 300, 200, 100, 400 }, { PHASE_WON, PHASE_HYBRID, 4 } },
	{ "shadow modes that cost the same: the simplest stands for them",
	  { 101, 100, 100, 150 },
	  { PHASE_WON, PHASE_SHADOW, 1.5 } },
	{ "one that costs more than a tie allows does not",
	  { 103, 101, 100, 150 },
	  { PHASE_WON, PHASE_SSP, 1.5 } },
	{ "families that cost the same", { 500, 100, 100, 101 }, { PHASE_EQUAL, PHASE_SSP, 1.01 } },
	{ "the same, ept the cheaper", { 101, 500, 500, 100 }, { PHASE_EQUAL, PHASE_EPT, 1.01 } },
	{ "all alike", { 7, 7, 7, 7 }, { PHASE_EQUAL, PHASE_SHADOW, 1 } },
	{ "all cost nothing", { 0, 0, 0, 0 }, { PHASE_EQUAL, PHASE_SHADOW, 1 } },
	{ "one costs nothing", { 5, 5, 5, 0 }, { PHASE_WON, PHASE_EPT, INFINITY } },
	{ "a shadow mode that was not taken does not compete",
	  { NAN, 100, NAN, 150 },
	  { PHASE_WON, PHASE_SSP, 1.5 } },
	{ "no ept: empty", { 1, 2, 3, NAN }, { PHASE_EMPTY, PHASE_SHADOW, NAN } },
	{ "no shadow mode: empty", { NAN, NAN, NAN, 1 }, { PHASE_EMPTY, PHASE_SHADOW, NAN } },
	{ "nothing: empty", { NAN, NAN, NAN, NAN }, { PHASE_EMPTY, PHASE_SHADOW, NAN } },
};

#define RATES 4
static const double rates[RATES] = { 0, 1, 10, 100 };
static const struct {
	const char *what;
	double shadow[RATES], ept[RATES];
	double want;
} lines[] = {
	{ "a line between two rates", { 100, 110, 200, 1100 }, { 150, 150, 150, 150 }, 5 },
	{ "one at a rate", { 100, 110, 200, 1100 }, { 200, 200, 200, 200 }, 10 },
	{ "one between the first two", { 100, 110, 200, 1100 }, { 105, 105, 105, 105 }, .5 },
	{ "ept from the first on", { 100, 110, 200, 1100 }, { 90, 90, 90, 90 }, 0 },
	{ "the same without updates", { 100, 110, 200, 1100 }, { 100, 100, 100, 100 }, 0 },
	{ "never ept", { 100, 110, 200, 1100 }, { 2000, 2000, 2000, 2000 }, INFINITY },
	{ "twice over: the last time counts", { 100, 110, 200, 1100 }, { 90, 150, 300, 200 }, 19 },
	{ "a family is missing at a rate that matters",
	  { 100, 110, NAN, 1100 },
	  { 150, 150, 150, 150 },
	  NAN },
	{ "at one that does not", { NAN, 110, 200, 1100 }, { 150, 150, 150, 150 }, 5 },
	{ "no ept", { 100, 110, 200, 1100 }, { NAN, NAN, NAN, NAN }, NAN },
};

static const struct {
	const char *what;
	double likely;
	struct phase_band ept;
	enum phase_verdict want;
} bands[] = {
	{ "within a band: ept costs more in all of it", 150, { 1.1, 1.9 }, PHASE_WON },
	{ "within a band: ept costs less in all of it", 50, { .4, .9 }, PHASE_WON },
	{ "within a band: the same in all of it", 101, { .99, 1.01 }, PHASE_EQUAL },
	{ "within a band: the winner changes", 50, { .4, 1.1 }, PHASE_UNDECIDED },
	{ "within a band: it does where the likely says that they cost the same",
	  101,
	  { .9, 1.1 },
	  PHASE_UNDECIDED },
	{ "within a band: the same or more, and likely more", 110, { 1, 1.2 }, PHASE_WON },
	{ "within a band: the same or more, and likely the same", 101, { 1, 1.2 }, PHASE_EQUAL },
	{ "within a band: the same or less", 99, { .9, 1.01 }, PHASE_EQUAL },
	{ "within a band: more, without an end", 150, { 1.1, INFINITY }, PHASE_WON },
};

static void test_bands(void)
{
	static const double dearer[PHASE_MODES] = { 400, 100, 200, 150 };
	static const double none[PHASE_MODES] = { 400, 100, 200, NAN };
	struct phase_band band = { NAN, NAN };

	for (size_t i = 0; i < sizeof(bands) / sizeof(bands[0]); i++) {
		double cost[PHASE_MODES] = { 400, 100, 200, bands[i].likely };
		struct phase_choice got = phase_choose_within(cost, bands[i].ept);

		ok(got.verdict == bands[i].want &&
			   got.mode == (bands[i].likely < 100 ? PHASE_EPT : PHASE_SSP),
		   bands[i].what);
	}
	ok(phase_choose_within(none, band).verdict == PHASE_EMPTY, "a band of nothing: empty");
	phase_widen(&band, NAN);
	ok(isnan(band.low) && isnan(band.high), "what is not known widens nothing");
	phase_widen(&band, 3);
	phase_widen(&band, 1);
	phase_widen(&band, NAN);
	phase_widen(&band, 2);
	ok(same(band.low, 1) && same(band.high, 3), "a band goes from the least to the most");
	ok(same(phase_ept_ratio(dearer), 1.5), "ept against the best shadow mode");
	ok(isnan(phase_ept_ratio(none)), "none without ept");
}

int main(void)
{
	double cost[RATES][PHASE_MODES];

	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		struct phase_choice got = phase_choose(cells[i].cost);

		ok(got.verdict == cells[i].want.verdict && got.mode == cells[i].want.mode &&
			   same(got.ratio, cells[i].want.ratio),
		   cells[i].what);
	}
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		for (int r = 0; r < RATES; r++) {
			cost[r][PHASE_SHADOW] = NAN;
			cost[r][PHASE_SSP] = lines[i].shadow[r];
			cost[r][PHASE_HYBRID] = lines[i].shadow[r] * 2;
			cost[r][PHASE_EPT] = lines[i].ept[r];
		}
		ok(same(phase_crossover(rates, (const double(*)[PHASE_MODES])cost, RATES),
			lines[i].want),
		   lines[i].what);
	}
	ok(isnan(phase_crossover(rates, (const double(*)[PHASE_MODES])cost, 0)), "no rate at all");
	test_bands();
	printf("1..%u\n", tests);
	return failures > 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a cell of the phase diagram says, and where its line is: decided here, and nowhere else, from
 * what each paging mode costs. Pure, so that a test can ask for any cell.
 */
#ifndef PENUMBRA_PHASE_CELL_H
#define PENUMBRA_PHASE_CELL_H

#include <stddef.h>

/* In this order a family's modes stand for it where they cost the same: the simplest first. */
enum phase_mode { PHASE_SHADOW, PHASE_SSP, PHASE_HYBRID, PHASE_EPT, PHASE_MODES };
extern const char *const phase_mode_names[PHASE_MODES];

/* Costs nearer to each other than this are the same: nobody should choose by them. */
#define PHASE_TIE 1.02

enum phase_verdict {
	PHASE_EMPTY, /* a family was not taken */
	PHASE_EQUAL, /* the families cost the same */
	PHASE_WON,
};

/**
 * struct phase_choice - what a cell says
 * @verdict: see there
 * @mode: PHASE_WON: which mode costs least
 * @ratio: what the best of the other family costs, as a multiple of the best; NAN where nothing can
 *	be said, INFINITY where the best costs nothing
 */
struct phase_choice {
	enum phase_verdict verdict;
	enum phase_mode mode;
	double ratio;
};

/**
 * phase_choose() - decide a cell
 * @cost: of each mode; NAN where it was not taken
 */
struct phase_choice phase_choose(const double cost[PHASE_MODES]);

/**
 * phase_best_shadow() - the least that a shadow mode costs
 * @cost: of each mode
 *
 * Return: NAN where none was taken.
 */
double phase_best_shadow(const double cost[PHASE_MODES]);

/**
 * phase_crossover() - the least rate of updates from which on ept costs less than every shadow mode
 * @rate: rates, ascending
 * @cost: of each mode, per rate
 * @n: how many
 *
 * Between two rates costs are taken to be linear.
 *
 * Return: 0 where ept costs less, or no more, at every rate; INFINITY where it does not even at the
 * greatest; NAN where a family was not taken at one of the rates that matter.
 */
double phase_crossover(const double *rate, const double (*cost)[PHASE_MODES], size_t n);

#endif

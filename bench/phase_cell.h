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
	PHASE_UNDECIDED, /* who wins depends on figures that are not known so well */
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
 * struct phase_band - a figure that is only known to lie between two
 * @low: the least that it may be
 * @high: the most
 */
struct phase_band {
	double low, high;
};

/**
 * phase_choose_within() - decide a cell whose costs are known within a band
 * @cost: of each mode, as likely as can be said
 * @ept: what ept costs as a multiple of the best shadow mode, everywhere in the band
 *
 * Return: what phase_choose() says, unless each family wins somewhere in the band.
 */
struct phase_choice phase_choose_within(const double cost[PHASE_MODES], struct phase_band ept);

/**
 * phase_widen() - a band that holds one more value
 * @band: the band; both ends NAN while it holds none
 * @value: NAN changes nothing
 */
void phase_widen(struct phase_band *band, double value);

/**
 * phase_best_shadow() - the least that a shadow mode costs
 * @cost: of each mode
 *
 * Return: NAN where none was taken.
 */
double phase_best_shadow(const double cost[PHASE_MODES]);

/**
 * phase_ept_ratio() - what ept costs as a multiple of the best shadow mode
 * @cost: of each mode
 *
 * Return: NAN where one of the two was not taken.
 */
double phase_ept_ratio(const double cost[PHASE_MODES]);

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

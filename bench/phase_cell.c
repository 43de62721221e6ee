// SPDX-License-Identifier: GPL-2.0-only
/* See phase_cell.h. */
#include "phase_cell.h"

#include <math.h>

const char *const phase_mode_names[PHASE_MODES] = { "shadow", "ssp", "hybrid", "ept" };

double phase_best_shadow(const double cost[PHASE_MODES])
{
	double best = NAN;

	for (int mode = PHASE_SHADOW; mode < PHASE_EPT; mode++)
		best = fmin(best, cost[mode]); /* a NAN never wins */
	return best;
}

struct phase_choice phase_choose(const double cost[PHASE_MODES])
{
	struct phase_choice choice = { PHASE_EMPTY, PHASE_SHADOW, NAN };
	double shadow = phase_best_shadow(cost), ept = cost[PHASE_EPT];
	double best = fmin(shadow, ept), other = fmax(shadow, ept);

	if (isnan(shadow) || isnan(ept))
		return choice;
	choice.ratio = best > 0 ? other / best : other > 0 ? INFINITY : 1;
	choice.verdict = choice.ratio < PHASE_TIE ? PHASE_EQUAL : PHASE_WON;
	if (ept < shadow)
		choice.mode = PHASE_EPT;
	else
		while (!(cost[choice.mode] <= best * PHASE_TIE))
			choice.mode++;
	return choice;
}

struct phase_choice phase_choose_within(const double cost[PHASE_MODES], struct phase_band ept)
{
	struct phase_choice choice = phase_choose(cost);

	if (choice.verdict != PHASE_EMPTY && ept.low <= 1 / PHASE_TIE && ept.high >= PHASE_TIE)
		choice.verdict = PHASE_UNDECIDED;
	return choice;
}

void phase_widen(struct phase_band *band, double value)
{
	band->low = fmin(band->low, value); /* a NAN never wins */
	band->high = fmax(band->high, value);
}

double phase_ept_ratio(const double cost[PHASE_MODES])
{
	double shadow = phase_best_shadow(cost), ept = cost[PHASE_EPT];

	return shadow == 0 && ept == 0 ? 1 : ept / shadow;
}

double phase_crossover(const double *rate, const double (*cost)[PHASE_MODES], size_t n)
{
	double above = INFINITY, at = INFINITY;

	while (n--) {
		/* What a shadow costs more than ept. */
		double gap = phase_best_shadow(cost[n]) - cost[n][PHASE_EPT];

		if (isnan(gap))
			return NAN;
		if (gap < 0) {
			if (isinf(at))
				return INFINITY;
			return rate[n] + (at - rate[n]) * -gap / (above - gap);
		}
		above = gap;
		at = rate[n];
	}
	return isinf(at) ? NAN : 0;
}

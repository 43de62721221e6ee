// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of counters as a table.
 */
#include "counters.h"

#define DESCRIBE(name, unit, kind, sentence) \
	[CNT_##name] = { #name, sentence, UNIT_##unit, KIND_##kind },
const struct counter_text counter_text[CNT_NR] = { PENUMBRA_COUNTERS(DESCRIBE) };
#undef DESCRIBE

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores into guest tables that no decoder knows: windows.
 */
#ifndef PENUMBRA_SHADOW_STORE_H
#define PENUMBRA_SHADOW_STORE_H

#include "shadow.h"

static inline bool in_window(struct shadow_vcpu *sv, gfn_t gfn)
{
	u32 i;

	for (i = 0; i < sv->nr_windows; i++)
		if (sv->window[i] == gfn)
			return true;
	return false;
}

#endif

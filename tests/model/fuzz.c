// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model test, driven by libFuzzer: the first bytes choose mode and configuration, the others
 * choose operations. A finding is an abort, with the last operations on stderr.
 */
#include "run.h"
#include "mmu/shadow/shadow.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static unsigned int nr_modes(void)
{
	unsigned int n = 0;

	while (paging_modes[n])
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static bool ready;

	if (!ready) {
		host_init();
		ready = true;
	}
	if (size < 4)
		return 0;
	run_defaults();
	set.ops = paging_modes[data[0] % nr_modes()];
	set.npt = data[0] / nr_modes() & 1;
	set.cfg.tagged_tlb = data[1] & 1;
	set.cfg.single_step = data[1] & 2;
	set.cfg.nested_ad = data[1] & 4;
	set.cfg.prefault = data[1] & 8;
	set.cfg.guest_1g = data[1] & 16;
	set.cfg.shadow_max_level = 1 + (data[1] >> 5) % 3;
	set.cfg.nested_max_level = 1 + data[2] % 3;
	set.cfg.shadow_budget = SHADOW_BUDGET_MIN + 8 * (data[2] >> 2);
	set.audit_every = 1 + data[3];
	set.steps = 2000;
	chance_bytes(data + 4, size - 4);
	run_all();
	return 0;
}

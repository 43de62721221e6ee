// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's parameters, as they are for VMs that are created now, and how a number is set.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "params.h"
#include "penumbra.h"

struct parameters param = {
	.nested_max_level = 3,
	.shadow_budget = 16384,
	.hybrid_threshold = 4,
	.hybrid_quiet = 8,
	.slice_us = 10000,
	.nested_ad = true,
	.tagged_tlb = true,
	.single_step = true,
	.mitigations = true,
	.pmu = true,
};

static int bounded_set(const char *value, const struct kernel_param *kp)
{
	const struct bounded *b = kp->arg;
	unsigned int n;

	if (kstrtouint(value, 0, &n) || n < b->min || n > b->max) {
		pr_err("%s=%.*s refused: accepted are: %u to %u%s\n", kp->name,
		       (int)strcspn(value, "\n"), value, b->min, b->max, b->unit);
		return -EINVAL;
	}
	WRITE_ONCE(*b->value, n);
	if (b->changed)
		b->changed();
	return 0;
}

static int bounded_get(char *buffer, const struct kernel_param *kp)
{
	const struct bounded *b = kp->arg;

	return sysfs_emit(buffer, "%u\n", READ_ONCE(*b->value));
}

const struct kernel_param_ops bounded_ops = {
	.set = bounded_set,
	.get = bounded_get,
};

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Module parameters that are a number within bounds.
 */
#ifndef PENUMBRA_PARAMS_H
#define PENUMBRA_PARAMS_H

#include <linux/moduleparam.h>

struct bounded {
	unsigned int *value;
	unsigned int min, max;
	const char *unit;      /* with a space in front, or "" */
	void (*changed)(void); /* NULL: nobody has to be told */
};

/* kp->arg is a struct bounded. */
extern const struct kernel_param_ops bounded_ops;

#endif

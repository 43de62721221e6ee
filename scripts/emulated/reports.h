/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel says when it has found a mistake: one table, so that a run fails for every kind of
 * report that Linux makes, and a test over sample lines can hold each row of it.
 */
#ifndef EMULATED_REPORTS_H
#define EMULATED_REPORTS_H

#include <stddef.h>

struct report {
	const char *kind; /* who found it, or what: for people */
	const char *sign; /* what its line contains */
};

#define MAX_REPORTS 128

extern const struct report reports[]; /* the first one is the panic, after which nothing comes */
extern const size_t report_count;     /* at most MAX_REPORTS */

const struct report *find_report(const char *line);

#endif

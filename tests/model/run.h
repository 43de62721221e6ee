/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A run of the model: settings, the loop, the report. Shared by the program and the fuzzer.
 */
#ifndef PENUMBRA_MODEL_RUN_H
#define PENUMBRA_MODEL_RUN_H

#include "model.h"

void run_defaults(void);
bool run_config(const char *text); /* false: it makes no sense */
void run_all(void);		   /* set.steps operations, or until chance_over() */
void run_report(void);		   /* what happened, to stdout */

#endif

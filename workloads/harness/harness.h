/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a workload is. One file in workloads/ defines one struct workload and registers it; the
 * harness does everything that workloads have in common: parameters, warm-up, repetition, markers,
 * time, the control loop, the row.
 *
 * A run is: setup() once; `warmup` times prepare() and body(); then per repetition prepare(),
 * markers around body(), check(), prepare_control(), markers around control(). The control does
 * what the body does except for the thing that is measured.
 */
#ifndef GUEST_HARNESS_H
#define GUEST_HARNESS_H

#include "../kernel/kernel.h"

/**
 * struct param - one `key=value` of a workload
 * @name: the key
 * @help: what it means
 * @value: where the value goes
 * @def: default; with @choices an index
 * @min: smallest value accepted
 * @max: largest value accepted
 * @choices: words separated by `|`; NULL for a number
 */
struct param {
	const char *name, *help;
	u64 *value;
	u64 def, min, max;
	const char *choices;
};

/**
 * struct workload - a body, its control, and what surrounds them
 * @name: the value of workload=
 * @summary: one line for workload=list
 * @params: ends with a name of NULL; may be NULL
 * @ops: default number of operations in one repetition
 * @default_ops: the default for the parameters as given, where it is not always @ops; or NULL
 * @ops_max: largest value of ops=
 * @setup: once; may be NULL
 * @prepare: back to the initial state before each body; may be NULL
 * @prepare_control: the same before each control; may be NULL
 * @body: run so many operations
 * @control: the same loop without the measured thing; NULL where there is none (then the row has
 *	an empty control)
 * @check: verify memory after a body and reduce it to a checksum that depends on nothing but the
 *	parameters and the data; false if something is wrong, after a printf() that says what
 * @next: after all repetitions: set the parameters for more of them on the same set-up, or false;
 *	NULL where there is only one set
 * @run: a workload that is no loop takes over here, and none of the others is called
 */
struct workload {
	const char *name, *summary;
	const struct param *params;
	u64 ops, ops_max;
	u64 (*default_ops)(void);
	void (*setup)(void);
	void (*prepare)(void);
	void (*prepare_control)(void);
	void (*body)(u64 ops);
	void (*control)(u64 ops);
	bool (*check)(u64 ops, u64 *checksum);
	bool (*next)(void);
	int (*run)(void);
};

/* link.ld gathers the pointers, sorted by name. */
#define WORKLOAD(id)                                                                \
	static const struct workload workload_##id;                                 \
	static const struct workload *const workload_at_##id                        \
		__attribute__((section(".workloads." #id), used)) = &workload_##id; \
	static const struct workload workload_##id

#define NUMBER(id, var, d, lo, hi, text)                                                  \
	{                                                                                 \
		.name = id, .help = text, .value = &(var), .def = d, .min = lo, .max = hi \
	}
#define CHOICE(id, var, d, words, text)                                               \
	{                                                                             \
		.name = id, .help = text, .value = &(var), .def = d, .choices = words \
	}

#endif

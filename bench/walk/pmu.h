/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which performance events say what page walks cost on a real CPU: one table by CPU model. What a
 * CPU does not count stays empty; nothing is put in its place. The runner counts by it
 * (bench/runner_pmu.c), walkpmu prints it.
 *
 * Not run on silicon yet: the choice is tested, the counts are not.
 */
#ifndef PENUMBRA_WALK_PMU_H
#define PENUMBRA_WALK_PMU_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * What is wanted of a CPU: each name is a column of raw.csv. The most wanted first, for a CPU with
 * fewer counters than events counts the first ones.
 */
#define PMU_COUNTS(COUNT)        \
	COUNT(walk_cycles_load)  \
	COUNT(walk_cycles_store) \
	COUNT(walk_cycles_ept)   \
	COUNT(tlb_flush_dtlb)    \
	COUNT(tlb_flush_stlb)

#define PMU_ENUM(name) PMU_##name,
enum pmu_count { PMU_COUNTS(PMU_ENUM) PMU_NR };
#undef PMU_ENUM

/**
 * struct pmu_event - an event as a CPU counts it
 * @name: Intel's name, NULL where the CPU has none
 * @event: event number
 * @umask: unit mask
 */
struct pmu_event {
	const char *name;
	uint8_t event, umask;
};

/* How the figure for EPT relates to those for loads and stores. */
enum pmu_ept {
	EPT_NOT_COUNTED, /* the EPT share is a difference between runs */
	EPT_APART,	 /* the data-TLB events leave EPT time out: add the two */
	EPT_UNSTATED,	 /* counted, but whether the data-TLB events include it is not documented */
};

/**
 * struct pmu_generation - CPUs with the same events
 * @name: of the generation
 * @models: family 6 models, ends with 0
 * @ept: see enum pmu_ept
 * @event: by enum pmu_count
 */
struct pmu_generation {
	const char *name;
	uint8_t models[10];
	enum pmu_ept ept;
	struct pmu_event event[PMU_NR];
};

/**
 * struct pmu_cpu - which CPU
 * @vendor: "GenuineIntel" and so on
 * @family: display family
 * @model: display model
 */
struct pmu_cpu {
	char vendor[16];
	unsigned int family, model;
};

/**
 * pmu_choose() - the events of a CPU
 * @cpu: the CPU
 *
 * Return: its generation, or NULL for a CPU that the table does not have: then nothing is counted.
 */
const struct pmu_generation *pmu_choose(const struct pmu_cpu *cpu);

/**
 * pmu_generations() - the whole table
 * @count: how many there are
 */
const struct pmu_generation *pmu_generations(unsigned int *count);

/**
 * pmu_config() - perf_event_attr.config of an event, for type PERF_TYPE_RAW
 * @event: the event; it has a name
 */
uint64_t pmu_config(const struct pmu_event *event);

/**
 * pmu_walk_cycles() - cycles of walks for data, the second dimension included
 * @generation: of the CPU
 * @value: counts by enum pmu_count
 * @total: the sum
 *
 * Return: false where the CPU's events do not add up to that; the figure is then empty.
 */
bool pmu_walk_cycles(const struct pmu_generation *generation, const uint64_t value[PMU_NR],
		     uint64_t *total);

/**
 * pmu_read_cpuinfo() - which CPU this is
 * @file: /proc/cpuinfo
 * @cpu: where it goes
 *
 * Return: false if the file does not say.
 */
bool pmu_read_cpuinfo(FILE *file, struct pmu_cpu *cpu);

#endif

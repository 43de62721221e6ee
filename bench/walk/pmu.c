// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of performance events for page walks, and the choice from it. Event numbers are those
 * of Intel's own event lists (github.com/intel/perfmon), which perf's pmu-events repeat. CPUs that
 * are not in the table have not been looked up: they get no counts rather than wrong ones.
 *
 * Not run on silicon yet.
 */
#include "pmu.h"

#include <string.h>

#define FLUSHES                                                                                  \
	[PMU_tlb_flush_dtlb] = { "TLB_FLUSH.DTLB_THREAD", 0xbd, 0x01 }, [PMU_tlb_flush_stlb] = { \
		"TLB_FLUSH.STLB_ANY", 0xbd, 0x20                                                 \
	}

/* From Skylake on walks may overlap: PENDING counts each of them in each cycle. */
static const struct pmu_generation table[] = {
	{
		.name = "Nehalem",
		.models = { 0x1a, 0x1e, 0x1f, 0x2e },
		.ept = EPT_NOT_COUNTED,
	},
	{
		.name = "Westmere",
		.models = { 0x25, 0x2c, 0x2f },
		.ept = EPT_UNSTATED,
		.event = {
			[PMU_walk_cycles_load] = { "DTLB_LOAD_MISSES.WALK_CYCLES", 0x08, 0x04 },
			[PMU_walk_cycles_ept] = { "EPT.WALK_CYCLES", 0x4f, 0x10 },
		},
	},
	{
		.name = "Sandy Bridge",
		.models = { 0x2a, 0x2d },
		.ept = EPT_UNSTATED,
		.event = {
			[PMU_walk_cycles_load] = { "DTLB_LOAD_MISSES.WALK_DURATION", 0x08, 0x04 },
			[PMU_walk_cycles_store] = { "DTLB_STORE_MISSES.WALK_DURATION", 0x49, 0x04 },
			[PMU_walk_cycles_ept] = { "EPT.WALK_CYCLES", 0x4f, 0x10 },
			FLUSHES,
		},
	},
	{
		.name = "Ivy Bridge",
		.models = { 0x3a, 0x3e },
		.ept = EPT_UNSTATED,
		.event = {
			[PMU_walk_cycles_load] = { "DTLB_LOAD_MISSES.DEMAND_LD_WALK_DURATION", 0x08,
						   0x84 },
			[PMU_walk_cycles_store] = { "DTLB_STORE_MISSES.WALK_DURATION", 0x49, 0x04 },
			[PMU_walk_cycles_ept] = { "EPT.WALK_CYCLES", 0x4f, 0x10 },
			FLUSHES,
		},
	},
	{
		.name = "Haswell, Broadwell",
		.models = { 0x3c, 0x3f, 0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56 },
		.ept = EPT_UNSTATED,
		.event = {
			[PMU_walk_cycles_load] = { "DTLB_LOAD_MISSES.WALK_DURATION", 0x08, 0x10 },
			[PMU_walk_cycles_store] = { "DTLB_STORE_MISSES.WALK_DURATION", 0x49, 0x10 },
			[PMU_walk_cycles_ept] = { "EPT.WALK_CYCLES", 0x4f, 0x10 },
			FLUSHES,
		},
	},
	{
		.name = "Skylake-X, Cascade Lake",
		.models = { 0x55 },
		.ept = EPT_APART,
		.event = {
			[PMU_walk_cycles_load] = { "DTLB_LOAD_MISSES.WALK_PENDING", 0x08, 0x10 },
			[PMU_walk_cycles_store] = { "DTLB_STORE_MISSES.WALK_PENDING", 0x49, 0x10 },
			[PMU_walk_cycles_ept] = { "EPT.WALK_PENDING", 0x4f, 0x10 },
			FLUSHES,
		},
	},
	{
		.name = "Ice Lake-X",
		.models = { 0x6a, 0x6c },
		.ept = EPT_NOT_COUNTED,
		.event = {
			[PMU_walk_cycles_load] = { "DTLB_LOAD_MISSES.WALK_PENDING", 0x08, 0x10 },
			[PMU_walk_cycles_store] = { "DTLB_STORE_MISSES.WALK_PENDING", 0x49, 0x10 },
			FLUSHES,
		},
	},
	{
		.name = "Sapphire, Emerald, Granite Rapids",
		.models = { 0x8f, 0xcf, 0xad, 0xae },
		.ept = EPT_NOT_COUNTED,
		.event = {
			[PMU_walk_cycles_load] = { "DTLB_LOAD_MISSES.WALK_PENDING", 0x12, 0x10 },
			[PMU_walk_cycles_store] = { "DTLB_STORE_MISSES.WALK_PENDING", 0x13, 0x10 },
		},
	},
};

const struct pmu_generation *pmu_generations(unsigned int *count)
{
	*count = sizeof(table) / sizeof(table[0]);
	return table;
}

const struct pmu_generation *pmu_choose(const struct pmu_cpu *cpu)
{
	unsigned int count;
	const struct pmu_generation *all = pmu_generations(&count);

	if (strcmp(cpu->vendor, "GenuineIntel") != 0 || cpu->family != 6)
		return NULL;
	for (unsigned int i = 0; i < count; i++)
		for (const uint8_t *model = all[i].models; *model; model++)
			if (*model == cpu->model)
				return &all[i];
	return NULL;
}

uint64_t pmu_config(const struct pmu_event *event)
{
	return event->event | (uint64_t)event->umask << 8;
}

bool pmu_walk_cycles(const struct pmu_generation *generation, const uint64_t value[PMU_NR],
		     uint64_t *total)
{
	if (generation->ept != EPT_APART)
		return false;
	*total = value[PMU_walk_cycles_load] + value[PMU_walk_cycles_store] +
		 value[PMU_walk_cycles_ept];
	return true;
}

bool pmu_read_cpuinfo(FILE *file, struct pmu_cpu *cpu)
{
	char line[4096]; /* the flags are long */
	unsigned int found = 0;

	memset(cpu, 0, sizeof(*cpu));
	while (found != 7 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "vendor_id : %15s", cpu->vendor) == 1)
			found |= 1;
		else if (sscanf(line, "cpu family : %u", &cpu->family) == 1)
			found |= 2;
		else if (sscanf(line, "model : %u", &cpu->model) == 1)
			found |= 4;
	}
	return found == 7;
}

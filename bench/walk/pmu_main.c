// SPDX-License-Identifier: GPL-2.0-only
/*
 * walkpmu: which performance events say what page walks cost on this machine's CPU, or on another.
 * It counts nothing itself (the runner does), and nothing of it has been run on silicon yet.
 */
#include "pmu.h"

#include <inttypes.h>
#include <string.h>

#define PMU_NAME(name) #name,
static const char *const names[PMU_NR] = { PMU_COUNTS(PMU_NAME) };
#undef PMU_NAME

static const char *const ept_text[] = {
	[EPT_NOT_COUNTED] = "EPT walks are not counted apart: compare runs with and without",
	[EPT_APART] = "load and store events leave EPT time out: add walk_cycles_ept",
	[EPT_UNSTATED] = "whether load and store events include EPT time is not documented",
};

static void usage(FILE *to)
{
	fputs("usage: walkpmu [--all | --model HEX]\n"
	      "\n"
	      "Prints the events for page walks, TLB flushes and EPT walks of this machine's CPU,\n"
	      "as perf stat -e takes them. Nothing of it has been run on silicon yet.\n"
	      "\n"
	      "  --all        all generations in the table\n"
	      "  --model HEX  an Intel family 6 CPU with this model, such as 55\n"
	      "  --help       this text\n"
	      "\n"
	      "Exit status: 0; 1 if the table does not have the CPU; 2 usage.\n",
	      to);
}

static void print_generation(const struct pmu_generation *generation)
{
	printf("%s\n", generation->name);
	for (int i = 0; i < PMU_NR; i++) {
		const struct pmu_event *event = &generation->event[i];

		if (event->name)
			printf("  %-18s cpu/config=0x%" PRIx64 ",name=%s/\n", names[i],
			       pmu_config(event), event->name);
		else
			printf("  %-18s -\n", names[i]);
	}
	printf("  %s\n", ept_text[generation->ept]);
}

static int print_all(void)
{
	unsigned int count;
	const struct pmu_generation *all = pmu_generations(&count);

	for (unsigned int i = 0; i < count; i++)
		print_generation(&all[i]);
	return 0;
}

static int print_cpu(const struct pmu_cpu *cpu)
{
	const struct pmu_generation *generation = pmu_choose(cpu);

	if (!generation) {
		printf("no events are known for %s family %u model %02xh: its columns stay empty\n",
		       cpu->vendor, cpu->family, cpu->model);
		return 1;
	}
	print_generation(generation);
	return 0;
}

int main(int argc, char **argv)
{
	struct pmu_cpu cpu = { .vendor = "GenuineIntel", .family = 6 };
	FILE *file;
	bool good;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--all"))
		return print_all();
	if (argc == 3 && !strcmp(argv[1], "--model") && sscanf(argv[2], "%x", &cpu.model) == 1)
		return print_cpu(&cpu);
	if (argc > 1) {
		usage(stderr);
		return 2;
	}
	file = fopen("/proc/cpuinfo", "re");
	good = file && pmu_read_cpuinfo(file, &cpu);
	if (file)
		fclose(file);
	if (!good) {
		fputs("walkpmu: /proc/cpuinfo does not say which CPU this is\n", stderr);
		return 1;
	}
	return print_cpu(&cpu);
}

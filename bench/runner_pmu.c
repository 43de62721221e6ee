// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-walk cycles and TLB flushes of the guest, by the CPU's own performance counters.
 *
 * Counters are the kernel's perf events on the runner's only thread, the one that calls KVM_RUN,
 * with exclude_host: they run from VM entry to VM exit alone, at every privilege of the guest. Both
 * KVM and Penumbra (hv/vmx/perf.c) switch them there, so that one piece of code gives both engines
 * the same columns, the hypervisor's own code is in none of them, and the kernel takes them back
 * when the runner ends, however it ends. Which events: the table in walk/pmu.c, by CPU model.
 *
 * A figure is either whole or not there. Events are pinned, so the kernel never shares a counter
 * among them: one for which there is none stays empty, and so does one that did not run all the time
 * that its region took. An event of all CPUs, instructions, is counted with them: where that stands
 * still, guests' counts do not work on this host (another hypervisor, pmu=0), and all are empty.
 *
 * Not run on silicon yet.
 */
#include "runner.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PMU_NAME(name) [PMU_##name] = #name,
static const char *const names[PMU_COUNTERS] = {
	PMU_COUNTS(PMU_NAME)[PMU_WITNESS] = "guest_instructions",
};
#undef PMU_NAME

static int open_event(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
		.pinned = 1,
		.exclude_host = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static const char *why_refused(int error)
{
	switch (error) {
	case ENOENT:
	case EOPNOTSUPP:
	case ENODEV:
		return "this machine has no PMU for them";
	case EBUSY:
		return "too few counters are free";
	case EACCES:
	case EPERM:
		return "kernel.perf_event_paranoid forbids it: be root";
	default:
		return strerror(error);
	}
}

static void say(struct pmu *pmu, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct pmu *pmu, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(pmu->text, sizeof(pmu->text), fmt, args);
	va_end(args);
}

/* Return: whether it has a counter. A pinned event that has none, or lost it, gives nothing to read. */
static bool read_event(int fd, struct pmu_value *value)
{
	ssize_t n;

	do
		n = read(fd, value, sizeof(*value));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*value);
}

static int open_counted(uint32_t type, uint64_t config)
{
	struct pmu_value value;
	int fd = open_event(type, config);

	if (fd < 0 || read_event(fd, &value))
		return fd;
	close(fd);
	errno = EBUSY;
	return -1;
}

/* What the table says of this CPU, or NULL with the reason. */
static const struct pmu_generation *find_generation(struct pmu *pmu, FILE *cpuinfo)
{
	const struct pmu_generation *generation;
	struct pmu_cpu cpu;

	if (!cpuinfo || !pmu_read_cpuinfo(cpuinfo, &cpu)) {
		say(pmu, "none: /proc/cpuinfo does not say which CPU this is");
		return NULL;
	}
	generation = pmu_choose(&cpu);
	if (!generation)
		say(pmu, "none: no events are known for %s family %u model %02xh", cpu.vendor,
		    cpu.family, cpu.model);
	return generation;
}

static bool has_events(const struct pmu_generation *generation)
{
	for (int i = 0; i < PMU_NR; i++)
		if (generation->event[i].name)
			return true;
	return false;
}

/* What could be opened, and why the rest could not. */
static void list_counted(struct pmu *pmu, const char *generation, int error)
{
	char list[160] = "";
	size_t used = 0;

	for (int i = 0; i < PMU_NR; i++)
		if (pmu->fd[i] >= 0)
			used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", names[i]);
	say(pmu, "%s:%s%s%s", generation, used ? list : " none", error ? "; not all: " : "",
	    error ? why_refused(error) : "");
}

/**
 * pmu_open() - start to count what this CPU counts of walks and flushes
 * @pmu: filled in; its text says what is counted, or why nothing is
 *
 * Return: whether anything is counted.
 */
bool pmu_open(struct pmu *pmu)
{
	FILE *cpuinfo = fopen("/proc/cpuinfo", "re");
	const struct pmu_generation *generation = find_generation(pmu, cpuinfo);
	bool counted = false;
	int error = 0;

	if (cpuinfo)
		fclose(cpuinfo);
	for (int i = 0; i < PMU_COUNTERS; i++)
		pmu->fd[i] = -1;
	if (!generation)
		return false;
	if (!has_events(generation)) {
		say(pmu, "none: %s has no such events", generation->name);
		return false;
	}
	pmu->fd[PMU_WITNESS] = open_counted(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	if (pmu->fd[PMU_WITNESS] < 0) {
		say(pmu, "none: %s, but %s", generation->name, why_refused(errno));
		return false;
	}
	for (int i = 0; i < PMU_NR; i++) {
		if (!generation->event[i].name)
			continue;
		pmu->fd[i] = open_counted(PERF_TYPE_RAW, pmu_config(&generation->event[i]));
		counted = counted || pmu->fd[i] >= 0;
		error = pmu->fd[i] < 0 ? errno : error;
	}
	list_counted(pmu, generation->name, error);
	return counted;
}

/**
 * pmu_read() - take a snapshot
 * @pmu: what is counted
 * @snapshot: filled in
 */
void pmu_read(const struct pmu *pmu, struct pmu_snapshot *snapshot)
{
	for (int i = 0; i < PMU_COUNTERS; i++)
		if (pmu->fd[i] < 0 || !read_event(pmu->fd[i], &snapshot->of[i]))
			memset(&snapshot->of[i], 0, sizeof(snapshot->of[i]));
}

/* Did an event have its counter from one snapshot to the other? */
static bool ran(const struct pmu_value *begin, const struct pmu_value *end)
{
	return begin->enabled && end->enabled > begin->enabled &&
	       end->enabled - begin->enabled == end->running - begin->running;
}

static bool counts_guests(const struct pmu_value *begin, const struct pmu_value *end)
{
	return ran(begin, end) && end->count > begin->count;
}

/**
 * pmu_count() - what an event counted between two snapshots
 * @begin: the first
 * @end: the second
 * @counter: which event: enum pmu_count, or PMU_WITNESS
 * @value: set where it was counted
 *
 * Return: whether it was counted, all the time, by a counter that counts guests.
 */
bool pmu_count(const struct pmu_snapshot *begin, const struct pmu_snapshot *end, int counter,
	       uint64_t *value)
{
	const struct pmu_value *from = &begin->of[counter], *to = &end->of[counter];

	if (!counts_guests(&begin->of[PMU_WITNESS], &end->of[PMU_WITNESS]) || !ran(from, to))
		return false;
	*value = to->count - from->count;
	return true;
}

/**
 * pmu_print() - what was counted between two snapshots, on standard output
 * @pmu: what is counted
 * @begin: the first
 * @end: the second
 */
void pmu_print(const struct pmu *pmu, const struct pmu_snapshot *begin,
	       const struct pmu_snapshot *end)
{
	uint64_t value;

	printf("counted by the CPU: %s\n", pmu->text);
	for (int i = 0; i < PMU_COUNTERS; i++)
		if (pmu_count(begin, end, i, &value))
			printf("%-32s %16s %16" PRIu64 "\n", names[i], "", value);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the runner's files share. Reading order: runner.c (options, the run loop), runner_load.c
 * (an ELF image and the boot protocol into guest RAM), runner_stats.c (what the hypervisor
 * counted), runner_times.c (how long it took), runner_pmu.c (what the CPU counted), runner_rows.c
 * (the guest's rows joined with those counts into CSV).
 */
#ifndef PENUMBRA_RUNNER_H
#define PENUMBRA_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "walk/pmu.h"

/* Exit statuses that are not the guest's own. */
enum {
	STATUS_MISMATCH = 1, /* guest and hypervisor counted differently */
	STATUS_TIMEOUT = 124,
	STATUS_ERROR = 125,   /* usage, device, image: nothing was run, or not to its end */
	STATUS_STOPPED = 126, /* the hypervisor stopped the VM */
};

#define MIB (UINT64_C(1) << 20)

/* RAM below this address and from 4 GiB on; between them devices would live. */
#define RAM_HOLE_START (3072 * MIB)
#define RAM_HOLE_END   (4096 * MIB)

/*
 * Guest RAM: one host mapping, seen by the guest as [0, low) and [4 GiB, 4 GiB + high).
 */
struct guest_ram {
	uint8_t *host;
	uint64_t low;
	uint64_t high;
	const char *backing; /* for the CSV column: which pages were asked for */
};

/* What the vCPU starts with. */
struct boot_state {
	uint64_t entry;
	uint64_t zero_page;
	uint64_t stack;
	uint64_t cr3;
	uint64_t gdt;
	uint16_t gdt_limit;
};

/* runner.c */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* runner_load.c */
void load_guest(const char *path, const char *cmdline, const struct guest_ram *ram,
		struct boot_state *boot);

/* runner_stats.c */
struct stat_desc {
	char *name;
	const char *unit;
	int source;	 /* index of its file descriptor */
	uint32_t offset; /* of its first value in that descriptor's data block */
	uint16_t size;	 /* number of values: more than one for histograms */
	bool instant;	 /* a level, not a count: a difference means nothing */
	int exponent, base;
};

struct stats_source {
	int fd;
	uint64_t data_offset;
	size_t values;
	size_t first; /* index of its first value in a snapshot */
};

struct stats {
	struct stats_source source[2];
	int sources;
	struct stat_desc *desc;
	size_t count;
	size_t values; /* size of a snapshot */
	char id[64];   /* what the hypervisor calls the VM */
};

void stats_open(struct stats *stats, int vm_fd, int vcpu_fd);
void stats_read(const struct stats *stats, uint64_t *snapshot);
bool stats_value(const struct stats *stats, const uint64_t *snapshot, const char *name,
		 uint64_t *value);
void stats_print(const struct stats *stats, const uint64_t *total, const uint64_t *begin,
		 const uint64_t *end);

/* runner_times.c */
#define TIMES_CSV_COLUMNS "cause,exits,ticks_min,ticks_mean,ticks_max"

void times_begin(const struct stats *stats);
char *times_end(const struct stats *stats);

/* runner_pmu.c */
enum { PMU_WITNESS = PMU_NR, PMU_COUNTERS };

struct pmu {
	int fd[PMU_COUNTERS]; /* -1: not counted */
	char text[240];	      /* what is counted, or why nothing is */
};

/* As perf gives it: read_format of perf_event_open(2). */
struct pmu_value {
	uint64_t count, enabled, running;
};

struct pmu_snapshot {
	struct pmu_value of[PMU_COUNTERS];
};

bool pmu_open(struct pmu *pmu);
void pmu_read(const struct pmu *pmu, struct pmu_snapshot *snapshot);
bool pmu_count(const struct pmu_snapshot *begin, const struct pmu_snapshot *end, int counter,
	       uint64_t *value);
void pmu_print(const struct pmu *pmu, const struct pmu_snapshot *begin,
	       const struct pmu_snapshot *end);

/* runner_rows.c */
struct csv_sink {
	int fd; /* -1: not wanted */
	bool is_stdout;
};

struct rows {
	const struct stats *stats; /* NULL: the hypervisor has none */
	uint64_t *begin, *end;	   /* snapshots of the last body region */
	const struct pmu *pmu;	   /* NULL: the CPU counts nothing */
	struct pmu_snapshot pmu_begin, pmu_end;
	bool in_body, body_known;
	bool kvm; /* the statistics are KVM's: other names */
	bool kvm_ept;

	struct csv_sink csv;
	struct csv_sink times_csv;
	char *times; /* of the last body's exits; NULL: not taken */
	const char *engine, *mode, *host, *clock;
	const char *gtt_mode; /* NULL: the VM has no such device */
	char backing[64];
	bool populated;	    /* all guest RAM was touched before the guest started */
	const char *note;   /* one more parameter, key:value; NULL: none */
	uint64_t guest_mib; /* 0: the guest ran on a machine of its own */
	const char *cmdline;
	unsigned int written;
	bool failed; /* some row is not ok */
};

void rows_open_csv(struct rows *rows, const char *path);
void rows_open_times(struct rows *rows, const char *path);
void rows_marker(struct rows *rows, uint32_t marker);
void rows_line(struct rows *rows, const char *line);
void rows_failure(struct rows *rows, const char *status);
void rows_timed(struct rows *rows, uint64_t ops, uint64_t elapsed, uint64_t control);
void rows_print_header(bool times);
void rows_print_columns(void);

#endif

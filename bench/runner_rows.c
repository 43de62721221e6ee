// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's rows, joined with what the hypervisor counted meanwhile, into CSV.
 *
 * The guest knows what it did (operations, ticks, its own flushes and faults); the hypervisor
 * knows what that took. The markers say which part of the run the row is about: a snapshot of
 * the statistics at each. Where both sides counted the same event they must agree, or the row is
 * a "mismatch" and the run fails: a count that nobody cross-checks is worth little.
 *
 * Every row is one write(), so that a run that is cut short leaves whole rows only.
 */
#include "runner.h"
#include "columns.h"
#include "../workloads/guest_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIELD_MAX 128
#define ROW_MAX	  4096

/* The statistic `traps`: which of the guest's events the running mode sees, each of them. */
enum { TRAPS_CR3 = 1, TRAPS_INVLPG = 2, TRAPS_PF = 4 };

struct row {
	char field[COL_NR][FIELD_MAX]; /* empty: not taken */
	uint64_t cr3_direct; /* of the guest's MOV to CR3: by the base-address buffer, no exit */
};

static void set_text(struct row *row, enum column_id col, const char *text)
{
	char *field = row->field[col];

	snprintf(field, FIELD_MAX, "%s", text);
	for (; *field; field++)
		if (*field == ',' || *field == '"' || *field == ' ')
			*field = '_';
}

static void set_value(struct row *row, enum column_id col, uint64_t value)
{
	snprintf(row->field[col], FIELD_MAX, "%" PRIu64, value);
}

static uint64_t get_value(const struct row *row, enum column_id col)
{
	return strtoull(row->field[col], NULL, 0);
}

static void append(char *out, size_t *used, const char *text)
{
	size_t n = strlen(text);

	if (*used + n >= ROW_MAX)
		n = ROW_MAX - 1 - *used;
	memcpy(out + *used, text, n);
	*used += n;
	out[*used] = '\0';
}

static size_t format_header(char *out)
{
	size_t used = 0;

	for (int col = 0; col < COL_NR; col++) {
		append(out, &used, col ? "," : "");
		append(out, &used, column_names[col]);
	}
	append(out, &used, "\n");
	return used;
}

/* Of exits.csv: these of a row's columns, and what the hypervisor says of each cause. */
static const enum column_id times_of[] = { COL_engine,	COL_mode,     COL_workload,  COL_params,
					   COL_backing, COL_gtt_mode, COL_guest_mib, COL_host,
					   COL_clock,	COL_ops };
#define TIMES_COLUMNS (sizeof(times_of) / sizeof(times_of[0]))

static void format_times_header(char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < TIMES_COLUMNS; i++) {
		append(out, &used, column_names[times_of[i]]);
		append(out, &used, ",");
	}
	append(out, &used, TIMES_CSV_COLUMNS "\n");
}

/**
 * rows_print_header() - the header of raw.csv or of exits.csv, on standard output
 * @times: of exits.csv
 */
void rows_print_header(bool times)
{
	char header[ROW_MAX];

	if (times)
		format_times_header(header);
	else
		format_header(header);
	fputs(header, stdout);
}

/**
 * rows_print_columns() - the columns with their meaning, as a Markdown table
 */
void rows_print_columns(void)
{
#define COLUMN_SENTENCE(name, kind, sentence) printf("| %s | %s |\n", #name, sentence);
	puts("| column | meaning |\n|---|---|");
	PENUMBRA_COLUMNS(COLUMN_SENTENCE)
#undef COLUMN_SENTENCE
}

static void write_whole(int fd, const char *text, size_t size)
{
	/* A short write to a file means that the disk is full: the next one says so. */
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "runner: cannot write a row: %s\n", strerror(errno));
			_exit(STATUS_ERROR);
		}
		text += n;
		size -= (size_t)n;
	}
}

static void open_csv(struct csv_sink *csv, const char *path, const char *header)
{
	size_t size = strlen(header);
	char found[ROW_MAX];
	struct stat st;
	ssize_t n;

	if (!strcmp(path, "-")) {
		csv->fd = STDOUT_FILENO;
		csv->is_stdout = true;
		return;
	}
	csv->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (csv->fd < 0 || fstat(csv->fd, &st) < 0) {
		int error = errno;

		csv->fd = -1;
		die("cannot write rows to %s: %s", path, strerror(error));
	}
	if (st.st_size == 0) {
		write_whole(csv->fd, header, size);
		return;
	}
	n = pread(csv->fd, found, size, 0);
	if (n != (ssize_t)size || memcmp(found, header, size)) {
		close(csv->fd);
		csv->fd = -1;
		die("%s exists and its columns are not this runner's: give another file", path);
	}
}

/**
 * rows_open_csv() - where rows go
 * @rows: what rows are made of
 * @path: a file to append to, or "-": standard output, each row after "@csv "
 */
void rows_open_csv(struct rows *rows, const char *path)
{
	char header[ROW_MAX];

	format_header(header);
	open_csv(&rows->csv, path, header);
}

/**
 * rows_open_times() - where the times of exits go
 * @rows: what rows are made of
 * @path: a file to append to, or "-": standard output, each row after "@exits "
 */
void rows_open_times(struct rows *rows, const char *path)
{
	char header[ROW_MAX];

	format_times_header(header);
	open_csv(&rows->times_csv, path, header);
}

/* A line for each cause. */
static void write_times(struct rows *rows, const struct row *row)
{
	char *save = NULL;

	for (char *cause = strtok_r(rows->times, "\n", &save); cause;
	     cause = strtok_r(NULL, "\n", &save)) {
		char out[ROW_MAX];
		size_t used = 0;

		if (rows->times_csv.is_stdout) {
			fflush(stdout);
			append(out, &used, "@exits ");
		}
		for (size_t i = 0; i < TIMES_COLUMNS; i++) {
			append(out, &used, row->field[times_of[i]]);
			append(out, &used, ",");
		}
		append(out, &used, cause);
		append(out, &used, "\n");
		write_whole(rows->times_csv.fd, out, used);
	}
}

static void write_row(struct rows *rows, const struct row *row)
{
	char out[ROW_MAX];
	size_t used = 0;

	rows->written++;
	if (rows->csv.fd < 0)
		return;
	if (rows->csv.is_stdout) {
		fflush(stdout);
		append(out, &used, "@csv ");
	}
	for (int col = 0; col < COL_NR; col++) {
		append(out, &used, col ? "," : "");
		append(out, &used, row->field[col]);
	}
	append(out, &used, "\n");
	write_whole(rows->csv.fd, out, used);
}

static void set_tags(const struct rows *rows, struct row *row)
{
	set_text(row, COL_engine, rows->engine);
	set_text(row, COL_mode, rows->mode);
	set_text(row, COL_host, rows->host);
	set_text(row, COL_clock, rows->clock);
	set_text(row, COL_backing, rows->backing);
	if (rows->gtt_mode)
		set_text(row, COL_gtt_mode, rows->gtt_mode);
	if (rows->guest_mib)
		set_value(row, COL_guest_mib, rows->guest_mib);
}

/**
 * rows_marker() - the guest has reached a marker
 * @rows: what rows are made of
 * @marker: which
 */
void rows_marker(struct rows *rows, uint32_t marker)
{
	switch (marker) {
	case GUEST_MARK_BODY_BEGIN:
		rows->in_body = true;
		rows->body_known = false;
		if (rows->stats)
			stats_read(rows->stats, rows->begin);
		if (rows->pmu)
			pmu_read(rows->pmu, &rows->pmu_begin);
		if (rows->times_csv.fd >= 0)
			times_begin(rows->stats);
		break;
	case GUEST_MARK_BODY_END:
		if (!rows->in_body)
			break;
		if (rows->times_csv.fd >= 0) {
			free(rows->times);
			rows->times = times_end(rows->stats);
		}
		if (rows->stats)
			stats_read(rows->stats, rows->end);
		if (rows->pmu)
			pmu_read(rows->pmu, &rows->pmu_end);
		rows->in_body = false;
		rows->body_known = rows->stats || rows->pmu;
		break;
	default:
		/* The control is timed by the guest alone. */
		break;
	}
}

static bool body_count(const struct rows *rows, const char *name, uint64_t *value)
{
	uint64_t begin, end;

	if (!stats_value(rows->stats, rows->begin, name, &begin) ||
	    !stats_value(rows->stats, rows->end, name, &end))
		return false;
	*value = end - begin;
	return true;
}

static void take_count(const struct rows *rows, struct row *row, enum column_id col,
		       const char *name)
{
	uint64_t value;

	if (body_count(rows, name, &value))
		set_value(row, col, value);
}

static void take_peak(const struct rows *rows, struct row *row, enum column_id col,
		      const char *name)
{
	uint64_t value;

	if (stats_value(rows->stats, rows->end, name, &value))
		set_value(row, col, value);
}

/*
 * Between the two snapshots lie the VM entry that follows the begin marker and the exit that is
 * the end marker. Both belong to the harness.
 */
static uint64_t without_marker(uint64_t count)
{
	return count ? count - 1 : 0;
}

static void take_penumbra(const struct rows *rows, struct row *row)
{
	static const char *const flushes[] = { "flush_host_invvpid_addr",
					       "flush_host_invvpid_context", "flush_host_invept" };
	uint64_t sum = 0, value;
	bool all = true;

	take_count(rows, row, COL_exits_pt_write, "exits_pt_write");
	take_count(rows, row, COL_exits_hidden_fault, "exits_hidden_fault");
	take_count(rows, row, COL_exits_true_fault, "exits_true_fault");
	take_count(rows, row, COL_exits_cr3, "exits_cr3");
	take_count(rows, row, COL_exits_invlpg, "exits_invlpg");
	take_count(rows, row, COL_exits_nested, "exits_nested");
	if (rows->gtt_mode) {
		take_count(rows, row, COL_exits_gtt_write, "exits_gtt_write");
		take_count(rows, row, COL_exits_gtt_doorbell, "exits_gtt_doorbell");
		take_count(rows, row, COL_gtt_entries_rebuilt, "gtt_entries_rebuilt");
		take_count(rows, row, COL_gtt_portions_compared, "gtt_portions_compared");
		take_count(rows, row, COL_gtt_portions_clean, "gtt_portions_clean");
		take_count(rows, row, COL_gtt_shadow_cycles, "gtt_shadow_cycles");
	}
	take_count(rows, row, COL_emulated_stores, "emulated_stores");
	take_count(rows, row, COL_sptes_written, "sptes_written");
	take_peak(rows, row, COL_shadow_pages_peak, "shadow_pages_peak");
	take_peak(rows, row, COL_shadow_bytes_peak, "shadow_bytes_peak");

	for (size_t i = 0; i < sizeof(flushes) / sizeof(flushes[0]); i++) {
		all = all && body_count(rows, flushes[i], &value);
		sum += all ? value : 0;
	}
	all = all && body_count(rows, "flush_host_transition", &value);
	if (all)
		set_value(row, COL_flush_host, sum + without_marker(value));
}

/*
 * KVM counts in other words; only what means the same is taken (arch/x86/kvm, Linux 6.1).
 *
 * pf_taken counts the #PF exits (ept=0) or the EPT violations (ept=1) that reached its MMU,
 * pf_guest those handed on to the guest, pf_emulate those that ended in an emulated store: a
 * write-protected table. What is left was KVM's own affair: hidden. MOV to CR3, shadow memory
 * and INVVPID it does not count.
 */
static void take_kvm(const struct rows *rows, struct row *row)
{
	uint64_t taken, guest, emulated;

	take_count(rows, row, COL_exits_invlpg, "invlpg");
	if (!body_count(rows, "pf_taken", &taken) || !body_count(rows, "pf_guest", &guest) ||
	    !body_count(rows, "pf_emulate", &emulated))
		return;
	if (rows->kvm_ept) {
		set_value(row, COL_exits_nested, taken);
		return;
	}
	set_value(row, COL_exits_nested, 0);
	set_value(row, COL_exits_true_fault, guest);
	set_value(row, COL_exits_pt_write, emulated);
	if (taken >= guest + emulated)
		set_value(row, COL_exits_hidden_fault, taken - guest - emulated);
}

/*
 * KVM has no slices, and of what the host causes it counts interrupts alone: an NMI in the guest, of
 * which there is none on the emulated host, would count as the guest's.
 */
static const char *host_statistic(const struct rows *rows)
{
	return rows->kvm ? "irq_exits" : "exits_host";
}

static void take_statistics(const struct rows *rows, struct row *row)
{
	static const enum column_id causes[] = { COL_exits_pt_write,   COL_exits_hidden_fault,
						 COL_exits_true_fault, COL_exits_cr3,
						 COL_exits_invlpg,     COL_exits_nested,
						 COL_exits_gtt_write,  COL_exits_gtt_doorbell };
	uint64_t exits, host, named = 0;

	if (rows->kvm)
		take_kvm(rows, row);
	else
		take_penumbra(rows, row);
	if (!body_count(rows, "exits", &exits) || !body_count(rows, host_statistic(rows), &host))
		return;
	/* Penumbra's count is of the guest's alone, KVM's of all. */
	if (rows->kvm)
		exits -= host;
	exits = without_marker(exits);
	set_value(row, COL_exits_host, host);
	set_value(row, COL_exits, exits);
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		named += get_value(row, causes[i]);
	if (exits >= named)
		set_value(row, COL_exits_other, exits - named);
}

/* What the CPU counted while the guest ran: a column for each event. */
static void take_pmu(const struct rows *rows, struct row *row)
{
#define PMU_COLUMN(name) [PMU_##name] = COL_##name,
	static const enum column_id column[PMU_COUNTERS] = {
		PMU_COUNTS(PMU_COLUMN)[PMU_WITNESS] = COL_guest_instructions,
	};
#undef PMU_COLUMN
	uint64_t value;

	for (int i = 0; i < PMU_COUNTERS; i++)
		if (pmu_count(&rows->pmu_begin, &rows->pmu_end, i, &value))
			set_value(row, column[i], value);
}

/*
 * Does the guest's count of an event, less those that cannot exit, equal the hypervisor's
 * statistic of that name?
 */
static bool agree(const struct rows *rows, const struct row *row, enum column_id guest,
		  const char *what, const char *name, uint64_t unseen)
{
	uint64_t count;

	if (!row->field[guest][0] || !body_count(rows, name, &count) ||
	    get_value(row, guest) == count + unseen)
		return true;
	fprintf(stderr,
		"runner: %s %s rep %s: the guest counts %s %s, the hypervisor %" PRIu64 "\n",
		row->field[COL_workload], row->field[COL_params], row->field[COL_rep],
		row->field[guest], what, count);
	return false;
}

/* Both sides counted: do they agree? Only for events that the mode traps, each of them. */
static bool counts_agree(const struct rows *rows, const struct row *row)
{
	uint64_t before, after, traps, switches_before = 0, switches = 0;
	bool ok = true;

	if (!stats_value(rows->stats, rows->begin, "traps", &before) ||
	    !stats_value(rows->stats, rows->end, "traps", &after))
		return true;
	/* A region that ran in several modes: each trap was on for a part of it. */
	stats_value(rows->stats, rows->begin, "mode_switches", &switches_before);
	stats_value(rows->stats, rows->end, "mode_switches", &switches);
	if (switches != switches_before)
		return true;
	traps = before & after;
	if (traps & TRAPS_CR3)
		ok &= agree(rows, row, COL_flush_guest_cr3, "MOV to CR3", "flush_guest_cr3",
			    row->cr3_direct);
	if (traps & TRAPS_INVLPG) {
		ok &= agree(rows, row, COL_flush_guest_invlpg, "INVLPG", "flush_guest_invlpg", 0);
		ok &= agree(rows, row, COL_flush_guest_invpcid, "INVPCID", "flush_guest_invpcid",
			    0);
	}
	if (traps & TRAPS_PF)
		ok &= agree(rows, row, COL_guest_faults, "#PF", "exits_true_fault", 0);
	return ok;
}

/* Fields of the guest's line and where they go. */
static const struct {
	const char *key;
	enum column_id col;
	bool required;
} guest_fields[] = {
	{ "workload", COL_workload, true },
	{ "params", COL_params, true },
	{ "rep", COL_rep, true },
	{ "status", COL_status, true },
	{ "ops", COL_ops, true },
	{ "elapsed", COL_elapsed, true },
	{ "control", COL_control, false },
	{ "checksum", COL_checksum, true },
	{ "g_invlpg", COL_flush_guest_invlpg, false },
	{ "g_cr3", COL_flush_guest_cr3, false },
	{ "g_invpcid", COL_flush_guest_invpcid, false },
	{ "g_pf", COL_guest_faults, false },
};

#define NR_GUEST_FIELDS (sizeof(guest_fields) / sizeof(guest_fields[0]))

static void add_param(char *params, size_t size, const char *param)
{
	size_t used = strcmp(params, "-") ? strlen(params) : 0;

	snprintf(params + used, size - used, "%s%s", used ? ";" : "", param);
}

/* What the guest cannot know of its own run, as more parameters: they must tell rows apart. */
static void add_run_params(const struct rows *rows, char *params, size_t size)
{
	if (rows->populated)
		add_param(params, size, "populate:1");
	if (rows->note)
		add_param(params, size, rows->note);
}

static bool parse_guest_line(const char *line, struct row *row)
{
	char copy[ROW_MAX], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", line + strlen(GUEST_ROW_PREFIX));
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(word, "g_cr3_direct"))
			row->cr3_direct = strtoull(value, NULL, 0);
		for (size_t i = 0; i < NR_GUEST_FIELDS; i++)
			if (!strcmp(word, guest_fields[i].key))
				set_text(row, guest_fields[i].col, value);
	}
	for (size_t i = 0; i < NR_GUEST_FIELDS; i++)
		if (guest_fields[i].required && !row->field[guest_fields[i].col][0]) {
			fprintf(stderr, "runner: the guest's row has no %s: %s\n",
				guest_fields[i].key, line);
			return false;
		}
	return true;
}

/**
 * rows_line() - the guest has written a line to its row port
 * @rows: what rows are made of
 * @line: without the newline
 *
 * A line that is not a row is none of our business.
 */
void rows_line(struct rows *rows, const char *line)
{
	struct row row = { 0 };

	if (strncmp(line, GUEST_ROW_PREFIX, strlen(GUEST_ROW_PREFIX)))
		return;
	set_tags(rows, &row);
	if (!parse_guest_line(line, &row))
		set_text(&row, COL_status, "failed");
	add_run_params(rows, row.field[COL_params], FIELD_MAX);
	if (rows->body_known && rows->pmu)
		take_pmu(rows, &row);
	if (rows->body_known && rows->stats) {
		take_statistics(rows, &row);
		if (!counts_agree(rows, &row) && !strcmp(row.field[COL_status], "ok"))
			set_text(&row, COL_status, "mismatch");
	}
	if (rows->body_known && rows->times)
		write_times(rows, &row);
	/* A body belongs to one row: a row without markers must not inherit the last one's. */
	rows->body_known = false;
	if (strcmp(row.field[COL_status], "ok"))
		rows->failed = true;
	write_row(rows, &row);
}

/* A row with workload and parameters as the command line has them, for what no guest reported. */
static void from_cmdline(const struct rows *rows, struct row *row)
{
	char copy[ROW_MAX], params[FIELD_MAX] = "", *save = NULL;
	uint64_t first = 1;
	bool traced = false;

	set_tags(rows, row);
	snprintf(copy, sizeof(copy), "%s", rows->cmdline);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');
		size_t used = strlen(params);

		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(word, "workload"))
			set_text(row, COL_workload, value);
		else if (!strcmp(word, "rep"))
			first = strtoull(value, NULL, 0);
		else if (!strcmp(word, "trace") && strcmp(value, "0"))
			traced = true;
		else if (strcmp(word, "reps") && strcmp(word, "trace"))
			snprintf(params + used, sizeof(params) - used, "%s%s:%s", used ? ";" : "",
				 word, value);
	}
	add_run_params(rows, params, sizeof(params));
	set_text(row, COL_params, params[0] ? params : "-");
	set_value(row, COL_rep, first + rows->written);
	if (traced)
		set_text(row, COL_rep, GUEST_REP_TRACED);
}

/**
 * rows_failure() - the run ended without a row for what it was asked for
 * @rows: what rows are made of
 * @status: why, in one word
 *
 * The gap must show in the CSV.
 */
void rows_failure(struct rows *rows, const char *status)
{
	struct row row = { 0 };

	rows->failed = true;
	from_cmdline(rows, &row);
	set_text(&row, COL_status, status);
	write_row(rows, &row);
}

/**
 * rows_timed() - the runner has timed something by itself
 * @rows: what rows are made of
 * @ops: how often it was done
 * @elapsed: clock units of all of them
 * @control: clock units of as many rounds without it
 */
void rows_timed(struct rows *rows, uint64_t ops, uint64_t elapsed, uint64_t control)
{
	struct row row = { 0 };

	from_cmdline(rows, &row);
	set_text(&row, COL_status, "ok");
	set_value(&row, COL_ops, ops);
	set_value(&row, COL_elapsed, elapsed);
	set_value(&row, COL_control, control);
	write_row(rows, &row);
}

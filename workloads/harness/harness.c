// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_main() of the suite: finds the workload that the command line names, reads its parameters,
 * and measures it. See harness.h for the order of calls.
 */
#include "harness.h"

extern const struct workload *const workloads_start[], *const workloads_end[]; /* link.ld */

struct sample {
	u64 elapsed, control, checksum;
	struct counts counts;
	bool ok;
};

static void print_choice(char *buf, size_t size, const char *choices, u64 index)
{
	size_t n = 0;

	for (; index; choices++) {
		if (*choices == '|')
			index--;
	}
	for (; choices[n] && choices[n] != '|' && n + 1 < size; n++)
		buf[n] = choices[n];
	buf[n] = '\0';
}

static void print_value(char *buf, size_t size, const struct param *p, u64 value)
{
	if (p->choices)
		print_choice(buf, size, p->choices, value);
	else
		snprintf(buf, size, "%lu", value);
}

static int list(void)
{
	char value[32];

	for (const struct workload *const *at = workloads_start; at < workloads_end; at++) {
		const struct workload *w = *at;

		printf("%-12s %s\n", w->name, w->summary);
		if (!w->run)
			printf("    ops=%lu  operations in a repetition, up to %lu\n", w->ops,
			       w->ops_max);
		for (const struct param *p = w->params; p && p->name; p++) {
			print_value(value, sizeof(value), p, p->def);
			if (p->choices)
				printf("    %s=%s  %s (%s)\n", p->name, value, p->help, p->choices);
			else
				printf("    %s=%s  %s (%lu to %lu)\n", p->name, value, p->help,
				       p->min, p->max);
		}
	}
	printf("keys of the harness, for every workload:\n"
	       "  reps=1              repetitions, one row each\n"
	       "  rep=1               number of the first one\n"
	       "  warmup=1            unmeasured runs of the body before the first repetition\n"
	       "  trace=0             1: an emulator's magic breaks around the body; rep is then "
	       "traced (0 to 1)\n");
	print_kernel_keys();
	return GUEST_STATUS_OK;
}

static const struct workload *find(const char *name)
{
	for (const struct workload *const *at = workloads_start; at < workloads_end; at++) {
		if (!strcmp((*at)->name, name))
			return *at;
	}
	die(GUEST_STATUS_USAGE, "workload=%s is unknown; workload=list shows what is there", name);
}

static void read_params(const struct workload *w)
{
	for (const struct param *p = w->params; p && p->name; p++) {
		if (p->choices)
			*p->value = cmdline_choice(p->name, p->def, p->choices);
		else
			*p->value = cmdline_number(p->name, p->def, p->min, p->max);
	}
}

/* All of the workload's own parameters, then those of the kernel that are not at their default. */
static void format_params(const struct workload *w, char *buf, size_t size)
{
	static const char *const kernel_keys[] = { "directmap", "pcid",	 "invpcid", "global",
						   "nx",	"smep",	 "smap",    "ad",
						   "roots",	"warmup" };
	char value[32];
	size_t n = 0;

	buf[0] = '\0';
	for (const struct param *p = w->params; p && p->name; p++) {
		print_value(value, sizeof(value), p, *p->value);
		n += snprintf(buf + n, size - n, "%s%s:%s", n ? ";" : "", p->name, value);
	}
	for (u32 i = 0; i < ARRAY_SIZE(kernel_keys); i++) {
		const char *given = cmdline_get(kernel_keys[i]);

		if (given)
			n += snprintf(buf + n, size - n, "%s%s:%s", n ? ";" : "", kernel_keys[i],
				      given);
	}
	if (!n)
		snprintf(buf, size, "-");
}

static void call(void (*fn)(void))
{
	if (fn)
		fn();
}

/*
 * trace=1: Bochs starts and stops its memory trace at XCHG BX,BX, which does nothing elsewhere.
 * A change of CR4.PGE empties the TLBs (SDM 3A, 4.10.4.1), so that no translation is in use that
 * the trace has not shown.
 */
static u64 trace;

static always_inline void trace_begin(void)
{
	if (trace) {
		write_cr4(read_cr4() ^ CR4_PGE);
		write_cr4(read_cr4() ^ CR4_PGE);
		asm volatile("xchg %%bx, %%bx" : : : "memory");
	}
}

static always_inline void trace_end(void)
{
	if (trace)
		asm volatile("xchg %%bx, %%bx" : : : "memory");
}

/* RDTSC and counts are read inside the markers, whose exits are then not in the figures. */
static void measure(const struct workload *w, u64 ops, struct sample *s)
{
	struct counts before;
	u64 start;

	call(w->prepare);
	outl(GUEST_PORT_MARK, GUEST_MARK_BODY_BEGIN);
	trace_begin();
	before = counts;
	start = rdtsc();
	w->body(ops);
	s->elapsed = rdtsc() - start;
	s->counts.invlpg = counts.invlpg - before.invlpg;
	s->counts.cr3 = counts.cr3 - before.cr3;
	s->counts.cr3_direct = counts.cr3_direct - before.cr3_direct;
	s->counts.invpcid = counts.invpcid - before.invpcid;
	s->counts.pf = counts.pf - before.pf;
	s->counts.pte = counts.pte - before.pte;
	trace_end();
	outl(GUEST_PORT_MARK, GUEST_MARK_BODY_END);
	s->checksum = 0;
	s->ok = w->check(ops, &s->checksum);

	s->control = 0;
	if (!w->control)
		return;
	call(w->prepare_control);
	outl(GUEST_PORT_MARK, GUEST_MARK_CONTROL_BEGIN);
	start = rdtsc();
	w->control(ops);
	s->control = rdtsc() - start;
	outl(GUEST_PORT_MARK, GUEST_MARK_CONTROL_END);
}

static void print_row(const struct workload *w, const char *params, u64 rep, u64 ops,
		      const struct sample *s)
{
	char control[24] = "", number[24] = GUEST_REP_TRACED;

	if (w->control)
		snprintf(control, sizeof(control), "%lu", s->control);
	if (!trace)
		snprintf(number, sizeof(number), "%lu", rep);
	row(GUEST_ROW_PREFIX
	    "workload=%s params=%s rep=%s status=%s ops=%lu elapsed=%lu control=%s "
	    "checksum=0x%lx g_invlpg=%lu g_cr3=%lu g_invpcid=%lu g_pf=%lu g_pte=%lu "
	    "g_cr3_direct=%lu\n",
	    w->name, params, number, s->ok ? "ok" : "failed", ops, s->elapsed, control, s->checksum,
	    s->counts.invlpg, s->counts.cr3, s->counts.invpcid, s->counts.pf, s->counts.pte,
	    s->counts.cr3_direct);
}

static u64 read_ops(const struct workload *w)
{
	return cmdline_number("ops", w->default_ops ? w->default_ops() : w->ops, 1, w->ops_max);
}

/* All repetitions with one set of parameters. */
static int repeat(const struct workload *w, u64 rep, u64 reps, u64 warmup)
{
	u64 ops = read_ops(w), first = 0;
	int status = GUEST_STATUS_OK;
	char params[512];

	format_params(w, params, sizeof(params));
	for (u64 i = 0; i < warmup; i++) {
		call(w->prepare);
		w->body(ops);
	}
	for (u64 i = 0; i < reps; i++) {
		struct sample s;

		measure(w, ops, &s);
		if (!i)
			first = s.checksum;
		if (s.checksum != first) {
			printf("guest: repetition %lu has checksum 0x%lx, the first had 0x%lx\n",
			       rep + i, s.checksum, first);
			s.ok = false;
		}
		if (!s.ok)
			status = GUEST_STATUS_FAILED;
		print_row(w, params, rep + i, ops, &s);
	}
	return status;
}

int guest_main(void)
{
	const char *name = cmdline_get("workload");
	const struct workload *w;
	u64 reps = cmdline_number("reps", 1, 1, 100000);
	u64 rep = cmdline_number("rep", 1, 1, 100000);
	u64 warmup = cmdline_number("warmup", 1, 0, 1000);
	int status = GUEST_STATUS_OK;

	trace = cmdline_number("trace", 0, 0, 1);
	if (!name)
		die(GUEST_STATUS_USAGE,
		    "say workload=NAME on the command line; workload=list shows what is there");
	if (!strcmp(name, "list"))
		return list();
	w = find(name);
	read_params(w);
	if (!w->run)
		read_ops(w);
	cmdline_check();
	if (w->run)
		return w->run();

	call(w->setup);
	do {
		if (repeat(w, rep, reps, warmup) != GUEST_STATUS_OK)
			status = GUEST_STATUS_FAILED;
	} while (w->next && w->next());
	return status;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A run of the model: random numbers, settings, the loop, the last operations for a failure.
 */
#include <stdarg.h>
#include "run.h"
#include "mmu/modes.h"
#include "mmu/shadow/shadow.h"

struct settings set;
u64 step;

/* ---- chance ---- */

static u64 state;
static const u8 *bytes;
static size_t nr_bytes;
static bool from_bytes;

void chance_seed(u64 seed)
{
	state = (seed + 1) * 0xd1342543de82ef95ULL; /* not a step of the generator: no overlap */
	state ^= state >> 29;
	from_bytes = false;
}

void chance_bytes(const u8 *data, size_t size)
{
	size_t i;

	state = size;
	for (i = 0; i < size && i < 8; i++)
		state = state * 257 + data[i];
	bytes = data;
	nr_bytes = size;
	from_bytes = true;
}

bool chance_over(void)
{
	return from_bytes && !nr_bytes;
}

/* splitmix64 */
u64 chance64(void)
{
	u64 z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

u32 chance(u32 n)
{
	return (chance64() >> 32) * n >> 32;
}

u32 choose(u32 n)
{
	u32 v = 0;

	if (!from_bytes)
		return chance(n);
	if (!nr_bytes)
		return chance(n);
	v = *bytes++;
	nr_bytes--;
	if (n > 256 && nr_bytes) {
		v = v << 8 | *bytes++;
		nr_bytes--;
	}
	return v % n;
}

/* ---- the last operations ---- */

#define TRACES 48

static char traces[TRACES][160];
static u64 trace_steps[TRACES];
static unsigned int nr_traces;

void trace(const char *fmt, ...)
{
	unsigned int i = nr_traces++ % TRACES;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(traces[i], sizeof(traces[i]), fmt, ap);
	va_end(ap);
	trace_steps[i] = step;
	if (set.verbose)
		fprintf(stderr, "%llu: %s\n", (unsigned long long)step, traces[i]);
}

void fail(const char *fmt, ...)
{
	unsigned int i;
	va_list ap;

	fprintf(stderr, "# the last operations:\n");
	for (i = nr_traces > TRACES ? nr_traces - TRACES : 0; i < nr_traces; i++)
		fprintf(stderr, "#   %llu: %s\n", (unsigned long long)trace_steps[i % TRACES],
			traces[i % TRACES]);
	fprintf(stderr, "# cpu %u: cr0.wp %d cr3 %llx pge %d pcide %d smep %d smap %d nxe %d\n",
		me->id, !!(me->pv.cr0 & BIT_ULL(16)), (unsigned long long)me->arch_cr3,
		!!(me->pv.cr4 & BIT_ULL(7)), !!(me->pv.cr4 & BIT_ULL(17)),
		!!(me->pv.cr4 & BIT_ULL(20)), !!(me->pv.cr4 & BIT_ULL(21)),
		!!(me->pv.efer & BIT_ULL(11)));
	fprintf(stderr, "%s, seed %llu, step %llu: ", set.ops->name, (unsigned long long)set.seed,
		(unsigned long long)step);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (from_bytes)
		abort();
	exit(1);
}

/* ---- settings ---- */

void run_defaults(void)
{
	set = (struct settings){
		.cfg = {
			.maxphyaddr = 40, /* as set.phys */
			.nested_max_level = 3,
			.shadow_max_level = 3,
			.guest_1g = true,
			.nested_ad = true,
			.tagged_tlb = true,
			.single_step = true,
			.root_targets = ROOT_TARGETS,
			.shadow_budget = 64,
			.hybrid_threshold = 3,
			.hybrid_quiet = 2,
		},
		.phys = 40,
		.vcpus = 1,
		.host_events = true,
		.audit_every = 500,
		.seed = 1,
		.steps = 100000,
	};
}

bool run_config(const char *text)
{
	char word[32];
	unsigned long n;
	int used;

	while (*text) {
		if (sscanf(text, "%31[a-z0-9_]=%lu%n", word, &n, &used) != 2)
			return false;
		text += used;
		if (*text == ',')
			text++;
		if (!strcmp(word, "vpid"))
			set.cfg.tagged_tlb = n;
		else if (!strcmp(word, "mtf"))
			set.cfg.single_step = n;
		else if (!strcmp(word, "budget") && n >= SHADOW_BUDGET_MIN && n <= 4096)
			set.cfg.shadow_budget = n;
		else if (!strcmp(word, "shadow") && n >= 1 && n <= 3)
			set.cfg.shadow_max_level = n;
		else if (!strcmp(word, "ept") && n >= 1 && n <= 3)
			set.cfg.nested_max_level = n;
		else if (!strcmp(word, "ept_ad"))
			set.cfg.nested_ad = n;
		else if (!strcmp(word, "npt"))
			set.npt = n;
		else if (!strcmp(word, "prefault"))
			set.cfg.prefault = n;
		else if (!strcmp(word, "guest_1g"))
			set.cfg.guest_1g = n;
		else if (!strcmp(word, "phys") && n >= 36 && n <= 52) {
			set.phys = n;
			set.cfg.maxphyaddr = paging_address_bits(n);
		} else if (!strcmp(word, "threshold"))
			set.cfg.hybrid_threshold = n;
		else if (!strcmp(word, "quiet"))
			set.cfg.hybrid_quiet = n;
		else if (!strcmp(word, "direct"))
			set.cfg.direct_faults = n;
		else if (!strcmp(word, "big"))
			set.big = n;
		else if (!strcmp(word, "calm"))
			set.calm = n;
		else if (!strcmp(word, "switch"))
			set.switches = n;
		else if (!strcmp(word, "share"))
			set.shares = n;
		else if (!strcmp(word, "split"))
			set.cfg.split_exec = n;
		else if (!strcmp(word, "vcpus") && n >= 1 && n <= VCPUS_MAX)
			set.vcpus = n;
		else if (!strcmp(word, "device"))
			set.device = n;
		else if (!strcmp(word, "host"))
			set.host_events = n;
		else if (!strcmp(word, "audit") && n)
			set.audit_every = n;
		else
			return false;
	}
	return true;
}

/* ---- the run ---- */

/* paging_modes names what Intel's CPUs can do. AMD's have the other nested tables. */
const struct paging_ops *run_mode(const struct paging_ops *ops)
{
	return set.npt && ops == &paging_ept ? &paging_npt : ops;
}

void run_all(void)
{
	set.ops = run_mode(set.ops);
	host_start();
	hist_forget();
	ops_start();
	machine_start();
	for (step = 0; step < set.steps && !chance_over(); step++) {
		if (set.vcpus > 1)
			run_as(&vcpus[chance(set.vcpus)]);
		ops_step();
		if (step % set.audit_every == set.audit_every - 1 && !stopped)
			machine_audit();
	}
	machine_stop();
	host_stop();
}

void run_report(void)
{
#define TALLY_PRINT(name) printf(", %llu " #name, (unsigned long long)tally.name);
	TALLIES(TALLY_PRINT)
	putchar('\n');
}

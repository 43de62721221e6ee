/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer for the ABI of /dev/penumbra: what its files share.
 *
 * main.c	processes, threads, what is checked after each process, the result
 * calls.c	the grammar: each call with the shape of its argument, and what may come back
 * guest.c	register states and small programs for guests
 */
#ifndef ABIFUZZ_H
#define ABIFUZZ_H

#include <linux/kvm.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define PAGE	    4096ul
#define MACHINES    3 /* VMs that a process has at a time */
#define MAX_WORKERS 8
#define RAM_SIZE    (4ul << 20) /* guest memory of a machine; two pages of 2 MiB */
#define ODD_PAGES   64		/* memory of other kinds: shared, read-only, absent */
#define STAGE_SIZE  (16ul << 10)
#define DEVICE_GPA  0xd0000000ul /* where a guest's tables say that a device is */
#define GTT_GPA	    0xe0000000ul /* and the GTT device, if it has one */

/* What the threads of a process share and pull out of each other's hands. */
struct machine {
	volatile int vm, vcpu,
		stats;	     /* descriptors; they may be closed, or name something else by now */
	uint8_t *ram;	     /* RAM_SIZE bytes at this address, or nothing, or something else */
	uint8_t *odd;	     /* ODD_PAGES pages of other kinds of memory */
	struct kvm_run *run; /* two pages, the same way */
	volatile bool spent; /* its vCPU will not run again */
};

struct worker {
	unsigned int number;
	uint64_t rng;
	struct machine *m;     /* the machine of the current call */
	uint8_t *args;	       /* ARGS_PAGES pages for arguments */
	uint8_t *volatile arg; /* the argument of the current call, for others to change */
	uint8_t stage[STAGE_SIZE];
	sigjmp_buf recover; /* where a fault in touch() goes */
	volatile sig_atomic_t touching;
	volatile pid_t tid;
	timer_t timer;
};

#define MAX_SHAPES 40
#define RUN_ERRNOS 40
#define RUN_ENDS   (RUN_ERRNOS + 40)

/* In memory that the parent sees. */
struct report {
	volatile uint64_t calls;
	volatile uint64_t shape_calls[MAX_SHAPES], shape_good[MAX_SHAPES];
	volatile uint64_t run_ends[RUN_ENDS]; /* errnos, then exit reasons */
	volatile uint32_t findings;
	volatile uint32_t done;
	char first[200]; /* finding, in words */
};

struct world {
	struct machine machine[MACHINES];
	struct worker worker[MAX_WORKERS];
	unsigned int workers;
	volatile int dev;
	uint64_t budget; /* calls, of all workers */
	bool say;	 /* each call before it is made */
	bool root;	 /* may write the module's parameters */
	struct report *report;
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[128];
	} cpuid; /* the supported one */
};
extern struct world world;
extern const char *device_path;

/* main.c */
void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));
void speak(const struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void limit_run(struct worker *w);
void unlimit_run(struct worker *w);
bool touch(struct worker *w, void *to, const void *from, size_t size);

/* A generator of our own (xorshift64*): the same calls for the same seed everywhere. */
static inline uint64_t rnd(struct worker *w)
{
	w->rng ^= w->rng >> 12;
	w->rng ^= w->rng << 25;
	w->rng ^= w->rng >> 27;
	return w->rng * 0x2545f4914f6cdd1dull;
}

static inline uint32_t below(struct worker *w, uint32_t n)
{
	return (rnd(w) >> 32) * n >> 32;
}

static inline bool chance(struct worker *w, uint32_t percent)
{
	return below(w, 100) < percent;
}

/* calls.c */
uint64_t odd_value(struct worker *w);
void one_call(struct worker *w);
void make_machine(struct worker *w, struct machine *m);
bool show_shapes(bool strict);
void map_memory(struct machine *m, bool huge);

/* guest.c */
void guest_sregs(struct worker *w, struct kvm_sregs *s);
void guest_regs(struct worker *w, struct kvm_regs *r);
void guest_memory(struct worker *w);
void guest_program(struct worker *w);

#endif

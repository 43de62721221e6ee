// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory work of a build, the mixed load that hypervisors are judged by: a driver forks, the child executes a
 * "compiler" in a fresh address space, which faults in its text and data from the page cache, grows
 * a heap, maps and unmaps scratch memory, and exits with its result. An operation is one job.
 */
#include "harness/harness.h"

#define TEXT_PAGES    24
#define DATA_PAGES    8
#define HEAP_PAGES    48
#define SCRATCH_PAGES 16
#define SCRATCH_TIMES 2
#define PROG_TEXT     USER_HEAP
#define PROG_DATA     (USER_HEAP + 0x1000000)
#define PROG_HEAP     (USER_HEAP + 0x2000000)
#define DRIVER_PAGES  32 /* the driver's own memory, which every fork shares */

static u8 *file;	    /* the program in the page cache: text, then data */
static struct proc *driver; /* forks jobs */
static struct proc *solo;   /* the control: does their work itself */
static u64 sum;

static always_inline u64 word(u64 base, u64 page, u64 i)
{
	return ((volatile u64 *)(base + page * PAGE_SIZE))[i];
}

static always_inline void set_word(u64 base, u64 page, u64 i, u64 value)
{
	((volatile u64 *)(base + page * PAGE_SIZE))[i] = value;
}

/* One job's work. @scratch: memory to use instead of mmap, or 0. */
static user_code u64 work(u64 job, u64 scratch)
{
	u64 total = job + 1;

	/* Read the text, write the data. */
	for (u64 page = 0; page < TEXT_PAGES; page++)
		total = mix64(total, word(PROG_TEXT, page, job % 512));
	for (u64 page = 0; page < DATA_PAGES; page++) {
		total = mix64(total, word(PROG_DATA, page, 3));
		set_word(PROG_DATA, page, 4, total);
	}
	/* A heap that is written once and then read in another order. */
	for (u64 page = 0; page < HEAP_PAGES; page++) {
		for (u64 i = 0; i < 512; i += 16) {
			total = mix64(total, page + i);
			set_word(PROG_HEAP, page, i, total);
		}
	}
	for (u64 page = 0; page < HEAP_PAGES; page++)
		total = mix64(total, word(PROG_HEAP, page * 13 % HEAP_PAGES, 32));
	/* Buffers that come and go. */
	for (u64 turn = 0; turn < SCRATCH_TIMES; turn++) {
		u64 at = scratch ? scratch : syscall(SYS_MMAP, SCRATCH_PAGES * PAGE_SIZE, 0, 0);

		for (u64 page = 0; page < SCRATCH_PAGES; page++)
			set_word(at, page, turn, total + page);
		for (u64 page = 0; page < SCRATCH_PAGES; page++)
			total = mix64(total, word(at, page, turn));
		if (!scratch)
			syscall(SYS_MUNMAP, at, SCRATCH_PAGES * PAGE_SIZE, 0);
	}
	return total;
}

static user_code void compiler(u64 job)
{
	sys_exit(work(job, 0));
}

static user_code void drive(u64 own, u64 jobs, u64 program)
{
	u64 total = 0;

	for (u64 job = 0; job < jobs; job++) {
		if (!syscall(SYS_FORK, 0, 0, 0)) {
			set_word(own, 0, 0, job); /* as a shell does between fork and exec */
			syscall(SYS_EXEC, program, job, 0);
		}
		total = mix64(total, syscall(SYS_WAIT, 0, 0, 0));
		set_word(own, 1 + job % (DRIVER_PAGES - 1), 0, total);
	}
	sys_exit(total);
}

static user_code void alone(u64 scratch, u64 jobs)
{
	u64 total = 0;

	for (u64 job = 0; job < jobs; job++)
		total = mix64(total, work(job, scratch));
	sys_exit(total);
}

static void map_program(struct mm *mm)
{
	mm_add_file(mm, PROG_TEXT, file, TEXT_PAGES * PAGE_SIZE, 0);
	mm_add_file(mm, PROG_DATA, file + TEXT_PAGES * PAGE_SIZE, DATA_PAGES * PAGE_SIZE,
		    PTE_W | PTE_NX);
	mm_add_region(mm, PROG_HEAP, HEAP_PAGES * PAGE_SIZE, PTE_W | PTE_NX, false);
}

static void setup(void)
{
	struct mm *mm;
	u64 *words;

	need_memory(4 * MIB);
	file = frame_alloc_contig((TEXT_PAGES + DATA_PAGES) * PAGE_SIZE);
	words = (u64 *)file;
	for (u64 i = 0; i < (TEXT_PAGES + DATA_PAGES) * PAGE_SIZE / 8; i++)
		words[i] = mix64(0x66696c65, i);
	exec_hook = map_program;

	mm = mm_new();
	mm_add_region(mm, USER_HEAP, DRIVER_PAGES * PAGE_SIZE, PTE_W | PTE_NX, false);
	mm_map_now(mm, USER_HEAP, DRIVER_PAGES * PAGE_SIZE);
	driver = proc_new(mm, user_entry(drive), 0, 0, 0);

	mm = mm_new();
	map_program(mm);
	mm_add_region(mm, mm->brk, SCRATCH_PAGES * PAGE_SIZE, PTE_W | PTE_NX, false);
	mm_map_now(mm, PROG_TEXT, TEXT_PAGES * PAGE_SIZE);
	mm_map_now(mm, PROG_DATA, DATA_PAGES * PAGE_SIZE);
	mm_map_now(mm, PROG_HEAP, HEAP_PAGES * PAGE_SIZE);
	mm_map_now(mm, mm->brk - SCRATCH_PAGES * PAGE_SIZE, SCRATCH_PAGES * PAGE_SIZE);
	solo = proc_new(mm, user_entry(alone), 0, 0, 0);
}

static void run_alone(u64 ops)
{
	proc_restart(solo, user_entry(alone), solo->mm->brk - SCRATCH_PAGES * PAGE_SIZE, ops, 0);
	sum = proc_run(solo);
}

static void body(u64 ops)
{
	proc_restart(driver, user_entry(drive), USER_HEAP, ops, user_entry(compiler));
	sum = proc_run(driver);
}

/* Every repetition starts in the driver's address space with all of its pages its own. */
static void prepare(void)
{
	proc_restart(driver, user_entry(drive), USER_HEAP, 0, 0);
	proc_run(driver);
	mm_unmap(driver->mm, USER_HEAP, DRIVER_PAGES * PAGE_SIZE, false);
	mm_map_now(driver->mm, USER_HEAP, DRIVER_PAGES * PAGE_SIZE);
}

/* One process alone must work out what all the processes did; and nobody wrote the file. */
static bool check(u64 ops, u64 *checksum)
{
	u64 jobs = sum, *words = (u64 *)file;

	*checksum = mix64(0, jobs);
	if (word(mm_frame(driver->mm, USER_HEAP), 0, 0)) {
		printf("guest: mix: a child has written its parent's memory\n");
		return false;
	}
	for (u64 i = 0; i < (TEXT_PAGES + DATA_PAGES) * PAGE_SIZE / 8; i++) {
		if (words[i] != mix64(0x66696c65, i)) {
			printf("guest: mix: word %lu of the page cache has changed\n", i);
			return false;
		}
	}
	run_alone(ops);
	if (sum == jobs)
		return true;
	printf("guest: mix: the jobs' result is 0x%lx, should be 0x%lx\n", jobs, sum);
	return false;
}

WORKLOAD(mix) = {
	.name = "mix",
	.summary = "the memory work of a build: fork, exec, faults, mmap, munmap, exit",
	.ops = 8,
	.ops_max = 1000000,
	.setup = setup,
	.prepare = prepare,
	.body = body,
	.control = run_alone,
	.check = check,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes and system calls. There is one CPU and no clock: a process runs until it yields, waits
 * or exits, and a queue says who is next, so every run takes the same path.
 */
#include "internal.h"

struct proc procs[MAX_PROCS];
struct proc *current;
u64 (*sys_hook)(u64 a, u64 b, u64 c);
void (*exec_hook)(struct mm *mm);

static struct proc *queue_head, *queue_tail;

static void make_ready(struct proc *p)
{
	p->state = PROC_READY;
	p->next = NULL;
	if (queue_head)
		queue_tail->next = p;
	else
		queue_head = p;
	queue_tail = p;
}

/* Take a process out of the queue, wherever it is. */
static void unqueue(struct proc *p)
{
	struct proc *before = NULL;

	for (struct proc *at = queue_head; at; before = at, at = at->next) {
		if (at != p)
			continue;
		if (before)
			before->next = p->next;
		else
			queue_head = p->next;
		if (queue_tail == p)
			queue_tail = before;
		return;
	}
}

static struct proc *find_free(void)
{
	for (u32 i = 0; i < MAX_PROCS; i++) {
		if (procs[i].state == PROC_FREE) {
			procs[i].pid = i + 1;
			procs[i].parent = 0;
			return &procs[i];
		}
	}
	die(GUEST_STATUS_USAGE, "more than %d processes at once", MAX_PROCS);
}

static void start_frame(struct proc *p, u64 entry, u64 a, u64 b, u64 c)
{
	memset(&p->regs, 0, sizeof(p->regs));
	p->regs.rip = entry;
	p->regs.cs = USER_CS;
	p->regs.ss = USER_DS;
	p->regs.rflags = RFLAGS_FIXED;
	p->regs.rsp = USER_STACK_TOP - 8; /* as if called: the ABI's alignment */
	p->regs.rdi = a;
	p->regs.rsi = b;
	p->regs.rdx = c;
	p->regs.vector = VECTOR_SYSCALL; /* so it starts by SYSRET */
	p->entry = entry;
}

void proc_restart(struct proc *p, u64 entry, u64 a, u64 b, u64 c)
{
	start_frame(p, entry, a, b, c);
	if (p->state != PROC_READY)
		make_ready(p);
}

struct proc *proc_new(struct mm *mm, u64 entry, u64 a, u64 b, u64 c)
{
	struct proc *p = find_free();

	p->mm = mm;
	proc_restart(p, entry, a, b, c);
	return p;
}

void proc_free(struct proc *p)
{
	if (p->state == PROC_READY)
		unqueue(p);
	if (p->mm == current_mm)
		mm_switch(&kernel_mm);
	mm_free(p->mm);
	p->mm = NULL;
	p->state = PROC_FREE;
}

static struct regs *make_current(struct proc *p)
{
	p->state = PROC_RUNNING;
	current = p;
	mm_switch(p->mm);
	trap_set_frame(&p->regs);
	return &p->regs;
}

u64 proc_run(struct proc *p)
{
	unqueue(p);
	enter_user(make_current(p));
	return p->code;
}

/* The next in the queue, or NULL. */
static struct regs *run_next(void)
{
	struct proc *next = queue_head;

	if (!next)
		return NULL;
	queue_head = next->next;
	return make_current(next);
}

static struct regs *sys_exit_call(u64 code)
{
	struct proc *p = current;
	struct regs *next;

	p->code = code;
	p->state = PROC_ZOMBIE;
	if (p->parent) {
		struct proc *parent = &procs[p->parent - 1];

		if (parent->state == PROC_WAITING) {
			parent->regs.rax = code;
			next = make_current(parent);
			proc_free(p);
			return next;
		}
	}
	next = run_next();
	if (!next)
		leave_user(0);
	return next;
}

static struct regs *sys_wait_call(struct regs *regs)
{
	bool children = false;

	for (u32 i = 0; i < MAX_PROCS; i++) {
		struct proc *p = &procs[i];

		if (p->state == PROC_FREE || p->parent != current->pid)
			continue;
		children = true;
		if (p->state == PROC_ZOMBIE) {
			regs->rax = p->code;
			proc_free(p);
			return regs;
		}
	}
	if (!children)
		die(GUEST_STATUS_FAILED, "wait without a child");
	current->state = PROC_WAITING;
	regs = run_next();
	if (!regs)
		die(GUEST_STATUS_FAILED, "every process waits");
	return regs;
}

static void sys_fork_call(struct regs *regs)
{
	struct proc *child = find_free();

	child->mm = mm_fork(current->mm);
	child->regs = *regs;
	child->regs.rax = 0;
	child->parent = current->pid;
	child->entry = current->entry;
	make_ready(child);
	regs->rax = child->pid;
}

/* A fresh address space with only text and stack; the old one goes. */
static void sys_exec_call(u64 entry, u64 a, u64 b)
{
	struct mm *old = current->mm;

	current->mm = mm_new();
	if (exec_hook)
		exec_hook(current->mm);
	start_frame(current, entry, a, b, 0);
	mm_switch(current->mm);
	mm_free(old);
}

static u64 sys_mmap_call(u64 bytes)
{
	struct mm *mm = current->mm;
	u64 start = ALIGN_UP(mm->brk, PAGE_SIZE);

	mm_add_region(mm, start, ALIGN_UP(bytes, PAGE_SIZE), PTE_W | PTE_NX, false);
	return start;
}

struct regs *syscall_dispatch(struct regs *regs)
{
	u64 a = regs->rdi, b = regs->rsi, c = regs->rdx;

	switch (regs->rax) {
	case SYS_YIELD:
		regs->rax = 0;
		make_ready(current);
		return run_next();
	case SYS_NULL:
		regs->rax = 0;
		return regs;
	case SYS_EXIT:
		return sys_exit_call(a);
	case SYS_FORK:
		sys_fork_call(regs);
		return regs;
	case SYS_WAIT:
		return sys_wait_call(regs);
	case SYS_MMAP:
		regs->rax = sys_mmap_call(a);
		return regs;
	case SYS_MUNMAP:
		mm_unmap(current->mm, a, b, true);
		regs->rax = 0;
		return regs;
	case SYS_EXEC:
		sys_exec_call(a, b, c);
		return &current->regs;
	case SYS_HOOK:
		regs->rax = sys_hook ? sys_hook(a, b, c) : ~0ul;
		return regs;
	default:
		regs->rax = ~0ul;
		return regs;
	}
}

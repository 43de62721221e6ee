// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single accesses from ring 3, for tests that want to know what ring 3 may touch.
 */
#include "internal.h"

struct access {
	struct proc *p;
	u64 kind, va;
};

static user_code void user_access(u64 kind, u64 va)
{
	u64 value = 0;

	switch (kind) {
	case USER_READ:
		asm volatile("mov (%1), %0" : "=r"(value) : "r"(va) : "memory");
		break;
	case USER_WRITE:
		asm volatile("mov %0, (%1)" : : "r"(value), "r"(va) : "memory");
		break;
	default:
		asm volatile("call *%0" : : "r"(va) : "memory", "rax", "rcx", "rdx", "rsi", "rdi");
		break;
	}
	sys_exit(0);
}

static void run_access(void *arg)
{
	struct access *a = arg;

	proc_restart(a->p, user_entry(user_access), a->kind, a->va, 0);
	proc_run(a->p);
}

int user_probe(struct proc *p, enum user_access kind, u64 va)
{
	struct access a = { p, kind, va };

	return guarded_call(run_access, &a) != -1;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The price of one exit that needs no work, the unit in which all other exits are best understood.
 */
#include "harness/harness.h"

enum { KIND_CPUID, KIND_VMCALL, KIND_OUT };

/* No hypervisor's call number: the answer is an error, which is as good as any. */
#define VMCALL_NONE 0x70656e75

static u64 kind;
static u64 sum, first;

static const struct param params[] = {
	CHOICE("kind", kind, KIND_CPUID, "cpuid|vmcall|out", "the instruction that exits"),
	{},
};

static always_inline u64 vmcall(u64 nr)
{
	u64 ret;

	asm volatile("vmcall" : "=a"(ret) : "a"(nr) : "rbx", "rcx", "rdx", "rsi", "memory");
	return ret;
}

static void try_vmcall(void *unused)
{
	(void)unused;
	vmcall(VMCALL_NONE);
}

static void setup(void)
{
	u32 r[4];

	if (kind == KIND_VMCALL && guarded_call(try_vmcall, NULL) != -1)
		die(GUEST_STATUS_USAGE,
		    "kind=vmcall: VMCALL raises exception %d here, as there is no hypervisor to "
		    "take it; use kind=cpuid",
		    last_fault.vector);
	cpuid(0, 0, r);
	first = r[1];
}

static void body(u64 ops)
{
	u32 r[4];

	sum = 0;
	switch (kind) {
	case KIND_CPUID:
		for (u64 i = 0; i < ops; i++) {
			cpuid(0, 0, r);
			sum += r[1];
		}
		break;
	case KIND_VMCALL:
		for (u64 i = 0; i < ops; i++) {
			vmcall(VMCALL_NONE);
			sum++;
		}
		break;
	default:
		for (u64 i = 0; i < ops; i++) {
			outb(GUEST_PORT_NOP, 0);
			sum++;
		}
		break;
	}
}

static void control(u64 ops)
{
	u64 n = 0;

	for (u64 i = 0; i < ops; i++)
		asm volatile("add $1, %0" : "+r"(n));
	sum = n;
}

/* CPUID must give the same answer each time; the answer itself is the hypervisor's affair. */
static bool check(u64 ops, u64 *checksum)
{
	*checksum = mix64(kind + 1, ops);
	if (sum == (kind == KIND_CPUID ? first * ops : ops))
		return true;
	printf("guest: null_exit: the answers changed from one exit to the next\n");
	return false;
}

WORKLOAD(null_exit) = {
	.name = "null_exit",
	.summary = "an exit that needs no work",
	.params = params,
	.ops = 4000,
	.ops_max = 1ul << 32,
	.setup = setup,
	.body = body,
	.control = control,
	.check = check,
};

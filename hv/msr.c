// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: a table of those that there are. Any other raises #GP in the guest,
 * which is what a CPU does with one that it does not have.
 */
#include <linux/kvm.h>
#include <asm/msr.h>

#include "compat.h"
#include "cpu.h"
#include "penumbra.h"

enum msr_kind {
	MSR_FIELD,     /* lives in a control field */
	MSR_CANONICAL, /* the same, and must be a canonical address */
	MSR_SAVED,     /* in struct vcpu, at an offset */
	MSR_SAVED_ADDRESS,
	MSR_CONSTANT, /* reads as a value; writes are ignored */
	MSR_PAT_TYPES,
	MSR_KIND_EFER,
	MSR_KIND_TSC,
};

struct guest_msr {
	u32 index;
	u8 kind;
	bool write_zero_only;
	u16 offset;
	u64 value;
};

#define SAVED(field) .offset = offsetof(struct vcpu, field)

static const struct guest_msr table[] = {
	{ MSR_EFER, MSR_KIND_EFER },
	{ MSR_STAR, MSR_SAVED, SAVED(star) },
	{ MSR_LSTAR, MSR_SAVED_ADDRESS, SAVED(lstar) },
	{ MSR_CSTAR, MSR_SAVED_ADDRESS, SAVED(cstar) },
	{ MSR_SYSCALL_MASK, MSR_SAVED, SAVED(fmask) },
	{ MSR_FS_BASE, MSR_CANONICAL },
	{ MSR_GS_BASE, MSR_CANONICAL },
	{ MSR_KERNEL_GS_BASE, MSR_SAVED_ADDRESS, SAVED(kernel_gs_base) },
	{ MSR_IA32_SYSENTER_CS, MSR_FIELD },
	{ MSR_IA32_SYSENTER_ESP, MSR_CANONICAL },
	{ MSR_IA32_SYSENTER_EIP, MSR_CANONICAL },
	{ MSR_IA32_CR_PAT, MSR_PAT_TYPES, SAVED(pat) },
	{ MSR_IA32_TSC, MSR_KIND_TSC },
	/* Boot processor, local APIC off. */
	{ MSR_IA32_APICBASE, MSR_CONSTANT, .value = 0xfee00100 },
	{ MSR_IA32_MISC_ENABLE, MSR_CONSTANT, .value = MSR_IA32_MISC_ENABLE_FAST_STRING },
	{ MSR_IA32_UCODE_REV, MSR_CONSTANT },
	{ MSR_IA32_DEBUGCTLMSR, MSR_CONSTANT, .write_zero_only = true },
};

const u32 msr_list[] = {
	MSR_EFER,
	MSR_STAR,
	MSR_LSTAR,
	MSR_CSTAR,
	MSR_FS_BASE,
	MSR_GS_BASE,
	MSR_KERNEL_GS_BASE,
	MSR_SYSCALL_MASK,
	MSR_IA32_CR_PAT,
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
	MSR_IA32_TSC,
};
const unsigned int msr_count = ARRAY_SIZE(msr_list);

static const struct guest_msr *find(u32 index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].index == index)
			return &table[i];
	return NULL;
}

static u64 *saved(struct vcpu *v, const struct guest_msr *m)
{
	return (u64 *)((char *)v + m->offset);
}

/**
 * msr_read() - RDMSR
 * @v: the vCPU, loaded
 * @index: MSR number
 * @value: filled in
 *
 * Return: false where the guest gets #GP.
 */
bool msr_read(struct vcpu *v, u32 index, u64 *value)
{
	const struct guest_msr *m = find(index);

	if (!m)
		return false;
	switch (m->kind) {
	case MSR_FIELD:
	case MSR_CANONICAL:
		*value = cpu_get_msr(v, index);
		return true;
	case MSR_SAVED:
	case MSR_SAVED_ADDRESS:
	case MSR_PAT_TYPES:
		*value = *saved(v, m);
		return true;
	case MSR_KIND_EFER:
		*value = v->pv.efer;
		return true;
	case MSR_KIND_TSC:
		*value = rdtsc();
		return true;
	default:
		*value = m->value;
		return true;
	}
}

/* SDM vol. 3, 12.12.2: eight memory types, each 0, 1, 4, 5, 6 or 7. */
static bool pat_valid(u64 pat)
{
	int i;

	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xff) == 2 || (pat & 0xff) == 3)
			return false;
	return true;
}

/* Some of them are in the CPU while the guest runs: inside a burst hardware follows at once. */
static void into_hardware(u32 index, u64 value)
{
	if (index == MSR_STAR || index == MSR_LSTAR || index == MSR_SYSCALL_MASK)
		wrmsrq(index, value);
}

static bool write_checked(struct vcpu *v, const struct guest_msr *m, u64 value)
{
	switch (m->kind) {
	case MSR_CANONICAL:
		if (!state_canonical(value))
			return false;
		fallthrough;
	case MSR_FIELD:
		cpu_set_msr(v, m->index, value);
		return true;
	case MSR_SAVED_ADDRESS:
		if (!state_canonical(value))
			return false;
		*saved(v, m) = value;
		return true;
	case MSR_SAVED:
		if (m->index == MSR_SYSCALL_MASK && value >> 32)
			return false;
		*saved(v, m) = value;
		return true;
	case MSR_PAT_TYPES:
		if (!pat_valid(value))
			return false;
		*saved(v, m) = value;
		return true;
	case MSR_CONSTANT:
		return !m->write_zero_only || !value;
	default:
		return false;
	}
}

/**
 * msr_write() - WRMSR by the guest, EFER excepted
 * @v: the vCPU, inside a burst
 * @index: MSR number
 * @value: value
 *
 * Return: false where the guest gets #GP.
 */
bool msr_write(struct vcpu *v, u32 index, u64 value)
{
	const struct guest_msr *m = find(index);

	if (!m || !write_checked(v, m, value))
		return false;
	into_hardware(index, value);
	return true;
}

/**
 * msr_set() - one entry of KVM_SET_MSRS
 * @v: the vCPU, loaded
 * @index: MSR number
 * @value: value
 *
 * Return: false when it is refused.
 */
bool msr_set(struct vcpu *v, u32 index, u64 value)
{
	const struct guest_msr *m = find(index);

	/* EFER belongs to KVM_SET_SREGS; the same value again does no harm. */
	if (m && m->kind == MSR_KIND_EFER)
		return value == v->pv.efer;
	return m && write_checked(v, m, value);
}

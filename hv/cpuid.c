// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest's CPU says it can do: the table that user space sets, made from the one offered
 * here, which is the host's less what a guest cannot have.
 */
#include <linux/kvm.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "compat.h"
#include "cpu.h"
#include "penumbra.h"

#define F(name) BIT((name)&31)

/* SSE to AES and RDRAND; no XSAVE (so no AVX), no APIC, no MONITOR, no VMX, no PMU. */
#define LEAF1_ECX                                                                \
	(F(X86_FEATURE_XMM3) | F(X86_FEATURE_PCLMULQDQ) | F(X86_FEATURE_SSSE3) | \
	 F(X86_FEATURE_CX16) | F(X86_FEATURE_PCID) | F(X86_FEATURE_XMM4_1) |     \
	 F(X86_FEATURE_XMM4_2) | F(X86_FEATURE_MOVBE) | F(X86_FEATURE_POPCNT) |  \
	 F(X86_FEATURE_AES) | F(X86_FEATURE_RDRAND))
#define LEAF1_EDX                                                                             \
	(F(X86_FEATURE_FPU) | F(X86_FEATURE_VME) | F(X86_FEATURE_DE) | F(X86_FEATURE_PSE) |   \
	 F(X86_FEATURE_TSC) | F(X86_FEATURE_MSR) | F(X86_FEATURE_PAE) | F(X86_FEATURE_CX8) |  \
	 F(X86_FEATURE_SEP) | F(X86_FEATURE_PGE) | F(X86_FEATURE_CMOV) | F(X86_FEATURE_PAT) | \
	 F(X86_FEATURE_PSE36) | F(X86_FEATURE_CLFLUSH) | F(X86_FEATURE_MMX) |                 \
	 F(X86_FEATURE_FXSR) | F(X86_FEATURE_XMM) | F(X86_FEATURE_XMM2))
/* No AVX2, no TSX, no MPX, no AVX-512, no PT. */
#define LEAF7_EBX                                                              \
	(F(X86_FEATURE_FSGSBASE) | F(X86_FEATURE_BMI1) | F(X86_FEATURE_SMEP) | \
	 F(X86_FEATURE_BMI2) | F(X86_FEATURE_ERMS) | F(X86_FEATURE_INVPCID) |  \
	 F(X86_FEATURE_RDSEED) | F(X86_FEATURE_ADX) | F(X86_FEATURE_SMAP) |    \
	 F(X86_FEATURE_CLFLUSHOPT) | F(X86_FEATURE_CLWB) | F(X86_FEATURE_SHA_NI))
/* No PKU, no LA57, no CET, no WAITPKG, no RDPID. */
#define LEAF7_ECX F(X86_FEATURE_UMIP)
#define LEAF7_EDX F(X86_FEATURE_FSRM)
#define EXT1_ECX  (F(X86_FEATURE_LAHF_LM) | F(X86_FEATURE_ABM) | F(X86_FEATURE_3DNOWPREFETCH))
/* No RDTSCP: TSC_AUX would be the host's. */
#define EXT1_EDX \
	(F(X86_FEATURE_SYSCALL) | F(X86_FEATURE_NX) | F(X86_FEATURE_GBPAGES) | F(X86_FEATURE_LM))

#define CPUID_HYPERVISOR BIT(31)
#define HYPERVISOR_LEAF	 0x40000000
#define HIGHEST_BASIC	 0x16u
#define HIGHEST_EXTENDED 0x80000008u

static void ask(struct kvm_cpuid_entry2 *e, u32 function, u32 index)
{
	e->function = function;
	e->index = index;
	cpuid_count(function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
}

static u32 kernel_has(enum cpuid_leafs word)
{
	return boot_cpu_data.x86_capability[word];
}

/* Take from a leaf of the host's what a guest cannot have. */
static void restrict_leaf(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0:
		e->eax = min(e->eax, HIGHEST_BASIC);
		break;
	case 1:
		e->ebx &= 0x0000ff00; /* CLFLUSH line size; one processor, APIC id 0 */
		e->ecx &= LEAF1_ECX & kernel_has(CPUID_1_ECX);
		e->ecx |= CPUID_HYPERVISOR;
		e->edx &= LEAF1_EDX & kernel_has(CPUID_1_EDX);
		break;
	case 4:
		e->eax &= 0x3fff; /* nobody shares this cache */
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		break;
	case 7:
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e->eax = 0;
		e->ebx &= LEAF7_EBX & kernel_has(CPUID_7_0_EBX);
		if (!cpu_caps.invpcid)
			e->ebx &= ~F(X86_FEATURE_INVPCID);
		e->ecx &= LEAF7_ECX & kernel_has(CPUID_7_ECX);
		e->edx &= LEAF7_EDX & kernel_has(CPUID_7_EDX);
		break;
	case 0x80000000:
		e->eax = min(e->eax, HIGHEST_EXTENDED);
		break;
	case 0x80000001:
		e->ecx &= EXT1_ECX & kernel_has(CPUID_8000_0001_ECX);
		e->edx &= EXT1_EDX & kernel_has(CPUID_8000_0001_EDX);
		break;
	case 0x80000007:
		e->eax = e->ebx = e->ecx = 0;
		e->edx &= BIT(8); /* invariant TSC */
		break;
	case 0x80000008:
		e->eax = paging_address_bits(cpu_caps.maxphyaddr) | 48 << 8;
		e->ebx = e->ecx = e->edx = 0;
		break;
	}
}

/* Leaves that are passed on, restricted; of leaf 4 as many subleaves as there are caches. */
static const u32 leaves[] = {
	0,	    1,		2,	    4,		7,
	0x15,	    0x16,	0x80000000, 0x80000001, 0x80000002,
	0x80000003, 0x80000004, 0x80000006, 0x80000007, 0x80000008,
};

/**
 * cpuid_supported() - KVM_GET_SUPPORTED_CPUID
 * @entries: room for *@nr entries, zeroed
 * @nr: entries written
 *
 * Return: 0, or -E2BIG when there are more than fit.
 */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nr)
{
	u32 room = *nr, n = 0, i, index;
	u32 basic = cpuid_eax(0), extended = cpuid_eax(0x80000000);

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		u32 leaf = leaves[i];

		if (leaf > (leaf & BIT(31) ? extended : basic))
			continue;
		for (index = 0; index < (leaf == 4 ? 8 : 1); index++) {
			if (n == room)
				return -E2BIG;
			ask(&entries[n], leaf, index);
			restrict_leaf(&entries[n]);
			n++;
			if (leaf == 4 && !(entries[n - 1].eax & 31))
				break;
		}
	}
	if (n == room)
		return -E2BIG;
	entries[n].function = HYPERVISOR_LEAF;
	entries[n].eax = HYPERVISOR_LEAF;
	memcpy(&entries[n].ebx, "Penu", 4);
	memcpy(&entries[n].ecx, "mbra", 4);
	memcpy(&entries[n].edx, "Penu", 4);
	*nr = n + 1;
	return 0;
}

static bool is_for(const struct kvm_cpuid_entry2 *e, u32 function, u32 index)
{
	return e->function == function &&
	       (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index);
}

static const struct kvm_cpuid_entry2 *find(struct vcpu *v, u32 function, u32 index)
{
	u32 i;

	for (i = 0; i < v->nr_cpuid; i++)
		if (is_for(&v->cpuid[i], function, index))
			return &v->cpuid[i];
	return NULL;
}

/* The entry that answers a leaf, or one of zeros. */
static noinline const struct kvm_cpuid_entry2 *look_up(struct vcpu *v, u32 function, u32 index)
{
	static const struct kvm_cpuid_entry2 nothing;
	const struct kvm_cpuid_entry2 *e = find(v, function, index), *top;

	if (e) {
		v->last_cpuid = e - v->cpuid;
		return e;
	}
	/* Beyond the last basic leaf Intel's CPUs answer with that leaf. SDM vol. 2. */
	top = find(v, 0, 0);
	if (top && function < HYPERVISOR_LEAF && function > top->eax)
		e = find(v, top->eax, index);
	return e ? e : &nothing;
}

/**
 * cpuid_answer() - CPUID: leaf and subleaf in rax and rcx, answer in rax, rbx, rcx and rdx
 * @v: the vCPU
 */
void cpuid_answer(struct vcpu *v)
{
	u64 *gpr = v->regs.gpr;
	/* Guests ask for the same leaf again and again. Without a table the entry is all zero. */
	const struct kvm_cpuid_entry2 *e = &v->cpuid[v->last_cpuid];

	if (unlikely(!is_for(e, gpr[0], gpr[1])))
		e = look_up(v, gpr[0], gpr[1]);
	gpr[0] = e->eax;
	gpr[3] = e->ebx;
	gpr[1] = e->ecx;
	gpr[2] = e->edx;
}

/* Bits of CR4 that come with a CPUID bit. */
static const struct {
	u64 cr4;
	enum cpuid_leafs word;
	u32 bit;
} cr4_features[] = {
	{ X86_CR4_PCIDE, CPUID_1_ECX, F(X86_FEATURE_PCID) },
	{ X86_CR4_FSGSBASE, CPUID_7_0_EBX, F(X86_FEATURE_FSGSBASE) },
	{ X86_CR4_SMEP, CPUID_7_0_EBX, F(X86_FEATURE_SMEP) },
	{ X86_CR4_SMAP, CPUID_7_0_EBX, F(X86_FEATURE_SMAP) },
	{ X86_CR4_UMIP, CPUID_7_ECX, F(X86_FEATURE_UMIP) },
};

#define CR4_ALWAYS                                                                          \
	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | \
	 X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

static u32 offered(struct vcpu *v, enum cpuid_leafs word)
{
	const struct kvm_cpuid_entry2 *e;

	if (!v->nr_cpuid) /* user space has not said: what the host has */
		return kernel_has(word);
	e = find(v, word == CPUID_1_ECX ? 1 : 7, 0);
	if (!e)
		return 0;
	return word == CPUID_7_0_EBX ? e->ebx : e->ecx;
}

/**
 * cpuid_cr4_allowed() - bits of CR4 that the guest may set
 * @v: the vCPU
 */
u64 cpuid_cr4_allowed(struct vcpu *v)
{
	u64 allowed = CR4_ALWAYS;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (offered(v, cr4_features[i].word) & cr4_features[i].bit)
			allowed |= cr4_features[i].cr4;
	return allowed & cpu_caps.cr4_possible;
}

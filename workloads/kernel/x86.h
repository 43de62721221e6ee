/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions that C cannot say. Raw: nothing in here counts. Code that flushes a TLB or loads
 * CR3 uses tlb.c, whose helpers count, because the guest's counts are compared with the
 * hypervisor's.
 */
#ifndef GUEST_X86_H
#define GUEST_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define CR0_WP (1ul << 16)

#define CR4_PGE	    (1ul << 7)
#define CR4_LA57    (1ul << 12)
#define CR4_PCIDE   (1ul << 17)
#define CR4_SMEP    (1ul << 20)
#define CR4_SMAP    (1ul << 21)
#define CR3_NOFLUSH (1ul << 63) /* with CR4.PCIDE: keep this PCID's translations */

#define MSR_EFER  0xc0000080
#define MSR_STAR  0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define EFER_SCE  (1ul << 0)
#define EFER_NXE  (1ul << 11)

#define RFLAGS_FIXED 0x2ul
#define RFLAGS_TF    (1ul << 8)
#define RFLAGS_IF    (1ul << 9)
#define RFLAGS_DF    (1ul << 10)
#define RFLAGS_AC    (1ul << 18)

#define INVPCID_ADDRESS	   0ul
#define INVPCID_CONTEXT	   1ul
#define INVPCID_ALL_GLOBAL 2ul
#define INVPCID_ALL	   3ul

static inline void outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(u16 port, u32 value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)hi << 32 | lo;
}

static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
	asm volatile("cpuid"
		     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
		     : "a"(leaf), "c"(subleaf));
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)(value & 0xffffffff)), "d"((u32)(value >> 32)));
}

static inline u64 read_cr0(void)
{
	u64 value;

	asm volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

static inline void write_cr0(u64 value)
{
	asm volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline u64 read_cr2(void)
{
	u64 value;

	asm volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

static inline u64 read_cr3(void)
{
	u64 value;

	asm volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

static inline u64 read_cr4(void)
{
	u64 value;

	asm volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static inline void write_cr4(u64 value)
{
	asm volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline void raw_write_cr3(u64 value)
{
	asm volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline void raw_invlpg(u64 va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void raw_invpcid(u64 type, u64 pcid, u64 va)
{
	u64 descriptor[2] = { pcid, va };

	asm volatile("invpcid %0, %1" : : "m"(descriptor), "r"(type) : "memory");
}

/* SMAP's switch; only where the CPU has SMAP, #UD elsewhere. */
static inline void stac(void)
{
	asm volatile("stac" : : : "memory");
}

static inline void clac(void)
{
	asm volatile("clac" : : : "memory");
}

#endif

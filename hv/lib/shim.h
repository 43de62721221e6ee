/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one door between the pure C of this project and the world around it.
 *
 * Everything in hv/mmu and hv/lib is compiled twice: into penumbra.ko, and into user-space test
 * programs under ASan and UBSan. Those files include this header and no other that is not ours.
 * Here the few things they need from their surroundings are given the kernel's names on both
 * sides, so that the code reads like kernel code and no line of it knows where it runs.
 */
#ifndef PENUMBRA_SHIM_H
#define PENUMBRA_SHIM_H

#ifdef __KERNEL__

#include <linux/types.h>
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kvm_types.h> /* gva_t, gpa_t, hpa_t, gfn_t */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <asm/msr.h>

/* Eight bytes, however aligned, in one load. */
static inline u64 shim_load64(const void *p)
{
	return READ_ONCE(*(const u64 *)p);
}

/*
 * Entries that hardware walks, and sets flags in, while we change them: what it set is never lost. The
 * old value, and no bits back.
 */
static inline u64 shim_xchg64(u64 *p, u64 value)
{
	return xchg(p, value);
}

static inline void shim_clear_bits(u64 *p, u64 bits)
{
	atomic64_andnot(bits, (atomic64_t *)p);
}

/* Sleeps; zeroed; charged to the calling process's memory cgroup. */
static inline void *shim_zalloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL_ACCOUNT);
}

static inline void shim_free(void *p)
{
	kvfree(p);
}

/* The time-stamp counter. */
static inline u64 shim_cycles(void)
{
	return rdtsc();
}

#else /* user space: the test programs */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define BIT(n)		  (1UL << (n))
#define BIT_ULL(n)	  (1ULL << (n))
#define GENMASK_ULL(h, l) ((~0ULL >> (63 - (h))) & (~0ULL << (l)))
#define ARRAY_SIZE(a)	  (sizeof(a) / sizeof((a)[0]))
#define likely(x)	  __builtin_expect(!!(x), 1)
#define hweight64(x)	  __builtin_popcountll(x)
#define unlikely(x)	  __builtin_expect(!!(x), 0)
#define noinline	  __attribute__((noinline))
#define static_assert _Static_assert
#define array_index_nospec(i, n)      ((void)(n), (i)) /* no test program speculates for others */
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define PAGE_SHIFT		      12
#define PAGE_SIZE		      4096UL
#define PAGE_MASK		      (~(PAGE_SIZE - 1))

#define min_t(t, a, b) ((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define max_t(t, a, b) ((t)(a) > (t)(b) ? (t)(a) : (t)(b))

/*
 * Before each look at memory that others see, here at @at, other CPUs may run: a test program that has
 * some lets them. By default nobody does.
 */
__attribute__((weak)) void (*shim_race)(const volatile void *at);

static inline void shim_others_run(const volatile void *at)
{
	if (shim_race)
		shim_race(at);
}

#define READ_ONCE(x) (shim_others_run(&(x)), *(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)                                  \
	do {                                              \
		__typeof__(x) value_ = (v);               \
		shim_others_run(&(x));                    \
		*(volatile __typeof__(x) *)&(x) = value_; \
	} while (0)

static inline u64 shim_load64(const void *p)
{
	u64 value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline u64 shim_xchg64(u64 *p, u64 value)
{
	shim_others_run(p);
	return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);
}

static inline void shim_clear_bits(u64 *p, u64 bits)
{
	shim_others_run(p);
	__atomic_fetch_and(p, ~bits, __ATOMIC_SEQ_CST);
}

static inline u64 shim_cmpxchg64(u64 *p, u64 old, u64 new)
{
	shim_others_run(p);
	__atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

#define cmpxchg64(p, o, n) shim_cmpxchg64(p, o, n)

/* The test program's simulated host memory: one arena, host-physical address 0 at its start. */
extern u8 *shim_arena;

static inline void *phys_to_virt(u64 hpa)
{
	return shim_arena + hpa;
}

static inline u64 virt_to_phys(const volatile void *p)
{
	return (u64)((const volatile u8 *)p - shim_arena);
}

static inline void *shim_zalloc(size_t bytes)
{
	return calloc(1, bytes);
}

static inline void shim_free(void *p)
{
	free(p);
}

static inline u64 shim_cycles(void)
{
	return __builtin_ia32_rdtsc();
}

/* Equal, but for a newline at the end of either. */
static inline bool sysfs_streq(const char *a, const char *b)
{
	size_t m = strlen(a), n = strlen(b);

	m -= m && a[m - 1] == '\n';
	n -= n && b[n - 1] == '\n';
	return m == n && !memcmp(a, b, n);
}

typedef u64 gva_t; /* guest-virtual address, bytes */
typedef u64 gpa_t; /* guest-physical address, bytes */
typedef u64 hpa_t; /* host-physical address, bytes */
typedef u64 gfn_t; /* guest frame number: gpa >> 12 */

#endif

#endif

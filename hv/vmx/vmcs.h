/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMREAD and VMWRITE with the field's width checked by the compiler: bits 14:13 of an encoding are
 * its width (Intel SDM vol. 3, 25.11.2), and every access names a constant.
 *
 * Reads are not checked at run time: a field exists or not by the CPU's model alone, writes at VM
 * creation touch each feature's fields, and an exit has about a hundred instructions to spend.
 */
#ifndef PENUMBRA_VMCS_H
#define PENUMBRA_VMCS_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/vmx.h>

#define VMCS_WIDTH_16	   0
#define VMCS_WIDTH_64	   1
#define VMCS_WIDTH_32	   2
#define VMCS_WIDTH_NATURAL 3

/* The field itself, if it has that width; otherwise it does not compile. */
#define vmcs_field(field, width) ((field) + BUILD_BUG_ON_ZERO((((field) >> 13) & 3) != (width)))

static __always_inline unsigned long vmcs_read_raw(unsigned long field)
{
	unsigned long value;

	asm volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
	return value;
}

void vmcs_write_failed(unsigned long field, unsigned long value);

static __always_inline void vmcs_write_raw(unsigned long field, unsigned long value)
{
	asm goto("vmwrite %1, %0\n\tjbe %l[failed]" : : "r"(field), "r"(value) : "cc" : failed);
	return;
failed:
	vmcs_write_failed(field, value);
}

/* The same without a check, for an exit's few writes to fields that every VMCS has. */
static __always_inline void vmcs_write_sure(unsigned long field, unsigned long value)
{
	asm volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc");
}

#define vmcs_read16(f) ((u16)vmcs_read_raw(vmcs_field(f, VMCS_WIDTH_16)))
#define vmcs_read32(f) ((u32)vmcs_read_raw(vmcs_field(f, VMCS_WIDTH_32)))
#define vmcs_read64(f) ((u64)vmcs_read_raw(vmcs_field(f, VMCS_WIDTH_64)))
#define vmcs_readl(f)  ((unsigned long)vmcs_read_raw(vmcs_field(f, VMCS_WIDTH_NATURAL)))

#define vmcs_write16(f, v) vmcs_write_raw(vmcs_field(f, VMCS_WIDTH_16), (u16)(v))
#define vmcs_write32(f, v) vmcs_write_raw(vmcs_field(f, VMCS_WIDTH_32), (u32)(v))
#define vmcs_write64(f, v) vmcs_write_raw(vmcs_field(f, VMCS_WIDTH_64), (u64)(v))
#define vmcs_writel(f, v)  vmcs_write_raw(vmcs_field(f, VMCS_WIDTH_NATURAL), (unsigned long)(v))

/* The eight segment registers' fields lie two apart, in this order. */
enum vmcs_segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

#define vmcs_segment(field, seg) ((field) + 2 * (seg))

#endif

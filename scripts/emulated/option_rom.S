/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An option ROM for Bochs: the way into the boot image without a disk, a boot loader or setup code.
 *
 * The BIOS calls offset 3 of the ROM during POST, in real mode, when its ACPI and MP tables are
 * already in memory.  The ROM enters long mode on the page tables that mkimage put into the image
 * and jumps to the image's first byte (loader.S).  It never returns to the BIOS.
 *
 * The GDT is the one in the image, with the selectors that the Linux/x86 64-bit boot protocol asks
 * for: 0x10 code, 0x18 data.  Everything here is linked at 0, so labels are offsets in the ROM.
 */
#include "image.h"

#define CR0_PE	 0x1
#define CR0_PG	 0x80000000
#define CR4_PAE	 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

#define CODE32 0x08
#define CODE64 0x10
#define DATA   0x18

	.text
	.code16
	.globl _start
_start:
	.byte 0x55, 0xaa, ROM_SIZE / 512
	cli
	cld
	lgdtl %cs:gdt_pointer
	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $CODE32, $ROM_BASE + protected

	.code32
protected:
	mov $DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	mov %cr4, %eax
	or $CR4_PAE, %eax
	mov %eax, %cr4
	mov $IMAGE_BASE + IMAGE_PAGE_TABLES, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	ljmpl $CODE64, $IMAGE_BASE

gdt_pointer:
	.word 4 * 8 - 1
	.long IMAGE_BASE + IMAGE_GDT

	.org ROM_SIZE	/* mkimage sets the last byte so that all bytes sum to zero */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first instructions of a guest image. The boot protocol hands over long mode on somebody
 * else's tables, GDT and stack; nothing of that may be relied on for longer than it takes to load
 * our own GDT and stack, because the memory it lies in is ours to hand out.
 */
#include "layout.h"

	.section .text.start, "ax"
	.code64
	.globl guest_start
guest_start:
	cli
	cld
	/*
	 * The boot parameters are read after .bss has been cleared: keep RSI. A loader may leave
	 * stale bytes in .bss (bare machines do), so clear it here.
	 */
	mov	%rsi, %rbx
	lea	boot_stack_top(%rip), %rsp
	lea	bss_start(%rip), %rdi
	lea	bss_end(%rip), %rcx
	sub	%rdi, %rcx
	shr	$3, %rcx
	xor	%eax, %eax
	rep stosq

	lgdt	gdt_pointer(%rip)
	mov	$KERNEL_DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	pushq	$KERNEL_CS
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:	xor	%ebp, %ebp
	mov	%rbx, %rdi
	call	kernel_main
	ud2				/* kernel_main does not return */

	.data
	.balign	16
	.globl gdt
gdt:	.quad	0
	.quad	0			/* 08 */
	.quad	0x00af9b000000ffff	/* 10 kernel code */
	.quad	0x00cf93000000ffff	/* 18 kernel data */
	.quad	0x00cffb000000ffff	/* 20 user code, 32-bit: SYSRET's base, unused */
	.quad	0x00cff3000000ffff	/* 28 user data */
	.quad	0x00affb000000ffff	/* 30 user code */
	.globl gdt_tss
gdt_tss: .quad	0, 0			/* 38 TSS, filled in by trap_init() */
gdt_end:
	.globl gdt_pointer
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt

	/* Outside .bss: it is in use while .bss is cleared. */
	.balign	16
	.skip	16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits

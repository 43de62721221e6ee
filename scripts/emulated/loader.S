/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first bytes of the boot image: makes the payload appear, copies it where it belongs, jumps.
 *
 * Entered by option_rom.S in long mode at IMAGE_BASE.  image.h explains why the blocks have to be
 * touched in ascending order before any of the payload may be used.  Leaves by the Linux/x86 64-bit
 * boot protocol: RSI = boot parameters, interrupts off, identity map, CS = 0x10, DS = ES = SS = 0x18.
 */
#include "image.h"

	.text
	.code64
	.globl _start
_start:
	mov $IMAGE_BASE + IMAGE_STACK_TOP, %rsp

	/* Skip padding: what the BIOS has used up is not there, the rest shows its own magic. */
	movabs $PAYLOAD_MAGIC, %rdx
	mov $IMAGE_BASE, %rbx
1:	add $IMAGE_BLOCK, %rbx
	cmp %rdx, (%rbx)
	jne 1b

	/* Touch each block of the payload in order. */
	mov PAYLOAD_BLOCKS(%rbx), %rcx
	mov %rbx, %rdx
2:	mov (%rdx), %al
	add $IMAGE_BLOCK, %rdx
	dec %rcx
	jnz 2b

	/* Copy each segment and clear what follows it: sizes are multiples of eight. */
	lea PAYLOAD_ENTRIES(%rbx), %r8
3:	mov (%r8), %rdi
	test %rdi, %rdi
	jz 4f
	mov 8(%r8), %rsi
	add %rbx, %rsi
	mov 16(%r8), %rcx
	shr $3, %rcx
	rep movsq
	mov 24(%r8), %rcx
	shr $3, %rcx
	xor %eax, %eax
	rep stosq
	add $PAYLOAD_ENTRY, %r8
	jmp 3b

	/* COM1 as firmware would leave it, 115200 baud 8N1: out of reset it sends five bits a byte. */
4:	lea com1_setup(%rip), %rsi
	mov $com1_setup_end - com1_setup, %ecx
5:	movzwl (%rsi), %edx
	mov 2(%rsi), %al
	out %al, %dx
	add $3, %rsi
	sub $3, %ecx
	jnz 5b

	mov $IMAGE_BASE + IMAGE_BOOT_PARAMS, %esi
	mov IMAGE_BASE + IMAGE_ENTRY, %rax
	jmp *%rax

com1_setup:		/* port, byte */
	.word 0x3fb; .byte 0x80		/* divisor latch */
	.word 0x3f8; .byte 1
	.word 0x3f9; .byte 0
	.word 0x3fb; .byte 0x03		/* eight bits, no parity, one stop bit */
com1_setup_end:

	.org IMAGE_STACK_TOP - 0x100	/* the stack's room; an error if the code grows into it */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bare machine's program for selftest.t: shows its command line on COM1, sends a row to port 0xE9,
 * makes two accesses to memory in a traced region, and ends with status 7.
 */
#define COM1	    0x3f8
#define COM1_STATUS 0x3fd
#define TX_EMPTY    0x40 /* everything has left, so that powering off loses nothing */

	.text
	.code64
	.globl _start
_start:
	lea stack_top(%rip), %rsp
	mov 0x228(%rsi), %esi		/* boot parameters: cmd_line_ptr */
	call print
	lea newline(%rip), %rsi
	call print
	lea row(%rip), %rsi
	mov $0xe9, %edx
	call send

	xchg %bx, %bx
	mov traced(%rip), %rax
	mov %rax, traced(%rip)
	xchg %bx, %bx

	lea status(%rip), %rsi
	call print
	lea shutdown(%rip), %rsi
	mov $0x8900, %edx
	call send
1:	hlt
	jmp 1b

/* Sends the text at RSI to port DX. */
send:
	lodsb
	test %al, %al
	jz 2f
	out %al, %dx
	jmp send
2:	ret

/* Prints the text at RSI on COM1. */
print:
	lodsb
	test %al, %al
	jz 4f
	mov $COM1, %edx
	out %al, %dx
	mov $COM1_STATUS, %edx
3:	in %dx, %al
	test $TX_EMPTY, %al
	jz 3b
	jmp print
4:	ret

newline:  .asciz "\n"
row:	  .asciz "@row workload=selftest\n"
status:	  .asciz "status=7\n"
shutdown: .asciz "Shutdown"

	.balign 16
	.skip 1024
stack_top:
	.balign 4096	/* a page of its own, so that the first access walks the tables */
traced:	  .quad 0x1122334455667788

	.section .note.GNU-stack, "", @progbits

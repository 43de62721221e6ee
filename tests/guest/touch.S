/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The accesses that C cannot make: fetches that may fault, and everything from ring 3. Ring 3
 * reports by SYS_HOOK; a fault is taken from its frame by space.c's hook.
 */
#include "layout.h"

	.text
/*
 * int touch_fetch(u64 va): call the page; 0 and its EAX in touch_fetched, or 1. The kernel's trap
 * handler ends a fetch that faults at probe_exec_target by returning 1 to our caller.
 */
	.globl	touch_fetch
touch_fetch:
	mov	%rdi, probe_exec_target(%rip)
	call	*%rdi
	mov	%eax, touch_fetched(%rip)
	movq	$0, probe_exec_target(%rip)
	xor	%eax, %eax
	ret

	.bss
	.balign	8
	.globl	touch_fetched
touch_fetched:
	.quad	0

	.section .user.text, "ax", @progbits
	.globl	user_read, user_write, user_fetch, user_load_fs, user_done
user_read:
	mov	(%rdi), %rax
	jmp	user_done
user_write:
	mov	%rsi, (%rdi)
	jmp	user_done
user_fetch:
	xor	%eax, %eax
	call	*%rdi
	jmp	user_done
user_load_fs:
	mov	%edi, %fs
	/* fall through */
user_done:				/* also where user_call()'s functions return to */
	mov	%rax, %rdi
	mov	$SYS_HOOK, %eax
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits

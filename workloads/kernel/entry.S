/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way into and out of the kernel: exceptions, SYSCALL, the drop to ring 3, and the guarded
 * call that turns an exception into a return value.
 *
 * A trap from ring 3 saves its frame straight into the running process (TSS.RSP0 and
 * cur_frame_end point at the end of its struct regs), then moves to the kernel stack on which
 * enter_user() was called. The C handler returns the frame to resume, so a context switch is the
 * return of another process's frame and copies nothing.
 */
#include "layout.h"

	.macro	push_gprs
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.endm

	.macro	pop_gprs
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	.endm

	.macro	push_callee_saved
	pushfq
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.endm

	.macro	pop_callee_saved
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	popfq
	.endm

	.text
/* Vectors 8, 10 to 14, 17, 21, 29, 30. */
#define HAS_ERROR_CODE 0x60227d00

/* One stub per vector, 16 bytes apart; those without an error code push a zero (SDM 3A, 6.13). */
	.balign	16
	.globl vector_stubs
vector_stubs:
	vector = 0
	.rept	32
	.balign	16
	.if	!((HAS_ERROR_CODE >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_common
	vector = vector + 1
	.endr

	.balign	16
trap_common:
	push_gprs
	mov	%rsp, %rdi
	testb	$3, 17*8+8(%rsp)	/* the saved CS */
	jz	1f
	mov	kernel_sp(%rip), %rsp
	call	trap_from_user
	jmp	resume_user
1:	mov	%rsp, %rbx
	and	$-16, %rsp
	call	trap_from_kernel
	mov	%rbx, %rsp
	pop_gprs
	add	$16, %rsp
	iretq

/* SYSCALL (SDM 2B): RCX = return RIP, R11 = RFLAGS, RSP still the user's. */
	.balign	16
	.globl syscall_entry
syscall_entry:
	mov	%rsp, syscall_user_sp(%rip)
	mov	cur_frame_end(%rip), %rsp
	pushq	$USER_DS
	pushq	syscall_user_sp(%rip)
	push	%r11
	pushq	$USER_CS
	push	%rcx
	pushq	$0
	pushq	$VECTOR_SYSCALL
	push_gprs
	mov	%rsp, %rdi
	mov	kernel_sp(%rip), %rsp
	call	syscall_dispatch
	/* fall through */

/* RAX = the frame to resume in ring 3. A frame that SYSCALL made goes back by SYSRET. */
resume_user:
	mov	%rax, %rsp
	pop_gprs
	cmpl	$VECTOR_SYSCALL, (%rsp)
	jne	1f
	mov	16(%rsp), %rcx
	mov	32(%rsp), %r11
	mov	40(%rsp), %rsp
	sysretq
1:	add	$16, %rsp
	iretq

/* long enter_user(struct regs *frame): run ring 3 until somebody calls leave_user(). */
	.globl enter_user
enter_user:
	push_callee_saved
	pushq	$0			/* keeps the stack 16-byte aligned for C */
	pushq	kernel_sp(%rip)
	mov	%rsp, kernel_sp(%rip)
	mov	%rdi, %rax
	jmp	resume_user

/* void leave_user(long result): on the kernel stack, from within a trap handler. */
	.globl leave_user
leave_user:
	mov	kernel_sp(%rip), %rsp
	popq	kernel_sp(%rip)
	add	$8, %rsp
	mov	%rdi, %rax
	pop_callee_saved
	ret

/*
 * int guarded_call(void (*fn)(void *), void *arg): -1, or the vector of the exception that ended
 * fn. guard_sp is a chain: guards may nest, and each keeps the kernel stack of an enter_user()
 * that it surrounds.
 */
	.globl guarded_call
guarded_call:
	push_callee_saved
	pushq	kernel_sp(%rip)
	pushq	guard_sp(%rip)
	mov	%rsp, guard_sp(%rip)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	*%rax
	mov	%rbp, %rsp
	mov	$-1, %eax
	jmp	1f

/* void guard_unwind(int vector) */
	.globl guard_unwind
guard_unwind:
	mov	%edi, %eax
	mov	guard_sp(%rip), %rsp
1:	popq	guard_sp(%rip)
	popq	kernel_sp(%rip)
	pop_callee_saved
	ret

/*
 * Accesses that may fault: each returns 0, or 1 when the exception table sent it to its fixup.
 * int probe_read(u64 va), int probe_write(u64 va, u64 value), int probe_exec(u64 va); the page
 * that probe_exec calls must hold a RET.
 */
	.macro	extable from, to
	.pushsection .extable, "a"
	.quad	\from, \to
	.popsection
	.endm

	.globl probe_read
probe_read:
1:	mov	(%rdi), %rax
	xor	%eax, %eax
	ret
	extable 1b, probe_faulted

	.globl probe_write
probe_write:
1:	mov	%rsi, (%rdi)
	xor	%eax, %eax
	ret
	extable 1b, probe_faulted

probe_faulted:
	mov	$1, %eax
	ret

	/* A fetch faults at its own address: the trap handler looks for probe_exec_target. */
	.globl probe_exec, probe_exec_faulted
probe_exec:
	mov	%rdi, probe_exec_target(%rip)
	call	*%rdi
	xor	%eax, %eax
	movq	$0, probe_exec_target(%rip)
	ret
probe_exec_faulted:			/* the pushed return address is still there */
	add	$8, %rsp
	movq	$0, probe_exec_target(%rip)
	mov	$1, %eax
	ret

	.bss
	.balign	8
	.globl kernel_sp, cur_frame_end, guard_sp, probe_exec_target
kernel_sp:	.quad	0
cur_frame_end:	.quad	0
guard_sp:	.quad	0
syscall_user_sp: .quad	0
probe_exec_target: .quad 0

	.section .note.GNU-stack, "", @progbits

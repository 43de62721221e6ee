/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and back: the only assembly of the module. All it knows of struct vcpu are
 * offsets that the compiler made.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>
#include "offsets.h"

#define HOST_RSP_FIELD 0x6c14

	.text

/*
 * int vmx_enter(struct vcpu *v)
 *
 * Runs the guest of the current VMCS until its next VM exit. Interrupts are off.
 * Returns 0 after a VM exit, 1 when the entry failed before the guest's state was loaded.
 */
SYM_FUNC_START(vmx_enter)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi

	/* The stack is as deep as last time, nearly always: then the field is right already. */
	cmp	%rsp, VCPU_HOST_RSP(%rdi)
	jne	.Lhost_rsp
.Lload:
	cmpb	$0, VCPU_LAUNCHED(%rdi)
	mov	VCPU_RAX(%rdi), %rax
	mov	VCPU_RCX(%rdi), %rcx
	mov	VCPU_RDX(%rdi), %rdx
	mov	VCPU_RBX(%rdi), %rbx
	mov	VCPU_RBP(%rdi), %rbp
	mov	VCPU_RSI(%rdi), %rsi
	mov	VCPU_R8(%rdi), %r8
	mov	VCPU_R9(%rdi), %r9
	mov	VCPU_R10(%rdi), %r10
	mov	VCPU_R11(%rdi), %r11
	mov	VCPU_R12(%rdi), %r12
	mov	VCPU_R13(%rdi), %r13
	mov	VCPU_R14(%rdi), %r14
	mov	VCPU_R15(%rdi), %r15
	mov	VCPU_RDI(%rdi), %rdi
	je	.Llaunch
	UNWIND_HINT_SAVE
	vmresume
	jmp	.Lfailed
.Llaunch:
	vmlaunch
	jmp	.Lfailed

.Lhost_rsp:
	mov	$HOST_RSP_FIELD, %eax
	vmwrite	%rsp, %rax
	mov	%rsp, VCPU_HOST_RSP(%rdi)
	jmp	.Lload

	/* VM exits arrive here, with the guest's registers and our stack. */
SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	push	%rdi
	mov	8(%rsp), %rdi
	mov	%rax, VCPU_RAX(%rdi)
	mov	%rcx, VCPU_RCX(%rdi)
	mov	%rdx, VCPU_RDX(%rdi)
	mov	%rbx, VCPU_RBX(%rdi)
	mov	%rbp, VCPU_RBP(%rdi)
	mov	%rsi, VCPU_RSI(%rdi)
	mov	%r8, VCPU_R8(%rdi)
	mov	%r9, VCPU_R9(%rdi)
	mov	%r10, VCPU_R10(%rdi)
	mov	%r11, VCPU_R11(%rdi)
	mov	%r12, VCPU_R12(%rdi)
	mov	%r13, VCPU_R13(%rdi)
	mov	%r14, VCPU_R14(%rdi)
	mov	%r15, VCPU_R15(%rdi)
	pop	VCPU_RDI(%rdi)
	pop	%rdi

	/*
	 * What the guest taught the branch predictor must not steer our returns and branches. Each
	 * is there only if the kernel found that this CPU needs it, and mitigations= lets it.
	 */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
	CLEAR_BRANCH_HISTORY_VMEXIT

	/*
	 * No register carries a guest's value into C: speculation must not find one there. The
	 * callee-saved ones get ours below.
	 */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
.Lreturn:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	RET

.Lfailed:
	pop	%rdi
	mov	$1, %eax
	jmp	.Lreturn
SYM_FUNC_END(vmx_enter)

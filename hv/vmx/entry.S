/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and back: the only assembly of the module. All it knows of struct vcpu are
 * offsets that the compiler made.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include <asm/segment.h>
#include <asm/unwind_hints.h>
#include "offsets.h"

#define HOST_RSP_FIELD 0x6c14

.macro LOAD_GUEST_REGISTERS
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
.endm

/* The vCPU is on the stack; afterwards it is in RDI too. */
.macro SAVE_GUEST_REGISTERS
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
.endm

	.text

/*
 * The kernel's own way to clear the branch history where modules may call it; else the same
 * instructions, as Intel's guidance on Branch History Injection has them: 5 calls deep, with 5 taken
 * branches at each depth, which is more than the history buffer holds. Each RET lies in the upper half
 * of its cache line, where Indirect Target Selection has no hold on it.
 */
#ifdef HAVE_CLEAR_BHB_LOOP
#define CLEAR_HISTORY CLEAR_BRANCH_HISTORY_VMEXIT
#else
#define CLEAR_HISTORY ALTERNATIVE "", "call clear_history", X86_FEATURE_CLEAR_BHB_VMEXIT

SYM_FUNC_START_LOCAL(clear_history)
	push	%rbp
	mov	%rsp, %rbp
	mov	$5, %ecx
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Ldeeper
	jmp	.Lcleared
	.balign	64, 0xcc
	.skip	32 - 5, 0xcc
	ANNOTATE_INTRA_FUNCTION_CALL
.Ldeeper:
	call	.Lbranches
	RET
	.balign	64, 0xcc
	.skip	32 - 18, 0xcc
.Lbranches:
	mov	$5, %eax
.Lagain:
	jmp	.Ltaken
	nop
.Ltaken:
	sub	$1, %eax
	jnz	.Lagain
	sub	$1, %ecx
	jnz	.Ldeeper
	RET
.Lcleared:
	lfence
	pop	%rbp
	RET
SYM_FUNC_END(clear_history)
STACK_FRAME_NON_STANDARD clear_history
#endif

/*
 * RDI = struct vcpu, on return as well. Every other register but RSP is lost: the caller names
 * them to its compiler, which then saves what it needs once for many exits. RAX = 0 after a VM
 * exit, 1 when the entry failed before the guest's state was loaded. Interrupts are off.
 */
SYM_FUNC_START(vmx_enter)
	push	%rdi

	/* The stack is as deep as last time, nearly always: then the field is right already. */
	cmp	%rsp, VCPU_HOST_RSP(%rdi)
	jne	.Lhost_rsp
.Lready:
	cmpl	$0, VCPU_HOW(%rdi)
	jne	.Lcareful
	LOAD_GUEST_REGISTERS
	UNWIND_HINT_SAVE
	vmresume
	jmp	.Lfailed

	/*
	 * The guest's IA32_SPEC_CTRL is 0. What the CPU's internal buffers hold of the host must not be
	 * sampled by the guest (MDS and its kin): VERW overwrites them. What is loaded after it is the
	 * guest's own.
	 */
.Lcareful:
	testb	$ENTER_SPEC, VCPU_HOW(%rdi)
	jz	3f
	cmpl	$0, PER_CPU_VAR(x86_spec_ctrl_current)
	je	3f
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
3:	testb	$ENTER_VERW, VCPU_HOW(%rdi)
	jz	1f
	verw	.Ldata_selector(%rip)
	/* If it fails, odd_exit() in run.c says so: once launched, a VMCS stays so. */
1:	btrl	$ENTER_LAUNCH_BIT, VCPU_HOW(%rdi)
	LOAD_GUEST_REGISTERS
	jc	2f
	vmresume
	jmp	.Lfailed
2:	vmlaunch
	jmp	.Lfailed

.Lhost_rsp:
	mov	$HOST_RSP_FIELD, %eax
	vmwrite	%rsp, %rax
	mov	%rsp, VCPU_HOST_RSP(%rdi)
	jmp	.Lready

	/*
	 * VM exits arrive here, with the guest's registers and our stack. What the guest taught the
	 * branch predictor must not steer our returns and branches: each step is there only if the
	 * kernel found that this CPU needs it, and mitigations= lets it.
	 *
	 * A VM exit is no indirect branch: no ENDBR has to be here.
	 */
SYM_INNER_LABEL(vmx_exit_guarded, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	UNWIND_HINT_RESTORE
	SAVE_GUEST_REGISTERS
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
	CLEAR_HISTORY
	/*
	 * What the kernel wants now: it is another value for a thread that asked for more. Where the
	 * host's is 0, so is the guest's, and no write is needed: without enhanced IBRS, where a value
	 * counts only if it is written again in the new mode, it has the bit and is not 0. No branch
	 * that speculation could take wrongly may come between here and the write.
	 */
	ALTERNATIVE "jmp .Lclean", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	test	%eax, %eax
	jz	.Lspec_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
.Lspec_done:
	lfence
	jmp	.Lclean

	/* The same for a host that wants none of it. */
SYM_INNER_LABEL(vmx_exit_plain, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	UNWIND_HINT_RESTORE
	SAVE_GUEST_REGISTERS
	xor	%eax, %eax
.Lreturn:
	pop	%rdi
	RET

	/* No register carries a guest's value into C: speculation must not find one there. */
.Lclean:
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	jmp	.Lreturn

	/* The host's IA32_SPEC_CTRL has to come back here, too. */
.Lfailed:
	mov	(%rsp), %rdi
	testb	$ENTER_SPEC, VCPU_HOW(%rdi)
	jz	4f
	ALTERNATIVE "jmp 4f", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
4:	mov	$1, %eax
	jmp	.Lreturn
SYM_FUNC_END(vmx_enter)

	.section .rodata
.Ldata_selector:
	.word	__KERNEL_DS

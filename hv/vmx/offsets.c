// SPDX-License-Identifier: GPL-2.0-only
/*
 * Never linked: compiled to assembly only, from which kbuild makes offsets.h for entry.S, so that
 * no offset is written down twice.
 */
#define COMPILE_OFFSETS
#include <linux/kbuild.h>
#include "vmx.h"

static void __used common(void)
{
	OFFSET(VCPU_RAX, vmx_vcpu, vcpu.regs.gpr[0]);
	OFFSET(VCPU_RCX, vmx_vcpu, vcpu.regs.gpr[1]);
	OFFSET(VCPU_RDX, vmx_vcpu, vcpu.regs.gpr[2]);
	OFFSET(VCPU_RBX, vmx_vcpu, vcpu.regs.gpr[3]);
	OFFSET(VCPU_RBP, vmx_vcpu, vcpu.regs.gpr[5]);
	OFFSET(VCPU_RSI, vmx_vcpu, vcpu.regs.gpr[6]);
	OFFSET(VCPU_RDI, vmx_vcpu, vcpu.regs.gpr[7]);
	OFFSET(VCPU_R8, vmx_vcpu, vcpu.regs.gpr[8]);
	OFFSET(VCPU_R9, vmx_vcpu, vcpu.regs.gpr[9]);
	OFFSET(VCPU_R10, vmx_vcpu, vcpu.regs.gpr[10]);
	OFFSET(VCPU_R11, vmx_vcpu, vcpu.regs.gpr[11]);
	OFFSET(VCPU_R12, vmx_vcpu, vcpu.regs.gpr[12]);
	OFFSET(VCPU_R13, vmx_vcpu, vcpu.regs.gpr[13]);
	OFFSET(VCPU_R14, vmx_vcpu, vcpu.regs.gpr[14]);
	OFFSET(VCPU_R15, vmx_vcpu, vcpu.regs.gpr[15]);
	OFFSET(VCPU_HOST_RSP, vmx_vcpu, host_rsp);
	OFFSET(VCPU_HOW, vmx_vcpu, how);
	DEFINE(ENTER_LAUNCH_BIT, ilog2(VMX_ENTER_LAUNCH));
	DEFINE(ENTER_VERW, VMX_ENTER_VERW);
	DEFINE(ENTER_SPEC, VMX_ENTER_SPEC);
}

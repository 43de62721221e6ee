// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of a vCPU: its fields in the VMCS kept right, and what no field holds switched.
 *
 * The run loop works in bursts (hv/run.c). What changes only between bursts, such as the host's CR3
 * and the SYSCALL MSRs, is written at a burst's two ends and not at each exit.
 */
#include <linux/hw_breakpoint.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/vtime.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fpu/api.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

/* The host's fields that differ from CPU to CPU. */
static void host_of_cpu(struct vcpu *v)
{
	int cpu = smp_processor_id();
	struct desc_ptr idt;
	u64 value;

	store_idt(&idt);
	vmcs_writel(HOST_IDTR_BASE, idt.address);
	vmcs_writel(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmcs_writel(HOST_GDTR_BASE, (unsigned long)get_current_gdt_ro());
	rdmsrq(MSR_GS_BASE, value);
	vmcs_writel(HOST_GS_BASE, value);
	rdmsrq(MSR_IA32_SYSENTER_CS, value);
	vmcs_write32(HOST_IA32_SYSENTER_CS, value);
	rdmsrq(MSR_IA32_SYSENTER_ESP, value);
	vmcs_writel(HOST_IA32_SYSENTER_ESP, value);
	rdmsrq(MSR_IA32_SYSENTER_EIP, value);
	vmcs_writel(HOST_IA32_SYSENTER_EIP, value);
	to_vmx(v)->host_cpu = cpu;
}

/* Control registers of the host can change under an interrupt handler. */
static void host_control_registers(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u64 cr3 = __read_cr3(), cr4 = __read_cr4();

	if (unlikely(cr3 != vmx->host_cr3)) {
		vmcs_writel(HOST_CR3, cr3);
		vmx->host_cr3 = cr3;
	}
	if (unlikely(cr4 != vmx->host_cr4)) {
		vmcs_writel(HOST_CR4, cr4);
		vmx->host_cr4 = cr4;
	}
}

/*
 * Segments of the host's thread. A VM exit loads null selectors (a 64-bit thread has nothing else),
 * zeroes LDTR, and makes the TSS limit 0x67 and the GDT limit 0xffff: SDM vol. 3, 28.5.2.
 */
static void host_segments_save(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u64 fs_base;

	savesegment(ds, vmx->host_ds);
	savesegment(es, vmx->host_es);
	savesegment(fs, vmx->host_fs);
	savesegment(gs, vmx->host_gs);
	store_ldt(vmx->host_ldt);
	rdmsrq(MSR_FS_BASE, fs_base);
	if (fs_base != vmx->host_fs_base) {
		vmcs_writel(HOST_FS_BASE, fs_base);
		vmx->host_fs_base = fs_base;
	}
	rdmsrq(MSR_KERNEL_GS_BASE, vmx->host_kernel_gs_base);
}

static void host_segments_restore(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	if (unlikely(vmx->host_ldt))
		asm volatile("lldt %0" : : "m"(vmx->host_ldt));
	if (unlikely(vmx->host_ds | vmx->host_es)) {
		loadsegment(ds, vmx->host_ds);
		loadsegment(es, vmx->host_es);
	}
	if (unlikely(vmx->host_fs)) {
		loadsegment(fs, vmx->host_fs);
		wrmsrq(MSR_FS_BASE, vmx->host_fs_base);
	}
	if (unlikely(vmx->host_gs))
		load_gs_index(vmx->host_gs);
	wrmsrq(MSR_KERNEL_GS_BASE, vmx->host_kernel_gs_base);
	invalidate_tss_limit();
	load_fixmap_gdt(smp_processor_id());
}

/* What SYSCALL uses: no control field holds it, and the host uses it only in user mode. */
struct syscall_msrs {
	u64 star, lstar, fmask;
};
static DEFINE_PER_CPU(struct syscall_msrs, host_syscall);

static void load_syscall_msrs(u64 star, u64 lstar, u64 fmask)
{
	wrmsrq(MSR_STAR, star);
	wrmsrq(MSR_LSTAR, lstar);
	wrmsrq(MSR_SYSCALL_MASK, fmask);
}

static void set_breakpoints(const u64 dr[4])
{
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

/**
 * vmx_load_debug_registers() - the guest has a breakpoint: DR0 to DR3 become its own
 * @v: the vCPU, inside a burst
 */
void vmx_load_debug_registers(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	if (!vmx->debug_loaded) {
		get_debugreg(vmx->host_dr[0], 0);
		get_debugreg(vmx->host_dr[1], 1);
		get_debugreg(vmx->host_dr[2], 2);
		get_debugreg(vmx->host_dr[3], 3);
		vmx->debug_loaded = true;
	}
	set_breakpoints(v->dr);
}

/*
 * VM exits leave DR7 at 0x400 and IA32_DEBUGCTL at 0 (SDM vol. 3, 28.5.1), whatever the host has there.
 * What other code of the host then makes of them is what is put back the next time.
 */
static void host_debug_restore(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	if (unlikely(vmx->host_debugctl))
		update_debugctlmsr(vmx->host_debugctl);
	if (unlikely(vmx->debug_loaded)) {
		set_breakpoints(vmx->host_dr);
		vmx->debug_loaded = false;
	}
	if (unlikely(hw_breakpoint_active())) {
		set_debugreg(DR6_RESERVED, 6);
		set_debugreg(__this_cpu_read(cpu_dr7), 7);
	}
}

static void guest_debug_restore(struct vcpu *v)
{
	if (unlikely(vmcs_readl(GUEST_DR7) & (DR_GLOBAL_ENABLE_MASK | DR_LOCAL_ENABLE_MASK)))
		vmx_load_debug_registers(v);
}

void vmx_burst_begin(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	struct syscall_msrs *host = this_cpu_ptr(&host_syscall);

	if (unlikely(vmx->host_cpu != smp_processor_id()))
		host_of_cpu(v);
	host_control_registers(v);
	host_segments_save(v);
	vmx_perf_switch(v);
	vmx->host_debugctl = get_debugctlmsr();
	if (unlikely(!host->lstar)) {
		rdmsrq(MSR_STAR, host->star);
		rdmsrq(MSR_LSTAR, host->lstar);
		rdmsrq(MSR_SYSCALL_MASK, host->fmask);
	}
	load_syscall_msrs(v->star, v->lstar, v->fmask);
	wrmsrq(MSR_KERNEL_GS_BASE, v->kernel_gs_base);
	guest_debug_restore(v);
	vmx_host_code_ran(v);
	vtime_account_guest_enter();
	native_write_cr2(v->cr2);
}

void vmx_burst_end(struct vcpu *v)
{
	struct syscall_msrs *host = this_cpu_ptr(&host_syscall);

	v->cr2 = native_read_cr2();
	vtime_account_guest_exit();
	rdmsrq(MSR_KERNEL_GS_BASE, v->kernel_gs_base);
	load_syscall_msrs(host->star, host->lstar, host->fmask);
	host_segments_restore(v);
	host_debug_restore(v);
	vmx_mitigate_burst_end(v);
}

bool vmx_let_interrupts(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u64 cr2 = native_read_cr2();

	host_debug_restore(v);
	vmx_unload(v);
	local_irq_enable();
	asm volatile("nop"); /* STI holds interrupts off for one instruction */
	local_irq_disable();
	vmx->host_debugctl = get_debugctlmsr();
	native_write_cr2(cr2);
	if (unlikely(!vmx_still_loaded(v)))
		return false;
	if (vmx->slice)
		vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, vmx->slice);
	guest_debug_restore(v);
	vmx_host_code_ran(v);
	host_control_registers(v);
	vmx_perf_switch(v);
	return true;
}

void vmx_host_code_ran(struct vcpu *v)
{
	vmx_mitigate_host_ran(v);
}

/*
 * NMIs stay blocked after the exit (SDM vol. 3, 28.5.5) until the host's handler ends with IRET; it
 * keeps CR2. vmx_caps_probe() has seen that the kernel takes events through the IDT.
 */
void vmx_take_nmi(struct vcpu *v)
{
	asm volatile("int $2");
	vmx_host_code_ran(v);
}

bool vmx_take_machine_check(struct vcpu *v)
{
	u64 cr2 = native_read_cr2();
	bool handled = compat_machine_check();

	native_write_cr2(cr2);
	vmx_host_code_ran(v);
	return handled;
}

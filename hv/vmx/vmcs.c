// SPDX-License-Identifier: GPL-2.0-only
/*
 * One vCPU's VMCS: made, filled, moved between CPUs, and the host's side of it kept right.
 *
 * The run loop works in bursts (hv/vcpu.c). What changes only between bursts, such as the host's
 * CR3 and the SYSCALL MSRs, is written at a burst's two ends and not at each exit.
 */
#include <linux/gfp.h>
#include <linux/hw_breakpoint.h>
#include <linux/ratelimit.h>
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
#include <asm/trapnr.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

void vmcs_write_failed(unsigned long field, unsigned long value)
{
	pr_err_ratelimited("VMWRITE of %lx to field %lx failed: error %u\n", value, field,
			   vmcs_read32(VM_INSTRUCTION_ERROR));
}

static void vmptrld(void *region)
{
	u64 pa = __pa(region);

	asm volatile("vmptrld %0" : : "m"(pa) : "cc", "memory");
}

static void vmclear(void *region)
{
	u64 pa = __pa(region);

	asm volatile("vmclear %0" : : "m"(pa) : "cc", "memory");
}

/* ---- controls that depend on the VM ---- */

/* Control bits that a paging mode's traps ask for, and those they do without. */
static u32 primary_controls(const struct vcpu *v)
{
	u32 traps = v->pv.pg->ops->traps;
	u32 c = vmx_config.primary;

	/*
	 * A guest that has just read a value from the base-address buffer may still load it: until
	 * its next MOV to CR3 has shown which, that has to exit in every mode.
	 */
	if (!(traps & TRAP_CR3) && !vmx_config.wants_cr3_exits && !v->pv.withdrawn.slot[0].cr3)
		c &= ~(CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING);
	if (!(traps & TRAP_INVLPG) && !vmx_config.wants_cr3_exits)
		c &= ~CPU_BASED_INVLPG_EXITING;
	return c;
}

static u32 secondary_controls(const struct vcpu *v)
{
	u32 c = vmx_config.secondary;

	if (!v->hw.nested)
		c &= ~SECONDARY_EXEC_ENABLE_EPT;
	if (!v->hw.tag.vpid)
		c &= ~SECONDARY_EXEC_ENABLE_VPID;
	return c;
}

/*
 * Bits of CR0 and CR4 that the guest may change without an exit: all that mean nothing to us. CD
 * and NW would reach the real caches, NE must stay set under VMX, PE, PG and PAE would leave long
 * mode, CR4.MCE must stay set or a machine check would shut the machine down.
 */
#define CR0_OWNED_ALWAYS (X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_AM)
#define CR4_OWNED_ALWAYS                                                                    \
	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PCE | \
	 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_UMIP | X86_CR4_FSGSBASE)
#define CR0_OF_MODE X86_CR0_WP
#define CR4_OF_MODE (X86_CR4_PGE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP)

/**
 * cpu_new_cpuid() - the guest's CPUID has changed: so may the bits that it may change unseen
 * @v: the vCPU, loaded
 */
void cpu_new_cpuid(struct vcpu *v)
{
	bool trapped = v->pv.pg->ops->traps & TRAP_MODE;

	v->hw.cr0_owned = CR0_OWNED_ALWAYS | (trapped ? 0 : CR0_OF_MODE);
	v->hw.cr4_owned = (CR4_OWNED_ALWAYS | (trapped ? 0 : CR4_OF_MODE)) & v->cr4_allowed;
	vmcs_writel(CR0_GUEST_HOST_MASK, ~v->hw.cr0_owned);
	vmcs_writel(CR4_GUEST_HOST_MASK, ~v->hw.cr4_owned);
	cpu_update_crs(v);
}

/* The controls that a paging mode chooses. */
static void set_mode_controls(struct vcpu *v)
{
	/* Looping #AC or #DB delivery would hold the CPU: both go through us. SDM vol. 3, 26.2. */
	u32 exceptions = BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC);

	if (v->pv.pg->ops->traps & TRAP_PF)
		exceptions |= BIT(X86_TRAP_PF);
	v->hw.primary = primary_controls(v);
	v->hw.stepping = false;
	v->pv.rearm = true;
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, v->hw.primary);
	if (v->hw.primary & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
		vmcs_write32(SECONDARY_VM_EXEC_CONTROL, secondary_controls(v));
	vmcs_write32(EXCEPTION_BITMAP, exceptions);
	cpu_new_cpuid(v);
}

/**
 * cpu_mode_changed() - the VM has another paging mode
 * @v: the vCPU, loaded; the paging code's view of its control registers is up to date
 */
void cpu_mode_changed(struct vcpu *v)
{
	v->hw.nested = v->pv.pg->ops->traps & TRAP_NESTED;
	set_mode_controls(v);
	/* The other modes' CR3 comes with their root. */
	if (v->hw.nested)
		vmcs_writel(GUEST_CR3, v->pv.cr3);
}

/**
 * cpu_vcpu_setup() - fill a new VMCS
 * @v: the vCPU, loaded
 */
void cpu_vcpu_setup(struct vcpu *v)
{
	u64 value;

	set_mode_controls(v);
	vmcs_write32(PIN_BASED_VM_EXEC_CONTROL, vmx_config.pin);
	vmcs_write32(VM_EXIT_CONTROLS, vmx_config.exit);
	vmcs_write32(VM_ENTRY_CONTROLS, vmx_config.entry);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write32(CR3_TARGET_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	v->hw.slice = vmx_slice();
	if (v->hw.slice)
		vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, v->hw.slice);
	vmcs_write64(MSR_BITMAP, __pa(vmx_msr_bitmap));
	vmcs_write64(VMCS_LINK_POINTER, ~0ULL);
	if (v->hw.tag.vpid)
		vmcs_write16(VIRTUAL_PROCESSOR_ID, v->hw.tag.vpid);

	vmcs_write64(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write32(GUEST_SYSENTER_CS, 0);
	vmcs_writel(GUEST_SYSENTER_ESP, 0);
	vmcs_writel(GUEST_SYSENTER_EIP, 0);
	vmcs_writel(GUEST_DR7, BIT(10));

	/* The host's side that is the same everywhere and always. */
	vmcs_writel(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmcs_write16(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write16(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write16(HOST_DS_SELECTOR, 0);
	vmcs_write16(HOST_ES_SELECTOR, 0);
	vmcs_write16(HOST_FS_SELECTOR, 0);
	vmcs_write16(HOST_GS_SELECTOR, 0);
	vmcs_write16(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmcs_writel(HOST_FS_BASE, v->hw.host_fs_base);
	vmx_mitigate_vcpu(v);
	rdmsrq(MSR_EFER, value);
	vmcs_write64(HOST_IA32_EFER, value);
}

/* ---- the VMCS goes where its thread runs ---- */

static void clear_ipi(void *vcpu)
{
	struct vcpu *v = vcpu;

	if (v->hw.cpu == smp_processor_id())
		vmx_clear_here(v);
}

/* VMX is on, interrupts are off, and the VMCS is active on no other CPU. */
static void make_current(struct vcpu *v, struct vmx_cpu *c)
{
	int cpu = smp_processor_id();

	if (v->hw.cpu != cpu) {
		/* It comes cleared from another CPU; a new one has to be. */
		if (v->hw.flushed_cpu < 0)
			vmclear(v->hw.vmcs);
		list_add(&v->hw.loaded, &c->loaded);
		v->hw.cpu = cpu;
	}
	vmptrld(v->hw.vmcs);
	c->current_vcpu = v;
	if (c->ran_last != v) {
		vmx_mitigate_switch(v);
		c->ran_last = v;
	}
	if (v->hw.flushed_cpu != cpu) {
		/* What it left in this CPU's TLB on an earlier visit may be stale by now. */
		v->hw.flushed_cpu = cpu;
		v->pv.flush |= FLUSH_CONTEXT | FLUSH_NESTED;
	}
}

/**
 * cpu_load() - make a vCPU's VMCS current on this CPU
 * @v: the vCPU; preemption is off, interrupts are on
 *
 * Return: false when VMX is off on this CPU because it is going away.
 */
bool cpu_load(struct vcpu *v)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	int old = READ_ONCE(v->hw.cpu);

	if (COMPAT_VMX_BRIEF || likely(READ_ONCE(c->current_vcpu) == v))
		return true;
	if (old >= 0 && old != smp_processor_id())
		smp_call_function_single(old, clear_ipi, v, 1);
	local_irq_disable();
	if (!c->on) {
		local_irq_enable();
		return false;
	}
	make_current(v, c);
	local_irq_enable();
	return true;
}

/**
 * cpu_still_loaded() - is the vCPU that cpu_load() loaded still there?
 * @v: the vCPU; interrupts are off, and stay so until cpu_unload()
 *
 * Where VMX is on only briefly, it comes on here.
 *
 * Return: false when VMX was switched off between cpu_load() and now.
 */
bool cpu_still_loaded(struct vcpu *v)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);

	if (COMPAT_VMX_BRIEF) {
		if (vmx_on_here())
			return false;
		make_current(v, c);
	}
	return c->current_vcpu == v;
}

/**
 * cpu_unload() - interrupts are about to be on
 * @v: the vCPU; cpu_still_loaded() has said yes
 *
 * Where VMX is on only briefly, it goes off here, and the VMCS is active on no CPU.
 */
void cpu_unload(struct vcpu *v)
{
	if (COMPAT_VMX_BRIEF)
		vmx_off_here();
}

/**
 * cpu_vcpu_init() - give a vCPU its VMCS
 * @v: the vCPU; its paging mode is known
 *
 * Return: 0 or a negative errno.
 */
int cpu_vcpu_init(struct vcpu *v)
{
	v->hw.how = VMX_ENTER_LAUNCH;
	v->hw.cpu = -1;
	v->hw.flushed_cpu = -1;
	v->hw.host_cpu = -1;
	v->hw.nested = v->pv.pg->ops->traps & TRAP_NESTED;
	v->hw.vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!v->hw.vmcs)
		return -ENOMEM;
	*(u32 *)v->hw.vmcs = vmx_config.revision;
	if (v->pv.pg->cfg.vpid)
		v->hw.tag.vpid = vmx_vpid_get();
	return 0;
}

/**
 * cpu_vcpu_free() - the opposite of cpu_vcpu_init()
 * @v: the vCPU; harmless if cpu_vcpu_init() was never reached
 */
void cpu_vcpu_free(struct vcpu *v)
{
	int cpu;

	if (!v->hw.vmcs)
		return;
	cpu = READ_ONCE(v->hw.cpu);
	if (cpu >= 0)
		smp_call_function_single(cpu, clear_ipi, v, 1);
	/* Another vCPU may get this address. */
	for_each_possible_cpu(cpu) cmpxchg(&per_cpu(vmx_cpu, cpu).ran_last, v, NULL);
	free_page((unsigned long)v->hw.vmcs);
	v->hw.vmcs = NULL;
	vmx_vpid_put(v->hw.tag.vpid);
}

/* ---- a burst's two ends ---- */

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
	v->hw.host_cpu = cpu;
}

/* Control registers of the host can change under an interrupt handler. */
static void host_control_registers(struct vcpu *v)
{
	u64 cr3 = __read_cr3(), cr4 = __read_cr4();

	if (unlikely(cr3 != v->hw.host_cr3)) {
		vmcs_writel(HOST_CR3, cr3);
		v->hw.host_cr3 = cr3;
	}
	if (unlikely(cr4 != v->hw.host_cr4)) {
		vmcs_writel(HOST_CR4, cr4);
		v->hw.host_cr4 = cr4;
	}
}

/*
 * Segments of the host's thread. A VM exit loads null selectors (a 64-bit thread has nothing else),
 * zeroes LDTR, and makes the TSS limit 0x67 and the GDT limit 0xffff: SDM vol. 3, 28.5.2.
 */
static void host_segments_save(struct vcpu *v)
{
	u64 fs_base;

	savesegment(ds, v->hw.host_ds);
	savesegment(es, v->hw.host_es);
	savesegment(fs, v->hw.host_fs);
	savesegment(gs, v->hw.host_gs);
	store_ldt(v->hw.host_ldt);
	rdmsrq(MSR_FS_BASE, fs_base);
	if (fs_base != v->hw.host_fs_base) {
		vmcs_writel(HOST_FS_BASE, fs_base);
		v->hw.host_fs_base = fs_base;
	}
	rdmsrq(MSR_KERNEL_GS_BASE, v->hw.host_kernel_gs_base);
}

static void host_segments_restore(struct vcpu *v)
{
	if (unlikely(v->hw.host_ldt))
		asm volatile("lldt %0" : : "m"(v->hw.host_ldt));
	if (unlikely(v->hw.host_ds | v->hw.host_es)) {
		loadsegment(ds, v->hw.host_ds);
		loadsegment(es, v->hw.host_es);
	}
	if (unlikely(v->hw.host_fs)) {
		loadsegment(fs, v->hw.host_fs);
		wrmsrq(MSR_FS_BASE, v->hw.host_fs_base);
	}
	if (unlikely(v->hw.host_gs))
		load_gs_index(v->hw.host_gs);
	wrmsrq(MSR_KERNEL_GS_BASE, v->hw.host_kernel_gs_base);
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

/**
 * vmx_load_debug_registers() - the guest has a breakpoint: DR0 to DR3 become its own
 * @v: the vCPU, inside a burst
 */
void vmx_load_debug_registers(struct vcpu *v)
{
	if (!v->hw.debug_loaded) {
		get_debugreg(v->hw.host_dr[0], 0);
		get_debugreg(v->hw.host_dr[1], 1);
		get_debugreg(v->hw.host_dr[2], 2);
		get_debugreg(v->hw.host_dr[3], 3);
		v->hw.debug_loaded = true;
	}
	set_debugreg(v->dr[0], 0);
	set_debugreg(v->dr[1], 1);
	set_debugreg(v->dr[2], 2);
	set_debugreg(v->dr[3], 3);
}

/*
 * VM exits leave DR7 at 0x400 and IA32_DEBUGCTL at 0 (SDM vol. 3, 28.5.1), whatever the host has there.
 * What other code of the host then makes of them is what is put back the next time.
 */
static void host_debug_restore(struct vcpu *v)
{
	if (unlikely(v->hw.host_debugctl))
		update_debugctlmsr(v->hw.host_debugctl);
	if (unlikely(v->hw.debug_loaded)) {
		set_debugreg(v->hw.host_dr[0], 0);
		set_debugreg(v->hw.host_dr[1], 1);
		set_debugreg(v->hw.host_dr[2], 2);
		set_debugreg(v->hw.host_dr[3], 3);
		v->hw.debug_loaded = false;
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

/**
 * cpu_burst_begin() - the guest will run on this CPU: load what control fields do not
 * @v: the vCPU, loaded; interrupts are off until cpu_burst_end()
 */
void cpu_burst_begin(struct vcpu *v)
{
	struct syscall_msrs *host = this_cpu_ptr(&host_syscall);

	if (unlikely(v->hw.host_cpu != smp_processor_id()))
		host_of_cpu(v);
	host_control_registers(v);
	host_segments_save(v);
	vmx_perf_switch(v);
	v->hw.host_debugctl = get_debugctlmsr();
	if (unlikely(!host->lstar)) {
		rdmsrq(MSR_STAR, host->star);
		rdmsrq(MSR_LSTAR, host->lstar);
		rdmsrq(MSR_SYSCALL_MASK, host->fmask);
	}
	load_syscall_msrs(v->star, v->lstar, v->fmask);
	wrmsrq(MSR_KERNEL_GS_BASE, v->kernel_gs_base);
	guest_debug_restore(v);
	cpu_host_code_ran(v);
	vtime_account_guest_enter();
	native_write_cr2(v->cr2);
}

/**
 * cpu_burst_end() - give the CPU back to the host
 * @v: the vCPU; its VMCS may have been taken away by cpu_let_interrupts()
 */
void cpu_burst_end(struct vcpu *v)
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

/**
 * cpu_let_interrupts() - let the host take the interrupts that made the guest exit
 * @v: the vCPU, inside a burst
 *
 * Return: false when VMX was switched off meanwhile: the burst must end.
 */
bool cpu_let_interrupts(struct vcpu *v)
{
	u64 cr2 = native_read_cr2();

	host_debug_restore(v);
	cpu_unload(v);
	local_irq_enable();
	asm volatile("nop"); /* STI holds interrupts off for one instruction */
	local_irq_disable();
	v->hw.host_debugctl = get_debugctlmsr();
	native_write_cr2(cr2);
	if (unlikely(!cpu_still_loaded(v)))
		return false;
	if (v->hw.slice)
		vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, v->hw.slice);
	guest_debug_restore(v);
	cpu_host_code_ran(v);
	host_control_registers(v);
	vmx_perf_switch(v);
	return true;
}

/**
 * cpu_host_code_ran() - the guest may go on only after what host code that is not ours left behind
 * @v: the vCPU, inside a burst
 */
void cpu_host_code_ran(struct vcpu *v)
{
	vmx_mitigate_host_ran(v);
}

/**
 * cpu_take_nmi() - let the host have the NMI that made the guest exit
 * @v: the vCPU, inside a burst
 *
 * NMIs stay blocked after the exit (SDM vol. 3, 28.5.5) until the host's handler ends with IRET; it
 * keeps CR2. cpu_start() has seen that the kernel takes events through the IDT.
 */
void cpu_take_nmi(struct vcpu *v)
{
	asm volatile("int $2");
	cpu_host_code_ran(v);
}

/**
 * cpu_take_machine_check() - let the host have the machine check that made the guest exit
 * @v: the vCPU, inside a burst
 *
 * Return: false when the host has no handler for it.
 */
bool cpu_take_machine_check(struct vcpu *v)
{
	u64 cr2 = native_read_cr2();
	bool handled = compat_machine_check();

	native_write_cr2(cr2);
	cpu_host_code_ran(v);
	return handled;
}

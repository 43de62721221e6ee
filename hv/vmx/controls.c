// SPDX-License-Identifier: GPL-2.0-only
/*
 * What hardware does by itself and what makes an exit: the control fields, by the VM's paging mode and
 * by the guest's CPUID.
 */
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

#include "../compat.h"
#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

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
	const struct vmx_vcpu *vmx = to_vmx(v);
	u32 c = vmx_config.secondary;

	if (!vmx->nested)
		c &= ~SECONDARY_EXEC_ENABLE_EPT;
	if (!vmx->tag.vpid)
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

void vmx_new_cpuid(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	bool trapped = v->pv.pg->ops->traps & TRAP_MODE;

	vmx->cr0_owned = CR0_OWNED_ALWAYS | (trapped ? 0 : CR0_OF_MODE);
	vmx->cr4_owned = (CR4_OWNED_ALWAYS | (trapped ? 0 : CR4_OF_MODE)) & v->cr4_allowed;
	vmcs_writel(CR0_GUEST_HOST_MASK, ~vmx->cr0_owned);
	vmcs_writel(CR4_GUEST_HOST_MASK, ~vmx->cr4_owned);
	vmx_update_crs(v);
}

/* The controls that a paging mode chooses. */
static void set_mode_controls(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	/* Looping #AC or #DB delivery would hold the CPU: both go through us. SDM vol. 3, 26.2. */
	u32 exceptions = BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC);

	if (v->pv.pg->ops->traps & TRAP_PF)
		exceptions |= BIT(X86_TRAP_PF);
	vmx->primary = primary_controls(v);
	vmx->stepping = false;
	v->pv.rearm = true;
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, vmx->primary);
	if (vmx->primary & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
		vmcs_write32(SECONDARY_VM_EXEC_CONTROL, secondary_controls(v));
	vmcs_write32(EXCEPTION_BITMAP, exceptions);
	vmx_new_cpuid(v);
}

void vmx_mode_changed(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmx->nested = v->pv.pg->ops->traps & TRAP_NESTED;
	set_mode_controls(v);
	/* The other modes' CR3 comes with their root. */
	if (vmx->nested)
		vmcs_writel(GUEST_CR3, v->pv.cr3);
}

static void set_step(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmx->stepping = v->pv.step;
	if (vmx->stepping)
		vmx->primary |= CPU_BASED_MONITOR_TRAP_FLAG;
	else
		vmx->primary &= ~CPU_BASED_MONITOR_TRAP_FLAG;
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, vmx->primary);
}

/* SSP's base-address buffer: let its values pass, or none while it is off. */
static void set_cr3_targets(struct vcpu *v)
{
	const struct paging_vcpu *pv = &v->pv;
	u32 n = 0;

	while (pv->share_on && n < cpu_caps.root_targets && pv->share.slot[n].cr3) {
		vmcs_write_raw(CR3_TARGET_VALUE0 + 2 * n, pv->share.slot[n].load);
		n++;
	}
	vmcs_write32(CR3_TARGET_COUNT, n);
}

void vmx_rearm(struct vcpu *v)
{
	v->pv.rearm = false;
	if (v->pv.step != to_vmx(v)->stepping)
		set_step(v);
	set_cr3_targets(v);
	/*
	 * #PF exits where (error code & mask) == match, by the exception bitmap's bit (SDM vol. 3,
	 * 26.2): all of them, or only those of present translations.
	 */
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, v->pv.direct ? PF_P : 0);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, v->pv.direct ? PF_P : 0);
}

void vmx_vcpu_setup(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
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
	vmx->slice = vmx_slice(v->patience);
	if (vmx->slice)
		vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, vmx->slice);
	vmcs_write64(MSR_BITMAP, __pa(vmx_msr_bitmap));
	vmcs_write64(VMCS_LINK_POINTER, ~0ULL);
	if (vmx->tag.vpid)
		vmcs_write16(VIRTUAL_PROCESSOR_ID, vmx->tag.vpid);

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
	vmcs_writel(HOST_FS_BASE, vmx->host_fs_base);
	vmx_mitigate_vcpu(v);
	rdmsrq(MSR_EFER, value);
	vmcs_write64(HOST_IA32_EFER, value);
}

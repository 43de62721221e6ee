// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's performance counters at VM entries and exits, so that an event which asks for it counts
 * in the guest alone (perf_event_open(2): exclude_host, exclude_guest; perf stat -e EVENT:G).
 *
 * Nothing is counted here. Who wants a count opens the event on the thread that calls KVM_RUN, as
 * the runner does for its columns, and the kernel's perf chooses a counter, reads it, and takes it
 * back when that thread ends, however it ends. perf marks counters of the guest and of the host in
 * masks; what is missing is that the CPU follows them at each transition, and only the hypervisor
 * can do that. It is what KVM does too, so a count means the same under both. A host counter
 * that writes records into memory (PEBS) is off in the guest whatever pmu says: it would write
 * through the guest's page tables.
 *
 * perf's masks change under interrupts only, so they are looked at once a burst and after each
 * interrupt window, never at an exit. While no event asks for a difference, entries and exits
 * switch nothing.
 *
 * Not run on silicon yet: the emulated host has no such counters.
 */
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/perf_event.h>
#include <asm/processor.h>

#include "../compat.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

#define EXIT_GLOBAL  VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL
#define ENTRY_GLOBAL VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL

/*
 * Models of family 6 on which a VM exit may lose bits 34:32 of the register it should load: errata
 * AAK155, AAP115, AAT100, BC86, BA97. The lists of MSRs do it right there.
 */
static const u8 global_broken[] = { 0x1a, 0x1e, 0x25, 0x2c, 0x2e };

/**
 * vmx_perf_probe() - how IA32_PERF_GLOBAL_CTRL is switched on this CPU: vmx_config.perf_global
 *
 * vmx_config has both controls where the CPU has them; they leave it, and are on only while needed.
 */
void vmx_perf_probe(void)
{
	unsigned int i;

	vmx_config.perf_global =
		(vmx_config.exit & EXIT_GLOBAL) && (vmx_config.entry & ENTRY_GLOBAL);
	for (i = 0; i < ARRAY_SIZE(global_broken); i++)
		if (boot_cpu_data.x86 == 6 && boot_cpu_data.x86_model == global_broken[i])
			vmx_config.perf_global = false;
	vmx_config.exit &= ~EXIT_GLOBAL;
	vmx_config.entry &= ~ENTRY_GLOBAL;
}

static noinline void use_global(struct vcpu *v, bool on)
{
	to_vmx(v)->perf_global = on;
	vmcs_write32(VM_EXIT_CONTROLS, vmx_config.exit | (on ? EXIT_GLOBAL : 0));
	vmcs_write32(VM_ENTRY_CONTROLS, vmx_config.entry | (on ? ENTRY_GLOBAL : 0));
}

static noinline void use_lists(struct vcpu *v, u32 count)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmx->perf_count = count;
	vmcs_write64(VM_ENTRY_MSR_LOAD_ADDR, __pa(vmx->perf_guest));
	vmcs_write64(VM_EXIT_MSR_LOAD_ADDR, __pa(vmx->perf_host));
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, count);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, count);
}

/**
 * vmx_perf_switch() - let entries and exits switch what perf wants switched now
 * @v: the vCPU, loaded; interrupts are off
 */
void vmx_perf_switch(struct vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	bool global = false, pmu = READ_ONCE(param.pmu);
	struct perf_guest_switch_msr *msr;
	u32 count = 0;
	int i, nr = 0;

	msr = compat_guest_msrs(&nr);
	for (i = 0; msr && i < nr; i++) {
		/* Records must not be written through the guest's tables, counted or not. */
		if (msr[i].host == msr[i].guest || (!pmu && msr[i].msr != MSR_IA32_PEBS_ENABLE))
			continue;
		if (msr[i].msr == MSR_CORE_PERF_GLOBAL_CTRL && vmx_config.perf_global) {
			vmcs_write64(GUEST_IA32_PERF_GLOBAL_CTRL, msr[i].guest);
			vmcs_write64(HOST_IA32_PERF_GLOBAL_CTRL, msr[i].host);
			global = true;
		} else if (count < VMX_PERF_MSRS) {
			vmx->perf_guest[count] = (struct vmx_msr_entry){
				.index = msr[i].msr,
				.value = msr[i].guest,
			};
			vmx->perf_host[count] = (struct vmx_msr_entry){
				.index = msr[i].msr,
				.value = msr[i].host,
			};
			count++;
		}
	}
	if (unlikely(global != vmx->perf_global))
		use_global(v, global);
	if (unlikely(count != vmx->perf_count))
		use_lists(v, count);
}

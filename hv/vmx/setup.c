// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module comes and goes: what VMX needs for that.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <asm/msr.h>
#include <asm/special_insns.h>

#include "../cpu.h"
#include "../penumbra.h"
#include "vmcs.h"
#include "vmx.h"

int vmx_probe(void)
{
	int err = vmx_caps_probe();

	if (err)
		return err;
	vmx_perf_probe();
	vmx_mitigate_probe();
	return 0;
}

static void check_ipi(void *answer)
{
	atomic_t *busy = answer;
	u64 basic;

	if (__read_cr4() & X86_CR4_VMXE) {
		atomic_set(busy, -EBUSY);
		return;
	}
	rdmsrq(MSR_IA32_VMX_BASIC, basic);
	if ((basic & 0x7fffffff) != vmx_config.revision)
		atomic_set(busy, -EOPNOTSUPP);
}

static void free_regions(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
	{
		free_page((unsigned long)per_cpu(vmx_cpu, cpu).region);
		per_cpu(vmx_cpu, cpu).region = NULL;
	}
	free_page((unsigned long)vmx_msr_bitmap);
	vmx_msr_bitmap = NULL;
}

static int alloc_regions(void)
{
	int cpu;

	vmx_msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL);
	if (!vmx_msr_bitmap)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
	{
		struct vmx_cpu *c = &per_cpu(vmx_cpu, cpu);

		INIT_LIST_HEAD(&c->loaded);
		c->region = (void *)get_zeroed_page(GFP_KERNEL);
		if (!c->region) {
			free_regions();
			return -ENOMEM;
		}
		*(u32 *)c->region = vmx_config.revision;
	}
	return 0;
}

/* MSRs that the guest reaches without an exit: SDM vol. 3, 25.6.9 has the layout. */
static void fill_msr_bitmap(void)
{
	static const u32 read_write[] = {
		MSR_FS_BASE,	      MSR_GS_BASE,	     MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	static const u32 read_only[] = { MSR_STAR, MSR_LSTAR, MSR_SYSCALL_MASK };
	unsigned int i;

	memset(vmx_msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(read_write); i++) {
		u32 msr = read_write[i], high = msr >= 0xc0000000 ? 1024 : 0;

		clear_bit(msr & 0x1fff, vmx_msr_bitmap + high);
		clear_bit(msr & 0x1fff, vmx_msr_bitmap + 2048 + high);
	}
	for (i = 0; i < ARRAY_SIZE(read_only); i++)
		clear_bit(read_only[i] & 0x1fff, vmx_msr_bitmap + 1024);
}

int vmx_setup(void)
{
	atomic_t busy = ATOMIC_INIT(0);
	int err;

	on_each_cpu(check_ipi, &busy, 1);
	err = atomic_read(&busy);
	if (err) {
		vmx_refuse(err == -EBUSY ? vmx_ops.words.taken
					 : "the CPUs of this machine differ in their VT-x");
		return err;
	}
	vmx_refuse("out of memory");
	err = alloc_regions();
	if (err)
		return err;
	fill_msr_bitmap();
	return 0;
}

void vmx_cleanup(void)
{
	free_regions();
}

const struct cpu_ops vmx_ops = {
	.words = {
		.feature = "VMX",
		/* KVM holds it while it is loaded on Linux 6.12 and later. */
		.taken = "VT-x is in use by another hypervisor; stop it first (KVM: end its VMs; "
			 "from Linux 6.12 on also rmmod kvm_intel, or kvm.enable_virt_at_load=0)",
		.nested = "EPT",
		.nested_ad = "accessed and dirty flags in EPT",
		.tags = "VPID with INVVPID",
		.step = "the monitor trap flag",
	},
#define CPU_OP(type, name, params, args) .name = vmx_##name,
#include "../cpu_ops.h"
};

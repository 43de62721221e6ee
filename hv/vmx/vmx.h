/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What VMX keeps in a vCPU, and what the files in this folder share.
 */
#ifndef PENUMBRA_VMX_H
#define PENUMBRA_VMX_H

#include <linux/list.h>
#include <linux/types.h>
#include <asm/vmx.h>

#include "../penumbra.h"

/* How to enter: vmx_vcpu.how. */
#define VMX_ENTER_LAUNCH 1 /* VMLAUNCH rather than VMRESUME */
#define VMX_ENTER_VERW	 2 /* clear the CPU's buffers first */
#define VMX_ENTER_SPEC	 4 /* the guest has an IA32_SPEC_CTRL of its own, which is 0 */

struct invvpid_operand {
	u64 vpid, gva; /* gva: canonical */
};
#define VMX_PERF_MSRS 4 /* as many as perf names at most, and one to spare */

/* A vCPU of ours. entry.S reads the first three by generated offsets. */
struct vmx_vcpu {
	struct vcpu vcpu; /* first: entry.S gets its address */
	u64 host_rsp;	  /* what the HOST_RSP field holds */
	u32 how;	  /* VMX_ENTER_*; nearly always 0 */
	bool stepping;	  /* the monitor trap flag is on */
	bool nested;
	struct invvpid_operand tag; /* vpid 0: none */
	u32 reason;		    /* of the last exit */
	u32 primary;		    /* the primary controls as last written */
	u32 entry_error;	    /* VM-instruction error, where the entry failed */

	void *vmcs;
	int cpu;		 /* where the VMCS is loaded, -1: nowhere */
	int flushed_cpu;	 /* the TLB of this CPU knows nothing stale of this vCPU */
	struct list_head loaded; /* on that CPU's list */

	/* The host's side, as last written to the VMCS. */
	int host_cpu;
	u64 host_cr3, host_cr4, host_fs_base;
	/* The host's side, to be put back at the end of a burst. */
	u16 host_ds, host_es, host_fs, host_gs, host_ldt;
	u64 host_kernel_gs_base;
	u64 host_debugctl;
	bool debug_loaded; /* DR0 to DR3 are the guest's; these are the host's */
	u64 host_dr[4];

	u64 cr0_owned, cr4_owned; /* bits the guest changes without an exit */
	u32 slice;		  /* guest time until it is stopped; vmx_slice() */

	/* The host's performance counters: perf.c. */
	bool perf_global; /* IA32_PERF_GLOBAL_CTRL is switched by control fields */
	u32 perf_count;	  /* MSRs switched by the lists */
	struct vmx_msr_entry perf_guest[VMX_PERF_MSRS], perf_host[VMX_PERF_MSRS];
};

static_assert(!offsetof(struct vmx_vcpu, vcpu));
#define to_vmx(v) container_of(v, struct vmx_vcpu, vcpu)

/* All of the VMX controls that do not depend on a VM; worked out once from the capability MSRs. */
struct vmx_config {
	u32 revision;
	u32 pin, primary, secondary, exit, entry;
	bool slice_timer; /* the VMX-preemption timer can end a guest's time slice */
	u8 slice_shift;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	bool perf_global; /* control fields can switch IA32_PERF_GLOBAL_CTRL */
	bool nested;	  /* as in cpu_caps, and TLB tags */
	bool tags;
	bool invept_context;
	bool invvpid_address;
	u32 invvpid_context_type; /* the narrowest that drops a VPID's entries */
	bool wants_cr3_exits;	  /* the CPU cannot leave MOV CR3 alone */
};
extern struct vmx_config vmx_config;

/* One physical CPU. */
struct vmx_cpu {
	bool on;
	bool tags_known;	   /* no VPID or EPT tag is stale that nobody of ours left */
	struct vcpu *current_vcpu; /* whose VMCS is current */
	struct vcpu *ran_last;	   /* the predictor may have learnt from it */
	struct list_head loaded;   /* vmx_vcpu.loaded of all VMCSs that are active here */
	void *region;		   /* of VMXON */
};
DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

extern void *vmx_msr_bitmap;

/* The slots of vmx_ops: ../cpu_ops.h says what each does. */
#define CPU_OP(type, name, params, args) type vmx_##name params;
#include "../cpu_ops.h"

int vmx_caps_probe(void);
void vmx_refuse(const char *why);
u32 vmx_slice(u64 ticks);
u16 vmx_vpid_get(void);
void vmx_vpid_put(u16 vpid);
void vmx_invept(u64 eptp);
void vmx_clear_here(struct vcpu *v);
void vmx_vmclear(void *vmcs);
void vmx_vmptrld(void *vmcs);
void vmx_load_debug_registers(struct vcpu *v);
void vmx_forget_launch(struct vcpu *v);
void vmx_perf_probe(void);
void vmx_perf_switch(struct vcpu *v);

/**
 * vmx_invvpid() - drop what is cached under VPIDs
 * @op: VPID and address, each where @type asks for it; one address is dropped in every PCID
 * @type: VMX_VPID_EXTENT_*, one that this CPU has
 */
static __always_inline void vmx_invvpid(struct invvpid_operand *op, unsigned long type)
{
	asm volatile("invvpid %0, %1" : : "m"(*op), "r"(type) : "cc", "memory");
}

/* mitigate.c */
void vmx_mitigate_probe(void);
void vmx_mitigate_vcpu(struct vcpu *v);
void vmx_mitigate_switch(struct vcpu *v);
void vmx_mitigate_host_ran(struct vcpu *v);
void vmx_mitigate_burst_end(struct vcpu *v);

/* entry.S: not for C to call, see enter() in run.c. */
void vmx_enter(void);
extern const char vmx_exit_guarded[], vmx_exit_plain[];

#endif

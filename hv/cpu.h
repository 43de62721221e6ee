/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other seam: what the vendor's virtualisation (VMX now) offers to the rest, in plain data.
 * hv/vmx implements it; nothing outside hv/vmx knows a control field or an exit reason.
 *
 * "Loaded" means: the calling thread has preemption off and cpu_load() has said yes. Functions
 * that read or change guest state need that.
 */
#ifndef PENUMBRA_CPU_H
#define PENUMBRA_CPU_H

#include "mmu/paging.h"

struct kvm_segment;
struct kvm_sregs;
struct vcpu;

/* What this machine's CPUs can do for guests. */
struct cpu_caps {
	u8 maxphyaddr;	     /* of the host; a guest's: paging_address_bits() */
	bool guest_1g;	     /* 1 GiB pages in ordinary page tables */
	bool nested;	     /* second-level tables */
	u8 nested_max_level; /* 1: 4K, 2: 2M, 3: 1G */
	bool nested_ad;	     /* accessed and dirty flags in them */
	bool tagged_tlb;     /* VPID */
	bool single_step;    /* monitor trap flag */
	bool invpcid;	     /* guests may use INVPCID */
	bool trap_entries;   /* page-table entries have an address bit that is reserved */
	u64 cr4_possible;    /* bits hardware lets a guest set */
};
extern struct cpu_caps cpu_caps;

/*
 * Why the guest stopped, whatever the vendor calls it. KIND(NAME, name): the kind is EXIT_NAME, its
 * handler exit_name(); both lists are made from this one, so there is no kind without a handler.
 */
/* clang-format off */
#define EXIT_KINDS_LIST(KIND)                                                                      \
	KIND(UNKNOWN, unknown)                                                                     \
	KIND(PF, pf)               /* #PF; cpu_exit_pf() */                                        \
	KIND(NESTED, nested)       /* second-level violation; cpu_exit_nested() */                 \
	KIND(NESTED_BAD, nested_bad) /* second-level entry that hardware does not accept */        \
	KIND(EXCEPTION, exception) /* #DB or #AC: goes back to the guest */                        \
	KIND(MACHINE_CHECK, machine_check)                                                         \
	KIND(NMI, nmi)                                                                             \
	KIND(INTERRUPT, interrupt) /* the host's; also the end of a time slice */                  \
	KIND(STEP, step)                                                                           \
	KIND(CPUID, cpuid)                                                                         \
	KIND(VMCALL, vmcall)                                                                       \
	KIND(CR, cr)               /* cpu_exit_cr() */                                             \
	KIND(DR, dr)               /* cpu_exit_dr() */                                             \
	KIND(INVLPG, invlpg)       /* cpu_exit_invlpg() */                                         \
	KIND(INVPCID, invpcid)     /* cpu_exit_invpcid() */                                        \
	KIND(RDMSR, rdmsr)                                                                         \
	KIND(WRMSR, wrmsr)                                                                         \
	KIND(IO, io)               /* cpu_exit_io() */                                             \
	KIND(HLT, hlt)                                                                             \
	KIND(NOP, nop)             /* does nothing here: WBINVD, INVD, MONITOR, MWAIT */           \
	KIND(GP, gp)               /* raises #GP here: RDPMC */                                    \
	KIND(UD, ud)               /* is not there: VMX, XSETBV, and what CPUID hides */           \
	KIND(TASK_SWITCH, task_switch)                                                             \
	KIND(TRIPLE_FAULT, triple_fault)                                                           \
	KIND(ENTRY_FAILED, entry_failed) /* the vendor refused the guest's state */
/* clang-format on */

#define EXIT_KIND_ENUM(NAME, name) EXIT_##NAME,
enum exit_kind { EXIT_KINDS_LIST(EXIT_KIND_ENUM) EXIT_KINDS };
#undef EXIT_KIND_ENUM

/* The guest did nothing that this exit came of, and cannot tell that there was one. */
static inline bool exit_is_hosts(unsigned int kind)
{
	return kind == EXIT_INTERRUPT || kind == EXIT_NMI || kind == EXIT_MACHINE_CHECK;
}

enum cr_op { CR_WRITE, CR_READ, CR_CLTS, CR_LMSW };

/* In the layout of Intel SDM vol. 3, table 28-3, so that it costs nothing to make. */
union exit_cr {
	u32 word;
	struct {
		u32 cr : 4;
		u32 op : 2; /* enum cr_op */
		u32 : 2;
		u32 gpr : 4; /* CR_WRITE, CR_READ */
		u32 : 4;
		u32 value : 16; /* CR_LMSW */
	};
};

struct exit_dr {
	u8 dr;
	u8 gpr;
	bool read;
};

struct exit_io {
	u16 port;
	u8 size;
	bool in;
	bool string;
	bool rep;
	gva_t gva; /* string: the memory operand */
	bool wide; /* string: 64-bit addresses, 32-bit otherwise */
};

struct exit_invpcid {
	u8 gpr;	   /* holds the type */
	gva_t gva; /* of the descriptor */
};

/* Deliverable exceptions. */
#define EXC_DB 1
#define EXC_UD 6
#define EXC_DF 8
#define EXC_GP 13
#define EXC_PF 14
#define EXC_AC 17

#define EVENT_VECTOR	0xffu
#define EVENT_TYPE	0x700u
#define EVENT_EXCEPTION (3u << 8)
#define EVENT_CODE	BIT(11)
#define EVENT_VALID	BIT(31)

/* What it is called in messages. */
#define CPU_FEATURE "VMX"

/* What to say of -EBUSY. KVM holds it while it is loaded on Linux 6.12 and later. */
#define CPU_TAKEN                                                                            \
	"VT-x is in use by another hypervisor; stop it first (KVM: end its VMs; from Linux " \
	"6.12 on also rmmod kvm_intel, or kvm.enable_virt_at_load=0)"

/* Module life. */
int cpu_probe(void);
const char *cpu_why_not(void);
int cpu_setup(void);
void cpu_cleanup(void);

/* One CPU, interrupts off: power.c. */
int cpu_on_here(void);
void cpu_off_here(void);
void cpu_forget_tags(void);
void cpu_emergency_off(void);

/* vCPU life. */
int cpu_vcpu_init(struct vcpu *v);
void cpu_vcpu_setup(struct vcpu *v);
void cpu_vcpu_free(struct vcpu *v);
bool cpu_load(struct vcpu *v);
bool cpu_still_loaded(struct vcpu *v);
void cpu_unload(struct vcpu *v);

/* A burst: interrupts are off from cpu_burst_begin() to cpu_burst_end(). */
void cpu_burst_begin(struct vcpu *v);
void cpu_burst_end(struct vcpu *v);
bool cpu_let_interrupts(struct vcpu *v);
void cpu_host_code_ran(struct vcpu *v);
void cpu_take_nmi(struct vcpu *v);
bool cpu_take_machine_check(struct vcpu *v);
void cpu_rearm(struct vcpu *v);
unsigned int cpu_run(struct vcpu *v, unsigned int *kind); /* returns enum next */

/* The exit, in plain data. */
void cpu_exit_pf(struct vcpu *v, struct paging_fault *f);
void cpu_exit_nested(struct vcpu *v, struct paging_fault *f);
union exit_cr cpu_exit_cr(struct vcpu *v);
void cpu_exit_dr(struct vcpu *v, struct exit_dr *x);
gva_t cpu_exit_invlpg(struct vcpu *v);
bool cpu_exit_invpcid(struct vcpu *v, struct exit_invpcid *x);
void cpu_exit_io(struct vcpu *v, struct exit_io *x);
void cpu_exit_exception(struct vcpu *v, u32 *event, u32 *code, u64 *dr6);
u64 cpu_exit_qualification(struct vcpu *v);
u64 cpu_entry_failure(struct vcpu *v);
const char *cpu_reason_name(unsigned int reason);

/* Guest state. */
u64 cpu_rip(struct vcpu *v);
unsigned int cpu_skip(struct vcpu *v);
unsigned int cpu_skip_fault(struct vcpu *v, const struct paging_fault *f, unsigned int length);
bool cpu_in_long_mode(struct vcpu *v);
u64 cpu_rsp(struct vcpu *v);
unsigned int cpu_cpl(struct vcpu *v);
void cpu_set_gpr(struct vcpu *v, unsigned int reg, u64 value);
void cpu_fill_regs(struct vcpu *v);
void cpu_use_regs(struct vcpu *v);
void cpu_sync_crs(struct vcpu *v);
void cpu_update_crs(struct vcpu *v);
void cpu_update_root(struct vcpu *v);
void cpu_mode_changed(struct vcpu *v);
void cpu_set_regs(struct vcpu *v);
void cpu_new_cpuid(struct vcpu *v);
void cpu_get_sregs(struct vcpu *v, struct kvm_sregs *s);
void cpu_set_sregs(struct vcpu *v, const struct kvm_sregs *s);
u64 cpu_guest_dr7(struct vcpu *v);
void cpu_set_guest_dr7(struct vcpu *v, u64 value);
u64 cpu_get_msr(struct vcpu *v, u32 index);
void cpu_set_msr(struct vcpu *v, u32 index, u64 value);

#endif

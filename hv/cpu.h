/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other seam: what a vendor's virtualisation (VMX now) offers to the rest, in plain data. A folder
 * of its own implements it, and nothing outside knows a control field, an exit reason or the layout of
 * one of its words: scripts/check holds the rest to that. What one vendor lacks is a capability that is
 * asked for, never a question which vendor it is.
 */
#ifndef PENUMBRA_CPU_H
#define PENUMBRA_CPU_H

#include <linux/static_call_types.h>

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
	bool tagged_tlb;     /* entries and exits need flush no TLB */
	bool single_step;    /* an exit after one instruction of the guest's */
	bool pf_filter;	     /* exits of #PF can go by the error code */
	u8 root_targets;     /* CR3 values that can be loaded without an exit; up to ROOT_TARGETS */
	bool brief;	     /* virtualisation is on only while interrupts are off: compat.h */
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

/* The gaps let a vendor fill all of it at once. */
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

/* What the vendor's things are called in messages. */
struct cpu_words {
	const char *feature;   /* his virtualisation */
	const char *taken;     /* a sentence for -EBUSY */
	const char *nested;    /* second-level tables, ... */
	const char *nested_ad; /* ... accessed and dirty flags in them */
	const char *tags;      /* TLB entries tagged by guest */
	const char *step;      /* single steps */
};
extern struct cpu_words cpu_words;

/* A vendor's virtualisation. What each slot does says cpu_ops.h. */
struct cpu_ops {
	struct cpu_words words;
#define CPU_OP(type, name, params, args) type(*name) params;
#include "cpu_ops.h"
};

/* clang-format off */
/* For each slot a function of that name: a static call, which cpu_use() points at the vendor's own. */
#define CPU_OP(type, name, params, args)                                                           \
	DECLARE_STATIC_CALL(cpu_##name, *((struct cpu_ops *)NULL)->name);                          \
	static __always_inline type cpu_##name params { return static_call(cpu_##name) args; }
#include "cpu_ops.h"
/* clang-format on */

void cpu_use(const struct cpu_ops *ops);

/* The vendors there are; main.c chooses. */
extern const struct cpu_ops vmx_ops;

#endif

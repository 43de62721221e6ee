/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two things the kernel side is about, a VM and its vCPU, and who offers what to whom.
 *
 * Locks, outermost first:
 *   vcpu.mutex	 one ioctl on a vCPU at a time; KVM_RUN holds it until it returns
 *   vm.lock	 memory slots and everything behind paging_ops; held while the guest runs. Who wants
 *		 it from elsewhere takes it with vm_lock(), which asks the running vCPU to step aside
 */
#ifndef PENUMBRA_H
#define PENUMBRA_H

#include <linux/atomic.h>
#include <linux/interrupt.h>
#include <linux/jump_label.h>
#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <asm/fpu/types.h>
#include <asm/processor-flags.h>

#include "compat.h"
#include "cpu.h"
#include "mmu/emulate.h"
#include "mmu/paging.h"

#define PENUMBRA_MAX_VCPUS	  1
#define PENUMBRA_HC_SHARE_ROOTS	  0x70656e01 /* VMCALL: RBX is the page; mmu/shadow/roots.c */
#define PENUMBRA_MAX_CPUID	  256
#define PENUMBRA_RUN_PAGES	  2 /* struct kvm_run, and the page that KVM_EXIT_IO's data is in */
#define PENUMBRA_MAX_EXIT_REASONS 80

struct dentry;
struct file;
struct gtt_dev;
struct seq_file;

/* How long the handling of exits took, while exit_times=1: ticks of the TSC. trace.c. */
struct exit_times {
	struct exit_time {
		u64 exits, sum, min, max;
	} of[CAUSES];
	/* The last exit, which is not over: the guest has not gone on. */
	unsigned int cause;
	bool known; /* its cause is */
	u64 ticks;
};

struct vm {
	struct kref ref;       /* one for each of its file descriptors */
	struct list_head link; /* in the list of all VMs */
	unsigned int id;
	const struct paging_ops *want; /* the mode it shall be in; vm_switch_mode() */
	struct mm_struct *mm;	       /* only this process's threads may use the VM */
	struct mutex lock;
	atomic_t waiters; /* who wants lock; the vCPU steps aside while there is any */
	struct gmem mem;
	struct paging pg;
	struct vcpu *vcpu;   /* the only one; freed with the VM */
	struct gtt_dev *gtt; /* NULL: this VM has none */
	struct counters count;
	u64 by_reason[PENUMBRA_MAX_EXIT_REASONS]; /* VM exits by the vendor's reason number */
	u64 odd_exits;				  /* those without one: entries that failed */
	struct exit_times times;
	u64 charged; /* pages charged to mm->locked_vm and not yet pinned */
	struct dentry *debugfs;
	char stats_id[48];
};

/* What KVM_RUN has to finish before the guest runs on, after user space answered. */
enum answer {
	ANSWER_NOTHING,
	ANSWER_IN,	  /* IN: the answer goes to rAX */
	ANSWER_MMIO_READ, /* a load from device memory: the answer goes to a register */
};

/* The vendor keeps what it needs around it: cpu_vcpu_alloc(). */
struct vcpu {
	struct emu_regs regs; /* gpr[] is always right but for rsp; the rest when asked for */
	/* Of the exit that is being handled; here, not on the stack, because each exit pays for that. */
	struct paging_fault fault;
	struct paging_result result;
	struct paging_vcpu pv;
	struct vm *vm;

	/* State that no control field holds. */
	u64 cr2, cr8;
	u64 dr[4], dr6;
	u64 star, lstar, cstar, fmask, kernel_gs_base, pat;
	struct fxregs_state fx;

	/*
	 * The event to inject at the next entry: vector, type << 8, BIT(11) with error code,
	 * BIT(31) valid. Intel SDM vol. 3, 25.8.3; AMD's EVENTINJ is laid out alike.
	 */
	u32 event;
	u32 event_code;
	u32 event_len;	/* of the instruction, for software interrupts and exceptions */
	u32 injections; /* since the host last had a chance; exit_settle() */
	u64 patience;	/* the host's, in TSC ticks: slice_us */
	u64 look_at;	/* TSC from which on the host is to have one, likewise */

	/* What made the burst end. */
	gpa_t want_gpa;	    /* to be pinned */
	unsigned int retry; /* the exit to handle again once that is done; 0: none */

	struct kvm_run *run;
	void *pio;
	struct mutex mutex;
	struct task_struct *task; /* inside KVM_RUN */
	enum answer answer;
	struct emu_access mmio;
	bool long_mode; /* KVM_SET_SREGS has put it where it can run */
	bool has_run;
	bool stopped; /* the VM cannot go on */
	bool mitigations;
	bool tagged; /* its TLB entries are, so that entries and exits flush none; the vendor says */

	u64 cr4_allowed; /* bits the guest may set, by its CPUID */
	u32 nr_cpuid;
	u32 last_cpuid; /* index of the entry that answered last */
	struct kvm_cpuid_entry2 *cpuid;
};

/**
 * cpu_gpr() - a general register by its number in instructions
 * @v: the vCPU, loaded
 * @reg: 0 to 15
 */
static inline u64 cpu_gpr(struct vcpu *v, unsigned int reg)
{
	return unlikely(reg == 4) ? cpu_rsp(v) : v->regs.gpr[reg];
}

/* What the inner loop does next. Everything but NEXT_ENTER ends the burst. */
enum next {
	NEXT_ENTER,  /* enter the guest again */
	NEXT_BREAK,  /* let the host have the CPU, then go on */
	NEXT_PIN,    /* pin vcpu.want_gpa, then go on */
	NEXT_REFILL, /* refill the table pool, then go on */
	NEXT_AGAIN,  /* let the host have the CPU, then go on with the same exit */
	NEXT_USER,   /* vcpu.run says what user space has to do */
	NEXT_NO_CPU, /* virtualisation is off here (the CPU is going away): go on elsewhere */
};

/* Module parameters, as they are for VMs that are created now. params.c. */
struct parameters {
	const struct paging_ops *mode;
	unsigned int nested_max_level;
	unsigned int shadow_budget;
	bool nested_ad;
	bool tagged_tlb;
	bool prefault;
	bool single_step;
	bool mitigations;
	bool direct_faults;
	bool split_exec;
	bool pmu;
	bool exit_times;
	unsigned int hybrid_threshold;
	unsigned int hybrid_quiet;
	unsigned int slice_us;
};
extern struct parameters param;

/**
 * vcpu_host_looked() - the host has just had its chance to take interrupts
 * @v: the vCPU, inside a burst
 */
static inline void vcpu_host_looked(struct vcpu *v)
{
	v->injections = 0;
	v->look_at = rdtsc() + v->patience;
}

/* Events injected in a row until the host is asked whether it has interrupts waiting. */
#define INJECTIONS_MAX 256u

/* abi.c */
extern const struct file_operations penumbra_dev_fops;

/* vm.c */
struct vm *vm_create(void);
void vm_put(struct vm *vm);
int vm_switch_mode(struct vm *vm);
void vm_new_parameters(void);

/* memory.c */
int memory_init(struct vm *vm);
void memory_drop_regions(struct vm *vm);
void memory_free(struct vm *vm);
int memory_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region);
int memory_pin(struct vm *vm, gfn_t gfn);
int memory_refill(struct vm *vm);

/* request.c */
void request_look(struct vm *vm);
void vm_lock(struct vm *vm);
int vm_lock_killable(struct vm *vm);
void vm_unlock(struct vm *vm);

/* power.c */
int power_start(void);
void power_stop(void);
int power_hold(void);
void power_drop(void);

/* vcpu.c */
struct vcpu *vcpu_create(struct vm *vm);
void vcpu_free(struct vcpu *v);
int vcpu_hold_cpu(struct vcpu *v);
void vcpu_release_cpu(struct vcpu *v);

/* run.c */
int vcpu_run(struct vcpu *v);

/*
 * Should the burst end? Set together with an interrupt for this CPU, always. On kernels whose
 * kernel_fpu_begin() holds softirqs off, what an interrupt left to them waits for the burst's end.
 */
static inline bool vcpu_host_wants_cpu(const struct vcpu *v)
{
	return (read_thread_flags() & (COMPAT_TURN | COMPAT_WORK)) ||
	       atomic_read(&v->vm->waiters) || READ_ONCE(v->vm->want) != v->vm->pg.ops ||
	       (softirq_count() && local_softirq_pending());
}

/* state.c */
/* Bits of CR0 that there are; the CPU ignores writes to the others below bit 32. */
#define CR0_KNOWN                                                                      \
	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | \
	 X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
void state_reset(struct vcpu *v);
int state_set_regs(struct vcpu *v, const struct kvm_regs *r);
void state_get_regs(struct vcpu *v, struct kvm_regs *r);
int state_set_sregs(struct vcpu *v, const struct kvm_sregs *s);
void state_get_sregs(struct vcpu *v, struct kvm_sregs *s);
int state_set_fpu(struct vcpu *v, const struct kvm_fpu *f);
void state_get_fpu(struct vcpu *v, struct kvm_fpu *f);
bool state_cr0_valid(u64 cr0);
bool state_cr4_valid(const struct vcpu *v, u64 cr4);
bool state_efer_valid(u64 efer);

/**
 * state_canonical() - can the CPU translate this linear address?
 * @address: 48-bit addresses: LA57 is never offered
 */
static inline bool state_canonical(u64 address)
{
	return (u64)((s64)(address << 16) >> 16) == address;
}

/**
 * state_cr3_valid() - would MOV to CR3 take this value?
 * @v: the vCPU
 * @cr3: the value; bit 63 means "keep the TLB" where PCIDs are on
 * @cr4: CR4 that rules
 */
static inline bool state_cr3_valid(const struct vcpu *v, u64 cr3, u64 cr4)
{
	unsigned int width = v->vm->pg.cfg.maxphyaddr;

	if (likely(!(cr3 >> width)))
		return true;
	return (cr4 & X86_CR4_PCIDE) && !((cr3 & ~BIT_ULL(63)) >> width);
}

/* msr.c */
bool msr_read(struct vcpu *v, u32 index, u64 *value);
bool msr_write(struct vcpu *v, u32 index, u64 value);
bool msr_set(struct vcpu *v, u32 index, u64 value);
extern const u32 msr_list[];
extern const unsigned int msr_count;

/* cpuid.c */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nr);
void cpuid_answer(struct vcpu *v);
u64 cpuid_cr4_allowed(struct vcpu *v);

/* exit.c */
typedef enum next (*exit_handler)(struct vcpu *v);
extern const exit_handler exit_table[]; /* for enum exit_kind: what to do about it */
void exit_complete(struct vcpu *v);

/* settle.c */
enum next exit_settle(struct vcpu *v);

/* trace.c */
DECLARE_STATIC_KEY_FALSE(exit_tracing);
enum next exit_traced(struct vcpu *v, unsigned int kind);
void trace_times(bool on);
void trace_forget_times(struct vm *vm);
void trace_show_times(struct seq_file *m, const struct vm *vm);

/* report.c */
void report_init(void);
void report_exit(void);
void report_vm_add(struct vm *vm);
void report_vm_remove(struct vm *vm);
void report_derive(struct vm *vm);

/* stats.c */
int stats_fd(struct vm *vm, bool of_vcpu);

#endif

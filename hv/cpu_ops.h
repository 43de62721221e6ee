/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slots of struct cpu_ops: CPU_OP(returns, name, parameters, arguments), above each what it does.
 *
 * The one list of them, included by who defines CPU_OP first: cpu.h makes the struct of it and a
 * function cpu_NAME() for each slot, cpu.c the static calls behind those, and a vendor its prototypes
 * and its table. Every slot is filled.
 *
 * "Loaded" means: the calling thread has preemption off, cpu_load() has said yes, and so has
 * cpu_still_loaded() with interrupts off since. What takes a vCPU needs that, but for its birth and end.
 */
#ifndef CPU_OP
#define CPU_OP(type, name, params, args)
#endif

/* clang-format off */

/* ---- the module's life ---- */

/* Is this vendor's virtualisation there, and what can it do: fills cpu_caps. 0; -ENODEV when this is
 * no such CPU or it is off; another errno when it cannot be used. May be called while parameters are set. */
CPU_OP(int, probe, (void), ())
/* The sentence that belongs to the last refusal, without a full stop. */
CPU_OP(const char *, why_not, (void), ())
/* See that every CPU can be used, and make what that takes; cpu_probe() has said yes. 0 or an errno. */
CPU_OP(int, setup, (void), ())
/* The opposite; no VM exists. */
CPU_OP(void, cleanup, (void), ())

/* ---- one CPU, interrupts off: power.c ---- */

/* Virtualisation goes on here. 0, -EBUSY when somebody else has it on, -EIO when the CPU refuses. */
CPU_OP(int, on_here, (void), ())
/* The opposite: every vCPU that is loaded here is so no more. Harmless where it is off. */
CPU_OP(void, off_here, (void), ())
/* It is off here, and whoever has it next may leave TLB tags that we will use. */
CPU_OP(void, forget_tags, (void), ())
/* A panic: switch it off here, in any context, NMI included. Nothing of ours will run any more. */
CPU_OP(void, emergency_off, (void), ())

/* ---- a vCPU's life ---- */

/* Memory for a vCPU and what the vendor keeps with it, all zero; NULL. */
CPU_OP(struct vcpu *, vcpu_alloc, (void), ())
/* Make the vendor's part; the paging mode is known. Sets vcpu.tagged. 0 or an errno. May sleep. */
CPU_OP(int, vcpu_init, (struct vcpu *v), (v))
/* Give it the state that is the same in every guest. Loaded. */
CPU_OP(void, vcpu_setup, (struct vcpu *v), (v))
/* The end, of the memory too; vcpu_init and vcpu_setup may never have been reached. */
CPU_OP(void, vcpu_free, (struct vcpu *v), (v))
/* Bring it to this CPU; preemption is off, interrupts are on. False when virtualisation is off here,
 * because the CPU is going away. */
CPU_OP(bool, load, (struct vcpu *v), (v))
/* Is it still there? Interrupts are off, and stay so until unload. With cpu_caps.brief virtualisation
 * comes on here. False when it was switched off between. */
CPU_OP(bool, still_loaded, (struct vcpu *v), (v))
/* Interrupts are about to be on. With cpu_caps.brief virtualisation goes off. */
CPU_OP(void, unload, (struct vcpu *v), (v))

/* ---- a burst: run.c ---- */

/* The guest will run on this CPU: load what no control field holds. Interrupts are off until the end. */
CPU_OP(void, burst_begin, (struct vcpu *v), (v))
/* Give the CPU back to the host; the vCPU may have been taken away by let_interrupts. */
CPU_OP(void, burst_end, (struct vcpu *v), (v))
/* Run the guest, exit by exit, until something ends the burst: run.h. @kind: an exit to be handled
 * again first, 0: none; says of which exit the answer is. That is enum next, never NEXT_ENTER. */
CPU_OP(unsigned int, run, (struct vcpu *v, unsigned int *kind), (v, kind))
/* Let the host take its interrupts. False when virtualisation was switched off: the burst must end. */
CPU_OP(bool, let_interrupts, (struct vcpu *v), (v))
/* The guest may go on only after what host code that is not ours left behind. */
CPU_OP(void, host_code_ran, (struct vcpu *v), (v))
/* Let the host have the NMI that made the guest exit. */
CPU_OP(void, take_nmi, (struct vcpu *v), (v))
/* Let it have the machine check that did. False when it has no handler. */
CPU_OP(bool, take_machine_check, (struct vcpu *v), (v))
/* paging_vcpu.rearm: the paging mode wants to see other events than before. */
CPU_OP(void, rearm, (struct vcpu *v), (v))

/* ---- the last exit, in plain data ---- */

/* The fault behind EXIT_PF. */
CPU_OP(void, exit_pf, (struct vcpu *v, struct paging_fault *f), (v, f))
/* The fault behind EXIT_NESTED. */
CPU_OP(void, exit_nested, (struct vcpu *v, struct paging_fault *f), (v, f))
/* The access behind EXIT_CR: union exit_cr as a word, which compilers take apart no sooner than they need. */
CPU_OP(u32, exit_cr, (struct vcpu *v), (v))
/* The access behind EXIT_DR. */
CPU_OP(void, exit_dr, (struct vcpu *v, struct exit_dr *x), (v, x))
/* The address of INVLPG. */
CPU_OP(gva_t, exit_invlpg, (struct vcpu *v), (v))
/* The operands of INVPCID. False when the descriptor's address is not canonical. */
CPU_OP(bool, exit_invpcid, (struct vcpu *v, struct exit_invpcid *x), (v, x))
/* The access behind EXIT_IO. */
CPU_OP(void, exit_io, (struct vcpu *v, struct exit_io *x), (v, x))
/* The exception behind EXIT_EXCEPTION, ready to be given back: EVENT_* word, error code, and for #DB
 * the bits to set in DR6. */
CPU_OP(void, exit_exception, (struct vcpu *v, u32 *event, u32 *code, u64 *dr6), (v, event, code, dr6))
/* Its number in vm.by_reason[], if it has one there; for people. */
CPU_OP(unsigned int, exit_reason, (struct vcpu *v), (v))
/* What hardware says of it beside that; for people. */
CPU_OP(u64, exit_detail, (struct vcpu *v), (v))
/* For KVM_EXIT_FAIL_ENTRY, after EXIT_ENTRY_FAILED: why. */
CPU_OP(u64, entry_failure, (struct vcpu *v), (v))
/* What the vendor calls a reason; "" where it has no name. */
CPU_OP(const char *, reason_name, (unsigned int reason), (reason))

/* ---- the guest's state ---- */

/* Where the guest is. */
CPU_OP(u64, rip, (struct vcpu *v), (v))
/* The stack pointer, which vcpu.regs has only when asked for. */
CPU_OP(u64, rsp, (struct vcpu *v), (v))
/* The privilege level. */
CPU_OP(unsigned int, cpl, (struct vcpu *v), (v))
/* Is the code segment a 64-bit one? */
CPU_OP(bool, in_long_mode, (struct vcpu *v), (v))
/* Go to the next instruction: the one that exited has been carried out. NEXT_ENTER, so that a handler can
 * end with it. */
CPU_OP(unsigned int, skip, (struct vcpu *v), (v))
/* The same after the fault @f, whose exit may say no instruction length; so here it is. */
CPU_OP(unsigned int, skip_fault,
       (struct vcpu *v, const struct paging_fault *f, unsigned int length), (v, f, length))
/* Write a general register, by its number in instructions. */
CPU_OP(void, set_gpr, (struct vcpu *v, unsigned int reg, u64 value), (v, reg, value))
/* Bring all of vcpu.regs up to date. */
CPU_OP(void, fill_regs, (struct vcpu *v), (v))
/* The guest goes on with what an emulated instruction left in vcpu.regs. */
CPU_OP(void, use_regs, (struct vcpu *v), (v))
/* User space has set vcpu.regs: let them rule. */
CPU_OP(void, set_regs, (struct vcpu *v), (v))
/* Bring the paging code's view of the control registers up to date: bits that the guest owns it changed
 * without telling. */
CPU_OP(void, sync_crs, (struct vcpu *v), (v))
/* The opposite, for CR0, CR4 and EFER. */
CPU_OP(void, update_crs, (struct vcpu *v), (v))
/* The paging mode has made a new root: hw_cr3, and that of second-level tables. */
CPU_OP(void, update_root, (struct vcpu *v), (v))
/* The VM has another paging mode; the paging code's view of the control registers is up to date. */
CPU_OP(void, mode_changed, (struct vcpu *v), (v))
/* vcpu.cr4_allowed has changed, and with it what the guest may change unseen. */
CPU_OP(void, new_cpuid, (struct vcpu *v), (v))
/* Segments and tables; brings the view of the control registers up to date. */
CPU_OP(void, get_sregs, (struct vcpu *v, struct kvm_sregs *s), (v, s))
/* The opposite, with checked values; the control registers are in the paging code's view. */
CPU_OP(void, set_sregs, (struct vcpu *v, const struct kvm_sregs *s), (v, s))
/* DR7. */
CPU_OP(u64, guest_dr7, (struct vcpu *v), (v))
/* Write it; inside a burst breakpoints take effect at once. */
CPU_OP(void, set_guest_dr7, (struct vcpu *v, u64 value), (v, value))
/* An MSR that lives with the segments: FS or GS base, or one of SYSENTER's. */
CPU_OP(u64, get_msr, (struct vcpu *v, u32 index), (v, index))
/* The opposite, with a checked value. */
CPU_OP(void, set_msr, (struct vcpu *v, u32 index, u64 value), (v, index, value))

/* clang-format on */

#undef CPU_OP

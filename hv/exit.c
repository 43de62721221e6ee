// SPDX-License-Identifier: GPL-2.0-only
/*
 * What to do about each kind of VM exit: a table from kind to handler. A handler turns the exit
 * into calls of the paging mode or of the little device and register emulation there is, and says
 * what the inner loop does next.
 *
 * Handlers run with interrupts off and never sleep. A handler that needs something made where
 * sleeping is allowed returns NEXT_PIN or NEXT_REFILL and is called again for the same exit; so it
 * counts the exit's cause only when it is through with it.
 *
 * Here are the table and the handlers that are small; exit_mem.c, exit_cr.c and exit_io.c have those of
 * memory, of control registers and of I/O ports.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/ratelimit.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>

#include "cpu.h"
#include "event.h"
#include "exit.h"
#include "penumbra.h"

static enum next exit_cpuid(struct vcpu *v)
{
	count(counters_of(v), exits_cpuid);
	cpuid_answer(v);
	return cpu_skip(v);
}

static enum next exit_vmcall(struct vcpu *v)
{
	struct paging_vcpu *pv = &v->pv;
	int err = -KVM_ENOSYS;

	count(counters_of(v), exits_vmcall);
	if (v->regs.gpr[0] == PENUMBRA_HC_SHARE_ROOTS) {
		err = -KVM_EPERM;
		if (!cpu_cpl(v))
			err = pv->pg->ops->share_roots(pv, v->regs.gpr[3]);
	}
	v->regs.gpr[0] = err;
	return cpu_skip(v);
}

static enum next exit_hlt(struct vcpu *v)
{
	count(counters_of(v), exits_hlt);
	cpu_skip(v);
	return event_to_user(v, KVM_EXIT_HLT);
}

/*
 * Nothing else has to look whether the host wants the CPU, but let_host_look() where the guest never
 * gets so far: everything that makes the host want it while the guest runs comes with an interrupt,
 * and one that comes while the guest does not run makes the next entry exit at once.
 */
static enum next exit_interrupt(struct vcpu *v)
{
	count(counters_of(v), exits_host);
	if (!cpu_let_interrupts(v))
		return NEXT_NO_CPU;
	vcpu_host_looked(v);
	return unlikely(vcpu_host_wants_cpu(v)) ? NEXT_BREAK : NEXT_ENTER;
}

static enum next exit_nmi(struct vcpu *v)
{
	count(counters_of(v), exits_host);
	cpu_take_nmi(v);
	return NEXT_ENTER;
}

static enum next exit_machine_check(struct vcpu *v)
{
	count(counters_of(v), exits_host);
	if (!cpu_take_machine_check(v))
		return event_stop(v, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
				  "a machine check, for which this kernel has no handler", 0);
	/* The handler may have left work to this thread: to part with memory that is broken. */
	return NEXT_BREAK;
}

/*
 * Did the guest ask for #AC? Else the host did, which forbids accesses with LOCK that cross a cache
 * line (split_lock_detect=); a guest that knows nothing of that must not see it.
 */
static bool wants_alignment_checks(struct vcpu *v)
{
	cpu_sync_crs(v);
	cpu_fill_regs(v);
	return cpu_cpl(v) == 3 && (v->pv.cr0 & X86_CR0_AM) && (v->regs.rflags & X86_EFLAGS_AC);
}

static enum next exit_exception(struct vcpu *v)
{
	u32 event, code;
	u64 dr6;

	count(counters_of(v), exits_exception);
	cpu_exit_exception(v, &event, &code, &dr6);
	if ((event & EVENT_VECTOR) == EXC_AC && !wants_alignment_checks(v))
		return event_stop(
			v, KVM_INTERNAL_ERROR_EMULATION,
			"the guest's access with LOCK crosses a cache line, which this "
			"host forbids; split_lock_detect=off on its command line allows it",
			0);
	if ((event & EVENT_VECTOR) == EXC_DB)
		v->dr6 = (v->dr6 & ~0xfULL) | DR6_RESERVED | (dr6 & 0xe00f);
	return event_deliver(v, event, code);
}

static enum next exit_step(struct vcpu *v)
{
	count(counters_of(v), exits_step);
	return NEXT_ENTER;
}

static enum next exit_nop(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return cpu_skip(v);
}

static enum next exit_gp(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return event_gp(v);
}

static enum next exit_ud(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return event_ud(v);
}

static enum next exit_triple_fault(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return event_to_user(v, KVM_EXIT_SHUTDOWN);
}

static enum next exit_task_switch(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
			  "the guest switched tasks by hardware, which is not emulated",
			  cpu_exit_detail(v));
}

static enum next exit_entry_failed(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	pr_warn_ratelimited("VM %u stopped: the CPU refuses the guest's register state (%llx)\n",
			    v->vm->id, cpu_entry_failure(v));
	v->run->fail_entry.hardware_entry_failure_reason = cpu_entry_failure(v);
	v->run->fail_entry.cpu = smp_processor_id();
	return event_to_user(v, KVM_EXIT_FAIL_ENTRY);
}

static enum next exit_unknown(struct vcpu *v)
{
	count(counters_of(v), exits_misc);
	return event_stop(v, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
			  "a VM exit for a reason that nothing asked for", cpu_exit_reason(v));
}

/* From the list that the kinds are made of: there can be no hole in it. */
#define HANDLER(NAME, name) [EXIT_##NAME] = exit_##name,
const exit_handler exit_table[EXIT_KINDS] = { EXIT_KINDS_LIST(HANDLER) };
#undef HANDLER

/* ---- user space has answered ---- */

/**
 * exit_complete() - user space has answered: finish the instruction that asked
 * @v: the vCPU, loaded
 */
void exit_complete(struct vcpu *v)
{
	enum answer what = v->answer;
	u64 value = 0;

	v->answer = ANSWER_NOTHING;
	if (what == ANSWER_IN) {
		u8 size = v->mmio.size;

		memcpy(&value, v->pio, size);
		if (size < 4)
			value |= v->regs.gpr[0] & ~GENMASK_ULL(size * 8 - 1, 0);
		v->regs.gpr[0] = value;
		cpu_skip(v);
	} else if (what == ANSWER_MMIO_READ) {
		memcpy(&value, v->run->mmio.data, v->mmio.size);
		cpu_fill_regs(v);
		emulate_finish_read(&v->regs, &v->mmio, value);
		cpu_use_regs(v);
	}
}

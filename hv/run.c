// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN.
 *
 * It is a loop of bursts. A burst owns the CPU: preemption off, interrupts off from exit to entry,
 * guest FPU and MSRs loaded. Inside, every exit whose handling need not sleep goes straight back
 * into the guest (run.h). A burst ends when the host wants the CPU, when something must be done where
 * sleeping is allowed, or when user space has to act.
 */
#include <linux/kvm.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <asm/fpu/api.h>

#include "compat.h"
#include "cpu.h"
#include "event.h"
#include "penumbra.h"

/* Guests see neither XSAVE nor AVX, so this is all the FPU state they can reach. */
static void load_guest_fpu(const struct vcpu *v)
{
	asm volatile("fxrstor64 %0" : : "m"(v->fx));
}

static void save_guest_fpu(struct vcpu *v)
{
	asm volatile("fxsave64 %0" : "=m"(v->fx));
}

static enum next burst(struct vcpu *v)
{
	enum next next = NEXT_NO_CPU;
	unsigned int kind;

	kernel_fpu_begin(); /* preemption off, user space's FPU state saved */
	if (!cpu_load(v))
		goto out;
	local_irq_disable();
	if (vcpu_host_wants_cpu(v)) {
		next = NEXT_BREAK;
	} else if (cpu_still_loaded(v)) {
		cpu_burst_begin(v);
		load_guest_fpu(v);
		vcpu_host_looked(v);
		kind = v->retry;
		v->retry = 0;
		next = cpu_run(v, &kind);
		if (next == NEXT_PIN || next == NEXT_REFILL || next == NEXT_AGAIN)
			v->retry = kind;
		save_guest_fpu(v);
		cpu_burst_end(v);
		cpu_unload(v);
	}
	local_irq_enable();
out:
	kernel_fpu_end();
	return next;
}

/* What a burst left to be done where sleeping is allowed. 0: go on; else KVM_RUN's answer. */
static int between_bursts(struct vcpu *v, enum next next)
{
	struct vm *vm = v->vm;

	switch (next) {
	case NEXT_PIN:
		return memory_pin(vm, v->want_gpa >> PAGE_SHIFT);
	case NEXT_REFILL:
		return memory_refill(vm);
	case NEXT_NO_CPU:
		schedule_timeout_interruptible(1);
		break;
	default:
		break;
	}
	/* Whoever waits for the lock gets it: the mutex hands itself over. */
	mutex_unlock(&vm->lock);
	compat_resched();
	mutex_lock(&vm->lock);
	return 0;
}

/*
 * The kernel wants the thread on its way to user space: for a signal, or for work without one, such
 * as to part with memory that a machine check found broken, reclaim for a memory cgroup, io_uring's.
 * After such work the system call is made again, unseen by the program; if a signal came meanwhile
 * and its handler ran, the program is told -EINTR as ever.
 */
static int leave_for_work(struct vcpu *v)
{
	v->run->exit_reason = KVM_EXIT_INTR;
	if (task_sigpending(current))
		return -EINTR;
	/* Without it a system call is not made again. */
	set_thread_flag(TIF_NOTIFY_SIGNAL);
	return -ERESTARTNOHAND;
}

static int run_locked(struct vcpu *v)
{
	int err;

	for (;;) {
		enum next next;

		if (read_thread_flags() & COMPAT_WORK)
			return leave_for_work(v);
		if (unlikely(READ_ONCE(v->vm->want) != v->vm->pg.ops)) {
			err = vm_switch_mode(v->vm);
			if (err)
				return err;
		}
		next = burst(v);
		if (next == NEXT_USER)
			return 0;
		err = between_bursts(v, next);
		if (err) {
			event_forget_exit(v);
			return err;
		}
	}
}

/**
 * vcpu_run() - KVM_RUN
 * @v: the vCPU; its mutex is held
 *
 * Return: 0 when vcpu.run has something for user space, -EINTR, or another negative errno.
 */
int vcpu_run(struct vcpu *v)
{
	int err;

	if (v->stopped)
		return -EIO;
	if (!v->long_mode) {
		pr_info_ratelimited("VM %u: KVM_RUN before KVM_SET_SREGS put the vCPU into 64-bit "
				    "mode with paging\n",
				    v->vm->id);
		return -EINVAL;
	}
	if (v->answer != ANSWER_NOTHING) {
		err = vcpu_hold_cpu(v);
		if (err)
			return err;
		exit_complete(v);
		vcpu_release_cpu(v);
	}
	if (compat_immediate_exit(v->run)) {
		v->run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}
	err = mutex_lock_killable(&v->vm->lock);
	if (err)
		return err;
	v->has_run = true;
	WRITE_ONCE(v->task, current);
	/* Pairs with vm_lock(): either it sees the task to kick, or the burst sees the waiter. */
	smp_mb();
	err = run_locked(v);
	WRITE_ONCE(v->task, NULL);
	mutex_unlock(&v->vm->lock);
	return err;
}

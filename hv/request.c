// SPDX-License-Identifier: GPL-2.0-only
/*
 * What another thread asks of a running vCPU: to step aside from the VM's lock, or to look around.
 *
 * A vCPU holds the lock while its guest runs. Who wants the lock says so first and kicks the vCPU
 * out of the guest; it sees the waiter before it enters again and lets go.
 */
#include <linux/mutex.h>
#include <linux/sched.h>

#include "penumbra.h"

/**
 * request_look() - make the running vCPU exit and look around
 * @vm: the VM; what it shall see was written before, with a full barrier between
 */
void request_look(struct vm *vm)
{
	struct vcpu *v = READ_ONCE(vm->vcpu);
	struct task_struct *task;

	if (!v)
		return;
	rcu_read_lock();
	task = READ_ONCE(v->task);
	if (task)
		kick_process(task);
	rcu_read_unlock();
}

/* Ask the running vCPU to step aside. */
static void announce(struct vm *vm)
{
	atomic_inc(&vm->waiters);
	/* Pairs with vcpu_run(). */
	smp_mb__after_atomic();
	request_look(vm);
}

/**
 * vm_lock() - take the VM's lock from outside KVM_RUN
 * @vm: the VM
 */
void vm_lock(struct vm *vm)
{
	announce(vm);
	mutex_lock(&vm->lock);
	atomic_dec(&vm->waiters);
}

/**
 * vm_lock_killable() - vm_lock() that a fatal signal ends
 * @vm: the VM
 *
 * Return: 0 or -EINTR.
 */
int vm_lock_killable(struct vm *vm)
{
	int err;

	announce(vm);
	err = mutex_lock_killable(&vm->lock);
	atomic_dec(&vm->waiters);
	return err;
}

/**
 * vm_unlock() - the opposite of both
 * @vm: the VM
 */
void vm_unlock(struct vm *vm)
{
	mutex_unlock(&vm->lock);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * When virtualisation is on: while a VM exists, on every CPU, through CPU hotplug, sleep, restart and
 * panic. So KVM may have it otherwise; and a CPU where somebody else has it on is left alone.
 */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/smp.h>

#include "compat.h"
#include "cpu.h"
#include "penumbra.h"

static DEFINE_MUTEX(power_mutex); /* users, and virtualisation going on and off */
static unsigned int users;	  /* VMs that exist */
static int hotplug_state;

static void on_ipi(void *error)
{
	int err = cpu_on_here();

	if (err)
		atomic_cmpxchg((atomic_t *)error, 0, err);
}

static void off_ipi(void *unused)
{
	cpu_off_here();
	cpu_forget_tags();
}

/* Can it be switched on when it is needed? */
static void try_ipi(void *error)
{
	on_ipi(error);
	cpu_off_here();
}

static void all_off(void)
{
	on_each_cpu(off_ipi, NULL, 1);
	compat_disclaim(cpu_emergency_off);
}

/**
 * power_hold() - a VM is about to exist: have virtualisation on
 *
 * Return: 0, -EBUSY when somebody else uses it, -EIO when a CPU refuses.
 */
int power_hold(void)
{
	atomic_t error = ATOMIC_INIT(0);
	int err = 0;

	cpus_read_lock();
	mutex_lock(&power_mutex);
	if (!users) {
		bool ours = compat_claim(cpu_emergency_off);

		on_each_cpu(cpu_caps.brief ? try_ipi : on_ipi, &error, 1);
		err = atomic_read(&error);
		if (!err && cpu_caps.brief && !ours)
			err = -EBUSY; /* KVM could come while it is off */
		if (err)
			all_off();
	}
	if (!err)
		users++;
	mutex_unlock(&power_mutex);
	cpus_read_unlock();
	return err;
}

/**
 * power_drop() - a VM is gone: the opposite of power_hold()
 */
void power_drop(void)
{
	cpus_read_lock();
	mutex_lock(&power_mutex);
	if (!--users)
		all_off();
	mutex_unlock(&power_mutex);
	cpus_read_unlock();
}

/*
 * The hotplug lock is held for writing, so that users stands still (or the module is about to start,
 * and there are none): power_mutex must not be taken, for power_hold() takes hotplug's locks under it.
 */
static int power_up(unsigned int cpu)
{
	int err = 0;

	if (users && !cpu_caps.brief) {
		local_irq_disable();
		err = cpu_on_here();
		local_irq_enable();
	}
	if (err)
		pr_err("CPU %u cannot go online: %s cannot be switched on there (%d)\n", cpu,
		       cpu_words.feature, err);
	return err;
}

static int power_down(unsigned int cpu)
{
	local_irq_disable();
	off_ipi(NULL);
	local_irq_enable();
	return 0;
}

/* The last CPU, before the machine sleeps; the others went through power_down(). */
static int before_sleep(void)
{
	off_ipi(NULL);
	return 0;
}

static void after_sleep(void)
{
	if (users && !cpu_caps.brief && cpu_on_here())
		pr_err("%s cannot be switched on again after sleep\n", cpu_words.feature);
}

/* A CPU with virtualisation on may ignore INIT: the next kernel could not start it. */
static int before_reboot(struct notifier_block *nb, unsigned long event, void *data)
{
	on_each_cpu(off_ipi, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_block = {
	.notifier_call = before_reboot,
};

/**
 * power_start() - get ready to switch virtualisation on
 *
 * Return: 0, or a negative errno; cpu_why_not() then says why.
 */
int power_start(void)
{
	int err = cpu_setup();

	if (err)
		return err;
	hotplug_state =
		cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/penumbra:online", power_up, power_down);
	if (hotplug_state < 0) {
		cpu_cleanup();
		return hotplug_state;
	}
	compat_sleep_register(before_sleep, after_sleep);
	register_reboot_notifier(&reboot_block);
	compat_say_what_is_lost();
	return 0;
}

/**
 * power_stop() - the opposite of power_start(); no VM exists
 */
void power_stop(void)
{
	unregister_reboot_notifier(&reboot_block);
	compat_sleep_unregister();
	cpuhp_remove_state(hotplug_state);
	cpu_cleanup();
}

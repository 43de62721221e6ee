// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters for people: /sys/kernel/debug/penumbra/<vm>, made from the one list in lib/counters.h.
 * Programs have stats.c.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "cpu.h"
#include "gtt_dev.h"
#include "penumbra.h"

/**
 * report_derive() - bring the counters that follow from others up to date
 * @vm: the VM
 *
 * They are worked out when somebody looks, so that an exit pays for none of them. Where TLB
 * entries are not tagged each VM entry flushes, and each entry ends in an exit.
 */
void report_derive(struct vm *vm)
{
	const struct vcpu *v = READ_ONCE(vm->vcpu);
	u64 host = READ_ONCE(vm->count.v[CNT_exits_host]);
	u64 all = READ_ONCE(vm->odd_exits);
	int i;

	for (i = 0; i < PENUMBRA_MAX_EXIT_REASONS; i++)
		all += READ_ONCE(vm->by_reason[i]);
	WRITE_ONCE(vm->count.v[CNT_exits], all - host);
	if (v && !v->tagged)
		WRITE_ONCE(vm->count.v[CNT_flush_host_transition], all);
}

static struct dentry *root;

static int counters_show(struct seq_file *m, void *unused)
{
	struct vm *vm = m->private;
	int i;

	report_derive(vm);
	seq_printf(m, "%-28s %s\n", "mode", READ_ONCE(vm->pg.ops)->name);
	for (i = 0; i < CNT_NR; i++)
		seq_printf(m, "%-28s %20llu  %s\n", counter_text[i].name, READ_ONCE(vm->count.v[i]),
			   counter_text[i].sentence);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int exits_by_reason_show(struct seq_file *m, void *unused)
{
	const struct vm *vm = m->private;
	int i;

	for (i = 0; i < PENUMBRA_MAX_EXIT_REASONS; i++) {
		u64 n = READ_ONCE(vm->by_reason[i]);

		if (n)
			seq_printf(m, "%3d %-20s %llu\n", i, cpu_reason_name(i), n);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exits_by_reason);

static int exit_times_show(struct seq_file *m, void *unused)
{
	struct vm *vm = m->private;
	int err = vm_lock_killable(vm);

	if (err)
		return err;
	trace_show_times(m, vm);
	vm_unlock(vm);
	return 0;
}

static int exit_times_open(struct inode *inode, struct file *file)
{
	return single_open(file, exit_times_show, inode->i_private);
}

/* Whatever is written: begin anew. */
static ssize_t exit_times_write(struct file *file, const char __user *from, size_t size,
				loff_t *pos)
{
	struct vm *vm = ((struct seq_file *)file->private_data)->private;
	int err = vm_lock_killable(vm);

	if (err)
		return err;
	trace_forget_times(vm);
	vm_unlock(vm);
	return size;
}

static const struct file_operations exit_times_fops = {
	.owner = THIS_MODULE,
	.open = exit_times_open,
	.read = seq_read,
	.write = exit_times_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/* Compare all that is mapped with what a fresh walk gives. The guest waits meanwhile. */
static int audit_show(struct seq_file *m, void *unused)
{
	struct vm *vm = m->private;
	char text[160] = "";
	u64 wrong = 0;
	int err = vm_lock_killable(vm);

	if (err)
		return err;
	/* Where the guest owns its control registers, audit() looks at none of them. */
	if (vm->vcpu && vm->vcpu->long_mode) {
		paging_end_window(&vm->vcpu->pv);
		wrong = vm->pg.ops->audit(&vm->vcpu->pv, text, sizeof(text));
	}
	if (!wrong && vm->gtt && !gtt_busy(&vm->gtt->gtt))
		wrong = gtt_audit(&vm->gtt->gtt, text, sizeof(text));
	vm_unlock(vm);
	seq_printf(m, "%llu\n", wrong);
	if (wrong)
		seq_printf(m, "%s\n", text);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(audit);

/**
 * report_vm_add() - show a VM under debugfs
 * @vm: the VM
 */
void report_vm_add(struct vm *vm)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", vm->id);
	vm->debugfs = debugfs_create_dir(name, root);
	debugfs_create_file("counters", 0400, vm->debugfs, vm, &counters_fops);
	debugfs_create_file("exits_by_reason", 0400, vm->debugfs, vm, &exits_by_reason_fops);
	debugfs_create_file("exit_times", 0600, vm->debugfs, vm, &exit_times_fops);
	debugfs_create_file("audit", 0400, vm->debugfs, vm, &audit_fops);
}

/**
 * report_vm_remove() - the opposite of report_vm_add(); waits for readers
 * @vm: the VM
 */
void report_vm_remove(struct vm *vm)
{
	debugfs_remove_recursive(vm->debugfs);
}

/**
 * report_init() - make the folder that VMs' folders are in
 */
void report_init(void)
{
	root = debugfs_create_dir("penumbra", NULL);
}

/**
 * report_exit() - the opposite of report_init(); no VM exists
 */
void report_exit(void)
{
	debugfs_remove_recursive(root);
}

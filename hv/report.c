// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters, out: through KVM_GET_STATS_FD for programs and through debugfs for people. All of it
 * comes from the one list in lib/counters.h.
 */
#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cpu.h"
#include "gtt_dev.h"
#include "penumbra.h"

#define NAME_SIZE 48

/* ---- KVM_GET_STATS_FD ---- */

enum { KIND_SUM, KIND_PEAK, KIND_NOW };

struct counter_text {
	const char *name;
	const char *sentence;
	u32 unit;
	u8 kind;
};

#define DESCRIBE(name, unit, kind, sentence) \
	[CNT_##name] = { #name, sentence, KVM_STATS_UNIT_##unit, KIND_##kind },
static const struct counter_text counter_text[CNT_NR] = { PENUMBRA_COUNTERS(DESCRIBE) };
#undef DESCRIBE

/**
 * report_counter_name() - what a counter is called everywhere
 * @id: which
 */
const char *report_counter_name(enum counter_id id)
{
	return counter_text[id].name;
}

static const u32 kvm_type[] = {
	[KIND_SUM] = KVM_STATS_TYPE_CUMULATIVE,
	[KIND_PEAK] = KVM_STATS_TYPE_PEAK,
	[KIND_NOW] = KVM_STATS_TYPE_INSTANT,
};

/* One entry of the descriptor block: struct kvm_stats_desc, its flexible name made fixed. */
struct stats_entry {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[NAME_SIZE];
};
static_assert(offsetof(struct stats_entry, offset) == offsetof(struct kvm_stats_desc, offset));
static_assert(offsetof(struct stats_entry, name) == offsetof(struct kvm_stats_desc, name));

/* The file up to the data, which is read live from the VM. */
struct stats_file {
	struct kvm_stats_header header;
	char id[sizeof_field(struct vm, stats_id) + sizeof("/vcpu-0")]; /* a multiple of 8 */
	struct stats_entry entry[CNT_NR];
};

struct stats_reader {
	struct vm *vm;
	struct stats_file file;
};

/* A VM's one vCPU counts what its VM counts: the same entries on both descriptors. */
static void describe(struct stats_reader *r, bool of_vcpu)
{
	struct stats_file *f = &r->file;
	int i;

	f->header = (struct kvm_stats_header){
		.name_size = NAME_SIZE,
		.num_desc = CNT_NR,
		.id_offset = offsetof(struct stats_file, id),
		.desc_offset = offsetof(struct stats_file, entry),
		.data_offset = sizeof(*f),
	};
	snprintf(f->id, sizeof(f->id), "%s%s", r->vm->stats_id, of_vcpu ? "/vcpu-0" : "");
	for (i = 0; i < CNT_NR; i++) {
		struct stats_entry *e = &f->entry[i];

		e->flags = kvm_type[counter_text[i].kind] | counter_text[i].unit |
			   KVM_STATS_BASE_POW10;
		e->size = 1;
		e->offset = i * sizeof(u64);
		strscpy(e->name, counter_text[i].name, sizeof(e->name));
	}
}

/* Copy the part of a block at @at in the file that the reader wants. */
static int copy_part(char __user **to, size_t *left, loff_t *pos, loff_t at, const void *block,
		     size_t size)
{
	size_t skip, n;

	if (!*left || *pos < at || *pos >= at + size)
		return 0;
	skip = *pos - at;
	n = min(*left, size - skip);
	if (copy_to_user(*to, (const char *)block + skip, n))
		return -EFAULT;
	*to += n;
	*left -= n;
	*pos += n;
	return 0;
}

/*
 * Counters that follow from others are worked out when somebody looks, so that an exit pays for
 * none of them. Without a VPID each VM entry flushes, and each entry ends in an exit.
 */
static void derive(struct vm *vm)
{
	const struct vcpu *v = READ_ONCE(vm->vcpu);
	u64 host = READ_ONCE(vm->count.v[CNT_exits_host]);
	u64 all = READ_ONCE(vm->odd_exits);
	int i;

	for (i = 0; i < PENUMBRA_MAX_EXIT_REASONS; i++)
		all += READ_ONCE(vm->by_reason[i]);
	WRITE_ONCE(vm->count.v[CNT_exits], all - host);
	if (v && !v->hw.tag.vpid)
		WRITE_ONCE(vm->count.v[CNT_flush_host_transition], all);
}

static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct stats_reader *r = file->private_data;
	size_t left = size;

	if (*pos < 0)
		return -EINVAL;
	derive(r->vm);
	if (copy_part(&to, &left, pos, 0, &r->file, sizeof(r->file)) ||
	    copy_part(&to, &left, pos, sizeof(r->file), r->vm->count.v, sizeof(r->vm->count.v)))
		return -EFAULT;
	return size - left;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_reader *r = file->private_data;

	vm_put(r->vm);
	kfree(r);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = default_llseek,
};

/**
 * report_stats_fd() - KVM_GET_STATS_FD
 * @vm: the VM
 * @of_vcpu: asked on the vCPU
 *
 * Return: a file descriptor or a negative errno.
 */
int report_stats_fd(struct vm *vm, bool of_vcpu)
{
	struct stats_reader *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int fd;

	if (!r)
		return -ENOMEM;
	r->vm = vm;
	describe(r, of_vcpu);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto free;
	file = anon_inode_getfile("penumbra-stats", &stats_fops, r, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto free;
	}
	file->f_mode |= FMODE_PREAD;
	kref_get(&vm->ref);
	fd_install(fd, file);
	return fd;
free:
	kfree(r);
	return fd;
}

/* ---- debugfs ---- */

static struct dentry *root;

static int counters_show(struct seq_file *m, void *unused)
{
	struct vm *vm = m->private;
	int i;

	derive(vm);
	seq_printf(m, "%-28s %s\n", "mode", vm->pg.ops->name);
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

	for (i = 0; i < PENUMBRA_MAX_EXIT_REASONS; i++)
		if (vm->by_reason[i])
			seq_printf(m, "%3d %-20s %llu\n", i, cpu_reason_name(i),
				   READ_ONCE(vm->by_reason[i]));
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
	if (vm->vcpu && vm->vcpu->long_mode)
		wrong = vm->pg.ops->audit(&vm->vcpu->pv, text, sizeof(text));
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

int report_init(void)
{
	root = debugfs_create_dir("penumbra", NULL);
	return 0;
}

void report_exit(void)
{
	debugfs_remove_recursive(root);
}

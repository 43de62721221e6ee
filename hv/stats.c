// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters for programs: KVM_GET_STATS_FD, made from the one list in lib/counters.h.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "penumbra.h"

#define NAME_SIZE 48

static const u32 kvm_unit[] = {
	[UNIT_NONE] = KVM_STATS_UNIT_NONE,
	[UNIT_CYCLES] = KVM_STATS_UNIT_CYCLES,
	[UNIT_BYTES] = KVM_STATS_UNIT_BYTES,
};

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

		e->flags = kvm_type[counter_text[i].kind] | kvm_unit[counter_text[i].unit] |
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

static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct stats_reader *r = file->private_data;
	u64 now[CNT_NR];
	size_t left = size;
	int i;

	if (*pos < 0)
		return -EINVAL;
	report_derive(r->vm);
	/* The vCPU counts on meanwhile, and a copy to user space may go byte by byte. */
	for (i = 0; i < CNT_NR; i++)
		now[i] = READ_ONCE(r->vm->count.v[i]);
	if (copy_part(&to, &left, pos, 0, &r->file, sizeof(r->file)) ||
	    copy_part(&to, &left, pos, sizeof(r->file), now, sizeof(now)))
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
 * stats_fd() - KVM_GET_STATS_FD
 * @vm: the VM
 * @of_vcpu: asked on the vCPU
 *
 * Return: a file descriptor or a negative errno.
 */
int stats_fd(struct vm *vm, bool of_vcpu)
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The KVM ioctls, and nothing else: arguments in, the function that does it, result out. What is
 * not here answers as KVM answers for an absent feature (Documentation/virt/kvm/api.rst).
 *
 * A file descriptor holds its VM, and the module through its file operations' owner: nothing goes
 * away under an ioctl, and rmmod is refused while a VM exists.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "cpu.h"
#include "gtt_dev.h"
#include "gtt_ioctl.h"
#include "penumbra.h"

/* ---- what exists ---- */

static long check_extension(unsigned long extension)
{
	switch (extension) {
	case KVM_CAP_USER_MEMORY:
	case KVM_CAP_DESTROY_MEMORY_REGION_WORKS:
	case KVM_CAP_JOIN_MEMORY_REGIONS_WORKS:
	case KVM_CAP_EXT_CPUID:
	case KVM_CAP_CHECK_EXTENSION_VM:
	case KVM_CAP_IMMEDIATE_EXIT:
	case KVM_CAP_INTERNAL_ERROR_DATA:
	case KVM_CAP_BINARY_STATS_FD:
		return 1;
	case KVM_CAP_NR_VCPUS:
	case KVM_CAP_MAX_VCPUS:
	case KVM_CAP_MAX_VCPU_ID:
		return PENUMBRA_MAX_VCPUS;
	case KVM_CAP_NR_MEMSLOTS:
		return GMEM_SLOTS;
	default:
		return 0;
	}
}

/* ---- vCPU ---- */

/* Copy in, call, copy out: the shapes that most vCPU ioctls have. */
static long get_state(struct vcpu *v, void __user *user, size_t size,
		      void (*get)(struct vcpu *v, void *state))
{
	void *state = kzalloc(size, GFP_KERNEL_ACCOUNT);
	long err;

	if (!state)
		return -ENOMEM;
	err = vcpu_hold_cpu(v);
	if (!err) {
		get(v, state);
		vcpu_release_cpu(v);
		err = copy_to_user(user, state, size) ? -EFAULT : 0;
	}
	kfree(state);
	return err;
}

static long use_state(struct vcpu *v, const void *state,
		      int (*set)(struct vcpu *v, const void *state))
{
	long err = vm_lock_killable(v->vm);

	if (err)
		return err;
	err = vcpu_hold_cpu(v);
	if (!err) {
		err = set(v, state);
		vcpu_release_cpu(v);
	}
	vm_unlock(v->vm);
	return err;
}

static long set_state(struct vcpu *v, const void __user *user, size_t size,
		      int (*set)(struct vcpu *v, const void *state))
{
	void *state = memdup_user(user, size);
	long err;

	if (IS_ERR(state))
		return PTR_ERR(state);
	err = use_state(v, state, set);
	kfree(state);
	return err;
}

static void get_regs(struct vcpu *v, void *state)
{
	state_get_regs(v, state);
}

static int set_regs(struct vcpu *v, const void *state)
{
	return state_set_regs(v, state);
}

static void get_sregs(struct vcpu *v, void *state)
{
	state_get_sregs(v, state);
}

static int set_sregs(struct vcpu *v, const void *state)
{
	return state_set_sregs(v, state);
}

static void get_fpu(struct vcpu *v, void *state)
{
	state_get_fpu(v, state);
}

static int set_fpu(struct vcpu *v, const void *state)
{
	return state_set_fpu(v, state);
}

static int use_cpuid(struct vcpu *v, const void *state)
{
	const struct kvm_cpuid2 *head = state;

	memcpy(v->cpuid, head->entries, head->nent * sizeof(*v->cpuid));
	v->nr_cpuid = head->nent;
	v->last_cpuid = 0;
	v->cr4_allowed = cpuid_cr4_allowed(v);
	cpu_sync_crs(v);
	cpu_new_cpuid(v);
	return 0;
}

static long set_cpuid(struct vcpu *v, const struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid2 head, *all;
	long err;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > PENUMBRA_MAX_CPUID)
		return -E2BIG;
	if (v->has_run)
		return -EINVAL;
	all = memdup_user(user, struct_size(&head, entries, head.nent));
	if (IS_ERR(all))
		return PTR_ERR(all);
	/* Another thread may have written to it since: the length that was checked is the length. */
	all->nent = head.nent;
	err = use_state(v, all, use_cpuid);
	kfree(all);
	return err;
}

/* KVM_GET_MSRS and KVM_SET_MSRS answer with the number of entries that worked. */
static long msrs(struct vcpu *v, struct kvm_msrs __user *user, bool set)
{
	struct kvm_msrs head, *all;
	size_t size;
	long err;
	u32 i;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs > 256)
		return -E2BIG;
	size = struct_size(&head, entries, head.nmsrs);
	all = memdup_user(user, size);
	if (IS_ERR(all))
		return PTR_ERR(all);
	err = vcpu_hold_cpu(v);
	if (err)
		goto free;
	for (i = 0; i < head.nmsrs; i++) {
		struct kvm_msr_entry *e = &all->entries[i];

		if (set ? !msr_set(v, e->index, e->data) : !msr_read(v, e->index, &e->data))
			break;
	}
	vcpu_release_cpu(v);
	err = i;
	if (!set && copy_to_user(user->entries, all->entries, size - sizeof(head)))
		err = -EFAULT;
free:
	kfree(all);
	return err;
}

static long vcpu_ioctl_locked(struct vcpu *v, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_RUN:
		return arg ? -EINVAL : vcpu_run(v);
	case KVM_GET_REGS:
		return get_state(v, user, sizeof(struct kvm_regs), get_regs);
	case KVM_SET_REGS:
		return set_state(v, user, sizeof(struct kvm_regs), set_regs);
	case KVM_GET_SREGS:
		return get_state(v, user, sizeof(struct kvm_sregs), get_sregs);
	case KVM_SET_SREGS:
		return set_state(v, user, sizeof(struct kvm_sregs), set_sregs);
	case KVM_GET_FPU:
		return get_state(v, user, sizeof(struct kvm_fpu), get_fpu);
	case KVM_SET_FPU:
		return set_state(v, user, sizeof(struct kvm_fpu), set_fpu);
	case KVM_SET_CPUID2:
		return set_cpuid(v, user);
	case KVM_GET_MSRS:
		return msrs(v, user, false);
	case KVM_SET_MSRS:
		return msrs(v, user, true);
	default:
		return -EINVAL;
	}
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vcpu *v = file->private_data;
	long err;

	if (v->vm->mm != current->mm)
		return -EIO;
	/* Needs no lock, and must work while the guest runs. */
	if (cmd == KVM_GET_STATS_FD)
		return stats_fd(v->vm, true);
	if (_IOC_TYPE(cmd) != KVMIO)
		return -EINVAL;
	if (mutex_lock_killable(&v->mutex))
		return -EINTR;
	err = vcpu_ioctl_locked(v, cmd, arg);
	mutex_unlock(&v->mutex);
	return err;
}

static vm_fault_t run_page_fault(struct vm_fault *vmf)
{
	struct vcpu *v = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= PENUMBRA_RUN_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(vmf->pgoff ? v->pio : v->run);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct run_page_ops = {
	.fault = run_page_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	compat_vma_forbid_expand(vma);
	vma->vm_ops = &run_page_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *v = file->private_data;

	vm_put(v->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/* ---- VM ---- */

static long create_vcpu(struct vm *vm, unsigned long id)
{
	struct file *file;
	struct vcpu *v;
	long fd, err;

	if (id >= PENUMBRA_MAX_VCPUS)
		return -EINVAL;
	if (vm_lock_killable(vm))
		return -EINTR;
	if (vm->vcpu) {
		fd = -EEXIST;
		goto unlock;
	}
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto unlock;
	v = vcpu_create(vm);
	if (IS_ERR(v)) {
		err = PTR_ERR(v);
		goto put_fd;
	}
	file = anon_inode_getfile("penumbra-vcpu", &vcpu_fops, v, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		vcpu_free(v);
		goto put_fd;
	}
	kref_get(&vm->ref);
	/*
	 * Nothing can fail any more: who finds the vCPU without the lock, such as request_look(), may count
	 * on it for as long as there is the VM.
	 */
	smp_store_release(&vm->vcpu, v);
	fd_install(fd, file);
	goto unlock;

put_fd:
	put_unused_fd(fd);
	fd = err;
unlock:
	vm_unlock(vm);
	return fd;
}

static long set_region(struct vm *vm, const void __user *user)
{
	struct kvm_userspace_memory_region region;
	long err;

	if (copy_from_user(&region, user, sizeof(region)))
		return -EFAULT;
	if (vm_lock_killable(vm))
		return -EINTR;
	err = memory_set_region(vm, &region);
	vm_unlock(vm);
	return err;
}

static long create_gtt(struct vm *vm, const void __user *user)
{
	struct penumbra_gtt want;
	long err;

	if (copy_from_user(&want, user, sizeof(want)))
		return -EFAULT;
	if (vm_lock_killable(vm))
		return -EINTR;
	err = gtt_dev_create(vm, &want);
	vm_unlock(vm);
	return err;
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vm *vm = file->private_data;

	if (vm->mm != current->mm)
		return -EIO;
	switch (cmd) {
	case KVM_CREATE_VCPU:
		return create_vcpu(vm, arg);
	case KVM_SET_USER_MEMORY_REGION:
		return set_region(vm, (void __user *)arg);
	case PENUMBRA_CREATE_GTT:
		return create_gtt(vm, (void __user *)arg);
	case KVM_CHECK_EXTENSION:
		return check_extension(arg);
	case KVM_GET_STATS_FD:
		return stats_fd(vm, false);
	default:
		return -ENOTTY;
	}
}

static int vm_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.llseek = noop_llseek,
};

/* ---- /dev/penumbra ---- */

static long create_vm(unsigned long type)
{
	struct vm *vm;
	long fd;

	if (type)
		return -EINVAL;
	vm = vm_create();
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("penumbra-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		vm_put(vm);
	return fd;
}

static long supported_cpuid(struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long err;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	head.nent = min_t(u32, head.nent, PENUMBRA_MAX_CPUID);
	entries = kvcalloc(PENUMBRA_MAX_CPUID, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	err = cpuid_supported(entries, &head.nent);
	if (!err && (copy_to_user(user, &head, sizeof(head)) ||
		     copy_to_user(user->entries, entries, head.nent * sizeof(*entries))))
		err = -EFAULT;
	kvfree(entries);
	return err;
}

static long msr_index_list(struct kvm_msr_list __user *user)
{
	u32 room, nr = msr_count;

	if (get_user(room, &user->nmsrs) || put_user(nr, &user->nmsrs))
		return -EFAULT;
	if (room < nr)
		return -E2BIG;
	return copy_to_user(user->indices, msr_list, nr * sizeof(u32)) ? -EFAULT : 0;
}

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return create_vm(arg);
	case KVM_CHECK_EXTENSION:
		return check_extension(arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : PENUMBRA_RUN_PAGES * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return supported_cpuid((void __user *)arg);
	case KVM_GET_MSR_INDEX_LIST:
		return msr_index_list((void __user *)arg);
	default:
		return -EINVAL;
	}
}

const struct file_operations penumbra_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.llseek = noop_llseek,
};

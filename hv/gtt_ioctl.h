/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a VMM asks for the device with a page table of its own (gtt/gtt_abi.h): an ioctl on the VM's
 * file descriptor. KVM does not know it and answers ENOTTY.
 */
#ifndef PENUMBRA_GTT_IOCTL_H
#define PENUMBRA_GTT_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct penumbra_gtt {
	__u64 guest_phys_addr; /* of the window: 4096 bytes of registers, then 8 for each entry */
	__u64 device_bytes;    /* of device address space: a power of two, 2 MiB to 2 GiB */
};

/*
 * Once for a VM; takes one of its memory slots. EINVAL: an argument is none of the above, or the
 * window leaves the guest's physical addresses. EEXIST: there is one already, or memory in the way.
 * ENOSPC: no memory slot is free. ENOMEM.
 */
#define PENUMBRA_CREATE_GTT _IOW('P', 0x47, struct penumbra_gtt)

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where kernel versions differ. Written against 6.1; everything that later kernels do otherwise is
 * decided here and nowhere else.
 */
#ifndef PENUMBRA_COMPAT_H
#define PENUMBRA_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>

/* Pin one page without sleeping: 1, or anything else when it takes more than that. */
static inline int compat_pin_now(unsigned long hva, struct page **page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return pin_user_pages_fast_only(hva, 1, FOLL_WRITE | FOLL_LONGTERM, page);
#else
	return 0; /* gone from later kernels: always the way that may sleep */
#endif
}

static inline void compat_vma_forbid_expand(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags |= VM_DONTEXPAND | VM_DONTDUMP;
#else
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
#endif
}

#endif

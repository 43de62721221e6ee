/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where kernel versions differ. Written against 6.1; everything that later kernels do otherwise is
 * decided here and nowhere else.
 */
#ifndef PENUMBRA_COMPAT_H
#define PENUMBRA_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>

/* Pin pages in a row without sleeping: how many of them, from the first on; 0 or less: none. */
static inline int compat_pin_now(unsigned long hva, int nr, struct page **pages)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return pin_user_pages_fast_only(hva, nr, FOLL_WRITE | FOLL_LONGTERM, pages);
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested paging, for the modes that are made of it: each is a format (formats.c).
 */
#ifndef PENUMBRA_NESTED_H
#define PENUMBRA_NESTED_H

#include "formats.h"
#include "modes.h"

/* The slots of struct paging_ops, the same in every format. */
int nested_vm_init(struct paging *pg, const struct nested_format *fmt);
void nested_vm_free(struct paging *pg);
int nested_vcpu_init(struct paging_vcpu *pv);
void nested_vcpu_free(struct paging_vcpu *pv);
enum verdict nested_prepare(struct paging_vcpu *pv, struct paging_result *res);
enum verdict nested_fault(struct paging_vcpu *pv, const struct paging_fault *f,
			  struct paging_result *res);
enum verdict nested_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res);
void nested_set_mode(struct paging_vcpu *pv);
void nested_unmap(struct paging *pg, gfn_t base, u64 npages);
bool nested_take_dirty(struct paging *pg, gfn_t gfn);
void nested_enter(struct paging_vcpu *pv);
u64 nested_audit(struct paging_vcpu *pv, char *text, size_t size);

#define NESTED_MODE_OPS(init)                                                                    \
	.traps = TRAP_NESTED, .vm_init = (init), .vm_free = nested_vm_free,                      \
	.vcpu_init = nested_vcpu_init, .vcpu_free = nested_vcpu_free, .prepare = nested_prepare, \
	.fault = nested_fault, .load_cr3 = nested_load_cr3, .set_mode = nested_set_mode,         \
	.invlpg = paging_never_invlpg, .invpcid = paging_never_invpcid, .code = paging_no_code,  \
	.pt_write = paging_ignore_pt_write, .open_window = paging_never_open_window,             \
	.leave = paging_never_leave, .unmap = nested_unmap, .take_dirty = nested_take_dirty,     \
	.enter = nested_enter, .share_roots = paging_keep_share_roots,                           \
	.adopt_root = paging_never_adopt_root, .audit = nested_audit

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device of gtt/ as a part of a VM; see gtt_dev.c.
 */
#ifndef PENUMBRA_GTT_DEV_H
#define PENUMBRA_GTT_DEV_H

#include "gtt/gtt.h"
#include "penumbra.h"

struct penumbra_gtt;

struct gtt_dev {
	struct gtt gtt;
	struct vm *vm;
	/*
	 * The submission under way was asked for by the instruction here. If its exit is forgotten,
	 * it is executed again (a switch of paging_mode), or never (user space changed registers).
	 */
	bool ringing;
	u64 ringing_rip;
};

int gtt_dev_create(struct vm *vm, const struct penumbra_gtt *want);
void gtt_dev_free(struct vm *vm);
enum next gtt_dev_access(struct vcpu *v, gpa_t gpa);

static inline bool gtt_dev_claims(const struct vm *vm, gpa_t gpa)
{
	return vm->gtt && gtt_claims(&vm->gtt->gtt, gpa);
}

/* A slot of guest memory comes or goes. */
static inline void gtt_dev_memory_changes(struct vm *vm)
{
	if (vm->gtt)
		gtt_memory_changes(&vm->gtt->gtt);
}

#endif

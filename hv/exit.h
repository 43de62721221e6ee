/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The handlers of exit_table[] that are not in exit.c, and what handlers share.
 */
#ifndef PENUMBRA_EXIT_H
#define PENUMBRA_EXIT_H

#include "penumbra.h"

/* exit_mem.c */
enum next exit_pf(struct vcpu *v);
enum next exit_nested(struct vcpu *v);
enum next exit_nested_bad(struct vcpu *v);

/* exit_cr.c */
enum next exit_cr(struct vcpu *v);
enum next exit_invlpg(struct vcpu *v);
enum next exit_invpcid(struct vcpu *v);
enum next exit_dr(struct vcpu *v);
enum next exit_rdmsr(struct vcpu *v);
enum next exit_wrmsr(struct vcpu *v);

/* exit_io.c */
enum next exit_io(struct vcpu *v);

/* settle.c */
enum next exit_other_verdict(struct vcpu *v, enum verdict verdict, const struct paging_result *res);

/**
 * exit_verdict() - the verdicts that mean the same wherever they come from
 * @v: the vCPU, inside a burst
 * @verdict: the paging mode's
 * @res: what came with it
 *
 * Return: what the inner loop does next.
 */
static inline enum next exit_verdict(struct vcpu *v, enum verdict verdict,
				     const struct paging_result *res)
{
	return verdict == VERDICT_RETRY ? NEXT_ENTER : exit_other_verdict(v, verdict, res);
}

static inline struct counters *counters_of(struct vcpu *v)
{
	return &v->vm->count;
}

#endif

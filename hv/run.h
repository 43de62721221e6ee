/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * THE inner loop: enter the guest, handle its exit, settle what that owes, enter again.
 *
 * It is one function, above the vendors, and each of them compiles it into itself (vmx/run.c) with its
 * own way in and out as arguments that the compiler knows. So neither the loop nor what it is given
 * costs a call: an exit has about a hundred instructions to spend.
 */
#ifndef PENUMBRA_RUN_H
#define PENUMBRA_RUN_H

#include "penumbra.h"

/**
 * run_loop() - run the guest, exit by exit, until something ends the burst
 * @v: the vCPU, inside a burst
 * @kind: an exit to be handled again first; 0: none. Says of which exit the answer is
 * @flush: perform the flushes in paging_vcpu.flush, which is not 0
 * @enter: run the guest until its next exit; enum exit_kind. May find the vCPU's address anew
 * @table: what to do about each kind of exit
 * @settle: do what else is owed before an entry
 *
 * Return: never NEXT_ENTER.
 */
static __always_inline enum next run_loop(struct vcpu *v, unsigned int *kind,
					  void (*flush)(struct vcpu *v),
					  unsigned int (*enter)(struct vcpu **v),
					  const exit_handler *table, exit_handler settle)
{
	const struct paging *pg = v->pv.pg;
	unsigned int k = *kind;
	enum next next;

	for (;;) {
		if (likely(!k)) {
			if (unlikely(v->pv.settle || v->pv.flush_gen != pg->flush_gen)) {
				next = settle(v);
				if (unlikely(next != NEXT_ENTER))
					break;
			}
			if (v->pv.flush)
				flush(v);
			k = enter(&v);
		}
		next = static_branch_unlikely(&exit_tracing) ? exit_traced(v, k) : table[k](v);
		if (unlikely(next != NEXT_ENTER))
			break;
		k = 0;
	}
	*kind = k;
	return next;
}

#endif

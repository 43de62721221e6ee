// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits of I/O port instructions: each goes to user space.
 */
#include <linux/kvm.h>
#include <asm/processor-flags.h>

#include "cpu.h"
#include "event.h"
#include "exit.h"
#include "penumbra.h"
#include "mmu/walk.h"

/*
 * OUTS, one element an exit: the guest executes a repeated one again until its count is used up.
 */
static enum next outs(struct vcpu *v, const struct exit_io *x)
{
	struct walk_for f = { .set_ad = true };
	u64 mask = x->wide ? ~0ULL : 0xffffffff, step;
	struct paging_result res;
	enum verdict verdict;
	gva_t where;

	cpu_sync_crs(v);
	cpu_fill_regs(v);
	if (x->rep && !(v->regs.gpr[1] & mask)) {
		count(counters_of(v), exits_io);
		return cpu_skip(v);
	}
	f.cpl = v->regs.cpl;
	f.code = f.cpl == 3 ? PF_U : 0;
	f.ac = v->regs.rflags & X86_EFLAGS_AC;
	verdict = walk_read(&v->pv, x->gva, v->pio, x->size, &f, &res, &where);
	if (verdict == VERDICT_REFLECT) {
		count(counters_of(v), exits_io);
		return event_pf(v, where, res.code);
	}
	if (verdict == VERDICT_MMIO) {
		count(counters_of(v), exits_io);
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				  "OUTS reads outside guest memory", where);
	}
	if (verdict == VERDICT_RETRY || verdict == VERDICT_STOP)
		count(counters_of(v), exits_io);
	if (verdict != VERDICT_RETRY)
		return exit_verdict(v, verdict, &res);
	step = v->regs.rflags & X86_EFLAGS_DF ? -(u64)x->size : x->size;
	v->regs.gpr[6] = (v->regs.gpr[6] + step) & mask;
	if (x->rep)
		v->regs.gpr[1] = (v->regs.gpr[1] - 1) & mask;
	if (!x->rep || !v->regs.gpr[1])
		cpu_skip(v);
	return NEXT_USER;
}

enum next exit_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct exit_io x;

	cpu_exit_io(v, &x);
	run->io.direction = x.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = x.size;
	run->io.port = x.port;
	run->io.count = 1;
	run->io.data_offset = PAGE_SIZE;
	run->exit_reason = KVM_EXIT_IO;
	if (unlikely(x.string)) {
		if (!x.in)
			return outs(v, &x);
		count(counters_of(v), exits_io);
		return event_stop(v, KVM_INTERNAL_ERROR_EMULATION,
				  "the guest executed INS, which is not emulated", x.port);
	}
	count(counters_of(v), exits_io);
	if (x.in) {
		v->mmio.size = x.size;
		v->answer = ANSWER_IN;
		return NEXT_USER;
	}
	memcpy(v->pio, &v->regs.gpr[0], sizeof(u32));
	cpu_skip(v);
	return NEXT_USER;
}

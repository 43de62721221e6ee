// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trapped store, carried out in the exit that it caused.
 *
 * The walk that led here has checked the guest's rights and set A and D, so what is left is the
 * instruction itself. It is one access for other vCPUs, as it is on a CPU: those may store to the
 * same word meanwhile, through a window, or because only this access is carried out. A store that
 * crosses its 8-byte word is left to a window: it would have to
 * be checked twice.
 */
#include "emulate.h"
#include "walk.h"
#include "../lib/insn.h"

/* Another vCPU may store to the same word again and again; then a window lets both do so themselves. */
#define STORE_TRIES 64

#define RFLAGS_RF BIT_ULL(16)
#define RFLAGS_TF BIT_ULL(8)

/* The bytes at RIP; fewer than INSN_MAX where the next page cannot be read. */
static unsigned int fetch(struct paging_vcpu *pv, const struct emu_regs *regs, u8 *bytes)
{
	struct walk_for f = { .code = PF_I | (regs->cpl == 3 ? PF_U : 0), .cpl = regs->cpl };
	unsigned int in_page = PAGE_SIZE - (regs->rip & ~PAGE_MASK);
	unsigned int n = min_t(unsigned int, in_page, INSN_MAX);
	struct paging_result res;
	gva_t at;

	if (walk_read(pv, regs->rip, bytes, n, &f, &res, &at) != VERDICT_RETRY)
		return 0;
	if (n < INSN_MAX &&
	    walk_read(pv, regs->rip + n, bytes + n, INSN_MAX - n, &f, &res, &at) == VERDICT_RETRY)
		n = INSN_MAX;
	return n;
}

static struct insn_regs insn_regs(const struct emu_regs *regs)
{
	return (struct insn_regs){ .gpr = regs->gpr,
				   .rip = regs->rip,
				   .fs_base = regs->fs_base,
				   .gs_base = regs->gs_base };
}

/* Through the guest's own tables, for what is not known better. */
static noinline bool decode(struct paging_vcpu *pv, const struct emu_regs *regs, struct insn *insn)
{
	struct insn_regs ir = insn_regs(regs);
	u8 bytes[INSN_MAX];
	unsigned int n;

	/* Single-stepped by its own debugger: the trap after it is the CPU's to raise. */
	if (!regs->long_mode || (regs->rflags & RFLAGS_TF))
		return false;
	n = fetch(pv, regs, bytes);
	return n && insn_decode(bytes, n, &ir, insn);
}

/* Where what the decoder said of the instruction at @rip is kept. Guests store from few places. */
static inline struct decoded *decoded_at(struct paging_vcpu *pv, u64 rip)
{
	return &pv->decoded[(rip ^ rip >> 3) % DECODED_KEPT];
}

/* The bytes at @rip, as hardware found them; false where that is not known. */
static inline bool code_words(struct paging_vcpu *pv, u64 rip, u8 cpl, u64 *low, u64 *high)
{
	const u8 *code;

	if (unlikely((rip & ~PAGE_MASK) > PAGE_SIZE - 16))
		return false;
	code = pv->pg->ops->code(pv, rip, cpl == 3);
	if (unlikely(!code))
		return false;
	/* Once: the VMM's other threads may write to it. */
	*low = shim_load64(code);
	*high = shim_load64(code + 8) & GENMASK_ULL(55, 0); /* an instruction has 15 bytes */
	return true;
}

/* The instruction at RIP, parsed, or NULL. */
static const struct insn *parsed(struct paging_vcpu *pv, const struct emu_regs *regs)
{
	struct decoded *d = decoded_at(pv, regs->rip);
	struct insn *insn = &d->insn;
	u64 low, high;

	if (!regs->long_mode || (regs->rflags & RFLAGS_TF) ||
	    !code_words(pv, regs->rip, regs->cpl, &low, &high))
		return NULL;
	if (likely(d->word[0] == low && d->word[1] == high && insn->length))
		return insn;
	d->plain = 0;
	d->word[0] = low;
	d->word[1] = high;
	if (!insn_parse((const u8 *)d->word, INSN_MAX, insn) || insn->op == INSN_LOAD) {
		insn->length = 0;
		return NULL;
	}
	if (insn->op == INSN_MOV && insn->size == 8 && insn->base < 16 && insn->base != 4 &&
	    insn->index == INSN_NO_REG && !insn->addr32 && !insn->segment &&
	    (insn->has_imm || insn->reg != 4))
		d->plain = insn->length;
	return insn;
}

/*
 * Change the operand in its 8-byte word, at once: another vCPU, or a thread of the VMM, may store to the
 * same word. With LOCK it must be so; without it, it may.
 */
static bool change_word(struct emu_regs *regs, const struct insn *insn, u8 *at)
{
	unsigned int shift = ((unsigned long)at & 7) * 8, tries;
	u64 *word = (u64 *)(at - ((unsigned long)at & 7)), old, new;
	u64 mask = (~0ULL >> (64 - 8 * insn->size)) << shift;
	/* All that insn_execute() may change. */
	u64 rax = regs->gpr[0], rdi = regs->gpr[7], reg = regs->gpr[insn->reg];
	u64 rflags = regs->rflags;

	for (tries = 0; tries < STORE_TRIES; tries++) {
		old = READ_ONCE(*word);
		new = insn_execute(insn, (old & mask) >> shift, regs->gpr, &regs->rflags) << shift;
		new &= mask;
		new |= old & ~mask;
		if (likely(cmpxchg64(word, old, new) == old))
			return true;
		regs->gpr[0] = rax;
		regs->gpr[7] = rdi;
		regs->gpr[insn->reg] = reg;
		regs->rflags = rflags;
	}
	return false;
}

/* Carry out a store that has been checked. */
static enum emu_result store(struct paging_vcpu *pv, struct emu_regs *regs, const struct insn *insn,
			     const struct paging_result *to)
{
	if (likely(insn->op == INSN_MOV && insn->size == 8))
		WRITE_ONCE(*(u64 *)to->at, insn_execute(insn, 0, regs->gpr, &regs->rflags));
	else if (unlikely(!change_word(regs, insn, to->at)))
		return EMU_UNKNOWN;
	regs->rip += insn->length;
	regs->rflags &= ~RFLAGS_RF;
	count(pv->pg->count, emulated_stores);
	pv->pg->ops->pt_write(pv, to->gpa, insn->size, to->table);
	return EMU_DONE;
}

unsigned int emulate_plain_store(struct paging_vcpu *pv, const u64 *gpr,
				 const struct paging_fault *f, const struct paging_result *to)
{
	const struct decoded *d = decoded_at(pv, f->rip);
	u64 low, high;

	if (unlikely(!code_words(pv, f->rip, f->cpl, &low, &high) || d->word[0] != low ||
		     d->word[1] != high || !d->plain ||
		     f->gva != gpr[d->insn.base] + d->insn.disp || (f->gva & 7)))
		return 0;
	WRITE_ONCE(*(u64 *)to->at, d->insn.has_imm ? d->insn.imm : gpr[d->insn.reg]);
	count(pv->pg->count, emulated_stores);
	pv->pg->ops->pt_write(pv, to->gpa, 8, to->table);
	return d->plain;
}

enum emu_result emulate_store(struct paging_vcpu *pv, struct emu_regs *regs, gva_t gva,
			      const struct paging_result *to)
{
	const struct insn *known = parsed(pv, regs);
	struct insn insn;

	if (likely(known)) {
		struct insn_regs ir = insn_regs(regs);

		if (likely(insn_address(known, &ir) == gva && (gva & 7) + known->size <= 8))
			return store(pv, regs, known, to);
	}
	if (!decode(pv, regs, &insn) || insn.op == INSN_LOAD || insn.ea != gva ||
	    (gva & 7) + insn.size > 8)
		return EMU_UNKNOWN;
	return store(pv, regs, &insn, to);
}

bool emulate_decode_mmio(struct paging_vcpu *pv, const struct emu_regs *regs,
			 struct emu_access *access)
{
	struct insn insn;

	if (!decode(pv, regs, &insn))
		return false;
	*access = (struct emu_access){ .size = insn.size, .reg = insn.reg, .length = insn.length };
	if (insn.op == INSN_LOAD) {
		access->dest_size = insn.dest_size;
		access->sign_extend = insn.sign_extend;
		access->zero_extend = !insn.sign_extend;
		access->high_byte = insn.high_byte;
		return true;
	}
	if (insn.op != INSN_MOV)
		return false;
	access->write = true;
	access->value = insn.has_imm	 ? insn.imm
			: insn.high_byte ? regs->gpr[insn.reg] >> 8
					 : regs->gpr[insn.reg];
	if (insn.size < 8)
		access->value &= (1ULL << (8 * insn.size)) - 1;
	return true;
}

void emulate_finish_read(struct emu_regs *regs, const struct emu_access *access, u64 value)
{
	unsigned int bits = 8 * access->size;
	u64 *reg = &regs->gpr[access->reg];

	if (bits < 64) {
		value &= (1ULL << bits) - 1;
		if (access->sign_extend)
			value = (u64)((s64)(value << (64 - bits)) >> (64 - bits));
	}
	if (access->high_byte)
		*reg = (*reg & ~0xff00ULL) | (value & 0xff) << 8;
	else if (access->dest_size == 8)
		*reg = value;
	else if (access->dest_size == 4)
		*reg = (u32)value;
	else if (access->dest_size == 2)
		*reg = (*reg & ~0xffffULL) | (value & 0xffff);
	else
		*reg = (*reg & ~0xffULL) | (value & 0xff);
	regs->rip += access->length;
	regs->rflags &= ~RFLAGS_RF;
}

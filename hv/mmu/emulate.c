// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trapped store, carried out in the exit that it caused.
 *
 * The walk that led here has checked the guest's rights and set A and D, so what is left is the
 * instruction itself. A store that crosses its 8-byte word is left to a window: it would have to
 * be checked twice.
 */
#include "emulate.h"
#include "walk.h"
#include "../lib/insn.h"

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

/*
 * The instruction at RIP, parsed, or NULL. Guests store into their tables from few places, so what
 * the bytes there said is kept.
 */
static const struct insn *parsed(struct paging_vcpu *pv, const struct emu_regs *regs)
{
	const u64 upper = GENMASK_ULL(55, 0); /* the 16th byte is not the instruction's */
	const u8 *code;
	struct decoded *d;
	u64 word[2];

	if (!regs->long_mode || (regs->rflags & RFLAGS_TF) ||
	    (regs->rip & ~PAGE_MASK) > PAGE_SIZE - sizeof(word))
		return NULL;
	code = pv->pg->ops->code(pv, regs->rip);
	if (!code)
		return NULL;
	/* Once: the VMM's other threads may write to it. */
	word[0] = shim_load64(code);
	word[1] = shim_load64(code + 8) & upper;
	d = &pv->decoded[(regs->rip ^ regs->rip >> 3) % DECODED_KEPT];
	if (likely(d->word[0] == word[0] && d->word[1] == word[1] && d->insn.length))
		return &d->insn;
	d->insn.length = 0;
	d->word[0] = word[0];
	d->word[1] = word[1];
	if (insn_parse((const u8 *)word, INSN_MAX, &d->insn) && d->insn.op != INSN_LOAD)
		return &d->insn;
	d->insn.length = 0;
	return NULL;
}

/* Carry out a store that has been checked. */
static inline enum emu_result store(struct paging_vcpu *pv, struct emu_regs *regs,
				    const struct insn *insn, gpa_t gpa)
{
	struct paging_result res;
	u64 host, old, new;
	u8 *at;

	if (gmem_host(pv->pg->mem, gpa >> 12, &host, &res) != VERDICT_RETRY)
		return EMU_UNKNOWN;
	at = (u8 *)phys_to_virt(host & GMEM_HPA) + (gpa & ~PAGE_MASK);
	if (likely(insn->size == 8)) {
		new = insn->has_imm ? insn->imm : regs->gpr[insn->reg];
		if (insn->op != INSN_MOV)
			new = insn_execute(insn, *(u64 *)at, regs->gpr, &regs->rflags);
		WRITE_ONCE(*(u64 *)at, new);
	} else {
		old = 0;
		memcpy(&old, at, insn->size);
		new = insn_execute(insn, old, regs->gpr, &regs->rflags);
		memcpy(at, &new, insn->size);
	}
	regs->rip += insn->length;
	regs->rflags &= ~RFLAGS_RF;
	count(pv->pg->count, emulated_stores);
	pv->pg->ops->pt_write(pv, gpa, insn->size);
	return EMU_DONE;
}

enum emu_result emulate_store(struct paging_vcpu *pv, struct emu_regs *regs, gva_t gva, gpa_t gpa)
{
	const struct insn *known = parsed(pv, regs);
	struct insn insn;

	if (likely(known)) {
		struct insn_regs ir = insn_regs(regs);

		if (likely(insn_address(known, &ir) == gva && (gva & 7) + known->size <= 8))
			return store(pv, regs, known, gpa);
	}
	if (!decode(pv, regs, &insn) || insn.op == INSN_LOAD || insn.ea != gva ||
	    (gva & 7) + insn.size > 8)
		return EMU_UNKNOWN;
	return store(pv, regs, &insn, gpa);
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

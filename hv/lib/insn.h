/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The store decoder: what does a 64-bit-mode instruction with a memory operand do?
 *
 * Decoding has two steps: what the bytes say (insn_parse), which the same bytes always say again, and
 * where the operand is (insn_address), which depends on the registers.
 *
 * It knows the instructions that operating systems use on page tables and on device memory. All
 * others it names unknown, and the caller finds another way; it never guesses.
 */
#ifndef PENUMBRA_INSN_H
#define PENUMBRA_INSN_H

#include "shim.h"

#define INSN_MAX 15 /* bytes; Intel SDM vol. 2, 2.3.11 */

enum insn_op {
	INSN_UNKNOWN,
	INSN_MOV,  /* store register or immediate */
	INSN_LOAD, /* MOV, MOVZX, MOVSX, MOVSXD from memory */
	INSN_ADD,
	INSN_OR,
	INSN_ADC,
	INSN_SBB,
	INSN_AND,
	INSN_SUB,
	INSN_XOR,
	INSN_INC,
	INSN_DEC,
	INSN_NOT,
	INSN_NEG,
	INSN_XCHG,
	INSN_XADD,
	INSN_CMPXCHG,
	INSN_BTS,
	INSN_BTR,
	INSN_BTC,
	INSN_STOS, /* one element, no REP */
};

struct insn {
	enum insn_op op;
	u8 length;	  /* bytes, prefixes included */
	u8 size;	  /* of the memory operand: 1, 2, 4, 8 */
	u8 reg;		  /* register operand, 0-15 */
	u8 dest_size;	  /* LOAD: bytes of the register that change as one */
	bool high_byte;	  /* the register operand is AH, CH, DH or BH (reg is 0-3) */
	bool has_imm;	  /* the source is imm, not reg */
	bool sign_extend; /* LOAD */
	bool lock;	  /* LOCK prefix */
	bool addr32;	  /* the address is cut to 32 bits, before the segment's base */
	u8 base, index;	  /* registers of the address, INSN_NO_REG: none */
	u8 scale;	  /* the index is shifted by it */
	u8 segment;	  /* enum insn_segment: whose base is added */
	u64 disp;	  /* sign-extended */
	u64 imm;	  /* sign-extended */
	gva_t ea;	  /* effective address, by insn_address() */
};

#define INSN_NO_REG  0xff
#define INSN_REG_RIP 0xfe /* as base: of the next instruction */

enum insn_segment { INSN_SEG_NONE, INSN_SEG_FS, INSN_SEG_GS };

/* What an effective address is made from. */
struct insn_regs {
	const u64 *gpr; /* 16 */
	u64 rip;	/* of the instruction */
	u64 fs_base, gs_base;
};

/**
 * insn_parse() - what do the bytes of a 64-bit-mode instruction with a memory operand say?
 * @bytes: the instruction
 * @len: bytes there are, up to INSN_MAX
 * @insn: the answer, but for ea
 *
 * Return: true if the instruction is known; false for everything else, truncated bytes included.
 */
bool insn_parse(const u8 *bytes, unsigned int len, struct insn *insn);

/**
 * insn_address() - where is the memory operand?
 * @insn: parsed
 * @regs: registers
 *
 * Return: the linear address.
 */
static inline gva_t insn_address(const struct insn *insn, const struct insn_regs *regs)
{
	u64 addr = insn->disp;

	if (insn->base < 16)
		addr += regs->gpr[insn->base];
	else if (insn->base == INSN_REG_RIP)
		addr += regs->rip + insn->length;
	if (insn->index < 16)
		addr += regs->gpr[insn->index] << insn->scale;
	if (insn->addr32)
		addr = (u32)addr;
	if (insn->segment)
		addr += insn->segment == INSN_SEG_FS ? regs->fs_base : regs->gs_base;
	return addr;
}

/**
 * insn_decode() - decode one 64-bit-mode instruction with a memory operand
 * @bytes: the instruction
 * @len: bytes there are, up to INSN_MAX
 * @regs: registers for the effective address
 * @insn: the answer
 *
 * Return: true if the instruction is known; false for everything else, truncated bytes included.
 */
bool insn_decode(const u8 *bytes, unsigned int len, const struct insn_regs *regs,
		 struct insn *insn);

/**
 * insn_execute() - the arithmetic of a store
 * @insn: decoded; not INSN_LOAD
 * @old: memory operand as it was, zero-extended
 * @gpr: 16 registers, changed as the instruction changes them
 * @rflags: changed as the instruction changes them (undefined flags keep their value)
 *
 * Return: the new value of the memory operand (CMPXCHG that fails writes the old one back, as
 * the CPU does).
 */
u64 insn_execute(const struct insn *insn, u64 old, u64 *gpr, u64 *rflags);

#endif

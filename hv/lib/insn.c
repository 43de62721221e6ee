// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store decoder. One table says what each opcode is; the rest is the regular part of the
 * encoding: prefixes, ModRM, SIB, displacement, immediate (Intel SDM vol. 2, chapter 2).
 */
#include "insn.h"

#define FLAG_CF BIT_ULL(0)
#define FLAG_PF BIT_ULL(2)
#define FLAG_AF BIT_ULL(4)
#define FLAG_ZF BIT_ULL(6)
#define FLAG_SF BIT_ULL(7)
#define FLAG_DF BIT_ULL(10)
#define FLAG_OF BIT_ULL(11)

/* How an opcode's operands are given. */
enum form {
	FORM_NONE,
	FORM_REG,    /* memory and register */
	FORM_IMM8,   /* memory and an immediate byte, sign-extended */
	FORM_IMM,    /* memory and an immediate of operand size, at most 4 bytes */
	FORM_ALONE,  /* memory only */
	FORM_MOFFS,  /* rAX and an absolute address */
	FORM_STRING, /* rAX and [RDI] */
};

struct opcode {
	u8 op; /* enum insn_op */
	u8 form;
	bool byte;   /* operand is a byte, whatever the prefixes say */
	bool group;  /* ModRM.reg chooses the operation from @groups[op] */
	bool lock;   /* LOCK is allowed */
	u8 mem_size; /* LOAD: bytes read if not the operand size */
	bool sign;   /* LOAD: sign-extends */
};

enum group { GROUP_ALU, GROUP_MOV, GROUP_NOT, GROUP_INC, GROUP_BT };

static const u8 groups[][8] = {
	[GROUP_ALU] = { INSN_ADD, INSN_OR, INSN_ADC, INSN_SBB, INSN_AND, INSN_SUB, INSN_XOR },
	[GROUP_MOV] = { INSN_MOV },
	[GROUP_NOT] = { [2] = INSN_NOT, [3] = INSN_NEG },
	[GROUP_INC] = { INSN_INC, INSN_DEC },
	[GROUP_BT] = { [5] = INSN_BTS, [6] = INSN_BTR, [7] = INSN_BTC },
};

#define ALU(code, which)                                          \
	[code] = { which, FORM_REG, .byte = true, .lock = true }, \
	[(code) + 1] = { which, FORM_REG, .lock = true }

static const struct opcode one_byte[256] = {
	ALU(0x00, INSN_ADD),
	ALU(0x08, INSN_OR),
	ALU(0x10, INSN_ADC),
	ALU(0x18, INSN_SBB),
	ALU(0x20, INSN_AND),
	ALU(0x28, INSN_SUB),
	ALU(0x30, INSN_XOR),
	[0x63] = { INSN_LOAD, FORM_REG, .mem_size = 4, .sign = true },
	[0x80] = { GROUP_ALU, FORM_IMM8, .byte = true, .group = true, .lock = true },
	[0x81] = { GROUP_ALU, FORM_IMM, .group = true, .lock = true },
	[0x83] = { GROUP_ALU, FORM_IMM8, .group = true, .lock = true },
	[0x86] = { INSN_XCHG, FORM_REG, .byte = true, .lock = true },
	[0x87] = { INSN_XCHG, FORM_REG, .lock = true },
	[0x88] = { INSN_MOV, FORM_REG, .byte = true },
	[0x89] = { INSN_MOV, FORM_REG },
	[0x8a] = { INSN_LOAD, FORM_REG, .byte = true },
	[0x8b] = { INSN_LOAD, FORM_REG },
	[0xa2] = { INSN_MOV, FORM_MOFFS, .byte = true },
	[0xa3] = { INSN_MOV, FORM_MOFFS },
	[0xaa] = { INSN_STOS, FORM_STRING, .byte = true },
	[0xab] = { INSN_STOS, FORM_STRING },
	[0xc6] = { GROUP_MOV, FORM_IMM8, .byte = true, .group = true },
	[0xc7] = { GROUP_MOV, FORM_IMM, .group = true },
	[0xf6] = { GROUP_NOT, FORM_ALONE, .byte = true, .group = true, .lock = true },
	[0xf7] = { GROUP_NOT, FORM_ALONE, .group = true, .lock = true },
	[0xfe] = { GROUP_INC, FORM_ALONE, .byte = true, .group = true, .lock = true },
	[0xff] = { GROUP_INC, FORM_ALONE, .group = true, .lock = true },
};

static const struct opcode two_byte[256] = {
	[0xab] = { INSN_BTS, FORM_REG, .lock = true },
	[0xb0] = { INSN_CMPXCHG, FORM_REG, .byte = true, .lock = true },
	[0xb1] = { INSN_CMPXCHG, FORM_REG, .lock = true },
	[0xb3] = { INSN_BTR, FORM_REG, .lock = true },
	[0xb6] = { INSN_LOAD, FORM_REG, .mem_size = 1 },
	[0xb7] = { INSN_LOAD, FORM_REG, .mem_size = 2 },
	[0xba] = { GROUP_BT, FORM_IMM8, .group = true, .lock = true },
	[0xbb] = { INSN_BTC, FORM_REG, .lock = true },
	[0xbe] = { INSN_LOAD, FORM_REG, .mem_size = 1, .sign = true },
	[0xbf] = { INSN_LOAD, FORM_REG, .mem_size = 2, .sign = true },
	[0xc0] = { INSN_XADD, FORM_REG, .byte = true, .lock = true },
	[0xc1] = { INSN_XADD, FORM_REG, .lock = true },
	[0xc3] = { INSN_MOV, FORM_REG }, /* MOVNTI */
};

/* The bytes not decoded yet. */
struct cursor {
	const u8 *at, *end;
	bool short_of;
};

static u64 take(struct cursor *c, unsigned int n)
{
	u64 value = 0;
	unsigned int i;

	if ((unsigned int)(c->end - c->at) < n) {
		c->short_of = true;
		return 0;
	}
	for (i = 0; i < n; i++)
		value |= (u64)*c->at++ << (8 * i);
	return value;
}

static u64 sign_extend(u64 value, unsigned int bytes)
{
	unsigned int shift = 64 - 8 * bytes;

	return bytes >= 8 ? value : (u64)((s64)(value << shift) >> shift);
}

static u64 take_signed(struct cursor *c, unsigned int n)
{
	return sign_extend(take(c, n), n);
}

struct prefixes {
	u8 rex;
	bool opsize, addrsize, lock, rep;
	u8 segment;
};

/* Legacy prefixes in any order, REX last. */
static u8 take_prefixes(struct cursor *c, struct prefixes *p)
{
	u8 b;

	*p = (struct prefixes){};
	for (b = take(c, 1);; b = take(c, 1)) {
		switch (b) {
		case 0x66:
			p->opsize = true;
			break;
		case 0x67:
			p->addrsize = true;
			break;
		case 0xf0:
			p->lock = true;
			break;
		case 0xf2:
		case 0xf3:
			p->rep = true;
			break;
		case 0x26: /* no base in 64-bit mode, and no effect on FS and GS before them */
		case 0x2e:
		case 0x36:
		case 0x3e:
			break;
		case 0x64:
			p->segment = INSN_SEG_FS;
			break;
		case 0x65:
			p->segment = INSN_SEG_GS;
			break;
		default:
			if ((b & 0xf0) == 0x40) {
				p->rex = b;
				b = take(c, 1);
			}
			return b;
		}
	}
}

/* The memory operand of a ModRM byte whose mod is not 3. */
static void take_address(struct cursor *c, const struct prefixes *p, u8 modrm, struct insn *insn)
{
	u8 mod = modrm >> 6, rm = modrm & 7;

	if (rm == 4) {
		u8 sib = take(c, 1);
		u8 base = sib & 7, index = (sib >> 3 & 7) | (p->rex & 2) << 2;

		if (index != 4) {
			insn->index = index;
			insn->scale = sib >> 6;
		}
		if (base == 5 && mod == 0)
			insn->disp = take_signed(c, 4);
		else
			insn->base = base | (p->rex & 1) << 3;
	} else if (rm == 5 && mod == 0) {
		insn->base = INSN_REG_RIP;
		insn->disp = take_signed(c, 4);
	} else {
		insn->base = rm | (p->rex & 1) << 3;
	}
	if (mod == 1)
		insn->disp = take_signed(c, 1);
	else if (mod == 2)
		insn->disp = take_signed(c, 4);
}

bool insn_parse(const u8 *bytes, unsigned int len, struct insn *insn)
{
	struct cursor c = { .at = bytes, .end = bytes + min_t(unsigned int, len, INSN_MAX) };
	const struct opcode *code;
	struct prefixes p;
	unsigned int size, imm_len = 0;
	u8 b, modrm, reg;

	*insn = (struct insn){ .base = INSN_NO_REG, .index = INSN_NO_REG };
	b = take_prefixes(&c, &p);
	code = &one_byte[b];
	if (b == 0x0f)
		code = &two_byte[take(&c, 1)];
	if (c.short_of || code->form == FORM_NONE || p.rep || (p.lock && !code->lock))
		return false;
	size = code->byte ? 1 : p.rex & 8 ? 8 : p.opsize ? 2 : 4;
	insn->op = code->op;
	insn->size = code->mem_size ? code->mem_size : size;
	insn->dest_size = size;
	insn->sign_extend = code->sign;
	insn->lock = p.lock;
	insn->addr32 = p.addrsize;
	insn->segment = p.segment;

	if (code->form == FORM_MOFFS) {
		insn->disp = take(&c, p.addrsize ? 4 : 8);
	} else if (code->form == FORM_STRING) {
		/* The destination is ES:RDI, no override. */
		insn->base = 7;
		insn->segment = INSN_SEG_NONE;
		if (p.addrsize)
			return false; /* EDI would be truncated when it moves on */
	} else {
		modrm = take(&c, 1);
		if (c.short_of || modrm >> 6 == 3)
			return false;
		reg = (modrm >> 3 & 7) | (p.rex & 4) << 1;
		insn->reg = reg;
		if (code->group) {
			insn->op = groups[code->op][reg & 7];
			if (insn->op == INSN_UNKNOWN)
				return false;
		} else if (code->form == FORM_REG && code->byte && !p.rex && reg >= 4) {
			insn->high_byte = true;
			insn->reg = reg - 4;
		}
		if (code->form == FORM_IMM8)
			imm_len = 1;
		else if (code->form == FORM_IMM)
			imm_len = min_t(unsigned int, size, 4);
		take_address(&c, &p, modrm, insn);
		if (imm_len) {
			insn->has_imm = true;
			insn->imm = take_signed(&c, imm_len);
		}
	}
	/* A bit number in a register reaches beyond the operand: left to the CPU. */
	if (code->form == FORM_REG && insn->op >= INSN_BTS && insn->op <= INSN_BTC)
		return false;
	/* MOVNTI has no 16-bit form. */
	if (code == &two_byte[0xc3] && p.opsize)
		return false;
	insn->length = c.at - bytes;
	return !c.short_of;
}

bool insn_decode(const u8 *bytes, unsigned int len, const struct insn_regs *regs, struct insn *insn)
{
	if (!insn_parse(bytes, len, insn))
		return false;
	insn->ea = insn_address(insn, regs);
	return true;
}

static u64 low(u64 value, unsigned int bytes)
{
	return bytes >= 8 ? value : value & ((1ULL << (8 * bytes)) - 1);
}

static u64 reg_read(const u64 *gpr, unsigned int reg, unsigned int size, bool high_byte)
{
	return low(high_byte ? gpr[reg] >> 8 : gpr[reg], size);
}

static void reg_write(u64 *gpr, unsigned int reg, unsigned int size, bool high_byte, u64 value)
{
	if (high_byte)
		gpr[reg] = (gpr[reg] & ~0xff00ULL) | low(value, 1) << 8;
	else if (size >= 4) /* a 32-bit result clears the upper half */
		gpr[reg] = low(value, size);
	else
		gpr[reg] = (gpr[reg] & ~low(~0ULL, size)) | low(value, size);
}

/* SF, ZF, PF of a result. */
static u64 flags_result(u64 result, unsigned int size)
{
	u64 flags = 0;

	result = low(result, size);
	if (!result)
		flags |= FLAG_ZF;
	if (result >> (8 * size - 1) & 1)
		flags |= FLAG_SF;
	if (!(__builtin_popcount(result & 0xff) & 1))
		flags |= FLAG_PF;
	return flags;
}

#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static u64 add_flags(u64 a, u64 b, u64 carry_in, unsigned int size, u64 *rflags)
{
	u64 sum = low(a + b + carry_in, size);
	u64 carry = (a & b) | ((a | b) & ~sum);
	unsigned int top = 8 * size - 1;

	*rflags &= ~FLAGS_ARITH;
	*rflags |= flags_result(sum, size);
	if (carry >> top & 1)
		*rflags |= FLAG_CF;
	if (carry >> 3 & 1)
		*rflags |= FLAG_AF;
	if ((a ^ sum) & (b ^ sum) & (1ULL << top))
		*rflags |= FLAG_OF;
	return sum;
}

static u64 sub_flags(u64 a, u64 b, u64 borrow_in, unsigned int size, u64 *rflags)
{
	u64 diff = low(a - b - borrow_in, size);
	u64 borrow = (~a & b) | ((~a | b) & diff);
	unsigned int top = 8 * size - 1;

	*rflags &= ~FLAGS_ARITH;
	*rflags |= flags_result(diff, size);
	if (borrow >> top & 1)
		*rflags |= FLAG_CF;
	if (borrow >> 3 & 1)
		*rflags |= FLAG_AF;
	if ((a ^ b) & (a ^ diff) & (1ULL << top))
		*rflags |= FLAG_OF;
	return diff;
}

/* AND, OR, XOR clear CF and OF; AF is undefined; known CPUs clear it. */
static u64 logic_flags(u64 result, unsigned int size, u64 *rflags)
{
	*rflags &= ~FLAGS_ARITH;
	*rflags |= flags_result(result, size);
	return result;
}

u64 insn_execute(const struct insn *insn, u64 old, u64 *gpr, u64 *rflags)
{
	unsigned int size = insn->size, bit;
	u64 src = low(insn->has_imm ? insn->imm : reg_read(gpr, insn->reg, size, insn->high_byte),
		      size);
	u64 carry = *rflags & FLAG_CF;
	u64 result = old;

	switch (insn->op) {
	case INSN_MOV:
		return src;
	case INSN_ADD:
		return add_flags(old, src, 0, size, rflags);
	case INSN_ADC:
		return add_flags(old, src, carry, size, rflags);
	case INSN_SUB:
		return sub_flags(old, src, 0, size, rflags);
	case INSN_SBB:
		return sub_flags(old, src, carry, size, rflags);
	case INSN_OR:
		return logic_flags(old | src, size, rflags);
	case INSN_AND:
		return logic_flags(old & src, size, rflags);
	case INSN_XOR:
		return logic_flags(old ^ src, size, rflags);
	case INSN_INC: /* INC and DEC leave CF alone */
		result = add_flags(old, 1, 0, size, rflags);
		*rflags = (*rflags & ~FLAG_CF) | carry;
		return result;
	case INSN_DEC:
		result = sub_flags(old, 1, 0, size, rflags);
		*rflags = (*rflags & ~FLAG_CF) | carry;
		return result;
	case INSN_NOT:
		return low(~old, size);
	case INSN_NEG:
		return sub_flags(0, old, 0, size, rflags);
	case INSN_XCHG:
		reg_write(gpr, insn->reg, size, insn->high_byte, old);
		return src;
	case INSN_XADD:
		result = add_flags(old, src, 0, size, rflags);
		reg_write(gpr, insn->reg, size, insn->high_byte, old);
		return result;
	case INSN_CMPXCHG:
		sub_flags(low(gpr[0], size), old, 0, size, rflags);
		if (*rflags & FLAG_ZF)
			return src;
		reg_write(gpr, 0, size, false, old);
		return old;
	case INSN_BTS:
	case INSN_BTR:
	case INSN_BTC:
		bit = insn->imm & (8 * size - 1);
		*rflags = (*rflags & ~FLAG_CF) | (old >> bit & 1 ? FLAG_CF : 0);
		if (insn->op == INSN_BTS)
			return old | 1ULL << bit;
		if (insn->op == INSN_BTR)
			return old & ~(1ULL << bit);
		return old ^ 1ULL << bit;
	case INSN_STOS:
		gpr[7] += *rflags & FLAG_DF ? -(u64)size : size;
		return low(gpr[0], size);
	default:
		return old;
	}
}

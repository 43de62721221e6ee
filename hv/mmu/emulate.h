/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A trapped store, carried out: decode the instruction, change guest memory and registers as the
 * CPU would have, tell the paging mode. What the decoder does not know goes through a window.
 */
#ifndef PENUMBRA_EMULATE_H
#define PENUMBRA_EMULATE_H

#include "paging.h"

/* The registers an instruction can name. Filled before, written back after. */
struct emu_regs {
	u64 gpr[16]; /* rax rcx rdx rbx rsp rbp rsi rdi r8 .. r15: the encoding's order */
	u64 rip;
	u64 rflags;
	u64 fs_base, gs_base;
	bool long_mode; /* CS.L: 64-bit code */
	u8 cpl;
};

enum emu_result {
	EMU_DONE,    /* guest memory, gpr, rip and rflags are as after the instruction */
	EMU_UNKNOWN, /* nothing was changed: let it through a window */
};

/**
 * emulate_store() - carry out the store at regs->rip
 * @pv: the vCPU
 * @regs: registers, changed on EMU_DONE
 * @gva: faulting linear address
 * @to: where it leads (gpa, at), in pinned guest memory: of VERDICT_EMULATE
 *
 * Return: EMU_DONE or EMU_UNKNOWN. Calls paging_ops.pt_write on EMU_DONE.
 */
enum emu_result emulate_store(struct paging_vcpu *pv, struct emu_regs *regs, gva_t gva,
			      const struct paging_result *to);

/**
 * emulate_plain_store() - carry out a store if it is of the plainest kind and known already
 * @pv: the vCPU, in 64-bit code and not single-stepped
 * @gpr: its registers but RSP
 * @f: the fault that the store met
 * @to: where it leads
 *
 * What most stores to page tables are, a MOV, needs few registers and changes none. What is not
 * known becomes known in emulate_store().
 *
 * Return: bytes of the instruction, if it was carried out; 0: nothing was changed.
 */
unsigned int emulate_plain_store(struct paging_vcpu *pv, const u64 *gpr,
				 const struct paging_fault *f, const struct paging_result *to);

/* A load or store that the decoder found for device memory. */
struct emu_access {
	bool write;
	u8 size;				  /* bytes: 1, 2, 4, 8 */
	u64 value;				  /* write: the value */
	u8 reg;					  /* read: destination register number */
	bool zero_extend, sign_extend, high_byte; /* read: how it lands in reg */
	u8 dest_size;				  /* read: bytes of the destination register */
	u8 length;				  /* of the instruction */
};

/**
 * emulate_decode_mmio() - what does the instruction at regs->rip do to device memory?
 * @pv: the vCPU
 * @regs: registers
 * @access: the answer
 *
 * Return: true when the instruction is a plain load or store.
 */
bool emulate_decode_mmio(struct paging_vcpu *pv, const struct emu_regs *regs,
			 struct emu_access *access);

/**
 * emulate_finish_read() - put a device's answer into the destination register
 * @regs: registers; rip moves on
 * @access: from emulate_decode_mmio()
 * @value: what the device returned
 */
void emulate_finish_read(struct emu_regs *regs, const struct emu_access *access, u64 value);

#endif

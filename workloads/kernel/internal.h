/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's own files share and nobody else needs: the order of start-up, and the symbols
 * of link.ld and the assembly files.
 */
#ifndef GUEST_INTERNAL_H
#define GUEST_INTERNAL_H

#include "kernel.h"

struct e820_entry {
	u64 addr, size;
	u32 type;
} __attribute__((packed));

_Static_assert(sizeof(struct e820_entry) == GUEST_E820_SIZE, "boot protocol");

/* link.ld */
extern char kernel_start[], text_end[], rodata_end[], kernel_end[];
extern char user_load[];
extern const u64 extable_start[], extable_end[];

/* start.S, entry.S */
extern u64 gdt[], gdt_tss[];
extern char vector_stubs[], syscall_entry[], probe_exec_faulted[];
extern u64 kernel_sp, cur_frame_end, guard_sp, probe_exec_target;
long enter_user(struct regs *frame);
noreturn void leave_user(long result);
noreturn void guard_unwind(int vector);

noreturn void kernel_main(const u8 *boot_params);
void console_init(void);
extern bool end_by_reset; /* end=reset: what a bare machine does at the end */
void cmdline_init(const char *line);
void frame_init(const struct e820_entry *map, u32 entries);
void paging_init(void);
void trap_init(void);
void trap_set_frame(struct regs *frame);
void proc_init(void);

struct regs *trap_from_user(struct regs *regs);
void trap_from_kernel(struct regs *regs);
struct regs *syscall_dispatch(struct regs *regs);

u64 user_text_bytes(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Constants that C and assembly share: selectors, system call numbers, the map of a process and the
 * shape of the saved register frame.
 */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER_DS	  0x2b
#define USER_CS	  0x33
#define TSS_SEL	  0x38

/*
 * Virtual addresses. PML4 slot 0 is the kernel's identity map of all RAM (the direct map), slot 1
 * belongs to the process, slot 2 is the kernel's own window for mappings that workloads change.
 */
#define USER_TEXT	  0x8000000000 /* .user of the image, see link.ld */
#define USER_STACK_TOP	  0x8030000000
#define USER_STACK_LEN	  0x8000
#define USER_HEAP	  0x8040000000 /* mmap'ed regions and working sets */
#define USER_LIMIT	  0x10000000000
#define KERNEL_WINDOW	  0x10000000000
#define KERNEL_WINDOW_END 0x18000000000

/* System calls: number in RAX, arguments in RDI, RSI, RDX, result in RAX. */
#define SYS_EXIT   0 /* (code) */
#define SYS_YIELD  1 /* () */
#define SYS_FORK   2 /* () -> pid in the parent, 0 in the child */
#define SYS_WAIT   3 /* () -> exit code of the next child to end */
#define SYS_MMAP   4 /* (bytes) -> address */
#define SYS_MUNMAP 5 /* (address, bytes) */
#define SYS_EXEC   6 /* (argument 1, argument 2): the program is the process's own */
#define SYS_NULL   7 /* () */
#define SYS_HOOK   8 /* (a, b, c): to the workload's own handler */

/* struct regs. */
#define REGS_SIZE      176
#define VECTOR_SYSCALL 0x100

#endif

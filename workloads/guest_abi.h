/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between a guest image and whatever runs it: the runner (bench/), the bare emulated
 * machine (scripts/) and the tests. One header for all sides, so that a port, a status or a marker
 * has one value. It knows no other header: it must compile freestanding, in user space and in
 * assembly.
 *
 * Boot
 *   An ELF64 image for x86-64; each PT_LOAD goes to its p_paddr and execution starts at e_entry by
 *   the Linux/x86-64 64-bit boot protocol: long mode, paging on with an identity map of the image,
 *   the zero page and the command line, CS=0x10, DS=ES=SS=0x18 valid in the loaded GDT, IF=0,
 *   RSI = physical address of struct boot_params (only the fields below are read).
 *
 * Command line
 *   `workload=NAME key=value... reps=N rep=FIRST`; `workload=list` prints what there is. Words without `=`
 *   and the keys of the kernel itself are described by `workload=list` too.
 *
 * Output
 *   GUEST_PORT_COM1 carries text for people, GUEST_PORT_ROW (or GUEST_PORT_COM1 too, where a read of
 *   that port does not give GUEST_ROW_THERE) one machine-readable line per repetition:
 *
 *     @row workload=NAME params=key:value;key:value rep=N|traced status=ok|failed ops=N elapsed=N
 *     control=N checksum=0xHEX g_invlpg=N g_cr3=N g_invpcid=N g_pf=N
 *
 *   (one line; fields separated by one space, no spaces in values; more fields may follow).
 *   elapsed and control are differences of RDTSC that the guest took inside the markers; the g_
 *   counts cover the body region only: INVLPG executed, MOV to CR3 executed, INVPCID executed, #PF
 *   taken. A workload without parameters has `params=-`.
 *
 * End
 *   `outb v` to GUEST_PORT_EXIT ends the run with status v. On a machine without that port
 *   execution falls through; the guest then prints "status=v" on COM1, writes "Shutdown" byte by
 *   byte to GUEST_PORT_BOCHS_SHUTDOWN and halts, or, with end=reset, resets the machine.
 */
#ifndef PENUMBRA_GUEST_ABI_H
#define PENUMBRA_GUEST_ABI_H

/* Ports. */
#define GUEST_PORT_COM1		  0x3f8 /* UART data; the guest polls the line status for bit 5 */
#define GUEST_PORT_COM1_LCR	  0x3fb /* line control: set to 8 bits where it is not (or 0xff) */
#define GUEST_PORT_COM1_LSR	  0x3fd
#define GUEST_COM1_LSR_THRE	  0x20	/* the UART takes another character */
#define GUEST_COM1_LSR_TEMT	  0x40	/* all have left; polled where the exit port is not there */
#define GUEST_PORT_ROW		  0xe9	/* outb: the bytes of @row lines */
#define GUEST_ROW_THERE		  0xe9	/* what the row port reads as; Bochs and QEMU agree */
#define GUEST_PORT_EXIT		  0xf4	/* outb v: the run ends with status v */
#define GUEST_PORT_MARK		  0xf5	/* outl: one of the markers below */
#define GUEST_PORT_NOP		  0x80	/* outb: ignored; the price of a trip to user space */
#define GUEST_PORT_RESET	  0xcf9 /* a PC's reset control register */
#define GUEST_PORT_BOCHS_SHUTDOWN 0x8900 /* bare Bochs: the string "Shutdown" powers it off */

/* Region-of-interest markers, each one VM exit to user space. */
#define GUEST_MARK_BODY_BEGIN	 1
#define GUEST_MARK_BODY_END	 2
#define GUEST_MARK_CONTROL_BEGIN 3
#define GUEST_MARK_CONTROL_END	 4

/*
 * The base-address buffer (roots=1): VMCALL with this number in RAX and the address of a page in
 * RBX (0: opt out); 0 in RAX means that the hypervisor keeps the page up to date from now on. It
 * holds GUEST_ROOTS pairs: a CR3 value of the guest without bit 63, or 0, and the value to load
 * instead so that the MOV needs no exit. All of it may be withdrawn at any moment, also between the
 * reads of the two: then the second is 0, and the guest loads its own value. The guest promises to
 * flush what it changes by INVLPG, INVPCID or a load of its own CR3 value, and to count on no flush
 * from a value found here.
 */
#define GUEST_HC_SHARE_ROOTS 0x70656e01
#define GUEST_ROOTS	     4

/* rep of a repetition whose body is in an emulator's memory trace (trace=1). */
#define GUEST_REP_TRACED "traced"

/* Statuses on GUEST_PORT_EXIT. */
#define GUEST_STATUS_OK	       0
#define GUEST_STATUS_FAILED    1 /* a check of the guest's own memory or kernel failed */
#define GUEST_STATUS_USAGE     2 /* unknown workload or key, value out of range, too little RAM */
#define GUEST_STATUS_EXCEPTION 3 /* an exception that nothing expected; registers are on COM1 */

/* Selectors that the boot protocol promises. */
#define GUEST_BOOT_CS 0x10
#define GUEST_BOOT_DS 0x18

/* The part of struct boot_params that is used: byte offsets into the 4 KiB zero page. */
#define GUEST_BP_E820_COUNT 0x1e8 /* u8 */
#define GUEST_BP_CMDLINE    0x228 /* u32: physical address, NUL-terminated */
#define GUEST_BP_CMDLINE_HI 0x0c8 /* u32: ext_cmd_line_ptr, its upper half */
#define GUEST_BP_E820_TABLE 0x2d0 /* packed { u64 addr; u64 size; u32 type; } */
#define GUEST_E820_SIZE	    20
#define GUEST_E820_MAX	    128
#define GUEST_E820_RAM	    1
#define GUEST_CMDLINE_MAX   2048

/* What a row starts with. */
#define GUEST_ROW_PREFIX "@row "

/* The suite is linked here; the smallest guest RAM the boot code itself needs, in MiB. */
#define GUEST_LOAD_ADDRESS 0x1000000
#define GUEST_MIN_RAM_MIB  32

/* Where the window of the GTT device is, in VMs that have one (hv/gtt/gtt_abi.h). */
#define GUEST_GTT_BASE 0xd0000000ul

#endif

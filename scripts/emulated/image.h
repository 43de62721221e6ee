/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things lie in the boot image: the one place that option_rom.S, loader.S and mkimage.c share.
 *
 * Bochs can put one host file into guest memory ("optramimage") but does it wrongly for files over
 * 128 KiB: it hands out host memory in blocks of 128 KiB at the guest's first touch of each block,
 * while it reads the file linearly into host memory.  Only the image's first block is where it
 * should be.  What follows it in host memory goes to whichever blocks the guest touches next, and
 * the BIOS touches some before we run.  Hence the image's shape: the first block (loader, boot
 * parameters, page tables), then padding blocks for the BIOS to use up, then the payload.  The
 * loader touches its blocks in ascending order until the payload's first page appears.
 */
#ifndef PENUMBRA_EMULATED_IMAGE_H
#define PENUMBRA_EMULATED_IMAGE_H

#define IMAGE_BASE	  0x10000000 /* gpa of the image; optramimage's address */
#define IMAGE_BLOCK	  0x20000    /* Bochs's unit of host memory */
#define IMAGE_PADDING	  63	     /* blocks the BIOS may have used before the loader runs */
#define IMAGE_STACK_TOP	  0x1000     /* offsets within the first block */
#define IMAGE_GDT	  0x1000
#define IMAGE_ENTRY	  0x1100 /* 8 bytes: gpa to jump to when everything is in place */
#define IMAGE_SETUP_DATA  0x1200
#define IMAGE_BOOT_PARAMS 0x2000
#define IMAGE_CMDLINE	  0x3000
#define IMAGE_CMDLINE_MAX 0x1000
#define IMAGE_PAGE_TABLES 0x4000 /* PML4, PDPT, four page directories: 4 GiB of 2 MiB pages */

#define PAYLOAD_MAGIC	0x30444f4c59415021 /* "!PAYLOD0" */
#define PADDING_MAGIC	0x474e494444415021 /* "!PADDING" */
#define PAYLOAD_BLOCKS	8		   /* offsets within the payload's first page */
#define PAYLOAD_ENTRIES 16
#define PAYLOAD_ENTRY	32  /* bytes: gpa, offset in the payload, bytes to copy, bytes to clear */
#define PAYLOAD_MAX	120 /* entries that fit in the first page; a gpa of 0 ends the list */

#define ROM_BASE 0xd0000
#define ROM_SIZE 512

#endif

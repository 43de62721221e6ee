/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device as its driver sees it: registers, table entries, batches of commands.
 *
 * One header for the device (hv/gtt) and for the guest's driver (workloads/gtt.c). It uses u32 and
 * u64 and includes nothing.
 *
 * The device has an address space of its own, cut into pages of 4 KiB. Its table says which guest
 * frame is behind each of them. The driver writes entries, puts commands into a page of memory that
 * the device can reach, and writes that page's device address to the doorbell. The engine does the
 * commands in order, writes the number of the submission to the fence word, and is idle again.
 */
#ifndef PENUMBRA_GTT_ABI_H
#define PENUMBRA_GTT_ABI_H

/* Registers, 8 bytes each, at these offsets from the start of the window. */
#define GTT_REG_ID	 0x00	/* r: GTT_ID */
#define GTT_REG_ENTRIES	 0x08	/* r: entries of the table, a power of two */
#define GTT_REG_DOORBELL 0x10	/* w: device address of a batch, page-aligned */
#define GTT_REG_FENCE	 0x18	/* r: submissions completed */
#define GTT_REG_STATUS	 0x20	/* r: GTT_BUSY, or enum gtt_status of the last submission */
#define GTT_REG_WHERE	 0x28	/* r: the device address, or command, that it is about */
#define GTT_TABLE	 0x1000 /* the table starts here */

#define GTT_ID	 0x3154544741424d55ULL /* "UMBAGTT1" */
#define GTT_BUSY (1ULL << 63)

/* Table entries. Bits 2 to 11 and 52 to 63 are reserved, must be 0. */
#define GTT_PRESENT  (1ULL << 0)
#define GTT_WRITABLE (1ULL << 1)
#define GTT_FRAME    0x000ffffffffff000ULL /* guest-physical address */
#define GTT_RESERVED (~(GTT_FRAME | GTT_PRESENT | GTT_WRITABLE))

/* How a submission ended. */
enum gtt_status {
	GTT_OK,
	GTT_BAD_BATCH,	 /* no page of the device's address space, or no such number of commands */
	GTT_BAD_COMMAND, /* unknown, misaligned or out of range; where: its number */
	GTT_NOT_PRESENT, /* from here on, where: the device address */
	GTT_READ_ONLY,
	GTT_RESERVED_BIT, /* in the entry */
	GTT_OUTSIDE,	  /* the entry names an address that is not guest memory */
	GTT_DEVICE,	  /* the entry names the device's own window */
	GTT_UNPINNABLE,	  /* the host cannot hold the page in memory */
	GTT_CHANGED, /* the entry was changed while the submission was going to write through it */
	GTT_GONE,    /* guest memory came or went during the submission */
	GTT_STATUSES
};

enum gtt_op {
	GTT_OP_SUM,  /* checksum of .pages pages at .from to the word at .to */
	GTT_OP_COPY, /* .pages pages from .from to .to, each word times GTT_COPY_FACTOR */
	GTT_OPS
};

struct gtt_command {
	u32 op;
	u32 pages; /* 1 to GTT_COMMAND_PAGES */
	u32 bytes; /* of each page, from its start: a multiple of 8, up to 4096 */
	u32 zero;
	u64 from; /* device address, page-aligned */
	u64 to;	  /* device address, 8-aligned (SUM) or page-aligned (COPY) */
};

#define GTT_COMMAND_PAGES 8192u /* so that one submission has an end */
#define GTT_COMMANDS	  127u	/* what fits into the page */

struct gtt_batch {
	u64 fence; /* device address of the fence word, 8-aligned; 0: none is written */
	u32 count; /* commands */
	u32 zero;
	struct gtt_command command[GTT_COMMANDS];
};

/* The fence word: the number of the submission, and this bit where it did not end with GTT_OK. */
#define GTT_FENCE_ERROR (1ULL << 63)

/* A page's sum: fold its words in order. A command's result: each page's sum by its place. */
#define GTT_SUM_FACTOR		       31u
#define GTT_COPY_FACTOR		       5u
#define gtt_fold(sum, word)	       ((sum)*GTT_SUM_FACTOR + (word))
#define gtt_gather(result, sum, place) ((result) + (sum) * ((place) + 1ULL))

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bochs's memory trace, as a stream of walks and accesses. Counting (count.c) and modelling
 * (model.c) read the same stream, so both must agree on what a walk is; it is defined here, once.
 *
 * A walk is one translation of one linear address by the CPU's own page walker: every
 * paging-structure entry that is read from the first PML4E on, down to the entry that maps the
 * page, or to the one that faults. Under nested paging it begins with the nested walk that finds
 * the PML4 table, and includes the nested walk of the address that results. A reference is one
 * read of an entry. Writes of accessed and dirty flags belong to the walk, but are counted apart.
 *
 * The trace also has what the hypervisor does between an exit and the next entry. Which of the two
 * is at work is read off the VMCS, which Bochs accesses by the physical address of each field.
 */
#ifndef PENUMBRA_WALK_TRACE_H
#define PENUMBRA_WALK_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum line_kind {
	LINE_OTHER,    /* a bitmap, an MSR area: nobody's walk */
	LINE_LINEAR,   /* an access by linear address: what walks are for */
	LINE_PHYSICAL, /* an access without translation: the second half of read-modify-write */
	LINE_ENTRY,    /* an entry of a paging structure */
	LINE_VMCS,     /* a field of a VMCS */
	LINE_BEGIN,    /* a region begins */
	LINE_END,      /* a region ends */
	LINE_UNKNOWN,  /* not a line of a trace */
};

/**
 * struct trace_line - one line of the trace
 * @kind: what it is
 * @write: it writes (read-modify-write counts as a write)
 * @nested: of LINE_ENTRY: an entry of the second dimension (EPT)
 * @level: of LINE_ENTRY: 4 PML4E, 3 PDPTE, 2 PDE, 1 PTE
 * @len: bytes accessed
 * @lin: linear address of LINE_LINEAR
 * @phys: physical address
 * @value: what was read or written, up to 8 bytes; the tick of LINE_BEGIN and LINE_END
 */
struct trace_line {
	enum line_kind kind;
	bool write, nested;
	uint8_t level;
	uint32_t len;
	uint64_t lin, phys, value;
};

/**
 * trace_parse() - take one line apart
 * @text: the line, terminated by a newline or a NUL
 * @line: where the result goes
 *
 * Return: false if it is not a line of a trace.
 */
bool trace_parse(const char *text, struct trace_line *line);

/* (4 + 1) * (4 + 1) - 1 references; one group more where a fault cuts a walk short. */
#define WALK_MAX_REFS 32

/**
 * struct walk_ref - one reference of a walk
 * @phys: where the entry is
 * @value: its content
 * @level: 4 to 1
 * @nested: of the second dimension
 */
struct walk_ref {
	uint64_t phys, value;
	uint8_t level;
	bool nested;
};

/**
 * struct walk - one walk
 * @refs: how many references
 * @guest_refs: how many of them to the guest's (or the only) dimension
 * @nested: it has two dimensions
 * @complete: it found its page; otherwise it ended in a fault or an exit
 * @writes: writes of accessed and dirty flags, by dimension
 * @ref: the references, in order
 */
struct walk {
	unsigned int refs, guest_refs;
	bool nested, complete;
	unsigned int writes[2];
	struct walk_ref ref[WALK_MAX_REFS];
};

/**
 * struct trace_ops - who wants to know; any may be NULL
 * @region: a region begins or ends
 * @walk: a walk is over; comes before the access that it was for
 * @access: an access by linear address, or LINE_PHYSICAL
 * @transition: a VM exit (in_guest is now false) or a VM entry
 */
struct trace_ops {
	void (*region)(void *who, bool begins, uint64_t tick);
	void (*walk)(void *who, const struct walk *walk, bool in_guest);
	void (*access)(void *who, const struct trace_line *line, bool in_guest);
	void (*transition)(void *who, bool in_guest);
};

/**
 * struct trace - a trace being read
 * @ops: where its events go
 * @who: their first argument
 * @lines: lines seen
 * @unknown: lines that were not understood
 * @bytes: bytes seen
 * @in_region: between the two markers
 * @in_guest: the guest runs, or there is no hypervisor
 * @walk: the walk that is going on
 * @walking: there is one
 */
struct trace {
	const struct trace_ops *ops;
	void *who;
	uint64_t lines, unknown, bytes;
	bool in_region, in_guest, walking;
	struct walk walk;
};

/**
 * trace_line() - one more line
 * @trace: the trace; zeroed before the first line but for @ops and @who
 * @text: the line, terminated by a newline or a NUL
 */
void trace_line(struct trace *trace, const char *text);

/**
 * trace_read() - a whole stream, line by line, nothing kept
 * @trace: as for trace_line()
 * @fd: what to read
 *
 * Return: 0, or -1 with errno.
 */
int trace_read(struct trace *trace, int fd);

/**
 * trace_finish() - no more lines
 * @trace: the trace; a walk that is still going on is over
 */
void trace_finish(struct trace *trace);

/**
 * level_shift() - log2 of what one entry covers
 * @level: 1 PTE to 4 PML4E
 */
static inline unsigned int level_shift(unsigned int level)
{
	return 12 + 9 * (level - 1);
}

/**
 * walk_page() - what page a complete walk has found
 * @walk: the walk
 * @lin: its linear address; bits 63:48 as bit 47
 *
 * Only the offsets of entries in their tables are needed: they are the address. Under nested
 * paging the result is the smaller of the two pages, the one that a TLB can hold.
 *
 * Return: log2 of its size.
 */
unsigned int walk_page(const struct walk *walk, uint64_t *lin);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory as the paging code sees it: slots of guest frames, and for each frame the host
 * frame behind it once it is pinned.
 *
 * Pinning may sleep, the paging code must not. So the paging code only asks: a frame that is not
 * pinned yet makes the whole operation end with VERDICT_PIN, the caller pins the frame where
 * sleeping is allowed, and the operation starts again. Every operation of the paging code can be
 * repeated from its start for that reason.
 */
#ifndef PENUMBRA_GMEM_H
#define PENUMBRA_GMEM_H

#include "../lib/shim.h"

#define GMEM_SLOTS     32
#define GMEM_MAX_PAGES (1ULL << 24) /* 64 GiB of guest memory in all slots together */

/* Low bits of gmem_slot.host[]; the rest is the hpa of the frame. 0: not pinned. */
#define GMEM_PINNED  1ULL
#define GMEM_2M	     2ULL /* the 2 MiB block around this gfn is one host block, all pinned */
#define GMEM_1G	     4ULL /* the same for 1 GiB */
#define GMEM_WRITTEN 8ULL /* a device's frame: a store to it that no entry's dirty flag shows */
#define GMEM_HPA     (~0xfffULL)

/*
 * What the shadow knows of a frame. rmap heads a list of the shadow entries that map it (of that
 * size), tables a list of the shadow pages that shadow it as a guest page table. In the arrays
 * for 2 MiB and 1 GiB blocks, tables counts the shadowed frames inside the block.
 * 0 is the empty list in both.
 */
struct gfn_info {
	u32 rmap;
	u32 tables;
};

struct gmem_slot {
	gfn_t base;		  /* first guest frame */
	u64 npages;		  /* 0: the slot is free */
	u64 *host;		  /* npages words, hpa | GMEM_* */
	struct gfn_info *info[3]; /* [0] per frame, [1] per 2 MiB block, [2] per 1 GiB block;
				   * block arrays start at the block that holds base */
	void *owner;		  /* the pinning side's own data */
	bool device;		  /* a device fills host[]; a frame without a word there traps */
};

struct gmem;

/* What the surroundings provide. All of it may be called where sleeping is forbidden. */
struct gmem_ops {
	/**
	 * @pin: try to pin @gfn (present in a slot) without sleeping and fill host[].
	 * Returns 0, -EAGAIN (must be done where sleeping is allowed) or another negative errno
	 * (cannot be pinned at all).
	 */
	int (*pin)(struct gmem *mem, gfn_t gfn);
};

struct gmem {
	const struct gmem_ops *ops;
	unsigned int nr_slots;			/* slots[0 .. nr_slots-1] are in use, in no order */
	struct gmem_slot slots[GMEM_SLOTS + 1]; /* those after them are all zero, the last always */
};

/**
 * gmem_slot() - find the slot that holds a frame
 * @mem: guest memory
 * @gfn: guest frame number
 *
 * Return: the slot, or NULL where no memory is (the frame is outside RAM).
 */
static inline struct gmem_slot *gmem_slot(struct gmem *mem, gfn_t gfn)
{
	struct gmem_slot *slot;

	for (slot = mem->slots; slot->npages; slot++)
		if (gfn - slot->base < slot->npages)
			return slot;
	return NULL;
}

/**
 * gmem_index() - a frame's place in its slot's arrays
 * @slot: the slot that holds @gfn
 * @gfn: guest frame number
 *
 * The frame is the guest's choice, and a CPU may run ahead of the comparison that found the slot:
 * then too it reads inside the arrays (Spectre, variant 1).
 */
static inline u64 gmem_index(const struct gmem_slot *slot, gfn_t gfn)
{
	return array_index_nospec(gfn - slot->base, slot->npages);
}

/**
 * gmem_info() - what the shadow keeps about a frame, or about the block around it
 * @slot: the slot that holds @gfn
 * @gfn: guest frame number
 * @level: 1 for the 4 KiB frame, 2 for its 2 MiB block, 3 for its 1 GiB block
 *
 * Return: the record; never NULL.
 */
static inline struct gfn_info *gmem_info(struct gmem_slot *slot, gfn_t gfn, int level)
{
	u64 i = gmem_index(slot, gfn);
	int shift = 9 * (level - 1);

	return &slot->info[level - 1][((slot->base + i) >> shift) - (slot->base >> shift)];
}

/**
 * gmem_mark_written() - a store to a device's frame leaves no dirty flag, or the flag goes away
 * @slot: the slot that holds @gfn; nothing happens where it is no device's
 * @gfn: guest frame number
 */
static inline void gmem_mark_written(struct gmem_slot *slot, gfn_t gfn)
{
	u64 *host = &slot->host[gmem_index(slot, gfn)];

	if (unlikely(slot->device) && *host)
		*host |= GMEM_WRITTEN;
}

/* Words needed in info[level - 1] for a slot of @npages frames at @base. */
static inline u64 gmem_info_count(gfn_t base, u64 npages, int level)
{
	int shift = 9 * (level - 1);

	return ((base + npages - 1) >> shift) - (base >> shift) + 1;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device's page table and its shadow: gHyvi's case (ATC'15), beside the CPU's own tables.
 *
 * A device translates its addresses by a table that its driver keeps in the device's window, with
 * guest-physical addresses in it. A mediator cannot let hardware use those, so the engine walks a
 * shadow with host-physical addresses. How the shadow follows the guest's stores is gtt_mode.
 *
 * The table is cut into portions of 512 entries, one page of memory each. A portion is closed (it
 * is not mapped into the guest, so each access traps, and a store is carried over at once) or open
 * (mapped writable through a memory slot, whatever the paging mode is; the shadow catches up when a
 * submission needs it). When a portion opens and closes is the policy, see struct gtt_policy.
 *
 * Pure C. The surroundings call gtt_store() and gtt_load() for trapped accesses, gtt_run() until
 * the engine is idle, gtt_memory_changes() before guest memory comes or goes. Only gtt_init()
 * sleeps; what needs a page pinned returns VERDICT_PIN and is called again.
 *
 * Reading order: gtt_abi.h, gtt.h, gtt_policy.c, gtt.c (table and shadow), gtt_engine.c.
 */
#ifndef PENUMBRA_GTT_H
#define PENUMBRA_GTT_H

#include "../mmu/paging.h"
#include "gtt_abi.h"

#define GTT_PORTION   512u /* entries */
#define GTT_MIN_BYTES (2ULL << 20)
#define GTT_MAX_BYTES (2ULL << 30)

/* One page of the table. */
struct gtt_portion {
	u64 *table;  /* what the guest reads and writes */
	u64 *shadow; /* what the engine walks: hpa | GTT_PRESENT | GTT_WRITABLE, or a status << 4 */
	u64 *snapshot; /* the entries that the shadow was made from, while open in hybrid mode */
	u64 synced;    /* the submission that found it in step: from there on it stands still */
	u64 stores_of; /* the submission since which ... */
	u32 stores;    /* ... so many stores were trapped */
	u32 quiet;     /* submissions in a row that found (almost) nothing changed */
	bool open;     /* the guest writes to it unseen */
	bool stale;    /* the shadow has missed something: make all of it again before use */
	bool written;  /* open: a dirty flag was taken, and the snapshot is not compared yet */
	struct gtt_portion *older, *newer; /* open portions, by the time they were opened */
};

struct gtt;

/**
 * struct gtt_policy - a gtt_mode
 * @name: value of the module parameter gtt_mode, name in results
 * @shadow: the engine walks the shadow; else the guest's own entries
 * @all: on submit: bring every open portion in step; else those that the commands name
 * @opens: on write: a store to a closed portion was trapped. Open it?
 * @closes: on submit: an open portion was brought in step, @changed entries of it were not. Close
 *	it? Not asked about a portion that its dirty flags say is as it was
 * @enter: on switch: after all portions were closed
 */
struct gtt_policy {
	const char *name;
	bool shadow;
	bool all;
	bool (*opens)(struct gtt *g, struct gtt_portion *p);
	bool (*closes)(struct gtt *g, struct gtt_portion *p, u32 changed);
	void (*enter)(struct gtt *g);
};

/* Every gtt_mode there is, in the order help texts name them; ends with NULL. */
extern const struct gtt_policy *const gtt_modes[];

/**
 * gtt_mode_find() - look a mode up by its name
 * @name: as written to gtt_mode; one trailing newline is ignored
 *
 * Return: the mode, or NULL.
 */
const struct gtt_policy *gtt_mode_find(const char *name);

/* What the surroundings provide. */
struct gtt_ops {
	/* A zeroed page that may be mapped into the guest; may sleep. NULL: none. */
	u64 *(*page_get)(struct gtt *g);
	void (*page_put)(struct gtt *g, u64 *page);
	/* A submission was refused: @why is a sentence without a full stop, @where goes with it. */
	void (*refused)(struct gtt *g, const char *why, u64 where);
};

/* What a submission is doing. */
enum gtt_stage {
	GTT_IDLE,
	GTT_SYNC_ALL,	/* bringing every open portion in step */
	GTT_FETCH,	/* copying the batch out of guest memory */
	GTT_SYNC_NAMED, /* bringing the portions in step that the commands name */
	GTT_EXECUTE,
	GTT_FINISH, /* writing the fence word */
};

struct gtt {
	const struct gtt_ops *ops;
	const struct gtt_policy *policy;
	const struct gtt_policy *next_policy; /* waits for the end of a submission */
	struct paging *pg;
	gfn_t base; /* of the window; the table starts one frame later */
	u64 entries;
	u32 portions;
	struct gtt_portion *portion;
	struct gtt_portion *oldest, *newest; /* open ones */
	const struct gmem_slot *near;	     /* guest memory that an entry led to last */
	u32 nr_open;

	/* May change at any time. */
	u32 threshold;	    /* hybrid: trapped stores between submissions before a portion opens */
	u32 snapshots;	    /* hybrid: snapshots there may be */
	bool dirty_flags;   /* hybrid: compare only portions that a dirty flag says were written */
	u64 *snapshot_free; /* linked through their first word */
	u32 nr_snapshots;   /* in use */

	/* The submission. */
	enum gtt_stage stage;
	u64 number;   /* of the current one, or of the last */
	u64 batch_at; /* device address */
	u32 command;  /* the one at work */
	u32 place;    /* its page, or its portion */
	u32 changed;  /* entries of the portion at work that were not in step */
	u64 result;   /* of the command so far */
	u64 status;   /* enum gtt_status */
	u64 where;
	struct gtt_batch batch; /* a copy: the guest cannot change what was checked */
};

/**
 * gtt_init() - make a device
 * @g: all zero but for ops, policy and what may change at any time
 * @pg: the VM's translation; the window becomes a slot of its guest memory
 * @gpa: where the window is, page-aligned
 * @bytes: of device address space, a power of two from GTT_MIN_BYTES to GTT_MAX_BYTES
 *
 * May sleep. All memory the device will ever have is taken here: for each 2 MiB of device address
 * space two pages, and one for each snapshot.
 *
 * Return: 0, -EINVAL, -EEXIST where guest memory is in the way, -ENOSPC without a free slot, or
 * -ENOMEM.
 */
int gtt_init(struct gtt *g, struct paging *pg, gpa_t gpa, u64 bytes);

/**
 * gtt_free() - give everything back
 * @g: the device; no vCPU runs any more, and the paging mode maps nothing of its window
 */
void gtt_free(struct gtt *g);

/* Bytes of guest-physical address space from @gpa of gtt_init() on. */
static inline u64 gtt_window(const struct gtt *g)
{
	return GTT_TABLE + g->entries * sizeof(u64);
}

static inline bool gtt_claims(const struct gtt *g, gpa_t gpa)
{
	return gpa - (g->base << 12) < gtt_window(g);
}

static inline bool gtt_busy(const struct gtt *g)
{
	return g->stage != GTT_IDLE;
}

/**
 * gtt_load() - the guest reads what is not mapped
 * @g: the device
 * @gpa: inside the window
 * @size: 1, 2, 4 or 8
 *
 * Return: the value.
 */
u64 gtt_load(struct gtt *g, gpa_t gpa, unsigned int size);

/**
 * gtt_is_doorbell() - is this store a submission?
 * @g: the device
 * @gpa: inside the window
 */
static inline bool gtt_is_doorbell(const struct gtt *g, gpa_t gpa)
{
	return gpa == (g->base << 12) + GTT_REG_DOORBELL;
}

/**
 * gtt_store() - the guest writes what is not mapped
 * @g: the device
 * @gpa: inside the window
 * @size: 1, 2, 4 or 8
 * @value: what is stored
 * @res: gpa, on VERDICT_PIN
 *
 * A store to the doorbell while the engine is busy is lost, as with hardware: run it to its end
 * first.
 *
 * Return: VERDICT_RETRY when done, VERDICT_PIN with nothing done.
 */
enum verdict gtt_store(struct gtt *g, gpa_t gpa, unsigned int size, u64 value,
		       struct paging_result *res);

/**
 * gtt_let_through() - an access to the table that cannot be decoded
 * @g: the device
 * @gpa: inside the window
 *
 * The portion opens, whatever the policy is, until a submission needs it.
 *
 * Return: false for registers, which only plain loads and stores reach.
 */
bool gtt_let_through(struct gtt *g, gpa_t gpa);

/**
 * gtt_run() - let the engine work
 * @g: the device
 * @pv: a vCPU of the VM
 * @budget: about how many entries or cache lines to look at before coming back
 * @res: gpa, on VERDICT_PIN
 *
 * Return: VERDICT_RETRY: gtt_busy() tells whether there is more to do. VERDICT_PIN.
 */
enum verdict gtt_run(struct gtt *g, struct paging_vcpu *pv, u32 budget, struct paging_result *res);

/**
 * gtt_switch() - another policy
 * @g: the device
 * @to: takes over at once, or when the submission under way has ended
 */
void gtt_switch(struct gtt *g, const struct gtt_policy *to);

/**
 * gtt_memory_changes() - a slot of guest memory comes or goes
 * @g: the device
 *
 * Nothing of the shadow is used again before it was made again. A submission under way ends with
 * GTT_GONE.
 */
void gtt_memory_changes(struct gtt *g);

/**
 * gtt_audit() - compare the shadow with what the table says
 * @g: the device, idle
 * @text: describes the first wrong entry
 * @size: of @text
 *
 * Return: the number of wrong entries.
 */
u64 gtt_audit(struct gtt *g, char *text, size_t size);

/* ---- between the device's own files ---- */

static inline struct gmem_slot *gtt_own_slot(struct gtt *g)
{
	return gmem_slot(g->pg->mem, g->base);
}

/*
 * A portion by its number, which comes from the guest and was compared with their count: a CPU that
 * runs ahead of the comparison stays inside the array too (Spectre, variant 1).
 */
static inline struct gtt_portion *gtt_portion_at(const struct gtt *g, u64 nr)
{
	return &g->portion[array_index_nospec(nr, (u64)g->portions)];
}

/*
 * gtt_translate() for what is usual: an entry that leads to a pinned frame of the same memory slot
 * as the one before. False: ask gtt_translate().
 */
static inline bool gtt_translate_near(const struct gtt *g, u64 entry, u64 *shadow)
{
	const struct gmem_slot *slot = g->near;
	u64 i, host;

	/* Nothing there is usual too. */
	*shadow = 0;
	if (!(entry & GTT_PRESENT))
		return true;
	if (!slot || (entry & GTT_RESERVED))
		return false;
	i = (entry >> 12) - slot->base;
	if (i >= slot->npages)
		return false;
	host = slot->host[array_index_nospec(i, slot->npages)];
	*shadow = (host & GMEM_HPA) | (entry & (GTT_PRESENT | GTT_WRITABLE));
	return host;
}

void gtt_portion_open(struct gtt *g, struct gtt_portion *p);
void gtt_portion_close(struct gtt *g, struct gtt_portion *p);
bool gtt_snapshot_take(struct gtt *g, struct gtt_portion *p);
void gtt_snapshot_put(struct gtt *g, u64 *page);
bool gtt_portion_clean(struct gtt *g, struct gtt_portion *p);
enum verdict gtt_portion_sync(struct gtt *g, struct gtt_portion *p, u32 *cost,
			      struct paging_result *res);
enum verdict gtt_translate(struct gtt *g, u64 entry, u64 *shadow, struct paging_result *res);
void gtt_apply_policy(struct gtt *g);
void gtt_submit(struct gtt *g, u64 batch_at);

#endif

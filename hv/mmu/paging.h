/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * THE seam: how a VM's memory is translated, seen from outside.
 *
 * One struct paging_ops per paging mode. The vCPU code (hv/run.c, hv/exit.c) turns VM exits into
 * calls of these slots, and what they leave behind (a root to walk from, flushes to perform) into
 * control fields. No paging code includes a vendor's header, no vendor's file knows a mode.
 *
 * Rules that hold for every slot:
 *  - called with the VM's lock held, possibly with interrupts off: never sleeps. Other vCPUs may be
 *    in the guest meanwhile: their hardware walks and marks the entries, and caches them. Whoever
 *    takes a right away that it may have cached makes sure with paging_revoke() before he counts on it;
 *  - either does its whole work, or asks for something with VERDICT_PIN or VERDICT_REFILL and can
 *    be called again from the start once that is there;
 *  - work is bounded by the tables it touches, never by guest memory or by guest-made loops;
 *  - every slot is filled. An event that a mode does not trap points at a stub that stops the VM.
 */
#ifndef PENUMBRA_PAGING_H
#define PENUMBRA_PAGING_H

#include "gmem.h"
#include "../lib/counters.h"
#include "../lib/insn.h"

/* Events a mode wants to see; the vendor code turns them into control bits. */
#define TRAP_CR3    1u	/* MOV to and from CR3 */
#define TRAP_INVLPG 2u	/* INVLPG and INVPCID */
#define TRAP_PF	    4u	/* #PF */
#define TRAP_NESTED 8u	/* second-level tables are on, their violations exit */
#define TRAP_MODE   16u /* CR0.WP and CR4.{PGE,PCIDE,SMEP,SMAP} */
/* With TRAP_MODE hardware always runs with CR0.WP and EFER.NXE set, whatever the guest says. */

/* Page-fault error code, Intel SDM vol. 3, 4.7. */
#define PF_P	BIT_ULL(0) /* the translation was present */
#define PF_W	BIT_ULL(1) /* write */
#define PF_U	BIT_ULL(2) /* access in user mode */
#define PF_RSVD BIT_ULL(3) /* reserved bit set in an entry */
#define PF_I	BIT_ULL(4) /* instruction fetch */

/* TLB flushes owed to hardware before the next entry, by growing reach. */
#define FLUSH_ADDR    1u /* one address, every PCID of this tag (paging_vcpu.flush_gva) */
#define FLUSH_CONTEXT 2u /* everything cached for this vCPU, global pages included */
#define FLUSH_NESTED  4u /* everything derived from the VM's second-level tables */

enum verdict {
	VERDICT_RETRY,	 /* done; enter the guest again at the same instruction */
	VERDICT_REFLECT, /* the guest's own fault: deliver #PF with result.code */
	VERDICT_EMULATE, /* a store into a guarded table page at result.gpa: emulate it */
	VERDICT_MMIO,	 /* result.gpa is outside guest memory */
	VERDICT_PIN,	 /* pin result.gpa's frame where sleeping is allowed, then call again */
	VERDICT_REFILL,	 /* refill the table pool where sleeping is allowed, then call again */
	VERDICT_STOP,	 /* the VM cannot go on: result.why */
};

struct paging_result {
	u32 code;	 /* VERDICT_REFLECT: the #PF error code */
	gpa_t gpa;	 /* VERDICT_EMULATE, VERDICT_MMIO, VERDICT_PIN */
	u8 *at;		 /* VERDICT_EMULATE: where gpa is in host memory */
	void *table;	 /* VERDICT_EMULATE: what the mode knows of the table, for pt_write */
	const char *why; /* VERDICT_STOP: a sentence without a full stop; result.gpa goes with it */
};

/* A fault that reached the hypervisor. */
struct paging_fault {
	gva_t gva; /* #PF: the linear address. Nested: valid if has_gva */
	gpa_t gpa; /* nested: the guest-physical address */
	union {
		struct {
			u32 code; /* PF_* of the access, also of nested violations (but PF_U) */
			u8 cpl;	  /* 0 to 3 at the time of the access */
			bool ac;  /* RFLAGS.AC */
			bool has_gva;
			bool in_walk; /* nested: while the CPU read the guest's own tables */
		};
		u64 access; /* all of it, to compare */
	};
	u64 rip;    /* of the instruction */
	u64 rflags; /* at it */
};

/* Zeroed pages for shadow and nested tables; filled by the surroundings. */
struct table_pool {
	u64 *head;	  /* free pages, linked through their first word, zero behind it */
	unsigned int nr;  /* pages in the list */
	unsigned int low; /* refill (VERDICT_REFILL) is asked for below this */
};

#define TABLE_POOL_LOW	16u /* pages one operation may take at most */
#define TABLE_POOL_HIGH 64u /* pages the surroundings refill to */

/**
 * pool_put() - give a page to the pool
 * @pool: the pool
 * @page: 4 KiB of host memory, page-aligned, all zero
 */
static inline void pool_put(struct table_pool *pool, u64 *page)
{
	page[0] = (u64)(unsigned long)pool->head;
	pool->head = page;
	pool->nr++;
}

/**
 * pool_get() - take a page from the pool
 * @pool: the pool
 *
 * Return: a zeroed page, or NULL when the pool is empty.
 */
static inline u64 *pool_get(struct table_pool *pool)
{
	u64 *page = pool->head;

	if (!page)
		return NULL;
	pool->head = (u64 *)(unsigned long)page[0];
	page[0] = 0;
	pool->nr--;
	return page;
}

/* What the CPU and the module parameters allow; fixed for a VM's life. */
struct paging_config {
	u8 maxphyaddr;	     /* bits of a guest's physical address: paging_address_bits() */
	u8 nested_max_level; /* 1: 4K pages only, 2: up to 2M, 3: up to 1G */
	u8 shadow_max_level; /* the same for shadow entries of large guest pages */
	bool guest_1g;	     /* CPUID offers 1 GiB pages to the guest */
	bool nested_ad;	     /* accessed and dirty flags in second-level entries */
	bool tagged_tlb;     /* TLB entries are tagged: flushes are explicit */
	bool prefault;	     /* nested: map memory as soon as it is pinned */
	bool single_step;    /* a VM exit after one instruction can be asked for */
	u8 root_targets;     /* CR3 values that can be loaded without a VM exit */
	bool direct_faults; /* paging_mode=shadow: true faults go to the guest without an exit; only
			       * where bit 51 of an entry is reserved to the CPU */
	bool split_exec;    /* what can be executed is mapped by 4K entries: iTLB multihit */
	u32 shadow_budget;  /* shadow pages one VM may have */
	u32 hybrid_threshold; /* trapped stores between sync points that open a table; may change */
	u32 hybrid_quiet;     /* quiet sync points that close it again; may change */
};

/* Four levels of second-level tables translate so many bits: Intel SDM vol. 3, 29.3.2. */
#define PAGING_ADDRESS_BITS 48

/**
 * paging_address_bits() - the physical-address width of a guest's CPU, the same in every mode
 * @host: that of the host's CPU, which can be larger
 */
static inline u8 paging_address_bits(u8 host)
{
	return min_t(u8, host, PAGING_ADDRESS_BITS);
}

/**
 * paging_range_valid() - may guest memory be there?
 * @cfg: the VM's
 * @gpa: first byte
 * @bytes: how many
 */
static inline bool paging_range_valid(const struct paging_config *cfg, gpa_t gpa, u64 bytes)
{
	u64 limit = BIT_ULL(cfg->maxphyaddr);

	return gpa <= limit && bytes <= limit - gpa;
}

/*
 * SSP's base-address buffer: a page in the memory of a guest that opted in, where it finds, for
 * its own CR3 values, the value to load instead so that the MOV needs no VM exit (cfg.root_targets;
 * Intel SDM vol. 3, 25.6.7 and 26.1.3). Written by us only, never read: what
 * the guest writes there is its own loss. By opting in the guest promises to flush what it changes
 * with INVLPG or INVPCID and not to count on MOV to CR3 for it.
 */
#define ROOT_TARGETS 4

struct shared_roots {
	struct {
		u64 cr3;  /* the guest's value, bit 63 clear; 0: the slot is empty */
		u64 load; /* what to load for it; 0: withdrawn meanwhile, load your own */
	} slot[ROOT_TARGETS];
};

struct paging_ops;

/* What the decoder said of some bytes; they say it again. One that never matches is all zero. */
#define DECODED_KEPT 8u

struct decoded {
	u64 word[2]; /* the first 15 bytes */
	u8 plain;    /* its length, if it is a 64-bit MOV to [register + displacement] */
	struct insn insn;
};

/* One VM's translation. */
struct paging {
	const struct paging_ops *ops;
	struct gmem *mem;
	struct counters *count;
	struct table_pool pool;
	struct paging_config cfg;
	void *state;   /* of the mode: made by vm_init, freed by vm_free */
	u32 flush_gen; /* grows when every vCPU must flush everything before it runs on */
	/*
	 * With several vCPUs, set before the second one's vcpu_init: request every vCPU to leave the
	 * guest, and wait until each has. It may enter again at once, once it owes nothing. With one: NULL.
	 */
	void (*wait_all)(struct paging *pg);
};

/**
 * paging_revoke() - rights were taken away that hardware may have cached
 * @pg: the VM's translation; the entries say so already
 *
 * Every vCPU flushes before its next entry, and on return none is in the guest that has not: nobody can
 * use them any more, nor store through them unseen. What a guest must flush itself needs none of this.
 */
static inline void paging_revoke(struct paging *pg)
{
	pg->flush_gen++;
	if (unlikely(pg->wait_all))
		pg->wait_all(pg);
}

/* One vCPU's translation. */
struct paging_vcpu {
	struct paging *pg;
	/* The guest's view of its control registers; kept up to date by the vCPU code. */
	u64 cr0, cr3, cr4, efer;
	/* What to enter with; made by prepare, used by the vendor code. */
	u64 hw_cr3;	 /* value for the guest CR3 field, PCID included */
	u64 nested_root; /* tells it of the second-level tables; 0: the mode has none */
	/* What has to be done before the next VM entry. */
	u32 flush; /* FLUSH_* */
	union {
		struct {
			bool unready;	/* hw_cr3 and nested_root are out of date: prepare */
			bool rearm : 1; /* step, share, share_on or direct has changed: look */
			bool dear : 1;	/* this exit took long: does the host wait for the CPU? */
		};
		u16 settle; /* any: an entry looks once. Two bytes are compared in one instruction */
	};
	u32 flush_gen;	 /* paging.flush_gen as of the last entry */
	gva_t flush_gva; /* for FLUSH_ADDR */
	/* What has to be looked at after the next VM exit, likewise. */
	union {
		struct {
			bool window;   /* a table store is being let through: leave */
			bool share_on; /* share holds: hardware may take its values as targets */
		};
		u16 watched;
	};
	bool step;	/* ask for a VM exit after one instruction (cfg.single_step) */
	bool direct;	/* a #PF without PF_P is the guest's own: it needs no VM exit */
	u64 window_rip; /* of the instruction that is being let through */
	/* The base-address buffer; gpa 0: the guest has not opted in. */
	gpa_t share_gpa;
	struct shared_roots share;     /* what the page says, most recently used first */
	struct shared_roots withdrawn; /* what it said before: the guest may have just read it */
	struct decoded decoded[DECODED_KEPT]; /* of emulate_store() */
	void *state;			      /* of the mode */
};

/* INVPCID types, Intel SDM vol. 2, INVPCID. */
enum invpcid_type {
	INVPCID_ADDR = 0,
	INVPCID_CONTEXT = 1,
	INVPCID_ALL_GLOBAL = 2,
	INVPCID_ALL = 3,
};

/**
 * struct paging_ops - a paging mode
 * @name: value of the module parameter paging_mode, name in results
 * @traps: TRAP_* the mode needs
 * @direct_faults: it does what cfg.direct_faults says, so that not each #PF is seen
 * @vm_init: make paging.state; may sleep. 0 or a negative errno
 * @vm_free: give back everything, pool pages into the pool; leaves no table in use
 * @vcpu_init: make a vCPU ready for this mode (paging_vcpu.pg is set); may sleep
 * @vcpu_free: the opposite
 * @prepare: make hw_cr3 / nested_root for the vCPU's registers (called while unready)
 * @fault: a #PF (TRAP_PF) or a second-level violation (TRAP_NESTED). VERDICT_REFLECT for the latter:
 *	the guest's entries hold address bits that its CPU has not but the host's has; walk_guest()
 *	tells the fault
 * @load_cr3: MOV to CR3 with @value (bit 63: keep this PCID's TLB entries). Only called with a
 *	value that the guest may load. VERDICT_RETRY: cr3 is loaded
 * @set_mode: cr0, cr4 or efer have a new value; everything cached is flushed
 * @invlpg: the guest executed INVLPG
 * @invpcid: the guest executed INVPCID with checked operands
 * @code: the instruction bytes at @rip as hardware's tables lead to them (in user mode if @user), to
 *	the end of their page; NULL where that is not known
 * @pt_write: @len bytes at @gpa were written by an emulated store, @table being what its fault left in
 *	paging_result.table, or by the host: then @table is NULL
 * @open_window: let the instruction at @rip write to @gfn once, undecoded
 * @leave: first thing after a guest-caused VM exit while paging_vcpu.window is set, as it is for all of
 *	the VM's vCPUs, and in paging_end_window(); @fault is the fault that caused this exit or
 *	NULL
 * @unmap: @npages frames at @base are about to lose their memory
 * @take_dirty: do the dirty flags of the entries that map @gfn, a device's frame, say that the
 *	guest has written to it? True also where they cannot tell. Clears them and owes the flush
 *	without which hardware would not set them again. Called by paging_take_dirty() only
 * @enter: last thing before a VM entry; cannot fail. Folds paging.flush_gen into flush
 * @share_roots: the guest opts in to the base-address buffer at page-aligned @gpa, or out with 0.
 *	0 or -EINVAL for an address it cannot have
 * @adopt_root: the guest has loaded share value @load without an exit (called before anything
 *	else when hardware's CR3 is not hw_cr3); false if that value is none of its own. Its root may
 *	have gone meanwhile: then the vCPU is unready
 * @audit: compare every live entry with what a fresh walk gives; returns the number of wrong
 *	entries and describes the first in @text
 */
struct paging_ops {
	const char *name;
	u32 traps;
	bool direct_faults;
	int (*vm_init)(struct paging *pg);
	void (*vm_free)(struct paging *pg);
	int (*vcpu_init)(struct paging_vcpu *pv);
	void (*vcpu_free)(struct paging_vcpu *pv);
	enum verdict (*prepare)(struct paging_vcpu *pv, struct paging_result *res);
	enum verdict (*fault)(struct paging_vcpu *pv, const struct paging_fault *f,
			      struct paging_result *res);
	enum verdict (*load_cr3)(struct paging_vcpu *pv, u64 value, struct paging_result *res);
	void (*set_mode)(struct paging_vcpu *pv);
	void (*invlpg)(struct paging_vcpu *pv, gva_t gva);
	void (*invpcid)(struct paging_vcpu *pv, enum invpcid_type type, u16 pcid, gva_t gva);
	const u8 *(*code)(struct paging_vcpu *pv, gva_t rip, bool user);
	void (*pt_write)(struct paging_vcpu *pv, gpa_t gpa, unsigned int len, void *table);
	void (*open_window)(struct paging_vcpu *pv, gfn_t gfn, u64 rip);
	void (*leave)(struct paging_vcpu *pv, const struct paging_fault *fault);
	void (*unmap)(struct paging *pg, gfn_t base, u64 npages);
	bool (*take_dirty)(struct paging *pg, gfn_t gfn);
	void (*enter)(struct paging_vcpu *pv);
	int (*share_roots)(struct paging_vcpu *pv, gpa_t gpa);
	bool (*adopt_root)(struct paging_vcpu *pv, u64 load);
	u64 (*audit)(struct paging_vcpu *pv, char *text, size_t size);
};

/**
 * paging_end_window() - the host changes the vCPU's registers, or looks at all of its tables
 * @pv: the vCPU, out of the guest
 *
 * A host-caused exit leaves a window open, and with it a table that the mode may be behind of.
 */
static inline void paging_end_window(struct paging_vcpu *pv)
{
	if (pv->window)
		pv->pg->ops->leave(pv, NULL);
}

/* Every mode there is, in the order help texts name them; ends with NULL. */
extern const struct paging_ops *const paging_modes[];

/**
 * paging_mode_find() - look a mode up by its name
 * @name: as written to paging_mode; one trailing newline is ignored
 *
 * Return: the mode, or NULL.
 */
const struct paging_ops *paging_mode_find(const char *name);

/**
 * paging_guest_cr3() - undo the base-address buffer for a value that exited after all
 * @pv: the vCPU
 * @value: what the guest tried to load
 *
 * A guest reads the buffer and loads what it read; in between, the value may have been withdrawn.
 *
 * Return: the guest's own CR3 value for a value that the buffer holds or has just held, bit 63 as
 * in @value; any other @value as it is.
 */
u64 paging_guest_cr3(struct paging_vcpu *pv, u64 value);

/**
 * paging_take_dirty() - may the guest have written to a device's frame since the last call?
 * @pg: the VM's translation, out of the guest
 * @gfn: a frame that the device has given memory (gmem_slot.device)
 *
 * Stores of the guest count, whoever carries them out, but not the accessed and dirty flags that
 * walks set where the guest uses the frame as a page table.
 *
 * Return: false if not; true if it may have.
 */
bool paging_take_dirty(struct paging *pg, gfn_t gfn);

/**
 * paging_switch() - move a VM to another mode
 * @pg: the VM's translation, out of the guest, nothing in flight
 * @vcpus: its vCPUs
 * @nr: how many
 * @to: the mode to go to
 *
 * Everything derived from guest memory is dropped and made again on demand; guest memory and
 * registers are not touched. May sleep; pg->pool holds TABLE_POOL_LOW pages at least. Where the
 * new mode cannot start for want of memory the VM goes back to the old one.
 *
 * Return: 0; -ENOMEM with the old mode running on; -EIO where not even that was possible: the VM
 * has a mode now that translates nothing and stops it.
 */
int paging_switch(struct paging *pg, struct paging_vcpu *const *vcpus, unsigned int nr,
		  const struct paging_ops *to);

#endif

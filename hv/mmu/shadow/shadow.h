/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shadow mechanism: data that strict, lazy and hybrid shadowing share.
 *
 * A shadow page is a hardware page table made from one guest table page (or, "direct", from one
 * large guest page that has to be mapped by smaller pieces). It is found by what it was made from:
 * frame, level, inherited rights and the mode bits that change what an entry means (struct role).
 *
 * Every live entry remembers the guest entry it was made from (shadow_page.gpte), so "is it still
 * right?" is one comparison, and every live entry is on one list: leaf entries on the list of the
 * frame they map (gfn_info.rmap), upper entries on the list of the shadow page they point to
 * (shadow_page.parents). Lists are made of 32-bit entry numbers, so they need no allocation and
 * insert and remove in constant time. A shadow page therefore takes three pages of memory: one
 * that hardware walks, one of guest entries, one of links.
 *
 * Reading order: this file; entry.h; index.h; open.h, watch.c and open.c; live.c; page.c; sync.c; way.c; fault.c;
 * flush.c; store.c; roots.c; host.c; audit.c; then the policies strict.c, ssp.c and hybrid.c.
 *
 * With cfg.direct_faults (strict only, for it needs the shadow never to be behind), an entry that is
 * not live tells hardware which kind it is: not present where the guest's entry is not present
 * either, so that the fault is the guest's own and can reach it without a VM exit; else present
 * with a reserved bit set, whose fault has another error code and exits.
 *
 * Invariants, which hold whenever the guest runs, and who checks each:
 *   S1  A live entry was made from a guest entry that was present, accessed and without reserved
 *       bits. For a guarded table "was" is "is"; for an open one it may be as old as the last sync
 *       point, which no guest can tell from a TLB.  audit_origin()
 *   S2  It leads to that entry's frame, with no more rights than granted() says: writable only if
 *       the guest's entry was dirty, and never where the frame is a guarded table. audit_leaf()
 *   S3  An upper entry points to the shadow page of the table that its guest entry names.
 *  audit_upper()
 *   S4  A live entry is on the list of what it leads to, and on no other.  audit_list()
 *   S5  With cfg.direct_faults, an entry that is not live hides no guest entry.  audit_blank()
 *   S6  Shadow pages are as many as are counted, within the budget; those that nothing points to
 *       are the orphans; an open one is the open table that it says.  audit_page()
 *   S7  What hardware may have cached is a live entry, or one that was live since the guest last
 *       flushed it (the guest's business), or is covered by a flush owed before the next entry
 *       (ours: paging.flush_gen, paging_vcpu.flush). Only a CPU that forgets nothing can tell:
 *       tests/model/cpu.c.
 *   S8  An open table that differs from what the shadow was made from bears a mark.  audit_page()
 */
#ifndef PENUMBRA_SHADOW_H
#define PENUMBRA_SHADOW_H

#include "../paging.h"
#include "../walk.h"

/* 2^64 by the golden ratio: the upper bits of a product are a hash. */
#define HASH_FACTOR 0x9e3779b97f4a7c15ULL

#define SHADOW_TABLE_PAGES 3u /* pages of memory behind one shadow page */
#define SHADOW_BUDGET_MAX  (1u << 20)
#define SHADOW_CHUNK	   16u			  /* struct shadow_page in a page of memory */
#define SHADOW_OPEN_MAX	   64u			  /* open guest tables; then the oldest closes */
#define SHADOW_OPEN_SLOTS  (SHADOW_OPEN_MAX + 8u) /* one operation opens a few before that */
#define SHADOW_WINDOWS	   4u /* frames one undecoded instruction may write to */

/* Shadow pages one mapping may make: all levels below the root. */
#define SHADOW_MAKE_MAX 3u

/*
 * Pages of linear memory that one instruction, or the delivery of one event, needs at the same time:
 * it is executed from its start until all of them are mapped. None needs more than a far CALL through
 * a call gate: its own bytes, the pointer in memory, the gate, the code segment's descriptor, the
 * stack pointer in the TSS, the new stack, each across the border of two pages. (An interrupt has
 * the gate, descriptor, stack pointer and frame; ENTER has its bytes, both frames and the end of the
 * new one; far RET its bytes, two parts of the stack, two descriptors. Wider gathers come with
 * XSAVE, which is never offered; hardware task switches exit.) SDM vol. 3, 5.8.3, 6.14.
 */
#define SHADOW_WORST_PAGES 12u

/*
 * With fewer shadow pages that instruction could be undone by its own faults for ever. No two of its
 * pages need have a table in common below the root; other roots may be in use, those that the
 * base-address buffer names; and reserve() makes room for as many as a mapping may need.
 */
#define SHADOW_BUDGET_MIN \
	(SHADOW_WORST_PAGES * SHADOW_MAKE_MAX + 1 + ROOT_TARGETS + SHADOW_MAKE_MAX - 1)
static_assert(SHADOW_BUDGET_MIN == 43, "README.md, tests/model.t, tests/host/badinput.sh");

/* With frame, what a shadow page was made from. */
union shadow_role {
	u32 word;
	struct {
		u32 level : 3;	/* 1 to 4 */
		u32 direct : 1; /* a piece of a large guest page, no guest table behind it */
		u32 access : 3; /* ACC_* granted above; direct: what hardware may grant */
		u32 wp : 1;	/* CR0.WP */
		u32 nxe : 1;	/* EFER.NXE */
	};
};

/* Beside each entry of a shadow table. */
struct spte_link {
	u32 next, prev; /* entry numbers in the list this entry is on; 0 ends it */
};

struct shadow_page {
	u32 id;			/* its number, from 1 */
	u64 *spt;		/* what hardware walks */
	hpa_t hpa;		/* of it */
	u64 *gpte;		/* the guest entries, as of the last look at each */
	struct spte_link *link; /* of entries that are live */
	const u64 *table;	/* the guest table in host memory; direct: NULL */
	u64 live[8];		/* bit per live entry */
	gfn_t gfn;		/* the guest table's frame; direct: first frame mapped */
	union shadow_role role;
	u32 parents; /* entries that point here */
	u32 in_use;  /* vCPUs whose root this is */
	u32 writes;  /* trapped stores since it was last seen in use */
	u32 trapped; /* trapped stores since the sync point sync_seen */
	u32 sync_seen;
	u16 open;	/* the guest may write to the table unseen: open_table number, 0: not */
	bool recent;	/* used since reclaim last looked */
	bool filled;	/* entries around a hidden fault were looked at */
	bool snapshot;	/* gpte[] also has entries that are not live */
	u32 next_table; /* next shadow page of the same guest frame */
	u32 next_hash;
	u32 older, newer;	 /* order of last use */
} __attribute__((aligned(256))); /* entry_link() and its like find one by shifts */

/* A guest table that the guest may write to unseen. */
struct open_table {
	struct gfn_info *info; /* of its frame */
	gfn_t gfn;
	u32 opened;  /* shadow.openings when it opened */
	u32 changed; /* the last sync point at which it was found changed */
	bool marked; /* written to, through an entry that is gone */
};

/*
 * All of them of one kind. watch[] points at the one entry through which the guest can write to the
 * table: its dirty flag says whether it did. Where there is no such entry, or more than one, it
 * points at a constant that says no, or "look closer".
 */
struct open_set {
	u32 nr;
	const u64 *watch[SHADOW_OPEN_SLOTS];
	struct open_table table[SHADOW_OPEN_SLOTS];
};

/*
 * When a table opens to unseen writes and when it closes again: all that tells strict, lazy and
 * hybrid shadowing apart.
 */
struct shadow_policy {
	bool strict;	/* tables never open: opens and quiet are never asked */
	bool born_open; /* a new table starts open */
	bool fill;	/* a hidden fault fills the leaf table around it */
	/* A store was trapped, the @trapped-th since the last sync point: open the table? */
	bool (*opens)(const struct paging_config *cfg, u32 trapped);
	/* How many sync points in a row must find an open table unchanged until it closes? */
	u32 (*quiet)(const struct paging_config *cfg);
};

struct shadow {
	struct paging *pg;
	const struct shadow_policy *policy;
	u32 budget;	    /* shadow pages there may be */
	u32 used;	    /* shadow pages there are */
	u32 free;	    /* unused numbers, linked through next_hash */
	u32 oldest, newest; /* shadow pages by last use */
	u32 orphans;	    /* pages below the root that nothing points to */
	u64 large_nx;	    /* PTE_NX where large entries must not be executed: cfg.split_exec */
	u64 blank;	    /* what hardware sees where nothing is known; not present, if 0 */
	union {
		struct {
			u32 upper_gen; /* grows when an upper entry loses its meaning */
			u32 freed_gen; /* ... a shadow page is freed or memory goes away */
		};
		u64 way_gen; /* both, to compare */
	};
	u32 top_gen;	 /* as upper_gen, of levels 3 and 4 */
	u32 sync_points; /* full synchronisations so far */
	u32 close_check; /* at this one, some open table may have been quiet for long enough */
	u32 quiet_limit; /* policy.quiet() when that was worked out */
	u32 openings;	 /* tables opened so far */
	struct open_set open[2]; /* [0] of tables that are leaf tables only, [1] of the others */
	struct shadow_vcpu *vcpus;
	u32 hash_bits;
	u32 *hash;		     /* 2^hash_bits buckets, behind chunk[] */
	u32 made;		     /* numbers 1 to made have a struct shadow_page */
	struct shadow_page *chunk[]; /* of SHADOW_CHUNK each, made as needed */
};

static_assert(SHADOW_CHUNK * sizeof(struct shadow_page) <= PAGE_SIZE, "a chunk is one page");

/* Shadow page number @id. */
static inline struct shadow_page *sp_at(struct shadow *sh, u32 id)
{
	return &sh->chunk[id / SHADOW_CHUNK][id % SHADOW_CHUNK];
}

/* A trapped store that was found to be the hypervisor's to carry out, for the next one like it. */
struct trapped_store {
	u64 access;    /* paging_fault.access; 0: none */
	const u64 *at; /* the guest entry that maps the page, and what it said */
	u64 gpte;      /* of a piece of a large page, which has none: of a constant */
	u32 index;     /* of the page in its 2 MiB block */
	gfn_t gfn;     /* the guest table that the store is to */
	struct gfn_info *info;
	u8 *host;
};

/*
 * Where the last faults ended: the way from @root to the leaf shadow page of a 2 MiB block, or to the
 * guest entry that says there is none. It holds while no upper shadow entry loses its meaning, no
 * shadow page is freed, no memory goes away and the guest's own entries read as they did. Of a way
 * whose level 2 entry has changed all the rest may still hold: mid.
 */
#define LEAF_CACHE_BITS 6
#define LEAF_CACHE	(1u << LEAF_CACHE_BITS)

struct leaf_cache {
	u64 block; /* gva >> 21; ~0: nothing is cached */
	union {
		struct {
			u32 upper_gen, freed_gen;
		};
		u64 way_gen;
	};
	u32 root;
	u32 top_gen;
	struct shadow_page *sp;
	struct shadow_page *mid; /* the level 2 page on the way; NULL: not known */
	const u64 *absent;	 /* not NULL: the guest entry that was not present; sp is NULL */
	const u64 *at[3];	 /* the guest entries of levels 2, 3 and 4, and what they said */
	u64 gpte[3];
	unsigned int access; /* ACC_* that they grant together */
	u64 reserved;	     /* bits that are in every guest entry, in the guest's present mode */
	struct trapped_store store;
} __attribute__((aligned(256)));

/* Where code was found last, page by page: the leaf entry that maps it, and what it said. */
#define CODE_CACHE 4u

struct code_cache {
	u64 page; /* rip >> 12, BIT(63) for user mode; ~0: nothing is cached */
	u64 way_gen;
	u32 root;
	const u64 *spte;
	u64 value;
	const u8 *host;
};

/* What the last MOVs to CR3 found. It holds while no shadow page is freed. */
#define ROOT_CACHE 16u

struct root_cache {
	gfn_t gfn; /* of the guest's root */
	u32 freed_gen;
	u32 role; /* never 0 but in an empty entry */
	struct shadow_page *sp;
};

struct shadow_vcpu {
	struct paging_vcpu *pv;
	struct shadow_vcpu *next; /* of this VM */
	u32 root;		  /* number of the root shadow page, 0: none */
	u32 root_role;		  /* its role */
	u32 shared[ROOT_TARGETS]; /* roots behind paging_vcpu.share, each counted in in_use */
	struct root_cache roots[ROOT_CACHE];
	u32 upper_seen; /* shadow.upper_gen as of the last full flush */
	u32 nr_windows;
	gfn_t window[SHADOW_WINDOWS];
	gfn_t pcid_root[4096]; /* the guest root that each PCID was last used with */
	struct code_cache code[CODE_CACHE];
	struct leaf_cache leaf[LEAF_CACHE];
};

/**
 * shadow_vm_init() - make the shadow of a VM
 * @pg: the VM's translation; cfg.shadow_budget is 16 to 2^20 pages
 * @policy: when tables open and close
 *
 * Return: 0, -EINVAL for a budget out of range, -ENOMEM.
 */
int shadow_vm_init(struct paging *pg, const struct shadow_policy *policy);

/* The slots of struct paging_ops that all shadow modes share; see paging.h. */
void shadow_vm_free(struct paging *pg);
int shadow_vcpu_init(struct paging_vcpu *pv);
void shadow_vcpu_free(struct paging_vcpu *pv);
enum verdict shadow_prepare(struct paging_vcpu *pv, struct paging_result *res);
enum verdict shadow_fault(struct paging_vcpu *pv, const struct paging_fault *f,
			  struct paging_result *res);
enum verdict shadow_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res);
void shadow_set_mode(struct paging_vcpu *pv);
void shadow_invlpg(struct paging_vcpu *pv, gva_t gva);
void shadow_invpcid(struct paging_vcpu *pv, enum invpcid_type type, u16 pcid, gva_t gva);
const u8 *shadow_code(struct paging_vcpu *pv, gva_t rip, bool user);
void shadow_pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len, void *table);
void shadow_open_window(struct paging_vcpu *pv, gfn_t gfn, u64 rip);
void shadow_leave(struct paging_vcpu *pv, const struct paging_fault *fault);
void shadow_unmap(struct paging *pg, gfn_t base, u64 npages);
bool shadow_take_dirty(struct paging *pg, gfn_t gfn);
void shadow_enter(struct paging_vcpu *pv);
int shadow_share_roots(struct paging_vcpu *pv, gpa_t gpa);
bool shadow_adopt_root(struct paging_vcpu *pv, u64 load);
u64 shadow_audit(struct paging_vcpu *pv, char *text, size_t size);

/* roots.c: the base-address buffer. */
void shadow_roots_note(struct paging_vcpu *pv);
void shadow_roots_withdraw(struct paging_vcpu *pv);

/* A mode of the shadow family differs from the others in its name, its policy and nothing else. */
#define SHADOW_MODE_OPS(init)                                                                      \
	.traps = TRAP_CR3 | TRAP_INVLPG | TRAP_PF | TRAP_MODE, .vm_init = (init),                  \
	.vm_free = shadow_vm_free, .vcpu_init = shadow_vcpu_init, .vcpu_free = shadow_vcpu_free,   \
	.prepare = shadow_prepare, .fault = shadow_fault, .load_cr3 = shadow_load_cr3,             \
	.set_mode = shadow_set_mode, .invlpg = shadow_invlpg, .invpcid = shadow_invpcid,           \
	.code = shadow_code, .pt_write = shadow_pt_write, .open_window = shadow_open_window,       \
	.leave = shadow_leave, .unmap = shadow_unmap, .take_dirty = shadow_take_dirty,             \
	.enter = shadow_enter, .share_roots = shadow_share_roots, .adopt_root = shadow_adopt_root, \
	.audit = shadow_audit

#endif

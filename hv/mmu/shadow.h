/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shadow mechanism: data that strict, lazy and hybrid shadowing share.
 *
 * A shadow page is a hardware page table made from one guest table page (or, "direct", from one
 * large guest page that has to be mapped by smaller pieces). It is found by what it was made from:
 * frame, level, inherited rights and the mode bits that change what an entry means (struct role).
 *
 * Every live entry remembers the guest entry it was made from (spte_link.gpte), so "is it still
 * right?" is one comparison, and every live entry is on one list: leaf entries on the list of the
 * frame they map (gfn_info.rmap), upper entries on the list of the shadow page they point to
 * (shadow_page.parents). Lists are made of 32-bit entry numbers, so they need no allocation and
 * insert and remove in constant time. A shadow page therefore takes three pages of memory: one
 * that hardware walks, two of links.
 */
#ifndef PENUMBRA_SHADOW_H
#define PENUMBRA_SHADOW_H

#include "paging.h"
#include "walk.h"

#define SHADOW_TABLE_PAGES 3u /* pages of memory behind one shadow page */
#define SHADOW_BUDGET_MIN  16u
#define SHADOW_BUDGET_MAX  (1u << 20)
#define SHADOW_CHUNK	   16u /* struct shadow_page in a page of memory */
#define SHADOW_HASH	   1024u
#define SHADOW_OPEN_MAX	   64u /* open shadow pages; then the oldest closes */
#define SHADOW_WINDOWS	   4u  /* frames one undecoded instruction may write to */

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
	u64 gpte;	/* the guest entry this one was made from */
	u32 next, prev; /* entry numbers in the list this entry is on; 0 ends it */
};

struct shadow_page {
	u32 id;			   /* its number, from 1 */
	u64 *spt;		   /* what hardware walks */
	struct spte_link *link[2]; /* of entries 0-255 and 256-511 */
	u64 live[8];		   /* bit per present entry */
	gfn_t gfn;		   /* the guest table's frame; direct: first frame mapped */
	union shadow_role role;
	u32 parents; /* entries that point here */
	u32 in_use;  /* vCPUs whose root this is */
	u32 writes;  /* trapped stores since it was last seen in use */
	u32 trapped; /* trapped stores since the sync point sync_seen */
	u32 sync_seen;
	u32 opened;  /* shadow.openings when it opened */
	u32 quiet;   /* sync points in a row that found an open table unchanged */
	bool recent; /* used since reclaim last looked */
	bool open;   /* the guest may write to the table unseen */
	bool marked; /* written to, through an entry that is gone */
	bool filled; /* entries around a hidden fault were looked at since it changed */
	u32 open_prev, open_next; /* in shadow.open[] */
	u32 next_table;		  /* next shadow page of the same guest frame */
	u32 next_hash;
	u32 older, newer; /* order of last use */
};

/*
 * When a table opens to unseen writes and when it closes again: all that tells strict, lazy and
 * hybrid shadowing apart.
 */
struct shadow_policy {
	bool born_open; /* a new table starts open */
	bool fill;	/* a hidden fault fills the leaf table around it */
	/* A store was trapped, the @trapped-th since the last sync point: open the table? */
	bool (*opens)(const struct paging_config *cfg, u32 trapped);
	/* An open table was unchanged at @quiet sync points in a row: close it? */
	bool (*closes)(const struct paging_config *cfg, u32 quiet);
};

struct shadow {
	struct paging *pg;
	const struct shadow_policy *policy;
	u32 budget;	    /* shadow pages there may be */
	u32 used;	    /* shadow pages there are */
	u32 free;	    /* unused numbers, linked through next_hash */
	u32 oldest, newest; /* shadow pages by last use */
	u32 orphans;	    /* pages below the root that nothing points to */
	u32 upper_gen;	    /* grows when an upper entry loses its meaning */
	u32 sync_points;    /* full synchronisations so far */
	u32 open[2];	    /* open shadow pages: [0] of leaf tables, [1] of upper ones */
	u32 open_oldest[2];
	u32 openings; /* tables opened so far */
	u32 nr_open;
	struct shadow_vcpu *vcpus;
	u32 hash[SHADOW_HASH];
	u32 made;		     /* numbers 1 to made have a struct shadow_page */
	struct shadow_page *chunk[]; /* of SHADOW_CHUNK each, made as needed */
};

static_assert(SHADOW_CHUNK * sizeof(struct shadow_page) <= PAGE_SIZE, "a chunk is one page");

/* Shadow page number @id. */
static inline struct shadow_page *sp_at(struct shadow *sh, u32 id)
{
	return &sh->chunk[id / SHADOW_CHUNK][id % SHADOW_CHUNK];
}

/*
 * Where the last hidden faults ended: the way from @root to the leaf table of a 2 MiB block is as it
 * was while no upper entry has changed.
 */
#define LEAF_CACHE 16u

struct leaf_cache {
	u64 block; /* gva >> 21 */
	u32 root;
	u32 upper_gen;
	u32 sp; /* number of the leaf shadow page, 0: none */
};

struct shadow_vcpu {
	struct paging_vcpu *pv;
	struct shadow_vcpu *next; /* of this VM */
	u32 root;		  /* number of the root shadow page, 0: none */
	u32 shared[ROOT_TARGETS]; /* roots behind paging_vcpu.share, each counted in in_use */
	struct leaf_cache leaf[LEAF_CACHE];
	u32 upper_seen; /* shadow.upper_gen as of the last full flush */
	u32 nr_windows;
	gfn_t window[SHADOW_WINDOWS];
	gfn_t pcid_root[4096]; /* the guest root that each PCID was last used with */
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
void shadow_pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len);
void shadow_open_window(struct paging_vcpu *pv, gfn_t gfn, u64 rip);
void shadow_leave(struct paging_vcpu *pv, const struct paging_fault *fault);
void shadow_unmap(struct paging *pg, gfn_t base, u64 npages);
bool shadow_take_dirty(struct paging *pg, gfn_t gfn);
void shadow_enter(struct paging_vcpu *pv);
unsigned int shadow_reclaim(struct paging *pg, unsigned int pages);
int shadow_share_roots(struct paging_vcpu *pv, gpa_t gpa);
bool shadow_adopt_root(struct paging_vcpu *pv, u64 load);
u64 shadow_audit(struct paging_vcpu *pv, char *text, size_t size);

/* shadow_roots.c: the base-address buffer. */
void shadow_roots_note(struct paging_vcpu *pv);
void shadow_roots_withdraw(struct paging_vcpu *pv);

/* A mode of the shadow family differs from the others in its name, its policy and nothing else. */
#define SHADOW_MODE_OPS(init)                                                                    \
	.traps = TRAP_CR3 | TRAP_INVLPG | TRAP_PF | TRAP_MODE, .vm_init = (init),                \
	.vm_free = shadow_vm_free, .vcpu_init = shadow_vcpu_init, .vcpu_free = shadow_vcpu_free, \
	.prepare = shadow_prepare, .fault = shadow_fault, .load_cr3 = shadow_load_cr3,           \
	.set_mode = shadow_set_mode, .invlpg = shadow_invlpg, .invpcid = shadow_invpcid,         \
	.pt_write = shadow_pt_write, .open_window = shadow_open_window, .leave = shadow_leave,   \
	.unmap = shadow_unmap, .take_dirty = shadow_take_dirty, .enter = shadow_enter,           \
	.reclaim = shadow_reclaim, .share_roots = shadow_share_roots,                            \
	.adopt_root = shadow_adopt_root, .audit = shadow_audit

#endif

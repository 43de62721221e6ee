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

#define SHADOW_TABLE_PAGES 3u	    /* pages of memory behind one shadow page */
#define SHADOW_BUDGET_MIN  16u
#define SHADOW_BUDGET_MAX  (1u << 20)
#define SHADOW_HASH	   1024u
#define SHADOW_WINDOWS	   4u /* frames one undecoded instruction may write to */

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
	u64 *spt;		   /* what hardware walks */
	struct spte_link *link[2]; /* of entries 0-255 and 256-511 */
	u64 live[8];		   /* bit per present entry */
	gfn_t gfn;		   /* the guest table's frame; direct: first frame mapped */
	union shadow_role role;
	u32 parents;		   /* entries that point here */
	u32 in_use;		   /* vCPUs whose root this is */
	u32 writes;		   /* trapped stores since it was last seen in use */
	u32 next_table;		   /* next shadow page of the same guest frame */
	u32 next_hash;
	u32 older, newer;	   /* order of last use */
};

struct shadow {
	struct paging *pg;
	u32 budget;		 /* shadow pages there may be */
	u32 used;		 /* shadow pages there are */
	u32 free;		 /* unused numbers, linked through next_hash */
	u32 oldest, newest;	 /* shadow pages by last use */
	u32 orphans;		 /* pages below the root that nothing points to */
	u32 upper_gen;		 /* grows when an upper entry loses its meaning */
	struct shadow_vcpu *vcpus;
	u32 hash[SHADOW_HASH];
	struct shadow_page page[]; /* [1] to [budget] */
};

struct shadow_vcpu {
	struct paging_vcpu *pv;
	struct shadow_vcpu *next; /* of this VM */
	u32 root;	/* number of the root shadow page, 0: none */
	u32 upper_seen; /* shadow.upper_gen as of the last full flush */
	u32 nr_windows;
	gfn_t window[SHADOW_WINDOWS];
};

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shadow: hardware tables kept in step with the guest's own.
 *
 * Reading order:
 *   1. entries and the lists they are on
 *   2. shadow pages: find, make, free, and the guard on the guest tables behind them
 *   3. one entry: make it, bring it in step; a whole table; everything that changed
 *   4. the guest touches memory: fault
 *   5. the guest changes roots and modes, and flushes (roots without exits: shadow_roots.c)
 *   6. the guest stores into a table: emulated, or through a window
 *   7. the host's side: unmap, reclaim, audit, birth and death
 *
 * A guest table is guarded (its frame is mapped read-only, each store to it traps and is carried
 * over at once) or open (the guest writes to it unseen and the shadow catches up at the guest's
 * next TLB flush). The policy decides which: see struct shadow_policy.
 *
 * With cfg.direct_faults (strict only, for it needs the shadow never to be behind), an entry that is
 * not live tells hardware which kind it is: not present where the guest's entry is not present
 * either, so that the fault is the guest's own and can reach it without a VM exit; else present
 * with a reserved bit set, whose fault has another error code and exits.
 *
 * Two statements hold whenever the guest runs and carry all the rest:
 *   - a live entry was made from a guest entry that was present, accessed and without reserved
 *     bits; it is writable only if that entry was dirty and granted writing, and the frame is no
 *     guarded table. For a guarded table "was" is "is"; for an open one it may be as old as the
 *     last sync point, which no guest can tell from a TLB;
 *   - what hardware may have cached is a live entry, or one that was live since the guest last
 *     flushed it (the guest's business), or is covered by a flush owed before the next entry
 *     (ours: paging.flush_gen, paging_vcpu.flush).
 */
#include "shadow.h"

/* A table frame that was written this often without being walked is a table no longer. */
#define UNSHADOW_WRITES	     1024u
#define UNSHADOW_ROOT_WRITES 3u
/* Tables that nothing points to are kept for their next use, up to this many. */
#define ORPHANS_KEPT 32u
/* Trapped stores between two sync points that open a table when as many are open as may be. */
#define CROWDED_STORES 8u
/* Recently used shadow pages that one reclaim passes over. */
#define RECLAIM_CHANCES 32
/* 2^64 by the golden ratio: the upper bits of a product are a hash. */
#define HASH_FACTOR 0x9e3779b97f4a7c15ULL
/* A reserved bit where physical addresses are shorter. What it leads to is beyond all memory (L1TF). */
#define SPTE_TRAP BIT_ULL(51)

/* Guest entry bits whose change can change the shadow entry made from it. */
#define GPTE_IGNORED	   (GENMASK_ULL(62, 52) | GENMASK_ULL(11, 9) | GENMASK_ULL(4, 3))
#define GPTE_IGNORED_UPPER (GPTE_IGNORED | PTE_D | PTE_G)

static struct shadow *shadow_of(struct paging *pg)
{
	return pg->state;
}

static struct shadow_vcpu *vcpu_of(struct paging_vcpu *pv)
{
	return pv->state;
}

/* ---- 1. entries and the lists they are on ---- */

static u32 entry_id(const struct shadow_page *sp, unsigned int i)
{
	return sp->id << 9 | i;
}

static struct shadow_page *entry_page(struct shadow *sh, u32 id)
{
	return sp_at(sh, id >> 9);
}

static struct spte_link *link_at(struct shadow_page *sp, unsigned int i)
{
	return &sp->link[i];
}

static struct spte_link *entry_link(struct shadow *sh, u32 id)
{
	return link_at(entry_page(sh, id), id & 511);
}

static u64 *entry_spte(struct shadow *sh, u32 id)
{
	return &entry_page(sh, id)->spt[id & 511];
}

static bool is_live(const struct shadow_page *sp, unsigned int i)
{
	return sp->live[i >> 6] >> (i & 63) & 1;
}

/* The first live entry at or after @i, or 512. */
static unsigned int next_live(const struct shadow_page *sp, unsigned int i)
{
	while (i < 512) {
		u64 bits = sp->live[i >> 6] >> (i & 63);

		if (bits)
			return i + __builtin_ctzll(bits);
		i = (i | 63) + 1;
	}
	return i;
}

#define for_each_present(sp, i) for (i = next_live(sp, 0); i < 512; i = next_live(sp, i + 1))

static inline void list_insert(struct shadow *sh, u32 *head, struct spte_link *link, u32 id)
{
	link->next = *head;
	link->prev = 0;
	if (*head)
		entry_link(sh, *head)->prev = id;
	*head = id;
}

static inline void list_remove(struct shadow *sh, u32 *head, struct spte_link *link)
{
	if (link->prev)
		entry_link(sh, link->prev)->next = link->next;
	else
		*head = link->next;
	if (link->next)
		entry_link(sh, link->next)->prev = link->prev;
	*link = (struct spte_link){};
}

static void spte_write(struct shadow *sh, u64 *spte, u64 value)
{
	WRITE_ONCE(*spte, value);
	count(sh->pg->count, sptes_written);
}

static bool spte_is_leaf(u64 spte, int level)
{
	return level == 1 || (spte & PTE_PS);
}

/* The first frame that leaf entry @i of @sp maps. */
static gfn_t leaf_gfn(struct shadow_page *sp, unsigned int i)
{
	if (sp->role.direct)
		return sp->gfn + i * pt_level_pages(sp->role.level);
	return pte_gfn(sp->gpte[i], sp->role.level);
}

/* ---- 2. shadow pages ---- */

static u32 *hash_bucket(struct shadow *sh, gfn_t gfn, union shadow_role role)
{
	u64 key = (gfn << 9 | role.word) * HASH_FACTOR;

	return &sh->hash[key >> (64 - sh->hash_bits)];
}

static struct shadow_page *sp_find(struct shadow *sh, gfn_t gfn, union shadow_role role)
{
	u32 id;

	for (id = *hash_bucket(sh, gfn, role); id; id = sp_at(sh, id)->next_hash) {
		struct shadow_page *sp = sp_at(sh, id);

		if (sp->gfn == gfn && sp->role.word == role.word)
			return sp;
	}
	return NULL;
}

static void order_remove(struct shadow *sh, struct shadow_page *sp)
{
	if (sp->older)
		sp_at(sh, sp->older)->newer = sp->newer;
	else
		sh->oldest = sp->newer;
	if (sp->newer)
		sp_at(sh, sp->newer)->older = sp->older;
	else
		sh->newest = sp->older;
}

static void order_newest(struct shadow *sh, struct shadow_page *sp)
{
	u32 id = sp->id;

	sp->newer = 0;
	sp->older = sh->newest;
	if (sh->newest)
		sp_at(sh, sh->newest)->newer = id;
	else
		sh->oldest = id;
	sh->newest = id;
}

static void order_oldest(struct shadow *sh, struct shadow_page *sp)
{
	u32 id = sp->id;

	sp->older = 0;
	sp->newer = sh->oldest;
	if (sh->oldest)
		sp_at(sh, sh->oldest)->older = id;
	else
		sh->newest = id;
	sh->oldest = id;
}

static void sp_touch(struct shadow_page *sp)
{
	sp->writes = 0;
	sp->recent = true;
}

/* Below the root, a table that nothing points to cannot be reached by hardware. */
static bool is_orphan(const struct shadow_page *sp)
{
	return sp->role.level < PT_ROOT_LEVEL && !sp->parents;
}

/*
 * What the table behind entry @i was made from. @gpte is the guest entry (unused in a direct
 * page); hardware rights of a large page's pieces are settled here, once for all of them.
 */
static union shadow_role child_role(union shadow_role role, u64 gpte)
{
	int level = role.level--;

	if (role.direct)
		return role;
	role.access &= pte_access(gpte);
	if (pte_is_leaf(gpte, level)) {
		bool writable = (role.access & ACC_W) || (!role.wp && !(role.access & ACC_U));

		role.direct = 1;
		role.access &= ~ACC_W;
		if (writable && (gpte & PTE_D))
			role.access |= ACC_W;
		role.wp = 1;
	}
	return role;
}

static gfn_t child_gfn(const struct shadow_page *sp, unsigned int i, u64 gpte)
{
	if (sp->role.direct)
		return sp->gfn + i * pt_level_pages(sp->role.level);
	if (pte_is_leaf(gpte, sp->role.level))
		return pte_gfn(gpte, sp->role.level);
	return (gpte & PTE_FRAME) >> 12;
}

/* The shadow page that live upper entry @i points to. */
static struct shadow_page *child_of(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	u64 gpte = sp->gpte[i];

	return sp_find(sh, child_gfn(sp, i, gpte), child_role(sp->role, gpte));
}

/* The guest table itself; a shadowed frame is in a slot and pinned. */
static inline const u64 *table_of(struct shadow *sh, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);

	return phys_to_virt(slot->host[gmem_index(slot, gfn)] & GMEM_HPA);
}

/* Every shadow page made from guest table @gfn. */
#define for_each_table(sh, info, id) for (id = (info)->tables; id; id = sp_at(sh, id)->next_table)

/* ---- open tables: the mark of a store ---- */

static const u64 says_unwritten, says_look_closer = PTE_D;

/* The open_table number that shadow_page.open holds: its place and set; 0 is none. */
static u16 open_number(unsigned int set, u32 at)
{
	return 1 + at * 2 + set;
}

static struct open_set *open_set_of(struct shadow *sh, u16 number)
{
	return &sh->open[(number - 1) & 1];
}

static u32 open_at(u16 number)
{
	return (number - 1) / 2;
}

static u32 nr_open(const struct shadow *sh)
{
	return sh->open[0].nr + sh->open[1].nr;
}

/* Find the one entry through which the guest can write to the table, if it is one. */
static void watch_again(struct shadow *sh, struct open_set *set, u32 at)
{
	const u64 *watch = &says_unwritten;
	u32 id;

	for (id = set->table[at].info->rmap; id; id = entry_link(sh, id)->next) {
		if (!(*entry_spte(sh, id) & PTE_W))
			continue;
		if (watch != &says_unwritten) {
			watch = &says_look_closer;
			break;
		}
		watch = entry_spte(sh, id);
	}
	set->watch[at] = watch;
}

/* A new entry lets the guest write to table frame @info. */
static void watch_also(struct shadow *sh, const struct gfn_info *info, const u64 *spte)
{
	u16 number = sp_at(sh, info->tables)->open;
	struct open_set *set;
	u32 at;

	if (!number)
		return;
	set = open_set_of(sh, number);
	at = open_at(number);
	set->watch[at] = set->watch[at] == &says_unwritten ? spte : &says_look_closer;
}

/*
 * An entry through which the guest could write to a table goes away, and with it the mark that says
 * whether it did. Hardware may go on using it: hence the flush. A device hears of its frames' marks
 * through shadow_take_dirty(), which owes the flush then.
 */
static inline void keep_mark(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn,
			     const struct gfn_info *info, u64 spte)
{
	u16 number;

	if (unlikely(slot->device) && (spte & PTE_D))
		gmem_mark_written(slot, gfn);
	if (likely(!info->tables) || !(spte & PTE_W))
		return;
	number = sp_at(sh, info->tables)->open;
	if (number) {
		struct open_set *set = open_set_of(sh, number);

		set->table[open_at(number)].marked = true;
		set->watch[open_at(number)] = &says_look_closer;
	}
	sh->pg->flush_gen++;
}

/* What hardware is to see in an entry that is not live. */
static inline u64 blank_spte(const struct shadow *sh, const struct shadow_page *sp, unsigned int i)
{
	if (likely(!sh->blank) || (sp->table && !(READ_ONCE(sp->table[i]) & PTE_P)))
		return 0;
	return sh->blank;
}

/* The guest's entries of a table have changed, or are seen for the first time. */
static noinline void blank_all(const struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		if (!is_live(sp, i))
			WRITE_ONCE(sp->spt[i], blank_spte(sh, sp, i));
}

static inline void entry_blank(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	spte_write(sh, &sp->spt[i], blank_spte(sh, sp, i));
	if (!sp->snapshot)
		sp->gpte[i] = 0;
	sp->live[i >> 6] &= ~(1ULL << (i & 63));
}

/* Take live entry @i out of a leaf table and off its list. */
static noinline void leaf_clear(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	gfn_t gfn = sp->table ? (sp->gpte[i] & PTE_FRAME) >> 12 : sp->gfn + i;
	struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);

	struct gfn_info *info = &slot->info[0][gmem_index(slot, gfn)];

	list_remove(sh, &info->rmap, link_at(sp, i));
	keep_mark(sh, slot, gfn, info, sp->spt[i]);
	entry_blank(sh, sp, i);
}

/* Take live entry @i out of any table. */
static void entry_clear(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	int level = sp->role.level;

	if (likely(level == 1)) {
		leaf_clear(sh, sp, i);
		return;
	}
	if (spte_is_leaf(sp->spt[i], level)) {
		gfn_t gfn = leaf_gfn(sp, i);
		struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);

		list_remove(sh, &gmem_info(slot, gfn, level)->rmap, link_at(sp, i));
	} else {
		struct shadow_page *child = child_of(sh, sp, i);

		list_remove(sh, &child->parents, link_at(sp, i));
		if (is_orphan(child)) {
			sh->orphans++;
			order_remove(sh, child);
			order_oldest(sh, child);
		}
		/* INVLPG must drop what paging-structure caches keep of it: see shadow_invlpg(). */
		sh->upper_gen++;
		sh->top_gen += level > 2;
	}
	entry_blank(sh, sp, i);
}

/* May the guest write to table frame @gfn without a trap? @info is of the 4 KiB frame. */
static bool is_open(struct shadow *sh, const struct gfn_info *info)
{
	return info->tables && sp_at(sh, info->tables)->open;
}

/* Must frame @gfn stay read-only, or its 2 MiB or 1 GiB block stay unmapped as a whole? */
static bool is_guarded(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn, int level)
{
	struct gfn_info *info = gmem_info(slot, gfn, level);

	return info->tables && !(level == 1 && is_open(sh, info));
}

/* Take rights from every live entry that maps the frame: PTE_W, or PTE_D to see the next store. */
static bool rmap_clear(struct shadow *sh, struct gfn_info *info, u64 bit)
{
	bool any = false;
	u32 id;

	for (id = info->rmap; id; id = entry_link(sh, id)->next) {
		u64 *spte = entry_spte(sh, id);

		if ((*spte & PTE_W) && (*spte & bit)) {
			spte_write(sh, spte, *spte & ~bit);
			any = true;
		}
	}
	return any;
}

/*
 * Frame @gfn becomes a guest table: from here on the guest's stores to it trap, or leave a mark.
 * The flush is owed also where no live entry was writable: hardware may still hold a writable
 * translation that the guest has unmapped but not flushed, and a store through it would not show.
 */
static void guard_frame(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn, bool opens)
{
	u32 id, next;
	int level;

	rmap_clear(sh, gmem_info(slot, gfn, 1), opens ? PTE_D : PTE_W);
	for (level = 2; level <= 3; level++) {
		struct gfn_info *block = gmem_info(slot, gfn, level);

		for (id = block->rmap; id; id = next) {
			next = entry_link(sh, id)->next;
			entry_clear(sh, entry_page(sh, id), id & 511);
		}
		block->tables++;
	}
	sh->pg->flush_gen++;
}

static void unguard_frame(struct gmem_slot *slot, gfn_t gfn)
{
	gmem_info(slot, gfn, 2)->tables--;
	gmem_info(slot, gfn, 3)->tables--;
	/* While it was a table its dirty flags had another use. */
	gmem_mark_written(slot, gfn);
}

/* Do eight guest entries read as they did? */
static inline bool same_eight(const u64 *now, const u64 *then)
{
	u64 diff = 0;
	int i;

	/* A third of the instructions of the loop that -O2 leaves. */
#pragma GCC unroll 8
	for (i = 0; i < 8; i++)
		diff |= READ_ONCE(now[i]) ^ then[i];
	return !diff;
}

/* Remember the guest table as it is: what differs later has changed. */
static void take_snapshot(struct shadow_page *sp)
{
	unsigned int i, j;

	/* Entries of upper tables are made by faults only: what is not live is not missed. */
	if (sp->role.level > 1)
		return;
	sp->snapshot = true;
	for (i = 0; i < 512; i += 8)
		if (!same_eight(&sp->table[i], &sp->gpte[i]))
			for (j = i; j < i + 8; j++)
				if (!is_live(sp, j))
					sp->gpte[j] = READ_ONCE(sp->table[j]);
}

/* Sync points that find an open table unchanged until it closes. */
static u32 quiet_limit(const struct shadow *sh)
{
	return max_t(u32, sh->policy->quiet(&sh->pg->cfg), 1);
}

/* Let the guest write to table frame @info unseen, as far as there is room in the set. */
static bool frame_open(struct shadow *sh, struct gfn_info *info, gfn_t gfn, unsigned int which)
{
	struct open_set *set = &sh->open[which];
	u32 due = sh->sync_points + quiet_limit(sh), at = set->nr, id;

	if (at == SHADOW_OPEN_SLOTS)
		return false;
	set->nr++;
	set->table[at] = (struct open_table){
		.info = info,
		.gfn = gfn,
		.opened = sh->openings++,
		.changed = sh->sync_points,
	};
	if ((s32)(due - sh->close_check) < 0 || nr_open(sh) == 1)
		sh->close_check = due;
	watch_again(sh, set, at);
	for_each_table(sh, info, id) {
		sp_at(sh, id)->open = open_number(which, at);
		take_snapshot(sp_at(sh, id));
	}
	return true;
}

/* The last of the set takes the free place. */
static void frame_close(struct shadow *sh, u16 number)
{
	struct open_set *set = open_set_of(sh, number);
	u32 at = open_at(number), last = --set->nr, id;

	for_each_table(sh, set->table[at].info, id)
		sp_at(sh, id)->open = 0;
	if (at == last)
		return;
	set->table[at] = set->table[last];
	set->watch[at] = set->watch[last];
	for_each_table(sh, set->table[at].info, id)
		sp_at(sh, id)->open = number;
}

static void count_tables(struct shadow *sh)
{
	struct counters *c = sh->pg->count;

	c->v[CNT_shadow_pages] = sh->used;
	count_peak(c, shadow_pages_peak, sh->used);
	count_peak(c, shadow_bytes_peak,
		   ((u64)sh->used * SHADOW_TABLE_PAGES + sh->made / SHADOW_CHUNK + 1) * PAGE_SIZE);
}

/* Free a shadow page that nothing points to. Hardware may have it cached until the flush. */
static void sp_free(struct shadow *sh, struct shadow_page *sp)
{
	struct table_pool *pool = &sh->pg->pool;
	u32 id = sp->id, *at;
	unsigned int i;

	for_each_present(sp, i)
		entry_clear(sh, sp, i);
	if (!sp->role.direct) {
		struct gmem_slot *slot = gmem_slot(sh->pg->mem, sp->gfn);
		struct gfn_info *info = gmem_info(slot, sp->gfn, 1);

		if (sp->open && info->tables == id && !sp->next_table)
			frame_close(sh, sp->open);
		for (at = &info->tables; *at != id; at = &sp_at(sh, *at)->next_table)
			;
		*at = sp->next_table;
		if (!info->tables)
			unguard_frame(slot, sp->gfn);
	}
	for (at = hash_bucket(sh, sp->gfn, sp->role); *at != id; at = &sp_at(sh, *at)->next_hash)
		;
	*at = sp->next_hash;
	order_remove(sh, sp);
	if (sp->role.level < PT_ROOT_LEVEL)
		sh->orphans--;
	sh->freed_gen++;
	if (sp->snapshot)
		for (i = 0; i < 512; i++)
			WRITE_ONCE(sp->gpte[i], 0);
	if (sh->blank)
		for (i = 0; i < 512; i++)
			WRITE_ONCE(sp->spt[i], 0);
	pool_put(pool, sp->spt);
	pool_put(pool, sp->gpte);
	pool_put(pool, (u64 *)sp->link);
	*sp = (struct shadow_page){ .id = id, .next_hash = sh->free };
	sh->free = id;
	sh->used--;
	sh->pg->flush_gen++;
	count_tables(sh);
}

/* Cut a shadow page off from everything above it, then free it. */
static void sp_zap(struct shadow *sh, struct shadow_page *sp)
{
	while (sp->parents)
		entry_clear(sh, entry_page(sh, sp->parents), sp->parents & 511);
	sp_free(sh, sp);
}

/*
 * Free a shadow page that was not used lately; false if all that are left are in use. Pages that
 * were used get a second chance, a bounded number of them at a time.
 */
static bool reclaim_one(struct shadow *sh)
{
	struct shadow_page *sp;
	int chances = RECLAIM_CHANCES;
	u32 id, next;

	for (id = sh->oldest; id; id = next) {
		sp = sp_at(sh, id);
		next = sp->newer;
		/* No more pages than vCPUs have roots are in use. */
		if (sp->in_use)
			continue;
		if (!sp->recent || is_orphan(sp) || !chances--)
			break;
		sp->recent = false;
		order_remove(sh, sp);
		order_newest(sh, sp);
	}
	if (!id)
		return false;
	sp_zap(sh, sp_at(sh, id));
	return true;
}

/* Make sure that @n shadow pages can be made without failing: first step of every operation. */
static enum verdict reserve(struct shadow *sh, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 2 && sh->orphans > ORPHANS_KEPT && is_orphan(sp_at(sh, sh->oldest)); i++)
		sp_free(sh, sp_at(sh, sh->oldest));
	while (sh->used + n > sh->budget && reclaim_one(sh))
		count(sh->pg->count, tables_reclaimed);
	return sh->pg->pool.nr < n * SHADOW_TABLE_PAGES + 1 ? VERDICT_REFILL : VERDICT_RETRY;
}

/* An unused number, with its struct shadow_page. */
static struct shadow_page *take_number(struct shadow *sh)
{
	struct shadow_page *sp;
	u32 id = sh->free;

	if (id) {
		sp = sp_at(sh, id);
		sh->free = sp->next_hash;
		return sp;
	}
	id = ++sh->made;
	if (!sh->chunk[id / SHADOW_CHUNK])
		sh->chunk[id / SHADOW_CHUNK] = (struct shadow_page *)pool_get(&sh->pg->pool);
	sp = sp_at(sh, id);
	sp->id = id;
	return sp;
}

/* A leaf table's frame is an upper table's as well now: INVLPG has to look at it. */
static void frame_move_up(struct shadow *sh, struct gfn_info *info)
{
	u16 number = sp_at(sh, info->tables)->open;
	struct open_set *from = open_set_of(sh, number), *to = &sh->open[1];
	u32 at = to->nr++, id;

	to->table[at] = from->table[open_at(number)];
	to->watch[at] = from->watch[open_at(number)];
	frame_close(sh, number);
	for_each_table(sh, info, id)
		sp_at(sh, id)->open = open_number(1, at);
}

/* A new shadow page of a guest table, the first of its frame or one more. */
static void shadow_frame(struct shadow *sh, struct shadow_page *sp)
{
	struct gmem_slot *slot = gmem_slot(sh->pg->mem, sp->gfn);
	struct gfn_info *info = gmem_info(slot, sp->gfn, 1);
	unsigned int which = sp->role.level > 1;
	bool first = !info->tables, open = sh->policy->born_open;

	if (first)
		open &= nr_open(sh) < SHADOW_OPEN_MAX;
	else
		open = sp_at(sh, info->tables)->open;
	sp->table = table_of(sh, sp->gfn);
	if (first)
		guard_frame(sh, slot, sp->gfn, open);
	sp->next_table = info->tables;
	info->tables = sp->id;
	if (!open)
		return;
	if (first) {
		frame_open(sh, info, sp->gfn, which);
		return;
	}
	sp->open = sp_at(sh, sp->next_table)->open;
	take_snapshot(sp);
	if (which && open_set_of(sh, sp->open) == &sh->open[0])
		frame_move_up(sh, info);
}

/* Find the shadow page or make it; reserve() has seen to it that this works. */
static struct shadow_page *sp_get(struct shadow *sh, gfn_t gfn, union shadow_role role)
{
	struct shadow_page *sp = sp_find(sh, gfn, role);
	u32 *bucket;

	if (sp) {
		sp_touch(sp);
		return sp;
	}
	sp = take_number(sh);
	bucket = hash_bucket(sh, gfn, role);
	*sp = (struct shadow_page){
		.id = sp->id,
		.spt = pool_get(&sh->pg->pool),
		.gpte = pool_get(&sh->pg->pool),
		.link = (struct spte_link *)pool_get(&sh->pg->pool),
		.gfn = gfn,
		.role = role,
		.next_hash = *bucket,
	};
	*bucket = sp->id;
	order_newest(sh, sp);
	sh->used++;
	if (role.level < PT_ROOT_LEVEL)
		sh->orphans++; /* until it is linked */
	sp->hpa = virt_to_phys(sp->spt);
	if (role.direct)
		count(sh->pg->count, large_splits);
	else
		shadow_frame(sh, sp);
	if (unlikely(sh->blank))
		blank_all(sh, sp);
	count_tables(sh);
	return sp;
}

/*
 * A store hits a guarded frame: is it still a table? Frames that are reused as data would trap
 * for ever. Gone: pages that hardware cannot reach; roots that are written but not loaded;
 * tables that are written again and again while the accessed flags above them stay clear.
 */
static noinline bool table_in_doubt(struct shadow *sh, struct gfn_info *info)
{
	bool used = false;
	u32 id, next;

	for_each_table(sh, info, id) {
		struct shadow_page *sp = sp_at(sh, id);
		u32 parent;

		if (sp->in_use)
			used = true;
		else if (sp->role.level == PT_ROOT_LEVEL)
			used |= sp->writes <= UNSHADOW_ROOT_WRITES;
		else if (sp->parents && sp->writes < UNSHADOW_WRITES)
			used = true;
		else
			for (parent = sp->parents; parent; parent = entry_link(sh, parent)->next)
				if (*entry_spte(sh, parent) & PTE_A) {
					*entry_spte(sh, parent) &= ~PTE_A;
					sp->writes = 0;
					used = true;
				}
	}
	if (used)
		return true;
	for (id = info->tables; id; id = next) {
		next = sp_at(sh, id)->next_table;
		sp_zap(sh, sp_at(sh, id));
	}
	count(sh->pg->count, tables_unshadowed);
	return false;
}

static inline bool still_table(struct shadow *sh, struct gfn_info *info)
{
	struct shadow_page *sp = sp_at(sh, info->tables);
	u32 id;

	if (likely(!sp->next_table && sp->parents && ++sp->writes < UNSHADOW_WRITES))
		return true;
	for_each_table(sh, info, id)
		sp_at(sh, id)->writes++;
	return table_in_doubt(sh, info);
}

/* ---- 3. one entry ---- */

/* What hardware gets to see of frame @hpa. @acc: rights of all guest levels together. */
static __always_inline u64 leaf_spte(const struct shadow *sh, struct shadow_page *sp, u64 gpte,
				     unsigned int acc, hpa_t hpa, bool guarded)
{
	bool writable;
	u64 spte = hpa | PTE_P | PTE_A;

	if (sp->role.direct) {
		acc = sp->role.access;
		writable = acc & ACC_W;
	} else {
		/* Hardware always runs with CR0.WP set; a supervisor page needs no W without it. */
		writable = (acc & ACC_W) || (!sp->role.wp && !(acc & ACC_U));
		writable &= !!(gpte & PTE_D);
		spte |= gpte & PTE_G;
	}
	if (writable && !guarded)
		spte |= PTE_W | PTE_D;
	if (acc & ACC_U)
		spte |= PTE_U;
	if (sp->role.nxe && !(acc & ACC_X))
		spte |= PTE_NX;
	if (sp->role.level > 1)
		spte |= PTE_PS | sh->large_nx;
	return spte;
}

/* Write a leaf entry for frame @info. Of tables only open ones are writable: hardware marks the next store. */
static inline void leaf_write(struct shadow *sh, const struct gfn_info *info, u64 *at, u64 spte)
{
	if (likely(!info->tables)) {
		spte_write(sh, at, spte);
		return;
	}
	spte_write(sh, at, spte & ~PTE_D);
	if (spte & PTE_W)
		watch_also(sh, info, at);
}

/* Install leaf entry @i, which is not live, for a frame. */
static inline void leaf_add(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 spte,
			    u64 gpte, struct gfn_info *info)
{
	sp->gpte[i] = gpte;
	list_insert(sh, &info->rmap, link_at(sp, i), entry_id(sp, i));
	sp->live[i >> 6] |= 1ULL << (i & 63);
	leaf_write(sh, info, &sp->spt[i], spte);
}

/*
 * Install leaf entry @i for a frame, @info being what is known of it; true if a live entry was
 * replaced by a different one.
 */
static bool leaf_set(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 spte, u64 gpte,
		     struct gfn_info *info, gfn_t gfn)
{
	u64 *at = &sp->spt[i], old = *at;
	bool live = is_live(sp, i);

	if (live) {
		if (spte_is_leaf(old, sp->role.level) && leaf_gfn(sp, i) == gfn) {
			sp->gpte[i] = gpte;
			if (!((old ^ spte) & ~(PTE_A | PTE_D)))
				return false;
			if (sp->role.level == 1)
				keep_mark(sh, gmem_slot(sh->pg->mem, gfn), gfn, info, old);
			leaf_write(sh, info, at, spte);
			return true;
		}
		entry_clear(sh, sp, i);
	}
	leaf_add(sh, sp, i, spte, gpte, info);
	return live;
}

/* Point upper entry @i at @child; true if it pointed elsewhere before. */
static bool upper_set(struct shadow *sh, struct shadow_page *sp, unsigned int i,
		      struct shadow_page *child, u64 gpte)
{
	u64 spte = child->hpa | PTE_P | PTE_W | PTE_U;
	u64 old = 0;

	if (is_live(sp, i)) {
		old = sp->spt[i];
		if (!((old ^ spte) & ~PTE_A)) {
			sp->gpte[i] = gpte;
			return false;
		}
		entry_clear(sh, sp, i);
	}
	if (is_orphan(child))
		sh->orphans--;
	sp->gpte[i] = gpte;
	list_insert(sh, &child->parents, link_at(sp, i), entry_id(sp, i));
	sp->live[i >> 6] |= 1ULL << (i & 63);
	spte_write(sh, &sp->spt[i], spte);
	return old;
}

/* The guest's leaf entry @i, now @gpte, maps nothing that it has touched: neither does ours. */
static inline void leaf_gone(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 gpte)
{
	if (is_live(sp, i))
		leaf_clear(sh, sp, i);
	else if (unlikely(sh->blank))
		WRITE_ONCE(sp->spt[i], blank_spte(sh, sp, i));
	if (sp->snapshot)
		sp->gpte[i] = gpte;
}

static inline bool was_touched(u64 gpte)
{
	return (gpte & (PTE_P | PTE_A)) == (PTE_P | PTE_A);
}

/*
 * Bring entry @i in step with guest entry @gpte. Never adds a right that the guest has not
 * earned with its A and D bits, so hardware need not be flushed: what it still holds, a CPU
 * without us could hold too, until the guest flushes it.
 */
static void sync_entry(struct shadow *sh, struct shadow_page *sp, unsigned int i, u64 gpte)
{
	int level = sp->role.level;
	bool live = is_live(sp, i);
	struct gmem_slot *slot;
	struct gfn_info *info;
	u64 host, at;
	gfn_t gfn;

	if (live) {
		u64 was = sp->gpte[i];
		u64 ignored = pte_is_leaf(was, level) ? GPTE_IGNORED : GPTE_IGNORED_UPPER;

		if (!((was ^ gpte) & ~ignored)) {
			sp->gpte[i] = gpte;
			return;
		}
	}
	if (level > 1)
		goto drop;
	if (!was_touched(gpte)) {
		leaf_gone(sh, sp, i, gpte);
		return;
	}
	if (pte_reserved(&sh->pg->cfg, sp->role.nxe ? PG_EFER_NXE : 0, gpte, level))
		goto drop;
	gfn = (gpte & PTE_FRAME) >> 12;
	slot = gmem_slot(sh->pg->mem, gfn);
	if (!slot)
		goto drop;
	at = gmem_index(slot, gfn);
	host = slot->host[at];
	if (!host)
		goto drop;
	info = &slot->info[0][at];
	leaf_set(sh, sp, i,
		 leaf_spte(sh, sp, gpte, sp->role.access & pte_access(gpte), host & GMEM_HPA,
			   info->tables && !is_open(sh, info)),
		 gpte, info, gfn);
	return;
drop:
	if (live)
		entry_clear(sh, sp, i);
	else if (unlikely(sh->blank))
		WRITE_ONCE(sp->spt[i], blank_spte(sh, sp, i));
	if (sp->snapshot)
		sp->gpte[i] = gpte;
}

/* Bring a shadow page in step with its table, as far as it has entries. */
static void sync_live(struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i;

	for_each_present(sp, i) {
		u64 gpte = READ_ONCE(sp->table[i]);

		count(sh->pg->count, entries_compared);
		if ((sp->gpte[i] ^ gpte) & ~GPTE_IGNORED)
			sync_entry(sh, sp, i, gpte);
	}
}

/* The same for an open table: its snapshot tells which entries have changed, live or not. */
static void sync_changed(struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i, j;

	count_add(sh->pg->count, entries_compared, 512);
	for (i = 0; i < 512; i += 8) {
		if (same_eight(&sp->table[i], &sp->gpte[i]))
			continue;
		for (j = i; j < i + 8; j++) {
			u64 gpte = READ_ONCE(sp->table[j]);

			if (gpte != sp->gpte[j])
				sync_entry(sh, sp, j, gpte);
		}
	}
}

static void sync_table(struct shadow *sh, struct gfn_info *info)
{
	u32 id;

	count(sh->pg->count, tables_scanned);
	for_each_table(sh, info, id) {
		struct shadow_page *sp = sp_at(sh, id);

		if (sp->open && sp->snapshot)
			sync_changed(sh, sp);
		else
			sync_live(sh, sp);
		if (unlikely(sh->blank))
			blank_all(sh, sp);
	}
}

/* Has the guest written to an open table? Takes the marks off: then a full flush is owed. */
static bool take_marks(struct shadow *sh, struct open_table *t, bool *flush)
{
	bool written = rmap_clear(sh, t->info, PTE_D);

	*flush |= written;
	written |= t->marked;
	t->marked = false;
	return written;
}

/*
 * From here on each store to the table traps again. It must be in step; where a flush is owed for
 * that, it is a full one.
 */
static bool close_table(struct shadow *sh, struct gfn_info *info)
{
	frame_close(sh, sp_at(sh, info->tables)->open);
	return rmap_clear(sh, info, PTE_W);
}

/*
 * Sync points look at each open table, so there may be only so many: the oldest closes, of both
 * kinds. An instruction that writes to two leaf tables must find both open in the end, however
 * many upper tables are open.
 */
static void bound_open(struct shadow *sh)
{
	while (unlikely(nr_open(sh) > SHADOW_OPEN_MAX)) {
		struct open_table *oldest = NULL;
		bool flush = false;
		u32 set, at;

		for (set = 0; set < 2; set++)
			for (at = 0; at < sh->open[set].nr; at++) {
				struct open_table *t = &sh->open[set].table[at];

				if (!oldest || (s32)(t->opened - oldest->opened) < 0)
					oldest = t;
			}
		if (take_marks(sh, oldest, &flush))
			sync_table(sh, oldest->info);
		close_table(sh, oldest->info);
		sh->pg->flush_gen++;
	}
}

/*
 * Open table @at may have been written to. Returns whether it still is at that place: one that is
 * a table no longer has left, and another one has taken it.
 */
static bool sync_one(struct shadow *sh, struct open_set *set, u32 at, bool *flush)
{
	struct open_table *t = &set->table[at];
	struct gfn_info *info = t->info;

	if (take_marks(sh, t, flush)) {
		t->changed = sh->sync_points;
		if (!still_table(sh, info))
			return false;
		sync_table(sh, info);
	}
	watch_again(sh, set, at);
	return true;
}

/*
 * A sync point looks at open tables only, and at their entries only if the entry through which the
 * guest can write to the table is marked dirty: it costs what changed, not what exists. The mark
 * is taken off with a full flush owed, because hardware that has the mark cached would not set it
 * again. Returns whether that flush is owed.
 */
static bool sync_set(struct shadow *sh, struct open_set *set)
{
	bool flush = false;
	u32 at = 0;

	while (at < set->nr)
		if (likely(!(READ_ONCE(*set->watch[at]) & PTE_D)) || sync_one(sh, set, at, &flush))
			at++;
	return flush;
}

/* Close the tables that were quiet for long enough, and find out when to look again. */
static noinline bool close_quiet(struct shadow *sh)
{
	u32 limit = quiet_limit(sh), next = sh->sync_points + limit, set, at;
	bool flush = false;

	for (set = 0; set < 2; set++)
		for (at = 0; at < sh->open[set].nr;) {
			u32 due = sh->open[set].table[at].changed + limit;

			if ((s32)(due - sh->sync_points) <= 0) {
				flush |= close_table(sh, sh->open[set].table[at].info);
				continue;
			}
			if ((s32)(due - next) < 0)
				next = due;
			at++;
		}
	sh->close_check = next;
	sh->quiet_limit = limit;
	return flush;
}

static noinline bool sync_open(struct shadow *sh)
{
	bool flush;

	flush = sync_set(sh, &sh->open[1]);
	flush |= sync_set(sh, &sh->open[0]);
	if ((s32)(sh->sync_points - sh->close_check) >= 0 || sh->quiet_limit != quiet_limit(sh))
		flush |= close_quiet(sh);
	return flush;
}

/*
 * The guest flushed everything, or changed what its tables mean. Returns whether hardware has to be
 * flushed for our sake.
 */
static inline bool sync_all(struct shadow *sh)
{
	sh->sync_points++;
	return nr_open(sh) && sync_open(sh);
}

/* The guest flushed one address: bring the entries that lead to it in step. */
static void sync_path(struct shadow *sh, struct shadow_page *sp, gva_t gva)
{
	for (;;) {
		unsigned int i = pt_index(gva, sp->role.level);

		if (sp->role.direct || !is_live(sp, i))
			return;
		count(sh->pg->count, entries_compared);
		sync_entry(sh, sp, i, READ_ONCE(sp->table[i]));
		if (!is_live(sp, i) || spte_is_leaf(sp->spt[i], sp->role.level))
			return;
		sp = child_of(sh, sp, i);
	}
}

/* Fill the leaf table around its first hidden fault: what the guest has touched before. */
static noinline void fill_around(struct shadow *sh, struct shadow_page *sp)
{
	unsigned int i;

	sp->filled = true;
	for (i = 0; i < 512; i++) {
		u64 gpte = READ_ONCE(sp->table[i]);

		if (was_touched(gpte) && !is_live(sp, i))
			sync_entry(sh, sp, i, gpte);
	}
}

/* ---- 4. the guest touches memory ---- */

/* Everything cached is to be flushed before the next entry, upper entries included. */
static void owe_context(struct paging_vcpu *pv)
{
	pv->flush |= FLUSH_CONTEXT;
	vcpu_of(pv)->upper_seen = shadow_of(pv->pg)->upper_gen;
}

static void flush_addr(struct paging_vcpu *pv, gva_t gva)
{
	if ((pv->flush & FLUSH_ADDR) && pv->flush_gva != gva)
		owe_context(pv);
	pv->flush |= FLUSH_ADDR;
	pv->flush_gva = gva;
}

static bool in_window(struct shadow_vcpu *sv, gfn_t gfn)
{
	u32 i;

	for (i = 0; i < sv->nr_windows; i++)
		if (sv->window[i] == gfn)
			return true;
	return false;
}

/*
 * With cfg.split_exec a large entry gives no right to execute: see split() in nested.c. Where the
 * guest executes, its large page is mapped by pieces, and stays so while it is the same page.
 */
static bool stays_split(struct shadow *sh, const struct shadow_page *sp, unsigned int i, u64 gpte,
			bool fetch)
{
	int level = sp->role.level;

	if (likely(!sh->large_nx))
		return false;
	if (is_live(sp, i) && !spte_is_leaf(sp->spt[i], level) &&
	    (sp->role.direct ||
	     (pte_is_leaf(sp->gpte[i], level) && !((sp->gpte[i] ^ gpte) & PTE_FRAME))))
		return true;
	if (fetch)
		count(sh->pg->count, exec_splits);
	return fetch;
}

/* May one shadow entry of @level (2 or 3) map the whole block around @gfn? */
static bool block_fits(struct shadow *sh, struct gmem_slot *slot, gfn_t gfn, u64 host, int level)
{
	return level <= sh->pg->cfg.shadow_max_level &&
	       (host & (level == 2 ? GMEM_2M | GMEM_1G : GMEM_1G)) &&
	       !is_guarded(sh, slot, gfn, level);
}

/* A store hits a guarded frame: may it, and those that follow, go on unseen? */
static bool let_write(struct shadow *sh, struct gfn_info *info, gfn_t gfn)
{
	struct shadow_page *head;
	unsigned int which = 0;
	u32 id;

	if (!still_table(sh, info))
		return true;
	if (sh->policy->strict)
		return false;
	head = sp_at(sh, info->tables);
	if (head->sync_seen != sh->sync_points) {
		head->sync_seen = sh->sync_points;
		head->trapped = 0;
	}
	if (!sh->policy->opens(&sh->pg->cfg, ++head->trapped))
		return false;
	/* Where it would push another out, opening pays for a burst of stores only. */
	if (nr_open(sh) >= SHADOW_OPEN_MAX && head->trapped <= CROWDED_STORES)
		return false;
	for_each_table(sh, info, id)
		which |= sp_at(sh, id)->role.level > 1;
	return frame_open(sh, info, gfn, which);
}

/*
 * Will map() link a shadow page that was made for another way, or earlier? What that page and
 * those below it hold may be older than anything a CPU could know on the new way.
 */
static bool links_old(struct paging_vcpu *pv, const struct walk *w, gva_t gva)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = sp_at(sh, vcpu_of(pv)->root);
	union shadow_role role = sp->role;
	int level;

	for (level = PT_ROOT_LEVEL; level > w->level; level--) {
		unsigned int i = pt_index(gva, level);
		u64 gpte = w->gpte[level];
		struct shadow_page *have = NULL, *want;

		role = child_role(role, gpte);
		want = sp_find(sh, (gpte & PTE_FRAME) >> 12, role);
		if (sp && is_live(sp, i) && !spte_is_leaf(sp->spt[i], level))
			have = child_of(sh, sp, i);
		if (want && want != have)
			return true;
		sp = want;
	}
	return false;
}

/*
 * A new way to open tables: what the shadow has of them may be older than the way, and no CPU could
 * know it. A guest need not flush to add a way.
 */
static void sync_old(struct paging_vcpu *pv)
{
	struct shadow *sh = shadow_of(pv->pg);
	bool flush = sync_set(sh, &sh->open[1]);

	if (sync_set(sh, &sh->open[0]) || flush)
		owe_context(pv);
}

static struct leaf_cache *leaf_slot(struct shadow_vcpu *sv, gva_t gva)
{
	return &sv->leaf[(gva >> 21) * HASH_FACTOR >> (64 - LEAF_CACHE_BITS)];
}

/* The leaf shadow page that hardware reaches for @gva, if the way there is known to hold. */
static inline struct leaf_cache *known_way(struct paging_vcpu *pv, gva_t gva)
{
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct leaf_cache *c = leaf_slot(sv, gva);

	const struct shadow *sh = shadow_of(pv->pg);

	if (unlikely(c->block != gva >> 21 || c->root != sv->root || c->way_gen != sh->way_gen))
		return NULL;
	if (unlikely(READ_ONCE(*c->at[0]) != c->gpte[0] || READ_ONCE(*c->at[1]) != c->gpte[1] ||
		     READ_ONCE(*c->at[2]) != c->gpte[2]))
		return NULL;
	return c;
}

/* The same as far as level 2. */
static struct leaf_cache *known_mid(struct paging_vcpu *pv, gva_t gva)
{
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct leaf_cache *c = leaf_slot(sv, gva);
	const struct shadow *sh = shadow_of(pv->pg);

	if (c->block != gva >> 21 || c->root != sv->root || c->top_gen != sh->top_gen ||
	    c->freed_gen != sh->freed_gen || !c->mid)
		return NULL;
	if (READ_ONCE(*c->at[1]) != c->gpte[1] || READ_ONCE(*c->at[2]) != c->gpte[2])
		return NULL;
	return c;
}

/* An upper entry lost its meaning, but none on this way: it holds again. */
static bool still_holds(const struct shadow *sh, struct leaf_cache *c, gva_t gva)
{
	unsigned int i = pt_index(gva, 2);

	if (!c->sp || READ_ONCE(*c->at[0]) != c->gpte[0] || !is_live(c->mid, i) ||
	    (c->mid->spt[i] & PTE_PS) || (c->mid->spt[i] & PTE_FRAME) != c->sp->hpa)
		return false;
	c->upper_gen = sh->upper_gen;
	return true;
}

static void remember_way(struct paging_vcpu *pv, struct leaf_cache *c, gva_t gva)
{
	const struct shadow *sh = shadow_of(pv->pg);

	c->block = gva >> 21;
	c->root = vcpu_of(pv)->root;
	c->way_gen = sh->way_gen;
	c->top_gen = sh->top_gen;
	c->reserved = pte_reserved_always(&pv->pg->cfg, pv->efer);
	c->store.access = 0;
}

/* The guest's tables end before @gva: @w holds what was read, from the root down to @level. */
static void remember_absence(struct paging_vcpu *pv, const struct walk *w, gva_t gva, int level)
{
	struct leaf_cache *c = leaf_slot(vcpu_of(pv), gva);
	struct shadow *sh = shadow_of(pv->pg);
	int l;

	for (l = 2; l <= PT_ROOT_LEVEL; l++) {
		if (l > level) {
			c->at[l - 2] = table_of(sh, w->table[l]) + pt_index(gva, l);
			c->gpte[l - 2] = w->gpte[l];
		} else { /* not on the way */
			c->at[l - 2] = &says_unwritten;
			c->gpte[l - 2] = says_unwritten;
		}
	}
	c->absent = table_of(sh, w->table[level]) + pt_index(gva, level);
	c->sp = NULL;
	c->mid = NULL;
	remember_way(pv, c, gva);
}

/* Map what @w found, from the root down; true if a live entry changed its meaning. */
static bool map(struct paging_vcpu *pv, const struct walk *w, gva_t gva, struct gmem_slot *slot,
		u64 host, bool through_window, bool fetch, bool *wrote)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = sp_at(sh, vcpu_of(pv)->root);
	struct leaf_cache *c = leaf_slot(vcpu_of(pv), gva);
	hpa_t hpa = host & GMEM_HPA;
	gfn_t gfn = w->gfn;
	bool changed = false;
	u64 before = sh->pg->count->v[CNT_sptes_written];
	unsigned int i;
	u64 gpte, spte;
	int level;

	sp_touch(sp);
	c->block = ~0ULL;
	c->mid = NULL;
	for (level = sp->role.level;; level--) {
		struct shadow_page *child;

		i = pt_index(gva, level);
		gpte = level >= w->level ? w->gpte[level] : w->gpte[w->level];
		/* A large entry would take away what a window opened inside its block. */
		if (level == 1 ||
		    (level <= w->level && !pv->window && block_fits(sh, slot, gfn, host, level) &&
		     !stays_split(sh, sp, i, gpte, fetch)))
			break;
		child = sp_get(sh, child_gfn(sp, i, gpte), child_role(sp->role, gpte));
		changed |= upper_set(sh, sp, i, child, gpte);
		/* A piece of a 1 GiB page has no guest entry of its own: such ways are not kept. */
		if (sp->table) {
			c->at[level - 2] = sp->table + i;
			c->gpte[level - 2] = gpte;
			if (level == 2)
				c->mid = sp;
		}
		sp = child;
	}
	gfn &= ~(pt_level_pages(level) - 1);
	hpa &= ~((pt_level_pages(level) << 12) - 1);
	spte = leaf_spte(sh, sp, gpte, w->access, hpa, is_guarded(sh, slot, gfn, level));
	if (through_window) {
		spte |= PTE_W | PTE_D;
		/*
		 * A user page that only CR0.WP=0 makes writable must not open for user mode, nor,
		 * as a supervisor page, for fetches that SMEP forbids. What cannot be expressed:
		 * SMAP on that page until the window closes, one instruction where the monitor
		 * trap flag exists.
		 */
		if (!(w->access & ACC_W) && (w->access & ACC_U)) {
			spte &= ~PTE_U;
			spte |= PTE_NX;
		}
	}
	changed |= leaf_set(sh, sp, i, spte, gpte, gmem_info(slot, gfn, level), gfn);
	if (level == 1 && w->level <= 2) {
		c->access = w->level == 1 ? sp->role.access : w->access;
		c->sp = sp;
		c->absent = NULL;
		remember_way(pv, c, gva);
	}
	if (sh->policy->fill && level == 1 && sp->table && !sp->filled)
		fill_around(sh, sp);
	*wrote = before != sh->pg->count->v[CNT_sptes_written];
	return changed;
}

/*
 * The guest's tables end before @gva. Link the shadow as far as they go, so that the next such fault
 * finds the entry that is not present and needs no VM exit. The walk of a CPU, too, sets the
 * accessed flags on its way.
 */
static noinline void link_way(struct paging_vcpu *pv, const struct walk *w, gva_t gva)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = sp_at(sh, vcpu_of(pv)->root), *child;
	int level;

	for (level = PT_ROOT_LEVEL; level > w->level; level--) {
		u64 *entry = (u64 *)&sp->table[pt_index(gva, level)], gpte = w->gpte[level];

		if (!(gpte & PTE_A) && cmpxchg64(entry, gpte, gpte | PTE_A) != gpte)
			return;
		gpte |= PTE_A;
		child = sp_get(sh, (gpte & PTE_FRAME) >> 12, child_role(sp->role, gpte));
		if (upper_set(sh, sp, pt_index(gva, level), child, gpte))
			flush_addr(pv, gva);
		sp = child;
	}
}

/*
 * Only CR0.WP=0 lets it write to a user page: no entry can say "supervisor only", so each store is
 * carried out for it.
 */
static inline bool is_odd_write(unsigned int access)
{
	return (access & (ACC_U | ACC_W)) == ACC_U;
}

static enum verdict to_emulate(const struct paging_fault *f, gfn_t gfn, u64 host,
			       struct paging_result *res)
{
	res->gpa = gfn << 12 | (f->gva & ~PAGE_MASK);
	res->at = (u8 *)phys_to_virt(host & GMEM_HPA) + (f->gva & ~PAGE_MASK);
	return VERDICT_EMULATE;
}

/*
 * The same store to a guarded table again, or to the entry beside it? Then nothing has to be worked
 * out: the walk would end where it did, and only a table that lost its guard, or is one for a
 * second shadow page now, needs a closer look.
 */
static inline bool store_again(struct paging_vcpu *pv, const struct paging_fault *f,
			       const struct leaf_cache *c, struct paging_result *res)
{
	const struct trapped_store *t = &c->store;
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp;

	if (t->access != f->access || t->index != pt_index(f->gva, 1) ||
	    READ_ONCE(*t->at) != t->gpte)
		return false;
	sp = sp_at(sh, t->info->tables);
	if (unlikely(sp->next_table || !sp->parents || sp->writes + 1 >= UNSHADOW_WRITES))
		return false;
	sp->writes++;
	res->gpa = t->gfn << 12 | (f->gva & ~PAGE_MASK);
	res->at = t->host + (f->gva & ~PAGE_MASK);
	vcpu_of(pv)->trapped = sp;
	return true;
}

/*
 * A store trapped, and the next will too: strict tables do not open. What fault_near() found holds
 * while known_way() and the leaf entry do, and the mode of the guest's CPU: see shadow_set_mode().
 */
static void remember_store(struct leaf_cache *c, const struct paging_fault *f, const u64 *entry,
			   u64 gpte, gfn_t gfn, u64 host, struct gfn_info *info)
{
	c->store = (struct trapped_store){
		.access = f->access,
		.at = entry ? entry : &says_unwritten,
		.gpte = entry ? gpte : says_unwritten,
		.index = pt_index(f->gva, 1),
		.gfn = gfn,
		.info = info,
		.host = phys_to_virt(host & GMEM_HPA),
	};
}

/* The general case: walk the guest's tables and map what is found, from the root down. */
static noinline enum verdict fault_far(struct paging_vcpu *pv, const struct paging_fault *f,
				       struct paging_result *res)
{
	struct walk_for want = {
		.gva = f->gva,
		.code = f->code & (PF_W | PF_U | PF_I),
		.cpl = f->cpl,
		.ac = f->ac,
		.set_ad = true,
	};
	struct shadow *sh = shadow_of(pv->pg);
	bool write = f->code & PF_W, through, wrote, emulate = false;
	struct gmem_slot *slot;
	enum verdict v;
	struct walk w;
	u64 host;

	v = reserve(sh, SHADOW_MAKE_MAX);
	if (v != VERDICT_RETRY)
		return v;
	bound_open(sh);
	v = walk_guest(pv, &want, &w, res);
	if (v == VERDICT_REFLECT && !(res->code & PF_P)) {
		if (unlikely(sh->blank))
			link_way(pv, &w, f->gva);
		if (w.level > 1)
			remember_absence(pv, &w, f->gva, w.level);
	}
	if (v != VERDICT_RETRY)
		return v;
	v = gmem_host(pv->pg->mem, w.gfn, &host, res);
	if (v == VERDICT_MMIO)
		res->gpa = w.gfn << 12 | (f->gva & ~PAGE_MASK);
	if (v != VERDICT_RETRY)
		return v;

	slot = gmem_slot(pv->pg->mem, w.gfn);
	through = write && pv->window && in_window(vcpu_of(pv), w.gfn);
	if (write && !through) {
		struct gfn_info *info = gmem_info(slot, w.gfn, 1);

		emulate = is_odd_write(w.access) ||
			  (is_guarded(sh, slot, w.gfn, 1) && !let_write(sh, info, w.gfn));
		/* Where the way can be known and is not, it is mapped now for the next store. */
		if (emulate && (w.level > 2 || known_way(pv, f->gva)))
			return to_emulate(f, w.gfn, host, res);
	}
	if (nr_open(sh) && links_old(pv, &w, f->gva))
		sync_old(pv);
	if (map(pv, &w, f->gva, slot, host, through, f->code & PF_I, &wrote))
		flush_addr(pv, f->gva);
	if (emulate)
		return to_emulate(f, w.gfn, host, res);
	if (!wrote) {
		/* Hardware has something older cached, and would fault on it for ever. */
		count(sh->pg->count, spurious_faults);
		flush_addr(pv, f->gva);
	}
	return VERDICT_RETRY;
}

/*
 * Most faults end in a leaf table where others ended before. Then its entry is all that has to be
 * read: the way there is as it was, its accessed flags are set, and nothing has to be made.
 * VERDICT_REFILL here means that this is not such a fault.
 */
static enum verdict fault_near(struct paging_vcpu *pv, const struct paging_fault *f,
			       struct leaf_cache *c, struct paging_result *res)
{
	struct walk_for want = { .code = f->code & (PF_W | PF_U | PF_I),
				 .cpl = f->cpl,
				 .ac = f->ac };
	unsigned int i = pt_index(f->gva, 1), access = c->access;
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = c->sp;
	u64 *entry = NULL;
	struct gfn_info *info;
	struct gmem_slot *slot;
	u64 gpte, host, spte, at;
	bool guarded;
	gfn_t gfn;

	if (sp->table) {
		u64 bits = f->code & PF_W ? PTE_A | PTE_D : PTE_A;

		entry = (u64 *)&sp->table[i];
		gpte = READ_ONCE(*entry);
		if (!(gpte & PTE_P))
			return walk_fault(pv, &want, 0, res);
		if (unlikely(gpte & c->reserved))
			return walk_fault(pv, &want, PF_P | PF_RSVD, res);
		access &= pte_access(gpte);
		if (unlikely(!access_allowed(pv, &want, access)))
			return walk_fault(pv, &want, PF_P, res);
		if ((gpte & bits) != bits) {
			if (cmpxchg64(entry, gpte, gpte | bits) != gpte)
				return VERDICT_REFILL;
			gpte |= bits;
		}
		gfn = (gpte & PTE_FRAME) >> 12;
	} else {
		gpte = c->gpte[0];
		if (unlikely(!access_allowed(pv, &want, access)))
			return walk_fault(pv, &want, PF_P, res);
		if ((f->code & PF_W) && !(gpte & PTE_D))
			return VERDICT_REFILL;
		gfn = pte_gfn(gpte, 2) + i;
	}
	slot = gmem_slot(sh->pg->mem, gfn);
	if (unlikely(!slot))
		return VERDICT_REFILL;
	at = gmem_index(slot, gfn);
	host = slot->host[at];
	if (unlikely(!host))
		return VERDICT_REFILL;
	info = &slot->info[0][at];
	guarded = unlikely(info->tables) && !is_open(sh, info);
	if (f->code & PF_W) {
		if (unlikely(is_odd_write(access)))
			return to_emulate(f, gfn, host, res);
		if (guarded) {
			bound_open(sh);
			if (!let_write(sh, info, gfn)) {
				if (sh->policy->strict)
					remember_store(c, f, entry, gpte, gfn, host, info);
				return to_emulate(f, gfn, host, res);
			}
			if (c->upper_gen != sh->upper_gen) /* the way was a table of its own */
				return VERDICT_REFILL;
			guarded = false;
		}
	}
	sp_touch(sp);
	spte = leaf_spte(sh, sp, gpte, access, host & GMEM_HPA, guarded);
	if (is_live(sp, i)) {
		u64 before = sh->pg->count->v[CNT_sptes_written];

		leaf_set(sh, sp, i, spte, gpte, info, gfn);
		/* Hardware may have the old one, or something older yet. */
		flush_addr(pv, f->gva);
		if (before == sh->pg->count->v[CNT_sptes_written])
			count(sh->pg->count, spurious_faults);
	} else {
		leaf_add(sh, sp, i, spte, gpte, info);
	}
	if (unlikely(sh->policy->fill && !sp->filled) && sp->table)
		fill_around(sh, sp);
	return VERDICT_RETRY;
}

/* The same where the guest had no table: has it still none? */
static enum verdict fault_absent(struct paging_vcpu *pv, const struct paging_fault *f,
				 const struct leaf_cache *c, struct paging_result *res)
{
	struct walk_for want = { .code = f->code & (PF_W | PF_U | PF_I) };

	if (READ_ONCE(*c->absent) & PTE_P)
		return VERDICT_REFILL;
	return walk_fault(pv, &want, 0, res);
}

/* The way to the level 2 page is known and its entry is another than before: go on from there. */
static noinline enum verdict fault_mid(struct paging_vcpu *pv, const struct paging_fault *f,
				       struct leaf_cache *c, struct paging_result *res)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = c->mid, *have = NULL, *child;
	unsigned int i = pt_index(f->gva, 2);
	u64 *entry = (u64 *)c->at[0], gpte = READ_ONCE(*entry), host;
	union shadow_role role;
	gfn_t gfn;

	if (!(gpte & PTE_P) || pte_is_leaf(gpte, 2) ||
	    pte_reserved(&sh->pg->cfg, pv->efer, gpte, 2))
		return VERDICT_REFILL;
	gfn = (gpte & PTE_FRAME) >> 12;
	if (gmem_host(pv->pg->mem, gfn, &host, res) != VERDICT_RETRY ||
	    reserve(sh, 1) != VERDICT_RETRY)
		return VERDICT_REFILL;
	bound_open(sh);
	role = child_role(sp->role, gpte);
	child = sp_find(sh, gfn, role);
	if (nr_open(sh) && child) {
		if (is_live(sp, i) && !spte_is_leaf(sp->spt[i], 2))
			have = child_of(sh, sp, i);
		if (child != have)
			sync_old(pv);
	}
	if (c->top_gen != sh->top_gen || c->freed_gen != sh->freed_gen)
		return VERDICT_REFILL;
	if (!(gpte & PTE_A) && cmpxchg64(entry, gpte, gpte | PTE_A) != gpte)
		return VERDICT_REFILL;
	gpte |= PTE_A;
	if (child)
		sp_touch(child);
	else
		child = sp_get(sh, gfn, role);
	if (upper_set(sh, sp, i, child, gpte))
		flush_addr(pv, f->gva);
	c->gpte[0] = gpte;
	c->sp = child;
	c->absent = NULL;
	c->access = child->role.access;
	remember_way(pv, c, f->gva);
	return fault_near(pv, f, c, res);
}

enum verdict shadow_fault(struct paging_vcpu *pv, const struct paging_fault *f,
			  struct paging_result *res)
{
	enum verdict v = VERDICT_REFILL;
	struct leaf_cache *c;

	/* The root lost its memory while the caller slept: fault again with a new one. */
	if (unlikely(pv->unready))
		return VERDICT_RETRY;
	if (unlikely(pv->window))
		return fault_far(pv, f, res);
	c = known_way(pv, f->gva);
	if (unlikely(!c)) {
		c = known_mid(pv, f->gva);
		if (c && !still_holds(shadow_of(pv->pg), c, f->gva)) {
			v = fault_mid(pv, f, c, res);
			return likely(v != VERDICT_REFILL) ? v : fault_far(pv, f, res);
		}
	}
	if (likely(c)) {
		if (store_again(pv, f, c, res))
			return VERDICT_EMULATE;
		v = c->absent ? fault_absent(pv, f, c, res) : fault_near(pv, f, c, res);
	}
	return likely(v != VERDICT_REFILL) ? v : fault_far(pv, f, res);
}

/* ---- 5. roots, modes, flushes ---- */

static void drop_root(struct paging_vcpu *pv)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	if (sv->root)
		sp_at(shadow_of(pv->pg), sv->root)->in_use--;
	sv->root = 0;
	pv->unready = true;
}

static inline void use_root(struct paging_vcpu *pv, struct shadow_page *sp, gfn_t gfn, u64 pcid)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	if (sv->root != sp->id) {
		sp->in_use++;
		drop_root(pv);
		sv->root = sp->id;
	}
	sv->pcid_root[pcid] = gfn;
	pv->hw_cr3 = sp->hpa | pcid;
	pv->unready = false;
}

static void choose_direct(struct paging_vcpu *pv);

/* Take the shadow of the table that @cr3 names as root. */
static noinline enum verdict take_root(struct paging_vcpu *pv, u64 cr3, struct paging_result *res)
{
	union shadow_role role = { .level = PT_ROOT_LEVEL,
				   .access = ACC_ALL,
				   .wp = !!(pv->cr0 & PG_CR0_WP),
				   .nxe = !!(pv->efer & PG_EFER_NXE) };
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct shadow *sh = shadow_of(pv->pg);
	gfn_t gfn = (cr3 & PTE_FRAME) >> 12;
	struct root_cache *c = &sv->roots[gfn % ROOT_CACHE];
	u64 pcid = pv->cr4 & PG_CR4_PCIDE ? cr3 & 0xfff : 0;
	struct shadow_page *sp;
	enum verdict v;
	u64 host;

	sp = sp_find(sh, gfn, role);
	if (sp) {
		count(sh->pg->count, roots_reused);
		sp_touch(sp);
	} else {
		v = reserve(sh, 1);
		if (v != VERDICT_RETRY)
			return v;
		bound_open(sh);
		v = gmem_host(pv->pg->mem, gfn, &host, res);
		if (v == VERDICT_MMIO) {
			res->why = "CR3 points outside guest memory";
			return VERDICT_STOP;
		}
		if (v != VERDICT_RETRY)
			return v;
		sp = sp_get(sh, gfn, role);
		count(sh->pg->count, roots_built);
	}
	*c = (struct root_cache){
		.gfn = gfn, .freed_gen = sh->freed_gen, .role = role.word, .sp = sp
	};
	if (sv->root_role != role.word || pv->unready) {
		sv->root_role = role.word;
		choose_direct(pv); /* the guest's mode may have changed */
	}
	use_root(pv, sp, gfn, pcid);
	return VERDICT_RETRY;
}

enum verdict shadow_prepare(struct paging_vcpu *pv, struct paging_result *res)
{
	return take_root(pv, pv->cr3, res);
}

enum verdict shadow_load_cr3(struct paging_vcpu *pv, u64 value, struct paging_result *res)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_vcpu *sv;
	struct root_cache *c;
	enum verdict v;
	u64 pcid = 0;
	gfn_t gfn;

	/*
	 * Also where the guest keeps its TLB: another PCID may never have cached what the shadow
	 * still has. Where nothing changed this finds nothing and flushes nothing.
	 */
	if (sync_all(sh))
		owe_context(pv);
	sv = vcpu_of(pv);
	gfn = (value & PTE_FRAME) >> 12;
	if (pv->cr4 & PG_CR4_PCIDE)
		pcid = value & 0xfff;
	/*
	 * One PCID for two roots: a later INVLPG has to drop what both left behind, pieces of large
	 * pages and upper entries, and INVVPID for one address would not. Flush here instead.
	 */
	if (!(pv->cr4 & PG_CR4_PCIDE) || !(value & PG_CR3_NOFLUSH) || sv->pcid_root[pcid] != gfn)
		owe_context(pv);
	/* Also without PCIDs: a value of the base-address buffer may be older than CR4.PCIDE. */
	value &= ~PG_CR3_NOFLUSH;
	c = &sv->roots[gfn % ROOT_CACHE];
	if (likely(c->gfn == gfn && c->freed_gen == sh->freed_gen && c->role == sv->root_role &&
		   !pv->unready)) {
		count(sh->pg->count, roots_reused);
		sp_touch(c->sp);
		use_root(pv, c->sp, gfn, pcid);
	} else {
		v = take_root(pv, value, res);
		if (v != VERDICT_RETRY)
			return v;
	}
	pv->cr3 = value;
	if (unlikely(pv->share_gpa))
		shadow_roots_note(pv);
	return VERDICT_RETRY;
}

void shadow_set_mode(struct paging_vcpu *pv)
{
	unsigned int i;

	for (i = 0; i < LEAF_CACHE; i++)
		vcpu_of(pv)->leaf[i].store.access = 0;
	sync_all(shadow_of(pv->pg));
	shadow_roots_withdraw(pv);
	drop_root(pv);
	owe_context(pv);
}

/* All ways that hardware can take for @gva before the next exit. */
static noinline void sync_ways(struct shadow *sh, struct shadow_vcpu *sv, gva_t gva)
{
	int i;

	if (sv->root)
		sync_path(sh, sp_at(sh, sv->root), gva);
	/* Roots that the guest may load without an exit: no other sync comes in between. */
	for (i = 0; i < ROOT_TARGETS; i++)
		if (sv->shared[i] && sv->shared[i] != sv->root)
			sync_path(sh, sp_at(sh, sv->shared[i]), gva);
}

/* Open tables may have changed: bring in step what leads to @gva. */
static noinline void sync_address(struct paging_vcpu *pv, gva_t gva)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct leaf_cache *c;

	if (unlikely(sync_set(sh, &sh->open[1])))
		owe_context(pv);
	c = known_way(pv, gva);
	if (likely(c && c->sp && !pv->share_gpa)) {
		if (c->sp->open)
			sync_entry(sh, c->sp, pt_index(gva, 1),
				   READ_ONCE(c->sp->table[pt_index(gva, 1)]));
		return;
	}
	c = known_mid(pv, gva);
	if (c && !pv->share_gpa)
		sync_path(sh, c->mid, gva);
	else
		sync_ways(sh, vcpu_of(pv), gva);
}

/*
 * The guest's INVLPG drops the paging-structure caches of its PCID for every address (SDM vol. 3,
 * 4.10.4.1); INVVPID for one address only those that lead to it (28.4.3.1). An upper entry that
 * changed since the last full flush may be cached for other addresses, and so may the pieces of a
 * large guest page that the guest takes for one translation: then flush all.
 */
void shadow_invlpg(struct paging_vcpu *pv, gva_t gva)
{
	const struct shadow *sh = shadow_of(pv->pg);

	if (nr_open(sh))
		sync_address(pv, gva);
	if (unlikely(vcpu_of(pv)->upper_seen != sh->upper_gen))
		owe_context(pv);
	else
		flush_addr(pv, gva);
}

void shadow_invpcid(struct paging_vcpu *pv, enum invpcid_type type, u16 pcid, gva_t gva)
{
	/* INVVPID reaches every PCID of a VPID: more than asked for is allowed. */
	if (type == INVPCID_ADDR && pcid == (pv->cr4 & PG_CR4_PCIDE ? pv->cr3 & 0xfff : 0)) {
		shadow_invlpg(pv, gva);
		return;
	}
	sync_all(shadow_of(pv->pg));
	owe_context(pv);
}

void shadow_enter(struct paging_vcpu *pv)
{
	if (pv->flush_gen == pv->pg->flush_gen)
		return;
	pv->flush_gen = pv->pg->flush_gen;
	owe_context(pv);
}

/* ---- 6. stores into tables ---- */

/* What one table entry says of @rip: more is to be read (*@table), or the bytes are found. */
static __always_inline const u8 *code_step(const u64 **table, gva_t rip, int level)
{
	u64 spte = (*table)[pt_index(rip, level)], in_page = (pt_level_pages(level) << 12) - 1;

	*table = NULL;
	if (unlikely((spte & (PTE_P | SPTE_TRAP)) != PTE_P))
		return NULL;
	if (spte_is_leaf(spte, level))
		return (const u8 *)phys_to_virt(spte & PTE_FRAME & ~in_page) + (rip & in_page);
	*table = phys_to_virt(spte & PTE_FRAME);
	return NULL;
}

static inline u64 code_page(gva_t rip, bool user)
{
	return rip >> 12 | (u64)user << 63;
}

/* Follow the shadow as hardware did when it fetched the instruction a moment ago. */
static noinline const u8 *find_code(struct paging_vcpu *pv, gva_t rip, bool user,
				    struct code_cache *c)
{
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct shadow *sh = shadow_of(pv->pg);
	const u64 *table;
	const u8 *code = NULL;
	int level;

	if (unlikely(!sv->root))
		return NULL;
	table = phys_to_virt(pv->hw_cr3 & PTE_FRAME);
	for (level = PT_ROOT_LEVEL; table; level--) {
		c->spte = &table[pt_index(rip, level)];
		code = code_step(&table, rip, level);
	}
	/*
	 * Hardware may have fetched through something older than this entry: walk, and see. A
	 * supervisor's code on a user page, where that is allowed, is not worth a look at SMEP.
	 */
	if (!code || (*c->spte & PTE_NX) || !(*c->spte & PTE_U) == user)
		return NULL;
	c->page = code_page(rip, user);
	c->root = sv->root;
	c->way_gen = sh->way_gen;
	c->value = *c->spte;
	c->host = code - (rip & ~PAGE_MASK);
	return code;
}

const u8 *shadow_code(struct paging_vcpu *pv, gva_t rip, bool user)
{
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct code_cache *c = &sv->code[(rip >> 12) % CODE_CACHE];
	const struct shadow *sh = shadow_of(pv->pg);

	if (likely(c->page == code_page(rip, user) && c->root == sv->root &&
		   c->way_gen == sh->way_gen && READ_ONCE(*c->spte) == c->value))
		return c->host + (rip & ~PAGE_MASK);
	c->page = ~0ULL;
	return find_code(pv, rip, user, c);
}

static noinline void pt_write_any(struct paging_vcpu *pv, gpa_t gpa, unsigned int len)
{
	struct shadow *sh = shadow_of(pv->pg);
	gfn_t gfn = gpa >> 12;
	struct gmem_slot *slot = gmem_slot(pv->pg->mem, gfn);
	unsigned int first = (gpa & 0xfff) / 8, last = ((gpa & 0xfff) + len - 1) / 8, i;
	u32 id;

	if (unlikely(!slot))
		return;
	id = gmem_info(slot, gfn, 1)->tables;
	if (unlikely(slot->device) && !id)
		gmem_mark_written(slot, gfn);
	while (id) {
		struct shadow_page *sp = sp_at(sh, id);

		for (i = first; i <= last; i++)
			sync_entry(sh, sp, i, READ_ONCE(sp->table[i]));
		id = sp->next_table;
	}
}

void shadow_pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len)
{
	struct shadow_vcpu *sv = vcpu_of(pv);
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = sv->trapped;

	sv->trapped = NULL;
	/* One entry of the table that store_again() has just found: all is known of it. */
	if (likely(sp && sp->gfn == gpa >> 12 && len == 8 && !(gpa & 7) && sp->role.level == 1)) {
		unsigned int i = (gpa & 0xfff) / 8;
		u64 gpte = READ_ONCE(sp->table[i]);

		if (was_touched(gpte))
			sync_entry(sh, sp, i, gpte);
		else
			leaf_gone(sh, sp, i, gpte);
		return;
	}
	pt_write_any(pv, gpa, len);
}

/*
 * A window: one instruction that the decoder does not know may write to a guarded frame. The
 * frame opens when the instruction faults again, and closes at the next VM exit that it did not
 * itself cause: after one instruction where the monitor trap flag exists, whenever the next exit
 * comes where it does not. In between the shadow may lag behind the guest's tables, which no
 * guest can tell from a TLB: its next flush is an exit and finds the window closed. An
 * instruction that writes to several tables opens one after the other.
 */
void shadow_open_window(struct paging_vcpu *pv, gfn_t gfn, u64 rip)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	sv->trapped = NULL;
	if (sv->nr_windows == SHADOW_WINDOWS || in_window(sv, gfn))
		return;
	sv->window[sv->nr_windows++] = gfn;
	pv->window = true;
	pv->share_on = false; /* until it closes, each MOV to CR3 must be seen */
	pv->rearm = true;
	pv->window_rip = rip;
	pv->step = pv->pg->cfg.mtf;
	pv->direct = false; /* the shadow may lag behind */
	count(pv->pg->count, stepped_stores);
}

static void close_window(struct shadow *sh, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(sh->pg->mem, gfn);
	struct gfn_info *info;
	u32 id, next;

	if (!slot) /* its memory was taken away meanwhile */
		return;
	info = gmem_info(slot, gfn, 1);
	for (id = info->rmap; id; id = next) {
		next = entry_link(sh, id)->next;
		if (*entry_spte(sh, id) & PTE_W)
			entry_clear(sh, entry_page(sh, id), id & 511);
	}
	sh->pg->flush_gen++;
	if (info->tables)
		sync_table(sh, info);
}

/*
 * May a not-present fault go to the guest? Hardware runs with EFER.NXE set, so its error code says
 * "fetch" also where the guest's CPU would not.
 */
static void choose_direct(struct paging_vcpu *pv)
{
	pv->direct = shadow_of(pv->pg)->blank && !pv->window &&
		     ((pv->efer & PG_EFER_NXE) || (pv->cr4 & PG_CR4_SMEP));
	pv->rearm = true;
}

void shadow_leave(struct paging_vcpu *pv, const struct paging_fault *fault)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	if (fault && fault->rip == pv->window_rip)
		return; /* the instruction itself, not done yet: it may read and write */
	while (sv->nr_windows)
		close_window(shadow_of(pv->pg), sv->window[--sv->nr_windows]);
	pv->window = false;
	pv->share_on = pv->share_gpa;
	pv->step = false;
	choose_direct(pv);
}

/* ---- 7. the host's side ---- */

void shadow_unmap(struct paging *pg, gfn_t base, u64 npages)
{
	struct shadow *sh = shadow_of(pg);
	struct shadow_vcpu *sv;
	struct gmem_slot *slot;
	gfn_t gfn;
	int level;

	for (sv = sh->vcpus; sv; sv = sv->next)
		shadow_roots_withdraw(sv->pv);
	for (gfn = base; gfn - base < npages; gfn++) {
		struct gfn_info *info;

		slot = gmem_slot(pg->mem, gfn);
		if (!slot)
			continue;
		for (level = 1; level <= 3; level++) {
			info = gmem_info(slot, gfn, level);
			while (info->rmap)
				entry_clear(sh, entry_page(sh, info->rmap), info->rmap & 511);
		}
		info = gmem_info(slot, gfn, 1);
		while (info->tables) {
			/* A vCPU whose root goes away makes a new one, or learns that it cannot. */
			for (sv = sh->vcpus; sv; sv = sv->next)
				if (sv->root == info->tables)
					drop_root(sv->pv);
			sp_zap(sh, sp_at(sh, info->tables));
		}
	}
	pg->flush_gen++;
	sh->freed_gen++; /* tables that are not shadowed may be on a known way too */
}

/* The flags of a frame that is a guest table too belong to sync_open(). */
bool shadow_take_dirty(struct paging *pg, gfn_t gfn)
{
	struct gmem_slot *slot = gmem_slot(pg->mem, gfn);
	struct shadow *sh = shadow_of(pg);
	bool written = false;
	u32 id;

	if (gmem_info(slot, gfn, 1)->tables)
		return true;
	for (id = gmem_info(slot, gfn, 1)->rmap; id; id = entry_link(sh, id)->next) {
		u64 *spte = entry_spte(sh, id);

		if (!(*spte & PTE_D))
			continue;
		spte_write(sh, spte, *spte & ~PTE_D);
		written = true;
	}
	if (written)
		pg->flush_gen++;
	return written;
}

unsigned int shadow_reclaim(struct paging *pg, unsigned int pages)
{
	struct shadow *sh = shadow_of(pg);
	unsigned int got = 0;

	while (got < pages && reclaim_one(sh)) {
		count(pg->count, tables_reclaimed);
		got += SHADOW_TABLE_PAGES;
	}
	return got;
}

static size_t shadow_chunks(u32 budget)
{
	return budget / SHADOW_CHUNK + 1;
}

int shadow_vm_init(struct paging *pg, const struct shadow_policy *policy)
{
	u32 budget = pg->cfg.shadow_budget, bits;
	struct shadow *sh;

	if (budget < SHADOW_BUDGET_MIN || budget > SHADOW_BUDGET_MAX)
		return -EINVAL;
	/* As many buckets as there may be shadow pages: chains stay short however many there are. */
	for (bits = 4; 1u << bits < budget; bits++)
		;
	sh = shim_zalloc(sizeof(*sh) + shadow_chunks(budget) * sizeof(sh->chunk[0]) +
			 (sizeof(sh->hash[0]) << bits));
	if (!sh)
		return -ENOMEM;
	sh->hash_bits = bits;
	sh->hash = (u32 *)&sh->chunk[shadow_chunks(budget)];
	sh->pg = pg;
	sh->policy = policy;
	if (policy->strict && pg->cfg.direct_faults)
		sh->blank = SPTE_TRAP | PTE_P;
	sh->large_nx = pg->cfg.split_exec ? PTE_NX : 0;
	sh->budget = budget;
	pg->state = sh;
	return 0;
}

void shadow_vm_free(struct paging *pg)
{
	size_t chunk;
	struct shadow *sh = shadow_of(pg);
	int i;
	u32 id;

	for (id = sh->oldest; id; id = sp_at(sh, id)->newer)
		for (i = 0; i < 8; i++)
			count_add(pg->count, entries_dropped, hweight64(sp_at(sh, id)->live[i]));
	while (sh->oldest)
		sp_zap(sh, sp_at(sh, sh->oldest));
	for (chunk = 0; chunk < shadow_chunks(sh->budget); chunk++) {
		if (!sh->chunk[chunk])
			continue;
		memset(sh->chunk[chunk], 0, PAGE_SIZE);
		pool_put(&pg->pool, (u64 *)sh->chunk[chunk]);
	}
	shim_free(sh);
	pg->state = NULL;
}

int shadow_vcpu_init(struct paging_vcpu *pv)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_vcpu *sv = shim_zalloc(sizeof(*sv));
	unsigned int i;

	if (!sv)
		return -ENOMEM;
	for (i = 0; i < LEAF_CACHE; i++)
		sv->leaf[i].block = ~0ULL;
	for (i = 0; i < CODE_CACHE; i++)
		sv->code[i].page = ~0ULL;
	sv->pv = pv;
	sv->next = sh->vcpus;
	sh->vcpus = sv;
	pv->state = sv;
	pv->eptp = 0;
	pv->unready = true;
	owe_context(pv);
	return 0;
}

void shadow_vcpu_free(struct paging_vcpu *pv)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_vcpu *sv = vcpu_of(pv), **at;

	shadow_leave(pv, NULL);
	shadow_roots_withdraw(pv);
	drop_root(pv);
	for (at = &sh->vcpus; *at != sv; at = &(*at)->next)
		;
	*at = sv->next;
	shim_free(sv);
	pv->state = NULL;
}

/* What is wrong with live entry @i, or NULL. */
static const char *audit_entry(struct shadow *sh, struct shadow_page *sp, unsigned int i)
{
	struct spte_link *link = link_at(sp, i);
	u64 spte = sp->spt[i], gpte = sp->gpte[i], now = gpte, want;
	int level = sp->role.level;
	u32 id = entry_id(sp, i), head;
	struct gmem_slot *slot;
	gfn_t gfn;

	if (!sp->role.direct) {
		u64 ignored = pte_is_leaf(gpte, level) ? GPTE_IGNORED : GPTE_IGNORED_UPPER;

		if (!sp->open) /* an open table may be ahead until the next sync point */
			now = sp->table[i];
		if ((now ^ gpte) & ~(ignored | PTE_D))
			return "the guest entry has changed";
		if (!(now & PTE_P) || !(now & PTE_A))
			return "the guest entry is not present or not accessed";
	}
	if (spte_is_leaf(spte, level)) {
		u64 host;

		gfn = leaf_gfn(sp, i);
		slot = gmem_slot(sh->pg->mem, gfn);
		if (!slot)
			return "it maps a frame outside guest memory";
		host = slot->host[gmem_index(slot, gfn)];
		want = leaf_spte(sh, sp, now, sp->role.access & pte_access(now), host & GMEM_HPA,
				 is_guarded(sh, slot, gfn, level));
		if ((spte & PTE_W) && !(want & PTE_W))
			return "it is writable and must not be";
		if ((spte ^ want) & ~(PTE_A | PTE_D | PTE_W))
			return "frame or rights are wrong";
		head = gmem_info(slot, gfn, level)->rmap;
	} else {
		struct shadow_page *child = child_of(sh, sp, i);

		if (!child || (spte & PTE_FRAME) != virt_to_phys(child->spt))
			return "it points to another shadow page";
		head = child->parents;
	}
	if (link->prev ? entry_link(sh, link->prev)->next != id : head != id)
		return "it is not on its list";
	return NULL;
}

u64 shadow_audit(struct paging_vcpu *pv, char *text, size_t size)
{
	struct shadow *sh = shadow_of(pv->pg);
	u64 wrong = 0;
	unsigned int i;
	u32 id;

	for (id = sh->oldest; id && sh->blank; id = sp_at(sh, id)->newer)
		for (i = 0; i < 512; i++) {
			struct shadow_page *sp = sp_at(sh, id);

			if (!is_live(sp, i) && sp->spt[i] != blank_spte(sh, sp, i) && !wrong++)
				snprintf(text, size,
					 "entry %u of the shadow of frame %#llx hides "
					 "a guest entry",
					 i, (unsigned long long)sp->gfn);
		}
	for (id = sh->oldest; id; id = sp_at(sh, id)->newer)
		for_each_present(sp_at(sh, id), i) {
			struct shadow_page *sp = sp_at(sh, id);
			const char *what = audit_entry(sh, sp, i);

			if (what && !wrong++)
				snprintf(text, size,
					 "entry %u of the level %u shadow of frame %#llx: %s", i,
					 (unsigned int)sp->role.level, (unsigned long long)sp->gfn,
					 what);
		}
	return wrong;
}

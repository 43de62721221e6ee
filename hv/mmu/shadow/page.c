// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow pages: find one, make it, free it; which to give up; and which guest tables are none any
 * more.
 */
#include "live.h"
#include "open.h"
#include "page.h"

/* A root that is not loaded may be written this often. */
#define UNSHADOW_ROOT_WRITES 3u
/* Tables that nothing points to are kept for their next use, up to this many. */
#define ORPHANS_KEPT 32u
/* Recently used shadow pages that one reclaim passes over. */
#define RECLAIM_CHANCES 32

static void count_tables(struct shadow *sh)
{
	struct counters *c = sh->pg->count;

	c->v[CNT_shadow_pages] = sh->used;
	count_peak(c, shadow_pages_peak, sh->used);
	count_peak(c, shadow_bytes_peak,
		   ((u64)sh->used * SHADOW_TABLE_PAGES + sh->made / SHADOW_CHUNK + 1) * PAGE_SIZE);
}

/*
 * Free a shadow page that nothing points to. Hardware may have it cached until the flush, and another
 * vCPU's may be walking it.
 */
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
	paging_revoke(sh->pg);
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
	count_tables(sh);
}

/* Cut a shadow page off from everything above it, then free it. */
void sp_zap(struct shadow *sh, struct shadow_page *sp)
{
	while (sp->parents)
		entry_clear(sh, entry_page(sh, sp->parents), sp->parents & 511);
	sp_free(sh, sp);
}

/*
 * Free a shadow page that was not used lately; false if all that are left are in use. Pages that
 * were used get a second chance, a bounded number of them at a time.
 */
bool reclaim_one(struct shadow *sh)
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
enum verdict reserve(struct shadow *sh, unsigned int n)
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
struct shadow_page *sp_get(struct shadow *sh, gfn_t gfn, union shadow_role role)
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
bool table_in_doubt(struct shadow *sh, struct gfn_info *info)
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
					shim_clear_bits(entry_spte(sh, parent), PTE_A);
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

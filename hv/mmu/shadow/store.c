// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest stores into a guarded table: emulated, or through a window.
 */
#include "flush.h"
#include "live.h"
#include "store.h"
#include "sync.h"

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

void shadow_pt_write(struct paging_vcpu *pv, gpa_t gpa, unsigned int len, void *table)
{
	struct shadow *sh = shadow_of(pv->pg);
	struct shadow_page *sp = table;

	/* One entry of the only shadow of its table, as store_again() found: all is known of it. */
	if (likely(sp && len == 8 && !(gpa & 7) && sp->role.level == 1)) {
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
 * frame opens when the instruction faults again, and closes at the next guest-caused VM exit that
 * is not its own fault: after one instruction where the monitor trap flag exists, whenever the
 * guest exits next where it does not. In between the shadow may lag behind the guest's tables,
 * which no guest can tell from a TLB: its next flush is an exit and finds the window closed. So it
 * stays open while the host looks in; what the guest costs must not depend on when the host does.
 * An instruction that writes to several tables opens one after the other.
 *
 * The next such exit of any vCPU closes it: another vCPU may know of the store, and flush. It may also
 * use the writable entry; what it stores is found as well.
 */
static void watch_window(struct paging_vcpu *pv)
{
	pv->window = true;
	pv->share_on = false; /* until it closes, each MOV to CR3 must be seen */
	pv->direct = false;   /* the shadow may lag behind */
	pv->rearm = true;
}

static noinline void watch_window_everywhere(struct paging *pg)
{
	struct shadow_vcpu *sv;

	for (sv = shadow_of(pg)->vcpus; sv; sv = sv->next)
		watch_window(sv->pv);
	pg->wait_all(pg);
}

void shadow_open_window(struct paging_vcpu *pv, gfn_t gfn, u64 rip)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	if (sv->nr_windows == SHADOW_WINDOWS || in_window(sv, gfn))
		return;
	sv->window[sv->nr_windows++] = gfn;
	watch_window(pv);
	pv->window_rip = rip;
	pv->step = pv->pg->cfg.single_step;
	count(pv->pg->count, stepped_stores);
	if (unlikely(pv->pg->wait_all))
		watch_window_everywhere(pv->pg);
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
	paging_revoke(sh->pg);
	if (info->tables)
		sync_table(sh, info, is_open(sh, info));
}

static void close_windows(struct shadow_vcpu *sv)
{
	struct paging_vcpu *pv = sv->pv;

	while (sv->nr_windows)
		close_window(shadow_of(pv->pg), sv->window[--sv->nr_windows]);
	pv->window = false;
	pv->share_on = pv->share_gpa;
	pv->step = false;
	choose_direct(pv);
}

void shadow_leave(struct paging_vcpu *pv, const struct paging_fault *fault)
{
	struct shadow_vcpu *sv = vcpu_of(pv);

	if (fault && fault->rip == pv->window_rip && sv->nr_windows)
		return; /* the instruction itself, not done yet: it may read and write */
	close_windows(sv);
	if (likely(!pv->pg->wait_all))
		return;
	for (sv = shadow_of(pv->pg)->vcpus; sv; sv = sv->next)
		close_windows(sv);
}

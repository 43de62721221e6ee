// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open tables: through which entry the guest can write to one, and its mark.
 */
#include "open.h"

const u64 says_unwritten, says_look_closer = PTE_D;

/* Find the one entry through which the guest can write to the table, if it is one. */
void watch_again(struct shadow *sh, struct open_set *set, u32 at)
{
	const u64 *watch = &says_unwritten;
	u32 id;

	/* An entry that went while the table was read has left a mark, and another vCPU's store may be it. */
	if (unlikely(set->table[at].marked) && sh->pg->wait_all)
		return;
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
void watch_also(struct shadow *sh, const struct gfn_info *info, const u64 *spte)
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
 * Take rights from every live entry that maps the frame: PTE_W, or PTE_D to see the next store. On return
 * no other vCPU can use them any more.
 */
bool rmap_clear(struct shadow *sh, struct gfn_info *info, u64 bit)
{
	bool any = false;
	u32 id;

	for (id = info->rmap; id; id = entry_link(sh, id)->next) {
		u64 *spte = entry_spte(sh, id);

		if ((*spte & PTE_W) && (*spte & bit)) {
			spte_clear(sh, spte, bit);
			any = true;
		}
	}
	/* With one vCPU the flush is the caller's to owe. */
	if (unlikely(sh->pg->wait_all) && any)
		paging_revoke(sh->pg);
	return any;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the Intel SDM, volume 3, says about one access with 4-level paging: 4.5 (the walk and its
 * reserved bits), 4.6 (rights), 4.7 (error codes), 4.8 (accessed and dirty flags). Written from
 * the manual alone. It shares no line with the hypervisor's walker, or both could be wrong in the
 * same way.
 */
#include "access.h"

u64 reserved_high(void)
{
	return PTE_ADDR & ~cpu.phys_mask;
}

/* 4.5.4: bits that must be 0 in a present entry. */
static u64 reserved_bits(u64 entry, int level, const struct mode *m)
{
	u64 bits = reserved_high();

	if (!m->nxe)
		bits |= PTE_NX;
	if (level == 4)
		bits |= PTE_LARGE;
	if (level == 3 && !cpu.page1g)
		bits |= PTE_LARGE;
	if (level == 3 && (entry & PTE_LARGE))
		bits |= 0x3fffe000ul; /* 29:13 */
	if (level == 2 && (entry & PTE_LARGE))
		bits |= 0x001fe000ul; /* 20:13 */
	return bits;
}

/* 4.6.1 for supervisor-mode accesses, 4.6.2 is part of the caller's entry bits. */
static bool supervisor_may(enum access_who who, enum access_kind kind, bool user_page, bool w,
			   bool x, const struct mode *m)
{
	if (kind == FETCH)
		return x && !(user_page && m->smep);
	/* An access that the CPU makes by itself never profits from AC. */
	if (user_page && m->smap && (who == IMPLICIT || !m->ac))
		return false;
	return kind == READ || w || !m->wp;
}

static bool user_may(enum access_kind kind, bool user_page, bool w, bool x)
{
	if (!user_page)
		return false;
	return kind == READ || (kind == WRITE && w) || (kind == FETCH && x);
}

void oracle(struct verdict *v, u64 in_root, u64 va, enum access_who who, enum access_kind kind,
	    const struct mode *m)
{
	bool w = true, u = true, x = true;
	u64 *table = (u64 *)in_root;
	u64 e, size;
	int level;

	v->fault = true;
	v->pa = 0;
	v->code = 0;
	if (kind == WRITE)
		v->code |= PF_W;
	if (who == USER)
		v->code |= PF_U;
	if (kind == FETCH && (m->nxe || m->smep))
		v->code |= PF_I;

	for (level = 4;; level--) {
		v->entry[level] = &table[va >> (12 + 9 * (level - 1)) & 511];
		e = get(v->entry[level]);
		v->before[level] = e;
		v->after[level] = e;
		v->last = level;
		if (!(e & PTE_P))
			return;
		if (e & reserved_bits(e, level, m)) {
			v->code |= PF_P | PF_RSVD;
			return;
		}
		w = w && (e & PTE_W);
		u = u && (e & PTE_U);
		x = x && !(e & PTE_NX);
		if (level == 1 || (e & PTE_LARGE))
			break;
		table = (u64 *)(e & PTE_ADDR);
	}
	size = 1ul << (12 + 9 * (level - 1));
	v->pa = (e & PTE_ADDR & ~(size - 1)) | (va & (size - 1));
	if (who == USER ? !user_may(kind, u, w, x) : !supervisor_may(who, kind, u, w, x, m)) {
		v->code |= PF_P;
		return;
	}
	v->fault = false;
	for (int l = 4; l >= level; l--)
		v->after[l] |= PTE_A;
	if (kind == WRITE)
		v->after[level] |= PTE_D;
}

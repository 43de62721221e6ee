// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM's memory: its regions, and the host frames behind them.
 *
 * Guest memory is user space's, pinned frame by frame when the guest (or the hypervisor, for the
 * guest's tables) first needs it, charged to RLIMIT_MEMLOCK, and given back when its region or the
 * VM goes. A frame inside a huge page is pinned with the whole huge page, so that it can be mapped
 * by one large entry.
 */
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "gtt_dev.h"
#include "penumbra.h"

#define CHARGE_PAGES  512ul /* charged at once: charging takes a lock that pinning need not */
#define FRAMES_PER_2M 512ul
#define FRAMES_PER_1G (512ul * 512)

/* Of a slot, for this file only. */
struct region {
	u32 id;
	unsigned long hva;
};

static struct region *region_of(const struct gmem_slot *s)
{
	return s->owner;
}

/* ---- charging ---- */

static int charge(struct vm *vm, unsigned long pages)
{
	unsigned long more = max(pages, CHARGE_PAGES);
	int err;

	if (vm->charged >= pages) {
		vm->charged -= pages;
		return 0;
	}
	err = account_locked_vm(vm->mm, more, true);
	if (err) {
		more = pages;
		err = account_locked_vm(vm->mm, more, true);
	}
	if (err)
		return err;
	vm->charged += more - pages;
	return 0;
}

static void uncharge(struct vm *vm, unsigned long pages)
{
	vm->charged += pages;
}

/* ---- pinning ---- */

static void set_frame(struct vm *vm, struct gmem_slot *s, u64 i, struct page *page)
{
	s->host[i] = page_to_phys(page) | GMEM_PINNED;
	vm->count.v[CNT_pages_pinned]++;
}

/*
 * Pin all of the 2 MiB block around frame @i of a slot, if host memory there is one block too and
 * lies alike. Frames that were pinned before keep their one pin.
 */
static bool pin_2m(struct vm *vm, struct gmem_slot *s, u64 i, struct page **pages)
{
	gfn_t first = (s->base + i) & ~(FRAMES_PER_2M - 1);
	unsigned long hva, pfn, n, had = 0;
	u64 start = first - s->base;
	long got;

	if (first < s->base || start + FRAMES_PER_2M > s->npages)
		return false;
	hva = region_of(s)->hva + (start << PAGE_SHIFT);
	if (hva & (PMD_SIZE - 1))
		return false;
	if (s->host[start] & (GMEM_2M | GMEM_1G))
		return true;
	for (n = 0; n < FRAMES_PER_2M; n++)
		had += !!s->host[start + n];
	if (charge(vm, FRAMES_PER_2M - had))
		return false;
	got = pin_user_pages_fast(hva, FRAMES_PER_2M, FOLL_WRITE | FOLL_LONGTERM, pages);
	if (got != FRAMES_PER_2M)
		goto give_back;
	pfn = page_to_pfn(pages[0]);
	if (pfn & (FRAMES_PER_2M - 1))
		goto give_back;
	for (n = 0; n < FRAMES_PER_2M; n++)
		if (page_to_pfn(pages[n]) != pfn + n ||
		    (s->host[start + n] && s->host[start + n] >> PAGE_SHIFT != pfn + n))
			goto give_back;
	for (n = 0; n < FRAMES_PER_2M; n++) {
		if (s->host[start + n])
			unpin_user_page(pages[n]);
		else
			set_frame(vm, s, start + n, pages[n]);
		s->host[start + n] |= GMEM_2M;
	}
	return true;

give_back:
	if (got > 0)
		unpin_user_pages(pages, got);
	uncharge(vm, FRAMES_PER_2M - had);
	return false;
}

static bool pin_1g(struct vm *vm, struct gmem_slot *s, u64 i, struct page **pages)
{
	gfn_t first = (s->base + i) & ~(FRAMES_PER_1G - 1);
	u64 start = first - s->base, n;

	if (first < s->base || start + FRAMES_PER_1G > s->npages ||
	    ((region_of(s)->hva + (start << PAGE_SHIFT)) & (PUD_SIZE - 1)))
		return false;
	for (n = 0; n < FRAMES_PER_1G; n += FRAMES_PER_2M) {
		if (fatal_signal_pending(current) || !pin_2m(vm, s, start + n, pages) ||
		    (s->host[start + n] & GMEM_HPA) !=
			    (s->host[start] & GMEM_HPA) + (n << PAGE_SHIFT))
			return false;
		cond_resched();
	}
	if ((s->host[start] >> PAGE_SHIFT) & (FRAMES_PER_1G - 1))
		return false;
	for (n = 0; n < FRAMES_PER_1G; n++)
		s->host[start + n] |= GMEM_1G;
	return true;
}

/* The frame just pinned is part of a huge page: have the rest too. Failure costs only speed. */
static void pin_around(struct vm *vm, struct gmem_slot *s, u64 i, struct page *page)
{
	unsigned long frames = compound_nr(compound_head(page));
	struct page **pages;

	if (frames < FRAMES_PER_2M)
		return;
	pages = kmalloc_array(FRAMES_PER_2M, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return;
	if (frames < FRAMES_PER_1G || !pin_1g(vm, s, i, pages))
		pin_2m(vm, s, i, pages);
	kfree(pages);
}

/**
 * memory_pin() - pin a guest frame, and the huge page that it is part of
 * @vm: the VM, locked
 * @gfn: the frame
 *
 * Return: 0 or a negative errno.
 */
int memory_pin(struct vm *vm, gfn_t gfn)
{
	struct gmem_slot *s = gmem_slot(&vm->mem, gfn);
	struct page *page;
	u64 i;
	int n;

	if (!s || s->device)
		return -EFAULT;
	i = gmem_index(s, gfn);
	if (s->host[i])
		return 0;
	n = charge(vm, 1);
	if (n) {
		pr_warn_ratelimited("VM %u: guest memory cannot be pinned: RLIMIT_MEMLOCK is used "
				    "up; raise it with ulimit -l\n",
				    vm->id);
		return n;
	}
	n = pin_user_pages_fast(region_of(s)->hva + (i << PAGE_SHIFT), 1,
				FOLL_WRITE | FOLL_LONGTERM, &page);
	if (n != 1) {
		uncharge(vm, 1);
		if (!fatal_signal_pending(current))
			pr_warn_ratelimited("VM %u: guest frame %llx cannot be pinned: %s\n",
					    vm->id, gfn,
					    n == -ENOMEM ? "the host has no memory left"
							 : "its memory is not mapped writable in "
							   "the VMM");
		return n < 0 ? n : -EFAULT;
	}
	set_frame(vm, s, i, page);
	pin_around(vm, s, i, page);
	return 0;
}

/* Frames that pin_now() asks the kernel for at a time: its look-up costs as much for one. */
#define PIN_AHEAD 16u

/*
 * gmem_ops.pin: the same where sleeping is forbidden, as far as that goes. Frames behind it that are
 * there come along, for a guest that uses one will use the next.
 */
static int pin_now(struct gmem *mem, gfn_t gfn)
{
	struct vm *vm = container_of(mem, struct vm, mem);
	struct gmem_slot *s = gmem_slot(mem, gfn);
	struct page *pages[PIN_AHEAD];
	u64 i = gmem_index(s, gfn);
	unsigned int want = min_t(u64, PIN_AHEAD - i % PIN_AHEAD, s->npages - i), n, k;
	int got;

	want = min_t(u64, want, vm->charged);
	for (n = 1; n < want && !s->host[i + n]; n++)
		;
	if (!want || current->mm != vm->mm)
		return -EAGAIN;
	got = compat_pin_now(region_of(s)->hva + (i << PAGE_SHIFT), n, pages);
	/* Part of a huge page: memory_pin() has all of that. */
	for (k = 0; got > 0 && k < got && !PageCompound(pages[k]); k++)
		set_frame(vm, s, i + k, pages[k]);
	vm->charged -= k;
	if (got > 0 && k < got)
		unpin_user_pages(pages + k, got - k);
	return k ? 0 : -EAGAIN;
}

static const struct gmem_ops gmem_ops = {
	.pin = pin_now,
};

/* Give back all frames of a slot, in runs that are contiguous in host memory. */
static void unpin_slot(struct vm *vm, struct gmem_slot *s)
{
	u64 i = 0, n, total = 0;

	while (i < s->npages) {
		hpa_t hpa = s->host[i] & GMEM_HPA;

		if (!s->host[i]) {
			i++;
			continue;
		}
		for (n = 1; n < FRAMES_PER_2M && i + n < s->npages && s->host[i + n] &&
			    (s->host[i + n] & GMEM_HPA) == hpa + (n << PAGE_SHIFT);
		     n++)
			;
		/* The guest may have written to any of them. */
		unpin_user_page_range_dirty_lock(pfn_to_page(hpa >> PAGE_SHIFT), n, true);
		total += n;
		i += n;
		cond_resched();
	}
	memset(s->host, 0, s->npages * sizeof(*s->host));
	vm->count.v[CNT_pages_pinned] -= total;
	account_locked_vm(vm->mm, total, false);
}

/* ---- regions ---- */

static void free_slot(struct gmem_slot *s)
{
	int level;

	kvfree(s->host);
	for (level = 0; level < 3; level++)
		kvfree(s->info[level]);
	kfree(s->owner);
	memset(s, 0, sizeof(*s));
}

static int alloc_slot(struct gmem_slot *s, const struct kvm_userspace_memory_region *r)
{
	struct region *region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	int level;

	memset(s, 0, sizeof(*s));
	if (!region)
		return -ENOMEM;
	region->id = r->slot;
	region->hva = r->userspace_addr;
	s->owner = region;
	s->base = r->guest_phys_addr >> PAGE_SHIFT;
	s->npages = r->memory_size >> PAGE_SHIFT;
	s->host = kvcalloc(s->npages, sizeof(*s->host), GFP_KERNEL_ACCOUNT);
	if (!s->host)
		goto fail;
	for (level = 1; level <= 3; level++) {
		s->info[level - 1] = kvcalloc(gmem_info_count(s->base, s->npages, level),
					      sizeof(struct gfn_info), GFP_KERNEL_ACCOUNT);
		if (!s->info[level - 1])
			goto fail;
	}
	return 0;
fail:
	free_slot(s);
	return -ENOMEM;
}

static struct gmem_slot *slot_by_id(struct vm *vm, u32 id)
{
	unsigned int i;

	for (i = 0; i < vm->mem.nr_slots; i++)
		if (!vm->mem.slots[i].device && region_of(&vm->mem.slots[i])->id == id)
			return &vm->mem.slots[i];
	return NULL;
}

static void remove_slot(struct vm *vm, struct gmem_slot *s)
{
	struct gmem_slot *last = &vm->mem.slots[vm->mem.nr_slots - 1];

	gtt_dev_memory_changes(vm);
	vm->pg.ops->unmap(&vm->pg, s->base, s->npages);
	unpin_slot(vm, s);
	free_slot(s);
	if (s != last)
		*s = *last;
	memset(last, 0, sizeof(*last));
	vm->mem.nr_slots--;
}

/* KVM's rules for the arguments, Documentation/virt/kvm/api.rst 4.35, and our bounds. */
static int check_region(struct vm *vm, const struct kvm_userspace_memory_region *r)
{
	if (r->slot >= GMEM_SLOTS || r->flags)
		return -EINVAL;
	if ((r->guest_phys_addr | r->memory_size | r->userspace_addr) & ~PAGE_MASK)
		return -EINVAL;
	if (!paging_range_valid(&vm->pg.cfg, r->guest_phys_addr, r->memory_size))
		return -EINVAL;
	if (r->memory_size >> PAGE_SHIFT > GMEM_MAX_PAGES)
		return -EINVAL;
	if (r->memory_size &&
	    !access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	return 0;
}

/* Would the new region lie on another, or make guest memory too large? */
static int check_neighbours(struct vm *vm, const struct kvm_userspace_memory_region *r)
{
	gfn_t base = r->guest_phys_addr >> PAGE_SHIFT;
	u64 npages = r->memory_size >> PAGE_SHIFT, total = npages;
	unsigned int i;

	for (i = 0; i < vm->mem.nr_slots; i++) {
		const struct gmem_slot *s = &vm->mem.slots[i];

		if (!s->device && region_of(s)->id == r->slot)
			continue;
		if (base < s->base + s->npages && s->base < base + npages)
			return -EEXIST;
		total += s->npages;
	}
	return total > GMEM_MAX_PAGES ? -EINVAL : 0;
}

/* With prefault on a region is there as soon as it is set. */
static int pin_all(struct vm *vm, const struct gmem_slot *s)
{
	u64 i;
	int err;

	for (i = 0; i < s->npages; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = memory_pin(vm, s->base + i);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/**
 * memory_set_region() - KVM_SET_USER_MEMORY_REGION
 * @vm: the VM, locked
 * @r: the region; size 0 removes it
 *
 * Return: 0 or KVM's errno.
 */
int memory_set_region(struct vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct gmem_slot *old, fresh;
	int err = check_region(vm, r);

	if (err)
		return err;
	old = slot_by_id(vm, r->slot);
	if (!r->memory_size) {
		if (!old)
			return -EINVAL;
		remove_slot(vm, old);
		return 0;
	}
	if (old) {
		if (old->npages != r->memory_size >> PAGE_SHIFT ||
		    region_of(old)->hva != r->userspace_addr)
			return -EINVAL;
		if (old->base == r->guest_phys_addr >> PAGE_SHIFT)
			return 0;
	}
	if (!old && vm->mem.nr_slots == GMEM_SLOTS)
		return -ENOSPC; /* the GTT device has taken one */
	err = check_neighbours(vm, r);
	if (err)
		return err;
	err = alloc_slot(&fresh, r);
	if (err)
		return err;
	if (old) /* moved: what was known of it, pins included, is forgotten */
		remove_slot(vm, old);
	gtt_dev_memory_changes(vm);
	vm->mem.slots[vm->mem.nr_slots++] = fresh;
	if (vm->vcpu)
		vm->vcpu->pv.unready |= vm->pg.cfg.prefault;
	if (!vm->pg.cfg.prefault)
		return 0;
	err = pin_all(vm, &fresh);
	if (err)
		remove_slot(vm, slot_by_id(vm, r->slot));
	return err;
}

/* ---- the pool of pages for tables ---- */

/**
 * memory_refill() - fill the table pool
 * @vm: the VM, locked
 *
 * Return: 0 or -ENOMEM.
 */
int memory_refill(struct vm *vm)
{
	while (vm->pg.pool.nr < TABLE_POOL_HIGH) {
		u64 *page = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

		if (!page)
			return -ENOMEM;
		pool_put(&vm->pg.pool, page);
	}
	return 0;
}

static void drain_pool(struct vm *vm)
{
	u64 *page;

	while ((page = pool_get(&vm->pg.pool)))
		free_page((unsigned long)page);
}

/* ---- life ---- */

/**
 * memory_init() - a VM without memory yet, its pool filled
 * @vm: the VM
 *
 * Return: 0 or -ENOMEM; memory_free() is due in either case.
 */
int memory_init(struct vm *vm)
{
	vm->mem.ops = &gmem_ops;
	vm->pg.mem = &vm->mem;
	vm->pg.pool.low = TABLE_POOL_LOW;
	return memory_refill(vm);
}

/**
 * memory_drop_regions() - give back all of a VM's memory, while its paging mode is still there
 * @vm: the VM, which nobody can reach any more
 */
void memory_drop_regions(struct vm *vm)
{
	while (vm->mem.nr_slots)
		remove_slot(vm, &vm->mem.slots[vm->mem.nr_slots - 1]);
	account_locked_vm(vm->mm, vm->charged, false);
}

/**
 * memory_free() - give back what memory_init() and the paging mode took
 * @vm: the VM, without regions and without a paging mode
 */
void memory_free(struct vm *vm)
{
	drain_pool(vm);
}

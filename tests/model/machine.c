// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine around the mode: what the vendor code does at VM entry and exit, and what the run
 * loop does with a verdict. Flushes are carried out on the model CPU exactly as INVVPID and INVEPT
 * would, and nothing else makes it forget.
 */
#include "model.h"
#include "mmu/modes.h"
#include "mmu/shadow/shadow.h"

#define CR4_PGE	  BIT_ULL(7)
#define CR4_PCIDE BIT_ULL(17)
#define CR4_SMEP  BIT_ULL(20)
#define EFER_NXE  BIT_ULL(11)
#define NO_FLUSH  BIT_ULL(63)

/* Exits one instruction may need; more means that the mode makes no progress. */
#define TRIES  300
#define PIECES (2 * INSN_PARTS)

struct gmem mem;
struct counters cnt;
struct paging pg;
struct paging_vcpu pv;
bool stopped;
u64 arch_cr3, hw_cr3;
struct tally tally;

static bool in_guest;
static bool host_changed; /* look at every cached translation at the next entry */
static u64 next_rip = 0x400000;
static u64 targets[ROOT_TARGETS]; /* the CR3-target values the CPU holds */
static gpa_t shared_page;	  /* where the base-address buffer was last seen */
static struct counters seen;	  /* SUM counters as of the last audit */

static bool nested(void)
{
	return set.ops->traps & TRAP_NESTED;
}

/**
 * machine_start() - a VM in this mode over the guest memory there is
 */
void machine_start(void)
{
	int err;

	memset(&pg, 0, sizeof(pg));
	memset(&cnt, 0, sizeof(cnt));
	memset(&seen, 0, sizeof(seen));
	pg.ops = set.ops;
	pg.mem = &mem;
	pg.count = &cnt;
	pg.cfg = set.cfg;
	pg.pool.low = TABLE_POOL_LOW;
	host_refill();
	err = pg.ops->vm_init(&pg);
	if (err)
		fail("vm_init: error %d", err);
	pv.pg = &pg;
	pv.unready = true;
	pv.window = pv.step = pv.direct = false;
	pv.flush = 0;
	pv.flush_gen = 0;
	pv.share_gpa = 0;
	pv.share = pv.withdrawn = (struct shared_roots){};
	pv.share_on = false;
	pv.rearm = false;
	memset(targets, 0, sizeof(targets));
	shared_page = 0;
	err = pg.ops->vcpu_init(&pv);
	if (err)
		fail("vcpu_init: error %d", err);
	pool_sync();
	stopped = false;
	in_guest = false;
	cpu_reset();
	hist_reset();
}

/**
 * machine_stop() - the end of the VM; every page must come back
 */
void machine_stop(void)
{
	unsigned int i;

	machine_exit();
	pg.ops->vcpu_free(&pv);
	pg.ops->vm_free(&pg);
	pool_sync();
	if (cnt.v[CNT_shadow_pages])
		fail("after vm_free %llu table pages are missing",
		     (unsigned long long)cnt.v[CNT_shadow_pages]);
	if (pg.state)
		fail("after vm_free the mode's state is still there");
	for (i = 0; i < mem.nr_slots; i++)
		host_check_info_empty(mem.slots[i].base, mem.slots[i].npages);
	ram_check_all();
	host_take_pool();
}

/* ---- entry and exit ---- */

/* An exit that the host caused: the mode hears nothing of it, and a window stays open. */
void machine_exit(void)
{
	if (!in_guest)
		return;
	in_guest = false;
	count(&cnt, exits);
	if (!set.cfg.tagged_tlb)
		cpu_transition();
	if (!nested() && hw_cr3 != pv.hw_cr3) {
		if (!pg.ops->adopt_root(&pv, hw_cr3))
			fail("the mode does not know hw_cr3 %llx, which it let the guest load",
			     (unsigned long long)hw_cr3);
		if (pv.cr3 != arch_cr3 || pv.hw_cr3 != hw_cr3)
			fail("adopt_root took cr3 %llx for %llx", (unsigned long long)pv.cr3,
			     (unsigned long long)arch_cr3);
		pool_sync();
	}
}

static void leave_guest(const struct paging_fault *fault)
{
	if (!in_guest)
		return;
	machine_exit();
	if (pv.window) {
		pg.ops->leave(&pv, fault);
		pool_sync();
	}
}

/* What both MOV to CR3 and the way in must do with a verdict. False: stopped. */
static bool carry_on(enum verdict v, struct paging_result *res)
{
	switch (v) {
	case VERDICT_PIN:
		tally.pins++;
		host_pin_sleep(res->gpa);
		return true;
	case VERDICT_REFILL:
		tally.refills++;
		host_refill();
		return true;
	case VERDICT_STOP:
		stopped = true;
		return false;
	default:
		fail("unexpected verdict %d", v);
	}
}

static void flush_now(void)
{
	if (pv.flush & FLUSH_NESTED)
		cpu_invept();
	if (!set.cfg.tagged_tlb)
		cpu_transition();
	else if (pv.flush & FLUSH_CONTEXT)
		cpu_invvpid_context();
	else if (pv.flush & FLUSH_ADDR)
		cpu_invvpid_addr(pv.flush_gva);
	tally.entries++;
	tally.flush_context += !!(pv.flush & FLUSH_CONTEXT);
	tally.flush_addr += (pv.flush & (FLUSH_CONTEXT | FLUSH_ADDR)) == FLUSH_ADDR;
	pv.flush = 0;
}

/* The vendor code looks again only when it is told to. */
static void load_targets(void)
{
	int i;

	if (!pv.rearm)
		return;
	pv.rearm = false;
	for (i = 0; i < ROOT_TARGETS; i++)
		targets[i] = pv.share_on && pv.share.slot[i].cr3 ? pv.share.slot[i].load : 0;
}

/* Interrupts are off in each call: none may map more than so many frames, however many there are. */
static void check_prefault(unsigned int calls)
{
	u64 frames = 0, i;
	unsigned int s;

	if (!nested() || !set.cfg.prefault || set.cfg.nested_max_level > 1)
		return;
	for (s = 0; s < mem.nr_slots; s++)
		for (i = 0; i < mem.slots[s].npages; i++)
			frames += !!mem.slots[s].host[i];
	if (calls * (u64)NESTED_WARM_LOOKS < frames)
		fail("prefault mapped %llu frames in %u calls", (unsigned long long)frames, calls);
}

static void enter_guest(void)
{
	struct paging_result res;
	unsigned int tries = 0;
	enum verdict v;

	if (in_guest)
		return;
	while (pv.unready) {
		res = (struct paging_result){};
		v = pg.ops->prepare(&pv, &res);
		pool_sync();
		if (v == VERDICT_RETRY) {
			if (pv.unready)
				fail("prepare said ready and left unready set");
			check_prefault(tries + 1);
			break;
		}
		if (++tries > TRIES)
			fail("prepare makes no progress, verdict %d", v);
		if (!carry_on(v, &res)) {
			oracle_stop(res.why, 0, true);
			return;
		}
	}
	pg.ops->enter(&pv);
	flush_now();
	cpu_check_entry(host_changed || percent(5));
	host_changed = false;
	if (!nested()) {
		if (!host_is_table(pv.hw_cr3 & PTE_FRAME) || (pv.hw_cr3 & NO_FLUSH))
			fail("hw_cr3 is %llx", (unsigned long long)pv.hw_cr3);
		/* A root of the base-address buffer is marked: roots.c. */
		if ((pv.hw_cr3 & 0xfff) != cur_pcid() &&
		    (pv.hw_cr3 & 0xfff) != (pv.cr4 & PG_CR4_PCIDE ? cur_pcid() | 0x800 : 0xfe7))
			fail("hw_cr3 %llx does not carry PCID %x", (unsigned long long)pv.hw_cr3,
			     cur_pcid());
		hw_cr3 = pv.hw_cr3;
		load_targets();
	}
	in_guest = true;
}

/* ---- one instruction ---- */

/* One access inside one page. */
struct piece {
	gva_t gva;
	unsigned int access;
	unsigned int len;
	const u8 *data;
	hpa_t hpa;
};

enum next { NEXT_RETRY, NEXT_DONE, NEXT_FAULT };

/* The mode's walk may have set A and D in the entries that the access uses, nothing else. */
static void absorb(const struct ref *before, unsigned int access)
{
	int i, j;

	for (i = 0; i < before->n; i++) {
		u64 allowed = 0;

		for (j = 0; j < before->n; j++) {
			if (before->entry[j] != before->entry[i])
				continue;
			if (j < before->n - 1)
				allowed |= PTE_A;
			else if (before->ok)
				allowed |= access & AC_W ? PTE_A | PTE_D : PTE_A;
		}
		ram_absorb(before->entry[i], allowed, "the mode");
	}
}

static void emulated_store(const struct piece *p, const struct paging_result *to)
{
	ram_write(to->gpa, p->data, p->len);
	host_written(to->gpa);
	pg.ops->pt_write(&pv, to->gpa, p->len, to->table);
	pool_sync();
}

/*
 * A second-level violation that the guest's own tables call for: what hv/exit_mem.c does. Of a violation
 * in the midst of a walk hardware does not say which access it was for, so that is the model's part.
 */
static enum verdict beyond_width(const struct piece *p, const struct hw_result *hw,
				 const struct paging_fault *f, struct paging_result *res)
{
	struct walk_for want = { .gva = f->gva, .cpl = f->cpl, .ac = f->ac };
	enum verdict v;
	struct walk w;

	if (!(hw->gpa >> set.cfg.maxphyaddr))
		fail("VERDICT_REFLECT from a mode that does not see #PF");
	want.code = ref_code(p->access) | (p->access & AC_X ? PF_I : 0);
	v = walk_guest(&pv, &want, &w, res);
	tally.beyond++;
	return v;
}

static enum next handle_fault(const struct piece *p, int n, const struct hw_result *hw, u64 rip)
{
	struct paging_fault f = {
		.gva = p->gva,
		.code = hw->code,
		.cpl = p->access & AC_U ? 3 : 0,
		.ac = p->access & AC_AC,
		.has_gva = true,
		.rip = rip,
	};
	struct paging_result res;
	unsigned int tries = 0;
	struct ref before;
	enum verdict v;

	if (hw->kind == HW_EPT) {
		f.gpa = hw->gpa;
		cpu_ept_violation(p->gva, hw->gpa);
	}
	leave_guest(&f);
again:
	if (++tries > TRIES)
		fail("the fault at gva %llx is never resolved", (unsigned long long)p->gva);
	ref_walk(p->gva, p->access, &before);
	res = (struct paging_result){};
	v = pg.ops->fault(&pv, &f, &res);
	pool_sync();
	if (!nested())
		absorb(&before, p->access);
	switch (v) {
	case VERDICT_RETRY:
		return NEXT_RETRY;
	case VERDICT_PIN:
	case VERDICT_REFILL:
		carry_on(v, &res);
		/* While it slept, the host may have done something. */
		if (set.host_events && percent(3) && !nested()) {
			host_move(chance(RAM_A_PAGES), 1 + chance(8));
			host_changed = true;
		}
		if (percent(20))
			return NEXT_RETRY;
		goto again;
	case VERDICT_REFLECT:
		if (nested()) {
			v = beyond_width(p, hw, &f, &res);
			if (v == VERDICT_RETRY)
				return NEXT_RETRY;
			if (v == VERDICT_PIN) {
				carry_on(v, &res);
				return NEXT_RETRY;
			}
			if (v == VERDICT_STOP) {
				stopped = true;
				oracle_stop(res.why, p->gva, false);
				return NEXT_FAULT;
			}
		}
		oracle_fault(p->gva, p->access, res.code);
		tally.faults++;
		return NEXT_FAULT;
	case VERDICT_EMULATE:
		if (!(p->access & AC_W))
			fail("VERDICT_EMULATE for gva %llx, which is no store",
			     (unsigned long long)p->gva);
		if ((res.gpa ^ p->gva) & 0xfff)
			fail("VERDICT_EMULATE: gpa %llx for gva %llx", (unsigned long long)res.gpa,
			     (unsigned long long)p->gva);
		oracle_success(p->gva, p->access, res.gpa, "VERDICT_EMULATE");
		if (!ram_has(res.gpa >> 12))
			fail("VERDICT_EMULATE outside memory");
		if (res.at != ram(res.gpa))
			fail("VERDICT_EMULATE: gpa %llx is somewhere else in host memory",
			     (unsigned long long)res.gpa);
		if (n == 1 && percent(set.calm ? 97 : 70)) {
			tally.emulated++;
			emulated_store(p, &res);
			return NEXT_DONE;
		}
		tally.windows++;
		trace("  window gfn %llx", (unsigned long long)res.gpa >> 12);
		pg.ops->open_window(&pv, res.gpa >> 12, rip);
		pool_sync();
		return NEXT_RETRY;
	case VERDICT_MMIO:
		tally.outside++;
		if (ram_has(res.gpa >> 12))
			fail("VERDICT_MMIO for gpa %llx, which is memory",
			     (unsigned long long)res.gpa);
		if (!nested())
			oracle_success(p->gva, p->access, res.gpa, "VERDICT_MMIO");
		return NEXT_FAULT;
	case VERDICT_STOP:
		stopped = true;
		oracle_stop(res.why, p->gva, false);
		return NEXT_FAULT;
	}
	fail("unknown verdict %d", v);
}

/*
 * Where there is no monitor trap flag, a window stays open for more than its instruction, and one
 * on a user page that only CR0.WP=0 makes writable is a supervisor page to hardware: SMAP misses
 * it. A known limit of the mode, said in its source, and nothing else may use it as an excuse.
 */
static bool known_limit(const struct piece *p, gpa_t gpa)
{
	u64 cr4 = pv.cr4;
	struct ref r;
	bool ok;

	if (nested() || !pv.window || set.cfg.single_step || (pv.cr0 & PG_CR0_WP) ||
	    (p->access & (AC_U | AC_X)))
		return false;
	pv.cr4 &= ~PG_CR4_SMAP;
	ref_walk(p->gva, p->access, &r);
	ok = (r.ok && r.u && !r.w && r.gpa >> 12 == gpa >> 12) ||
	     oracle_cached(p->gva, p->access, gpa);
	pv.cr4 = cr4;
	return ok;
}

/* The bytes that the hypervisor would decode are those of a page that can be fetched from. */
static void check_code(const struct piece *p)
{
	const u8 *code = pg.ops->code(&pv, p->gva, p->access & AC_U);
	gfn_t gfn;

	if (!code)
		return;
	tally.codes++;
	if (!host_guest_frame(virt_to_phys((void *)(code - (p->gva & 0xfff))), &gfn) ||
	    ram(gfn << 12 | (p->gva & 0xfff)) != code)
		fail("code at gva %llx is in no guest frame", (unsigned long long)p->gva);
	oracle_success(p->gva, p->access, gfn << 12 | (p->gva & 0xfff), "decoding");
}

/* All accesses of the instruction got through at once: are they right? Then its stores happen. */
static void commit(struct piece *p, int n)
{
	gpa_t gpa[PIECES];
	int i;

	for (i = 0; i < n; i++) {
		gfn_t gfn;

		if (!host_guest_frame(p[i].hpa, &gfn))
			fail("gva %llx led to hpa %llx, which is no guest frame",
			     (unsigned long long)p[i].gva, (unsigned long long)p[i].hpa);
		gpa[i] = gfn << 12 | (p[i].gva & 0xfff);
		if (ram(gpa[i]) != (u8 *)phys_to_virt(p[i].hpa))
			fail("gva %llx led to hpa %llx, gfn %llx is not there",
			     (unsigned long long)p[i].gva, (unsigned long long)p[i].hpa,
			     (unsigned long long)gfn);
		if (!known_limit(&p[i], gpa[i]))
			oracle_success(p[i].gva, p[i].access, gpa[i], "the CPU");
		/* Of a root that hardware took without an exit it learns at the next one. */
		if ((p[i].access & AC_X) && !pv.share_gpa)
			check_code(&p[i]);
	}
	for (i = 0; i < n; i++)
		if (p[i].access & AC_W) {
			ram_write(gpa[i], p[i].data, p[i].len);
			host_written(gpa[i]);
		}
}

/*
 * A CPU with more address bits than the guest was told of looks at an entry's rights where the other
 * would say that a bit is reserved. The guest sees that if it tries; KVM's guests do, too.
 */
static bool wider_fault(const struct piece *p, u32 code)
{
	struct ref r;

	if (!nested() || set.phys == set.cfg.maxphyaddr)
		return false;
	ref_walk(p->gva, p->access, &r);
	return !r.outside && r.code == (code | PF_RSVD);
}

/**
 * insn() - the guest executes one instruction
 * @part: its accesses to memory, in order; all get through or none takes effect
 * @n: how many, up to INSN_PARTS
 *
 * Return: true if it was executed, false if it ended in a fault (or outside memory).
 */
bool insn(const struct part *part, int n)
{
	unsigned int stale = (unsigned int[]){ 0, 50, 50, 90, 100 }[chance(5)], tries;
	u64 rip = next_rip += 4;
	struct piece p[PIECES];
	int i, np = 0;

	for (i = 0; i < n; i++) {
		unsigned int in_page = 0x1000 - (part[i].gva & 0xfff);
		unsigned int len = part[i].len < in_page ? part[i].len : in_page;

		p[np++] = (struct piece){ part[i].gva, part[i].access, len, part[i].data, 0 };
		if (len < part[i].len)
			p[np++] = (struct piece){ part[i].gva + len, part[i].access,
						  part[i].len - len, part[i].data + len, 0 };
	}
	for (tries = 0; tries < TRIES; tries++) {
		enum next next = NEXT_DONE;

		enter_guest();
		if (pv.window && percent(20)) {
			machine_exit();
			enter_guest();
		}
		if (stopped)
			return false;
		for (i = 0; i < np; i++) {
			struct hw_result hw = {};

			cpu_access(p[i].gva, p[i].access, stale, &hw);
			if (hw.kind == HW_OK) {
				p[i].hpa = hw.hpa;
				continue;
			}
			if (hw.kind == HW_PF && (nested() || (pv.direct && !(hw.code & PF_P)))) {
				if (!wider_fault(&p[i], hw.code))
					oracle_fault(p[i].gva, p[i].access, hw.code);
				tally.faults++;
				cpu_flush_addr_pcid(p[i].gva, cur_pcid());
				cpu_invlpg(p[i].gva);
				return false;
			}
			next = handle_fault(&p[i], np, &hw, rip);
			break;
		}
		if (i < np && next == NEXT_RETRY)
			continue;
		if (i < np && next == NEXT_FAULT) {
			/* Delivering the fault counts as a step: the trap comes before its handler. */
			if (pv.step && !stopped) {
				enter_guest();
				leave_guest(NULL);
			}
			return false;
		}
		if (i == np)
			commit(p, np);
		/* The single-step trap comes after the instruction. */
		if (in_guest && pv.step)
			leave_guest(NULL);
		return true;
	}
	fail("the instruction with gva %llx makes no progress", (unsigned long long)part[0].gva);
}

bool guest_store(gva_t gva, const void *data, unsigned int len, unsigned int access)
{
	struct part part = { gva, access | AC_W, len, data };

	return insn(&part, 1);
}

/* The CPU walks ahead while the guest runs. */
void guest_speculate(gva_t gva)
{
	enter_guest();
	if (!stopped)
		cpu_speculate(gva);
}

/* ---- instructions that change or flush translations ---- */

static void come_back(void)
{
	pool_sync();
	/* Sometimes the next thing happens before the guest runs again. */
	if (percent(60))
		enter_guest();
}

static void invlpg(gva_t gva)
{
	hist_flush_addr(gva, cur_pcid(), true);
	if (nested()) {
		cpu_invlpg(gva);
		return;
	}
	leave_guest(NULL);
	pg.ops->invlpg(&pv, gva);
	pool_sync();
}

void guest_invlpg(gva_t gva)
{
	enter_guest();
	if (stopped)
		return;
	invlpg(gva);
	if (!nested())
		come_back();
}

/* Two before the next VM entry: the hypervisor may emulate more than one instruction in an exit. */
void guest_invlpg_two(gva_t first, gva_t second)
{
	enter_guest();
	if (stopped)
		return;
	invlpg(first);
	invlpg(second);
	if (!nested())
		come_back();
}

void guest_invpcid(enum invpcid_type type, u16 pcid, gva_t gva)
{
	enter_guest();
	if (stopped)
		return;
	switch (type) {
	case INVPCID_ADDR:
		hist_flush_addr(gva, pcid, false);
		break;
	case INVPCID_CONTEXT:
		hist_flush_pcid(pcid);
		break;
	case INVPCID_ALL_GLOBAL:
		hist_reset();
		break;
	case INVPCID_ALL:
		hist_flush_nonglobal();
		break;
	}
	if (nested()) {
		switch (type) {
		case INVPCID_ADDR:
			cpu_flush_addr_pcid(gva, pcid);
			break;
		case INVPCID_CONTEXT:
			cpu_flush_pcid(pcid);
			break;
		case INVPCID_ALL_GLOBAL:
			cpu_transition();
			break;
		case INVPCID_ALL:
			cpu_flush_nonglobal();
			break;
		}
		return;
	}
	leave_guest(NULL);
	pg.ops->invpcid(&pv, type, pcid, gva);
	come_back();
}

/* A guest that has opted in loads what the buffer has for its value. True: no exit. */
static bool shared_load(u64 *value)
{
	u64 cr3 = *value & ~NO_FLUSH, slot[2];
	gpa_t page = pv.share_gpa;
	int i;

	if (!page || !ram_has(page >> 12))
		return false;
	for (i = 0; i < ROOT_TARGETS; i++) {
		memcpy(slot, ram(page) + 16 * i, sizeof(slot));
		if (slot[0] == cr3 && slot[0])
			break;
	}
	if (i == ROOT_TARGETS)
		return false;
	/* Between reading the buffer and loading the value, anything may happen. */
	if (percent(10)) {
		machine_exit();
		if (percent(50) && set.host_events && ram_has(cr3 >> 12))
			host_move(cr3 >> 12, 1);
		enter_guest();
		if (stopped)
			return false;
	}
	for (i = 0; i < ROOT_TARGETS; i++)
		if (targets[i] && targets[i] == slot[1])
			break;
	if (i == ROOT_TARGETS) {
		/* Not, or no longer, a value that passes: the exit sees it. */
		*value = paging_guest_cr3(&pv, slot[1]);
		if ((*value & ~NO_FLUSH) != cr3)
			*value = cr3; /* the guest wrote the buffer itself: its own loss */
		return false;
	}
	if (pv.share.slot[i].cr3 != cr3) {
		*value = cr3; /* the same */
		return false;
	}
	hw_cr3 = slot[1] & ~NO_FLUSH;
	arch_cr3 = cr3;
	if (!(pv.cr4 & CR4_PCIDE) || !(slot[1] & NO_FLUSH))
		cpu_flush_pcid(cur_pcid());
	tally.shared_loads++;
	return true;
}

/**
 * guest_cr3() - MOV to CR3
 * @value: bit 63 only with CR4.PCIDE
 *
 * A guest that uses the base-address buffer has promised not to count on this for flushing.
 */
void guest_cr3(u64 value)
{
	bool keep = (pv.cr4 & CR4_PCIDE) && (value & NO_FLUSH);
	struct paging_result res = {};
	unsigned int tries = 0;
	enum verdict v;
	u64 old;

	enter_guest();
	if (stopped)
		return;
	if (pv.share_gpa) {
		keep = true;
		if (shared_load(&value)) {
			hist_context();
			return;
		}
		if (stopped)
			return;
	}
	if (nested()) {
		arch_cr3 = pv.cr3 = value & ~NO_FLUSH;
		if (!keep)
			cpu_flush_pcid(cur_pcid());
	} else {
		leave_guest(NULL);
		old = pv.cr3;
		while ((v = pg.ops->load_cr3(&pv, value, &res)) != VERDICT_RETRY) {
			pool_sync();
			if (++tries > TRIES)
				fail("the CR3 load makes no progress, verdict %d", v);
			if (pv.cr3 != old)
				fail("load_cr3 changed cr3 and said verdict %d", v);
			if (!carry_on(v, &res)) {
				machine_set_cr3(value & ~NO_FLUSH);
				oracle_stop(res.why, 0, true);
				return;
			}
		}
		if (pv.cr3 != (value & ~NO_FLUSH))
			fail("after the load of %llx cr3 is %llx", (unsigned long long)value,
			     (unsigned long long)pv.cr3);
		arch_cr3 = pv.cr3;
	}
	hist_context();
	if (!keep)
		hist_flush_pcid(cur_pcid());
	if (!nested())
		come_back();
}

void machine_set_cr3(u64 value)
{
	arch_cr3 = pv.cr3 = value;
}

/* The hypercall by which a guest opts in to the base-address buffer, or out. */
void guest_share(gpa_t gpa)
{
	int err;

	enter_guest();
	if (stopped)
		return;
	leave_guest(NULL);
	trace("base-address buffer at gpa %llx", (unsigned long long)gpa);
	err = pg.ops->share_roots(&pv, gpa);
	if (err && !(nested() && err == -EOPNOTSUPP))
		fail("share_roots: error %d", err);
	pool_sync();
	shared_page = pv.share_gpa;
}

/* The mode writes the buffer into guest memory; nothing else of it. */
void share_sync(void)
{
	u8 now[sizeof(struct shared_roots)];

	if (!shared_page || !ram_has(shared_page >> 12))
		return;
	memcpy(now, ram(shared_page), sizeof(now));
	if (memcmp(now, ram_copy(shared_page), sizeof(now)))
		ram_write(shared_page, now, sizeof(now));
}

/**
 * machine_switch() - the user writes paging_mode
 * @to: the new mode
 */
void machine_switch(const struct paging_ops *to)
{
	struct paging_vcpu *const vcpus[] = { &pv };
	int err;

	machine_exit();
	host_refill();
	trace("mode %s", to->name);
	if (to != set.ops)
		tally.switches++;
	err = paging_switch(&pg, vcpus, 1, to);
	if (err)
		fail("paging_switch: error %d", err);
	if (pg.ops != to || pv.cr3 != arch_cr3)
		fail("the switch to %s lost something", to->name);
	set.ops = to;
	pool_sync();
	shared_page = pv.share_gpa;
}

/*
 * MOV to CR0, CR4, WRMSR to EFER. 4.10.4.1 says what each forgets. It says nothing of EFER.NXE;
 * entries cached under the other value have no defined meaning, so the model forgets them.
 */
void guest_mode(u64 cr0, u64 cr4, u64 efer)
{
	u64 was4 = pv.cr4;
	bool all = ((cr4 ^ was4) & CR4_PGE) || (was4 & ~cr4 & CR4_PCIDE) ||
		   ((efer ^ pv.efer) & EFER_NXE);
	bool one = !all && (cr4 & ~was4 & CR4_SMEP);
	bool exits = !nested() || efer != pv.efer;

	enter_guest();
	if (stopped)
		return;
	if (exits)
		leave_guest(NULL);
	pv.cr0 = cr0;
	pv.cr4 = cr4;
	pv.efer = efer;
	if (all) {
		hist_reset();
	} else {
		hist_context();
		if (one)
			hist_flush_pcid(cur_pcid());
	}
	if (exits)
		pg.ops->set_mode(&pv);
	if (nested()) {
		if (all)
			cpu_transition();
		else if (one)
			cpu_flush_pcid(cur_pcid());
	}
	if (exits)
		come_back();
}

/* The host writes the vCPU's registers, what they are already: whatever was cached is gone. */
void host_set_registers(void)
{
	machine_exit();
	trace("the host writes registers");
	if (pv.window) {
		pg.ops->leave(&pv, NULL);
		pool_sync();
	}
	hist_reset();
	pg.ops->set_mode(&pv);
	pool_sync();
}

/* The host writes guest memory: user space, or an emulated device. */
void host_write(gpa_t gpa, const void *data, unsigned int len)
{
	machine_exit();
	ram_write(gpa, data, len);
	pg.ops->pt_write(&pv, gpa, len, NULL);
	pool_sync();
}

/* ---- checks that look at everything ---- */

static const char *const kinds[] = {
#define KIND(name, unit, kind, sentence) [CNT_##name] = #kind,
	PENUMBRA_COUNTERS(KIND)
#undef KIND
};

/**
 * machine_audit() - the mode's own audit, the counters, guest memory
 */
void machine_audit(void)
{
	char text[256] = "";
	unsigned int i;
	u64 wrong;

	machine_exit();
	if (pv.window) /* a table is behind, as it may be until the guest runs and exits again */
		return;
	tally.audits++;
	wrong = pg.ops->audit(&pv, text, sizeof(text));
	if (wrong)
		fail("audit: %llu wrong entries, the first: %s", (unsigned long long)wrong, text);
	for (i = 0; i < CNT_NR; i++)
		if (kinds[i][0] != 'N' && cnt.v[i] < seen.v[i])
			fail("a counter went down: %llu after %llu (counter %u)",
			     (unsigned long long)cnt.v[i], (unsigned long long)seen.v[i], i);
	seen = cnt;
	if (!nested() && !set.switches && cnt.v[CNT_shadow_pages_peak] > set.cfg.shadow_budget)
		fail("%llu shadow pages were in use, the budget is %u",
		     (unsigned long long)cnt.v[CNT_shadow_pages_peak], set.cfg.shadow_budget);
	ram_check_all();
}

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
struct vcpu vcpus[VCPUS_MAX] = { { .id = 0 }, { .id = 1 }, { .id = 2 }, { .id = 3 } };
struct vcpu *me = vcpus;
bool stopped;
struct tally tally;

static bool host_changed; /* look at every cached translation at the next entry */
static u64 next_rip = 0x400000;
static struct counters seen; /* SUM counters as of the last audit */

static bool nested(void)
{
	return set.ops->traps & TRAP_NESTED;
}

/**
 * run_as() - another vCPU's turn
 * @v: the vCPU
 */
void run_as(struct vcpu *v)
{
	me = v;
	cpu_select();
}

/* As KVM_CREATE_VCPU leaves it; the registers have been set. */
static void vcpu_start(void)
{
	struct paging_vcpu *pv = &me->pv;
	int err;

	pv->pg = &pg;
	pv->unready = true;
	pv->window = pv->step = pv->direct = false;
	pv->flush = 0;
	pv->flush_gen = 0;
	pv->share_gpa = 0;
	pv->share = pv->withdrawn = (struct shared_roots){};
	pv->share_on = false;
	pv->rearm = false;
	memset(me->targets, 0, sizeof(me->targets));
	me->direct = me->step = false;
	me->shared_page = 0;
	me->in_guest = me->left = false;
	err = pg.ops->vcpu_init(pv);
	if (err)
		fail("vcpu_init: error %d", err);
	cpu_reset();
}

static void wait_all(struct paging *p);
static void hardware_races(const volatile void *at);

/**
 * machine_start() - a VM in this mode over the guest memory there is
 */
void machine_start(void)
{
	struct vcpu *v;
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
	if (set.vcpus > 1) {
		pg.wait_all = wait_all;
		shim_race = hardware_races;
	}
	for_each_vcpu(v)
	{
		run_as(v);
		vcpu_start();
	}
	run_as(vcpus);
	pool_sync();
	stopped = false;
	hist_forget();
}

/**
 * machine_stop() - the end of the VM; every page must come back
 */
void machine_stop(void)
{
	struct vcpu *v;
	unsigned int i;

	machine_exit_all();
	for_each_vcpu(v) pg.ops->vcpu_free(&v->pv);
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

/* Hardware leaves the guest. */
static void hw_exit(void)
{
	me->in_guest = false;
	me->left = true;
	me->kicks++; /* what is in the midst of an instruction begins it again */
	count(&cnt, exits);
	if (!set.cfg.tagged_tlb)
		cpu_transition();
}

/* What comes first after that, once the vCPU has the lock. */
static void after_exit(void)
{
	if (!me->left)
		return;
	me->left = false;
	if (!nested() && me->hw_cr3 != me->pv.hw_cr3) {
		if (!pg.ops->adopt_root(&me->pv, me->hw_cr3))
			fail("the mode does not know hw_cr3 %llx, which it let the guest load",
			     (unsigned long long)me->hw_cr3);
		if (me->pv.cr3 != me->arch_cr3 ||
		    (me->pv.hw_cr3 != me->hw_cr3 && !(me->pv.unready && set.vcpus > 1)))
			fail("adopt_root took cr3 %llx for %llx", (unsigned long long)me->pv.cr3,
			     (unsigned long long)me->arch_cr3);
		pool_sync();
	}
}

/* An exit that the host caused: the mode hears nothing of it, and a window stays open. */
void machine_exit(void)
{
	if (me->in_guest)
		hw_exit();
	after_exit();
}

/* What comes first after one that the guest caused. */
static void after_guest_exit(const struct paging_fault *fault)
{
	if (!me->left)
		return;
	after_exit();
	if (me->pv.window) {
		pg.ops->leave(&me->pv, fault);
		pool_sync();
	}
}

static void leave_guest(const struct paging_fault *fault)
{
	if (me->in_guest)
		hw_exit();
	after_guest_exit(fault);
}

/* The host takes the lock: one vCPU has to leave the guest for that, several need not. */
void host_turn(void)
{
	if (set.vcpus == 1)
		machine_exit();
}

/* Every vCPU leaves the guest. */
void machine_exit_all(void)
{
	struct vcpu *was = me, *v;

	for_each_vcpu(v)
	{
		run_as(v);
		machine_exit();
	}
	run_as(was);
}

/* The fault that the mode is at work on, and the guest's tables as they have been meanwhile. */
static struct {
	gva_t gva;
	unsigned int access;
	struct ref ref[8];
	unsigned int nr;
	bool races; /* it is at work: what others do now, the mode may have seen or not */
} work;

/* The mode's walk may have set A and D in the entries that the access uses, nothing else. */
static void absorb(void)
{
	unsigned int k, l;
	int i, j;

	for (k = 0; k < work.nr; k++)
		for (i = 0; i < work.ref[k].n; i++) {
			u64 allowed = 0;

			for (l = 0; l < work.nr; l++)
				for (j = 0; j < work.ref[l].n; j++) {
					const struct ref *r = &work.ref[l];

					if (r->entry[j] != work.ref[k].entry[i])
						continue;
					if (j < r->n - 1)
						allowed |= PTE_A;
					else if (r->ok)
						allowed |=
							work.access & AC_W ? PTE_A | PTE_D : PTE_A;
				}
			ram_absorb(work.ref[k].entry[i], allowed, "the mode");
		}
}

/* Did the access call for this fault at some moment of the mode's work? */
static bool worked_on_fault(u32 code)
{
	unsigned int k;

	for (k = 0; k < work.nr; k++)
		if (!work.ref[k].ok && !work.ref[k].outside && work.ref[k].code == code)
			return true;
	return false;
}

static bool worked_outside(void)
{
	unsigned int k;

	for (k = 0; k < work.nr; k++)
		if (work.ref[k].outside)
			return true;
	return false;
}

static void work_looks(void)
{
	ref_walk(work.gva, work.access, &work.ref[work.nr++]);
}

static void flush_now(void)
{
	if (me->pv.flush & FLUSH_NESTED)
		cpu_invept();
	if (!set.cfg.tagged_tlb)
		cpu_transition();
	else if (me->pv.flush & FLUSH_CONTEXT)
		cpu_invvpid_context();
	else if (me->pv.flush & FLUSH_ADDR)
		cpu_invvpid_addr(me->pv.flush_gva);
	tally.entries++;
	tally.flush_context += !!(me->pv.flush & FLUSH_CONTEXT);
	tally.flush_addr += (me->pv.flush & (FLUSH_CONTEXT | FLUSH_ADDR)) == FLUSH_ADDR;
	me->pv.flush = 0;
}

/* ---- several vCPUs ---- */

/*
 * paging.wait_all: each vCPU that is in the guest is kicked out of it. It may be back at once, without
 * the lock, if flushes are all it owes. What was given back to the pool before this must not be known
 * to any CPU.
 */
static void wait_all(struct paging *p)
{
	struct vcpu *was = me, *v;

	for_each_vcpu(v)
	{
		if (!v->in_guest)
			continue;
		run_as(v);
		cpu_check_pool();
		hw_exit();
		tally.kicks++;
		if (me->pv.settle || me->pv.window || (!nested() && me->hw_cr3 != me->pv.hw_cr3) ||
		    percent(30))
			continue;
		me->left = false;
		p->ops->enter(&me->pv);
		flush_now();
		me->in_guest = true;
	}
	run_as(was);
}

static bool quiet; /* one vCPU at a time */
static bool alone; /* me has tried in vain for long */

void machine_quiet(bool on)
{
	quiet = on;
}

static struct vcpu *any_other(void)
{
	return &vcpus[(me->id + 1 + chance(set.vcpus - 1)) % set.vcpus];
}

/**
 * others_run() - another vCPU runs, for some whole operations
 *
 * It may find me anywhere in an instruction, but not with the lock held.
 */
void others_run(void)
{
	struct vcpu *was = me, *v;
	unsigned int n;

	if (set.vcpus == 1 || stopped || quiet || alone || !percent(8))
		return;
	me->busy = true;
	for (n = 1 + chance(2); n && !stopped; n--) {
		v = any_other();
		if (v->busy)
			continue;
		run_as(v);
		trace("cpu %u, while cpu %u is in an instruction", v->id, was->id);
		ops_step();
		run_as(was);
	}
	was->busy = false;
	trace("cpu %u goes on", was->id);
}

/* Before and after another vCPU's hardware does something while @was is at work. */
static void races_begin(struct vcpu *was)
{
	(void)was;
	if (work.races && !nested())
		absorb();
}

static void races_end(struct vcpu *was)
{
	struct vcpu *now = me;

	if (!work.races)
		return;
	run_as(was);
	work_looks();
	run_as(now);
}

/*
 * Meanwhile the hardware of another vCPU goes on in the guest, and likes to touch what the mode is about
 * to look at, or has just looked at.
 */
static void hardware_races(const volatile void *at)
{
	static const volatile void *last;
	static unsigned int next = 1;
	static bool inside;
	struct vcpu *was = me;
	gpa_t gpa = 0;

	if (inside || quiet)
		return;
	if (--next && !(host_is_table(virt_to_phys(at)) && percent(hot ? 40 : 6))) {
		last = at;
		return;
	}
	next = 1 + chance(percent(30) ? 8 : 400);
	if (percent(80) && !host_leads_to(virt_to_phys(percent(50) ? last : at), &gpa))
		gpa = 0;
	last = at;
	run_as(any_other());
	if (me->in_guest && !stopped && !(work.races && work.nr == ARRAY_SIZE(work.ref))) {
		inside = true;
		races_begin(was);
		ops_hardware(gpa);
		races_end(was);
		inside = false;
	}
	run_as(was);
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

/* The vendor code looks again only when it is told to. */
static void load_targets(void)
{
	int i;

	if (!me->pv.rearm)
		return;
	me->pv.rearm = false;
	me->direct = me->pv.direct;
	me->step = me->pv.step;
	for (i = 0; i < ROOT_TARGETS; i++)
		me->targets[i] =
			me->pv.share_on && me->pv.share.slot[i].cr3 ? me->pv.share.slot[i].load : 0;
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

	if (me->in_guest)
		return;
	after_exit();
	while (me->pv.unready) {
		res = (struct paging_result){};
		v = pg.ops->prepare(&me->pv, &res);
		pool_sync();
		if (v == VERDICT_RETRY) {
			if (me->pv.unready)
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
	pg.ops->enter(&me->pv);
	flush_now();
	cpu_check_entry(host_changed || percent(5));
	host_changed = false;
	if (!nested()) {
		if (!host_is_table(me->pv.hw_cr3 & PTE_FRAME) || (me->pv.hw_cr3 & NO_FLUSH))
			fail("hw_cr3 is %llx", (unsigned long long)me->pv.hw_cr3);
		/* A root of the base-address buffer is marked: roots.c. */
		if ((me->pv.hw_cr3 & 0xfff) != cur_pcid() &&
		    (me->pv.hw_cr3 & 0xfff) !=
			    (me->pv.cr4 & PG_CR4_PCIDE ? cur_pcid() | 0x800 : 0xfe7))
			fail("hw_cr3 %llx does not carry PCID %x",
			     (unsigned long long)me->pv.hw_cr3, cur_pcid());
		me->hw_cr3 = me->pv.hw_cr3;
		load_targets();
	}
	me->in_guest = true;
}

/* Each CPU in the guest: nothing that the mode has taken away is still known to it. */
static void check_running(void)
{
	struct vcpu *was = me, *v;

	if (set.vcpus == 1)
		return;
	for_each_vcpu(v) if (v->in_guest)
	{
		run_as(v);
		cpu_check_entry(percent(5));
	}
	run_as(was);
}

/* The mode has done something. */
void mode_done(void)
{
	pool_sync();
	check_running();
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

static void emulated_store(const struct piece *p, const struct paging_result *to)
{
	ram_write(to->gpa, p->data, p->len);
	host_written(to->gpa);
	shim_others_run(to->at);
	shim_others_run(to->at);
	pg.ops->pt_write(&me->pv, to->gpa, p->len, to->table);
	mode_done();
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
	v = walk_guest(&me->pv, &want, &w, res);
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
	const struct paging_ops *ops = set.ops;
	struct paging_result res;
	unsigned int tries = 0;
	enum verdict v;

	if (hw->kind == HW_EPT) {
		f.gpa = hw->gpa;
		cpu_ept_violation(p->gva, hw->gpa);
	}
	hw_exit();
	others_run();
again:
	if (stopped)
		return NEXT_FAULT;
	if (ops != set.ops) /* its exit means nothing to another mode */
		return NEXT_RETRY;
	after_guest_exit(&f);
	if (++tries > TRIES)
		fail("the fault at gva %llx is never resolved", (unsigned long long)p->gva);
	work.gva = p->gva;
	work.access = p->access;
	work.nr = 0;
	work.races = true;
	work_looks();
	res = (struct paging_result){};
	v = pg.ops->fault(&me->pv, &f, &res);
	work.races = false;
	mode_done();
	if (!nested())
		absorb();
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
		others_run();
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
				if (!worked_outside())
					oracle_stop(res.why, p->gva, false);
				return NEXT_FAULT;
			}
		}
		if (!worked_on_fault(res.code))
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
		pg.ops->open_window(&me->pv, res.gpa >> 12, rip);
		mode_done();
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
		if (!worked_outside())
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
	u64 cr4 = me->pv.cr4;
	struct ref r;
	bool ok;

	if (nested() || !me->pv.window || (set.cfg.single_step && set.vcpus == 1) ||
	    (me->pv.cr0 & PG_CR0_WP) || (p->access & (AC_U | AC_X)))
		return false;
	me->pv.cr4 &= ~PG_CR4_SMAP;
	ref_walk(p->gva, p->access, &r);
	ok = (r.ok && r.u && !r.w && r.gpa >> 12 == gpa >> 12) ||
	     oracle_cached(p->gva, p->access, gpa);
	me->pv.cr4 = cr4;
	return ok;
}

/* The bytes that the hypervisor would decode are those of a page that can be fetched from. */
static void check_code(const struct piece *p)
{
	const u8 *code = pg.ops->code(&me->pv, p->gva, p->access & AC_U);
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
static void finish(struct piece *p, int n, bool locked)
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
		if ((p[i].access & AC_X) && !me->pv.share_gpa && locked)
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
		u64 kicks;

		/* Each of their exits may close its windows: no instruction succeeds for ever so. */
		alone = tries > TRIES / 3;
		others_run();
		enter_guest();
		if (me->pv.window && percent(20)) {
			machine_exit();
			enter_guest();
		}
		if (stopped)
			return false;
		kicks = me->kicks;
		for (i = 0; i < np; i++) {
			struct hw_result hw = {};

			others_run();
			if (me->kicks != kicks) {
				next = NEXT_RETRY;
				break;
			}
			cpu_access(p[i].gva, p[i].access, stale, &hw);
			if (hw.kind == HW_OK) {
				p[i].hpa = hw.hpa;
				continue;
			}
			if (hw.kind == HW_PF && (nested() || (me->direct && !(hw.code & PF_P)))) {
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
		if (i == np)
			others_run();
		if (stopped)
			return false;
		if (next == NEXT_RETRY || (i == np && me->kicks != kicks))
			continue;
		if (i < np && next == NEXT_FAULT) {
			/* Delivering the fault counts as a step: the trap comes before its handler. */
			if (me->pv.step && !stopped) {
				enter_guest();
				leave_guest(NULL);
			}
			return false;
		}
		if (i == np)
			finish(p, np, true);
		/* The single-step trap comes after the instruction. */
		if (me->in_guest && me->step)
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
	mode_done();
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
	pg.ops->invlpg(&me->pv, gva);
	mode_done();
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
	pg.ops->invpcid(&me->pv, type, pcid, gva);
	come_back();
}

/* A guest that has opted in loads what the buffer has for its value. True: no exit. */
static bool shared_load(u64 *value)
{
	u64 cr3 = *value & ~NO_FLUSH, slot[2];
	gpa_t page = me->pv.share_gpa;
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
		if (me->targets[i] && me->targets[i] == slot[1])
			break;
	if (i == ROOT_TARGETS) {
		/* Not, or no longer, a value that passes: the exit sees it. */
		*value = paging_guest_cr3(&me->pv, slot[1]);
		if ((*value & ~NO_FLUSH) != cr3)
			*value = cr3; /* the guest wrote the buffer itself: its own loss */
		return false;
	}
	if (me->pv.share.slot[i].cr3 != cr3) {
		*value = cr3; /* the same */
		return false;
	}
	me->hw_cr3 = slot[1] & ~NO_FLUSH;
	me->arch_cr3 = cr3;
	if (!(me->pv.cr4 & CR4_PCIDE) || !(slot[1] & NO_FLUSH))
		cpu_flush_pcid(cur_pcid());
	tally.shared_loads++;
	return true;
}

static void loaded(u64 cr3, bool keep)
{
	me->arch_cr3 = cr3;
	hist_context();
	if (!keep)
		hist_flush_pcid(cur_pcid());
}

/**
 * guest_cr3() - MOV to CR3
 * @value: bit 63 only with CR4.PCIDE
 *
 * A guest that uses the base-address buffer has promised not to count on this for flushing.
 */
void guest_cr3(u64 value)
{
	bool keep = (me->pv.cr4 & CR4_PCIDE) && (value & NO_FLUSH);
	struct paging_result res = {};
	unsigned int tries = 0;
	enum verdict v;
	u64 old;

	enter_guest();
	if (stopped)
		return;
	if (me->pv.share_gpa) {
		keep = true;
		if (shared_load(&value)) {
			hist_context();
			return;
		}
		if (stopped)
			return;
	}
	if (nested()) {
		me->pv.cr3 = value & ~NO_FLUSH;
		loaded(me->pv.cr3, keep);
		if (!keep)
			cpu_flush_pcid(cur_pcid());
	} else {
		leave_guest(NULL);
		old = me->pv.cr3;
		/* Flushed is what was cached until now: what others store meanwhile may come after. */
		loaded(value & ~NO_FLUSH, keep);
		while ((v = pg.ops->load_cr3(&me->pv, value, &res)) != VERDICT_RETRY) {
			pool_sync();
			if (++tries > TRIES)
				fail("the CR3 load makes no progress, verdict %d", v);
			if (me->pv.cr3 != old)
				fail("load_cr3 changed cr3 and said verdict %d", v);
			if (!carry_on(v, &res)) {
				machine_set_cr3(value & ~NO_FLUSH);
				oracle_stop(res.why, 0, true);
				return;
			}
		}
		if (me->pv.cr3 != (value & ~NO_FLUSH))
			fail("after the load of %llx cr3 is %llx", (unsigned long long)value,
			     (unsigned long long)me->pv.cr3);
		come_back();
	}
}

void machine_set_cr3(u64 value)
{
	me->arch_cr3 = me->pv.cr3 = value;
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
	err = pg.ops->share_roots(&me->pv, gpa);
	if (err && !(nested() && err == -EOPNOTSUPP))
		fail("share_roots: error %d", err);
	pool_sync();
	me->shared_page = me->pv.share_gpa;
}

/* The mode writes the buffer into guest memory; nothing else of it. */
void share_sync(void)
{
	u8 now[sizeof(struct shared_roots)];
	struct vcpu *v;

	for_each_vcpu(v)
	{
		gpa_t page = v->shared_page;

		if (!page || !ram_has(page >> 12))
			continue;
		memcpy(now, ram(page), sizeof(now));
		if (memcmp(now, ram_copy(page), sizeof(now)))
			ram_write(page, now, sizeof(now));
	}
}

/**
 * machine_switch() - the user writes paging_mode
 * @to: the new mode
 */
void machine_switch(const struct paging_ops *to)
{
	struct paging_vcpu *const all[] = { &vcpus[0].pv, &vcpus[1].pv, &vcpus[2].pv,
					    &vcpus[3].pv };
	struct vcpu *v;
	int err;

	machine_exit_all();
	host_refill();
	trace("mode %s", to->name);
	if (to != set.ops)
		tally.switches++;
	err = paging_switch(&pg, all, set.vcpus, to);
	if (err)
		fail("paging_switch: error %d", err);
	set.ops = to;
	pool_sync();
	for_each_vcpu(v)
	{
		if (pg.ops != to || v->pv.cr3 != v->arch_cr3)
			fail("the switch to %s lost something", to->name);
		v->direct = v->pv.direct;
		v->step = v->pv.step;
		v->shared_page = v->pv.share_gpa;
	}
}

/*
 * MOV to CR0, CR4, WRMSR to EFER. 4.10.4.1 says what each forgets. It says nothing of EFER.NXE;
 * entries cached under the other value have no defined meaning, so the model forgets them.
 */
void guest_mode(u64 cr0, u64 cr4, u64 efer)
{
	u64 was4 = me->pv.cr4;
	bool all = ((cr4 ^ was4) & CR4_PGE) || (was4 & ~cr4 & CR4_PCIDE) ||
		   ((efer ^ me->pv.efer) & EFER_NXE);
	bool one = !all && (cr4 & ~was4 & CR4_SMEP);
	bool exits = !nested() || efer != me->pv.efer;

	enter_guest();
	if (stopped)
		return;
	if (exits)
		leave_guest(NULL);
	me->pv.cr0 = cr0;
	me->pv.cr4 = cr4;
	me->pv.efer = efer;
	if (all) {
		hist_reset();
	} else {
		hist_context();
		if (one)
			hist_flush_pcid(cur_pcid());
	}
	if (exits)
		pg.ops->set_mode(&me->pv);
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
	paging_end_window(&me->pv);
	pool_sync();
	hist_reset();
	pg.ops->set_mode(&me->pv);
	pool_sync();
}

/* The host writes guest memory: user space, or an emulated device. */
void host_write(gpa_t gpa, const void *data, unsigned int len)
{
	host_turn();
	ram_write(gpa, data, len);
	pg.ops->pt_write(&me->pv, gpa, len, NULL);
	mode_done();
}

/**
 * hardware_access() - one access that needs no hypervisor, or comes to nothing
 * @gva: address
 * @access: AC_*
 * @data: eight bytes, for a store
 */
void hardware_access(gva_t gva, unsigned int access, const u8 *data)
{
	struct piece p = { gva, access, 8 - (gva & 7), data, 0 };
	struct hw_result hw = {};

	if (me->busy || percent(20)) {
		cpu_speculate(gva);
		return;
	}
	cpu_access(gva, access, percent(50) ? 100 : 0, &hw);
	if (hw.kind == HW_OK) {
		p.hpa = hw.hpa;
		finish(&p, 1, false);
		tally.races++;
	} else if (hw.kind == HW_PF && (nested() || (me->direct && !(hw.code & PF_P))) &&
		   !wider_fault(&p, hw.code)) {
		oracle_fault(gva, access, hw.code);
	}
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

	machine_exit_all();
	paging_end_window(&me->pv);
	pool_sync();
	tally.audits++;
	wrong = pg.ops->audit(&me->pv, text, sizeof(text));
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model test: one simulated machine around the very files that the module is built from.
 *
 *  host.c    host-physical memory, guest frames scattered in it, pins, the table pool
 *  cpu.c     the CPUs: hardware walks, a TLB and paging-structure caches each, which forget
 *            nothing unless an instruction or a flush says so
 *  oracle.c  what the architecture allows the guest to see, from code of its own
 *  machine.c the part of the vendor code: exits, verdicts, flushes, windows
 *  ops.c     one random guest or host operation at a time
 *
 * The point is the CPU that forgets nothing: emulators flush at every VM transition and so can
 * never show a missing flush; silicon with VPID can.
 */
#ifndef PENUMBRA_MODEL_H
#define PENUMBRA_MODEL_H

#include <stdio.h>
#include "mmu/paging.h"
#include "lib/counters.h"

/* ---- chance: a generator, or a fuzzer's bytes ---- */

void chance_seed(u64 seed);
void chance_bytes(const u8 *data, size_t size); /* operations from bytes, the rest from a seed */
bool chance_over(void);				/* the bytes are used up */
u64 chance64(void);
u32 chance(u32 n); /* 0 .. n-1: for the CPU and the host */
u32 choose(u32 n); /* 0 .. n-1: for operations, from the fuzzer's bytes where there are any */
static inline bool percent(u32 p)
{
	return chance(100) < p;
}

/* ---- failing: says what, shows the last operations, ends the run ---- */

void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What has happened, to see that a run covers what it should. */
#define TALLIES(T)       \
	T(fresh)         \
	T(stale)         \
	T(faults)        \
	T(emulated)      \
	T(codes)         \
	T(windows)       \
	T(outside)       \
	T(beyond)        \
	T(restarts)      \
	T(pins)          \
	T(refills)       \
	T(moves)         \
	T(slots)         \
	T(switches)      \
	T(entries)       \
	T(flush_context) \
	T(flush_addr)    \
	T(audits)        \
	T(shared_loads)  \
	T(dirty)         \
	T(clean)         \
	T(kicks)         \
	T(races)
#define TALLY_FIELD(name) u64 name;
struct tally {
	TALLIES(TALLY_FIELD)
};
extern struct tally tally;

/* ---- settings of a run ---- */

struct settings {
	const struct paging_ops *ops;
	struct paging_config cfg;
	u8 phys;  /* address bits of the CPU that the model is; cfg.maxphyaddr: of the guest's */
	bool npt; /* nested tables are AMD's */
	bool big; /* a slot of 1 GiB, on one host block */
	bool verbose;
	bool host_events; /* unmap, slots that come and go, reclaim */
	bool calm;	  /* few upheavals: what is cached grows old */
	bool switches;	  /* to other modes and back */
	bool shares;	  /* the guest uses the base-address buffer */
	bool device;	  /* slot D is a device's: dirty flags tell what the guest wrote */
	u32 vcpus;
	u32 audit_every;
	u64 seed, steps;
};

const struct paging_ops *run_mode(const struct paging_ops *ops); /* as this CPU has it */

extern struct settings set;
extern struct gmem mem;
extern struct counters cnt;
extern struct paging pg;
extern u64 step;

#define VCPUS_MAX 4

/* A vCPU, on a CPU of its own. */
struct vcpu {
	unsigned int id;
	struct paging_vcpu pv;
	u64 arch_cr3; /* what the guest has loaded, whoever knows of it */
	u64 hw_cr3;   /* what the CPU walks from, where the guest's tables are shadowed */
	bool in_guest;
	bool left; /* the guest, and what an exit does first is still to be done */
	u64 kicks; /* exits so far */
	bool busy; /* in the midst of an instruction, while others run */
	/* What the vendor code has told hardware; it looks again only when it is told to. */
	u64 targets[ROOT_TARGETS]; /* CR3-target values */
	bool direct, step;
	gpa_t shared_page; /* where the base-address buffer was last seen */
};

extern struct vcpu vcpus[VCPUS_MAX];
extern struct vcpu *me; /* whose turn it is */
#define for_each_vcpu(v) for ((v) = vcpus; (v) < vcpus + set.vcpus; (v)++)
void run_as(struct vcpu *v);

/* ---- host.c ---- */

#define ARENA_SMALL (64ULL << 20)
#define ARENA_BIG   (1ULL << 30) /* the host's 1 GiB block starts here */
#define ARENA_BYTES (2ULL << 30)

/* Guest memory. Slot D can go away and come back. */
#define RAM_A_BASE  0x0ULL
#define RAM_A_PAGES 160
#define RAM_B_BASE  0x200ULL
#define RAM_B_PAGES (3 * 512)
#define RAM_D_BASE  0x1003ULL
#define RAM_D_PAGES 40
#define RAM_C_BASE  0x40000ULL
#define RAM_C_PAGES (1ULL << 18)
#define RAM_TOP	    0x80000ULL
/* Where a CPU of more than 48 address bits could have memory, and four levels of tables cannot. */
#define RAM_FAR_BASE  ((1ULL << 36) + 0x1005)
#define RAM_FAR_PAGES 16

enum page_use { PAGE_FREE, PAGE_GUEST, PAGE_POOL, PAGE_TABLE };

struct page {
	u8 use;
	u32 gen; /* grows whenever the page leaves the mode's hands */
	gfn_t gfn;
};

void host_init(void);  /* once */
void host_start(void); /* a machine: slots, frames */
void host_stop(void);
struct page *host_page(hpa_t hpa); /* NULL in the 1 GiB block */
bool host_is_table(hpa_t hpa);
void host_look_at_pool(void);
bool host_in_pool(hpa_t hpa); /* as of host_look_at_pool() */
bool host_guarded(hpa_t hpa); /* a frame that the guest must not write to unseen */
bool host_guest_frame(hpa_t hpa, gfn_t *gfn);
/* Of a word in guest memory its gpa; of an entry of the mode's tables a word in the page it maps. */
bool host_leads_to(hpa_t hpa, gpa_t *gpa);
bool ram_has(gfn_t gfn);
u8 *ram(gpa_t gpa);	 /* where the bytes are now; NULL outside memory */
u8 *ram_copy(gpa_t gpa); /* what we know they should be */
int host_pin_sleep(gpa_t gpa);
int host_refill(void);
void host_reclaim(unsigned int n);
void host_take_pool(void);
void pool_sync(void); /* look at the pool: new owners, zero pages */
void host_move(gfn_t gfn, u64 n);
void host_drop_slot(void);
void host_add_slot(void);
bool host_slot_there(void);
void host_add_far_slot(void);
void host_drop_far_slot(void);
void host_written(gpa_t gpa);
void host_take_dirty(gfn_t gfn);
void host_check_info_empty(gfn_t base, u64 n);
void ram_write(gpa_t gpa, const void *buf, unsigned int len);
u64 ram_read64(gpa_t gpa);
void ram_absorb(gpa_t gpa, u64 allowed, const char *who);
void ram_check_all(void);

/* ---- oracle.c ---- */

#define AC_W  1u
#define AC_X  2u
#define AC_U  4u /* CPL 3 */
#define AC_AC 8u

struct ref {
	bool ok;	/* translation exists and the access is allowed */
	bool present;	/* translation exists */
	bool outside;	/* a table lies outside memory */
	u32 code;	/* when !ok and !outside */
	gpa_t gpa;	/* of the byte */
	int level;	/* of the leaf */
	int n;		/* entries read */
	gpa_t entry[5]; /* their addresses, root first */
	u64 val[5];
	bool w, u, x, g;
};

void ref_walk(gva_t gva, unsigned int access, struct ref *r);
bool ref_allowed(bool w, bool u, bool x, unsigned int access);
u32 ref_code(unsigned int access);
void hist_reset(void);	/* everything that this vCPU has cached is gone */
void hist_forget(void); /* every vCPU has just done that, and nothing was written meanwhile */
void hist_word(gpa_t gpa, u64 old, u64 new);
void hist_amend(gpa_t gpa, u64 new);
void hist_context(void); /* cr3 has changed */
void hist_flush_pcid(u16 pcid);
void hist_flush_nonglobal(void);
void hist_flush_addr(gva_t gva, u16 pcid, bool global);
bool hist_full(void);
void hist_tell(gva_t gva); /* what is known of an address, to stderr */
/* Could the CPU still hold a translation of gva to gpa's page that lets the access through? */
bool oracle_cached(gva_t gva, unsigned int access, gpa_t gpa);
/* Could something cached make the access fault with this code? */
bool oracle_cached_faults(gva_t gva, unsigned int access, u32 code);
void oracle_success(gva_t gva, unsigned int access, gpa_t gpa, const char *what);
void oracle_fault(gva_t gva, unsigned int access, u32 code);
void oracle_stop(const char *why, gva_t gva, bool root_only);

static inline u16 cur_pcid(void)
{
	return me->pv.cr4 & BIT_ULL(17) ? me->arch_cr3 & 0xfff : 0;
}

/* ---- cpu.c ---- */

enum hw_kind { HW_OK, HW_PF, HW_EPT };

struct hw_result {
	enum hw_kind kind;
	hpa_t hpa;
	u32 code;
	gpa_t gpa;
};

void cpu_select(void); /* it is another vCPU's turn: me */
void cpu_reset(void);
void cpu_access(gva_t gva, unsigned int access, unsigned int stale, struct hw_result *r);
void cpu_speculate(gva_t gva);
void cpu_transition(void); /* VM entry or exit without VPID */
void cpu_invvpid_addr(gva_t gva);
void cpu_invvpid_context(void);
void cpu_invept(void);
void cpu_invlpg(gva_t gva);
void cpu_flush_pcid(u16 pcid);
void cpu_flush_nonglobal(void);
void cpu_flush_addr_pcid(gva_t gva, u16 pcid);
void cpu_ept_violation(gva_t gva, gpa_t gpa);
void cpu_check_entry(bool thorough);
void cpu_check_pool(void);
bool cpu_random_cached(gva_t *gva);
const char *cpu_route(void);

/* ---- machine.c ---- */

/* As many places as one instruction can use: SHADOW_WORST_PAGES says which. */
#define INSN_PARTS 6

struct part {
	gva_t gva;
	unsigned int access;
	unsigned int len;
	const u8 *data; /* for writes */
};

void machine_start(void);
void machine_stop(void);
void others_run(void);	 /* between two steps of me, who holds no lock */
void machine_exit(void); /* leave the guest for some reason of the host's */
void host_set_registers(void);
void machine_exit_all(void);
void machine_quiet(bool on); /* no vCPU runs beside another */
void mode_done(void);	     /* a call of the mode has returned */
void host_turn(void);	     /* the host does something to the VM */
void hardware_access(gva_t gva, unsigned int access, const u8 *data);
void machine_audit(void);
void guest_speculate(gva_t gva);
bool insn(const struct part *part, int n); /* true: it went through */
bool guest_store(gva_t gva, const void *data, unsigned int len, unsigned int access);
void guest_invlpg(gva_t gva);
void guest_invlpg_two(gva_t first, gva_t second);
void guest_invpcid(enum invpcid_type type, u16 pcid, gva_t gva);
void guest_cr3(u64 value);
void guest_share(gpa_t gpa);
void machine_switch(const struct paging_ops *to);
void machine_set_cr3(u64 value); /* before machine_start() */
void share_sync(void);
void guest_mode(u64 cr0, u64 cr4, u64 efer);
void host_write(gpa_t gpa, const void *data, unsigned int len);
extern bool stopped; /* VERDICT_STOP, agreed */

/* ---- ops.c ---- */

void ops_start(void); /* first tables of the guest */
void ops_heal(void);  /* the guest's way to its own tables */
void ops_step(void);
/* An access by the guest, as far as hardware alone can do it; to @gpa, or through the entry there. 0: any. */
void ops_hardware(gpa_t gpa);
extern gva_t hot; /* what others' hardware likes to write to just now; 0: nothing */

#endif

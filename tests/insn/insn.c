// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store decoder against the real CPU.
 *
 * An instruction is made up, with registers that aim its memory operand at a scratch page. It runs
 * once on this machine's CPU, single-stepped, and once through emulate_store() on a guest whose
 * memory and registers are the same; afterwards memory, registers, RIP and flags must agree. Loads
 * go through emulate_decode_mmio() and emulate_finish_read(). Whatever is refused must have changed
 * nothing, and bytes that end too early must be refused.
 *
 * The effective address is computed here a second time, from the encoding as it is built.
 */
#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "lib/insn.h"
#include "mmu/emulate.h"
#include "mmu/walk.h"

#if !defined(__x86_64__)
#error "this test runs instructions of the x86-64 CPU"
#endif

/* Low addresses, so that absolute, RIP-relative and 32-bit forms reach them. */
#define SCRATCH 0x10000000UL
#define CODE	0x12000000UL
#define PAGES	2 /* of each; what follows them is not mapped */

/* The guest: tables from gpa 0, then its scratch and code pages. */
#define G_ROOT	  0
#define G_SCRATCH 8
#define G_CODE	  12
#define G_FRAMES  16

u8 *shim_arena;

static u64 state = 1;

static u64 rnd64(void)
{
	u64 z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static u32 rnd(u32 n)
{
	return (rnd64() >> 32) * n >> 32;
}

/* ---- the real CPU ---- */

/* Our register order is the encoding's; the kernel has its own. */
static const int gregs[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
			       REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
			       REG_R12, REG_R13, REG_R14, REG_R15 };

#define FLAG_TF 0x100ULL
#define FLAGS	0xcd5ULL /* CF PF AF ZF SF DF OF: what an instruction here can change or read */

static struct emu_regs *run_regs;
static volatile int phase;
static volatile int signal_seen;
static gregset_t home;

static void handler(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	int i;

	(void)info;
	if (phase == 0) {
		memcpy(home, g, sizeof(home));
		for (i = 0; i < 16; i++)
			g[gregs[i]] = run_regs->gpr[i];
		g[REG_RIP] = run_regs->rip;
		g[REG_EFL] = (g[REG_EFL] & ~FLAGS) | (run_regs->rflags & FLAGS) | FLAG_TF;
		phase = 1;
		return;
	}
	signal_seen = sig;
	for (i = 0; i < 16; i++)
		run_regs->gpr[i] = g[gregs[i]];
	run_regs->rip = g[REG_RIP];
	run_regs->rflags = (run_regs->rflags & ~FLAGS) | (g[REG_EFL] & FLAGS);
	memcpy(g, home, sizeof(home));
	phase = 2;
}

/* Run the instruction at regs->rip; returns the signal that ended it: SIGTRAP is right. */
static int run_native(struct emu_regs *regs)
{
	run_regs = regs;
	phase = 0;
	__asm__ volatile("int3" ::: "memory");
	return signal_seen;
}

static void native_init(void)
{
	static u8 stack[1 << 16];
	const stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int signals[] = { SIGTRAP, SIGSEGV, SIGILL, SIGBUS, SIGFPE };
	unsigned int i;

	sigfillset(&act.sa_mask);
	if (sigaltstack(&alt, NULL))
		perror("sigaltstack");
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], &act, NULL))
			perror("sigaction");
}

static void *map_at(unsigned long addr, unsigned long bytes)
{
	void *p = mmap((void *)addr, bytes, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)addr) {
		printf("Bail out! no memory at %#lx\n", addr);
		exit(1);
	}
	return p;
}

/* ---- the guest ---- */

static struct gmem mem;
static struct counters counts;
static struct paging pg;
static struct paging_vcpu pv;
static unsigned int writes;
static gpa_t write_gpa;
static unsigned int write_len;

static int pin(struct gmem *m, gfn_t gfn)
{
	(void)m;
	(void)gfn;
	return -ENOMEM; /* everything is pinned already */
}

static void pt_write(struct paging_vcpu *v, gpa_t gpa, unsigned int len, void *table)
{
	(void)v;
	(void)table;
	writes++;
	write_gpa = gpa;
	write_len = len;
}

static const struct gmem_ops mem_ops = { .pin = pin };
/* Not each time, so that what is known from hardware's tables and what is not are both tried. */
static const u8 *code(struct paging_vcpu *v, gva_t rip, bool user)
{
	static unsigned int calls;
	struct walk_for f = { .gva = rip, .no_rights = true };
	struct paging_result res;
	struct walk w;

	(void)user;
	if (calls++ % 3 == 0 || walk_guest(v, &f, &w, &res) != VERDICT_RETRY)
		return NULL;
	return (const u8 *)phys_to_virt(w.gfn << 12) + (rip & ~PAGE_MASK);
}

static const struct paging_ops ops = { .name = "test", .code = code, .pt_write = pt_write };

static u8 *guest(gpa_t gpa)
{
	return shim_arena + gpa;
}

static void guest_map(unsigned long gva, gfn_t gfn)
{
	static gfn_t next = G_ROOT + 1;
	gfn_t table = G_ROOT;
	int level;

	for (level = 4; level > 1; level--) {
		u64 *e = (u64 *)guest(table << 12) + ((gva >> (3 + 9 * level)) & 511);

		if (!*e)
			*e = next++ << 12 | PTE_P | PTE_W | PTE_U | PTE_A;
		table = *e >> 12;
	}
	((u64 *)guest(table << 12))[(gva >> 12) & 511] = gfn << 12 | PTE_P | PTE_W | PTE_U;
}

static void guest_init(void)
{
	static u64 host[G_FRAMES];
	unsigned int i;

	shim_arena = aligned_alloc(PAGE_SIZE, G_FRAMES * PAGE_SIZE);
	memset(shim_arena, 0, G_FRAMES * PAGE_SIZE);
	for (i = 0; i < G_FRAMES; i++)
		host[i] = (u64)i << 12 | GMEM_PINNED;
	mem.ops = &mem_ops;
	mem.nr_slots = 1;
	mem.slots[0].npages = G_FRAMES;
	mem.slots[0].host = host;
	pg.ops = &ops;
	pg.mem = &mem;
	pg.count = &counts;
	pg.cfg.maxphyaddr = 40;
	pv.pg = &pg;
	pv.cr0 = 0x80010011;
	pv.cr3 = G_ROOT << 12;
	pv.cr4 = 0x20;
	pv.efer = 0xd00;
	for (i = 0; i < PAGES; i++) {
		guest_map(SCRATCH + i * PAGE_SIZE, G_SCRATCH + i);
		guest_map(CODE + i * PAGE_SIZE, G_CODE + i);
	}
}

/* ---- making instructions ---- */

enum kind { KIND_MODRM, KIND_MOFFS, KIND_STRING };

struct made {
	u8 bytes[INSN_MAX + 8];
	unsigned int len;
	unsigned int two_byte, opcode;
	u8 modrm, rex;
	u8 operand;    /* bytes */
	bool plain;    /* nothing about it is unusual: must not be left to a window */
	bool listed;   /* its opcode is of must_know[] */
	bool uses_rax; /* to aim */
	u64 ea;
};

static void put(struct made *m, u64 value, unsigned int n)
{
	while (n--) {
		m->bytes[m->len++] = value;
		value >>= 8;
	}
}

static bool is_byte_op(unsigned int two, unsigned int op)
{
	if (two)
		return op == 0xb0 || op == 0xc0;
	if (op < 0x40)
		return !(op & 1);
	switch (op) {
	case 0x80:
	case 0x86:
	case 0x88:
	case 0x8a:
	case 0xa2:
	case 0xaa:
	case 0xc6:
	case 0xf6:
	case 0xfe:
		return true;
	}
	return false;
}

/* Bytes of immediate after the operand. */
static unsigned int imm_bytes(unsigned int two, unsigned int op, unsigned int operand)
{
	if (two)
		return op == 0xba || op == 0xa4 || op == 0xac;
	if (op == 0x80 || op == 0x83 || op == 0xc6 || op == 0x6b || op == 0xc0 || op == 0xc1)
		return 1;
	if (op == 0x81 || op == 0xc7 || op == 0x69)
		return operand < 4 ? operand : 4;
	return 0;
}

static bool may_lock(unsigned int two, unsigned int op)
{
	if (two)
		return op == 0xb0 || op == 0xb1 || op == 0xba || op == 0xc0 || op == 0xc1;
	return op < 0x34 || op == 0x80 || op == 0x81 || op == 0x83 || op == 0x86 || op == 0x87 ||
	       op >= 0xf6;
}

/* The opcodes that must be known, with the group's /digit or 8 for any register. */
static const struct {
	u16 op; /* 0x100: after 0F */
	u8 digit;
} must_know[] = {
	{ 0x00, 8 },
	{ 0x01, 8 },
	{ 0x08, 8 },
	{ 0x09, 8 },
	{ 0x10, 8 },
	{ 0x11, 8 },
	{ 0x18, 8 },
	{ 0x19, 8 },
	{ 0x20, 8 },
	{ 0x21, 8 },
	{ 0x28, 8 },
	{ 0x29, 8 },
	{ 0x30, 8 },
	{ 0x31, 8 },
	{ 0x80, 0 },
	{ 0x80, 1 },
	{ 0x80, 4 },
	{ 0x80, 5 },
	{ 0x80, 6 },
	{ 0x81, 0 },
	{ 0x81, 1 },
	{ 0x81, 4 },
	{ 0x81, 5 },
	{ 0x81, 6 },
	{ 0x83, 0 },
	{ 0x83, 1 },
	{ 0x83, 4 },
	{ 0x83, 5 },
	{ 0x83, 6 },
	{ 0x86, 8 },
	{ 0x87, 8 },
	{ 0x88, 8 },
	{ 0x89, 8 },
	{ 0xa2, 8 },
	{ 0xa3, 8 },
	{ 0xaa, 8 },
	{ 0xab, 8 },
	{ 0xc6, 0 },
	{ 0xc7, 0 },
	{ 0xf6, 2 },
	{ 0xf6, 3 },
	{ 0xf7, 2 },
	{ 0xf7, 3 },
	{ 0xfe, 0 },
	{ 0xfe, 1 },
	{ 0xff, 0 },
	{ 0xff, 1 },
	{ 0x1b0, 8 },
	{ 0x1b1, 8 },
	{ 0x1ba, 5 },
	{ 0x1ba, 6 },
	{ 0x1ba, 7 },
	{ 0x1c0, 8 },
	{ 0x1c1, 8 },
	{ 0x1c3, 8 },
	/* loads, for device memory */
	{ 0x8a, 8 },
	{ 0x8b, 8 },
	{ 0x63, 8 },
	{ 0x1b6, 8 },
	{ 0x1b7, 8 },
	{ 0x1be, 8 },
	{ 0x1bf, 8 },
};
static bool known[ARRAY_SIZE(must_know)];

/*
 * Build one instruction at @rip whose operand is at @target, and aim @regs. False: this encoding
 * cannot be aimed there.
 */
static bool make(struct made *m, struct emu_regs *regs, u64 target, u64 fs_base)
{
	static const u8 legacy[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26,
				     0x2e, 0x36, 0x3e, 0x64, 0x65 };
	unsigned int pick = rnd(100), digit = 8, n, imm;
	bool opsize = false, addrsize = false, lock = false, rep = false;
	bool common = rnd(8) == 0; /* what most stores to page tables are: 64-bit MOV */
	u64 seg = 0, ea = 0;
	int base = -1, index = -1;

	*m = (struct made){};
	if (common) {
		pick = 0;
		m->opcode = rnd(2) ? 0x89 : 0xc7;
		digit = m->opcode == 0xc7 ? 0 : 8;
	} else if (pick < 85) {
		unsigned int i = rnd(ARRAY_SIZE(must_know));

		m->two_byte = must_know[i].op >> 8;
		m->opcode = must_know[i].op & 0xff;
		digit = must_know[i].digit;
	} else {
		m->two_byte = rnd(3) == 0;
		m->opcode = rnd(256);
		/* Not these: they go elsewhere, wait, or are prefixes. */
		if (!m->two_byte && (m->opcode == 0x0f || (m->opcode >= 0x40 && m->opcode < 0x50) ||
				     m->opcode == 0xf4))
			return false;
	}
	for (n = common ? 0 : rnd(3) ? rnd(2) : rnd(4); n; n--) {
		u8 p = legacy[rnd(ARRAY_SIZE(legacy))];

		put(m, p, 1);
		opsize |= p == 0x66;
		addrsize |= p == 0x67;
		lock |= p == 0xf0;
		rep |= p == 0xf2 || p == 0xf3;
		if (p == 0x64)
			seg = fs_base;
		if (p == 0x65)
			seg = 0;
	}
	if (common || rnd(2)) {
		m->rex = 0x40 | rnd(16) | (common ? 8 : 0);
		put(m, m->rex, 1);
	}
	m->operand = is_byte_op(m->two_byte, m->opcode) ? 1 : m->rex & 8 ? 8 : opsize ? 2 : 4;
	m->listed = pick < 85;
	m->plain = m->listed && !rep && (!lock || may_lock(m->two_byte, m->opcode)) &&
		   (target & 7) + m->operand <= 8;
	if (m->two_byte) {
		put(m, 0x0f, 1);
		m->plain &= m->opcode != 0xc3 || !opsize; /* MOVNTI */
	} else if (m->opcode == 0xaa || m->opcode == 0xab) {
		m->plain &= !addrsize;
	}
	put(m, m->opcode, 1);

	if (!m->two_byte && m->opcode >= 0xa0 && m->opcode <= 0xa3) {
		put(m, target - seg, addrsize ? 4 : 8);
		m->ea = target;
		return !addrsize || target - seg <= ~0u;
	}
	if (!m->two_byte && (m->opcode == 0xaa || m->opcode == 0xab)) {
		regs->gpr[7] = target;
		m->ea = target;
		return true;
	}

	/* ModRM, SIB, displacement. */
	m->modrm = rnd(3) << 6 | (digit < 8 ? digit : rnd(8)) << 3 | rnd(8);
	put(m, m->modrm, 1);
	imm = imm_bytes(m->two_byte, m->opcode, m->operand);
	{
		unsigned int mod = m->modrm >> 6, rm = m->modrm & 7, disp = 0, scale = 0;
		bool rip_relative = false;
		s64 d;

		if (rm == 4) {
			u8 sib = rnd(256);

			put(m, sib, 1);
			scale = sib >> 6;
			index = (sib >> 3 & 7) | (m->rex & 2) << 2;
			if (index == 4)
				index = -1;
			base = (sib & 7) | (m->rex & 1) << 3;
			if ((sib & 7) == 5 && mod == 0) {
				base = -1;
				disp = 4;
			}
		} else if (rm == 5 && mod == 0) {
			rip_relative = true;
			disp = 4;
		} else {
			base = rm | (m->rex & 1) << 3;
		}
		if (mod == 1)
			disp = 1;
		else if (mod == 2)
			disp = 4;
		d = disp == 1 ? (s64)(signed char)rnd64() : disp == 4 ? (s64)(s32)rnd64() : 0;
		if (index >= 0)
			ea += regs->gpr[index] << scale;
		if (base >= 0 && base != index) {
			regs->gpr[base] = target - seg - ea - d;
			ea += regs->gpr[base];
		} else if (base >= 0) {
			/* base + base * scale: only a displacement can aim it */
			ea += regs->gpr[base];
			d = target - seg - ea;
		} else {
			u64 end = rip_relative ? regs->rip + m->len + 4 + imm : 0;

			d = target - seg - ea - end;
			ea += end;
		}
		if (disp == 4 ? d != (s32)d : disp == 1 ? d != (signed char)d : d != 0) {
			/* Small registers bring it in reach; else give up. */
			if (base >= 0 && base == index && !rnd(2)) {
				regs->gpr[base] = (target - seg) / ((1u << scale) + 1);
				d = target - seg - regs->gpr[base] * ((1u << scale) + 1);
				ea = regs->gpr[base] * ((1u << scale) + 1);
			} else if (base < 0 && index >= 0) {
				regs->gpr[index] = (target - seg) >> scale;
				ea = regs->gpr[index] << scale;
				d = target - seg - ea;
			}
			if (disp == 4 ? d != (s32)d : disp == 1 ? d != (signed char)d : d != 0)
				return false;
		}
		put(m, d, disp);
		ea += d;
		if (addrsize) {
			ea = (u32)ea;
			/* What 32 bits do not hold must not matter. */
			if (base >= 0 && base != index)
				regs->gpr[base] ^= (u64)rnd(~0u) << 32;
		}
		ea += seg;
	}
	m->ea = ea;
	m->uses_rax = !base || !index;
	put(m, rnd64(), imm);
	/* An operand in the address too: XCHG and the like may change what aims. That is fine. */
	return m->len <= INSN_MAX && ea == target;
}

/* ---- comparing ---- */

static unsigned int failures;
static unsigned long done, refused, loads, short_ways, races;

static void show(const struct made *m, const char *what)
{
	unsigned int i;

	if (failures++ > 10)
		return;
	printf("# %s:", what);
	for (i = 0; i < m->len; i++)
		printf(" %02x", m->bytes[i]);
	printf(" (operand at %#llx)\n", (unsigned long long)m->ea);
}

static void show_regs(const struct emu_regs *cpu, const struct emu_regs *emu)
{
	int i;

	if (failures > 10)
		return;
	for (i = 0; i < 16; i++)
		if (cpu->gpr[i] != emu->gpr[i])
			printf("#   register %d: CPU %#llx, emulated %#llx\n", i,
			       (unsigned long long)cpu->gpr[i], (unsigned long long)emu->gpr[i]);
	printf("#   rip %#llx %#llx, flags %#llx %#llx\n", (unsigned long long)cpu->rip,
	       (unsigned long long)emu->rip, (unsigned long long)cpu->rflags,
	       (unsigned long long)emu->rflags);
}

/* Flags that the SDM leaves undefined. */
static u64 undefined_flags(const struct made *m)
{
	unsigned int digit = m->modrm >> 3 & 7, op = m->opcode;

	if (m->two_byte)
		return op == 0xba ? 0x894 : 0; /* OF SF AF PF */
	if ((op >= 0x08 && op <= 0x09) || (op >= 0x20 && op <= 0x21) || (op >= 0x30 && op <= 0x31))
		return 0x10; /* AF */
	if ((op == 0x80 || op == 0x81 || op == 0x83) && (digit == 1 || digit == 4 || digit == 6))
		return 0x10;
	return 0;
}

static bool same_regs(const struct made *m, const struct emu_regs *a, const struct emu_regs *b)
{
	return !memcmp(a->gpr, b->gpr, sizeof(a->gpr)) && a->rip == b->rip &&
	       !((a->rflags ^ b->rflags) & FLAGS & ~undefined_flags(m));
}

static void note_known(const struct made *m)
{
	unsigned int i, op = m->two_byte << 8 | m->opcode;

	for (i = 0; i < ARRAY_SIZE(must_know); i++)
		if (must_know[i].op == op &&
		    (must_know[i].digit == 8 || must_know[i].digit == (m->modrm >> 3 & 7)))
			known[i] = true;
}

/* Put the instruction where both sides fetch it, at the end of mapped memory or inside. */
static void place(const struct made *m, u64 rip)
{
	memset((void *)CODE, 0xcc, PAGES * PAGE_SIZE);
	memcpy((void *)rip, m->bytes, m->len);
	memcpy(guest(G_CODE << 12), (void *)CODE, PAGES * PAGE_SIZE);
}

static void fill_scratch(void)
{
	u64 *s = (u64 *)SCRATCH;
	unsigned int i;

	/* Only a window around the operand matters; a page's end is one of its places. */
	for (i = 0; i < PAGES * 512; i += 1)
		s[i] = 0x0123456789abcdefULL * (i + 1) ^ state;
	memcpy(guest(G_SCRATCH << 12), s, PAGES * PAGE_SIZE);
}

/* Another vCPU stores to the word that an instruction changes, just before it does. */
static u64 *raced_word, raced_value;
static unsigned int raced_in, raced_armed; /* looks at it until then; 0: never */

static void other_stores(const volatile void *at)
{
	if (at != raced_word || !raced_in || --raced_in)
		return;
	*raced_word = raced_value;
	races++;
}

/* As the hypervisor does it: the short way where it is open, the long one otherwise. */
static enum emu_result emulate(const struct made *m, struct emu_regs *regs, u64 target,
			       const struct paging_result *to)
{
	bool can = regs->long_mode && !(regs->rflags & FLAG_TF);
	struct paging_fault f = { .gva = target ^ 8, .rip = regs->rip, .cpl = regs->cpl };
	u8 kept[8], *code_at = guest((G_CODE << 12) + regs->rip - CODE);
	bool other = rnd(4) == 0;
	struct emu_regs first = *regs;
	unsigned int n = 0;

	if (can && rnd(2) && regs->rip + m->len <= CODE + PAGES * PAGE_SIZE) {
		/* The short way opens to what was carried out before; these bytes, or others. */
		memcpy(kept, to->at, sizeof(kept));
		code_at[m->len - 1] ^= other;
		emulate_store(&pv, &first, target, to);
		code_at[m->len - 1] ^= other;
		memcpy(to->at, kept, sizeof(kept));
		writes = 0;
		if (emulate_plain_store(&pv, regs->gpr, &f, to))
			show(m, "the short way was taken to another address");
	}
	f.gva = target;
	raced_in = raced_armed;
	if (can)
		n = emulate_plain_store(&pv, regs->gpr, &f, to);
	if (!n)
		return emulate_store(&pv, regs, target, to);
	short_ways++;
	regs->rip += n;
	return EMU_DONE;
}

/* While RSP is not, some virtual machines raise #GP for whatever faults. */
static u64 canonical(u64 rsp)
{
	return (u64)((s64)(rsp << 16) >> 16);
}

static void one(u64 fs_base)
{
	struct emu_regs start = { .long_mode = true, .cpl = 3, .fs_base = fs_base }, cpu, emu;
	u64 target = SCRATCH + (rnd(4) ? rnd(512) * 8 : rnd(2) ? rnd(4096) : 4096 - rnd(9));
	struct emu_access access;
	struct paging_result to;
	unsigned long races_before;
	unsigned int i, tail;
	struct made m;
	bool unknown;
	gpa_t gpa;
	int sig;

	for (i = 0; i < 16; i++)
		start.gpr[i] = rnd(2) ? rnd64() : rnd(2) ? rnd(256) : (u64)(s64)(s32)rnd64();
	start.gpr[4] = canonical(start.gpr[4]);
	start.rflags = 0x202 | (rnd64() & FLAGS);
	start.rip = CODE + rnd(4) * 512 + rnd(64);
	if (!make(&m, &start, target, fs_base) || start.gpr[4] != canonical(start.gpr[4]))
		return;
	if (rnd(8) == 0 && (m.modrm >> 6 || (m.modrm & 7) != 5)) {
		/* The last bytes before memory that is not there. RIP-relative forms stay put. */
		start.rip = CODE + PAGES * PAGE_SIZE - m.len;
	}
	/* Equal operands make CMPXCHG succeed. */
	fill_scratch();
	if (m.two_byte && (m.opcode | 1) == 0xb1 && !m.uses_rax && rnd(2))
		memcpy(&start.gpr[0], (void *)(target & ~7UL), 8);
	place(&m, start.rip);
	gpa = target - SCRATCH + (G_SCRATCH << 12);

	to = (struct paging_result){ .gpa = gpa, .at = guest(gpa) };
	cpu = emu = start;
	writes = 0;
	raced_word = (u64 *)guest(gpa & ~7ULL);
	raced_value = rnd64();
	raced_armed = rnd(3);
	races_before = races;
	unknown = emulate(&m, &emu, target, &to) == EMU_UNKNOWN;
	raced_in = raced_armed = 0;
	if (races != races_before) /* the CPU's turn comes after that store too */
		memcpy((void *)(target & ~7UL), &raced_value, sizeof(raced_value));
	if (unknown) {
		refused++;
		if (memcmp(&emu, &start, sizeof(emu)) || writes ||
		    memcmp(guest(G_SCRATCH << 12), (void *)SCRATCH, PAGES * PAGE_SIZE))
			show(&m, "refused, and something has changed");
		if (emulate_decode_mmio(&pv, &start, &access) && !access.write) {
			u64 value = 0;

			memcpy(&value, (void *)target, access.size);
			emulate_finish_read(&emu, &access, value);
			sig = run_native(&cpu);
			if (sig != SIGTRAP) {
				if (m.listed)
					show(&m, "load: the CPU refuses it");
				return;
			}
			loads++;
			m.plain = false;
			note_known(&m);
			if (!same_regs(&m, &cpu, &emu)) {
				show(&m, "load: CPU and emulation differ");
				show_regs(&cpu, &emu);
			}
		}
		if (m.plain)
			show(&m, "a plain instruction was refused");
		return;
	}
	done++;
	note_known(&m);
	if ((target & 7) + m.operand > 8)
		show(&m, "emulated, though it crosses its 8-byte word");
	sig = run_native(&cpu);
	if (sig != SIGTRAP) {
		show(&m, "emulated, but the CPU refuses it");
		return;
	}
	if (!same_regs(&m, &cpu, &emu)) {
		show(&m, "store: CPU and emulation differ in registers");
		show_regs(&cpu, &emu);
	}
	if (memcmp(guest(G_SCRATCH << 12), (void *)SCRATCH, PAGES * PAGE_SIZE))
		show(&m, "store: CPU and emulation differ in memory");
	if (writes != 1 || write_gpa != gpa || write_len != m.operand)
		show(&m, "store: pt_write was not told exactly what was written");
	/* What the device would see of a plain store. */
	if (emulate_decode_mmio(&pv, &start, &access)) {
		u64 value = 0;

		memcpy(&value, (void *)target, access.size);
		if (!access.write || access.size != m.operand || access.value != value ||
		    access.length != m.len)
			show(&m, "store to a device: decoded wrongly");
	}
	/* Cut off: every shorter prefix of it must be refused. */
	if (rnd(4))
		return;
	tail = rnd(m.len);
	start.rip = CODE + PAGES * PAGE_SIZE - tail;
	memcpy(guest((G_CODE << 12) + PAGES * PAGE_SIZE - tail), m.bytes, tail);
	emu = start;
	writes = 0;
	if (emulate(&m, &emu, target, &to) != EMU_UNKNOWN || writes)
		show(&m, "cut off, and not refused");
	/* Single-stepped by its own debugger, or not 64-bit code: not for us. */
	place(&m, CODE);
	emu = start;
	emu.rip = CODE;
	emu.rflags |= FLAG_TF;
	if (emulate(&m, &emu, target, &to) != EMU_UNKNOWN)
		show(&m, "emulated under the trap flag");
	emu.rflags &= ~FLAG_TF;
	emu.long_mode = false;
	if (emulate(&m, &emu, target, &to) != EMU_UNKNOWN)
		show(&m, "emulated outside 64-bit mode");
}

/* Garbage: the decoder must not read past its bytes, or claim a length it did not have. */
static void garbage(void)
{
	unsigned int len = rnd(INSN_MAX + 1), i;
	u64 gpr[16];
	struct insn_regs regs = { .gpr = gpr, .rip = rnd64() };
	u64 rflags = rnd64(), old = rnd64();
	struct insn insn;
	u8 *bytes = malloc(len ? len : 1);

	for (i = 0; i < 16; i++)
		gpr[i] = rnd64();
	for (i = 0; i < len; i++)
		bytes[i] = rnd64();
	if (len && rnd(2))
		bytes[0] = rnd(2) ? 0x0f : 0x66;
	if (insn_decode(bytes, len, &regs, &insn)) {
		if (!insn.length || insn.length > len || insn.op == INSN_UNKNOWN ||
		    (insn.size != 1 && insn.size != 2 && insn.size != 4 && insn.size != 8) ||
		    insn.reg > 15 || (insn.high_byte && insn.reg > 3)) {
			failures++;
			printf("# garbage was decoded to nonsense\n");
		} else if (insn.op != INSN_LOAD) {
			if (insn.size < 8)
				old &= (1ULL << (8 * insn.size)) - 1;
			old = insn_execute(&insn, old, gpr, &rflags);
			if (insn.size < 8 && old >> (8 * insn.size)) {
				failures++;
				printf("# a result is wider than its operand (op %d)\n", insn.op);
			}
		}
	}
	free(bytes);
}

int main(int argc, char **argv)
{
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 0) : 300000, i;
	unsigned long fs_base = 0;
	unsigned int missing = 0;

	if (!runs || argc > 2) {
		fprintf(stderr, "usage: insn [RUNS]\n"
				"Compares the store decoder with this CPU on RUNS random "
				"instructions; TAP on stdout.\n");
		return 2;
	}
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_base);
	map_at(SCRATCH, PAGES * PAGE_SIZE);
	map_at(CODE, PAGES * PAGE_SIZE);
	guest_init();
	native_init();
	shim_race = other_stores;
	printf("1..3\n");
	for (i = 0; i < runs; i++)
		one(fs_base);
	failures += !short_ways || !races;
	printf("%sok 1 - %lu stores (%lu the short way) and %lu loads as the CPU does them, "
	       "%lu left to a window, %lu raced\n",
	       failures ? "not " : "", done, short_ways, loads, refused - loads, races);
	for (i = 0; i < ARRAY_SIZE(must_know); i++)
		if (!known[i]) {
			missing++;
			printf("# opcode %s%02x /%u was never emulated\n",
			       must_know[i].op >> 8 ? "0f " : "", must_know[i].op & 0xff,
			       must_know[i].digit);
		}
	printf("%sok 2 - all %zu opcodes that must be known are\n", missing ? "not " : "",
	       ARRAY_SIZE(must_know));
	missing += failures;
	failures = 0;
	for (i = 0; i < 4 * runs; i++)
		garbage();
	printf("%sok 3 - %lu strings of garbage\n", failures ? "not " : "", 4 * runs);
	return missing || failures;
}

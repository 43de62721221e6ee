// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores to live tables by every width and by instructions that few decoders know; stores that
 * cross into, out of or between tables; and tables that hold the code, the stack or the descriptors
 * of those who change them. A hypervisor that traps such stores has to end up where the CPU would.
 *
 * Each instruction is user code, so that it can be run by ring 3 and, through the identity map, by
 * ring 0. It comes with a model in C; both get four entries to work on.
 */
#include "access.h"
#include "kernel/internal.h"

#define AD	(PTE_A | PTE_D)
#define ENTRIES 4
#define FLAGS	(PAGE_FLAGS | AD)

/* Where the entries of the table under test map to, and where the table itself can be written. */
#define TARGET	    VA(0, 1, 2, 8)
#define FIRST_INDEX 8
#define ALIAS	    VA(0, 7, 0, 0)

/*
 * RDI = first entry, RSI = a whole new entry. All but RBX, RBP, RSP and R12-R15 may be used. A
 * naked function has nothing but its text.
 */
#define INSN(name, text, model)                                       \
	static user_code __attribute__((naked)) void run_##name(void) \
	{                                                             \
		asm(text "\n\tret");                                  \
	}                                                             \
	static void model_##name(u64 *e, u64 v)                       \
	{                                                             \
		(void)e, (void)v;                                     \
		model;                                                \
	}

#define LOW(e, mask, value) ((e) = ((e) & ~(u64)(mask)) | ((u64)(value) & (u64)(mask)))

/* Plain moves of every width. */
INSN(mov8_imm, "movb $0x65, (%rdi)", LOW(e[0], 0xff, 0x65))
INSN(mov8, "mov %sil, (%rdi)", LOW(e[0], 0xff, v))
INSN(mov8_ah, "mov %rsi, %rax\n\tmov %ah, 1(%rdi)", LOW(e[0], 0xff00, v))
INSN(mov16_imm, "movw $0x0025, (%rdi)", LOW(e[0], 0xffff, 0x25))
INSN(mov16, "mov %si, (%rdi)", LOW(e[0], 0xffff, v))
INSN(mov32_imm, "movl $0, 8(%rdi)", LOW(e[1], 0xffffffff, 0))
INSN(mov32, "mov %esi, 16(%rdi)", LOW(e[2], 0xffffffff, v))
INSN(mov32_high, "movl $0x80000000, 4(%rdi)", LOW(e[0], 0xffffffffull << 32, 1ull << 63))
INSN(mov64_imm, "movq $0, (%rdi)", e[0] = 0)
INSN(mov64, "mov %rsi, (%rdi)", e[0] = v)
INSN(mov64_r15, "push %r15\n\tmov %rsi, %r15\n\tmov %r15, (%rdi)\n\tpop %r15", e[0] = v)
INSN(mov64_sib, "mov $2, %ecx\n\tmov %rsi, 8(%rdi,%rcx,8)", e[3] = v)
INSN(mov64_disp32, "lea -0x1000(%rdi), %rax\n\tmov %rsi, 0x1008(%rax)", e[1] = v)
INSN(movnti, "movnti %rsi, (%rdi)", e[0] = v)
INSN(movnti32, "movnti %esi, (%rdi)", LOW(e[0], 0xffffffff, v))
INSN(mov_sreg, "mov %ds, %eax\n\tmovb $0, 6(%rdi)\n\tmovb $0, 7(%rdi)",
     LOW(e[0], 0xffffull << 48, 0))

/* Strings. */
INSN(stosb, "mov %esi, %eax\n\tstosb", LOW(e[0], 0xff, v))
INSN(stosw, "mov %esi, %eax\n\tstosw", LOW(e[0], 0xffff, v))
INSN(stosl, "mov %esi, %eax\n\tstosl", LOW(e[0], 0xffffffff, v))
INSN(stosq, "mov %rsi, %rax\n\tstosq", e[0] = v)
INSN(rep_stosq, "mov %rsi, %rax\n\tmov $4, %ecx\n\trep stosq", e[0] = e[1] = e[2] = e[3] = v)
INSN(rep_stosl, "xor %eax, %eax\n\tmov $6, %ecx\n\trep stosl", e[0] = e[1] = e[2] = 0)
INSN(rep_stosb, "xor %eax, %eax\n\tmov $17, %ecx\n\trep stosb", e[0] = e[1] = 0; LOW(e[2], 0xff, 0))
INSN(rep_stosq_down, "add $24, %rdi\n\tmov %rsi, %rax\n\tmov $3, %ecx\n\tstd\n\trep stosq\n\tcld",
     e[1] = e[2] = e[3] = v)
INSN(rep_stosq_none, "mov %rsi, %rax\n\txor %ecx, %ecx\n\trep stosq", )
INSN(movsq, "mov %rdi, %rsi\n\tadd $16, %rdi\n\tmovsq", e[2] = e[0])
INSN(rep_movsq, "mov %rdi, %rsi\n\tadd $16, %rdi\n\tmov $2, %ecx\n\trep movsq", e[2] = e[0];
     e[3] = e[1])
INSN(rep_movsb, "mov %rdi, %rsi\n\tadd $8, %rdi\n\tmov $8, %ecx\n\trep movsb", e[1] = e[0])
INSN(rep_movsl_stack, "push %rsi\n\tmov %rsp, %rsi\n\tmov $2, %ecx\n\trep movsl\n\tpop %rsi",
     e[0] = v)

/* Arithmetic in memory. */
INSN(and8, "andb $0xfd, (%rdi)", e[0] &= ~PTE_W)
INSN(and32, "andl $0xffffff9f, (%rdi)", e[0] &= ~AD)
INSN(and64, "mov $~2, %rax\n\tand %rax, (%rdi)", e[0] &= ~PTE_W)
INSN(and64_imm8, "andq $-5, (%rdi)", e[0] &= ~PTE_U)
INSN(or8, "orb $0x80, 7(%rdi)", e[0] |= PTE_NX)
INSN(or64_imm, "orq $0x200, (%rdi)", e[0] |= PTE_COW)
INSN(or16, "orw $0x400, (%rdi)", e[0] |= 0x400)
INSN(xor8, "xorb $2, (%rdi)", e[0] ^= PTE_W)
INSN(xor64, "mov $0x3002, %eax\n\txor %rax, (%rdi)", e[0] ^= 0x3002)
INSN(add64, "addq $0x1000, (%rdi)", e[0] += 0x1000)
INSN(add8, "addb $0x10, 1(%rdi)", e[0] += 0x1000)
INSN(adc32, "stc\n\tmov $0xfff, %eax\n\tadcl %eax, (%rdi)", e[0] += 0x1000)
INSN(sub64, "addq $0x3000, (%rdi)\n\tsubq $0x1000, (%rdi)", e[0] += 0x2000)
INSN(sbb64, "addq $0x3000, (%rdi)\n\tstc\n\tsbbq $0xfff, (%rdi)", e[0] += 0x2000)
INSN(lock_add, "lock addq $0x2000, (%rdi)", e[0] += 0x2000)
INSN(lock_and, "lock andb $0xfd, (%rdi)", e[0] &= ~PTE_W)
INSN(lock_or, "lock orb $0x80, 7(%rdi)", e[0] |= PTE_NX)
INSN(inc, "incb 6(%rdi)\n\tdecb 6(%rdi)\n\tdecb 1(%rdi)\n\tincb 1(%rdi)\n\tincb 7(%rdi)",
     e[0] += 1ul << 56)
INSN(neg, "incb 7(%rdi)\n\tnegb 7(%rdi)", e[0] |= 0xfful << 56)
INSN(not, "notb 7(%rdi)", e[0] |= 0xfful << 56)
INSN(lock_not, "lock notb 7(%rdi)", e[0] |= 0xfful << 56)
INSN(shl, "shlb $1, 1(%rdi)\n\tshrb $1, 1(%rdi)\n\tshlb $4, (%rdi)", LOW(e[0], 0xff, 0x70))
INSN(sar, "sarb $1, (%rdi)", LOW(e[0], 0xff, 0x33))
INSN(rol, "rolb $4, (%rdi)", LOW(e[0], 0xff, 0x76))
INSN(ror_cl, "mov $8, %ecx\n\trorq %cl, (%rdi)\n\trolq %cl, (%rdi)\n\trorb %cl, (%rdi)", )
INSN(rcl, "clc\n\trclb $1, 7(%rdi)\n\tstc\n\trcrb $1, 7(%rdi)", e[0] |= PTE_NX)
INSN(shld, "mov $1, %eax\n\tshldl $31, %eax, 4(%rdi)", LOW(e[0], 0xffffffffull << 32, 0))
INSN(shrd, "mov $1, %eax\n\tshrdl $1, %eax, 4(%rdi)", e[0] |= PTE_NX)

/* Exchanges. */
INSN(xchg, "xchg %rsi, (%rdi)", e[0] = v)
INSN(xchg8, "mov $0x65, %eax\n\txchg %al, (%rdi)", LOW(e[0], 0xff, 0x65))
INSN(xadd, "mov $0x1000, %eax\n\tlock xaddq %rax, (%rdi)", e[0] += 0x1000)
INSN(cmpxchg, "mov (%rdi), %rax\n\tlock cmpxchg %rsi, (%rdi)", e[0] = v)
INSN(cmpxchg_unlocked, "mov (%rdi), %rax\n\tcmpxchg %rsi, (%rdi)", e[0] = v)
INSN(cmpxchg_differs, "xor %eax, %eax\n\tlock cmpxchg %rsi, (%rdi)", )
INSN(cmpxchg32, "mov (%rdi), %eax\n\tlock cmpxchg %esi, (%rdi)", LOW(e[0], 0xffffffff, v))
INSN(cmpxchg8b,
     "mov %rbx, %r8\n\tmov (%rdi), %eax\n\tmov 4(%rdi), %edx\n\tmov %esi, %ebx\n\t"
     "mov $0x80000000, %ecx\n\tlock cmpxchg8b (%rdi)\n\tmov %r8, %rbx",
     e[0] = (v & 0xffffffff) | PTE_NX)
INSN(cmpxchg8b_differs,
     "mov %rbx, %r8\n\txor %eax, %eax\n\txor %edx, %edx\n\tmov %esi, %ebx\n\txor %ecx, %ecx\n\t"
     "lock cmpxchg8b (%rdi)\n\tmov %r8, %rbx", )
INSN(cmpxchg16b,
     "mov %rbx, %r8\n\tmov (%rdi), %rax\n\tmov 8(%rdi), %rdx\n\tmov %rsi, %rbx\n\t"
     "xor %ecx, %ecx\n\tlock cmpxchg16b (%rdi)\n\tmov %r8, %rbx",
     e[0] = v;
     e[1] = 0)

/* Single bits. */
INSN(btr, "btrq $1, (%rdi)", e[0] &= ~PTE_W)
INSN(bts, "btsl $9, (%rdi)", e[0] |= PTE_COW)
INSN(btc_lock, "lock btcq $63, (%rdi)", e[0] ^= PTE_NX)
INSN(btr_string, "mov $129, %eax\n\tlock btrq %rax, (%rdi)", e[2] &= ~PTE_W)
INSN(bts_string_back, "add $24, %rdi\n\tmov $-1, %rax\n\tbtsq %rax, (%rdi)", e[2] |= PTE_NX)

/* Stack, flags, system registers. */
INSN(push, "mov %rsp, %rax\n\tlea 8(%rdi), %rsp\n\tpush %rsi\n\tmov %rax, %rsp", e[0] = v)
INSN(push_imm, "mov %rsp, %rax\n\tlea 16(%rdi), %rsp\n\tpush $0\n\tmov %rax, %rsp", e[1] = 0)
INSN(push_memory, "mov %rsp, %rax\n\tlea 8(%rdi), %rsp\n\tpushq 16(%rdi)\n\tmov %rax, %rsp",
     e[0] = e[2])
INSN(push16, "mov %rsp, %rax\n\tlea 2(%rdi), %rsp\n\tpushw $0x25\n\tmov %rax, %rsp",
     LOW(e[0], 0xffff, 0x25))
INSN(pop_memory, "push %rsi\n\tpopq (%rdi)", e[0] = v)
INSN(call,
     "mov %rsp, %rax\n\tlea 8(%rdi), %rsp\n\tmov (%rdi), %rcx\n\tcall 1f\n1:\tmov %rcx, "
     "(%rdi)\n\tmov %rax, %rsp", )
INSN(enter,
     "mov %rbp, %rdx\n\tmov %rsp, %rax\n\tmov %rsi, %rbp\n\tlea 8(%rdi), %rsp\n\tenter $0, "
     "$0\n\tmov %rax, %rsp\n\tmov %rdx, %rbp",
     e[0] = v)
INSN(setcc, "stc\n\tsetc 7(%rdi)", e[0] |= 1ul << 56)
INSN(setcc_clear, "clc\n\tsetc (%rdi)", LOW(e[0], 0xff, 0))
INSN(str, "str %eax\n\tstr 6(%rdi)\n\tsub %ax, 6(%rdi)", )
INSN(smsw, "smsw %eax\n\tsmsw 6(%rdi)\n\tsub %ax, 6(%rdi)", )

/* Where the CPU has it. */
INSN(movbe, "bswap %rsi\n\tmovbe %rsi, (%rdi)", e[0] = v)

/* More than one table store in a row, with reads of the result in between. */
INSN(mixed,
     "mov %rsi, (%rdi)\n\tmov (%rdi), %rax\n\tmov %rax, 8(%rdi)\n\tandb $0xfd, 8(%rdi)\n\t"
     "mov 8(%rdi), %rax\n\txchg %rax, 16(%rdi)\n\tmov %rax, 24(%rdi)",
     e[0] = v;
     e[1] = v & ~PTE_W; e[3] = e[2]; e[2] = e[1])

struct insn {
	const char *name;
	void (*run)(void);
	void (*model)(u64 *e, u64 v);
};

#define I(name)                                 \
	{                                       \
#name, run_##name, model_##name \
	}

static const struct insn insns[] = {
	I(mov8_imm),
	I(mov8),
	I(mov8_ah),
	I(mov16_imm),
	I(mov16),
	I(mov32_imm),
	I(mov32),
	I(mov32_high),
	I(mov64_imm),
	I(mov64),
	I(mov64_r15),
	I(mov64_sib),
	I(mov64_disp32),
	I(movnti),
	I(movnti32),
	I(mov_sreg),
	I(stosb),
	I(stosw),
	I(stosl),
	I(stosq),
	I(rep_stosq),
	I(rep_stosl),
	I(rep_stosb),
	I(rep_stosq_down),
	I(rep_stosq_none),
	I(movsq),
	I(rep_movsq),
	I(rep_movsb),
	I(rep_movsl_stack),
	I(and8),
	I(and32),
	I(and64),
	I(and64_imm8),
	I(or8),
	I(or64_imm),
	I(or16),
	I(xor8),
	I(xor64),
	I(add64),
	I(add8),
	I(adc32),
	I(sub64),
	I(sbb64),
	I(lock_add),
	I(lock_and),
	I(lock_or),
	I(inc),
	I(neg),
	I(not ),
	I(lock_not),
	I(shl),
	I(sar),
	I(rol),
	I(ror_cl),
	I(rcl),
	I(shld),
	I(shrd),
	I(xchg),
	I(xchg8),
	I(xadd),
	I(cmpxchg),
	I(cmpxchg_unlocked),
	I(cmpxchg_differs),
	I(cmpxchg32),
	I(cmpxchg8b),
	I(cmpxchg8b_differs),
	I(cmpxchg16b),
	I(btr),
	I(bts),
	I(btc_lock),
	I(btr_string),
	I(bts_string_back),
	I(push),
	I(push_imm),
	I(push_memory),
	I(push16),
	I(pop_memory),
	I(call),
	I(enter),
	I(setcc),
	I(setcc_clear),
	I(str),
	I(smsw),
	I(movbe),
	I(mixed),
};

/* User code as ring 0 may run it: in the identity map. */
static u64 kernel_view(void (*fn)(void))
{
	return (u64)fn - USER_TEXT + (u64)user_load;
}

static void call_kernel(void (*fn)(void), u64 a, u64 b)
{
	((void (*)(u64, u64))kernel_view(fn))(a, b);
}

/* STR and SMSW of ring 3 need CR4.UMIP clear, which it is; MOVBE has a CPUID bit. */
static bool has_insn(const struct insn *i)
{
	u32 r[4];

	if (strcmp(i->name, "movbe"))
		return true;
	cpuid(1, 0, r);
	return r[2] >> 22 & 1;
}

static u64 *new_table_under_test(u64 frames)
{
	u64 *table = table_new();

	for (int i = 0; i < ENTRIES; i++)
		set(&table[FIRST_INDEX + i], (frames + i * PAGE_SIZE) | PAGE_FLAGS);
	return table;
}

enum writer { RING0_LARGE, RING0_SMALL, RING3, WRITERS };

/*
 * One instruction on entries in use, run in ring 0 through the identity map, in ring 0 through a
 * 4 KiB mapping, and in ring 3.
 */
static void one_insn(const struct insn *i, u64 *table, u64 frames, enum writer writer)
{
	u64 *e = &table[FIRST_INDEX], want[ENTRIES];
	u64 value = (frames + 9 * PAGE_SIZE) | PTE_P | PTE_U | PTE_A;
	bool right = true;

	for (int k = 0; k < ENTRIES; k++) {
		set(&e[k], (frames + k * PAGE_SIZE) | PAGE_FLAGS);
		raw_invlpg(TARGET + k * PAGE_SIZE);
		verify(USER, WRITE, TARGET + k * PAGE_SIZE);
		want[k] = get(&e[k]);
	}
	i->model(want, value);
	if (writer == RING0_LARGE)
		call_kernel(i->run, (u64)e, value);
	else if (writer == RING0_SMALL)
		/* An alias that is a supervisor page: AC is clear here. */
		call_kernel(i->run, ALIAS + PAGE_SIZE + FIRST_INDEX * 8, value);
	else
		expect(!user_call((u64)i->run, ALIAS + FIRST_INDEX * 8, value).fault);
	for (int k = 0; k < ENTRIES; k++)
		right = right && get(&e[k]) == want[k];
	if (!right && failure())
		printf("access: FAILURE in stores: %s, writer %d: entries 0x%lx 0x%lx 0x%lx 0x%lx, "
		       "expected 0x%lx 0x%lx 0x%lx 0x%lx\n",
		       i->name, writer, get(&e[0]), get(&e[1]), get(&e[2]), get(&e[3]), want[0],
		       want[1], want[2], want[3]);
	for (int k = 0; k < ENTRIES; k++)
		raw_invlpg(TARGET + k * PAGE_SIZE);
	for (int k = 0; k < ENTRIES; k++)
		verify_all(TARGET + k * PAGE_SIZE);
}

static void insns_by(enum writer writer)
{
	u64 frames = stamped16();
	u64 *table = new_table_under_test(frames);

	set(entry_of(root, TARGET, 2), (u64)table | TABLE_FLAGS);
	map(ALIAS, (u64)table, PAGE_FLAGS);
	map(ALIAS + PAGE_SIZE, (u64)table, PTE_P | PTE_W);
	for (u32 i = 0; i < ARRAY_SIZE(insns); i++) {
		if (has_insn(&insns[i]))
			one_insn(&insns[i], table, frames, writer);
	}
}

static void ring0_large(void)
{
	insns_by(RING0_LARGE);
}

static void ring0_small(void)
{
	insns_by(RING0_SMALL);
}

static void ring3(void)
{
	insns_by(RING3);
}

/* The whole table at once: made, copied, cleared. */
static user_code __attribute__((naked)) void fill_table(void)
{
	asm("mov %rsi, %rax\n\tmov $512, %ecx\n\trep stosq\n\tret");
}

static user_code __attribute__((naked)) void copy_table(void)
{
	asm("mov $512, %ecx\n\trep movsq\n\tret");
}

static user_code __attribute__((naked)) void copy_table_bytes(void)
{
	asm("mov $4096, %ecx\n\trep movsb\n\tret");
}

static void whole_table(void)
{
	u64 frames = stamped16(), source = frame_alloc();
	u64 *table = table_new();
	u64 va = VA(0, 1, 2, 0);

	set(entry_of(root, va, 2), (u64)table | TABLE_FLAGS);
	map(ALIAS, (u64)table, PAGE_FLAGS);
	map(ALIAS + PAGE_SIZE, source, PAGE_FLAGS);
	for (int i = 0; i < 512; i++)
		set((u64 *)source + i, (frames + (i & 15) * PAGE_SIZE) | (i % 3 ? PAGE_FLAGS : 5));
	for (int round = 0; round < 4; round++) {
		void (*copy)(void) = round & 1 ? copy_table_bytes : copy_table;
		u64 one = (frames + round * PAGE_SIZE) | PAGE_FLAGS;

		if (round & 2) {
			expect(!user_call((u64)copy, ALIAS, ALIAS + PAGE_SIZE).fault);
		} else {
			call_kernel(copy, (u64)table, source);
		}
		for (int i = 0; i < 512; i += 47)
			verify_all(va + i * PAGE_SIZE); /* they were not present */
		if (round & 2)
			expect(!user_call((u64)fill_table, ALIAS, one).fault);
		else
			call_kernel(fill_table, (u64)table, one);
		space_use(root, 0);
		for (int i = 0; i < 512; i += 31)
			verify_all(va + i * PAGE_SIZE);
		call_kernel(fill_table, (u64)table, 0);
		space_use(root, 0);
		for (int i = 0; i < 512; i += 31)
			verify(USER, READ, va + i * PAGE_SIZE);
	}
}

/*
 * ---- stores that cross pages ----
 *
 * Four frames that follow each other, in the identity map and in two rows of 4 KiB aliases: data,
 * table, table, data. RSI is the new content of the bytes at RDI.
 */
static user_code __attribute__((naked)) void cross_mov64(void)
{
	asm("mov %rsi, (%rdi)\n\tret");
}

static user_code __attribute__((naked)) void cross_mov32(void)
{
	asm("mov %esi, (%rdi)\n\tret");
}

static user_code __attribute__((naked)) void cross_mov16(void)
{
	asm("mov %si, (%rdi)\n\tret");
}

static user_code __attribute__((naked)) void cross_movs(void)
{
	asm("push %rsi\n\tmov %rsp, %rsi\n\tmov $8, %ecx\n\trep movsb\n\tpop %rsi\n\tret");
}

static user_code __attribute__((naked)) void cross_push(void)
{
	asm("mov %rsp, %rax\n\tlea 8(%rdi), %rsp\n\tpush %rsi\n\tmov %rax, %rsp\n\tret");
}

static user_code __attribute__((naked)) void cross_rmw(void)
{
	asm("mov (%rdi), %rax\n\txor %rsi, %rax\n\txor %rax, (%rdi)\n\tret");
}

static user_code __attribute__((naked)) void cross_stosq(void)
{
	asm("mov %rsi, %rax\n\tstosq\n\tret");
}

static const struct {
	void (*run)(void);
	u32 bytes;
} crossing[] = {
	{ cross_mov64, 8 }, { cross_mov32, 4 }, { cross_mov16, 2 }, { cross_movs, 8 },
	{ cross_push, 8 },  { cross_rmw, 8 },	{ cross_stosq, 8 },
};

#define DATA_BEFORE 0
#define TABLE_1	    1
#define TABLE_2	    2
#define DATA_AFTER  3

struct crossing_test {
	u64 base;   /* four frames */
	u64 frames; /* where entries point to */
	u64 va[4];  /* what the first and last entries of the tables map */
	u64 *entry[4];
};

static void crossing_setup(struct crossing_test *t)
{
	u64 pd = VA(0, 1, 0, 0);

	t->base = (u64)frame_alloc_contig(4 * PAGE_SIZE);
	t->frames = stamped16();
	for (int i = 0; i < 2; i++) {
		u64 table = t->base + (TABLE_1 + i) * PAGE_SIZE;

		set(entry_of(root, pd | (u64)i << 21, 2), table | TABLE_FLAGS);
		t->va[2 * i] = pd | (u64)i << 21;
		t->va[2 * i + 1] = pd | (u64)i << 21 | 511ul << 12;
		t->entry[2 * i] = (u64 *)table;
		t->entry[2 * i + 1] = (u64 *)table + 511;
	}
	for (int i = 0; i < 4; i++) {
		map(ALIAS + i * PAGE_SIZE, t->base + i * PAGE_SIZE, PAGE_FLAGS);
		set(t->entry[i], (t->frames + i * PAGE_SIZE) | PAGE_FLAGS);
	}
}

/* Store @bytes at @offset of the four pages so that @left and @right become what they should. */
static void cross(struct crossing_test *t, u32 how, enum writer writer, u64 offset, u64 left,
		  u64 right)
{
	u8 image[16], before[16];
	u64 boundary = ALIGN_UP(offset, PAGE_SIZE), value = 0, at;

	memcpy(image, &left, 8);
	memcpy(image + 8, &right, 8);
	memcpy(before, (void *)(t->base + boundary - 8), 16);
	memcpy(&value, image + 8 - (boundary - offset), crossing[how].bytes);
	/* What lies outside the store stays. */
	for (u32 i = 0; i < 16; i++) {
		u64 byte = boundary - 8 + i;

		if (byte < offset || byte >= offset + crossing[how].bytes)
			image[i] = before[i];
	}
	at = writer == RING0_LARGE ? t->base + offset : ALIAS + offset;
	if (writer == RING3)
		expect(!user_call((u64)crossing[how].run, at, value).fault);
	else
		call_kernel(crossing[how].run, at, value);
	expect(!memcmp(image, (void *)(t->base + boundary - 8), 16));
}

static void crossing_case(int page, u64 left_xor, u64 right_xor)
{
	struct crossing_test t;

	crossing_setup(&t);
	for (u32 how = 0; how < ARRAY_SIZE(crossing); how++) {
		for (enum writer w = RING0_LARGE; w < WRITERS; w++) {
			u64 boundary = (u64)(page + 1) * PAGE_SIZE;
			u64 offset = boundary - crossing[how].bytes / 2;
			u64 *left = (u64 *)(t.base + boundary - 8), *right = left + 1;

			if (w == RING0_SMALL)
				continue; /* the aliases are user pages; AC is clear here */
			for (int i = 0; i < 4; i++)
				verify_all(t.va[i]);
			cross(&t, how, w, offset, get(left) ^ left_xor, get(right) ^ right_xor);
			for (int i = 0; i < 4; i++)
				raw_invlpg(t.va[i]);
			for (int i = 0; i < 4; i++)
				verify_all(t.va[i]);
		}
	}
}

/* NX is the last bit of an entry, W and U are among the first. */
static void cross_into_table(void)
{
	crossing_case(DATA_BEFORE, 0x1122ul << 48, PTE_W | 0x2000);
}

static void cross_out_of_table(void)
{
	crossing_case(TABLE_2, cpu.nx ? PTE_NX : 1ul << 60, 0x3344);
}

static void cross_between_tables(void)
{
	crossing_case(TABLE_1, cpu.nx ? PTE_NX : 1ul << 60, PTE_W | 0x2000);
}

/* A store that begins in a table and faults on the next page must not have happened at all. */
static void cross_faults(void)
{
	struct crossing_test t;
	u64 *next;

	crossing_setup(&t);
	next = entry_of(root, ALIAS + 2 * PAGE_SIZE, 1);
	for (u32 how = 0; how < ARRAY_SIZE(crossing); how++) {
		u32 half = crossing[how].bytes / 2;
		u64 at = ALIAS + 2 * PAGE_SIZE - half, was;
		struct outcome o;

		if (crossing[how].run == cross_movs)
			continue; /* bytes: half of it does happen */
		for (int i = 0; i < 4; i++)
			verify_all(t.va[i]);
		was = get(t.entry[1]);
		set(next, how & 1 ? (t.base + 2 * PAGE_SIZE) | PTE_P | PTE_U : 0);
		raw_invlpg(ALIAS + 2 * PAGE_SIZE);
		o = user_call((u64)crossing[how].run, at, ~0ul);
		expect(o.fault && o.cr2 == ALIAS + 2 * PAGE_SIZE);
		/* Read-modify-write of a page that is not there faults when it reads. */
		expect((o.code | PF_W) == (u64)(PF_U | PF_W | (how & 1 ? PF_P : 0)));
		expect(get(t.entry[1]) == was);
		verify_all(t.va[1]);
		set(next, (t.base + 2 * PAGE_SIZE) | PAGE_FLAGS);
		raw_invlpg(ALIAS + 2 * PAGE_SIZE);
		/* Now it is there. */
		o = user_call((u64)crossing[how].run, at, 0);
		expect(!o.fault);
		raw_invlpg(t.va[1]);
		raw_invlpg(t.va[2]);
		verify(USER, READ, t.va[2]);
		set(t.entry[1], (t.frames + PAGE_SIZE) | PAGE_FLAGS);
		set(t.entry[2], (t.frames + 2 * PAGE_SIZE) | PAGE_FLAGS);
		raw_invlpg(t.va[1]);
		raw_invlpg(t.va[2]);
	}
}

/* REP STOSQ from data across both tables into data, in one instruction. */
static user_code __attribute__((naked)) void sweep(void)
{
	asm("mov %rsi, %rax\n\tmov $1024 + 64, %ecx\n\trep stosq\n\tret");
}

static void cross_sweep(void)
{
	struct crossing_test t;

	crossing_setup(&t);
	for (int i = 0; i < 4; i++) {
		u64 value = (t.frames + (5 + i) * PAGE_SIZE) | (i & 1 ? PAGE_FLAGS : 5);
		u64 offset = PAGE_SIZE - 32 * 8;
		bool right = true;

		for (int k = 0; k < 4; k++)
			verify_all(t.va[k]);
		if (i & 2)
			expect(!user_call((u64)sweep, ALIAS + offset, value).fault);
		else
			call_kernel(sweep, t.base + offset, value);
		for (u64 at = 0; at < (1024 + 64) * 8; at += 8)
			right = right && get((u64 *)(t.base + offset + at)) == value;
		expect(right);
		space_use(root, 0);
		for (int k = 0; k < 4; k++)
			verify_all(t.va[k]);
	}
}

/* ---- tables that hold more than entries ---- */

/* Runs wherever it is copied to: RDI = entry, RSI = new value. */
static user_code __attribute__((naked)) void movable(void)
{
	asm("mov %rsi, (%rdi)\n\tinvlpg (%rdx)\n\tmov (%rdi), %rax\n\tret");
}

static user_code __attribute__((naked)) void movable_user(void)
{
	asm("mov %rsi, (%rdi)\n\tnop\n\tmov (%rdi), %rax\n\tret");
}

/* Code in the upper half of a table that changes entries in the lower half. */
static void table_holds_code(void)
{
	u64 *table = table_new();
	u64 *pte = &table[3], va = VA(0, 1, 2, 3);
	u64 code = (u64)table + 0x800;

	set(entry_of(root, va, 2), (u64)table | TABLE_FLAGS);
	map(ALIAS, (u64)table, PAGE_FLAGS);
	set(pte, stamped() | PAGE_FLAGS);
	memcpy((void *)code, (void *)kernel_view(movable), 32);
	for (int i = 0; i < 6; i++) {
		u64 value = stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)), got;

		verify_all(va);
		got = ((u64(*)(u64, u64, u64))code)((u64)pte, value, va);
		expect(got == value);
		verify_all(va);
	}
	memcpy((void *)code, (void *)kernel_view(movable_user), 32);
	for (int i = 0; i < 6; i++) {
		u64 value = stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0));
		struct outcome o = user_call(ALIAS + 0x800, ALIAS + 24, value);

		expect(!o.fault && o.value == value);
		raw_invlpg(va);
		verify_all(va);
		/* The code itself is data to the other ring. */
		set(&table[0x800 / 8 + 16], i);
	}
}

/* void on_stack(u64 sp, u64 *entry, u64 value, u64 va): call things on another stack. */
static void __attribute__((naked)) on_stack(u64 sp, u64 *entry, u64 value, u64 va)
{
	(void)sp, (void)entry, (void)value, (void)va;
	asm("push %rbp\n\tmov %rsp, %rbp\n\tmov %rdi, %rsp\n\t"
	    "push %rdx\n\tpush %rsi\n\tcall 1f\n\tpop %rsi\n\tpop %rdx\n\t"
	    "mov %rbp, %rsp\n\tpop %rbp\n\tret\n"
	    "1:\tpush %rdx\n\tpop (%rsi)\n\tinvlpg (%rcx)\n\tret");
}

static void table_holds_stack(void)
{
	u64 *table = table_new();
	u64 *pte = &table[3], va = VA(0, 1, 2, 3);

	set(entry_of(root, va, 2), (u64)table | TABLE_FLAGS);
	set(pte, stamped() | PAGE_FLAGS);
	for (int i = 0; i < 6; i++) {
		u64 value = stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0));

		verify_all(va);
		on_stack((u64)table + 0xc00 - 8 * i, pte, value, va);
		expect(get(pte) == value);
		verify_all(va);
	}
}

/* void fault_on_stack(u64 sp): an exception whose frame goes onto another stack. */
static void __attribute__((naked)) fault_on_stack(u64 sp)
{
	(void)sp;
	asm("push %rbp\n\tpush %rbx\n\tmov %rsp, %rbx\n\tmov %rdi, %rsp\n\t"
	    "1:\tud2\n\t"
	    "2:\tmov %rbx, %rsp\n\tpop %rbx\n\tpop %rbp\n\tret\n\t"
	    ".pushsection .extable, \"a\"\n\t.quad 1b, 2b\n\t.popsection");
}

/* The CPU pushes an exception's frame into a live table. */
static void table_holds_exception_stack(void)
{
	u64 *table = table_new();
	u64 *pte = &table[3], va = VA(0, 1, 2, 3);

	set(entry_of(root, va, 2), (u64)table | TABLE_FLAGS);
	set(pte, stamped() | PAGE_FLAGS);
	for (int i = 0; i < 4; i++) {
		verify_all(va);
		last_fault.vector = -1;
		fault_on_stack((u64)table + 0x1000);
		expect(last_fault.vector == VECTOR_UD);
		/* From the top: SS (which may be null), RSP, RFLAGS, CS. */
		expect(get(&table[510]) == (u64)table + 0x1000);
		expect(get(&table[508]) == KERNEL_CS);
		set(pte, stamped() | PAGE_FLAGS);
		raw_invlpg(va);
		verify_all(va);
		for (int k = 256; k < 512; k++)
			put(&table[k], 0);
	}
}

/* The frame of a trap from ring 3 goes into a live table. */
static void table_holds_trap_frame(void)
{
	u64 *table = table_new();
	u64 *pte = &table[3], va = VA(0, 1, 2, 3);
	struct regs *frame = (struct regs *)((u64)table + 0xf00 - sizeof(struct regs));

	set(entry_of(root, va, 2), (u64)table | TABLE_FLAGS);
	set(pte, stamped() | PAGE_FLAGS);
	for (int i = 0; i < 4; i++) {
		struct outcome o;

		verify_all(va);
		set(pte, 0);
		raw_invlpg(va);
		trap_set_frame(frame);
		o = touch(USER, i & 1 ? WRITE : READ, va, 0);
		trap_set_frame(user_regs());
		expect(o.fault && o.cr2 == va && o.code == (u64)(PF_U | (i & 1 ? PF_W : 0)));
		expect(frame->ss == USER_DS && frame->cs == USER_CS && frame->rdi == va);
		set(pte, stamped() | PAGE_FLAGS);
	}
}

/* Ring 3 loads a segment whose descriptor, never used before, lies in a live table. */
static void table_holds_descriptors(void)
{
	u64 *table = table_new();
	u64 *pte = &table[3], va = VA(0, 1, 2, 3), ldt = ALIAS + 0x800;
	u64 *alias = map(ALIAS, (u64)table, PTE_P | PTE_W);

	set(entry_of(root, va, 2), (u64)table | TABLE_FLAGS);
	set(pte, stamped() | PAGE_FLAGS);
	ldt_at(ldt);
	for (int i = 0; i < 4; i++) {
		u64 *desc = &table[(0x800 + LDT_CLEAN) / 8];

		verify_all(va);
		set(desc, DESC_CLEAN);
		expect(!touch(IMPLICIT, WRITE, 0, 0).fault);
		expect(get(desc) == DESC_ACCESSED);
		expect((get(alias) & AD) == AD);
		set(pte, stamped() | (PAGE_FLAGS & ~(i & 1 ? PTE_W : 0)));
		set(alias, get(alias) & ~AD);
		raw_invlpg(va);
		raw_invlpg(ALIAS);
	}
}

const struct test_case store_cases[] = {
	{ "ring0_large", ring0_large, NULL, NULL },
	{ "ring0_small", ring0_small, NULL, NULL },
	{ "ring3", ring3, NULL, NULL },
	{ "whole_table", whole_table, NULL, NULL },
	{ "cross_into_table", cross_into_table, NULL, NULL },
	{ "cross_out_of_table", cross_out_of_table, NULL, NULL },
	{ "cross_between_tables", cross_between_tables, NULL, NULL },
	{ "cross_faults", cross_faults, NULL, NULL },
	{ "cross_sweep", cross_sweep, NULL, NULL },
	{ "table_holds_code", table_holds_code, NULL, NULL },
	{ "table_holds_stack", table_holds_stack, NULL, NULL },
	{ "table_holds_exception_stack", table_holds_exception_stack, NULL, NULL },
	{ "table_holds_trap_frame", table_holds_trap_frame, NULL, NULL },
	{ "table_holds_descriptors", table_holds_descriptors, NULL, NULL },
	{ NULL, NULL, NULL, NULL },
};

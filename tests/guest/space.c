// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test's own address spaces and the accesses made in them. The kernel library's spaces cannot
 * serve: they use NX, which is a reserved bit as soon as EFER.NXE is off. Ours map the kernel
 * without it.
 *
 * Root slot 0 is an identity map of RAM, slot 1 the user text and a user stack, the slots from
 * CASE_SLOT on belong to the cases, those below to matrix.c.
 */
#include "access.h"
#include "kernel/internal.h"

#define USER_STACK_PAGE (USER_STACK_TOP - PAGE_SIZE)
#define CR0_AM		(1ul << 18)
#define GDT_ENTRIES	9
#define LDT_SEL		(GDT_ENTRIES * 8)

struct mode now;
u64 root;

extern char user_read[], user_write[], user_fetch[], user_load_fs[], user_done[];
extern u64 touch_fetched;
int touch_fetch(u64 va);

static struct regs user_frame;
static u64 user_stack;
static u64 kernel_slots[2];
static struct outcome user_outcome;
static u64 own_gdt[GDT_ENTRIES + 2] __attribute__((aligned(16)));

/* ---- address spaces ---- */

u64 *table_new(void)
{
	u64 pa = frame_alloc();

	zero_page(pa);
	return (u64 *)pa;
}

u64 *entry_of(u64 in_root, u64 va, int level)
{
	u64 *table = (u64 *)in_root;

	for (int at = 4; at > level; at--) {
		u64 *entry = &table[va >> (12 + 9 * (at - 1)) & 511];

		if (!(get(entry) & PTE_P))
			set(entry, (u64)table_new() | TABLE_FLAGS);
		table = (u64 *)(get(entry) & PTE_ADDR);
	}
	return &table[va >> (12 + 9 * (level - 1)) & 511];
}

u64 *map_in(u64 in_root, u64 va, u64 pa, u64 flags)
{
	u64 *entry = entry_of(in_root, va, 1);

	set(entry, pa | flags);
	return entry;
}

u64 *map(u64 va, u64 pa, u64 flags)
{
	return map_in(root, va, pa, flags);
}

u64 *map_large(u64 va, u64 pa, u64 flags)
{
	u64 *entry = entry_of(root, va, 2);

	set(entry, pa | flags | PTE_LARGE);
	return entry;
}

u64 space_new(void)
{
	u64 *pml4 = table_new();

	pml4[0] = kernel_slots[0];
	pml4[1] = kernel_slots[1];
	return (u64)pml4;
}

void space_use(u64 new_root, u64 low)
{
	root = new_root;
	raw_write_cr3(new_root | low);
}

/* The kernel's own part, accessed and dirty from the start: nothing here is under test. */
static void build_kernel_slots(int level)
{
	u64 flags = PTE_P | PTE_W | PTE_A | PTE_D | (level > 1 ? PTE_LARGE : 0);
	u64 step = 1ul << (12 + 9 * (level - 1));
	u64 first = (u64)table_new();

	for (u64 pa = 0; pa < ram_end(); pa += step)
		set(entry_of(first, pa, level), pa | flags);
	for (u64 off = 0; off < user_text_bytes(); off += PAGE_SIZE)
		map_in(first, USER_TEXT + off, (u64)user_load + off, PTE_P | PTE_U | PTE_A | PTE_D);
	user_stack = frame_alloc();
	map_in(first, USER_STACK_PAGE, user_stack, PTE_P | PTE_W | PTE_U | PTE_A | PTE_D);
	kernel_slots[0] = get((u64 *)first);
	kernel_slots[1] = get((u64 *)first + 1);
	space_use(first, 0);
}

static void load_gdt(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) pointer = { sizeof(own_gdt) - 1, (u64)own_gdt };

	memcpy(own_gdt, gdt, GDT_ENTRIES * 8);
	asm volatile("lgdt %0" : : "m"(pointer));
}

void ldt_at(u64 va)
{
	own_gdt[GDT_ENTRIES] =
		(LDT_BYTES - 1) | (va & 0xffffff) << 16 | 0x82ul << 40 | (va >> 24 & 0xff) << 56;
	own_gdt[GDT_ENTRIES + 1] = va >> 32;
	asm volatile("lldt %w0" : : "r"(LDT_SEL));
}

/* ---- control bits ---- */

void controls(const struct mode *m)
{
	u64 cr0 = read_cr0() & ~(CR0_WP | CR0_AM), cr4 = read_cr4();
	u64 efer = rdmsr(MSR_EFER) & ~EFER_NXE;

	cr4 &= ~(CR4_SMEP | CR4_SMAP | CR4_PGE);
	cr0 |= m->wp ? CR0_WP : 0;
	cr4 |= (m->smep ? CR4_SMEP : 0) | (m->smap ? CR4_SMAP : 0) | (m->pge ? CR4_PGE : 0);
	efer |= m->nxe ? EFER_NXE : 0;
	if (read_cr0() != cr0)
		write_cr0(cr0);
	if (read_cr4() != cr4)
		write_cr4(cr4);
	if (rdmsr(MSR_EFER) != efer)
		wrmsr(MSR_EFER, efer);
	now = *m;
}

void controls_default(void)
{
	struct mode m = { .wp = true,
			  .nxe = cpu.nx,
			  .smep = cpu.smep,
			  .smap = cpu.smap,
			  .pge = cpu.pge,
			  .ac = true };

	controls(&m);
}

void flush_all(void)
{
	u64 cr4 = read_cr4();

	if (cpu.pge) {
		write_cr4(cr4 ^ CR4_PGE);
		write_cr4(cr4);
	}
	raw_write_cr3(read_cr3());
}

/* ---- stamps ---- */

static u32 last_stamp = 0x5eed00;

u64 next_word(void)
{
	return stamp_word(++last_stamp);
}

u64 stamp(u64 pa)
{
	*(volatile u64 *)pa = next_word();
	((volatile u64 *)pa)[LDT_ACCESSED / 8] = DESC_ACCESSED;
	((volatile u64 *)pa)[LDT_CLEAN / 8] = DESC_CLEAN;
	return pa;
}

u64 stamped(void)
{
	u64 pa = frame_alloc();

	zero_page(pa);
	return stamp(pa);
}

u64 stamped16(void)
{
	u64 bytes = 16 * PAGE_SIZE;
	u64 pa = ALIGN_UP((u64)frame_alloc_contig(2 * bytes), bytes);

	for (u64 at = pa; at < pa + bytes; at += PAGE_SIZE)
		stamp(at);
	return pa;
}

/* ---- accesses ---- */

static bool user_fault(struct regs *regs, u64 va)
{
	user_outcome = (struct outcome){
		.fault = true, .vector = VECTOR_PF, .code = regs->error, .cr2 = va
	};
	leave_user(1);
}

static u64 user_report(u64 a, u64 b, u64 c)
{
	(void)b, (void)c;
	user_outcome = (struct outcome){ .vector = -1, .value = a };
	leave_user(0);
}

static void enter(u64 rip, u64 a, u64 b, u64 rsp)
{
	/* Only what the accesses use; the rest stays whatever it was. */
	user_frame.rip = rip;
	user_frame.cs = USER_CS;
	user_frame.ss = USER_DS;
	user_frame.rflags = RFLAGS_FIXED | (now.ac ? RFLAGS_AC : 0);
	user_frame.rsp = rsp;
	user_frame.rdi = a;
	user_frame.rsi = b;
	user_frame.vector = VECTOR_SYSCALL; /* leave by SYSRET */
	enter_user(&user_frame);
}

struct regs *user_regs(void)
{
	return &user_frame;
}

static void set_ac(bool on)
{
	if (on)
		asm volatile("pushfq; orl %0, (%%rsp); popfq" : : "i"(RFLAGS_AC) : "memory", "cc");
	else
		asm volatile("pushfq; andl %0, (%%rsp); popfq"
			     :
			     : "i"(~(u32)RFLAGS_AC)
			     : "memory", "cc");
}

static bool supervisor_read(u64 va, u64 *value)
{
	u32 faulted;

	asm volatile("xor %k0, %k0\n"
		     "1: mov (%2), %1\n"
		     "3:\n"
		     ".pushsection .text.fixup, \"ax\"\n"
		     "2: mov $1, %k0\n"
		     "xor %k1, %k1\n"
		     "jmp 3b\n"
		     ".popsection\n"
		     ".pushsection .extable, \"a\"\n"
		     ".quad 1b, 2b\n"
		     ".popsection"
		     : "=&r"(faulted), "=&r"(*value)
		     : "r"(va)
		     : "memory", "cc");
	return faulted;
}

static struct outcome supervisor_touch(enum access_kind kind, u64 va, u64 value)
{
	struct outcome o = { .vector = -1 };

	/* Nothing else that the kernel touches is a user page: AC may stay set around it. */
	if (now.ac)
		set_ac(true);
	if (kind == READ) {
		o.fault = supervisor_read(va, &o.value);
	} else if (kind == WRITE) {
		o.fault = probe_write(va, value);
	} else {
		o.fault = touch_fetch(va);
		o.value = (u32)touch_fetched;
	}
	if (now.ac)
		set_ac(false);
	if (o.fault) {
		o.vector = last_fault.vector;
		o.code = last_fault.error;
		o.cr2 = last_fault.cr2;
	}
	return o;
}

struct outcome touch(enum access_who who, enum access_kind kind, u64 va, u64 value)
{
	u64 rip;

	if (who == SUPERVISOR)
		return supervisor_touch(kind, va, value);
	if (who == IMPLICIT)
		/* Ring 3 loads FS from the LDT: TI = 1, RPL = 3. */
		enter((u64)user_load_fs, (kind == READ ? LDT_ACCESSED : LDT_CLEAN) | 4 | 3, 0,
		      USER_STACK_TOP - 8);
	else {
		rip = kind == READ ? (u64)user_read
				   : (kind == WRITE ? (u64)user_write : (u64)user_fetch);
		enter(rip, va, value, USER_STACK_TOP - 8);
	}
	return user_outcome;
}

struct outcome user_call(u64 fn, u64 a, u64 b)
{
	*(volatile u64 *)(user_stack + PAGE_SIZE - 16) = (u64)user_done;
	enter(fn, a, b, USER_STACK_TOP - 16);
	return user_outcome;
}

void space_init(void)
{
	static const int levels[] = { 2, 1, 3 };
	int level = levels[cmdline_choice("map", 0, "2m|4k|1g")];

	if (level == 3 && !cpu.page1g)
		die(GUEST_STATUS_USAGE, "map=1g: this CPU has no 1 GiB pages");
	build_kernel_slots(level);
	load_gdt();
	trap_set_frame(&user_frame);
	pf_hook = user_fault;
	sys_hook = user_report;
}

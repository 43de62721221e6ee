// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guests of the fuzzer are: a 64-bit mode that nearly always can be entered, and a page
 * of random instructions out of those that make a hypervisor work, with registers that point where
 * it hurts: at page tables, at memory that is not there, at devices, across borders.
 */
#include <string.h>

#include "abifuzz.h"

/* Guest-physical and, by the tables made here, guest-virtual. */
enum {
	PML4 = 0x1000,
	PDPT = 0x2000,
	PD = 0x3000,
	PT = 0x4000, /* of the first 2 MiB */
	PML4_OTHER = 0x5000,
	IDT = 0x6000,
	GDT = 0x7000,
	CODE = 0x8000,
	STACK = 0xc000,
	DESCRIPTOR = 0xd000, /* for INVPCID, LGDT, LIDT */
	BATCH = 0xe000,	     /* for the GTT device */
};

#define SELF	   (0x1ffull << 39 | 0xffffull << 48) /* PML4 maps itself here */
#define DEVICE_GVA (1ull << 30)
#define GTT_GVA	   (DEVICE_GVA + (2ull << 20))
#define GTT_TABLE  0x1000 /* hv/gtt/gtt_abi.h */
#define DOORBELL   0x10

#define P_RW  3ull
#define P_RWU 7ull
#define LARGE 0x80ull

void guest_memory(struct worker *w)
{
	static __thread uint64_t table[512];
	static __thread uint64_t idt[512];
	uint8_t *ram = w->m->ram;
	uint64_t user = chance(w, 50) ? P_RWU : P_RW;
	unsigned int i;

	memset(table, 0, sizeof(table));
	table[0] = PDPT | user;
	table[511] = PML4 | P_RW;
	touch(w, ram + PML4, table, PAGE);
	table[511] = PML4_OTHER | P_RW;
	touch(w, ram + PML4_OTHER, table, PAGE);

	memset(table, 0, sizeof(table));
	table[0] = PD | user;
	table[1] = 0xf000 | user; /* the devices' */
	if (chance(w, 20))
		table[2] = LARGE | user;
	touch(w, ram + PDPT, table, PAGE);

	memset(table, 0, sizeof(table));
	table[0] = PT | user;
	for (i = 1; i < RAM_SIZE >> 21; i++)
		table[i] = (uint64_t)i << 21 | LARGE | user;
	table[i] = (uint64_t)i << 21 | LARGE | user; /* no memory is behind it */
	touch(w, ram + PD, table, PAGE);

	for (i = 0; i < 512; i++)
		table[i] = (uint64_t)i << 12 | user | (i & 1 ? 0x60 : 0);
	table[below(w, 500) + 12] = odd_value(w);
	touch(w, ram + PT, table, PAGE);

	memset(table, 0, sizeof(table));
	table[0] = DEVICE_GPA | LARGE | user;
	table[1] = GTT_GPA | LARGE | user;
	touch(w, ram + 0xf000, table, PAGE);

	/* Gates to the start of the program; some to nowhere. */
	for (i = 0; i < 512; i += 2) {
		idt[i] = CODE | 8ull << 16 | 0x8e00ull << 32;
		idt[i + 1] = 0;
	}
	for (i = below(w, 4); i; i--)
		idt[below(w, 64)] = odd_value(w);
	touch(w, ram + IDT, idt, PAGE);
	memcpy(table,
	       (uint64_t[]){ 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00affb000000ffff,
			     0x00cff3000000ffff },
	       40);
	touch(w, ram + GDT, table, 40);
}

/* Places and values that instructions are pointed at. */
static uint64_t pointer(struct worker *w)
{
	static const uint64_t places[] = {
		PML4,
		PML4 + 8 * 256,
		PDPT + 8,
		PD + 8,
		PT + 8 * 20,
		PT + 8 * 511 + 4,
		PML4_OTHER,
		IDT,
		GDT,
		CODE,
		STACK,
		DESCRIPTOR,
		BATCH,
		0x20000 - 4,
		0x200000 - 4,
		0x200000,
		RAM_SIZE - 8,
		RAM_SIZE - 2,
		RAM_SIZE,
		DEVICE_GVA,
		DEVICE_GVA + 0x123,
		GTT_GVA,
		GTT_GVA + DOORBELL,
		GTT_GVA + 0x18,
		GTT_GVA + GTT_TABLE,
		GTT_GVA + GTT_TABLE + 8 * 511,
		SELF,
		SELF | 0x1ffull << 30,
		SELF | 0x1ffull << 30 | 0x1ffull << 21 | 0x1ffull << 12,
		0x7fffffffffff,
		0x7ffffffff000,
		0x800000000000,
		0xffff800000000000,
		0xfffffffffffffffc,
	};

	if (chance(w, 10))
		return odd_value(w);
	return places[below(w, sizeof(places) / sizeof(*places))];
}

static uint64_t operand(struct worker *w)
{
	static const uint64_t values[] = {
		PML4,
		PML4_OTHER,
		PML4 | 1,
		PML4 | 1ull << 63,
		PD,
		0xc0000080,
		0xc0000081,
		0xc0000082,
		0xc0000084,
		0xc0000100,
		0xc0000101,
		0x174,
		0x176,
		0x277,
		0x10,
		0x1b,
		0x1a0,
		0x1d9,
		0x48,
		0x6e0,
		0x80000031,
		0x80050033,
		0x80010031,
		0x60000010,
		0x20,
		0x300020,
		0x6a0,
		0x20020,
		0x500,
		0xd01,
		0x70656e01,
		1,
		2,
		3,
		4,
		0x400,
		0xffff0ff0,
		P_RW,
		PT | P_RWU,
		RAM_SIZE | P_RWU,
		LARGE | 7,
		0x4000001,
		0x40000000,
		0x80000001,
		7,
		GTT_GPA | 3,
		BATCH | 3,
		0x1000000007,
		1ull << 52 | 7,
		0xdeadbeef,
	};

	if (chance(w, 30))
		return pointer(w);
	if (chance(w, 15))
		return odd_value(w);
	return values[below(w, sizeof(values) / sizeof(*values))];
}

#define CODE_BYTES(text)               \
	{                              \
		sizeof(text) - 1, text \
	}
static const struct {
	uint8_t size;
	const char *bytes;
} instructions[] = {
	/* exits for the hypervisor alone */
	CODE_BYTES("\x0f\xa2"),		    /* cpuid */
	CODE_BYTES("\x0f\x01\xc1"),	    /* vmcall */
	CODE_BYTES("\x0f\x32"),		    /* rdmsr */
	CODE_BYTES("\x0f\x30"),		    /* wrmsr */
	CODE_BYTES("\x0f\x22\xd8"),	    /* mov cr3, rax */
	CODE_BYTES("\x0f\x20\xd8"),	    /* mov rax, cr3 */
	CODE_BYTES("\x0f\x22\xc0"),	    /* mov cr0, rax */
	CODE_BYTES("\x0f\x22\xe0"),	    /* mov cr4, rax */
	CODE_BYTES("\x44\x0f\x22\xc0"),	    /* mov cr8, rax */
	CODE_BYTES("\x44\x0f\x20\xc0"),	    /* mov rax, cr8 */
	CODE_BYTES("\x0f\x06"),		    /* clts */
	CODE_BYTES("\x0f\x01\xf0"),	    /* lmsw ax */
	CODE_BYTES("\x0f\x23\xf8"),	    /* mov dr7, rax */
	CODE_BYTES("\x0f\x23\xc0"),	    /* mov dr0, rax */
	CODE_BYTES("\x0f\x23\xf0"),	    /* mov dr6, rax */
	CODE_BYTES("\x0f\x21\xf0"),	    /* mov rax, dr6 */
	CODE_BYTES("\x0f\x23\xe0"),	    /* mov dr4, rax */
	CODE_BYTES("\x0f\x01\x3f"),	    /* invlpg [rdi] */
	CODE_BYTES("\x66\x0f\x38\x82\x07"), /* invpcid rax, [rdi] */
	CODE_BYTES("\x0f\x01\xd1"),	    /* xsetbv */
	CODE_BYTES("\x0f\x33"),		    /* rdpmc */
	CODE_BYTES("\x0f\x01\xf9"),	    /* rdtscp */
	CODE_BYTES("\x0f\x01\xc8"),	    /* monitor */
	CODE_BYTES("\x0f\x01\xc9"),	    /* mwait */
	CODE_BYTES("\x0f\x09"),		    /* wbinvd */
	CODE_BYTES("\x0f\x08"),		    /* invd */
	CODE_BYTES("\x0f\x01\xc2"),	    /* vmlaunch */
	CODE_BYTES("\xf3\x0f\xc7\x37"),	    /* vmxon [rdi] */
	CODE_BYTES("\x0f\xc7\x37"),	    /* vmptrld [rdi] */
	CODE_BYTES("\x66\x0f\x38\x80\x07"), /* invept rax, [rdi] */
	CODE_BYTES("\x0f\x01\xd4"),	    /* vmfunc */
	CODE_BYTES("\x0f\x0b"),		    /* ud2 */
	/* exits to user space */
	CODE_BYTES("\xee"),	    /* out dx, al */
	CODE_BYTES("\xef"),	    /* out dx, eax */
	CODE_BYTES("\x66\xef"),	    /* out dx, ax */
	CODE_BYTES("\xe6\x80"),	    /* out 0x80, al */
	CODE_BYTES("\xec"),	    /* in al, dx */
	CODE_BYTES("\xed"),	    /* in eax, dx */
	CODE_BYTES("\x66\xe5\x71"), /* in ax, 0x71 */
	CODE_BYTES("\x6e"),	    /* outsb */
	CODE_BYTES("\x6f"),	    /* outsd */
	CODE_BYTES("\xf3\x6e"),	    /* rep outsb */
	CODE_BYTES("\xf3\x66\x6f"), /* rep outsw */
	CODE_BYTES("\x67\xf3\x6f"), /* rep outsd, 32-bit addresses */
	CODE_BYTES("\x6c"),	    /* insb */
	CODE_BYTES("\xf4"),	    /* hlt */
	/* memory: tables, devices, nothing */
	CODE_BYTES("\x48\x89\x07"), /* mov [rdi], rax */
	CODE_BYTES("\x48\x89\x07"), CODE_BYTES("\x48\x89\x07"),
	CODE_BYTES("\x89\x07"),			/* mov [rdi], eax */
	CODE_BYTES("\x66\x89\x07"),		/* mov [rdi], ax */
	CODE_BYTES("\x88\x07"),			/* mov [rdi], al */
	CODE_BYTES("\x48\x8b\x07"),		/* mov rax, [rdi] */
	CODE_BYTES("\x8a\x06"),			/* mov al, [rsi] */
	CODE_BYTES("\x0f\xb6\x06"),		/* movzx eax, byte [rsi] */
	CODE_BYTES("\x48\x0f\xbf\x06"),		/* movsx rax, word [rsi] */
	CODE_BYTES("\x48\x8b\x47\xfd"),		/* mov rax, [rdi - 3] */
	CODE_BYTES("\xc7\x07\x67\x00\x00\x00"), /* mov dword [rdi], 0x67 */
	CODE_BYTES("\xf0\x48\x0f\xc1\x07"),	/* lock xadd [rdi], rax */
	CODE_BYTES("\xf0\x48\x0f\xb1\x17"),	/* lock cmpxchg [rdi], rdx */
	CODE_BYTES("\x48\x87\x07"),		/* xchg [rdi], rax */
	CODE_BYTES("\xf0\x0f\xba\x2f\x05"),	/* lock bts dword [rdi], 5 */
	CODE_BYTES("\x48\x83\x0f\x60"),		/* or qword [rdi], 0x60 */
	CODE_BYTES("\x48\xab"),			/* stosq */
	CODE_BYTES("\xf3\x48\xab"),		/* rep stosq */
	CODE_BYTES("\x48\xa5"),			/* movsq */
	CODE_BYTES("\xf3\xa4"),			/* rep movsb */
	CODE_BYTES("\x0f\x29\x07"),		/* movaps [rdi], xmm0 */
	CODE_BYTES("\x0f\xae\x07"),		/* fxsave [rdi] */
	CODE_BYTES("\x0f\xae\x0e"),		/* fxrstor [rsi] */
	CODE_BYTES("\x0f\xc7\x0f"),		/* cmpxchg8b [rdi] */
	CODE_BYTES("\xff\x37"),			/* push [rdi] */
	CODE_BYTES("\x48\x8b\xe7"),		/* mov rsp, rdi */
	CODE_BYTES("\x50"),			/* push rax */
	CODE_BYTES("\x8f\x07"),			/* pop [rdi] */
	CODE_BYTES("\xff\xe7"),			/* jmp rdi */
	/* events and state */
	CODE_BYTES("\xcc"),			    /* int3 */
	CODE_BYTES("\xcd\x80"),			    /* int 0x80 */
	CODE_BYTES("\xcd\x0e"),			    /* int 14 */
	CODE_BYTES("\xf1"),			    /* int1 */
	CODE_BYTES("\xfb"),			    /* sti */
	CODE_BYTES("\xfa"),			    /* cli */
	CODE_BYTES("\x9d"),			    /* popf */
	CODE_BYTES("\x50\x9d"),			    /* push rax; popf: any flags, TF too */
	CODE_BYTES("\x48\xcf"),			    /* iretq */
	CODE_BYTES("\x0f\x05"),			    /* syscall */
	CODE_BYTES("\x48\x0f\x07"),		    /* sysretq */
	CODE_BYTES("\x0f\x34"),			    /* sysenter */
	CODE_BYTES("\x8e\xd0"),			    /* mov ss, ax */
	CODE_BYTES("\x8e\xe8"),			    /* mov gs, ax */
	CODE_BYTES("\x0f\x01\x17"),		    /* lgdt [rdi] */
	CODE_BYTES("\x0f\x01\x1f"),		    /* lidt [rdi] */
	CODE_BYTES("\x0f\x00\xd8"),		    /* ltr ax */
	CODE_BYTES("\x0f\x01\x07"),		    /* sgdt [rdi] */
	CODE_BYTES("\x0f\x01\xf8"),		    /* swapgs */
	CODE_BYTES("\xf3\x48\x0f\xae\xd8"),	    /* wrgsbase rax */
	CODE_BYTES("\x0f\x01\xcb"),		    /* stac */
	CODE_BYTES("\x0f\x31"),			    /* rdtsc */
	CODE_BYTES("\xfd"),			    /* std */
	CODE_BYTES("\xfc"),			    /* cld */
	CODE_BYTES("\xf3\x90"),			    /* pause */
	CODE_BYTES("\x48\xc7\xc1\x04\x00\x00\x00"), /* mov rcx, 4: a short count */
	CODE_BYTES("\x66\xba\xf8\x03"),		    /* mov dx, 0x3f8 */
};

struct code {
	uint8_t bytes[1024];
	size_t size;
};

static void emit(struct code *c, const void *bytes, size_t size)
{
	if (c->size + size > sizeof(c->bytes))
		return;
	memcpy(c->bytes + c->size, bytes, size);
	c->size += size;
}

/* mov REG, VALUE */
static void emit_load(struct code *c, unsigned int reg, uint64_t value)
{
	uint8_t bytes[10] = { 0x48, 0xb8 + reg };

	memcpy(bytes + 2, &value, 8);
	emit(c, bytes, sizeof(bytes));
}

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

void guest_program(struct worker *w)
{
	static __thread struct code c;
	unsigned int pieces = 1 + below(w, 12), i;
	uint64_t descriptor[2];

	c.size = 0;
	for (i = 0; i < pieces; i++) {
		unsigned int n = below(w, sizeof(instructions) / sizeof(*instructions));

		if (chance(w, 70))
			emit_load(&c, RDI, pointer(w));
		if (chance(w, 50))
			emit_load(&c, RAX, operand(w));
		if (chance(w, 25))
			emit_load(&c, RCX, operand(w));
		if (chance(w, 20))
			emit_load(&c, RSI, pointer(w));
		if (chance(w, 10))
			emit_load(&c, RDX, operand(w));
		if (chance(w, 10))
			emit_load(&c, RBX, pointer(w));
		emit(&c, instructions[n].bytes, instructions[n].size);
	}
	switch (below(w, 10)) {
	case 0: /* for ever, without an exit */
		emit(&c, "\xeb\xfe", 2);
		break;
	case 1: /* again, with all its exits */
		emit(&c, "\xe9", 1);
		emit(&c, &(int32_t){ -(int32_t)(c.size + 4) }, 4);
		break;
	case 2: { /* whatever these bytes are */
		uint64_t bytes[8];

		for (i = 0; i < 8; i++)
			bytes[i] = rnd(w);
		emit(&c, bytes, sizeof(bytes));
		break;
	}
	default: /* a word to user space, and again */
		emit(&c, "\xe6\xf4\xe9", 3);
		emit(&c, &(int32_t){ -(int32_t)(c.size + 4) }, 4);
	}
	touch(w, w->m->ram + CODE, c.bytes, c.size);
	descriptor[0] = operand(w);
	descriptor[1] = pointer(w);
	touch(w, w->m->ram + DESCRIPTOR, descriptor, sizeof(descriptor));
}

void guest_sregs(struct worker *w, struct kvm_sregs *s)
{
	const struct kvm_segment code = {
		.limit = ~0u, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1, .selector = 8
	};
	const struct kvm_segment data = {
		.limit = ~0u, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1, .selector = 16
	};

	memset(s, 0, sizeof(*s));
	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = (struct kvm_segment){
		.base = GDT + 0x800, .limit = 0x67, .type = 11, .present = 1
	};
	s->ldt.unusable = 1;
	s->gdt = (struct kvm_dtable){ .base = GDT, .limit = 39 };
	s->idt = (struct kvm_dtable){ .base = IDT, .limit = 0xfff };
	s->cr0 = 0x80000031 | (chance(w, 50) ? 1 << 16 : 0);
	s->cr3 = chance(w, 90) ? PML4 : PML4_OTHER;
	s->cr4 = 0x620;
	if (chance(w, 20))
		s->cr4 |= 1 << 7; /* global pages */
	if (chance(w, 20))
		s->cr4 |= 1 << 17; /* PCID */
	if (chance(w, 10))
		s->cr4 |= 3 << 20; /* SMEP, SMAP */
	s->efer = 0xd01;
}

void guest_regs(struct worker *w, struct kvm_regs *r)
{
	memset(r, 0, sizeof(*r));
	r->rip = CODE;
	r->rflags = 2 | (chance(w, 10) ? 0x200 : 0) | (chance(w, 3) ? 0x100 : 0);
	r->rsp = chance(w, 90) ? STACK : pointer(w);
	r->rax = operand(w);
	r->rcx = chance(w, 50) ? below(w, 20) : operand(w);
	r->rdx = chance(w, 50) ? below(w, 0x10000) : operand(w);
	r->rbx = pointer(w);
	r->rsi = pointer(w);
	r->rdi = pointer(w);
}

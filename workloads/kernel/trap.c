// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions: the tables the CPU wants, and the decision what an exception means. In order of
 * preference it is work (demand paging, copy on write, a workload's hook), it was expected (a
 * fixup, a guard), or it ends the run with a line of registers and status 3.
 */
#include "internal.h"

struct idt_gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, zero;
};

struct tss {
	u32 zero;
	u64 rsp[3];
	u64 zero2, ist[7], zero3;
	u16 zero4, iomap;
} __attribute__((packed));

#define VECTORS	    32
#define STUB_STRIDE 16
#define GATE_INTR   0x8e
#define FAULT_STACK 4096

struct fault last_fault = { .vector = -1 };
bool (*pf_hook)(struct regs *regs, u64 va);

static struct idt_gate idt[VECTORS] __attribute__((aligned(16)));
static struct tss tss;
static u8 df_stack[FAULT_STACK] __attribute__((aligned(16)));

void trap_set_gate(u32 vector, void (*handler)(void))
{
	u64 at = handler ? (u64)handler : (u64)vector_stubs + vector * STUB_STRIDE;

	idt[vector] = (struct idt_gate){
		.offset_low = (u16)at,
		.selector = KERNEL_CS,
		.ist = vector == VECTOR_DF ? 1 : 0,
		.type = GATE_INTR,
		.offset_mid = (u16)(at >> 16),
		.offset_high = (u32)(at >> 32),
	};
}

void trap_init(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (u64)idt };
	u64 base = (u64)&tss;

	for (u32 i = 0; i < VECTORS; i++)
		trap_set_gate(i, NULL);
	asm volatile("lidt %0" : : "m"(pointer));

	/* 64-bit TSS, available (SDM 3A, 8.2.3). No I/O bitmap: ring 3 has no ports. */
	tss.iomap = sizeof(tss);
	tss.ist[0] = (u64)df_stack + sizeof(df_stack);
	gdt_tss[0] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 |
		     (base >> 24 & 0xff) << 56;
	gdt_tss[1] = base >> 32;
	asm volatile("ltr %w0" : : "r"(TSS_SEL));

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (u64)(USER_DS - 8) << 48 | (u64)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_FMASK, RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_AC);
}

/* From now on a trap from ring 3 is saved here. */
void trap_set_frame(struct regs *frame)
{
	cur_frame_end = (u64)(frame + 1);
	tss.rsp[0] = cur_frame_end;
}

static noreturn void unexpected(const struct regs *r, u64 cr2)
{
	static bool again;

	if (again)
		guest_exit(GUEST_STATUS_EXCEPTION);
	again = true;
	printf("guest: unexpected exception vector=%lu error=0x%lx cr2=0x%lx rip=0x%lx cs=0x%lx "
	       "rflags=0x%lx rsp=0x%lx ss=0x%lx cr0=0x%lx cr3=0x%lx cr4=0x%lx rax=0x%lx rbx=0x%lx "
	       "rcx=0x%lx rdx=0x%lx rsi=0x%lx rdi=0x%lx rbp=0x%lx r8=0x%lx r9=0x%lx r10=0x%lx "
	       "r11=0x%lx r12=0x%lx r13=0x%lx r14=0x%lx r15=0x%lx\n",
	       r->vector, r->error, cr2, r->rip, r->cs, r->rflags, r->rsp, r->ss, read_cr0(),
	       read_cr3(), read_cr4(), r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp,
	       r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15);
	guest_exit(GUEST_STATUS_EXCEPTION);
}

static void record(const struct regs *r, u64 cr2)
{
	last_fault = (struct fault){
		.vector = (int)r->vector,
		.error = r->error,
		.cr2 = cr2,
		.rip = r->rip,
		.user = r->cs & 3,
	};
}

struct regs *trap_from_user(struct regs *regs)
{
	u64 cr2 = 0;

	if (regs->vector == VECTOR_PF) {
		counts.pf++;
		cr2 = read_cr2();
		if (pf_hook && pf_hook(regs, cr2))
			return regs;
		if (mm_fault(cr2, regs->error))
			return regs;
	}
	record(regs, cr2);
	if (guard_sp)
		guard_unwind((int)regs->vector);
	unexpected(regs, cr2);
}

void trap_from_kernel(struct regs *regs)
{
	u64 cr2 = 0;

	if (regs->vector == VECTOR_PF) {
		counts.pf++;
		cr2 = read_cr2();
	}
	record(regs, cr2);
	for (const u64 *e = extable_start; e < extable_end; e += 2) {
		if (e[0] == regs->rip) {
			regs->rip = e[1];
			return;
		}
	}
	if (probe_exec_target && regs->rip == probe_exec_target) {
		regs->rip = (u64)probe_exec_faulted;
		return;
	}
	if (guard_sp)
		guard_unwind((int)regs->vector);
	unexpected(regs, cr2);
}

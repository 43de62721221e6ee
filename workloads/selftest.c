// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the guest kernel itself, and through it of the machine below: every rule of paging that
 * the workloads rely on, tried once, plus table updates by every kind of store. Prints TAP. What
 * passes on the bare machine must pass under every hypervisor and mode.
 */
#include "harness/harness.h"

#define WINDOW			 (KERNEL_WINDOW + (8ul << 30)) /* out of the way of other users */
#define USER_PAGE		 (USER_HEAP + 0x10000000)
#define RET_OPCODE		 0xc3
#define RECURSIVE		 3 /* a free PML4 slot */
#define RECURSIVE_VA(a, b, c, d) ((u64)(a) << 39 | (u64)(b) << 30 | (u64)(c) << 21 | (u64)(d) << 12)

struct test {
	const char *name;
	bool (*fn)(void);
};

static u64 load(u64 va)
{
	return *(volatile u64 *)va;
}

static void store(u64 va, u64 value)
{
	*(volatile u64 *)va = value;
}

static bool expect(const char *what, u64 got, u64 want)
{
	if (got == want)
		return true;
	printf("# %s: 0x%lx, should be 0x%lx\n", what, got, want);
	return false;
}

/* A caught page fault must have this error code and address. */
static bool faulted(int caught, u64 error, u64 va)
{
	return expect("caught", (u64)caught, 1) &&
	       expect("vector", (u64)last_fault.vector, VECTOR_PF) &&
	       expect("error code", last_fault.error, error) && expect("CR2", last_fault.cr2, va);
}

/* The I/D bit of the error code is defined where fetches can be refused (SDM 3A, 4.7). */
static u64 fetch_bit(void)
{
	return cpu.nx || cpu.smep ? PF_I : 0;
}

static u64 new_frame(u64 tag)
{
	u64 pa = frame_alloc();

	zero_page(pa);
	*(u64 *)pa = tag;
	return pa;
}

static u64 *map(u64 va, u64 pa, u64 flags)
{
	u64 *entry = pte_lookup(&kernel_mm, va, flags & PTE_LARGE ? 2 : 1, true);

	pte_write(entry, pa | pte_flags(flags | PTE_P));
	return entry;
}

static void unmap(u64 *entry, u64 va)
{
	pte_write(entry, 0);
	tlb_flush_kernel_page(va);
}

/* ---- allocator ---- */

static bool test_frames(void)
{
	u64 before, a, b, large;
	bool ok;

	/* The first of each may skip an unaligned rest, which is then gone for good. */
	frame_put_large(frame_alloc_large());
	before = frames_free();
	a = frame_alloc();
	b = frame_alloc();
	large = frame_alloc_large();
	ok = expect("free", frames_free(), before - 2 - 512) && a != b &&
	     expect("alignment", large % LARGE_SIZE, 0);

	frame_get(a);
	ok &= expect("freed too early", frame_put(a), false);
	ok &= expect("not freed", frame_put(a), true);
	ok &= expect("last in, first out", frame_alloc(), a);
	frame_put(a);
	frame_put(b);
	frame_put_large(large);
	return ok & expect("free afterwards", frames_free(), before);
}

/* ---- kernel mappings ---- */

static bool test_map(void)
{
	u64 a = new_frame(0xa), b = new_frame(0xb);
	bool ok = faulted(probe_read(WINDOW), 0, WINDOW);
	u64 *entry = map(WINDOW, a, PTE_W | PTE_NX); /* becomes present: no flush */

	ok &= expect("first frame", load(WINDOW), 0xa);
	pte_write(entry, b | pte_flags(PTE_P | PTE_W | PTE_NX));
	tlb_flush_kernel_page(WINDOW);
	ok &= expect("second frame", load(WINDOW), 0xb);
	unmap(entry, WINDOW);
	ok &= faulted(probe_read(WINDOW), 0, WINDOW);
	ok &= faulted(probe_write(WINDOW + 8, 1), PF_W, WINDOW + 8);
	frame_put(a);
	frame_put(b);
	return ok;
}

static bool test_alias(void)
{
	u64 pa = new_frame(1);
	u64 *one = map(WINDOW, pa, PTE_W | PTE_NX), *two = map(WINDOW + LARGE_SIZE, pa, PTE_NX);
	bool ok;

	store(WINDOW, 0x1234);
	ok = expect("alias", load(WINDOW + LARGE_SIZE), 0x1234);
	ok &= expect("direct map", load(pa), 0x1234);
	ok &= faulted(probe_write(WINDOW + LARGE_SIZE, 1), PF_P | PF_W, WINDOW + LARGE_SIZE);
	unmap(one, WINDOW);
	unmap(two, WINDOW + LARGE_SIZE);
	frame_put(pa);
	return ok;
}

static bool test_write_protect(void)
{
	u64 pa = new_frame(1);
	u64 *entry = map(WINDOW, pa, PTE_NX);
	bool ok = faulted(probe_write(WINDOW, 2), PF_P | PF_W, WINDOW);

	write_cr0(read_cr0() & ~CR0_WP);
	ok &= expect("write with WP=0", (u64)probe_write(WINDOW, 3), 0);
	write_cr0(read_cr0() | CR0_WP);
	ok &= faulted(probe_write(WINDOW, 4), PF_P | PF_W, WINDOW);
	ok &= expect("content", load(pa), 3);
	pte_write(entry, pte_read(entry) | PTE_W); /* more rights: no flush */
	ok &= expect("write after upgrade", (u64)probe_write(WINDOW, 5), 0);
	pte_write(entry, pte_read(entry) & ~PTE_W);
	tlb_flush_kernel_page(WINDOW);
	ok &= faulted(probe_write(WINDOW, 6), PF_P | PF_W, WINDOW);
	unmap(entry, WINDOW);
	frame_put(pa);
	return ok;
}

static bool test_nx(void)
{
	u64 pa = new_frame(RET_OPCODE);
	u64 *entry = map(WINDOW, pa, PTE_W);
	bool ok = expect("execute", (u64)probe_exec(WINDOW), 0);

	if (cpu.nx) {
		pte_write(entry, pte_read(entry) | PTE_NX);
		tlb_flush_kernel_page(WINDOW);
		ok &= faulted(probe_exec(WINDOW), PF_P | PF_I, WINDOW);
	}
	unmap(entry, WINDOW);
	ok &= faulted(probe_exec(WINDOW), fetch_bit(), WINDOW);
	frame_put(pa);
	return ok;
}

static bool test_reserved(void)
{
	u64 reserved = PTE_ADDR & ~cpu.phys_mask;
	u64 pa = new_frame(1), *entry, *upper;
	bool ok = true;

	if (!reserved)
		return true; /* all 52 address bits are real here */
	reserved &= -reserved;
	entry = map(WINDOW, pa | reserved, PTE_W);
	ok &= faulted(probe_read(WINDOW), PF_P | PF_RSVD, WINDOW);
	ok &= faulted(probe_write(WINDOW, 1), PF_P | PF_W | PF_RSVD, WINDOW);
	unmap(entry, WINDOW);
	/* The same one level up. */
	entry = map(WINDOW, pa, PTE_W);
	ok &= expect("read", load(WINDOW), 1);
	upper = pte_lookup(&kernel_mm, WINDOW, 2, false);
	pte_write(upper, pte_read(upper) | reserved);
	tlb_flush_kernel_page(WINDOW);
	ok &= faulted(probe_read(WINDOW), PF_P | PF_RSVD, WINDOW);
	pte_write(upper, pte_read(upper) & ~reserved);
	tlb_flush_kernel_page(WINDOW);
	ok &= expect("read afterwards", load(WINDOW), 1);
	unmap(entry, WINDOW);
	frame_put(pa);
	return ok;
}

static bool test_accessed_dirty(void)
{
	u64 pa = new_frame(7);
	u64 *entry = pte_lookup(&kernel_mm, WINDOW, 1, true);
	u64 flags = pte_flags(PTE_P | PTE_W | PTE_NX) & ~(PTE_A | PTE_D), ad = PTE_A | PTE_D;
	bool ok;

	pte_write(entry, pa | flags);
	ok = expect("A, D before", pte_read(entry) & ad, 0);
	load(WINDOW);
	ok &= expect("A, D after a read", pte_read(entry) & ad, PTE_A);
	store(WINDOW, 8);
	ok &= expect("A, D after a write", pte_read(entry) & ad, PTE_A | PTE_D);
	pte_write(entry, pa | flags | PTE_A);
	tlb_flush_kernel_page(WINDOW);
	load(WINDOW);
	ok &= expect("A, D, cleaned, after a read", pte_read(entry) & ad, PTE_A);
	store(WINDOW, 9);
	ok &= expect("A, D, cleaned, after a write", pte_read(entry) & ad, PTE_A | PTE_D);
	pte_write(entry, pa | flags);
	tlb_flush_kernel_page(WINDOW);
	store(WINDOW, 10);
	ok &= expect("A, D after a first write", pte_read(entry) & ad, PTE_A | PTE_D);
	pte_write(entry, pa | (flags & ~PTE_W));
	tlb_flush_kernel_page(WINDOW);
	ok &= faulted(probe_write(WINDOW, 11), PF_P | PF_W, WINDOW);
	ok &= expect("D after a refused write", pte_read(entry) & PTE_D, 0);
	unmap(entry, WINDOW);
	frame_put(pa);
	return ok;
}

static bool test_large(void)
{
	u64 va = WINDOW + (1ul << 30), pa = frame_alloc_large();
	u64 *entry = pte_lookup(&kernel_mm, va, 2, true), *table;
	u64 flags = pte_flags(PTE_P | PTE_W | PTE_NX) & ~(PTE_A | PTE_D);
	bool ok = true;

	for (u64 off = 0; off < LARGE_SIZE; off += PAGE_SIZE)
		store(pa + off, off + 1);
	pte_write(entry, pa | flags | PTE_LARGE);
	for (u64 off = 0; off < LARGE_SIZE; off += 37 * PAGE_SIZE)
		ok &= expect("2 MiB page", load(va + off), off + 1);
	ok &= expect("A, D after reads", pte_read(entry) & (PTE_A | PTE_D), PTE_A);
	store(va + 5 * PAGE_SIZE, 99);
	ok &= expect("direct map", load(pa + 5 * PAGE_SIZE), 99);
	ok &= expect("A, D after a write", pte_read(entry) & (PTE_A | PTE_D), PTE_A | PTE_D);
	/* Split it, one page missing. */
	table = (u64 *)frame_alloc();
	for (u64 i = 0; i < 512; i++)
		table[i] = i == 7 ? 0 : (pa + i * PAGE_SIZE) | flags;
	pte_write(entry, (u64)table | pte_flags(PTE_P | PTE_W));
	tlb_flush_kernel_page(va);
	/* INVLPG drops the whole page's translation, however it was cached (SDM 3A, 4.10.4.1). */
	ok &= expect("after the split", load(va + 5 * PAGE_SIZE), 99);
	ok &= faulted(probe_read(va + 7 * PAGE_SIZE), 0, va + 7 * PAGE_SIZE);
	pte_write(entry, 0);
	for (u64 off = 0; off < LARGE_SIZE; off += PAGE_SIZE)
		tlb_flush_page(va + off);
	tlb_load(current_mm, true);
	frame_put((u64)table);
	frame_put_large(pa);
	return ok;
}

/* Rights are the AND over all levels. */
static bool test_upper_levels(void)
{
	u64 pa = new_frame(RET_OPCODE), va = WINDOW + (2ul << 30);
	u64 *entry = map(va, pa, PTE_W);
	bool ok = expect("write", (u64)probe_write(va, RET_OPCODE), 0);

	for (int level = 2; level <= 3; level++) {
		u64 *upper = pte_lookup(&kernel_mm, va, level, false), value = pte_read(upper);

		pte_write(upper, value & ~PTE_W);
		tlb_flush_kernel_page(va);
		ok &= faulted(probe_write(va, 1), PF_P | PF_W, va);
		if (cpu.nx) {
			pte_write(upper, value | PTE_NX);
			tlb_flush_kernel_page(va);
			ok &= faulted(probe_exec(va), PF_P | PF_I, va);
		}
		pte_write(upper, 0);
		tlb_flush_kernel_page(va);
		ok &= faulted(probe_read(va), 0, va);
		pte_write(upper, value);
		ok &= expect("read", load(va) & 0xff, RET_OPCODE);
		ok &= expect("execute", (u64)probe_exec(va), 0);
	}
	unmap(entry, va);
	frame_put(pa);
	return ok;
}

static bool test_recursive(void)
{
	u64 *root = (u64 *)kernel_mm.root, *entry;
	u64 slot = RECURSIVE, a = new_frame(0xa), b = new_frame(0xb);
	u64 window_pte = (slot << 39) | (WINDOW >> 12 & ((1ul << 36) - 1)) << 3;
	bool ok;

	mm_switch(&kernel_mm);
	entry = map(WINDOW, a, PTE_W | PTE_NX);
	pte_write(&root[slot], kernel_mm.root | pte_flags(PTE_P | PTE_W | PTE_NX));
	ok = expect("the root through itself",
		    load(RECURSIVE_VA(slot, slot, slot, slot) + slot * 8) & PTE_ADDR,
		    kernel_mm.root);
	ok &= expect("an entry through the root", load(window_pte) & PTE_ADDR, a);
	ok &= expect("before", load(WINDOW), 0xa);
	counts.pte++;
	store(window_pte, b | pte_flags(PTE_P | PTE_W | PTE_NX));
	tlb_flush_kernel_page(WINDOW);
	ok &= expect("remapped through the root", load(WINDOW), 0xb);
	ok &= expect("seen in the table", pte_read(entry) & PTE_ADDR, b);
	pte_write(&root[slot], 0);
	tlb_load(&kernel_mm, true);
	ok &= faulted(probe_read(window_pte), 0, window_pte);
	unmap(entry, WINDOW);
	frame_put(a);
	frame_put(b);
	return ok;
}

static bool test_pge_flush(void)
{
	u64 a = new_frame(0xa), b = new_frame(0xb);
	u64 *entry = map(WINDOW, a, PTE_W | PTE_NX | PTE_G);
	u64 cr4 = read_cr4();
	bool ok = expect("before", load(WINDOW), 0xa);

	pte_write(entry, b | pte_flags(PTE_P | PTE_W | PTE_NX | PTE_G));
	write_cr4(cr4 ^ CR4_PGE); /* a change of PGE forgets everything (SDM 3A, 4.10.4.1) */
	ok &= expect("after", load(WINDOW), 0xb);
	write_cr4(cr4);
	unmap(entry, WINDOW);
	frame_put(a);
	frame_put(b);
	return ok;
}

/* A table that the guest frees and uses as data, and data that becomes a table. */
static bool test_table_reuse(void)
{
	u64 va = WINDOW + (3ul << 30), pa = new_frame(0x77), other = new_frame(0x88);
	u64 *entry = map(va, pa, PTE_W), *upper = pte_lookup(&kernel_mm, va, 2, false);
	u64 value = pte_read(upper), table = value & PTE_ADDR;
	u64 *fresh = (u64 *)new_frame(0);
	bool ok = expect("before", load(va), 0x77);

	(void)entry;
	fresh[va >> 12 & 511] = other | pte_flags(PTE_P | PTE_W);
	pte_write(upper, (u64)fresh | pte_flags(PTE_P | PTE_W));
	tlb_flush_kernel_page(va);
	ok &= expect("through the new table", load(va), 0x88);
	for (u64 i = 0; i < 512; i++)
		((u64 *)table)[i] = 0x1111111111111111 * (i % 16);
	ok &= expect("still", load(va), 0x88);
	pte_write(upper, 0);
	tlb_flush_kernel_page(va);
	ok &= faulted(probe_read(va), 0, va);
	frame_put(table);
	frame_put((u64)fresh);
	frame_put(pa);
	frame_put(other);
	return ok;
}

/* ---- every way to store an entry ---- */

#define STORE_KINDS 20

/* Makes *entry equal to new by one kind of store; old is what it holds. */
static void store_entry(u32 how, u64 *entry, u64 old, u64 new)
{
	u32 lo = (u32) new, hi = (u32)(new >> 32);
	u64 count = 1, from = (u64) & new, to = (u64)entry, diff = old ^ new;

	switch (how) {
	case 0:
		asm volatile("movq %1, %0" : "=m"(*entry) : "r"(new));
		break;
	case 1:
		asm volatile("xchg %0, %1" : "+m"(*entry), "+r"(new));
		break;
	case 2:
		asm volatile("lock cmpxchg %2, %0" : "+m"(*entry), "+a"(old) : "r"(new));
		break;
	case 3: /* low half, then high half: as a PAE kernel would */
		asm volatile("movl %2, %0; movl %3, %1"
			     : "=m"(((u32 *)entry)[0]), "=m"(((u32 *)entry)[1])
			     : "r"(lo), "r"(hi));
		break;
	case 4:
		asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(new) : "memory");
		break;
	case 5:
		asm volatile("movsq" : "+D"(to), "+S"(from) : : "memory");
		break;
	case 6:
		asm volatile("lock xor %1, %0" : "+m"(*entry) : "r"(diff));
		break;
	case 7:
		asm volatile("add %1, %0" : "+m"(*entry) : "r"(new - old));
		break;
	case 8:
		asm volatile("sub %1, %0" : "+m"(*entry) : "r"(old - new));
		break;
	case 9: {
		u64 delta = new - old;

		asm volatile("lock xadd %1, %0" : "+m"(*entry), "+r"(delta));
		break;
	}
	case 10:
		asm volatile("movnti %1, %0" : "=m"(*entry) : "r"(new));
		break;
	case 11: /* byte by byte */
		for (u32 i = 0; i < 8; i++)
			asm volatile("movb %1, %0"
				     : "=m"(((u8 *)entry)[i])
				     : "q"((u8)(new >> i * 8)));
		break;
	case 12:
		asm volatile("lock cmpxchg8b %0"
			     : "+m"(*entry)
			     : "a"((u32)old), "d"((u32)(old >> 32)), "b"(lo), "c"(hi)
			     : "cc");
		break;
	case 13: /* bit by bit, those that differ */
		for (u64 i = 0; i < 64; i++) {
			if (diff >> i & 1)
				asm volatile("lock btc %1, %0" : "+m"(*entry) : "r"(i) : "memory");
		}
		break;
	case 14:
		asm volatile("andq $0, %0; orq %1, %0" : "+m"(*entry) : "r"(new));
		break;
	case 15: /* from the stack: POP to memory */
		asm volatile("push %1; popq %0" : "=m"(*entry) : "r"(new));
		break;
	case 16: /* the table as a stack: PUSH */
		asm volatile("mov %%rsp, %%rax; lea 8(%0), %%rsp; push %1; mov %%rax, %%rsp"
			     :
			     : "r"(entry), "r"(new)
			     : "rax", "memory");
		break;
	case 17: /* not, inc, dec, neg: there and back, then the value */
		asm volatile("notq %0; incq %0; decq %0; negq %0; movq %1, %0"
			     : "+m"(*entry)
			     : "r"(new));
		break;
	case 18: /* rotate both ways, then words */
		asm volatile("rolq $7, %0; rorq $7, %0" : "+m"(*entry));
		for (u32 i = 0; i < 4; i++)
			asm volatile("movw %1, %0"
				     : "=m"(((u16 *)entry)[i])
				     : "r"((u16)(new >> i * 16)));
		break;
	default: /* SETcc and a sign-extended immediate */
		asm volatile("cmp %%eax, %%eax; sete %0" : "=m"(*(u8 *)entry) : : "cc");
		asm volatile("movq $-1, %0; movq %1, %0" : "=m"(*entry) : "r"(new));
		break;
	}
}

static bool test_store_kinds(void)
{
	u64 a = new_frame(0xaaa), b = new_frame(0xbbb), c = new_frame(0xccc);
	u64 flags = pte_flags(PTE_P | PTE_W | PTE_NX) | PTE_A | PTE_D;
	u64 *entry = map(WINDOW, a, PTE_W | PTE_NX);
	u64 *next = map(WINDOW + PAGE_SIZE, c, PTE_W | PTE_NX);
	bool ok = true;

	pte_write(entry, a | flags);
	pte_write(next, c | flags);
	for (u32 how = 0; how < STORE_KINDS; how++) {
		u64 old = how % 2 ? b : a, new = how % 2 ? a : b;

		if (!expect("before", load(WINDOW), how % 2 ? 0xbbb : 0xaaa))
			ok = false;
		counts.pte++;
		store_entry(how, entry, old | flags, new | flags);
		tlb_flush_kernel_page(WINDOW);
		if (load(WINDOW) != (how % 2 ? 0xaaa : 0xbbb) ||
		    load(WINDOW + PAGE_SIZE) != 0xccc) {
			printf("# store kind %u has not remapped the page\n", how);
			ok = false;
		}
	}
	/* Two entries by one instruction each: unaligned, and 16 bytes wide. */
	{
		u64 pair[2] = { b | flags, c | flags };
		u64 middle = pair[0] >> 32 | pair[1] << 32;

		counts.pte += 2;
		*(volatile u32 *)entry = (u32)pair[0];
		asm volatile("movq %1, %0" : "=m"(*(u64 *)((u8 *)entry + 4)) : "r"(middle));
		tlb_flush_kernel_page(WINDOW);
		tlb_flush_kernel_page(WINDOW + PAGE_SIZE);
		ok &= expect("unaligned store, first page", load(WINDOW), 0xbbb);
		ok &= expect("unaligned store, second page", load(WINDOW + PAGE_SIZE), 0xccc);
	}
	if (((u64)entry & 15) == 0) {
		bool swapped;

		counts.pte += 2;
		asm volatile("lock cmpxchg16b %0; sete %1"
			     : "+m"(*(unsigned __int128 *)entry), "=q"(swapped)
			     : "a"(b | flags), "d"(c | flags), "b"(c | flags), "c"(a | flags)
			     : "cc");
		tlb_flush_kernel_page(WINDOW);
		tlb_flush_kernel_page(WINDOW + PAGE_SIZE);
		ok &= expect("cmpxchg16b", swapped, true);
		ok &= expect("cmpxchg16b, first page", load(WINDOW), 0xccc);
		ok &= expect("cmpxchg16b, second page", load(WINDOW + PAGE_SIZE), 0xaaa);
	}
	unmap(entry, WINDOW);
	unmap(next, WINDOW + PAGE_SIZE);
	frame_put(a);
	frame_put(b);
	frame_put(c);
	return ok;
}

/* Clear a whole table the way a kernel clears pages, and fill one by copying. */
static bool test_store_bulk(void)
{
	u64 va = WINDOW + (4ul << 30), count = 512, flags = pte_flags(PTE_P | PTE_W | PTE_NX);
	u64 frames[16], *entry = pte_lookup(&kernel_mm, va, 1, true);
	u64 *model = (u64 *)new_frame(0), *to, *from;
	bool ok = true;

	for (u64 i = 0; i < 16; i++) {
		frames[i] = new_frame(i + 1);
		model[i] = frames[i] | flags;
	}
	for (u32 round = 0; round < 2; round++) {
		to = entry;
		from = model;
		count = 512;
		counts.pte += count;
		asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
		for (u64 i = 0; i < 16; i++)
			ok &= expect("copied entry", load(va + i * PAGE_SIZE), i + 1);
		to = entry;
		count = 512;
		counts.pte += count;
		asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0) : "memory");
		for (u64 i = 0; i < 16; i++)
			tlb_flush_kernel_page(va + i * PAGE_SIZE);
		for (u64 i = 0; i < 16; i++)
			ok &= faulted(probe_read(va + i * PAGE_SIZE), 0, va + i * PAGE_SIZE);
	}
	for (u64 i = 0; i < 16; i++)
		frame_put(frames[i]);
	frame_put((u64)model);
	return ok;
}

/* ---- ring 3 ---- */

static bool test_user_supervisor(void)
{
	struct proc *p = proc_new(mm_new(), 0, 0, 0, 0);
	u64 pa = new_frame(RET_OPCODE), *leaf;
	bool ok;

	/* The kernel's memory, and a kernel page at a process's address. */
	ok = faulted(user_probe(p, USER_READ, pa), PF_P | PF_U, pa);
	ok &= faulted(user_probe(p, USER_WRITE, pa), PF_P | PF_U | PF_W, pa);
	ok &= faulted(user_probe(p, USER_EXEC, pa), PF_P | PF_U | fetch_bit(), pa);
	leaf = pte_lookup(p->mm, USER_PAGE, 1, true);
	pte_write(leaf, pa | pte_flags(PTE_P | PTE_W));
	ok &= faulted(user_probe(p, USER_READ, USER_PAGE), PF_P | PF_U, USER_PAGE);
	pte_write(leaf, pa | pte_flags(PTE_P | PTE_U)); /* U: more; W: less */
	tlb_flush_mm_page(p->mm, USER_PAGE);
	ok &= expect("read", (u64)user_probe(p, USER_READ, USER_PAGE), 0);
	ok &= expect("execute", (u64)user_probe(p, USER_EXEC, USER_PAGE), 0);
	ok &= faulted(user_probe(p, USER_WRITE, USER_PAGE), PF_P | PF_U | PF_W, USER_PAGE);
	pte_write(leaf, pa | pte_flags(PTE_P | PTE_U | PTE_W | PTE_NX));
	tlb_flush_mm_page(p->mm, USER_PAGE);
	ok &= expect("write", (u64)user_probe(p, USER_WRITE, USER_PAGE), 0);
	if (cpu.nx)
		ok &= faulted(user_probe(p, USER_EXEC, USER_PAGE), PF_P | PF_U | PF_I, USER_PAGE);
	pte_write(leaf, 0);
	tlb_flush_mm_page(p->mm, USER_PAGE);
	ok &= faulted(user_probe(p, USER_READ, USER_PAGE), PF_U, USER_PAGE);
	frame_put(pa);
	proc_free(p);
	return ok;
}

static bool test_smep_smap(void)
{
	struct proc *p = proc_new(mm_new(), 0, 0, 0, 0);
	u64 pa = new_frame(RET_OPCODE), *leaf = pte_lookup(p->mm, USER_PAGE, 1, true);
	bool ok = true;

	pte_write(leaf, pa | pte_flags(PTE_P | PTE_U | PTE_W));
	mm_switch(p->mm);
	if (cpu.smep)
		ok &= faulted(probe_exec(USER_PAGE), PF_P | PF_I, USER_PAGE);
	if (cpu.smap) {
		ok &= faulted(probe_read(USER_PAGE), PF_P, USER_PAGE);
		ok &= faulted(probe_write(USER_PAGE, 1), PF_P | PF_W, USER_PAGE);
		stac();
		ok &= expect("read with AC set", (u64)probe_read(USER_PAGE), 0);
		clac();
		ok &= faulted(probe_read(USER_PAGE), PF_P, USER_PAGE);
		write_cr4(read_cr4() & ~CR4_SMAP);
		ok &= expect("read without SMAP", (u64)probe_read(USER_PAGE), 0);
		write_cr4(read_cr4() | CR4_SMAP);
	}
	if (cpu.smep) {
		write_cr4(read_cr4() & ~CR4_SMEP);
		ok &= expect("execute without SMEP", (u64)probe_exec(USER_PAGE), 0);
		write_cr4(read_cr4() | CR4_SMEP);
		ok &= faulted(probe_exec(USER_PAGE), PF_P | PF_I, USER_PAGE);
	}
	pte_write(leaf, 0);
	tlb_flush_mm_page(p->mm, USER_PAGE);
	frame_put(pa);
	proc_free(p);
	return ok;
}

static user_code void demand(u64 base, u64 pages)
{
	volatile u64 *at = (u64 *)base;
	u64 nonzero = 0;

	for (u64 i = 0; i < pages; i++) {
		nonzero |= at[i * 512] | at[i * 512 + 511];
		at[i * 512 + 1] = i;
	}
	sys_exit(nonzero);
}

static bool test_demand(void)
{
	struct mm *mm = mm_new();
	struct proc *p;
	u64 before = frames_free(), pf = counts.pf;
	bool ok;

	mm_add_region(mm, USER_HEAP, 8 * PAGE_SIZE, PTE_W | PTE_NX, false);
	mm_add_region(mm, USER_HEAP + LARGE_SIZE, 2 * LARGE_SIZE, PTE_W | PTE_NX, true);
	p = proc_new(mm, user_entry(demand), USER_HEAP, 8, 0);
	ok = expect("zero pages", proc_run(p), 0);
	/* Text, then the heap; the program needs no stack. */
	ok &= counts.pf - pf >= 9;
	proc_restart(p, user_entry(demand), USER_HEAP + LARGE_SIZE, 1024, 0);
	ok &= expect("large zero pages", proc_run(p), 0);
	ok &= expect("last page", load(mm_frame(mm, USER_HEAP + 3 * LARGE_SIZE - PAGE_SIZE + 8)),
		     1023);
	ok &= faulted(user_probe(p, USER_READ, USER_HEAP + 8 * PAGE_SIZE), PF_U,
		      USER_HEAP + 8 * PAGE_SIZE);
	ok &= faulted(user_probe(p, USER_WRITE, USER_TEXT), PF_P | PF_U | PF_W, USER_TEXT);
	if (cpu.nx)
		ok &= faulted(user_probe(p, USER_EXEC, USER_HEAP), PF_P | PF_U | PF_I, USER_HEAP);
	proc_free(p);
	/* The root of mm was taken before the first count. */
	return ok & expect("frames leaked", before + 1 - frames_free(), 0);
}

static user_code void cow_child(u64 base)
{
	volatile u64 *at = (u64 *)base;
	u64 pid = syscall(SYS_FORK, 0, 0, 0), code;

	if (!pid) {
		at[0] = 77;
		sys_exit(at[0] + at[512]);
	}
	code = syscall(SYS_WAIT, 0, 0, 0);
	sys_exit(code << 16 | at[0] << 8 | at[512]);
}

static bool test_cow(void)
{
	u64 before = frames_free(), first;
	struct mm *mm = mm_new(), *copy;
	struct proc *p;
	bool ok;

	mm_add_region(mm, USER_HEAP, 2 * PAGE_SIZE, PTE_W | PTE_NX, false);
	mm_map_now(mm, USER_HEAP, 2 * PAGE_SIZE);
	store(mm_frame(mm, USER_HEAP), 1);
	store(mm_frame(mm, USER_HEAP + PAGE_SIZE), 2);
	first = mm_frame(mm, USER_HEAP);
	copy = mm_fork(mm);
	ok = expect("shared frame", mm_frame(copy, USER_HEAP), first);
	ok &= expect("its references", frame_refs(first), 2);
	ok &= expect("rights of the parent", pte_read(pte_lookup(mm, USER_HEAP, 1, false)) & PTE_W,
		     0);
	mm_free(copy);
	ok &= expect("references after the child", frame_refs(first), 1);
	p = proc_new(mm, user_entry(cow_child), USER_HEAP, 0, 0);
	ok &= expect("what child and parent saw", proc_run(p), (77 + 2) << 16 | 1 << 8 | 2);
	ok &= expect("the parent's frame", mm_frame(mm, USER_HEAP), first);
	proc_free(p);
	return ok & expect("frames leaked", before - frames_free(), 0);
}

/* All registers survive system calls, page faults and a switch to another process. */
static user_code void keeper(u64 seed, u64 page, u64 rounds)
{
	u64 bad = 0;

	for (u64 i = 0; i < rounds; i++) {
		u64 a = seed + i, b = seed ^ i, c = seed * 3 + i, d = seed * 5 - i, e = ~seed + i;
		u64 ret = SYS_YIELD;
		register u64 r8 asm("r8") = a;
		register u64 r9 asm("r9") = b;
		register u64 r10 asm("r10") = c;
		register u64 r12 asm("r12") = d;
		register u64 r13 asm("r13") = e;

		asm volatile("syscall\n\t"
			     "movq %%r8, (%%rbx)"
			     : "+a"(ret), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r12), "+r"(r13)
			     : "b"(page + i * PAGE_SIZE)
			     : "rcx", "r11", "memory");
		bad |= ret | (r8 ^ a) | (r9 ^ b) | (r10 ^ c) | (r12 ^ d) | (r13 ^ e);
		bad |= *(volatile u64 *)(page + i * PAGE_SIZE) ^ a;
	}
	sys_exit(bad);
}

static bool test_processes(void)
{
	struct proc *p[3];
	bool ok = true;

	for (u64 k = 0; k < 3; k++) {
		struct mm *mm = mm_new();

		mm_add_region(mm, USER_HEAP, 16 * PAGE_SIZE, PTE_W | PTE_NX, false);
		p[k] = proc_new(mm, user_entry(keeper), 0x123456789 * (k + 1), USER_HEAP, 16);
	}
	proc_run(p[0]);
	for (u64 k = 0; k < 3; k++) {
		ok &= expect("registers lost", p[k]->code, 0);
		proc_free(p[k]);
	}
	return ok;
}

static user_code void privileged(u64 what)
{
	switch (what) {
	case 0:
		asm volatile("hlt");
		break;
	case 1:
		asm volatile("mov %%cr3, %%rax" : : : "rax");
		break;
	case 2:
		asm volatile("outb %%al, $0x80" : : "a"(0));
		break;
	default:
		asm volatile("invlpg (%0)" : : "r"(USER_TEXT) : "memory");
		break;
	}
	sys_exit(0);
}

static void run_privileged(void *arg)
{
	proc_run(arg);
}

static bool test_privileged(void)
{
	bool ok = true;

	for (u64 what = 0; what < 4; what++) {
		struct proc *p = proc_new(mm_new(), user_entry(privileged), what, 0, 0);

		ok &= expect("vector", (u64)guarded_call(run_privileged, p), VECTOR_GP);
		ok &= expect("from ring 3", last_fault.user, true);
		proc_free(p);
	}
	return ok;
}

/* ---- address spaces and PCIDs ---- */

static bool test_switch(void)
{
	struct mm *space[2];
	u64 frames[4], *leaf[2];
	bool ok = true;

	for (u32 k = 0; k < 4; k++)
		frames[k] = new_frame(k + 1);
	for (u32 k = 0; k < 2; k++) {
		space[k] = mm_new();
		leaf[k] = pte_lookup(space[k], USER_PAGE, 1, true);
		pte_write(leaf[k], frames[k] | pte_flags(PTE_P | PTE_W));
	}
	for (u32 round = 0; round < 4; round++) {
		for (u32 k = 0; k < 2; k++) {
			mm_switch(space[k]);
			ok &= expect("own page", load(USER_PAGE), k + 1);
		}
	}
	/* Change the one that is not current, and the one that is. */
	for (u32 k = 0; k < 2; k++) {
		pte_write(leaf[k], frames[k + 2] | pte_flags(PTE_P | PTE_W));
		tlb_flush_mm_page(space[k], USER_PAGE);
	}
	for (u32 k = 0; k < 2; k++) {
		mm_switch(space[k]);
		ok &= expect("changed page", load(USER_PAGE), k + 3);
	}
	for (u32 k = 0; k < 2; k++) {
		pte_write(leaf[k], frames[k] | pte_flags(PTE_P | PTE_W));
		tlb_flush_mm(space[k]);
	}
	for (u32 k = 0; k < 2; k++) {
		mm_switch(space[k]);
		ok &= expect("changed back", load(USER_PAGE), k + 1);
	}
	mm_switch(&kernel_mm);
	for (u32 k = 0; k < 2; k++) {
		pte_write(leaf[k], 0);
		tlb_flush_mm_page(space[k], USER_PAGE);
		mm_free(space[k]);
	}
	for (u32 k = 0; k < 4; k++)
		frame_put(frames[k]);
	return ok;
}

/* The four types, each after a change that only it has to make visible (SDM 2A, INVPCID). */
static bool test_invpcid(void)
{
	u64 a = new_frame(0xa), b = new_frame(0xb);
	bool ok = true;

	if (!cpu.invpcid)
		return true;
	mm_switch(&kernel_mm);
	for (u64 type = INVPCID_ADDRESS; type <= INVPCID_ALL; type++) {
		u64 global = type == INVPCID_ALL_GLOBAL ? PTE_G : 0;
		u64 *entry = map(WINDOW, a, PTE_W | PTE_NX | global);

		ok &= expect("before", load(WINDOW), 0xa);
		pte_write(entry, b | pte_flags(PTE_P | PTE_W | PTE_NX | global));
		tlb_invpcid(type, 0, type == INVPCID_ADDRESS ? WINDOW : 0);
		ok &= expect("after", load(WINDOW), 0xb);
		unmap(entry, WINDOW);
	}
	frame_put(a);
	frame_put(b);
	return ok;
}

static void bad_invpcid(void *type)
{
	raw_invpcid((u64)type, 0, 0);
}

static bool test_invpcid_refused(void)
{
	if (!cpu.invpcid)
		return true;
	return expect("vector of type 4", (u64)guarded_call(bad_invpcid, (void *)4), VECTOR_GP);
}

/* Setting CR4.PCIDE needs PCID 0 in CR3; without PCIDE, CR3's bit 63 is reserved. */
static void bad_cr3(void *unused)
{
	(void)unused;
	raw_write_cr3(read_cr3() | CR3_NOFLUSH);
}

static bool test_noflush_refused(void)
{
	if (cpu.use_pcid)
		return true;
	return expect("vector", (u64)guarded_call(bad_cr3, NULL), VECTOR_GP);
}

static void noncanonical(void *unused)
{
	(void)unused;
	load(0x800000000000);
}

static bool test_noncanonical(void)
{
	return expect("vector", (u64)guarded_call(noncanonical, NULL), VECTOR_GP);
}

static const struct test tests[] = {
	{ "page frames: references, reuse, 2 MiB", test_frames },
	{ "map, remap, unmap", test_map },
	{ "one frame at two addresses", test_alias },
	{ "read-only pages and CR0.WP", test_write_protect },
	{ "no-execute pages", test_nx },
	{ "reserved bits", test_reserved },
	{ "accessed and dirty bits", test_accessed_dirty },
	{ "2 MiB pages, and splitting one", test_large },
	{ "rights of upper levels", test_upper_levels },
	{ "tables mapped through themselves", test_recursive },
	{ "CR4.PGE change forgets global pages", test_pge_flush },
	{ "a table becomes data", test_table_reuse },
	{ "entries written by every kind of store", test_store_kinds },
	{ "tables filled and cleared in bulk", test_store_bulk },
	{ "user and supervisor pages from ring 3", test_user_supervisor },
	{ "SMEP and SMAP", test_smep_smap },
	{ "demand-zero pages, 4 KiB and 2 MiB", test_demand },
	{ "fork and copy on write", test_cow },
	{ "registers of processes", test_processes },
	{ "privileged instructions in ring 3", test_privileged },
	{ "switching address spaces", test_switch },
	{ "INVPCID", test_invpcid },
	{ "INVPCID type out of range", test_invpcid_refused },
	{ "CR3 bit 63 without PCIDs", test_noflush_refused },
	{ "non-canonical address", test_noncanonical },
};

static int run(void)
{
	int status = GUEST_STATUS_OK;

	printf("1..%lu\n", ARRAY_SIZE(tests));
	for (u32 i = 0; i < ARRAY_SIZE(tests); i++) {
		bool ok = tests[i].fn();

		printf("%sok %u - %s\n", ok ? "" : "not ", i + 1, tests[i].name);
		if (!ok)
			status = GUEST_STATUS_FAILED;
	}
	return status;
}

WORKLOAD(selftest) = {
	.name = "selftest",
	.summary = "tests of the guest kernel and of paging below it, as TAP",
	.run = run,
};

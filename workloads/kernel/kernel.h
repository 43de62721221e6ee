/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest kernel's whole interface: what a workload or a test image may call. An image is these
 * kernel objects plus any objects that define guest_main().
 *
 * Reading order: start.S entry.S main.c console.c cmdline.c frame.c tlb.c mm.c trap.c proc.c
 * user.c.
 *
 * The kernel is small on purpose but honest: one CPU, no interrupts, an identity map of RAM for
 * itself, processes in ring 3 with tables of their own, demand paging, copy-on-write fork. It obeys
 * the architecture's flush rules to the letter (a flush after every unmap, remap and downgrade,
 * none after not-present to present or an upgrade), since a lazy shadow relies on exactly that.
 */
#ifndef GUEST_KERNEL_H
#define GUEST_KERNEL_H

#include <stdarg.h>

#include "../guest_abi.h"
#include "layout.h"
#include "x86.h"

#define PAGE_SIZE  4096ul
#define LARGE_SIZE 0x200000ul
#define MIB	   (1ul << 20)

#define ARRAY_SIZE(a)	 (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)	 (((x) + (a)-1) & ~((u64)(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((u64)(a)-1))
#define noreturn	 __attribute__((noreturn))
#define always_inline	 inline __attribute__((always_inline))
#define fmt_like(f, a)	 __attribute__((format(printf, f, a)))

/* Code that runs in ring 3. It may call user code and use its arguments and stack, nothing else. */
#define user_code __attribute__((section(".user.text"), noinline, used))

/* The address of a user_code function; the linker keeps kernel code from reaching it otherwise. */
#define user_entry(fn)                                  \
	({                                              \
		u64 at_;                                \
		asm("movabs $" #fn ", %0" : "=r"(at_)); \
		at_;                                    \
	})

/* ---- memory and strings (console.c) ---- */
void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* ---- console (console.c) ---- */

/**
 * printf() - text for people, to COM1
 * @fmt: %s %c %d %u %x %p with an optional l, 0, - and width
 */
void printf(const char *fmt, ...) fmt_like(1, 2);

/**
 * row() - machine-readable text, to the row port
 * @fmt: as for printf()
 */
void row(const char *fmt, ...) fmt_like(1, 2);

/**
 * snprintf() - text into a buffer
 * @buf: where to
 * @size: its size; the text is cut to fit and always ends with a NUL
 * @fmt: as for printf()
 *
 * Return: the number of characters written, without the NUL.
 */
size_t snprintf(char *buf, size_t size, const char *fmt, ...) fmt_like(3, 4);

/**
 * guest_exit() - end the run
 * @status: one of GUEST_STATUS_*
 */
noreturn void guest_exit(int status);

/**
 * die() - print a sentence and end the run
 * @status: one of GUEST_STATUS_*
 * @fmt: the sentence, without a newline
 */
noreturn void die(int status, const char *fmt, ...) fmt_like(2, 3);

/* ---- command line (cmdline.c) ---- */

/**
 * cmdline_get() - value of a key
 * @key: the key
 *
 * Return: the value of the last `key=value` on the command line, or NULL. The key counts as known.
 */
const char *cmdline_get(const char *key);

/**
 * cmdline_number() - numeric value of a key
 * @key: the key
 * @def: value where the key is absent
 * @min: smallest value accepted
 * @max: largest value accepted
 *
 * K, M and G are accepted as binary suffixes. Anything else, or a value out of range, ends the run
 * with a sentence and GUEST_STATUS_USAGE.
 */
u64 cmdline_number(const char *key, u64 def, u64 min, u64 max);

/**
 * cmdline_choice() - value of a key that is one of several words
 * @key: the key
 * @def: index of the default
 * @choices: the words, separated by `|`
 *
 * Return: the index of the word; an unknown word ends the run like cmdline_number().
 */
u64 cmdline_choice(const char *key, u64 def, const char *choices);

/**
 * cmdline_check() - refuse what nobody asked for
 *
 * Ends the run with a sentence and GUEST_STATUS_USAGE where the command line has a key that no
 * cmdline_*() call has named.
 */
void cmdline_check(void);

/* ---- the machine and the kernel's own options (main.c) ---- */

/*
 * What CPUID offers and which of it is on
 */
struct cpu {
	bool pcid;    /* CPUID has it */
	bool invpcid; /* CPUID has it */
	bool pge, nx, smep, smap, page1g;
	u64 phys_mask;	  /* the address bits of an entry that are not reserved */
	bool use_pcid;	  /* pcid=1: CR4.PCIDE is set */
	bool use_invpcid; /* invpcid=1: flush another PCID by INVPCID */
	bool use_global;  /* global=1: kernel entries have G, CR4.PGE is set */
	bool preset_ad;	  /* ad=1: entries are made with accessed and dirty set */
};

extern struct cpu cpu;

/**
 * print_kernel_keys() - list the keys that the kernel itself understands
 */
void print_kernel_keys(void);

/**
 * guest_main() - what the image does; the image defines it
 *
 * Return: the status of the run.
 */
int guest_main(void);

/* ---- counts (tlb.c) ---- */

/*
 * What the guest itself did, to be compared with what the hypervisor saw
 */
struct counts {
	u64 invlpg;	/* INVLPG executed */
	u64 cr3;	/* MOV to CR3 executed */
	u64 cr3_direct; /* of these, with a value of the base-address buffer */
	u64 invpcid;	/* INVPCID executed */
	u64 pf;		/* #PF taken */
	u64 pte;	/* stores to live paging-structure entries */
};

extern struct counts counts;

/* ---- page frames (frame.c) ---- */

/**
 * frame_alloc() - a 4 KiB frame, its content undefined
 *
 * Return: its physical address, which is also where the kernel sees it. Ends the run with a
 * sentence where no memory is left.
 */
u64 frame_alloc(void);

/**
 * frame_alloc_fresh() - a 4 KiB frame that has never been used since boot
 *
 * For workloads that want memory the hypervisor has not backed yet.
 */
u64 frame_alloc_fresh(void);

/**
 * frame_alloc_large() - 2 MiB, aligned, content undefined
 */
u64 frame_alloc_large(void);

/**
 * frame_alloc_contig() - consecutive frames for a kernel array; never freed
 * @bytes: rounded up to pages
 *
 * Return: their address; the content is zero.
 */
void *frame_alloc_contig(u64 bytes);

/**
 * frame_get() - take another reference
 * @pa: a frame; for 2 MiB the first frame counts
 */
void frame_get(u64 pa);

/**
 * frame_put() - drop a reference; the last one frees the frame
 * @pa: a frame
 *
 * Return: true if the frame was freed.
 */
bool frame_put(u64 pa);
void frame_put_large(u64 pa);

u32 frame_refs(u64 pa);

/**
 * frames_free() - free 4 KiB frames; frames_total() - all that there ever were
 */
u64 frames_free(void);
u64 frames_total(void);
u64 ram_end(void);

/**
 * need_memory() - refuse to start where a workload cannot fit
 * @bytes: what it will take
 *
 * Ends the run with a sentence and GUEST_STATUS_USAGE where less is free.
 */
void need_memory(u64 bytes);

void zero_page(u64 pa);
void copy_page(u64 to, u64 from);

/* ---- paging structures and flushes (tlb.c, mm.c) ---- */

#define PTE_P	  (1ul << 0)
#define PTE_W	  (1ul << 1)
#define PTE_U	  (1ul << 2)
#define PTE_PWT	  (1ul << 3)
#define PTE_PCD	  (1ul << 4)
#define PTE_A	  (1ul << 5)
#define PTE_D	  (1ul << 6)
#define PTE_LARGE (1ul << 7)
#define PTE_G	  (1ul << 8)
#define PTE_COW	  (1ul << 9) /* software: writable, but shared */
#define PTE_NX	  (1ul << 63)
#define PTE_ADDR  0x000ffffffffff000ul

/* Page-fault error code (SDM 3A, 4.7). */
#define PF_P	1
#define PF_W	2
#define PF_U	4
#define PF_RSVD 8
#define PF_I	16

#define VECTOR_UD 6
#define VECTOR_DF 8
#define VECTOR_GP 13
#define VECTOR_PF 14

/*
 * A range of a process's addresses
 */
struct region {
	u64 start, end;
	u64 prot;      /* PTE_W, PTE_NX */
	bool large;    /* backed by 2 MiB pages */
	bool borrowed; /* frames belong to somebody else (shared text): never freed, never COW */
	u64 backing; /* not 0: content comes from here (a file in memory); private where writable */
};

#define MM_REGIONS 24

/*
 * An address space
 */
struct mm {
	u64 root; /* physical address of the PML4 */
	u32 pcid;
	bool stale;	/* translations of its PCID may be out of date: its next load flushes */
	u64 kernel_gen; /* generation of kernel mappings that its PCID has seen */
	u32 regions;
	struct region region[MM_REGIONS];
	u64 brk;    /* where the next mmap goes */
	u64 tables; /* table pages it owns, the root included */
};

extern struct mm kernel_mm;
extern struct mm *current_mm;

/**
 * pte_write() - the one place that stores to a live entry
 * @entry: the entry
 * @value: its new value
 *
 * One aligned 8-byte MOV, counted.
 */
static always_inline void pte_write(u64 *entry, u64 value)
{
	counts.pte++;
	*(volatile u64 *)entry = value;
}

/**
 * pte_read() - an entry as it is now, accessed and dirty bits included
 * @entry: the entry
 */
static always_inline u64 pte_read(const u64 *entry)
{
	return *(const volatile u64 *)entry;
}

/**
 * tlb_flush_page() - forget one address of the current address space, by INVLPG
 * @va: the address
 */
static always_inline void tlb_flush_page(u64 va)
{
	counts.invlpg++;
	raw_invlpg(va);
}

/**
 * tlb_invpcid() - INVPCID, for CPUs that have it
 * @type: INVPCID_*
 * @pcid: of the two types that name one
 * @va: of the type that names one; global translations stay
 */
static always_inline void tlb_invpcid(u64 type, u64 pcid, u64 va)
{
	counts.invpcid++;
	raw_invpcid(type, pcid, va);
}

/**
 * tlb_load() - MOV to CR3
 * @mm: the address space to switch to, or the current one to flush it
 * @flush: forget its non-global translations even where PCIDs could keep them
 */
void tlb_load(struct mm *mm, bool flush);

/*
 * An entry of the base-address buffer: instead of @cr3, @load may be loaded without an exit
 */
struct shared_root {
	u64 cr3, load;
};

extern const volatile struct shared_root *shared_roots; /* GUEST_ROOTS of them, or NULL */

/**
 * tlb_share_roots() - ask the hypervisor for the base-address buffer
 *
 * Return: false where nobody offers one; then nothing changes. After that tlb_load() uses it.
 */
bool tlb_share_roots(void);

/**
 * mm_switch() - make an address space the current one, if it is not yet
 * @mm: the address space
 */
void mm_switch(struct mm *mm);

/**
 * tlb_flush_mm_page() - forget one address of any address space
 * @mm: the address space
 * @va: the address
 */
void tlb_flush_mm_page(struct mm *mm, u64 va);

/**
 * tlb_flush_mm() - forget all non-global translations of an address space
 * @mm: the address space
 */
void tlb_flush_mm(struct mm *mm);

/**
 * tlb_flush_range() - forget a range: page by page while it is short, else everything
 * @mm: the address space
 * @start: first address
 * @pages: how many pages of @step bytes
 * @step: PAGE_SIZE or LARGE_SIZE
 */
void tlb_flush_range(struct mm *mm, u64 start, u64 pages, u64 step);

/**
 * tlb_flush_kernel_page() - forget one address of the kernel's window, in every address space
 * @va: the address
 */
void tlb_flush_kernel_page(u64 va);

/**
 * pte_lookup() - find the entry that maps an address
 * @mm: the address space
 * @va: the address
 * @level: 1 for a 4 KiB page, 2 for 2 MiB, 3, 4
 * @create: make missing tables on the way
 *
 * Return: the entry at @level, or NULL where a table is missing or a large page is in the way.
 */
u64 *pte_lookup(struct mm *mm, u64 va, int level, bool create);

/**
 * pte_flags() - bits of a new entry
 * @flags: PTE_* wanted
 *
 * Drops NX and G where they are off, and adds accessed and dirty where ad=1 asks for that.
 */
u64 pte_flags(u64 flags);

/**
 * kernel_map() - map a page in the kernel's window
 * @va: address at or above KERNEL_WINDOW
 * @pa: frame
 * @flags: PTE_W, PTE_NX, PTE_LARGE for 2 MiB; present and global are added
 *
 * Return: the entry, for workloads that go on changing it. A new mapping needs no flush.
 */
u64 *kernel_map(u64 va, u64 pa, u64 flags);

/**
 * mm_new() - an address space with the kernel's half, the user text and a stack region
 */
struct mm *mm_new(void);

/**
 * mm_free() - unmap everything, free frames, tables and the PCID
 * @mm: not the current one
 */
void mm_free(struct mm *mm);

/**
 * mm_fork() - a copy-on-write copy of an address space
 * @from: the parent; its writable pages are downgraded and flushed
 */
struct mm *mm_fork(struct mm *from);

/**
 * mm_add_region() - declare a range; frames come on demand
 * @mm: the address space
 * @start: page aligned (2 MiB aligned where @large)
 * @bytes: multiple of the page size
 * @prot: PTE_W, PTE_NX
 * @large: use 2 MiB pages
 *
 * Return: the region.
 */
struct region *mm_add_region(struct mm *mm, u64 start, u64 bytes, u64 prot, bool large);

/**
 * mm_add_file() - declare a range that starts with the content of a file
 * @mm: the address space
 * @start: page aligned
 * @file: the file: frames of frame_alloc_contig()
 * @bytes: its length, rounded up to pages
 * @prot: with PTE_W the pages are private copies, made when they are written
 */
void mm_add_file(struct mm *mm, u64 start, const void *file, u64 bytes, u64 prot);

/**
 * mm_map_now() - back a declared range with zeroed frames without waiting for faults
 * @mm: the address space
 * @start: first address
 * @bytes: length
 */
void mm_map_now(struct mm *mm, u64 start, u64 bytes);

/**
 * mm_unmap() - drop a range: entries cleared, flushed, then frames freed; regions cut or removed
 * @mm: the address space
 * @start: page aligned
 * @bytes: length
 * @forget: remove the region too, so that a later access is an error
 */
void mm_unmap(struct mm *mm, u64 start, u64 bytes, bool forget);

/**
 * mm_fault() - resolve a page fault of the current address space
 * @va: CR2
 * @error: the error code
 *
 * Return: true if the access may be retried.
 */
bool mm_fault(u64 va, u64 error);

/**
 * mm_frame() - the frame behind an address
 * @mm: the address space
 * @va: the address
 *
 * Return: the physical address @va translates to, or 0.
 */
u64 mm_frame(struct mm *mm, u64 va);

/* demand-zero faults take frames never used before (frame_alloc_fresh()) */
extern bool mm_fresh_frames;

/* ---- exceptions (trap.c) ---- */

/*
 * The frame of a trap, in the order entry.S pushes it
 */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
} __attribute__((aligned(16)));

_Static_assert(sizeof(struct regs) == REGS_SIZE, "entry.S and TSS.RSP0 rely on the frame's size");

/*
 * An exception that was caught
 */
struct fault {
	int vector; /* -1: none */
	u64 error, cr2, rip;
	bool user;
};

extern struct fault last_fault;

/**
 * guarded_call() - run a function; an exception in it, ring 3 included, ends it
 * @fn: function
 * @arg: its argument
 *
 * Return: -1, or the vector; last_fault then has the rest.
 */
int guarded_call(void (*fn)(void *), void *arg);

/* Single accesses that may fault: 0, or 1 with last_fault filled in. */
int probe_read(u64 va);
int probe_write(u64 va, u64 value);
int probe_exec(u64 va);

/**
 * trap_set_gate() - send a vector to a handler of one's own, past everything in trap.c
 * @vector: exception
 * @handler: assembly; NULL for the kernel's
 *
 * It must keep all registers and count what it takes (counts.pf).
 */
void trap_set_gate(u32 vector, void (*handler)(void));

/*
 * A workload's own page-fault handler. Asked first for every #PF from ring 3. Returns true if the
 * access may be retried.
 */
extern bool (*pf_hook)(struct regs *regs, u64 va);

/* ---- processes (proc.c) ---- */

enum proc_state { PROC_FREE, PROC_READY, PROC_RUNNING, PROC_WAITING, PROC_ZOMBIE };

/*
 * A process: its frame, its memory, its place in the family
 */
struct proc {
	struct regs regs; /* saved here by entry.S whenever it is not running */
	struct mm *mm;
	enum proc_state state;
	u32 pid, parent;
	u64 code; /* exit code */
	u64 entry;
	struct proc *next; /* READY: the one after it in the queue */
};

#define MAX_PROCS 130

extern struct proc procs[MAX_PROCS];
extern struct proc *current;

/**
 * proc_new() - a process about to start in ring 3
 * @mm: its memory; the process owns it
 * @entry: a user_code function
 * @a: first argument
 * @b: second argument
 * @c: third argument
 */
struct proc *proc_new(struct mm *mm, u64 entry, u64 a, u64 b, u64 c);

/**
 * proc_restart() - set a process to the start of a function again, and let it run
 * @p: the process
 * @entry: a user_code function
 * @a: first argument
 * @b: second argument
 * @c: third argument
 */
void proc_restart(struct proc *p, u64 entry, u64 a, u64 b, u64 c);

/**
 * proc_run() - run ring 3 until no process is left that could run
 * @p: the one to start with
 *
 * Return: its exit code. A process without a parent stays a zombie with its memory, for
 * proc_restart() or proc_free().
 */
u64 proc_run(struct proc *p);

void proc_free(struct proc *p);

enum user_access { USER_READ, USER_WRITE, USER_EXEC };

/**
 * user_probe() - one access from ring 3
 * @p: a process; it is started afresh in its address space
 * @kind: what to do; the page that USER_EXEC calls must hold a RET
 * @va: where
 *
 * The kernel's own fault handling comes first: an address in a region of the process is mapped on
 * demand. Anything else is caught.
 *
 * Return: 0, or 1 with last_fault filled in.
 */
int user_probe(struct proc *p, enum user_access kind, u64 va);

/* A workload's own system call (SYS_HOOK). */
extern u64 (*sys_hook)(u64 a, u64 b, u64 c);

/* What a new program finds mapped besides its text and stack. */
extern void (*exec_hook)(struct mm *mm);

/* System calls, for user code. */
static always_inline u64 syscall(u64 nr, u64 a, u64 b, u64 c)
{
	u64 ret;

	asm volatile("syscall"
		     : "=a"(ret)
		     : "a"(nr), "D"(a), "S"(b), "d"(c)
		     : "rcx", "r11", "memory");
	return ret;
}

static always_inline noreturn void sys_exit(u64 code)
{
	for (;;)
		syscall(SYS_EXIT, code, 0, 0);
}

/* ---- pseudo-random numbers, for kernel and user code ---- */
static always_inline u64 lcg(u64 *state)
{
	*state = *state * 6364136223846793005ul + 1442695040888963407ul;
	return *state >> 33;
}

/* One step of a checksum: order matters, zero counts. */
static always_inline u64 mix64(u64 sum, u64 value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15ul;
	return sum ^ (sum >> 29);
}

#endif

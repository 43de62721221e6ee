// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stories about rights that change under a mapping in use: CR0.WP, EFER.NXE, SMEP, SMAP, and the
 * pairs of them that trap hypervisors which pick one hardware entry for several guest rights. Also
 * what the CPU refuses to have loaded into its control registers at all.
 */
#include "access.h"

#define VA_A VA(0, 1, 2, 3)
#define VA_B VA(0, 1, 3, 4)

/* Each entry that a page may have, in use while @change goes through all control bits. */
static void over_all_rights(bool with_flush)
{
	u64 va = VA(0, 1, 2, 0);
	u64 table;

	for (u64 i = 0; i < 8; i++)
		map(va + i * PAGE_SIZE, stamped(),
		    PTE_P | (i & 1 ? PTE_W : 0) | (i & 2 ? PTE_U : 0) |
			    (i & 4 && cpu.nx ? PTE_NX : 0));
	table = get(entry_of(root, va, 2)) & PTE_ADDR;
	(void)table;
	for (u32 n = 0; n < 64; n++) {
		/* Gray code, so that one bit changes at a time; then everything at once. */
		u32 bits = n < 32 ? (n ^ n >> 1) : (n * 11 & 31);
		struct mode m = { .wp = bits & 1,
				  .nxe = cpu.nx && (bits & 2 || !with_flush),
				  .smep = cpu.smep && bits & 4,
				  .smap = cpu.smap && bits & 8,
				  .pge = cpu.pge,
				  .ac = bits & 16 };

		controls(&m);
		for (u64 i = 0; i < 8; i++) {
			if (with_flush)
				raw_invlpg(va + i * PAGE_SIZE);
			verify_all(va + i * PAGE_SIZE);
		}
	}
}

/* CR0.WP, SMEP and SMAP count from the next access on: translations may stay. */
static void modes_without_flush(void)
{
	over_all_rights(false);
}

static void modes_with_flush(void)
{
	over_all_rights(true);
}

static void set_mode(bool wp, bool smap, bool ac)
{
	struct mode m = now;

	m.wp = wp;
	m.smap = smap && cpu.smap;
	m.ac = ac;
	controls(&m);
}

static void wp_toggle(void)
{
	u64 user = VA_A, kernel = VA_B;
	u64 *pu = map(user, stamped(), PTE_P | PTE_U);

	map(kernel, stamped(), PTE_P);
	for (int i = 0; i < 6; i++) {
		set_mode(true, true, true);
		verify_all(user);
		verify_all(kernel);
		set_mode(false, true, true);
		verify_all(user);
		verify_all(kernel);
		set_mode(true, true, true);
		/* In the other order, so that the last use was the kernel's write. */
		verify(USER, WRITE, user);
		verify(SUPERVISOR, WRITE, kernel);
		verify(SUPERVISOR, WRITE, user);
		set(pu, get(pu) & ~(PTE_A | PTE_D));
		raw_invlpg(user);
	}
}

/*
 * Without CR0.WP the kernel writes to a user page that is read-only. No single hardware entry can
 * allow that while user code may read but not write: a hypervisor has to switch between two.
 */
static void wp_clear_user_readonly(void)
{
	u64 *pte = map(VA_A, stamped(), PTE_P | PTE_U);

	set_mode(false, false, true);
	for (int i = 0; i < 8; i++) {
		verify(SUPERVISOR, WRITE, VA_A);
		verify(USER, WRITE, VA_A);
		verify(USER, READ, VA_A);
		verify(SUPERVISOR, WRITE, VA_A);
		verify(USER, READ, VA_A);
		verify(USER, FETCH, VA_A);
		verify(SUPERVISOR, FETCH, VA_A); /* SMEP, though the kernel could write it */
		verify(SUPERVISOR, READ, VA_A);
		verify(USER, WRITE, VA_A);
		if (i & 1) {
			set(pte, get(pte) & ~(PTE_A | PTE_D));
			raw_invlpg(VA_A);
		}
		if (i == 4) {
			set(pte, get(pte) | PTE_W); /* no flush */
			if (touch(USER, WRITE, VA_A, next_word()).fault)
				verify(USER, WRITE, VA_A);
			verify_all(VA_A);
			set(pte, get(pte) & ~PTE_W);
			raw_invlpg(VA_A);
		}
		set_mode(i & 1, i & 2, i & 4);
		verify_all(VA_A);
		set_mode(false, i & 2, true);
	}
}

/* With SMAP the same write needs AC as well, whatever WP says. */
static void smap_without_wp(void)
{
	map(VA_A, stamped(), PTE_P | PTE_U);
	map(VA_B, stamped(), PTE_P | PTE_U | PTE_W);
	for (int i = 0; i < 16; i++) {
		set_mode(i & 1, i & 2, i & 4);
		if (i & 8) {
			verify(SUPERVISOR, WRITE, VA_A);
			verify(USER, WRITE, VA_A);
			verify(SUPERVISOR, READ, VA_A);
		}
		verify_all(VA_A);
		verify_all(VA_B);
		set_mode(i & 1, i & 2, !(i & 4));
		verify_all(VA_A);
		verify_all(VA_B);
	}
}

static void upper_rights(void)
{
	static const u64 without[] = { 0, PTE_W, PTE_U, PTE_W | PTE_U };
	u64 *pte = map(VA_A, stamped(), PAGE_FLAGS);

	for (int l = 2; l <= 4; l++) {
		u64 *entry = entry_of(root, VA_A, l);

		for (u32 i = 0; i < 8; i++) {
			u64 nx = i & 4 && cpu.nx ? PTE_NX : 0;

			set(entry, ((get(entry) | TABLE_FLAGS) & ~(without[i & 3] | PTE_NX)) | nx);
			raw_invlpg(VA_A);
			verify_all(VA_A);
			set(pte, get(pte) & ~(PTE_A | PTE_D));
			raw_invlpg(VA_A);
			verify(USER, READ, VA_A);
			verify_all(VA_A);
		}
		set(entry, (get(entry) | TABLE_FLAGS) & ~PTE_NX);
	}
}

static bool has_nx(void)
{
	return cpu.nx;
}

static void nx_by_upper_entry(void)
{
	for (int l = 1; l <= 4; l++) {
		u64 *entry;

		map(VA_A, stamped(), PAGE_FLAGS);
		raw_invlpg(VA_A);
		verify_all(VA_A);
		entry = entry_of(root, VA_A, l);
		set(entry, get(entry) | PTE_NX);
		raw_invlpg(VA_A);
		verify_all(VA_A);
		set(entry, get(entry) & ~PTE_NX);
		/* An upgrade: at most one fault from the old entry. */
		if (touch(USER, FETCH, VA_A, 0).fault)
			verify(USER, FETCH, VA_A);
		raw_invlpg(VA_A);
		verify_all(VA_A);
	}
}

/* Without EFER.NXE the bit is reserved. */
static void nxe_toggle(void)
{
	struct mode m = now;
	u64 *pte;

	map(VA_A, stamped(), PAGE_FLAGS | PTE_NX);
	map(VA_B, stamped(), PAGE_FLAGS);
	pte = entry_of(root, VA_B, 2);
	for (int i = 0; i < 6; i++) {
		m.nxe = !(i & 1);
		controls(&m);
		raw_invlpg(VA_A);
		raw_invlpg(VA_B);
		verify_all(VA_A);
		verify_all(VA_B);
		/* Also where it is an upper entry that has the bit. */
		set(pte, get(pte) ^ PTE_NX);
		raw_invlpg(VA_B);
		verify_all(VA_B);
	}
}

/* ---- what cannot be loaded ---- */

static void load_cr3(void *value)
{
	raw_write_cr3((u64)value);
}

static void load_cr4(void *value)
{
	write_cr4((u64)value);
}

static void load_cr0(void *value)
{
	write_cr0((u64)value);
}

static void load_efer(void *value)
{
	wrmsr(MSR_EFER, (u64)value);
}

static u64 invpcid_descriptor[2];

static void do_invpcid(void *type)
{
	asm volatile("invpcid %0, %1" : : "m"(invpcid_descriptor), "r"(type) : "memory");
}

/* #GP(0), and no control register is any different. */
static bool refuses(void (*fn)(void *), u64 value)
{
	u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER);

	if (guarded_call(fn, (void *)value) != VECTOR_GP || last_fault.error)
		return false;
	return read_cr0() == cr0 && read_cr3() == cr3 && read_cr4() == cr4 &&
	       rdmsr(MSR_EFER) == efer;
}

#define expect_gp(fn, value) expect(refuses(fn, value))

#define CR0_PE	 1ul
#define CR0_PG	 (1ul << 31)
#define CR0_NW	 (1ul << 29)
#define CR4_PAE	 (1ul << 5)
#define EFER_LME (1ul << 8)

static void control_registers_refuse(void)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER), cr3 = read_cr3();

	map(VA_A, stamped(), PAGE_FLAGS);
	if (reserved_high())
		expect_gp(load_cr3, cr3 | 1ul << 51);
	expect_gp(load_cr3, cr3 | CR3_NOFLUSH); /* without CR4.PCIDE it is reserved */
	expect_gp(load_cr3, cr3 | 1ul << 62);
	expect_gp(load_cr4, cr4 & ~CR4_PAE);
	expect_gp(load_cr4, cr4 | 1ul << 40);
	expect_gp(load_cr0, cr0 & ~CR0_PE);
	expect_gp(load_cr0, cr0 & ~CR0_PG); /* 64-bit mode */
	expect_gp(load_cr0, cr0 | CR0_NW);
	expect_gp(load_cr0, cr0 | 1ul << 32);
	expect_gp(load_efer, efer & ~EFER_LME);
	expect_gp(load_efer, efer | 1ul << 63);
	if (!cpu.smap)
		expect_gp(load_cr4, cr4 | CR4_SMAP);
	if (!cpu.pcid)
		expect_gp(load_cr4, cr4 | CR4_PCIDE);
	verify_all(VA_A);
}

static bool has_pcid(void)
{
	return cpu.pcid;
}

static void pcide_refuses(void)
{
	u64 cr4 = read_cr4(), cr3 = read_cr3();

	map(VA_A, stamped(), PAGE_FLAGS);
	raw_write_cr3(cr3 | 1ul << 3);
	expect_gp(load_cr4, cr4 | CR4_PCIDE); /* CR3[11:0] is not 0 */
	raw_write_cr3(cr3);
	write_cr4(cr4 | CR4_PCIDE);
	raw_write_cr3(cr3 | 5);
	expect(read_cr3() == (cr3 | 5));
	raw_write_cr3(cr3 | 6 | CR3_NOFLUSH);
	expect(read_cr3() == (cr3 | 6)); /* bit 63 is not kept */
	expect_gp(load_cr3, cr3 | 1ul << 62);
	verify_all(VA_A);
	raw_write_cr3(cr3);
	write_cr4(cr4);
	verify_all(VA_A);
}

static bool has_invpcid(void)
{
	return cpu.pcid && cpu.invpcid;
}

static void set_descriptor(u64 low, u64 high)
{
	invpcid_descriptor[0] = low;
	invpcid_descriptor[1] = high;
}

/* Not tried: a type above 32 bits, because Bochs 2.7 looks at the lower half of the register. */
static void invpcid_refuses(void)
{
	u64 cr4 = read_cr4();

	set_descriptor(0, 0);
	expect_gp(do_invpcid, 4);
	set_descriptor(1, 0);
	expect_gp(do_invpcid, INVPCID_ADDRESS); /* a PCID without CR4.PCIDE */
	expect_gp(do_invpcid, INVPCID_CONTEXT);
	set_descriptor(1ul << 12, 0);
	expect_gp(do_invpcid, INVPCID_ADDRESS);
	expect_gp(do_invpcid, INVPCID_CONTEXT);
	set_descriptor(0, 0x0000800000000000ul);
	expect_gp(do_invpcid, INVPCID_ADDRESS);
	write_cr4(cr4 | CR4_PCIDE);
	set_descriptor(1, 0);
	expect(guarded_call(do_invpcid, (void *)INVPCID_ADDRESS) == -1);
	expect(guarded_call(do_invpcid, (void *)INVPCID_CONTEXT) == -1);
	write_cr4(cr4);
}

/* The operand of INVPCID is read like any data: it may fault. */
static void invpcid_operand(void)
{
	u64 va = VA_A + 0xff8;
	u64 second = VA_A + PAGE_SIZE;
	u64 *pte = map(VA_A, stamped(), PTE_P);
	u64 *next = map(second, 0, 0);
	u64 frame = stamped();

	for (int i = 0; i < 4; i++) {
		u64 type = i & 1 ? INVPCID_ALL : INVPCID_CONTEXT;

		set(next, i & 2 ? frame | PTE_P : 0);
		raw_invlpg(second);
		zero_page(get(pte) & PTE_ADDR);
		zero_page(frame);
		last_fault.vector = -1;
		asm volatile("1: invpcid (%0), %1\n"
			     "2:\n"
			     ".pushsection .extable, \"a\"\n.quad 1b, 2b\n.popsection"
			     :
			     : "r"(va), "r"(type)
			     : "memory");
		if (i & 2) {
			expect(last_fault.vector == -1);
		} else {
			expect(last_fault.vector == VECTOR_PF && last_fault.error == 0);
			expect(last_fault.cr2 == second);
		}
	}
}

const struct test_case right_cases[] = {
	{ "modes_without_flush", modes_without_flush, NULL, NULL },
	{ "modes_with_flush", modes_with_flush, NULL, NULL },
	{ "wp_toggle", wp_toggle, NULL, NULL },
	{ "wp_clear_user_readonly", wp_clear_user_readonly, NULL, NULL },
	{ "smap_without_wp", smap_without_wp, NULL, NULL },
	{ "upper_rights", upper_rights, NULL, NULL },
	{ "nx_by_upper_entry", nx_by_upper_entry, "no NX", has_nx },
	{ "nxe_toggle", nxe_toggle, "no NX", has_nx },
	{ "control_registers_refuse", control_registers_refuse, NULL, NULL },
	{ "pcide_refuses", pcide_refuses, "no PCID", has_pcid },
	{ "invpcid_refuses", invpcid_refuses, "no INVPCID", has_invpcid },
	{ "invpcid_operand", invpcid_operand, "no INVPCID", has_invpcid },
	{ NULL, NULL, NULL, NULL },
};

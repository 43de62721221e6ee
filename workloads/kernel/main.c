// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the boot loader's hand-over to guest_main(): save what the boot parameters say, find out
 * what the CPU has, take over memory, and turn on the protections that a real kernel has on.
 */
#include "internal.h"

struct cpu cpu;

static struct e820_entry e820[GUEST_E820_MAX];
static u32 e820_count;
static char boot_cmdline[GUEST_CMDLINE_MAX + 1];

/* Byte-wise reads: the zero page is packed. */
static u32 get32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

/* Everything that is needed from the loader's memory, before that memory is handed out. */
static void save_boot_params(const u8 *bp)
{
	const char *line = (const char *)(get32(bp + GUEST_BP_CMDLINE) |
					  (u64)get32(bp + GUEST_BP_CMDLINE_HI) << 32);

	e820_count = bp[GUEST_BP_E820_COUNT];
	if (e820_count > GUEST_E820_MAX)
		e820_count = GUEST_E820_MAX;
	memcpy(e820, bp + GUEST_BP_E820_TABLE, e820_count * GUEST_E820_SIZE);
	/* One character more than is allowed survives, for cmdline_init() to complain about. */
	for (size_t i = 0; line && line[i] && i + 1 < sizeof(boot_cmdline); i++)
		boot_cmdline[i] = line[i];
}

static void detect_cpu(void)
{
	u32 r[4], max, max_ext;

	cpuid(0, 0, r);
	max = r[0];
	cpuid(0x80000000, 0, r);
	max_ext = r[0];
	cpuid(1, 0, r);
	cpu.pcid = r[2] >> 17 & 1;
	cpu.pge = r[3] >> 13 & 1;
	if (max >= 7) {
		cpuid(7, 0, r);
		cpu.smep = r[1] >> 7 & 1;
		cpu.invpcid = r[1] >> 10 & 1;
		cpu.smap = r[1] >> 20 & 1;
	}
	cpu.phys_mask = PTE_ADDR & ((1ul << 36) - 1);
	if (max_ext >= 0x80000001) {
		cpuid(0x80000001, 0, r);
		cpu.nx = r[3] >> 20 & 1;
		cpu.page1g = r[3] >> 26 & 1;
	}
	if (max_ext >= 0x80000008) {
		cpuid(0x80000008, 0, r);
		cpu.phys_mask = PTE_ADDR & ((1ul << (r[0] & 0xff)) - 1);
	}
}

void print_kernel_keys(void)
{
	printf("keys of the guest kernel, for every workload:\n"
	       "  directmap=2m|4k|1g  page size of the kernel's map of all RAM (2m)\n"
	       "  pcid=0|1            a PCID per process and MOV CR3 with the no-flush bit (0)\n"
	       "  invpcid=0|1         with pcid=1: flush other PCIDs by INVPCID (1 where there)\n"
	       "  global=0|1          global kernel pages (1)\n"
	       "  nx=0|1 smep=0|1 smap=0|1  protections (1 where the CPU has them)\n"
	       "  ad=0|1              make entries with accessed and dirty already set (0)\n"
	       "  roots=0|1           use the hypervisor's base-address buffer if it has one "
	       "(0)\n"
	       "  end=halt|reset      what a bare machine does at the end (halt)\n");
}

static void take_options(void)
{
	bool want_pcid = cmdline_number("pcid", 0, 0, 1);
	bool want_invpcid = cmdline_number("invpcid", cpu.invpcid, 0, 1);

	if (want_pcid && !cpu.pcid)
		die(GUEST_STATUS_USAGE, "pcid=1: this CPU has no PCID");
	if (want_invpcid && !cpu.invpcid)
		die(GUEST_STATUS_USAGE, "invpcid=1: this CPU has no INVPCID");
	cpu.use_pcid = want_pcid;
	cpu.use_invpcid = want_pcid && want_invpcid;
	cpu.use_global = cmdline_number("global", 1, 0, 1) && cpu.pge;
	cpu.nx = cmdline_number("nx", 1, 0, 1) && cpu.nx;
	cpu.smep = cmdline_number("smep", 1, 0, 1) && cpu.smep;
	cpu.smap = cmdline_number("smap", 1, 0, 1) && cpu.smap;
	cpu.preset_ad = cmdline_number("ad", 0, 0, 1);
}

/* CR3 holds a root with PCID 0 by now, as setting CR4.PCIDE demands (SDM 3A, 4.10.1). */
static void set_control_registers(void)
{
	u64 cr4 = read_cr4();

	write_cr0((read_cr0() & ~0x60000000ul) | CR0_WP); /* caches on, write protection on */
	cr4 &= ~(CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP);
	if (cpu.use_global)
		cr4 |= CR4_PGE;
	if (cpu.use_pcid)
		cr4 |= CR4_PCIDE;
	if (cpu.smep)
		cr4 |= CR4_SMEP;
	if (cpu.smap)
		cr4 |= CR4_SMAP;
	write_cr4(cr4);
}

void kernel_main(const u8 *boot_params)
{
	console_init();
	save_boot_params(boot_params);
	trap_init();
	detect_cpu();
	cmdline_init(boot_cmdline);
	end_by_reset = cmdline_choice("end", 0, "halt|reset");
	if (read_cr4() & CR4_LA57)
		die(GUEST_STATUS_USAGE,
		    "started with 5-level paging, which cannot be left from here: give the kernel "
		    "that starts this image no5lvl");
	take_options();
	frame_init(e820, e820_count);
	paging_init();
	set_control_registers();
	/* Where nobody answers, the guest runs as it would without. */
	if (cmdline_number("roots", 0, 0, 1) && !tlb_share_roots())
		printf("guest: roots=1: no base-address buffer here, so MOV to CR3 stays as it "
		       "is\n");
	guest_exit(guest_main());
}

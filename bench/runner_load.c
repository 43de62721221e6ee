// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest image into guest RAM, by the Linux/x86-64 64-bit boot protocol
 * (Documentation/x86/boot.rst, "64-bit boot protocol").
 *
 * One protocol runs everything: our own suite, a Linux vmlinux, anybody's test kernel. Everything
 * the file says is checked before a byte is copied, because a wrong image otherwise shows itself
 * much later, as a triple fault that says nothing.
 */
#include "runner.h"
#include "../workloads/guest_abi.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The loader's own area in low RAM. An image may use it once it runs, but may not be loaded
 * there.
 */
enum {
	GDT_AT = 0x1000,
	ZERO_PAGE_AT = 0x2000,
	CMDLINE_AT = 0x3000,
	PML4_AT = 0x4000,
	PDPT_AT = 0x5000,
	PD_AT = 0x6000, /* four pages: 4 GiB in 2 MiB pages */
	STACK_TOP = 0xb000,
	LOADER_END = 0x10000,
};

/* Where conventional RAM ends and where it goes on; between them a PC has ROM and video memory. */
#define LOW_RAM_END   0x9fc00
#define HIGH_RAM_FROM 0x100000

#define IDENTITY_GIB 4
#define PAGE_BYTES   4096

#define PTE_PRESENT 0x1
#define PTE_WRITE   0x2
#define PTE_LARGE   0x80

struct image {
	const char *path;
	uint8_t *bytes;
	uint64_t size;
	const Elf64_Ehdr *ehdr;
	const Elf64_Phdr *phdr;
};

/* Guest-physical to host address, for a range that is known to lie in RAM. */
static uint8_t *gpa_to_host(const struct guest_ram *ram, uint64_t gpa)
{
	return gpa < RAM_HOLE_END ? ram->host + gpa : ram->host + ram->low + (gpa - RAM_HOLE_END);
}

static void read_image(struct image *image)
{
	struct stat st;
	uint64_t done = 0;
	int fd = open(image->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("cannot open the guest image %s: %s", image->path, strerror(errno));
	if (fstat(fd, &st) < 0)
		die("cannot look at the guest image %s: %s", image->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die("the guest image %s is not a regular file", image->path);
	image->size = (uint64_t)st.st_size;
	image->bytes = malloc(image->size + 1);
	if (!image->bytes)
		die("no memory for the guest image %s (%" PRIu64 " bytes)", image->path,
		    image->size);
	while (done < image->size) {
		ssize_t n = read(fd, image->bytes + done, image->size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("cannot read the guest image %s: %s", image->path,
			    n ? strerror(errno) : "it shrank while it was read");
		done += (uint64_t)n;
	}
	close(fd);
}

static void check_header(struct image *image)
{
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)image->bytes;
	const char *path = image->path;

	if (image->size < SELFMAG || memcmp(image->bytes, ELFMAG, SELFMAG))
		die("%s is not an ELF file: give an uncompressed ELF64 image, such as a vmlinux "
		    "(not a bzImage)",
		    path);
	if (image->size > EI_CLASS && image->bytes[EI_CLASS] == ELFCLASS32)
		die("%s is a 32-bit ELF file: a 64-bit image is needed", path);
	if (image->size < sizeof(*ehdr))
		die("%s is truncated: %" PRIu64 " bytes are less than an ELF header", path,
		    image->size);
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_ident[EI_DATA] != ELFDATA2LSB)
		die("%s is not a 64-bit little-endian ELF file", path);
	if (ehdr->e_machine != EM_X86_64)
		die("%s is for another machine (ELF machine %u): x86-64 is needed", path,
		    ehdr->e_machine);
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		die("%s is not linked (ELF type %u): an executable image is needed", path,
		    ehdr->e_type);
	if (ehdr->e_phentsize != sizeof(Elf64_Phdr))
		die("%s has program headers of %u bytes: %zu are expected", path, ehdr->e_phentsize,
		    sizeof(Elf64_Phdr));
	if (ehdr->e_phnum == 0)
		die("%s has no program headers: nothing to load", path);
	if (ehdr->e_phoff > image->size ||
	    (image->size - ehdr->e_phoff) / sizeof(Elf64_Phdr) < ehdr->e_phnum)
		die("%s is truncated: its program headers lie beyond its end", path);
	if (ehdr->e_phoff % _Alignof(Elf64_Phdr))
		die("%s has program headers at an odd place (offset %" PRIu64 ")", path,
		    (uint64_t)ehdr->e_phoff);
	image->ehdr = ehdr;
	image->phdr = (const Elf64_Phdr *)(image->bytes + ehdr->e_phoff);
}

static bool ranges_meet(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	return a < b_end && b < a_end;
}

static void check_segment(const struct image *image, unsigned int i, const struct guest_ram *ram)
{
	const Elf64_Phdr *ph = &image->phdr[i];
	uint64_t start = ph->p_paddr, end = start + ph->p_memsz;
	const char *path = image->path;

	if (ph->p_filesz > ph->p_memsz)
		die("%s: segment %u has more bytes in the file than in memory", path, i);
	if (ph->p_offset > image->size || image->size - ph->p_offset < ph->p_filesz)
		die("%s is truncated: segment %u ends at byte %" PRIu64 " of a file of %" PRIu64,
		    path, i, (uint64_t)(ph->p_offset + ph->p_filesz), image->size);
	if (end < start)
		die("%s: segment %u wraps around the end of the address space", path, i);
	if (ranges_meet(start, end, 0, LOADER_END))
		die("%s: segment %u (0x%" PRIx64 "-0x%" PRIx64
		    ") overlaps the zero page, command line and page tables of the boot protocol "
		    "(below 0x%x): link it higher",
		    path, i, start, end - 1, LOADER_END);
	if (ranges_meet(start, end, LOW_RAM_END, HIGH_RAM_FROM))
		die("%s: segment %u (0x%" PRIx64 "-0x%" PRIx64
		    ") lies where a PC has ROM and video memory (0x%x-0x%x): link it elsewhere",
		    path, i, start, end - 1, LOW_RAM_END, HIGH_RAM_FROM - 1);
	if (end > ram->low)
		die("%s does not fit: segment %u ends at 0x%" PRIx64 ", guest RAM at 0x%" PRIx64
		    ": give --mem %" PRIu64 " or more",
		    path, i, end, ram->low, end / MIB + 1);
	for (unsigned int j = 0; j < i; j++) {
		const Elf64_Phdr *other = &image->phdr[j];

		if (other->p_type == PT_LOAD && other->p_memsz &&
		    ranges_meet(start, end, other->p_paddr, other->p_paddr + other->p_memsz))
			die("%s: segments %u and %u overlap in memory", path, j, i);
	}
}

/* All checks first, then all copies: a bad image changes nothing. */
static void load_segments(const struct image *image, const struct guest_ram *ram)
{
	const char *path = image->path;
	uint64_t entry = image->ehdr->e_entry;
	bool entry_loaded = false, any = false;

	for (unsigned int i = 0; i < image->ehdr->e_phnum; i++) {
		const Elf64_Phdr *ph = &image->phdr[i];

		if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
			continue;
		any = true;
		check_segment(image, i, ram);
		if (entry >= ph->p_paddr && entry < ph->p_paddr + ph->p_memsz)
			entry_loaded = true;
	}
	if (!any)
		die("%s has no segment to load", path);
	if (!entry_loaded)
		die("%s starts at 0x%" PRIx64 ", which none of its segments loads: its entry must "
		    "be a physical address",
		    path, entry);

	/* Fresh RAM is zero: what lies between p_filesz and p_memsz needs no clearing. */
	for (unsigned int i = 0; i < image->ehdr->e_phnum; i++) {
		const Elf64_Phdr *ph = &image->phdr[i];

		if (ph->p_type == PT_LOAD && ph->p_filesz)
			memcpy(gpa_to_host(ram, ph->p_paddr), image->bytes + ph->p_offset,
			       ph->p_filesz);
	}
}

static void add_e820(struct boot_params *zero, uint64_t addr, uint64_t size, uint32_t type)
{
	struct boot_e820_entry *entry = &zero->e820_table[zero->e820_entries++];

	entry->addr = addr;
	entry->size = size;
	entry->type = type;
}

static void build_zero_page(const struct guest_ram *ram, const char *cmdline)
{
	struct boot_params *zero = (struct boot_params *)gpa_to_host(ram, ZERO_PAGE_AT);

	_Static_assert(offsetof(struct boot_params, e820_table) == GUEST_BP_E820_TABLE, "e820");
	_Static_assert(offsetof(struct boot_params, e820_entries) == GUEST_BP_E820_COUNT, "e820");
	_Static_assert(offsetof(struct boot_params, hdr.cmd_line_ptr) == GUEST_BP_CMDLINE, "cmd");

	memset(zero, 0, sizeof(*zero));
	zero->hdr.boot_flag = 0xaa55;
	memcpy(&zero->hdr.header, "HdrS", 4);
	zero->hdr.version = 0x020c;
	zero->hdr.type_of_loader = 0xff; /* a loader without a registered number */
	zero->hdr.loadflags = LOADED_HIGH;
	zero->hdr.kernel_alignment = 0x1000000;
	zero->hdr.cmd_line_ptr = CMDLINE_AT;
	zero->hdr.cmdline_size = (uint32_t)strlen(cmdline);
	strcpy((char *)gpa_to_host(ram, CMDLINE_AT), cmdline);

	add_e820(zero, 0, LOW_RAM_END, GUEST_E820_RAM);
	add_e820(zero, LOW_RAM_END, HIGH_RAM_FROM - LOW_RAM_END, 2);
	add_e820(zero, HIGH_RAM_FROM, ram->low - HIGH_RAM_FROM, GUEST_E820_RAM);
	if (ram->high)
		add_e820(zero, RAM_HOLE_END, ram->high, GUEST_E820_RAM);
}

static void put64(const struct guest_ram *ram, uint64_t gpa, uint64_t value)
{
	memcpy(gpa_to_host(ram, gpa), &value, sizeof(value));
}

static void build_tables(const struct guest_ram *ram)
{
	/* Null, unused, 64-bit code at GUEST_BOOT_CS, flat data at GUEST_BOOT_DS. */
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

	memcpy(gpa_to_host(ram, GDT_AT), gdt, sizeof(gdt));

	put64(ram, PML4_AT, PDPT_AT | PTE_PRESENT | PTE_WRITE);
	for (uint64_t gib = 0; gib < IDENTITY_GIB; gib++)
		put64(ram, PDPT_AT + gib * 8, (PD_AT + gib * PAGE_BYTES) | PTE_PRESENT | PTE_WRITE);
	for (uint64_t i = 0; i < IDENTITY_GIB * 512; i++)
		put64(ram, PD_AT + i * 8, i * 2 * MIB | PTE_PRESENT | PTE_WRITE | PTE_LARGE);
}

/**
 * load_guest() - put an ELF64 image and what it is started with into guest RAM
 * @path: the image
 * @cmdline: its command line
 * @ram: empty guest RAM
 * @boot: what the vCPU must start with
 *
 * Ends the program with a sentence where the image cannot be run.
 */
void load_guest(const char *path, const char *cmdline, const struct guest_ram *ram,
		struct boot_state *boot)
{
	struct image image = { .path = path };

	if (strlen(cmdline) >= GUEST_CMDLINE_MAX)
		die("the command line has %zu characters: at most %d are passed to a guest",
		    strlen(cmdline), GUEST_CMDLINE_MAX - 1);
	read_image(&image);
	check_header(&image);
	load_segments(&image, ram);
	build_zero_page(ram, cmdline);
	build_tables(ram);

	*boot = (struct boot_state){
		.entry = image.ehdr->e_entry,
		.zero_page = ZERO_PAGE_AT,
		.stack = STACK_TOP,
		.cr3 = PML4_AT,
		.gdt = GDT_AT,
		.gdt_limit = 4 * 8 - 1,
	};
	free(image.bytes);
}

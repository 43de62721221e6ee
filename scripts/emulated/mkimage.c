// SPDX-License-Identifier: GPL-2.0-only
/*
 * mkimage: makes what Bochs needs to start an ELF64 kernel without a disk or a boot loader.
 *
 *	mkimage extract BZIMAGE VMLINUX
 *	mkimage build --kernel ELF64 [--initrd FILE]... [--append TEXT] [--mem MIB] ROM IMAGE
 *
 * "extract" takes vmlinux out of a bzImage, so that the emulated machine need not decompress it at
 * each boot: 40 of the 56 seconds that Debian's stock kernel takes to boot in Bochs.  "build" lays
 * out any ELF64 file by the Linux/x86 64-bit boot protocol (Documentation/arch/x86/boot.rst): a
 * Linux vmlinux, or Penumbra's own guest suite for a run without any hypervisor.  image.h says where
 * things lie, option_rom.S and loader.S run first.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image.h"

#define MIB	    (1024UL * 1024)
#define INITRD_BASE 0x8000000UL /* 128 MiB: above any kernel, below the image */
#define MAX_INITRDS 8

/* The BIOS keeps its ACPI tables in the last 64 KiB of memory. */
#define ACPI_BYTES 0x10000UL

extern const unsigned char option_rom_start[], option_rom_end[];
extern const unsigned char loader_start[], loader_end[];

/* A file in memory. */
struct blob {
	const char *path;
	unsigned char *data;
	size_t size;
};

/* One piece of the payload: copied to gpa, then cleared up to gpa + memory_size. */
struct segment {
	uint64_t gpa;
	const unsigned char *data;
	uint64_t file_size;
	uint64_t memory_size;
	const char *what;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	fputs("mkimage: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* Bytes are written as the CPU reads them: this program runs on the architecture it builds for. */
static void put16(unsigned char *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put64(unsigned char *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		die("out of memory (%zu bytes)", size);
	return memory;
}

/* The map is private and writable: spoil_btf() changes a byte of it. */
static struct blob read_file(const char *path)
{
	struct blob blob = { .path = path };
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &info) < 0)
		die("cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode) || !info.st_size)
		die("%s is not a file with something in it", path);
	blob.size = info.st_size;
	blob.data = mmap(NULL, blob.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (blob.data == MAP_FAILED)
		die("cannot read %s: %s", path, strerror(errno));
	close(fd);
	return blob;
}

static FILE *create_file(const char *path)
{
	FILE *file = fopen(path, "wbe");

	if (!file)
		die("cannot write %s: %s", path, strerror(errno));
	return file;
}

static void write_bytes(FILE *file, const char *path, const void *data, size_t size)
{
	if (size && fwrite(data, 1, size, file) != size)
		die("cannot write %s: %s", path, strerror(errno));
}

static void close_file(FILE *file, const char *path)
{
	if (fclose(file))
		die("cannot write %s: %s", path, strerror(errno));
}

/* ---------------------------------------------------------------- extract */

static const struct decompressor {
	unsigned char magic[4];
	size_t magic_size;
	size_t trailer; /* bytes the kernel's build appends after the compressed stream */
	const char *program;
	const char *package;
} decompressors[] = {
	{ { 0x02, 0x21, 0x4c, 0x18 }, 4, 4, "lz4", "lz4" },
	{ { 0xfd, '7', 'z', 'X' }, 4, 4, "xz", "xz-utils" },
	{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, 4, "zstd", "zstd" },
	{ { 0x1f, 0x8b }, 2, 0, "gzip", "gzip" },
};

static pid_t spawn_decompressor(const struct decompressor *how, int in, int out)
{
	pid_t pid = fork();

	if (pid < 0)
		die("cannot start %s: %s", how->program, strerror(errno));
	if (pid)
		return pid;
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execlp(how->program, how->program, "-dc", (char *)NULL);
	_exit(127);
}

static void decompress(const struct decompressor *how, const unsigned char *data, size_t size,
		       const char *path)
{
	int pipe_fds[2], out, status;
	size_t done = 0;
	pid_t pid;

	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		die("cannot write %s: %s", path, strerror(errno));
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		die("cannot make a pipe: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	pid = spawn_decompressor(how, pipe_fds[0], out);
	close(pipe_fds[0]);
	while (done < size) {
		ssize_t n = write(pipe_fds[1], data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* the decompressor has gone: its status says why */
		done += n;
	}
	close(pipe_fds[1]);
	if (waitpid(pid, &status, 0) < 0)
		die("lost %s: %s", how->program, strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		die("%s is not installed: run scripts/setup emulated (package %s)", how->program,
		    how->package);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("%s could not decompress the kernel: is the bzImage damaged?", how->program);
	if (close(out) < 0)
		die("cannot write %s: %s", path, strerror(errno));
}

/* boot.rst, "The Real-Mode Kernel Header". */
static void extract(const char *from, const char *to)
{
	struct blob image = read_file(from);
	const struct decompressor *how = NULL;
	uint64_t setup_bytes, offset, length;

	if (image.size < 0x268 || memcmp(image.data + 0x202, "HdrS", 4))
		die("%s is not a Linux bzImage", from);
	setup_bytes = (image.data[0x1f1] ? image.data[0x1f1] + 1 : 5) * 512UL;
	offset = setup_bytes + get32(image.data + 0x248);
	length = get32(image.data + 0x24c);
	if (length < 8 || offset > image.size || length > image.size - offset)
		die("%s is truncated: its payload ends after the file does", from);
	for (size_t i = 0; i < sizeof(decompressors) / sizeof(*decompressors); i++)
		if (!memcmp(image.data + offset, decompressors[i].magic,
			    decompressors[i].magic_size))
			how = &decompressors[i];
	if (!how)
		die("%s is compressed in a way that mkimage does not know", from);
	decompress(how, image.data + offset, length - how->trailer, to);
}

/* ------------------------------------------------------------------ build */

static const Elf64_Ehdr *check_elf(const struct blob *kernel)
{
	const Elf64_Ehdr *header = (const void *)kernel->data;

	if (kernel->size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG))
		die("%s is not an ELF file", kernel->path);
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
		die("%s is not a 64-bit x86 ELF file", kernel->path);
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff > kernel->size ||
	    header->e_phnum > (kernel->size - header->e_phoff) / sizeof(Elf64_Phdr))
		die("%s is truncated: its program headers are not all there", kernel->path);
	return header;
}

/*
 * Linux parses its own 5 MiB of type information (BTF) when the first module loads or tracing
 * starts: seconds under emulation, and nothing here reads it.  A wrong magic makes it give up at
 * once.  An ELF file without that section is left alone.
 */
static void spoil_btf(struct blob *kernel)
{
	const Elf64_Ehdr *header = (const void *)kernel->data;
	const Elf64_Shdr *sections, *names;

	if (!header->e_shnum || header->e_shentsize != sizeof(Elf64_Shdr) ||
	    header->e_shoff > kernel->size || header->e_shoff % sizeof(uint64_t) ||
	    header->e_shnum > (kernel->size - header->e_shoff) / sizeof(Elf64_Shdr) ||
	    header->e_shstrndx >= header->e_shnum)
		return;
	sections = (const void *)(kernel->data + header->e_shoff);
	names = &sections[header->e_shstrndx];
	if (names->sh_offset > kernel->size || names->sh_size > kernel->size - names->sh_offset)
		return;
	for (unsigned int i = 0; i < header->e_shnum; i++) {
		const Elf64_Shdr *section = &sections[i];

		if (section->sh_name + sizeof(".BTF") > names->sh_size ||
		    memcmp(kernel->data + names->sh_offset + section->sh_name, ".BTF", 5) ||
		    section->sh_offset + 2 > kernel->size)
			continue;
		put16(kernel->data + section->sh_offset, 0);
	}
}

static size_t collect_segments(const struct blob *kernel, struct segment *segments, size_t max)
{
	const Elf64_Ehdr *header = check_elf(kernel);
	const Elf64_Phdr *program = (const void *)(kernel->data + header->e_phoff);
	size_t count = 0;
	bool entry_found = false;

	for (unsigned int i = 0; i < header->e_phnum; i++) {
		const Elf64_Phdr *p = &program[i];

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		if (p->p_offset > kernel->size || p->p_filesz > kernel->size - p->p_offset ||
		    p->p_filesz > p->p_memsz)
			die("%s is truncated: segment %u ends after the file does", kernel->path,
			    i);
		if (p->p_paddr % 8)
			die("%s: segment %u has the odd physical address %#lx", kernel->path, i,
			    p->p_paddr);
		if (count == max)
			die("%s has more than %zu segments", kernel->path, max);
		if (header->e_entry >= p->p_paddr && header->e_entry < p->p_paddr + p->p_memsz)
			entry_found = true;
		segments[count++] = (struct segment){
			.gpa = p->p_paddr,
			.data = kernel->data + p->p_offset,
			.file_size = p->p_filesz,
			.memory_size = p->p_memsz,
			.what = "a segment of the kernel",
		};
	}
	if (!count)
		die("%s has nothing to load", kernel->path);
	if (!entry_found)
		die("%s: the entry point %#lx is in no segment's physical addresses", kernel->path,
		    header->e_entry);
	return count;
}

/* Trailing zeroes are cleared by the loader like the rest of the memory size, not carried along. */
static void trim_segment(struct segment *segment)
{
	uint64_t size = segment->file_size;

	while (size && !segment->data[size - 1])
		size--;
	segment->file_size = size;
}

static void check_places(const struct segment *segments, size_t count, uint64_t memory,
			 uint64_t image_size)
{
	for (size_t i = 0; i < count; i++) {
		const struct segment *a = &segments[i];
		uint64_t end = a->gpa + round_up(a->memory_size, 8);

		if (a->gpa < MIB || end < a->gpa || end > memory - ACPI_BYTES)
			die("%s lies at %#lx..%#lx, outside the guest's memory of %lu MiB", a->what,
			    a->gpa, end, memory / MIB);
		if (a->gpa < IMAGE_BASE + image_size && end > IMAGE_BASE)
			die("%s lies at %#lx..%#lx, where the boot image is (%#x..%#lx)", a->what,
			    a->gpa, end, IMAGE_BASE, IMAGE_BASE + image_size);
		for (size_t j = 0; j < i; j++) {
			const struct segment *b = &segments[j];

			if (a->gpa < b->gpa + round_up(b->memory_size, 8) && end > b->gpa)
				die("%s at %#lx overlaps %s at %#lx", a->what, a->gpa, b->what,
				    b->gpa);
		}
	}
}

/* boot.rst, "The zero page": only what a 64-bit entry needs. */
static void fill_boot_params(unsigned char *zero_page, uint64_t memory, uint64_t initrd_bytes)
{
	const struct {
		uint64_t start, end;
		uint32_t type; /* 1 usable, 2 reserved, 3 ACPI tables */
	} map[] = {
		{ 0, 0x9fc00, 1 },
		{ 0x9fc00, 0xa0000, 2 },  /* extended BIOS data */
		{ 0xe0000, 0x100000, 2 }, /* BIOS */
		{ 0x100000, memory - ACPI_BYTES, 1 },
		{ memory - ACPI_BYTES, memory, 3 },
		{ 0xfffc0000, 0x100000000, 2 }, /* BIOS again, at the reset vector */
	};
	size_t count = sizeof(map) / sizeof(*map);

	zero_page[0x1e8] = count;
	for (size_t i = 0; i < count; i++) {
		unsigned char *entry = zero_page + 0x2d0 + 20 * i;

		put64(entry, map[i].start);
		put64(entry + 8, map[i].end - map[i].start);
		put32(entry + 16, map[i].type);
	}
	zero_page[0x1f1] = 1; /* setup_sects */
	put16(zero_page + 0x1fe, 0xaa55);
	memcpy(zero_page + 0x202, "HdrS", 4);
	put16(zero_page + 0x206, 0x20f); /* protocol 2.15 */
	zero_page[0x210] = 0xff;	 /* an unregistered boot loader */
	zero_page[0x211] = 1;		 /* LOADED_HIGH */
	if (initrd_bytes) {
		put32(zero_page + 0x218, INITRD_BASE);
		put32(zero_page + 0x21c, initrd_bytes);
	}
	put32(zero_page + 0x228, IMAGE_BASE + IMAGE_CMDLINE);
	put32(zero_page + 0x238, IMAGE_CMDLINE_MAX - 1);
	put64(zero_page + 0x250, IMAGE_BASE + IMAGE_SETUP_DATA);
}

/*
 * A seed for the kernel's random numbers (boot.rst, SETUP_RNG_SEED).  Until it has one, Linux hashes
 * its entropy pool anew for each of the thousands of random numbers that it wants while it boots.
 * That this seed is no secret is the point: each run is to be like the one before.
 */
static void fill_setup_data(unsigned char *setup_data)
{
	const uint32_t type_rng_seed = 9;
	static const char seed[32] = "Penumbra: the same in every run";

	put64(setup_data, 0); /* no further node */
	put32(setup_data + 8, type_rng_seed);
	put32(setup_data + 12, sizeof(seed));
	memcpy(setup_data + 16, seed, sizeof(seed));
}

/* SDM vol. 3A, 4.5.4: PML4 -> PDPT -> four page directories of 2 MiB pages, present and writable. */
static void fill_page_tables(unsigned char *tables)
{
	const uint64_t base = IMAGE_BASE + IMAGE_PAGE_TABLES;
	const uint64_t table = 3, large_page = 0x83;

	put64(tables, (base + 0x1000) | table);
	for (uint64_t i = 0; i < 4; i++) {
		put64(tables + 0x1000 + 8 * i, (base + 0x2000 + 0x1000 * i) | table);
		for (uint64_t j = 0; j < 512; j++)
			put64(tables + 0x2000 + 0x1000 * i + 8 * j,
			      (i << 30) | (j << 21) | large_page);
	}
}

static void fill_first_block(unsigned char *block, uint64_t entry, const char *append,
			     uint64_t memory, uint64_t initrd_bytes)
{
	const uint64_t gdt[] = {
		0, 0x00cf9b000000ffff, /* 0x08: 32-bit code, for the option ROM */
		0x00af9b000000ffff,    /* 0x10: 64-bit code, __BOOT_CS */
		0x00cf93000000ffff,    /* 0x18: data, __BOOT_DS */
	};

	if (loader_end - loader_start > IMAGE_STACK_TOP)
		die("the loader has outgrown its page");
	memcpy(block, loader_start, loader_end - loader_start);
	memcpy(block + IMAGE_GDT, gdt, sizeof(gdt));
	put64(block + IMAGE_ENTRY, entry);
	fill_setup_data(block + IMAGE_SETUP_DATA);
	fill_boot_params(block + IMAGE_BOOT_PARAMS, memory, initrd_bytes);
	if (strlen(append) >= IMAGE_CMDLINE_MAX)
		die("the command line is longer than %d bytes", IMAGE_CMDLINE_MAX - 1);
	memcpy(block + IMAGE_CMDLINE, append, strlen(append));
	fill_page_tables(block + IMAGE_PAGE_TABLES);
}

static void write_rom(const char *path)
{
	unsigned char rom[ROM_SIZE], sum = 0;
	FILE *file = create_file(path);

	if (option_rom_end - option_rom_start != ROM_SIZE)
		die("the option ROM is not %d bytes long", ROM_SIZE);
	memcpy(rom, option_rom_start, ROM_SIZE);
	for (size_t i = 0; i < ROM_SIZE; i++)
		sum += rom[i];
	rom[ROM_SIZE - 1] -= sum; /* the BIOS only calls a ROM whose bytes sum to zero */
	write_bytes(file, path, rom, ROM_SIZE);
	close_file(file, path);
}

/* The initrd is all --initrd files one after the other: Linux unpacks concatenated archives. */
static struct segment join_initrds(char *const *paths, size_t count)
{
	struct blob blobs[MAX_INITRDS];
	struct segment joined = { .gpa = INITRD_BASE, .what = "the initrd" };
	unsigned char *data;

	for (size_t i = 0; i < count; i++) {
		blobs[i] = read_file(paths[i]);
		joined.file_size += round_up(blobs[i].size, 8);
	}
	data = allocate(joined.file_size);
	joined.data = data;
	joined.memory_size = joined.file_size;
	for (size_t i = 0; i < count; i++) {
		memcpy(data, blobs[i].data, blobs[i].size);
		data += round_up(blobs[i].size, 8);
	}
	return joined;
}

static void write_image(const char *path, const unsigned char *first_block,
			const struct segment *segments, size_t count, uint64_t payload_blocks)
{
	static const unsigned char zeroes[4096];
	unsigned char *block = allocate(IMAGE_BLOCK);
	unsigned char head[4096] = { 0 };
	uint64_t size = (1 + IMAGE_PADDING + payload_blocks) * (uint64_t)IMAGE_BLOCK;
	uint64_t offset = sizeof(head);
	FILE *file = create_file(path);

	write_bytes(file, path, first_block, IMAGE_BLOCK);
	for (uint64_t i = 0; i < IMAGE_PADDING; i++) {
		put64(block, PADDING_MAGIC);
		put64(block + 8, i);
		write_bytes(file, path, block, IMAGE_BLOCK);
	}
	put64(head, PAYLOAD_MAGIC);
	put64(head + PAYLOAD_BLOCKS, payload_blocks);
	for (size_t i = 0; i < count; i++) {
		unsigned char *entry = head + PAYLOAD_ENTRIES + PAYLOAD_ENTRY * i;
		uint64_t copied = round_up(segments[i].file_size, 8);

		put64(entry, segments[i].gpa);
		put64(entry + 8, offset);
		put64(entry + 16, copied);
		put64(entry + 24, round_up(segments[i].memory_size, 8) - copied);
		offset += round_up(segments[i].file_size, sizeof(zeroes));
	}
	write_bytes(file, path, head, sizeof(head));
	for (size_t i = 0; i < count; i++) {
		uint64_t bytes = segments[i].file_size;

		write_bytes(file, path, segments[i].data, bytes);
		write_bytes(file, path, zeroes, round_up(bytes, sizeof(zeroes)) - bytes);
	}
	/* The loader touches whole blocks, so there has to be file behind the last one. */
	if (fflush(file) || ftruncate(fileno(file), size) < 0)
		die("cannot write %s: %s", path, strerror(errno));
	close_file(file, path);
	free(block);
}

struct build_options {
	const char *kernel;
	char *initrds[MAX_INITRDS];
	size_t initrd_count;
	const char *append;
	uint64_t memory;
	const char *rom;
	const char *image;
};

static void build(const struct build_options *options)
{
	struct blob kernel = read_file(options->kernel);
	struct segment segments[PAYLOAD_MAX];
	unsigned char *first_block = allocate(IMAGE_BLOCK);
	uint64_t payload = 4096, payload_blocks, image_size, initrd_bytes = 0;
	size_t count;

	count = collect_segments(&kernel, segments, PAYLOAD_MAX - 2);
	spoil_btf(&kernel);
	if (options->initrd_count) {
		segments[count] = join_initrds(options->initrds, options->initrd_count);
		initrd_bytes = segments[count++].file_size;
	}
	for (size_t i = 0; i < count; i++) {
		trim_segment(&segments[i]);
		payload += round_up(segments[i].file_size, 4096);
	}
	payload_blocks = round_up(payload, IMAGE_BLOCK) / IMAGE_BLOCK;
	image_size = (1 + IMAGE_PADDING + payload_blocks) * (uint64_t)IMAGE_BLOCK;
	if (IMAGE_BASE + image_size > options->memory - ACPI_BYTES)
		die("%lu MiB of memory are too little: the boot image ends at %lu MiB",
		    options->memory / MIB, (IMAGE_BASE + image_size + MIB - 1) / MIB);
	check_places(segments, count, options->memory, image_size);
	fill_first_block(first_block, check_elf(&kernel)->e_entry, options->append, options->memory,
			 initrd_bytes);
	write_rom(options->rom);
	write_image(options->image, first_block, segments, count, payload_blocks);
	free(first_block);
}

/* ------------------------------------------------------------------- main */

static void usage(FILE *to)
{
	fputs("usage: mkimage extract BZIMAGE VMLINUX\n"
	      "       mkimage build --kernel ELF64 [--initrd FILE]... [--append TEXT]\n"
	      "                     [--mem MIB] ROM IMAGE\n"
	      "Makes the option ROM and the RAM image with which Bochs starts an ELF64 kernel.\n",
	      to);
}

static uint64_t parse_memory(const char *text)
{
	char *end;
	unsigned long mib = strtoul(text, &end, 10);

	/* Bochs has 2 GiB at most, and the image lies at 256 MiB. */
	if (!*text || *end || mib < 300 || mib > 2048)
		die("--mem %s: say a number of MiB from 300 to 2048", text);
	return mib * MIB;
}

static void parse_build(struct build_options *options, int argc, char **argv)
{
	const char *places[2];
	int count = 0;

	for (int i = 0; i < argc; i++) {
		bool has_value = i + 1 < argc;

		if (strncmp(argv[i], "--", 2)) {
			if (count == 2)
				die("%s: one argument too many", argv[i]);
			places[count++] = argv[i];
		} else if (!has_value) {
			die("%s: unknown option, or its value is missing", argv[i]);
		} else if (!strcmp(argv[i], "--kernel")) {
			options->kernel = argv[++i];
		} else if (!strcmp(argv[i], "--initrd")) {
			if (options->initrd_count == MAX_INITRDS)
				die("more than %d initrds", MAX_INITRDS);
			options->initrds[options->initrd_count++] = argv[++i];
		} else if (!strcmp(argv[i], "--append")) {
			options->append = argv[++i];
		} else if (!strcmp(argv[i], "--mem")) {
			options->memory = parse_memory(argv[++i]);
		} else {
			die("%s: unknown option", argv[i]);
		}
	}
	if (!options->kernel || count != 2)
		die("build needs --kernel and two files to write; see mkimage --help");
	options->rom = places[0];
	options->image = places[1];
}

int main(int argc, char **argv)
{
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage(stdout);
	} else if (argc == 4 && !strcmp(argv[1], "extract")) {
		extract(argv[2], argv[3]);
	} else if (argc > 2 && !strcmp(argv[1], "build")) {
		struct build_options options = { .append = "", .memory = 1024 * MIB };

		parse_build(&options, argc - 2, argv + 2);
		build(&options);
	} else {
		usage(stderr);
		return 1;
	}
	return 0;
}

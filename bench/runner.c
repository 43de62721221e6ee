// SPDX-License-Identifier: GPL-2.0-only
/*
 * The runner: a small virtual machine monitor on the KVM ABI, for one guest and one vCPU.
 *
 * It exists so that the same guest image runs, unchanged, on /dev/penumbra in every paging mode
 * and on /dev/kvm, and so that what is between the guest and the hypervisor is small enough to
 * read: RAM, a boot protocol, a serial port, five ports of the guest ABI and a timeout.
 */
#include "runner.h"
#include "../hv/gtt_ioctl.h"
#include "../workloads/guest_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MIN_MEM_MIB  2
#define MAX_MEM_MIB  (1024ull * 1024)
#define MAX_CPUID    256
#define ROW_LINE_MAX 4096

/* CR0, CR4 and EFER of the boot protocol. */
#define CR0_BOOT  0x80050033 /* PG AM WP NE ET MP PE */
#define CR4_BOOT  0x20	     /* PAE */
#define EFER_BOOT 0x500	     /* LMA LME */

enum hugepages { PAGES_4K, PAGES_THP, PAGES_2M, PAGES_1G };

static const char *const hugepages_names[] = { "off", "thp", "2M", "1G" };
static const char *const backing_names[] = { "4k", "thp", "2m", "1g" };

/* What --ioctl can time: each is one way to a hypervisor and back that runs no guest. */
static const struct timed_ioctl {
	const char *name;
	unsigned long request;
	bool vcpu; /* of the vCPU, else of the device */
	int expect;
} timed_ioctls[] = {
	{ "version", KVM_GET_API_VERSION, false, KVM_API_VERSION },
	{ "run", KVM_RUN, true, -1 }, /* with immediate_exit: EINTR before the guest is entered */
};

#define TIMED_ROUNDS 1000

#define CPU_ANY		  (-1)
#define CPU_WHERE_STARTED (-2)
#define MAX_CPU		  8191

struct options {
	const char *device;
	const char *kernel;
	const char *append;
	const char *console;
	const char *rows;
	const char *csv;
	const char *exit_times;
	const char *pmu;
	char *tag;
	uint64_t mem_mib;
	uint64_t gtt_mib; /* 0: no device */
	uint64_t timeout;
	int cpu; /* to run on; CPU_WHERE_STARTED, CPU_ANY */
	enum hugepages hugepages;
	const struct timed_ioctl *timed; /* run no guest, time this */
	bool stats;
	bool populate;
	const char *note; /* a parameter more that rows say, or NULL */
};

/* The UART of COM1, as far as anyone who polls it can tell. */
struct uart {
	uint8_t reg[8];
};

/* A line that is complete only when its newline has come. */
struct line {
	char text[ROW_LINE_MAX];
	size_t used;
};

struct machine {
	int kvm_fd, vm_fd, vcpu_fd;
	struct kvm_run *run;
	size_t run_size;
	struct guest_ram ram;
	struct uart com1;
	FILE *console; /* what the guest writes to COM1 and to its row port */
	struct line row_line;
	struct stats stats;
	struct pmu pmu;
	struct rows rows;
	bool ended; /* by the guest, with ... */
	uint8_t status;
};

/* For the signal handler, which must reach the vCPU wherever the program is. */
static struct kvm_run *volatile running;
static volatile sig_atomic_t got_signal;

/* For die(): a run that could not start must still leave its row. */
static struct rows *rows_to_fail;

/**
 * die() - end the program with a sentence, and with a row that says that the run failed
 * @fmt: the sentence, without a newline
 */
void die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("runner: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	if (rows_to_fail) {
		struct rows *rows = rows_to_fail;

		rows_to_fail = NULL;
		rows_failure(rows, "failed");
	}
	exit(STATUS_ERROR);
}

/* ------------------------------------------------------------------ options ------------- */

static void usage(FILE *out)
{
	fprintf(out,
		"usage: runner --kernel ELF64 [options]\n"
		"Run one guest on a hypervisor that speaks the KVM ABI.\n"
		"\n"
		"  --device PATH      /dev/penumbra (default) or /dev/kvm\n"
		"  --kernel FILE      ELF64 image, started by the Linux 64-bit boot protocol\n"
		"  --append TEXT      its command line, such as 'workload=list'\n"
		"  --mem MIB          guest RAM (default 256)\n"
		"  --hugepages KIND   pages behind guest RAM: off, thp (default), 2M, 1G\n"
		"  --gtt MIB          a device with a page table of its own and so much address\n"
		"                     space: a power of two from 2 to 2048 (Penumbra only)\n"
		"  --populate         touch all guest RAM before the guest starts\n"
		"  --note KEY:VALUE   what rows say beside the workload's own parameters\n"
		"  --ioctl NAME       run no guest: time the ioctl version (the least there is) "
		"or\n"
		"                     run (KVM_RUN that is to return at once) and write a row for\n"
		"                     each of the reps= of --append\n"
		"  --timeout SECONDS  end the run after this long, status 124 (default: never)\n"
		"  --cpu N|off        run on this CPU alone; off: wherever the kernel likes "
		"(default:\n"
		"                     on the one where the runner starts); --stats says which\n"
		"  --console FILE     write the guest's output there instead of standard output\n"
		"  --stats            print all statistics of the hypervisor at the end\n"
		"  --csv FILE         append one row per repetition ('-': to standard output,\n"
		"                     each after '@csv ')\n"
		"  --exit-times FILE  append min, mean and max of what the body's exits took, a "
		"row "
		"per\n"
		"                     cause ('-': after '@exits '); Penumbra with exit_times=1\n"
		"  --tag LIST         what a row cannot know: host=metal|nested|emulated and\n"
		"                     clock=tsc|ticks (needed with those two), engine=, mode=,\n"
		"                     backing= (added to the pages' kind: cold, warm)\n"
		"  --pmu on|off|list  count page-walk cycles and TLB flushes by the CPU's "
		"counters,\n"
		"                     for --csv and --stats (default: on); list: print what can\n"
		"                     be counted here, and exit\n"
		"  --rows FILE        run nothing: take the guest's output from FILE ('-': "
		"standard\n"
		"                     input), from a run on the bare machine, to --csv\n"
		"  --columns[=exits]  print the header of the CSV (of --exit-times) and exit\n"
		"  --describe         print what its columns mean, as a Markdown table, and exit\n"
		"  --help             this text\n"
		"\n"
		"Exit status: the guest's own; 1 if guest and hypervisor counted differently;\n"
		"124 timeout; 125 wrong usage, device or image; 126 stopped by the hypervisor.\n");
}

static uint64_t parse_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < min || value > max)
		die("%s %s: a number from %" PRIu64 " to %" PRIu64 " is expected", option, text,
		    min, max);
	return value;
}

static enum hugepages parse_hugepages(const char *text)
{
	for (size_t i = 0; i < sizeof(hugepages_names) / sizeof(hugepages_names[0]); i++)
		if (!strcmp(text, hugepages_names[i]))
			return (enum hugepages)i;
	die("--hugepages %s is unknown: off, thp, 2M or 1G is expected", text);
}

static int parse_cpu(const char *text)
{
	return strcmp(text, "off") ? (int)parse_number("--cpu", text, 0, MAX_CPU) : CPU_ANY;
}

/* A field of a row holds no commas, spaces or quotes. */
static const char *parse_note(const char *text)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
	size_t key = strspn(text, word), value;

	value = text[key] == ':' ? strspn(text + key + 1, word) : 0;
	if (!key || !value || text[key + 1 + value] || key + value > 64)
		die("--note %s: key:value is expected, of small letters, digits and _", text);
	return text;
}

static const struct timed_ioctl *parse_ioctl(const char *text)
{
	for (size_t i = 0; i < sizeof(timed_ioctls) / sizeof(timed_ioctls[0]); i++)
		if (!strcmp(text, timed_ioctls[i].name))
			return &timed_ioctls[i];
	die("--ioctl %s is unknown: version or run is expected", text);
}

static void list_counters(void) __attribute__((noreturn));

static void list_counters(void)
{
	struct pmu pmu;

	pmu_open(&pmu);
	puts(pmu.text);
	exit(0);
}

static void parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option longopts[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "kernel", required_argument, NULL, 'k' },
		{ "append", required_argument, NULL, 'a' },
		{ "mem", required_argument, NULL, 'm' },
		{ "hugepages", required_argument, NULL, 'H' },
		{ "gtt", required_argument, NULL, 'g' },
		{ "populate", no_argument, NULL, 'p' },
		{ "note", required_argument, NULL, 'N' },
		{ "ioctl", required_argument, NULL, 'i' },
		{ "timeout", required_argument, NULL, 't' },
		{ "cpu", required_argument, NULL, 'u' },
		{ "stats", no_argument, NULL, 's' },
		{ "console", required_argument, NULL, 'o' },
		{ "pmu", required_argument, NULL, 'P' },
		{ "rows", required_argument, NULL, 'r' },
		{ "csv", required_argument, NULL, 'c' },
		{ "exit-times", required_argument, NULL, 'e' },
		{ "tag", required_argument, NULL, 'T' },
		{ "columns", optional_argument, NULL, 'C' },
		{ "describe", no_argument, NULL, 'D' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'd':
			opt->device = optarg;
			break;
		case 'k':
			opt->kernel = optarg;
			break;
		case 'a':
			opt->append = optarg;
			break;
		case 'm':
			opt->mem_mib = parse_number("--mem", optarg, MIN_MEM_MIB, MAX_MEM_MIB);
			break;
		case 'g':
			opt->gtt_mib = parse_number("--gtt", optarg, 2, 2048);
			break;
		case 'H':
			opt->hugepages = parse_hugepages(optarg);
			break;
		case 'p':
			opt->populate = true;
			break;
		case 'N':
			opt->note = parse_note(optarg);
			break;
		case 'i':
			opt->timed = parse_ioctl(optarg);
			break;
		case 't':
			opt->timeout = parse_number("--timeout", optarg, 1, 1000000);
			break;
		case 'u':
			opt->cpu = parse_cpu(optarg);
			break;
		case 's':
			opt->stats = true;
			break;
		case 'o':
			opt->console = optarg;
			break;
		case 'P':
			opt->pmu = optarg;
			break;
		case 'r':
			opt->rows = optarg;
			break;
		case 'c':
			opt->csv = optarg;
			break;
		case 'e':
			opt->exit_times = optarg;
			break;
		case 'T':
			opt->tag = optarg;
			break;
		case 'C':
			if (optarg && strcmp(optarg, "exits"))
				die("--columns=%s is unknown: exits is expected, or nothing",
				    optarg);
			rows_print_header(optarg != NULL);
			exit(0);
		case 'D':
			rows_print_columns();
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			fputs("runner: see runner --help\n", stderr);
			exit(STATUS_ERROR);
		}
	}
	if (optind < argc)
		die("%s is not an option: see runner --help", argv[optind]);
	if (!strcmp(opt->pmu, "list"))
		list_counters();
	if (strcmp(opt->pmu, "on") && strcmp(opt->pmu, "off"))
		die("--pmu %s is unknown: on, off or list is expected", opt->pmu);
	if (opt->rows && (opt->kernel || !opt->csv))
		die("--rows runs nothing and writes to --csv: give that, and no --kernel");
	if (opt->timed && !opt->csv)
		die("--ioctl writes to --csv: give that");
	if (!opt->kernel && !opt->rows && !opt->timed)
		die("no guest image: give --kernel FILE (see runner --help)");
}

/*
 * A guest that is moved between CPUs finds other caches, another clock speed, perhaps another kind of
 * core: it stays on one.
 */
static void pin(struct options *opt)
{
	cpu_set_t *set;
	size_t size = CPU_ALLOC_SIZE(MAX_CPU + 1);

	if (opt->cpu == CPU_ANY)
		return;
	if (opt->cpu == CPU_WHERE_STARTED)
		opt->cpu = sched_getcpu();
	set = CPU_ALLOC(MAX_CPU + 1);
	if (!set || opt->cpu < 0)
		die("cannot tell which CPU this runs on: give --cpu N or --cpu off");
	CPU_ZERO_S(size, set);
	CPU_SET_S((size_t)opt->cpu, size, set);
	if (sched_setaffinity(0, size, set) < 0)
		die("cannot run on CPU %d (%s): it is not there, is offline, or not for this "
		    "program (taskset, cgroups); --cpu off lets the kernel choose",
		    opt->cpu, strerror(errno));
	CPU_FREE(set);
}

/* One line of a small file such as a module parameter, or NULL. */
static char *read_parameter(const char *path)
{
	char line[64];
	FILE *file = fopen(path, "r");
	char *result = NULL;

	if (!file)
		return NULL;
	if (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		result = strdup(line);
	}
	fclose(file);
	return result;
}

static void set_up_rows(struct rows *rows, const struct options *opt)
{
	static const char *const keys[] = { "engine", "mode", "host", "clock", "backing", NULL };
	const char *value[5] = { 0 };
	char *ept = read_parameter("/sys/module/kvm_intel/parameters/ept");
	char *text = opt->tag, *given;

	rows->csv.fd = rows->times_csv.fd = -1;
	rows->cmdline = opt->append;
	rows->kvm = strstr(opt->device, "kvm") != NULL;
	rows->kvm_ept = ept && (ept[0] == 'Y' || ept[0] == '1');
	free(ept);

	while (text && *text) {
		int i = getsubopt(&text, (char *const *)keys, &given);

		if (i < 0)
			die("--tag: %s is unknown: engine=, mode=, host=, clock= and backing= are "
			    "expected",
			    given ? given : "an entry");
		if (!given || !*given)
			die("--tag: %s has no value", keys[i]);
		value[i] = given;
	}
	rows->engine = value[0] ? value[0] : rows->kvm ? "kvm" : "penumbra";
	rows->mode = value[1];
	if (!rows->mode)
		rows->mode =
			rows->kvm ? (rows->kvm_ept ? "ept" : "shadow")
				  : read_parameter("/sys/module/penumbra/parameters/paging_mode");
	if (!rows->mode)
		rows->mode = "unknown";
	if (opt->gtt_mib)
		rows->gtt_mode = read_parameter("/sys/module/penumbra/parameters/gtt_mode");
	rows->guest_mib = opt->rows ? 0 : opt->mem_mib;
	rows->host = value[2] ? value[2] : "";
	rows->clock = value[3] ? value[3] : "";
	rows->populated = opt->populate;
	rows->note = opt->note;
	snprintf(rows->backing, sizeof(rows->backing), "%s%s%s%s",
		 opt->rows ? "bare" : backing_names[opt->hugepages],
		 opt->populate ? "-populated" : "", value[4] ? "-" : "", value[4] ? value[4] : "");

	if (!opt->csv && !opt->exit_times)
		return;
	if (!value[2] || !value[3])
		die("--csv and --exit-times need --tag host=...,clock=...: no row without its "
		    "kind");
	if (opt->exit_times)
		rows_open_times(rows, opt->exit_times);
	if (!opt->csv)
		return;
	rows_open_csv(rows, opt->csv);
	rows_to_fail = rows;
}

/* ------------------------------------------------------------------ guest RAM ----------- */

static void map_ram(struct guest_ram *ram, const struct options *opt)
{
	static const int huge_shift[] = { 0, 0, 21, 30 };
	uint64_t size = opt->mem_mib * MIB, align = 2 * MIB;
	int shift = huge_shift[opt->hugepages];
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint8_t *at;

	if (shift) {
		if (size & ((1ull << shift) - 1))
			die("--mem %" PRIu64 " is not a multiple of the %s pages asked for",
			    opt->mem_mib, hugepages_names[opt->hugepages]);
		at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  (flags & ~MAP_NORESERVE) | MAP_HUGETLB | shift << MAP_HUGE_SHIFT, -1, 0);
		if (at == MAP_FAILED)
			die("no %" PRIu64 " MiB of %s pages for guest RAM (%s): reserve them in "
			    "/sys/kernel/mm/hugepages or choose --hugepages thp",
			    opt->mem_mib, hugepages_names[opt->hugepages], strerror(errno));
	} else {
		/* Aligned, so that a transparent huge page is a large page of the guest too. */
		at = mmap(NULL, size + align, PROT_READ | PROT_WRITE, flags, -1, 0);
		if (at == MAP_FAILED)
			die("no %" PRIu64 " MiB for guest RAM: %s", opt->mem_mib, strerror(errno));
		at = (uint8_t *)(((uintptr_t)at + align - 1) & ~(uintptr_t)(align - 1));
		/* A kernel without transparent huge pages has only small ones: nothing to ask. */
		madvise(at, size, opt->hugepages == PAGES_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	}
	if (opt->populate && madvise(at, size, MADV_POPULATE_WRITE) < 0)
		die("cannot populate %" PRIu64 " MiB of guest RAM: %s", opt->mem_mib,
		    strerror(errno));
	ram->host = at;
	ram->low = size < RAM_HOLE_START ? size : RAM_HOLE_START;
	ram->high = size - ram->low;
}

static FILE *open_console(const char *path)
{
	FILE *console = path ? fopen(path, "we") : stdout;

	if (!console)
		die("cannot write the guest's output to %s: %s", path, strerror(errno));
	return console;
}

/* ------------------------------------------------------------------ the VM -------------- */

static void check_ioctl(int result, const char *name)
{
	if (result < 0)
		die("%s failed: %s", name, strerror(errno));
}

static void set_region(const struct machine *m, uint32_t slot, uint64_t gpa, uint64_t size,
		       void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	check_ioctl(ioctl(m->vm_fd, KVM_SET_USER_MEMORY_REGION, &region),
		    "KVM_SET_USER_MEMORY_REGION");
}

static bool has_extension(const struct machine *m, long extension)
{
	return ioctl(m->kvm_fd, KVM_CHECK_EXTENSION, extension) > 0;
}

static void open_device(struct machine *m, const char *device)
{
	int version;

	m->kvm_fd = open(device, O_RDWR | O_CLOEXEC);
	if (m->kvm_fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
		die("%s is not there: load the module first (%s)", device,
		    strstr(device, "kvm") ? "modprobe kvm_intel" : "modprobe penumbra, make load");
	if (m->kvm_fd < 0 && (errno == EACCES || errno == EPERM))
		die("cannot open %s: %s; run this as its owner, root (`ls -l %s` says who else "
		    "may)",
		    device, strerror(errno), device);
	if (m->kvm_fd < 0)
		die("cannot open %s: %s", device, strerror(errno));
	version = ioctl(m->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		die("%s does not speak the KVM ABI: %s", device, strerror(errno));
	if (version != KVM_API_VERSION)
		die("%s speaks version %d of the KVM ABI, this runner %d", device, version,
		    KVM_API_VERSION);
}

static void create_gtt(const struct machine *m, uint64_t mib)
{
	struct penumbra_gtt gtt = {
		.guest_phys_addr = GUEST_GTT_BASE,
		.device_bytes = mib * MIB,
	};

	if (ioctl(m->vm_fd, PENUMBRA_CREATE_GTT, &gtt) == 0)
		return;
	if (errno == ENOTTY)
		die("--gtt: this hypervisor has no such device, only Penumbra has");
	if (errno == EINVAL)
		die("--gtt %" PRIu64 ": a power of two from 2 to 2048 is expected", mib);
	die("--gtt %" PRIu64 ": PENUMBRA_CREATE_GTT failed: %s", mib, strerror(errno));
}

static void create_vm(struct machine *m, uint64_t gtt_mib)
{
	int size;

	m->vm_fd = ioctl(m->kvm_fd, KVM_CREATE_VM, 0);
	check_ioctl(m->vm_fd, "KVM_CREATE_VM");
	/* Three pages that an Intel host without unrestricted guest needs, in the hole. */
	if (has_extension(m, KVM_CAP_SET_TSS_ADDR))
		check_ioctl(ioctl(m->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	set_region(m, 0, 0, m->ram.low, m->ram.host);
	if (m->ram.high)
		set_region(m, 1, RAM_HOLE_END, m->ram.high, m->ram.host + m->ram.low);

	if (gtt_mib)
		create_gtt(m, gtt_mib);

	m->vcpu_fd = ioctl(m->vm_fd, KVM_CREATE_VCPU, 0);
	check_ioctl(m->vcpu_fd, "KVM_CREATE_VCPU");
	size = ioctl(m->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	check_ioctl(size, "KVM_GET_VCPU_MMAP_SIZE");
	if ((size_t)size < sizeof(struct kvm_run))
		die("KVM_GET_VCPU_MMAP_SIZE gives %d bytes: struct kvm_run has %zu", size,
		    sizeof(struct kvm_run));
	m->run_size = (size_t)size;
	m->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu_fd, 0);
	if (m->run == MAP_FAILED)
		die("cannot map the vCPU's kvm_run: %s", strerror(errno));
}

/* The guest's CPUID is what the hypervisor supports: what it hides, the guest must not use. */
static void set_cpuid(const struct machine *m)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die("no memory for CPUID");
	cpuid->nent = MAX_CPUID;
	check_ioctl(ioctl(m->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check_ioctl(ioctl(m->vcpu_fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

static void set_registers(const struct machine *m, const struct boot_state *boot)
{
	struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = GUEST_BOOT_CS,
		.type = 0xb, /* execute, read, accessed */
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = GUEST_BOOT_DS,
		.type = 0x3, /* read, write, accessed */
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	/* VM entry wants a busy TSS (SDM 27.3.1.2), though this one is never used. */
	struct kvm_segment tss = { .limit = 0x67, .type = 0xb, .present = 1 };
	struct kvm_segment none = { .unusable = 1 };
	struct kvm_regs regs = {
		.rip = boot->entry,
		.rsi = boot->zero_page,
		.rsp = boot->stack,
		.rflags = 2,
	};
	struct kvm_sregs sregs;

	check_ioctl(ioctl(m->vcpu_fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = tss;
	sregs.ldt = none;
	sregs.gdt.base = boot->gdt;
	sregs.gdt.limit = boot->gdt_limit;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_BOOT;
	sregs.cr3 = boot->cr3;
	sregs.cr4 = CR4_BOOT;
	sregs.efer = EFER_BOOT;
	check_ioctl(ioctl(m->vcpu_fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check_ioctl(ioctl(m->vcpu_fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void set_up_stats(struct machine *m)
{
	stats_open(&m->stats, m->vm_fd, m->vcpu_fd);
	if (!m->stats.sources)
		return;
	m->rows.stats = &m->stats;
	m->rows.begin = calloc(m->stats.values, sizeof(uint64_t));
	m->rows.end = calloc(m->stats.values, sizeof(uint64_t));
	if (!m->rows.begin || !m->rows.end)
		die("no memory for statistics");
}

/* After everything that belongs to the VM's making: nobody else needs a counter before. */
static void set_up_pmu(struct machine *m, const struct options *opt)
{
	if (strcmp(opt->pmu, "on"))
		strcpy(m->pmu.text, "none: --pmu off");
	else if ((opt->csv || opt->stats) && pmu_open(&m->pmu))
		m->rows.pmu = &m->pmu;
}

/* ------------------------------------------------------------------ ports --------------- */

static void line_byte(struct machine *m, struct line *line, char c)
{
	if (c != '\n') {
		if (line->used < sizeof(line->text) - 1)
			line->text[line->used++] = c;
		return;
	}
	line->text[line->used] = '\0';
	fprintf(m->console, "%s\n", line->text);
	fflush(m->console);
	rows_line(&m->rows, line->text);
	line->used = 0;
}

enum { UART_DATA, UART_IER, UART_IIR, UART_LCR, UART_MCR, UART_LSR, UART_MSR };

#define UART_LCR_DLAB	 0x80
#define UART_IIR_NONE	 0x01 /* no interrupt pending */
#define UART_LSR_EMPTY	 0x60 /* ready to send, nothing received */
#define UART_MSR_PRESENT 0xb0 /* carrier, data set ready, clear to send */
#define UART_PORTS	 8

static void uart_write(struct uart *uart, FILE *console, unsigned int reg, uint8_t value)
{
	/* With DLAB set the first two registers are the baud rate, not data. */
	if (reg == UART_DATA && !(uart->reg[UART_LCR] & UART_LCR_DLAB)) {
		putc(value, console);
		if (value == '\n')
			fflush(console);
		return;
	}
	uart->reg[reg] = value;
}

static uint8_t uart_read(const struct uart *uart, unsigned int reg)
{
	switch (reg) {
	case UART_DATA:
		return uart->reg[UART_LCR] & UART_LCR_DLAB ? uart->reg[reg] : 0;
	case UART_IIR:
		return UART_IIR_NONE;
	case UART_LSR:
		return UART_LSR_EMPTY;
	case UART_MSR:
		return UART_MSR_PRESENT;
	default:
		return uart->reg[reg];
	}
}

static bool is_com1(uint16_t port)
{
	return port >= GUEST_PORT_COM1 && port < GUEST_PORT_COM1 + UART_PORTS;
}

static void port_write(struct machine *m, uint16_t port, uint32_t value)
{
	if (is_com1(port)) {
		uart_write(&m->com1, m->console, port - GUEST_PORT_COM1, (uint8_t)value);
		return;
	}
	switch (port) {
	case GUEST_PORT_ROW:
		line_byte(m, &m->row_line, (char)value);
		break;
	case GUEST_PORT_EXIT:
		m->ended = true;
		m->status = (uint8_t)value;
		break;
	case GUEST_PORT_MARK:
		rows_marker(&m->rows, value);
		break;
	default:
		break;
	}
}

static uint32_t port_read(const struct machine *m, uint16_t port)
{
	if (is_com1(port))
		return uart_read(&m->com1, port - GUEST_PORT_COM1);
	return port == GUEST_PORT_ROW ? GUEST_ROW_THERE : 0xffffffff;
}

static void handle_io(struct machine *m)
{
	uint8_t *data = (uint8_t *)m->run + m->run->io.data_offset;
	size_t size = m->run->io.size;
	uint64_t bytes = (uint64_t)size * m->run->io.count;

	if (!size || size > 4 || m->run->io.data_offset > m->run_size ||
	    bytes > m->run_size - m->run->io.data_offset)
		die("the hypervisor reports port data outside kvm_run (offset %" PRIu64 ", %" PRIu64
		    " bytes)",
		    (uint64_t)m->run->io.data_offset, bytes);
	for (uint32_t i = 0; i < m->run->io.count && !m->ended; i++, data += size) {
		uint32_t value = 0;

		if (m->run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, size);
			port_write(m, m->run->io.port, value);
		} else {
			value = port_read(m, m->run->io.port);
			memcpy(data, &value, size);
		}
	}
}

/* ------------------------------------------------------------------ the run loop -------- */

static void kick_timer(uint64_t first_seconds)
{
	/*
	 * Repeated, so that even a hypervisor that looks at immediate_exit too early, or not at
	 * all, is interrupted in the end.
	 */
	struct itimerval timer = {
		.it_value = { .tv_sec = (time_t)first_seconds,
			      .tv_usec = first_seconds ? 0 : 100000 },
		.it_interval = { .tv_usec = 100000 },
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void on_signal(int sig)
{
	struct kvm_run *run = running;

	if (!got_signal) {
		got_signal = sig;
		if (sig != SIGALRM)
			kick_timer(0);
	}
	if (run)
		run->immediate_exit = 1;
}

static void catch_signals(const struct options *opt)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	if (opt->timeout)
		kick_timer(opt->timeout);
}

static int stopped(struct machine *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int stopped(struct machine *m, const char *fmt, ...)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	va_list args;

	fflush(stdout);
	fputs("runner: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	if (!ioctl(m->vcpu_fd, KVM_GET_REGS, &regs) && !ioctl(m->vcpu_fd, KVM_GET_SREGS, &sregs))
		fprintf(stderr,
			" (rip 0x%" PRIx64 ", rsp 0x%" PRIx64 ", cr2 0x%" PRIx64 ", cr3 0x%" PRIx64
			")",
			(uint64_t)regs.rip, (uint64_t)regs.rsp, (uint64_t)sregs.cr2,
			(uint64_t)sregs.cr3);
	fputc('\n', stderr);
	rows_failure(&m->rows, "stopped");
	return STATUS_STOPPED;
}

/* Return: the exit status, or -1 to go on. */
static int handle_exit(struct machine *m)
{
	const struct kvm_run *run = m->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(m);
		return m->ended ? m->status : -1;
	case KVM_EXIT_MMIO:
		/* Nobody lives there: reads give all ones, writes go nowhere. */
		if (!run->mmio.is_write)
			memset(m->run->mmio.data, 0xff, sizeof(run->mmio.data));
		return -1;
	case KVM_EXIT_INTR:
		return -1;
	case KVM_EXIT_HLT:
		return stopped(m, "the guest halted for ever, without a status on port 0x%x",
			       GUEST_PORT_EXIT);
	case KVM_EXIT_SHUTDOWN:
		return stopped(m, "the guest shut down: a triple fault");
	case KVM_EXIT_FAIL_ENTRY:
		return stopped(m, "the CPU refused to enter the guest: hardware reason 0x%" PRIx64,
			       (uint64_t)run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		return stopped(m, "the hypervisor stopped the VM: internal error %u (see dmesg)",
			       run->internal.suberror);
	case KVM_EXIT_UNKNOWN:
		return stopped(m, "the hypervisor does not know hardware exit reason %" PRIu64,
			       (uint64_t)run->hw.hardware_exit_reason);
	default:
		return stopped(m, "the hypervisor ended KVM_RUN for reason %u, unknown here",
			       run->exit_reason);
	}
}

static int run_loop(struct machine *m)
{
	int status = -1;

	running = m->run;
	while (status < 0) {
		if (got_signal == SIGALRM) {
			fflush(stdout);
			fputs("runner: the guest did not end in the time it was given\n", stderr);
			rows_failure(&m->rows, "timeout");
			return STATUS_TIMEOUT;
		}
		if (got_signal)
			return -1;
		if (ioctl(m->vcpu_fd, KVM_RUN, 0) == 0)
			status = handle_exit(m);
		else if (errno != EINTR && errno != EAGAIN)
			status = stopped(m, "KVM_RUN failed: %s", strerror(errno));
	}
	return status;
}

static void print_stats(const struct machine *m, uint64_t *total)
{
	bool body = m->rows.body_known || m->rows.written;

	if (!m->stats.sources) {
		puts("this hypervisor has no statistics (KVM_GET_STATS_FD)");
		return;
	}
	stats_read(&m->stats, total);
	stats_print(&m->stats, total, body ? m->rows.begin : NULL, m->rows.end);
}

/*
 * The guest's rows of a run that had no hypervisor below it: the same CSV, without statistics.
 * Nothing else of the guest's output matters here.
 */
static int take_rows(struct rows *rows, const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char *line = NULL;
	size_t room = 0;

	if (!file)
		die("cannot read the guest's output %s: %s", path, strerror(errno));
	while (getline(&line, &room, file) >= 0) {
		line[strcspn(line, "\r\n")] = '\0';
		rows_line(rows, line);
	}
	free(line);
	if (!rows->written)
		rows_failure(rows, "failed");
	return rows->failed ? STATUS_MISMATCH : 0;
}

static int run_machine(struct machine *m, const struct options *opt)
{
	struct boot_state boot;
	int status;

	m->console = open_console(opt->console);
	map_ram(&m->ram, opt);
	load_guest(opt->kernel, opt->append, &m->ram, &boot);
	open_device(m, opt->device);
	create_vm(m, opt->gtt_mib);
	set_cpuid(m);
	set_registers(m, &boot);
	set_up_stats(m);
	set_up_pmu(m, opt);
	catch_signals(opt);

	status = run_loop(m);

	fflush(m->console);
	if (status < 0) {
		/* The closing of the descriptors is the hypervisor's cue to free everything. */
		signal(got_signal, SIG_DFL);
		raise(got_signal);
	}
	if (opt->stats) {
		uint64_t *total = calloc(m->stats.values + 1, sizeof(uint64_t));

		if (opt->cpu == CPU_ANY)
			puts("on any CPU (--cpu off)");
		else
			printf("on CPU %d\n", opt->cpu);
		if (total)
			print_stats(m, total);
		free(total);
		pmu_print(&m->pmu, &m->rows.pmu_begin, &m->rows.pmu_end);
	}
	if (m->rows.failed && status == 0)
		status = STATUS_MISMATCH;
	/* A guest that says it failed without a row for it must show in the CSV too. */
	if (status > 0 && !m->rows.failed)
		rows_failure(&m->rows, "failed");
	return status;
}

/* Return: 0, or a status; the VM is complete but for its registers, which nobody looks at. */
static int time_ioctl(struct machine *m, const struct options *opt)
{
	const struct timed_ioctl *timed = opt->timed;
	const char *reps = strstr(opt->append, "reps=");
	uint64_t rows = reps ? strtoull(reps + strlen("reps="), NULL, 10) : 1;
	int fd;

	map_ram(&m->ram, opt);
	open_device(m, opt->device);
	create_vm(m, 0);
	m->run->immediate_exit = 1;
	fd = timed->vcpu ? m->vcpu_fd : m->kvm_fd;
	if (ioctl(fd, timed->request, 0) != timed->expect)
		die("--ioctl %s: it does not do what is expected: %s", timed->name,
		    strerror(errno));
	for (uint64_t rep = 0; rep < rows; rep++) {
		uint64_t start = __builtin_ia32_rdtsc(), elapsed;

		for (int i = 0; i < TIMED_ROUNDS; i++)
			ioctl(fd, timed->request, 0);
		elapsed = __builtin_ia32_rdtsc() - start;
		start = __builtin_ia32_rdtsc();
		for (int i = 0; i < TIMED_ROUNDS; i++)
			asm volatile("" : : : "memory");
		rows_timed(&m->rows, TIMED_ROUNDS, elapsed, __builtin_ia32_rdtsc() - start);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options opt = {
		.device = "/dev/penumbra",
		.append = "",
		.pmu = "on",
		.mem_mib = 256,
		.hugepages = PAGES_THP,
		.cpu = CPU_WHERE_STARTED,
	};
	static struct machine m;
	int status;

	parse_options(argc, argv, &opt);
	set_up_rows(&m.rows, &opt);
	if (!opt.rows)
		pin(&opt);
	if (opt.rows)
		status = take_rows(&m.rows, opt.rows);
	else if (opt.timed)
		status = time_ioctl(&m, &opt);
	else
		status = run_machine(&m, &opt);
	return fflush(stdout) ? STATUS_ERROR : status;
}

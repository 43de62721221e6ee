// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs on the emulated host: lives of a VM that end badly, or that the host disturbs.  Each command
 * does one thing to a guest of the suite; whatever happens to the guest, the host must stay whole
 * and the program must see only errors that say what happened.
 *
 * It is a VMM of its own, smaller than the runner, because it has to know at which call a failure
 * was injected, and which thread is the vCPU's.  Prints TAP lines without numbers.
 */
#include "../../bench/runner.h"
#include "../../workloads/guest_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_MIB	  48
#define MAX_CPUID 256
#define MAX_FAILS 5000 /* more allocations than any life has */

/* The steps of a life: where it ended, and with which errno. */
enum step { OPEN, MAP, VM, REGION, VCPU, RUN_PAGE, CPUID, SREGS, REGS, STATS, RUN, ENDED, STEPS };

static const char *const step_names[STEPS] = { "open", "map RAM", "create VM", "set region",
					       "vCPU", "map run", "CPUID",     "sregs",
					       "regs", "stats",	  "run",       "ended" };

struct life {
	enum step step; /* the one that failed, or ENDED */
	int error;
	uint32_t exit_reason;
	bool ended; /* by the guest itself, with this status and this checksum */
	uint8_t status;
	char checksum[40];
	char line[512]; /* of the row port */
	size_t used;
};

static const char *device = "/dev/penumbra";
static const char *image = "build/suite.elf";
static const char *append = "workload=pt_update share=50 pages=64 ops=100 reps=1";
static int template_fd;
static struct boot_state boot;
static struct kvm_cpuid2 *cpuid;
static bool failed;

/* Of a life that another thread disturbs. */
static atomic_int vcpu_thread;
static atomic_int shown_stats = -1;
static atomic_uint lives;
static atomic_bool enough;

void die(const char *fmt, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(STATUS_ERROR);
}

static void __attribute__((format(printf, 2, 3))) result(bool ok, const char *fmt, ...)
{
	va_list args;

	printf("%sok - stress: ", ok ? "" : "not ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	failed |= !ok;
}

/* ---- one life ---- */

/* The guest's memory as it starts, in a file: each life has a private copy of its own. */
static void make_template(void)
{
	struct guest_ram ram = { .low = RAM_MIB * MIB };

	template_fd = memfd_create("guest", MFD_CLOEXEC);
	if (template_fd < 0 || ftruncate(template_fd, RAM_MIB * MIB) < 0)
		die("no memory for the guest: %s", strerror(errno));
	ram.host = mmap(NULL, RAM_MIB * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, template_fd, 0);
	if (ram.host == MAP_FAILED)
		die("no memory for the guest: %s", strerror(errno));
	load_guest(image, append, &ram, &boot);
	munmap(ram.host, RAM_MIB * MIB);
	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die("no memory for CPUID");
}

static void start_at(struct kvm_sregs *sregs)
{
	struct kvm_segment code = { .limit = ~0u,
				    .selector = GUEST_BOOT_CS,
				    .type = 0xb,
				    .present = 1,
				    .s = 1,
				    .l = 1,
				    .g = 1 };
	struct kvm_segment data = { .limit = ~0u,
				    .selector = GUEST_BOOT_DS,
				    .type = 0x3,
				    .present = 1,
				    .s = 1,
				    .db = 1,
				    .g = 1 };

	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	sregs->ldt = (struct kvm_segment){ .unusable = 1 };
	sregs->gdt.base = boot.gdt;
	sregs->gdt.limit = boot.gdt_limit;
	sregs->idt.base = sregs->idt.limit = 0;
	sregs->cr0 = 0x80050033;
	sregs->cr3 = boot.cr3;
	sregs->cr4 = 0x20;
	sregs->efer = 0x500;
}

static void row_byte(struct life *life, char c)
{
	const char *sum;

	if (c != '\n') {
		if (life->used < sizeof(life->line) - 1)
			life->line[life->used++] = c;
		return;
	}
	life->line[life->used] = '\0';
	life->used = 0;
	sum = strstr(life->line, "checksum=");
	if (sum)
		snprintf(life->checksum, sizeof(life->checksum), "%.*s", (int)strcspn(sum, " "),
			 sum);
}

static void ports(struct life *life, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN) {
			memset(data, run->io.port == GUEST_PORT_ROW ? GUEST_ROW_THERE : 0xff,
			       run->io.size);
		} else if (run->io.port == GUEST_PORT_ROW) {
			row_byte(life, (char)*data);
		} else if (run->io.port == GUEST_PORT_EXIT) {
			life->ended = true;
			life->status = *data;
		}
	}
}

/* Return: whether the guest came to its own end. */
static bool run_guest(struct life *life, int vcpu, struct kvm_run *run)
{
	while (!life->ended) {
		if (ioctl(vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return false;
		}
		life->exit_reason = run->exit_reason;
		errno = 0;
		if (run->exit_reason == KVM_EXIT_IO)
			ports(life, run);
		else if (run->exit_reason != KVM_EXIT_INTR)
			return false;
	}
	return true;
}

struct parts {
	int dev, vm, vcpu, stats;
	uint8_t *ram;
	struct kvm_run *run;
	int run_size;
};

/* From nothing to the guest's end. Return: the step that failed, or ENDED. */
static enum step live(struct life *life, struct parts *p)
{
	struct kvm_userspace_memory_region region = { .memory_size = RAM_MIB * MIB };
	struct kvm_regs regs = {
		.rip = boot.entry, .rsi = boot.zero_page, .rsp = boot.stack, .rflags = 2
	};
	struct kvm_sregs sregs;

	p->dev = open(device, O_RDWR | O_CLOEXEC);
	if (p->dev < 0)
		return OPEN;
	p->ram = mmap(NULL, RAM_MIB * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, template_fd, 0);
	if (p->ram == MAP_FAILED)
		return MAP;
	p->vm = ioctl(p->dev, KVM_CREATE_VM, 0);
	if (p->vm < 0)
		return VM;
	region.userspace_addr = (uintptr_t)p->ram;
	if (ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return REGION;
	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0)
		return VCPU;
	p->run_size = ioctl(p->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (p->run_size < 0)
		return RUN_PAGE;
	p->run = mmap(NULL, p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	if (p->run == MAP_FAILED)
		return RUN_PAGE;
	cpuid->nent = MAX_CPUID;
	if (ioctl(p->dev, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ||
	    ioctl(p->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		return CPUID;
	if (ioctl(p->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return SREGS;
	start_at(&sregs);
	if (ioctl(p->vcpu, KVM_SET_SREGS, &sregs) < 0)
		return SREGS;
	if (ioctl(p->vcpu, KVM_SET_REGS, &regs) < 0)
		return REGS;
	p->stats = ioctl(p->vm, KVM_GET_STATS_FD, NULL);
	if (p->stats < 0)
		return STATS;
	shown_stats = p->stats;
	return run_guest(life, p->vcpu, p->run) ? ENDED : RUN;
}

static struct life one_life(void)
{
	struct parts p = { -1, -1, -1, -1, MAP_FAILED, MAP_FAILED, 0 };
	struct life life = { 0 };

	errno = 0;
	life.step = live(&life, &p);
	life.error = errno;
	if (p.run != MAP_FAILED)
		munmap(p.run, p.run_size);
	for (const int *fd = (int[]){ p.stats, p.vcpu, p.vm, p.dev, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	if (p.ram != MAP_FAILED)
		munmap(p.ram, RAM_MIB * MIB);
	return life;
}

/* What every undisturbed life gives. */
static struct life expected_life(void)
{
	struct life life = one_life();

	if (life.step != ENDED || life.status != GUEST_STATUS_OK || !life.checksum[0])
		die("a life that nothing disturbs ends at '%s' (%s, exit %u, status %u)",
		    step_names[life.step], strerror(life.error), life.exit_reason, life.status);
	return life;
}

static bool as_expected(const struct life *life, const struct life *expected)
{
	return life->step == ENDED && life->status == expected->status &&
	       !strcmp(life->checksum, expected->checksum);
}

static bool lives_as(const struct life *expected)
{
	struct life life = one_life();

	return as_expected(&life, expected);
}

/* ---- failures on demand ---- */

/* An errno that fits, or a VM that the module stopped and says so. */
static bool says_why(const struct life *life)
{
	if (life->step == RUN && !life->error)
		return life->exit_reason == KVM_EXIT_INTERNAL_ERROR;
	return life->error == ENOMEM || life->error == EFAULT;
}

/*
 * The first allocation or copy that the kernel makes for a life fails, then the second alone, and so
 * on until a life has fewer.  /proc/thread-self/fail-nth counts down at each and fails one.
 */
static void nth(unsigned long step, unsigned long seed)
{
	struct life expected = expected_life();
	unsigned int at[STEPS] = { 0 }, endured = 0, bad = 0, n;
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	char text[32] = "";

	if (fd < 0)
		die("this kernel injects no failures: %s", strerror(errno));
	for (n = 1 + seed % step; n < MAX_FAILS; n += step) {
		struct life life;
		int length = snprintf(text, sizeof(text), "%u", n);
		long left;

		if (pwrite(fd, text, length, 0) != length)
			die("fail-nth: %s", strerror(errno));
		life = one_life();
		/* What is left is not 0 where nothing failed; the read itself may be what failed. */
		memset(text, 0, sizeof(text));
		left = pread(fd, text, sizeof(text) - 1, 0) < 0 ? 1 : atol(text);
		pwrite(fd, "0", 1, 0);
		if (left)
			break;
		if (life.step == ENDED && as_expected(&life, &expected)) {
			endured++;
		} else if (life.step != ENDED && says_why(&life)) {
			at[life.step]++;
		} else {
			bad++;
			printf("# failure %u: '%s', errno %d (%s), status %u, %s\n", n,
			       step_names[life.step], life.error, strerror(life.error), life.status,
			       life.checksum);
		}
	}
	printf("# %u failures; endured %u", (n - 1) / (unsigned int)step, endured);
	for (size_t i = 0; i < ENDED; i++)
		if (at[i])
			printf(", %s %u", step_names[i], at[i]);
	printf("\n");
	result(!bad && n > 10 && n < MAX_FAILS,
	       "each failure on the way to %u is an error that says so", n);
	close(fd);
	result(lives_as(&expected), "a life after them is whole");
}

/* ---- sudden ends ---- */

static unsigned int next_random(unsigned long *seed)
{
	*seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
	return *seed >> 33;
}

static void sudden_end(unsigned long count, unsigned long seed)
{
	struct life expected = expected_life();
	unsigned int ended = 0, killed = 0;

	for (unsigned long i = 0; i < count; i++) {
		pid_t child = fork();
		int status;

		if (!child) {
			for (;;)
				one_life();
		}
		usleep(next_random(&seed) % 60000);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			killed++;
		else
			ended++;
	}
	result(killed == count && !ended, "kill -9 at %lu random moments", count);
	result(lives_as(&expected), "a life after them is whole");
}

/* ---- CPUs ---- */

static void *disturbed(void *arg)
{
	struct life *expected = arg;

	vcpu_thread = (int)syscall(SYS_gettid);
	while (!enough) {
		struct life life = one_life();

		if (!as_expected(&life, expected)) {
			result(false, "a disturbed life: '%s', %s, exit %u, status %u, %s",
			       step_names[life.step], strerror(life.error), life.exit_reason,
			       life.status, life.checksum);
			break;
		}
		lives++;
	}
	return NULL;
}

static bool pin(pid_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(thread, sizeof(set), &set) == 0;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

#define CPU1 "/sys/devices/system/cpu/cpu1/online"

static bool move_vcpu(unsigned long i)
{
	return pin(vcpu_thread, (int)(i & 1));
}

/* Off and on under a vCPU that runs there: pinned, so that it does not leave before. */
static bool turn_cpu(unsigned long i)
{
	(void)i;
	if (!pin(vcpu_thread, 1))
		return false;
	usleep(2000);
	if (!write_file(CPU1, "0"))
		return false;
	usleep(2000);
	return write_file(CPU1, "1");
}

static void disturb(unsigned long count, unsigned long seed, bool (*what)(unsigned long i),
		    const char *name)
{
	struct life expected = expected_life();
	unsigned long done = 0;
	pthread_t thread;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		die("%s: there is one CPU", name);
	if (pthread_create(&thread, NULL, disturbed, &expected))
		die("no thread");
	while (!vcpu_thread)
		usleep(100);
	for (unsigned long i = 0; i < count; i++) {
		usleep(next_random(&seed) % 3000);
		done += what(i);
	}
	enough = true;
	pthread_join(thread, NULL);
	result(done == count && lives, "%lu of %lu %s under %u lives", done, count, name, lives);
}

/* What rules VMs and can be changed at any time: another value, and the default. */
static const struct {
	const char *name, *value[2];
} parameters[] = {
	{ "hybrid_threshold", { "1", "4" } },
	{ "hybrid_quiet", { "2", "8" } },
	{ "vpid", { "0", "1" } },
	{ "ept_ad", { "0", "1" } },
	{ "ept_max_page", { "4K", "2M" } },
	{ "split_exec", { "1", "0" } },
	{ "direct_faults", { "1", "0" } },
	{ "mitigations", { "0", "1" } },
	{ "shadow_budget", { "43", "16384" } },
	{ "slice_us", { "1000", "10000" } },
	{ "pmu", { "0", "1" } },
	{ "exit_times", { "1", "0" } },
};

static char *modes[8];
static size_t nr_modes;

static bool set_parameter(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/penumbra/parameters/%s", name);
	return write_file(path, value);
}

/*
 * All that the module shows of VMs. One may go at any time: not there is no error.
 * Return: whether each audit found each shadow entry right.
 */
static bool look_at_vms(void)
{
	static char text[16384];
	bool right = true;
	glob_t found;

	while (pread(shown_stats, text, sizeof(text), 0) < 0 && errno == EINTR)
		;
	if (glob("/sys/kernel/debug/penumbra/*/*", GLOB_NOSORT, NULL, &found))
		return true;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

		if (n > 0 && strstr(found.gl_pathv[i], "/audit") && text[0] != '0') {
			printf("# audit: %.*s\n", (int)n, text);
			right = false;
		}
		if (fd >= 0)
			close(fd);
	}
	globfree(&found);
	return right;
}

/* Looks at a VM that runs, and changes what rules it. */
static bool look_on(unsigned long i)
{
	size_t which = i / 2 % (sizeof(parameters) / sizeof(parameters[0]));

	return look_at_vms() &&
	       set_parameter(parameters[which].name, parameters[which].value[i & 1]) &&
	       set_parameter("paging_mode", modes[i % nr_modes]);
}

static void migrate(unsigned long count, unsigned long seed)
{
	disturb(count, seed, move_vcpu, "migrations");
}

static void hotplug(unsigned long count, unsigned long seed)
{
	disturb(count, seed, turn_cpu, "times CPU 1 off and on");
}

static void look(unsigned long count, unsigned long seed)
{
	char *words = getenv("MODES"), *word = words ? strtok(words, " ") : NULL;

	for (; word && nr_modes < sizeof(modes) / sizeof(modes[0]); word = strtok(NULL, " "))
		modes[nr_modes++] = word;
	if (!nr_modes)
		die("look: MODES names no mode");
	disturb(count, seed, look_on, "looks at everything, each with a change of parameters,");
}

/* ---- others ---- */

static void whole(unsigned long count, unsigned long seed)
{
	struct life expected = expected_life();
	unsigned long same = 0;

	(void)seed;
	for (unsigned long i = 0; i < count; i++)
		same += lives_as(&expected);
	result(same == count, "%lu lives, %lu alike", count, same);
}

/*
 * Under a memory limit that may be too small: the life ends with an error, or the kernel ends the
 * program. Says nothing, because not even a line may fit.
 */
static void limited(unsigned long count, unsigned long seed)
{
	(void)seed;
	while (count--) {
		struct life life = one_life();

		if (life.step == ENDED && life.status != GUEST_STATUS_OK)
			_exit(1);
		if (life.step != ENDED)
			_exit(says_why(&life) ? 3 : 2);
	}
	_exit(0);
}

/* Beside rmmod and insmod: what is there is used, what is not is no error. */
static void opener(unsigned long count, unsigned long seed)
{
	(void)seed;
	for (unsigned long i = 0; i < count; i++) {
		one_life();
		usleep(500);
	}
}

static const struct command {
	const char *name;
	void (*run)(unsigned long count, unsigned long seed);
	const char *does;
} commands[] = {
	{ "nth", nth, "every N-th allocation or copy of a life fails, one a life" },
	{ "kill", sudden_end, "N times kill -9 at a random moment" },
	{ "migrate", migrate, "N times to the other CPU while the guest runs" },
	{ "hotplug", hotplug, "N times CPU 1 off and on under the guest" },
	{ "look", look, "N times read counters and audit, and change parameters, while it runs" },
	{ "whole", whole, "N undisturbed lives" },
	{ "limited", limited, "N lives, silent: status 0, or 3 if refused for want of memory" },
	{ "opener", opener, "N lives with a device that comes and goes, silent" },
};

int main(int argc, char **argv)
{
	if (argc >= 3) {
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			if (strcmp(argv[1], commands[i].name))
				continue;
			if (argc > 4)
				append = argv[4];
			make_template();
			commands[i].run(strtoul(argv[2], NULL, 10),
					argc > 3 ? strtoul(argv[3], NULL, 10) : 1);
			return failed;
		}
	}
	fputs("usage: stress COMMAND N [SEED [GUEST-COMMAND-LINE]]\n", stderr);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "  %-8s %s\n", commands[i].name, commands[i].does);
	return STATUS_ERROR;
}

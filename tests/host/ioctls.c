// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs on the emulated host: ioctls with bad arguments, in bad order, and racing with close and
 * with each other. Each must fail with the errno that KVM's documentation gives, and the machine
 * must live. Prints TAP lines without numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM   (4ul << 20)
#define RACES 60

static int failed;

static void result(bool ok, const char *name, int got)
{
	printf("%s - ioctl: %s", ok ? "ok" : "not ok", name);
	if (!ok)
		printf(" (got %d, errno %d: %s)", got, errno, strerror(errno));
	printf("\n");
	fflush(stdout);
	failed |= !ok;
}

/* Must fail with @want. */
static void refused(const char *name, int want, int got)
{
	result(got < 0 && errno == want, name, got);
}

static void works(const char *name, int got)
{
	result(got >= 0, name, got);
}

static int dev;
static uint8_t *ram;

static int set_region(int vm, uint32_t slot, uint64_t gpa, uint64_t size, uint64_t hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = hva
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static void test_regions(int vm)
{
	uint64_t hva = (uint64_t)(uintptr_t)ram;

	refused("region, unaligned gpa", EINVAL, set_region(vm, 0, 0x10, RAM, hva));
	refused("region, unaligned size", EINVAL, set_region(vm, 0, 0, RAM - 1, hva));
	refused("region, unaligned hva", EINVAL, set_region(vm, 0, 0, RAM, hva + 8));
	refused("region, slot out of range", EINVAL, set_region(vm, 1u << 20, 0, RAM, hva));
	refused("region, gpa wraps", EINVAL, set_region(vm, 0, ~0xfffull, RAM, hva));
	refused("region, gpa beyond the CPU", EINVAL, set_region(vm, 0, 1ull << 52, RAM, hva));
	refused("region, kernel memory", EINVAL, set_region(vm, 0, 0, RAM, 0xffff888000000000ull));
	refused("region, deleting none", EINVAL, set_region(vm, 5, 0, 0, 0));
	works("region", set_region(vm, 0, 0, RAM, hva));
	refused("region, overlap", EEXIST, set_region(vm, 1, RAM / 2, RAM, hva));
	refused("region, no arguments", EFAULT, ioctl(vm, KVM_SET_USER_MEMORY_REGION, NULL));
}

/* Addresses end where the guest's CPUID says, and never beyond what four levels of tables translate. */
static void test_address_width(int vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[100];
	} id = { .head = { .nent = 100 } };
	uint64_t hva = (uint64_t)(uintptr_t)ram, top;
	unsigned int i, width = 0;

	ioctl(dev, KVM_GET_SUPPORTED_CPUID, &id);
	for (i = 0; i < id.head.nent; i++)
		if (id.entry[i].function == 0x80000008)
			width = id.entry[i].eax & 0xff;
	result(width >= 36 && width <= 48, "CPUID: a width of addresses that tables translate",
	       width);
	top = 1ull << width;
	works("region, the last one that the CPU has", set_region(vm, 2, top - RAM, RAM, hva));
	works("region, the same taken away", set_region(vm, 2, 0, 0, 0));
	refused("region, a page beyond", EINVAL, set_region(vm, 2, top - RAM + 4096, RAM, hva));
	refused("region, as a whole beyond", EINVAL, set_region(vm, 2, top, RAM, hva));
	refused("region, at 2^48", EINVAL, set_region(vm, 2, 1ull << 48, RAM, hva));
	refused("region, at 2^51", EINVAL, set_region(vm, 2, 1ull << 51, RAM, hva));
}

/* 64-bit mode with an identity map: PML4 at 0x1000, 1 GiB page; code at 0x8000 loops for ever. */
static void long_mode(struct kvm_sregs *s)
{
	struct kvm_segment code = {
		.limit = ~0u, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1, .selector = 0x10
	};
	struct kvm_segment data = {
		.limit = ~0u, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1, .selector = 0x18
	};

	*(uint64_t *)(ram + 0x1000) = 0x2003;
	*(uint64_t *)(ram + 0x2000) = 0x3003;
	for (unsigned int i = 0; i < RAM >> 21; i++)
		((uint64_t *)(ram + 0x3000))[i] = (uint64_t)i << 21 | 0x83;
	memcpy(ram + 0x8000, "\xeb\xfe", 2);
	s->cr0 = 0x80010031;
	s->cr4 = 0x20;
	s->cr3 = 0x1000;
	s->efer = 0x500;
	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = data;
}

static void test_sregs(int vcpu)
{
	struct kvm_sregs good, bad;

	works("get sregs", ioctl(vcpu, KVM_GET_SREGS, &good));
	refused("KVM_RUN before sregs", EINVAL, ioctl(vcpu, KVM_RUN, 0));
	long_mode(&good);
	bad = good;
	bad.cr0 &= ~(1ull << 31);
	refused("sregs without paging", EINVAL, ioctl(vcpu, KVM_SET_SREGS, &bad));
	bad = good;
	bad.cr0 |= 1ull << 40;
	refused("sregs, reserved CR0 bit", EINVAL, ioctl(vcpu, KVM_SET_SREGS, &bad));
	bad = good;
	bad.cr4 |= 1ull << 40;
	refused("sregs, reserved CR4 bit", EINVAL, ioctl(vcpu, KVM_SET_SREGS, &bad));
	bad = good;
	bad.cr4 |= 1ull << 13;
	refused("sregs, CR4.VMXE", EINVAL, ioctl(vcpu, KVM_SET_SREGS, &bad));
	bad = good;
	bad.cr3 = 1ull << 60;
	refused("sregs, reserved CR3 bit", EINVAL, ioctl(vcpu, KVM_SET_SREGS, &bad));
	bad = good;
	bad.efer |= 1ull << 30;
	refused("sregs, reserved EFER bit", EINVAL, ioctl(vcpu, KVM_SET_SREGS, &bad));
	bad = good;
	bad.gdt.base = 0x8000000000000000ull;
	refused("sregs, GDT at no address", EINVAL, ioctl(vcpu, KVM_SET_SREGS, &bad));
	refused("sregs, no arguments", EFAULT, ioctl(vcpu, KVM_SET_SREGS, NULL));
	works("set sregs", ioctl(vcpu, KVM_SET_SREGS, &good));
}

static void test_cpuid(int vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[100];
	} id = { .head = { .nent = 1 } };

	refused("supported CPUID, no room", E2BIG, ioctl(dev, KVM_GET_SUPPORTED_CPUID, &id));
	id.head.nent = 100;
	works("supported CPUID", ioctl(dev, KVM_GET_SUPPORTED_CPUID, &id));
	works("set CPUID", ioctl(vcpu, KVM_SET_CPUID2, &id));
	id.head.nent = 100000;
	refused("set CPUID, too many", E2BIG, ioctl(vcpu, KVM_SET_CPUID2, &id));
}

static void test_order(void)
{
	int vm, vcpu, other;
	pid_t child;
	int status;

	refused("API version with an argument", EINVAL, ioctl(dev, KVM_GET_API_VERSION, 1));
	result(ioctl(dev, KVM_GET_API_VERSION, 0) == 12, "API version", 0);
	result(ioctl(dev, KVM_CHECK_EXTENSION, 99999) == 0, "unknown extension is 0", 0);
	refused("VM of an unknown type", EINVAL, ioctl(dev, KVM_CREATE_VM, 77));
	result(ioctl(dev, 0x1234abcd, 0) < 0, "unknown ioctl on the device", 0);
	vm = ioctl(dev, KVM_CREATE_VM, 0);
	works("create VM", vm);
	refused("unknown ioctl on a VM", ENOTTY, ioctl(vm, 0x1234abcd, 0));
	refused("vCPU 7", EINVAL, ioctl(vm, KVM_CREATE_VCPU, 7));
	test_regions(vm);
	test_address_width(vm);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	works("create vCPU", vcpu);
	result(ioctl(vm, KVM_CREATE_VCPU, 0) < 0, "a second vCPU 0", 0);
	result(ioctl(vm, KVM_CREATE_VCPU, 1) < 0, "a second vCPU", 0);
	result(ioctl(vcpu, 0x1234abcd, 0) < 0, "unknown ioctl on a vCPU", 0);
	test_cpuid(vcpu);
	test_sregs(vcpu);
	child = fork();
	if (!child)
		_exit(ioctl(vcpu, KVM_RUN, 0) < 0 && errno == EIO ? 0 : 1);
	waitpid(child, &status, 0);
	result(status == 0, "another process cannot run the vCPU", status);
	/* The vCPU outlives its VM's descriptor. */
	close(vm);
	other = ioctl(vcpu, KVM_GET_SREGS, &(struct kvm_sregs){});
	works("a vCPU after its VM's descriptor is closed", other);
	close(vcpu);
}

struct race {
	int vm, vcpu;
	struct kvm_run *run;
};

static void *racer(void *arg)
{
	struct race *r = arg;

	ioctl(r->vcpu, KVM_RUN, 0);
	return NULL;
}

/* One thread runs a guest that never exits; this one pulls things from under it. */
static void test_races(void)
{
	int size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0), i, lost = 0;

	for (i = 0; i < RACES; i++) {
		struct race r = { .vm = ioctl(dev, KVM_CREATE_VM, 0) };
		struct kvm_sregs s;
		struct kvm_regs regs = { .rip = 0x8000, .rflags = 2 };
		pthread_t thread;

		set_region(r.vm, 0, 0, RAM, (uint64_t)(uintptr_t)ram);
		r.vcpu = ioctl(r.vm, KVM_CREATE_VCPU, 0);
		r.run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r.vcpu, 0);
		ioctl(r.vcpu, KVM_GET_SREGS, &s);
		long_mode(&s);
		if (ioctl(r.vcpu, KVM_SET_SREGS, &s) || ioctl(r.vcpu, KVM_SET_REGS, &regs) ||
		    pthread_create(&thread, NULL, racer, &r)) {
			lost++;
			continue;
		}
		usleep(i % 7 * 300);
		if (i % 3 == 0)
			close(r.vm);
		/* The guest loses its memory: KVM_RUN ends with an error of the VM's own. */
		if (i % 3 != 0 && set_region(r.vm, 0, 0, 0, 0))
			lost++;
		if (i % 3 == 0) {
			r.run->immediate_exit = 1;
			pthread_kill(thread, SIGUSR1);
		}
		pthread_join(thread, NULL);
		munmap(r.run, size);
		close(r.vcpu);
		if (i % 3)
			close(r.vm);
	}
	result(!lost, "memory and descriptors taken away under a running guest", lost);
}

/* ---- arguments that change while the kernel reads them ---- */

#define FLIP_CALLS 3000

/* A word that another thread writes to for ever. */
struct flip {
	volatile uint32_t *word;
	uint32_t a, b;
	volatile bool stop;
};

static void *flipper(void *arg)
{
	struct flip *f = arg;

	while (!f->stop) {
		*f->word = f->a;
		*f->word = f->b;
	}
	return NULL;
}

struct changing {
	int fd;
	unsigned long request;
	void *arg;
	uint32_t a, b; /* what the first word changes between */
	const char *name;
};

/*
 * The kernel may see either value, but must believe the one that it has checked. Where it reads the
 * word twice, the second is what sizes its copy: the machine does not live through that.
 */
static void change_under(const struct changing *c)
{
	struct flip f = { .word = c->arg, .a = c->a, .b = c->b };
	int i, wrong = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, flipper, &f)) {
		result(false, c->name, errno);
		return;
	}
	for (i = 0; i < FLIP_CALLS; i++)
		if (ioctl(c->fd, c->request, c->arg) < 0 && errno != E2BIG && errno != EINVAL)
			wrong = errno;
	f.stop = true;
	pthread_join(thread, NULL);
	result(!wrong, c->name, wrong);
}

static void test_changing_arguments(void)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} id;
	static struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[256];
	} msrs;
	static struct {
		struct kvm_msr_list head;
		uint32_t index[256];
	} list;
	int vm = ioctl(dev, KVM_CREATE_VM, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	const struct changing all[] = {
		{ vcpu, KVM_SET_CPUID2, &id, 1, 200000, "set CPUID, its length changes" },
		{ vcpu, KVM_GET_MSRS, &msrs, 1, 200000, "get MSRs, their number changes" },
		{ vcpu, KVM_SET_MSRS, &msrs, 1, 200000, "set MSRs, their number changes" },
		{ dev, KVM_GET_SUPPORTED_CPUID, &id, 100, 200000, "CPUID, its length changes" },
		{ dev, KVM_GET_MSR_INDEX_LIST, &list, 1, 200000, "MSR list, its length changes" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		change_under(&all[i]);
	close(vcpu);
	close(vm);
}

/* ---- descriptors that cannot be had ---- */

static void *kicker(void *arg)
{
	struct race *r = arg;

	/* Each call looks for a vCPU to ask aside. */
	while (!__atomic_load_n(&r->run, __ATOMIC_RELAXED))
		set_region(r->vm, 31, 0, 0, 0);
	return NULL;
}

/* A vCPU that gets no descriptor is nobody's: no other thread may have seen it. */
static void test_no_descriptor(void)
{
	struct race r = { .vm = ioctl(dev, KVM_CREATE_VM, 0) };
	int i, vcpu, next = dup(r.vm), wrong = 0;
	struct rlimit old, none;
	pthread_t thread;

	close(next); /* the lowest that is free */
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){ .rlim_cur = next, .rlim_max = old.rlim_max };
	if (pthread_create(&thread, NULL, kicker, &r))
		wrong++;
	setrlimit(RLIMIT_NOFILE, &none);
	for (i = 0; i < 300; i++)
		if (ioctl(r.vm, KVM_CREATE_VCPU, 0) != -1 || errno != EMFILE)
			wrong++;
	refused("a VM without a descriptor for it", EMFILE, ioctl(dev, KVM_CREATE_VM, 0));
	refused("statistics without a descriptor", EMFILE, ioctl(r.vm, KVM_GET_STATS_FD, 0));
	setrlimit(RLIMIT_NOFILE, &old);
	__atomic_store_n(&r.run, (struct kvm_run *)&r, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	result(!wrong, "a vCPU without a descriptor for it", wrong);
	vcpu = ioctl(r.vm, KVM_CREATE_VCPU, 0);
	works("a vCPU where there was no descriptor before", vcpu);
	close(vcpu);
	close(r.vm);
}

/* ---- a run among other threads ---- */

static volatile sig_atomic_t signals;

/* Only has to interrupt KVM_RUN. */
static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static void *spinner(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		;
	return NULL;
}

/* Clock ticks that this process spent in guests: proc_pid_stat(5), field 43. */
static long guest_time(void)
{
	char line[1024] = "", *p;
	int fd = open("/proc/self/stat", O_RDONLY), field;
	ssize_t n = read(fd, line, sizeof(line) - 1);

	close(fd);
	p = n > 0 ? strrchr(line, ')') : NULL;
	for (field = 2; p && field < 43; field++)
		p = strchr(p + 1, ' ');
	return p ? atol(p) : -1;
}

/* Kernels that hold softirqs off while a guest runs count by ticks: its time is system time there. */
static bool time_is_told_apart(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	return major * 100 + minor < 615;
}

/*
 * Another thread takes the CPU away again and again, and each time the kernel has work for ours on
 * its way to user space (rseq(2), which the C library uses). KVM_RUN does not return for it, but for
 * a signal; and the time is the guest's.
 */
static void test_undisturbed(void)
{
	struct itimerval soon = { .it_value = { .tv_usec = 300000 } };
	int vm = ioctl(dev, KVM_CREATE_VM, 0), vcpu, stop = 0, returned = 0, err;
	struct kvm_regs regs = { .rip = 0x8000, .rflags = 2 };
	struct kvm_sregs sregs;
	pthread_t thread;
	long before;

	set_region(vm, 0, 0, RAM, (uintptr_t)ram);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	ioctl(vcpu, KVM_GET_SREGS, &sregs);
	long_mode(&sregs);
	ioctl(vcpu, KVM_SET_SREGS, &sregs);
	works("a guest for a run among other threads", ioctl(vcpu, KVM_SET_REGS, &regs));
	if (pthread_create(&thread, NULL, spinner, &stop)) {
		result(false, "a thread to run among", 0);
		return;
	}
	before = guest_time();
	signals = 0;
	setitimer(ITIMER_REAL, &soon, NULL);
	do {
		err = ioctl(vcpu, KVM_RUN, 0) ? errno : 0;
		returned++;
	} while (!signals && returned < 1000);
	result(err == EINTR && returned == 1, "KVM_RUN returns for a signal alone", returned);
	if (time_is_told_apart())
		result(guest_time() > before, "its time is guest time", guest_time());
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	close(vcpu);
	close(vm);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	dev = open(argc > 1 ? argv[1] : "/dev/penumbra", O_RDWR);
	if (dev < 0) {
		printf("Bail out! no device\n");
		return 1;
	}
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	test_order();
	test_changing_arguments();
	test_no_descriptor();
	test_undisturbed();
	test_races();
	return failed;
}

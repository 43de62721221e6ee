// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar: what can be done with the descriptors, with which arguments, and how it may end.
 *
 * An argument is right, nearly right (a field or two have odd values), or garbage, and lies in good
 * memory, at the edge of it, in memory that cannot be read or written, in the guest's memory, or
 * nowhere. Other threads change it while the call is in progress. Whatever comes: the errno is one
 * that the call may give, and what is returned is in range.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../hv/gtt_ioctl.h"
#include "abifuzz.h"

#define ARGS_HOLE 5 /* pages of worker.args: 4 good ones, a hole, a read-only one, a good one */

/* ---- values ---- */

uint64_t odd_value(struct worker *w)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		7,
		16,
		31,
		32,
		33,
		127,
		128,
		255,
		256,
		257,
		511,
		512,
		PAGE - 1,
		PAGE,
		PAGE + 1,
		0x7fff,
		0x8000,
		0xffff,
		0x10000,
		1 << 20,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		1ull << 32,
		1ull << 36,
		1ull << 39,
		1ull << 40,
		1ull << 46,
		1ull << 47,
		1ull << 48,
		1ull << 51,
		1ull << 52,
		1ull << 62,
		1ull << 63,
		~0ull,
		~1ull,
		~0xfffull,
		0x7fffffffefff,
		0x7ffffffff000,
		0x800000000000,
		0xffff800000000000,
		0xffff888000000000,
		0xffffffff81000000,
		RAM_SIZE,
		RAM_SIZE - PAGE,
	};

	switch (below(w, 8)) {
	case 0:
		return rnd(w);
	case 1:
		return (1ull << below(w, 64)) + below(w, 3) - 1;
	case 2:
		return rnd(w) >> below(w, 64);
	default:
		return values[below(w, sizeof(values) / sizeof(*values))];
	}
}

/* ---- arguments, right ones: into w->stage ---- */

static size_t region(struct worker *w)
{
	struct kvm_userspace_memory_region *r = (void *)w->stage;
	struct machine *m = w->m;

	*r = (struct kvm_userspace_memory_region){
		.memory_size = RAM_SIZE,
		.userspace_addr = (uintptr_t)m->ram,
	};
	if (chance(w, 30)) /* guest memory as it should be */
		return sizeof(*r);
	r->slot = below(w, 4);
	if (chance(w, 10))
		r->slot = below(w, 34);
	if (r->slot == 0 && chance(w, 50)) { /* it goes away, or moves */
		if (chance(w, 70))
			r->memory_size = 0;
		else
			r->guest_phys_addr = below(w, 16) * PAGE;
		return sizeof(*r);
	}
	r->memory_size = chance(w, 25) ? 0 : (1 + below(w, 40)) * PAGE;
	r->guest_phys_addr = RAM_SIZE + below(w, 64) * PAGE;
	if (chance(w, 10)) /* about the ends of what tables and CPUs translate */
		r->guest_phys_addr = (1ull << (36 + below(w, 17))) - below(w, 3) * r->memory_size;
	if (chance(w, 10))
		r->guest_phys_addr = chance(w, 50) ? DEVICE_GPA : GTT_GPA;
	switch (below(w, 5)) {
	case 0:
		r->userspace_addr = (uintptr_t)m->ram + below(w, RAM_SIZE / PAGE) * PAGE;
		break;
	case 1:
		r->userspace_addr = (uintptr_t)m->run;
		break;
	case 2: /* more than is there */
		r->memory_size = (1ull << below(w, 18)) * PAGE;
		break;
	default:
		r->userspace_addr = (uintptr_t)m->odd + below(w, ODD_PAGES) * PAGE;
	}
	return sizeof(*r);
}

static size_t gtt(struct worker *w)
{
	*(struct penumbra_gtt *)w->stage = (struct penumbra_gtt){
		.guest_phys_addr = GTT_GPA,
		.device_bytes = 2ull << 20 << below(w, 2),
	};
	return sizeof(struct penumbra_gtt);
}

static size_t sregs(struct worker *w)
{
	guest_sregs(w, (void *)w->stage);
	return sizeof(struct kvm_sregs);
}

static size_t regs(struct worker *w)
{
	guest_regs(w, (void *)w->stage);
	return sizeof(struct kvm_regs);
}

static size_t fpu(struct worker *w)
{
	struct kvm_fpu *f = (void *)w->stage;
	unsigned int i;

	for (i = 0; i < sizeof(*f); i++)
		w->stage[i] = rnd(w);
	f->mxcsr = chance(w, 70) ? 0x1f80 : rnd(w) & 0xffff;
	return sizeof(*f);
}

static size_t cpuid(struct worker *w)
{
	struct kvm_cpuid2 *c = (void *)w->stage;
	uint32_t n = world.cpuid.head.nent;

	if (chance(w, 50))
		n = below(w, n + 1);
	if (chance(w, 10))
		n = 255 + below(w, 3); /* as many as can be given */
	memcpy(w->stage, &world.cpuid, sizeof(world.cpuid));
	c->nent = n;
	return sizeof(*c) + n * sizeof(c->entries[0]);
}

static size_t cpuid_room(struct worker *w)
{
	struct kvm_cpuid2 *c = (void *)w->stage;

	memset(c, 0, sizeof(*c));
	c->nent = chance(w, 50) ? 128 : below(w, 64);
	return sizeof(*c) + 128 * sizeof(c->entries[0]);
}

static size_t msrs(struct worker *w)
{
	static const uint32_t known[] = {
		0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100,
		0xc0000101, 0xc0000102, 0x174,	    0x175,	0x176,	    0x277,
		0x10,	    0x1b,	0x1a0,	    0x8b,	0x1d9,	    0x48,
	};
	struct kvm_msrs *m = (void *)w->stage;
	uint32_t n = chance(w, 80) ? below(w, 6) : below(w, 257), i;

	memset(m, 0, sizeof(*m));
	m->nmsrs = n;
	for (i = 0; i < n; i++)
		m->entries[i] = (struct kvm_msr_entry){
			.index = chance(w, 90) ? known[below(w, sizeof(known) / sizeof(*known))]
					       : rnd(w),
			.data = chance(w, 50) ? odd_value(w) : 0xd01,
		};
	return sizeof(*m) + n * sizeof(m->entries[0]);
}

static size_t msr_list(struct worker *w)
{
	struct kvm_msr_list *l = (void *)w->stage;

	l->nmsrs = below(w, 40);
	return sizeof(*l) + l->nmsrs * sizeof(l->indices[0]);
}

/* ---- and wrong ones ---- */

static void spoil(struct worker *w, size_t size)
{
	uint64_t value;
	size_t width, at;
	unsigned int n;

	if (!size)
		return;
	if (chance(w, 15)) { /* nothing of it is right */
		for (at = 0; at < size; at++)
			w->stage[at] = rnd(w);
		return;
	}
	for (n = 1 + below(w, 3); n; n--) {
		value = odd_value(w);
		width = 1ul << below(w, 4);
		/* Counts and addresses are at the start. */
		at = below(w, chance(w, 50) && size > 32 ? 32 : size) & ~(width - 1);
		if (at + width <= size)
			memcpy(w->stage + at, &value, width);
	}
}

/* What is kept of each frame of a large region takes its time, and is no more interesting. */
static void keep_small(struct worker *w)
{
	struct kvm_userspace_memory_region *r = (void *)w->stage;

	if (r->memory_size >> 26 && r->memory_size <= 1ull << 36 && chance(w, 97))
		r->memory_size &= (1ull << 26) - 1;
}

/* Where the argument lies. */
static uint8_t *place(struct worker *w, size_t size)
{
	uint8_t *good = w->args;
	size_t room = (ARGS_HOLE - 1) * PAGE;
	uint8_t *at = good + (below(w, room - size) & ~7ul);

	switch (below(w, 24)) {
	case 0: /* up to the edge */
		return good + room - size;
	case 1: /* and beyond it */
		return good + room - below(w, size + 1);
	case 2: /* read-only */
		return good + ARGS_HOLE * PAGE + below(w, 64) * 8;
	case 3: /* read-only, then not */
		return good + (ARGS_HOLE + 1) * PAGE - below(w, size + 1);
	case 4: /* not aligned */
		return good + 1 + below(w, room - size - 1);
	case 5: /* the guest's */
		return w->m->ram + below(w, RAM_SIZE - size);
	case 6: /* the run page itself */
		return (uint8_t *)w->m->run + below(w, 2 * PAGE - (size < PAGE ? size : PAGE));
	case 7:
		return (uint8_t *)(uintptr_t)odd_value(w);
	case 8: /* absent until it is touched */
		madvise(good, room, MADV_DONTNEED);
		return at;
	case 9: /* between two pages */
		return good + PAGE - 4 * below(w, 4);
	default:
		return at;
	}
}

/* ---- ioctls ---- */

static void add(volatile uint64_t *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

static void made_call(void)
{
	add(&world.report->calls);
}

enum on { DEV, VM, VCPU };
enum gives { NOTHING, A_NUMBER, A_DESCRIPTOR };

#define ERRNOS 8
struct shape {
	const char *name;
	unsigned long cmd;
	enum on on;
	uint8_t weight;
	size_t (*argument)(struct worker *w); /* NULL: size bytes to be written to, or a number */
	size_t size;
	uint64_t number; /* the right one */
	enum gives gives;
	bool foreign;	    /* not of the subset: never works */
	int errnos[ERRNOS]; /* besides common_errnos */
};

/*
 * A descriptor that another thread closed is none, or one of another kind, or another VM's; and
 * memory may always be short.
 */
static const int common_errnos[] = { EBADF, ENOTTY, EINVAL, ENOMEM, EINTR, 0 };

#define IOCTL(name, on, ...)                 \
	{                                    \
#name, name, on, __VA_ARGS__ \
	}
static const struct shape shapes[] = {
	IOCTL(KVM_GET_API_VERSION, DEV, 1, .gives = A_NUMBER),
	IOCTL(KVM_CHECK_EXTENSION, DEV, 1, .gives = A_NUMBER, .number = KVM_CAP_USER_MEMORY),
	IOCTL(KVM_GET_VCPU_MMAP_SIZE, DEV, 1, .gives = A_NUMBER),
	IOCTL(KVM_GET_SUPPORTED_CPUID, DEV, 3, cpuid_room, .errnos = { EFAULT, E2BIG }),
	IOCTL(KVM_GET_MSR_INDEX_LIST, DEV, 2, msr_list, .errnos = { EFAULT, E2BIG }),
	IOCTL(KVM_CHECK_EXTENSION, VM, 1, .gives = A_NUMBER, .number = KVM_CAP_NR_VCPUS),
	IOCTL(KVM_CREATE_VCPU, VM, 2, .gives = A_DESCRIPTOR, .errnos = { EEXIST, EMFILE, EBUSY }),
	IOCTL(KVM_SET_USER_MEMORY_REGION, VM, 12, region,
	      .errnos = { EFAULT, EEXIST, ENOSPC, EPERM }),
	IOCTL(KVM_GET_STATS_FD, VM, 1, .gives = A_DESCRIPTOR, .errnos = { EMFILE }),
	IOCTL(PENUMBRA_CREATE_GTT, VM, 2, gtt, .errnos = { EFAULT, EEXIST, ENOSPC }),
	IOCTL(KVM_RUN, VCPU, 40, .errnos = { EIO, EFAULT, EBUSY, EPERM }),
	IOCTL(KVM_GET_REGS, VCPU, 2, .size = sizeof(struct kvm_regs), .errnos = { EFAULT, EBUSY }),
	IOCTL(KVM_SET_REGS, VCPU, 6, regs, .errnos = { EFAULT, EBUSY }),
	IOCTL(KVM_GET_SREGS, VCPU, 2, .size = sizeof(struct kvm_sregs),
	      .errnos = { EFAULT, EBUSY }),
	IOCTL(KVM_SET_SREGS, VCPU, 5, sregs, .errnos = { EFAULT, EBUSY }),
	IOCTL(KVM_GET_FPU, VCPU, 1, .size = sizeof(struct kvm_fpu), .errnos = { EFAULT, EBUSY }),
	IOCTL(KVM_SET_FPU, VCPU, 2, fpu, .errnos = { EFAULT, EBUSY }),
	IOCTL(KVM_SET_CPUID2, VCPU, 6, cpuid, .errnos = { EFAULT, E2BIG, EBUSY }),
	IOCTL(KVM_GET_MSRS, VCPU, 3, msrs, .gives = A_NUMBER, .errnos = { EFAULT, E2BIG, EBUSY }),
	IOCTL(KVM_SET_MSRS, VCPU, 4, msrs, .gives = A_NUMBER, .errnos = { EFAULT, E2BIG, EBUSY }),
	IOCTL(KVM_GET_STATS_FD, VCPU, 1, .gives = A_DESCRIPTOR, .errnos = { EMFILE }),
	/* Not of the subset. */
	IOCTL(KVM_SET_TSS_ADDR, VM, 1, .number = 0xfffbd000, .foreign = true),
	IOCTL(KVM_CREATE_IRQCHIP, VM, 1, .foreign = true),
	IOCTL(KVM_GET_XSAVE, VCPU, 1, .size = sizeof(struct kvm_xsave), .foreign = true),
};

#define SHAPES (sizeof(shapes) / sizeof(*shapes))
_Static_assert(SHAPES <= MAX_SHAPES, "struct report has too little room");

static bool may_give(const struct shape *s, int err)
{
	unsigned int i;

	for (i = 0; common_errnos[i]; i++)
		if (common_errnos[i] == err)
			return true;
	for (i = 0; i < ERRNOS && s->errnos[i]; i++)
		if (s->errnos[i] == err)
			return true;
	return false;
}

static int descriptor(const struct machine *m, enum on on)
{
	return on == DEV ? world.dev : on == VM ? m->vm : m->vcpu;
}

static void judge(const struct shape *s, int got, int err)
{
	unsigned int n = s - shapes;

	if (n < SHAPES) {
		add(&world.report->shape_calls[n]);
		if (got >= 0)
			add(&world.report->shape_good[n]);
	}
	if (got < 0 && !may_give(s, err))
		finding("%s answers errno %d (%s)", s->name, err, strerror(err));
	if (got > 0 && s->gives == NOTHING && s->cmd != KVM_GET_MSRS)
		finding("%s returns %d", s->name, got);
}

/* Descriptors that come back take the place of the machine's; where it has one, they are closed. */
static void keep_descriptor(struct worker *w, const struct shape *s, int fd)
{
	volatile int *old = s->cmd == KVM_CREATE_VCPU ? &w->m->vcpu : &w->m->stats;

	if (*old > 2)
		close(*old);
	*old = fd;
}

/* What a run leaves for user space. */
static void look_at_exit(struct worker *w, int got, int err)
{
	struct kvm_run run;

	if (got < 0) {
		add(&world.report->run_ends[err < RUN_ERRNOS ? err : 0]);
		if (err != EINTR && err != EINVAL)
			w->m->spent = true;
		return;
	}
	if (!touch(w, &run, w->m->run, 64))
		return;
	if (run.exit_reason < RUN_ENDS - RUN_ERRNOS)
		add(&world.report->run_ends[RUN_ERRNOS + run.exit_reason]);
	switch (run.exit_reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_HLT:
		break;
	default: /* its guest is at its end: so is the machine, or its registers are set again */
		w->m->spent = true;
	}
}

static int call(struct worker *w, const struct shape *s, int fd, uintptr_t arg)
{
	int got, err;

	speak(w, "ioctl(%d, %s, %#lx)", fd, s->name, (unsigned long)arg);
	made_call();
	if (s->cmd == KVM_RUN)
		limit_run(w);
	got = ioctl(fd, s->cmd, arg);
	err = errno;
	if (s->cmd == KVM_RUN)
		unlimit_run(w);
	judge(s, got, err);
	if (s->gives == A_DESCRIPTOR && got >= 0)
		keep_descriptor(w, s, got);
	if (s->cmd == KVM_RUN)
		look_at_exit(w, got, err);
	return got;
}

static const struct shape *shape_of(unsigned long cmd, enum on on)
{
	unsigned int i;

	for (i = 0; i < SHAPES; i++)
		if (shapes[i].cmd == cmd && shapes[i].on == on)
			return &shapes[i];
	return NULL;
}

static void any_ioctl(struct worker *w)
{
	static unsigned int total;
	const struct shape *s = shapes;
	unsigned int sum = 0, pick;
	size_t size, i;

	for (i = 0; !total && i < SHAPES; i++)
		sum += shapes[i].weight;
	if (!total)
		total = sum;
	pick = below(w, total);
	while (pick >= s->weight)
		pick -= s++->weight;
	if (!s->argument && !s->size) {
		call(w, s, descriptor(w->m, s->on), chance(w, 95) ? s->number : odd_value(w));
		return;
	}
	size = s->argument ? s->argument(w) : s->size;
	if (chance(w, 30))
		spoil(w, size);
	if (s->argument == region)
		keep_small(w);
	w->arg = place(w, size);
	if (s->argument)
		touch(w, w->arg, w->stage, size);
	call(w, s, descriptor(w->m, s->on), (uintptr_t)w->arg);
}

/* The right call with the right argument. */
static int right_ioctl(struct worker *w, unsigned long cmd, enum on on)
{
	const struct shape *s = shape_of(cmd, on);

	w->arg = w->args;
	if (s->argument)
		touch(w, w->arg, w->stage, s->argument(w));
	return call(w, s, descriptor(w->m, on), s->argument ? (uintptr_t)w->arg : s->number);
}

/* Any number of the hypervisors' own, on any descriptor. */
static void wild_ioctl(struct worker *w)
{
	static const int errnos[] = { EBADF, ENOTTY, EINVAL, EFAULT, E2BIG,  ENOMEM, EEXIST,
				      EINTR, EIO,    EBUSY,  ENOSPC, EMFILE, EPERM };
	unsigned int type = chance(w, 80) ? KVMIO : 'P', i;
	unsigned int cmd = below(w, 4) << 30 | below(w, 1 << 14) << 16 | type << 8 | below(w, 256);
	int fd = descriptor(w->m, below(w, 3)), got;

	if (chance(w, 50))
		cmd = (cmd & ~(0x3fffu << 16)) | below(w, 65) * 8 << 16;
	w->arg = place(w, 4096);
	speak(w, "ioctl(%d, %#x, %p)", fd, cmd, (void *)w->arg);
	made_call();
	got = ioctl(fd, cmd, w->arg);
	for (i = 0; got < 0 && i < sizeof(errnos) / sizeof(*errnos); i++)
		if (errno == errnos[i])
			return;
	if (got < 0)
		finding("ioctl %#x answers errno %d (%s)", cmd, errno, strerror(errno));
}

/* ---- a machine's life ---- */

static void close_machine(struct worker *w, struct machine *m)
{
	unsigned int order = below(w, 3), i;
	volatile int *const fds[] = { &m->vm, &m->vcpu, &m->stats };

	for (i = 0; i < 3; i++) {
		volatile int *fd = fds[(order + i) % 3];
		int old = *fd;

		*fd = -1;
		if (old > 2)
			close(old);
	}
}

/* Memory behind a machine: whole again. */
void map_memory(struct machine *m, bool huge)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, rw = PROT_READ | PROT_WRITE, fd;

	mmap(m->ram, RAM_SIZE, rw, flags, -1, 0);
	madvise(m->ram, RAM_SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	mmap(m->odd, 16 * PAGE, rw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mmap(m->odd + 16 * PAGE, 16 * PAGE, PROT_READ, flags, -1, 0);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		mmap(m->odd + 32 * PAGE, 16 * PAGE, rw, MAP_PRIVATE | MAP_FIXED, fd, 0);
		close(fd);
	}
	/* The rest is absent. */
	mmap(m->odd + 48 * PAGE, 16 * PAGE, PROT_NONE, flags, -1, 0);
}

static void create_vm(struct worker *w, struct machine *m)
{
	static const struct shape s = { .name = "KVM_CREATE_VM",
					.cmd = KVM_CREATE_VM,
					.gives = A_NUMBER,
					.errnos = { EMFILE, EBUSY, EIO } };

	m->vm = call(w, &s, world.dev, 0);
}

void make_machine(struct worker *w, struct machine *m)
{
	struct machine *before = w->m;

	w->m = m;
	close_machine(w, m);
	if (chance(w, 30))
		map_memory(m, chance(w, 30));
	create_vm(w, m);
	w->stage[0] = 0;
	if (chance(w, 20))
		right_ioctl(w, PENUMBRA_CREATE_GTT, VM);
	guest_memory(w);
	guest_program(w);
	*(struct kvm_userspace_memory_region *)w->stage =
		(struct kvm_userspace_memory_region){ .memory_size = RAM_SIZE,
						      .userspace_addr = (uintptr_t)m->ram };
	w->arg = w->args;
	touch(w, w->arg, w->stage, sizeof(struct kvm_userspace_memory_region));
	call(w, shape_of(KVM_SET_USER_MEMORY_REGION, VM), m->vm, (uintptr_t)w->arg);
	right_ioctl(w, KVM_CREATE_VCPU, VM);
	mmap(m->run, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m->vcpu, 0);
	if (chance(w, 50))
		right_ioctl(w, KVM_SET_CPUID2, VCPU);
	right_ioctl(w, KVM_SET_SREGS, VCPU);
	right_ioctl(w, KVM_SET_REGS, VCPU);
	m->spent = false;
	w->m = before;
}

static void renew(struct worker *w)
{
	make_machine(w, w->m);
}

/* A VM that nothing is done with. */
static void create_only(struct worker *w)
{
	static const struct shape s = { .name = "KVM_CREATE_VM",
					.cmd = KVM_CREATE_VM,
					.gives = A_NUMBER,
					.errnos = { EMFILE, EBUSY, EIO } };
	int fd = call(w, &s, world.dev, chance(w, 70) ? 0 : odd_value(w));

	if (fd > 2)
		close(fd);
}

/* ---- a guest that runs ---- */

/* Another program, from its start. */
static void program(struct worker *w)
{
	if (chance(w, 30))
		guest_memory(w);
	guest_program(w);
	right_ioctl(w, KVM_SET_SREGS, VCPU);
	right_ioctl(w, KVM_SET_REGS, VCPU);
	right_ioctl(w, KVM_RUN, VCPU);
}

static void run(struct worker *w)
{
	right_ioctl(w, KVM_RUN, VCPU);
}

/* User space's answers, and what is none. */
static void write_run(struct worker *w)
{
	uint64_t value = odd_value(w);
	uint8_t *at = (uint8_t *)w->m->run + (below(w, 512) & ~7u);

	if (chance(w, 20))
		at = (uint8_t *)w->m->run + PAGE + below(w, 8);
	speak(w, "kvm_run + %#lx = %#lx", (unsigned long)(at - (uint8_t *)w->m->run),
	      (unsigned long)value);
	touch(w, at, &value, 1u << below(w, 4));
}

static void immediate_exit(struct worker *w)
{
	uint8_t on = chance(w, 40);

	touch(w, (uint8_t *)w->m->run + offsetof(struct kvm_run, immediate_exit), &on, 1);
	right_ioctl(w, KVM_RUN, VCPU);
	on = 0;
	touch(w, (uint8_t *)w->m->run + offsetof(struct kvm_run, immediate_exit), &on, 1);
}

static void write_guest(struct worker *w)
{
	uint64_t value = odd_value(w);

	/* Tables, the program, descriptors. */
	touch(w, w->m->ram + (below(w, 0x10000) & ~7u), &value, 8);
}

/* ---- memory under its feet ---- */

static void change_memory(struct worker *w)
{
	struct machine *m = w->m;
	size_t pages = 1 + below(w, chance(w, 80) ? 8 : RAM_SIZE / PAGE);
	uint8_t *at = m->ram + below(w, RAM_SIZE / PAGE - pages + 1) * PAGE;

	speak(w, "memory %p, %zu pages", (void *)at, pages);
	switch (below(w, 8)) {
	case 0: /* munmap(), but that nobody else gets the place */
		mmap(at, pages * PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		break;
	case 1:
		mprotect(at, pages * PAGE, PROT_READ);
		break;
	case 2:
		mprotect(at, pages * PAGE, PROT_NONE);
		break;
	case 3:
		madvise(at, pages * PAGE, MADV_DONTNEED);
		break;
	case 4:
		madvise(at, pages * PAGE, chance(w, 50) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		break;
	case 5:
		mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, m->odd + 50 * PAGE);
		break;
	default:
		mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
}

static void map_run_page(struct worker *w)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
					   PROT_READ | PROT_EXEC };
	struct machine *m = w->m;
	int fd = descriptor(m, chance(w, 80) ? VCPU : below(w, 3));
	size_t size = chance(w, 80) ? 2 * PAGE : (size_t)(1 + below(w, 2)) * PAGE;
	off_t at = chance(w, 70) ? 0 : (off_t)(odd_value(w) & ~(PAGE - 1));

	made_call();
	speak(w, "mmap(%zu, %d, %#lx)", size, fd, (unsigned long)at);
	switch (below(w, 8)) {
	case 0:
		mmap(m->run, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 1:
		mprotect(m->run, PAGE, protections[below(w, 4)]);
		break;
	case 2:
		madvise(m->run, 2 * PAGE, MADV_DONTNEED);
		break;
	case 3: /* elsewhere, and away again: beyond its end, private, not writable */
		mmap(m->odd + 60 * PAGE, size, protections[below(w, 4)],
		     (chance(w, 50) ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED, fd, at);
		touch(w, m->odd + 60 * PAGE + below(w, 2) * PAGE, &at, 8);
		mremap(m->odd + 60 * PAGE, 2 * PAGE, 4 * PAGE, 0);
		mmap(m->odd + 60 * PAGE, 4 * PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	default:
		mmap(m->run, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, at);
	}
}

/* ---- descriptors ---- */

static void juggle_descriptors(struct worker *w)
{
	struct machine *m = w->m;
	int fd = descriptor(m, world.root ? below(w, 3) : VM), copy;

	made_call();
	speak(w, "descriptor %d", fd);
	switch (below(w, 6)) {
	case 0: /* in use elsewhere, perhaps */
		close(fd);
		break;
	case 1:
		copy = dup(fd);
		if (copy > 2)
			close(copy);
		break;
	case 2: /* the machine's own number now names a copy of another's */
		if (m->vcpu > 2)
			dup2(world.machine[below(w, MACHINES)].vcpu, m->vcpu);
		break;
	case 3: /* a copy outlives it */
		copy = dup(m->vcpu);
		close(m->vcpu);
		m->vcpu = copy;
		break;
	case 4:
		fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND);
		lseek(fd, (off_t)odd_value(w), below(w, 3));
		break;
	case 5:
		if (read(fd, w->args, 64) >= 0 || write(fd, w->args, 64) >= 0)
			finding("read or write on descriptor %d works", fd);
		break;
	}
	if (world.dev < 0 || fcntl(world.dev, F_GETFD) < 0)
		world.dev = open(device_path, O_RDWR | O_CLOEXEC);
}

static void read_stats(struct worker *w)
{
	size_t size = chance(w, 70) ? below(w, 8192) : below(w, 64);
	off_t at = chance(w, 70) ? below(w, 12000) : (off_t)odd_value(w);
	ssize_t got;

	w->arg = place(w, size < 8192 ? size + 8 : 8192);
	made_call();
	speak(w, "pread(%d, %p, %zu, %#lx)", w->m->stats, (void *)w->arg, size, (unsigned long)at);
	got = pread(w->m->stats, w->arg, size, at);
	if (got > (ssize_t)size)
		finding("pread of %zu bytes of statistics gives %zd", size, got);
}

/* ---- what root can do ---- */

static void read_debugfs(struct worker *w)
{
	static const char *const files[] = { "counters", "exits_by_reason", "exit_times", "audit" };
	char path[100] = "", text[256];
	DIR *all = opendir("/sys/kernel/debug/penumbra");
	struct dirent *e = NULL;
	unsigned int n = 2 + below(w, MACHINES + 1), i,
		     file = below(w, sizeof(files) / sizeof(*files));
	int fd;

	if (!all)
		return;
	for (i = 0; i <= n && (e = readdir(all)); i++)
		snprintf(path, sizeof(path), "/sys/kernel/debug/penumbra/%.20s/%s", e->d_name,
			 files[file]);
	closedir(all);
	speak(w, "read %s", path);
	made_call();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* The audit may well find fault: a VMM that writes to guest tables is seen by no shadow. */
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

static void write_parameter(struct worker *w)
{
	static const struct {
		const char *name;
		const char *values[8];
	} parameters[] = {
		{ "paging_mode",
		  { "shadow", "ssp", "hybrid", "ept", "shadow", "ssp", "hybrid", "ept" } },
		{ "paging_mode",
		  { "shadow", "ssp", "hybrid", "ept", "shadow", "ssp", "hybrid", "ept" } },
		{ "paging_mode",
		  { "shadow", "ssp", "hybrid", "ept", "shadow", "ssp", "hybrid", "ept" } },
		{ "gtt_mode",
		  { "strict", "relaxed", "hybrid", "passthrough", "strict", "relaxed", "hybrid",
		    "passthrough" } },
		{ "hybrid_threshold", { "0", "1", "2", "4", "4", "4", "1000000", "1000001" } },
		{ "hybrid_quiet", { "0", "1", "8", "8", "8", "2", "1000000", "-1" } },
		{ "shadow_budget",
		  { "16384", "1048576", "32", "64", "100", "16384", "16384", "3" } },
		{ "ept_max_page", { "4K", "2M", "4K", "2M", "4K", "2M", "1G", "3M" } },
		{ "ept_ad", { "0", "1", "1", "0", "1", "1", "0", "2" } },
		{ "vpid", { "0", "1", "1", "0", "1", "1", "0", "" } },
		{ "prefault", { "0", "0", "0", "0", "0", "1", "0", "x" } },
		{ "mtf", { "0", "1", "0", "0", "0", "0", "0", "x" } },
		{ "direct_faults", { "0", "1", "0", "1", "0", "1", "0", "x" } },
		{ "mitigations", { "0", "1", "1", "0", "1", "1", "0", "x" } },
		{ "pmu", { "0", "1", "1", "0", "1", "1", "0", "x" } },
		{ "gtt_threshold", { "0", "1", "2", "511", "512", "2", "2", "513" } },
		{ "gtt_snapshots", { "0", "1", "2", "256", "256", "4", "4", "100000" } },
		{ "gtt_dirty", { "0", "1", "1", "0", "1", "1", "0", "2" } },
	};
	unsigned int n = below(w, sizeof(parameters) / sizeof(*parameters)), v = below(w, 8);
	char path[100];
	int fd;

	if (!world.root)
		return;
	/* Each value that is refused is a line on a slow console. */
	if (v == 7 && chance(w, 90))
		v = 0;
	snprintf(path, sizeof(path), "/sys/module/penumbra/parameters/%s", parameters[n].name);
	speak(w, "%s = %s", path, parameters[n].values[v]);
	made_call();
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, parameters[n].values[v], strlen(parameters[n].values[v])) < 0 && v < 6 &&
	    errno != EINVAL && errno != ENOMEM)
		finding("%s: %s", path, strerror(errno));
	close(fd);
}

/* ---- other processes, other threads ---- */

/* A child has the descriptors but not the memory: it gets EIO for all that is the VM's. */
static void in_a_child(struct worker *w)
{
	struct machine *m = w->m;
	int status, ways = below(w, 4);
	pid_t child;

	speak(w, "fork");
	made_call();
	child = syscall(SYS_fork);
	if (child < 0)
		return;
	if (!child) {
		if (ioctl(m->vcpu, KVM_RUN, 0) >= 0 ||
		    (errno != EIO && errno != EBADF && errno != EINVAL && errno != ENOTTY))
			_exit(1);
		if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, w->args) >= 0 ||
		    (errno != EIO && errno != EBADF && errno != EINVAL && errno != ENOTTY))
			_exit(2);
		if (ioctl(m->vcpu, KVM_SET_CPUID2, w->args) >= 0 ||
		    (errno != EIO && errno != EBADF && errno != EINVAL && errno != ENOTTY))
			_exit(3);
		if (pread(m->stats, w->args, 100, 0) > 100)
			_exit(4);
		if (ways == 0) /* and what it makes itself is its own */
			ioctl(ioctl(world.dev, KVM_CREATE_VM, 0), KVM_CREATE_VCPU, 0);
		if (ways == 1)
			syscall(SYS_kill, getpid(), SIGKILL);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) && WEXITSTATUS(status) < 5)
		finding("a foreign process gets through (%d)", WEXITSTATUS(status));
}

static void signal_other(struct worker *w)
{
	struct worker *other = &world.worker[below(w, world.workers)];

	if (other->tid)
		syscall(SYS_tgkill, getpid(), other->tid, SIGUSR1);
}

static void pause_a_while(struct worker *w)
{
	if (chance(w, 50))
		sched_yield();
	else
		usleep(below(w, 300));
}

/* ---- all ---- */

static const struct action {
	uint8_t weight;
	void (*act)(struct worker *w);
} actions[] = {
	{ 90, any_ioctl },    { 40, run },	     { 12, program },
	{ 6, write_run },     { 4, immediate_exit }, { 5, wild_ioctl },
	{ 3, renew },	      { 1, create_only },    { 6, write_guest },
	{ 5, change_memory }, { 3, map_run_page },   { 2, juggle_descriptors },
	{ 4, read_stats },    { 1, read_debugfs },   { 2, write_parameter },
	{ 3, signal_other },  { 2, pause_a_while },
};

/* Some things take much longer than all others. */
static void rare(struct worker *w)
{
	if (chance(w, 50))
		in_a_child(w);
	else
		map_memory(w->m, chance(w, 50));
}

void one_call(struct worker *w)
{
	const struct action *a = actions;
	unsigned int total = 0, pick, i;

	w->m = &world.machine[below(w, MACHINES)];
	if (w->m->spent && chance(w, 30)) {
		renew(w);
		return;
	}
	if (below(w, 800) == 0) {
		rare(w);
		return;
	}
	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		total += actions[i].weight;
	pick = below(w, total);
	while (pick >= a->weight)
		pick -= a++->weight;
	a->act(w);
}

/*
 * How often each was called, and worked. A fuzzer whose calls all fail tests nothing: @strict says
 * that by now each must have worked, and failed if it has errors of its own.
 */
bool show_shapes(bool strict)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < SHAPES; i++) {
		uint64_t n = world.report->shape_calls[i], good = world.report->shape_good[i];
		bool subset = shapes[i].weight && !shapes[i].foreign;

		printf("# %-28s %8lu calls, %8lu worked\n", shapes[i].name, n, good);
		if (strict && subset && (!good || (good == n && shapes[i].errnos[0]))) {
			finding("%s: %lu of %lu calls worked", shapes[i].name, good, n);
			all = false;
		}
		if (shapes[i].foreign && good) {
			finding("%s works, which is not of the subset", shapes[i].name);
			all = false;
		}
	}
	for (i = 0; i < RUN_ENDS; i++)
		if (world.report->run_ends[i])
			printf("# KVM_RUN: %s %u: %lu times\n", i < RUN_ERRNOS ? "errno" : "exit",
			       i < RUN_ERRNOS ? i : i - RUN_ERRNOS, world.report->run_ends[i]);
	return all;
}

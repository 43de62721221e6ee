// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer for the ABI of /dev/penumbra. Runs on a host where the module is loaded; is static,
 * because the emulated host has no C library.
 *
 * Calls are made by threads that share a few VMs, in a process that lives for some thousand calls
 * and then ends in one of several ways, SIGKILL in the middle of everything among them. The last
 * thread is real-time: it sleeps for moments and then, wherever it has stopped the others, changes
 * their arguments, signals them, or makes a call of its own. After each process nothing of it may
 * be left: no VM, no pinned page. All choices follow from --seed and a process's number.
 *
 * The kernel is the real judge: whoever runs this watches for its reports (KASAN, lockdep, oops).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abifuzz.h"

#define PLACE	       0x200000000000ul /* where all memory is that calls are about */
#define STUCK_SECONDS  60
#define PROCESS_CALLS  4000
#define STRICT_CALLS   20000 /* from here on every ioctl has worked, and has failed */
#define MEMLOCK_POOR   (8ul << 20)
#define PROGRESS_CALLS 8000

struct world world;
const char *device_path = "/dev/penumbra";

static __thread struct worker *me;

static struct {
	uint64_t calls, seed, first;
	unsigned int threads;
	bool replay, beside;
} options = { .calls = 5000, .seed = 1, .threads = 3 };

/* ---- words ---- */

void speak(const struct worker *w, const char *format, ...)
{
	char text[200];
	va_list args;
	int n;

	if (!world.say)
		return;
	n = snprintf(text, sizeof(text), "%u %u: ", w->number,
		     (unsigned int)(w->m - world.machine));
	va_start(args, format);
	n += vsnprintf(text + n, sizeof(text) - n - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(text) - 2)
		n = sizeof(text) - 2;
	text[n++] = '\n';
	if (write(STDERR_FILENO, text, n) < 0)
		return;
}

/* Something is not as it should be: the first is kept in words. */
void finding(const char *format, ...)
{
	va_list args;

	if (__atomic_fetch_add(&world.report->findings, 1, __ATOMIC_RELAXED))
		return;
	va_start(args, format);
	vsnprintf(world.report->first, sizeof(world.report->first), format, args);
	va_end(args);
}

/* ---- memory that may not be there ---- */

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (me && me->touching)
		siglongjmp(me->recover, 1);
	finding("the fuzzer itself: signal %d at %p", sig, info->si_addr);
	_exit(3);
}

/* Copy, if both sides are there. */
bool touch(struct worker *w, void *to, const void *from, size_t size)
{
	if (sigsetjmp(w->recover, 0)) {
		w->touching = 0;
		return false;
	}
	w->touching = 1;
	memcpy(to, from, size);
	w->touching = 0;
	return true;
}

/* Only has to interrupt calls. */
static void on_signal(int sig)
{
	(void)sig;
}

static void set_handlers(void)
{
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction wake = { .sa_handler = on_signal };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGUSR1, &wake, NULL);
	sigaction(SIGALRM, &wake, NULL);
}

static void reserve(void *at, size_t size, int protection)
{
	if (mmap(at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		 0) == MAP_FAILED) {
		finding("the fuzzer itself: no memory: %s", strerror(errno));
		_exit(3);
	}
}

static void lay_out(void)
{
	uint8_t *at = (uint8_t *)PLACE;
	unsigned int i;

	for (i = 0; i < MACHINES; i++, at += 64ul << 20) {
		struct machine *m = &world.machine[i];

		m->ram = at;
		m->odd = at + (16ul << 20);
		m->run = (void *)(at + (32ul << 20));
		m->vm = m->vcpu = m->stats = -1;
		reserve(m->odd, ODD_PAGES * PAGE, PROT_NONE);
		reserve(m->run, 2 * PAGE, PROT_NONE);
		map_memory(m, false);
	}
	for (i = 0; i < world.workers; i++, at += 1ul << 20) {
		struct worker *w = &world.worker[i];

		w->args = at;
		reserve(at, 4 * PAGE, PROT_READ | PROT_WRITE);
		reserve(at + 4 * PAGE, PAGE, PROT_NONE);
		reserve(at + 5 * PAGE, PAGE, PROT_READ);
		reserve(at + 6 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	}
}

/* ---- threads ---- */

static bool over(void)
{
	return world.report->done || world.report->calls >= world.budget;
}

/*
 * Before a guest runs: it is interrupted in any case, also that of a real-time thread, soon as a
 * rule, for most that do not exit at once never do. And again, should it be before the run begins.
 */
void limit_run(struct worker *w)
{
	long soon = chance(w, 97) ? 10000 + below(w, 150000) : 5000000;
	struct itimerspec tick = { { 0, 2000000 }, { 0, soon } };

	timer_settime(w->timer, 0, &tick, NULL);
}

void unlimit_run(struct worker *w)
{
	timer_settime(w->timer, 0, &(struct itimerspec){}, NULL);
}

static void begin(struct worker *w)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };

	me = w;
	w->tid = syscall(SYS_gettid);
	event._sigev_un._tid = w->tid;
	if (timer_create(CLOCK_MONOTONIC, &event, &w->timer)) {
		finding("the fuzzer itself: no timer: %s", strerror(errno));
		_exit(3);
	}
}

static void *work(void *arg)
{
	if (arg != me)
		begin(arg);
	while (!over())
		one_call(me);
	return NULL;
}

/* Wherever the others are: change what they have passed, signal them, or make a call. */
static void intrude(struct worker *w)
{
	struct worker *other = &world.worker[below(w, world.workers)];
	uint8_t *arg = other->arg;
	uint32_t value = odd_value(w);

	switch (below(w, 8)) {
	case 0:
		if (other->tid)
			syscall(SYS_tgkill, getpid(), other->tid, SIGUSR1);
		break;
	case 1:
		one_call(w);
		break;
	default: /* counts are the first word */
		if (arg)
			touch(w, arg + (chance(w, 70) ? 0 : below(w, 64) * 4), &value,
			      sizeof(value));
	}
}

static void *work_in_between(void *arg)
{
	struct sched_param parameters = { .sched_priority = 1 };

	begin(arg);
	sched_setscheduler(0, SCHED_FIFO, &parameters); /* root may */
	while (!over()) {
		struct timespec moment = { .tv_nsec = 5000 + below(me, 400000) };

		nanosleep(&moment, NULL);
		intrude(me);
	}
	return NULL;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	a ^= b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2);
	a = (a ^ a >> 30) * 0xbf58476d1ce4e5b9ull;
	return (a ^ a >> 27) | 1;
}

enum ending { END_ALL_JOIN, END_ONE_EXITS, END_KILLED, ENDINGS };

static enum ending ending(uint64_t number)
{
	return number % ENDINGS;
}

static void become_nobody(void)
{
	struct rlimit limit = { MEMLOCK_POOR, MEMLOCK_POOR };

	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		finding("the fuzzer itself: cannot drop root: %s", strerror(errno));
	world.root = false;
}

static void process(uint64_t number)
{
	struct rlimit files = { 200, 200 };
	pthread_t threads[MAX_WORKERS];
	unsigned int i;

	set_handlers();
	setrlimit(RLIMIT_NOFILE, &files);
	lay_out();
	world.dev = open(device_path, O_RDWR | O_CLOEXEC);
	world.root = geteuid() == 0;
	if (world.root && number % 8 == 7)
		become_nobody();
	for (i = 0; i < world.workers; i++) {
		world.worker[i].number = i;
		world.worker[i].rng = mix(mix(options.seed, number), i);
		world.worker[i].m = &world.machine[0];
	}
	begin(&world.worker[0]);
	for (i = 0; i < MACHINES; i++)
		make_machine(me, &world.machine[i]);
	for (i = 1; i < world.workers; i++)
		if (pthread_create(&threads[i], NULL,
				   i == world.workers - 1 ? work_in_between : work,
				   &world.worker[i]))
			world.workers = i;
	work(me);
	if (ending(number) == END_ONE_EXITS)
		_exit(0);
	for (i = 1; i < world.workers; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* ---- what may be left ---- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static unsigned int vms(void)
{
	DIR *all = opendir("/sys/kernel/debug/penumbra");
	unsigned int n = 0;

	if (!all)
		return 0;
	while (readdir(all))
		n++;
	closedir(all);
	return n - 2; /* . and .. */
}

/* Pins taken and not given back, as the kernel counts them. */
static long pins(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "re"); /* the counts are per CPU, and late */
	long n, sum = 0;
	char line[200];

	if (f) {
		while (fgets(line, sizeof(line), f))
			;
		fclose(f);
	}
	f = fopen("/proc/vmstat", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "nr_foll_pin_acquired %ld", &n) == 1)
			sum += n;
		if (sscanf(line, "nr_foll_pin_released %ld", &n) == 1)
			sum -= n;
	}
	fclose(f);
	return sum;
}

/* Nobody else has VMs, unless --beside says so: then nothing can be said. */
static void check_nothing_left(long pins_before)
{
	int i;

	for (i = 0; i < 300 && vms(); i++)
		usleep(10000); /* a child of the process may have outlived it by a moment */
	if (vms())
		finding("%u VMs are left of a process that has ended", vms());
	else if (pins() != pins_before)
		finding("%ld pages are still pinned by a process that has ended",
			pins() - pins_before);
}

/* ---- processes ---- */

static void show_stacks(pid_t child)
{
	char path[64], text[4096];
	DIR *tasks;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/task", child);
	tasks = opendir(path);
	while (tasks && (e = readdir(tasks))) {
		char file[100];
		ssize_t n;
		int fd;

		snprintf(file, sizeof(file), "/proc/%d/task/%.20s/stack", child, e->d_name);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n > 0)
			fprintf(stderr, "thread %s:\n%.*s", e->d_name, (int)n, text);
	}
	if (tasks)
		closedir(tasks);
}

/* Waits for a process's end, and brings it about where that is how it ends. */
static void attend(pid_t child, uint64_t number)
{
	uint64_t calls = 0;
	double since = now();
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		usleep(5000);
		if (ending(number) == END_KILLED && world.report->calls >= world.budget * 9 / 10)
			kill(child, SIGKILL);
		if (world.report->calls != calls) {
			calls = world.report->calls;
			since = now();
		}
		if (now() - since > STUCK_SECONDS) {
			finding("process %lu makes no call for %d s", (unsigned long)number,
				STUCK_SECONDS);
			show_stacks(child);
			kill(child, SIGKILL);
			since = now();
		}
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		finding("the fuzzer itself: signal %d", WTERMSIG(status));
}

static void one_process(uint64_t number, uint64_t budget)
{
	long pinned = options.beside ? 0 : pins();
	pid_t child;

	world.budget = budget;
	world.report->calls = 0;
	fflush(stdout);
	child = fork();
	if (child < 0) {
		finding("the fuzzer itself: fork: %s", strerror(errno));
		return;
	}
	if (!child)
		process(number);
	attend(child, number);
	if (!options.beside)
		check_nothing_left(pinned);
}

static void __attribute__((noreturn)) usage(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: abifuzz [--calls N] [--seed S] [--threads T] [--first P] [--replay P]\n"
		"               [--beside] [--device PATH]\n"
		"Makes N calls (default 5000) of T threads (1 to 8, default 3) on /dev/penumbra.\n"
		"Same seed, same choices. --first P begins with process P; --replay P runs that "
		"one\n"
		"process and says each call before it is made. --beside: other programs have VMs, "
		"too.\n");
	exit(status);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || *end || end == text || *text == '-')
		usage(2);
	return n;
}

static void take_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "calls", 1, NULL, 'c' },  { "seed", 1, NULL, 's' },	{ "threads", 1, NULL, 't' },
		{ "first", 1, NULL, 'f' },  { "replay", 1, NULL, 'r' }, { "device", 1, NULL, 'd' },
		{ "beside", 0, NULL, 'b' }, { "help", 0, NULL, 'h' },	{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (o) {
		case 'c':
			options.calls = number(optarg);
			break;
		case 's':
			options.seed = number(optarg);
			break;
		case 't':
			options.threads = number(optarg);
			break;
		case 'r':
			options.replay = true;
			/* fallthrough */
		case 'f':
			options.first = number(optarg);
			break;
		case 'b':
			options.beside = true;
			break;
		case 'd':
			device_path = optarg;
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	}
	if (optind != argc || options.threads < 1 || options.threads > MAX_WORKERS)
		usage(2);
}

static bool ask_cpuid(void)
{
	int fd = open(device_path, O_RDWR | O_CLOEXEC), got;

	world.cpuid.head.nent = sizeof(world.cpuid.entry) / sizeof(world.cpuid.entry[0]);
	got = ioctl(fd, KVM_GET_SUPPORTED_CPUID, &world.cpuid);
	close(fd);
	return got == 0;
}

int main(int argc, char **argv)
{
	uint64_t calls = 0, shown = 0, n;
	double began = now();

	take_options(argc, argv);
	world.workers = options.threads;
	world.say = options.replay;
	world.report = mmap(NULL, sizeof(*world.report), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world.report == MAP_FAILED || !ask_cpuid()) {
		printf("Bail out! %s: %s\n", device_path, strerror(errno));
		return 1;
	}
	for (n = options.first; calls < options.calls && !world.report->findings; n++) {
		one_process(n, PROCESS_CALLS);
		calls += world.report->calls;
		if (calls - shown >= PROGRESS_CALLS) {
			printf("# seed %lu, process %lu: %lu calls in %.0f s\n", options.seed, n,
			       calls, now() - began);
			shown = calls;
		}
		if (options.replay)
			break;
	}
	show_shapes(calls >= STRICT_CALLS);
	printf("# seed %lu, %u threads: %lu calls in %.1f s, %.0f a second, processes %lu to %lu\n",
	       options.seed, options.threads, calls, now() - began, calls / (now() - began),
	       options.first, n - 1);
	if (world.report->findings) {
		printf("not ok - abifuzz: %s\n", world.report->first);
		printf("# again: --seed %lu --threads %u --replay %lu\n", options.seed,
		       options.threads, n - 1);
		return 1;
	}
	printf("ok - abifuzz: each call ended as it may, and nothing is left\n");
	return 0;
}

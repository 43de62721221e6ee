// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor: runs Bochs, shows what the emulated machine says, and turns how it ended into a status.
 *
 *	monitor [options] RUNDIR
 *
 * RUNDIR holds "bochsrc" and "rc", and is removed at the end.  scripts/emulated-host makes it; its
 * --help describes the statuses.  Three things come out of the machine: packets from agent.c and
 * debugger text on Bochs's standard output (wire.h says how they are told apart), and the serial
 * console through a pipe.
 *
 * A machine without our agent (--bare) says "status=V" on the console and prints its rows as plain
 * text on port 0xE9.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reports.h"
#include "wire.h"

enum status {
	STATUS_PANIC = 120,   /* panic, oops, BUG or WARNING of the emulated kernel */
	STATUS_STOPPED = 121, /* the machine stopped without a word */
	STATUS_TIMEOUT = 124,
	STATUS_ERROR = 125, /* could not run at all */
};

#define LINE_MAX_BYTES 4096
#define KEPT_LINES     40
#define SHOWN_LINES    60   /* of a report, with --keep-going */
#define IDLE_FACTOR    10   /* times the timeout, by the clock */
#define PANIC_GRACE_MS 3000 /* how long a panicking kernel may go on explaining */

/* Text that arrives in pieces, handled line by line. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t length;
};

static struct {
	const char *bochs;
	bool debugger; /* it has to be asked for its debugger, which traces */
	const char *out;
	const char *trace;
	const char *console;
	double timeout;
	bool verbose;
	bool bare;
	bool keep_going;
	const char *run_directory;
} options = { .bochs = "bochs-bin", .timeout = 300 };

static pid_t bochs;
static bool tracing_code;
static FILE *console_file, *trace_file, *out_file;
static struct line console_line, kernel_line, debugger_line;
static char kept[KEPT_LINES][160];
static unsigned long kept_count;
static char *trouble;	  /* the first console line that means the kernel is in trouble */
static double trouble_at; /* 0 while the run goes on */
static unsigned long report_lines[MAX_REPORTS];
static unsigned int lines_to_show;
static bool begun;   /* the command has begun */
static bool running; /* and has not ended */
static bool finished;
static int final_status = -1;
static uint64_t begin_ticks, end_ticks;
static double started_at, begun_at;
static bool prompted; /* Bochs has said hello and started the machine */
static unsigned long long debugger_tick;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("emulated-host: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
	(void)info;
	(void)type;
	(void)where;
	remove(path);
	return 0;
}

static void stop_bochs(void)
{
	if (bochs > 0) {
		kill(bochs, SIGKILL);
		waitpid(bochs, NULL, 0);
		bochs = 0;
	}
}

static void __attribute__((noreturn)) leave(int status)
{
	stop_bochs();
	if (options.run_directory)
		nftw(options.run_directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	if (trace_file && fclose(trace_file)) {
		say("cannot write %s: %s", options.trace, strerror(errno));
		status = STATUS_ERROR;
	}
	if (fflush(stdout)) {
		say("cannot write standard output: %s", strerror(errno));
		status = STATUS_ERROR;
	}
	exit(status);
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say("%s", text);
	leave(STATUS_ERROR);
}

/* ------------------------------------------------------------- the console */

/*
 * A report ends the run, for what follows is not to be trusted; or, where all reports are asked for,
 * is shown as it comes and counted.  What the kernel reports of itself before the command begins is
 * its own affair, as long as it lives.
 */
static void judge_console(const char *text)
{
	const struct report *report = find_report(text);
	bool final = report == &reports[0];
	unsigned int status;

	if (options.bare) {
		if (sscanf(text, "status=%u", &status) == 1)
			final_status = status & 0xff;
		return;
	}
	if (!report || !(begun || final))
		return;
	report_lines[report - reports]++;
	if (!trouble)
		trouble = strdup(text);
	if (options.keep_going)
		lines_to_show = SHOWN_LINES;
	if ((!options.keep_going || final) && !trouble_at)
		trouble_at = now();
}

static void show_report_line(const char *text)
{
	if (!lines_to_show)
		return;
	lines_to_show--;
	fflush(stdout);
	fprintf(stderr, "    %s\n", text);
}

/* "KASAN 2, lockdep 1": lines that fit, by kind; several may belong to one report. */
static void say_reports(void)
{
	char text[1024] = "";
	size_t length = 0;

	for (size_t i = 0; i < report_count; i++) {
		unsigned long lines = 0;

		if (i && !strcmp(reports[i].kind, reports[i - 1].kind))
			continue; /* counted with the first of its kind */
		for (size_t j = i; j < report_count && !strcmp(reports[j].kind, reports[i].kind);
		     j++)
			lines += report_lines[j];
		if (lines && length < sizeof(text))
			length += snprintf(text + length, sizeof(text) - length, "%s%s %lu",
					   length ? ", " : "", reports[i].kind, lines);
	}
	say("lines of reports by kind: %s", text);
}

static void take_console_line(struct line *line)
{
	line->text[line->length] = '\0';
	snprintf(kept[kept_count++ % KEPT_LINES], sizeof(*kept), "%.*s", (int)sizeof(*kept) - 1,
		 line->text);
	if (console_file)
		fprintf(console_file, "%s\n", line->text);
	if (options.bare)
		printf("%s\n", line->text);
	judge_console(line->text);
	show_report_line(line->text);
	line->length = 0;
}

static void take_text(struct line *line, const char *text, size_t size,
		      void (*take_line)(struct line *))
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\r')
			continue;
		if (text[i] == '\n' || line->length == LINE_MAX_BYTES - 1)
			take_line(line);
		if (text[i] != '\n')
			line->text[line->length++] = text[i];
	}
}

/* What never got its newline is shown, but half a "status=" line must not count. */
static void flush_console_line(void)
{
	int status = final_status;

	if (console_line.length)
		take_console_line(&console_line);
	final_status = status;
}

static void show_console(void)
{
	unsigned long first = kept_count > KEPT_LINES ? kept_count - KEPT_LINES : 0;

	flush_console_line();
	if (!kept_count) {
		say("its console shows nothing%s", running ? " since the command began" : "");
		return;
	}
	say("the last lines of its console:");
	for (unsigned long i = first; i < kept_count; i++)
		fprintf(stderr, "    %s\n", kept[i % KEPT_LINES]);
}

/* Bochs's own last words, for when the machine stops by itself: the panics and errors of a log. */
static void show_bochs_log(const char *path)
{
	char line[512], last[4][512] = { "" };
	unsigned long count = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (strstr(line, "p[") || strstr(line, "e["))
			snprintf(last[count++ % 4], sizeof(*last), "%s", line);
	fclose(file);
	if (!count)
		return;
	say("the last errors that Bochs reports:");
	for (unsigned long i = count > 4 ? count - 4 : 0; i < count; i++)
		fprintf(stderr, "    %s", last[i % 4]);
}

/* ------------------------------------------------------- packets from agent.c */

/* The machine chooses names below --out, and must not choose any that lead elsewhere. */
static const char *out_path(const unsigned char *name, size_t size)
{
	static char path[8192];
	char copy[4096];

	if (size >= sizeof(copy))
		die("a file that the command left in /out has too long a name");
	memcpy(copy, name, size);
	copy[size] = '\0';
	if (!size || copy[0] == '/' || !strcmp(copy, "..") || !strncmp(copy, "../", 3) ||
	    strstr(copy, "/../") || strlen(copy) != size)
		die("a file that the command left in /out has the name '%s'", copy);
	snprintf(path, sizeof(path), "%s/%s", options.out, copy);
	return path;
}

static void close_out_file(void)
{
	FILE *file = out_file;

	out_file = NULL;
	if (file && fclose(file))
		die("cannot write a file in %s: %s", options.out, strerror(errno));
}

static void open_out_file(const unsigned char *contents, size_t size, const char *how)
{
	const char *path;
	uint32_t mode;

	if (!options.out || size < 4)
		return;
	memcpy(&mode, contents, 4);
	path = out_path(contents + 4, size - 4);
	out_file = fopen(path, how);
	if (!out_file || fchmod(fileno(out_file), mode & 0777) < 0)
		die("cannot write %s: %s", path, strerror(errno));
}

static void make_out_directory(const unsigned char *contents, size_t size)
{
	const char *path;

	if (!options.out)
		return;
	path = out_path(contents, size);
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		die("cannot make %s: %s", path, strerror(errno));
}

static uint64_t get64(const unsigned char *contents, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, contents, size < 8 ? size : 8);
	return value;
}

static void take_packet(enum wire_type type, const unsigned char *contents, size_t size)
{
	if (type != WIRE_DATA)
		close_out_file();
	switch (type) {
	case WIRE_BEGIN:
		running = begun = true;
		kept_count = 0;
		begun_at = now();
		begin_ticks = get64(contents, size);
		break;
	case WIRE_STDOUT:
		fwrite(contents, 1, size, stdout);
		break;
	case WIRE_STDERR:
		fflush(stdout);
		fwrite(contents, 1, size, stderr);
		break;
	case WIRE_KERNEL:
		take_text(&kernel_line, (const char *)contents, size, take_console_line);
		break;
	case WIRE_END:
		running = false;
		end_ticks = get64(contents, size);
		if (options.verbose)
			say("boot %.1f s to tick %llu; command %.1f s, %llu ticks",
			    begun_at - started_at, (unsigned long long)begin_ticks,
			    now() - begun_at, (unsigned long long)(end_ticks - begin_ticks));
		break;
	case WIRE_DIRECTORY:
		make_out_directory(contents, size);
		break;
	case WIRE_FILE:
		open_out_file(contents, size, "we");
		break;
	case WIRE_MORE:
		open_out_file(contents, size, "ae");
		break;
	case WIRE_DATA:
		if (out_file && fwrite(contents, 1, size, out_file) != size)
			die("cannot write a file in %s: %s", options.out, strerror(errno));
		break;
	case WIRE_ERROR:
		say("inside the machine: %.*s", (int)size, (const char *)contents);
		break;
	case WIRE_EXIT:
		final_status = get64(contents, size) & 0xff;
		finished = true;
		break;
	default:
		die("garbled packet of type %#x from the machine", type);
	}
}

static void take_coded_byte(unsigned char byte)
{
	static unsigned char coded[WIRE_CODED];
	static unsigned char packet[WIRE_HEADER + WIRE_MAX_CONTENTS + WIRE_GROUP];
	static size_t coded_count, packet_count;
	size_t size;

	coded[coded_count++] = byte;
	if (coded_count < WIRE_CODED)
		return;
	coded_count = 0;
	wire_decode(coded, packet + packet_count);
	packet_count += WIRE_GROUP;
	size = packet[1] | packet[2] << 8 | packet[3] << 16;
	if (size > WIRE_MAX_CONTENTS)
		die("garbled packet of %zu bytes from the machine", size);
	if (packet_count < WIRE_HEADER + size)
		return;
	packet_count = 0;
	take_packet(packet[0], packet + WIRE_HEADER, size);
}

/* -------------------------------------------------------- Bochs's own output */

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* "Next at t=TICK" precedes each prompt, "(0).[TICK]" comes when Bochs ends. */
static bool take_tick(const char *text)
{
	return sscanf(text, "Next at t=%llu", &debugger_tick) == 1 ||
	       sscanf(text, "(%*u).[%llu]", &debugger_tick) == 1;
}

/*
 * A memory access, or an instruction: "(0).[TICK] [PHYSICAL ADDRESS] ...", which is also what the
 * debugger says of the one at which it stops.
 */
static bool is_traced(const char *text)
{
	return tracing_code ? starts_with(text, "(0).[") && strstr(text, "] [0x")
			    : starts_with(text, "[CPU");
}

/*
 * The trace keeps accesses or instructions as Bochs prints them, and a line at either end of each region.
 * What is neither trace nor debugger chatter is a line that a bare machine sent to port 0xE9.
 */
static void take_debugger_line(struct line *line)
{
	static unsigned long regions;
	const char *text = line->text;

	line->text[line->length] = '\0';
	line->length = 0;
	if (is_traced(text)) {
		if (trace_file)
			fprintf(trace_file, "%s\n", text);
	} else if (take_tick(text)) {
		prompted = true;
	} else if (starts_with(text, "Memory-Tracing enabled") ||
		   starts_with(text, "Tracing enabled")) {
		tracing_code = text[0] == 'T';
		fprintf(trace_file, "# region %lu begins at tick %llu\n", ++regions, debugger_tick);
	} else if (starts_with(text, "Memory-Tracing disabled") ||
		   starts_with(text, "Tracing disabled")) {
		tracing_code = false;
		fprintf(trace_file, "# region %lu ends at tick %llu\n", regions, debugger_tick);
	} else if (options.bare && prompted && text[0] != '(' && text[0]) {
		printf("%s\n", text);
	}
}

static void take_bochs_output(const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char c = data[i];

		if (data[i] & 0x80)
			take_coded_byte(data[i]);
		else
			take_text(&debugger_line, &c, 1, take_debugger_line);
	}
	if (fflush(stdout))
		die("cannot write standard output: %s", strerror(errno));
}

/* -------------------------------------------------------------- the process */

static void start_bochs(int output)
{
	pid_t parent = getpid();
	sigset_t none;

	bochs = fork();
	if (bochs < 0)
		die("cannot start Bochs: %s", strerror(errno));
	if (bochs)
		return;
	/* Its own group: Ctrl-C is for us to handle, Bochs would stop and ask what to do. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_ERROR);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!freopen("/dev/null", "r", stdin) || dup2(output, STDOUT_FILENO) < 0 ||
	    !freopen("bochs.err", "w", stderr))
		_exit(STATUS_ERROR);
	setenv("TERM", "vt100", 1);
	execlp(options.bochs, options.bochs, "-q", "-f", "bochsrc", "-rc", "rc",
	       options.debugger ? "-debugger" : (char *)NULL, (char *)NULL);
	_exit(127);
}

static int open_console_pipe(void)
{
	int fd;

	if (mkfifo("com1", 0600) < 0)
		die("cannot make a pipe in %s: %s", options.run_directory, strerror(errno));
	/* For reading and writing, so that it never is at its end while Bochs opens it. */
	fd = open("com1", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("cannot open a pipe in %s: %s", options.run_directory, strerror(errno));
	return fd;
}

static int open_signals(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd: %s", strerror(errno));
	return fd;
}

static void read_console(int fd)
{
	char data[65536];
	ssize_t size;

	while ((size = read(fd, data, sizeof(data))) > 0)
		take_text(&console_line, data, size, take_console_line);
	if (options.bare)
		fflush(stdout);
}

static int conclude(int bochs_status)
{
	flush_console_line();
	if (console_file && fclose(console_file))
		die("cannot write %s: %s", options.console, strerror(errno));
	console_file = NULL;
	if (trouble) {
		say("the emulated kernel is in trouble: %s", trouble);
		if (options.keep_going)
			say_reports();
		if (!options.keep_going || trouble_at)
			show_console();
		return STATUS_PANIC;
	}
	if (options.bare && options.verbose)
		say("%.1f s, %llu ticks", now() - started_at, debugger_tick);
	if (final_status >= 0 && (finished || options.bare))
		return final_status;
	if (WIFEXITED(bochs_status) && WEXITSTATUS(bochs_status) == 127)
		say("%s cannot be started: run scripts/setup emulated", options.bochs);
	else
		say("the emulated machine stopped without a status");
	show_console();
	show_bochs_log("bochs.log"); /* what happened in the machine */
	show_bochs_log("bochs.err"); /* what is wrong with its configuration */
	return STATUS_STOPPED;
}

/*
 * When the time will be up, or has been: now or earlier.  It is Bochs's own CPU time that counts,
 * for on a busy machine the same run takes longer by the clock; a Bochs that does nothing at all is
 * stopped by the clock.
 */
static double time_is_up_at(void)
{
	double last = started_at + IDLE_FACTOR * options.timeout;
	struct timespec time;
	clockid_t clock;
	double next;

	if (!bochs || clock_getcpuclockid(bochs, &clock) || clock_gettime(clock, &time))
		return now();
	next = now() + options.timeout - (time.tv_sec + time.tv_nsec / 1e9);
	return next < last ? next : last;
}

static int run(void)
{
	enum { SIGNALS, OUTPUT, CONSOLE, COUNT };
	struct pollfd fds[COUNT] = { 0 };
	static unsigned char data[1 << 16];
	int output[2], status = 0;
	double deadline;

	fds[SIGNALS].fd = open_signals();
	fds[CONSOLE].fd = open_console_pipe();
	if (pipe2(output, O_CLOEXEC) < 0)
		die("cannot make a pipe: %s", strerror(errno));
	fcntl(output[0], F_SETPIPE_SZ, 1 << 20);
	fds[OUTPUT].fd = output[0];
	for (int i = 0; i < COUNT; i++)
		fds[i].events = POLLIN;
	started_at = now();
	deadline = started_at + options.timeout;
	start_bochs(output[1]);
	close(output[1]);

	for (;;) {
		double end = deadline;

		if (trouble_at && trouble_at + PANIC_GRACE_MS / 1e3 < end)
			end = trouble_at + PANIC_GRACE_MS / 1e3;
		if (now() > end) {
			if (end == deadline && !trouble_at)
				deadline = time_is_up_at();
			if (now() >= deadline || trouble_at)
				break;
			continue;
		}
		if (poll(fds, COUNT, (int)((end - now()) * 1e3) + 1) < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		if (fds[SIGNALS].revents) {
			struct signalfd_siginfo info;

			if (read(fds[SIGNALS].fd, &info, sizeof(info)) == sizeof(info))
				leave(128 + info.ssi_signo);
		}
		if (fds[CONSOLE].revents)
			read_console(fds[CONSOLE].fd);
		if (fds[OUTPUT].revents) {
			ssize_t size = read(output[0], data, sizeof(data));

			if (size <= 0)
				break;
			take_bochs_output(data, size);
			if (finished)
				break;
		}
		if (trouble_at && strstr(kept[(kept_count - 1) % KEPT_LINES], "end Kernel panic"))
			break;
	}
	read_console(fds[CONSOLE].fd);
	if (debugger_line.length)
		take_debugger_line(&debugger_line);
	if (now() >= deadline && !trouble_at) {
		say("no end after %g s: stopped", options.timeout);
		if (trouble)
			say_reports();
		show_console();
		return STATUS_TIMEOUT;
	}
	if (bochs > 0 && waitpid(bochs, &status, WNOHANG) == bochs)
		bochs = 0;
	return conclude(status);
}

/* --------------------------------------------------------------------- main */

static void usage(FILE *to)
{
	fputs("usage: monitor [--bochs PROGRAM] [--debugger] [--bare] [--verbose] [--keep-going] "
	      "[--timeout "
	      "SECONDS]\n"
	      "               [--out DIR] [--trace FILE] [--console FILE] RUNDIR\n"
	      "Runs Bochs on RUNDIR/bochsrc and removes RUNDIR.  For scripts/emulated-host.\n",
	      to);
}

static FILE *open_result(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		die("cannot write %s: %s", path, strerror(errno));
	return file;
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--bare")) {
			options.bare = true;
		} else if (!strcmp(argv[i], "--verbose")) {
			options.verbose = true;
		} else if (!strcmp(argv[i], "--keep-going")) {
			options.keep_going = true;
		} else if (!strcmp(argv[i], "--help")) {
			usage(stdout);
			exit(0);
		} else if (!strcmp(argv[i], "--timeout") && value) {
			options.timeout = atof(argv[++i]);
		} else if (!strcmp(argv[i], "--debugger")) {
			options.debugger = true;
		} else if (!strcmp(argv[i], "--bochs") && value) {
			options.bochs = argv[++i];
		} else if (!strcmp(argv[i], "--out") && value) {
			options.out = argv[++i];
		} else if (!strcmp(argv[i], "--trace") && value) {
			options.trace = argv[++i];
		} else if (!strcmp(argv[i], "--console") && value) {
			options.console = argv[++i];
		} else if (!options.run_directory && argv[i][0] != '-') {
			options.run_directory = argv[i];
		} else {
			usage(stderr);
			exit(STATUS_ERROR);
		}
	}
	if (!options.run_directory) {
		usage(stderr);
		exit(STATUS_ERROR);
	}
}

/* Paths are the caller's; Bochs runs in RUNDIR. */
static const char *absolute(const char *path)
{
	char *full;
	char *here;

	if (!path || path[0] == '/')
		return path;
	here = getcwd(NULL, 0);
	if (!here || asprintf(&full, "%s/%s", here, path) < 0)
		die("cannot tell the current directory: %s", strerror(errno));
	free(here);
	return full;
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	options.run_directory = absolute(options.run_directory);
	options.out = absolute(options.out);
	if (options.trace)
		trace_file = open_result(options.trace);
	if (options.console) {
		console_file = open_result(options.console);
		setlinebuf(console_file); /* a machine that hangs early is watched through it */
	}
	if (chdir(options.run_directory) < 0)
		die("%s: %s", options.run_directory, strerror(errno));
	leave(run());
}

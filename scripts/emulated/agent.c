// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulated host's /init: runs one command and tells monitor.c all about it.
 *
 * It is the only process besides the command, and it must not disturb what the command measures.
 * So it sleeps until there is something to pass on, and it runs under a real-time policy: output is
 * passed on inside the very write() that made it, never later in the middle of a measurement.
 *
 * What to do comes from the boot archive: /host/command (NUL-separated arguments), /host/modules
 * (one per line: file and parameters), /host/environment (NAME=value lines), /host/out if somebody
 * wants the files that the command leaves in /out, and /host/keep-going if a warning is not to be
 * the end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "wire.h"

#define COMMAND_CANNOT_START 127
#define SETUP_FAILED	     125

/* Kernel messages below this level go to the serial console, which takes 8700 ticks a byte. */
#define BOOT_CONSOLE_LEVEL 4
#define RUN_CONSOLE_LEVEL  5
#define KLOG_CONSOLE_LEVEL 8

static int console_level = BOOT_CONSOLE_LEVEL;
static int kernel_log = -1;

static void send_coded(const unsigned char *data, size_t size)
{
	__asm__ volatile("rep outsb" : "+S"(data), "+c"(size) : "d"(WIRE_PORT) : "memory");
}

static void send_packet(enum wire_type type, const void *contents, size_t size)
{
	unsigned char packet[WIRE_HEADER + WIRE_MAX_CONTENTS + WIRE_GROUP] = { type };
	unsigned char coded[(sizeof(packet) / WIRE_GROUP + 1) * WIRE_CODED];
	size_t length = WIRE_HEADER + size, coded_size = 0;

	packet[1] = size;
	packet[2] = size >> 8;
	packet[3] = size >> 16;
	memcpy(packet + WIRE_HEADER, contents, size);
	for (size_t i = 0; i < length; i += WIRE_GROUP) {
		wire_encode(packet + i, coded + coded_size);
		coded_size += WIRE_CODED;
	}
	send_coded(coded, coded_size);
}

static void __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	char text[512];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (size >= (int)sizeof(text))
		size = sizeof(text) - 1;
	send_packet(WIRE_ERROR, text, size);
}

/* Bochs's unmapped-port device ends the emulation when it reads this word, byte by byte. */
static void __attribute__((noreturn)) power_off(uint32_t status)
{
	send_packet(WIRE_EXIT, &status, sizeof(status));
	for (const char *c = "Shutdown"; *c; c++)
		outb(*c, 0x8900);
	for (;;)
		pause();
}

static void __attribute__((noreturn)) give_up(const char *what)
{
	complain("%s: %s", what, strerror(errno));
	power_off(SETUP_FAILED);
}

/* ------------------------------------------------------------------- setup */

static void mount_or_give_up(const char *type, const char *where, unsigned long flags)
{
	mkdir(where, 0755);
	if (mount(type, where, type, flags, NULL) < 0)
		give_up(where);
}

static void mount_everything(void)
{
	mount_or_give_up("proc", "/proc", 0);
	mount_or_give_up("sysfs", "/sys", 0);
	mount_or_give_up("devtmpfs", "/dev", 0);
	mount_or_give_up("tmpfs", "/tmp", 0);
	mount_or_give_up("tmpfs", "/run", 0);
	mount_or_give_up("tmpfs", "/out", 0);
	mount_or_give_up("debugfs", "/sys/kernel/debug", 0);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL); /* only with --tracing */
	/* A file that a command changes there would be lost: better to say so at once. */
	if (mount("/penumbra", "/penumbra", NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, "/penumbra", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		give_up("/penumbra");
}

static void open_standard_input(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		give_up("/dev/null");
	for (int i = 0; i < 3; i++)
		if (fd != i && dup2(fd, i) < 0)
			give_up("/dev/null");
	if (fd > 2)
		close(fd);
}

static void load_module(const char *line)
{
	char path[256];
	size_t length = strcspn(line, " ");
	const char *parameters = line[length] ? line + length + 1 : "";
	int fd;

	snprintf(path, sizeof(path), "%.*s", (int)length, line);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, parameters, 0) < 0)
		give_up(path);
	close(fd);
}

static void for_each_line(const char *path, void (*handle)(const char *line))
{
	FILE *file = fopen(path, "re");
	char line[1024];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			handle(line);
	}
	fclose(file);
}

static void set_variable(const char *line)
{
	char *copy = strdup(line);

	if (!copy || putenv(copy))
		give_up("environment");
}

static char **read_command(void)
{
	static char text[65536];
	static char *arguments[1024];
	int fd = open("/host/command", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	size_t count = 0;

	if (size <= 0)
		give_up("/host/command");
	close(fd);
	for (char *at = text; at < text + size; at += strlen(at) + 1) {
		if (count == sizeof(arguments) / sizeof(*arguments) - 1) {
			errno = E2BIG;
			give_up("/host/command");
		}
		arguments[count++] = at;
	}
	return arguments;
}

static void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		complain("cannot write %s to %s: %s", value, path, strerror(errno));
	close(fd);
}

static void become_real_time(void)
{
	struct sched_param parameters = { .sched_priority = 1 };

	/* Children are ordinary processes again. */
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) < 0)
		give_up("SCHED_FIFO");
	write_setting("/proc/sys/kernel/sched_rt_runtime_us", "-1");
}

/* Not on the kernel's command line: Bochs makes it warn once while it boots, about XSAVE's size. */
static void be_strict(void)
{
	if (access("/host/keep-going", F_OK) < 0)
		write_setting("/proc/sys/kernel/panic_on_warn", "1");
	klogctl(KLOG_CONSOLE_LEVEL, NULL, RUN_CONSOLE_LEVEL);
	console_level = RUN_CONSOLE_LEVEL;
}

/*
 * What a kernel with kmemleak lost while it booted is its own affair, and must not be reported again
 * by the command's scans.  The first scan only notes checksums.  Not there, or off: no matter.
 */
static void forget_boot_leaks(void)
{
	static const char *const steps[] = { "scan", "scan", "clear" };
	int fd = open("/sys/kernel/debug/kmemleak", O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		if (write(fd, steps[i], strlen(steps[i])) < 0)
			break;
	if (fd >= 0)
		close(fd);
}

/* ------------------------------------------------------------------- files */

/* Sends a file below /out from the given offset on.  Returns how far it got. */
static off_t send_file(const char *name, off_t from)
{
	unsigned char contents[WIRE_MAX_CONTENTS];
	uint32_t permissions;
	char path[4096];
	struct stat info;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/out/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) < 0) {
		complain("cannot bring %s back: %s", path, strerror(errno));
		return from;
	}
	permissions = info.st_mode & 0777;
	memcpy(contents, &permissions, sizeof(permissions));
	size = snprintf((char *)contents + 4, sizeof(contents) - 4, "%s", name);
	send_packet(from ? WIRE_MORE : WIRE_FILE, contents, 4 + size);
	while ((size = pread(fd, contents, sizeof(contents), from)) > 0) {
		send_packet(WIRE_DATA, contents, size);
		from += size;
	}
	close(fd);
	return from;
}

/* Sends everything below /out/INNER; links, pipes and devices stay behind. */
static void send_directory(const char *inner)
{
	char path[4096];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof(path), "/out/%s", inner);
	directory = opendir(path);
	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		const char *separator = *inner ? "/" : "";
		char name[2048];
		struct stat info;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(name, sizeof(name), "%s%s%s", inner, separator, entry->d_name) >=
			    (int)sizeof(name) ||
		    snprintf(path, sizeof(path), "/out/%s", name) >= (int)sizeof(path) ||
		    lstat(path, &info) < 0)
			continue;
		if (S_ISDIR(info.st_mode)) {
			send_packet(WIRE_DIRECTORY, name, strlen(name));
			send_directory(name);
		} else if (S_ISREG(info.st_mode)) {
			send_file(name, 0);
		}
	}
	closedir(directory);
}

/*
 * Results of a run that hangs are worth having too.  So what is written to a file directly in /out is
 * sent on at once, as long as the file is small; send_directory() sends everything again at the end.
 */
#define LIVE_FILES     64
#define LIVE_FILE_SIZE (256 * 1024)

static struct live_file {
	char name[256];
	off_t sent;
} live_files[LIVE_FILES];

static struct live_file *find_live_file(const char *name)
{
	for (size_t i = 0; i < LIVE_FILES; i++) {
		struct live_file *file = &live_files[i];

		if (!file->name[0])
			snprintf(file->name, sizeof(file->name), "%s", name);
		if (!strcmp(file->name, name))
			return file;
	}
	return NULL;
}

static void pass_file(const char *name)
{
	struct live_file *file = find_live_file(name);
	struct stat info;
	char path[512];

	snprintf(path, sizeof(path), "/out/%s", name);
	if (!file || lstat(path, &info) < 0 || !S_ISREG(info.st_mode) ||
	    info.st_size > LIVE_FILE_SIZE)
		return;
	if (info.st_size < file->sent)
		file->sent = 0;
	if (info.st_size > file->sent)
		file->sent = send_file(name, file->sent);
}

static void pass_files(int notifications)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t size;

	while ((size = read(notifications, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + size; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			if (event->len)
				pass_file(event->name);
		}
	}
}

static int watch_files(void)
{
	int fd;

	if (access("/host/out", F_OK) < 0)
		return -1;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(fd, "/out", IN_MODIFY | IN_MOVED_TO) < 0)
		give_up("inotify");
	return fd;
}

/* --------------------------------------------------------------------- run */

/* Formats "level,number,microseconds,flags;text" as the console would, if it has not shown it. */
static void pass_kernel_record(const char *record)
{
	unsigned int level;
	unsigned long long microseconds;
	char line[1024];
	const char *text = strchr(record, ';');
	int size;

	if (!text || sscanf(record, "%u,%*u,%llu", &level, &microseconds) != 2)
		return;
	if ((int)(level & 7) < console_level)
		return;
	text++;
	size = snprintf(line, sizeof(line), "[%5llu.%06llu] %.*s\n", microseconds / 1000000,
			microseconds % 1000000, (int)strcspn(text, "\n"), text);
	if (size >= (int)sizeof(line))
		size = sizeof(line) - 1;
	send_packet(WIRE_KERNEL, line, size);
}

static void pass_kernel_log(void)
{
	char record[2048];
	ssize_t size;

	for (;;) {
		size = read(kernel_log, record, sizeof(record) - 1);
		if (size < 0 && errno == EPIPE)
			continue; /* records were overwritten before they were read */
		if (size <= 0)
			return;
		record[size] = '\0';
		pass_kernel_record(record);
	}
}

/* Returns false at the end of the stream. */
static bool pass_output(int fd, enum wire_type type)
{
	char data[WIRE_MAX_CONTENTS];
	ssize_t size;

	while ((size = read(fd, data, sizeof(data))) > 0)
		send_packet(type, data, size);
	return size < 0 && (errno == EAGAIN || errno == EINTR);
}

static pid_t start_command(char **arguments, int *output, int *errors)
{
	int out[2], err[2];
	sigset_t none;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		give_up("pipe");
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		if (chdir("/penumbra") == 0)
			execvp(arguments[0], arguments);
		dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
		_exit(COMMAND_CANNOT_START);
	}
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	*output = out[0];
	*errors = err[0];
	return pid;
}

/* Reaps whoever has ended.  Returns true when the command itself has, with its wait status. */
static bool reap(pid_t command, int *status)
{
	bool ended = false;
	int one;
	pid_t pid;

	while ((pid = waitpid(-1, &one, WNOHANG)) > 0) {
		if (pid == command) {
			*status = one;
			ended = true;
		}
	}
	return ended;
}

static void send_time(enum wire_type type)
{
	uint64_t now = __rdtsc();

	send_packet(type, &now, sizeof(now));
}

static uint32_t run_command(char **arguments)
{
	enum { CHILD, OUTPUT, ERRORS, LOG, FILES, COUNT };
	struct pollfd fds[COUNT] = { 0 };
	sigset_t child;
	int status = 0;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	fds[CHILD].fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fds[CHILD].fd < 0)
		give_up("signalfd");
	fds[LOG].fd = kernel_log;
	fds[FILES].fd = watch_files();
	for (int i = 0; i < COUNT; i++)
		fds[i].events = POLLIN;

	send_time(WIRE_BEGIN);
	pid = start_command(arguments, &fds[OUTPUT].fd, &fds[ERRORS].fd);
	for (;;) {
		struct signalfd_siginfo drained;

		if (poll(fds, COUNT, -1) < 0 && errno != EINTR)
			give_up("poll");
		if (fds[LOG].revents)
			pass_kernel_log();
		if (fds[OUTPUT].revents && !pass_output(fds[OUTPUT].fd, WIRE_STDOUT))
			fds[OUTPUT].fd = -1;
		if (fds[ERRORS].revents && !pass_output(fds[ERRORS].fd, WIRE_STDERR))
			fds[ERRORS].fd = -1;
		if (fds[FILES].revents)
			pass_files(fds[FILES].fd);
		if (fds[CHILD].revents) {
			while (read(fds[CHILD].fd, &drained, sizeof(drained)) > 0)
				;
			if (reap(pid, &status))
				break;
		}
	}
	send_time(WIRE_END);
	/* What it wrote last may still be in the pipes; a child it left behind is not waited for. */
	if (fds[OUTPUT].fd >= 0)
		pass_output(fds[OUTPUT].fd, WIRE_STDOUT);
	if (fds[ERRORS].fd >= 0)
		pass_output(fds[ERRORS].fd, WIRE_STDERR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
	uint32_t status;

	if (iopl(3) < 0)
		return 1; /* nobody can be told, but the kernel panics when init ends */
	mount_everything();
	open_standard_input();
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kernel_log < 0)
		give_up("/dev/kmsg");
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/", 1);
	for_each_line("/host/environment", set_variable);
	for_each_line("/host/modules", load_module);
	forget_boot_leaks();
	pass_kernel_log();
	be_strict();
	become_real_time();

	status = run_command(read_command());
	pass_kernel_log();
	if (access("/host/out", F_OK) == 0)
		send_directory("");
	power_off(status);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long the hypervisor took to handle exits, by cause: the module's exit_times=1, read from the
 * VM's folder in debugfs. It forgets all before the body and is read after it, so that only the
 * body's exits are in it, and neither of the two markers' own.
 */
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMES_HEADER "cause exits ticks_min ticks_mean ticks_max\n"
#define FOLDER	     "/sys/kernel/debug/penumbra"
#define SWITCH	     "/sys/module/penumbra/parameters/exit_times"

static FILE *open_times(const struct stats *stats, const char *how)
{
	unsigned int number;
	char path[128];
	FILE *file;

	if (sscanf(stats->id, "penumbra-%u", &number) != 1)
		die("--exit-times: only Penumbra times exits, and this is %s",
		    stats->id[0] ? stats->id : "a hypervisor without statistics");
	snprintf(path, sizeof(path), FOLDER "/%u/exit_times", number);
	file = fopen(path, how);
	if (!file)
		die("--exit-times: cannot open %s: %s; be root, with debugfs mounted at "
		    "/sys/kernel/debug",
		    path, strerror(errno));
	return file;
}

/**
 * times_begin() - forget all exits up to now
 * @stats: of the VM
 */
void times_begin(const struct stats *stats)
{
	FILE *file = fopen(SWITCH, "r");
	int on = file ? getc(file) : 'N';

	if (file)
		fclose(file);
	if (on != 'Y')
		die("--exit-times: exits are not timed: echo 1 >" SWITCH);
	file = open_times(stats, "r+");
	fputs("0\n", file);
	if (fclose(file))
		die("--exit-times: cannot begin anew: %s", strerror(errno));
}

/**
 * times_end() - what exits took since times_begin()
 * @stats: of the VM
 *
 * Return: a line for each cause that there was, TIMES_CSV_COLUMNS. The caller frees it.
 */
char *times_end(const struct stats *stats)
{
	FILE *file = open_times(stats, "r");
	size_t size = 4096, used;
	char *text = malloc(size), *at;

	if (!text)
		die("no memory for the times of exits");
	if (!fgets(text, (int)size, file) || strcmp(text, TIMES_HEADER))
		die("--exit-times: this module's file has other columns: %s", text);
	used = fread(text, 1, size - 1, file);
	text[used] = '\0';
	fclose(file);
	for (at = text; (at = strchr(at, ' ')); at++)
		*at = ',';
	return text;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is every kind of a kernel's reports seen?  Each line of the sample file is "kind<TAB>text", with
 * kind "-" for what is no report; each row of the table must be the one that some sample finds.
 * Prints TAP.
 */
#include "reports.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned int tests;
static bool failed;

static void result(bool ok, const char *what, const char *text)
{
	printf("%sok %u - %s: %.100s\n", ok ? "" : "not ", ++tests, what, text);
	failed |= !ok;
}

int main(int argc, char **argv)
{
	FILE *samples = argc == 2 ? fopen(argv[1], "re") : NULL;
	bool found[MAX_REPORTS] = { false };
	char line[1024];

	if (!samples) {
		puts("Bail out! usage: reports SAMPLES");
		return 1;
	}
	while (fgets(line, sizeof(line), samples)) {
		char *text = strchr(line, '\t');
		const struct report *report;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || !line[0])
			continue;
		if (!text) {
			result(false, "a sample without a kind", line);
			continue;
		}
		*text++ = '\0';
		report = find_report(text);
		if (report)
			found[report - reports] = true;
		result(!strcmp(report ? report->kind : "-", line), line, text);
	}
	for (size_t i = 0; i < report_count; i++)
		if (!found[i])
			result(false, "no sample finds this row", reports[i].sign);
	result(tests > report_count, "the samples", "are all there");
	printf("1..%u\n", tests);
	fclose(samples);
	return failed;
}

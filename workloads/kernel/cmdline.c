// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line is the only way to tell a guest what to do, so it is read strictly: a key that
 * nobody asked for, a number that is none and a value out of range all end the run with a sentence.
 */
#include "internal.h"

#define WORDS_MAX 64

static char text[GUEST_CMDLINE_MAX];
static struct {
	const char *key, *value;
	bool known;
} words[WORDS_MAX];
static u32 word_count;

/* Words are cut in place. A word without `=` counts as a key with the value "1". */
void cmdline_init(const char *line)
{
	char *s = text;

	for (size_t i = 0; line[i]; i++) {
		if (i + 1 == sizeof(text))
			die(GUEST_STATUS_USAGE, "the command line is longer than %u characters",
			    GUEST_CMDLINE_MAX - 1);
		text[i] = line[i];
	}
	while (*s) {
		if (*s == ' ') {
			*s++ = '\0';
			continue;
		}
		if (word_count == WORDS_MAX)
			die(GUEST_STATUS_USAGE, "more than %d words on the command line",
			    WORDS_MAX);
		words[word_count].key = s;
		words[word_count].value = "1";
		for (; *s && *s != ' '; s++) {
			if (*s == '=') {
				*s++ = '\0';
				words[word_count].value = s;
				break;
			}
		}
		while (*s && *s != ' ')
			s++;
		word_count++;
	}
}

const char *cmdline_get(const char *key)
{
	const char *value = NULL;

	for (u32 i = 0; i < word_count; i++) {
		if (!strcmp(words[i].key, key)) {
			words[i].known = true;
			value = words[i].value;
		}
	}
	return value;
}

u64 cmdline_number(const char *key, u64 def, u64 min, u64 max)
{
	const char *value = cmdline_get(key), *s = value;
	u64 number = 0, unit = 1;
	bool bad;

	if (!value)
		return def;
	bad = *s < '0' || *s > '9';
	for (; *s >= '0' && *s <= '9' && !bad; s++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (u64)(*s - '0'), &number))
			bad = true;
	}
	if (*s == 'K' || *s == 'k')
		unit = 1ul << 10;
	else if (*s == 'M' || *s == 'm')
		unit = 1ul << 20;
	else if (*s == 'G' || *s == 'g')
		unit = 1ul << 30;
	if (unit > 1)
		s++;
	if (*s || __builtin_mul_overflow(number, unit, &number))
		bad = true;
	if (bad)
		die(GUEST_STATUS_USAGE, "%s=%s is not a number (K, M and G may follow it)", key,
		    value);
	if (number < min || number > max)
		die(GUEST_STATUS_USAGE, "%s=%s is out of range: use %lu to %lu", key, value, min,
		    max);
	return number;
}

u64 cmdline_choice(const char *key, u64 def, const char *choices)
{
	const char *value = cmdline_get(key), *s = choices;
	u64 index = 0;
	size_t n;

	if (!value)
		return def;
	for (;;) {
		for (n = 0; s[n] && s[n] != '|'; n++)
			;
		if (strlen(value) == n && !strncmp(s, value, n))
			return index;
		if (!s[n])
			break;
		s += n + 1;
		index++;
	}
	die(GUEST_STATUS_USAGE, "%s=%s is unknown: use one of %s", key, value, choices);
}

void cmdline_check(void)
{
	for (u32 i = 0; i < word_count; i++) {
		if (!words[i].known)
			die(GUEST_STATUS_USAGE,
			    "nothing here understands %s=; workload=list shows what is there",
			    words[i].key);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the instructions of an operation go: counts those that the emulated host traces
 * (scripts/emulated-host --trace-code) by function. For bench/profile.
 *
 * Addresses are counted as the trace streams by, symbols are read when it has ended: a run says
 * only then where the module lay.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (1u << 18) /* addresses; a power of two, many times what a module and a guest have */

struct symbol {
	uint64_t address;
	char name[64];
	uint64_t count;
};

static struct {
	uint64_t address, count;
} slots[SLOTS];
static unsigned int used;
static struct symbol *symbols;
static size_t nr_symbols;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "profile: %s\n", what);
	exit(1);
}

static void count_address(uint64_t address)
{
	unsigned int i = address * 0x9e3779b97f4a7c15ULL >> 46;

	while (slots[i].count && slots[i].address != address)
		i = (i + 1) % SLOTS;
	if (!slots[i].count && ++used > SLOTS / 2)
		die("the trace has more different instructions than there is room for");
	slots[i].address = address;
	slots[i].count++;
}

/* "(0).[TICK] [PHYSICAL] SELECTOR:ADDRESS (...): ...": the address. */
static bool take_line(const char *line)
{
	const char *at = strstr(line, "] [");
	uint64_t address;

	if (!at || sscanf(at, "] [0x%*x] %*x:%" SCNx64, &address) != 1)
		return false;
	count_address(address);
	return true;
}

/* Lines as nm prints them: address, type, name. "base ADDRESS": those that follow are relative to it. */
static void read_symbols(const char *path)
{
	FILE *file = fopen(path, "r");
	struct symbol s = { 0 };
	uint64_t base = 0;
	size_t room = 0;
	char line[512], type;

	if (!file) {
		fprintf(stderr, "profile: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "base %" SCNx64, &base) == 1)
			continue;
		if (sscanf(line, "%" SCNx64 " %c %63s", &s.address, &type, s.name) != 3 ||
		    (type != 't' && type != 'T'))
			continue;
		s.address += base;
		if (nr_symbols == room) {
			room = room ? 2 * room : 4096;
			symbols = realloc(symbols, room * sizeof(*symbols));
			if (!symbols)
				die("out of memory");
		}
		symbols[nr_symbols++] = s;
	}
	fclose(file);
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int by_count(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->count < y->count ? 1 : -(x->count > y->count);
}

/* The last symbol at or below @address. */
static struct symbol *symbol_of(uint64_t address)
{
	size_t low = 0, high = nr_symbols;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (symbols[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &symbols[low - 1] : NULL;
}

int main(int argc, char **argv)
{
	uint64_t total = 0, unknown = 0;
	char line[1024];
	double ops;
	size_t i;

	if (argc != 3 || strcmp(argv[1], "--help") == 0) {
		fputs("usage: profile SYMBOLS OPS-FILE <TRACE\n"
		      "Prints instructions per operation by function; OPS-FILE holds the number "
		      "of\n"
		      "operations. Both files are read when the trace has ended.\n",
		      argc == 2 ? stdout : stderr);
		return argc == 2 ? 0 : 2;
	}
	while (fgets(line, sizeof(line), stdin))
		total += take_line(line);
	if (!total)
		die("nothing was traced");
	read_symbols(argv[1]);
	qsort(symbols, nr_symbols, sizeof(*symbols), by_address);
	if (!freopen(argv[2], "r", stdin) || scanf("%lf", &ops) != 1 || ops < 1)
		die("the number of operations is not known");
	for (i = 0; i < SLOTS; i++) {
		struct symbol *s = slots[i].count ? symbol_of(slots[i].address) : NULL;

		if (s)
			s->count += slots[i].count;
		else
			unknown += slots[i].count;
	}
	qsort(symbols, nr_symbols, sizeof(*symbols), by_count);
	printf("%10.1f instructions per operation, of %.0f operations\n", total / ops, ops);
	for (i = 0; i < nr_symbols && symbols[i].count >= ops / 20; i++)
		printf("%10.1f %s\n", symbols[i].count / ops, symbols[i].name);
	if (unknown)
		printf("%10.1f where no symbol is known\n", unknown / ops);
	return 0;
}

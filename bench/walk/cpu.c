// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the parameter files of cpus/: one figure a line, `WORD VALUE... # where it comes from`.
 *
 *	name Skylake-X
 *	dtlb 4k 64 4		# entries, ways
 *	stlb 4k+2m 1536 12
 *	psc pde 32 4		# also pdpte, pml4e; `nested pde` and `nested tlb` for EPT
 *	cache 32K 8 4		# bytes, ways, cycles; in order from the first level
 *	exit_cycles 525 750 1150	# a price: the least, the likely, the most
 */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 6

#define PRICE_NAME(name, sentence) #name,
const char *const cpu_price_names[CPU_PRICE_NR] = { CPU_PRICES(PRICE_NAME) };
#undef PRICE_NAME

#define PRICE_SENTENCE(name, sentence) sentence,
const char *const cpu_price_sentences[CPU_PRICE_NR] = { CPU_PRICES(PRICE_SENTENCE) };
#undef PRICE_SENTENCE

struct reader {
	const char *path;
	unsigned int line;
	char *word[MAX_WORDS];
	unsigned int words;
	const char *source; /* what stands after the # */
};

static bool complain(const struct reader *r, const char *what)
{
	fprintf(stderr, "walkmodel: %s:%u: %s\n", r->path, r->line, what);
	return false;
}

static bool number(const struct reader *r, unsigned int index, uint64_t *value)
{
	char *end;

	if (index >= r->words)
		return complain(r, "a number is missing");
	*value = strtoull(r->word[index], &end, 10);
	if (end != r->word[index] && *end == 'K')
		*value <<= 10, end++;
	else if (end != r->word[index] && *end == 'M')
		*value <<= 20, end++;
	if (end == r->word[index] || *end || *value > 1ull << 32)
		return complain(r, "a number is expected (K and M may follow)");
	return true;
}

static bool take_number(const struct reader *r, unsigned int *value)
{
	uint64_t wide;

	if (!number(r, 1, &wide))
		return false;
	*value = (unsigned int)wide;
	return true;
}

static bool take_switch(const struct reader *r, bool *value)
{
	uint64_t wide;

	if (!number(r, 1, &wide))
		return false;
	if (wide > 1)
		return complain(r, "0 or 1 is expected");
	*value = wide;
	return true;
}

/* "4k+2m" */
static bool take_sizes(const struct reader *r, const char *text, unsigned int *holds)
{
	static const char *const names[PAGE_SIZES] = { "4k", "2m", "1g" };

	for (*holds = 0; *text; text += *text == '+') {
		unsigned int size;

		for (size = 0; size < PAGE_SIZES; size++)
			if (!strncmp(text, names[size], 2) && (!text[2] || text[2] == '+'))
				break;
		if (size == PAGE_SIZES)
			return complain(r, "page sizes are expected, such as 4k or 4k+2m");
		*holds |= 1u << size;
		text += 2;
	}
	return true;
}

static bool take_geometry(const struct reader *r, unsigned int index, struct cpu_array *array)
{
	uint64_t entries, ways;

	if (!number(r, index, &entries) || !number(r, index + 1, &ways))
		return false;
	if (entries > 1 << 20 || (entries && (!ways || entries % ways)))
		return complain(r, "entries and ways: the first must be a multiple of the second");
	array->entries = (unsigned int)entries;
	array->ways = (unsigned int)ways;
	return true;
}

static bool take_tlb(const struct reader *r, struct cpu_array *parts)
{
	for (int i = 0; i < CPU_MAX_PARTS; i++) {
		if (parts[i].entries)
			continue;
		if (r->words < 2)
			return complain(r, "page sizes, entries and ways are expected");
		return take_sizes(r, r->word[1], &parts[i].holds) && take_geometry(r, 2, &parts[i]);
	}
	return complain(r, "too many parts of one TLB");
}

static bool take_structure(const struct reader *r, struct cpu_array *by_level)
{
	static const char *const names[5] = { NULL, NULL, "pde", "pdpte", "pml4e" };

	for (int level = 2; level <= 4 && r->words > 1; level++)
		if (!strcmp(r->word[1], names[level]))
			return take_geometry(r, 2, &by_level[level]);
	return complain(r, "pde, pdpte or pml4e, entries and ways are expected");
}

static bool take_nested(const struct reader *r, struct cpu_config *cpu)
{
	if (r->words > 1 && !strcmp(r->word[1], "tlb")) {
		cpu->nested_tlb.holds = (1u << PAGE_SIZES) - 1;
		return take_geometry(r, 2, &cpu->nested_tlb);
	}
	return take_structure(r, cpu->nested_psc);
}

static bool take_cache(const struct reader *r, struct cpu_config *cpu)
{
	struct cpu_cache *cache = &cpu->cache[cpu->caches];
	uint64_t ways, latency;

	if (cpu->caches == CPU_MAX_CACHES)
		return complain(r, "too many caches");
	if (!number(r, 1, &cache->bytes) || !number(r, 2, &ways) || !number(r, 3, &latency))
		return false;
	if (!ways || !cache->bytes || cache->bytes % (64 * ways))
		return complain(r, "bytes, ways, cycles: whole sets of 64-byte lines are expected");
	cache->ways = (unsigned int)ways;
	cache->latency = (unsigned int)latency;
	cpu->caches++;
	return true;
}

/* Return: the price of that name, NULL where there is none. */
static struct cpu_band *find_price(struct cpu_config *cpu, const char *name)
{
	for (int price = 0; price < CPU_PRICE_NR; price++)
		if (!strcmp(name, cpu_price_names[price]))
			return &cpu->price[price];
	return NULL;
}

static bool take_price(const struct reader *r, struct cpu_band *band)
{
	for (unsigned int bound = 0; bound < CPU_BOUNDS; bound++) {
		uint64_t wide;

		if (!number(r, 1 + bound, &wide))
			return false;
		band->value[bound] = (unsigned int)wide;
	}
	if (r->words > 1 + CPU_BOUNDS || band->value[CPU_LOW] > band->value[CPU_MID] ||
	    band->value[CPU_MID] > band->value[CPU_HIGH] || !band->value[CPU_HIGH])
		return complain(r, "three numbers are expected: the least, the likely, the most");
	snprintf(band->source, sizeof(band->source), "%s", r->source);
	return true;
}

static bool take_line(const struct reader *r, struct cpu_config *cpu)
{
	struct cpu_band *band = find_price(cpu, r->word[0]);
	const char *key = r->word[0];

	if (band)
		return take_price(r, band);
	if (!strcmp(key, "name")) {
		snprintf(cpu->name, sizeof(cpu->name), "%s", r->words > 1 ? r->word[1] : "");
		return *cpu->name ? true : complain(r, "the name is missing");
	}
	if (!strcmp(key, "dtlb"))
		return take_tlb(r, cpu->dtlb);
	if (!strcmp(key, "itlb"))
		return take_tlb(r, cpu->itlb);
	if (!strcmp(key, "stlb"))
		return take_tlb(r, cpu->stlb);
	if (!strcmp(key, "stlb_cycles"))
		return take_number(r, &cpu->stlb_cycles);
	if (!strcmp(key, "psc"))
		return take_structure(r, cpu->psc);
	if (!strcmp(key, "nested"))
		return take_nested(r, cpu);
	if (!strcmp(key, "cache"))
		return take_cache(r, cpu);
	if (!strcmp(key, "memory_cycles"))
		return take_number(r, &cpu->memory_cycles);
	if (!strcmp(key, "fracture"))
		return take_switch(r, &cpu->fracture);
	if (!strcmp(key, "tag_vpid"))
		return take_switch(r, &cpu->tag_vpid);
	if (!strcmp(key, "tag_pcid"))
		return take_switch(r, &cpu->tag_pcid);
	if (!strcmp(key, "first_write_walks"))
		return take_switch(r, &cpu->first_write_walks);
	return complain(r, "nobody knows this word; bench/walk/cpu.c lists them");
}

bool cpu_read(struct cpu_config *cpu, FILE *file, const char *path)
{
	struct reader r = { .path = path };
	char text[512], *source, *rest;

	memset(cpu, 0, sizeof(*cpu));
	while (fgets(text, sizeof(text), file)) {
		r.line++;
		source = strchr(text, '#');
		if (source)
			*source++ = '\0';
		r.words = 0;
		rest = text;
		for (char *word; r.words < MAX_WORDS && (word = strtok_r(rest, " \t\n", &rest));)
			r.word[r.words++] = word;
		if (!r.words)
			continue;
		if (!source || strspn(source, " \t\n") == strlen(source))
			return complain(&r, "say after a # where this comes from");
		source[strcspn(source, "\n")] = '\0';
		r.source = source + strspn(source, " \t");
		if (strstr(source, "assumption"))
			cpu->assumptions++;
		if (!take_line(&r, cpu))
			return false;
	}
	if (ferror(file))
		return complain(&r, "cannot be read");
	if (!*cpu->name || !cpu->dtlb[0].entries || !cpu->itlb[0].entries)
		return complain(&r, "name, dtlb and itlb are the least that a CPU has");
	return true;
}

bool cpu_has_prices(const struct cpu_config *cpu)
{
	for (int price = 0; price < CPU_PRICE_NR; price++)
		if (!cpu->price[price].value[CPU_HIGH])
			return false;
	return true;
}

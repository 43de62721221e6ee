// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads Bochs's memory trace; trace.h says what comes out. A line looks like one of these, and
 * there are hundreds of thousands of them a second, so they are taken apart by hand:
 *
 *	# region 1 begins at tick 2226356
 *	[CPU0 RD]: PHY 0x000001011010 (len=8, WB): 0x00000000 0x01017023	; PML4E
 *	[CPU0 RD]: PHY 0x00000514a000 (len=8, WB): 0x00000000 0x05149907	; EPT PML4E
 *	[CPU0 WR]: LIN 0x0000010000000000 PHY 0x000000100000 (len=8, WB): 0x00000000 0x00000001
 *	[CPU0 WR]: PHY 0x000005157918 (len=4, INVALID): 0x00000000	; VMCS
 */
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_PRESENT 1u
#define ENTRY_LARGE   (1u << 7)
#define EPT_ACCESS    7u /* readable, writable or executable: SDM 3C, 29.3.2 */

/*
 * Where Bochs keeps fields of a VMCS (a CPU model may map them elsewhere; those of Intel's that it
 * has do not). The launch state is read by VMLAUNCH and VMRESUME and by nothing else. The exit
 * reason is read-only to software, so whoever writes it is the CPU, at an exit. The error field is
 * written where an entry is refused before it has begun.
 */
#define VMCS_OFFSET_LAUNCH_STATE 0x008
#define VMCS_OFFSET_ERROR	 0x910 /* 4400H */
#define VMCS_OFFSET_EXIT_REASON	 0x918 /* 4402H */

/* ---- a line ---- */

static const signed char *digit_values(void)
{
	static signed char value[256];

	if (!value['1']) {
		memset(value, -1, sizeof(value));
		for (int i = 0; i < 10; i++)
			value['0' + i] = (signed char)i;
		for (int i = 0; i < 6; i++)
			value['a' + i] = value['A' + i] = (signed char)(10 + i);
	}
	return value;
}

static const char *take(const char *at, const char *word)
{
	size_t n = strlen(word);

	return at && !strncmp(at, word, n) ? at + n : NULL;
}

static const char *take_hex(const char *at, uint64_t *result)
{
	const signed char *digit = digit_values();
	uint64_t value = 0;
	const char *start;

	at = take(at, "0x");
	if (!at)
		return NULL;
	for (start = at; digit[(unsigned char)*at] >= 0; at++)
		value = value << 4 | (unsigned int)digit[(unsigned char)*at];
	*result = value;
	return at > start ? at : NULL;
}

static const char *take_number(const char *at, uint64_t *result)
{
	const char *start = at;
	uint64_t value = 0;

	if (!at)
		return NULL;
	for (; *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (unsigned int)(*at - '0');
	*result = value;
	return at > start ? at : NULL;
}

static bool parse_region(const char *at, struct trace_line *line)
{
	uint64_t number;
	const char *verb;

	at = take_number(take(at, "# region "), &number);
	verb = take(at, " begins at tick ");
	line->kind = verb ? LINE_BEGIN : LINE_END;
	if (!verb)
		verb = take(at, " ends at tick ");
	return take_number(verb, &line->value) != NULL;
}

/* What comes after the last value: the kind of a physical access. */
static void parse_kind(const char *at, struct trace_line *line)
{
	const char *name = take(at, "\t; ");
	const char *nested;

	if (!name) {
		line->kind = LINE_PHYSICAL;
		return;
	}
	nested = take(name, "EPT ");
	line->nested = nested != NULL;
	if (nested)
		name = nested;
	line->kind = LINE_ENTRY;
	if (take(name, "PTE"))
		line->level = 1;
	else if (take(name, "PDE"))
		line->level = 2;
	else if (take(name, "PDPTE"))
		line->level = 3;
	else if (take(name, "PML4E"))
		line->level = 4;
	else
		line->kind = !line->nested && take(name, "VMCS") ? LINE_VMCS : LINE_OTHER;
}

/* Up to 8 bytes are printed as one or two words, more as more; the last two words are enough. */
static const char *take_value(const char *at, uint64_t *value)
{
	uint64_t word;
	const char *next;

	*value = 0;
	while ((next = take_hex(take(at, " "), &word))) {
		*value = *value << 32 | word;
		at = next;
	}
	return at;
}

bool trace_parse(const char *text, struct trace_line *line)
{
	const char *at;
	uint64_t number;

	*line = (struct trace_line){ .kind = LINE_UNKNOWN };
	if (*text == '#')
		goto region;
	at = take_number(take(text, "[CPU"), &number);
	if (!at || at[0] != ' ' || !at[1] || !at[2])
		return false;
	line->write = at[1] == 'W' || at[2] == 'W'; /* WR, RW, SW, SRW */
	at = strchr(at, ']');
	at = take(at, "]: ");
	if (at && *at == 'L') {
		line->kind = LINE_LINEAR;
		at = take(take_hex(take(at, "LIN "), &line->lin), " ");
	}
	at = take_hex(take(at, "PHY "), &line->phys);
	at = take_number(take(at, " (len="), &number);
	if (!at)
		goto unknown;
	line->len = (uint32_t)number;
	while (*at && *at != '\n' && *at != ')')
		at++;
	at = take(at, "):");
	if (!at)
		goto unknown;
	at = take_value(at, &line->value);
	if (line->kind != LINE_LINEAR)
		parse_kind(at, line);
	return true;
region:
	if (parse_region(text, line))
		return true;
unknown:
	line->kind = LINE_UNKNOWN;
	return false;
}

/* ---- walks ---- */

static bool is_present(const struct walk_ref *ref)
{
	return ref->nested ? ref->value & EPT_ACCESS : ref->value & ENTRY_PRESENT;
}

static bool is_leaf(const struct walk_ref *ref)
{
	return ref->level == 1 || (ref->level < 4 && ref->value & ENTRY_LARGE);
}

static void add_ref(struct walk *walk, const struct trace_line *line)
{
	struct walk_ref *ref;

	if (walk->refs == WALK_MAX_REFS)
		return;
	ref = &walk->ref[walk->refs++];
	ref->phys = line->phys;
	ref->value = line->value;
	ref->level = line->level;
	ref->nested = line->nested;
	if (line->nested)
		walk->nested = true;
	else
		walk->guest_refs++;
}

/* Has it reached its page, with the page's own nested translation where there is one? */
static bool is_complete(const struct walk *walk)
{
	const struct walk_ref *last, *ref;

	if (!walk->guest_refs)
		return false;
	last = &walk->ref[walk->refs - 1];
	for (ref = last; ref->nested; ref--)
		;
	if (!is_present(ref) || !is_leaf(ref))
		return false;
	return !walk->nested || (last->nested && is_present(last) && is_leaf(last));
}

static void end_walk(struct trace *trace)
{
	if (!trace->walking)
		return;
	trace->walking = false;
	trace->walk.complete = is_complete(&trace->walk);
	if (trace->ops->walk)
		trace->ops->walk(trace->who, &trace->walk, trace->in_guest);
}

static void begin_walk(struct trace *trace)
{
	end_walk(trace);
	trace->walking = true;
	trace->walk.refs = trace->walk.guest_refs = 0;
	trace->walk.nested = trace->walk.complete = false;
	trace->walk.writes[0] = trace->walk.writes[1] = 0;
}

/*
 * A nested walk that begins right after a present entry of the guest belongs to the same walk: it
 * finds the table, or page, that the entry points to. Any other begins a walk.
 */
static bool continues_with_nested(const struct trace *trace)
{
	const struct walk *walk = &trace->walk;
	const struct walk_ref *last;

	if (!trace->walking || !walk->nested || !walk->refs)
		return false;
	last = &walk->ref[walk->refs - 1];
	return !last->nested && is_present(last);
}

/*
 * A guest's PML4E begins a walk unless the nested walk before it did. Where the walk before was
 * cut short by a fault at its last entry (a write to a read-only page), the nested walk since
 * then was taken for a part of it: it is this walk's.
 */
static void begin_guest_walk(struct trace *trace)
{
	struct walk *walk = &trace->walk;
	struct walk_ref moved[4];
	unsigned int first, count;

	if (trace->walking && walk->refs && !walk->guest_refs)
		return;
	for (first = trace->walking ? walk->refs : 0; first && walk->ref[first - 1].nested; first--)
		;
	count = trace->walking && first ? walk->refs - first : 0;
	if (count > 4)
		count = 0;
	memcpy(moved, &walk->ref[walk->refs - count], count * sizeof(*moved));
	if (trace->walking)
		walk->refs -= count;
	begin_walk(trace);
	memcpy(walk->ref, moved, count * sizeof(*moved));
	walk->refs = count;
	walk->nested = count > 0;
}

static void take_entry(struct trace *trace, const struct trace_line *line)
{
	if (line->write) {
		trace->walk.writes[line->nested]++;
		return;
	}
	if (line->level == 4) {
		if (!line->nested)
			begin_guest_walk(trace);
		else if (!continues_with_nested(trace))
			begin_walk(trace);
	} else if (!trace->walking) {
		begin_walk(trace); /* the region began in the middle of a walk */
	}
	add_ref(&trace->walk, line);
}

static void transition(struct trace *trace, bool in_guest)
{
	if (trace->in_guest == in_guest)
		return;
	trace->in_guest = in_guest;
	if (trace->ops->transition)
		trace->ops->transition(trace->who, in_guest);
}

static void take_vmcs(struct trace *trace, const struct trace_line *line)
{
	uint64_t field = line->phys & 0xfff;

	end_walk(trace);
	if (!line->write && field == VMCS_OFFSET_LAUNCH_STATE)
		transition(trace, true);
	if (line->write && (field == VMCS_OFFSET_EXIT_REASON || field == VMCS_OFFSET_ERROR))
		transition(trace, false);
}

static void take_region(struct trace *trace, const struct trace_line *line)
{
	end_walk(trace);
	trace->in_region = line->kind == LINE_BEGIN;
	trace->in_guest = true; /* who runs the marker is whom the region is about */
	if (trace->ops->region)
		trace->ops->region(trace->who, trace->in_region, line->value);
}

void trace_line(struct trace *trace, const char *text)
{
	struct trace_line line;

	trace->lines++;
	if (!trace_parse(text, &line)) {
		trace->unknown++;
		return;
	}
	switch (line.kind) {
	case LINE_ENTRY:
		take_entry(trace, &line);
		break;
	case LINE_LINEAR:
	case LINE_PHYSICAL:
		end_walk(trace);
		if (trace->ops->access)
			trace->ops->access(trace->who, &line, trace->in_guest);
		break;
	case LINE_VMCS:
		take_vmcs(trace, &line);
		break;
	case LINE_BEGIN:
	case LINE_END:
		take_region(trace, &line);
		break;
	case LINE_OTHER:
	case LINE_UNKNOWN:
		break;
	}
}

void trace_finish(struct trace *trace)
{
	end_walk(trace);
}

int trace_read(struct trace *trace, int fd)
{
	static char data[(1 << 18) + 1];
	const size_t room = sizeof(data) - 1;
	size_t used = 0;

	for (;;) {
		ssize_t got = read(fd, data + used, room - used);
		char *line = data, *end;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		trace->bytes += (uint64_t)got;
		used += (size_t)got;
		while ((end = memchr(line, '\n', (size_t)(data + used - line)))) {
			trace_line(trace, line);
			line = end + 1;
		}
		used -= (size_t)(line - data);
		memmove(data, line, used);
		if (used == room) { /* no trace has such a line */
			trace->unknown++;
			used = 0;
		}
	}
	if (used) {
		data[used] = '\0';
		trace_line(trace, data);
	}
	trace_finish(trace);
	return 0;
}

/* ---- the page of a walk ---- */

static uint64_t address_part(const struct walk_ref *ref)
{
	return (ref->phys >> 3 & 0x1ff) << level_shift(ref->level);
}

unsigned int walk_page(const struct walk *walk, uint64_t *lin)
{
	unsigned int shift = 12, nested_shift;
	const struct walk_ref *last = &walk->ref[walk->refs - 1];
	uint64_t address = 0, gpa = 0;

	for (const struct walk_ref *ref = walk->ref; ref <= last; ref++) {
		if (ref->nested)
			continue;
		address |= address_part(ref);
		shift = level_shift(ref->level);
	}
	if (walk->nested && last->nested) {
		for (const struct walk_ref *ref = last; ref->nested; ref--)
			gpa |= address_part(ref);
		nested_shift = level_shift(last->level);
		if (nested_shift < shift) {
			address |= gpa & ((1ull << shift) - 1);
			shift = nested_shift;
		}
	}
	if (address >> 47 & 1)
		address |= 0xffffull << 48;
	*lin = address;
	return shift;
}

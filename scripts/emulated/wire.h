/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How agent.c, inside the emulated machine, talks to monitor.c outside: packets on port 0xE9.
 *
 * Bochs writes each byte sent to that port to its own standard output, between whatever its debugger
 * prints there (a memory trace, for one).  The debugger prints ASCII only, so seven bytes of a
 * packet travel as eight bytes with the top bit set, and the two can never be mistaken for each
 * other.  One byte costs the emulated machine one tick.
 *
 * A packet is one byte of type, three bytes of length (little endian) and the contents, padded with
 * zeroes to a multiple of seven.
 */
#ifndef PENUMBRA_EMULATED_WIRE_H
#define PENUMBRA_EMULATED_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_PORT	  0xe9
#define WIRE_HEADER	  4
#define WIRE_MAX_CONTENTS 4096
#define WIRE_GROUP	  7 /* bytes in */
#define WIRE_CODED	  8 /* bytes out */

enum wire_type {
	WIRE_BEGIN = 'B', /* u64: time-stamp counter just before the command starts */
	WIRE_STDOUT = '1',
	WIRE_STDERR = '2',
	WIRE_KERNEL = 'K',    /* kernel messages too unimportant for the console */
	WIRE_END = 'E',	      /* u64: time-stamp counter just after the command has ended */
	WIRE_DIRECTORY = 'D', /* path of a directory below /out */
	WIRE_FILE = 'F',      /* u32 mode, then path of a file below /out; its bytes follow */
	WIRE_MORE = 'M',  /* like WIRE_FILE, but its bytes go to the end of what has come before */
	WIRE_DATA = 'd',  /* bytes of the file named last */
	WIRE_ERROR = '!', /* a sentence: the agent could not do what it was asked */
	WIRE_EXIT = 'X',  /* u32: the command's exit status; the last packet */
};

/* Seven bytes to eight, seven bits in each, least significant first. */
static inline void wire_encode(const unsigned char *in, unsigned char *out)
{
	uint64_t bits = 0;

	for (int i = 0; i < WIRE_GROUP; i++)
		bits |= (uint64_t)in[i] << (8 * i);
	for (int i = 0; i < WIRE_CODED; i++)
		out[i] = 0x80 | ((bits >> (7 * i)) & 0x7f);
}

static inline void wire_decode(const unsigned char *in, unsigned char *out)
{
	uint64_t bits = 0;

	for (int i = 0; i < WIRE_CODED; i++)
		bits |= (uint64_t)(in[i] & 0x7f) << (7 * i);
	for (int i = 0; i < WIRE_GROUP; i++)
		out[i] = bits >> (8 * i);
}

#endif

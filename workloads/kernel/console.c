// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the guest speaks: COM1 for people, the row port for programs, the exit port for the end. Also
 * the few string functions that the compiler and the rest of the kernel need.
 */
#include "internal.h"

#define LINE_MAX  1024
#define LCR_8BITS 3

void *memset(void *to, int c, size_t n)
{
	void *at = to;

	asm volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	}
	return 0;
}

struct out {
	char *buf;
	size_t size, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void put_number(struct out *o, u64 value, u32 base, bool negative, int width, char pad)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		digits[n++] = '-';
	for (int i = n; i < width; i++)
		put(o, pad);
	while (n)
		put(o, digits[--n]);
}

static void put_string(struct out *o, const char *s, int width, bool left)
{
	int n = (int)strlen(s);

	for (int i = n; !left && i < width; i++)
		put(o, ' ');
	while (*s)
		put(o, *s++);
	for (int i = n; left && i < width; i++)
		put(o, ' ');
}

static size_t vformat(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = { buf, size, 0 };

	for (; *fmt; fmt++) {
		bool left = false, is_long = false;
		char pad = ' ';
		int width = 0;
		s64 value;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		for (; *fmt == '-' || *fmt == '0'; fmt++) {
			if (*fmt == '-')
				left = true;
			else
				pad = '0';
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (; *fmt == 'l'; fmt++)
			is_long = true;
		switch (*fmt) {
		case 's':
			put_string(&o, va_arg(args, const char *), width, left);
			break;
		case 'c':
			put(&o, (char)va_arg(args, int));
			break;
		case 'd':
			value = is_long ? va_arg(args, s64) : va_arg(args, int);
			put_number(&o, value < 0 ? 0 - (u64)value : (u64)value, 10, value < 0,
				   width, pad);
			break;
		case 'u':
			put_number(&o, is_long ? va_arg(args, u64) : va_arg(args, u32), 10, false,
				   width, pad);
			break;
		case 'x':
			put_number(&o, is_long ? va_arg(args, u64) : va_arg(args, u32), 16, false,
				   width, pad);
			break;
		case 'p':
			put_number(&o, va_arg(args, u64), 16, false, 16, '0');
			break;
		default:
			put(&o, *fmt);
			break;
		}
	}
	buf[o.len] = '\0';
	return o.len;
}

static bool row_port; /* a real PC has none */

/* A UART that nobody has set up sends five bits a character. */
void console_init(void)
{
	row_port = inb(GUEST_PORT_ROW) == GUEST_ROW_THERE;
	if ((inb(GUEST_PORT_COM1_LCR) & LCR_8BITS) != LCR_8BITS)
		outb(GUEST_PORT_COM1_LCR, LCR_8BITS);
}

static void com1_write(const char *s)
{
	for (; *s; s++) {
		while (!(inb(GUEST_PORT_COM1_LSR) & GUEST_COM1_LSR_THRE))
			;
		outb(GUEST_PORT_COM1, (u8)*s);
	}
}

size_t snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = vformat(buf, size, fmt, args);
	va_end(args);
	return n;
}

void printf(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	vformat(line, sizeof(line), fmt, args);
	va_end(args);
	com1_write(line);
}

void row(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	vformat(line, sizeof(line), fmt, args);
	va_end(args);
	if (!row_port) {
		com1_write(line);
		return;
	}
	for (const char *s = line; *s; s++)
		outb(GUEST_PORT_ROW, (u8)*s);
}

/* Of the reset control register: a hard reset, and the edge that makes it happen. */
#define RESET_CHOOSE 0x02
#define RESET_NOW    0x04

bool end_by_reset;

void guest_exit(int status)
{
	const char *s = "Shutdown";

	outb(GUEST_PORT_EXIT, (u8)status);
	/* No such port: a bare machine. Say the status where somebody may read it. */
	printf("status=%d\n", status);
	while (!(inb(GUEST_PORT_COM1_LSR) & GUEST_COM1_LSR_TEMT))
		; /* or the last characters are still in the UART when the power goes */
	while (*s)
		outb(GUEST_PORT_BOCHS_SHUTDOWN, (u8)*s++);
	if (end_by_reset) {
		outb(GUEST_PORT_RESET, RESET_CHOOSE);
		outb(GUEST_PORT_RESET, RESET_CHOOSE | RESET_NOW);
	}
	for (;;)
		asm volatile("cli; hlt");
}

void die(int status, const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	vformat(line, sizeof(line), fmt, args);
	va_end(args);
	printf("guest: %s\n", line);
	guest_exit(status);
}

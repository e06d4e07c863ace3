/* SPDX-License-Identifier: MIT */
/*
 * text: the loader's own memory and string functions, and a formatter that never allocates.
 *
 * The only ones the loader calls: libc's may be interposed by somebody who calls us, or not be
 * relocated yet.  Safe anywhere, also in signal handlers.
 */
#ifndef LOADER_TEXT_H
#define LOADER_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The four that the compiler calls by itself, hidden, with their usual meaning. */
void *memcpy(void *restrict dst, const void *restrict src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int c, size_t len);
int memcmp(const void *a, const void *b, size_t len);

size_t text_len(const char *s);
bool text_eq(const char *a, const char *b);
bool text_starts(const char *s, const char *prefix);
int text_cmp(const char *a, const char *b);
const char *text_chr(const char *s, char c);	      /* first c, or NULL */
const char *text_rchr(const char *s, char c);	      /* last c, or NULL */
const char *text_base(const char *path);	      /* after the last slash */
size_t text_copy(char *dst, size_t cap, const char *s); /* truncates, terminates; returns text_len(s) */
uint32_t text_hash(const char *s);		      /* the GNU hash: also our registry's */
uint32_t text_hash_len(const char *s, uint32_t *len); /* and text_len(s) in the same pass */

/* The same for a string that lies in a table: `room` bytes may be read, and one of them is NUL. */
uint32_t text_hash_in(const char *s, size_t room, uint32_t *len);

static inline uint64_t text_word(const char *at)
{
	uint64_t x;

	__builtin_memcpy(&x, at, sizeof x);
	return x;
}

/* Are a[len] and b[len] the same bytes?  Inline: names are compared by the million. */
static inline bool text_same(const char *a, const char *b, size_t len)
{
	enum { WIDE = sizeof(uint64_t) };
	size_t i = 0;

	for (; i + WIDE <= len; i += WIDE)
		if (text_word(a + i) != text_word(b + i))
			return false;
	if (len >= WIDE) /* the rest, with some of what was compared */
		return text_word(a + len - WIDE) == text_word(b + len - WIDE);
	for (; i < len; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/*
 * printf into buf[cap]: %s %c %d %u %x %p %% with l, z and . precision for strings, minimum widths and 0.
 * Always terminates (cap > 0).  Returns the length it would have had.
 */
size_t text_format(char *buf, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t text_vformat(char *buf, size_t cap, const char *fmt, va_list ap);

#endif

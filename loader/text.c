/* SPDX-License-Identifier: MIT */
/*
 * text: memory and string functions, and the formatter.
 *
 * Everybody calls these, also signal handlers and the slow path of __tls_get_addr, where every vector
 * register is live: this file is compiled for general registers only, and without the pass that turns
 * loops into calls of memcpy (see Makefile.am).  Must never call anything outside this file.
 *
 * In the unit tests (DLRS_HOSTED) memcpy and its three sisters are libc's, so that the sanitizers see them.
 */
#include "text.h"

#ifndef DLRS_HOSTED

/* A word at any address, of any type: what the copy loops move at a time. */
struct word {
	uintptr_t v;
} __attribute__((packed, may_alias));

enum { WORD = sizeof(struct word) };

static void copy_up(char *d, const char *s, size_t len)
{
	for (; len >= 4 * WORD; len -= 4 * WORD, d += 4 * WORD, s += 4 * WORD) {
		struct word a = ((const struct word *)s)[0], b = ((const struct word *)s)[1];
		struct word c = ((const struct word *)s)[2], e = ((const struct word *)s)[3];

		((struct word *)d)[0] = a;
		((struct word *)d)[1] = b;
		((struct word *)d)[2] = c;
		((struct word *)d)[3] = e;
	}
	for (; len >= WORD; len -= WORD, d += WORD, s += WORD)
		*(struct word *)d = *(const struct word *)s;
	while (len--)
		*d++ = *s++;
}

static void copy_down(char *d, const char *s, size_t len)
{
	for (; len >= WORD; len -= WORD)
		*(struct word *)(d + len - WORD) = *(const struct word *)(s + len - WORD);
	while (len--)
		d[len] = s[len];
}

void *memcpy(void *restrict dst, const void *restrict src, size_t len)
{
	copy_up(dst, src, len);
	return dst;
}

void *memmove(void *dst, const void *src, size_t len)
{
	/* Upwards is also right when dst lies below src: each load comes before the stores above it. */
	if ((uintptr_t)dst - (uintptr_t)src >= len)
		copy_up(dst, src, len);
	else
		copy_down(dst, src, len);
	return dst;
}

void *memset(void *dst, int c, size_t len)
{
	struct word w = {(uintptr_t)-1 / 255 * (unsigned char)c};
	char *d = dst;

	for (; len >= 4 * WORD; len -= 4 * WORD, d += 4 * WORD) {
		((struct word *)d)[0] = w;
		((struct word *)d)[1] = w;
		((struct word *)d)[2] = w;
		((struct word *)d)[3] = w;
	}
	for (; len >= WORD; len -= WORD, d += WORD)
		*(struct word *)d = w;
	while (len--)
		*d++ = (char)c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;

	for (; len >= WORD; len -= WORD, x += WORD, y += WORD)
		if (((const struct word *)x)->v != ((const struct word *)y)->v)
			break;
	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

#endif

size_t text_len(const char *s)
{
	const char *e = s;

	while (*e)
		e++;
	return (size_t)(e - s);
}

bool text_eq(const char *a, const char *b)
{
	for (; *a == *b; a++, b++)
		if (!*a)
			return true;
	return false;
}

bool text_starts(const char *s, const char *prefix)
{
	for (; *prefix; s++, prefix++)
		if (*s != *prefix)
			return false;
	return true;
}

int text_cmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return (unsigned char)*a - (unsigned char)*b;
}

const char *text_chr(const char *s, char c)
{
	for (; *s; s++)
		if (*s == c)
			return s;
	return c ? NULL : s;
}

const char *text_rchr(const char *s, char c)
{
	const char *last = NULL;

	for (; *s; s++)
		if (*s == c)
			last = s;
	return c ? last : s;
}

const char *text_base(const char *path)
{
	const char *slash = text_rchr(path, '/');

	return slash ? slash + 1 : path;
}

size_t text_copy(char *dst, size_t cap, const char *s)
{
	size_t len = text_len(s);

	if (cap) {
		size_t n = len < cap ? len : cap - 1;

		memcpy(dst, s, n);
		dst[n] = '\0';
	}
	return len;
}

/* h * 33 + c for each byte; four at a time, because each multiplication waits for the one before. */
uint32_t text_hash_len(const char *s, uint32_t *len)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t h = 5381;

	for (; p[0] && p[1] && p[2] && p[3]; p += 4)
		h = h * (33u * 33 * 33 * 33) + (p[0] * (33u * 33 * 33) + p[1] * (33u * 33)) +
		    (p[2] * 33u + p[3]);
	for (; *p; p++)
		h = h * 33 + *p;
	*len = (uint32_t)(p - (const unsigned char *)s);
	return h;
}

enum { BIG_ENDIAN_CPU = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ };

/* Eight bytes as h = 33 h + byte takes them in, the lowest first: as pairs, as fours, together. */
static uint32_t fold(uint64_t x)
{
	const uint64_t bytes = 0x00ff00ff00ff00ff, pairs = 0x0000ffff0000ffff;
	const uint32_t power2 = 33 * 33, power4 = power2 * power2;

	x = (x & bytes) * 33 + (x >> 8 & bytes);
	x = (x & pairs) * power2 + (x >> 16 & pairs);
	return (uint32_t)x * power4 + (uint32_t)(x >> 32);
}

uint32_t text_hash_in(const char *s, size_t room, uint32_t *len)
{
	static const uint32_t power[] = {1,	  33,	    1089,	35937,	   1185921, /* of 33 */
					 39135393, 1291467969, 3963737313, 1954312449};
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	uint32_t h = 5381, more;
	const char *p = s;
	uint64_t x, nul;

	for (; room >= sizeof x; p += sizeof x, room -= sizeof x) {
		__builtin_memcpy(&x, p, sizeof x);
		if (BIG_ENDIAN_CPU)
			x = __builtin_bswap64(x);
		nul = (x - ones) & ~x & tops; /* its lowest bit is right */
		if (nul) {
			more = (unsigned)__builtin_ctzll(nul) / 8;
			*len = (uint32_t)(p - s) + more;
			/* Zeros in front add nothing. */
			return h * power[more] + (more ? fold(x << (64 - 8 * more)) : 0);
		}
		h = h * power[sizeof x] + fold(x);
	}
	for (; room && *p; room--)
		h = h * 33 + (unsigned char)*p++;
	*len = (uint32_t)(p - s);
	return h;
}

uint32_t text_hash(const char *s)
{
	uint32_t len;

	return text_hash_len(s, &len);
}

/* ---- the formatter ---------------------------------------------------------------------------- */

struct out { /* where the text goes, and how long it would have become */
	char *buf;
	size_t cap, len;
};

struct spec { /* one conversion */
	bool left, zero, negative;
	size_t width;
	size_t precision; /* SIZE_MAX: none */
	unsigned size;	  /* bytes of an integer argument */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->cap)
		o->buf[o->len] = c;
	o->len++;
}

static void repeat(struct out *o, char c, size_t n)
{
	while (n--)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *sp, const char *s)
{
	size_t len = 0;

	if (!s)
		s = "(null)";
	while (len < sp->precision && s[len])
		len++;
	if (!sp->left && len < sp->width)
		repeat(o, ' ', sp->width - len);
	for (size_t i = 0; i < len; i++)
		put(o, s[i]);
	if (sp->left && len < sp->width)
		repeat(o, ' ', sp->width - len);
}

static void put_number(struct out *o, const struct spec *sp, uint64_t v, unsigned radix)
{
	char digits[24];
	size_t n = 0, len;

	do {
		digits[n++] = "0123456789abcdef"[v % radix];
		v /= radix;
	} while (v);
	len = n + sp->negative;
	if (!sp->left && !sp->zero && len < sp->width)
		repeat(o, ' ', sp->width - len);
	if (sp->negative)
		put(o, '-');
	if (sp->zero && !sp->left && len < sp->width)
		repeat(o, '0', sp->width - len);
	while (n)
		put(o, digits[--n]);
	if (sp->left && len < sp->width)
		repeat(o, ' ', sp->width - len);
}

static void put_signed(struct out *o, struct spec *sp, int64_t v)
{
	sp->negative = v < 0;
	put_number(o, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

static const char *number(const char *f, size_t *out, va_list *ap)
{
	size_t n = 0;

	if (*f == '*') {
		int v = va_arg(*ap, int);

		*out = v < 0 ? 0 : (size_t)v;
		return f + 1;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		n = n * 10 + (size_t)(*f - '0');
	*out = n;
	return f;
}

/* Flags, width, precision and size, up to the conversion letter. */
static const char *parse(const char *f, struct spec *sp, va_list *ap)
{
	*sp = (struct spec){.precision = SIZE_MAX, .size = sizeof(int)};
	for (;; f++) {
		if (*f == '-')
			sp->left = true;
		else if (*f == '0')
			sp->zero = true;
		else
			break;
	}
	f = number(f, &sp->width, ap);
	if (*f == '.')
		f = number(f + 1, &sp->precision, ap);
	for (; *f == 'l' || *f == 'z'; f++)
		sp->size = *f == 'z' ? sizeof(size_t) : sp->size < sizeof(long) ? sizeof(long) : 8;
	return f;
}

static void convert(struct out *o, struct spec *sp, char letter, va_list *ap)
{
	switch (letter) {
	case 's':
		put_text(o, sp, va_arg(*ap, const char *));
		break;
	case 'c': {
		char text[2] = {(char)va_arg(*ap, int), '\0'};

		put_text(o, sp, text);
		break;
	}
	case 'd':
	case 'i':
		put_signed(o, sp, sp->size == 8 ? va_arg(*ap, int64_t) : va_arg(*ap, int));
		break;
	case 'u':
	case 'x':
		put_number(o, sp, sp->size == 8 ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned),
			   letter == 'x' ? 16 : 10);
		break;
	case 'p':
		put(o, '0');
		put(o, 'x');
		put_number(o, sp, (uintptr_t)va_arg(*ap, void *), 16);
		break;
	case '%':
		put(o, '%');
		break;
	default: /* a format of our own that does not exist: leave a trace of it */
		put(o, '%');
		put(o, letter);
	}
}

size_t text_vformat(char *buf, size_t cap, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .cap = cap};
	struct spec sp;
	va_list args; /* an array type in some ABIs: only a copy has an address to pass on */

	va_copy(args, ap);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt = parse(fmt + 1, &sp, &args);
		if (!*fmt)
			break;
		convert(&o, &sp, *fmt, &args);
	}
	va_end(args);
	if (cap)
		buf[o.len < cap ? o.len : cap - 1] = '\0';
	return o.len;
}

size_t text_format(char *buf, size_t cap, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = text_vformat(buf, cap, fmt, ap);
	va_end(ap);
	return len;
}

/* SPDX-License-Identifier: MIT */
/*
 * check_text: the loader's own memory and string functions, and its formatter.
 *
 * The rules: memcpy and its sisters do what libc's do, for every length and alignment that makes them
 * take another path; the formatter writes what libc's snprintf writes, says how long it would have been,
 * and never writes past the end.
 *
 * text.c is compiled into this file under other names: in the library of the unit tests memcpy is libc's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"

#define memcpy own_memcpy
#define memmove own_memmove
#define memset own_memset
#define memcmp own_memcmp
void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
#undef DLRS_HOSTED
#include "loader/text.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp

enum { SIZE = 256 };

static void fill(unsigned char *a, unsigned char *b)
{
	for (int i = 0; i < SIZE; i++)
		a[i] = b[i] = (unsigned char)kit_random(256);
}

START_TEST(copying)
{
	unsigned char a[SIZE], b[SIZE];

	for (unsigned to = 0; to < 20; to++) {
		for (unsigned len = 0; len < 100; len++) {
			unsigned from = SIZE / 2 + kit_random(20);

			fill(a, b);
			ck_assert_ptr_eq(own_memcpy(a + to, a + from, len), a + to);
			memcpy(b + to, b + from, len);
			ck_assert_mem_eq(a, b, SIZE);
		}
	}
}
END_TEST

START_TEST(moving)
{
	unsigned char a[SIZE], b[SIZE];

	for (unsigned to = 0; to < 40; to++) {
		for (unsigned from = 0; from < 40; from++) {
			unsigned len = kit_random(SIZE - 40);

			fill(a, b);
			ck_assert_ptr_eq(own_memmove(a + to, a + from, len), a + to);
			memmove(b + to, b + from, len);
			ck_assert_mem_eq(a, b, SIZE);
		}
	}
}
END_TEST

START_TEST(filling)
{
	unsigned char a[SIZE], b[SIZE];

	for (unsigned to = 0; to < 20; to++) {
		for (unsigned len = 0; len < 100; len++) {
			int c = (int)kit_random(256);

			fill(a, b);
			ck_assert_ptr_eq(own_memset(a + to, c, len), a + to);
			memset(b + to, c, len);
			ck_assert_mem_eq(a, b, SIZE);
		}
	}
}
END_TEST

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

START_TEST(comparing)
{
	unsigned char a[SIZE], b[SIZE];

	for (unsigned len = 0; len < 100; len++) {
		for (unsigned at = 0; at <= len; at++) {
			fill(a, b);
			b[at] ^= (unsigned char)(1 + kit_random(255));
			ck_assert_int_eq(sign(own_memcmp(a, b, len)), sign(memcmp(a, b, len)));
		}
	}
}
END_TEST

START_TEST(strings)
{
	char out[4];

	ck_assert_uint_eq(text_len(""), 0);
	ck_assert_uint_eq(text_len("abc"), 3);
	ck_assert(text_eq("", "") && text_eq("ab", "ab"));
	ck_assert(!text_eq("ab", "abc") && !text_eq("abc", "ab") && !text_eq("abc", "abd"));
	ck_assert(text_starts("libc.so.6", "libc") && text_starts("x", ""));
	ck_assert(!text_starts("lib", "libc"));
	ck_assert_int_lt(text_cmp("a", "b"), 0);
	ck_assert_int_lt(text_cmp("a", "a\200"), 0);
	ck_assert_int_eq(text_cmp("ab", "ab"), 0);
	ck_assert_str_eq(text_chr("a/b/c", '/'), "/b/c");
	ck_assert_str_eq(text_rchr("a/b/c", '/'), "/c");
	ck_assert_ptr_null(text_chr("abc", '/'));
	ck_assert_ptr_null(text_rchr("abc", '/'));
	ck_assert_str_eq(text_chr("abc", '\0'), "");
	ck_assert_str_eq(text_base("/usr/lib/x.so"), "x.so");
	ck_assert_str_eq(text_base("x.so"), "x.so");
	ck_assert_str_eq(text_base("dir/"), "");
	ck_assert_uint_eq(text_copy(out, sizeof(out), "abcdef"), 6);
	ck_assert_str_eq(out, "abc");
	ck_assert_uint_eq(text_copy(out, sizeof(out), "ab"), 2);
	ck_assert_str_eq(out, "ab");
	ck_assert_uint_eq(text_copy(NULL, 0, "ab"), 2);
}
END_TEST

/* The values of the gABI supplement that describes DT_GNU_HASH. */
START_TEST(gnu_hash)
{
	ck_assert_uint_eq(text_hash(""), 0x00001505);
	ck_assert_uint_eq(text_hash("printf"), 0x156b2bb8);
	ck_assert_uint_eq(text_hash("exit"), 0x7c967e3f);
	ck_assert_uint_eq(text_hash("syscall"), 0xbac212a0);
	ck_assert_uint_eq(text_hash("\377"), 5381 * 33 + 255);
}
END_TEST

/* Every length, every distance to the table's end, against the definition. */
START_TEST(gnu_hash_in_table)
{
	for (unsigned n = 0; n < 40; n++) {
		for (unsigned behind = 0; behind < 10; behind++) {
			char *table = malloc(n + 1 + behind); /* a sanitizer watches its end */
			uint32_t h = 5381, len;

			for (unsigned i = 0; i < n; i++) {
				table[i] = (char)(i * 37 % 255 + 1);
				h = h * 33 + (unsigned char)table[i];
			}
			table[n] = 0;
			memset(table + n + 1, 'x', behind);
			ck_assert_uint_eq(text_hash_in(table, n + 1 + behind, &len), h);
			ck_assert_uint_eq(len, n);
			free(table);
		}
	}
}
END_TEST

/* All lengths, one byte different or none. */
START_TEST(same_bytes)
{
	char a[40], b[40];

	for (size_t n = 0; n < sizeof a; n++) {
		memset(a, 'a', sizeof a);
		memcpy(b, a, sizeof b);
		ck_assert(text_same(a, b, n));
		for (size_t i = 0; i < sizeof a; i++) {
			b[i] = 'b';
			ck_assert_int_eq(text_same(a, b, n), i >= n);
			b[i] = 'a';
		}
	}
}
END_TEST

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours_[400], libcs_[400];                                                      \
		int len_ = snprintf(libcs_, sizeof(libcs_), __VA_ARGS__);                          \
		ck_assert_int_eq((int)text_format(ours_, sizeof(ours_), __VA_ARGS__), len_);       \
		ck_assert_str_eq(ours_, libcs_);                                                   \
	} while (0)

START_TEST(format_numbers)
{
	SAME("%d %d %d %u", 0, -1, (int)(-2147483647 - 1), 4294967295u);
	SAME("%ld %lu %lx", (long)-9e18, ~0ul, 0xdeadbeefcafeul);
	SAME("%lld %llu %llx", -5ll, ~0ull, 1ull << 63);
	SAME("%zu %zx %zd", (size_t)-1, (size_t)255, (ssize_t)-3);
	SAME("[%5d] [%-5d] [%05d] [%2d]", 42, 42, -42, 1234);
	SAME("[%08x] [%8x] [%-8x] [%08lx]", 0xabu, 0xabu, 0xabu, 0xabul);
	SAME("[%*d] [%*d]", 6, 7, 0, 7);
	SAME("%p", (void *)0x1234);
	SAME("%c%c %% [%3c] [%-3c]", 'a', 'b', 'c', 'd');
}
END_TEST

START_TEST(format_strings)
{
	SAME("%s-%s", "", "abc");
	SAME("[%.2s] [%.0s] [%.9s]", "abc", "abc", "abc");
	SAME("[%6s] [%-6s] [%2s]", "abc", "abc", "abc");
	SAME("[%.*s] [%6.2s]", 2, "abc", "abc");
}
END_TEST

START_TEST(format_is_cut)
{
	char out[8] = "1234567";

	ck_assert_uint_eq(text_format(out, 5, "hello %d", 42), 8);
	ck_assert_str_eq(out, "hell");
	ck_assert_mem_eq(out + 5, "67", 2);
	ck_assert_uint_eq(text_format(out, 1, "%s", "x"), 1);
	ck_assert_str_eq(out, "");
	ck_assert_uint_eq(text_format(NULL, 0, "%s", "four"), 4);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, copying);
	tcase_add_test(tc, moving);
	tcase_add_test(tc, filling);
	tcase_add_test(tc, comparing);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, gnu_hash);
	tcase_add_test(tc, gnu_hash_in_table);
	tcase_add_test(tc, same_bytes);
	tcase_add_test(tc, format_numbers);
	tcase_add_test(tc, format_strings);
	tcase_add_test(tc, format_is_cut);
}

KIT_MAIN("text", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_arena: memory from mmap.
 *
 * The rules: a block is zeroed, aligned to 16 and nobody else's; what is freed is used again; what is
 * in use is counted, and the count comes back to where it was; without memory the answer is NULL and
 * nothing is lost.
 */
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "loader/arena.h"

static bool holds(const unsigned char *p, size_t len, unsigned char c)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != c)
			return false;
	return true;
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return holds(p, len, 0);
}

START_TEST(every_size)
{
	size_t used = arena_used();

	for (size_t len = 0; len < 70000; len += 1 + len / 50) {
		unsigned char *p = arena_alloc(len);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		ck_assert(is_zero(p, len));
		ck_assert_uint_ge(arena_used(), used + len);
		memset(p, 0xaa, len);
		arena_free(p);
		ck_assert_uint_eq(arena_used(), used);
	}
}
END_TEST

enum { BLOCKS = 500, TURNS = 20000 };

/* Blocks of all sizes come and go; each is filled with its own byte, which nobody may change. */
START_TEST(random_life)
{
	static struct {
		unsigned char *p, fill;
		size_t len;
	} b[BLOCKS];
	size_t used = arena_used();

	for (int i = 0; i < TURNS; i++) {
		unsigned n = kit_random(BLOCKS);

		ck_assert(holds(b[n].p, b[n].len, b[n].fill));
		arena_free(b[n].p);
		b[n].len = kit_random(1u << kit_random(17)) + 1;
		b[n].fill = (unsigned char)i;
		b[n].p = arena_alloc(b[n].len);
		ck_assert_ptr_nonnull(b[n].p);
		ck_assert(is_zero(b[n].p, b[n].len));
		memset(b[n].p, b[n].fill, b[n].len);
	}
	for (int n = 0; n < BLOCKS; n++)
		arena_free(b[n].p);
	ck_assert_uint_eq(arena_used(), used);
}
END_TEST

START_TEST(freed_is_used_again)
{
	void *p, *q;

	p = arena_alloc(100);
	arena_free(p);
	q = arena_alloc(101);
	ck_assert_ptr_eq(p, q);
	arena_free(q);
	arena_free(NULL);
}
END_TEST

START_TEST(grow_keeps)
{
	char *p, *q;

	p = arena_grow(NULL, 0, 10);
	strcpy(p, "abcdefghi");
	q = arena_grow(p, 10, 100000);
	ck_assert_str_eq(q, "abcdefghi");
	ck_assert(is_zero((unsigned char *)q + 10, 100000 - 10));
	p = arena_grow(q, 100000, 4);
	ck_assert_mem_eq(p, "abcd", 4);
	arena_free(p);
}
END_TEST

START_TEST(text)
{
	size_t used = arena_used();
	char *p;

	p = arena_text("libx.so");
	ck_assert_str_eq(p, "libx.so");
	arena_free(p);
	ck_assert_uint_eq(arena_used(), used);
}
END_TEST

static void *no_map(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	(void)addr, (void)len, (void)prot, (void)flags, (void)fd, (void)off;
	return (void *)-12l;
}

START_TEST(no_memory)
{
	const struct host_mem *real = host_mem;
	struct host_mem none = *real;
	char *kept, *p = NULL;
	size_t used;

	kept = arena_text("kept");
	none.map = no_map;
	host_mem = &none;
	used = arena_used();
	ck_assert_ptr_null(arena_alloc(1 << 20));
	ck_assert_ptr_null(arena_alloc(SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(SIZE_MAX - 8));
	ck_assert_ptr_null(arena_grow(kept, 5, 1 << 20));
	ck_assert_str_eq(kept, "kept");
	ck_assert_uint_eq(arena_used(), used);
	for (int i = 0; i < 100 && (p = arena_alloc(30000)); i++)
		;
	ck_assert_ptr_null(p);
	host_mem = real;
	ck_assert_ptr_nonnull(arena_alloc(1 << 20));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, every_size);
	tcase_add_test(tc, random_life);
	tcase_add_test(tc, freed_is_used_again);
	tcase_add_test(tc, grow_keeps);
	tcase_add_test(tc, text);
	tcase_add_test(tc, no_memory);
}

KIT_MAIN("arena", add)

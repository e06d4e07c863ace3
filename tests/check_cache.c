/* SPDX-License-Identifier: MIT */
/*
 * check_cache: /etc/ld.so.cache, whole, cut off, and damaged in one place.
 *
 * The rules: the best entry for this CPU wins; whatever the bytes are, an answer comes, no byte outside them
 * is read (each file lies in a block of its own, for the memory checkers), and other names are not harmed by
 * one entry's damage.  The made-up CPU has the subdirectories model-v3 and model-v2.
 */
#include "kit.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/paths.h"

enum { HEAD = 48, ENTRY = 24, MAGIC = 0, COUNT = 20, FLAGS = 28, EXTENSION = 32 };
/* In the first entry. */
enum { E_FLAGS = HEAD, E_KEY = HEAD + 4, E_VALUE = HEAD + 8, E_HWCAP = HEAD + 16 };

static uint8_t *good;
static size_t good_len;

/* What the cache says of a name; "" for nothing. */
static const char *ask(const void *bytes, size_t len, const char *name)
{
	static char path[256];
	void *copy = malloc(len ? len : 1);
	bool found;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, len);
	found = host_cache_lookup(copy, len, name, path, sizeof(path));
	free(copy);
	return found ? path : "";
}

static void make(void)
{
	good = fuzz_cache(&good_len);
}

START_TEST(whole)
{
	make();
	ck_assert_str_eq(ask(good, good_len, "x.so"), "/usr/lib/glibc-hwcaps/model-v3/x.so");
	ck_assert_str_eq(ask(good, good_len, "lib9.so"), "/lib/lib9.so");
	ck_assert_str_eq(ask(good, good_len, "lib10.so"), "/lib/lib10.so");
	ck_assert_str_eq(ask(good, good_len, "lib11.so"), "");
	ck_assert_str_eq(ask(good, good_len, "lib"), "");
	ck_assert_str_eq(ask(good, good_len, ""), "");
}
END_TEST

/* The new table behind an old one without entries, as older ldconfigs write it; an old one alone. */
START_TEST(older_forms)
{
	uint8_t *both = (make(), calloc(1, good_len + 64));
	static const char old[16 + 12] = "ld.so-1.7.0\0\1\0\0\0\3\3\0\0\0\0\0\0\5\0\0\0";
	static const char strings[] = "x.so\0/lib/x.so";

	memcpy(both, old, 12);
	memcpy(both + 16, good, good_len);
	ck_assert_str_eq(ask(both, 16 + good_len, "lib9.so"), "/lib/lib9.so");
	memcpy(both, old, sizeof(old));
	*(int32_t *)(void *)(both + 16) = ARCH_LDCACHE_FLAGS;
	memcpy(both + sizeof(old), strings, sizeof(strings));
	ck_assert_str_eq(ask(both, sizeof(old) + sizeof(strings), "x.so"), "/lib/x.so");
	ck_assert_str_eq(ask(both, sizeof(old) + sizeof(strings), "y.so"), "");
	ck_assert_str_eq(ask(both, 16, "x.so"), "");
}
END_TEST

static void put(uint8_t *at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

START_TEST(damaged)
{
	const size_t end = (make(), good_len);
	static const char best[] = "/usr/lib/glibc-hwcaps/model-v3/x.so", plain[] = "/usr/lib/x.so";
	const struct {
		const char *name;
		size_t at;
		uint64_t value;
		unsigned size;
		const char *answer; /* for x.so, whose two entries are the first */
		bool others;	    /* is lib9.so still found? */
	} list[] = {
		{"nothing", 0, 'g', 1, best, true},
		{"magic", MAGIC + 3, 'x', 1, "", false},
		{"version of the format", MAGIC + 17, '2', 1, "", false},
		{"no entries", COUNT, 0, 4, "", false},
		{"more entries than bytes", COUNT, 10000, 4, "", false},
		{"as many entries as a number can say", COUNT, 0xffffffff, 4, "", false},
		{"entries whose size overflows", COUNT, 0xaaaaaab, 4, "", false},
		{"other byte order", FLAGS, 3, 1, "", false},
		{"byte order not said", FLAGS, 0, 1, best, true},
		{"invalid byte order", FLAGS, 1, 1, "", false},
		{"no extension", EXTENSION, 0, 4, plain, true},
		{"extension at the end", EXTENSION, end - 1, 4, plain, true},
		{"extension outside", EXTENSION, 0xfffffff0, 4, plain, true},
		{"extension that is none", EXTENSION, HEAD, 4, plain, true},
		{"key outside", E_KEY, 0xffffffff, 4, plain, true},
		{"key that is empty", E_KEY, end - 1, 4, "", true},
		{"value outside", E_VALUE, 0x7fffffff, 4, plain, true},
		{"another ABI's", E_FLAGS, 0x0803, 4, plain, true},
		{"subdirectory that is not listed", E_HWCAP, 1ull << 62 | 77, 8, plain, true},
		{"older hwcap bits", E_HWCAP, 1ull << 5, 8, plain, true},
		{"levels beside the subdirectory", E_HWCAP, 1ull << 62 | 3ull << 32, 8, best, true},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		uint8_t *bad = malloc(good_len);
		const char *answer;

		memcpy(bad, good, good_len);
		put(bad + list[i].at, list[i].value, list[i].size);
		answer = ask(bad, good_len, "x.so");
		ck_assert_msg(!strcmp(answer, list[i].answer), "%s: \"%s\" instead of \"%s\"", list[i].name,
			      answer, list[i].answer);
		answer = ask(bad, good_len, "lib9.so");
		ck_assert_msg(!strcmp(answer, list[i].others ? "/lib/lib9.so" : ""), "%s: lib9.so is \"%s\"",
			      list[i].name, answer);
		kit_input("ld.so.cache", list[i].name, list[i].others);
		free(bad);
	}
}
END_TEST

/* Cut off anywhere: nothing, or a path that is there. */
START_TEST(truncated)
{
	static const char *const names[] = {"x.so", "lib9.so", "lib10.so"};

	make();
	for (size_t len = 0; len < good_len; len++)
		for (int i = 0; i < 3; i++) {
			const char *answer = ask(good, len, names[i]);

			ck_assert_msg(!*answer || *answer == '/', "cut to %zu bytes: \"%s\"", len, answer);
			ck_assert_msg(!*answer || memmem(good, good_len, answer, strlen(answer)),
				      "cut to %zu bytes: \"%s\"", len, answer);
		}
}
END_TEST

/* The answer has to fit. */
START_TEST(no_room)
{
	char path[64];

	make();
	for (size_t room = 1; room < sizeof(path); room++) {
		memset(path, 0x55, sizeof(path));
		ck_assert(host_cache_lookup(good, good_len, "lib9.so", path, room) == (room > 12));
		ck_assert_int_eq(path[room], 0x55);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, whole);
	tcase_add_test(tc, older_forms);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, truncated);
	tcase_add_test(tc, no_room);
}

KIT_MAIN("cache", add)

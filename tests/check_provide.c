/* SPDX-License-Identifier: MIT */
/*
 * check_provide: symbols that the program hands over, many at a time.
 *
 * Each is found by the hash table that provide.c makes, by the plain walk, and through the global scope,
 * with and without its index; nothing else is; the first of two answers; names are copied; and what
 * cannot be had leaves everything as it was.
 */
#include "opener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/find.h"
#include "loader/provide.h"

enum { MANY = 3000 };

static char names[MANY][24];
static struct dlrs_symbol symbols[MANY];

static void prepare(void)
{
	opener_start();
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "provided_%d_%x", i, kit_random(1 << 20));
		symbols[i] = (struct dlrs_symbol){names[i], &names[i]};
	}
}

static const void *in_scope(const char *name)
{
	struct sym_request rq = sym_request(name);
	struct sym_found found;

	return scope_find_in(registry.base.global, 0, &rq, &found)
		       ? (void *)(uintptr_t)image_value(found.im, found.sym)
		       : NULL;
}

static void found_by_all(struct image *im, const char *name, const void *address)
{
	struct sym_request rq = sym_request(name), again = sym_request(name);
	const elf_sym *s = hash_lookup(&im->st, &rq);

	ck_assert_msg(s, "%s is not found", name);
	ck_assert_ptr_eq(s, hash_linear(&im->st, &again));
	ck_assert_str_eq(hash_name(&im->st, s), name);
	ck_assert_ptr_eq((void *)(uintptr_t)image_value(im, s), address);
	ck_assert_ptr_eq(in_scope(name), address);
}

START_TEST(many)
{
	char kept[MANY][24];
	struct image *im;
	struct diag d;

	prepare();
	memcpy(kept, names, sizeof(names));
	im = provide_symbols(symbols, MANY, &d);
	ck_assert_ptr_nonnull(im);
	memset(names, 'x', sizeof(names));
	for (int i = 0; i < MANY; i++)
		found_by_all(im, kept[i], &names[i]);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(provide_symbols(NULL, 0, &d));
	scope_expect(registry.base.global, 1 << 20); /* makes an index, of some images or more */
	ck_assert_ptr_nonnull(((struct scope_list *)registry.base.global)->index);
	for (int i = 0; i < MANY; i++)
		found_by_all(im, kept[i], &names[i]);
	ck_assert_ptr_null(in_scope("provided_"));
	ck_assert_ptr_null(in_scope("x"));
	ck_assert_ptr_null(in_scope(""));
}
END_TEST

START_TEST(first_of_two)
{
	static const struct dlrs_symbol one[] = {{"twice", names[0]}}, two[] = {{"twice", names[1]}, {"once", names[2]}};
	struct diag d;

	prepare();
	ck_assert_ptr_nonnull(provide_symbols(one, 1, &d));
	ck_assert_ptr_nonnull(provide_symbols(two, 2, &d));
	ck_assert_ptr_eq(in_scope("twice"), names[0]);
	ck_assert_ptr_eq(in_scope("once"), names[2]);
	ck_assert_ptr_nonnull(provide_symbols(NULL, 0, &d));
	ck_assert_ptr_eq(in_scope("once"), names[2]);
}
END_TEST

/* A library finds them, and an address of one belongs to nobody. */
START_TEST(bound)
{
	static const struct dlrs_symbol one[] = {{"handed_over", names}};
	struct elfgen *e;
	struct image *im;
	struct diag d;

	prepare();
	e = begin("libwants.so");
	refer(e, 0, RELOC_SYMBOLIC,
	      elfgen_sym(e, &(struct elfgen_sym){.name = "handed_over", .bind = STB_GLOBAL}));
	end(e);
	ck_assert_ptr_nonnull(provide_symbols(one, 1, &d));
	im = open_lib("libwants.so", 2);
	close_lib(im);
	ck_assert_ptr_null(find_address(0));
	ck_assert_ptr_null(find_slow(0));
}
END_TEST

START_TEST(without_a_name)
{
	const struct dlrs_symbol bad[] = {{"named", names}, {NULL, names}};
	struct state before;
	struct diag d;

	prepare();
	before = state(NULL);
	diag_clear(&d);
	ck_assert_ptr_null(provide_symbols(bad, 2, &d));
	ck_assert_int_eq(d.kind, DIAG_USAGE);
	ck_assert_ptr_null(in_scope("named"));
	unchanged(&before, NULL, "a symbol without a name");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, many);
	tcase_add_test(tc, first_of_two);
	tcase_add_test(tc, bound);
	tcase_add_test(tc, without_a_name);
}

KIT_MAIN("provide", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_scope: lists of images, chains of lists, unique symbols.
 *
 * Lookup: the first list of the chain that has a definition wins, in it the first image; compared with a
 * walk over all images with hash_linear, with the index of a large list and without.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/arena.h"
#include "loader/scope.h"
#include "loader/text.h"
#include "loader/unique.h"

static struct sym_request request(const char *name)
{
	return sym_request(name);
}

/* An image that defines these one-letter symbols; value = place in the alphabet * 8. */
static struct image *library(const char *name, const char *letters)
{
	struct elfgen *e = kit_elf();
	struct diag d = {0};
	struct image *im;

	for (const char *p = letters; *p; p++)
		elfgen_sym(e, &(struct elfgen_sym){.name = (char[]){*p, 0}, .shndx = 5,
			.bind = *p < 'a' ? STB_GNU_UNIQUE : STB_GLOBAL, .type = STT_OBJECT,
			.value = 8 + 8 * (uint64_t)(*p - 'A'), .size = 8});
	elfgen_build(e);
	im = kit_load(e, name, &d);
	ck_assert_msg(im, "%s", d.text);
	elfgen_free(e);
	return im;
}

/* --- lists ----------------------------------------------------------------------------------------- */

START_TEST(growing)
{
	_Atomic(struct scope_list *) list = NULL;
	struct image *im[50];

	ck_assert(!scope_contains(NULL, NULL));
	for (int i = 0; i < 50; i++) {
		im[i] = image_new(&kit_space, "x", false);
		ck_assert(scope_reserve(&list, 1));
		ck_assert(!scope_contains(list, im[i]));
		scope_append(&list, im[i]);
		ck_assert(scope_contains(list, im[i]));
		ck_assert_uint_eq(list->n, (unsigned)i + 1);
		ck_assert_ptr_eq(list->im[0], im[0]);
		ck_assert_ptr_eq(list->im[i], im[i]);
	}
	ck_assert(scope_reserve(&list, 30));
	ck_assert_uint_ge(list->cap - list->n, 30);
	/* Appending to room that is there does not replace the list: readers may be in it. */
	{
		struct scope_list *before = list;

		for (int i = 0; i < 30; i++)
			scope_append(&list, im[0]);
		ck_assert_ptr_eq(before, list);
	}
}
END_TEST

/* Images that are on their way out go, the others keep their order. */
START_TEST(prune)
{
	_Atomic(struct scope_list *) list = NULL;
	struct scope_list *before;
	struct image *im[20];
	unsigned k = 0;

	ck_assert(scope_reserve(&list, 20));
	for (int i = 0; i < 20; i++) {
		im[i] = image_new(&kit_space, "x", false);
		im[i]->state = IMAGE_READY;
		scope_append(&list, im[i]);
	}
	before = list;
	scope_prune(&list);
	ck_assert_msg(list == before, "nothing to do: the list stays");
	for (int i = 0; i < 20; i += 3)
		im[i]->state = i % 2 ? IMAGE_FINI : IMAGE_GONE;
	scope_prune(&list);
	for (int i = 0; i < 20; i++)
		if (i % 3)
			ck_assert_ptr_eq(list->im[k++], im[i]);
	ck_assert_uint_eq(list->n, k);
}
END_TEST

/* --- lookup ---------------------------------------------------------------------------------------- */

START_TEST(in_list)
{
	_Atomic(struct scope_list *) list = NULL;
	struct image *a = library("a.so", "ab"), *b = library("b.so", "bc"), *c = library("c.so", "abc");
	struct sym_request rq = request("b");
	struct sym_found f = {0};

	ck_assert(!scope_find_in(NULL, 0, &rq, &f) && !f.im);
	ck_assert(scope_reserve(&list, 3));
	ck_assert(!scope_find_in(list, 0, &rq, &f) && !f.im);
	scope_append(&list, a);
	scope_append(&list, b);
	scope_append(&list, c);
	ck_assert(scope_find_in(list, 0, &rq, &f) && f.im == a);
	ck_assert_uint_eq(f.sym->st_value, 8 + 8 * ('b' - 'A'));
	/* RTLD_NEXT starts behind the caller. */
	ck_assert(scope_find_in(list, 1, &rq, &f) && f.im == b);
	ck_assert(scope_find_in(list, 2, &rq, &f) && f.im == c);
	ck_assert(!scope_find_in(list, 3, &rq, &f) && !f.im);
	rq = request("z");
	ck_assert(!scope_find_in(list, 0, &rq, &f) && !f.im);
}
END_TEST

static void add_list(struct image *im, _Atomic(struct scope_list *) *list)
{
	struct scope_chain *chain;

	ck_assert(scope_chain_with(im, list, &chain));
	if (chain)
		scope_chain_publish(im, chain);
}

/* The definition by hash_linear over everything, in order. */
static struct image *walk(const struct image *im, const char *name)
{
	struct scope_chain *chain = im->chain;
	struct sym_request rq = request(name);

	if (im->dyn.symbolic && hash_linear(&im->st, &rq))
		return (struct image *)(uintptr_t)im;
	for (unsigned i = 0; chain && i < chain->n; i++) {
		struct scope_list *l = *chain->scope[i];

		for (unsigned k = 0; l && k < l->n; k++)
			if (hash_linear(&l->im[k]->st, &rq))
				return l->im[k];
	}
	return NULL;
}

START_TEST(in_chain)
{
	_Atomic(struct scope_list *) list[6] = {NULL};
	struct image *im[12];
	char letters[8], name[16];

	for (int i = 0; i < 12; i++) {
		for (int k = 0; k < 6; k++)
			letters[k] = (char)('a' + kit_random(15));
		letters[6] = 0;
		snprintf(name, sizeof(name), "%d.so", i);
		im[i] = library(name, letters);
	}
	for (int round = 0; round < 300; round++) {
		struct image *from = im[kit_random(12)];
		_Atomic(struct scope_list *) *l = &list[kit_random(6)];

		if (kit_random(3) == 0) {
			ck_assert(scope_reserve(l, 1));
			scope_append(l, im[kit_random(12)]);
		} else if (kit_random(3)) {
			add_list(from, l);
		} else {
			scope_chain_drop(from, l);
		}
		from->dyn.symbolic = kit_random(5) == 0;
		for (char c = 'a'; c < 'a' + 16; c++) {
			struct sym_request rq = request((char[]){c, 0});
			struct sym_found f = {0};
			struct image *want = walk(from, rq.name);

			ck_assert_int_eq(scope_find(from, &rq, &f), want != NULL);
			ck_assert_ptr_eq(f.im, want);
		}
	}
}
END_TEST

/*
 * The index of a large list changes no answer, wherever the search starts: it may cover all or only the
 * beginning, images may have the old hash only or none, names may share a hash.
 */
static struct image *random_library(const char *name, unsigned style)
{
	/* Pairs of names whose GNU hashes are equal, or differ in the bit that the table does not keep. */
	static const char *const twins[] = {"bC", "bD", "cb", "cc", "xx", "yW", "a", "b", "one", "two"};
	struct elfgen *e = kit_elf();
	unsigned v1 = elfgen_verdef(e, "V_1", NULL), v2 = elfgen_verdef(e, "V_2", NULL);
	uint16_t versions[] = {0, 0, (uint16_t)v1, (uint16_t)v2, (uint16_t)(v1 | 0x8000)};
	struct diag d = {0};
	struct image *im;

	for (unsigned n = kit_random(14); n; n--)
		elfgen_sym(e, &(struct elfgen_sym){.name = twins[kit_random(10)], .type = STT_OBJECT,
			.bind = kit_random(4) ? STB_GLOBAL : STB_WEAK, .shndx = kit_random(4) ? 5 : SHN_UNDEF,
			.other = kit_random(6) ? STV_DEFAULT : STV_HIDDEN,
			.value = kit_random(8) ? 8 + 8 * kit_random(99) : 0, .version = versions[kit_random(5)]});
	e->hash_style = style;
	elfgen_build(e);
	im = kit_load(e, name, &d);
	ck_assert_msg(im, "%s", d.text);
	elfgen_free(e);
	return im;
}

static void compare_walk(struct scope_list *l, unsigned from, struct sym_request rq)
{
	struct sym_request again = rq;
	struct sym_found want = {0}, is = {0};

	for (unsigned i = from; i < l->n && !want.sym; i++) {
		want.sym = l->im[i]->st.nbucket ? hash_linear(&l->im[i]->st, &again) : NULL;
		want.im = want.sym ? l->im[i] : NULL;
	}
	ck_assert_int_eq(scope_find_in(l, from, &rq, &is), want.sym != NULL);
	ck_assert_msg(is.im == want.im && (!want.im || is.sym == want.sym), "%s from %u of %u: %s instead of %s",
		      rq.name, from, l->n, is.im ? is.im->path : "nobody", want.im ? want.im->path : "nobody");
}

START_TEST(indexed)
{
	static const char *const names[] = {"bC", "bD", "cb", "cc", "xx", "yW", "a", "b", "one", "two", "no"};
	static const struct version v1 = {.name = "V_1", .hash = 0x5c21}, v2 = {.name = "V_2", .hash = 0x5c22};

	unsigned indexes = 0;

	ck_assert_uint_eq(hash_sysv("V_1"), v1.hash);
	for (int round = 0; round < kit_rounds(25); round++) {
		_Atomic(struct scope_list *) l = NULL;
		unsigned n = 4 + kit_random(30), more = kit_random(10);

		for (unsigned i = 0; i < n + more; i++) {
			char name[16];

			snprintf(name, sizeof(name), "%u.so", i);
			ck_assert(scope_reserve(&l, 1));
			scope_append(&l, random_library(name, kit_random(12) ? ELFGEN_GNU : kit_random(3)));
			if (i == n)
				scope_expect(l, 1 << 30);
			if (i == n + more / 2)
				scope_expect(l, 1 << 30);
		}
		if (!more)
			scope_expect(l, 1 << 30);
		indexes += l->index != NULL;
		for (unsigned i = 0; i < 11 * 4 * 3; i++) {
			struct sym_request rq = request(names[i % 11]);

			rq.newest = i / 11 % 2;
			rq.plt = i / 11 / 2 % 2;
			rq.version = i / 44 == 1 ? &v1 : i / 44 == 2 ? &v2 : NULL;
			if (rq.version)
				rq.newest = false;
			compare_walk(l, 0, rq);
			compare_walk(l, kit_random(n + more + 1), rq);
		}
	}
	ck_assert_uint_gt(indexes, 20);
}
END_TEST

/* A chain has each list once; dropping the last leaves an empty chain. */
START_TEST(each_list_once)
{
	_Atomic(struct scope_list *) list[3] = {NULL};
	struct image *im = image_new(&kit_space, "x", false);
	struct scope_chain *c;

	for (int i = 0; i < 3; i++) {
		add_list(im, &list[i]);
		add_list(im, &list[i]);
		ck_assert_uint_eq(im->chain->n, (unsigned)i + 1);
		ck_assert_ptr_eq(im->chain->scope[i], &list[i]);
	}
	ck_assert(scope_chain_with(im, &list[1], &c) && !c);
	scope_chain_drop(im, &list[1]);
	ck_assert_uint_eq(im->chain->n, 2);
	ck_assert_ptr_eq(im->chain->scope[1], &list[2]);
	scope_chain_drop(im, &list[1]);
	scope_chain_drop(im, &list[0]);
	scope_chain_drop(im, &list[2]);
	ck_assert_uint_eq(im->chain->n, 0);
}
END_TEST

/* --- STB_GNU_UNIQUE -------------------------------------------------------------------------------- */

static struct sym_found lookup(struct image *im, const char *name)
{
	struct sym_request rq = request(name);
	const elf_sym *s = hash_lookup(&im->st, &rq);

	ck_assert_ptr_nonnull(s);
	return (struct sym_found){im, s};
}

/* The first definition of a name is everybody's, and keeps its library loaded. */
START_TEST(unique)
{
	struct image *a = library("a.so", "ABC"), *b = library("b.so", "ABCD");
	struct sym_request rq = request("A"), other = request("D");
	struct sym_found f = lookup(b, "A");
	struct space space = {.id = 7};

	unique_first(&space, &rq, &f);
	ck_assert_msg(f.im == b, "an empty table changes nothing");
	f = lookup(a, "A");
	ck_assert(unique_enter(&space, &rq, &f) && f.im == a && a->nunique && !b->nunique);
	f = lookup(b, "A");
	ck_assert(unique_enter(&space, &rq, &f) && f.im == a && f.sym == lookup(a, "A").sym);
	ck_assert_msg(!b->nunique, "only the first is pinned");
	f = lookup(b, "D");
	ck_assert(unique_enter(&space, &other, &f) && f.im == b && b->nunique);
	unique_forget(&space, a);
	f = lookup(b, "A");
	ck_assert(unique_enter(&space, &rq, &f) && f.im == b);
	f = lookup(a, "A");
	unique_first(&space, &rq, &f);
	ck_assert_ptr_eq(f.im, b);
}
END_TEST

START_TEST(unique_many)
{
	enum { N = 3000 };
	struct elfgen *e = kit_elf();
	struct space space = {0};
	struct diag d = {0};
	struct image *im;
	char name[16];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		elfgen_sym(e, &(struct elfgen_sym){.name = name, .shndx = 5, .bind = STB_GNU_UNIQUE,
			.type = STT_OBJECT, .value = 8, .size = 8});
	}
	elfgen_build(e);
	im = kit_load(e, "many.so", &d);
	ck_assert_msg(im, "%s", d.text);
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < N; i++) {
			struct sym_request rq;
			struct sym_found f, first = {0};

			snprintf(name, sizeof(name), "u%d", i);
			rq = request(name);
			f = lookup(im, name);
			unique_first(&space, &rq, &first);
			ck_assert(turn == 1 ? first.im == im : !first.im);
			ck_assert(unique_enter(&space, &rq, &f) && f.im == im);
		}
		if (turn == 1)
			unique_forget(&space, im);
	}
	elfgen_free(e);
}
END_TEST

/* What libc loaded comes first: its own table, which we cannot see, has chosen that one. */
START_TEST(unique_of_the_host)
{
	struct image *ours = library("ours.so", "A"), *libcs = library("libcs.so", "A");
	struct space space = {.first = ours, .last = libcs};
	struct sym_request rq = request("A");
	struct sym_found f = lookup(ours, "A");

	ours->next = libcs;
	libcs->host = true;
	ck_assert(unique_enter(&space, &rq, &f));
	ck_assert_ptr_eq(f.im, libcs);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, growing);
	tcase_add_test(tc, prune);
	tcase_add_test(tc, in_list);
	tcase_add_test(tc, in_chain);
	tcase_add_test(tc, indexed);
	tcase_add_test(tc, each_list_once);
	tcase_add_test(tc, unique);
	tcase_add_test(tc, unique_many);
	tcase_add_test(tc, unique_of_the_host);
}

KIT_MAIN("scope", add)

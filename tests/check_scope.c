/* SPDX-License-Identifier: MIT */
/*
 * check_scope: lists of images, chains of lists, unique symbols, and the order of constructors.
 *
 * Lookup: the first list of the chain that has a definition wins, in it the first image; compared with a
 * walk over all images with hash_linear.  Sorting: compared with glibc's recursive algorithm (dl-sort-
 * maps.c, _dl_sort_maps_dfs) on random graphs, and with the orders written out for the usual shapes.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/arena.h"
#include "loader/scope.h"
#include "loader/text.h"

static struct sym_request request(const char *name)
{
	return sym_request(name, text_hash(name));
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
		im[i] = image_new(&kit_space, "x");
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
		im[i] = image_new(&kit_space, "x");
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

/* A chain has each list once; dropping the last leaves an empty chain. */
START_TEST(each_list_once)
{
	_Atomic(struct scope_list *) list[3] = {NULL};
	struct image *im = image_new(&kit_space, "x");
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

	scope_unique_first(&space, &rq, &f);
	ck_assert_msg(f.im == b, "an empty table changes nothing");
	f = lookup(a, "A");
	ck_assert(scope_unique_enter(&space, &rq, &f) && f.im == a && a->pinned && !b->pinned);
	f = lookup(b, "A");
	ck_assert(scope_unique_enter(&space, &rq, &f) && f.im == a && f.sym == lookup(a, "A").sym);
	ck_assert_msg(!b->pinned, "only the first is pinned");
	f = lookup(b, "D");
	ck_assert(scope_unique_enter(&space, &other, &f) && f.im == b && b->pinned);
	scope_unique_forget(&space, a);
	f = lookup(b, "A");
	ck_assert(scope_unique_enter(&space, &rq, &f) && f.im == b);
	f = lookup(a, "A");
	scope_unique_first(&space, &rq, &f);
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
			scope_unique_first(&space, &rq, &first);
			ck_assert(turn == 1 ? first.im == im : !first.im);
			ck_assert(scope_unique_enter(&space, &rq, &f) && f.im == im);
		}
		if (turn == 1)
			scope_unique_forget(&space, im);
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
	ck_assert(scope_unique_enter(&space, &rq, &f));
	ck_assert_ptr_eq(f.im, libcs);
}
END_TEST

/* --- order ----------------------------------------------------------------------------------------- */

enum { MAX = 26 };

/* n images; edges[i] is a string of the indices that i depends on, in order: "bd". */
static void graph(struct image **im, unsigned n, const char *const *edges)
{
	for (unsigned i = 0; i < n; i++)
		im[i] = image_new(&kit_space, (char[]){(char)('a' + i), 0});
	for (unsigned i = 0; i < n; i++) {
		im[i]->order = arena_alloc((strlen(edges[i]) + 1) * sizeof(*im[i]->order));
		im[i]->order[im[i]->norder++] = im[i];
		for (const char *p = edges[i]; *p; p++)
			im[i]->order[im[i]->norder++] = im[*p - 'a'];
	}
}

static const char *text_of(struct image *const *im, unsigned n)
{
	static char text[MAX + 1];

	for (unsigned i = 0; i < n; i++)
		text[i] = im[i]->path[0];
	text[n] = 0;
	return text;
}

static void expect(unsigned n, const char *const *edges, bool keep_first, const char *want)
{
	struct image *im[MAX];

	graph(im, n, edges);
	ck_assert(scope_sort(im, n, keep_first, false));
	ck_assert_str_eq(text_of(im, n), want);
}

START_TEST(shapes)
{
	/* Alone; a chain; a diamond; dependencies in the order of DT_NEEDED come out last-first. */
	expect(1, (const char *[]){""}, false, "a");
	expect(3, (const char *[]){"b", "c", ""}, true, "abc");
	expect(4, (const char *[]){"bc", "d", "d", ""}, true, "abcd");
	expect(3, (const char *[]){"bc", "", ""}, true, "abc");
	expect(3, (const char *[]){"bc", "", "b"}, true, "acb");
	/* A dependency that is named first but is needed by a later one. */
	expect(4, (const char *[]){"bcd", "", "b", "c"}, true, "adcb");
	/* Circles end: the search starts at the last image. */
	expect(2, (const char *[]){"b", "a"}, true, "ab");
	expect(3, (const char *[]){"b", "c", "b"}, true, "acb");
	expect(3, (const char *[]){"b", "c", "a"}, true, "acb");
	/* The program is nobody's dependency here, and oneself neither. */
	expect(2, (const char *[]){"ab", "b"}, true, "ab");
}
END_TEST

/* --- glibc's algorithm, word for word, as the oracle ------------------------------------------------- */

struct reference {
	struct image **rpo;
	bool binds, met;
};

static void dfs(struct reference *r, struct image *im)
{
	if (!im->reached)
		return;
	im->reached = false;
	for (unsigned i = 0; i < im->norder; i++)
		dfs(r, im->order[i]);
	if (r->binds && im->nbinds) {
		r->met = true;
		for (unsigned i = im->nbinds; i-- > 0;)
			dfs(r, im->binds[i]);
	}
	*--r->rpo = im;
}

static void dfs_pass(struct reference *r, struct image **in, struct image **out, unsigned n)
{
	r->rpo = out + n;
	for (unsigned i = 0; i < n; i++)
		in[i]->reached = true;
	for (unsigned i = n; i-- > 0;)
		dfs(r, in[i]);
}

static void sort_as_glibc(struct image **im, unsigned n, bool keep_first, bool for_fini)
{
	struct reference r = {.binds = for_fini};
	struct image *rpo[MAX], *again[MAX], *first = im[0];
	unsigned i;

	dfs_pass(&r, im, rpo, n);
	memcpy(again, rpo, n * sizeof(*rpo));
	if (r.met) {
		r.binds = false;
		dfs_pass(&r, rpo, again, n);
	}
	memcpy(im, again, n * sizeof(*im));
	if (!keep_first)
		return;
	for (i = 0; im[i] != first;)
		i++;
	memmove(&im[1], &im[0], i * sizeof(*im));
	im[0] = first;
}

START_TEST(random_graphs)
{
	for (int round = 0; round < kit_rounds(2000); round++) {
		unsigned n = 1 + kit_random(round % 4 ? 8 : MAX), edges;
		bool keep = kit_random(2), fini = kit_random(2);
		struct image *im[MAX], *mine[MAX], *theirs[MAX];
		char text[MAX][MAX + 1];
		const char *list[MAX];

		for (unsigned i = 0; i < n; i++) {
			edges = kit_random(4) ? kit_random(4) : kit_random(MAX);
			for (unsigned k = 0; k < edges; k++) /* upwards: no circles; else any */
				text[i][k] = (char)('a' + (kit_random(3) && i + 1 < n ?
						i + 1 + kit_random(n - i - 1) : kit_random(n)));
			text[i][edges] = 0;
			list[i] = text[i];
		}
		graph(im, n, list);
		for (unsigned k = kit_random(6); k; k--)
			ck_assert(image_bind(im[kit_random(n)], im[kit_random(n)]));
		memcpy(mine, im, sizeof(im));
		memcpy(theirs, im, sizeof(im));
		sort_as_glibc(theirs, n, keep, fini);
		ck_assert(scope_sort(mine, n, keep, fini));
		for (unsigned i = 0; i < n; i++)
			ck_assert_msg(mine[i] == theirs[i], "glibc's order differs at %u: %s", i,
				      text_of(mine, n));
		for (unsigned i = 0; i < n; i++)
			image_free(im[i]);
	}
}
END_TEST

/* Images outside the list that it depends on are not entered. */
START_TEST(only_the_group)
{
	struct image *im[4], *part[2];

	graph(im, 4, (const char *[]){"bcd", "", "", ""});
	part[0] = im[1];
	part[1] = im[0];
	im[2]->unsorted = im[3]->unsorted = false;
	ck_assert(scope_sort(part, 2, false, false));
	ck_assert_ptr_eq(part[0], im[0]);
	ck_assert_ptr_eq(part[1], im[1]);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, growing);
	tcase_add_test(tc, prune);
	tcase_add_test(tc, in_list);
	tcase_add_test(tc, in_chain);
	tcase_add_test(tc, each_list_once);
	tcase_add_test(tc, unique);
	tcase_add_test(tc, unique_many);
	tcase_add_test(tc, unique_of_the_host);
	tcase_add_test(tc, shapes);
	tcase_add_test(tc, random_graphs);
	tcase_add_test(tc, only_the_group);
}

KIT_MAIN("scope", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_sort: scope_sort, the order of constructors and destructors.
 *
 * Compared with glibc's recursive algorithm (dl-sort-maps.c, _dl_sort_maps_dfs) on random graphs, and
 * with the orders written out for the usual shapes.
 */
#include "kit.h"

#include <string.h>

#include "loader/arena.h"
#include "loader/scope.h"

enum { MAX = 26 };

/* n images; edges[i] is a string of the indices that i depends on, in order: "bd". */
static void graph(struct image **im, unsigned n, const char *const *edges)
{
	for (unsigned i = 0; i < n; i++)
		im[i] = image_new(&kit_space, (char[]){(char)('a' + i), 0}, false);
	kit_space.first = im[0];
	for (unsigned i = 1; i < n; i++)
		im[i - 1]->next = im[i];
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
	tcase_add_test(tc, shapes);
	tcase_add_test(tc, random_graphs);
	tcase_add_test(tc, only_the_group);
}

KIT_MAIN("sort", add)

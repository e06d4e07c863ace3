/* SPDX-License-Identifier: MIT */
/*
 * check_version: DT_VERDEF and DT_VERNEED become one array by index, and every requirement is seen.
 *
 * Rules: LSB, "Symbol Versioning": the index of a definition is vd_ndx, of a requirement vna_other; the
 * definition marked VER_FLG_BASE names the file and is no version; VER_FLG_WEAK makes a requirement
 * optional.  Damaged chains are in check_bad; here only that a walk over any bytes ends.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/version.h"

static struct image *load(struct elfgen *e)
{
	struct diag d = {0};
	struct image *im;

	elfgen_build(e);
	im = kit_load(e, "version.so", &d);
	ck_assert_msg(im, "%s", d.text);
	return im;
}

START_TEST(by_index)
{
	struct elfgen *e = kit_elf();
	const struct version *v;
	struct image *im;
	unsigned a, b, c, n, m;

	e->soname = "libme.so";
	a = elfgen_verdef(e, "ME_1", NULL);
	b = elfgen_verdef(e, "ME_2", "ME_1");
	c = elfgen_verdef(e, "ME_PRIVATE", NULL);
	n = elfgen_verneed(e, "libyou.so", "YOU_1", false);
	m = elfgen_verneed(e, "libthey.so", "THEY_3", true);
	elfgen_def(e, "x", 8);
	im = load(e);
	v = im->st.versions;
	ck_assert_uint_eq(im->st.nversion, m + 1);
	ck_assert_ptr_null(v[0].name);
	ck_assert_msg(!v[1].name, "the base definition is no version");
	ck_assert_str_eq(v[a].name, "ME_1");
	ck_assert_str_eq(v[b].name, "ME_2");
	ck_assert_str_eq(v[c].name, "ME_PRIVATE");
	ck_assert_str_eq(v[n].name, "YOU_1");
	ck_assert_str_eq(v[m].name, "THEY_3");
	ck_assert_ptr_null(v[b].file);
	ck_assert_str_eq(v[n].file, "libyou.so");
	ck_assert_str_eq(v[m].file, "libthey.so");
	for (unsigned i = 2; i <= m; i++)
		ck_assert_uint_eq(v[i].hash, hash_sysv(v[i].name));
	ck_assert(im->st.has_verdef);
	image_free(im);
	elfgen_free(e);
}
END_TEST

START_TEST(defined)
{
	struct elfgen *e = kit_elf();
	struct image *im;

	e->soname = "libme.so";
	elfgen_verdef(e, "ME_1", NULL);
	elfgen_verdef(e, "ME_2", "ME_0");
	elfgen_verneed(e, "libyou.so", "YOU_1", false);
	im = load(e);
	ck_assert(version_defined(&im->st, "ME_1", hash_sysv("ME_1")));
	ck_assert(version_defined(&im->st, "ME_2", hash_sysv("ME_2")));
	ck_assert_msg(!version_defined(&im->st, "ME_0", hash_sysv("ME_0")), "a parent is no definition");
	ck_assert_msg(!version_defined(&im->st, "YOU_1", hash_sysv("YOU_1")), "nor is a requirement");
	ck_assert_msg(!version_defined(&im->st, "libme.so", hash_sysv("libme.so")), "nor the base");
	ck_assert(!version_defined(&im->st, "ME_1", hash_sysv("ME_2")));
	ck_assert(!version_defined(&im->st, "ME_3", hash_sysv("ME_3")));
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* --- requirements ---------------------------------------------------------------------------------- */

struct seen {
	char text[256];
	unsigned n, stop_at;
};

static bool note(const struct version_need *need, void *arg)
{
	struct seen *s = arg;

	ck_assert_uint_eq(need->hash, hash_sysv(need->name));
	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s:%s%s ", need->file,
		 need->name, need->weak ? "?" : "");
	return ++s->n != s->stop_at;
}

/* Reads every name. */
static bool note_any(const struct version_need *need, void *arg)
{
	unsigned *n = arg;

	*n += (unsigned)(strlen(need->file) + strlen(need->name));
	return true;
}

START_TEST(requirements)
{
	struct elfgen *e = kit_sample();
	struct image *im = load(e);
	struct seen s = {.stop_at = 0};

	ck_assert(version_each_need(&im->st, &im->dyn, &im->map, note, &s));
	ck_assert_str_eq(s.text, "libother.so:OTHER_1? libother.so:OTHER_2 libthird.so:THIRD_1 ");
	for (unsigned stop = 1; stop <= 3; stop++) {
		s = (struct seen){.stop_at = stop};
		ck_assert(!version_each_need(&im->st, &im->dyn, &im->map, note, &s));
		ck_assert_uint_eq(s.n, stop);
	}
	image_free(im);
	elfgen_free(e);
}
END_TEST

START_TEST(none)
{
	struct elfgen *e = kit_elf();
	struct seen s = {.stop_at = 0};
	struct image *im;

	elfgen_def(e, "x", 8);
	im = load(e);
	ck_assert_uint_eq(im->st.nversion, 0);
	ck_assert(!im->st.has_verdef && !im->st.versym);
	ck_assert(version_each_need(&im->st, &im->dyn, &im->map, note, &s));
	ck_assert_uint_eq(s.n, 0);
	ck_assert(!version_defined(&im->st, "X", hash_sysv("X")));
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* Random bytes over the version tables: refused or taken, but always soon and without a crash. */
START_TEST(random_damage)
{
	struct elfgen *e = kit_sample();
	unsigned char *good;
	unsigned refused = 0;

	elfgen_build(e);
	good = malloc(e->len);
	memcpy(good, e->buf, e->len);
	for (int i = 0; i < kit_rounds(3000); i++) {
		uint64_t from = e->table[ELFGEN_VERSYM].off, to = e->table[ELFGEN_REL].off;
		struct diag d = {0};
		struct image *im;

		memcpy(e->buf, good, e->len);
		for (unsigned k = 1 + kit_random(3); k; k--)
			e->buf[from + kit_random((uint32_t)(to - from))] = (unsigned char)kit_random(256);
		im = kit_load(e, "damaged.so", &d);
		refused += !im;
		if (im) {
			struct sym_request rq = sym_request("func");
			unsigned total = 0;

			version_each_need(&im->st, &im->dyn, &im->map, note_any, &total);
			hash_linear(&im->st, &rq);
			image_free(im);
		}
	}
	ck_assert_uint_gt(refused, 100);
	free(good);
	elfgen_free(e);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, by_index);
	tcase_add_test(tc, defined);
	tcase_add_test(tc, requirements);
	tcase_add_test(tc, none);
	tcase_add_test(tc, random_damage);
}

KIT_MAIN("version", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_closure: what belongs to a load, in which order, and what is said when a part is missing.
 *
 * The closure is breadth first (dlsym's order); `order` is glibc's sort, dependents first.  A missing,
 * damaged or refused dependency is an error that names the file, the reason and who needed it, and all
 * that was loaded for its sake goes.
 */
#include "opener.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "loader/lock.h"
#include "loader/text.h"
#include "loader/unload.h"

/* --- closures -------------------------------------------------------------------------------------- */

/* Letters that need letters: "a:bc" is liba.so, which needs libb.so and libc.so. */
static void make_graph(const char *const *lines)
{
	for (; *lines; lines++) {
		char soname[16], dep[16];
		struct elfgen *e;

		snprintf(soname, sizeof(soname), "lib_%c.so", (*lines)[0]);
		e = begin(soname);
		for (const char *p = *lines + 2; *p; p++) {
			snprintf(dep, sizeof(dep), "lib_%c.so", *p);
			elfgen_needed(e, dep);
		}
		end(e);
	}
}

static const char *letters(struct image *const *im, unsigned n)
{
	static char text[64];

	for (unsigned i = 0; i < n; i++)
		text[i] = text_base(im[i]->path)[4];
	text[n] = 0;
	return text;
}

static void expect(const char *const *lines, const char *breadth_first, const char *order)
{
	struct state before;
	struct image *im;

	make_graph(lines);
	close_lib(open_lib("lib_a.so", RTLD_NOW));
	before = state(NULL);
	im = open_lib("lib_a.so", RTLD_NOW);
	ck_assert_str_eq(letters(((struct scope_list *)im->search)->im, ((struct scope_list *)im->search)->n),
			 breadth_first);
	ck_assert_str_eq(letters(im->order, im->norder), order);
	close_lib(im);
	closed_again(&before, "a graph");
}

/* dlsym(handle) searches breadth first; constructors run in the reverse of `order`. */
START_TEST(closures)
{
	opener_start();
	expect((const char *[]){"a:", NULL}, "a", "a");
	expect((const char *[]){"a:bc", "b:d", "c:d", "d:", NULL}, "abcd", "abcd");
	expect((const char *[]){"a:bc", "b:", "c:b", NULL}, "abc", "acb");
	expect((const char *[]){"a:bcd", "b:e", "c:", "d:b", "e:c", NULL}, "abcde", "adbec");
	/* Oneself; a circle; a name twice. */
	expect((const char *[]){"a:a", NULL}, "a", "a");
	expect((const char *[]){"a:b", "b:c", "c:a", NULL}, "abc", "abc");
	expect((const char *[]){"a:bb", "b:", NULL}, "ab", "ab");
}
END_TEST

/* With a libc of that release, closing lib_a.so while `other` is open, then that one. */
static void expect_end(int minor, const char *other, const char *order, const char *other_order)
{
	int was = host.minor;
	struct image *im[2] = {open_lib("lib_a.so", RTLD_NOW), open_lib(other, RTLD_NOW)};
	const char *want[2] = {order, other_order};
	struct diag d = {0};
	struct unload u;
	bool last;

	host.minor = minor;
	lock_enter();
	for (int i = 0; i < 2; i++) {
		ck_assert(unload_drop(im[i], &last, &d) && last);
		ck_assert_int_eq(unload_begin(&u, im[i]), *want[i] != 0);
		if (*want[i])
			ck_assert_str_eq(letters(u.im, u.n), want[i]);
		if (*want[i])
			unload_finish(&u);
	}
	lock_leave();
	host.minor = was;
}

/* Destructors. In circles glibc's order depends on the release. */
START_TEST(ends)
{
	opener_start();
	make_graph((const char *[]){"a:b", "b:c", "c:a", "z:a", NULL});
	expect_end(38, "lib_c.so", "", "cab");
	expect_end(39, "lib_c.so", "", "cba");
	expect_end(38, "lib_b.so", "", "cab");
	expect_end(39, "lib_b.so", "", "bca");
	expect_end(39, "lib_z.so", "", "zcab");
	make_graph((const char *[]){"a:bd", "b:c", "c:b", "z:", "d:", NULL});
	expect_end(38, "lib_z.so", "adcb", "z");
	expect_end(39, "lib_z.so", "adcb", "z");
	expect_end(38, "lib_b.so", "ad", "cb");
	expect_end(39, "lib_b.so", "ad", "bc");
}
END_TEST

START_TEST(many)
{
	enum { N = 1500 };
	struct state before;
	struct image *im;
	char name[32];

	opener_start();
	for (int i = 0; i < N; i++) {
		struct elfgen *e;

		snprintf(name, sizeof(name), "libchain%d.so", i);
		e = begin(NULL);
		snprintf(name, sizeof(name), "libchain%d.so", i + 1);
		if (i + 1 < N)
			elfgen_needed(e, name);
		elfgen_build(e);
		snprintf(name, sizeof(name), "libchain%d.so", i);
		elfgen_write(e, kit_path(name));
		elfgen_free(e);
	}
	close_lib(open_lib("libchain0.so", RTLD_NOW));
	before = state(NULL);
	im = open_lib("libchain0.so", RTLD_NOW);
	ck_assert_uint_eq(im->norder, N);
	close_lib(im);
	closed_again(&before, "a long chain");
}
END_TEST

/* --- words ----------------------------------------------------------------------------------------- */

static void expect_words(const char *name, enum diag_kind kind, const char *one, const char *two)
{
	struct state before;
	struct load ld;
	struct diag d = {0};

	open_load(&ld, kit_path(name), RTLD_NOW, &d);
	before = state(NULL);
	ck_assert(!open_load(&ld, kit_path(name), RTLD_NOW, &d));
	ck_assert_msg(d.kind == kind && strstr(d.text, one) && strstr(d.text, two), "%d %s", d.kind, d.text);
	unchanged(&before, NULL, name);
}

START_TEST(missing_parts)
{
	struct elfgen *e;

	opener_start();
	make_graph((const char *[]){"a:b", "b:c", "c:x", NULL});
	expect_words("lib_a.so", DIAG_NOT_FOUND,
		     "lib_x.so: cannot open shared object file: No such file or directory", "lib_c.so");
	make_graph((const char *[]){"x:", NULL});
	e = begin("lib_x.so");
	elfgen_verneed(e, "lib_y.so", "Y_2", false);
	elfgen_needed(e, "lib_y.so");
	end(e);
	e = begin("lib_y.so");
	elfgen_verdef(e, "Y_1", NULL);
	end(e);
	expect_words("lib_a.so", DIAG_NO_VERSION, "version `Y_2' not found (required by", "lib_x.so");
	/* A damaged one, deep down. */
	e = begin("lib_y.so");
	elfgen_build(e);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_val, DT_STRSZ, 0}, 0);
	elfgen_write(e, kit_path("lib_y.so"));
	elfgen_free(e);
	expect_words("lib_a.so", DIAG_BAD_ELF, "lib_y.so", "DT_STRSZ");
	/* Too much thread-local storage with a fixed offset. */
	e = kit_elf();
	e->soname = "lib_y.so";
	elfgen_tls(e, NULL, 0, 100000, 8);
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	elfgen_verdef(e, "Y_2", NULL);
	refer(e, 0, RELOC_TPOFF, 0);
	end(e);
	expect_words("lib_a.so", DIAG_TLS, "lib_y.so", "cannot allocate memory in static TLS block");
	/* Executable stacks are refused. */
	e = begin("lib_y.so");
	elfgen_verdef(e, "Y_2", NULL);
	e->exec_stack = true;
	end(e);
	expect_words("lib_a.so", DIAG_REFUSED, "lib_y.so", "cannot enable executable stack");
	e = begin("lib_y.so");
	elfgen_verdef(e, "Y_2", NULL);
	e->dt_flags_1 = DF_1_NOOPEN;
	end(e);
	expect_words("lib_y.so", DIAG_REFUSED, "lib_y.so", "shared object cannot be dlopen()ed");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, closures);
	tcase_add_test(tc, ends);
	tcase_add_test(tc, many);
	tcase_add_test(tc, missing_parts);
}

KIT_MAIN("closure", add)

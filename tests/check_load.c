/* SPDX-License-Identifier: MIT */
/*
 * check_load: dlopen is a transaction: it happens, or nothing has happened.
 *
 * Every host call and every allocation of a load fails once, for every n the nth; each time the load
 * fails with words, and the arena, open files, mappings, the registry, and the images that were there
 * before are as they were; then the same load succeeds.  The libraries have thread-locals with and
 * without a fixed offset, versions, and each other.
 */
#include "opener.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- libraries ---------------------------------------------------------------------------------------- */

/* libtop.so needs libmid.so and libleaf.so; libmid.so needs libleaf.so. */
static void make_libraries(void)
{
	struct elfgen *e = kit_elf();
	unsigned v, need;

	e->soname = "libleaf.so";
	elfgen_tls(e, "template", 8, 40, 8);
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	v = elfgen_verdef(e, "LEAF_1", NULL);
	define(e, "leaf", STB_GLOBAL, (uint16_t)v);
	refer(e, 0, RELOC_DTPMOD, 0);
	end(e);

	e = kit_elf();
	e->soname = "libmid.so";
	e->runpath = "$ORIGIN";
	elfgen_tls(e, NULL, 0, 24, 8);
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	elfgen_needed(e, "libleaf.so");
	need = elfgen_verneed(e, "libleaf.so", "LEAF_1", false);
	define(e, "mid", STB_GLOBAL, 0);
	refer(e, 0, RELOC_SYMBOLIC, elfgen_sym(e, &(struct elfgen_sym){.name = "leaf", .bind = STB_GLOBAL,
		.version = (uint16_t)need}));
	refer(e, 1, RELOC_TPOFF, 0);
	end(e);

	e = begin("libtop.so");
	elfgen_needed(e, "libmid.so");
	elfgen_needed(e, "libleaf.so");
	refer(e, 0, RELOC_GOT, elfgen_undef(e, "mid"));
	refer(e, 1, RELOC_GOT, elfgen_undef(e, "leaf"));
	refer(e, 2, RELOC_SYMBOLIC, define(e, "top", STB_GLOBAL, 0));
	elfgen_relr(e, KIT_DATA + 40);
	end(e);
}

static void start(void)
{
	opener_start();
	make_libraries();
}

/* --- faults ---------------------------------------------------------------------------------------- */

/* `old` was opened before. */
static void fail_everywhere(const char *name, int mode, struct image *old)
{
	struct load ld;
	struct diag d = {0};
	bool committed = false;
	unsigned n;

	for (n = 1;; n++) {
		struct state before = state(old);
		char what[64];
		bool ok;

		snprintf(what, sizeof(what), "%s, mode %x, call %u", name, mode, n);
		kit_fail(n);
		ok = open_load(&ld, kit_path(name), mode, &d);
		kit_fail(0);
		if (!kit_failed()) {
			ck_assert_msg(ok, "%s", d.text);
			close_lib(ld.root);
			free(before.trace.maps);
			break;
		}
		/* The point of no return: behind it nothing that fails is an error, before it everything. */
		committed |= ok;
		ck_assert_msg(ok == committed, "%s failed unnoticed, or too late: %s", what, d.text);
		if (ok) {
			close_lib(ld.root);
			free(before.trace.maps);
			continue;
		}
		ck_assert_msg(d.kind != DIAG_NONE && d.text[0], "%s: no message", what);
		ck_assert_msg(!ld.want, "%s: wants something of libc", what);
		unchanged(&before, old, what);
	}
	ck_assert_uint_ge(n, 10);
}

/*
 * A first load and unload, so that what grows once (tables, the global scope) has grown; and a library
 * that is nowhere, for what search remembers of each directory.
 */
static void warm_up(int mode)
{
	struct elfgen *e = begin("libalone.so");
	struct diag d = {0};
	struct load ld;

	elfgen_needed(e, "libnowhere.so");
	end(e);
	ck_assert(!open_load(&ld, kit_path("libalone.so"), mode, &d));
	close_lib(open_lib("libtop.so", mode));
}

START_TEST(all_new)
{
	start();
	warm_up(RTLD_NOW);
	fail_everywhere("libtop.so", RTLD_NOW, NULL);
	fail_everywhere("libtop.so", RTLD_LAZY, NULL);
	fail_everywhere("libtop.so", RTLD_NOW | RTLD_DEEPBIND, NULL);
	fail_everywhere("libtop.so", RTLD_NOW | ELF_RTLD_PRIVATE, NULL);
	fail_everywhere("libtop.so", RTLD_NOW | ELF_RTLD_PRIVATE | ELF_RTLD_SNAPSHOT, NULL);
	fail_everywhere("libleaf.so", RTLD_NOW, NULL);
}
END_TEST

START_TEST(all_new_and_global)
{
	start();
	warm_up(RTLD_NOW | RTLD_GLOBAL);
	fail_everywhere("libtop.so", RTLD_NOW | RTLD_GLOBAL, NULL);
}
END_TEST

/* Without a warm-up: also the first load of a process can fail. */
START_TEST(from_cold)
{
	struct load ld;
	struct diag d = {0};
	struct kit_trace before;
	bool ok = false;

	start();
	for (unsigned n = 1; !ok; n++) {
		before = kit_trace();
		kit_fail(n);
		ok = open_load(&ld, kit_path("libtop.so"), RTLD_NOW, &d);
		kit_fail(0);
		ck_assert_msg(ok || d.kind != DIAG_NONE, "call %u: no message", n);
		if (!ok) {
			struct kit_trace now = kit_trace();

			ck_assert_int_eq(now.fds, before.fds);
			ck_assert_msg(!strcmp(now.maps, before.maps), "call %u: mappings", n);
		}
	}
	ck_assert_uint_eq(ld.root->norder, 3);
	close_lib(ld.root);
}
END_TEST

/* A dependency is there already: it keeps its scope, its counters, its place. */
START_TEST(over_an_older_one)
{
	struct image *leaf;

	start();
	leaf = open_lib("libleaf.so", RTLD_NOW);
	warm_up(RTLD_NOW);
	fail_everywhere("libtop.so", RTLD_NOW, leaf);
	fail_everywhere("libmid.so", RTLD_LAZY, leaf);
	ck_assert_uint_eq(leaf->opens, 1);
	close_lib(leaf);
}
END_TEST

/* A library that came as a dependency becomes a root of its own. */
START_TEST(second_root)
{
	struct image *top;
	struct load ld;
	struct diag d = {0};
	bool ok = false;

	start();
	top = open_lib("libtop.so", RTLD_NOW);
	for (unsigned n = 1; !ok; n++) {
		struct state before = state(top);

		kit_fail(n);
		ok = open_load(&ld, kit_path("libmid.so"), RTLD_NOW, &d);
		kit_fail(0);
		if (!ok)
			unchanged(&before, top, "a second root");
	}
	ck_assert_uint_eq(ld.root->opens, 1);
	ck_assert_uint_eq(((struct scope_list *)ld.root->search)->n, 2);
	close_lib(ld.root);
	close_lib(top);
}
END_TEST

/* The last relocation of the last image is bad: all of it goes. */
START_TEST(late_damage)
{
	struct elfgen *e;
	struct state before;
	struct image *leaf;
	struct load ld;
	struct diag d = {0};

	start();
	e = begin("liblate.so");
	elfgen_needed(e, "libtop.so");
	refer(e, 0, RELOC_TPOFF, elfgen_sym(e, &(struct elfgen_sym){.name = "nobody's", .bind = STB_WEAK}));
	refer(e, 1, RELOC_SYMBOLIC, elfgen_undef(e, "nowhere"));
	end(e);
	leaf = open_lib("libleaf.so", RTLD_NOW);
	warm_up(RTLD_NOW);
	before = state(leaf);
	for (int i = 0; i < 3; i++) {
		ck_assert(!open_load(&ld, kit_path("liblate.so"), i ? RTLD_NOW : RTLD_LAZY, &d));
		ck_assert_int_eq(d.kind, DIAG_NO_SYMBOL);
		ck_assert_ptr_nonnull(strstr(d.text, "undefined symbol: nowhere"));
	}
	unchanged(&before, leaf, "an undefined symbol");
}
END_TEST

/* A load that fails has pinned nothing: not the definer of a unique symbol it referred to either. */
START_TEST(unique_symbols)
{
	struct elfgen *e;
	struct state before;
	struct image *one;
	struct load ld;
	struct diag d = {0};

	start();
	e = begin("libone.so");
	define(e, "one_for_all", STB_GNU_UNIQUE, 0);
	end(e);
	e = begin("libtwo.so");
	elfgen_needed(e, "libone.so");
	refer(e, 0, RELOC_SYMBOLIC, elfgen_undef(e, "one_for_all"));
	refer(e, 1, RELOC_SYMBOLIC, elfgen_undef(e, "nowhere"));
	end(e);
	e = begin("libthree.so");
	refer(e, 0, RELOC_SYMBOLIC, define(e, "one_for_all", STB_GNU_UNIQUE, 0));
	end(e);
	one = open_lib("libone.so", RTLD_NOW);
	open_load(&ld, kit_path("libtwo.so"), RTLD_NOW, &d);
	before = state(one);
	ck_assert(!open_load(&ld, kit_path("libtwo.so"), RTLD_NOW, &d));
	unchanged(&before, one, "a failed load");
	ck_assert_msg(!one->pinned && !one->nunique, "a failed load has pinned a library");
	/* One that succeeds has. */
	ck_assert_msg(open_lib("libthree.so", RTLD_NOW)->nunique, "the first definer stays");
}
END_TEST

/* Open and close leave nothing, however often. */
START_TEST(open_and_close)
{
	struct state before;

	start();
	for (int i = 0; i < 50; i++) {
		if (i == 2)
			before = state(NULL);
		close_lib(open_lib(i % 2 ? "libtop.so" : "libmid.so", i % 3 ? RTLD_LAZY : RTLD_NOW));
	}
	closed_again(&before, "opened and closed");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, all_new);
	tcase_add_test(tc, all_new_and_global);
	tcase_add_test(tc, from_cold);
	tcase_add_test(tc, over_an_older_one);
	tcase_add_test(tc, second_root);
	tcase_add_test(tc, late_damage);
	tcase_add_test(tc, unique_symbols);
	tcase_add_test(tc, open_and_close);
}

KIT_MAIN("load", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_load: dlopen is a transaction: it happens, or nothing has happened.
 *
 * Every host call and every allocation of a load fails once, for every n the nth; each time the load
 * fails with words, and the arena, open files, mappings, the registry, and the images that were there
 * before are as they were; then the same load succeeds.  The libraries have thread-locals with and
 * without a fixed offset, versions, and each other.  Also here: what the closure of a load is and in
 * which order, and what is said when a part of it is missing.
 */
#include "kit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/arena.h"
#include "loader/epoch.h"
#include "loader/find.h"
#include "loader/load.h"
#include "loader/lock.h"
#include "loader/registry.h"
#include "loader/text.h"
#include "loader/unload.h"

/* --- libraries ------------------------------------------------------------------------------------- */

static struct elfgen *begin(const char *soname)
{
	struct elfgen *e = kit_elf();

	e->soname = soname;
	e->runpath = "$ORIGIN";
	elfgen_put(e, ELFGEN_TEXT, NULL, 64);
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	return e;
}

static void end(struct elfgen *e)
{
	elfgen_build(e);
	elfgen_write(e, kit_path(e->soname));
	elfgen_free(e);
}

static void refer(struct elfgen *e, unsigned word, enum reloc_kind kind, unsigned sym)
{
	elfgen_rel(e, &(struct elfgen_rel){KIT_DATA + 8 * word, kit_reloc(kind), sym, 0});
}

static unsigned define(struct elfgen *e, const char *name, unsigned char bind, uint16_t version)
{
	return elfgen_sym(e, &(struct elfgen_sym){.name = name, .bind = bind, .type = STT_OBJECT,
		.shndx = 5, .version = version, .value = KIT_DATA + 32, .size = 8});
}

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

/* --- opening --------------------------------------------------------------------------------------- */

static void start(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	find_start(&registry.base, &registry.adds, &registry.subs);
	ck_assert(registry_sync());
	make_libraries();
}

static bool open_load(struct load *ld, const char *path, int mode, struct diag *d)
{
	bool ok;

	*ld = (struct load){.name = path, .mode = mode, .space = &registry.base,
			    .caller = registry.program, .diag = d};
	diag_clear(d);
	lock_enter();
	ok = load_link(ld);
	if (ok)
		load_finish(ld);
	lock_leave();
	return ok;
}

static struct image *open_lib(const char *name, int mode)
{
	struct load ld;
	struct diag d = {0};

	ck_assert_msg(open_load(&ld, kit_path(name), mode, &d), "%s", d.text);
	return ld.root;
}

static void close_lib(struct image *im)
{
	struct diag d = {0};
	struct unload u;
	bool some;

	lock_enter();
	ck_assert_msg(unload_drop(im, &d), "%s", d.text);
	some = unload_begin(&u);
	lock_leave();
	if (!some)
		return;
	unload_fini(&u);
	lock_enter();
	unload_finish(&u);
	lock_leave();
}

/* --- what must not change -------------------------------------------------------------------------- */

struct state {
	struct kit_trace trace;
	unsigned nimage, opens, nbinds, nglobal, nchain;
	unsigned long adds, subs;
	struct image *last;
	struct scope_list *search;
	bool pinned;
	struct image_tls tls;
};

static struct state state(const struct image *old)
{
	struct scope_list *global = registry.base.global;
	struct state s = {.trace = kit_trace(), .nimage = registry.nimage, .adds = registry.adds,
			  .subs = registry.subs, .last = registry.base.last};

	s.nglobal = global ? global->n : 0;
	if (old) {
		s.opens = old->opens;
		s.nbinds = old->nbinds;
		s.nchain = old->chain->n;
		s.search = old->search;
		s.pinned = old->pinned;
		s.tls = old->tls;
	}
	return s;
}

static void unchanged(struct state *before, const struct image *old, const char *what)
{
	struct state now = state(old);

	ck_assert_msg(now.nimage == before->nimage && now.last == before->last, "%s: images", what);
	ck_assert_msg(now.adds == before->adds && now.subs == before->subs, "%s: counters", what);
	ck_assert_msg(now.nglobal == before->nglobal, "%s: global scope", what);
	ck_assert_msg(now.opens == before->opens && now.nbinds == before->nbinds, "%s: counts", what);
	ck_assert_msg(now.nchain == before->nchain && now.search == before->search, "%s: its scope", what);
	ck_assert_msg(now.pinned == before->pinned, "%s: an older image was pinned", what);
	ck_assert_msg(!memcmp(&now.tls, &before->tls, sizeof(now.tls)), "%s: its thread-locals", what);
	free(now.trace.maps);
	kit_unchanged(&before->trace, what);
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
	ck_assert_msg(!one->pinned, "a failed load has pinned a library");
	/* One that succeeds has. */
	ck_assert_msg(open_lib("libthree.so", RTLD_NOW)->pinned, "the first definer stays");
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
	before.adds = registry.adds;
	before.subs = registry.subs;
	unchanged(&before, NULL, "opened and closed");
	ck_assert_uint_eq(registry.adds, registry.subs);
}
END_TEST

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
	before.adds = registry.adds;
	before.subs = registry.subs;
	unchanged(&before, NULL, "a graph");
}

/* dlsym(handle) searches breadth first; constructors run in the reverse of `order`. */
START_TEST(closures)
{
	start();
	expect((const char *[]){"a:", NULL}, "a", "a");
	expect((const char *[]){"a:bc", "b:d", "c:d", "d:", NULL}, "abcd", "abcd");
	expect((const char *[]){"a:bc", "b:", "c:b", NULL}, "abc", "acb");
	expect((const char *[]){"a:bcd", "b:e", "c:", "d:b", "e:c", NULL}, "abcde", "adbec");
	/* Oneself; a circle; a name twice. */
	expect((const char *[]){"a:a", NULL}, "a", "a");
	expect((const char *[]){"a:b", "b:c", "c:a", NULL}, "abc", "acb");
	expect((const char *[]){"a:bb", "b:", NULL}, "ab", "ab");
}
END_TEST

START_TEST(many)
{
	enum { N = 1500 };
	struct state before;
	struct image *im;
	char name[32];

	start();
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
	before.adds = registry.adds;
	before.subs = registry.subs;
	unchanged(&before, NULL, "a long chain");
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

	start();
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
	tcase_add_test(tc, all_new);
	tcase_add_test(tc, all_new_and_global);
	tcase_add_test(tc, from_cold);
	tcase_add_test(tc, over_an_older_one);
	tcase_add_test(tc, second_root);
	tcase_add_test(tc, late_damage);
	tcase_add_test(tc, unique_symbols);
	tcase_add_test(tc, open_and_close);
	tcase_add_test(tc, closures);
	tcase_add_test(tc, many);
	tcase_add_test(tc, missing_parts);
}

KIT_MAIN("load", add)

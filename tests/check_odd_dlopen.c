/* SPDX-License-Identifier: MIT */
/*
 * check_odd_dlopen: libraries that are legal but seldom, and names that are too much, by dlopen with
 * libdlrs preloaded.
 *
 * The rule: what the specifications allow loads and works, however odd; what can not be has an error that
 * names it; afterwards nothing is left.
 */
#include "kit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if ELF_DATA == ELFDATA2LSB && defined __x86_64__
/* mov $42, %eax; ret */
static const unsigned char answer_code[] = {0xb8, 42, 0, 0, 0, 0xc3};
#else
#error "a function of this CPU that returns 42, please"
#endif

static struct elfgen *begin(const char *soname)
{
	struct elfgen *e = kit_elf();

	e->soname = soname;
	e->runpath = "$ORIGIN";
	elfgen_put(e, ELFGEN_TEXT, answer_code, sizeof(answer_code));
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	elfgen_sym(e, &(struct elfgen_sym){"answer", STB_GLOBAL, STT_FUNC, 0, 2, 0, KIT_TEXT, 6});
	elfgen_sym(e, &(struct elfgen_sym){"words", STB_GLOBAL, STT_OBJECT, 0, 5, 0, KIT_DATA, 64});
	return e;
}

/* What is built, and perhaps damaged since. */
static const char *write_as(struct elfgen *e, const char *name)
{
	const char *path = kit_path(name);

	elfgen_write(e, path);
	elfgen_free(e);
	return path;
}

static const char *end_as(struct elfgen *e, const char *name)
{
	elfgen_build(e);
	return write_as(e, name);
}

static void *open_it(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);

	ck_assert_msg(handle, "%s", dlerror());
	return handle;
}

static void *symbol(void *handle, const char *name)
{
	void *at = dlsym(handle, name);

	ck_assert_msg(at, "%s", dlerror());
	return at;
}

static int ask(void *handle)
{
	return ((int (*)(void))symbol(handle, "answer"))();
}

static void shut(void *handle)
{
	ck_assert_msg(!dlclose(handle), "%s", dlerror());
}

static const char *layer; /* for the summary */

/* Opens, asks, closes; the second time nothing may be left. */
static void works(const char *path, const char *what)
{
	struct kit_trace before;

	for (int i = 0; i < 2; i++) {
		void *handle;

		if (i)
			before = kit_trace();
		handle = open_it(path);
		ck_assert_msg(ask(handle) == 42, "%s", what);
		shut(handle);
	}
	kit_unchanged(&before, what);
	kit_input(layer, what, true);
}

static void fails_with(const char *path, int mode, const char *what, const char *words)
{
	struct kit_trace before = kit_trace();
	const char *text;

	ck_assert_msg(!dlopen(path, mode), "%s: was opened", what);
	text = dlerror();
	ck_assert_msg(text && strstr(text, words), "%s: \"%.200s\" has no \"%s\"", what, text ? text : "", words);
	kit_unchanged(&before, what);
	kit_input(layer, what, false);
}

static void fails(const char *path, const char *what, const char *words)
{
	fails_with(path, RTLD_NOW, what, words);
}

/* --- graphs ------------------------------------------------------------------------------------------ */

START_TEST(circles)
{
	struct elfgen *e = begin("libself.so");

	layer = "graph";
	elfgen_needed(e, "libself.so");
	elfgen_needed(e, "libself.so");
	works(end_as(e, "libself.so"), "needs itself, twice");
	e = begin("libone.so");
	elfgen_needed(e, "libtwo.so");
	end_as(e, "libone.so");
	e = begin("libtwo.so");
	elfgen_needed(e, "libone.so");
	works(end_as(e, "libtwo.so"), "needs one that needs it");
}
END_TEST

START_TEST(many_dependencies)
{
	enum { N = 10000 };
	struct elfgen *e = begin("libmany.so");
	char name[32];
	void *handle;

	layer = "graph";
	ck_assert(!mkdir(kit_path("many"), 0700));
	for (int i = 0; i < N; i++) {
		struct elfgen *leaf = kit_elf();

		snprintf(name, sizeof(name), "leaf%d.so", i);
		elfgen_needed(e, name);
		leaf->hash_style = 0;
		elfgen_build(leaf);
		snprintf(name, sizeof(name), "many/leaf%d.so", i);
		elfgen_write(leaf, kit_path(name));
		elfgen_free(leaf);
	}
	handle = open_it(end_as(e, "many/libmany.so"));
	ck_assert_int_eq(ask(handle), 42);
	snprintf(name, sizeof(name), "leaf%d.so", N - 1);
	shut(dlopen(name, RTLD_NOW | RTLD_NOLOAD));
	shut(handle);
	ck_assert_ptr_null(dlopen(name, RTLD_NOW | RTLD_NOLOAD));
	kit_input(layer, "10,000 dependencies", true);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------------- */

static const char *long_name(void)
{
	static char name[65536];

	memset(name, 'n', sizeof(name) - 1);
	return name;
}

START_TEST(long_names)
{
	struct elfgen *e = begin(long_name());
	void *handle;

	layer = "names";
	elfgen_sym(e, &(struct elfgen_sym){long_name(), STB_GLOBAL, STT_OBJECT, 0, 5, 0, KIT_DATA + 8, 8});
	works(end_as(e, "longsoname.so"), "a soname of 64 KiB");
	handle = open_it(kit_path("longsoname.so"));
	ck_assert_ptr_eq(symbol(handle, long_name()), (char *)symbol(handle, "words") + 8);
	ck_assert_ptr_eq(open_it(long_name()), handle);
	e = begin("libuser.so");
	elfgen_needed(e, long_name());
	elfgen_rel(e, &(struct elfgen_rel){KIT_DATA, kit_reloc(RELOC_SYMBOLIC),
		elfgen_undef(e, long_name()), 0});
	works(end_as(e, "libuser.so"), "a dependency and a symbol of 64 KiB");
	shut(handle);
	shut(handle);
	ck_assert_ptr_null(dlopen("libnowhere.so", RTLD_NOW)); /* maps ld.so.cache */
	fails(long_name(), "opening a name of 64 KiB", "File name too long");
	fails(kit_path("libuser.so"), "needing a name of 64 KiB", "File name too long");
	e = begin("libundefined.so");
	elfgen_rel(e, &(struct elfgen_rel){KIT_DATA, kit_reloc(RELOC_SYMBOLIC),
		elfgen_undef(e, long_name()), 0});
	fails(end_as(e, "libundefined.so"), "an undefined symbol of 64 KiB", "undefined symbol: nnnn");
}
END_TEST

START_TEST(odd_names)
{
	struct elfgen *e = begin("libempty.so");
	void *handle;
	char cwd[512];

	layer = "names";
	elfgen_needed(e, ""); /* the program's own name, to ld.so */
	works(end_as(e, "libempty.so"), "needs the empty name");
	end_as(begin("libhere.so"), "libhere.so");
	ck_assert(getcwd(cwd, sizeof(cwd)) && !mkdir(kit_path("sub"), 0700) && !chdir(kit_path("sub")));
	e = begin("libdots.so");
	elfgen_needed(e, "../libhere.so");
	works(end_as(e, "libdots.so"), "needs ../libhere.so");
	e = begin("libslash.so");
	elfgen_needed(e, ".././sub//../libhere.so");
	works(end_as(e, "libslash.so"), "needs .././sub//../libhere.so");
	ck_assert(!chdir(cwd));
	fails(kit_path("libdots.so"), "../libhere.so from elsewhere", "../libhere.so: cannot open");
	/* Somebody calls himself libc. */
	handle = open_it(end_as(begin("libc.so.6"), "libfake.so"));
	ck_assert_int_eq(ask(handle), 42);
	ck_assert_ptr_eq(symbol(open_it("libc.so.6"), "qsort"), (void *)qsort);
	ck_assert_ptr_null(dlsym(open_it("libc.so.6"), "answer"));
	shut(handle);
	/* Two files of one soname: the first that came answers to it. */
	handle = open_it(end_as(begin("libtwin.so"), "twin1.so"));
	ck_assert_ptr_ne(open_it(end_as(begin("libtwin.so"), "twin2.so")), handle);
	ck_assert_ptr_eq(open_it("libtwin.so"), handle);
	kit_input(layer, "sonames that others have", true);
}
END_TEST

/* --- tables ------------------------------------------------------------------------------------------ */

START_TEST(hashes)
{
	static const char *const what[] = {"no hash", "only the old hash", "only the new hash", "both"};

	layer = "hash tables";
	for (unsigned style = 0; style < 4; style++) {
		struct elfgen *e = begin("libhash.so");
		void *handle;

		e->hash_style = style; /* ELFGEN_SYSV 1, ELFGEN_GNU 2 */
		end_as(e, "libhash.so");
		if (style) {
			works(kit_path("libhash.so"), what[style]);
			continue;
		}
		handle = open_it(kit_path("libhash.so"));
		ck_assert_ptr_null(dlsym(handle, "answer"));
		ck_assert_ptr_nonnull(strstr(dlerror(), "undefined symbol: answer"));
		shut(handle);
	}
	for (unsigned style = 1; style < 3; style++) {
		struct elfgen *e = kit_elf(); /* without symbols */
		void *handle;

		e->hash_style = style;
		handle = open_it(end_as(e, "libnone.so"));
		ck_assert_ptr_null(dlsym(handle, "answer"));
		ck_assert_ptr_nonnull(dlerror());
		shut(handle);
	}
	kit_input(layer, "hashes without symbols, symbols without hashes", true);
}
END_TEST

/* Where 1000 symbols share one chain, and one bit. */
START_TEST(one_bucket)
{
	struct elfgen *e = begin("libbucket.so");
	char name[32];
	void *handle;

	layer = "hash tables";
	e->nbucket = e->bloom_words = 1;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "symbol%d", i);
		elfgen_def(e, name, KIT_DATA + (uint64_t)(i % 8) * 8);
	}
	works(end_as(e, "libbucket.so"), "1000 symbols in one bucket");
	handle = open_it(kit_path("libbucket.so"));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "symbol%d", i);
		ck_assert_ptr_eq(symbol(handle, name), (char *)symbol(handle, "words") + i % 8 * 8);
	}
	shut(handle);
}
END_TEST

START_TEST(unaligned)
{
	struct elfgen *e = begin("libodd.so");
	uintptr_t word;
	void *handle;

	layer = "relocations";
	for (unsigned i = 0; i < 4; i++)
		elfgen_rel(e, &(struct elfgen_rel){KIT_DATA + 1 + 9 * i, kit_reloc(RELOC_RELATIVE), 0,
			KIT_TEXT + i});
	handle = open_it(end_as(e, "libodd.so"));
	for (unsigned i = 0; i < 4; i++) {
		memcpy(&word, (char *)symbol(handle, "words") + 1 + 9 * i, sizeof(word));
		ck_assert_uint_eq(word, (uintptr_t)symbol(handle, "answer") + i);
	}
	shut(handle);
	works(kit_path("libodd.so"), "unaligned places");
}
END_TEST

/* Text that is relocated is executable again afterwards, and not writable. */
START_TEST(text)
{
	struct elfgen *e = begin("libtext.so");
	void *handle;

	layer = "relocations";
	elfgen_put(e, ELFGEN_TEXT, NULL, 64);
	elfgen_rel(e, &(struct elfgen_rel){KIT_TEXT + 32, kit_reloc(RELOC_RELATIVE), 0, KIT_TEXT});
	end_as(e, "libtext.so");
	fails(kit_path("libtext.so"), "relocated text without DT_TEXTREL", "outside the writable segments");
	e = begin("libtext.so");
	e->textrel = true;
	elfgen_put(e, ELFGEN_TEXT, NULL, 64);
	elfgen_rel(e, &(struct elfgen_rel){KIT_TEXT + 32, kit_reloc(RELOC_RELATIVE), 0, KIT_TEXT});
	works(end_as(e, "libtext.so"), "DT_TEXTREL");
	handle = open_it(kit_path("libtext.so"));
	ck_assert_ptr_eq(*(void **)((char *)symbol(handle, "answer") + 32), symbol(handle, "answer"));
	shut(handle);
}
END_TEST

START_TEST(alignment)
{
	layer = "PT_LOAD";
	for (uint64_t page = 0x4000; page <= 0x200000; page *= 2) {
		struct elfgen *e = begin("libpage.so");
		char what[64];
		void *handle;

		e->page = page;
		end_as(e, "libpage.so");
		snprintf(what, sizeof(what), "segments aligned to %d KiB", (int)(page >> 10));
		handle = open_it(kit_path("libpage.so"));
		ck_assert_uint_eq((uintptr_t)symbol(handle, "answer") % page, 0);
		shut(handle);
		works(kit_path("libpage.so"), what);
	}
}
END_TEST

/* Only what the file itself asks for is writable and executable. */
START_TEST(writable_code)
{
	struct elfgen *e = begin("librwx.so");

	layer = "PT_LOAD";
	elfgen_build(e);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_flags, PT_LOAD, 1}, PF_R | PF_W | PF_X);
	works(write_as(e, "librwx.so"), "a writable code segment");
}
END_TEST

/* 2^46 bytes: the address space has them, this process may not. */
START_TEST(huge)
{
	struct elfgen *e = begin("libhuge.so");

	layer = "PT_LOAD";
	elfgen_build(e);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_memsz, PT_LOAD, 3}, (uint64_t)1 << 46);
	fails(write_as(e, "libhuge.so"), "a segment of 2^46 bytes", "failed to map segment from shared object");
}
END_TEST

/* 0 and -1 are no constructors; the two between them count. */
START_TEST(constructors)
{
	unsigned char code[] = {0xff, 0x05, 0, 0, 0, 0, 0xc3}; /* incl words(%rip); ret */
	uint64_t array[] = {0, UINT64_MAX, 0, 0, 0, UINT64_MAX};
	struct elfgen *e = begin("libarray.so");
	int32_t distance;
	void *handle;

	layer = "dynamic section";
	array[2] = array[4] = elfgen_put(e, ELFGEN_TEXT, NULL, 64);
	distance = (int32_t)(KIT_DATA - (array[2] + 6));
	memcpy(code + 2, &distance, sizeof(distance));
	memcpy(e->part[ELFGEN_TEXT].at + (array[2] - KIT_TEXT), code, sizeof(code));
	e->init_array = e->fini_array = elfgen_words(e, ELFGEN_RELRO, array, 6);
	e->ninit = e->nfini = 6;
	elfgen_relr(e, e->init_array + 16);
	elfgen_relr(e, e->init_array + 32);
	handle = open_it(end_as(e, "libarray.so"));
	ck_assert_int_eq(*(int *)symbol(handle, "words"), 2);
	shut(handle);
	works(kit_path("libarray.so"), "constructors that are 0 or -1");
}
END_TEST

/* A thread-local of a library that has no thread-local storage is nowhere. */
START_TEST(thread_local_of_nobody)
{
	struct elfgen *e = begin("libnobody.so");
	void *handle;

	layer = "TLS";
	elfgen_sym(e, &(struct elfgen_sym){"nobodys", STB_GLOBAL, STT_TLS, 0, 4, 0, 8, 8});
	handle = open_it(end_as(e, "libnobody.so"));
	ck_assert_ptr_null(dlsym(handle, "nobodys"));
	ck_assert_msg(strstr(dlerror(), "undefined symbol: nobodys"), "another error");
	shut(handle);
	works(kit_path("libnobody.so"), "a thread-local without PT_TLS");
}
END_TEST

/* What is bound late is looked at early. */
START_TEST(late_binding_of_no_symbol)
{
	struct elfgen *e = begin("liblate.so");

	layer = "relocations";
	e->pltgot = elfgen_put(e, ELFGEN_DATA, NULL, 64);
	elfgen_plt(e, &(struct elfgen_rel){e->pltgot + 24, kit_reloc(RELOC_PLT), 0, 0});
	elfgen_build(e);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_plt_info, 0, 0}, (uint64_t)99 << 32 | kit_reloc(RELOC_PLT));
	fails_with(write_as(e, "liblate.so"), RTLD_LAZY, "late binding of symbol 99", "relocation names symbol 99");
}
END_TEST

/* Zeros are no tables: nobody works through terabytes of them. */
START_TEST(tables_in_zeros)
{
	struct elfgen *e = begin("libzeros.so");

	layer = "dynamic section";
	elfgen_rel(e, &(struct elfgen_rel){KIT_DATA, kit_reloc(RELOC_RELATIVE), 0, 0});
	elfgen_build(e);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_memsz, PT_LOAD, 3}, (uint64_t)1 << 38);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_flags, PT_LOAD, 3}, PF_R);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_val, ARCH_RELA ? DT_RELA : DT_REL, 0}, KIT_DATA + 0x10000);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_val, ARCH_RELA ? DT_RELASZ : DT_RELSZ, 0},
		    ((uint64_t)1 << 36) / 24 * 24);
	fails(write_as(e, "libzeros.so"), "relocations in zeros", "relocations outside the image");
}
END_TEST

/* A segment without a byte is none, also where zeros begin on its page. */
START_TEST(empty_segment)
{
	struct elfgen *e = begin("libempty.so");

	layer = "PT_LOAD";
	elfgen_phdr(e, &(struct elfgen_phdr){PT_LOAD, PF_R | PF_W, 8, KIT_DATA + 0x200008, 0, 0, 0x1000});
	elfgen_phdr(e, &(struct elfgen_phdr){PT_LOAD, PF_R | PF_W, 0x10, KIT_DATA + 0x200010, 0, 0x100, 0x1000});
	works(end_as(e, "libempty.so"), "an empty segment, then zeros on its page");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, circles);
	tcase_add_test(tc, many_dependencies);
	tcase_add_test(tc, long_names);
	tcase_add_test(tc, odd_names);
	tcase_add_test(tc, hashes);
	tcase_add_test(tc, one_bucket);
	tcase_add_test(tc, unaligned);
	tcase_add_test(tc, text);
	tcase_add_test(tc, alignment);
	tcase_add_test(tc, writable_code);
	tcase_add_test(tc, huge);
	tcase_add_test(tc, constructors);
	tcase_add_test(tc, thread_local_of_nobody);
	tcase_add_test(tc, late_binding_of_no_symbol);
	tcase_add_test(tc, tables_in_zeros);
	tcase_add_test(tc, empty_segment);
}

KIT_DLOPEN_MAIN("odd libraries by dlopen", add)

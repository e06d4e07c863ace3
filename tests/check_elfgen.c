/* SPDX-License-Identifier: MIT */
/*
 * check_elfgen: the generator itself, judged by others.
 *
 * What it makes for this machine is opened by libc's own dlopen, which must find every symbol, apply
 * every relocation and honour versions.  What it makes for both classes and both byte orders is read by
 * readelf, which must have nothing to warn of.
 */
#include "kit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct elfgen *library(unsigned style)
{
	struct elfgen *e = kit_elf();
	uint64_t words[4] = {11, 22, 33, 44}, data;
	unsigned v1, v2, need, sym;

	e->soname = "libelfgen.so";
	e->hash_style = style;
	elfgen_tls(e, "thread's", 8, 16, 8);
	data = elfgen_words(e, ELFGEN_DATA, words, 4);
	e->bss = 10000;
	v1 = elfgen_verdef(e, "E_1", NULL);
	v2 = elfgen_verdef(e, "E_2", "E_1");
	elfgen_needed(e, "libc.so.6");
	need = elfgen_verneed(e, "libc.so.6", "GLIBC_2.2.5", true);
	elfgen_sym(e, &(struct elfgen_sym){"two", STB_GLOBAL, STT_OBJECT, 0, 5, (uint16_t)(v1 | 0x8000), data, 8});
	elfgen_sym(e, &(struct elfgen_sym){"two", STB_GLOBAL, STT_OBJECT, 0, 5, (uint16_t)v2, data + 8, 8});
	elfgen_sym(e, &(struct elfgen_sym){"tls", STB_GLOBAL, STT_TLS, 0, 4, (uint16_t)v1, 0, 8});
	sym = elfgen_sym(e, &(struct elfgen_sym){"word", STB_GLOBAL, STT_OBJECT, 0, 5, (uint16_t)v1, data + 16, 8});
	elfgen_sym(e, &(struct elfgen_sym){"bss", STB_GLOBAL, STT_OBJECT, 0, 5, (uint16_t)v1, data + 5000, 8});
	elfgen_sym(e, &(struct elfgen_sym){.name = "getpid", .bind = STB_WEAK, .type = STT_FUNC,
		.version = (uint16_t)need});
	words[0] = data + 24;
	elfgen_sym(e, &(struct elfgen_sym){"to_word", STB_GLOBAL, STT_OBJECT, 0, 5, (uint16_t)v1,
		elfgen_words(e, ELFGEN_DATA, words, 1), 8});
	elfgen_rel(e, &(struct elfgen_rel){data + 32, kit_reloc(RELOC_SYMBOLIC), sym, 8});
	elfgen_note(e, 3, "0123456789ab", 12);
	elfgen_build(e);
	return e;
}

/* Only where libc's loader is glibc's: its soname is in the file. */
START_TEST(opened_by_libc)
{
	if (host.libc != HOST_GLIBC)
		return;
	for (unsigned style = 1; style < 4; style++) {
		struct elfgen *e = library(style);
		char *bss;
		void *h;

		elfgen_write(e, kit_path("libelfgen.so"));
		h = dlopen(kit_path("libelfgen.so"), RTLD_NOW);
		ck_assert_msg(h, "%s", dlerror());
		ck_assert_int_eq(*(long *)dlsym(h, "two"), 22);
		ck_assert_int_eq(*(long *)dlvsym(h, "two", "E_1"), 11);
		ck_assert_int_eq(*(long *)dlvsym(h, "two", "E_2"), 22);
		ck_assert_ptr_null(dlvsym(h, "two", "E_3"));
		ck_assert_ptr_null(dlsym(h, "three"));
		ck_assert_int_eq(memcmp(dlsym(h, "tls"), "thread's\0\0\0", 11), 0);
		ck_assert_int_eq(**(long **)dlsym(h, "to_word"), 44);
		bss = dlsym(h, "bss");
		for (int i = 0; i < 5000; i++)
			ck_assert_int_eq(bss[i], 0);
		dlclose(h);
		elfgen_free(e);
	}
}
END_TEST

/* Everything in the dynamic section, with no section headers to help. */
static void ask_readelf(const struct elfgen *e, const char *what)
{
	const char *readelf = getenv("READELF");
	char command[512], line[512], all[4096] = "";
	FILE *f;

	elfgen_write(e, kit_path("any.so"));
	snprintf(command, sizeof(command), "%s -aDW '%s' 2>&1", readelf && *readelf ? readelf : "readelf",
		 kit_path("any.so"));
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		ck_assert_msg(!strstr(line, "Warning") && !strstr(line, "Error"), "%s: %s", what, line);
		if (strlen(all) + strlen(line) < sizeof(all) && strstr(line, "two"))
			strcat(all, line);
	}
	ck_assert_int_eq(pclose(f), 0);
	ck_assert_msg(strstr(all, "two@E_1") && strstr(all, "two@@E_2"), "%s: %s", what, all);
}

START_TEST(read_by_readelf)
{
	for (int i = 0; i < 4; i++) {
		struct elfgen *e = elfgen_new(i & 1 ? EM_386 : EM_X86_64);
		uint64_t words[4] = {1, 2, 3, 4}, data;
		unsigned v1, v2;
		char what[64];

		e->class = i & 1 ? ELFCLASS32 : ELFCLASS64;
		e->data = i & 2 ? ELFDATA2MSB : ELFDATA2LSB;
		e->rela = !(i & 1);
		e->soname = "libany.so";
		elfgen_tls(e, "12345678", 8, 16, 8);
		data = elfgen_words(e, ELFGEN_DATA, words, 4);
		v1 = elfgen_verdef(e, "E_1", NULL);
		v2 = elfgen_verdef(e, "E_2", "E_1");
		elfgen_needed(e, "libc.so.6");
		elfgen_verneed(e, "libc.so.6", "GLIBC_2.2.5", false);
		elfgen_sym(e, &(struct elfgen_sym){"two", STB_GLOBAL, STT_OBJECT, 0, 5,
			(uint16_t)(v1 | 0x8000), data, 8});
		elfgen_sym(e, &(struct elfgen_sym){"two", STB_GLOBAL, STT_OBJECT, 0, 5, (uint16_t)v2, data, 8});
		elfgen_rel(e, &(struct elfgen_rel){data + 8, 8 /* RELATIVE */, 0, 5});
		for (uint64_t at = data + 16; at < data + 32; at += i & 1 ? 4 : 8)
			elfgen_relr(e, at);
		elfgen_note(e, 3, "0123456789ab", 12);
		elfgen_build(e);
		snprintf(what, sizeof(what), "class %d, byte order %d", e->class, e->data);
		ask_readelf(e, what);
		elfgen_free(e);
	}
}
END_TEST

/* A poke changes one field, a peek reads it back, and everything else stays. */
START_TEST(pokes)
{
	for (int i = 0; i < ELFGEN_NFIELDS; i++) {
		struct elfgen *e = library(3);
		struct elfgen_place at = {(enum elfgen_field)i, 0, 0};
		unsigned char *before;
		unsigned changed = 0;
		uint64_t old;

		/* The first entry of the tables this library has. */
		if (i == ELFGEN_NO_FIELD || i == ELFGEN_relr ||
		    (i >= ELFGEN_plt_offset && i <= ELFGEN_plt_addend)) {
			elfgen_free(e);
			continue;
		}
		at.key = i >= ELFGEN_p_type && i <= ELFGEN_p_align ? PT_LOAD : DT_NEEDED;
		before = malloc(e->len);
		memcpy(before, e->buf, e->len);
		old = elfgen_peek(e, at);
		elfgen_poke(e, at, old ^ 1);
		for (size_t k = 0; k < e->len; k++)
			changed += before[k] != e->buf[k];
		ck_assert_msg(changed == 1, "field %d: %u bytes changed", i, changed);
		if (i != ELFGEN_p_type && i != ELFGEN_d_tag)
			ck_assert_uint_eq(elfgen_peek(e, at), old ^ 1);
		free(before);
		elfgen_free(e);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, opened_by_libc);
	tcase_add_test(tc, read_by_readelf);
	tcase_add_test(tc, pokes);
}

KIT_MAIN("elfgen", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_reloc_bad: relocations that are refused, on the made-up CPU.
 *
 * The rules: no store outside the writable segments, not by one byte; no symbol beyond the table; no
 * type that the CPU does not have; no value that does not fit its place; no thread-local reference to
 * something else.  An undefined symbol's message says who was asked, and where it does exist.
 */
#include "model_user.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/reloc.h"

struct refusal {
	const char *name;
	uint64_t va;
	uint32_t type;
	unsigned sym;
	int64_t addend;
	enum diag_kind kind;
	const char *phrase;
};

static void refuse(const struct refusal *r, bool plt)
{
	struct user u = user();
	struct kit_bad b = {.name = r->name, .kind = r->kind, .phrase = r->phrase};
	struct elfgen_rel one = {r->va, r->type, r->sym, r->addend};
	struct diag d = {0};
	bool ok;

	everything = NULL;
	definer("def.so");
	(plt ? elfgen_plt : elfgen_rel)(u.e, &one);
	finish_user(&u);
	ok = reloc_tls(u.im, &d) && reloc_bind(u.im, &d) && reloc_ifunc(u.im, &d);
	kit_verdict(&b, ok, &d);
	kit_input("relocations", r->name, ok);
	image_free(u.im);
	elfgen_free(u.e);
}

START_TEST(places)
{
	struct user u = user(); /* for its numbers; bss begins behind 512 bytes and has 24 */
	const uint64_t end = KIT_DATA + 512 + 24, hole = KIT_RELRO - 0x100000;
	const char *out = "outside the writable segments";
	const struct refusal list[] = {
		{"text", KIT_TEXT, R_MODEL_RELATIVE, 0, 0, DIAG_BAD_ELF, out},
		{"read-only data", ELFGEN_VA(ELFGEN_RODATA), R_MODEL_RELATIVE, 0, 0, DIAG_BAD_ELF, out},
		{"the ELF header", 0, R_MODEL_SYMBOLIC, u.data, 0, DIAG_BAD_ELF, out},
		{"between the segments", hole, R_MODEL_SYMBOLIC, u.data, 0, DIAG_BAD_ELF, out},
		{"before the image", (uintptr_t)-8, R_MODEL_RELATIVE, 0, 0, DIAG_BAD_ELF, out},
		{"wrapping", (uintptr_t)-1, R_MODEL_RELATIVE, 0, 0, DIAG_BAD_ELF, out},
		{"behind the image", end, R_MODEL_RELATIVE, 0, 0, DIAG_BAD_ELF, out},
		{"last word of bss", end - 8, R_MODEL_RELATIVE, 0, 0, DIAG_NONE, ""},
		{"one byte too far", end - 7, R_MODEL_RELATIVE, 0, 0, DIAG_BAD_ELF, out},
		{"one byte too early", KIT_DATA - 1, R_MODEL_RELATIVE, 0, 0, DIAG_BAD_ELF, out},
		{"four bytes", end - 4, R_MODEL_ABS32, u.abs, 0, DIAG_NONE, ""},
		{"of four, one too far", end - 3, R_MODEL_ABS32, u.abs, 0, DIAG_BAD_ELF, out},
		{"eight bytes", end - 4, R_MODEL_PC64, u.abs, 0, DIAG_BAD_ELF, out},
		{"two words", end - 16, R_MODEL_TLSDESC, 0, 0, DIAG_NONE, ""},
		{"of two words, the second", end - 8, R_MODEL_TLSDESC, 0, 0, DIAG_BAD_ELF, out},
		{"unaligned", KIT_DATA + 3, R_MODEL_SYMBOLIC, u.data, 0, DIAG_NONE, ""},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		refuse(&list[i], false);
		refuse(&list[i], true);
	}
	/* Nothing is written, so nothing is checked. */
	refuse(&(struct refusal){"R_MODEL_NONE", 0, R_MODEL_NONE, 0, 0, DIAG_NONE, ""}, false);
}
END_TEST

/* In a segment of a few bytes a wider relocation behind a narrower one. */
START_TEST(short_segment)
{
	static const struct {
		unsigned len;
		uint32_t first, second;
		bool ok;
	} list[] = {
		{16, R_MODEL_RELATIVE, R_MODEL_TLSDESC, true}, {15, R_MODEL_RELATIVE, R_MODEL_TLSDESC, false},
		{8, R_MODEL_RELATIVE, R_MODEL_TLSDESC, false}, {8, R_MODEL_SIZE32, R_MODEL_RELATIVE, true},
		{7, R_MODEL_SIZE32, R_MODEL_RELATIVE, false},  {4, R_MODEL_SIZE32, R_MODEL_RELATIVE, false},
		{4, R_MODEL_SIZE32, R_MODEL_PC64, false},      {3, R_MODEL_SIZE32, R_MODEL_NONE, false},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct elfgen *e = kit_elf();
		struct diag d = {0};
		struct image *im;

		elfgen_tls(e, NULL, 0, 8, 8);
		elfgen_put(e, ELFGEN_DATA, NULL, list[i].len);
		elfgen_rel(e, &(struct elfgen_rel){KIT_DATA, list[i].first, 0, 0});
		elfgen_rel(e, &(struct elfgen_rel){KIT_DATA, list[i].second, 0, 0});
		elfgen_build(e);
		im = kit_load(e, "short.so", &d);
		ck_assert_msg(im, "%s", d.text);
		im->tls.place = TLS_STATIC;
		ck_assert_msg(reloc_bind(im, &d) == list[i].ok, "type %u, then type %u in %u bytes: %s",
			      list[i].first, list[i].second, list[i].len, d.text);
		ck_assert(list[i].ok || strstr(d.text, "outside the writable segments"));
		image_free(im);
		elfgen_free(e);
	}
}
END_TEST

START_TEST(values)
{
	struct user u = user();
	const uint64_t at = KIT_DATA + 64;
	const struct refusal list[] = {
		{"unknown type", at, R_MODEL_UNKNOWN, u.data, 0, DIAG_BAD_ELF, "unexpected reloc type 0x23"},
		{"type of 32 bits", at, 0x10000007, u.data, 0, DIAG_BAD_ELF, "unexpected reloc type"},
		{"COPY", at, R_MODEL_COPY, u.data, 0, DIAG_BAD_ELF, "copy relocation"},
		{"missing symbol", at, R_MODEL_SYMBOLIC, u.missing, 0, DIAG_NO_SYMBOL, "undefined symbol: missing"},
		{"missing function", at, R_MODEL_PLT, u.missing, 0, DIAG_NO_SYMBOL, "undefined symbol: missing"},
		{"TLS of an object", at, R_MODEL_TPOFF, u.data, 0, DIAG_BAD_ELF, "not thread-local"},
		{"module of an object", at, R_MODEL_DTPMOD, u.local, 0, DIAG_BAD_ELF, "not thread-local"},
		{"IRELATIVE to data", at, R_MODEL_IRELATIVE, 0, KIT_DATA, DIAG_BAD_ELF, "not code"},
		{"IRELATIVE to nowhere", at, R_MODEL_IRELATIVE, 0, -1, DIAG_BAD_ELF, "not code"},
		{"ABS32 of an address", at, R_MODEL_ABS32, u.data, 0, DIAG_BAD_ELF, "32-bit"},
		{"ABS32 of 2^32", at, R_MODEL_ABS32, u.big, 0, DIAG_BAD_ELF, "32-bit"},
		{"ABS32 of 2^32 - 1", at, R_MODEL_ABS32, u.big, -1, DIAG_NONE, ""},
		{"ABS32 below 0", at, R_MODEL_ABS32, u.abs, -0x2000, DIAG_BAD_ELF, "32-bit"},
		{"PC32 too far", at, R_MODEL_PC32, u.local, 0x80000030, DIAG_BAD_ELF, "32-bit"},
		{"PC32 as far as it goes", at, R_MODEL_PC32, u.local, 0x8000002f, DIAG_NONE, ""},
		{"PC32 too far down", at, R_MODEL_PC32, u.local, -0x81000000ll, DIAG_BAD_ELF, "32-bit"},
		{"SIZE32 too much", at, R_MODEL_SIZE32, u.big, 0, DIAG_BAD_ELF, "32-bit"},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		refuse(&list[i], false);
}
END_TEST

static bool try(struct user *u, struct diag *d)
{
	*d = (struct diag){0};
	return reloc_tls(u->im, d) && reloc_bind(u->im, d) && reloc_ifunc(u->im, d);
}

/* The message names the reference's version, who was asked, and where the symbol does exist. */
START_TEST(words)
{
	struct user u = user();
	struct image *def = definer("def.so"), *outsider;
	struct space space = {.first = def};
	struct diag d;

	rel(&u, 0, R_MODEL_SYMBOLIC, u.missing, 0);
	finish_user(&u);
	ck_assert(!try(&u, &d));
	ck_assert_ptr_nonnull(strstr(d.text, "user.so: undefined symbol: missing"));
	ck_assert_ptr_nonnull(strstr(d.text, "searched: def.so user.so"));
	{
		struct elfgen *e = kit_elf();

		elfgen_def(e, "missing", 8);
		elfgen_build(e);
		outsider = kit_load(e, "outsider.so", &d);
		elfgen_free(e);
	}
	def->next = outsider;
	u.im->space = &space;
	ck_assert(!try(&u, &d));
	ck_assert_ptr_nonnull(strstr(d.text, "outsider.so defines it"));
}
END_TEST

START_TEST(impossible_symbols)
{
	struct user u = user();
	struct diag d;

	definer("def.so");
	rel(&u, 0, R_MODEL_SYMBOLIC, u.local, 0);
	rel(&u, 1, R_MODEL_RELATIVE, 0, 0);
	finish_user(&u);
	for (uint64_t index = u.im->st.nsym; index; index = index < 0xffffffff ? index * 3 + 1 : 0) {
		elf_rela *r = (elf_rela *)(uintptr_t)u.im->dyn.rel.at;

		if (index > 0xffffffff)
			index = 0xffffffff;
		u.im->map.textrel_open = true;
		host_mem->protect((void *)((uintptr_t)r & -host.page), host.page, 3);
		r->r_info = index << 32 | R_MODEL_SYMBOLIC;
		ck_assert_msg(!try(&u, &d), "symbol %" PRIu64 " of %u", index, u.im->st.nsym);
		ck_assert_ptr_nonnull(strstr(d.text, "relocation names symbol"));
	}
}
END_TEST

/* A library without PT_TLS has no thread-locals to refer to; a dynamic one has no fixed offset. */
START_TEST(impossible_tls)
{
	struct user u = user();
	struct image *def = definer("def.so");
	struct diag d;

	rel(&u, 0, R_MODEL_TPOFF, u.tls, 0);
	finish_user(&u);
	def->tls.place = TLS_HOST;
	def->host = true;
	ck_assert(!try(&u, &d));
	ck_assert_int_eq(d.kind, DIAG_TLS);
	ck_assert_ptr_nonnull(strstr(d.text, "cannot allocate memory in static TLS block"));
	def->tls.host_static = true;
	ck_assert_msg(try(&u, &d), "%s", d.text);
	def->tls.memsz = 0;
	ck_assert(!try(&u, &d));
	ck_assert_int_eq(d.kind, DIAG_BAD_ELF);
	ck_assert_ptr_nonnull(strstr(d.text, "no PT_TLS"));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, places);
	tcase_add_test(tc, short_segment);
	tcase_add_test(tc, values);
	tcase_add_test(tc, words);
	tcase_add_test(tc, impossible_symbols);
	tcase_add_test(tc, impossible_tls);
}

KIT_MAIN("reloc_bad", add)

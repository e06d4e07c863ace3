/* SPDX-License-Identifier: MIT */
/*
 * check_reloc: every kind of relocation, on the made-up CPU.
 *
 * The sums are those of arch/model/arch.h, written out with addresses that the test computes itself.  The
 * CPU has TLS variant 1 with biased offsets, so that the terms which are 0 on x86-64 are seen here.  Also:
 * the order of IFUNC resolvers, lazy slots, and what a binding leaves behind.  check_reloc_bad has what
 * is refused.
 */
#include "model_user.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/arena.h"
#include "loader/reloc.h"

/* --- the sums -------------------------------------------------------------------------------------- */

START_TEST(formulas)
{
	struct user u = user();
	struct image *def = definer("def.so");
	struct diag d = {0};
	uintptr_t b, p, s;
	unsigned i = 0;
	struct {
		uint32_t type;
		unsigned sym;
		int64_t a;
	} list[] = {
		{R_MODEL_RELATIVE, 0, 0x111}, {R_MODEL_RELATIVE_2, 0, -0x10}, {R_MODEL_SYMBOLIC, u.data, 5},
		{R_MODEL_SYMBOLIC, u.abs, -4}, {R_MODEL_SYMBOLIC, u.weak, 7}, {R_MODEL_GOT, u.func, 99},
		{R_MODEL_GOT, u.weak, 0}, {R_MODEL_PLT, u.func, 99}, {R_MODEL_PC64, u.data, 3},
		{R_MODEL_SIZE, u.data, 2}, {R_MODEL_DTPMOD, u.tls, 0}, {R_MODEL_DTPMOD, 0, 0},
		{R_MODEL_DTPOFF, u.tls, 3}, {R_MODEL_DTPOFF, u.own_tls, 0}, {R_MODEL_TPOFF, u.tls, 1},
		{R_MODEL_TPOFF, 0, 16}, {R_MODEL_TPOFF, u.own_tls, 0}, {R_MODEL_SYMBOLIC, u.protect, 0},
		{R_MODEL_SYMBOLIC, u.local, 0}, {R_MODEL_SYMBOLIC, u.shared, 0}, {R_MODEL_NONE, 60000, 1},
	};

	u.e->bloom_words = 1;
	for (i = 0; i < sizeof(list) / sizeof(list[0]) - 1; i++)
		rel(&u, i, list[i].type, list[i].sym, list[i].a);
	finish_user(&u);
	ck_assert_msg(reloc_tls(u.im, &d) && reloc_bind(u.im, &d) && reloc_ifunc(u.im, &d), "%s", d.text);
	b = u.im->map.bias;
	p = b + u.place;
	s = def->map.bias;
	ck_assert_uint_eq(user_word(&u, 0), b + 0x111);
	ck_assert_uint_eq(user_word(&u, 1), b - 0x10);
	ck_assert_uint_eq(user_word(&u, 2), s + DATA_VA + 5);
	ck_assert_uint_eq(user_word(&u, 3), 0x1230); /* absolute: no bias */
	ck_assert_uint_eq(user_word(&u, 4), 7);
	ck_assert_uint_eq(user_word(&u, 5), s + FUNC_VA); /* no addend */
	ck_assert_uint_eq(user_word(&u, 6), 0);
	ck_assert_uint_eq(user_word(&u, 7), s + FUNC_VA);
	ck_assert_uint_eq(user_word(&u, 8), s + DATA_VA + 3 - (p + 8 * 8));
	ck_assert_uint_eq(user_word(&u, 9), 0x33 + 2);
	ck_assert_uint_eq(user_word(&u, 10), DEF_ID);
	ck_assert_uint_eq(user_word(&u, 11), USER_ID);
	ck_assert_uint_eq(user_word(&u, 12), TLS_OFF + 3 - 0x800);
	ck_assert_uint_eq(user_word(&u, 13), (uintptr_t)8 - 0x800);
	ck_assert_uint_eq(user_word(&u, 14), (uintptr_t)DEF_TPOFF + TLS_OFF + 1 - 0x7000);
	ck_assert_uint_eq(user_word(&u, 15), (uintptr_t)USER_TPOFF + 16 - 0x7000);
	ck_assert_uint_eq(user_word(&u, 16), (uintptr_t)USER_TPOFF + 8 - 0x7000);
	ck_assert_uint_eq(user_word(&u, 17), b + u.place + 8);  /* protected: its own */
	ck_assert_uint_eq(user_word(&u, 18), b + u.place + 16); /* local */
	ck_assert_uint_eq(user_word(&u, 19), s + DATA_VA + 8);  /* "def.so" comes first in the scope */
	ck_assert_uint_eq(user_word(&u, 20), 0);
}
END_TEST

/* 32-bit places: only their four bytes are written. */
START_TEST(narrow)
{
	struct user u = user();
	struct diag d = {0};
	struct image *def = definer("def.so");
	const uint32_t *half;
	uint64_t ones[4] = {-1ull, -1ull, -1ull, -1ull}, at = elfgen_words(u.e, ELFGEN_DATA, ones, 4);
	int64_t near;

	(void)def;
	elfgen_rel(u.e, &(struct elfgen_rel){at, R_MODEL_ABS32, u.abs, 0x10});
	elfgen_rel(u.e, &(struct elfgen_rel){at + 12, R_MODEL_PC32, u.local, -4});
	elfgen_rel(u.e, &(struct elfgen_rel){at + 16, R_MODEL_SIZE32, u.abs, 0x7ffffff0});
	elfgen_rel(u.e, &(struct elfgen_rel){at + 26, R_MODEL_ABS32, u.abs, 0}); /* unaligned is fine */
	finish_user(&u);
	ck_assert_msg(reloc_bind(u.im, &d), "%s", d.text);
	half = (const uint32_t *)(u.im->map.bias + at);
	near = (int64_t)(u.place + 16) - 4 - (int64_t)(at + 12);
	ck_assert_uint_eq(half[0], 0x1244);
	ck_assert_uint_eq(half[1], 0xffffffff);
	ck_assert_uint_eq(half[2], 0xffffffff);
	ck_assert_uint_eq(half[3], (uint32_t)near);
	ck_assert_uint_eq(half[4], 0x7ffffff4);
	ck_assert_uint_eq(half[5], 0xffffffff);
	ck_assert_uint_eq(half[6], 0x1234ffff);
	ck_assert_uint_eq(half[7], 0xffff0000);
}
END_TEST

/* Two words: a resolver and its argument. */
START_TEST(descriptors)
{
	struct user u = user();
	struct image *def = definer("def.so");
	struct diag d = {0};

	rel(&u, 0, R_MODEL_TLSDESC, u.tls, 4);
	rel(&u, 2, R_MODEL_TLSDESC, u.own_tls, 0);
	rel(&u, 4, R_MODEL_TLSDESC, u.weak_tls, 0x40);
	rel(&u, 6, R_MODEL_TLSDESC, 0, 12);
	finish_user(&u);
	u.im->tls.place = TLS_DYNAMIC;
	(void)def;
	ck_assert_msg(reloc_tls(u.im, &d) && reloc_bind(u.im, &d), "%s", d.text);
	ck_assert_uint_eq(user_word(&u, 0), (uintptr_t)arch_tlsdesc_static);
	ck_assert_uint_eq(user_word(&u, 1), (uintptr_t)DEF_TPOFF + TLS_OFF + 4);
	ck_assert_uint_eq(user_word(&u, 2), (uintptr_t)arch_tlsdesc_dynamic);
	ck_assert_uint_eq(user_word(&u, 3), (uintptr_t)USER_ID << 32 | 8);
	ck_assert_uint_eq(user_word(&u, 4), (uintptr_t)arch_tlsdesc_undef);
	ck_assert_uint_eq(user_word(&u, 5), 0x40);
	ck_assert_uint_eq(user_word(&u, 6), (uintptr_t)arch_tlsdesc_dynamic);
	ck_assert_uint_eq(user_word(&u, 7), (uintptr_t)USER_ID << 32 | 12);
	ck_assert_msg(!u.im->tls.needs_static && !def->tls.needs_static, "a descriptor needs no fixed offset");
}
END_TEST

/* TPOFF makes the definer static, before anything is reserved. */
START_TEST(static_tls)
{
	struct user u = user();
	struct image *def = definer("def.so");
	struct diag d = {0};

	rel(&u, 0, R_MODEL_TPOFF, u.tls, 0);
	rel(&u, 1, R_MODEL_DTPMOD, u.own_tls, 0);
	rel(&u, 2, R_MODEL_TPOFF, u.weak_tls, 9);
	finish_user(&u);
	def->state = IMAGE_LINKED;
	def->tls.place = u.im->tls.place = TLS_NONE;
	ck_assert_msg(reloc_tls(u.im, &d), "%s", d.text);
	ck_assert(def->tls.needs_static && !u.im->tls.needs_static);
	def->tls.place = TLS_STATIC;
	ck_assert_msg(reloc_bind(u.im, &d), "%s", d.text);
	ck_assert_uint_eq(user_word(&u, 2), 9);
}
END_TEST

/* --- IFUNC ----------------------------------------------------------------------------------------- */

static const struct user *watched;
static unsigned resolved;

/* When a resolver runs, all that it might use has been relocated: here word 5 and the PLT. */
static uintptr_t resolve(uintptr_t resolver, uint64_t hwcap)
{
	ck_assert_uint_eq(hwcap, ARCH_MODEL_HWCAP);
	ck_assert_uint_eq(user_word(watched, 5), watched->im->map.bias + 0x55);
	ck_assert_uint_ne(user_word(watched, 8), 0);
	resolved++;
	return resolver + 0x1000000;
}

START_TEST(ifuncs)
{
	struct user u = user();
	struct image *def = definer("def.so");
	struct diag d = {0};

	rel(&u, 0, R_MODEL_IRELATIVE, 0, KIT_TEXT + 0x20);
	rel(&u, 1, R_MODEL_SYMBOLIC, u.ifunc, 2);
	rel(&u, 2, R_MODEL_GOT, u.ifunc, 0);
	rel(&u, 5, R_MODEL_RELATIVE, 0, 0x55);
	elfgen_plt(u.e, &(struct elfgen_rel){u.place + 64, R_MODEL_PLT, u.func, 0});
	elfgen_plt(u.e, &(struct elfgen_rel){u.place + 72, R_MODEL_PLT, u.ifunc, 0});
	finish_user(&u);
	watched = &u;
	arch_model_ifunc = resolve;
	/* Both belong to one group: neither's resolvers may run while the other is not relocated. */
	def->state = u.im->state = IMAGE_LINKED;
	ck_assert_msg(reloc_bind(u.im, &d) && reloc_bind(def, &d), "%s", d.text);
	ck_assert_uint_eq(resolved, 0);
	ck_assert_msg(reloc_ifunc(def, &d) && reloc_ifunc(u.im, &d), "%s", d.text);
	ck_assert_uint_eq(user_word(&u, 0), u.im->map.bias + KIT_TEXT + 0x1000020);
	ck_assert_uint_eq(user_word(&u, 1), def->map.bias + IFUNC_VA + 0x1000002);
	ck_assert_uint_eq(user_word(&u, 2), def->map.bias + IFUNC_VA + 0x1000000);
	ck_assert_uint_eq(user_word(&u, 9), def->map.bias + IFUNC_VA + 0x1000000);
	ck_assert_uint_eq(user_word(&u, 5), u.im->map.bias + 0x55);
	ck_assert_uint_eq(user_word(&u, 8), def->map.bias + FUNC_VA);
	ck_assert_uint_ge(resolved, 4);
}
END_TEST

/* --- the PLT --------------------------------------------------------------------------------------- */

/* A lazy slot holds its PLT entry's address, relocated by the bias; unresolvable ones do no harm yet. */
START_TEST(lazy)
{
	struct user u = user();
	struct diag d = {0};
	uint64_t slots[] = {KIT_TEXT + 6, KIT_TEXT + 22}, at = elfgen_words(u.e, ELFGEN_DATA, slots, 2);
	const uintptr_t *slot;

	definer("def.so");
	elfgen_plt(u.e, &(struct elfgen_rel){at, R_MODEL_PLT, u.func, 0});
	elfgen_plt(u.e, &(struct elfgen_rel){at + 8, R_MODEL_PLT, u.missing, 0});
	finish_user(&u);
	u.im->lazy = true;
	ck_assert_msg(reloc_bind(u.im, &d) && reloc_ifunc(u.im, &d), "%s", d.text);
	slot = (const uintptr_t *)(u.im->map.bias + at);
	ck_assert_uint_eq(slot[0], u.im->map.bias + KIT_TEXT + 6);
	ck_assert_uint_eq(slot[1], u.im->map.bias + KIT_TEXT + 22);
}
END_TEST

/* A slot that will be read-only when it is called through is bound at once, and so are the others. */
START_TEST(sealed_slots)
{
	for (int text = 0; text < 2; text++) {
		struct user u = user();
		struct diag d = {0};
		uint64_t at = elfgen_put(u.e, ELFGEN_DATA, NULL, 16), sealed;
		struct image *def;

		/* Three pages, of which the linker's RELRO covers the first at least. */
		sealed = text ? KIT_TEXT + 64 : elfgen_put(u.e, ELFGEN_RELRO, NULL, 8192);
		u.e->textrel = text;
		def = definer("def.so");
		elfgen_plt(u.e, &(struct elfgen_rel){at, R_MODEL_PLT, u.func, 0});
		elfgen_plt(u.e, &(struct elfgen_rel){sealed, R_MODEL_PLT, u.func, 0});
		elfgen_plt(u.e, &(struct elfgen_rel){at + 8, R_MODEL_PLT, u.ifunc, 0});
		finish_user(&u);
		u.im->lazy = true;
		ck_assert_msg(reloc_bind(u.im, &d) && reloc_ifunc(u.im, &d), "%s", d.text);
		ck_assert(!u.im->lazy);
		ck_assert_uint_eq(*(const uintptr_t *)(u.im->map.bias + at), def->map.bias + FUNC_VA);
		ck_assert_uint_eq(*(const uintptr_t *)(u.im->map.bias + sealed), def->map.bias + FUNC_VA);
		ck_assert_uint_ne(*(const uintptr_t *)(u.im->map.bias + at + 8), u.im->map.bias);
		image_free(u.im);
		everything = NULL;
		elfgen_free(u.e);
	}
}
END_TEST

/* --- RELR ------------------------------------------------------------------------------------------ */

START_TEST(relr)
{
	for (int round = 0; round < 50; round++) {
		struct elfgen *e = kit_elf();
		uint64_t *words = calloc(2000, sizeof(*words));
		bool *chosen = calloc(2000, 1);
		struct diag d = {0};
		struct image *im;
		unsigned n = 1 + kit_random(2000), density = 1 + kit_random(100);

		for (unsigned i = 0; i < n; i++) {
			words[i] = 0x1000 + i;
			chosen[i] = kit_random(density) == 0;
			if (chosen[i])
				elfgen_relr(e, KIT_DATA + i * sizeof(uintptr_t));
		}
		elfgen_words(e, ELFGEN_DATA, words, n);
		elfgen_build(e);
		im = kit_load(e, "relr.so", &d);
		ck_assert_msg(im, "%s", d.text);
		ck_assert_msg(reloc_bind(im, &d), "%s", d.text);
		for (unsigned i = 0; i < n; i++)
			ck_assert_uint_eq(((uintptr_t *)(im->map.bias + KIT_DATA))[i],
					  words[i] + (chosen[i] ? im->map.bias : 0));
		image_free(im);
		elfgen_free(e);
		free(words);
		free(chosen);
	}
}
END_TEST

/* --- what a binding leaves behind ------------------------------------------------------------------ */

/* A definer outside the image's own dependencies is remembered once, so that it stays loaded. */
START_TEST(bindings)
{
	struct user u = user();
	struct image *first = definer("def.so"), *second = definer("again.so");
	struct image *order[2];
	struct diag d = {0};

	for (unsigned i = 0; i < 9; i += 3) {
		rel(&u, i, R_MODEL_SYMBOLIC, u.data, 0);
		rel(&u, i + 1, R_MODEL_SYMBOLIC, u.shared, 0);
		rel(&u, i + 2, R_MODEL_SYMBOLIC, u.local, 0);
	}
	finish_user(&u);
	ck_assert_msg(reloc_bind(u.im, &d), "%s", d.text);
	ck_assert_uint_eq(u.im->nbinds, 1);
	ck_assert_ptr_eq(u.im->binds[0], first);
	ck_assert_uint_eq(second->nbinds, 0);
	u.im->nbinds = 0;
	order[0] = u.im;
	order[1] = first;
	u.im->order = order;
	u.im->norder = 2;
	ck_assert_msg(reloc_bind(u.im, &d), "%s", d.text);
	ck_assert_msg(u.im->nbinds == 0, "a dependency stays loaded anyway");
}
END_TEST

/* Several images define it: the definers are told apart also when relocations alternate. */
START_TEST(cache)
{
	struct user u = user();
	struct image *def = definer("def.so");
	struct diag d = {0};
	uintptr_t s = def->map.bias, b;

	for (unsigned i = 0; i < 30; i += 3) {
		rel(&u, i, R_MODEL_SYMBOLIC, u.data, i);
		rel(&u, i + 1, R_MODEL_SYMBOLIC, i % 2 ? u.weak : u.local, i);
		rel(&u, i + 2, R_MODEL_PLT, i % 2 ? u.func : u.data, 0);
	}
	finish_user(&u);
	b = u.im->map.bias;
	ck_assert_msg(reloc_bind(u.im, &d), "%s", d.text);
	for (unsigned i = 0; i < 30; i += 3) {
		ck_assert_uint_eq(user_word(&u, i), s + DATA_VA + i);
		ck_assert_uint_eq(user_word(&u, i + 1), i % 2 ? i : b + u.place + 16 + i);
		ck_assert_uint_eq(user_word(&u, i + 2), s + (i % 2 ? FUNC_VA : DATA_VA));
	}
}
END_TEST

/* DT_TEXTREL opens read-only segments for the time of relocation; without it they stay closed. */
START_TEST(text_relocations)
{
	for (int textrel = 0; textrel < 2; textrel++) {
		struct user u = user();
		struct diag d = {0};

		everything = NULL;
		definer("def.so");
		u.e->textrel = textrel;
		elfgen_rel(u.e, &(struct elfgen_rel){KIT_TEXT + 8, R_MODEL_RELATIVE, 0, 0x77});
		finish_user(&u);
		ck_assert_int_eq(reloc_bind(u.im, &d), textrel);
		if (!textrel)
			continue;
		ck_assert(u.im->map.textrel_open && map_textrel(&u.im->map, false, "x", &d));
		ck_assert_uint_eq(*(uintptr_t *)(u.im->map.bias + KIT_TEXT + 8), u.im->map.bias + 0x77);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, formulas);
	tcase_add_test(tc, narrow);
	tcase_add_test(tc, descriptors);
	tcase_add_test(tc, static_tls);
	tcase_add_test(tc, ifuncs);
	tcase_add_test(tc, lazy);
	tcase_add_test(tc, sealed_slots);
	tcase_add_test(tc, relr);
	tcase_add_test(tc, bindings);
	tcase_add_test(tc, cache);
	tcase_add_test(tc, text_relocations);
}

KIT_MAIN("reloc", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_note: GNU property notes, on the made-up CPU, which has levels 0 to 2.
 *
 * The rules: the first property note of the last PT_GNU_PROPERTY that is aligned to a word is believed when
 * it is whole; a damaged one is no note and harms nobody.  (On other CPUs it is PT_NOTE, and glibc is asked
 * as well: check_property_dlopen.)
 */
#include "kit.h"

#include <string.h>

#include "loader/note.h"

enum { NEEDS = ARCH_PROPERTY_NEEDS, FEATURES = ARCH_PROPERTY_FEATURES };

static const uint32_t plain[] = {NEEDS, 4, 8, 0};

/* The notes, built; in PT_GNU_PROPERTY instead of PT_NOTE. */
static struct elfgen *property(struct elfgen *e)
{
	elfgen_build(e);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_type, PT_NOTE, 0}, PT_GNU_PROPERTY);
	return e;
}

static struct elfgen *with(const uint32_t *desc, size_t len)
{
	struct elfgen *e = kit_elf();

	elfgen_note(e, NT_GNU_PROPERTY_TYPE_0, desc, len);
	return property(e);
}

static bool accepts(struct elfgen *e, struct diag *d)
{
	struct image *im = kit_load(e, "note.so", d);
	bool ok;

	ck_assert_msg(im, "%s", d->text);
	ok = note_check(im, d);
	ck_assert(ok == (d->kind == DIAG_NONE));
	image_free(im);
	elfgen_free(e);
	return ok;
}

START_TEST(levels)
{
	for (uint32_t bit = 0; bit < 32; bit++) {
		uint32_t desc[] = {NEEDS, 4, 1u << bit, 0};
		struct diag d = {0};

		ck_assert(accepts(with(desc, sizeof(desc)), &d) == (bit < 3));
		if (bit < 3)
			continue;
		ck_assert_int_eq(d.kind, DIAG_REFUSED);
		ck_assert_ptr_nonnull(strstr(d.text, "note.so: CPU ISA level is lower than required"));
	}
}
END_TEST

START_TEST(features)
{
	uint32_t desc[] = {FEATURES, 4, 2, 0, NEEDS, 4, 1, 0};
	struct diag d = {0};

	ck_assert(accepts(with(desc, sizeof(desc)), &d));
	arch_model_features = 2;
	ck_assert(accepts(with(desc, sizeof(desc)), &d));
	desc[2] = 1;
	ck_assert(!accepts(with(desc, sizeof(desc)), &d));
	diag_clear(&d);
	desc[0] = 1; /* without marks */
	ck_assert(!accepts(with(desc, 16), &d));
}
END_TEST

#define NO_HIT {{ELFGEN_NO_FIELD, 0, 0}, 0}

/* Each would be refused if it were believed. */
START_TEST(damaged)
{
	static const struct {
		const char *name;
		uint32_t desc[10];
		size_t len;
		struct kit_hit hit;
		bool refused;
	} list[] = {
		{"whole", {NEEDS, 4, 8, 0}, 16, NO_HIT, true},
		{"behind another", {0xb0008000, 8, 1, 2, NEEDS, 4, 8, 0}, 32, NO_HIT, true},
		{"behind an empty one", {1, 0, NEEDS, 4, 8, 0}, 24, NO_HIT, true},
		{"twice, the first refused", {NEEDS, 4, 8, 0, NEEDS, 4, 1, 0}, 32, NO_HIT, true},
		{"twice, the second refused", {NEEDS, 4, 1, 0, NEEDS, 4, 8, 0}, 32, NO_HIT, false},
		{"descending", {0xd0008000, 8, 1, 2, NEEDS, 4, 8, 0}, 32, NO_HIT, false},
		{"of 8 bytes", {NEEDS, 8, 8, 0}, 16, NO_HIT, false},
		{"of no bytes", {NEEDS, 0, 8, 0}, 16, NO_HIT, false},
		{"longer than the note", {1, 64, 0, 0, NEEDS, 4, 8, 0}, 32, NO_HIT, false},
		{"as long as a number can be", {1, 0xfffffff9, NEEDS, 4, 8, 0}, 24, NO_HIT, false},
		{"cut off", {NEEDS, 4}, 8, NO_HIT, false},
		{"not whole words", {NEEDS, 4, 8}, 12, NO_HIT, false},
		{"the note is longer than its segment", {NEEDS, 4, 8, 0}, 16, HIT(note_byte, 7, 0x7f), false},
		{"its name is", {NEEDS, 4, 8, 0}, 16, HIT(note_byte, 3, 0xff), false},
		{"another's name", {NEEDS, 4, 8, 0}, 16, HIT(note_byte, 12, 'F'), false},
		{"another type", {NEEDS, 4, 8, 0}, 16, HIT(note_byte, 8, 4), false},
		{"segment of 11 bytes", {NEEDS, 4, 8, 0}, 16, PH(p_memsz, PT_GNU_PROPERTY, 0, 11), false},
		{"segment of 31 bytes", {NEEDS, 4, 8, 0}, 16, PH(p_memsz, PT_GNU_PROPERTY, 0, 31), false},
		{"segment of 0 bytes", {NEEDS, 4, 8, 0}, 16, PH(p_memsz, PT_GNU_PROPERTY, 0, 0), false},
		{"segment outside", {NEEDS, 4, 8, 0}, 16, PH(p_vaddr, PT_GNU_PROPERTY, 0, 0x700000), false},
		{"segment too long", {NEEDS, 4, 8, 0}, 16, PH(p_memsz, PT_GNU_PROPERTY, 0, UINTPTR_MAX), false},
		{"in PT_NOTE", {NEEDS, 4, 8, 0}, 16, PH(p_type, PT_GNU_PROPERTY, 0, PT_NOTE), false},
		{"aligned to 4", {NEEDS, 4, 8, 0}, 16, PH(p_align, PT_GNU_PROPERTY, 0, 4), false},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct elfgen *e = with(list[i].desc, list[i].len);
		struct diag d = {0};

		if (list[i].hit.at.field)
			elfgen_poke(e, list[i].hit.at, list[i].hit.value);
		ck_assert_msg(accepts(e, &d) != list[i].refused, "%s: %s", list[i].name,
			      list[i].refused ? "accepted" : d.text);
		kit_input("notes", list[i].name, !list[i].refused);
	}
}
END_TEST

/* Of two notes the first counts, behind one that is something else. */
START_TEST(several)
{
	for (int second = 0; second < 2; second++) {
		uint32_t good[] = {NEEDS, 4, 1, 0};
		struct elfgen *e = kit_elf();
		struct diag d = {0};

		elfgen_note(e, 3 /* NT_GNU_BUILD_ID */, "identity", 8);
		elfgen_note(e, NT_GNU_PROPERTY_TYPE_0, second ? good : plain, sizeof(plain));
		elfgen_note(e, NT_GNU_PROPERTY_TYPE_0, second ? plain : good, sizeof(plain));
		ck_assert(accepts(property(e), &d) == second);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, levels);
	tcase_add_test(tc, features);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, several);
}

KIT_MAIN("note", add)

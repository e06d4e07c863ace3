/* SPDX-License-Identifier: MIT */
/*
 * model_user: see model_user.h.
 *
 * Sizes and offsets are odd numbers, so that a term that is forgotten or counted twice is seen.
 */
#include "model_user.h"

_Atomic(struct scope_list *) everything;

static void join(struct image *im)
{
	struct scope_chain *c;

	ck_assert(scope_reserve(&everything, 1));
	scope_append(&everything, im);
	ck_assert(scope_chain_with(im, &everything, &c));
	scope_chain_publish(im, c);
}

struct image *definer(const char *name)
{
	struct elfgen *e = kit_elf();
	struct diag d = {0};
	struct image *im;

	e->soname = name;
	elfgen_tls(e, "template", 8, 64, 16);
	elfgen_put(e, ELFGEN_TEXT, NULL, 256);
	elfgen_put(e, ELFGEN_DATA, NULL, 256);
	elfgen_sym(e, &(struct elfgen_sym){"data", STB_GLOBAL, STT_OBJECT, 0, 5, 0, DATA_VA, 0x33});
	elfgen_sym(e, &(struct elfgen_sym){"func", STB_GLOBAL, STT_FUNC, 0, 2, 0, FUNC_VA, 16});
	elfgen_sym(e, &(struct elfgen_sym){"abs", STB_GLOBAL, STT_OBJECT, 0, SHN_ABS, 0, 0x1234, 4});
	elfgen_sym(e, &(struct elfgen_sym){"big", STB_GLOBAL, STT_OBJECT, 0, SHN_ABS, 0, 0x100000000, -8ull});
	elfgen_sym(e, &(struct elfgen_sym){"ifunc", STB_GLOBAL, STT_GNU_IFUNC, 0, 2, 0, IFUNC_VA, 16});
	elfgen_sym(e, &(struct elfgen_sym){"tls", STB_GLOBAL, STT_TLS, 0, 4, 0, TLS_OFF, 8});
	elfgen_sym(e, &(struct elfgen_sym){"shared", STB_GLOBAL, STT_OBJECT, 0, 5, 0, DATA_VA + 8, 8});
	elfgen_build(e);
	im = kit_load(e, name, &d);
	ck_assert_msg(im, "%s", d.text);
	im->tls.place = TLS_STATIC;
	im->tls.tpoff = DEF_TPOFF;
	im->tls.id = DEF_ID;
	im->state = IMAGE_RELOCATED;
	join(im);
	elfgen_free(e);
	return im;
}

struct user user(void)
{
	struct user u = {.e = kit_elf()};
	struct elfgen *e = u.e;

	e->soname = "user.so";
	e->bss = 24;
	elfgen_tls(e, NULL, 0, 32, 8);
	elfgen_put(e, ELFGEN_TEXT, NULL, 256);
	elfgen_put(e, ELFGEN_RODATA, NULL, 64);
	u.place = elfgen_put(e, ELFGEN_DATA, NULL, 512);
	u.data = elfgen_undef(e, "data");
	u.func = elfgen_undef(e, "func");
	u.abs = elfgen_undef(e, "abs");
	u.big = elfgen_undef(e, "big");
	u.ifunc = elfgen_undef(e, "ifunc");
	u.missing = elfgen_undef(e, "missing");
	u.tls = elfgen_sym(e, &(struct elfgen_sym){.name = "tls", .bind = STB_GLOBAL, .type = STT_TLS});
	u.weak = elfgen_sym(e, &(struct elfgen_sym){.name = "nobody", .bind = STB_WEAK});
	u.weak_tls = elfgen_sym(e, &(struct elfgen_sym){.name = "no_tls", .bind = STB_WEAK, .type = STT_TLS});
	u.shared = elfgen_sym(e, &(struct elfgen_sym){"shared", STB_GLOBAL, STT_OBJECT, 0, 5, 0, u.place, 8});
	u.protect = elfgen_sym(e, &(struct elfgen_sym){"data", STB_GLOBAL, STT_OBJECT, STV_PROTECTED, 5, 0,
		u.place + 8, 8});
	u.local = elfgen_sym(e, &(struct elfgen_sym){"data", STB_LOCAL, STT_OBJECT, 0, 5, 0, u.place + 16, 8});
	u.own_tls = elfgen_sym(e, &(struct elfgen_sym){"mine", STB_LOCAL, STT_TLS, 0, 4, 0, 8, 8});
	return u;
}

void finish_user(struct user *u)
{
	struct diag d = {0};

	elfgen_build(u->e);
	u->im = kit_load(u->e, "user.so", &d);
	ck_assert_msg(u->im, "%s", d.text);
	u->im->tls.place = TLS_STATIC;
	u->im->tls.tpoff = USER_TPOFF;
	u->im->tls.id = USER_ID;
	join(u->im);
}

uintptr_t user_word(const struct user *u, unsigned i)
{
	return ((const uintptr_t *)(u->im->map.bias + u->place))[i];
}

void rel(struct user *u, unsigned at, uint32_t type, unsigned sym, int64_t addend)
{
	elfgen_rel(u->e, &(struct elfgen_rel){u->place + 8 * at, type, sym, addend});
}


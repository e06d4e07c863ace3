/* SPDX-License-Identifier: MIT */
/*
 * base: the correct libraries that recipes begin with (recipe.h).
 *
 * For the made-up CPU.  Together they have every table a library can have; names agree, so that one can
 * be another's dependency.
 */
#include "recipe.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"

static char long_name[65536];

const char *const recipe_names[RECIPE_NAMES] = {
	"", "data", "func", "abs", "big", "ifunc", "tls", "shared", "missing", "unique", "weak", "root.so",
	"a.so", "b.so", "c.so", "BASE_1", "BASE_2", "BASE_3", "GLIBC_2.2.5", "libc.so.6", "ld-linux.so.2",
	"$ORIGIN", "${ORIGIN}/$LIB", "/f", "/f/a.so", "/f:$PLATFORM:", "../x", "no/such.so", ".", "strlen",
	"$LIB.so", long_name, "malloc", "_Znwm", "__interceptor_data", "___interceptor_func", "free",
	"libstdc++.so.6", "__libc_start_main", "stdin", "libc.so", "libc.musl-x86_64.so.1", "GLIBC_ABI_DT_RELR",
};

enum { DATA = (int)ELFGEN_VA(ELFGEN_DATA), TEXT = (int)ELFGEN_VA(ELFGEN_TEXT) };

static struct elfgen *start(const char *soname)
{
	struct elfgen *e = elfgen_new(ARCH_EM);

	e->rela = ARCH_RELA;
	e->soname = soname;
	return e;
}

static unsigned define(struct elfgen *e, const char *name, unsigned char type, uint64_t va, uint16_t version)
{
	return elfgen_sym(e, &(struct elfgen_sym){name, STB_GLOBAL, type, 0, 5, version, va, 8});
}

static void refer(struct elfgen *e, unsigned word, uint32_t type, unsigned sym)
{
	elfgen_rel(e, &(struct elfgen_rel){DATA + 8 * word, type, sym, 0});
}

static void constructors(struct elfgen *e)
{
	uint64_t code[2] = {TEXT + 64, TEXT + 72};

	e->init_array = elfgen_words(e, ELFGEN_RELRO, code, 2);
	e->ninit = 2;
	e->fini_array = elfgen_words(e, ELFGEN_RELRO, code, 1);
	e->nfini = 1;
	elfgen_relr(e, e->init_array);
	elfgen_relr(e, e->init_array + sizeof(uintptr_t));
	elfgen_relr(e, e->fini_array);
}

/* Everything at once; needs nobody. */
static struct elfgen *everything(void)
{
	struct elfgen *e = start("a.so");
	unsigned v1, v2, s;

	e->runpath = "$ORIGIN";
	e->bss = 0x2345;
	elfgen_tls(e, "template", 8, 24, 16);
	elfgen_put(e, ELFGEN_TEXT, NULL, 256);
	elfgen_put(e, ELFGEN_RODATA, "read only", 9);
	elfgen_put(e, ELFGEN_DATA, NULL, 256);
	constructors(e);
	e->pltgot = DATA + 64;
	v1 = elfgen_verdef(e, "BASE_1", NULL);
	v2 = elfgen_verdef(e, "BASE_2", "BASE_1");
	elfgen_verneed(e, "b.so", "BASE_1", true);
	elfgen_verneed(e, "b.so", "BASE_2", false);
	elfgen_verneed(e, "c.so", "BASE_3", false);
	s = define(e, "data", STT_OBJECT, DATA, (uint16_t)v1);
	refer(e, 0, R_MODEL_RELATIVE, 0);
	refer(e, 1, R_MODEL_SYMBOLIC, s);
	s = define(e, "func", STT_FUNC, TEXT, (uint16_t)v2);
	define(e, "func", STT_FUNC, TEXT + 16, (uint16_t)(v1 | 0x8000));
	elfgen_plt(e, &(struct elfgen_rel){DATA + 88, R_MODEL_PLT, s, 0});
	s = elfgen_sym(e, &(struct elfgen_sym){.name = "tls", .bind = STB_GLOBAL, .type = STT_TLS, .shndx = 4,
		.version = (uint16_t)v1, .value = 8, .size = 8});
	refer(e, 2, R_MODEL_TPOFF, s);
	s = elfgen_sym(e, &(struct elfgen_sym){.name = "weak", .bind = STB_WEAK});
	refer(e, 3, R_MODEL_SYMBOLIC, s);
	elfgen_note(e, 3 /* NT_GNU_BUILD_ID */, "identity", 8);
	return e;
}

/* Defines what user() wants. */
static struct elfgen *definer(void)
{
	struct elfgen *e = start("b.so");

	elfgen_tls(e, "template", 8, 64, 16);
	elfgen_put(e, ELFGEN_TEXT, NULL, 256);
	elfgen_put(e, ELFGEN_DATA, NULL, 256);
	define(e, "data", STT_OBJECT, DATA + 16, 0);
	define(e, "func", STT_FUNC, TEXT + 64, 0);
	define(e, "ifunc", STT_GNU_IFUNC, TEXT + 128, 0);
	define(e, "tls", STT_TLS, 0x18, 0);
	define(e, "shared", STT_OBJECT, DATA + 24, 0);
	elfgen_sym(e, &(struct elfgen_sym){"abs", STB_GLOBAL, STT_OBJECT, 0, SHN_ABS, 0, 0x1234, 4});
	elfgen_sym(e, &(struct elfgen_sym){"big", STB_GLOBAL, STT_OBJECT, 0, SHN_ABS, 0, 0x100000000, 8});
	elfgen_sym(e, &(struct elfgen_sym){"unique", STB_GNU_UNIQUE, STT_OBJECT, 0, 5, 0, DATA + 32, 8});
	return e;
}

/* A relocation of every kind. */
static struct elfgen *user(void)
{
	static const uint32_t with_data[] = {R_MODEL_SYMBOLIC, R_MODEL_GOT, R_MODEL_PC64, R_MODEL_SIZE,
					     R_MODEL_SIZE32};
	struct elfgen *e = start("root.so");
	unsigned word = 0, data, func, tls, weak_tls, ifunc, own;

	e->bss = 64;
	elfgen_tls(e, NULL, 0, 32, 8);
	elfgen_put(e, ELFGEN_TEXT, NULL, 256);
	elfgen_put(e, ELFGEN_DATA, NULL, 512);
	e->pltgot = DATA + 256;
	elfgen_needed(e, "b.so");
	data = elfgen_undef(e, "data");
	func = elfgen_undef(e, "func");
	ifunc = elfgen_undef(e, "ifunc");
	tls = elfgen_sym(e, &(struct elfgen_sym){.name = "tls", .bind = STB_GLOBAL, .type = STT_TLS});
	weak_tls = elfgen_sym(e, &(struct elfgen_sym){.name = "weak", .bind = STB_WEAK, .type = STT_TLS});
	own = elfgen_sym(e, &(struct elfgen_sym){"shared", STB_GLOBAL, STT_OBJECT, STV_PROTECTED, 5, 0,
		DATA + 8, 8});
	for (size_t i = 0; i < sizeof(with_data) / sizeof(with_data[0]); i++)
		refer(e, word++, with_data[i], data);
	refer(e, word++, R_MODEL_ABS32, elfgen_undef(e, "abs"));
	refer(e, word++, R_MODEL_PC32, own);
	refer(e, word++, R_MODEL_SYMBOLIC, own);
	refer(e, word++, R_MODEL_GOT, ifunc);
	refer(e, word++, R_MODEL_SYMBOLIC, elfgen_undef(e, "unique"));
	elfgen_rel(e, &(struct elfgen_rel){DATA + 8 * word++, R_MODEL_IRELATIVE, 0, TEXT + 32});
	refer(e, word++, R_MODEL_DTPMOD, tls);
	refer(e, word++, R_MODEL_DTPOFF, tls);
	refer(e, word++, R_MODEL_TPOFF, tls);
	refer(e, word++, R_MODEL_TPOFF, 0);
	refer(e, word++, R_MODEL_DTPMOD, weak_tls);
	refer(e, word, R_MODEL_TLSDESC, tls);
	word += 2;
	refer(e, word, R_MODEL_TLSDESC, weak_tls);
	elfgen_plt(e, &(struct elfgen_rel){DATA + 280, R_MODEL_PLT, func, 0});
	elfgen_plt(e, &(struct elfgen_rel){DATA + 288, R_MODEL_PLT, ifunc, 0});
	elfgen_plt(e, &(struct elfgen_rel){DATA + 296, R_MODEL_TLSDESC, tls, 0});
	return e;
}

/* As little as there can be. */
static struct elfgen *bare(void)
{
	struct elfgen *e = start(NULL);

	e->hash_style = 0;
	return e;
}

static struct elfgen *sysv_only(void)
{
	struct elfgen *e = definer();

	e->hash_style = ELFGEN_SYSV;
	e->nbucket = 3;
	e->soname = "c.so";
	return e;
}

static struct elfgen *gnu_only(void)
{
	struct elfgen *e = definer();

	e->hash_style = ELFGEN_GNU;
	return e;
}

static struct elfgen *text_relocated(void)
{
	struct elfgen *e = start("root.so");

	e->textrel = true;
	elfgen_put(e, ELFGEN_TEXT, NULL, 64);
	elfgen_put(e, ELFGEN_RODATA, NULL, 64);
	elfgen_rel(e, &(struct elfgen_rel){TEXT + 3, R_MODEL_RELATIVE, 0, 8});
	elfgen_rel(e, &(struct elfgen_rel){TEXT + 16, R_MODEL_IRELATIVE, 0, TEXT + 32});
	return e;
}

static struct elfgen *coarse(void)
{
	struct elfgen *e = start("a.so");

	e->page = 0x4000;
	e->relro_len = 100;
	elfgen_put(e, ELFGEN_TEXT, NULL, 64);
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	elfgen_needed(e, "b.so");
	elfgen_needed(e, "c.so");
	elfgen_relr(e, DATA);
	return e;
}

/* Its dependency depends on it. */
static struct elfgen *circle(void)
{
	struct elfgen *e = start("b.so");

	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	elfgen_needed(e, "root.so");
	elfgen_needed(e, "b.so");
	define(e, "data", STT_OBJECT, DATA, 0);
	define(e, "func", STT_FUNC, DATA, 0);
	refer(e, 1, R_MODEL_SYMBOLIC, elfgen_undef(e, "shared"));
	return e;
}

static struct elfgen *versioned(void)
{
	struct elfgen *e = start("c.so");
	unsigned v;

	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	elfgen_needed(e, "b.so");
	for (unsigned i = 15; i < 18; i++) {
		v = elfgen_verdef(e, recipe_names[i], i > 15 ? recipe_names[i - 1] : NULL);
		define(e, "data", STT_OBJECT, DATA + 8 * i - 120, (uint16_t)(v | (i < 17 ? 0x8000 : 0)));
	}
	v = elfgen_verneed(e, "b.so", "BASE_1", false);
	refer(e, 3, R_MODEL_SYMBOLIC, elfgen_sym(e, &(struct elfgen_sym){.name = "func", .bind = STB_GLOBAL,
		.version = (uint16_t)v}));
	return e;
}

struct elfgen *recipe_base(unsigned which)
{
	static struct elfgen *(*const bases[RECIPE_BASES])(void) = {
		everything, definer, user, bare, sysv_only, gnu_only, text_relocated, coarse, circle, versioned,
	};

	if (!long_name[0])
		memset(long_name, 'x', sizeof(long_name) - 1);
	return bases[which % RECIPE_BASES]();
}

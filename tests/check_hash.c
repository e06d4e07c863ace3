/* SPDX-License-Identifier: MIT */
/*
 * check_hash: one name in one symbol table, by three ways that must agree.
 *
 * The GNU hash, the old hash and hash_linear, which looks at every symbol, give the same answer for every
 * name, version and kind of request: in random tables of elfgen (many symbols of one name, hidden
 * versions, all kinds of symbols) and in libraries of this system.  For single rules (what counts as a
 * definition, which version an unversioned reference gets) the answers are written out; source: glibc's
 * check_match in dl-lookup.c.
 */
#include "kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/hash.h"
#include "loader/text.h"

/* --- requests -------------------------------------------------------------------------------------- */

enum { PLT = 1, NEWEST = 2 };

static struct sym_request request(const char *name, const struct version *v, int how)
{
	struct sym_request rq = sym_request(name);

	rq.version = v;
	rq.plt = how & PLT;
	rq.newest = (how & NEWEST) && !v;
	return rq;
}

static const elf_sym *find(const struct image *im, const char *name, const struct version *v, int how)
{
	struct sym_request rq = request(name, v, how), again = rq, all = rq;
	const elf_sym *s = hash_lookup(&im->st, &rq);

	ck_assert_msg(s == hash_linear(&im->st, &all) && s == hash_lookup(&im->st, &again),
		      "%s: \"%s\"@%s, way %d: symbol %ld", im->path, name, v ? v->name : "", how,
		      s ? (long)(s - im->st.sym) : -1);
	return s;
}

/* --- random tables --------------------------------------------------------------------------------- */

static const unsigned char binds[] = {STB_GLOBAL, STB_GLOBAL, STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE, STB_LOCAL, 13};
static const unsigned char types[] = {STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_FUNC, STT_TLS,
				      STT_GNU_IFUNC, STT_COMMON, STT_SECTION, STT_FILE};

#define ANY(array) array[kit_random(sizeof(array) / sizeof((array)[0]))]

/* A few letters: with many symbols some names are the same, and many share a bucket. */
static void random_name(char *out, unsigned spread)
{
	unsigned len = kit_random(4) ? 1 + kit_random(3) : kit_random(40);

	for (unsigned i = 0; i < len; i++)
		*out++ = (char)('a' + kit_random(spread));
	*out = 0;
}

static struct elfgen *random_table(unsigned n, unsigned spread)
{
	struct elfgen *e = kit_elf();
	uint16_t versions[6] = {0};
	bool versioned = kit_random(3);

	e->soname = "librandom.so";
	e->nbucket = kit_random(2) ? 0 : 1 + kit_random(n + 3);
	e->bloom_words = kit_random(2) ? 0 : 1u << kit_random(5);
	if (versioned) {
		versions[1] = (uint16_t)elfgen_verdef(e, "V_1", NULL);
		versions[2] = (uint16_t)elfgen_verdef(e, "V_2", "V_1");
		versions[3] = (uint16_t)elfgen_verdef(e, "V_3", NULL);
		versions[4] = (uint16_t)elfgen_verneed(e, "libz.so", "Z_1", false);
	}
	elfgen_put(e, ELFGEN_DATA, NULL, 4096);
	for (unsigned i = 0; i < n; i++) {
		char name[64];
		uint16_t v = versions[kit_random(5)];
		bool undef = kit_random(5) == 0;

		random_name(name, spread);
		elfgen_sym(e, &(struct elfgen_sym){
			.name = name, .bind = ANY(binds), .type = ANY(types),
			.other = (unsigned char)(kit_random(4) ? 0 : kit_random(4)),
			.shndx = undef ? SHN_UNDEF : kit_random(9) ? 5 : SHN_ABS,
			.version = (uint16_t)(v && kit_random(3) == 0 ? v | 0x8000 : v),
			.value = (undef && kit_random(3)) || !kit_random(9) ? 0 : KIT_DATA + 8 * kit_random(500),
			.size = kit_random(24)});
	}
	return e;
}

/* Images of the same tables that differ in the hashes they have. */
enum { BOTH, GNU_ONLY, SYSV_ONLY, WAYS };
struct family {
	struct image *im[WAYS];
};

static struct image *load(struct elfgen *e, const char *name, int64_t hide)
{
	struct diag d = {0};
	struct image *im;

	if (hide)
		elfgen_poke(e, (struct elfgen_place){ELFGEN_d_tag, hide, 0}, 0x6fffff00);
	im = kit_load(e, name, &d);
	ck_assert_msg(im, "%s", d.text);
	if (hide)
		elfgen_poke(e, (struct elfgen_place){ELFGEN_d_tag, 0x6fffff00, 0}, (uint64_t)hide);
	return im;
}

static struct family load_family(struct elfgen *e)
{
	struct family f;

	elfgen_build(e);
	f.im[BOTH] = load(e, "both.so", 0);
	f.im[GNU_ONLY] = load(e, "gnu.so", DT_HASH);
	f.im[SYSV_ONLY] = load(e, "sysv.so", DT_GNU_HASH);
	ck_assert(f.im[GNU_ONLY]->st.gnu && !f.im[SYSV_ONLY]->st.gnu);
	return f;
}

static void free_family(struct family *f)
{
	for (int i = 0; i < WAYS; i++)
		image_free(f->im[i]);
}

/* The symbol's number, the same in all of them; -1: none. */
static long find_all(const struct family *f, const char *name, const struct version *v, int how)
{
	long first = -1;

	for (int i = 0; i < WAYS; i++) {
		const elf_sym *s = find(f->im[i], name, v, how);
		long n = s ? s - f->im[i]->st.sym : -1;

		if (i == 0)
			first = n;
		ck_assert_msg(n == first, "%s \"%s\": symbol %ld, but %ld", f->im[i]->path, name, n, first);
	}
	return first;
}

/* Every request for this name. */
static void ask(const struct family *f, const char *name)
{
	const struct symtab *st = &f->im[0]->st;
	struct version v = {.name = "V_9", .hash = hash_sysv("V_9")};

	for (int how = 0; how < 8; how++) {
		find_all(f, name, NULL, how);
		v.hidden = how & 4;
		find_all(f, name, &v, how);
	}
	for (unsigned i = 0; i < st->nversion; i++) {
		v = st->versions[i];
		for (int how = 0; v.name && how < 8; how++) {
			v.hidden = how & 4;
			find_all(f, name, &v, how);
		}
	}
}

/* What the table stores of the hash says the same as the name, as far as it goes. */
static unsigned ask_stored(const struct symtab *st, uint32_t i, const struct symtab *other)
{
	struct sym_request rq = sym_request(hash_name(st, &st->sym[i]));
	unsigned version = st->versym ? st->versym[i] : 0;
	uint32_t stored;

	if (!hash_is_plain(st, i, &stored))
		return 0;
	rq.version = version > 1 ? &st->versions[version] : NULL;
	rq.newest = kit_random(2);
	ck_assert_msg(hash_is(st, i, &rq), "symbol %u, \"%s\"", i, rq.name);
	ck_assert_uint_eq(rq.gnu | 1, stored | 1);
	ck_assert(hash_may_stored(st, stored));
	ck_assert(hash_may_stored(other, stored) || !hash_lookup(other, &rq));
	return 1;
}

START_TEST(random_tables)
{
	unsigned plain = 0;

	for (int round = 0; round < kit_rounds(120); round++) {
		unsigned n = kit_random(5) ? kit_random(40) : kit_random(600), spread = 1 + kit_random(4);
		struct elfgen *e = random_table(n, spread);
		struct family f = load_family(e);
		const struct symtab *st = &f.im[BOTH]->st;
		char name[64];

		for (int i = 0; i < WAYS; i++)
			ck_assert_uint_eq(hash_count(&f.im[i]->st), n + 1);
		for (uint32_t i = 0; i <= n; i += 1 + n / 100)
			ask(&f, hash_name(st, &st->sym[i]));
		for (int i = 0; i < 20; i++) {
			random_name(name, spread + 1);
			ask(&f, name);
		}
		ask(&f, "");
		for (uint32_t i = 0; i <= n; i++)
			plain += ask_stored(st, i, &f.im[kit_random(WAYS)]->st);
		free_family(&f);
		elfgen_free(e);
	}
	ck_assert_uint_gt(plain, 0);
}
END_TEST

/* --- libraries of this system ---------------------------------------------------------------------- */

static unsigned ask_library(const struct image *im)
{
	const struct symtab *st = &im->st;
	uint32_t n = hash_count(st), step = 1 + n / 300;
	unsigned found = 0;

	for (uint32_t i = 1; i < n; i += step) {
		const char *name = hash_name(st, &st->sym[i]);

		ask_stored(st, i, st);
		for (int how = 0; how < 4; how++)
			found += find(im, name, NULL, how) != NULL;
		for (unsigned v = 0; v < st->nversion && v < 30; v++)
			if (st->versions[v].name)
				found += find(im, name, &st->versions[v], 0) != NULL;
	}
	return found;
}

static bool is_elf(const char *path)
{
	char magic[SELFMAG] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is = fd >= 0 && read(fd, magic, sizeof(magic)) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);

	close(fd);
	return is;
}

/* Every library in the directory: hash == linear search, for (a sample of) its own symbols. */
static unsigned ask_directory(const char *dir, unsigned limit)
{
	DIR *list = opendir(dir);
	struct dirent *entry;
	unsigned libraries = 0;

	while (list && (entry = readdir(list)) && libraries < limit) {
		struct diag d = {0};
		char path[512];
		struct image *im;

		if (!strstr(entry->d_name, ".so"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		im = kit_load_path(path, &d);
		if (!im) {
			/* Linker scripts, dangling links, libraries of other machines. */
			ck_assert_msg(d.kind != DIAG_BAD_ELF || !is_elf(path), "refused: %s", d.text);
			continue;
		}
		if (ask_library(im) || !im->st.nbucket)
			libraries++;
		image_free(im);
	}
	if (list)
		closedir(list);
	return libraries;
}

START_TEST(system_libraries)
{
	static const char *const dirs[] = {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64",
		"/usr/lib64", "/lib", "/usr/lib", "/lib/aarch64-linux-gnu", "/usr/lib/riscv64-linux-gnu"};
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		n += ask_directory(dirs[i], 60);
	ck_assert_msg(n >= 3, "only %u libraries were found on this system", n);
}
END_TEST

/* --- rules ----------------------------------------------------------------------------------------- */

static long index_of(const struct elfgen *e, unsigned sym)
{
	return sym ? (long)elfgen_symndx(e, sym) : -1;
}

static unsigned define(struct elfgen *e, struct elfgen_sym s)
{
	s.shndx = s.shndx ? s.shndx : 5;
	s.bind = s.bind ? s.bind : STB_GLOBAL;
	s.type = s.type ? s.type : STT_OBJECT;
	return elfgen_sym(e, &s);
}

/* What is a definition. */
START_TEST(definitions)
{
	struct elfgen *e = kit_elf();
	struct family f;
	unsigned weak, abs, tls, prot, stub, ifunc, unique;

	define(e, (struct elfgen_sym){.name = "hidden", .other = STV_HIDDEN, .value = 8});
	define(e, (struct elfgen_sym){.name = "internal", .other = STV_INTERNAL, .value = 8});
	define(e, (struct elfgen_sym){.name = "section", .type = STT_SECTION, .value = 8});
	define(e, (struct elfgen_sym){.name = "zero", .value = 0});
	define(e, (struct elfgen_sym){.name = "odd bind", .bind = 13, .value = 8});
	elfgen_sym(e, &(struct elfgen_sym){.name = "local", .bind = STB_LOCAL, .type = STT_OBJECT,
		.shndx = 5, .value = 8});
	elfgen_undef(e, "undefined");
	weak = define(e, (struct elfgen_sym){.name = "weak", .bind = STB_WEAK, .value = 8});
	unique = define(e, (struct elfgen_sym){.name = "unique", .bind = STB_GNU_UNIQUE, .value = 8});
	abs = define(e, (struct elfgen_sym){.name = "absolute", .shndx = SHN_ABS, .value = 0});
	tls = define(e, (struct elfgen_sym){.name = "tls", .type = STT_TLS, .value = 0});
	prot = define(e, (struct elfgen_sym){.name = "protected", .other = STV_PROTECTED, .value = 8});
	ifunc = define(e, (struct elfgen_sym){.name = "ifunc", .type = STT_GNU_IFUNC, .value = 8});
	stub = elfgen_sym(e, &(struct elfgen_sym){.name = "plt stub", .bind = STB_GLOBAL,
		.type = STT_FUNC, .shndx = SHN_UNDEF, .value = 0x10});
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	f = load_family(e);
	ck_assert_int_eq(find_all(&f, "hidden", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "internal", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "section", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "zero", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "odd bind", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "local", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "undefined", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "weak", NULL, 0), index_of(e, weak));
	ck_assert_int_eq(find_all(&f, "unique", NULL, 0), index_of(e, unique));
	ck_assert_int_eq(find_all(&f, "absolute", NULL, 0), index_of(e, abs));
	ck_assert_int_eq(find_all(&f, "tls", NULL, 0), index_of(e, tls));
	ck_assert_int_eq(find_all(&f, "protected", NULL, 0), index_of(e, prot));
	ck_assert_int_eq(find_all(&f, "ifunc", NULL, 0), index_of(e, ifunc));
	/* A non-PIE program's PLT entry is the function's address for everybody but other PLTs. */
	ck_assert_int_eq(find_all(&f, "plt stub", NULL, 0), index_of(e, stub));
	ck_assert_int_eq(find_all(&f, "plt stub", NULL, PLT), -1);
	free_family(&f);
	elfgen_free(e);
}
END_TEST

/* Which version: asked for one, or for none by a relocation (oldest) or by dlsym (newest). */
START_TEST(versions)
{
	struct elfgen *e = kit_elf();
	struct version v1 = {.name = "V_1", .hash = hash_sysv("V_1")}, v2 = {.name = "V_2"}, no = {.name = "V_7"};
	unsigned n1, n2, old1, new1, lone, base1, base2, hid;
	struct family f;

	v2.hash = hash_sysv("V_2");
	no.hash = hash_sysv("V_7");
	n1 = elfgen_verdef(e, "V_1", NULL);
	n2 = elfgen_verdef(e, "V_2", "V_1");
	old1 = define(e, (struct elfgen_sym){.name = "two", .value = 8, .version = (uint16_t)(n1 | 0x8000)});
	new1 = define(e, (struct elfgen_sym){.name = "two", .value = 16, .version = (uint16_t)n2});
	lone = define(e, (struct elfgen_sym){.name = "lone", .value = 8, .version = (uint16_t)n2});
	base1 = define(e, (struct elfgen_sym){.name = "based", .value = 8});
	base2 = define(e, (struct elfgen_sym){.name = "based", .value = 16, .version = (uint16_t)n2});
	hid = define(e, (struct elfgen_sym){.name = "hid", .value = 8, .version = (uint16_t)(n2 | 0x8000)});
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	f = load_family(e);
	ck_assert_int_eq(find_all(&f, "two", &v1, 0), index_of(e, old1));
	ck_assert_int_eq(find_all(&f, "two", &v2, 0), index_of(e, new1));
	ck_assert_int_eq(find_all(&f, "two", &no, 0), -1);
	ck_assert_int_eq(find_all(&f, "two", NULL, 0), index_of(e, old1));
	ck_assert_int_eq(find_all(&f, "two", NULL, NEWEST), index_of(e, new1));
	ck_assert_int_eq(find_all(&f, "lone", NULL, 0), index_of(e, lone));
	ck_assert_int_eq(find_all(&f, "lone", NULL, NEWEST), index_of(e, lone));
	ck_assert_int_eq(find_all(&f, "lone", &v1, 0), -1);
	/* The unversioned one serves whoever asks for a version that is not there, unless hidden. */
	ck_assert_int_eq(find_all(&f, "based", &no, 0), index_of(e, base1));
	ck_assert_int_eq(find_all(&f, "based", NULL, 0), index_of(e, base1));
	ck_assert_int_ne(base1, base2);
	no.hidden = true;
	ck_assert_int_eq(find_all(&f, "based", &no, 0), -1);
	ck_assert_int_eq(find_all(&f, "hid", NULL, 0), -1);
	ck_assert_int_eq(find_all(&f, "hid", NULL, NEWEST), -1);
	ck_assert_int_eq(find_all(&f, "hid", &v2, 0), index_of(e, hid));
	free_family(&f);
	elfgen_free(e);
}
END_TEST

/* A version whose name has the hash 0 is one like others (glibc bug 29190). */
START_TEST(version_of_hash_zero)
{
	struct elfgen *e = kit_elf();
	struct version zero = {.name = "PPPPPPPPPPPP"}, other = {.name = "V_1", .hash = hash_sysv("V_1")};
	unsigned n, sym;
	struct family f;

	ck_assert_uint_eq(hash_sysv(zero.name), 0);
	n = elfgen_verdef(e, zero.name, NULL);
	sym = define(e, (struct elfgen_sym){.name = "lone", .value = 8, .version = (uint16_t)n});
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	f = load_family(e);
	ck_assert_int_eq(find_all(&f, "lone", &zero, 0), index_of(e, sym));
	ck_assert_int_eq(find_all(&f, "lone", NULL, 0), index_of(e, sym));
	ck_assert_int_eq(find_all(&f, "lone", &other, 0), -1);
	free_family(&f);
	elfgen_free(e);
}
END_TEST

/* A library without versions satisfies every version. */
START_TEST(no_versions)
{
	struct elfgen *e = kit_elf();
	struct version v1 = {.name = "V_1", .hash = hash_sysv("V_1"), .hidden = true};
	unsigned sym = define(e, (struct elfgen_sym){.name = "plain", .value = 8});
	struct family f = load_family(e);

	ck_assert_int_eq(find_all(&f, "plain", &v1, 0), index_of(e, sym));
	ck_assert_int_eq(find_all(&f, "plain", NULL, NEWEST), index_of(e, sym));
	free_family(&f);
	elfgen_free(e);
}
END_TEST

/* Values of the algorithms as the gABI and binutils print them. */
START_TEST(hash_functions)
{
	ck_assert_uint_eq(hash_sysv(""), 0);
	ck_assert_uint_eq(hash_sysv("printf"), 0x077905a6);
	ck_assert_uint_eq(hash_sysv("exit"), 0x0006cf04);
	ck_assert_uint_eq(hash_sysv("a name of more than seven letters"), 0x5812c3);
	ck_assert_uint_eq(hash_sysv("\xff\xff\xff\xff\xff\xff\xff\xff"), 0x10ef);
	ck_assert_uint_eq(text_hash(""), 0x00001505);
	ck_assert_uint_eq(text_hash("printf"), 0x156b2bb8);
	ck_assert_uint_eq(text_hash("\xff"), 5381 * 33 + 255);
}
END_TEST

/* dladdr's lookup: the closest symbol below that covers the address. */
START_TEST(nearest)
{
	struct elfgen *e = kit_elf();
	struct family f;
	unsigned outer, inner, point;

	outer = define(e, (struct elfgen_sym){.name = "outer", .value = KIT_DATA, .size = 64});
	inner = define(e, (struct elfgen_sym){.name = "inner", .value = KIT_DATA + 16, .size = 8});
	point = define(e, (struct elfgen_sym){.name = "point", .value = KIT_DATA + 80, .size = 0});
	define(e, (struct elfgen_sym){.name = "thread", .type = STT_TLS, .value = KIT_DATA + 8, .size = 99});
	elfgen_sym(e, &(struct elfgen_sym){.name = "undef", .bind = STB_GLOBAL, .value = 0, .size = -1ull});
	elfgen_put(e, ELFGEN_DATA, NULL, 256);
	f = load_family(e);
	for (int i = 0; i < WAYS; i++) {
		const struct symtab *st = &f.im[i]->st;
		uintptr_t data = st->bias + KIT_DATA;

		ck_assert_int_eq(hash_nearest(st, data) - st->sym, index_of(e, outer));
		ck_assert_int_eq(hash_nearest(st, data + 15) - st->sym, index_of(e, outer));
		ck_assert_int_eq(hash_nearest(st, data + 16) - st->sym, index_of(e, inner));
		ck_assert_int_eq(hash_nearest(st, data + 23) - st->sym, index_of(e, inner));
		ck_assert_int_eq(hash_nearest(st, data + 63) - st->sym, index_of(e, outer));
		ck_assert_ptr_null(hash_nearest(st, data + 64));
		ck_assert_int_eq(hash_nearest(st, data + 80) - st->sym, index_of(e, point));
		ck_assert_ptr_null(hash_nearest(st, data + 81));
		ck_assert_ptr_null(hash_nearest(st, data - 1));
		ck_assert_ptr_null(hash_nearest(st, st->bias));
	}
	free_family(&f);
	elfgen_free(e);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, random_tables);
	tcase_add_test(tc, system_libraries);
	tcase_add_test(tc, definitions);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, version_of_hash_zero);
	tcase_add_test(tc, no_versions);
	tcase_add_test(tc, hash_functions);
	tcase_add_test(tc, nearest);
}

KIT_MAIN("hash", add)

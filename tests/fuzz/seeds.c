/* SPDX-License-Identifier: MIT */
/*
 * seeds: the first inputs of the fuzz targets.
 *
 *   seeds DIRECTORY      writes DIRECTORY/<target>/seed-<n>
 *
 * For the targets that take recipes: every sample library, alone and as each other's dependency, and one
 * operation of each kind.  For the others: a cache, and the forms that search paths have.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "arch/arch.h"
#include "fuzz.h"
#include "paths.h"
#include "recipe.h"

static const char *top;
static unsigned serial;

/* seeds does not run a target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	(void)data;
	return len != 0;
}

static void save(const char *target, const void *bytes, size_t len)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, target);
	if (mkdir(path, 0777) && errno != EEXIST)
		perror(path), exit(1);
	snprintf(path, sizeof(path), "%s/%s/seed-%03u", top, target, serial++);
	f = fopen(path, "wb");
	if (!f || fwrite(bytes, 1, len, f) != len || fclose(f))
		perror(path), exit(1);
}

/* --- recipes ---------------------------------------------------------------------------------------- */

struct draft {
	uint8_t bytes[1 + RECIPE_OPS * RECIPE_OP];
	size_t len;
};

static void add(struct draft *d, unsigned code, unsigned how, unsigned idx, uint64_t val)
{
	struct recipe_op op = {(uint8_t)code, (uint8_t)how, (uint16_t)idx, val};

	FUZZ_CHECK(d->len + RECIPE_OP <= sizeof(d->bytes));
	recipe_write(d->bytes + d->len, &op);
	d->len += RECIPE_OP;
}

static struct draft draft(unsigned base)
{
	return (struct draft){.bytes = {(uint8_t)base}, .len = 1};
}

static void save_recipe(const struct draft *d)
{
	static const char *const targets[] = {"file", "dyn", "reloc", "load"};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		save(targets[i], d->bytes, d->len);
}

/* What musl's habits, a privileged process and a snapshot make of the samples; filters; property notes. */
static void habits(unsigned base)
{
	for (unsigned how = 0; how < 8; how++) {
		struct draft d = draft(base);

		add(&d, RECIPE_CONTROL, 0, RECIPE_HABITS, how & 3);
		add(&d, RECIPE_CONTROL, 0, RECIPE_MODE, how & 4 ? 0x800 | 2 : 1);
		add(&d, RECIPE_FILTER, how & 1, 12 + how % 4, 0);
		add(&d, RECIPE_PROPERTY, 4, how & 3 ? 1 : 0, how & 4 ? 1 : 8);
		add(&d, RECIPE_FILE, 0, 0, 1);
		add(&d, RECIPE_FILTER, how & 1, 13, 0);
		add(&d, RECIPE_FILE, 0, 1, 2);
		add(&d, RECIPE_FILE, 0, 4, 3);
		save("load", d.bytes, d.len);
	}
}

/* Files that change, with and without a snapshot of them; files that are none; headers far away. */
static void files(void)
{
	for (unsigned nth = 0; nth < 10; nth++)
		for (unsigned snapshot = 0; snapshot < 2; snapshot++) {
			struct draft d = draft(3);

			add(&d, RECIPE_CONTROL, 0, RECIPE_CHANGE, nth | 16);
			add(&d, RECIPE_CONTROL, 0, RECIPE_MODE, snapshot ? 0x801 : 2);
			save_recipe(&d);
			d = draft(3);
			add(&d, RECIPE_CONTROL, 0, RECIPE_FAIL, nth);
			add(&d, RECIPE_CONTROL, 0, RECIPE_MODE, snapshot ? 0x801 : 2);
			add(&d, ELFGEN_e_phoff, 0, 0, 4096);
			save_recipe(&d);
		}
	for (uint64_t type = 1; type < 8; type++) {
		struct draft d = draft(3);

		add(&d, RECIPE_CONTROL, 0, RECIPE_CHANGE, (2 * type) << 60);
		save("file", d.bytes, d.len);
	}
}

static void frames(void)
{
	static const unsigned encodings[] = {0x1b, 0x3b, 0x03, 0x00, 0x0b, 0x2b, 0x1c};

	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		for (unsigned length = 0; length < 24; length += 8) {
			struct draft d = draft(5);

			add(&d, RECIPE_FRAMES, encodings[i], 0, length | (i & 1) << 16 | 16 << 8);
			save("dyn", d.bytes, d.len);
			d = draft(5);
			add(&d, RECIPE_FRAMES, encodings[i], 1,
			    length | (uint64_t)(encodings[i] < 0x10 ? 0x800010 : 16) << 32);
			save("dyn", d.bytes, d.len);
		}
}

/* Roots that share dependencies come and go. */
static void closing(void)
{
	for (uint64_t order = 1; order < 8; order++)
		for (unsigned second = 0; second < 4; second++) {
			struct draft d = draft(order & 1 ? 2 : 7);

			add(&d, RECIPE_CONTROL, 0, RECIPE_MODE, second & 1 ? 0x102 : 2);
			add(&d, RECIPE_CONTROL, 0, RECIPE_AGAIN,
			    order << 61 | (uint64_t)(second + 1) % 4 << 40 | 2 << 2 | second);
			add(&d, RECIPE_FILE, 0, second & 2 ? 0 : 8, 1);
			add(&d, RECIPE_FILE, 0, 1, 2);
			add(&d, RECIPE_FILE, 0, 9, 3);
			save("load", d.bytes, d.len);
		}
}

/* An allocator, a sanitizer, a libc, among those that prefer their own symbols. */
static void special_names(void)
{
	for (unsigned name = 0; name < 11; name++) {
		struct draft d = draft(2);

		add(&d, RECIPE_SYM, 0x20, name | 1 << 14, 0x1000000);
		add(&d, RECIPE_CONTROL, 0, RECIPE_MODE, 2 | 8 /* RTLD_DEEPBIND */);
		add(&d, RECIPE_FILE, 0, 1, 2);
		add(&d, RECIPE_SYM, 0x20, name | 1 << 14, 0x1000000);
		add(&d, RECIPE_OPTION, 0, 16, 32 + name);
		save("load", d.bytes, d.len);
	}
}

static void recipes(void)
{
	struct draft d;

	for (unsigned base = 0; base < RECIPE_BASES; base++) {
		d = draft(base);
		save_recipe(&d);
		habits(base);
		for (unsigned how = 0; how < 4; how++) {
			d = draft(base);
			add(&d, RECIPE_CONTROL, 0, RECIPE_MODE, how == 1 ? 0x102 : how == 2 ? 0x1 : 0x402);
			add(&d, RECIPE_CONTROL, 0, RECIPE_ROOT, how);
			add(&d, RECIPE_CONTROL, 0, RECIPE_AGAIN, 2 | 2 << 2);
			add(&d, RECIPE_NEEDED, 0, 12, 0);
			add(&d, RECIPE_FILE, 0, 7, 1);
			add(&d, RECIPE_FILE, 0, how == 3 ? 8 : 1, 2);
			add(&d, RECIPE_FILE, 0, how == 2 ? 9 : 4, 3);
			save("load", d.bytes, d.len);
		}
	}
	for (unsigned code = 1; code < RECIPE_CODES; code = code == ELFGEN_NFIELDS - 1 ? RECIPE_SYM : code + 1) {
		d = draft(code % 3 ? 0 : 2);
		add(&d, code, RECIPE_NOTED, code, 23);
		save_recipe(&d);
	}
}

/* Every kind of relocation to every kind of symbol. */
static void relocations(void)
{
	for (unsigned type = 0; type < 36; type++)
		for (unsigned sym = 0; sym < 8; sym += 3) {
			struct draft d = draft(2);

			add(&d, RECIPE_SYM, 0x20, 1 | 3 << 5, 0x800000);
			add(&d, type & 1 ? RECIPE_REL : RECIPE_PLT, RECIPE_VALUE, type, sym | 0x14000);
			add(&d, RECIPE_CONTROL, 0, RECIPE_MODE, type & 2 ? 1 : 2);
			save("reloc", d.bytes, d.len);
		}
}

/* The beginning of a file, byte by byte. */
static void raw(unsigned base)
{
	struct elfgen *e = recipe_base(base);
	uint8_t *bytes;

	elfgen_build(e);
	bytes = malloc(e->len + 1);
	FUZZ_CHECK(bytes);
	bytes[0] = RECIPE_RAW;
	memcpy(bytes + 1, e->buf, e->len);
	save("file", bytes, 1 + (e->len > 1600 ? 1600 : e->len));
	free(bytes);
	elfgen_free(e);
}

/* --- the others -------------------------------------------------------------------------------------- */

static void caches(void)
{
	static const char *const names[] = {"x.so", "lib9.so", "lib10.so", "libnone.so", "", "a"};
	size_t len;
	uint8_t *cache = fuzz_cache(&len), old[16 + 24] = "ld.so-1.7.0", *bytes = malloc(len + 100);

	FUZZ_CHECK(cache && bytes);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]) + 1;

		memcpy(bytes, names[i], n);
		memcpy(bytes + n, cache, len);
		save("cache", bytes, n + len);
		old[12] = i & 1; /* one entry of the old kind, or none, and the new table behind it */
		memcpy(bytes + n, old, sizeof(old));
		memcpy(bytes + n + 16 + 16 * (i & 1), cache, len);
		save("cache", bytes, n + 16 + 16 * (i & 1) + len);
		memcpy(bytes + n + 16, "\3\3\0\0\0\0\0\0\5\0\0\0x.so\0/lib/x.so", 27);
		save("cache", bytes, n + 43);
	}
	free(cache);
	free(bytes);
}

static void search_paths(void)
{
	static const struct {
		const char *switches, *text;
		size_t len;
	} list[] = {
#define ROW(switches, text) {switches, text, sizeof(text)}
		ROW("\0\xff", "x.so\0/f/me.so\0/f\0\0/nowhere:/f\0/o/lib\0/"),
		ROW("\0\x4", "x.so\0me.so\0\0$ORIGIN:$ORIGIN/../lib:/f\0\0\0/"),
		ROW("\1\x4", "x.so\0/lib/me.so\0$ORIGIN:$ORIGIN/../lib:/f\0\0\0\0/"),
		ROW("\x81\xff", "x.so\0/lib/me.so\0$ORIGIN:${ORIGIN}/../../f:/f\0\0\0\0/"),
		ROW("\2\xff", "$LIB.so\0/f/me.so\0/f\0\0\0$ORIGIN/../$LIB\0/"),
		ROW("\3\xff", "$ORIGIN/x.so\0/f/me.so\0\0\0\0\0/"),
		ROW("\0\xff", "/$PLATFORM/x.so\0sub/me.so\0::\0\0;:\0\0/sub"),
		ROW("\1\xff", "x.so\0sub/me.so\0::\0\0;:\0sub:\0/sub"),
		ROW("\x8\xff", "x.so\0/f/me.so\0/f:sub\0\0\0\0/"),
		ROW("\x10\xff", "x.so\0/f/me.so\0/f\0\0\0\0/"),
		ROW("\4\x1", "x.so\0/f/me.so\0\0/f\0\0\0/"),
		ROW("\x20\x8", "lib9.so\0/f/me.so\0/f\0\0\0\0/"),
		ROW("\x40\xff", "nothing.so\0/f/me.so\0\0\0$ORIGINAL:${LIB:$\0\0/"),
		ROW("\0\0", "lib9.so\0/f/me.so\0\0\0\0\0/"),
#undef ROW
	};

	for (size_t i = 0; i < 2 * (sizeof(list) / sizeof(list[0])); i++) {
		char bytes[300];

		memcpy(bytes, list[i / 2].switches, 2);
		bytes[2] = i & 1; /* whose habits */
		memcpy(bytes + 3, list[i / 2].text, list[i / 2].len);
		save("path", bytes, 3 + list[i / 2].len);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: seeds DIRECTORY\n", stderr);
		return 2;
	}
	top = argv[1];
	if (mkdir(top, 0777) && errno != EEXIST)
		perror(top), exit(1);
	recipes();
	files();
	closing();
	frames();
	special_names();
	relocations();
	for (unsigned base = 0; base < 4; base++)
		raw(base);
	caches();
	search_paths();
	return 0;
}

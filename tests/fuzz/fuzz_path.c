/* SPDX-License-Identifier: MIT */
/*
 * fuzz_path: names, search paths and their tokens.
 *
 * Input: three bytes of switches, then strings, each ended by NUL: the name, the caller's path, its RPATH,
 * its RUNPATH, LD_LIBRARY_PATH, the program's RPATH, the current directory.  Promise: under AT_SECURE
 * nothing below the current directory is opened unless the name itself says so, and $ORIGIN leads only
 * where glibc lets it; the path that was opened is one that exists; everything ends.
 */
#include "fuzz.h"

#include <string.h>

#include "arch/arch.h"
#include "compat/host.h"
#include "compat/peek.h"
#include "loader/arena.h"
#include "loader/dir.h"
#include "loader/dst.h"
#include "loader/image.h"
#include "loader/search.h"
#include "loader/text.h"
#include "memhost.h"
#include "paths.h"
#include "recipe.h"

enum { NAME, PATH, RPATH, RUNPATH, ENV, PROGRAM, CWD, STRINGS };
enum { SECURE = 1, NEEDED = 2, NODEFLIB = 4, WRONG_CLASS = 8, DAMAGED = 16, FAIL = 32, NO_CACHE = 64,
       IS_PROGRAM = 128 };
enum { MUSL = 1 }; /* in the third byte; the second says which files there are */

static const char *const places[] = {
	"/lib/x.so", "/usr/lib/x.so", "/f/x.so", "/f/glibc-hwcaps/model-v3/x.so", "/o/lib/x.so", "x.so",
	"sub/x.so", "/usr/lib/glibc-hwcaps/model-v3/x.so", "/f/tls/x.so", "/lib/lib9.so", "./x.so",
};
static const char *const folders[] = {
	"/lib", "/usr/lib", "/f", "/f/glibc-hwcaps", "/f/glibc-hwcaps/model-v3", "/o/lib", ".", "sub",
	"/usr/lib/glibc-hwcaps", "/f/tls", "/o",
};
enum { PLACES = sizeof(places) / sizeof(places[0]), FOLDERS = sizeof(folders) / sizeof(folders[0]) };

/* Copies the strings out, so that a read behind one is seen. */
static void split(const uint8_t *data, size_t len, char *out[STRINGS])
{
	for (int i = 0; i < STRINGS; i++) {
		const uint8_t *end = len ? memchr(data, 0, len) : NULL;
		size_t n = end ? (size_t)(end - data) : len;

		out[i] = malloc(n + 1);
		FUZZ_CHECK(out[i]);
		if (n)
			memcpy(out[i], data, n);
		out[i][n] = 0;
		data += n + (end != NULL);
		len -= n + (end != NULL);
	}
}

static const char *some(const char *s)
{
	return *s ? s : NULL;
}

static void count(const char *dir, size_t len, void *arg)
{
	FUZZ_CHECK(len > 0 && strlen(dir) >= len);
	++*(unsigned *)arg;
}

static bool is_place(const char *path)
{
	for (int i = 0; i < PLACES; i++)
		if (!strcmp(path, places[i]))
			return true;
	return false;
}

static void look(struct search *s)
{
	struct diag d = {.kind = DIAG_NONE};
	struct file f;
	unsigned n = 0;
	bool ok = search_open(s, &f, &d);

	fuzz_check_diag(&d, ok);
	FUZZ_CHECK(memchr(s->tried, 0, sizeof(s->tried)) && memchr(s->path, 0, sizeof(s->path)));
	if (ok) {
		FUZZ_CHECK(is_place(s->path) && f.path == s->path);
		FUZZ_CHECK(!host.secure || strchr(s->name, '/') || dst_present(s->name) || s->path[0] == '/');
		file_close(&f);
	}
	search_each_dir(s->caller, s->program, count, &n);
	FUZZ_CHECK(memhost_fds() == 0);
}

static void expand(const char *in, const struct image *owner)
{
	char out[4096], little[24];

	memset(out, 0x55, sizeof(out));
	if (dst_expand(in, owner, out, sizeof(out)))
		FUZZ_CHECK(memchr(out, 0, sizeof(out)) && out[0]);
	if (dst_expand(in, owner, little, sizeof(little)))
		FUZZ_CHECK(memchr(little, 0, sizeof(little)) && little[0]);
}

static void add_files(const struct elfgen *e, unsigned mask, const uint8_t *cache, size_t cache_len)
{
	memhost_clear();
	for (int i = 0; i < PLACES; i++)
		if (mask >> i % 8 & 1 || i > 8)
			memhost_add(&(struct memhost_file){.path = places[i], .bytes = e->buf, .len = e->len,
				.size = e->len});
	for (int i = 0; i < FOLDERS; i++)
		memhost_add_dir(folders[i]);
	memhost_add(&(struct memhost_file){.path = "/etc/ld.so.cache", .bytes = cache, .len = cache_len,
		.size = cache_len});
}

static void work(char *text[STRINGS], unsigned flags)
{
	static char exe[] = "/o/bin/program";
	struct image program = {.path = exe, .host = true, .program = true};
	struct image caller = {.path = text[PATH], .caller = &program};
	struct search s = {.name = text[NAME], .caller = &caller, .program = &program,
			   .is_needed = flags & NEEDED};

	caller.dyn.rpath = some(text[RPATH]);
	caller.dyn.runpath = some(text[RUNPATH]);
	caller.dyn.flags_1 = flags & NODEFLIB ? DF_1_NODEFLIB : 0;
	caller.program = flags & IS_PROGRAM;
	program.dyn.rpath = some(text[PROGRAM]);
	fuzz_paths.env = host.secure ? NULL : some(text[ENV]);
	for (int i = 0; i < STRINGS; i++) {
		expand(text[i], &caller);
		expand(text[i], &program);
	}
	look(&s);
	s.caller = NULL;
	look(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct elfgen *e;
	char *text[STRINGS];
	uint8_t *cache;
	size_t cache_len;

	fuzz_start();
	if (len < 3)
		return 0;
	split(data + 3, len - 3, text);
	e = recipe_base(3);
	elfgen_build(e);
	if (data[0] & WRONG_CLASS)
		e->buf[EI_CLASS] ^= 3;
	if (data[0] & DAMAGED)
		e->buf[EI_VERSION] = 9;
	cache = fuzz_cache(&cache_len);
	host.secure = data[0] & SECURE;
	host.style = data[2] & MUSL ? &host_style_musl : &host_style_glibc;
	fuzz_paths.use_cache = !(data[0] & NO_CACHE);
	add_files(e, data[1], cache, cache_len);
	memhost_cwd(some(text[CWD]));
	if (data[0] & FAIL)
		memhost_fail(1 + data[1]);
	work(text, data[0]);
	host.secure = false;
	host.style = &host_style_glibc;
	dir_forget();
	FUZZ_CHECK(arena_used() == 0);
	for (int i = 0; i < STRINGS; i++)
		free(text[i]);
	free(cache);
	elfgen_free(e);
	return 0;
}

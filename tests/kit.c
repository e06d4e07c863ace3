/* SPDX-License-Identifier: MIT */
/*
 * kit: see kit.h.
 *
 * Check runs each case in a child of its own, so no case sees what another one left; the directory for
 * files is made once, by the parent.
 */
#include "kit.h"

#include <dirent.h>
#include <ftw.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/peek.h"
#include "loader/arena.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define KIT_SANITIZED
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) /* clang's way to say so */
#define KIT_SANITIZED
#endif
#endif

/* A test case leaves its memory to the end of its process; what the loader leaves, kit_unchanged sees. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static char dir[64];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	if (getpid() == owner)
		nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void kit_start(void)
{
	if (owner)
		return;
	owner = getpid();
	snprintf(dir, sizeof(dir), "/tmp/dlrs-unit-%d-XXXXXX", (int)owner);
	/* Outside of a test case Check's own assertions cannot be used. */
	if (!mkdtemp(dir) || atexit(clean_up) || !host_boot()) {
		fputs("Bail out! no directory for files, or no host\n", stderr);
		exit(1);
	}
	/* The cases know glibc's words and ways; tests/conform has other libcs'. */
	host.style = &host_style_glibc;
	host.exe_is_program = false;
}

const char *kit_path(const char *name)
{
	static char buf[8][128];
	static unsigned next;
	char *p = buf[next++ % 8];

	snprintf(p, sizeof(buf[0]), "%s/%s", dir, name);
	return p;
}

static int factor(void)
{
	const char *s = getenv("DLRS_ROUNDS");

	return s && atoi(s) > 0 ? atoi(s) : 1;
}

uint32_t kit_random(uint32_t below)
{
	static uint64_t state;

	if (!state)
		state = 0x2545f4914f6cdd1d * (uint64_t)factor();
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

int kit_rounds(int n)
{
	return n * factor();
}

void kit_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("PASS ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout); /* cases run in children */
	va_end(ap);
}

void kit_input(const char *layer, const char *name, bool accepted)
{
	kit_say("input: %s: %s (%s)", layer, name, accepted ? "accepted" : "refused");
}

int kit_run(const char *name, void (*add)(TCase *))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	kit_start();
	tcase_set_timeout(tc, 900 * factor()); /* also on a busy machine, under a sanitizer */
	add(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}

/* --- the sample ------------------------------------------------------------------------------------ */

/*
 * DATA: words 0-7: relocated, 8-15: GOT for the PLT.  Symbols: "object" at word 0, "func" in TEXT (two
 * versions), "local_tls" in PT_TLS, "outside" undefined and weak.
 */
struct elfgen *kit_sample_with(const struct kit_numbers *n)
{
	struct elfgen *e = elfgen_new(n->machine);
	uint64_t data, array[2];
	unsigned object, func, tls, outside, v1, v2;

	e->soname = "libsample.so";
	e->runpath = "$ORIGIN";
	e->bss = 0x2345;
	elfgen_tls(e, "template", 8, 24, 16);
	elfgen_put(e, ELFGEN_TEXT, NULL, 256);
	elfgen_put(e, ELFGEN_RODATA, NULL, 64);
	data = elfgen_put(e, ELFGEN_DATA, NULL, 128);
	array[0] = KIT_TEXT + 64;
	array[1] = KIT_TEXT + 72;
	e->init_array = elfgen_words(e, ELFGEN_RELRO, array, 2);
	e->ninit = 2;
	e->fini_array = elfgen_words(e, ELFGEN_RELRO, array, 1);
	e->nfini = 1;
	e->pltgot = data + 64;
	v1 = elfgen_verdef(e, "SAMPLE_1", NULL);
	v2 = elfgen_verdef(e, "SAMPLE_2", "SAMPLE_1");
	elfgen_verneed(e, "libother.so", "OTHER_1", true);
	elfgen_verneed(e, "libother.so", "OTHER_2", false);
	elfgen_verneed(e, "libthird.so", "THIRD_1", false);
	object = elfgen_sym(e, &(struct elfgen_sym){.name = "object", .bind = STB_GLOBAL,
		.type = STT_OBJECT, .shndx = 5, .version = (uint16_t)v1, .value = data, .size = 8});
	func = elfgen_sym(e, &(struct elfgen_sym){.name = "func", .bind = STB_GLOBAL,
		.type = STT_FUNC, .shndx = 2, .version = (uint16_t)v2, .value = KIT_TEXT, .size = 16});
	elfgen_sym(e, &(struct elfgen_sym){.name = "func", .bind = STB_GLOBAL, .type = STT_FUNC,
		.shndx = 2, .version = (uint16_t)(v1 | 0x8000), .value = KIT_TEXT + 16, .size = 16});
	tls = elfgen_sym(e, &(struct elfgen_sym){.name = "local_tls", .bind = STB_GLOBAL,
		.type = STT_TLS, .shndx = 4, .version = (uint16_t)v1, .value = 8, .size = 8});
	outside = elfgen_sym(e, &(struct elfgen_sym){.name = "outside", .bind = STB_WEAK});
	elfgen_rel(e, &(struct elfgen_rel){data, n->relative, 0, KIT_TEXT});
	elfgen_rel(e, &(struct elfgen_rel){data + 8, n->symbolic, object, 4});
	elfgen_rel(e, &(struct elfgen_rel){data + 16, n->tpoff, tls, 0});
	elfgen_rel(e, &(struct elfgen_rel){data + 24, n->symbolic, outside, 0});
	elfgen_plt(e, &(struct elfgen_rel){data + 88, n->plt, func, 0});
	elfgen_relr(e, e->init_array);
	elfgen_relr(e, e->init_array + sizeof(uintptr_t));
	elfgen_note(e, 3 /* NT_GNU_BUILD_ID */, "identity", 8);
	return e;
}

/* --- stages ---------------------------------------------------------------------------------------- */

struct space kit_space;

struct image *kit_map(const char *path, struct diag *d)
{
	struct file f;
	struct image *im = NULL;
	bool ok;

	if (!file_open(&f, path, d))
		return NULL;
	ok = file_headers(&f, d);
	if (ok) {
		im = image_new(&kit_space, path, false);
		ck_assert_ptr_nonnull(im);
		ok = map_image(&im->map, &f, d) &&
		     image_headers(im, f.ph, f.phnum, f.eh.e_phoff, d);
	}
	file_close(&f);
	if (!ok) {
		image_free(im);
		return NULL;
	}
	return im;
}

struct image *kit_load_path(const char *path, struct diag *d)
{
	struct image *im = kit_map(path, d);

	if (im && !image_parse(im, NULL, d)) {
		image_free(im);
		return NULL;
	}
	return im;
}

struct image *kit_load(const struct elfgen *e, const char *name, struct diag *d)
{
	const char *path = kit_path(name);

	elfgen_write(e, path);
	return kit_load_path(path, d);
}

/* --- what must stay as it was ---------------------------------------------------------------------- */

static int count_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(fds);
	while (readdir(fds))
		n++;
	closedir(fds);
	return n;
}

/* Allocators come and go with private read-write memory; everything else is ours to answer for. */
static bool of_allocator(const char *line)
{
#ifdef KIT_SANITIZED /* its allocator reserves room */
	if (strstr(line, " ---p 00000000 00:00 0"))
		return true;
#endif
	return strstr(line, " rw-p 00000000 00:00 0") || strstr(line, "[heap]") || strstr(line, "[stack]");
}

static char *read_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ck_assert(f && out);
	while (fgets(line, sizeof(line), f))
		if (!of_allocator(line))
			fputs(line, out);
	fclose(f);
	fclose(out);
	return text;
}

static int count_one(struct dl_phdr_info *info, size_t len, void *n)
{
	(void)info;
	(void)len;
	++*(int *)n;
	return 0;
}

struct kit_trace kit_trace(void)
{
	struct kit_trace t = {.arena = arena_used(), .fds = count_fds()};

	dl_iterate_phdr(count_one, &t.listed);
	free(read_maps()); /* malloc has what it needs now */
	t.maps = read_maps();
	return t;
}

/* The first line of a that b does not have. */
static const char *only_in(const char *a, const char *b)
{
	static char lines[2][512];
	static unsigned turn;
	char *line = lines[turn++ % 2];

	for (size_t len; *a; a += len) {
		len = strcspn(a, "\n") + 1;
		snprintf(line, sizeof(lines[0]), "%.*s", (int)len, a);
		if (!strstr(b, line))
			return line;
	}
	return "nothing";
}

void kit_unchanged(struct kit_trace *before, const char *what)
{
	struct kit_trace now = kit_trace();

	ck_assert_msg(now.arena == before->arena, "%s: the arena had %zu bytes in use, now %zu", what,
		      before->arena, now.arena);
	ck_assert_msg(now.fds == before->fds, "%s: %d files were open, now %d", what, before->fds,
		      now.fds);
	ck_assert_msg(now.listed == before->listed, "%s: %d libraries were listed, now %d", what, before->listed,
		      now.listed);
	ck_assert_msg(!strcmp(now.maps, before->maps), "%s: gone: %s; new: %s", what,
		      only_in(before->maps, now.maps), only_in(now.maps, before->maps));
	free(before->maps);
	free(now.maps);
}

/* --- damaged files --------------------------------------------------------------------------------- */

void (*kit_before_write)(struct elfgen *, const struct kit_bad *);

void kit_damage_to(struct elfgen *e, const struct kit_bad *b, const char *path)
{
	elfgen_build(e);
	for (int i = 0; i < KIT_HITS; i++)
		if (b->hit[i].at.field)
			elfgen_poke(e, b->hit[i].at, b->hit[i].value);
	if (b->damage)
		b->damage(e);
	if (kit_before_write)
		kit_before_write(e, b);
	elfgen_write(e, path);
	elfgen_free(e);
}

void kit_verdict(const struct kit_bad *b, bool accepted, const struct diag *d)
{
	if (b->kind == DIAG_NONE) {
		ck_assert_msg(accepted, "%s: should be accepted, but: %s", b->name, d->text);
		return;
	}
	ck_assert_msg(!accepted, "%s: was accepted", b->name);
	ck_assert_msg(!d->kind || d->kind == b->kind, "%s: kind %d instead of %d: %s", b->name, d->kind, b->kind,
		      d->text);
	ck_assert_msg(strstr(d->text, b->phrase), "%s: says \"%s\", not \"%s\"", b->name, d->text,
		      b->phrase);
}

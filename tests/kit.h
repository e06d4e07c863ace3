/* SPDX-License-Identifier: MIT */
/*
 * kit: what the unit tests of the loading rooms share.
 *
 * A library with everything in it (kit_sample), the first stages of a load in one call (kit_load), tables
 * of damaged files (struct kit_bad), failing host calls (kit_fail), and a snapshot of what a refused file
 * must not change (struct kit_trace).
 *
 * Works for this machine and, in programs compiled with ARCH_MODEL, for the made-up CPU of arch/model:
 * what depends on the CPU is inline here.
 */
#ifndef TESTS_KIT_H
#define TESTS_KIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "compat/host.h"
#include "elfgen.h"
#include "loader/diag.h"
#include "loader/file.h"
#include "loader/image.h"
#include "loader/scope.h"

/* Finds the host and makes a directory for files, removed at exit.  Idempotent. */
void kit_start(void);
const char *kit_path(const char *name); /* in that directory; one of eight buffers */

/* A generator whose sequence is the same in every run. */
uint32_t kit_random(uint32_t below);

/* n, or DLRS_ROUNDS times as many: for a longer look than `make check` has time for. */
int kit_rounds(int n);

/* Runs the cases that add() adds (Check's own functions differ between its versions); exit status. */
int kit_run(const char *name, void (*add)(TCase *));
#define KIT_MAIN(name, add)                                                                        \
	int main(void)                                                                             \
	{                                                                                          \
		return kit_run(name, add);                                                         \
	}

/* One more case that passed, besides Check's own: "PASS ...". */
void kit_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for an input that tried the loader: tests/summary.sh has a table of them, a row for each layer. */
void kit_input(const char *layer, const char *name, bool accepted);

/* --- files ----------------------------------------------------------------------------------------- */

/* A number of this CPU's for a kind; aborts when it has none. */
static inline uint32_t kit_reloc(enum reloc_kind kind)
{
#define KIT_ROW(number, k)                                                                         \
	if (kind == RELOC_##k)                                                                     \
		return number;
	ARCH_RELOCS(KIT_ROW)
#undef KIT_ROW
	ck_abort_msg("no relocation of this kind");
	return 0;
}

static inline struct elfgen *kit_elf(void)
{
	struct elfgen *e = elfgen_new(ARCH_EM);

	e->rela = ARCH_RELA;
	return e;
}

/*
 * Not yet built: soname, versions, thread-locals, relocations of every table, RELR, constructors, notes,
 * both hashes.  Needs no other library.  Symbols: see kit.c.
 */
struct kit_numbers {
	uint32_t relative, symbolic, plt, tpoff, machine;
};
struct elfgen *kit_sample_with(const struct kit_numbers *n);

static inline struct elfgen *kit_sample(void)
{
	struct kit_numbers n = {kit_reloc(RELOC_RELATIVE), kit_reloc(RELOC_SYMBOLIC),
				kit_reloc(RELOC_PLT), kit_reloc(RELOC_TPOFF), ARCH_EM};
	struct elfgen *e = kit_sample_with(&n);

	e->rela = ARCH_RELA;
	return e;
}

/* Addresses in the sample. */
enum {
	KIT_DATA = (int)ELFGEN_VA(ELFGEN_DATA),
	KIT_RELRO = (int)ELFGEN_VA(ELFGEN_RELRO),
	KIT_TEXT = (int)ELFGEN_VA(ELFGEN_TEXT),
};

/* --- stages ---------------------------------------------------------------------------------------- */

extern struct space kit_space;

/* file_open, file_headers, map_image, image_new, image_headers, image_parse.  NULL: see d. */
struct image *kit_load_path(const char *path, struct diag *d);
/* The same of a built e, whose file gets this name. */
struct image *kit_load(const struct elfgen *e, const char *name, struct diag *d);
/* Without the parse. */
struct image *kit_map(const char *path, struct diag *d);

/* --- what must stay as it was ---------------------------------------------------------------------- */

struct kit_trace {
	size_t arena;
	int fds;
	int listed;  /* by dl_iterate_phdr */
	char *maps; /* all lines but those of private read-write memory, which belongs to allocators */
};
struct kit_trace kit_trace(void);
/* Fails the test, naming `what`, unless all is as in `before`; frees it. */
void kit_unchanged(struct kit_trace *before, const char *what);

/* --- damaged files --------------------------------------------------------------------------------- */

struct kit_hit {
	struct elfgen_place at;
	uint64_t value;
};

enum { KIT_HITS = 4 };
struct kit_bad {
	const char *name;
	struct kit_hit hit[KIT_HITS];
	void (*damage)(struct elfgen *); /* after the hits, or NULL */
	enum diag_kind kind;		 /* DIAG_NONE: must be accepted */
	const char *phrase;		 /* in the message */
};

/* A damaged e as a file; frees e. */
void kit_damage_to(struct elfgen *e, const struct kit_bad *b, const char *path);

static inline void kit_damage(const struct kit_bad *b, const char *path)
{
	kit_damage_to(kit_sample(), b, path);
}

/* Called when all damage is done, before the file is written; NULL: nothing. */
extern void (*kit_before_write)(struct elfgen *, const struct kit_bad *);

/* Was it refused (or accepted) as the row says?  A diag without a kind has words only. */
void kit_verdict(const struct kit_bad *b, bool accepted, const struct diag *d);

#define HIT(field, nth, value)	     {{ELFGEN_##field, 0, nth}, value}
#define PH(field, type, nth, value)  {{ELFGEN_##field, type, nth}, value}
#define DYN(tag, value)		     {{ELFGEN_d_val, tag, 0}, value}
#define TAG(tag, value)		     {{ELFGEN_d_tag, tag, 0}, (uint64_t)(value)}

/* --- end to end: kit_dlopen.c ---------------------------------------------------------------------- */

void kit_preload(char **argv); /* starts the program again with the preload, once */

/* dlopen and dlclose; on failure d has dlerror's words, which name the file, and no kind. */
bool kit_dlopen(const char *path, struct diag *d);
/* The same by another thread, which needs the loader lock: nobody may have kept it. */
bool kit_dlopen_elsewhere(const char *path, struct diag *d);

#define KIT_DLOPEN_MAIN(name, add)                                                                 \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		(void)argc;                                                                        \
		kit_preload(argv);                                                                 \
		return kit_run(name, add);                                                         \
	}

/* --- failing host calls ---------------------------------------------------------------------------- */

/*
 * From now on the nth call (from 1) of host_mem's map and protect or of host_fs's functions that can fail
 * does: ENOMEM or EIO.  kit_fail(0) ends it and tells how many calls there were.
 */
void kit_fail(unsigned nth);
unsigned kit_calls(void);
bool kit_failed(void); /* has the nth call come? */
bool kit_fails(void);  /* counts one more call; is it the nth? */

#endif

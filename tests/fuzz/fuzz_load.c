/* SPDX-License-Identifier: MIT */
/*
 * fuzz_load: dlopen from beginning to end, without constructors; dlclose in between and at last.
 *
 * Promise: a load that fails has words for it; whatever happens, once all is closed nothing is open,
 * mapped or allocated, and the registry is as it was.
 */
#include "fuzz.h"

#include <dlfcn.h>
#include <string.h>

#include "arch/arch.h"
#include "compat/host.h"
#include "compat/peek.h"
#include "loader/adopt.h"
#include "loader/arena.h"
#include "loader/dir.h"
#include "loader/epoch.h"
#include "loader/find.h"
#include "loader/load.h"
#include "loader/lock.h"
#include "loader/registry.h"
#include "loader/unload.h"
#include "memhost.h"
#include "paths.h"
#include "recipe.h"

/* In RECIPE_AGAIN. */
#define CLOSE_BETWEEN ((uint64_t)1 << 63)
#define CLOSE_SECOND  ((uint64_t)1 << 62)
#define OPEN_THIRD    ((uint64_t)1 << 61)

static const char *const paths[] = {"/f/root.so", "/f/a.so", "/f/b.so", "/f/c.so"};
enum { MODES = RTLD_NOW | RTLD_GLOBAL | RTLD_DEEPBIND | RTLD_NODELETE | RTLD_NOLOAD | ELF_RTLD_PRIVATE };
enum { SNAPSHOT = 0x800 }; /* in an input */

/* Allocations fail too, when the host's calls are to fail (linked with --wrap). */
static unsigned allocations;

void *__real_arena_alloc(size_t len);
void *__wrap_arena_alloc(size_t len);
void *__wrap_arena_alloc(size_t len)
{
	return allocations && !--allocations ? NULL : __real_arena_alloc(len);
}

/* The made-up CPU has no entry that the fuzzer's own calls of libc could go through. */
void __wrap_lazy_adopt(struct image *im);
void __wrap_lazy_adopt(struct image *im)
{
	FUZZ_CHECK(im->host);
}

static void start(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	FUZZ_CHECK(host_boot());
	find_start(&registry.base, &registry.adds, &registry.subs);
	FUZZ_CHECK(adopt_sync());
	fuzz_start();
	memhost_clear();
	registry_by_file(&registry.base, 77, 1); /* so that it knows libc's files, which are not there */
	fuzz_paths.env = "/f";
	fuzz_paths.use_cache = false;
}

static void add_files(const struct recipe *r)
{
	memhost_clear();
	memhost_add_dir("/f");
	for (unsigned i = 0; i < r->n; i++) {
		const uint64_t *control = r->file[i].control;

		memhost_add(&(struct memhost_file){.path = paths[r->file[i].name],
			.bytes = r->file[i].bytes,
			.len = r->file[i].len,
			.size = r->file[i].len + control[RECIPE_SIZE],
			.change = control[RECIPE_CHANGE] & 15,
			.growth = (int32_t)(control[RECIPE_CHANGE] >> 4),
			.twist = control[RECIPE_TWIST] & 15,
			.by = control[RECIPE_TWIST] >> 8 & 0xff,
			.off = control[RECIPE_TWIST] >> 16 & 0xffff});
	}
}

/* What readers may ask of what is open. */
static void look(void)
{
	for (struct image *im = registry.base.first; im; im = im->next)
		if (!im->host) {
			fuzz_look_up(im);
			FUZZ_CHECK(find_address(im->map.start) == im);
			FUZZ_CHECK(find_handle(im->handle) == im);
		}
}

/* NULL: not opened. */
static struct image *open_one(const char *name, unsigned mode)
{
	struct diag d = {.kind = DIAG_NONE};
	struct load ld = {.synced = true, .name = name, .mode = (int)(mode & MODES), .space = &registry.base,
			  .caller = registry.program, .diag = &d};
	bool ok;

	ld.mode |= ld.mode & RTLD_NOW ? 0 : RTLD_LAZY;
	ld.mode |= mode & SNAPSHOT ? ELF_RTLD_SNAPSHOT : 0;
	lock_enter();
	ok = load_link(&ld);
	if (ok)
		load_finish(&ld);
	if (!ld.not_loaded)
		fuzz_check_diag(&d, ok);
	if (ok)
		look();
	lock_leave();
	return ok ? ld.root : NULL;
}

/* As the door does it, but for the destructors. */
static void close_one(struct image *im)
{
	struct diag d = {.kind = DIAG_NONE};
	struct unload u;
	bool last, ok;

	if (!im)
		return;
	lock_enter();
	ok = unload_drop(im, &last, &d);
	fuzz_check_diag(&d, ok);
	if (ok && last && unload_begin(&u, im))
		unload_finish(&u);
	look();
	lock_leave();
}

/* NODELETE and unique symbols pin; here everything goes. */
static void close_all(void)
{
	struct unload u;

	lock_enter();
	for (struct image *im = registry.base.first; im; im = im->next)
		if (!im->host) {
			im->pinned = false;
			im->opens = im->nunique = 0;
		}
	if (unload_begin(&u, NULL))
		unload_finish(&u);
	epoch_quiet();
	epoch_collect();
	epoch_collect();
	dir_forget();
	lock_leave();
}

static void work(const struct recipe *r)
{
	const uint64_t *control = r->file[0].control;
	static const char *const roots[] = {"/f/root.so", "root.so", "/$PLATFORM/../f/root.so", "/f/../f/b.so"};
	uint64_t again = control[RECIPE_AGAIN];
	struct image *first, *second = NULL;

	host.secure = control[RECIPE_HABITS] & 1;
	host.style = control[RECIPE_HABITS] & 2 ? &host_style_musl : &host_style_glibc;
	memhost_fail(control[RECIPE_FAIL] & 1 ? 0 : control[RECIPE_FAIL] >> 1 & 63);
	allocations = control[RECIPE_FAIL] & 1 ? control[RECIPE_FAIL] >> 1 & 127 : 0;
	first = open_one(roots[control[RECIPE_ROOT] & 3], (unsigned)control[RECIPE_MODE]);
	if (again & CLOSE_BETWEEN)
		close_one(first);
	if (again)
		second = open_one(paths[again & 3], (unsigned)(again >> 2));
	if (again & CLOSE_SECOND)
		close_one(second);
	if (again & OPEN_THIRD)
		open_one(paths[again >> 40 & 3], (unsigned)control[RECIPE_MODE]);
	memhost_fail(0);
	allocations = 0;
	host.secure = false;
	host.style = &host_style_glibc;
	close_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum { TURNS = 6 };
	struct recipe r;
	unsigned images = registry.nimage;
	size_t used[TURNS + 1], mapped[TURNS + 1];
	bool again = true;

	start();
	recipe_make(&r, data, len);
	if (!r.n)
		return 0;
	/*
	 * What grows once (the scope's room, tables of thread-locals) has grown after the first time; what is
	 * kept for the next load differs when not the same allocation fails.  A leak never comes back to where it was.
	 */
	for (int turn = 0; again; turn++) {
		FUZZ_CHECK(turn < TURNS);
		used[turn] = arena_used();
		mapped[turn] = memhost_mapped();
		add_files(&r);
		work(&r);
		FUZZ_CHECK(memhost_fds() == 0);
		FUZZ_CHECK(!images || registry.nimage == images);
		for (int old = 0; old <= turn; old++)
			again = again && (arena_used() != used[old] || memhost_mapped() != mapped[old]);
	}
	recipe_free(&r);
	return 0;
}

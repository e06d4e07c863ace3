/* SPDX-License-Identifier: MIT */
/*
 * dlopen, dlmopen, dlclose.
 *
 * Opening is a transaction under the lock (load_link); without it a waiting debugger is told, and the
 * constructors run; then RTLD_GLOBAL becomes visible.  What only libc may load (its own family, libgcc_s)
 * it loads without our lock, and the transaction is tried again from the start.
 */
#include <dlfcn.h>
#include <errno.h>

#include "door.h"

#include "../compat/host.h"
#include "../loader/arena.h"
#include "../loader/debugger.h"
#include "../loader/exit.h"
#include "../loader/find.h"
#include "../loader/init.h"
#include "../loader/load.h"
#include "../loader/adopt.h"
#include "../loader/registry.h"
#include "../loader/unload.h"

enum {
	BINDING = RTLD_LAZY | RTLD_NOW,
	OURS = ELF_RTLD_PRIVATE | ELF_RTLD_SNAPSHOT,
	DEEPBIND = 8, /* RTLD_DEEPBIND, which musl's header does not have */
	MODES = BINDING | RTLD_NOLOAD | DEEPBIND | RTLD_GLOBAL | RTLD_NODELETE | OURS,
	TRIES = 64, /* libraries that libc has to load or pin for one dlopen: more is a circle */
};

static const char unknown_libc[] = "libdlrs does not know this process's C library";

static void *refuse(const struct diag *d)
{
	door_error(d);
	return NULL;
}

/* A message has 2 KiB; a caller that goes on shall not carry it on its stack. */
__attribute__((noinline)) static void *refuse_with(const char *file, const char *what)
{
	struct diag d;

	diag_clear(&d);
	diag_set(&d, DIAG_USAGE, "%s%s", file, what);
	return refuse(&d);
}

static bool check_mode(const char *file, int mode, struct diag *d)
{
	if (!host.style->modes)
		return true;
	if (mode & ~MODES)
		return diag_set(d, DIAG_USAGE, "invalid mode parameter (bits %x are unknown)",
				mode & ~MODES);
	if (mode & BINDING)
		return true;
	diag_set(d, DIAG_USAGE, "%s: invalid mode for dlopen(): Invalid argument", file ? file : "");
	d->err = EINVAL;
	return false;
}

/* The load may be tried again.  NEEDS_LOCK. */
static void forget_want(struct load *ld)
{
	arena_free(ld->want_name);
	ld->want_name = NULL;
	ld->want = LOAD_NOTHING;
	diag_clear(ld->diag);
}

/* What the load asked libc for.  UNLOCKED. */
static void serve(struct load *ld)
{
	struct link_map *map = NULL;
	struct image *im;
	char text[512];

	if (ld->want == LOAD_SYNC) {
		ld->synced = true;
		ld->want = LOAD_NOTHING;
		adopt_sync();
		return;
	}
	if (ld->want == LOAD_HOST_OPEN) {
		map = host_open(ld->want_name, text, sizeof text);
		ld->host_tried |= !map;
	} else {
		host_pin(ld->want_name);
	}
	adopt_sync();
	door_enter();
	im = map ? find_handle(map) : registry_by_name(&registry.base, ld->want_name);
	if (im && im->host)
		im->host_pinned = true;
	forget_want(ld);
	door_leave();
}

/* One attempt, in the caller's namespace unless another is given. */
static bool attempt(struct load *ld, uintptr_t caller)
{
	bool ok;

	door_enter();
	ld->caller = door_asker(caller);
	if (!ld->space)
		ld->space = ld->caller->space;
	ok = load_link(ld);
	while (!ok && ld->want == LOAD_WAIT) {
		ld->waited = !init_wait(ld->dying);
		forget_want(ld);
		ok = load_link(ld);
	}
	if (!ok && !ld->want && !ld->not_loaded)
		diag_frame(ld->diag, ld->name);
	door_leave();
	return ok;
}

static void make_global(struct load *ld)
{
	if (!(ld->mode & RTLD_GLOBAL))
		return;
	door_enter();
	load_finish(ld);
	door_leave();
}

static void *open_file(struct load *ld, uintptr_t caller)
{
	bool ok = attempt(ld, caller);

	for (int i = 0; !ok && ld->want && i < TRIES; i++) {
		serve(ld);
		ok = attempt(ld, caller);
	}
	if (!ok)
		return ld->not_loaded ? NULL : refuse(ld->diag);
	debugger_tell();
	exit_arm(ld->root);
	if (!host.style->late_global)
		make_global(ld);
	init_run(ld->root);
	if (host.style->late_global)
		make_global(ld);
	return ld->root->handle;
}

static void *open_program(void)
{
	struct image *program = registry.program;

	door_enter();
	debugger_ready();
	program->opens++;
	door_leave();
	return program->handle;
}

static void *open_in(const char *file, int mode, struct space *space, uintptr_t caller)
{
	struct diag d;
	struct load ld = {.name = file, .mode = mode, .space = space, .diag = &d};

	diag_clear(&d);
	if (!check_mode(file, mode, &d))
		return refuse(&d);
	if (!file || (!*file && host.style->modes))
		return open_program();
	if (!*file) {
		diag_say(&d, DIAG_USAGE, HOST_SAY_CANNOT_OPEN, file, host_errno_text(EINVAL));
		return refuse(&d);
	}
	return open_file(&ld, caller);
}

DOOR void *dlopen(const char *file, int mode)
{
	if (!door_ready())
		return refuse_with("", unknown_libc);
	door_no_error();
	return open_in(file, mode, NULL, door_caller());
}

/* --- namespaces ------------------------------------------------------------------------------------ */

/* glibc's Lmid_t, LM_ID_BASE and LM_ID_NEWLM, which musl's header does not have. */
enum { BASE_SPACE = 0, NEW_SPACE = -1 };

DOOR void *dlmopen(long id, const char *file, int mode);

static struct space *enter_space(long id)
{
	struct space *sp;

	door_enter();
	sp = id == NEW_SPACE ? registry_space_new() : registry_space(id);
	door_leave();
	return sp;
}

static void leave_space(struct space *sp)
{
	door_enter();
	registry_space_leave(sp);
	door_leave();
}

DOOR void *dlmopen(long id, const char *file, int mode)
{
	struct space *sp;
	void *handle;

	if (!door_ready())
		return refuse_with("", unknown_libc);
	door_no_error();
	if (id != BASE_SPACE && (!file || !*file))
		return refuse_with("", "invalid namespace");
	sp = enter_space(id);
	if (!sp && id == NEW_SPACE)
		return refuse_with(file, ": cannot allocate memory");
	if (!sp)
		return refuse_with(file ? file : "",
				   ": invalid target namespace in dlmopen(): Invalid argument");
	/* The first library's closure is the namespace's global scope, as in glibc. */
	handle = open_in(file, id == NEW_SPACE ? mode | RTLD_GLOBAL : mode, sp, door_caller());
	leave_space(sp);
	return handle;
}

/* --- dlclose --------------------------------------------------------------------------------------- */

static bool drop(struct image *im, void *handle, bool *last, struct diag *d)
{
	bool gone = !im || atomic_load_explicit(&im->state, memory_order_relaxed) >= IMAGE_FINI;

	if (gone)
		return door_bad_handle(handle, d);
	return !host.style->close_unloads || unload_drop(im, last, d);
}

DOOR int dlclose(void *handle)
{
	struct diag d;
	struct unload u;
	struct image *im;
	bool ok, again = false;

	diag_clear(&d);
	if (!door_ready())
		return -1;
	door_no_error();
	door_enter();
	im = find_handle(handle);
	ok = drop(im, handle, &again, &d);
	while (ok && again && unload_begin(&u, im)) {
		door_leave();
		unload_fini(&u);
		door_enter();
		again = unload_finish(&u);
		im = NULL;
	}
	door_leave();
	debugger_tell();
	if (!ok)
		door_error(&d);
	return ok ? 0 : host.style->close_refused;
}

/* SPDX-License-Identifier: MIT */
/*
 * door: boot at the first entry, the lock, the caller, and the text for dlerror.
 *
 * The first call may come before our own constructor: from an IFUNC resolver, from the constructor of a
 * start-up library, or from inside the program's malloc.  Boot therefore calls nothing of libc but what
 * host.h promises; what needs more (fork handlers, thread keys) waits for our constructor in start.c.
 *
 * Called by every exported function.  Must never run foreign code under the lock.
 */
#include "door.h"
#include "static.h"

#include "../compat/host.h"
#include "../loader/arena.h"
#include "../loader/epoch.h"
#include "../loader/find.h"
#include "../loader/text.h"
#include "../loader/lock.h"
#include "../loader/adopt.h"
#include "../loader/registry.h"
#include "../loader/tls.h"
#include "../loader/tlslock.h"

static HOST_EARLY atomic_bool ready; /* partners: the release in boot, the acquire in door_ready */
static atomic_bool traced; /* exchanged in boot: once */
static HOST_EARLY int begun; /* our constructor's process, when boot comes later; else 0 */
static atomic_int booting;   /* so many threads are at it; a hint */

static bool boot_now(void)
{
	if (!host_boot())
		return false;
	if (begun && host_pid() != begun) { /* perhaps in a child of vfork, whose locks are its parent's */
		lock_begin(-begun);
		tlslock_begin(-begun);
	}
	if (begun && !*host.real.single_threaded)
		tlspool_confine();
	/* Later the environment may be somebody's text: setproctitle writes there. */
	if (!begun && !atomic_exchange_explicit(&traced, true, memory_order_relaxed))
		diag_trace_start(host_getenv("DLRS_DEBUG"), host_getenv("DLRS_DEBUG_OUTPUT"));
	find_start(&registry.base, &registry.adds, &registry.subs);
	if (!adopt_sync())
		return false;
	if (begun)
		tls_thread();
#ifdef DLRS_STATIC
	if (!static_hand_over())
		return false;
#endif
	atomic_store_explicit(&ready, true, memory_order_release); /* partner: door_ready */
	return true;
}

/* A signal's handler that comes to a door meanwhile would take half of it for the whole. */
static int boot_masked(struct dl_phdr_info *first, size_t size, void *ok)
{
	uint64_t mask = host_mask_signals();

	(void)first;
	(void)size;
	*(bool *)ok = boot_now();
	host_unmask_signals(mask);
	return 1;
}

/* In a walk of libc's: waiting for its lock with all signals masked might be for ever. */
static bool boot(void)
{
	bool ok = false;

	if (!begun)
		return boot_now();
	atomic_fetch_add_explicit(&booting, 1, memory_order_relaxed);
	if (host_walk(boot_masked, &ok) == HOST_NO_WALK)
		boot_masked(NULL, 0, &ok);
	atomic_fetch_sub_explicit(&booting, 1, memory_order_relaxed);
	return ok;
}

void door_settle(void)
{
	for (int i = 0; i < 1000 && atomic_load_explicit(&booting, memory_order_relaxed) && door_waits(); i++)
		host_yield();
}

bool door_ready(void)
{
	/* acquire; partner: the release in boot */
	return atomic_load_explicit(&ready, memory_order_acquire) || boot();
}

bool door_begin(void)
{
	bool ok;

	if (!host_boot())
		return false;
	/* acquire; partner: the release in boot */
	if (!atomic_load_explicit(&ready, memory_order_acquire) && host.real.single_threaded &&
	    *host.real.single_threaded && !host_getenv("DLRS_DEBUG")) {
		begun = host_pid();
		lock_begin(begun);
		tls_begin(begun);
		return true;
	}
	host_constructor(true);
	ok = door_ready();
	if (ok)
		tls_start();
	host_constructor(false);
	return ok;
}

bool door_waits(void)
{
	/* acquire; partner: the release in boot */
	return begun && !atomic_load_explicit(&ready, memory_order_acquire);
}

bool door_sync(void)
{
	/* acquire; partner: the release in boot */
	if (!atomic_load_explicit(&ready, memory_order_acquire))
		return boot();
	adopt_sync(); /* without memory for what is new, what is old still works */
	return true;
}

void door_enter(void)
{
	lock_enter();
}

void door_leave(void)
{
	lock_leave();
}

struct image *door_image(uintptr_t caller)
{
	struct image *im = find_address(caller);

	return im ? im : registry.program;
}

struct image *door_asker(uintptr_t caller)
{
	struct image *im = door_image(caller);

	return host.style->callers || im->space != &registry.base ? im : registry.program;
}

/* libc writes its messages with %m; programs print errno beside them. */
static void leave_errno(int err)
{
	if (err && host.real.errno_location)
		*host.real.errno_location() = err;
}

void door_error(const struct diag *d)
{
	struct thread *t = tls_thread();
	char *text;

	if (!t)
		return;
	door_enter();
	text = arena_text(d->text);
	if (text) {
		arena_free(t->error);
		t->error = text;
	}
	t->missing.from = NULL;
	t->error_new = text != NULL;
	t->error_errno = d->err;
	door_leave();
	if (host.style->fails_with_errno)
		leave_errno(d->err);
}

bool door_bad_handle(const void *handle, struct diag *d)
{
	char text[32];

	text_format(text, sizeof text, "%p", handle);
	return diag_say(d, DIAG_USAGE, HOST_SAY_BAD_HANDLE, text, "");
}

void door_no_error(void)
{
	struct thread *t = host.style->success_forgets ? tls_thread_known() : NULL;

	if (t)
		t->error_new = false;
}

static void say_missing(struct diag *d, const char *label, const char *name, const char *version)
{
	diag_say(d, DIAG_NO_SYMBOL, HOST_SAY_NO_SYMBOL, label, name);
	if (version && *version)
		diag_add(d, ", version %s", version);
}

void door_missing(const struct image *from, const char *name, size_t len, const char *version)
{
	struct thread *t = tls_thread();
	struct diag d;
	struct thread_missing *m;

	diag_clear(&d);
	if (!t)
		return;
	m = &t->missing;
	t->error_new = true;
	t->error_errno = 0;
	m->from = from->handle;
	m->version[0] = 0;
	if (len < sizeof m->name &&
	    (!version || text_copy(m->version, sizeof m->version, version) < sizeof m->version)) {
		memcpy(m->name, name, len + 1);
		return;
	}
	say_missing(&d, image_label(from), name, version);
	door_error(&d);
}

const char *door_error_text(void)
{
	struct thread *t = tls_thread_known();
	struct diag d;
	struct image *from;
	unsigned token;

	diag_clear(&d);
	if (!t || !t->error_new)
		return NULL;
	if (t->missing.from) {
		token = epoch_enter(tls_reader());
		from = find_handle(t->missing.from);
		say_missing(&d, from ? image_label(from) : "a library that was closed", t->missing.name,
			    t->missing.version);
		epoch_leave(tls_reader(), token);
		door_error(&d);
	}
	t->error_new = false;
	if (!host.style->fails_with_errno)
		leave_errno(t->error_errno);
	return t->error;
}

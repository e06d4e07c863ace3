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

#include "../compat/host.h"
#include "../loader/arena.h"
#include "../loader/find.h"
#include "../loader/lock.h"
#include "../loader/registry.h"
#include "../loader/tls.h"

static atomic_bool ready;	   /* release in boot(); partner: the acquire in door_ready */
static atomic_bool traced;	   /* exchanged in boot(): once */
static _Atomic uint64_t published; /* the host generation readers can see; written under the lock */

/* Our own thread-locals, which libc laid out: tls.c must know where. */
static bool own_tls(void)
{
	const struct image *im = registry.libdlrs;

	for (unsigned i = 0; im && i < im->phnum; i++)
		if (im->ph[i].p_type == PT_TLS)
			return tls_boot(&im->ph[i], im->map.bias);
	return tls_boot(NULL, 0);
}

/* Shows readers what registry_sync found. */
static void publish(bool first)
{
	/* relaxed: both are written under the lock, a stale value only publishes once more */
	uint64_t now = atomic_load_explicit(&registry.host_generation, memory_order_relaxed);

	if (!first && now == atomic_load_explicit(&published, memory_order_relaxed))
		return;
	door_enter();
	find_publish();
	atomic_store_explicit(&published, now, memory_order_relaxed);
	door_leave();
}

static bool boot(void)
{
	bool ok;

	if (!host_boot())
		return false;
	if (!atomic_exchange_explicit(&traced, true, memory_order_relaxed))
		diag_trace_start(host_getenv("DLRS_DEBUG"), host_getenv("DLRS_DEBUG_OUTPUT"));
	if (!registry_sync())
		return false;
	door_enter();
	ok = atomic_load_explicit(&ready, memory_order_relaxed) || own_tls();
	door_leave();
	if (!ok)
		return false;
	publish(true);
	atomic_store_explicit(&ready, true, memory_order_release); /* partner: door_ready */
	return true;
}

bool door_ready(void)
{
	/* acquire; partner: the release in boot */
	return atomic_load_explicit(&ready, memory_order_acquire) || boot();
}

bool door_sync(void)
{
	if (!atomic_load_explicit(&ready, memory_order_acquire)) /* partner: boot */
		return boot();
	registry_sync();
	publish(false);
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
	t->error_new = text != NULL;
	door_leave();
}

void door_no_error(void)
{
	struct thread *t = tls_thread();

	if (t)
		t->error_new = false;
}

/* SPDX-License-Identifier: MIT */
/*
 * atexit: __cxa_thread_atexit_impl: destructors of C++ and Rust thread_local objects.
 *
 * libc keeps the list, and with it the order among its own libraries and ours.  But it knows nothing of
 * our images, so it is told that the destructor is ours; the image counts what is pending and stays
 * loaded until it has run (unload.c), as libc's own libraries do.
 *
 * A libc without this function (musl) has no list.  There we keep one for each thread and run it when a
 * pthread key says that the thread ends.
 *
 * Called by libstdc++, libc++abi and Rust's runtime; libc takes its loader lock in here, so it must never
 * be called under ours.
 */
#include "door.h"

#include "../compat/host.h"
#include "../loader/epoch.h"
#include "../loader/find.h"
#include "../loader/tls.h"

DOOR int __cxa_thread_atexit_impl(void (*fn)(void *), void *obj, void *dso);

static char here; /* an address in libdlrs: libc counts the destructor to us, who never go */

/* The image of ours that dso lies in, with one more destructor pending; NULL: not ours. */
static struct image *hold(const void *dso)
{
	unsigned token = epoch_enter(tls_reader());
	struct image *im = find_address((uintptr_t)dso);

	if (im && im->host)
		im = NULL;
	if (im) /* relaxed: the caller's code keeps the image; partner: the acquire in unload.c */
		atomic_fetch_add_explicit(&im->tls_dtors, 1, memory_order_relaxed);
	epoch_leave(tls_reader(), token);
	return im;
}

static bool enlist(struct tls_dtor *dtor)
{
	if (host.real.thread_atexit)
		return host.real.thread_atexit(tls_dtor_run, dtor, &here) == 0;
	tls_start();
	return tls_dtor_push(dtor);
}

DOOR int __cxa_thread_atexit_impl(void (*fn)(void *), void *obj, void *dso)
{
	struct tls_dtor like = {.fn = fn, .obj = obj}, *dtor;

	if (!door_waits() && door_ready())
		like.im = hold(dso);
	if (!like.im && host.real.thread_atexit)
		return host.real.thread_atexit(fn, obj, dso);
	dtor = tls_dtor_new(&like);
	if (dtor && enlist(dtor))
		return 0;
	if (dtor)
		tls_dtor_free(dtor);
	if (like.im)
		atomic_fetch_sub_explicit(&like.im->tls_dtors, 1, memory_order_relaxed);
	return -1;
}

/* SPDX-License-Identifier: MIT */
/*
 * thread: pthread_create and thrd_create, so that we know every thread by its first instruction.
 *
 * A new thread takes its record from tls.c, which gives it a row for dynamic thread-locals and whatever a
 * library brought into static TLS while libc was making the thread.  Then it jumps to its routine:
 * backtraces, cancellation and pthread_exit find no frame of ours.
 *
 * glibc takes a thread's static TLS out of the stack that the caller asked for.  Our page in it must not
 * cost a program that counted its small stack's bytes, so such stacks are made greater.
 *
 * Called by programs and libraries, before our own constructor too.  Must never hold a lock of ours while
 * libc makes the thread.
 */
#include <errno.h>
#include <pthread.h>
#include <threads.h>

#include "door.h"

#include "../compat/host.h"
#include "../loader/registry.h"
#include "../loader/tls.h"

enum {
	SMALL_STACK = 1 << 20,
	OUR_PART = 2 * sizeof(struct tls_own), /* with what its alignment costs, in whole pages */
};

/*
 * A copy of the attributes with room for our static TLS, or the attributes themselves.  A stack of the
 * caller's own (its end is not NULL) has the size it has.  The copy shares what the original points to,
 * and is never destroyed.
 */
static const pthread_attr_t *widen(const pthread_attr_t *attr, pthread_attr_t *copy)
{
	void *stack = NULL;
	size_t size = 0;

	if (!attr || host.libc != HOST_GLIBC || !host.real.attr_getstack ||
	    !host.real.attr_setstacksize || host.real.attr_getstack(attr, &stack, &size) != 0)
		return attr;
	if (size == 0 || size >= SMALL_STACK || (uintptr_t)stack + size != 0)
		return attr;
	*copy = *attr;
	if (host.real.attr_setstacksize(copy, size + OUR_PART) != 0)
		return attr;
	return copy;
}

/*
 * Whom to pass the call on to: usually libc, but a sanitizer that stands between us and libc must see its
 * threads, too.  Written by whoever comes first, always with the same value.
 */
static void *next(_Atomic(uintptr_t) *known, const char *name, void *libc)
{
	uintptr_t at = atomic_load_explicit(known, memory_order_relaxed);

	if (at)
		return (void *)at;
	if (!door_ready())
		return libc;
	at = registry_next(name);
	if (!at)
		return libc;
	atomic_store_explicit(known, at, memory_order_relaxed);
	return (void *)at;
}

/* A record for the new thread; NULL: it will have to do without. */
static struct tls_start *prepare(void *(*fn)(void *), void *arg)
{
	if (!door_ready())
		return NULL;
	tls_start();
	return tls_start_new(fn, arg);
}

DOOR int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
			void *(*fn)(void *), void *restrict arg)
{
	struct tls_start *start = prepare(fn, arg);
	static _Atomic(uintptr_t) known;
	typeof(&pthread_create) real = next(&known, "pthread_create", host.real.pthread_create);
	pthread_attr_t copy;
	int err;

	if (!real)
		return EAGAIN;
	if (!start)
		return real(thread, attr, fn, arg);
	err = real(thread, widen(attr, &copy), tls_start_run, start);
	if (err)
		tls_start_free(start);
	return err;
}

/* thrd_start_t returns int: a routine of another type must be called as what it is. */
static int run(void *start)
{
	struct tls_task task = tls_start_take(start);

	return ((int (*)(void *))(uintptr_t)task.fn)(task.arg);
}

DOOR int thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
	struct tls_start *start = prepare((void *(*)(void *))(uintptr_t)fn, arg);
	static _Atomic(uintptr_t) known;
	typeof(&thrd_create) real = next(&known, "thrd_create", host.real.thrd_create);
	int result;

	if (!real)
		return thrd_error;
	if (!start)
		return real(thread, fn, arg);
	result = real(thread, run, start);
	if (result != thrd_success)
		tls_start_free(start);
	return result;
}

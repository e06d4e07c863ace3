/* SPDX-License-Identifier: MIT */
/*
 * init: whose constructors run when, and by whom.
 *
 * init_run is the dlopen door's last act, init_fini the dlclose door's, both without the lock.  An image
 * is claimed under the lock (COMMITTED -> INITING), its constructors run, and it is READY; threads that
 * need it sleep on one event meanwhile.
 *
 * A wait that would close a circle is not begun: thread 1 constructs A, whose constructor opens B; thread
 * 2 constructs B, whose constructor opens A.  Thread 2 then gets A as it is, which is what one thread
 * doing both would get.
 */
#include "init.h"

#include "../compat/host.h"
#include "frame.h"
#include "lock.h"
#include "registry.h"
#include "text.h"
#include "tls.h"

typedef void constructor(int, char **, char **);
typedef void destructor(void);

static struct lock_event finished; /* some image became READY */
static atomic_uint turns;	   /* constructors begun; partner: itself */

/* Acquire: partner is the release in run(); READY means that what the constructors wrote is seen. */
static enum image_state state_of(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_acquire);
}

/* The environment as it is now: constructors get what `environ` says. */
static char **environment(void)
{
	return host.env_now && *host.env_now ? *host.env_now : host.envp;
}

unsigned init_turns(void)
{
	return atomic_load_explicit(&turns, memory_order_relaxed); /* a count; partner: construct */
}

static void construct(struct image *im)
{
	uint64_t t = diag_on(TRACE_STATISTICS) ? host_nanoseconds() : 0;
	char **env = environment();

	frame_enter(im);
	diag_trace(TRACE_INIT, "init: %s", im->path);
	/* Relaxed: read at exit, by who sees fini_due. */
	im->turn = atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed) + 1;
	im->fini_due = true;
	if (im->dyn.init)
		((constructor *)im->dyn.init)(host.argc, host.argv, env);
	for (size_t i = 0; i < im->dyn.ninit; i++) {
		uintptr_t f = im->dyn.init_array[i];

		if (f != 0 && f != (uintptr_t)-1)
			((constructor *)f)(host.argc, host.argv, env);
	}
	if (t)
		im->ns_init = host_nanoseconds() - t;
}

/* Would waiting for this thread be waiting for ourselves?  Each waits for one other, at most. */
static bool circular(const struct thread *owner, const struct thread *self)
{
	for (unsigned i = 0; owner && i < 1000; i++) {
		if (owner == self)
			return true;
		/* Something was finished since it went to sleep: it will look again. */
		if (owner->waits_since != finished.serial)
			return false;
		owner = owner->waits;
	}
	return false;
}

bool init_wait(const struct image *im)
{
	struct thread *self = tls_thread();

	if (!self || !im->owner || circular(im->owner, self))
		return false;
	self->waits = im->owner;
	self->waits_since = finished.serial;
	lock_sleep(&finished);
	self->waits = NULL;
	return true;
}

void init_over(struct image *im)
{
	im->owner = NULL;
	lock_wake_all(&finished);
}

/* True: the caller must construct it.  NEEDS_LOCK. */
static bool claim(struct image *im, struct thread *self)
{
	while (state_of(im) == IMAGE_INITING && init_wait(im))
		;
	if (state_of(im) != IMAGE_COMMITTED)
		return false;
	im->owner = self;
	atomic_store_explicit(&im->state, IMAGE_INITING, memory_order_relaxed);
	return true;
}

void init_fork_child(void)
{
	struct thread *self = tls_thread_known();

	for (struct space *sp = &registry.base; sp; sp = sp->next)
		for (struct image *im = sp->first; im; im = im->next) {
			if (!im->owner || im->owner == self)
				continue;
			im->owner = NULL;
			if (state_of(im) == IMAGE_INITING)
				atomic_store_explicit(&im->state, IMAGE_READY, memory_order_relaxed);
		}
}

static void run(struct image *im)
{
	struct thread *self;
	bool mine;

	if (state_of(im) == IMAGE_READY)
		return;
	self = tls_thread(); /* without memory nobody can wait for us, and finds it INITING */
	lock_enter();
	mine = claim(im, self);
	lock_leave();
	if (!mine)
		return;
	construct(im);
	host_before(&finished);
	lock_enter();
	atomic_store_explicit(&im->state, IMAGE_READY, memory_order_release); /* partner: state_of */
	init_over(im);
	lock_leave();
}

static bool all_ready(const struct image *root)
{
	for (unsigned i = 0; i < root->norder; i++)
		if (state_of(root->order[i]) != IMAGE_READY)
			return false;
	return true;
}

void init_run(struct image *root)
{
	/* Acquire: partner is the release below; what the constructors wrote is then seen. */
	if (root->host || atomic_load_explicit(&root->settled, memory_order_acquire)) {
		host_after(&finished);
		return;
	}
	for (unsigned i = root->norder; i-- > 0;)
		if (root->order[i]->dyn.flags_1 & DF_1_INITFIRST && host.style->flags)
			run(root->order[i]);
	for (unsigned i = root->norder; i-- > 0;)
		run(root->order[i]);
	if (all_ready(root))
		atomic_store_explicit(&root->settled, true, memory_order_release);
	host_after(&finished);
}

void init_fini(struct image *im)
{
	if (!im->fini_due)
		return;
	im->fini_due = false;
	diag_trace(TRACE_INIT, "init: %s, destructors", im->path);
	for (size_t i = im->dyn.nfini; i-- > 0;) {
		uintptr_t f = im->dyn.fini_array[i];

		if (f != 0 && f != (uintptr_t)-1)
			((destructor *)f)();
	}
	if (im->dyn.fini)
		((destructor *)im->dyn.fini)();
}

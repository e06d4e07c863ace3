/* SPDX-License-Identifier: MIT */
/*
 * unload: the way out.
 *
 * Called by the dlclose door.  What stays is what can be reached from: images that are open, pinned, being
 * constructed, or owed a thread_local destructor; along direct dependencies and recorded bindings.  The
 * rest of our images goes.  Planning makes it unfindable at once, so that a dlopen of the same file
 * during its destructors gets a new copy, as in glibc.
 *
 * Images whose memory a reader may still see (epoch) wait in a list and are unmapped at a later call.
 */
#include "unload.h"

#include "arena.h"
#include "epoch.h"
#include "find.h"
#include "init.h"
#include "registry.h"
#include "scope.h"
#include "stat.h"
#include "text.h"
#include "tls.h"

static struct image *limbo; /* unpublished, still mapped; linked by next */

static enum image_state state_of(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_relaxed);
}

static bool is_root(const struct image *im)
{
	/* Acquire: partner is the release after the destructor has run (atexit.c). */
	return im->opens || im->pinned || state_of(im) == IMAGE_INITING ||
	       atomic_load_explicit(&im->tls_dtors, memory_order_acquire);
}

/* --- reachability ---------------------------------------------------------------------------------- */

struct marker {
	struct image **stack;
	unsigned n;
};

static void reach(struct marker *mk, struct image *im)
{
	if (im->host || im->reached)
		return;
	im->reached = true;
	mk->stack[mk->n++] = im;
}

static void mark(struct marker *mk)
{
	for (struct space *sp = &registry.base; sp; sp = sp->next)
		for (struct image *im = sp->first; im; im = im->next)
			if (!im->host && is_root(im))
				reach(mk, im);
	while (mk->n) {
		struct image *im = mk->stack[--mk->n];

		for (unsigned i = 0; i < im->nneeded; i++)
			reach(mk, im->needed[i]);
		for (unsigned i = 0; i < im->nbinds; i++)
			reach(mk, im->binds[i]);
	}
}

/* All of ours, in load order; those not marked go.  Clears the marks. */
static unsigned collect(struct image **out)
{
	unsigned n = 0;

	for (struct space *sp = &registry.base; sp; sp = sp->next)
		for (struct image *im = sp->first; im; im = im->next) {
			if (!im->host && !im->reached && state_of(im) <= IMAGE_READY)
				out[n++] = im;
			im->reached = false;
		}
	return n;
}

/* --- plan ------------------------------------------------------------------------------------------ */

/*
 * Nobody finds them any more by name, file or handle, nor in a scope.  By address they are found until
 * their destructors have run: those may throw, or call dladdr.
 */
static void hide(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++) {
		struct image *im = u->im[i];

		atomic_store_explicit(&im->state, IMAGE_FINI, memory_order_relaxed);
		registry_forget(im);
	}
	for (struct space *sp = &registry.base; sp; sp = sp->next)
		scope_prune(&sp->global);
}

/* Those that stay forget the scopes of those that go. */
static void cut_chains(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++) {
		struct scope_list *list =
			atomic_load_explicit(&u->im[i]->search, memory_order_relaxed);

		for (unsigned k = 0; list && k < list->n; k++)
			if (!list->im[k]->host && state_of(list->im[k]) < IMAGE_FINI)
				scope_chain_drop(list->im[k], &u->im[i]->search);
	}
}

bool unload_plan(struct image *im, struct unload *u, struct diag *d)
{
	struct image **work;

	*u = (struct unload){0};
	if (!im->opens)
		return diag_set(d, DIAG_USAGE, "%s: shared object not open", image_label(im));
	if (im->host || im->opens > 1 || im->pinned) {
		im->opens--;
		return true;
	}
	work = arena_alloc(2 * (registry.nimage + 1) * sizeof(*work));
	if (!work)
		return diag_no_memory(d, im->path);
	im->opens--;
	mark(&(struct marker){.stack = work + registry.nimage + 1});
	u->im = work;
	u->n = collect(work);
	if (u->n > 1 && !scope_sort(u->im, u->n, false, true))
		diag_trace(TRACE_CLOSE, "close: no memory to sort destructors");
	hide(u);
	cut_chains(u);
	return true;
}

void unload_fini(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++)
		init_fini(u->im[i]);
}

/* --- finish ---------------------------------------------------------------------------------------- */

static void unmap(struct image *im)
{
	diag_trace(TRACE_CLOSE, "close: unmapped %s", im->path);
	if (im->tls.memsz)
		tls_drop(im);
	map_unmap(&im->map);
	image_free(im);
}

static void clear_limbo(void)
{
	struct image *im, *next;

	if (!limbo || !epoch_quiet())
		return;
	for (im = limbo; im; im = next) {
		next = im->next;
		unmap(im);
	}
	limbo = NULL;
}

/* A namespace whose last image went, other than the base one. */
static void close_spaces(void)
{
	struct space *sp, *next;

	for (sp = registry.base.next; sp; sp = next) {
		next = sp->next;
		if (!sp->first)
			registry_space_free(sp);
	}
}

void unload_finish(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++) {
		struct image *im = u->im[i];

		stat_record(im);
		find_hide(im);
		registry_remove(im);
		scope_unique_forget(im->space, im);
		atomic_store_explicit(&im->state, IMAGE_GONE, memory_order_relaxed);
		im->next = limbo;
		limbo = im;
	}
	arena_free(u->im);
	if (u->n)
		close_spaces();
	clear_limbo();
	epoch_collect();
}

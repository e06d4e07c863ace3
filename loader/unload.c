/* SPDX-License-Identifier: MIT */
/*
 * unload: the way out.
 *
 * Called by the dlclose door.  What stays is what can be reached, along direct dependencies and recorded
 * bindings, from images that are open, pinned, being constructed, owed a thread_local destructor, or in the
 * middle of their own destructors.  The rest of our images goes.  Planning makes it unfindable at once, so
 * that a dlopen of the same file during its destructors gets a new copy, as in glibc.
 *
 * Images whose memory a reader may still see (epoch) wait in a list and are unmapped at a later call.
 */
#include "unload.h"

#include "../compat/host.h"
#include "arena.h"
#include "debugger.h"
#include "epoch.h"
#include "find.h"
#include "frame.h"
#include "init.h"
#include "keep.h"
#include "registry.h"
#include "scope.h"
#include "stat.h"
#include "text.h"
#include "tls.h"
#include "unique.h"

static struct image *limbo; /* unpublished, still mapped; linked by next */
static bool postponed; /* a plan met images in their destructors: what those need goes when they are gone */

static enum image_state state_of(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_relaxed);
}

static bool is_root(const struct image *im)
{
	/* Acquire: partner is the release after the destructor has run (atexit.c). */
	return im->opens || im->pinned || im->nunique || state_of(im) == IMAGE_INITING ||
	       atomic_load_explicit(&im->held, memory_order_relaxed) ||
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
		for (struct image *im = sp->first; im; im = im->next) {
			if (im->host)
				continue;
			postponed |= state_of(im) == IMAGE_FINI;
			if (is_root(im) || state_of(im) == IMAGE_FINI)
				reach(mk, im);
		}
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
 * Their end is decided, unless a reader without the lock has just found something in one of them on behalf
 * of somebody who stays: then the plan is to be made again.
 */
static bool condemn(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++) {
		u->im[i]->index = state_of(u->im[i]);
		/* sequentially consistent; partner: keep.c, stays() */
		atomic_store_explicit(&u->im[i]->state, IMAGE_FINI, memory_order_seq_cst);
	}
	if (!keep_missed(u->im, u->n))
		return true;
	for (unsigned i = 0; i < u->n; i++)
		image_set_state(u->im[i], u->im[i]->index);
	return false;
}

/*
 * Nobody finds them any more by name, file or handle, nor in a scope.  By address they are found until
 * their destructors have run: those may throw, or call dladdr.
 */
static void hide(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++)
		registry_forget(u->im[i]);
	for (struct space *sp = &registry.base; sp; sp = sp->next)
		scope_prune(&sp->global);
}

/* Does it still have a scope besides the global one? */
static bool has_scope(const struct image *im)
{
	const struct scope_chain *c = atomic_load_explicit(&im->chain, memory_order_relaxed);

	for (unsigned i = 0; c && i < c->n; i++)
		if (c->scope[i] != &im->space->global)
			return true;
	return false;
}

/*
 * An image that stays loses the scope of a root that goes.  If that was its only one, its own closure takes
 * its place: its lazy references are still to be looked up somewhere.
 */
static void cut_chain(struct image *im, _Atomic(struct scope_list *) *gone)
{
	struct scope_chain *with = NULL;

	scope_chain_drop(im, gone);
	if (has_scope(im) || !registry_search(im) || !scope_chain_with(im, &im->search, &with))
		return;
	if (with)
		scope_chain_publish(im, with);
}

static void cut_chains(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++) {
		struct image *root = u->im[i];
		struct scope_list *list = atomic_load_explicit(&root->search, memory_order_relaxed);

		for (unsigned k = 0; list && k < list->n; k++)
			if (!list->im[k]->host && state_of(list->im[k]) < IMAGE_FINI)
				cut_chain(list->im[k], &root->search);
	}
}

/* Nor does anyone follow the trail of RPATHs through an image that is gone. */
static void cut_callers(void)
{
	for (struct space *sp = &registry.base; sp; sp = sp->next)
		for (struct image *im = sp->first; im; im = im->next)
			if (im->caller && state_of(im->caller) >= IMAGE_FINI)
				im->caller = NULL;
}

bool unload_drop(struct image *im, bool *last, struct diag *d)
{
	*last = !im->host && im->opens == 1;
	if (!im->opens)
		return diag_set(d, DIAG_USAGE, "%s: shared object not open", image_label(im));
	im->opens--;
	return true;
}

/*
 * Since glibc 2.39 the library that is closed goes first, also where it stands in a circle: there it changes
 * places with the first of its namespace before they are sorted.
 */
static bool closed_first(struct unload *u, const struct image *closed)
{
	struct image *other = u->im[0], *next;
	unsigned i = 0;

	if (host.minor < 39 || !closed)
		return false;
	while (i < u->n && u->im[i] != closed)
		i++;
	if (i == u->n)
		return false; /* it stays */
	u->im[0] = u->im[i];
	if (other == closed->space->first)
		u->im[i] = other;
	else
		for (unsigned k = 1; k <= i; k++, other = next) {
			next = u->im[k];
			u->im[k] = other;
		}
	return true;
}

static void sort(struct unload *u, const struct image *closed)
{
	bool first = closed_first(u, closed);

	if (u->n > 1 && !scope_sort(u->im, u->n, first, true))
		diag_trace(TRACE_CLOSE, "close: no memory to sort destructors");
}

bool unload_begin(struct unload *u, const struct image *closed)
{
	struct thread *self = tls_thread_known();
	struct image **work;

	*u = (struct unload){0};
	if (self && self->closing) {
		self->close_again = true;
		return false;
	}
	work = arena_alloc(2 * (registry.nimage + 1) * sizeof(*work));
	if (!work)
		return false; /* what should go stays, until the next dlclose finds memory */
	u->im = work;
	do {
		keep_settle();
		mark(&(struct marker){.stack = work + registry.nimage + 1});
		u->n = collect(work);
	} while (u->n && !condemn(u));
	if (!u->n) {
		arena_free(work);
		return false;
	}
	sort(u, closed);
	hide(u);
	cut_chains(u);
	cut_callers();
	for (unsigned i = 0; i < u->n; i++)
		u->im[i]->owner = self;
	if (self)
		self->closing = true;
	return true;
}

void unload_fini(struct unload *u)
{
	for (unsigned i = 0; i < u->n; i++)
		init_fini(u->im[i]);
	for (unsigned i = 0; i < u->n; i++)
		frame_forget(u->im[i]);
	debugger_closing(u->im, u->n);
}

/* --- finish ---------------------------------------------------------------------------------------- */

static void forget(struct image *im)
{
	diag_trace(TRACE_CLOSE, "close: unmapped %s", im->path);
	scope_list_free(atomic_exchange_explicit(&im->search, NULL, memory_order_relaxed));
	image_free(im);
}

/* Cuts the first n off a list. */
static struct image *cut(struct image *list, unsigned n)
{
	struct image *rest;

	while (list && --n)
		list = list->next;
	if (!list)
		return NULL;
	rest = list->next;
	list->next = NULL;
	return rest;
}

/* Appends two sorted lists to *to as one; the place of the last one's next. */
static struct image **merge(struct image **to, struct image *a, struct image *b)
{
	while (a || b) {
		struct image **from = !b || (a && a->map.start < b->map.start) ? &a : &b;

		*to = *from;
		*from = (*from)->next;
		to = &(*to)->next;
	}
	return to;
}

/* By address. */
static struct image *sorted(struct image *list)
{
	struct image *in, *out, **end, *a, *b;
	unsigned runs = 2;

	for (unsigned len = 1; runs > 1; len *= 2, list = out) {
		end = &out;
		runs = 0;
		for (in = list, out = NULL; in; runs++) {
			a = in;
			b = cut(a, len);
			in = cut(b, len);
			end = merge(end, a, b);
		}
	}
	return list;
}

/* What was loaded together lies together, and one system call for all is cheaper than one each. */
static void clear_limbo(void)
{
	struct image *im, *next;
	uintptr_t end;

	if (!limbo || !epoch_collect())
		return;
	for (im = limbo; im; im = im->next)
		if (im->tls.memsz)
			tls_drop(im); /* before its template is gone: threads begin without our lock */
	for (im = limbo = sorted(limbo); im; im = next) {
		end = im->map.end;
		for (next = im->next; next && next->map.start == end; next = next->next) {
			end = next->map.end;
			map_disown(&next->map);
		}
		map_unmap_to(&im->map, end);
	}
	while ((im = limbo)) {
		limbo = im->next;
		forget(im);
	}
}

bool unload_finish(struct unload *u)
{
	struct thread *self = tls_thread_known();
	bool again = self && self->close_again;

	debugger_remove(u->im, u->n);
	for (unsigned i = 0; i < u->n; i++) {
		struct image *im = u->im[i];

		stat_record(im);
		init_over(im);
		find_hide(im);
		registry_remove(im);
		unique_forget(im->space, im);
		keep_forget(im);
		atomic_store_explicit(&im->state, IMAGE_GONE, memory_order_relaxed);
		im->next = limbo;
		limbo = im;
	}
	arena_free(u->im);
	registry_space_tidy();
	epoch_ignore(tls_reader());
	clear_limbo();
	epoch_ignore(NULL);
	if (self)
		self->closing = self->close_again = false;
	again |= postponed;
	postponed = false;
	return again;
}

/* SPDX-License-Identifier: MIT */
/*
 * dlsym, dlvsym: looking names up.
 *
 * No lock and no allocation but for the error text: the walk is inside an epoch.  Pseudo-handles depend
 * on the caller: RTLD_DEFAULT is what a reference in the caller would mean, RTLD_NEXT what comes after it
 * in the list it was loaded with.
 */
#include <dlfcn.h>

#include "door.h"

#include "../compat/host.h"
#include "../loader/epoch.h"
#include "../loader/find.h"
#include "../loader/hash.h"
#include "../loader/keep.h"
#include "../loader/registry.h"
#include "../loader/resolve.h"
#include "../loader/scope.h"
#include "../loader/text.h"
#include "../loader/tls.h"
#include "../loader/unique.h"

struct question {
	void *handle;
	const char *name, *version;
	size_t len; /* of the name */
	uintptr_t caller;
	struct image *from; /* whose name goes into the message */
	struct sym_found found;
	bool bad_handle;
};

static struct scope_list *list_at(_Atomic(struct scope_list *) *list)
{
	/* Acquire: partner is the release in scope.c, load.c and registry.c. */
	return atomic_load_explicit(list, memory_order_acquire);
}

/* The part of the list behind `from`; false: it is not in it. */
static bool after(struct scope_list *list, const struct image *from, unsigned *at)
{
	unsigned n = list ? atomic_load_explicit(&list->n, memory_order_acquire) : 0;

	for (unsigned i = 0; i < n; i++)
		if (list->im[i] == from)
			return *at = i + 1, true;
	return false;
}

static bool find_next(struct image *from, struct sym_request *rq, struct sym_found *out)
{
	struct scope_chain *chain = atomic_load_explicit(&from->chain, memory_order_acquire);
	bool global = from->startup || (from->global && !host.style->callers);
	struct scope_list *list = list_at(global ? &registry.base.global : &from->search);
	unsigned at;

	if (from->host || global)
		return after(list, from, &at) && scope_find_in(list, at, rq, out);
	for (unsigned i = 0; chain && i < chain->n; i++) {
		if (chain->scope[i] == &from->space->global)
			continue;
		list = list_at(chain->scope[i]);
		if (after(list, from, &at))
			return scope_find_in(list, at, rq, out);
	}
	return false;
}

/* A late image of libc's, whose handle came from libc's own structures, may not be known yet. */
static struct image *image_of(void *handle)
{
	struct image *im = find_handle(handle);

	return im && atomic_load_explicit(&im->state, memory_order_relaxed) < IMAGE_FINI ? im : NULL;
}

static bool find_in_handle(struct question *q, struct sym_request *rq)
{
	struct image *im = image_of(q->handle);

	q->bad_handle = !im;
	if (!im)
		return false;
	q->from = im;
	if (im->program)
		return scope_find_in(list_at(&registry.base.global), 0, rq, &q->found);
	if (list_at(&im->search)) {
		if (!scope_find_in(list_at(&im->search), 0, rq, &q->found))
			return false;
		scope_find_copy(im, rq, &q->found);
		return true;
	}
	q->found = (struct sym_found){im, hash_lookup(&im->st, rq)};
	return q->found.sym != NULL;
}

static bool find(struct question *q)
{
	struct version v = {.name = q->version, .hidden = true};
	struct sym_request rq = sym_request(q->name);
	bool ok;

	q->len = rq.len;
	rq.newest = true;
	if (q->version) {
		v.hash = hash_sysv(q->version);
		rq.version = &v;
	}
	if (q->handle != RTLD_DEFAULT && q->handle != RTLD_NEXT) {
		ok = find_in_handle(q, &rq);
	} else {
		q->from = door_image(q->caller);
		ok = q->handle == RTLD_NEXT ? find_next(q->from, &rq, &q->found)
					    : scope_find(door_asker(q->caller), &rq, &q->found);
	}
	if (ok && unique_is(&q->found))
		unique_first(q->found.im->space, &rq, &q->found);
	/* A thread-local of an image without PT_TLS is nowhere. */
	return ok && (ELF_ST_TYPE(q->found.sym->st_info) != STT_TLS || q->found.im->tls.id);
}

static void *value(const struct sym_found *found)
{
	if (ELF_ST_TYPE(found->sym->st_info) == STT_TLS)
		return tls_address(found->im, found->sym->st_value);
	return (void *)resolve_address(found);
}

static void refuse(const struct question *q)
{
	struct diag d;

	diag_clear(&d);
	if (!q->bad_handle) {
		door_missing(q->from, q->name, q->len, q->version);
		return;
	}
	door_bad_handle(q->handle, &d);
	door_error(&d);
}

static void *ask(struct question *q)
{
	bool synced = false, ok;
	void *p = NULL;
	unsigned token;

	for (;; synced = true) {
		token = epoch_enter(tls_reader());
		ok = find(q);
		/* What RTLD_DEFAULT found for a library of ours must stay as long as that library. */
		while (ok && q->handle == RTLD_DEFAULT && !keep_note(q->from, q->found.im)) {
			host_yield(); /* it will soon be out of the scope */
			ok = find(q);
		}
		if (ok || !q->bad_handle || synced)
			break;
		epoch_leave(tls_reader(), token);
		door_sync();
	}
	if (ok)
		p = value(&q->found);
	else
		refuse(q);
	epoch_leave(tls_reader(), token);
	return p;
}

DOOR void *dlsym(void *restrict handle, const char *restrict name)
{
	struct question q = {.handle = handle, .name = name, .caller = door_caller()};

	if (!door_ready())
		return NULL;
	door_no_error();
	return ask(&q);
}

DOOR void *dlvsym(void *restrict handle, const char *restrict name, const char *restrict version);
DOOR void *dlvsym(void *restrict handle, const char *restrict name, const char *restrict version)
{
	struct question q = {
		.handle = handle, .name = name, .version = version, .caller = door_caller()};

	if (!door_ready())
		return NULL;
	door_no_error();
	return ask(&q);
}

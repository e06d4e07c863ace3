/* SPDX-License-Identifier: MIT */
/*
 * registry: who is here.
 *
 * Our images are entered by load.c and taken out by unload.c, libc's by adopt.c.
 */
#include "registry.h"

#include "../compat/host.h"
#include "arena.h"
#include "epoch.h"
#include "find.h"
#include "lock.h"
#include "text.h"
#include "tls.h"

enum { BUCKETS = 1024 };

struct registry registry;
static struct image_name *names[BUCKETS];
static struct image *files[BUCKETS];
static bool host_files_known; /* every host image has its device and inode */

/* --- names and files ------------------------------------------------------------------------------- */

static bool alive(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_relaxed) < IMAGE_FINI;
}

/* Other namespaces share libc's own libraries with the base one. */
static bool visible(const struct space *sp, const struct image *im)
{
	return alive(im) && !im->is_private && (im->space == sp || im->libc_family);
}

struct image *registry_by_name(struct space *sp, const char *name)
{
	uint32_t len, hash = text_hash_len(name, &len);

	for (struct image_name *n = names[hash % BUCKETS]; n; n = n->chain)
		if (n->hash == hash && n->len == len && visible(sp, n->im) &&
		    text_same(n->text, name, len))
			return n->im;
	return NULL;
}

bool registry_name(struct image *im, const char *name)
{
	uint32_t len, hash = text_hash_len(name, &len);
	struct image_name *n, **end = &names[hash % BUCKETS];

	/* At the end: of two images with one name the first that came answers to it, as in glibc. */
	for (; (n = *end); end = &n->chain)
		if (n->im == im && n->hash == hash && text_eq(n->text, name))
			return true;
	n = arena_alloc(sizeof *n + len + 1);
	if (!n)
		return false;
	memcpy(n->text, name, len + 1);
	n->hash = hash;
	n->len = len;
	n->im = im;
	n->next = im->names;
	im->names = n;
	*end = n;
	return true;
}

static void forget_names(struct image *im)
{
	struct image_name *n, *next;

	for (n = im->names; n; n = next) {
		struct image_name **at = &names[n->hash % BUCKETS];

		while (*at != n)
			at = &(*at)->chain;
		*at = n->chain;
		next = n->next;
		arena_free(n);
	}
	im->names = NULL;
}

static struct image **file_bucket(uint64_t ino)
{
	return &files[(ino ^ ino >> 10) % BUCKETS];
}

static void enter_file(struct image *im)
{
	struct image **at = file_bucket(im->ino);

	if (!im->ino || im->is_private)
		return;
	im->file_chain = *at;
	*at = im;
}

static void forget_file(struct image *im)
{
	struct image **at = file_bucket(im->ino);

	while (*at && *at != im)
		at = &(*at)->file_chain;
	if (*at)
		*at = im->file_chain;
}

/* Put off until somebody asks: a program that never calls dlopen shall not pay for it. */
static void learn_host_files(void)
{
	struct host_stat st;

	bool all = true;

	for (struct image *im = registry.base.first; im && !host_files_known; im = im->next) {
		if (!im->host || im->ino || !text_chr(im->path, '/'))
			continue;
		if (host_fs->statpath(im->path, &st) < 0) {
			all = false;
			continue;
		}
		im->dev = st.dev;
		im->ino = st.ino;
		enter_file(im);
	}
	host_files_known = all;
}

struct image *registry_by_file(struct space *sp, uint64_t dev, uint64_t ino)
{
	learn_host_files();
	for (struct image *im = *file_bucket(ino); im; im = im->file_chain)
		if (im->ino == ino && im->dev == dev && visible(sp, im))
			return im;
	return NULL;
}

struct image *registry_dying(struct space *sp, uint64_t dev, uint64_t ino)
{
	for (struct image *im = *file_bucket(ino); im; im = im->file_chain)
		if (im->ino == ino && im->dev == dev && im->space == sp && !alive(im))
			return im;
	return NULL;
}

/* --- lists ----------------------------------------------------------------------------------------- */

void registry_add(struct image *im)
{
	struct space *sp = im->space;

	im->prev = sp->last;
	im->next = NULL;
	if (sp->last)
		sp->last->next = im;
	else
		sp->first = im;
	sp->last = im;
	registry.nimage++;
	enter_file(im);
	if (im->host) {
		host_files_known = false;
		return;
	}
	/* Relaxed: read together with the snapshot, which is published after it with release. */
	im->birth = 1 + atomic_fetch_add_explicit(&registry.adds, 1, memory_order_relaxed);
}

void registry_remove(struct image *im)
{
	struct space *sp = im->space;

	forget_names(im);
	forget_file(im);
	*(im->prev ? &im->prev->next : &sp->first) = im->next;
	*(im->next ? &im->next->prev : &sp->last) = im->prev;
	registry.nimage--;
	if (im->host)
		return;
	atomic_fetch_add_explicit(&registry.subs, 1, memory_order_relaxed);
}

void registry_forget(struct image *im)
{
	forget_names(im);
}

uintptr_t registry_next(const char *name)
{
	struct scope_list *list = atomic_load_explicit(&registry.base.global, memory_order_acquire);
	unsigned n = list ? atomic_load_explicit(&list->n, memory_order_acquire) : 0, i = 0;
	struct sym_request rq = sym_request(name);
	const elf_sym *s;

	if (host.is_static)
		return 0; /* whoever has the name has it from us */
	rq.newest = true;
	while (i < n && list->im[i] != registry.libdlrs)
		i++;
	for (i++; i < n; i++) {
		s = hash_lookup(&list->im[i]->st, &rq);
		if (s)
			return image_value(list->im[i], s);
	}
	return 0;
}

bool registry_search(struct image *im)
{
	struct scope_list *list;

	if (atomic_load_explicit(&im->search, memory_order_relaxed))
		return true;
	list = scope_list_new(registry.nimage);
	if (!list)
		return false;
	list->im[0] = im;
	list->n = 1;
	for (unsigned i = 0; i < list->n; i++) {
		struct image *at = list->im[i];

		for (unsigned k = 0; k < at->nneeded; k++)
			if (!scope_contains(list, at->needed[k]))
				list->im[list->n++] = at->needed[k];
	}
	/* Release: partner is the acquire in the dlsym door. */
	atomic_store_explicit(&im->search, list, memory_order_release);
	return true;
}

struct space *registry_space(long id)
{
	struct space *sp = &registry.base;

	while (sp && sp->id != id)
		sp = sp->next;
	if (sp)
		sp->users++;
	return sp;
}

struct space *registry_space_new(void)
{
	struct space *sp = arena_alloc(sizeof *sp), *last = &registry.base;

	if (!sp)
		return NULL;
	while (last->next)
		last = last->next;
	sp->id = last->id + 1;
	sp->users = 1;
	last->next = sp;
	return sp;
}

void registry_space_leave(struct space *sp)
{
	sp->users--;
	registry_space_tidy();
}

void registry_space_tidy(void)
{
	struct space *before = &registry.base, *sp;

	while ((sp = before->next)) {
		if (sp->first || sp->users) {
			before = sp;
			continue;
		}
		before->next = sp->next;
		epoch_retire(atomic_load_explicit(&sp->global, memory_order_relaxed));
		epoch_retire(atomic_load_explicit(&sp->unique, memory_order_relaxed));
		epoch_retire(sp);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * registry: who is here.
 *
 * Our images are entered by load.c and taken out by unload.c.  libc's are adopted by registry_sync: all
 * of them at boot, later those that libc loads by itself (NSS modules, gconv, libgcc_s) when its counters
 * say so.  Adoption runs inside libc's dl_iterate_phdr, so under libc's lock and then ours: the one
 * legal order.
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
	uint32_t hash = text_hash(name);

	for (struct image_name *n = names[hash % BUCKETS]; n; n = n->chain)
		if (n->hash == hash && visible(sp, n->im) && text_eq(n->text, name))
			return n->im;
	return NULL;
}

bool registry_name(struct image *im, const char *name)
{
	uint32_t hash = text_hash(name);
	size_t len = text_len(name) + 1;
	struct image_name *n;

	for (n = im->names; n; n = n->next)
		if (n->hash == hash && text_eq(n->text, name))
			return true;
	n = arena_alloc(sizeof *n + len);
	if (!n)
		return false;
	memcpy(n->text, name, len);
	n->hash = hash;
	n->im = im;
	n->next = im->names;
	im->names = n;
	n->chain = names[hash % BUCKETS];
	names[hash % BUCKETS] = n;
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
	if (im->host)
		return;
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
	struct sym_request rq = sym_request(name, text_hash(name));
	const elf_sym *s;

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
	last->next = sp;
	return sp;
}

void registry_space_free(struct space *sp)
{
	struct space *before = &registry.base;

	while (before->next != sp)
		before = before->next;
	before->next = sp->next;
	epoch_retire(atomic_load_explicit(&sp->global, memory_order_relaxed));
	epoch_retire(atomic_load_explicit(&sp->unique, memory_order_relaxed));
	epoch_retire(sp);
}

/* --- libc's images --------------------------------------------------------------------------------- */

/* Its direct dependencies, as far as they are here; itself first in `order`. */
static bool link_needed(struct image *im)
{
	unsigned n = im->dyn.ndepend;
	intptr_t tag;

	if (im->order)
		return true;
	im->needed = arena_alloc((n + 1) * sizeof(*im->needed));
	im->order = arena_alloc((n + 1) * sizeof(*im->order));
	if (!im->needed || !im->order)
		return false;
	im->order[im->norder++] = im;
	for (unsigned i = 0; i < n; i++) {
		const char *name = dyn_depend(&im->dyn, &im->st, i, &tag);
		struct image *to = name ? registry_by_name(im->space, name) : NULL;

		if (!to)
			continue;
		im->needed[im->nneeded++] = to;
		im->order[im->norder++] = to;
	}
	return true;
}

static bool is_vdso(const struct image *im)
{
	return host.vdso && im->map.start == host.vdso;
}

static void adopt_tls(struct image *im, const struct host_module *mod)
{
	if (!im->tls.memsz)
		return;
	im->tls.place = TLS_HOST;
	im->tls.id = mod->tls_modid;
	im->tls.host_static = host_tpoff(mod, &im->tls.tpoff);
}

/*
 * The program's link_map as we and debuggers see it: a copy of libc's, of full size, whose list has our
 * images too (debugger.c); libc's own list begins with the original.  Another libdlrs in this process may
 * have put one there already.
 */
static struct link_map *stand_in(struct link_map *map)
{
	struct link_map *first = host.debug->r_map, *copy;

	if (map != host.main || !host.debug || diag_on(TRACE_NO_GDB))
		return map;
	if (first != map)
		return first;
	copy = arena_alloc(host_map_size());
	if (!copy)
		return map;
	memcpy(copy, map, host_map_size());
	copy->l_prev = NULL;
	return copy;
}

/* The image we are ourselves, and the program, have a special place. */
static bool adopt_special(struct image *im, struct diag *d)
{
	if (!registry.program) {
		registry.program = im;
		im->handle = stand_in(im->host_map);
		im->program = true;
		im->pinned = im->global = true;
	}
	if ((uintptr_t)&registry - im->map.start >= im->map.end - im->map.start)
		return true;
	registry.libdlrs = scope_self = im;
	for (unsigned i = 0; i < im->phnum; i++)
		if (im->ph[i].p_type == PT_TLS && !tls_boot(&im->ph[i], im->map.bias))
			return diag_no_memory(d, im->path);
	return true;
}

static bool describe(struct image *im, const struct host_module *mod, struct diag *d)
{
	const char *soname;

	im->host = true;
	im->handle = im->host_map = mod->map;
	if (!map_adopt(&im->map, mod->map->l_addr, mod->ph, mod->phnum) ||
	    !image_headers(im, mod->ph, mod->phnum, 0, d))
		return false;
	if (im->dynamic_len)
		image_parse(im, host_dyn_ptr, d); /* without tables it is still an address range */
	soname = im->dyn.soname;
	adopt_tls(im, mod);
	if (!adopt_special(im, d))
		return false;
	im->libc_family = soname && host_only(soname);
	return registry_name(im, im->path) && (!soname || registry_name(im, soname));
}

/*
 * One walk over libc's list.  Several threads may be at it at once where libc's lock allows: an image is
 * gone only if the newest walk, and no older one, has not met it.
 */
struct adoption {
	uint64_t serial;
	bool failed;
	bool changed;
};

static uint64_t walks; /* begun so far.  NEEDS_LOCK */
static bool booted;    /* the program's start-up images have all been adopted.  NEEDS_LOCK */

/* libc may give the link_map of one that it unloaded to another: the address alone does not tell. */
static struct image *known(const struct host_module *mod)
{
	for (struct image *im = registry.base.first; im; im = im->next)
		if (im->host_map == mod->map && im->map.bias == mod->map->l_addr &&
		    text_eq(im->path, mod->map->l_name))
			return im;
	return NULL;
}

static bool enter_host(const struct host_module *mod, struct adoption *a)
{
	struct diag d = {.kind = DIAG_NONE};
	struct image *im = image_new(&registry.base, mod->map->l_name);

	if (!im)
		return false;
	if (!describe(im, mod, &d)) {
		forget_names(im);
		image_free(im);
		return false;
	}
	im->startup = im->pinned = !booted;
	im->seen = a->serial;
	atomic_store_explicit(&im->state, IMAGE_READY, memory_order_relaxed);
	if (!booted && !is_vdso(im)) {
		if (!scope_reserve(&registry.base.global, 1))
			return false;
		scope_append(&registry.base.global, im);
		im->global = true;
	}
	registry_add(im);
	host_files_known = false;
	diag_trace(TRACE_HOST, "host: adopted %s at %lx", image_label(im),
		   (unsigned long)im->map.start);
	return a->changed = true;
}

static bool adopt(const struct host_module *mod, void *arg)
{
	struct adoption *a = arg;
	struct image *im;

	lock_enter();
	im = known(mod);
	if (im)
		im->seen = im->seen > a->serial ? im->seen : a->serial;
	else if (!enter_host(mod, a))
		a->failed = true;
	lock_leave();
	return !a->failed;
}

/* libc unloaded what it had loaded by itself and we did not pin. */
static void drop_unseen(struct adoption *a)
{
	struct image *im, *next;

	for (im = registry.base.first; im; im = next) {
		next = im->next;
		if (!im->host || im->startup || im->host_pinned || im->seen == a->serial)
			continue;
		atomic_store_explicit(&im->state, IMAGE_GONE, memory_order_relaxed);
		find_hide(im);
		registry_remove(im);
		im->host = false; /* so that nothing is left of it but memory of ours */
		im->map.start = im->map.end = 0;
		epoch_retire(atomic_exchange_explicit(&im->search, NULL, memory_order_relaxed));
		if (epoch_quiet())
			image_free(im);
		a->changed = true;
	}
}

static bool settle(struct adoption *a)
{
	struct image *im;

	if (booted && a->serial == walks && !a->failed)
		drop_unseen(a);
	for (im = registry.base.first; im; im = im->next)
		if (im->host && !link_needed(im))
			return false;
	if (a->changed) {
		if (!find_reserve(0))
			return false;
		find_publish();
	}
	booted |= !a->failed;
	return !a->failed;
}

static bool walk(void)
{
	struct adoption a = {0};
	bool ok;

	lock_enter();
	a.serial = ++walks;
	lock_leave();
	host_modules(adopt, &a);
	lock_enter();
	ok = settle(&a);
	lock_leave();
	return ok;
}

bool registry_sync(void)
{
	uint64_t now, known_generation;
	bool ok;

	if (lock_mine())
		return registry.program != NULL; /* an IFUNC resolver: libc's lock is not to be taken */
	now = host_generation();
	/* Relaxed: only a hint; the registry itself is read under the lock. */
	known_generation = atomic_load_explicit(&registry.host_generation, memory_order_relaxed);
	if (known_generation == now)
		return true;
	ok = walk();
	if (ok)
		atomic_store_explicit(&registry.host_generation, now, memory_order_relaxed);
	return ok;
}

/* SPDX-License-Identifier: MIT */
/*
 * adopt: libc's images become ours to know.
 *
 * All of them at boot, later those that libc loads by itself (NSS modules, gconv, libgcc_s) when its
 * counters say so.  Called by the doors.  Adoption runs inside libc's dl_iterate_phdr, so under libc's lock
 * and then ours: the one legal order.  What is adopted stays libc's: we never write to it, map or unmap it
 * (but for the words that debugger.c, lazy.c and exit.c answer for).
 */
#include "adopt.h"

#include "../compat/host.h"
#include "arena.h"
#include "epoch.h"
#include "find.h"
#include "lock.h"
#include "registry.h"
#include "text.h"
#include "tls.h"

/* Its direct dependencies, as far as they are here; itself first in `order`. */
static bool link_needed(struct image *im)
{
	unsigned n = im->dyn.ndepend;
	struct dyn_depend dep = {0};

	if (im->order)
		return true;
	im->needed = arena_alloc((n + 1) * sizeof(*im->needed));
	im->order = arena_alloc((n + 1) * sizeof(*im->order));
	if (!im->needed || !im->order)
		return false;
	im->order[im->norder++] = im;
	while (dyn_depend(&im->dyn, &im->st, &dep)) {
		struct image *to = dep.name ? registry_by_name(im->space, dep.name) : NULL;

		if (!to && dep.name && host.style->is_self(dep.name))
			to = scope_libc;
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
	im->tls.host_static = host.style->tpoff(mod, &im->tls.tpoff);
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
	return !host.is_static || tls_adopt(im) || diag_no_memory(d, im->path);
}

static bool describe(struct image *im, const struct host_module *mod, struct diag *d)
{
	const char *soname;

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
	if (!scope_libc && host.libc_at - im->map.start < im->map.end - im->map.start)
		scope_libc = im;
	im->libc_family = im == scope_libc || (soname && host.style->is_only(soname));
	if (!host.style->sonames)
		return registry_name(im, text_base(im->path));
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
	bool unlinked; /* met images whose dependencies are not known yet */
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
	struct diag d;
	struct image *im = image_new(&registry.base, mod->map->l_name, true);

	diag_clear(&d);
	if (!im)
		return false;
	if (!describe(im, mod, &d)) {
		registry_forget(im);
		image_free(im);
		return false;
	}
	im->startup = im->pinned = mod->startup;
	im->seen = a->serial;
	atomic_store_explicit(&im->state, IMAGE_READY, memory_order_relaxed);
	if (mod->startup && !is_vdso(im)) {
		if (!scope_reserve(&registry.base.global, 1))
			return false;
		scope_append(&registry.base.global, im);
		im->global = true;
	}
	registry_add(im);
	diag_trace(TRACE_HOST, "host: adopted %s at %lx", image_label(im),
		   (unsigned long)im->map.start);
	return a->changed = true;
}

static bool each(const struct host_module *mod, void *arg)
{
	struct adoption *a = arg;
	struct image *im;

	lock_enter();
	im = known(mod);
	if (im)
		im->seen = im->seen > a->serial ? im->seen : a->serial;
	else if (!enter_host(mod, a))
		a->failed = true;
	a->unlinked |= !im || !im->order;
	lock_leave();
	return !a->failed;
}

/* The names of dependencies are in the image's memory, which is there as long as libc's lock is held. */
static bool link_each(const struct host_module *mod, void *arg)
{
	struct adoption *a = arg;
	struct image *im;

	lock_enter();
	im = known(mod);
	if (im && !link_needed(im))
		a->failed = true;
	lock_leave();
	return !a->failed;
}

/* May libc unload it? */
static bool passing(const struct image *im)
{
	return im->host && !im->startup && !im->host_pinned;
}

static void drop(struct image *im)
{
	atomic_store_explicit(&im->state, IMAGE_GONE, memory_order_relaxed);
	find_hide(im);
	registry_remove(im);
	im->host = false; /* so that nothing is left of it but memory of ours */
	im->map.start = im->map.end = 0;
	epoch_retire(atomic_exchange_explicit(&im->search, NULL, memory_order_relaxed));
	if (epoch_quiet())
		image_free(im);
}

/* libc unloaded what it had loaded by itself and we did not pin. */
static void drop_unseen(struct adoption *a)
{
	struct image *im, *next;

	for (im = registry.base.first; im; im = next) {
		next = im->next;
		if (!passing(im) || im->seen == a->serial)
			continue;
		drop(im);
		a->changed = true;
	}
}

static bool overlaps(const struct image *im, struct image *const *fresh, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (im->map.start < fresh[i]->map.end && fresh[i]->map.start < im->map.end)
			return true;
	return false;
}

void adopt_displaced(struct image *const *fresh, unsigned n)
{
	struct image *im, *next;

	for (im = registry.base.first; im; im = next) {
		next = im->next;
		if (passing(im) && overlaps(im, fresh, n))
			drop(im);
	}
}

static bool settle(struct adoption *a)
{
	if (booted && a->serial == walks && !a->failed)
		drop_unseen(a);
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
	a.failed |= !host_modules(each, &a);
	if (a.unlinked && !a.failed)
		a.failed |= !host_modules(link_each, &a);
	lock_enter();
	ok = settle(&a);
	lock_leave();
	return ok;
}

bool adopt_sync(void)
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

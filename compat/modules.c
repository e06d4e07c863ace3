/* SPDX-License-Identifier: MIT */
/*
 * modules: what libc has loaded, and loading through libc.
 *
 * The registry adopts libc's images through host_modules() and learns of late ones by host_generation();
 * load.c sends to host_open() what must not exist twice.  Works on the public face of dl_iterate_phdr and
 * link_map, which glibc and musl share.
 *
 * Must never write into libc's structures, and never be called under the loader lock where host.h says
 * UNLOCKED: libc holds its own lock while it calls back.
 */
#include "host.h"
#include "peek.h"

#include "../arch/arch.h"
#include "../loader/text.h"

#include <dlfcn.h>
#include <stdatomic.h>

/* --- walks ------------------------------------------------------------------------------------------ */

enum { WALKERS = 64 };

/* Thread pointers of those inside; more than these are not known. */
static HOST_EARLY _Atomic(char *) walker[WALKERS];
static bool walk_stuck;

static bool enter_walk(char *tp, unsigned *at)
{
	for (*at = 0; *at < WALKERS; ++*at) {
		char *none = NULL;

		/* Relaxed: read by host_fork_child only, in the forking thread or a copy of it. */
		if (atomic_compare_exchange_strong_explicit(&walker[*at], &none, tp,
							    memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return false;
}

int host_walk(int (*each)(struct dl_phdr_info *, size_t, void *), void *arg)
{
	unsigned at;
	bool entered;
	int r;

	if (walk_stuck)
		return HOST_NO_WALK;
	entered = enter_walk(arch_tp(), &at);
	r = host.real.dl_iterate_phdr(each, arg);
	if (entered)
		atomic_store_explicit(&walker[at], NULL, memory_order_relaxed);
	return r;
}

void host_fork_child(void)
{
	for (unsigned i = 0; i < WALKERS; i++) {
		char *tp = atomic_load_explicit(&walker[i], memory_order_relaxed);

		if (!tp || tp == arch_tp())
			continue;
		walk_stuck = true;
		atomic_store_explicit(&walker[i], NULL, memory_order_relaxed);
	}
}

/* --- the list of images ---------------------------------------------------------------------------- */

struct modules {
	bool (*each)(const struct host_module *, void *);
	void *arg;
	struct link_map *next; /* where the following entry is expected in libc's list */
	unsigned n;
};

static bool same(const struct link_map *m, const struct dl_phdr_info *info)
{
	return m->l_addr == info->dlpi_addr && m->l_name == info->dlpi_name;
}

/*
 * The link_map of an entry.  dl_iterate_phdr and the list have one order, so it is the expected one; when
 * somebody spliced entries of his own into the list, the search goes on behind them.
 */
static struct link_map *match(struct modules *w, const struct dl_phdr_info *info)
{
	struct link_map *m;

	for (m = w->next; m; m = m->l_next)
		if (same(m, info))
			return m;
	for (m = host.main; m && m != w->next; m = m->l_next)
		if (same(m, info))
			return m;
	return NULL;
}

static int walk(struct dl_phdr_info *info, size_t len, void *arg)
{
	struct modules *w = arg;
	struct host_module hm = {
		.map = match(w, info),
		.ph = info->dlpi_phdr,
		.phnum = info->dlpi_phnum,
		.startup = w->n++ < host_found.modules,
	};

	if (!hm.map)
		return 0;
	w->next = hm.map->l_next;
	if (len >= offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof info->dlpi_tls_data) {
		hm.tls_modid = info->dlpi_tls_modid;
		hm.tls_data = info->dlpi_tls_data;
	}
	return !w->each(&hm, w->arg);
}

bool host_modules(bool (*each)(const struct host_module *, void *), void *arg)
{
	struct modules w = {each, arg, host.main, 0};
	bool walked = host_walk(walk, &w) != HOST_NO_WALK;

	host_find_late();
	return walked;
}

/*
 * glibc has, behind the public part: l_real (itself), l_ns (0), l_libname, which was allocated right behind
 * the struct.  If it has not, the public part is what we know.
 */
size_t host_map_size(void)
{
	const struct {
		struct link_map public;
		const struct link_map *real;
		uintptr_t ns, libname;
	} *map = (const void *)host.main;
	size_t size;

	if (host.libc != HOST_GLIBC || map->real != host.main || map->ns != 0)
		return sizeof *host.main;
	size = map->libname - (uintptr_t)map;
	return size > 256 && size < 8192 ? size : sizeof *host.main;
}

static int first(struct dl_phdr_info *info, size_t len, void *arg)
{
	uint64_t *generation = arg;

	if (len >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs)
		*generation = (uint64_t)info->dlpi_adds << 32 | (uint32_t)info->dlpi_subs;
	return 1;
}

uint64_t host_generation(void)
{
	uint64_t generation = 0;

	host_walk(first, &generation);
	return generation + 1; /* musl counts from 0 */
}

/* --- loading through libc -------------------------------------------------------------------------- */

/*
 * glibc before 2.34, in a program without libdl: libc's own door to it.  Only when something is to be
 * opened, not at boot: libc's constructor has not run there, and a dlopen would run it, with the arguments
 * and the environment that libc knows by then: none.  The program would be left with that.  Nor before the
 * first walk: a dlopen in 2.31 makes dl_iterate_phdr forget where start-up modules have thread-locals.
 */
static bool find_dlopen(void)
{
	void *(*open)(const char *, int) = (void *(*)(const char *, int))host_peek_symbol(
		&host_found.libc, "__libc_dlopen_mode");
	const int internal = (int)0x80000000u; /* __RTLD_DLOPEN */

	if (!host.real.dlopen && open && open("libdl.so.2", RTLD_NOW | internal))
		host_find_late();
	return host.real.dlopen;
}

struct link_map *host_open(const char *name, char *text, size_t len)
{
	struct link_map *m = NULL;
	const char *why = "libc has no dlopen";

	if (walk_stuck) {
		why = "libc's loader is locked by a thread that fork did not copy";
	} else if (find_dlopen()) {
		m = host.real.dlopen(name, RTLD_NOW | RTLD_LOCAL);
		if (!m)
			why = host.real.dlerror();
	}
	if (!m)
		text_copy(text, len, why ? why : "unknown error");
	host_find_late();
	return m;
}

bool host_pin(const char *path)
{
	return path[0] && !walk_stuck && find_dlopen() && host.real.dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
}

/* --- fork ------------------------------------------------------------------------------------------ */

bool host_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	static char dso; /* stands for us in libc's list; we are never unloaded */

	if (host.real.register_atfork)
		return host.real.register_atfork(prepare, parent, child, &dso) == 0;
	return host.real.pthread_atfork && host.real.pthread_atfork(prepare, parent, child) == 0;
}

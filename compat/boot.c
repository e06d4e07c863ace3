/* SPDX-License-Identifier: MIT */
/*
 * boot: finds libc in the process, and what libc knows about the process.
 *
 * host_find() is called once, by host_boot(), and so by whatever door comes first: it may run inside a
 * malloc, an IFUNC resolver or somebody's constructor long before ours.  It calls nothing of libc but
 * gnu_get_libc_version (a constant) and dl_iterate_phdr.  The way in is the one symbol that we import:
 * nobody but libc defines __libc_start_main, or if somebody does (a wrapper preloaded before us), the
 * kernel's auxiliary vector leads to ld.so and its list.  Functions are taken from the images of libc's
 * own family by soname, never "the first one that has it": that may be a wrapper which calls us.  What
 * the process was started with is start.c's to find; how libc behaves is in its style (glibc.c, musl.c).
 *
 * Must never allocate from the arena (the lock is not there yet) and never call a dl* function by name.
 */
#include "host.h"
#include "peek.h"
#include "start.h"

#include "../arch/arch.h"
#include "../loader/text.h"

#include <errno.h>
#include <linux/mman.h>

extern const char __libc_start_main[] __attribute__((visibility("default")));


static const struct {
	const char *name;
	size_t at;
} wanted[] = {
/* clang-format off */
#define WANT(field, name) {name, offsetof(struct host_real, field)}
	WANT(dlopen, "dlopen"),
	WANT(dlsym, "dlsym"),
	WANT(dlclose, "dlclose"),
	WANT(dlerror, "dlerror"),
	WANT(dlinfo, "dlinfo"),
	WANT(dladdr1, "dladdr1"),
	WANT(dl_iterate_phdr, "dl_iterate_phdr"),
	WANT(find_object, "_dl_find_object"),
	WANT(tls_get_addr, "__tls_get_addr"),
	WANT(thread_atexit, "__cxa_thread_atexit_impl"),
	WANT(pthread_create, "pthread_create"),
	WANT(thrd_create, "thrd_create"),
	WANT(key_create, "pthread_key_create"),
	WANT(setspecific, "pthread_setspecific"),
	WANT(attr_getstack, "pthread_attr_getstack"),
	WANT(attr_setstacksize, "pthread_attr_setstacksize"),
	WANT(register_atfork, "__register_atfork"),
	WANT(pthread_atfork, "pthread_atfork"),
	WANT(backtrace_symbols, "backtrace_symbols"),
	WANT(backtrace_symbols_fd, "backtrace_symbols_fd"),
	WANT(errno_location, "__errno_location"),
	WANT(single_threaded, "__libc_single_threaded"),
#undef WANT
	/* clang-format on */
};

/* Takes from one image what nobody before it had. */
static void take_functions(const struct host_peek *pk)
{
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		uintptr_t *slot = (uintptr_t *)((char *)&host.real + wanted[i].at);

		if (*slot == 0)
			*slot = host_peek_symbol(pk, wanted[i].name);
	}
}

/* --- libc ------------------------------------------------------------------------------------------ */

/* By way of the kernel's record of ld.so; AT_BASE is 0 when ld.so was run as the program. */
static enum host_libc find_libc_by_kernel(struct host_peek *libc)
{
	uintptr_t base = host_start_entry(AT_BASE);
	struct host_peek ldso;
	const struct r_debug *debug;

	if (base == 0)
		base = host_start_entry(AT_PHDR);
	if (base == 0 || !host_peek_around(&ldso, (const void *)base))
		return HOST_NONE;
	if (host_peek_symbol(&ldso, "__dls3"))
		return *libc = ldso, HOST_MUSL;
	debug = (const struct r_debug *)host_peek_symbol(&ldso, "_r_debug");
	for (const struct link_map *m = debug ? debug->r_map : NULL; m; m = m->l_next)
		if (text_eq(text_base(m->l_name), "libc.so.6") && m->l_addr &&
		    host_peek_around(libc, (const void *)m->l_addr))
			return HOST_GLIBC;
	return HOST_NONE;
}

static enum host_libc find_libc(struct host_peek *libc, const char *at)
{
	if (!host_peek_around(libc, at))
		return HOST_NONE;
	if (text_eq(libc->soname, "libc.so.6"))
		return HOST_GLIBC;
	return host_peek_symbol(libc, "__dls3") ? HOST_MUSL : find_libc_by_kernel(libc);
}

/* --- the other images ------------------------------------------------------------------------------ */

struct walk {
	bool first_done;
	unsigned n;
	struct host_peek program, libdl, libpthread;
};

static bool is_ldso(const char *soname)
{
	return text_starts(soname, "ld-linux") || text_starts(soname, "ld64.so") ||
	       text_starts(soname, "ld.so");
}

static int look_at(struct dl_phdr_info *info, size_t len, void *arg)
{
	struct walk *w = arg;
	struct host_peek pk;
	bool ok = host_peek(&pk, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);

	(void)len;
	w->n++;
	if (!w->first_done) {
		w->first_done = true;
		if (ok)
			w->program = pk;
	}
	if (!ok)
		return 0;
	/* The allocator is the program's: libc's, or whoever comes before it in the global scope. */
	if (!host.real.malloc) {
		host.real.malloc = (void *(*)(size_t))host_peek_symbol(&pk, "malloc");
		host.real.free = (void (*)(void *))host_peek_symbol(&pk, "free");
		if (!host.real.free)
			host.real.malloc = NULL;
	}
	if (!host_found.ldso_name && pk.bias == host_found.ldso.bias)
		host_found.ldso_name = info->dlpi_name;
	if (is_ldso(pk.soname) && host_found.ldso.end == 0)
		host_found.ldso = pk;
	else if (text_eq(pk.soname, "libdl.so.2"))
		w->libdl = pk;
	else if (text_eq(pk.soname, "libpthread.so.0"))
		w->libpthread = pk;
	return 0;
}

/* Before glibc 2.34 the dl* functions are in libdl, those of threads in libpthread. */
void host_find_late(void)
{
	struct walk w = {.first_done = false};

	if (host.real.dlopen && host.real.pthread_create)
		return;
	host_unseal_block(&host, sizeof host);
	host.real.dl_iterate_phdr(look_at, &w);
	take_functions(&w.libdl);
	take_functions(&w.libpthread);
	host_seal_block(&host, sizeof host);
}

/* --- the list -------------------------------------------------------------------------------------- */

/*
 * r_debug through the program's DT_DEBUG: the symbol _r_debug may be a stale copy in the executable.
 */
static struct r_debug *find_debug(const struct host_peek *program)
{
	struct r_debug **musl = (struct r_debug **)host_peek_symbol(&host_found.ldso, "_dl_debug_addr");

	for (const elf_dyn *dy = program->dyn; dy && dy->d_tag != DT_NULL; dy++)
		if (dy->d_tag == DT_DEBUG && dy->d_un.d_ptr)
			return (struct r_debug *)dy->d_un.d_ptr;
	return musl ? *musl : (struct r_debug *)host_peek_symbol(&host_found.ldso, "_r_debug");
}

/*
 * The first entry may be a stand-in that another copy of us put there for debuggers; glibc's link_map has
 * a pointer to the real one (l_real) behind the public part and l_real of a copy is the original.
 */
static bool find_list(const struct host_peek *program)
{
	struct link_map *first, *real = NULL;

	host.debug = find_debug(program);
	if (!host.debug || !host.debug->r_map)
		return false;
	first = host.debug->r_map;
	if (host.libc == HOST_GLIBC)
		memcpy(&real, (const char *)(first + 1), sizeof real);
	host.main = real && real->l_ld == first->l_ld ? real : first;
	return true;
}

static int minor_version(const struct host_peek *libc)
{
	uintptr_t f = host_peek_symbol(libc, "gnu_get_libc_version");
	const char *s = f ? text_chr(((const char *(*)(void))f)(), '.') : NULL;
	int n = 0;

	while (s && *++s >= '0' && *s <= '9')
		n = n * 10 + *s - '0';
	return n;
}

static const char *anchor(void)
{
	const char *at = __libc_start_main;

	__asm__("" : "+r"(at)); /* the compiler thinks that it cannot be NULL */
	return at;
}

bool host_find_possible(void)
{
	return anchor();
}

bool host_find(void)
{
	struct walk w = {.first_done = false};

	host.libc = find_libc(&host_found.libc, anchor());
	if (host.libc == HOST_NONE)
		return false;
	host.libc_at = host_found.libc.start;
	host.style = host.libc == HOST_MUSL ? &host_style_musl : &host_style_glibc;
	take_functions(&host_found.libc);
	if (!host.real.dl_iterate_phdr)
		return false;
	host.minor = minor_version(&host_found.libc);
	if (host.libc == HOST_MUSL) /* one file is both */
		host_found.ldso = host_found.libc;
	host.real.dl_iterate_phdr(look_at, &w);
	host_found.modules = w.n;
	take_functions(&host_found.ldso);
	take_functions(&w.libdl);
	take_functions(&w.libpthread);
	if (host.minor < 34) /* there, after a dlopen, dl_iterate_phdr does not know thread-locals any more */
		host.real.single_threaded = NULL;
	host.env_now = (char ***)host_peek_symbol(&w.program, "__environ");
	if (!host.env_now)
		host.env_now = (char ***)host_peek_symbol(&host_found.libc, "__environ");
	if (!host_start_read() || !find_list(&w.program))
		return false;
	return true;
}

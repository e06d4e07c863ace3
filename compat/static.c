/* SPDX-License-Identifier: MIT */
/*
 * static: the host in a static program, where libc has no loader of its own.
 *
 * In libdlrs.a it stands in for boot.c and modules.c.  What there is of libc was linked into the program with
 * us, so its functions are simply referred to; those that only one libc has, or that a program may do
 * without, by weak references, which draw nothing in.  One archive serves glibc (2.34 and later, where
 * threads are in libc) and musl.
 *
 * The program is the one image that libc "has loaded", and libc is in it.
 *
 * Must never refer to libc's dlopen family: that would bring libc's loader in, and with it another truth.
 */
#include "host.h"
#include "peek.h"
#include "start.h"

#include "../arch/arch.h"
#include "../loader/text.h"

#include <errno.h>

/* --- libc ------------------------------------------------------------------------------------------ */

#define LIBC(type, name, symbol, ...) extern type name __VA_ARGS__ __asm__(symbol)
#define WEAK __attribute__((weak))

LIBC(int, libc_pthread_create, "__pthread_create", (void *, const void *, void *(*)(void *), void *));
LIBC(int, libc_key_create, "pthread_key_create", (unsigned *, void (*)(void *)));
LIBC(int, libc_setspecific, "pthread_setspecific", (unsigned, const void *));
LIBC(int, libc_getstack, "pthread_attr_getstack", (const void *, void **, size_t *));
LIBC(int, libc_setstacksize, "pthread_attr_setstacksize", (void *, size_t));
LIBC(int, libc_atfork, "pthread_atfork", (void (*)(void), void (*)(void), void (*)(void)));
LIBC(void *, libc_malloc, "malloc", (size_t));
LIBC(void, libc_free, "free", (void *));
LIBC(char **, libc_environ, "__environ", );

LIBC(int, libc_thread_atexit, "__cxa_thread_atexit_impl", (void (*)(void *), void *, void *)) WEAK;
LIBC(void, libgcc_register, "__register_frame_info", (const void *, void *)) WEAK;
LIBC(void *, libgcc_deregister, "__deregister_frame_info", (const void *)) WEAK;
LIBC(const char, cxx_personality, "__gxx_personality_v0", []) WEAK;
LIBC(const char, libgcc_resume, "_Unwind_Resume", []) WEAK;

/* Which libc is it?  What each has in every static program. */
LIBC(const char, only_glibc, "_dl_random", []) WEAK;
LIBC(const char, only_musl, "__hwcap", []) WEAK;

extern const elf_ehdr __ehdr_start __attribute__((visibility("hidden")));

/* thrd_create is pthread_create with attributes that say so: in glibc and musl the same ones. */
static int create_thrd(void *thread, int (*fn)(void *), void *arg)
{
	enum { SUCCESS = 0, ERROR = 2, NO_MEMORY = 3 };
	int err = libc_pthread_create(thread, (const void *)-1, (void *(*)(void *))(uintptr_t)fn, arg);

	return err == 0 ? SUCCESS : err == ENOMEM ? NO_MEMORY : ERROR;
}

static const struct host_real real = {
	.thread_atexit = libc_thread_atexit,
	.pthread_create = libc_pthread_create,
	.thrd_create = create_thrd,
	.key_create = libc_key_create,
	.setspecific = libc_setspecific,
	.attr_getstack = libc_getstack,
	.attr_setstacksize = libc_setstacksize,
	.pthread_atfork = libc_atfork,
	.malloc = libc_malloc,
	.free = libc_free,
	.register_frame = libgcc_register,
	.deregister_frame = libgcc_deregister,
};

/* --- the style ------------------------------------------------------------------------------------- */

static const struct host_style *dynamic; /* the same libc's */
static struct host_style style;

/* libc in all its parts is the program's; so is libgcc, and libstdc++, where the program has them. */
static bool is_self(const char *name)
{
	if (text_starts(name, "libgcc_s.so"))
		return libgcc_resume;
	if (text_starts(name, "libstdc++.so"))
		return cxx_personality;
	return dynamic->is_self(name) || (!text_chr(name, '/') && dynamic->is_own(name));
}

static bool is_only(const char *soname)
{
	return !soname; /* there is nobody else to open it */
}

static bool find_tpoff(const struct host_module *hm, intptr_t *tpoff)
{
	(void)hm; /* tls_adopt knows */
	(void)tpoff;
	return false;
}

static void choose_style(void)
{
	dynamic = host.libc == HOST_MUSL ? &host_style_musl : &host_style_glibc;
	style = *dynamic;
	style.is_self = is_self;
	style.is_only = is_only;
	style.tpoff = find_tpoff;
	host.style = &style;
}

/* --- what libc has loaded -------------------------------------------------------------------------- */

/* For gdb, which looks for these names in a static program; glibc has them, too. */
struct r_debug _r_debug WEAK __attribute__((visibility("default")));
void _dl_debug_state(void) WEAK __attribute__((visibility("default")));

void _dl_debug_state(void)
{
	__asm__ volatile("");
}

static struct link_map maps[2]; /* the program and the vdso */

struct module {
	const elf_phdr *ph;
	unsigned phnum;
};

static struct module headers(const struct link_map *map)
{
	const elf_ehdr *eh = map == &maps[0] ? &__ehdr_start : (const elf_ehdr *)host.vdso;

	return (struct module){(const elf_phdr *)((const char *)eh + eh->e_phoff), eh->e_phnum};
}

static void fill_map(struct link_map *map, const elf_ehdr *eh)
{
	struct module m = headers(map);

	map->l_name = (char *)(uintptr_t)"";
	for (unsigned i = 0; i < m.phnum; i++)
		if (m.ph[i].p_type == PT_LOAD && m.ph[i].p_offset == 0)
			map->l_addr = (uintptr_t)eh - m.ph[i].p_vaddr;
	for (unsigned i = 0; i < m.phnum; i++)
		if (m.ph[i].p_type == PT_DYNAMIC)
			map->l_ld = (elf_dyn *)(map->l_addr + m.ph[i].p_vaddr);
}

static void make_list(void)
{
	fill_map(&maps[0], &__ehdr_start);
	if (host.vdso) {
		fill_map(&maps[1], (const elf_ehdr *)host.vdso);
		maps[0].l_next = &maps[1];
		maps[1].l_prev = &maps[0];
	}
	host.main = &maps[0];
	host.debug = &_r_debug;
	_r_debug.r_version = 1;
	_r_debug.r_map = host.main;
	_r_debug.r_brk = (uintptr_t)_dl_debug_state;
	_r_debug.r_state = RT_CONSISTENT;
}

bool host_modules(bool (*each)(const struct host_module *, void *), void *arg)
{
	for (struct link_map *map = &maps[0]; map; map = map == &maps[0] && host.vdso ? &maps[1] : NULL) {
		struct module m = headers(map);
		struct host_module hm = {.map = map, .ph = m.ph, .phnum = m.phnum, .startup = true};

		if (!each(&hm, arg))
			break;
	}
	return true;
}

/* Whoever walks is shown what the registry has adopted. */
int host_walk(int (*each)(struct dl_phdr_info *, size_t, void *), void *arg)
{
	(void)each;
	(void)arg;
	return HOST_NO_WALK;
}

void host_fork_child(void)
{
}

size_t host_map_size(void)
{
	return sizeof(struct link_map);
}

uint64_t host_generation(void)
{
	return 1;
}

struct link_map *host_open(const char *name, char *text, size_t len)
{
	text_format(text, len, "%s: a static program has no other loader", name);
	return NULL;
}

bool host_pin(const char *path)
{
	return !path;
}

void host_find_late(void)
{
}

bool host_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return host.real.pthread_atfork(prepare, parent, child) == 0;
}

/* --- boot ------------------------------------------------------------------------------------------ */

bool host_find_possible(void)
{
	return true;
}

bool host_find(void)
{
	if (!only_glibc == !only_musl)
		return false;
	host.is_static = true;
	host.libc = only_musl ? HOST_MUSL : HOST_GLIBC;
	host.libc_at = (uintptr_t)&__ehdr_start;
	host.real = real;
	choose_style();
	host.env_now = &libc_environ;
	if (!host_start_read())
		return false;
	make_list();
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * boot: finds libc in the process, and what libc knows about the process.
 *
 * host_boot() is called by every door, so it may run inside a malloc, an IFUNC resolver or somebody's
 * constructor long before ours: it calls nothing of libc but gnu_get_libc_version (a constant) and
 * dl_iterate_phdr.  The way in is the one symbol that we import: nobody but libc defines
 * __libc_start_main, or if somebody does (a wrapper preloaded before us), the kernel's auxiliary vector
 * leads to ld.so and its list.  Functions are taken from the images of libc's own family by soname, never
 * "the first one that has it": that may be a wrapper which calls us.
 *
 * Must never allocate from the arena (the lock is not there yet) and never call a dl* function by name.
 */
#include "peek.h"
#include "host.h"

#include "../arch/arch.h"
#include "../loader/text.h"

#include <errno.h>
#include <linux/mman.h>

extern const char __libc_start_main[] __attribute__((visibility("default")));

struct host host;
struct host_found host_found;

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

enum { AUXV_MAX = 64 };

/* The vector as the kernel keeps it (libc changes its own copy on the stack). */
static void kernel_auxv(ElfW(auxv_t) av[AUXV_MAX])
{
	int fd = host_fs->open("/proc/self/auxv");
	long n = 0;

	if (fd >= 0) {
		n = host_fs->pread(fd, av, (AUXV_MAX - 1) * sizeof av[0], 0);
		host_fs->close(fd);
	}
	av[n > 0 ? n / (long)sizeof av[0] : 0].a_type = AT_NULL;
}

static uintptr_t auxv_entry(const ElfW(auxv_t) av[AUXV_MAX], uintptr_t type)
{
	for (unsigned i = 0; i < AUXV_MAX && av[i].a_type != AT_NULL; i++)
		if (av[i].a_type == type)
			return av[i].a_un.a_val;
	return 0;
}

/* libc by way of ld.so's list; AT_BASE is 0 when ld.so was run as the program. */
static bool find_libc_by_kernel(struct host_peek *libc)
{
	ElfW(auxv_t) av[AUXV_MAX];
	struct host_peek ldso;
	const struct r_debug *debug;
	uintptr_t base;

	kernel_auxv(av);
	base = auxv_entry(av, AT_BASE);
	if (base == 0)
		base = auxv_entry(av, AT_PHDR);
	if (base == 0 || !host_peek_around(&ldso, (const void *)base))
		return false;
	debug = (const struct r_debug *)host_peek_symbol(&ldso, "_r_debug");
	if (!debug)
		return false;
	for (const struct link_map *m = debug->r_map; m; m = m->l_next)
		if (text_eq(text_base(m->l_name), "libc.so.6"))
			return m->l_addr && host_peek_around(libc, (const void *)m->l_addr);
	return false;
}

static enum host_libc find_libc(struct host_peek *libc, const char *anchor)
{
	if (!host_peek_around(libc, anchor))
		return HOST_NONE;
	if (text_eq(libc->soname, "libc.so.6"))
		return HOST_GLIBC;
	if (host_peek_symbol(libc, "__dls3"))
		return HOST_MUSL;
	return find_libc_by_kernel(libc) ? HOST_GLIBC : HOST_NONE;
}

/* --- the other images ------------------------------------------------------------------------------ */

struct walk {
	bool first_done;
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

/* --- what the process was started with ------------------------------------------------------------- */

/* False: this is no auxiliary vector. */
static bool read_auxv(const ElfW(auxv_t) av[AUXV_MAX], uintptr_t *ldso_base)
{
	uintptr_t platform = auxv_entry(av, AT_PLATFORM);

	host.page = auxv_entry(av, AT_PAGESZ);
	if (host.page < 4096 || host.page & (host.page - 1))
		return false;
	host.secure = auxv_entry(av, AT_SECURE) != 0;
	host.vdso = auxv_entry(av, AT_SYSINFO_EHDR);
	if (platform)
		host.platform = (const char *)platform;
	*ldso_base = auxv_entry(av, AT_BASE);
	return true;
}

/*
 * It lies behind the environment, but where that ends is less clear than it looks: under AT_SECURE ld.so
 * has taken variables out, which leaves one NULL more for each, and a program may have cut it short.
 */
static void find_auxv(char **env_end, uintptr_t *ldso_base)
{
	const int *secure = (const int *)host_peek_symbol(&host_found.ldso, "__libc_enable_secure");
	ElfW(auxv_t) av[AUXV_MAX];

	host.platform = ARCH_NAME;
	while (!*env_end)
		env_end++;
	if (!read_auxv((const ElfW(auxv_t) *)env_end, ldso_base)) {
		kernel_auxv(av);
		if (!read_auxv(av, ldso_base))
			host.page = 4096;
	}
	if (secure && *secure)
		host.secure = true;
}

/* A block that stays: the arena is not ready at boot. */
static char *keep(size_t len)
{
	void *p = host_mem->map(NULL, (len + host.page - 1) & -host.page, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return host_failed(p) ? NULL : p;
}

/* The value of the option `--name` at arg, or NULL; *next is where the following argument begins. */
static const char *option(const char *arg, const char *name, const char **next)
{
	const char *value = arg + text_len(arg) + 1;

	if (!text_eq(arg, name))
		return NULL;
	*next = value + text_len(value) + 1;
	return value;
}

/*
 * `ld.so --library-path DIRS program`: no environment variable shows it, and libc takes its own options
 * out of argv, but not out of the kernel's copy.
 */
static void read_ldso_options(void)
{
	static const char *const with_value[] = {"--preload",
						 "--audit",
						 "--argv0",
						 "--inhibit-rpath",
						 "--glibc-hwcaps-prepend",
						 "--glibc-hwcaps-mask"};
	enum { ROOM = 1 << 16 };
	int fd = host_fs->open("/proc/self/cmdline");
	char *text = fd < 0 ? NULL : keep(ROOM);
	long n = text ? host_fs->pread(fd, text, ROOM - 2, 0) : 0;
	const char *arg = text, *value, *next;

	if (fd >= 0)
		host_fs->close(fd);
	if (n <= 0)
		return;
	for (arg += text_len(arg) + 1; arg < text + n && text_starts(arg, "--"); arg = next) {
		next = arg + text_len(arg) + 1;
		for (size_t i = 0; i < sizeof with_value / sizeof with_value[0]; i++)
			option(arg, with_value[i], &next);
		value = option(arg, "--library-path", &next);
		if (value)
			host_found.library_path = value;
		if (text_eq(arg, "--inhibit-cache"))
			host_found.no_cache = true;
	}
}

const char *host_getenv(const char *name)
{
	size_t len = text_len(name);

	if (host.secure || !host.envp)
		return NULL;
	for (char **e = host.envp; *e; e++)
		if (text_starts(*e, name) && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

/* Programs overwrite their environment strings (setproctitle): LD_LIBRARY_PATH is copied now. */
static void read_library_path(uintptr_t ldso_base)
{
	const char *env = host_getenv("LD_LIBRARY_PATH");
	char *copy;

	if (ldso_base == 0 && !host.secure)
		read_ldso_options();
	if (host_found.library_path || !env)
		return;
	copy = keep(text_len(env) + 1);
	if (copy)
		text_copy(copy, text_len(env) + 1, env);
	host_found.library_path = copy;
}

/*
 * argc, argv, envp and the auxiliary vector lie behind each other.  ld.so's _dl_argv knows where, also
 * when it took its own name and options off; __libc_stack_end is where the kernel put argc.
 */
static bool read_start(void)
{
	char ***argv = (char ***)host_peek_symbol(&host_found.ldso, "_dl_argv");
	void **stack = (void **)host_peek_symbol(&host_found.ldso, "__libc_stack_end");
	uintptr_t ldso_base = 1;
	char **e;

	if (argv && *argv)
		host.argv = *argv;
	else if (stack && *stack)
		host.argv = (char **)*stack + 1;
	else
		return false;
	while (host.argv[host.argc])
		host.argc++;
	host.envp = host.argv + host.argc + 1;
	for (e = host.envp; *e; e++)
		;
	find_auxv(e, &ldso_base);
	read_library_path(ldso_base);
	return true;
}

/*
 * libc's own record of $PLATFORM may differ from the kernel's (2.36 says "haswell" on such CPUs).  In
 * _rtld_global_ro the string, its length and the page size follow each other since 2.31 at least; if
 * they do not, the kernel's word stands.
 */
static void read_platform(void)
{
	const struct {
		unsigned mask[2];
		const char *platform;
		size_t len, page;
	} *ro = (const void *)host_peek_symbol(&host_found.ldso, "_rtld_global_ro");

	if (ro && ro->page == host.page && ro->platform && ro->len > 0 && ro->len < 32 &&
	    text_len(ro->platform) == ro->len)
		host.platform = ro->platform;
}

/* --- the list -------------------------------------------------------------------------------------- */

/*
 * r_debug through the program's DT_DEBUG: the symbol _r_debug may be a stale copy in the executable.
 * Its first entry may be a stand-in that another copy of us put there for debuggers; glibc's link_map has
 * a pointer to the real one (l_real) behind the public part and l_real of a copy is the original.
 */
static bool find_list(const struct host_peek *program)
{
	struct link_map *first, *real;

	for (const elf_dyn *dy = program->dyn; dy && dy->d_tag != DT_NULL; dy++)
		if (dy->d_tag == DT_DEBUG)
			host.debug = (struct r_debug *)dy->d_un.d_ptr;
	if (!host.debug)
		host.debug = (struct r_debug *)host_peek_symbol(&host_found.ldso, "_r_debug");
	if (!host.debug || !host.debug->r_map)
		return false;
	first = host.debug->r_map;
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

static bool find_all(const char *anchor)
{
	struct walk w = {.first_done = false};
	enum host_libc libc = find_libc(&host_found.libc, anchor);

	if (libc != HOST_GLIBC)
		return false;
	take_functions(&host_found.libc);
	if (!host.real.dl_iterate_phdr)
		return false;
	host.minor = minor_version(&host_found.libc);
	host.real.dl_iterate_phdr(look_at, &w);
	take_functions(&host_found.ldso);
	take_functions(&w.libdl);
	take_functions(&w.libpthread);
	host.env_now = (char ***)host_peek_symbol(&w.program, "__environ");
	if (!host.env_now)
		host.env_now = (char ***)host_peek_symbol(&host_found.libc, "__environ");
	if (!read_start() || !find_list(&w.program))
		return false;
	read_platform();
	host.valgrind = arch_valgrind();
	host.libc = libc;
	return true;
}

/* --- read-only -------------------------------------------------------------------------------------- */

static bool sealing; /* written once, by our constructor */

void host_seal_block(void *at, size_t len)
{
	if (sealing)
		host_mem->protect(at, len, PROT_READ);
}

void host_unseal_block(void *at, size_t len)
{
	if (sealing)
		host_mem->protect(at, len, PROT_READ | PROT_WRITE);
}

void host_seal(void)
{
	sealing = host.page <= HOST_SEALED;
	host_seal_block(&host, sizeof host);
	host_seal_block(&host_found, sizeof host_found);
	host_seal_paths();
}

/* --- once ------------------------------------------------------------------------------------------ */

/* 0, or the tid of the thread that boots, or one of the ends. */
enum { BOOT_NONE = 0, BOOT_FAILED = -1, BOOT_DONE = -2 };

bool host_boot(void)
{
	static int state;
	int now = __atomic_load_n(&state, __ATOMIC_ACQUIRE), me;
	const char *anchor = __libc_start_main;

	if (__builtin_expect(now == BOOT_DONE, 1))
		return true;
	if (now == BOOT_FAILED)
		return false;
	/* We were called before ld.so relocated us: say no, but do not remember it. */
	__asm__("" : "+r"(anchor));
	if (!anchor)
		return false;
	me = host_tid();
	for (;;) {
		if (now == BOOT_DONE || now == BOOT_FAILED)
			return now == BOOT_DONE;
		if (now == me)
			return host.libc != HOST_NONE;
		/* A forked child may have inherited the work half done. */
		if (now != BOOT_NONE && !host_thread_gone(host_pid(), now)) {
			host_yield();
			now = __atomic_load_n(&state, __ATOMIC_ACQUIRE);
			continue;
		}
		if (__atomic_compare_exchange_n(&state, &now, me, false, __ATOMIC_ACQUIRE,
						__ATOMIC_ACQUIRE))
			break;
	}
	host = (struct host){0};
	host_found = (struct host_found){0};
	now = find_all(anchor) ? BOOT_DONE : BOOT_FAILED;
	__atomic_store_n(&state, now, __ATOMIC_RELEASE);
	return now == BOOT_DONE;
}

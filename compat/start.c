/* SPDX-License-Identifier: MIT */
/*
 * start: see start.h.
 *
 * argc, argv, envp and the auxiliary vector lie behind each other on the initial stack.  Where, ld.so of
 * glibc tells; with another libc `environ` leads there as long as nobody has replaced it, and the kernel
 * remembers it.
 *
 * Must never call libc, and never believe that environ still is what it was.
 */
#include "start.h"
#include "host.h"
#include "peek.h"

#include "../arch/arch.h"
#include "../loader/text.h"

#include <linux/mman.h>

/* --- the auxiliary vector -------------------------------------------------------------------------- */

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

uintptr_t host_start_entry(uintptr_t type)
{
	ElfW(auxv_t) av[AUXV_MAX];

	kernel_auxv(av);
	return auxv_entry(av, type);
}

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

/* --- options and environment ----------------------------------------------------------------------- */

char *host_start_keep(size_t len)
{
	void *p = host_mem->map(NULL, (len + host.page - 1) & -host.page, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return host_failed(p) ? NULL : p;
}

/* The value of the option `--name` at arg, or NULL; then *next is where the following argument begins. */
static const char *option(const char *arg, const char *name, const char **next)
{
	const char *value = arg + text_len(arg) + 1;

	if (text_starts(arg, name) && arg[text_len(name)] == '=')
		return arg + text_len(name) + 1; /* musl */
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
	char *text = fd < 0 ? NULL : host_start_keep(ROOM);
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

	host_found.by_ldso = ldso_base == 0 && !host.is_static;
	if (host_found.by_ldso && !host.secure)
		read_ldso_options();
	if (host_found.library_path || !env)
		return;
	copy = host_start_keep(text_len(env) + 1);
	if (copy)
		text_copy(copy, text_len(env) + 1, env);
	host_found.library_path = copy;
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

/* --- the initial stack ----------------------------------------------------------------------------- */

/* The arguments before an environment: argc, as many pointers, NULL.  NULL: this is none. */
static char **before(char **envp)
{
	enum { MAX = 1 << 20 };

	/* The initial stack lies above us; a copy made by setenv() does not. */
	if ((char *)envp <= (char *)__builtin_frame_address(0) || envp[-1])
		return NULL;
	for (uintptr_t n = 0; n < MAX; n++)
		if ((uintptr_t)envp[-2 - (intptr_t)n] == n)
			return envp - 1 - n;
	return NULL;
}

/* Field 28 of the kernel's line about us: where the stack began, which is where argc is. */
static char **kernel_argv(void)
{
	char line[1024];
	int fd = host_fs->open("/proc/self/stat");
	long n = fd < 0 ? 0 : host_fs->pread(fd, line, sizeof line - 1, 0);
	const char *at, *end;
	uintptr_t stack = 0;
	int field = 2;

	if (fd >= 0)
		host_fs->close(fd);
	if (n <= 0)
		return NULL;
	line[n] = 0;
	end = text_rchr(line, ')'); /* of the program's name, which may have anything in it */
	for (at = end ? end + 1 : ""; *at && field < 28; at++)
		field += *at == ' ';
	for (; *at >= '0' && *at <= '9'; at++)
		stack = 10 * stack + (uintptr_t)(*at - '0');
	return stack ? (char **)stack + 1 : NULL;
}

/* ld.so's _dl_argv is without its own name and options; __libc_stack_end is where the kernel put argc. */
static char **find_argv(void)
{
	char ***argv = (char ***)host_peek_symbol(&host_found.ldso, "_dl_argv");
	void **stack = (void **)host_peek_symbol(&host_found.ldso, "__libc_stack_end");
	char **found = NULL;

	if (argv && *argv)
		return *argv;
	if (stack && *stack)
		return (char **)*stack + 1;
	if (host.env_now && *host.env_now)
		found = before(*host.env_now);
	return found ? found : kernel_argv();
}

/* --- valgrind -------------------------------------------------------------------------------------- */

/* Of valgrind.h, helgrind.h and drd.h; a tool leaves alone what is meant for another one. */
enum {
	RUNNING_ON_VALGRIND = 0x1001,
	HAPPENS_BEFORE = 'H' << 24 | 'G' << 16 | 0x121, /* drd's, too */
	HAPPENS_AFTER = 'H' << 24 | 'G' << 16 | 0x122,
	HG_ARANGE_MAKE_UNTRACKED = 'H' << 24 | 'G' << 16 | 0x127,
	DRD_START_SUPPRESSION = 'D' << 24 | 'R' << 16 | 2,
};

void host_unjudged(const void *at, size_t len)
{
	if (!host.valgrind)
		return;
	arch_valgrind(HG_ARANGE_MAKE_UNTRACKED, at, len);
	arch_valgrind(DRD_START_SUPPRESSION, at, len);
}

void host_before(const void *what)
{
	if (host.valgrind)
		arch_valgrind(HAPPENS_BEFORE, what, 0);
}

void host_after(const void *what)
{
	if (host.valgrind)
		arch_valgrind(HAPPENS_AFTER, what, 0);
}

static void find_valgrind(void)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	extern const char _end[] __attribute__((visibility("hidden")));

	host.valgrind = arch_valgrind(RUNNING_ON_VALGRIND, NULL, 0) != 0;
	if (!host.is_static)
		host_unjudged(__ehdr_start, (size_t)(_end - __ehdr_start));
}

/* --- all of it ------------------------------------------------------------------------------------- */

bool host_start_read(void)
{
	uintptr_t ldso_base = 1;
	const char *value;
	char **e;

	host.argv = find_argv();
	if (!host.argv)
		return false;
	while (host.argv[host.argc])
		host.argc++;
	host.envp = host.argv + host.argc + 1;
	for (e = host.envp; *e; e++)
		;
	find_auxv(e, &ldso_base);
	read_library_path(ldso_base);
	value = host_getenv("LD_BIND_NOW");
	host.bind_now = value && *value;
	read_platform();
	host.exe_is_program = host.is_static || (host.libc == HOST_MUSL && ldso_base);
	find_valgrind();
	return true;
}

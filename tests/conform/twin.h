/* SPDX-License-Identifier: MIT
 *
 * The frame of the conformance programs. A program is a set of CASEs; run.sh runs each case in a process of its
 * own, once on the host's loader and once with libdlrs preloaded, and wants the same verdict and the same stdout.
 * A case fails at its first unmet expectation, with file, line and both values on stderr.
 *
 * Where libdlrs is meant to differ from the host, the case asks one of the named booleans below. There is no
 * other way to tell the two sides apart, so this list is the complete list of wanted differences.
 */
#ifndef TWIN_H
#define TWIN_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* True when libdlrs answers the dl calls of this process. */
bool twin_ours(void);
/* True when libc is musl. */
bool twin_musl(void);

/* True when libc is a glibc older than 2.minor. */
bool twin_glibc_before(int minor);

/* --- wanted differences, each with its reason  --- */

/* libdlrs serves initial-exec libraries from its own reserve of about 4 KB; the host's surplus is 1664 bytes. */
#define TWIN_STATIC_TLS_RESERVE twin_ours()
/* libdlrs never makes stacks executable (as glibc >= 2.41); glibc 2.36 quietly makes every stack rwx. (musl looks at
 * the wish of programs alone, and libdlrs with it.) */
#define TWIN_EXECSTACK_REFUSED ((twin_ours() || !twin_glibc_before(41)) && !twin_musl())
/* One libc, ld.so and libgcc_s for all namespaces; glibc loads a second libc into each new one. */
#define TWIN_NAMESPACES_SHARE_LIBC twin_ours()
/* dl_iterate_phdr shows the libraries of all namespaces; glibc's those of the caller's only. */
#define TWIN_WALK_SHOWS_ALL_NAMESPACES twin_ours()
/* No limit of 16 namespaces. */
#define TWIN_NAMESPACES_UNLIMITED twin_ours()
/* RTLD_GLOBAL works inside a namespace; glibc calls it an invalid mode there. */
#define TWIN_NAMESPACES_GLOBAL twin_ours()
/* dl_iterate_phdr shows the libraries of all namespaces, because one unwinder serves them all; glibc's shows those of
 * its caller's. */
#define TWIN_WALKS_SEE_ALL_NAMESPACES twin_ours()
/* RTLD_DEEPBIND leaves the process one allocator and one sanitizer: who replaces malloc's family or intercepts a function
 * does so for all; with glibc a library that binds deeply allocates from libc and frees what others allocated there. (musl
 * does not know RTLD_DEEPBIND.) */
#define TWIN_DEEPBIND_KEEPS_MALLOC (twin_ours() || twin_musl())
/* CUSTOM_NOT_REGISTER (0x400) exists; glibc calls the bit an invalid mode. */
#define TWIN_PRIVATE_COPIES twin_ours()
/* DLRS_SNAPSHOT (0x100000) exists; glibc calls the bit an invalid mode. */
#define TWIN_SNAPSHOTS twin_ours()
/* Error texts start with glibc's words and go on with who needed what and where it was searched. */
#define TWIN_ERRORS_TELL_MORE twin_ours()
/* dlrs_provide exists. */
#define TWIN_PROVIDES twin_ours()
/* A stale or foreign handle is an error; glibc dereferences it. */
#define TWIN_HANDLES_VALIDATED twin_ours()
/* A child forked while another thread sits in a dl_iterate_phdr callback can load; glibc's write lock stays taken. */
#define TWIN_FORK_IN_WALK_SAFE twin_ours()
/* A child forked at any moment of another thread's load can load; glibc's lists may be half changed there. */
#define TWIN_FORK_IN_LOAD_SAFE twin_ours()
/* Constructors run outside the loader lock, so other threads can load meanwhile; with glibc they wait. */
#define TWIN_CONSTRUCTORS_UNLOCKED twin_ours()
/* A profiler's handler may unwind while libraries come and go; with glibc the unwinder may read one that just went.
 * (Before 2.35 the unwinder walks libc's list, under a lock of libc's.) */
#define TWIN_UNWINDS_IN_SIGNALS (twin_ours() && !twin_glibc_before(35))
/* What is unmapped while somebody reads the loader's lists goes at the next call instead. */
#define TWIN_UNMAPPING_WAITS_FOR_READERS twin_ours()
/* While libraries are being closed their destructors may still call each other; for glibc a library whose destructors
 * have run is gone, and a call that is bound then ends the process. */
#define TWIN_CLOSING_LIBRARIES_CALLABLE twin_ours()
/* Only regular files are read; glibc reads from a device whatever comes, and waits for a FIFO's writer. */
#define TWIN_REGULAR_FILES_ONLY twin_ours()
/* Malformed headers are refused even where glibc happens to survive them. */
#define TWIN_HEADERS_CHECKED twin_ours()
/* Thread-local blocks honour an address in PT_TLS that is not a multiple of its alignment; glibc 2.36 aligns the block's
 * beginning instead, where it allocates the block. */
#define TWIN_TLS_TEMPLATE_ANYWHERE twin_ours()
/* DT_PREINIT_ARRAY is ignored in libraries, as the ELF specification has it; glibc runs that of the library opened. */
#define TWIN_PREINIT_IGNORED (twin_ours() || twin_musl())
/* All resolvers of indirect functions run after everything else, so they may call through the PLT; glibc runs those
 * of exported functions, and those behind static pointers, when it meets them, and crashes. */
#define TWIN_IFUNC_RESOLVERS_LAST twin_ours()

/* What glibc has learned meanwhile, and libdlrs does under every glibc: _dl_find_object, ... */
#define TWIN_FINDS_OBJECTS (twin_ours() || !twin_glibc_before(35))
/* ... RTLD_DI_PHDR, ... */
#define TWIN_DLINFO_PHDR (twin_ours() || !twin_glibc_before(36))
/* ... that addresses and offsets have to agree by pages only, whatever p_align says, ... */
#define TWIN_PAGES_MATTER_NOT_ALIGNMENT (twin_ours() || !twin_glibc_before(35))
/* ... and to unmap a file that it cannot use in the end. */
#define TWIN_FAILURES_LEAVE_NOTHING (twin_ours() || !twin_glibc_before(36))
/* libdlrs finalises the members of a circle as the host's glibc does, but for those before 2.35. */
#define TWIN_CYCLES_END_ALIKE (twin_musl() || !twin_glibc_before(35))
/* dlerror leaves in errno what the file's error was. */
#define TWIN_DLERROR_SETS_ERRNO !twin_glibc_before(34)
/* Filters work; glibc 2.31 stops at an assertion. */
#define TWIN_FILTERS (twin_ours() || !twin_glibc_before(36))
/* What fails in a namespace is reported there; with glibc before 2.34 another libdl, which is in the namespace, ends
 * the process. */
#define TWIN_NAMESPACES_REPORT_ERRORS (twin_ours() || !twin_glibc_before(34))
/* Before glibc 2.34 there were a libdl and a libpthread, and libc's file was called libc-2.31.so. */
#define TWIN_LIBC_IN_PARTS twin_glibc_before(34)

/* With musl dlclose looks at the handle, and that is all; libdlrs does the same there. */
#define TWIN_NOTHING_IS_UNLOADED twin_musl()

/* --- cases  --- */

struct twin_case {
	const char *name;
	void (*run)(void);
	bool listed; /* false: only reached through twin_run() */
};

/* CASE is one rule, run by run.sh. PART is a helper process of a case, started by twin_run(). */
#define CASE(n) TWIN_CASE_(n, true)
#define PART(n) TWIN_CASE_(n, false)
#define TWIN_CASE_(n, listed)                                                                      \
	static void case_##n(void);                                                                \
	static const struct twin_case twin_##n = {#n, case_##n, listed};                           \
	static const struct twin_case *const twin_at_##n                                           \
		__attribute__((used, section("twin_cases"))) = &twin_##n;                          \
	static void case_##n(void)

#ifdef __GLIBC__
#if !__GLIBC_PREREQ(2, 35)
struct dl_find_object {
	unsigned long long dlfo_flags;
	void *dlfo_map_start, *dlfo_map_end;
	struct link_map *dlfo_link_map;
	void *dlfo_eh_frame;
	unsigned long long dlfo_reserved[7];
};
int _dl_find_object(void *, struct dl_find_object *) __attribute__((weak));
#endif
#endif

/* --- expectations  --- */

void twin_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void twin_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void twin_same(const char *file, int line, const char *what, const char *got, const char *want);
void twin_eq(const char *file, int line, const char *what, long got, long want);
void twin_error(const char *file, int line, const char *text, const char *more);

#define fail(...) twin_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ok(cond)                                                                                   \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail("not: %s", #cond);                                                    \
	} while (0)
#define eq(got, want) twin_eq(__FILE__, __LINE__, #got, (long)(got), (long)(want))
#define same(got, want) twin_same(__FILE__, __LINE__, #got, got, want)
/* dlerror() must be exactly `text` on the host; on ours it begins with it and the rest matches the regex `more`
 * (NULL: anything). The message is consumed. Where libc is musl, the same in its words. */
#define error_is(text, more) twin_error(__FILE__, __LINE__, text, more)

/* --- helpers  --- */

/* dlopen and dlsym that must succeed. */
#define load(path, flags) twin_load(__FILE__, __LINE__, path, flags)
#define sym(handle, name) twin_sym(__FILE__, __LINE__, handle, name)
#define shut(handle) eq(dlclose(handle), 0)
void *twin_load(const char *file, int line, const char *path, int flags);
void *twin_sym(const char *file, int line, void *handle, const char *name);
/* Call `name` of `handle` as int name(void) / int name(int). */
#define call(handle, name) (((int (*)(void))sym(handle, name))())
#define call1(handle, name, arg) (((int (*)(int))sym(handle, name))(arg))

/* Number of lines of /proc/self/maps that contain `name`; permissions of the page of addr ("none": not mapped). */
int twin_mapped(const char *name);
void twin_perms(const void *addr, char perms[5]);
/* Number of open descriptors. */
int twin_fds(void);
/* Remember the memory map; fail, naming the first difference, when it is not the same any more. */
void twin_maps_remember(void);
#define maps_unchanged() twin_maps_unchanged(__FILE__, __LINE__)
void twin_maps_unchanged(const char *file, int line);

/* A log the fixtures write to (the programs are linked with -rdynamic): words joined by blanks. traced() compares
 * and empties it; trace_now() prints every further word to stdout at once (for exit order). */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace_now(void);
#define traced(want) (same(twin_trace, want), (void)(twin_trace[0] = 0))
extern char twin_trace[];

/* Run PART `part` of this program in a fresh process, with `env` ("A=b", NULL-terminated, may be NULL) added. */
struct twin_run {
	int code; /* exit code, or 128 + signal */
	char out[4096], err[4096];
};
struct twin_run twin_run(const char *part, const char *const *env);

/* A thread that waits for work. twin_do() has it run f(arg) and waits until that is done. */
struct twin_worker *twin_worker(void);
void twin_do(struct twin_worker *w, void *(*f)(void *), void *arg);
void twin_retire(struct twin_worker *w);

/* Absolute path of a file beside the program; a file in this case's scratch directory; copy a file byte for byte. */
const char *twin_here(const char *name);
const char *twin_tmp(const char *name);
const char *twin_copy(const char *from, const char *to);
/* Overwrite `len` bytes at `off` of a file. */
void twin_patch(const char *path, long off, const void *bytes, size_t len);

extern int twin_argc;
extern char **twin_argv, **twin_envp;

#ifdef __cplusplus
}
#endif
#endif

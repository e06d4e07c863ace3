/* SPDX-License-Identifier: MIT */
/*
 * host: everything the loader wants of the process it lives in.
 *
 * Rules that hold for every function here unless it says otherwise:
 *   - addresses and lengths are page-aligned; a result below zero is -errno;
 *   - no malloc, no libc call that may call back into us;
 *   - never takes the loader lock, never reports to the user;
 *   - functions marked UNLOCKED call libc's loader: they must not run under the loader lock, because
 *     libc holds its own lock while it calls foreign code that may call us.
 *
 * boot.c finds libc, glibc.c and musl.c say how each behaves (struct host_style), modules.c walks what it
 * loaded, linux.c is the kernel.  In libdlrs.a static.c stands in for boot.c and modules.c.
 */
#ifndef COMPAT_HOST_H
#define COMPAT_HOST_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNLOCKED /* documentation: call without the loader lock */

enum host_libc { HOST_NONE, HOST_GLIBC, HOST_MUSL, HOST_LIBCS };

/* The address->object answer of glibc >= 2.35 (dlfcn.h there; not in older headers and not in musl's). */
struct host_find_object {
	unsigned long long flags;
	void *map_start, *map_end;
	struct link_map *map;
	void *eh_frame; /* address of PT_GNU_EH_FRAME, not of .eh_frame */
	unsigned long long reserved[7];
};

/* glibc's Dl_serpath and Dl_serinfo, for dlinfo; the texts follow the paths. */
struct host_serpath {
	char *name;
	unsigned flags;
};
struct host_serinfo {
	size_t size;
	unsigned n;
	struct host_serpath path[];
};
enum { HOST_DI_SERINFO = 4, HOST_DI_SERINFOSIZE = 5, HOST_DI_ORIGIN = 6 };

struct tls_index; /* the argument of __tls_get_addr */

/* libc's own functions, found without calling any dl* function.  NULL: this libc has none. */
struct host_real {
	void *(*dlopen)(const char *, int);
	void *(*dlsym)(void *, const char *);
	int (*dlclose)(void *);
	char *(*dlerror)(void);
	int (*dlinfo)(void *, int, void *);
	int (*dladdr1)(const void *, void *, void **, int);
	int (*dl_iterate_phdr)(int (*)(struct dl_phdr_info *, size_t, void *), void *);
	int (*find_object)(void *, struct host_find_object *);
	void *(*tls_get_addr)(struct tls_index *);
	int (*thread_atexit)(void (*)(void *), void *, void *); /* __cxa_thread_atexit_impl */
	int (*pthread_create)(void *, const void *, void *(*)(void *), void *);
	int (*thrd_create)(void *, int (*)(void *), void *);
	int (*key_create)(unsigned *, void (*)(void *));
	int (*setspecific)(unsigned, const void *);
	/* thread.c, glibc: pthread_attr_getstack, pthread_attr_setstacksize */
	int (*attr_getstack)(const void *attr, void **stack, size_t *size);
	int (*attr_setstacksize)(void *attr, size_t size);
	int (*register_atfork)(void (*)(void), void (*)(void), void (*)(void), void *); /* glibc */
	int (*pthread_atfork)(void (*)(void), void (*)(void), void (*)(void));		/* musl */
	char **(*backtrace_symbols)(void *const *, int);
	void (*backtrace_symbols_fd)(void *const *, int, int);
	int *(*errno_location)(void);
	const char *single_threaded; /* not 0: there never was a second thread */
	void *(*malloc)(size_t); /* the program's, whoever supplies it */
	void (*free)(void *);
	/* static.c: libgcc's __register_frame_info and __deregister_frame_info */
	void (*register_frame)(const void *eh_frame, void *object);
	void *(*deregister_frame)(const void *eh_frame);
};

/*
 * What every process reads or writes at its start, and at each fork: on one page, which relocation has made
 * private already, and which parent and child have to copy.
 */
#define HOST_EARLY __attribute__((section(".data.early")))

/* What host_seal makes read-only has pages of its own, where pages are no larger than this. */
enum { HOST_SEALED = 4096 };

/* Constant after host_boot(), and read-only after host_seal(). */
struct host {
	const struct host_style *style; /* never NULL: glibc's until libc is found */
	enum host_libc libc;
	int minor;	  /* glibc 2.36: 36 */
	bool is_static;	  /* no loader but ours: libdlrs.a in a static program */
	uintptr_t libc_at; /* an address in libc's image */
	int argc;
	char **argv, **envp; /* as the process was started */
	char ***env_now;     /* libc's environ: constructors get its value, envp while it is NULL */
	bool secure;	  /* AT_SECURE: read no environment variable */
	bool bind_now;	  /* LD_BIND_NOW was set, and not empty */
	bool valgrind;
	size_t page;
	const char *platform; /* $PLATFORM */
	uintptr_t vdso;	  /* AT_SYSINFO_EHDR, or 0 */
	bool exe_is_program; /* $ORIGIN of the program is that of /proc/self/exe */
	struct link_map *main; /* libc's link_map of the program */
	struct r_debug *debug; /* found through DT_DEBUG, never through the symbol */
	struct host_real real;
} __attribute__((aligned(HOST_SEALED)));

extern struct host host;

/* --- how libcs differ ------------------------------------------------------------------------------- */

/* Where a library is looked for; a style lists its stages in order. */
enum host_stage {
	HOST_STAGE_END,
	HOST_STAGE_RPATHS,    /* unless the caller has DT_RUNPATH: DT_RPATH of it, its loaders, the program */
	HOST_STAGE_INHERITED, /* either path of the caller and of all its loaders */
	HOST_STAGE_ENV,
	HOST_STAGE_RUNPATH, /* the caller's */
	HOST_STAGE_CACHE,
	HOST_STAGE_DIRS, /* host_paths()->dirs */
	HOST_STAGES
};

/* What dlerror says where programs compare; $1, $2 and $3 are filled in. */
enum host_sentence {
	HOST_SAY_CANNOT_OPEN, /* file or name, the system's word */
	HOST_SAY_CANNOT_READ, /* the same */
	HOST_SAY_UNDEFINED,   /* a reference: object, symbol */
	HOST_SAY_NO_SYMBOL,   /* dlsym: object, symbol */
	HOST_SAY_BAD_HANDLE,  /* handle */
	HOST_SAY_REQUEST,     /* dlinfo does not know it: its number */
	HOST_SAY_NOT_LOADED,  /* RTLD_NOLOAD: name; NULL: that is no error */
	HOST_SAY_FAILED,      /* any other failure: name, our text, a system's word; NULL: our text alone */
	HOST_SENTENCES
};

struct host_word {
	int err;
	const char *text; /* NULL: the end */
};

struct host_module;
struct host_paths;

/*
 * The habits of a libc's loader that programs can tell.  Whoever acts on one asks for the habit, never for
 * the libc.
 */
struct host_style {
	enum host_libc libc;
	const char *name; /* "glibc" */
	const char *const *say;
	const struct host_word *words; /* where they are not glibc's */
	unsigned char search[HOST_STAGES];
	const char *separators; /* of LD_LIBRARY_PATH */

	bool close_unloads;   /* dlclose takes libraries out; else it looks at the handle and that is all */
	int close_refused;    /* what it returns when it is none */
	bool versions;	      /* symbol versions are matched; else hidden definitions are passed over */
	bool unique;	      /* STB_GNU_UNIQUE means something */
	bool flags;	      /* so do DT_SYMBOLIC, DT_FILTER, RTLD_DEEPBIND, DF_1_NOOPEN and the like */
	bool stacks;	      /* and PT_GNU_STACK */
	bool callers;	      /* what dlopen and dlsym(RTLD_DEFAULT) do depends on who calls */
	bool modes;	      /* dlopen's mode is checked */
	bool sonames;	      /* DT_SONAME and paths are names; else only what a search was made for */
	bool tokens;	      /* $LIB, $PLATFORM, and $ORIGIN outside of DT_RPATH and DT_RUNPATH */
	bool fails_with_errno; /* a failing dlopen leaves it in errno; else dlerror does when it tells */
	bool success_forgets; /* a call that succeeds takes dlerror's text away */
	bool sorted;	      /* constructors and destructors in glibc's order; else the leftmost dependency
				 first, and at exit later libraries before the program */
	bool lazy_data;	      /* RTLD_LAZY forgives missing variables, too */
	bool empty_is_cwd;    /* an empty directory in a list */
	bool late_global;     /* RTLD_GLOBAL is for after the constructors */
	bool exact;	      /* dladdr: what lies between segments is the image's, what lies behind a symbol
				 without a size is not the symbol's */

	/* Does this name mean libc, whatever file has it? */
	bool (*is_self)(const char *name);
	/* Is it the name of a file of this libc, and of no other's? */
	bool (*is_own)(const char *name);
	/* Must this soname come from libc's own dlopen? */
	bool (*is_only)(const char *soname);
	/* Where libc has it under another name, that name; else NULL. */
	const char *(*alias)(const char *symbol);
	/* May a library that was built for another libc use this symbol of libc's? */
	bool (*is_common)(const char *symbol);
	/* Offset of a module's thread-locals from the thread pointer; false: not static.  UNLOCKED. */
	bool (*tpoff)(const struct host_module *, intptr_t *tpoff);
	void (*find_paths)(struct host_paths *);
};

/*
 * Find libc and fill `host`.  Idempotent and callable from any entry point at any moment: before our own
 * constructor, inside a malloc, with environ still NULL.  Makes no libc call but one dl_iterate_phdr and
 * gnu_get_libc_version.
 * False: not a libc we know; the doors then answer with an error.
 */
bool host_boot(void);

/* From here on nobody can write into `host`, nor into what host_paths() answers.  For our constructor. */
void host_seal(void);

/*
 * $NAME from the environment the process was started with; NULL under AT_SECURE.  At the start only: programs
 * write over their environment later (setproctitle).
 */
const char *host_getenv(const char *name);

/* --- images that libc loaded ---------------------------------------------------------------------- */

struct host_module {
	struct link_map *map; /* libc's own: name, load bias, dynamic section, and its handle */
	const ElfW(Phdr) *ph;
	unsigned phnum;
	size_t tls_modid;     /* libc's module id, 0: no PT_TLS */
	void *tls_data;	      /* the calling thread's block, NULL: not known */
	bool startup;	      /* was there at boot */
};

/*
 * Calls each() for every image of libc's base namespace, in load order, while libc keeps the list still:
 * each() may take the loader lock (libc's lock, then ours, is the one legal order).  Stops when each()
 * returns false.  False: the walk was not possible (HOST_NO_WALK).  UNLOCKED.
 */
bool host_modules(bool (*each)(const struct host_module *, void *), void *arg);

/*
 * libc's dl_iterate_phdr.  All of our calls of it go through here: a child forked while another thread is
 * inside would wait for libc's lock for ever, so there it answers HOST_NO_WALK, and host_open fails.
 * UNLOCKED.
 */
enum { HOST_NO_WALK = -4096 };
int host_walk(int (*each)(struct dl_phdr_info *, size_t, void *), void *arg);
void host_fork_child(void);

/* The bytes of libc's link_map, its private part included, as far as that can be known.  Constant. */
size_t host_map_size(void);

/* Changes whenever libc loads or unloads something; never 0.  UNLOCKED. */
uint64_t host_generation(void);

/*
 * libc keeps some pointers of a dynamic section relocated and some not, and which depends on the tag
 * and the libc.  The runtime address that d_ptr of `tag` means in an image with this bias and span.
 */
uintptr_t host_dyn_ptr(intptr_t tag, uintptr_t d_ptr, uintptr_t bias, uintptr_t start, uintptr_t end);

/* The libc that a file of this name belongs to; HOST_NONE: none, or any. */
enum host_libc host_libc_of(const char *soname);
const char *host_libc_name(enum host_libc);

/* libc's dlopen of a host-only library: its handle, or NULL with libc's message in text[len].  UNLOCKED. */
struct link_map *host_open(const char *name, char *text, size_t len);

/* Keeps an image that libc loaded by itself from being unloaded by libc.  UNLOCKED. */
bool host_pin(const char *path);

/* --- where libc searches -------------------------------------------------------------------------- */

struct host_paths {
	const char *env;	  /* LD_LIBRARY_PATH as captured at start (or --library-path), or NULL */
	const char *const *dirs;  /* default directories in order, NULL-terminated */
	const char *lib;	  /* $LIB */
	const char *const *hwcaps; /* subdirectories tried first in every directory, NULL-terminated,
				      e.g. "glibc-hwcaps/x86-64-v3", "tls/x86_64" */
	const char *origin; /* the program's $ORIGIN; NULL: the directory of /proc/self/exe, or of its name */
	bool use_cache;
};

/* Constant; the first call is UNLOCKED (it asks libc), later calls return the same. */
const struct host_paths *host_paths(void);

/*
 * Looks a soname up in /etc/ld.so.cache: copies the path; false: not there or no cache.  Keeps the file
 * mapped: the loader lock protects it.
 */
bool host_cache(const char *soname, char *path, size_t len);
void host_cache_recheck(void);

/* The same in the bytes of a cache file, which may be damaged: for tests and fuzzers. */
bool host_cache_lookup(const void *data, size_t len, const char *soname, char *path,
		       size_t path_len);

/* --- memory, files: small tables so that tests and fuzzers can put their own in --------------------- */

struct host_mem {
	/* mmap: the address, or -errno as an integer (see host_failed) */
	void *(*map)(void *addr, size_t len, int prot, int flags, int fd, uint64_t off);
	int (*unmap)(void *addr, size_t len);
	int (*protect)(void *addr, size_t len, int prot);
};

struct host_stat {
	uint64_t dev, ino, size;
	uint64_t mtime; /* nanoseconds */
	uint32_t mode;
};

struct host_fs {
	int (*open)(const char *path); /* O_RDONLY | O_CLOEXEC, never 0-2 */
	int (*close)(int fd);
	long (*pread)(int fd, void *buf, size_t len, uint64_t off); /* whole length unless end of file */
	int (*stat)(int fd, struct host_stat *);
	int (*statpath)(const char *path, struct host_stat *);
	int (*realpath)(const char *path, char *out, size_t len); /* length; all links followed */
	int (*getcwd)(char *out, size_t len);
	/* The first `size` bytes of fd as a file without a path, which nobody can change any more. */
	int (*copy)(int fd, const char *name, uint64_t size);
};

extern const struct host_mem *host_mem;
extern const struct host_fs *host_fs;

static inline bool host_failed(const void *p)
{
	return (uintptr_t)p > (uintptr_t)-4096;
}

/* --- threads, time, output ------------------------------------------------------------------------ */

void host_wait(const uint32_t *word, uint32_t while_value); /* futex, private */
void host_wake(const uint32_t *word, int n);
void host_yield(void);
int host_tid(void);
int host_pid(void);
void host_constructor(bool begins); /* ours, here and at its end: the two need not be asked for again */
bool host_thread_gone(int pid, int tid); /* has the kernel forgotten this thread? */
uint64_t host_mask_signals(void);	 /* block all; returns the old mask */
void host_unmask_signals(uint64_t old);
/*
 * Until host_bus_end a SIGBUS of this thread is nothing where ask() says that it has put memory there; all
 * others go where they would have gone.  ask() runs in the signal's handler.  NEEDS_LOCK.
 */
void host_bus_begin(bool (*ask)(uintptr_t at));
void host_bus_end(void);
bool host_membarrier(void); /* every running thread passes a full barrier; false: kernel has none */
/*
 * For helgrind and drd, who cannot see our locks: what any thread does before host_before(x) happens before
 * what follows a host_after(x); and this memory of ours, some of which is read without a lock, they shall
 * not judge.
 */
void host_before(const void *what);
void host_after(const void *what);
void host_unjudged(const void *at, size_t len);
/* What this process may have at the most, in bytes; ~0: as much as it likes. */
enum host_limit { HOST_LIMIT_FSIZE = 1, HOST_LIMIT_AS = 9 }; /* the kernel's RLIMIT_... */
uint64_t host_limit(enum host_limit);
bool host_traced(void); /* does the kernel say that somebody debugs us? */
/* These pages will all be written soon: one system call instead of a fault each, where the kernel can. */
void host_populate(void *addr, size_t len);
bool host_poke(void *dst, const void *src, size_t len); /* a store that fails instead of faulting */
/* Registers fork handlers with libc (may call its malloc).  UNLOCKED. */
bool host_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
uint64_t host_nanoseconds(void);
void host_write(int fd, const char *s, size_t len);
int host_create(const char *path); /* a new file for output, close-on-exec */
_Noreturn void host_exit(int status);
const char *host_errno_text(int err); /* libc's English text of the errnos a loader meets; never NULL */
int host_errno_of(const char *text);  /* the way back; 0: no such text */

#endif

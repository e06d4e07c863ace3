/* SPDX-License-Identifier: MIT */
/*
 * paths: where libc searches for libraries, as it was started and as it was built.
 *
 * host_paths() is read by loader/search.c on every search.  The environment's part was copied at boot;
 * the rest is for the libc's style to find.  Here is glibc's: the built-in directories are the tail of
 * what libc's dlinfo(RTLD_DI_SERINFO) lists; where the tail begins shows in ld.so itself, which keeps
 * them as one run of strings.  $LIB and the subdirectories for CPU features are derived, and checked
 * against ld.so's strings where they are there.
 *
 * Must never be called for the first time under the loader lock, and never read the environment again.
 */
#include "host.h"
#include "paths.h"
#include "peek.h"

#include "../arch/arch.h"
#include "../loader/text.h"

#include <dlfcn.h>
#include <sys/mman.h>

enum { DIRS_MAX = 64, LEGACY_MAX = ARCH_LEGACY_HWCAPS_MAX + 2 }; /* and the platform, and "tls" */
enum { HWCAPS_ALL = ARCH_HWCAPS_MAX + (1 << LEGACY_MAX) };

static struct {
	struct host_paths paths;
	const char *dirs[DIRS_MAX + 1];
	const char *hwcaps[HWCAPS_ALL + 1];
	char text[8192]; /* all strings above */
	size_t used;
} __attribute__((aligned(HOST_SEALED))) known;

static const char *const last_resort[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib", NULL};

/* A copy among our own strings; NULL: no room. */
static const char *keep(const char *s, size_t len)
{
	char *copy = known.text + known.used;

	if (len >= sizeof known.text - known.used)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = 0;
	known.used += len + 1;
	return copy;
}

/* --- ld.so's strings ------------------------------------------------------------------------------- */

/* Calls found() where these bytes occur in ld.so's read-only segments, until it returns true. */
struct needle {
	const char *bytes;
	size_t len;
	bool (*found)(const char *at, const char *start, void *arg);
	void *arg;
};

static bool scan(const struct needle *nd, bool in_code)
{
	const struct host_peek *ldso = &host_found.ldso;
	const elf_ehdr *eh = (const elf_ehdr *)ldso->start;
	const elf_phdr *ph = (const elf_phdr *)(ldso->start + eh->e_phoff);

	for (unsigned i = 0; i < eh->e_phnum; i++) {
		const char *start = (const char *)(ldso->bias + ph[i].p_vaddr);
		const char *end = start + ph[i].p_filesz;

		if (ph[i].p_type != PT_LOAD || (ph[i].p_flags & (PF_R | PF_W)) != PF_R ||
		    !(ph[i].p_flags & PF_X) == in_code)
			continue;
		for (const char *at = start; at + nd->len <= end; at++)
			if (*at == *nd->bytes && memcmp(at, nd->bytes, nd->len) == 0 &&
			    nd->found(at, start, nd->arg))
				return true;
	}
	return false;
}

/* Read-only data first; old linkers put it into the code's segment. */
static bool ldso_find(const struct needle *nd)
{
	return host_found.ldso.end && (scan(nd, false) || scan(nd, true));
}

/* --- directories ----------------------------------------------------------------------------------- */

struct tail {
	const struct host_serpath *dir;
	unsigned count, n; /* in the list; of them at its end built in */
};

/* ld.so has the built-in ones as one run, "/lib/\0/usr/lib/\0": how many entries precede the last here? */
static bool measure_run(const char *at, const char *start, void *arg)
{
	struct tail *t = arg;
	unsigned n = 1;

	while (n < t->count && n < DIRS_MAX) {
		const char *dir = t->dir[t->count - n - 1].name;
		size_t len = text_len(dir);

		if ((size_t)(at - start) < len + 2 || at[-1] != 0 || at[-2] != '/' ||
		    memcmp(at - len - 2, dir, len) != 0)
			break;
		at -= len + 2;
		n++;
	}
	if (n > t->n)
		t->n = n;
	return t->n > 1; /* a lone match may be some other string */
}

static const char **ask_dirs(struct host_serinfo *info)
{
	struct tail t = {info->path, info->n, 0};
	char last[512];
	struct needle nd = {last, 0, measure_run, &t};

	if (t.count == 0)
		return NULL;
	nd.len = text_format(last, sizeof last, "%s/", t.dir[t.count - 1].name) + 1;
	if (nd.len > sizeof last)
		return NULL;
	ldso_find(&nd);
	for (unsigned i = 0; i < t.n; i++) {
		const char *dir = t.dir[t.count - t.n + i].name;

		known.dirs[i] = keep(dir, text_len(dir));
		if (!known.dirs[i])
			return NULL;
	}
	return t.n ? known.dirs : NULL;
}

/* Before glibc 2.34 dlinfo may not be there yet; what it calls is ld.so's. */
static bool ask(const struct link_map *m, struct host_serinfo *info, bool counting)
{
	void *map = (void *)(uintptr_t)m;
	void (*direct)(void *, struct host_serinfo *, bool) =
		(void (*)(void *, struct host_serinfo *, bool))host_peek_symbol(&host_found.ldso,
								       "_dl_rtld_di_serinfo");

	if (host.real.dlinfo)
		return host.real.dlinfo(map, counting ? HOST_DI_SERINFOSIZE : HOST_DI_SERINFO,
					info) == 0;
	if (direct)
		direct(map, info, counting);
	return direct;
}

/*
 * Asked of ld.so's own link_map, which has no RPATH, RUNPATH or DF_1_NODEFLIB: the list is the program's
 * RPATH, LD_LIBRARY_PATH, and the built-in directories.
 */
static const char *const *find_dirs(void)
{
	enum { ROOM = 32768 }; /* not on the stack, which may be small */
	const struct link_map *m = host.main;
	const char **dirs = NULL;
	struct host_serinfo *info;

	while (m && (m->l_addr != host_found.ldso.bias || m->l_ld != host_found.ldso.dyn))
		m = m->l_next;
	info = m ? host_mem->map(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		 : NULL;
	if (!m || host_failed(info))
		return last_resort;
	if (ask(m, info, true) && info->size <= ROOM && ask(m, info, false))
		dirs = ask_dirs(info);
	host_mem->unmap(info, ROOM);
	return dirs ? dirs : last_resort;
}

static bool any(const char *at, const char *start, void *arg)
{
	return at && start && !arg;
}

/* glibc's build takes the first directory's name without "/" or "/usr/" (DL_DST_LIB). */
static const char *find_lib(const char *dir)
{
	const char *const tries[] = {text_starts(dir, "/usr/") ? dir + 5 : dir + 1, text_base(dir),
				     "lib64", "lib"};
	char bytes[256] = {0};

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct needle nd = {bytes, text_len(tries[i]) + 2, any, NULL};

		if (nd.len > sizeof bytes)
			continue;
		memcpy(bytes + 1, tries[i], nd.len - 1);
		if (ldso_find(&nd))
			return tries[i];
	}
	return tries[0];
}

/* --- subdirectories -------------------------------------------------------------------------------- */

static unsigned add_hwcap(unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (text_eq(known.hwcaps[i], name))
			return n;
	known.hwcaps[n] = keep(name, text_len(name));
	return known.hwcaps[n] ? n + 1 : n;
}

/* Up to 2.36: every subset of {tls, platform, features}, the fullest first, as one path each. */
static unsigned add_legacy(unsigned n)
{
	const char *part[LEGACY_MAX];
	unsigned parts = arch_legacy_hwcaps(part);

	part[parts++] = host.platform;
	part[parts++] = "tls";
	for (unsigned set = (1u << parts) - 1; set > 0; set--) {
		char name[128];
		size_t len = 0;

		for (unsigned i = parts; i-- > 0;)
			if (set & 1u << i && len < sizeof name)
				len += text_format(name + len, sizeof name - len,
						   len ? "/%s" : "%s", part[i]);
		if (len < sizeof name)
			n = add_hwcap(n, name);
	}
	return n;
}

static void find_hwcaps(void)
{
	const char *name[ARCH_HWCAPS_MAX];
	unsigned n = 0, count = host.minor >= 33 ? arch_hwcaps(name) : 0;

	for (unsigned i = 0; i < count; i++) {
		char path[64];

		text_format(path, sizeof path, "glibc-hwcaps/%s", name[i]);
		n = add_hwcap(n, path);
	}
	if (host.minor <= 36)
		n = add_legacy(n);
	known.hwcaps[n] = NULL;
}

/* --- the program's directory ----------------------------------------------------------------------- */

/*
 * libc knows it as soon as ld.so was asked to run the program; else it may not have looked yet, and would
 * read through a null pointer.
 */
static const char *find_origin(void)
{
	enum { ROOM = 32768 };
	const char *origin = NULL;
	char *dir;

	if (!host_found.by_ldso || !host.real.dlinfo)
		return NULL;
	dir = host_mem->map(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(dir))
		return NULL;
	if (host.real.dlinfo((void *)host.main, HOST_DI_ORIGIN, dir) == 0)
		origin = keep(dir, text_len(dir));
	host_mem->unmap(dir, ROOM);
	return origin;
}

/* --- once ------------------------------------------------------------------------------------------ */

void host_find_paths(struct host_paths *p)
{
	p->use_cache = !host_found.no_cache;
	p->dirs = find_dirs();
	p->lib = find_lib(p->dirs[0]);
	find_hwcaps();
	p->origin = find_origin();
	p->hwcaps = known.hwcaps;
}

const char *const *host_paths_split(const char *list, const char *separators)
{
	unsigned n = 0;

	while (*list && n < DIRS_MAX) {
		size_t len = 0;

		while (list[len] && !text_chr(separators, list[len]))
			len++;
		if (len)
			known.dirs[n] = keep(list, len);
		n += len && known.dirs[n];
		list += len + (list[len] != 0);
	}
	known.dirs[n] = NULL;
	return known.dirs;
}

static void find_paths(void)
{
	known.used = 0;
	known.paths.env = host_found.library_path;
	host.style->find_paths(&known.paths);
}

enum { DONE = -1 };
static HOST_EARLY int state; /* of host_paths(): 0, the tid that finds out, DONE */

void host_seal_paths(void)
{
	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == DONE) /* partner: host_paths' release */
		host_seal_block(&known, sizeof known);
}

/*
 * The real dlinfo may call a malloc that calls us: the same thread is then given what needs no libc, as
 * is a child that was forked from the middle of it.
 */
const struct host_paths *host_paths(void)
{
	static const char *const none[] = {NULL};
	static const struct host_paths plain = {NULL, last_resort, "lib", none, NULL, true};
	int now = __atomic_load_n(&state, __ATOMIC_ACQUIRE), me;

	if (__builtin_expect(now == DONE, 1))
		return &known.paths;
	me = host_tid();
	while (now != DONE) {
		if (now == me)
			return &plain;
		if (now != 0 && !host_thread_gone(host_pid(), now)) {
			host_yield();
			now = __atomic_load_n(&state, __ATOMIC_ACQUIRE);
		} else if (__atomic_compare_exchange_n(&state, &now, me, false, __ATOMIC_ACQUIRE,
						       __ATOMIC_ACQUIRE)) {
			find_paths();
			host_seal_block(&known, sizeof known);
			__atomic_store_n(&state, DONE, __ATOMIC_RELEASE);
			now = DONE;
		}
	}
	return &known.paths;
}

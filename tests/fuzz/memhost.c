/* SPDX-License-Identifier: MIT */
/*
 * memhost: see memhost.h.
 *
 * Mappings are real ones, so that a stray access meets a real hole; only their bytes come from an array.
 * What is read or mapped behind a file's last byte is zero, where a real file would give SIGBUS: a file
 * whose stat lies is one that shrank, and the time of that is not the fuzzers' subject.
 */
#include "memhost.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "compat/host.h"
#include "fuzz.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* clang's way to say what gcc says so */
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(at, len)   ((void)(at), (void)(len))
#define __asan_unpoison_memory_region(at, len) ((void)(at), (void)(len))
#endif

enum { FILES = 24, DIRS = 16, FDS = 8, FIRST_FD = 1000, SPANS = 64, POISONED = 64 };
enum { LARGEST = 1 << 28 }; /* no mapping is longer: the fuzzer shall not wait for the kernel */

static const struct host_mem *real_mem;

static struct {
	struct memhost_file file[FILES];
	unsigned calls[FILES], stats[FILES];
	unsigned nfile;
	const char *dir[DIRS];
	unsigned ndir;
	int fd[FDS];	  /* a file's number + 1 */
	bool sealed[FDS]; /* a copy: what happens to the file does not happen to it */
	const char *cwd;
	unsigned left;
	bool met;
	struct {
		char *at, *end;
	} span[SPANS];
	size_t mapped;
	struct {
		char *at;
		size_t len;
	} poison[POISONED];
	unsigned npoison;
} mh;

static bool fails(void)
{
	if (!mh.left || --mh.left)
		return false;
	mh.met = true;
	return true;
}

/* --- memory ---------------------------------------------------------------------------------------- */

/* Spans are what the loader reserved for images; the arena's blocks are not among them. */
static void remember(char *at, size_t len)
{
	for (unsigned i = 0; i < SPANS; i++)
		if (!mh.span[i].at) {
			mh.span[i].at = at;
			mh.span[i].end = at + len;
			mh.mapped += len;
			return;
		}
	FUZZ_CHECK(!"more mappings than memhost can count");
}

static void forget(char *at, size_t len)
{
	char *end = at + len;

	for (unsigned i = 0; i < SPANS; i++) {
		char *from = mh.span[i].at, *to = mh.span[i].end;

		if (!from || at >= to || end <= from)
			continue;
		mh.mapped -= (size_t)(to - from);
		mh.span[i].at = NULL;
		if (at > from)
			remember(from, (size_t)(at - from));
		if (end < to)
			remember(end, (size_t)(to - end));
	}
}

void memhost_poison(void *at, size_t len)
{
	FUZZ_CHECK(mh.npoison < POISONED);
	mh.poison[mh.npoison].at = at;
	mh.poison[mh.npoison++].len = len;
	__asan_poison_memory_region(at, len);
}

/* What the kernel may give to others. */
static void clean(const char *at, size_t len)
{
	for (unsigned i = 0; i < mh.npoison; i++) {
		char *bad = mh.poison[i].at;

		if (bad < at || bad >= at + len)
			continue;
		__asan_unpoison_memory_region(bad, mh.poison[i].len);
		mh.poison[i--] = mh.poison[--mh.npoison];
	}
}

static void fill(char *at, size_t len, int fd, uint64_t off)
{
	unsigned i = (unsigned)mh.fd[fd - FIRST_FD] - 1;
	const struct memhost_file *f = &mh.file[i];
	size_t n = off < f->len ? f->len - off : 0;

	if (n > len)
		n = len;
	if (n)
		memcpy(at, f->bytes + off, n);
	if (f->twist && !mh.sealed[fd - FIRST_FD] && mh.calls[i]++ >= f->twist && f->off >= off && f->off - off < n)
		at[f->off - off] ^= (char)f->by;
}

static void *mem_map(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	bool fixed = flags & MAP_FIXED, of_image = fixed || fd >= 0 || prot == 0;
	char *p;

	FUZZ_CHECK((prot & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC) || of_image);
	if (fails() || len > LARGEST || len == 0)
		return (void *)(intptr_t)-ENOMEM;
	if (fixed) /* only ever into a span of ours */
		forget(addr, len);
	p = mmap(addr, len, fd >= 0 ? PROT_READ | PROT_WRITE : prot,
		 (flags & ~MAP_SHARED) | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return (void *)(intptr_t)-errno;
	if (of_image)
		remember(p, len);
	if (fd >= 0) {
		fill(p, len, fd, off);
		if (prot != (PROT_READ | PROT_WRITE))
			FUZZ_CHECK(mprotect(p, len, prot) == 0);
	}
	return p;
}

static int mem_unmap(void *addr, size_t len)
{
	forget(addr, len);
	clean(addr, len);
	return munmap(addr, len) ? -errno : 0;
}

static int mem_protect(void *addr, size_t len, int prot)
{
	if (fails())
		return -ENOMEM;
	return real_mem->protect(addr, len, prot);
}

static const struct host_mem mem = {mem_map, mem_unmap, mem_protect};

/* --- files ----------------------------------------------------------------------------------------- */

static int find(const char *path)
{
	for (unsigned i = 0; i < mh.nfile; i++)
		if (!strcmp(mh.file[i].path, path))
			return (int)i;
	return -1;
}

static bool is_dir(const char *path)
{
	for (unsigned i = 0; i < mh.ndir; i++) {
		size_t n = strlen(mh.dir[i]), len = strlen(path);

		while (len > 1 && path[len - 1] == '/')
			len--;
		if (len == n && !memcmp(path, mh.dir[i], n))
			return true;
	}
	return false;
}

static int descriptor(int file, bool sealed)
{
	for (int k = 0; k < FDS; k++)
		if (!mh.fd[k]) {
			mh.fd[k] = file + 1;
			mh.sealed[k] = sealed;
			return FIRST_FD + k;
		}
	return -EMFILE;
}

static int fs_open(const char *path)
{
	int i = find(path);

	if (fails())
		return -EMFILE;
	if (i < 0)
		return is_dir(path) ? -EISDIR : -ENOENT;
	return descriptor(i, false);
}

static int fs_close(int fd)
{
	FUZZ_CHECK(fd >= FIRST_FD && fd < FIRST_FD + FDS && mh.fd[fd - FIRST_FD]);
	mh.fd[fd - FIRST_FD] = 0;
	return 0;
}

static long fs_pread(int fd, void *buf, size_t len, uint64_t off)
{
	const struct memhost_file *f = &mh.file[mh.fd[fd - FIRST_FD] - 1];

	if (fails())
		return -EIO;
	if (off >= f->len)
		return 0;
	if (len > f->len - off)
		len = f->len - off;
	fill(buf, len, fd, off);
	return (long)len;
}

static void describe(int i, struct host_stat *st)
{
	const struct memhost_file *f = &mh.file[i];

	*st = (struct host_stat){.dev = 77, .ino = (uint64_t)i + 1, .size = f->size,
				 .mode = (f->type ? f->type : S_IFREG) | 0644};
	if (!f->change || ++mh.stats[i] < f->change)
		return;
	st->size += (uint64_t)(int64_t)f->growth;
	st->mtime = 1;
}

static int fs_stat(int fd, struct host_stat *st)
{
	if (fails())
		return -EIO;
	describe(mh.fd[fd - FIRST_FD] - 1, st);
	if (mh.sealed[fd - FIRST_FD]) {
		st->size = mh.file[mh.fd[fd - FIRST_FD] - 1].len;
		st->mtime = 2;
	}
	return 0;
}

static int fs_statpath(const char *path, struct host_stat *st)
{
	int i = find(path);

	if (fails())
		return -EIO;
	*st = (struct host_stat){.mode = S_IFDIR | 0755};
	if (is_dir(path))
		return 0;
	if (i < 0)
		return -ENOENT;
	describe(i, st);
	return 0;
}

static int fs_realpath(const char *path, char *out, size_t len)
{
	if (fails() || strlen(path) >= len)
		return -EIO;
	strcpy(out, path);
	return (int)strlen(out);
}

static int fs_getcwd(char *out, size_t len)
{
	if (fails() || !mh.cwd || strlen(mh.cwd) >= len)
		return -ENOENT;
	strcpy(out, mh.cwd);
	return (int)strlen(out);
}

static int fs_copy(int fd, const char *name, uint64_t size)
{
	int i = mh.fd[fd - FIRST_FD] - 1;

	FUZZ_CHECK(i >= 0 && *name);
	if (fails() || size > mh.file[i].len)
		return -EIO; /* no room, or the file has shrunk */
	return descriptor(i, true);
}

static const struct host_fs fs = {
	fs_open, fs_close, fs_pread, fs_stat, fs_statpath, fs_realpath, fs_getcwd, fs_copy,
};

/* --- for the targets -------------------------------------------------------------------------------- */

void memhost_start(void)
{
	if (real_mem)
		return;
	real_mem = host_mem;
	host_mem = &mem;
	host_fs = &fs;
}

void memhost_clear(void)
{
	mh.nfile = mh.ndir = 0;
	mh.cwd = "/";
	mh.left = 0;
	mh.met = false;
	memset(mh.calls, 0, sizeof(mh.calls));
	memset(mh.stats, 0, sizeof(mh.stats));
}

bool memhost_add(const struct memhost_file *f)
{
	if (mh.nfile == FILES)
		return false;
	mh.file[mh.nfile++] = *f;
	return true;
}

bool memhost_add_dir(const char *path)
{
	if (mh.ndir == DIRS)
		return false;
	mh.dir[mh.ndir++] = path;
	return true;
}

void memhost_cwd(const char *cwd)
{
	mh.cwd = cwd;
}

void memhost_fail(unsigned nth)
{
	mh.left = nth;
	mh.met = false;
}

bool memhost_failed(void)
{
	return mh.met;
}

unsigned memhost_fds(void)
{
	unsigned n = 0;

	for (int i = 0; i < FDS; i++)
		n += mh.fd[i] != 0;
	return n;
}

size_t memhost_mapped(void)
{
	return mh.mapped;
}

/* SPDX-License-Identifier: MIT */
/*
 * kit_fail: host tables whose nth call fails.
 *
 * Counts only calls that the kernel may refuse.  unmap and close do not fail: the kernel refuses them
 * only for arguments that are wrong.  (munmap in the middle of a mapping can meet the limit on the number
 * of mappings; nobody can then do anything about it.)
 */
#include <errno.h>
#include <limits.h>

#include "kit.h"

static const struct host_mem *real_mem;
static const struct host_fs *real_fs;
static unsigned left, calls;
static bool met;

bool kit_fails(void)
{
	if (!left)
		return false;
	calls++;
	if (--left)
		return false;
	left = UINT_MAX; /* once only */
	met = true;
	return true;
}

static void *fail_map(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	return kit_fails() ? (void *)(intptr_t)-ENOMEM : real_mem->map(addr, len, prot, flags, fd, off);
}

static int fail_unmap(void *addr, size_t len)
{
	return real_mem->unmap(addr, len);
}

static int fail_protect(void *addr, size_t len, int prot)
{
	return kit_fails() ? -ENOMEM : real_mem->protect(addr, len, prot);
}

static int fail_open(const char *path)
{
	return kit_fails() ? -EMFILE : real_fs->open(path);
}

static int fail_close(int fd)
{
	return real_fs->close(fd);
}

static long fail_pread(int fd, void *buf, size_t len, uint64_t off)
{
	return kit_fails() ? -EIO : real_fs->pread(fd, buf, len, off);
}

static int fail_stat(int fd, struct host_stat *st)
{
	return kit_fails() ? -EIO : real_fs->stat(fd, st);
}

static int fail_statpath(const char *path, struct host_stat *st)
{
	return kit_fails() ? -EIO : real_fs->statpath(path, st);
}

static int fail_realpath(const char *path, char *out, size_t len)
{
	return kit_fails() ? -EIO : real_fs->realpath(path, out, len);
}

static int fail_getcwd(char *out, size_t len)
{
	return kit_fails() ? -EIO : real_fs->getcwd(out, len);
}

static int fail_copy(int fd, const char *name, uint64_t size)
{
	return kit_fails() ? -ENOSPC : real_fs->copy(fd, name, size);
}

static const struct host_mem failing_mem = {
	.map = fail_map,
	.unmap = fail_unmap,
	.protect = fail_protect,
};

static const struct host_fs failing_fs = {
	.open = fail_open,
	.close = fail_close,
	.pread = fail_pread,
	.stat = fail_stat,
	.statpath = fail_statpath,
	.realpath = fail_realpath,
	.getcwd = fail_getcwd,
	.copy = fail_copy,
};

void kit_fail(unsigned nth)
{
	if (!real_mem) {
		real_mem = host_mem;
		real_fs = host_fs;
	}
	host_mem = nth ? &failing_mem : real_mem;
	host_fs = nth ? &failing_fs : real_fs;
	left = nth;
	if (nth) {
		calls = 0;
		met = false;
	}
}

unsigned kit_calls(void)
{
	return calls;
}

bool kit_failed(void)
{
	return met;
}

/* SPDX-License-Identifier: MIT */
/*
 * linux: the kernel's part of host.h, by raw system calls.
 *
 * Used by every room for memory, files, waiting, time and output, and by the other files here, from the
 * first moment of the process on.  Nothing in here needs host_boot, sets errno, or can be interrupted
 * half way: EINTR is retried.  Descriptors are close-on-exec and never 0, 1 or 2, so that a program that
 * closed one of those does not write into a library of ours.
 *
 * Must never call libc, allocate, or report.
 */
#include "host.h"

#include "../arch/arch.h"
#include "../loader/text.h"
#include "kernel.h"

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/uio.h>
#include <errno.h>
#include <stdatomic.h>

/* --- memory ---------------------------------------------------------------------------------------- */

static void *kernel_map(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	return (void *)KERNEL(mmap, addr, len, prot, flags, fd, off);
}

static int unmap(void *addr, size_t len)
{
	return KERNEL(munmap, addr, len, 0, 0, 0, 0);
}

static int protect(void *addr, size_t len, int prot)
{
	return KERNEL(mprotect, addr, len, prot, 0, 0, 0);
}

static const struct host_mem real_mem = {kernel_map, unmap, protect};
const struct host_mem *host_mem = &real_mem;

/* --- files ----------------------------------------------------------------------------------------- */

static int shut(int fd)
{
	return KERNEL(close, fd, 0, 0, 0, 0, 0); /* no retry: Linux has closed it, also on EINTR */
}

/* A new descriptor, or an error; out of the way of standard input and output. */
static int above_two(int fd)
{
	int up;

	if (fd < 0 || fd > 2)
		return fd;
	up = KERNEL(fcntl, fd, F_DUPFD_CLOEXEC, 3, 0, 0, 0);
	shut(fd);
	return up == -EINVAL ? -EMFILE : up; /* no more than 3 are allowed */
}

static int open_flags(const char *path, int flags)
{
	long fd;

	do
		fd = KERNEL(openat, AT_FDCWD, path, flags | O_CLOEXEC, 0666, 0, 0);
	while (fd == -EINTR);
	return above_two(fd);
}

static int open_read(const char *path)
{
	/* A pipe without a writer must not stop us; a lease is the one thing worth waiting for. */
	int fd = open_flags(path, O_RDONLY | O_NONBLOCK);

	return fd == -EAGAIN ? open_flags(path, O_RDONLY) : fd;
}

static long read_at(int fd, void *buf, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		long n = KERNEL(pread64, fd, (char *)buf + done, len - done, off + done, 0, 0);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static void take_stat(struct host_stat *out, const struct stat *st)
{
	out->dev = st->st_dev;
	out->ino = st->st_ino;
	out->size = st->st_size;
	out->mode = st->st_mode;
	out->mtime = (uint64_t)st->st_mtime * 1000000000u + st->st_mtime_nsec;
}

static int stat_fd(int fd, struct host_stat *out)
{
	struct stat st;
	long r = KERNEL(fstat, fd, &st, 0, 0, 0, 0);

	if (r == 0)
		take_stat(out, &st);
	return r;
}

static int stat_path(const char *path, struct host_stat *out)
{
	struct stat st;
	long r = KERNEL(newfstatat, AT_FDCWD, path, &st, 0, 0, 0);

	if (r == 0)
		take_stat(out, &st);
	return r;
}

/* The kernel counts the terminator, and says "(unreachable)/..." for a directory outside our root. */
static int current_dir(char *out, size_t len)
{
	long n = KERNEL(getcwd, out, len, 0, 0, 0, 0);

	if (n < 0)
		return n;
	return out[0] == '/' ? n - 1 : -ENOENT;
}

/* Without /proc: the absolute path with "." and ".." folded, links left as they are. */
static int fold_path(const char *path, char *out, size_t len)
{
	size_t n = 0;

	if (path[0] != '/') {
		int r = current_dir(out, len);

		if (r < 0)
			return r;
		n = r == 1 ? 0 : r;
	}
	while (*path) {
		size_t part = 0;

		while (*path == '/')
			path++;
		while (path[part] && path[part] != '/')
			part++;
		if (part == 2 && path[0] == '.' && path[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (part > 0 && !(part == 1 && path[0] == '.')) {
			if (n + part + 2 > len)
				return -ENAMETOOLONG;
			out[n++] = '/';
			memcpy(out + n, path, part);
			n += part;
		}
		path += part;
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = 0;
	return n;
}

static int real_path(const char *path, char *out, size_t len)
{
	char link[32];
	int fd = open_flags(path, O_PATH);
	long n;

	if (fd < 0)
		return fd;
	text_format(link, sizeof link, "/proc/self/fd/%d", fd);
	n = KERNEL(readlinkat, AT_FDCWD, link, out, len, 0, 0);
	shut(fd);
	if (n > 0 && (size_t)n < len && out[0] == '/') {
		out[n] = 0;
		return n;
	}
	return n > 0 && (size_t)n >= len ? -ENAMETOOLONG : fold_path(path, out, len);
}

/* In memory.  Kernels before 6.3 know no NOEXEC_SEAL, which is about execve and not about us. */
static int memory_file(const char *name)
{
	enum { CLOEXEC = 1, ALLOW_SEALING = 2, NOEXEC_SEAL = 8, NAME_MAX_LEN = 249 };
	char text[NAME_MAX_LEN + 1];
	int fd;

	text_copy(text, sizeof text, name);
	fd = KERNEL(memfd_create, text, CLOEXEC | ALLOW_SEALING | NOEXEC_SEAL, 0, 0, 0, 0);
	return above_two(fd == -EINVAL ? KERNEL(memfd_create, text, CLOEXEC | ALLOW_SEALING, 0, 0, 0, 0)
				       : fd);
}

uint64_t host_limit(enum host_limit which)
{
	uint64_t limit[2] = {~0ull, 0};

	KERNEL(prlimit64, 0, which, 0, limit, 0, 0);
	return limit[0];
}

/* Who makes a file longer than RLIMIT_FSIZE, in memory as well, gets a signal that kills. */
static long fill(int to, int from, uint64_t size)
{
	enum { READ_WRITE = 3, SHARED = 1, ADD_SEALS = 1033, ALL_SEALS = 15 };
	long r = size > host_limit(HOST_LIMIT_FSIZE) ? -EFBIG : KERNEL(ftruncate, to, size, 0, 0, 0, 0);
	void *p;

	if (r < 0)
		return r;
	p = kernel_map(NULL, size, READ_WRITE, SHARED, to, 0);
	if (host_failed(p))
		return (long)p;
	r = read_at(from, p, size, 0);
	unmap(p, size);
	if (r >= 0 && (uint64_t)r != size)
		r = -EIO; /* it has shrunk */
	return r < 0 ? r : KERNEL(fcntl, to, ADD_SEALS, ALL_SEALS, 0, 0, 0);
}

static int copy_file(int fd, const char *name, uint64_t size)
{
	int copy = memory_file(name);
	long r = copy < 0 || !size ? 0 : fill(copy, fd, size);

	if (r < 0)
		shut(copy);
	return r < 0 ? r : copy;
}

static const struct host_fs real_fs = {
	open_read, shut, read_at, stat_fd, stat_path, real_path, current_dir, copy_file,
};
const struct host_fs *host_fs = &real_fs;

/* --- threads --------------------------------------------------------------------------------------- */

void host_wait(const uint32_t *word, uint32_t while_value)
{
	KERNEL(futex, word, FUTEX_WAIT_PRIVATE, while_value, 0, 0, 0);
}

void host_wake(const uint32_t *word, int n)
{
	KERNEL(futex, word, FUTEX_WAKE_PRIVATE, n, 0, 0, 0);
}

void host_yield(void)
{
	KERNEL(sched_yield, 0, 0, 0, 0, 0, 0);
}

/* Of the thread that runs our constructor, while it does: it does not fork.  Others ask the kernel. */
static HOST_EARLY struct {
	_Atomic(char *) tp; /* relaxed: only that thread finds itself in it */
	int pid, tid;
} self;

static bool is_self(void)
{
	char *tp = atomic_load_explicit(&self.tp, memory_order_relaxed);

	return tp && tp == arch_tp();
}

int host_tid(void)
{
	return is_self() ? self.tid : (int)KERNEL(gettid, 0, 0, 0, 0, 0, 0);
}

int host_pid(void)
{
	return is_self() ? self.pid : (int)KERNEL(getpid, 0, 0, 0, 0, 0, 0);
}

void host_constructor(bool begins)
{
	if (begins) {
		self.tid = host_tid();
		self.pid = host_pid();
	}
	atomic_store_explicit(&self.tp, begins ? arch_tp() : NULL, memory_order_relaxed);
}

bool host_thread_gone(int pid, int tid)
{
	return KERNEL(tgkill, pid, tid, 0, 0, 0, 0) == -ESRCH;
}

/* <linux/signal.h> and <linux/time.h> clash with libc's headers. */
enum { SIG_BLOCK_OP = 0, SIG_SETMASK_OP = 2, MONOTONIC = 1 };

uint64_t host_mask_signals(void)
{
	uint64_t all = ~0ull, old = 0;

	KERNEL(rt_sigprocmask, SIG_BLOCK_OP, &all, &old, sizeof all, 0, 0);
	return old;
}

void host_unmask_signals(uint64_t old)
{
	KERNEL(rt_sigprocmask, SIG_SETMASK_OP, &old, 0, sizeof old, 0, 0);
}

/* The first call of a process (and of a child whose kernel does not inherit it) registers. */
bool host_membarrier(void)
{
	for (int try = 0; try < 2; try++) {
		long r = KERNEL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0);

		if (r != -EPERM)
			return r == 0;
		r = KERNEL(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0);
		if (r != 0)
			return false;
	}
	return false;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

void host_populate(void *addr, size_t len)
{
	KERNEL(madvise, addr, len, MADV_POPULATE_WRITE, 0, 0, 0);
}

/* --- debuggers ------------------------------------------------------------------------------------- */

bool host_traced(void)
{
	static const char key[] = "TracerPid:\t";
	const char *at;
	char text[1024];
	int fd = open_flags("/proc/self/status", O_RDONLY);
	long n = fd < 0 ? 0 : read_at(fd, text, sizeof text - 1, 0);

	if (fd >= 0)
		shut(fd);
	text[n > 0 ? n : 0] = 0;
	for (at = text; at; at = text_chr(at, '\n')) {
		at += *at == '\n';
		if (text_starts(at, key))
			return at[sizeof key - 1] != '0';
	}
	return false;
}

/*
 * A read() into the place.  Not process_vm_writev in the first place: there are sandboxes that kill who
 * calls that.
 */
static int poke_by_pipe(void *dst, const void *src, size_t len)
{
	int fd[2];
	long n = KERNEL(pipe2, fd, O_CLOEXEC, 0, 0, 0, 0);

	if (n < 0)
		return n;
	fd[0] = above_two(fd[0]); /* what others write to their standard output must not come out of it */
	fd[1] = above_two(fd[1]);
	n = fd[0] < 0 || fd[1] < 0 ? -EMFILE : KERNEL(write, fd[1], src, len, 0, 0, 0);
	if (n == (long)len)
		n = KERNEL(read, fd[0], dst, len, 0, 0, 0);
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			shut(fd[i]);
	return n;
}

bool host_poke(void *dst, const void *src, size_t len)
{
	struct iovec local = {(void *)(uintptr_t)src, len}, remote = {dst, len};
	long n = poke_by_pipe(dst, src, len);

	if (n == -EMFILE || n == -ENFILE)
		n = KERNEL(process_vm_writev, host_pid(), &local, 1, &remote, 1, 0);
	return n == (long)len;
}

/* --- time, output, end ----------------------------------------------------------------------------- */

uint64_t host_nanoseconds(void)
{
	struct {
		int64_t sec;
		long nsec;
	} t = {0, 0};

	KERNEL(clock_gettime, MONOTONIC, &t, 0, 0, 0, 0);
	return (uint64_t)t.sec * 1000000000u + (uint64_t)t.nsec;
}

void host_write(int fd, const char *s, size_t len)
{
	while (len > 0) {
		long n = KERNEL(write, fd, s, len, 0, 0, 0);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return;
		s += n;
		len -= n;
	}
}

int host_create(const char *path)
{
	return open_flags(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
}

_Noreturn void host_exit(int status)
{
	for (;;)
		KERNEL(exit_group, status, 0, 0, 0, 0, 0);
}

static const struct host_word words[] = {
	{EPERM, "Operation not permitted"},
	{ENOENT, "No such file or directory"},
	{EIO, "Input/output error"},
	{ENXIO, "No such device or address"},
	{EBADF, "Bad file descriptor"},
	{EAGAIN, "Resource temporarily unavailable"},
	{ENOMEM, "Cannot allocate memory"},
	{EACCES, "Permission denied"},
	{EFAULT, "Bad address"},
	{EBUSY, "Device or resource busy"},
	{EEXIST, "File exists"},
	{ENODEV, "No such device"},
	{ENOTDIR, "Not a directory"},
	{EISDIR, "Is a directory"},
	{EINVAL, "Invalid argument"},
	{ENFILE, "Too many open files in system"},
	{EMFILE, "Too many open files"},
	{ETXTBSY, "Text file busy"},
	{EFBIG, "File too large"},
	{ENOSPC, "No space left on device"},
	{EROFS, "Read-only file system"},
	{ENAMETOOLONG, "File name too long"},
	{ENOSYS, "Function not implemented"},
	{ELOOP, "Too many levels of symbolic links"},
	{ENOEXEC, "Exec format error"},
	{EOVERFLOW, "Value too large for defined data type"},
	{ESTALE, "Stale file handle"},
	{ETIMEDOUT, "Connection timed out"},
	{0, NULL},
};

static const struct host_word *by_number(const struct host_word *w, int err)
{
	while (w->text && w->err != err)
		w++;
	return w;
}

static int by_text(const struct host_word *w, const char *text)
{
	while (w->text && !text_eq(w->text, text))
		w++;
	return w->err;
}

const char *host_errno_text(int err)
{
	const struct host_word *w;

	err = err < 0 ? -err : err;
	w = by_number(host.style->words, err);
	if (!w->text)
		w = by_number(words, err);
	return w->text ? w->text : err == 0 ? "Success" : "Unknown error";
}

int host_errno_of(const char *text)
{
	int err = by_text(host.style->words, text);

	return err ? err : by_text(words, text);
}

/* SPDX-License-Identifier: MIT */
/*
 * check_change: a file that shrinks, grows or is written while it is being opened.
 *
 * The change comes before the nth host call of the load, for every n, in a child of its own.  The rule: the
 * load succeeds or is refused with words that name the file, and is never killed (loader/guard.h).  What
 * happens to the file until it is parsed is always noticed (loader/file.h, file_unchanged), later changes where
 * the loader meets them.  A snapshot (DLRS_SNAPSHOT) is the file as it was at some moment, or refused.
 */
#include "opener.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum change { TO_NOTHING, TO_HALF, BY_ONE_BYTE, GROWN, WRITTEN, SCRIBBLED, FILLED, REPLACED, CHANGES };
static const char *const names[] = {"cut to nothing", "cut to half", "cut by a byte", "grown", "written into",
				    "overwritten with 0x5a", "overwritten with 0xff", "replaced"};

static unsigned calls, change_at, look[2]; /* numbers of calls; of the first two fstat, of the file */
static unsigned nlooks;
static enum change how;
static size_t length;
static int mode;

/* --- the change -------------------------------------------------------------------------------------- */

static void apply(const char *path)
{
	static char garbage[1 << 20];
	int fd = open(path, O_RDWR);

	ck_assert_uint_le(length, sizeof(garbage));
	memset(garbage, how == FILLED ? 0xff : 0x5a, sizeof(garbage));
	ck_assert_int_ge(fd, 0);
	switch (how) {
	case TO_NOTHING:
		ck_assert(!ftruncate(fd, 0));
		break;
	case TO_HALF:
		ck_assert(!ftruncate(fd, (off_t)length / 2));
		break;
	case BY_ONE_BYTE:
		ck_assert(!ftruncate(fd, (off_t)length - 1));
		break;
	case GROWN:
		ck_assert(!ftruncate(fd, (off_t)length + 10000));
		break;
	case WRITTEN:
		ck_assert_int_eq(pwrite(fd, garbage, 512, 0), 512);
		break;
	case SCRIBBLED:
	case FILLED:
		ck_assert_int_eq(pwrite(fd, garbage, length, 0), (long)length);
		break;
	default:
		ck_assert(!rename(kit_path("other.so"), path));
	}
	close(fd);
}

static void tick(void)
{
	if (++calls == change_at)
		apply(kit_path("libchange.so"));
}

static const struct host_mem *mem;
static const struct host_fs *fs;

static void *tick_map(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	tick();
	return mem->map(addr, len, prot, flags, fd, off);
}

static int tick_protect(void *addr, size_t len, int prot)
{
	tick();
	return mem->protect(addr, len, prot);
}

static int tick_open(const char *path)
{
	tick();
	return fs->open(path);
}

static int tick_close(int fd)
{
	tick();
	return fs->close(fd);
}

static long tick_pread(int fd, void *buf, size_t len, uint64_t off)
{
	tick();
	return fs->pread(fd, buf, len, off);
}

static int tick_stat(int fd, struct host_stat *st)
{
	tick();
	if (nlooks < 2)
		look[nlooks++] = calls;
	return fs->stat(fd, st);
}

static int tick_copy(int fd, const char *name, uint64_t size)
{
	tick();
	return fs->copy(fd, name, size);
}

static void watch(void)
{
	static struct host_mem watched_mem;
	static struct host_fs watched_fs;

	mem = host_mem;
	fs = host_fs;
	watched_mem = *mem;
	watched_fs = *fs;
	watched_mem.map = tick_map;
	watched_mem.protect = tick_protect;
	watched_fs.open = tick_open;
	watched_fs.close = tick_close;
	watched_fs.pread = tick_pread;
	watched_fs.stat = tick_stat;
	watched_fs.copy = tick_copy;
	host_mem = &watched_mem;
	host_fs = &watched_fs;
	calls = 0;
}

/* --- a load in a child ------------------------------------------------------------------------------- */

static struct elfgen *sample(void)
{
	struct elfgen *e = kit_sample();
	uint64_t text = ELFGEN_VA(ELFGEN_TEXT);

	e->soname = "libchange.so";
	e->init_array = e->fini_array = 0; /* its code is zeros */
	e->relr.n = 0;
	elfgen_rel(e, &(struct elfgen_rel){KIT_DATA + 40, kit_reloc(RELOC_RELATIVE), 0, (int64_t)text});
	elfgen_build(e);
	return e;
}

static void make(void)
{
	struct elfgen *e = sample();

	length = e->len;
	elfgen_write(e, kit_path("libchange.so"));
	elfgen_write(e, kit_path("other.so"));
	elfgen_free(e);
}

/* Every byte that nobody relocates is the old file's, or (somebody wrote before the copy) what they wrote. */
static bool as_it_was(const struct image *im)
{
	struct elfgen *e = sample();
	const char *was = (const char *)e->buf, *is = (const char *)im->map.start;
	size_t n = e->load[ELFGEN_HEAD].filesz;
	bool same;

	ck_assert(!im->map.seg[0].va);
	same = !memcmp(is, was, n);
	elfgen_free(e);
	return same;
}

/* 0: loaded; 1: refused; a signal's number negated. */
static int load_in_child(struct diag *d)
{
	struct load ld;
	int status, fds[2];
	pid_t pid;

	ck_assert(!pipe(fds));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		bool ok;

		signal(SIGBUS, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		watch();
		ok = open_load(&ld, kit_path("libchange.so"), mode, d);
		ok = ok && (!(mode & ELF_RTLD_SNAPSHOT) || as_it_was(ld.root));
		if (write(fds[1], d, sizeof(*d)) < 0 || write(fds[1], &calls, sizeof(calls)) < 0 ||
		    write(fds[1], look, sizeof(look)) < 0)
			_exit(3);
		_exit(!ok);
	}
	close(fds[1]);
	calls = 0;
	if (read(fds[0], d, sizeof(*d)) < (long)sizeof(*d))
		d->text[0] = 0;
	else if (read(fds[0], &calls, sizeof(calls)) < 0 || read(fds[0], look, sizeof(look)) < 0)
		ck_abort_msg("the pipe broke");
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Before call n; the file is looked at for the last time in `last`. */
static void check(unsigned n, unsigned last, int result, const struct diag *d)
{
	ck_assert_msg(result >= 0, "%s before call %u: signal %d", names[how], n, -result);
	if (result == 1)
		ck_assert_msg(strstr(d->text, "libchange.so: "), "%s before call %u: %s", names[how], n, d->text);
	if (how == REPLACED)
		ck_assert_msg(result == 0, "%s before call %u: %s", names[how], n, d->text);
	if (how == TO_NOTHING && n <= last)
		ck_assert_msg(result != 0, "%s before call %u: loaded", names[how], n);
}

START_TEST(every_call)
{
	struct diag d = {0};
	unsigned total, last, refused = 0, late = 0;

	opener_start();
	make();
	change_at = 0;
	mode = RTLD_NOW;
	ck_assert_msg(load_in_child(&d) == 0, "%s", d.text);
	total = calls;
	last = look[1];
	ck_assert_uint_gt(last, total / 3);
	ck_assert_uint_lt(last, total);
	for (how = 0; how < CHANGES; how++)
		for (unsigned n = 1; n <= total; n++) {
			int result;

			make();
			change_at = n;
			result = load_in_child(&d);
			check(n, last, result, &d);
			refused += result == 1;
			late += n > last && result == 1;
		}
	ck_assert_uint_gt(refused, 2 * last);
	ck_assert_uint_gt(late, 0);
	kit_say("changes of files: %u at %u calls, %u refused, %u of them cut short after the last look",
		CHANGES * total, total, refused, late);
}
END_TEST

START_TEST(snapshots)
{
	struct diag d = {0};
	unsigned total, refused = 0;

	opener_start();
	make();
	change_at = 0;
	mode = RTLD_NOW | ELF_RTLD_SNAPSHOT;
	ck_assert_msg(load_in_child(&d) == 0, "%s", d.text);
	total = calls;
	for (how = 0; how < CHANGES; how++)
		for (unsigned n = 1; n <= total; n++) {
			int result;

			make();
			change_at = n;
			result = load_in_child(&d);
			ck_assert_msg(result >= 0, "%s before call %u of %u: signal %d", names[how], n, total,
				      -result);
			ck_assert_msg(result == 0 || strstr(d.text, "libchange.so: "),
				      "%s before call %u of %u: %s", names[how], n, total,
				      d.text[0] ? d.text : "loaded, but not as it was");
			refused += result == 1;
		}
	ck_assert_uint_gt(refused, 0);
	kit_say("changes of snapshots: %u at %u calls, %u refused, all others as the file was", CHANGES * total,
		total, refused);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, every_call);
	tcase_add_test(tc, snapshots);
}

KIT_MAIN("change", add)

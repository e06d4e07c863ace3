/* SPDX-License-Identifier: MIT
 * Snapshots (DLRS_SNAPSHOT, 0x100000): the library's bytes as they were when it was opened, whatever becomes of the
 * file. And copies by the thousand, which leave nothing.
 *
 * BUILD snapshot: -pthread
 */
#include "twin.h"
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define CUSTOM_NOT_REGISTER 0x400
#define DLRS_SNAPSHOT 0x100000

/* The host knows no such bits; all cases but the first end here on its side. */
static void ours_only(void)
{
	if (!TWIN_SNAPSHOTS)
		exit(0);
}

CASE(bit_of_the_mode)
{
	void *h = dlopen("./libpages1.so", RTLD_NOW | DLRS_SNAPSHOT);

	if (TWIN_SNAPSHOTS) {
		ok(h);
	} else {
		ok(!h);
		error_is("invalid mode parameter", NULL);
	}
}

static void says(const char *words)
{
	const char *error = dlerror();

	ok(error && strstr(error, words));
}

static void *snapshot_of(const char *path)
{
	return load(path, RTLD_NOW | CUSTOM_NOT_REGISTER | DLRS_SNAPSHOT);
}

/* As a careless build does it: the same file, other contents. */
static void overwrite(const char *path, const char *with)
{
	char buf[1 << 16];
	int in = with ? open(with, O_RDONLY) : -1, out = open(path, O_WRONLY | O_TRUNC);
	ssize_t n;

	ok(out >= 0);
	while (in >= 0 && (n = read(in, buf, sizeof buf)) > 0)
		eq(write(out, buf, n), n);
	close(in);
	close(out);
}

static const char *fresh(const char *name, const char *from)
{
	return twin_copy(from, twin_tmp(name));
}

static void *sum_in_thread(void *h)
{
	return (void *)(long)call(h, "pages_sum");
}

static void whole(void *h, int version)
{
	pthread_t t;
	void *sum;

	eq(call(h, "pages_version"), version);
	eq(call1(h, "pages_far", 5), 5 + version);
	eq(call(h, "pages_sum"), 1200 * version);
	eq(pthread_create(&t, NULL, sum_in_thread, h), 0);
	pthread_join(t, &sum);
	eq((long)sum, 1200 * version);
}

CASE(survives_truncation)
{
	ours_only();
	const char *path = fresh("pages.so", "libpages1.so");
	void *h = snapshot_of(path);

	overwrite(path, NULL);
	whole(h, 1);
	twin_trace[0] = 0;
	shut(h);
	traced("-1:10");
}

CASE(survives_overwriting)
{
	ours_only();
	const char *path = fresh("pages.so", "libpages1.so");
	void *old = snapshot_of(path), *new;

	overwrite(path, "libpages2.so");
	new = snapshot_of(path);
	whole(old, 1);
	whole(new, 2);
	overwrite(path, NULL);
	((void (*)(int))sym(new, "pages_set"))(3);
	eq(call(new, "pages_sum"), 2403);
	eq(call(old, "pages_sum"), 1200);
	shut(new);
	whole(old, 1);
	shut(old);
	traced("+1 +2 -2:23 -1:10");
}

/* What a snapshot is for: without one the process dies. */
PART(no_snapshot)
{
	const char *path = twin_tmp("pages.so");
	void *h = load(path, RTLD_NOW | CUSTOM_NOT_REGISTER);

	overwrite(path, NULL);
	call(h, "pages_sum");
}

CASE(without_one_truncation_kills)
{
	ours_only();
	fresh("pages.so", "libpages1.so");
	eq(twin_run("no_snapshot", NULL).code, 128 + SIGBUS);
}

CASE(survives_removal)
{
	ours_only();
	const char *path = fresh("pages.so", "libpages1.so");
	void *h = snapshot_of(path);

	eq(unlink(path), 0);
	whole(h, 1);
	ok(!dlopen(path, RTLD_NOW));
	says("No such file");
}

CASE(keeps_its_path)
{
	ours_only();
	const char *path = fresh("pages.so", "libpages1.so");
	struct link_map *lm = snapshot_of(path);
	char origin[PATH_MAX];
	Dl_info i;

	same(lm->l_name, path);
	ok(dladdr(sym(lm, "pages_sum"), &i));
	same(i.dli_fname, path);
	eq(dlinfo(lm, RTLD_DI_ORIGIN, origin), 0);
	ok(!strncmp(path, origin, strlen(origin)) && path[strlen(origin)] == '/');
	eq(twin_mapped(path), 0);
	ok(twin_mapped("/memfd:pages.so (deleted)") >= 3);
}

CASE(holds_no_descriptor)
{
	ours_only();
	int before = twin_fds();
	void *h = snapshot_of("./libpages1.so");

	eq(twin_fds(), before);
	shut(h);
	eq(twin_mapped("memfd:"), 0);
}

/* Without CUSTOM_NOT_REGISTER it is the library of that file for everybody. */
CASE(registered_like_any_library)
{
	ours_only();
	const char *path = fresh("pages.so", "libpages1.so");
	void *h = load(path, RTLD_NOW | DLRS_SNAPSHOT);

	ok(load(path, RTLD_NOW) == h);
	ok(load(path, RTLD_NOW | DLRS_SNAPSHOT) == h);
	eq(link(path, twin_tmp("link.so")), 0);
	ok(load(twin_tmp("link.so"), RTLD_NOW) == h);
	ok(dlopen("libpages.so", RTLD_NOW | RTLD_NOLOAD) == h);
	overwrite(path, NULL);
	whole(h, 1);
}

CASE(of_a_loaded_library_is_that_library)
{
	ours_only();
	void *h = load("./libpages1.so", RTLD_NOW);

	ok(load("./libpages1.so", RTLD_NOW | DLRS_SNAPSHOT) == h);
	ok(snapshot_of("./libpages1.so") != h);
}

CASE(dependencies_are_no_snapshots)
{
	ours_only();
	snapshot_of("./libplugin1.so");
	ok(twin_mapped("memfd:libplugin1.so") >= 3);
	ok(twin_mapped("/libshared.so") >= 3);
	eq(twin_mapped("memfd:libshared.so"), 0);
}

CASE(throws_and_catches)
{
	ours_only();
	void *a = snapshot_of("./libplugin1.so"), *b = snapshot_of("./libplugin2.so");

	eq(call(a, "throws"), 1);
	eq(call(b, "throws"), 2);
	shut(a);
	eq(call(b, "throws"), 2);
}

CASE(of_something_else_is_refused)
{
	ours_only();
	const char *path = twin_tmp("text.so");

	overwrite(fresh("text.so", "libpages1.so"), "/proc/self/status");
	ok(!dlopen(path, RTLD_NOW | DLRS_SNAPSHOT));
	says("invalid ELF header");
	overwrite(path, NULL);
	ok(!dlopen(path, RTLD_NOW | DLRS_SNAPSHOT));
	says("file too short");
	ok(!dlopen(twin_tmp("nosuch.so"), RTLD_NOW | DLRS_SNAPSHOT));
	says("No such file");
	eq(twin_mapped("memfd:"), 0);
}

/* --- rename, as it should be done --- */

enum { GENERATIONS = 40 };

static void replace(const char *path, const char *with)
{
	eq(rename(twin_copy(with, twin_tmp("new.so")), path), 0);
}

CASE(replaced_by_rename_while_in_use)
{
	ours_only();
	static const char *const files[] = {"libpages1.so", "libpages2.so"};
	const char *path = fresh("pages.so", files[0]);
	void *h[GENERATIONS];

	for (int i = 0; i < GENERATIONS; i++) {
		replace(path, files[i % 2]);
		h[i] = load(path, RTLD_NOW | CUSTOM_NOT_REGISTER | (i % 3 ? 0 : DLRS_SNAPSHOT));
		for (int k = 0; k <= i; k += 7)
			eq(call(h[k], "pages_version"), 1 + k % 2);
	}
	for (int i = 0; i < GENERATIONS; i++) {
		whole(h[i], 1 + i % 2);
		shut(h[i]);
	}
	eq(twin_mapped("pages.so"), 0);
}

/* --- ten thousand --- */

static long kilobytes(const char *file, const char *format)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen(file, "r");

	while (f && fgets(line, sizeof line, f) && sscanf(line, format, &kb) != 1)
		;
	ok(f && !fclose(f) && kb >= 0);
	return kb;
}

static void *first_tls(void *h)
{
	return (void *)(long)call(h, "next_tls");
}

static void cycle(int i, struct twin_worker *w)
{
	void *h = load(i % 2 ? "./libplugin1.so" : "./libpages2.so",
		       RTLD_NOW | CUSTOM_NOT_REGISTER | (i % 4 < 2 ? DLRS_SNAPSHOT : 0));

	if (i % 2) {
		eq(call(h, "next"), 101);
		eq(call(h, "next_tls"), 201);
		if (i % 100 == 1)
			twin_do(w, first_tls, h);
	} else {
		eq(call1(h, "pages_far", i), i + 2);
	}
	shut(h);
	twin_trace[0] = 0;
}

CASE(ten_thousand_copies_leave_nothing)
{
	ours_only();
	struct twin_worker *w = twin_worker();
	long size, anonymous;
	int lines, fds;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* else the kernel may give more whenever it likes */
	load("./libplugin1.so", RTLD_NOW); /* and with it libstdc++, which stays */
	for (int i = 0; i < 100; i++)
		cycle(i, w);
	size = kilobytes("/proc/self/status", "VmSize: %ld");
	anonymous = kilobytes("/proc/self/smaps_rollup", "Anonymous: %ld");
	lines = twin_mapped("-");
	fds = twin_fds();
	for (int i = 0; i < 10000; i++)
		cycle(i, w);
	eq(kilobytes("/proc/self/status", "VmSize: %ld"), size);
	ok(kilobytes("/proc/self/smaps_rollup", "Anonymous: %ld") <= anonymous + 64);
	eq(twin_mapped("-"), lines);
	eq(twin_fds(), fds);
	eq(twin_mapped("memfd:"), 0);
}

/* Four threads that swap their own plugin as fast as they can, and a fifth that replaces the file. */
enum { THREADS = 4 };
static const char *swapped;

static void *swap(void *number)
{
	void *h = load(swapped, RTLD_NOW | CUSTOM_NOT_REGISTER);
	int version, snapshot = (long)number % 2 ? DLRS_SNAPSHOT : 0;

	for (int i = 0; i < 200; i++) {
		void *new = load(swapped, RTLD_NOW | CUSTOM_NOT_REGISTER | snapshot);

		version = call(h, "pages_version");
		ok(version == 1 || version == 2);
		eq(call(h, "pages_sum"), 1200 * version);
		shut(h);
		h = new;
	}
	shut(h);
	return NULL;
}

CASE(swapped_by_several_threads)
{
	ours_only();
	pthread_t t[THREADS];

	swapped = fresh("pages.so", "libpages1.so");
	for (long i = 0; i < THREADS; i++)
		eq(pthread_create(&t[i], NULL, swap, (void *)i), 0);
	for (int i = 0; i < 100; i++)
		replace(swapped, i % 2 ? "libpages1.so" : "libpages2.so");
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	eq(twin_mapped("pages.so"), 0);
}

/* SPDX-License-Identifier: MIT
 * Many namespaces at once: as many as memory allows, each with its own libraries, globals and thread-locals, and
 * nothing left when they are closed. The host has room for a few, so there the same is asked of fewer.
 *
 * BUILD many: -pthread
 */
#include "ns.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <stdatomic.h>

enum { MOST = 1000, FEW = 8 };

static int wanted(void)
{
	return TWIN_NAMESPACES_UNLIMITED ? MOST : FEW;
}

static void *handles[MOST];
static Lmid_t ids[MOST];

static void open_all(void)
{
	for (int i = 0; i < wanted(); i++) {
		handles[i] = load_in(LM_ID_NEWLM, "./libdatauser.so", RTLD_NOW);
		ids[i] = namespace_of(handles[i]);
		ok(ids[i] > LM_ID_BASE);
		eq(call1(handles[i], "user_add", i), 1 + i);
	}
}

/* In an order that is neither that of opening nor its reverse. */
static void close_all(void)
{
	for (int i = 0; i < wanted(); i++)
		shut(handles[i * 7 % wanted()]);
}

CASE(each_has_its_own_data)
{
	open_all();
	for (int i = 0; i < wanted(); i++) {
		for (int k = 0; k < i; k++)
			if (ids[i] == ids[k])
				fail("namespaces %d and %d are both %ld", i, k, (long)ids[i]);
		eq(call1(handles[i], "user_add", 1), 2 + i);
	}
	eq(call1(load("./libdatauser.so", RTLD_NOW), "user_add", 1), 2);
	close_all();
}

static void *thread_local_data(void *unused)
{
	for (int i = 0; i < wanted(); i++) {
		void *data = load_in(ids[i], "./libdata.so", RTLD_NOW | RTLD_NOLOAD);

		eq(call1(data, "data_tls_add", i), 5 + i);
		shut(data);
	}
	return unused;
}

CASE(each_has_its_own_thread_local_data)
{
	struct twin_worker *older = twin_worker();
	pthread_t t;

	open_all();
	thread_local_data(NULL);
	twin_do(older, thread_local_data, NULL);
	eq(pthread_create(&t, NULL, thread_local_data, NULL), 0);
	pthread_join(t, NULL);
	for (int i = 0; i < wanted(); i++)
		eq(call1(load_in(ids[i], "./libdata.so", RTLD_NOW), "data_tls_add", 1), 6 + i);
	twin_retire(older);
}

CASE(each_can_be_opened_again)
{
	open_all();
	for (int i = 0; i < wanted(); i++) {
		void *data = load_in(ids[i], "./libdata.so", RTLD_NOW),
		     *late = load_in(ids[i], "./libopener.so", RTLD_NOW);

		ok(load_in(ids[i], "./libdatauser.so", RTLD_NOW) == handles[i]);
		eq(namespace_of(data), ids[i]);
		eq(namespace_of(late), ids[i]);
		eq(call1(data, "data_add", 0), 1 + i);
	}
}

CASE(globals_stay_inside_each)
{
	open_all();
	for (int i = 0; i < wanted(); i++) {
		int (*finds)(const char *) =
			(int (*)(const char *))sym(load_in(ids[i], "./libopener.so", RTLD_NOW), "finds_here");
		void *late;

		ok(!TWIN_NAMESPACES_REPORT_ERRORS || !finds("late_value"));
		ok(finds("malloc"));
		eq(TWIN_NAMESPACES_REPORT_ERRORS && finds("dlrs_provide"), TWIN_PROVIDES);
		if (!TWIN_NAMESPACES_GLOBAL)
			continue;
		late = load_in(ids[i], "./liblate.so", RTLD_NOW | (i % 2 ? RTLD_GLOBAL : RTLD_LOCAL));
		eq(finds("late_value"), i % 2);
		call1(late, "late_set", i);
	}
	ok(!dlsym(RTLD_DEFAULT, "late_value"));
	for (int i = 0; TWIN_NAMESPACES_GLOBAL && i < wanted(); i++) {
		void *user = dlmopen(ids[i], "./libwantslate.so", RTLD_NOW);

		eq(user != NULL, i % 2);
		if (user)
			eq(call(user, "wants_late"), i);
	}
}

/* Kilobytes of address space, and of memory that no file stands behind. */
static void memory(long kb[2])
{
	static const char *const files[] = {"/proc/self/status", "/proc/self/smaps_rollup"};
	static const char *const formats[] = {"VmSize: %ld", "Anonymous: %ld"};
	char line[256];

	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(files[i], "r");

		while (f && fgets(line, sizeof line, f) && sscanf(line, formats[i], &kb[i]) != 1)
			;
		ok(f && !fclose(f));
	}
}

/* Twice to let allocators take what they keep, then twice more: not one descriptor, mapping or page stays. */
CASE(closing_frees_everything)
{
	long before[2] = {0}, after[2] = {0};
	int fds = 0, lines = 0;

	if (!TWIN_NAMESPACES_UNLIMITED)
		return; /* the host keeps some of what its copies of libc allocated */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* else the kernel may give more whenever it likes */
	for (int round = 0; round < 4; round++) {
		if (round == 2) {
			fds = twin_fds();
			lines = twin_mapped("-");
			memory(before);
		}
		open_all();
		thread_local_data(NULL);
		close_all();
		eq(twin_mapped("/libdata"), 0);
	}
	memory(after);
	eq(twin_fds(), fds);
	ok(twin_mapped("-") <= lines + 2);
	ok(after[0] <= before[0] + 64);
	ok(after[1] <= before[1] + 64);
}

CASE(closed_ones_are_unknown)
{
	open_all();
	close_all();
	for (int i = 0; i < wanted(); i++) {
		ok(!dlmopen(ids[i], "./libdata.so", RTLD_NOW));
		error_is("./libdata.so: invalid target namespace in dlmopen(): Invalid argument", NULL);
	}
	ok(namespace_of(load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW)) > LM_ID_BASE);
}

CASE(one_inside_another)
{
	void *(*open_new)(const char *);
	Lmid_t outer;
	void *h = load_in(LM_ID_NEWLM, "./libopener.so", RTLD_NOW);

	for (int depth = 0; depth < FEW; depth++) {
		outer = namespace_of(h);
		open_new = (void *(*)(const char *))sym(h, "open_new_here");
		h = open_new(twin_here("libopener.so"));
		if (!h)
			fail("%s", dlerror());
		ok(namespace_of(h) != outer);
	}
}

/* --- libraries of which there is one --- */

CASE(libc_alone_makes_no_namespace)
{
	static const char *const names[] = {"libc.so.6", "libpthread.so.0", "libdl.so.2"};

	for (int i = 0; i < 3; i++) {
		void *h = load_in(LM_ID_NEWLM, names[i], RTLD_NOW);

		if (!TWIN_NAMESPACES_SHARE_LIBC) {
			ok(namespace_of(h) != LM_ID_BASE);
			continue;
		}
		eq(namespace_of(h), LM_ID_BASE);
		ok(h == dlopen(names[i], RTLD_NOW | RTLD_NOLOAD));
		ok(sym(h, "malloc") == (void *)malloc);
	}
	shut(load("libc.so.6", RTLD_NOW));
}

CASE(libc_in_an_existing_namespace)
{
	void *h = load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
	void *libc = load_in(namespace_of(h), "libc.so.6", RTLD_NOW);

	ok((sym(libc, "malloc") == (void *)malloc) == TWIN_NAMESPACES_SHARE_LIBC);
	ok((namespace_of(libc) == LM_ID_BASE) == TWIN_NAMESPACES_SHARE_LIBC);
}

CASE(libm_is_not_shared)
{
	typedef double root_fn(double);
	void *base = load("libm.so.6", RTLD_NOW),
	     *other = load_in(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);

	ok(namespace_of(other) != LM_ID_BASE);
	ok(sym(base, "sqrt") != sym(other, "sqrt"));
	ok(((root_fn *)sym(other, "sqrt"))(9) == 3);
}

/* A library that names no dependency still finds libc, which came with the namespace's first library. */
CASE(underlinked_library_finds_libc)
{
	void *h = load_in(LM_ID_NEWLM, "./libdatauser.so", RTLD_NOW);

	eq(call(load_in(namespace_of(h), "./libunderlinked.so", RTLD_NOW), "length_of_word"), 4);
}

/* Variables of libc's, of which the program has copies (R_X86_64_COPY) that libc itself uses. */
CASE(variables_of_libc)
{
	char *arguments[] = {"program", "-x", "argument", NULL};
	void *h = load_in(LM_ID_NEWLM, "./libvariables.so", RTLD_NOW);
	char **(*environment)(void) = (char **(*)(void))sym(h, "environment");
	const char *(*argument)(void) = (const char *(*)(void))sym(h, "option_argument");

	eq(setenv("ONE_MORE", "1", 1), 0); /* moves the environment */
	eq(getopt(3, arguments, "x:"), 'x');
	same(optarg, "argument");
	ok(environment());
	ok((environment() == environ) == TWIN_NAMESPACES_SHARE_LIBC);
	ok((argument() == optarg) == TWIN_NAMESPACES_SHARE_LIBC);
	ok((*(char **)sym(h, "optarg") == optarg) == TWIN_NAMESPACES_SHARE_LIBC);
}

/* Looked up from within: what comes after, and what comes first. */
CASE(next_from_within)
{
	void *h = load_in(LM_ID_NEWLM, "./libdatauser.so", RTLD_NOW);
	void *opener = load_in(namespace_of(h), "./libopener.so", RTLD_NOW);

	ok(((int (*)(const char *))sym(opener, "next_here"))("malloc"));
	ok(!TWIN_NAMESPACES_REPORT_ERRORS ||
	   !((int (*)(const char *))sym(opener, "next_here"))("next_here"));
	ok(((int (*)(const char *))sym(opener, "finds_here"))("user_add"));
}

static int count(struct dl_phdr_info *info, size_t size, void *found)
{
	*(int *)found += strstr(info->dlpi_name, "/libdata.so") != NULL;
	return 0;
}

CASE(walk_from_the_base)
{
	int found = 0;

	load("./libdata.so", RTLD_NOW);
	load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
	load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
	dl_iterate_phdr(count, &found);
	eq(found, TWIN_WALKS_SEE_ALL_NAMESPACES ? 3 : 1);
}

/* --- several threads --- */

enum { THREADS = 8 };
static atomic_int rounds;

static void *come_and_go(void *number)
{
	while (atomic_fetch_add(&rounds, 1) < 400) {
		void *h = load_in(LM_ID_NEWLM, number ? "./libdatauser.so" : "./libopener.so", RTLD_NOW),
		     *data = load_in(namespace_of(h), "./libdata.so", RTLD_NOW);

		eq(call1(data, "data_add", 4), 5);
		eq(call1(data, "data_tls_add", 4), 9);
		shut(h);
		eq(call1(data, "data_add", 4), 9);
		shut(data);
	}
	return NULL;
}

CASE(many_threads_make_and_close_namespaces)
{
	pthread_t t[THREADS];

	if (!TWIN_NAMESPACES_UNLIMITED)
		return; /* too many at a time */
	for (long i = 0; i < THREADS; i++)
		eq(pthread_create(&t[i], NULL, come_and_go, (void *)(i % 2)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	eq(twin_mapped("/libdata"), 0);
}

/* One thread closes the last library of a namespace while another opens something in it: that either works or
 * says that there is no such namespace. */
static atomic_long shared_id;
static atomic_bool done;

static void *open_in_shared(void *unused)
{
	while (!done) {
		Lmid_t id = shared_id;
		void *h = dlmopen(id, "./libdata.so", RTLD_NOW);

		if (!h) {
			ok(strstr(dlerror(), "invalid target namespace"));
			continue;
		}
		eq(call1(h, "data_add", 0), 1);
		shut(h);
	}
	return unused;
}

CASE(open_in_a_namespace_that_is_being_closed)
{
	pthread_t t;

	if (!TWIN_NAMESPACES_UNLIMITED)
		return;
	shared_id = 12345;
	eq(pthread_create(&t, NULL, open_in_shared, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		void *h = load_in(LM_ID_NEWLM, "./libopener.so", RTLD_NOW);

		shared_id = namespace_of(h);
		shut(h);
	}
	done = true;
	pthread_join(t, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * What a static program can do with libdlrs.a, in C.
 */
#define _GNU_SOURCE
#include "host.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

__thread int program_local = 70;

static void opens(void)
{
	void *first = need("./first.so");

	said("+first ");
	eq(call(first, "first_answer"), 1042);
	eq(errno, 42);
	eq(*(int *)look(first, "first_data"), 40);
	ok(dlopen("./first.so", RTLD_NOW) == first);
	ok(!dlsym(first, "first_nothing"));
	ok(strstr(dlerror(), "first_nothing"));
}

static void thread_locals(void)
{
	void *first = need("./first.so");

	eq(call(first, "first_locals"), 1203);
	eq(call(first, "first_locals"), 2314);
	eq(*(int *)look(first, "first_gd"), 3);
}

static void descriptors(void)
{
	void *first = need("./first-desc.so");

	eq(call(first, "first_locals"), 1203);
	eq(call(first, "first_locals"), 2314);
}

static void *locals(void *f)
{
	return (void *)(long)((int (*)(void))f)();
}

static int locals_by_thrd(void *f)
{
	return ((int (*)(void))f)();
}

struct waiter {
	pthread_barrier_t go;
	int (*function)(void);
	int seen;
};

static void *waits(void *arg)
{
	struct waiter *w = arg;

	pthread_barrier_wait(&w->go);
	pthread_barrier_wait(&w->go);
	w->seen = w->function();
	return NULL;
}

static void threads(void)
{
	struct waiter w = {.function = NULL};
	pthread_attr_t attr;
	pthread_t older, newer;
	void *first, *seen;
	thrd_t thrd;
	int result;

	pthread_barrier_init(&w.go, NULL, 2);
	eq(pthread_create(&older, NULL, waits, &w), 0);
	pthread_barrier_wait(&w.go);
	first = need("./first.so");
	w.function = (int (*)(void))look(first, "first_locals");
	pthread_barrier_wait(&w.go);
	pthread_join(older, NULL);
	eq(w.seen, 1203);
	eq(pthread_create(&newer, NULL, locals, look(first, "first_locals")), 0);
	pthread_join(newer, &seen);
	eq((long)seen, 1203);
	pthread_attr_init(&attr);
	eq(pthread_attr_setstacksize(&attr, 16384), 0);
	eq(pthread_create(&newer, &attr, locals, look(first, "first_locals")), 0);
	pthread_join(newer, &seen);
	eq((long)seen, 1203);
	eq(thrd_create(&thrd, locals_by_thrd, look(first, "first_locals")), thrd_success);
	thrd_join(thrd, &result);
	eq(result, 1203);
	eq(call(first, "first_starts_a_thread"), 1203);
	eq(call(first, "first_locals"), 1203);
}

static int mapped(const char *name)
{
	char line[4096];
	FILE *f = fopen("/proc/self/maps", "r");
	int n = 0;

	while (fgets(line, sizeof line, f))
		n += strstr(line, name) != NULL;
	fclose(f);
	return n;
}

/* Each has its own private copy, and all share another library, which comes and goes. */
static void *opens_and_closes(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++) {
		void *own = dlopen("./first.so", RTLD_NOW | CUSTOM_NOT_REGISTER), *shared = need("./first-desc.so");

		ok(own);
		eq(call(own, "first_locals"), 1203);
		eq(call(own, "first_locals"), 2314);
		ok(call(shared, "first_locals") >= 1203);
		eq(call(shared, "first_answer"), 1042);
		eq(dlclose(own), 0);
		eq(dlclose(shared), 0);
	}
	return NULL;
}

static void storm(void)
{
	pthread_t t[8];

	if (keeps_all)
		return; /* of 800 copies none would go */
	for (int i = 0; i < 8; i++)
		eq(pthread_create(&t[i], NULL, opens_and_closes, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	eq(mapped("/first.so") + mapped("/first-desc.so"), 0);
}

static void depends(void)
{
	void *second = need("./second.so");

	said("+first +second ");
	eq(call(second, "second_answer"), 1042 + 40 + 1);
	ok(dlopen("./first.so", RTLD_NOW | RTLD_NOLOAD));
	ok(look(second, "first_data"));
}

static void plugin_opens(void)
{
	void *first = need("./first.so");

	eq(((int (*)(const char *))look(first, "first_opens"))("./second.so"), 1083);
	eq(((int (*)(const char *))look(first, "first_finds"))("program_says"), 1);
	eq(((int (*)(const char *))look(first, "first_finds"))("nobody_has_this"), 0);
}

static void closes(void)
{
	void *second = need("./second.so");

	*(int *)look(second, "first_data") = 50;
	program_said[0] = 0;
	eq(dlclose(second), 0);
	said(keeps_all ? "" : "-second -first ");
	eq(mapped("/first.so") > 0, keeps_all);
	second = need("./second.so");
	eq(*(int *)look(second, "first_data"), keeps_all ? 50 : 40);
	ok(dlclose((void *)8) != 0);
	ok(dlerror());
}

static void globals(void)
{
	ok(!dlopen("./second-alone.so", RTLD_NOW));
	ok(strstr(dlerror(), "first_"));
	ok(dlopen("./first.so", RTLD_NOW | RTLD_GLOBAL));
	eq(call(need("./second-alone.so"), "second_answer"), 1083);
}

static void copies(void)
{
	void *one = dlopen("./first.so", RTLD_NOW | CUSTOM_NOT_REGISTER);
	void *two = dlopen("./first.so", RTLD_NOW | CUSTOM_NOT_REGISTER);

	ok(one && two && one != two);
	*(int *)look(one, "first_data") = 1;
	eq(call(two, "first_answer"), 1042);
	eq(call(one, "first_locals"), 1203);
	eq(call(two, "first_locals"), 1203);
}

static void errors(void)
{
	const char *text;

	ok(!dlopen("./absent.so", RTLD_NOW));
	ok(strstr(dlerror(), "./absent.so"));
	ok(!dlopen("./missing.so", RTLD_NOW));
	text = dlerror();
	ok(strstr(text, "nobody_has_this") && strstr(text, "dlrs_provide"));
	ok(dlrs_provide(&(struct dlrs_symbol){NULL, NULL}, 1) == -1);
	ok(dlerror());
}

/* libc by one of its names is the program's; as a file it is a second one. */
static void second_libc(void)
{
	const char *path = getenv("STATIC_LIBC");
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	ok(libc && dlsym(libc, "program_says"));
	if (keeps_all)
		return; /* musl takes any libc for itself */
	ok(!dlopen(path, RTLD_NOW));
	ok(strstr(dlerror(), "cannot load a second libc beside this process's static "));
}

static int count(struct dl_phdr_info *info, size_t len, void *arg)
{
	int *n = arg;

	(void)len;
	n[0]++;
	n[1] += strstr(info->dlpi_name, "first.so") != NULL;
	ok(info->dlpi_phdr && info->dlpi_phnum);
	return 0;
}

static void introspection(void)
{
	void *first = need("./first.so"), *answer = look(first, "first_answer");
	struct link_map *map = NULL;
	int n[2] = {0, 0};
	Dl_info info;

	ok(dladdr(answer, &info));
	ok(!strcmp(info.dli_fname, "./first.so") && !strcmp(info.dli_sname, "first_answer"));
	ok(dladdr((void *)introspection, &info));
	ok(strstr(info.dli_fname, "cases"));
	dl_iterate_phdr(count, n);
	ok(n[0] >= 2);
	eq(n[1], 1);
	eq(dlinfo(first, RTLD_DI_LINKMAP, &map), 0);
	ok(map && !strcmp(map->l_name, "./first.so"));
	ok(dlopen(NULL, RTLD_NOW));
}

/* What libdlrs.so exports is there for plugins without being handed over. */
static void own_names(void)
{
	char *names = getenv("STATIC_OWN"), *name = strtok(names, " ");

	for (; name; name = strtok(NULL, " "))
		look(RTLD_DEFAULT, name);
}

static void forks(void)
{
	int status = -1;
	pid_t pid;

	need("./first.so");
	pid = fork();
	if (pid == 0)
		_exit(call(need("./second.so"), "second_answer") == 1083 ? 7 : 1);
	waitpid(pid, &status, 0);
	eq(WIFEXITED(status) && WEXITSTATUS(status) == 7, 1);
}

/* A plugin in C++ that brings its runtime and unwinder; the program has neither. */
static void cxx_plugin(void)
{
	void *h;

	if (getenv("STATIC_EXPORTS"))
		return; /* no table of what it needs */
	h = need("./throws-own.so");
	for (int i = 0; i < 2; i++)
		eq(((int (*)(int))look(h, "throws_inside"))(1), 1);
	said("unwound unwound ");
}

/* run.sh looks at what is printed. */
static void leaves(void)
{
	need("./second.so");
	puts("main over");
}

static void program_thread_local(void)
{
	void *uses;

	if (!getenv("STATIC_EXPORTS"))
		return;
	uses = need("./program-tls.so");
	program_local = 72;
	eq(call(uses, "program_local_is"), 72);
	eq(program_local, 73);
	uses = need("./program-tls-desc.so");
	eq(call(uses, "program_local_is"), 73);
}

const struct test tests[] = {
	{"opens", opens},
	{"thread_locals", thread_locals},
	{"descriptors", descriptors},
	{"threads", threads},
	{"storm", storm},
	{"depends", depends},
	{"plugin_opens", plugin_opens},
	{"closes", closes},
	{"globals", globals},
	{"copies", copies},
	{"errors", errors},
	{"second_libc", second_libc},
	{"introspection", introspection},
	{"own_names", own_names},
	{"forks", forks},
	{"cxx_plugin", cxx_plugin},
	{"leaves", leaves},
	{"program_thread_local", program_thread_local},
	{NULL, NULL},
};

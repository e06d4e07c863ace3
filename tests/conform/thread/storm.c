/* SPDX-License-Identifier: MIT
 * Storms: sixteen threads that open, look up, throw, walk, close and create threads for two seconds (TWIN_STORM
 * seconds), checking every answer. In the end nothing may be left. With TWIN_STORM each says how much it did.
 *
 * BUILD storm: -pthread
 */
#include "twin.h"
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 16, LIBRARIES = 5, COPIED = LIBRARIES + 1 };

static atomic_int alive[COPIED + 1];
static atomic_bool stop;
static bool
	child; /* forked in the middle of somebody's constructor: the counts mean nothing there */

void born(int id);
void died(int id);
void born(int id)
{
	if (atomic_fetch_add(&alive[id], 1) && !child && id < COPIED)
		fail("libstorm%d constructed twice", id);
}

void died(int id)
{
	if (atomic_fetch_sub(&alive[id], 1) != 1 && !child && id < COPIED)
		fail("libstorm%d destroyed twice", id);
}

/* How much was done. */
static atomic_ulong opens, copies, lookups, throws, walks, threads, forks, signals;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static double seconds(void)
{
	const char *text = getenv("TWIN_STORM");

	return text ? atof(text) : 2;
}

static const char *library(int id)
{
	static const char *const path[] = {"./libstorm1.so", "./libstorm2.so", "./libstorm3.so",
					   "./libstorm4.so", "./libstorm5.so"};

	return path[id - 1];
}

/* While libgcc throws, its last steps overwrite what an unwinder would read: a profiler that unwinds there ends any
 * process, on any loader. */
static _Thread_local volatile bool throwing;

static int thrown_and_caught(void *h)
{
	int (*f)(int) = (int (*)(int))sym(h, "storm"), result;

	throwing = true;
	result = f(1000);
	throwing = false;
	throws++;
	return result;
}

static void *check_library(void *h, int id)
{
	int first = call(h, "storm_tls");

	eq(thrown_and_caught(h), 1000 + id);
	eq(call1(h, "storm_base", 5), 6);
	eq(call(h, "storm_tls"), first + 1);
	eq(alive[id], 1);
	return NULL;
}

static unsigned next(unsigned *seed)
{
	return (*seed = *seed * 1103515245 + 12345) >> 16;
}

static void open_and_close(unsigned *seed)
{
	int id = 1 + next(seed) % LIBRARIES;
	void *h = load(library(id), next(seed) % 2 ? RTLD_NOW : RTLD_LAZY);

	check_library(h, id);
	shut(h);
	opens++;
}

/* One's own copy, with data that nobody has touched; every other one a snapshot. */
static void open_a_copy(unsigned *seed)
{
	int kind = next(seed) % 2 ? 0x400 : 0x400 | 0x100000;
	void *h = load("./libstorm6.so", RTLD_NOW | (TWIN_PRIVATE_COPIES ? kind : 0));

	if (TWIN_PRIVATE_COPIES)
		eq(call(h, "storm_tls"), 100 * COPIED);
	eq(thrown_and_caught(h), 1000 + COPIED);
	eq(call1(h, "storm_base", 5), 6);
	shut(h);
	copies++;
}

struct visit {
	int calls;
	unsigned long long adds, subs;
};

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct visit *v = arg;

	if (!v->calls++)
		v->adds = info->dlpi_adds, v->subs = info->dlpi_subs;
	ok(v->adds == info->dlpi_adds && v->subs == info->dlpi_subs);
	ok(info->dlpi_phnum && info->dlpi_phdr->p_type);
	return 0;
}

static void walk(unsigned *seed)
{
	static _Thread_local unsigned long long adds, subs;
	struct visit v = {0};

	dl_iterate_phdr(visit, &v);
	ok(v.calls >= 4 && v.adds >= adds && v.subs >= subs);
	adds = v.adds, subs = v.subs;
	walks++;
}

static void look_up(unsigned *seed)
{
	Dl_info i;

	ok(dlsym(RTLD_DEFAULT, "malloc") == (void *)malloc);
	ok(!dlsym(RTLD_DEFAULT, "no_such_symbol"));
	ok(strstr(dlerror(), "no_such_symbol"));
	ok(dladdr((void *)born, &i));
	same(i.dli_sname, "born");
	lookups++;
}

static void fail_to_open(unsigned *seed)
{
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	ok(strstr(dlerror(), "nosuch.so"));
}

static void *short_life(void *seed)
{
	unsigned mine = *(unsigned *)seed;

	open_and_close(&mine);
	return NULL;
}

static void make_thread(unsigned *seed)
{
	pthread_t t;

	eq(pthread_create(&t, NULL, short_life, seed), 0);
	pthread_join(t, NULL);
	threads++;
}

typedef void deed_fn(unsigned *seed);
static deed_fn *deeds[THREADS];

static void *perform(void *number)
{
	unsigned seed = (unsigned)(long)number + 1;
	deed_fn *deed = deeds[(long)number];

	while (!stop)
		deed(&seed);
	return NULL;
}

static void storm(void (*meanwhile)(void))
{
	double end = now() + seconds();
	pthread_t t[THREADS];
	int fds = twin_fds();

	for (long i = 0; i < THREADS; i++)
		eq(pthread_create(&t[i], NULL, perform, (void *)i), 0);
	while (now() < end)
		meanwhile();
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int id = 0; id <= COPIED; id++)
		eq(alive[id], 0);
	if (TWIN_UNMAPPING_WAITS_FOR_READERS)
		shut(load("./libother.so", RTLD_NOW));
	eq(twin_mapped("/libstorm"), 0);
	eq(twin_mapped("/libbase.so"), 0);
	eq(twin_mapped("memfd:"), 0);
	eq(twin_fds(), fds);
	if (getenv("TWIN_STORM"))
		printf("%lu opens, %lu private copies, %lu throws, %lu lookups, %lu walks, %lu threads, %lu forks, %lu signals\n",
		       opens, copies, throws, lookups, walks, threads, forks, signals);
}

static void open_here(void)
{
	static unsigned seed = 77;

	open_and_close(&seed);
}

static void all_do(deed_fn *deed)
{
	for (int i = 0; i < THREADS; i++)
		deeds[i] = deed;
}

CASE(open_and_close_in_all)
{
	all_do(open_and_close);
	storm(open_here);
}

static void everything(void)
{
	static deed_fn *const kinds[THREADS] = {
		open_and_close, open_and_close, open_and_close, open_and_close, open_and_close, open_a_copy,
		open_a_copy,	open_a_copy,	walk,		walk,		look_up,	look_up,
		fail_to_open,	make_thread,	make_thread,	make_thread,
	};

	memcpy(deeds, kinds, sizeof deeds);
}

CASE(everything_at_once)
{
	everything();
	storm(open_here);
}

static void new_namespace(unsigned *seed)
{
	void *h = dlmopen(LM_ID_NEWLM, "./libother.so", RTLD_NOW);

	ok(h);
	ok(dlsym(h, "other_value"));
	shut(h);
	ok(!dlmopen(LM_ID_NEWLM, "./nosuch.so", RTLD_NOW));
}

/* A namespace is empty while its first library is on its way: a dlclose next door must leave it alone. */
CASE(namespaces_in_a_storm)
{
	if (!TWIN_NAMESPACES_UNLIMITED) /* and the host loads a libc into each */
		return;
	all_do(open_and_close);
	for (int i = 0; i < THREADS / 2; i++)
		deeds[i] = new_namespace;
	storm(open_here);
}

static void same_library(unsigned *seed)
{
	void *h = load("./libstorm3.so", RTLD_NOW);

	check_library(h, 3);
	shut(h);
}

CASE(one_library_in_all)
{
	all_do(same_library);
	storm(open_here);
}

/* Signals: a profiler that unwinds wherever it strikes, but in the middle of a throw. */

static void profile(int signal)
{
	struct dl_find_object o;
	void *pc[16];
	int saved = errno;
	Dl_info i;

	if (!TWIN_UNWINDS_IN_SIGNALS)
		return;
	_dl_find_object((void *)born, &o);
	if (!throwing)
		backtrace(pc, 16);
	if (!dladdr((void *)died, &i) || strcmp(i.dli_sname, "died"))
		abort();
	signals++;
	errno = saved;
}

static void profiled(void)
{
	struct itimerval every = {{0, 1000}, {0, 1000}};
	void *pc[4];

	twin_ours();
	backtrace(pc, 4); /* loads the unwinder now, not in the handler */
	signal(SIGPROF, profile);
	setitimer(ITIMER_PROF, &every, NULL);
}

CASE(profiler_in_a_storm)
{
	profiled();
	everything();
	storm(open_here);
	signal(SIGPROF, SIG_IGN);
}

/* fork: each child works on its own; its parent storms on. */

static void fork_once(void)
{
	pid_t pid = fork();
	unsigned seed = 5;
	int status;

	if (!pid) {
		child = true;
		alarm(600);
		if (!TWIN_FORK_IN_LOAD_SAFE)
			_exit(0);
		ok(dlopen("./libstorm2.so", RTLD_NOW));
		ok(!dlopen("./nosuch.so", RTLD_NOW));
		ok(dlerror());
		look_up(&seed);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		eq(errno, EINTR);
	eq(status, 0);
	forks++;
}

/* All of the above together. */
CASE(forks_and_a_profiler_in_a_storm)
{
	profiled();
	everything();
	storm(fork_once);
	signal(SIGPROF, SIG_IGN);
}

CASE(fork_in_a_storm)
{
	all_do(open_and_close);
	deeds[0] = fail_to_open;
	deeds[1] = look_up;
	storm(fork_once);
}

/* Lazy slots: all threads make the same first calls together. */

static pthread_barrier_t together;
static void *lazy;

static void *first_call(void *unused)
{
	pthread_barrier_wait(&together);
	eq(call1(lazy, "storm_base", 8), 9);
	eq(call1(lazy, "storm", 1), 6);
	return unused;
}

CASE(first_calls_together)
{
	double end = now() + seconds() / 4;

	pthread_barrier_init(&together, NULL, THREADS);
	while (now() < end) {
		pthread_t t[THREADS];

		lazy = load("./libstorm5.so", RTLD_LAZY);
		for (int i = 0; i < THREADS; i++)
			eq(pthread_create(&t[i], NULL, first_call, NULL), 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		shut(lazy);
	}
}

/* The first C++ libraries of a process, opened by all threads together: the runtime comes in once. */

static void *first_open(void *number)
{
	unsigned id = 1 + (long)number % LIBRARIES;

	pthread_barrier_wait(&together);
	eq(call1(load(library(id), RTLD_NOW), "storm", 1), 1 + id);
	return NULL;
}

PART(first_opens)
{
	pthread_t t[THREADS];

	pthread_barrier_init(&together, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		eq(pthread_create(&t[i], NULL, first_open, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

CASE(first_opens_together)
{
	for (int i = 0; i < 30; i++) {
		struct twin_run r = twin_run("first_opens", NULL);

		same(r.err, "");
		eq(r.code, 0);
	}
}

/* Threads come and go while an initial-exec library does: each thread must see first values. */

static void initial_exec(unsigned *seed)
{
	void *h = load("./libstorm4.so", RTLD_NOW);

	check_library(h, 4);
	shut(h);
}

static void *sees_first_value(void *h)
{
	eq(call(h, "storm_tls"), 400);
	return NULL;
}

static void thread_with_first_value(unsigned *seed)
{
	void *h = load("./libstorm4.so", RTLD_NOW);
	pthread_t t;

	eq(pthread_create(&t, NULL, sees_first_value, h), 0);
	pthread_join(t, NULL);
	shut(h);
}

CASE(initial_exec_and_new_threads)
{
	for (int i = 0; i < THREADS; i++)
		deeds[i] = i % 2 ? initial_exec : thread_with_first_value;
	storm(open_here);
}

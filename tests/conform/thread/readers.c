/* SPDX-License-Identifier: MIT
 * Readers take no lock: while one thread keeps the loader lock, the others look up, walk, throw, reach their
 * thread-local data and make first calls. Should one of them wait for the lock, the alarm ends the case.
 *
 * BUILD readers: -pthread
 */
#include "twin.h"
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { PATIENCE = 600, ASKERS = 100 };

static sem_t held, released;
static bool holding; /* else the resolver passes */
static pthread_t holder;

void born(int id);
void died(int id);
void hold_the_lock(void);

void born(int id)
{
}

void died(int id)
{
}

/* The resolver of libheld.so, under the loader lock. */
void hold_the_lock(void)
{
	if (!holding)
		return;
	sem_post(&held);
	while (sem_wait(&released)) /* a signal */
		;
}

static void *open_held(void *unused)
{
	return dlopen("./libheld.so", RTLD_NOW);
}

static void hold(void)
{
	holding = true;
	alarm(PATIENCE);
	eq(pthread_create(&holder, NULL, open_held, NULL), 0);
	while (sem_wait(&held))
		;
}

static void let_go(void)
{
	void *h;

	holding = false; /* dlsym of an indirect function runs the resolver, too */
	sem_post(&released);
	pthread_join(holder, &h);
	ok(h);
	eq(call(h, "held"), 1);
}

/* --- is it really held? --- */

static volatile int second_tid;
static volatile bool second_done;
static pthread_t second;

static void *open_second(void *unused)
{
	void *h;

	second_tid = syscall(SYS_gettid);
	h = dlopen("./libgate.so", RTLD_NOW | RTLD_NOLOAD);
	second_done = true;
	return h;
}

/* A second thread that opens sleeps, and not because it has come to its end. */
static void until_second_waits(void)
{
	char path[64], line[256], *state = NULL;

	eq(pthread_create(&second, NULL, open_second, NULL), 0);
	while (!second_tid)
		sched_yield();
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", second_tid);
	while (!state || state[2] != 'S') {
		FILE *f = fopen(path, "r");

		if (second_done || !f)
			fail("the lock is free");
		ok(fgets(line, sizeof line, f));
		fclose(f);
		state = strrchr(line, ')');
		sched_yield();
	}
}

/* --- what readers do --- */

static void *storm1, *storm5, *asker[ASKERS], *global;

static int visit(struct dl_phdr_info *info, size_t size, void *count)
{
	Dl_info i;

	ok(dlsym(storm1, "storm") && dladdr((void *)visit, &i));
	++*(int *)count;
	return 0;
}

static void look_up(void)
{
	ok(dlsym(storm1, "storm"));
	ok(dlsym(storm1, "base_0"));
	ok(!dlsym(storm1, "no_such_symbol"));
	ok(dlsym(RTLD_DEFAULT, "malloc") == (void *)malloc);
	ok(dlsym(RTLD_DEFAULT, "base_0") == sym(storm1, "base_0"));
	ok(!dlsym(RTLD_DEFAULT, "no_such_symbol"));
	ok(dlsym(RTLD_NEXT, "free"));
	ok(dlvsym(RTLD_DEFAULT, "free", "GLIBC_2.2.5"));
	ok(dlsym(global, "base_0"));
}

static void ask_addresses(void)
{
	struct dl_find_object o;
	struct link_map *map;
	void *pc[16];
	int count = 0;
	Dl_info i;

	ok(dladdr(sym(storm1, "storm"), &i));
	same(i.dli_sname, "storm");
	ok(dladdr((void *)look_up, &i));
	ok(dladdr((void *)strlen, &i));
	ok(dladdr1(sym(storm5, "storm"), &i, (void **)&map, RTLD_DL_LINKMAP) && map == storm5);
	eq(_dl_find_object(sym(storm1, "storm"), &o), 0);
	ok(o.dlfo_link_map == storm1);
	eq(_dl_find_object((void *)look_up, &o), 0);
	ok(_dl_find_object(&count, &o));
	ok(backtrace(pc, 16) > 1);
	dl_iterate_phdr(visit, &count);
	ok(count > 4);
}

/* Thrown and caught in libraries of ours; thread-local data that this thread has never touched. */
static void run_in_libraries(void)
{
	eq(call1(storm1, "storm", 1000), 1001);
	eq(call(storm1, "storm_tls"), 100);
	eq(call(storm1, "storm_tls"), 101);
	eq(call(storm5, "storm_tls"), 500);
}

static void *read_all(void *unused)
{
	for (int i = 0; i < 3; i++) {
		look_up();
		ask_addresses();
	}
	run_in_libraries();
	return unused;
}

static void in_new_thread(void *(*f)(void *))
{
	pthread_t t;

	eq(pthread_create(&t, NULL, f, NULL), 0);
	pthread_join(t, NULL);
}

static void begin(void)
{
	void *pc[4];

	if (!twin_ours())
		exit(0); /* the host's loader holds its own lock in dlsym and over resolvers: it would wait */
	backtrace(pc, 4); /* loads the unwinder, which is a dlopen */
	global = load("./libbase.so", RTLD_NOW | RTLD_GLOBAL);
	storm1 = load("./libstorm1.so", RTLD_NOW);
	storm5 = load("./libstorm5.so", RTLD_LAZY);
	eq(call1(storm5, "storm", 1), 6);
}

CASE(readers_take_no_lock)
{
	begin();
	hold();
	until_second_waits();
	read_all(NULL);
	in_new_thread(read_all);
	ok(!second_done);
	let_go();
	pthread_join(second, NULL);
}

/* Children that run no fork handlers: what they share with their parent is left alone. */
CASE(processes_are_started_while_the_lock_is_held)
{
	char *argv[] = {"true", NULL};
	int status = -1;
	pid_t pid;

	begin();
	hold();
	until_second_waits();
	pid = vfork();
	if (!pid) {
		execv("/bin/true", argv);
		_exit(9);
	}
	eq(waitpid(pid, &status, 0), pid);
	eq(status, 0);
	eq(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ), 0);
	eq(waitpid(pid, &status, 0), pid);
	eq(status, 0);
	ok(!second_done);
	let_go();
	pthread_join(second, NULL);
}

static volatile sig_atomic_t handled;

static void on_signal(int number)
{
	Dl_info i;
	void *pc[8];

	if (!dladdr((void *)look_up, &i) || backtrace(pc, 8) < 2 || !dlsym(storm1, "storm"))
		abort();
	handled = 1;
}

/* The thread that a signal interrupts may have the lock itself. */
CASE(handlers_in_the_thread_that_has_the_lock)
{
	begin();
	signal(SIGUSR1, on_signal);
	hold();
	until_second_waits();
	pthread_kill(holder, SIGUSR1);
	while (!handled)
		sched_yield();
	ok(!second_done);
	let_go();
	pthread_join(second, NULL);
}

static void *first_call(void *unused)
{
	eq(call1(storm5, "storm_base", 8), 9);
	return unused;
}

CASE(first_calls_take_no_lock)
{
	begin();
	hold();
	until_second_waits();
	in_new_thread(first_call);
	ok(!second_done);
	let_go();
	pthread_join(second, NULL);
}

static void *asked(int i, const char *how)
{
	return ((void *(*)(const char *))sym(asker[i], how))("base_0");
}

static void open_askers(void)
{
	for (int i = 0; i < ASKERS; i++)
		asker[i] = load("./libasker.so", RTLD_NOW | 0x400);
}

/* What a library finds by RTLD_DEFAULT is recorded: that is no reason to wait, either, however often. */
CASE(bindings_are_recorded_without_the_lock)
{
	begin();
	open_askers();
	hold();
	until_second_waits();
	for (int i = 0; i < ASKERS; i++)
		ok(asked(i, "ask") == sym(global, "base_0"));
	ok(!asked(0, "ask_next"));
	ok(!second_done);
	let_go();
	pthread_join(second, NULL);
	shut(storm5);
	shut(storm1);
	shut(global);
	for (int i = 0; i < ASKERS; i++)
		ok(asked(i, "ask") && twin_mapped("/libbase.so"));
}

/* And the record holds as long as those who asked are there, no longer. */
CASE(what_was_found_stays_with_the_last_asker)
{
	begin();
	open_askers();
	for (int i = 0; i < 10; i++)
		ok(asked(i, "ask"));
	shut(storm5);
	shut(storm1);
	shut(global);
	for (int i = 0; i < ASKERS; i++) {
		ok(i > 9 || twin_mapped("/libbase.so"));
		shut(asker[i]);
	}
	eq(twin_mapped("/libbase.so"), 0);
}

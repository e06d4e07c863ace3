/* SPDX-License-Identifier: MIT
 * Several threads and the loader at once, with every order forced by the test: a constructor that is still running,
 * a fork in the middle of a load. No case waits for time to pass.
 *
 * BUILD thread: -pthread
 */
#include "twin.h"
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static sem_t entered, released;
static bool gate_open; /* later calls walk straight through */

void gate(void);
void gate(void)
{
	if (gate_open)
		return;
	sem_post(&entered);
	while (sem_wait(&released))
		;
}

struct opening {
	const char *path;
	void *handle;
	volatile int tid;
	int ready; /* what gate_ready() said right after dlopen */
	pthread_t thread;
};

static void *open_path(void *arg)
{
	struct opening *o = arg;

	o->tid = syscall(SYS_gettid);
	o->handle = dlopen(o->path, RTLD_NOW);
	if (o->handle && dlsym(o->handle, "gate_ready"))
		o->ready = call(o->handle, "gate_ready");
	return NULL;
}

static void start(struct opening *o)
{
	eq(pthread_create(&o->thread, NULL, open_path, o), 0);
}

static void finish(struct opening *o)
{
	pthread_join(o->thread, NULL);
	ok(o->handle);
}

/* Until thread `o` sleeps, which in open_path it only does inside dlopen. */
static void until_it_waits(struct opening *o)
{
	char path[64], line[256], *state;

	while (!o->tid)
		sched_yield();
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", o->tid);
	do {
		FILE *f = fopen(path, "r");

		ok(f && fgets(line, sizeof line, f));
		fclose(f);
		state = strrchr(line, ')');
		sched_yield();
	} while (!state || state[2] != 'S');
}

CASE(second_open_waits_for_the_constructor)
{
	struct opening first = {.path = "./libgate.so"}, second = {.path = "./libgate.so"};

	start(&first);
	sem_wait(&entered);
	start(&second);
	until_it_waits(&second);
	sem_post(&released);
	finish(&first);
	finish(&second);
	eq(first.ready, 1);
	eq(second.ready, 1);
	ok(first.handle == second.handle);
}

CASE(user_waits_for_its_dependency)
{
	struct opening first = {.path = "./libgate.so"}, second = {.path = "./libneedsgate.so"};

	start(&first);
	sem_wait(&entered);
	start(&second);
	until_it_waits(&second);
	sem_post(&released);
	finish(&first);
	finish(&second);
	eq(second.ready, 1);
}

static void *close_handle(void *h)
{
	shut(h);
	return NULL;
}

CASE(open_during_the_destructor)
{
	struct opening again = {.path = "./libendgate.so"};
	void *h = load("./libendgate.so", RTLD_NOW);
	pthread_t closer;

	eq(pthread_create(&closer, NULL, close_handle, h), 0);
	sem_wait(&entered);
	start(&again);
	until_it_waits(&again);
	gate_open = true;
	sem_post(&released);
	pthread_join(closer, NULL);
	finish(&again);
	eq(again.ready, 0); /* a new image, not the dying one */
}

CASE(others_work_while_a_constructor_runs)
{
	struct opening first = {.path = "./libgate.so"};
	Dl_info i;

	if (!TWIN_CONSTRUCTORS_UNLOCKED)
		return;
	start(&first);
	sem_wait(&entered);
	void *h = load("./libother.so", RTLD_NOW);
	eq(call(h, "other_value"), 3);
	ok(dladdr(sym(h, "other_value"), &i));
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	shut(h);
	sem_post(&released);
	finish(&first);
}

void *open_in_thread(const char *name);
void *open_in_thread(const char *name)
{
	struct opening o = {.path = name};

	start(&o);
	pthread_join(o.thread, NULL);
	return o.handle;
}

CASE(constructor_waits_for_a_thread_that_opens)
{
	if (TWIN_CONSTRUCTORS_UNLOCKED)
		eq(call(load("./libjoiner.so", RTLD_NOW), "joiner_opened"), 1);
}

static int wait_in_callback(struct dl_phdr_info *info, size_t size, void *arg)
{
	gate();
	return 1;
}

static void *walk(void *unused)
{
	dl_iterate_phdr(wait_in_callback, NULL);
	return unused;
}

/* fork ------------------------------------------------------------------------------------------------------------ */

static void child_works(void)
{
	void *h;

	alarm(20);
	h = load("./libother.so", RTLD_NOW);
	eq(call(h, "other_value"), 3);
	shut(h);
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	ok(dlerror());
	ok(dlsym(RTLD_DEFAULT, "malloc"));
	eq(dl_iterate_phdr(wait_in_callback, NULL), 1);
	_exit(0);
}

static void child_succeeds(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	eq(status, 0);
}

CASE(fork_while_a_constructor_runs)
{
	struct opening first = {.path = "./libgate.so"};
	pid_t pid;

	start(&first);
	sem_wait(&entered);
	pid = fork();
	if (!pid) {
		gate_open = true;
		child_works();
	}
	child_succeeds(pid);
	sem_post(&released);
	finish(&first);
}

CASE(child_opens_the_half_built_library)
{
	struct opening first = {.path = "./libgate.so"};
	pid_t pid;

	start(&first);
	sem_wait(&entered);
	pid = fork();
	if (!pid) {
		gate_open = true;
		alarm(20);
		_exit(dlopen("./libgate.so", RTLD_NOW) ? 0 : 1);
	}
	child_succeeds(pid);
	sem_post(&released);
	finish(&first);
	eq(first.ready, 1);
}

CASE(fork_while_a_walk_runs)
{
	pthread_t t;
	pid_t pid;

	if (!TWIN_FORK_IN_WALK_SAFE)
		return;
	eq(pthread_create(&t, NULL, walk, NULL), 0);
	sem_wait(&entered);
	pid = fork();
	if (!pid) {
		gate_open = true;
		child_works();
	}
	child_succeeds(pid);
	sem_post(&released);
	pthread_join(t, NULL);
}

CASE(fork_inside_a_constructor)
{
	struct opening first = {.path = "./libgate.so"};
	pid_t pid;

	gate_open = true;
	pid = fork();
	if (!pid) {
		start(&first);
		finish(&first);
		_exit(first.ready == 1 ? 0 : 1);
	}
	child_succeeds(pid);
}

/* SPDX-License-Identifier: MIT
 * Several threads and the loader at once, with every order forced by the test: a constructor that is still running,
 * a fork in the middle of a load. No case waits for time to pass.
 *
 * BUILD thread: -pthread
 */
#include "twin.h"
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

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

static int used;

void used_at_end(int value);
void used_at_end(int value)
{
	used = value;
}

static struct opening other_closer;

static void *close_other(void *h)
{
	other_closer.tid = syscall(SYS_gettid);
	shut(h);
	if (!TWIN_CONSTRUCTORS_UNLOCKED)
		return NULL;
	sem_post(&entered); /* the host's dlclose waits for the destructor instead */
	return NULL;
}

/* Its last user lets a library go while the destructor of another still works with it. */
CASE(destructor_uses_what_another_thread_closes)
{
	void *other = load("./libother.so", RTLD_NOW), *user = load("./libusesatend.so", RTLD_LAZY);
	pthread_t first, second;

	eq(pthread_create(&first, NULL, close_handle, user), 0);
	sem_wait(&entered);
	eq(pthread_create(&second, NULL, close_other, other), 0);
	if (TWIN_CONSTRUCTORS_UNLOCKED)
		sem_wait(&entered);
	else
		until_it_waits(&other_closer);
	gate_open = true;
	sem_post(&released);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	eq(used, 3);
	eq(twin_mapped("/libother.so"), 0);
	eq(twin_mapped("/libusesatend.so"), 0);
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

static void *open_on_a_small_stack(void *unused)
{
	void *h = load("./libneedsgate.so", RTLD_NOW);

	eq(call(h, "user_ready"), 1);
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	ok(dlerror());
	shut(h);
	return unused;
}

CASE(loads_on_the_smallest_stack)
{
	pthread_attr_t attr;
	pthread_t t;

	gate_open = true;
	pthread_attr_init(&attr);
	eq(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN), 0);
	eq(pthread_create(&t, &attr, open_on_a_small_stack, NULL), 0);
	pthread_join(t, NULL);
}

PART(leave_in_constructor)
{
	static struct opening first = {.path = "./libgate.so"};

	start(&first);
	sem_wait(&entered);
	alarm(600);
	exit(4);
}

CASE(exit_while_a_constructor_runs)
{
	if (TWIN_CONSTRUCTORS_UNLOCKED)
		eq(twin_run("leave_in_constructor", NULL).code, 4);
}

/* The attributes of pthread_create do what they say, also when somebody stands in front of it. */

static void *own_stack_size(void *size)
{
	pthread_attr_t attr;

	eq(pthread_getattr_np(pthread_self(), &attr), 0);
	eq(pthread_attr_getstacksize(&attr, size), 0);
	pthread_attr_destroy(&attr);
	return (void *)42;
}

/* Whether the thread is detached only itself can ask without doubt: to join it is undefined. */
static void *own_detach_state(void *state)
{
	pthread_attr_t attr;
	int own = -1;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getdetachstate(&attr, &own);
	pthread_attr_destroy(&attr);
	*(int *)state = own;
	sem_post(&entered);
	return NULL;
}

CASE(thread_attributes)
{
	size_t size = 1 << 20, seen = 0;
	pthread_attr_t attr;
	void *result;
	pthread_t t;
	int state;

	pthread_attr_init(&attr);
	eq(pthread_attr_setstacksize(&attr, size), 0);
	eq(pthread_create(&t, &attr, own_stack_size, &seen), 0);
	eq(pthread_join(t, &result), 0);
	ok(result == (void *)42);
	ok(seen >= size);
	eq(pthread_attr_getstacksize(&attr, &seen), 0);
	eq(seen, size);
	eq(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
	eq(pthread_create(&t, &attr, own_detach_state, &state), 0);
	while (sem_wait(&entered))
		;
	eq(state, PTHREAD_CREATE_DETACHED);
}

CASE(thread_on_its_own_stack)
{
	enum { SIZE = 256 * 1024 };
	void *stack = NULL, *result;
	pthread_attr_t attr;
	size_t seen = 0;
	pthread_t t;

	eq(posix_memalign(&stack, 4096, SIZE), 0);
	pthread_attr_init(&attr);
	eq(pthread_attr_setstack(&attr, stack, SIZE), 0);
	eq(pthread_create(&t, &attr, own_stack_size, &seen), 0);
	eq(pthread_join(t, &result), 0);
	ok(result == (void *)42);
	eq(seen, SIZE);
	eq(pthread_create(&t, &attr, open_on_a_small_stack, (gate_open = true, NULL)), 0);
	eq(pthread_join(t, NULL), 0);
}

CASE(thread_that_cannot_be)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	eq(pthread_attr_setstacksize(&attr, 1ul << 60), 0); /* more than there are addresses, for any kernel */
	eq(pthread_create(&t, &attr, own_stack_size, NULL), EAGAIN);
	eq(pthread_attr_setstacksize(&attr, 1000), EINVAL);
}

/* --- fork --- */

static void child_works(void)
{
	void *h;

	alarm(600);
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
		alarm(600);
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

/* In a process with one thread a signal's handler may fork, also when it interrupts fork; and does not wait for that. */
static volatile sig_atomic_t handled;
static double busiest; /* seconds that a handler computed */

static double computed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fork_in_handler(int number)
{
	double before = computed();
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	handled += pid > 0 && waitpid(pid, NULL, 0) == pid;
	if (computed() - before > busiest)
		busiest = computed() - before;
}

enum { FORKS = 500 };

/* Sends a signal for each byte that comes, just when its parent begins to fork. */
static pid_t start_sender(int bytes[2])
{
	pid_t parent = getpid(), pid;
	char byte;

	eq(pipe(bytes), 0);
	pid = fork();
	if (pid)
		return pid;
	close(bytes[1]);
	while (read(bytes[0], &byte, 1) == 1)
		kill(parent, SIGUSR1);
	_exit(0);
}

CASE(fork_in_a_handler_that_interrupts_fork)
{
	struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
	sigset_t one, before;
	pid_t sender, pid;
	int bytes[2];

	eq(sigaction(SIGUSR1, &action, NULL), 0);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	sender = start_sender(bytes);
	for (int i = 1; i <= FORKS; i++) {
		eq(write(bytes[1], "", 1), 1);
		pid = fork();
		if (!pid)
			_exit(0);
		child_succeeds(pid);
		eq(sigprocmask(SIG_BLOCK, &one, &before), 0);
		while (handled < i)
			sigsuspend(&before);
		eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	}
	close(bytes[1]);
	child_succeeds(sender);
	ok(busiest < 1);
}

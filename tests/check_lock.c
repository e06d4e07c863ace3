/* SPDX-License-Identifier: MIT */
/*
 * check_lock: the loader lock.
 *
 * The rules: one thread at a time, as deep as it likes; waiting gives the lock up and gets the same
 * depth back; a fork leaves a usable lock in both processes, also a fork that libc does not know of
 * while another thread is inside.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kit.h"
#include "loader/lock.h"

enum { THREADS = 4, TURNS = 20000 };

static unsigned plain, inside;

static void *work(void *arg)
{
	for (int i = 0; i < TURNS; i++) {
		lock_enter();
		if (i % 3 == 0)
			lock_enter();
		inside++;
		plain++;
		if (inside != 1 || !lock_mine())
			abort();
		if (i % 1000 == 0)
			sched_yield();
		inside--;
		if (i % 3 == 0)
			lock_leave();
		lock_leave();
		if (lock_mine())
			abort();
	}
	return arg;
}

START_TEST(one_at_a_time)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(plain, THREADS * TURNS);
}
END_TEST

START_TEST(recursive)
{
	ck_assert(!lock_mine());
	lock_enter();
	lock_enter();
	lock_leave();
	ck_assert(lock_mine());
	lock_leave();
	ck_assert(!lock_mine());
}
END_TEST

static struct lock_event event;
static bool go;
static atomic_uint asleep, awake;

static void *sleeper(void *arg)
{
	lock_enter();
	lock_enter();
	atomic_fetch_add(&asleep, 1);
	while (!go)
		lock_sleep(&event);
	if (!lock_mine())
		abort();
	lock_leave();
	if (!lock_mine())
		abort();
	atomic_fetch_add(&awake, 1);
	lock_leave();
	return arg;
}

START_TEST(sleep_and_wake)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, sleeper, NULL);
	while (atomic_load(&asleep) < THREADS)
		sched_yield();
	for (int i = 0; i < 3; i++) { /* a wake without the event: they sleep on */
		lock_enter();
		lock_wake_all(&event);
		lock_leave();
		sched_yield();
	}
	ck_assert_uint_eq(atomic_load(&awake), 0);
	lock_enter();
	go = true;
	lock_wake_all(&event);
	lock_leave();
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(atomic_load(&awake), THREADS);
}
END_TEST

/* ---- fork ------------------------------------------------------------------------------------- */

static atomic_bool held, stop;

static void *holder(void *arg)
{
	lock_enter();
	atomic_store(&held, true);
	while (!atomic_load(&stop))
		sched_yield();
	lock_leave();
	return arg;
}

static int join_child(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

/*
 * Two threads of the child use the lock, too.  Not under a sanitizer: that of threads ends a child that
 * makes some, and that of addresses copies its own locks as it finds them, perhaps taken.
 */
static void child_uses_it(void)
{
	pthread_t t[2];

	alarm(600);
	lock_enter();
	lock_leave();
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	syscall(SYS_exit_group, 0);
#endif
	plain = 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	_exit(plain == 2 * TURNS ? 0 : 1);
}

START_TEST(fork_behind_libcs_back)
{
	pthread_t t;
	pid_t pid;

	lock_enter(); /* once in this process, so that it knows its id */
	lock_leave();
	pthread_create(&t, NULL, holder, NULL);
	while (!atomic_load(&held))
		sched_yield();
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		alarm(600);
		lock_enter();
		if (!lock_mine())
			_exit(1);
		lock_leave();
		lock_enter();
		lock_leave();
		_exit(lock_mine());
	}
	ck_assert_int_eq(join_child(pid), 0);
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	lock_enter();
	lock_leave();
}
END_TEST

START_TEST(fork_with_handlers)
{
	pthread_t t[2];

	/* The checked program: others work all the time, the forker holds the lock over the fork. */
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 20; i++) {
		pid_t pid;

		lock_fork_prepare();
		pid = fork();
		if (!pid) {
			inside = 0;
			lock_fork_child();
			child_uses_it();
		}
		lock_fork_parent();
		ck_assert_int_eq(join_child(pid), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(plain, 2 * TURNS);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, recursive);
	tcase_add_test(tc, sleep_and_wake);
	tcase_add_test(tc, fork_behind_libcs_back);
	tcase_add_test(tc, fork_with_handlers);
}

KIT_MAIN("lock", add)

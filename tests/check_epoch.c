/* SPDX-License-Identifier: MIT */
/*
 * check_epoch: readers without a lock, and writers who wait for them.
 *
 * The rules: what a reader reached stays until it leaves; a writer that cannot have quiet soon is told
 * so; what was retired is freed in the end; a forked child starts with nobody inside.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"
#include "loader/arena.h"
#include "loader/epoch.h"

static _Thread_local struct epoch_reader *own; /* NULL: a thread that nobody knows */

static void be_known(void)
{
	own = calloc(1, sizeof(*own));
	epoch_register(own);
	epoch_register(own); /* once is enough */
}

/* The first call may only find out that the kernel has no membarrier. */
static bool quiet(void)
{
	return epoch_quiet() || epoch_quiet();
}

START_TEST(nobody_inside)
{
	for (int i = 0; i < 100; i++)
		ck_assert(quiet());
}
END_TEST

START_TEST(a_reader_inside)
{
	unsigned a, b;

	if (_i)
		be_known();
	a = epoch_enter(own);
	ck_assert(!quiet());
	b = epoch_enter(own); /* nested, perhaps of another parity */
	ck_assert(!quiet());
	epoch_leave(own, a);
	ck_assert(!quiet());
	ck_assert(!quiet());
	epoch_leave(own, b);
	ck_assert(quiet());
}
END_TEST

START_TEST(own_walks_are_not_waited_for)
{
	unsigned a, b;

	be_known();
	a = epoch_walk(own);
	ck_assert(!quiet());
	epoch_ignore(own);
	ck_assert(quiet());
	ck_assert_uint_gt(own->lost, 0);
	b = epoch_enter(own); /* but what is no walk is */
	ck_assert(!quiet());
	epoch_leave(own, b);
	ck_assert(quiet());
	epoch_ignore(NULL);
	ck_assert(!quiet());
	epoch_walked(own, a);
	ck_assert(quiet());
}
END_TEST

START_TEST(retired_blocks)
{
	size_t used;
	unsigned t;

	ck_assert(quiet());
	used = arena_used();
	epoch_retire(NULL);
	epoch_retire(arena_alloc(100));
	epoch_collect();
	ck_assert_uint_eq(arena_used(), used);
	t = epoch_enter(own);
	for (int i = 0; i < 10; i++)
		epoch_retire(arena_alloc(100));
	epoch_collect();
	ck_assert_uint_ge(arena_used(), used + 1000);
	epoch_leave(own, t);
	epoch_collect();
	ck_assert_uint_eq(arena_used(), used);
}
END_TEST

/* ---- many readers, one writer ----------------------------------------------------------------- */

struct node {
	atomic_uint alive;
	unsigned serial;
};

static _Atomic(struct node *) shared;
static atomic_bool stop;
static atomic_uint reads;

static void look(void)
{
	unsigned token = epoch_enter(own);
	struct node *n = atomic_load_explicit(&shared, memory_order_acquire);

	for (int i = 0; i < 20; i++)
		if (atomic_load_explicit(&n->alive, memory_order_relaxed) != 1)
			abort();
	epoch_leave(own, token);
}

static void *read_all_day(void *arg)
{
	if (arg)
		be_known();
	while (!atomic_load(&stop)) {
		look();
		atomic_fetch_add(&reads, 1);
	}
	return arg;
}

static void on_signal(int number)
{
	(void)number;
	look();
}

enum { READERS = 3, NODES = 100 };

START_TEST(readers_and_a_writer)
{
	pthread_t t[READERS];
	struct node *nodes = calloc(NODES, sizeof(*nodes));

	quiet();
	atomic_store(&nodes[0].alive, 1);
	atomic_store(&shared, &nodes[0]);
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < READERS; i++)
		pthread_create(&t[i], NULL, read_all_day, i ? nodes : NULL);
	for (unsigned i = 1; i < NODES; i++) {
		atomic_store(&nodes[i].alive, 1);
		atomic_store_explicit(&shared, &nodes[i], memory_order_release);
		while (!epoch_quiet()) /* some thread was off the CPU for long */
			sched_yield();
		atomic_store(&nodes[i - 1].alive, 0);
		if (i % 4 == 0)
			pthread_kill(t[i / 4 % READERS], SIGUSR1);
	}
	while (!atomic_load(&reads))
		sched_yield();
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(t[i], NULL);
	ck_assert(quiet());
	free(nodes);
}
END_TEST

START_TEST(forked_child)
{
	unsigned token;
	int status;
	pid_t pid;

	token = epoch_enter(own); /* stands for a thread that does not exist in the child */
	pid = fork();
	if (!pid) {
		unsigned mine;

		epoch_fork_child(NULL);
		if (!quiet())
			_exit(1);
		epoch_leave(own, token); /* or it was this thread: its count is gone, and may not be missed */
		if (!quiet())
			_exit(2);
		mine = epoch_enter(own);
		if (quiet())
			_exit(3);
		epoch_leave(own, mine);
		_exit(quiet() ? 0 : 4);
	}
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert(!quiet());
	epoch_leave(own, token);
	ck_assert(quiet());
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, nobody_inside);
	tcase_add_loop_test(tc, a_reader_inside, 0, 2);
	tcase_add_test(tc, own_walks_are_not_waited_for);
	tcase_add_test(tc, retired_blocks);
	tcase_add_test(tc, readers_and_a_writer);
	tcase_add_test(tc, forked_child);
}

KIT_MAIN("epoch", add)

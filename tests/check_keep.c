/* SPDX-License-Identifier: MIT */
/*
 * check_keep: what somebody looked up stays as long as he does, and looking up takes no lock.
 *
 * The rules: a note becomes a binding; what is known already needs none; a reader that meets a library on
 * its way out looks again, unless it goes itself; a planner that meets a note changes its plan; a full table
 * never makes a reader wait.  A storm of readers beside a planner: nothing goes that somebody was told he has.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "loader/arena.h"
#include "loader/epoch.h"
#include "loader/keep.h"

enum { MANY = 200 };

static struct image asker, target, others[MANY];

static void set(struct image *im, enum image_state state)
{
	atomic_store_explicit(&im->state, state, memory_order_seq_cst);
}

static void start(void)
{
	kit_start();
	set(&asker, IMAGE_READY);
	set(&target, IMAGE_READY);
	for (int i = 0; i < MANY; i++)
		set(&others[i], IMAGE_READY);
}

static bool bound(const struct image *im, const struct image *to)
{
	for (unsigned i = 0; i < im->nbinds; i++)
		if (im->binds[i] == to)
			return true;
	return false;
}

static void settle(void)
{
	lock_enter();
	keep_settle();
	lock_leave();
}

static bool missed(struct image *im)
{
	bool yes;

	lock_enter();
	yes = keep_missed(&im, 1);
	lock_leave();
	return yes;
}

START_TEST(note_becomes_binding)
{
	start();
	for (int i = 0; i < 3; i++)
		ck_assert(keep_note(&asker, &target));
	ck_assert_uint_eq(asker.nbinds, 0);
	settle();
	ck_assert_uint_eq(asker.nbinds, 1);
	ck_assert(bound(&asker, &target));
	ck_assert(!atomic_load(&target.held));
	ck_assert(keep_note(&asker, &target));
	settle();
	ck_assert_uint_eq(asker.nbinds, 1);
}
END_TEST

START_TEST(known_ones)
{
	struct image *needed[] = {&others[0]};

	start();
	asker.needed = needed;
	asker.nneeded = 1;
	others[1].host = true;
	ck_assert(keep_note(&asker, NULL));
	ck_assert(keep_note(&asker, &asker));
	ck_assert(keep_note(&asker, &others[0]));
	ck_assert(keep_note(&asker, &others[1]));
	settle();
	ck_assert_uint_eq(asker.nbinds, 0);
}
END_TEST

/* libc's images have no bindings: what they found stays for good. */
START_TEST(found_by_libcs)
{
	start();
	asker.host = true;
	ck_assert(keep_note(&asker, &target));
	ck_assert(atomic_load(&target.held));
	set(&target, IMAGE_FINI);
	ck_assert(missed(&target));
}
END_TEST

START_TEST(on_its_way_out)
{
	start();
	set(&target, IMAGE_FINI);
	ck_assert(!keep_note(&asker, &target));
	set(&target, IMAGE_READY);
	settle();
	ck_assert_uint_eq(asker.nbinds, 0); /* nothing was left behind */
	set(&target, IMAGE_FINI);
	set(&asker, IMAGE_FINI);
	ck_assert(keep_note(&asker, &target));
}
END_TEST

START_TEST(plan_is_changed)
{
	struct image *both[] = {&asker, &target};

	start();
	set(&target, IMAGE_FINI);
	ck_assert(!missed(&target));
	set(&target, IMAGE_READY);
	ck_assert(keep_note(&asker, &target));
	set(&target, IMAGE_FINI);
	ck_assert(missed(&target));
	ck_assert(!missed(&others[0]));
	lock_enter();
	ck_assert(!keep_missed(both, 2)); /* who asked goes, too */
	keep_forget(&asker);
	ck_assert(!keep_missed(both + 1, 1));
	lock_leave();
}
END_TEST

static atomic_bool locked, enough;

static void *lock_holder(void *arg)
{
	lock_enter();
	atomic_store(&locked, true);
	while (!atomic_load(&enough))
		sched_yield();
	lock_leave();
	return arg;
}

/* More notes than there is room for; with the lock free, and with somebody who keeps it. */
START_TEST(full_table)
{
	pthread_t t;
	unsigned kept = 0;

	start();
	for (int i = 0; i < MANY; i++)
		ck_assert(keep_note(&asker, &others[i]));
	settle();
	for (int i = 0; i < MANY; i++)
		ck_assert(bound(&asker, &others[i]) && !atomic_load(&others[i].held));
	pthread_create(&t, NULL, lock_holder, NULL);
	while (!atomic_load(&locked))
		sched_yield();
	for (int i = 0; i < MANY; i++)
		ck_assert(keep_note(&target, &others[i]));
	atomic_store(&enough, true);
	pthread_join(t, NULL);
	settle();
	for (int i = 0; i < MANY; i++) {
		ck_assert(bound(&target, &others[i]) || atomic_load(&others[i].held));
		kept += atomic_load(&others[i].held);
	}
	ck_assert_uint_gt(kept, 0);
	ck_assert_uint_lt(kept, MANY);
}
END_TEST

START_TEST(no_memory)
{
	start();
	ck_assert(keep_note(&asker, &target));
	kit_fail(1);
	settle();
	ck_assert(kit_failed());
	kit_fail(0);
	ck_assert(!bound(&asker, &target) && atomic_load(&target.held));
}
END_TEST

/* ---- storm ------------------------------------------------------------------------------------ */

enum { READERS = 3, TARGETS = 24, PLANS = 4, TURNS = 100 };

static struct image from[READERS], to[TARGETS];
static atomic_bool visible[TARGETS], told[READERS][TARGETS], stop;
static atomic_uint begun; /* how often somebody began anew */

/* The asker is closed and opened again: it has nothing any more. */
static void begin_anew(unsigned me)
{
	lock_enter();
	for (unsigned i = 0; i < TARGETS; i++)
		atomic_store(&told[me][i], false);
	from[me].nbinds = 0;
	keep_forget(&from[me]);
	lock_leave();
	atomic_fetch_add(&begun, 1);
}

static void *read_all_day(void *number)
{
	unsigned me = (unsigned)(uintptr_t)number, seed = me + 1;

	while (!atomic_load(&stop)) {
		unsigned i = (seed = seed * 1103515245 + 12345) >> 16;
		unsigned token = epoch_enter(NULL);

		if (i % 64 == 0) {
			epoch_leave(NULL, token);
			begin_anew(me);
			continue;
		}
		i %= TARGETS;
		if (atomic_load(&visible[i]) && keep_note(&from[me], &to[i]))
			atomic_store(&told[me][i], true);
		epoch_leave(NULL, token);
	}
	return NULL;
}

static bool is_bound(const struct image *im)
{
	for (unsigned r = 0; r < READERS; r++)
		if (bound(&from[r], im))
			return true;
	return false;
}

static bool is_told(unsigned i)
{
	for (unsigned r = 0; r < READERS; r++)
		if (atomic_load(&told[r][i]))
			return true;
	return false;
}

static void until_quiet(void)
{
	while (!epoch_quiet())
		sched_yield();
}

/* It goes, unless somebody has it; true: it went. */
static bool plan(unsigned i)
{
	struct image *im = &to[i];
	bool gone;

	keep_settle();
	if (is_bound(im) || atomic_load(&im->held))
		return false;
	set(im, IMAGE_FINI);
	gone = !keep_missed(&im, 1);
	if (gone) {
		atomic_store(&visible[i], false);
		until_quiet();
		if (is_told(i))
			abort();
		keep_forget(im);
	}
	set(im, IMAGE_READY);
	atomic_store(&visible[i], true);
	return gone;
}

/* Only here can one that was to stay for good go again: when nobody was told of it any more. */
static void release(unsigned i)
{
	atomic_store(&visible[i], false);
	until_quiet();
	if (!is_told(i))
		atomic_store(&to[i].held, false);
	atomic_store(&visible[i], true);
}

START_TEST(readers_and_a_planner)
{
	pthread_t t[READERS];
	unsigned gone = 0;

	start();
	for (unsigned r = 0; r < READERS; r++)
		set(&from[r], IMAGE_READY);
	for (unsigned i = 0; i < TARGETS; i++) {
		set(&to[i], IMAGE_READY);
		atomic_store(&visible[i], true);
	}
	lock_enter(); /* until_quiet: the first call may only find out that the kernel has no membarrier */
	until_quiet();
	lock_leave();
	for (uintptr_t r = 0; r < READERS; r++)
		pthread_create(&t[r], NULL, read_all_day, (void *)r);
	for (int turn = 0; turn < kit_rounds(TURNS) || !gone; turn++) {
		unsigned before = atomic_load(&begun);

		lock_enter();
		for (unsigned n = 0; n < PLANS; n++) {
			unsigned i = kit_random(TARGETS);

			gone += plan(i);
			if (atomic_load(&to[i].held))
				release(i);
		}
		lock_leave();
		while (atomic_load(&begun) == before) /* a lock is not fair: let them have it */
			sched_yield();
	}
	atomic_store(&stop, true);
	for (unsigned r = 0; r < READERS; r++)
		pthread_join(t[r], NULL);
	ck_assert_uint_gt(gone, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, note_becomes_binding);
	tcase_add_test(tc, known_ones);
	tcase_add_test(tc, found_by_libcs);
	tcase_add_test(tc, on_its_way_out);
	tcase_add_test(tc, plan_is_changed);
	tcase_add_test(tc, full_table);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, readers_and_a_planner);
}

KIT_MAIN("keep", add)

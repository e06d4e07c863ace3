/* SPDX-License-Identifier: MIT */
/*
 * check_find: the snapshot says what the lists say.
 *
 * The oracle is find_slow, the plain walk under the lock: after any sequence of images that come and go
 * in several namespaces, both answer alike for every address near an edge; every handle is found, and
 * the walk shows our images, in order, with the counters of the moment.  A hidden image is seen by
 * nobody.  Readers that run meanwhile see an image that was there, or none.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "loader/arena.h"
#include "loader/epoch.h"
#include "loader/find.h"

enum { SPACES = 3, IMAGES = 60, SLOT = 1 << 20 };

static struct space spaces[SPACES];
static atomic_ulong adds, subs;
static struct image images[IMAGES]; /* image i lives in its own slot of addresses */
static bool present[IMAGES];

static void prepare(void)
{
	for (int i = 0; i + 1 < SPACES; i++)
		spaces[i].next = &spaces[i + 1];
	find_start(&spaces[0], &adds, &subs);
}

static uintptr_t slot(unsigned i)
{
	/* not in the order of i */
	return 0x10000000 + (uintptr_t)(i * 37 % IMAGES) * SLOT;
}

static void come(unsigned i)
{
	struct image *im = &images[i];
	struct space *sp = &spaces[i % SPACES];

	memset(im, 0, sizeof(*im));
	im->space = sp;
	im->host = i % 4 == 0;
	im->handle = &im->link;
	im->map.start = slot(i) + kit_random(16) * 4096;
	im->map.end = im->map.start + (1 + kit_random(200)) * 4096;
	im->eh_frame_hdr = im->map.start + 64;
	im->prev = sp->last;
	*(sp->last ? &sp->last->next : &sp->first) = im;
	sp->last = im;
	present[i] = true;
	if (!im->host)
		atomic_fetch_add(&adds, 1);
}

static void go(unsigned i)
{
	struct image *im = &images[i];
	struct space *sp = im->space;

	*(im->prev ? &im->prev->next : &sp->first) = im->next;
	*(im->next ? &im->next->prev : &sp->last) = im->prev;
	present[i] = false;
	if (!im->host)
		atomic_fetch_add(&subs, 1);
}

static void same(uintptr_t addr)
{
	struct image *im = find_slow(addr);
	const struct find_entry *e = find_entry_at(addr);

	ck_assert_ptr_eq(find_address(addr), im);
	ck_assert_ptr_eq(e ? e->im : NULL, im);
	if (e) {
		ck_assert_uint_eq(e->start, im->map.start);
		ck_assert_uint_eq(e->end, im->map.end);
		ck_assert_uint_eq(e->eh_frame, im->eh_frame_hdr);
	}
}

static void same_walk(void)
{
	struct find_walk w;

	find_walk(&w);
	ck_assert_uint_eq(w.adds, adds);
	ck_assert_uint_eq(w.subs, subs);
	for (struct space *sp = spaces; sp; sp = sp->next)
		for (struct image *im = sp->first; im; im = im->next)
			if (!im->host)
				ck_assert_ptr_eq(find_walk_next(&w), im);
	ck_assert_ptr_null(find_walk_next(&w));
}

static void same_everywhere(void)
{
	unsigned token = epoch_enter(NULL);

	for (unsigned i = 0; i < IMAGES; i++) {
		ck_assert_ptr_eq(find_handle(&images[i].link), present[i] ? &images[i] : NULL);
		same(slot(i));
		same(images[i].map.start - 1);
		same(images[i].map.start);
		same(images[i].map.end - 1);
		same(images[i].map.end);
		same(slot(0) + kit_random(IMAGES * SLOT));
	}
	same(0);
	same(UINTPTR_MAX);
	same_walk();
	epoch_leave(NULL, token);
}

START_TEST(empty)
{
	struct find_walk w;

	prepare();
	ck_assert_ptr_null(find_address(0x1000));
	ck_assert_ptr_null(find_handle(&images[0].link));
	find_walk(&w);
	ck_assert_ptr_null(find_walk_next(&w));
	find_hide(&images[0]);
	find_publish();
	same_everywhere();
	ck_assert_ptr_null(find_handle(NULL));
}
END_TEST

START_TEST(come_and_go)
{
	prepare();
	for (int turn = 0; turn < 300; turn++) {
		unsigned n = 1 + kit_random(4);

		if (turn % 2)
			ck_assert(find_reserve(n));
		while (n--) {
			unsigned i = kit_random(IMAGES);

			if (present[i]) {
				find_hide(&images[i]);
				go(i);
			} else {
				come(i);
			}
		}
		find_publish();
		same_everywhere();
	}
}
END_TEST

START_TEST(hidden)
{
	struct find_walk w;
	struct image *im;

	prepare();
	for (unsigned i = 0; i < IMAGES; i++)
		come(i);
	find_publish();
	find_hide_handle(&images[9]);
	ck_assert_ptr_null(find_handle(&images[9].link));
	ck_assert_ptr_eq(find_address(images[9].map.start), &images[9]);
	images[9].state = IMAGE_FINI;
	find_publish();
	ck_assert_ptr_null(find_handle(&images[9].link));
	ck_assert_ptr_eq(find_address(images[9].map.start), &images[9]);
	find_walk(&w); /* has begun before */
	find_hide(&images[7]);
	ck_assert_ptr_null(find_address(images[7].map.start));
	ck_assert_ptr_null(find_entry_at(images[7].map.start));
	ck_assert_ptr_null(find_handle(&images[7].link));
	ck_assert_ptr_eq(find_handle(&images[8].link), &images[8]);
	while ((im = find_walk_next(&w)))
		ck_assert_ptr_ne(im, &images[7]);
}
END_TEST

START_TEST(reserved_memory)
{
	size_t used;

	prepare();
	find_publish();
	epoch_collect();
	used = arena_used();
	ck_assert(find_reserve(100));
	ck_assert_uint_gt(arena_used(), used);
	ck_assert(find_reserve(50));
	find_unreserve();
	ck_assert_uint_eq(arena_used(), used);
	ck_assert(find_reserve(IMAGES));
	for (unsigned i = 0; i < IMAGES; i++)
		come(i);
	kit_fail(1); /* no memory */
	find_publish();
	ck_assert(!kit_failed());
	kit_fail(0);
	same_everywhere();
}
END_TEST

/* ---- readers meanwhile ------------------------------------------------------------------------ */

static atomic_bool stop;

static void *read_all_day(void *arg)
{
	unsigned i = 0;

	while (!atomic_load(&stop)) {
		unsigned token = epoch_enter(NULL);
		uintptr_t addr = slot(i = (i + 7) % IMAGES) + SLOT / 4;
		struct image *im = find_address(addr);
		struct find_walk w;

		if (im && (im < images || im >= images + IMAGES))
			abort();
		im = find_handle(&images[i].link);
		if (im && im != &images[i])
			abort();
		find_walk(&w);
		while ((im = find_walk_next(&w)))
			if (im->host)
				abort();
		epoch_leave(NULL, token);
	}
	return arg;
}

START_TEST(readers_and_a_writer)
{
	pthread_t t[2];

	prepare();
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, read_all_day, NULL);
	for (unsigned turn = 0; turn < 300; turn++) {
		unsigned i = kit_random(IMAGES);

		if (!present[i]) {
			come(i);
			find_publish();
			continue;
		}
		find_hide(&images[i]);
		go(i);
		find_publish();
		while (!epoch_quiet())
			sched_yield();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	same_everywhere();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, empty);
	tcase_add_test(tc, come_and_go);
	tcase_add_test(tc, hidden);
	tcase_add_test(tc, reserved_memory);
	tcase_add_test(tc, readers_and_a_writer);
}

KIT_MAIN("find", add)

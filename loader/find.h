/* SPDX-License-Identifier: MIT */
/*
 * find: address -> image and handle -> image without a lock.
 *
 * A snapshot is published by one pointer: entries sorted by address, a hash table of handles, and the
 * load order.  Readers bracket with epoch_enter/leave.  The locked walk find_slow is the oracle of the
 * tests.
 */
#ifndef LOADER_FIND_H
#define LOADER_FIND_H

#include "image.h"
#include "scope.h"

struct find_entry {
	uintptr_t start, end;
	_Atomic(struct image *) im; /* find_hide makes it NULL: read it once */
	uintptr_t eh_frame;
};

/* Readers: inside an epoch. */
struct image *find_address(uintptr_t addr);
const struct find_entry *find_entry_at(uintptr_t addr);
struct image *find_handle(const void *handle);
/* Our own images in load order, the i-th; NULL: no more.  One snapshot per walk. */
struct find_walk {
	const void *snapshot;
	unsigned i;
	unsigned long adds, subs; /* consistent with the snapshot */
};
void find_walk(struct find_walk *w);
struct image *find_walk_next(struct find_walk *w);

/*
 * What there is to find: every image of every namespace from base on; and the counters of those of ours
 * that came and went.  Once, before the first find_publish.
 */
void find_start(struct space *base, const atomic_ulong *adds, const atomic_ulong *subs);

/* Writers.  NEEDS_LOCK. */
bool find_reserve(unsigned extra);	/* memory for a snapshot with so many more images */
void find_unreserve(void);		/* gives that memory back: the load failed */
void find_publish(void);		/* after registry_add; cannot fail after find_reserve */
void find_hide(const struct image *im); /* in place: readers no longer see it */
void find_hide_handle(const struct image *im); /* its handle only: its destructors are about to run */
struct image *find_slow(uintptr_t addr);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * epoch: readers that never lock, and writers that wait for them before they unmap.
 *
 * A reader brackets its walk with epoch_enter/epoch_leave: no lock, no allocation, safe in signal
 * handlers, may nest.  A writer unpublishes, then hands what readers may still see to epoch_retire, or
 * asks with epoch_quiet whether all readers that could see it are gone.
 *
 * Two counters per stripe, one per parity (McKenney's sleepable RCU): the writer flips the parity and
 * waits for the old side to drain.
 */
#ifndef LOADER_EPOCH_H
#define LOADER_EPOCH_H

#include <stdbool.h>

unsigned epoch_enter(void);
void epoch_leave(unsigned token);

/*
 * What a thread holds while a user's callback runs: that callback may call dlclose, which cannot wait for
 * its own thread.  It ignores these walks instead, and says so in `lost`: what the walk had in hand may be
 * gone, it must look anew.
 */
struct epoch_walks {
	unsigned inside[2]; /* by parity */
	unsigned long lost;
};
unsigned epoch_walk(struct epoch_walks *own); /* own: NULL where the thread is not known */
void epoch_walked(struct epoch_walks *own, unsigned token);

/* From here to the next call the walks of this thread are not waited for.  NEEDS_LOCK. */
void epoch_ignore(struct epoch_walks *own);

/*
 * Waits until every reader that was inside at the call has left.  False: some are still inside after a
 * bounded wait (one sits in a user's dl_iterate_phdr callback, perhaps this very thread): try later.
 */
bool epoch_quiet(void);

/*
 * Frees p (an arena block) when no reader can see it: at a later epoch_collect.  epoch_collect waits for
 * nobody.  NEEDS_LOCK.
 */
void epoch_retire(void *p);
void epoch_collect(void);
void epoch_tidy(void); /* collects when much has piled up */

/* In a forked child, by its only thread: nobody is inside. */
void epoch_fork_child(void);

#endif

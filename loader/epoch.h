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
 * Waits until every reader that was inside at the call has left.  False: some are still inside after a
 * bounded wait (one sits in a user's dl_iterate_phdr callback, perhaps this very thread): try later.
 */
bool epoch_quiet(void);

/*
 * Frees p (an arena block) when no reader can see it: now if it is quiet, else at a later call.
 * NEEDS_LOCK.
 */
void epoch_retire(void *p);
void epoch_collect(void);

/* In a forked child, by its only thread: nobody is inside. */
void epoch_fork_child(void);

#endif

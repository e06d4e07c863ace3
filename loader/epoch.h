/* SPDX-License-Identifier: MIT */
/*
 * epoch: readers that never lock, and writers that wait for them before they unmap.
 *
 * A reader brackets its walk with epoch_enter/epoch_leave: no lock, no allocation, safe in signal
 * handlers, may nest.  A writer unpublishes, then hands what readers may still see to epoch_retire, or
 * asks with epoch_quiet whether all readers that could see it are gone.
 *
 * Two counters per reader, one per parity (McKenney's sleepable RCU): the writer flips the parity and
 * waits for the old side to drain.  A thread that we know counts in its own record, with plain stores; the
 * writer then makes every running thread pass a barrier.  Others share a few counters.
 */
#ifndef LOADER_EPOCH_H
#define LOADER_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>

/* One thread's own counters.  Never unmapped once registered; the next thread may inherit them. */
struct epoch_reader {
	struct epoch_reader *next; /* all there ever were */
	bool registered;
	atomic_uint inside[2]; /* by parity; written by its thread only */
	unsigned walks[2];     /* of these: in a user's callback */
	unsigned long lost;    /* counts: a writer did not wait for these walks */
};

void epoch_register(struct epoch_reader *own);

/* own: NULL where the thread is not known. */
unsigned epoch_enter(struct epoch_reader *own);
void epoch_leave(struct epoch_reader *own, unsigned token);

/*
 * The same while a user's callback runs: that may call dlclose, which cannot wait for its own thread.  It
 * ignores these walks instead, and counts `lost` up: what the walk had in hand may be gone, it must look
 * anew.
 */
unsigned epoch_walk(struct epoch_reader *own);
void epoch_walked(struct epoch_reader *own, unsigned token);

/* From here to the next call the walks of this thread are not waited for.  NEEDS_LOCK. */
void epoch_ignore(struct epoch_reader *own);

/*
 * Waits until every reader that was inside at the call has left.  False: some are still inside after a
 * bounded wait (one sits in a user's dl_iterate_phdr callback): try later.  NEEDS_LOCK.
 */
bool epoch_quiet(void);

/*
 * Frees p (an arena block) when no reader can see it: at a later epoch_collect.  NEEDS_LOCK.
 */
void epoch_retire(void *p);
bool epoch_collect(void); /* frees what was retired if it is quiet; false: it is not */
void epoch_tidy(void);	  /* collects when much has piled up */

/* In a forked child, by its only thread: nobody else is inside. */
void epoch_fork_child(struct epoch_reader *own);

#endif

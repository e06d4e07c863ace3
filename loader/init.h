/* SPDX-License-Identifier: MIT */
/*
 * init: constructors and destructors: their order, and who runs them.
 *
 * Runs foreign code: the loader lock must not be held.  Each image is claimed by one thread; another
 * that needs it waits, the same thread (a constructor that calls dlopen) passes through, and so does one
 * whose wait would close a circle.
 */
#ifndef LOADER_INIT_H
#define LOADER_INIT_H

#include "image.h"

/*
 * Another thread runs im's constructors or destructors: sleeps until some such run is over (look again
 * then).  False: nobody does, or the wait would close a circle; im is to be taken as it is.  NEEDS_LOCK.
 */
bool init_wait(const struct image *im);

/* How many images' constructors have begun. */
unsigned init_turns(void);

/* im's destructors have run. NEEDS_LOCK. */
void init_over(struct image *im);

/* In a forked child: threads that are not there will not finish what they ran. */
void init_fork_child(void);

/* Constructors of root's closure, dependencies first.  Takes and leaves the lock around each. */
void init_run(struct image *root);

/* One image's destructors: DT_FINI_ARRAY backwards, then DT_FINI.  UNLOCKED. */
void init_fini(struct image *im);

#endif

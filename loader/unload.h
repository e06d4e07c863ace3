/* SPDX-License-Identifier: MIT */
/*
 * unload: dlclose: reachability, and the way out.
 *
 * Plan under the lock (what is no longer reachable from opens, dependencies, bindings, pending
 * thread_local destructors; it becomes unfindable at once), destructors without it, then unpublish and
 * unmap under it.
 */
#ifndef LOADER_UNLOAD_H
#define LOADER_UNLOAD_H

#include "diag.h"
#include "image.h"

struct unload {
	struct image **im; /* dependents first; arena */
	unsigned n;
};

/* Drops one open of im.  *last: nobody has it open any more, begin.  NEEDS_LOCK. */
bool unload_drop(struct image *im, bool *last, struct diag *d);

/*
 * Plans what goes, if anything does and this thread is not in the middle of it already (a destructor that
 * calls dlclose: what it let go follows when that round is over).  closed: whose end began it, it may be gone
 * before the others; NULL when it begins again.  NEEDS_LOCK.
 */
bool unload_begin(struct unload *u, const struct image *closed);
void unload_fini(struct unload *u); /* destructors; tells a waiting debugger.  UNLOCKED */
/* True: something else was let go meanwhile, begin again.  NEEDS_LOCK. */
bool unload_finish(struct unload *u);

#endif

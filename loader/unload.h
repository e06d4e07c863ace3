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

/* Drops one open of im and plans.  NEEDS_LOCK. */
bool unload_plan(struct image *im, struct unload *u, struct diag *d);
void unload_fini(struct unload *u);   /* UNLOCKED */
void unload_finish(struct unload *u); /* NEEDS_LOCK */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * stage: struct load, and the first half of a load: find, map, parse, dependencies.
 *
 * Only load.c calls it, and only load.c knows what comes next.
 */
#ifndef LOADER_STAGE_H
#define LOADER_STAGE_H

#include "diag.h"
#include "image.h"
#include "scope.h"
#include "search.h"

/* What must happen, without our lock, before the load can be tried again: adopt_sync, libc shall open or pin
 * want_name, or another thread shall finish closing `dying`.
 */
enum load_want { LOAD_NOTHING, LOAD_SYNC, LOAD_HOST_OPEN, LOAD_HOST_PIN, LOAD_WAIT };

struct load {
	/* in */
	const char *name;
	int mode; /* RTLD_* */
	struct space *space;
	struct image *caller; /* the program when unknown */
	/* out */
	struct image *root;
	enum load_want want;
	char *want_name; /* arena */
	struct image *dying;
	bool not_loaded; /* RTLD_NOLOAD and it is not: no error */
	bool synced;	 /* in: the registry has kept up with libc; until then only known names are found */
	bool waited;	 /* in: waiting for `dying` would close a circle */
	bool host_tried; /* in: libc does not have it either, go on without */
	/* own */
	struct image **fresh; /* new images, breadth first */
	unsigned nfresh, capfresh;
	struct scope_list *search; /* the root's closure, breadth first */
	struct image **order;	   /* the same, dependents first */
	struct scope_chain **chains; /* for older images of the closure: what commit publishes */
	struct diag *diag;
};

struct stage_reference { /* a name that somebody asked for */
	const char *name;
	struct image *from; /* who has it in DT_NEEDED; NULL: dlopen's argument */
};

/* Not committed yet: this load's own. */
static inline bool stage_is_fresh(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_relaxed) < IMAGE_COMMITTED;
}

uint64_t stage_clock(void); /* nanoseconds for the statistics; 0 when nobody asked for them */

/* Stage 1 to 3 of one name: the image, loaded or new.  NULL: the diag says why, or ld->want.  NEEDS_LOCK. */
struct image *stage_find(struct load *ld, const struct stage_reference *ref);

/* The root's closure into ld->search, breadth first; new dependencies are staged.  NEEDS_LOCK. */
bool stage_closure(struct load *ld);

#endif

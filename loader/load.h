/* SPDX-License-Identifier: MIT */
/*
 * load: the transaction of one dlopen: stage, reserve, commit, or drop.
 *
 * The roof: the only file that knows the order of the stages.  struct load owns everything new; until
 * load_commit nobody else can see it, and load_drop leaves nothing behind.
 */
#ifndef LOADER_LOAD_H
#define LOADER_LOAD_H

#include "diag.h"
#include "image.h"
#include "scope.h"
#include "search.h"

/* What must happen, without our lock, before the load can be tried again: libc shall open or pin
 * want_name, or another thread shall finish closing `dying`.
 */
enum load_want { LOAD_NOTHING, LOAD_HOST_OPEN, LOAD_HOST_PIN, LOAD_WAIT };

struct load {
	/* in */
	const char *name;
	int mode; /* RTLD_* */
	struct space *space;
	struct image *caller; /* the program when unknown */
	/* out */
	struct image *root;
	enum load_want want;
	char want_name[SEARCH_PATH_MAX];
	struct image *dying;
	bool not_loaded; /* RTLD_NOLOAD and it is not: no error */
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

/*
 * Stages 1 to 8.  True: ld->root is open once more and, if it was new, visible to everybody but not
 * initialised.  False: nothing has changed; ld->want says whether it is worth another try.  NEEDS_LOCK.
 */
bool load_link(struct load *ld);

/* Stage 10, after constructors: RTLD_GLOBAL becomes visible.  NEEDS_LOCK. */
void load_finish(struct load *ld);

#endif

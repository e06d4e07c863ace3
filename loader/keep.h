/* SPDX-License-Identifier: MIT */
/*
 * keep: a library stays as long as somebody who looked a name up in it, and looking up takes no lock.
 *
 * A reference that is bound at its first call, or dlsym(RTLD_DEFAULT), may find a library that its asker
 * does not depend on.  The reader only leaves a note; whoever next plans an unload turns notes into
 * bindings (image.binds) under the lock.  Where the planner has already decided that the library goes, one
 * of the two notices: the reader looks again, or the planner changes its plan.
 */
#ifndef LOADER_KEEP_H
#define LOADER_KEEP_H

#include "image.h"
#include "lock.h"
#include "scope.h"

/*
 * `to` was found for im and is to stay as long as im.  False: it is on its way out, look again.  Reader:
 * inside an epoch, in which both were found; takes no lock.
 */
bool keep_note(struct image *im, struct image *to);

/* Notes become bindings.  NEEDS_LOCK. */
void keep_settle(void);

/*
 * The state of im[n] has been set to IMAGE_FINI: has somebody who stays left a note about one of them
 * meanwhile?  Then they must not go.  NEEDS_LOCK.
 */
bool keep_missed(struct image *const *im, unsigned n);

void keep_forget(const struct image *im); /* it is gone.  NEEDS_LOCK */
void keep_fork_child(void);

#endif

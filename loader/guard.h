/* SPDX-License-Identifier: MIT */
/*
 * guard: the files of a load may be cut short while it reads them.
 *
 * What is mapped beyond the end of a file is death by SIGBUS for who touches it.  From guard_begin on a new
 * image is watched: where its file ends too soon it gets zeros, which do no harm to a parser that believes
 * nothing, and the load fails afterwards.  All NEEDS_LOCK.
 */
#ifndef LOADER_GUARD_H
#define LOADER_GUARD_H

#include "diag.h"
#include "image.h"

void guard_begin(struct image *im); /* before it is mapped */

/* Not this one any more, the last that was begun: it will be freed.  False: it was cut short; says so. */
bool guard_drop(struct image *im, struct diag *d);

/* All that were begun and not dropped, so far.  False: one was cut short; says so. */
bool guard_whole(struct diag *d);

bool guard_end(struct diag *d); /* the same, and for the last time */

#endif

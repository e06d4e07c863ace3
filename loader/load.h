/* SPDX-License-Identifier: MIT */
/*
 * load: the transaction of one dlopen: stage, reserve, commit, or drop.
 *
 * The roof: the only file that knows the order of the stages.  struct load owns everything new; until
 * load_commit nobody else can see it, and load_drop leaves nothing behind.
 */
#ifndef LOADER_LOAD_H
#define LOADER_LOAD_H

#include "stage.h"

/*
 * Stages 1 to 8.  True: ld->root is open once more and, if it was new, visible to everybody but not
 * initialised.  False: nothing has changed; ld->want says whether it is worth another try.  NEEDS_LOCK.
 */
bool load_link(struct load *ld);

/* Stage 10, after constructors: RTLD_GLOBAL becomes visible.  NEEDS_LOCK. */
void load_finish(struct load *ld);

#endif

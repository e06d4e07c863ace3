/* SPDX-License-Identifier: MIT */
/*
 * adopt: keeping up with what libc has loaded.
 */
#ifndef LOADER_ADOPT_H
#define LOADER_ADOPT_H

#include "image.h"

/*
 * Brings the registry up to date with what libc loaded meanwhile.  The first call adopts everything.
 * UNLOCKED: takes the lock itself, under libc's.  False: no memory at the first call.
 */
bool adopt_sync(void);

/*
 * Where these of ours lie now, libc cannot have anything: what we know there it has unloaded since the last
 * adopt_sync.  Commit; NEEDS_LOCK.
 */
void adopt_displaced(struct image *const *fresh, unsigned n);

#endif

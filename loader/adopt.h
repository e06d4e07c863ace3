/* SPDX-License-Identifier: MIT */
/*
 * adopt: keeping up with what libc has loaded.
 */
#ifndef LOADER_ADOPT_H
#define LOADER_ADOPT_H

#include <stdbool.h>

/*
 * Brings the registry up to date with what libc loaded meanwhile.  The first call adopts everything.
 * UNLOCKED: takes the lock itself, under libc's.  False: no memory at the first call.
 */
bool adopt_sync(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * lazy: binding a PLT slot at its first call.
 *
 * arch_lazy_entry (tramp.S) saves every argument register and calls lazy_bind.  An unresolved function
 * ends the process with glibc's message and status 127.
 */
#ifndef LOADER_LAZY_H
#define LOADER_LAZY_H

#include "image.h"

/* Readies DT_PLTGOT for lazy binding; false: this image must be bound at once. */
bool lazy_prepare(struct image *im);

/*
 * Our images may now define what a start-up image leaves open until its first call: from here on its slots
 * are bound by us, in the program's global scope, which begins with what libc would find.  NEEDS_LOCK.
 */
void lazy_adopt(struct image *im);

/*
 * From arch_lazy_entry: the image (or libc's link_map of it) from GOT[1], the index into DT_JMPREL.
 * Returns the target.
 */
uintptr_t lazy_bind(void *map, uintptr_t index);

#endif

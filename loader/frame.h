/* SPDX-License-Identifier: MIT */
/*
 * frame: our images for an unwinder that does not ask us.
 *
 * In a static program libgcc's unwinder calls libc's own _dl_find_object, which is in every such program and
 * cannot be replaced.  Before that it looks through what has been registered with it.  Elsewhere
 * both functions do nothing.  UNLOCKED: libgcc has a lock of its own, and may call the program's malloc.
 */
#ifndef LOADER_FRAME_H
#define LOADER_FRAME_H

#include "image.h"

/* Looks for its table, and whether it ends; while the image is being loaded. */
void frame_find(struct image *im);

void frame_enter(struct image *im);
void frame_forget(struct image *im);

#endif

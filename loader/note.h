/* SPDX-License-Identifier: MIT */
/*
 * note: what a library's GNU property note asks of the CPU and of the process.
 *
 * Damaged notes are no notes: nothing of a library depends on them.
 */
#ifndef LOADER_NOTE_H
#define LOADER_NOTE_H

#include "image.h"

/*
 * May it run here?  glibc's words where not.  After image_headers.  Source: Linux extensions to the gABI,
 * ".note.gnu.property"; glibc, sysdeps/x86/dl-prop.h.
 */
bool note_check(const struct image *im, struct diag *d);

#endif

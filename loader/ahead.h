/* SPDX-License-Identifier: MIT */
/*
 * ahead: what the next few references of an image will read, on its way into the cache.
 *
 * Between resolve and reloc.
 */
#ifndef LOADER_AHEAD_H
#define LOADER_AHEAD_H

#include "image.h"

enum { AHEAD = 8 };

/* References whose names are hashed already, in the order of their relocations. */
struct ahead {
	unsigned n, next;
	uint32_t index[AHEAD];
	struct sym_request rq[AHEAD];
};

/* Relocations r[0..n), at most AHEAD; the same symbol twice in a row is one.  NEEDS_LOCK. */
void ahead_look(struct ahead *a, const struct image *im, const elf_reloc *r, size_t n);

/* The request that was made ready for symbol `index`; NULL: none was. */
struct sym_request *ahead_take(struct ahead *a, uint32_t index);

#endif

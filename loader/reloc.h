/* SPDX-License-Identifier: MIT */
/*
 * reloc: the one relocation loop, for every CPU.
 *
 * Three passes over a group of images, dependencies first: reloc_tls finds which modules must have
 * static thread-locals, reloc_bind does everything but IFUNCs (relr, relative, symbolic, plt),
 * reloc_ifunc calls resolvers.  Every place written is checked against the image's writable segments.
 */
#ifndef LOADER_RELOC_H
#define LOADER_RELOC_H

#include "diag.h"
#include "image.h"
#include "resolve.h"

/* Marks the definers of im's TPOFF references needs_static.  Before tls_reserve.  NEEDS_LOCK. */
bool reloc_tls(struct image *im, struct diag *d);

bool reloc_bind(struct image *im, struct diag *d);  /* NEEDS_LOCK */
bool reloc_ifunc(struct image *im, struct diag *d); /* NEEDS_LOCK; runs foreign resolvers */

/* Whether a group member's own IFUNC resolvers may run yet: its other relocations are done. */
static inline bool reloc_done(const struct image *im)
{
	return im->host || atomic_load_explicit(&im->state, memory_order_relaxed) >= IMAGE_RELOCATED;
}

#endif

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
#include "scope.h"

/* Marks the definers of im's TPOFF references needs_static.  Before tls_reserve.  NEEDS_LOCK. */
bool reloc_tls(struct image *im, struct diag *d);

bool reloc_bind(struct image *im, struct diag *d);  /* NEEDS_LOCK */
bool reloc_ifunc(struct image *im, struct diag *d); /* NEEDS_LOCK; runs foreign resolvers */

/* Whether a group member's own IFUNC resolvers may run yet: its other relocations are done. */
static inline bool reloc_done(const struct image *im)
{
	return im->host || atomic_load_explicit(&im->state, memory_order_relaxed) >= IMAGE_RELOCATED;
}

/*
 * What symbol number `index` of im refers to.  found->im NULL and true: an undefined weak reference.
 * `plt` as in sym_request.  Reader (epoch) or NEEDS_LOCK.
 */
bool reloc_resolve(struct image *im, uint32_t index, bool plt, struct sym_found *found,
		   struct diag *d);

/*
 * A binding made after the load (a lazy slot, dlsym) keeps its definer loaded.  Takes the lock where
 * there is something to record.  False: the definer is on its way out, look again.
 */
bool reloc_keep(struct image *im, struct image *to);

/* The final address of a found symbol: calls its resolver if it is an IFUNC. */
uintptr_t reloc_address(const struct sym_found *found);

#endif

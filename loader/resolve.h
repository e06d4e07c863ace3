/* SPDX-License-Identifier: MIT */
/*
 * resolve: which definition a reference means, and where it is.
 *
 * Between scope (lists of images) and reloc (what to write with the answer).
 */
#ifndef LOADER_RESOLVE_H
#define LOADER_RESOLVE_H

#include "diag.h"
#include "image.h"
#include "scope.h"

struct resolve_ref {
	uint32_t index;		   /* of the symbol */
	bool plt;		   /* as in sym_request */
	struct sym_request *ready; /* its name, hashed already; NULL: not yet */
};

/*
 * What a reference in im means.  found->im NULL and true: an undefined weak one.  Reader (epoch) or
 * NEEDS_LOCK.
 */
bool resolve_symbol(struct image *im, const struct resolve_ref *ref, struct sym_found *found,
		   struct diag *d);

/* A missing variable that nobody has asked for yet may never be asked for: NULL, where libc sees it so. */
bool resolve_forgive(const struct image *im, struct sym_found *found, struct diag *d);

bool resolve_is_ifunc(const struct sym_found *found);

/* The final address of a found symbol: calls its resolver if it is an IFUNC; 0: that is not code. */
uintptr_t resolve_address(const struct sym_found *found);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * unique: STB_GNU_UNIQUE: one definition of a name in a namespace, however libraries were opened.
 *
 * C++ compilers give this binding to inline variables and function-local statics of templates.  Whoever
 * defines the name first defines it for all, and can never be unloaded.
 */
#ifndef LOADER_UNIQUE_H
#define LOADER_UNIQUE_H

#include "../compat/host.h"
#include "hash.h"
#include "image.h"
#include "scope.h"

/*
 * STB_GNU_UNIQUE: the one definition of this name in the space.  unique_first replaces *found by it
 * where it is known (reader); unique_enter makes *found the one if there is none, preferring libc's
 * images; its image then stays for good (image.nunique).  NEEDS_LOCK; false: no memory.
 * A load calls begin, and undo if it fails: what it entered is forgotten.
 */
static inline bool unique_is(const struct sym_found *found)
{
	return ELF_ST_BIND(found->sym->st_info) == STB_GNU_UNIQUE && host.style->unique;
}
void unique_first(struct space *sp, struct sym_request *rq, struct sym_found *found);
bool unique_enter(struct space *sp, struct sym_request *rq, struct sym_found *found);
void unique_begin(void);
void unique_undo(struct space *sp);
void unique_forget(struct space *sp, const struct image *im);

#endif

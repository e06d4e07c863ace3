/* SPDX-License-Identifier: MIT */
/*
 * provide: symbols that the program hands over in a table rather than in an ELF file.
 *
 * A static program has no dynamic symbol table; what its plugins need of it, and of us, comes from here.
 * Each table becomes an image without memory, at the end of the program's global scope.
 */
#ifndef LOADER_PROVIDE_H
#define LOADER_PROVIDE_H

#include "../include/dlrs.h"
#include "diag.h"

/* The names are copied.  NULL: no memory.  NEEDS_LOCK. */
struct image *provide_symbols(const struct dlrs_symbol *symbols, size_t n, struct diag *d);

#endif

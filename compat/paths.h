/* SPDX-License-Identifier: MIT */
/*
 * paths: what the styles of this folder need to fill struct host_paths.
 *
 * For glibc.c and musl.c only; whoever searches calls host_paths().  All of it runs under the once of
 * host_paths(), in one thread.
 */
#ifndef COMPAT_PATHS_H
#define COMPAT_PATHS_H

#include "host.h"

/* glibc's: asks ld.so, and reads its strings. */
void host_find_paths(struct host_paths *p);

/* The directories of a list, empty ones left out, into memory that stays; NULL-terminated. */
const char *const *host_paths_split(const char *list, const char *separators);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * dst: the dynamic string tokens of a path: $ORIGIN, $LIB, $PLATFORM, each also as ${...}.
 *
 * Other text behind a '$' stays as it is.  No allocation; dst_expand NEEDS_LOCK.  Source: gABI, "Substitution
 * Sequences"; glibc, elf/dl-load.c.
 */
#ifndef LOADER_DST_H
#define LOADER_DST_H

#include "image.h"

bool dst_present(const char *s);

/* May a list of directories be used?  musl forgets one with tokens that it does not know. */
bool dst_usable(const char *list);

/*
 * Expands a path; `owner` is the image it was written in.  False: the result is empty, too long, a token
 * has no value, or AT_SECURE forbids it.
 */
bool dst_expand(const char *in, const struct image *owner, char *out, size_t len);

#endif

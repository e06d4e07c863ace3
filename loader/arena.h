/* SPDX-License-Identifier: MIT */
/*
 * arena: memory of our own, from mmap.  The loader never calls malloc: a program's malloc may call us.
 *
 * Size classes with free lists over 256 KiB chunks; large blocks are mappings of their own.  The caller
 * holds the loader lock (NEEDS_LOCK), or is alone (boot).
 */
#ifndef LOADER_ARENA_H
#define LOADER_ARENA_H

#include <stddef.h>

void *arena_alloc(size_t len); /* zeroed, 16-byte aligned; NULL: no memory */
void arena_free(void *p);      /* NULL is fine */
void *arena_grow(void *p, size_t old_len, size_t len); /* alloc, copy, free; on NULL p stays */
char *arena_text(const char *s);
size_t arena_used(void); /* bytes handed out and not freed: for the fault tests */

#endif

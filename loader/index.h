/* SPDX-License-Identifier: MIT */
/*
 * index: one hash table over the symbol tables of many images.
 *
 * Without it a lookup asks every image of a scope in turn, and a thousand libraries that refer to each
 * other cost a thousand times a thousand questions.  The index says which image of the list is the first
 * that can define a name, from the hash values that DT_GNU_HASH stores already; the answer itself still
 * comes from that image's own table, by the ordinary rules.
 *
 * Built by scope.c, constant once published, read without a lock.
 */
#ifndef LOADER_INDEX_H
#define LOADER_INDEX_H

#include "hash.h"
#include "image.h"

struct index;

/* Over im[0..n).  NULL: no memory.  NEEDS_LOCK. */
struct index *index_new(struct image *const *im, unsigned n);

/* The images it covers. */
unsigned index_len(const struct index *x);

/*
 * The position of the first image that has this hash, index_len() when none has.  *sym: the symbol that
 * has it there, to be tried first; 0: not known.
 */
unsigned index_first(const struct index *x, uint32_t gnu, uint32_t *sym);

/* Does asking it mean waiting for memory? */
bool index_is_large(const struct index *x);

/* The place where index_first will begin, into the cache. */
void index_prefetch(const struct index *x, uint32_t gnu);

/* How many symbols the images define, as far as their tables say without being walked: what it costs. */
size_t index_cost(struct image *const *im, unsigned n);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * scope: ordered lists of images, chains of such lists, and lookup through them.
 *
 * A scope_list is published by one pointer and never changes its first n entries: appending either fills
 * spare room and then raises n (release; partner: the acquire load in readers), or publishes a copy.
 * Readers hold an epoch.  The caller of a writing function holds the loader lock.
 */
#ifndef LOADER_SCOPE_H
#define LOADER_SCOPE_H

#include "hash.h"
#include "image.h"

struct scope_list {
	atomic_uint n;
	unsigned cap;
	struct image *im[];
};

struct scope { /* a list that can grow and be replaced */
	_Atomic(struct scope_list *) list;
};

struct scope_chain { /* constant once published */
	unsigned n;
	_Atomic(struct scope_list *) *scope[]; /* each is a space's global list or an image's search list */
};

/* A namespace.  The base one is libc's; others share libc's own libraries. */
struct unique;
struct space {
	struct space *next;
	long id; /* Lmid_t */
	struct image *first, *last; /* load order */
	_Atomic(struct scope_list *) global;
	struct unique *unique; /* STB_GNU_UNIQUE: name -> first definition; arena hash table */
	unsigned nunique, capunique;
};

struct sym_found {
	struct image *im; /* NULL: not found */
	const elf_sym *sym;
};

/* First match in one list, starting at index `from`.  Reader. */
bool scope_find_in(struct scope_list *list, unsigned from, struct sym_request *rq,
		   struct sym_found *out);

/* Through im's own chain: what a reference in im means.  DT_SYMBOLIC is im first.  Reader. */
bool scope_find(const struct image *im, struct sym_request *rq, struct sym_found *out);

/*
 * The first definition of a STB_GNU_UNIQUE symbol of this space: `found` itself when it is the first
 * (it is then entered and its image pinned).  NEEDS_LOCK; false: no memory.
 */
bool scope_unique(struct space *sp, const char *name, struct sym_found *found);
void scope_unique_forget(struct space *sp, const struct image *im);

/* Writers.  NEEDS_LOCK. */
struct scope_list *scope_list_new(unsigned cap);
bool scope_reserve(_Atomic(struct scope_list *) *list, unsigned extra); /* room for so many appends */
void scope_append(_Atomic(struct scope_list *) *list, struct image *im); /* cannot fail after reserve */
void scope_remove(_Atomic(struct scope_list *) *list, const struct image *im); /* in place, if need be */
bool scope_contains(struct scope_list *list, const struct image *im);

/* im's chain gets one more list (a new root's closure) / loses it. */
bool scope_chain_add(struct image *im, _Atomic(struct scope_list *) *list, bool first);
void scope_chain_drop(struct image *im, _Atomic(struct scope_list *) *list);

/*
 * Sorts dependents before dependencies as glibc 2.35+ does (depth first, reverse post-order), so that
 * constructor and destructor orders agree with libc's.  for_fini also follows bindings.
 */
void scope_sort(struct image **im, unsigned n, bool keep_first, bool for_fini);

#endif

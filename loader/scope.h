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

struct index;
struct scope_list {
	atomic_uint n;
	unsigned cap;
	_Atomic(struct index *) index; /* over the first so many; NULL: none */
	size_t lookups;		       /* expected since the index was made.  NEEDS_LOCK */
	struct image *im[];
};

struct scope_chain { /* constant once published */
	unsigned n;
	_Atomic(struct scope_list *) *scope[]; /* each is a space's global list or an image's search list */
};

/* A namespace.  The base one is libc's; others share libc's own libraries. */
struct unique_table;
struct space {
	struct space *next;
	long id; /* Lmid_t */
	struct image *first, *last; /* load order */
	_Atomic(struct scope_list *) global;
	unsigned users;	   /* dlmopens under way in it: it stays though empty */
	unsigned promised; /* room in global that loads whose constructors run have reserved */
	_Atomic(struct unique_table *) unique; /* STB_GNU_UNIQUE: name -> first definition */
};

struct sym_found {
	struct image *im; /* NULL: not found */
	const elf_sym *sym;
};

/* libdlrs' own image: what it exports stands in for the same name of libc's family. */
extern struct image *scope_self;

/* libc's image; in a static program, the program. */
extern struct image *scope_libc;

/* First match in one list, starting at index `from`.  Reader. */
bool scope_find_in(struct scope_list *list, unsigned from, struct sym_request *rq,
		   struct sym_found *out);

/* Through im's own chain: what a reference in im means.  DT_SYMBOLIC is im first.  Reader. */
bool scope_find(const struct image *im, struct sym_request *rq, struct sym_found *out);

/*
 * Namespaces share libc, whose variables are where libc finds them: a copy that the program has
 * (R_X86_64_COPY) comes before the original.  Corrects what a list of im's gave.  Reader.
 */
void scope_find_copy(const struct image *im, struct sym_request *rq, struct sym_found *out);

/* Does im's chain have an index that is larger than the caches near the CPU? */
bool scope_is_large(const struct image *im);

/*
 * What scope_find will read, step after step: each finds in the cache what the one before asked for.  The
 * hint that it leaves in rq is good for as long as the lock is held.  NEEDS_LOCK.
 */
enum scope_step { SCOPE_FETCH_INDEX, SCOPE_FETCH_IMAGE, SCOPE_FETCH_SYMBOL, SCOPE_FETCH_NAME };
void scope_prefetch(const struct image *im, struct sym_request *rq, enum scope_step step);

/* Writers.  NEEDS_LOCK. */
struct scope_list *scope_list_new(unsigned cap);
void scope_list_free(struct scope_list *list); /* one that no reader can see; NULL is fine */

/* So many lookups are coming: gives the list an index if that pays.  Without memory it does without. */
void scope_expect(struct scope_list *list, size_t lookups);

bool scope_reserve(_Atomic(struct scope_list *) *list, unsigned extra); /* room for so many appends */
void scope_append(_Atomic(struct scope_list *) *list, struct image *im); /* cannot fail after reserve */
void scope_prune(_Atomic(struct scope_list *) *list); /* drops all images past IMAGE_READY */
bool scope_contains(struct scope_list *list, const struct image *im);

/*
 * im's chain with one more list (a new root's closure), to be published when nothing can fail any more.
 * False: no memory.  *out is NULL when the list is there already.
 */
bool scope_chain_with(struct image *im, _Atomic(struct scope_list *) *list, struct scope_chain **out);
void scope_chain_publish(struct image *im, struct scope_chain *chain);
void scope_chain_drop(struct image *im, _Atomic(struct scope_list *) *list);

/*
 * Sorts dependents before dependencies as glibc 2.35+ does (depth first, reverse post-order), so that
 * constructor and destructor orders agree with libc's.  keep_first: im[0] stays first.  for_fini also
 * follows bindings.  A host that does not sort so descends from the root alone.  False: no memory.
 * NEEDS_LOCK.
 */
bool scope_sort(struct image **im, unsigned n, bool keep_first, bool for_fini);

#endif

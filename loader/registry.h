/* SPDX-License-Identifier: MIT */
/*
 * registry: the process-wide truth about images: names, files, namespaces, counters, and which of them
 * libc loaded.
 *
 * Identity is (device, inode), or a name that was given before; never the basename.  All functions
 * NEEDS_LOCK unless they say otherwise.
 */
#ifndef LOADER_REGISTRY_H
#define LOADER_REGISTRY_H

#include "image.h"
#include "scope.h"

struct registry {
	struct space base;	 /* and base.next...: all namespaces */
	struct image *program;	 /* the executable */
	struct image *libdlrs;	 /* ourselves */
	atomic_ulong adds, subs; /* images of ours that came and went: dlpi_adds, dlpi_subs */
	_Atomic uint64_t host_generation; /* host_generation() at the last adoption */
	unsigned nimage;		  /* live ones, host's too */
};
extern struct registry registry;

/* By a name that was asked for or is its soname; by file.  NULL: not loaded there. */
struct image *registry_by_name(struct space *sp, const char *name);
struct image *registry_by_file(struct space *sp, uint64_t dev, uint64_t ino);

/* One of that file whose destructors run just now. */
struct image *registry_dying(struct space *sp, uint64_t dev, uint64_t ino);

bool registry_name(struct image *im, const char *name); /* one more name; false: no memory */
void registry_add(struct image *im); /* commit: into its space's list, visible to by_file */
void registry_remove(struct image *im);			/* from lists and tables */
void registry_forget(struct image *im); /* the names of one that was never added */

/*
 * A namespace, by its id (NULL: no such) or a new one (NULL: no memory).  It stays, though it be empty, until
 * registry_space_leave; then, or when its last image goes, registry_space_tidy frees it.
 */
struct space *registry_space(long id);
struct space *registry_space_new(void);
void registry_space_leave(struct space *sp);
void registry_space_tidy(void);

/*
 * The definition that comes after ours in the program's global scope: libc's, or that of somebody else who
 * stands in front of libc (a sanitizer's) and must be told.  0: none.  Reader: start-up images never go.
 */
uintptr_t registry_next(const char *name);

/* An image's own closure, breadth first, into im->search; built on first use.  False: no memory. */
bool registry_search(struct image *im);

#endif

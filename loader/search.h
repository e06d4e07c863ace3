/* SPDX-License-Identifier: MIT */
/*
 * search: from a name to an open file with checked headers.
 *
 * The order of directories is the host's (search.c).  With glibc (dl-load.c): a name with a slash is a
 * path, after expansion of $ORIGIN $LIB $PLATFORM.  Else: DT_RPATH of the caller and its loaders up to
 * the program unless the caller has DT_RUNPATH, LD_LIBRARY_PATH as captured at start, DT_RUNPATH of the
 * caller, /etc/ld.so.cache, default directories; in each directory the hwcaps subdirectories first.  A
 * file of the wrong class or machine is passed over; a damaged one ends the search with an error.
 */
#ifndef LOADER_SEARCH_H
#define LOADER_SEARCH_H

#include "diag.h"
#include "dir.h"
#include "file.h"
#include "image.h"

enum { SEARCH_PATH_MAX = DIR_NAME_MAX };

struct search {
	const char *name;	    /* as asked */
	const struct image *caller; /* whose reference it is; the program when unknown */
	bool is_needed;		    /* DT_NEEDED rather than dlopen's argument */
	const struct image *program;
	char path[SEARCH_PATH_MAX]; /* out: the path that was opened */
	char tried[1024];	    /* out, on failure: the directories, for the message; may be cut */
};

/*
 * Opens.  f->path is s->path.  DIAG_NOT_FOUND with glibc's words otherwise (the caller appends who
 * needed it).  NEEDS_LOCK.
 */
bool search_open(struct search *s, struct file *f, struct diag *d);

/* For dlinfo(RTLD_DI_SERINFO): calls each() for every directory in search order.  NEEDS_LOCK. */
void search_each_dir(const struct image *caller, const struct image *program,
		     void (*each)(const char *dir, size_t len, void *), void *arg);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * dir: one record per directory of the search paths: whether it exists, and which subdirectories for CPU
 * features it has.
 *
 * All functions NEEDS_LOCK.
 */
#ifndef LOADER_DIR_H
#define LOADER_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIR_NAME_MAX = 4096 };

struct dir {
	struct dir *chain;
	size_t len;	 /* with the slash at its end; 0: the current directory */
	unsigned serial; /* search.c: the last list that it was met in */
	bool probed, exists;
	uint32_t subs; /* bit i: hwcaps[i] exists in it */
	char name[];
};

/* The one record of a directory, trailing slashes aside; NULL: no memory, or a name too long. */
struct dir *dir_intern(const char *name, size_t len);

/* Fills exists and subs. */
void dir_probe(struct dir *dir);

/* Forgets all of them.  For tests. */
void dir_forget(void);

#endif

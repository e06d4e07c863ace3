/* SPDX-License-Identifier: MIT */
/*
 * deep: what RTLD_DEEPBIND must not take from the process: its allocator and its sanitizer.
 *
 * A library that binds deeply prefers its own symbols and those of its dependencies, libc among them.  Taken
 * literally that gives it another malloc than the rest of a program with jemalloc or AddressSanitizer has,
 * and the first block that one side frees for the other ends the process.
 */
#ifndef LOADER_DEEP_H
#define LOADER_DEEP_H

#include "image.h"

/*
 * `definer` is the first in the global scope that defines `name`: does that definition hold for the whole
 * process, also for those that bind deeply?  So it is where somebody replaced malloc's family or operator
 * new and delete, and where a sanitizer intercepts a function.  Reader.
 */
bool deep_shared(const struct image *definer, const char *name);

#endif

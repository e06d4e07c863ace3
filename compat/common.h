/* SPDX-License-Identifier: MIT */
/*
 * common: what libcs have in common, for a library that was built for another one than the process has.
 *
 * For the styles of this folder.  Constant tables; no call, no allocation.
 */
#ifndef COMPAT_COMMON_H
#define COMPAT_COMMON_H

#include <stdbool.h>

/* Is the name in a list whose names end with a NUL each, and which ends with an empty one? */
bool host_listed(const char *list, const char *name);

/* Does this symbol mean the same in every libc, down to the layout of what it is given? */
bool host_common_symbol(const char *name);

#endif

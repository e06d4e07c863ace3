/* SPDX-License-Identifier: MIT */
/*
 * exit: destructors of the images that are still open when the process ends, in libc's order.
 *
 * exit_run is our own destructor's.  Where libc would run them before the program's, that is too late:
 * exit_arm, after every dlopen of a root, sees to it that the program's destructors begin with ours.  Both
 * UNLOCKED.
 */
#ifndef LOADER_EXIT_H
#define LOADER_EXIT_H

#include "image.h"

void exit_arm(const struct image *root);
void exit_run(void);

#endif

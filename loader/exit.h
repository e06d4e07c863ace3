/* SPDX-License-Identifier: MIT */
/*
 * exit: destructors of the images that are still open when the process ends, in libc's order.
 *
 * Called from our own destructor.  Runs foreign code: UNLOCKED.
 */
#ifndef LOADER_EXIT_H
#define LOADER_EXIT_H

void exit_run(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * trap: does a debugger wait for us?
 *
 * Debuggers learn of new libraries by breakpoints in ld.so: gdb at its probe points if it has them, else,
 * as all others, at the function r_brk.  A breakpoint is another instruction in memory than in the file.
 */
#ifndef LOADER_TRAP_H
#define LOADER_TRAP_H

#include <stdbool.h>

/* Finds the places; once, before trap_armed.  NEEDS_LOCK. */
void trap_find(void);

/* Is a breakpoint set?  Two comparisons; anywhere. */
bool trap_armed(void);

/* Has ld.so the probe at which gdb reads the whole list again? */
bool trap_probe(void);

#endif

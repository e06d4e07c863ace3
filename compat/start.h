/* SPDX-License-Identifier: MIT */
/*
 * start: what the process was started with: arguments, environment, the kernel's auxiliary vector, and
 * the options of a loader that was run as a program.
 *
 * For boot.c and static.c, once, at boot.  Reads the initial stack, and /proc where that is not enough;
 * calls nothing.  Whoever finds libc sets host.env_now and host_found.ldso first.
 */
#ifndef COMPAT_START_H
#define COMPAT_START_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Fills argc, argv, envp, secure, page, platform, vdso and valgrind of `host`, and the library path of
 * host_found.  False: nothing of it was found.
 */
bool host_start_read(void);

/* An entry of the vector as the kernel keeps it; 0: not there. */
uintptr_t host_start_entry(uintptr_t type);

/* A block that stays, zeroed: the arena is not ready at boot.  NULL: no memory. */
char *host_start_keep(size_t len);

#endif

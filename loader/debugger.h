/* SPDX-License-Identifier: MIT */
/*
 * debugger: what gdb and lldb see of our images.
 *
 * Ours stand in the list that starts at r_debug.r_map, in front of libc's second entry; libc's own walk
 * starts at its own first entry and never meets them.  A debugger that waits is told of each change
 * before the constructors run, and before a closed library is unmapped; when none waits a change is a few
 * stores.
 */
#ifndef LOADER_DEBUGGER_H
#define LOADER_DEBUGGER_H

#include "image.h"

/* Makes the list whole from its first entry, the program's handle.  NEEDS_LOCK. */
void debugger_ready(void);

/* Shows new images, or makes debugger_tell do it when a debugger waits.  Commit; NEEDS_LOCK. */
void debugger_add(struct image *const *im, unsigned n);

/* Their destructors have run and they are about to be unmapped: tells who waits.  UNLOCKED. */
void debugger_closing(struct image *const *im, unsigned n);

/* They are being unmapped.  NEEDS_LOCK; debugger_tell must follow. */
void debugger_remove(struct image *const *im, unsigned n);

/* When it returns, a waiting debugger knows of everything committed before the call.  UNLOCKED. */
void debugger_tell(void);

/* For libdlrs-notify.so: libc's loader lock is held, the debugger may be shown what has changed. */
void debugger_event(void);

/* Outside the loader lock: nobody of us shall be in libc's dlopen when a process forks. */
bool debugger_fork_prepare(void);     /* the result is for fork_parent */
void debugger_fork_parent(bool mine); /* without the loader lock again */
void debugger_fork_child(void);

#endif

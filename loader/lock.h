/* SPDX-License-Identifier: MIT */
/*
 * lock: the one loader lock, recursive by owner.
 *
 * Taken only by libdl-shim/door.h (and by the adoption callback of loader/registry.c, which runs under
 * libc's lock).  Functions that need it say NEEDS_LOCK.  Order: libc's loader lock, then ours, then the
 * TLS registry's; never the other way round.  No foreign code runs under it but IFUNC resolvers.
 *
 * fork: the handlers hold it over the fork, so the child finds a consistent registry.  A child made
 * behind libc's back (_Fork, clone) may find it held by a thread that does not exist there: the lock
 * remembers its owner's process id and is then taken over.
 */
#ifndef LOADER_LOCK_H
#define LOADER_LOCK_H

#include <stdbool.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../compat/host.h"

#define NEEDS_LOCK /* documentation: call with the loader lock held */

/*
 * Who signs a lock: our process, as far as *known says.  0: not asked yet; negative: that one, or a child of
 * vfork or clone, which has to be asked and is not to be remembered.
 */
static inline int lock_process(atomic_int *known)
{
	int pid = atomic_load_explicit(known, memory_order_relaxed), now;

	if (pid > 0)
		return pid;
	now = host_pid();
	if (!pid || now == -pid)
		atomic_store_explicit(known, now, memory_order_relaxed);
	return now;
}

void lock_enter(void);
void lock_leave(void);
bool lock_try(void); /* false: taken, be it by this thread */
bool lock_mine(void); /* does this thread hold it? */
void lock_begin(int pid); /* the process that this is; negative: perhaps that one, it has to be asked */
void lock_fork_prepare(void);
void lock_fork_parent(void);
void lock_fork_child(void);

/*
 * A place where threads wait for an event under the lock (a constructor that another thread runs).
 * lock_sleep gives the lock up, waits for the next lock_wake_all on it, and takes the lock again at the
 * same depth.
 */
struct lock_event {
	uint32_t serial;  /* partner: lock_wake_all stores, lock_sleep reads under the lock */
	unsigned waiting; /* the lock's: so many sleep, or are about to */
};
void lock_sleep(struct lock_event *);
void lock_wake_all(struct lock_event *);

#endif

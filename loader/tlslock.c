/* SPDX-License-Identifier: MIT */
/*
 * tlslock: the small lock that the tls rooms share.
 *
 * Drepper's mutex 2, as in lock.c, and for the same reasons it can be taken over in a process that was made
 * without fork handlers.  It masks all signals: their handlers may use thread-locals.  It comes below the
 * loader lock.  Must never call libc; nothing foreign runs under it.
 */
#include <stdalign.h>
#include <stdatomic.h>

#include "../arch/arch.h"
#include "../compat/host.h"
#include "lock.h"
#include "tlslock.h"

enum { FREE, HELD, WAITED };
enum { GRACE_NS = 50 * 1000 * 1000 };

static HOST_EARLY struct {
	alignas(64) atomic_uint word;
	atomic_int pid;	    /* the owner's process; written by the owner */
	atomic_uint serial; /* how often taken; written by the owner */
	atomic_int process; /* lock_process */
} lock;

/* It was taken in another process, and that one's thread does not exist here: true, it is ours. */
static bool take_over(void)
{
	unsigned serial = atomic_load_explicit(&lock.serial, memory_order_relaxed);
	uint64_t until = host_nanoseconds() + GRACE_NS;

	atomic_store_explicit(&lock.process, host_pid(), memory_order_relaxed);
	while (host_nanoseconds() < until) {
		if (atomic_load_explicit(&lock.word, memory_order_relaxed) == FREE ||
		    atomic_load_explicit(&lock.serial, memory_order_relaxed) != serial)
			return false;
		host_yield();
	}
	/* Of several waiters one wins.  acquire; partner: the release in unlock. */
	return atomic_compare_exchange_strong_explicit(&lock.serial, &serial, serial + 1,
						       memory_order_acquire, memory_order_relaxed);
}

/* The word is ours.  relaxed: waiters compare these with their own values only. */
static void sign(void)
{
	int pid = lock_process(&lock.process);

	atomic_store_explicit(&lock.pid, pid, memory_order_relaxed);
	atomic_fetch_add_explicit(&lock.serial, 1, memory_order_relaxed);
}

uint64_t tlslock_enter(void)
{
	uint64_t mask = host_mask_signals();
	unsigned want = FREE;
	int pid;

	/* acquire; partner: the release in tlslock_leave */
	if (!atomic_compare_exchange_strong_explicit(&lock.word, &want, HELD, memory_order_acquire,
						     memory_order_relaxed))
		/* acquire; partner: the same */
		while (atomic_exchange_explicit(&lock.word, WAITED, memory_order_acquire) != FREE) {
			pid = atomic_load_explicit(&lock.pid, memory_order_relaxed);
			if (pid && pid != host_pid() && take_over())
				break;
			host_wait((const uint32_t *)&lock.word, WAITED);
		}
	sign();
	return mask;
}

void tlslock_leave(uint64_t mask)
{
	/* release; partners: the acquires in tlslock_enter and take_over */
	if (atomic_exchange_explicit(&lock.word, FREE, memory_order_release) == WAITED)
		host_wake((const uint32_t *)&lock.word, 1);
	host_unmask_signals(mask);
}

void tlslock_begin(int pid)
{
	atomic_store_explicit(&lock.process, pid, memory_order_relaxed);
}

void tlslock_inherit(int pid)
{
	atomic_store_explicit(&lock.process, pid, memory_order_relaxed);
	atomic_store_explicit(&lock.pid, pid, memory_order_relaxed);
	atomic_store_explicit(&lock.word, HELD, memory_order_relaxed); /* waiters stayed behind */
}

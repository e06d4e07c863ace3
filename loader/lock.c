/* SPDX-License-Identifier: MIT */
/*
 * lock: a futex, owned by a thread pointer.
 *
 * Uncontended, entering and leaving are one atomic operation each and no system call.  The word is
 * Drepper's ("Futexes are tricky", mutex 2): 0 free, 1 held, 2 held and somebody may be waiting.
 *
 * A process made by _Fork or clone runs no fork handlers.  If another thread of its parent was inside,
 * the lock is held by nobody.  A waiter sees that it was taken under another process id, and takes it
 * over when nothing has moved for a while: a thread of the new process may also have entered before
 * anybody noticed the new id.
 *
 * Called by the doors, init.c and the adoption callback.  Must never call libc, except through host.h.
 */
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

#include "../arch/arch.h"
#include "../compat/host.h"
#include "lock.h"

enum { FREE, HELD, WAITED };
enum { SPINS = 100, GRACE_NS = 50 * 1000 * 1000 };

static HOST_EARLY struct {
	_Alignas(64) atomic_uint word;
	_Atomic(char *)
		owner;	   /* its thread pointer; only the owner itself can read its own there */
	atomic_int pid;	   /* the process of the owner; written by the owner */
	atomic_uint taken; /* how often; written by the owner: shows a waiter that the lock lives */
	unsigned depth;	   /* the owner's */
	atomic_int process; /* lock_process */
} lock;

static const uint32_t *futex(void)
{
	return (const uint32_t *)&lock.word;
}

/* The word is ours: sign it. */
static void sign(void)
{
	int pid = lock_process(&lock.process);

	/* relaxed: others compare these with their own values only */
	atomic_store_explicit(&lock.owner, arch_tp(), memory_order_relaxed);
	atomic_store_explicit(&lock.pid, pid, memory_order_relaxed);
	atomic_store_explicit(&lock.taken,
			      atomic_load_explicit(&lock.taken, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	lock.depth = 1;
	host_after(&lock);
}

/*
 * The lock was taken in another process.  True: whoever took it does not exist here; the word is ours.
 * False: it moved, somebody here has it.
 */
static bool take_over(void)
{
	unsigned taken = atomic_load_explicit(&lock.taken, memory_order_relaxed);
	uint64_t until = host_nanoseconds() + GRACE_NS;

	atomic_store_explicit(&lock.process, host_pid(), memory_order_relaxed);
	while (host_nanoseconds() < until) {
		if (atomic_load_explicit(&lock.word, memory_order_relaxed) == FREE ||
		    atomic_load_explicit(&lock.taken, memory_order_relaxed) != taken)
			return false;
		host_yield();
	}
	/* Of several waiters one wins: the winner counts up.  acquire; partner: the release in leave. */
	if (!atomic_compare_exchange_strong_explicit(&lock.taken, &taken, taken + 1,
						     memory_order_acquire, memory_order_relaxed))
		return false;
	atomic_store_explicit(&lock.word, WAITED, memory_order_relaxed);
	return true;
}

static void wait_for_it(void)
{
	for (int i = 0; i < SPINS; i++) {
		unsigned want = FREE;

		/* acquire; partner: the release in lock_leave */
		if (atomic_load_explicit(&lock.word, memory_order_relaxed) == FREE &&
		    atomic_compare_exchange_weak_explicit(
			    &lock.word, &want, HELD, memory_order_acquire, memory_order_relaxed))
			return;
		arch_pause();
	}
	/* acquire; partner: the release in lock_leave */
	while (atomic_exchange_explicit(&lock.word, WAITED, memory_order_acquire) != FREE) {
		int pid = atomic_load_explicit(&lock.pid, memory_order_relaxed);

		/* 0: its first owner ever is just signing */
		if (pid && pid != host_pid() && take_over())
			return;
		host_wait(futex(), WAITED);
	}
}

void lock_enter(void)
{
	unsigned want = FREE;

	if (lock_mine()) {
		lock.depth++;
		return;
	}
	/* acquire; partner: the release in lock_leave */
	if (!atomic_compare_exchange_strong_explicit(&lock.word, &want, HELD, memory_order_acquire,
						     memory_order_relaxed))
		wait_for_it();
	sign();
}

bool lock_try(void)
{
	unsigned want = FREE;

	/* acquire; partner: the release in lock_leave */
	if (!atomic_compare_exchange_strong_explicit(&lock.word, &want, HELD, memory_order_acquire,
						     memory_order_relaxed))
		return false;
	sign();
	return true;
}

static void release(void)
{
	host_before(&lock);
	atomic_store_explicit(&lock.owner, NULL, memory_order_relaxed);
	/* release; partners: the acquires in lock_enter, wait_for_it and take_over */
	if (atomic_exchange_explicit(&lock.word, FREE, memory_order_release) == WAITED)
		host_wake(futex(), 1);
}

void lock_leave(void)
{
	if (--lock.depth == 0)
		release();
}

bool lock_mine(void)
{
	return atomic_load_explicit(&lock.owner, memory_order_relaxed) == arch_tp();
}

void lock_begin(int pid)
{
	atomic_store_explicit(&lock.process, pid, memory_order_relaxed);
}

void lock_fork_prepare(void)
{
	lock_enter();
}

void lock_fork_parent(void)
{
	lock_leave();
}

void lock_fork_child(void)
{
	/* The thread that forked holds it here, too; those that waited stayed in the parent. */
	atomic_store_explicit(&lock.process, host_pid(), memory_order_relaxed);
	atomic_store_explicit(&lock.pid, host_pid(), memory_order_relaxed);
	atomic_store_explicit(&lock.word, HELD, memory_order_relaxed);
	lock_leave();
}

void lock_sleep(struct lock_event *event)
{
	uint32_t serial = event->serial;
	unsigned depth = lock.depth;

	event->waiting++;
	release();
	host_wait(&event->serial, serial);
	lock_enter();
	lock.depth = depth;
	event->waiting--;
}

void lock_wake_all(struct lock_event *event)
{
	event->serial++;
	if (event->waiting)
		host_wake(&event->serial, INT_MAX);
}

/* SPDX-License-Identifier: MIT */
/*
 * epoch: counters of readers, in stripes so that threads do not share a cache line.
 *
 * A reader counts itself in under the current parity and out under the same.  A writer waits twice: it
 * turns the parity and waits for the side that was current, then once more for the other side, because
 * a reader may have read the parity long before it counted itself in.
 *
 * The writer must see the count of a reader that still saw the old pointer.  A locked increment is a
 * full barrier on some CPUs only, so the writer asks the kernel for a barrier in all threads; where the
 * kernel has none, readers make their own from then on.
 *
 * Readers are everywhere, also in signal handlers; writers hold the loader lock.  Must never block.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../arch/arch.h"
#include "../compat/host.h"
#include "arena.h"
#include "epoch.h"

enum { STRIPE_BITS = 5, STRIPES = 1 << STRIPE_BITS };
enum { SPINS = 100, YIELDS = 300, TIDY = 64 };
enum { YIELDING = 20000000 }; /* nanoseconds; on a busy CPU each yield may take a time slice */

/* A token: parity, whether it counts in a stripe, and the number of forks before it was given out. */
enum { TOKEN_SHARED = 2, TOKEN_FORKS = 2 };

struct stripe {
	_Alignas(64) atomic_uint inside[2]; /* by parity; partner: the loads in drain() */
};

struct retired {
	struct retired *next;
	void *p;
};

static struct stripe stripes[STRIPES];
static HOST_EARLY atomic_uint used; /* stripes that somebody has counted in; partner: drained()'s load */
/* Partners: epoch_register's release, drained()'s acquire. */
static HOST_EARLY _Atomic(struct epoch_reader *) readers;
static atomic_uint parity;		       /* written by epoch_quiet() under the loader lock */
static HOST_EARLY atomic_uint forks;	       /* written in a forked child */
static atomic_bool fences;		       /* readers must make their own barrier */
static struct retired *limbo;		       /* the loader lock's */
static unsigned nlimbo;
static struct epoch_reader *ignored; /* the loader lock's */

/* atomic_thread_fence by its older name: GCC refuses the new one under the thread sanitizer. */
static void fence(void)
{
	__sync_synchronize();
}

static unsigned stripe_of_thread(void)
{
	/* Thread pointers differ by whole stacks: mix the page number. */
	uint32_t page = (uint32_t)((uintptr_t)arch_tp() >> 12);

	return page * 0x9e3779b1u >> (32 - STRIPE_BITS);
}

void epoch_register(struct epoch_reader *own)
{
	struct epoch_reader *first = atomic_load_explicit(&readers, memory_order_relaxed);

	if (own->registered)
		return;
	own->registered = true;
	do
		own->next = first;
	while (!atomic_compare_exchange_weak_explicit(&readers, &first, own, memory_order_release,
						      memory_order_relaxed));
}

static unsigned enter_shared(unsigned side)
{
	unsigned s = stripe_of_thread();

	if (!(atomic_load_explicit(&used, memory_order_relaxed) >> s & 1))
		atomic_fetch_or_explicit(&used, 1u << s, memory_order_seq_cst);
	/* partner: the barrier in epoch_quiet(), then drain() */
	atomic_fetch_add_explicit(&stripes[s].inside[side], 1, memory_order_seq_cst);
	return side | TOKEN_SHARED |
	       atomic_load_explicit(&forks, memory_order_relaxed) << TOKEN_FORKS;
}

/* Only its own thread writes the counter; a signal handler that comes between leaves it as it was. */
static void count(atomic_uint *inside, unsigned by)
{
	unsigned n = atomic_load_explicit(inside, memory_order_relaxed);

	/* release; partner: the acquire load in drain() */
	atomic_store_explicit(inside, n + by, memory_order_release);
}

unsigned epoch_enter(struct epoch_reader *own)
{
	unsigned side = atomic_load_explicit(&parity, memory_order_relaxed), token = side;

	if (own)
		count(&own->inside[side], 1);
	else
		token = enter_shared(side);
	/* What follows is not read before the count is seen: the writer's membarrier is the other half. */
	atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&fences, memory_order_relaxed))
		fence(); /* partner: the fence in barrier() */
	return token;
}

void epoch_leave(struct epoch_reader *own, unsigned token)
{
	unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);

	if (!(token & TOKEN_SHARED)) {
		count(&own->inside[token & 1], -1u);
		return;
	}
	/* A forked child began with nobody in the stripes, whatever its parent's counts were. */
	if (token >> TOKEN_FORKS == (now & UINT32_MAX >> TOKEN_FORKS))
		/* release; partner: the acquire load in drain() */
		atomic_fetch_sub_explicit(&stripes[stripe_of_thread()].inside[token & 1], 1,
					  memory_order_release);
}

unsigned epoch_walk(struct epoch_reader *own)
{
	unsigned token = epoch_enter(own);

	if (own)
		own->walks[token & 1]++;
	return token;
}

void epoch_walked(struct epoch_reader *own, unsigned token)
{
	if (own)
		own->walks[token & 1]--;
	epoch_leave(own, token);
}

void epoch_ignore(struct epoch_reader *own)
{
	ignored = own;
}

/* Waits until no more than `rest` are inside. */
static bool drain(atomic_uint *inside, unsigned rest)
{
	uint64_t began = 0;

	/* acquire; partners: count(), enter_shared(), epoch_leave() */
	for (unsigned turn = 0; atomic_load_explicit(inside, memory_order_acquire) > rest; turn++) {
		if (turn < SPINS) {
			arch_pause();
			continue;
		}
		if (turn == SPINS)
			began = host_nanoseconds();
		if (turn >= SPINS + YIELDS || host_nanoseconds() - began > YIELDING)
			return false;
		host_yield();
	}
	return true;
}

static bool drained(unsigned side)
{
	struct epoch_reader *r = atomic_load_explicit(&readers, memory_order_acquire);
	unsigned rest;

	for (; r; r = r->next)
		if (!drain(&r->inside[side], r == ignored ? r->walks[side] : 0))
			return false;
	/* acquire; partner: the or in enter_shared, which comes before the count. */
	rest = atomic_load_explicit(&used, memory_order_acquire);
	for (; rest; rest &= rest - 1)
		if (!drain(&stripes[__builtin_ctz(rest)].inside[side], 0))
			return false;
	return true;
}

static bool barrier(void)
{
	if (atomic_load_explicit(&fences, memory_order_relaxed)) {
		fence(); /* partner: the fence in epoch_enter */
		return true;
	}
	if (host_membarrier())
		return true;
	atomic_store_explicit(&fences, true, memory_order_seq_cst);
	return false; /* those inside now made no barrier: not this time */
}

bool epoch_quiet(void)
{
	if (!barrier())
		return false;
	for (int i = 0; i < 2; i++) {
		unsigned side = atomic_load_explicit(&parity, memory_order_relaxed);

		atomic_store_explicit(&parity, !side, memory_order_seq_cst);
		if (!drained(side))
			return false;
	}
	if (ignored && ignored->walks[0] + ignored->walks[1])
		ignored->lost++;
	return true;
}

void epoch_retire(void *p)
{
	struct retired *r;

	if (!p)
		return;
	r = arena_alloc(sizeof(*r));
	if (!r) { /* no room to remember it: free it now, or never */
		if (epoch_quiet())
			arena_free(p);
		return;
	}
	*r = (struct retired){.next = limbo, .p = p};
	limbo = r;
	nlimbo++;
}

bool epoch_collect(void)
{
	if (!epoch_quiet())
		return false;
	while (limbo) {
		struct retired *r = limbo;

		limbo = r->next;
		arena_free(r->p);
		arena_free(r);
	}
	nlimbo = 0;
	return true;
}

void epoch_tidy(void)
{
	if (nlimbo > TIDY)
		epoch_collect();
}

void epoch_fork_child(struct epoch_reader *own)
{
	struct epoch_reader *r = atomic_load_explicit(&readers, memory_order_relaxed);
	unsigned rest = atomic_load_explicit(&used, memory_order_relaxed);

	atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
	for (; r; r = r->next)
		for (int side = 0; side < 2 && r != own; side++)
			atomic_store_explicit(&r->inside[side], 0, memory_order_relaxed);
	for (; rest; rest &= rest - 1)
		for (int side = 0; side < 2; side++)
			atomic_store_explicit(&stripes[__builtin_ctz(rest)].inside[side], 0,
					      memory_order_relaxed);
}

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

/* A token: parity, stripe, and the number of forks before it was given out. */
enum { TOKEN_STRIPE = 1, TOKEN_FORKS = 1 + STRIPE_BITS };

struct stripe {
	_Alignas(64) atomic_uint inside[2]; /* by parity; partner: the loads in drained() */
};

struct retired {
	struct retired *next;
	void *p;
};

static struct stripe stripes[STRIPES];
static atomic_uint parity;    /* written by epoch_quiet under the loader lock */
static atomic_uint forks;     /* written in a forked child */
static atomic_bool fences;    /* readers must make their own barrier */
static struct retired *limbo; /* the loader lock's */
static unsigned nlimbo;
static struct epoch_walks *ignored; /* the loader lock's */

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

unsigned epoch_enter(void)
{
	unsigned side = atomic_load_explicit(&parity, memory_order_relaxed);
	unsigned s = stripe_of_thread();

	/* partner: the barrier in epoch_quiet, then drained() */
	atomic_fetch_add_explicit(&stripes[s].inside[side], 1, memory_order_seq_cst);
	if (atomic_load_explicit(&fences, memory_order_relaxed))
		fence(); /* partner: the fence in barrier() */
	return side | s << TOKEN_STRIPE |
	       atomic_load_explicit(&forks, memory_order_relaxed) << TOKEN_FORKS;
}

void epoch_leave(unsigned token)
{
	unsigned s = token >> TOKEN_STRIPE & (STRIPES - 1);

	/* A forked child began with nobody inside, whatever its parent's counts were. */
	if (token >> TOKEN_FORKS !=
	    (atomic_load_explicit(&forks, memory_order_relaxed) & UINT32_MAX >> TOKEN_FORKS))
		return;
	/* release; partner: the acquire load in drained() */
	atomic_fetch_sub_explicit(&stripes[s].inside[token & 1], 1, memory_order_release);
}

unsigned epoch_walk(struct epoch_walks *own)
{
	unsigned token = epoch_enter();

	if (own)
		own->inside[token & 1]++;
	return token;
}

void epoch_walked(struct epoch_walks *own, unsigned token)
{
	if (own)
		own->inside[token & 1]--;
	epoch_leave(token);
}

void epoch_ignore(struct epoch_walks *own)
{
	ignored = own;
}

/* How many of those inside are this thread's own walks, which epoch_ignore named. */
static unsigned own_walks(unsigned s, unsigned side)
{
	return ignored && s == stripe_of_thread() ? ignored->inside[side] : 0;
}

static bool drained(unsigned side, unsigned yields)
{
	for (unsigned s = 0; s < STRIPES; s++) {
		unsigned turn = 0, own = own_walks(s, side);

		/* acquire; partners: the increment in epoch_enter, the decrement in epoch_leave */
		while (atomic_load_explicit(&stripes[s].inside[side], memory_order_acquire) > own) {
			if (turn++ >= SPINS + yields)
				return false;
			if (turn < SPINS)
				arch_pause();
			else
				host_yield();
		}
	}
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

static bool quiet(unsigned yields)
{
	if (!barrier())
		return false;
	for (int i = 0; i < 2; i++) {
		unsigned side = atomic_load_explicit(&parity, memory_order_relaxed);

		atomic_store_explicit(&parity, !side, memory_order_seq_cst);
		if (!drained(side, yields))
			return false;
	}
	if (ignored && ignored->inside[0] + ignored->inside[1])
		ignored->lost++;
	return true;
}

bool epoch_quiet(void)
{
	return quiet(YIELDS);
}

static void free_limbo(void)
{
	while (limbo) {
		struct retired *r = limbo;

		limbo = r->next;
		nlimbo--;
		arena_free(r->p);
		arena_free(r);
	}
}

void epoch_retire(void *p)
{
	struct retired *r;

	if (!p)
		return;
	r = arena_alloc(sizeof(*r));
	if (!r) { /* no room to remember it: free it now, or never */
		if (quiet(YIELDS))
			arena_free(p);
		return;
	}
	*r = (struct retired){.next = limbo, .p = p};
	limbo = r;
	nlimbo++;
}

void epoch_collect(void)
{
	if (limbo && quiet(0))
		free_limbo();
}

void epoch_tidy(void)
{
	if (nlimbo > TIDY)
		epoch_collect();
}

void epoch_fork_child(void)
{
	atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
	for (unsigned s = 0; s < STRIPES; s++)
		for (int side = 0; side < 2; side++)
			atomic_store_explicit(&stripes[s].inside[side], 0, memory_order_relaxed);
}

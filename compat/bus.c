/* SPDX-License-Identifier: MIT */
/*
 * bus: SIGBUS, the kernel's answer to a read of what a file no longer has.
 *
 * A load asks for it for some microseconds at a time, under the loader lock (loader/guard.c).  The action is
 * the whole process's, so meanwhile other threads' faults arrive here too: they go on to the action that we
 * found, as if the kernel had chosen it.
 *
 * A thread that asks for the old action just then is given ours, and will call it from a handler of its own,
 * or put it back, when nobody waits for anything here any more: it means whom we had found then.  So every
 * action that was ever found has a stand-in of its own, which stands for that one for ever.  A program with
 * more actions than we have stand-ins is not guarded while it has one of the others.
 *
 * A thread that blocks SIGBUS dies of such a fault, as ever.
 *
 * Must never call libc, allocate, or report.
 */
#include "host.h"

#include "../arch/arch.h"
#include "kernel.h"

#include <signal.h>
#include <stdatomic.h>

/* The kernel's struct sigaction, which is not libc's. */
struct action {
	uintptr_t handler; /* SIG_DFL, SIG_IGN or a function */
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

typedef void handler(int sig, siginfo_t *info, void *context);

enum { RESTORER = 0x4000000, ENTRIES = 8, NONE = ENTRIES };

/* Written before the kernel first hears of the entry; partner: whoever it calls. */
static struct action found[ENTRIES];
static unsigned nfound;		      /* NEEDS_LOCK */
static unsigned current = NONE;	      /* the entry that the kernel has.  NEEDS_LOCK */
static handler *const entry[ENTRIES]; /* the functions below */

static bool (*heal)(uintptr_t);
static _Atomic(char *) owner; /* the thread pointer of who waits for it; NULL: nobody */

static void change(const struct action *to, struct action *was)
{
	KERNEL(rt_sigaction, SIGBUS, to, was, sizeof to->mask, 0, 0);
}

static void mask(int how, uint64_t set)
{
	KERNEL(rt_sigprocmask, how, &set, 0, sizeof set, 0, 0);
}

static bool is_handler(const struct action *a)
{
	return a->handler != (uintptr_t)SIG_DFL && a->handler != (uintptr_t)SIG_IGN;
}

/* What the kernel does where there is no handler: a fault cannot be ignored, what somebody sent can. */
static void pass_to_kernel(const struct action *a, const siginfo_t *info)
{
	struct action normal = {.flags = RESTORER, .restorer = arch_sigreturn};
	bool sent = info->si_code <= 0 || info->si_code == BUS_MCEERR_AO;

	if (sent && a->handler == (uintptr_t)SIG_IGN)
		return;
	change(&normal, NULL);
	if (sent) /* comes when this handler returns; a fault comes by itself */
		KERNEL(tgkill, host_pid(), host_tid(), SIGBUS, 0, 0, 0);
}

static void pass_on(struct action *to, int sig, siginfo_t *info, void *context)
{
	struct action a = *to;

	if (!is_handler(&a)) {
		pass_to_kernel(&a, info);
		return;
	}
	mask(SIG_BLOCK, a.mask);
	if (a.flags & SA_NODEFER)
		mask(SIG_UNBLOCK, 1ull << (SIGBUS - 1));
	if (a.flags & (unsigned)SA_RESETHAND)
		to->handler = (uintptr_t)SIG_DFL;
	((handler *)a.handler)(sig, info, context);
}

static void on_bus(unsigned i, int sig, siginfo_t *info, void *context)
{
	/* Only the owner's own store can be equal: nothing to acquire. */
	bool ours = atomic_load_explicit(&owner, memory_order_relaxed) == arch_tp();

	if (!ours || info->si_code != BUS_ADRERR || !heal((uintptr_t)info->si_addr))
		pass_on(&found[i], sig, info, context);
}

#define ENTRY(i)                                                                                   \
	static void on_bus_##i(int sig, siginfo_t *info, void *context)                            \
	{                                                                                          \
		on_bus(i, sig, info, context);                                                     \
	}
ENTRY(0) ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6) ENTRY(7)
static handler *const entry[ENTRIES] = {on_bus_0, on_bus_1, on_bus_2, on_bus_3,
					on_bus_4, on_bus_5, on_bus_6, on_bus_7};

/* Interrupts system calls, and runs on the stack, that the action which it stands for would. */
static struct action stand_in(unsigned i)
{
	const struct action *a = &found[i];
	unsigned long flags = is_handler(a) ? a->flags & (SA_RESTART | SA_ONSTACK) : SA_RESTART;

	return (struct action){(uintptr_t)entry[i], flags | SA_SIGINFO | RESTORER, arch_sigreturn, 0};
}

static bool same(const struct action *a, const struct action *b)
{
	return a->handler == b->handler && a->flags == b->flags && a->mask == b->mask;
}

/* The stand-in of an action; it may be one itself, which somebody put back.  NONE: there is none left. */
static unsigned entry_for(const struct action *a)
{
	for (unsigned i = 0; i < nfound; i++)
		if (a->handler == (uintptr_t)entry[i] || same(a, &found[i]))
			return i;
	if (nfound == ENTRIES)
		return NONE;
	found[nfound] = *a;
	return nfound++;
}

void host_bus_begin(bool (*ask)(uintptr_t at))
{
	struct action was = {0}, put;
	uintptr_t expected;

	change(NULL, &was);
	current = entry_for(&was);
	if (current == NONE)
		return;
	expected = was.handler;
	for (put = stand_in(current);; put = stand_in(current)) {
		change(&put, &was);
		if (was.handler == expected)
			break;
		/* somebody has changed it in between */
		expected = put.handler;
		current = entry_for(&was);
		if (current == NONE) {
			change(&was, NULL);
			return;
		}
	}
	heal = ask;
	atomic_store_explicit(&owner, arch_tp(), memory_order_relaxed);
}

void host_bus_end(void)
{
	struct action put, was = {0};
	uintptr_t expected;

	if (current == NONE)
		return;
	atomic_store_explicit(&owner, NULL, memory_order_relaxed);
	put = found[current];
	expected = (uintptr_t)entry[current];
	for (change(&put, &was); was.handler != expected; change(&put, &was)) {
		expected = put.handler; /* somebody took it meanwhile: that stays */
		put = was;
	}
	current = NONE;
}

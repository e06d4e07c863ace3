/* SPDX-License-Identifier: MIT */
/*
 * bus: SIGBUS, the kernel's answer to a read of what a file no longer has.
 *
 * A load asks for it for some microseconds at a time, under the loader lock (loader/guard.c).  The action is
 * the whole process's, so meanwhile other threads' faults arrive here too: they go on to the action that we
 * found, as if the kernel had chosen it.
 *
 * A thread that asks for the old action just then is given ours, and will call it from a handler of its own,
 * or put it back, when nobody waits for anything here any more.  It means whom we had found then.
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

enum { RESTORER = 0x4000000 };

/* Written under the loader lock, read by any thread's handler. */
static struct action found;  /* who has SIGBUS when we have not */
static struct action before; /* who had it before him, as far as we know */
static bool taken;	     /* he took it while it was ours, and so may know of us.  NEEDS_LOCK */
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

static void on_bus(int sig, siginfo_t *info, void *context);

static bool is_ours(const struct action *a)
{
	return a->handler == (uintptr_t)on_bus;
}

/* What the kernel does where there is no handler: a fault cannot be ignored, what somebody sent can. */
static void pass_to_kernel(const struct action *a, const siginfo_t *info)
{
	struct action normal = {.flags = RESTORER, .restorer = arch_sigreturn};

	if (info->si_code <= 0 && a->handler == (uintptr_t)SIG_IGN)
		return;
	change(&normal, NULL);
	if (info->si_code <= 0) /* comes when this handler returns; a fault comes by itself */
		KERNEL(tgkill, host_pid(), host_tid(), SIGBUS, 0, 0, 0);
}

/* The kernel means whom we found; a handler that took us for the one before itself means that one. */
static struct action *meant(bool by_kernel)
{
	struct action now;

	if (by_kernel)
		return &found;
	change(NULL, &now);
	return is_ours(&now) || now.handler == found.handler ? &before : &found;
}

static void pass_on(int sig, siginfo_t *info, void *context, bool by_kernel)
{
	struct action *to = meant(by_kernel), a = *to;

	if (!is_handler(&a)) {
		pass_to_kernel(&a, info);
		return;
	}
	mask(SIG_BLOCK, a.mask);
	if (a.flags & SA_NODEFER)
		mask(SIG_UNBLOCK, 1ull << (SIGBUS - 1));
	if (a.flags & (unsigned)SA_RESETHAND)
		to->handler = (uintptr_t)SIG_DFL;
	((void (*)(int, siginfo_t *, void *))a.handler)(sig, info, context);
	__asm__ volatile(""); /* no jump: should it call us, it must not look like the kernel */
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
	/* A call of the kernel's returns to the address that it was given; valgrind has another one. */
	bool by_kernel = host.valgrind || __builtin_return_address(0) == (void *)arch_sigreturn;
	/* Only the owner's own store can be equal: nothing to acquire. */
	bool ours = atomic_load_explicit(&owner, memory_order_relaxed) == arch_tp();

	if (!ours || info->si_code != BUS_ADRERR || !heal((uintptr_t)info->si_addr))
		pass_on(sig, info, context, by_kernel);
}

/* Interrupts system calls, and runs on the stack, that the action which it stands for would. */
static struct action stand_in(const struct action *a)
{
	unsigned long flags = is_handler(a) ? a->flags & (SA_RESTART | SA_ONSTACK) : SA_RESTART;

	return (struct action){(uintptr_t)on_bus, flags | SA_SIGINFO | RESTORER, arch_sigreturn, 0};
}

static void take(const struct action *was)
{
	if (is_ours(was)) { /* somebody put us back */
		found = taken ? before : found;
		taken = false;
		return;
	}
	if (was->handler != found.handler)
		before = found;
	found = *was;
}

void host_bus_begin(bool (*ask)(uintptr_t at))
{
	struct action ours, was = {0};

	change(NULL, &was); /* before the first signal can come here */
	take(&was);
	ours = stand_in(&found);
	change(&ours, &was);
	if (!is_ours(&was))
		take(&was);
	heal = ask;
	atomic_store_explicit(&owner, arch_tp(), memory_order_relaxed);
}

void host_bus_end(void)
{
	struct action put = found, was = {0};
	uintptr_t expected = (uintptr_t)on_bus;

	atomic_store_explicit(&owner, NULL, memory_order_relaxed);
	for (change(&put, &was); was.handler != expected; change(&put, &was)) {
		take(&was); /* while it was ours: that stays */
		taken = true;
		expected = put.handler;
		put = was;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * bus: SIGBUS, the kernel's answer to a read of what a file no longer has.
 *
 * A load asks for it for some microseconds at a time, under the loader lock (loader/guard.c).  The action is
 * the whole process's, so meanwhile other threads' faults arrive here too, and a thread that asks for the
 * old action just then will later call ours, or put it back.  So whatever is not for us goes on to the
 * action that we found, as if the kernel had chosen it, also when nobody waits for anything here any more.
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

static struct action found; /* who had SIGBUS before us.  NEEDS_LOCK; read by any thread's handler */
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

	if (info->si_code <= 0 && a->handler == (uintptr_t)SIG_IGN)
		return;
	change(&normal, NULL);
	if (info->si_code <= 0) /* comes when this handler returns; a fault comes by itself */
		KERNEL(tgkill, host_pid(), host_tid(), SIGBUS, 0, 0, 0);
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
	struct action a = found;

	if (!is_handler(&a)) {
		pass_to_kernel(&a, info);
		return;
	}
	mask(SIG_BLOCK, a.mask);
	if (a.flags & SA_NODEFER)
		mask(SIG_UNBLOCK, 1ull << (SIGBUS - 1));
	if (a.flags & (unsigned)SA_RESETHAND)
		found.handler = (uintptr_t)SIG_DFL;
	((void (*)(int, siginfo_t *, void *))a.handler)(sig, info, context);
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
	/* Only the owner's own store can be equal: nothing to acquire. */
	bool ours = atomic_load_explicit(&owner, memory_order_relaxed) == arch_tp();

	if (!ours || info->si_code != BUS_ADRERR || !heal((uintptr_t)info->si_addr))
		pass_on(sig, info, context);
}

void host_bus_begin(bool (*ask)(uintptr_t at))
{
	static const struct action ours = {
		.handler = (uintptr_t)on_bus,
		.flags = SA_SIGINFO | SA_ONSTACK | RESTORER,
		.restorer = arch_sigreturn,
	};
	struct action was = {0};

	change(NULL, &was); /* before the first signal can come here */
	if (was.handler != (uintptr_t)on_bus) /* else somebody put us back: what we found then is still so */
		found = was;
	change(&ours, &was);
	if (was.handler != (uintptr_t)on_bus)
		found = was;
	heal = ask;
	atomic_store_explicit(&owner, arch_tp(), memory_order_relaxed);
}

void host_bus_end(void)
{
	struct action was = {0};

	atomic_store_explicit(&owner, NULL, memory_order_relaxed);
	change(&found, &was);
	if (was.handler != (uintptr_t)on_bus) /* somebody took it meanwhile */
		change(&was, NULL);
}

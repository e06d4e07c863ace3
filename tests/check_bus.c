/* SPDX-License-Identifier: MIT */
/*
 * check_bus: who gets a SIGBUS while a load waits for it, and who had it before and after.
 *
 * Every case is a child of its own (kit_run), so that its actions are nobody else's.
 */
#include "kit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* A page that its file does not have. */
static volatile char *gap(void)
{
	static int fd = -1;
	char *p;

	if (fd < 0) {
		fd = memfd_create("gap", MFD_CLOEXEC);
		ck_assert(!ftruncate(fd, PAGE));
	}
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	return p + PAGE;
}

static bool fill(uintptr_t at)
{
	return mmap((void *)(at & -PAGE), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) != MAP_FAILED;
}

static unsigned asked;

static bool yes(uintptr_t at)
{
	asked++;
	return fill(at);
}

static bool no(uintptr_t at)
{
	(void)at;
	asked++;
	return false;
}

static struct {
	unsigned calls;
	void *at;
	bool masked, deferred;
} seen;

static void handler(int sig, siginfo_t *info, void *context)
{
	sigset_t now;

	(void)context;
	ck_assert_int_eq(sig, SIGBUS);
	sigprocmask(SIG_BLOCK, NULL, &now);
	seen.calls++;
	seen.at = info->si_addr;
	seen.masked = sigismember(&now, SIGUSR1);
	seen.deferred = sigismember(&now, SIGBUS);
	if (info->si_code > 0)
		fill((uintptr_t)info->si_addr);
}

/* Has the program a handler with these flags; USR1 is blocked in it. */
static void have(int flags)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	sigaddset(&sa.sa_mask, SIGUSR1);
	ck_assert(!sigaction(SIGBUS, &sa, NULL));
	memset(&seen, 0, sizeof(seen));
	asked = 0;
}

static void want_handler(int flags)
{
	struct sigaction sa;

	ck_assert(!sigaction(SIGBUS, NULL, &sa));
	ck_assert(sa.sa_sigaction == handler);
	ck_assert_int_eq(sa.sa_flags & ~0x4000000, SA_SIGINFO | flags); /* libc's own, SA_RESTORER */
	ck_assert(sigismember(&sa.sa_mask, SIGUSR1));
}

START_TEST(ours_alone)
{
	have(SA_NODEFER);
	host_bus_begin(yes);
	ck_assert_int_eq(*gap(), 0);
	*gap() = 5;
	host_bus_end();
	ck_assert_uint_eq(asked, 2);
	ck_assert_uint_eq(seen.calls, 0);
	want_handler(SA_NODEFER);
	ck_assert_int_eq(*gap(), 0);
	ck_assert_uint_eq(asked, 2);
	ck_assert_uint_eq(seen.calls, 1);
}
END_TEST

START_TEST(not_ours_goes_on)
{
	volatile char *p = gap();

	have(0);
	host_bus_begin(no);
	ck_assert_int_eq(*p, 0);
	ck_assert_uint_eq(asked, 1);
	ck_assert_uint_eq(seen.calls, 1);
	ck_assert_ptr_eq(seen.at, (void *)p);
	ck_assert(seen.masked && seen.deferred);
	raise(SIGBUS); /* sent: nobody's memory */
	ck_assert_uint_eq(asked, 1);
	ck_assert_uint_eq(seen.calls, 2);
	host_bus_end();
	want_handler(0);
}
END_TEST

START_TEST(flags_of_the_handler)
{
	struct sigaction sa;

	have(SA_NODEFER);
	host_bus_begin(no);
	ck_assert_int_eq(*gap(), 0);
	ck_assert(seen.masked && !seen.deferred);
	host_bus_end();
	have(SA_RESETHAND);
	host_bus_begin(no);
	ck_assert_int_eq(*gap(), 0);
	ck_assert_uint_eq(seen.calls, 1);
	host_bus_end();
	ck_assert(!sigaction(SIGBUS, NULL, &sa));
	ck_assert(sa.sa_handler == SIG_DFL);
}
END_TEST

static void *touch(void *p)
{
	return (void *)(long)*(volatile char *)p;
}

/* Even where the load's own thread would be helped. */
START_TEST(another_thread)
{
	pthread_t t;

	have(0);
	host_bus_begin(yes);
	ck_assert(!pthread_create(&t, NULL, touch, (void *)gap()));
	ck_assert(!pthread_join(t, NULL));
	host_bus_end();
	ck_assert_uint_eq(asked, 0);
	ck_assert_uint_eq(seen.calls, 1);
}
END_TEST

/* A thread asks for the old action, and puts it back when nobody waits any more; or takes it for good. */
START_TEST(others_change_it)
{
	struct sigaction normal = {.sa_handler = SIG_DFL}, old, now;

	have(0);
	host_bus_begin(yes);
	ck_assert(!sigaction(SIGBUS, &normal, &old));
	host_bus_end();
	ck_assert(!sigaction(SIGBUS, NULL, &now));
	ck_assert(now.sa_handler == SIG_DFL);

	ck_assert(!sigaction(SIGBUS, &old, NULL));
	ck_assert_int_eq(*gap(), 0);
	ck_assert_uint_eq(asked, 0);
	ck_assert_uint_eq(seen.calls, 1);

	host_bus_begin(yes);
	ck_assert_int_eq(*gap(), 0);
	host_bus_end();
	ck_assert_uint_eq(asked, 1);
	ck_assert_uint_eq(seen.calls, 1);
	ck_assert_int_eq(*gap(), 0);
	ck_assert_uint_eq(seen.calls, 2);
}
END_TEST

static struct sigaction older;
static unsigned chained;

static void chain(int sig, siginfo_t *info, void *context)
{
	ck_assert_uint_lt(chained++, 4);
	older.sa_sigaction(sig, info, context);
}

/* A handler that was made while the signal was ours calls us for what it could not do: we know whom it means. */
START_TEST(a_handler_that_chains)
{
	struct sigaction sa = {.sa_sigaction = chain, .sa_flags = SA_SIGINFO};
	pthread_t t;

	have(0);
	host_bus_begin(yes);
	ck_assert(!sigaction(SIGBUS, &sa, &older));
	host_bus_end();
	ck_assert_int_eq(*gap(), 0);
	ck_assert_uint_eq(chained, 1);
	ck_assert_uint_eq(seen.calls, 1);

	host_bus_begin(yes);
	ck_assert_int_eq(*gap(), 0);
	ck_assert_uint_eq(asked, 1);
	ck_assert(!pthread_create(&t, NULL, touch, (void *)gap()));
	ck_assert(!pthread_join(t, NULL));
	host_bus_end();
	ck_assert_uint_eq(asked, 1);
	ck_assert_uint_eq(chained, 2);
	ck_assert_uint_eq(seen.calls, 2);
	ck_assert_int_eq(*gap(), 0);
	ck_assert_uint_eq(chained, 3);
	ck_assert_uint_eq(seen.calls, 3);
}
END_TEST

static int end_of_child(void (*action)(int), bool fault)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGBUS, action);
		host_bus_begin(no);
		if (fault)
			(void)*gap();
		else
			kill(getpid(), SIGBUS);
		host_bus_end();
		_exit(7);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(without_a_handler)
{
	ck_assert_int_eq(end_of_child(SIG_DFL, true), -SIGBUS);
	ck_assert_int_eq(end_of_child(SIG_DFL, false), -SIGBUS);
	ck_assert_int_eq(end_of_child(SIG_IGN, true), -SIGBUS);
	ck_assert_int_eq(end_of_child(SIG_IGN, false), 7);
}
END_TEST

static void add(TCase *tc)
{
	kit_start();
	tcase_add_test(tc, ours_alone);
	tcase_add_test(tc, not_ours_goes_on);
	tcase_add_test(tc, flags_of_the_handler);
	tcase_add_test(tc, another_thread);
	tcase_add_test(tc, others_change_it);
	tcase_add_test(tc, a_handler_that_chains);
	tcase_add_test(tc, without_a_handler);
}

KIT_MAIN("bus", add)

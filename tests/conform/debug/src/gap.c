/* SPDX-License-Identifier: MIT */
/*
 * libc unloads a library of its own, and ours comes to lie in the gap, while our picture of libc's list is
 * of a moment before: both threads begin together, one a little later each time.  `gap N`: N rounds.
 * Prints how often an address of our library was taken for libc's.
 */
#include "libc_own.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { DELAYS = 400, DELAY = 20 };

static int rounds, landed, wrong;
static void *(*real_open)(const char *, int);
static int (*real_close)(void *);
static void *_Atomic theirs;
static atomic_int round_now;

static void *closing(void *arg)
{
	for (int i = 1; i <= rounds; i++) {
		while (round_now < i)
			sched_yield();
		for (volatile int late = 0; late < i % DELAYS * DELAY; late++)
			;
		real_close(theirs);
		theirs = NULL;
	}
	return NULL;
}

static void one_round(int i)
{
	void *h, *was, *is;
	Dl_info info;

	theirs = real_open("./libthird.so", RTLD_NOW);
	was = dlsym(theirs, "third_global"); /* our picture has it */
	round_now = i;
	h = dlopen("./libplugin.so", RTLD_NOW);
	is = dlsym(h, "plugin_global");
	landed += is == was;
	wrong += !dladdr(is, &info) || !strstr(info.dli_fname, "libplugin.so");
	dlclose(h);
	while (theirs)
		sched_yield();
}

/*
 * libdlrs guesses where a library will fit, until it is wrong eight times in a row.  From then on the kernel
 * decides, which prefers a gap that has just come to be.
 */
static void end_the_guessing(void)
{
	for (int i = 0; i < 10; i++) {
		void *h = dlopen("./libplugin.so", RTLD_NOW);
		Dl_info info;

		if (!h || !dladdr(dlsym(h, "plugin_global"), &info))
			exit(2);
		dlclose(h);
		mmap(info.dli_fbase, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
}

int main(int argc, char **argv)
{
	pthread_t t;

	rounds = argc > 1 ? atoi(argv[1]) : 1000;
	end_the_guessing();
	real_open = (void *(*)(const char *, int))libc_own("dlopen");
	real_close = (int (*)(void *))libc_own("dlclose");
	pthread_create(&t, NULL, closing, NULL);
	for (int i = 1; i <= rounds; i++)
		one_round(i);
	pthread_join(t, NULL);
	printf("done, wrong: %d\n", wrong);
	fprintf(stderr, "in the gap: %d\n", landed);
	return wrong != 0;
}

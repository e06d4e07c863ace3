/* SPDX-License-Identifier: MIT */
/*
 * plug: the library that the programs of tests/hard open: constructors, thread-locals of both kinds, an
 * IFUNC, calls through the PLT, and (with -DDEP) a dependency.
 */
#include <stddef.h>

#ifdef DEP
int dep_value(void);
#else
static int dep_value(void)
{
	return 1;
}
#endif

static __thread volatile int dynamic = 3; /* volatile: the compiler knows that nobody writes them */
static __thread volatile int fixed __attribute__((tls_model("initial-exec"))) = 4;
static int started;
static volatile int zeros[5000];

static int plain(void)
{
	return 5;
}

static int (*choose(void))(void)
{
	return plain;
}

int chosen(void) __attribute__((ifunc("choose")));

__attribute__((constructor)) static void start(void)
{
	started = 10;
}

/* 23 */
int plug_value(void)
{
	return dep_value() + dynamic + fixed + chosen() + started + zeros[4999];
}

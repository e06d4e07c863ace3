/* SPDX-License-Identifier: MIT */
/*
 * The library that the debuggers are shown: a constructor and a destructor to stop in, variables to print,
 * a function that calls back, and one that dies. The scripts find places by the marks in comments.
 * -DNAME=x: every name begins with x, so that several of them can be in one process.
 */
#include <stdlib.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define N(name) JOIN(NAME, name)

struct N(pair) {
	int first;
	const char *second;
};

int N(global) = 11;
struct N(pair) N(pair_of) = {3, "three"};
__thread int N(local) = 42;
static int N(calls);

__attribute__((constructor)) static void N(start)(void)
{
	N(global)++; /* mark: constructor */
}

__attribute__((destructor)) static void N(end)(void)
{
	N(global) = 0;
}

int N(inner)(int (*callback)(int), int x)
{
	N(calls)++;
	N(local)++;
	return callback(x + N(calls)) + N(global); /* mark: inner */
}

int N(call)(int (*callback)(int), int x)
{
	int result = N(inner)(callback, x);

	return result + 1;
}

int *N(local_address)(void)
{
	return &N(local);
}

void N(die)(void)
{
	abort(); /* mark: die */
}

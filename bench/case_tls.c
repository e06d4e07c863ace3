/* SPDX-License-Identifier: MIT */
/*
 * Cases (h) and (i): what code that was loaded does often, and what it does once.
 *
 *   tls FILE N          access: one access to a thread-local variable; FILE "-": of a library that is here
 *   tls-first N FILE... first: a thread's first access to each of these, N threads
 *   lazy FILE N         first: the first call of an imported function, bound: the second
 */
#define CALLS 500 /* in call_each() of fixtures/lazy.c */

#include "bench.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static long (*tls_loop)(long n);

static void access_all(void *unused, unsigned n)
{
	long sum = tls_loop(n);

	(void)unused;
	bench_keep(&sum);
}

void case_tls(int n, char **arg)
{
	struct parallel p = {access_all, NULL, 1, (unsigned)atoi(arg[1]), 25};
	void *handle = strcmp(arg[0], "-") ? bench_open(arg[0], RTLD_NOW) : RTLD_DEFAULT;

	(void)n;
	*(void **)&tls_loop = bench_sym(handle, "tls_loop");
	bench_parallel("access", &p);
}

/* --- first access ---------------------------------------------------------------------------------- */

struct getters {
	int *(*get[256])(void);
	unsigned n;
	double ns;
};

static void *touch(void *arg)
{
	struct getters *g = arg;
	double begin = bench_now();

	for (unsigned i = 0; i < g->n; i++)
		bench_keep(g->get[i]());
	g->ns = (bench_now() - begin) / g->n;
	return NULL;
}

void case_tls_first(int n, char **arg)
{
	static struct getters g;
	struct series s = {0};

	for (int i = 1; i < n && g.n < 256; i++)
		*(void **)&g.get[g.n++] = bench_sym(bench_open(arg[i], RTLD_NOW), "tls_get");
	for (int i = 0; i < atoi(arg[0]); i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, touch, &g))
			bench_die("thread", "cannot be created");
		pthread_join(t, NULL);
		bench_add(&s, g.ns);
	}
	bench_report_median("first", &s);
}

/* --- lazy binding ---------------------------------------------------------------------------------- */

void case_lazy(int n, char **arg)
{
	struct series first = {0}, bound = {0};
	int (*call)(int);

	(void)n;
	for (int i = 0; i < atoi(arg[1]); i++) {
		void *handle = bench_open(arg[0], RTLD_LAZY);
		double begin, half, end;

		*(void **)&call = bench_sym(handle, "call_each");
		begin = bench_now();
		call(i);
		half = bench_now();
		call(i);
		end = bench_now();
		loader.close(handle);
		bench_add(&first, (half - begin) / CALLS);
		bench_add(&bound, (end - half) / CALLS);
	}
	bench_report_median("first", &first);
	bench_report_median("bound", &bound);
}

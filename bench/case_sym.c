/* SPDX-License-Identifier: MIT */
/*
 * Case (f): looking names up, from one thread or several.
 *
 *   sym FILE HIT LAST MISS [VERSIONED VERSION]
 *
 * HIT is in FILE itself, LAST in the last library of its scope, MISS nowhere; a dash leaves one out.
 * Prints hit.1 hit.2 hit.4 last.1 ... for one, two and four threads (DLBENCH_THREADS=1: for one only).
 */
#include "bench.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
	void *handle;
	const char *name, *version;
};

static void ask(void *arg, unsigned n)
{
	const struct question *q = arg;

	for (unsigned i = 0; i < n; i++)
		bench_keep(loader.sym(q->handle, q->name));
}

static void ask_version(void *arg, unsigned n)
{
	const struct question *q = arg;

	for (unsigned i = 0; i < n; i++)
		bench_keep(dlvsym(q->handle, q->name, q->version));
}

static void measure(const char *key, struct question *q)
{
	static const unsigned threads[] = {1, 2, 4};
	unsigned last = getenv("DLBENCH_THREADS") ? 1 : 3;
	struct parallel p = {q->version ? ask_version : ask, q, 1, 0, 15};
	char name[64];

	p.n = bench_calibrate(p.body, q, 5e5);
	for (unsigned i = 0; i < last; i++) {
		p.threads = threads[i];
		snprintf(name, sizeof name, "%s.%u", key, p.threads);
		bench_parallel(name, &p);
	}
}

void case_sym(int n, char **arg)
{
	static const char *const key[] = {"hit", "last", "miss"};
	struct question q = {bench_open(arg[0], RTLD_NOW), NULL, NULL};

	for (int i = 0; i < 3; i++) {
		q.name = arg[i + 1];
		if (!strcmp(q.name, "-"))
			continue;
		if (i < 2)
			bench_sym(q.handle, q.name);
		else if (loader.sym(q.handle, q.name))
			bench_die(q.name, "is there");
		measure(key[i], &q);
	}
	if (n < 6 || getenv("DLBENCH_PEER"))
		return; /* the peers have no dlvsym */
	q.name = arg[4];
	q.version = arg[5];
	if (!dlvsym(q.handle, q.name, q.version))
		bench_die(q.name, dlerror());
	measure("version", &q);
}

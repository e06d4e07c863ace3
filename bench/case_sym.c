/* SPDX-License-Identifier: MIT */
/*
 * Case (f): looking names up, from one thread or several.
 *
 *   sym FILE HIT LAST MISS [VERSIONED VERSION]
 *
 * HIT is in FILE itself, LAST in the last library of its scope, MISS nowhere; a dash leaves one out.  A name
 * with a %d in it stands for eight, which are asked for in turn.
 * Prints hit.1 hit.2 hit.4 last.1 ... for one, two and four threads (DLBENCH_THREADS=1: for one only).
 */
#include "bench.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 8 };

struct question {
	void *handle;
	const char *version;
	char name[NAMES][256];
};

static void ask(void *arg, unsigned n)
{
	const struct question *q = arg;

	for (unsigned i = 0; i < n; i++)
		bench_keep(loader.sym(q->handle, q->name[i % NAMES]));
}

static void ask_version(void *arg, unsigned n)
{
	const struct question *q = arg;

	for (unsigned i = 0; i < n; i++)
		bench_keep(dlvsym(q->handle, q->name[i % NAMES], q->version));
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

/* The eight names of a pattern; false: it is to be left out. */
static bool names(struct question *q, const char *pattern)
{
	const char *number = strstr(pattern, "%d");
	int before = number ? (int)(number - pattern) : (int)strlen(pattern);

	for (int i = 0; i < NAMES; i++) {
		if (number)
			snprintf(q->name[i], sizeof(*q->name), "%.*s%d%s", before, pattern, 10 + i,
				 number + 2);
		else
			snprintf(q->name[i], sizeof(*q->name), "%s", pattern);
	}
	return strcmp(pattern, "-") != 0;
}

void case_sym(int n, char **arg)
{
	static const char *const key[] = {"hit", "last", "miss"};
	static struct question q;

	q.handle = bench_open(arg[0], RTLD_NOW);
	for (int i = 0; i < 3; i++) {
		if (!names(&q, arg[i + 1]))
			continue;
		for (int k = 0; i < 2 && k < NAMES; k++)
			bench_sym(q.handle, q.name[k]);
		if (i == 2 && loader.sym(q.handle, q.name[0]))
			bench_die(q.name[0], "is there");
		measure(key[i], &q);
	}
	if (n < 6 || getenv("DLBENCH_PEER"))
		return; /* the peers have no dlvsym */
	names(&q, arg[4]);
	q.version = arg[5];
	if (!dlvsym(q.handle, q.name[0], q.version))
		bench_die(q.name[0], dlerror());
	measure("version", &q);
}

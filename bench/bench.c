/* SPDX-License-Identifier: MIT */
/*
 * bench: the measured program.  One process measures one case with one loader; run.py starts it again and
 * again, in turn with the host's loader and with libdlrs preloaded.
 *
 *   dlbench CASE ARGUMENTS...      DLBENCH_PEER=library:prefix takes prefix_open, prefix_sym, ... from there
 *
 * It must never do work of its own between two readings of the clock.
 */
#include "bench.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

struct loader loader;

_Noreturn void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "dlbench: %s: %s\n", what, why ? why : "unknown");
	exit(1);
}

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

double bench_processor(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* --- series ---------------------------------------------------------------------------------------- */

void bench_add(struct series *s, double value)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->value = realloc(s->value, s->cap * sizeof(*s->value));
		if (!s->value)
			bench_die("series", "no memory");
	}
	s->value[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(struct series *s)
{
	if (!s->n)
		return 0;
	qsort(s->value, s->n, sizeof(*s->value), compare);
	return s->n % 2 ? s->value[s->n / 2] : (s->value[s->n / 2 - 1] + s->value[s->n / 2]) / 2;
}

void bench_report(const char *key, double value)
{
	printf("%s %.6g\n", key, value);
}

void bench_report_median(const char *key, struct series *s)
{
	bench_report(key, bench_median(s));
}

/* --- regions --------------------------------------------------------------------------------------- */

static long faults_before;

static long faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt + u.ru_majflt;
}

void bench_region_begin(void)
{
	faults_before = faults();
	prctl(BENCH_MARK, BENCH_MARK_BEGIN);
}

void bench_region_end(unsigned ops)
{
	prctl(BENCH_MARK, BENCH_MARK_END);
	bench_report("faults", (double)(faults() - faults_before) / ops);
	bench_report("ops", ops);
}

/* --- threads --------------------------------------------------------------------------------------- */

struct crew {
	const struct parallel *p;
	pthread_barrier_t start, end;
	atomic_uint next; /* relaxed, no partner: hands out processors */
};

/* Two threads on one processor would not show what a lock costs. */
static void take_processor(struct crew *c)
{
	unsigned mine = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
	cpu_set_t all, one;
	int n = 0;

	sched_getaffinity(0, sizeof all, &all);
	mine %= (unsigned)CPU_COUNT(&all);
	while (!CPU_ISSET(n, &all) || mine--)
		n++;
	CPU_ZERO(&one);
	CPU_SET(n, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static void *work(void *arg)
{
	struct crew *c = arg;

	take_processor(c);
	for (unsigned i = 0; i < c->p->repeats; i++) {
		pthread_barrier_wait(&c->start);
		c->p->body(c->p->arg, c->p->n);
		pthread_barrier_wait(&c->end);
	}
	return NULL;
}

unsigned bench_calibrate(void (*body)(void *, unsigned), void *arg, double ns)
{
	unsigned n = 1;
	double t;

	do {
		n *= 4;
		t = bench_now();
		body(arg, n);
		t = bench_now() - t;
	} while (t < ns / 8);
	return (unsigned)(n * ns / t) + 1;
}

/* The calling thread is one of them: with one thread there is no other. */
void bench_parallel(const char *key, const struct parallel *p)
{
	struct crew c = {.p = p};
	struct series s = {0};
	pthread_t other[64];
	cpu_set_t all;

	sched_getaffinity(0, sizeof all, &all);
	pthread_barrier_init(&c.start, NULL, p->threads);
	pthread_barrier_init(&c.end, NULL, p->threads);
	p->body(p->arg, p->n / 10 + 1);
	for (unsigned i = 1; i < p->threads; i++)
		if (pthread_create(&other[i], NULL, work, &c))
			bench_die("thread", "cannot be created");
	if (p->threads > 1)
		take_processor(&c);
	for (unsigned i = 0; i < p->repeats; i++) {
		double t;

		pthread_barrier_wait(&c.start);
		t = bench_now();
		p->body(p->arg, p->n);
		pthread_barrier_wait(&c.end);
		bench_add(&s, (bench_now() - t) / p->n / p->threads);
	}
	for (unsigned i = 1; i < p->threads; i++)
		pthread_join(other[i], NULL);
	sched_setaffinity(0, sizeof all, &all);
	bench_report_median(key, &s);
	free(s.value);
}

/* --- the loader ------------------------------------------------------------------------------------ */

void *bench_open(const char *file, int mode)
{
	void *handle = loader.open(file, mode);

	if (!handle)
		bench_die(file, loader.error());
	return handle;
}

void *bench_sym(void *handle, const char *name)
{
	void *p = loader.sym(handle, name);

	if (!p)
		bench_die(name, loader.error());
	return p;
}

static const char *system_error(void)
{
	return dlerror();
}

static void *peer_name(void *library, const char *prefix, const char *what)
{
	char name[128];
	void *p;

	snprintf(name, sizeof name, "%s_%s", prefix, what);
	p = dlsym(library, name);
	if (!p)
		bench_die(name, dlerror());
	return p;
}

static void choose_loader(void)
{
	char *peer = getenv("DLBENCH_PEER"), *prefix;
	void *library;

	loader = (struct loader){dlopen, dlsym, dlclose, system_error};
	if (!peer)
		return;
	peer = strdup(peer);
	prefix = strrchr(peer, ':');
	if (!prefix)
		bench_die("DLBENCH_PEER", "is library:prefix");
	*prefix++ = 0;
	library = dlopen(peer, RTLD_NOW);
	if (!library)
		bench_die(peer, dlerror());
	*(void **)&loader.open = peer_name(library, prefix, "open");
	*(void **)&loader.sym = peer_name(library, prefix, "sym");
	*(void **)&loader.close = peer_name(library, prefix, "close");
	*(void **)&loader.error = peer_name(library, prefix, "error");
}

/* --- main ------------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	void (*run)(int n, char **arg);
	int min; /* arguments */
} cases[] = {
	{"open", case_open, 3},	    {"first", case_first, 2},	      {"again", case_again, 2},
	{"memory", case_memory, 1}, {"floor", case_floor, 3},	      {"sym", case_sym, 4},
	{"find", case_find, 2},	    {"dladdr", case_dladdr, 2},	      {"throw", case_throw, 2},
	{"tls", case_tls, 2},	    {"tls-first", case_tls_first, 2}, {"lazy", case_lazy, 2},
	{"spawn", case_spawn, 2},   {"thread", case_thread, 1},	      {"count", case_count, 1},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof(*cases); i++) {
		if (strcmp(argv[1], cases[i].name) || argc - 2 < cases[i].min)
			continue;
		if (cases[i].run != case_count && cases[i].run != case_spawn)
			choose_loader();
		cases[i].run(argc - 2, argv + 2);
		return 0;
	}
	bench_die("usage", "dlbench CASE ARGUMENTS (see the cases' sources)");
}

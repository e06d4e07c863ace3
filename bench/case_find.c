/* SPDX-License-Identifier: MIT */
/*
 * Case (g): from addresses to libraries, and what stands on it.
 *
 *   find FILE SYMBOL     dladdr, host_dladdr, iterate, object, host_object, each .1 .2 .4
 *   dladdr FILE SYMBOL   dladdr.1: alone, for libraries in which it takes long
 *   throw FILE N         throw.1 throw.2 throw.4: an exception inside a library that was opened
 *
 * host_ asks about an address of libc.
 */
#include "bench.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef DLFO_STRUCT_HAS_EH_DBASE
extern int _dl_find_object(void *address, struct dl_find_object *result) __attribute__((weak));
#endif

static const unsigned threads[] = {1, 2, 4};

static void ask_dladdr(void *address, unsigned n)
{
	Dl_info info;

	for (unsigned i = 0; i < n; i++) {
		dladdr(address, &info);
		bench_keep(&info);
	}
}

static int look(struct dl_phdr_info *info, size_t len, void *arg)
{
	(void)len;
	*(size_t *)arg += info->dlpi_phnum;
	return 0;
}

static void ask_iterate(void *unused, unsigned n)
{
	size_t sum = 0;

	(void)unused;
	for (unsigned i = 0; i < n; i++)
		dl_iterate_phdr(look, &sum);
	bench_keep(&sum);
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
static void ask_object(void *address, unsigned n)
{
	struct dl_find_object found;

	for (unsigned i = 0; i < n; i++) {
		_dl_find_object(address, &found);
		bench_keep(&found);
	}
}
#endif

static void measure(const char *key, void (*body)(void *, unsigned), void *arg)
{
	struct parallel p = {body, arg, 1, 0, 15};
	char name[64];

	p.n = bench_calibrate(body, arg, 5e5);
	for (int i = 0; i < 3; i++) {
		p.threads = threads[i];
		snprintf(name, sizeof name, "%s.%u", key, p.threads);
		bench_parallel(name, &p);
	}
}

void case_find(int n, char **arg)
{
	void *symbol = bench_sym(bench_open(arg[0], RTLD_NOW), arg[1]);

	(void)n;
	measure("dladdr", ask_dladdr, symbol);
	measure("host_dladdr", ask_dladdr, (void *)getenv);
	measure("iterate", ask_iterate, NULL);
#ifdef DLFO_STRUCT_HAS_EH_DBASE
	if (!_dl_find_object)
		return;
	measure("object", ask_object, symbol);
	measure("host_object", ask_object, (void *)getenv);
#endif
}

void case_dladdr(int n, char **arg)
{
	struct parallel p = {ask_dladdr, bench_sym(bench_open(arg[0], RTLD_NOW), arg[1]), 1, 0, 15};

	(void)n;
	p.n = bench_calibrate(ask_dladdr, p.arg, 5e5);
	bench_parallel("dladdr.1", &p);
}

static long (*throw_many)(long times);

static void throw_all(void *unused, unsigned n)
{
	(void)unused;
	if (throw_many(n) != n)
		bench_die("throw", "not all exceptions were caught");
}

void case_throw(int n, char **arg)
{
	struct parallel p = {throw_all, NULL, 1, (unsigned)atoi(arg[1]), 15};
	char name[64];

	(void)n;
	*(void **)&throw_many = bench_sym(bench_open(arg[0], RTLD_NOW), "throw_many");
	for (int i = 0; i < 3; i++) {
		p.threads = threads[i];
		snprintf(name, sizeof name, "throw.%u", p.threads);
		bench_parallel(name, &p);
	}
}

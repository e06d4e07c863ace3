/* SPDX-License-Identifier: MIT */
/*
 * bench: what the measured cases share: a clock, medians, regions whose system calls and page faults are
 * counted, threads that start together, and the loader under test as three functions.
 *
 * The loader is whatever the names dlopen, dlsym and dlclose mean in this process: libc's, or libdlrs's when
 * it is preloaded.  A peer's come from a library of wrappers (peers/), named by DLBENCH_PEER.
 *
 * Every case prints lines "key value"; times are nanoseconds.  run.py starts it and does the arithmetic.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>

struct loader {
	void *(*open)(const char *file, int mode);
	void *(*sym)(void *handle, const char *name);
	int (*close)(void *handle);
	const char *(*error)(void);
};

extern struct loader loader;

/* A growing list of measured values. */
struct series {
	double *value;
	unsigned n, cap;
};

double bench_now(void);
double bench_processor(void); /* time that this process has used, all threads together */
void bench_add(struct series *s, double value);
double bench_median(struct series *s);

void bench_report(const char *key, double value);
void bench_report_median(const char *key, struct series *s);

/*
 * Between the two, page faults are counted, and system calls if the process runs under `dlbench count`.
 * The end reports "faults" and "ops"; a process has one such region.
 */
void bench_region_begin(void);
void bench_region_end(unsigned ops);

/* The numbers by which `dlbench count` knows the two ends of a region: arguments of a void prctl. */
enum { BENCH_MARK = 0x64626d6b, BENCH_MARK_BEGIN = 1, BENCH_MARK_END = 2 };

/*
 * Runs body(arg, n) in so many threads at once, `repeats` times; reports the median of the time per call of
 * everything, that is wall time / (threads * n), as key.
 */
struct parallel {
	void (*body)(void *arg, unsigned n);
	void *arg;
	unsigned threads, n, repeats;
};
void bench_parallel(const char *key, const struct parallel *p);
/* How many calls take about so many nanoseconds. */
unsigned bench_calibrate(void (*body)(void *arg, unsigned n), void *arg, double ns);

/* Opening or finding that must not fail: they end the process with the loader's message. */
void *bench_open(const char *file, int mode);
void *bench_sym(void *handle, const char *name);
_Noreturn void bench_die(const char *what, const char *why);

/* The value must be computed. */
static inline void bench_keep(const void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* The cases: arguments as on the command line behind the case's name. */
void case_open(int n, char **arg);
void case_first(int n, char **arg);
void case_again(int n, char **arg);
void case_memory(int n, char **arg);
void case_floor(int n, char **arg);
void case_sym(int n, char **arg);
void case_find(int n, char **arg);
void case_dladdr(int n, char **arg);
void case_throw(int n, char **arg);
void case_tls(int n, char **arg);
void case_tls_first(int n, char **arg);
void case_lazy(int n, char **arg);
void case_spawn(int n, char **arg);
void case_thread(int n, char **arg);
void case_count(int n, char **arg);

#endif

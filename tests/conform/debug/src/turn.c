/* SPDX-License-Identifier: MIT */
/*
 * The two ways in which a thread that tells a debugger of a change can be in another's way.
 *
 * `turn open HELPER`: the program has libdlrs-notify.so open itself while it opens a library of ours.
 * `turn wait`: on a busy CPU, a constructor of libc's, and so libc's lock is its own, opens a library of ours
 * while another thread, which tells of one, waits for that lock. Prints for how many seconds.
 */
#include "libc_own.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *(*real_open)(const char *, int);
static int (*real_close)(void *);
static atomic_int other; /* the thread that tells */
static atomic_bool over;

static void need(int good, const char *what)
{
	if (good)
		return;
	printf("not: %s\n", what);
	exit(1);
}

static void open_and_close(const char *file)
{
	void *h = dlopen(file, RTLD_NOW);

	need(h && !dlclose(h), file);
}

static void *tells(void *arg)
{
	(void)arg;
	other = gettid();
	open_and_close("./liblate.so");
	return NULL;
}

static void *spins(void *arg)
{
	(void)arg;
	while (!over)
		;
	return NULL;
}

/* Asleep: there is nothing but libc's lock for which it could be. */
static int asleep(int tid)
{
	char path[64], line[256] = "";
	const char *state;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	need(f && fgets(line, sizeof line, f) && !fclose(f), path);
	state = strrchr(line, ')');
	return state && state[2] == 'S';
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static pthread_t teller;

static struct r_debug *debug(void)
{
	const ElfW(Dyn) *d = _DYNAMIC;

	while (d->d_tag != DT_DEBUG)
		d++;
	return (struct r_debug *)d->d_un.d_ptr;
}

/* The constructor of libinturn.so calls it. */
void turn_constructor(void);

void turn_constructor(void)
{
	double began;

	need(!pthread_create(&teller, NULL, tells, NULL), "a thread");
	while (!other || !asleep(other))
		sched_yield();
	need(debug()->r_map == real_open(NULL, RTLD_NOW), "the list waits for libc's lock, too");
	began = seconds();
	open_and_close("./libplugin.so");
	printf("waited %.0f\n", seconds() - began);
}

static void wait_in_constructor(void)
{
	pthread_t busy[2];
	cpu_set_t here;
	void *h;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	need(!sched_setaffinity(0, sizeof here, &here), "one CPU");
	for (int i = 0; i < 2; i++)
		need(!pthread_create(&busy[i], NULL, spins, NULL), "a thread");
	alarm(120);
	h = real_open("./libinturn.so", RTLD_NOW);
	over = 1;
	need(h && !pthread_join(teller, NULL), "libinturn.so");
	for (int i = 0; i < 2; i++)
		pthread_join(busy[i], NULL);
	need(!real_close(h), "libinturn.so");
}

int main(int argc, char **argv)
{
	*(void **)&real_open = libc_own("dlopen");
	*(void **)&real_close = libc_own("dlclose");
	if (argc > 2) {
		need(real_open(argv[2], RTLD_NOW) != NULL, argv[2]);
		open_and_close("./libplugin.so");
	} else {
		wait_in_constructor();
	}
	puts("done");
	return 0;
}

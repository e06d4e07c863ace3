/* SPDX-License-Identifier: MIT */
/*
 * Two threads open and close libraries of ours, one does the same with libc's own dlopen, one has libc
 * open converters, one walks; `race N`: N rounds each; without N, until there is a line on standard input.
 * `race N forks`: the two, and children that open one.
 * Prints how often something was wrong.
 */
#include "libc_own.h"

#include <dlfcn.h>
#include <iconv.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int rounds, wrong, working = 4;
static void *(*real_open)(const char *, int);
static int (*real_close)(void *);

static void *ours(void *arg)
{
	const char *name = arg;
	char file[64], global[64];

	snprintf(file, sizeof file, "./lib%s.so", name);
	snprintf(global, sizeof global, "%s_global", name);
	for (int i = 0; i < rounds; i++) {
		void *h = dlopen(file, RTLD_NOW);
		int *p = h ? dlsym(h, global) : NULL;
		Dl_info info;

		wrong += !p || *p != 12;
		/* libc may have had one of its own there a moment ago. */
		wrong += !dladdr(p, &info) || !strstr(info.dli_fname, name);
		wrong += !h || dlclose(h);
	}
	working--;
	return NULL;
}

static void *theirs(void *arg)
{
	for (int i = 0; i < rounds; i++) {
		void *h = real_open("./libthird.so", RTLD_NOW);

		wrong += !h || real_close(h);
	}
	working--;
	return NULL;
}

static void *converters(void *arg)
{
	static const char *const names[] = {"UTF-16", "UTF-7", "CP1252", "EUC-JP", "KOI8-R"};

	for (int i = 0; i < rounds; i++) {
		iconv_t cd = iconv_open(names[i % 5], "UTF-8");

		if (cd != (iconv_t)-1)
			iconv_close(cd);
	}
	working--;
	return NULL;
}

static int see(struct dl_phdr_info *i, size_t size, void *arg)
{
	wrong += !i->dlpi_phdr;
	return 0;
}

static void *walks(void *arg)
{
	while (working)
		dl_iterate_phdr(see, NULL);
	return NULL;
}

/* While ours load, children are born, and load. */
static void *forks(void *arg)
{
	while (working) {
		pid_t child = fork();
		int status = -1;

		if (!child) {
			alarm(600);
			_exit(!dlopen("./libfourth.so", RTLD_NOW));
		}
		wrong += child < 0 || waitpid(child, &status, 0) != child || status;
	}
	return NULL;
}

static int race_forks(void)
{
	pthread_t t[3];

	working = 2;
	pthread_create(&t[0], NULL, ours, "plugin");
	pthread_create(&t[1], NULL, ours, "late");
	pthread_create(&t[2], NULL, forks, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("done, wrong: %d\n", wrong);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	pthread_t t[5];

	rounds = argc > 1 ? atoi(argv[1]) : INT_MAX;
	if (argc > 2)
		return race_forks();
	puts("ready");
	fflush(stdout);
	real_open = (void *(*)(const char *, int))libc_own("dlopen");
	real_close = (int (*)(void *))libc_own("dlclose");
	pthread_create(&t[0], NULL, ours, "plugin");
	pthread_create(&t[1], NULL, ours, "late");
	pthread_create(&t[2], NULL, theirs, NULL);
	pthread_create(&t[3], NULL, converters, NULL);
	pthread_create(&t[4], NULL, walks, NULL);
	if (argc == 1) {
		getchar();
		rounds = 0;
	}
	for (int i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
	printf("done, wrong: %d\n", wrong);
	return wrong != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Four threads open two libraries, call into them and close them, each library many times. What they share
 * is ours, and the libraries' constructors; a checker of threads has nothing to say about either.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 10 };

static void *run(void *arg)
{
	const char *name = arg;
	char file[64], symbol[64];

	snprintf(file, sizeof file, "./lib%s.so", name);
	snprintf(symbol, sizeof symbol, "%s_global", name);
	for (int i = 0; i < ROUNDS; i++) {
		void *h = dlopen(file, i & 1 ? RTLD_NOW : RTLD_LAZY);
		int *p = h ? dlsym(h, symbol) : NULL;

		if (!p || *p != 12 || dlsym(h, "nothere") || !dlerror() || dlclose(h))
			abort();
	}
	return NULL;
}

int main(void)
{
	static char *const names[] = {"plugin", "late"};
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, run, names[i % 2]))
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return puts("done") < 0;
}

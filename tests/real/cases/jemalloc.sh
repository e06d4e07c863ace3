# SPDX-License-Identifier: MIT
#
# jemalloc at run time.  It uses initial-exec thread-locals, more than the C
# library keeps in reserve, so that the host refuses to dlopen it; with the
# preload it loads, and serves allocations in threads older and younger than
# itself.
# packages: libjemalloc2 gcc libc6-dev
# class: quick
# opens: /libjemalloc\.so\.2
# plain: host: cannot allocate memory in static TLS block
# preload: served: 4 old threads, 4 new threads, 80000 allocations
need gcc
need_file /usr/lib/x86_64-linux-gnu/libjemalloc.so.2
cat >use.c <<'EOF'
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *(*alloc)(size_t);
static void (*release)(void *);
static void *(*allocx)(size_t, int);
static pthread_barrier_t ready;
static long count(void)
{
	enum { N = 1000 };
	static __thread void *p[N];
	long done = 0;
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < N; i++) {
			size_t n = 1 + (size_t)(i * 37 + round) % 5000;
			p[i] = i & 1 ? allocx(n, 6) : alloc(n);
			if (!p[i] || ((uintptr_t)p[i] & (i & 1 ? 63 : 7)))
				return -1;
			memset(p[i], i, n);
			done++;
		}
		for (int i = 0; i < N; i++) {
			if (*(unsigned char *)p[i] != (unsigned char)i)
				return -1;
			release(p[i]);
		}
	}
	return done;
}
static void *old(void *arg)
{
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&ready);
	return alloc ? (void *)count() : NULL;
}
static void *new (void *arg)
{
	return (void *)count();
}
int main(void)
{
	pthread_t t[8];
	long sum = 0;
	pthread_barrier_init(&ready, NULL, 5);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, old, NULL);
	pthread_barrier_wait(&ready);
	void *lib = dlopen("libjemalloc.so.2", RTLD_NOW);
	if (!lib) {
		const char *e = dlerror();
		printf("host: %s\n", strstr(e, ": ") + 2);
		return 0;
	}
	allocx = (void *(*)(size_t, int))dlsym(lib, "mallocx");
	release = (void (*)(void *))dlsym(lib, "free");
	alloc = (void *(*)(size_t))dlsym(lib, "malloc");
	if (!allocx || !alloc || alloc == (void *(*)(size_t))malloc)
		return puts("symbols"), 1;
	pthread_barrier_wait(&ready);
	for (int i = 4; i < 8; i++)
		pthread_create(&t[i], NULL, new, NULL);
	for (int i = 0; i < 8; i++) {
		void *r;
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("served: 4 old threads, 4 new threads, %ld allocations\n", sum);
	return 0;
}
EOF
gcc -O1 -o use use.c -pthread
under ./use

/* SPDX-License-Identifier: MIT
 * A program with its own malloc, which looks up libc's with dlsym(RTLD_NEXT) at its first call, so in the middle of
 * whatever the loader is doing then.
 *
 * BUILD malloc: -fno-builtin -pthread
 */
#include "twin.h"

static char early[1 << 16];
static size_t early_used;
static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
static void *(*next_realloc)(void *, size_t);
static volatile bool looking; /* dlsym is declared "leaf": as if it never called us */

static bool is_early(void *p)
{
	return (char *)p >= early && (char *)p < early + sizeof early;
}

void *malloc(size_t n)
{
	if (!next_malloc) {
		if (looking) { /* asked by dlsym itself */
			void *p = early + early_used;

			early_used += (n + 15) & -16ul;
			return early_used <= sizeof early ? p : NULL;
		}
		looking = true;
		next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
		next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
		next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
		looking = false;
	}
	return next_malloc(n);
}

void free(void *p)
{
	if (p && !is_early(p))
		next_free(p);
}

void *calloc(size_t n, size_t size)
{
	void *p = malloc(n * size);

	return p ? memset(p, 0, n * size) : NULL;
}

void *realloc(void *old, size_t n)
{
	void *p;

	if (old && !is_early(old))
		return next_realloc(old, n);
	p = malloc(n);
	if (p && old) {
		size_t room = early + sizeof early - (char *)old;

		memcpy(p, old, n < room ? n : room);
	}
	return p;
}

CASE(malloc_that_asks_the_loader)
{
	void *p = malloc(10), *h;

	ok(p);
	h = load("./libcurious.so", RTLD_NOW);
	eq(call(h, "curious_answer"), 4);
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	ok(dlerror());
	ok(!dlsym(h, "nosuch"));
	ok(dlerror());
	shut(h);
	free(p);
}

CASE(libraries_use_the_programs_malloc)
{
	void *h = load("./libmath.so", RTLD_NOW);

	ok(dlsym(RTLD_DEFAULT, "malloc") == (void *)malloc);
	ok(dlsym(RTLD_NEXT, "malloc") == (void *)next_malloc);
	eq(call1(h, "cube_root", 8), 2);
}

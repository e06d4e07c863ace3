/* SPDX-License-Identifier: MIT
 *
 * Plugins for static programs. run.sh builds, by -D:
 *
 *	FIRST		functions, data, constructors, thread-locals of every model
 *	SECOND		needs the first one
 *	MISSING		needs what nobody has
 *	PROGRAM_TLS	uses a thread-local of the program
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int program_counts(int n); /* the program's */
void program_says(const char *word);

#ifdef FIRST
#define MODEL(name) __attribute__((tls_model(name)))

int first_data = 40;
__thread int first_gd = 1;
static __thread int first_ld MODEL("local-dynamic") = 2;
static __thread int first_zero;
static __thread int first_ie MODEL("initial-exec") = 3;

__attribute__((constructor)) static void begin(void)
{
	program_says("+first");
}

__attribute__((destructor)) static void end(void)
{
	program_says("-first");
}

int first_answer(void)
{
	char *text = malloc(8);
	int n;

	strcpy(text, "ab");
	n = (int)strlen(text) + first_data;
	free(text);
	errno = n;
	return program_counts(n);
}

/* 1 2 0 3 in a fresh thread; each call adds one to all of them. */
int first_locals(void)
{
	return 1000 * first_gd++ + 100 * first_ld++ + 10 * first_zero++ + first_ie++;
}

static void *body(void *arg)
{
	*(int *)arg = first_locals();
	return NULL;
}

int first_starts_a_thread(void)
{
	pthread_t t;
	int seen = -1;

	if (pthread_create(&t, NULL, body, &seen) == 0)
		pthread_join(t, NULL);
	return seen;
}

int first_opens(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);
	int (*answer)(void) = handle ? (int (*)(void))dlsym(handle, "second_answer") : NULL;
	int n = answer ? answer() : -1;

	if (handle)
		dlclose(handle);
	return n;
}

int first_finds(const char *name)
{
	return dlsym(RTLD_DEFAULT, name) != NULL;
}
#endif

#ifdef SECOND
int first_answer(void);
extern int first_data;
extern __thread int first_gd;

__attribute__((constructor)) static void begin(void)
{
	program_says("+second");
}

__attribute__((destructor)) static void end(void)
{
	program_says("-second");
}

int second_answer(void)
{
	return first_answer() + first_data + first_gd;
}
#endif

#ifdef MISSING
int nobody_has_this(void);

int missing(void)
{
	return nobody_has_this();
}
#endif

#ifdef PROGRAM_TLS
extern __thread int program_local;

int program_local_is(void)
{
	return program_local++;
}
#endif

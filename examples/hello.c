/* SPDX-License-Identifier: MIT */
/*
 * hello: opens a plugin twice, then once more as a private copy, as a program does that swaps code while
 * it runs.
 *
 *	cc hello.c $(pkg-config --cflags --libs dlrs) -o hello
 *	cc -shared -fPIC answer.c -o answer.so
 *	./hello ./answer.so
 */
#include <dlfcn.h>
#include <dlrs.h>
#include <stdio.h>
#include <stdlib.h>

typedef int answer_fn(void);

static void *must(void *result, const char *what)
{
	if (!result) {
		fprintf(stderr, "%s: %s\n", what, dlerror());
		exit(1);
	}
	return result;
}

static int ask(void *plugin)
{
	answer_fn *answer = (answer_fn *)must(dlsym(plugin, "answer"), "dlsym");

	return answer();
}

int main(int argc, char **argv)
{
	const char *file = argc > 1 ? argv[1] : "./answer.so";
	void *first = must(dlopen(file, RTLD_NOW), "dlopen");
	void *again = must(dlopen(file, RTLD_NOW), "dlopen");
	void *copy = must(dlopen(file, RTLD_NOW | CUSTOM_NOT_REGISTER), "dlopen");

	printf("first: %d\n", ask(first));
	printf("again: %d, %s\n", ask(again), first == again ? "the same library" : "another library");
	printf("copy:  %d, %s\n", ask(copy), first == copy ? "the same library" : "another library");
	return dlclose(copy) || dlclose(again) || dlclose(first);
}

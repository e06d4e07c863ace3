/* SPDX-License-Identifier: MIT */
/* A library of libc's loader whose constructor opens one of ours, and closes it again at its end. */
#include <dlfcn.h>
#include <stdlib.h>

int opener_value;
static void *handle;

__attribute__((constructor)) static void start(void)
{
	int *p;

	handle = dlopen("./libfourth.so", RTLD_NOW);
	p = handle ? dlsym(handle, "fourth_global") : NULL;
	opener_value = p ? *p : -1;
}

__attribute__((destructor)) static void end(void)
{
	if (handle && dlclose(handle))
		abort();
}

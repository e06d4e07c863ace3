/* SPDX-License-Identifier: MIT */
/* opens: opens the libraries that are its arguments, and says what went wrong. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!dlopen(argv[i], RTLD_NOW)) {
			puts(dlerror());
			return 1;
		}
	return 0;
}

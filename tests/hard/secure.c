/* SPDX-License-Identifier: MIT */
/*
 * secure: a set-user-ID program that opens libraries.
 *
 *   secure LIBRARY...     prints "opened" or dlerror's text for each, "secure" if the kernel said so, and
 *                         "ours" if libdlrs answers
 *
 * run.sh builds it twice, with libdlrs in place of libdl and without, gives both another owner and the
 * set-user-ID bit, and compares.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>

int main(int argc, char **argv)
{
	printf("%s %s\n", getauxval(AT_SECURE) ? "secure" : "plain",
	       dlsym(RTLD_DEFAULT, "dlrs_version") ? "ours" : "host's");
	for (int i = 1; i < argc; i++)
		puts(dlopen(argv[i], RTLD_NOW) ? "opened" : dlerror());
	return 0;
}

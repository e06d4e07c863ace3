// SPDX-License-Identifier: MIT
//
// opener PATH [close]: dlopen one library, as sweep.py asks for it, and say
// how it went, one fact a line:
//   error <dlerror>        it failed, or
//   opened                 it succeeded;
//   image <path>           for each image there is then (dl_iterate_phdr)
//   closed | not closed    what dlclose said, if asked for;
//   left <path>            for each image that is left after that.
// The process then ends by returning from main, so destructors run.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static int print(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	if (info->dlpi_name && info->dlpi_name[0] == '/')
		printf("%s %s\n", (const char *)data, info->dlpi_name);
	return 0;
}

int main(int argc, char **argv)
{
	void *h = dlopen(argv[1], RTLD_NOW);
	if (!h) {
		printf("error %s\n", dlerror());
	} else {
		printf("opened\n");
		dl_iterate_phdr(print, (void *)"image");
		if (argc > 2 && !strcmp(argv[2], "close")) {
			printf(dlclose(h) ? "not closed\n" : "closed\n");
			dl_iterate_phdr(print, (void *)"left");
		}
	}
	fflush(stdout);
	return 0;
}

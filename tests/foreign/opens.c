/* SPDX-License-Identifier: MIT
 *
 * Opens each library and prints what its answer() says, or dlerror's words.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		void *handle = dlopen(argv[i], RTLD_NOW);
		int (*answer)(void) = handle ? (int (*)(void))dlsym(handle, "answer") : NULL;

		if (answer)
			printf("%s: %d\n", argv[i], answer());
		else
			puts(dlerror());
	}
}

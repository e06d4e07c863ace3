/* SPDX-License-Identifier: MIT */
/*
 * swap: a running program that picks up a rebuilt plugin. Every line of its input is a turn of its loop.
 *
 *	cc swap.c $(pkg-config --cflags --libs dlrs) -o swap
 *	cc -shared -fPIC answer.c -o answer.so
 *	./swap ./answer.so
 *
 * Press return; change answer.c, compile it again, press return. The plugin's own data begins anew; what is to
 * outlive it belongs to the program. A plugin that does not open (half written, say) is tried again at the
 * next turn, and the old one goes on.
 */
#include <dlfcn.h>
#include <dlrs.h>
#include <stdio.h>
#include <sys/stat.h>

static void *plugin;
static int (*answer)(void);

static void swap(const char *file)
{
	static struct stat seen;
	struct stat now;
	void *newer;

	if (stat(file, &now) || (now.st_ino == seen.st_ino && now.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
				 now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec))
		return;
	newer = dlopen(file, RTLD_NOW | CUSTOM_NOT_REGISTER | DLRS_SNAPSHOT);
	if (!newer) {
		fprintf(stderr, "%s\n", dlerror());
		return;
	}
	seen = now;
	*(void **)&answer = dlsym(newer, "answer");
	if (plugin)
		dlclose(plugin);
	plugin = newer;
}

int main(int argc, char **argv)
{
	for (int c; (c = getchar()) != EOF; fflush(stdout)) {
		swap(argc > 1 ? argv[1] : "./answer.so");
		if (answer)
			printf("%d\n", answer());
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * cut: a library is opened again and again while another thread cuts its file short and writes it anew.
 *
 * The library has no code that would run, so that whoever reads what is gone is the loader.
 *
 *   cut WHOLE COPY TIMES
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char whole[1 << 20];
static size_t length;
static atomic_bool enough;

static void die(const char *what, const char *why)
{
	printf("%s: %s\n", what, why);
	exit(1);
}

static void write_all(int fd)
{
	if (pwrite(fd, whole, length, 0) != (long)length)
		die("write", "short");
}

static void *cut(void *copy)
{
	int fd = open(copy, O_WRONLY);
	unsigned random = 1;

	while (!enough) {
		random = random * 1103515245 + 12345;
		if (ftruncate(fd, (random >> 8) % length))
			die("ftruncate", copy);
		write_all(fd);
		for (unsigned i = 0; i < (random >> 20) % 64 && !enough; i++)
			sched_yield();
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int fd, times = argc == 4 ? atoi(argv[3]) : 0, opened = 0;
	pthread_t t;

	if (!times || (fd = open(argv[1], O_RDONLY)) < 0)
		return 2;
	length = (size_t)read(fd, whole, sizeof(whole));
	close(fd);
	fd = open(argv[2], O_CREAT | O_WRONLY, 0755);
	write_all(fd);
	close(fd);
	if (pthread_create(&t, NULL, cut, argv[2]))
		return 2;
	for (int i = 0; i < times; i++) {
		void *h = dlopen(argv[2], RTLD_NOW);
		const char *why = h ? "" : dlerror();

		opened += h != NULL;
		if (!h && !strstr(why, argv[2]))
			die("an error without the file's name", why);
		if (h && dlclose(h))
			die("dlclose", dlerror());
	}
	enough = true;
	pthread_join(t, NULL);
	printf("%d of %d opened\n", opened, times);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Cases (a) to (e): opening and closing, and the memory it costs.
 *
 *   open FILE MODE N        N times open and close                   open_close, open, close
 *   first FILE MODE         once, in a fresh process                 open, close, processor
 *   again FILE N            open and close of what is open already   path, soname
 *   memory FILE             private dirty memory after one open      dirty, files, images, rss
 *
 * MODE is now or lazy.  Called by main.
 */
#include "bench.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int mode_of(const char *word)
{
	return strcmp(word, "lazy") ? RTLD_NOW : RTLD_LAZY;
}

/* Once round, so that what is done once in a process (caches, first allocations) is not measured. */
static void warm(const char *file, int mode)
{
	for (int i = 0; i < 3; i++)
		loader.close(bench_open(file, mode));
}

void case_open(int n, char **arg)
{
	int mode = mode_of(arg[1]), times = atoi(arg[2]);
	struct series both = {0}, open = {0}, close = {0};

	(void)n;
	warm(arg[0], mode);
	/* Room for the results, so that the regions's page faults are the loader's. */
	for (int i = 0; i < times; i++) {
		bench_add(&both, 0);
		bench_add(&open, 0);
		bench_add(&close, 0);
	}
	both.n = open.n = close.n = 0;
	bench_region_begin();
	for (int i = 0; i < times; i++) {
		double begin = bench_now(), opened, closed;
		void *handle = loader.open(arg[0], mode);

		opened = bench_now();
		loader.close(handle);
		closed = bench_now();
		bench_add(&both, closed - begin);
		bench_add(&open, opened - begin);
		bench_add(&close, closed - opened);
	}
	bench_region_end((unsigned)times);
	bench_report_median("open_close", &both);
	bench_report_median("open", &open);
	bench_report_median("close", &close);
}

void case_first(int n, char **arg)
{
	int mode = mode_of(arg[1]);
	double begin, opened, closed, processor;
	void *handle;

	(void)n;
	processor = bench_processor();
	bench_region_begin();
	begin = bench_now();
	handle = loader.open(arg[0], mode);
	opened = bench_now();
	bench_region_end(1);
	processor = bench_processor() - processor;
	if (!handle)
		bench_die(arg[0], loader.error());
	bench_report("open", opened - begin);
	bench_report("processor", processor);
	begin = bench_now();
	loader.close(handle);
	closed = bench_now();
	bench_report("close", closed - begin);
}

static void reopen(const char *key, const char *name, unsigned times)
{
	enum { BATCH = 200 };
	struct series s = {0};

	loader.close(bench_open(name, RTLD_NOW));
	for (unsigned i = 0; i < times; i++) {
		double begin = bench_now();

		for (int k = 0; k < BATCH; k++)
			loader.close(loader.open(name, RTLD_NOW));
		bench_add(&s, (bench_now() - begin) / BATCH);
	}
	bench_report_median(key, &s);
	free(s.value);
}

void case_again(int n, char **arg)
{
	const char *base = strrchr(arg[0], '/');
	unsigned times = (unsigned)atoi(arg[1]);

	bench_open(arg[0], RTLD_NOW);
	reopen("path", arg[0], times);
	reopen("soname", n > 2 ? arg[2] : base + 1, times);
	bench_region_begin();
	for (int k = 0; k < 1000; k++)
		loader.close(loader.open(arg[0], RTLD_NOW));
	bench_region_end(1000);
}

/* --- memory ---------------------------------------------------------------------------------------- */

static char smaps[1 << 23]; /* touched before the first reading */

static size_t read_smaps(void)
{
	int fd = open("/proc/self/smaps", O_RDONLY);
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, smaps + len, sizeof smaps - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	smaps[len] = 0;
	return len;
}

/* Sums of Private_Dirty in KiB: of the whole process, and of mappings of files below a directory. */
struct dirty {
	long all, files;
};

static struct dirty measure(const char *dir)
{
	struct dirty d = {0, 0};
	bool ours = false;

	read_smaps();
	for (char *line = strtok(smaps, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] >= 'A' && line[0] <= 'Z') {
			long kb;

			if (sscanf(line, "Private_Dirty: %ld", &kb) == 1) {
				d.all += kb;
				d.files += ours ? kb : 0;
			}
		} else {
			ours = strstr(line, dir) != NULL;
		}
	}
	return d;
}

static int one_more(struct dl_phdr_info *info, size_t len, void *count)
{
	(void)info;
	(void)len;
	++*(int *)count;
	return 0;
}

static int images(void)
{
	int n = 0;

	dl_iterate_phdr(one_more, &n);
	return n;
}

void case_memory(int n, char **arg)
{
	char *dir = strdup(arg[0]), *slash = strrchr(dir, '/');
	struct dirty before, after;
	int loaded;

	if (slash && n == 1)
		*slash = 0;
	memset(smaps, 1, sizeof smaps);
	measure(dir);
	loaded = images();
	before = measure(dir);
	bench_open(arg[0], RTLD_NOW);
	after = measure(dir);
	loaded = images() - loaded;
	bench_report("images", loaded);
	bench_report("dirty", 1024.0 * (double)(after.all - before.all) / loaded);
	bench_report("files", 1024.0 * (double)(after.files - before.files) / loaded);
}

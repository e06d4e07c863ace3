/* SPDX-License-Identifier: MIT */
/*
 * Cases (j) and (k): programs that do not know of us.
 *
 *   spawn N COMMAND...   process: N times from start to exit, with LD_PRELOAD=$DLBENCH_PRELOAD if it is set
 *   thread N             thread: creating and joining
 */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

/* Standard output goes nowhere: it may be what run.py reads. */
static pid_t start(char **command)
{
	posix_spawn_file_actions_t to;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&to);
	posix_spawn_file_actions_addopen(&to, 1, "/dev/null", O_WRONLY, 0);
	status = posix_spawnp(&pid, command[0], &to, NULL, command, environ);
	posix_spawn_file_actions_destroy(&to);
	if (status)
		bench_die(command[0], strerror(status));
	return pid;
}

void case_spawn(int n, char **arg)
{
	const char *preload = getenv("DLBENCH_PRELOAD");
	struct series time = {0}, faults = {0};

	(void)n;
	if (preload && *preload)
		setenv("LD_PRELOAD", preload, 1);
	unsetenv("DLBENCH_PRELOAD");
	for (int i = 0; i < atoi(arg[0]); i++) {
		double begin = bench_now();
		pid_t pid = start(arg + 1);
		struct rusage used;
		int status;

		if (wait4(pid, &status, 0, &used) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status))
			bench_die(arg[1], "failed");
		bench_add(&time, bench_now() - begin);
		bench_add(&faults, (double)(used.ru_minflt + used.ru_majflt));
	}
	bench_report_median("process", &time);
	bench_report_median("faults", &faults);
}

static void *nothing(void *arg)
{
	return arg;
}

void case_thread(int n, char **arg)
{
	struct series s = {0};

	(void)n;
	for (int i = 0; i < atoi(arg[0]); i++) {
		double begin = bench_now();
		pthread_t t;

		if (pthread_create(&t, NULL, nothing, NULL))
			bench_die("thread", "cannot be created");
		pthread_join(t, NULL);
		bench_add(&s, bench_now() - begin);
	}
	bench_report_median("thread", &s);
}

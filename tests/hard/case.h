/* SPDX-License-Identifier: MIT */
/*
 * case: what the programs of tests/hard share: named cases, each in a child of its own.
 *
 * A case returns, or calls fail() with a reason, or skip().  The parent prints PASS, FAIL or SKIP.
 */
#ifndef TESTS_HARD_CASE_H
#define TESTS_HARD_CASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct hard_case {
	const char *name;
	void (*run)(void);
};

__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
	_exit(1);
}

#define skip(...)                                                                                  \
	do {                                                                                       \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fflush(stderr);                                                                    \
		_exit(77);                                                                         \
	} while (0)

#define ok(cond)                                                                                   \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail("%s:%d: not: %s", __FILE__, __LINE__, #cond);                         \
	} while (0)

/* Runs one case; its last words are the reason. */
static inline bool run_case(const char *group, const struct hard_case *c)
{
	int fds[2], status;
	char why[1000];
	size_t n = 0;
	long r;
	pid_t pid;

	if (pipe(fds))
		exit(2);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		alarm(600); /* for what hangs, not for what is slow */
		c->run();
		_exit(0);
	}
	close(fds[1]);
	while (n < sizeof(why) - 1 && (r = read(fds[0], why + n, sizeof(why) - 1 - n)) > 0)
		n += (size_t)r;
	why[n] = 0;
	close(fds[0]);
	waitpid(pid, &status, 0);
	for (char *p = why; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return printf("PASS hard/%s: %s\n", group, c->name), true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return printf("SKIP hard/%s %s: %s\n", group, c->name, why), true;
	if (WIFSIGNALED(status))
		printf("FAIL hard/%s: %s: signal %d %s\n", group, c->name, WTERMSIG(status), why);
	else
		printf("FAIL hard/%s: %s: %s\n", group, c->name, why);
	return false;
}

static inline int run_cases(const char *group, const struct hard_case *c, size_t n)
{
	bool good = true;

	for (size_t i = 0; i < n; i++)
		good &= run_case(group, &c[i]);
	return !good;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * check: as much of the unit-test library Check as our tests use, for a compiler that has none: musl-gcc on a
 * machine with glibc's. configure decides; the tests cannot tell.
 *
 * Each case runs in a child of its own, with a time limit; results are printed as TAP. Included by kit.h alone.
 */
#ifndef TESTS_STAND_IN_CHECK_H
#define TESTS_STAND_IN_CHECK_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct check_test {
	const char *name;
	void (*run)(int);
};

struct check_suite {
	const char *name;
	unsigned timeout;
	int n, failed;
	struct {
		const struct check_test *test;
		int from, to;
	} part[100];
};

typedef struct check_suite TCase, Suite, SRunner; /* Check's names */
enum { CK_ENV };

/* --- cases ----------------------------------------------------------------------------------------- */

#define START_TEST(n)                                                                              \
	static void n##_run(int);                                                                  \
	static const struct check_test n[] = {{#n, n##_run}};                                      \
	static void n##_run(int _i)                                                                \
	{                                                                                          \
		(void)_i;
#define END_TEST }

static inline void tcase_add_loop_test(TCase *tc, const struct check_test *test, int from, int to)
{
	if (tc->n == sizeof tc->part / sizeof tc->part[0]) {
		fputs("check.h: too many cases\n", stderr);
		abort();
	}
	tc->part[tc->n].test = test;
	tc->part[tc->n].from = from;
	tc->part[tc->n++].to = to;
}

#define tcase_add_test(tc, test) tcase_add_loop_test(tc, test, 0, 1)
#define tcase_set_timeout(tc, seconds) ((void)((tc)->timeout = (unsigned)(seconds)))

/* Suite, test case and runner are one here. */
static inline TCase *tcase_create(const char *name)
{
	TCase *tc = calloc(1, sizeof *tc);

	if (!tc)
		abort();
	tc->name = name;
	return tc;
}

#define suite_create(name) NULL
#define suite_add_tcase(suite, tc) ((suite) = (tc))
#define srunner_create(suite) (suite)
#define srunner_ntests_failed(sr) ((sr)->failed)
#define srunner_free(sr) free(sr)

static inline int check_run_one(const struct check_test *test, int i, unsigned timeout)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		alarm(timeout);
		test->run(i);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	kill(-pid, SIGKILL); /* what it left behind */
	return status;
}

static inline void srunner_run_all(SRunner *sr, int mode)
{
	int all = 0, status;

	(void)mode;
	for (int k = 0; k < sr->n; k++)
		for (int i = sr->part[k].from; i < sr->part[k].to; i++) {
			const struct check_test *test = sr->part[k].test;

			status = check_run_one(test, i, sr->timeout);
			sr->failed += status != 0;
			printf("%sok %d - %s:%d", status ? "not " : "", ++all, test->name, i);
			if (status && WIFSIGNALED(status))
				printf(": signal %d", WTERMSIG(status));
			putchar('\n');
		}
	printf("1..%d\n", all);
}

/* --- expectations ---------------------------------------------------------------------------------- */

/* Ends the case. */
#define ck_abort_msg(...)                                                                          \
	do {                                                                                       \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                    \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fputc('\n', stderr);                                                               \
		fflush(NULL);                                                                      \
		_exit(1);                                                                          \
	} while (0)
#define ck_assert_msg(cond, ...)                                                                   \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ck_abort_msg(__VA_ARGS__);                                                 \
	} while (0)
#define ck_assert(cond) ck_assert_msg(cond, "%s", #cond)

#define CHECK_COMPARE(type, format, a, op, b)                                                      \
	do {                                                                                       \
		type a_ = (a);                                                                     \
		type b_ = (b);                                                                     \
		if (!(a_ op b_))                                                                   \
			ck_abort_msg("%s is " format ", not " #op " " format, #a, a_, b_);         \
	} while (0)
#define CHECK_INT(a, op, b) CHECK_COMPARE(long long, "%lld", a, op, b)
#define CHECK_UINT(a, op, b) CHECK_COMPARE(unsigned long long, "%llu", a, op, b)
#define CHECK_PTR(a, op, b) CHECK_COMPARE(const void *, "%p", a, op, b)
#define ck_assert_int_eq(a, b) CHECK_INT(a, ==, b)
#define ck_assert_int_ne(a, b) CHECK_INT(a, !=, b)
#define ck_assert_int_lt(a, b) CHECK_INT(a, <, b)
#define ck_assert_int_le(a, b) CHECK_INT(a, <=, b)
#define ck_assert_int_gt(a, b) CHECK_INT(a, >, b)
#define ck_assert_int_ge(a, b) CHECK_INT(a, >=, b)
#define ck_assert_uint_eq(a, b) CHECK_UINT(a, ==, b)
#define ck_assert_uint_ne(a, b) CHECK_UINT(a, !=, b)
#define ck_assert_uint_lt(a, b) CHECK_UINT(a, <, b)
#define ck_assert_uint_le(a, b) CHECK_UINT(a, <=, b)
#define ck_assert_uint_gt(a, b) CHECK_UINT(a, >, b)
#define ck_assert_uint_ge(a, b) CHECK_UINT(a, >=, b)
#define ck_assert_ptr_eq(a, b) CHECK_PTR(a, ==, b)
#define ck_assert_ptr_ne(a, b) CHECK_PTR(a, !=, b)
#define ck_assert_ptr_null(a) CHECK_PTR(a, ==, NULL)
#define ck_assert_ptr_nonnull(a) CHECK_PTR(a, !=, NULL)
#define ck_assert_str_eq(a, b)                                                                     \
	do {                                                                                       \
		const char *a_ = (a), *b_ = (b);                                                   \
		if (!a_ || !b_ || strcmp(a_, b_))                                                  \
			ck_abort_msg("%s is \"%s\", not \"%s\"", #a, a_ ? a_ : "(null)",           \
				     b_ ? b_ : "(null)");                                          \
	} while (0)
#define ck_assert_mem_eq(a, b, len) ck_assert_msg(!memcmp(a, b, len), "%s differs from %s", #a, #b)

#endif

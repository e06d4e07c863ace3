/* SPDX-License-Identifier: MIT */
/*
 * check_diag: messages and traces.
 *
 * The rules: the first failure wins and later stages only append; nothing ever runs over; a trace line
 * goes out whole, to stderr or to a file of this process; unknown channels are named, not ignored.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"

START_TEST(first_failure_wins)
{
	struct diag d = {0};

	ck_assert(!diag_set(&d, DIAG_IO, "%s: %d", "a.so", 5));
	ck_assert(!diag_set(&d, DIAG_TLS, "another"));
	ck_assert_int_eq(d.kind, DIAG_IO);
	ck_assert(!diag_add(&d, " (needed by %s)", "b.so"));
	ck_assert_str_eq(d.text, "a.so: 5 (needed by b.so)");
	ck_assert_uint_eq(d.len, strlen(d.text));
	diag_clear(&d);
	ck_assert_int_eq(d.kind, DIAG_NONE);
	ck_assert_str_eq(d.text, "");
	ck_assert(!diag_no_memory(&d, "c.so"));
	ck_assert_int_eq(d.kind, DIAG_NO_MEMORY);
	ck_assert_str_eq(d.text, "c.so: cannot allocate memory");
}
END_TEST

START_TEST(long_messages_are_cut)
{
	struct diag d = {0};
	char big[3000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	diag_set(&d, DIAG_IO, "%s", big);
	ck_assert_uint_eq(d.len, sizeof(d.text) - 1);
	ck_assert_uint_eq(strlen(d.text), d.len);
	diag_add(&d, "%s", big);
	ck_assert_uint_eq(strlen(d.text), sizeof(d.text) - 1);
	diag_set(NULL, DIAG_IO, "nobody listens");
	diag_add(NULL, "nobody listens");
}
END_TEST

/* What a file holds. */
static const char *content(const char *path)
{
	static char text[8192];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	ck_assert_msg(fd >= 0, "%s is not there", path);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

static const char *output_of(pid_t pid)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s.%d", kit_path("trace"), (int)pid);
	return path;
}

START_TEST(channels)
{
	diag_trace_start("find,reloc", NULL);
	ck_assert_uint_eq(diag_channels, TRACE_FIND | TRACE_RELOC);
	diag_trace_start("", NULL);
	diag_trace_start(NULL, NULL);
	ck_assert_uint_eq(diag_channels, TRACE_FIND | TRACE_RELOC);
	ck_assert(diag_on(TRACE_FIND) && !diag_on(TRACE_MAP));
	diag_trace_start("all", NULL);
	for (unsigned bit = TRACE_FIND; bit <= TRACE_STATISTICS; bit *= 2)
		ck_assert(diag_on(bit));
}
END_TEST

START_TEST(unknown_channel)
{
	diag_trace_start("map,nonsense,tls", kit_path("trace"));
	ck_assert_uint_eq(diag_channels, TRACE_MAP | TRACE_TLS);
	ck_assert_ptr_nonnull(strstr(content(output_of(getpid())), "'nonsense'"));
}
END_TEST

START_TEST(lines)
{
	char big[4000];
	const char *text;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	diag_trace_start("find", kit_path("trace"));
	diag_trace(TRACE_FIND, "found %s", "it");
	diag_trace(TRACE_MAP, "not this one");
	text = content(output_of(getpid()));
	ck_assert_str_eq(text, "dlrs: found it\n");
	diag_print("%s", big);
	text = content(output_of(getpid()));
	ck_assert_uint_gt(strlen(text), 2048);
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	ck_assert_ptr_eq(strchr(text + sizeof("dlrs: found it"), '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(a_child_has_its_own_file)
{
	int status;
	pid_t pid;

	diag_trace_start("find", kit_path("trace"));
	diag_print("parent");
	pid = fork();
	if (!pid) {
		diag_print("child");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(content(output_of(getpid())), "dlrs: parent\n");
	ck_assert_str_eq(content(output_of(pid)), "dlrs: child\n");
}
END_TEST

START_TEST(stderr_without_a_prefix)
{
	int fds[2], saved = dup(2);
	char text[100] = "";

	ck_assert_int_eq(pipe(fds), 0);
	dup2(fds[1], 2);
	diag_print("%s", "to stderr");
	dup2(saved, 2);
	ck_assert_int_gt(read(fds[0], text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "dlrs: to stderr\n");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, first_failure_wins);
	tcase_add_test(tc, long_messages_are_cut);
	tcase_add_test(tc, channels);
	tcase_add_test(tc, unknown_channel);
	tcase_add_test(tc, lines);
	tcase_add_test(tc, a_child_has_its_own_file);
	tcase_add_test(tc, stderr_without_a_prefix);
}

KIT_MAIN("diag", add)

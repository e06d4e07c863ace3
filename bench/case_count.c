/* SPDX-License-Identifier: MIT */
/*
 * Counts the system calls of a command.
 *
 *   count COMMAND...
 *
 * If the command marks a region (bench_region_begin), only those inside; else all, from exec to exit.
 * Prints "syscalls N" and "syscall.NAME N" for the calls a loader makes, on standard error: standard output
 * is the command's.  Where tracing is forbidden it says so and ends with status 3.
 */
#include "bench.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/ptrace.h>

static const struct {
	long number;
	const char *name;
} names[] = {
	{SYS_openat, "openat"},
	{SYS_read, "read"},
	{SYS_pread64, "pread64"},
	{SYS_close, "close"},
	{SYS_fstat, "fstat"},
	{SYS_newfstatat, "newfstatat"},
	{SYS_statx, "statx"},
	{SYS_mmap, "mmap"},
	{SYS_mprotect, "mprotect"},
	{SYS_munmap, "munmap"},
	{SYS_madvise, "madvise"},
	{SYS_brk, "brk"},
	{SYS_getcwd, "getcwd"},
	{SYS_readlinkat, "readlinkat"},
	{SYS_faccessat, "faccessat"},
	{SYS_futex, "futex"},
	{SYS_gettid, "gettid"},
	{SYS_getpid, "getpid"},
	{SYS_rt_sigprocmask, "rt_sigprocmask"},
	{SYS_membarrier, "membarrier"},
	{SYS_mremap, "mremap"},
	{SYS_write, "write"},
};

enum { NNAMES = sizeof names / sizeof(*names) };

static struct {
	unsigned long all, named[NNAMES];
	bool marked, counting;
} seen;

static void enter(const struct __ptrace_syscall_info *info)
{
	if (info->entry.nr == SYS_prctl && info->entry.args[0] == BENCH_MARK) {
		if (!seen.marked)
			memset(&seen, 0, sizeof seen);
		seen.marked = true;
		seen.counting = info->entry.args[1] == BENCH_MARK_BEGIN;
		return;
	}
	if (seen.marked && !seen.counting)
		return;
	seen.all++;
	for (int i = 0; i < NNAMES; i++)
		seen.named[i] += (long)info->entry.nr == names[i].number;
}

static void stop(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 &&
	    info.op == PTRACE_SYSCALL_INFO_ENTRY)
		enter(&info);
}

static int follow(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status)) {
		int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

		if (signal == (SIGTRAP | 0x80)) {
			stop(pid);
			signal = 0;
		} else if (signal == SIGTRAP) {
			signal = 0; /* the exec */
		}
		ptrace(PTRACE_SYSCALL, pid, 0, signal);
	}
	return status;
}

void case_count(int n, char **arg)
{
	const char *preload = getenv("DLBENCH_PRELOAD");
	int status;
	pid_t pid = fork();

	(void)n;
	if (pid == 0) {
		if (preload && *preload)
			setenv("LD_PRELOAD", preload, 1);
		unsetenv("DLBENCH_PRELOAD");
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(3);
		raise(SIGSTOP);
		execvp(arg[0], arg);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		exit(3);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	status = follow(pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		bench_die(arg[0], "failed under the counter");
	fprintf(stderr, "syscalls %lu\n", seen.all);
	for (int i = 0; i < NNAMES; i++)
		if (seen.named[i])
			fprintf(stderr, "syscall.%s %lu\n", names[i].name, seen.named[i]);
}

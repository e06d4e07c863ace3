/* SPDX-License-Identifier: MIT */
/* Runs a program and prints to stderr how many system calls its first thread made. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long stops = 0;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			exit(77);
		execv(argv[1], argv + 1);
		exit(127);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD);
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	}
	fprintf(stderr, "%lu\n", stops / 2);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

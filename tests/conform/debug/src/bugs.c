/* SPDX-License-Identifier: MIT */
/* Three mistakes for valgrind to find. */
#include <stdlib.h>

static volatile int sink;

static void bugs_overrun(int *block, int n)
{
	block[n] = 1; /* mark: overrun */
}

static void bugs_uninitialised(const int *block)
{
	if (block[1]) /* mark: uninitialised */
		sink = 1;
}

static void bugs_leak(void)
{
	char *volatile lost = malloc(1000); /* mark: leak */

	lost = NULL;
	(void)lost;
}

int bugs_call(int (*callback)(int), int x)
{
	int *block = malloc(4 * sizeof *block);

	bugs_overrun(block, 4);
	bugs_uninitialised(block);
	free(block);
	bugs_leak();
	return callback(x);
}

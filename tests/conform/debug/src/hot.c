/* SPDX-License-Identifier: MIT */
/* Something for a profiler to find. */

static volatile unsigned hot_sink;

static void __attribute__((noinline)) hot_spin(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		hot_sink += i;
}

int hot_call(int (*callback)(int), int x)
{
	for (int i = 0; i < 50; i++)
		hot_spin(4000000);
	return callback(x);
}

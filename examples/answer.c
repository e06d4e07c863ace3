/* SPDX-License-Identifier: MIT */
/*
 * answer: the smallest plugin. Its counter is data of the library: whoever shares the library shares
 * it, and a private copy has its own. Opened by hello.c.
 */
static int asked;

int answer(void)
{
	return 42 + asked++;
}

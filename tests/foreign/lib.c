/* SPDX-License-Identifier: MIT
 *
 * A library for processes of another libc. run.sh builds, by -D:
 *
 *	LONELY	needs nothing but is linked with its libc
 *	COMMON	needs what every libc has
 *	LAYOUT	needs what every libc has, and each with other structures
 *	ONLY	needs what no other libc has
 *	ABOVE	needs lib-only.so
 */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

int answer(void);

#ifdef LONELY
static int begun = 40;

__attribute__((constructor)) static void begin(void)
{
	begun++;
}

int answer(void)
{
	return ++begun;
}
#endif

#ifdef COMMON
static __thread int local = 1;

int answer(void)
{
	char *text = malloc(100);

	snprintf(text, 100, "%d", 41);
	errno = atoi(text);
	free(text);
	return errno + local++;
}
#endif

#ifdef LAYOUT
int answer(void)
{
	regex_t re;

	return regcomp(&re, "x", 0);
}
#endif

#ifdef ONLY
int only(void); /* issetugid of musl, gnu_get_libc_version of glibc */

int answer(void)
{
	return only();
}
#endif

#ifdef ABOVE
int above(void)
{
	return answer();
}
#endif

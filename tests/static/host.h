/* SPDX-License-Identifier: MIT
 *
 * The frame of the static test programs: cases by name, a log of words, expectations that end the program.
 */
#ifndef STATIC_HOST_H
#define STATIC_HOST_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlrs.h"

#ifdef __cplusplus
extern "C" {
#endif

struct test {
	const char *name;
	void (*run)(void);
};
extern const struct test tests[]; /* ends with NULL */

int program_counts(int n);
void program_says(const char *word);
extern char program_said[]; /* words, each with a blank behind it */

#define ok(cond) ((cond) ? (void)0 : failed(__LINE__, #cond, dlerror()))
#define eq(got, want) equal(__LINE__, #got, (long)(got), (long)(want))
#define said(want) (strcmp(program_said, want) ? failed(__LINE__, want, program_said) : (void)(program_said[0] = 0))

void failed(int line, const char *what, const char *why);
void equal(int line, const char *what, long got, long want);
void *need(const char *path);		     /* dlopen that must succeed */
void *look(void *handle, const char *name); /* dlsym that must succeed */
#define call(handle, name) (((int (*)(void))look(handle, name))())

/* The test program is one of libc's that never unloads (musl). */
extern int keeps_all;

#ifdef __cplusplus
}
#endif
#endif

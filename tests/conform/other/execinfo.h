/* SPDX-License-Identifier: MIT
 *
 * For a libc that has no <execinfo.h>; see dlfcn.h here.
 */
#ifndef OTHER_EXECINFO_H
#define OTHER_EXECINFO_H

#ifdef __cplusplus
extern "C" {
#endif
int backtrace(void **, int) __attribute__((weak));
char **backtrace_symbols(void *const *, int) __attribute__((weak));
void backtrace_symbols_fd(void *const *, int, int) __attribute__((weak));
#ifdef __cplusplus
}
#endif
#endif

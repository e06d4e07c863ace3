/* SPDX-License-Identifier: MIT */
/*
 * libc_own: libc's own functions, past libdlrs, whose dlsym answers with its own where they have one name.  So this
 * reads libc's symbol table itself.  NULL: libc (and, before glibc 2.34, libdl) has no such function.
 */
#ifndef LIBC_OWN_H
#define LIBC_OWN_H

void *libc_own(const char *name);

#endif

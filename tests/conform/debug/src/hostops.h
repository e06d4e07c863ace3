/* SPDX-License-Identifier: MIT */
/* hostops: what its two halves share: the expectation, and libc's own functions. */
#ifndef HOSTOPS_H
#define HOSTOPS_H

#include <dlfcn.h>
#include <link.h>

struct real {
	void *(*open)(const char *, int);
	void *(*mopen)(Lmid_t, const char *, int);
	int (*close)(void *);
	void *(*sym)(void *, const char *);
	void *(*vsym)(void *, const char *, const char *);
	char *(*error)(void);
	int (*addr)(const void *, Dl_info *);
	int (*info)(void *, int, void *);
	int (*iterate)(int (*)(struct dl_phdr_info *, size_t, void *), void *);
};
extern struct real real;

void check(int good, const char *what);
#define ok(condition) check(!!(condition), #condition)

void *libc_symbol(const char *name);
void *open_real(const char *file);
void find_real(void);

/* hostops_loader.c */
void host_open(void);
void host_open_what_we_have(void);
void host_open_and_keep(void);
void host_open_in_namespace(void);
void host_open_three_namespaces(void);
void host_open_global(void);
void host_open_itself(void);
void host_open_noload(void);
void host_open_fails(void);
void host_lookup(void);
void host_address(void);
void host_iterate(void);
void host_list(void);
void our_list(void);
void host_constructor_opens_ours(void);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What <dlfcn.h> of glibc has and others have not, so that the programs compile. The functions are weak: where libc
 * lacks them they are NULL, unless libdlrs is preloaded. Which cases apply where, other/LIBC.txt says.
 */
#include <stddef.h>
#include_next <dlfcn.h>

#ifndef OTHER_DLFCN_H
#define OTHER_DLFCN_H

#define RTLD_DEEPBIND 8

typedef long Lmid_t;
#define LM_ID_BASE 0
#define LM_ID_NEWLM (-1)

enum {
	RTLD_DI_LMID = 1,
	RTLD_DI_CONFIGADDR = 3,
	RTLD_DI_SERINFO = 4,
	RTLD_DI_SERINFOSIZE = 5,
	RTLD_DI_ORIGIN = 6,
	RTLD_DI_PROFILENAME = 7,
	RTLD_DI_PROFILEOUT = 8,
	RTLD_DI_TLS_MODID = 9,
	RTLD_DI_TLS_DATA = 10,
	RTLD_DL_SYMENT = 1,
	RTLD_DL_LINKMAP = 2,
};

typedef struct {
	char *dls_name;
	unsigned dls_flags;
} Dl_serpath;

typedef struct {
	size_t dls_size;
	unsigned dls_cnt;
	Dl_serpath dls_serpath[1];
} Dl_serinfo;

struct dl_find_object {
	unsigned long long dlfo_flags;
	void *dlfo_map_start, *dlfo_map_end;
	struct link_map *dlfo_link_map;
	void *dlfo_eh_frame;
	unsigned long long dlfo_reserved[7];
};

#ifdef __cplusplus
extern "C" {
#endif
int _dl_find_object(void *, struct dl_find_object *) __attribute__((weak));
void *dlmopen(Lmid_t, const char *, int) __attribute__((weak));
void *dlvsym(void *, const char *, const char *) __attribute__((weak));
int dladdr1(const void *, Dl_info *, void **, int) __attribute__((weak));
#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * dlrs.h - what libdlrs offers beyond <dlfcn.h>.
 *
 * libdlrs replaces dlopen and its family, so a program needs this header only for what the standard
 * interface cannot say. Include it beside <dlfcn.h> and link with `pkg-config --libs dlrs` in place of
 * -ldl, or put libdlrs.so.0 into LD_PRELOAD. The header is for programs; the loader's own
 * sources take nothing from it but the flags.
 *
 * Copyright (c) 2026 the libdlrs authors
 */
#ifndef DLRS_H
#define DLRS_H

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; a release changes MAJOR when a program must be rebuilt. */
#define DLRS_VERSION_MAJOR 0
#define DLRS_VERSION_MINOR 1
#define DLRS_VERSION_PATCH 0
#define DLRS_VERSION (DLRS_VERSION_MAJOR * 10000 + DLRS_VERSION_MINOR * 100 + DLRS_VERSION_PATCH)

/* The version of the library that is loaded, "MAJOR.MINOR.PATCH". */
const char *dlrs_version(void);

/*
 * A flag for dlopen's mode: a private copy. The file is opened, mapped and initialised afresh, even when
 * it is loaded already; the copy has its own data and its own handle.
 *
 *  - A later dlopen never finds the copy, neither by name nor by inode, and no other library comes to
 *    depend on it: without the flag one gets the shared library, with it one more copy.
 *  - The libraries the copy itself depends on are shared as usual.
 *  - Unwinders, dladdr, dl_iterate_phdr and debuggers see the copy like any other library.
 *  - dlclose runs its destructors and unmaps it. Old and new copies live side by side until then.
 *
 *	void *v2 = dlopen("./plugin.so", RTLD_NOW | DLRS_NOT_REGISTER);
 *
 * A file that may be rewritten while it is mapped should be replaced by rename(2): the mapping of an
 * overwritten file changes under the program, as it does with every loader. Or see DLRS_SNAPSHOT.
 */
#define DLRS_NOT_REGISTER 0x400
#define CUSTOM_NOT_REGISTER DLRS_NOT_REGISTER

/*
 * A flag for dlopen's mode: a snapshot. The file's bytes are copied to memory that nobody can change (a
 * sealed memfd), and the copy is mapped: the library stays what it was when it was opened, though the file
 * be overwritten, cut short or removed. With DLRS_NOT_REGISTER for a copy of one's own; without it the
 * library is registered as that file, and a library that is loaded already is taken as it is. Applies to
 * the library that is named, not to those it depends on.
 *
 * It costs the time and memory of the copy, which no other process shares. The library keeps its path, for
 * dladdr and debuggers; /proc/self/maps has "/memfd:NAME (deleted)". So gdb takes symbols from the file
 * that has the path now, which may be a newer one, and perf and valgrind find no symbols. A file that
 * changes while it is copied is copied again, and in the end refused.
 */
#define DLRS_SNAPSHOT 0x100000

/*
 * Hands symbols over to libraries that are opened from now on: they find them as if a library with these
 * symbols had been opened with RTLD_GLOBAL. Meant for static programs, which export nothing; the script
 * dlrs-provide writes the table. Names are copied, addresses must stay valid. Nothing is ever taken back.
 * Returns 0, or -1 with a message for dlerror.
 */
struct dlrs_symbol {
	const char *name;
	const void *address;
};
int dlrs_provide(const struct dlrs_symbol *symbols, __SIZE_TYPE__ n);

#ifdef __cplusplus
}
#endif

#endif /* DLRS_H */

/* SPDX-License-Identifier: MIT */
/*
 * peek: reading the symbol table of an image that libc mapped, before anything else works.
 *
 * For the files of this folder only (loader/ has hash.h).  Trusts what it reads: libc has already
 * relocated or used these tables.  No call, no allocation; safe from the first instruction on.
 */
#ifndef COMPAT_PEEK_H
#define COMPAT_PEEK_H

#include "host.h"
#include "../loader/elf.h"

struct host_peek {
	uintptr_t bias, start, end; /* end 0: no such image */
	const elf_dyn *dyn;
	const elf_sym *sym;
	const char *str, *soname; /* soname "" when it has none */
	const elf_versym *versym;
	const uint32_t *gnu, *sysv; /* hash tables, NULL: none */
};

/* From program headers; false: no dynamic section or no symbols. */
bool host_peek(struct host_peek *pk, uintptr_t bias, const elf_phdr *ph, unsigned phnum);

/* The image that an address lies in, found by stepping back to its ELF header. */
bool host_peek_around(struct host_peek *pk, const void *addr);

/* The address of a defined symbol, its default version if there are several; 0: none. */
uintptr_t host_peek_symbol(const struct host_peek *pk, const char *name);

extern const struct host_style host_style_glibc, host_style_musl;

/*
 * For once.c: may libc be looked for already?  Then: fills `host`, `host_found` and the style; false: no
 * libc that we know.
 */
bool host_find_possible(void);
bool host_find(void);

/* What it found besides `host`: for the other files here.  Constant after host_boot(). */
struct host_found {
	struct host_peek libc, ldso;
	const char *ldso_name;	  /* libc's name for its loader */
	const char *library_path; /* LD_LIBRARY_PATH or --library-path at boot, a copy; or NULL */
	bool no_cache;		  /* ld.so --inhibit-cache */
	unsigned modules;	  /* libc's images at boot, the first ones of its list from then on */
	bool by_ldso;		  /* `ld.so program`: /proc/self/exe is not the program */
} __attribute__((aligned(HOST_SEALED)));
extern struct host_found host_found;

/* Pages that were written for the last time; sealed from host_seal() on.  host_unseal for those that must. */
void host_seal_block(void *at, size_t len);
void host_unseal_block(void *at, size_t len);
void host_seal_paths(void);

/* Fills the entries of host.real that are still NULL from libraries that came meanwhile.  UNLOCKED. */
void host_find_late(void);

#endif

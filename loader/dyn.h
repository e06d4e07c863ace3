/* SPDX-License-Identifier: MIT */
/*
 * dyn: the dynamic section -> tables with checked bounds.
 *
 * Fuzz door 2.  After dyn_parse every pointer in here is inside the image and every count fits; string
 * offsets are checked by dyn_string.  Used for our own images and, with libc's relocated pointers, for
 * adopted ones.
 */
#ifndef LOADER_DYN_H
#define LOADER_DYN_H

#include "diag.h"
#include "../arch/arch.h"
#include "elf.h"
#include "hash.h"
#include "map.h"

#if ARCH_RELA
typedef elf_rela elf_reloc;
#define ELF_ADDEND(r, place) ((uintptr_t)(r)->r_addend)
#else
typedef elf_rel elf_reloc;
#define ELF_ADDEND(r, place) (*(const uintptr_t *)(place))
#endif

struct dyn_table { /* relocations: n entries of the machine's own kind */
	const elf_reloc *at;
	size_t n;
};

struct dyn {
	const elf_dyn *at; /* the section; n entries up to DT_NULL */
	size_t n;

	struct dyn_table rel, plt; /* REL or RELA as the machine has it */
	size_t relative_count;	   /* DT_REL(A)COUNT: a hint, not trusted for bounds */
	const elf_relr *relr;
	size_t nrelr;
	uintptr_t *pltgot; /* or NULL */

	uintptr_t init, fini; /* runtime addresses, 0: none */
	const uintptr_t *init_array, *fini_array;
	size_t ninit, nfini;

	const char *soname, *rpath, *runpath; /* or NULL */
	unsigned ndepend; /* DT_NEEDED, DT_FILTER, DT_AUXILIARY */
	uint32_t flags, flags_1;
	bool textrel, symbolic, bind_now;

	const void *verneed, *verdef; /* first entries; version.c checks every link */
};

/* How a d_ptr becomes an address: NULL for our images (va + bias). */
typedef uintptr_t dyn_ptr_rule(intptr_t tag, uintptr_t d_ptr, uintptr_t bias, uintptr_t start,
			       uintptr_t end);

/*
 * Parses the section at va[len].  Fills dy and st.  `path` is for messages.  With `rule` set the image
 * is libc's: trusted, and odd entries are ignored rather than refused.
 */
struct dyn_source {
	const struct map *map;
	uintptr_t va, len;
	const char *path;
	dyn_ptr_rule *rule;
};
bool dyn_parse(struct dyn *dy, struct symtab *st, const struct dyn_source *src, struct diag *d);

/*
 * The libraries that the section names, in its order: one at each call, from a zeroed `dep` on.  tag:
 * DT_NEEDED; DT_FILTER or DT_AUXILIARY: one that answers before this image does, the latter if it can be had.
 */
struct dyn_depend {
	const char *name; /* NULL: its offset is bad */
	intptr_t tag;
	size_t entry;	  /* of the section, the next one to look at */
	unsigned given;	  /* so far; never more than ndepend */
};
bool dyn_depend(const struct dyn *dy, const struct symtab *st, struct dyn_depend *dep);

#endif

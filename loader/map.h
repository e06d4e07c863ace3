/* SPDX-License-Identifier: MIT */
/*
 * map: from checked program headers to mapped segments, and back to nothing.
 *
 * File mappings only: perf, gdb, valgrind and page sharing need them.  Never reads the mapped bytes.
 */
#ifndef LOADER_MAP_H
#define LOADER_MAP_H

#include "diag.h"
#include "elf.h"
#include "file.h"

struct segment {
	uintptr_t va, len; /* image-relative; len is p_memsz */
	uint8_t prot;	   /* PROT_* as the program header asks */
	uintptr_t file;	   /* p_filesz: only there are tables */
};

/*
 * The mapped image: written by map_image, constant after map_protect, given back by map_unmap.
 * Host images have one too (adopted from their program headers), but libc owns the memory.
 */
struct map {
	uintptr_t bias;	      /* runtime address = bias + va */
	uintptr_t start, end; /* runtime, page-aligned */
	unsigned nseg;
	struct segment *seg;	    /* arena */
	uintptr_t relro_va, relro_len; /* 0: none */
	bool textrel_open;	    /* text is writable at the moment (DT_TEXTREL) */
};

/*
 * Reserves, places, zeroes tails.  On failure nothing stays mapped.  NEEDS_LOCK.
 */
bool map_image(struct map *m, const struct file *f, struct diag *d);

/* The same description for an image that is mapped already.  NEEDS_LOCK. */
bool map_adopt(struct map *m, uintptr_t bias, const elf_phdr *ph, unsigned phnum);

/* Makes every read-only segment writable for relocation, and back.  DT_TEXTREL only. */
bool map_textrel(struct map *m, bool open, const char *path, struct diag *d);

/* RELRO. */
bool map_protect(struct map *m, const char *path, struct diag *d);

/* Will a byte of this be read-only after map_protect and map_textrel's end? */
bool map_sealed(const struct map *m, uintptr_t va, uintptr_t len);

/*
 * The range around [va, va+len) that relocations may write: a segment, or what of it lies on this side of
 * the one byte `not`.  False: it is not writable, or contains that byte.
 */
struct map_range {
	uintptr_t va, len; /* image-relative */
};
bool map_writable(const struct map *m, uintptr_t va, uintptr_t len, uintptr_t not, struct map_range *out);

void map_unmap(struct map *m);	/* the memory; the description stays for late readers */

/* The memory from m's start to `end`, where the last of its neighbours ends; they are disowned. */
void map_unmap_to(struct map *m, uintptr_t end);
void map_disown(struct map *m);
void map_forget(struct map *m); /* the description.  NEEDS_LOCK */

/*
 * The range gate: does [va, va+len) lie inside one segment with all of `prot`?  Everything that an
 * image's tables name goes through here once.
 */
bool map_has(const struct map *m, uintptr_t va, uintptr_t len, int prot);

/* For tables: the pointer for va when [va, va+len) can be read and lies in the file, else NULL. */
const void *map_at(const struct map *m, uintptr_t va, uintptr_t len);

/* The same: bytes from va to the end of its segment in the file; 0: none. */
uintptr_t map_room(const struct map *m, uintptr_t va);

#endif

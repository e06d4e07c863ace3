/* SPDX-License-Identifier: MIT */
/*
 * recipe: the fuzzers' input: how to make up to four libraries with elfgen, and what to do with them.
 *
 * The first byte chooses a sample library that is correct; then follow operations of RECIPE_OP bytes
 * each, of two kinds: those that add something before the library is built (a symbol, a relocation, a
 * dependency, ...), and those that overwrite one field of one entry of one table afterwards.  So every
 * input gets past the first checks unless it means not to, and is short.  Any bytes are a recipe; with
 * RECIPE_RAW as the first byte the rest is the file itself.
 */
#ifndef TESTS_FUZZ_RECIPE_H
#define TESTS_FUZZ_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elfgen.h"

enum { RECIPE_FILES = 4, RECIPE_OPS = 64, RECIPE_OP = 12, RECIPE_RAW = 0xff };

/* Little endian: code, how the value is meant, index, value. */
struct recipe_op {
	uint8_t code, how;
	uint16_t idx;
	uint64_t val;
};

/* Codes below ELFGEN_NFIELDS overwrite that field of entry idx. */
enum recipe_code {
	RECIPE_SYM = 0x80,
	RECIPE_REL,
	RECIPE_PLT,
	RECIPE_RELR,
	RECIPE_NEEDED,
	RECIPE_VERDEF,
	RECIPE_VERNEED,
	RECIPE_DYN,
	RECIPE_PHDR,
	RECIPE_NOTE,
	RECIPE_OPTION,
	RECIPE_PUT,
	RECIPE_CUT,	/* the file's length */
	RECIPE_FILE,	/* from here on: the next file, from sample idx, with name val */
	RECIPE_CONTROL, /* enum recipe_control */
	RECIPE_FILTER,	/* DT_AUXILIARY or DT_FILTER of name idx; by how */
	RECIPE_PROPERTY, /* a note in PT_GNU_PROPERTY: property idx, its size how & 15, its value val */
	RECIPE_FRAMES,	 /* .eh_frame_hdr of encoding how, .eh_frame with entries of lengths in val */
	RECIPE_CODES
};

enum recipe_how { /* the low four bits of op.how */
	RECIPE_VALUE,
	RECIPE_ADD,	/* to what was there */
	RECIPE_FLIP,	/* bit val of what was there */
	RECIPE_VA,	/* in part val & 7, at val >> 8 */
	RECIPE_LENGTH,	/* of the file, + (signed char)val */
	RECIPE_BIT,	/* 1 << val */
	RECIPE_MINUS,	/* - val */
	RECIPE_NOTED,	/* a noteworthy number */
	RECIPE_TABLE,	/* where table val & 31 is, + val >> 8 */
	RECIPE_END,	/* of part val & 7, - val >> 8 */
	RECIPE_HOWS
};

enum recipe_control { /* op.idx; what the targets make of it */
	RECIPE_MODE,  /* of dlopen */
	RECIPE_AGAIN, /* open another one as well: bits 0-1 which, from 2 its mode; at the top what is closed */
	RECIPE_FAIL,  /* the nth host call or allocation fails */
	RECIPE_SIZE,  /* what stat says of the file, less its length */
	RECIPE_TWIST, /* somebody writes to it: low 8 bits when, next 8 by, the rest where */
	RECIPE_ROOT,  /* 1: root by path, 2: ... with a token in it */
	RECIPE_HABITS, /* bit 0: a privileged process; bit 1: musl's */
	RECIPE_CHANGE, /* it grows: low 4 bits at which stat, the rest by; fuzz_file: bits 60-63 its type */
	RECIPE_CONTROLS
};

struct recipe_file {
	const uint8_t *bytes; /* of e, or of the recipe itself */
	size_t len;
	struct elfgen *e; /* NULL: raw */
	unsigned name;	  /* 0 root.so, 1 a.so, 2 b.so, 3 c.so */
	uint64_t control[RECIPE_CONTROLS];
};

struct recipe {
	struct recipe_file file[RECIPE_FILES];
	unsigned n;
};

void recipe_make(struct recipe *r, const uint8_t *data, size_t len);
void recipe_free(struct recipe *r);

struct recipe_op recipe_read(const uint8_t *at);
void recipe_write(uint8_t *at, const struct recipe_op *op);

/* The sample libraries, described but not built: base.c. */
enum { RECIPE_BASES = 10 };
struct elfgen *recipe_base(unsigned which);

/* Names that the samples use, and some that are trouble. */
enum { RECIPE_NAMES = 43 };
extern const char *const recipe_names[RECIPE_NAMES];

#endif

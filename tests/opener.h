/* SPDX-License-Identifier: MIT */
/*
 * opener: load and unload as the doors do it, without the doors, and what a load that fails must leave as
 * it was.
 *
 * Constructors are not run: the libraries are elfgen's and have none.
 */
#ifndef TESTS_OPENER_H
#define TESTS_OPENER_H

#include "kit.h"

#include "loader/load.h"
#include "loader/registry.h"

/* The registry's first adoption.  Idempotent. */
void opener_start(void);

/* A library with 64 bytes of TEXT and of DATA, which finds its dependencies beside itself. */
struct elfgen *begin(const char *soname);
void end(struct elfgen *e); /* into the file named by its soname */
void refer(struct elfgen *e, unsigned word, enum reloc_kind kind, unsigned sym); /* in DATA */
unsigned define(struct elfgen *e, const char *name, unsigned char bind, uint16_t version);

/* dlopen up to, but without, constructors. */
bool open_load(struct load *ld, const char *path, int mode, struct diag *d);
struct image *open_lib(const char *name, int mode); /* must succeed */
void close_lib(struct image *im);

struct state {
	struct kit_trace trace;
	unsigned nimage, opens, nbinds, nglobal, nchain;
	unsigned long adds, subs;
	struct image *last;
	struct scope_list *search;
	bool pinned;
	struct image_tls tls;
};

/* The process's, and that of one image that was there before (or NULL). */
struct state state(const struct image *old);
void unchanged(struct state *before, const struct image *old, const char *what); /* frees before */
void closed_again(struct state *before, const char *what); /* the same but for the counters */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * version: DT_VERDEF and DT_VERNEED -> the array that DT_VERSYM indexes; and the check at load.
 *
 * Chains are walked with every link checked against the image.  Source: LSB, symbol versioning; glibc
 * dl-version.c for what is an error and what only a warning.
 */
#ifndef LOADER_VERSION_H
#define LOADER_VERSION_H

#include "dyn.h"

struct version_need {
	const char *file; /* vn_file */
	const char *name; /* vna_name */
	uint32_t hash;
	bool weak;
};

/*
 * Builds st->versions (arena block, freed with the image).  NEEDS_LOCK.
 */
bool version_parse(struct symtab *st, const struct dyn *dy, const struct dyn_source *src, struct diag *d);

/* Calls each() for every requirement until it returns false; false then, or on a damaged chain. */
bool version_each_need(const struct symtab *st, const struct dyn *dy, const struct map *m,
		       bool (*each)(const struct version_need *, void *), void *arg);

/* Does st define this version? */
bool version_defined(const struct symtab *st, const char *name, uint32_t hash);

#endif

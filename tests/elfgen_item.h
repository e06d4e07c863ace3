/* SPDX-License-Identifier: MIT */
/*
 * elfgen_item: what elfgen's arrays hold, for its own files.
 *
 * Names are offsets in DT_STRTAB, because the callers' strings need not live until elfgen_build.
 */
#ifndef TESTS_ELFGEN_ITEM_H
#define TESTS_ELFGEN_ITEM_H

#include "elfgen.h"

struct elfgen_symbol {
	struct elfgen_sym s;
	unsigned name;
};

struct elfgen_pair { /* of the dynamic section */
	int64_t tag;
	uint64_t val;
};

struct elfgen_verdef_item {
	unsigned name, parent, ndx; /* parent 0: none */
	uint32_t hash;
};

struct elfgen_verneed_item {
	unsigned file, name, ndx;
	uint32_t hash;
	bool weak;
};

#endif

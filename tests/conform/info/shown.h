/* SPDX-License-Identifier: MIT
 * The library that the programs of this directory look at.
 */
#include "twin.h"
#include <link.h>

static inline struct link_map *shown(void)
{
	return load("./libshown.so", RTLD_NOW);
}

static inline const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

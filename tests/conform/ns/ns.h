/* SPDX-License-Identifier: MIT
 * What the programs about namespaces have in common.
 */
#ifndef CONFORM_NS_H
#define CONFORM_NS_H

#include "twin.h"
#include <link.h>

static void *load_in(Lmid_t ns, const char *path, int flags)
{
	void *h = dlmopen(ns, path, flags);

	if (!h)
		fail("dlmopen(%ld, %s): %s", (long)ns, path, dlerror());
	return h;
}

static Lmid_t namespace_of(void *h)
{
	Lmid_t id = -77;

	eq(dlinfo(h, RTLD_DI_LMID, &id), 0);
	return id;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * guard: zeros in the place of what a file no longer has.
 *
 * Used by stage.c and load.c around everything that reads a new image's memory.  missing() runs in a signal
 * handler, in the midst of such a read, in the thread that has the lock.
 */
#include "guard.h"

#include "../compat/host.h"

enum { PROT_RW = 3, MAP_PRIV_FIX_ANON = 0x32 };

static struct image *watched; /* the last one first.  NEEDS_LOCK */

/* All behind this page is gone as well.  It will never be code: the load fails. */
static bool replace(struct image *im, uintptr_t at)
{
	char *page = (char *)(at & ~(host.page - 1));
	size_t len = im->map.end - (uintptr_t)page;

	im->torn = true;
	return !host_failed(host_mem->map(page, len, PROT_RW, MAP_PRIV_FIX_ANON, -1, 0));
}

static bool missing(uintptr_t at)
{
	for (struct image *im = watched; im; im = im->watched)
		if (at - im->map.start < im->map.end - im->map.start)
			return replace(im, at);
	return false;
}

static bool whole(const struct image *im, struct diag *d)
{
	if (!im->torn)
		return true;
	diag_clear(d);
	return diag_set(d, DIAG_IO,
			"%s: cannot read file data: cut short while being opened, or not readable",
			im->path);
}

bool guard_whole(struct diag *d)
{
	bool ok = true;

	for (const struct image *im = watched; im; im = im->watched)
		ok = whole(im, d) && ok;
	return ok;
}

void guard_begin(struct image *im)
{
	if (!watched)
		host_bus_begin(missing);
	im->watched = watched;
	watched = im;
}

bool guard_drop(struct image *im, struct diag *d)
{
	watched = im->watched;
	if (!watched)
		host_bus_end();
	return whole(im, d);
}

bool guard_end(struct diag *d)
{
	bool ok = guard_whole(d);

	if (watched)
		host_bus_end();
	watched = NULL;
	return ok;
}

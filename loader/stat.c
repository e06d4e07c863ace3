/* SPDX-License-Identifier: MIT */
/*
 * stat: the table of DLRS_DEBUG=statistics.
 *
 * The times are in every struct image, measured by the stages themselves.  Of images that were closed
 * only their line is kept, in the order of closing; they come first in the table.
 *
 * stat_record is called by unload, stat_print by the door at exit.
 */
#include "stat.h"

#include "arena.h"
#include "diag.h"
#include "registry.h"
#include "text.h"

struct line {
	struct line *next;
	uint64_t ns[4]; /* find, map, reloc, constructors */
	unsigned nreloc;
	char name[];
};

static struct line *first, **last = &first; /* the loader lock's */

struct total {
	unsigned n, nreloc;
	uint64_t ns[4];
};

static void take(const struct image *im, uint64_t ns[4])
{
	ns[0] = im->ns_find;
	ns[1] = im->ns_map;
	ns[2] = im->ns_reloc;
	ns[3] = im->ns_init;
}

void stat_record(const struct image *im)
{
	struct line *l;
	size_t len;

	if (!diag_on(TRACE_STATISTICS) || im->host)
		return;
	len = text_len(image_label(im)) + 1;
	l = arena_alloc(sizeof(*l) + len);
	if (!l)
		return;
	take(im, l->ns);
	l->nreloc = im->nreloc;
	memcpy(l->name, image_label(im), len);
	*last = l;
	last = &l->next;
}

/* Microseconds with one decimal, right-aligned by the caller's field. */
static const char *micro(uint64_t ns, char out[24])
{
	uint64_t tenths = (ns + 50) / 100;

	text_format(out, 24, "%lu.%u", (unsigned long)(tenths / 10), (unsigned)(tenths % 10));
	return out;
}

static void add(struct total *t, const uint64_t ns[4], unsigned nreloc)
{
	for (int i = 0; i < 4; i++)
		t->ns[i] += ns[i];
	t->nreloc += nreloc;
	t->n++;
}

static void row(const uint64_t ns[4], unsigned nreloc, const char *name)
{
	char t[4][24];

	diag_print("statistics: %10s %10s %10s %10s %8u  %s", micro(ns[0], t[0]),
		   micro(ns[1], t[1]), micro(ns[2], t[2]), micro(ns[3], t[3]), nreloc, name);
}

void stat_print(void)
{
	struct total t = {0};
	char text[4][24];

	if (!diag_on(TRACE_STATISTICS))
		return;
	diag_print("statistics: %10s %10s %10s %10s %8s  %s", "find", "map", "reloc", "ctor",
		   "relocs", "image");
	for (const struct line *l = first; l; l = l->next) {
		row(l->ns, l->nreloc, l->name);
		add(&t, l->ns, l->nreloc);
	}
	for (const struct space *sp = &registry.base; sp; sp = sp->next) {
		for (const struct image *im = sp->first; im; im = im->next) {
			uint64_t ns[4];

			if (im->host)
				continue;
			take(im, ns);
			row(ns, im->nreloc, image_label(im));
			add(&t, ns, im->nreloc);
		}
	}
	diag_print(
		"statistics: total %u images, %u relocations; us: find %s map %s reloc %s ctor %s",
		t.n, t.nreloc, micro(t.ns[0], text[0]), micro(t.ns[1], text[1]),
		micro(t.ns[2], text[2]), micro(t.ns[3], text[3]));
}

/* SPDX-License-Identifier: MIT */
/*
 * note: reading PT_GNU_PROPERTY or PT_NOTE, whichever glibc reads on this CPU.
 *
 * Called by stage.c for every new image.  As in glibc: of the segments that are aligned to a word the last
 * one counts, in it the first NT_GNU_PROPERTY_TYPE_0 note; its properties ascend, and one of a wrong size
 * ends the reading.  What the numbers mean is the CPU's (arch_marks).
 *
 * Must never refuse a library because of a note that cannot be read.
 */
#include "note.h"

#include "../arch/arch.h"
#include "text.h"

#ifndef ARCH_PROPERTY_SEGMENT
#define ARCH_PROPERTY_SEGMENT PT_GNU_PROPERTY
#endif

enum { TYPE_PROPERTY = 5 /* NT_GNU_PROPERTY_TYPE_0 */ };

struct reader {
	const char *at;
	size_t len;
};

static uint32_t word(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

static size_t align(size_t n, size_t to)
{
	return (n + to - 1) & -to;
}

/* The description of the next note; false: no more.  *wanted: it is the one. */
static bool next_note(struct reader *r, struct reader *desc, bool *wanted)
{
	size_t name, len, start;

	if (r->len < 12)
		return false;
	name = word(r->at);
	len = word(r->at + 4);
	start = align(12 + name, sizeof(uintptr_t));
	if (name > r->len || len > r->len || start > r->len || len > r->len - start)
		return false;
	*wanted = word(r->at + 8) == TYPE_PROPERTY && name == 4 && memcmp(r->at + 12, "GNU", 4) == 0;
	*desc = (struct reader){r->at + start, len};
	start = align(start + len, sizeof(uintptr_t));
	if (start > r->len)
		start = r->len;
	r->at += start;
	r->len -= start;
	return true;
}

static void read_properties(struct reader r, struct arch_marks *marks)
{
	uint32_t last = 0;

	while (r.len >= 8) {
		uint32_t type = word(r.at), len = word(r.at + 4);
		size_t step = 8 + align(len, sizeof(uintptr_t));
		bool ours = type == ARCH_PROPERTY_NEEDS || type == ARCH_PROPERTY_FEATURES;

		if (type < last || len > r.len - 8 || (ours && len != 4))
			return;
		if (type == ARCH_PROPERTY_NEEDS) {
			marks->needs = word(r.at + 8);
			return; /* the last that counts */
		}
		if (type == ARCH_PROPERTY_FEATURES)
			marks->features = word(r.at + 8);
		last = type;
		if (step > r.len)
			return;
		r.at += step;
		r.len -= step;
	}
}

static void read_segment(const struct image *im, const elf_phdr *ph, struct arch_marks *marks)
{
	struct reader r = {image_at(im, ph->p_vaddr, ph->p_memsz), ph->p_memsz}, desc;
	bool wanted = false;

	while (r.at && !wanted && next_note(&r, &desc, &wanted))
		;
	if (wanted && desc.len % sizeof(uintptr_t) == 0)
		read_properties(desc, marks);
}

bool note_check(const struct image *im, struct diag *d)
{
	struct arch_marks marks = {0};
	const char *why;
	unsigned i = im->phnum;

	while (i-- > 0)
		if (im->ph[i].p_type == ARCH_PROPERTY_SEGMENT && im->ph[i].p_align == sizeof(uintptr_t)) {
			read_segment(im, &im->ph[i], &marks);
			break;
		}
	why = arch_marks_refuse(&marks);
	return !why || diag_set(d, DIAG_REFUSED, "%s: %s", im->path, why);
}

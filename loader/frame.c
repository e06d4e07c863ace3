/* SPDX-License-Identifier: MIT */
/*
 * frame: from an image's .eh_frame_hdr to a call of __register_frame_info.
 *
 * Called by init.c before an image's constructors, which may throw, and by unload.c after its destructors.
 * libgcc walks .eh_frame to its end without asking where that is, so it is walked here first: a section
 * that does not end within its segment is not registered.
 */
#include "frame.h"

#include "../compat/host.h"
#include "text.h"

enum { HEADER = 4 + sizeof(uintptr_t) };
enum { PCREL = 0x10, DATAREL = 0x30, ABSPTR = 0x00, UDATA4 = 0x03, SDATA4 = 0x0b };

/* The address that .eh_frame_hdr gives for .eh_frame, image-relative; 0: in no form that we read. */
static uintptr_t start_va(const struct image *im)
{
	uintptr_t hdr = im->eh_frame_hdr, value = 0;
	const unsigned char *at = (const unsigned char *)hdr;
	unsigned enc = at[1], format = enc & 0x0f;
	int32_t word;

	if (at[0] != 1)
		return 0;
	if (format == ABSPTR) {
		memcpy(&value, at + 4, sizeof value);
	} else if (format == SDATA4 || format == UDATA4) {
		memcpy(&word, at + 4, sizeof word);
		value = format == SDATA4 ? (uintptr_t)(intptr_t)word : (uint32_t)word;
	} else {
		return 0;
	}
	if ((enc & 0x70) == PCREL)
		value += hdr + 4;
	else if ((enc & 0x70) == DATAREL)
		value += hdr;
	else if (enc & 0x70)
		return 0;
	return value - im->map.bias;
}

/* Lengths lead from entry to entry, and a zero ends them.  All that they span can be read. */
static bool ends(const struct image *im, uintptr_t va)
{
	const void *at;
	uint32_t len;

	while ((at = image_at(im, va, sizeof len))) {
		memcpy(&len, at, sizeof len); /* a damaged table may be anywhere */
		if (len == 0)
			return true;
		/* From 0xfffffff0 on lengths mean something else: 64-bit entries, which nobody makes. */
		if (len >= 0xfffffff0 || !image_at(im, va, sizeof len + (uintptr_t)len))
			return false;
		va += sizeof len + len;
	}
	return false;
}

void frame_find(struct image *im)
{
	uintptr_t va;

	if (!host.real.register_frame || !im->eh_frame_hdr ||
	    !image_at(im, im->eh_frame_hdr - im->map.bias, HEADER))
		return;
	va = start_va(im);
	if (va && ends(im, va))
		im->eh_frame = im->map.bias + va;
}

void frame_enter(struct image *im)
{
	if (!im->eh_frame)
		return;
	host.real.register_frame((void *)im->eh_frame, im->frame_object);
	im->framed = true;
}

void frame_forget(struct image *im)
{
	if (im->framed)
		host.real.deregister_frame((void *)im->eh_frame);
	im->framed = false;
}

/* SPDX-License-Identifier: MIT */
/*
 * arena: blocks from chunks of 256 KiB, by size class (bin).
 *
 * A block is a 16-byte head followed by the caller's bytes.  Small blocks belong to one of BINS sizes
 * (four steps to each doubling, the head included) and come from a free list or from the end of the
 * current chunk; a block above the greatest bin is a mapping of its own and goes back to the kernel.
 * Chunks are never given back.
 *
 * Called by every room, under the loader lock.  Must never call malloc, nor be called by readers.
 */
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "../compat/host.h"
#include "arena.h"
#include "text.h"

enum {
	GRAIN = 16, /* size of a head, and alignment of everything */
	CHUNK = 256 << 10,
	STEPS = 4,     /* bins to each doubling */
	FIRST = 64,    /* up to here the bins are GRAIN apart */
	DOUBLINGS = 9, /* the greatest bin is FIRST << DOUBLINGS: 32 KiB */
	BINS = STEPS * (DOUBLINGS + 1),
	LARGE = BINS, /* the head's bin of a mapping of its own */
};

struct head {
	size_t size; /* of the whole block; a large one: of the mapping */
	uint32_t bin;
};

_Static_assert(sizeof(struct head) <= GRAIN, "a head has its place before the block");

struct hole { /* a free block */
	struct head head;
	struct hole *next;
};

static alignas(GRAIN) char first[CHUNK]; /* no system call for programs that open little */

static struct {
	struct hole *holes[BINS];
	char *at, *end; /* what is left of the current chunk: zero pages, never used */
	size_t used;
} arena = {.at = first, .end = first + sizeof first};

/* The size of a bin: 16 32 48 64, 80 96 112 128, 160 192 224 256, ... */
static size_t bin_size(unsigned bin)
{
	unsigned doubling = bin / STEPS, step = bin % STEPS + 1;

	if (!doubling)
		return step * GRAIN;
	return ((size_t)FIRST << (doubling - 1)) * (STEPS + step) / STEPS;
}

/* The smallest bin that holds `size` bytes, LARGE when there is none. */
static unsigned bin_of(size_t size)
{
	unsigned doubling = 0;
	size_t top = FIRST, below;

	if (size <= FIRST)
		return (unsigned)((size + GRAIN - 1) / GRAIN) - 1;
	for (; top < size; top *= 2)
		if (++doubling > DOUBLINGS)
			return LARGE;
	below = top / 2;
	return doubling * STEPS + (unsigned)((size - below + below / STEPS - 1) / (below / STEPS)) -
	       1;
}

static void *map(size_t len, int populate)
{
	void *p = host_mem->map(NULL, len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | populate, -1, 0);

	if (host_failed(p))
		return NULL;
	host_unjudged(p, len);
	return p;
}

static void push(struct hole *hole)
{
	hole->next = arena.holes[hole->head.bin];
	arena.holes[hole->head.bin] = hole;
}

/* Turns what is left of the chunk into free blocks, the greatest that fit first. */
static void use_up(void)
{
	for (unsigned bin = BINS; bin-- > 1;) {
		size_t size = bin_size(bin);

		while ((size_t)(arena.end - arena.at) >= size) {
			struct hole *hole = (struct hole *)arena.at;

			hole->head = (struct head){.size = size, .bin = bin};
			push(hole);
			arena.at += size;
		}
	}
}

static struct head *carve(unsigned bin)
{
	size_t size = bin_size(bin);
	struct head *h;

	if ((size_t)(arena.end - arena.at) < size) {
		char *chunk = map(CHUNK, MAP_POPULATE); /* who needs a second one needs more */

		if (!chunk)
			return NULL;
		use_up();
		arena.at = chunk;
		arena.end = chunk + CHUNK;
	}
	h = (struct head *)arena.at;
	arena.at += size;
	*h = (struct head){.size = size, .bin = bin};
	return h;
}

static struct head *large(size_t size)
{
	size_t page = host.page ? host.page : 4096;
	struct head *h;

	size = (size + page - 1) & -page;
	h = map(size, MAP_POPULATE); /* a table: all of it will be touched, in any order */
	if (h)
		*h = (struct head){.size = size, .bin = LARGE};
	return h;
}

void *arena_alloc(size_t len)
{
	unsigned bin;
	struct head *h;

	if (len > SIZE_MAX / 2)
		return NULL;
	/* Never the bin of 16 bytes: a hole needs room for its link. */
	bin = bin_of((len ? len : 1) + GRAIN);
	if (bin == LARGE) {
		h = large(len + GRAIN);
	} else if (arena.holes[bin]) {
		h = &arena.holes[bin]->head;
		arena.holes[bin] = arena.holes[bin]->next;
		memset((char *)h + GRAIN, 0, h->size - GRAIN);
	} else {
		h = carve(bin);
	}
	if (!h)
		return NULL;
	arena.used += h->size;
	return (char *)h + GRAIN;
}

void arena_free(void *p)
{
	struct head *h;

	if (!p)
		return;
	h = (struct head *)((char *)p - GRAIN);
	arena.used -= h->size;
	if (h->bin == LARGE)
		host_mem->unmap(h, h->size);
	else
		push((struct hole *)h);
}

void *arena_grow(void *p, size_t old_len, size_t len)
{
	void *q = arena_alloc(len);

	if (!q)
		return NULL;
	if (p)
		memcpy(q, p, old_len < len ? old_len : len);
	arena_free(p);
	return q;
}

char *arena_text(const char *s)
{
	size_t len = text_len(s) + 1;
	char *p = arena_alloc(len);

	if (p)
		memcpy(p, s, len);
	return p;
}

size_t arena_used(void)
{
	return arena.used;
}

/* SPDX-License-Identifier: MIT */
/*
 * index: hash of a name -> first image of a list that has it.
 *
 * Called by scope.c.  Open addressing, at most three quarters full, eight bytes a name.  DT_GNU_HASH keeps
 * all bits of a hash but the lowest, which marks the end of a chain: so names are compared by (hash | 1).
 * Images with DT_HASH only cannot be indexed: the first of them bounds every answer.
 */
#include "index.h"

#include "arena.h"

struct place {
	uint32_t hash; /* | 1; 0: free */
	uint16_t im, sym; /* sym 0: its number is greater */
};

enum { IMAGES_MAX = UINT16_MAX };

struct index {
	unsigned n;	/* images covered */
	unsigned plain; /* position of the first without DT_GNU_HASH; n: none */
	uint32_t mask;
	struct place at[];
};

static uint32_t spread(uint32_t hash)
{
	return hash * 0x9e3779b1u ^ hash >> 15;
}

static void enter(struct index *x, uint32_t hash, uint16_t im, uint32_t sym)
{
	uint32_t i = spread(hash) & x->mask;

	while (x->at[i].hash && x->at[i].hash != hash)
		i = (i + 1) & x->mask;
	if (!x->at[i].hash)
		x->at[i] = (struct place){hash, im, sym <= UINT16_MAX ? (uint16_t)sym : 0};
}

/* Symbols that the table hashes: its chains are laid out one after the other up to the last one's end. */
static uint32_t chained(const struct symtab *st)
{
	uint32_t n = hash_count(st);

	n = n > st->symoffset ? n - st->symoffset : 0;
	return n < st->nchain ? n : st->nchain;
}

size_t index_cost(struct image *const *im, unsigned n)
{
	size_t sum = 0;

	/* About: two symbols a bucket is what linkers make. */
	for (unsigned i = 0; i < n; i++)
		sum += im[i]->st.gnu ? 2 * (size_t)im[i]->st.nbucket : 0;
	return sum;
}

/* Linkers hash definitions only; should one not be, the image itself is asked, as for any shared hash. */
static void add(struct index *x, const struct symtab *st, uint16_t im)
{
	uint32_t n = chained(st);

	for (uint32_t k = 0; k < n; k++)
		enter(x, st->chain[k] | 1, im, st->symoffset + k);
}

struct index *index_new(struct image *const *im, unsigned n)
{
	size_t total = 0, size = 64;
	struct index *x;

	for (unsigned i = 0; i < n; i++)
		total += im[i]->st.gnu ? chained(&im[i]->st) : 0;
	if (n > IMAGES_MAX)
		return NULL;
	while (3 * size < 4 * total)
		size *= 2;
	x = arena_alloc(sizeof *x + size * sizeof *x->at);
	if (!x)
		return NULL;
	x->n = x->plain = n;
	x->mask = (uint32_t)(size - 1);
	for (unsigned i = 0; i < n; i++) {
		if (im[i]->st.gnu)
			add(x, &im[i]->st, (uint16_t)i);
		else if (im[i]->st.nbucket && x->plain == n)
			x->plain = i;
	}
	return x;
}

unsigned index_len(const struct index *x)
{
	return x->n;
}

bool index_is_large(const struct index *x)
{
	enum { NEAR = 128 << 10 }; /* what a small second-level cache can spare */

	return x->mask >= NEAR / sizeof x->at[0];
}

void index_prefetch(const struct index *x, uint32_t gnu)
{
	__builtin_prefetch(&x->at[spread(gnu | 1) & x->mask]);
}

unsigned index_first(const struct index *x, uint32_t gnu, uint32_t *sym)
{
	uint32_t hash = gnu | 1, i = spread(hash) & x->mask;

	while (x->at[i].hash && x->at[i].hash != hash)
		i = (i + 1) & x->mask;
	*sym = 0;
	if (!x->at[i].hash || x->at[i].im > x->plain)
		return x->plain;
	*sym = x->at[i].sym;
	return x->at[i].im;
}

/* SPDX-License-Identifier: MIT */
/*
 * provide: a symbol table made of names and addresses.
 *
 * Called by the door of dlrs_provide, and at boot in a static program for our own functions.  The table has
 * what hash.c needs of one from a file: absolute symbols, their strings, and a System V hash.  Such an image
 * lies nowhere and is never taken out again: plugins may have been bound to what is in it.
 *
 * Must never look at what the addresses point to.
 */
#include "provide.h"

#include "../compat/host.h"
#include "arena.h"
#include "find.h"
#include "registry.h"
#include "text.h"

struct table { /* one block */
	size_t n, nbucket, text_len;
	elf_sym *sym; /* [0] is undefined, as in every table */
	uint32_t *bucket, *chain;
	char *text;
};

static bool measure(struct table *t, const struct dlrs_symbol *symbols, size_t n)
{
	*t = (struct table){.n = n + 1, .nbucket = n | 1, .text_len = 1};
	for (size_t i = 0; i < n; i++) {
		if (!symbols[i].name)
			return false;
		t->text_len += text_len(symbols[i].name) + 1;
	}
	return t->n < UINT32_MAX && t->text_len < UINT32_MAX;
}

static bool make_room(struct table *t)
{
	char *block = arena_alloc(t->n * sizeof *t->sym + (t->n + t->nbucket) * sizeof(uint32_t) +
				  t->text_len);

	if (!block)
		return false;
	t->sym = (elf_sym *)(void *)block;
	t->bucket = (uint32_t *)(t->sym + t->n);
	t->chain = t->bucket + t->nbucket;
	t->text = (char *)(t->chain + t->n);
	return true;
}

static void fill(struct table *t, const struct dlrs_symbol *symbols)
{
	size_t at = 1;

	for (size_t i = 1; i < t->n; i++) {
		const struct dlrs_symbol *from = &symbols[i - 1];
		uint32_t *bucket = &t->bucket[hash_sysv(from->name) % t->nbucket];

		t->sym[i] = (elf_sym){.st_name = (uint32_t)at,
				      .st_info = STB_GLOBAL << 4 | STT_NOTYPE,
				      .st_shndx = SHN_ABS,
				      .st_value = (uintptr_t)from->address};
		at += text_copy(t->text + at, t->text_len - at, from->name) + 1;
		t->chain[i] = *bucket;
		*bucket = (uint32_t)i;
	}
}

static void describe(struct image *im, const struct table *t)
{
	im->st = (struct symtab){.sym = t->sym,
				 .nsym = (uint32_t)t->n,
				 .nchain = (uint32_t)t->n,
				 .str = t->text,
				 .str_len = t->text_len,
				 .bucket = t->bucket,
				 .chain = t->chain,
				 .nbucket = (uint32_t)t->nbucket};
	im->startup = im->pinned = im->global = true;
	im->libc_family = host.is_static;
	image_set_state(im, IMAGE_READY);
}

struct image *provide_symbols(const struct dlrs_symbol *symbols, size_t n, struct diag *d)
{
	struct image *im = NULL;
	struct table t;

	if (!measure(&t, symbols, n)) {
		diag_set(d, DIAG_USAGE, "dlrs_provide: a symbol without a name, or too many");
		return NULL;
	}
	if (make_room(&t))
		im = image_new(&registry.base, "symbols handed over by the program", true);
	if (!im || !scope_reserve(&registry.base.global, 1)) {
		image_free(im);
		arena_free(t.sym);
		diag_no_memory(d, "dlrs_provide");
		return NULL;
	}
	fill(&t, symbols);
	describe(im, &t);
	registry_add(im);
	if (!find_reserve(0)) {
		registry_remove(im);
		im->host = false;
		image_free(im);
		arena_free(t.sym);
		diag_no_memory(d, "dlrs_provide");
		return NULL;
	}
	find_publish();
	scope_append(&registry.base.global, im);
	return im;
}

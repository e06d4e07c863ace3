/* SPDX-License-Identifier: MIT */
/*
 * elfgen, part 2 of 3: the linker's tables: symbols, both hashes, versions, relocations.
 *
 * Written from the specifications (gABI; LSB symbol versioning; the GNU hash as binutils makes it), not
 * from the loader's code, whose oracle they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elfgen.h"
#include "elfgen_item.h"

static uint32_t hash_gnu(const char *s)
{
	uint32_t h = 5381;

	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return h;
}

static uint32_t hash_elf(const char *s)
{
	uint32_t h = 0;

	while (*s) {
		uint32_t g;

		h = (h << 4) + (unsigned char)*s++;
		g = h & 0xf0000000u;
		if (g)
			h ^= g >> 24;
		h &= ~g;
	}
	return h;
}

static struct elfgen_symbol *symbol(const struct elfgen *e, unsigned i)
{
	return (struct elfgen_symbol *)e->sym.at + i;
}

static const char *name_of(const struct elfgen *e, unsigned i)
{
	return (const char *)e->str.at + symbol(e, i)->name;
}

/* --- symbols --------------------------------------------------------------------------------------- */

/* The order of a linker: null, locals, undefined ones, defined ones by GNU hash bucket. */
struct sortable {
	unsigned id, rank;
};

static int by_rank(const void *a, const void *b)
{
	const struct sortable *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

static bool hashed(const struct elfgen_symbol *s)
{
	return s->s.bind != STB_LOCAL && (s->s.shndx != SHN_UNDEF || s->s.value);
}

void elfgen_sort(struct elfgen *e)
{
	unsigned n = (unsigned)e->sym.n, defined = 0;
	struct sortable *order = calloc(n, sizeof(*order));

	e->symndx = calloc(n, sizeof(*e->symndx));
	if (!order || !e->symndx)
		abort();
	for (unsigned i = 1; i < n; i++)
		defined += hashed(symbol(e, i));
	if (!e->nbucket)
		e->nbucket = defined / 2 + 1;
	for (unsigned i = 0; i < n; i++) {
		struct elfgen_symbol *s = symbol(e, i);

		order[i].id = i;
		if (i)
			order[i].rank = s->s.bind == STB_LOCAL ? 1 : !hashed(s) ? 2 :
					3 + hash_gnu(name_of(e, i)) % e->nbucket;
	}
	qsort(order, n, sizeof(*order), by_rank);
	for (unsigned i = 0; i < n; i++)
		e->symndx[order[i].id] = i;
	free(order);
}

static void sysv_table(struct elfgen *e, const unsigned *id)
{
	uint32_t n = (uint32_t)e->sym.n, nb = e->nbucket, *w = calloc(2 + nb + n, sizeof(*w));

	if (!w)
		abort();
	w[0] = nb;
	w[1] = n;
	for (uint32_t i = n - 1; i > 0; i--) { /* so that chains ascend */
		uint32_t *bucket = &w[2 + hash_elf(name_of(e, id[i])) % nb];

		w[2 + nb + i] = *bucket;
		*bucket = i;
	}
	e->table[ELFGEN_HASH].off = elfgen_reserve(e, 4 * (2 + nb + n), 8);
	e->table[ELFGEN_HASH].n = 2 + nb + n;
	for (uint32_t i = 0; i < 2 + nb + n; i++)
		elfgen_set(e, ELFGEN_hash_word, i, w[i]);
	free(w);
}

/* Words of the bloom filter: 64 or 32 bits wide, in the byte order of the file. */
static void bloom(struct elfgen *e, uint32_t first, uint32_t shift, const unsigned *id)
{
	unsigned bits = elfgen_is64(e) ? 64 : 32;
	uint64_t *words = calloc(e->bloom_words, sizeof(*words));

	if (!words)
		abort();
	for (uint32_t i = first; i < e->sym.n; i++) {
		uint32_t h = hash_gnu(name_of(e, id[i]));

		words[h / bits % e->bloom_words] |= 1ull << h % bits | 1ull << (h >> shift) % bits;
	}
	for (unsigned i = 0; i < e->bloom_words; i++)
		elfgen_store(e, e->buf + e->table[ELFGEN_GNU_HASH].off + 16 + i * bits / 8, bits / 8,
			     words[i]);
	free(words);
}

static void gnu_table(struct elfgen *e, const unsigned *id)
{
	uint32_t n = (uint32_t)e->sym.n, nb = e->nbucket, first = 0, bits = elfgen_is64(e) ? 64 : 32;
	uint32_t shift = elfgen_is64(e) ? 6 : 5, base, words;

	for (first = 1; first < n && !hashed(symbol(e, id[first])); first++)
		;
	if (!e->bloom_words)
		for (e->bloom_words = 1; e->bloom_words * bits < (n - first) * 12;)
			e->bloom_words *= 2;
	base = 4 + e->bloom_words * bits / 32;
	words = base + nb + (n - first);
	e->table[ELFGEN_GNU_HASH].off = elfgen_reserve(e, 4 * words, 8);
	e->table[ELFGEN_GNU_HASH].n = words;
	elfgen_set(e, ELFGEN_gnu_word, 0, nb);
	elfgen_set(e, ELFGEN_gnu_word, 1, first);
	elfgen_set(e, ELFGEN_gnu_word, 2, e->bloom_words);
	elfgen_set(e, ELFGEN_gnu_word, 3, shift);
	bloom(e, first, shift, id);
	for (uint32_t i = first; i < n; i++) {
		uint32_t h = hash_gnu(name_of(e, id[i])), b = h % nb;
		bool last = i + 1 == n || hash_gnu(name_of(e, id[i + 1])) % nb != b;

		if (i == first || hash_gnu(name_of(e, id[i - 1])) % nb != b)
			elfgen_set(e, ELFGEN_gnu_word, base + b, i);
		elfgen_set(e, ELFGEN_gnu_word, base + nb + (i - first), (h & ~1u) | last);
	}
}

static void versym_table(struct elfgen *e, const unsigned *id)
{
	e->table[ELFGEN_VERSYM].off = elfgen_reserve(e, 2 * e->sym.n, 2);
	e->table[ELFGEN_VERSYM].n = e->sym.n;
	for (unsigned i = 0; i < e->sym.n; i++) {
		const struct elfgen_sym *s = &symbol(e, id[i])->s;

		elfgen_set(e, ELFGEN_versym, i,
			   s->version ? s->version : s->bind == STB_LOCAL ? VER_NDX_LOCAL : VER_NDX_GLOBAL);
	}
}

void elfgen_symbols(struct elfgen *e)
{
	unsigned n = (unsigned)e->sym.n, *id = calloc(n, sizeof(*id));

	if (!id)
		abort();
	for (unsigned i = 0; i < n; i++)
		id[e->symndx[i]] = i;
	if (e->hash_style & ELFGEN_GNU)
		gnu_table(e, id);
	if (e->hash_style & ELFGEN_SYSV)
		sysv_table(e, id);
	e->table[ELFGEN_SYM].off = elfgen_reserve(e, n * elfgen_entsize(e, ELFGEN_SYM), 8);
	e->table[ELFGEN_SYM].n = n;
	for (unsigned i = 0; i < n; i++) {
		const struct elfgen_symbol *s = symbol(e, id[i]);

		elfgen_set(e, ELFGEN_st_name, i, s->name);
		elfgen_set(e, ELFGEN_st_info, i, (uint64_t)(s->s.bind << 4 | s->s.type));
		elfgen_set(e, ELFGEN_st_other, i, s->s.other);
		elfgen_set(e, ELFGEN_st_shndx, i, s->s.shndx);
		elfgen_set(e, ELFGEN_st_value, i, s->s.value);
		elfgen_set(e, ELFGEN_st_size, i, s->s.size);
	}
	if (e->verdef.n || e->verneed.n)
		versym_table(e, id);
	free(id);
}

/* --- versions -------------------------------------------------------------------------------------- */

static unsigned add_verdef(struct elfgen *e, const char *name, const char *parent, unsigned ndx)
{
	unsigned text = elfgen_str(e, name), up = parent ? elfgen_str(e, parent) : 0;
	struct elfgen_verdef_item *v = elfgen_push(&e->verdef, sizeof(*v));

	*v = (struct elfgen_verdef_item){text, up, ndx, hash_elf(name)};
	return ndx;
}

unsigned elfgen_verdef(struct elfgen *e, const char *name, const char *parent)
{
	if (!e->verdef.n)
		add_verdef(e, e->soname ? e->soname : "base", NULL, VER_NDX_GLOBAL);
	if (e->nversion < VER_NDX_GLOBAL)
		e->nversion = VER_NDX_GLOBAL;
	return add_verdef(e, name, parent, ++e->nversion);
}

unsigned elfgen_verneed(struct elfgen *e, const char *file, const char *name, bool weak)
{
	unsigned f = elfgen_str(e, file), text = elfgen_str(e, name);
	struct elfgen_verneed_item *v = elfgen_push(&e->verneed, sizeof(*v));

	if (e->nversion < VER_NDX_GLOBAL)
		e->nversion = VER_NDX_GLOBAL;
	*v = (struct elfgen_verneed_item){f, text, ++e->nversion, hash_elf(name), weak};
	return e->nversion;
}

/* All definitions, then all their names: the chains are linked by the offsets in the entries. */
static void verdefs(struct elfgen *e)
{
	const struct elfgen_verdef_item *v = e->verdef.at;
	size_t n = e->verdef.n, naux = 0, def = elfgen_entsize(e, ELFGEN_VERDEF);
	size_t aux = elfgen_entsize(e, ELFGEN_VERDAUX), k = 0;

	for (size_t i = 0; i < n; i++)
		naux += v[i].parent ? 2 : 1;
	e->table[ELFGEN_VERDEF].off = elfgen_reserve(e, n * def + naux * aux, 8);
	e->table[ELFGEN_VERDEF].n = n;
	e->table[ELFGEN_VERDAUX].off = e->table[ELFGEN_VERDEF].off + n * def;
	e->table[ELFGEN_VERDAUX].n = naux;
	for (size_t i = 0; i < n; i++) {
		elfgen_set(e, ELFGEN_vd_version, i, VER_DEF_CURRENT);
		elfgen_set(e, ELFGEN_vd_flags, i, v[i].ndx == VER_NDX_GLOBAL ? VER_FLG_BASE : 0);
		elfgen_set(e, ELFGEN_vd_ndx, i, v[i].ndx);
		elfgen_set(e, ELFGEN_vd_cnt, i, v[i].parent ? 2 : 1);
		elfgen_set(e, ELFGEN_vd_hash, i, v[i].hash);
		elfgen_set(e, ELFGEN_vd_aux, i, (n - i) * def + k * aux);
		elfgen_set(e, ELFGEN_vd_next, i, i + 1 < n ? def : 0);
		elfgen_set(e, ELFGEN_vda_next, k, v[i].parent ? aux : 0);
		elfgen_set(e, ELFGEN_vda_name, k++, v[i].name);
		if (v[i].parent)
			elfgen_set(e, ELFGEN_vda_name, k++, v[i].parent);
	}
}

static bool same_file(const struct elfgen *e, unsigned a, unsigned b)
{
	return !strcmp((char *)e->str.at + a, (char *)e->str.at + b);
}

/* Consecutive requirements of one file share a Verneed. */
static void verneeds(struct elfgen *e)
{
	const struct elfgen_verneed_item *v = e->verneed.at;
	size_t n = e->verneed.n, files = 0, ent = elfgen_entsize(e, ELFGEN_VERNEED);
	size_t aux = elfgen_entsize(e, ELFGEN_VERNAUX), file = 0;

	for (size_t i = 0; i < n; i++)
		files += !i || !same_file(e, v[i].file, v[i - 1].file);
	e->table[ELFGEN_VERNEED].off = elfgen_reserve(e, files * ent + n * aux, 8);
	e->table[ELFGEN_VERNEED].n = files;
	e->table[ELFGEN_VERNAUX].off = e->table[ELFGEN_VERNEED].off + files * ent;
	e->table[ELFGEN_VERNAUX].n = n;
	for (size_t i = 0, cnt; i < n; i += cnt, file++) {
		for (cnt = 1; i + cnt < n && same_file(e, v[i].file, v[i + cnt].file);)
			cnt++;
		elfgen_set(e, ELFGEN_vn_version, file, VER_NEED_CURRENT);
		elfgen_set(e, ELFGEN_vn_cnt, file, cnt);
		elfgen_set(e, ELFGEN_vn_file, file, v[i].file);
		elfgen_set(e, ELFGEN_vn_aux, file, (files - file) * ent + i * aux);
		elfgen_set(e, ELFGEN_vn_next, file, file + 1 < files ? ent : 0);
		for (size_t j = i; j < i + cnt; j++) {
			elfgen_set(e, ELFGEN_vna_hash, j, v[j].hash);
			elfgen_set(e, ELFGEN_vna_flags, j, v[j].weak ? VER_FLG_WEAK : 0);
			elfgen_set(e, ELFGEN_vna_other, j, v[j].ndx);
			elfgen_set(e, ELFGEN_vna_name, j, v[j].name);
			elfgen_set(e, ELFGEN_vna_next, j, j + 1 < i + cnt ? aux : 0);
		}
	}
}

void elfgen_versions(struct elfgen *e)
{
	if (e->verdef.n)
		verdefs(e);
	if (e->verneed.n)
		verneeds(e);
}

/* --- relocations ----------------------------------------------------------------------------------- */

/* REL: the addend lies in the place. */
static void addend_in_place(struct elfgen *e, const struct elfgen_rel *r)
{
	for (int i = ELFGEN_HEAD + 1; i < ELFGEN_PARTS; i++) {
		struct elfgen_bytes *b = &e->part[i];
		size_t word = elfgen_is64(e) ? 8 : 4;

		if (r->offset >= ELFGEN_VA(i) && r->offset - ELFGEN_VA(i) + word <= b->len)
			elfgen_store(e, b->at + (r->offset - ELFGEN_VA(i)), word, (uint64_t)r->addend);
	}
}

static void reloc_table(struct elfgen *e, enum elfgen_table t, const struct elfgen_array *a)
{
	const struct elfgen_rel *r = a->at;
	int shift = elfgen_is64(e) ? 32 : 8;
	enum elfgen_field off = t == ELFGEN_PLT ? ELFGEN_plt_offset : ELFGEN_r_offset;

	if (!a->n)
		return;
	e->table[t].off = elfgen_reserve(e, a->n * elfgen_entsize(e, t), 8);
	e->table[t].n = a->n;
	for (size_t i = 0; i < a->n; i++) {
		elfgen_set(e, off, i, r[i].offset);
		elfgen_set(e, off + 1, i, (uint64_t)e->symndx[r[i].sym] << shift | r[i].type);
		if (e->rela)
			elfgen_set(e, off + 2, i, (uint64_t)r[i].addend);
		else
			addend_in_place(e, &r[i]);
	}
}

/* An address, then bitmaps of the words behind it; the lowest bit tells them apart. */
static size_t encode_relr(const struct elfgen *e, uint64_t *out)
{
	const uint64_t *va = e->relr.at, word = elfgen_is64(e) ? 8 : 4, span = (8 * word - 1) * word;
	size_t n = 0;

	for (size_t i = 0; i < e->relr.n;) {
		uint64_t base = va[i] + word, bits = 1;

		out[n++] = va[i++];
		for (; bits; base += span) {
			bits = 0;
			while (i < e->relr.n && va[i] - base < span && !((va[i] - base) % word))
				bits |= 1ull << (va[i++] - base) / word;
			if (bits)
				out[n++] = bits << 1 | 1;
		}
	}
	return n;
}

void elfgen_relocs(struct elfgen *e)
{
	uint64_t *relr;

	reloc_table(e, ELFGEN_REL, &e->rel);
	reloc_table(e, ELFGEN_PLT, &e->plt);
	if (!e->relr.n)
		return;
	relr = calloc(2 * e->relr.n, sizeof(*relr));
	if (!relr)
		abort();
	e->table[ELFGEN_RELR].n = encode_relr(e, relr);
	e->table[ELFGEN_RELR].off = elfgen_reserve(e, e->table[ELFGEN_RELR].n * elfgen_entsize(e, ELFGEN_RELR), 8);
	for (size_t i = 0; i < e->table[ELFGEN_RELR].n; i++)
		elfgen_set(e, ELFGEN_relr, i, relr[i]);
	free(relr);
}

/* SPDX-License-Identifier: MIT */
/*
 * hash: one name in one symbol table.
 *
 * Called from scope.c for every reference and every dlsym: the hottest code of a load.  Reads only what
 * dyn_parse and version_parse checked; indices taken from the file (buckets, chains, name offsets,
 * version indices) are checked here, where they are used.
 *
 * What matches is glibc's check_match (dl-lookup.c), in two situations:
 *   a version is asked for: that version; or, unless only an exact match will do, the base version; any
 *     symbol of a table that has no versions;
 *   none is asked for: the oldest (base, or the first that was defined); dlsym wants the newest instead,
 *     which is the default one; if neither exists, the only versioned one there is.
 * musl asks for none ever, and takes what is not hidden.
 */
#include "hash.h"

#include "../compat/host.h"
#include "text.h"

enum {
	TYPES = 1 << STT_NOTYPE | 1 << STT_OBJECT | 1 << STT_FUNC | 1 << STT_COMMON | 1 << STT_TLS |
		1 << STT_GNU_IFUNC,
	BINDS = 1 << STB_GLOBAL | 1 << STB_WEAK | 1 << STB_GNU_UNIQUE,
};

/* What a walk over the entries of one name has seen so far. */
struct candidate {
	const elf_sym *only; /* a versioned symbol, taken when it is the only one */
	unsigned n;
};

uint32_t hash_sysv(const char *s)
{
	uint32_t h = 0;

	for (; *s; s++) {
		h = (h << 4) + (unsigned char)*s;
		h ^= h >> 24 & 0xf0;
	}
	return h & 0x0fffffff;
}

const char *hash_name(const struct symtab *st, const elf_sym *s)
{
	return s->st_name < st->str_len ? st->str + s->st_name : "";
}

/* Is it a definition that others may bind to? */
static inline bool defines(const elf_sym *s, const struct sym_request *rq)
{
	unsigned type = ELF_ST_TYPE(s->st_info);

	if (!(1u << type & TYPES) || !(1u << ELF_ST_BIND(s->st_info) & BINDS))
		return false;
	if (s->st_value == 0 && s->st_shndx != SHN_ABS && type != STT_TLS)
		return false;
	if (s->st_shndx == SHN_UNDEF && (rq->plt || type == STT_TLS))
		return false; /* but the PLT entry of a non-PIE program is a function's address */
	return ELF_ST_VIS(s->st_other) == STV_DEFAULT || ELF_ST_VIS(s->st_other) == STV_PROTECTED;
}

static bool version_is(const struct symtab *st, unsigned index, const struct version *want)
{
	const struct version *v = index < st->nversion ? &st->versions[index] : NULL;

	return v && v->name && v->hash == want->hash && text_eq(v->name, want->name);
}

static bool version_fits(const struct symtab *st, uint32_t i, const struct sym_request *rq,
			 struct candidate *c)
{
	unsigned raw = st->versym[i], index;

	if (!host.style->versions && !rq->version)
		return !(raw & ELF_VERSYM_HIDDEN);
	index = raw & ~ELF_VERSYM_HIDDEN;
	if (rq->version) {
		if (version_is(st, index, rq->version))
			return true;
		/* A symbol of no version at all (local, global: 0, 1) will do, unless hidden. */
		return !rq->version->hidden && !(raw & ELF_VERSYM_HIDDEN) &&
		       (index >= st->nversion || st->versions[index].name == NULL);
	}
	if (index < (rq->newest ? 2u : 3u))
		return true;
	if (!(raw & ELF_VERSYM_HIDDEN) && c->n++ == 0)
		c->only = &st->sym[i];
	return false;
}

/* Most symbols have no version: 0 (local) and 1 (global). */
static inline bool version_plain(const struct symtab *st, uint32_t i, const struct sym_request *rq)
{
	return !st->versym || (!rq->version && st->versym[i] <= 1);
}

static inline bool matches(const struct symtab *st, uint32_t i, const struct sym_request *rq,
		    struct candidate *c)
{
	const elf_sym *s = &st->sym[i];

	return s->st_name < st->str_len && st->str_len - s->st_name > rq->len &&
	       (st->str + s->st_name == rq->name ||
		text_same(st->str + s->st_name, rq->name, rq->len + 1)) &&
	       defines(s, rq) && (version_plain(st, i, rq) || version_fits(st, i, rq, c));
}

static const elf_sym *leftover(const struct candidate *c)
{
	return c->n == 1 ? c->only : NULL;
}

static const elf_sym *lookup_gnu(const struct symtab *st, const struct sym_request *rq)
{
	struct candidate c = {0};
	uint32_t i, k;

	i = st->bucket[rq->gnu % st->nbucket];
	if (i < st->symoffset || i == 0)
		return NULL;
	for (k = i - st->symoffset; k < st->nchain && i < st->nsym; k++, i++) {
		uint32_t h = st->chain[k];

		if ((h | 1) == (rq->gnu | 1) && matches(st, i, rq, &c))
			return &st->sym[i];
		if (h & 1)
			break;
	}
	return leftover(&c);
}

static const elf_sym *lookup_sysv(const struct symtab *st, struct sym_request *rq)
{
	struct candidate c = {0};
	uint32_t steps = st->nchain;

	if (!rq->has_sysv) {
		rq->sysv = hash_sysv(rq->name);
		rq->has_sysv = true;
	}
	for (uint32_t i = st->bucket[rq->sysv % st->nbucket]; i && i < st->nsym && steps--;
	     i = st->chain[i])
		if (matches(st, i, rq, &c))
			return &st->sym[i];
	return leftover(&c);
}

const elf_sym *hash_find(const struct symtab *st, struct sym_request *rq)
{
	return st->gnu ? lookup_gnu(st, rq) : lookup_sysv(st, rq);
}

bool hash_is(const struct symtab *st, uint32_t i, struct sym_request *rq)
{
	struct candidate c = {0};

	return i < st->nsym && matches(st, i, rq, &c);
}

const elf_sym *hash_linear(const struct symtab *st, struct sym_request *rq)
{
	struct candidate c = {0};
	uint32_t n = hash_count(st);

	for (uint32_t i = 1; i < n; i++)
		if (matches(st, i, rq, &c))
			return &st->sym[i];
	return leftover(&c);
}

uint32_t hash_count(const struct symtab *st)
{
	uint32_t last = 0;

	if (!st->nbucket)
		return 0;
	if (!st->gnu)
		return st->nsym;
	for (uint32_t b = 0; b < st->nbucket; b++)
		if (st->bucket[b] > last)
			last = st->bucket[b];
	if (last < st->symoffset || last == 0)
		return st->symoffset < st->nsym ? st->symoffset : st->nsym;
	while (last < st->nsym && last - st->symoffset < st->nchain &&
	       !(st->chain[last - st->symoffset] & 1))
		last++;
	return last < st->nsym ? last + 1 : st->nsym;
}

static bool covers(const elf_sym *s, uintptr_t va)
{
	return s->st_size ? va - s->st_value < s->st_size : va == s->st_value;
}

const elf_sym *hash_nearest(const struct symtab *st, uintptr_t addr)
{
	const elf_sym *best = NULL;
	uint32_t n = hash_count(st);
	uintptr_t va = addr - st->bias;

	for (uint32_t i = st->gnu ? st->symoffset : 1; i < n; i++) {
		const elf_sym *s = &st->sym[i];

		if (ELF_ST_TYPE(s->st_info) == STT_TLS || s->st_name >= st->str_len ||
		    !(1u << ELF_ST_BIND(s->st_info) & BINDS))
			continue;
		if ((s->st_shndx == SHN_UNDEF && s->st_value == 0) || s->st_value > va)
			continue;
		if (host.style->exact && !covers(s, va))
			continue;
		if (!best || s->st_value > best->st_value)
			best = s;
	}
	return best && (covers(best, va) || (!best->st_size && !host.style->exact)) ? best : NULL;
}

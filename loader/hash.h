/* SPDX-License-Identifier: MIT */
/*
 * hash: lookup of one name in one symbol table, by DT_GNU_HASH or DT_HASH.
 *
 * struct symtab is small and is all that a lookup touches.  No lock, no allocation, bounded walks.  The
 * rules of what counts as a match (undefined symbols, versions, hidden ones) are glibc's check_match.
 */
#ifndef LOADER_HASH_H
#define LOADER_HASH_H

#include "elf.h"
#include "text.h"

/* A version definition or requirement by index: what DT_VERSYM's entries point at. */
struct version {
	const char *name; /* NULL: index not used */
	uint32_t hash;	  /* the ELF hash that the file stores */
	bool hidden;	  /* a requirement that only an exact match satisfies */
	const char *file; /* requirement: who shall define it; definition: NULL */
};

struct symtab {
	uintptr_t bias;
	const elf_sym *sym;
	uint32_t nsym; /* no index at or above is touched */
	uint32_t nchain;
	const char *str;
	size_t str_len; /* str[str_len - 1] is NUL */

	const uint32_t *bucket, *chain; /* gnu: chain[i - symoffset] */
	uint32_t nbucket, symoffset;
	const uintptr_t *bloom;
	uint32_t bloom_mask, bloom_shift;
	bool gnu;

	const elf_versym *versym;	/* nsym entries or NULL */
	const struct version *versions; /* by index; NULL: none */
	unsigned nversion;
	bool has_verdef;
};

struct index;
struct sym_request {
	const char *name;
	uint32_t gnu, len;	     /* text_hash(name), text_len(name) */
	uint32_t sysv;		     /* hash_sysv(name), valid when has_sysv */
	bool has_sysv;
	bool plt;		     /* JUMP_SLOT: an undefined symbol with a value does not count */
	bool newest;		     /* dlsym: the default version rather than the oldest */
	const struct version *version; /* NULL: none asked for */
	const struct symtab *own;      /* of the reference, when it is a definition itself; NULL */
	uint32_t own_sym;	       /* its index there */
	struct { /* what an index said already: scope_prefetch */
		const struct index *by; /* NULL: none was asked */
		const struct symtab *st;
		uint32_t at, sym;
	} hint;
};

static inline struct sym_request sym_request(const char *name)
{
	uint32_t len, gnu = text_hash_len(name, &len);

	return (struct sym_request){.name = name, .gnu = gnu, .len = len};
}

/* For a symbol of a table. */
static inline struct sym_request sym_reference(const struct symtab *st, const elf_sym *s)
{
	const char *name = st->str + s->st_name;
	uint32_t len, gnu;

	if (s->st_name >= st->str_len)
		return sym_request("");
	gnu = text_hash_in(name, st->str_len - s->st_name, &len);
	return (struct sym_request){.name = name, .gnu = gnu, .len = len};
}

/* A name into the cache; those of C++ take a cache line or three. */
static inline void hash_fetch(const char *name)
{
	__builtin_prefetch(name);
	__builtin_prefetch(name + 48);
	__builtin_prefetch(name + 96);
}

/* The Bloom filter's answer: false where hash_lookup would find nothing. */
static inline bool hash_may(const struct symtab *st, const struct sym_request *rq)
{
	enum { BITS = 8 * sizeof(uintptr_t) };
	uintptr_t word;

	if (!st->gnu)
		return st->nbucket;
	word = st->bloom[rq->gnu / BITS & st->bloom_mask];
	return word >> rq->gnu % BITS & word >> (rq->gnu >> st->bloom_shift) % BITS & 1;
}

/* The same for a hash as chains store it, without its lowest bit: true also for the other name. */
static inline bool hash_may_stored(const struct symtab *st, uint32_t stored)
{
	enum { BITS = 8 * sizeof(uintptr_t) };
	uintptr_t word;

	if (!st->gnu)
		return st->nbucket;
	word = st->bloom[stored / BITS & st->bloom_mask];
	if (!st->bloom_shift) /* then the second bit depends on the lowest, too */
		return true;
	return word >> (stored & ~1u) % BITS & 3 && word >> (stored >> st->bloom_shift) % BITS & 1;
}

/*
 * Is symbol i a plain definition: one that everybody gets who asks this table for its name, and its version
 * if it has one?  *stored: its hash.
 */
static inline bool hash_is_plain(const struct symtab *st, uint32_t i, uint32_t *stored)
{
	const elf_sym *s = &st->sym[i];
	unsigned bind = ELF_ST_BIND(s->st_info), version;

	if (!st->gnu || i < st->symoffset || i - st->symoffset >= st->nchain || s->st_name >= st->str_len)
		return false;
	if ((bind != STB_GLOBAL && bind != STB_WEAK) || ELF_ST_TYPE(s->st_info) > STT_FUNC)
		return false;
	if (s->st_shndx == SHN_UNDEF || !s->st_value || ELF_ST_VIS(s->st_other) != STV_DEFAULT)
		return false;
	version = st->versym ? st->versym[i] : 0;
	if (version > 1 && (version >= st->nversion || !st->versions[version].name)) /* or it is hidden */
		return false;
	*stored = st->chain[i - st->symoffset];
	return true;
}

uint32_t hash_sysv(const char *s);

/* The defined symbol that answers the request, or NULL; hash_find: when the filter has been asked. */
const elf_sym *hash_find(const struct symtab *st, struct sym_request *rq);
static inline const elf_sym *hash_lookup(const struct symtab *st, struct sym_request *rq)
{
	return hash_may(st, rq) ? hash_find(st, rq) : NULL;
}

/* Does symbol i answer the request, as the first of its chain that could? */
bool hash_is(const struct symtab *st, uint32_t i, struct sym_request *rq);

/* The same by looking at every symbol: the oracle of the tests. */
const elf_sym *hash_linear(const struct symtab *st, struct sym_request *rq);

/* A symbol's name, "" when its offset is bad. */
const char *hash_name(const struct symtab *st, const elf_sym *s);

/* The number of symbols that the hash table knows of (the symbol table itself does not say). */
uint32_t hash_count(const struct symtab *st);

/* The defined symbol with the greatest address at or below addr that covers it (dladdr), or NULL. */
const elf_sym *hash_nearest(const struct symtab *st, uintptr_t addr);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * dyn: reading a dynamic section without believing it.
 *
 * Called by image.c.  Two passes: collect() copies the values by tag, then one small check per table
 * turns address and size into a pointer that stays inside one readable segment.  An image that libc
 * loaded is trusted: where its entries are odd they are left out instead of refused.
 */
#include "dyn.h"

#include "../arch/arch.h"
#include "../compat/host.h"
#include "text.h"

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };

/* The values of the tags we use; low tags by number, the others after them. */
enum {
	LOW = 38, /* DT_RELRENT + 1 */
	GNU_HASH = LOW,
	VERSYM,
	VERDEF,
	VERNEED,
	FLAGS_1,
	COUNT,
	TAGS
};

struct raw {
	uintptr_t val[TAGS];
	bool has[TAGS];
};

struct parse {
	const struct dyn_source *src;
	struct raw raw;
	struct dyn *dy;
	struct symtab *st;
	struct diag *d;
};

static int slot(intptr_t tag)
{
	if (tag >= 0 && tag < LOW)
		return (int)tag;
	switch (tag) {
	case DT_GNU_HASH:
		return GNU_HASH;
	case DT_VERSYM:
		return VERSYM;
	case DT_VERDEF:
		return VERDEF;
	case DT_VERNEED:
		return VERNEED;
	case DT_FLAGS_1:
		return FLAGS_1;
	case DT_RELACOUNT:
	case DT_RELCOUNT:
		return COUNT;
	}
	return -1;
}

/* Refuses, unless the image is libc's. */
static bool bad(struct parse *p, const char *what)
{
	if (p->src->rule)
		return true;
	return diag_set(p->d, DIAG_BAD_ELF, "%s: invalid dynamic section: %s", p->src->path, what);
}

static bool depends(const elf_dyn *e)
{
	return e->d_tag == DT_NEEDED || e->d_tag == DT_FILTER || e->d_tag == DT_AUXILIARY;
}

static bool collect(struct parse *p)
{
	struct dyn *dy = p->dy;
	size_t room = p->src->len / sizeof(elf_dyn);

	dy->at = map_at(p->src->map, p->src->va, p->src->len);
	if (!dy->at || p->src->va % sizeof(uintptr_t))
		return diag_set(p->d, DIAG_BAD_ELF, "%s: dynamic section outside the image",
				p->src->path);
	for (dy->n = 0; dy->n < room && dy->at[dy->n].d_tag != DT_NULL; dy->n++) {
		const elf_dyn *e = &dy->at[dy->n];
		int i = slot(e->d_tag);

		dy->ndepend += depends(e);
		if (i < 0)
			continue;
		p->raw.val[i] = e->d_un.d_val;
		p->raw.has[i] = true;
	}
	return dy->n < room || bad(p, "no DT_NULL");
}

/* The image-relative address that a pointer tag means. */
static uintptr_t va_of(const struct parse *p, int i)
{
	static const intptr_t high[TAGS - LOW] = {
		[GNU_HASH - LOW] = DT_GNU_HASH,
		[VERSYM - LOW] = DT_VERSYM,
		[VERDEF - LOW] = DT_VERDEF,
		[VERNEED - LOW] = DT_VERNEED,
	};
	const struct map *m = p->src->map;

	if (!p->src->rule)
		return p->raw.val[i];
	return p->src->rule(i < LOW ? i : high[i - LOW], p->raw.val[i], m->bias, m->start, m->end) -
	       m->bias;
}

/*
 * The table of `len` bytes that tag `i` names; NULL and false where it leaves the image.  All but version
 * tables are made of words.
 */
static bool table(struct parse *p, int i, uintptr_t len, const void *out, const char *what)
{
	const void **at = (const void **)(uintptr_t)out;

	*at = NULL;
	if (!p->raw.has[i])
		return true;
	*at = map_at(p->src->map, va_of(p, i), len);
	if (*at && (uintptr_t)*at % (i == VERDEF || i == VERNEED ? 4 : sizeof(uintptr_t)) == 0)
		return true;
	*at = NULL;
	return bad(p, what);
}

static bool strings(struct parse *p)
{
	struct symtab *st = p->st;
	uintptr_t len = p->raw.val[DT_STRSZ];

	if (!p->raw.has[DT_STRTAB] || !p->raw.has[DT_SYMTAB])
		return bad(p, "no DT_STRTAB or DT_SYMTAB");
	st->str = map_at(p->src->map, va_of(p, DT_STRTAB), len);
	if (!st->str || !len)
		return bad(p, "DT_STRTAB or DT_STRSZ outside the image");
	if (st->str[len - 1])
		return bad(p, "string table without final NUL");
	st->str_len = len;
	return true;
}

static bool symbols(struct parse *p)
{
	struct symtab *st = p->st;
	uintptr_t room, va;

	if (!p->raw.has[DT_SYMTAB])
		return true;
	if (p->raw.has[DT_SYMENT] && p->raw.val[DT_SYMENT] != sizeof(elf_sym))
		return bad(p, "DT_SYMENT is not the size of a symbol");
	va = va_of(p, DT_SYMTAB);
	room = map_room(p->src->map, va) / sizeof(elf_sym);
	if (!room || va % sizeof(uintptr_t))
		return bad(p, "DT_SYMTAB outside the image");
	st->sym = (const void *)(p->src->map->bias + va);
	st->nsym = room > UINT32_MAX ? UINT32_MAX : (uint32_t)room;
	if (!p->raw.has[VERSYM])
		return true;
	va = va_of(p, VERSYM);
	room = map_room(p->src->map, va) / sizeof(elf_versym);
	if (!room || va % sizeof(elf_versym))
		return bad(p, "DT_VERSYM outside the image");
	st->versym = (const void *)(p->src->map->bias + va);
	if (room < st->nsym)
		st->nsym = (uint32_t)room;
	return true;
}

static bool gnu_hash(struct parse *p)
{
	struct symtab *st = p->st;
	const struct map *m = p->src->map;
	uintptr_t va = va_of(p, GNU_HASH), bloom, chain;
	const uint32_t *head = map_at(m, va, 16);

	if (!head || va % sizeof(uint32_t))
		return bad(p, "DT_GNU_HASH outside the image");
	if (!head[0] || !head[2] || (head[2] & (head[2] - 1)) || head[3] >= 32)
		return bad(p, "DT_GNU_HASH has an impossible header");
	bloom = (uintptr_t)head[2] * sizeof(uintptr_t);
	if ((va + 16) % sizeof(uintptr_t) || !map_at(m, va + 16, bloom) ||
	    !map_at(m, va + 16 + bloom, (uintptr_t)head[0] * 4))
		return bad(p, "DT_GNU_HASH leaves the image");
	chain = va + 16 + bloom + (uintptr_t)head[0] * 4;
	st->gnu = true;
	st->nbucket = head[0];
	st->symoffset = head[1];
	st->bloom_mask = head[2] - 1;
	st->bloom_shift = head[3];
	st->bloom = (const void *)(head + 4);
	st->bucket = (const void *)(m->bias + va + 16 + bloom);
	st->chain = st->bucket + st->nbucket;
	st->nchain = (uint32_t)(map_room(m, chain) / 4);
	return true;
}

static bool sysv_hash(struct parse *p)
{
	struct symtab *st = p->st;
	const struct map *m = p->src->map;
	uintptr_t va = va_of(p, DT_HASH);
	const uint32_t *head = map_at(m, va, 8);

	if (!head || va % sizeof(uint32_t))
		return bad(p, "DT_HASH outside the image");
	if (!head[0])
		return bad(p, "DT_HASH without buckets");
	if (!map_at(m, va + 8, ((uintptr_t)head[0] + head[1]) * 4))
		return bad(p, "DT_HASH leaves the image");
	if (head[1] < st->nsym)
		st->nsym = head[1];
	if (st->gnu)
		return true; /* good for the symbol count only */
	st->nbucket = head[0];
	st->nchain = head[1];
	st->bucket = head + 2;
	st->chain = head + 2 + head[0];
	return true;
}

static bool hashes(struct parse *p)
{
	if (!p->st->sym)
		return true;
	return (!p->raw.has[GNU_HASH] || gnu_hash(p)) && (!p->raw.has[DT_HASH] || sysv_hash(p));
}

static bool relocations(struct parse *p)
{
	enum {
		TAB = ARCH_RELA ? DT_RELA : DT_REL,
		SIZE = ARCH_RELA ? DT_RELASZ : DT_RELSZ,
		ENT = ARCH_RELA ? DT_RELAENT : DT_RELENT,
		OTHER = ARCH_RELA ? DT_REL : DT_RELA,
	};
	const size_t one = ARCH_RELA ? sizeof(elf_rela) : sizeof(elf_rel);
	uintptr_t *val = p->raw.val, len = val[SIZE], plt = val[DT_PLTRELSZ];
	struct dyn *dy = p->dy;

	if (p->raw.has[OTHER])
		return bad(p, ARCH_RELA ? "DT_REL on a RELA machine" : "DT_RELA on a REL machine");
	if (p->raw.has[ENT] && val[ENT] != one)
		return bad(p, "relocation entries of another size");
	if (p->raw.has[DT_JMPREL] && val[DT_PLTREL] != TAB)
		return bad(p, "DT_PLTREL is not this machine's kind");
	if (len % one || plt % one)
		return bad(p, "size of the relocations is not a multiple of an entry");
	if (!table(p, TAB, len, &dy->rel.at, "relocations outside the image") ||
	    !table(p, DT_JMPREL, plt, &dy->plt.at, "DT_JMPREL outside the image"))
		return false;
	/* Some linkers count the PLT's entries twice. */
	if (dy->rel.at && dy->plt.at &&
	    (const char *)dy->rel.at + len == (const char *)dy->plt.at + plt && len >= plt)
		len -= plt;
	dy->rel.n = dy->rel.at ? len / one : 0;
	dy->plt.n = dy->plt.at ? plt / one : 0;
	dy->relative_count = val[COUNT] < dy->rel.n ? val[COUNT] : dy->rel.n;
	return true;
}

static bool relr(struct parse *p)
{
	uintptr_t len = p->raw.val[DT_RELRSZ];

	if (!p->raw.has[DT_RELR])
		return true;
	if (len % sizeof(elf_relr) ||
	    (p->raw.has[DT_RELRENT] && p->raw.val[DT_RELRENT] != sizeof(elf_relr)))
		return bad(p, "DT_RELRSZ or DT_RELRENT is wrong");
	if (!table(p, DT_RELR, len, &p->dy->relr, "DT_RELR outside the image"))
		return false;
	p->dy->nrelr = p->dy->relr ? len / sizeof(elf_relr) : 0;
	return true;
}

static bool array(struct parse *p, int i, int size, const uintptr_t **at, size_t *n)
{
	uintptr_t len = p->raw.val[size];

	if (!p->raw.has[i] || !len)
		return true;
	if (len % sizeof(uintptr_t))
		return bad(p, "DT_INIT_ARRAYSZ or DT_FINI_ARRAYSZ is wrong");
	if (!table(p, i, len, at, "constructor or destructor array outside the image"))
		return false;
	*n = *at ? len / sizeof(uintptr_t) : 0;
	return true;
}

/* DT_INIT, DT_FINI. */
static bool function(struct parse *p, int i, uintptr_t *out)
{
	uintptr_t va = p->raw.val[i];

	if (!p->raw.has[i] || !va || p->src->rule)
		return true;
	if (!map_has(p->src->map, va, 1, PROT_X))
		return bad(p, "DT_INIT or DT_FINI is not code");
	*out = p->src->map->bias + va;
	return true;
}

static bool life(struct parse *p)
{
	struct dyn *dy = p->dy;

	return function(p, DT_INIT, &dy->init) && function(p, DT_FINI, &dy->fini) &&
	       array(p, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, &dy->init_array, &dy->ninit) &&
	       array(p, DT_FINI_ARRAY, DT_FINI_ARRAYSZ, &dy->fini_array, &dy->nfini);
}

static bool string(struct parse *p, int i, const char **out)
{
	if (!p->raw.has[i])
		return true;
	if (p->raw.val[i] >= p->st->str_len)
		return bad(p, "string offset beyond DT_STRSZ");
	*out = p->st->str + p->raw.val[i];
	return true;
}

static bool names(struct parse *p)
{
	struct dyn_depend dep = {0};

	while (dyn_depend(p->dy, p->st, &dep))
		if (!dep.name && !bad(p, "DT_NEEDED beyond DT_STRSZ"))
			return false;
	return string(p, DT_SONAME, &p->dy->soname) && string(p, DT_RPATH, &p->dy->rpath) &&
	       string(p, DT_RUNPATH, &p->dy->runpath);
}

static bool flags(struct parse *p)
{
	struct dyn *dy = p->dy;

	dy->flags = (uint32_t)p->raw.val[DT_FLAGS];
	dy->flags_1 = (uint32_t)p->raw.val[FLAGS_1];
	dy->textrel = p->raw.has[DT_TEXTREL] || (dy->flags & DF_TEXTREL);
	dy->symbolic = p->raw.has[DT_SYMBOLIC] || (dy->flags & DF_SYMBOLIC);
	dy->bind_now = p->raw.has[DT_BIND_NOW] || (dy->flags & DF_BIND_NOW) ||
		       (dy->flags_1 & DF_1_NOW);
	return true;
}

/* The version tables' first entries; version.c walks them. */
static bool versions(struct parse *p)
{
	if (!table(p, VERNEED, sizeof(elf_verneed), &p->dy->verneed, "DT_VERNEED outside the image") ||
	    !table(p, VERDEF, sizeof(elf_verdef), &p->dy->verdef, "DT_VERDEF outside the image"))
		return false;
	p->st->has_verdef = p->dy->verdef != NULL;
	return true;
}

static bool pltgot(struct parse *p)
{
	uintptr_t va;

	if (!p->raw.has[DT_PLTGOT])
		return true;
	va = va_of(p, DT_PLTGOT);
	if (va % sizeof(uintptr_t) == 0 && map_has(p->src->map, va, 3 * sizeof(uintptr_t), PROT_W))
		p->dy->pltgot = (uintptr_t *)(p->src->map->bias + va);
	return true; /* without it nothing is bound lazily */
}

bool dyn_parse(struct dyn *dy, struct symtab *st, const struct dyn_source *src, struct diag *d)
{
	struct parse p = {.src = src, .dy = dy, .st = st, .d = d};

	memset(dy, 0, sizeof *dy);
	memset(st, 0, sizeof *st);
	st->bias = src->map->bias;
	return collect(&p) && strings(&p) && symbols(&p) && hashes(&p) && names(&p) && flags(&p) &&
	       relocations(&p) && relr(&p) && life(&p) && versions(&p) && pltgot(&p);
}

bool dyn_depend(const struct dyn *dy, const struct symtab *st, struct dyn_depend *dep)
{
	while (dep->given < dy->ndepend && dep->entry < dy->n) {
		const elf_dyn *e = &dy->at[dep->entry++];

		if (!depends(e))
			continue;
		dep->given++;
		dep->tag = e->d_tag;
		dep->name = e->d_un.d_val < st->str_len ? st->str + e->d_un.d_val : NULL;
		return true;
	}
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * elfgen, part 1 of 3: fields, bytes and arrays.
 *
 * Where each field lies and how wide it is, for both classes, comes from <elf.h> through the list
 * ELFGEN_FIELDS.  elfgen_build writes every field through elfgen_set and the tests overwrite them
 * through elfgen_poke: the same table serves both, so a poke cannot miss.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elfgen.h"

typedef unsigned char Elf32_byte, Elf64_byte;

struct field {
	enum elfgen_table table;
	struct {
		unsigned char off, size;
	} in32, in64;
};

/* A member of nothing is the whole thing. */
#define PLACE(type, member) PLACE_(type, member, HAS(member))
#define HAS(...) HAS_(__VA_OPT__(1, ) 0, 0)
#define HAS_(a, b, ...) a
#define PLACE_(type, member, has) PLACE__(type, member, has)
#define PLACE__(type, member, has) PLACE_##has(type, member)
#define PLACE_1(type, member)                                                                      \
	{                                                                                          \
		offsetof(type, member), sizeof(((type *)0)->member)                                \
	}
#define PLACE_0(type, member)                                                                      \
	{                                                                                          \
		0, sizeof(type)                                                                    \
	}

static const struct field fields[] = {
#define ROW(name, table, type, member)                                                             \
	[ELFGEN_##name] = {ELFGEN_##table, PLACE(Elf32_##type, member), PLACE(Elf64_##type, member)},
	ELFGEN_FIELDS(ROW)
#undef ROW
};

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "elfgen: %s\n", what);
	abort();
}

bool elfgen_is64(const struct elfgen *e)
{
	return e->class == ELFCLASS64;
}

size_t elfgen_entsize(const struct elfgen *e, enum elfgen_table t)
{
	static const unsigned char sizes[ELFGEN_TABLES][2] = {
		[ELFGEN_EHDR] = {sizeof(Elf32_Ehdr), sizeof(Elf64_Ehdr)},
		[ELFGEN_PHDR] = {sizeof(Elf32_Phdr), sizeof(Elf64_Phdr)},
		[ELFGEN_DYN] = {sizeof(Elf32_Dyn), sizeof(Elf64_Dyn)},
		[ELFGEN_SYM] = {sizeof(Elf32_Sym), sizeof(Elf64_Sym)},
		[ELFGEN_REL] = {sizeof(Elf32_Rela), sizeof(Elf64_Rela)},
		[ELFGEN_PLT] = {sizeof(Elf32_Rela), sizeof(Elf64_Rela)},
		[ELFGEN_RELR] = {4, 8},
		[ELFGEN_VERSYM] = {2, 2},
		[ELFGEN_VERDEF] = {sizeof(Elf32_Verdef), sizeof(Elf64_Verdef)},
		[ELFGEN_VERDAUX] = {sizeof(Elf32_Verdaux), sizeof(Elf64_Verdaux)},
		[ELFGEN_VERNEED] = {sizeof(Elf32_Verneed), sizeof(Elf64_Verneed)},
		[ELFGEN_VERNAUX] = {sizeof(Elf32_Vernaux), sizeof(Elf64_Vernaux)},
		[ELFGEN_HASH] = {4, 4},
		[ELFGEN_GNU_HASH] = {4, 4},
		[ELFGEN_STR] = {1, 1},
		[ELFGEN_NOTE] = {1, 1},
		[ELFGEN_BYTE] = {1, 1},
	};

	if (!e->rela && (t == ELFGEN_REL || t == ELFGEN_PLT))
		return elfgen_is64(e) ? sizeof(Elf64_Rel) : sizeof(Elf32_Rel);
	return sizes[t][elfgen_is64(e)];
}

void elfgen_store(const struct elfgen *e, void *at, size_t size, uint64_t value)
{
	unsigned char *p = at;

	for (size_t i = 0; i < size; i++)
		p[e->data == ELFDATA2LSB ? i : size - 1 - i] = (unsigned char)(value >> 8 * i);
}

uint64_t elfgen_load(const struct elfgen *e, const void *at, size_t size)
{
	const unsigned char *p = at;
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v |= (uint64_t)p[e->data == ELFDATA2LSB ? i : size - 1 - i] << 8 * i;
	return v;
}

/* The field's bytes in entry i. */
static unsigned char *locate(const struct elfgen *e, enum elfgen_field f, uint64_t i, size_t *size)
{
	const struct field *fd = &fields[f];
	size_t off = elfgen_is64(e) ? fd->in64.off : fd->in32.off;

	*size = elfgen_is64(e) ? fd->in64.size : fd->in32.size;
	if (i >= e->table[fd->table].n)
		die("no such entry in this table");
	off += e->table[fd->table].off + i * elfgen_entsize(e, fd->table);
	if (off + *size > e->len)
		die("the field is not in the file");
	return e->buf + off;
}

void elfgen_set(struct elfgen *e, enum elfgen_field f, uint64_t i, uint64_t value)
{
	size_t size;
	unsigned char *at = locate(e, f, i, &size);

	elfgen_store(e, at, size, value);
}

enum elfgen_table elfgen_table_of(enum elfgen_field f)
{
	return fields[f].table;
}

uint64_t elfgen_get(const struct elfgen *e, enum elfgen_field f, uint64_t i)
{
	size_t size;
	const unsigned char *at = locate(e, f, i, &size);

	return elfgen_load(e, at, size);
}

/* A keyed table's nth entry of this type or tag. */
static uint64_t entry(const struct elfgen *e, const struct elfgen_place *at)
{
	enum elfgen_table t = fields[at->field].table;
	enum elfgen_field key = t == ELFGEN_PHDR ? ELFGEN_p_type : ELFGEN_d_tag;
	unsigned nth = at->nth;
	uint64_t mask = elfgen_is64(e) && t == ELFGEN_DYN ? UINT64_MAX : UINT32_MAX;

	if (t != ELFGEN_PHDR && t != ELFGEN_DYN)
		return nth;
	for (uint64_t i = 0; i < e->table[t].n; i++)
		if (elfgen_get(e, key, i) == ((uint64_t)at->key & mask) && nth-- == 0)
			return i;
	die("no entry with this type or tag");
}

void elfgen_poke(struct elfgen *e, struct elfgen_place at, uint64_t value)
{
	elfgen_set(e, at.field, entry(e, &at), value);
}

uint64_t elfgen_peek(const struct elfgen *e, struct elfgen_place at)
{
	return elfgen_get(e, at.field, entry(e, &at));
}

uint64_t elfgen_off(const struct elfgen *e, uint64_t va)
{
	for (int i = 0; i < ELFGEN_PARTS; i++) {
		const struct elfgen_phdr *ph = &e->load[i];

		if (va >= ph->va && va - ph->va < ph->filesz)
			return ph->off + (va - ph->va);
	}
	die("this address is not in the file");
}

void elfgen_resize(struct elfgen *e, size_t len)
{
	if (len > e->room || !e->buf) {
		e->room = 2 * len + 4096;
		e->buf = realloc(e->buf, e->room);
		if (!e->buf)
			die("no memory");
	}
	if (len > e->len)
		memset(e->buf + e->len, 0, len - e->len);
	e->len = len;
	e->table[ELFGEN_BYTE].n = len;
}

uint64_t elfgen_reserve(struct elfgen *e, size_t len, size_t align)
{
	uint64_t off = (e->len + align - 1) & ~(uint64_t)(align - 1);

	elfgen_resize(e, off + len);
	return off;
}

void *elfgen_push(struct elfgen_array *a, size_t size)
{
	char *at = a->at;

	if (a->n == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 16;
		at = realloc(at, a->cap * size);
		if (!at)
			die("no memory");
		a->at = at;
	}
	return memset(at + a->n++ * size, 0, size);
}

uint64_t elfgen_append(struct elfgen_bytes *b, const void *bytes, size_t len)
{
	uint64_t off = b->len;

	if (b->len + len > b->cap) {
		b->cap = 2 * (b->len + len);
		b->at = realloc(b->at, b->cap);
		if (!b->at)
			die("no memory");
	}
	if (bytes && len)
		memcpy(b->at + off, bytes, len);
	else if (len)
		memset(b->at + off, 0, len);
	b->len += len;
	return off;
}

void elfgen_align(struct elfgen_bytes *b, size_t align)
{
	elfgen_append(b, NULL, -b->len & (align - 1));
}

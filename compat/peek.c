/* SPDX-License-Identifier: MIT */
/*
 * peek: see peek.h.
 *
 * Called by boot.c to find libc's functions and by the libc files for single symbols.  It looks a name
 * up as an unversioned reference made by dlsym would be: the default version, and a hidden (older) one
 * only when there is no other.  IFUNCs are passed over, since calling a resolver is a call.
 *
 * Must never call anything but text.c, and never write into the image.
 */
#include "peek.h"
#include "host.h"

#include "../loader/text.h"

static uint32_t hash_sysv(const char *name)
{
	uint32_t h = 0;

	for (const unsigned char *s = (const unsigned char *)name; *s; s++) {
		h = (h << 4) + *s;
		h = (h ^ (h & 0xf0000000) >> 24) & 0x0fffffff;
	}
	return h;
}

/*
 * glibc relocates these tags in place, but not in a read-only dynamic section (the vdso's); musl never.
 * A value inside the image is an address already.  The other tags are always relative to the bias.
 */
uintptr_t host_dyn_ptr(intptr_t tag, uintptr_t d_ptr, uintptr_t bias, uintptr_t start,
		       uintptr_t end)
{
	switch (tag) {
	case DT_HASH:
	case DT_PLTGOT:
	case DT_STRTAB:
	case DT_SYMTAB:
	case DT_RELA:
	case DT_REL:
	case DT_RELR:
	case DT_JMPREL:
	case DT_VERSYM:
	case DT_GNU_HASH:
		return d_ptr >= start && d_ptr < end ? d_ptr : bias + d_ptr;
	case DT_DEBUG:
		return d_ptr;
	default:
		return bias + d_ptr;
	}
}

/* d_ptr as an address, whether or not libc relocated this entry in place. */
static const void *pointer(const struct host_peek *pk, const elf_dyn *dy)
{
	return (const void *)host_dyn_ptr(dy->d_tag, dy->d_un.d_ptr, pk->bias, pk->start, pk->end);
}

static bool read_dynamic(struct host_peek *pk)
{
	uintptr_t soname = 0;
	bool named = false;

	for (const elf_dyn *dy = pk->dyn; dy->d_tag != DT_NULL; dy++) {
		switch (dy->d_tag) {
		case DT_SYMTAB:
			pk->sym = pointer(pk, dy);
			break;
		case DT_STRTAB:
			pk->str = pointer(pk, dy);
			break;
		case DT_VERSYM:
			pk->versym = pointer(pk, dy);
			break;
		case DT_GNU_HASH:
			pk->gnu = pointer(pk, dy);
			break;
		case DT_HASH:
			pk->sysv = pointer(pk, dy);
			break;
		case DT_SONAME:
			soname = dy->d_un.d_val;
			named = true;
			break;
		}
	}
	pk->soname = named && pk->str ? pk->str + soname : "";
	return pk->sym && pk->str;
}

bool host_peek(struct host_peek *pk, uintptr_t bias, const elf_phdr *ph, unsigned phnum)
{
	*pk = (struct host_peek){.bias = bias, .start = UINTPTR_MAX};
	for (unsigned i = 0; i < phnum; i++) {
		uintptr_t start = bias + ph[i].p_vaddr, end = start + ph[i].p_memsz;

		if (ph[i].p_type == PT_DYNAMIC)
			pk->dyn = (const elf_dyn *)start;
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (start < pk->start)
			pk->start = start;
		if (end > pk->end)
			pk->end = end;
	}
	if (pk->dyn && read_dynamic(pk))
		return true;
	pk->end = 0;
	return false;
}

/* The whole of an image up to its code is mapped without holes, so stepping back cannot fault. */
bool host_peek_around(struct host_peek *pk, const void *addr)
{
	uintptr_t at = (uintptr_t)addr & ~(uintptr_t)4095;

	for (;; at -= 4096) {
		const elf_ehdr *eh = (const elf_ehdr *)at;
		const elf_phdr *ph = (const elf_phdr *)(at + eh->e_phoff);

		if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
		    eh->e_ident[EI_CLASS] != ELF_CLASS || eh->e_phoff > 4096 ||
		    eh->e_phentsize != sizeof *ph)
			continue;
		for (unsigned i = 0; i < eh->e_phnum; i++)
			if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0 &&
			    host_peek(pk, at - ph[i].p_vaddr, ph, eh->e_phnum) &&
			    (uintptr_t)addr < pk->end)
				return true;
	}
}

/* Does symbol i define the name?  An older version goes into *hidden and the search goes on. */
static bool matches(const struct host_peek *pk, uint32_t i, const char *name, uint32_t *hidden)
{
	const elf_sym *s = pk->sym + i;
	unsigned type = ELF_ST_TYPE(s->st_info);

	if (s->st_shndx == SHN_UNDEF || s->st_value == 0 || ELF_ST_BIND(s->st_info) == STB_LOCAL ||
	    type == STT_TLS || type == STT_GNU_IFUNC || !text_eq(pk->str + s->st_name, name))
		return false;
	if (!pk->versym || !(pk->versym[i] & ELF_VERSYM_HIDDEN))
		return true;
	*hidden = i;
	return false;
}

static uint32_t find_gnu(const struct host_peek *pk, const char *name)
{
	const uint32_t *gnu = pk->gnu;
	uint32_t nbucket = gnu[0], offset = gnu[1], hash = text_hash(name), hidden = 0;
	const uint32_t *bucket = (const uint32_t *)((const uintptr_t *)(gnu + 4) + gnu[2]);
	const uint32_t *chain = bucket + nbucket;
	uint32_t i = nbucket ? bucket[hash % nbucket] : 0;

	if (i < offset)
		return 0;
	do {
		if ((chain[i - offset] ^ hash) <= 1 && matches(pk, i, name, &hidden))
			return i;
	} while (!(chain[i++ - offset] & 1));
	return hidden;
}

static uint32_t find_sysv(const struct host_peek *pk, const char *name)
{
	uint32_t nbucket = pk->sysv[0], hidden = 0;
	const uint32_t *bucket = pk->sysv + 2, *chain = bucket + nbucket;

	if (nbucket == 0)
		return 0;
	for (uint32_t i = bucket[hash_sysv(name) % nbucket]; i; i = chain[i])
		if (matches(pk, i, name, &hidden))
			return i;
	return hidden;
}

uintptr_t host_peek_symbol(const struct host_peek *pk, const char *name)
{
	uint32_t i = 0;

	if (pk->end == 0)
		return 0;
	if (pk->gnu)
		i = find_gnu(pk, name);
	else if (pk->sysv)
		i = find_sysv(pk, name);
	return i ? pk->bias + pk->sym[i].st_value : 0;
}

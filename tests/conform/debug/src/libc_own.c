/* SPDX-License-Identifier: MIT */
/*
 * libc_own: see libc_own.h.  Called by the programs that set libc's loader and ours to work side by side.
 */
#include "libc_own.h"

#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct wanted {
	const char *name;
	void *found;
};

struct table {
	const ElfW(Sym) * symbols;
	const char *names;
	const uint16_t *versions;
	const uint32_t *hash; /* DT_GNU_HASH */
};

static void read_table(struct table *t, const struct dl_phdr_info *in)
{
	const ElfW(Dyn) *d = NULL;

	for (int i = 0; i < in->dlpi_phnum; i++)
		if (in->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(in->dlpi_addr + in->dlpi_phdr[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++) {
		ElfW(Addr) value = d->d_un.d_ptr;
		const void *at =
			(const void *)(value + (value < in->dlpi_addr ? in->dlpi_addr : 0));

		if (d->d_tag == DT_SYMTAB)
			t->symbols = at;
		else if (d->d_tag == DT_STRTAB)
			t->names = at;
		else if (d->d_tag == DT_VERSYM)
			t->versions = at;
		else if (d->d_tag == DT_GNU_HASH)
			t->hash = at;
	}
}

/* The table ends where the chain of the highest bucket does. */
static uint32_t count(const uint32_t *hash)
{
	const uint32_t *buckets = hash + 4 + hash[2] * sizeof(ElfW(Addr)) / 4;
	const uint32_t *chain = buckets + hash[0];
	uint32_t last = 0;

	for (uint32_t i = 0; i < hash[0]; i++)
		if (buckets[i] > last)
			last = buckets[i];
	while (!(chain[last - hash[1]] & 1))
		last++;
	return last + 1;
}

static int look(struct dl_phdr_info *in, size_t size, void *arg)
{
	const char *base = strrchr(in->dlpi_name, '/');
	struct wanted *w = arg;
	struct table t = {0};

	(void)size;
	if (!base || (strcmp(base, "/libc.so.6") && strcmp(base, "/libdl.so.2")))
		return 0;
	read_table(&t, in);
	if (!t.symbols || !t.names || !t.versions || !t.hash)
		abort();
	for (uint32_t i = 0, n = count(t.hash); i < n; i++) {
		const ElfW(Sym) *s = &t.symbols[i];
		int hidden = t.versions[i] & 0x8000; /* an older version of it */

		if (s->st_shndx && !hidden && !strcmp(t.names + s->st_name, w->name))
			w->found = (void *)(in->dlpi_addr + s->st_value);
	}
	return !!w->found;
}

void *libc_own(const char *name)
{
	struct wanted w = {name, NULL};

	dl_iterate_phdr(look, &w);
	return w.found;
}

/* SPDX-License-Identifier: MIT */
/*
 * elfgen, part 3 of 3: describing a library, and laying it out.
 *
 * HEAD starts at address 0 and file offset 0, so for all linker tables address and offset are the same
 * number.  The other parts start on page boundaries of the file.  No section headers: a loader must not
 * want any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elfgen.h"
#include "elfgen_item.h"

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "elfgen: %s\n", what);
	abort();
}

struct elfgen *elfgen_new(unsigned machine)
{
	struct elfgen *e = calloc(1, sizeof(*e));
	const uint16_t one = 1;

	if (!e)
		die("no memory");
	e->class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	e->data = *(const char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
	e->type = ET_DYN;
	e->machine = (uint16_t)machine;
	e->rela = true;
	e->hash_style = ELFGEN_SYSV | ELFGEN_GNU;
	e->page = 4096;
	elfgen_append(&e->str, "", 1);
	elfgen_push(&e->sym, sizeof(struct elfgen_symbol));
	return e;
}

void elfgen_free(struct elfgen *e)
{
	for (int i = 0; i < ELFGEN_PARTS; i++)
		free(e->part[i].at);
	free(e->sym.at);
	free(e->rel.at);
	free(e->plt.at);
	free(e->relr.at);
	free(e->needed.at);
	free(e->dyn.at);
	free(e->phdr.at);
	free(e->verdef.at);
	free(e->verneed.at);
	free(e->dynout.at);
	free(e->str.at);
	free(e->note.at);
	free(e->symndx);
	free(e->buf);
	free(e);
}

/* --- describing ------------------------------------------------------------------------------------ */

uint64_t elfgen_put(struct elfgen *e, enum elfgen_part part, const void *bytes, size_t len)
{
	if (part == ELFGEN_HEAD || e->buf)
		die("too late, or no place for content");
	elfgen_align(&e->part[part], 8);
	return ELFGEN_VA(part) + elfgen_append(&e->part[part], bytes, len);
}

uint64_t elfgen_words(struct elfgen *e, enum elfgen_part part, const uint64_t *words, size_t n)
{
	size_t size = elfgen_is64(e) ? 8 : 4;
	uint64_t va = elfgen_put(e, part, NULL, n * size);

	for (size_t i = 0; i < n; i++)
		elfgen_store(e, e->part[part].at + (va - ELFGEN_VA(part)) + i * size, size, words[i]);
	return va;
}

void elfgen_tls(struct elfgen *e, const void *bytes, uint64_t filesz, uint64_t memsz, uint64_t align)
{
	if (e->part[ELFGEN_RELRO].len)
		die("the TLS template comes first");
	elfgen_put(e, ELFGEN_RELRO, bytes, filesz);
	e->tls_filesz = filesz;
	e->tls_memsz = memsz;
	e->tls_align = align;
	e->has_tls = true;
}

unsigned elfgen_str(struct elfgen *e, const char *s)
{
	return (unsigned)elfgen_append(&e->str, s, strlen(s) + 1);
}

unsigned elfgen_sym(struct elfgen *e, const struct elfgen_sym *s)
{
	unsigned name = s->name && *s->name ? elfgen_str(e, s->name) : 0;
	struct elfgen_symbol *sym = elfgen_push(&e->sym, sizeof(*sym));

	sym->s = *s;
	sym->s.name = NULL;
	sym->name = name;
	return (unsigned)e->sym.n - 1;
}

unsigned elfgen_def(struct elfgen *e, const char *name, uint64_t va)
{
	return elfgen_sym(e, &(struct elfgen_sym){.name = name, .bind = STB_GLOBAL,
		.type = STT_OBJECT, .shndx = 1, .value = va, .size = 8});
}

unsigned elfgen_undef(struct elfgen *e, const char *name)
{
	return elfgen_sym(e, &(struct elfgen_sym){.name = name, .bind = STB_GLOBAL,
		.type = STT_NOTYPE, .shndx = SHN_UNDEF});
}

void elfgen_rel(struct elfgen *e, const struct elfgen_rel *r)
{
	*(struct elfgen_rel *)elfgen_push(&e->rel, sizeof(*r)) = *r;
}

void elfgen_plt(struct elfgen *e, const struct elfgen_rel *r)
{
	*(struct elfgen_rel *)elfgen_push(&e->plt, sizeof(*r)) = *r;
}

void elfgen_relr(struct elfgen *e, uint64_t va)
{
	*(uint64_t *)elfgen_push(&e->relr, sizeof(va)) = va;
}

void elfgen_needed(struct elfgen *e, const char *name)
{
	unsigned str = elfgen_str(e, name);

	*(unsigned *)elfgen_push(&e->needed, sizeof(str)) = str;
}

void elfgen_dyn(struct elfgen *e, int64_t tag, uint64_t val)
{
	*(struct elfgen_pair *)elfgen_push(&e->dyn, sizeof(struct elfgen_pair)) =
		(struct elfgen_pair){tag, val};
}

void elfgen_phdr(struct elfgen *e, const struct elfgen_phdr *ph)
{
	*(struct elfgen_phdr *)elfgen_push(&e->phdr, sizeof(*ph)) = *ph;
}

void elfgen_note(struct elfgen *e, uint32_t type, const void *desc, size_t len)
{
	size_t align = type == NT_GNU_PROPERTY_TYPE_0 && elfgen_is64(e) ? 8 : 4;
	unsigned char head[16] = {[12] = 'G', 'N', 'U'};

	elfgen_store(e, head, 4, 4);
	elfgen_store(e, head + 4, 4, len);
	elfgen_store(e, head + 8, 4, type);
	if (align > e->note_align)
		e->note_align = align;
	elfgen_append(&e->note, head, sizeof(head));
	elfgen_append(&e->note, desc, len);
	elfgen_align(&e->note, align);
}

/* --- making ---------------------------------------------------------------------------------------- */

static void add_dyn(struct elfgen *e, int64_t tag, uint64_t val)
{
	*(struct elfgen_pair *)elfgen_push(&e->dynout, sizeof(struct elfgen_pair)) =
		(struct elfgen_pair){tag, val};
}

static void add_table(struct elfgen *e, int64_t tag, enum elfgen_table t)
{
	if (e->table[t].n)
		add_dyn(e, tag, e->table[t].off);
}

static uint64_t table_size(const struct elfgen *e, enum elfgen_table t)
{
	return e->table[t].n * elfgen_entsize(e, t);
}

static void dynamic_relocs(struct elfgen *e)
{
	if (e->table[ELFGEN_REL].n) {
		add_dyn(e, e->rela ? DT_RELA : DT_REL, e->table[ELFGEN_REL].off);
		add_dyn(e, e->rela ? DT_RELASZ : DT_RELSZ, table_size(e, ELFGEN_REL));
		add_dyn(e, e->rela ? DT_RELAENT : DT_RELENT, elfgen_entsize(e, ELFGEN_REL));
	}
	if (e->pltgot)
		add_dyn(e, DT_PLTGOT, e->pltgot);
	if (e->table[ELFGEN_PLT].n) {
		add_dyn(e, DT_PLTRELSZ, table_size(e, ELFGEN_PLT));
		add_dyn(e, DT_PLTREL, e->rela ? DT_RELA : DT_REL);
		add_dyn(e, DT_JMPREL, e->table[ELFGEN_PLT].off);
	}
	if (e->table[ELFGEN_RELR].n) {
		add_dyn(e, 36 /* DT_RELR */, e->table[ELFGEN_RELR].off);
		add_dyn(e, 35 /* DT_RELRSZ */, table_size(e, ELFGEN_RELR));
		add_dyn(e, 37 /* DT_RELRENT */, elfgen_entsize(e, ELFGEN_RELR));
	}
}

static void dynamic_life(struct elfgen *e)
{
	uint64_t word = elfgen_is64(e) ? 8 : 4;

	if (e->init_array) {
		add_dyn(e, DT_INIT_ARRAY, e->init_array);
		add_dyn(e, DT_INIT_ARRAYSZ, e->ninit * word);
	}
	if (e->fini_array) {
		add_dyn(e, DT_FINI_ARRAY, e->fini_array);
		add_dyn(e, DT_FINI_ARRAYSZ, e->nfini * word);
	}
	if (e->textrel)
		add_dyn(e, DT_TEXTREL, 0);
	if (e->dt_flags)
		add_dyn(e, DT_FLAGS, e->dt_flags);
	if (e->dt_flags_1)
		add_dyn(e, DT_FLAGS_1, e->dt_flags_1);
}

/* Every entry but DT_NULL, which is behind them. */
static void dynamic(struct elfgen *e, const unsigned names[3])
{
	const unsigned *needed = e->needed.at;
	const struct elfgen_pair *extra = e->dyn.at;

	for (size_t i = 0; i < e->needed.n; i++)
		add_dyn(e, DT_NEEDED, needed[i]);
	if (e->soname)
		add_dyn(e, DT_SONAME, names[0]);
	if (e->runpath)
		add_dyn(e, DT_RUNPATH, names[1]);
	if (e->rpath)
		add_dyn(e, DT_RPATH, names[2]);
	add_table(e, DT_HASH, ELFGEN_HASH);
	add_table(e, DT_GNU_HASH, ELFGEN_GNU_HASH);
	add_table(e, DT_STRTAB, ELFGEN_STR);
	add_table(e, DT_SYMTAB, ELFGEN_SYM);
	add_dyn(e, DT_STRSZ, e->table[ELFGEN_STR].n);
	add_dyn(e, DT_SYMENT, elfgen_entsize(e, ELFGEN_SYM));
	dynamic_relocs(e);
	dynamic_life(e);
	add_table(e, DT_VERSYM, ELFGEN_VERSYM);
	add_table(e, DT_VERDEF, ELFGEN_VERDEF);
	if (e->table[ELFGEN_VERDEF].n)
		add_dyn(e, DT_VERDEFNUM, e->table[ELFGEN_VERDEF].n);
	add_table(e, DT_VERNEED, ELFGEN_VERNEED);
	if (e->table[ELFGEN_VERNEED].n)
		add_dyn(e, DT_VERNEEDNUM, e->table[ELFGEN_VERNEED].n);
	for (size_t i = 0; i < e->dyn.n; i++)
		add_dyn(e, extra[i].tag, extra[i].val);
	add_dyn(e, DT_NULL, 0);
}

static void copy_bytes(struct elfgen *e, enum elfgen_table t, const struct elfgen_bytes *b, size_t align)
{
	e->table[t].off = elfgen_reserve(e, b->len, align);
	e->table[t].n = b->len;
	if (b->len)
		memcpy(e->buf + e->table[t].off, b->at, b->len);
}

/* The parts behind HEAD, each at the start of a page of the file. */
static void place_parts(struct elfgen *e)
{
	size_t dynlen = (e->dynout.n) * elfgen_entsize(e, ELFGEN_DYN);
	static const uint32_t flags[] = {PF_R, PF_R | PF_X, PF_R, PF_R | PF_W, PF_R | PF_W};
	struct elfgen_bytes *relro = &e->part[ELFGEN_RELRO];

	elfgen_align(relro, 16);
	e->dynamic_va = ELFGEN_VA(ELFGEN_RELRO) + elfgen_append(relro, NULL, dynlen);
	elfgen_align(relro, e->page);
	e->load[ELFGEN_HEAD] = (struct elfgen_phdr){PT_LOAD, PF_R, 0, 0, e->len, e->len, e->page};
	for (int i = ELFGEN_HEAD + 1; i < ELFGEN_PARTS; i++) {
		const struct elfgen_bytes *b = &e->part[i];
		uint64_t off, bss = i == ELFGEN_DATA ? e->bss : 0;

		if (!b->len && !bss)
			continue;
		off = elfgen_reserve(e, b->len, e->page);
		if (b->len)
			memcpy(e->buf + off, b->at, b->len);
		e->load[i] = (struct elfgen_phdr){PT_LOAD, flags[i], off, ELFGEN_VA(i), b->len,
						  b->len + bss, e->page};
	}
	e->table[ELFGEN_DYN].off = elfgen_off(e, e->dynamic_va);
	e->table[ELFGEN_DYN].n = e->dynout.n;
}

static void add_header(struct elfgen *e, struct elfgen_array *out, struct elfgen_phdr ph)
{
	ph.off = ph.off || !ph.filesz ? ph.off : elfgen_off(e, ph.va);
	*(struct elfgen_phdr *)elfgen_push(out, sizeof(ph)) = ph;
}

/* The program headers.  Called twice: before the layout only their number counts. */
static void headers(struct elfgen *e, struct elfgen_array *out, uint64_t phlen)
{
	uint64_t ehlen = elfgen_entsize(e, ELFGEN_EHDR), relro = ELFGEN_VA(ELFGEN_RELRO);
	uint64_t dynlen = e->dynout.n * elfgen_entsize(e, ELFGEN_DYN), notes = e->table[ELFGEN_NOTE].off;
	const struct elfgen_phdr *extra = e->phdr.at;
	bool sized = e->load[ELFGEN_HEAD].memsz;

	add_header(e, out, (struct elfgen_phdr){PT_PHDR, PF_R, ehlen, ehlen, phlen, phlen, 8});
	for (int i = 0; i < ELFGEN_PARTS; i++)
		if (e->load[i].memsz || (!sized && (i == ELFGEN_HEAD || i == ELFGEN_RELRO ||
				e->part[i].len || (i == ELFGEN_DATA && e->bss))))
			*(struct elfgen_phdr *)elfgen_push(out, sizeof(*extra)) = e->load[i];
	add_header(e, out, (struct elfgen_phdr){PT_DYNAMIC, PF_R | PF_W, 0, e->dynamic_va,
						sized ? dynlen : 0, sized ? dynlen : 0, 8});
	if (e->has_tls)
		add_header(e, out, (struct elfgen_phdr){PT_TLS, PF_R, sized ? e->load[ELFGEN_RELRO].off : 0,
			relro, sized ? e->tls_filesz : 0, e->tls_memsz, e->tls_align});
	if (e->note.len)
		add_header(e, out, (struct elfgen_phdr){PT_NOTE, PF_R, notes, notes,
			sized ? e->note.len : 0, e->note.len, e->note_align});
	if (e->eh_frame_hdr)
		add_header(e, out, (struct elfgen_phdr){PT_GNU_EH_FRAME, PF_R, 0, e->eh_frame_hdr,
							sized ? 8 : 0, 8, 4});
	add_header(e, out, (struct elfgen_phdr){PT_GNU_STACK, e->exec_stack ? 7 : 6, 0, 0, 0, 0, 16});
	add_header(e, out, (struct elfgen_phdr){PT_GNU_RELRO, PF_R, sized ? e->load[ELFGEN_RELRO].off : 0,
		relro, e->load[ELFGEN_RELRO].filesz,
		e->relro_len ? e->relro_len : e->load[ELFGEN_RELRO].memsz, 1});
	for (size_t i = 0; i < e->phdr.n; i++)
		*(struct elfgen_phdr *)elfgen_push(out, sizeof(*extra)) = extra[i];
}

static void write_ehdr(struct elfgen *e)
{
	static const unsigned char magic[] = {0x7f, 'E', 'L', 'F'};

	memcpy(e->buf, magic, 4);
	e->buf[EI_CLASS] = e->class;
	e->buf[EI_DATA] = e->data;
	e->buf[EI_VERSION] = EV_CURRENT;
	elfgen_set(e, ELFGEN_e_type, 0, e->type);
	elfgen_set(e, ELFGEN_e_machine, 0, e->machine);
	elfgen_set(e, ELFGEN_e_version, 0, EV_CURRENT);
	elfgen_set(e, ELFGEN_e_phoff, 0, e->table[ELFGEN_PHDR].off);
	elfgen_set(e, ELFGEN_e_flags, 0, e->flags);
	elfgen_set(e, ELFGEN_e_ehsize, 0, elfgen_entsize(e, ELFGEN_EHDR));
	elfgen_set(e, ELFGEN_e_phentsize, 0, elfgen_entsize(e, ELFGEN_PHDR));
	elfgen_set(e, ELFGEN_e_phnum, 0, e->table[ELFGEN_PHDR].n);
}

static void write_phdrs(struct elfgen *e, const struct elfgen_array *list)
{
	const struct elfgen_phdr *ph = list->at;

	if (list->n != e->table[ELFGEN_PHDR].n)
		die("the number of program headers changed");
	for (size_t i = 0; i < list->n; i++) {
		elfgen_set(e, ELFGEN_p_type, i, ph[i].type);
		elfgen_set(e, ELFGEN_p_flags, i, ph[i].flags);
		elfgen_set(e, ELFGEN_p_offset, i, ph[i].off);
		elfgen_set(e, ELFGEN_p_vaddr, i, ph[i].va);
		elfgen_set(e, ELFGEN_p_paddr, i, ph[i].va);
		elfgen_set(e, ELFGEN_p_filesz, i, ph[i].filesz);
		elfgen_set(e, ELFGEN_p_memsz, i, ph[i].memsz);
		elfgen_set(e, ELFGEN_p_align, i, ph[i].align);
	}
}

void elfgen_build(struct elfgen *e)
{
	const char *texts[] = {e->soname, e->runpath, e->rpath};
	const struct elfgen_array *count;
	struct elfgen_array list = {0};
	unsigned names[3] = {0};

	for (int i = 0; i < 3; i++)
		if (texts[i])
			names[i] = elfgen_str(e, texts[i]);
	e->table[ELFGEN_EHDR].n = 1;
	if (!e->bare)
		headers(e, &list, 0);
	count = e->bare ? &e->phdr : &list;
	elfgen_reserve(e, elfgen_entsize(e, ELFGEN_EHDR), 1);
	e->table[ELFGEN_PHDR].n = count->n;
	e->table[ELFGEN_PHDR].off = elfgen_reserve(e, count->n * elfgen_entsize(e, ELFGEN_PHDR), 8);
	if (!e->bare) {
		copy_bytes(e, ELFGEN_NOTE, &e->note, 8);
		elfgen_sort(e);
		elfgen_symbols(e);
		copy_bytes(e, ELFGEN_STR, &e->str, 1);
		elfgen_versions(e);
		elfgen_relocs(e);
		dynamic(e, names);
		place_parts(e);
		list.n = 0;
		headers(e, &list, table_size(e, ELFGEN_PHDR));
		for (size_t i = 0; i < e->dynout.n; i++) {
			const struct elfgen_pair *p = (struct elfgen_pair *)e->dynout.at + i;

			elfgen_set(e, ELFGEN_d_tag, i, (uint64_t)p->tag);
			elfgen_set(e, ELFGEN_d_val, i, p->val);
		}
	}
	write_ehdr(e);
	write_phdrs(e, count);
	free(list.at);
}

void elfgen_write(const struct elfgen *e, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(e->buf, 1, e->len, f) != e->len || fclose(f))
		die("cannot write the file");
}

unsigned elfgen_symndx(const struct elfgen *e, unsigned sym)
{
	return e->symndx[sym];
}

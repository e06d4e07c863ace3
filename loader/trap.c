/* SPDX-License-Identifier: MIT */
/*
 * trap: the two places in ld.so where breakpoints count, and their bytes as the file has them.
 *
 * r_brk is known to everybody.  The probe `unmap_complete` is one of those that gdb uses all of, or none:
 * it is described by a SystemTap note, which is in the file only, in no segment.  The file is read when
 * the first library is loaded; from then on a look costs two comparisons and no system call.
 *
 * Called by debugger.c.  Must never take a changed file for a breakpoint: where the file is not the one
 * that is mapped, the kernel is asked instead.
 */
#include "trap.h"

#include "../compat/host.h"
#include "arena.h"
#include "file.h"
#include "find.h"
#include "text.h"

enum { TRAPS = 2, INSTRUCTION = 4 }; /* bytes: the longest breakpoint instruction there is */
enum { NOTES_MAX = 1 << 20, SECTIONS_MAX = 1024, NT_STAPSDT = 3 };

struct trap {
	const volatile unsigned char *at; /* another process writes here */
	unsigned char file[INSTRUCTION];
};

static struct trap traps[TRAPS]; /* constant once they are counted */
static unsigned ntraps;
static bool has_probe;
static bool unknown; /* the file told nothing */

/* ---- the file of ld.so ------------------------------------------------------------------------ */

struct ldso {
	struct file f;
	const struct image *im; /* as it is in memory */
	elf_shdr *sections;
	char *names; /* of sections */
	size_t names_len;
};

/* A part of the file, in a block to be freed; NULL: it has no such part. */
static void *part(const struct file *f, uint64_t off, uint64_t len)
{
	void *p;

	if (!len || len > NOTES_MAX || !file_range(f, off, len))
		return NULL;
	p = arena_alloc(len + 1);
	if (p && host_fs->pread(f->fd, p, len, off) != (long)len) {
		arena_free(p);
		return NULL;
	}
	return p;
}

/* The instruction at va, as the file has it. */
static bool watch(const struct ldso *l, uintptr_t va)
{
	struct trap *t = &traps[ntraps];

	for (unsigned i = 0; i < l->f.phnum; i++) {
		const elf_phdr *ph = &l->f.ph[i];

		if (ph->p_type != PT_LOAD || va < ph->p_vaddr || ph->p_filesz < INSTRUCTION ||
		    va - ph->p_vaddr > ph->p_filesz - INSTRUCTION)
			continue;
		if (ntraps == TRAPS ||
		    host_fs->pread(l->f.fd, t->file, INSTRUCTION,
				   ph->p_offset + (va - ph->p_vaddr)) != INSTRUCTION)
			return false;
		t->at = image_at(l->im, va, INSTRUCTION);
		ntraps += t->at != NULL;
		return t->at;
	}
	return false;
}

static const elf_shdr *section(const struct ldso *l, const char *name)
{
	for (unsigned i = 0; i < l->f.eh.e_shnum; i++) {
		const elf_shdr *sh = &l->sections[i];

		if (sh->sh_name < l->names_len && text_eq(l->names + sh->sh_name, name))
			return sh;
	}
	return NULL;
}

static bool read_sections(struct ldso *l)
{
	const elf_ehdr *eh = &l->f.eh;
	const elf_shdr *names;

	if (eh->e_shentsize != sizeof *l->sections || eh->e_shnum > SECTIONS_MAX ||
	    eh->e_shstrndx >= eh->e_shnum)
		return false;
	l->sections = part(&l->f, eh->e_shoff, eh->e_shnum * sizeof *l->sections);
	if (!l->sections)
		return false;
	names = &l->sections[eh->e_shstrndx];
	l->names = part(&l->f, names->sh_offset, names->sh_size); /* and a zero behind it */
	l->names_len = names->sh_size;
	return l->names != NULL;
}

/* ---- SystemTap notes -------------------------------------------------------------------------- */

/*
 * The note's body: where the probe is, where .stapsdt.base was when that was written (prelinking moves
 * things), a semaphore, then provider, name and arguments as texts.  The last byte of text[len] is 0.
 */
static uintptr_t probe_in(const char *body, size_t len, uintptr_t base)
{
	const char *provider, *name;
	uintptr_t word[3];

	if (len <= sizeof word || body[len - 1])
		return 0;
	memcpy(word, body, sizeof word);
	provider = body + sizeof word;
	name = provider + text_len(provider) + 1;
	if (name >= body + len || !text_eq(provider, "rtld") || !text_eq(name, "unmap_complete"))
		return 0;
	return base ? word[0] + base - word[1] : word[0];
}

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* The address of the probe, 0: there is none. */
static uintptr_t probe(const char *notes, size_t len, uintptr_t base)
{
	struct {
		uint32_t name, body, type;
	} note;
	uintptr_t va = 0;

	while (!va && len >= sizeof note) {
		memcpy(&note, notes, sizeof note);
		notes += sizeof note;
		len -= sizeof note;
		if (note.name > len || padded(note.name) > len ||
		    note.body > len - padded(note.name))
			return 0;
		if (note.type == NT_STAPSDT)
			va = probe_in(notes + padded(note.name), note.body, base);
		if (padded(note.name) + padded(note.body) > len)
			break;
		notes += padded(note.name) + padded(note.body);
		len -= padded(note.name) + padded(note.body);
	}
	return va;
}

static void watch_probe(struct ldso *l)
{
	const elf_shdr *sh, *base;
	char *notes;

	if (!read_sections(l))
		return;
	sh = section(l, ".note.stapsdt");
	base = section(l, ".stapsdt.base");
	notes = sh ? part(&l->f, sh->sh_offset, sh->sh_size) : NULL;
	if (notes) {
		uintptr_t va = probe(notes, sh->sh_size, base ? base->sh_addr : 0);

		has_probe = va && watch(l, va);
	}
	arena_free(notes);
}

/* ---- both ------------------------------------------------------------------------------------- */

/* An upgrade may have replaced the file since the program started. */
static bool same_file(const struct ldso *l)
{
	const elf_ehdr *eh = image_at(l->im, l->im->map.start - l->im->map.bias, sizeof *eh);

	return eh && !memcmp(eh, &l->f.eh, sizeof *eh);
}

void trap_find(void)
{
	struct ldso l = {.f = {.fd = -1}};
	uintptr_t brk = host.debug->r_brk;
	struct diag d;

	diag_clear(&d);
	l.im = find_slow(brk);
	unknown = !l.im || !file_open(&l.f, l.im->path, &d) || !file_headers(&l.f, &d) ||
		  !same_file(&l) || !watch(&l, brk - l.im->map.bias);
	if (!unknown)
		watch_probe(&l);
	arena_free(l.sections);
	arena_free(l.names);
	file_close(&l.f);
	diag_trace(TRACE_GDB, "gdb: %u places to watch%s%s in %s", ntraps,
		   has_probe ? ", a probe" : "", unknown ? ", none known," : "",
		   l.im ? l.im->path : "nothing");
}

static bool changed(const struct trap *t)
{
	for (unsigned i = 0; i < INSTRUCTION; i++)
		if (t->at[i] != t->file[i])
			return true;
	return false;
}

bool trap_armed(void)
{
	if (diag_on(TRACE_GDB) || host.valgrind)
		return true; /* valgrind's gdb writes no breakpoints into memory */
	for (unsigned i = 0; i < ntraps; i++)
		if (changed(&traps[i]))
			return true;
	return unknown && host_traced();
}

bool trap_probe(void)
{
	return has_probe;
}

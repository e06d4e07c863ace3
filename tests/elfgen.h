/* SPDX-License-Identifier: MIT */
/*
 * elfgen: makes ELF shared objects byte by byte, correct ones first, then deliberately wrong ones.
 *
 * Both classes and both byte orders.  A test describes a library (symbols, versions, relocations,
 * thread-locals, dependencies), calls elfgen_build, which lays everything out and fills every table and
 * hash as a linker would, and may then overwrite any field of any table with elfgen_poke.  The outcome
 * is e->buf[e->len], or a file.  All malformed files of the test suite are made this way, so that each
 * is wrong in exactly one place.
 *
 * Layout: each part below is a PT_LOAD of its own (as lld does it) at a fixed address, so that a test
 * knows every address before it builds:
 *
 *   HEAD   r--  ELF header, program headers, notes, hashes, symbols, strings, versions, relocations
 *   TEXT   r-x  nothing runs it
 *   RODATA r--
 *   RELRO  rw-  thread-local template, what the test puts there, dynamic section; PT_GNU_RELRO
 *   DATA   rw-  what the test puts there, then e->bss bytes of zeros
 *
 * Parts other than HEAD and RELRO are left out while they are empty.  Memory comes from malloc; running
 * out of it aborts, like every misuse.
 */
#ifndef TESTS_ELFGEN_H
#define TESTS_ELFGEN_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elfgen_part {
	ELFGEN_HEAD,
	ELFGEN_TEXT,
	ELFGEN_RODATA,
	ELFGEN_RELRO,
	ELFGEN_DATA,
	ELFGEN_PARTS
};
#define ELFGEN_VA(part) ((uint64_t)(part) << 22)

enum elfgen_table { /* what has fields */
	ELFGEN_EHDR,
	ELFGEN_PHDR,
	ELFGEN_DYN,
	ELFGEN_SYM,
	ELFGEN_REL, /* DT_RELA or DT_REL */
	ELFGEN_PLT, /* DT_JMPREL */
	ELFGEN_RELR,
	ELFGEN_VERSYM,
	ELFGEN_VERDEF,
	ELFGEN_VERDAUX,
	ELFGEN_VERNEED,
	ELFGEN_VERNAUX,
	ELFGEN_HASH,	 /* words of DT_HASH */
	ELFGEN_GNU_HASH, /* 32-bit words of DT_GNU_HASH */
	ELFGEN_STR,	 /* bytes of DT_STRTAB */
	ELFGEN_NOTE,	 /* bytes of PT_NOTE */
	ELFGEN_BYTE,	 /* bytes of the file */
	ELFGEN_TABLES
};

/* X(name, table, structure without its Elf32_, member). */
#define ELFGEN_FIELDS(X)                                                                           \
	X(e_type, EHDR, Ehdr, e_type)                                                              \
	X(e_machine, EHDR, Ehdr, e_machine)                                                        \
	X(e_version, EHDR, Ehdr, e_version)                                                        \
	X(e_entry, EHDR, Ehdr, e_entry)                                                            \
	X(e_phoff, EHDR, Ehdr, e_phoff)                                                            \
	X(e_shoff, EHDR, Ehdr, e_shoff)                                                            \
	X(e_flags, EHDR, Ehdr, e_flags)                                                            \
	X(e_ehsize, EHDR, Ehdr, e_ehsize)                                                          \
	X(e_phentsize, EHDR, Ehdr, e_phentsize)                                                    \
	X(e_phnum, EHDR, Ehdr, e_phnum)                                                            \
	X(e_shentsize, EHDR, Ehdr, e_shentsize)                                                    \
	X(e_shnum, EHDR, Ehdr, e_shnum)                                                            \
	X(e_shstrndx, EHDR, Ehdr, e_shstrndx)                                                      \
	X(p_type, PHDR, Phdr, p_type)                                                              \
	X(p_flags, PHDR, Phdr, p_flags)                                                            \
	X(p_offset, PHDR, Phdr, p_offset)                                                          \
	X(p_vaddr, PHDR, Phdr, p_vaddr)                                                            \
	X(p_paddr, PHDR, Phdr, p_paddr)                                                            \
	X(p_filesz, PHDR, Phdr, p_filesz)                                                          \
	X(p_memsz, PHDR, Phdr, p_memsz)                                                            \
	X(p_align, PHDR, Phdr, p_align)                                                            \
	X(d_tag, DYN, Dyn, d_tag)                                                                  \
	X(d_val, DYN, Dyn, d_un.d_val)                                                             \
	X(st_name, SYM, Sym, st_name)                                                              \
	X(st_info, SYM, Sym, st_info)                                                              \
	X(st_other, SYM, Sym, st_other)                                                            \
	X(st_shndx, SYM, Sym, st_shndx)                                                            \
	X(st_value, SYM, Sym, st_value)                                                            \
	X(st_size, SYM, Sym, st_size)                                                              \
	X(r_offset, REL, Rela, r_offset)                                                           \
	X(r_info, REL, Rela, r_info)                                                               \
	X(r_addend, REL, Rela, r_addend)                                                           \
	X(plt_offset, PLT, Rela, r_offset)                                                         \
	X(plt_info, PLT, Rela, r_info)                                                             \
	X(plt_addend, PLT, Rela, r_addend)                                                         \
	X(relr, RELR, Addr, )                                                                      \
	X(versym, VERSYM, Half, )                                                                  \
	X(vd_version, VERDEF, Verdef, vd_version)                                                  \
	X(vd_flags, VERDEF, Verdef, vd_flags)                                                      \
	X(vd_ndx, VERDEF, Verdef, vd_ndx)                                                          \
	X(vd_cnt, VERDEF, Verdef, vd_cnt)                                                          \
	X(vd_hash, VERDEF, Verdef, vd_hash)                                                        \
	X(vd_aux, VERDEF, Verdef, vd_aux)                                                          \
	X(vd_next, VERDEF, Verdef, vd_next)                                                        \
	X(vda_name, VERDAUX, Verdaux, vda_name)                                                    \
	X(vda_next, VERDAUX, Verdaux, vda_next)                                                    \
	X(vn_version, VERNEED, Verneed, vn_version)                                                \
	X(vn_cnt, VERNEED, Verneed, vn_cnt)                                                        \
	X(vn_file, VERNEED, Verneed, vn_file)                                                      \
	X(vn_aux, VERNEED, Verneed, vn_aux)                                                        \
	X(vn_next, VERNEED, Verneed, vn_next)                                                      \
	X(vna_hash, VERNAUX, Vernaux, vna_hash)                                                    \
	X(vna_flags, VERNAUX, Vernaux, vna_flags)                                                  \
	X(vna_other, VERNAUX, Vernaux, vna_other)                                                  \
	X(vna_name, VERNAUX, Vernaux, vna_name)                                                    \
	X(vna_next, VERNAUX, Vernaux, vna_next)                                                    \
	X(hash_word, HASH, Word, )                                                                 \
	X(gnu_word, GNU_HASH, Word, )                                                              \
	X(str_byte, STR, byte, )                                                                   \
	X(note_byte, NOTE, byte, )                                                                 \
	X(byte, BYTE, byte, )

enum elfgen_field {
	ELFGEN_NO_FIELD,
#define ELFGEN_ENUM(name, table, type, member) ELFGEN_##name,
	ELFGEN_FIELDS(ELFGEN_ENUM)
#undef ELFGEN_ENUM
	ELFGEN_NFIELDS
};

struct elfgen_sym {
	const char *name;
	unsigned char bind, type, other;
	uint16_t shndx; /* SHN_UNDEF, SHN_ABS, or any other number: defined */
	uint16_t version; /* of elfgen_verdef or _verneed, may carry 0x8000 (hidden); 0: none */
	uint64_t value, size;
};

struct elfgen_rel {
	uint64_t offset;
	uint32_t type;
	unsigned sym; /* what elfgen_sym returned; 0: none */
	int64_t addend;
};

struct elfgen_phdr {
	uint32_t type, flags;
	uint64_t off, va, filesz, memsz, align;
};

struct elfgen_bytes {
	unsigned char *at;
	size_t len, cap;
};

/* Growing arrays; the element size is the reader's knowledge. */
struct elfgen_array {
	void *at;
	size_t n, cap;
};

enum { ELFGEN_SYSV = 1, ELFGEN_GNU = 2 };

struct elfgen {
	/* What to make: defaults are set by elfgen_new, change them before elfgen_build. */
	unsigned char class, data;
	uint16_t type, machine;
	uint32_t flags;
	bool rela;
	unsigned hash_style;	/* ELFGEN_SYSV | ELFGEN_GNU */
	unsigned nbucket;	/* 0: a linker's choice */
	unsigned bloom_words;	/* 0: likewise */
	const char *soname, *runpath, *rpath;
	uint64_t page;		/* p_align, and the alignment in the file */
	uint64_t bss;		/* zeros behind DATA */
	uint64_t relro_len;	/* of PT_GNU_RELRO; 0: whole RELRO part, rounded up */
	uint64_t pltgot;	/* va; 0: none */
	uint64_t init_array, ninit, fini_array, nfini; /* va of words put there, and how many */
	uint64_t eh_frame_hdr;	/* va; 0: no PT_GNU_EH_FRAME */
	uint32_t dt_flags, dt_flags_1;
	bool textrel;
	bool exec_stack;
	bool bare;		/* no parts, no dynamic section: only elfgen_phdr's headers */

	/* Described with the functions below. */
	struct elfgen_bytes part[ELFGEN_PARTS]; /* HEAD: bytes behind the tables */
	struct elfgen_array sym, rel, plt, relr, needed, dyn, phdr, verdef, verneed;
	struct elfgen_bytes str, note;
	unsigned nversion;
	size_t note_align;
	uint64_t tls_filesz, tls_memsz, tls_align;
	bool has_tls;

	/* Made by elfgen_build. */
	unsigned char *buf;
	size_t len, room;
	struct {
		uint64_t off, n;
	} table[ELFGEN_TABLES];
	struct elfgen_phdr load[ELFGEN_PARTS];
	unsigned *symndx; /* by the number elfgen_sym returned */
	uint64_t dynamic_va;
	struct elfgen_array dynout; /* (tag, value) in order */
};

/* The host's class and byte order, ET_DYN, both hashes, this machine. */
struct elfgen *elfgen_new(unsigned machine);
void elfgen_free(struct elfgen *e);

/* --- describing ------------------------------------------------------------------------------------ */

/* Content for a part (bytes NULL: zeros); returns its address.  TLS template first, if any. */
uint64_t elfgen_put(struct elfgen *e, enum elfgen_part part, const void *bytes, size_t len);
/* n words of the machine, in its byte order. */
uint64_t elfgen_words(struct elfgen *e, enum elfgen_part part, const uint64_t *words, size_t n);
/* PT_TLS: bytes[filesz] as the template, memsz in all. */
void elfgen_tls(struct elfgen *e, const void *bytes, uint64_t filesz, uint64_t memsz, uint64_t align);

unsigned elfgen_str(struct elfgen *e, const char *s); /* offset in DT_STRTAB */
unsigned elfgen_sym(struct elfgen *e, const struct elfgen_sym *s);
/* Common ones: a global of `size` 8 at va; an undefined reference. */
unsigned elfgen_def(struct elfgen *e, const char *name, uint64_t va);
unsigned elfgen_undef(struct elfgen *e, const char *name);

unsigned elfgen_verdef(struct elfgen *e, const char *name, const char *parent);
unsigned elfgen_verneed(struct elfgen *e, const char *file, const char *name, bool weak);

void elfgen_rel(struct elfgen *e, const struct elfgen_rel *r);
void elfgen_plt(struct elfgen *e, const struct elfgen_rel *r);
void elfgen_relr(struct elfgen *e, uint64_t va); /* ascending */
void elfgen_needed(struct elfgen *e, const char *name);
void elfgen_dyn(struct elfgen *e, int64_t tag, uint64_t val); /* behind all others */
void elfgen_note(struct elfgen *e, uint32_t type, const void *desc, size_t len);
void elfgen_phdr(struct elfgen *e, const struct elfgen_phdr *ph); /* behind all others */

/* --- making ---------------------------------------------------------------------------------------- */

void elfgen_build(struct elfgen *e);
void elfgen_write(const struct elfgen *e, const char *path);

unsigned elfgen_symndx(const struct elfgen *e, unsigned sym); /* its number in the file */

/* --- damaging: after elfgen_build ------------------------------------------------------------------ */

/*
 * Entry numbers: the nth entry of a table; in PHDR and DYN the nth whose type or tag is `key`.  Beyond
 * the table's end aborts.
 */
struct elfgen_place {
	enum elfgen_field field;
	int64_t key;
	unsigned nth;
};
void elfgen_poke(struct elfgen *e, struct elfgen_place at, uint64_t value);
uint64_t elfgen_peek(const struct elfgen *e, struct elfgen_place at);

/* The table of a field; a field of entry i by number. */
enum elfgen_table elfgen_table_of(enum elfgen_field f);
uint64_t elfgen_get(const struct elfgen *e, enum elfgen_field f, uint64_t i);

/* File offset of an address in one of the parts. */
uint64_t elfgen_off(const struct elfgen *e, uint64_t va);
void elfgen_resize(struct elfgen *e, size_t len); /* cut off, or add zeros */

/* --- for the three files of elfgen ----------------------------------------------------------------- */

size_t elfgen_entsize(const struct elfgen *e, enum elfgen_table t);
/* Writes a field of entry i of a table that has a place already. */
void elfgen_set(struct elfgen *e, enum elfgen_field f, uint64_t i, uint64_t value);
void elfgen_store(const struct elfgen *e, void *at, size_t size, uint64_t value);
uint64_t elfgen_load(const struct elfgen *e, const void *at, size_t size);
void *elfgen_push(struct elfgen_array *a, size_t size);
uint64_t elfgen_append(struct elfgen_bytes *b, const void *bytes, size_t len);
void elfgen_align(struct elfgen_bytes *b, size_t align);
uint64_t elfgen_reserve(struct elfgen *e, size_t len, size_t align); /* in buf; returns the offset */
bool elfgen_is64(const struct elfgen *e);

void elfgen_sort(struct elfgen *e);	 /* symndx */
void elfgen_symbols(struct elfgen *e);	 /* symtab, versym, both hashes */
void elfgen_versions(struct elfgen *e);	 /* verdef, verneed */
void elfgen_relocs(struct elfgen *e);	 /* rel, plt, relr */

#endif

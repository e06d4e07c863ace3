/* SPDX-License-Identifier: MIT */
/*
 * elf: width-neutral names for ELF types, and what old <elf.h> headers lack.
 *
 * Everybody includes this.  No code lives here.
 */
#ifndef LOADER_ELF_H
#define LOADER_ELF_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef ElfW(Ehdr) elf_ehdr;
typedef ElfW(Phdr) elf_phdr;
typedef ElfW(Dyn) elf_dyn;
typedef ElfW(Sym) elf_sym;
typedef ElfW(Shdr) elf_shdr;
typedef ElfW(Rel) elf_rel;
typedef ElfW(Rela) elf_rela;
typedef ElfW(Verdef) elf_verdef;
typedef ElfW(Verdaux) elf_verdaux;
typedef ElfW(Verneed) elf_verneed;
typedef ElfW(Vernaux) elf_vernaux;
typedef ElfW(Half) elf_versym;
typedef ElfW(Addr) elf_relr;

#if UINTPTR_MAX > 0xffffffffu
#define ELF_CLASS ELFCLASS64
#define ELF_R_SYM(info) ((uint32_t)((info) >> 32))
#define ELF_R_TYPE(info) ((uint32_t)(info))
#else
#define ELF_CLASS ELFCLASS32
#define ELF_R_SYM(info) ((uint32_t)((info) >> 8))
#define ELF_R_TYPE(info) ((uint32_t)((info)&0xff))
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ELF_DATA ELFDATA2LSB
#else
#define ELF_DATA ELFDATA2MSB
#endif

#define ELF_ST_BIND(info) ((info) >> 4)
#define ELF_ST_TYPE(info) ((info)&15)
#define ELF_ST_VIS(other) ((other)&3)

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#define DT_RELRENT 37
#endif
#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif
#ifndef STB_GNU_UNIQUE
#define STB_GNU_UNIQUE 10
#endif
#ifndef STT_GNU_IFUNC
#define STT_GNU_IFUNC 10
#endif
#ifndef PT_GNU_PROPERTY
#define PT_GNU_PROPERTY 0x6474e553
#endif

/* The version index's hidden bit (Elf_Versym, Elf_Vernaux.vna_other). */
#define ELF_VERSYM_HIDDEN 0x8000

/* dlopen mode bits of our own, which no libc uses (dlrs.h). */
#define ELF_RTLD_PRIVATE 0x400	   /* CUSTOM_NOT_REGISTER */
#define ELF_RTLD_SNAPSHOT 0x100000 /* DLRS_SNAPSHOT */

#endif

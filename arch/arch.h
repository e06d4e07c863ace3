/* SPDX-License-Identifier: MIT */
/*
 * arch: what a CPU supplies, and nothing else.
 *
 * A CPU is one header of constants, one X-macro table of relocation rows, a few inline functions and one
 * tramp.S.  The formulas live once, in loader/reloc.c.  Everything outside this folder is the same for
 * all CPUs.  arch/model is a made-up CPU that the unit tests relocate on every host, so that the
 * contract cannot rot.
 *
 * A CPU header defines:
 *
 *   ARCH_NAME, ARCH_EM         its name as $PLATFORM spells it, and its EM_ number
 *   ARCH_RELA                  1: relocations carry addends (RELA), 0: REL
 *   ARCH_TLS_VARIANT           1 or 2 (Drepper, "ELF handling for thread-local storage")
 *   ARCH_TCB_GAP               variant 1: bytes between the thread pointer and the first TLS block
 *   ARCH_DTV_BIAS, ARCH_TP_BIAS  what the psABI subtracts from DTPOFF and TPOFF values
 *   ARCH_GOT_IMAGE, ARCH_GOT_ENTRY  words of DT_PLTGOT that lazy binding fills
 *   ARCH_LDCACHE_FLAGS         what ldconfig writes beside a library of this ABI (dl-cache.h)
 *   ARCH_HWCAPS_MAX, ARCH_LEGACY_HWCAPS_MAX  the most names that the functions below give
 *   ARCH_PROPERTY_NEEDS, ARCH_PROPERTY_FEATURES  GNU properties for arch_marks_refuse; 0: none
 *   ARCH_PROPERTY_SEGMENT      the type of segment in which glibc looks for them here, if not PT_GNU_PROPERTY
 *   ARCH_RELOCS(X)             the rows X(R_NUMBER, KIND); a KIND may appear in several rows
 *
 *   char *arch_tp(void)                        the thread pointer
 *   uintptr_t arch_ifunc(uintptr_t resolver)   calls an IFUNC resolver with this CPU's arguments
 *   bool arch_flags_ok(uint32_t e_flags)       may an object with these e_flags run here?
 *   long arch_syscall(n, a, b, c, d, e, f)     a raw system call; the kernel's own return value
 *   unsigned arch_hwcaps(const char **names)   glibc-hwcaps subdirectories this CPU may use, best first
 *   unsigned arch_legacy_hwcaps(const char **names)  those of glibc <= 2.36, from AT_HWCAP, lowest bit first
 *   uint64_t arch_valgrind(uint64_t what, const void *at, size_t len)   a client request; 0: nobody answers
 *   const char *arch_marks_refuse(m)           why an object with these properties may not run; NULL: it may
 *   void arch_pause(void)                      one turn of a spin loop
 *
 * and in tramp.S: arch_lazy_entry (PLT0's target; keeps what our own code may change of the registers that
 * can carry an argument), arch_keep_vectors, __tls_get_addr, arch_tlsdesc_static, arch_tlsdesc_dynamic,
 * arch_tlsdesc_undef, arch_sigreturn (where a signal handler returns to, written as debuggers know it).
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a relocation means.  S symbol value, A addend, B load bias, P the place. */
enum reloc_kind {
	RELOC_BAD,	 /* no such relocation on this CPU: the load fails */
	RELOC_NONE,	 /* nothing */
	RELOC_RELATIVE,	 /* word: B + A */
	RELOC_SYMBOLIC,	 /* word: S + A */
	RELOC_GOT,	 /* word: S */
	RELOC_PLT,	 /* word: S, may be bound lazily */
	RELOC_COPY,	 /* refused in shared objects */
	RELOC_IRELATIVE, /* word: (B + A)() */
	RELOC_DTPMOD,	 /* word: TLS module id of S */
	RELOC_DTPOFF,	 /* word: offset of S in its TLS block + A - DTV bias */
	RELOC_TPOFF,	 /* word: S + A - thread pointer */
	RELOC_TLSDESC,	 /* two words: resolver, argument */
	RELOC_ABS32,	 /* 32 bits, zero extended: S + A */
	RELOC_PC32,	 /* 32 bits, sign extended: S + A - P */
	RELOC_PC64,	 /* 64 bits: S + A - P */
	RELOC_SIZE,	 /* word: size of S + A */
	RELOC_SIZE32,	 /* 32 bits: size of S + A */
	RELOC_KINDS
};

/* What an object's GNU property note says: bits whose meaning is the CPU's. */
struct arch_marks {
	uint32_t needs;	   /* levels of the instruction set */
	uint32_t features; /* that it can live with */
};

#if defined ARCH_MODEL
#include "model/arch.h"
#elif defined __x86_64__
#include "x86_64/arch.h"
#else
#error "libdlrs has no arch/<cpu>/arch.h for this CPU: see HACKING.md, how to add a CPU"
#endif

/*
 * Two rows with one number do not compile: a duplicate case label.  Mandatory kinds are checked in
 * reloc.c by static assertion over arch_reloc_kind().
 */
static inline enum reloc_kind arch_reloc_kind(uint32_t type)
{
	switch (type) {
#define ARCH_ROW(number, kind)                                                                     \
	case number:                                                                               \
		return RELOC_##kind;
		ARCH_RELOCS(ARCH_ROW)
#undef ARCH_ROW
	}
	return RELOC_BAD;
}

/* The kinds this CPU has, as a bit set. */
#define ARCH_ROW_BIT(number, kind) | 1u << RELOC_##kind
enum { ARCH_KINDS = 0 ARCH_RELOCS(ARCH_ROW_BIT) };

_Static_assert(ARCH_KINDS & 1u << RELOC_RELATIVE, "a CPU needs RELATIVE");
_Static_assert(ARCH_KINDS & 1u << RELOC_SYMBOLIC, "a CPU needs SYMBOLIC");
_Static_assert(ARCH_KINDS & 1u << RELOC_PLT, "a CPU needs PLT");
_Static_assert(ARCH_KINDS & 1u << RELOC_TPOFF, "a CPU needs TPOFF");

/* tramp.S */
void arch_lazy_entry(void);
void arch_sigreturn(void);
uintptr_t arch_keep_vectors(uintptr_t (*fn)(const void *), const void *arg); /* fn may be anybody's code */
void arch_tlsdesc_static(void);
void arch_tlsdesc_dynamic(void);
void arch_tlsdesc_undef(void);

#endif

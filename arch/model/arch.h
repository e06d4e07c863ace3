/* SPDX-License-Identifier: MIT */
/*
 * arch/model: a CPU that does not exist, for unit tests on every host.
 *
 * Included by arch/arch.h when ARCH_MODEL is defined.  It has one relocation number for every kind, so
 * that check_reloc can compare each formula of loader/reloc.c with the sums written below, and it takes
 * the road that x86-64 does not take wherever CPUs differ: TLS variant 1 with a gap behind the thread
 * control block, biased DTPOFF and TPOFF values, an IFUNC resolver with arguments of its own.
 *
 * It also serves as the pattern of a port: copy it, put the psABI's numbers in, write tramp.S.
 *
 *   S value of the symbol     B load bias of the image       Z size of the symbol
 *   A addend                  P address of the place         M TLS module id of the symbol's definer
 *   T offset of the definer's TLS block from the thread pointer
 *   s value of a TLS symbol: its offset in the definer's TLS block
 */
#ifndef ARCH_MODEL_H
#define ARCH_MODEL_H

#include <errno.h>

#define ARCH_NAME "model"
#define ARCH_EM 0x6d6f /* nobody's */
#define ARCH_RELA 1
#define ARCH_TLS_VARIANT 1
#define ARCH_TCB_GAP 16
#define ARCH_DTV_BIAS 0x800
#define ARCH_TP_BIAS 0x7000
#define ARCH_GOT_IMAGE 1
#define ARCH_GOT_ENTRY 2
#define ARCH_LDCACHE_FLAGS 0x7f03
#define ARCH_HWCAPS_MAX 2
#define ARCH_LEGACY_HWCAPS_MAX 1

enum arch_model_reloc {
	R_MODEL_NONE = 0,	/* nothing */
	R_MODEL_RELATIVE = 3,	/* word    B + A */
	R_MODEL_RELATIVE_2 = 4, /* the same: a kind may have several numbers */
	R_MODEL_SYMBOLIC = 7,	/* word    S + A */
	R_MODEL_GOT = 8,	/* word    S */
	R_MODEL_PLT = 9,	/* word    S, at the first call if lazy */
	R_MODEL_COPY = 11,	/* refused */
	R_MODEL_IRELATIVE = 12, /* word    result of the resolver at B + A */
	R_MODEL_DTPMOD = 20,	/* word    M */
	R_MODEL_DTPOFF = 21,	/* word    s + A - 0x800 */
	R_MODEL_TPOFF = 22,	/* word    T + s + A - 0x7000 */
	R_MODEL_TLSDESC = 23,	/* 2 words resolver, its argument; of s + A */
	R_MODEL_ABS32 = 30,	/* 32 bits S + A, refused when it does not fit */
	R_MODEL_PC32 = 31,	/* 32 bits S + A - P, refused when it does not fit */
	R_MODEL_PC64 = 32,	/* 64 bits S + A - P */
	R_MODEL_SIZE = 33,	/* word    Z + A */
	R_MODEL_SIZE32 = 34,	/* 32 bits Z + A, refused when it does not fit */
	R_MODEL_UNKNOWN = 35,	/* not in the table: the load fails */
};

#define ARCH_RELOCS(X)                                                                             \
	X(R_MODEL_NONE, NONE)                                                                      \
	X(R_MODEL_RELATIVE, RELATIVE)                                                              \
	X(R_MODEL_RELATIVE_2, RELATIVE)                                                            \
	X(R_MODEL_SYMBOLIC, SYMBOLIC)                                                              \
	X(R_MODEL_GOT, GOT)                                                                        \
	X(R_MODEL_PLT, PLT)                                                                        \
	X(R_MODEL_COPY, COPY)                                                                      \
	X(R_MODEL_IRELATIVE, IRELATIVE)                                                            \
	X(R_MODEL_DTPMOD, DTPMOD)                                                                  \
	X(R_MODEL_DTPOFF, DTPOFF)                                                                  \
	X(R_MODEL_TPOFF, TPOFF)                                                                    \
	X(R_MODEL_TLSDESC, TLSDESC)                                                                \
	X(R_MODEL_ABS32, ABS32)                                                                    \
	X(R_MODEL_PC32, PC32)                                                                      \
	X(R_MODEL_PC64, PC64)                                                                      \
	X(R_MODEL_SIZE, SIZE)                                                                      \
	X(R_MODEL_SIZE32, SIZE32)

/*
 * The model's thread control block, in tests/model.c.  As arch.h means it, the thread pointer is the
 * address before the TP bias: a real CPU of this kind keeps arch_tp() + ARCH_TP_BIAS in its register.
 */
extern __thread char arch_model_tcb[ARCH_TCB_GAP];

static inline char *arch_tp(void)
{
	return arch_model_tcb;
}

/* Model code cannot run, so a resolver's "result" comes from the test (tests/model.c). */
extern uintptr_t (*arch_model_ifunc)(uintptr_t resolver, uint64_t hwcap);
enum { ARCH_MODEL_HWCAP = 0x5a };

static inline uintptr_t arch_ifunc(uintptr_t resolver)
{
	return arch_model_ifunc(resolver, ARCH_MODEL_HWCAP);
}

/* e_flags: two bits of ABI, of which 0 and 1 can be mixed; the rest is free. */
static inline bool arch_flags_ok(uint32_t e_flags)
{
	return (e_flags & 3) <= 1;
}

/* Has levels 0 to 2; what is on must be known to all objects. */
#define ARCH_PROPERTY_NEEDS    0xc0008002u
#define ARCH_PROPERTY_FEATURES 0xc0000002u
extern uint32_t arch_model_features; /* tests/model.c: what is on */

static inline const char *arch_marks_refuse(const struct arch_marks *m)
{
	if (m->needs & ~7u)
		return "CPU ISA level is lower than required";
	return arch_model_features & ~m->features ? "rebuild it with this feature" : 0;
}

static inline void arch_pause(void)
{
}

/* libc's, with the kernel's way to say what went wrong. */
extern long syscall(long n, ...);

static inline long arch_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	long r = syscall(n, a, b, c, d, e, f);

	return r == -1 ? -errno : r;
}

static inline uint64_t arch_valgrind(uint64_t what, const void *at, size_t len)
{
	(void)what, (void)at, (void)len;
	return 0;
}

static inline unsigned arch_hwcaps(const char **names)
{
	names[0] = "model-v3";
	names[1] = "model-v2";
	return 2;
}

static inline unsigned arch_legacy_hwcaps(const char **names)
{
	names[0] = "model";
	return 1;
}

#endif

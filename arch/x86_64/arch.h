/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64: System V psABI, AMD64 supplement (LP64).
 *
 * Included by arch/arch.h only, which states the contract.
 */
#ifndef ARCH_X86_64_H
#define ARCH_X86_64_H

#ifdef __AVX__
#error "arch_lazy_entry saves the registers of SSE only: build without -mavx"
#endif

#include <cpuid.h>
#include <elf.h>

#define ARCH_NAME "x86_64"
#define ARCH_EM EM_X86_64
#define ARCH_RELA 1
#define ARCH_TLS_VARIANT 2
#define ARCH_TCB_GAP 0
#define ARCH_DTV_BIAS 0
#define ARCH_TP_BIAS 0
#define ARCH_GOT_IMAGE 1
#define ARCH_GOT_ENTRY 2

#define ARCH_RELOCS(X)                                                                             \
	X(R_X86_64_NONE, NONE)                                                                     \
	X(R_X86_64_RELATIVE, RELATIVE)                                                             \
	X(R_X86_64_RELATIVE64, RELATIVE)                                                           \
	X(R_X86_64_64, SYMBOLIC)                                                                   \
	X(R_X86_64_GLOB_DAT, GOT)                                                                  \
	X(R_X86_64_JUMP_SLOT, PLT)                                                                 \
	X(R_X86_64_COPY, COPY)                                                                     \
	X(R_X86_64_IRELATIVE, IRELATIVE)                                                           \
	X(R_X86_64_DTPMOD64, DTPMOD)                                                               \
	X(R_X86_64_DTPOFF64, DTPOFF)                                                               \
	X(R_X86_64_TPOFF64, TPOFF)                                                                 \
	X(R_X86_64_TLSDESC, TLSDESC)                                                               \
	X(R_X86_64_32, ABS32)                                                                      \
	X(R_X86_64_PC32, PC32)                                                                     \
	X(R_X86_64_PC64, PC64)                                                                     \
	X(R_X86_64_SIZE64, SIZE)                                                                   \
	X(R_X86_64_SIZE32, SIZE32)

static inline char *arch_tp(void)
{
	char *tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
	return tp;
}

static inline uintptr_t arch_ifunc(uintptr_t resolver)
{
	return ((uintptr_t(*)(void))resolver)();
}

static inline bool arch_flags_ok(uint32_t e_flags)
{
	(void)e_flags; /* the psABI defines none, and ld.so looks at none */
	return true;
}

static inline void arch_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline long arch_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

/* A client request of valgrind's: nothing happens on a real CPU, and the answer is 0. */
static inline uint64_t arch_valgrind(uint64_t what, const void *at, size_t len)
{
	volatile uint64_t request[6] = {what, (uint64_t)at, len};
	uint64_t answer = 0;

	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(&request[0])
			 : "cc", "memory");
	return answer;
}

/* May the OS save the registers that XCR0's bits `mask` stand for? */
static inline bool arch_xcr0_has(uint32_t mask)
{
	uint32_t lo, hi;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (lo & mask) == mask;
}

/* The micro-architecture levels of the psABI, §3.1.1: 1 to 4. */
static inline int arch_level(void)
{
	enum {
		V2_C = bit_SSE3 | bit_SSSE3 | bit_CMPXCHG16B | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT,
		V3_C = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C,
		V3_B = bit_BMI | bit_BMI2 | bit_AVX2,
		LZCNT = 1 << 5,
	};
	const uint32_t v4_b = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
	uint32_t a, b, c, d, x = 0, max, ext;

	__cpuid(0, max, b, c, d);
	__cpuid(1, a, b, c, d);
	if ((c & V2_C) != V2_C)
		return 1;
	__cpuid(0x80000000u, ext, b, a, d);
	x = 0;
	if (ext >= 0x80000001u)
		__cpuid(0x80000001u, a, b, x, d);
	if (!(x & 1)) /* LAHF */
		return 1;
	if ((c & V3_C) != V3_C || !(x & LZCNT) || max < 7 || !arch_xcr0_has(6))
		return 2;
	__cpuid_count(7, 0, a, b, c, d);
	if ((b & V3_B) != V3_B)
		return 2;
	return (b & v4_b) == v4_b && arch_xcr0_has(0xe6) ? 4 : 3;
}

/* psABI, "Program property": 1 << 0 is the baseline, 1 << 3 level 4. */
#define ARCH_PROPERTY_NEEDS    0xc0008002u /* GNU_PROPERTY_X86_ISA_1_NEEDED */
#define ARCH_PROPERTY_FEATURES 0xc0000002u /* GNU_PROPERTY_X86_FEATURE_1_AND */

#define ARCH_PROPERTY_SEGMENT  4	   /* PT_NOTE (glibc, sysdeps/x86/dl-prop.h) */

/* The shadow stack pointer, 0 without one: the instruction does nothing then. */
static inline uint64_t arch_shadow_stack(void)
{
	uint64_t ssp = 0;

	__asm__(".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8" : "+a"(ssp)); /* rdsspq %rax */
	return ssp;
}

/* In glibc's words.  Linux has no indirect branch tracking for programs, only shadow stacks. */
static inline const char *arch_marks_refuse(const struct arch_marks *m)
{
	enum { BASELINE = 1, SHSTK = 2 };

	if ((m->needs & ~(uint32_t)BASELINE) && m->needs & ~((1u << arch_level()) - 1))
		return "CPU ISA level is lower than required";
	if (!(m->features & SHSTK) && arch_shadow_stack())
		return "rebuild shared object with SHSTK support enabled";
	return 0;
}

/* What ldconfig writes beside a library of this ABI: ELF, libc6, x86-64 LP64. */
#define ARCH_LDCACHE_FLAGS 0x0303

#define ARCH_HWCAPS_MAX 3

static inline unsigned arch_hwcaps(const char **names)
{
	static const char *const all[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
	unsigned n = 0;

	for (int level = arch_level(), i = 4 - level; i < 3; i++)
		names[n++] = all[i];
	return n;
}

#define ARCH_LEGACY_HWCAPS_MAX 2

/*
 * The names of AT_HWCAP bits that ld.so up to glibc 2.36 made subdirectories of, lowest bit first: its
 * own bits on this CPU, "avx512_1" for Intel's server AVX-512.
 */
static inline unsigned arch_legacy_hwcaps(const char **names)
{
	uint32_t a, b, c, d;

	names[0] = "x86_64";
	names[1] = "avx512_1";
	__cpuid(0, a, b, c, d);
	if (b != signature_INTEL_ebx || c != signature_INTEL_ecx || arch_level() < 4)
		return 1;
	__cpuid_count(7, 0, a, b, c, d);
	return b & bit_AVX512ER ? 1 : 2;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * model: what arch/model leaves to the tests: its thread control block, the results of its IFUNC
 * resolvers, and names for the entry points of a tramp.S that it cannot have.
 *
 * Linked into programs that are compiled with ARCH_MODEL.
 */
#include <stdlib.h>

#include "arch/arch.h"
#include "loader/tls.h"

uint32_t arch_model_features;
__thread char arch_model_tcb[ARCH_TCB_GAP];

/* A test sets it; the default result can be told from every address. */
static uintptr_t unset(uintptr_t resolver, uint64_t hwcap)
{
	return resolver ^ (uintptr_t)hwcap;
}

uintptr_t (*arch_model_ifunc)(uintptr_t resolver, uint64_t hwcap) = unset;

/* What tramp.S of a CPU has for tls.c. */
void *(*tls_host_get_addr)(struct tls_index *);
const size_t arch_tls_own_offset = 0;

/* Model code is never run, so nobody arrives here. */
void arch_lazy_entry(void)
{
	abort();
}

void arch_sigreturn(void)
{
	abort();
}

uintptr_t arch_keep_vectors(uintptr_t (*fn)(const void *), const void *arg)
{
	return fn(arg);
}

void arch_tlsdesc_static(void)
{
	abort();
}

void arch_tlsdesc_dynamic(void)
{
	abort();
}

void arch_tlsdesc_undef(void)
{
	abort();
}

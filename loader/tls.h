/* SPDX-License-Identifier: MIT */
/*
 * tls: thread-local storage of our images, and what we keep per thread.
 *
 * libdlrs' own PT_TLS holds struct tls_root T and the static reserve RES.  T.dtv points at the thread's
 * row of block pointers, biased so that a module id indexes it; rows live outside static TLS.  Our ids
 * start at TLS_FIRST_ID, below are libc's.  See the essay in tls.c on the two variants.
 *
 * The rooms have a small lock of their own (tlslock.h).  The slow path of an access takes no
 * lock, calls no libc function, and uses no vector register.
 *
 * Threads (tls_thread, tls_start, tls_fork_*, destructors) are declared in tlsthread.h, the PT_TLS and
 * ids in tlspool.h; both come with this header.
 */
#ifndef LOADER_TLS_H
#define LOADER_TLS_H

#include "diag.h"
#include "image.h"
#include "tlspool.h"
#include "tlsthread.h"

/* The argument of __tls_get_addr: two GOT words. */
struct tls_index {
	size_t module, offset;
};

/* Finds our own TLS template and offsets.  From boot; no libc call. */
bool tls_boot(const elf_phdr *own_tls, uintptr_t own_bias);

/* In a static program our PT_TLS is the program's: gives the whole of it a module id.  NEEDS_LOCK. */
bool tls_adopt(struct image *program);

/* --- one module's life.  NEEDS_LOCK ---------------------------------------------------------------- */

/* Place, id and memory; im->tls.needs_static is decided by then.  Stage 5: may fail. */
bool tls_reserve(struct image *im, struct diag *d);

/* After relocation: the last that reads the initial contents of a static module in its image. */
void tls_fill(struct image *im);

/* Static modules reach every registered thread.  Cannot fail. */
void tls_commit(struct image *im);

/* Gives everything back, also half way. */
void tls_drop(struct image *im);

/* A reference needs im's thread-locals at a fixed offset, im being loaded already: true if it can. */
bool tls_make_static(struct image *im, struct diag *d);

/* --- relocation ------------------------------------------------------------------------------------ */

/* The module id of an undefined weak thread-local is TLS_UNDEF_ID: its address is its offset. */

bool tls_desc(struct image *im, uintptr_t offset, uintptr_t word[2]); /* false: no room for a proxy */
void tls_desc_undef(uintptr_t addend, uintptr_t word[2]);

/* --- access ---------------------------------------------------------------------------------------- */

void *tls_address(struct image *im, uintptr_t offset); /* as __tls_get_addr; allocates on first use */
void *tls_peek(struct image *im); /* the calling thread's block or NULL; never allocates */

/* For tramp.S: the calling thread's block of any module of ours; ends the process rather than fail. */
void *tls_block(size_t id);

/* For tramp.S: finds libc's __tls_get_addr and puts it into tls_host_get_addr. */
void tls_host_first(void);

/* tramp.S */
void *__tls_get_addr(struct tls_index *);
extern void *(*tls_host_get_addr)(struct tls_index *);
extern const size_t arch_tls_own_offset; /* of tls_own in our PT_TLS */

#endif

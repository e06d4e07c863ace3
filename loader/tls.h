/* SPDX-License-Identifier: MIT */
/*
 * tls: thread-local storage of our images, and what we keep per thread.
 *
 * libdlrs' own PT_TLS holds struct tls_root T and the static reserve RES.  T.dtv points at the thread's
 * row of block pointers, biased so that a module id indexes it; rows live outside static TLS.  Our ids
 * start at TLS_FIRST_ID, below are libc's.  See the essay in tls.c on the two variants.
 *
 * Has its own small lock (signals masked) below the loader lock.  The slow path of an access takes no
 * lock, calls no libc function, and uses no vector register.
 */
#ifndef LOADER_TLS_H
#define LOADER_TLS_H

#include "diag.h"
#include "image.h"

enum { TLS_FIRST_ID = 4096, TLS_RESERVE = 3968 /* T and this together stay below 4096 */ };

/* The argument of __tls_get_addr: two GOT words. */
struct tls_index {
	size_t module, offset;
};

/* What we know of one thread.  Slab memory, never unmapped, recycled after the thread is gone. */
struct thread {
	struct thread *next, *prev;
	char *row; /* block pointers of slots 0.. */
	char *tp;
	int tid;
	bool live;
	struct image *waits; /* init.c: the image whose constructor this thread waits for */
	char *error;	     /* dlerror: arena text, or NULL */
	bool error_new;	     /* not yet returned by dlerror */
};

struct tls_root { /* first in our PT_TLS; arch/<cpu>/tramp.S reads dtv at offset 0 */
	void **dtv;
	struct thread *self;
};

/* Finds our own TLS template and offsets.  From boot; no libc call. */
bool tls_boot(const elf_phdr *own_tls, uintptr_t own_bias);

/* Registers the key whose destructor marks the end of a thread.  First door; UNLOCKED. */
void tls_start(void);

/* The calling thread's record, enrolled on first use.  NULL: no memory.  Not for signal handlers. */
struct thread *tls_thread(void);

/* --- one module's life.  NEEDS_LOCK ---------------------------------------------------------------- */

/* Place, id and memory; im->tls.needs_static is decided by then.  Stage 5: may fail. */
bool tls_reserve(struct image *im, struct diag *d);

/* After relocation: static modules reach the template and every registered thread.  Cannot fail. */
void tls_commit(struct image *im);

/* Gives everything back, also half way. */
void tls_drop(struct image *im);

/* A reference needs im's thread-locals at a fixed offset, im being loaded already: true if it can. */
bool tls_make_static(struct image *im, struct diag *d);

/* --- relocation ------------------------------------------------------------------------------------ */

bool tls_desc(struct image *im, uintptr_t offset, uintptr_t word[2]); /* false: no room for a proxy */
void tls_desc_undef(uintptr_t addend, uintptr_t word[2]);

/* --- access ---------------------------------------------------------------------------------------- */

void *tls_address(struct image *im, uintptr_t offset); /* as __tls_get_addr; allocates on first use */
void *tls_peek(struct image *im);		       /* the calling thread's block or NULL; never allocates */

/* --- threads (pthread_create, thrd_create) --------------------------------------------------------- */

struct tls_start; /* slab record that carries a start routine to its thread */
struct tls_start *tls_start_new(void *(*fn)(void *), void *arg); /* NULL: no memory */
void tls_start_free(struct tls_start *);
void *tls_start_run(void *start); /* the trampoline: enrols, repairs, tail-calls */

/* fork handlers, with the loader lock held outside them. */
void tls_fork_prepare(void);
void tls_fork_parent(void);
void tls_fork_child(void);

#endif

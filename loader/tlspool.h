/* SPDX-License-Identifier: MIT */
/*
 * tlspool: the memory of thread-locals: rows of block pointers, pools of blocks, and our own PT_TLS.
 *
 * A thread has one row: 64 pointers to its blocks of modules 0..63, and one more such row for every
 * further group of 64 modules, at a fixed distance.  So a module id is an index from the row's start,
 * and an access is one load and one test.  Rows and modules are never unmapped; blocks are, when their
 * module goes.
 *
 * What an access may reach (tlspool_quick) takes no lock, makes no call out of tlspool.c and uses no
 * vector register; it may interrupt itself (signals).  The rest wants the lock of tlslock.h, or a
 * process with one thread (boot).
 */
#ifndef LOADER_TLSPOOL_H
#define LOADER_TLSPOOL_H

#include <stdalign.h>

#include "image.h"

enum {
	TLS_FIRST_ID = 4096,  /* ids below are libc's */
	TLS_UNDEF_ID = 4096,  /* the module of undefined weak thread-locals: its block is at address 0 */
	TLS_RESERVE = 4032,   /* static reserve; with struct tls_root in front of it one page */
	TLS_RESERVE_ALIGN = 64,
};

struct thread;

struct tls_root { /* arch/<cpu>/tramp.S reads dtv at offset 0 */
	_Atomic(void *) *dtv; /* the thread's row, moved so that a module id indexes it */
	struct thread *self;  /* NULL: not enrolled, and the row is the common one that stays zero */
};

/* All of libdlrs' PT_TLS: in every thread, because libdlrs is there when the process starts. */
struct tls_own {
	struct tls_root root;
	alignas(TLS_RESERVE_ALIGN) unsigned char reserve[TLS_RESERVE];
};
_Static_assert(sizeof(struct tls_own) == 4096, "a page");

/*
 * Initial exec: `mov tls_own@gottpoff(%rip)` and a load, in C and in tramp.S.  The price is that libc
 * refuses to dlopen libdlrs itself (DF_STATIC_TLS, 4 KiB), and to preload it under LD_AUDIT, unless its
 * tunable says that there shall be room; and 64 is the alignment that it has for latecomers.
 */
#ifdef DLRS_STATIC
#define TLS_OWN_MODEL "local-exec"
#else
#define TLS_OWN_MODEL "initial-exec"
#endif
extern __thread struct tls_own tls_own __attribute__((tls_model(TLS_OWN_MODEL)));

enum { TLSPOOL_CHUNKS = 24 };

struct tls_module {
	_Atomic enum tls_place place; /* TLS_NONE: slot is free.  release; partner: tlspool_quick's load */
	_Atomic uint64_t free;	      /* first free block's index, 0: none; a serial in the high half */
	_Atomic(char *) chunk[TLSPOOL_CHUNKS]; /* each has twice as many blocks as the one before */
	void *mapping[TLSPOOL_CHUNKS];	       /* what the chunk lies in */
	unsigned nchunk, first;		       /* the first chunk has 1 << first blocks */
	size_t size, skew;		       /* of a block; from its start to the thread's bytes */

	unsigned slot;
	const char *image; /* initial contents */
	size_t filesz, memsz, align;
	intptr_t tpoff; /* TLS_STATIC */
	size_t host_id; /* TLS_HOST: stands for this module of libc's */

	/* TLS_STATIC: lock of tlslock.h */
	bool committed;
	uint64_t generation; /* threads born under an older one have not got the contents */
	struct tls_module *next;
};

/* Reserves the region of rows.  False: no memory. */
bool tlspool_boot(void);

/* Asks what may be reserved; now, when tlspool_boot may come in a sandbox where that is not allowed. */
void tlspool_plan(void);

/* Before that: there are threads whose row is a stand-in, too short for many modules. */
void tlspool_confine(void);

/* A row for one more thread, never given back; NULL: no memory. */
char *tlspool_row(void);

/* The row that stays zero. */
char *tlspool_zero_row(void);

static inline _Atomic(void *) *tlspool_dtv(char *row)
{
	return (_Atomic(void *) *)(void *)(row - TLS_FIRST_ID * sizeof(void *));
}

/* A free slot's module, zeroed but for its number; it is taken once its place is set.  NULL: no memory. */
struct tls_module *tlspool_new(void);

/* Clears the module's entry in every row, unmaps its blocks, frees the slot. */
void tlspool_drop(struct tls_module *m);

size_t tlspool_id(unsigned slot);
struct tls_module *tlspool_module(size_t id);  /* NULL: no such id */
struct tls_module *tlspool_slot(unsigned slot); /* for walks: NULL after the last */

/* Sizes of the blocks of a module whose image, filesz, memsz and align are set. */
void tlspool_shape(struct tls_module *m, uintptr_t va);

/* More blocks, unless there are free ones.  False: no memory. */
bool tlspool_grow(struct tls_module *m);

/* Writes a module's initial contents. */
void tlspool_fill(const struct tls_module *m, char *at);

/* Gives all blocks in a dead thread's row back. */
void tlspool_strip(char *row);

/*
 * The calling thread's block of this module, put into its row; NULL: not without the slow path.  From
 * tramp.S, between any two instructions of a program.
 */
void *tlspool_quick(size_t id);

#endif

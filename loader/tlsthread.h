/* SPDX-License-Identifier: MIT */
/*
 * tlsthread: what we keep per thread, from its birth to the moment the kernel has forgotten it.
 *
 * Included by tls.h, which is what other rooms include.
 */
#ifndef LOADER_TLSTHREAD_H
#define LOADER_TLSTHREAD_H

#include "epoch.h"
#include "tlspool.h"

/* A symbol that dlsym did not find: what dlerror shall say, should it be asked. */
struct thread_missing {
	void *from; /* the handle of the image that was searched; NULL: nothing to say */
	char name[96], version[32];
};

/* What we know of one thread.  Never unmapped, recycled after the thread is gone. */
struct thread {
	struct thread *next, *prev;
	char *row; /* block pointers of slots 0.. */
	char *tp;
	int tid;   /* 0: not known */
	bool live; /* false: its exit has begun, or it is a spare record */
	bool keyed; /* the end of the thread will be told to us */
	struct thread *waits; /* init.c: for a constructor or destructor that this one runs */
	uint32_t waits_since; /* init.c: the event's serial then */
	char *error;	     /* dlerror: arena text, or NULL; the record's next thread frees it */
	bool error_new;	     /* not yet returned by dlerror */
	int error_errno;     /* what it leaves in errno; 0: nothing */
	struct thread_missing missing; /* what error is to be made of */
	struct epoch_reader reader; /* what it reads without a lock just now */
	bool closing, close_again; /* unload.c: it runs destructors; one of them called dlclose */
	struct tls_dtor *dtors; /* of a libc that keeps no such list: newest first */
};

/* A thread_local destructor of one of our images (im), which it keeps loaded until it has run. */
struct tls_dtor {
	struct tls_dtor *next;
	void (*fn)(void *);
	void *obj;
	struct image *im; /* or NULL */
};

/* A thread that is about to begin. */
struct tls_start {
	struct tls_start *next;
	void *(*fn)(void *);
	void *arg;
	uint64_t generation; /* of static modules, before libc copied the template */
};

struct tls_task { /* what the new thread has to do */
	void *(*fn)(void *);
	void *arg;
};

/*
 * For our constructor, when boot waits: what must be known of the beginning.  A first door in a vfork child
 * would take itself for the process, one in another thread would not know the first, and to use a key that is
 * made late libc may need malloc.
 */
void tls_begin(int pid);

/* Registers the key whose destructor marks the end of a thread.  First door; UNLOCKED. */
void tls_start(void);

/* The calling thread's record, enrolled on first use.  NULL: no memory.  Not for signal handlers. */
struct thread *tls_thread(void);

/* The same without enrolling: NULL when it has no record. */
static inline struct thread *tls_thread_known(void)
{
	return tls_own.root.self;
}

/* For epoch_enter: the calling thread's counters, NULL when it has no record. */
static inline struct epoch_reader *tls_reader(void)
{
	struct thread *th = tls_thread_known();

	return th ? &th->reader : NULL;
}

/* --- threads (pthread_create, thrd_create) --------------------------------------------------------- */

struct tls_start *tls_start_new(void *(*fn)(void *), void *arg); /* NULL: no memory */
void tls_start_free(struct tls_start *);

/* In the new thread: enrols it, repairs its static thread-locals, frees the record. */
struct tls_task tls_start_take(struct tls_start *);

void *tls_start_run(void *start); /* the same, and calls the routine as its last act */

/* --- thread_local destructors ---------------------------------------------------------------------- */

struct tls_dtor *tls_dtor_new(const struct tls_dtor *like); /* NULL: no memory */
void tls_dtor_free(struct tls_dtor *);
void tls_dtor_run(void *dtor);		/* runs it and frees the record; im may go then.  UNLOCKED */
bool tls_dtor_push(struct tls_dtor *);	/* to be run by ourselves at the end of this thread */

/* --- fork: with the loader lock held outside ------------------------------------------------------- */

void tls_fork_prepare(void);
void tls_fork_parent(void);
void tls_fork_child(void);

/* --- for tls.c --------------------------------------------------------------------------------------- */

/* Static modules: newest generation, and those that a thread may have to be given.  Lock. */
struct tlsthread_static {
	_Atomic uint64_t generation; /* release in tls.c, raise(); partner: the acquire in tls_start_new */
	struct tls_module *first;
};
extern struct tlsthread_static tlsthread_static;

/* Writes m's contents into every thread that we know to be there, and into this one.  Lock. */
void tlsthread_spread(const struct tls_module *m);

#endif

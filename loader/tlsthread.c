/* SPDX-License-Identifier: MIT */
/*
 * tlsthread: records of threads.
 *
 * A record is made when a thread passes our pthread_create, or when it first needs one.  The destructor
 * of a pthread key says that the thread's end has begun; its thread-locals stay valid all the same,
 * because destructors of other keys and late signal handlers may use them.  The record becomes a zombie,
 * and is recycled when the kernel has forgotten the thread, or when a new thread has its thread pointer.
 *
 * A thread that leaves by a raw system call tells nobody.  When records run short the living are asked.
 * Nobody is pronounced dead in a process other than the one they were recorded in: a child of vfork
 * works on its parent's memory.
 *
 * Called by tls.c, the doors of thread.c, atexit.c and dlerror.c, and the fork handlers.  Must never run
 * foreign code or call libc under its lock.
 */
#include <sys/mman.h>

#include "../arch/arch.h"
#include "../compat/host.h"
#include "tlslock.h"
#include "tlsthread.h"

struct list {
	struct thread *first, *last;
};

static HOST_EARLY struct list alive, zombies, spare;
static unsigned nalive, census; /* at so many living, those that left silently are looked for */
static HOST_EARLY int home;	/* the process that the records were made in */
static bool at_home;		/* are we in it?  Asked by look_home() */
static HOST_EARLY char *first_tp; /* of the program's first thread, when it may not be enrolled */

static HOST_EARLY struct {
	atomic_uint state; /* release; partners: the acquires in watch, tls_dtor_push */
	unsigned key;
} exit_key;
enum { KEY_NONE, KEY_BUSY, KEY_MADE, KEY_FAILED };

struct tlsthread_static tlsthread_static;

/* --- memory: never given back.  Lock ------------------------------------------------------------------ */

static void *carve(size_t len)
{
	enum { CHUNK = 64 << 10 };
	static alignas(max_align_t) char first[4 << 10]; /* the threads of most programs */
	static char *next = first, *end = first + sizeof first;

	if ((size_t)(end - next) < len) {
		char *p = host_mem->map(NULL, CHUNK, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (host_failed(p))
			return NULL;
		host_unjudged(p, CHUNK);
		next = p;
		end = p + CHUNK;
	}
	next += len;
	return next - len;
}

/* Records that live for a moment, of one size. */
union record {
	union record *next;
	struct tls_start start;
	struct tls_dtor dtor;
};

static union record *records;

static union record *record_new(void)
{
	uint64_t mask = tlslock_enter();
	union record *r = records;

	if (r)
		records = r->next;
	else
		r = carve(sizeof(*r));
	tlslock_leave(mask);
	return r;
}

static void record_put(union record *r)
{
	r->next = records;
	records = r;
}

static void record_free(void *p)
{
	uint64_t mask = tlslock_enter();

	record_put(p);
	tlslock_leave(mask);
}

/* --- records of threads.  Lock ---------------------------------------------------------------------- */

static void append(struct list *list, struct thread *th)
{
	th->next = NULL;
	th->prev = list->last;
	if (list->last)
		list->last->next = th;
	else
		list->first = th;
	list->last = th;
}

static void detach(struct list *list, struct thread *th)
{
	if (th->prev)
		th->prev->next = th->next;
	else
		list->first = th->next;
	if (th->next)
		th->next->prev = th->prev;
	else
		list->last = th->prev;
}

static void recycle(struct list *list, struct thread *th)
{
	detach(list, th);
	if (list == &alive)
		nalive--;
	tlspool_strip(th->row);
	*th = (struct thread){.row = th->row, .error = th->error, .reader = th->reader};
	for (int side = 0; side < 2; side++) /* should it have died while it read */
		atomic_store_explicit(&th->reader.inside[side], 0, memory_order_relaxed);
	th->reader.walks[0] = th->reader.walks[1] = 0;
	append(&spare, th);
}

static void look_home(void)
{
	int pid = host_pid();

	if (!home)
		home = pid;
	at_home = pid == home;
}

/* After look_home(), and not about the calling thread. */
static bool is_gone(const struct thread *th)
{
	if (th->tp == arch_tp())
		return true;
	return th->tid && at_home && host_thread_gone(home, th->tid);
}

/* Looks at the `n` oldest zombies. */
static void reap(unsigned n)
{
	for (struct thread *th = zombies.first, *last = zombies.last, *next; th && n > 0; th = next) {
		next = th == last ? NULL : th->next;
		n--;
		if (is_gone(th)) {
			recycle(&zombies, th);
		} else {
			detach(&zombies, th);
			append(&zombies, th);
		}
	}
}

static void count_living(void)
{
	for (struct thread *th = alive.first, *next; th; th = next) {
		next = th->next;
		if (is_gone(th))
			recycle(&alive, th);
	}
	census = 2 * nalive + 64;
}

static struct thread *find_spare(void)
{
	struct thread *th;

	reap(4);
	if (!spare.first)
		reap(UINT32_MAX);
	if (!spare.first && nalive >= census)
		count_living();
	th = spare.first;
	if (th) {
		detach(&spare, th);
		return th;
	}
	th = carve(sizeof(*th));
	if (th)
		th->row = tlspool_row();
	if (th && !th->row)
		return NULL; /* no address space: the record is lost */
	return th;
}

static struct thread *enrol(void)
{
	struct thread *th = tls_own.root.self;

	if (th)
		return th;
	look_home();
	th = find_spare();
	if (!th)
		return NULL;
	th->tp = arch_tp();
	th->tid = at_home ? host_tid() : 0;
	th->live = true;
	append(&alive, th);
	nalive++;
	epoch_register(&th->reader);
	tls_own.root.dtv = tlspool_dtv(th->row);
	/* A signal handler that sees self must see dtv; partner: tlspool_quick, same thread */
	atomic_signal_fence(memory_order_release);
	tls_own.root.self = th;
	return th;
}

/* --- the end of a thread ---------------------------------------------------------------------------- */

static void leave(void *record)
{
	struct thread *th = record;
	uint64_t mask;

	while (th->dtors) {
		struct tls_dtor *dtor = th->dtors;

		th->dtors = dtor->next;
		tls_dtor_run(dtor);
	}
	mask = tlslock_enter();
	if (th->live) {
		th->live = false;
		detach(&alive, th);
		nalive--;
		append(&zombies, th);
	}
	tlslock_leave(mask);
}

/* Asks libc to tell us when this thread ends.  Not under our lock: it is libc's code. */
static void watch(struct thread *th)
{
	/* acquire; partner: the release in tls_start */
	if (th->keyed || atomic_load_explicit(&exit_key.state, memory_order_acquire) != KEY_MADE)
		return;
	th->keyed = true;
	host.real.setspecific(exit_key.key, th);
}

/* True: we are the one that made it. */
static bool make_key(void)
{
	unsigned none = KEY_NONE, state = KEY_FAILED;

	/* relaxed: only the winner goes on */
	if (atomic_load_explicit(&exit_key.state, memory_order_relaxed) != KEY_NONE ||
	    !atomic_compare_exchange_strong_explicit(&exit_key.state, &none, KEY_BUSY,
						     memory_order_relaxed, memory_order_relaxed))
		return false;
	if (host.real.key_create && host.real.setspecific &&
	    host.real.key_create(&exit_key.key, leave) == 0)
		state = KEY_MADE;
	/* release; partners: the acquires in watch and tls_dtor_push */
	atomic_store_explicit(&exit_key.state, state, memory_order_release);
	return true;
}

void tls_start(void)
{
	if (make_key())
		tls_thread();
}

void tls_begin(int pid)
{
	home = pid;
	first_tp = arch_tp();
	tlslock_begin(pid);
	tlspool_plan();
	make_key();
}

struct thread *tls_thread(void)
{
	struct thread *th = tls_own.root.self;

	if (!th) {
		uint64_t mask = tlslock_enter();

		th = enrol();
		tlslock_leave(mask);
		if (!th)
			return NULL;
	}
	watch(th);
	return th;
}

/* --- the beginning of a thread ---------------------------------------------------------------------- */

struct tls_start *tls_start_new(void *(*fn)(void *), void *arg)
{
	union record *r = record_new();

	if (!r)
		return NULL;
	/*
	 * Before the thread is made: libc copies the template then.  acquire; partner: the release in
	 * tls.c, raise(): who sees the generation will copy the new template.
	 */
	r->start = (struct tls_start){
		.fn = fn,
		.arg = arg,
		.generation = atomic_load_explicit(&tlsthread_static.generation, memory_order_acquire),
	};
	return &r->start;
}

void tls_start_free(struct tls_start *start)
{
	record_free(start);
}

struct tls_task tls_start_take(struct tls_start *start)
{
	struct tls_task task = {start->fn, start->arg};
	uint64_t mask = tlslock_enter();
	struct thread *th = enrol();

	for (struct tls_module *m = tlsthread_static.first; m; m = m->next)
		if (m->generation > start->generation)
			tlspool_fill(m, arch_tp() + m->tpoff);
	record_put((union record *)start);
	tlslock_leave(mask);
	if (th)
		watch(th);
	return task;
}

void *tls_start_run(void *start)
{
	struct tls_task task = tls_start_take(start);

	return task.fn(task.arg); /* a jump: leaves no frame in backtraces */
}

void tlsthread_spread(const struct tls_module *m)
{
	char *self = arch_tp();

	look_home();
	tlspool_fill(m, self + m->tpoff);
	if (first_tp && first_tp != self)
		tlspool_fill(m, first_tp + m->tpoff);
	for (struct thread *th = alive.first; th; th = th->next)
		if (th->tp != self && th->tp != first_tp && !is_gone(th))
			tlspool_fill(m, th->tp + m->tpoff);
}

/* --- thread_local destructors ----------------------------------------------------------------------- */

struct tls_dtor *tls_dtor_new(const struct tls_dtor *like)
{
	union record *r = record_new();

	if (!r)
		return NULL;
	r->dtor = *like;
	return &r->dtor;
}

void tls_dtor_free(struct tls_dtor *dtor)
{
	record_free(dtor);
}

void tls_dtor_run(void *record)
{
	struct tls_dtor dtor = *(struct tls_dtor *)record;

	record_free(record);
	dtor.fn(dtor.obj);
	/* release: what the destructor did is done; partner: the acquire load in unload.c */
	if (dtor.im)
		atomic_fetch_sub_explicit(&dtor.im->tls_dtors, 1, memory_order_release);
}

bool tls_dtor_push(struct tls_dtor *dtor)
{
	struct thread *th = tls_thread();

	/* acquire; partner: the release in tls_start */
	if (!th || atomic_load_explicit(&exit_key.state, memory_order_acquire) != KEY_MADE)
		return false;
	dtor->next = th->dtors;
	th->dtors = dtor;
	if (!th->live) /* our key's destructor has run already: one more round */
		host.real.setspecific(exit_key.key, th);
	return true;
}

/* --- fork -------------------------------------------------------------------------------------------- */

static HOST_EARLY uint64_t fork_mask; /* the lock's */

void tls_fork_prepare(void)
{
	uint64_t mask = tlslock_enter();

	fork_mask = mask;
}

void tls_fork_parent(void)
{
	tlslock_leave(fork_mask);
}

static void forget(struct list *list, const struct thread *self)
{
	for (struct thread *th = list->first, *next; th; th = next) {
		next = th->next;
		if (th != self)
			recycle(list, th);
	}
}

/* The threads of the parent do not exist here. */
void tls_fork_child(void)
{
	struct thread *self = tls_own.root.self;

	home = host_pid();
	tlslock_inherit(home);
	forget(&alive, self);
	forget(&zombies, self);
	if (self)
		self->tid = host_tid();
	tlslock_leave(fork_mask);
}

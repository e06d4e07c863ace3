/* SPDX-License-Identifier: MIT */
/*
 * find: the published snapshot of who lies where.
 *
 * One arena block holds everything: entries sorted by address, a hash table of handles, and our own
 * images in load order.  It never changes once published, but for find_hide, which empties places.  A
 * writer builds a new one, swaps the pointer and retires the old.
 *
 * All images of all namespaces are in it, also those whose destructors run: their code still throws and
 * asks dladdr.  Only their handles are gone.
 *
 * Readers come from the doors that take no lock, and from signal handlers: they must never allocate or
 * wait.
 */
#include "find.h"

#include "arena.h"
#include "epoch.h"
#include "text.h"

struct slot { /* of the hash table; open addressing */
	const void *handle;
	_Atomic(struct image *) im; /* partner: find_hide's store */
};

struct snapshot {
	unsigned cap;	  /* images it has room for */
	unsigned n, nown; /* entries; of them ours */
	unsigned mask;	  /* slots - 1 */
	unsigned long adds, subs;
	struct find_entry *entry;
	struct slot *slot;
	_Atomic(struct image *) *own; /* load order; partner: find_hide's store */
};

static _Atomic(struct snapshot *)
	current;	       /* partners: find_publish's release, snapshot()'s acquire */
static struct snapshot *spare; /* from find_reserve; the loader lock's */

static struct { /* from find_start */
	struct space *base;
	const atomic_ulong *adds, *subs;
} source;

static struct snapshot *snapshot(void)
{
	return atomic_load_explicit(&current, memory_order_acquire); /* partner: find_publish */
}

/* ---- readers ---------------------------------------------------------------------------------- */

const struct find_entry *find_entry_at(uintptr_t addr)
{
	const struct snapshot *s = snapshot();
	const struct find_entry *e;
	unsigned low = 0, high;

	if (!s)
		return NULL;
	for (high = s->n; low < high;) {
		unsigned mid = (low + high) / 2;

		if (s->entry[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	e = &s->entry[low - 1];
	/* partner: find_hide */
	return addr < e->end && atomic_load_explicit(&e->im, memory_order_acquire) ? e : NULL;
}

struct image *find_address(uintptr_t addr)
{
	const struct find_entry *e = find_entry_at(addr);

	/* partner: find_hide */
	return e ? atomic_load_explicit(&e->im, memory_order_acquire) : NULL;
}

static unsigned spread(const void *handle)
{
	uint64_t h = (uint64_t)((uintptr_t)handle >> 4) * 0x9e3779b97f4a7c15u;

	return (unsigned)(h >> 32);
}

/* The place of this handle, or the free one where it would be entered. */
static struct slot *slot_of(const struct snapshot *s, const void *handle)
{
	unsigned i = spread(handle) & s->mask;

	while (s->slot[i].handle && s->slot[i].handle != handle)
		i = (i + 1) & s->mask;
	return &s->slot[i];
}

struct image *find_handle(const void *handle)
{
	const struct snapshot *s = snapshot();

	if (!s || !handle)
		return NULL;
	/* partner: find_hide_handle; NULL in a free slot */
	return atomic_load_explicit(&slot_of(s, handle)->im, memory_order_acquire);
}

void find_walk(struct find_walk *w)
{
	const struct snapshot *s = snapshot();

	*w = (struct find_walk){.snapshot = s};
	if (!s)
		return;
	/* Relaxed: the counters may run ahead of the snapshot, which only makes a cache look again. */
	w->adds = atomic_load_explicit(source.adds, memory_order_relaxed);
	w->subs = atomic_load_explicit(source.subs, memory_order_relaxed);
}

struct image *find_walk_next(struct find_walk *w)
{
	const struct snapshot *s = w->snapshot;

	while (s && w->i < s->nown) {
		/* partner: find_hide */
		struct image *im = atomic_load_explicit(&s->own[w->i++], memory_order_acquire);

		if (im)
			return im;
	}
	return NULL;
}

/* ---- writers ---------------------------------------------------------------------------------- */

void find_start(struct space *base, const atomic_ulong *adds, const atomic_ulong *subs)
{
	source.base = base;
	source.adds = adds;
	source.subs = subs;
}

/* All images, one after the other over all namespaces; NULL: the first. */
static struct image *after(const struct image *im)
{
	struct space *sp = im ? im->space->next : source.base;

	if (im && im->next)
		return im->next;
	while (sp && !sp->first)
		sp = sp->next;
	return sp ? sp->first : NULL;
}

static unsigned count(void)
{
	unsigned n = 0;

	for (struct image *im = after(NULL); im; im = after(im))
		n++;
	return n;
}

/* An empty snapshot with room for n images. */
static struct snapshot *make(unsigned n)
{
	unsigned slots = 16;
	struct snapshot *s;

	while (slots < 2 * n)
		slots *= 2;
	s = arena_alloc(sizeof(*s) + n * sizeof(*s->entry) + slots * sizeof(*s->slot) +
			n * sizeof(*s->own));
	if (!s)
		return NULL;
	s->cap = n;
	s->mask = slots - 1;
	s->entry = (struct find_entry *)(s + 1);
	s->slot = (struct slot *)(s->entry + n);
	s->own = (_Atomic(struct image *) *)(s->slot + slots);
	return s;
}

bool find_reserve(unsigned extra)
{
	unsigned n = count() + extra;

	if (spare && spare->cap >= n)
		return true;
	arena_free(spare);
	spare = make(n + n / 4 + 8);
	return spare != NULL;
}

void find_unreserve(void)
{
	arena_free(spare);
	spare = NULL;
}

static void enter(struct snapshot *s, const void *handle, struct image *im)
{
	struct slot *slot = slot_of(s, handle);

	slot->handle = handle;
	atomic_store_explicit(&slot->im, im, memory_order_relaxed);
}

/* Relaxed throughout: the snapshot is not published yet. */
static void copy_entry(struct find_entry *to, const struct find_entry *from)
{
	to->start = from->start;
	to->end = from->end;
	to->eh_frame = from->eh_frame;
	atomic_store_explicit(&to->im, atomic_load_explicit(&from->im, memory_order_relaxed),
			      memory_order_relaxed);
}

static const unsigned gaps[] = {301, 132, 57, 23, 10, 4, 1}; /* of Shell's sort */

/* Shell's sort: the kernel hands out ever lower addresses, so filled from the end it is nearly done. */
static void sort(struct find_entry *e, unsigned n)
{
	for (unsigned g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		unsigned gap = gaps[g];

		for (unsigned i = gap; i < n; i++) {
			struct find_entry x;
			unsigned j = i;

			copy_entry(&x, &e[i]);
			for (; j >= gap && e[j - gap].start > x.start; j -= gap)
				copy_entry(&e[j], &e[j - gap]);
			if (j != i)
				copy_entry(&e[j], &x);
		}
	}
}

/*
 * Load order over all namespaces: by birth, which is how a walk finds its place again.  One namespace's
 * are in order already.  Relaxed: as in copy_entry.
 */
static void sort_own(_Atomic(struct image *) *own, unsigned n)
{
	for (unsigned g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		unsigned gap = gaps[g];

		for (unsigned i = gap; i < n; i++) {
			struct image *x = atomic_load_explicit(&own[i], memory_order_relaxed), *at;
			unsigned j = i;

			for (; j >= gap; j -= gap) {
				at = atomic_load_explicit(&own[j - gap], memory_order_relaxed);
				if (at->birth <= x->birth)
					break;
				atomic_store_explicit(&own[j], at, memory_order_relaxed);
			}
			if (j != i)
				atomic_store_explicit(&own[j], x, memory_order_relaxed);
		}
	}
}

static void fill(struct snapshot *s, unsigned n)
{
	s->n = n;
	for (struct image *im = after(NULL); im; im = after(im)) {
		struct find_entry *e = &s->entry[--n];

		e->start = im->map.start;
		e->end = im->map.end;
		e->eh_frame = im->eh_frame_hdr;
		atomic_store_explicit(&e->im, im, memory_order_relaxed);
		/* relaxed: written under the lock; see find_hide_handle */
		if (atomic_load_explicit(&im->state, memory_order_relaxed) < IMAGE_FINI)
			enter(s, im->handle, im);
		if (im->program && im->host_map) /* libc's word for it is as good as ours */
			enter(s, im->host_map, im);
		if (!im->host)
			atomic_store_explicit(&s->own[s->nown++], im, memory_order_relaxed);
	}
	sort(s->entry, s->n);
	sort_own(s->own, s->nown);
	if (source.adds) { /* relaxed: written under the lock that we hold */
		s->adds = atomic_load_explicit(source.adds, memory_order_relaxed);
		s->subs = atomic_load_explicit(source.subs, memory_order_relaxed);
	}
}

void find_publish(void)
{
	unsigned n = count();
	struct snapshot *s = spare && spare->cap >= n ? spare : NULL;
	struct snapshot *old = atomic_load_explicit(&current, memory_order_relaxed);

	if (s)
		spare = NULL;
	else
		s = make(n);
	if (!s)
		return; /* adoption without memory: readers keep what they have */
	fill(s, n);
	atomic_store_explicit(&current, s, memory_order_release); /* partner: snapshot() */
	epoch_retire(old);
}

void find_hide_handle(const struct image *im)
{
	struct snapshot *s = atomic_load_explicit(&current, memory_order_relaxed); /* the lock's */
	struct slot *slot = s ? slot_of(s, im->handle) : NULL;

	/* release; partner: find_handle */
	if (slot && atomic_load_explicit(&slot->im, memory_order_relaxed) == im)
		atomic_store_explicit(&slot->im, NULL, memory_order_release);
}

void find_hide(const struct image *im)
{
	struct snapshot *s = atomic_load_explicit(&current, memory_order_relaxed); /* the lock's */

	if (!s)
		return;
	find_hide_handle(im);
	/* release, here and below; partners: the acquire loads of the readers */
	for (unsigned i = 0; i < s->n; i++)
		if (atomic_load_explicit(&s->entry[i].im, memory_order_relaxed) == im)
			atomic_store_explicit(&s->entry[i].im, NULL, memory_order_release);
	for (unsigned i = 0; i < s->nown; i++)
		if (atomic_load_explicit(&s->own[i], memory_order_relaxed) == im)
			atomic_store_explicit(&s->own[i], NULL, memory_order_release);
}

struct image *find_slow(uintptr_t addr)
{
	for (struct image *im = after(NULL); im; im = after(im)) {
		if (addr >= im->map.start && addr < im->map.end)
			return im;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * unique: the table of STB_GNU_UNIQUE names of one namespace.
 *
 * Called by resolve.c and the dlsym door to ask, by reloc.c to enter, by load.c and unload.c to take back.
 * Asking takes no lock: an entry's image is written last and read first, and a table that has become too
 * small is replaced and retired.
 */
#include "unique.h"

#include "arena.h"
#include "epoch.h"
#include "hash.h"
#include "text.h"

struct unique { /* im set last (release), read first (acquire) */
	_Atomic(struct image *) im;
	const elf_sym *sym;
	uint32_t hash;
	unsigned round; /* of the load that entered it */
};

static unsigned round; /* counts loads, as far as unique symbols go.  NEEDS_LOCK */

struct unique_table {
	unsigned n, mask; /* open addressing, at most half full; removed entries keep sym */
	struct unique slot[];
};

static struct unique *slot(struct unique_table *t, const struct sym_request *rq)
{
	for (unsigned i = rq->gnu & t->mask;; i = (i + 1) & t->mask) {
		struct unique *u = &t->slot[i];
		struct image *im = atomic_load_explicit(&u->im, memory_order_acquire);

		if (!im && !u->sym)
			return u;
		if (im && u->hash == rq->gnu && text_eq(hash_name(&im->st, u->sym), rq->name))
			return u;
	}
}

void unique_first(struct space *sp, struct sym_request *rq, struct sym_found *found)
{
	struct unique_table *t = atomic_load_explicit(&sp->unique, memory_order_acquire);
	struct unique *u = t ? slot(t, rq) : NULL;
	struct image *im = u ? atomic_load_explicit(&u->im, memory_order_acquire) : NULL;

	if (im)
		*found = (struct sym_found){im, u->sym};
}

static void put(struct unique_table *t, struct unique from)
{
	for (unsigned i = from.hash & t->mask;; i = (i + 1) & t->mask) {
		struct unique *u = &t->slot[i];

		if (u->sym)
			continue;
		u->sym = from.sym;
		u->hash = from.hash;
		u->round = from.round;
		atomic_store_explicit(&u->im, from.im, memory_order_release);
		t->n++;
		return;
	}
}

static bool room(struct space *sp)
{
	struct unique_table *old = atomic_load_explicit(&sp->unique, memory_order_relaxed), *new;
	unsigned size = old ? 2 * (old->mask + 1) : 64;

	if (old && 2 * (old->n + 1) <= old->mask)
		return true;
	new = arena_alloc(sizeof *new + size * sizeof *new->slot);
	if (!new)
		return false;
	new->mask = size - 1;
	for (unsigned i = 0; old && i <= old->mask; i++)
		if (atomic_load_explicit(&old->slot[i].im, memory_order_relaxed))
			put(new, old->slot[i]);
	atomic_store_explicit(&sp->unique, new, memory_order_release);
	if (old)
		epoch_retire(old);
	return true;
}

/* libc has its own table that we cannot see, but it prefers what it loaded first, and so do we. */
static void prefer_host(struct space *sp, struct sym_request *rq, struct sym_found *found)
{
	for (struct image *im = sp->first; im && !found->im->host; im = im->next) {
		const elf_sym *s = im->host ? hash_lookup(&im->st, rq) : NULL;

		if (s && ELF_ST_BIND(s->st_info) == STB_GNU_UNIQUE)
			*found = (struct sym_found){im, s};
	}
}

bool unique_enter(struct space *sp, struct sym_request *rq, struct sym_found *found)
{
	struct sym_found first = {0};

	unique_first(sp, rq, &first);
	if (first.im)
		return *found = first, true;
	if (!room(sp))
		return false;
	prefer_host(sp, rq, found);
	put(atomic_load_explicit(&sp->unique, memory_order_relaxed),
		   (struct unique){found->im, found->sym, rq->gnu, round});
	found->im->nunique++;
	return true;
}

void unique_begin(void)
{
	round++;
}

static void remove_one(struct unique *u)
{
	struct image *im = atomic_load_explicit(&u->im, memory_order_relaxed);

	im->nunique--;
	atomic_store_explicit(&u->im, NULL, memory_order_release);
}

void unique_undo(struct space *sp)
{
	struct unique_table *t = atomic_load_explicit(&sp->unique, memory_order_relaxed);

	for (unsigned i = 0; t && i <= t->mask; i++)
		if (t->slot[i].round == round && atomic_load_explicit(&t->slot[i].im, memory_order_relaxed))
			remove_one(&t->slot[i]);
}

void unique_forget(struct space *sp, const struct image *im)
{
	struct unique_table *t = atomic_load_explicit(&sp->unique, memory_order_relaxed);

	for (unsigned i = 0; t && i <= t->mask; i++)
		if (atomic_load_explicit(&t->slot[i].im, memory_order_relaxed) == im)
			remove_one(&t->slot[i]);
}

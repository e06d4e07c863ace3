/* SPDX-License-Identifier: MIT */
/*
 * keep: notes of who looked up what.
 *
 * A note is a pair of images in a small table.  Its writer claims a place by setting `im`, then sets `to`:
 * from then on it can be read.  Whoever takes it away clears `to` first and the place after it.
 *
 * The writer sets `to` and then reads the state of `to`; the planner sets the states and then reads the
 * notes, all of it sequentially consistent: so the writer sees that its library goes, or the planner sees
 * the note.  A library in which one of libc's images found something stays for good (image.held): the same
 * order holds between that flag and the state.
 *
 * Called by lazy.c and dlsym for readers, by unload.c for the planner.  Readers must never wait or allocate:
 * when the table is full and the lock taken, the library stays for good, too.
 */
#include "keep.h"

enum { NOTES = 64 };

static struct note {
	_Atomic(struct image *) im; /* claimed: partners are the exchanges in write_note and below */
	_Atomic(struct image *) to;
} notes[NOTES];

/*
 * Sequentially consistent; partner: unload.c stores the state before it asks keep_missed.  A signal handler
 * that interrupts the planner itself takes what it finds: nothing would change while it looks again.
 */
static bool stays(const struct image *to)
{
	return atomic_load_explicit(&to->state, memory_order_seq_cst) < IMAGE_FINI || lock_mine();
}

/*
 * im is on its way out itself, and a destructor of it asks: what its scopes still have goes with it, not
 * before.  Should the planner think better of it, the note is there.
 */
static bool leaves(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_relaxed) >= IMAGE_FINI;
}

static bool hold(struct image *to)
{
	atomic_store_explicit(&to->held, true, memory_order_seq_cst); /* partner: keep_missed */
	return stays(to);
}

/* It has been there before, or is among what im needs, and so stays with it anyway. */
static bool known(const struct image *im, const struct image *to)
{
	/* Acquire: partner is the release in load.c and registry.c. */
	struct scope_list *search = atomic_load_explicit(&im->search, memory_order_acquire);

	if (to->host || to == im || atomic_load_explicit(&to->held, memory_order_relaxed))
		return true;
	if (search && scope_contains(search, to))
		return true;
	for (unsigned i = 0; i < im->nneeded; i++)
		if (im->needed[i] == to)
			return true;
	for (unsigned i = 0; i < NOTES; i++)
		if (atomic_load_explicit(&notes[i].im, memory_order_relaxed) == im &&
		    atomic_load_explicit(&notes[i].to, memory_order_relaxed) == to)
			return stays(to) || leaves(im);
	return false;
}

static struct note *claim(struct image *im)
{
	for (unsigned i = 0; i < NOTES; i++) {
		struct image *none = NULL;

		/* acquire; partner: the release in wipe */
		if (!atomic_load_explicit(&notes[i].im, memory_order_relaxed) &&
		    atomic_compare_exchange_strong_explicit(&notes[i].im, &none, im,
							    memory_order_acquire,
							    memory_order_relaxed))
			return &notes[i];
	}
	return NULL;
}

/* Takes what the note says; NULL: nothing (yet). */
static struct image *take(struct note *n)
{
	/* Most are empty, and a locked instruction for each would be felt in every dlclose. */
	if (!atomic_load_explicit(&n->to, memory_order_relaxed))
		return NULL;
	return atomic_exchange_explicit(&n->to, NULL, memory_order_acq_rel); /* partner: keep_note */
}

static void wipe(struct note *n)
{
	atomic_store_explicit(&n->im, NULL, memory_order_release); /* partner: claim */
}

bool keep_note(struct image *im, struct image *to)
{
	struct note *n;

	if (!to || known(im, to))
		return true;
	if (im->host)
		return hold(to);
	n = claim(im);
	if (!n && lock_try()) {
		keep_settle();
		lock_leave();
		n = claim(im);
	}
	if (!n)
		return hold(to);
	atomic_store_explicit(&n->to, to, memory_order_seq_cst); /* partners: take, keep_missed */
	if (stays(to) || leaves(im))
		return true;
	if (take(n)) /* else the planner has */
		wipe(n);
	return false;
}

void keep_settle(void)
{
	for (unsigned i = 0; i < NOTES; i++) {
		struct image *to = take(&notes[i]), *im;

		if (!to)
			continue;
		/* relaxed: nobody changes it until it is wiped */
		im = atomic_load_explicit(&notes[i].im, memory_order_relaxed);
		if (atomic_load_explicit(&to->state, memory_order_relaxed) < IMAGE_FINI &&
		    !image_bind(im, to))
			hold(to); /* without memory: for good */
		wipe(&notes[i]);
	}
}

static bool is_one_of(struct image *const *im, unsigned n, const struct image *one)
{
	for (unsigned i = 0; i < n; i++)
		if (im[i] == one)
			return true;
	return false;
}

bool keep_missed(struct image *const *im, unsigned n)
{
	/* Sequentially consistent; partners: the stores in hold and keep_note. */
	for (unsigned i = 0; i < n; i++)
		if (atomic_load_explicit(&im[i]->held, memory_order_seq_cst))
			return true;
	for (unsigned i = 0; i < NOTES; i++) {
		struct image *to = atomic_load_explicit(&notes[i].to, memory_order_seq_cst);

		if (to && is_one_of(im, n, to) &&
		    !is_one_of(im, n, atomic_load_explicit(&notes[i].im, memory_order_relaxed)))
			return true;
	}
	return false;
}

void keep_forget(const struct image *im)
{
	for (unsigned i = 0; i < NOTES; i++) {
		if (atomic_load_explicit(&notes[i].im, memory_order_relaxed) != im &&
		    atomic_load_explicit(&notes[i].to, memory_order_relaxed) != im)
			continue;
		if (take(&notes[i]))
			wipe(&notes[i]);
	}
}

/* Whoever was writing one stayed in the parent. */
void keep_fork_child(void)
{
	for (unsigned i = 0; i < NOTES; i++)
		if (atomic_load_explicit(&notes[i].im, memory_order_relaxed) &&
		    !atomic_load_explicit(&notes[i].to, memory_order_relaxed))
			wipe(&notes[i]);
}

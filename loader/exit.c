/* SPDX-License-Identifier: MIT */
/*
 * exit: taking our turn among libc's destructors.
 *
 * At exit libc sorts all its images, dependents first, otherwise in load order, and calls their
 * destructors one after the other.  Ours would come somewhere between them, but libc does not know them.
 * It does call us (our own destructor), and it reads the DT_FINI_ARRAY entries of each image only when
 * that image's turn comes.  So we sort libc's images and ours together by the same rule, and for every
 * group of ours lend the next host image in that order one more destructor, which runs first there and
 * calls the group.  Groups without such an image run at once.
 *
 * Other namespaces come before everything else, the program too: their destructors hang on its first.
 *
 * A libc that does not sort (musl, and a static program) runs destructors in the reverse order of
 * constructors.  Ours are younger than the program, so they hang on its first destructor; those that a
 * start-up library's constructor opened are older, and hang on its last.
 *
 * What is written is libc's copy of two words in a dynamic section (private memory, behind RELRO); see
 * host-libc facts: both glibc and musl read them at that moment.
 */
#include "exit.h"

#include "../compat/host.h"
#include "arena.h"
#include "init.h"
#include "lock.h"
#include "registry.h"
#include "scope.h"
#include "text.h"
#include "tls.h"

enum { PROT_R = 1, PROT_W = 2 };

static struct image **order; /* everything, in the order of exit */
static unsigned norder, done;

static bool ours(const struct image *im)
{
	return !im->host;
}

/* A lent destructor: the group that is due, ours up to the next image that has one. */
static void run_group(void)
{
	while (done < norder) {
		struct image *im = order[done++];

		if (ours(im))
			init_fini(im);
		else if (im->hooked)
			return;
	}
}

/* The same for what is left after the last of them. */
static void run_rest(void)
{
	for (unsigned i = 0; i < norder; i++)
		if (ours(order[i]))
			init_fini(order[i]);
}

static bool is_vdso(const struct image *im)
{
	return host.vdso && im->map.start == host.vdso;
}

static elf_dyn *entry(const struct image *im, intptr_t tag)
{
	for (size_t i = 0; i < im->dyn.n; i++)
		if (im->dyn.at[i].d_tag == tag)
			return (elf_dyn *)(uintptr_t)&im->dyn.at[i];
	return NULL;
}

/* Opens or closes a dynamic section that is read-only, as RELRO or from the beginning. */
static bool writable(const struct image *im, bool yes)
{
	uintptr_t from = (uintptr_t)im->dyn.at, to = from + im->dyn.n * sizeof *im->dyn.at;

	if (!image_sealed(im, from) && map_has(&im->map, from - im->map.bias, to - from, PROT_R | PROT_W))
		return true;
	from &= ~(host.page - 1);
	to = (to + host.page - 1) & ~(host.page - 1);
	return host_mem->protect((void *)from, to - from, yes ? PROT_R | PROT_W : PROT_R) >= 0;
}

/*
 * One more function in im's DT_INIT_ARRAY or DT_FINI_ARRAY, at its end or its beginning.  Destructors run
 * backwards.
 */
static bool lend(struct image *im, intptr_t tag, void (*hook)(void), bool at_end)
{
	elf_dyn *array = entry(im, tag);
	elf_dyn *size = entry(im, tag == DT_INIT_ARRAY ? DT_INIT_ARRAYSZ : DT_FINI_ARRAYSZ);
	uintptr_t *new;
	size_t n;

	if (!array || !size || !size->d_un.d_val || is_vdso(im))
		return false;
	n = size->d_un.d_val / sizeof(uintptr_t);
	new = arena_alloc((n + 1) * sizeof *new);
	if (!new || !writable(im, true)) {
		arena_free(new);
		return false;
	}
	memcpy(new + !at_end, (void *)(im->map.bias + array->d_un.d_ptr), n * sizeof *new);
	new[at_end ? n : 0] = (uintptr_t)hook;
	array->d_un.d_ptr = (uintptr_t)new - im->map.bias;
	size->d_un.d_val = (n + 1) * sizeof *new;
	writable(im, false);
	return true;
}

static unsigned place(void)
{
	unsigned i = 0;

	while (i < norder && order[i] != registry.libdlrs)
		i++;
	return i;
}

static unsigned put(struct image **to, const struct space *sp, bool host_images)
{
	unsigned n = 0;

	for (struct image *im = sp->first; im; im = im->next)
		if (im->host == host_images)
			to[n++] = im;
	return n;
}

/*
 * Everything that libc or we will finalise; our place among them is where we are now.  The youngest
 * namespace is the first, the base the last.
 */
static bool collect(void)
{
	unsigned n, at = registry.nimage;

	order = arena_alloc(at * sizeof(*order));
	if (!order)
		return false;
	for (const struct space *sp = &registry.base; sp; sp = sp->next) {
		n = sp == &registry.base ? put(order, sp, true) : 0;
		n += put(order + n, sp, false);
		if (n && !scope_sort(order, n, false, true))
			return false;
		at -= n;
		memmove(order + at, order, n * sizeof(*order));
	}
	order += at;
	norder = registry.nimage - at;
	return true;
}

/*
 * As glibc does: from now on dlclose takes nothing away, and runs no destructors before their turn.  What
 * another thread constructs or closes just now is left to that thread, which may not have the time.
 */
static void keep_all(void)
{
	const struct thread *self = tls_thread_known();
	unsigned kept = 0;

	for (unsigned i = 0; i < norder; i++) {
		struct image *im = order[i];

		if (ours(im) && im->owner && im->owner != self)
			continue;
		im->pinned = true;
		order[kept++] = im;
	}
	norder = kept;
}

/*
 * Start-up images after us (others libc may have unloaded meanwhile) that have one of ours waiting before
 * them get the hook; what waits behind the last of them is called at that one's end.  False: nothing can
 * carry the rest.
 */
static bool lend_hooks(unsigned from)
{
	struct image *last = NULL;
	bool waiting = false;

	for (unsigned i = from; i < norder; i++) {
		struct image *im = order[i];

		if (ours(im)) {
			waiting |= im->fini_due;
		} else if (im->startup && im != registry.libdlrs && entry(im, DT_FINI_ARRAY)) {
			last = im;
			if (waiting && lend(im, DT_FINI_ARRAY, run_group, true))
				im->hooked = true, waiting = false;
		}
	}
	return !waiting || (last && lend(last, DT_FINI_ARRAY, run_rest, false));
}

/* Once; NEEDS_LOCK. */
static bool gather(void)
{
	static bool gathered;

	if (order)
		return gathered;
	gathered = collect();
	if (gathered)
		keep_all();
	return gathered;
}

/* The program's first destructor, when there are other namespaces. */
static void run_spaces(void)
{
	bool ok;

	lock_enter();
	ok = gather();
	lock_leave();
	for (; ok && done < norder && order[done]->space != &registry.base; done++)
		init_fini(order[done]);
}

/* --- where libc does not sort ----------------------------------------------------------------------- */

static unsigned older; /* so many were constructed before the program */

static struct image *youngest(unsigned after)
{
	struct image *last = NULL;

	for (struct space *sp = &registry.base; sp; sp = sp->next)
		for (struct image *im = sp->first; im; im = im->next)
			if (ours(im) && im->fini_due && im->turn > after && (!last || im->turn > last->turn))
				last = im;
	return last;
}

static void run_backwards(unsigned after)
{
	struct image *im;

	do {
		lock_enter();
		im = youngest(after);
		lock_leave();
		if (im)
			init_fini(im);
	} while (im);
}

static void run_younger(void)
{
	run_backwards(older);
}

static void run_older(void)
{
	run_backwards(0);
}

/* The program's first constructor, if we are here before it. */
static void program_begins(void)
{
	older = init_turns();
}

void exit_arm(const struct image *root)
{
	static bool armed;
	bool sorted = host.style->sorted && !host.is_static;

	if (host.is_static || (sorted && root->space == &registry.base))
		return;
	lock_enter();
	if (sorted) {
		armed = armed || lend(registry.program, DT_FINI_ARRAY, run_spaces, true);
	} else if (!armed && lend(registry.program, DT_FINI_ARRAY, run_younger, true)) {
		armed = true; /* the older ones are our own destructor's, if the next cannot be had */
		lend(registry.program, DT_FINI_ARRAY, run_older, false);
		lend(registry.program, DT_INIT_ARRAY, program_begins, false);
	}
	lock_leave();
}

/* --- our own destructor ------------------------------------------------------------------------------ */

void exit_run(void)
{
	static bool ran;
	bool lent;

	if (!host.style->sorted || host.is_static) {
		run_older();
		return;
	}
	lock_enter();
	if (ran || !gather()) {
		lock_leave();
		return;
	}
	ran = true;
	lent = lend_hooks(place());
	lock_leave();
	for (; done < norder && order[done] != registry.libdlrs; done++)
		if (ours(order[done]))
			init_fini(order[done]);
	if (!lent)
		run_rest();
}

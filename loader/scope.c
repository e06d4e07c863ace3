/* SPDX-License-Identifier: MIT */
/*
 * scope: where a reference is looked up, and in which order things happen.
 *
 * Called by reloc.c, lazy.c and the dlsym door to look up; by load.c, unload.c and registry.c to build.
 * Lookups take no lock: lists are append-only in place, everything else is replaced and retired.
 */
#include "scope.h"

#include "../compat/host.h"
#include "arena.h"
#include "deep.h"
#include "epoch.h"
#include "index.h"
#include "text.h"

struct image *scope_self, *scope_libc;

/* --- lookup ---------------------------------------------------------------------------------------- */

/*
 * Whoever gets hold of libc's own dlopen, __tls_get_addr, ... past our interposition (through a handle of
 * libc, or an odd link order) shall have ours.  Not RTLD_NEXT: whoever stands between us and libc, and to
 * whom we pass calls on, would pass them back to us.
 */
static void stand_in(struct sym_request *rq, struct sym_found *out)
{
	const elf_sym *ours = scope_self ? hash_lookup(&scope_self->st, rq) : NULL;

	if (ours)
		*out = (struct sym_found){scope_self, ours};
}

/* A reference to a symbol that its own image defines, when that image's turn has come: no search there. */
static const elf_sym *own(const struct symtab *st, struct sym_request *rq)
{
	return rq->own == st && hash_is(st, rq->own_sym, rq) ? &st->sym[rq->own_sym] : NULL;
}

/* Where to begin: what the index excludes need not be asked.  *found: the answer there, if it is known. */
static inline unsigned begin(struct scope_list *list, struct sym_request *rq, const elf_sym **found)
{
	/* Acquire: partner is the release in scope_expect. */
	const struct index *x = atomic_load_explicit(&list->index, memory_order_acquire);
	uint32_t sym;
	unsigned i;

	*found = own(&list->im[0]->st, rq);
	if (!x || *found)
		return 0;
	if (rq->hint.by == x) {
		i = rq->hint.at;
		sym = rq->hint.sym;
	} else {
		i = index_first(x, rq->gnu, &sym);
	}
	if (sym && hash_is(&list->im[i]->st, sym, rq))
		*found = &list->im[i]->st.sym[sym];
	return i;
}

bool scope_find_in(struct scope_list *list, unsigned from, struct sym_request *rq,
		   struct sym_found *out)
{
	/* Acquire: partner is the release in scope_append. */
	unsigned n = list ? atomic_load_explicit(&list->n, memory_order_acquire) : 0, i = from;
	const elf_sym *sym = NULL;

	if (!from && n)
		i = begin(list, rq, &sym);
	for (; !sym && i < n; i++) {
		const struct symtab *st = &list->im[i]->st;

		sym = own(st, rq);
		if (!sym)
			sym = hash_lookup(st, rq);
		if (sym)
			break;
	}
	*out = (struct sym_found){sym ? list->im[i] : NULL, sym};
	if (sym && from == 0 && out->im->libc_family)
		stand_in(rq, out);
	return sym;
}

/* libc's images: the program's global scope, in which ours may be; then what came along with a late one. */
static bool find_for_host(const struct image *im, struct sym_request *rq, struct sym_found *out)
{
	if (scope_find_in(atomic_load_explicit(&im->space->global, memory_order_acquire), 0, rq, out))
		return true;
	return !im->startup &&
	       scope_find_in(atomic_load_explicit(&im->search, memory_order_acquire), 0, rq, out);
}

/* RTLD_DEEPBIND: what is one for the whole process comes before the image's own. */
static bool find_shared(const struct image *im, struct sym_request *rq, struct sym_found *out)
{
	struct scope_list *global = atomic_load_explicit(&im->space->global, memory_order_acquire);

	return scope_find_in(global, 0, rq, out) && deep_shared(out->im, rq->name);
}

void scope_find_copy(const struct image *im, struct sym_request *rq, struct sym_found *out)
{
	struct space *sp = out->im->space;
	struct sym_found first;

	/* Acquire: partner is the release in scope_reserve. */
	if (im->space != sp && out->im->libc_family && ELF_ST_TYPE(out->sym->st_info) == STT_OBJECT &&
	    scope_find_in(atomic_load_explicit(&sp->global, memory_order_acquire), 0, rq, &first))
		*out = first;
}

bool scope_find(const struct image *im, struct sym_request *rq, struct sym_found *out)
{
	/* Acquire: partner is the release in scope_chain_publish. */
	struct scope_chain *chain = atomic_load_explicit(&im->chain, memory_order_acquire);

	if (im->host)
		return find_for_host(im, rq, out);
	if (im->deep && find_shared(im, rq, out))
		return true;
	if (im->dyn.symbolic && host.style->flags) {
		out->sym = hash_lookup(&im->st, rq);
		if (out->sym)
			return out->im = (struct image *)(uintptr_t)im, true;
	}
	for (unsigned i = 0; chain && i < chain->n; i++)
		if (scope_find_in(atomic_load_explicit(chain->scope[i], memory_order_acquire), 0, rq, out)) {
			scope_find_copy(im, rq, out);
			return true;
		}
	/* A namespace has no list with us in it, only libc, which may lack what we add. */
	out->im = NULL;
	stand_in(rq, out);
	return out->im;
}

static const struct index *index_of(const struct scope_chain *chain, unsigned i, struct scope_list **list)
{
	*list = atomic_load_explicit(chain->scope[i], memory_order_acquire);
	return *list ? atomic_load_explicit(&(*list)->index, memory_order_acquire) : NULL;
}

bool scope_is_large(const struct image *im)
{
	struct scope_chain *chain = atomic_load_explicit(&im->chain, memory_order_acquire);
	struct scope_list *list;

	for (unsigned i = 0; chain && i < chain->n; i++) {
		const struct index *x = index_of(chain, i, &list);

		if (x && index_is_large(x))
			return true;
	}
	return false;
}

/* Asks the index once and for all. */
static void fetch_image(struct scope_list *list, const struct index *x, struct sym_request *rq)
{
	uint32_t sym, at = index_first(x, rq->gnu, &sym);
	const struct symtab *st;

	if (!sym)
		return;
	st = &list->im[at]->st;
	rq->hint.by = x;
	rq->hint.st = st;
	rq->hint.at = at;
	rq->hint.sym = sym;
	__builtin_prefetch(st);
	__builtin_prefetch(&st->versym);
}

static void fetch_symbol(const struct sym_request *rq)
{
	const struct symtab *st = rq->hint.st;

	__builtin_prefetch(&st->sym[rq->hint.sym]);
	if (st->versym)
		__builtin_prefetch(&st->versym[rq->hint.sym]);
}

static void fetch_name(const struct sym_request *rq)
{
	const struct symtab *st = rq->hint.st;

	hash_fetch(hash_name(st, &st->sym[rq->hint.sym]));
}

static void ask_indexes(const struct image *im, struct sym_request *rq, bool only_fetch)
{
	struct scope_chain *chain = atomic_load_explicit(&im->chain, memory_order_acquire);

	for (unsigned i = 0; chain && i < chain->n; i++) {
		struct scope_list *list;
		const struct index *x = index_of(chain, i, &list);

		if (x && only_fetch)
			index_prefetch(x, rq->gnu);
		else if (x && !rq->hint.by)
			fetch_image(list, x, rq);
	}
}

void scope_prefetch(const struct image *im, struct sym_request *rq, enum scope_step step)
{
	if (step <= SCOPE_FETCH_IMAGE)
		ask_indexes(im, rq, step == SCOPE_FETCH_INDEX);
	else if (rq->hint.by && step == SCOPE_FETCH_SYMBOL)
		fetch_symbol(rq);
	else if (rq->hint.by)
		fetch_name(rq);
}

/* --- lists ----------------------------------------------------------------------------------------- */

struct scope_list *scope_list_new(unsigned cap)
{
	struct scope_list *list = arena_alloc(sizeof *list + cap * sizeof *list->im);

	if (list)
		list->cap = cap;
	return list;
}

void scope_list_free(struct scope_list *list)
{
	if (!list)
		return;
	arena_free(atomic_load_explicit(&list->index, memory_order_relaxed));
	arena_free(list);
}

/*
 * A lookup without index asks half the list on average, some nanoseconds each; to enter a symbol costs as
 * much as a few such questions, and page faults in tables that nobody else reads.
 */
void scope_expect(struct scope_list *list, size_t lookups)
{
	struct index *old = atomic_load_explicit(&list->index, memory_order_relaxed), *new;
	unsigned n = atomic_load_explicit(&list->n, memory_order_relaxed);
	unsigned plain = n - (old ? index_len(old) : 0);

	list->lookups += lookups;
	if (plain < 4 || list->lookups * plain / 2 < 4 * index_cost(list->im, n))
		return;
	list->lookups = 0;
	new = index_new(list->im, n);
	if (!new)
		return;
	/* Release: partner is the acquire in begin. */
	atomic_store_explicit(&list->index, new, memory_order_release);
	if (old)
		epoch_retire(old);
}

static struct scope_list *list_of(_Atomic(struct scope_list *) *list)
{
	return atomic_load_explicit(list, memory_order_relaxed);
}

static unsigned list_len(struct scope_list *list)
{
	return list ? atomic_load_explicit(&list->n, memory_order_relaxed) : 0;
}

bool scope_reserve(_Atomic(struct scope_list *) *list, unsigned extra)
{
	struct scope_list *old = list_of(list), *new;
	unsigned n = list_len(old);

	if (old && old->cap - n >= extra)
		return true;
	new = scope_list_new(2 * n + extra);
	if (!new)
		return false;
	if (n)
		memcpy(new->im, old->im, n * sizeof *new->im);
	atomic_store_explicit(&new->n, n, memory_order_relaxed);
	/* The index goes along: it covers the beginning, which is the same. */
	new->lookups = old ? old->lookups : 0;
	if (old)
		atomic_store_explicit(&new->index,
				      atomic_load_explicit(&old->index, memory_order_relaxed),
				      memory_order_relaxed);
	/* Release: partner is the acquire in scope_find and the dlsym door. */
	atomic_store_explicit(list, new, memory_order_release);
	if (old)
		epoch_retire(old);
	return true;
}

void scope_append(_Atomic(struct scope_list *) *list, struct image *im)
{
	struct scope_list *l = list_of(list);
	unsigned n = list_len(l);

	l->im[n] = im;
	/* Release: partner is the acquire in scope_find_in. */
	atomic_store_explicit(&l->n, n + 1, memory_order_release);
}

static bool is_dead(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_relaxed) >= IMAGE_FINI;
}

/* Without memory for a copy the list is closed up in place: a reader may then meet an image twice. */
void scope_prune(_Atomic(struct scope_list *) *list)
{
	struct scope_list *old = list_of(list), *new;
	unsigned n = list_len(old), kept = 0;

	for (unsigned i = 0; i < n; i++)
		kept += !is_dead(old->im[i]);
	if (kept == n)
		return;
	new = scope_list_new(old->cap);
	if (!new)
		new = old;
	epoch_retire(atomic_exchange_explicit(&old->index, NULL, memory_order_relaxed));
	kept = 0;
	for (unsigned i = 0; i < n; i++)
		if (!is_dead(old->im[i]))
			new->im[kept++] = old->im[i];
	atomic_store_explicit(&new->n, kept, memory_order_release);
	if (new == old)
		return;
	atomic_store_explicit(list, new, memory_order_release);
	epoch_retire(old);
}

bool scope_contains(struct scope_list *list, const struct image *im)
{
	for (unsigned i = 0; i < list_len(list); i++)
		if (list->im[i] == im)
			return true;
	return false;
}

/* --- chains ---------------------------------------------------------------------------------------- */

void scope_chain_publish(struct image *im, struct scope_chain *new)
{
	struct scope_chain *old = atomic_load_explicit(&im->chain, memory_order_relaxed);

	/* Release: partner is the acquire in scope_find. */
	atomic_store_explicit(&im->chain, new, memory_order_release);
	if (old)
		epoch_retire(old);
}

bool scope_chain_with(struct image *im, _Atomic(struct scope_list *) *list, struct scope_chain **out)
{
	struct scope_chain *old = atomic_load_explicit(&im->chain, memory_order_relaxed), *new;
	unsigned n = old ? old->n : 0;

	*out = NULL;
	for (unsigned i = 0; i < n; i++)
		if (old->scope[i] == list)
			return true;
	new = arena_alloc(sizeof *new + (n + 1) * sizeof(*new->scope));
	if (!new)
		return false;
	if (n)
		memcpy(new->scope, old->scope, n * sizeof(*new->scope));
	new->scope[n] = list;
	new->n = n + 1;
	*out = new;
	return true;
}

void scope_chain_drop(struct image *im, _Atomic(struct scope_list *) *list)
{
	struct scope_chain *old = atomic_load_explicit(&im->chain, memory_order_relaxed), *new;
	unsigned kept = 0;

	for (unsigned i = 0; old && i < old->n; i++)
		kept += old->scope[i] != list;
	if (!old || kept == old->n)
		return;
	new = arena_alloc(sizeof *new + kept * sizeof(*new->scope));
	if (!new)
		new = old; /* closed up in place: a reader may look twice into one list */
	kept = 0;
	for (unsigned i = 0; i < old->n; i++)
		if (old->scope[i] != list)
			new->scope[kept++] = old->scope[i];
	new->n = kept;
	if (new != old)
		scope_chain_publish(im, new);
}

/* --- order ----------------------------------------------------------------------------------------- */

struct sorter {
	struct image **out;   /* filled from the end */
	struct image **stack; /* the path to where we are; index counts the children done */
	unsigned head;
	bool follow_binds;
};

static struct image *child(struct sorter *s, struct image *im)
{
	unsigned i = im->index++;

	if (i < im->norder)
		return im->order[i];
	i -= im->norder;
	return s->follow_binds && i < im->nbinds ? im->binds[im->nbinds - 1 - i] : NULL;
}

/* Depth first from im; an image is put out when all it depends on has been. */
static void descend(struct sorter *s, struct image *im)
{
	unsigned depth = 0;

	if (!im->unsorted)
		return;
	im->unsorted = false;
	im->index = 0;
	s->stack[depth++] = im;
	while (depth) {
		struct image *top = s->stack[depth - 1], *next = child(s, top);

		if (!next) {
			s->out[--s->head] = top;
			depth--;
		} else if (next->unsorted && !next->program) {
			next->unsorted = false;
			next->index = 0;
			s->stack[depth++] = next;
		}
	}
}

static void pass(struct sorter *s, struct image **in, struct image **out, unsigned n)
{
	s->out = out;
	s->head = n;
	for (unsigned i = 0; i < n; i++)
		in[i]->unsorted = true;
	for (unsigned i = 0; i < n; i++)
		descend(s, in[host.style->sorted ? n - 1 - i : i]);
}

static void move_to_front(struct image **im, unsigned n, struct image *first)
{
	unsigned i = 0;

	while (i < n && im[i] != first)
		i++;
	for (; i > 0; i--)
		im[i] = im[i - 1];
	im[0] = first;
}

/* glibc sorts a whole namespace at once, and twice as soon as one image there has ever had a binding. */
static bool any_binds(const struct space *sp)
{
	for (const struct image *im = sp ? sp->first : NULL; im; im = im->next)
		if (im->binds)
			return true;
	return false;
}

bool scope_sort(struct image **im, unsigned n, bool keep_first, bool for_fini)
{
	struct image *first = im[0];
	struct image **work = arena_alloc(2 * n * sizeof(*work));
	struct sorter s = {.follow_binds = for_fini};

	if (!work)
		return false;
	s.stack = work + n;
	pass(&s, im, work, n);
	/* Once more without them, so that they never outweigh a dependency. */
	if (for_fini && any_binds(first->space)) {
		s.follow_binds = false;
		pass(&s, work, im, n);
	} else {
		memcpy(im, work, n * sizeof(*im));
	}
	if (keep_first)
		move_to_front(im, n, first);
	arena_free(work);
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * load: the transaction of one dlopen.
 *
 * load_link below is the story, top to bottom:
 *
 *   find       by name among the loaded, then by file, else a new image is staged: mapped and parsed;
 *              the same for every DT_NEEDED, breadth first, until nothing new turns up
 *   scope      versions are checked; who comes before whom; where references are looked up
 *   reserve    every allocation that commit will need
 *   relocate   dependencies first; IFUNC resolvers last; then memory is protected
 *   commit     cannot fail: it is void
 *   drop       legal only before commit: takes back exactly what this load did
 *
 * Until commit the new images are known only to struct load and, under the lock, to the registry's
 * tables of names.  Constructors are init.c's business, after the door has left the lock.
 */
#include "load.h"

#include "../arch/arch.h"
#include "../compat/host.h"
#include "adopt.h"
#include "arena.h"
#include "debugger.h"
#include "epoch.h"
#include "find.h"
#include "frame.h"
#include "guard.h"
#include "lazy.h"
#include "registry.h"
#include "reloc.h"
#include "text.h"
#include "tls.h"
#include "version.h"
#include "unique.h"

enum { NOW = 2, DEEPBIND = 8, GLOBAL = 0x100, NODELETE = 0x1000 };

static char *running; /* whose load it is: an IFUNC resolver must not open libraries.  NEEDS_LOCK */

/* --- scope ----------------------------------------------------------------------------------------- */

struct version_check {
	struct load *ld;
	struct image *im;
};

static bool has_name(const struct image *im, const char *name)
{
	if (im->dyn.soname && text_eq(im->dyn.soname, name))
		return true;
	for (const struct image_name *n = im->names; n; n = n->next)
		if (text_eq(n->text, name))
			return true;
	return false;
}

static const struct image *definer(const struct version_check *c, const char *file)
{
	for (unsigned i = 0; i < c->im->nneeded; i++)
		if (has_name(c->im->needed[i], file))
			return c->im->needed[i];
	for (unsigned i = 0; i < c->ld->search->n; i++)
		if (has_name(c->ld->search->im[i], file))
			return c->ld->search->im[i];
	return NULL;
}

static const char *newest_version(const struct symtab *st)
{
	const char *name = NULL;

	for (unsigned i = 0; i < st->nversion; i++)
		if (st->versions[i].name && !st->versions[i].file &&
		    !text_eq(st->versions[i].name, "GLIBC_PRIVATE"))
			name = st->versions[i].name;
	return name;
}

static bool check_version(const struct version_need *need, void *arg)
{
	const struct version_check *c = arg;
	const struct image *im = host.style->versions ? definer(c, need->file) : NULL;
	const char *newest;

	/* A library without versions satisfies every version, as in glibc. */
	if (!im || !im->st.has_verdef || need->weak || version_defined(&im->st, need->name, need->hash))
		return true;
	diag_set(c->ld->diag, DIAG_NO_VERSION, "%s: version `%s' not found (required by %s)",
		 image_label(im), need->name, image_label(c->im));
	newest = newest_version(&im->st);
	if (newest)
		diag_add(c->ld->diag, " (the newest it defines is %s)", newest);
	return false;
}

static bool versions(struct load *ld)
{
	for (unsigned i = 0; i < ld->nfresh; i++) {
		struct image *im = ld->fresh[i];
		struct version_check c = {ld, im};

		if (!version_each_need(&im->st, &im->dyn, &im->map, check_version, &c)) {
			if (!ld->diag->kind)
				diag_set(ld->diag, DIAG_BAD_ELF, "%s: invalid symbol versions", im->path);
			return false;
		}
	}
	return true;
}

/* The root's whole closure, dependents first. */
static bool sort(struct load *ld)
{
	unsigned n = ld->search->n, norder = ld->root->norder;
	bool ok;

	ld->order = arena_alloc(n * sizeof(*ld->order));
	if (!ld->order)
		return diag_no_memory(ld->diag, ld->root->path);
	memcpy(ld->order, ld->search->im, n * sizeof(*ld->order));
	/* glibc sorts before it notes what a new root depends on: circles that lead back to it end there. */
	if (stage_is_fresh(ld->root) && host.style->sorted)
		ld->root->norder = 0;
	ok = scope_sort(ld->order, n, true, false);
	ld->root->norder = norder;
	return ok || diag_no_memory(ld->diag, ld->root->path);
}

/* New images: the global scope, then the root's closure; the other way round with RTLD_DEEPBIND. */
static bool chains(struct load *ld)
{
	for (unsigned i = 0; i < ld->nfresh; i++) {
		struct scope_chain *c = arena_alloc(sizeof *c + 2 * sizeof(*c->scope));
		bool deep = ld->mode & DEEPBIND && host.style->flags;

		if (!c)
			return diag_no_memory(ld->diag, ld->root->path);
		c->n = 2;
		c->scope[deep] = &ld->space->global;
		c->scope[!deep] = &ld->root->search;
		ld->fresh[i]->deep = deep;
		scope_chain_publish(ld->fresh[i], c); /* nobody sees the image yet */
	}
	return true;
}

/*
 * Images of ours that were loaded before and are in this closure can be asked to look here as well; made
 * now, published by commit.
 */
static bool older_chains(struct load *ld)
{
	unsigned n = ld->search->n;

	ld->chains = arena_alloc(n * sizeof(*ld->chains));
	if (!ld->chains)
		return diag_no_memory(ld->diag, ld->root->path);
	for (unsigned i = 0; i < n; i++) {
		struct image *im = ld->search->im[i];

		if (!im->host && !stage_is_fresh(im) &&
		    !scope_chain_with(im, &ld->root->search, &ld->chains[i]))
			return diag_no_memory(ld->diag, ld->root->path);
	}
	return true;
}

/* So many names will be looked up in both lists of the new images' chains. */
static void expect(struct load *ld)
{
	struct scope_list *global = atomic_load_explicit(&ld->space->global, memory_order_relaxed);
	size_t lookups = 0;

	for (unsigned i = 0; i < ld->nfresh; i++) {
		const struct dyn *dy = &ld->fresh[i]->dyn;

		lookups += dy->rel.n - dy->relative_count + (ld->mode & NOW ? dy->plt.n : 0);
	}
	scope_expect(ld->search, lookups);
	if (global)
		scope_expect(global, lookups);
}

/*
 * Lookups of the new images go through its closure from now on, and what it binds to in there is no more than
 * a dependency.  An older root gets both at commit.
 */
static void settle_root(struct load *ld)
{
	struct image *root = ld->root;

	atomic_store_explicit(&root->search, ld->search, memory_order_release);
	arena_free(root->order);
	root->order = ld->order;
	root->norder = ld->search->n;
}

static bool scope(struct load *ld)
{
	if (!versions(ld) || !sort(ld) || !chains(ld) || !older_chains(ld))
		return false;
	expect(ld);
	if (stage_is_fresh(ld->root))
		settle_root(ld);
	return true;
}

/* --- reserve, relocate, protect -------------------------------------------------------------------- */

static bool reserve(struct load *ld)
{
	unsigned global = ld->search->n;

	for (unsigned i = 0; i < ld->nfresh; i++)
		if (!reloc_tls(ld->fresh[i], ld->diag))
			return false;
	for (unsigned i = 0; i < ld->nfresh; i++)
		if (ld->fresh[i]->tls.memsz && !tls_reserve(ld->fresh[i], ld->diag))
			return false;
	if (!find_reserve(ld->nfresh) ||
	    !scope_reserve(&ld->space->global, ld->space->promised + global))
		return diag_no_memory(ld->diag, ld->root->path);
	return true;
}

static bool bind(struct load *ld, struct image *im)
{
	uint64_t t = stage_clock();
	bool ok;

	im->lazy = !(ld->mode & NOW) && !host.bind_now && !image_is_foreign(im) && lazy_prepare(im);
	im->lenient = host.style->lazy_data && !(ld->mode & NOW) && !im->dyn.bind_now;
	ok = reloc_bind(im, ld->diag);
	if (ok && im->lazy)
		lazy_prepare(im); /* once more, should relocation have written there */
	im->ns_reloc = stage_clock() - t;
	diag_trace(TRACE_RELOC, "reloc: %s: %u relocations%s", im->path, im->nreloc,
		   im->lazy ? ", lazy" : "");
	return ok;
}

static bool finish_image(struct load *ld, struct image *im)
{
	uint64_t t = stage_clock();
	bool ok = reloc_ifunc(im, ld->diag) &&
		  (!im->map.textrel_open || map_textrel(&im->map, false, im->path, ld->diag)) &&
		  map_protect(&im->map, im->path, ld->diag);

	im->ns_reloc += stage_clock() - t;
	return ok;
}

static bool relocate(struct load *ld)
{
	unsigned n = ld->search->n;

	for (unsigned i = n; i-- > 0;)
		if (stage_is_fresh(ld->order[i]) && !bind(ld, ld->order[i]))
			return false;
	if (!guard_whole(ld->diag)) /* before their code runs: resolvers */
		return false;
	for (unsigned i = n; i-- > 0;)
		if (stage_is_fresh(ld->order[i]) && !finish_image(ld, ld->order[i]))
			return false;
	for (unsigned i = 0; i < ld->nfresh; i++) {
		tls_fill(ld->fresh[i]);
		frame_find(ld->fresh[i]);
		image_set_state(ld->fresh[i], IMAGE_RELOCATED);
	}
	return true;
}

/* --- commit, drop ---------------------------------------------------------------------------------- */

static void opened(struct load *ld)
{
	struct image *root = ld->root;

	root->opens++;
	if (ld->mode & NODELETE)
		root->pinned = true;
	if (ld->mode & GLOBAL)
		ld->space->promised += ld->search ? ld->search->n : 0;
}

/* From here on everybody sees the new images.  Cannot fail. */
static void commit(struct load *ld)
{
	struct image *root = ld->root;

	if (ld->nfresh) {
		root->caller = NULL; /* what it opens later does not inherit this caller's RPATH */
		adopt_displaced(ld->fresh, ld->nfresh);
	}
	for (unsigned i = 0; i < ld->nfresh; i++) {
		struct image *im = ld->fresh[i];

		if (im->dyn.flags_1 & DF_1_NODELETE)
			im->pinned = true;
		if (im->tls.memsz)
			tls_commit(im);
		image_set_state(im, IMAGE_COMMITTED);
		registry_add(im);
	}
	if (ld->nfresh)
		find_publish();
	debugger_add(ld->fresh, ld->nfresh);
	/* Release: partners are the acquires in scope.c, resolve.c and the dlsym door. */
	atomic_store_explicit(&root->search, ld->search, memory_order_release);
	for (unsigned i = 0; i < ld->search->n; i++)
		if (ld->chains[i])
			scope_chain_publish(ld->search->im[i], ld->chains[i]);
	if (root->order != ld->order)
		arena_free(root->order);
	root->order = ld->order;
	root->norder = ld->search->n;
	image_unbind_dependencies(root);
	atomic_store_explicit(&root->settled, false, memory_order_relaxed);
	opened(ld);
}

/* Takes back what this load did; nothing of it was visible. */
static void drop(struct load *ld)
{
	if (ld->root && ld->search &&
	    atomic_load_explicit(&ld->root->search, memory_order_relaxed) == ld->search)
		atomic_store_explicit(&ld->root->search, NULL, memory_order_relaxed);
	for (unsigned i = 0; ld->chains && i < ld->search->n; i++)
		arena_free(ld->chains[i]);
	unique_undo(ld->space);
	if (ld->root && ld->root->order == ld->order)
		ld->order = NULL; /* goes with the root */
	for (unsigned i = ld->nfresh; i-- > 0;) {
		struct image *im = ld->fresh[i];

		registry_forget(im);
		if (im->tls.memsz)
			tls_drop(im);
		image_free(im);
	}
	arena_free(ld->order);
	scope_list_free(ld->search);
	ld->order = NULL;
	ld->search = NULL;
	find_unreserve();
}

/* --- the story ------------------------------------------------------------------------------------- */

/* A library that is here already: as a root of its own it needs a closure, the first time. */
static bool reopen(struct load *ld)
{
	struct image *root = ld->root;

	if (root->host && !root->program && !registry_search(root))
		return diag_no_memory(ld->diag, root->path);
	if (root->program || atomic_load_explicit(&root->search, memory_order_relaxed)) {
		if ((ld->mode & GLOBAL) && !root->program) {
			ld->search = atomic_load_explicit(&root->search, memory_order_relaxed);
			if (!scope_reserve(&ld->space->global, ld->space->promised + ld->search->n)) {
				ld->search = NULL;
				return diag_no_memory(ld->diag, root->path);
			}
		}
		opened(ld);
		return true;
	}
	if (stage_closure(ld) && scope(ld) && reserve(ld)) {
		commit(ld);
		return true;
	}
	drop(ld);
	return false;
}

static bool fresh_load(struct load *ld)
{
	return stage_closure(ld) && scope(ld) && reserve(ld) && relocate(ld);
}

static bool link(struct load *ld)
{
	struct stage_reference ref = {ld->name, NULL};
	bool ok;

	unique_begin();
	host_cache_recheck();
	ld->root = stage_find(ld, &ref);
	if (ld->root && !ld->nfresh)
		return reopen(ld);
	ok = ld->root && fresh_load(ld);
	if (guard_end(ld->diag) && ok) {
		commit(ld);
		return true;
	}
	drop(ld);
	return false;
}

bool load_link(struct load *ld)
{
	bool ok;

	if (running == arch_tp())
		return diag_set(ld->diag, DIAG_USAGE, "%s: dlopen called from an IFUNC resolver", ld->name);
	if (running && !guard_end(ld->diag)) /* a thread's that _Fork left behind in the middle of it */
		diag_clear(ld->diag);
	running = arch_tp();
	ok = link(ld);
	running = NULL;
	epoch_tidy();
	arena_free(ld->fresh);
	arena_free(ld->chains);
	ld->fresh = NULL;
	ld->chains = NULL;
	ld->nfresh = ld->capfresh = 0;
	return ok;
}

/* libc's own are in every namespace's, the flag says whether they are in the base one's. */
static bool is_global(const struct space *sp, const struct image *im)
{
	return im->space == sp ? im->global
			       : scope_contains(atomic_load_explicit(&sp->global, memory_order_relaxed), im);
}

/* Room was reserved by load_link; between the two only other loads appended, each to its own promise. */
void load_finish(struct load *ld)
{
	struct scope_list *list;

	if (!(ld->mode & GLOBAL) || !ld->search)
		return;
	list = atomic_load_explicit(&ld->root->search, memory_order_relaxed);
	ld->space->promised -= ld->search->n;
	for (unsigned i = 0; i < list->n; i++) {
		struct image *im = list->im[i];

		if (is_global(ld->space, im) || !scope_reserve(&ld->space->global, 1))
			continue;
		scope_append(&ld->space->global, im);
		if (im->space == ld->space)
			im->global = true;
	}
	for (struct image *im = ld->space->first; im; im = im->next)
		if (im->host)
			lazy_adopt(im);
}

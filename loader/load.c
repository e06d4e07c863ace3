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

#include "../compat/host.h"
#include "arena.h"
#include "epoch.h"
#include "find.h"
#include "lazy.h"
#include "registry.h"
#include "reloc.h"
#include "search.h"
#include "text.h"
#include "tls.h"
#include "version.h"

enum { NOW = 2, NOLOAD = 4, DEEPBIND = 8, GLOBAL = 0x100, NODELETE = 0x1000 };

static uint64_t serial;	 /* of the load that runs: image.serial says who is in its closure */
static bool running;	 /* an IFUNC resolver must not open libraries */

static bool is_fresh(const struct image *im)
{
	return atomic_load_explicit(&im->state, memory_order_relaxed) < IMAGE_COMMITTED;
}

static void set_state(struct image *im, enum image_state state)
{
	atomic_store_explicit(&im->state, state, memory_order_relaxed);
}

static uint64_t clock(void)
{
	return diag_on(TRACE_STATISTICS) ? host_nanoseconds() : 0;
}

/* --- find, map, parse ------------------------------------------------------------------------------ */

struct reference { /* a name that somebody asked for */
	const char *name;
	struct image *from; /* who has it in DT_NEEDED; NULL: dlopen's argument */
};

/* Who needed it, and through which chain. */
static void add_chain(struct load *ld, const struct image *from, const char *tried)
{
	bool open = from || *tried;

	if (from)
		diag_add(ld->diag, " (needed by %s", image_label(from));
	for (const struct image *im = from ? from->caller : NULL; im && is_fresh(im); im = im->caller)
		diag_add(ld->diag, ", needed by %s", image_label(im));
	if (*tried)
		diag_add(ld->diag, "%ssearched: %s", from ? "; " : " (", tried);
	if (open)
		diag_add(ld->diag, ")");
}

static bool want(struct load *ld, enum load_want what, const char *name)
{
	ld->want = what;
	text_copy(ld->want_name, sizeof ld->want_name, name);
	return diag_set(ld->diag, DIAG_NOT_FOUND, "%s: must be loaded by libc first", name);
}

static bool grow_fresh(struct load *ld)
{
	unsigned cap = ld->capfresh ? 2 * ld->capfresh : 8;
	struct image **more;

	if (ld->nfresh < ld->capfresh)
		return true;
	more = arena_grow(ld->fresh, ld->capfresh * sizeof(*more), cap * sizeof(*more));
	if (!more)
		return false;
	ld->fresh = more;
	ld->capfresh = cap;
	return true;
}

/* Names under which a second dlopen or DT_NEEDED will find it. */
static bool enter_names(struct load *ld, struct image *im, const char *asked)
{
	const char *soname = im->dyn.soname;

	if (im->is_private)
		return true;
	if (registry_name(im, im->path) && registry_name(im, asked) &&
	    (!soname || registry_name(im, soname)))
		return true;
	return diag_no_memory(ld->diag, im->path);
}

static bool check_stack(const struct image *im, struct diag *d)
{
	if (!im->exec_stack || registry.program->exec_stack)
		return true;
	return diag_set(d, DIAG_REFUSED,
			"%s: cannot enable executable stack as shared object requires: Invalid argument"
			" (rebuild it with -z noexecstack, or clear the flag with `execstack -c` or"
			" `patchelf --clear-execstack`)",
			im->path);
}

/* Stages 2 and 3 of one file. */
static bool take_file(struct load *ld, struct image *im, struct file *f)
{
	uint64_t t = clock();

	im->dev = f->dev;
	im->ino = f->ino;
	if (!map_image(&im->map, f, ld->diag))
		return false;
	set_state(im, IMAGE_MAPPED);
	if (!image_headers(im, f->ph, f->phnum, f->eh.e_phoff, ld->diag) ||
	    !image_parse(im, NULL, ld->diag))
		return false;
	if (im->dyn.flags_1 & DF_1_NOOPEN)
		return diag_set(ld->diag, DIAG_REFUSED, "%s: shared object cannot be dlopen()ed",
				im->path);
	if (!check_stack(im, ld->diag))
		return false;
	set_state(im, IMAGE_PARSED);
	im->ns_map = clock() - t;
	diag_trace(TRACE_MAP, "map: %s at %lx-%lx", im->path, (unsigned long)im->map.start,
		   (unsigned long)im->map.end);
	return true;
}

static struct image *stage(struct load *ld, const struct reference *ref, struct file *f)
{
	struct image *im;

	if (!grow_fresh(ld) || !(im = image_new(ld->space, f->path))) {
		diag_no_memory(ld->diag, f->path);
		return NULL;
	}
	ld->fresh[ld->nfresh++] = im;
	im->caller = ref->from ? ref->from : ld->caller;
	im->is_private = !ref->from && (ld->mode & ELF_RTLD_PRIVATE);
	if (!take_file(ld, im, f) || !enter_names(ld, im, ref->name))
		return NULL;
	return im;
}

/* An image of libc's that it might unload again must be pinned before anything of ours binds to it. */
static struct image *use(struct load *ld, struct image *im)
{
	if (!im->host || im->startup || im->host_pinned)
		return im;
	want(ld, LOAD_HOST_PIN, im->path);
	return NULL;
}

/*
 * Another thread runs the destructors of this very file: a second copy meanwhile would surprise it.  (The
 * same thread, in such a destructor, gets its second copy.)
 */
static bool must_wait(struct load *ld, const struct file *f)
{
	if (ld->waited)
		return false;
	ld->dying = registry_dying(ld->space, f->dev, f->ino);
	return ld->dying && ld->dying->owner && ld->dying->owner != tls_thread_known();
}

static struct image *open_file(struct load *ld, const struct reference *ref)
{
	struct search s = {.name = ref->name,
			   .caller = ref->from ? ref->from : ld->caller,
			   .is_needed = ref->from != NULL,
			   .program = registry.program};
	bool is_private = !ref->from && (ld->mode & ELF_RTLD_PRIVATE);
	struct image *im = NULL;
	uint64_t t = clock();
	struct file f;

	if (!search_open(&s, &f, ld->diag)) {
		add_chain(ld, ref->from, s.tried);
		return NULL;
	}
	t = clock() - t;
	diag_trace(TRACE_FIND, "find: %s -> %s", ref->name, s.path);
	if (!is_private)
		im = registry_by_file(ld->space, f.dev, f.ino);
	if (im) {
		if (!registry_name(im, ref->name))
			im = (diag_no_memory(ld->diag, ref->name), NULL);
		else
			im = use(ld, im);
	} else if (!ref->from && (ld->mode & NOLOAD)) {
		ld->not_loaded = true;
	} else if (!is_private && must_wait(ld, &f)) {
		want(ld, LOAD_WAIT, s.path);
	} else if (host_only(text_base(s.path)) && !ld->host_tried) {
		/* libc's family and libgcc_s come from libc's own dlopen */
		want(ld, LOAD_HOST_OPEN, s.path);
	} else {
		im = stage(ld, ref, &f);
		if (im)
			im->ns_find = t;
		else if (ref->from && !ld->want)
			add_chain(ld, ref->from, "");
	}
	file_close(&f);
	return im;
}

/* Stage 1: the image that a name means, loaded or new. */
static struct image *find(struct load *ld, const struct reference *ref)
{
	bool is_private = !ref->from && (ld->mode & ELF_RTLD_PRIVATE);
	struct image *im = is_private ? NULL : registry_by_name(ld->space, ref->name);

	if (im)
		return use(ld, im);
	return open_file(ld, ref);
}

/* --- the closure ----------------------------------------------------------------------------------- */

static bool push(struct load *ld, struct image *im)
{
	struct scope_list *old = ld->search, *new;

	if (im->serial == serial)
		return true;
	im->serial = serial;
	if (!old || old->n == old->cap) {
		new = scope_list_new(old ? 2 * old->cap : 8);
		if (!new)
			return diag_no_memory(ld->diag, im->path);
		if (old)
			memcpy(new->im, old->im, old->n * sizeof(*old->im));
		new->n = old ? old->n : 0;
		arena_free(old);
		ld->search = new;
	}
	ld->search->im[ld->search->n++] = im;
	return true;
}

/* The direct dependencies of a new image; glibc's initial order is itself, then they. */
static bool needed(struct load *ld, struct image *im)
{
	unsigned n = im->dyn.nneeded;

	im->needed = arena_alloc((n + 1) * sizeof(*im->needed));
	im->order = arena_alloc((n + 1) * sizeof(*im->order));
	if (!im->needed || !im->order)
		return diag_no_memory(ld->diag, im->path);
	im->order[im->norder++] = im;
	for (unsigned i = 0; i < n; i++) {
		struct reference ref = {dyn_needed(&im->dyn, &im->st, i), im};
		struct image *to = find(ld, &ref);

		if (!to)
			return false;
		im->needed[im->nneeded++] = to;
		im->order[im->norder++] = to;
	}
	return true;
}

static bool closure(struct load *ld)
{
	if (!push(ld, ld->root))
		return false;
	for (unsigned i = 0; i < ld->search->n; i++) {
		struct image *im = ld->search->im[i];

		if (!im->order && !needed(ld, im))
			return false;
		for (unsigned k = 0; k < im->nneeded; k++)
			if (!push(ld, im->needed[k]))
				return false;
	}
	return true;
}

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
	const struct image *im = definer(c, need->file);
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
	unsigned n = ld->search->n;

	ld->order = arena_alloc(n * sizeof(*ld->order));
	if (!ld->order)
		return diag_no_memory(ld->diag, ld->root->path);
	memcpy(ld->order, ld->search->im, n * sizeof(*ld->order));
	return scope_sort(ld->order, n, true, false) || diag_no_memory(ld->diag, ld->root->path);
}

/* New images: the global scope, then the root's closure; the other way round with RTLD_DEEPBIND. */
static bool chains(struct load *ld)
{
	for (unsigned i = 0; i < ld->nfresh; i++) {
		struct scope_chain *c = arena_alloc(sizeof *c + 2 * sizeof(*c->scope));
		bool deep = ld->mode & DEEPBIND;

		if (!c)
			return diag_no_memory(ld->diag, ld->root->path);
		c->n = 2;
		c->scope[deep] = &ld->space->global;
		c->scope[!deep] = &ld->root->search;
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

		if (!im->host && !is_fresh(im) &&
		    !scope_chain_with(im, &ld->root->search, &ld->chains[i]))
			return diag_no_memory(ld->diag, ld->root->path);
	}
	return true;
}

static bool scope(struct load *ld)
{
	if (!versions(ld) || !sort(ld) || !chains(ld) || !older_chains(ld))
		return false;
	/* Lookups of the new images go through it from now on; no one else's do. */
	atomic_store_explicit(&ld->root->search, ld->search, memory_order_release);
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

/* LD_BIND_NOW, set and not empty, when the program was started. */
static bool bind_now(void)
{
	static int known; /* 0: not asked yet, 1: no, 2: yes */
	const char *v;

	if (!known) {
		v = host_getenv("LD_BIND_NOW");
		known = v && *v ? 2 : 1;
	}
	return known == 2;
}

static bool bind(struct load *ld, struct image *im)
{
	uint64_t t = clock();
	bool ok;

	im->lazy = !(ld->mode & NOW) && !bind_now() && lazy_prepare(im);
	ok = reloc_bind(im, ld->diag);
	im->ns_reloc = clock() - t;
	diag_trace(TRACE_RELOC, "reloc: %s: %u relocations%s", im->path, im->nreloc,
		   im->lazy ? ", lazy" : "");
	return ok;
}

static bool finish_image(struct load *ld, struct image *im)
{
	uint64_t t = clock();
	bool ok = reloc_ifunc(im, ld->diag) &&
		  (!im->map.textrel_open || map_textrel(&im->map, false, im->path, ld->diag)) &&
		  map_protect(&im->map, im->path, ld->diag);

	im->ns_reloc += clock() - t;
	return ok;
}

static bool relocate(struct load *ld)
{
	unsigned n = ld->search->n;

	for (unsigned i = n; i-- > 0;)
		if (is_fresh(ld->order[i]) && !bind(ld, ld->order[i]))
			return false;
	for (unsigned i = n; i-- > 0;)
		if (is_fresh(ld->order[i]) && !finish_image(ld, ld->order[i]))
			return false;
	for (unsigned i = 0; i < ld->nfresh; i++)
		set_state(ld->fresh[i], IMAGE_RELOCATED);
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

	if (ld->nfresh)
		root->caller = NULL; /* what it opens later does not inherit this caller's RPATH */
	for (unsigned i = 0; i < ld->nfresh; i++) {
		struct image *im = ld->fresh[i];

		if (im->dyn.flags_1 & DF_1_NODELETE)
			im->pinned = true;
		if (im->tls.memsz)
			tls_commit(im);
		set_state(im, IMAGE_COMMITTED);
		registry_add(im);
	}
	if (ld->nfresh)
		find_publish();
	for (unsigned i = 0; i < ld->search->n; i++)
		if (ld->chains[i])
			scope_chain_publish(ld->search->im[i], ld->chains[i]);
	if (root->order != ld->order)
		arena_free(root->order);
	root->order = ld->order;
	root->norder = ld->search->n;
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
	for (unsigned i = ld->nfresh; i-- > 0;) {
		struct image *im = ld->fresh[i];

		scope_unique_forget(ld->space, im);
		registry_forget(im);
		if (im->tls.memsz)
			tls_drop(im);
		image_free(im);
	}
	arena_free(ld->order);
	arena_free(ld->search);
	ld->order = NULL;
	ld->search = NULL;
	find_unreserve();
}

/* --- the story ------------------------------------------------------------------------------------- */

/* A library that is here already: as a root of its own it needs a closure, the first time. */
static bool reopen(struct load *ld)
{
	struct image *root = ld->root;

	if (root->program || (!root->host && atomic_load_explicit(&root->search, memory_order_relaxed))) {
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
	if (root->host) {
		if (!registry_search(root))
			return diag_no_memory(ld->diag, root->path);
		opened(ld);
		return true;
	}
	if (closure(ld) && scope(ld) && reserve(ld)) {
		commit(ld);
		return true;
	}
	drop(ld);
	return false;
}

static bool fresh_load(struct load *ld)
{
	return closure(ld) && scope(ld) && reserve(ld) && relocate(ld);
}

static bool link(struct load *ld)
{
	struct reference ref = {ld->name, NULL};

	serial++;
	ld->root = find(ld, &ref);
	if (ld->root && !ld->nfresh)
		return reopen(ld);
	if (ld->root && fresh_load(ld)) {
		commit(ld);
		return true;
	}
	drop(ld);
	return false;
}

bool load_link(struct load *ld)
{
	bool ok;

	if (running)
		return diag_set(ld->diag, DIAG_USAGE, "%s: dlopen called from an IFUNC resolver", ld->name);
	running = true;
	ok = link(ld);
	running = false;
	epoch_tidy();
	arena_free(ld->fresh);
	arena_free(ld->chains);
	ld->fresh = NULL;
	ld->chains = NULL;
	ld->nfresh = ld->capfresh = 0;
	return ok;
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

		if (im->global || !scope_reserve(&ld->space->global, 1))
			continue;
		scope_append(&ld->space->global, im);
		im->global = true;
	}
}

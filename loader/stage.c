/* SPDX-License-Identifier: MIT */
/*
 * stage: the first half of a load: from names to parsed images and their dependencies.
 *
 * Called by load.c.  An image that is new belongs to struct load alone; under the lock it has its names in
 * the registry already, so that a second reference in the same load finds it, but no reader sees it.
 * Whatever is begun here is taken back by load.c's drop.
 */
#include "stage.h"

#include "../compat/host.h"
#include "arena.h"
#include "guard.h"
#include "note.h"
#include "registry.h"
#include "search.h"
#include "text.h"
#include "tls.h"
#include "version.h"

enum { NOLOAD = 4 };

static uint64_t serial; /* of the closure that is being made: image.serial says who is in it.  NEEDS_LOCK */

uint64_t stage_clock(void)
{
	return diag_on(TRACE_STATISTICS) ? host_nanoseconds() : 0;
}

/* Who needed it, and through which chain. */
static void add_chain(struct load *ld, const struct image *from, const char *tried)
{
	bool open = from || *tried;

	if (from)
		diag_add(ld->diag, " (needed by %s", image_label(from));
	for (const struct image *im = from ? from->caller : NULL; im && stage_is_fresh(im); im = im->caller)
		diag_add(ld->diag, ", needed by %s", image_label(im));
	if (*tried)
		diag_add(ld->diag, "%ssearched: %s", from ? "; " : " (", tried);
	if (open)
		diag_add(ld->diag, ")");
	if (from)
		image_explain(from, ld->diag);
}

static bool want(struct load *ld, enum load_want what, const char *name)
{
	ld->want_name = arena_text(name);
	if (!ld->want_name)
		return diag_no_memory(ld->diag, name);
	ld->want = what;
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
	bool ok = true;

	if (im->is_private)
		return true;
	if (host.style->sonames)
		ok = registry_name(im, im->path) && registry_name(im, asked) &&
		     (!soname || registry_name(im, soname));
	else if (!text_chr(asked, '/'))
		ok = registry_name(im, asked);
	return ok || diag_no_memory(ld->diag, im->path);
}

static bool check_stack(const struct image *im, struct diag *d)
{
	if (!im->exec_stack || registry.program->exec_stack || !host.style->stacks)
		return true;
	return diag_set(d, DIAG_REFUSED,
			"%s: cannot enable executable stack as shared object requires: Invalid argument"
			" (rebuild it with -z noexecstack, or clear the flag with `execstack -c` or"
			" `patchelf --clear-execstack`)",
			im->path);
}

static bool names_glibc(const struct version_need *need, void *arg)
{
	enum host_libc *libc = arg;

	if (text_starts(need->name, "GLIBC_"))
		*libc = HOST_GLIBC;
	return true;
}

/* Whose libc it asks for. */
static void judge(struct image *im)
{
	struct dyn_depend dep = {0};

	while (im->made_for == HOST_NONE && dyn_depend(&im->dyn, &im->st, &dep))
		if (dep.name)
			im->made_for = host_libc_of(dep.name);
	if (im->made_for == HOST_NONE)
		version_each_need(&im->st, &im->dyn, &im->map, names_glibc, &im->made_for);
}

static bool defines(const struct image *im, const char *name)
{
	struct sym_request rq = sym_request(name);

	return hash_lookup(&im->st, &rq);
}

/* Is this a libc?  musl's own question, which finds glibc as well. */
static bool is_libc(const struct image *im)
{
	return defines(im, "__libc_start_main") && defines(im, "stdin");
}

static bool refuse_libc(struct load *ld, const struct image *im)
{
	return diag_set(ld->diag, DIAG_REFUSED, "%s: cannot load a second libc beside this process's %s%s",
			im->path, host.is_static ? "static " : "", host.style->name);
}

/* Stages 2 and 3 of one file. */
static bool take_file(struct load *ld, struct image *im, struct file *f)
{
	uint64_t t = stage_clock();

	im->dev = f->dev;
	im->ino = f->ino;
	if (!map_image(&im->map, f, ld->diag))
		return false;
	image_set_state(im, IMAGE_MAPPED);
	if (!image_headers(im, f->ph, f->phnum, f->eh.e_phoff, ld->diag) ||
	    !image_parse(im, NULL, ld->diag) || !file_unchanged(f, ld->diag))
		return false;
	if (im->dyn.flags_1 & DF_1_NOOPEN && host.style->flags)
		return diag_set(ld->diag, DIAG_REFUSED, "%s: shared object cannot be dlopen()ed",
				im->path);
	if (!check_stack(im, ld->diag) || !note_check(im, ld->diag))
		return false;
	judge(im);
	image_set_state(im, IMAGE_PARSED);
	im->ns_map = stage_clock() - t;
	diag_trace(TRACE_MAP, "map: %s at %lx-%lx", im->path, (unsigned long)im->map.start,
		   (unsigned long)im->map.end);
	return true;
}

static struct image *add(struct load *ld, const struct stage_reference *ref, struct file *f)
{
	struct image *im;

	if (!ref->from && (ld->mode & ELF_RTLD_SNAPSHOT) && !file_snapshot(f, ld->diag))
		return NULL;
	if (!grow_fresh(ld) || !(im = image_new(ld->space, f->path, false))) {
		diag_no_memory(ld->diag, f->path);
		return NULL;
	}
	im->caller = ref->from ? ref->from : ld->caller;
	im->is_private = !ref->from && (ld->mode & ELF_RTLD_PRIVATE);
	guard_begin(im);
	if (take_file(ld, im, f) && !is_libc(im) && enter_names(ld, im, ref->name))
		return ld->fresh[ld->nfresh++] = im;
	if (guard_drop(im, ld->diag) && !ld->diag->kind && !host.style->is_self("libc.so"))
		refuse_libc(ld, im);
	registry_forget(im);
	image_free(im);
	return ld->diag->kind ? NULL : scope_libc;
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

/* Loaded already, or by this load, which the registry does not know yet. */
static struct image *by_file(const struct load *ld, const struct file *f)
{
	for (unsigned i = 0; i < ld->nfresh; i++)
		if (ld->fresh[i]->ino == f->ino && ld->fresh[i]->dev == f->dev && !ld->fresh[i]->is_private)
			return ld->fresh[i];
	return registry_by_file(ld->space, f->dev, f->ino);
}

/* For some libcs that is an error. */
static void not_loaded(struct load *ld)
{
	if (host.style->say[HOST_SAY_NOT_LOADED])
		diag_say(ld->diag, DIAG_NOT_FOUND, HOST_SAY_NOT_LOADED, ld->name, "");
	else
		ld->not_loaded = true;
}

static struct image *open_file(struct load *ld, const struct stage_reference *ref)
{
	static struct search s; /* large; stacks may be small, and we hold the lock */
	bool is_private = !ref->from && (ld->mode & ELF_RTLD_PRIVATE);
	struct image *im = NULL;
	uint64_t t = stage_clock();
	struct file f;

	s.name = ref->name;
	s.caller = ref->from ? ref->from : ld->caller;
	s.is_needed = ref->from != NULL;
	s.program = registry.program;
	s.tried[0] = 0;
	if (!search_open(&s, &f, ld->diag)) {
		diag_frame(ld->diag, ref->name);
		add_chain(ld, ref->from, s.tried);
		return NULL;
	}
	t = stage_clock() - t;
	diag_trace(TRACE_FIND, "find: %s -> %s", ref->name, s.path);
	if (!is_private)
		im = by_file(ld, &f);
	if (im) {
		im = enter_names(ld, im, ref->name) ? use(ld, im) : NULL;
	} else if (!ref->from && (ld->mode & NOLOAD)) {
		not_loaded(ld);
	} else if (!is_private && must_wait(ld, &f)) {
		want(ld, LOAD_WAIT, s.path);
	} else if (host.style->is_only(text_base(s.path)) && !ld->host_tried) {
		/* libc's family and libgcc_s come from libc's own dlopen */
		want(ld, LOAD_HOST_OPEN, s.path);
	} else {
		im = add(ld, ref, &f);
		if (im && !im->host)
			im->ns_find = t;
		else if (!im && !ld->want)
			diag_frame(ld->diag, ref->name);
		if (!im && ref->from && !ld->want)
			add_chain(ld, ref->from, "");
	}
	file_close(&f);
	return im;
}

/* libc under any of its names; under another one's, for a library that was built for that one. */
static bool means_libc(const struct stage_reference *ref)
{
	if (!scope_libc || !ref->name)
		return false;
	if (host.style->is_self(ref->name))
		return true;
	return ref->from && image_is_foreign(ref->from) && host_libc_of(ref->name) == ref->from->made_for;
}

/* Stage 1: the image that a name means, loaded or new. */
struct image *stage_find(struct load *ld, const struct stage_reference *ref)
{
	bool is_private = !ref->from && (ld->mode & ELF_RTLD_PRIVATE);
	struct image *im = is_private ? NULL : registry_by_name(ld->space, ref->name);

	if (im && (ld->synced || !im->host || im->startup))
		return use(ld, im);
	if (means_libc(ref))
		return scope_libc;
	if (!ld->synced) {
		ld->want = LOAD_SYNC;
		return NULL;
	}
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

/* Puts what was pushed last at position i: a filtee answers before its filter. */
static void move_up(struct scope_list *list, unsigned i)
{
	struct image *last = list->im[list->n - 1];

	for (unsigned k = list->n - 1; k > i; k--)
		list->im[k] = list->im[k - 1];
	list->im[i] = last;
}

/* Takes one dependency; *at is im's place in the closure, which filtees move on. */
static bool depend(struct load *ld, struct image *im, const struct dyn_depend *dep, unsigned *at)
{
	struct stage_reference ref = {.from = im, .name = dep->name};
	unsigned n = ld->search->n;
	struct image *to;

	if (dep->tag != DT_NEEDED && !host.style->flags)
		return true;
	if (!dep->name) /* it was there when the section was parsed */
		return diag_set(ld->diag, DIAG_IO, "%s: file changed while it was being opened", im->path);
	to = stage_find(ld, &ref);
	if (!to && dep->tag == DT_AUXILIARY && !ld->want) {
		diag_clear(ld->diag);
		return true;
	}
	if (!to)
		return false;
	im->needed[im->nneeded++] = to;
	im->order[im->norder++] = to;
	if (dep->tag == DT_NEEDED)
		return true;
	if (!push(ld, to))
		return false;
	if (ld->search->n > n)
		move_up(ld->search, (*at)++);
	return true;
}

/*
 * Does im need a library that only libc may load, and that is not there yet?  The load begins anew when it
 * is: better now than with half a closure mapped.  What else is wrong with that library is said in its turn.
 */
static bool must_restart(struct load *ld, struct image *im)
{
	struct stage_reference ref = {.from = im};
	struct dyn_depend dep = {0};

	while (!ld->host_tried && dyn_depend(&im->dyn, &im->st, &dep)) {
		ref.name = dep.name;
		if (dep.tag != DT_NEEDED || !ref.name || !host.style->is_only(text_base(ref.name)) ||
		    registry_by_name(ld->space, ref.name) || stage_find(ld, &ref))
			continue;
		if (ld->want)
			return true;
		diag_clear(ld->diag);
	}
	return false;
}

/* The direct dependencies of a new image; glibc's initial order is itself, then they. */
static bool needed(struct load *ld, struct image *im, unsigned at)
{
	struct dyn_depend dep = {0};
	unsigned n = im->dyn.ndepend;

	if (must_restart(ld, im))
		return false;
	im->needed = arena_alloc((n + 1) * sizeof(*im->needed));
	im->order = arena_alloc((n + 1) * sizeof(*im->order));
	if (!im->needed || !im->order)
		return diag_no_memory(ld->diag, im->path);
	im->order[im->norder++] = im;
	while (dyn_depend(&im->dyn, &im->st, &dep))
		if (!depend(ld, im, &dep, &at))
			return false;
	return true;
}

bool stage_closure(struct load *ld)
{
	serial++;
	if (!push(ld, ld->root))
		return false;
	for (unsigned i = 0; i < ld->search->n; i++) {
		struct image *im = ld->search->im[i];

		if (!im->order && !needed(ld, im, i))
			return false;
		if (ld->search->im[i] != im) { /* filtees came before it: their turn first */
			i--;
			continue;
		}
		for (unsigned k = 0; k < im->nneeded; k++)
			if (!push(ld, im->needed[k]))
				return false;
	}
	return true;
}

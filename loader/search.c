/* SPDX-License-Identifier: MIT */
/*
 * search: the host's search for a library, and the same walk for dlinfo and for error messages.
 *
 * Called by load.c for every name that is not loaded yet.  One function, walk(), goes through the stages in
 * the host's order; what happens in a directory is a visitor's business: open there, list it, or describe it.
 *
 *   glibc   without DT_RUNPATH the DT_RPATH of the caller, of its loaders, of the program; LD_LIBRARY_PATH;
 *           the caller's DT_RUNPATH; unless DF_1_NODEFLIB /etc/ld.so.cache and the built-in directories
 *   musl    LD_LIBRARY_PATH; either path of the caller and of all its loaders; its file of directories
 *
 * A directory is looked into through its subdirectories for CPU features first (dir.c).  An open that
 * fails with other than "not there" and "not for you" leaves the list it happened in; a file that is no
 * good library ends the whole search.
 *
 * Must never look at the environment (host_paths has it), nor map anything.
 */
#include "search.h"

#include "../compat/host.h"
#include "dir.h"
#include "dst.h"
#include "text.h"

#include <errno.h>

/* --- the walk -------------------------------------------------------------------------------------- */

enum step { STEP_ON, STEP_LEAVE /* this list */, STEP_END };

struct visit {
	enum step (*dir)(struct visit *, struct dir *);
	enum step (*cache)(struct visit *); /* NULL: not wanted */
	bool prune;			    /* pass over lists of which nothing exists */
	/* set by walk() */
	const char *label;
	const struct image *owner; /* whose RPATH or RUNPATH; NULL */
};

/*
 * The next directory of a list; NULL with *list NULL: the end.  Under AT_SECURE none depends on where the
 * program was started: empty and relative ones are passed over.  Tokens are its owner's, if it has one.
 */
static struct dir *next_dir(const char **list, const char *separators, const struct image *owner)
{
	static char text[SEARCH_PATH_MAX], full[SEARCH_PATH_MAX]; /* the lock's */
	const char *s = *list;
	size_t n = 0;

	while (s[n] && !text_chr(separators, s[n]))
		n++;
	*list = s[n] ? s + n + 1 : NULL;
	if (n == 0 && !host.style->empty_is_cwd)
		return NULL;
	if (n >= sizeof text)
		return NULL;
	memcpy(text, s, n);
	text[n] = 0;
	if (n > 0 && owner && text_chr(text, '$')) {
		if (!dst_expand(text, owner, full, sizeof full))
			return NULL;
		s = full;
		n = text_len(full);
	}
	return host.secure && *s != '/' ? NULL : dir_intern(s, n);
}

/* glibc forgets an RPATH or RUNPATH in whose directories it has looked in vain: none of them is there. */
static bool is_gone(const char *list, const struct image *owner)
{
	while (list) {
		struct dir *dir = next_dir(&list, ":", owner);

		if (dir && owner->host)
			dir_probe(dir);
		if (dir && (!dir->probed || dir->exists || dir->name[0] != '/'))
			return false;
	}
	return true;
}

static unsigned list_serial; /* the lock's */

static bool in_list(struct visit *v, const char *list, const char *separators,
		    const struct image *owner)
{
	unsigned serial = ++list_serial;
	enum step step = STEP_ON;

	while (list && step == STEP_ON) {
		struct dir *dir = next_dir(&list, separators, owner);

		if (!dir || dir->serial == serial)
			continue;
		dir->serial = serial;
		step = v->dir(v, dir);
	}
	return step == STEP_END;
}

static bool in_own_list(struct visit *v, const char *label, const char *list,
			const struct image *owner)
{
	if (!list || !*list || (v->prune && is_gone(list, owner)) || !dst_usable(list))
		return false;
	v->label = label;
	v->owner = owner;
	return in_list(v, list, ":", owner);
}

static bool in_rpath(struct visit *v, const struct image *im)
{
	return !im->dyn.runpath && in_own_list(v, "RPATH", im->dyn.rpath, im);
}

static bool in_defaults(struct visit *v)
{
	enum step step = STEP_ON;

	v->label = "default";
	for (const char *const *name = host_paths()->dirs; *name && step == STEP_ON; name++) {
		struct dir *dir = dir_intern(*name, text_len(*name));

		if (dir)
			step = v->dir(v, dir);
	}
	return step == STEP_END;
}

static bool in_rpaths(struct visit *v, const struct image *caller, const struct image *program)
{
	bool program_done = false;

	if (caller->dyn.runpath)
		return false;
	for (const struct image *im = caller; im; im = im->caller) {
		program_done |= im == program;
		if (in_rpath(v, im))
			return true;
	}
	return !program_done && in_rpath(v, program);
}

static bool in_inherited(struct visit *v, const struct image *caller)
{
	for (const struct image *im = caller; im; im = im->caller)
		if (in_own_list(v, "RUNPATH", im->dyn.runpath, im) || in_rpath(v, im))
			return true;
	return false;
}

static bool in_stage(struct visit *v, enum host_stage stage, const struct image *caller,
		     const struct image *program)
{
	const char *env = host_paths()->env;

	v->owner = NULL;
	switch (stage) {
	case HOST_STAGE_RPATHS:
		return in_rpaths(v, caller, program);
	case HOST_STAGE_INHERITED:
		return in_inherited(v, caller);
	case HOST_STAGE_ENV:
		v->label = "LD_LIBRARY_PATH";
		return env && *env &&
		       in_list(v, env, host.style->separators, host.style->tokens ? program : NULL);
	case HOST_STAGE_RUNPATH:
		return in_own_list(v, "RUNPATH", caller->dyn.runpath, caller);
	case HOST_STAGE_CACHE:
		return v->cache && host_paths()->use_cache && v->cache(v) == STEP_END;
	case HOST_STAGE_DIRS:
		return !(host.style->flags && caller->dyn.flags_1 & DF_1_NODEFLIB) && in_defaults(v);
	default:
		return false;
	}
}

/* All stages in their order; true: the visitor ended it. */
static bool walk(struct visit *v, const struct image *caller, const struct image *program)
{
	for (const unsigned char *stage = host.style->search; *stage; stage++)
		if (in_stage(v, *stage, caller ? caller : program, program))
			return true;
	return false;
}

/* --- opening --------------------------------------------------------------------------------------- */

struct hunt {
	struct visit visit; /* first: a visitor is given this */
	struct search *s;
	struct file *f;
	struct diag *d;
	const char *name;
	bool found;
	char why[64];	 /* the last open's failure */
	char class[64];	 /* ": wrong ELF class: ..." of a file that was passed over; "" */
	char unfit[512]; /* the first file that was passed over, and why; "" */
};

static const char cannot_open[] = ": cannot open shared object file: ";

static bool is_absence(const char *why)
{
	return text_eq(why, host_errno_text(ENOENT)) || text_eq(why, host_errno_text(EACCES)) ||
	       text_eq(why, host_errno_text(ENOTDIR));
}

/* A file for another class or machine: the message's material, should nothing better come. */
static void pass_over(struct hunt *h)
{
	size_t len = text_len(h->s->path);
	const char *reason = h->d->text + (len < h->d->len ? len : h->d->len);

	if (text_starts(reason, ": wrong ELF class"))
		text_copy(h->class, sizeof h->class, reason);
	if (text_starts(reason, cannot_open))
		reason += sizeof cannot_open - 3;
	if (!h->unfit[0])
		text_format(h->unfit, sizeof h->unfit, "passed over %s%s", h->s->path, reason);
	text_copy(h->why, sizeof h->why, host_errno_text(ENOENT));
}

/* s->path: found, or go on, or this list is done for, or the search is. */
static enum step open_path(struct hunt *h)
{
	const char *why;

	diag_trace(TRACE_FIND, "find: trying %s", h->s->path);
	if (file_open(h->f, h->s->path, h->d) && file_headers(h->f, h->d)) {
		h->found = true;
		return STEP_END;
	}
	file_close(h->f);
	why = h->d->word;
	if (why) { /* open() itself failed */
		text_copy(h->why, sizeof h->why, why);
		diag_clear(h->d);
		return is_absence(h->why) ? STEP_ON : STEP_LEAVE;
	}
	if (h->d->kind != DIAG_BAD_FILE)
		return STEP_END;
	pass_over(h);
	diag_clear(h->d);
	return STEP_ON;
}

static enum step open_in(struct hunt *h, const struct dir *dir, const char *sub)
{
	size_t len = text_format(h->s->path, sizeof h->s->path, "%s%s%s%s", dir->name, sub,
				 *sub ? "/" : "", h->name);

	if (len >= sizeof h->s->path) {
		text_copy(h->why, sizeof h->why, host_errno_text(ENAMETOOLONG));
		return STEP_LEAVE;
	}
	return open_path(h);
}

static enum step open_dir(struct visit *v, struct dir *dir)
{
	struct hunt *h = (struct hunt *)v;
	const char *const *caps = host_paths()->hwcaps;

	dir_probe(dir);
	if (!dir->exists)
		return STEP_ON;
	for (unsigned i = 0; dir->subs >> i; i++)
		if (dir->subs >> i & 1 && open_in(h, dir, caps[i]) == STEP_END)
			return STEP_END;
	return open_in(h, dir, "");
}

static enum step open_cached(struct visit *v)
{
	struct hunt *h = (struct hunt *)v;
	const struct image *caller = h->s->caller ? h->s->caller : h->s->program;

	if (!host_cache(h->name, h->s->path, sizeof h->s->path))
		return STEP_ON;
	if (caller->dyn.flags_1 & DF_1_NODEFLIB)
		for (const char *const *dir = host_paths()->dirs; *dir; dir++)
			if (text_starts(h->s->path, *dir) && h->s->path[text_len(*dir)] == '/')
				return STEP_ON;
	return open_path(h) == STEP_END ? STEP_END : STEP_ON;
}

/* --- not found ------------------------------------------------------------------------------------- */

struct account {
	struct visit visit;
	char *out;
	size_t len, n;
	const char *label;
	const struct image *owner;
};

static void say(struct account *a, const char *s)
{
	a->n += text_copy(a->out + a->n, a->len - a->n, s);
	if (a->n >= a->len)
		a->n = a->len - 1;
}

static enum step describe_dir(struct visit *v, struct dir *dir)
{
	struct account *a = (struct account *)v;

	if (v->label != a->label || v->owner != a->owner) {
		say(a, a->n ? "; " : "");
		say(a, v->label);
		say(a, v->owner ? " of " : "");
		say(a, v->owner ? image_label(v->owner) : "");
	}
	say(a, v->label != a->label || v->owner != a->owner ? ": " : ", ");
	a->label = v->label;
	a->owner = v->owner;
	say(a, dir->len ? dir->name : "./");
	if (a->out[a->n - 1] == '/' && dir->len != 1)
		a->out[--a->n] = 0;
	if (dir->probed && !dir->exists)
		say(a, " (missing)");
	return STEP_ON;
}

static enum step describe_cache(struct visit *v)
{
	struct account *a = (struct account *)v;

	say(a, a->n ? "; ld.so.cache" : "ld.so.cache");
	return STEP_ON;
}

static bool fail(struct hunt *h)
{
	struct search *s = h->s;
	struct account a = {.visit = {.dir = describe_dir, .cache = describe_cache},
			    .out = s->tried,
			    .len = sizeof s->tried};

	say(&a, h->unfit);
	walk(&a.visit, s->caller, s->program);
	if (h->class[0])
		return diag_set(h->d, DIAG_NOT_FOUND, "%s%s", h->name, h->class);
	return diag_say(h->d, DIAG_NOT_FOUND, HOST_SAY_CANNOT_OPEN, h->name, h->why);
}

/* DT_NEEDED may hold tokens in a name without a slash, too. */
static bool expand_needed(struct search *s, char *name, size_t len, struct diag *d)
{
	const char *owner = s->caller ? image_label(s->caller) : s->name;

	if (host.secure)
		return diag_set(d, DIAG_REFUSED, "%s: DST not allowed in SUID/SGID programs",
				owner);
	if (!dst_expand(s->name, s->caller, name, len))
		return diag_set(d, DIAG_REFUSED, "%s: empty dynamic string token substitution: %s",
				owner, s->name);
	return true;
}

static bool open_direct(struct search *s, const char *name, struct file *f, struct diag *d)
{
	const struct image *owner = s->caller ? s->caller : s->program;
	size_t len = text_len(name);

	if (host.style->tokens && dst_present(name)
		    ? !dst_expand(name, owner, s->path, sizeof s->path)
		    : text_copy(s->path, sizeof s->path, name) >= sizeof s->path)
		return diag_say(d, DIAG_NOT_FOUND, HOST_SAY_CANNOT_OPEN, name,
				host_errno_text(len >= sizeof s->path ? ENAMETOOLONG : ENOENT));
	if (file_open(f, s->path, d) && file_headers(f, d))
		return true;
	file_close(f);
	return false;
}

bool search_open(struct search *s, struct file *f, struct diag *d)
{
	static char expanded[SEARCH_PATH_MAX]; /* the lock's */
	struct hunt h = {.visit = {.dir = open_dir, .cache = open_cached},
			 .s = s,
			 .f = f,
			 .d = d,
			 .name = s->name};

	s->path[0] = s->tried[0] = 0;
	f->fd = -1;
	f->ph_block = NULL;
	if (s->is_needed && host.style->tokens && dst_present(s->name)) {
		if (!expand_needed(s, expanded, sizeof expanded, d))
			return false;
		h.name = expanded;
	}
	if (text_chr(h.name, '/'))
		return open_direct(s, h.name, f, d);
	text_copy(h.why, sizeof h.why, host_errno_text(ENOENT));
	if (walk(&h.visit, s->caller, s->program))
		return h.found;
	return fail(&h);
}

/* --- dlinfo ---------------------------------------------------------------------------------------- */

struct lister {
	struct visit visit;
	void (*each)(const char *dir, size_t len, void *);
	void *arg;
};

static enum step list_dir(struct visit *v, struct dir *dir)
{
	struct lister *l = (struct lister *)v;

	if (dir->len == 0)
		l->each(".", 1, l->arg);
	else
		l->each(dir->name, dir->len > 1 ? dir->len - 1 : 1, l->arg);
	return STEP_ON;
}

void search_each_dir(const struct image *caller, const struct image *program,
		     void (*each)(const char *dir, size_t len, void *), void *arg)
{
	struct lister l = {.visit = {.dir = list_dir, .prune = true}, .each = each, .arg = arg};

	walk(&l.visit, caller, program);
}

/* SPDX-License-Identifier: MIT */
/*
 * version: symbol versions.
 *
 * DT_VERSYM gives each symbol an index; DT_VERDEF says which versions this object defines under which
 * index, DT_VERNEED which ones it needs of others.  Both are chains of records linked by relative
 * offsets, so both are walked with a range check and a count for every step: a chain that goes backwards
 * or in a circle ends in an error.  Called by image.c (parse) and load.c (the check that what is needed
 * is defined).
 */
#include "version.h"

#include "arena.h"
#include "text.h"

enum { INDEX = 0x7fff, STEPS_MAX = 0x20000 };

static bool damaged(const char *path, const char *what, struct diag *d)
{
	return diag_set(d, DIAG_BAD_ELF, "%s: invalid symbol versions: %s", path, what);
}

/* The record `step` bytes after `at`, when it lies inside the image. */
static const void *follow(const struct map *m, const void *at, uintptr_t step, uintptr_t len)
{
	uintptr_t va = (uintptr_t)at + step - m->bias;

	return va % sizeof(uint32_t) ? NULL : map_at(m, va, len);
}

static const char *name_at(const struct symtab *st, uintptr_t off)
{
	return off < st->str_len ? st->str + off : NULL;
}

struct walk {
	const struct map *m;
	const struct symtab *st;
	unsigned steps;	    /* so far: a circle ends at STEPS_MAX */
	const char *broken; /* why the walk ended early */
};

typedef bool each_def(unsigned index, const struct version *v, void *arg);
typedef bool each_need(unsigned index, const struct version *v, bool weak, void *arg);

static bool walk_defs(struct walk *w, const struct dyn *dy, each_def *each, void *arg)
{
	const elf_verdef *vd = dy->verdef;

	while (vd) {
		const elf_verdaux *aux;
		struct version v = {.hash = vd->vd_hash};

		if (vd->vd_version != 1 || w->steps++ > STEPS_MAX)
			return w->broken = "bad DT_VERDEF entry", false;
		aux = vd->vd_cnt ? follow(w->m, vd, vd->vd_aux, sizeof *aux) : NULL;
		v.name = aux ? name_at(w->st, aux->vda_name) : NULL;
		if (!v.name)
			return w->broken = "DT_VERDEF entry without a name", false;
		/* The base definition names the file, not a version. */
		if (!(vd->vd_flags & VER_FLG_BASE) && !each(vd->vd_ndx & INDEX, &v, arg))
			return false;
		if (!vd->vd_next)
			break;
		vd = follow(w->m, vd, vd->vd_next, sizeof *vd);
		if (!vd)
			return w->broken = "DT_VERDEF leaves the image", false;
	}
	return true;
}

static bool walk_aux(struct walk *w, const elf_verneed *vn, each_need *each, void *arg)
{
	const elf_vernaux *aux = follow(w->m, vn, vn->vn_aux, sizeof *aux);
	const char *file = name_at(w->st, vn->vn_file);

	for (unsigned n = 0; n < vn->vn_cnt; n++) {
		struct version v = {.file = file};

		if (!aux || !file || w->steps++ > STEPS_MAX)
			return w->broken = "DT_VERNEED leaves the image", false;
		v.name = name_at(w->st, aux->vna_name);
		v.hash = aux->vna_hash;
		v.hidden = aux->vna_other & ELF_VERSYM_HIDDEN;
		if (!v.name)
			return w->broken = "DT_VERNEED entry without a name", false;
		if (!each(aux->vna_other & INDEX, &v, aux->vna_flags & VER_FLG_WEAK, arg))
			return false;
		if (!aux->vna_next)
			break;
		aux = follow(w->m, aux, aux->vna_next, sizeof *aux);
	}
	return true;
}

static bool walk_needs(struct walk *w, const struct dyn *dy, each_need *each, void *arg)
{
	const elf_verneed *vn = dy->verneed;

	while (vn) {
		if (vn->vn_version != 1 || w->steps++ > STEPS_MAX)
			return w->broken = "bad DT_VERNEED entry", false;
		if (!walk_aux(w, vn, each, arg))
			return false;
		if (!vn->vn_next)
			break;
		vn = follow(w->m, vn, vn->vn_next, sizeof *vn);
		if (!vn)
			return w->broken = "DT_VERNEED leaves the image", false;
	}
	return true;
}

static bool highest_def(unsigned index, const struct version *v, void *arg)
{
	unsigned *max = arg;

	(void)v;
	*max = index > *max ? index : *max;
	return true;
}

static bool highest_need(unsigned index, const struct version *v, bool weak, void *arg)
{
	(void)weak;
	return highest_def(index, v, arg);
}

struct room {
	struct version *table;
	unsigned n;
};

static bool enter_def(unsigned index, const struct version *v, void *arg)
{
	const struct room *r = arg;

	if (index < r->n) /* else somebody writes into the file */
		r->table[index] = *v;
	return true;
}

static bool enter_need(unsigned index, const struct version *v, bool weak, void *arg)
{
	(void)weak;
	return enter_def(index, v, arg);
}

bool version_parse(struct symtab *st, const struct dyn *dy, const struct dyn_source *src, struct diag *d)
{
	struct walk w = {.m = src->map, .st = st};
	struct room r;
	unsigned max = 0;

	if (!dy->verdef && !dy->verneed)
		return true;
	if (!walk_defs(&w, dy, highest_def, &max) || !walk_needs(&w, dy, highest_need, &max))
		return damaged(src->path, w.broken, d);
	r = (struct room){arena_alloc((max + 1) * sizeof *r.table), max + 1};
	if (!r.table)
		return diag_no_memory(d, src->path);
	walk_defs(&w, dy, enter_def, &r);
	walk_needs(&w, dy, enter_need, &r);
	st->versions = r.table;
	st->nversion = r.n;
	return true;
}

struct caller {
	bool (*each)(const struct version_need *, void *);
	void *arg;
};

static bool pass_need(unsigned index, const struct version *v, bool weak, void *arg)
{
	const struct caller *c = arg;
	struct version_need need = {v->file, v->name, v->hash, weak};

	(void)index;
	return c->each(&need, c->arg);
}

bool version_each_need(const struct symtab *st, const struct dyn *dy, const struct map *m,
		       bool (*each)(const struct version_need *, void *), void *arg)
{
	struct walk w = {.m = m, .st = st};
	struct caller c = {each, arg};

	return walk_needs(&w, dy, pass_need, &c);
}

bool version_defined(const struct symtab *st, const char *name, uint32_t hash)
{
	for (unsigned i = 0; i < st->nversion; i++) {
		const struct version *v = &st->versions[i];

		if (v->name && !v->file && v->hash == hash && text_eq(v->name, name))
			return true;
	}
	return false;
}

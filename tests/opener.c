/* SPDX-License-Identifier: MIT */
/*
 * opener: see opener.h.
 *
 * Takes the loader lock where the doors take it.
 */
#include "opener.h"

#include <stdlib.h>
#include <string.h>

#include "loader/find.h"
#include "loader/adopt.h"
#include "loader/lock.h"
#include "loader/unload.h"

struct elfgen *begin(const char *soname)
{
	struct elfgen *e = kit_elf();

	e->soname = soname;
	e->runpath = "$ORIGIN";
	elfgen_put(e, ELFGEN_TEXT, NULL, 64);
	elfgen_put(e, ELFGEN_DATA, NULL, 64);
	return e;
}

void end(struct elfgen *e)
{
	elfgen_build(e);
	elfgen_write(e, kit_path(e->soname));
	elfgen_free(e);
}

void refer(struct elfgen *e, unsigned word, enum reloc_kind kind, unsigned sym)
{
	elfgen_rel(e, &(struct elfgen_rel){KIT_DATA + 8 * word, kit_reloc(kind), sym, 0});
}

unsigned define(struct elfgen *e, const char *name, unsigned char bind, uint16_t version)
{
	return elfgen_sym(e, &(struct elfgen_sym){.name = name, .bind = bind, .type = STT_OBJECT,
		.shndx = 5, .version = version, .value = KIT_DATA + 32, .size = 8});
}

/* --- opening --------------------------------------------------------------------------------------- */

void opener_start(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	find_start(&registry.base, &registry.adds, &registry.subs);
	ck_assert(adopt_sync());
}

bool open_load(struct load *ld, const char *path, int mode, struct diag *d)
{
	bool ok;

	*ld = (struct load){.synced = true, .name = path, .mode = mode, .space = &registry.base,
			    .caller = registry.program, .diag = d};
	diag_clear(d);
	lock_enter();
	ok = load_link(ld);
	if (ok)
		load_finish(ld);
	lock_leave();
	return ok;
}

struct image *open_lib(const char *name, int mode)
{
	struct load ld;
	struct diag d = {0};

	ck_assert_msg(open_load(&ld, kit_path(name), mode, &d), "%s", d.text);
	return ld.root;
}

void close_lib(struct image *im)
{
	struct diag d = {0};
	const struct image *closed = im;
	struct unload u;
	bool again;

	lock_enter();
	ck_assert_msg(unload_drop(im, &again, &d), "%s", d.text);
	while (again && unload_begin(&u, closed)) {
		lock_leave();
		unload_fini(&u);
		lock_enter();
		again = unload_finish(&u);
		closed = NULL;
	}
	lock_leave();
}

/* --- what must not change -------------------------------------------------------------------------- */

struct state state(const struct image *old)
{
	struct scope_list *global = registry.base.global;
	struct state s = {.trace = kit_trace(), .nimage = registry.nimage, .adds = registry.adds,
			  .subs = registry.subs, .last = registry.base.last};

	s.nglobal = global ? global->n : 0;
	if (old) {
		s.opens = old->opens;
		s.nbinds = old->nbinds;
		s.nchain = old->chain->n;
		s.search = old->search;
		s.pinned = old->pinned;
		s.tls = old->tls;
	}
	return s;
}

void unchanged(struct state *before, const struct image *old, const char *what)
{
	struct state now = state(old);

	ck_assert_msg(now.nimage == before->nimage && now.last == before->last, "%s: images", what);
	ck_assert_msg(now.adds == before->adds && now.subs == before->subs, "%s: counters", what);
	ck_assert_msg(now.nglobal == before->nglobal, "%s: global scope", what);
	ck_assert_msg(now.opens == before->opens && now.nbinds == before->nbinds, "%s: counts", what);
	ck_assert_msg(now.nchain == before->nchain && now.search == before->search, "%s: its scope", what);
	ck_assert_msg(now.pinned == before->pinned, "%s: an older image was pinned", what);
	ck_assert_msg(!memcmp(&now.tls, &before->tls, sizeof(now.tls)), "%s: its thread-locals", what);
	free(now.trace.maps);
	kit_unchanged(&before->trace, what);
}

void closed_again(struct state *before, const char *what)
{
	before->adds = registry.adds;
	before->subs = registry.subs;
	ck_assert_uint_eq(registry.adds, registry.subs);
	unchanged(before, NULL, what);
}

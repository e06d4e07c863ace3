/* SPDX-License-Identifier: MIT */
/*
 * reloc: makes an image's addresses true.
 *
 * Called by load.c for the new images of one dlopen, dependencies first, and by lazy.c for one slot.
 * The CPU supplies numbers (arch/<cpu>/arch.h), the formulas are here, once.  Every place is checked to
 * lie in a writable segment, every symbol index and type against the tables: a damaged file gets an
 * error, never a stray store.
 *
 * IFUNCs come last: a resolver is code of the image, or of a dependency in the same group, and may use
 * anything that other relocations fill in.
 */
#include "reloc.h"

#include "../arch/arch.h"
#include "../compat/host.h"
#include "ahead.h"
#include "arena.h"
#include "text.h"
#include "tls.h"
#include "unique.h"

enum { PROT_W = 2 };

struct job {
	struct image *im;
	struct diag *d;
	struct map_range room;	   /* where the last place could be */
	uint64_t serial;	   /* of this pass: what record() has seen */
	bool ifuncs;		   /* the last pass: resolvers may run */
	/* Neighbouring relocations often name one symbol. */
	uint32_t index;
	bool plt;
	struct sym_found found;
	struct ahead ahead;
};

static uint64_t passes; /* so far, of all images.  NEEDS_LOCK */

/* --- places ---------------------------------------------------------------------------------------- */

/* The string table's last NUL was checked once and for all: that byte is not for relocations. */
static bool find_room(struct job *j, uintptr_t va, uintptr_t len)
{
	const struct symtab *st = &j->im->st;
	uintptr_t nul = (uintptr_t)st->str + st->str_len - 1 - st->bias;

	if (map_writable(&j->im->map, va, len, nul, &j->room))
		return true;
	return diag_set(j->d, DIAG_BAD_ELF, "%s: relocation target %lx %s", j->im->path, (unsigned long)va,
			nul - va < len ? "at the end of the string table" :
					 "outside the writable segments");
}

/* The address of `len` bytes that a relocation may write, or NULL. */
static void *place(struct job *j, uintptr_t va, uintptr_t len)
{
	const struct map_range *r = &j->room;

	if ((r->len < len || va - r->va > r->len - len) && !find_room(j, va, len))
		return NULL;
	return (void *)(j->im->map.bias + va);
}

static void store(void *at, uintptr_t v)
{
	__builtin_memcpy(at, &v, sizeof v); /* one instruction; places need not be aligned */
}

static uintptr_t fetch(const void *at)
{
	uintptr_t v;

	__builtin_memcpy(&v, at, sizeof v);
	return v;
}

static bool store32(struct job *j, void *at, intptr_t v, bool is_signed)
{
	int32_t low = (int32_t)v;

	if (is_signed ? v != low : (uintptr_t)v != (uint32_t)v)
		return diag_set(j->d, DIAG_BAD_ELF,
				"%s: a 32-bit relocation cannot hold %lx: rebuild it with -fPIC",
				j->im->path, (unsigned long)v);
	memcpy(at, &low, sizeof low);
	return true;
}

/* --- symbols --------------------------------------------------------------------------------------- */

/* A reference outside its own dependencies keeps the definer loaded. */
static bool record(struct job *j)
{
	struct image *to = j->found.im;

	if (!to || to == j->im || to->bound_serial == j->serial)
		return true;
	to->bound_serial = j->serial;
	if (to->pinned || image_depends_on(j->im, to) ||
	    (j->ifuncs ? image_bind(j->im, to) : image_bind_new(j->im, to)))
		return true;
	return diag_no_memory(j->d, j->im->path);
}

/* Under the loader lock: unique symbols are entered, bindings recorded. */
static bool symbol(struct job *j, uint32_t index, bool plt)
{
	struct resolve_ref ref;
	struct sym_request rq;

	if (index && index == j->index && plt == j->plt)
		return true;
	j->index = 0;
	ref = (struct resolve_ref){index, plt, ahead_take(&j->ahead, index)};
	if (!resolve_symbol(j->im, &ref, &j->found, j->d))
		return false;
	j->index = index;
	j->plt = plt;
	if (j->found.im && unique_is(&j->found)) {
		rq = sym_request(hash_name(&j->found.im->st, j->found.sym));
		if (!unique_enter(j->im->space, &rq, &j->found))
			return diag_no_memory(j->d, j->im->path);
	}
	return record(j);
}

/* --- thread-locals --------------------------------------------------------------------------------- */

/* The image whose thread-locals a relocation means, and the offset in them.  Symbol 0: its own. */
static bool tls_target(struct job *j, uint32_t index, struct image **im, uintptr_t *value)
{
	*im = j->im;
	*value = 0;
	if (index) {
		if (!symbol(j, index, true))
			return false;
		*im = j->found.im;
		if (!*im)
			return true; /* an undefined weak one */
		*value = j->found.sym->st_value;
		if (ELF_ST_TYPE(j->found.sym->st_info) != STT_TLS)
			return diag_set(j->d, DIAG_BAD_ELF, "%s: TLS relocation to %s of %s, which is not"
							    " thread-local",
					j->im->path, hash_name(&(*im)->st, j->found.sym),
					image_label(*im));
	}
	if (!(*im)->tls.memsz)
		return diag_set(j->d, DIAG_BAD_ELF, "%s: TLS relocation to %s, which has no PT_TLS",
				j->im->path, image_label(*im));
	return true;
}

static bool tpoff(struct job *j, uint32_t index, intptr_t *out)
{
	struct image *im;
	uintptr_t value;

	if (!tls_target(j, index, &im, &value))
		return false;
	*out = 0;
	if (!im)
		return true;
	if (im->tls.place != TLS_STATIC && !(im->tls.place == TLS_HOST && im->tls.host_static))
		return diag_set(j->d, DIAG_TLS,
				"%s: cannot allocate memory in static TLS block: thread-locals of %s have"
				" no fixed offset",
				j->im->path, image_label(im));
	*out = (intptr_t)((uintptr_t)im->tls.tpoff + value - ARCH_TP_BIAS);
	return true;
}

static bool thread_local_word(struct job *j, const elf_reloc *r, void *at, enum reloc_kind kind)
{
	uint32_t index = ELF_R_SYM(r->r_info);
	uintptr_t value, word[2];
	struct image *im;
	intptr_t off;

	if (kind == RELOC_TPOFF) {
		if (!tpoff(j, index, &off))
			return false;
		store(at, (uintptr_t)off + ELF_ADDEND(r, at));
		return true;
	}
	if (!tls_target(j, index, &im, &value))
		return false;
	if (kind == RELOC_DTPMOD) {
		store(at, im ? im->tls.id : 0);
	} else if (kind == RELOC_DTPOFF) {
		store(at, value + ELF_ADDEND(r, at) - ARCH_DTV_BIAS);
	} else {
		if (!im)
			tls_desc_undef(ELF_ADDEND(r, at), word);
		else if (!tls_desc(im, value + ELF_ADDEND(r, at), word))
			return diag_no_memory(j->d, j->im->path);
		store(at, word[0]);
		store((char *)at + sizeof word[0], word[1]);
	}
	return true;
}

/* --- one relocation -------------------------------------------------------------------------------- */

/* Must this reference wait until resolvers may run? */
static bool must_wait(struct job *j)
{
	const struct sym_found *f = &j->found;

	return !j->ifuncs && f->im && resolve_is_ifunc(f) && !reloc_done(f->im);
}

/* To be done by reloc_ifunc. */
static bool postpone(struct job *j, const elf_reloc *r)
{
	struct image *im = j->im;

	if (im->nlate == im->caplate) {
		unsigned cap = im->caplate ? 2 * im->caplate : 16;
		const void **more = arena_grow(im->late, im->caplate * sizeof(*more), cap * sizeof(*more));

		if (!more)
			return diag_no_memory(j->d, im->path);
		im->late = more;
		im->caplate = cap;
	}
	im->late[im->nlate++] = r;
	return true;
}

static bool symbolic(struct job *j, const elf_reloc *r, void *at, enum reloc_kind kind)
{
	uintptr_t s, a = ELF_ADDEND(r, at);

	if (!symbol(j, ELF_R_SYM(r->r_info), kind == RELOC_PLT) &&
	    (kind != RELOC_GOT || !resolve_forgive(j->im, &j->found, j->d)))
		return false;
	if (must_wait(j))
		return postpone(j, r);
	if (kind == RELOC_SIZE || kind == RELOC_SIZE32) {
		s = (j->found.im ? j->found.sym->st_size : 0) + a;
		return kind == RELOC_SIZE ? store(at, s), true : store32(j, at, (intptr_t)s, false);
	}
	s = j->found.im ? resolve_address(&j->found) : 0;
	if (!s && j->found.im && resolve_is_ifunc(&j->found))
		return diag_set(j->d, DIAG_BAD_ELF, "%s: the IFUNC resolver of %s in %s is not code",
				j->im->path, hash_name(&j->found.im->st, j->found.sym),
				image_label(j->found.im));
	switch (kind) {
	case RELOC_GOT:
	case RELOC_PLT:
		store(at, s);
		return true;
	case RELOC_SYMBOLIC:
		store(at, s + a);
		return true;
	case RELOC_ABS32:
		return store32(j, at, (intptr_t)(s + a), false);
	case RELOC_PC32:
		return store32(j, at, (intptr_t)(s + a - (uintptr_t)at), true);
	default: /* RELOC_PC64 */
		store(at, s + a - (uintptr_t)at);
		return true;
	}
}

static bool irelative(struct job *j, const elf_reloc *r, void *at)
{
	uintptr_t resolver = j->im->map.bias + ELF_ADDEND(r, at);

	if (!j->ifuncs)
		return postpone(j, r);
	if (!map_has(&j->im->map, resolver - j->im->map.bias, 1, 4))
		return diag_set(j->d, DIAG_BAD_ELF, "%s: IRELATIVE resolver %lx is not code", j->im->path,
				(unsigned long)(resolver - j->im->map.bias));
	store(at, arch_ifunc(resolver));
	return true;
}

static bool refuse(struct job *j, const elf_reloc *r, enum reloc_kind kind)
{
	return diag_set(j->d, DIAG_BAD_ELF, "%s: unexpected reloc type 0x%02x%s", j->im->path,
			ELF_R_TYPE(r->r_info),
			kind == RELOC_COPY ? " (a copy relocation in a shared object)" : "");
}

static unsigned width(enum reloc_kind kind)
{
	switch (kind) {
	case RELOC_ABS32:
	case RELOC_PC32:
	case RELOC_SIZE32:
		return 4;
	case RELOC_PC64:
		return 8;
	case RELOC_TLSDESC:
		return 2 * sizeof(uintptr_t);
	default:
		return sizeof(uintptr_t);
	}
}

static bool one(struct job *j, const elf_reloc *r)
{
	enum reloc_kind kind = arch_reloc_kind(ELF_R_TYPE(r->r_info));
	void *at;

	if (kind == RELOC_NONE)
		return true;
	if (kind == RELOC_BAD || kind == RELOC_COPY)
		return refuse(j, r, kind);
	at = place(j, r->r_offset, width(kind));
	if (!at)
		return false;
	switch (kind) {
	case RELOC_RELATIVE:
		store(at, j->im->map.bias + ELF_ADDEND(r, at));
		return true;
	case RELOC_IRELATIVE:
		return irelative(j, r, at);
	case RELOC_DTPMOD:
	case RELOC_DTPOFF:
	case RELOC_TPOFF:
	case RELOC_TLSDESC:
		return thread_local_word(j, r, at, kind);
	default:
		return symbolic(j, r, at, kind);
	}
}

/* --- tables ---------------------------------------------------------------------------------------- */

static bool relative_word(struct job *j, uintptr_t va)
{
	void *at = place(j, va, sizeof(uintptr_t));

	if (!at)
		return false;
	store(at, fetch(at) + j->im->map.bias);
	return true;
}

/* gABI, DT_RELR: an even word is a place; an odd one a bitmap of the 63 (31) words that follow. */
static bool relr(struct job *j)
{
	enum { BITS = 8 * sizeof(elf_relr) - 1 };
	const struct dyn *dy = &j->im->dyn;
	uintptr_t next = 0;

	for (size_t i = 0; i < dy->nrelr; i++) {
		elf_relr w = dy->relr[i];

		if (!(w & 1)) {
			if (!relative_word(j, w))
				return false;
			next = w + sizeof w;
			continue;
		}
		for (unsigned b = 0; (w >>= 1) != 0; b++)
			if ((w & 1) && !relative_word(j, next + b * sizeof w))
				return false;
		next += BITS * sizeof w;
	}
	return true;
}

/*
 * A long run fills page after page: the kernel makes them all at once.  Linkers sort the run, so its ends
 * are the range; a thin one, or one in several segments, is left to page faults.
 */
static void prepare(struct job *j, const elf_reloc *first, const elf_reloc *last)
{
	enum { WORTH = 64 * 512, THIN = 8 };
	uintptr_t va = first->r_offset, len = last->r_offset - va, page = host.page;

	if (last - first < WORTH / THIN || last->r_offset < va ||
	    len > (uintptr_t)(last - first) * THIN * sizeof(uintptr_t) ||
	    !map_has(&j->im->map, va, len, PROT_W))
		return;
	va = (j->im->map.bias + va) & -page;
	host_populate((void *)va, (len + 2 * page - 1) & -page);
}

/*
 * The run of RELATIVE entries that linkers put first: the bulk of a large library.  Returns where it ends;
 * whatever is unusual is left to one().
 */
static size_t relative_run(struct job *j, const struct dyn_table *t)
{
	const uintptr_t bias = j->im->map.bias;
	const elf_reloc *r = t->at;
	uintptr_t from = 1, last = 0; /* of the segment; last: where a word may still begin */
	size_t i, n = t == &j->im->dyn.rel ? j->im->dyn.relative_count : 0;

	if (n)
		prepare(j, &r[0], &r[n - 1]);
	for (i = 0; i < t->n && arch_reloc_kind(ELF_R_TYPE(r[i].r_info)) == RELOC_RELATIVE; i++) {
		uintptr_t va = r[i].r_offset;

		if (va - from > last - from || from > last) {
			if (!place(j, va, sizeof(uintptr_t)))
				break;
			from = j->room.va;
			last = from + j->room.len - sizeof(uintptr_t);
		}
		store((void *)(bias + va), bias + ELF_ADDEND(&r[i], bias + va));
	}
	return i;
}

static bool table(struct job *j, const struct dyn_table *t)
{
	const elf_reloc *r = t->at;
	bool far = scope_is_large(j->im);

	for (size_t i = relative_run(j, t), left = 0; i < t->n; i++, left--) {
		if (far && !left) {
			left = t->n - i < AHEAD ? t->n - i : AHEAD;
			ahead_look(&j->ahead, j->im, &r[i], left);
		}
		if (!one(j, &r[i]))
			return false;
	}
	return true;
}

/*
 * PLT slots that wait for their first call hold the address of their own PLT entry.  Where one will be
 * read-only by then, nothing waits.
 */
static bool lazy_slots(struct job *j)
{
	const elf_reloc *r = j->im->dyn.plt.at;

	for (size_t i = 0; i < j->im->dyn.plt.n; i++) {
		bool waits = arch_reloc_kind(ELF_R_TYPE(r[i].r_info)) == RELOC_PLT &&
			     ELF_R_SYM(r[i].r_info) < j->im->st.nsym;

		if (waits ? !relative_word(j, r[i].r_offset) : !one(j, &r[i]))
			return false;
		if (waits && map_sealed(&j->im->map, r[i].r_offset, sizeof(uintptr_t))) {
			j->im->lazy = false;
			return table(j, &j->im->dyn.plt);
		}
	}
	return true;
}

/* --- the passes ------------------------------------------------------------------------------------ */

static bool need_static(struct job *j, const elf_reloc *r)
{
	struct image *im;
	uintptr_t value;

	if (arch_reloc_kind(ELF_R_TYPE(r->r_info)) != RELOC_TPOFF)
		return true;
	if (!tls_target(j, ELF_R_SYM(r->r_info), &im, &value))
		return false;
	if (!im || im->host)
		return true; /* reloc_bind says no where libc's has no fixed offset */
	if (!reloc_done(im))
		return im->tls.needs_static = true;
	return tls_make_static(im, j->d);
}

bool reloc_tls(struct image *im, struct diag *d)
{
	struct job j = {.im = im, .d = d, .serial = ++passes};
	const elf_reloc *r = im->dyn.rel.at;

	for (size_t i = im->dyn.relative_count; i < im->dyn.rel.n; i++)
		if (!need_static(&j, &r[i]))
			return false;
	return true;
}

bool reloc_bind(struct image *im, struct diag *d)
{
	struct job j = {.im = im, .d = d, .serial = ++passes};

	im->nreloc = (unsigned)(im->dyn.rel.n + im->dyn.plt.n);
	if (im->dyn.textrel && !map_textrel(&im->map, true, im->path, d))
		return false;
	return relr(&j) && table(&j, &im->dyn.rel) &&
	       (im->lazy ? lazy_slots(&j) : table(&j, &im->dyn.plt));
}

bool reloc_ifunc(struct image *im, struct diag *d)
{
	struct job j = {.im = im, .d = d, .serial = ++passes, .ifuncs = true};

	for (unsigned i = 0; i < im->nlate; i++)
		if (!one(&j, im->late[i]))
			return false;
	arena_free(im->late);
	im->late = NULL;
	im->nlate = im->caplate = 0;
	return true;
}

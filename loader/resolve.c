/* SPDX-License-Identifier: MIT */
/*
 * resolve: which definition a reference means, and where it is.
 *
 * Called by reloc.c for every symbolic relocation, by lazy.c for one slot, by the dlsym door for the
 * address of what it found.  Lookups take no lock; what is not found gets the best message that can be
 * given: who needs it, where it was looked for, where it does exist.
 */
#include "resolve.h"

#include "../arch/arch.h"
#include "../compat/host.h"
#include "index.h"
#include "lock.h"
#include "text.h"
#include "unique.h"

enum { PROT_X = 4 };

static const struct version *version_of(const struct symtab *st, uint32_t index)
{
	bool any = st->versym && host.style->versions;
	unsigned i = any ? st->versym[index] & ~(unsigned)ELF_VERSYM_HIDDEN : 0;

	return i < st->nversion && st->versions[i].name ? &st->versions[i] : NULL;
}

/* Where the symbol does exist: in an image that is loaded but not in im's scope, or in another version. */
static void hint(struct image *im, struct sym_request rq, struct diag *d)
{
	const char *version = rq.version ? rq.version->name : NULL;

	for (int any = 0; any < 2; any++) {
		if (any)
			rq.version = NULL, rq.newest = true;
		for (struct image *other = im->space->first; other; other = other->next) {
			if (!hash_lookup(&other->st, &rq))
				continue;
			if (any && version)
				diag_add(d, "; %s defines it, but not in version %s", image_label(other),
					 version);
			else
				diag_add(d, "; %s defines it, but was loaded without RTLD_GLOBAL and is"
					    " not a dependency",
					 image_label(other));
			return;
		}
	}
}

/* "undefined symbol", in glibc's words, then who was asked for it. */
static bool undefined(struct image *im, const struct sym_request *rq, struct diag *d)
{
	struct scope_chain *chain = atomic_load_explicit(&im->chain, memory_order_acquire);
	unsigned total = 0;

	diag_say(d, DIAG_NO_SYMBOL, HOST_SAY_UNDEFINED, im->path, rq->name);
	if (rq->version)
		diag_add(d, ", version %s", rq->version->name);
	diag_add(d, " (searched:");
	for (unsigned i = 0; chain && i < chain->n; i++) {
		struct scope_list *list = atomic_load_explicit(chain->scope[i], memory_order_acquire);
		unsigned n = list ? atomic_load_explicit(&list->n, memory_order_acquire) : 0;

		for (unsigned k = 0; k < n; k++, total++)
			if (total < 8)
				diag_add(d, " %s", text_base(image_label(list->im[k])));
	}
	if (total > 8)
		diag_add(d, " and %u more", total - 8);
	hint(im, *rq, d);
	diag_add(d, host.is_static ? "; a static program hands symbols over with dlrs_provide)" : ")");
	return image_explain(im, d);
}

static bool binds_itself(const elf_sym *s)
{
	unsigned vis = ELF_ST_VIS(s->st_other);

	return ELF_ST_BIND(s->st_info) == STB_LOCAL || vis == STV_HIDDEN || vis == STV_INTERNAL ||
	       (vis == STV_PROTECTED && s->st_shndx != SHN_UNDEF);
}

/* What libc has under another name. */
static bool find_alias(const char *name, struct sym_found *found)
{
	const char *other = host.style->alias(name);
	struct sym_request rq;

	if (!other || !scope_libc)
		return false;
	rq = sym_request(other);
	*found = (struct sym_found){scope_libc, hash_lookup(&scope_libc->st, &rq)};
	if (!found->sym)
		found->im = NULL;
	return found->sym;
}

/* A library built for another libc got hold of something of ours that may not be what it means. */
static bool is_foreign(const struct image *im, const char *name, const struct sym_found *found)
{
	return image_is_foreign(im) && found->im->libc_family && !host.style->is_common(name);
}

static bool refuse_foreign(const struct image *im, const char *name, struct diag *d)
{
	diag_say(d, DIAG_REFUSED, HOST_SAY_UNDEFINED, im->path, name);
	diag_add(d, " (%s has another one)", host.style->name);
	return image_explain(im, d);
}

/* Has no image before im in this list a name with this hash?  *here: im is in it. */
static bool first_in(struct scope_list *list, const struct image *im, uint32_t stored, bool *here)
{
	/* Acquire: partners are the releases in scope_append and scope_expect. */
	unsigned n = list ? atomic_load_explicit(&list->n, memory_order_acquire) : 0, i = 0;
	const struct index *x = list ? atomic_load_explicit(&list->index, memory_order_acquire) : NULL;
	uint32_t sym;

	if (x)
		i = index_first(x, stored, &sym);
	for (; i < n && list->im[i] != im; i++)
		if (hash_may_stored(&list->im[i]->st, stored))
			return false;
	*here = i < n;
	return true;
}

/*
 * Most references of C++ libraries are to what they define themselves.  Where the Bloom filters of all who
 * come before say no, that is the answer, and nobody need read the name.  False: to be looked up.
 */
static bool binds_own(const struct image *im, uint32_t i)
{
	struct scope_chain *chain = atomic_load_explicit(&im->chain, memory_order_acquire);
	bool here = false;
	uint32_t stored;

	if (im->host || im->deep || !hash_is_plain(&im->st, i, &stored))
		return false;
	for (unsigned k = 0; chain && k < chain->n && !here; k++)
		if (!first_in(atomic_load_explicit(chain->scope[k], memory_order_acquire), im, stored, &here))
			return false;
	return here;
}

bool resolve_symbol(struct image *im, const struct resolve_ref *ref, struct sym_found *found,
		   struct diag *d)
{
	const struct symtab *st = &im->st;
	const elf_sym *s = &st->sym[ref->index];
	struct sym_request rq;

	if (ref->index >= st->nsym)
		return diag_set(d, DIAG_BAD_ELF, "%s: relocation names symbol %u of %u", im->path, ref->index,
				st->nsym);
	if (binds_itself(s) || (!ref->ready && binds_own(im, ref->index))) {
		*found = (struct sym_found){im, s};
		return true;
	}
	rq = ref->ready ? *ref->ready : sym_reference(st, s);
	rq.plt = ref->plt;
	rq.version = version_of(st, ref->index);
	rq.newest = im->made_for == HOST_MUSL; /* one that knows no versions knows no old ones either */
	if (st->gnu && ref->index >= st->symoffset) { /* it is in the hash table, a definition */
		rq.own = st;
		rq.own_sym = ref->index;
	}
	if (!scope_find(im, &rq, found) && !find_alias(rq.name, found))
		return ELF_ST_BIND(s->st_info) == STB_WEAK || undefined(im, &rq, d);
	if (is_foreign(im, rq.name, found)) {
		found->im = NULL;
		return ELF_ST_BIND(s->st_info) == STB_WEAK || refuse_foreign(im, rq.name, d);
	}
	if (unique_is(found))
		unique_first(im->space, &rq, found);
	return true;
}

bool resolve_forgive(const struct image *im, struct sym_found *found, struct diag *d)
{
	if (!im->lenient || d->kind != DIAG_NO_SYMBOL)
		return false;
	diag_clear(d);
	*found = (struct sym_found){NULL, NULL};
	return true;
}

bool resolve_is_ifunc(const struct sym_found *found)
{
	return ELF_ST_TYPE(found->sym->st_info) == STT_GNU_IFUNC && found->sym->st_shndx != SHN_UNDEF;
}

uintptr_t resolve_address(const struct sym_found *found)
{
	uintptr_t at = image_value(found->im, found->sym);

	if (!resolve_is_ifunc(found))
		return at;
	return map_has(&found->im->map, at - found->im->map.bias, 1, PROT_X) ? arch_ifunc(at) : 0;
}

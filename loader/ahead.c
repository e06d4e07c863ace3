/* SPDX-License-Identifier: MIT */
/*
 * ahead: look-ahead over relocations.
 *
 * A lookup in a large scope waits for memory four times, each time for an address that the time before
 * has brought: the reference's name, the index's place, the definition, the definition's name.  For
 * a single reference there is nothing else to do meanwhile; for two dozen together each step is begun for
 * all before the next one needs the first.  Called by reloc.c, which then resolves them one by one as if
 * nothing had happened: nothing here decides anything.
 */
#include "ahead.h"

#include "scope.h"

static void add(struct ahead *a, const struct image *im, uint32_t index)
{
	struct sym_request rq = {0};

	if (!index || index >= im->st.nsym || (a->n && a->index[a->n - 1] == index))
		return;
	if (hash_is_plain(&im->st, index, &rq.gnu)) { /* resolve asks for its hash only */
		scope_prefetch(im, &rq, SCOPE_FETCH_INDEX);
		return;
	}
	a->index[a->n++] = index;
	hash_fetch(hash_name(&im->st, &im->st.sym[index]));
}

void ahead_look(struct ahead *a, const struct image *im, const elf_reloc *r, size_t n)
{
	a->n = a->next = 0;
	for (size_t i = 0; i < n; i++)
		add(a, im, ELF_R_SYM(r[i].r_info));
	for (unsigned i = 0; i < a->n; i++) {
		a->rq[i] = sym_reference(&im->st, &im->st.sym[a->index[i]]);
		scope_prefetch(im, &a->rq[i], SCOPE_FETCH_INDEX);
	}
	for (enum scope_step step = SCOPE_FETCH_IMAGE; step <= SCOPE_FETCH_NAME; step++)
		for (unsigned i = 0; i < a->n; i++)
			scope_prefetch(im, &a->rq[i], step);
}

struct sym_request *ahead_take(struct ahead *a, uint32_t index)
{
	for (unsigned i = a->next; i < a->n; i++)
		if (a->index[i] == index)
			return a->next = i + 1, &a->rq[i];
	return NULL;
}

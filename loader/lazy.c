/* SPDX-License-Identifier: MIT */
/*
 * lazy: a PLT slot finds its function at the first call.
 *
 * lazy_prepare is load.c's; lazy_bind is called from arch_lazy_entry, at any moment, in any thread, in
 * signal handlers: it looks up without a lock.  Only a binding that nothing else keeps alive takes the
 * loader lock, to be recorded.
 */
#include "lazy.h"

#include "../arch/arch.h"
#include "../compat/host.h"
#include "epoch.h"
#include "find.h"
#include "keep.h"
#include "resolve.h"
#include "text.h"
#include "tls.h"

enum { EXIT_SYMBOL_LOOKUP = 127 };

bool lazy_prepare(struct image *im)
{
	uintptr_t *got = im->dyn.pltgot;

	if (!got || !im->dyn.plt.n || im->dyn.bind_now)
		return false;
	got[ARCH_GOT_IMAGE] = (uintptr_t)im;
	got[ARCH_GOT_ENTRY] = (uintptr_t)arch_lazy_entry;
	return true;
}

/* glibc's words on stderr and its status: the caller of the function cannot be told otherwise. */
static _Noreturn void die(const struct diag *d)
{
	char line[2300];
	size_t n = text_format(line, sizeof line, "%s: symbol lookup error: %s\n",
			       host.argc > 0 && host.argv[0] ? host.argv[0] : "<program name unknown>",
			       d->text);

	host_write(2, line, n < sizeof line ? n : sizeof line - 1);
	host_exit(EXIT_SYMBOL_LOOKUP);
}

enum { PROT_R = 1, PROT_W = 2 };

void lazy_adopt(struct image *im)
{
	uintptr_t *got = im->dyn.pltgot, *word;
	void *page;

	if (!im->startup || im->lazy || !got || !im->dyn.plt.n || !got[ARCH_GOT_ENTRY])
		return;
	im->lazy = true;
	word = &got[ARCH_GOT_ENTRY]; /* linkers put it behind RELRO */
	page = image_sealed(im, (uintptr_t)word) ? (void *)((uintptr_t)word & ~(host.page - 1)) : NULL;
	if (page && host_mem->protect(page, host.page, PROT_R | PROT_W) < 0)
		return;
	/*
	 * One word changes, at once: a thread in the middle of a call may bring libc's link_map to our
	 * entry, which knows it, but never ours to libc's.
	 */
	__atomic_store_n(word, (uintptr_t)arch_lazy_entry, __ATOMIC_RELEASE);
	if (page)
		host_mem->protect(page, host.page, PROT_R);
}

/* An image that is being loaded is in no snapshot yet; then the map is our own. */
static struct image *image_of(void *map)
{
	unsigned token = epoch_enter(tls_reader());
	struct image *im = find_handle(map);

	epoch_leave(tls_reader(), token); /* im itself stays: its code has called */
	return im ? im : map;
}

static uintptr_t ask_resolver(const void *found)
{
	return resolve_address(found);
}

/* An IFUNC resolver is foreign code: the registers of the call that waits are not its own. */
static uintptr_t target_of(const struct sym_found *found)
{
	if (!found->im)
		return 0;
	return resolve_is_ifunc(found) ? arch_keep_vectors(ask_resolver, found) : resolve_address(found);
}

uintptr_t lazy_bind(void *map, uintptr_t index)
{
	struct diag d;
	struct image *im = image_of(map);
	const elf_reloc *r = im->dyn.plt.at + index;
	struct resolve_ref ref = {.plt = true};
	struct sym_found found;
	uintptr_t *slot, target;
	unsigned token;
	bool ok;

	diag_clear(&d);
	if (index >= im->dyn.plt.n || arch_reloc_kind(ELF_R_TYPE(r->r_info)) != RELOC_PLT ||
	    map_sealed(&im->map, r->r_offset, sizeof *slot)) { /* relocation may have changed the table */
		diag_set(&d, DIAG_BAD_ELF, "%s: no PLT slot %lu", im->path, (unsigned long)index);
		die(&d);
	}
	ref.index = ELF_R_SYM(r->r_info);
	do {
		token = epoch_enter(tls_reader());
		if (!resolve_symbol(im, &ref, &found, &d))
			die(&d);
		ok = keep_note(im, found.im);
		epoch_leave(tls_reader(), token);
		if (!ok)
			host_yield(); /* it will soon be out of the scope */
	} while (!ok);
	target = target_of(&found);
	slot = (uintptr_t *)(im->map.bias + r->r_offset);
	/* Relaxed: the slot's two possible values both lead to the function. */
	__atomic_store_n(slot, target, __ATOMIC_RELAXED);
	diag_trace(TRACE_BIND, "bind: %s: %s -> %s", im->path,
		   hash_name(&im->st, &im->st.sym[ELF_R_SYM(r->r_info)]),
		   found.im ? image_label(found.im) : "nothing");
	return target;
}

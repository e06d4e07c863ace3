/* SPDX-License-Identifier: MIT */
/*
 * fuzz_reloc: relocation, on the made-up CPU, against itself and one library that defines things.
 *
 * Promise: no store outside the writable segments, no resolver called that is not code, an error with
 * words for everything else; what can be bound lazily can be bound.
 */
#include "fuzz.h"

#include <string.h>

#include "arch/arch.h"
#include "compat/host.h"
#include "loader/arena.h"
#include "loader/lazy.h"
#include "loader/reloc.h"
#include "loader/resolve.h"
#include "loader/scope.h"
#include "memhost.h"
#include "recipe.h"
#include "loader/unique.h"

static struct space space;
static _Atomic(struct scope_list *) everything;

static struct image *open_file(const char *path, struct diag *d)
{
	struct image *im = NULL;
	struct file f;
	bool ok = file_open(&f, path, d) && file_headers(&f, d);

	if (ok && (im = image_new(&space, path, false))) {
		ok = map_image(&im->map, &f, d);
		if (ok)
			fuzz_poison(&im->map);
		ok = ok && image_headers(im, f.ph, f.phnum, f.eh.e_phoff, d) && image_parse(im, NULL, d);
	}
	file_close(&f);
	if (!ok || !im) {
		image_free(im);
		return NULL;
	}
	im->tls.place = im->tls.memsz ? TLS_STATIC : TLS_NONE;
	im->tls.tpoff = 0x1230;
	im->tls.id = 4099;
	return im;
}

static void join(struct image *im)
{
	struct scope_chain *c;

	FUZZ_CHECK(scope_reserve(&everything, 1));
	scope_append(&everything, im);
	FUZZ_CHECK(scope_chain_with(im, &everything, &c));
	scope_chain_publish(im, c);
}

static void leave(struct image *im)
{
	if (!im)
		return;
	unique_forget(&space, im);
	image_free(im);
}

/* Calls of the PLT after the load. */
static void call_all(struct image *im)
{
	const elf_rela *r = im->dyn.plt.at;

	for (size_t i = 0; im->lazy && i < im->dyn.plt.n; i++) {
		struct diag d = {.kind = DIAG_NONE};
		struct sym_found found;

		if (arch_reloc_kind(ELF_R_TYPE(r[i].r_info)) == RELOC_PLT &&
		    resolve_symbol(im, &(struct resolve_ref){ELF_R_SYM(r[i].r_info), true, NULL}, &found,
				   &d))
			lazy_bind(im, i);
	}
}

static void work(struct image *im, const uint64_t *control)
{
	struct diag d = {.kind = DIAG_NONE};
	bool ok;

	fuzz_resolving = NULL;
	im->dyn.textrel |= control[RECIPE_MODE] >> 8 & 1;
	ok = reloc_tls(im, &d);
	im->lazy = ok && (control[RECIPE_MODE] & 1) && lazy_prepare(im);
	ok = ok && reloc_bind(im, &d) && reloc_ifunc(im, &d);
	if (ok)
		im->state = IMAGE_RELOCATED;
	ok = ok && (!im->map.textrel_open || map_textrel(&im->map, false, im->path, &d)) &&
	     map_protect(&im->map, im->path, &d);
	fuzz_check_diag(&d, ok);
	if (ok && !memhost_failed())
		call_all(im);
	fuzz_look_up(im);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct elfgen *def;
	struct diag d = {.kind = DIAG_NONE};
	struct image *im, *other;
	struct recipe r;

	fuzz_start();
	recipe_make(&r, data, len);
	if (!r.n)
		return 0;
	def = recipe_base(1);
	elfgen_build(def);
	memhost_clear();
	memhost_add(&(struct memhost_file){.path = "/root.so", .bytes = r.file[0].bytes, .len = r.file[0].len,
		.size = r.file[0].len});
	memhost_add(&(struct memhost_file){.path = "/b.so", .bytes = def->buf, .len = def->len, .size = def->len});
	other = open_file("/b.so", &d);
	FUZZ_CHECK(other);
	join(other);
	other->state = IMAGE_RELOCATED;
	im = open_file("/root.so", &d);
	if (im) {
		join(im);
		memhost_fail(r.file[0].control[RECIPE_FAIL] & 15);
		work(im, r.file[0].control);
		memhost_fail(0);
	}
	everything->n = 0;
	leave(im);
	leave(other);
	FUZZ_CHECK(memhost_fds() == 0 && memhost_mapped() == 0);
	elfgen_free(def);
	recipe_free(&r);
	return 0;
}

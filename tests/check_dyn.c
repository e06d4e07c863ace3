/* SPDX-License-Identifier: MIT */
/*
 * check_dyn: the dynamic section's tables, with the bounds they really have.
 *
 * What dyn_parse makes of a correct file is compared with what elfgen put there; the wrong ones are in
 * check_bad.  Also here: which odd entries are accepted, and why.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/dyn.h"

static struct image *load(struct elfgen *e)
{
	struct diag d = {0};
	struct image *im;

	elfgen_build(e);
	im = kit_load(e, "dyn.so", &d);
	ck_assert_msg(im, "%s", d.text);
	return im;
}

static uintptr_t at(const struct image *im, const struct elfgen *e, enum elfgen_table t)
{
	return im->map.bias + e->table[t].off;
}

START_TEST(everything)
{
	struct dyn_depend dep = {0};
	struct elfgen *e = kit_sample();
	struct image *im;
	const struct dyn *dy;
	const struct symtab *st;

	elfgen_needed(e, "libone.so");
	elfgen_needed(e, "libtwo.so");
	e->dt_flags = DF_BIND_NOW | DF_SYMBOLIC;
	e->dt_flags_1 = DF_1_NODELETE;
	e->textrel = true;
	elfgen_dyn(e, DT_INIT, KIT_TEXT + 32);
	elfgen_dyn(e, DT_FINI, KIT_TEXT + 48);
	elfgen_dyn(e, ARCH_RELA ? DT_RELACOUNT : DT_RELCOUNT, 1);
	im = load(e);
	dy = &im->dyn;
	st = &im->st;
	ck_assert_uint_eq((uintptr_t)dy->at, im->map.bias + e->dynamic_va);
	ck_assert_uint_eq(dy->n, e->dynout.n - 1);
	ck_assert_uint_eq((uintptr_t)dy->rel.at, at(im, e, ELFGEN_REL));
	ck_assert_uint_eq(dy->rel.n, 4);
	ck_assert_uint_eq((uintptr_t)dy->plt.at, at(im, e, ELFGEN_PLT));
	ck_assert_uint_eq(dy->plt.n, 1);
	ck_assert_uint_eq((uintptr_t)dy->relr, at(im, e, ELFGEN_RELR));
	ck_assert_uint_eq(dy->nrelr, e->table[ELFGEN_RELR].n);
	ck_assert_uint_eq(dy->relative_count, 1);
	ck_assert_uint_eq((uintptr_t)dy->pltgot, im->map.bias + e->pltgot);
	ck_assert_uint_eq(dy->init, im->map.bias + KIT_TEXT + 32);
	ck_assert_uint_eq(dy->fini, im->map.bias + KIT_TEXT + 48);
	ck_assert_uint_eq((uintptr_t)dy->init_array, im->map.bias + e->init_array);
	ck_assert_uint_eq(dy->ninit, 2);
	ck_assert_uint_eq((uintptr_t)dy->fini_array, im->map.bias + e->fini_array);
	ck_assert_uint_eq(dy->nfini, 1);
	ck_assert_str_eq(dy->soname, "libsample.so");
	ck_assert_str_eq(dy->runpath, "$ORIGIN");
	ck_assert_ptr_null(dy->rpath);
	ck_assert_uint_eq(dy->ndepend, 2);
	ck_assert(dyn_depend(dy, st, &dep) && dep.tag == DT_NEEDED);
	ck_assert_str_eq(dep.name, "libone.so");
	ck_assert(dyn_depend(dy, st, &dep));
	ck_assert_str_eq(dep.name, "libtwo.so");
	ck_assert(!dyn_depend(dy, st, &dep));
	ck_assert(dy->textrel && dy->symbolic && dy->bind_now);
	ck_assert_uint_eq(dy->flags_1, DF_1_NODELETE);
	ck_assert_uint_eq((uintptr_t)dy->verneed, at(im, e, ELFGEN_VERNEED));
	ck_assert_uint_eq((uintptr_t)dy->verdef, at(im, e, ELFGEN_VERDEF));
	ck_assert_uint_eq(st->bias, im->map.bias);
	ck_assert_uint_eq((uintptr_t)st->sym, at(im, e, ELFGEN_SYM));
	ck_assert_uint_eq(st->nsym, e->table[ELFGEN_SYM].n);
	ck_assert_uint_eq((uintptr_t)st->str, at(im, e, ELFGEN_STR));
	ck_assert_uint_eq(st->str_len, e->table[ELFGEN_STR].n);
	ck_assert_uint_eq((uintptr_t)st->versym, at(im, e, ELFGEN_VERSYM));
	ck_assert(st->gnu && st->has_verdef);
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* The headers: image_headers. */
START_TEST(program_headers)
{
	struct elfgen *e = kit_sample();
	struct image *im;
	char origin[256];

	e->eh_frame_hdr = KIT_TEXT + 128;
	im = load(e);
	ck_assert_uint_eq(im->dynamic_va, e->dynamic_va);
	ck_assert_uint_eq(im->tls.va, KIT_RELRO);
	ck_assert_uint_eq(im->tls.filesz, 8);
	ck_assert_uint_eq(im->tls.memsz, 24);
	ck_assert_uint_eq(im->tls.align, 16);
	ck_assert_uint_eq(im->eh_frame_hdr, im->map.bias + KIT_TEXT + 128);
	ck_assert_uint_eq(im->map.relro_va, KIT_RELRO);
	ck_assert_uint_eq(im->map.relro_len, e->load[ELFGEN_RELRO].memsz);
	ck_assert_msg(!im->exec_stack, "PT_GNU_STACK without PF_X asks for no executable stack");
	ck_assert_msg(!im->ph_copy, "headers inside a segment need no copy");
	ck_assert_uint_eq((uintptr_t)im->ph, at(im, e, ELFGEN_PHDR));
	ck_assert_ptr_eq(im->link.l_ld, (void *)(im->map.bias + e->dynamic_va));
	ck_assert_uint_eq(im->link.l_addr, im->map.bias);
	ck_assert(image_origin(im, origin, sizeof(origin)));
	ck_assert_str_eq(origin, (*strrchr(im->path, '/') = 0, im->path));
	image_free(im);
	elfgen_free(e);
}
END_TEST

START_TEST(executable_stack)
{
	struct elfgen *e = kit_sample();
	struct image *im;

	e->exec_stack = true;
	im = load(e);
	ck_assert_msg(im->exec_stack, "PT_GNU_STACK with PF_X");
	image_free(im);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_type, PT_GNU_STACK, 0}, PT_NULL);
	im = kit_load(e, "nostack.so", &(struct diag){0});
	ck_assert_msg(im && im->exec_stack, "no PT_GNU_STACK means the default: executable");
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* Program headers outside every segment are copied: they must live as long as the image. */
START_TEST(headers_outside_segments)
{
	struct elfgen *e = kit_sample();
	struct image *im;
	uint64_t off, old;
	size_t len;

	elfgen_build(e);
	old = e->table[ELFGEN_PHDR].off;
	len = e->table[ELFGEN_PHDR].n * sizeof(elf_phdr);
	off = (e->len + 7) & ~7ull;
	elfgen_resize(e, off + len);
	memcpy(e->buf + off, e->buf + old, len);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_e_phoff, 0, 0}, off);
	im = kit_load(e, "far.so", &(struct diag){0});
	ck_assert_ptr_nonnull(im);
	ck_assert_ptr_nonnull(im->ph_copy);
	ck_assert_int_eq(memcmp(im->ph, e->buf + off, len), 0);
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* DT_HASH alone, DT_GNU_HASH alone, neither (an object without symbols that can be found). */
START_TEST(hash_styles)
{
	for (unsigned style = 0; style < 4; style++) {
		struct elfgen *e = kit_sample();
		struct image *im;

		e->hash_style = style;
		im = load(e);
		ck_assert_int_eq(im->st.gnu, (style & ELFGEN_GNU) != 0);
		ck_assert_int_eq(im->st.nbucket != 0, style != 0);
		if (style)
			ck_assert_uint_eq(hash_count(&im->st), e->table[ELFGEN_SYM].n);
		if (style & ELFGEN_SYSV)
			ck_assert_uint_eq(im->st.nsym, e->table[ELFGEN_SYM].n);
		else /* the count is not known, but no index beyond the segment is used */
			ck_assert_uint_le((uintptr_t)(im->st.sym + im->st.nsym),
					  im->map.bias + e->load[ELFGEN_HEAD].memsz);
		image_free(im);
		elfgen_free(e);
	}
}
END_TEST

/* DT_REL(A)COUNT is a hint: a wrong one must not reach beyond the table. */
START_TEST(relative_count_is_a_hint)
{
	struct elfgen *e = kit_sample();
	struct image *im;

	elfgen_dyn(e, ARCH_RELA ? DT_RELACOUNT : DT_RELCOUNT, 1000000);
	im = load(e);
	ck_assert_uint_le(im->dyn.relative_count, im->dyn.rel.n);
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* Some linkers let DT_RELASZ include the PLT's entries at its end: those are counted once. */
START_TEST(plt_inside_relocations)
{
	struct elfgen *e = kit_sample();
	uint64_t one = ARCH_RELA ? sizeof(elf_rela) : sizeof(elf_rel);
	struct image *im;

	elfgen_build(e);
	ck_assert_uint_eq(e->table[ELFGEN_REL].off + 4 * one, e->table[ELFGEN_PLT].off);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_val, ARCH_RELA ? DT_RELASZ : DT_RELSZ, 0}, 5 * one);
	im = kit_load(e, "dyn.so", &(struct diag){0});
	ck_assert_ptr_nonnull(im);
	ck_assert_uint_eq(im->dyn.rel.n, 4);
	ck_assert_uint_eq(im->dyn.plt.n, 1);
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* Unknown tags, also negative ones, are passed over; of a repeated tag the last counts, as in glibc. */
START_TEST(odd_tags)
{
	struct elfgen *e = kit_sample();
	struct image *im;

	elfgen_dyn(e, 0x6fffff00, 1);
	elfgen_dyn(e, -1, 1);
	elfgen_dyn(e, 0x7fffffff, 1);
	elfgen_dyn(e, DT_DEBUG, 0);
	elfgen_dyn(e, DT_SONAME, elfgen_str(e, "libagain.so"));
	im = load(e);
	ck_assert_str_eq(im->dyn.soname, "libagain.so");
	image_free(im);
	elfgen_free(e);
}
END_TEST

/* --- libc's images: trusted, with libc's pointers ---------------------------------------------------- */

static uintptr_t absolute(intptr_t tag, uintptr_t d_ptr, uintptr_t bias, uintptr_t start, uintptr_t end)
{
	(void)tag;
	(void)bias;
	(void)start;
	(void)end;
	return d_ptr;
}

/* With a rule the pointers are runtime addresses; what is odd is left out instead of refused. */
START_TEST(adopted)
{
	static const int64_t pointers[] = {DT_HASH, DT_GNU_HASH, DT_STRTAB, DT_SYMTAB, DT_VERSYM, DT_VERDEF};
	struct elfgen *e = kit_sample();
	struct diag d = {0};
	struct image *im;

	elfgen_build(e);
	elfgen_write(e, kit_path("host.so"));
	im = kit_map(kit_path("host.so"), &d);
	ck_assert_msg(im, "%s", d.text);
	for (uintptr_t i = 0; i < e->dynout.n; i++) {
		elf_dyn *dy = (elf_dyn *)(im->map.bias + im->dynamic_va) + i;

		for (size_t k = 0; k < sizeof(pointers) / sizeof(pointers[0]); k++)
			if (dy->d_tag == pointers[k])
				dy->d_un.d_ptr += im->map.bias;
		if (dy->d_tag == DT_RUNPATH)
			dy->d_un.d_val = 0x12345678;
		if (dy->d_tag == DT_VERNEED)
			dy->d_un.d_ptr = 1;
	}
	ck_assert_msg(image_parse(im, absolute, &d), "%s", d.text);
	ck_assert_uint_eq((uintptr_t)im->st.sym, at(im, e, ELFGEN_SYM));
	ck_assert_uint_eq((uintptr_t)im->st.versym, at(im, e, ELFGEN_VERSYM));
	ck_assert_str_eq(im->dyn.soname, "libsample.so");
	ck_assert_ptr_null(im->dyn.verneed);
	ck_assert_msg(im->dyn.runpath == NULL || im->dyn.runpath < im->st.str + im->st.str_len,
		      "a string beyond the table");
	image_free(im);
	elfgen_free(e);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, everything);
	tcase_add_test(tc, program_headers);
	tcase_add_test(tc, executable_stack);
	tcase_add_test(tc, headers_outside_segments);
	tcase_add_test(tc, hash_styles);
	tcase_add_test(tc, relative_count_is_a_hint);
	tcase_add_test(tc, plt_inside_relocations);
	tcase_add_test(tc, odd_tags);
	tcase_add_test(tc, adopted);
}

KIT_MAIN("dyn", add)

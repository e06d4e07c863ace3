/* SPDX-License-Identifier: MIT */
/*
 * fuzz_file: from a path to checked headers.
 *
 * Promise: what file_headers lets pass can be mapped without another thought: every PT_LOAD lies in the
 * file, ascends, and stays below half the address space.
 */
#include "fuzz.h"

#include "compat/host.h"
#include "loader/arena.h"
#include "loader/diag.h"
#include "loader/file.h"
#include "memhost.h"
#include "recipe.h"

static void check(const struct file *f)
{
	uintptr_t last = 0;
	unsigned loads = 0;

	FUZZ_CHECK(f->phnum > 0 && f->ph);
	for (unsigned i = 0; i < f->phnum; i++) {
		const elf_phdr *ph = &f->ph[i];
		uintptr_t align = ph->p_align > host.page ? ph->p_align : host.page;

		if (ph->p_type != PT_LOAD)
			continue;
		loads++;
		FUZZ_CHECK(ph->p_filesz <= ph->p_memsz);
		FUZZ_CHECK(!ph->p_filesz || (ph->p_offset <= f->size && ph->p_filesz <= f->size - ph->p_offset));
		FUZZ_CHECK(ph->p_vaddr >= last && ph->p_vaddr + ph->p_memsz >= ph->p_vaddr);
		FUZZ_CHECK(ph->p_vaddr + ph->p_memsz < UINTPTR_MAX / 2);
		FUZZ_CHECK((align & (align - 1)) == 0 && (ph->p_vaddr - ph->p_offset) % align == 0);
		last = ph->p_vaddr + ph->p_memsz;
	}
	FUZZ_CHECK(loads);
}

static void add(const struct recipe_file *f)
{
	const uint64_t change = f->control[RECIPE_CHANGE];

	memhost_clear();
	memhost_add(&(struct memhost_file){.path = "/f", .bytes = f->bytes, .len = f->len,
		.size = f->len + f->control[RECIPE_SIZE], .change = change & 15, .growth = (int32_t)(change >> 4),
		.type = change >> 60 << 12});
	memhost_fail(f->control[RECIPE_FAIL] & 15);
}

static void work(bool snapshot)
{
	struct diag d = {.kind = DIAG_NONE};
	struct file f;
	bool ok = file_open(&f, "/f", &d);

	fuzz_check_diag(&d, ok);
	if (!ok)
		return;
	ok = file_headers(&f, &d);
	fuzz_check_diag(&d, ok);
	if (ok && snapshot) {
		ok = file_snapshot(&f, &d);
		fuzz_check_diag(&d, ok);
	}
	if (ok) {
		check(&f);
		ok = file_unchanged(&f, &d);
		fuzz_check_diag(&d, ok);
	}
	file_close(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct recipe r;
	size_t used = arena_used();

	fuzz_start();
	recipe_make(&r, data, len);
	if (!r.n)
		return 0;
	add(&r.file[0]);
	work(r.file[0].control[RECIPE_MODE] & 1);
	FUZZ_CHECK(memhost_fds() == 0 && arena_used() == used && memhost_mapped() == 0);
	recipe_free(&r);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * fuzz_dyn: mapping, program headers, dynamic section, both hashes, versions, frames of unwinders.
 *
 * Promise: whatever was parsed, every lookup has an answer and stays inside the segments; what is refused
 * leaves nothing.
 */
#include "fuzz.h"

#include <string.h>

#include "arch/arch.h"
#include "compat/host.h"
#include "loader/arena.h"
#include "loader/frame.h"
#include "loader/image.h"
#include "loader/text.h"
#include "loader/version.h"
#include "memhost.h"
#include "recipe.h"

static bool each_need(const struct version_need *need, void *arg)
{
	size_t *total = arg;

	FUZZ_CHECK(need->file && need->name);
	*total += text_len(need->file) + text_len(need->name);
	return *total < 1 << 20;
}

static void read_all(const void *at, size_t len)
{
	static volatile unsigned char sink;

	for (size_t i = 0; i < len; i++)
		sink = (unsigned char)(sink + ((const unsigned char *)at)[i]);
}

static unsigned registered;

/* As libgcc reads it: from length to length, until one is zero. */
static void read_frames(const void *eh_frame, void *object)
{
	const char *at = eh_frame;
	uint32_t len;

	FUZZ_CHECK(object);
	for (;; at += len) {
		memcpy(&len, at, sizeof(len));
		at += sizeof(len);
		if (!len)
			break;
		read_all(at, len);
	}
	registered++;
}

static void *forget_frames(const void *eh_frame)
{
	FUZZ_CHECK(eh_frame && registered);
	registered--;
	return NULL;
}

static void check_frames(struct image *im)
{
	host.real.register_frame = read_frames;
	host.real.deregister_frame = forget_frames;
	frame_find(im);
	frame_enter(im);
	frame_forget(im);
	FUZZ_CHECK(!registered);
}

/* What other rooms take from struct dyn without another check. */
static void check(const struct image *im)
{
	const struct dyn *dy = &im->dyn;
	const size_t one = ARCH_RELA ? sizeof(elf_rela) : sizeof(elf_rel);
	size_t total = 0;
	struct dyn_depend dep = {0};

	read_all(dy->rel.at, dy->rel.n * one);
	read_all(dy->plt.at, dy->plt.n * one);
	read_all(dy->relr, dy->nrelr * sizeof(*dy->relr));
	read_all(dy->init_array, dy->ninit * sizeof(uintptr_t));
	read_all(dy->fini_array, dy->nfini * sizeof(uintptr_t));
	read_all(dy->pltgot, dy->pltgot ? 3 * sizeof(uintptr_t) : 0);
	if (im->tls.filesz)
		read_all((const char *)im->map.bias + im->tls.va, im->tls.filesz);
	read_all(im->ph, im->phnum * sizeof(*im->ph));
	FUZZ_CHECK(dy->relative_count <= dy->rel.n);
	while (dyn_depend(dy, &im->st, &dep))
		total += text_len(dep.name);
	FUZZ_CHECK(dep.given == dy->ndepend);
	total += dy->soname ? text_len(dy->soname) : 0;
	total += dy->rpath ? text_len(dy->rpath) : 0;
	total += dy->runpath ? text_len(dy->runpath) : 0;
	version_each_need(&im->st, dy, &im->map, each_need, &total);
	version_defined(&im->st, "BASE_1", hash_sysv("BASE_1"));
	fuzz_look_up(im);
}

static bool work(struct image *im, struct file *f, struct diag *d)
{
	bool ok = map_image(&im->map, f, d);

	if (!ok)
		return false;
	fuzz_poison(&im->map);
	if (!image_headers(im, f->ph, f->phnum, f->eh.e_phoff, d) || !image_parse(im, NULL, d))
		return false;
	check(im);
	check_frames(im);
	return map_protect(&im->map, im->path, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct space *const nowhere;
	struct recipe r;
	struct diag d = {.kind = DIAG_NONE};
	struct image *im;
	struct file f;
	size_t used = arena_used();
	const uint64_t *control;
	bool ok;

	fuzz_start();
	recipe_make(&r, data, len);
	if (!r.n)
		return 0;
	control = r.file[0].control;
	memhost_clear();
	memhost_add(&(struct memhost_file){.path = "/f", .bytes = r.file[0].bytes, .len = r.file[0].len,
		.size = r.file[0].len, .twist = control[RECIPE_TWIST] & 15,
		.by = control[RECIPE_TWIST] >> 8 & 0xff, .off = control[RECIPE_TWIST] >> 16 & 0xffff});
	memhost_fail(control[RECIPE_FAIL] & 31);
	ok = file_open(&f, "/f", &d) && file_headers(&f, &d);
	if (ok && (im = image_new(nowhere, "/f", false))) {
		ok = work(im, &f, &d);
		image_free(im);
		fuzz_check_diag(&d, ok);
	}
	file_close(&f);
	FUZZ_CHECK(memhost_fds() == 0 && arena_used() == used && memhost_mapped() == 0);
	recipe_free(&r);
	return 0;
}

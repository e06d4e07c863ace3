/* SPDX-License-Identifier: MIT */
/*
 * image: birth, headers, parse, death of one object.
 *
 * Called by load.c for our images and by registry.c for those that libc loaded.  Knows nothing of other
 * images but the list of bindings.  Never maps or runs anything.
 */
#include "image.h"

#include "../compat/host.h"
#include "arena.h"
#include "text.h"
#include "version.h"

enum { PROT_W = 2 };

/* A relative path means another place after a chdir. */
static bool remember_origin(struct image *im)
{
	static char dir[4096]; /* stacks may be small; we hold the lock */
	int n = host_fs->getcwd(dir, sizeof dir);

	if (n < 0)
		return true; /* $ORIGIN is then not known */
	if (text_format(dir + n, sizeof dir - (size_t)n, "/%s", im->path) >= sizeof dir - (size_t)n)
		return true;
	*(char *)(uintptr_t)text_rchr(dir, '/') = 0;
	im->origin = arena_text(dir);
	return im->origin != NULL;
}

/* What libc has behind the public part of its link_map: 1472 bytes in glibc 2.41. */
static size_t private_part(void)
{
	enum { UNKNOWN = 2048 };
	size_t known = host_map_size();

	return (known > sizeof(struct link_map) ? known : UNKNOWN) - sizeof(struct link_map);
}

struct image *image_new(struct space *space, const char *path, bool libcs)
{
	struct image *im = arena_alloc(sizeof *im + (libcs ? 0 : private_part()));

	if (!im)
		return NULL;
	im->host = libcs;
	im->path = arena_text(path);
	if (!im->path) {
		arena_free(im);
		return NULL;
	}
	if (*path != '/' && text_chr(path, '/') && !remember_origin(im)) {
		image_free(im);
		return NULL;
	}
	im->space = space;
	im->link.l_name = im->path;
	im->handle = &im->link;
	return im;
}

void image_free(struct image *im)
{
	if (!im)
		return;
	if (!im->host)
		map_unmap(&im->map);
	map_forget(&im->map);
	arena_free((void *)(uintptr_t)im->st.versions);
	arena_free(im->needed);
	if (im->order != im->needed)
		arena_free(im->order);
	arena_free(im->binds);
	arena_free(im->late);
	arena_free(im->ph_copy);
	arena_free(atomic_load_explicit(&im->search, memory_order_relaxed));
	arena_free(atomic_load_explicit(&im->chain, memory_order_relaxed));
	arena_free(im->origin);
	arena_free(im->path);
	arena_free(im);
}

static bool take_tls(struct image *im, const elf_phdr *ph, struct diag *d)
{
	struct image_tls *t = &im->tls;

	if (!ph->p_memsz)
		return true;
	if (t->memsz)
		return diag_set(d, DIAG_BAD_ELF, "%s: more than one PT_TLS", im->path);
	if (ph->p_filesz > ph->p_memsz || ph->p_memsz > UINTPTR_MAX / 4)
		return diag_set(d, DIAG_BAD_ELF, "%s: PT_TLS has an impossible size", im->path);
	if ((ph->p_align & (ph->p_align - 1)) || ph->p_align > 1 << 20)
		return diag_set(d, DIAG_BAD_ELF, "%s: PT_TLS alignment %lx is not possible", im->path,
				(unsigned long)ph->p_align);
	if (ph->p_filesz && !image_at(im, ph->p_vaddr, ph->p_filesz))
		return diag_set(d, DIAG_BAD_ELF, "%s: PT_TLS outside the image", im->path);
	t->va = ph->p_vaddr;
	t->filesz = ph->p_filesz;
	t->memsz = ph->p_memsz;
	t->align = ph->p_align ? ph->p_align : 1;
	return true;
}

static bool take_relro(struct image *im, const elf_phdr *ph, struct diag *d)
{
	uintptr_t at = im->map.bias + ph->p_vaddr;

	if (im->host || !ph->p_memsz)
		return true;
	if (at < im->map.start || at > im->map.end || ph->p_memsz > im->map.end - at)
		return diag_set(d, DIAG_BAD_ELF, "%s: PT_GNU_RELRO outside the image", im->path);
	im->map.relro_va = ph->p_vaddr;
	im->map.relro_len = ph->p_memsz;
	return true;
}

/*
 * The dynamic section's page is read now and written by relocation: beginning with a write makes one page
 * fault of two.
 */
static void touch(const struct image *im, uintptr_t va)
{
	if (map_has(&im->map, va, 1, PROT_W))
		__atomic_fetch_or((unsigned char *)(im->map.bias + va), 0, __ATOMIC_RELAXED);
}

static bool take(struct image *im, const elf_phdr *ph, struct diag *d)
{
	switch (ph->p_type) {
	case PT_DYNAMIC:
		if (im->dynamic_len && !im->host)
			return diag_set(d, DIAG_BAD_ELF, "%s: more than one PT_DYNAMIC", im->path);
		im->dynamic_va = ph->p_vaddr;
		im->dynamic_len = ph->p_memsz;
		if (!im->host)
			touch(im, ph->p_vaddr);
		return true;
	case PT_GNU_STACK:
		im->exec_stack = ph->p_flags & PF_X;
		return true;
	case PT_TLS:
		return take_tls(im, ph, d);
	case PT_GNU_RELRO:
		return take_relro(im, ph, d);
	case PT_GNU_EH_FRAME:
		if (image_at(im, ph->p_vaddr, ph->p_memsz))
			im->eh_frame_hdr = im->map.bias + ph->p_vaddr;
		return true;
	}
	return true;
}

/*
 * dl_iterate_phdr hands the program headers out for as long as the image lives: where they lie in its
 * own memory, else in a copy.
 */
static bool keep_headers(struct image *im, uint64_t phoff, struct diag *d)
{
	size_t len = im->phnum * sizeof *im->ph;

	for (unsigned i = 0; i < im->phnum; i++) {
		const elf_phdr *load = &im->ph[i], *at;

		if (load->p_type != PT_LOAD || load->p_offset > phoff ||
		    phoff - load->p_offset > load->p_filesz)
			continue;
		at = image_at(im, load->p_vaddr + (phoff - load->p_offset), len);
		if (at && !memcmp(at, im->ph, len))
			return im->ph = at, true;
	}
	im->ph_copy = arena_alloc(len);
	if (!im->ph_copy)
		return diag_no_memory(d, im->path);
	im->ph = memcpy(im->ph_copy, im->ph, len);
	return true;
}

bool image_headers(struct image *im, const elf_phdr *ph, unsigned phnum, uint64_t phoff,
		   struct diag *d)
{
	im->link.l_addr = im->map.bias;
	im->ph = ph;
	im->phnum = phnum;
	im->exec_stack = true;
	for (unsigned i = 0; i < phnum; i++)
		if (!take(im, &ph[i], d))
			return false;
	if (im->dynamic_len)
		im->link.l_ld = (elf_dyn *)(im->map.bias + im->dynamic_va);
	return im->host || keep_headers(im, phoff, d);
}

/* What DF_1_* and the like forbid, in glibc's words. */
static bool check_flags(const struct image *im, struct diag *d)
{
	if (im->dyn.flags_1 & DF_1_PIE && host.style->flags)
		return diag_set(d, DIAG_REFUSED,
				"%s: cannot dynamically load position-independent executable", im->path);
	return true;
}

bool image_parse(struct image *im, dyn_ptr_rule *rule, struct diag *d)
{
	struct dyn_source src = {&im->map, im->dynamic_va, im->dynamic_len, im->path, rule};

	if (!dyn_parse(&im->dyn, &im->st, &src, d) || !version_parse(&im->st, &im->dyn, &src, d))
		return false;
	if (im->dyn.flags & DF_STATIC_TLS)
		im->tls.needs_static = true;
	return rule || check_flags(im, d);
}

bool image_sealed(const struct image *im, uintptr_t at)
{
	for (unsigned i = 0; i < im->phnum; i++) {
		uintptr_t start = im->map.bias + im->ph[i].p_vaddr;

		if (im->ph[i].p_type == PT_GNU_RELRO && at >= start &&
		    at < ((start + im->ph[i].p_memsz) & ~(host.page - 1)))
			return true;
	}
	return false;
}

const char *image_label(const struct image *im)
{
	return *im->path ? im->path : host.argc > 0 && host.argv[0] ? host.argv[0] : "<main program>";
}

bool image_explain(const struct image *im, struct diag *d)
{
	if (!image_is_foreign(im))
		return false;
	diag_add(d, "; %s was built for %s, and this process has %s", im->path, host_libc_name(im->made_for),
		 host.style->name);
	if (host.minor)
		diag_add(d, " 2.%d", host.minor);
	return diag_add(d, ": there can be only one libc");
}

bool image_origin(const struct image *im, char *out, size_t len)
{
	const char *slash;
	size_t n;

	if (im->origin)
		return text_copy(out, len, im->origin) < len;
	if (im->program && host_paths()->origin)
		return text_copy(out, len, host_paths()->origin) < len;
	if (im->program && (!*im->path || host.exe_is_program)) {
		if (host_fs->realpath("/proc/self/exe", out, len) <= 0)
			return false;
	} else if (text_copy(out, len, im->path) >= len) {
		return false;
	}
	slash = text_rchr(out, '/');
	if (!slash)
		return false;
	n = (size_t)(slash - out);
	out[n ? n : 1] = 0;
	return true;
}

bool image_depends_on(const struct image *im, const struct image *to)
{
	for (unsigned i = 0; i < im->norder; i++)
		if (im->order[i] == to)
			return true;
	return false;
}

void image_unbind_dependencies(struct image *im)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < im->nbinds; i++)
		if (!image_depends_on(im, im->binds[i]))
			im->binds[kept++] = im->binds[i];
	im->nbinds = kept;
}

bool image_bind_new(struct image *im, struct image *to)
{
	struct image **more;

	if (im->nbinds == im->capbinds) {
		unsigned cap = im->capbinds ? 2 * im->capbinds : 4;

		more = arena_grow(im->binds, im->capbinds * sizeof *more, cap * sizeof *more);
		if (!more)
			return false;
		im->binds = more;
		im->capbinds = cap;
	}
	im->binds[im->nbinds++] = to;
	return true;
}

bool image_bind(struct image *im, struct image *to)
{
	if (im == to || to->pinned)
		return true;
	for (unsigned i = 0; i < im->nbinds; i++)
		if (im->binds[i] == to)
			return true;
	return image_bind_new(im, to);
}

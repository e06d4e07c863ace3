/* SPDX-License-Identifier: MIT */
/*
 * dladdr, dladdr1: which image and which symbol an address belongs to.
 *
 * No lock: an address of an image we know, libc's or ours, is answered inside an epoch, also in a signal
 * handler.  Only an address that nobody has is passed on to libc, which may have loaded something
 * since we last looked.
 */
#include "door.h"

#include <dlfcn.h>

#include "../compat/host.h"
#include "../loader/epoch.h"
#include "../loader/tls.h"
#include "../loader/find.h"

DOOR int dladdr(const void *addr, Dl_info *info);
DOOR int dladdr1(const void *addr, Dl_info *info, void **extra, int flags);

/* glibc's RTLD_DL_SYMENT and RTLD_DL_LINKMAP, which musl's header does not have. */
enum { WANT_SYMBOL = 1, WANT_LINK_MAP = 2 };

/* libc's name for libc's images; the program has none and goes by argv[0]. */
static const char *name_of(const struct image *im)
{
	const struct link_map *map = im->host ? im->handle : &im->link;

	if (map->l_name && map->l_name[0])
		return map->l_name;
	if (im->program && host.argv && host.argv[0])
		return host.argv[0];
	return map->l_name ? map->l_name : "";
}

static void answer(const struct image *im, const elf_sym *sym, Dl_info *info)
{
	info->dli_fname = name_of(im);
	info->dli_fbase = (void *)im->map.start;
	info->dli_sname = sym ? hash_name(&im->st, sym) : NULL;
	info->dli_saddr = sym ? (void *)image_value(im, sym) : NULL;
}

/* Not in a gap: musl gives those to malloc. */
static bool in_segment(const struct image *im, uintptr_t addr)
{
	for (unsigned i = 0; i < im->phnum; i++)
		if (im->ph[i].p_type == PT_LOAD &&
		    addr - im->map.bias - im->ph[i].p_vaddr < im->ph[i].p_memsz)
			return true;
	return false;
}

int dladdr1(const void *addr, Dl_info *info, void **extra, int flags)
{
	const struct image *im = NULL;
	const elf_sym *sym = NULL;
	unsigned token;

	if (!door_ready())
		return 0;
	token = epoch_enter(tls_reader());
	im = find_address((uintptr_t)addr);
	if (im && !host.style->exact && !in_segment(im, (uintptr_t)addr))
		im = NULL;
	if (im) {
		sym = hash_nearest(&im->st, (uintptr_t)addr);
		answer(im, sym, info);
		if (flags == WANT_SYMBOL)
			*extra = (void *)sym;
		else if (flags == WANT_LINK_MAP)
			*extra = im->handle;
	}
	epoch_leave(tls_reader(), token);
	if (im)
		return 1;
	return host.real.dladdr1 ? host.real.dladdr1(addr, info, extra, flags) : 0;
}

int dladdr(const void *addr, Dl_info *info)
{
	return dladdr1(addr, info, NULL, 0);
}

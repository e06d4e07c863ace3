/* SPDX-License-Identifier: MIT */
/*
 * backtrace_symbols, backtrace_symbols_fd: names for addresses.
 *
 * libc's own know only libc's images (they use an internal lookup).  Addresses of ours are written here
 * in the same form, everything else is left to libc, so that its form is always right.  A libc without
 * these functions (musl) gets them all from here.
 *
 * backtrace_symbols_fd never allocates: programs call it when malloc is broken.
 */
#include "door.h"

#include "../compat/host.h"
#include "../loader/epoch.h"
#include "../loader/find.h"
#include "../loader/text.h"
#include "../loader/tls.h"

DOOR char **backtrace_symbols(void *const *array, int size);
DOOR void backtrace_symbols_fd(void *const *array, int size, int fd);

enum { LINE = 2048 }; /* crash handlers have small stacks */

struct form {		   /* the two functions differ in detail */
	const char *zero;  /* an offset of nothing: "%#tx" says 0 where "0x%x" says 0x0 */
	const char *space; /* before the address */
};

/* Whose is it?  libc's images count as ours when libc has no such function. */
static struct image *ours(const void *addr)
{
	struct image *im = find_address((uintptr_t)addr);

	return im && im->host && host.real.backtrace_symbols ? NULL : im;
}

static const char *name_of(const struct image *im)
{
	const struct link_map *map = im->host ? im->handle : &im->link;

	if (im->program && (!map->l_name || !map->l_name[0]) && host.argv && host.argv[0])
		return host.argv[0];
	return map->l_name ? map->l_name : "";
}

/* file(symbol+0xoffset) [0xaddress], without a symbol the offset is the file's.  Returns the length. */
static size_t describe(const struct image *im, const void *addr, const struct form *form, char *out)
{
	const elf_sym *sym = hash_nearest(&im->st, (uintptr_t)addr);
	uintptr_t base = sym ? image_value(im, sym) : im->map.bias;
	uintptr_t at = (uintptr_t)addr;
	uintptr_t offset = at >= base ? at - base : base - at;
	size_t len;

	len = text_format(out, LINE, "%s(%s%c%s%lx)%s[%p]", name_of(im),
			  sym ? hash_name(&im->st, sym) : "", at >= base ? '+' : '-',
			  offset ? "0x" : form->zero, (unsigned long)offset, form->space, addr);
	return len < LINE ? len : LINE - 1;
}

/* One address in our form; 0: it is libc's to describe, unless libc cannot. */
static size_t describe_any(const void *addr, const struct form *form, char *out)
{
	unsigned token = epoch_enter(tls_reader());
	const struct image *im = ours(addr);
	size_t len = 0;

	if (im)
		len = describe(im, addr, form, out);
	epoch_leave(tls_reader(), token);
	if (!len && !host.real.backtrace_symbols)
		len = text_format(out, LINE, "[%p]", addr);
	return len;
}

static const struct form in_memory = {.zero = "", .space = " "};

/* libc's strings and ours in one block, as the caller will free it. */
static char **merge(void *const *array, int size, char *const *theirs)
{
	size_t len = (size_t)size * sizeof(char *), n;
	char line[LINE], *at;
	char **all;

	for (int i = 0; i < size; i++) {
		n = describe_any(array[i], &in_memory, line);
		len += (n ? n : text_len(theirs[i])) + 1;
	}
	all = host.real.malloc(len);
	if (!all)
		return NULL;
	at = (char *)(all + size);
	for (int i = 0; i < size; i++) {
		size_t room = (size_t)((char *)all + len - at);

		n = describe_any(array[i], &in_memory, line);
		/* An image may have come or gone since the first pass: cut rather than overrun. */
		n = text_copy(at, room, n || !theirs ? line : theirs[i]);
		all[i] = at;
		at += (n < room ? n : room - 1) + 1;
		if (at == (char *)all + len)
			at--;
	}
	return all;
}

static bool any_of_ours(void *const *array, int size)
{
	unsigned token = epoch_enter(tls_reader());
	bool found = false;

	for (int i = 0; i < size && !found; i++)
		found = ours(array[i]) != NULL;
	epoch_leave(tls_reader(), token);
	return found;
}

char **backtrace_symbols(void *const *array, int size)
{
	char **theirs = NULL, **all;

	if (!door_ready() || size < 0)
		return NULL;
	if (host.real.backtrace_symbols) {
		theirs = host.real.backtrace_symbols(array, size);
		if (!theirs || !any_of_ours(array, size))
			return theirs;
	}
	all = merge(array, size, theirs);
	if (theirs)
		host.real.free(theirs);
	return all;
}

void backtrace_symbols_fd(void *const *array, int size, int fd)
{
	/* glibc 2.40 put a space before the address (its bug 31730). */
	struct form form = {.zero = "0x", .space = host.minor >= 40 ? " " : ""};
	char line[LINE];

	if (!door_ready())
		return;
	for (int i = 0; i < size; i++) {
		size_t len = describe_any(array[i], &form, line);

		if (!len) {
			host.real.backtrace_symbols_fd(&array[i], 1, fd);
			continue;
		}
		if (len > LINE - 2)
			len = LINE - 2;
		line[len] = '\n';
		host_write(fd, line, len + 1);
	}
}

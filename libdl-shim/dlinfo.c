/* SPDX-License-Identifier: MIT */
/*
 * dlinfo: what is known about a handle.
 *
 * Answers for our images and libc's alike.  What only libc knows of its own images (its search path, a
 * thread-local block) is asked of libc, without our lock.
 */
#include "door.h"

#include <dlfcn.h>

#include "../compat/host.h"
#include "../loader/debugger.h"
#include "../loader/find.h"
#include "../loader/registry.h"
#include "../loader/scope.h"
#include "../loader/search.h"
#include "../loader/text.h"
#include "../loader/tls.h"

/* Requests that <dlfcn.h> of some libc lacks; the numbers are glibc's. */
enum {
	INFO_LMID = 1,
	INFO_LINKMAP = 2,
	INFO_SERINFO = HOST_DI_SERINFO,
	INFO_SERINFOSIZE = HOST_DI_SERINFOSIZE,
	INFO_ORIGIN = 6,
	INFO_TLS_MODID = 9,
	INFO_TLS_DATA = 10,
	INFO_PHDR = 11,
};

DOOR int dlinfo(void *handle, int request, void *arg);

/* ---- search paths ----------------------------------------------------------------------------- */

struct listing {
	struct host_serinfo *info; /* the caller's */
	bool counting;
	unsigned n;
	size_t text_len;
	char *text; /* where the next text goes; filling only */
};

static void list(const char *dir, size_t len, void *arg)
{
	struct listing *l = arg;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (!len) {
		dir = ".";
		len = 1;
	}
	if (!l->counting && l->n < l->info->n) {
		l->info->path[l->n] = (struct host_serpath){.name = l->text};
		memcpy(l->text, dir, len);
		l->text[len] = '\0';
		l->text += len + 1;
	}
	l->n++;
	l->text_len += len + 1;
}

/* SERINFOSIZE says how large the second call's buffer must be; SERINFO finds both fields filled in. */
static void search_path(const struct image *im, bool counting, struct host_serinfo *info)
{
	struct listing l = {.info = info, .counting = counting};

	if (!counting)
		l.text = (char *)&info->path[info->n];
	search_each_dir(im, registry.program, list, &l);
	if (counting) {
		info->n = l.n;
		info->size = sizeof(*info) + l.n * sizeof(info->path[0]) + l.text_len;
	}
}

/* ---- requests --------------------------------------------------------------------------------- */

static int origin(const struct image *im, char *out, struct diag *d)
{
	char dir[SEARCH_PATH_MAX];

	if (!image_origin(im, dir, sizeof(dir))) {
		diag_set(d, DIAG_USAGE, "%s: cannot determine its directory", image_label(im));
		return -1;
	}
	text_copy(out, sizeof(dir), dir);
	return 0;
}

/* NEEDS_LOCK. */
static int answer(struct image *im, int request, void *arg, struct diag *d)
{
	char number[16];

	switch (request) {
	case INFO_LMID:
		*(long *)arg = im->space->id;
		return 0;
	case INFO_LINKMAP:
		debugger_ready();
		*(void **)arg = im->handle;
		return 0;
	case INFO_SERINFO:
	case INFO_SERINFOSIZE:
		search_path(im, request == INFO_SERINFOSIZE, arg);
		return 0;
	case INFO_ORIGIN:
		return origin(im, arg, d);
	case INFO_TLS_MODID:
		*(size_t *)arg = im->tls.id;
		return 0;
	case INFO_TLS_DATA:
		*(void **)arg = im->tls.id ? tls_peek(im) : NULL;
		return 0;
	case INFO_PHDR:
		*(const elf_phdr **)arg = im->ph;
		return (int)im->phnum;
	}
	text_format(number, sizeof number, "%d", request);
	diag_say(d, DIAG_USAGE, HOST_SAY_REQUEST, number, "");
	return -1;
}

/*
 * Does only libc know?  (Not its images' origin: it has none for the program, and crashes when asked.)
 */
static bool is_hosts(const struct image *im, int request)
{
	if (!im->host || host.libc != HOST_GLIBC || !host.real.dlinfo)
		return false;
	return request == INFO_SERINFO || request == INFO_SERINFOSIZE || request == INFO_TLS_DATA;
}

static int ask_host(struct link_map *handle, int request, void *arg, struct diag *d)
{
	int r = host.real.dlinfo(handle, request, arg);

	if (r < 0) {
		const char *text = host.real.dlerror ? host.real.dlerror() : NULL;

		diag_set(d, DIAG_USAGE, "%s", text ? text : "dlinfo failed");
	}
	return r;
}

int dlinfo(void *handle, int request, void *arg)
{
	struct diag d;
	struct image *im;
	bool theirs;
	int r = -1;

	diag_clear(&d);
	if (!door_sync())
		return -1;
	host_paths(); /* the first call must be made without the lock */
	door_enter();
	im = find_handle(handle);
	theirs = im && is_hosts(im, request);
	if (!im)
		door_bad_handle(handle, &d);
	else if (!theirs)
		r = answer(im, request, arg, &d);
	door_leave();
	if (theirs)
		r = ask_host(im->host_map, request, arg, &d);
	if (r < 0)
		door_error(&d);
	else
		door_no_error();
	return r;
}

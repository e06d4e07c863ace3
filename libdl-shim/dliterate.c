/* SPDX-License-Identifier: MIT */
/*
 * dl_iterate_phdr and _dl_find_object: what unwinders, sanitizers and collectors ask.
 *
 * A walk shows libc's images first, through libc's own walk, then ours from one snapshot.  Every entry
 * carries the sum of both counters, the same for the whole walk: unwinders keep what they learned while
 * the counters stand still, and would jump into a library that is gone.  The epoch is held over the
 * callbacks, so nothing that was shown can be unmapped meanwhile; a dlclose does not wait for us
 * forever, it puts the unmapping off.
 *
 * _dl_find_object runs in signal handlers: no lock, no allocation.
 */
#include "door.h"

#include "../compat/host.h"
#include "../loader/epoch.h"
#include "../loader/find.h"
#include "../loader/registry.h"
#include "../loader/text.h"
#include "../loader/tls.h"

typedef int phdr_callback(struct dl_phdr_info *, size_t, void *);

DOOR int dl_iterate_phdr(phdr_callback *each, void *arg);

/*
 * glibc's headers may declare the real name with a type that other headers lack.  A static program of glibc
 * has libc's own in any case, and that wins (see frame.h).
 */
#ifdef DLRS_STATIC
DOOR int iterate_find(void *pc, struct host_find_object *out) __asm__("dlrs_find_object");
DOOR extern typeof(iterate_find) iterate_find_weak __asm__("_dl_find_object")
	__attribute__((weak, alias("dlrs_find_object")));
#else
DOOR int iterate_find(void *pc, struct host_find_object *out) __asm__("_dl_find_object");
#endif

struct walk {
	phdr_callback *each;
	void *arg;
	struct find_walk own;
	unsigned long long adds, subs; /* libc's */
	size_t size;		       /* of libc's struct */
};

/* libc's struct may have more fields than ours. */
union info {
	struct dl_phdr_info i;
	char room[256];
};

enum { WITH_COUNTERS = offsetof(struct dl_phdr_info, dlpi_tls_modid) };

static void count(const struct walk *w, struct dl_phdr_info *i)
{
	i->dlpi_adds = w->adds + w->own.adds;
	i->dlpi_subs = w->subs + w->own.subs;
}

/* One of libc's images: a copy with our counters. */
static int show_host(struct dl_phdr_info *theirs, size_t size, void *arg)
{
	struct walk *w = arg;
	union info info;

	if (size < WITH_COUNTERS || size > sizeof(info))
		return w->each(theirs, size, w->arg);
	if (__builtin_expect(size == sizeof(info.i), 1))
		info.i = *theirs;
	else
		memcpy(&info, theirs, size);
	w->size = size;
	w->adds = theirs->dlpi_adds;
	w->subs = theirs->dlpi_subs;
	count(w, &info.i);
	return w->each(&info.i, size, w->arg);
}

static int show(struct walk *w, struct image *im)
{
	union info info;

	info.i = (struct dl_phdr_info){
		.dlpi_addr = im->map.bias,
		.dlpi_name = im->link.l_name,
		.dlpi_phdr = im->ph,
		.dlpi_phnum = (ElfW(Half))im->phnum,
		.dlpi_tls_modid = im->tls.id,
		.dlpi_tls_data = im->tls.id ? tls_peek(im) : NULL,
	};
	count(w, &info.i);
	if (w->size > sizeof(info.i))
		memset(info.room + sizeof(info.i), 0, w->size - sizeof(info.i));
	return w->each(&info.i, w->size, w->arg);
}

/*
 * Ours.  The callback may close libraries, even the one shown: then the walk takes the snapshot anew and
 * goes on after the last one's birth.
 */
static int show_ours(struct walk *w)
{
	struct epoch_reader *own = tls_reader();
	unsigned token = epoch_walk(own);
	unsigned long lost = own ? own->lost : 0, last = 0;
	struct find_walk at;
	struct image *im;
	int r = 0;

	find_walk(&at);
	while (!r && (im = find_walk_next(&at))) {
		if (im->birth <= last)
			continue;
		last = im->birth;
		r = show(w, im);
		if (own && own->lost != lost) {
			lost = own->lost;
			find_walk(&at);
		}
	}
	epoch_walked(own, token);
	return r;
}

/*
 * libc's as we know them, where libc cannot be asked; nothing comes or goes there any more.  What has no
 * headers are symbols that were handed over (provide.c).
 */
static int show_adopted(struct walk *w)
{
	int r = 0;

	for (struct image *im = registry.base.first; im && !r; im = im->next)
		if (im->host && im->phnum)
			r = show(w, im);
	return r;
}

static int show_all(struct walk *w)
{
	int r;

	find_walk(&w->own); /* the counters, the same for every image shown */
	r = host_walk(show_host, w);
	if (r == HOST_NO_WALK)
		r = show_adopted(w);
	return r ? r : show_ours(w);
}

struct locked {
	struct walk *walk;
	int r;
};

static int show_all_locked(struct dl_phdr_info *first, size_t size, void *arg)
{
	struct locked *l = arg;

	(void)first;
	(void)size;
	l->r = show_all(l->walk);
	return 1;
}

/*
 * A glibc without _dl_find_object (before 2.35) has a libgcc that keeps a cache of what it was shown, and
 * relies on the lock that glibc holds over its callbacks.  It is recursive: all is done inside a callback.
 */
int dl_iterate_phdr(phdr_callback *each, void *arg)
{
	struct walk w = {.each = each, .arg = arg, .size = sizeof(struct dl_phdr_info)};
	struct locked l = {.walk = &w};
	int r = door_waits() ? host_walk(show_host, &w) : HOST_NO_WALK;

	if (r != HOST_NO_WALK) /* a callback may have opened our first library */
		return r || door_waits() ? r : show_ours(&w);
	if (!door_ready())
		return 0;
	if (host.minor == 0 || host.real.find_object || host_walk(show_all_locked, &l) == HOST_NO_WALK)
		return show_all(&w);
	return l.r;
}

static void describe(const struct find_entry *e, struct image *im, struct host_find_object *out)
{
	*out = (struct host_find_object){ /* no flag, and nothing in the fields of later versions */
		.map_start = (void *)e->start,
		.map_end = (void *)e->end,
		.map = im->handle,
		.eh_frame = (void *)e->eh_frame,
	};
}

int iterate_find(void *pc, struct host_find_object *out)
{
	const struct find_entry *e;
	struct image *im = NULL;
	struct link_map *program = NULL; /* as everybody here knows it */
	unsigned token;
	int r;

	/* Without the adoption, if libc can answer: this may be a signal handler. */
	if (!host_boot() || (!host.real.find_object && !door_ready()))
		return -1;
	token = epoch_enter(tls_reader());
	e = find_entry_at((uintptr_t)pc);
	if (e) /* partner: find_hide */
		im = atomic_load_explicit(&e->im, memory_order_acquire);
	if (im && im->program)
		program = im->handle;
	if (im && im->host && host.real.find_object)
		im = NULL;
	if (im)
		describe(e, im, out);
	epoch_leave(tls_reader(), token);
	if (im)
		return 0;
	r = host.real.find_object ? host.real.find_object(pc, out) : -1;
	if (!r && program)
		out->map = program;
	return r;
}

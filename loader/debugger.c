/* SPDX-License-Identifier: MIT */
/*
 * debugger: two words of libc's, a list, and how a change is told.
 *
 *	before:  r_map -> main <-> vdso <-> libc ...
 *	after:   r_map -> M' <-> ours <-> ours <-> vdso <-> libc ...	(M': the program's handle, a copy)
 *	         libc: main -> vdso -> libc ...				(unchanged)
 *
 * Debuggers insist that l_prev is the entry they came from; libc never reads r_map again, nor l_prev of an
 * image that it does not unload.  So r_map and the second entry's l_prev are all that is written.
 *
 * Telling.  gdb and lldb look at the list when r_brk() is called, lldb only if r_state said before what is
 * going on; a gdb that found probe points in ld.so looks when the probe `unmap_complete` is passed.
 * r_state is libc's, under its loader lock, and an assertion of libc's; and gdb reads the list while only the
 * thread at r_brk stands still, so with a debugger there the list changes under that lock, too.  One thing
 * does it all: libc's dlopen of libdlrs-notify.so, a dlsym in it, whose resolver calls debugger_event with
 * that lock held, and dlclose.
 *
 * libc's dlopen must not be called under our lock.  So while a debugger waits, commit only marks the new
 * images, and the door tells (and thereby shows) them between its lock and the constructors; in the same
 * way for those that go.  Whoever comes along with something to be told tells what everybody has.
 */
#include "debugger.h"

#include "../arch/arch.h"
#include "../compat/host.h"
#include "hash.h"
#include "lock.h"
#include "registry.h"
#include "text.h"
#include "trap.h"
#include "view.h"

/*
 * How long to wait for a turn, in nanoseconds.  A telling is about ten stops in the debugger: 3 ms with gdb,
 * on a busy machine up to a second.  A longer MOMENT was spent in the debugger's hands, with whoever has the
 * turn.
 */
enum { PATIENCE = 2000000000, MOMENT = 10000000 };

static enum { UNTRIED, READY, SPLICED, REFUSED } state; /* the loader lock's */
static struct link_map *second;			 /* libc's; ours go in front of it */

static unsigned asked, told;  /* serial numbers of changes; the loader lock's */
static bool adding, removing; /* what kind they are; the loader lock's */
/* asked differs from told.  Partners: the stores in ask and settle, the load in debugger_tell. */
static atomic_bool due;
/* The thread pointer of who is telling, or NULL.  Partners: take_turn's and give_turn's. */
static HOST_EARLY _Atomic(char *) turn;

/* ---- the list --------------------------------------------------------------------------------- */

/* Plain stores would fault if some libc protected its list one day. */
static bool write_words(struct link_map *first)
{
	struct link_map *real = host.main;

	if (!host_poke(&second->l_prev, &first, sizeof first))
		return false;
	if (host_poke(&host.debug->r_map, &first, sizeof first))
		return true;
	host_poke(&second->l_prev, &real, sizeof real);
	return false;
}

/*
 * A program that names _r_debug has, by a copy relocation, one of its own, which libc filled when it started
 * the program.
 */
static void write_copy(struct link_map *first)
{
	struct sym_request rq = sym_request("_r_debug");
	const struct image *program = registry.program;
	const elf_sym *s = hash_lookup(&program->st, &rq);
	struct r_debug *copy = s ? (struct r_debug *)image_value(program, s) : NULL;

	if (copy && copy != host.debug && s->st_size >= sizeof *copy && copy->r_map == host.main)
		host_poke(&copy->r_map, &first, sizeof first);
}

/* What can be known without writing; false: our images will not be shown. */
static bool prepare(void)
{
	if (state != UNTRIED)
		return state != REFUSED;
	state = REFUSED;
	view_start();
	second = host.main->l_next;
	if (registry.program->handle == host.main || !second || !host.debug->r_brk)
		return false;
	trap_find();
	state = READY;
	return true;
}

/* Once.  With a debugger there this is a change like any other: under libc's lock. */
static bool splice(void)
{
	struct link_map *first = registry.program->handle;

	if (!prepare() || state == SPLICED)
		return state == SPLICED;
	state = REFUSED;
	if (host.debug->r_map == host.main && !write_words(first))
		return false;
	/* Another libdlrs was faster: its first entry is the list's, ours shows what is there now. */
	if (host.debug->r_map != first)
		first->l_next = host.debug->r_map->l_next;
	write_copy(first);
	state = SPLICED;
	return true;
}

void debugger_ready(void)
{
	if (prepare() && !trap_armed())
		splice();
}

/* Release: partners are whoever walks the list, in this process or in a debugger. */
static void link_in(struct image *im)
{
	struct link_map *l = &im->link, *before = second->l_prev;

	l->l_prev = before;
	l->l_next = second;
	__atomic_store_n(&second->l_prev, l, __ATOMIC_RELEASE);
	__atomic_store_n(&before->l_next, l, __ATOMIC_RELEASE);
	im->shown = SHOWN_YES;
}

static void link_out(struct image *im)
{
	struct link_map *l = &im->link;

	__atomic_store_n(&l->l_prev->l_next, l->l_next, __ATOMIC_RELEASE);
	__atomic_store_n(&l->l_next->l_prev, l->l_prev, __ATOMIC_RELEASE);
	im->shown = SHOWN_NO;
}

static void leave_out(struct image *im)
{
	im->shown = SHOWN_NO;
}

/* All that wait for it change; NEEDS_LOCK. */
static void change(enum image_shown from)
{
	void (*move)(struct image *) = from != SHOWN_SOON ? link_out : splice() ? link_in : leave_out;

	for (struct space *sp = &registry.base; sp; sp = sp->next)
		for (struct image *im = sp->first; im; im = im->next)
			if (im->shown == from)
				move(im);
}

/* ---- what is to be told ----------------------------------------------------------------------- */

/* NEEDS_LOCK. */
static void ask(bool *kind)
{
	*kind = true;
	asked++;
	/* Relaxed: whoever must see it got an image from under the lock that we hold. */
	atomic_store_explicit(&due, true, memory_order_relaxed);
}

void debugger_add(struct image *const *im, unsigned n)
{
	if (!n || !prepare())
		return;
	if (!trap_armed()) {
		if (!splice())
			return;
		for (unsigned i = 0; i < n; i++)
			link_in(im[i]);
		/* Partner: the debugger, which stops us to attach, reads the list, sets breakpoints. */
		atomic_thread_fence(memory_order_seq_cst);
		if (!trap_armed())
			return;
		for (unsigned i = n; i-- > 0;)
			link_out(im[i]);
	}
	for (unsigned i = 0; i < n; i++)
		im[i]->shown = SHOWN_SOON;
	ask(&adding);
}

void debugger_closing(struct image *const *im, unsigned n)
{
	bool some = false;

	if (!n || !trap_armed())
		return;
	lock_enter();
	for (unsigned i = 0; i < n; i++)
		if (im[i]->shown == SHOWN_YES) {
			im[i]->shown = SHOWN_NO_LONGER;
			some = true;
		}
	if (some)
		ask(&removing);
	lock_leave();
	debugger_tell();
}

void debugger_remove(struct image *const *im, unsigned n)
{
	bool untold = false;

	for (unsigned i = 0; i < n; i++) {
		if (im[i]->shown == SHOWN_YES || im[i]->shown == SHOWN_NO_LONGER) {
			link_out(im[i]);
			untold = true;
		}
		im[i]->shown = SHOWN_NO; /* it may have been on its way in */
	}
	atomic_thread_fence(memory_order_seq_cst); /* as in debugger_add */
	if (untold && trap_armed())
		ask(&removing); /* a debugger came between debugger_closing and now */
}

/* ---- telling ---------------------------------------------------------------------------------- */

static void say(int what)
{
	if (what >= 0)
		*(volatile typeof(host.debug->r_state) *)&host.debug->r_state = what;
	((void (*)(void))host.debug->r_brk)();
}

/* One kind of change; before and after it r_brk is called. */
static void announce(enum image_shown from, int what, bool quiet)
{
	say(quiet ? -1 : what);
	lock_enter();
	change(from);
	lock_leave();
	say(quiet ? -1 : RT_CONSISTENT);
}

/* quiet: r_state is not ours to write. */
static void tell(bool quiet)
{
	unsigned serial;
	bool add, remove;

	lock_enter();
	serial = asked;
	add = adding;
	remove = removing;
	adding = removing = false;
	lock_leave();
	if (add)
		announce(SHOWN_SOON, RT_ADD, quiet);
	if (remove)
		announce(SHOWN_NO_LONGER, RT_DELETE, quiet);
	lock_enter();
	if ((int)(serial - told) > 0) /* not when somebody without a turn was faster */
		told = serial;
	lock_leave();
	diag_trace(TRACE_GDB, "gdb: told, change %u%s%s%s", serial, add ? ", new images" : "",
		   remove ? ", images gone" : "", quiet ? ", quietly" : "");
}

/* The newest change, or the newest that was told. */
static unsigned serial_of(const unsigned *which)
{
	unsigned serial;

	lock_enter();
	serial = *which;
	lock_leave();
	return serial;
}

void debugger_event(void)
{
	/* libc is in the middle of a load of its own (an auditor, an IFUNC resolver): its state stays. */
	if (serial_of(&asked) != serial_of(&told))
		tell(host.debug->r_state != RT_CONSISTENT);
}

/* The helper lies beside us. */
static struct link_map *open_helper(void)
{
	char path[4096], why[512];
	struct link_map *map = NULL;
	size_t len;

	if (registry.libdlrs && image_origin(registry.libdlrs, path, sizeof path)) {
		len = text_len(path);
		text_copy(path + len, sizeof path - len, "/libdlrs-notify.so");
		map = host_open(path, why, sizeof why);
		if (!map)
			diag_trace(TRACE_GDB, "gdb: no helper: %s", why);
	}
	return map;
}

/* All changes up to this one. */
static void notify(unsigned serial)
{
	struct link_map *map;
	char why[128];

	/* musl, static programs: no assertions, no probes, and nobody else writes r_state. */
	if (host.libc != HOST_GLIBC || host.is_static) {
		tell(false);
		return;
	}
	/* valgrind's gdb needs no r_state, and the helper costs valgrind milliseconds. */
	if (host.valgrind && !trap_probe() && !diag_on(TRACE_GDB)) {
		tell(true);
		return;
	}
	map = open_helper();
	if (map)
		host.real.dlsym(map, "dlrs_notify");
	if ((int)(serial_of(&told) - serial) < 0) {
		/* Without it lldb misses this change.  gdb does not; its probe is passed by any dlclose. */
		tell(true);
		if (!map)
			map = host_open("libutil.so.1", why, sizeof why);
	}
	if (map)
		host.real.dlclose(map);
}

/*
 * One thread at a time: while two have the helper open, the first one's dlclose passes no probe.  Not a lock,
 * because who has the turn waits for libc's loader lock, and that may be ours (we are called by a constructor
 * of libc's): then we go first, without a turn.  So does a signal's handler whose thread has the turn.
 */
static bool take_turn(void)
{
	uint64_t waited = 0, before = 0, now;
	char *who = NULL;

	/* acquire; partner: the release in give_turn */
	while (!atomic_compare_exchange_strong_explicit(&turn, &who, arch_tp(), memory_order_acquire,
							memory_order_relaxed)) {
		if (who == arch_tp())
			return false;
		who = NULL;
		now = host_nanoseconds();
		if (before)
			waited += now - before < MOMENT ? now - before : MOMENT;
		if (waited > PATIENCE)
			return false;
		before = now;
		host_yield();
	}
	return true;
}

static void give_turn(bool mine)
{
	if (mine) /* release; partner: take_turn */
		atomic_store_explicit(&turn, NULL, memory_order_release);
}

static void settle(void)
{
	lock_enter();
	/* Relaxed, as in ask. */
	atomic_store_explicit(&due, asked != told, memory_order_relaxed);
	lock_leave();
}

void debugger_tell(void)
{
	unsigned serial;
	bool mine;

	/* Relaxed: see ask. */
	if (__builtin_expect(!atomic_load_explicit(&due, memory_order_relaxed), 1))
		return;
	mine = take_turn();
	serial = serial_of(&asked);
	if (serial != serial_of(&told))
		notify(serial);
	settle();
	give_turn(mine);
}

/*
 * A child that was copied while another thread had libc's loader lock would wait for it for ever, if it has
 * a debugger of its own to tell.
 */
bool debugger_fork_prepare(void)
{
	return take_turn();
}

void debugger_fork_parent(bool mine)
{
	give_turn(mine);
}

void debugger_fork_child(void)
{
	atomic_store_explicit(&turn, NULL, memory_order_relaxed);
}

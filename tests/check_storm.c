/* SPDX-License-Identifier: MIT */
/*
 * check_storm: the loader's core with many threads in it at once.
 *
 * Six threads open, look up and close libraries that depend on each other: shared, global, lazy, private,
 * snapshots.  Five others meanwhile look up by name, by address and by handle, walk, and leave notes; half
 * of the threads are known to epoch, the others are not.  Every answer is checked, and in the end nothing
 * is left.  Built for the thread sanitizer (configure --enable-tsan), which watches every access.
 */
#include "opener.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/epoch.h"
#include "loader/find.h"
#include "loader/init.h"
#include "loader/keep.h"
#include "loader/lock.h"
#include "loader/resolve.h"

enum { OPENERS = 6, READERS = 5, ROUNDS = 300, LIBRARIES = 4 };

static const struct {
	const char *name, *symbol, *needs[2];
} library[LIBRARIES] = {
	{"libleaf.so", "leaf", {0}},
	{"libmid.so", "mid", {"libleaf.so"}},
	{"libside.so", "side", {"libleaf.so"}},
	{"libtop.so", "top", {"libmid.so", "libside.so"}},
};
static char paths[LIBRARIES][256];

/* Its first word is its own symbol's address, the others are its dependencies' symbols. */
static void make_libraries(void)
{
	for (unsigned i = 0; i < LIBRARIES; i++) {
		struct elfgen *e = begin(library[i].name);

		elfgen_tls(e, NULL, 0, 24, 8);
		refer(e, 0, RELOC_SYMBOLIC, define(e, library[i].symbol, STB_GLOBAL, 0));
		refer(e, 6, RELOC_DTPMOD, 0);
		for (unsigned k = 0; k < 2 && library[i].needs[k]; k++)
			elfgen_needed(e, library[i].needs[k]);
		for (unsigned k = 0; k < i && library[i].needs[0]; k++)
			if (k == 0 || i == LIBRARIES - 1)
				refer(e, 1 + k, RELOC_GOT, elfgen_undef(e, library[k].symbol));
		end(e);
		snprintf(paths[i], sizeof(paths[i]), "%s", kit_path(library[i].name));
	}
}

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			die_at(__LINE__, #condition);                                                \
	} while (0)

static void die_at(int line, const char *what)
{
	fprintf(stderr, "%s:%d: not: %s\n", __FILE__, line, what);
	abort();
}

/* --- readers' deeds ---------------------------------------------------------------------------------- */

static _Thread_local struct epoch_reader *own; /* NULL: a thread that nobody knows */

static void be_known(unsigned number)
{
	if (number % 2)
		epoch_register(own = calloc(1, sizeof(*own)));
}

/* As dlsym does it.  0: not there. */
static uintptr_t look_up(const void *handle, const char *name, struct image **definer)
{
	struct sym_request rq = sym_request(name);
	struct image *im = find_handle(handle);
	struct sym_found found = {0};

	/* One that is being closed may lose its dependencies any moment.  Acquire: the release in load.c. */
	if (!im || atomic_load_explicit(&im->state, memory_order_relaxed) >= IMAGE_FINI ||
	    !scope_find_in(atomic_load_explicit(&im->search, memory_order_acquire), 0, &rq, &found))
		return 0;
	*definer = found.im;
	return resolve_address(&found);
}

/* What lies at an address: it is in the image that is found there, which says what it is called. */
static void look_at(uintptr_t addr)
{
	struct image *im = find_address(addr);
	const elf_sym *sym;

	if (!im || im->host)
		return;
	MUST(addr >= im->map.start && addr < im->map.end);
	MUST(strstr(im->path, ".so"));
	sym = hash_nearest(&im->st, addr);
	MUST(!sym || image_value(im, sym) <= addr);
}

static void walk(void)
{
	struct find_walk w;
	struct image *im;
	unsigned long birth = 0;

	find_walk(&w);
	while ((im = find_walk_next(&w))) {
		MUST(!im->host && im->birth > birth && im->phnum && im->ph->p_type);
		MUST(find_address(im->map.start) == im || find_handle(im->handle) != im);
		birth = im->birth;
	}
}

/* --- openers ----------------------------------------------------------------------------------------- */

static atomic_uintptr_t hot[OPENERS]; /* where somebody's library is, or was */
static _Atomic(void *) handles[OPENERS];
static atomic_bool stop;

/* As the door does it, constructors (there are none) included. */
static struct image *open_one(const char *path, int mode)
{
	struct diag d;
	struct load ld = {.synced = true, .name = path, .mode = mode, .space = &registry.base, .diag = &d};
	bool ok;

	diag_clear(&d);
	lock_enter();
	ld.caller = registry.program;
	while (!(ok = load_link(&ld)) && ld.want == LOAD_WAIT) {
		ld.waited = !init_wait(ld.dying);
		ld.want = 0;
	}
	lock_leave();
	if (!ok)
		die_at(__LINE__, d.text);
	init_run(ld.root);
	lock_enter();
	load_finish(&ld);
	lock_leave();
	return ld.root;
}

/* A private copy may mean somebody else's symbol, who is global; but whoever it is stays as long as it does. */
static bool is_called(uintptr_t addr, const char *symbol)
{
	struct image *im = find_address(addr);
	const elf_sym *sym = im ? hash_nearest(&im->st, addr) : NULL;

	return sym && addr == im->map.bias + KIT_DATA + 32 && !strcmp(hash_name(&im->st, sym), symbol);
}

static void check(struct image *im, unsigned which)
{
	struct image *definer = NULL;
	unsigned token = epoch_enter(own);
	uintptr_t self = look_up(im->handle, library[which].symbol, &definer);
	uintptr_t leaf = look_up(im->handle, "leaf", &definer);
	const uintptr_t *data = (const uintptr_t *)(im->map.bias + KIT_DATA);

	MUST(self == im->map.bias + KIT_DATA + 32);
	MUST(im->is_private ? is_called(data[0], library[which].symbol) : data[0] == self);
	MUST(leaf && find_address(leaf) == definer);
	MUST(which == 0 || data[1] == leaf);
	MUST(!look_up(im->handle, "nowhere", &definer));
	look_at(self);
	epoch_leave(own, token);
}

static void open_and_close(unsigned me, unsigned *seed)
{
	static const int modes[] = {RTLD_NOW, RTLD_LAZY, RTLD_NOW | RTLD_GLOBAL, RTLD_NOW | ELF_RTLD_PRIVATE,
				    RTLD_NOW | ELF_RTLD_PRIVATE | ELF_RTLD_SNAPSHOT};
	unsigned r = (*seed = *seed * 1103515245 + 12345) >> 16, which = r % LIBRARIES;
	struct image *im = open_one(paths[which], modes[r / LIBRARIES % 5]);

	check(im, which);
	atomic_store_explicit(&hot[me], im->map.bias + KIT_DATA + 40, memory_order_relaxed);
	atomic_store_explicit(&handles[me], im->handle, memory_order_relaxed);
	if (r % 3 == 0)
		check(im, which);
	close_lib(im);
}

static void *open_all_day(void *number)
{
	unsigned me = (unsigned)(uintptr_t)number, seed = me + 1;

	be_known(me);
	for (int i = 0; i < kit_rounds(ROUNDS); i++)
		open_and_close(me, &seed);
	return NULL;
}

/* --- readers ----------------------------------------------------------------------------------------- */

/* By handles and addresses that may be anybody's by now. */
static void ask_about(unsigned i)
{
	void *handle = atomic_load_explicit(&handles[i], memory_order_relaxed);
	struct image *im = find_handle(handle), *definer = NULL;

	look_at(atomic_load_explicit(&hot[i], memory_order_relaxed));
	look_up(handle, "leaf", &definer);
	if (im && definer && !keep_note(im, definer))
		MUST(atomic_load_explicit(&definer->state, memory_order_relaxed) >= IMAGE_FINI);
}

/* As dlsym(RTLD_DEFAULT) by the program. */
static void ask_program(void)
{
	struct sym_request rq = sym_request("side");
	struct sym_found found;

	if (scope_find(registry.program, &rq, &found))
		MUST(find_address(resolve_address(&found)) == found.im || !found.im->startup);
	rq = sym_request("malloc");
	MUST(scope_find(registry.program, &rq, &found) && found.im->host);
}

static void *read_all_day(void *number)
{
	unsigned me = (unsigned)(uintptr_t)number;

	be_known(me);
	for (unsigned i = me; !atomic_load(&stop); i++) {
		unsigned token = epoch_enter(own);

		ask_about(i % OPENERS);
		if (i % 3 == 0)
			walk();
		if (i % 7 == 0)
			ask_program();
		epoch_leave(own, token);
		sched_yield();
	}
	return NULL;
}

START_TEST(everything_at_once)
{
	pthread_t opener[OPENERS], reader[READERS];
	unsigned before;

	opener_start();
	make_libraries();
	close_lib(open_lib("libtop.so", RTLD_NOW));
	before = registry.nimage;
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&reader[i], NULL, read_all_day, (void *)i);
	for (uintptr_t i = 0; i < OPENERS; i++)
		pthread_create(&opener[i], NULL, open_all_day, (void *)i);
	for (int i = 0; i < OPENERS; i++)
		pthread_join(opener[i], NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
	close_lib(open_lib("libleaf.so", RTLD_NOW)); /* what readers put off goes now */
	ck_assert_uint_eq(registry.nimage, before);
	ck_assert_uint_eq(atomic_load(&registry.adds), atomic_load(&registry.subs));
	ck_assert_uint_ge(atomic_load(&registry.adds), OPENERS * ROUNDS / 4);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, everything_at_once);
}

KIT_MAIN("storm", add)

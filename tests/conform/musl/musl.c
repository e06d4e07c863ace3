/* SPDX-License-Identifier: MIT
 * What musl does in its own way, and libdlrs with it: dlclose, exit, versions, paths, words. For musl only; each
 * expectation holds on both sides but one, of which that is said.
 *
 * BUILD musl: -pthread
 */
#include "twin.h"
#include <pthread.h>

/* dlerror's text begins with these words. */
static void says(const char *words)
{
	const char *text = dlerror();

	ok(text);
	if (strncmp(text, words, strlen(words)))
		fail("\"%s\" does not begin with \"%s\"", text, words);
}

/* --- dlclose, exit --- */

CASE(close_looks_at_the_handle_and_that_is_all)
{
	void *h = load("./libcounts.so", RTLD_NOW);
	char other[64] = "";

	traced("+counts");
	eq(call(h, "next"), 1);
	for (int i = 0; i < 3; i++)
		shut(h);
	traced("");
	ok(twin_mapped("/libcounts.so"));
	eq(call(h, "next"), 2);
	ok(load("./libcounts.so", RTLD_NOW) == h);
	eq(call(h, "next"), 3);
	eq(dlclose(other), 1);
	says("Invalid library handle ");
	ok(!dlsym(other, "next"));
	says("Invalid library handle ");
	eq(dlclose((void *)8), 1);
	says("Invalid library handle 0x8");
}

__attribute__((destructor)) static void end(void)
{
	trace("-program");
}

PART(opens_and_leaves)
{
	trace_now();
	shut(load("./libsecond.so", RTLD_NOW));
	load("./libcounts.so", RTLD_NOW);
}

/* The last constructed first, and libraries that were opened before the program. */
CASE(destroyed_in_reverse)
{
	struct twin_run r = twin_run("opens_and_leaves", NULL);

	eq(r.code, 0);
	same(r.out, "+first +second +counts -counts -second -first -program");
}

/* --- versions --- */

CASE(versions_are_not_looked_at)
{
	void *h = load("./libusesold.so", RTLD_NOW);

	eq(call(h, "used"), 2); /* the default one */
	eq(call(load("./libversions.so", RTLD_NOW), "answer"), 2);
}

CASE(hidden_definitions_are_passed_over)
{
	ok(!dlopen("./libuseshidden.so", RTLD_NOW));
	says("Error relocating ./libuseshidden.so: hidden: symbol not found");
	ok(!dlsym(load("./libversions.so", RTLD_NOW), "hidden"));
	says("Symbol not found: hidden");
}

/* --- paths --- */

/* libmiddle.so has no path of its own, and it is libouter.so's DT_RUNPATH that finds what it needs. */
CASE(runpath_is_inherited)
{
	ok(!dlopen("./libmiddle.so", RTLD_NOW));
	says("Error loading shared library ");
	eq(call(load("./libouter.so", RTLD_NOW), "used"), 1);
	ok(twin_mapped("/inner/libinner.so"));
}

/* --- words --- */

CASE(words)
{
	ok(!dlopen("./absent.so", RTLD_NOW));
	says("Error loading shared library ./absent.so: No such file or directory");
	ok(!dlopen("libabsent.so", RTLD_NOW));
	says("Error loading shared library libabsent.so: No such file or directory");
	ok(!dlopen(twin_here("musl/nowhere/absent.so"), RTLD_NOW));
	says("Error loading shared library ");
	ok(!dlopen("./libwantsmore.so", RTLD_NOW));
	says("Error relocating ./libwantsmore.so: nobody_has_it: symbol not found");
	ok(!dlsym(RTLD_DEFAULT, "nobody_has_it"));
	says("Symbol not found: nobody_has_it");
	ok(!dlopen("./libcounts.so", RTLD_NOW | RTLD_NOLOAD));
	says("Library ./libcounts.so is not already loaded");
	ok(!dlerror());
	ok(!dlopen("/", RTLD_NOW));
	says("Error loading shared library /: ");
}

/* --- static thread-local storage --- */

static void *calls(void *h)
{
	return (void *)(long)call(h, "next");
}

/* musl refuses; libdlrs has room, for older threads, too. */
CASE(initial_exec)
{
	struct twin_worker *older = twin_worker();
	void *h = dlopen("./libinitialexec.so", RTLD_NOW), *seen;
	pthread_t t;

	if (!TWIN_STATIC_TLS_RESERVE) {
		ok(!h);
		says("Error relocating ./libinitialexec.so: ");
		return;
	}
	ok(h);
	eq(call(h, "next"), 7);
	eq(call(h, "next"), 8);
	pthread_create(&t, NULL, calls, h);
	pthread_join(t, &seen);
	eq((long)seen, 7);
	twin_do(older, calls, h);
	twin_do(older, calls, h);
	twin_retire(older);
}

/* --- libc by its names --- */

CASE(libc_by_any_name)
{
	static const char *const names[] = {"libc.so", "libpthread.so.0", "libm.so.6", "libdl.so.2", "librt.so.1"};
	void *libc = load("libc.so", RTLD_NOW);

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		ok(load(names[i], RTLD_NOW) == libc);
	ok(sym(libc, "malloc") == (void *)malloc);
}

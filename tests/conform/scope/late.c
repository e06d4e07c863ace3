/* SPDX-License-Identifier: MIT
 * Startup libraries bound lazily: their open slots may be filled by libraries opened later.
 *
 * BUILD late: -Wl,--unresolved-symbols=ignore-all -Wl,-z,lazy libcallslate.so @origin
 */
#include "twin.h"

int call_late(int n);

CASE(startup_library_finds_a_later_global)
{
	load("./liblate.so", RTLD_NOW | RTLD_GLOBAL);
	eq(call_late(1), 101);
	eq(call_late(2), 102);
}

CASE(startup_library_finds_a_promoted_one)
{
	load("./liblate.so", RTLD_NOW);
	load("./liblate.so", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
	eq(call_late(1), 101);
}

CASE(provider_of_a_startup_library_stays)
{
	void *h = load("./liblate.so", RTLD_NOW | RTLD_GLOBAL);

	eq(call_late(1), 101);
	shut(h);
	ok(twin_mapped("/liblate.so"));
	eq(call_late(3), 103);
}

PART(too_early)
{
	load("./liblate.so", RTLD_NOW | RTLD_LOCAL);
	call_late(1);
}

CASE(local_does_not_help)
{
	struct twin_run r = twin_run("too_early", NULL);

	eq(r.code, 127);
	ok(strstr(r.err, "symbol lookup error") &&
	   strstr(r.err, "undefined symbol: late_function"));
}

PART(closed_again)
{
	shut(load("./liblate.so", RTLD_NOW | RTLD_GLOBAL));
	call_late(1);
}

CASE(closed_before_the_call)
{
	printf("%d\n", twin_run("closed_again", NULL).code);
}

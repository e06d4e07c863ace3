/* SPDX-License-Identifier: MIT
 * The search lists of the program itself and of a library that came with it.
 *
 * BUILD program-rpath: -DRPATH -Wl,--disable-new-dtags,-rpath,'$ORIGIN/b' libopener-none.so -Wl,-rpath,'$ORIGIN'
 * BUILD program-runpath: -Wl,--enable-new-dtags,-rpath,'$ORIGIN/b' libopener-none.so -Wl,-rpath,'$ORIGIN'
 * BUILD program-library: -DLIBRARY libopener-runpath.so @origin
 */
#include "twin.h"

void *open_it(const char *name);

static const char *where(void *h)
{
	return ((const char *(*)(void))sym(h, "where"))();
}

#ifdef LIBRARY
CASE(startup_library_uses_its_own_runpath)
{
	void *h = open_it("libwhere.so");

	ok(h);
	same(where(h), "a");
}

CASE(runpath_of_a_startup_library_is_not_the_programs)
{
	ok(!dlopen("libwhere.so", RTLD_NOW));
}
#else
CASE(program_uses_its_own_list)
{
	same(where(load("libwhere.so", RTLD_NOW)), "b");
}

#ifdef RPATH
CASE(rpath_of_the_program_counts_for_everyone)
{
	same(where(open_it("libwhere.so")), "b");
}

CASE(rpath_of_the_program_counts_for_dependencies)
{
	same(((const char *(*)(void))sym(load("./libuser-bare.so", RTLD_NOW), "used"))(), "b");
}

CASE(runpath_of_a_library_hides_the_programs_rpath)
{
	same(((const char *(*)(void))sym(load("./libuser-runpath.so", RTLD_NOW), "used"))(), "a");
}

CASE(rpath_of_a_library_comes_before_the_programs)
{
	same(((const char *(*)(void))sym(load("./libuser-rpath.so", RTLD_NOW), "used"))(), "a");
}
#else
CASE(runpath_of_the_program_counts_for_itself_only)
{
	ok(!open_it("libwhere.so"));
	ok(!dlopen("./libuser-bare.so", RTLD_NOW));
}
#endif
#endif

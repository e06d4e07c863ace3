/* SPDX-License-Identifier: MIT
 * Symbol versions: what a versioned and an unversioned reference bind to, and what dlsym and dlvsym find.
 *
 * BUILD version:
 */
#include "twin.h"

static int via(const char *user, int flags)
{
	return call(load(user, flags), "user_answer");
}

static int versioned(void *h, const char *name, const char *version)
{
	int (*f)(void) = (int (*)(void))dlvsym(h, name, version);

	if (!f)
		fail("dlvsym %s@%s: %s", name, version, dlerror());
	return f();
}

CASE(old_user_gets_the_old_version)
{
	eq(via("./libuser1-2.so", RTLD_NOW), 1);
}

CASE(old_user_gets_the_old_version_lazily)
{
	eq(via("./libuser1-2.so", RTLD_LAZY), 1);
}

CASE(symbol_moved_to_another_library)
{
	eq(via("./libmoveuser.so", RTLD_NOW), 2);
}

CASE(symbol_moved_to_another_library_lazily)
{
	eq(via("./libmoveuser.so", RTLD_LAZY), 2);
}

CASE(new_user_gets_the_default)
{
	eq(via("./libuser2-2.so", RTLD_NOW), 2);
}

CASE(user_of_both)
{
	eq(via("./libuserboth.so", RTLD_NOW), 12);
}

CASE(same_release)
{
	eq(via("./libuser1-1.so", RTLD_NOW), 1);
	eq(via("./libuser1-1.so", RTLD_LAZY), 1);
}

CASE(unversioned_reference_gets_the_oldest)
{
	eq(via("./libuser0-2.so", RTLD_NOW), 1);
}

CASE(unversioned_reference_to_one_version)
{
	eq(via("./libuser0-1.so", RTLD_NOW), 1);
}

CASE(unversioned_all_over)
{
	eq(via("./libuser0-0.so", RTLD_NOW), 0);
}

CASE(versioned_reference_to_an_unversioned_library)
{
	eq(via("./libuser1-0.so", RTLD_NOW), 0);
}

CASE(missing_version)
{
	char want[8192];

	ok(!dlopen("./libuser2-1.so", RTLD_LAZY));
	snprintf(want, sizeof want, "%s: version `V2' not found (required by ./libuser2-1.so)",
		 twin_here("./v1/libver.so"));
	error_is(want, "V1");
	eq(twin_mapped("/libuser2-1.so"), 0);
	eq(twin_mapped("/libver.so"), 0);
}

CASE(missing_version_with_a_loaded_library)
{
	void *h = load("v1/libver.so", RTLD_NOW);

	ok(!dlopen("./libuser2-2.so", RTLD_NOW));
	error_is("v1/libver.so: version `V2' not found (required by ./libuser2-2.so)", "V1");
	eq(call(h, "answer"), 1);
}

CASE(unversioned_definition_interposes_a_versioned_one)
{
	load("./libinterposer.so", RTLD_NOW | RTLD_GLOBAL);
	eq(via("./libuser2-2.so", RTLD_NOW), 1000);
	eq(via("./libuser1-2.so", RTLD_NOW), 1000);
}

CASE(dlsym_gets_the_default)
{
	eq(call(load("v2/libver.so", RTLD_NOW), "answer"), 2);
	eq(call(load("v2/libver.so", RTLD_NOW), "old_only"), 10);
}

CASE(dlvsym_gets_each)
{
	void *h = load("v2/libver.so", RTLD_NOW);

	eq(versioned(h, "answer", "V1"), 1);
	eq(versioned(h, "answer", "V2"), 2);
	eq(versioned(h, "answer", "V3"), 3);
	eq(versioned(h, "old_only", "V1"), 10);
	eq(versioned(h, "new_only", "V2"), 20);
}

CASE(dlvsym_does_not_inherit)
{
	void *h = load("v2/libver.so", RTLD_NOW);

	ok(!dlvsym(h, "old_only", "V2"));
	error_is("v2/libver.so: undefined symbol: old_only, version V2", NULL);
}

CASE(dlvsym_of_an_unknown_version)
{
	ok(!dlvsym(load("v2/libver.so", RTLD_NOW), "answer", "V9"));
	error_is("v2/libver.so: undefined symbol: answer, version V9", NULL);
}

CASE(dlvsym_of_an_unversioned_library)
{
	puts(dlvsym(load("v0/libver.so", RTLD_NOW), "answer", "V1") ? "found" : "not found");
}

CASE(dlvsym_through_dependencies)
{
	eq(versioned(load("./libuser2-2.so", RTLD_NOW), "answer", "V1"), 1);
}

CASE(dlvsym_default_and_next)
{
	ok(dlvsym(RTLD_DEFAULT, "malloc", "GLIBC_2.2.5") == dlsym(RTLD_DEFAULT, "malloc"));
	ok(dlvsym(RTLD_NEXT, "malloc", "GLIBC_2.2.5") == dlsym(RTLD_NEXT, "malloc"));
	ok(!dlvsym(RTLD_DEFAULT, "malloc", "GLIBC_9.9"));
	load("v2/libver.so", RTLD_NOW | RTLD_GLOBAL);
	eq(versioned(RTLD_DEFAULT, "answer", "V3"), 3);
}

CASE(libc_versions_differ)
{
	void *libc = load("libc.so.6", RTLD_NOW);

	ok(dlvsym(libc, "memcpy", "GLIBC_2.2.5"));
	ok(dlvsym(libc, "memcpy", "GLIBC_2.14"));
	ok(dlsym(libc, "memcpy") == dlvsym(libc, "memcpy", "GLIBC_2.14"));
	ok(dlvsym(libc, "pthread_cond_wait", "GLIBC_2.2.5") != dlsym(libc, "pthread_cond_wait"));
}

CASE(dl_functions_by_version_are_the_same)
{
	const char *since = TWIN_LIBC_IN_PARTS ? "GLIBC_2.2.5" : "GLIBC_2.34";
	const char *home = TWIN_LIBC_IN_PARTS ? "libdl.so.2" : "libc.so.6";

	ok(dlvsym(RTLD_DEFAULT, "dlopen", since) == (void *)dlopen);
	ok(dlsym(RTLD_DEFAULT, "dlopen") == (void *)dlopen);
	ok(dlsym(load(home, RTLD_NOW), "dlclose") == (void *)dlclose);
}

/* The version exists but lacks the symbol: only a weak reference may stay NULL. */
CASE(weak_reference_still_needs_the_version)
{
	void *h = dlopen("./libweakver.so", RTLD_NOW);

	puts(h ? "loads" : "refused");
	if (h)
		printf("%d\n", call(h, "user_answer"));
}

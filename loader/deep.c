/* SPDX-License-Identifier: MIT */
/*
 * deep: which definitions are one for the whole process.
 *
 * Called by scope.c for references of images opened with RTLD_DEEPBIND.  What libc and the C++ runtimes
 * define by themselves replaces nothing, and a library may well prefer its own allocator to that.  A
 * sanitizer tells by itself what it intercepts: beside NAME it exports __interceptor_NAME (of late
 * ___interceptor_NAME), so that whoever links it can still be told the two apart.
 *
 * A reader: takes no lock and allocates nothing.
 */
#include "deep.h"

#include "hash.h"
#include "text.h"

enum { NAME_MAX_LEN = 128 }; /* of an intercepted function */

static bool allocates(const char *name)
{
	static const char *const family[] = {
		"malloc",	 "free",	   "calloc",	"realloc",	      "memalign",
		"posix_memalign", "aligned_alloc", "valloc",	"pvalloc",	      "malloc_usable_size",
		"cfree",	 "reallocarray",   "free_sized", "free_aligned_sized",
	};
	/* operator new, new[], delete, delete[] in all their variants */
	static const char *const operators[] = {"_Znw", "_Zna", "_Zdl", "_Zda"};

	for (unsigned i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (text_starts(name, operators[i]))
			return true;
	for (unsigned i = 0; i < sizeof(family) / sizeof(family[0]); i++)
		if (text_eq(name, family[i]))
			return true;
	return false;
}

/* Does the image define operator new because somebody has to? */
static bool by_default(const struct image *im)
{
	static const char *const runtimes[] = {"libstdc++.so.", "libc++.so.", "libc++abi.so."};

	for (unsigned i = 0; im->dyn.soname && i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		if (text_starts(im->dyn.soname, runtimes[i]))
			return true;
	return false;
}

static bool defines(const struct image *im, const char *name)
{
	struct sym_request rq = sym_request(name);

	return hash_lookup(&im->st, &rq);
}

static bool intercepts(const struct image *im, const char *name)
{
	char twin[NAME_MAX_LEN + 32];

	if (text_len(name) > NAME_MAX_LEN)
		return false;
	text_format(twin, sizeof(twin), "___interceptor_%s", name);
	return defines(im, twin) || defines(im, twin + 1);
}

bool deep_shared(const struct image *definer, const char *name)
{
	if (definer->libc_family)
		return false;
	return allocates(name) ? !by_default(definer) : intercepts(definer, name);
}

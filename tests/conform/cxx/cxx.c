/* SPDX-License-Identifier: MIT
 * C++ libraries opened by a C program: the C++ runtime itself comes in through dlopen.
 *
 * BUILD cxx: -pthread
 */
#include "twin.h"

typedef void *make_fn(void);
typedef int is_fn(void *);
typedef void destroy_fn(void *);
typedef int catch_fn(void *);

static void types_agree(int flags1, int flags2)
{
	void *one = load("./libcxx1.so", flags1), *two = load("./libcxx2.so", flags2);
	void *s = ((make_fn *)sym(one, "make"))();

	eq(((is_fn *)sym(two, "is_square"))(s), 1);
	eq(((is_fn *)sym(one, "is_square"))(s), 1);
	((destroy_fn *)sym(two, "destroy"))(s);
	eq(((catch_fn *)sym(two, "catch_square"))(sym(one, "throw_square")), 4);
	eq(((catch_fn *)sym(one, "catch_square"))(sym(two, "throw_square")), 4);
}

CASE(one_type_in_two_libraries)
{
	types_agree(RTLD_NOW, RTLD_NOW);
}

CASE(one_type_lazily_bound)
{
	types_agree(RTLD_LAZY, RTLD_LAZY | RTLD_GLOBAL);
}

CASE(equal_types_that_do_not_know_each_other)
{
	void *one = load("./libcxxalone1.so", RTLD_NOW | RTLD_LOCAL),
	     *two = load("./libcxxalone2.so", RTLD_NOW | RTLD_LOCAL);

	eq(((catch_fn *)sym(two, "catch_common"))(sym(one, "throw_common")), 7);
	eq(((catch_fn *)sym(one, "catch_common"))(sym(two, "throw_common")), 7);
}

static void runtime(int flags)
{
	void *h = load("./libcxxruntime.so", flags);

	eq(call(h, "statics"), 1);
	eq(call(h, "streams"), 1);
	eq(call(h, "threads"), 1106);
	eq(call(h, "patterns"), 1);
	eq(call(h, "exceptions_in_futures"), 1);
}

CASE(runtime_at_work)
{
	runtime(RTLD_NOW);
}

CASE(runtime_lazily_bound)
{
	runtime(RTLD_LAZY);
}

CASE(runtime_under_deepbind)
{
	runtime(RTLD_NOW | RTLD_DEEPBIND);
}

CASE(runtime_closed_and_opened_again)
{
	for (int i = 0; i < 3; i++) {
		void *h = load("./libcxxruntime.so", RTLD_NOW);

		eq(call(h, "statics"), 1);
		eq(call(h, "threads"), 1106);
		shut(h);
	}
}

CASE(runtime_after_the_program_opened_it)
{
	load("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL);
	runtime(RTLD_NOW);
}

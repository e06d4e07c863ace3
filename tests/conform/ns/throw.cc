/* SPDX-License-Identifier: MIT
 * Exceptions and thread-local objects in namespaces and across their borders.
 *
 * BUILD throw: -pthread
 */
#include <stdexcept>
#include <string>
#include <thread>

#include "twin.h"

enum { SPACES = 5 };

namespace {
typedef int one_fn(int);
typedef int catch_fn(one_fn *, int);
typedef int own_fn(int, int *);

void *spaces[SPACES];

void open_spaces()
{
	for (auto &h : spaces) {
		h = dlmopen(LM_ID_NEWLM, "./libthrows.so", RTLD_NOW);
		if (!h)
			fail("dlmopen: %s", dlerror());
	}
}

template <typename F> F *function(int i, const char *name)
{
	return reinterpret_cast<F *>(sym(spaces[i], name));
}
} // namespace

CASE(caught_where_it_was_thrown)
{
	open_spaces();
	for (int i = 0; i < SPACES; i++) {
		eq(function<one_fn>(i, "catch_own")(i), i + 1);
		eq(function<one_fn>(i, "times_thrown")(0), 1);
	}
	for (auto h : spaces)
		shut(h);
	try {
		throw std::runtime_error("here");
	} catch (const std::exception &e) {
		same(e.what(), "here");
	}
}

/* Out of a namespace into the program. With the host's loader the exception would be freed by another malloc than
 * the one it came from. */
CASE(caught_by_the_program)
{
	if (!TWIN_NAMESPACES_SHARE_LIBC)
		return;
	open_spaces();
	for (int i = 0; i < SPACES; i++) {
		bool caught = false;

		try {
			function<one_fn>(i, "throw_number")(i);
		} catch (int n) {
			eq(n, i);
			caught = true;
		}
		ok(caught);
		caught = false;
		try {
			function<one_fn>(i, "throw_error")(i);
		} catch (const std::exception &e) {
			same(e.what(), std::to_string(i).c_str());
			caught = true;
		}
		ok(caught);
		eq(function<one_fn>(i, "times_thrown")(0), 2);
	}
}

/* From one namespace through the frames of a second, and of the program, into a third. */
namespace {
one_fn *first;
catch_fn *second;

int through(int n)
{
	std::string destroyed_on_the_way(100, 'x');

	return second(first, n) + 1;
}
} // namespace

CASE(caught_by_another_namespace)
{
	if (!TWIN_NAMESPACES_SHARE_LIBC)
		return;
	open_spaces();
	first = function<one_fn>(0, "throw_number");
	second = function<catch_fn>(1, "catch_number");
	eq(through(5), 1006);
	first = function<one_fn>(0, "throw_error");
	try {
		function<catch_fn>(2, "catch_number")(through, 8);
		fail("not thrown");
	} catch (const std::exception &e) {
		same(e.what(), "8");
	}
}

/* Each libc of the host has its own list of thread-local objects, and the end of a thread asks only the base one. */
CASE(thread_local_objects)
{
	int gone[SPACES] = {};

	open_spaces();
	std::thread([&] {
		for (int i = 0; i < SPACES; i++) {
			eq(function<own_fn>(i, "own_data")(i, &gone[i]), 7 + i);
			eq(function<own_fn>(i, "own_data")(i, &gone[i]), 7 + 2 * i);
		}
	}).join();
	for (int i = 0; i < SPACES; i++) {
		eq(gone[i], TWIN_NAMESPACES_SHARE_LIBC);
		eq(function<own_fn>(i, "own_data")(1, nullptr), 8);
	}
}

/* A thread that still has such an object keeps its namespace. */
CASE(thread_local_object_of_a_closed_namespace)
{
	int gone = 0;

	if (!TWIN_NAMESPACES_SHARE_LIBC)
		return;
	spaces[0] = dlmopen(LM_ID_NEWLM, "./libthrows.so", RTLD_NOW);
	ok(spaces[0]);
	std::thread([&] {
		eq(function<own_fn>(0, "own_data")(1, &gone), 8);
		shut(spaces[0]);
		ok(twin_mapped("/libthrows.so"));
		eq(gone, 0);
	}).join();
	eq(gone, 1);
}

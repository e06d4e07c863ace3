// SPDX-License-Identifier: MIT
// C++ exceptions and forced unwinding through opened libraries.
//
// BUILD eh: -pthread
// BUILD eh-static: -pthread -static-libgcc -static-libstdc++ -DSTATIC
#include <execinfo.h>
#include <new>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include "twin.h" // last: its short macro names would meet those of the C++ library

typedef void void_fn();
typedef void pass_fn(void (*)(void *), void *);
typedef int kinds_fn(void (*)(void *), void *);

template <class F> static F *function(void *h, const char *name)
{
	return reinterpret_cast<F *>(sym(h, name));
}

#ifdef STATIC
// The program brings its own unwinder; it must find the frames of opened libraries too.
CASE(caught_inside)
{
	eq(call(load("./libcatch-static.so", RTLD_NOW), "catch_own"), 1);
	traced("~deep ~deep ~deep caught:inside");
}

CASE(caught_inside_a_library_with_the_shared_unwinder)
{
	eq(call(load("./libcatch.so", RTLD_NOW), "catch_own"), 1);
	traced("~deep ~deep ~deep caught:inside");
}
#else

CASE(caught_inside)
{
	eq(call(load("./libcatch.so", RTLD_NOW), "catch_own"), 1);
	traced("~deep ~deep ~deep caught:inside");
}

CASE(caught_inside_lazily_bound)
{
	eq(call(load("./libcatch.so", RTLD_LAZY), "catch_own"), 1);
}

CASE(caught_inside_with_its_own_unwinder)
{
	eq(call(load("./libcatch-static.so", RTLD_NOW), "catch_own"), 1);
}

CASE(caught_by_the_program)
{
	void_fn *f = function<void_fn>(load("./libthrow.so", RTLD_NOW), "throw_error");

	try {
		f();
		fail("not thrown");
	} catch (const std::runtime_error &e) {
		same(e.what(), "from the library");
	}
	traced("~thrower");
}

static void throw_text(void *text)
{
	throw std::string(static_cast<const char *>(text));
}

CASE(passes_through)
{
	pass_fn *through = function<pass_fn>(load("./libpass.so", RTLD_NOW), "pass_through");

	try {
		through(throw_text, const_cast<char *>("hello"));
		fail("not thrown");
	} catch (const std::string &s) {
		same(s.c_str(), "hello");
	}
	traced("~passer");
}

CASE(rethrown)
{
	kinds_fn *again = function<kinds_fn>(load("./libpass.so", RTLD_NOW), "rethrow");

	try {
		again(throw_text, const_cast<char *>("again"));
		fail("not thrown");
	} catch (const std::string &s) {
		same(s.c_str(), "again");
	}
	traced("rethrow");
}

CASE(across_two_libraries)
{
	eq(call(load("./libacross.so", RTLD_NOW), "catch_across"), 1);
	traced("~thrower caught:from the library ~catcher");
}

static void throw_kind(void *kind)
{
	switch (*static_cast<int *>(kind)) {
	case 1:
		throw std::bad_alloc();
	case 2:
		throw std::out_of_range("range");
	case 3:
		throw std::string("text");
	default:
		throw 5L;
	}
}

CASE(caught_by_type)
{
	kinds_fn *kinds =
		function<kinds_fn>(load("./libforeign.so", RTLD_NOW | RTLD_LOCAL), "catch_kinds");

	for (int kind = 1; kind <= 4; kind++)
		eq(kinds(throw_kind, &kind), kind);
}

static void *throws_in_thread(void *h)
{
	for (int i = 1; i < 200; i++)
		eq(call1(h, "catch_quietly", i), i);
	return NULL;
}

CASE(in_threads)
{
	void *h = load("./libcatch.so", RTLD_NOW);
	struct twin_worker *older = twin_worker();
	pthread_t t[4];

	for (pthread_t &each : t)
		eq(pthread_create(&each, NULL, throws_in_thread, h), 0);
	twin_do(older, throws_in_thread, h);
	throws_in_thread(h);
	for (pthread_t &each : t)
		pthread_join(each, NULL);
	twin_retire(older);
}

PART(constructor_throws)
{
	try {
		dlopen("./libctor.so", RTLD_NOW);
	} catch (const std::exception &e) {
		printf("caught:%s\n", e.what());
	}
}

CASE(out_of_a_constructor)
{
	struct twin_run r = twin_run("constructor_throws", NULL);

	printf("%d %s\n", r.code, r.out);
}

PART(nobody_catches)
{
	function<void_fn>(load("./libthrow.so", RTLD_NOW), "throw_error")();
}

CASE(uncaught_terminates)
{
	struct twin_run r = twin_run("nobody_catches", NULL);

	eq(r.code, 128 + 6);
	ok(strstr(r.err, "terminate called after throwing an instance of 'std::runtime_error'"));
	ok(strstr(r.err, "what():  from the library"));
}

/* --- Forced unwinding --- */

static int pipe_fds[2];

static void *waits_in_library(void *h)
{
	function<void(int)>(h, "wait_forever")(pipe_fds[0]);
	return NULL;
}

CASE(cancellation_runs_cleanups)
{
	void *h = load("./libpass.so", RTLD_NOW), *result;
	pthread_t t;

	eq(pipe(pipe_fds), 0);
	eq(pthread_create(&t, NULL, waits_in_library, h), 0);
	eq(pthread_cancel(t), 0);
	eq(pthread_join(t, &result), 0);
	ok(result == PTHREAD_CANCELED);
	if (twin_trace[0]) /* empty when the thread was cancelled before it got there */
		traced("~cancelled");
}

CASE(cancellation_inside_a_read)
{
	void *h = load("./libpass.so", RTLD_NOW), *result;
	pthread_t t;

	eq(pipe(pipe_fds), 0);
	eq(write(pipe_fds[1], "x", 1), 1);
	eq(pthread_create(&t, NULL, waits_in_library, h), 0);
	for (int left = 1; left;) /* until the thread has eaten the byte, so it is inside */
		eq(ioctl(pipe_fds[0], FIONREAD, &left), 0);
	eq(pthread_cancel(t), 0);
	eq(pthread_join(t, &result), 0);
	ok(result == PTHREAD_CANCELED);
	traced("~cancelled");
}

static void *leaves_in_library(void *h)
{
	function<void_fn>(h, "leave_thread")();
	return NULL;
}

CASE(thread_exit_runs_cleanups)
{
	void *result;
	pthread_t t;

	eq(pthread_create(&t, NULL, leaves_in_library, load("./libpass.so", RTLD_NOW)), 0);
	eq(pthread_join(t, &result), 0);
	ok(result == (void *)7);
	traced("~left");
}

/* --- Caches of the unwinder --- */

CASE(neighbours_at_the_same_address)
{
	for (int i = 0; i < 20; i++) {
		void *h = load(i % 2 ? "./libtwin1.so" : "./libtwin2.so", RTLD_NOW);

		eq(call(h, "throw_and_catch"), 1);
		shut(h);
	}
}

CASE(after_unloading_a_library_that_threw)
{
	shut(load("./libcatch.so", RTLD_NOW));
	for (int i = 0; i < 5; i++) {
		void *h = load("./libcatch.so", RTLD_NOW);

		eq(call(h, "catch_own"), 1);
		shut(h);
		eq(call(load("./libacross.so", RTLD_NOW), "catch_across"), 1);
	}
}

static void depth(void *n)
{
	void *pc[64];

	*static_cast<int *>(n) = backtrace(pc, 64);
	throw 1;
}

CASE(backtrace_depth)
{
	pass_fn *through = function<pass_fn>(load("./libpass.so", RTLD_NOW), "pass_through");
	int direct, passed;

	try {
		depth(&direct);
	} catch (int) {
	}
	try {
		through(depth, &passed);
	} catch (int) {
	}
	eq(passed, direct + 1);
}
#endif

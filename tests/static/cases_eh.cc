// SPDX-License-Identifier: MIT
// What a static program in C++ can do with libdlrs.a: exceptions and thread_local objects.
#include <iconv.h>
#include <pthread.h>
#include <stdexcept>
#include <string>

#include "host.h"

static void inside_of(const char *path)
{
	void *h = need(path);

	for (int i = 0; i < 3; i++) {
		eq(((int (*)(int))look(h, "throws_inside"))(1), 1);
		said("unwound ");
	}
}

static void inside()
{
	inside_of("./throws.so");
}

// The plugin has a C++ runtime and an unwinder of its own.
static void inside_with_its_own_runtime()
{
	inside_of("./throws-own.so");
}

static void into_the_program()
{
	void *h = need("./throws.so");
	bool caught = false;

	try {
		((void (*)())look(h, "throws_out"))();
	} catch (const std::runtime_error &e) {
		caught = e.what() == std::string("out");
	}
	ok(caught);
	said("left ");
}

static void throws_program()
{
	throw std::runtime_error("program");
}

static void out_of_the_program()
{
	void *h = need("./throws.so");

	eq(((int (*)(void (*)()))look(h, "catches"))(throws_program), 1);
	said("passed ");
}

static void after_close()
{
	for (int i = 0; i < 3; i++) {
		void *h = need(i % 2 ? "./throws.so" : "./throws-2.so");
		bool caught = false;

		try {
			((void (*)())look(h, "throws_out"))();
		} catch (const std::runtime_error &) {
			caught = true;
		}
		ok(caught);
		eq(dlclose(h), 0);
	}
}

static void *uses_thread_local(void *f)
{
	((const char *(*)())f)();
	return nullptr;
}

static void thread_local_objects()
{
	void *h = need("./throws.so");
	pthread_t t;

	pthread_create(&t, nullptr, uses_thread_local, look(h, "makes_a_thread_local"));
	pthread_join(t, nullptr);
	said("thread over ");
}

// Exceptions in libraries that come and go, while other threads throw through others.
static void *throws_in_copies(void *)
{
	for (int i = 0; i < (keeps_all ? 5 : 50); i++) {
		void *h = dlopen("./throws.so", RTLD_NOW | CUSTOM_NOT_REGISTER);
		bool caught = false;

		ok(h);
		eq(((int (*)(int))look(h, "throws_inside"))(1), 1);
		try {
			((void (*)())look(h, "throws_out"))();
		} catch (const std::runtime_error &) {
			caught = true;
		}
		ok(caught);
		eq(dlclose(h), 0);
	}
	return nullptr;
}

static void storm()
{
	pthread_t t[6];

	for (auto &one : t)
		eq(pthread_create(&one, nullptr, throws_in_copies, nullptr), 0);
	for (auto one : t)
		pthread_join(one, nullptr);
}

static pthread_barrier_t waiting;

static void waits_to_be_cancelled()
{
	pthread_barrier_wait(&waiting);
	for (;;)
		pthread_testcancel();
}

static void *calls_what_waits(void *f)
{
	((int (*)(void (*)()))f)(waits_to_be_cancelled);
	return nullptr;
}

/* musl's cancellation does not unwind. */
static void cancellation()
{
	void *h = need("./throws.so"), *result = nullptr;
	pthread_t t;

	pthread_barrier_init(&waiting, nullptr, 2);
	pthread_create(&t, nullptr, calls_what_waits, look(h, "catches"));
	pthread_barrier_wait(&waiting);
	pthread_cancel(t);
	pthread_join(t, &result);
	ok(result == PTHREAD_CANCELED);
	said(keeps_all ? "" : "passed ");
}

/* glibc has a loader of its own for character sets, which brings a libc of its own, too. */
static void beside_libcs_own_loader()
{
	char in[] = "\xd4", out[8] = "", *from = in, *to = out;
	size_t left = 1, room = sizeof out - 1;
	iconv_t c;

	inside();
	c = iconv_open("UTF-8", "KOI8-R");
	ok(c != (iconv_t)-1);
	eq(iconv(c, &from, &left, &to, &room), 0);
	ok(!strcmp(out, "\xd1\x82"));
	iconv_close(c);
	inside();
	into_the_program();
}

const struct test tests[] = {
	{"inside", inside},
	{"inside_with_its_own_runtime", inside_with_its_own_runtime},
	{"into_the_program", into_the_program},
	{"out_of_the_program", out_of_the_program},
	{"after_close", after_close},
	{"thread_local_objects", thread_local_objects},
	{"storm_of_exceptions", storm},
	{"cancellation", cancellation},
	{"beside_libcs_own_loader", beside_libcs_own_loader},
	{nullptr, nullptr},
};

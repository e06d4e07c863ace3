// SPDX-License-Identifier: MIT
// What a static program in C++ can do with libdlrs.a: exceptions and thread_local objects.
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

const struct test tests[] = {
	{"inside", inside},
	{"inside_with_its_own_runtime", inside_with_its_own_runtime},
	{"into_the_program", into_the_program},
	{"out_of_the_program", out_of_the_program},
	{"after_close", after_close},
	{"thread_local_objects", thread_local_objects},
	{nullptr, nullptr},
};

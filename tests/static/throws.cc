// SPDX-License-Identifier: MIT
// A plugin that throws, catches, and has objects with destructors.
#include <stdexcept>
#include <string>

extern "C" void program_says(const char *word);

namespace {
struct loud {
	const char *word;
	~loud()
	{
		program_says(word);
	}
};
}

extern "C" int throws_inside(int n)
{
	try {
		loud l = {"unwound"};
		if (n)
			throw std::runtime_error("inside");
	} catch (const std::exception &e) {
		return e.what() == std::string("inside") ? 1 : 0;
	}
	return 2;
}

extern "C" void throws_out()
{
	loud l = {"left"};
	throw std::runtime_error("out");
}

// Whatever the program's function throws.
extern "C" int catches(void (*function)())
{
	loud l = {"passed"};
	try {
		function();
	} catch (const std::exception &e) {
		return e.what() == std::string("program") ? 1 : 0;
	}
	return 2;
}

static thread_local loud at_the_end = {"thread over"};

extern "C" const char *makes_a_thread_local()
{
	return at_the_end.word;
}

// SPDX-License-Identifier: MIT
//
// Frames to be unwound: with a destructor in each, a throw, a catch.
#include <stdexcept>

extern "C" {

void (*frames_say)(const char *);

struct cleanup {
	~cleanup()
	{
		frames_say("destructor in the library");
	}
};

void frames_inner(void (*callback)(void))
{
	cleanup c;

	callback();
	frames_say("came back");
}

void frames_through(void (*callback)(void))
{
	cleanup c;

	frames_inner(callback);
	frames_say("came back");
}

void frames_throw(void)
{
	frames_through([] { throw std::out_of_range("from the library"); });
}

void frames_catch(void)
{
	try {
		frames_throw();
	} catch (const std::out_of_range &e) {
		frames_say(e.what());
	}
}
}

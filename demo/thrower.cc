// SPDX-License-Identifier: MIT
//
// A C++ library below the extension module of throwing.cc: it throws, and what
// it throws is caught one library further up.

#include "thrower.h"

#include <memory>

Refused::Refused(int code)
    : std::runtime_error("refused with code " + std::to_string(code)), code_(code)
{
}

int Refused::code() const
{
	return code_;
}

std::atomic<int> Guard::alive;

void descend(int depth, int code)
{
	Guard guard;
	auto on_the_heap = std::make_unique<Guard>();

	if (depth == 0)
		throw Refused(code);
	descend(depth - 1, code);
}

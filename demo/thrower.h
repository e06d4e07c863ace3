// SPDX-License-Identifier: MIT
//
// What throwing.cc and thrower.cc share: an exception type and an object that
// counts how many of its kind are alive, to see that unwinding destroys them.
#pragma once

#include <atomic>
#include <stdexcept>
#include <string>

class Refused : public std::runtime_error
{
      public:
	explicit Refused(int code);
	int code() const;

      private:
	int code_;
};

struct Guard {
	static std::atomic<int> alive;
	Guard()
	{
		alive++;
	}
	Guard(const Guard &) = delete;
	~Guard()
	{
		alive--;
	}
};

// Throws Refused from as many frames down as asked for.
void descend(int depth, int code);

/* SPDX-License-Identifier: MIT */
/*
 * circle: a C++ plugin with what makes plugins hard for a loader: an exception that leaves the library, a
 * thread_local, an object whose code lives here but whose owner is the host. Opened by host.cc.
 */
#include "shape.h"

namespace
{

thread_local int made;

struct circle : shape {
	explicit circle(double radius) : radius(radius) {}

	double area() const override { return 3.0 * radius * radius; }

	double radius;
};

} // namespace

extern "C" std::unique_ptr<shape> make_shape(double size)
{
	if (size < 0)
		throw bad_shape("a circle of negative size");
	made++;
	return std::make_unique<circle>(size);
}

extern "C" int made_here()
{
	return made;
}

/* SPDX-License-Identifier: MIT */
/*
 * shape: the interface between host.cc and its plugin circle.cc.
 */
#ifndef SHAPE_H
#define SHAPE_H

#include <memory>
#include <stdexcept>

struct shape {
	virtual ~shape() = default;
	virtual double area() const = 0;
};

/* Thrown by the plugin, caught by the host. */
struct bad_shape : std::runtime_error {
	using std::runtime_error::runtime_error;
};

extern "C" {
typedef std::unique_ptr<shape> make_shape_fn(double size);
typedef int made_here_fn(); /* how many shapes this thread has made */
}

#endif

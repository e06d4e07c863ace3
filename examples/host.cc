/* SPDX-License-Identifier: MIT */
/*
 * host: a C++ program that opens a C++ plugin, catches what it throws and uses it from two threads.
 *
 *	c++ host.cc $(pkg-config --cflags --libs dlrs) -pthread -o host
 *	c++ -shared -fPIC circle.cc -o circle.so
 *	./host ./circle.so
 */
#include "shape.h"

#include <dlfcn.h>

#include <cstdlib>
#include <iostream>
#include <thread>

template <typename F> static F *symbol(void *plugin, const char *name)
{
	void *address = dlsym(plugin, name);

	if (!address) {
		std::cerr << dlerror() << '\n';
		std::exit(1);
	}
	return reinterpret_cast<F *>(address);
}

int main(int argc, char **argv)
{
	void *plugin = dlopen(argc > 1 ? argv[1] : "./circle.so", RTLD_NOW);

	if (!plugin) {
		std::cerr << dlerror() << '\n';
		return 1;
	}
	auto *make_shape = symbol<make_shape_fn>(plugin, "make_shape");
	auto *made_here = symbol<made_here_fn>(plugin, "made_here");

	std::cout << "area: " << make_shape(2)->area() << '\n';
	try {
		make_shape(-1);
		return 1;
	} catch (const bad_shape &e) {
		std::cout << "caught: " << e.what() << '\n';
	}
	std::thread([=] {
		make_shape(1);
		make_shape(1);
		std::cout << "made in the thread: " << made_here() << '\n';
	}).join();
	std::cout << "made in main: " << made_here() << '\n';
	return dlclose(plugin);
}

/* SPDX-License-Identifier: MIT
 * A program at a fixed address owns copies of the data it uses and the canonical addresses of functions; libraries
 * opened later must see those. The PIE build has no such entries and must agree with the libraries all the same.
 *
 * BUILD nopie: -no-pie -fno-pic libprovider.so @origin
 * BUILD pie: -fpie -pie libprovider.so @origin
 */
#include "twin.h"

extern int provided_data;
extern int provided_array[4];
int provided_function(void);
int *provider_data(void);

typedef void *pointer_fn(void);

#define ASK(name) (((pointer_fn *)sym(consumer(), name))())

static void *consumer(void)
{
	return load("./libconsumer.so", RTLD_NOW);
}

CASE(copied_data)
{
	ok(ASK("consumer_data") == &provided_data);
	ok(ASK("consumer_array") == provided_array);
	ok(provider_data() == &provided_data);
	eq(*(int *)ASK("consumer_data"), 11);
	eq(provided_array[3], 4);
	provided_data = 12;
	eq(call(consumer(), "consumer_call"), 12);
}

CASE(copied_data_and_own_dependency)
{
	ok(((pointer_fn *)sym(load("./libconsumer-needs.so", RTLD_NOW), "consumer_data"))() ==
	   &provided_data);
}

CASE(copied_data_by_dlsym)
{
	ok(dlsym(RTLD_DEFAULT, "provided_data") == &provided_data);
	ok(dlsym(load(NULL, RTLD_NOW), "provided_data") == &provided_data);
}

CASE(copied_libc_data)
{
	ok(ASK("consumer_environ") == &environ);
	ok(ASK("consumer_stdout") == &stdout);
}

CASE(canonical_function_address)
{
	ok(ASK("consumer_function") == (void *)provided_function);
	ok(ASK("consumer_puts") == (void *)puts);
	eq(call(consumer(), "consumer_call"), 11);
}

CASE(canonical_function_address_by_dlsym)
{
	ok(dlsym(RTLD_DEFAULT, "provided_function") == (void *)provided_function);
	ok(dlsym(RTLD_DEFAULT, "puts") == (void *)puts);
	ok(dlsym(load("libprovider.so", RTLD_NOW | RTLD_NOLOAD), "provided_function"));
}

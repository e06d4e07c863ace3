/* SPDX-License-Identifier: MIT
 * dlclose: when a library goes, what keeps it, and that nothing of it is left.
 *
 * BUILD close: libstart.so @origin
 */
#include "twin.h"
#include <pthread.h>

#define gone(name) eq(twin_mapped("/" name), 0)
#define there(name) ok(twin_mapped("/" name))

CASE(as_many_closes_as_opens)
{
	void *h = load("./libprovider.so", RTLD_NOW);

	for (int i = 0; i < 4; i++)
		ok(dlopen("./libprovider.so", RTLD_LAZY) == h);
	for (int i = 0; i < 4; i++) {
		shut(h);
		there("libprovider.so");
	}
	eq(call(h, "provided"), 1);
	shut(h);
	gone("libprovider.so");
}

CASE(nothing_is_left)
{
	int fds;

	shut(load("./libneeds.so", RTLD_NOW));
	twin_maps_remember();
	fds = twin_fds();
	for (int i = 0; i < 1000; i++)
		shut(load("./libneeds.so", i % 2 ? RTLD_NOW : RTLD_LAZY | RTLD_GLOBAL));
	maps_unchanged();
	eq(twin_fds(), fds);
}

CASE(data_is_fresh_after_reopening)
{
	for (int i = 0; i < 3; i++) {
		void *h = load("./libprovider.so", RTLD_NOW);

		eq(call(h, "provided"), 1);
		eq(call(h, "provided"), 2);
		shut(h);
	}
}

CASE(dependency_goes_with_its_last_user)
{
	void *one = load("./libneeds.so", RTLD_NOW), *two = load("./libneedstoo.so", RTLD_NOW);

	eq(call(one, "uses"), 1);
	shut(one);
	gone("libneeds.so");
	there("libprovider.so");
	eq(call(two, "uses"), 2);
	shut(two);
	gone("libprovider.so");
}

CASE(dependency_opened_directly_stays)
{
	void *user = load("./libneeds.so", RTLD_NOW),
	     *provider = load("./libprovider.so", RTLD_NOW);

	shut(user);
	gone("libneeds.so");
	eq(call(provider, "provided"), 1);
	shut(provider);
	gone("libprovider.so");
}

CASE(dependency_closed_directly_stays_for_its_user)
{
	void *user = load("./libneeds.so", RTLD_NOW),
	     *provider = load("./libprovider.so", RTLD_NOW);

	shut(provider);
	eq(call(user, "uses"), 1);
	shut(user);
	gone("libprovider.so");
}

CASE(binding_keeps_the_provider)
{
	void *provider = load("./libprovider.so", RTLD_NOW | RTLD_GLOBAL),
	     *user = load("./libbinds.so", RTLD_NOW);

	eq(call(user, "uses"), 1);
	shut(provider);
	there("libprovider.so");
	eq(call(user, "uses"), 2);
	shut(user);
	gone("libbinds.so");
	gone("libprovider.so");
}

CASE(lazy_binding_keeps_the_provider)
{
	void *provider = load("./libprovider.so", RTLD_NOW | RTLD_GLOBAL);
	void *user = load("./libbindslazily.so", RTLD_LAZY);

	eq(call(user, "uses"), 1);
	shut(provider);
	there("libprovider.so");
	eq(call(user, "uses"), 2);
	shut(user);
	gone("libprovider.so");
}

CASE(unbound_lazy_user_keeps_nothing)
{
	void *provider = load("./libprovider.so", RTLD_NOW | RTLD_GLOBAL);

	load("./libbindslazily.so", RTLD_LAZY);
	shut(provider);
	gone("libprovider.so");
}

CASE(lookup_keeps_the_provider_for_its_caller)
{
	void *provider = load("./libprovider.so", RTLD_NOW | RTLD_GLOBAL),
	     *user = load("./liblooksup.so", RTLD_NOW);

	eq(call(user, "looks_up"), 1);
	shut(provider);
	there("libprovider.so");
	eq(call(user, "looks_up"), 2);
	shut(user);
	gone("libprovider.so");
}

CASE(default_lookup_by_the_program_pins)
{
	void *provider = load("./liblooksup.so", RTLD_NOW | RTLD_GLOBAL);

	ok(dlsym(RTLD_DEFAULT, "looks_up"));
	shut(provider);
	there("liblooksup.so");
}

CASE(handle_lookup_does_not_pin)
{
	void *provider = load("./libprovider.so", RTLD_NOW | RTLD_GLOBAL);

	ok(dlsym(provider, "provided"));
	shut(provider);
	gone("libprovider.so");
}

CASE(global_scope_forgets)
{
	shut(load("./libprovider.so", RTLD_NOW | RTLD_GLOBAL));
	ok(!dlopen("./libbinds.so", RTLD_NOW));
	error_is("./libbinds.so: undefined symbol: provided", NULL);
}

CASE(nodelete_linked_in)
{
	void *h = load("./libnodelete.so", RTLD_NOW);

	eq(call(h, "provided"), 1);
	shut(h);
	there("libnodelete.so");
	eq(call(load("./libnodelete.so", RTLD_NOW), "provided"), 2);
}

CASE(nodelete_of_a_dependency)
{
	shut(load("./libneedsnodelete.so", RTLD_NOW));
	gone("libneedsnodelete.so");
	there("libnodelete.so");
}

CASE(nodelete_keeps_dependencies)
{
	shut(load("./libnodeleteneeds.so", RTLD_NOW));
	there("libnodeleteneeds.so");
	there("libprovider.so");
}

CASE(startup_libraries_stay)
{
	void *h = load("libstart.so", RTLD_NOW);

	eq(call(h, "started"), 1);
	shut(h);
	there("libstart.so");
	shut(load("libc.so.6", RTLD_NOW));
	shut(load("libc.so.6", RTLD_NOW));
	ok(twin_mapped(TWIN_LIBC_IN_PARTS ? "/libc-2." : "/libc.so.6"));
}

CASE(libm_comes_and_goes)
{
	void *h = load("libm.so.6", RTLD_NOW);
	double (*root)(double) = (double (*)(double))sym(h, "sqrt");

	ok(root(16) == 4);
	shut(h);
	gone("libm.so.6");
}

static void *touch(void *h)
{
	eq(call(h, "touch"), 3);
	return NULL;
}

CASE(thread_local_destructor_keeps_the_library)
{
	struct twin_worker *w = twin_worker();
	void *h = load("./libthreadlocal.so", RTLD_NOW);

	twin_do(w, touch, h);
	shut(h);
	there("libthreadlocal.so");
	traced("");
	twin_retire(w);
	traced("tls");
}

CASE(thread_local_destructor_then_collected)
{
	struct twin_worker *w = twin_worker();
	void *h = load("./libthreadlocal.so", RTLD_NOW);

	twin_do(w, touch, h);
	shut(h);
	twin_retire(w);
	there("libthreadlocal.so");
	shut(load("./libprovider.so", RTLD_NOW));
	traced("tls fini");
	gone("libthreadlocal.so");
}

CASE(thread_local_destructor_and_reopening)
{
	struct twin_worker *w = twin_worker();
	void *h = load("./libthreadlocal.so", RTLD_NOW);

	twin_do(w, touch, h);
	shut(h);
	ok(dlopen("./libthreadlocal.so", RTLD_NOW) == h);
	twin_retire(w);
	traced("tls");
	shut(h);
	traced("fini");
	gone("libthreadlocal.so");
}

CASE(thread_local_never_touched_keeps_nothing)
{
	struct twin_worker *w = twin_worker();

	shut(load("./libthreadlocal.so", RTLD_NOW));
	traced("fini");
	gone("libthreadlocal.so");
	twin_retire(w);
}

static void *close_it(void *h)
{
	shut(h);
	return NULL;
}

CASE(closed_by_another_thread)
{
	pthread_t t;

	eq(pthread_create(&t, NULL, close_it, load("./libprovider.so", RTLD_NOW)), 0);
	pthread_join(t, NULL);
	gone("libprovider.so");
}

CASE(closed_in_the_order_of_opening)
{
	void *a = load("./libprovider.so", RTLD_NOW), *b = load("./liblooksup.so", RTLD_NOW),
	     *c = load("./libneeds.so", RTLD_NOW);

	shut(a);
	shut(b);
	gone("liblooksup.so");
	eq(call(c, "uses"), 1);
	shut(c);
	gone("libneeds.so");
	gone("libprovider.so");
}

PART(call_upwards_at_the_end)
{
	shut(load("./libcalled.so", RTLD_LAZY));
	traced("called:1");
	gone("libcalled.so");
	gone("libcalls.so");
}

CASE(destructor_calls_what_was_finalised_before)
{
	eq(twin_run("call_upwards_at_the_end", NULL).code, TWIN_CLOSING_LIBRARIES_CALLABLE ? 0 : 127);
}

CASE(destructor_looks_up_what_was_finalised_before)
{
	shut(load("./libasked.so", RTLD_NOW));
	traced(TWIN_CLOSING_LIBRARIES_CALLABLE ? "found" : "not found");
	gone("libasked.so");
	gone("libasks.so");
}

/* SPDX-License-Identifier: MIT
 * Private copies: dlopen with CUSTOM_NOT_REGISTER (0x400) maps the file anew every time.
 *
 * BUILD copy:
 */
#include "twin.h"
#include <link.h>
#include <pthread.h>

#define CUSTOM_NOT_REGISTER 0x400

/* The host knows no such bit; all cases but the first end here on its side. */
static void ours_only(void)
{
	if (!TWIN_PRIVATE_COPIES)
		exit(0);
}

static void *copy_of(const char *path)
{
	return load(path, RTLD_NOW | CUSTOM_NOT_REGISTER);
}

CASE(bit_of_the_mode)
{
	void *h = dlopen("./libplugin1.so", RTLD_NOW | CUSTOM_NOT_REGISTER);

	if (TWIN_PRIVATE_COPIES) {
		ok(h);
	} else {
		ok(!h);
		error_is("invalid mode parameter", NULL);
	}
}

CASE(every_open_is_a_copy)
{
	ours_only();
	void *a = copy_of("./libplugin1.so"), *b = copy_of("./libplugin1.so"),
	     *c = load("./libplugin1.so", RTLD_NOW);

	traced("+1 +1 +1");
	ok(a != b && b != c && a != c);
	eq(call(a, "next"), 101);
	eq(call(a, "next"), 102);
	eq(call(b, "next"), 101);
	eq(call(c, "next"), 101);
	eq(call(a, "next_tls"), 201);
	eq(call(a, "next_tls"), 202);
	eq(call(b, "next_tls"), 201);
	shut(b);
	traced("-1:101");
	eq(call(a, "next"), 103);
	shut(a);
	traced("-1:103");
	shut(c);
	traced("-1:101");
	eq(twin_mapped("/libplugin1.so"), 0);
	eq(twin_mapped("/libshared.so"), 0);
}

CASE(never_found_by_name)
{
	ours_only();
	void *a = copy_of("./libplugin1.so");

	ok(!dlopen("./libplugin1.so", RTLD_NOW | RTLD_NOLOAD));
	ok(!dlopen("libplugin.so", RTLD_NOW | RTLD_NOLOAD));
	ok(!dlopen(twin_here("libplugin1.so"), RTLD_NOW | RTLD_NOLOAD));
	ok(load("./libplugin1.so", RTLD_NOW) != a);
}

CASE(does_not_disturb_the_registered_one)
{
	ours_only();
	void *h = load("./libplugin1.so", RTLD_NOW), *a = copy_of("./libplugin1.so");

	ok(a != h);
	ok(dlopen("./libplugin1.so", RTLD_NOW | RTLD_NOLOAD) == h);
	shut(a);
	ok(dlopen("./libplugin1.so", RTLD_NOW | RTLD_NOLOAD) == h);
	eq(call(h, "next"), 101);
}

CASE(never_a_dependency)
{
	ours_only();
	void *a = copy_of("./libplugin2.so"), *user;

	eq(call(a, "version"), 2);
	user = load("./libneedsplugin.so",
		    RTLD_NOW); /* DT_NEEDED libplugin.so: the soname of the copy */
	eq(call(user, "user_version"), 0);
}

CASE(dependencies_are_shared)
{
	ours_only();
	void *a = copy_of("./libplugin1.so"), *b = copy_of("./libplugin2.so");

	eq(call(a, "next_shared"), 1);
	eq(call(b, "next_shared"), 2);
	eq(call(load("./libshared.so", RTLD_NOW | RTLD_NOLOAD), "shared_next"), 3);
	shut(a);
	eq(call(b, "next_shared"), 4);
}

CASE(dependencies_are_shared_with_registered_ones)
{
	ours_only();
	void *shared = load("./libshared.so", RTLD_NOW), *a = copy_of("./libplugin1.so");

	eq(call(shared, "shared_next"), 1);
	eq(call(a, "next_shared"), 2);
}

CASE(old_and_new_side_by_side)
{
	ours_only();
	const char *path = twin_copy("libplugin1.so", twin_tmp("libplugin.so"));
	void *old, *new;

	twin_copy("libshared.so", twin_tmp("libshared.so"));
	old = copy_of(path);
	eq(call(old, "next"), 101);
	twin_copy("libplugin2.so", path);
	new = copy_of(path);
	eq(call(old, "version"), 1);
	eq(call(new, "version"), 2);
	eq(call(old, "next"), 102);
	eq(call(new, "next"), 101);
	shut(old);
	eq(call(new, "version"), 2);
}

CASE(hundred_copies)
{
	ours_only();
	void *h[100];

	for (int i = 0; i < 100; i++) {
		h[i] = copy_of(i % 2 ? "./libplugin1.so" : "./libplugin2.so");
		for (int k = 0; k < i % 5; k++)
			call(h[i], "next");
	}
	for (int i = 0; i < 100; i++) {
		eq(call(h[i], "next"), 101 + i % 5);
		eq(call(h[i], "version"), i % 2 ? 1 : 2);
		shut(h[i]);
	}
	eq(twin_mapped("/libplugin"), 0);
}

CASE(everybody_sees_it)
{
	ours_only();
	struct link_map *a = copy_of("./libplugin1.so"), *b = copy_of("./libplugin1.so");
	struct dl_find_object o;
	Dl_info i;

	eq(call(a, "throws"), 1);
	eq(call(b, "throws"), 1);
	ok(dladdr(sym(b, "version"), &i));
	same(i.dli_sname, "version");
	ok(i.dli_fbase == (void *)b->l_addr && a->l_addr != b->l_addr);
	eq(_dl_find_object(sym(a, "version"), &o), 0);
	ok(o.dlfo_link_map == a);
}

CASE(global_and_private_do_not_mix)
{
	ours_only();
	void *h = dlopen("./libplugin1.so", RTLD_NOW | RTLD_GLOBAL | CUSTOM_NOT_REGISTER);

	ok(!h || !dlsym(RTLD_DEFAULT, "version") ||
	   dlsym(RTLD_DEFAULT, "version") == sym(h, "version"));
}

CASE(private_noload_is_nothing)
{
	ours_only();
	ok(!dlopen("./libplugin1.so", RTLD_NOW | RTLD_NOLOAD | CUSTOM_NOT_REGISTER));
}

CASE(destructor_at_exit)
{
	ours_only();
	struct twin_run r = twin_run("leave_open", NULL);

	eq(r.code, 0);
	same(r.out, "-1:101\n-2:100\n");
}

PART(leave_open)
{
	call(copy_of("./libplugin1.so"), "next");
	copy_of("./libplugin2.so");
	trace_now();
}

CASE(private_of_a_missing_file)
{
	ours_only();
	ok(!dlopen("./nosuch.so", RTLD_NOW | CUSTOM_NOT_REGISTER));
	error_is("./nosuch.so: cannot open shared object file: No such file or directory", NULL);
}

/* SPDX-License-Identifier: MIT
 * dlsym with every kind of handle, symbol and caller, and the life of dlerror's text.
 *
 * BUILD dlsym: libstart1.so @origin
 */
#include "twin.h"
#include <pthread.h>

int layer(void);
void *next_from_here(const char *name);
void *default_from_here(const char *name);

typedef void *lookup_fn(const char *);

CASE(through_the_handle_and_its_dependencies)
{
	void *h = load("./libtop.so", RTLD_NOW);

	ok(sym(h, "layer") != (void *)layer);
	ok(sym(h, "printf") == dlsym(RTLD_DEFAULT, "printf"));
}

CASE(default_from_the_program)
{
	ok(dlsym(RTLD_DEFAULT, "layer") == (void *)layer);
	ok(!dlsym(RTLD_DEFAULT, "object"));
}

CASE(default_from_a_local_library_sees_its_own_graph)
{
	lookup_fn *look = (lookup_fn *)sym(load("./libtop.so", RTLD_NOW), "default_from_here");

	ok(look("layer") == (void *)layer);
	load("./libkinds.so", RTLD_NOW);
	ok(!look("object"));
	ok(look("trace") == (void *)trace);
}

CASE(default_from_a_startup_library)
{
	ok(default_from_here("layer") == (void *)layer);
	load("./libkinds.so", RTLD_NOW);
	ok(!default_from_here("object"));
	load("./libkinds.so", RTLD_NOW | RTLD_GLOBAL);
	ok(default_from_here("object") == sym(load("./libkinds.so", RTLD_NOW), "object"));
}

CASE(after_an_open_that_failed)
{
	void *h = load("./libtop.so", RTLD_NOW), *before = sym(h, "layer");

	ok(!dlopen("./nosuch.so", RTLD_NOW));
	ok(dlsym(h, "layer") == before);
	ok(dlsym(RTLD_DEFAULT, "layer") == (void *)layer);
	ok(!dlsym(h, "nosuch"));
	error_is("./libtop.so: undefined symbol: nosuch", NULL);
	ok(!dlerror());
}

CASE(next_from_the_program)
{
	int (*next)(void) = (int (*)(void))dlsym(RTLD_NEXT, "layer");

	ok(next);
	eq(next(), 11000);
	ok(dlsym(RTLD_NEXT, "malloc") == (void *)malloc);
	ok(!dlsym(RTLD_NEXT, "main"));
}

CASE(next_from_startup_libraries)
{
	eq(layer(), 11000);
	ok(next_from_here("layer"));
	ok(next_from_here("next_from_here") == NULL);
	ok(next_from_here("malloc") == (void *)malloc);
}

CASE(next_from_opened_libraries)
{
	eq(call(load("./libtop.so", RTLD_NOW), "layer"), 111);
	eq(call(load("./libmiddle.so", RTLD_NOW), "layer"), 11);
}

CASE(next_does_not_leave_the_graph)
{
	lookup_fn *look = (lookup_fn *)sym(load("./libtop.so", RTLD_NOW), "next_from_here");

	load("./libkinds.so", RTLD_NOW | RTLD_GLOBAL);
	ok(!look("object"));
	ok(!look("trace"));
	ok(look("malloc") == (void *)malloc);
	ok(!look("default_from_here") || look("default_from_here") != default_from_here);
}

CASE(next_when_the_root_is_another_library)
{
	void *middle = load("./libmiddle.so", RTLD_NOW), *top = load("./libtop.so", RTLD_NOW);

	eq(call(middle, "layer"), 11);
	eq(call(top, "layer"), 111);
}

CASE(every_kind_of_symbol)
{
	void *h = load("./libkinds.so", RTLD_NOW);

	eq(*(int *)sym(h, "object"), 5);
	same((char *)sym(h, "text"), "text");
	eq((long)sym(h, "aligned_object") % 64, 0);
	eq(call(h, "weak_defined"), 7);
	ok(!dlsym(h, "resolve"));
}

CASE(ifunc_is_resolved)
{
	void *h = load("./libkinds.so", RTLD_NOW), *f = sym(h, "chosen");

	eq(((int (*)(void))f)(), 8);
	ok(dlsym(h, "chosen") == f);
	ok(call(h, "resolved_count") > 0);
}

CASE(ifunc_of_libc)
{
	size_t (*length)(const char *) = (size_t(*)(const char *))dlsym(RTLD_DEFAULT, "strlen");

	eq(length("12345"), 5);
	ok(dlsym(load("libc.so.6", RTLD_NOW), "strlen") == (void *)length);
}

static void *thread_sees_its_own(void *h)
{
	int *p = sym(h, "thread_object"),
	    *(*address)(void) = (int *(*)(void))sym(h, "thread_address");

	ok(p == address());
	eq(*p, 6);
	*p = 60;
	return p;
}

CASE(thread_local_symbol_is_the_callers)
{
	void *h = load("./libkinds.so", RTLD_NOW), *other;
	int *mine = thread_sees_its_own(h);
	pthread_t t;

	eq(pthread_create(&t, NULL, thread_sees_its_own, h), 0);
	pthread_join(t, &other);
	ok(other != mine);
	eq(*mine, 60);
}

CASE(weak_undefined_is_not_found)
{
	void *h = load("./libkinds.so", RTLD_NOW);

	ok(!dlsym(h, "weak_undefined"));
	error_is("./libkinds.so: undefined symbol: weak_undefined", NULL);
}

CASE(from_a_constructor)
{
	load("./libkinds.so", RTLD_NOW);
	traced("self:1 own:1 default:1 libc:1");
}

CASE(from_a_constructor_of_a_global_open)
{
	load("./libkinds.so", RTLD_NOW | RTLD_GLOBAL);
	traced("self:1 own:1 default:1 libc:1");
}

CASE(null_handle_is_default)
{
	ok(dlsym(NULL, "layer") == (void *)layer);
}

CASE(garbage_handle)
{
	if (!TWIN_HANDLES_VALIDATED)
		return;
	ok(!dlsym((void *)0x1234, "layer"));
	ok(dlerror());
	ok(!dlsym(&twin_argc, "layer"));
	ok(dlerror());
	ok(dlclose((void *)0x1234) != 0);
	ok(dlerror());
	void *h = load("./libkinds.so", RTLD_NOW);
	shut(h);
	if (TWIN_NOTHING_IS_UNLOADED)
		return;
	ok(!dlsym(h, "object"));
	ok(dlerror());
	ok(dlclose(h) != 0);
	ok(dlerror());
}

/* --- dlerror --- */

CASE(missing_symbol_text)
{
	void *h = load("./libkinds.so", RTLD_NOW);

	ok(!dlsym(h, "no_such"));
	error_is("./libkinds.so: undefined symbol: no_such", NULL);
}

CASE(missing_symbol_text_names_the_caller)
{
	char text[4200];

	ok(!dlsym(RTLD_DEFAULT, "no_such"));
	snprintf(text, sizeof text, "%s: undefined symbol: no_such", twin_argv[0]);
	error_is(text, NULL);
	ok(!dlsym(RTLD_NEXT, "no_such"));
	error_is(text, NULL);
}

CASE(error_is_read_once)
{
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	ok(dlerror());
	ok(!dlerror());
}

CASE(error_is_the_last_one)
{
	ok(!dlopen("./nosuch1.so", RTLD_NOW));
	ok(!dlopen("./nosuch2.so", RTLD_NOW));
	error_is("./nosuch2.so: cannot open shared object file: No such file or directory", NULL);
	ok(!dlerror());
}

CASE(success_after_failure)
{
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	load("./libkinds.so", RTLD_NOW);
	puts(dlerror() ? "kept" : "cleared");
	ok(!dlerror());
}

CASE(no_error_at_first)
{
	ok(!dlerror());
	load("./libkinds.so", RTLD_NOW);
	ok(!dlerror());
}

static void *other_thread(void *unused)
{
	(void)unused;
	ok(!dlerror());
	ok(!dlopen("./other.so", RTLD_NOW));
	error_is("./other.so: cannot open shared object file: No such file or directory", NULL);
	return NULL;
}

CASE(error_belongs_to_the_thread)
{
	pthread_t t;

	ok(!dlopen("./mine.so", RTLD_NOW));
	eq(pthread_create(&t, NULL, other_thread, NULL), 0);
	pthread_join(t, NULL);
	error_is("./mine.so: cannot open shared object file: No such file or directory", NULL);
}

CASE(success_keeps_errno)
{
	void *h = load("./libkinds.so", RTLD_NOW);

	errno = 77;
	sym(h, "object");
	eq(errno, 77);
}

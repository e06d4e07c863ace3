/* SPDX-License-Identifier: MIT
 * Which definition a reference binds to: the program first, then RTLD_GLOBAL libraries in load order, then the
 * library's own graph.
 *
 * BUILD scope:
 * BUILD interposed: -DPROGRAM_DEFINES
 */
#include "twin.h"

typedef const char *text_fn(void);

#define ASK(h, name) (((text_fn *)sym(h, name))())

#ifdef PROGRAM_DEFINES
const char *whose_data = "program";
const char *whose(void);
const char *whose(void)
{
	return "program";
}

CASE(program_comes_first)
{
	void *h = load("./libalpha.so", RTLD_NOW);

	same(ASK(h, "seen"), "program");
	same(ASK(h, "seen_data"), "program");
	ok(((void *(*)(void))sym(h, "seen_address"))() == (void *)whose);
	same(ASK(h, "whose"), "alpha");
}

CASE(program_comes_first_lazily)
{
	same(ASK(load("./libalpha.so", RTLD_LAZY), "seen"), "program");
}

CASE(program_comes_before_globals)
{
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libalpha.so", RTLD_NOW), "seen"), "program");
	ok(dlsym(RTLD_DEFAULT, "whose") == (void *)whose);
}

CASE(symbolic_comes_before_the_program)
{
	void *h = load("./libsymbolic.so", RTLD_NOW);

	same(ASK(h, "seen"), "symbolic");
	same(ASK(h, "seen_data"), "symbolic");
}

CASE(protected_comes_before_the_program)
{
	same(ASK(load("./libprotected.so", RTLD_NOW), "seen"), "protected");
}

CASE(hidden_comes_before_the_program)
{
	same(ASK(load("./libhidden.so", RTLD_NOW), "seen"), "hidden");
}

CASE(interpose_flag_is_ignored_by_dlopen)
{
	load("./libinterpose.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libalpha.so", RTLD_NOW), "seen"), "program");
}
#else
CASE(own_definition)
{
	void *h = load("./libalpha.so", RTLD_NOW);

	same(ASK(h, "seen"), "alpha");
	same(ASK(h, "seen_data"), "alpha");
}

CASE(locals_do_not_see_each_other)
{
	same(ASK(load("./libalpha.so", RTLD_NOW), "seen"), "alpha");
	same(ASK(load("./libbeta.so", RTLD_NOW), "seen"), "beta");
	ok(!dlopen("./libuser.so", RTLD_NOW));
}

CASE(global_comes_before_own)
{
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libalpha.so", RTLD_NOW), "seen"), "beta");
	same(ASK(load("./libalpha.so", RTLD_NOW), "seen_data"), "beta");
}

CASE(globals_in_load_order)
{
	load("./libgamma.so", RTLD_NOW | RTLD_GLOBAL);
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libuser.so", RTLD_NOW), "seen"), "gamma");
	same(((text_fn *)dlsym(RTLD_DEFAULT, "whose"))(), "gamma");
}

CASE(promotion_counts_from_its_moment)
{
	load("./libgamma.so", RTLD_NOW);
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	load("./libgamma.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libuser.so", RTLD_NOW), "seen"), "beta");
}

CASE(bound_references_stay_bound)
{
	void *h = load("./libalpha.so", RTLD_NOW);

	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(h, "seen"), "alpha");
}

CASE(global_must_see_itself)
{
	same(ASK(load("./libalpha.so", RTLD_NOW | RTLD_GLOBAL), "seen"), "alpha");
}

CASE(dependency_provides)
{
	same(ASK(load("./libuser-alpha.so", RTLD_NOW), "seen"), "alpha");
}

CASE(root_comes_before_its_dependencies)
{
	void *h = load("./libbeta-over-alpha.so", RTLD_NOW);

	same(ASK(h, "seen"), "beta");
	/* The dependency itself was relocated in the root's scope. */
	same(ASK(load("./libalpha.so", RTLD_NOW | RTLD_NOLOAD), "seen"), "beta");
}

CASE(dependency_loaded_before_keeps_its_binding)
{
	void *alpha = load("./libalpha.so", RTLD_NOW);

	load("./libbeta-over-alpha.so", RTLD_NOW);
	same(ASK(alpha, "seen"), "alpha");
}

CASE(symbolic_ignores_globals)
{
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libsymbolic.so", RTLD_NOW), "seen"), "symbolic");
}

CASE(deepbind_ignores_globals)
{
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libalpha.so", RTLD_NOW | RTLD_DEEPBIND), "seen"), "alpha");
}

CASE(deepbind_prefers_own_dependencies)
{
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libuser-alpha.so", RTLD_NOW | RTLD_DEEPBIND), "seen"), "alpha");
}

CASE(protected_is_seen_by_others)
{
	load("./libprotected.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libalpha.so", RTLD_NOW), "seen"), "protected");
}

CASE(hidden_is_not_exported)
{
	void *h = load("./libhidden.so", RTLD_NOW | RTLD_GLOBAL);

	ok(!dlsym(h, "whose"));
	ok(!dlsym(h, "whose_data"));
	same(ASK(load("./libalpha.so", RTLD_NOW), "seen"), "alpha");
}

CASE(weak_definition_counts_like_any)
{
	load("./libweak.so", RTLD_NOW | RTLD_GLOBAL);
	load("./libbeta.so", RTLD_NOW | RTLD_GLOBAL);
	same(ASK(load("./libuser.so", RTLD_NOW), "seen"), "weak");
}

CASE(weak_reference_to_nothing)
{
	void *h = load("./libweakref.so", RTLD_NOW);

	eq(call(h, "call_maybe"), -1);
	eq(call(h, "read_maybe"), -1);
	eq(call(load("./libweakref-lazy.so", RTLD_LAZY), "call_maybe"), -1);
}

CASE(weak_reference_to_a_global)
{
	void *h;

	load("./libmaybe.so", RTLD_NOW | RTLD_GLOBAL);
	h = load("./libweakref.so", RTLD_NOW);
	eq(call(h, "call_maybe"), 6);
	eq(call(h, "read_maybe"), 5);
}

CASE(weak_reference_is_not_bound_later)
{
	void *h = load("./libweakref.so", RTLD_NOW);

	load("./libmaybe.so", RTLD_NOW | RTLD_GLOBAL);
	eq(call(h, "call_maybe"), -1);
}

CASE(unique_is_one_object)
{
	typedef int *address_fn(void);
	int *one = ((address_fn *)sym(load("./libunique1.so", RTLD_NOW | RTLD_LOCAL),
				      "unique_address"))();
	int *two = ((address_fn *)sym(load("./libunique2.so", RTLD_NOW | RTLD_LOCAL),
				      "unique_address"))();
	int *own = ((address_fn *)sym(load("./libnotunique.so", RTLD_NOW | RTLD_LOCAL),
				      "unique_address"))();

	ok(one == two);
	ok(one != own);
	eq(*one, 1);
	eq(*own, 3);
}

CASE(unique_under_deepbind)
{
	typedef int *address_fn(void);
	int *one = ((address_fn *)sym(load("./libunique1.so", RTLD_NOW), "unique_address"))();

	ok(((address_fn *)sym(load("./libunique2.so", RTLD_NOW | RTLD_DEEPBIND),
			      "unique_address"))() == one);
}

CASE(unique_keeps_its_provider)
{
	void *one = load("./libunique1.so", RTLD_NOW), *two = load("./libunique2.so", RTLD_NOW);

	shut(one);
	shut(two);
	ok(twin_mapped("/libunique1.so"));
	eq(twin_mapped("/libunique2.so"), 0);
}

CASE(absolute_symbols_do_not_move)
{
	void *h = load("./libabsolute-user.so", RTLD_NOW);

	ok(dlsym(h, "absolute") == (void *)0x1234);
	ok(dlsym(h, "absolute_high") == (void *)0xfffffffffffff000);
	ok(((void *(*)(void))sym(h, "use_absolute"))() == (void *)0x1234);
	ok(*(void **)sym(h, "absolute_pointer") == (void *)0x1238);
}

CASE(absolute_zero_is_null_without_error)
{
	void *h = load("./libabsolute.so", RTLD_NOW);

	dlerror();
	ok(!dlsym(h, "absolute_zero"));
	ok(!dlerror());
}

CASE(symbol_name_of_any_bytes)
{
	eq(call(load("./libbytes.so", RTLD_NOW), "caf\351"), 99);
}

CASE(library_without_symbols)
{
	void *h = load("./libempty.so", RTLD_NOW);

	ok(!dlsym(h, "anything"));
	shut(h);
	eq(twin_mapped("/libempty.so"), 0);
}
#endif

/* Whose is it: the root's own (5), the first's (3), the other's (1). */
static int owner(const void *at)
{
	Dl_info info;

	if (!dladdr(at, &info))
		return 0;
	return strstr(info.dli_fname, "libwide.so") ? 5 : strstr(info.dli_fname, "libwide-first.so") ? 3 : 1;
}

CASE(twenty_thousand_references_each_find_the_first)
{
	void *h = load("./libwide.so", RTLD_NOW | RTLD_LOCAL), **table = dlsym(h, "wide_table");
	unsigned wrong = 0, unlike = 0;
	char name[64];

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "wide_symbol_with_a_rather_long_name_%d", i);
		wrong += owner(table[i]) != (i % 5 == 0 ? 5 : i % 3 == 0 ? 3 : 1);
		unlike += dlsym(h, name) != table[i];
	}
	eq(wrong, 0);
	eq(unlike, 0);
	shut(h);
	ok(!twin_mapped("/libwide"));
}

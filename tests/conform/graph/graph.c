/* SPDX-License-Identifier: MIT
 * Dependency graphs: order of construction and search, unloading as a whole, and loads that fail half way.
 *
 * BUILD graph:
 */
#include "twin.h"

typedef const char *text_fn(void);

#define ASK(h, name) (((text_fn *)sym(h, name))())
#define NOT_FOUND(name) name ": cannot open shared object file: No such file or directory"

CASE(chain)
{
	void *h = load("./libchain1.so", RTLD_NOW);

	traced("+chain3 +chain2 +chain1");
	same(ASK(h, "chain3_here"), "chain3");
	shut(h);
	traced("-chain1 -chain2 -chain3");
	eq(twin_mapped("/libchain"), 0);
}

CASE(chain_opened_in_the_middle_first)
{
	void *middle = load("./libchain2.so", RTLD_NOW), *h = load("./libchain1.so", RTLD_NOW);

	traced("+chain3 +chain2 +chain1");
	shut(middle);
	traced("");
	same(ASK(h, "chain3_here"), "chain3");
	shut(h);
	traced("-chain1 -chain2 -chain3");
}

CASE(handle_of_the_middle_does_not_see_the_top)
{
	load("./libchain1.so", RTLD_NOW);
	ok(!dlsym(load("./libchain2.so", RTLD_NOW), "chain1_here"));
}

CASE(diamond)
{
	void *h = load("./libtop.so", RTLD_NOW);

	traced("+base +right +left +top");
	same(ASK(h, "base_here"), "base");
	shut(h);
	traced("-top -left -right -base");
	eq(twin_mapped("/libbase.so"), 0);
}

CASE(diamond_one_arm_stays)
{
	void *right = load("./libright.so", RTLD_NOW), *h = load("./libtop.so", RTLD_NOW);

	traced("+base +right +left +top");
	shut(h);
	traced("-top -left");
	same(ASK(right, "base_here"), "base");
	shut(right);
	traced("-right -base");
}

CASE(cycle)
{
	void *h = load("./libring1.so", RTLD_NOW);

	same(ASK(h, "ring2_here"), "ring2");
	same(ASK(load("./libring2.so", RTLD_NOW), "ring1_here"), "ring1");
	puts(twin_trace);
}

/* Whose constructor comes when is nobody's promise, but programs have come to rely on it. */
static void circle_ended(void)
{
	if (TWIN_CYCLES_END_ALIKE)
		puts(twin_trace);
}

CASE(cycle_with_a_leaf)
{
	shut(load("./libloop1.so", RTLD_NOW));
	circle_ended();
}

CASE(cycle_with_a_leaf_entered_in_the_middle)
{
	void *middle = load("./libloop2.so", RTLD_NOW);

	shut(load("./libloop1.so", RTLD_NOW));
	shut(middle);
	circle_ended();
}

CASE(cycle_with_a_leaf_and_both_ends_open)
{
	void *base = load("./libbase.so", RTLD_NOW), *one = load("./libloop1.so", RTLD_NOW);
	void *two = load("./libloop2.so", RTLD_NOW);

	shut(one);
	shut(base);
	shut(two);
	circle_ended();
}

CASE(knot)
{
	void *h = load("./libknotb.so", RTLD_NOW);

	same(ASK(h, "refers"), "knotc");
	shut(h);
	circle_ended();
}

CASE(knot_bound_late)
{
	void *h = load("./libknotb.so", RTLD_LAZY);

	same(ASK(h, "refers"), "knotc");
	shut(h);
	circle_ended();
}

/* glibc sorts the whole process: a binding anywhere turns a circle round. */
CASE(cycle_beside_a_binding)
{
	load("./libasker.so", RTLD_NOW);
	shut(load("./libfront.so", RTLD_NOW));
	circle_ended();
}

/* A binding that becomes a dependency counts no more, but for having been there. */
CASE(cycle_entered_where_it_was_bound)
{
	load("./libtri3.so", RTLD_NOW);
	load("./libtri2.so", RTLD_NOW);
	if (TWIN_CYCLES_END_ALIKE)
		trace_now();
}

CASE(cycle_goes_when_the_last_handle_goes)
{
	void *one = load("./libring1.so", RTLD_NOW), *two = load("./libring2.so", RTLD_NOW);

	shut(one);
	same(ASK(two, "ring1_here"), "ring1");
	shut(two);
	eq(twin_mapped("/libring"), 0);
	circle_ended();
}

CASE(library_that_needs_itself)
{
	void *h = load("./libself.so", RTLD_NOW);

	traced("+self");
	shut(h);
	traced("-self");
	eq(twin_mapped("/libself.so"), 0);
}

CASE(dependency_of_a_sibling_provides)
{
	ok(!dlopen("./libkinleft.so", RTLD_NOW));
	error_is("./libkinleft.so: undefined symbol: kin_low", NULL);
	for (int i = 0; i < 2; i++) {
		void *h = load("./libkintop.so", i ? RTLD_LAZY : RTLD_NOW);

		eq(call(h, "kin_left"), 15);
		shut(h);
		eq(twin_mapped("/libkin"), 0);
	}
}

CASE(search_is_breadth_first)
{
	same(ASK(load("./libwide.so", RTLD_NOW), "both"), "right");
}

CASE(dependency_outlives_the_root_it_came_with)
{
	void *one = load("./libroot1.so", RTLD_LAZY), *two = load("./libroot2.so", RTLD_LAZY);

	shut(one);
	eq(twin_mapped("/libroot1.so"), 0);
	eq(call(two, "root_value"), 111);
	shut(two);
	traced("near:22");
	eq(twin_mapped("/libfar.so"), 0);
}

CASE(dependency_opened_itself_outlives_its_root)
{
	void *root = load("./libroot1.so", RTLD_LAZY), *near = load("./libnear.so", RTLD_LAZY);

	shut(root);
	eq(call(near, "near_value"), 11);
	shut(near);
	traced("near:22");
}

CASE(kept_dependency_outlives_its_root)
{
	shut(load("./libroot3.so", RTLD_LAZY));
	eq(call(load("./libnearkept.so", RTLD_LAZY | RTLD_NOLOAD), "near_value"), 11);
	eq(call(load("./libnearkept.so", RTLD_LAZY | RTLD_NOLOAD), "near_late"), 20);
}

PART(kept_until_exit)
{
	shut(load("./libroot3.so", RTLD_LAZY));
	trace_now();
}

CASE(kept_dependency_calls_at_exit)
{
	struct twin_run r = twin_run("kept_until_exit", NULL);

	same(r.err, "");
	same(r.out, "near:22\n");
	eq(r.code, 0);
}

static void patch_number(const char *path, const char *from, int number)
{
	static char buf[65536];
	FILE *f = fopen(path, "r+");
	size_t len = f ? fread(buf, 1, sizeof buf, f) : 0;
	char *at = memmem(buf, len, from, strlen(from)), digits[8];

	ok(at);
	snprintf(digits, sizeof digits, "%03d", number);
	memcpy(strstr(at, "n0") + 1, digits, 3);
	rewind(f);
	ok(fwrite(buf, 1, len, f) == len && !fclose(f));
}

CASE(chain_of_300)
{
	enum { COUNT = 300 };
	char name[32];
	void *h;

	twin_copy("libn001.so", twin_tmp("libn000.so"));
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "libn%03d.so", i);
		patch_number(twin_copy("libn000.so", twin_tmp(name)), "libn001.so", i + 1);
	}
	snprintf(name, sizeof name, "libn%03d.so", COUNT);
	twin_copy("libn001.so", twin_tmp(name));
	h = load(twin_tmp("libn000.so"), RTLD_NOW);
	eq(call(h, "link_weight"), 1);
	ok(twin_mapped("libn300.so"));
	shut(h);
	eq(twin_mapped("/libn"), 0);
}

/* Failing loads. The first failure may grow the loader's own memory; the second must leave nothing at all. */
static void fails_without_trace(const char *path, int flags, const char *text, const char *more)
{
	int fds;

	ok(!dlopen(path, flags));
	error_is(text, more);
	twin_maps_remember();
	fds = twin_fds();
	ok(!dlopen(path, flags));
	error_is(text, more);
	maps_unchanged();
	eq(twin_fds(), fds);
	traced("");
}

CASE(missing_dependency_leaves_nothing)
{
	fails_without_trace("./libneedsabsent.so", RTLD_NOW, NOT_FOUND("libabsent.so"),
			    "libneedsabsent.so");
	eq(twin_mapped("/libchain"), 0);
	ok(!dlopen("./libchain1.so", RTLD_NOW | RTLD_NOLOAD));
}

CASE(missing_dependency_two_levels_down)
{
	fails_without_trace("./libdeepabsent.so", RTLD_LAZY, NOT_FOUND("libabsent.so"),
			    "libneedsabsent.so.*libdeepabsent.so");
}

CASE(missing_dependency_keeps_what_was_there)
{
	void *h = load("./libchain1.so", RTLD_NOW);

	traced("+chain3 +chain2 +chain1");
	fails_without_trace("./libneedsabsent.so", RTLD_NOW, NOT_FOUND("libabsent.so"), NULL);
	same(ASK(h, "chain3_here"), "chain3");
	shut(h);
	traced("-chain1 -chain2 -chain3");
}

CASE(missing_dependency_of_a_global_open_promotes_nothing)
{
	load("./libchain1.so", RTLD_NOW);
	ok(!dlopen("./libneedsabsent.so", RTLD_NOW | RTLD_GLOBAL));
	ok(!dlsym(RTLD_DEFAULT, "chain3_here"));
}

CASE(missing_symbol_leaves_nothing)
{
	fails_without_trace("./libnosymbol.so", RTLD_NOW,
			    "./libnosymbol.so: undefined symbol: nobody_has_function", NULL);
}

CASE(missing_symbol_in_a_dependency)
{
	char text[4200];

	snprintf(text, sizeof text, "%s: undefined symbol: nobody_has_function",
		 twin_here("./libnosymbol.so"));
	fails_without_trace("./libdeepnosymbol.so", RTLD_NOW, text, "libdeepnosymbol.so");
	eq(twin_mapped("/libchain"), 0);
}

CASE(missing_data_symbol_fails_even_lazily)
{
	fails_without_trace("./libnodata.so", RTLD_LAZY,
			    "./libnodata.so: undefined symbol: nobody_has_data", NULL);
}

CASE(missing_symbol_supplied_later)
{
	void *h;

	ok(!dlopen("./libnosymbol.so", RTLD_NOW));
	load("./libgives.so", RTLD_NOW | RTLD_GLOBAL);
	h = load("./libnosymbol.so", RTLD_NOW);
	eq(call(h, "want_function"), 77);
}

CASE(missing_file_created_later)
{
	const char *path = twin_tmp("libbase.so");

	ok(!dlopen(path, RTLD_NOW));
	twin_copy("libbase.so", path);
	same(ASK(load(path, RTLD_NOW), "base_here"), "base");
}

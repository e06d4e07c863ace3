/* SPDX-License-Identifier: MIT
 * Relocation: every table format and placement, protection afterwards, indirect functions, lazy binding.
 *
 * BUILD reloc: -ldl
 */
#include "twin.h"
#include <link.h>
#include <signal.h>

/* --- hash tables --- */

static void all_two_hundred(const char *path)
{
	void *h = load(path, RTLD_NOW);
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "hashed_%03d", i);
		if (100 <= i && i < 300)
			eq(call(h, name), i);
		else
			ok(!dlsym(h, name));
	}
	ok(!dlsym(h, ""));
}

CASE(hash_gnu)
{
	all_two_hundred("./libhash-gnu.so");
}

CASE(hash_sysv)
{
	all_two_hundred("./libhash-sysv.so");
}

CASE(hash_both)
{
	all_two_hundred("./libhash-both.so");
}

CASE(hash_of_a_dependency)
{
	eq(call(load("./libhash-user.so", RTLD_NOW), "sum_of_all"), 39900);
	eq(call(load("./libhash-user.so", RTLD_LAZY), "sum_of_all"), 39900);
}

/* --- tables --- */

static void *tables(const char *path)
{
	void *h = load(path, RTLD_NOW);

	eq(call(h, "check_tables"), 0);
	return h;
}

static void perms_of(void *h, const char *function, const char *want)
{
	char perms[5];

	twin_perms(((const void *(*)(void))sym(h, function))(), perms);
	same(perms, want);
}

CASE(rela)
{
	void *h = tables("./libtables.so");

	perms_of(h, "relro_page", "r--p");
	perms_of(h, "data_page", "rw-p");
}

CASE(relr_with_a_relative_left_over)
{
	perms_of(tables("./libtables-relr.so"), "relro_page", "r--p");
}

CASE(relr_without_any_version)
{
	tables("./libtables-relr-bare.so");
}

CASE(nocombreloc)
{
	tables("./libtables-nocombreloc.so");
}

CASE(code_and_data_in_one_segment)
{
	tables("./libtables-noseparate.so");
}

CASE(without_relro)
{
	perms_of(tables("./libtables-norelro.so"), "relro_page", "rw-p");
}

CASE(first_segment_not_at_zero)
{
	void *h = tables("./libtables-based.so");

	shut(h);
	eq(twin_mapped("libtables-based"), 0);
}

CASE(aligned_to_64k)
{
	tables("./libtables-64k.so");
}

CASE(aligned_to_2m)
{
	void *h = tables("./libtables-2m.so");

	shut(h);
	eq(twin_mapped("libtables-2m"), 0);
	tables("./libtables-2m.so");
}

CASE(aligned_many_times)
{
	char name[32];

	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "lib%d.so", i);
		tables(twin_copy("libtables-2m.so", twin_tmp(name)));
	}
}

CASE(gaps_between_segments_are_not_accessible)
{
	void *h = tables("./libtables-64k.so");
	const char *relro = ((const char *(*)(void))sym(h, "relro_page"))();
	char perms[5];

	/* The data segment starts in a new 64 KiB unit; the page before that unit's first used page is a gap. */
	twin_perms((const char *)((unsigned long)relro & -0x10000ul) - 0x1000, perms);
	ok(perms[1] != 'w');
}

/* --- protection --- */

static void *victim;

static void write_there(void)
{
	*(volatile char *)victim = 1;
}

PART(write_to_relro)
{
	victim = ((void *(*)(void))sym(load("./libtables.so", RTLD_LAZY), "relro_page"))();
	write_there();
}

CASE(writing_to_relro_faults)
{
	eq(twin_run("write_to_relro", NULL).code, 128 + SIGSEGV);
}

CASE(code_is_not_writable)
{
	char perms[5];

	twin_perms(sym(load("./libtables.so", RTLD_NOW), "check_tables"), perms);
	same(perms, "r-xp");
}

CASE(full_relro_under_lazy)
{
	struct link_map *lm = load("./libifunc-now.so", RTLD_LAZY);
	char perms[5];

	for (ElfW(Dyn) *d = lm->l_ld; d->d_tag; d++)
		if (d->d_tag == DT_PLTGOT) {
			/* The host relocates .dynamic in place; a loader may as well leave it as it is in the file. */
			twin_perms((char *)d->d_un.d_ptr +
					   (d->d_un.d_ptr < lm->l_addr ? lm->l_addr : 0),
				   perms);
			same(perms, "r--p");
			return;
		}
	fail("no DT_PLTGOT");
}

CASE(text_relocations)
{
	void *h = load("./libtextrel.so", RTLD_NOW);
	char perms[5];

	eq(call(h, "text_answer"), 31);
	twin_perms(sym(h, "text_answer"), perms);
	same(perms, "r-xp");
	eq(*(long *)sym(h, "size_of_sized"), 24);
}

CASE(text_relocations_to_other_libraries)
{
	void *h = load("./libtextrel-user.so", RTLD_NOW);

	ok(((void *(*)(void))sym(h, "text_malloc"))() == (void *)malloc);
}

/* --- indirect functions --- */

static void all_ways(const char *path, int flags)
{
	void *h = load(path, flags);

	eq(call(h, "call_public"), 42);
	eq(call(h, "call_here"), 42);
	eq(call(h, "call_address_here"), 42);
	eq(call(h, "call_address_public"), 42);
	eq(((int (*)(void))sym(h, "chosen"))(), 42);
}

CASE(ifunc_lazy)
{
	all_ways("./libifunc.so", RTLD_LAZY);
}

CASE(ifunc_now)
{
	all_ways("./libifunc.so", RTLD_NOW);
}

CASE(ifunc_linked_now)
{
	all_ways("./libifunc-now.so", RTLD_LAZY);
}

CASE(ifunc_of_a_dependency)
{
	void *h = load("./libifunc-user.so", RTLD_LAZY);

	eq(call(h, "user_call"), 42);
	eq(call(h, "user_call_by_address"), 42);
	eq(call(load("./libifunc-user-now.so", RTLD_NOW), "user_call"), 42);
}

CASE(ifunc_resolver_that_calls)
{
	if (TWIN_IFUNC_RESOLVERS_LAST)
		all_ways("./libifunc-calls.so", RTLD_LAZY);
}

CASE(ifunc_has_one_address)
{
	typedef void *address_fn(void);
	void *h = load("./libifunc-user.so", RTLD_NOW);

	ok(((address_fn *)sym(h, "user_address"))() == sym(h, "chosen"));
	ok(((address_fn *)sym(h, "own_address"))() == sym(h, "chosen"));
}

/* --- lazy binding --- */

static void all_registers(const char *path, int flags)
{
	static const char *const tries[] = {"try_ints",	       "try_doubles", "try_variadic",
					    "try_long_double", "try_pair",    "try_ymm",
					    "try_zmm"};
	void *h = load(path, flags);

	ok((unsigned long)sym(h, "sum_variadic") % 256 == 0);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
			if (!call(h, tries[i]))
				fail("%s, call %d", tries[i], round + 1);
}

CASE(lazy_calls_keep_all_argument_registers)
{
	all_registers("./libcaller.so", RTLD_LAZY);
}

CASE(immediate_calls_keep_all_argument_registers)
{
	all_registers("./libcaller.so", RTLD_NOW);
	all_registers("./libcaller-now.so", RTLD_LAZY);
}

/* The resolver is foreign code, and runs at the first call. */
CASE(ifunc_calls_keep_all_argument_registers)
{
	eq(call(load("./libcaller-ifunc.so", RTLD_LAZY), "try_ifunc"), 1);
	all_registers("./libcaller-ifunc.so", RTLD_LAZY);
}

CASE(lazy_calls_in_constructor_and_destructor)
{
	shut(load("./libearlycaller.so", RTLD_LAZY));
	traced("constructor:lazy destructor:0");
}

CASE(lazy_with_an_unresolved_function_loads)
{
	eq(call(load("./libunresolved.so", RTLD_LAZY), "fine"), 7);
}

PART(call_unresolved)
{
	call(load("./libunresolved.so", RTLD_LAZY), "not_fine");
}

CASE(calling_an_unresolved_function_exits_127)
{
	struct twin_run r = twin_run("call_unresolved", NULL);

	eq(r.code, 127);
	if (!strstr(r.err, "symbol lookup error: ./libunresolved.so: undefined symbol: "
			   "nobody_defines_this"))
		fail("\"%s\"", r.err);
}

CASE(unresolved_function_found_at_first_call)
{
	void *h = load("./libunresolved.so", RTLD_LAZY);

	load("./liblate.so", RTLD_NOW | RTLD_GLOBAL);
	eq(call(h, "not_fine"), 5);
}

CASE(now_with_an_unresolved_function_fails)
{
	ok(!dlopen("./libunresolved.so", RTLD_NOW));
	error_is("./libunresolved.so: undefined symbol: nobody_defines_this", NULL);
}

CASE(bind_now_flag_beats_lazy)
{
	ok(!dlopen("./libunresolved-now.so", RTLD_LAZY));
	error_is("./libunresolved-now.so: undefined symbol: nobody_defines_this", NULL);
}

PART(open_lazily)
{
	puts(dlopen("./libunresolved.so", RTLD_LAZY) ? "loads" : "refused");
}

CASE(environment_bind_now)
{
	same(twin_run("open_lazily", (const char *[]){"LD_BIND_NOW=1", NULL}).out, "refused\n");
	same(twin_run("open_lazily", (const char *[]){"LD_BIND_NOW=", NULL}).out, "loads\n");
	same(twin_run("open_lazily", NULL).out, "loads\n");
}

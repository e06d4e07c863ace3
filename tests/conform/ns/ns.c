/* SPDX-License-Identifier: MIT
 * Namespaces: dlmopen into the base, into new ones, and what is shared between them.
 *
 * BUILD ns:
 */
#include "ns.h"
#include <unistd.h>

CASE(base_is_dlopen)
{
	void *h = load("./libdata.so", RTLD_NOW);

	ok(load_in(LM_ID_BASE, "./libdata.so", RTLD_NOW) == h);
	eq(namespace_of(h), LM_ID_BASE);
}

CASE(new_namespace_has_its_own_copy)
{
	void *base = load("./libdata.so", RTLD_NOW),
	     *other = load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);

	ok(base != other);
	ok(namespace_of(other) != LM_ID_BASE);
	eq(call1(other, "data_add", 10), 11);
	eq(call1(base, "data_add", 1), 2);
	eq(call1(other, "data_tls_add", 1), 6);
	eq(call1(base, "data_tls_add", 2), 7);
}

CASE(same_namespace_again)
{
	void *one = load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
	Lmid_t ns = namespace_of(one);

	ok(load_in(ns, "./libdata.so", RTLD_NOW) == one);
	eq(namespace_of(load_in(ns, "./libopener.so", RTLD_NOW)), ns);
}

CASE(dependencies_belong_to_the_namespace)
{
	void *base = load("./libdatauser.so", RTLD_NOW),
	     *other = load_in(LM_ID_NEWLM, "./libdatauser.so", RTLD_NOW);

	eq(call1(other, "user_add", 5), 6);
	eq(call1(base, "user_add", 1), 2);
	ok(dlmopen(namespace_of(other), "libdata.so", RTLD_NOW | RTLD_NOLOAD) !=
	   dlopen("libdata.so", RTLD_NOW | RTLD_NOLOAD));
}

CASE(globals_do_not_cross)
{
	load("./libdata.so", RTLD_NOW | RTLD_GLOBAL);
	ok(!dlmopen(LM_ID_NEWLM, "./libbindslater.so", RTLD_NOW));
	error_is("./libbindslater.so: undefined symbol: data_add", NULL);
	load("./libbindslater.so", RTLD_NOW);
}

CASE(program_is_not_in_a_new_namespace)
{
	void *other = load_in(LM_ID_NEWLM, "./libopener.so", RTLD_NOW);
	void *base = load("./libopener.so", RTLD_NOW);

	ok(((int (*)(const char *))sym(base, "finds_here"))("twin_trace"));
	ok(!TWIN_NAMESPACES_REPORT_ERRORS ||
	   !((int (*)(const char *))sym(other, "finds_here"))("twin_trace"));
}

CASE(open_from_within_stays_within)
{
	void *other = load_in(LM_ID_NEWLM, "./libopener.so", RTLD_NOW);
	void *h = ((void *(*)(const char *))sym(other, "open_here"))("libdata.so");

	ok(h);
	eq(namespace_of(h), namespace_of(other));
	ok(!dlopen("./libdata.so", RTLD_NOW | RTLD_NOLOAD));
}

CASE(libc_is_shared)
{
	typedef void *address_fn(void);
	void *other = load_in(LM_ID_NEWLM, "./libdatauser.so", RTLD_NOW);
	bool shared = ((address_fn *)sym(other, "user_malloc"))() == (void *)malloc;

	ok(shared == TWIN_NAMESPACES_SHARE_LIBC);
}

CASE(closing_empties_the_namespace)
{
	void *other = load_in(LM_ID_NEWLM, "./libdatauser.so", RTLD_NOW);

	shut(other);
	eq(twin_mapped("/libdata.so"), 0);
	eq(twin_mapped("/libdatauser.so"), 0);
}

CASE(walk_lists_every_copy)
{
	void *base = load("./libdata.so", RTLD_NOW),
	     *other = load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
	struct dl_find_object o;
	Dl_info i;

	ok(dladdr(sym(other, "data_add"), &i));
	ok(i.dli_fbase == (void *)((struct link_map *)other)->l_addr);
	same(i.dli_sname, "data_add");
	if (!TWIN_FINDS_OBJECTS)
		return;
	eq(_dl_find_object(sym(base, "data_add"), &o), 0);
	ok(o.dlfo_link_map == base);
	eq(_dl_find_object(sym(other, "data_add"), &o), 0);
	ok(o.dlfo_link_map == other);
}

static int count_copies(struct dl_phdr_info *info, size_t size, void *n)
{
	*(int *)n += strstr(info->dlpi_name, "/libdata.so") != NULL;
	return 0;
}

CASE(walk_lists_what_came_after_the_namespace)
{
	int n = 0;

	load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
	load("./libdata.so", RTLD_NOW);
	load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
	dl_iterate_phdr(count_copies, &n);
	eq(n, TWIN_WALK_SHOWS_ALL_NAMESPACES ? 3 : 1);
}

CASE(unknown_namespace)
{
	ok(!dlmopen(77777, "./libdata.so", RTLD_NOW));
	error_is("./libdata.so: invalid target namespace in dlmopen(): Invalid argument", NULL);
}

CASE(null_name_only_in_the_base)
{
	ok(load_in(LM_ID_BASE, NULL, RTLD_NOW) == load(NULL, RTLD_NOW));
	ok(!dlmopen(LM_ID_NEWLM, NULL, RTLD_NOW));
	ok(dlerror());
}

CASE(failed_load_frees_the_namespace)
{
	for (int i = 0; i < 40; i++) {
		ok(!dlmopen(LM_ID_NEWLM, "./nosuch.so", RTLD_NOW));
		error_is("./nosuch.so: cannot open shared object file: No such file or directory",
			 NULL);
	}
	load_in(LM_ID_NEWLM, "./libdata.so", RTLD_NOW);
}

CASE(many_namespaces)
{
	int n = 0;

	while (n < 100 && dlmopen(LM_ID_NEWLM, "./libdata.so", RTLD_NOW))
		n++;
	if (TWIN_NAMESPACES_UNLIMITED) {
		eq(n, 100);
	} else {
		ok(n < 16);
		ok(dlerror());
	}
}

CASE(global_inside_a_namespace)
{
	void *other = load_in(LM_ID_NEWLM, "./libopener.so", RTLD_NOW);
	Lmid_t ns = namespace_of(other);

	if (!TWIN_NAMESPACES_GLOBAL) {
		ok(!dlmopen(ns, "./libdata.so", RTLD_NOW | RTLD_GLOBAL));
		error_is("invalid mode: Invalid argument", NULL);
		return;
	}
	load_in(ns, "./libdata.so", RTLD_NOW | RTLD_GLOBAL);
	eq(call1(load_in(ns, "./libbindslater.so", RTLD_NOW), "user_add", 3), 4);
	ok(!dlsym(RTLD_DEFAULT, "data_add"));
}

static int ending;

__attribute__((destructor)) static void program_end(void)
{
	if (ending && write(1, "-main\n", 6) < 0)
		_exit(1);
}

PART(open_at_the_end)
{
	ending = 1;
	load("./libendone.so", RTLD_NOW);
	load_in(LM_ID_NEWLM, "./libendtwo.so", RTLD_NOW);
	load_in(LM_ID_NEWLM, "./libendfour.so", RTLD_NOW);
}

/* The youngest first, and all of them before the program. */
CASE(namespaces_end_before_the_base)
{
	struct twin_run r = twin_run("open_at_the_end", NULL);

	same(r.out, "-four\n-two\n-three\n-main\n-one\n");
	eq(r.code, 0);
}

/* SPDX-License-Identifier: MIT */
/* The operations of hostops that ask libc's loader itself; its functions are taken from libc, past the preload. */
#include "hostops.h"

#include "libc_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct real real;

void check(int good, const char *what)
{
	if (!good) {
		printf("not: %s\n", what);
		exit(1);
	}
}

void *libc_symbol(const char *name)
{
	void *p = libc_own(name);

	check(p != NULL, name);
	return p;
}

void find_real(void)
{
	*(void **)&real.open = libc_symbol("dlopen");
	*(void **)&real.mopen = libc_symbol("dlmopen");
	*(void **)&real.close = libc_symbol("dlclose");
	*(void **)&real.sym = libc_symbol("dlsym");
	*(void **)&real.vsym = libc_symbol("dlvsym");
	*(void **)&real.error = libc_symbol("dlerror");
	*(void **)&real.addr = libc_symbol("dladdr");
	*(void **)&real.info = libc_symbol("dlinfo");
	*(void **)&real.iterate = libc_symbol("dl_iterate_phdr");
}

void *open_real(const char *file)
{
	void *h = real.open(file, RTLD_NOW);

	if (!h)
		puts(real.error());
	ok(h);
	return h;
}

void host_open(void)
{
	for (int i = 0; i < 3; i++) {
		void *h = open_real("./libthird.so");

		ok(*(int *)real.sym(h, "third_global") == 12);
		ok(!real.close(h));
	}
}

void host_open_what_we_have(void)
{
	void *h = open_real("./libplugin.so");

	ok(*(int *)real.sym(h, "plugin_global") == 12);
	ok(!real.close(h));
}

void host_open_and_keep(void)
{
	open_real("./libthird.so"); /* its destructor runs at exit */
}

void host_open_in_namespace(void)
{
	void *h = real.mopen(LM_ID_NEWLM, "./libthird.so", RTLD_NOW);
	Lmid_t id = 0;

	ok(h);
	ok(!real.info(h, RTLD_DI_LMID, &id) && id > 0);
	ok(*(int *)real.sym(h, "third_global") == 12);
	ok(!real.close(h));
}

void host_open_three_namespaces(void)
{
	void *h[3];

	for (int i = 0; i < 3; i++)
		ok(h[i] = real.mopen(LM_ID_NEWLM, "./libthird.so", RTLD_NOW));
	for (int i = 0; i < 3; i++)
		ok(!real.close(h[i]));
}

void host_open_global(void)
{
	void *h = real.open("./libthird.so", RTLD_NOW | RTLD_GLOBAL);

	ok(h);
	ok(real.sym(real.open(NULL, RTLD_NOW), "third_global"));
	ok(!real.close(h));
}

void host_open_itself(void)
{
	void *h = real.open(NULL, RTLD_NOW);

	ok(real.sym(h, "malloc"));
	ok(!real.close(h));
}

void host_open_noload(void)
{
	ok(!real.open("./libthird.so", RTLD_NOW | RTLD_NOLOAD));
	ok(real.open("libc.so.6", RTLD_NOW | RTLD_NOLOAD));
}

void host_open_fails(void)
{
	ok(!real.open("./libnosuch.so", RTLD_NOW));
	puts(real.error());
}

void host_lookup(void)
{
	ok(real.sym(RTLD_DEFAULT, "malloc"));
	ok(!real.sym(RTLD_DEFAULT, "nobody_has_this"));
	ok(real.vsym(RTLD_DEFAULT, "malloc", "GLIBC_2.2.5") || real.error());
}

void host_address(void)
{
	Dl_info i;

	ok(real.addr((void *)find_real, &i));
	ok(real.addr((void *)libc_symbol("qsort"), &i));
	puts(strrchr(i.dli_fname, '/'));
}

static int count(struct dl_phdr_info *i, size_t size, void *arg)
{
	++*(int *)arg;
	return 0;
}

void host_iterate(void)
{
	int n = 0, more = 0;

	ok(!real.iterate(count, &n) && n > 2);
	open_real("./libthird.so");
	ok(!real.iterate(count, &more));
	ok(more == n + 1);
}

/* libc's own list, from its own first entry: nobody is in it who should not be. */
void host_list(void)
{
	struct link_map *first = real.open(NULL, RTLD_NOW), *third = open_real("./libthird.so");
	int found = 0;

	for (struct link_map *l = first; l; l = l->l_next)
		found += l == third;
	ok(found == 1);
	ok(third->l_prev && third->l_prev->l_next == third);
	ok(!real.close(third));
}

/* The list that starts at our handle has both. */
void our_list(void)
{
	struct link_map *first = dlopen(NULL, RTLD_NOW), *third = open_real("./libthird.so");
	int found = 0, ours = 0;

	for (struct link_map *l = first; l; l = l->l_next) {
		found += l == third;
		ours += strstr(l->l_name, "libplugin.so") != NULL;
		ok(!l->l_next || l->l_next->l_prev == l);
	}
	ok(found == 1 && ours == 1);
	ok(!real.close(third));
}

void host_constructor_opens_ours(void)
{
	void *h = open_real("./libopener.so");

	ok(*(int *)real.sym(h, "opener_value") == 12);
	ok(!real.close(h));
}

/* SPDX-License-Identifier: MIT
 * What a program can ask about its libraries: dladdr, dlinfo, link maps.
 *
 * BUILD info:
 */
#include "shown.h"

/* --- dladdr --- */

int exported_here(void);
int exported_here(void)
{
	return 1;
}

#ifdef __GLIBC__
/* As debuggers' friends do it: the symbol, which the compiler has copied into the program. */
CASE(r_debug_of_the_program)
{
	void *h = shown();
	struct link_map *map = _r_debug.r_map;

	same(map->l_name, "");
	while (map && map != h)
		map = map->l_next;
	ok(map);
}
#endif

CASE(dladdr_of_the_program)
{
	Dl_info i;

	ok(dladdr((void *)exported_here, &i));
	same(i.dli_fname, twin_argv[0]);
	same(i.dli_sname, "exported_here");
	ok(i.dli_saddr == (void *)exported_here);
	ok(!memcmp(i.dli_fbase, "\177ELF", 4));
}

CASE(dladdr_of_libc)
{
	Dl_info i;

	ok(dladdr(dlsym(RTLD_DEFAULT, "qsort"), &i));
	same(base_name(i.dli_fname), "libc.so.6");
	same(i.dli_sname, "qsort");
	ok(!memcmp(i.dli_fbase, "\177ELF", 4));
}

CASE(dladdr_of_a_library)
{
	struct link_map *lm = shown();
	char *f = sym(lm, "shown_function");
	Dl_info i;

	for (int off = 0; off < 4; off++) {
		ok(dladdr(f + off, &i));
		same(i.dli_fname, "./libshown.so");
		same(i.dli_sname, "shown_function");
		ok(i.dli_saddr == f);
		ok(i.dli_fbase == (void *)lm->l_addr);
	}
	ok(dladdr((int *)sym(lm, "shown_data") + 3, &i));
	same(i.dli_sname, "shown_data");
	ok(dladdr((char *)sym(lm, "no_size"), &i));
	same(i.dli_sname, "no_size");
}

CASE(dladdr_without_a_symbol)
{
	struct link_map *lm = shown();
	void *f = ((void *(*)(void))sym(lm, "hidden_address"))(),
	     *d = ((void *(*)(void))sym(lm, "hidden_data_address"))();
	Dl_info i;

	ok(dladdr(f, &i));
	same(i.dli_fname, "./libshown.so");
	printf("%s\n", i.dli_sname ? i.dli_sname : "no name");
	ok(dladdr(d, &i));
	same(i.dli_fname, "./libshown.so");
	ok(dladdr((void *)lm->l_addr, &i));
	ok(!i.dli_sname && !i.dli_saddr);
	ok(i.dli_fbase == (void *)lm->l_addr);
}

/* The kernel's library has a name and no file. */
CASE(vdso_is_a_library)
{
	void *h = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD), *f;
	Dl_info i;

	ok(h);
	f = sym(h, "__vdso_gettimeofday");
	ok(dladdr(f, &i));
	same(i.dli_fname, "linux-vdso.so.1");
	ok(i.dli_saddr == f && i.dli_fbase <= f);
	shut(h);
	ok(dladdr(f, &i));
}

CASE(dladdr_of_nothing)
{
	struct link_map *lm = shown();
	int on_stack;
	void *on_heap = malloc(8);
	Dl_info i;

	eq(dladdr(NULL, &i), 0);
	eq(dladdr((void *)8, &i), 0);
	eq(dladdr((void *)-1, &i), 0);
	eq(dladdr(&on_stack, &i), 0);
	eq(dladdr(on_heap, &i), 0);
	eq(dladdr(((int *(*)(void))sym(lm, "shown_tls_address"))(), &i), 0);
	ok(!dlerror());
}

CASE(dladdr_after_dlclose)
{
	struct link_map *lm = shown();
	void *f = sym(lm, "shown_function");
	Dl_info i;

	shut(lm);
	eq(dladdr(f, &i), 0);
}

CASE(dladdr1_symbol)
{
	struct link_map *lm = shown();
	const ElfW(Sym) *s = NULL;
	Dl_info i;

	ok(dladdr1(sym(lm, "shown_data"), &i, (void **)&s, RTLD_DL_SYMENT));
	ok(s);
	eq(s->st_size, 16);
	eq(ELF64_ST_TYPE(s->st_info), STT_OBJECT);
	ok((char *)lm->l_addr + s->st_value == i.dli_saddr);
	ok(dladdr1((void *)lm->l_addr, &i, (void **)&s, RTLD_DL_SYMENT));
	ok(!s);
}

CASE(dladdr1_link_map)
{
	struct link_map *lm = shown(), *seen = NULL, *self = load(NULL, RTLD_NOW);
	Dl_info i;

	ok(dladdr1(sym(lm, "shown_function"), &i, (void **)&seen, RTLD_DL_LINKMAP));
	ok(seen == lm);
	ok(dladdr1((void *)exported_here, &i, (void **)&seen, RTLD_DL_LINKMAP));
	ok(seen == self);
}

/* --- dlinfo --- */

CASE(dlinfo_link_map)
{
	struct link_map *lm = shown(), *seen = NULL;

	eq(dlinfo(lm, RTLD_DI_LINKMAP, &seen), 0);
	ok(seen == lm);
	same(seen->l_name, "./libshown.so");
}

CASE(dlinfo_namespace)
{
	Lmid_t id = -5;

	eq(dlinfo(shown(), RTLD_DI_LMID, &id), 0);
	eq(id, LM_ID_BASE);
	eq(dlinfo(load(NULL, RTLD_NOW), RTLD_DI_LMID, &id), 0);
	eq(id, LM_ID_BASE);
}

CASE(dlinfo_origin)
{
	char origin[4096];

	eq(dlinfo(shown(), RTLD_DI_ORIGIN, origin), 0);
	same(origin, twin_here(".")); /* opened as ./libshown.so */
}

CASE(dlinfo_search_list)
{
	Dl_serinfo size, *list;

	eq(dlinfo(load(NULL, RTLD_NOW), RTLD_DI_SERINFOSIZE, &size), 0);
	ok(size.dls_cnt > 0 && size.dls_size > sizeof size);
	list = malloc(size.dls_size);
	memcpy(list, &size, sizeof size);
	eq(dlinfo(load(NULL, RTLD_NOW), RTLD_DI_SERINFO, list), 0);
	eq(list->dls_cnt, size.dls_cnt);
	for (unsigned i = 0; i < list->dls_cnt; i++)
		puts(list->dls_serpath[i].dls_name);
}

CASE(dlinfo_search_list_of_a_library)
{
	Dl_serinfo size, *list;
	void *h = load("./libshowndep.so", RTLD_NOW);

	eq(dlinfo(h, RTLD_DI_SERINFOSIZE, &size), 0);
	list = malloc(size.dls_size);
	memcpy(list, &size, sizeof size);
	eq(dlinfo(h, RTLD_DI_SERINFO, list), 0);
	ok(list->dls_cnt >= 2);
	same(list->dls_serpath[0].dls_name, twin_here(".")); /* its RUNPATH */
	for (unsigned i = 1; i < list->dls_cnt; i++)
		puts(list->dls_serpath[i].dls_name);
}

static void *tls_of(void *lm)
{
	void *block = NULL;
	int *p = ((int *(*)(void))sym(lm, "shown_tls_address"))();

	eq(dlinfo(lm, RTLD_DI_TLS_DATA, &block), 0);
	ok((char *)block <= (char *)p && (char *)p < (char *)block + 64);
	return NULL;
}

CASE(dlinfo_tls)
{
	size_t id = 0, other = 1;
	struct link_map *lm = shown();
	struct twin_worker *w = twin_worker();
	void *block = lm;

	eq(dlinfo(lm, RTLD_DI_TLS_MODID, &id), 0);
	ok(id > 1);
	eq(dlinfo(load("./libplain.so", RTLD_NOW), RTLD_DI_TLS_MODID, &other), 0);
	eq(other, 0);
	eq(dlinfo(load("./libplain.so", RTLD_NOW), RTLD_DI_TLS_DATA, &block), 0);
	ok(!block);
	tls_of(lm);
	twin_do(w, tls_of, lm);
}

#ifndef RTLD_DI_PHDR
#define RTLD_DI_PHDR 11
#endif

CASE(dlinfo_phdr)
{
	struct link_map *lm = shown();
	const ElfW(Phdr) *ph = NULL;
	int n = dlinfo(lm, RTLD_DI_PHDR, &ph);

	if (!TWIN_DLINFO_PHDR)
		return;
	ok(n > 3 && ph);
	ok((char *)ph == (char *)lm->l_addr + sizeof(ElfW(Ehdr)));
}

CASE(dlinfo_unknown_request)
{
	int unused;

	ok(dlinfo(shown(), 999, &unused) != 0);
	error_is("unsupported dlinfo request", NULL);
	ok(dlinfo(shown(), RTLD_DI_CONFIGADDR, &unused) != 0);
	error_is("unsupported dlinfo request", NULL);
}

/* --- link maps --- */

CASE(handle_is_a_link_map)
{
	struct link_map *lm = shown();
	const char *soname = NULL, *strings = NULL;

	same(lm->l_name, "./libshown.so");
	ok(!memcmp((void *)lm->l_addr, "\177ELF", 4));
	for (ElfW(Dyn) *d = lm->l_ld; d->d_tag; d++)
		if (d->d_tag == DT_STRTAB)
			strings = (char *)d->d_un.d_ptr +
				  (d->d_un.d_ptr < lm->l_addr ? lm->l_addr : 0);
	for (ElfW(Dyn) *d = lm->l_ld; d->d_tag; d++)
		if (d->d_tag == DT_SONAME)
			soname = strings + d->d_un.d_val;
	same(soname, "libshown.so");
}

CASE(link_map_chain)
{
	struct link_map *self = load(NULL, RTLD_NOW), *lm = shown();
	int found = 0, libc = 0;

	same(self->l_name, "");
	ok(!self->l_prev);
	for (struct link_map *l = self; l; l = l->l_next) {
		found += l == lm;
		libc += !strcmp(base_name(l->l_name), "libc.so.6");
		ok(!l->l_next || l->l_next->l_prev == l);
	}
	eq(found, 1);
	eq(libc, 1);
}

CASE(link_map_chain_after_dlclose)
{
	struct link_map *self = load(NULL, RTLD_NOW), *a = shown();

	load("./libplain.so", RTLD_NOW);
	shut(a);
	for (struct link_map *l = self; l; l = l->l_next)
		ok(strcmp(base_name(l->l_name), "libshown.so"));
}

CASE(name_is_the_path_as_given)
{
	const char *path = twin_here("libshown.so");
	struct link_map *lm = load(path, RTLD_NOW);

	same(lm->l_name, path);
}

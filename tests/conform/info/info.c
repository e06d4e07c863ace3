/* SPDX-License-Identifier: MIT
 * What a program can ask about itself: dladdr, dlinfo, dl_iterate_phdr, _dl_find_object, link maps, backtraces.
 *
 * BUILD info:
 */
#include "twin.h"
#include <execinfo.h>
#include <link.h>
#include <pthread.h>

static struct link_map *shown(void)
{
	return load("./libshown.so", RTLD_NOW);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* dladdr ------------------------------------------------------------------------------------------------------- */

int exported_here(void);
int exported_here(void)
{
	return 1;
}

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
	void *f = ((void *(*)(void))sym(lm, "hidden_address"))(), *d = ((void *(*)(void))sym(lm, "hidden_data_address"))();
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

/* dlinfo --------------------------------------------------------------------------------------------------------- */

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

/* dl_iterate_phdr --------------------------------------------------------------------------------------------------- */

struct walk {
	const char *name; /* wanted basename */
	int calls, found;
	unsigned long long adds, subs;
	ElfW(Addr) addr;
	size_t tls_modid;
	void *tls_data;
	bool steady, main_first;
};

static int note(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct walk *w = arg;

	ok(size >= sizeof *info);
	if (!w->calls++) {
		w->adds = info->dlpi_adds, w->subs = info->dlpi_subs;
		w->steady = true;
		w->main_first = !*info->dlpi_name;
	}
	if (w->adds != info->dlpi_adds || w->subs != info->dlpi_subs)
		w->steady = false;
	if (!strcmp(base_name(info->dlpi_name), w->name)) {
		w->found++;
		w->addr = info->dlpi_addr;
		w->tls_modid = info->dlpi_tls_modid, w->tls_data = info->dlpi_tls_data;
		ok(info->dlpi_phnum > 3 && info->dlpi_phdr);
		ok(info->dlpi_phdr[0].p_type == PT_LOAD || info->dlpi_phdr[0].p_type == PT_PHDR);
	}
	return 0;
}

static struct walk walk(const char *name)
{
	struct walk w = {.name = name};

	eq(dl_iterate_phdr(note, &w), 0);
	ok(w.steady);
	ok(w.main_first);
	return w;
}

CASE(iterate_lists_a_library_once)
{
	struct link_map *lm;
	struct walk before = walk("libshown.so"), w;

	eq(before.found, 0);
	lm = shown();
	w = walk("libshown.so");
	eq(w.found, 1);
	eq(w.calls, before.calls + 1);
	eq(w.addr, lm->l_addr);
	eq(walk("libc.so.6").found, 1);
	shut(lm);
	eq(walk("libshown.so").found, 0);
}

CASE(iterate_counts_loads_and_unloads)
{
	struct walk before = walk("libshown.so"), open, closed;
	void *h = load("./libshowndep.so", RTLD_NOW);

	open = walk("libshown.so");
	eq(open.adds, before.adds + 2);
	eq(open.subs, before.subs);
	shut(h);
	closed = walk("libshown.so");
	eq(closed.adds, before.adds + 2);
	eq(closed.subs, before.subs + 2);
	ok(!dlopen("./nosuch.so", RTLD_NOW));
	eq(walk("libshown.so").adds, closed.adds);
}

CASE(iterate_knows_thread_local_blocks)
{
	struct link_map *lm = shown();
	size_t id;
	int *p = ((int *(*)(void))sym(lm, "shown_tls_address"))();
	struct walk w = walk("libshown.so");

	eq(dlinfo(lm, RTLD_DI_TLS_MODID, &id), 0);
	eq(w.tls_modid, id);
	ok((char *)w.tls_data <= (char *)p && (char *)p < (char *)w.tls_data + 64);
}

static int stop_at_second(struct dl_phdr_info *info, size_t size, void *arg)
{
	return ++*(int *)arg == 2 ? 17 : 0;
}

CASE(iterate_stops_early)
{
	int calls = 0;

	eq(dl_iterate_phdr(stop_at_second, &calls), 17);
	eq(calls, 2);
}

static int stop_at_shown(struct dl_phdr_info *info, size_t size, void *arg)
{
	return !strcmp(base_name(info->dlpi_name), "libshown.so") ? -3 : 0;
}

CASE(iterate_stops_at_an_opened_library)
{
	shown();
	load("./libplain.so", RTLD_NOW);
	eq(dl_iterate_phdr(stop_at_shown, NULL), -3);
}

static int open_inside(struct dl_phdr_info *info, size_t size, void *arg)
{
	void **h = arg;

	if (!*h)
		*h = dlopen("./libshown.so", RTLD_NOW);
	return 0;
}

CASE(open_inside_a_walk)
{
	void *h = NULL;

	eq(dl_iterate_phdr(open_inside, &h), 0);
	ok(h);
	eq(call1(h, "shown_function", 2), 7);
	eq(walk("libshown.so").found, 1);
}

static int close_inside(struct dl_phdr_info *info, size_t size, void *arg)
{
	void **h = arg;

	if (*h && strcmp(base_name(info->dlpi_name), "libplain.so")) {
		shut(*h);
		*h = NULL;
		return 1;
	}
	return 0;
}

CASE(close_inside_a_walk)
{
	void *h = load("./libplain.so", RTLD_NOW);

	eq(dl_iterate_phdr(close_inside, &h), 1);
	if (TWIN_UNMAPPING_WAITS_FOR_READERS)
		shut(shown());
	eq(twin_mapped("/libplain.so"), 0);
}

static int walk_inside(struct dl_phdr_info *info, size_t size, void *arg)
{
	eq(walk("libshown.so").found, 1);
	ok(dladdr((void *)exported_here, &(Dl_info){0}));
	ok(dlsym(RTLD_DEFAULT, "malloc"));
	return 1;
}

CASE(walk_inside_a_walk)
{
	shown();
	eq(dl_iterate_phdr(walk_inside, NULL), 1);
}

/* _dl_find_object ---------------------------------------------------------------------------------------------------- */

CASE(find_object)
{
	struct link_map *lm = shown();
	char *f = sym(lm, "shown_function");
	struct dl_find_object o;

	eq(_dl_find_object(f, &o), 0);
	ok(o.dlfo_link_map == lm);
	ok(o.dlfo_map_start == (void *)lm->l_addr);
	ok((char *)o.dlfo_map_start <= f && f < (char *)o.dlfo_map_end);
	eq(*(char *)o.dlfo_eh_frame, 1); /* version of .eh_frame_hdr */
	eq(o.dlfo_flags, 0);
	eq(_dl_find_object((char *)o.dlfo_map_end - 1, &o), 0);
	eq(_dl_find_object((void *)exported_here, &o), 0);
	ok(o.dlfo_link_map == load(NULL, RTLD_NOW));
	eq(_dl_find_object(dlsym(RTLD_DEFAULT, "qsort"), &o), 0);
	same(base_name(o.dlfo_link_map->l_name), "libc.so.6");
}

CASE(find_object_of_nothing)
{
	struct link_map *lm = shown();
	void *f = sym(lm, "shown_function");
	struct dl_find_object o;
	int on_stack;

	eq(_dl_find_object(NULL, &o), -1);
	eq(_dl_find_object((void *)-1, &o), -1);
	eq(_dl_find_object(&on_stack, &o), -1);
	shut(lm);
	eq(_dl_find_object(f, &o), -1);
}

/* link maps ------------------------------------------------------------------------------------------------------------ */

CASE(handle_is_a_link_map)
{
	struct link_map *lm = shown();
	const char *soname = NULL, *strings = NULL;

	same(lm->l_name, "./libshown.so");
	ok(!memcmp((void *)lm->l_addr, "\177ELF", 4));
	for (ElfW(Dyn) *d = lm->l_ld; d->d_tag; d++)
		if (d->d_tag == DT_STRTAB)
			strings = (char *)d->d_un.d_ptr + (d->d_un.d_ptr < lm->l_addr ? lm->l_addr : 0);
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

/* backtraces ------------------------------------------------------------------------------------------------------------- */

static int frames(void *arg)
{
	return backtrace(arg, 32);
}

typedef int frame_fn(int (*)(void *), void *);

CASE(backtrace_through_a_library)
{
	frame_fn *through = (frame_fn *)sym(shown(), "shown_frame");
	void *pc[32], *direct[32];
	int n = through(frames, pc), m = frames(direct);
	Dl_info i;

	eq(n, m + 1);
	ok(dladdr(pc[1], &i));
	same(i.dli_sname, "shown_frame");
}

CASE(backtrace_symbols_names_the_library)
{
	void *pc[32];
	int n = ((frame_fn *)sym(shown(), "shown_frame"))(frames, pc);
	char **text = backtrace_symbols(pc, n), want[128], *offset;
	int found = 0;

	ok(text);
	for (int i = 0; i < n; i++)
		if (strstr(text[i], "libshown.so")) {
			offset = strstr(text[i], "+0x");
			ok(offset);
			snprintf(want, sizeof want, "./libshown.so(shown_frame+0x%lx) [%p]",
			         (long)((char *)pc[i] - (char *)sym(shown(), "shown_frame")), pc[i]);
			same(text[i], want);
			found++;
		} else {
			ok(*text[i]);
		}
	eq(found, 1);
	free(text);
}

CASE(backtrace_symbols_without_a_symbol)
{
	void *pc = (char *)((void *(*)(void))sym(shown(), "hidden_address"))() + 1;
	char **text = backtrace_symbols(&pc, 1);

	ok(text && strstr(text[0], "./libshown.so(+0x"));
	free(text);
}

CASE(backtrace_symbols_fd_names_the_library)
{
	void *pc[32];
	int n = ((frame_fn *)sym(shown(), "shown_frame"))(frames, pc), fds[2], len;
	char text[8192];

	eq(pipe(fds), 0);
	backtrace_symbols_fd(pc, n, fds[1]);
	close(fds[1]);
	len = read(fds[0], text, sizeof text - 1);
	ok(len > 0);
	text[len] = 0;
	ok(strstr(text, "./libshown.so(shown_frame+0x"));
	ok(strstr(text, "info("));
	int lines = 0;
	for (char *c = text; *c; c++)
		lines += *c == '\n';
	eq(lines, n);
}

/* SPDX-License-Identifier: MIT
 * What unwinders and profilers ask: dl_iterate_phdr, _dl_find_object, backtraces.
 *
 * BUILD walk:
 */
#include "shown.h"
#include <execinfo.h>

int exported_here(void);
int exported_here(void)
{
	return 1;
}

/* --- dl_iterate_phdr --- */

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

/* --- _dl_find_object --- */

CASE(find_object)
{
	struct link_map *lm = shown();
	char *f = sym(lm, "shown_function");
	struct dl_find_object o;

	if (!TWIN_FINDS_OBJECTS)
		return;
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

	if (!TWIN_FINDS_OBJECTS)
		return;
	eq(_dl_find_object(NULL, &o), -1);
	eq(_dl_find_object((void *)-1, &o), -1);
	eq(_dl_find_object(&on_stack, &o), -1);
	shut(lm);
	eq(_dl_find_object(f, &o), -1);
}

/* --- backtraces --- */

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
				 (long)((char *)pc[i] - (char *)sym(shown(), "shown_frame")),
				 pc[i]);
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
	ok(strstr(text, "walk("));
	int lines = 0;
	for (char *c = text; *c; c++)
		lines += *c == '\n';
	eq(lines, n);
}

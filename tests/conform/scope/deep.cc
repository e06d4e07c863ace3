/* SPDX-License-Identifier: MIT
 * RTLD_DEEPBIND: the library's own symbols come first, but the process has one allocator, and a sanitizer sees all.
 *
 * BUILD deep: -fno-builtin
 * BUILD deep-replaced: -fno-builtin -DREPLACED
 */
#include <cstdlib>
#include <malloc.h>
#include <new>

#include "twin.h"

#define ADDRESS(f) reinterpret_cast<void *>(f)

static const char *const family[] = {"malloc",	       "free",	   "calloc",	     "realloc",
				     "memalign",       "valloc",   "pvalloc",	     "posix_memalign",
				     "aligned_alloc",  "malloc_usable_size", "_Znwm", "_ZdlPv"};

static void *bound(void *h, const char *name)
{
	void *p = ((void *(*)(const char *))sym(h, "bound"))(name);

	if (!p)
		fail("%s is bound to nothing", name);
	return p;
}

/* Whom an address belongs to: the last part of its path. */
static const char *owner(void *p)
{
	const char *slash;
	Dl_info i;

	ok(dladdr(p, &i));
	slash = strrchr(i.dli_fname, '/');
	return slash ? slash + 1 : i.dli_fname;
}

#ifdef REPLACED
/* The program is its own allocator. */
static int calls;
static char memory[1 << 22];
static size_t used;

extern "C" {
size_t malloc_usable_size(void *p) noexcept
{
	return p ? reinterpret_cast<size_t *>(p)[-2] : 0;
}

void *memalign(size_t align, size_t n) noexcept
{
	size_t start = (used + 16 + align + 15) & -(align < 16 ? 16 : align);

	calls++;
	used = start + n;
	if (used > sizeof memory)
		abort();
	reinterpret_cast<size_t *>(memory + start)[-2] = n;
	return memory + start;
}

void *malloc(size_t n) noexcept
{
	return memalign(16, n);
}

void free(void *p) noexcept
{
	if (p && (p < memory || p >= memory + sizeof memory))
		abort(); /* not from here */
}

void *calloc(size_t n, size_t size) noexcept
{
	return malloc(n * size); /* never reused: zero */
}

void *realloc(void *old, size_t n) noexcept
{
	size_t had = malloc_usable_size(old);
	void *p = malloc(n);

	return old ? memcpy(p, old, n < had ? n : had) : p;
}

void *valloc(size_t n) noexcept
{
	return memalign(4096, n);
}

void *pvalloc(size_t n) noexcept
{
	return memalign(4096, n);
}

void *aligned_alloc(size_t align, size_t n) noexcept
{
	return memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n) noexcept
{
	*p = memalign(align, n);
	return 0;
}

gid_t getgid() noexcept
{
	return 54321;
}
}

void *operator new(size_t n)
{
	calls++;
	return malloc(n);
}

void operator delete(void *p) noexcept
{
	free(p);
}

void operator delete(void *p, size_t) noexcept
{
	free(p);
}

CASE(allocator_of_the_program)
{
	static const char *const libraries[] = {"./libdeep.so", "./libdeep-lazy.so"};

	for (int i = 0; i < 2; i++) {
		void *h = load(libraries[i], RTLD_LAZY | RTLD_DEEPBIND);

		for (auto name : family) {
			bool ours = !strcmp(owner(bound(h, name)), "deep-replaced");

			if (ours != TWIN_DEEPBIND_KEEPS_MALLOC)
				fail("%s is that of %s", name, owner(bound(h, name)));
		}
		eq(call1(h, "allocates", 1000), 3);
	}
}

CASE(allocations_are_the_programs)
{
	void *h = load("./libdeep-lazy.so", RTLD_LAZY | RTLD_DEEPBIND);
	int (*allocates)(int) = (int (*)(int))sym(h, "allocates"), before;

	eq(allocates(100), 3); /* binds */
	before = calls;
	eq(allocates(100), 3);
	/* malloc, and new that calls it; with the host only the malloc of libstdc++'s new */
	eq(calls - before, TWIN_DEEPBIND_KEEPS_MALLOC ? 3 : 1);
}

CASE(lookup_agrees_with_reference)
{
	void *h = load("./libdeep.so", RTLD_NOW | RTLD_DEEPBIND);

	for (auto name : family)
		ok(((void *(*)(const char *))sym(h, "looked_up"))(name) == bound(h, name));
}

/* The library's own allocator does not get its way: what it frees may come from the program. */
CASE(allocator_of_its_own)
{
	void *h = load("./libdeep-own.so", RTLD_NOW | RTLD_DEEPBIND);

	same(owner(bound(h, "malloc")),
	     TWIN_DEEPBIND_KEEPS_MALLOC ? "deep-replaced" : "libdeep-own.so");
	same(owner(bound(h, "_Znwm")), TWIN_DEEPBIND_KEEPS_MALLOC ? "deep-replaced" : "libdeep-own.so");
}

/* Everything else that the program has by the same name stays the program's. */
CASE(other_functions_are_not_the_programs)
{
	void *h = load("./libdeep.so", RTLD_NOW | RTLD_DEEPBIND);

	ok(bound(h, "getgid") != ADDRESS(getgid));
	same(owner(bound(h, "getgid")), "libc.so.6");
	same(owner(bound(load("./libdeep-lazy.so", RTLD_NOW), "getgid")), "deep-replaced");
}
#else
CASE(libcs_allocator)
{
	void *h = load("./libdeep.so", RTLD_NOW | RTLD_DEEPBIND);

	for (auto name : family)
		if (*name != '_')
			same(owner(bound(h, name)), "libc.so.6");
	same(owner(bound(h, "_Znwm")), "libstdc++.so.6");
	same(owner(bound(h, "_ZdlPv")), "libstdc++.so.6");
	eq(call1(h, "allocates", 1000), 3);
}

/* Nobody else has replaced libc's and libstdc++'s: own symbols come first, these too. */
CASE(allocator_of_its_own)
{
	void *h = load("./libdeep-own.so", RTLD_NOW | RTLD_DEEPBIND);

	same(owner(bound(h, "malloc")), "libdeep-own.so");
	same(owner(bound(h, "free")), "libdeep-own.so");
	same(owner(bound(h, "_Znwm")), "libdeep-own.so");
	same(owner(bound(h, "calloc")), "libc.so.6");
}

/* Behind libc in the global scope it replaces nothing, for nobody. */
CASE(allocator_opened_globally)
{
	void *h;

	load("./liballocator.so", RTLD_NOW | RTLD_GLOBAL);
	h = load("./libdeep.so", RTLD_NOW | RTLD_DEEPBIND);
	same(owner(bound(h, "malloc")), "libc.so.6");
	same(owner(bound(load("./libdeep-lazy.so", RTLD_NOW), "malloc")), "libc.so.6");
}

CASE(interceptors_of_a_sanitizer)
{
	const char *sees = TWIN_DEEPBIND_KEEPS_MALLOC ? "libinterceptor.so" : "libc.so.6";
	struct twin_run r;
	const char *preload[] = {NULL, NULL};
	char text[8192];

	snprintf(text, sizeof text, "LD_PRELOAD=%s %s", getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "",
		 twin_here("libinterceptor.so"));
	preload[0] = text;
	r = twin_run("intercepted", preload);
	same(r.err, "");
	eq(r.code, 0);
	snprintf(text, sizeof text, "getppid of %s\ngetuid of libc.so.6\n", sees);
	same(r.out, text);
}

PART(intercepted)
{
	void *h = load("./libdeep.so", RTLD_NOW | RTLD_DEEPBIND);

	same(owner(dlsym(RTLD_DEFAULT, "getuid")), "libinterceptor.so");
	printf("getppid of %s\n", owner(bound(h, "getppid")));
	printf("getuid of %s\n", owner(bound(h, "getuid")));
}
#endif

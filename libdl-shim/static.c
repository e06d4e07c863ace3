/* SPDX-License-Identifier: MIT */
/*
 * static: see static.h.  In libdlrs.a only.
 *
 * The list is dlrs.map's.  Each name must lead to our function also where the program has one of that name
 * from libc.  Three of them are called otherwise here, so that they do not collide with libc's: in
 * Makefile.am and in dliterate.c.
 *
 * Called by door.c at boot.  Must never be linked into libdlrs.so.
 */
#include "static.h"

#include "door.h"

#include "../loader/lock.h"
#include "../loader/provide.h"
#include "../loader/registry.h"
#include "../loader/scope.h"

/* Only their addresses count here. */
#define EACH(X)                                                                                    \
	X(dlopen) X(dlmopen) X(dlsym) X(dlvsym) X(dlclose) X(dlerror) X(dladdr) X(dladdr1) X(dlinfo)      \
	X(dl_iterate_phdr) X(pthread_create) X(thrd_create)                     \
	X(backtrace_symbols) X(backtrace_symbols_fd) X(dlrs_version) X(dlrs_provide)

#define DECLARE(name) extern const char static_##name[] __asm__(#name);
EACH(DECLARE)
extern const char static_find_object[] __asm__("dlrs_find_object");
extern const char static_tls_get_addr[] __asm__("dlrs_tls_get_addr");
extern const char static_thread_atexit[] __asm__("dlrs_thread_atexit");

bool static_hand_over(void)
{
#define ENTRY(name) {#name, static_##name},
	static const struct dlrs_symbol own[] = {
		EACH(ENTRY){"_dl_find_object", static_find_object},
		{"__tls_get_addr", static_tls_get_addr},
		{"__cxa_thread_atexit_impl", static_thread_atexit},
	};
	struct diag d;

	diag_clear(&d);
	lock_enter();
	if (scope_self == registry.program)
		scope_self = provide_symbols(own, sizeof own / sizeof own[0], &d);
	lock_leave();
	return scope_self;
}

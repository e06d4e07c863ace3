/* SPDX-License-Identifier: MIT */
/*
 * notify: libdlrs-notify.so, all of it.
 *
 * loader/debugger.c has libc open this library when a debugger waits for changes, look its one symbol up
 * and close it again.  The symbol is an indirect function: libc's dlsym runs its resolver each time, under
 * libc's loader lock, where libdlrs may say what has changed.  (A constructor would run the first time
 * only, when two threads have the library open at once.)  The reference is weak, so that the library opens
 * (and does nothing) wherever libdlrs is not to be found by name.
 *
 * Must never contain anything else.
 */
void dlrs_debugger_event(void) __attribute__((weak));
void dlrs_notify(void);

static void nothing(void)
{
}

__attribute__((used)) static void (*event(void))(void)
{
	if (dlrs_debugger_event)
		dlrs_debugger_event();
	return nothing;
}

void dlrs_notify(void) __attribute__((ifunc("event")));

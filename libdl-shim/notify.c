/* SPDX-License-Identifier: MIT */
/*
 * notify: libdlrs-notify.so, all of it.
 *
 * loader/debugger.c has libc open and close this library when a debugger waits for changes: the
 * constructor is called under libc's loader lock, where libdlrs may say what has changed.  The reference
 * is weak, so that the library opens (and does nothing) wherever libdlrs is not to be found by name.
 *
 * Must never contain anything else.
 */
void dlrs_debugger_event(void) __attribute__((weak));

__attribute__((constructor)) static void event(void)
{
	if (dlrs_debugger_event)
		dlrs_debugger_event();
}

/* SPDX-License-Identifier: MIT */
/*
 * dlerror: this thread's last failure, once.
 *
 * As glibc has it: the first call after a failure returns its text, the next one NULL; a call that
 * succeeds forgets the failure; the text stays until the thread's next failure.
 */
#include "door.h"

DOOR char *dlerror(void);

static char unknown_host[] = "libdlrs: this C library is not one that libdlrs knows";

char *dlerror(void)
{
	return door_ready() ? (char *)(uintptr_t)door_error_text() : unknown_host;
}

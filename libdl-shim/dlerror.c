/* SPDX-License-Identifier: MIT */
/*
 * dlerror: this thread's last failure, once.
 *
 * As glibc has it: the first call after a failure returns its text, the next one NULL; a call that
 * succeeds forgets the failure; the text stays until the thread's next failure.
 */
#include "door.h"

#include "../loader/tls.h"

DOOR char *dlerror(void);

static char unknown_host[] = "libdlrs: this C library is not one that libdlrs knows";

char *dlerror(void)
{
	struct thread *t;

	if (!door_ready())
		return unknown_host;
	t = tls_thread();
	if (!t || !t->error_new)
		return NULL;
	t->error_new = false;
	return t->error;
}

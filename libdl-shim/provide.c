/* SPDX-License-Identifier: MIT */
/*
 * dlrs_provide: symbols from the program, for libraries to come.
 *
 * Called by constructors, usually, and so perhaps before our own.
 */
#include "door.h"

#include "../include/dlrs.h"
#include "../loader/provide.h"

DOOR int dlrs_provide(const struct dlrs_symbol *symbols, size_t n)
{
	struct diag d;
	bool ok;

	diag_clear(&d);
	if (!door_ready())
		return -1;
	door_enter();
	ok = provide_symbols(symbols, n, &d);
	door_leave();
	if (ok)
		return 0;
	door_error(&d);
	return -1;
}

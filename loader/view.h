/* SPDX-License-Identifier: MIT */
/*
 * view: for the extension of gdb (gdb/libdlrs-gdb.py): where in memory the registry is and what it looks
 * like, also when libdlrs is stripped and when all there is is a core.
 */
#ifndef LOADER_VIEW_H
#define LOADER_VIEW_H

/* Notes what is known at run time only.  Any time after boot; NEEDS_LOCK. */
void view_start(void);

#endif

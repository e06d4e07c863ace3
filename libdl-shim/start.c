/* SPDX-License-Identifier: MIT */
/*
 * start: the library's first and last moments, and its version.
 *
 * Our constructor runs before all others (-z initfirst on glibc, musl constructs preloads first), but
 * after IFUNC resolvers and whatever libc's loader calls of the program's malloc.  Here libc may be
 * called: it learns of our fork handlers and of the key that ends a thread.
 *
 * Our destructor runs among the start-up libraries', right after the program's own.
 */
#include "door.h"

#include "../compat/host.h"
#include "../include/dlrs.h"
#include "../loader/debugger.h"
#include "../loader/epoch.h"
#include "../loader/exit.h"
#include "../loader/init.h"
#include "../loader/keep.h"
#include "../loader/lock.h"
#include "../loader/stat.h"
#include "../loader/tls.h"

#define TEXT(x) #x
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

DOOR const char *dlrs_version(void)
{
	return VERSION(DLRS_VERSION_MAJOR, DLRS_VERSION_MINOR, DLRS_VERSION_PATCH);
}

/* For libdlrs-notify.so only. */
DOOR void dlrs_debugger_event(void);

void dlrs_debugger_event(void)
{
	if (door_ready())
		debugger_event();
}

/* debugger.c's; the small lock's, under which no signal comes */
static HOST_EARLY bool forking_in_turn;

/* The loader lock comes before the small lock of tls.c. */
static void before_fork(void)
{
	bool mine = debugger_fork_prepare();

	door_settle();
	lock_fork_prepare();
	tls_fork_prepare();
	forking_in_turn = mine;
}

static void in_parent(void)
{
	bool mine = forking_in_turn;

	tls_fork_parent();
	lock_fork_parent();
	debugger_fork_parent(mine);
}

static void in_child(void)
{
	host_fork_child();
	epoch_fork_child(tls_reader());
	debugger_fork_child();
	if (!door_waits()) {
		init_fork_child();
		keep_fork_child();
	}
	tls_fork_child();
	lock_fork_child();
}

__attribute__((constructor)) static void start(void)
{
	if (door_begin()) {
		host_atfork(before_fork, in_parent, in_child);
		host_seal();
	}
}

__attribute__((destructor)) static void finish(void)
{
	if (door_waits() || !door_ready())
		return;
	exit_run();
	door_enter();
	stat_print();
	door_leave();
}

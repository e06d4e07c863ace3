/* SPDX-License-Identifier: MIT
 * The end of the process with libraries still open: what runs, and in which order.
 *
 * BUILD exit: libstartA.so @origin
 * BUILD early: -DEARLY libframework.so @origin
 */
#include "twin.h"
#include <pthread.h>

/* Runs `part`, wants its exit code and the words it prints. */
static void ends(const char *part, int code, const char *want)
{
	struct twin_run r = twin_run(part, NULL);

	for (char *c = r.out; *c; c++)
		if (*c == '\n')
			*c = c[1] ? ' ' : 0;
	eq(r.code, code);
	same(r.out, want);
}

#ifdef EARLY
/* A startup library opens a plugin in its own constructor, before main. */
__attribute__((destructor)) static void program_end(void)
{
	trace("-main");
}

PART(nothing)
{
	puts(twin_trace);
	fflush(stdout);
	trace_now();
}

CASE(opened_before_main)
{
	traced("+framework +plug2 opened");
	ends("nothing", 0,
	     "+framework +plug2 opened -main -framework atexit:framework -plug2 atexit:plug2");
}
#else
/* The program and its startup libraries in dependency order. Their constructors ran before libc registered the
 * loader's finaliser, so their atexit handlers run with their destructors. */
#define END_OF_PROGRAM "-main -startA atexit:startA -startB atexit:startB"

__attribute__((destructor)) static void program_end(void)
{
	trace("-main");
}

static void before(void)
{
	trace("atexit:before");
}

static void after(void)
{
	trace("atexit:after");
}

PART(mixed)
{
	trace_now();
	atexit(before);
	load("./libplug1.so", RTLD_NOW);
	load("./libplug2.so", RTLD_NOW);
	load("./libplug3.so", RTLD_NOW);
	atexit(after);
}

CASE(mixed_order)
{
	traced("+startB +startA");
	ends("mixed", 0,
	     "+plugDep +plug1 +plug2 +plug3 atexit:after atexit:plug3 atexit:plug2 atexit:plug1 "
	     "atexit:plugDep "
	     "atexit:before -main -startA atexit:startA -plug1 -plugDep -plug2 -plug3 -startB "
	     "atexit:startB");
}

PART(closed_ones_are_done)
{
	trace_now();
	shut(load("./libplug1.so", RTLD_NOW));
	load("./libplug2.so", RTLD_NOW);
}

CASE(closed_libraries_do_not_run_again)
{
	ends("closed_ones_are_done", 0,
	     "+plugDep +plug1 -plug1 atexit:plug1 -plugDep atexit:plugDep +plug2 "
	     "atexit:plug2 " END_OF_PROGRAM " -plug2");
}

PART(exit_code)
{
	load("./libplug2.so", RTLD_NOW);
	trace_now();
	exit(9);
}

CASE(exit_by_call)
{
	ends("exit_code", 9, "atexit:plug2 " END_OF_PROGRAM " -plug2");
}

static void *exit_there(void *unused)
{
	exit(8);
}

PART(exit_in_thread)
{
	pthread_t t;

	load("./libplug2.so", RTLD_NOW);
	trace_now();
	pthread_create(&t, NULL, exit_there, NULL);
	pthread_join(t, NULL);
}

CASE(exit_from_another_thread)
{
	ends("exit_in_thread", 8, "atexit:plug2 " END_OF_PROGRAM " -plug2");
}

PART(exit_in_constructor)
{
	trace_now();
	load("./libexits.so", RTLD_NOW);
}

CASE(exit_from_a_constructor)
{
	struct twin_run r = twin_run("exit_in_constructor", NULL);

	eq(r.code, 3);
	fputs(r.out, stdout);
}

PART(underscore_exit)
{
	load("./libplug2.so", RTLD_NOW);
	trace_now();
	_exit(7);
}

CASE(_exit_runs_nothing)
{
	ends("underscore_exit", 7, "");
}

PART(quick)
{
	void *h = load("./libregister.so", RTLD_NOW);

	trace_now();
	call(h, "register_quick");
	call(h, "register_exit");
	quick_exit(6);
}

CASE(quick_exit_runs_its_own_list)
{
	ends("quick", 6, "quick");
}

PART(tls_at_exit)
{
	void *h = load("./libregister.so", RTLD_NOW);

	trace_now();
	call(h, "register_exit");
	call(h, "register_tls");
}

CASE(thread_local_objects_first)
{
	ends("tls_at_exit", 0, "tls atexit " END_OF_PROGRAM " fini");
}

PART(global_at_exit)
{
	load("./libplug1.so", RTLD_NOW | RTLD_GLOBAL);
	load("./libplug2.so", RTLD_LAZY | RTLD_NODELETE);
	trace_now();
}

CASE(flags_do_not_change_the_order)
{
	ends("global_at_exit", 0,
	     "atexit:plug2 atexit:plug1 atexit:plugDep " END_OF_PROGRAM " -plug1 -plugDep -plug2");
}

static void open_late(void)
{
	trace(dlopen("./libplug2.so", RTLD_NOW) ? "late" : "failed");
}

PART(open_in_atexit)
{
	trace_now();
	atexit(open_late);
}

CASE(opened_in_an_exit_handler)
{
	ends("open_in_atexit", 0, "+plug2 late atexit:plug2 " END_OF_PROGRAM " -plug2");
}

PART(chain_at_exit)
{
	load("./libopens.so", RTLD_NOW);
	load("./libclosesatend.so", RTLD_NOW);
	load("./libthrows.so", RTLD_NOW);
	load("./libthread.so", RTLD_NOW);
	trace_now();
}

PART(close_at_exit)
{
	load("./libcloser.so", RTLD_NOW);
	load("./libplug2.so", RTLD_NOW);
	trace_now();
}

/* It is only counted down: its destructors have their turn anyway, and those after it are still to be called. */
CASE(closed_by_a_destructor_at_exit)
{
	ends("close_at_exit", 0,
	     "atexit:plug2 atexit:plug3 atexit:closer -main -startA atexit:startA closed -closer -plug3 "
	     "-startB atexit:startB -plug2");
}

CASE(destructors_that_work_at_exit)
{
	struct twin_run r = twin_run("chain_at_exit", NULL);

	eq(r.code, 0);
	fputs(r.out, stdout);
}
#endif

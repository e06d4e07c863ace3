/* SPDX-License-Identifier: MIT */
/*
 * once: host_boot(), and what it fills.
 *
 * Called by every door, in any thread, inside a malloc or somebody's constructor; the work is host_find()'s
 * (boot.c, or static.c in a static program), done by one thread while the others wait.
 *
 * Must never wait for a thread that is not there: a forked child may inherit the work half done.
 */
#include "host.h"
#include "peek.h"

#include <linux/mman.h>

struct host host = {.style = &host_style_glibc};
struct host_found host_found;

/* --- read-only -------------------------------------------------------------------------------------- */

static HOST_EARLY bool sealing; /* written once, by our constructor */

void host_seal_block(void *at, size_t len)
{
	if (sealing)
		host_mem->protect(at, len, PROT_READ);
}

void host_unseal_block(void *at, size_t len)
{
	if (sealing)
		host_mem->protect(at, len, PROT_READ | PROT_WRITE);
}

void host_seal(void)
{
	sealing = host.page <= HOST_SEALED;
	host_seal_block(&host, sizeof host);
	host_seal_block(&host_found, sizeof host_found);
	host_seal_paths();
}

/* --- once ------------------------------------------------------------------------------------------ */

/* 0, or the tid of the thread that boots, or one of the ends. */
enum { BOOT_NONE = 0, BOOT_FAILED = -1, BOOT_DONE = -2 };

bool host_boot(void)
{
	static HOST_EARLY int state;
	int now = __atomic_load_n(&state, __ATOMIC_ACQUIRE), me;

	if (__builtin_expect(now == BOOT_DONE, 1))
		return true;
	/* Before we are relocated: say no, but do not remember it. */
	if (now == BOOT_FAILED || !host_find_possible())
		return false;
	me = host_tid();
	for (;;) {
		if (now == BOOT_DONE || now == BOOT_FAILED)
			return now == BOOT_DONE;
		if (now == me)
			return false;
		if (now != BOOT_NONE && !host_thread_gone(host_pid(), now)) {
			host_yield();
			now = __atomic_load_n(&state, __ATOMIC_ACQUIRE);
			continue;
		}
		if (__atomic_compare_exchange_n(&state, &now, me, false, __ATOMIC_ACQUIRE,
						__ATOMIC_ACQUIRE))
			break;
	}
	host = (struct host){.style = &host_style_glibc};
	host_found = (struct host_found){0};
	now = host_find() ? BOOT_DONE : BOOT_FAILED;
	__atomic_store_n(&state, now, __ATOMIC_RELEASE);
	return now == BOOT_DONE;
}

/* SPDX-License-Identifier: MIT */
/*
 * tlslock: the small lock of the tls rooms.  Below the loader lock; signals masked; nothing foreign under it.
 */
#ifndef LOADER_TLSLOCK_H
#define LOADER_TLSLOCK_H

#include <stdint.h>

uint64_t tlslock_enter(void); /* returns the signal mask for tlslock_leave */
void tlslock_leave(uint64_t mask);

void tlslock_begin(int pid);   /* as lock_begin */
void tlslock_inherit(int pid); /* in a forked child, whose parent had it for that */

#endif

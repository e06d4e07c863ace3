/* SPDX-License-Identifier: MIT */
/*
 * door: how every exported function comes in and goes out.
 *
 * The only code that takes the loader lock.  A door captures its caller, enters, makes one core call,
 * leaves, and turns a diag into dlerror's text.  No ELF knowledge.
 */
#ifndef LIBDL_SHIM_DOOR_H
#define LIBDL_SHIM_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "../loader/diag.h"
#include "../loader/image.h"

#define DOOR __attribute__((visibility("default")))

/* The true return address of an exported function. */
#define door_caller() ((uintptr_t)__builtin_return_address(0))

/* Boot on first use; one atomic load from then on.  False: the host is not one we know.  UNLOCKED. */
bool door_ready(void);

/*
 * For our constructor: finds libc.  The rest waits for door_ready, to which most programs never come, if libc
 * will be able to tell whether there were threads meanwhile.
 */
bool door_begin(void);

/* So far nobody has asked: there are libc's images alone, and libc can answer for them. */
bool door_waits(void);

/* Before a fork: lets a boot in another thread end, for some time; a child could not finish it. */
void door_settle(void);

/* door_ready, and keep up with what libc loaded by itself since the last time.  UNLOCKED. */
bool door_sync(void);

void door_enter(void); /* the lock */
void door_leave(void);

/* The image that the return address lies in; the program when nobody's.  Inside the lock or an epoch. */
struct image *door_image(uintptr_t caller);

/* The same, but the program where libc does not care who asks: in the base namespace, that is. */
struct image *door_asker(uintptr_t caller);

/* Leaves the message for dlerror in this thread, or forgets the last one. */
void door_error(const struct diag *d);
void door_no_error(void);

/*
 * "undefined symbol", as dlsym's most frequent answer: the words are made when dlerror asks for them, if it
 * ever does.  len: of the name; version: NULL when none was asked for.
 */
void door_missing(const struct image *from, const char *name, size_t len, const char *version);
const char *door_error_text(void); /* of this thread's last failure, once; NULL */
/* The diag says so; returns false. */
bool door_bad_handle(const void *handle, struct diag *d);

#endif

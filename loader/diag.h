/* SPDX-License-Identifier: MIT */
/*
 * diag: what went wrong, in words; and the trace channels of DLRS_DEBUG.
 *
 * A struct diag lives on the door's stack and is passed down.  Functions that can fail return bool and
 * leave one message here; the first failure wins, outer stages only append context.  No allocation.
 */
#ifndef LOADER_DIAG_H
#define LOADER_DIAG_H

#include <stdbool.h>
#include <stddef.h>

#include "../compat/host.h"

enum diag_kind {
	DIAG_NONE,
	DIAG_NOT_FOUND,	  /* a file or dependency is missing */
	DIAG_IO,	  /* the system refused: open, read, mmap */
	DIAG_BAD_FILE,	  /* not an object we can load: the search may go on (wrong class or machine) */
	DIAG_BAD_ELF,	  /* a damaged object: the load fails */
	DIAG_NO_SYMBOL,
	DIAG_NO_VERSION,
	DIAG_NO_MEMORY,
	DIAG_TLS,
	DIAG_REFUSED,	  /* legal, but not here: executables, exec stack, NOOPEN */
	DIAG_USAGE,	  /* bad flags, bad handle */
};

struct diag {
	enum diag_kind kind;
	bool said;	  /* in libc's words already */
	const char *word; /* of a file that did not open: the system's; else NULL */
	int err;	  /* the errno whose word the message has; 0: none */
	size_t len;
	char text[2048];
};

/* Both return false, so that a check can end with `return diag_set(...)`. */
bool diag_set(struct diag *d, enum diag_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool diag_add(struct diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool diag_no_memory(struct diag *d, const char *object);

/* How a diag begins, too: to zero all of its text costs more than most lookups. */
static inline void diag_clear(struct diag *d)
{
	d->kind = DIAG_NONE;
	d->said = false;
	d->word = NULL;
	d->err = 0;
	d->len = 0;
	d->text[0] = '\0';
}

/* In libc's own words, with $1 and $2 filled in; they are cut before they fill the message. */
bool diag_say(struct diag *d, enum diag_kind kind, enum host_sentence what, const char *a, const char *b);

/* The load of this name failed: libc's words for that, around a message that is in ours.  NEEDS_LOCK. */
bool diag_frame(struct diag *d, const char *name);

/* Channels of DLRS_DEBUG, a comma-separated list of their names; "all". */
enum trace {
	TRACE_FIND = 1,
	TRACE_MAP = 2,
	TRACE_RELOC = 4,
	TRACE_BIND = 8,
	TRACE_INIT = 16,
	TRACE_TLS = 32,
	TRACE_CLOSE = 64,
	TRACE_HOST = 128,
	TRACE_STATISTICS = 256,
	TRACE_GDB = 512,     /* and debuggers are told of every change, seen or not */
	TRACE_NO_GDB = 1024, /* no trace: debuggers are not shown anything */
};

extern unsigned diag_channels; /* constant after boot */

void diag_trace_start(const char *channels, const char *output_prefix);
void diag_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define diag_on(channel) __builtin_expect(diag_channels & (channel), 0)
#define diag_trace(channel, ...)                                                                   \
	do {                                                                                       \
		if (diag_on(channel))                                                              \
			diag_print(__VA_ARGS__);                                                   \
	} while (0)

#endif

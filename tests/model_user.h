/* SPDX-License-Identifier: MIT */
/*
 * model_user: an image with references of all kinds, and one that has what they refer to, for the tests
 * of relocation on the made-up CPU.
 *
 * A test calls definer("def.so"), takes a user(), adds relocations with rel() and its like, and loads it
 * with finish_user().  Both then see each other through one list.
 */
#ifndef TESTS_MODEL_USER_H
#define TESTS_MODEL_USER_H

#include "kit.h"

/* Thread-locals: made up too. */
enum { USER_TPOFF = 0x1230, DEF_TPOFF = 0x4560, USER_ID = 4099, DEF_ID = 5000 };

/* In the definer. */
enum { DATA_VA = KIT_DATA + 0x10, FUNC_VA = KIT_TEXT + 0x40, IFUNC_VA = KIT_TEXT + 0x80, TLS_OFF = 0x18 };

extern _Atomic(struct scope_list *) everything; /* the one list of all chains */

struct image *definer(const char *name);

struct user {
	struct elfgen *e;
	/* Undefined ones, */
	unsigned data, func, abs, big, ifunc, tls, weak, weak_tls, missing;
	/* and its own: "shared" also defined by the definer, "data" protected and "data" local. */
	unsigned shared, protect, local, own_tls;
	uint64_t place; /* 64 words of DATA, behind them 24 bytes of bss */
	struct image *im;
};

struct user user(void);
void finish_user(struct user *u);
uintptr_t user_word(const struct user *u, unsigned i);
void rel(struct user *u, unsigned at, uint32_t type, unsigned sym, int64_t addend); /* of word `at` */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * fuzz: what the fuzz targets share.
 *
 * A target is one fuzz_<name>.c with LLVMFuzzerTestOneInput: it takes any bytes, lets the loader work on
 * them, and aborts (FUZZ_CHECK) when a promise of the loader is broken.  With `configure
 * --enable-fuzzing` libFuzzer drives it; otherwise replay.c does, over the corpus, in `make check`.
 *
 * All targets run the rooms as compiled for the made-up CPU of arch/model, so that no byte of an input is
 * ever executed.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Finds the host, puts memhost's tables in.  Called by every target; idempotent. */
void fuzz_start(void);

/* A message that was set has words and a terminator; none was set: no words. */
struct diag;
void fuzz_check_diag(const struct diag *d, bool ok);

/*
 * Under AddressSanitizer the bytes of an image that belong to none of its segments become poison:
 * page tails, whose reads no page protection catches.
 */
struct map;
void fuzz_poison(const struct map *m);

/* Asks an image's tables for everything. */
struct image;
void fuzz_look_up(const struct image *im);

/* The address a resolver would be called at must be code of this image; NULL: anything goes. */
extern const struct image *fuzz_resolving;

#endif

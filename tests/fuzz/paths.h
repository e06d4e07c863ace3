/* SPDX-License-Identifier: MIT */
/*
 * paths: what host_paths() answers in the targets that link with --wrap=host_paths.
 */
#ifndef TESTS_FUZZ_PATHS_H
#define TESTS_FUZZ_PATHS_H

#include <stddef.h>
#include <stdint.h>

#include "compat/host.h"

extern struct host_paths fuzz_paths;

/* A small ld.so.cache: two libraries, one of them with a better one for this CPU.  malloc. */
uint8_t *fuzz_cache(size_t *len);

#endif

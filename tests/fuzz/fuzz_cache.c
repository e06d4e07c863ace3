/* SPDX-License-Identifier: MIT */
/*
 * fuzz_cache: /etc/ld.so.cache, which any package script rewrites while we read it.
 *
 * Input: a name, NUL, the file's bytes.  Promise: an answer, without a byte read outside (the bytes lie
 * at the end of a block of their own), and a path that is one string.
 */
#include "fuzz.h"

#include <string.h>

#include "compat/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = memchr(data, 0, len);
	size_t n = end ? (size_t)(end - data) + 1 : 0, rest = len - n;
	char path[256], small[8];
	uint8_t *copy;

	fuzz_start();
	if (!end)
		return 0;
	copy = malloc(rest ? rest : 1);
	FUZZ_CHECK(copy);
	memcpy(copy, data + n, rest);
	if (host_cache_lookup(copy, rest, (const char *)data, path, sizeof(path)))
		FUZZ_CHECK(path[0] && memchr(path, 0, sizeof(path)));
	if (host_cache_lookup(copy, rest, (const char *)data, small, sizeof(small)))
		FUZZ_CHECK(small[0] && memchr(small, 0, sizeof(small)));
	free(copy);
	return 0;
}

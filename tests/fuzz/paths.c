/* SPDX-License-Identifier: MIT */
/*
 * paths: see paths.h.  The cache is written from glibc's sysdeps/generic/dl-cache.h.
 */
#include "paths.h"

#include <string.h>

#include "arch/arch.h"
#include "fuzz.h"

static const char *const dirs[] = {"/lib", "/usr/lib", NULL};
static const char *const hwcaps[] = {"glibc-hwcaps/model-v3", "glibc-hwcaps/model-v2", "tls/model", "tls",
				     "model", NULL};
struct host_paths fuzz_paths = {.dirs = dirs, .lib = "lib", .hwcaps = hwcaps, .use_cache = true};

const struct host_paths *__wrap_host_paths(void);
const struct host_paths *__wrap_host_paths(void)
{
	return &fuzz_paths;
}

struct cache_entry {
	int32_t flags;
	uint32_t key, value, osversion;
	uint64_t hwcap;
};

struct cache_head {
	char magic[20];
	uint32_t n, strings_len;
	uint8_t flags, pad[3];
	uint32_t extension, unused[3];
};

static const char strings[] = "x.so\0/usr/lib/glibc-hwcaps/model-v3/x.so\0/usr/lib/x.so\0"
			      "lib10.so\0/lib/lib10.so\0lib9.so\0/lib/lib9.so\0model-v3";

static uint32_t place(const char *s)
{
	const char *at = strings;

	while (strcmp(at, s))
		at += strlen(at) + 1;
	return (uint32_t)(at - strings);
}

/* Greatest name first; extension: one section of the names of subdirectories. */
uint8_t *fuzz_cache(size_t *len)
{
	enum { N = 4 };
	const uint32_t at = sizeof(struct cache_head) + N * sizeof(struct cache_entry);
	const struct cache_entry entry[N] = {
		{ARCH_LDCACHE_FLAGS, at + place("x.so"), at + place("/usr/lib/glibc-hwcaps/model-v3/x.so"), 0,
		 1ull << 62},
		{ARCH_LDCACHE_FLAGS, at + place("x.so"), at + place("/usr/lib/x.so"), 0, 0},
		{ARCH_LDCACHE_FLAGS, at + place("lib10.so"), at + place("/lib/lib10.so"), 0, 0},
		{ARCH_LDCACHE_FLAGS, at + place("lib9.so"), at + place("/lib/lib9.so"), 0, 0},
	};
	const uint32_t extension = (uint32_t)((at + sizeof(strings) + 3) & ~3u);
	const uint32_t words[] = {0xeaa42174, 1, 1, 0, extension + 24, 4, at + place("model-v3")};
	struct cache_head head = {.n = N, .strings_len = sizeof(strings), .flags = 2, .extension = extension};
	uint8_t *out = calloc(1, extension + sizeof(words));

	FUZZ_CHECK(out);
	memcpy(head.magic, "glibc-ld.so.cache1.1", sizeof(head.magic));
	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), entry, sizeof(entry));
	memcpy(out + at, strings, sizeof(strings));
	memcpy(out + extension, words, sizeof(words));
	*len = extension + sizeof(words);
	return out;
}

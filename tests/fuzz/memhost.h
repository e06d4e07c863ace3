/* SPDX-License-Identifier: MIT */
/*
 * memhost: a host whose files are arrays, for the fuzz targets.
 *
 * Replaces host_mem and host_fs.  Files exist by path; a mapping of one is anonymous memory with its bytes
 * copied in.  Counts what is open and mapped, and can let the nth call fail, as the kernel might.
 */
#ifndef TESTS_FUZZ_MEMHOST_H
#define TESTS_FUZZ_MEMHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void memhost_start(void);

void memhost_clear(void); /* no files, no directories, no failures */

struct memhost_file {
	const char *path; /* absolute; outlives the file */
	const uint8_t *bytes;
	size_t len;
	uint64_t size; /* what stat says */
	/* Somebody writes to it: from its nth call on (0: never) the byte at `off` is another. */
	unsigned twist;
	uint32_t off;
	uint8_t by;
	/* From the nth stat on (0: never) it has so many bytes more, and another time. */
	unsigned change;
	int32_t growth;
	unsigned type; /* of the file, S_IFMT's bits; 0: regular */
};
bool memhost_add(const struct memhost_file *f); /* false: too many */
bool memhost_add_dir(const char *path);
void memhost_cwd(const char *cwd); /* what getcwd answers; NULL: it fails */

void memhost_fail(unsigned nth); /* 0: none */
bool memhost_failed(void);	 /* has it come? */

void memhost_poison(void *at, size_t len); /* until it is unmapped */

unsigned memhost_fds(void);
size_t memhost_mapped(void); /* bytes of files' mappings and of reservations, not of the arena's */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * file: from a path to checked headers.
 *
 * Fuzz door 1.  Everything that later stages take from the ELF and program headers was checked here,
 * every offset passed file_range().  Nothing is mapped yet; the file stays open until file_close().
 */
#ifndef LOADER_FILE_H
#define LOADER_FILE_H

#include "diag.h"
#include "elf.h"

enum { FILE_HEAD = 1536 }; /* one read gets the headers of nearly every library */

struct file {
	int fd;		  /* -1: closed */
	const char *path; /* the caller's, for messages; outlives the file */
	uint64_t dev, ino, size, mtime;
	const elf_phdr *ph; /* into head, or into an arena block when the table lies elsewhere */
	unsigned phnum;
	void *ph_block; /* to free, or NULL */
	elf_ehdr eh;
	uint64_t head[FILE_HEAD / 8];
	long head_len;
};

/* Does [off, off+len) lie inside the file?  Never overflows. */
bool file_range(const struct file *f, uint64_t off, uint64_t len);

/* Opens, stats.  Regular files only.  NEEDS_LOCK (arena). */
bool file_open(struct file *f, const char *path, struct diag *d);

/*
 * Reads and checks the headers.  DIAG_BAD_FILE: not for this machine (a search goes on to the next
 * directory); DIAG_BAD_ELF and others: the load fails.  glibc's words.
 */
bool file_headers(struct file *f, struct diag *d);

/*
 * Is it still the file that was opened, as far as size and time of change tell?  Asked once it is mapped and
 * parsed; guard.h is about what happens meanwhile.
 */
bool file_unchanged(const struct file *f, struct diag *d);

/*
 * From here on f is a copy of the file in memory that nobody can change; its headers are checked anew.  Its
 * path and identity stay the file's.  False: the diag says why; f is to be closed as ever.
 */
bool file_snapshot(struct file *f, struct diag *d);

void file_close(struct file *f);

#endif

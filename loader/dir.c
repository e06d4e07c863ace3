/* SPDX-License-Identifier: MIT */
/*
 * dir: directories that are searched, each once.
 *
 * Called by search.c.  A directory is looked into through its subdirectories for CPU features first.  Which
 * of these exist is found out once per directory and kept (as glibc does): most do not.  Relative
 * directories are found out each time, since the current directory may change.
 *
 * Must never look into a file.  Its buffers are static, for stacks may be small: the loader lock's.
 */
#include "dir.h"

#include "../compat/host.h"
#include "arena.h"
#include "text.h"

enum { MODE_TYPE = 0170000, MODE_DIRECTORY = 0040000, BUCKETS = 64 };

static struct dir *dirs[BUCKETS];

struct dir *dir_intern(const char *name, size_t len)
{
	static char text[DIR_NAME_MAX + 2]; /* stacks may be small; we hold the lock */
	struct dir *dir;
	uint32_t at;

	if (len > DIR_NAME_MAX)
		return NULL;
	while (len > 1 && name[len - 1] == '/')
		len--;
	memcpy(text, name, len);
	if (len > 0 && text[len - 1] != '/')
		text[len++] = '/';
	text[len] = 0;
	at = text_hash(text) % BUCKETS;
	for (dir = dirs[at]; dir; dir = dir->chain)
		if (text_eq(dir->name, text))
			return dir;
	dir = arena_alloc(sizeof *dir + len + 1);
	if (!dir)
		return NULL;
	memcpy(dir->name, text, len + 1);
	dir->len = len;
	dir->chain = dirs[at];
	dirs[at] = dir;
	return dir;
}

void dir_forget(void)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		while (dirs[i]) {
			struct dir *dir = dirs[i];

			dirs[i] = dir->chain;
			arena_free(dir);
		}
}

/* Is DIR/SUB[0..len) a directory? */
static bool is_dir(const struct dir *dir, const char *sub, size_t len)
{
	static char path[2 * DIR_NAME_MAX]; /* the lock's */
	struct host_stat st;

	memcpy(path, dir->name, dir->len);
	memcpy(path + dir->len, sub, len);
	path[dir->len + len] = 0;
	return host_fs->statpath(dir->len + len ? path : ".", &st) == 0 &&
	       (st.mode & MODE_TYPE) == MODE_DIRECTORY;
}

/* Those below a missing first part ("glibc-hwcaps", "tls") need no question. */
void dir_probe(struct dir *dir)
{
	const char *const *caps = host_paths()->hwcaps;
	const char *part = "";
	size_t part_len = 0;
	bool part_exists = false;

	if (dir->probed && dir->name[0] == '/')
		return;
	dir->probed = true;
	dir->subs = 0;
	dir->exists = is_dir(dir, "", 0);
	for (unsigned i = 0; dir->exists && caps[i] && i < 32; i++) {
		const char *slash = text_chr(caps[i], '/');
		size_t len = slash ? (size_t)(slash - caps[i]) : text_len(caps[i]);

		if (len != part_len || memcmp(caps[i], part, len) != 0) {
			part = caps[i];
			part_len = len;
			part_exists = is_dir(dir, part, len);
		}
		if (part_exists && (!slash || is_dir(dir, caps[i], text_len(caps[i]))))
			dir->subs |= 1u << i;
	}
}

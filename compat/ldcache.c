/* SPDX-License-Identifier: MIT */
/*
 * ldcache: /etc/ld.so.cache, soname -> path, as ldconfig wrote it.
 *
 * Called by loader/search.c through host_cache(), under the loader lock.  The reader proper is
 * host_cache_lookup(), a pure function of the file's bytes for tests and fuzzers; it trusts nothing: every
 * offset is checked and every string may end with the data.
 *
 * The file is the new table ("glibc-ld.so.cache1.1"), or an old one ("ld.so-1.7.0") with the new one
 * behind it, or the old one alone.  Entries are sorted, greatest first, by a comparison that takes runs of
 * digits as numbers; of several entries for one name those with a glibc-hwcaps subdirectory come first,
 * and the best subdirectory this CPU may use wins.  Entries of the legacy subdirectories (other hwcap
 * bits, ldconfig <= 2.36) are passed over.  Source: glibc, sysdeps/generic/dl-cache.h and elf/dl-cache.c.
 */
#include "host.h"

#include "../arch/arch.h"
#include "../loader/elf.h"
#include "../loader/text.h"

#include <linux/mman.h>

#define HWCAP_EXTENSION (1ull << 62)
#define HWCAP_ISA_LEVEL (0x3ffull << 32) /* beside it: what the library's own marks ask for */

enum { ENDIAN_LITTLE = 2, ENDIAN_BIG = 3, ENDIAN_MASK = 3 };
enum { EXTENSION_MAGIC = 0xeaa42174, EXTENSION_HWCAPS = 1 };

struct old_entry {
	int32_t flags;
	uint32_t key, value;
};

struct new_entry {
	struct old_entry old;
	uint32_t osversion;
	uint64_t hwcap;
};

struct old_header {
	char magic[12]; /* "ld.so-1.7.0" */
	uint32_t n;
};

struct new_header {
	char magic[20]; /* "glibc-ld.so.cache1.1" */
	uint32_t n, strings_len;
	uint8_t flags, pad[3];
	uint32_t extension;
	uint32_t unused[3];
};

struct extension { /* followed by n sections */
	uint32_t magic, n;
};

struct section {
	uint32_t tag, flags, offset, size;
};

struct table {
	const char *file, *end; /* the whole file */
	const char *strings;	/* what keys and values count from */
	const char *entries;
	size_t size, n;	    /* of an entry; entries */
	const char *hwcaps; /* unaligned offsets of the subdirectories' names */
	size_t nhwcap;
};

/* The string at an offset, NULL if it lies outside. */
static const char *string_at(const char *from, const char *end, uint32_t off)
{
	return off < (size_t)(end - from) ? from + off : NULL;
}

static size_t string_len(const char *s, const char *end)
{
	size_t n = 0;

	while (s + n < end && s[n])
		n++;
	return n;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static uint32_t number(const char **s, const char *end)
{
	uint32_t n = 0;

	for (; *s < end && is_digit(**s); ++*s)
		n = n * 10 + (uint32_t)(**s - '0');
	return n;
}

/* ldconfig's order; b may end at `end` without a NUL. */
static int compare(const char *a, const char *b, const char *end)
{
	const char *a_end = a + text_len(a);

	for (;;) {
		char ca = a < a_end ? *a : 0, cb = b < end ? *b : 0;

		if (!ca)
			return -cb;
		if (is_digit(ca) != is_digit(cb))
			return is_digit(ca) ? 1 : -1;
		if (is_digit(ca)) {
			uint32_t na = number(&a, a_end), nb = number(&b, end);

			if (na != nb)
				return (int32_t)(na - nb) < 0 ? -1 : 1;
		} else if (ca != cb) {
			return ca - cb;
		} else {
			a++;
			b++;
		}
	}
}

/* --- the file -------------------------------------------------------------------------------------- */

static void open_hwcaps(struct table *t, uint32_t off)
{
	struct extension x;
	struct section s;
	size_t room = (size_t)(t->end - t->file);

	if (off == 0 || off > room || room - off < sizeof x)
		return;
	memcpy(&x, t->file + off, sizeof x);
	off += sizeof x;
	if (x.magic != EXTENSION_MAGIC || x.n > (room - off) / sizeof s)
		return;
	for (uint32_t i = 0; i < x.n; i++) {
		memcpy(&s, t->file + off + i * sizeof s, sizeof s);
		if (s.tag != EXTENSION_HWCAPS || s.offset > room || s.size > room - s.offset)
			continue;
		t->hwcaps = t->file + s.offset;
		t->nhwcap = s.size / sizeof(uint32_t);
	}
}

static bool open_new(struct table *t, const char *at)
{
	const uint8_t endian = ELF_DATA == ELFDATA2LSB ? ENDIAN_LITTLE : ENDIAN_BIG;
	struct new_header h;
	size_t room = (size_t)(t->end - at);

	if (room < sizeof h)
		return false;
	memcpy(&h, at, sizeof h);
	if (memcmp(h.magic, "glibc-ld.so.cache1.1", sizeof h.magic) != 0 ||
	    h.n > (room - sizeof h) / sizeof(struct new_entry))
		return false;
	if (h.flags != 0 && (h.flags & ENDIAN_MASK) != endian)
		return false;
	t->strings = at;
	t->entries = at + sizeof h;
	t->size = sizeof(struct new_entry);
	t->n = h.n;
	open_hwcaps(t, h.extension);
	return true;
}

static bool open_table(struct table *t, const void *data, size_t len)
{
	struct old_header h;
	size_t entries;

	*t = (struct table){.file = data, .end = (const char *)data + len};
	if (open_new(t, data))
		return true;
	if (len < sizeof h)
		return false;
	memcpy(&h, data, sizeof h);
	if (memcmp(h.magic, "ld.so-1.7.0", 11) != 0 ||
	    h.n > (len - sizeof h) / sizeof(struct old_entry))
		return false;
	entries = sizeof h + h.n * sizeof(struct old_entry);
	if (((entries + 7) & ~(size_t)7) < len &&
	    open_new(t, t->file + ((entries + 7) & ~(size_t)7)))
		return true;
	t->entries = t->file + sizeof h;
	t->strings = t->file + entries;
	t->size = sizeof(struct old_entry);
	t->n = h.n;
	return true;
}

/* --- the lookup ------------------------------------------------------------------------------------ */

static struct new_entry entry(const struct table *t, size_t i)
{
	struct new_entry e = {.hwcap = 0};

	memcpy(&e, t->entries + i * t->size, t->size);
	return e;
}

static int compare_entry(const struct table *t, size_t i, const char *name)
{
	const char *key = string_at(t->strings, t->end, entry(t, i).old.key);

	return key ? compare(name, key, t->end) : -1;
}

/* How good a subdirectory is: 1 the best, 0 not for this CPU. */
static unsigned priority(const struct table *t, uint32_t index)
{
	static const char
		*best[ARCH_HWCAPS_MAX]; /* asked once: cpuid is slow in a virtual machine */
	static unsigned n;
	const char *name;
	uint32_t off;
	size_t len;

	if (n == 0)
		n = arch_hwcaps(best);
	if (index >= t->nhwcap)
		return 0;
	memcpy(&off, t->hwcaps + index * sizeof off, sizeof off);
	name = string_at(t->file, t->end, off);
	if (!name)
		return 0;
	len = string_len(name, t->end);
	for (unsigned i = 0; i < n; i++)
		if (text_len(best[i]) == len && memcmp(best[i], name, len) == 0)
			return i + 1;
	return 0;
}

/* The best of the entries from i on that have this name; NULL: none is for us. */
static const char *choose(const struct table *t, size_t i, const char *name)
{
	const char *best = NULL;
	unsigned best_priority = 0;

	for (; i < t->n && compare_entry(t, i, name) == 0; i++) {
		struct new_entry e = entry(t, i);
		const char *value = string_at(t->strings, t->end, e.old.value);
		bool named = (e.hwcap & ~HWCAP_ISA_LEVEL) >> 32 == HWCAP_EXTENSION >> 32;
		unsigned p;

		if (e.old.flags != ARCH_LDCACHE_FLAGS || !value)
			continue;
		if (!named && best)
			break;
		if (!named && e.hwcap == 0)
			return value;
		p = named ? priority(t, (uint32_t)e.hwcap) : 0;
		if (p == 0 || (best && p >= best_priority))
			continue;
		best = value;
		best_priority = p;
	}
	return best;
}

bool host_cache_lookup(const void *data, size_t len, const char *soname, char *path,
		       size_t path_len)
{
	struct table t;
	const char *value = NULL;
	size_t n, low = 0, high;

	if (!open_table(&t, data, len))
		return false;
	/* The first entry that is not greater than the name: entries descend. */
	high = t.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_entry(&t, middle, soname) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	value = choose(&t, low, soname);
	if (!value)
		return false;
	n = string_len(value, t.end);
	if (n == 0 || n >= path_len)
		return false;
	memcpy(path, value, n);
	path[n] = 0;
	return true;
}

/* --- the mapping ----------------------------------------------------------------------------------- */

static bool checked; /* since host_cache_recheck() */

void host_cache_recheck(void)
{
	checked = false;
}

/* ldconfig puts a new file in the old one's place: a stat tells. */
bool host_cache(const char *soname, char *path, size_t len)
{
	static const char name[] = "/etc/ld.so.cache";
	static struct host_stat known;
	static const void *data;
	struct host_stat now;
	int fd;

	if (checked)
		return data && host_cache_lookup(data, known.size, soname, path, len);
	if (host_fs->statpath(name, &now) < 0)
		return false;
	checked = true;
	if (!data || now.dev != known.dev || now.ino != known.ino || now.size != known.size ||
	    now.mtime != known.mtime) {
		if (data)
			host_mem->unmap((void *)(uintptr_t)data, known.size);
		data = NULL;
		fd = host_fs->open(name);
		if (fd < 0)
			return false;
		if (host_fs->stat(fd, &known) == 0 && known.size > 0)
			data = host_mem->map(NULL, known.size, PROT_READ, MAP_PRIVATE, fd, 0);
		host_fs->close(fd);
		if (data && host_failed(data))
			data = NULL;
	}
	return data && host_cache_lookup(data, known.size, soname, path, len);
}

/* SPDX-License-Identifier: MIT */
/*
 * The floor of opening and closing: the system calls and page faults of a loader, without the loader.
 *
 *   floor PATTERN N FILE...   pattern: N times all files mapped, touched, protected, unmapped
 *
 * PATTERN host is ld.so's (the span by the first segment, MAP_FIXED for the others); any other is that of
 * loader/map.c (data first, one read-only mapping below it, mprotect for code) and loader/unload.c (neighbours
 * are unmapped together).  What is touched is what a loader touches: headers and symbols, code (a constructor runs), data (relocated; ld.so
 * reads its dynamic section first, which is a page fault more).
 *
 * Called by main.  Knows nothing of symbols or relocations, and is no loader: the files are the fixtures.
 */
#include "bench.h"

#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, MAX_FILES = 8, HEADERS = 1536 };

struct mapped {
	char *base;
	size_t len;
	const ElfW(Phdr) * data, *code, *relro;
	union { /* what pread brought */
		ElfW(Ehdr) eh;
		char bytes[HEADERS];
	} head;
};

static size_t down(size_t n)
{
	return n & ~(size_t)(PAGE - 1);
}

static size_t up(size_t n)
{
	return down(n + PAGE - 1);
}

static int prot(const ElfW(Phdr) * ph)
{
	return (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
	       (ph->p_flags & PF_X ? PROT_EXEC : 0);
}

static void *map_segment(const struct mapped *m, const ElfW(Phdr) * ph, int fd)
{
	return mmap(m->base + down(ph->p_vaddr), up(ph->p_vaddr + ph->p_memsz) - down(ph->p_vaddr),
		    prot(ph), MAP_PRIVATE | MAP_FIXED, fd, (off_t)down(ph->p_offset));
}

/* The program headers; what they say about the span. */
static const ElfW(Phdr) * read_headers(struct mapped *m, int fd)
{
	const ElfW(Phdr) *ph = (const void *)(m->head.bytes + sizeof m->head.eh);

	if (pread(fd, m->head.bytes, HEADERS, 0) < (ssize_t)sizeof m->head.eh ||
	    m->head.eh.e_phoff != sizeof m->head.eh)
		bench_die("floor", "not a file it can use");
	for (int i = 0; i < m->head.eh.e_phnum; i++) {
		if (ph[i].p_type == PT_GNU_RELRO)
			m->relro = &ph[i];
		if (ph[i].p_type != PT_LOAD)
			continue;
		m->len = up(ph[i].p_vaddr + ph[i].p_memsz);
		if (ph[i].p_flags & PF_X)
			m->code = &ph[i];
		if (ph[i].p_flags & PF_W)
			m->data = &ph[i];
	}
	return ph;
}

static void map_as_host(struct mapped *m, const ElfW(Phdr) * ph, int fd)
{
	m->base = mmap(NULL, m->len, PROT_READ, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < m->head.eh.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_vaddr)
			map_segment(m, &ph[i], fd);
}

/* Where the same file lay the last time, if it can. */
static void map_as_ours(struct mapped *m, int fd)
{
	size_t low = down(m->data->p_vaddr);
	char *at = mmap(m->base ? m->base + low : NULL, m->len - low, prot(m->data), MAP_PRIVATE, fd,
			(off_t)down(m->data->p_offset));

	m->base = at - low;
	if (mmap(m->base, low, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0) != m->base) {
		munmap(at, m->len - low);
		m->base = mmap(NULL, m->len, PROT_READ, MAP_PRIVATE, fd, 0);
		map_segment(m, m->data, fd);
	}
	(void)*(volatile char *)m->base;
	mprotect(m->base + down(m->code->p_vaddr), up(m->code->p_memsz), prot(m->code));
}

static void unmap(struct mapped *m, int n)
{
	for (int i = n; i-- > 0;) { /* the last one is the lowest */
		size_t len = m[i].len;
		char *base = m[i].base;

		while (i > 0 && m[i - 1].base == base + len)
			len += m[--i].len;
		munmap(base, len);
	}
}

static void map_file(struct mapped *m, const char *file, bool as_host)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	const ElfW(Phdr) * ph;
	struct stat st;

	fstat(fd, &st);
	ph = read_headers(m, fd);
	if (as_host)
		map_as_host(m, ph, fd);
	else
		map_as_ours(m, fd);
	close(fd);
}

static void touch_file(struct mapped *m, bool as_host)
{
	volatile char *first = m->base, *code = m->base + m->code->p_vaddr;
	volatile char *data = m->base + m->data->p_vaddr;

	(void)first[HEADERS];
	if (as_host)
		(void)data[0];
	for (size_t i = 0; i < m->data->p_filesz; i += PAGE)
		data[i] = 0;
	data[m->data->p_filesz - 1] = 0;
	(void)code[0];
}

static void once(struct mapped *m, char **file, int n, bool as_host)
{
	for (int i = 0; i < n; i++)
		map_file(&m[i], file[i], as_host);
	for (int i = n; i-- > 0;)
		touch_file(&m[i], as_host);
	for (int i = n; i-- > 0;)
		if (m[i].relro)
			mprotect(m[i].base + down(m[i].relro->p_vaddr),
				 down(m[i].relro->p_vaddr + m[i].relro->p_memsz) -
					 down(m[i].relro->p_vaddr),
				 PROT_READ);
	if (as_host)
		for (int i = n; i-- > 0;)
			munmap(m[i].base, m[i].len);
	else
		unmap(m, n);
}

void case_floor(int n, char **arg)
{
	static struct mapped m[MAX_FILES];
	bool as_host = !strcmp(arg[0], "host");
	unsigned times = (unsigned)atoi(arg[1]);
	struct series s = {0};

	for (unsigned i = 0; i < times; i++)
		bench_add(&s, 0);
	s.n = 0;
	bench_region_begin();
	for (unsigned i = 0; i < times; i++) {
		double begin = bench_now();

		once(m, arg + 2, n - 2, as_host);
		bench_add(&s, bench_now() - begin);
	}
	bench_region_end(times);
	bench_report_median("pattern", &s);
}

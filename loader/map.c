/* SPDX-License-Identifier: MIT */
/*
 * map: reserve an image's span, place its segments, zero their tails; protect; unmap.
 *
 * Called by load.c only; adopted images get a description without memory of ours.
 *
 * Load bias.  The addresses in an ELF file (p_vaddr, st_value, r_offset, d_ptr) are relative to an
 * imaginary place where the file was linked, usually 0.  The kernel gives us some other place.  The
 * difference is the load bias, one number for the whole image because the distances between segments
 * must stay what the linker assumed: code reaches data by distance.  So the whole span from the first
 * segment's first page to the last segment's last page is reserved in one piece, and segments are then
 * put into it at bias + p_vaddr.  bias is not the address of the first byte: a prelinked file has
 * p_vaddr far from 0 and a bias that may even be "negative".  In this project `_va` means before adding
 * the bias, a name without suffix is a runtime address.
 *
 * The pattern.  Linkers lay the file out so that for all read-only segments offset and address differ by
 * the same number.  Then one read-only file mapping of the whole span already has them all in place:
 * the executable ones need an mprotect, only the writable ones a mapping of their own.  That is two
 * system calls fewer per library than a mapping for each.  The writable one comes first, and the read-only
 * ones are then put below it, so that nothing is mapped over.  perf and gdb do not mind; valgrind notices
 * code only when it is mapped executable, so under valgrind every segment is mapped with its final
 * protection.
 */
#include "map.h"

#include "../compat/host.h"
#include "arena.h"
#include "text.h"

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };
enum { MAP_PRIV = 2, MAP_FIX = 0x10, MAP_ANON = 0x20, MAP_NORES = 0x4000, MAP_FIX_FREE = 0x100000 };
enum { ERROR_PERM = 1, ERROR_ACCES = 13 };
enum { PATIENCE = 8 };

static uintptr_t page_down(uintptr_t a)
{
	return a & ~(host.page - 1);
}

static uintptr_t page_up(uintptr_t a)
{
	return page_down(a + host.page - 1);
}

static int prot_of(const elf_phdr *ph)
{
	return (ph->p_flags & PF_R ? PROT_R : 0) | (ph->p_flags & PF_W ? PROT_W : 0) |
	       (ph->p_flags & PF_X ? PROT_X : 0);
}

static bool refuse(struct diag *d, const char *path, long err, int prot)
{
	bool noexec = (prot & PROT_X) && (err == -ERROR_PERM || err == -ERROR_ACCES);

	return diag_set(d, DIAG_IO, "%s: failed to map segment from shared object: %s%s", path,
			host_errno_text((int)-err),
			noexec ? " (the file system is mounted noexec)" : "");
}

/* Allocates the segment list and computes the span; largest alignment in *align. */
static bool describe(struct map *m, const elf_phdr *ph, unsigned phnum, uintptr_t *align)
{
	unsigned n = 0;

	for (unsigned i = 0; i < phnum; i++)
		n += ph[i].p_type == PT_LOAD;
	*m = (struct map){.seg = arena_alloc(n * sizeof *m->seg)};
	if (!m->seg)
		return false;
	*align = host.page;
	for (unsigned i = 0; i < phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		m->seg[m->nseg++] = (struct segment){ph[i].p_vaddr, ph[i].p_memsz, prot_of(&ph[i]),
						   ph[i].p_filesz};
		if (ph[i].p_align > *align)
			*align = ph[i].p_align;
	}
	if (!n)
		return true;
	m->start = page_down(m->seg[0].va);
	m->end = page_up(m->seg[n - 1].va + m->seg[n - 1].len);
	return true;
}

/* An anonymous reservation whose start is congruent to va modulo align. */
static void *reserve_aligned(uintptr_t va, uintptr_t span, uintptr_t align)
{
	uintptr_t extra = span + align - host.page;
	char *p = host_mem->map(NULL, extra, 0, MAP_PRIV | MAP_ANON | MAP_NORES, -1, 0);
	uintptr_t skip;

	if (host_failed(p))
		return p;
	skip = (va - (uintptr_t)p) & (align - 1);
	if (skip)
		host_mem->unmap(p, skip);
	if (extra - skip > span)
		host_mem->unmap(p + skip + span, extra - skip - span);
	return p + skip;
}

/* Zeros on a page that has `prot` and shall have `after`; meanwhile it is never writable and executable. */
static bool zero_tail(uintptr_t from, uintptr_t to, int prot, int after)
{
	uintptr_t page = page_down(from);
	bool closed = !(prot & PROT_W);

	if (from >= to)
		return true;
	if (closed && host_mem->protect((void *)page, to - page, PROT_R | PROT_W) < 0)
		return false;
	memset((void *)from, 0, to - from);
	return (!closed && prot == after) || host_mem->protect((void *)page, to - page, after) >= 0;
}

struct placing {
	const struct map *m;
	const struct file *f;
	const elf_phdr *first; /* the span's file mapping shows this segment's neighbourhood; NULL: none */
	const elf_phdr *data;  /* mapped already; NULL: none */
	bool exact;	       /* every segment by its own mapping */
};

/* The file part of one segment: already there, there but for its protection, or to be mapped. */
static long place_file(const struct placing *pl, const elf_phdr *ph, int prot)
{
	uintptr_t va = page_down(ph->p_vaddr), len = page_up(ph->p_vaddr + ph->p_filesz) - va;
	char *at = (char *)(pl->m->bias + va);
	const elf_phdr *first = pl->first;
	void *p;

	if (ph == first || ph == pl->data)
		return 0;
	if (first && !pl->exact && !(prot & PROT_W) &&
	    ph->p_vaddr - ph->p_offset == first->p_vaddr - first->p_offset)
		return prot == prot_of(first) ? 0 : host_mem->protect(at, len, prot);
	p = host_mem->map(at, len, prot, MAP_PRIV | MAP_FIX, pl->f->fd, page_down(ph->p_offset));
	return host_failed(p) ? (long)p : 0;
}

/*
 * Bytes without a file part begin after the page on which the file part ends, their own or, when a segment
 * has none and begins in the middle of a page, that of the segment before.
 */
static long place_zeros(const struct placing *pl, const elf_phdr *ph, const elf_phdr *before)
{
	uintptr_t file_end = ph->p_vaddr + ph->p_filesz, end = ph->p_vaddr + ph->p_memsz;
	bool shares = before && before->p_vaddr + before->p_memsz > page_down(ph->p_vaddr);
	bool on_page = ph->p_filesz || shares;
	uintptr_t anon = on_page ? page_up(file_end) : page_down(ph->p_vaddr);
	int prot = prot_of(ph), there = ph->p_filesz || !shares ? prot : prot_of(before);
	void *p;

	if (on_page && !zero_tail(pl->m->bias + file_end, pl->m->bias + (anon < end ? anon : end), there,
				  prot))
		return -ERROR_ACCES;
	if (page_up(end) <= anon)
		return 0;
	p = host_mem->map((char *)(pl->m->bias + anon), page_up(end) - anon, prot,
			  MAP_PRIV | MAP_FIX | MAP_ANON, -1, 0);
	return host_failed(p) ? (long)p : 0;
}

/* Nothing may be reached between two segments that do not touch. */
static long close_hole(const struct map *m, const elf_phdr *before, const elf_phdr *ph)
{
	uintptr_t from = page_up(before->p_vaddr + before->p_memsz), to = page_down(ph->p_vaddr);

	return from < to ? host_mem->protect((char *)(m->bias + from), to - from, 0) : 0;
}

/*
 * The headers will be read anyway; the page fault brings the pages around along, and while code is in the
 * same mapping still, code too.
 */
static void touch(const struct placing *pl)
{
	if (pl->data && (pl->first->p_flags & PF_R))
		(void)*(const volatile char *)pl->m->start;
}

/* Puts every segment into the reserved span. */
static bool fill(const struct placing *pl, struct diag *d)
{
	const elf_phdr *before = NULL;

	touch(pl);

	for (unsigned i = 0; i < pl->f->phnum; i++) {
		const elf_phdr *ph = &pl->f->ph[i];
		long r;

		if (ph->p_type != PT_LOAD || !ph->p_memsz)
			continue;
		r = ph->p_filesz ? place_file(pl, ph, prot_of(ph)) : 0;
		if (r >= 0 && ph->p_memsz > ph->p_filesz)
			r = place_zeros(pl, ph, before);
		if (r >= 0 && before && pl->first)
			r = close_hole(pl->m, before, ph);
		if (r < 0)
			return refuse(d, pl->f->path, r, prot_of(ph));
		before = ph;
	}
	return true;
}

/*
 * Where the next image is likely to fit: where one has gone, or below the last one that was mapped.  A guess,
 * which the kernel may turn down; without one, the halves would not be likely to touch.  NEEDS_LOCK.
 */
static struct {
	uintptr_t low, high; /* a hole */
	uintptr_t below;
	int patience; /* where address spaces grow upwards no guess is ever right */
} vacant = {.patience = PATIENCE};

/* The end of a place for `span` bytes; 0: no idea. */
static uintptr_t guess(uintptr_t span)
{
	uintptr_t end = vacant.high;

	if (!vacant.patience)
		return 0;
	if (vacant.high - vacant.low < span)
		return vacant.below;
	vacant.low = vacant.high = 0;
	return end;
}

static void vacate(uintptr_t start, uintptr_t end)
{
	if (start == vacant.below) {
		vacant.below = end;
	} else {
		vacant.low = start;
		vacant.high = end;
	}
}

/* The last segment, when it is the only writable one and shares no page with others; else NULL. */
static const elf_phdr *data_load(const struct file *f)
{
	const elf_phdr *last = NULL;
	uintptr_t end = 0;

	for (unsigned i = 0; i < f->phnum; i++) {
		const elf_phdr *ph = &f->ph[i];

		if (ph->p_type != PT_LOAD)
			continue;
		if (last && (last->p_flags & PF_W))
			return NULL;
		if (last)
			end = page_up(last->p_vaddr + last->p_memsz);
		last = ph;
	}
	return last && (last->p_flags & PF_W) && last->p_filesz && end && end <= page_down(last->p_vaddr) ?
	       last : NULL;
}

/*
 * The span in two halves that touch, data above the rest.  NULL: it is to be mapped in one piece, because the
 * kernel found no such place, or knows no MAP_FIXED_NOREPLACE.
 */
static void *halves(struct placing *pl, uintptr_t span)
{
	const elf_phdr *data = pl->exact ? NULL : data_load(pl->f);
	uintptr_t end = data ? guess(span) : 0, low, high;
	char *rest, *at;

	if (end <= span)
		return NULL;
	low = page_down(data->p_vaddr) - pl->m->start;
	high = span - low;
	at = host_mem->map((void *)(end - high), high, prot_of(data), MAP_PRIV, pl->f->fd,
			   page_down(data->p_offset));
	if (host_failed(at))
		return NULL;
	if ((uintptr_t)at <= low) { /* the kernel chose another place, with no room below */
		host_mem->unmap(at, high);
		return NULL;
	}
	rest = host_mem->map(at - low, low, prot_of(pl->first), MAP_PRIV | MAP_FIX_FREE, pl->f->fd,
			     page_down(pl->first->p_offset));
	if (rest == at - low) {
		pl->data = data;
		vacant.patience = PATIENCE;
		return rest;
	}
	vacant.patience--;
	host_mem->unmap(at, high);
	if (!host_failed(rest))
		host_mem->unmap(rest, low);
	return NULL;
}

static const elf_phdr *first_load(const struct file *f)
{
	for (unsigned i = 0; i < f->phnum; i++)
		if (f->ph[i].p_type == PT_LOAD)
			return &f->ph[i];
	return NULL;
}

bool map_image(struct map *m, const struct file *f, struct diag *d)
{
	const elf_phdr *first = first_load(f);
	struct placing pl = {.m = m, .f = f, .exact = host.valgrind};
	uintptr_t align, span;
	void *p;

	if (!describe(m, f->ph, f->phnum, &align))
		return diag_no_memory(d, f->path);
	span = m->end - m->start;
	if (align > host.page || !first->p_filesz) {
		p = reserve_aligned(m->start, span, align);
	} else {
		pl.first = first;
		p = halves(&pl, span);
		if (!p)
			p = host_mem->map(NULL, span, prot_of(first), MAP_PRIV, f->fd,
					  page_down(first->p_offset));
	}
	if (host_failed(p)) {
		m->start = m->end = 0;
		map_forget(m);
		return refuse(d, f->path, (long)p, pl.first ? prot_of(first) : 0);
	}
	m->bias = (uintptr_t)p - m->start;
	m->start = (uintptr_t)p;
	m->end = m->start + span;
	if (!pl.data || m->start < vacant.below)
		vacant.below = m->start;
	if (fill(&pl, d))
		return true;
	map_unmap(m);
	map_forget(m);
	return false;
}

bool map_adopt(struct map *m, uintptr_t bias, const elf_phdr *ph, unsigned phnum)
{
	uintptr_t align;

	if (!describe(m, ph, phnum, &align))
		return false;
	m->bias = bias;
	m->start += bias;
	m->end += bias;
	return true;
}

bool map_textrel(struct map *m, bool open, const char *path, struct diag *d)
{
	for (unsigned i = 0; i < m->nseg; i++) {
		const struct segment *s = &m->seg[i];
		uintptr_t at = page_down(m->bias + s->va), end = page_up(m->bias + s->va + s->len);
		long r;

		if (s->prot & PROT_W)
			continue;
		if (!open && i + 1 < m->nseg && page_down(m->bias + s[1].va) < end)
			end = page_down(m->bias + s[1].va);
		if (end <= at)
			continue;
		r = host_mem->protect((void *)at, end - at,
				      open ? s->prot | PROT_R | PROT_W : s->prot);
		if (r < 0)
			return diag_set(d, DIAG_IO,
					"%s: cannot make segment writable for relocation: %s", path,
					host_errno_text((int)-r));
	}
	m->textrel_open = open;
	return true;
}

bool map_writable(const struct map *m, uintptr_t va, uintptr_t len, uintptr_t not, struct map_range *out)
{
	for (unsigned i = 0; i < m->nseg; i++) {
		const struct segment *s = &m->seg[i];
		uintptr_t from = s->va, to = s->va + s->len;

		if (!((s->prot & PROT_W) || m->textrel_open) || s->len < len || va - from > s->len - len)
			continue;
		if (not - va < len)
			return false;
		if (not >= from && not < to)
			*(va > not ? &from : &to) = va > not ? not + 1 : not;
		*out = (struct map_range){from, to - from};
		return true;
	}
	return false;
}

/* The pages of RELRO, runtime; false: none. */
static bool relro(const struct map *m, uintptr_t *from, uintptr_t *to)
{
	*from = page_down(m->bias + m->relro_va);
	*to = page_down(m->bias + m->relro_va + m->relro_len);
	return m->relro_len && *from < *to;
}

bool map_sealed(const struct map *m, uintptr_t va, uintptr_t len)
{
	uintptr_t from, to, at = m->bias + va;

	return !map_has(m, va, len, PROT_W) || (relro(m, &from, &to) && at + len > from && at < to);
}

bool map_protect(struct map *m, const char *path, struct diag *d)
{
	uintptr_t from, to;
	int r;

	if (!relro(m, &from, &to))
		return true;
	r = host_mem->protect((void *)from, to - from, PROT_R);
	if (r < 0)
		return diag_set(d, DIAG_IO,
				"%s: cannot apply additional memory protection after relocation: %s", path,
				host_errno_text(-r));
	return true;
}

void map_disown(struct map *m)
{
	m->start = m->end = 0;
}

void map_unmap_to(struct map *m, uintptr_t end)
{
	if (end > m->start) {
		host_mem->unmap((void *)m->start, end - m->start);
		vacate(m->start, end);
	}
	map_disown(m);
}

void map_unmap(struct map *m)
{
	map_unmap_to(m, m->end);
}

void map_forget(struct map *m)
{
	arena_free(m->seg);
	m->seg = NULL;
	m->nseg = 0;
}

bool map_has(const struct map *m, uintptr_t va, uintptr_t len, int prot)
{
	for (unsigned i = 0; i < m->nseg; i++) {
		const struct segment *s = &m->seg[i];

		if (va - s->va <= s->len && len <= s->len - (va - s->va))
			return (s->prot & prot) == prot;
	}
	return false;
}

const void *map_at(const struct map *m, uintptr_t va, uintptr_t len)
{
	for (unsigned i = 0; i < m->nseg; i++) {
		const struct segment *s = &m->seg[i];

		if (va - s->va <= s->file && len <= s->file - (va - s->va))
			return s->prot & PROT_R ? (const void *)(m->bias + va) : NULL;
	}
	return NULL;
}

uintptr_t map_room(const struct map *m, uintptr_t va)
{
	for (unsigned i = 0; i < m->nseg; i++) {
		const struct segment *s = &m->seg[i];

		if (va - s->va < s->file)
			return s->prot & PROT_R ? s->file - (va - s->va) : 0;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * check_map: mapped memory is what the program headers say, byte by byte and page by page.
 *
 * The oracle is computed from the headers alone: file bytes, then zeros up to p_memsz; each page has its
 * segment's protection, pages between segments have none.  Layouts are random, with the shapes linkers
 * make (segments next to each other sharing a page of the file, bss, gaps, large alignments), mapped in
 * both of map.c's ways (as always, and as under valgrind).  A failing host call leaves nothing mapped.
 */
#include "kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loader/map.h"

enum { MAX_SEGMENTS = 5 };

struct layout {
	unsigned n;
	struct elfgen_phdr ph[MAX_SEGMENTS];
	unsigned char *file;
};

/* --- the oracle ------------------------------------------------------------------------------------ */

static int prot_at(const struct layout *l, uint64_t page)
{
	int prot = 0;

	/* A page of two segments belongs to the later one, as in every loader. */
	for (unsigned i = 0; i < l->n; i++) {
		const struct elfgen_phdr *ph = &l->ph[i];

		if (page + host.page > ph->va && page < ph->va + ph->memsz)
			prot = (ph->flags & PF_R ? PROT_READ : 0) | (ph->flags & PF_W ? PROT_WRITE : 0) |
			       (ph->flags & PF_X ? PROT_EXEC : 0);
	}
	return prot;
}

/* What the kernel says of each page from `at` on; -1: not mapped. */
static void read_prots(uintptr_t at, int *prot, size_t n)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], p[5];

	for (size_t i = 0; i < n; i++)
		prot[i] = -1;
	while (fgets(line, sizeof(line), f)) {
		uintptr_t from, to;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, p) != 3)
			continue;
		for (size_t i = 0; i < n; i++)
			if (at + i * host.page >= from && at + i * host.page < to)
				prot[i] = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
					  (p[2] == 'x' ? PROT_EXEC : 0);
	}
	fclose(f);
}

static int real_prot(uintptr_t at)
{
	int prot;

	read_prots(at, &prot, 1);
	return prot;
}

static void compare_bytes(const struct layout *l, const struct map *m, const char *what)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct elfgen_phdr *ph = &l->ph[i];
		const unsigned char *at = (const unsigned char *)m->bias + ph->va;

		if (!(ph->flags & PF_R))
			continue;
		ck_assert_msg(!memcmp(at, l->file + ph->off, ph->filesz), "%s: bytes of segment %u", what, i);
		for (uint64_t k = ph->filesz; k < ph->memsz; k++)
			ck_assert_msg(at[k] == 0, "%s: segment %u is not zero at %" PRIx64, what, i, k);
	}
}

static void compare_prots(const struct layout *l, const struct map *m, const char *what)
{
	size_t n = (m->end - m->start) / host.page;
	int *is = malloc(n * sizeof(*is));

	read_prots(m->start, is, n);
	for (size_t i = 0; i < n; i++) {
		uintptr_t va = m->start + i * host.page - m->bias;

		ck_assert_msg(is[i] == prot_at(l, va), "%s: page %" PRIxPTR " has protection %d instead of %d",
			      what, va, is[i], prot_at(l, va));
	}
	free(is);
}

/* --- files ----------------------------------------------------------------------------------------- */

/* A file of these segments, every byte of it different from its neighbours. */
static void make_file(struct layout *l, const char *path)
{
	struct elfgen *e = elfgen_new(ARCH_EM);
	size_t len = 4096, head;

	e->bare = true;
	for (unsigned i = 0; i < l->n; i++) {
		elfgen_phdr(e, &l->ph[i]);
		if (l->ph[i].off + l->ph[i].filesz > len)
			len = l->ph[i].off + l->ph[i].filesz;
	}
	elfgen_phdr(e, &(struct elfgen_phdr){.type = PT_DYNAMIC});
	elfgen_build(e);
	head = e->len;
	elfgen_resize(e, len > head ? len : head);
	for (size_t i = head; i < len; i++)
		e->buf[i] = (unsigned char)(i * 7 + i / 251 + 1);
	elfgen_write(e, path);
	free(l->file);
	l->file = malloc(e->len);
	memcpy(l->file, e->buf, e->len);
	elfgen_free(e);
}

/* Ascending segments; some share the file page, some begin on the next page, some leave a gap. */
static void random_layout(struct layout *l)
{
	static const uint32_t flags[] = {PF_R, PF_R | PF_X, PF_R | PF_W, PF_R | PF_W, 0};
	uint64_t va = kit_random(4) ? 0 : kit_random(1000) * 4096, off = 0;

	l->n = 1 + kit_random(MAX_SEGMENTS);
	for (unsigned i = 0; i < l->n; i++) {
		struct elfgen_phdr *ph = &l->ph[i];
		uint64_t filesz = kit_random(8) ? kit_random(3 * 4096) + 1 : 0;
		uint64_t bss = kit_random(3) ? 0 : kit_random(2) ? kit_random(200) : kit_random(12000);

		*ph = (struct elfgen_phdr){PT_LOAD, flags[i == 0 ? 0 : kit_random(5)], off, va, filesz,
					   filesz + bss, kit_random(6) ? 4096 : 65536};
		if (!ph->memsz)
			ph->memsz = 8;
		/* The next page, at an offset in it that fits the file's. */
		off += filesz;
		off = kit_random(2) ? off : (off + 4095) & ~4095ull;
		va = (va + ph->memsz + 4095) & ~4095ull;
		va += kit_random(3) ? 0 : kit_random(20) * 4096;
		va += off % 4096;
	}
	for (unsigned i = 0; i < l->n; i++)
		if ((l->ph[i].va - l->ph[i].off) % l->ph[i].align)
			l->ph[i].align = 4096;
}

static bool map_file(struct map *m, const char *path, struct diag *d)
{
	struct file f;
	bool ok;

	diag_clear(d);
	if (!file_open(&f, path, d))
		return false;
	ok = file_headers(&f, d);
	ck_assert_msg(ok || d->kind != DIAG_BAD_ELF, "the test's own file is refused: %s", d->text);
	ok = ok && map_image(m, &f, d);
	file_close(&f);
	return ok;
}

/* --- cases ----------------------------------------------------------------------------------------- */

static void check_layout(struct layout *l, bool valgrind)
{
	char what[800], *p = what;
	struct diag d = {0};
	struct map m;

	for (unsigned i = 0; i < l->n; i++)
		p += snprintf(p, 100, "\n  %x off %5" PRIx64 " va %8" PRIx64 " file %5" PRIx64 " mem %5" PRIx64
			      " align %" PRIx64, l->ph[i].flags, l->ph[i].off, l->ph[i].va, l->ph[i].filesz,
			      l->ph[i].memsz, l->ph[i].align);
	snprintf(p, 30, "\n%s", valgrind ? "as under valgrind" : "");
	host.valgrind = valgrind;
	make_file(l, kit_path("m.so"));
	ck_assert_msg(map_file(&m, kit_path("m.so"), &d), "%s\n%s", what, d.text);
	ck_assert_uint_eq(m.nseg, l->n);
	ck_assert_uint_eq(m.start, m.bias + (l->ph[0].va & -host.page));
	for (unsigned i = 0; i < l->n; i++) {
		ck_assert_uint_eq(m.seg[i].va, l->ph[i].va);
		ck_assert_uint_eq(m.seg[i].len, l->ph[i].memsz);
		ck_assert_msg((m.bias + l->ph[i].va - l->ph[i].off) % l->ph[i].align == 0,
			      "%s\nsegment %u is not aligned", what, i);
	}
	compare_prots(l, &m, what);
	compare_bytes(l, &m, what);
	map_unmap(&m);
	map_forget(&m);
}

START_TEST(random_layouts)
{
	struct layout l = {0};
	struct kit_trace before;

	for (int i = 0; i < kit_rounds(400); i++) {
		random_layout(&l);
		if (i == 1)
			before = kit_trace();
		check_layout(&l, i & 1);
	}
	kit_unchanged(&before, "mapping and unmapping");
}
END_TEST

START_TEST(alignment)
{
	for (uint64_t align = 4096; align <= 4 << 20; align *= 4) {
		struct layout l = {.n = 2, .ph = {{PT_LOAD, PF_R | PF_X, 0, 0, 100, 100, 4096},
				       {PT_LOAD, PF_R | PF_W, 0, align, 200, 5000, align}}};

		check_layout(&l, false);
		check_layout(&l, true);
		free(l.file);
	}
}
END_TEST

/* GNU ld puts the end of one segment and the start of the next on one page of the file. */
START_TEST(shared_file_page)
{
	struct layout l = {.n = 2, .ph = {{PT_LOAD, PF_R | PF_X, 0, 0, 0x1234, 0x1234, 4096},
			       {PT_LOAD, PF_R | PF_W, 0x1234, 0x2234, 0x500, 0x5000, 4096}}};

	check_layout(&l, false);
	check_layout(&l, true);
}
END_TEST

/* ... or even on one page of memory: both segments' bytes are then those of the file. */
START_TEST(shared_memory_page)
{
	struct layout l = {.n = 2, .ph = {{PT_LOAD, PF_R, 0, 0, 0x1234, 0x1234, 4096},
			       {PT_LOAD, PF_R | PF_W, 0x1240, 0x1240, 0x500, 0x5000, 4096}}};

	check_layout(&l, false);
	check_layout(&l, true);
}
END_TEST

/* A segment of zeros alone that begins on the last page of its neighbour leaves the neighbour's bytes. */
START_TEST(bss_on_a_shared_page)
{
	struct layout l = {.n = 2, .ph = {{PT_LOAD, PF_R | PF_W, 0, 0, 0x1234, 0x1234, 4096},
			       {PT_LOAD, PF_R | PF_W, 0x1240, 0x1240, 0, 0x5000, 4096}}};

	check_layout(&l, false);
	check_layout(&l, true);
}
END_TEST

/* ... also when nobody may write the neighbour.  The page is the later one's, as always. */
START_TEST(bss_on_a_read_only_page)
{
	static const uint32_t neighbours[] = {PF_R, PF_R | PF_X, 0};

	for (int i = 0; i < 6; i++) {
		uint32_t flags = neighbours[i / 2];
		struct layout l = {.n = 2, .ph = {{PT_LOAD, flags, 0, 0, 0x1234, 0x1234, 4096},
				       {PT_LOAD, PF_R | PF_W, 0x1240, 0x1240, 0, 0x5000, 4096}}};
		struct diag d = {0};
		struct map m;

		host.valgrind = i & 1;
		make_file(&l, kit_path("m.so"));
		ck_assert_msg(map_file(&m, kit_path("m.so"), &d), "%s", d.text);
		ck_assert_int_eq(real_prot(m.bias + 0x1000), PROT_READ | PROT_WRITE);
		ck_assert_int_eq(real_prot(m.bias + 0x2000), PROT_READ | PROT_WRITE);
		compare_bytes(&l, &m, "bss on a page of others");
		map_unmap(&m);
		map_forget(&m);
		free(l.file);
	}
}
END_TEST

/* The end of code is zeroed without it being writable and executable at any moment. */
static int worst;
static const struct host_mem *below;

static int watch_protect(void *addr, size_t len, int prot)
{
	worst |= (prot & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC);
	return below->protect(addr, len, prot);
}

START_TEST(bss_of_code)
{
	struct layout l = {.n = 2, .ph = {{PT_LOAD, PF_R | PF_X, 0, 0, 0x1234, 0x1300, 4096},
			       {PT_LOAD, PF_R, 0x2000, 0x2000, 100, 0x1000, 4096}}};
	struct host_mem watched = *host_mem;

	below = host_mem;
	watched.protect = watch_protect;
	host_mem = &watched;
	check_layout(&l, false);
	check_layout(&l, true);
	host_mem = below;
	ck_assert(!worst);
}
END_TEST

START_TEST(every_call_fails)
{
	struct layout l = {.n = 4, .ph = {{PT_LOAD, PF_R, 0, 0, 100, 100, 4096},
			       {PT_LOAD, PF_R | PF_X, 4096, 4096, 100, 5000, 4096},
			       {PT_LOAD, PF_R | PF_W, 8192, 0x8000, 100, 0x9000, 4096},
			       {PT_LOAD, PF_R, 12288, 0x20000, 100, 100, 4096}}};
	struct diag d = {0};
	struct map m = {0};

	for (int way = 0; way < 4; way++) {
		host.valgrind = way & 1;
		l.ph[2].align = way & 2 ? 0x8000 : 4096;
		l.ph[2].off = way & 2 ? 0x8000 : 8192;
		make_file(&l, kit_path("m.so"));
		for (unsigned n = 1;; n++) {
			struct kit_trace before = kit_trace();
			bool ok;

			kit_fail(n);
			ok = map_file(&m, kit_path("m.so"), &d);
			kit_fail(0);
			if (!kit_failed()) {
				ck_assert_msg(ok, "%s", d.text);
				map_unmap(&m);
				map_forget(&m);
				kit_unchanged(&before, "mapping and unmapping");
				break;
			}
			ck_assert_msg(!ok && d.kind != DIAG_NONE, "call %u failed unnoticed", n);
			kit_unchanged(&before, "a failed mapping");
		}
		ck_assert_uint_ge(kit_calls(), 5);
	}
}
END_TEST

/* The range gate: exact at the edges, never across a gap, never by overflow. */
START_TEST(gate)
{
	struct segment seg[] = {{0x1000, 0x100, PROT_READ, 0x100}, {0x1100, 0x80, PROT_READ | PROT_WRITE, 0x60},
				{0x4000, 0x1000, PROT_READ | PROT_EXEC, 0x1000}, {0x6000, 0x10, 0, 0x10}};
	struct map m = {.bias = 0x10000000, .nseg = 4, .seg = seg};

	ck_assert(map_has(&m, 0x1000, 0x100, PROT_READ) && map_has(&m, 0x10ff, 1, PROT_READ));
	ck_assert(!map_has(&m, 0xfff, 1, PROT_READ) && !map_has(&m, 0xfff, 2, PROT_READ));
	ck_assert_msg(!map_has(&m, 0x10ff, 2, PROT_READ), "a range over two segments");
	ck_assert(map_has(&m, 0x1100, 0x80, PROT_WRITE) && !map_has(&m, 0x1100, 0x81, PROT_WRITE));
	ck_assert(!map_has(&m, 0x1000, 1, PROT_WRITE) && !map_has(&m, 0x4000, 1, PROT_WRITE));
	ck_assert(map_has(&m, 0x4fff, 1, PROT_READ | PROT_EXEC) && !map_has(&m, 0x5000, 1, 0));
	ck_assert(!map_has(&m, 0x1000, UINTPTR_MAX, 0) && !map_has(&m, UINTPTR_MAX, 0x1001, 0));
	ck_assert(!map_has(&m, (uintptr_t)-0x100, 0x1200, 0) && !map_has(&m, 0x1001, (uintptr_t)-1, 0));
	ck_assert(!map_has(&m, 0, 0, 0) && !map_has(&m, 0x6000, 1, PROT_READ));
	ck_assert_ptr_eq(map_at(&m, 0x4010, 4), (void *)0x10004010);
	ck_assert_ptr_null(map_at(&m, 0x4ffd, 4));
	ck_assert_ptr_null(map_at(&m, 0x6000, 4));
	ck_assert_uint_eq(map_room(&m, 0x1000), 0x100);
	ck_assert_ptr_null(map_at(&m, 0x6000, 0));
	ck_assert_ptr_eq(map_at(&m, 0x1100, 0x60), (void *)0x10001100);
	ck_assert_ptr_null(map_at(&m, 0x1100, 0x61)); /* zeros behind the file's part */
	ck_assert_uint_eq(map_room(&m, 0x115f), 1);
	ck_assert_uint_eq(map_room(&m, 0x1160), 0);
	ck_assert_uint_eq(map_room(&m, 0x6000), 0);
	ck_assert_uint_eq(map_room(&m, 0x1180), 0);
	ck_assert_uint_eq(map_room(&m, 0xfff), 0);
}
END_TEST

/* RELRO protects whole pages of its range only: the rest of its last page stays writable. */
START_TEST(relro)
{
	struct layout l = {.n = 1, .ph = {{PT_LOAD, PF_R | PF_W, 0, 0, 0x5000, 0x5000, 4096}}};
	struct diag d = {0};
	struct map m;

	make_file(&l, kit_path("m.so"));
	ck_assert(map_file(&m, kit_path("m.so"), &d));
	ck_assert(map_protect(&m, "x", &d));
	ck_assert_int_eq(real_prot(m.start), PROT_READ | PROT_WRITE);
	m.relro_va = 0x1000;
	m.relro_len = 0x2fff;
	ck_assert(map_protect(&m, "x", &d));
	ck_assert_int_eq(real_prot(m.start), PROT_READ | PROT_WRITE);
	ck_assert_int_eq(real_prot(m.start + 0x1000), PROT_READ);
	ck_assert_int_eq(real_prot(m.start + 0x2000), PROT_READ);
	ck_assert_int_eq(real_prot(m.start + 0x3000), PROT_READ | PROT_WRITE);
	kit_fail(1);
	ck_assert(!map_protect(&m, "x", &d));
	kit_fail(0);
	ck_assert_int_eq(d.kind, DIAG_IO);
	map_unmap(&m);
	map_forget(&m);
}
END_TEST

START_TEST(text_relocations)
{
	struct layout l = {.n = 3, .ph = {{PT_LOAD, PF_R, 0, 0, 100, 100, 4096},
			       {PT_LOAD, PF_R | PF_X, 4096, 4096, 5000, 5000, 4096},
			       {PT_LOAD, PF_R | PF_W, 12288, 12288, 100, 100, 4096}}};
	struct diag d = {0};
	struct map m;

	make_file(&l, kit_path("m.so"));
	ck_assert(map_file(&m, kit_path("m.so"), &d));
	ck_assert(map_textrel(&m, true, "x", &d) && m.textrel_open);
	ck_assert_int_eq(real_prot(m.start) & PROT_WRITE, PROT_WRITE);
	ck_assert_int_eq(real_prot(m.start + 0x2000) & PROT_WRITE, PROT_WRITE);
	((volatile char *)m.start)[0x1000] = 1;
	ck_assert(map_textrel(&m, false, "x", &d) && !m.textrel_open);
	compare_prots(&l, &m, "after DT_TEXTREL");
	map_unmap(&m);
	map_forget(&m);
}
END_TEST

/* An image that libc mapped gets the same description. */
START_TEST(adopted)
{
	struct layout l = {.n = 2, .ph = {{PT_LOAD, PF_R | PF_X, 0, 0x10000, 100, 100, 4096},
			       {PT_LOAD, PF_R | PF_W, 4096, 0x12000, 100, 8000, 4096}}};
	struct diag d = {0};
	struct map m, a;
	elf_phdr ph[2];

	make_file(&l, kit_path("m.so"));
	ck_assert(map_file(&m, kit_path("m.so"), &d));
	for (int i = 0; i < 2; i++)
		ph[i] = (elf_phdr){.p_type = PT_LOAD, .p_flags = l.ph[i].flags, .p_vaddr = l.ph[i].va,
				   .p_filesz = l.ph[i].filesz, .p_memsz = l.ph[i].memsz, .p_align = 4096};
	ck_assert(map_adopt(&a, m.bias, ph, 2));
	ck_assert_uint_eq(a.start, m.start);
	ck_assert_uint_eq(a.end, m.end);
	ck_assert_uint_eq(a.bias, m.bias);
	ck_assert_uint_eq(a.nseg, m.nseg);
	ck_assert_int_eq(memcmp(a.seg, m.seg, 2 * sizeof(*a.seg)), 0);
	map_forget(&a);
	map_unmap(&m);
	map_forget(&m);
}
END_TEST

static const struct host_mem *below;
static uintptr_t highest;

static void *watched_map(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	if ((uintptr_t)addr > highest)
		highest = (uintptr_t)addr;
	return below->map(addr, len, prot, flags, fd, off);
}

/* Segments so far apart that the lower ones would lie before address 0. */
START_TEST(no_place_below)
{
	const struct host_mem watched = {watched_map, host_mem->unmap, host_mem->protect};
	struct layout l = {.n = 2, .ph = {{PT_LOAD, PF_R, 0, 0, 64, 64, 4096},
					  {PT_LOAD, PF_R | PF_W, 0x1000, 0x1000, 64, 64, 4096}}};
	struct diag d = {0};
	struct map m;

	check_layout(&l, false); /* now there is a guess */
	l.ph[1].va = (uint64_t)1 << (8 * sizeof(uintptr_t) - 3);
	make_file(&l, kit_path("far.so"));
	below = host_mem;
	host_mem = &watched;
	ck_assert(!map_file(&m, kit_path("far.so"), &d));
	host_mem = below;
	ck_assert_ptr_nonnull(strstr(d.text, "failed to map segment"));
	ck_assert_uint_lt(highest, UINTPTR_MAX / 2);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, random_layouts);
	tcase_add_test(tc, alignment);
	tcase_add_test(tc, shared_file_page);
	tcase_add_test(tc, shared_memory_page);
	tcase_add_test(tc, bss_on_a_shared_page);
	tcase_add_test(tc, bss_on_a_read_only_page);
	tcase_add_test(tc, bss_of_code);
	tcase_add_test(tc, every_call_fails);
	tcase_add_test(tc, no_place_below);
	tcase_add_test(tc, gate);
	tcase_add_test(tc, relro);
	tcase_add_test(tc, text_relocations);
	tcase_add_test(tc, adopted);
}

KIT_MAIN("map", add)

/* SPDX-License-Identifier: MIT */
/*
 * check_bad: a table of damaged libraries, each wrong in one place, and what is said about it.
 *
 * Every row goes through file_headers, map_image, image_headers, image_parse (with version_parse) and
 * relocation, and through lookups of every name.  Where an error is due it is an error of the right kind,
 * with words that say what is wrong; where glibc takes the file, so do we; nothing crashes, loops, stays
 * mapped, open or allocated.  The rows about ELF and program headers' sizes and offsets are in check_file.
 * For the made-up CPU, on which no byte of a damaged file is ever run; and again (KIT_DLOPEN) for this one,
 * by dlopen with libdlrs preloaded.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/arena.h"
#include "loader/reloc.h"
#include "loader/text.h"

#if ARCH_RELA
enum { REL = DT_RELA, RELSZ = DT_RELASZ, RELENT = DT_RELAENT, OTHER_REL = DT_REL };
#else
enum { REL = DT_REL, RELSZ = DT_RELSZ, RELENT = DT_RELENT, OTHER_REL = DT_RELA };
#endif
enum { UNUSED_TAG = 0x6fffff00 };
#define FAR	  ((uintptr_t)1 << (8 * sizeof(uintptr_t) - 2))
#define NEAR_END  ((uintptr_t)-16)
#define INFO(sym, type) ((uint64_t)(sym) << (sizeof(uintptr_t) == 8 ? 32 : 8) | (type))

#ifdef KIT_DLOPEN
#define load(path, d)		kit_dlopen(path, d)
#define load_elsewhere(path, d) kit_dlopen_elsewhere(path, d)
enum { END_TO_END = true }; /* without chance: constructors would be called that are anywhere */
#else
#define load_elsewhere(path, d) load(path, d)
enum { END_TO_END = false };

/* --- the road of one file -------------------------------------------------------------------------- */

/* Asks for everything: whatever the tables say, an answer must come. */
static void look_up_all(const struct image *im)
{
	static const char *const names[] = {"func", "object", "local_tls", "outside", "", "nobody"};
	struct version v = {.name = "SAMPLE_1", .hash = hash_sysv("SAMPLE_1")};
	uint32_t n = hash_count(&im->st);

	ck_assert_uint_le(n, im->st.nsym);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct sym_request rq = sym_request(names[i]);

		for (int way = 0; way < 4; way++) {
			const elf_sym *s;

			rq.version = way & 1 ? &v : NULL;
			rq.newest = way & 2;
			s = hash_lookup(&im->st, &rq);
			ck_assert(!s || (s > im->st.sym && s < im->st.sym + im->st.nsym));
			hash_linear(&im->st, &rq);
		}
	}
	for (uint32_t i = 0; i < n; i++)
		ck_assert_ptr_nonnull(hash_name(&im->st, &im->st.sym[i]));
	hash_nearest(&im->st, im->map.bias + KIT_DATA);
	hash_nearest(&im->st, 0);
}

/* The one who would be called must at least be code. */
static const struct image *current;

static uintptr_t resolve(uintptr_t resolver, uint64_t hwcap)
{
	(void)hwcap;
	ck_assert_msg(map_has(&current->map, resolver - current->map.bias, 1, 4 /* PROT_EXEC */),
		      "an IFUNC resolver that is not code would have been called");
	return resolver;
}

static bool relocate(struct image *im, struct diag *d)
{
	_Atomic(struct scope_list *) list = scope_list_new(1);
	struct scope_chain *chain;
	bool ok;

	ck_assert(list && scope_chain_with(im, &list, &chain));
	scope_append(&list, im);
	scope_chain_publish(im, chain);
	current = im;
	arch_model_ifunc = resolve;
	ok = reloc_tls(im, d);
	if (im->tls.memsz)
		im->tls.place = TLS_STATIC; /* as tls_reserve would; not the subject here */
	ok = ok && reloc_bind(im, d) && reloc_ifunc(im, d) && map_protect(&im->map, im->path, d);
	arena_free(list);
	return ok;
}

static bool load(const char *path, struct diag *d)
{
	struct image *im;
	bool ok;

	diag_clear(d);
	im = kit_load_path(path, d);
	if (!im)
		return false;
	look_up_all(im);
	ok = relocate(im, d);
	image_free(im);
	return ok;
}
#endif

static void run_table(const char *layer, const struct kit_bad *b, size_t n)
{
	const struct kit_bad good = {.name = "undamaged"};
	const char *path = kit_path("bad.so");
	struct diag d;

	kit_damage(&good, path);
	load(path, &d); /* what is made once is there now */
	for (size_t i = 0; i < n; i++) {
		struct kit_trace before;
		bool ok;

		kit_damage(&b[i], path);
		before = kit_trace();
		ok = load(path, &d);
		kit_verdict(&b[i], ok, &d);
		kit_unchanged(&before, b[i].name);
		if (END_TO_END)
			kit_input(layer, b[i].name, ok);
	}
	kit_damage(&good, path);
	ck_assert_msg(load_elsewhere(path, &d), "%s", d.text);
}

#define RUN(layer, table) run_table(layer, table, sizeof(table) / sizeof((table)[0]))
#define NO_SYMBOL  .kind = DIAG_NO_SYMBOL, .phrase = "undefined symbol: "
#define FINE	   .kind = DIAG_NONE
#define BAD(text)  .kind = DIAG_BAD_ELF, .phrase = text

/* --- program headers ------------------------------------------------------------------------------- */

static uint64_t dynamic_len(const struct elfgen *e)
{
	return e->dynout.n * elfgen_entsize(e, ELFGEN_DYN);
}

static void without_null(struct elfgen *e)
{
	uint64_t len = dynamic_len(e) - elfgen_entsize(e, ELFGEN_DYN);

	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_memsz, PT_DYNAMIC, 0}, len);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_filesz, PT_DYNAMIC, 0}, len);
}

static void odd_dynamic(struct elfgen *e)
{
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_memsz, PT_DYNAMIC, 0}, dynamic_len(e) + 5);
}

START_TEST(headers)
{
	static const struct kit_bad table[] = {
		{"undamaged", FINE},
		{"two PT_DYNAMIC", {PH(p_type, PT_NOTE, 0, PT_DYNAMIC)}, BAD("more than one PT_DYNAMIC")},
		{"PT_DYNAMIC outside", {PH(p_vaddr, PT_DYNAMIC, 0, FAR)}, BAD("dynamic section outside")},
		{"PT_DYNAMIC in a gap", {PH(p_vaddr, PT_DYNAMIC, 0, KIT_TEXT - 0x1000)},
		 BAD("dynamic section outside")},
		{"PT_DYNAMIC too long", {PH(p_memsz, PT_DYNAMIC, 0, FAR)}, BAD("dynamic section outside")},
		{"PT_DYNAMIC odd", {PH(p_vaddr, PT_DYNAMIC, 0, KIT_RELRO + 1)}, BAD("dynamic section outside")},
		{"PT_DYNAMIC in zeros", {PH(p_vaddr, PT_DYNAMIC, 0, KIT_DATA + 0x1000)},
		 BAD("dynamic section outside")},
		{"PT_DYNAMIC over a segment's end", {PH(p_vaddr, PT_DYNAMIC, 0, KIT_DATA + 0x23b8)},
		 BAD("dynamic section outside")},
		{"PT_DYNAMIC of 0 bytes", {PH(p_memsz, PT_DYNAMIC, 0, 0)}, BAD("no DT_NULL")},
		{"no DT_NULL", .damage = without_null, BAD("no DT_NULL")},
		{"bytes behind DT_NULL", .damage = odd_dynamic, FINE},
		{"PT_TLS: filesz > memsz", {PH(p_filesz, PT_TLS, 0, 25)}, BAD("PT_TLS has an impossible size")},
		{"PT_TLS: huge", {PH(p_memsz, PT_TLS, 0, UINTPTR_MAX)}, BAD("PT_TLS has an impossible size")},
		{"PT_TLS: alignment 12", {PH(p_align, PT_TLS, 0, 12)}, BAD("PT_TLS alignment")},
		{"PT_TLS: alignment 2^30", {PH(p_align, PT_TLS, 0, 1 << 30)}, BAD("PT_TLS alignment")},
		{"PT_TLS: alignment 0", {PH(p_align, PT_TLS, 0, 0)}, FINE},
		{"PT_TLS outside", {PH(p_vaddr, PT_TLS, 0, FAR)}, BAD("PT_TLS outside the image")},
		{"PT_TLS over the end", {PH(p_vaddr, PT_TLS, 0, KIT_DATA - 4)}, BAD("PT_TLS outside")},
		{"two PT_TLS", {PH(p_type, PT_NOTE, 0, PT_TLS)}, BAD("more than one PT_TLS")},
		{"RELRO outside", {PH(p_vaddr, PT_GNU_RELRO, 0, FAR)}, BAD("PT_GNU_RELRO outside")},
		{"RELRO too long", {PH(p_memsz, PT_GNU_RELRO, 0, FAR)}, BAD("PT_GNU_RELRO outside")},
		{"RELRO wraps", {PH(p_memsz, PT_GNU_RELRO, 0, UINTPTR_MAX)}, BAD("PT_GNU_RELRO outside")},
		{"RELRO of an odd size", {PH(p_memsz, PT_GNU_RELRO, 0, 99)}, FINE},
		{"nobody reads PT_NOTE", {PH(p_vaddr, PT_NOTE, 0, FAR), PH(p_offset, PT_NOTE, 0, FAR),
		 PH(p_filesz, PT_NOTE, 0, FAR), PH(p_memsz, PT_NOTE, 0, FAR)}, FINE},
		{"nor PT_PHDR", {PH(p_vaddr, PT_PHDR, 0, FAR), PH(p_offset, PT_PHDR, 0, FAR)}, FINE},
		{"nor a note's sizes", {HIT(note_byte, 3, 0xff), HIT(note_byte, 7, 0xff)}, FINE},
		{"data on the page of a segment without rights", {PH(p_vaddr, PT_LOAD, 1, 0x800), PH(p_offset, PT_LOAD, 1,
		 0x800), PH(p_flags, PT_LOAD, 1, 0)}, BAD("share a page")},
		{"tables that cannot be read", {PH(p_flags, PT_LOAD, 0, 0)}, BAD("DT_STRTAB")},
		{"tables that can only be executed", {PH(p_flags, PT_LOAD, 0, PF_X)}, BAD("DT_STRTAB")},
		{"a dynamic section that can only be written", {PH(p_flags, PT_LOAD, 3, PF_W),
		 PH(p_type, PT_TLS, 0, PT_NULL)}, BAD("dynamic section outside")},
		{"data that cannot be written", {PH(p_flags, PT_LOAD, 4, PF_R)},
		 BAD("outside the writable segments")},
		{"a segment without bytes", {PH(p_filesz, PT_LOAD, 2, 0), PH(p_memsz, PT_LOAD, 2, 0)}, FINE},
		{"alignment 2^62", {PH(p_align, PT_LOAD, 0, 1ull << 62)}, .kind = DIAG_IO,
		 .phrase = "failed to map segment from shared object: Cannot allocate memory"},
		{"alignment 2^63", {PH(p_align, PT_LOAD, 0, 1ull << 63)}, .kind = DIAG_IO,
		 .phrase = "failed to map segment from shared object: Cannot allocate memory"},
		{"an EH frame outside is none", {PH(p_type, PT_NOTE, 0, PT_GNU_EH_FRAME),
		 PH(p_vaddr, PT_GNU_EH_FRAME, 0, FAR)}, FINE},
	};

	RUN("program headers", table);
}
END_TEST

/* --- dynamic section ------------------------------------------------------------------------------- */

/* The last one counts. */
static void two_strtabs(struct elfgen *e, uint64_t first, uint64_t second)
{
	for (uint64_t i = 0; i < e->table[ELFGEN_DYN].n; i++) {
		if (elfgen_get(e, ELFGEN_d_tag, i) == DT_RUNPATH)
			elfgen_set(e, ELFGEN_d_tag, i, DT_STRTAB);
		if (elfgen_get(e, ELFGEN_d_tag, i) != DT_STRTAB)
			continue;
		elfgen_set(e, ELFGEN_d_val, i, first);
		first = second;
	}
}

static void second_strtab(struct elfgen *e)
{
	two_strtabs(e, e->table[ELFGEN_STR].off, FAR);
}

static void first_strtab(struct elfgen *e)
{
	two_strtabs(e, FAR, e->table[ELFGEN_STR].off);
}

START_TEST(strings_and_symbols)
{
	static const struct kit_bad table[] = {
		{"no DT_STRTAB", {TAG(DT_STRTAB, UNUSED_TAG)}, BAD("no DT_STRTAB")},
		{"no DT_SYMTAB", {TAG(DT_SYMTAB, UNUSED_TAG)}, BAD("no DT_STRTAB or DT_SYMTAB")},
		{"DT_STRTAB outside", {DYN(DT_STRTAB, FAR)}, BAD("DT_STRTAB")},
		{"DT_STRTAB at the end of the address space", {DYN(DT_STRTAB, NEAR_END)}, BAD("DT_STRTAB")},
		{"DT_STRSZ 0", {DYN(DT_STRSZ, 0)}, BAD("DT_STRSZ")},
		{"no DT_STRSZ", {TAG(DT_STRSZ, UNUSED_TAG)}, BAD("DT_STRSZ")},
		{"DT_STRSZ beyond the segment", {DYN(DT_STRSZ, 0x10000)}, BAD("DT_STRSZ")},
		{"DT_STRSZ wraps", {DYN(DT_STRSZ, UINTPTR_MAX)}, BAD("DT_STRSZ")},
		{"no NUL at the end", {DYN(DT_STRSZ, 5)}, BAD("without final NUL")},
		{"DT_SYMENT", {DYN(DT_SYMENT, sizeof(elf_sym) + 8)}, BAD("DT_SYMENT")},
		{"DT_SYMTAB outside", {DYN(DT_SYMTAB, FAR)}, BAD("DT_SYMTAB outside")},
		{"DT_SYMTAB in a segment that cannot be read", {DYN(DT_SYMTAB, ELFGEN_VA(ELFGEN_RODATA)),
		 PH(p_flags, PT_LOAD, 2, 0)}, BAD("DT_SYMTAB outside")},
		{"DT_SYMTAB odd", {DYN(DT_SYMTAB, 0x201)}, BAD("DT_SYMTAB")},
		{"DT_NEEDED", {TAG(DT_RUNPATH, DT_NEEDED), DYN(DT_NEEDED, 0x10000)}, BAD("DT_NEEDED beyond")},
		{"DT_SONAME", {DYN(DT_SONAME, UINTPTR_MAX)}, BAD("beyond DT_STRSZ")},
		{"DT_RUNPATH", {DYN(DT_RUNPATH, 0x10000)}, BAD("beyond DT_STRSZ")},
		{"DT_RPATH", {TAG(DT_RUNPATH, DT_RPATH), DYN(DT_RPATH, 0x10000)}, BAD("beyond DT_STRSZ")},
		{"a symbol's name", {HIT(st_name, 2, 0x7fffffff), HIT(st_name, 1, 0xffffffff)},
		 NO_SYMBOL},
		{"a symbol's section", {HIT(st_shndx, 2, 0xff20)}, FINE},
		{"a symbol's type and binding", {HIT(st_info, 2, 0xff), HIT(st_other, 2, 0xff)}, FINE},
		{"a symbol's value", {HIT(st_value, 2, FAR), HIT(st_value, 3, (uint64_t)-1)}, FINE},
		{"a tag twice, the second wrong", .damage = second_strtab,
		 BAD("DT_STRTAB")},
		{"a tag twice, the first wrong", .damage = first_strtab, FINE},
		{"an unknown tag", {TAG(DT_RUNPATH, 0x6000000f /* DT_ANDROID_REL */)}, FINE},
		{"DF_1_PIE", {TAG(DT_RUNPATH, DT_FLAGS_1), DYN(DT_FLAGS_1, DF_1_PIE)}, .kind = DIAG_REFUSED,
		 .phrase = "cannot dynamically load position-independent executable"},
	};

	RUN("strings and symbols", table);
}
END_TEST

START_TEST(tables)
{
	static const struct kit_bad table[] = {
		{"other kind of relocations", {TAG(DT_RUNPATH, OTHER_REL)}, BAD("machine")},
		{"relocations outside", {DYN(REL, FAR)}, BAD("relocations outside")},
		{"relocations in a gap", {DYN(REL, KIT_TEXT - 0x100)}, BAD("relocations outside")},
		{"relocations unaligned", {DYN(REL, 0x203)}, BAD("relocations outside")},
		{"relocations' size odd", {DYN(RELSZ, 25)}, BAD("multiple")},
		{"relocations' size huge", {DYN(RELSZ, sizeof(elf_rela) * (UINTPTR_MAX / sizeof(elf_rela)))},
		 BAD("relocations outside")},
		{"size of one", {DYN(RELENT, 1)}, BAD("another size")},
		{"DT_JMPREL outside", {DYN(DT_JMPREL, FAR)}, BAD("DT_JMPREL outside")},
		{"DT_PLTRELSZ odd", {DYN(DT_PLTRELSZ, 7)}, BAD("multiple")},
		{"DT_PLTRELSZ huge", {DYN(DT_PLTRELSZ, sizeof(elf_rela) << 40)}, BAD("DT_JMPREL outside")},
		{"DT_PLTREL", {DYN(DT_PLTREL, OTHER_REL)}, BAD("DT_PLTREL")},
		{"no DT_PLTREL", {TAG(DT_PLTREL, UNUSED_TAG)}, BAD("DT_PLTREL")},
		{"DT_RELR outside", {DYN(DT_RELR, FAR)}, BAD("DT_RELR outside")},
		{"DT_RELRSZ odd", {DYN(DT_RELRSZ, 9)}, BAD("DT_RELRSZ")},
		{"DT_RELRSZ huge", {DYN(DT_RELRSZ, FAR)}, BAD("DT_RELR")},
		{"DT_RELRENT", {DYN(DT_RELRENT, 16)}, BAD("DT_RELRENT")},
		{"DT_INIT_ARRAY outside", {DYN(DT_INIT_ARRAY, FAR)}, BAD("array outside")},
		{"DT_INIT_ARRAYSZ odd", {DYN(DT_INIT_ARRAYSZ, 9)}, BAD("ARRAYSZ")},
		{"DT_INIT_ARRAYSZ huge", {DYN(DT_INIT_ARRAYSZ, FAR)}, BAD("array outside")},
		{"DT_FINI_ARRAY outside", {DYN(DT_FINI_ARRAY, NEAR_END)}, BAD("array outside")},
		{"DT_FINI_ARRAYSZ odd", {DYN(DT_FINI_ARRAYSZ, 1)}, BAD("ARRAYSZ")},
		{"DT_INIT in data", {TAG(DT_RUNPATH, DT_INIT), DYN(DT_INIT, KIT_DATA)}, BAD("not code")},
		{"DT_FINI outside", {TAG(DT_RUNPATH, DT_FINI), DYN(DT_FINI, FAR)}, BAD("not code")},
		{"DT_PLTGOT outside: no lazy binding", {DYN(DT_PLTGOT, FAR)}, FINE},
		{"DT_VERSYM outside", {DYN(DT_VERSYM, FAR)}, BAD("DT_VERSYM")},
		{"DT_VERSYM in a segment that cannot be read", {DYN(DT_VERSYM, ELFGEN_VA(ELFGEN_RODATA)),
		 PH(p_flags, PT_LOAD, 2, 0)}, BAD("DT_VERSYM outside")},
		{"DT_VERSYM odd", {DYN(DT_VERSYM, 0x201)}, BAD("DT_VERSYM")},
		{"DT_VERDEF outside", {DYN(DT_VERDEF, FAR)}, BAD("DT_VERDEF")},
		{"DT_VERNEED outside", {DYN(DT_VERNEED, NEAR_END)}, BAD("DT_VERNEED")},
	};

	RUN("dynamic section", table);
}
END_TEST

/* Tables at addresses that the CPU could read but C must not. */
static void shift_tables(struct elfgen *e)
{
	static const int64_t tags[] = {DT_GNU_HASH, DT_HASH, REL, DT_JMPREL, DT_RELR, DT_INIT_ARRAY};
	int64_t tag = tags[kit_random(sizeof(tags) / sizeof(tags[0]))];
	struct elfgen_place at = {ELFGEN_d_val, tag, 0};

	elfgen_poke(e, at, elfgen_peek(e, at) + 4);
}

START_TEST(half_aligned)
{
	struct kit_bad b = {"shifted by 4 bytes", .damage = shift_tables};
	struct diag d;

	for (int i = 0; i < 60; i++) {
		kit_damage(&b, kit_path("bad.so"));
		load(kit_path("bad.so"), &d);
	}
}
END_TEST

/* --- hashes ---------------------------------------------------------------------------------------- */

static void endless_chain(struct elfgen *e)
{
	uint64_t words = e->table[ELFGEN_GNU_HASH].n, at = elfgen_peek(e, (struct elfgen_place){ELFGEN_gnu_word, 0, 0});

	for (uint64_t i = 4 + elfgen_peek(e, (struct elfgen_place){ELFGEN_gnu_word, 0, 2}) *
		     sizeof(uintptr_t) / 4 + at; i < words; i++)
		elfgen_set(e, ELFGEN_gnu_word, i, elfgen_peek(e, (struct elfgen_place){ELFGEN_gnu_word, 0, (unsigned)i}) & ~1ull);
}

static void full_bloom(struct elfgen *e)
{
	uint64_t n = elfgen_peek(e, (struct elfgen_place){ELFGEN_gnu_word, 0, 2}) * sizeof(uintptr_t) / 4;

	for (uint64_t i = 4; i < 4 + n; i++)
		elfgen_set(e, ELFGEN_gnu_word, i, 0xffffffff);
	endless_chain(e);
}

/* Every bucket points at symbol 1, every symbol at itself. */
static void circles(struct elfgen *e)
{
	uint64_t nb = elfgen_peek(e, (struct elfgen_place){ELFGEN_hash_word, 0, 0});

	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_tag, DT_GNU_HASH, 0}, UNUSED_TAG);
	for (uint64_t i = 2; i < e->table[ELFGEN_HASH].n; i++)
		elfgen_set(e, ELFGEN_hash_word, i, i < 2 + nb ? 1 : i - 2 - nb);
}

static void circles_behind(struct elfgen *e)
{
	circles(e);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_tag, UNUSED_TAG, 0}, DT_GNU_HASH);
}

static void sysv_far(struct elfgen *e)
{
	circles(e);
	for (uint64_t i = 2; i < e->table[ELFGEN_HASH].n; i++)
		elfgen_set(e, ELFGEN_hash_word, i, 0xffffffff - i);
}

START_TEST(hashes)
{
	static const struct kit_bad table[] = {
		{"gnu: no buckets", {HIT(gnu_word, 0, 0)}, BAD("DT_GNU_HASH")},
		{"gnu: too many buckets", {HIT(gnu_word, 0, 0xffffffff)}, BAD("DT_GNU_HASH leaves")},
		{"gnu: no bloom words", {HIT(gnu_word, 2, 0)}, BAD("DT_GNU_HASH")},
		{"gnu: 3 bloom words", {HIT(gnu_word, 2, 3)}, BAD("DT_GNU_HASH")},
		{"gnu: too many bloom words", {HIT(gnu_word, 2, 0x80000000)}, BAD("DT_GNU_HASH leaves")},
		{"gnu: shift", {HIT(gnu_word, 3, 32)}, BAD("DT_GNU_HASH")},
		{"gnu: first symbol far away", {HIT(gnu_word, 1, 0xffffffff)}, NO_SYMBOL},
		{"gnu: first symbol 0", {HIT(gnu_word, 1, 0)}, FINE}, /* it asks for nothing but its own */
		{"gnu: outside", {DYN(DT_GNU_HASH, FAR)}, BAD("DT_GNU_HASH outside")},
		{"gnu: at the end", {DYN(DT_GNU_HASH, NEAR_END)}, BAD("DT_GNU_HASH outside")},
		{"gnu: odd", {DYN(DT_GNU_HASH, 0x199)}, BAD("DT_GNU_HASH")},
		{"gnu: chains without end", .damage = endless_chain, FINE},
		{"gnu: and a bloom filter that lets all through", .damage = full_bloom, FINE},
		{"gnu: without the old one's symbol count", {TAG(DT_HASH, UNUSED_TAG)}, .damage = full_bloom, FINE},
		{"sysv: no buckets", {HIT(hash_word, 0, 0)}, BAD("DT_HASH")},
		{"sysv: too many buckets", {HIT(hash_word, 0, 0xffffffff)}, BAD("DT_HASH leaves")},
		{"sysv: too many symbols", {HIT(hash_word, 1, 0xffffffff)}, BAD("DT_HASH leaves")},
		{"sysv: outside", {DYN(DT_HASH, FAR)}, BAD("DT_HASH outside")},
		{"sysv: chains in circles", .damage = circles, NO_SYMBOL},
		{"sysv: chains to nowhere", .damage = sysv_far, NO_SYMBOL},
		{"they disagree", .damage = circles_behind, FINE},
		{"neither", {TAG(DT_HASH, UNUSED_TAG), TAG(DT_GNU_HASH, UNUSED_TAG)}, NO_SYMBOL},
	};

	RUN("hash tables", table);
}
END_TEST

/* --- versions -------------------------------------------------------------------------------------- */

START_TEST(versions)
{
	static const struct kit_bad table[] = {
		{"vd_version 0", {HIT(vd_version, 0, 0)}, BAD("DT_VERDEF")},
		{"vd_version 2", {HIT(vd_version, 2, 2)}, BAD("DT_VERDEF")},
		{"vd_cnt 0", {HIT(vd_cnt, 1, 0)}, BAD("DT_VERDEF")},
		{"vd_aux outside", {HIT(vd_aux, 1, 0xffffffff)}, BAD("DT_VERDEF")},
		{"vd_aux odd", {HIT(vd_aux, 1, 21)}, BAD("DT_VERDEF")},
		{"vd_next outside", {HIT(vd_next, 0, 0x7ffffff0)}, BAD("DT_VERDEF")},
		{"vd_next odd", {HIT(vd_next, 0, 3)}, BAD("DT_VERDEF")},
		{"vd_next 0 ends the chain", {HIT(vd_next, 0, 0)}, FINE},
		{"vda_name", {HIT(vda_name, 1, 0xfffffff)}, BAD("DT_VERDEF")},
		{"vda_next is not followed", {HIT(vda_next, 2, 0xffffffff)}, FINE},
		{"vd_ndx 0x7fff", {HIT(vd_ndx, 1, 0x7fff)}, FINE},
		{"vn_version", {HIT(vn_version, 1, 9)}, BAD("DT_VERNEED")},
		{"vn_cnt larger than the chain", {HIT(vn_cnt, 0, 0xffff)}, FINE},
		{"vn_aux outside", {HIT(vn_aux, 0, 0xfffffff0)}, BAD("DT_VERNEED")},
		{"vn_aux odd", {HIT(vn_aux, 0, 17)}, BAD("DT_VERNEED")},
		{"vn_next outside", {HIT(vn_next, 0, 0xffff00)}, BAD("DT_VERNEED")},
		{"vn_next into the middle", {HIT(vn_next, 0, 2)}, BAD("DT_VERNEED")},
		{"vn_file", {HIT(vn_file, 1, 0xffff)}, BAD("DT_VERNEED")},
		{"vna_name", {HIT(vna_name, 0, 0xffffffff)}, BAD("DT_VERNEED")},
		{"vna_next outside", {HIT(vna_next, 0, 0x7ffffff0)}, BAD("DT_VERNEED")},
		{"vna_other 0x7fff", {HIT(vna_other, 0, 0x7fff)}, FINE},
		{"a symbol's version is none of them", {HIT(versym, 2, 0x7ffe), HIT(versym, 3, 0x7ffe)}, FINE},
		{"and hidden", {HIT(versym, 2, 0xffff), HIT(versym, 3, 0xffff), HIT(versym, 4, 0xffff),
		 HIT(versym, 5, 0xffff)}, NO_SYMBOL},
	};

	RUN("versions", table);
}
END_TEST

/* Fewer versions than symbols: the symbols without one do not exist. */
static void versym_at_the_end(struct elfgen *e)
{
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_val, DT_VERSYM, 0}, e->load[ELFGEN_HEAD].memsz - 4);
}

START_TEST(short_versym)
{
	static const struct kit_bad table[] = {
		{"DT_VERSYM for two symbols", .damage = versym_at_the_end, BAD("relocation names symbol")},
	};

	RUN("versions", table);
}
END_TEST

/* --- relocations ----------------------------------------------------------------------------------- */

static void no_tls(struct elfgen *e)
{
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_type, PT_TLS, 0}, PT_NULL);
}

static void ifuncs_in_data(struct elfgen *e)
{
	for (unsigned i = 2; i < e->table[ELFGEN_SYM].n; i++) {
		elfgen_set(e, ELFGEN_st_info, i, STB_GLOBAL << 4 | STT_GNU_IFUNC);
		elfgen_set(e, ELFGEN_st_value, i, KIT_DATA);
	}
}

/* The last word of the string table, in a segment that may be written. */
static void write_strings(struct elfgen *e, uint64_t off)
{
	elfgen_poke(e, (struct elfgen_place){ELFGEN_p_flags, PT_LOAD, 0}, PF_R | PF_W);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_r_offset, 0, 0},
		    e->table[ELFGEN_STR].off + e->table[ELFGEN_STR].n + off);
}

static void overwrite_strings(struct elfgen *e)
{
	write_strings(e, -1ull);
}

static void overwrite_behind_strings(struct elfgen *e)
{
	write_strings(e, 0);
}

static void overwrite_before_the_end(struct elfgen *e)
{
	write_strings(e, -1ull - sizeof(uintptr_t));
}

START_TEST(relocations)
{
	const uint32_t relative = kit_reloc(RELOC_RELATIVE), symbolic = kit_reloc(RELOC_SYMBOLIC);
	const uint32_t irelative = kit_reloc(RELOC_IRELATIVE), copy = kit_reloc(RELOC_COPY);
	const struct kit_bad table[] = {
		{"place in text", {HIT(r_offset, 0, KIT_TEXT)}, BAD("outside the writable segments")},
		{"place in a gap", {HIT(r_offset, 0, KIT_TEXT - 64)}, BAD("outside the writable segments")},
		{"place wraps", {HIT(r_offset, 0, UINTPTR_MAX - 3)}, BAD("outside the writable segments")},
		{"PLT slot in text", {HIT(plt_offset, 0, KIT_TEXT)}, BAD("outside the writable segments")},
		{"unknown type", {HIT(r_info, 0, INFO(0, 0xee))}, BAD("unexpected reloc type 0xee")},
		{"unknown type in the PLT", {HIT(plt_info, 0, INFO(1, 0xed))}, BAD("unexpected reloc type 0xed")},
		{"symbol 2^24 - 1", {HIT(r_info, 1, INFO(0xffffff, symbolic))}, BAD("relocation names symbol")},
		{"symbol 6", {HIT(r_info, 1, INFO(6, symbolic))}, BAD("relocation names symbol")},
		{"symbol 0", {HIT(r_info, 1, INFO(0, symbolic))}, FINE},
		{"PLT symbol 99", {HIT(plt_info, 0, INFO(99, kit_reloc(RELOC_PLT)))},
		 BAD("relocation names symbol")},
		{"no name", {HIT(st_name, 1, 0)}, FINE}, /* undefined and weak */
		{"COPY", {HIT(r_info, 1, INFO(2, copy))}, BAD("copy relocation")},
		{"IRELATIVE to data", {HIT(r_info, 0, INFO(0, irelative)), HIT(r_addend, 0, KIT_DATA)},
		 BAD("not code")},
		{"IRELATIVE to nowhere", {HIT(r_info, 0, INFO(0, irelative)), HIT(r_addend, 0, FAR)},
		 BAD("not code")},
		{"an IFUNC outside code", {HIT(r_info, 2, 0) /* the thread-local one */}, .damage = ifuncs_in_data, BAD("not code")},
		{"thread-local without PT_TLS", .damage = no_tls, BAD("no PT_TLS")},
		{"thread-local reference to code", {HIT(st_info, 4, STB_GLOBAL << 4 | STT_FUNC),
		 HIT(st_info, 2, STB_GLOBAL << 4 | STT_FUNC), HIT(st_info, 3, STB_GLOBAL << 4 | STT_FUNC),
		 HIT(st_info, 5, STB_GLOBAL << 4 | STT_FUNC)}, BAD("not thread-local")},
		{"RELR: first word is a bitmap", {HIT(relr, 0, 3)}, BAD("outside the writable segments")},
		{"RELR: outside", {HIT(relr, 0, FAR)}, BAD("outside the writable segments")},
		{"RELR: in text", {HIT(relr, 0, KIT_TEXT)}, BAD("outside the writable segments")},
		{"RELR: a full bitmap", {HIT(relr, 0, KIT_DATA), HIT(relr, 1, UINTPTR_MAX)}, FINE},
		{"RELR: last word of the image and further", {HIT(relr, 0, KIT_DATA + 128 + 0x2345 - 8),
		 HIT(relr, 1, 3)}, BAD("outside the writable segments")},
		{"place: the end of the string table", .damage = overwrite_strings, BAD("the string table")},
		{"place: behind the string table", .damage = overwrite_behind_strings, FINE},
		{"place: in the string table", .damage = overwrite_before_the_end, FINE},
		{"relative in bss", {HIT(r_offset, 0, KIT_DATA + 0x1000), HIT(r_info, 0, INFO(0, relative))}, FINE},
	};

	RUN("relocations", table);
}
END_TEST

/* --- chance ---------------------------------------------------------------------------------------- */

/* A few random bytes anywhere in the tables: any verdict, but no crash and nothing left. */
START_TEST(random_bytes)
{
	struct elfgen *e = kit_sample();
	unsigned char *good;
	unsigned refused = 0;
	struct kit_trace before;

	elfgen_build(e);
	good = malloc(e->len);
	memcpy(good, e->buf, e->len);
	for (int i = 0; i < kit_rounds(6000); i++) {
		struct diag d;

		memcpy(e->buf, good, e->len);
		for (unsigned k = 1 + kit_random(4); k; k--) {
			uint64_t off = kit_random(3) ? kit_random((uint32_t)e->load[ELFGEN_HEAD].filesz) :
				       e->table[ELFGEN_DYN].off + kit_random((uint32_t)dynamic_len(e));

			e->buf[off] = (unsigned char)(kit_random(2) ? kit_random(256) : e->buf[off] + 8u);
		}
		elfgen_write(e, kit_path("chance.so"));
		if (i == 100)
			before = kit_trace();
		refused += !load(kit_path("chance.so"), &d);
	}
	kit_unchanged(&before, "random bytes");
	ck_assert_uint_gt(refused, 1000);
	free(good);
	elfgen_free(e);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, headers);
	tcase_add_test(tc, strings_and_symbols);
	tcase_add_test(tc, tables);
	if (!END_TO_END)
		tcase_add_test(tc, half_aligned);
	tcase_add_test(tc, hashes);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, short_versym);
	tcase_add_test(tc, relocations);
	if (!END_TO_END)
		tcase_add_test(tc, random_bytes);
}

#ifdef KIT_DLOPEN
KIT_DLOPEN_MAIN("bad files by dlopen", add)
#else
KIT_MAIN("bad", add)
#endif

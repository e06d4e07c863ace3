/* SPDX-License-Identifier: MIT */
/*
 * check_file: opening a file and judging its headers.
 *
 * The rules: only regular files; every header field that a later stage believes is checked, with
 * DIAG_BAD_FILE where a search may go on (another machine's library) and DIAG_BAD_ELF where it may not;
 * fields that no loader needs may hold anything; whatever happens, nothing stays open.  The tables run again
 * (KIT_DLOPEN) by dlopen with libdlrs preloaded.
 */
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OTHER_CLASS (ELF_CLASS == ELFCLASS64 ? ELFCLASS32 : ELFCLASS64)
#define OTHER_DATA  (ELF_DATA == ELFDATA2LSB ? ELFDATA2MSB : ELFDATA2LSB)
#define FAR	    (1ull << (8 * sizeof(uintptr_t) - 1))

#ifdef KIT_DLOPEN
enum { END_TO_END = true };
#define judge(path, d) kit_dlopen(path, d)
#else
enum { END_TO_END = false };

static bool judge(const char *path, struct diag *d)
{
	struct file f;
	bool ok;

	diag_clear(d);
	if (!file_open(&f, path, d))
		return false;
	ok = file_headers(&f, d);
	file_close(&f);
	ck_assert_int_eq(f.fd, -1);
	return ok;
}
#endif

static void run_table(const char *layer, const struct kit_bad *b, size_t n)
{
	const char *path = kit_path("bad.so");
	struct diag d;

	for (size_t i = 0; i < n; i++) {
		struct kit_trace before;
		bool ok;

		kit_damage(&b[i], path);
		judge(path, &d); /* the arena has its memory now */
		before = kit_trace();
		ok = judge(path, &d);
		if (!END_TO_END || b[i].kind != DIAG_NONE) /* later stages may object */
			kit_verdict(&b[i], ok, &d);
		kit_unchanged(&before, b[i].name);
		if (END_TO_END)
			kit_input(layer, b[i].name, ok);
	}
}

#define RUN(layer, table) run_table(layer, table, sizeof(table) / sizeof((table)[0]))

/* --- damaged headers ------------------------------------------------------------------------------- */

START_TEST(ident)
{
	static const struct kit_bad table[] = {
		{"undamaged", .kind = DIAG_NONE},
		{"magic 0", {HIT(byte, 0, 0)}, .kind = DIAG_BAD_ELF, .phrase = "invalid ELF header"},
		{"magic 3", {HIT(byte, 3, 'f')}, .kind = DIAG_BAD_ELF, .phrase = "invalid ELF header"},
		{"other class", {HIT(byte, EI_CLASS, OTHER_CLASS)}, .kind = DIAG_BAD_FILE,
		 .phrase = "wrong ELF class: ELFCLASS"},
		{"no class", {HIT(byte, EI_CLASS, 0)}, .kind = DIAG_BAD_FILE, .phrase = "wrong ELF class"},
		{"other byte order", {HIT(byte, EI_DATA, OTHER_DATA)}, .kind = DIAG_BAD_FILE,
		 .phrase = "data encoding"},
		{"version 0", {HIT(byte, EI_VERSION, 0)}, .kind = DIAG_BAD_ELF, .phrase = "version ident"},
		{"OSABI Solaris", {HIT(byte, EI_OSABI, ELFOSABI_SOLARIS)}, .kind = DIAG_BAD_ELF,
		 .phrase = "OS ABI"},
		{"OSABI GNU", {HIT(byte, EI_OSABI, ELFOSABI_GNU)}, .kind = DIAG_NONE},
		{"ABI version 1", {HIT(byte, EI_ABIVERSION, 1)}, .kind = DIAG_BAD_ELF,
		 .phrase = "ABI version"},
		{"ABI version 9 of GNU", {HIT(byte, EI_OSABI, ELFOSABI_GNU), HIT(byte, EI_ABIVERSION, 9)},
		 .kind = DIAG_BAD_ELF, .phrase = "ABI version"},
		{"padding", {HIT(byte, 15, 1)}, .kind = DIAG_BAD_ELF, .phrase = "padding"},
	};

	RUN("e_ident", table);
}
END_TEST

START_TEST(header)
{
	static const struct kit_bad table[] = {
		{"e_version", {HIT(e_version, 0, 2)}, .kind = DIAG_BAD_ELF, .phrase = "file version"},
		{"e_machine", {HIT(e_machine, 0, EM_NONE)}, .kind = DIAG_BAD_FILE, .phrase = "machine"},
		{"ET_EXEC", {HIT(e_type, 0, ET_EXEC)}, .kind = DIAG_REFUSED,
		 .phrase = "cannot dynamically load executable"},
		{"ET_REL", {HIT(e_type, 0, ET_REL)}, .kind = DIAG_BAD_ELF, .phrase = "only ET_DYN"},
		{"ET_CORE", {HIT(e_type, 0, ET_CORE)}, .kind = DIAG_BAD_ELF, .phrase = "only ET_DYN"},
		{"e_phentsize", {HIT(e_phentsize, 0, sizeof(elf_phdr) + 1)}, .kind = DIAG_BAD_ELF,
		 .phrase = "phentsize"},
		{"e_phentsize 0", {HIT(e_phentsize, 0, 0)}, .kind = DIAG_BAD_ELF, .phrase = "phentsize"},
		{"e_phnum 0", {HIT(e_phnum, 0, 0)}, .kind = DIAG_BAD_ELF, .phrase = "program headers"},
		{"PN_XNUM", {HIT(e_phnum, 0, PN_XNUM)}, .kind = DIAG_BAD_ELF, .phrase = "program headers"},
		{"e_phnum 65536 / size + 1", {HIT(e_phnum, 0, 65536 / sizeof(elf_phdr) + 1)},
		 .kind = DIAG_BAD_ELF, .phrase = "program header"},
		{"e_phoff at the end", {HIT(e_phoff, 0, 0x100000)}, .kind = DIAG_BAD_ELF,
		 .phrase = "outside the file"},
		{"e_phoff wraps", {HIT(e_phoff, 0, (uintptr_t)-8)}, .kind = DIAG_BAD_ELF,
		 .phrase = "outside the file"},
		{"e_phoff odd", {HIT(e_phoff, 0, sizeof(elf_ehdr) + 1)}, .kind = DIAG_BAD_ELF,
		 .phrase = "program header"},
		{"section headers are nobody's business",
		 {HIT(e_shoff, 0, FAR), HIT(e_shentsize, 0, 3), HIT(e_shnum, 0, 0xffff),
		  HIT(e_shstrndx, 0, 0xfff0)}, .kind = DIAG_NONE},
		{"nor the entry point and the header's size",
		 {HIT(e_entry, 0, FAR), HIT(e_ehsize, 0, 1)}, .kind = DIAG_NONE},
	};

	RUN("ELF header", table);
}
END_TEST

static void page_off_by_one(struct elfgen *e)
{
	struct elfgen_place off = {ELFGEN_p_offset, PT_LOAD, 4};

	elfgen_poke(e, off, elfgen_peek(e, off) + 8);
}

static void beyond_end(struct elfgen *e)
{
	elfgen_resize(e, e->len - 1);
}

START_TEST(segments)
{
	static const struct kit_bad table[] = {
		{"no PT_LOAD", {PH(p_type, PT_LOAD, 4, 0), PH(p_type, PT_LOAD, 3, 0),
		 PH(p_type, PT_LOAD, 2, 0), PH(p_type, PT_LOAD, 1, 0)}, .kind = DIAG_NONE},
		{"p_filesz beyond the file", {PH(p_filesz, PT_LOAD, 1, 0x100000),
		 PH(p_memsz, PT_LOAD, 1, 0x100000)}, .kind = DIAG_BAD_ELF, .phrase = "file too short"},
		{"one byte missing", .damage = beyond_end, .kind = DIAG_BAD_ELF,
		 .phrase = "file too short"},
		{"p_offset + p_filesz wraps", {PH(p_offset, PT_LOAD, 1, (uintptr_t)-4096)},
		 .kind = DIAG_BAD_ELF, .phrase = "file too short"},
		{"p_filesz > p_memsz", {PH(p_memsz, PT_LOAD, 1, 1)}, .kind = DIAG_BAD_ELF,
		 .phrase = "memory size"},
		{"p_vaddr + p_memsz wraps", {PH(p_memsz, PT_LOAD, 4, (uintptr_t)-4096)},
		 .kind = DIAG_BAD_ELF, .phrase = "wraps"},
		{"the span is half the address space", {PH(p_memsz, PT_LOAD, 4, FAR)},
		 .kind = DIAG_BAD_ELF, .phrase = "wraps"},
		{"descending", {PH(p_vaddr, PT_LOAD, 4, 0x3ff000)}, .kind = DIAG_BAD_ELF,
		 .phrase = "overlap or do not ascend"},
		{"overlapping", {PH(p_memsz, PT_LOAD, 1, 0x400001)}, .kind = DIAG_BAD_ELF,
		 .phrase = "overlap or do not ascend"},
		{"p_align 3", {PH(p_align, PT_LOAD, 1, 3)}, .kind = DIAG_BAD_ELF, .phrase = "alignment"},
		{"p_align less than a page", {PH(p_align, PT_LOAD, 1, 512)}, .kind = DIAG_BAD_ELF,
		 .phrase = "alignment"},
		{"p_align 0", {PH(p_align, PT_LOAD, 1, 0)}, .kind = DIAG_NONE},
		{"p_align 1", {PH(p_align, PT_LOAD, 1, 1)}, .kind = DIAG_NONE},
		{"offset and address differ in the page", .damage = page_off_by_one,
		 .kind = DIAG_BAD_ELF, .phrase = "load command address/offset not"},
		{"no PT_DYNAMIC", {PH(p_type, PT_DYNAMIC, 0, PT_NULL)}, .kind = DIAG_BAD_ELF,
		 .phrase = "no dynamic section"},
		{"p_paddr", {PH(p_paddr, PT_LOAD, 1, FAR)}, .kind = DIAG_NONE},
		{"unknown types", {PH(p_type, PT_NOTE, 0, 0x6fffffff)}, .kind = DIAG_NONE},
		{"unknown p_flags", {PH(p_flags, PT_LOAD, 1, 0xfffffff5)}, .kind = DIAG_NONE},
	};
	struct kit_bad none = {"no PT_LOAD at all", .kind = DIAG_BAD_ELF, .phrase = "no loadable segments"};
	struct elfgen *e = elfgen_new(ARCH_EM);
	struct diag d;

	RUN("PT_LOAD", table);
	e->bare = true;
	elfgen_phdr(e, &(struct elfgen_phdr){.type = PT_DYNAMIC, .filesz = 64, .memsz = 64});
	elfgen_build(e);
	elfgen_write(e, kit_path("none.so"));
	kit_verdict(&none, judge(kit_path("none.so"), &d), &d);
}
END_TEST

/* --- odd files ------------------------------------------------------------------------------------- */

static void expect(const char *what, const char *path, enum diag_kind kind, const char *phrase)
{
	struct kit_bad b = {.name = what, .kind = kind, .phrase = phrase};
	struct kit_trace before = kit_trace();
	struct diag d;

	kit_verdict(&b, judge(path, &d), &d);
	if (END_TO_END)
		kit_input("file", what, false);
	ck_assert_msg(strstr(d.text, path) == d.text, "%s: the message does not start with the path", what);
	kit_unchanged(&before, what);
}

static const char *make_socket(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
	ck_assert(!bind(fd, (struct sockaddr *)&at, sizeof(at)));
	close(fd);
	return path;
}

START_TEST(not_a_library)
{
	FILE *f = fopen(kit_path("script"), "w");

	fputs("/* GNU ld script */ INPUT ( libfoo.so.1 ) and some more so that it is not too short\n", f);
	fclose(f);
	ck_assert(mkfifo(kit_path("fifo"), 0600) == 0 && symlink("loop", kit_path("loop")) == 0);
	ck_assert(mkdir(kit_path("folder"), 0700) == 0);
	expect("missing", kit_path("missing"), DIAG_NOT_FOUND,
	       "cannot open shared object file: No such file or directory");
	expect("in a missing directory", kit_path("no/such"), DIAG_NOT_FOUND, "No such file or directory");
	expect("directory", kit_path("folder"), DIAG_IO, "cannot read file data: Is a directory");
	expect("device", "/dev/zero", DIAG_IO, "cannot read file data");
	expect("fifo", kit_path("fifo"), DIAG_IO, "cannot read file data");
	expect("symbolic link to itself", kit_path("loop"), DIAG_IO, "cannot open shared object file");
	expect("socket", make_socket(kit_path("socket")), DIAG_IO, "No such device or address");
	expect("linker script", kit_path("script"), DIAG_BAD_ELF, "invalid ELF header");
}
END_TEST

START_TEST(short_files)
{
	struct elfgen *e = kit_sample();
	char what[32];
	const size_t lengths[] = {0, 1, 3, 4, 15, 16, sizeof(elf_ehdr) - 1};

	elfgen_build(e);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		elfgen_resize(e, lengths[sizeof(lengths) / sizeof(lengths[0]) - 1 - i]);
		elfgen_write(e, kit_path("short"));
		snprintf(what, sizeof(what), "%zu bytes", e->len);
		expect(what, kit_path("short"), DIAG_BAD_ELF, "file too short");
	}
	elfgen_free(e);
}
END_TEST

/* A truncated library is refused wherever it was cut. */
START_TEST(cut_anywhere)
{
	struct elfgen *e = kit_sample();
	struct diag d;

	elfgen_build(e);
	for (size_t len = e->len; len-- > 0; len -= len > 2000 ? kit_random(997) : 0) {
		elfgen_resize(e, len);
		elfgen_write(e, kit_path("cut"));
		ck_assert_msg(!judge(kit_path("cut"), &d), "cut to %zu bytes: accepted", len);
		ck_assert_msg(END_TO_END || d.kind == DIAG_BAD_ELF, "cut to %zu bytes: %s", len, d.text);
	}
	elfgen_free(e);
}
END_TEST

/* --- reading --------------------------------------------------------------------------------------- */

START_TEST(what_is_read)
{
	struct elfgen *e = kit_sample();
	struct diag d = {0};
	struct stat st;
	struct file f;

	elfgen_build(e);
	elfgen_write(e, kit_path("good.so"));
	ck_assert(stat(kit_path("good.so"), &st) == 0);
	ck_assert(file_open(&f, kit_path("good.so"), &d));
	ck_assert_int_gt(f.fd, 2);
	ck_assert_int_ne(fcntl(f.fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_uint_eq(f.ino, st.st_ino);
	ck_assert_uint_eq(f.dev, st.st_dev);
	ck_assert_uint_eq(f.size, e->len);
	ck_assert_msg(file_headers(&f, &d), "%s", d.text);
	ck_assert_uint_eq(f.phnum, e->table[ELFGEN_PHDR].n);
	ck_assert_int_eq(memcmp(f.ph, e->buf + e->table[ELFGEN_PHDR].off, f.phnum * sizeof(*f.ph)), 0);
	ck_assert_ptr_null(f.ph_block);
	file_close(&f);
	file_close(&f); /* twice is allowed */
	elfgen_free(e);
}
END_TEST

/* Whole libraries of other machines: a search goes on behind them. */
START_TEST(other_machines)
{
	for (int i = 0; i < 4; i++) {
		struct elfgen *e = elfgen_new(i & 1 ? EM_386 : ARCH_EM);
		struct diag d;

		e->class = i & 1 ? ELFCLASS32 : ELFCLASS64;
		e->data = i & 2 ? ELFDATA2MSB : ELFDATA2LSB;
		if (e->class == ELF_CLASS && e->data == ELF_DATA)
			e->machine = EM_NONE;
		elfgen_def(e, "x", 8);
		elfgen_build(e);
		elfgen_write(e, kit_path("other.so"));
		ck_assert(!judge(kit_path("other.so"), &d));
		ck_assert_msg(d.kind == DIAG_BAD_FILE, "%s", d.text);
		elfgen_free(e);
	}
}
END_TEST

/* The program headers may lie anywhere; the block they are read into goes with the file. */
START_TEST(headers_elsewhere)
{
	const uint64_t places[] = {FILE_HEAD - 8, FILE_HEAD, 5000 * 8};
	struct diag d = {0};

	for (int i = 0; i < 3; i++) {
		struct elfgen *e = kit_sample();
		struct kit_trace before;
		struct file f;
		uint64_t off = places[i], old;
		size_t len;

		elfgen_build(e);
		old = e->table[ELFGEN_PHDR].off;
		len = e->table[ELFGEN_PHDR].n * sizeof(elf_phdr);
		off = e->len > off ? (e->len + 7) & ~7ull : off;
		elfgen_resize(e, off + len);
		memcpy(e->buf + off, e->buf + old, len);
		memset(e->buf + old, 0, len);
		elfgen_poke(e, (struct elfgen_place){ELFGEN_e_phoff, 0, 0}, off);
		elfgen_write(e, kit_path("far.so"));
		before = kit_trace();
		ck_assert(file_open(&f, kit_path("far.so"), &d));
		ck_assert_msg(file_headers(&f, &d), "%s", d.text);
		ck_assert_int_eq(memcmp(f.ph, e->buf + off, len), 0);
		file_close(&f);
		kit_unchanged(&before, "program headers elsewhere");
		elfgen_free(e);
	}
}
END_TEST

/* The gate for file offsets: exact at both ends, and no sum of its own can overflow. */
START_TEST(range)
{
	const struct file f = {.size = 1000};

	ck_assert(file_range(&f, 0, 0) && file_range(&f, 0, 1000) && file_range(&f, 1000, 0));
	ck_assert(file_range(&f, 999, 1) && !file_range(&f, 999, 2) && !file_range(&f, 1001, 0));
	ck_assert(!file_range(&f, 1, UINT64_MAX) && !file_range(&f, UINT64_MAX, 1));
	ck_assert(!file_range(&f, UINT64_MAX, UINT64_MAX) && !file_range(&f, 0, UINT64_MAX));
}
END_TEST

/* Whatever host call fails: an error with a text, nothing left open. */
START_TEST(every_call_fails)
{
	struct elfgen *e = kit_sample();
	struct diag d;

	elfgen_build(e);
	elfgen_write(e, kit_path("good.so"));
	ck_assert(judge(kit_path("good.so"), &d));
	for (unsigned n = 1;; n++) {
		struct kit_trace before = kit_trace();
		bool ok;

		kit_fail(n);
		ok = judge(kit_path("good.so"), &d);
		kit_fail(0);
		kit_unchanged(&before, "a failed open");
		if (!kit_failed())
			break;
		ck_assert_msg(!ok && d.kind != DIAG_NONE && d.text[0], "call %u failed unnoticed", n);
		ck_assert_uint_lt(n, 100);
	}
	elfgen_free(e);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, ident);
	tcase_add_test(tc, header);
	tcase_add_test(tc, segments);
	tcase_add_test(tc, not_a_library);
	tcase_add_test(tc, short_files);
	tcase_add_test(tc, cut_anywhere);
	if (END_TO_END)
		return;
	tcase_add_test(tc, what_is_read);
	tcase_add_test(tc, other_machines);
	tcase_add_test(tc, headers_elsewhere);
	tcase_add_test(tc, range);
	tcase_add_test(tc, every_call_fails);
}

#ifdef KIT_DLOPEN
KIT_DLOPEN_MAIN("bad headers by dlopen", add)
#else
KIT_MAIN("file", add)
#endif

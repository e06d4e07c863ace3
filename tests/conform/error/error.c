/* SPDX-License-Identifier: MIT
 * What dlerror says when dlopen fails: glibc's words on both sides; with libdlrs the text goes on, and the second
 * pattern of each check says what else it must name. Nothing may stay mapped or open after any of them.
 *
 * BUILD error:
 */
#include "twin.h"
#include <elf.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char text[16384];

/* dlopen(path) must fail, saying "path: problem". */
static void fails_as(const char *path, const char *problem, const char *more)
{
	int fds;

	ok(!dlopen(path, RTLD_NOW));
	snprintf(text, sizeof text, "%s: %s", path, problem);
	error_is(text, more);
	twin_maps_remember();
	fds = twin_fds();
	ok(!dlopen(path, RTLD_NOW));
	error_is(text, more);
	if (TWIN_FAILURES_LEAVE_NOTHING)
		maps_unchanged();
	eq(twin_fds(), fds);
	load("./libgood.so", RTLD_NOW);
}

static const char *damaged(long off, const void *bytes, size_t len)
{
	const char *path = twin_copy("libgood.so", twin_tmp("damaged.so"));

	twin_patch(path, off, bytes, len);
	return path;
}

#define damage(field, ...)                                                                         \
	damaged(offsetof(Elf64_Ehdr, field), &(__typeof__(((Elf64_Ehdr *)0)->field)){__VA_ARGS__}, \
		sizeof((Elf64_Ehdr *)0)->field)

static const char *file_with(const char *content, size_t len)
{
	const char *path = twin_tmp("file.so");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	ok(fd >= 0 && write(fd, content, len) == (ssize_t)len);
	close(fd);
	return path;
}

CASE(missing_file)
{
	fails_as("./nosuch.so", "cannot open shared object file: No such file or directory", NULL);
}

CASE(missing_bare_name)
{
	fails_as("libnosuch.so.1", "cannot open shared object file: No such file or directory",
		 "searched.*/lib");
}

CASE(missing_bare_name_that_resembles_one)
{
	load("./libgood.so", RTLD_NOW);
	fails_as("libm.so.99", "cannot open shared object file: No such file or directory",
		 "searched");
}

CASE(missing_dependency)
{
	ok(!dlopen("./libroot.so", RTLD_NOW));
	error_is("libabsent.so: cannot open shared object file: No such file or directory",
		 "libmiddle.so.*libroot.so.*searched");
	eq(twin_mapped("/libroot.so"), 0);
	eq(twin_mapped("/libmiddle.so"), 0);
}

CASE(missing_directory)
{
	fails_as("./nosuchdir/lib.so", "cannot open shared object file: No such file or directory",
		 NULL);
	fails_as("./libgood.so/lib.so", "cannot open shared object file: Not a directory", NULL);
}

CASE(symlink_loop)
{
	const char *path = twin_tmp("loop.so");

	eq(symlink("loop.so", path), 0);
	fails_as(path, "cannot open shared object file: Too many levels of symbolic links", NULL);
}

CASE(no_permission)
{
	const char *path = twin_copy("libgood.so", twin_tmp("secret.so"));

	chmod(path, 0);
	if (geteuid() == 0) {
		chmod(twin_tmp("."), 0755);
		if (access("/", X_OK) || seteuid(65534))
			twin_skip("cannot become another user");
	}
	ok(!dlopen(path, RTLD_NOW));
	const char *got = dlerror();
	if (!got || !strstr(got, "cannot open shared object file: Permission denied"))
		fail("\"%s\"", got ? got : "(null)");
}

CASE(too_many_open_files)
{
	struct rlimit limit = {3, 3};

	setrlimit(RLIMIT_NOFILE, &limit);
	ok(!dlopen("./libgood.so", RTLD_NOW));
	error_is("./libgood.so: cannot open shared object file: Too many open files", NULL);
}

CASE(directory)
{
	fails_as(twin_tmp(""), "cannot read file data: Is a directory", NULL);
}

CASE(not_elf)
{
	char zeros[4096] = "#!/bin/sh\necho this is a script\n";

	fails_as(file_with(zeros, sizeof zeros), "invalid ELF header", NULL);
}

CASE(linker_script)
{
	const char script[] = "/* GNU ld script */ INPUT(libgood.so)                               "
			      "                    ";

	fails_as(file_with(script, sizeof script - 1), "invalid ELF header", NULL);
}

CASE(empty_file)
{
	fails_as(file_with("", 0), "file too short", NULL);
}

CASE(short_file)
{
	fails_as(file_with("\177ELF\2\1\1", 7), "file too short", NULL);
}

CASE(device)
{
	ok(!dlopen("/dev/null", RTLD_NOW));
	if (TWIN_REGULAR_FILES_ONLY)
		error_is("/dev/null: cannot read file data", "regular");
	else
		error_is("/dev/null: file too short", NULL);
}

CASE(fifo)
{
	const char *path = twin_tmp("fifo.so");

	eq(mkfifo(path, 0755), 0);
	if (TWIN_REGULAR_FILES_ONLY)
		fails_as(path, "cannot read file data", "regular");
}

CASE(truncated_before_the_segments)
{
	const char *path = twin_copy("libgood.so", twin_tmp("cut.so"));

	eq(truncate(path, 0x100), 0);
	ok(!dlopen(path, RTLD_NOW));
	puts(dlerror() ? "refused" : "");
}

CASE(wrong_class)
{
	unsigned char ident[EI_NIDENT] = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT};

	fails_as(damaged(0, ident, sizeof ident), "wrong ELF class: ELFCLASS32", NULL);
}

CASE(wrong_machine)
{
	ok(!dlopen(damage(e_machine, EM_AARCH64), RTLD_NOW));
	puts("refused");
	snprintf(text, sizeof text, "%s: ", twin_tmp("damaged.so"));
	ok(dlerror());
}

CASE(wrong_byte_order)
{
	unsigned char ident[EI_NIDENT] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2MSB, EV_CURRENT};

	fails_as(damaged(0, ident, sizeof ident), "ELF file data encoding not little-endian", NULL);
}

CASE(wrong_ident_version)
{
	unsigned char ident[EI_NIDENT] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 9};

	fails_as(damaged(0, ident, sizeof ident),
		 "ELF file version ident does not match current one", NULL);
}

CASE(wrong_os_abi)
{
	unsigned char ident[EI_NIDENT] = {0x7f,	      'E',	   'L',	       'F',
					  ELFCLASS64, ELFDATA2LSB, EV_CURRENT, 77};

	fails_as(damaged(0, ident, sizeof ident), "ELF file OS ABI invalid", NULL);
}

CASE(nonzero_padding)
{
	unsigned char ident[EI_NIDENT] = {0x7f,	       'E',	   'L', 'F', ELFCLASS64,
					  ELFDATA2LSB, EV_CURRENT, 0,	0,   1};

	fails_as(damaged(0, ident, sizeof ident), "nonzero padding in e_ident", NULL);
}

CASE(wrong_version)
{
	fails_as(damage(e_version, 9), "ELF file version does not match current one", NULL);
}

CASE(wrong_type)
{
	fails_as(damage(e_type, ET_CORE), "only ET_DYN and ET_EXEC can be loaded", NULL);
	fails_as("./object.o", "only ET_DYN and ET_EXEC can be loaded", NULL);
}

CASE(wrong_header_size)
{
	fails_as(damage(e_phentsize, 32), "ELF file's phentsize not the expected size", NULL);
}

CASE(position_independent_program)
{
	twin_copy("error", twin_tmp("other"));
	fails_as(twin_tmp("other"), "cannot dynamically load position-independent executable",
		 NULL);
}

/* Writes a program header of the damaged copy: `at` is its index by type. */
static void patch_phdr(const char *path, unsigned type, Elf64_Phdr (*change)(Elf64_Phdr))
{
	FILE *f = fopen(path, "r");
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	ok(f && fread(&eh, sizeof eh, 1, f) == 1);
	for (int i = 0; i < eh.e_phnum; i++) {
		long off = eh.e_phoff + i * sizeof ph;

		ok(!fseek(f, off, SEEK_SET) && fread(&ph, sizeof ph, 1, f) == 1);
		if (ph.p_type == type) {
			ph = change(ph);
			twin_patch(path, off, &ph, sizeof ph);
		}
	}
	fclose(f);
}

static Elf64_Phdr nullified(Elf64_Phdr ph)
{
	ph.p_type = PT_NULL;
	return ph;
}

static Elf64_Phdr shifted(Elf64_Phdr ph)
{
	ph.p_vaddr += 8;
	return ph;
}

static Elf64_Phdr oddly_aligned(Elf64_Phdr ph)
{
	ph.p_align = 24;
	return ph;
}

static const char *with_phdr(unsigned type, Elf64_Phdr (*change)(Elf64_Phdr))
{
	const char *path = twin_copy("libgood.so", twin_tmp("damaged.so"));

	patch_phdr(path, type, change);
	return path;
}

CASE(no_loadable_segment)
{
	fails_as(with_phdr(PT_LOAD, nullified), "object file has no loadable segments", NULL);
}

CASE(no_dynamic_section)
{
	fails_as(with_phdr(PT_DYNAMIC, nullified), "object file has no dynamic section", NULL);
}

CASE(segment_offset_not_congruent)
{
	fails_as(with_phdr(PT_LOAD, shifted),
		 TWIN_PAGES_MATTER_NOT_ALIGNMENT ? "ELF load command address/offset not page-aligned"
						 : "ELF load command address/offset not properly aligned",
		 NULL);
}

CASE(segment_alignment_odd)
{
	void *h = dlopen(with_phdr(PT_LOAD, oddly_aligned), RTLD_NOW);

	ok(!h == (TWIN_HEADERS_CHECKED || !TWIN_PAGES_MATTER_NOT_ALIGNMENT));
}

CASE(undefined_symbol)
{
	fails_as("./libundefined.so", "undefined symbol: not_defined_anywhere", NULL);
}

CASE(undefined_weak_symbol_is_no_error)
{
	eq(call(load("./libundefinedweak.so", RTLD_NOW), "calls"), 0);
}

CASE(undefined_versioned_symbol)
{
	/* v1 has version V1, but not the symbol `more` in it. */
	fails_as("./libneedsmore.so", "undefined symbol: more, version V1", NULL);
}

CASE(missing_version)
{
	ok(!dlopen("./libneedsversion.so", RTLD_NOW));
	snprintf(text, sizeof text, "%s: version `V2' not found (required by ./libneedsversion.so)",
		 twin_here("./v1/libversioned.so"));
	error_is(text, "V1");
}

CASE(executable_stack)
{
	if (TWIN_EXECSTACK_REFUSED) {
		fails_as("./libexecstack.so",
			 "cannot enable executable stack as shared object requires: Invalid argument",
			 NULL);
	} else {
		eq(call(load("./libexecstack.so", RTLD_NOW), "execstack_value"), 1);
	}
}

CASE(not_to_be_opened)
{
	fails_as("./libnoopen.so", "shared object cannot be dlopen()ed", NULL);
}

CASE(no_address_space)
{
	struct rlimit limit = {1ul << 32, 1ul << 32};

	setrlimit(RLIMIT_AS, &limit);
	fails_as("./libhuge.so", "failed to map segment from shared object", NULL);
}

CASE(no_memory_at_all)
{
	struct rlimit limit = {1 << 20, 1 << 20};
	void *good = load("./libgood.so", RTLD_NOW);

	setrlimit(RLIMIT_AS, &limit); /* below what is in use: no mapping can succeed */
	ok(!dlopen("./libduplicate.so", RTLD_NOW));
	const char *got = dlerror();
	ok(got);
	limit.rlim_cur = RLIM_INFINITY;
	eq(call(good, "good_value"), 1);
}

CASE(symbol_text)
{
	void *h = load("./libgood.so", RTLD_NOW);

	ok(!dlsym(h, "good_valu"));
	error_is("./libgood.so: undefined symbol: good_valu", NULL);
	ok(!dlvsym(h, "good_value", "V7"));
	error_is("./libgood.so: undefined symbol: good_value, version V7", NULL);
}

/* libc makes its text with %m, and programs print errno beside it. */
static void print_errno(const char *path, int mode)
{
	errno = 0;
	ok(!dlopen(path, mode));
	printf("dlopen %d, ", errno);
	errno = 0;
	ok(dlerror());
	if (TWIN_DLERROR_SETS_ERRNO)
		printf("dlerror %d, ", errno);
	errno = 0;
	printf("then %d\n", dlerror() ? -1 : errno);
}

CASE(errno_of_a_failure)
{
	static char name[8192];

	memset(name, 'n', sizeof name - 1);
	memcpy(name, "./", 2);
	print_errno(name, RTLD_NOW);
	print_errno("./nosuch.so", RTLD_NOW);
	print_errno("libnosuch.so.1", RTLD_NOW);
	print_errno("./libroot.so", RTLD_NOW);
	print_errno("./libgood.so/lib.so", RTLD_NOW);
	print_errno(".", RTLD_NOW);
	print_errno(file_with("text", 4), RTLD_NOW);
	print_errno("./libundefined.so", RTLD_NOW);
	errno = 0;
	load("./libgood.so", RTLD_NOW);
	printf("success %d\n", errno);
	ok(!dlsym(RTLD_DEFAULT, "nosuch") && dlerror());
	printf("no symbol %d\n", errno);
}

CASE(errno_of_a_wrong_mode)
{
	print_errno("./libgood.so", 0);
}

CASE(noload_of_a_missing_file)
{
	ok(!dlopen("./nosuch.so", RTLD_NOW | RTLD_NOLOAD));
	puts(dlerror() ? "error" : "no error");
}

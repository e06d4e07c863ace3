/* SPDX-License-Identifier: MIT
 * From a name to a file: whose RPATH and RUNPATH count, in which order, and what a directory entry may be.
 *
 * BUILD search:
 */
#include "twin.h"
#include <limits.h>
#include <link.h>
#include <sys/stat.h>

typedef const char *text_fn(void);
typedef void *open_fn(const char *);

#define ASK(h, name) (((text_fn *)sym(h, name))())
#define NOT_FOUND(name) name ": cannot open shared object file: No such file or directory"

/* What `opener` gets when it opens `name`; fails when it gets nothing. */
static const char *found(const char *opener, const char *name)
{
	void *h = ((open_fn *)sym(load(opener, RTLD_NOW), "open_it"))(name);

	if (!h)
		fail("%s from %s: %s", name, opener, dlerror());
	return ASK(h, "where");
}

static bool finds_nothing(const char *opener, const char *name)
{
	return !((open_fn *)sym(load(opener, RTLD_NOW), "open_it"))(name);
}

static const char *env(const char *name, const char *value)
{
	char *text;

	return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

/* Runs `part` with LD_LIBRARY_PATH and wants `want` on its stdout. */
#define with_path(path, part, want)                                                                \
	do {                                                                                       \
		struct twin_run r =                                                                \
			twin_run(part, (const char *[]){env("LD_LIBRARY_PATH", path), NULL});      \
		if (r.code || strcmp(r.out, want))                                                 \
			fail("%s: exit %d, \"%s\" not \"%s\"; %s", part, r.code, r.out, want,      \
			     r.err);                                                               \
	} while (0)

CASE(bare_name_without_any_path)
{
	ok(!dlopen("libwhere.so", RTLD_NOW));
	error_is(NOT_FOUND("libwhere.so"), "searched");
	ok(finds_nothing("./libopener-none.so", "libwhere.so"));
}

CASE(slash_means_no_search)
{
	same(ASK(load("a/libwhere.so", RTLD_NOW), "where"), "a");
	ok(finds_nothing("./libopener-runpath.so", "./libwhere.so"));
}

CASE(runpath_of_the_caller)
{
	same(found("./libopener-runpath.so", "libwhere.so"), "a");
}

CASE(rpath_of_the_caller)
{
	same(found("./libopener-rpath.so", "libwhere.so"), "a");
}

CASE(runpath_of_another_library_does_not_count)
{
	load("./libopener-runpath.so", RTLD_NOW);
	ok(!dlopen("libwhere.so", RTLD_NOW));
	ok(finds_nothing("./libopener-none.so", "libwhere.so"));
}

CASE(origin_with_braces)
{
	same(found("./libopener-braces.so", "libwhere.so"), "a");
}

CASE(origin_of_a_library_in_a_subdirectory)
{
	same(found("deep/libopener-deep.so", "libwhere.so"), "b");
}

CASE(origin_is_the_real_directory_of_the_path_used)
{
	const char *dir = twin_tmp("elsewhere");

	mkdir(dir, 0755);
	eq(symlink(twin_here("libopener-runpath.so"), twin_tmp("elsewhere/link.so")), 0);
	ok(finds_nothing(twin_tmp("elsewhere/link.so"), "libwhere.so"));
}

CASE(first_directory_that_has_it)
{
	same(found("./libopener-list.so", "libwhere.so"), "b");
}

CASE(empty_element_is_the_current_directory)
{
	void *h = load("./libopener-empty.so", RTLD_NOW);

	eq(chdir("c"), 0);
	h = ((open_fn *)sym(h, "open_it"))("libwhere.so");
	ok(h);
	same(ASK(h, "where"), "c");
}

CASE(origin_in_the_argument)
{
	same(ASK(load("$ORIGIN/a/libwhere.so", RTLD_NOW), "where"), "a");
	same(found("deep/libopener-deep.so", "$ORIGIN/../c/libwhere.so"), "c");
	same(found("deep/libopener-deep.so", "${ORIGIN}/../b/libwhere.so"), "b");
}

PART(where_from_origin)
{
	struct link_map *map = dlopen(NULL, RTLD_NOW);
	char dir[PATH_MAX], real[PATH_MAX];

	eq(dlinfo(map, RTLD_DI_ORIGIN, dir), 0);
	ok(realpath(dir, real)); /* "/.../search/." before glibc 2.42 */
	printf("%s, %s\n", ASK(load("$ORIGIN/a/libwhere.so", RTLD_NOW), "where"), strrchr(real, '/'));
}

/* `ld.so program`: /proc/self/exe is ld.so, and the program's directory is its own all the same. */
CASE(origin_of_a_program_that_ld_so_was_asked_to_run)
{
	char command[2 * PATH_MAX], line[128] = "";
	struct link_map *map = dlopen(NULL, RTLD_NOW);
	FILE *f;

	while (map && !strstr(map->l_name, "/ld-"))
		map = map->l_next;
	ok(map);
	snprintf(command, sizeof command, "exec %s ./search where_from_origin", map->l_name);
	f = popen(command, "r");
	ok(f && fgets(line, sizeof line, f));
	eq(pclose(f), 0);
	same(line, "a, /search\n");
}

CASE(lib_in_the_argument)
{
	load("/$LIB/libm.so.6", RTLD_NOW);
}

/* Which one it is depends on the CPU, for glibc up to 2.36. */
CASE(platform_in_the_argument)
{
	static const char *const platforms[] = {"x86_64", "haswell", "xeon_phi"};
	char *path;

	for (int i = 0; i < 3; i++) {
		mkdir(twin_tmp(platforms[i]), 0755);
		ok(asprintf(&path, "%s/libwhere.so", platforms[i]) > 0);
		twin_copy("c/libwhere.so", twin_tmp(path));
	}
	eq(chdir(twin_tmp(".")), 0);
	same(ASK(load("./$PLATFORM/libwhere.so", RTLD_NOW), "where"), "c");
}

CASE(unknown_token_is_literal)
{
	mkdir(twin_tmp("$ORIGINAL"), 0755);
	twin_copy("c/libwhere.so", twin_tmp("$ORIGINAL/libwhere.so"));
	same(ASK(load(twin_tmp("$ORIGINAL/libwhere.so"), RTLD_NOW), "where"), "c");
}

CASE(needed_by_runpath)
{
	same(ASK(load("./libuser-runpath.so", RTLD_NOW), "used"), "a");
}

CASE(needed_by_rpath)
{
	same(ASK(load("./libuser-rpath.so", RTLD_NOW), "used"), "a");
}

CASE(needed_without_path)
{
	ok(!dlopen("./libuser-bare.so", RTLD_NOW));
	error_is(NOT_FOUND("libwhere.so"), "libuser-bare.so");
	eq(twin_mapped("libuser-bare"), 0);
}

CASE(rpath_is_inherited)
{
	same(ASK(load("./libparent-rpath.so", RTLD_NOW), "parent_used"), "b");
}

CASE(rpath_is_inherited_over_two_levels)
{
	same(ASK(load("./libgrand-rpath.so", RTLD_NOW), "used"), "c");
}

CASE(runpath_is_not_inherited)
{
	ok(!dlopen("./libparent-runpath.so", RTLD_NOW));
	error_is(NOT_FOUND("libwhere.so"), "libuser-bare.so");
}

CASE(own_runpath_hides_inherited_rpath)
{
	same(ASK(load("./libparent-over-runpath.so", RTLD_NOW), "parent_used"), "a");
}

CASE(needed_with_origin)
{
	same(ASK(load("./libneeds-origin.so", RTLD_NOW), "parent_used"), "a");
}

CASE(needed_with_slash_is_relative_to_the_cwd)
{
	same(ASK(load("./libneeds-path.so", RTLD_NOW), "used"), "leaf");
	eq(twin_mapped("/c/libpath.so") > 0, 1);
}

CASE(needed_already_loaded_needs_no_path)
{
	load("c/libwhere.so", RTLD_NOW);
	same(ASK(load("./libuser-bare.so", RTLD_NOW), "used"), "c");
}

CASE(loaded_soname_beats_the_search)
{
	load("c/libwhere.so", RTLD_NOW);
	same(ASK(load("./libuser-runpath.so", RTLD_NOW), "used"), "c");
}

CASE(default_directories_and_cache)
{
	struct link_map *lm = load("libm.so.6", RTLD_NOW);

	ok(strchr(lm->l_name, '/'));
	puts(lm->l_name);
}

CASE(nodefaultlib_skips_default_directories)
{
	ok(finds_nothing("./libopener-nodeflib.so", "libm.so.6"));
	load("libm.so.6", RTLD_NOW);
}

CASE(hwcaps_directory_first)
{
	puts(found("./libopener-hw.so", "libwhere.so"));
}

/* --- LD_LIBRARY_PATH --- */

PART(main_opens)
{
	void *h = dlopen("libwhere.so", RTLD_NOW);

	fputs(h ? ASK(h, "where") : dlerror(), stdout);
}

PART(runpath_opens)
{
	fputs(found("./libopener-runpath.so", "libwhere.so"), stdout);
}

PART(rpath_opens)
{
	fputs(found("./libopener-rpath.so", "libwhere.so"), stdout);
}

PART(changed_environment)
{
	setenv("LD_LIBRARY_PATH", "c", 1);
	fputs(ASK(load("libwhere.so", RTLD_NOW), "where"), stdout);
	unsetenv("LD_LIBRARY_PATH");
}

PART(needed)
{
	fputs(ASK(load("./libuser-bare.so", RTLD_NOW), "used"), stdout);
}

PART(from_c)
{
	eq(chdir("c"), 0);
	fputs(ASK(load("libwhere.so", RTLD_NOW), "where"), stdout);
}

CASE(environment_path)
{
	with_path(twin_here("b"), "main_opens", "b");
	with_path(twin_here("b"), "needed", "b");
}

CASE(environment_path_before_runpath)
{
	with_path(twin_here("b"), "runpath_opens", "b");
}

CASE(environment_path_after_rpath)
{
	with_path(twin_here("b"), "rpath_opens", "a");
}

CASE(environment_path_is_read_at_start)
{
	with_path(twin_here("b"), "changed_environment", "b");
	setenv("LD_LIBRARY_PATH", twin_here("b"), 1);
	ok(!dlopen("libwhere.so", RTLD_NOW));
}

CASE(environment_path_separators)
{
	char path[4096];

	snprintf(path, sizeof path, "/nonexistent:%s", twin_here("b"));
	with_path(path, "main_opens", "b");
	snprintf(path, sizeof path, "%s;%s", twin_here("c"), twin_here("b"));
	with_path(path, "main_opens", "c");
	snprintf(path, sizeof path, "%s///", twin_here("b"));
	with_path(path, "main_opens", "b");
}

CASE(environment_path_empty_element_is_the_cwd)
{
	with_path("/nonexistent:", "from_c", "c");
	with_path(":/nonexistent", "from_c", "c");
}

CASE(environment_path_relative)
{
	with_path("b", "needed", "b");
}

CASE(environment_path_origin)
{
	with_path("$ORIGIN/c", "main_opens", "c");
}

/* What a search step does with an unusable file of that name. */

#define EI_CLASS_OFF 4
#define E_MACHINE_OFF 18

static const char *shadowed(void)
{
	char *path;

	mkdir(twin_tmp("first"), 0755);
	return asprintf(&path, "%s:%s", twin_tmp("first"), twin_here("a")) < 0 ? NULL : path;
}

CASE(wrong_class_is_skipped)
{
	const char *path = shadowed();

	twin_patch(twin_copy("b/libwhere.so", twin_tmp("first/libwhere.so")), EI_CLASS_OFF, "\1",
		   1);
	with_path(path, "main_opens", "a");
}

CASE(wrong_machine_is_skipped)
{
	const char *path = shadowed();

	twin_patch(twin_copy("b/libwhere.so", twin_tmp("first/libwhere.so")), E_MACHINE_OFF,
		   "\xb7\0", 2);
	with_path(path, "main_opens", "a");
}

CASE(dangling_symlink_is_skipped)
{
	const char *path = shadowed();

	eq(symlink("/nonexistent/libwhere.so", twin_tmp("first/libwhere.so")), 0);
	with_path(path, "main_opens", "a");
}

/* A file that is no ELF file at all ends the search with an error; it is not skipped. */
static void search_stops(const char *problem)
{
	struct twin_run r =
		twin_run("main_opens", (const char *[]){env("LD_LIBRARY_PATH", shadowed()), NULL});
	char text[4200];

	eq(r.code, 0);
	snprintf(text, sizeof text, "%s: %s", twin_tmp("first/libwhere.so"), problem);
	if (strncmp(r.out, text, strlen(text)))
		fail("\"%s\" instead of \"%s\"", r.out, text);
}

CASE(text_file_stops_the_search)
{
	const char *file;

	shadowed();
	file = twin_copy("b/libwhere.so", twin_tmp("first/libwhere.so"));
	twin_patch(file, 0, "GNU ld script", 13);
	search_stops("invalid ELF header");
}

CASE(short_file_stops_the_search)
{
	shadowed();
	eq(truncate(twin_copy("b/libwhere.so", twin_tmp("first/libwhere.so")), 10), 0);
	search_stops("file too short");
}

CASE(directory_of_that_name_stops_the_search)
{
	shadowed();
	mkdir(twin_tmp("first/libwhere.so"), 0755);
	search_stops("cannot read file data: Is a directory");
}

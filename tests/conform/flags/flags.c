/* SPDX-License-Identifier: MIT
 * dlopen's mode bits, and what counts as the same library.
 *
 * BUILD flags: -lm
 */
#include "twin.h"
#include <fcntl.h>
#include <fenv.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

int who(void);
int who(void)
{
	return 1;
}

CASE(lazy_and_now_load)
{
	void *h = load("./libone.so", RTLD_LAZY);

	eq(call(h, "one_value"), 1);
	ok(dlopen("./libone.so", RTLD_NOW) == h);
	ok(dlopen("./libone.so", RTLD_LAZY | RTLD_NOW) == h);
}

CASE(local_is_not_in_default)
{
	void *h = load("./libflag.so", RTLD_NOW | RTLD_LOCAL);

	eq(call(h, "one_value"), 3);
	ok(!dlsym(RTLD_DEFAULT, "one_value"));
	ok(!dlsym(dlopen(NULL, RTLD_NOW), "one_value"));
}

CASE(global_is_in_default)
{
	void *h = load("./libflag.so", RTLD_NOW | RTLD_GLOBAL);

	ok(dlsym(RTLD_DEFAULT, "one_value") == sym(h, "one_value"));
	ok(dlsym(dlopen(NULL, RTLD_NOW), "one_value") == sym(h, "one_value"));
}

CASE(global_goes_with_the_library)
{
	shut(load("./libflag.so", RTLD_NOW | RTLD_GLOBAL));
	eq(twin_mapped("/libflag.so"), 0);
	ok(!dlsym(RTLD_DEFAULT, "one_value"));
}

CASE(promotion_by_second_open)
{
	load("./libflag.so", RTLD_NOW);
	ok(!dlsym(RTLD_DEFAULT, "one_value"));
	load("./libflag.so", RTLD_NOW | RTLD_GLOBAL);
	ok(dlsym(RTLD_DEFAULT, "one_value"));
}

CASE(promotion_by_noload)
{
	load("./libflag.so", RTLD_NOW);
	load("./libflag.so", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
	ok(dlsym(RTLD_DEFAULT, "one_value"));
}

CASE(promotion_takes_dependencies_along)
{
	load("./libflagtop.so", RTLD_NOW);
	ok(!dlsym(RTLD_DEFAULT, "dep_value"));
	load("./libflagtop.so", RTLD_NOW | RTLD_GLOBAL);
	ok(dlsym(RTLD_DEFAULT, "top_value"));
	ok(dlsym(RTLD_DEFAULT, "dep_value"));
}

CASE(global_makes_dependencies_global)
{
	load("./libflagtop.so", RTLD_NOW | RTLD_GLOBAL);
	ok(dlsym(RTLD_DEFAULT, "dep_value"));
}

CASE(local_does_not_demote)
{
	load("./libflag.so", RTLD_NOW | RTLD_GLOBAL);
	load("./libflag.so", RTLD_NOW | RTLD_LOCAL);
	ok(dlsym(RTLD_DEFAULT, "one_value"));
}

CASE(noload_of_absent_is_null_without_error)
{
	ok(!dlopen("./libone.so", RTLD_NOW | RTLD_NOLOAD));
	ok(!dlerror());
	eq(twin_mapped("/libone.so"), 0);
}

CASE(noload_counts_as_an_open)
{
	void *h = load("./libone.so", RTLD_NOW);

	ok(dlopen("./libone.so", RTLD_NOW | RTLD_NOLOAD) == h);
	shut(h);
	ok(twin_mapped("/libone.so"));
	shut(h);
	eq(twin_mapped("/libone.so"), 0);
}

CASE(noload_finds_a_dependency)
{
	load("./libflagtop.so", RTLD_NOW);
	eq(call(load("libflagdep.so", RTLD_NOW | RTLD_NOLOAD), "dep_value"), 4);
}

CASE(nodelete_keeps_data)
{
	void *h = load("./libone.so", RTLD_NOW | RTLD_NODELETE);

	call1(h, "one_set", 42);
	shut(h);
	ok(twin_mapped("/libone.so"));
	eq(call(load("./libone.so", RTLD_NOW), "one_value"), 42);
}

CASE(nodelete_by_second_open)
{
	void *h = load("./libone.so", RTLD_NOW);

	load("./libone.so", RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
	shut(h);
	shut(h);
	ok(twin_mapped("/libone.so"));
}

CASE(dlclose_once_too_often)
{
	char text[PATH_MAX + 64];
	void *dep;

	load("./libflagtop.so", RTLD_NOW);
	dep = load("libflagdep.so", RTLD_NOW | RTLD_NOLOAD);
	shut(dep);
	ok(dlclose(dep) != 0);
	snprintf(text, sizeof text, "%s: shared object not open", ((struct link_map *)dep)->l_name);
	error_is(text, NULL);
}

CASE(without_deepbind_the_program_wins)
{
	void *h = load("./libwho.so", RTLD_NOW);

	eq(call(h, "call_who"), 1);
	eq(call(h, "who"), 2);
}

CASE(deepbind_own_symbols_first)
{
	void *h = load("./libwho.so", RTLD_NOW | RTLD_DEEPBIND);

	eq(call(h, "call_who"), 2);
	ok(((void *(*)(void))sym(h, "who_address"))() == sym(h, "who"));
}

CASE(deepbind_lazy)
{
	eq(call(load("./libwho.so", RTLD_LAZY | RTLD_DEEPBIND), "call_who"), 2);
}

CASE(mode_without_binding_is_invalid)
{
	ok(!dlopen("./libone.so", 0));
	error_is("./libone.so: invalid mode for dlopen(): Invalid argument", NULL);
	ok(!dlopen("./libone.so", RTLD_GLOBAL));
	error_is("./libone.so: invalid mode for dlopen(): Invalid argument", NULL);
	ok(!dlopen(NULL, 0));
	ok(dlerror());
}

CASE(unknown_mode_bits_are_invalid)
{
	const int bad[] = {-1, RTLD_NOW | 0x40, RTLD_NOW | 0x800, RTLD_NOW | 0x10000,
			   RTLD_LAZY | (int)0x80000000};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ok(!dlopen("./libone.so", bad[i]));
		error_is("invalid mode parameter", NULL);
	}
	eq(twin_mapped("/libone.so"), 0);
}

CASE(null_is_the_program)
{
	void *self = load(NULL, RTLD_NOW);

	ok(sym(self, "who") == (void *)who);
	ok(sym(self, "malloc") == (void *)malloc);
	ok(dlopen(NULL, RTLD_LAZY | RTLD_GLOBAL) == self);
	ok(dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD) == self);
	for (int i = 0; i < 3; i++)
		shut(self);
	ok(sym(self, "who") == (void *)who);
}

CASE(null_handle_sees_later_globals)
{
	void *self = load(NULL, RTLD_NOW);

	ok(!dlsym(self, "one_value"));
	load("./libflag.so", RTLD_NOW | RTLD_GLOBAL);
	ok(dlsym(self, "one_value"));
}

CASE(empty_name_is_the_program)
{
	ok(load("", RTLD_NOW) == load(NULL, RTLD_NOW));
}

CASE(by_soname)
{
	void *h = load("./libone.so", RTLD_NOW);

	ok(dlopen("libone-soname.so.7", RTLD_NOW) == h);
	shut(h);
	shut(h);
	ok(!dlopen("libone-soname.so.7", RTLD_NOW));
	error_is("libone-soname.so.7: cannot open shared object file: No such file or directory",
		 "searched");
}

CASE(by_symlink)
{
	const char *link = twin_tmp("link.so");
	void *h = load("./libone.so", RTLD_NOW);

	eq(symlink(twin_here("libone.so"), link), 0);
	ok(dlopen(link, RTLD_NOW) == h);
}

CASE(by_hard_link)
{
	const char *file = twin_copy("libone.so", twin_tmp("file.so")), *hard = twin_tmp("hard.so");

	eq(link(file, hard), 0);
	ok(load(file, RTLD_NOW) == load(hard, RTLD_NOW));
}

CASE(by_other_spelling)
{
	void *h = load("./libone.so", RTLD_NOW);

	ok(dlopen("left/../libone.so", RTLD_NOW) == h);
	ok(dlopen(twin_here("libone.so"), RTLD_NOW) == h);
	ok(dlopen(".//libone.so", RTLD_NOW) == h);
}

CASE(same_basename_other_directory)
{
	void *left = load("left/libsame.so", RTLD_NOW), *right = load("right/libsame.so", RTLD_NOW);

	ok(left != right);
	eq(call(left, "one_value"), 10);
	eq(call(right, "one_value"), 20);
	ok(!dlopen("libsame.so", RTLD_NOW | RTLD_NOLOAD));
}

CASE(copy_with_the_same_soname_is_another_library)
{
	void *h = load("./libone.so", RTLD_NOW),
	     *copy = load(twin_copy("libone.so", twin_tmp("libone.so")), RTLD_NOW);

	ok(copy != h);
	call1(copy, "one_set", 9);
	eq(call(h, "one_value"), 1);
}

CASE(replaced_file_keeps_its_name)
{
	const char *path = twin_copy("left/libsame.so", twin_tmp("libsame.so"));
	void *h = load(path, RTLD_NOW);

	twin_copy("right/libsame.so", path);
	ok(dlopen(path, RTLD_NOW) == h);
	eq(call(h, "one_value"), 10);
}

CASE(replaced_file_after_unload_is_new)
{
	const char *path = twin_copy("left/libsame.so", twin_tmp("libsame.so"));

	shut(load(path, RTLD_NOW));
	twin_copy("right/libsame.so", path);
	eq(call(load(path, RTLD_NOW), "one_value"), 20);
}

CASE(directory_instead_of_file)
{
	ok(!dlopen("./left", RTLD_NOW));
	error_is("./left: cannot read file data: Is a directory", NULL);
}

CASE(path_too_long)
{
	static char path[2 * PATH_MAX];
	const char *text;

	memset(path, 'a', sizeof path - 1);
	path[0] = '/';
	ok(!dlopen(path, RTLD_NOW));
	text = dlerror();
	ok(text && !strncmp(text, path, 100));
	ok(strstr(text, "a: cannot open shared object file: File name too long"));
}

CASE(now_over_lazy_does_not_rebind)
{
	void *h = load("./libmissing.so", RTLD_LAZY);

	ok(dlopen("./libmissing.so", RTLD_NOW) == h);
	eq(call(h, "fine"), 7);
}

CASE(no_descriptor_stays_open)
{
	int before = twin_fds();

	load("./libflagtop.so", RTLD_NOW);
	ok(!dlopen("./libnosuch.so", RTLD_NOW));
	ok(!dlopen("./left", RTLD_NOW));
	eq(twin_fds(), before);
}

CASE(memory_file)
{
	int fd = memfd_create("twin", 0);
	char path[64], buf[65536];
	FILE *f = fopen("libone.so", "r");
	size_t len = fread(buf, 1, sizeof buf, f);
	void *h;

	fclose(f);
	eq(write(fd, buf, len), len);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	h = load(path, RTLD_NOW);
	close(fd);
	eq(call(h, "one_value"), 1);
	same(((struct link_map *)h)->l_name, path);
}

CASE(deleted_file_stays_usable)
{
	const char *path = twin_copy("libone.so", twin_tmp("deleted.so"));
	void *h = load(path, RTLD_NOW);

	unlink(path);
	eq(call(h, "one_value"), 1);
	ok(dlopen(path, RTLD_NOW) == h);
}

CASE(standard_descriptors_closed)
{
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	eq(call(load("./libflagtop.so", RTLD_NOW), "top_value"), 5);
	eq(fcntl(0, F_GETFD), -1);
}

CASE(current_directory_deleted)
{
	void *h;

	mkdir(twin_tmp("gone"), 0755);
	h = load(twin_here("libone.so"), RTLD_NOW);
	eq(chdir(twin_tmp("gone")), 0);
	rmdir(twin_tmp("gone"));
	eq(call(h, "one_value"), 1);
	ok(!dlopen("./libone.so", RTLD_NOW));
	ok(!dlopen("libnosuch.so", RTLD_NOW));
	load("librt.so.1", RTLD_NOW);
}

CASE(state_of_the_thread_is_kept)
{
	sigset_t before, after;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	sigprocmask(SIG_SETMASK, &before, NULL);
	fesetround(FE_UPWARD);
	errno = 55;
	void *h = load("./libflagtop.so", RTLD_NOW);
	sym(h, "top_value");
	shut(h);
	eq(errno, 55);
	eq(fegetround(), FE_UPWARD);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int i = 1; i < NSIG; i++)
		eq(sigismember(&after, i), sigismember(&before, i));
}

CASE(libc_family_is_the_programs)
{
	const char *const names[] = {"libc.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"};

	for (int i = 0; i < 4; i++) {
		void *h = load(names[i], RTLD_NOW);

		ok(sym(h, "malloc") == (void *)malloc);
		if (!TWIN_LIBC_IN_PARTS)
			ok(sym(h, "dlopen") == (void *)dlopen);
		eq(twin_mapped(TWIN_LIBC_IN_PARTS ? "/libc-2." : "/libc.so.6") > 0, 1);
		shut(h);
	}
}

CASE(global_for_what_only_libc_may_load)
{
	void *h = load("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);

	ok(!dlsym(RTLD_DEFAULT, "_Unwind_Backtrace"));
	ok(load("libgcc_s.so.1", RTLD_NOW | RTLD_GLOBAL) == h);
	ok(dlsym(RTLD_DEFAULT, "_Unwind_Backtrace") == sym(h, "_Unwind_Backtrace"));
	ok(dlsym(load(NULL, RTLD_NOW), "_Unwind_Backtrace"));
}

CASE(the_running_program_by_path)
{
	const char *path = twin_here("flags");
	char text[PATH_MAX + 64];
	void *h = dlopen(path, RTLD_NOW);

	if (h)
		fail("a PIE opened as a library");
	snprintf(text, sizeof text, "%s: cannot dynamically load position-independent executable",
		 path);
	error_is(text, NULL);
}

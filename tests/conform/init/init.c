/* SPDX-License-Identifier: MIT
 * Constructors and destructors: their order, their arguments, and what they may do themselves.
 *
 * BUILD init:
 */
#include "twin.h"
#include <link.h>
#include <pthread.h>
#include <sys/wait.h>

int program_finds(const char *name);
int program_finds(const char *name)
{
	return dlsym(RTLD_DEFAULT, name) != NULL;
}

/* Opens, wants one trace, closes, wants another. */
#define birth_and_death(path, flags, born, died)                                                   \
	do {                                                                                       \
		void *h_ = load(path, flags);                                                      \
		traced(born);                                                                      \
		shut(h_);                                                                          \
		traced(died);                                                                      \
	} while (0)

CASE(order_within_a_library)
{
	birth_and_death("./liborder.so", RTLD_NOW, "DT_INIT ctor201 ctor202 ctor make:one make:two",
			"dtor gone:two gone:one atexit2 atexit1 dtor202 dtor201 DT_FINI");
}

/* Preparations are the program's alone: here DT_INIT_ARRAY is made DT_PREINIT_ARRAY. */
CASE(preinit_array_is_the_programs)
{
	const char *path = twin_copy("liborder.so", twin_tmp("libpreinit.so"));
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph = {0};
	ElfW(Dyn) dyn;
	FILE *f = fopen(path, "r");
	long at;

	ok(fread(&eh, sizeof eh, 1, f) == 1);
	for (at = eh.e_phoff; ph.p_type != PT_DYNAMIC; at += sizeof ph)
		ok(!fseek(f, at, SEEK_SET) && fread(&ph, sizeof ph, 1, f) == 1);
	for (at = ph.p_offset; at < (long)(ph.p_offset + ph.p_filesz); at += sizeof dyn) {
		ok(!fseek(f, at, SEEK_SET) && fread(&dyn, sizeof dyn, 1, f) == 1);
		if (dyn.d_tag == DT_INIT_ARRAY)
			dyn.d_tag = DT_PREINIT_ARRAY;
		else if (dyn.d_tag == DT_INIT_ARRAYSZ)
			dyn.d_tag = DT_PREINIT_ARRAYSZ;
		twin_patch(path, at, &dyn, sizeof dyn);
	}
	fclose(f);
	load(path, RTLD_NOW);
	traced(TWIN_PREINIT_IGNORED ? "DT_INIT" : "ctor201 ctor202 ctor make:one make:two DT_INIT");
}

CASE(runs_again_after_reopening)
{
	for (int i = 0; i < 3; i++)
		birth_and_death("./libsimple.so", RTLD_NOW, "+simple", "-simple");
}

CASE(runs_once_for_many_opens)
{
	void *h = load("./libsimple.so", RTLD_NOW);

	load("./libsimple.so", RTLD_NOW | RTLD_GLOBAL);
	traced("+simple");
	shut(h);
	traced("");
	shut(h);
	traced("-simple");
}

CASE(arguments)
{
	void *h = load("./libarguments.so", RTLD_NOW);
	int *argc = sym(h, "seen_argc");
	char ***argv = sym(h, "seen_argv"), ***envp = sym(h, "seen_envp");

	for (int i = 0; i < 2; i++) {
		eq(argc[i], twin_argc);
		ok(argv[i] == twin_argv);
		ok(envp[i] == twin_envp);
	}
}

CASE(environment_changed_before)
{
	void *h;

	setenv("TWIN_LATE", "1", 1);
	h = load("./libarguments.so", RTLD_NOW);
	ok(((char ***)sym(h, "seen_envp"))[1] == environ);
}

CASE(constructor_opens)
{
	birth_and_death("./libopens.so", RTLD_NOW, "+opens{ +simple 4}", "-opens{ } -simple");
	eq(twin_mapped("/libsimple.so"), 0);
}

CASE(constructor_opens_and_closes)
{
	birth_and_death("./libcloses.so", RTLD_NOW, "+closes{ +simple -simple }", "-closes");
}

CASE(constructor_opens_itself)
{
	birth_and_death("./libopensself.so", RTLD_NOW | RTLD_GLOBAL, "+self:1", "-self");
}

CASE(constructor_opens_its_own_user)
{
	load("./libopensuser.so", RTLD_NOW);
	traced("+opensuser{ +userof:42 }");
}

CASE(constructor_throws_and_catches)
{
	birth_and_death("./libthrows.so", RTLD_NOW, "+thrown", "-5");
}

CASE(constructor_creates_and_joins_a_thread)
{
	birth_and_death("./libthread.so", RTLD_NOW, "thread +joined", "thread +joined");
}

CASE(constructor_opens_what_is_missing)
{
	birth_and_death("./libopensbad.so", RTLD_NOW, "+bad:1:1", "-bad");
	ok(!dlerror());
}

CASE(destructor_opens)
{
	birth_and_death("./libopensatend.so", RTLD_NOW, "+opensatend", "-opensatend{ +simple }");
	ok(twin_mapped("/libsimple.so"));
}

CASE(destructor_closes)
{
	birth_and_death("./libclosesatend.so", RTLD_NOW, "+simple +closesatend",
			"-closesatend{ } -simple");
	eq(twin_mapped("/libsimple.so"), 0);
}

CASE(global_is_visible_after_the_constructor)
{
	load("./libvisible.so", RTLD_NOW | RTLD_GLOBAL);
	traced("+visible:0");
	ok(program_finds("visible_marker"));
}

CASE(initfirst_runs_first)
{
	load("./libusesinitfirst.so", RTLD_NOW);
	puts(twin_trace);
}

/* What a library leaves with libc. */

static void *registrar(void)
{
	return load("./libregister.so", RTLD_NOW);
}

CASE(atexit_runs_at_dlclose)
{
	void *h = registrar();

	call(h, "register_exit");
	call(h, "register_exit");
	shut(h);
	traced("fini atexit atexit");
}

CASE(at_quick_exit_is_forgotten_at_dlclose)
{
	void *h = registrar();

	call(h, "register_quick");
	shut(h);
	traced("fini");
	eq(twin_mapped("/libregister.so"), 0);
}

static void fork_once(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		traced("prepare child");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	eq(status, 0);
}

CASE(atfork_handlers_of_a_library)
{
	void *h = registrar();
	pid_t pid;
	int status;

	call(h, "register_fork");
	fork_once();
	traced("prepare parent");
	shut(h);
	traced("fini");
	pid = fork();
	if (!pid)
		_exit(strlen(twin_trace));
	waitpid(pid, &status, 0);
	eq(status, 0);
	traced("");
}

static void *register_in_thread(void *h)
{
	call(h, "register_tls");
	return NULL;
}

CASE(thread_local_destructor_of_a_library)
{
	void *h = registrar();
	pthread_t t;

	eq(pthread_create(&t, NULL, register_in_thread, h), 0);
	pthread_join(t, NULL);
	traced("tls");
	shut(h);
	traced("fini");
}

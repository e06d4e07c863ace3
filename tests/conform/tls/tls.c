/* SPDX-License-Identifier: MIT
 * Thread-local storage of opened libraries: each access model, in threads older and newer than the load, its
 * alignment, its life across dlclose, and what an access may disturb.
 *
 * BUILD tls:
 */
#include "twin.h"
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <threads.h>

__thread int program_tls = 9;

static void *check_first_values(void *h)
{
	eq(call(h, "tls_check"), 0);
	eq(call(h, "tls_change"), 42);
	eq(call(h, "tls_change"), 43);
	eq(call(h, "tls_value"), 46);
	ok(((void *(*)(void))sym(h, "tls_public_address"))() == sym(h, "tls_public"));
	return NULL;
}

static void new_thread(void *(*f)(void *), void *arg)
{
	pthread_t t;

	eq(pthread_create(&t, NULL, f, arg), 0);
	pthread_join(t, NULL);
}

/* Every thread has its own values: this one, one older than the load, new ones. */
static void everywhere(const char *path, int flags)
{
	struct twin_worker *older = twin_worker();
	void *h = load(path, flags);

	twin_do(older, check_first_values, h);
	check_first_values(h);
	new_thread(check_first_values, h);
	new_thread(check_first_values, h);
	eq(call(h, "tls_value"), 46);
	twin_retire(older);
}

CASE(general_dynamic)
{
	everywhere("./libgd.so", RTLD_NOW);
}

CASE(local_dynamic)
{
	everywhere("./libld.so", RTLD_NOW);
}

CASE(initial_exec)
{
	everywhere("./libie.so", RTLD_NOW);
}

CASE(descriptors)
{
	everywhere("./libdesc.so", RTLD_NOW);
}

CASE(descriptors_lazy)
{
	everywhere("./libdesc.so", RTLD_LAZY);
}

CASE(all_models_together)
{
	everywhere("./libgd.so", RTLD_NOW);
	everywhere("./libld.so", RTLD_NOW);
	everywhere("./libie.so", RTLD_NOW);
	everywhere("./libdesc.so", RTLD_NOW);
}

CASE(alignment)
{
	everywhere("./libalign64.so", RTLD_NOW);
	everywhere("./libalign128.so", RTLD_NOW);
	everywhere("./libalign4096.so", RTLD_NOW);
	everywhere("./libalign64-ie.so", RTLD_NOW);
	everywhere("./libalign64-desc.so", RTLD_NOW);
}

/* PT_TLS with an address that is not a multiple of its alignment: blocks lie where their template lies, modulo that. */
static uintptr_t skew;

static void *skewed(void *h)
{
	if (TWIN_TLS_TEMPLATE_ANYWHERE)
		eq((uintptr_t)dlsym(h, "tls_public") % 4096, skew);
	return NULL;
}

CASE(template_not_at_its_alignment)
{
	const char *path = twin_copy("libgd.so", twin_tmp("libskewed.so"));
	const ElfW(Xword) align = 4096;
	ElfW(Phdr) ph = {0};
	FILE *f = fopen(path, "r");
	long at = sizeof(ElfW(Ehdr));

	for (; ph.p_type != PT_TLS; at += sizeof ph)
		ok(!fseek(f, at, SEEK_SET) && fread(&ph, sizeof ph, 1, f) == 1);
	fclose(f);
	skew = ph.p_vaddr % align;
	ok(skew);
	twin_patch(path, at - sizeof ph + offsetof(ElfW(Phdr), p_align), &align, sizeof align);
	everywhere(path, RTLD_NOW);
	skewed(load(path, RTLD_NOW));
	new_thread(skewed, load(path, RTLD_NOW));
}

CASE(large_blocks)
{
	everywhere("./libhuge.so", RTLD_NOW);
	everywhere("./libhuge-desc.so", RTLD_NOW);
}

CASE(large_initial_exec)
{
	if (TWIN_STATIC_TLS_RESERVE) {
		everywhere("./libbig-ie.so", RTLD_NOW);
	} else {
		ok(!dlopen("./libbig-ie.so", RTLD_NOW));
		error_is("./libbig-ie.so: cannot allocate memory in static TLS block", NULL);
	}
}

CASE(too_large_for_initial_exec)
{
	ok(!dlopen("./libhuge-ie.so", RTLD_NOW));
	error_is("./libhuge-ie.so: cannot allocate memory in static TLS block", NULL);
	eq(twin_mapped("/libhuge-ie.so"), 0);
	everywhere("./libie.so", RTLD_NOW);
}

/* --- Seventy modules --- */

enum { MANY = 70 };

static void *many[MANY];

static void *count_in_all(void *first)
{
	for (int i = 0; i < MANY; i++)
		eq(call(many[i], "many_count"), *(int *)first);
	for (int i = MANY; i-- > 0;)
		eq(call(many[i], "many_count"), *(int *)first + 1);
	return NULL;
}

static void seventy_of(const char *from)
{
	struct twin_worker *older = twin_worker();
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "libmany%d.so", i);
		many[i] = load(twin_copy(from, twin_tmp(name)), RTLD_NOW);
		eq(call(many[i], "many_constructor"), 7);
	}
	count_in_all(&(int){8});
	new_thread(count_in_all, &(int){7});
	twin_do(older, count_in_all, &(int){7});
	count_in_all(&(int){10});
	twin_retire(older);
}

CASE(seventy_modules)
{
	seventy_of("libmany.so");
}

CASE(seventy_modules_with_descriptors)
{
	seventy_of("libmany-desc.so");
}

CASE(seventy_modules_come_and_go)
{
	for (int round = 0; round < 3; round++) {
		seventy_of("libmany.so");
		for (int i = 0; i < MANY; i++)
			shut(many[i]);
	}
}

/* --- Life --- */

static void reopened(const char *path)
{
	struct twin_worker *older = twin_worker();

	for (int round = 0; round < 5; round++) {
		void *h = load(path, RTLD_NOW);

		check_first_values(h);
		twin_do(older, check_first_values, h);
		shut(h);
		eq(twin_mapped(path + 1), 0);
	}
	twin_retire(older);
}

CASE(reopened_general_dynamic)
{
	reopened("./libgd.so");
}

CASE(reopened_descriptors)
{
	reopened("./libdesc.so");
}

CASE(reopened_initial_exec)
{
	struct twin_worker *older = twin_worker();

	for (int round = 0; round < 5; round++) {
		void *h = load("./libie.so", RTLD_NOW);

		check_first_values(h);
		twin_do(older, check_first_values, h);
		shut(h);
	}
	twin_retire(older);
}

CASE(reopened_under_a_neighbour)
{
	void *a = load("./libgd.so", RTLD_NOW), *b = load("./libld.so", RTLD_NOW);

	check_first_values(a);
	check_first_values(b);
	shut(a);
	a = load("./libdesc.so", RTLD_NOW);
	check_first_values(a);
	eq(call(b, "tls_value"), 46);
}

static void *touch(void *h)
{
	eq(call(h, "many_count"), 7);
	return NULL;
}

static long resident_pages(void)
{
	long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	ok(f && fscanf(f, "%ld %ld", &size, &resident) == 2);
	fclose(f);
	return resident;
}

CASE(blocks_of_ended_threads_are_reused)
{
	void *h = load("./libmany-block.so", RTLD_NOW);
	long before;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* else the kernel may give more whenever it likes */
	for (int i = 0; i < 50; i++)
		new_thread(touch, h);
	before = resident_pages();
	for (int i = 0; i < 1000; i++) /* 64 MB of blocks */
		new_thread(touch, h);
	ok(resident_pages() - before < 2048);
}

static void *touch_object(void *h)
{
	eq(call(h, "touch_object"), 1);
	return NULL;
}

CASE(destructors_at_thread_end)
{
	void *h = load("./libtlsdtor.so", RTLD_NOW);

	new_thread(touch_object, h);
	traced("make:1 gone:1:6");
	new_thread(touch_object, h);
	traced("make:1 gone:1:6");
}

static pthread_key_t key;

static void at_thread_end(void *h)
{
	/* Round after round of key destructors: the thread's blocks must stay what they were. */
	static __thread int rounds;

	eq(call(h, "tls_value"), 46);
	if (++rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(key, h);
	trace("round");
}

static void *with_key(void *h)
{
	check_first_values(h);
	pthread_setspecific(key, h);
	return NULL;
}

CASE(alive_in_key_destructors)
{
	eq(pthread_key_create(&key, at_thread_end), 0);
	new_thread(with_key, load("./libgd.so", RTLD_NOW));
	traced("round round round round");
}

static void *ends_itself(void *h)
{
	check_first_values(h);
	pthread_exit(NULL);
}

static int thrd_body(void *h)
{
	check_first_values(h);
	return 3;
}

CASE(every_kind_of_thread)
{
	void *h = load("./libgd.so", RTLD_NOW), *ie = load("./libie.so", RTLD_NOW);
	pthread_attr_t small;
	thrd_t c11;
	pthread_t t;
	int result;

	new_thread(ends_itself, h);
	eq(thrd_create(&c11, thrd_body, ie), thrd_success);
	eq(thrd_join(c11, &result), thrd_success);
	eq(result, 3);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN);
	eq(pthread_create(&t, &small, check_first_values, ie), 0);
	pthread_join(t, NULL);
}

CASE(fork_keeps_values)
{
	void *h = load("./libgd.so", RTLD_NOW), *ie = load("./libie.so", RTLD_NOW);
	int status;
	pid_t pid;

	check_first_values(h);
	check_first_values(ie);
	pid = fork();
	if (!pid) {
		eq(call(h, "tls_value"), 46);
		eq(call(ie, "tls_value"), 46);
		new_thread(check_first_values, h);
		new_thread(check_first_values, ie);
		check_first_values(load("./libdesc.so", RTLD_NOW));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	eq(status, 0);
}

/* --- Foreign variables --- */

static void *programs_address(void *h)
{
	ok(((int *(*)(void))sym(h, "program_address"))() == &program_tls);
	ok(sym(load(NULL, RTLD_NOW), "program_tls") == &program_tls);
	eq(program_tls, 9);
	return NULL;
}

static void check_foreign(const char *path)
{
	void *h = load(path, RTLD_NOW);

	programs_address(h);
	new_thread(programs_address, h);
	errno = 33;
	eq(call(h, "get_errno"), 33);
	eq(call1(h, "set_errno", 44), 44);
	eq(errno, 44);
}

CASE(variable_of_the_program)
{
	check_foreign("./libforeign-gd.so");
	check_foreign("./libforeign-desc.so");
}

CASE(variable_of_the_program_by_initial_exec)
{
	check_foreign("./libforeign-ie.so");
}

static void *others_address(void *h)
{
	int *(*other)(void) = (int *(*)(void))sym(h, "other_address");
	int *(*own)(void) = (int *(*)(void))sym(h, "tls_public_address");

	ok(other() == own());
	eq(call1(h, "other_add", 5), 1005);
	return NULL;
}

static void check_other(const char *path)
{
	struct twin_worker *older = twin_worker();
	void *h = load(path, RTLD_NOW);

	others_address(h);
	new_thread(others_address, h);
	twin_do(older, others_address, h);
	twin_retire(older);
}

CASE(variable_of_another_library)
{
	check_other("./libother-gd.so");
}

CASE(variable_of_another_library_by_descriptor)
{
	check_other("./libother-desc.so");
}

CASE(variable_of_another_library_by_initial_exec)
{
	check_other("./libother-ie.so");
}

CASE(initial_exec_reference_to_a_module_in_use)
{
	void *h = load("./libgd.so", RTLD_NOW);

	check_first_values(h);
	ok(!dlopen("./libother-ie.so", RTLD_NOW));
	error_is("./libgd.so: cannot allocate memory in static TLS block", NULL);
	eq(call(h, "tls_value"), 46);
}

CASE(weak_undefined_variable)
{
	eq(call(load("./libweaktls.so", RTLD_NOW), "weak_is_null"), 1);
}

/* --- Registers --- */

static void *registers(void *h)
{
	eq(call(h, "registers_kept"), 0);
	eq(call(h, "registers_kept"), 0);
	return NULL;
}

static void registers_everywhere(const char *path)
{
	struct twin_worker *older = twin_worker();
	void *h = load(path, RTLD_NOW);

	registers(h);
	twin_do(older, registers, h);
	new_thread(registers, h);
	twin_retire(older);
}

CASE(descriptor_keeps_general_registers)
{
	registers_everywhere("./libregs-general.so");
}

CASE(descriptor_keeps_ymm)
{
	if (!__builtin_cpu_supports("avx2"))
		twin_skip("no AVX2 here");
	registers_everywhere("./libregs-ymm.so");
}

CASE(descriptor_keeps_zmm)
{
	if (!__builtin_cpu_supports("avx512f"))
		twin_skip("no AVX-512 here");
	registers_everywhere("./libregs-zmm.so");
}

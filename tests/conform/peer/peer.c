/* SPDX-License-Identifier: MIT
 * Where other loaders are known to fail: odd inputs, and a process in which libc loads things by itself.
 *
 * BUILD peer: -pthread
 * BUILD peer-nopie: -no-pie -pthread
 */
#include "twin.h"
#include <elf.h>
#include <iconv.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <time.h>

/* --- odd libraries --- */

CASE(name_like_libc_is_unloaded)
{
	void *h = load("./libcurious.so", RTLD_NOW);

	eq(call(h, "curious_answer"), 4);
	shut(h);
	eq(twin_mapped("/libcurious.so"), 0);
}

PART(audited)
{
	printf("%d\n", call(load("./libcurious.so", RTLD_NOW), "curious_answer"));
}

/* ld.so lays out thread-local storage before it looks at LD_PRELOAD then, and has room only when it is told to. */
CASE(under_an_auditor)
{
	struct twin_run r;

	if (!dlvsym(RTLD_DEFAULT, "dlopen", "GLIBC_2.34"))
		twin_skip("this libc has no glibc.rtld.optional_static_tls");
	r = twin_run("audited", (const char *[]){"LD_AUDIT=./libaudit.so",
						  "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096", NULL});
	same(r.err, "");
	same(r.out, "4\n");
	eq(r.code, 0);
}

CASE(path_of_any_bytes)
{
	const char *path = twin_copy("libcurious.so", twin_tmp("caf\351 \n.so"));
	struct link_map *lm = load(path, RTLD_NOW);
	Dl_info i;

	same(lm->l_name, path);
	ok(dladdr(sym(lm, "curious_answer"), &i));
	same(i.dli_fname, path);
	ok(!dlopen("./nosuch\351.so", RTLD_NOW));
	error_is("./nosuch\351.so: cannot open shared object file: No such file or directory",
		 NULL);
}

CASE(global_flag_in_the_file_is_ignored)
{
	load("./libflagglobal.so", RTLD_NOW);
	puts(dlsym(RTLD_DEFAULT, "flagglobal_answer") ? "global" : "local");
}

CASE(kept_relocations)
{
	void *h = load("./libemitted.so", RTLD_NOW);

	eq(call(h, "emitted_answer"), 4);
	same(((const char *(*)(int))sym(h, "emitted_word"))(1), "relocated");
}

CASE(stripped_of_everything)
{
	const char *path = twin_copy("libstripped.so", twin_tmp("stripped.so"));
	Elf64_Half none = 0;
	Elf64_Off off = 0;
	void *h;

	twin_patch(path, offsetof(Elf64_Ehdr, e_shnum), &none, sizeof none);
	twin_patch(path, offsetof(Elf64_Ehdr, e_shstrndx), &none, sizeof none);
	twin_patch(path, offsetof(Elf64_Ehdr, e_shoff), &off, sizeof off);
	h = load(path, RTLD_NOW);
	same(((const char *(*)(int))sym(h, "stripped_word"))(2), "words");
}

CASE(filter_takes_the_filtees_symbol)
{
	if (TWIN_FILTERS)
		eq(call(load("./libfilter.so", RTLD_NOW), "filtered_answer"), 2);
}

CASE(filter_needs_its_filtee)
{
	puts(dlopen("./libfilternone.so", RTLD_NOW) ? "loads" : "refused");
}

CASE(auxiliary_takes_the_filtees_symbol)
{
	if (TWIN_FILTERS)
		eq(call(load("./libauxiliary.so", RTLD_NOW), "filtered_answer"), 2);
}

CASE(auxiliary_does_without_its_filtee)
{
	eq(call(load("./libauxiliarynone.so", RTLD_NOW), "filtered_answer"), 1);
}

CASE(dependency_of_the_system)
{
	eq(call1(load("./libmath.so", RTLD_NOW), "cube_root", 27), 3);
}

/* A read-only segment whose memory size exceeds its file size: its tail must be zeroed all the same. */
CASE(read_only_segment_with_a_bss_tail)
{
	const char *path = twin_copy("libcurious.so", twin_tmp("tail.so"));
	FILE *f = fopen(path, "r");
	Elf64_Ehdr eh;
	Elf64_Phdr ph, last = {0};
	long at = 0;
	void *h;

	ok(f && fread(&eh, sizeof eh, 1, f) == 1);
	for (int i = 0; i < eh.e_phnum; i++) {
		ok(fread(&ph, sizeof ph, 1, f) == 1);
		if (ph.p_type == PT_LOAD && ph.p_flags == PF_R && ph.p_offset) {
			last = ph;
			at = eh.e_phoff + i * sizeof ph;
		}
	}
	ok(at && last.p_filesz == last.p_memsz);
	last.p_memsz += 64;
	twin_patch(path, at, &last, sizeof last);
	h = load(path, RTLD_NOW);
	for (int i = 0; i < 64; i++)
		eq(((char *)((struct link_map *)h)->l_addr)[last.p_vaddr + last.p_filesz + i], 0);
	eq(call(h, "curious_answer"), 4);
}

CASE(openmp_runtime)
{
	void *h = dlopen("libgomp.so.1", RTLD_NOW);

	if (!h)
		twin_skip("no libgomp.so.1");
	ok(call(h, "omp_get_max_threads") >= 1);
}

/* --- libc loads by itself --- */

static int count(struct dl_phdr_info *info, size_t size, void *names)
{
	struct {
		const char *name;
		int found;
	} *wanted = names;

	wanted->found += strstr(info->dlpi_name, wanted->name) != NULL;
	return 0;
}

static int listed(const char *name)
{
	struct {
		const char *name;
		int found;
	} wanted = {name, 0};

	dl_iterate_phdr(count, &wanted);
	return wanted.found;
}

static iconv_t converter(void)
{
	iconv_t c = iconv_open("KOI8-R", "UTF-16LE");

	if (c == (iconv_t)-1)
		twin_skip("no gconv modules");
	return c;
}

CASE(libraries_loaded_by_libc_are_seen)
{
	void *before = load("./libcurious.so", RTLD_NOW);
	iconv_t c = converter();
	char in[] = "A\0B", out[8], *from = in, *to = out;
	size_t left = 4, room = sizeof out;

	eq(listed("KOI8-R.so"), 1);
	eq(iconv(c, &from, &left, &to, &room), 0);
	ok(!memcmp(out, "AB", 2));
	eq(listed("libcurious.so"), 1);
	iconv_close(c);
	shut(before);
	eq(listed("libcurious.so"), 0);
}

CASE(libc_unloads_beside_us)
{
	for (int i = 0; i < 8; i++) {
		void *h = load("./libcurious.so", RTLD_NOW);

		iconv_close(converter());
		iconv_close(iconv_open("ISO-8859-2", "UTF-16LE"));
		iconv_close(iconv_open("CP1250", "UTF-16LE"));
		eq(listed("libcurious.so"), 1);
		eq(call(h, "curious_answer"), 4);
		if (i % 2)
			shut(h);
	}
}

PART(leave_all_open)
{
	load("./libcurious.so", RTLD_NOW);
	converter();
	load("./libmath.so", RTLD_NOW);
	puts("leaving");
}

CASE(exit_with_libraries_of_both_kinds)
{
	struct twin_run r = twin_run("leave_all_open", NULL);

	if (r.code != 77) {
		eq(r.code, 0);
		same(r.out, "leaving\n");
	}
}

CASE(name_services)
{
	struct addrinfo *list = NULL;

	load("./libcurious.so", RTLD_NOW);
	ok(getpwnam("root"));
	eq(getaddrinfo("127.0.0.1", "80", NULL, &list), 0);
	freeaddrinfo(list);
}

static void *sleeps(void *fd)
{
	char byte;

	while (read(*(int *)fd, &byte, 1) >= 0)
		;
	return NULL;
}

CASE(unwinder_loaded_by_cancellation)
{
	int fds[2];
	pthread_t t;
	void *result;

	load("./libcurious.so", RTLD_NOW);
	eq(pipe(fds), 0);
	eq(pthread_create(&t, NULL, sleeps, fds), 0);
	eq(pthread_cancel(t), 0);
	eq(pthread_join(t, &result), 0);
	ok(result == PTHREAD_CANCELED);
	eq(listed("libgcc_s.so"), 1);
	load("libgcc_s.so.1", RTLD_NOW);
	eq(listed("libgcc_s.so"), 1);
}

/* --- signals and timers --- */

static void *first_access_in_handler(void *h)
{
	void (*old)(int) = signal(SIGUSR1, (void (*)(int))sym(h, "handle"));

	pthread_kill(pthread_self(), SIGUSR1);
	eq(call(h, "handled"), 11);
	signal(SIGUSR1, old);
	return NULL;
}

CASE(thread_local_data_first_touched_in_a_signal_handler)
{
	const char *const paths[] = {"./libhandler.so", "./libhandler-desc.so"};

	for (int i = 0; i < 2; i++) {
		struct twin_worker *older = twin_worker();
		void *h = load(paths[i], RTLD_NOW);
		pthread_t t;

		twin_do(older, first_access_in_handler, h);
		eq(pthread_create(&t, NULL, first_access_in_handler, h), 0);
		pthread_join(t, NULL);
		first_access_in_handler(h);
		twin_retire(older);
	}
}

static int done_fd;

static void timer_thread(union sigval v)
{
	int value = ((int (*)(void))v.sival_ptr)();

	eq(write(done_fd, &value, sizeof value), sizeof value);
}

CASE(thread_local_data_in_a_timer_thread)
{
	void *h = load("./libhandler.so", RTLD_NOW);
	struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = timer_thread};
	struct itimerspec soon = {.it_value = {0, 1}};
	int fds[2], value;
	timer_t timer;

	eq(pipe(fds), 0);
	done_fd = fds[1];
	e.sigev_value.sival_ptr = sym(h, "handled");
	eq(timer_create(CLOCK_MONOTONIC, &e, &timer), 0);
	eq(timer_settime(timer, 0, &soon, NULL), 0);
	eq(read(fds[0], &value, sizeof value), sizeof value);
	eq(value, 10);
}

CASE(program_is_found_by_null)
{
	struct link_map *self = load(NULL, RTLD_NOW);

	same(self->l_name, "");
	ok(sym(self, "trace") == (void *)trace);
	ok(dlsym(RTLD_DEFAULT, "twin_trace") == twin_trace);
}

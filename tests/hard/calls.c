/* SPDX-License-Identifier: MIT */
/*
 * calls: libdlrs in a sandbox that allows nothing but the system calls that dlrs.7 lists.
 *
 * Runs with the preload, in the directory of the libraries.  Each case puts a seccomp filter on and then
 * uses the dl functions; the program itself only writes and exits.  The filter also looks at arguments:
 * every descriptor close-on-exec, none of them 0, 1 or 2 when it is used, no memory writable and executable
 * at once.  A call that is not allowed ends the case with its number.
 *
 *   calls --list    the names of the calls, for run.sh to compare with the manual page
 */
#include "case.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define CALLS(X)                                                                                   \
	X(clock_gettime) X(close) X(exit_group) X(fcntl) X(fstat) X(ftruncate) X(futex) X(getcwd)  \
	X(getpid) X(gettid) X(madvise) X(membarrier) X(memfd_create) X(mmap) X(mprotect) X(munmap) \
	X(newfstatat) X(openat) X(pipe2) X(pread64) X(prlimit64) X(process_vm_writev) X(read)      \
	X(readlinkat) X(rt_sigaction) X(rt_sigprocmask) X(sched_yield) X(tgkill) X(write)

static const struct {
	const char *name;
	unsigned nr;
} calls[] = {
#define ROW(n) {#n, SYS_##n},
	CALLS(ROW)
#undef ROW
};
enum { CALLS_N = sizeof(calls) / sizeof(calls[0]) };

/* --- the filter -------------------------------------------------------------------------------------- */

static struct sock_filter program[400];
static unsigned short length;

static void op(uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	program[length++] = (struct sock_filter){code, jt, jf, k};
}

static void load_word(size_t off)
{
	op(BPF_LD | BPF_W | BPF_ABS, (uint32_t)off, 0, 0);
}

static void answer(uint32_t what)
{
	op(BPF_RET | BPF_K, what, 0, 0);
}

/* For call nr: argument `arg`'s bits `mask` must (not) all be set. */
static void want_bits(unsigned nr, unsigned arg, uint32_t mask, bool set)
{
	op(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 5);
	load_word(offsetof(struct seccomp_data, args) + 8 * arg);
	op(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	op(BPF_JMP | BPF_JEQ | BPF_K, mask, set ? 1 : 0, set ? 0 : 1);
	answer(SECCOMP_RET_TRAP | 1);
	load_word(offsetof(struct seccomp_data, nr));
}

/* For call nr: argument `arg` is no descriptor (-1), or one that is not for standard input and output. */
static void want_own_descriptor(unsigned nr, unsigned arg)
{
	op(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4);
	load_word(offsetof(struct seccomp_data, args) + 8 * arg);
	op(BPF_JMP | BPF_JGE | BPF_K, 3, 1, 0);
	answer(SECCOMP_RET_TRAP | 1);
	load_word(offsetof(struct seccomp_data, nr));
}

/* For call nr: argument `arg` is one of two values. */
static void want_either(unsigned nr, unsigned arg, uint32_t one, uint32_t other)
{
	op(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 5);
	load_word(offsetof(struct seccomp_data, args) + 8 * arg);
	op(BPF_JMP | BPF_JEQ | BPF_K, one, 2, 0);
	op(BPF_JMP | BPF_JEQ | BPF_K, other, 1, 0);
	answer(SECCOMP_RET_TRAP | 1);
	load_word(offsetof(struct seccomp_data, nr));
}

static void trapped(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	fail("system call %d%s", si->si_syscall, si->si_errno ? " with arguments that it must not have" : "");
}

static void confine(bool text_relocations)
{
	struct sock_fprog prog = {.filter = program};
	struct sigaction sa = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};

	sigaction(SIGSYS, &sa, NULL);
	load_word(offsetof(struct seccomp_data, nr));
	if (!text_relocations) {
		want_bits(SYS_mmap, 2, PROT_WRITE | PROT_EXEC, false);
		want_bits(SYS_mprotect, 2, PROT_WRITE | PROT_EXEC, false);
	}
	want_own_descriptor(SYS_mmap, 4);
	want_own_descriptor(SYS_fstat, 0);
	want_own_descriptor(SYS_ftruncate, 0);
	want_own_descriptor(SYS_pread64, 0);
	want_own_descriptor(SYS_read, 0);
	want_bits(SYS_openat, 2, O_CLOEXEC, true);
	want_bits(SYS_pipe2, 1, O_CLOEXEC, true);
	want_bits(SYS_memfd_create, 1, 1 /* MFD_CLOEXEC */, true);
	want_either(SYS_fcntl, 1, F_DUPFD_CLOEXEC, 1033 /* F_ADD_SEALS */);
	for (unsigned i = 0; i < CALLS_N; i++) {
		op(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr, 0, 1);
		answer(SECCOMP_RET_ALLOW);
	}
	op(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1);
	answer(SECCOMP_RET_ALLOW);
	answer(SECCOMP_RET_TRAP);
	prog.len = length;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog))
		skip("no seccomp filter here: %s", strerror(errno));
}

/* --- cases ------------------------------------------------------------------------------------------- */

static void *opened(const char *name, int mode)
{
	void *h = dlopen(name, mode);

	if (!h)
		fail("%s", dlerror());
	return h;
}

static void use(void *h)
{
	int (*value)(void) = (int (*)(void))dlsym(h, "plug_value");

	ok(value && value() == 23);
}

static int count(struct dl_phdr_info *info, size_t len, void *arg)
{
	(void)info;
	(void)len;
	++*(int *)arg;
	return 0;
}

static void open_and_close(void)
{
	Dl_info info;
	struct link_map *map;
	char origin[4096];
	int n = 0;

	confine(false);
	for (int i = 0; i < 3; i++) {
		void *h = opened("./libplug.so", i & 1 ? RTLD_LAZY : RTLD_NOW | RTLD_GLOBAL);

		use(h);
		ok(dladdr(dlsym(h, "plug_value"), &info));
		ok(!dlinfo(h, RTLD_DI_LINKMAP, &map) && !dlinfo(h, RTLD_DI_ORIGIN, origin));
		dl_iterate_phdr(count, &n);
		ok(!dlclose(h));
	}
	ok(n > 0);
}

static void search(void)
{
	confine(false);
	ok(!dlopen("libnowhere-at-all.so", RTLD_NOW) && dlerror());
	use(opened("libplug.so", RTLD_NOW)); /* LD_LIBRARY_PATH */
	ok(!dlopen("./no-such.so", RTLD_NOW) && dlerror());
	ok(!dlopen("/", RTLD_NOW) && dlerror());
	ok(!dlopen("./plug.c", RTLD_NOW) && dlerror());
}

static void private_copies(void)
{
	confine(false);
	for (int i = 0; i < 3; i++)
		use(opened("./libplug.so", RTLD_NOW | 0x400));
	use(opened("./libplug.so", RTLD_NOW | 0x400 | 0x100000 /* DLRS_SNAPSHOT */));
	void *h = dlmopen(LM_ID_NEWLM, "./libplug.so", RTLD_NOW);
	if (!h)
		fail("%s", dlerror());
	use(h);
}

/* Other threads are there before the sandbox; they open, too. */
static pthread_barrier_t barrier;

static void *work(void *arg)
{
	pthread_barrier_wait(&barrier); /* begun: a thread's first calls are libc's */
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 20; i++) {
		void *h = opened("./libplug.so", RTLD_NOW);

		use(h);
		ok(!dlclose(h));
	}
	pthread_barrier_wait(&barrier);
	for (;;) /* an end would be a thread's exit, whose calls are libc's */
		syscall(SYS_futex, arg, 0x80 /* FUTEX_WAIT_PRIVATE */, 0, NULL, NULL, 0);
	return NULL;
}

static void threads(void)
{
	static uint32_t never;
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, 4);
	for (int i = 0; i < 3; i++)
		ok(!pthread_create(&t, NULL, work, &never));
	pthread_barrier_wait(&barrier);
	confine(false);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 20; i++) {
		void *h = opened("./libplug.so", RTLD_NOW);

		use(h);
		ok(!dlclose(h));
	}
	pthread_barrier_wait(&barrier);
}

static void text_relocations(void)
{
	void *h;

	if (access("libtext.so", R_OK))
		skip("no library with text relocations could be built");
	confine(true);
	h = opened("./libtext.so", RTLD_NOW);
	ok(((int (*)(void))dlsym(h, "text_value"))() == 7);
}

/* A program that closed its first three descriptors, as daemons do. */
static void closed_descriptors(void)
{
	stderr = fdopen(fcntl(2, F_DUPFD_CLOEXEC, 100), "w");
	close(0);
	close(1);
	close(2);
	confine(false);
	use(opened("./libplug.so", RTLD_NOW));
	use(opened("./libplug.so", RTLD_NOW | 0x400 | 0x100000 /* DLRS_SNAPSHOT */));
	dlopen("libnowhere-at-all.so", RTLD_NOW);
	dlopen("./plug.c", RTLD_NOW);
	if (syscall(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_CLOEXEC) != 0)
		fail("descriptor 0 is in use");
}

static const struct hard_case cases[] = {
	{"opening and closing", open_and_close},
	{"searching, and failing", search},
	{"private copies and namespaces", private_copies},
	{"with other threads", threads},
	{"text relocations", text_relocations},
	{"descriptors 0 to 2 are closed, and stay so", closed_descriptors},
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--list")) {
		for (unsigned i = 0; i < CALLS_N; i++)
			puts(calls[i].name);
		return 0;
	}
	return run_cases("calls", cases, sizeof(cases) / sizeof(cases[0]));
}

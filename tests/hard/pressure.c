/* SPDX-License-Identifier: MIT */
/*
 * pressure: opening libraries while something runs out: address space, descriptors, stack.
 *
 * Runs with the preload, in the directory of the libraries.  The rule: it works or there is an error with
 * words, and once there is room again it works.
 */
#include "case.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

static bool try_open(void)
{
	void *h = dlopen("./libplug.so", RTLD_NOW);
	int (*value)(void);

	if (!h) {
		const char *text = dlerror();

		if (!text || !*text)
			fail("an error without a text");
		return false;
	}
	value = (int (*)(void))dlsym(h, "plug_value");
	ok(value && value() == 23);
	ok(!dlclose(h));
	return true;
}

static size_t address_space(void)
{
	char line[128];
	int fd = open("/proc/self/statm", O_RDONLY);
	long n = read(fd, line, sizeof(line) - 1);

	ok(n > 0);
	line[n] = 0;
	close(fd);
	return strtoul(line, NULL, 10) * 4096;
}

static void set_limit(int what, rlim_t soft)
{
	struct rlimit lim;

	ok(!getrlimit(what, &lim));
	lim.rlim_cur = soft;
	ok(!setrlimit(what, &lim));
}

/* From nothing left to plenty, page by page; the first time with nothing opened before. */
static void little_address_space(void)
{
	unsigned failed = 0, worked = 0;
	size_t now;

	dlerror(); /* what is made once in a process, of which most are only reserved addresses */
	now = address_space();
	for (size_t more = 0; more < 200; more++) {
		set_limit(RLIMIT_AS, now + more * 4096);
		*(try_open() ? &worked : &failed) += 1;
	}
	set_limit(RLIMIT_AS, RLIM_INFINITY);
	ok(failed > 0);
	ok(try_open());
	if (!worked)
		fail("200 pages were not enough");
}

/* A program may be started with little: LD_PRELOAD=libdlrs.so.0 and ulimit -v. */
static void born_small(void)
{
	char *self[] = {"/proc/self/exe", "--open", NULL};

	set_limit(RLIMIT_AS, 24 << 20);
	execv(self[0], self);
	fail("execv: %s", strerror(errno));
}

static void no_descriptors(void)
{
	int fds[64], n = 0;

	set_limit(RLIMIT_NOFILE, 40);
	while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	ok(n > 0 && n < 64);
	for (int given_back = 0; given_back < 3; given_back++) {
		bool good = try_open();

		if (given_back == 0 && good)
			fail("opened without a descriptor");
		if (given_back == 2 && !good)
			fail("two descriptors are not enough");
		close(fds[--n]);
	}
	ok(dlopen("libnowhere-at-all.so", RTLD_NOW) == NULL && dlerror());
}

/* Also when all that is left is a descriptor that is not for files. */
static void error_names_the_shortage(void)
{
	set_limit(RLIMIT_NOFILE, 3);
	for (int i = 0; i < 2; i++) {
		const char *text;

		ok(!dlopen("./libplug.so", RTLD_NOW));
		text = dlerror();
		if (!strstr(text, "./libplug.so: ") || !strstr(text, "Too many open files"))
			fail("%s", text);
		close(0);
	}
}

/* A snapshot is a file, too, if in memory; who writes too much of a file gets a signal. */
static void no_files_of_size(void)
{
	const char *text;

	set_limit(RLIMIT_FSIZE, 4096);
	ok(!dlopen("./libplug.so", RTLD_NOW | 0x100000 /* DLRS_SNAPSHOT */));
	text = dlerror();
	if (!strstr(text, "./libplug.so: ") || !strstr(text, "File too large"))
		fail("%s", text);
	ok(try_open());
	set_limit(RLIMIT_FSIZE, 1 << 20);
	ok(dlopen("./libplug.so", RTLD_NOW | 0x100000));
}

/* --- stacks ------------------------------------------------------------------------------------------ */

enum { MARK = 0xa5, OWN = 2048 /* of the function that measures */, BIG = 256 << 10 };

static unsigned char *stack;

/* What a path costs: the deepest of an open by name with dependencies, of errors, of a close. */
static void *measure(void *used)
{
	unsigned char *top = __builtin_frame_address(0);
	size_t n = 0;

	for (unsigned char *p = stack; p < top - OWN; p++)
		*p = MARK;
	ok(!dlopen("libnowhere-at-all.so", RTLD_NOW) && dlerror());
	ok(!dlopen("./libundefined.so", RTLD_NOW) && dlerror());
	ok(try_open());
	while (stack[n] == MARK)
		n++;
	*(size_t *)used = (size_t)(top - stack) - n;
	return NULL;
}

static void stack_use(void)
{
	pthread_attr_t attr;
	pthread_t t;
	size_t used;
	int r;

	stack = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_init(&attr);
	ok(!pthread_attr_setstack(&attr, stack, BIG));
	ok(!pthread_create(&t, &attr, measure, &used));
	r = pthread_join(t, NULL);
	if (r)
		fail("pthread_join: %s", strerror(r));
	printf("     %zu bytes of stack\n", used);
	fflush(stdout);
	if (used > 10 << 10)
		fail("%zu bytes", used);
}

static void *open_it(void *unused)
{
	ok(!dlopen("libnowhere-at-all.so", RTLD_NOW) && dlerror());
	ok(try_open());
	return unused;
}

static void on_stack_of(size_t size)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	ok(!pthread_attr_setstacksize(&attr, size));
	ok(!pthread_create(&t, &attr, open_it, NULL));
	ok(!pthread_join(t, NULL));
}

static void stack_64k(void)
{
	on_stack_of(64 << 10);
}

static void stack_16k(void)
{
	on_stack_of(16 << 10);
}

static void small_main_stack(void)
{
	char *self[] = {"/proc/self/exe", "--open", NULL};

	set_limit(RLIMIT_STACK, 64 << 10);
	execv(self[0], self);
	fail("execv: %s", strerror(errno));
}

/* dlsym and dladdr may be called in a signal handler, also on a stack of the smallest size. */
static void *handle;
static volatile int seen;

static void handler(int sig)
{
	Dl_info info;
	void *at = dlsym(handle, "plug_value");

	seen = at && dladdr(at, &info) && info.dli_sname && !strcmp(info.dli_sname, "plug_value") ? sig : -1;
}

static void alternate_stack(void)
{
	stack_t ss = {.ss_sp = malloc(8192), .ss_size = 8192};
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

	handle = dlopen("./libplug.so", RTLD_NOW);
	ok(handle && !sigaltstack(&ss, NULL) && !sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	ok(seen == SIGUSR1);
}

/* dlopen itself on one of 32 KiB. */
static void opener(int sig)
{
	seen = try_open() ? sig : -1;
}

static void open_on_alternate_stack(void)
{
	stack_t ss = {.ss_sp = malloc(32768), .ss_size = 32768};
	struct sigaction sa = {.sa_handler = opener, .sa_flags = SA_ONSTACK};

	ok(!sigaltstack(&ss, NULL) && !sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	ok(seen == SIGUSR1);
}

static const struct hard_case cases[] = {
	{"little address space", little_address_space},
	{"started with little address space", born_small},
	{"no descriptors", no_descriptors},
	{"the error names the shortage", error_names_the_shortage},
	{"snapshots where files must be small", no_files_of_size},
	{"the deepest path fits into 10 KiB of stack", stack_use},
	{"a thread with 64 KiB of stack", stack_64k},
	{"a thread with 16 KiB of stack", stack_16k},
	{"started with 64 KiB of stack", small_main_stack},
	{"dlsym and dladdr in a handler on 8 KiB", alternate_stack},
	{"dlopen in a handler on 32 KiB", open_on_alternate_stack},
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--open"))
		return !try_open();
	return run_cases("pressure", cases, sizeof(cases) / sizeof(cases[0]));
}

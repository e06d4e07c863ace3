/* SPDX-License-Identifier: MIT */
/*
 * What libc does with its own list of libraries, while ours stand in front of it for debuggers. `hostops`
 * lists the operations, `hostops NAME` does one, with two libraries open; it prints what came of it.
 */
#include "hostops.h"

#include <aio.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <grp.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static char *self;

/* --- libc opens libraries for itself --- */

static void convert(void)
{
	char in[] = "gr\303\274n", out[64], *i = in, *o = out;
	size_t in_left = strlen(in), out_left = sizeof out;
	iconv_t cd = iconv_open("UTF-16BE", "UTF-8"), other = iconv_open("LATIN1", "CP1252");

	ok(cd != (iconv_t)-1);
	ok(iconv(cd, &i, &in_left, &o, &out_left) != (size_t)-1);
	printf("%d bytes, LATIN1 from CP1252: %d\n", (int)(o - out), other != (iconv_t)-1);
	iconv_close(cd);
	if (other != (iconv_t)-1)
		iconv_close(other);
}

static void user(void)
{
	struct passwd *p = getpwuid(0);

	ok(p && !p->pw_uid);
	ok(!getpwnam("no such user"));
}

static void group(void)
{
	gid_t groups[64];
	int n = 64;

	ok(getgrgid(0));
	ok(getgrouplist("root", 0, groups, &n) > 0);
}

static void name_service(void)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found = NULL;

	ok(!getaddrinfo("127.0.0.1", "80", &hints, &found) && found);
	freeaddrinfo(found);
	printf("%d\n", getaddrinfo("name.invalid.", NULL, NULL, &found) != 0);
}

static void services(void)
{
	struct protoent *p = getprotobyname("tcp");

	printf("tcp is %d\n", p ? p->p_proto : -1);
	getservbyname("http", "tcp");
}

static void locale(void)
{
	printf("%s\n", setlocale(LC_ALL, "C.UTF-8") ? "C.UTF-8" : "none");
}

/* --- threads --- */

static void *return_argument(void *arg)
{
	return arg;
}

static void threads(void)
{
	pthread_t t[8];
	void *result;

	for (long i = 0; i < 8; i++)
		ok(!pthread_create(&t[i], NULL, return_argument, (void *)i));
	for (long i = 0; i < 8; i++)
		ok(!pthread_join(t[i], &result) && result == (void *)i);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void cancel(void)
{
	pthread_t t;
	void *result;

	ok(!pthread_create(&t, NULL, wait_for_ever, NULL));
	ok(!pthread_cancel(t));
	ok(!pthread_join(t, &result) && result == PTHREAD_CANCELED);
}

static void *leave(void *arg)
{
	pthread_exit(arg);
}

static void thread_exit(void)
{
	pthread_t t;
	void *result;

	ok(!pthread_create(&t, NULL, leave, &t));
	ok(!pthread_join(t, &result) && result == &t);
}

static void main_thread_exits(void)
{
	puts("leaving");
	fflush(stdout);
	pthread_exit(NULL);
}

static void *use_local(void *h)
{
	int *p = real.sym(h, "third_local");

	ok(p && *p == 42);
	*p = 1;
	return p;
}

static void thread_locals_of_host_library(void)
{
	void *h = open_real("./libthird.so"), *mine = use_local(h), *other;
	pthread_t t;

	ok(!pthread_create(&t, NULL, use_local, h));
	ok(!pthread_join(t, &other) && other != mine);
	ok(!real.close(h));
}

static void expired(union sigval value)
{
	sem_post((sem_t *)value.sival_ptr);
}

static void timer(void)
{
	sem_t done;
	timer_t t;
	struct sigevent e = {.sigev_notify = SIGEV_THREAD,
			     .sigev_notify_function = expired,
			     .sigev_value.sival_ptr = &done};
	struct itimerspec at = {.it_value.tv_nsec = 1};

	ok(!sem_init(&done, 0, 0));
	ok(!timer_create(CLOCK_MONOTONIC, &e, &t));
	ok(!timer_settime(t, 0, &at, NULL));
	while (sem_wait(&done))
		ok(errno == EINTR);
	ok(!timer_delete(t));
}

static void asynchronous_read(void)
{
	char text[8];
	struct aiocb io = {
		.aio_fildes = open("/proc/self/exe", O_RDONLY), .aio_buf = text, .aio_nbytes = 4};
	const struct aiocb *list[] = {&io};

	ok(!aio_read(&io));
	while (aio_error(&io) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	ok(aio_return(&io) == 4 && !memcmp(text, "\177ELF", 4));
}

/* --- stacks, processes, the end --- */

static void stack(void)
{
	void *pc[32];
	int n = backtrace(pc, 32);
	char **text = backtrace_symbols(pc, n);

	ok(n > 2 && text && strstr(text[0], "hostops"));
	free(text);
}

static void stack_to_descriptor(void)
{
	void *pc[32];
	int n = backtrace(pc, 32), fds[2];
	char text[4096];

	ok(!pipe(fds));
	backtrace_symbols_fd(pc, n, fds[1]);
	ok(read(fds[0], text, sizeof text) > 0);
}

static void forked(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		host_open();
		_exit(7);
	}
	ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void spawned(void)
{
	char *argv[] = {"true", NULL};
	int status;
	pid_t pid;

	ok(!posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
	ok(waitpid(pid, &status, 0) == pid && !status);
	ok(!system("exit 0"));
}

static void executed(void)
{
	char *argv[] = {self, "locale", NULL};

	fflush(stdout);
	execv("/proc/self/exe", argv);
	ok(!"execv");
}

static void at_the_end(void)
{
	puts("at the end");
}

static void exits(void)
{
	atexit(at_the_end);
	exit(0);
}

static void exits_quickly(void)
{
	at_quick_exit(at_the_end);
	fflush(stdout);
	quick_exit(0);
}

/* What leak checkers call: libc frees all it has, its list of libraries too. */
static void freeres(void)
{
	void (*f)(void) = (void (*)(void))dlsym(dlopen("libc.so.6", RTLD_NOW), "__libc_freeres");

	fflush(stdout);
	if (f)
		f();
	_exit(0);
}

static void handled_signal(int n)
{
	void *pc[8];

	backtrace(pc, 8);
}

static void signals(void)
{
	signal(SIGUSR1, handled_signal);
	ok(!raise(SIGUSR1));
}

/* clang-format off */
#define OP(f) {#f, f}

static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {
	OP(host_open),		     OP(host_open_what_we_have), OP(host_open_and_keep),
	OP(host_open_in_namespace),  OP(host_open_three_namespaces), OP(host_open_global),
	OP(host_open_itself),	     OP(host_open_noload),	 OP(host_open_fails),
	OP(host_lookup),	     OP(host_address),		 OP(host_iterate),
	OP(host_list),		     OP(our_list),		 OP(host_constructor_opens_ours),
	OP(convert),		     OP(user),			 OP(group),
	OP(name_service),	     OP(services),		 OP(locale),
	OP(threads),		     OP(cancel),		 OP(thread_exit),
	OP(main_thread_exits),	     OP(thread_locals_of_host_library), OP(timer),
	OP(asynchronous_read),	     OP(stack),			 OP(stack_to_descriptor),
	OP(forked),		     OP(spawned),		 OP(executed),
	OP(exits),		     OP(exits_quickly),		 OP(freeres),
	OP(signals),
};
/* clang-format on */

int main(int argc, char **argv)
{
	void *plugin, *late;

	self = argv[0];
	plugin = dlopen("./libplugin.so", RTLD_NOW);
	late = dlopen("./liblate.so", RTLD_NOW | RTLD_GLOBAL);
	ok(plugin && late);
	find_real();
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		if (argc < 2)
			puts(ops[i].name);
		else if (!strcmp(ops[i].name, argv[1]))
			ops[i].run();
	}
	ok(!dlclose(plugin));
	ok(!dlclose(late));
	return 0;
}

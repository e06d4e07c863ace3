/* SPDX-License-Identifier: MIT */
/*
 * late: what a program does before it asks for anything of the dlopen family, which libdlrs puts off until then.
 *
 * Run with the preload and without, in the directory of the libraries: both must print the same.
 *
 *   late WHAT
 */
#include <dlfcn.h>
#include <iconv.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char **arguments;

static void *open_plug(const char *file)
{
	void *h = dlopen(file, RTLD_NOW);

	printf("%s\n", h ? "opened" : dlerror());
	return h;
}

static int show(struct dl_phdr_info *info, size_t len, void *arg)
{
	const char *base = strrchr(info->dlpi_name, '/');

	(void)arg;
	base = base ? base + 1 : info->dlpi_name;
	if (!strstr(base, "libdlrs"))
		printf("%s %d headers, %zu\n", base, info->dlpi_phnum, len);
	return 0;
}

/* A walk shows the same before and after, and a library of ours when there is one. */
static void walks(void)
{
	void *h;

	dl_iterate_phdr(show, NULL);
	h = open_plug("./libplug.so");
	dl_iterate_phdr(show, NULL);
	dlclose(h);
	dl_iterate_phdr(show, NULL);
}

/* What libc has loaded for itself is nobody's start-up library. */
static void converter(void)
{
	iconv_t cd = iconv_open("UTF-16LE", "ISO-8859-15");
	char in[] = "late", out[32], *from = in, *to = out;
	size_t left = 4, room = sizeof(out);

	printf("converter: %d, %zu\n", cd != (iconv_t)-1, iconv(cd, &from, &left, &to, &room));
	printf("its symbols: %d\n", dlsym(RTLD_DEFAULT, "gconv_init") != NULL);
	open_plug("./libplug.so");
	iconv_close(cd);
	printf("still: %d\n", dlsym(RTLD_DEFAULT, "gconv_init") != NULL);
}

static sem_t fired;
static int (*from_library)(void);

static void on_timer(union sigval v)
{
	static __thread int mine = 5;

	(void)v;
	printf("timer: %d %d\n", mine++, from_library ? from_library() : -1);
	sem_post(&fired);
}

/* Its thread is libc's own from now on. */
static timer_t timer_that(void (*calls)(union sigval))
{
	struct sigevent how = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = calls};
	timer_t t;

	sem_init(&fired, 0, 0);
	timer_create(CLOCK_MONOTONIC, &how, &t);
	return t;
}

static void fire(timer_t t)
{
	struct itimerspec soon = {.it_value.tv_nsec = 1};

	timer_settime(t, 0, &soon, NULL);
	sem_wait(&fired);
}

/* A thread that libc makes without asking anybody, and libraries with thread-locals that come later. */
static void timers(void)
{
	timer_t t = timer_that(on_timer);

	fire(t);
	from_library = (int (*)(void))dlsym(open_plug("./libtls.so"), "tls_next");
	fire(t);
	printf("main: %d\n", from_library());
	fire(t);
	for (int i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "./libtls%d.so", i);
		from_library = (int (*)(void))dlsym(open_plug(name), "tls_next");
		fire(t);
	}
	timer_delete(t);
}

static void forks(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		open_plug("./libplug.so");
		fflush(stdout);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	printf("child: %d\n", WEXITSTATUS(status));
	open_plug("./libplug.so");
}

/* A program may write what it likes where its environment was; nobody must obey that. */
static void title(void)
{
	static const char before[] = "ROOM=0123456789\0FOR=012345678901234567\0OTHER=12345678";
	static const char after[] = "LD_BIND_NOW=all\0LD_LIBRARY_PATH=secret\0DLRS_DEBUG=all";
	extern char **environ;
	char *preload = getenv("LD_PRELOAD");
	char *with_room[] = {(char *)before, (char *)before + 16, (char *)before + 39,
			     preload ? preload - strlen("LD_PRELOAD=") : NULL, NULL};
	void *h;

	if (strncmp(environ[0], "ROOM=", 5))
		execve("/proc/self/exe", arguments, with_room);
	memcpy(environ[0], after, sizeof(after));
	h = dlopen("./libundefined.so", RTLD_LAZY);
	printf("bound when called: %d\n", h && dlsym(h, "f"));
	printf("found: %d\n", dlopen("libhidden.so", RTLD_NOW) != NULL);
	open_plug("./libplug.so");
}

static void *in_thread(void *arg)
{
	void *h = open_plug(arg);

	printf("thread: %d\n", dlsym(h, "plug_value") != NULL);
	return NULL;
}

static void threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, in_thread, "./libplug.so");
	pthread_join(t, NULL);
	printf("handle: %d\n", dlopen("./libplug.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
}

static int (*plug_value)(void);

static void opens_in_timer(union sigval v)
{
	(void)v;
	plug_value = (int (*)(void))dlsym(open_plug("./libplug.so"), "plug_value");
	printf("timer: %d\n", plug_value());
	sem_post(&fired);
}

/* The first to ask is a thread of libc's; the library has thread-locals at a fixed offset in every thread. */
static void elsewhere(void)
{
	timer_t t = timer_that(opens_in_timer);

	fire(t);
	printf("main: %d\n", plug_value());
	timer_delete(t);
}

/* The first to ask is a child that works on its parent's memory. */
static void vforks(void)
{
	int status;
	pid_t pid = vfork();

	if (!pid)
		_exit(dlsym(RTLD_DEFAULT, "getpid") != NULL);
	waitpid(pid, &status, 0);
	printf("child: %d\n", WEXITSTATUS(status));
	threads();
}

static int opens_once(struct dl_phdr_info *info, size_t len, void *seen)
{
	static bool opened;

	(void)len;
	if (!opened) {
		opened = true;
		open_plug("./libplug.so");
	}
	*(int *)seen += strstr(info->dlpi_name, "libplug.so") != NULL;
	return 0;
}

static void inside_a_walk(void)
{
	int seen = 0;

	dl_iterate_phdr(opens_once, &seen);
	printf("seen: %d\n", seen);
}

static volatile sig_atomic_t asked, wrong;

static void asks(int sig)
{
	(void)sig;
	wrong |= !dlsym(RTLD_DEFAULT, "puts");
	asked = 1;
}

/* A signal's handler asks, too, while the first door opens. */
static void interrupted(void)
{
	int status, bad = 0;

	for (long when = 1000; when < 200000; when += 2000) {
		pid_t pid = fork();

		if (!pid) {
			struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
			struct itimerspec then = {.it_value.tv_nsec = when};
			timer_t t;

			signal(SIGALRM, asks);
			timer_create(CLOCK_MONOTONIC, &how, &t);
			timer_settime(t, 0, &then, NULL);
			wrong |= !dlsym(RTLD_DEFAULT, "getpid");
			while (!asked)
				sched_yield();
			_exit(wrong);
		}
		waitpid(pid, &status, 0);
		bad += status != 0;
	}
	printf("%d wrong\n", bad);
}

/* Destructors at exit: ours and libc's, when the first library comes at the very end. */
static void at_exit(void)
{
	open_plug("./libplug.so");
}

static void exits(void)
{
	atexit(at_exit);
}

static const struct {
	const char *name;
	void (*run)(void);
} all[] = {{"walks", walks}, {"converter", converter}, {"timers", timers}, {"forks", forks},
	   {"title", title}, {"threads", threads}, {"elsewhere", elsewhere}, {"vforks", vforks},
	   {"inside_a_walk", inside_a_walk}, {"interrupted", interrupted}, {"exits", exits}};

int main(int argc, char **argv)
{
	arguments = argv;
	for (size_t i = 0; argc > 1 && i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(argv[1], all[i].name)) {
			all[i].run();
			return 0;
		}
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		puts(all[i].name);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The program that the debuggers run. Its arguments are steps:
 *
 *	open FILE     dlopen; the library's names begin with the file's between "lib" and ".so"
 *	copy FILE     the same, a private copy (0x400)
 *	snapshot FILE the same, a snapshot of the file (0x100000)
 *	space FILE    the same, in a namespace of its own
 *	call, die     of the library opened last
 *	close         the one opened last, of those still open
 *	stop          prints "ready" and waits for a line on stdin
 *	sync          calls synced(), where the scripts stop
 *	fork          the child takes the other steps, the parent waits for it and ends as it ended
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPEN_MAX = 16, PRIVATE_COPY = 0x400, SNAPSHOT = 0x100000 };

struct library {
	void *handle;
	char prefix[64];
};

static struct library opened[OPEN_MAX];
static int nopened;

int program_global = 5;
__thread int program_local = 7;

void synced(int n);
int answer(int x);
int *program_local_address(void);

int *program_local_address(void)
{
	return &program_local;
}

void synced(int n)
{
	program_global += n; /* mark: synced */
}

int answer(int x)
{
	program_local++;
	return 2 * x; /* mark: answer */
}

static void *symbol(const char *suffix)
{
	struct library *l = &opened[nopened - 1];
	char name[128];
	void *p;

	snprintf(name, sizeof name, "%s_%s", l->prefix, suffix);
	p = dlsym(l->handle, name);
	if (!p) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return p;
}

static void opening(const char *how, const char *file)
{
	struct library *l = &opened[nopened++];
	int copy = !strcmp(how, "copy") ? PRIVATE_COPY : !strcmp(how, "snapshot") ? PRIVATE_COPY | SNAPSHOT : 0;
	const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

	if (!strcmp(how, "space"))
		l->handle = dlmopen(LM_ID_NEWLM, file, RTLD_NOW);
	else
		l->handle = dlopen(file, RTLD_NOW | copy);
	if (!l->handle) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	snprintf(l->prefix, sizeof l->prefix, "%.*s", (int)(strlen(base) - strlen("lib.so")),
		 base + 3);
}

static void forked(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		return;
	waitpid(pid, &status, 0);
	puts(status ? "the child failed" : "the child is done");
	exit(status != 0);
}

static void step(const char *word, int n)
{
	char line[64];

	if (!strcmp(word, "call")) {
		int (*call)(int (*)(int), int) = (int (*)(int (*)(int), int))symbol("call");

		printf("call %d\n", call(answer, n));
	} else if (!strcmp(word, "die")) {
		((void (*)(void))symbol("die"))();
	} else if (!strcmp(word, "close")) {
		if (dlclose(opened[--nopened].handle))
			exit(1);
	} else if (!strcmp(word, "stop")) {
		puts("ready");
		fflush(stdout);
		if (!fgets(line, sizeof line, stdin))
			exit(1);
	} else if (!strcmp(word, "sync")) {
		synced(n);
	} else if (!strcmp(word, "fork")) {
		forked();
	} else {
		fprintf(stderr, "no such step: %s\n", word);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!strcmp(word, "open") || !strcmp(word, "copy") || !strcmp(word, "space") ||
		    !strcmp(word, "snapshot"))
			opening(word, argv[++i]);
		else
			step(word, i);
	}
	puts("done");
	return 0;
}

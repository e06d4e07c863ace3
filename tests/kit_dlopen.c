/* SPDX-License-Identifier: MIT */
/*
 * kit_dlopen: the same damaged files, end to end: opened by dlopen in a process that has libdlrs preloaded.
 *
 * Linked into the check_*_dlopen programs, which are check_*.c compiled again with KIT_DLOPEN.  The process
 * starts itself anew with the preload.  Code of the sample is nothing but return instructions, so that
 * constructors and resolvers of files that are accepted may run.
 */
#include "kit.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined __x86_64__ || defined __i386__
static const unsigned char return_code[] = {0xc3};
#elif defined __aarch64__
static const unsigned char return_code[] = {0xc0, 0x03, 0x5f, 0xd6};
#elif defined __riscv
static const unsigned char return_code[] = {0x82, 0x80};
#else
#error "which bytes return from a function on this CPU?"
#endif

/* Relocating constructors may be what is damaged, so of a file that is to be accepted none are called. */
static void tame(struct elfgen *e, const struct kit_bad *b)
{
	uint64_t at = elfgen_off(e, KIT_TEXT);

	for (size_t i = 0; i < e->part[ELFGEN_TEXT].len && at + i < e->len; i++)
		e->buf[at + i] = return_code[i % sizeof(return_code)];
	if (b->kind != DIAG_NONE)
		return;
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_val, DT_INIT_ARRAYSZ, 0}, 0);
	elfgen_poke(e, (struct elfgen_place){ELFGEN_d_val, DT_FINI_ARRAYSZ, 0}, 0);
}

void kit_preload(char **argv)
{
	const char *lib = getenv("DLRS_LIB");

	kit_before_write = tame;
	if (dlsym(RTLD_DEFAULT, "dlrs_version"))
		return;
	if (!lib || getenv("KIT_PRELOADED")) {
		puts("Bail out! DLRS_LIB does not name the library to preload");
		exit(1);
	}
	if (!dlsym(RTLD_DEFAULT, "gnu_get_libc_version")) {
		puts("each case opens another file by one name, but with this libc a library once opened stays");
		exit(77);
	}
	setenv("LD_PRELOAD", lib, 1);
	setenv("KIT_PRELOADED", "1", 1);
	execv("/proc/self/exe", argv);
	perror("execv");
	exit(1);
}

bool kit_dlopen(const char *path, struct diag *d)
{
	void *handle = dlopen(path, RTLD_NOW);
	const char *text = handle ? NULL : dlerror();

	diag_clear(d);
	if (handle) {
		ck_assert_msg(!dlclose(handle), "%s", dlerror());
		return true;
	}
	ck_assert_msg(text, "%s: an error without a text", path);
	ck_assert_msg(strstr(text, path), "%s: the message names another file: %s", path, text);
	snprintf(d->text, sizeof(d->text), "%s", text);
	return false;
}

struct request {
	const char *path;
	struct diag *d;
	bool ok;
};

static void *open_in_thread(void *arg)
{
	struct request *r = arg;

	r->ok = kit_dlopen(r->path, r->d);
	return NULL;
}

bool kit_dlopen_elsewhere(const char *path, struct diag *d)
{
	struct request r = {path, d, false};
	pthread_t t;

	ck_assert(!pthread_create(&t, NULL, open_in_thread, &r) && !pthread_join(t, NULL));
	return r.ok;
}

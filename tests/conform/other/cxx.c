/* SPDX-License-Identifier: MIT
 *
 * What a libstdc++ that was built for glibc wants of it, for musl. Part of libcxx.so (musl-g++), and with -DSTATIC of
 * static programs. Two are what libdlrs has, too: with the preload, its own come first.
 */
#define _GNU_SOURCE
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

struct answer { /* struct dl_find_object */
	unsigned long long flags;
	void *map_start, *map_end;
	struct link_map *map;
	void *eh_frame;
	unsigned long long reserved[7];
};

int _dl_find_object(void *pc, struct answer *out);
int __cxa_thread_atexit_impl(void (*fn)(void *), void *obj, void *dso);
size_t __strftime_l(char *s, size_t len, const char *format, const struct tm *tm, locale_t locale);
unsigned arc4random(void);

char __libc_single_threaded;

#ifndef STATIC /* libcxx.so */
struct question {
	ElfW(Addr) pc;
	struct answer *out;
};

static int each(struct dl_phdr_info *info, size_t len, void *arg)
{
	struct question *q = arg;
	void *eh_frame = NULL;
	int inside = 0;

	(void)len;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		inside |= ph->p_type == PT_LOAD && q->pc - info->dlpi_addr - ph->p_vaddr < ph->p_memsz;
		if (ph->p_type == PT_GNU_EH_FRAME)
			eh_frame = (void *)(info->dlpi_addr + ph->p_vaddr);
	}
	if (!inside || !eh_frame)
		return 0;
	*q->out = (struct answer){.map_start = (void *)info->dlpi_addr, .eh_frame = eh_frame};
	return 1;
}

int _dl_find_object(void *pc, struct answer *out)
{
	return dl_iterate_phdr(each, &(struct question){(ElfW(Addr))pc, out}) ? 0 : -1;
}

int __cxa_thread_atexit_impl(void (*fn)(void *), void *obj, void *dso)
{
	return !fn + !obj + !dso; /* without it no destructor of a thread_local object runs */
}

size_t __strftime_l(char *s, size_t len, const char *format, const struct tm *tm, locale_t locale)
{
	return strftime_l(s, len, format, tm, locale);
}

#else /* a static program: libdlrs.a has the first, musl's libc.a the last of them */
struct end {
	struct end *next;
	void (*fn)(void *);
	void *obj;
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void run(void *list)
{
	for (struct end *e = list, *next; e; e = next) {
		next = e->next;
		e->fn(e->obj);
		free(e);
	}
}

static void make_key(void)
{
	pthread_key_create(&key, run);
}

int __cxa_thread_atexit_impl(void (*fn)(void *), void *obj, void *dso)
{
	struct end *e = malloc(sizeof *e);

	(void)dso;
	pthread_once(&once, make_key);
	if (!e)
		return -1;
	*e = (struct end){pthread_getspecific(key), fn, obj};
	return pthread_setspecific(key, e);
}
#endif

unsigned arc4random(void)
{
	return 4;
}

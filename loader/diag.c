/* SPDX-License-Identifier: MIT */
/*
 * diag: the message of a failure, and the lines of DLRS_DEBUG.
 *
 * A message is written once, by whoever knows the cause; everybody above may only append.  A trace line
 * is one write(2), so that lines of several threads and processes stay whole.  The output is stderr, or
 * the file `<DLRS_DEBUG_OUTPUT>.<pid>`, made when the first line is printed: by then a forked child
 * has its own process id, and gets a file of its own.
 *
 * Called by every room; diag_trace_start by the door at boot.  Must never allocate.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "diag.h"
#include "text.h"

enum { LINE_MAX = 2048 + 256, OUTPUT_MAX = 1024 };

unsigned diag_channels;

static struct {
	char prefix[OUTPUT_MAX]; /* "": stderr */
	atomic_int pid;		 /* whose file fd is; partner: the load in output() */
	atomic_int fd;
} trace;

/* ---- messages --------------------------------------------------------------------------------- */

static void append(struct diag *d, const char *fmt, va_list ap)
{
	size_t room = sizeof(d->text) - d->len;
	size_t len = text_vformat(d->text + d->len, room, fmt, ap);

	d->len += len < room ? len : room - 1;
}

bool diag_set(struct diag *d, enum diag_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (!d || d->kind != DIAG_NONE)
		return false;
	diag_clear(d);
	d->kind = kind;
	va_start(ap, fmt);
	append(d, fmt, ap);
	va_end(ap);
	return false;
}

bool diag_add(struct diag *d, const char *fmt, ...)
{
	va_list ap;

	if (!d)
		return false;
	va_start(ap, fmt);
	append(d, fmt, ap);
	va_end(ap);
	return false;
}

bool diag_no_memory(struct diag *d, const char *object)
{
	if (object && *object)
		return diag_set(d, DIAG_NO_MEMORY, "%s: cannot allocate memory", object);
	return diag_set(d, DIAG_NO_MEMORY, "cannot allocate memory");
}

/* libc's sentence, its places filled. */
static void fill(struct diag *d, const char *sentence, const char *const part[3])
{
	for (const char *s = sentence; *s; s++) {
		if (*s == '$' && s[1] >= '1' && s[1] <= '3')
			diag_add(d, "%.1024s", part[*++s - '1']);
		else
			diag_add(d, "%c", *s);
	}
}

bool diag_say(struct diag *d, enum diag_kind kind, enum host_sentence what, const char *a, const char *b)
{
	const char *const part[] = {a, b, ""};

	if (!d || d->kind != DIAG_NONE)
		return false;
	diag_clear(d);
	d->kind = kind;
	d->said = true;
	d->word = what == HOST_SAY_CANNOT_OPEN ? b : NULL;
	if (what == HOST_SAY_CANNOT_OPEN || what == HOST_SAY_CANNOT_READ)
		d->err = host_errno_of(b);
	fill(d, host.style->say[what], part);
	return false;
}

/* What the system would say, had it failed in our place. */
static const char *system_word(enum diag_kind kind)
{
	return host_errno_text(kind == DIAG_NO_MEMORY || kind == DIAG_TLS ? ENOMEM : ENOEXEC);
}

bool diag_frame(struct diag *d, const char *name)
{
	const char *sentence = host.style->say[HOST_SAY_FAILED];
	static char own[sizeof d->text]; /* stacks may be small; the loader lock protects it */
	const char *const part[] = {name, own, system_word(d->kind)};

	if (!sentence || d->said)
		return false;
	memcpy(own, d->text, d->len + 1);
	d->said = true;
	d->err = host_errno_of(part[2]);
	d->len = 0;
	fill(d, sentence, part);
	return false;
}

/* ---- traces ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned bits;
} channels[] = {
	{"find", TRACE_FIND},	{"map", TRACE_MAP},   {"reloc", TRACE_RELOC},
	{"bind", TRACE_BIND},	{"init", TRACE_INIT}, {"tls", TRACE_TLS},
	{"close", TRACE_CLOSE}, {"host", TRACE_HOST}, {"statistics", TRACE_STATISTICS},
	{"gdb", TRACE_GDB},	{"nogdb", TRACE_NO_GDB},
	{"all", ~0u & ~(TRACE_GDB | TRACE_NO_GDB)},
};

enum { NCHANNELS = sizeof(channels) / sizeof(channels[0]) };

static unsigned channel(const char *name, size_t len)
{
	for (unsigned i = 0; i < NCHANNELS; i++)
		if (text_len(channels[i].name) == len && !memcmp(channels[i].name, name, len))
			return channels[i].bits;
	return 0;
}

void diag_trace_start(const char *list, const char *output_prefix)
{
	const char *unknown = NULL;
	size_t unknown_len = 0;

	if (output_prefix && text_len(output_prefix) + 16 < sizeof(trace.prefix))
		text_copy(trace.prefix, sizeof(trace.prefix), output_prefix);
	while (list && *list) {
		size_t len = 0;
		unsigned bits;

		while (list[len] && !text_chr(",:; ", list[len]))
			len++;
		bits = channel(list, len);
		diag_channels |= bits;
		if (!bits && len) {
			unknown = list;
			unknown_len = len;
		}
		list += len + (list[len] != '\0');
	}
	if (unknown)
		diag_print("DLRS_DEBUG: no channel is called '%.*s'; there are find map reloc bind init "
			   "tls close host statistics gdb nogdb all",
			   (int)unknown_len, unknown);
}

/* The file descriptor for this process's lines. */
static int output(void)
{
	char path[OUTPUT_MAX];
	int pid, fd;

	if (!trace.prefix[0])
		return 2;
	pid = host_pid();
	/* acquire; partner: the release store below */
	if (atomic_load_explicit(&trace.pid, memory_order_acquire) == pid)
		return atomic_load_explicit(&trace.fd, memory_order_relaxed);
	text_format(path, sizeof(path), "%s.%d", trace.prefix, pid);
	fd = host_create(path);
	if (fd < 0)
		fd = 2;
	atomic_store_explicit(&trace.fd, fd, memory_order_relaxed);
	/* release; partner: the acquire load above */
	atomic_store_explicit(&trace.pid, pid, memory_order_release);
	return fd;
}

void diag_print(const char *fmt, ...)
{
	char line[LINE_MAX] = "dlrs: ";
	const size_t head = sizeof("dlrs: ") - 1;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = head + text_vformat(line + head, sizeof(line) - head - 1, fmt, ap);
	va_end(ap);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	host_write(output(), line, len);
}
